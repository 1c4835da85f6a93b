"""`trex engine run|import|sql|dead`: from chains and files to the lake, and what is in it."""

import signal
import sys
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import duckdb
import orjson
from prometheus_client import CollectorRegistry, start_http_server

from trex.engine.ingest.files import import_files
from trex.engine.ingest.gateway import GatewaySource
from trex.engine.ingest.listen import EvmSource
from trex.engine.pipeline.dead import dead_letters, replay_dead
from trex.engine.pipeline.log import LogError
from trex.engine.run import DUCKDB, LADYBUG, NAMES, SQLITE, EngineSettings, open_lake, open_log
from trex.engine.run import run as run_engine
from trex.node.logs import LEVELS, set_up
from trex.node.options import FILE, PATH, option

FOLDER = option("--folder", type=PATH, default=Path("engine"), show_default=True, help="Of log and lake.")
LOG = option(
    "--log",
    "log",
    default=SQLITE,
    show_default=True,
    metavar="sqlite|kafka://HOST:PORT/PREFIX",
    help="Where events are kept in order between stages.",
)
GRAPH = option(
    "--graph",
    default=LADYBUG,
    show_default=True,
    metavar="ladybug|bolt://HOST:PORT",
    help="Where the persona graph is kept: below --folder, or by a Neo4j server.",
)

ANALYTICS = option(
    "--analytics",
    default=DUCKDB,
    show_default=True,
    metavar="duckdb|spark://HOST:PORT",
    help="What computes features: here, or a Spark cluster that sees --folder.",
)


@click.command()
@FOLDER
@LOG
@GRAPH
@ANALYTICS
@option("--sources", type=FILE, help="TOML file: a table [[source]] for each chain, keys as below.")
@option("--rpc", multiple=True, metavar="URL", help="Endpoint of a chain; later ones serve where it fails.")
@option("--chain", type=click.IntRange(1), default=1962, show_default=True, help="Its chain id.")
@option("--websocket", metavar="URL", help="Where it announces new heads; otherwise it is polled.")
@option("--first", type=click.IntRange(0), default=0, show_default=True, help="First block of interest.")
@option("--keep-days", type=click.IntRange(1), help="Let go of older records between stages.")
@option("--gateway", multiple=True, metavar="URL", help="Database of the chain's persona gateway.")
@click.option(
    "--stage",
    "stages",
    multiple=True,
    type=click.Choice(NAMES),
    help="Run this stage alone; may be given more than once. Without it, all.",
)
@click.option("--until-idle", is_flag=True, help="Stop when everything there is has been brought in.")
@option("--metrics-port", type=click.IntRange(1, 65535), help="Serve /metrics on 127.0.0.1 at this port.")
@option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="What to log.")
def run(
    folder: Path,
    log: str,
    graph: str,
    analytics: str,
    sources: Path | None,
    rpc: tuple[str, ...],
    chain: int,
    websocket: str | None,
    first: int,
    gateway: tuple[str, ...],
    keep_days: int | None,
    stages: tuple[str, ...],
    until_idle: bool,
    metrics_port: int | None,
    log_level: str,
) -> None:
    """Listen to chains and bring what happens into the lake, until interrupted.

    Stages meet only in the log and the lake below --folder: each may run in a process of its own, be killed
    and go on where it was.
    """
    set_up(log_level, as_json=False)
    listened = _sources(sources)
    if rpc:
        listened += (EvmSource(f"evm:{chain}", chain, rpc, websocket, first),)
    gateways = tuple(GatewaySource(f"gateway:{chain}", chain, database) for database in gateway)
    names = stages or NAMES
    if "ingest" in names and not listened and not gateways:
        raise click.UsageError("name what to listen to by --rpc, --sources or --gateway")
    registry = CollectorRegistry()
    if metrics_port:
        start_http_server(metrics_port, "127.0.0.1", registry)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    run_engine(
        _settings(folder, log, listened, gateways, keep_days, graph, analytics),
        names,
        stop=stop,
        until_idle=until_idle,
        registry=registry,
    )


def _settings(
    folder: Path,
    log: str,
    sources: tuple[EvmSource, ...] = (),
    gateways: tuple[GatewaySource, ...] = (),
    keep_days: int | None = None,
    graph: str = LADYBUG,
    analytics: str = DUCKDB,
) -> EngineSettings:
    if analytics != DUCKDB and not analytics.startswith("spark://"):
        raise click.BadParameter(
            f"{analytics!r} is neither duckdb nor spark://HOST:PORT", param_hint="--analytics"
        )
    settings = EngineSettings(
        folder, sources, gateways, keep_days and keep_days * 86_400, log, graph, analytics
    )
    try:
        open_log(settings).close()
    except (ValueError, LogError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--log") from None
    return settings


def _sources(path: Path | None) -> tuple[EvmSource, ...]:
    if path is None:
        return ()
    try:
        rows = tomllib.loads(path.read_text()).get("source", [])
        return tuple(_source(row) for row in rows)
    except (tomllib.TOMLDecodeError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--sources") from None


def _source(row: Mapping[str, Any]) -> EvmSource:
    known = {"name", "chain", "rpc", "websocket", "first"}
    if row.keys() - known:
        raise ValueError(f"no key of a source is called {min(row.keys() - known)}")
    if type(row["chain"]) is not int or not isinstance(row["rpc"], list) or not row["rpc"]:
        raise ValueError("chain is a number, rpc a list of URLs")
    name = row.get("name", f"evm:{row['chain']}")
    return EvmSource(
        str(name), row["chain"], tuple(row["rpc"]), row.get("websocket"), int(row.get("first", 0))
    )


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=FILE)
@FOLDER
@LOG
@option("--chain", type=click.IntRange(1), default=1962, show_default=True, help="Chain id of the blocks.")
def import_(files: tuple[Path, ...], folder: Path, log: str, chain: int) -> None:
    """Bring blocks, receipts and logs from FILES into the lake.

    JSON lines as JSON-RPC writes blocks, receipts and logs (.gz too), RLP as `trex export` writes it, Parquet
    of logs. Parts of one block in several files are joined when these are given together.
    """
    set_up("warning", as_json=False)
    settings = _settings(folder, log)
    events = open_log(settings)
    size = sum(file.stat().st_size for file in files)
    try:
        with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:
            done = import_files(files, f"evm:{chain}", chain, events, lambda at, _: bar.update(at - bar.pos))
    finally:
        events.close()
    run_engine(settings, [name for name in NAMES if name != "ingest"], until_idle=True)
    click.echo(f"{done.blocks} blocks read" + (f", {done.dead} parts could not be" if done.dead else ""))


@click.command()
@FOLDER
@LOG
@click.option("--replay", is_flag=True, help="Give those that a stage refused to that stage again.")
def dead(folder: Path, log: str, replay: bool) -> None:
    """Show what could not be read, with reason and place, a JSON object a line."""
    events = open_log(_settings(folder, log))
    try:
        if replay:
            click.echo(f"{replay_dead(events)} given to their stages again")
            return
        for letter in dead_letters(events):
            click.echo(orjson.dumps(letter))
    finally:
        events.close()


@click.command()
@click.argument("query")
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
def sql(query: str, folder: Path, as_json: bool) -> None:
    """Ask the lake by SQL (DuckDB's): tables silver_transfers, silver_calls, ... as they hold now.

    bronze_events has the events as they came. Tables named all_... hold every row with its weight, what
    reorganisations took back too.
    """
    session = open_lake(EngineSettings(folder)).session()
    try:
        found = session.con.sql(query)
    except duckdb.Error as error:
        raise click.ClickException(str(error)) from None
    if found is None:
        return
    if as_json:
        for row in found.fetchall():
            click.echo(orjson.dumps(dict(zip(found.columns, row, strict=True)), default=str))
    else:
        click.echo(str(found).rstrip())
