"""State tests, run by the Rust core."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from trex import _core


class Case(Protocol):
    """What came of one case; fields as in `trex._core.StateTestCase`."""

    @property
    def file(self) -> Path: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fork(self) -> str: ...  # noqa: D102
    @property
    def index(self) -> int: ...  # noqa: D102
    @property
    def status(self) -> Literal["passed", "failed", "skipped"]: ...  # noqa: D102
    @property
    def reason(self) -> str | None: ...  # noqa: D102
    @property
    def state_root(self) -> str | None: ...  # noqa: D102


def run_statetests(
    path: Path,
    *,
    fork: str | None = None,
    name: str | None = None,
    trace: bool = False,
    trace_memory: bool = False,
    jobs: int = 0,
) -> Iterator[Case]:
    """Run the state tests in a file or folder; arguments and errors as `trex._core.run_statetests`."""
    return _core.run_statetests(path, fork=fork, name=name, trace=trace, trace_memory=trace_memory, jobs=jobs)
