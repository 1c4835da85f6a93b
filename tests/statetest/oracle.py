"""geth's `evm statetest` as the one who knows: fills in outcomes, and traces."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

ROOT_IS = re.compile(r"post state root mismatch: got ([0-9a-f]{64})")
LOGS_ARE = re.compile(r"logs hash mismatch: got ([0-9a-f]{64})")


def run(evm: Path, file: Path) -> dict[str, Json]:
    """Run a file of tests with one case each; answers by test name."""
    done = subprocess.run([evm, "statetest", file], capture_output=True, check=True)
    return {str(answer["name"]): answer for answer in json.loads(done.stdout)}


def fill(evm: Path, tests: dict[str, Json], file: Path) -> None:
    """Set root, log hash or expected exception of each test to geth's, and write the file.

    Raises:
        ValueError: geth answers what it should not.
    """
    for _ in range(3):
        file.write_text(json.dumps(tests))
        answers = run(evm, file)
        if all(answer["pass"] for answer in answers.values()):
            return
        for name, answer in answers.items():
            if answer["pass"]:
                continue
            [case] = next(iter(tests[name]["post"].values()))
            error = str(answer["error"])
            if found := ROOT_IS.search(error):
                case["hash"] = "0x" + found[1]
            elif found := LOGS_ARE.search(error):
                case["logs"] = "0x" + found[1]
            elif error.startswith("unexpected error: "):
                case["hash"] = answer["stateRoot"]
                case["expectException"] = error.removeprefix("unexpected error: ")
            else:
                raise ValueError(f"{name}: {error}")
    raise ValueError("geth does not agree with itself")


def trace(evm: Path, file: Path, name: str) -> list[Json]:
    """The trace of one test of a file."""
    done = subprocess.run(
        [evm, "statetest", "--trace", "--run", f"^{re.escape(name)}$", file], capture_output=True, check=True
    )
    return [json.loads(line) for line in done.stderr.splitlines()]
