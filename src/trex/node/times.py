"""The clock of commands."""

import time


def now_or(now_s: int | None) -> int:
    """Unix time in seconds: as given, or now."""
    return int(time.time()) if now_s is None else now_s
