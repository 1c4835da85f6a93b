import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from trex.node.network import network

ROOT = Path(__file__).resolve().parents[2]
DEVNET = str(ROOT / "networks" / "devnet.json")
HASH = json.loads((ROOT / "vectors" / "network.json").read_text())[0]["hash"]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(network, arguments)
    return result.exit_code, result.output


@pytest.fixture
def broken(tmp_path: Path) -> str:
    document = json.loads(Path(DEVNET).read_text())
    document["parameters"]["maxIdleMs"] = 1
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_hash_prints_the_network_hash() -> None:
    assert run("hash", DEVNET) == (0, f"{HASH}\n")
    assert json.loads(run("hash", "--json", DEVNET)[1]) == {"hash": HASH}


def test_show_tells_the_figures() -> None:
    code, output = run("show", DEVNET)
    assert code == 0
    assert f"hash                 {HASH}\n" in output
    summary = json.loads(run("show", "--json", DEVNET)[1])
    assert (summary["chainId"], summary["blockTimeMs"], summary["name"]) == (1962, 200, "devnet")


def test_lint_valid_file_succeeds() -> None:
    assert run("lint", DEVNET) == (0, f"{DEVNET}: valid\n")
    assert json.loads(run("lint", "--json", DEVNET)[1]) == {"valid": True}


def test_lint_broken_file_names_place_and_rule_and_fails(broken: str) -> None:
    assert run("lint", broken) == (1, f"{broken}: parameters.maxIdleMs: below blockTimeMs, 200 (NET-013)\n")
    code, output = run("lint", "--json", broken)
    assert code == 1
    assert json.loads(output) == {
        "valid": False,
        "path": "parameters.maxIdleMs",
        "rule": "NET-013",
        "reason": "below blockTimeMs, 200",
    }


@pytest.mark.parametrize("command", ["show", "hash"])
def test_show_and_hash_broken_file_fail_with_the_reason(command: str, broken: str) -> None:
    code, output = run(command, broken)
    assert code == 1
    assert "parameters.maxIdleMs" in output
    assert "NET-013" in output
