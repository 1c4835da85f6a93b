"""People on a chain: passports, links, nullifiers, badges, points; each act returns its gas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain import CHAIN_ID, ETHER, GENESIS_S, Chain
from eth_account import Account
from workload import Sender

from trex.badges.chain import contract
from trex.engagement.epochs import EpochRewards, publish_message
from trex.gateway import attestations as said
from trex.passport import acts
from trex.passport import contracts as abi
from trex.passport.contracts import Contracts
from trex.passport.keys import Key, Role, evm_key
from trex.passport.proofs import Proof, sign_evm
from trex.points.task import TaskKind
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trex.types.eip712 import TypedMessage

CONTRACTS = Contracts(chain_id=CHAIN_ID)
NOTHING = Proof(0, 0, b"")
"""Of an account that sends by itself."""
YEAR_S = 365 * 86_400
WALLET = keccak256(b"wallet")


def hexed(address: Address) -> str:
    """Write an address."""
    return f"0x{address.hex()}"


def far(number: int) -> str:
    """An address that nobody has used."""
    return f"0x{keccak256(f'far {number}'.encode())[:20].hex()}"


@dataclass
class Person:
    """A person with a passport."""

    account: Sender
    passport: int
    nullifier: Hash32

    @property
    def key(self) -> Key:
        """That acts."""
        return evm_key(Address(bytes.fromhex(self.account.address[2:])))


class People:
    """Makes people and has them act."""

    def __init__(self, chain: Chain) -> None:
        """Take the chain."""
        self.chain, self.all = chain, list[Person]()
        self._next = 0
        self._season = 0

    def _account(self) -> Sender:
        self._next += 1
        key = keccak256(f"persona bench {self._next}".encode())
        return Sender(bytes(key), Account.from_key(key).address.lower())

    def _count(self) -> int:
        answer = self.chain.call(hexed(CONTRACTS.passport), abi.COUNT.call())
        return int.from_bytes(answer)

    def _deadline(self) -> int:
        return self.chain.time_s() + YEAR_S

    def create(self) -> Person:
        """Make a passport by its own account."""
        account = self._account()
        self.chain.send(account.address, b"", 18 * ETHER)  # its fee at most
        key = evm_key(Address(bytes.fromhex(account.address[2:])))
        self.chain.send(hexed(CONTRACTS.passport), abi.create(key, NOTHING), sender=account)
        number = self._count()
        person = Person(account, number, keccak256(f"nullifier {number}".encode()))
        self.all.append(person)
        return person

    def create_signed(self) -> int:
        """Make a passport by a signature that another sends."""
        account = self._account()
        key = evm_key(Address(bytes.fromhex(account.address[2:])))
        act = acts.create(CONTRACTS.passport_domain, key.id, 0, self._deadline())
        data = abi.create(key, sign_evm(act, account.key))
        return self.chain.gas(hexed(CONTRACTS.passport), data)

    def link(self, person: Person) -> int:
        """Link a wallet, both sides signed, sent by another."""
        wallet = self._account()
        key = evm_key(Address(bytes.fromhex(wallet.address[2:])))
        at = hexed(CONTRACTS.passport)
        nonce = int.from_bytes(self.chain.call(at, abi.NONCE_OF.call(person.passport)))
        domain, until = CONTRACTS.passport_domain, self._deadline()
        taken = acts.take_key(domain, person.passport, key.id, Role.LINKED, nonce, until)
        entered = acts.enter(domain, person.passport, key.id, Role.LINKED, 0, until)
        data = abi.add_key(
            person.passport,
            person.key,
            sign_evm(taken, person.account.key),
            key,
            Role.LINKED,
            sign_evm(entered, wallet.key),
        )
        return self.chain.gas(at, data)

    def pay_out(self, person: Person) -> int:
        """Name its account as the payout address."""
        data = abi.SET_PAYOUT.call(person.passport, person.key.tuple, NOTHING.tuple, person.account.address)
        return self.chain.gas(hexed(CONTRACTS.passport), data, sender=person.account)

    def bind(self, person: Person) -> int:
        """Bind a nullifier; again, it is renewed."""
        now = self.chain.time_s()
        binding = said.Binding(
            person.passport, person.nullifier, WALLET, Hash32(bytes(32)), 1, now, now + 3_600
        )
        signed = self.chain.attest(said.binding_message(CONTRACTS, binding))
        return self.chain.gas(hexed(CONTRACTS.nullifiers), said.bind_call(binding, 1, signed))

    def publish_policy(self) -> Hash32:
        """Publish a policy and return its number."""
        data = contract.PUBLISH.call(keccak256(b"document"), 3, 1, "Early bird", "")
        receipt = self.chain.send(hexed(CONTRACTS.policies), data)
        return Hash32(bytes.fromhex(receipt["logs"][0]["topics"][1][2:]))  # type: ignore[index]

    def grant(self, policy: Hash32, people: Sequence[Person]) -> int:
        """Grant a badge to each."""
        now = self.chain.time_s()
        zero = Hash32(bytes(32))
        grants = [
            contract.Grant(
                one.passport,
                policy,
                (one.nullifier,),
                keccak256(b"evidence"),
                zero,
                now,
                0,
                now + 3_600,
                1,
                10,
                1,
            )
            for one in people
        ]
        signed = self.chain.attest(contract.grants_message(CONTRACTS, grants))
        return self.chain.gas(hexed(CONTRACTS.badges), contract.grant_call(grants, 1, signed))

    def open_season(self) -> None:
        """Announce a season that has begun."""
        self._season += 1
        kinds = (TaskKind.DAILY.ledger_kind,)
        season = said.Season(GENESIS_S, GENESIS_S + 30 * YEAR_S, 10**9, kinds, (10**9,))
        signed = self.chain.attest(said.season_message(CONTRACTS, self._season, season))
        self.chain.send(hexed(CONTRACTS.points), said.season_call(season, 1, signed))

    def record(self, people: Sequence[Person]) -> int:
        """Record a deed of each."""
        kind = TaskKind.DAILY.ledger_kind
        items = [said.PointsItem(one.passport, self._season, 10, kind, one.nullifier) for one in people]
        until = self._deadline()
        signed = self.chain.attest(said.points_message(CONTRACTS, items, until))
        return self.chain.gas(hexed(CONTRACTS.points), said.record_call(items, until, 1, signed))

    def sync(self, tokens: list[int]) -> int:
        """Have badges' points counted."""
        return self.chain.gas(hexed(CONTRACTS.points), said.SYNC_BADGES.call(tokens))

    def epoch_message(self, rewards: EpochRewards) -> TypedMessage:
        """What is signed for the first epoch."""
        return publish_message(CONTRACTS, 1, rewards)

    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self.chain.ahead_s += seconds
