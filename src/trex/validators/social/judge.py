"""Judges what platforms show: pure, from their answers to observations (SOC-020 to SOC-023)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from trex.badges.observation import Observation
from trex.validators.social.platform import Follows, Posts, value_at


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered to one question."""

    status: int
    """Of HTTP."""
    document: Any
    """JSON; None where there is none."""
    at_s: int
    """When, Unix time in seconds."""


def linked(platform: str, checked_s: int | None, now_s: int) -> Observation:
    """Whether an account is linked, as of when control of it was last shown (SOC-020).

    Args:
        platform: which.
        checked_s: when; None if none is linked here, which another gateway may know better.
        now_s: Unix time in seconds.
    """
    if checked_s is None:
        return Observation(False, now_s, platform, "no account is linked")
    return Observation(True, checked_s, platform, "an account is linked")


def follows(platform: str, rule: Follows, target: str, answer: Answer) -> Observation:
    """Whether somebody follows a target (SOC-021)."""

    def said(value: bool | None, why: str) -> Observation:
        return Observation(value, answer.at_s, platform, why)

    if rule.yes_status and answer.status == rule.yes_status:
        return said(True, f"follows {target}")
    if rule.no_status and answer.status == rule.no_status:
        return said(False, f"does not follow {target}")
    found = value_at(answer.document, rule.list) if answer.status == 200 and not rule.yes_status else None
    if not isinstance(found, list):
        return said(None, f"answered {answer.status}")
    held = any(str(value_at(one, rule.field)) == target for one in found) if rule.field else bool(found)
    return said(held, f"{'follows' if held else 'does not follow'} {target}")


def next_page(rule: Posts, answer: Answer) -> str:
    """Return what names the page that follows; empty if none does, or pages are not followed."""
    more = value_at(answer.document, rule.more) if rule.more and rule.page and answer.status == 200 else None
    return str(more) if type(more) in (str, int) else ""


def posts(platform: str, rule: Posts, asked: Mapping[str, Any], pages: Sequence[Answer]) -> Observation:
    """How many posts within a time have a tag and a text (SOC-022).

    Args:
        platform: which.
        rule: where it lists them.
        asked: parameters of the check.
        pages: of the list, in order, at least one.
    """
    seen, last = list[Any](), pages[-1]
    for page in pages:
        found = value_at(page.document, rule.list)
        if page.status == 200 and found is None:
            found = []
        if page.status != 200 or not isinstance(found, list):
            return Observation(None, page.at_s, platform, f"answered {page.status}")
        seen += found
    if rule.more and value_at(last.document, rule.more) is not None:
        return Observation(None, last.at_s, platform, "more posts than are listed")
    count = sum(_counts(rule, asked, one, last.at_s) for one in seen)
    return Observation(Decimal(count), last.at_s, platform, f"{count} of {len(seen)} posts")


def _counts(rule: Posts, asked: Mapping[str, Any], post: Any, now_s: int) -> bool:
    text, time = value_at(post, rule.text), value_at(post, rule.time)
    if not isinstance(text, str) or not isinstance(time, str):
        return False
    try:
        told = datetime.fromisoformat(time)
        at_s = (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return False
    if not asked["fromS"] <= at_s < asked.get("untilS", now_s + 1):
        return False
    tags = {found.casefold() for found in re.findall(r"#(\w{1,64})", text)}
    if "tag" in asked and asked["tag"].casefold() not in tags:
        return False
    return asked.get("contains", "").casefold() in text.casefold()
