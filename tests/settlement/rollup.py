"""A network on a real L1: its contracts, its file, and what users and a sequencer do to them."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from tests.settlement.anvil_l1 import CHAIN_ID, KEYS, Anvil, anvil
from tests.settlement.test_deploy import ACCOUNTS, DEVNET, TIMING

from trex.chain.opening import open_chain
from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.deploy import deploy, plan, section, with_origin
from trex.settlement.deployment import Accounts, Timing, output_root
from trex.settlement.driver import Driver, Following
from trex.settlement.host import Host
from trex.settlement.kzg import Sidecar, make_sidecar
from trex.settlement.l1.blobs import BeaconBlobs, Blobs
from trex.settlement.l1.reader import L1Reader, Retries
from trex.settlement.l1.sender import Included, Pricing, Sender
from trex.settlement.l1.transaction import Intent, account_of
from trex.settlement.watch import Contracts, Mark, Span, read_span
from trex.types.network import Network
from trex.types.network_file import read_network
from trex.types.primitives import Gas, Hash32, Wei

QUICK = Retries(budget_s=1.0, first_wait_s=0.02)
"""For tests of what happens when L1 does not answer."""
PATIENT = Retries(budget_s=60.0, first_wait_s=0.02)
FOLLOWING = Following(poll_s=0.05, longest_wait_s=0.2)
ENDPOINT_S = 60.0


@dataclass(slots=True)
class Rollup:
    """The contracts of a network on a real L1, and its two users."""

    node: Anvil
    session: aiohttp.ClientSession
    reader: L1Reader
    contracts: Contracts
    sequencer: Sender
    user: Sender
    start: Mark
    text: bytes
    """The network file."""
    network: Network

    async def head(self) -> int:
        """Return the newest L1 block's number."""
        return int(await self.node.call("eth_blockNumber"), 16)

    async def append(
        self, sequence: int, blobs: Sequence[bytes | Sidecar] = (), origin: int | None = None
    ) -> Included:
        """Append a batch of these blobs, by default of one that is no batch."""
        given = blobs or [bytes([0, sequence + 1]) * 65_536]
        sidecars = [blob if isinstance(blob, Sidecar) else make_sidecar(blob) for blob in given]
        call = contract("Inbox").call(
            "appendBatch", sequence, await self.head() if origin is None else origin
        )
        return await self.sent(
            self.sequencer, Intent(self.contracts.inbox, call, Gas(300_000), sidecars=sidecars)
        )

    async def deposit(
        self,
        wei: int,
        to: bytes = b"\x42" * 20,
        gas: int = 100_000,
        data: bytes = b"",
        value: int | None = None,
    ) -> Included:
        """Deposit ether and call."""
        call = contract("Portal").call(
            "depositTransaction", to, wei if value is None else value, gas, False, data
        )
        return await self.sent(self.user, Intent(self.contracts.portal, call, Gas(1_000_000), Wei(wei)))

    async def force(self) -> Included:
        """Append a header without the sequencer."""
        call = contract("Inbox").call("forceInclude", await self.head())
        return await self.sent(self.user, Intent(self.contracts.inbox, call, Gas(200_000)))

    async def silence(self) -> None:
        """Let so much time pass that anyone may append."""
        await self.node.call("evm_increaseTime", TIMING.silence_s)
        await self.node.mine()

    async def sent(self, sender: Sender, intent: Intent) -> Included:
        """Send what must succeed."""
        included = await sender.send(intent)
        assert included is not None
        assert included.succeeded
        return included

    async def span(self, mark: Mark | None = None, reader: L1Reader | None = None) -> Span:
        """Read L1 from a mark on."""
        reader, mark = reader or self.reader, mark or self.start
        blocks = await reader.chain_between(mark.block, (await reader.heads()).latest)
        return await read_span(reader, self.contracts, mark, blocks)

    def open(self, path: Path) -> Any:
        """Open a chain of this network."""
        return open_chain(path, self.text, cache_bytes=8 << 20)

    def driver(
        self,
        chain: Any,
        path: Path,
        urls: Sequence[str] = (),
        *,
        retries: Retries = PATIENT,
        beacons: Sequence[str] = (),
        following: Following = FOLLOWING,
        host: Host | None = None,
        timeout_s: float = ENDPOINT_S,
    ) -> Driver:
        """Return a driver of a chain, by default over the true L1."""
        endpoints = [Endpoint(url, self.session, timeout_s=timeout_s) for url in urls or [self.node.url]]
        sources = [
            BeaconBlobs(url, self.session, slot_is_block=True, timeout_s=timeout_s)
            for url in beacons or urls or [self.node.url]
        ]
        return Driver(
            chain,
            self.network,
            L1Reader(endpoints, CHAIN_ID, retries=retries),
            Blobs(sources, retries=retries),
            path,
            following=following,
            host=host,
        )


@asynccontextmanager
async def rollup(
    *options: str,
    retries: Retries = QUICK,
    accounts: Accounts = ACCOUNTS,
    timing: Timing = TIMING,
    document: Mapping[str, Any] = DEVNET,
) -> AsyncIterator[Rollup]:
    """Run anvil with a network's contracts."""
    async with anvil(*options) as node, aiohttp.ClientSession() as session:
        await node.mine(3)
        reader = L1Reader([Endpoint(node.url, session, timeout_s=300)], CHAIN_ID, retries=retries)
        pricing = Pricing(poll_s=0.02)
        operator, sequencer = (Sender(reader, account_of(key), pricing=pricing) for key in KEYS[:2])
        document = await with_origin(reader, document, 2)
        made = await deploy(operator, plan(document, accounts, timing))
        contracts = Contracts(made.contracts["inbox"], made.contracts["portal"])
        start = Mark(await reader.block(2))
        text = json.dumps({**document, "l1": section(made)}).encode()
        yield Rollup(node, session, reader, contracts, sequencer, operator, start, text, read_network(text))


def build(chain: Any, blocks: int = 1, gap: int = 1) -> None:
    """Make blocks on a chain, `gap` slots apart, of what its mempool has."""
    for _ in range(blocks):
        made = chain.build(chain.head().slot + gap, allow_empty=True, budget_ms=10_000)
        assert made is not None


def rpc(chain: Any, method: str, *params: Any) -> Any:
    """Ask a chain."""
    return orjson.loads(chain.rpc(method, orjson.dumps(params)))


def output_at(chain: Any, number: int) -> tuple[str, str]:
    """Return what two nodes must agree on about a block: its hash and its state root."""
    header = rpc(chain, "eth_getHeaderByNumber", hex(number))
    return header["hash"], header["stateRoot"]


def output_root_at(chain: Any, number: int) -> bytes:
    """Return the output root of a block."""
    header = rpc(chain, "eth_getHeaderByNumber", hex(number))
    parts = (header["stateRoot"], header["withdrawalsRoot"], header["hash"])
    return output_root(*(Hash32(bytes.fromhex(part[2:])) for part in parts))
