"""`trex batch`: what batches in blobs hold, or why they read as empty."""

from pathlib import Path
from typing import Any

import click
import orjson

from trex.chain.batches import BLOB_BYTES, explain_batch

MAX_FILE_BYTES = 9 * BLOB_BYTES * 2 + 64
"""Longest file of blobs: nine of them, in hex."""


@click.group()
def batch() -> None:
    """Batches of blocks: what they hold, or why they read as empty."""


@batch.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--chain-id", type=int, default=1962, show_default=True, help="Chain that the batch is of.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def explain(files: tuple[Path, ...], chain_id: int, as_json: bool) -> None:
    """Show what the blobs in FILE... hold, in order; exit code 1 when they read as empty.

    A file holds whole blobs, as bytes or as hex.
    """
    blobs = [blob for file in files for blob in _blobs(file)]
    answer: dict[str, Any] = orjson.loads(explain_batch(blobs, chain_id))
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    elif reason := answer.get("reason"):
        click.echo(f"reads as empty: {reason['text']} ({reason['name']}, code {reason['code']})")
    else:
        _show(answer["batch"])
    if "reason" in answer:
        raise SystemExit(1)


def _blobs(file: Path) -> list[bytes]:
    """Cut a file into blobs; a part of a blob at its end is padded with zeros."""
    if file.stat().st_size > MAX_FILE_BYTES:
        raise click.ClickException(f"{file}: longer than nine blobs")
    content = file.read_bytes()
    if content.lstrip()[:2] == b"0x":
        try:
            content = bytes.fromhex(content.decode("ascii").strip().removeprefix("0x"))
        except ValueError as error:
            raise click.ClickException(f"{file}: not hex: {error}") from error
    parts = [content[at : at + BLOB_BYTES] for at in range(0, len(content), BLOB_BYTES)]
    return [part.ljust(BLOB_BYTES, b"\0") for part in parts]


def _show(content: dict[str, Any]) -> None:
    """Print a batch for people."""
    count, size = content["transactions"], content["bytes"]
    each = f", {size / count:.1f} bytes each" if count else ""
    click.echo(f"{len(content['blocks'])} blocks, {count} transactions in {size} bytes{each}")
    click.echo(f"built on output {content['parent_output']}")
    if content["log_indices"]:
        click.echo(f"log indices of deposits: {', '.join(map(str, content['log_indices']))}")
    slot = origin = 0
    for block in content["blocks"]:
        slot += block["slot_delta"]
        origin += block["origin_delta"]
        click.echo(f"  slot +{slot}  origin +{origin}  {len(block['transactions'])} transactions")
