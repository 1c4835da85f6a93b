"""Attestations: EIP-712 data signed by enough members of the validator set in force (PAS-060)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from eth_keys.datatypes import PrivateKey

from trex.gateway.keys import Secret, account_of
from trex.passport.client import Attestors
from trex.types.eip712 import TypedMessage
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32

log = logging.getLogger(__name__)


class NoQuorumError(Exception):
    """Too few members of the set in force sign."""


class NotAttestedError(NoQuorumError):
    """Too few sign because members refuse: asking again changes nothing."""


class AttestorError(Exception):
    """A member does not do what it is asked; says which and why."""

    def __init__(self, member: Address, why: str) -> None:
        """Name member and reason."""
        super().__init__(f"{checksum_address(member)}: {why}")
        self.member, self.why = member, why


class AbsentError(AttestorError):
    """It does not answer: it may later."""


class RefusedByError(AttestorError):
    """It answers that it will not."""


class LyingError(AttestorError):
    """What it answers is not what it must be: its operator has something to explain."""


class Showable(Protocol):
    """Something that an attestation rests on."""

    def write(self) -> dict[str, Any]:
        """Write it as JSON."""


class Attestor(Protocol):
    """One member of a validator set, in this process or another."""

    @property
    def address(self) -> Address:
        """Whose signature it gives."""

    async def sign(self, message: TypedMessage, shown: Sequence[Showable] = ()) -> bytes:
        """Sign, 65 bytes; v is 27 or 28.

        Args:
            message: what is signed.
            shown: what it rests on, for a member that sees for itself.

        Raises:
            AttestorError: it does not.
        """


class LocalAttestor:
    """A member whose key this process holds."""

    def __init__(self, secret: Secret) -> None:
        """Take its key."""
        self._secret = secret
        self.address = account_of(secret)

    async def sign(self, message: TypedMessage, shown: Sequence[Showable] = ()) -> bytes:
        """Sign the digest."""
        return self.sign_digest(message.digest())

    def sign_digest(self, digest: Hash32) -> bytes:
        """Sign a digest, 65 bytes."""
        signature = PrivateKey(self._secret.reveal()).sign_msg_hash(digest)
        r, s = int(signature.r), int(signature.s)
        return r.to_bytes(32) + s.to_bytes(32) + bytes([27 + signature.v])


class _HasAddress(Protocol):
    @property
    def address(self) -> Address: ...


_Member = TypeVar("_Member", bound=_HasAddress)
_Answer = TypeVar("_Answer")


async def quorum(
    members: Sequence[_Member], threshold: int, ask: Callable[[_Member], Awaitable[_Answer]]
) -> Mapping[Address, _Answer]:
    """Ask as many members as are needed; for each that fails, another (ATT-040).

    Args:
        members: whom, the first of them first.
        threshold: answers needed.
        ask: one of them.

    Raises:
        NoQuorumError: so many answer; says of the others why not.
    """
    left, found = list(members), dict[Address, _Answer]()
    failed: list[AttestorError] = []
    while len(found) < threshold <= len(found) + len(left):
        now, left = left[: threshold - len(found)], left[threshold - len(found) :]
        told = await asyncio.gather(*map(ask, now), return_exceptions=True)
        for member, one in zip(now, told, strict=True):
            if isinstance(one, AttestorError):
                level = logging.ERROR if isinstance(one, LyingError) else logging.WARNING
                log.log(level, "an attestor failed: %s", one)
                failed.append(one)
            elif isinstance(one, BaseException):
                raise one
            else:
                found[member.address] = one
    if len(found) < threshold:
        there = len(found) + len(left)
        why = "".join(f"; {one}" for one in failed)
        refused = sum(isinstance(one, RefusedByError) for one in failed)
        is_final = refused and len(members) - refused < threshold
        error = NotAttestedError if is_final else NoQuorumError
        raise error(f"{there} of the {threshold} members that are needed{why}")
    return found


async def attest(
    attestors: Sequence[Attestor],
    in_force: Attestors,
    message: TypedMessage,
    shown: Sequence[Showable] = (),
) -> bytes:
    """Collect signatures of the threshold, ascending by signer, of none that is distrusted (BDG-032).

    Args:
        attestors: who can be asked.
        in_force: the validator set.
        message: what is signed.
        shown: what it rests on, for members that see for themselves.

    Raises:
        NoQuorumError: there are not so many members of the set in force.
    """
    trusted = set(in_force.members) - in_force.distrusted
    members = sorted((one for one in attestors if one.address in trusted), key=lambda one: bytes(one.address))
    signed = await quorum(members, in_force.threshold, lambda one: one.sign(message, shown))
    return b"".join(signed[one] for one in sorted(signed))
