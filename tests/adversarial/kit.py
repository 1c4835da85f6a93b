"""What an attack is: a record, and one function that is tried three times.

Tried as an honest person it succeeds; as an attacker it fails for the reason named; as an attacker once more,
with exactly the guard's lines taken out of the program, it succeeds. A guard that does nothing is found out.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from tests.adversarial.guards import Guard, removed_from_python


class Phase(StrEnum):
    """One of the three tries."""

    HONEST = "honest"
    ATTACK = "attack"
    UNGUARDED = "unguarded"


class Refused(Exception):  # noqa: N818 - an outcome of the program under attack, not a fault
    """What was tried was not let through: by a revert of that name, or by an answer that says so."""


@dataclass(frozen=True)
class Attack:
    """One attack, for the table of docs/attacks.md."""

    name: str
    """The test function's, without `test_`."""
    how: str
    """Its docstring."""
    who: str
    """Who attacks."""
    gain: str
    """What they would have of it."""
    why: str
    """Why it fails."""
    guard: Guard
    """The lines that stop it."""
    refusal: str
    """Part of what is said when it fails."""
    module: str
    """Where it is."""


ATTACKS: list[Attack] = []
"""Every attack of the modules imported so far, in order."""


def attack(*, who: str, gain: str, why: str, guard: Guard, refusal: str) -> Callable[[Any], Any]:
    """Make a test of three tries out of a function `(worlds..., honest: bool)`.

    The function returns when what it tried has worked, gain and all, and raises when it was stopped. Worlds
    are fixtures, fresh for each try; a chain among them is the one that contracts are weakened on.
    """

    def make(run: Any) -> Any:
        name = run.__name__.removeprefix("test_")
        how = " ".join(run.__doc__.split())
        record = Attack(name, how, who, gain, why, guard, refusal, run.__module__)
        ATTACKS.append(record)
        takes = inspect.signature(run).parameters.values()
        worlds = [
            one.replace(annotation=inspect.Parameter.empty) for one in takes if one.name not in ("honest",)
        ]

        async def tried(phase: Phase, **given: Any) -> None:
            outcome: BaseException | None = None
            with removed_from_python(guard if phase is Phase.UNGUARDED else None):
                if phase is Phase.UNGUARDED and guard.is_contract:
                    given["chain"].weaken(guard)
                try:
                    done = run(**given, honest=phase is Phase.HONEST)
                    if inspect.isawaitable(done):
                        await done
                except AssertionError:
                    raise
                except Exception as stopped:
                    outcome = stopped
            _judge(record, phase, outcome)

        tried.__name__, tried.__doc__, tried.__module__ = run.__name__, run.__doc__, run.__module__
        phase = inspect.Parameter("phase", inspect.Parameter.KEYWORD_ONLY)
        tried.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in worlds), phase]
        )
        return pytest.mark.parametrize("phase", list(Phase), ids=str)(tried)

    return make


def _judge(record: Attack, phase: Phase, outcome: BaseException | None) -> None:
    if phase is not Phase.ATTACK:
        if outcome is not None:
            raise AssertionError(f"{phase}: {_said(outcome)}") from outcome
        return
    assert outcome is not None, "the attack succeeded"
    if record.refusal not in _said(outcome):
        raise AssertionError(f"stopped by {_said(outcome)!r}, not by {record.refusal!r}") from outcome


def _said(outcome: BaseException) -> str:
    return f"{type(outcome).__name__}: {outcome}"
