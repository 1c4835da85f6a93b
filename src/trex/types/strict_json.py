"""JSON from strangers, without what JSON leaves to its readers.

Two readers of one text must find the same thing in it, else a signature over the text says one thing to the
signer and another to us. Refused: a key that is there twice, bytes that are not UTF-8, half a surrogate pair,
numbers that a double does not hold, NaN and Infinity, nesting and size beyond a limit (RFC 8259, RFC 7493).
"""

import json
import re
from typing import Any, NoReturn

import rfc8785

MAX_EXACT_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 7493, 2.2)."""

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""Takes a string without an end whole: a scan that gave up on it would start anew at each quote within."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictJsonError(ValueError):
    """The text is not JSON as we take it."""

    def __init__(self, code: str, message: str) -> None:
        """Make an error.

        Args:
            code: stable name: `too_large`, `not_utf8`, `too_deep`, `duplicate_key`, `number`, `surrogate`,
                `not_json`.
            message: what is wrong, for people.
        """
        super().__init__(message)
        self.code = code


def parse_strict_json(text: bytes | str, *, max_bytes: int, max_depth: int = 32) -> Any:
    """Read JSON that has one meaning only.

    Args:
        text: the document, as bytes (UTF-8 without a mark) or as a string.
        max_bytes: longest text to look at, in bytes of UTF-8.
        max_depth: deepest nesting of arrays and objects.

    Raises:
        StrictJsonError: the text is not JSON or leaves something to its reader.
    """
    if len(text) > max_bytes:
        raise StrictJsonError("too_large", f"{len(text)} bytes, at most {max_bytes} are read")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise StrictJsonError("not_utf8", f"not UTF-8 at byte {error.start}") from error
    elif len(_utf8(text)) > max_bytes:
        raise StrictJsonError("too_large", f"more than {max_bytes} bytes")
    _check_depth(text, max_depth)
    try:
        found = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_double,
            parse_constant=_constant,
        )
    except StrictJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise StrictJsonError("not_json", f"not JSON: {error}") from error
    _check_strings(found)
    return found


def canonical_json(value: Any) -> bytes:
    """The one spelling of a value that RFC 8785 allows.

    Raises:
        StrictJsonError: the value has something that JSON or a double cannot hold.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise StrictJsonError("number", f"no canonical form: {error}") from error


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StrictJsonError("surrogate", f"half a surrogate pair at character {error.start}") from error


def _check_depth(text: str, max_depth: int) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                raise StrictJsonError("too_deep", f"nested more than {max_depth} deep")
        elif mark in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise StrictJsonError("duplicate_key", f"key {key[:64]!r} is there twice")
            seen.add(key)
    return found


def _integer(number: str) -> int:
    if len(number) > 17 or abs(int(number)) > MAX_EXACT_INTEGER:
        raise StrictJsonError("number", f"{number[:24]} is beyond what a double holds exactly")
    return int(number)


def _double(number: str) -> float:
    if len(number) > 64:
        raise StrictJsonError("number", f"{number[:24]}... is longer than a double")
    found = float(number)
    if found in (float("inf"), float("-inf")):
        raise StrictJsonError("number", f"{number} is beyond a double")
    return found


def _constant(word: str) -> NoReturn:
    raise StrictJsonError("number", f"{word} is not JSON")


def _check_strings(root: Any) -> None:
    """Half a surrogate pair, written as an escape, is a different byte string in each reader."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _SURROGATE.search(value):
                raise StrictJsonError("surrogate", "half a surrogate pair in a string")
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
