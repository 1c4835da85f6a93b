"""A query as JSON: what programs store and send. Means the same as the text (QRY-042)."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from trex.engine.matching.parse import QueryError, parse
from trex.engine.matching.query import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Criterion,
    Expression,
    Has,
    HoldsBadge,
    InLevel,
    Level,
    Not,
    Preference,
    Query,
    Scale,
    canonical,
    number,
)

VERSION = 1
MAX_DEPTH = 32
"""Deepest nesting of a JSON query; the text's own bound is reached before."""


def to_json(query: Query) -> dict[str, Any]:
    """Write a query as JSON values; numbers are decimal text, exact."""
    document: dict[str, Any] = {"version": VERSION}
    if query.where is not None:
        document["where"] = _node(query.where)
    if query.prefer:
        document["prefer"] = [_preference(preference) for preference in query.prefer]
    return document


def from_json(document: object) -> Query:
    """Read what `to_json` writes; whatever the text could not say is refused.

    Raises:
        QueryError: with the path of what is wrong in the reason.
    """
    top = _object(document, "query", {"version"}, {"where", "prefer"})
    if top["version"] != VERSION:
        raise _wrong("query.version", f"{VERSION}")
    where = _expression(top["where"], "where", 0) if "where" in top else None
    wishes = top.get("prefer", [])
    if not isinstance(wishes, list):
        raise _wrong("prefer", "a list")
    query = Query(where, tuple(_wish(wish, f"prefer[{place}]") for place, wish in enumerate(wishes)))
    # One judge of what may be asked: the text's.
    if parse(canonical(query)) != query:
        raise _wrong("query", "what the text form can say")
    return query


def _node(expression: Expression) -> dict[str, Any]:
    match expression:
        case AllOf(parts):
            return {"all": [_node(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [_node(part) for part in parts]}
        case Not(part):
            return {"not": _node(part)}
        case Has(feature, days):
            return {"has": {"feature": feature} | _window(days)}
        case Compare(feature, comparison, value, days):
            asked = {"feature": feature, "is": comparison.value, "value": number(value)}
            return {"compare": asked | _window(days)}
        case InLevel(feature, level, days):
            return {"level": {"feature": feature, "level": level.value} | _window(days)}
        case HoldsBadge(name, level, about):
            badge: dict[str, Any] = {"name": name}
            if level:
                badge["level"] = {"is": level[0].value, "value": level[1]}
            if about:
                badge["about"] = _node(about)
            return {"badge": badge}


def _window(days: int | None) -> dict[str, int]:
    return {} if days is None else {"days": days}


def _preference(preference: Preference) -> dict[str, Any]:
    document: dict[str, Any] = {
        "wish": _node(preference.wish),
        "scale": preference.scale.value,
        "weight": number(preference.weight),
    }
    if preference.bounds:
        document["bounds"] = [number(bound) for bound in preference.bounds]
    if preference.inverted:
        document["inverted"] = True
    return document


def _expression(node: object, path: str, depth: int) -> Expression:
    if depth > MAX_DEPTH:
        raise _wrong(path, f"nested at most {MAX_DEPTH} deep")
    if not isinstance(node, Mapping) or len(node) != 1:
        raise _wrong(path, "an object with one key")
    kind, body = next(iter(node.items()))
    here = f"{path}.{kind}"
    match kind:
        case "all" | "any":
            if not isinstance(body, list) or len(body) < 2:
                raise _wrong(here, "a list of two parts or more")
            parts = tuple(_expression(part, f"{here}[{place}]", depth + 1) for place, part in enumerate(body))
            return AllOf(parts) if kind == "all" else AnyOf(parts)
        case "not":
            return Not(_expression(body, here, depth + 1))
        case "has":
            asked = _object(body, here, {"feature"}, {"days"})
            return Has(_text(asked, "feature", here), _days(asked, here))
        case "compare":
            asked = _object(body, here, {"feature", "is", "value"}, {"days"})
            value = _decimal(asked["value"], f"{here}.value")
            return Compare(_text(asked, "feature", here), _comparison(asked, here), value, _days(asked, here))
        case "level":
            asked = _object(body, here, {"feature", "level"}, {"days"})
            try:
                level = Level(asked["level"])
            except ValueError as error:
                raise _wrong(f"{here}.level", "high, medium or low") from error
            return InLevel(_text(asked, "feature", here), level, _days(asked, here))
        case "badge":
            return _badge(body, here)
        case _:
            raise _wrong(path, "all, any, not, has, compare, level or badge")


def _badge(body: object, path: str) -> HoldsBadge:
    asked = _object(body, path, {"name"}, {"level", "about"})
    name = _text(asked, "name", path)
    if not name.strip() or name != name.strip() or ("'" in name and '"' in name):
        raise _wrong(f"{path}.name", "a name without spaces around it, and one kind of quote at most")
    level = None
    if "level" in asked:
        said = _object(asked["level"], f"{path}.level", {"is", "value"}, set())
        if type(said["value"]) is not int:
            raise _wrong(f"{path}.level.value", "a whole number")
        level = _comparison(said, f"{path}.level"), said["value"]
    about = _expression(asked["about"], f"{path}.about", MAX_DEPTH) if "about" in asked else None
    if about is not None and not isinstance(about, Has | Compare | InLevel):
        raise _wrong(f"{path}.about", "has, compare or level")
    return HoldsBadge(name, level, about)


def _wish(document: object, path: str) -> Preference:
    asked = _object(document, path, {"wish", "scale", "weight"}, {"bounds", "inverted"})
    wish = _expression(asked["wish"], f"{path}.wish", MAX_DEPTH)
    if isinstance(wish, AllOf | AnyOf | Not):
        raise _wrong(f"{path}.wish", "has, compare, level or badge")
    try:
        scale = Scale(asked["scale"])
    except ValueError as error:
        raise _wrong(f"{path}.scale", "binary, scaled or log") from error
    bounds = asked.get("bounds")
    if bounds is not None and (not isinstance(bounds, list) or len(bounds) != 2):
        raise _wrong(f"{path}.bounds", "two decimal numbers as text")
    low_high = tuple(_decimal(bound, f"{path}.bounds") for bound in bounds) if bounds else None
    if not isinstance(inverted := asked.get("inverted", False), bool):
        raise _wrong(f"{path}.inverted", "true or false")
    weight = _decimal(asked["weight"], f"{path}.weight")
    wished: Criterion = wish
    return Preference(wished, scale, low_high, inverted, weight)  # type: ignore[arg-type]


def _object(value: object, path: str, required: set[str], optional: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not required <= value.keys() <= required | optional:
        keys = ", ".join(sorted(required)) + "".join(f" [{key}]" for key in sorted(optional))
        raise _wrong(path, f"an object with {keys}")
    return value


def _text(value: Mapping[str, Any], key: str, path: str) -> str:
    text = value[key]
    if not isinstance(text, str) or not text.isprintable():
        raise _wrong(f"{path}.{key}", "printable text")
    return text


def _days(value: Mapping[str, Any], path: str) -> int | None:
    days = value.get("days")
    if days is not None and (type(days) is not int or days < 1):
        raise _wrong(f"{path}.days", "a whole number above 0")
    return days


def _comparison(value: Mapping[str, Any], path: str) -> Comparison:
    try:
        return Comparison(value["is"])
    except ValueError as error:
        raise _wrong(f"{path}.is", "<, <=, >, >=, = or !=") from error


def _decimal(value: object, path: str) -> Decimal:
    try:
        read = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        read = None
    if read is None or not read.is_finite() or read < 0 or number(read) != value:
        raise _wrong(path, "a decimal number as text, not negative, in its shortest form")
    return read


def _wrong(path: str, expected: str) -> QueryError:
    return QueryError(f"{path}: expected {expected}", 0, 1)
