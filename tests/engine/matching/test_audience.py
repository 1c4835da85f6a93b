"""From silver facts to ranked people with reasons; nobody who did not agree, nothing about few."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.engine.lake.book import NOW, Book, check

from trex.engine.lake.gold import refresh
from trex.engine.lake.lake import Lake
from trex.engine.matching.audience import Answer, Audiences, Match
from trex.engine.matching.parse import parse
from trex.engine.matching.plan import AudienceError
from trex.node.cli import main

SENTENCE = (
    "users with high DeFi activity AND a CEX VIP Level > 3 "
    "AND a 'Social Validator' badge for Twitch followers > 10,000"
)
POOL = "0xdef1"


class World:
    """Forty people, of whom all but the last four agreed to be found by anybody.

    Passport `n` called a pool `n` times, today. Those above 15 proved a VIP level of 5, the others of 3. Even
    numbers have a badge for more than 10,000 followers, the others for more than 1,000.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake(folder / "lake")
        self.book = Book(self.lake)
        with self.book:
            self.people()
        refresh(self.lake, NOW)
        self.audiences = Audiences(self.lake, folder / "audiences", lambda: NOW)

    def people(self) -> None:
        vip = [check("zktls.level", "okx-vip-level", atLeast=str(level)) for level in (2, 3)]
        fans = [check("zktls.number", "twitch-followers", atLeast=least) for least in ("1000", "10001")]
        exchange = self.book.policy(1, "Whale", vip)
        self.streamer = self.book.policy(2, "Streamer", fans)
        for number in range(1, 41):
            name, wallet = str(number), f"0x{number:02x}"
            self.book.link(100, name, wallet, "created")
            self.book.badge(5, name, exchange, level=2 if number > 15 else 1)
            self.book.badge(4, name, self.streamer, level=2 - number % 2)
            if number <= 36:
                self.book.consent(3, name)
            for _ in range(number):
                self.swapped(wallet)

    def swapped(self, wallet: str) -> None:
        self.book.write("calls", 0, sender=wallet, contract=POOL, action="swap", category="defi")


class Asker:
    """A project of its own: what one test was told is not held against another."""

    def __init__(self, world: World, project: str) -> None:
        self.world, self.project = world, project

    def ask(self, text: str, **options: Any) -> Answer:
        return self.world.audiences.ask(parse(text), self.project, **options)


def passports(answer: Answer) -> list[int]:
    return [int(match.passport) for match in answer.people]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def asker(built: World, request: pytest.FixtureRequest) -> Asker:
    return Asker(built, request.node.name)


def test_the_sentence_finds_whom_it_means_best_first_with_reasons(asker: Asker) -> None:
    """PMS-032, QRY-011."""
    found = asker.ask(SENTENCE.replace("high", "") + " PREFER DeFi activity FROM 0 TO 40 WEIGHT 2")
    assert passports(found) == list(range(36, 15, -2))
    assert found.count == 10
    assert found.next is None
    best = found.people[0]
    assert (best.rank, best.score, best.raw) == (1, 90.0, 180.0)
    told = [(one.text, one.holds, one.value, one.unit, one.seen_s) for one in best.reasons]
    assert told == [
        ("defi_activity", True, "36", "calls", NOW),
        ("cex_vip_level > 3", True, "5", "level", NOW - 5 * 86_400),
        ("BADGE 'Social Validator' FOR twitch_followers > 10000", True, "2", "level", NOW - 4 * 86_400),
        ("defi_activity AS scaled FROM 0 TO 40 WEIGHT 2", None, "36", "calls", NOW),
    ]
    assert (best.reasons[-1].points, best.reasons[-1].weight) == (90.0, 2.0)


def test_the_sentence_as_written_names_nobody_of_few(asker: Asker) -> None:
    """PRV-003: four people have it; they are not told of, with neither names nor number."""
    found = asker.ask(SENTENCE)
    assert (found.count, found.people, found.next) == (0, (), None)
    assert found.notes == ("fewer than 10 people: none is named", "high defi_activity: 29 or more calls")


def test_who_did_not_agree_is_in_no_answer_and_no_percentile(asker: Asker) -> None:
    """PRV-002."""
    everybody = asker.ask("DeFi activity PREFER DeFi activity", limit=100)
    # Percentiles are of 36 people, not of 40; beyond them nobody has more or fewer points.
    assert passports(everybody) == [35, 36, *range(34, 2, -1), 1, 2]
    assert everybody.count == 30
    assert everybody.notes == ("defi_activity: 0 points at 2, 100 at 35 calls",)
    assert not asker.ask("NOT DeFi activity > 0").people


def test_pages_join_to_the_whole_and_belong_to_their_query(asker: Asker) -> None:
    """PMS-031."""
    text = "DeFi activity PREFER CEX VIP level FROM 0 TO 10"
    whole = asker.ask(text, limit=100)
    found: list[Match] = []
    page = None
    while True:
        part = asker.ask(text, limit=7, page=page)
        found += part.people
        page = part.next
        if page is None:
            break
    assert tuple(found) == whole.people
    # Of equals by passport: those of level 5, then those of 3.
    assert passports(whole) == [*range(16, 37), *range(1, 16)]
    named = asker.ask(text, limit=7).next
    assert named is not None
    for wrong in (named, "nothing", "a-b-c-d", f"{named[:16]}-7-{2**64}-1", f"{named[:16]}-7-1-{2**256}"):
        with pytest.raises(AudienceError):
            asker.ask("DeFi activity" if wrong == named else text, page=wrong)


def test_two_audiences_that_differ_by_few_are_not_both_answered(asker: Asker) -> None:
    """PRV-004: whether by leaving somebody out or by taking them in; asking again is not asking more."""
    assert asker.ask("DeFi activity > 10").people
    for near in ("DeFi activity > 11", "DeFi activity > 9", "DeFi activity > 10 AND NOT CEX VIP level < 4"):
        with pytest.raises(AudienceError, match="fewer than 10 people"):
            asker.ask(near)
    assert asker.ask("DeFi activity > 10 PREFER DeFi activity").people  # the same people in another order
    assert asker.ask("DeFi activity > 20").people
    with pytest.raises(AudienceError, match="defi_activity > 20"):
        asker.ask("DeFi activity > 22")


def test_a_project_asks_so_many_audiences(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """PRV-005."""
    monkeypatch.setattr("trex.engine.matching.privacy.MOST_AUDIENCES", 1)
    assert asker.ask("DeFi activity > 10").people
    with pytest.raises(AudienceError, match="different audiences"):
        asker.ask("DeFi activity > 20")
    assert asker.ask("DeFi activity > 10").people


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("'Strimmer' badge", "no badge and no validator is called 'Strimmer'; did you mean: Streamer?"),
        ("'Whale' badge for Twitch followers > 1", "asks about Twitch followers"),
        ("high GitHub stars", "GitHub stars is known of too few people"),
        ("DeFi activity PREFER GitHub stars", "GitHub stars is known of too few people"),
    ],
)
def test_what_has_no_answer_says_why(asker: Asker, text: str, reason: str) -> None:
    """PRV-006."""
    with pytest.raises(AudienceError) as caught:
        asker.ask(text)
    assert reason in str(caught.value)


def test_what_the_lake_does_not_have_is_not_known_and_said(asker: Asker) -> None:
    """QRY-030."""
    found = asker.ask("DeFi activity OR campaigns joined > 3", limit=1)
    assert found.notes == ("campaigns joined is not known of anybody yet",)
    assert not asker.ask("NOT campaigns joined > 3").people


def test_columns_follow_the_lake_cell_by_cell(tmp_path: Path) -> None:
    """PMS-043, PRV-002: withdrawal, new people, other values; the same columns as made anew."""
    world = World(tmp_path)
    audiences = world.audiences
    query = parse("DeFi activity PREFER DeFi activity FROM 0 TO 100")
    assert passports(audiences.ask(query, limit=50)) == list(range(36, 0, -1))
    for number in (30, 31):
        world.book.consent(1, str(number), given=False)
    for number in (37, 38):
        world.book.consent(1, str(number), project="game")
    assert passports(audiences.ask(query, limit=50)) == [
        number for number in range(36, 0, -1) if number not in (30, 31)
    ]
    assert passports(audiences.ask(query, "game", 3)) == [38, 37, 36]
    with world.book:
        world.book.link(0, "99", "0x99", "created")
        world.book.consent(0, "99")
        for _ in range(60):
            world.swapped("0x99")
    refresh(world.lake, NOW)
    assert 0 < audiences.columns.refresh() < 400
    best = audiences.ask(query, limit=50).people[0]
    assert (best.passport, best.score) == ("99", 60.0)
    assert (
        audiences.ask(parse(f"NOT 'Streamer' badge OR {'DeFi activity'}"), limit=1).people[0].passport == "1"
    )
    assert audiences.columns.refresh() == 0
    text = "CEX VIP level < 99 OR NOT 'Streamer' badge level > 1 PREFER passport age, DeFi activity INVERTED"
    followed = audiences.ask(parse(text), "another", limit=100)
    fresh = Audiences(world.lake, tmp_path / "fresh", lambda: NOW).ask(parse(text), "another", limit=100)
    assert followed == fresh


def test_columns_that_another_keeps_are_read_as_they_are(asker: Asker) -> None:
    world = asker.world
    reads = Audiences(world.lake, world.folder / "audiences", lambda: NOW)
    assert reads.ask(parse("DeFi activity"), asker.project) == asker.ask("DeFi activity")
    assert reads.columns.refresh() == 0


def test_command_prints_people_and_reasons(asker: Asker) -> None:
    def run(*arguments: str) -> Any:
        where = ["--folder", str(asker.world.folder), "--project", asker.project]
        return CliRunner().invoke(main, ["audience", "run", *arguments, *where])

    text = "DeFi activity > 3 AND 'Streamer' badge PREFER DeFi activity FROM 0 TO 40"
    said = run(text, "--limit", "2")
    assert said.exit_code == 0, said.output
    assert "30 people or more" in said.stdout
    assert "1. passport 36: 90.000000" in said.stdout
    assert "BADGE 'Streamer': yes (2 level, seen " in said.stdout
    told = json.loads(run(text, "--limit", "2", "--json").stdout)
    assert [match["passport"] for match in told["people"]] == ["36", "35"]
    assert f"--page {told['next']}" in said.stdout
    following = json.loads(run(text, "--limit", "2", "--page", told["next"], "--json").stdout)
    assert [match["rank"] for match in following["people"]] == [3, 4]
    refused = run("'Nobody knows' badge")
    assert refused.exit_code == 1
    assert "no badge and no validator" in refused.output
    assert "from 1 to 1000" in run(text, "--limit", "0").output


def test_command_without_a_lake_says_so(tmp_path: Path) -> None:
    refused = CliRunner().invoke(main, ["audience", "run", "points", "--folder", str(tmp_path)])
    assert refused.exit_code == 1
    assert "nobody's features are here" in refused.output
    assert not list(tmp_path.iterdir())
