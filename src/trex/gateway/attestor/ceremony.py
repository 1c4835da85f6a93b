"""How a group comes to a k that nobody ever has: each member deals a part of it (ATT-010 to ATT-012)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from coincurve import PrivateKey, PublicKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trex.gateway.attestor.group import Group, base, committed, draw, plus, read_point, scalar
from trex.gateway.keys import Secret, account_of
from trex.types.evm import SECP256K1_ORDER as ORDER
from trex.types.evm import SignatureError, checksum_address, read_address, recover_digest_signer
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import canonical_json


class CeremonyError(Exception):
    """A ceremony cannot go on; says whose part in it is wrong."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A member, with the key that its shares are sealed to; signed by the member."""

    member: Address
    """Of the validator set."""
    sealing_key: bytes
    """Point, compressed."""
    signature: bytes
    """65 bytes."""

    def check(self) -> None:
        """See that the member said so.

        Raises:
            CeremonyError: it did not.
        """
        _check_signed(self.member, _identity_digest(self.sealing_key), self.signature)

    def write(self) -> dict[str, str]:
        """Write it as JSON."""
        return {
            "member": checksum_address(self.member),
            "sealingKey": self.sealing_key.hex(),
            "signature": self.signature.hex(),
        }


def read_identity(told: Mapping[str, Any]) -> Identity:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = Identity(
            read_address(told["member"]),
            bytes.fromhex(told["sealingKey"]),
            bytes.fromhex(told["signature"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not an identity") from error
    read_point(found.sealing_key)
    return found


@dataclass(frozen=True, slots=True)
class Deal:
    """One member's part of k: committed to, and sealed to each member."""

    dealer: Address
    """Whose."""
    commitments: tuple[bytes, ...]
    """Its polynomial's coefficients times the generator."""
    sealed: Mapping[Address, bytes]
    """Its polynomial's value for each member."""
    possession: bytes
    """Signature by the first coefficient: it was not made to cancel others out (ATT-011)."""
    signature: bytes
    """Of the dealer."""

    def write(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            **_said(self),
            "possession": self.possession.hex(),
            "signature": self.signature.hex(),
        }


def read_deal(told: Mapping[str, Any]) -> Deal:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        return Deal(
            read_address(told["dealer"]),
            tuple(bytes.fromhex(one) for one in told["commitments"]),
            {read_address(to): bytes.fromhex(one) for to, one in told["sealed"].items()},
            bytes.fromhex(told["possession"]),
            bytes.fromhex(told["signature"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a deal") from error


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What everyone must agree on beforehand."""

    id: Hash32
    """Drawn by who calls it."""
    threshold: int
    """Members that must come together for k."""
    identities: tuple[Identity, ...]
    """Of the members, ascending."""

    @property
    def members(self) -> tuple[Address, ...]:
        """Ascending."""
        return tuple(one.member for one in self.identities)

    def check(self) -> None:
        """See that every member said who it is.

        Raises:
            CeremonyError: one did not, or is there twice.
        """
        if list(self.members) != sorted(set(self.members)):
            raise CeremonyError("members are ascending, each once")
        for one in self.identities:
            one.check()

    def digest(self) -> bytes:
        """What parts in it are bound to."""
        told = {
            "id": self.id.hex(),
            "threshold": self.threshold,
            "identities": [one.write() for one in self.identities],
        }
        return sha256(canonical_json(told)).digest()


def identity_of(secret: Secret) -> Identity:
    """Say who a member is."""
    key = PublicKey.from_valid_secret(secret.derive("sealed shares").reveal()).format()
    return Identity(account_of(secret), key, _signed(secret.reveal(), _identity_digest(key)))


def deal(ceremony: Ceremony, secret: Secret) -> Deal:
    """Deal a part of k (ATT-010); what is drawn is nowhere but in what is sealed."""
    coefficients = [draw() for _ in range(ceremony.threshold)]
    dealer = account_of(secret)
    commitments = tuple(base(one).format() for one in coefficients)
    sealed = {}
    for place, to in enumerate(ceremony.identities, 1):
        value = sum(one * place**power for power, one in enumerate(coefficients))
        sealed[to.member] = _seal(ceremony, dealer, to, scalar(value))
    unsigned = Deal(dealer, commitments, sealed, b"", b"")
    digest = _deal_digest(ceremony, unsigned)
    return Deal(
        dealer,
        commitments,
        sealed,
        _signed(scalar(coefficients[0]), digest),
        _signed(secret.reveal(), digest),
    )


def check_deals(ceremony: Ceremony, deals: Sequence[Deal]) -> Group:
    """Check everybody's part and return the group that they make (ATT-012).

    Raises:
        CeremonyError: one is missing or wrong; says whose.
    """
    if tuple(one.dealer for one in deals) != ceremony.members:
        raise CeremonyError("one deal of each member is expected, ascending")
    for one in deals:
        name = checksum_address(one.dealer)
        if len(one.commitments) != ceremony.threshold or one.sealed.keys() != set(ceremony.members):
            raise CeremonyError(f"{name} dealt to others, or for another threshold")
        digest = _deal_digest(ceremony, one)
        _check_signed(one.dealer, digest, one.signature)
        try:
            points = [read_point(each) for each in one.commitments]
        except ValueError as error:
            raise CeremonyError(f"{name} committed to no points") from error
        _check_signed(_address_of(points[0]), digest, one.possession)
    columns = zip(*(one.commitments for one in deals), strict=True)
    try:
        commitments = tuple(plus(*map(read_point, column)).format() for column in columns)
    except ValueError as error:
        raise CeremonyError("the parts cancel each other out") from error
    return Group(ceremony.threshold, ceremony.members, commitments)


def _fits(value: int, one: Deal, place: int) -> bool:
    try:
        return base(value) == committed(one.commitments, place)
    except ValueError:
        return False  # the polynomial is zero there: nobody can have been dealt that


def share_of(ceremony: Ceremony, deals: Sequence[Deal], secret: Secret) -> int:
    """Open what was dealt to a member, see that it is what was committed to, and add it up (ATT-012).

    Raises:
        CeremonyError: a dealer sealed something else; says which.
    """
    member = account_of(secret)
    place = ceremony.members.index(member) + 1
    total = 0
    for one in deals:
        value = int.from_bytes(_open(ceremony, one.dealer, member, secret, one.sealed[member]))
        if not 0 < value < ORDER or not _fits(value, one, place):
            name = checksum_address(one.dealer)
            raise CeremonyError(f"{name} dealt {checksum_address(member)} what it did not commit to")
        total += value
    return int.from_bytes(scalar(total))


def _said(said: Deal) -> dict[str, Any]:
    return {
        "dealer": checksum_address(said.dealer),
        "commitments": [one.hex() for one in said.commitments],
        "sealed": {checksum_address(to): one.hex() for to, one in said.sealed.items()},
    }


def _deal_digest(ceremony: Ceremony, said: Deal) -> Hash32:
    return keccak256(b"T-Rex deal\n" + ceremony.digest() + canonical_json(_said(said)))


def _identity_digest(sealing_key: bytes) -> Hash32:
    return keccak256(b"T-Rex attestor's sealing key\n" + sealing_key)


def _signed(key: bytes, digest: Hash32) -> bytes:
    raw = PrivateKey(key).sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([27 + raw[64]])


def _check_signed(who: Address, digest: Hash32, signature: bytes) -> None:
    try:
        signer = recover_digest_signer(digest, signature)
    except SignatureError as error:
        raise CeremonyError(f"{checksum_address(who)}: {error}") from error
    if signer != who:
        raise CeremonyError(f"{checksum_address(who)} did not sign its part")


def _address_of(point: PublicKey) -> Address:
    return Address(keccak256(point.format(compressed=False)[1:])[12:])


def _key_between(
    ceremony: Ceremony, dealer: Address, member: Address, ephemeral: bytes, shared: bytes
) -> AESGCM:
    told = ceremony.digest() + dealer + member + ephemeral + shared
    return AESGCM(sha256(b"T-Rex sealed share\n" + told).digest())


def _seal(ceremony: Ceremony, dealer: Address, to: Identity, value: bytes) -> bytes:
    """Seal for one member: the key serves once, so its nonce is zero."""
    drawn = draw()
    ephemeral = base(drawn).format()
    shared = read_point(to.sealing_key).multiply(scalar(drawn)).format()
    return ephemeral + _key_between(ceremony, dealer, to.member, ephemeral, shared).encrypt(
        bytes(12), value, None
    )


def _open(ceremony: Ceremony, dealer: Address, member: Address, secret: Secret, sealed: bytes) -> bytes:
    try:
        ephemeral = sealed[:33]
        shared = read_point(ephemeral).multiply(secret.derive("sealed shares").reveal()).format()
        return _key_between(ceremony, dealer, member, ephemeral, shared).decrypt(bytes(12), sealed[33:], None)
    except (InvalidTag, ValueError) as error:
        raise CeremonyError(
            f"{checksum_address(dealer)} dealt {checksum_address(member)} what does not open"
        ) from error
