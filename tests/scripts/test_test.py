"""`scripts/test` counts what each runner says it did."""

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = SourceFileLoader("trex_scripts_test", str(SCRIPTS / "test"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "lines", "passed", "failed", "skipped"),
    [
        (
            "rust",
            [
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out",
                "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            ],
            7,
            2,
            1,
        ),
        (
            "contracts",
            [
                "Suite result: ok. 1 passed; 0 failed; 0 skipped; finished in 539.63µs (205.06µs CPU time)",
                "Ran 2 test suites in 2.91ms: 5 tests passed, 1 failed, 0 skipped (6 total tests)",
            ],
            5,
            1,
            0,
        ),
        ("python", ["=== 1 failed, 5 passed, 2 skipped, 3 deselected, 1 error in 0.85s ==="], 5, 2, 2),
        ("python", ["5 passed in 61.20s (0:01:01)"], 5, 0, 0),
        ("python", ["collected 5 items", "test_a.py::test_3_failed PASSED"], 0, 0, 0),
    ],
)
def test_count_closing_lines(
    program: ModuleType, name: str, lines: list[str], passed: int, failed: int, skipped: int
) -> None:
    tally = program.Tally()
    for line in lines:
        program.count(program.SUITES[name], line, tally)
    assert (tally.passed, tally.failed, tally.skipped) == (passed, failed, skipped)


def test_run_failing_command_without_counts_is_one_failure(program: ModuleType) -> None:
    suite = program.Suite((sys.executable, "-c", "raise SystemExit(3)"), (), program.SUITES["python"].closing)
    assert program.run("python", suite, long=False).failed == 1


@pytest.mark.parametrize("program_name", ["test", "setup"])
def test_unknown_argument_is_usage_error(program_name: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPTS / program_name, "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr
