"""What a project is told of groups."""

from hypothesis import given
from hypothesis import strategies as st

from trex.engine.matching.privacy import LEAST, in_words, shown


@given(st.integers(0, 10**9))
def test_counts_tell_of_no_few(count: int) -> None:
    """PRV-001."""
    assert shown(count) % LEAST == 0
    assert count - LEAST < shown(count) <= count
    assert (shown(count) == 0) == (count < LEAST)


def test_counts_in_words() -> None:
    assert [in_words(count) for count in (0, 9, 10, 1239)] == [
        "fewer than 10",
        "fewer than 10",
        "10 or more",
        "1,230 or more",
    ]
