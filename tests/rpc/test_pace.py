"""How fast endpoints are asked, by a clock of the test's own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trex.rpc.pace import Pace


class Clock:
    """Moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_a_second_lets_through_what_it_allows_and_the_rest_waits() -> None:
    """ONC-006."""
    clock = Clock()
    pace = Pace(10, clock=lambda: clock.now, sleep=clock.sleep)
    for _ in range(10):
        await pace.wait("a")
    await pace.wait("b")
    assert clock.now == 100.0
    await pace.wait("a")
    assert clock.now == pytest.approx(100.0)
    await pace.wait("a", 50)
    assert clock.now == pytest.approx(100.1)
    await pace.wait("a")
    assert clock.now == pytest.approx(105.1), "a batch counts by its questions"


def test_no_questions_a_second_is_no_pace() -> None:
    with pytest.raises(ValueError, match="0 questions"):
        Pace(0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 3)), max_size=30), st.integers(1, 30))
async def test_in_no_span_more_go_out_than_the_pace_allows(
    asked: list[tuple[int, float]], per_s: int
) -> None:
    clock, sent = Clock(), list[tuple[float, int]]()
    pace = Pace(per_s, clock=lambda: clock.now, sleep=clock.sleep)
    for questions, idle in asked:
        clock.now += idle
        await pace.wait("a", questions)
        sent.append((clock.now, questions))
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            span, inside = sent[last][0] - sent[first][0], sent[first:last]
            assert sum(count for _, count in inside) <= per_s * (span + 1) + 1e-6
