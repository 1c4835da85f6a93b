"""A key k that nobody holds: shares, answers under them, and what they add up to (ATT-001 to ATT-003).

Shamir's sharing over the order of secp256k1, with Feldman's commitments; a share's answer comes with a
proof of Chaum and Pedersen that it is of that share. The construction is the verifiable oblivious PRF of
RFC 9497 with the key shared among members.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from coincurve import PublicKey

from trex.types.evm import SECP256K1_ORDER as ORDER
from trex.types.evm import checksum_address, read_address
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import canonical_json

POINT = 33
"""Bytes of a point in its compressed form (SEC 1, 2.3.3)."""


def scalar(number: int) -> bytes:
    """Write a number modulo the order as the curve's library takes it.

    Raises:
        ValueError: it is zero, which no draw of 256 random bits ever is.
    """
    if (reduced := number % ORDER) == 0:
        raise ValueError("zero is no scalar")
    return reduced.to_bytes(32)


def draw() -> int:
    """Draw a scalar."""
    return secrets.randbelow(ORDER - 1) + 1


def read_point(data: bytes) -> PublicKey:
    """Read a point in its compressed form.

    Raises:
        ValueError: it is none.
    """
    if len(data) != POINT:
        raise ValueError(f"a point has {POINT} bytes, this has {len(data)}")
    return PublicKey(data)


def times(point: PublicKey, number: int) -> PublicKey:
    """Multiply a point."""
    return point.multiply(scalar(number))


def plus(*points: PublicKey) -> PublicKey:
    """Add points.

    Raises:
        ValueError: they cancel each other out.
    """
    return PublicKey.combine_keys(list(points))


def base(number: int) -> PublicKey:
    """Multiply the generator."""
    return PublicKey.from_valid_secret(scalar(number))


def hashed_to_curve(message: bytes) -> PublicKey:
    """Return the point of a message, whose logarithm nobody knows: the first hash that is an abscissa.

    How many hashes it takes tells something of the message to who can measure it; the asker alone computes
    this.
    """
    counter = 0
    while True:
        drawn = sha256(b"T-Rex point\n" + counter.to_bytes(4) + message).digest()
        try:
            return PublicKey(b"\x02" + drawn)
        except ValueError:
            counter += 1


@dataclass(frozen=True, slots=True)
class Group:
    """Who holds a k in shares; all of it is public."""

    threshold: int
    """Members that must come together."""
    members: tuple[Address, ...]
    """Ascending; the share of the first is the polynomial's value at 1."""
    commitments: tuple[bytes, ...]
    """The polynomial's coefficients times the generator, compressed; the first is k's public key."""

    def __post_init__(self) -> None:
        """Refuse what is none."""
        if not 0 < self.threshold == len(self.commitments) <= len(self.members) <= 255:
            raise ValueError("a group has as many commitments as its threshold, and no fewer members")
        if list(self.members) != sorted(set(self.members)):
            raise ValueError("members of a group are ascending, each once")
        for one in self.commitments:
            read_point(one)

    @property
    def id(self) -> Hash32:
        """Name it: Keccak-256 of its document."""
        return keccak256(self.write())

    def write(self) -> bytes:
        """Write its document (canonical JSON, RFC 8785)."""
        return canonical_json(
            {
                "threshold": self.threshold,
                "members": [checksum_address(one) for one in self.members],
                "commitments": [one.hex() for one in self.commitments],
            }
        )

    def public_share(self, member: Address) -> PublicKey:
        """Return a member's share times the generator.

        Raises:
            ValueError: it is no member.
        """
        return committed(self.commitments, self.place(member))

    def place(self, member: Address) -> int:
        """Where the polynomial has a member's share, from 1.

        Raises:
            ValueError: it is no member.
        """
        return self.members.index(member) + 1


def read_group(document: bytes) -> Group:
    """Read a group's document.

    Raises:
        ValueError: it is none.
    """
    try:
        told = orjson.loads(document)
        if told.keys() != {"threshold", "members", "commitments"}:
            raise ValueError("a group has threshold, members and commitments")
        members = tuple(read_address(one) for one in told["members"])
        return Group(told["threshold"], members, tuple(bytes.fromhex(one) for one in told["commitments"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the document of a group: {error}") from error


def committed(commitments: Sequence[bytes], place: int) -> PublicKey:
    """Return a polynomial's value at a place times the generator, from its commitments (Feldman)."""
    return plus(*(times(read_point(one), place**power) for power, one in enumerate(commitments)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one member makes of a point, with the proof that it is of its share."""

    point: bytes
    """The share times the point that was asked about, compressed."""
    challenge: int
    """Of the proof."""
    response: int
    """Of the proof."""

    def write(self) -> dict[str, str]:
        """Write it as JSON."""
        return {
            "point": self.point.hex(),
            "challenge": f"{self.challenge:064x}",
            "response": f"{self.response:064x}",
        }


def read_answer(told: Mapping[str, Any]) -> Answer:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = Answer(bytes.fromhex(told["point"]), int(told["challenge"], 16), int(told["response"], 16))
    except (KeyError, TypeError) as error:
        raise ValueError("not an answer") from error
    if not 0 <= found.challenge < 2**256 or not 0 <= found.response < ORDER:
        raise ValueError("a proof out of range")
    return found


def answer(group: Group, member: Address, share: int, asked: bytes) -> Answer:
    """Answer for a point (ATT-003).

    Raises:
        ValueError: it is no point.
    """
    point = read_point(asked)
    given = times(point, share)
    nonce = draw()
    challenge = _challenge(group, member, asked, given, base(nonce), times(point, nonce))
    return Answer(given.format(), challenge, (nonce + challenge * share) % ORDER)


def is_of_share(group: Group, member: Address, asked: bytes, told: Answer) -> bool:
    """Whether an answer is of that member's share: a wrong one is found out, and by whom (ATT-003)."""
    try:
        given, negated = read_point(told.point), -told.challenge
        first = plus(base(told.response), times(group.public_share(member), negated))
        second = plus(times(read_point(asked), told.response), times(given, negated))
        return _challenge(group, member, asked, given, first, second) == told.challenge
    except ValueError:
        return False


def _challenge(group: Group, member: Address, asked: bytes, given: PublicKey, *nonces: PublicKey) -> int:
    said = b"".join(one.format() for one in (group.public_share(member), given, *nonces))
    return int.from_bytes(sha256(b"T-Rex share proof\n" + group.id + member + asked + said).digest())


def blinded(message: bytes) -> tuple[bytes, int]:
    """Hide a message's point from who answers; return what to ask and what undoes the hiding (ATT-002)."""
    factor = draw()
    return times(hashed_to_curve(message), factor).format(), factor


def combined(group: Group, answers: Mapping[Address, Answer], factor: int) -> bytes:
    """Make of the threshold's answers k times the message's point, compressed.

    Args:
        group: whose k.
        answers: proved ones, of as many members as the threshold.
        factor: that `blinded` gave.

    Raises:
        ValueError: they are not as many.
    """
    if len(answers) != group.threshold:
        raise ValueError(f"{len(answers)} answers, {group.threshold} are needed")
    places = {member: group.place(member) for member in answers}
    parts = []
    for member, told in answers.items():
        weight = 1
        for other in answers:
            if other != member:  # Lagrange's weights for the value at 0
                weight = weight * places[other] * pow(places[other] - places[member], -1, ORDER) % ORDER
        parts.append(times(read_point(told.point), weight))
    return times(plus(*parts), pow(factor, -1, ORDER)).format()
