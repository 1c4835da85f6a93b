"""`trex statetest`: Ethereum's state tests through the chain's own EVM and tries."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from trex.chain.statetest import Case, run_statetests

WORDS = {"passed": "pass", "failed": "FAIL", "skipped": "skip"}
"""How a line begins."""


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Answer with a JSON array of cases.")
@click.option("--fork", help="Run only this fork.")
@click.option("--run", "name", metavar="REGEX", help="Run only tests whose name matches.")
@click.option("--trace", is_flag=True, help="Write an EIP-3155 trace to standard error.")
@click.option("--memory", "trace_memory", is_flag=True, help="Trace with memory.")
@click.option("--quiet", "-q", is_flag=True, help="Show failures and the sum only.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Threads; 0 is one per core.")
def statetest(
    path: Path,
    as_json: bool,
    fork: str | None,
    name: str | None,
    trace: bool,
    trace_memory: bool,
    quiet: bool,
    jobs: int,
) -> None:
    """Run Ethereum's state tests in PATH; exit code 1 if one fails.

    PATH is a file, or a folder of files, in the format of ethereum/tests' GeneralStateTests or of
    execution-spec-tests' state_test fixtures.
    """
    started = time.monotonic()
    try:
        cases = run_statetests(
            path, fork=fork, name=name, trace=trace or trace_memory, trace_memory=trace_memory, jobs=jobs
        )
        sum_ = _json(cases) if as_json else _text(cases, quiet)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not as_json:
        click.echo(
            f"{sum_['passed']} passed, {sum_['failed']} failed, {sum_['skipped']} skipped"
            f" in {time.monotonic() - started:.1f} s"
        )
    if sum_["failed"]:
        raise SystemExit(1)
    if not sum_:
        _nothing(path, chosen=fork is not None or name is not None)


def _nothing(path: Path, *, chosen: bool) -> None:
    """Say that no case was found; where none was asked for in particular, that is a failure."""
    if not chosen:
        raise click.ClickException(f"{path}: there is no state test in it")
    click.echo(f"{path}: no case is of that fork and name", err=True)


def _text(cases: Iterable[Case], quiet: bool) -> Counter[str]:
    """Write a line for each case; once more for each failure when they are many."""
    sum_, failures = Counter[str](), []
    for case in cases:
        sum_[case.status] += 1
        line = f"{WORDS[case.status]} {_title(case)}"
        if case.reason:
            line = f"{line}: {case.reason}"
        if case.status == "failed":
            failures.append(line)
        if not quiet or case.status == "failed":
            click.echo(line)
    if failures and not quiet:
        click.echo("\nfailures:")
        for line in failures:
            click.echo(line)
    return sum_


def _title(case: Case) -> str:
    where = f" [{case.fork}/{case.index}]" if case.fork else ""
    return f"{case.file} {case.name}{where}".rstrip()


def _json(cases: Iterable[Case]) -> Counter[str]:
    """Write an array of objects, one a line; names as in geth's, with ours beside them."""
    sum_ = Counter[str]()

    def counted() -> Iterator[dict[str, Any]]:
        for case in cases:
            sum_[case.status] += 1
            yield {
                "name": case.name,
                "pass": case.status == "passed",
                "stateRoot": case.state_root,
                "fork": case.fork,
                **({"error": case.reason} if case.status == "failed" else {}),
                "status": case.status,
                "index": case.index,
                "file": str(case.file),
                "reason": case.reason,
            }

    separator = "["
    for entry in counted():
        click.echo(f"{separator}\n  {orjson.dumps(entry).decode()}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")
    return sum_
