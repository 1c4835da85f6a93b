"""`trex devnet`: a chain of one's own, ready for a wallet."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from trex.chain.assembly import Node
from trex.chain.build import core_build
from trex.chain.dev.accounts import ACCOUNTS, MNEMONIC
from trex.node.anvil import Anvil, AnvilError, lock
from trex.node.child import Child
from trex.node.devnet_gateway import start_gateway
from trex.node.devnet_l1 import LEFT, NETWORK, VERIFIER, L1Side, Windows, company, free_port, network_on
from trex.node.files import data_home, network_file, short
from trex.node.lazy import LazyCommand, LazyGroup
from trex.node.logs import Terminal
from trex.node.older_l1 import level
from trex.node.options import (
    MINING,
    MINING_HELP,
    PATH,
    Options,
    log_level_option,
    option,
    read_options,
    serving_options,
)
from trex.node.serving import explain, serve
from trex.settlement.l1.errors import L1Error
from trex.types.errors import CoreError
from trex.types.evm import checksum_address
from trex.types.network_file import read_network

PREDEPLOYED = (
    ("Multicall3", "0xcA11bde05977b3631167028862bE2a173976CA11"),
    ("Deterministic deployer", "0x4e59b44847b379578588920cA78FbF26c0B4956C"),
    ("Permit2", "0x000000000022D473030F116dDEE9F6B43aC78BA3"),
    ("EntryPoint v0.7", "0x0000000071727De22E5E9d8BAf0edAc6f37da032"),
    ("EntryPoint v0.8", "0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108"),
    ("Safe v1.4.1", "0x41675C099F32341bf84BFc5382aF534df5C7461a"),
    ("SafeProxyFactory v1.4.1", "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67"),
)
"""What the start page names of the network file's contracts; `trex network show` counts them all."""
COMMANDS = {
    "persona": LazyCommand(
        "trex.node.devnet_persona:persona", "Make people with histories on a running devnet."
    ),
    "tour": LazyCommand("trex.node.devnet_tour:tour", "Go the whole way on a running devnet."),
}
"""What can be done with a devnet that runs."""
MARK = ".trex-devnet"
"""A file in data directories made by this command: only those does `--fresh` empty."""
STATUS_S = 0.5
L1_PORT = 8545
PORT = 9545
NORMAL = Windows()


@click.group(cls=LazyGroup, lazy=COMMANDS, invoke_without_command=True)
@option("--datadir", type=PATH, help="Where state is kept; by default below the XDG data directory.")
@option("--fresh", is_flag=True, help="Forget the state of earlier runs.")
@option(
    "--mining",
    type=click.Choice(list(MINING)),
    default="slots",
    show_default=True,
    help=MINING_HELP,
)
@option(
    "--block-time",
    type=click.IntRange(1, 60_000),
    metavar="MS",
    help="Slot length, for a network like the devnet.",
)
@option("--quiet", is_flag=True, help="No start page and no status.")
@option(
    "--no-l1",
    is_flag=True,
    help="The chain alone: starts at once, and test suites may overwrite its state and take blocks back.",
)
@option(
    "--l1-port",
    type=click.IntRange(0, 65535),
    default=L1_PORT,
    show_default=True,
    help="Port of L1; 0 takes a free one.",
)
@option(
    "--verifier-port",
    type=click.IntRange(0, 65535),
    default=9546,
    show_default=True,
    help="Port of the verifier's node; 0 takes a free one.",
)
@option(
    "--l1-block-time",
    type=click.IntRange(1, 60),
    metavar="S",
    default=NORMAL.l1_block_s,
    show_default=True,
    help="Seconds between L1 blocks.",
)
@option(
    "--batch-interval",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    default=NORMAL.batch_s,
    show_default=True,
    help="Post a batch when its oldest transaction is this old.",
)
@option(
    "--claim-interval",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    default=NORMAL.claim_s,
    show_default=True,
    help="Seconds between claims of outputs.",
)
@option(
    "--dispute-window",
    type=click.IntRange(1),
    metavar="S",
    default=NORMAL.dispute_s,
    show_default=True,
    help="In which a claim can be rejected; counts at the first start.",
)
@option(
    "--proof-maturity",
    type=click.IntRange(1),
    metavar="S",
    default=NORMAL.maturity_s,
    show_default=True,
    help="Between a withdrawal's proof and its end; counts at the first start.",
)
@option(
    "--gateway-port",
    type=click.IntRange(0, 65535),
    help="Start the persona gateway too, on this port; 0 takes a free one.",
)
@serving_options
@log_level_option("info")
@click.pass_context
def devnet(
    context: click.Context,
    /,
    datadir: Path | None,
    fresh: bool,
    block_time: int | None,
    quiet: bool,
    mining: str,
    no_l1: bool,
    l1_port: int,
    verifier_port: int,
    l1_block_time: int,
    batch_interval: float,
    claim_interval: float,
    dispute_window: int,
    proof_maturity: int,
    gateway_port: int | None,
    **shared: Any,
) -> None:
    """Start a rollup of your own: an L1 (anvil), the contracts, sequencer, batcher, proposer and a verifier.

    Ten accounts are funded on both layers and their keys known, Ethereum's usual contracts are there, and the
    methods by which test suites control time. State is kept from one start to the next.

    What changes the chain in a way that nobody could derive from L1 (setting balances, impersonation,
    snapshots) takes it away from its L1 for good, and says so; --no-l1 starts without one.
    """
    if context.invoked_subcommand is not None:
        return
    if not shared["cors_origin"]:
        shared["cors_origin"] = ("*",)  # pages under development come from anywhere, and keys here are public
    options = read_options(mining=mining, **shared)
    network = network_file("devnet").read_bytes()
    name = "devnet"
    if block_time is not None:
        document = orjson.loads(network)
        parameters = document["parameters"]
        if block_time != parameters["blockTimeMs"]:
            parameters["blockTimeMs"] = block_time
            parameters["maxIdleMs"] = max(parameters["maxIdleMs"], block_time)
            network = orjson.dumps(document)
            name = f"devnet-{block_time}ms"
    path = datadir or data_home() / (name if no_l1 else f"{name}-l1")
    prepare(path, fresh, no_l1)

    if gateway_port == 0:
        gateway_port = free_port()
    if no_l1:

        def started(node: Node, terminal: Terminal) -> None:
            gateway = _gateway(node, path, gateway_port)
            if not quiet:
                click.echo(start_page(node, path, gateway=gateway))
                sys.stdout.flush()

        serve(network, path, options, dev=True, started=started, beside=None if quiet else show_status)
        return
    windows = Windows(l1_block_time, batch_interval, claim_interval, dispute_window, proof_maturity)
    anvil = Anvil(path, l1_port or free_port())
    _serve_above(anvil, network, path, options, windows, verifier_port or free_port(), quiet, gateway_port)


def _gateway(node: Node, path: Path, port: int | None, side: L1Side | None = None) -> str:
    """Start the persona gateway, if a port is named for it, and return its origin; it ends with the node."""
    if port is None:
        return ""
    l1 = None if side is None else (side.driver.settlement.chain_id, side.anvil.url)
    rpc_url = f"http://127.0.0.1:{node.server.port}"
    origin, task = start_gateway(path / "gateway", port, node.core.chain_id, rpc_url, l1)
    _tasks.add(task)
    return origin


_tasks: set[asyncio.Task[None]] = set()
"""Tasks that live as long as the loop does."""


def _serve_above(
    anvil: Anvil,
    network: bytes,
    path: Path,
    options: Options,
    windows: Windows,
    verifier_port: int,
    quiet: bool,
    gateway_port: int | None,
) -> None:
    """Serve a devnet that settles on an L1, which ends after it."""
    sides: list[L1Side] = []

    @asynccontextmanager
    async def around(node: Node, chain: Any) -> AsyncIterator[L1Side]:
        async with company(node, chain, known, path, anvil, windows, verifier_port) as side:
            sides.append(side)
            yield side

    def started(node: Node, terminal: Terminal) -> None:
        gateway = _gateway(node, path, gateway_port, sides[0])
        if not quiet:
            click.echo(start_page(node, path, sides[0], verifier_port, gateway))
            sys.stdout.flush()

    async def status(node: Node, terminal: Terminal) -> None:
        await show_status(node, terminal, sides)

    try:
        try:
            anvil.start()
            text = network_on(anvil, path, orjson.loads(network), windows)
            if not (path / LEFT).exists():
                for node in (path, path / VERIFIER):
                    level(node, text, anvil)
        except CoreError as error:
            raise explain(error) from error
        except (AnvilError, L1Error, ValueError) as error:
            raise click.ClickException(
                f"{error}\n(where anvil is missing, `scripts/setup` installs it; where its port is taken, "
                "--l1-port chooses another; `trex devnet --no-l1` does without an L1)"
            ) from error
        known = read_network(text)
        if known.parameters.block_time_ms != read_network(network).parameters.block_time_ms:
            raise click.ClickException(
                f"the devnet in {path} has blocks of {known.parameters.block_time_ms} ms: "
                "start it with that --block-time, or anew with --fresh"
            )
        serve(
            text,
            path,
            options,
            dev=True,
            started=started,
            beside=None if quiet else status,
            company=around,
        )
    finally:
        anvil.stop()


def prepare(path: Path, fresh: bool, no_l1: bool) -> None:
    """Make the data directory, or empty it; never one that this command has not made.

    Args:
        path: of the data directory.
        fresh: empty it.
        no_l1: for a devnet without an L1.

    Raises:
        click.ClickException: it holds something else, or cannot be written.
    """
    mark = path / MARK
    if path.exists() and any(path.iterdir()) and not mark.exists():
        raise click.ClickException(f"{path} is not empty and not a devnet's: choose another with --datadir")
    if fresh and path.exists():
        try:
            lock(path).close()
        except AnvilError as error:
            raise click.ClickException(str(error)) from error
        shutil.rmtree(path)
    if (path / "store").exists() and (path / NETWORK).exists() is no_l1:
        raise click.ClickException(
            f"the devnet in {path} {'has an L1' if no_l1 else 'has no L1'}: "
            f"start it {'without' if no_l1 else 'with'} --no-l1, or anew with --fresh"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def start_page(
    node: Node, path: Path, l1: L1Side | None = None, verifier_port: int = 0, gateway: str = ""
) -> str:
    """Return what somebody needs to know to use this chain."""
    host = node.settings.host
    shown = f"[{host}]" if ":" in host else host
    address = f"{shown}:{node.server.port}"
    head = node.core.head()
    lines = [
        "",
        click.style(f"  T-Rex devnet {core_build().version}", bold=True),
        "",
        f"  HTTP        http://{address}",
        f"  WebSocket   ws://{address}",
        f"  Chain id    {node.core.chain_id}, block time {node.core.block_time_ms} ms",
        f"  State       {short(path)}, block {head.number} (--fresh starts anew)",
        *([f"  Personas    {gateway}/passport, API at {gateway}/docs"] if gateway else []),
        *([] if l1 is None else _l1_lines(l1, path, verifier_port)),
        "",
        click.style("  Accounts", bold=True) + f"  mnemonic: {MNEMONIC}",
        "  Everybody knows these keys: never send anything of value to them.",
        *(f"  {i}  {account.address}  {account.private_key}" for i, account in enumerate(ACCOUNTS)),
        "",
        click.style("  Contracts", bold=True),
        *(f"  {name:<24}{contract}" for name, contract in PREDEPLOYED),
        "",
        click.style("  Connect", bold=True),
        f"  Wallet      add a network: RPC http://{address}, chain id {node.core.chain_id}, currency ETH;"
        " import a key from above",
        f"  cast        cast balance {ACCOUNTS[0].address} --rpc-url http://{address}",
        "  Ether       cast rpc trex_faucet ADDRESS --rpc-url " + f"http://{address}",
        *([] if l1 is None else _bridge_lines(l1, path, node.server.port)),
        "  Tests       suites that expect a block for each transaction: trex devnet --no-l1 --mining instant",
        *(
            []
            if l1 is None
            else ["              (overwriting state, or going back, takes the chain away from L1)"]
        ),
        f"  Watch       http://{address}/health, http://{address}/metrics",
        "",
        "  Ctrl-C stops; state is kept.",
        "",
    ]
    return "\n".join(lines)


def _l1_lines(l1: L1Side, path: Path, verifier_port: int) -> list[str]:
    """Return what the start page says of L1."""
    contracts, windows = l1.driver.settlement.contracts, l1.windows
    named = {
        "Portal": contracts["portal"],
        "Bridge": contracts["l1StandardBridge"],
        "Messenger": contracts["l1CrossDomainMessenger"],
        "Inbox": contracts["inbox"],
    }
    return [
        f"  L1          {l1.anvil.url} (anvil), chain id {l1.driver.settlement.chain_id}, a block each "
        f"{windows.l1_block_s} s",
        f"  Verifier    http://127.0.0.1:{verifier_port}: rebuilt from L1, newer blocks by the feed",
        f"  Network     {short(path / NETWORK)}: every address and parameter",
        "",
        click.style("  On L1", bold=True) + "  the accounts below have ether there as well",
        *(f"  {name:<12}{checksum_address(address)}" for name, address in named.items()),
    ]


def _bridge_lines(l1: L1Side, path: Path, port: int) -> list[str]:
    """Return commands that move ether on this devnet; what is as usual needs no option."""
    where = "" if path == data_home() / "devnet-l1" else f" --network {path / NETWORK}"
    where += "" if l1.anvil.port == L1_PORT else f" --l1 {l1.anvil.url}"
    where += "" if port == PORT else f" --l2 http://127.0.0.1:{port}"
    return [
        f"  Bridge      trex bridge deposit 1 --account 0{where}",
        f"              trex bridge withdraw 0.5 --account 0 --finish{where}",
        f"  Rollup      trex rollup info{where}",
    ]


async def show_status(node: Node, terminal: Terminal, sides: Sequence[L1Side] = ()) -> None:
    """Keep lines about the newest block, and what became of it on L1, at the bottom of the terminal."""
    counted, since = 0.0, time.monotonic()
    while True:
        await asyncio.sleep(STATUS_S)
        head = node.core.head()
        total = node.metrics.registry.get_sample_value("trex_transactions_total") or 0.0
        now = time.monotonic()
        rate = (total - counted) / (now - since)
        counted, since = total, now
        pending, queued = node.core.pool_len()
        status = f"  block {head.number:,} · {rate:,.0f} tx/s · pool {pending:,}"
        if queued:
            status += f" + {queued:,} queued"
        status += f" · base fee {head.base_fee_wei / 1e9:.3g} gwei"
        if node.producer.fault is not None:
            status += click.style(f" · stopped: {node.producer.fault}", fg="red")
        lines = [status, *(line for side in sides for line in l1_status(node, side))]
        width = shutil.get_terminal_size().columns - 1
        terminal.show("\n".join(fitting(line, width) for line in lines))


def fitting(line: str, width: int) -> str:
    """Return a line of the terminal, cut where it is wider; colours take no room, and end with it."""
    plain = click.unstyle(line)
    return line if len(plain) <= width else plain[: max(width - 1, 0)] + "…"


def l1_status(node: Node, side: L1Side) -> list[str]:
    """Return lines about heads, the last batch, what waits, costs, and the other roles."""
    if side.driver.left is not None:
        return [click.style(f"  {side.driver.left}", fg="yellow")]
    safe, finalized = side.driver.core.l1_heads()
    head = node.core.head().number
    position = side.driver.position
    derived = f"L1 block {position.mark.block.number:,}" if position else "L1 not read yet"
    heads = f"  {derived} · safe {safe:,} ({head - safe:,} behind) · finalized {finalized:,}"
    trouble = node.producer.waits or side.driver.fault or side.driver.trouble
    if trouble is not None:
        heads += f" · {trouble}"
    if (stands := side.driver.unposted) is not None and stands.most_bytes:
        heads += f" · {stands.bytes / stands.most_bytes:.0%} of what L1 carries waits"
    return [heads, _batch_line(side.children.get("batcher")), _others_line(side)]


def _batch_line(batcher: Child | None) -> str:
    told = batcher.health if batcher else {}
    if not told:
        return "  batcher starting"
    line = "  no batch yet"
    if (last := told["last"]) is not None:
        cost = last["cost"]
        wei = cost["gas_cost_wei"] + cost["blob_cost_wei"]
        each = f", {wei / last['transactions'] / 1e9:,.0f} gwei each" if last["transactions"] else ""
        line = (
            f"  batch {last['index']}: blocks {last['first']:,}-{last['last']:,}, "
            f"{last['transactions']:,} tx, {last['size']:,} bytes, {wei / 1e18:.3g} ETH{each}"
        )
    line += f" · {told['waiting_blocks']:,} blocks wait"
    return line + (f" · {told['trouble']}" if told["trouble"] else "")


def _others_line(side: L1Side) -> str:
    proposer, verifier = (side.children.get(name) for name in ("proposer", "verifier"))
    claims = proposer.health if proposer else {}
    newest = claims.get("newest")
    claim = f"claimed block {newest['block_number']:,}" if newest else "no claim yet"
    if claims.get("trouble"):
        claim += f" · {claims['trouble']}"
    told = verifier.health if verifier else {}
    return f"  {claim} · verifier " + (f"at block {told['head']:,}" if told else "starting")
