"""`trex node`: run a network's node, and look at its limits."""

import ast
import dataclasses
import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import orjson

from trex.chain import limits as limits_module
from trex.chain.assembly import Node
from trex.chain.limits import CoreLimits, ServerLimits
from trex.chain.opening import core_limits
from trex.node.files import data_home
from trex.node.lazy import LazyCommand, LazyGroup
from trex.node.logs import Terminal
from trex.node.options import FILE, PATH, log_level_option, option, read_options, serving_options
from trex.node.roles import read_key
from trex.node.serving import serve
from trex.node.settling import L1Options, l1_options, settling
from trex.types.network_file import NetworkFileError, read_network


@click.group(
    cls=LazyGroup,
    lazy={"snapshot": LazyCommand("trex.node.snapshot:snapshot", "Start a node from a block claimed on L1.")},
)
def node() -> None:
    """Run a node of a network."""


@node.command()
@option("--network", required=True, type=FILE, help="The network file.")
@option("--datadir", type=PATH, help="Where state is kept; by default below the XDG data directory.")
@option("--produce/--no-produce", default=True, show_default=True, help="Make blocks.")
@l1_options
@serving_options
@log_level_option("info")
def run(
    network: Path,
    datadir: Path | None,
    role: str,
    l1: tuple[str, ...],
    beacon: tuple[str, ...],
    blob_folder: Path | None,
    sequencer: str | None,
    feed: tuple[str, ...],
    feed_key: Path | None,
    l1_confirmations: int,
    origin_depth: int,
    blobs_per_l1_block: float,
    **shared: Any,
) -> None:
    """Serve a network's chain until SIGINT or SIGTERM: make its blocks, or derive them from L1."""
    if role == "verifier":
        shared["produce"] = False
    options = read_options(**shared)
    text = network.read_bytes()
    try:
        known = read_network(text)
    except NetworkFileError as error:
        raise click.ClickException(f"{network}: {error}") from error
    settlement = L1Options(
        role=role,
        l1=l1,
        beacon=beacon,
        blob_folder=blob_folder,
        sequencer=sequencer,
        feeds=feed,
        feed_key=bytes(read_key(feed_key).key) if feed_key else None,
        confirmations=l1_confirmations,
        origin_depth=origin_depth,
        blobs_per_l1_block=blobs_per_l1_block,
    )
    settlement.check(known)
    path = datadir or data_home() / (known.name if role == "sequencer" else f"{known.name}-{role}")

    def started(node: Node, _: Terminal) -> None:
        host = node.settings.host
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"{known.name}: chain id {node.core.chain_id}, block {node.core.head().number}")
        click.echo(f"listening on http://{shown}:{node.server.port}")

    serve(
        text,
        path,
        options,
        dev=False,
        started=started,
        company=lambda node, chain: settling(node, chain, known, path, settlement),
    )


@node.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def limits(as_json: bool) -> None:
    """List the limits that --limit sets, with their defaults."""
    of_core = core_limits()
    rows = [
        (field.name, of_core.get(field.name, field.default), meaning)
        for kind in (ServerLimits, CoreLimits)
        for field, meaning in zip(dataclasses.fields(kind), _meanings(kind), strict=True)
    ]
    if as_json:
        table = [{"name": name, "default": default, "meaning": meaning} for name, default, meaning in rows]
        click.echo(orjson.dumps(table, option=orjson.OPT_INDENT_2).decode())
        return
    for name, default, meaning in rows:
        click.echo(f"{name:<26} {'none' if default is None else default!s:<12} {meaning}")


def _meanings(kind: type) -> list[str]:
    """Return what the source says of each field of a limits class."""
    tree = ast.parse(inspect.getsource(limits_module))
    body = next(
        part.body for part in tree.body if isinstance(part, ast.ClassDef) and part.name == kind.__name__
    )
    return [
        " ".join(str(after.value.value).split())
        for before, after in pairwise(body)
        if isinstance(before, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    ]
