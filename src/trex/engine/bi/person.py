"""What the engine knows of one person, for that person alone (specs/bi.md, PSN)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trex.engine.bi import state
from trex.engine.bi.service import Bi, answered
from trex.engine.lake.catalogue import Dimension, catalogue
from trex.engine.lake.gold import facts_of, newest_s
from trex.engine.lake.lake import Lake
from trex.engine.matching.audience import Reason
from trex.engine.matching.parse import QueryError, parse
from trex.engine.matching.plan import AudienceError
from trex.validators.dimensions import TITLES

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

SHOWN = 50
"""Newest entries of a history on the page."""
MOMENTS = 24
"""Moments at which assets are counted."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person: rows of the lake, as names and values."""

    passport: str
    as_of_s: int
    """Of the newest fact in the lake."""
    dimensions: dict[str, float | None]
    """The five, 0 to 99, by their titles; None where nothing is known."""
    features: list[dict[str, Any]]
    """Id, name, dimension, value, unit, when the newest evidence was seen."""
    badges: list[dict[str, Any]]
    """Policy, name, level, since when."""
    points: list[dict[str, Any]]
    """Season, entries, sum."""
    rewards: list[dict[str, Any]]
    """Epoch, amount, when: what contributions were paid with."""
    history: list[dict[str, Any]]
    """What happened when, newest first."""
    assets: dict[str, list[tuple[int, int]]]
    """By kind of asset: moments in seconds, and how many different ones were held."""
    consents: list[dict[str, Any]]
    """Words as they have reached the engine."""
    interests: list[dict[str, Any]]
    """Likely wants, best first; empty without a model."""


@dataclass(frozen=True, slots=True)
class Matched:
    """An audience that finds a person."""

    project: str
    audience: str
    query: str
    reasons: tuple[Reason, ...]


def known(lake: Lake, passport: str, most: int | None = SHOWN) -> Known:
    """Look a person up (PSN-001).

    Args:
        lake: read.
        passport: whose.
        most: entries of the history; None for all.

    Raises:
        LakeError: the lake cannot be read.
    """
    session = lake.session()
    as_of_s = newest_s(session)
    accounts = facts_of(session, as_of_s).accounts
    mine = sorted(set(accounts.filter(accounts.passport == passport).to_pyarrow()["owner"].to_pylist()))
    features = _features(session, passport)
    values = {one["id"]: one["value"] for one in features}
    return Known(
        passport,
        as_of_s,
        {
            title: values.get(f"dimension_{name}")
            for name, title in zip(Dimension, TITLES.values(), strict=True)
        },
        features,
        _rows(session, _BADGES, passport),
        _rows(session, _POINTS, passport),
        _rows(session, _REWARDS, passport),
        _rows(session, _HISTORY, passport, mine, mine, mine, passport, passport, passport)[:most],
        _assets(session, mine, as_of_s),
        _rows(session, _CONSENTS, passport),
        _rows(session, _INTERESTS, passport),
    )


async def matched(bi: Bi, passport: str) -> list[Matched]:
    """Audiences that projects keep and that find a person, with what each criterion says (PSN-002)."""
    async with bi.database.transaction() as tx:
        rows = (await tx.execute(state.audiences.select())).all()
    found = []
    for row in rows:
        try:
            with answered():
                reasons = bi.audiences.why(parse(row.query), row.project, passport)
        except (AudienceError, QueryError):
            continue  # has no answer as things are now
        except Exception as error:
            if not isinstance(error.__cause__, AudienceError | QueryError):
                raise
            continue
        if reasons is not None:
            found.append(Matched(row.project, row.name, row.query, reasons))
    return found


def _rows(session: "Backend", asked: str, *values: object) -> list[dict[str, Any]]:
    found = session.con.execute(asked, list(values))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _features(session: "Backend", passport: str) -> list[dict[str, Any]]:
    found = []
    for row in _rows(session, _FEATURES, passport):
        one = catalogue().get(row["id"])
        if one is not None:
            told = {"name": one.names[0], "dimension": str(one.dimension), "unit": one.unit}
            found.append(row | told)
    return found


def _assets(session: "Backend", accounts: Sequence[str], as_of_s: int) -> dict[str, list[tuple[int, int]]]:
    held = _rows(session, _HELD, list(accounts))
    if not held:
        return {}
    first = min(one["from_s"] for one in held)
    span = max(1, as_of_s - first)
    moments = [first + span * place // (MOMENTS - 1) for place in range(MOMENTS)]
    found: dict[str, list[tuple[int, int]]] = {}
    for kind in sorted({one["kind"] for one in held}):
        ours = [one for one in held if one["kind"] == kind]
        found[kind] = [
            (
                at,
                sum(
                    1
                    for one in ours
                    if one["from_s"] <= at and (one["until_s"] is None or one["until_s"] > at)
                ),
            )
            for at in moments
        ]
    return found


_FEATURES = """
SELECT feature AS id, value, seen_s FROM gold_features WHERE passport = ? AND window_days = 0 ORDER BY feature
"""
_BADGES = """
SELECT b.policy, coalesce(max(p.name), b.policy) AS name, max(b.level) AS level, max(b.seen_s) AS seen_s
FROM gold_badges b LEFT JOIN silver_policies p USING (policy) WHERE b.passport = ?
GROUP BY b.policy ORDER BY 2
"""
_POINTS = """
SELECT season, count(*) AS entries, sum(amount) AS amount FROM silver_points WHERE passport = ?
GROUP BY season ORDER BY season
"""
_REWARDS = "SELECT epoch, amount, time_s FROM silver_rewards WHERE passport = ? ORDER BY time_s DESC"
_CONSENTS = """
SELECT purpose, project, arg_max(given, (time_s, block_number)) AS given, max(time_s) AS time_s
FROM silver_consents WHERE passport = ? GROUP BY purpose, project ORDER BY purpose, project
"""
_INTERESTS = """
SELECT kind, item, score FROM gold_interests WHERE passport = ? ORDER BY kind, place LIMIT 20
"""
_HELD = """
SELECT DISTINCT kind, asset, token_id, from_s, until_s FROM silver_holdings WHERE list_contains(?, account)
"""
_HISTORY = """
SELECT * FROM (
  SELECT time_s, 'wallet or key ' || way AS what, coalesce(account, key) AS about
  FROM silver_links WHERE passport = ?
  UNION ALL SELECT time_s, 'called ' || coalesce(action, selector, 'a contract'), contract
  FROM silver_calls WHERE list_contains(?, sender)
  UNION ALL SELECT time_s, 'sent ' || kind, asset FROM silver_transfers WHERE list_contains(?, sender)
  UNION ALL SELECT time_s, 'received ' || kind, asset FROM silver_transfers WHERE list_contains(?, recipient)
  UNION ALL SELECT time_s, 'badge granted, level ' || level, policy FROM silver_badges WHERE passport = ?
  UNION ALL SELECT time_s, amount || ' points', 'season ' || season FROM silver_points WHERE passport = ?
  UNION ALL SELECT time_s, 'reward of epoch ' || epoch, amount FROM silver_rewards WHERE passport = ?
) ORDER BY time_s DESC, what, about
"""
