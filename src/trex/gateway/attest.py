"""Attestations: EIP-712 data signed by enough members of the validator set in force (PAS-060)."""

from collections.abc import Sequence
from typing import Protocol

from eth_keys.datatypes import PrivateKey

from trex.gateway.keys import Secret, account_of
from trex.passport.client import Attestors
from trex.types.eip712 import TypedMessage
from trex.types.primitives import Address


class NoQuorumError(Exception):
    """Too few members of the set in force sign."""


class Attestor(Protocol):
    """One member of a validator set, in this process or another."""

    @property
    def address(self) -> Address:
        """Whose signature it gives."""

    async def sign(self, message: TypedMessage) -> bytes:
        """Sign, 65 bytes; v is 27 or 28."""


class LocalAttestor:
    """A member whose key this process holds."""

    def __init__(self, secret: Secret) -> None:
        """Take its key."""
        self._secret = secret
        self.address = account_of(secret)

    async def sign(self, message: TypedMessage) -> bytes:
        """Sign the digest."""
        signature = PrivateKey(self._secret.reveal()).sign_msg_hash(message.digest())
        r, s = int(signature.r), int(signature.s)
        return r.to_bytes(32) + s.to_bytes(32) + bytes([27 + signature.v])


async def attest(attestors: Sequence[Attestor], in_force: Attestors, message: TypedMessage) -> bytes:
    """Collect signatures of the threshold, ascending by signer, of none that is distrusted (BDG-032).

    Raises:
        NoQuorumError: there are not so many members of the set in force.
    """
    trusted = set(in_force.members) - in_force.distrusted
    members = sorted((one for one in attestors if one.address in trusted), key=lambda one: bytes(one.address))
    if len(members) < in_force.threshold:
        raise NoQuorumError(f"{len(members)} of the {in_force.threshold} signatures that are needed")
    return b"".join([await one.sign(message) for one in members[: in_force.threshold]])
