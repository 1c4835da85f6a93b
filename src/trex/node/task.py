"""`trex task`: tasks that are worth points, checked and explained."""

from pathlib import Path

import click
import orjson

from trex.points.deeds import streak_fault
from trex.points.explain import explain as explanation
from trex.points.task import MAX_TASK_BYTES, Task, TaskError, read_task
from trex.types.primitives import Hash32
from trex.validators.check import check_fault

FILES = click.argument(
    "task_files",
    metavar="TASK...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.group()
def task() -> None:
    """Tasks that are worth points: check and explain them."""


@task.command()
@FILES
@JSON
def lint(task_files: tuple[Path, ...], as_json: bool) -> None:
    """Check every TASK against specs/tasks.md; exit code 1 names the rules broken.

    A streak is checked together with the daily task that its days are of: name both.
    """
    read: dict[Path, Task] = {}
    broken: dict[Path, TaskError] = {}
    for file in task_files:
        try:
            read[file] = _read(file)
        except TaskError as error:
            broken[file] = error
    by_hash = {one.document_hash: one for one in read.values()}
    for file, found in read.items():
        if unmet := _fault(found, by_hash):
            broken[file] = unmet
    said = []
    for file in task_files:
        if fault := broken.get(file):
            verdict = {"valid": False, "path": fault.path, "rule": fault.rule, "reason": fault.reason}
            text = f"{file}: {fault}"
        else:
            hash_ = f"0x{read[file].document_hash.hex()}"
            verdict, text = {"valid": True, "hash": hash_}, f"{file}: valid, {hash_}"
        said.append({"file": str(file), **verdict})
        if not as_json:
            click.echo(text)
    if as_json:
        click.echo(_json(said))
    if broken:
        raise SystemExit(1)


def _fault(found: Task, by_hash: dict[Hash32, Task]) -> TaskError | None:
    if found.streak and (reason := streak_fault(found, by_hash.get(found.streak.of))):
        return TaskError("streak.of", "TSK-016", reason)
    for check in found.policy.checks() if found.policy else ():
        if reason := check_fault(check):
            return TaskError(check.validator, "POL-022", reason)
    return None


@task.command()
@FILES
@JSON
def explain(task_files: tuple[Path, ...], as_json: bool) -> None:
    """Say in words what each TASK asks, and how often it counts."""
    told = []
    for file in task_files:
        try:
            found = _read(file)
        except TaskError as error:
            raise click.ClickException(f"{file}: {error}") from error
        told.append(
            {
                "name": found.name,
                "kind": found.kind.value,
                "hash": f"0x{found.document_hash.hex()}",
                "text": list(explanation(found)),
            }
        )
    if as_json:
        click.echo(_json(told))
        return
    click.echo("\n\n".join("\n".join(one["text"]) for one in told))


def _read(file: Path) -> Task:
    with file.open("rb") as source:
        return read_task(source.read(MAX_TASK_BYTES + 1))


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
