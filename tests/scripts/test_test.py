"""`scripts/test` counts what each runner says it did."""

import subprocess
import sys
from dataclasses import replace
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
        tally.add(program.SUITES[name], line)
    assert (tally.passed, tally.failed, tally.skipped) == (passed, failed, skipped)


def test_run_failing_command_without_counts_is_one_failure(program: ModuleType) -> None:
    command = (sys.executable, "-c", "raise SystemExit(3)")
    suite = replace(program.SUITES["python"], command=command)
    assert program.run("python", suite, long=False).failed == 1


FAILING = """
from pathlib import Path

import pytest

def test_well():
    pass

@pytest.mark.parametrize("word", ["a b", "c"])
def test_first_time_only(word):
    there = Path(__file__).with_name(word)
    if not there.exists():
        there.touch()
        raise ValueError("not there yet")

@pytest.fixture
def broken():
    raise OSError("no such thing")

def test_of_what_is_not_there(broken):
    pass

def test_always():
    print("what it printed")
    assert 1 == 2, "numbers differ"
"""


def test_what_failed_runs_once_more_alone_and_is_told_at_the_end(
    program: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "test_it.py").write_text(FAILING)
    command = (sys.executable, "-m", "pytest", "--tb=short", "-ra", "-n", "1")
    tally = program.run("python", replace(program.SUITES["python"], command=command), long=False)
    assert tally.flaky == ["test_it.py::test_first_time_only[a b]", "test_it.py::test_first_time_only[c]"]
    assert (tally.passed, tally.failed) == (3, 2)
    capfd.readouterr()
    program.tell("python", tally)
    told = capfd.readouterr().out
    assert "python: flaky (failed beside others, passed alone): test_it.py::test_first_time_only[c]" in told
    assert "python: failed: test_it.py::test_always" in told
    assert "python: failed: test_it.py::test_of_what_is_not_there" in told
    assert "AssertionError: numbers differ" in told
    assert "OSError: no such thing" in told
    assert "test_it.py:25: in test_always" in told
    assert "what it printed" not in told, "the traceback's last lines, not what was captured"


def test_many_failures_are_no_accident(program: ModuleType, tmp_path: Path) -> None:
    several = "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_it(n): raise ValueError(n)\n"
    (tmp_path / "test_it.py").write_text(several)
    command = (sys.executable, "-m", "pytest", "-ra", str(tmp_path))
    suite = replace(program.SUITES["python"], command=command, again=("--no-such-option",))
    tally = program.run("python", suite, long=False)
    assert (tally.failed, tally.flaky) == (11, [])


RUST = """
running 3 tests
test tests::well ... ok
test tests::poor - should panic ... ok
test tests::bad ... FAILED

failures:

---- tests::bad stdout ----

thread 'tests::bad' (7) panicked at crates/x/src/lib.rs:9:5:
assertion failed: `1 == 2`

failures:
    tests::bad

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""


def test_words_of_rust_and_contracts(program: ModuleType, tmp_path: Path) -> None:
    """Tests of Rust are named when they are run again; those of contracts are not run again."""
    script = tmp_path / "cargo"
    script.write_text(
        f"import sys\nif len(sys.argv) == 1: print({RUST!r}); sys.exit(101)\n"
        "print(sys.argv[1:])\n"
        "print('test tests::bad ... ok')"
    )
    suite = replace(program.SUITES["rust"], command=(sys.executable, str(script)))
    tally = program.run("rust", suite, long=False)
    assert (tally.flaky, tally.failed, tally.passed) == (["tests::bad"], 0, 3)
    assert tally.words["tests::bad"][-1] == "assertion failed: `1 == 2`"
    forge = program.Tally()
    forge.add(program.SUITES["contracts"], "[FAIL: counterexample: 1 != 2] test_it() (gas: 8)")
    forge.add(program.SUITES["contracts"], "[PASS] test_other() (gas: 8)")
    assert forge.broken == [": counterexample: 1 != 2] test_it()"]


@pytest.mark.parametrize("program_name", ["test", "setup"])
def test_unknown_argument_is_usage_error(program_name: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPTS / program_name, "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr
