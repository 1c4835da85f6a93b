"""The records themselves: named once, of rules that there are, and written down."""

from collections import Counter

from tests.adversarial.guards import ROOT
from tests.adversarial.table import PAGE, attacks, render


def test_page_is_what_the_records_say() -> None:
    assert PAGE.read_text() == render(), "run `python -m tests.adversarial.table`"


def test_records_are_sixty_at_least_each_named_once() -> None:
    names = Counter(one.name for one in attacks())
    assert len(names) >= 60
    assert names.most_common(1)[0][1] == 1


def test_guards_keep_rules_of_the_specifications() -> None:
    specs = "".join(path.read_text() for path in (ROOT / "specs").glob("*.md"))
    unknown = {one.guard.rule for one in attacks() if f"**{one.guard.rule}**" not in specs}
    assert not unknown


def test_guards_stand_where_they_are_said_to() -> None:
    """Their lines are there, once; and what stands in their place is something else."""
    for one in attacks():
        text, start, end = one.guard.place()
        assert " ".join(text[start:end].split()) != " ".join(one.guard.instead.split()), one.name
