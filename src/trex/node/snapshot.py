"""`trex node snapshot`: a chain's store as one file, and a node that starts from it (specs/snapshot.md)."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiohttp
import click
import orjson

from trex.chain.opening import open_chain, rewrite_tables
from trex.node.db import STOPPED, Progress, answer, close_report
from trex.node.files import data_home
from trex.node.options import FILE, PATH, option
from trex.node.serving import explain
from trex.rpc.endpoint import Endpoint
from trex.settlement.deployment import output_root
from trex.settlement.derivation import FILE as POSITIONS_FILE
from trex.settlement.l1.errors import L1Error
from trex.settlement.l1.reader import L1Reader
from trex.settlement.positions import Positions, PositionsError
from trex.settlement.snapshot.archive import (
    Manifest,
    SnapshotError,
    StoppedError,
    read_manifest,
    unpack,
    write,
)
from trex.settlement.snapshot.claims import Claimed, Claims, Start
from trex.types.errors import CoreError
from trex.types.network import Network
from trex.types.network_file import NetworkFileError, read_network
from trex.types.primitives import Hash32

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

STORE = "store"
"""Folder of the store in a data directory."""
CACHE_BYTES = 256 << 20


@click.group()
def snapshot() -> None:
    """Start a node from a block that was claimed on L1, without executing what came before."""


def common(command: F) -> F:
    """Add the options of both directions."""
    for add in reversed(
        (
            option("--network", required=True, type=FILE, help="The network file."),
            option("--datadir", type=PATH, help="Data directory; by default the verifier's of the network."),
            option(
                "--l1", multiple=True, metavar="URL", help="L1 endpoint; of several a majority must agree."
            ),
            click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        )
    ):
        command = add(command)
    return command


@snapshot.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--block", type=click.IntRange(1), help="Block; by default the newest that is claimed on L1.")
@common
def export(
    file: Path, block: int | None, network: Path, datadir: Path | None, l1: tuple[str, ...], as_json: bool
) -> None:
    """Write the chain up to a claimed block to FILE.

    The blocks are executed again beside FILE: it takes as long as an import, and room for both chains. The
    node must not run.
    """
    text, known = _read(network)
    source = datadir or _default(known)
    if block is None and not l1:
        raise click.UsageError("name the block with --block, or L1 with --l1 URL")
    if not (source / STORE).exists():
        raise click.ClickException(f"{source}: there is no chain here")
    claimed = _claimed_blocks(l1, known) if block is None else []
    with TemporaryDirectory(prefix=f".{file.name}.", dir=file.resolve().parent) as folder:
        blocks, copy = Path(folder) / "blocks.rlp", Path(folder) / "copy"
        try:
            with Progress("read", "blocks", as_json) as progress:
                number = _export_blocks(source, text, blocks, block, claimed, progress)
            close_report(progress)
            with Progress("execute", "bytes", as_json) as progress:
                chain = open_chain(copy, text, history_blocks=1, cache_bytes=CACHE_BYTES, settled=True)
                try:
                    if chain.head().number < number:
                        chain.import_file(str(blocks), lambda done, total, _: progress.at(done, total))
                    head, root = chain.head(), _output(chain)
                finally:
                    chain.close()
            close_report(progress)
        except CoreError as error:
            raise explain(error) from error
        manifest = write(copy / STORE, file, "0x" + known.hash.hex(), number, head.hash, "0x" + root.hex())
    answer(as_json, {**_shown(manifest), "file": str(file), "bytes": file.stat().st_size})


def _export_blocks(
    source: Path, text: bytes, out: Path, block: int | None, claimed: list[Claimed], progress: Progress
) -> int:
    """Write a chain's blocks up to the one that is wanted; return its number."""
    chain = open_chain(source, text, cache_bytes=CACHE_BYTES)
    try:
        number = block
        if number is None:
            ours = (
                claim.block_number
                for claim in claimed
                if 0 < claim.block_number <= chain.head().number
                and _output(chain, claim.block_number) == claim.output_root
            )
            number = next(ours, None)
        if number is None:
            raise click.ClickException("L1 has no claim of a block that this chain has")
        if number > chain.head().number:
            raise click.ClickException(f"there is no block {number}: the newest is {chain.head().number}")
        chain.export_file(str(out), 1, number, progress.at)
        return number
    finally:
        chain.close()


@snapshot.command("import")
@click.argument("file", type=FILE)
@click.option("--unresolved", is_flag=True, help="Take a claim that may still be rejected.")
@common
def import_(
    file: Path, unresolved: bool, network: Path, datadir: Path | None, l1: tuple[str, ...], as_json: bool
) -> None:
    """Start a data directory from FILE, after checking all of it against a claim on L1.

    Its tables are made anew before they are looked at: whoever made FILE, what does not follow from the claim
    is refused.
    """
    text, known = _read(network)
    target = datadir or _default(known)
    if not l1:
        raise click.UsageError("a snapshot is checked against a claim on L1: name it with --l1 URL")
    if target.exists() and any(target.iterdir()):
        raise click.ClickException(f"{target} is not empty: choose another with --datadir")
    staging = target.with_name(f".{target.name}.snapshot")
    shutil.rmtree(staging, ignore_errors=True)  # of an attempt that was killed
    try:
        report = _taken(file, staging, text, known, l1, unresolved, as_json)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rmdir()
        staging.rename(target)  # SNP-015
    except SnapshotError as error:
        raise click.ClickException(f"{file}: {error}") from error
    except CoreError as error:
        raise click.ClickException(f"{file}: the store is damaged: {error}") from error
    except PositionsError as error:
        raise click.ClickException(str(error)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    answer(as_json, {**report, "datadir": str(target)})


def _taken(
    file: Path,
    staging: Path,
    text: bytes,
    network: Network,
    l1: tuple[str, ...],
    unresolved: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Make a data directory of a snapshot, checked; return what to tell of it.

    Raises:
        SnapshotError, CoreError: it is not to be used.
    """
    manifest = read_manifest(file)
    if manifest.network != "0x" + network.hash.hex():  # SNP-010
        raise SnapshotError(f"made for the network {manifest.network}, not 0x{network.hash.hex()}")
    with Progress("look for the batch", "L1 blocks", quiet) as looking:
        claim, start = _run(l1, network, lambda claims: _standing(claims, manifest, unresolved), looking)
    with Progress("unpack", "bytes", quiet) as unpacking:
        try:
            unpack(file, staging / STORE, unpacking.at)
        except StoppedError:
            raise SystemExit(STOPPED) from None
    with Progress("verify", "items", quiet) as verifying:
        try:
            _verify(staging, text, manifest, claim, verifying)
        except StoppedError:
            raise SystemExit(STOPPED) from None
    _begin(staging, network, start)
    told = {**_shown(manifest), "claim": claim.id, "valid": claim.valid}
    return {**told, "l1_block": start.position.mark.block.number}


async def _standing(claims: Claims, manifest: Manifest, unresolved: bool) -> tuple[Claimed, Start]:
    heads = await claims.reader.heads()
    root = Hash32(bytes.fromhex(manifest.output_root[2:]))
    claim = await claims.of(manifest.number, root, heads, unresolved=unresolved)
    return claim, await claims.start(claim, Hash32(bytes.fromhex(manifest.hash[2:])), heads)


def _verify(staging: Path, text: bytes, manifest: Manifest, claim: Claimed, progress: Progress) -> None:
    """Check an unpacked store against the claim, and all of it against itself (SNP-013, SNP-014, SNP-016)."""
    rewrite_tables(staging, text, CACHE_BYTES, progress.at)
    if progress.stopped:
        raise StoppedError
    chain = open_chain(staging, text, cache_bytes=CACHE_BYTES)
    try:
        head = chain.head()
        if (head.number, head.hash) != (manifest.number, manifest.hash):
            raise SnapshotError(f"the store ends with block {head.number} {head.hash}, not the manifest's")
        if _output(chain) != claim.output_root:
            raise SnapshotError(
                f"block {head.number} has the output 0x{_output(chain).hex()}, not the claim's"
            )
        report = orjson.loads(chain.verify(lambda done, total, what: progress.at(done, total, what)))
        if not report["ok"] and not progress.stopped:
            raise SnapshotError(f"the store is damaged: {'; '.join(map(str, report['faults'][:3]))}")
        if progress.stopped:
            raise StoppedError
        chain.set_l1_heads(head.number, head.number)
    finally:
        chain.close()


def _begin(staging: Path, network: Network, start: Start) -> None:
    """Write where derivation goes on (SNP-021)."""
    positions = Positions(staging / POSITIONS_FILE, network.hash, start.position)
    try:
        positions.add_older(start.headers)
        positions.append([], list(enumerate(start.deposits, start.position.queue_count)))
    finally:
        positions.close()


def _output(chain: Any, number: int | None = None) -> Hash32:
    """Return the output root of a block, by default the newest, from its header."""
    which = hex(chain.head().number if number is None else number)
    header = orjson.loads(chain.rpc("eth_getHeaderByNumber", orjson.dumps([which])))
    parts = (header["stateRoot"], header["withdrawalsRoot"], header["hash"])
    return output_root(*(Hash32(bytes.fromhex(part[2:])) for part in parts))


def _claimed_blocks(l1: tuple[str, ...], network: Network) -> list[Claimed]:
    async def ask(claims: Claims) -> list[Claimed]:
        return await claims.newest(await claims.reader.heads(), 100)

    return _run(l1, network, ask)


def _run(
    l1: tuple[str, ...],
    network: Network,
    act: Callable[[Claims], Coroutine[Any, Any, T]],
    progress: Progress | None = None,
) -> T:
    """Ask L1; its errors are shown."""

    def told(done: int, total: int) -> None:
        if progress is not None and not progress.at(done, total):
            raise SystemExit(STOPPED)

    async def work() -> T:
        assert network.l1 is not None
        async with aiohttp.ClientSession() as session:
            reader = L1Reader([Endpoint(url, session) for url in l1], network.l1.chain_id)
            await reader.check_chain()
            return await act(Claims(reader, network, told))

    try:
        return asyncio.run(work())
    except (ValueError, L1Error) as error:
        raise click.ClickException(str(error)) from error


def _read(network: Path) -> tuple[bytes, Network]:
    text = network.read_bytes()
    try:
        known = read_network(text)
    except NetworkFileError as error:
        raise click.ClickException(f"{network}: {error}") from error
    if known.l1 is None:
        raise click.ClickException(
            f"{network}: the network file has no section l1, so nothing is claimed of it"
        )
    return text, known


def _default(network: Network) -> Path:
    return data_home() / f"{network.name}-verifier"


def _shown(manifest: Manifest) -> dict[str, Any]:
    return {"block": manifest.number, "hash": manifest.hash, "output_root": manifest.output_root}
