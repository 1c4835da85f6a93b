"""The file of a snapshot: entries that would grow when they are unpacked (specs/snapshot.md)."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trex.settlement.snapshot.archive import MANIFEST, PART_BYTES, SnapshotError, read_manifest, unpack

SIZE = 4 * PART_BYTES
ZEROS = hashlib.sha256(bytes(PART_BYTES)).hexdigest()
GNU_TYPE, GNU_SPARSE, GNU_REAL_SIZE, CHECKSUM = 156, 386, 483, 148


def octal(number: int) -> bytes:
    """A number as a tar header has it."""
    return f"{number:011o}\0".encode()


def manifest_entry(*names: str) -> bytes:
    """The manifest of files of zeros, as an archive's first entry."""
    word = "0x" + "11" * 32
    files = [{"name": name, "size": SIZE, "sha256": [ZEROS] * (SIZE // PART_BYTES)} for name in names]
    text = json.dumps(
        {"format": 1, "network": word, "number": 1, "hash": word, "output_root": word, "files": files}
    ).encode()
    entry = tarfile.TarInfo(MANIFEST)
    entry.size = len(text)
    return entry.tobuf() + text.ljust(-(-len(text) // 512) * 512, b"\0")


def old_sparse(name: str) -> bytes:
    """An entry of zeros of which none is in the archive, in GNU's first form."""
    entry = tarfile.TarInfo(name)
    header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    header[GNU_TYPE : GNU_TYPE + 1] = tarfile.GNUTYPE_SPARSE
    header[GNU_SPARSE : GNU_SPARSE + 24] = octal(SIZE) + octal(0)
    header[GNU_REAL_SIZE : GNU_REAL_SIZE + 12] = octal(SIZE)
    header[CHECKSUM : CHECKSUM + 8] = b" " * 8
    header[CHECKSUM : CHECKSUM + 8] = f"{sum(header):06o}\0 ".encode()
    return bytes(header)


def pax_sparse(name: str) -> bytes:
    """The same in the form of its PAX headers."""
    map_ = f"1\n{SIZE}\n0\n".encode().ljust(512, b"\0")
    entry = tarfile.TarInfo(name)
    entry.size = len(map_)
    entry.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(SIZE),
    }
    return entry.tobuf(tarfile.PAX_FORMAT) + map_


def too_large(name: str) -> bytes:
    """An entry that has fewer bytes than it says."""
    entry = tarfile.TarInfo(name)
    entry.size = SIZE
    return entry.tobuf() + bytes(512)


def broken_map(name: str) -> bytes:
    """An entry whose sparse map is none."""
    entry = tarfile.TarInfo(name)
    entry.pax_headers = {"GNU.sparse.map": "x"}
    return entry.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (old_sparse, "LOG: a sparse entry"),
        (pax_sparse, "LOG: a sparse entry"),
        (too_large, f"LOG: cut off: {SIZE} bytes"),
        (broken_map, "damaged at byte"),
    ],
)
def test_entry_with_more_bytes_than_the_archive_has_is_refused(
    make: Callable[[str], bytes], words: str, tmp_path: Path
) -> None:
    """SNP-001: before a byte of it is written."""
    source, target = tmp_path / "snapshot.tar", tmp_path / "store"
    source.write_bytes(manifest_entry("LOG") + make("LOG") + bytes(1024))
    assert read_manifest(source).size == SIZE
    with pytest.raises(SnapshotError, match=words):
        unpack(source, target, lambda *_: True)
    assert list(target.iterdir()) == []


def test_manifest_that_is_sparse_or_cut_off_is_refused(tmp_path: Path) -> None:
    """SNP-001."""
    source = tmp_path / "snapshot.tar"
    for made, words in ((old_sparse(MANIFEST), "a sparse entry"), (too_large(MANIFEST), "cut off")):
        source.write_bytes(made + bytes(1024))
        with pytest.raises(SnapshotError, match=words):
            read_manifest(source)


def test_whole_entry_is_unpacked(tmp_path: Path) -> None:
    """SNP-012: the same file, with its bytes."""
    whole = tarfile.TarInfo("LOG")
    whole.size = SIZE
    source = tmp_path / "snapshot.tar"
    with source.open("wb") as out:
        for piece in (manifest_entry("LOG"), whole.tobuf(), bytes(SIZE), bytes(1024)):
            out.write(piece)
    assert unpack(source, tmp_path / "store", lambda *_: True).size == SIZE
    assert (tmp_path / "store" / "LOG").stat().st_size == SIZE
