"""How likely somebody leaves, or is many or a machine, with reasons (MOD-003, MOD-006)."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import orjson
import pyarrow as pa
from ibis import _
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trex.engine.lake.features import DAY_S, Facts
from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import LIKELIHOODS
from trex.engine.models.interests import PEOPLE
from trex.engine.models.learn import facts_for_models
from trex.engine.models.registry import ModelError, Version, chosen_by, save, snapshot

LEAVING_DAYS = 30
"""Who does nothing for so long after a moment has left by it."""
PRESENT_DAYS = 90
"""Asked of those who did something in so many days before it."""
NEARBY = 5
"""So many passports together are a pattern."""
WEIGHTS = {"twins": 0.6, "clockwork": 0.5, "common sink": 0.4, "common funder": 0.2}
"""How likely each sign alone makes it; several together: 1 less the product of what each leaves."""
SEQUENCE = 5
"""Calls in the same order, from the first on, that make twins."""
BEATS = 10
"""Transactions from which on a rhythm is one."""
STEADY = 0.05
"""Deviation of the pauses over their mean, below which no person keeps time."""
DRAINED = 0.9
"""Share of what went out that makes its recipient a sink."""

Row: TypeAlias = dict[str, object]
Times: TypeAlias = Mapping[str, NDArray[np.int64]]
Found: TypeAlias = dict[str, dict[str, str]]
"""Signs and what was seen, by passport."""


@dataclass(frozen=True, slots=True)
class Cases:
    """People at a moment."""

    people: tuple[str, ...]
    told: NDArray[np.float64]
    """Days idle, days since the first, transactions in 7, 30 and 90 days, days active in 30 and 90."""
    left: NDArray[np.bool_]
    """Did nothing in the days after."""


def fit_likelihoods(lake: Lake) -> Version:
    """Fit and judge the model of leaving, look for signs of farms, and write what both say.

    Raises:
        ModelError: too few people, or nobody or everybody left.
    """
    taken = snapshot(lake)
    facts, agreed = facts_for_models(lake.session())
    signs = [
        _row(person, "sybil", likelihood(found), found)
        for person, found in sorted(farms(facts, agreed).items())
    ]
    try:
        version, leaving = _fit_churn(facts, agreed, taken)
    except ModelError:
        lake.overwrite(LIKELIHOODS.name, pa.Table.from_pylist(signs, schema=LIKELIHOODS.schema))
        raise
    lake.overwrite(LIKELIHOODS.name, pa.Table.from_pylist([*leaving, *signs], schema=LIKELIHOODS.schema))
    return save(lake, version)


def _fit_churn(facts: Facts, agreed: set[str], taken: Mapping[str, int]) -> tuple[Version, list[Row]]:
    times = _times(facts, agreed)
    step = LEAVING_DAYS * DAY_S
    train, test = (cases(times, facts.as_of_s - back * step) for back in (2, 1))
    if min(len(train.people), len(test.people)) < PEOPLE:
        raise ModelError(f"{len(train.people)}, {len(test.people)} people present: {PEOPLE} are the least")
    if any(one.left.all() or not one.left.any() for one in (train, test)):
        raise ModelError("nobody left, or everybody did: nothing to learn")
    candidates = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "trees": HistGradientBoostingClassifier(
            max_leaf_nodes=7, min_samples_leaf=5, max_iter=60, random_state=1, early_stopping=False
        ),
    }
    measures = {"idle days": {"auc": float(roc_auc_score(test.left, test.told[:, 0]))}}
    for name, model in candidates.items():
        model.fit(train.told, train.left)
        chance = model.predict_proba(test.told)[:, 1]
        measures[name] = {"auc": float(roc_auc_score(test.left, chance))}
    chosen = chosen_by(measures, "idle days")
    now = cases(times, facts.as_of_s)
    rows: list[Row] = []
    if chosen != "idle days" and now.people:
        model = candidates[chosen].fit(test.told, test.left)
        for person, told, value in zip(
            now.people, now.told, model.predict_proba(now.told)[:, 1], strict=True
        ):
            said = {"idle": f"{told[0]:.0f} days", "active": f"{told[5]:.0f} of 30 days, {told[6]:.0f} of 90"}
            rows.append(_row(person, "churn", float(value), said))
    share = float(test.left.mean())
    shares = {"left": share, "stayed": 1 - share}
    size = (len(test.people), len(train.people) + len(test.people))
    return Version("churn", 0, facts.as_of_s, taken, *size, measures, "idle days", chosen, shares), rows


def cases(times: Times, moment_s: int) -> Cases:
    """People who were present at a moment, what is known of them then, and whether they left."""
    people, told, left = [], [], []
    for person in sorted(times):
        every = times[person]
        before = every[every <= moment_s]
        if not len(before) or moment_s - before[-1] > PRESENT_DAYS * DAY_S:
            continue
        days = (moment_s - before) / DAY_S
        active = [len(np.unique((before // DAY_S)[days <= window])) for window in (30, 90)]
        counts = [float((days <= window).sum()) for window in (7, 30, 90)]
        people.append(person)
        told.append([float(days[-1]), float(days[0]), *counts, *map(float, active)])
        left.append(not ((every > moment_s) & (every <= moment_s + LEAVING_DAYS * DAY_S)).any())
    return Cases(tuple(people), np.array(told, dtype=float).reshape(-1, 7), np.array(left, dtype=bool))


def _times(facts: Facts, agreed: set[str]) -> dict[str, NDArray[np.int64]]:
    rows = facts.own("transactions").select("passport", "time_s").to_pyarrow().to_pylist()
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row["passport"] in agreed:
            found[row["passport"]].append(row["time_s"])
    return {person: np.sort(np.array(own, dtype=np.int64)) for person, own in found.items()}


def farms(facts: Facts, agreed: set[str]) -> Found:
    """Signs that passports belong to one hand or to a machine, of those who agreed."""
    found: Found = defaultdict(dict)
    for person, times in _times(facts, agreed).items():
        pauses = np.diff(times)
        if len(times) >= BEATS and pauses.mean() > 0 and pauses.std() / pauses.mean() < STEADY:
            found[person]["clockwork"] = (
                f"{len(times)} transactions, each {pauses.mean():.0f} s after the other"
            )
    _twins(facts, agreed, found)
    _money(facts, agreed, found)
    return dict(found)


def _twins(facts: Facts, agreed: set[str], found: Found) -> None:
    order = [_.time_s, _.block_number, _.transaction_index]
    calls = facts.own("calls").order_by(order).select("passport", "contract", "selector")
    sequences: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in calls.to_pyarrow().to_pylist():
        if row["passport"] in agreed and len(sequences[row["passport"]]) < SEQUENCE:
            sequences[row["passport"]].append((row["contract"], row["selector"]))
    # One call repeated is what many do; an order of several is what one hand does.
    keys = {
        person: tuple(own) for person, own in sequences.items() if len(own) == SEQUENCE and len(set(own)) > 2
    }
    for person, others in _together(keys):
        found[person]["twins"] = f"the same first {SEQUENCE} calls in the same order as {others} others"


def _money(facts: Facts, agreed: set[str], found: Found) -> None:
    order = [_.time_s, _.block_number, _.transaction_index]
    columns = ("passport", "sender", "recipient", "value")
    own = facts.accounts.to_pyarrow().to_pylist()
    accounts = {row["owner"]: row["passport"] for row in own}
    came = facts.own("transfers", "recipient").filter(_.kind == "native").order_by(order).select(*columns)
    funders: dict[str, str] = {}
    for row in came.to_pyarrow().to_pylist():
        if row["passport"] in agreed and accounts.get(row["sender"]) != row["passport"]:
            funders.setdefault(row["passport"], row["sender"])
    went = facts.own("transfers").filter(_.kind == "native").select(*columns)
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in went.to_pyarrow().to_pylist():
        if row["passport"] in agreed and accounts.get(row["recipient"]) != row["passport"]:
            sums[row["passport"]][row["recipient"]] += row["value"]
    sinks = {}
    for person, out in sums.items():
        most, value = out.most_common(1)[0]
        if value >= DRAINED * sum(out.values()):
            sinks[person] = most
    for sign, keys in (("common funder", funders), ("common sink", sinks)):
        for person, others in _together(keys):
            found[person][sign] = f"{keys[person]}, as {others} others"


def _together(keys: Mapping[str, object]) -> list[tuple[str, int]]:
    """People whose key at least `NEARBY` others share, with how many."""
    sizes = Counter(keys.values())
    return [(person, sizes[key] - 1) for person, key in sorted(keys.items()) if sizes[key] > NEARBY]


def likelihood(signs: Mapping[str, str]) -> float:
    """How likely signs make it, by the published weights."""
    left = 1.0
    for sign in sorted(signs):
        left *= 1 - WEIGHTS[sign]
    return 1 - left


def _row(passport: str, model: str, value: float, reasons: Mapping[str, str] | Sequence[str]) -> Row:
    said = orjson.dumps(reasons, option=orjson.OPT_SORT_KEYS).decode()
    return {"passport": passport, "model": model, "value": value, "reasons": said}
