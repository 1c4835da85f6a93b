"""The gateway's side: members in other processes, and the k that they hold together (ATT-040 to ATT-042)."""

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import aiohttp
import orjson

from trex.gateway.attest import (
    AbsentError,
    AttestorError,
    LyingError,
    RefusedByError,
    Showable,
    quorum,
)
from trex.gateway.attestor import requests
from trex.gateway.attestor.ceremony import (
    Ceremony,
    CeremonyError,
    check_deals,
    read_deal,
    read_identity,
)
from trex.gateway.attestor.group import Group, blinded, combined, is_of_share, read_answer
from trex.gateway.keys import Secret
from trex.gateway.settings import MemberAddress
from trex.passport.client import Attestors
from trex.types.eip712 import TypedMessage
from trex.types.evm import SignatureError, checksum_address, recover_digest_signer
from trex.types.primitives import Hash32

log = logging.getLogger(__name__)

ANSWER_S = 20.0
"""A member has that long to answer."""
KNOWN = 100_000
"""Values of the PRF remembered; the one longest unused is forgotten first."""


class RemoteAttestor:
    """A member in another process."""

    def __init__(self, at: MemberAddress, secret: Secret, http: aiohttp.ClientSession) -> None:
        """Name it.

        Args:
            at: which, and where.
            secret: of the gateway's account, by which members know it.
            http: by which it is asked.
        """
        self.address, self._url = at.member, at.url
        self._secret, self._http = secret, http

    async def sign(self, message: TypedMessage, shown: Sequence[Showable] = ()) -> bytes:
        """Have it sign; a signature of another is found out (ATT-041).

        Raises:
            AttestorError: it did not.
        """
        asked = {"message": message.document(), "shown": [one.write() for one in shown]}
        told = await self.ask("/v1/signatures", asked)
        try:
            signature = bytes.fromhex(told["signature"])
            if recover_digest_signer(message.digest(), signature) == self.address:
                return signature
        except (SignatureError, ValueError, KeyError, TypeError):
            pass
        raise LyingError(self.address, "a signature that is not its own over what was asked")

    async def ask(self, path: str, asked: Any) -> Any:
        """Ask it.

        Raises:
            AbsentError: it does not answer.
            RefusedByError: it refuses; says why.
            LyingError: what it answers is not JSON.
        """
        body = orjson.dumps(asked)
        header = requests.sign(self._secret, self.address, path, int(time.time()), body)
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._http.post(
                    self._url + path, data=body, headers={"authorization": header}, allow_redirects=False
                ) as answer,
            ):
                text, status = await answer.read(), answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AbsentError(self.address, type(error).__name__) from error
        try:
            told = orjson.loads(text)
            if status == 200:
                return told
            refused = RefusedByError if status < 500 else AbsentError
            raise refused(self.address, f"{told['code']}: {told['detail']}")
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            if status >= 500:
                raise AbsentError(self.address, f"HTTP {status}") from error
            raise LyingError(self.address, "an answer that is none") from error


class SharedKeyHolder:
    """The k that members hold in shares: a threshold is asked, and none learns about whom (ATT-042)."""

    def __init__(self, group: Group, members: Sequence[RemoteAttestor]) -> None:
        """Take the group and whom of it can be asked."""
        self.group = group
        self._members = [one for one in members if one.address in group.members]
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def fingerprint(self) -> str:
        """Tell keys apart."""
        return self.group.id.hex()

    async def prf(self, platform: str, account: str, scope: str) -> bytes:
        """PRF_k of the three, each with its length told by JSON.

        Raises:
            NoQuorumError: fewer than the threshold answer truly.
        """
        message = orjson.dumps([platform, account, scope])
        name = sha256(message).digest()
        if (found := self._known.get(name)) is not None:
            self._known.move_to_end(name)
            return found
        asked, factor = blinded(message)

        async def one(member: RemoteAttestor) -> Any:
            told = await member.ask(
                "/v1/evaluations", {"group": self.group.id.hex(), "points": [asked.hex()]}
            )
            try:
                (given,) = map(read_answer, told["answers"])
            except (ValueError, KeyError, TypeError) as error:
                raise LyingError(member.address, "an answer that is none") from error
            if not is_of_share(self.group, member.address, asked, given):
                raise LyingError(member.address, "an answer that is not of its share")
            return given

        answers = await quorum(self._members, self.group.threshold, one)
        value = sha256(b"T-Rex nullifier PRF\n" + message + combined(self.group, answers, factor)).digest()
        self._known[name] = value
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return value


async def make_group(members: Sequence[RemoteAttestor], in_force: Attestors) -> Group:
    """Have every member deal its part of a new k, and return the group that holds it (ATT-010 to ATT-012).

    Raises:
        CeremonyError: a member is missing, or its part in it is wrong; says whose.
    """
    by_address = {one.address: one for one in members}
    if missing := [checksum_address(one) for one in in_force.members if one not in by_address]:
        raise CeremonyError(f"the gateway does not know where {', '.join(missing)} is")
    everyone = [by_address[one] for one in sorted(in_force.members)]
    try:
        told = await asyncio.gather(*(one.ask("/v1/identity", {}) for one in everyone))
        identities = tuple(map(read_identity, told))
        ceremony = Ceremony(Hash32(secrets.token_bytes(32)), in_force.threshold, identities)
        ceremony.check()
        said = {
            "id": ceremony.id.hex(),
            "threshold": ceremony.threshold,
            "identities": [one.write() for one in identities],
        }
        told = await asyncio.gather(*(one.ask("/v1/deals", {"ceremony": said}) for one in everyone))
        deals = [read_deal(one) for one in told]
        group = check_deals(ceremony, deals)
        written = {"ceremony": said, "deals": [one.write() for one in deals]}
        told = await asyncio.gather(*(one.ask("/v1/shares", written) for one in everyone))
    except (AttestorError, ValueError) as error:
        raise CeremonyError(str(error)) from error
    for member, one in zip(everyone, told, strict=True):
        if one != {"group": group.id.hex()}:
            raise CeremonyError(f"{checksum_address(member.address)} came to another group")
    return group
