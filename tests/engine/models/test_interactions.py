import gzip
from pathlib import Path

import pytest

from trex.engine.models.interactions import Interactions, InteractionsError, read_split


def pairs_of(interactions: Interactions) -> set[tuple[str, str]]:
    matrix = interactions.matrix.tocoo()
    return {
        (interactions.users[row], interactions.items[column])
        for row, column in zip(matrix.row, matrix.col, strict=True)
    }


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a 1 2 3\nb 2\n",
        "a 1\na 2\na 3\nb 2\n",
        "a\t1\na\t2\na\t3\nb\t2\n",
        "a,1,0.5\na,2,1\na,3,9\nb,2,3e5\n",
    ],
    ids=["lists", "pairs by space", "pairs by tab", "pairs with weights"],
)
def test_lists_and_pairs_say_the_same(tmp_path: Path, text: str) -> None:
    train, test = read_split(write(tmp_path / "train", text), write(tmp_path / "test", "b 9\n"))
    assert pairs_of(train) == {("a", "1"), ("a", "2"), ("a", "3"), ("b", "2")}
    assert pairs_of(test) == {("b", "9")}
    assert train.matrix.shape == test.matrix.shape == (2, 4)


def test_the_same_pair_twice_counts_once_and_empty_lines_do_not(tmp_path: Path) -> None:
    train, _ = read_split(
        write(tmp_path / "train", "# who what\na 1 1\n\na 1\nc\n"), write(tmp_path / "t", "a 2")
    )
    assert pairs_of(train) == {("a", "1")}
    assert train.matrix.data.tolist() == [1.0]
    assert train.users == ("a", "c")


def test_compressed_files_are_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "train.gz", "wt") as file:
        file.write("a 1 2\n")
    train, _ = read_split(tmp_path / "train.gz", write(tmp_path / "test", "a 3\n"))
    assert pairs_of(train) == {("a", "1"), ("a", "2")}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no interactions"),
        (b"a\n\n", "holds no interactions"),
        (b"a\t\n", "train:1: expected"),
        (b"a\t1\n\t2\n", "train:2: expected"),
        (b"a,1\nb,\n", "train:2: expected"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_is_no_list_of_interactions_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "train").write_bytes(content)
    with pytest.raises(InteractionsError, match=reason):
        read_split(tmp_path / "train", write(tmp_path / "test", "a 1\n"))


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.gz").write_bytes(gzip.compress(b"a 1 2\n" * 1000)[:-20])
    with pytest.raises(InteractionsError, match="cannot be read"):
        read_split(tmp_path / "train.gz", write(tmp_path / "test", "a 1\n"))
