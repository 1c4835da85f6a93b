"""`trex statetest` from the outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trex.node.cli import main

VECTORS = Path(__file__).parents[2] / "vectors/statetests"
LOAD = VECTORS / "public/basic_tload_works.json"


def statetest(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["statetest", *map(str, arguments)])


def test_statetest_vectors_pass() -> None:
    result = statetest(VECTORS)
    assert result.exit_code == 0, result.output[-2000:]
    *lines, sum_ = result.stdout.splitlines()
    assert " 0 failed, 1 skipped in " in sum_
    assert {line.split()[0] for line in lines} == {"pass", "skip"}
    [skipped] = [line for line in lines if line.startswith("skip")]
    assert skipped.endswith("[Metropolis/0]: fork Metropolis is not known")


def test_statetest_json_has_one_object_a_case() -> None:
    result = statetest(LOAD, "--json")
    assert result.exit_code == 0
    cases = json.loads(result.stdout)
    assert [case["fork"] for case in cases] == ["Cancun", "Prague"]
    assert all(case["pass"] and case["stateRoot"].startswith("0x0d4165d5") for case in cases)
    assert json.loads(statetest(LOAD, "--json", "--run", "no such test").stdout) == []


def test_statetest_wrong_root_exits_1_with_reason(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(LOAD.read_text().replace("0x0d4165d5", "0x1d4165d5"))
    result = statetest(tmp_path)
    assert result.exit_code == 1
    assert "0 passed, 2 failed, 0 skipped" in result.stdout
    assert "[Cancun/0]: post state root is 0x0d4165d5" in result.stdout
    answer = statetest(tmp_path, "--json", "--fork", "prague")
    assert answer.exit_code == 1
    [case] = json.loads(answer.stdout)
    assert not case["pass"]
    assert "want 0x1d4165d5" in case["error"]


def test_statetest_trace_has_what_the_standard_asks_for() -> None:
    """ST-011: the fields that EIP-3155 requires, and its summary."""
    command = [sys.executable, "-c", "from trex.node.cli import main; main()", "statetest", "--trace"]
    done = subprocess.run([*command, "--fork", "Cancun", str(LOAD)], capture_output=True, check=True)
    *lines, summary = [json.loads(line) for line in done.stderr.splitlines()]
    steps = [line for line in lines if "pc" in line]
    required = {"pc", "op", "gas", "gasCost", "memSize", "stack", "depth", "returnData", "refund"}
    assert steps
    assert all(required <= step.keys() for step in steps)
    assert summary.keys() == {"stateRoot", "output", "gasUsed", "pass"}
    assert summary["stateRoot"].startswith("0x0d4165d5")
    assert summary["pass"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fork", "Fronteer"), 'fork "Fronteer" is not known; there are Frontier, '),
        (("--run", "("), "not a regular expression"),
    ],
)
def test_statetest_wrong_option_is_named(arguments: tuple[str, ...], message: str) -> None:
    result = statetest(LOAD, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr


def test_statetest_path_without_tests_is_no_success(tmp_path: Path) -> None:
    """A wrong path must not look like a suite that passed; a choice that fits nothing is said, no more."""
    (tmp_path / "readme.txt").write_text("no JSON")
    (tmp_path / "empty.json").write_text("{}")
    for path in (tmp_path, tmp_path / "empty.json"):
        result = statetest(path)
        assert result.exit_code == 1
        assert "there is no state test in it" in result.stderr
    result = statetest(LOAD, "--fork", "Frontier")
    assert result.exit_code == 0
    assert "no case is of that fork and name" in result.stderr


def test_statetest_missing_path_is_refused(tmp_path: Path) -> None:
    assert statetest(tmp_path / "nothing.json").exit_code == 2
