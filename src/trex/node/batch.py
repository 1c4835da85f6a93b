"""`trex batch`: what batches in blobs hold, or why they read as empty."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.chain.batches import BLOB_BYTES, explain_batch
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import EndpointError, RefusedError
from trex.settlement.inbox import BATCH_APPENDED, BatchHeader, decode_header
from trex.settlement.kzg import name_of
from trex.settlement.l1.reader import Log, read_log

MAX_FILE_BYTES = 9 * BLOB_BYTES * 2 + 64
"""Longest file of blobs: nine of them, in hex."""
NO_METHOD = -32601
"""JSON-RPC code of a method that is not there."""


@click.group()
def batch() -> None:
    """Batches of blocks: what they hold, or why they read as empty."""


@batch.command()
@click.argument("what", metavar="INDEX | FILE...", nargs=-1, required=True)
@click.option(
    "--node", metavar="URL", help="A node that follows L1: how it read the batch, every rule counted."
)
@click.option(
    "--l1", metavar="URL", help="L1: what the batch's header says, and which batch has these blobs."
)
@click.option("--chain-id", type=int, help="Chain that the batch is of; by default the node's, else 1962.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def explain(
    what: tuple[str, ...], node: str | None, l1: str | None, chain_id: int | None, as_json: bool
) -> None:
    """Show how a batch reads; exit code 1 when it reads as empty.

    With --node, INDEX is its place in the inbox, and the answer is derivation's, whichever rule was broken.
    FILE... hold whole blobs, in order, as bytes or as hex. By themselves they tell what the codec says of
    them; rules about the chain take --node and --l1 too: the newest 100 batches are looked through for these
    blobs.
    """
    index = int(what[0]) if node and len(what) == 1 and what[0].isdecimal() else None
    blobs = [] if index is not None else [blob for file in what for blob in _blobs(Path(file))]
    if l1 and not node:
        raise click.UsageError("--l1 needs --node, which says where the inbox is")
    if node and blobs and not l1:
        raise click.UsageError(
            "which batch has these blobs is on L1: name it with --l1, or the batch by its INDEX"
        )
    answer: dict[str, Any] = {}
    if node:
        try:
            answer["read"], chain = asyncio.run(_asked(node, l1, index, blobs))
        except EndpointError as error:
            raise click.ClickException(str(error)) from error
        chain_id = chain_id or chain
    if blobs:
        answer |= orjson.loads(explain_batch(blobs, chain_id or 1962))
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(answer)
    if "reason" in answer or answer.get("read", {}).get("outcome", {}).get("code"):
        raise SystemExit(1)


async def _asked(
    node_url: str, l1_url: str | None, index: int | None, blobs: Sequence[bytes]
) -> tuple[dict[str, Any], int]:
    """Return how a node read a batch, with what L1 says of it where L1 is named; and the node's chain id."""
    async with aiohttp.ClientSession() as session:
        node = Endpoint(node_url, session)
        l1 = Endpoint(l1_url, session) if l1_url else None
        chain_id = int(await node.call("eth_chainId"), 16)
        try:
            inbox = (await node.call("optimism_rollupConfig"))["batch_inbox_address"]
            if l1 is not None and index is None:
                index = await _index_of(node, l1, inbox, blobs)
            read = await node.call("trex_batch", hex(index or 0))
        except RefusedError as error:
            if error.rpc_code == NO_METHOD:
                what = f"{node.name} does not follow L1: it has read no batches"
                raise click.ClickException(what) from error
            raise
        if l1 is not None:
            read["header"] = await _header(l1, inbox, read["l1Block"], read["index"])
        return read, chain_id


async def _header(l1: Endpoint, inbox: str, number: int, index: int) -> dict[str, Any]:
    """Return what L1 says of a batch that a node has read in one of its blocks."""
    for log, header in await _headers(l1, inbox, number):
        if header.index == index:
            return {
                "carrier": header.carrier.name.lower(),
                "origin": header.origin_number,
                "originHash": "0x" + header.origin_hash.hex(),
                "deposits": header.deposit_count,
                "sequencerSet": "0x" + header.sequencer_set.hex(),
                "blobs": ["0x" + name.hex() for name in header.blob_hashes],
                "transaction": "0x" + log.transaction_hash.hex(),
            }
    raise click.ClickException(
        f"{l1.name} has no batch {index} in block {number}: another L1 than the node's"
    )


async def _index_of(node: Endpoint, l1: Endpoint, inbox: str, blobs: Sequence[bytes]) -> int:
    """Return the newest batch that has these blobs, of those that the node tells."""
    names = tuple(map(name_of, blobs))
    if None in names:
        raise click.ClickException(f"blob {names.index(None)} is none: L1 takes no such field element")
    told = (await node.call("trex_info")).get("batches", [])
    for number in dict.fromkeys(one["l1Block"] for one in told):
        for _, header in reversed(await _headers(l1, inbox, number)):
            if header.blob_hashes == names:
                return header.index
    raise click.ClickException(
        f"none of the newest {len(told)} batches that {node.name} has read has these blobs"
    )


async def _headers(l1: Endpoint, inbox: str, number: int) -> list[tuple[Log, BatchHeader]]:
    """Return the batch headers of an L1 block, as one endpoint says."""
    at = hex(number)
    query = {"address": inbox, "topics": ["0x" + BATCH_APPENDED.hex()], "fromBlock": at, "toBlock": at}
    out = []
    for item in await l1.call("eth_getLogs", query):
        log = read_log(item)
        try:
            (encoded,) = decode(["bytes"], log.data)
            out.append((log, decode_header(encoded)))
        except (DecodingError, OverflowError, ValueError) as error:
            raise click.ClickException(f"{l1.name}: no batch header: {error}") from error
    return out


def _blobs(file: Path) -> list[bytes]:
    """Cut a file into blobs; a part of a blob at its end is padded with zeros."""
    if not file.is_file():
        raise click.UsageError(f"{file}: there is no such file; a batch by its INDEX takes --node")
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


def _show(answer: dict[str, Any]) -> None:
    """Print what is known of a batch for people."""
    if read := answer.get("read"):
        _show_read(read)
    elif reason := answer.get("reason"):
        click.echo(_empty(reason))
    if content := answer.get("batch"):
        _show_content(content)


def _empty(reason: dict[str, Any]) -> str:
    return f"reads as empty: {reason['text']} ({reason['name']}, code {reason['code']})"


def _show_read(read: dict[str, Any]) -> None:
    """Print how a node read a batch."""
    first, last, outcome = read["firstBlock"], read["lastBlock"], read["outcome"]
    blocks = (
        f"blocks {first} to {last}" if first < last else f"block {first}" if first == last else "no block"
    )
    how = _empty(outcome) if outcome["code"] else outcome["text"]
    click.echo(f"batch {read['index']}, in L1 block {read['l1Block']}: {how}")
    click.echo(f"{'its origin and deposits call for' if outcome['code'] else 'it makes'} {blocks}")
    if header := read.get("header"):
        click.echo(
            f"header: {header['carrier']}, {len(header['blobs'])} blobs, origin {header['origin']}, "
            f"{header['deposits']} deposits by then, appended by {header['transaction']}"
        )


def _show_content(content: dict[str, Any]) -> None:
    """Print what a batch's blobs hold."""
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
