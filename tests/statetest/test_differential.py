"""Random state tests against geth: same roots, logs, refusals and traces.

Needs geth's `evm` (`TIER=bench make setup` brings it) on the PATH or
named by `TREX_EVM`. By hand, with other seeds: `TREX_STATETEST_SEED=7 pytest -m long tests/statetest`.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.statetest import oracle
from tests.statetest.generate import FORKS, generate

from trex.chain.statetest import run_statetests

EVM = os.environ.get("TREX_EVM") or shutil.which("evm")
SEED = int(os.environ.get("TREX_STATETEST_SEED", "0"))
TESTS = 300
TRACED = 12

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(EVM is None, reason="geth's evm is not installed: `TIER=bench make setup` brings it"),
]


def trace(file: Path, name: str) -> list[dict[str, Any]]:
    program = "from trex.node.cli import main; main()"
    command = [sys.executable, "-c", program, "statetest", "--trace", "--run", f"^{name}$", str(file)]
    done = subprocess.run(command, capture_output=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def comparable(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A trace but for what ST-011 leaves open, and for what geth leaves out.

    Open is, of an instruction that fails, all but place and gas left.
    """
    out: list[dict[str, Any]] = []
    lines = [
        {"stateRoot": line["stateRoot"]}
        if "stateRoot" in line
        else {field: value for field, value in line.items() if field != "returnData"}
        for line in lines
    ]
    for line, following in zip(lines, [*lines[1:], {}], strict=True):
        if "pc" not in line:
            out.append({**line, "error": "error" in line})
        elif "error" in line:
            out.append({field: line[field] for field in ("pc", "op", "gas", "depth")})
        elif not ("error" in following and following.get("pc") == line["pc"]):
            out.append(line)
    return out


@pytest.mark.parametrize("fork", FORKS)
def test_random_state_tests_agree_with_geth(fork: str, tmp_path: Path) -> None:
    assert EVM is not None
    tests = {f"{fork}-{seed}": generate(seed, fork) for seed in range(SEED, SEED + TESTS)}
    file = tmp_path / f"{fork}.json"
    oracle.fill(Path(EVM), tests, file)
    cases = list(run_statetests(file))
    assert len(cases) == TESTS
    assert [(case.name, case.reason) for case in cases if case.status != "passed"] == []

    refused = {name for name, test in tests.items() if "expectException" in test["post"][fork][0]}
    assert len(refused) < TESTS / 2
    for name in random.Random(SEED).sample(sorted(tests.keys() - refused), TRACED):
        theirs, ours = oracle.trace(Path(EVM), file, name), trace(file, name)
        assert comparable(ours) == comparable(theirs), name
