"""`trex zktls` as its users type it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from trex.node.cli import main

VECTORS = Path(__file__).parents[2] / "vectors/reclaim"
LOCAL = "0x1563915e194d8cfba1943570603f7606a3115508"
DIRECT = str(VECTORS / "claim-direct.json")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["zktls", *arguments], prog_name="trex")
    return result.exit_code, result.output


def test_verify_production_claim_is_consistent_by_default() -> None:
    code, output = run("verify", str(VECTORS / "coingecko-price.json"))
    assert code == 0
    assert output.startswith("consistent: signature and inner consistency only")


def test_verify_json_gives_verdict_signer_values_and_every_reason() -> None:
    options = ("--trust", LOCAL, "--provider", "github-stars", "--binding", "badge:github-stars")
    code, output = run("verify", DIRECT, *options, "--account", "octo", "--at", "1795253700", "--json")
    found = json.loads(output)
    assert (code, found["verdict"], found["extracted"]["stars"], found["value"]["level"]) == (
        0,
        "accepted",
        "12044",
        4,
    )
    assert found["signer"].lower() == LOCAL
    rules = {reason["rule"] for reason in found["reasons"]}
    assert {
        "ZKT-010",
        "ZKT-012",
        "ZKT-013",
        "ZKT-022",
        "ZKT-026",
        "ZKT-031",
        "ZKT-040",
        "ZKT-041",
        "ZKT-042",
        "ZKT-050",
    } <= rules
    assert {reason["outcome"] for reason in found["reasons"]} == {"held"}


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ((DIRECT,), 1, "refused"),
        ((DIRECT, "--trust", LOCAL), 0, "consistent"),
        ((DIRECT, "--trust", LOCAL, "--provider", "github-stars", "--at", "1795253700"), 3, "undecided"),
        ((DIRECT, "--trust", LOCAL, "--provider", "github-stars", "--at", "1900000000"), 1, "refused"),
        ((str(VECTORS / "claim-malicious-injected.json"), "--trust", LOCAL), 1, "refused"),
        ((str(VECTORS / "README.md"),), 1, "refused"),
        (("/dev/null",), 1, "refused"),
    ],
)
def test_verify_exit_code_says_the_verdict(arguments: tuple[str, ...], code: int, word: str) -> None:
    found, output = run("verify", *arguments, "--json")
    assert (found, json.loads(output)["verdict"]) == (code, word)


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-file",),
        (DIRECT, "--trust", "0x12"),
        (DIRECT, "--trust", LOCAL.replace("f", "F", 1)),
        (DIRECT, "--provider", "github"),
        (DIRECT, "--issued-at", "5"),
    ],
)
def test_verify_wrong_command_line_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert run("verify", *arguments)[0] == 2


def test_verify_text_shows_no_control_characters(tmp_path: Path) -> None:
    proof = json.loads(Path(DIRECT).read_text())
    proof["witnesses"] = [{"id": "\u001b[2J\u009b1m\r\u202e", "url": ""}]
    file = tmp_path / "claim.json"
    file.write_text(json.dumps(proof))
    code, output = run("verify", str(file), "--trust", LOCAL)
    assert (code, "\x1b" in output, "\x9b" in output or "\u202e" in output, "\\x1b[2J" in output) == (
        1,
        False,
        False,
        True,
    )


def test_verify_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "claim.json"
    file.write_bytes(b" " * 50_000_000)
    code, output = run("verify", str(file))
    assert (code, "ZKT-001" in output) == (1, True)


def test_providers_lists_each_with_its_sources() -> None:
    code, output = run("providers", "--json")
    found = {provider["id"]: provider for provider in json.loads(output)}
    assert (code, found["github-stars"]["verified"]) == (0, True)
    assert all(provider["sources"] for provider in found.values() if provider["enabled"])
    assert "github-stars" in run("providers")[1]
