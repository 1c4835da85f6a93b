"""Who used what, read from files of `user item item ...` lines or of pairs."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from scipy.sparse import csr_matrix

MAX_LINE_BYTES = 16_777_216
"""Longest line of a file of interactions."""


class InteractionsError(Exception):
    """A file of interactions that cannot be read, with the line."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        """Name the file, the line (from 1; 0 for the whole) and what is wrong with it."""
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {reason}")


@dataclass(frozen=True, slots=True)
class Interactions:
    """People by items: 1 where a person used an item."""

    users: tuple[str, ...]
    """Names of rows."""
    items: tuple[str, ...]
    """Names of columns."""
    matrix: csr_matrix
    """float32, shape (users, items), each stored value 1, indices sorted."""


def read_split(train: Path, test: Path) -> tuple[Interactions, Interactions]:
    """Read what a model learns from and what it is judged by, over the same rows and columns.

    Who or what stands in the test file alone has a row or a column too: a model cannot know it, and is
    judged by it all the same.

    Raises:
        InteractionsError: a file is empty or a line of it is not of the form.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    indices = [_index(path, users, items) for path in (train, test)]
    names = tuple(users), tuple(items)
    first, second = (
        Interactions(*names, _matrix(rows, columns, (len(users), len(items)))) for rows, columns in indices
    )
    return first, second


def _index(path: Path, users: dict[str, int], items: dict[str, int]) -> tuple[list[int], list[int]]:
    """Rows and columns of a file's pairs; new names are numbered as they come."""
    rows: list[int] = []
    columns: list[int] = []
    for user, used in _lines(path):
        row = users.setdefault(user, len(users))
        for item in used:
            rows.append(row)
            columns.append(items.setdefault(item, len(items)))
    if not rows:
        raise InteractionsError(path, 0, "holds no interactions")
    return rows, columns


def _matrix(rows: Sequence[int], columns: Sequence[int], shape: tuple[int, int]) -> csr_matrix:
    matrix = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """A user and their items, line by line.

    Columns set apart by tabs or commas are pairs, `user item [weight [...]]`; what follows the item is not
    read. Columns set apart by spaces are `user item item ...`.
    """
    try:
        with _opened(path) as file:
            for number, line in enumerate(_bounded(path, file), 1):
                text = line.rstrip("\r\n")
                if not text.strip() or text.startswith("#"):
                    continue
                separator = next((mark for mark in "\t," if mark in text), None)
                fields = [field.strip() for field in text.split(separator)]
                if separator is None:
                    # A user whose items are all elsewhere stands alone on a line of public splits.
                    yield fields[0], fields[1:]
                elif fields[0] and fields[1]:
                    yield fields[0], fields[1:2]
                else:
                    raise InteractionsError(path, number, "expected `user item item ...`, or a pair")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InteractionsError(path, 0, f"cannot be read: {error}") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _bounded(path: Path, file: IO[str]) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise InteractionsError(path, number, f"longer than {MAX_LINE_BYTES} characters")
        yield line
