"""A snapshot as a file: written from a store at rest, unpacked with every byte checked (SNP-001, SNP-012)."""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

FORMAT = 1
MANIFEST = "manifest.json"
PART_BYTES = 8 << 20
"""What has a hash of its own."""
MAX_MANIFEST_BYTES = 64 << 20
MAX_FILES = 100_000
_NAME = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", re.ASCII)
_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)

Progress = Callable[[int, int], bool]
"""Bytes done and in all; false stops."""


class SnapshotError(Exception):
    """The snapshot cannot be used; the message says what and where."""


class StoppedError(Exception):
    """The user asked to stop."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the store."""

    name: str
    size: int
    hashes: tuple[str, ...]
    """SHA-256 of each `PART_BYTES`, hex."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says of itself."""

    network: str
    """Hash of the network file, 0x-prefixed."""
    number: int
    """Block."""
    hash: str
    """Of the block, 0x-prefixed."""
    output_root: str
    """Of the block, 0x-prefixed."""
    files: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(part.size for part in self.files)


def write(store: Path, target: Path, network: str, number: int, hash_: str, output_root: str) -> Manifest:
    """Write a store that nobody uses as a snapshot; the file appears when it is whole."""
    parts = []
    for path in sorted(store.rglob("*")):
        if path.is_file():
            hashes = tuple(hashlib.sha256(piece).hexdigest() for piece in _pieces(path))
            parts.append(Part(path.relative_to(store).as_posix(), path.stat().st_size, hashes))
    manifest = Manifest(network, number, hash_, output_root, tuple(parts))
    text = orjson.dumps({"format": FORMAT, **_fields(manifest)}, option=orjson.OPT_INDENT_2)
    partial = target.with_name(target.name + ".part")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
        for part in parts:
            with (store / part.name).open("rb") as content:
                tar.addfile(_entry(part.name, part.size), content)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(target)
    return manifest


def read_manifest(source: Path) -> Manifest:
    """Read what a snapshot says of itself.

    Raises:
        SnapshotError: it is no snapshot.
    """
    with _opened(source) as tar:
        return _manifest(tar)


def unpack(source: Path, target: Path, progress: Progress) -> Manifest:
    """Write a snapshot's files below a folder that does not exist yet.

    Raises:
        SnapshotError: naming the file and the byte where it is not what its manifest says.
        StoppedError: `progress` said so.
    """
    done = 0
    with _opened(source) as tar:
        manifest = _manifest(tar)
        target.mkdir(parents=True)
        for part in manifest.files:
            entry = _next(tar, part.name)
            if entry.name != part.name or not entry.isreg() or entry.size != part.size:
                raise SnapshotError(
                    f"{part.name}: there is {entry.name} with {entry.size} bytes in its place"
                )
            content = tar.extractfile(entry)
            assert content is not None
            path = target / part.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                for at, expected in enumerate(part.hashes):
                    piece = _read(content, part.name, min(PART_BYTES, part.size - at * PART_BYTES))
                    if hashlib.sha256(piece).hexdigest() != expected:
                        raise SnapshotError(
                            f"{part.name}: damaged in the {len(piece)} bytes from byte {at * PART_BYTES} on"
                        )
                    out.write(piece)
                    done += len(piece)
                    if not progress(done, manifest.size):
                        raise StoppedError
                out.flush()
                os.fsync(out.fileno())
        if (rest := _following(tar)) is not None:
            raise SnapshotError(f"{rest.name}: is not in the manifest")
    return manifest


def _opened(source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(source, "r:")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise SnapshotError(f"{source}: not a snapshot: {error}") from error


def _following(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Return the next entry; its bytes are all in the archive, so that unpacking adds none (SNP-001)."""
    try:
        entry = tar.next()
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise SnapshotError(f"damaged at byte {tar.offset}: {error}") from error
    if entry is not None:
        assert tar.name is not None
        archive = Path(os.fsdecode(tar.name)).stat().st_size
        if entry.issparse():
            raise SnapshotError(f"{entry.name}: a sparse entry, which no snapshot has")
        if not 0 <= entry.size <= archive - entry.offset_data:
            raise SnapshotError(
                f"{entry.name}: cut off: {entry.size} bytes do not fit into an archive of {archive}"
            )
    return entry


def _next(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    entry = _following(tar)
    if entry is None:
        raise SnapshotError(f"{name}: is missing, the file ends at byte {tar.offset}")
    return entry


def _read(content: IO[bytes], name: str, size: int) -> bytes:
    try:
        piece = content.read(size)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SnapshotError(f"{name}: cut off: {error}") from error
    if len(piece) != size:
        raise SnapshotError(f"{name}: cut off after {content.tell()} bytes")
    return piece


def _manifest(tar: tarfile.TarFile) -> Manifest:
    entry = _next(tar, MANIFEST)
    if entry.name != MANIFEST or not entry.isreg() or entry.size > MAX_MANIFEST_BYTES:
        raise SnapshotError(f"not a snapshot: it begins with {entry.name!r}, not with {MANIFEST}")
    content = tar.extractfile(entry)
    assert content is not None
    try:
        document: dict[str, Any] = orjson.loads(_read(content, MANIFEST, entry.size))
        if document["format"] != FORMAT:
            raise SnapshotError(f"format {document['format']!r}, this program reads {FORMAT}")
        files = tuple(_part(part) for part in document["files"])
        manifest = Manifest(
            network=_hash(document["network"]),
            number=_count(document["number"]),
            hash=_hash(document["hash"]),
            output_root=_hash(document["output_root"]),
            files=files,
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"{MANIFEST}: {error!r}") from error
    names = [part.name for part in files]
    if len(set(names)) != len(names) or len(names) > MAX_FILES:
        raise SnapshotError(f"{MANIFEST}: files are named twice, or are too many")
    return manifest


def _part(document: dict[str, Any]) -> Part:
    name, size, hashes = document["name"], _count(document["size"]), tuple(map(str, document["sha256"]))
    if not _NAME.fullmatch(name) or any(set(step) == {"."} for step in name.split("/")):
        raise ValueError(f"{name!r} is no name of a file in a store")
    if len(hashes) != -(-size // PART_BYTES):
        raise ValueError(f"{name}: {len(hashes)} hashes for {size} bytes")
    return Part(name, size, hashes)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no count")
    return value


def _hash(value: Any) -> str:
    if type(value) is not str or not _HASH.fullmatch(value):
        raise ValueError(f"{value!r} is no hash")
    return value


def _fields(manifest: Manifest) -> dict[str, Any]:
    files = [{"name": part.name, "size": part.size, "sha256": part.hashes} for part in manifest.files]
    return {
        "network": manifest.network,
        "number": manifest.number,
        "hash": manifest.hash,
        "output_root": manifest.output_root,
        "files": files,
    }


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """A tar entry without anything of this machine."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, 0
    return entry


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        while piece := content.read(PART_BYTES):
            yield piece
