"""`trex badge` as its users type it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.settlement.anvil_l1 import anvil

from trex.node.cli import main

ROOT = Path(__file__).parents[2]
POLICY = str(ROOT / "vectors/policies/github-maintainer.json")
CLAIM = json.loads((ROOT / "vectors/reclaim/claim-direct.json").read_text())
TRUST = ["0x1563915e194d8cfba1943570603f7606a3115508"]
AT = ("--at", "1795253700")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["badge", *arguments], prog_name="trex")
    return result.exit_code, result.output


def evidence(folder: Path, **parts: Any) -> str:
    file = folder / "evidence.json"
    file.write_text(json.dumps(parts))
    return str(file)


def test_lint_valid_policy_prints_its_hash() -> None:
    code, output = run("lint", POLICY, "--json")
    found = json.loads(output)
    assert (code, found["valid"], len(found["hash"])) == (0, True, 66)
    assert found["hash"] in run("lint", POLICY)[1]


@pytest.mark.parametrize(
    ("provider", "bounds", "validator"),
    [
        ("github-star", {"atLeast": "1"}, "zktls.level"),
        ("gemini-plan", {"atLeast": "1"}, "zktls.level"),
        ("spotify-plan", {"atLeast": "1"}, "zktls.number"),
        ("github-stars", {"oneOf": ["yes"]}, "zktls.word"),
        ("spotify-plan", {"oneOf": ["gold"]}, "zktls.word"),
    ],
)
def test_lint_check_that_no_claim_can_answer_is_refused(
    provider: str, bounds: dict[str, Any], validator: str, tmp_path: Path
) -> None:
    """POL-022."""
    policy = json.loads(Path(POLICY).read_text())
    check = {"validator": validator, "parameters": {"provider": provider}, "is": bounds}
    policy["levels"] = [{"level": 1, "name": "x", "points": 0, "when": {"check": check}}]
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy))
    code, output = run("lint", str(file), "--json")
    assert (code, json.loads(output)["rule"]) == (1, "POL-022")


def test_lint_broken_policy_names_place_and_rule(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"version":1}')
    code, output = run("lint", str(file), "--json")
    assert (code, json.loads(output)["rule"]) == (1, "POL-003")
    assert run("explain", str(file))[0] == 1


def test_explain_says_every_level_and_check() -> None:
    code, output = run("explain", str(ROOT / "vectors/policies/digital-life.json"))
    assert code == 0
    assert "at least 2 of 3:" in output
    assert "zktls.number (provider steam-game-count) is at least 500" in output
    code, output = run("explain", POLICY, "--json")
    assert [check["validator"] for check in json.loads(output)["checks"]] == ["zktls.level", "zktls.number"]


def test_dry_run_with_a_claim_grants_its_level(tmp_path: Path) -> None:
    claim = {"provider": "github-stars", "proof": CLAIM, "binding": "badge:github-stars", "account": "octo"}
    code, output = run("dry-run", POLICY, evidence(tmp_path, claims=[claim], trust=TRUST), *AT, "--json")
    found = json.loads(output)
    assert (code, found["outcome"], found["level"], found["points"]) == (0, "granted", 2, 200)
    assert found["expiresAtS"] == 1795253700 + 31536000


def test_dry_run_with_a_refused_claim_is_undecided(tmp_path: Path) -> None:
    """POL-021: what does not count proves nothing, not the opposite either."""
    claim = {"provider": "github-stars", "proof": CLAIM, "binding": "another", "account": "octo"}
    file = evidence(tmp_path, claims=[claim], trust=TRUST)
    code, output = run("dry-run", POLICY, file, *AT, "--json")
    assert (code, json.loads(output)["outcome"]) == (3, "undecided")
    assert "contextMessage" in run("dry-run", POLICY, file, *AT)[1]


def test_dry_run_with_observations_decides(tmp_path: Path) -> None:
    def observation(validator: str, value: str) -> dict[str, Any]:
        return {
            "validator": validator,
            "parameters": {"provider": "github-stars"},
            "value": value,
            "observedAtS": 1795253700,
            "source": "test",
        }

    for number, level, code in (("5000", 2, 0), ("50", 1, 0), ("1", 0, 1)):
        facts = [observation("zktls.level", str(level)), observation("zktls.number", number)]
        found, output = run("dry-run", POLICY, evidence(tmp_path, observations=facts), *AT, "--json")
        assert (found, json.loads(output)["level"]) == (code, level)


@pytest.mark.parametrize(
    "parts",
    [
        {"observation": []},
        {"observations": [{"validator": "zktls.level"}]},
        {
            "observations": [
                {"validator": "x", "parameters": {}, "value": "1", "observedAtS": 1, "source": "s"}
            ]
        },
        {
            "observations": [
                {"validator": "zktls.level", "parameters": {}, "value": 1, "observedAtS": 1, "source": "s"}
            ]
        },
        {"claims": [{"provider": "none", "proof": {}}]},
        {"trust": ["0x12"]},
        {"observations": 5},
    ],
)
def test_dry_run_evidence_that_is_none_is_refused(parts: dict[str, Any], tmp_path: Path) -> None:
    code, output = run("dry-run", POLICY, evidence(tmp_path, **parts))
    assert (code, "not an evidence file" in output) == (1, True)


async def test_dry_run_asks_a_chain_about_wallets(tmp_path: Path) -> None:
    """A node that runs is asked; one that does not leaves the check undecided."""
    file = tmp_path / "policy.json"
    check = {
        "validator": "token.balance",
        "parameters": {"chain": 31337, "token": "native"},
        "is": {"atLeast": "20000"},
    }
    levels = [{"level": 1, "name": "Rich", "points": 1, "when": {"check": check}}]
    file.write_text(json.dumps({"version": 1, "name": "x", "evidenceClass": "public", "levels": levels}))
    alice, bob = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
    async with anvil() as node:
        asked = ("--rpc", f"31337={node.url}", "--confirmations", "0", "--json")
        for wallets, word, code in (((alice, bob), "granted", 0), ((alice, alice), "refused", 1)):
            options = [option for wallet in wallets for option in ("--wallet", wallet)]
            found, output = await asyncio.to_thread(run, "dry-run", str(file), *options, *asked)
            assert (found, json.loads(output)["outcome"]) == (code, word)
    found, output = await asyncio.to_thread(run, "dry-run", str(file), "--wallet", alice, *asked)
    assert (found, json.loads(output)["outcome"]) == (3, "undecided")
    assert run("dry-run", str(file))[0] == 3
    for wrong in (("--rpc", "x"), ("--rpc", "1=ftp://x"), ("--rpc", "1=http://x", "--wallet", "0x1")):
        assert run("dry-run", str(file), *wrong)[0] == 2
