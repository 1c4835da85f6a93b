"""What projects ask over HTTP: what is theirs, in tens, within what they may use up."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.engine.bi.served import Served, fill, serving
from tests.engine.lake.book import NOW, Book

from trex.engagement.tree import pair
from trex.engine.bi import exports, state
from trex.engine.lake.features import DAY_S
from trex.web import audit
from trex.web.database import audit as audit_lines
from trex.web.limits import Rate

SWAP = {"facts": "calls", "where": {"action": "swap"}}
MINT = {"facts": "calls", "where": {"action": "mint"}}
HOSTILE = ["'; DROP TABLE audiences; --", "MATCH (n) DETACH DELETE n", "<script>alert(1)</script>", "=1+1"]


@pytest.fixture(scope="module")
def lake_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("bi")
    fill(found)
    return found


@pytest.fixture
async def served(lake_folder: Path) -> AsyncIterator[Served]:
    async with serving(lake_folder) as running:
        yield running


async def test_a_key_opens_its_project_until_it_is_revoked(served: Served) -> None:
    """BIA-001, BIA-002: the key itself is nowhere in the state."""
    asker = await served.project("keys")
    assert (await asker.ask("GET", "/usage"))["spent"] == 0
    asker.key, key = "trex_wrong", asker.key
    assert (await asker.ask("GET", "/audiences", expect=401))["code"] == "not_signed_in"
    asker.key = ""
    await asker.ask("GET", "/features", expect=401)
    asker.key = key
    assert len(await asker.ask("GET", "/features")) >= 60
    await asker.ask("PUT", "/audiences/all", {"query": "DeFi activity"})
    async with served.bi.database.transaction() as tx:
        lines = (await tx.execute(audit_lines.select())).all()
        (row,) = [one for one in await state.all_keys(tx) if one.project == "keys"]
        assert await audit.verify(tx) is None
        assert await state.revoke(tx, row.id, NOW)
    told = repr(lines)
    assert f"key:{row.id}" in told
    assert key not in told
    assert key.encode() not in b"".join(
        path.read_bytes() for path in served.bi.settings.folder.glob("bi.sqlite*")
    )
    await asker.ask("GET", "/audiences", expect=401)


async def test_an_audience_is_kept_counted_and_spread(served: Served) -> None:
    """AUD-001, PRV-001, PRV-007: in tens; nobody who did not agree."""
    asker = await served.project("kept")
    saved = await asker.ask("PUT", "/audiences/active", {"query": "DeFi activity > 10"})
    assert (saved["query"], saved["count"]) == ("defi_activity > 10", 20)
    assert (saved["asOfS"], saved["ageS"], saved["refreshedS"]) == (NOW, 0, NOW)
    assert await asker.ask("GET", "/audiences") == [saved]
    told = await asker.ask("GET", "/audiences/active/people?limit=5")
    assert told["count"] == 20
    assert len(told["people"]) == 5
    assert told["people"][0]["reasons"][0]["text"] == "defi_activity > 10"
    spread = await asker.ask("GET", "/audiences/active/spread/defi_activity")
    assert (spread["count"], spread["known"]) == (20, 20)
    assert [(bar["above"], bar["upto"], bar["people"]) for bar in spread["bars"]] == [
        (10, 20, 10),
        (20, 50, 10),
    ]
    assert (await asker.ask("POST", "/audiences/active/refresh"))["count"] == 20
    await asker.ask("GET", "/audiences/active/spread/nothing", expect=409)
    await asker.ask("DELETE", "/audiences/active", expect=204)
    await asker.ask("GET", "/audiences/active", expect=404)


async def test_overlap_tells_nothing_of_few(served: Served) -> None:
    """EXT-004, PRV-004."""
    asker = await served.project("overlap")
    for name, query in (("much", "DeFi activity > 10"), ("whales", "CEX VIP level > 4")):
        await asker.ask("PUT", f"/audiences/{name}", {"query": query}, 200 if name == "much" else 409)
    await asker.ask("PUT", "/audiences/some", {"query": "DeFi activity > 20"})
    found = await asker.ask("GET", "/audiences/much/overlap/some")
    assert found == {"first": 20, "second": 10, "both": 10}
    refused = await asker.ask("PUT", "/audiences/near", {"query": "DeFi activity > 12"}, 409)
    assert "fewer than 10 people" in refused["detail"]


async def test_a_project_never_sees_anothers(served: Served) -> None:
    """BIA-005: not even that it is there."""
    mine, other = await served.project("mine"), await served.project("theirs")
    await mine.ask("PUT", "/audiences/secret", {"query": "DeFi activity"})
    experiment = {
        "project": "mine",
        "name": "banner",
        "variants": {"a": 1, "b": 1},
        "control": "a",
        "measures": [{"name": "swaps", "deed": SWAP}],
    }
    await mine.ask("PUT", "/experiments/banner", experiment)
    campaign = {"campaign": {"project": "mine", "name": "drop", "conversion": MINT}, "audience": "secret"}
    await mine.ask("PUT", "/campaigns/drop", campaign)
    for method, path in (
        ("GET", "/audiences/secret"),
        ("GET", "/audiences/secret/people"),
        ("GET", "/audiences/secret/export"),
        ("GET", "/audiences/secret/spread/defi_activity"),
        ("GET", "/audiences/secret/overlap/secret"),
        ("POST", "/audiences/secret/refresh"),
        ("DELETE", "/audiences/secret"),
        ("GET", "/experiments/banner/reading"),
        ("GET", "/experiments/banner/variants/1"),
        ("GET", "/campaigns/drop/reading"),
        ("GET", "/campaigns/drop/reached"),
        ("POST", "/campaigns/drop/launch"),
    ):
        one = await other.ask(method, path, expect=404)
        none = await other.ask(
            method, path.replace("secret", "nosuch").replace("banner", "nosuch"), expect=404
        )
        assert one["detail"].replace("secret", "").replace("banner", "") == none["detail"].replace(
            "nosuch", ""
        )
    assert await other.ask("GET", "/audiences") == []
    assert await other.ask("GET", "/experiments") == []
    assert await other.ask("GET", "/campaigns") == []
    await other.ask("PUT", "/experiments/banner", experiment, 403)
    assert (await mine.ask("GET", "/audiences/secret"))["count"] == 30


async def test_exports_hold_who_agreed_to_be_named_and_no_formula(served: Served) -> None:
    """EXT-001, EXT-003."""
    asker = await served.project("export")
    await asker.ask("PUT", "/audiences/all", {"query": "DeFi activity PREFER DeFi activity FROM 0 TO 100"})
    rows = list(csv.reader(io.StringIO((await asker.ask("GET", "/audiences/all/export")).decode())))
    assert rows[0] == ["rank", "passport"]
    assert [int(row[1]) for row in rows[1:]] == list(range(30, 0, -1))
    parquet = pq.read_table(io.BytesIO(await asker.ask("GET", "/audiences/all/export?form=parquet")))
    assert parquet["passport"].to_pylist() == [row[1] for row in rows[1:]]
    root = await asker.ask("GET", "/audiences/all/export?form=root&days=3")
    assert root["expiresS"] == NOW + 3 * DAY_S
    for passport, proof in root["proofs"].items():
        node = exports.leaf_of(int(passport), root["expiresS"])
        for sibling in proof:
            node = pair(node, bytes.fromhex(sibling[2:]))
        assert f"0x{node.hex()}" == root["root"]
    await asker.ask("PUT", "/audiences/late", {"query": "DeFi activity > 25"})
    refused = await asker.ask("GET", "/audiences/late/export", expect=409)
    assert "fewer than 10 people who agreed to purpose 'export'" in refused["detail"]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(cell: str) -> None:
    """EXT-002."""
    (row,) = list(csv.reader(io.StringIO(exports.as_csv([cell], []).decode(), newline="")))
    assert row == [f"'{cell}"]
    assert exports.safe("passport 7") == "passport 7"


async def test_sentences_are_read_completed_explained_and_pointed_at(served: Served) -> None:
    """BIA-006."""
    asker = await served.project("words")
    sentence = "users with high DeFi activity AND a CEX VIP Level > 3"
    read = await asker.ask("POST", "/queries/parse", {"query": sentence})
    assert read["canonical"] == "high defi_activity AND cex_vip_level > 3"
    assert "80th percentile" in " ".join(
        (await asker.ask("POST", "/queries/explain", {"query": sentence}))["text"]
    )
    offered = await asker.ask("POST", "/queries/complete", {"query": "high DeFi act"})
    assert offered[0]["text"] == "DeFi activity"
    wrong = await asker.ask("POST", "/queries/run", {"query": "high DeFi activty"}, 422)
    assert (wrong["code"], wrong["start"]) == ("malformed", 5)
    assert "DeFi activity" in wrong["suggestions"]
    for text in HOSTILE:
        refused = await asker.ask("POST", "/queries/run", {"query": text}, 422)
        assert refused["code"] == "malformed"
        await asker.ask("PUT", f"/audiences/{text.replace('/', '')}", {"query": "DeFi activity"}, 422)
    assert await asker.ask("GET", "/audiences") == []


async def test_what_costs_too_much_is_refused_before_it_is_begun(lake_folder: Path) -> None:
    """BIA-003, BIA-004."""
    async with serving(lake_folder, most_cells=100, most_rows=50) as served:
        asker = await served.project("greedy", quota=25)
        await asker.ask("POST", "/queries/run", {"query": "DeFi activity"})
        asked = " AND ".join(f"DeFi activity > {number}" for number in range(3))
        refused = await asker.ask("POST", "/queries/run", {"query": asked}, 422)
        assert refused["code"] == "too_costly"
        assert "at most 100" in refused["detail"]
        refused = await asker.ask("POST", "/cohorts", {"deed": SWAP}, 422)
        assert "at most 50" in refused["detail"]
        spent = (await asker.ask("GET", "/usage"))["spent"]
        assert spent == 1
        for _ in range(24):
            await asker.ask("POST", "/queries/run", {"query": "DeFi activity"})
        over = await asker.ask("POST", "/queries/run", {"query": "DeFi activity"}, 429)
        assert "quota" in over["detail"]


async def test_a_study_that_takes_too_long_is_ended(lake_folder: Path) -> None:
    """BIA-004."""
    async with serving(lake_folder, study_s=0.0) as served:
        asker = await served.project("slow")
        refused = await asker.ask("POST", "/cohorts", {"deed": SWAP}, 422)
        assert (refused["code"], "takes longer than" in refused["detail"]) == ("too_costly", True)


async def test_cohorts_and_funnels_in_tens(served: Served) -> None:
    """COH-001, COH-003, COH-005, CON-001."""
    asker = await served.project("studies")
    (first,) = [one for one in await asker.ask("POST", "/cohorts", {"deed": MINT}) if one["people"]]
    assert first["people"] == 10  # of 18 who agreed
    steps = await asker.ask("POST", "/funnels", {"steps": {"minted": MINT, "swapped": SWAP}})
    assert [(one["name"], one["people"]) for one in steps] == [("minted", 10), ("swapped", 10)]
    wrong = {"deed": {"facts": "calls", "where": {"password": "1"}}}
    assert (await asker.ask("POST", "/cohorts", wrong, 422))["code"] == "malformed"


async def test_a_campaign_from_audience_to_outcome(lake_folder: Path, served: Served) -> None:
    """CMP-001, CMP-005: dealt, launched, read from the chain; it stays as it is but for what it cost."""
    asker = await served.project("shop")
    await asker.ask("PUT", "/audiences/all", {"query": "DeFi activity"})
    one: dict[str, Any] = {"project": "shop", "name": "drop", "conversion": SWAP, "window_days": 1}
    one |= {"holdout_percent": 50}
    await asker.ask("PUT", "/campaigns/drop", {"campaign": one, "audience": "nosuch"}, 404)
    await asker.ask("PUT", "/campaigns/drop", {"campaign": one, "audience": "all"})
    early = await asker.ask("GET", "/campaigns/drop/reading", expect=409)
    assert "fewer than 10 people" in early["detail"]
    dealt = await asker.ask("POST", "/campaigns/drop/launch")
    assert dealt == {"reached": 10, "heldOut": 20}
    reached = await asker.ask("GET", "/campaigns/drop/reached")
    assert 10 <= len(reached) < 30
    assert not set(reached) & {"37", "38", "39", "40"}
    changed = {"campaign": one | {"holdout_percent": 10}, "audience": "all"}
    assert "another name deals anew" in (await asker.ask("PUT", "/campaigns/drop", changed, 409))["detail"]
    await asker.ask("PUT", "/campaigns/drop", {"campaign": one | {"spent": 90.0}, "audience": "all"})
    (kept,) = await asker.ask("GET", "/campaigns")
    assert kept["campaign"]["spent"] == 90.0


async def test_an_experiment_is_met_and_read(served: Served) -> None:
    """EXP-001, EXP-002, CMP-005."""
    asker = await served.project("lab")
    one = {
        "project": "lab",
        "name": "loud",
        "variants": {"plain": 1, "loud": 1},
        "control": "plain",
        "window_days": 7,
        "measures": [{"name": "mints", "deed": MINT, "planned_effect": 1.0}],
    }
    await asker.ask("PUT", "/experiments/loud", one)
    await asker.ask("POST", "/experiments/loud/met", {"met": {"x'; --": NOW}}, 422)
    await asker.ask("POST", "/experiments/loud/met", {"met": {"1": NOW + 1}}, 422)
    met = {str(number): NOW - 9 * DAY_S for number in range(1, 41)}
    await asker.ask("POST", "/experiments/loud/met", {"met": met}, 204)
    assert (await asker.ask("GET", "/experiments/loud/variants/1"))["variant"] in ("plain", "loud")
    read = await asker.ask("GET", "/experiments/loud/reading")
    assert sum(read["people"].values()) in (20, 30)
    assert read["effects"][0]["measure"] == "mints"
    (power,) = await asker.ask("POST", "/experiments/loud/power", {"effects": [0.5]})
    assert power["people"] > 0
    await asker.ask("PUT", "/experiments/loud", one | {"window_days": 3}, 409)


async def test_a_withdrawal_counts_at_once(tmp_path: Path) -> None:
    """AUD-001, PRV-002: in people, exports and what a campaign reaches."""
    lake = fill(tmp_path)
    async with serving(tmp_path) as served:
        asker = await served.project("seconds")
        await asker.ask(
            "PUT", "/audiences/all", {"query": "DeFi activity PREFER DeFi activity FROM 0 TO 100"}
        )
        campaign = {"project": "seconds", "name": "drop", "conversion": SWAP, "holdout_percent": 1}
        await asker.ask("PUT", "/campaigns/drop", {"campaign": campaign, "audience": "all"})
        await asker.ask("POST", "/campaigns/drop/launch")
        reached = await asker.ask("GET", "/campaigns/drop/reached")
        gone = reached[0]
        book = Book(lake)
        book.offset = 10_000
        book.consent(0, gone, given=False)
        told = await asker.ask("GET", "/audiences/all/people?limit=100")
        assert gone not in {one["passport"] for one in told["people"]}
        assert await asker.ask("GET", "/campaigns/drop/reached") == reached[1:]
        exported = (await asker.ask("GET", "/audiences/all/export")).decode().splitlines()
        assert all(line.rpartition(",")[2] != gone for line in exported)


async def test_documents_say_what_each_route_does(served: Served) -> None:
    """GTW-007 of this service: OpenAPI, and its page without scripts."""
    async with served.http.get("/bi/openapi.json") as answer:
        document = json.loads(await answer.text())
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told.get("description"), f"{method} {path} says nothing"
    async with served.http.get("/bi/docs") as answer:
        page = await answer.text()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "/bi/v1/audiences/{name}/export" in page
    assert "<script" not in page
    async with served.http.post("/bi/v1/queries/run", data=b"x" * 300_000) as answer:
        assert answer.status == 413


async def test_many_requests_of_one_client_wait(lake_folder: Path) -> None:
    """GTW-005, here too."""
    async with serving(lake_folder) as served:
        served.bi.requests.rate = Rate(2, 0.001)
        asker = await served.project("busy")
        for _ in range(2):
            await asker.ask("GET", "/usage")
        assert (await asker.ask("GET", "/usage", expect=429))["code"] == "too_many_requests"
