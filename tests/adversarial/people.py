"""People with passports, validators and guardians, as they act on the chain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.messages import encode_typed_data
from eth_keys.datatypes import PrivateKey
from tests.adversarial.chain import RICH, Chain, address_of, text
from tests.gateway.authenticator import Authenticator

from trex.chain.dev.accounts import ACCOUNTS
from trex.passport import acts
from trex.passport.acts import Act
from trex.passport.contracts import Contracts
from trex.passport.keys import Key, Role, evm_key
from trex.passport.proofs import Proof
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

CONTRACTS = Contracts()
PASSPORT = CONTRACTS.passport_domain
HOUR_S = 3_600
BY_ITSELF = Proof(0, 0, b"")
"""The account sends the transaction: that is its proof."""
WALLET_SCOPE = keccak256(b"wallet")
VERSION = keccak256(b"validators 1.0.0")
ATTESTORS = tuple(ACCOUNTS[place].key for place in (7, 8, 9))
"""The devnet's validator set, ascending by address; two of three are enough."""


def digest_of(act: Act, separator: bytes) -> bytes:
    """What a key signs for the contract that has this domain separator (EIP-712)."""
    body = encode_typed_data(full_message=act.message.document()).body
    return keccak256(b"\x19\x01" + separator + body)


class Wallet:
    """An account with its key."""

    def __init__(self, name: str) -> None:
        self.secret = bytes(keccak256(f"wallet of {name}".encode()))
        self.address = Address(PrivateKey(self.secret).public_key.to_canonical_address())
        self.key = evm_key(self.address)
        self.hex = text(self.address)

    def sign(self, digest: bytes) -> bytes:
        return signatures(digest, [self.secret])


class Passkey:
    """A passkey on an authenticator."""

    def __init__(self) -> None:
        self.device = Authenticator("http://localhost")
        self.key = self.device.key

    def sign(self, digest: bytes) -> bytes:
        return self.device.sign_digest(digest)


Signer = Wallet | Passkey


@dataclass
class Person:
    """Somebody with a passport."""

    chain: Chain
    owner: Signer
    passport: int
    signs_for: tuple[Chain, str] | None = None
    """Chain and contract that signatures are for; None for the passport contract of `chain`."""

    def soon(self) -> int:
        return self.chain.now_s + 400 * 86_400

    def sign(self, who: Signer, act: Act) -> Proof:
        """Have a key sign an act for the contract that it is shown."""
        chain, at = self.signs_for or (self.chain, "")
        return proof(chain, who, act, at)

    @property
    def nonce(self) -> int:
        return int(self.chain.ask("Passport", "nonceOf", self.passport))

    def key_nonce(self, key: Key) -> int:
        return int(self.chain.ask("Passport", "keyNonceOf", key.id))

    # Keys

    def wanted(self, key: Key, role: Role, by: Signer | None = None) -> Proof:
        """This side's consent to a key."""
        act = acts.take_key(PASSPORT, self.passport, key.id, role, self.nonce, self.soon())
        return self.sign(by or self.owner, act)

    def consent(self, who: Signer, role: Role, passport: int | None = None) -> Proof:
        """The key's consent."""
        to = self.passport if passport is None else passport
        nonce = self.key_nonce(who.key)
        return self.sign(who, acts.enter(PASSPORT, to, who.key.id, role, nonce, self.soon()))

    def take(self, who: Signer, role: Role = Role.LINKED, by: Signer | None = None) -> None:
        """Link a wallet, or take another acting key in."""
        self.add(who, role, self.wanted(who.key, role, by), self.consent(who, role), by)

    def add(self, who: Signer, role: Role, wanted: Proof, consent: Proof, by: Signer | None = None) -> None:
        actor = (by or self.owner).key
        key, given = who.key, (wanted.tuple, consent.tuple)
        self.chain.do(
            "Passport", "addKey", self.passport, actor.tuple, given[0], key.tuple, int(role), given[1]
        )

    def remove(self, who: Signer, by: Signer | None = None) -> None:
        """Take a key out, or ask for it (PAS-020)."""
        actor = by or self.owner
        act = acts.remove_key(PASSPORT, self.passport, who.key.id, self.nonce, self.soon())
        self.chain.do(
            "Passport", "removeKey", self.passport, actor.key.tuple, self.sign(actor, act).tuple, who.key.id
        )

    def pay_to(self, address: str, by: Signer | None = None) -> None:
        actor = by or self.owner
        payout = Address(bytes.fromhex(address[2:]))
        act = acts.set_payout(PASSPORT, self.passport, payout, self.nonce, self.soon())
        self.chain.do(
            "Passport", "setPayout", self.passport, actor.key.tuple, self.sign(actor, act).tuple, address
        )

    def holds(self, who: Signer) -> Role:
        """What a key is in this passport."""
        there, role = self.chain.ask("Passport", "passportOf", who.key.id)
        return Role(role) if there == self.passport else Role.NONE

    # Recovery

    def veto(self, subject: int, by: Signer | None = None) -> None:
        actor = by or self.owner
        act = acts.veto(PASSPORT, self.passport, subject, self.nonce, self.soon())
        self.chain.do(
            "Passport", "veto", self.passport, actor.key.tuple, self.sign(actor, act).tuple, subject
        )

    def ask_guardians(
        self, who: Sequence[Wallet], quorum: int, override: int, by: Signer | None = None
    ) -> None:
        actor = by or self.owner
        ids = sorted(one.key.id for one in who)
        act = acts.set_guardians(PASSPORT, self.passport, ids, quorum, override, self.nonce, self.soon())
        next_ = (ids, quorum, override)
        self.chain.do(
            "Passport", "setGuardians", self.passport, actor.key.tuple, self.sign(actor, act).tuple, next_
        )

    def guarded_by(self, who: Sequence[Wallet], quorum: int, override: int) -> None:
        """Have guardians in place."""
        self.ask_guardians(who, quorum, override)
        self.chain.wait(14 * 86_400)
        self.chain.do("Passport", "executeGuardians", self.passport)

    def approvals(self, who: Sequence[Wallet], purpose: int, new: Hash32) -> list[Any]:
        """What guardians sign, ascending by key."""
        _, round_ = self.chain.ask("Passport", "recoveryOf", self.passport)
        act = acts.approve_recovery(PASSPORT, self.passport, purpose, new, round_, self.soon())
        return [
            (one.key.tuple, self.sign(one, act).tuple)
            for one in sorted(who, key=lambda one: bytes(one.key.id))
        ]

    def open_recovery(self, new: Wallet, approvals: list[Any]) -> None:
        consent = self.consent(new, Role.ACTING)
        self.chain.do("Passport", "openRecovery", self.passport, new.key.tuple, consent.tuple, approvals)

    def recover(self, new: Wallet) -> None:
        self.chain.do("Passport", "executeRecovery", self.passport, new.key.tuple)

    # Accounts and badges

    def bind(self, nullifier: bytes, **changes: Any) -> None:
        """Have validators say that an account of a human is this passport's."""
        bind(self.chain, self.binding(nullifier, **changes))

    def binding(self, nullifier: bytes, **changes: Any) -> tuple[Any, ...]:
        told = {
            "passport": self.passport,
            "nullifier": nullifier,
            "scope": WALLET_SCOPE,
            "commitment": bytes(32),
            "epoch": self.chain.ask("Nullifiers", "keyEpoch"),
            "attested": self.chain.now_s,
            "deadline": self.chain.now_s + HOUR_S,
        }
        return tuple((told | changes).values())

    def wish(self, policy: bytes, nullifiers: Sequence[bytes], **changes: Any) -> tuple[Any, ...]:
        """A grant that validators may sign."""
        told = {
            "passport": self.passport,
            "policy": policy,
            "nullifiers": list(nullifiers),
            "evidence": keccak256(b"evidence"),
            "version": VERSION,
            "attested": self.chain.now_s,
            "expires": 0,
            "deadline": self.chain.now_s + HOUR_S,
            "level": 2,
            "points": 100,
            "evidence_class": 1,
        }
        return tuple((told | changes).values())

    def badge(self, policy: bytes) -> int:
        """Number of this passport's badge."""
        return int(self.chain.ask("Badges", "tokenOf", policy, self.passport))

    def level(self, policy: bytes) -> int:
        return int(self.chain.ask("Badges", "levelOf", policy, self.passport))


def proof(chain: Chain, who: Signer, act: Act, at: str = "", contract: str = "Passport") -> Proof:
    """Have a key sign an act for a contract; its own domain separator is asked for, as wallets compute it."""
    separator = chain.ask(contract, "DOMAIN_SEPARATOR", at=at or address_of(contract))
    return Proof(act.deadline_s, 0, who.sign(digest_of(act, separator)))


def person(chain: Chain, name: str, owner: Signer | None = None) -> Person:
    """Make a passport."""
    who = owner or Wallet(name)
    deadline = chain.now_s + HOUR_S
    nonce = int(chain.ask("Passport", "keyNonceOf", who.key.id))
    act = acts.create(PASSPORT, who.key.id, nonce, deadline)
    chain.do("Passport", "create", who.key.tuple, proof(chain, who, act).tuple)
    return Person(chain, who, int(chain.ask("Passport", "count")))


def human(chain: Chain, name: str) -> tuple[Person, bytes]:
    """Make a passport that one account of a human is bound to."""
    found, nullifier = person(chain, name), bytes(keccak256(f"account of {name}".encode()))
    found.bind(nullifier)
    return found, nullifier


# Validators


def signatures(digest: bytes, by: Sequence[bytes] = ATTESTORS[:2]) -> bytes:
    """Signatures of validators, in the order given."""
    found = b""
    for secret in by:
        signature = PrivateKey(secret).sign_msg_hash(digest)
        found += signature.r.to_bytes(32) + signature.s.to_bytes(32) + bytes([27 + signature.v])
    return found


def bind(chain: Chain, binding: tuple[Any, ...], by: Sequence[bytes] = ATTESTORS[:2]) -> None:
    digest = chain.ask("Nullifiers", "bindingDigest", binding)
    chain.do("Nullifiers", "bind", binding, 1, signatures(digest, by))


def policy(chain: Chain, levels: int = 5, name: str = "Early bird", uri: str = "", by: str = RICH) -> bytes:
    """Publish a policy."""
    document = keccak256(f"policy document {name}".encode())
    receipt = chain.do("Policies", "publish", document, levels, 1, name, uri, by=by)
    return bytes.fromhex(receipt["logs"][0]["topics"][1][2:])


@dataclass(frozen=True)
class Attested:
    """A call with its signatures, which anyone may send, as often as it is taken."""

    send: Callable[[], dict[str, Any]]


def attested(
    chain: Chain,
    contract: str,
    name: str,
    digest: str,
    *values: Any,
    by: Sequence[bytes] = ATTESTORS[:2],
    epoch: int = 1,
) -> Attested:
    """Have validators sign a call whose digest a function of the contract tells."""
    signed = signatures(chain.ask(contract, digest, *values), by)
    return Attested(lambda: chain.do(contract, name, *values, epoch, signed))


def grant(chain: Chain, *wishes: tuple[Any, ...], by: Sequence[bytes] = ATTESTORS[:2]) -> Attested:
    """Have validators sign grants."""
    return attested(chain, "Badges", "grant", "grantDigest", list(wishes), by=by)


def change_state(chain: Chain, token: int, state: int, *, free: bool = False, number: int = 0) -> Attested:
    """Have validators change a badge's state."""
    change = ([token], state, free, keccak256(b"reason"), number, chain.now_s + 400 * 86_400)
    return attested(chain, "Badges", "changeState", "stateDigest", change)
