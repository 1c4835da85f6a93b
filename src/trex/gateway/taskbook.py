"""The tasks that this gateway pays for: files of a folder (GTW-080)."""

from collections.abc import Mapping
from pathlib import Path

from trex.points.deeds import streak_fault
from trex.points.task import MAX_TASK_BYTES, Task, TaskError, read_task
from trex.validators.check import check_fault


def load_tasks(folder: Path) -> Mapping[str, Task]:
    """Read every task of a folder, by slug (GTW-080).

    Raises:
        ValueError: one of them is none, asks what nobody answers, or is a streak of nothing here.
    """
    found: dict[str, Task] = {}
    for file in sorted(folder.glob("*.json")):
        with file.open("rb") as source:
            document = source.read(MAX_TASK_BYTES + 1)
        try:
            task = read_task(document)
        except TaskError as error:
            raise ValueError(f"{file.name}: {error}") from error
        for check in task.policy.checks() if task.policy else ():
            if fault := check_fault(check):
                raise ValueError(f"{file.name}: {check.validator}: {fault}")
        found[file.stem] = task
    by_hash = {task.document_hash: task for task in found.values()}
    for slug, task in found.items():
        if task.streak and (fault := streak_fault(task, by_hash.get(task.streak.of))):
            raise ValueError(f"{slug}: {fault}")
    return found
