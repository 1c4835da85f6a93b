"""What a project may be told about groups of people: nothing about few (specs/matching.md, PRV)."""

LEAST = 10
"""K: fewer people than this are told of as nobody."""


def shown(count: int) -> int:
    """Return a count as a project is told it: 0 below `LEAST`, else rounded down to a multiple (PRV-001).

    So one person more or less seldom shows in a count, and nobody can tell few from none.
    """
    return count // LEAST * LEAST


def in_words(count: int) -> str:
    """Say a count of people for people to read (PRV-001)."""
    told = shown(count)
    return f"{told:,} or more" if told else f"fewer than {LEAST}"
