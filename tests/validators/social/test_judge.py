"""What platforms list, judged: posts over pages and time zones, tags and texts."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trex.validators.social.judge import Answer, next_page, posts
from trex.validators.social.platform import PlatformError, all_platforms, read_platform

RULE = all_platforms()["x"].posts
assert RULE is not None
NOW_S = 1_800_000_000


def page(*told: tuple[str, str], more: Any = None, status: int = 200) -> Answer:
    listed = [{"text": text, "created_at": at} for text, at in told]
    return Answer(status, {"data": listed, "meta": {"next_token": more} if more else {}}, NOW_S)


def stamp(at_s: int, hours: int = 0) -> str:
    return datetime.fromtimestamp(at_s, timezone(timedelta(hours=hours))).isoformat()


def counted(*pages: Answer, **asked: Any) -> Any:
    assert RULE is not None
    return posts("x", RULE, {"fromS": 0, **asked}, pages).value


def test_posts_are_counted_over_pages_and_a_list_that_goes_on_is_not() -> None:
    """SOC-022."""
    first, last = page(("a", stamp(5)), more="n/2"), page(("b", stamp(6)), ("c", stamp(7)))
    assert RULE is not None
    assert (next_page(RULE, first), next_page(RULE, last)) == ("n/2", "")
    assert counted(first, last) == 3
    assert counted(first) is None
    assert counted(first, page(("b", stamp(6)), more="n3")) is None
    assert counted(first, page(status=429)) is None
    assert counted(page()) == 0
    assert counted(Answer(200, {"data": "x"}, NOW_S)) is None


def test_tags_and_texts_count_in_any_case_and_tags_whole() -> None:
    """SOC-022."""
    told = page(("GM #TRex friends", stamp(5)), ("#trexy gm", stamp(6)), ("no tag", stamp(7)))
    assert counted(told, tag="trex") == 1
    assert counted(told, contains="gM") == 2
    assert counted(told, tag="trex", contains="bye") == 0


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2024-13-01T00:00:00Z", 5, None, "0001-01-01T00:00:00+23:59"]
)
def test_posts_without_a_time_count_for_nothing(time: Any) -> None:
    assert counted(page(("a", time))) == 0


@settings(max_examples=200, deadline=None)
@given(st.integers(0, NOW_S), st.integers(-12, 14), st.integers(0, NOW_S), st.integers(1, NOW_S))
def test_posts_count_by_the_moment_whatever_the_zone(at_s: int, hours: int, from_s: int, span_s: int) -> None:
    """SOC-022."""
    found = counted(page(("a", stamp(at_s, hours))), fromS=from_s, untilS=from_s + span_s)
    assert found == int(from_s <= at_s < from_s + span_s)
    plain = datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat()
    assert counted(page(("a", plain)), fromS=at_s, untilS=at_s + 1) == 1


def test_platform_whose_page_is_no_parameter_is_refused() -> None:
    """SOC-001."""
    text = """{"id": "y", "title": "Y", "protocol": "oauth2", "authorizeUrl": "https://y.example/a",
        "tokenUrl": "https://y.example/t", "sources": ["y.example"], "posts": {"url": "https://y.example/p",
        "list": "l", "text": "t", "time": "c", "page": "a&b"}}"""
    with pytest.raises(PlatformError, match="parameter"):
        read_platform(text)
    assert read_platform(text.replace("a&b", "after")).posts
