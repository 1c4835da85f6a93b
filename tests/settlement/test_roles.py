"""`trex batcher` and `trex proposer` when they cannot work: what they say."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from trex.node.cli import main

ROOT = Path(__file__).resolve().parents[2]
KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
WORD = "0x" + "11" * 32
ADDRESS = "0x" + "22" * 20


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A key, and network files: without an L1, and with one that lacks contracts."""
    document = json.loads((ROOT / "networks" / "devnet.json").read_text())
    contracts, hashes = {"portal": ADDRESS}, {"portal": WORD}
    section = {"chainId": 1, "contracts": contracts, "codeHashes": hashes, "accounts": {}}
    made = {
        "plain": document,
        "lacking": {**document, "l1": {**section, "parameters": {}}},
        "broken": {**document, "chainId": "many"},
    }
    found = {}
    for name, content in made.items():
        (tmp_path / name).write_text(json.dumps(content))
        found[name] = str(tmp_path / name)
    for name, text in (("key", KEY), ("no_key", "1234" + KEY[8:] + "zz")):
        (tmp_path / name).write_text(text)
        found[name] = str(tmp_path / name)
    return found


@pytest.mark.parametrize("role", ["batcher", "proposer"])
@pytest.mark.parametrize(
    ("network", "key", "said"),
    [
        ("plain", "key", "has no section l1"),
        ("lacking", "key", "lacks 'inbox'"),
        ("broken", "key", "chainId"),
        ("lacking", "no_key", "not a private key of 32 bytes in hex"),
    ],
)
def test_role_that_cannot_work_says_why(
    files: dict[str, str], role: str, network: str, key: str, said: str
) -> None:
    where = ["--network", files[network], "--key", files[key], "--l1", "http://127.0.0.1:1"]
    result = CliRunner().invoke(main, [role, "run", *where])
    assert result.exit_code == 1
    assert said in result.output
    assert KEY[8:40] not in result.output, "a key is never shown"


def test_numbers_that_make_no_rule_are_refused(files: dict[str, str]) -> None:
    where = ["--network", files["lacking"], "--key", files["key"], "--l1", "http://127.0.0.1:1"]
    for options, said in (
        (("--target-age", "20", "--max-age", "10"), "target age"),
        (("--node", "http://127.0.0.1:1", "--node", "http://127.0.0.1:2"), "one --node"),
    ):
        result = CliRunner().invoke(main, ["batcher", "run", *where, *options])
        assert result.exit_code == 1
        assert said in result.output
    for name, value in (("--max-blobs", "10"), ("--usual-blob-fee", "none"), ("--patience", "0")):
        result = CliRunner().invoke(main, ["batcher", "run", *where, name, value])
        assert result.exit_code == 2
        assert name in result.output
