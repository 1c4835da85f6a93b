"""People of a devnet: who they are and what they do, all of it from a seed (pure)."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import orjson

from trex.badges.chain.contract import PUBLISH
from trex.passport.contracts import Contracts, Method
from trex.sdk.wallets import EvmWallet, SolanaWallet, Wallet
from trex.settlement.l1.transaction import Intent
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Gas, Wei

ETHER = 10**18
DEPLOYER = Address(bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c"))
"""Deterministic deployer, which every network file has."""
MESSAGE_PASSER = Address(bytes.fromhex("4200000000000000000000000000000000000016"))
GAS = Gas(400_000)
"""Of one deed, at most."""
GAS_ETHER = 0.1
"""Kept in a wallet for its deeds."""

MINT = Method("mint", ("address", "uint256"))
TRANSFER = Method("transfer", ("address", "uint256"))
TRANSFER_FROM = Method("transferFrom", ("address", "address", "uint256"))
WITHDRAW = Method("initiateWithdrawal", ("address", "uint256", "bytes"))


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of development networks, at the address that its code gives it."""

    address: Address
    """By the deterministic deployer (EIP-1014)."""
    deployment: bytes
    """Calldata for the deployer."""


@cache
def dev_codes() -> Mapping[str, bytes]:
    """Creation code of contracts of development networks, by name."""
    codes = orjson.loads(resources.files("trex.node").joinpath("dev_contracts.json").read_bytes())
    return {name: bytes.fromhex(code[2:]) for name, code in codes.items()}


@cache
def dev_contracts() -> tuple[Contract, Contract]:
    """Token and collection, which anyone may make more of."""
    return placed(dev_codes()["DevToken"]), placed(dev_codes()["DevCollectible"])


def placed(code: bytes, number: int = 0) -> Contract:
    """Where the deterministic deployer puts creation code with its arguments; each copy has a number."""
    salt = number.to_bytes(32)
    return Contract(Address(keccak256(b"\xff" + DEPLOYER + salt + keccak256(code))[12:]), salt + code)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who exists on a devnet only: everybody can know these keys."""

    number: int
    """From 0."""
    wallets: tuple[EvmWallet, ...]
    """The first one makes the passport, the others are linked."""
    solana: SolanaWallet | None
    """Linked too, where there is one."""
    ether: tuple[float, ...]
    """What each EVM wallet has at first."""

    @property
    def linked(self) -> tuple[Wallet, ...]:
        """Wallets that are linked to the first one's passport."""
        return (*self.wallets[1:], *((self.solana,) if self.solana else ()))


def person(seed: int, number: int) -> Person:
    """Make a person."""
    fall = dice(seed, number, "who")
    wallets = tuple(
        EvmWallet(_key(seed, number, f"evm {n}")) for n in range(1 + fall.choice((0, 0, 1, 1, 2)))
    )
    solana = SolanaWallet(_key(seed, number, "solana")) if fall.random() < 0.4 else None
    ether = tuple(round(min(400.0, GAS_ETHER + fall.lognormvariate(0, 1.4)), 3) for _ in wallets)
    return Person(number, wallets, solana, ether)


def deeds(seed: int, people: Sequence[Person], who: Person, contracts: Contracts) -> list[list[Intent]]:
    """What a person's wallets do, in order: for each wallet a list, whose n-th entry has nonce n.

    What is missing follows from a wallet's nonce: with more people, only whom a deed concerns may change.
    """
    fall = dice(seed, who.number, "deeds")
    return [_deeds(fall, seed, people, who, at, contracts) for at in range(len(who.wallets))]


def _deeds(
    fall: random.Random, seed: int, people: Sequence[Person], who: Person, at: int, contracts: Contracts
) -> list[Intent]:
    token, collection = dev_contracts()
    me, found = who.wallets[at].address, list[Intent]()
    others = [one.wallets[0].address for one in people if one.number != who.number] or [me]

    def another() -> Address:
        # The dice fall alike however many people there are: what was done stays the beginning of the list.
        return others[fall.getrandbits(32) % len(others)]

    def do(to: Address, data: bytes, ether: float = 0.0) -> None:
        found.append(Intent(to, data, GAS, Wei(int(ether * ETHER))))

    if fall.random() < 0.8:
        held = int(fall.lognormvariate(6, 1.5)) + 1
        do(token.address, MINT.call(me, held * ETHER))
        for _ in range(fall.randrange(4)):
            part = held * ETHER // fall.randint(4, 20)
            do(token.address, TRANSFER.call(another(), part))
    for n in range(fall.choice((0, 0, 1, 1, 2, 5))):
        number = int.from_bytes(_key(seed, who.number, f"collectible {at} {n}")[:8])
        do(collection.address, MINT.call(me, number))
        if fall.random() < 0.25:
            do(collection.address, TRANSFER_FROM.call(me, another(), number))
    for _ in range(fall.randrange(3)):
        do(another(), b"", 0.001 * fall.randint(1, 9))
    if fall.random() < 0.2:
        do(MESSAGE_PASSER, WITHDRAW.call(me, 100_000, b""), 0.001)
    if at == 0 and fall.random() < 0.15:
        for n in range(fall.choice((1, 1, 5))):
            document = _key(seed, who.number, f"policy {n}")
            do(contracts.policies, PUBLISH.call(document, 1, 1, f"Draft {who.number}-{n}", ""))
    return found


def dice(seed: int, number: int, what: str) -> random.Random:
    """Dice that fall alike for the same person and thing."""
    return random.Random(_key(seed, number, what))  # noqa: S311 - made-up people, not secrets


def _key(seed: int, number: int, what: str) -> bytes:
    return bytes(keccak256(f"T-Rex devnet person {seed} {number} {what}".encode()))
