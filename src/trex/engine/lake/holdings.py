"""Holdings: who held what from when until when, from transfers, in whole numbers of any size (LAK-006)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NOBODY = "0x" + "0" * 40
"""Holds nothing: mints come from it, burns go to it."""
Moved = tuple[int, str, str, str | None, int | None, str, str, str]
"""Chain, kind, asset, token, time, sender, recipient, amount: a transfer."""


@dataclass(slots=True)
class _Held:
    amount: int = 0
    from_s: int | None = None


def holdings(moved: Iterable[Moved]) -> Iterator[dict[str, object]]:
    """Follow transfers in their order and say what came of them: rows of `silver.holdings`.

    One row for each time during which an account held something; `until_s` is None while it does. `amount` is
    what was held at the end of it, in the smallest unit; `value` the same as a float.

    A balance below zero is one whose beginning was not read (the history starts late, or a token moves
    without a Transfer): it holds nothing.

    Args:
        moved: of each chain in the order of the chain; native coin is not among them, since fees and what
            contracts send are not transfers.
    """
    held: dict[tuple[str, int, str, str, str | None], _Held] = {}
    for chain, kind, asset, token, time_s, sender, recipient, text in moved:
        amount = int(text)
        if sender == recipient or not amount:
            continue
        for account, change in ((sender, -amount), (recipient, amount)):
            if account == NOBODY:
                continue
            key = (account, chain, kind, asset, token)
            one = held.setdefault(key, _Held())
            before, one.amount = one.amount, one.amount + change
            if before <= 0 < one.amount:
                one.from_s = time_s
            elif one.amount <= 0 < before:
                yield _row(key, before, one.from_s, time_s)
    for key, one in held.items():
        if one.amount > 0:
            yield _row(key, one.amount, one.from_s, None)


def _row(
    key: tuple[str, int, str, str, str | None], amount: int, from_s: int | None, until_s: int | None
) -> dict[str, object]:
    account, chain, kind, asset, token = key
    return {
        "account": account,
        "chain": chain,
        "kind": kind,
        "asset": asset,
        "token_id": token,
        "from_s": from_s,
        "until_s": until_s,
        "amount": str(amount),
        "value": float(amount),
    }
