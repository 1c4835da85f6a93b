"""One member of the validator set, served over HTTP (ATT-030 to ATT-032)."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from trex.gateway.attest import LocalAttestor
from trex.gateway.attestor.allowance import Allowance
from trex.gateway.attestor.approvals import Approvals
from trex.gateway.attestor.ceremony import (
    Ceremony,
    CeremonyError,
    check_deals,
    deal,
    identity_of,
    read_deal,
    read_identity,
    share_of,
)
from trex.gateway.attestor.epoch import Computations
from trex.gateway.attestor.group import Group, answer
from trex.gateway.attestor.judge import Judge, digest_of
from trex.gateway.attestor.refusal import Refusal, UndecidedError
from trex.gateway.attestor.requests import Asked, asker
from trex.gateway.attestor.shares import Shares
from trex.gateway.keys import Secret
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import EndpointError
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.metadata import gateway as ipfs
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.reexecute import Sources
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR
from trex.web.limits import Rate

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 33_554_432
"""Longest request: a batch of grants with what they rest on."""
MAX_POINTS = 50
"""Most points in one request."""
RPC_S = 30.0
EVALUATIONS = Rate(1_000, 0.05)
"""A thousand at once, and some four thousand a day: about as many as join a busy service."""


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """What a member's operator decides."""

    rpc_url: str
    """JSON-RPC of the chain: an endpoint of this operator, not of the gateway's."""
    key: Secret = field(repr=False)
    """Of the member's account."""
    shares: Path
    """Folder of its shares of k."""
    approvals: Path
    """Folder of what its operator approved (ATT-023)."""
    gateways: tuple[Address, ...]
    """Whose requests it answers."""
    contracts: Contracts = field(default_factory=Contracts)
    """Persona contracts of the chain."""
    chains: Mapping[int, EvmChain] = field(default_factory=dict)
    """Chains that it asks about grants, by id."""
    ipfs_gateway: str = ""
    """The one host that is asked for metadata by content; empty for none."""
    trusted_attestors: tuple[Address, ...] = (PRODUCTION_ATTESTOR,)
    """Whose zkTLS claims count."""
    evaluations: Rate = EVALUATIONS
    """Points that one gateway may ask about (ATT-032)."""


class Member:
    """Signs and answers under its share."""

    def __init__(self, settings: MemberSettings, *, clock: Callable[[], float] = time.time) -> None:
        """Take what its operator decided; nothing is opened yet."""
        self.settings, self.clock = settings, clock
        self.signer = LocalAttestor(settings.key)
        self.address = self.signer.address
        self.shares = Shares(settings.shares, settings.key)
        self.allowance = Allowance(settings.shares, settings.evaluations)
        self._asked = Asked()
        self.client: PersonaClient
        self.judge: Judge

    def app(self) -> web.Application:
        """Make the application; it starts and stops with it."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.cleanup_ctx.append(self._life)
        app.router.add_get("/health", self._health)
        for path, does in (
            ("/v1/identity", self._identity),
            ("/v1/deals", self._deal),
            ("/v1/shares", self._share),
            ("/v1/evaluations", self._evaluate),
            ("/v1/signatures", self._sign),
        ):
            app.router.add_post(path, self._guarded(does))
        return app

    async def _life(self, _: web.Application) -> Any:
        async with aiohttp.ClientSession() as http:
            rpc = Endpoint(self.settings.rpc_url, http, timeout_s=RPC_S)
            self.client = PersonaClient(rpc, self.settings.contracts)
            at = self.settings.ipfs_gateway
            sources = Sources(
                {number: EvmSource(told, http) for number, told in self.settings.chains.items()},
                ipfs(at, http) if at else None,
                self.settings.trusted_attestors,
                take_recorded=True,
            )
            self.judge = Judge(self.client, sources, Approvals(self.settings.approvals), Computations())
            yield
            self.judge.computed.close()

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"state": "running", "member": checksum_address(self.address)})

    def _guarded(
        self, does: Callable[[Address, Any], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Answer gateways that the operator named, and refuse in words (ATT-030)."""

        async def handle(request: web.Request) -> web.Response:
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return _refused(413, "too_large", f"more than {MAX_BODY_BYTES} bytes")
            header = request.headers.get("authorization", "")
            who = asker(header, self.address, request.path, int(self.clock()), body)
            if who not in self.settings.gateways:
                return _refused(401, "stranger", "not signed by a gateway that this member answers")
            if not self._asked.is_new(header, self.clock()):
                return _refused(401, "replayed", "this request was answered already")
            try:
                assert who is not None  # no operator can have named None
                return _json(await does(who, orjson.loads(body)))
            except Refusal as error:
                log.warning("not signed", extra={"reason": error.code, "detail": error.detail})
                return _refused(403, error.code, error.detail)
            except CeremonyError as error:
                log.warning("not taken part: %s", error)
                return _refused(409, "ceremony", str(error))
            except UndecidedError as error:
                return _refused(503, "undecided", str(error))
            except EndpointError as error:
                return _refused(503, "unavailable", f"the chain does not answer: {error.code}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                return _refused(422, "malformed", f"not what is asked for: {type(error).__name__}")

        return handle

    async def _identity(self, _: Address, __: Any) -> Any:
        return identity_of(self.settings.key).write()

    async def _ceremony(self, told: Any) -> Ceremony:
        """Read what everyone agreed on, and see that they are the validator set in force (ATT-010)."""
        ceremony = Ceremony(
            Hash32(bytes.fromhex(told["id"])),
            told["threshold"],
            tuple(read_identity(one) for one in told["identities"]),
        )
        ceremony.check()
        in_force = await self.client.attestors()
        if (set(ceremony.members), ceremony.threshold) != (set(in_force.members), in_force.threshold):
            raise CeremonyError("not the members and threshold of the validator set in force")
        if self.address not in ceremony.members:
            raise CeremonyError("this member is not in the validator set in force")
        return ceremony

    async def _deal(self, _: Address, told: Any) -> Any:
        return deal(await self._ceremony(told["ceremony"]), self.settings.key).write()

    async def _share(self, _: Address, told: Any) -> Any:
        ceremony = await self._ceremony(told["ceremony"])
        deals = [read_deal(one) for one in told["deals"]]
        group = check_deals(ceremony, deals)
        self.shares.keep(group, share_of(ceremony, deals, self.settings.key))
        log.info("holds a share of k", extra={"group": group.id.hex()})
        return {"group": group.id.hex()}

    async def _evaluate(self, who: Address, told: Any) -> Any:
        points = [bytes.fromhex(one) for one in told["points"]]
        if not 0 < len(points) <= MAX_POINTS:
            raise Refusal("points", f"1 to {MAX_POINTS} at once")
        group, share = self._kept(Hash32(bytes.fromhex(told["group"])))
        if not self.allowance.take(who, len(points), self.clock()):
            raise Refusal("too_many", "more than a gateway may ask for (ATT-032)")
        return {"answers": [answer(group, self.address, share, one).write() for one in points]}

    def _kept(self, id_: Hash32) -> tuple[Group, int]:
        if (found := self.shares.find(id_)) is None:
            raise Refusal("no_share", "this member has no share of that k")
        return found

    async def _sign(self, _: Address, told: Any) -> Any:
        document = told["message"]
        written, digest = digest_of(self.client, document)
        await self.judge.judge(written, document, told["shown"])
        log.info("signs", extra={"what": written.partition("(")[0], "digest": digest.hex()})
        return {"signature": self.signer.sign_digest(digest).hex()}


def _json(told: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(told), status=status, content_type="application/json")


def _refused(status: int, code: str, detail: str) -> web.Response:
    return _json({"code": code, "detail": detail}, status)
