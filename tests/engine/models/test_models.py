"""Models on a lake of people with tastes: what they learn, from whom, and when they are not used."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import SILVER
from trex.engine.models import interests, likelihoods
from trex.engine.models.audience import audience, categories_of, fit_audience
from trex.engine.models.evaluation import MODELS
from trex.engine.models.graph_filter import GraphFilter
from trex.engine.models.interests import fit_interests
from trex.engine.models.likelihoods import fit_likelihoods
from trex.engine.models.recommender import Popularity
from trex.engine.models.registry import ModelError, chosen_by, drift, versions
from trex.node.engine_models import models

DAY = 86_400
NOW = 20_000 * DAY
TASTES = ("defi", "game", "nft")
PEOPLE, SILENT = 45, 5
FARM = range(200, 208)
SINK, FUNDER = "0xsink", "0xfunder"


class World:
    """People of three tastes, five who said nothing, and eight passports of one hand."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(folder / "lake")
        self.rows: dict[str, list[dict[str, Any]]] = {}
        draw = random.Random(7)
        for number in range(PEOPLE):
            self.person(number, agrees=number >= SILENT)
            taste = TASTES[number % 3]
            for at, item in enumerate(draw.sample(range(12), 6)):
                self.call(number, f"0x{taste}{item}", taste, 60 - 8 * at + number % 5)
            if draw.random() < 0.5:
                self.call(number, "0xcommon", "social", 70)
            # Who comes often stays; who comes seldom leaves.
            last = 0 if number % 2 else 62 if number % 4 else 40
            for days in range(100, last, -2 if number % 2 else -9):
                self.transaction(number, days * DAY + draw.randrange(DAY))
        for number in FARM:
            self.person(number)
            self.moved(FUNDER, f"0xw{number}", 90)
            for at in range(12):
                self.call(number, f"0xfarm{at % 4}", "social", 30)
                self.transaction(number, 30 * DAY - at * 600)
            self.moved(f"0xw{number}", SINK, 20)
        for name, rows in self.rows.items():
            placed = [("t/0", at, row) for at, row in enumerate(rows)]
            self.lake.append(SILVER[name], placed, {"t/0": len(rows)})

    def write(self, table: str, seconds_ago: int, **own: Any) -> None:
        rows = self.rows.setdefault(table, [])
        shared = {"id": f"{table}{len(rows)}", "weight": 1, "source": "evm:1", "chain": 1, "block_hash": "0x"}
        shared |= {"block_number": len(rows), "transaction_index": 0, "log_index": -1}
        rows.append(shared | {"time_s": NOW - seconds_ago, "month": "2024-01"} | own)

    def person(self, number: int, agrees: bool = True) -> None:
        told = {"passport": str(number), "key": f"k{number}", "way": "created", "account": f"0xw{number}"}
        self.write("links", 200 * DAY, **told, role=1, kind=1)
        if agrees:
            self.write("consents", 1, passport=str(number), purpose="models", project="*", given=True)

    def call(self, number: int, contract: str, category: str, days: int) -> None:
        told = {"sender": f"0xw{number}", "contract": contract, "selector": f"0x{contract}"}
        self.write("calls", days * DAY, **told, action="", category=category)

    def transaction(self, number: int, seconds_ago: int) -> None:
        self.write("transactions", seconds_ago, hash="0x", sender=f"0xw{number}", status=1, fee="1")

    def moved(self, sender: str, recipient: str, days: int) -> None:
        told = {"kind": "native", "asset": "0x", "sender": sender, "recipient": recipient}
        self.write("transfers", days * DAY, **told, amount="5", value=5.0, way="move")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Read by all tests; the models of each are other tables."""
    return World(tmp_path_factory.mktemp("models")).lake


def rows(lake: Lake, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.session().table(table).to_pyarrow().to_pylist()
    return found


def test_interests_are_learned_and_beat_popularity(lake: Lake) -> None:
    """MOD-001, MOD-002, MOD-004."""
    version = fit_interests(lake)
    assert version.is_used
    assert set(version.measures) == set(MODELS)
    best = version.measures[version.chosen]
    assert best["recall"] > 2 * version.measures["popularity"]["recall"]
    assert version.snapshot["silver.calls"] == lake.version("silver.calls")
    told = rows(lake, "gold_interests")
    people = {row["passport"] for row in told}
    assert people == {str(number) for number in (*range(SILENT, PEOPLE), *FARM)}  # CON-003
    right = total = 0
    for row in told:
        person = int(row["passport"])
        if person < PEOPLE and row["kind"] == "item" and row["place"] <= 5:
            total += 1
            right += TASTES[person % 3] in row["item"]
        if person < PEOPLE and row["kind"] == "category" and row["place"] == 1:
            assert row["item"] == TASTES[person % 3]
    assert right > 0.9 * total > 0


def test_what_does_not_beat_popularity_is_not_used(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """MOD-003: neither the model nor what an earlier version said. MOD-002."""
    for other in (GraphFilter, Popularity):
        candidates = {"popularity": Popularity, "other": other}
        monkeypatch.setattr(interests, "MODELS", candidates)
        monkeypatch.setattr("trex.engine.models.evaluation.MODELS", candidates)
        version = fit_interests(lake)
        assert version.is_used == (other is GraphFilter)
        assert any(row["kind"] == "item" for row in rows(lake, "gold_interests")) == version.is_used
        assert versions(lake, "interests")[-1] == version


def test_a_candidate_must_be_better_by_every_measure() -> None:
    """MOD-003."""
    base = {"recall": 0.5, "ndcg": 0.5}
    assert chosen_by({"base": base, "m": {"recall": 0.6, "ndcg": 0.5}}, "base") == "base"
    assert chosen_by({"base": base, "m": dict(base)}, "base") == "base"
    assert chosen_by({"base": base, "m": {"recall": 0.6, "ndcg": 0.6}}, "base") == "m"


def test_audiences_are_found_by_seeds_and_by_a_description(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MOD-005, MOD-003."""
    version = fit_audience(lake)
    assert version.is_used
    assert version.measures["look-alike"]["recall"] > version.measures["activity"]["recall"]
    gamers = [str(number) for number in range(SILENT, PEOPLE) if TASTES[number % 3] == "game"]
    found = audience(lake, users=gamers[:3], most=8)
    assert {one.passport for one in found} <= set(gamers[3:])
    assert all("0xgame" in reason for one in found for reason in one.reasons)
    assert categories_of("swap and lend tokens in liquidity pools").get("defi", 0) > 0
    told = audience(lake, description="A lending market: swap, stake and borrow with deep liquidity", most=10)
    assert all(TASTES[int(one.passport) % 3] == "defi" for one in told)
    for one in told:
        assert int(one.passport) >= SILENT  # CON-003
    with pytest.raises(ModelError, match="names nothing"):
        audience(lake, description="zzz")
    monkeypatch.setattr("trex.engine.models.audience.versions", lambda *_: [])
    with pytest.raises(ModelError, match="no version"):
        audience(lake, users=gamers)


def test_who_leaves_and_who_is_a_farm(lake: Lake) -> None:
    """MOD-006, MOD-003."""
    version = fit_likelihoods(lake)
    told = rows(lake, "gold_likelihoods")
    farm = {row["passport"]: row for row in told if row["model"] == "sybil"}
    assert set(farm) == {str(number) for number in FARM}
    for row in farm.values():
        assert set(orjson.loads(row["reasons"])) == set(likelihoods.WEIGHTS)
        assert row["value"] == pytest.approx(1 - 0.4 * 0.5 * 0.6 * 0.8)
    leaving = [row for row in told if row["model"] == "churn"]
    assert bool(leaving) == version.is_used
    assert version.measures["idle days"]["auc"] <= 1
    for row in leaving:
        assert 0 <= row["value"] <= 1


@pytest.mark.parametrize("fit", [fit_interests, fit_audience, fit_likelihoods])
def test_too_little_is_said_in_words(tmp_path: Path, fit: Callable[[Lake], object]) -> None:
    with pytest.raises(ModelError, match="least"):
        fit(Lake(tmp_path))


def test_drift_is_nothing_for_the_same_and_much_for_another_world() -> None:
    """MOD-002."""
    assert drift({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}) == 0
    assert drift({"a": 0.9, "b": 0.1}, {"a": 0.1, "b": 0.9}) > 1


def test_commands_fit_list_and_show(lake: Lake) -> None:
    """MOD-002."""
    where = ["--folder", str(lake.root.parent)]
    done = CliRunner().invoke(models, ["fit", "audience", *where, "--json"])
    assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(models, ["list", *where]).stdout
    assert "audience" in listed
    assert "uses look-alike" in listed
    shown = orjson.loads(CliRunner().invoke(models, ["show", "audience", *where, "--json"]).stdout)
    assert shown["drift"] == 0
    assert "learned from silver.calls" in CliRunner().invoke(models, ["show", "audience", *where]).stdout
    none = CliRunner().invoke(models, ["audience", "--user", "1", "--folder", str(lake.root / "none")])
    assert none.exit_code == 1
    assert "no version" in none.output
