import json
from decimal import Decimal

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.matching.queries import Queries

from trex.engine.lake.catalogue import Dimension, catalogue
from trex.engine.matching.complete import complete
from trex.engine.matching.explain import explain
from trex.engine.matching.json_form import from_json, to_json
from trex.engine.matching.parse import MAX_CRITERIA, MAX_LENGTH, MAX_NESTING, QueryError, parse
from trex.engine.matching.query import (
    AllOf,
    Compare,
    Comparison,
    Has,
    HoldsBadge,
    InLevel,
    Level,
    Query,
    canonical,
)
from trex.node.cli import main

SENTENCE = (
    "users with high DeFi activity AND a CEX VIP Level > 3 "
    "AND a 'Social Validator' badge for Twitch followers > 10,000"
)
MORE = Comparison.MORE


def read(text: str) -> Query | QueryError:
    try:
        return parse(text)
    except QueryError as error:
        return error


def test_the_sentence_parses_as_written() -> None:
    """QRY-001, QRY-003, QRY-004, QRY-010, QRY-011."""
    assert parse(SENTENCE) == Query(
        AllOf(
            (
                InLevel("defi_activity", Level.HIGH),
                Compare("cex_vip_level", MORE, Decimal(3)),
                HoldsBadge("Social Validator", about=Compare("twitch_followers", MORE, Decimal(10_000))),
            )
        )
    )


@given(Queries().any())
@settings(max_examples=200, deadline=None)
def test_text_and_json_forms_round_trip(query: Query) -> None:
    """QRY-040, QRY-042."""
    text = canonical(query)
    if len(text) <= MAX_LENGTH and text.count("(") + text.count("NOT") <= MAX_NESTING:
        assert parse(text) == query
        assert canonical(parse(text)) == text
        assert from_json(json.loads(json.dumps(to_json(query)))) == query
        assert list(explain(query))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("points and swaps or loans taken", "(points AND swap_count) OR loans_taken"),
        ("NOT points AND swaps", "NOT points AND swap_count"),
        ("points AND (swaps AND (loans taken))", "points AND swap_count AND loans_taken"),
        ("people without a student", "NOT student"),
        ("points over 1.5k", "points > 1500"),
        ("points is at least 2bn points", "points >= 2000000000"),
        ("CEX assets ≥ $5,000", "cex_total_assets >= 5000"),
        ("points between 10 and 1k", "points >= 10 AND points <= 1000"),
        ("points in the last month", "points IN LAST 30 DAYS"),
        ("high gas spent over the past 2 quarters or points", None),
        ("badge 'Early' level >= 2", "BADGE 'Early' LEVEL >= 2"),
        ('a "Collector\'s" badge', 'BADGE "Collector\'s"'),
        ("PREFER points inverted weight 2.5", "PREFER points AS scaled INVERTED WEIGHT 2.5"),
        (
            "prefer swaps as logarithmic from 1 to 10k, high points",
            "PREFER swap_count AS log FROM 1 TO 10000 WEIGHT 1, high points AS binary WEIGHT 1",
        ),
    ],
)
def test_writings_of_the_same(text: str, means: str | None) -> None:
    """QRY-001, QRY-004, QRY-005, QRY-006, QRY-041, QRY-050."""
    if means is None:
        with pytest.raises(QueryError, match="not kept over 180 days"):
            parse(text)
    else:
        assert canonical(parse(text)) == means


@pytest.mark.parametrize(
    ("text", "marked", "reason", "suggestion"),
    [
        ("", "", "nothing is asked", None),
        ("twitch folowers > 10k", "twitch folowers", "is no feature", "Twitch followers"),
        ("points >", "", "ends too early; expected a number", None),
        ("points > many", "many", "expected a number", None),
        ("points > 3 nad", "3 nad", "counted in points, not nad", "AND"),
        ("(points", "", "expected )", None),
        ("points in the last 5 days", "points", "not kept over 5 days", "in the last 7 days"),
        ("gas spent > 3 SOL", "3", "counted in ETH, not SOL", None),
        ("high student", "student", "yes or no", None),
        ("student > 2", "2", "1 or 0", None),
        ("PREFER student as log", "student as log", "no scale", None),
        ("PREFER points from 9 to 2", "9 to 2", "not below", None),
        ("PREFER points weight 0", "0", "a weight is above 0", None),
        ("PREFER points weight 1.0001", "1.0001", "three decimals", None),
        ("points between 5 and 2", "points", "nothing lies between", None),
        ("'X' badge level > 1.5", "1.5", "whole number", None),
        ("points > " + "9" * 31, "9" * 31, "more than 30 digits", None),
        ("points; DROP TABLE users", ";", "does not fit", None),
        ("points > 10,00", ",00", "does not fit", None),
    ],
)
def test_mistakes_are_shown_in_their_place(
    text: str, marked: str, reason: str, suggestion: str | None
) -> None:
    """QRY-002, QRY-004, QRY-006, QRY-007, QRY-050."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    error = caught.value
    assert reason in error.reason
    assert text[error.start : error.end].startswith(marked)
    assert marked or error.start >= len(text.rstrip())
    assert suggestion is None or suggestion in error.suggestions
    assert "^" in error.shown(text)


@pytest.mark.parametrize(
    "text",
    ["not " * 900 + "points", "(" * 500 + "points" + ")" * 500, "points and " * 100 + "points", "x" * 5_000],
    ids=["NOT", "parentheses", "criteria", "length"],
)
def test_what_is_too_much_is_refused(text: str) -> None:
    """QRY-002."""
    with pytest.raises(QueryError, match=r"at most|longer than"):
        parse(text)
    assert MAX_CRITERIA < 101


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from([*"()'\",>;", "AND", "not", "points", "PREFER", "10k", "badge", "high", "for"]),
        max_size=12,
    ).map(" ".join)
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_query_or_an_error_with_a_place(text: str) -> None:
    """QRY-007."""
    query = read(text)
    if isinstance(query, QueryError):
        assert 0 <= query.start < query.end
        assert query.reason
    else:
        assert parse(canonical(query)) == query
    complete(text)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"version": 2},
        {"version": 1},
        {"version": 1, "where": {}},
        {"version": 1, "where": {"has": {"feature": "points"}, "not": {}}},
        {"version": 1, "where": {"has": {"feature": "nothing known"}}},
        {"version": 1, "where": {"has": {"feature": "points", "days": 5}}},
        {"version": 1, "where": {"has": {"feature": "points OR swap_count"}}},
        {"version": 1, "where": {"all": [{"has": {"feature": "points"}}]}},
        {"version": 1, "where": {"compare": {"feature": "points", "is": ">", "value": 3}}},
        {"version": 1, "where": {"compare": {"feature": "points", "is": ">", "value": "1e3"}}},
        {"version": 1, "where": {"badge": {"name": "a'b\"c"}}},
        {"version": 1, "where": {"badge": {"name": "x\n"}}},
        {"version": 1, "prefer": [{"wish": {"has": {"feature": "points"}}, "scale": "log"}]},
        {
            "version": 1,
            "prefer": [{"wish": {"has": {"feature": "points"}}, "scale": "binary", "weight": "1"}],
            "x": 1,
        },
    ],
)
def test_json_that_the_text_could_not_say_is_refused(document: object) -> None:
    """QRY-042."""
    with pytest.raises(QueryError):
        from_json(document)


def test_json_nested_without_end_is_refused() -> None:
    """QRY-002."""
    node: dict[str, object] = {"has": {"feature": "points"}}
    for _ in range(600):
        node = {"not": node}
    with pytest.raises(QueryError, match="nested"):
        from_json({"version": 1, "where": node})


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("users with hi", "high"),
        ("high DeFi activity ", "AND"),
        ("twitch fol", "Twitch followers"),
        ("points > 3 an", "AND"),
        ("'X' badge f", "for"),
        ("PREFER swaps AS ", "log"),
        ("gas spent in", "in the last 30 days"),
    ],
)
def test_completion_offers_what_goes_on(typed: str, offered: str) -> None:
    """QRY-043."""
    assert offered in [one.text for one in complete(typed)]


@given(
    st.sampled_from(["", "users with ", "points > 3 ", "high points AND ", "PREFER points ", "("]), st.data()
)
def test_every_completion_may_stand_there(head: str, data: st.DataObject) -> None:
    """QRY-043: after it, the query is whole or only ends too early."""
    chosen = data.draw(st.sampled_from(complete(head)))
    text = head[: chosen.start] + chosen.text
    query = read(text)
    assert isinstance(query, Query) or "ends too early" in query.reason or "nothing" in query.reason, text


def test_every_name_in_the_catalogue_is_understood() -> None:
    """QRY-003: and none means two features."""
    seen: dict[str, str] = {}
    for feature in catalogue().values():
        for name in (feature.id, *feature.names):
            assert parse(name) == Query(Has(feature.id))
            assert seen.setdefault(name.lower(), feature.id) == feature.id
    assert len(catalogue()) >= 60
    assert {feature.dimension for feature in catalogue().values()} == set(Dimension)


def test_levels_and_what_is_not_known_are_said() -> None:
    """QRY-020, QRY-030."""
    told = "\n".join(explain(parse("low points and not medium swaps and high gas spent")))
    for said in (
        "below the 40th",
        "from the 40th to below the 80th",
        "at or above the 80th",
        "known not to be",
    ):
        assert said in told


def test_commands_read_text_and_json() -> None:
    read = json.loads(CliRunner().invoke(main, ["audience", "parse", SENTENCE, "--json"]).stdout)
    again = CliRunner().invoke(main, ["audience", "parse", json.dumps(read["query"])])
    assert again.stdout.strip() == read["canonical"]
    assert "80th percentile" in CliRunner().invoke(main, ["audience", "explain", SENTENCE]).stdout
    wrong = CliRunner().invoke(main, ["audience", "parse", "twitch folowers", "--json"])
    assert wrong.exit_code == 1
    assert json.loads(wrong.stdout)["suggestions"][0] == "Twitch followers"
    shown = CliRunner().invoke(main, ["audience", "parse", "twitch folowers > 3"])
    assert shown.exit_code == 1
    assert "^^^^^^" in shown.output
