"""From what a platform shows to a value that can be compared: counts, amounts, plans, yes or no (ZKT-050)."""

import re
from dataclasses import dataclass
from decimal import Decimal


class NotNormalError(ValueError):
    """The text has no one reading: neither a yes nor a no follows from it."""


_SCALES = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "mn": 10**6,
    "b": 10**9,
    "bn": 10**9,
    "千": 10**3,
    "万": 10**4,
    "萬": 10**4,
    "만": 10**4,
    "亿": 10**8,
    "億": 10**8,
    "억": 10**8,
}
"""What the letters behind an abbreviated number stand for."""

_NUMBER = re.compile(r"([0-9][0-9.,' \u00a0\u202f]{0,40}|[0-9])\s?(\D{0,3})")
_SPACES = re.compile(r"[' \u00a0\u202f]")
_CURRENCY_SIGNS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "₮": "USDT"}
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})


def count(text: str) -> int:
    """Read a number of things: `12044`, `12,044`, `1.2M`, `3 400`, `15.3万`.

    An abbreviated number stands for itself: `1.2M` is 1,200,000. What is a thousands mark in one language
    and a decimal mark in another is not guessed: `1.234` and `1,234K` have no one reading.

    Raises:
        NotNormalError: not a number of things, or not one reading only.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or found[2].strip().casefold() not in _SCALES:
        raise NotNormalError(f"{text[:48]!r} is not a count")
    scale = _SCALES[found[2].strip().casefold()]
    value = _decimal(found[1], whole=scale == 1) * scale
    if value != value.to_integral_value():
        raise NotNormalError(f"{text[:48]!r} is not a whole number")
    return int(value)


def _decimal(digits: str, whole: bool) -> Decimal:
    """Read digits with marks between them; `whole` says that no fraction is expected."""
    text = _SPACES.sub("", digits.strip())
    marks = [mark for mark in text if mark in ".,"]
    if not marks:
        return Decimal(text)
    groups = re.split(r"[.,]", text)
    grouped = all(len(group) == 3 for group in groups[1:]) and 1 <= len(groups[0]) <= 3
    if len(set(marks)) == 1 and len(marks) > 1 and grouped:
        return Decimal("".join(groups))
    if len(marks) == 1:
        if not grouped and not whole:
            return _joined(text, groups)
        if grouped and whole and marks[0] == ",":
            return Decimal("".join(groups))
    elif len(set(marks)) == 2 and marks.count(marks[-1]) == 1 and not whole:
        inner = re.split(r"[.,]", text[: text.rindex(marks[-1])])
        if (
            len(set(marks[:-1])) == 1
            and all(len(group) == 3 for group in inner[1:])
            and 1 <= len(inner[0]) <= 3
        ):
            return _joined(text, ["".join(inner), groups[-1]])
    raise NotNormalError(f"{digits[:48]!r} has no one reading: a mark for thousands or for fractions")


def _joined(text: str, parts: list[str]) -> Decimal:
    if not all(part.isdigit() for part in parts):
        raise NotNormalError(f"{text[:48]!r} is not a number")
    return Decimal(".".join(parts))


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money."""

    value: Decimal
    """In the currency's own unit, not its smallest."""
    currency: str
    """Code, upper case."""


def amount(text: str, currency: str) -> Amount:
    """Read a sum of money: `1234.56`, `$1,234.56`, `1,234.56 USDT`, `1.234,56 €`.

    A bare decimal as programs write it is read as such, `1234.567` too. A sign or code beside the number
    must be that of `currency`.

    Raises:
        NotNormalError: not a sum, not one reading only, or another currency.
    """
    stripped = text.strip()
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,30})?", stripped):
        return Amount(Decimal(stripped), currency)
    found = re.fullmatch(r"([^0-9\s]{0,4})\s?([0-9][0-9.,' \u00a0\u202f]{0,40}?)\s?([^0-9\s]{0,4})", stripped)
    if found is None:
        raise NotNormalError(f"{text[:48]!r} is not a sum")
    for sign in (found[1], found[3]):
        if sign and _CURRENCY_SIGNS.get(sign, sign.upper()) != currency:
            raise NotNormalError(f"{text[:48]!r} is not in {currency}")
    return Amount(_decimal(found[2], whole=False), currency)


def plan(text: str, plans: dict[str, str]) -> str:
    """Read the name of a plan or tier by a provider's table.

    Names are compared without case and outer spaces. One that the table lacks is no plan and no refusal:
    platforms rename plans.

    Raises:
        NotNormalError: the table does not have it.
    """
    known = {name.casefold(): meaning for name, meaning in plans.items()}
    found = known.get(text.strip().casefold())
    if found is None:
        raise NotNormalError(f"{text[:48]!r} is no plan that this provider knows: {', '.join(sorted(plans))}")
    return found


def flag(text: str) -> bool:
    """Read yes or no.

    Raises:
        NotNormalError: neither.
    """
    word = text.strip().casefold()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise NotNormalError(f"{text[:48]!r} is neither true nor false")
