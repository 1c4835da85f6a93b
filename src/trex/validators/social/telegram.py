"""Telegram's login: its fields, authenticated under a bot's token (core.telegram.org/widgets/login)."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

FIELDS = frozenset({"id", "first_name", "last_name", "username", "photo_url", "auth_date"})
"""What Telegram signs; anything else was put there by somebody else."""
MAX_AGE_S = 600
"""A login counts for so long."""
CLOCK_SKEW_S = 60


class TelegramError(ValueError):
    """Not a login of this bot's, or not of now."""


@dataclass(frozen=True, slots=True)
class TelegramAccount:
    """Who logged in."""

    id: str
    """Telegram's number of the account."""
    handle: str
    """User name; empty where the account has none."""
    at_s: int
    """When, Unix time in seconds."""


def read_login(fields: Mapping[str, str], bot_token: str, now_s: int) -> TelegramAccount:
    """Check a login (SOC-005).

    Args:
        fields: as the widget gives them, all text.
        bot_token: of the bot that the widget is for.
        now_s: Unix time in seconds.

    Raises:
        TelegramError: it is not signed under that token, or too old.
    """
    told = dict(fields)
    given = told.pop("hash", "")
    if not told.keys() <= FIELDS or not {"id", "auth_date"} <= told.keys():
        raise TelegramError("other fields than Telegram's")
    if any("\n" in value for value in told.values()):
        raise TelegramError("a field with a line break")
    text = "\n".join(f"{name}={told[name]}" for name in sorted(told))
    right = hmac.new(sha256(bot_token.encode()).digest(), text.encode(), sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
        raise TelegramError("not signed by Telegram for this bot")
    if not told["auth_date"].isdecimal() or not told["id"].isdecimal():
        raise TelegramError("a number is expected")
    at_s = int(told["auth_date"])
    if not now_s - MAX_AGE_S <= at_s <= now_s + CLOCK_SKEW_S:
        raise TelegramError("this login is too old")
    return TelegramAccount(told["id"], told.get("username", ""), at_s)
