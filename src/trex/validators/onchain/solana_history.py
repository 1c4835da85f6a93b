"""What Solana wallets had of SOL or a token over time, by the transactions that changed it (ONC-041)."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from solders.pubkey import Pubkey
from solders.token.associated import get_associated_token_address

from trex.validators.onchain.solana import (
    FINAL,
    Held,
    Holdings,
    SolanaEvidence,
    SolanaSource,
    collect_holdings,
)
from trex.validators.onchain.source import SourceError
from trex.validators.onchain.token import Sample

PAGE = 1_000
"""Most transactions that a node lists at once."""
MAX_TRANSACTIONS = 2_000
"""Most transactions that are looked at; a busier history is not known (ONC-043)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A transaction that an account is named in."""

    signature: str
    """Names it."""
    slot: int
    """In which it was carried out."""
    timestamp_s: int
    """Unix time of the slot's block."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction did to one account."""

    account: Pubkey
    """Which one."""
    owner: Pubkey
    """Whose token account it is; the account itself for SOL."""
    before: int
    """What the owner had there, in the smallest unit."""
    after: int
    """What they have."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One account after one transaction."""

    slot: int
    """Of the transaction."""
    timestamp_s: int
    """Unix time of it."""
    before: int
    """What it had, in the smallest unit."""
    after: int
    """What it has."""


async def collect_history(
    source: SolanaSource, wallets: Collection[Pubkey], mint: Pubkey | None, history_s: int
) -> SolanaEvidence:
    """Collect what wallets had of a token, or of SOL if `mint` is None, over a time up to now.

    Token accounts that were closed count as well: the associated one, and every one that a transaction names.

    Args:
        source: whom to ask.
        wallets: all that the passport has linked; one that is there twice counts once.
        mint: of the token.
        history_s: how far back to look, in seconds.

    Raises:
        SourceError: the facts cannot be had, or do not add up.
    """
    who = frozenset(wallets)
    holdings = await collect_holdings(source, who, mint)
    if not who:
        return SolanaEvidence(who, holdings.decimals, 0, holdings.slot, (Sample(0, 0, 0),), 0)
    (now_s,) = await source.told([("getBlockTime", [holdings.slot])], _time)
    start_s = now_s - history_s
    has = {held.account: held for held in holdings.accounts}
    accounts, steps = _accounts(who, mint, holdings), dict[Pubkey, list[Moment]]()
    known: dict[str, tuple[Change, ...]] = {}
    while waiting := sorted(accounts - steps.keys(), key=bytes):
        listed = {one: await _listed(source, one, start_s) for one in waiting}
        names = {item.signature for items in listed.values() for item in items} - known.keys()
        if len(known) + len(names) > MAX_TRANSACTIONS:
            raise SourceError("too_much", f"more than {MAX_TRANSACTIONS} transactions")
        known |= await _changes(source, sorted(names), mint, start_s)
        for account, items in listed.items():
            steps[account] = _moments(account, items, known, who)
        if mint is not None:
            accounts |= {one.account for found in known.values() for one in found if one.owner in who}
    for account, moments in steps.items():
        held = has.get(account, Held(account, 0, holdings.slot))
        _check(moments, held)
    history = _history(has, steps, holdings, start_s, now_s)
    return SolanaEvidence(who, holdings.decimals, history[-1].total, holdings.slot, history, now_s)


def _accounts(who: frozenset[Pubkey], mint: Pubkey | None, holdings: Holdings) -> set[Pubkey]:
    """Accounts to begin with."""
    if mint is None:
        return set(who)
    associated = {get_associated_token_address(wallet, mint, holdings.program) for wallet in who}
    return associated | {held.account for held in holdings.accounts}


async def _listed(source: SolanaSource, account: Pubkey, start_s: int) -> list[Listed]:
    """Transactions that name an account, oldest first, since a time."""
    found: list[Listed] = []
    while len(found) <= MAX_TRANSACTIONS:
        options = {**FINAL, "limit": PAGE, **({"before": found[-1].signature} if found else {})}
        (page,) = await source.told(
            [("getSignaturesForAddress", [str(account), options])], _signatures, since_s=start_s
        )
        found += page
        if len(page) < PAGE or page[-1].timestamp_s < start_s:
            break
    return [one for one in reversed(found) if one.timestamp_s >= start_s]


async def _changes(
    source: SolanaSource, names: Sequence[str], mint: Pubkey | None, start_s: int
) -> Mapping[str, tuple[Change, ...]]:
    """What transactions changed, by signature."""
    options = {**FINAL, "encoding": "json", "maxSupportedTransactionVersion": 0}
    requests = [("getTransaction", [name, options]) for name in names]
    found = await source.told(requests, lambda answer: changes_in(answer, mint), since_s=start_s)
    return dict(zip(names, found, strict=True))


def changes_in(answer: Any, mint: Pubkey | None) -> tuple[Change, ...]:
    """Read what a transaction changed: of every token account of a mint, or of SOL if `mint` is None.

    A failed transaction changed nothing but the fee, and says so itself.

    Raises:
        ValueError, KeyError, TypeError, IndexError: the answer is of another form.
    """
    meta, message = answer["meta"], answer["transaction"]["message"]
    loaded = meta.get("loadedAddresses") or {}
    keys = [*message["accountKeys"], *loaded.get("writable", ()), *loaded.get("readonly", ())]
    accounts = [Pubkey.from_string(key) for key in keys]
    if mint is None:
        pairs = zip(accounts, meta["preBalances"], meta["postBalances"], strict=True)
        return tuple(Change(account, account, int(before), int(after)) for account, before, after in pairs)
    amounts: dict[tuple[Pubkey, Pubkey], list[int]] = {}
    for place, entries in enumerate((meta["preTokenBalances"], meta["postTokenBalances"])):
        for entry in entries:
            if entry["mint"] == str(mint):
                named = accounts[entry["accountIndex"]], Pubkey.from_string(entry["owner"])
                amounts.setdefault(named, [0, 0])[place] = int(entry["uiTokenAmount"]["amount"])
    return tuple(Change(account, owner, *both) for (account, owner), both in amounts.items())


def _moments(
    account: Pubkey,
    items: Sequence[Listed],
    known: Mapping[str, tuple[Change, ...]],
    who: frozenset[Pubkey],
) -> list[Moment]:
    """What transactions did to one account, oldest first; what others own there is nothing."""
    found = []
    for item in items:
        ours = [one for one in known[item.signature] if one.account == account and one.owner in who]
        before, after = sum(one.before for one in ours), sum(one.after for one in ours)
        found.append(Moment(item.slot, item.timestamp_s, before, after))
    return found


def _check(moments: Sequence[Moment], held: Held) -> None:
    """Make sure that an account's transactions explain what it has: none is missing (ONC-042)."""
    adds_up = all(first.after == second.before for first, second in pairwise(moments))
    until = [one for one in moments if one.slot <= held.slot]
    if moments:
        adds_up = adds_up and held.amount == (until[-1].after if until else moments[0].before)
    if not adds_up:
        raise SourceError("contradiction", f"transactions of {held.account} do not add up to what it has")


def _history(
    has: Mapping[Pubkey, Held],
    steps: Mapping[Pubkey, Sequence[Moment]],
    holdings: Holdings,
    start_s: int,
    now_s: int,
) -> tuple[Sample, ...]:
    """Totals at the ends of slots, from the beginning of the time looked at to now."""
    opening = 0
    nets, times = defaultdict[int, int](int), dict[int, int]()
    for account in {*has, *steps}:
        moments = steps.get(account, ())
        if moments:
            opening += moments[0].before
        elif account in has:
            opening += has[account].amount
        for one in moments:
            if one.slot > holdings.slot:
                continue  # later than the moment that the rest is of
            nets[one.slot] += one.after - one.before
            times[one.slot] = one.timestamp_s
    samples, total = [Sample(start_s, opening, 0)], opening
    for slot in sorted(nets):
        total += nets[slot]
        samples.append(Sample(min(times[slot], now_s), total, nets[slot]))
    return (*samples, Sample(now_s, total, 0))


def _signatures(answer: Any) -> tuple[Listed, ...]:
    return tuple(Listed(str(one["signature"]), int(one["slot"]), _time(one["blockTime"])) for one in answer)


def _time(answer: Any) -> int:
    if type(answer) is not int:
        raise ValueError("no time")
    return answer
