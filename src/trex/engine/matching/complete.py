"""What may come next while somebody types a query (QRY-043)."""

import re
from dataclasses import dataclass

from lark import Token, UnexpectedInput

from trex.engine.matching.parse import feature_names, grammar

KEYWORDS = {
    "_AND": "AND",
    "_OR": "OR",
    "_NOT": "NOT",
    "LPAR": "(",
    "RPAR": ")",
    "LEVEL": ("high", "medium", "low"),
    "BADGE": "badge",
    "CMP": (">", ">=", "<", "<=", "=", "!="),
    "_BETWEEN": "between",
    "WINDOW": ("in the last 7 days", "in the last 30 days", "in the last 90 days", "in the last 365 days"),
    "_FOR": "for",
    "_PREFER": "PREFER",
    "_AS": "AS",
    "SCALE": ("binary", "scaled", "log"),
    "_FROM": "FROM",
    "_TO": "TO",
    "INVERTED": "INVERTED",
    "_WEIGHT": "WEIGHT",
}
"""What is offered for each token that may follow."""
PARTIAL = re.compile(r"[\w.\-]*$")
"""The word that the cursor stands in."""
MOST = 20
"""Most completions."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One way to go on."""

    text: str
    """What to put in."""
    start: int
    """From this character on, up to the cursor, it replaces what is there."""
    kind: str
    """`feature` or `keyword`."""
    detail: str = ""
    """The feature's meaning."""


def complete(text: str, cursor: int | None = None) -> tuple[Completion, ...]:
    """Offer what may stand at the cursor (default: the end), likeliest first; nothing after a mistake."""
    before = text if cursor is None else text[:cursor]
    typed = PARTIAL.search(before)
    assert typed
    head = before[: typed.start()]
    tokens = _tokens(head)
    if tokens is None:
        return ()
    first = len(tokens)
    while first and tokens[first - 1].type in ("WORD", "BADGE"):
        first -= 1
    offered: list[Completion] = []
    # After a number, a word is its unit.
    if not (first and tokens[first - 1].type == "NUMBER"):
        start = tokens[first].start_pos or 0 if first < len(tokens) else len(head)
        if "WORD" in _accepted(head[:start]):
            offered += _features(before[start:], start)
    accepted = _accepted(head)
    if first < len(tokens):
        # The feature's name is said: `badge` would only make it longer.
        accepted.discard("BADGE")
    keywords = _keywords(accepted, typed[0], len(head))
    return tuple((keywords + offered if typed[0] and first == len(tokens) else offered + keywords)[:MOST])


def _tokens(text: str) -> list[Token] | None:
    """What is written so far; None if it is wrong already."""
    try:
        return list(grammar().parse_interactive(text).iter_parse())
    except UnexpectedInput:
        return None


def _accepted(text: str) -> set[str]:
    parser = grammar().parse_interactive(text)
    try:
        parser.exhaust_lexer()
    except UnexpectedInput:
        return set()
    return set(parser.accepts())  # type: ignore[no-untyped-call]


def _features(typed: str, start: int) -> list[Completion]:
    wanted = " ".join(typed.lower().split())
    found: dict[str, tuple[bool, Completion]] = {}
    for name, feature in feature_names().items():
        if name in (feature.id, wanted) or f" {wanted}" not in f" {name}":
            continue
        shown = next(one for one in feature.names if one.lower() == name)
        found.setdefault(
            feature.id,
            (not name.startswith(wanted), Completion(shown, start, "feature", feature.meaning)),
        )
    return [completion for _, completion in sorted(found.values(), key=lambda one: (one[0], one[1].text))]


def _keywords(accepted: set[str], typed: str, start: int) -> list[Completion]:
    offered = []
    for token, words in KEYWORDS.items():
        if token in accepted:
            for word in (words,) if isinstance(words, str) else words:
                if word.lower().startswith(typed.lower()):
                    offered.append(Completion(word, start, "keyword"))
    return offered
