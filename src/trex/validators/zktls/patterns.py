"""Which values of a response a pattern names.

An attestor runs the patterns of a claim over the response and signs what their named groups caught. What a
verifier must know is which names that can be: a pattern that two regular-expression engines read differently
would let a claimant sign values of its own making. So what is not clear is refused (ZKT-023).
"""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
_JS_OBJECT_NAMES = frozenset(
    [
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
    ]
)
"""Names that every JavaScript object has: an attestor written in it does not store a value under them."""

MAX_PATTERN_CHARS = 16_384
"""Longest pattern that is looked at."""


class UnclearPatternError(ValueError):
    """A pattern that not every engine reads alike."""


def named_groups(pattern: str) -> tuple[str, ...]:
    """Name the groups of a regular expression, as both RE2 and JavaScript read it.

    Raises:
        UnclearPatternError: the engines differ on it, or it names a group twice or as every object does.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise UnclearPatternError(f"{len(pattern)} characters, at most {MAX_PATTERN_CHARS} are read")
    names: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        mark = pattern[at]
        if mark == "\\":
            at += _escape(pattern, at)
        elif in_class:
            if pattern.startswith("[:", at):
                raise UnclearPatternError("a POSIX class")
            in_class = mark != "]"
            at += 1
        elif mark == "[":
            at += 2 if pattern.startswith("[^", at) else 1
            if pattern.startswith("]", at):
                raise UnclearPatternError("a class that begins with its closing bracket")
            in_class = True
        elif mark == "(":
            name, length = _group(pattern, at)
            if name in names:
                raise UnclearPatternError(f"group {name!r} is there twice")
            names += [name] if name else []
            at += length
        else:
            at += 1
    if in_class:
        raise UnclearPatternError("a class without an end")
    return tuple(names)


def _escape(pattern: str, at: int) -> int:
    following = pattern[at + 1 : at + 2]
    if following in ("", "Q", "E", "c"):
        raise UnclearPatternError(f"escape {pattern[at : at + 2]!r}")
    return 2


def _group(pattern: str, at: int) -> tuple[str, int]:
    """The name of the group that opens here, empty if it has none, and the length of what opens it."""
    if not pattern.startswith("(?", at):
        return "", 1
    if pattern.startswith(("(?<=", "(?<!"), at):
        return "", 4
    if pattern.startswith(("(?:", "(?=", "(?!"), at):
        return "", 3
    if not pattern.startswith("(?<", at):
        raise UnclearPatternError(f"group {pattern[at : at + 8]!r}")
    found = _NAME.match(pattern, at + 3)
    if found is None or not pattern.startswith(">", found.end()):
        raise UnclearPatternError(f"group {pattern[at : at + 16]!r}")
    if found[0] in _JS_OBJECT_NAMES:
        raise UnclearPatternError(f"group name {found[0]!r}, which every JavaScript object has")
    return found[0], found.end() + 1 - at


def placeholders(text: str) -> tuple[str, ...]:
    """Names in `{{name}}`, in order, each once."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def substitute(text: str, values: dict[str, str]) -> str:
    """Put values in place of `{{name}}`; a name without a value stays as it is."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
