"""`trex devnet`: a chain of one's own, ready for a wallet."""

import asyncio
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
import orjson

from trex.chain.assembly import Node
from trex.chain.build import core_build
from trex.chain.dev.accounts import ACCOUNTS, MNEMONIC
from trex.node.files import data_home, network_file, short
from trex.node.logs import Terminal
from trex.node.options import (
    MINING,
    MINING_HELP,
    PATH,
    log_level_option,
    option,
    read_options,
    serving_options,
)
from trex.node.serving import serve

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
MARK = ".trex-devnet"
"""A file in data directories made by this command: only those does `--fresh` empty."""
STATUS_S = 0.5


@click.command()
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
@option("--quiet", is_flag=True, help="No start page and no status line.")
@serving_options
@log_level_option("info")
def devnet(
    datadir: Path | None, fresh: bool, block_time: int | None, quiet: bool, mining: str, **shared: Any
) -> None:
    """Start a chain of your own.

    Ten accounts are funded and their keys known, Ethereum's usual contracts are there, and the methods by
    which test suites control time and state. State is kept from one start to the next.
    """
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
    path = datadir or data_home() / name
    prepare(path, fresh)

    def started(node: Node, terminal: Terminal) -> None:
        if not quiet:
            click.echo(start_page(node, path))
            sys.stdout.flush()

    serve(network, path, options, dev=True, started=started, beside=None if quiet else show_status)


def prepare(path: Path, fresh: bool) -> None:
    """Make the data directory, or empty it; never one that this command has not made.

    Raises:
        click.ClickException: it holds something else.
    """
    mark = path / MARK
    if path.exists() and any(path.iterdir()) and not mark.exists():
        raise click.ClickException(f"{path} is not empty and not a devnet's: choose another with --datadir")
    if fresh and path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    mark.touch()


def start_page(node: Node, path: Path) -> str:
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
        "  Tests       suites that expect a block for each transaction: trex devnet --mining instant",
        f"  Watch       http://{address}/health, http://{address}/metrics",
        "",
        "  Ctrl-C stops; state is kept.",
        "",
    ]
    return "\n".join(lines)


async def show_status(node: Node, terminal: Terminal) -> None:
    """Keep a line about the newest block at the bottom of the terminal."""
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
        terminal.show(status)
