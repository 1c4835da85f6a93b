"""A rollup to test against: a real L1 with the contracts, a node that makes blocks, a reader of L1."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from tests.settlement.anvil_l1 import CHAIN_ID, KEYS, Anvil, Proxy, anvil, proxy
from tests.settlement.test_deploy import ACCOUNTS, DEVNET, address_of

from trex._core import Chain, sign_transaction  # noqa: TID251
from trex.chain.assembly import Node, NodeSettings
from trex.chain.dev.accounts import ACCOUNTS as USERS
from trex.chain.opening import open_chain
from trex.chain.producer import Mining
from trex.node.settling import L1Options, settling
from trex.rpc.endpoint import Endpoint
from trex.settlement.batcher import Batcher
from trex.settlement.blocks import NodeBlocks
from trex.settlement.carrier import EthereumBlobs
from trex.settlement.contracts import contract
from trex.settlement.deploy import deploy, plan, section, with_origin
from trex.settlement.deployment import Timing
from trex.settlement.driver import Driver
from trex.settlement.inbox import ZERO, PostedBatch
from trex.settlement.l1.blobs import BeaconBlobs, Blobs
from trex.settlement.l1.errors import L1Error
from trex.settlement.l1.reader import L1Reader, Retries
from trex.settlement.l1.sender import Pricing, Sender
from trex.settlement.l1.transaction import Intent, account_of
from trex.settlement.posting import Policy
from trex.settlement.target import Target
from trex.settlement.throttle import BLOBS_PER_L1_BLOCK
from trex.settlement.watch import Contracts, Mark, read_span
from trex.types.network import Network
from trex.types.network_file import read_network
from trex.types.primitives import Gas, Wei

QUICK = Retries(budget_s=2.0, first_wait_s=0.02)
PATIENT = Retries(budget_s=60.0, first_wait_s=0.02)
PRICING = Pricing(longest_wait_s=5.0, poll_s=0.05)
AT_ONCE = Policy(target_age_s=0.0, max_age_s=0.0)
"""Posts whatever there is."""
TIMING = Timing(
    max_origin_lag_l1_blocks=2_000,
    silence_s=20_000,
    dispute_window_s=600,
    finality_delay_s=1,
    proof_maturity_s=20,
    timelock_delay_s=100_000,
)
EXTRA = {"maxDriftS": 10_000_000, "sequencingWindowS": 20_000, "blobUpdateFraction": 11_684_671}
CHAIN = 1962
WAIT_S = 300.0
RECIPIENT = b"\x55" * 20
"""Of all transfers."""
GAS_PRICE = 10**10


@dataclass(slots=True)
class Sequencing:
    """All of it."""

    l1: Anvil
    liar: Proxy
    """Before it, and asked only by a node `of_three` endpoints."""
    reader: L1Reader
    network: Network
    text: bytes
    contracts: Contracts
    folder: Path
    session: aiohttp.ClientSession
    user: Sender
    chain: Chain
    node: Node
    driver: Driver
    nonces: dict[int, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of the node."""
        return f"http://127.0.0.1:{self.node.server.port}"

    def source(self) -> NodeBlocks:
        return NodeBlocks(Endpoint(self.url, self.session, timeout_s=300))

    def batcher(
        self,
        policy: Policy = AT_ONCE,
        reader: L1Reader | None = None,
        pricing: Pricing = PRICING,
        **options: Any,
    ) -> Batcher:
        reader = reader or self.reader
        target = Target.of(self.network)
        sender = Sender(reader, account_of(KEYS[1]), pricing=pricing)
        carrier = EthereumBlobs(sender, target.inbox)
        options = {"now": later, "poll_s": 0.1, **options}
        return Batcher(target, reader, self.source(), carrier, policy=policy, **options)

    async def all_on_l1(self, *outcomes: str) -> "ReadBack":
        """Check that L1 has exactly the sequencer's blocks, each once.

        Args:
            outcomes: how batches may read besides as batches.
        """
        head = self.chain.head().number
        back = await self.read_back()
        assert back.hashes == [block_hash(self.chain, number) for number in range(head + 1)]
        assert set(back.outcomes) <= {"batch", *outcomes}
        return back

    async def post_all(self, batcher: Batcher) -> None:
        """Let a batcher work until L1 has all blocks and the node has read them."""
        async with asyncio.timeout(WAIT_S):
            while True:
                await self.followed()
                with contextlib.suppress(L1Error):
                    await batcher.step()
                await self.followed()
                if self.chain.l1_heads()[0] == self.chain.head().number:
                    return

    def transfer(self, user: int = 3, count: int = 1) -> list[str]:
        """Put transfers into the mempool."""
        first = self.nonces.get(user, 0)
        self.nonces[user] = first + count
        signed = [transfer(user, nonce) for nonce in range(first, first + count)]
        for answer in self.chain.submit(signed):
            assert isinstance(answer, str), answer
        return signed

    def offer(self, user: int, data: Sequence[bytes]) -> None:
        """Put transfers with calldata into the mempool."""
        first = self.nonces.get(user, 0)
        self.nonces[user] = first + len(data)
        signed = [transfer(user, first + at, one) for at, one in enumerate(data)]
        for answer in self.chain.submit(signed):
            assert isinstance(answer, str), answer

    async def deposit(self, wei: int = 5) -> None:
        """Deposit ether on L1."""
        call = contract("Portal").call("depositTransaction", b"\x42" * 20, wei, 100_000, False, b"")
        included = await self.user.send(Intent(self.contracts.portal, call, Gas(1_000_000), Wei(wei)))
        assert included is not None
        assert included.succeeded

    async def balance(self, address: bytes) -> int:
        """Return an account's balance on the sequencer's chain."""
        answer = self.chain.rpc("eth_getBalance", orjson.dumps(["0x" + address.hex(), "latest"]))
        return int(orjson.loads(answer), 16)

    async def node_call(self, method: str, *params: Any) -> Any:
        """Ask the node."""
        return await Endpoint(self.url, self.session, timeout_s=300).call(method, *params)

    async def pooled(self) -> None:
        """Wait until a transaction lies in L1's pool."""
        async with asyncio.timeout(WAIT_S):
            while True:
                if (await self.l1.call("txpool_status"))["pending"] != "0x0":
                    return
                await asyncio.sleep(0.02)

    async def followed(self) -> None:
        """Wait until the node has derived all that L1 has, and its next block may refer to it."""
        async with asyncio.timeout(WAIT_S):
            while True:
                head = await self.l1.call("eth_getBlockByNumber", "latest", False)
                position, view = self.driver.position, self.node.producer.l1()
                if (
                    position is not None
                    and "0x" + position.mark.block.hash.hex() == head["hash"]
                    and view is not None
                    and list(view.headers[-1:]) == [position.mark.block.rlp]
                ):
                    return
                await asyncio.sleep(0.02)

    async def block(self, transactions: int = 1, user: int = 3) -> int:
        """Make a block of now on L1's clock; return its number."""
        if transactions:
            self.transfer(user, transactions)
        head = self.chain.head()
        l1_time = int((await self.l1.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
        slot = (l1_time - self.chain.genesis_time_s) * 1000 // self.chain.block_time_ms + 1
        await until(lambda: self.node.producer.l1() is not None)  # L1's own blocks may just have come in
        sealed = await self.node.producer.make(slot=max(slot, head.slot + 1))
        assert sealed is not None
        return sealed.number

    async def read_back(self, name: str = "reader") -> "ReadBack":
        """Derive the chain from L1 alone, in another folder."""
        head = (await self.reader.heads()).latest
        start = Mark(await self.reader.block(self.network.genesis.l1_origin.number))
        blocks = await self.reader.chain_between(start.block, head)
        span = await read_span(self.reader, self.contracts, start, blocks)
        blobs = Blobs([BeaconBlobs(self.l1.url, self.session, slot_is_block=True)], retries=PATIENT)
        by_number = {block.number: block for block in blocks}
        chain = open_chain(self.folder / name, self.text)
        try:
            outcomes, queue, origin, number = [], (0, bytes(ZERO)), start.block.number, 0
            for batch in span.batches:
                header = batch.header
                due = span.deposits[queue[0] : header.deposit_count]
                data = await blobs.fetch(by_number[batch.l1_number], header.blob_hashes)
                answer = orjson.loads(
                    await asyncio.to_thread(
                        chain.derive,
                        number,
                        header=header.encoded,
                        queue=queue,
                        blobs=data,
                        l1_headers=[
                            by_number[each].rlp if each in by_number else start.block.rlp
                            for each in range(origin, header.origin_number + 1)
                        ],
                        deposits=[deposit.record for deposit in due],
                    )
                )
                outcomes.append(answer["outcome"]["name"])
                number += len(answer["blocks"])
                origin = header.origin_number
                queue = (header.deposit_count, bytes(header.deposit_accumulator))
            hashes = [block_hash(chain, each) for each in range(number + 1)]
            return ReadBack(outcomes, hashes, span.batches, queue[0])
        finally:
            chain.close()


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What L1 says of the chain."""

    outcomes: list[str]
    """How each batch reads."""
    hashes: list[str]
    """Of all blocks, from genesis."""
    batches: Sequence[PostedBatch]
    deposits: int
    """How many of them are in those blocks."""


def block_hash(chain: Chain, number: int) -> str:
    return str(orjson.loads(chain.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])))["hash"])


def transfer(user: int, nonce: int, data: bytes = b"") -> str:
    request = {
        "chainId": hex(CHAIN),
        "type": "0x2",
        "nonce": hex(nonce),
        "to": "0x" + RECIPIENT.hex(),
        "value": hex(nonce + 1),
        "gas": hex(21_000 + 40 * len(data)),
        "maxFeePerGas": hex(GAS_PRICE),
        "maxPriorityFeePerGas": "0x1",
        "input": "0x" + data.hex(),
        "accessList": [],
    }
    return sign_transaction(json.dumps(request).encode(), bytes.fromhex(USERS[user].private_key[2:]))


@asynccontextmanager
async def sequencing(
    folder: Path,
    *,
    timing: Timing = TIMING,
    extra: dict[str, int] | None = None,
    anvil_options: Sequence[str] = (),
    of_three: bool = False,
    blobs_per_l1_block: float = BLOBS_PER_L1_BLOCK,
) -> AsyncIterator[Sequencing]:
    """Start an L1, bring the contracts there, and start a node that makes blocks when told to.

    It asks anvil, or `of_three` endpoints the one that may lie first.
    """
    async with (
        anvil(*anvil_options) as l1,
        proxy(l1.url) as liar,
        aiohttp.ClientSession() as session,
    ):
        await l1.mine(3)
        reader = L1Reader([Endpoint(l1.url, session, timeout_s=300)], CHAIN_ID, retries=PATIENT)
        document = await with_origin(reader, DEVNET, 2)
        operator = Sender(reader, account_of(KEYS[0]), pricing=PRICING)
        accounts = dict(ACCOUNTS.named(), proposer=address_of(KEYS[0]))
        made = await deploy(
            operator, plan(document, type(ACCOUNTS)(**accounts), timing, EXTRA | (extra or {}))
        )
        text = json.dumps({**document, "l1": section(made)}).encode()
        network = read_network(text)
        contracts = Contracts(made.contracts["inbox"], made.contracts["portal"])
        chain = open_chain(folder / "sequencer", text, cache_bytes=8 << 20)
        urls = (liar.url, l1.url, l1.url) if of_three else (l1.url,)
        following = L1Options(
            l1=urls,
            beacon=urls,
            origin_depth=0,
            poll_s=0.05,
            blobs_per_l1_block=blobs_per_l1_block,
        )
        try:
            node = Node(chain, NodeSettings(port=0, mining=Mining(slots=False)))
            async with settling(node, chain, network, folder, following) as driver:
                assert driver is not None
                listening = asyncio.Event()
                running = asyncio.create_task(node.run(listening.set))
                try:
                    await asyncio.wait_for(listening.wait(), WAIT_S)
                    user = Sender(reader, account_of(KEYS[0]), pricing=PRICING)
                    one = Sequencing(
                        l1, liar, reader, network, text, contracts, folder, session, user, chain, node, driver
                    )
                    await one.followed()
                    yield one
                finally:
                    node.stop()
                    await running
        finally:
            chain.close()


async def until(reached: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if reached():
                return
            await asyncio.sleep(0.05)


def later() -> float:
    """Return a time after that of every block: anvil's clock runs ahead by the blocks that were mined."""
    return time.time() + 3_600
