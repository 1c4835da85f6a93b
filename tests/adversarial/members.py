"""A member of the validator set, as those meet it who have the gateway."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.adversarial.chain import Chain
from tests.adversarial.serving import endpoint
from tests.validators.zktls.attestor import ADDRESS as ATTESTOR

from trex.gateway.attest import Showable
from trex.gateway.attestor.approvals import Approvals
from trex.gateway.attestor.epoch import Computations
from trex.gateway.attestor.judge import Judge, act_of, digest_of
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.rpc.endpoint import Endpoint
from trex.types.eip712 import TypedMessage
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.reexecute import Sources


@dataclass(frozen=True)
class Member:
    """What a member judges by, its operator's approvals among them."""

    judge: Judge

    @property
    def client(self) -> PersonaClient:
        return self.judge.client

    async def sign(self, message: TypedMessage, shown: Sequence[Showable] = ()) -> None:
        """Be asked for a signature; returns if it would be given."""
        document = message.document()
        written, _ = digest_of(self.client, document)
        await self.judge.judge(written, document, [one.write() for one in shown])

    def approve(self, message: TypedMessage) -> None:
        """As the operator does, by what is listed."""
        self.judge.approvals.approve(act_of(self.client, message.document()))


@pytest.fixture
async def member(chain: Chain, tmp_path: Path) -> AsyncIterator[Member]:
    """A member before that chain, at today's time."""
    chain.wait(int(time.time()) - chain.now_s)
    async with endpoint(chain) as url, aiohttp.ClientSession() as http:
        client = PersonaClient(Endpoint(url, http, timeout_s=180.0), Contracts())
        chains = {1962: EvmSource(EvmChain(1962, (url,), 1, confirmations=0), http)}
        sources = Sources(chains, trusted=(ATTESTOR,), take_recorded=True)
        yield Member(Judge(client, sources, Approvals(tmp_path / "approvals"), Computations()))
