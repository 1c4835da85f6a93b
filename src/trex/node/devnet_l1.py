"""The L1 side of `trex devnet`: the contracts, the accounts of the roles, and the roles as processes.

Batcher, proposer and verifier are the very commands that an operator runs, each a process of its own: they
share nothing with block production but L1 and RPC, work on several cores, and can be killed one by one.
"""

import asyncio
import json
import logging
import math
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from trex.chain.assembly import Node
from trex.chain.core import L1View, SettledCore
from trex.chain.dev.accounts import ACCOUNTS, DevAccount
from trex.chain.service import State
from trex.node.anvil import Anvil, AnvilError
from trex.node.child import Child
from trex.node.roles import read_key
from trex.node.settling import L1Options, settling
from trex.rpc.endpoint import Endpoint
from trex.settlement.deploy import deploy, plan, section, with_origin
from trex.settlement.deployment import Accounts, Timing
from trex.settlement.driver import Driver
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Pricing, Sender
from trex.settlement.l1.transaction import account_of
from trex.types.network import Network
from trex.types.primitives import Address

log = logging.getLogger(__name__)

VERIFIER = "verifier"
"""The verifier's data directory in the devnet's."""
NETWORK = "network.json"
"""The network file that a devnet with an L1 writes at its first start."""
LEFT = "left-l1"
"""A file in the devnet's data directory that says why its chain has no L1 any more."""
MAX_DRIFT_S = 100 * 365 * 86_400
"""How long blocks may keep an origin: for good, so that a chain that left its L1 goes on."""
POLL_S = 0.5
"""How often the sequencer asks L1."""
IDLE_TIMES = 15
"""Blocks without transactions wait so many times longer for their batch."""
KEEP_BLOCKS = 2
"""L1's state is written each time that so many blocks take: what is final (twice an epoch) is always kept."""
LOOK_S = 1.0
"""How often the roles are asked how they are."""
REACH_S = 30.0
"""How long this chain may take to learn of a new L1 block."""
GRADUAL_S = 900
"""Between L1 blocks on the way to a later time: half of the default drift."""
GRADUAL_MAX = 1_000
ROLES = {
    "sequencer": DevAccount(
        "0xBcd4042DE499D14e55001CcbB24a551F3b954096",
        "0xf214f2b2cd398c806f84e317254e0f0b801d0643303237d97a22a48e01628897",
    ),
    "proposer": DevAccount(
        "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
        "0x701b615bbdfb9de65240bc28bd21bbc0d996645a3dd57e7b12bc2bdf6f192c82",
    ),
    "disputer": DevAccount(
        "0xFABB0ac9d68B0B445fB7357272Ff202C5651694a",
        "0xa267530f49f8280200edf313ee7af6b827f2a8bce2897751d06a843f644967b1",
    ),
    "governor": DevAccount(
        "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
        "0x47c99abed3324a2707c28affff1267e45918ec8c3f20b8aa892e8b065d2942dd",
    ),
}
"""Accounts 10 to 13 of the mnemonic: nobody else's nonces are mixed with theirs."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How long things take on a devnet, in seconds unless it says otherwise."""

    l1_block_s: int = 2
    """Between L1 blocks."""
    batch_s: float = 4.0
    """Age of the oldest transaction at which a batch is posted."""
    claim_s: float = 10.0
    """Between claims of outputs."""
    dispute_s: int = 10
    """In which a claim can be rejected."""
    maturity_s: int = 5
    """Between a withdrawal's proof and its end."""

    def timing(self) -> Timing:
        """Return the contracts' numbers."""
        lag, silence_s = 1_800, 600
        exit_s = lag * 12 + silence_s + max(self.dispute_s, self.maturity_s)
        return Timing(
            max_origin_lag_l1_blocks=lag,
            silence_s=silence_s,
            dispute_window_s=self.dispute_s,
            finality_delay_s=0,
            proof_maturity_s=self.maturity_s,
            timelock_delay_s=exit_s + 3_600,
        )


def network_on(anvil: Anvil, folder: Path, document: dict[str, Any], windows: Windows) -> bytes:
    """Return the network file of a devnet whose contracts stand on this L1, deploying them when none do.

    Raises:
        AnvilError, L1Error: L1 does not take them.
    """
    file = folder / NETWORK
    if file.exists():
        return file.read_bytes()
    text = json.dumps(asyncio.run(_deployed(anvil, document, windows))).encode()
    anvil.keep()  # a network file without its L1 would be of no use
    fresh = file.with_suffix(".new")
    fresh.write_bytes(text)
    fresh.replace(file)
    return text


async def _deployed(anvil: Anvil, document: dict[str, Any], windows: Windows) -> dict[str, Any]:
    parts = {name: Address(bytes.fromhex(account.address[2:])) for name, account in ROLES.items()}
    operator = ACCOUNTS[0]
    accounts = Accounts(operator=Address(bytes.fromhex(operator.address[2:])), **parts)
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(anvil.url, session, timeout_s=60)
        reader = L1Reader([endpoint], int(str(await endpoint.call("eth_chainId")), 16))
        newest = (await reader.heads()).latest.number
        started = await with_origin(reader, document, newest)
        sender = Sender(reader, account_of(operator.key), pricing=Pricing(poll_s=0.05))
        made = await deploy(sender, plan(started, accounts, windows.timing()))
    settled = section(made)
    settled["parameters"]["maxDriftS"] = MAX_DRIFT_S
    return {**started, "l1": settled}


def key_files(folder: Path) -> dict[str, Path]:
    """Write the keys of the roles, which everybody knows, to files as their commands want them."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    files = {}
    for name, account in ROLES.items():
        files[name] = keys / name
        files[name].write_text(account.private_key + "\n")
    return files


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class L1Side:
    """Everything of a running devnet that is not the sequencer's node itself."""

    def __init__(self, anvil: Anvil, node: Node, driver: Driver, windows: Windows, folder: Path) -> None:
        """Name the parts; `company` runs them."""
        self.anvil = anvil
        self.folder = folder
        self.node = node
        self.driver = driver
        self.windows = windows
        self.children: dict[str, Child] = {}
        """The roles, by name."""
        self.roles: asyncio.Task[None] | None = None
        """Runs them."""
        self._one = asyncio.Lock()

    async def reach(self, timestamp_s: int, *, gradually: bool = False) -> None:
        """Let L1 have a block of this time or later, and this chain know of it.

        Args:
            timestamp_s: seconds since 1970.
            gradually: with blocks in between, for a chain that makes blocks on the way there.
        """
        async with self._one:
            number = await asyncio.to_thread(self._reach, timestamp_s, gradually)
            async with asyncio.timeout(REACH_S):
                while not self._knows(number):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    async def leave(self, method: str) -> None:
        """Let the chain go its own way for good; the next start knows of it too."""
        async with self._one:
            if self.driver.left is None:
                why = (
                    f"{method} took the chain away from its L1 after block {self.node.core.head().number}: "
                    "nothing more becomes safe; --fresh starts anew"
                )
                (self.folder / LEFT).write_text(why)
                await self.parted(why)
                log.warning(why)

    async def parted(self, why: str) -> None:
        """Run the chain as one without an L1."""
        await self.driver.leave(why)
        self.node.producer.l1 = L1View
        assert self.node.dev is not None
        self.node.dev.l1 = None
        self.children.clear()
        if self.roles is not None:
            self.roles.cancel()

    def _knows(self, number: int) -> bool:
        """Tell whether the next block may refer to this L1 block."""
        view, position = self.node.producer.l1(), self.driver.position
        return view is not None and position is not None and position.origin + len(view.headers) >= number

    def _reach(self, timestamp_s: int, gradually: bool) -> int:
        now_s = self.anvil.time_s
        ahead_s = timestamp_s - now_s
        if ahead_s > 0:
            if gradually and ahead_s > GRADUAL_S:
                blocks = min(math.ceil(ahead_s / GRADUAL_S), GRADUAL_MAX)
                for block in range(1, blocks):
                    self.anvil.set_time(now_s + ahead_s * block // blocks)
                    self.anvil.mine()
            self.anvil.set_time(timestamp_s)
            self.anvil.mine()
        return int(self.anvil.call("eth_blockNumber"), 16)

    async def keep(self) -> None:
        """Write L1's state again and again; start L1 when it has ended."""
        while True:
            await asyncio.sleep(KEEP_BLOCKS * self.windows.l1_block_s)
            try:
                if self.anvil.running:
                    await asyncio.to_thread(self.anvil.keep)
                else:
                    log.error("L1 has ended, see %s: starting it again as it was kept", self.anvil.log)
                    clock = self.node.clock
                    now_s = clock.genesis_time_s + clock.now_ms() / 1000
                    await asyncio.to_thread(resume, self.anvil, self.windows, now_s)
            except (OSError, AnvilError) as error:
                log.error("L1: %s", error)

    async def look(self) -> None:
        """Ask the roles how they are, again and again."""
        async with aiohttp.ClientSession() as session:
            while True:
                await asyncio.gather(*(child.look(session) for child in self.children.values()))
                await asyncio.sleep(LOOK_S)


def resume(anvil: Anvil, windows: Windows, now_s: float) -> None:
    """Start L1 with its kept chain, its clock at this time or later."""
    anvil.start()
    anvil.set_time(max(int(now_s), anvil.time_s))
    anvil.mine_every(windows.l1_block_s)


@asynccontextmanager
async def company(
    node: Node,
    chain: SettledCore,
    network: Network,
    folder: Path,
    anvil: Anvil,
    windows: Windows,
    verifier_port: int,
) -> AsyncIterator[L1Side]:
    """Run everything beside a sequencer's node as long as this lasts.

    Args:
        node: the sequencer's.
        chain: its chain.
        network: with section `l1`.
        folder: the devnet's data directory.
        anvil: running; one block for each transaction up to now.
        windows: how long things take.
        verifier_port: where the verifier's node listens.
    """
    # One clock for both layers, which never goes back: time that a test moved on stays so.
    wall_s = time.time()
    time_s = max(int(wall_s), anvil.time_s, node.core.head().timestamp)
    anvil.set_time(time_s)
    anvil.mine_every(windows.l1_block_s)
    node.clock.offset_ms = max(0, int(1000 * (time_s - wall_s)))
    feed_key = bytes(read_key(key_files(folder)["sequencer"]).key)
    options = L1Options(
        l1=(anvil.url,), beacon=(anvil.url,), feed_key=feed_key, origin_depth=0, poll_s=POLL_S
    )
    async with settling(node, chain, network, folder, options) as driver:
        assert driver is not None
        side = L1Side(anvil, node, driver, windows, folder)
        assert node.dev is not None
        node.dev.l1 = side
        tasks = [asyncio.create_task(side.keep(), name="keep")]
        if (folder / LEFT).exists():
            await side.parted((folder / LEFT).read_text())
        else:
            side.roles = asyncio.create_task(_roles(side, node, folder, verifier_port), name="roles")
            tasks.append(side.roles)
        try:
            yield side
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _roles(side: L1Side, node: Node, folder: Path, verifier_port: int) -> None:
    """Run the roles as soon as the node listens."""
    while node.server.state is not State.RUNNING:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    side.children |= {child.name: child for child in _children(side, node, folder, verifier_port)}
    async with asyncio.TaskGroup() as group:
        for child in side.children.values():
            group.create_task(child.run(), name=child.name)
        group.create_task(side.look(), name="look")


def _children(side: L1Side, node: Node, folder: Path, verifier_port: int) -> list[Child]:
    url, windows = side.anvil.url, side.windows
    sequencer = f"http://127.0.0.1:{node.server.port}"
    network = ("--network", str(folder / NETWORK), "--l1", url)
    keys = key_files(folder)
    ports = {"batcher": free_port(), "proposer": free_port(), "verifier": verifier_port}
    verifier = f"http://127.0.0.1:{verifier_port}"
    commands: dict[str, tuple[str, ...]] = {
        "verifier": (
            *("node", "run", "--role", "verifier", *network, "--beacon", url, "--sequencer", sequencer),
            *("--datadir", str(folder / VERIFIER), "--port", str(verifier_port), "--cors-origin", "*"),
            *("--cache-mb", "64", "--feed", sequencer),
        ),
        "batcher": (
            *("batcher", "run", *network, "--node", sequencer, "--key", str(keys["sequencer"])),
            *("--target-age", str(windows.batch_s), "--max-age", str(IDLE_TIMES * windows.batch_s)),
            *("--poll", "1", "--replace-after", str(10 * windows.l1_block_s)),
            *("--metrics-port", str(ports["batcher"])),
        ),
        "proposer": (
            *("proposer", "run", *network, "--node", sequencer, "--node", verifier),
            *("--key", str(keys["proposer"]), "--interval", str(windows.claim_s)),
            *("--poll", "1", "--metrics-port", str(ports["proposer"])),
        ),
    }
    return [
        Child(name, arguments, folder / f"{name}.log", ports[name]) for name, arguments in commands.items()
    ]
