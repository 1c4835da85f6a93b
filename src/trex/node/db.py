"""`trex export`, `trex import` and `trex db`: a data directory at rest."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click
import orjson

from trex.chain.opening import open_chain
from trex.node.devnet import prepare
from trex.node.files import data_home, network_file
from trex.node.options import FILE, PATH, option
from trex.node.serving import explain
from trex.types.errors import CoreError
from trex.types.network_file import NetworkFileError, read_network

F = TypeVar("F", bound=Callable[..., Any])

TELL_S = 10.0
"""How often progress is told where there is no terminal to show it on."""
STOPPED = 130
"""Exit code when a signal ended the work after a whole block."""


def store_options(command: F) -> F:
    """Add the options that say which data directory."""
    for add in reversed(
        (
            option("--network", type=FILE, help="The network file; by default the devnet's."),
            option("--datadir", type=PATH, help="Data directory; by default the network's, as of a node."),
            option(
                "--cache-mb",
                type=click.IntRange(8),
                default=512,
                show_default=True,
                help="Memory for the store's cache.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        )
    ):
        command = add(command)
    return command


@contextmanager
def opened(network: Path | None, datadir: Path | None, cache_mb: int, make: bool = False) -> Iterator[Any]:
    """Open a data directory for one command; its errors are shown with what to do.

    Args:
        network: the network file, None for the devnet's.
        datadir: data directory, None for where a node of that network keeps its own.
        cache_mb: memory for the store's cache.
        make: make it if there is none.
    """
    file = network or network_file("devnet")
    text = file.read_bytes()
    try:
        path = datadir or data_home() / read_network(text).name
    except NetworkFileError as error:
        raise click.ClickException(f"{file}: {error}") from error
    if not path.exists():
        if not make:
            raise click.ClickException(f"{path}: there is no such data directory")
        if network is None and datadir is None:
            prepare(path, fresh=False, no_l1=True)
    try:
        chain = open_chain(path, text, cache_bytes=cache_mb << 20)
    except CoreError as error:
        raise explain(error) from error
    try:
        yield chain
    except CoreError as error:
        raise explain(error) from error
    finally:
        chain.close()


class Progress:
    """One line that says how far, how fast, and how long still; and whether a signal asked to stop."""

    def __init__(self, label: str, unit: str, quiet: bool) -> None:
        self.label = label
        self.unit = unit
        self.quiet = quiet
        self.live = sys.stderr.isatty()
        self.stopped = False
        self._told = time.monotonic()
        self._started = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> "Progress":
        """Take signals as a wish to stop after a whole block."""
        self._before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        """Give signals back and end the line."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.live and not self.quiet:
            click.echo(err=True)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self.stopped:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.stopped = True

    def at(self, done: int, total: int, note: str = "") -> bool:
        """Show how far it is; return whether to go on."""
        if self._first is None:
            self._first, self._started = done, time.monotonic()
        now = time.monotonic()
        if not self.quiet and (self.live or now - self._told >= TELL_S):
            self._told = now
            seconds = now - self._started
            rate = (done - self._first) / seconds if seconds > 0 else 0.0
            left = (total - done) / rate if rate > 0 else 0.0
            share = done / total if total else 1.0
            speed = f"{share:6.1%}  {rate:,.0f} {self.unit}/s  {clock(left)} left" + (
                f"  {note}" if note else ""
            )
            if self.live:
                bar = "#" * int(share * 24)
                click.echo(f"\r\x1b[K{self.label} [{bar:<24}] {speed}", err=True, nl=False)
            else:
                click.echo(f"{self.label} {speed}", err=True)
        return not self.stopped


def clock(seconds: float) -> str:
    """Return a time span as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def answer(as_json: bool, report: dict[str, Any]) -> None:
    """Print a report."""
    if as_json:
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
        return
    for line in flat(report):
        click.echo(line)


def flat(report: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Write nested objects as indented lines."""
    width = max((len(key) for key in report), default=0)
    for key, value in report.items():
        if isinstance(value, dict):
            yield f"{indent}{key}"
            yield from flat(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{key:<{width}}  {len(value)}"
            yield from (f"{indent}  {entry}" for entry in value)
        else:
            shown = f"{value:,}" if type(value) is int else value
            yield f"{indent}{key:<{width}}  {shown}"


def close_report(progress: Progress) -> None:
    """Leave with the exit code of an interruption if there was one."""
    if progress.stopped:
        click.echo("stopped after a whole block; the same command goes on from there", err=True)
        raise SystemExit(STOPPED)


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--first", type=click.IntRange(1), default=1, show_default=True, help="First block.")
@click.option("--last", type=click.IntRange(1), help="Last block; by default the newest.")
@store_options
def export(
    file: Path,
    first: int,
    last: int | None,
    network: Path | None,
    datadir: Path | None,
    cache_mb: int,
    as_json: bool,
) -> None:
    """Write blocks to FILE.

    They are concatenated RLP, as geth export writes them. A file that has the first of them is continued.
    """
    with opened(network, datadir, cache_mb) as chain, Progress("export", "blocks", as_json) as progress:
        newest = chain.head().number
        if newest < first:
            raise click.ClickException(f"there is no block {first}: the newest is {newest}")
        if last is not None and last < first:
            raise click.BadParameter(f"block {last} is before block {first}", param_hint="--last")
        until = min(last or newest, newest)
        blocks = chain.export_file(str(file), first, until, progress.at)
        answer(as_json, {"file": str(file), "blocks": blocks, "bytes": file.stat().st_size})
    close_report(progress)


@click.command("import")
@click.argument("file", type=FILE)
@store_options
def import_(file: Path, network: Path | None, datadir: Path | None, cache_mb: int, as_json: bool) -> None:
    """Execute and store the blocks of FILE.

    They are concatenated RLP; known ones are skipped, so the same command goes on after a stop.
    """
    started = time.monotonic()
    with (
        opened(network, datadir, cache_mb, make=True) as chain,
        Progress("import", "bytes", as_json) as progress,
    ):
        head = chain.import_file(
            str(file), lambda done, total, head: progress.at(done, total, f"block {head.number:,}")
        )
        seconds = round(time.monotonic() - started, 3)
        answer(as_json, {"head": head.number, "hash": head.hash, "seconds": seconds})
    close_report(progress)


@click.group()
def db() -> None:
    """Look after a data directory.

    The node must not be running on it.
    """


@db.command()
@store_options
def stats(network: Path | None, datadir: Path | None, cache_mb: int, as_json: bool) -> None:
    """Print tables, sizes and the range of kept blocks."""
    with opened(network, datadir, cache_mb) as chain:
        answer(as_json, orjson.loads(chain.stats()))


@db.command()
@store_options
def verify(network: Path | None, datadir: Path | None, cache_mb: int, as_json: bool) -> None:
    """Check every hash, from the state root down and through all blocks; exit code 1 on damage."""
    with opened(network, datadir, cache_mb) as chain, Progress("verify", "items", as_json) as progress:
        report = orjson.loads(chain.verify(progress.at))
    answer(as_json, report)
    close_report(progress)
    if not report["ok"]:
        raise SystemExit(1)


@db.command()
@store_options
def compact(network: Path | None, datadir: Path | None, cache_mb: int, as_json: bool) -> None:
    """Give space that is no longer used back to the file system."""
    with opened(network, datadir, cache_mb) as chain:
        answer(as_json, orjson.loads(chain.compact()))
