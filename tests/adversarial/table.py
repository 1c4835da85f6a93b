"""Write docs/attacks.md from the records: `python -m tests.adversarial.table`."""

import importlib
import sys
from itertools import groupby
from pathlib import Path

from tests.adversarial.guards import ROOT
from tests.adversarial.kit import ATTACKS, Attack

PAGE = ROOT / "docs" / "attacks.md"
HEAD = """# Attacks

Every attack of [tests/adversarial](../tests/adversarial): who attacks, what they would gain, and why it
fails. Each is tried three times: as an honest person, which succeeds; as an attacker, which fails for the
reason named; and as an attacker with exactly the guard's lines cut out of the program, which succeeds. What
"guard" names is the rule of [specs](../specs) and the file whose lines are cut.

This page is written from the records: `python -m tests.adversarial.table`. There are {count} attacks.
"""
COLUMNS = "| attack | who | gains | why it fails | guard |\n|---|---|---|---|---|\n"


def attacks() -> list[Attack]:
    """Every record, by module, in order."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.adversarial.{path.stem}")
    return ATTACKS


def render() -> str:
    """The page."""
    found = sorted(attacks(), key=lambda one: one.module)
    parts = [HEAD.format(count=len(found))]
    for module, group in groupby(found, key=lambda one: one.module):
        told = (sys.modules[module].__doc__ or "").strip()
        parts.append(f"\n## {told.rstrip('.')}\n\n{COLUMNS}")
        for one in group:
            guard = f"{one.guard.rule}, [{Path(one.guard.file).name}](../{one.guard.file})"
            what = f"**{one.name.replace('_', ' ')}**: {one.how}"
            parts.append(
                "| " + " | ".join(map(_cell, (what, one.who, one.gain, one.why))) + f" | {guard} |\n"
            )
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(render())
