"""What each person is likely to want: items by recommenders, categories by what they call (MOD-004)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import INTERESTS
from trex.engine.models.evaluation import BATCH, MODELS, measure
from trex.engine.models.learn import Matrix, Used, facts_for_models, matrix, split, used_by
from trex.engine.models.recommender import Recommender, best_of
from trex.engine.models.registry import ModelError, Version, chosen_by, save, snapshot

LENGTH = 20
"""Items of each person's list, and at how many it is judged."""
PEOPLE, ITEMS = 10, 5
"""Fewer are too few to learn from."""
STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""How many calls of everybody's stand beside a person's own, of which the best is taken."""
Row: TypeAlias = dict[str, object]


def fit_interests(lake: Lake) -> Version:
    """Fit every candidate, keep how each did, and write what the best says if it beat popularity.

    Raises:
        ModelError: too few people or items.
    """
    taken = snapshot(lake)
    facts, agreed = facts_for_models(lake.session())
    rows = used_by(facts, agreed)
    whole = matrix(rows)
    if len(whole.people) < PEOPLE or len(whole.items) < ITEMS:
        raise ModelError(
            f"{len(whole.people)} people who agreed and {len(whole.items)} items: "
            f"{PEOPLE} and {ITEMS} are the least to learn from"
        )
    first, later = split(rows)
    if not later:
        raise ModelError("nobody who agreed has used three things: nothing to be judged by")
    train, test = matrix(first, whole).used, matrix(later, whole).used
    k = min(LENGTH, len(whole.items) - 1)
    measures = {}
    for name in MODELS:
        found = measure(name, train, test, k)
        measures[name] = {"recall": found.recall, "ndcg": found.ndcg}
    chosen = chosen_by(measures, "popularity")
    strength, gain = _strength(first, later)
    told: list[Row] = []
    if chosen != "popularity":
        told += _items(MODELS[chosen](whole.used), whole)
    if gain > 0:
        told += categories(rows, strength)
    lake.overwrite(INTERESTS.name, pa.Table.from_pylist(told, schema=INTERESTS.schema))
    shares = shares_of(rows)
    size = (len(whole.people), len(rows))
    return save(
        lake, Version("interests", 0, facts.as_of_s, taken, *size, measures, "popularity", chosen, shares)
    )


def shares_of(rows: Sequence[Used]) -> dict[str, float]:
    """Share of each category among what people used."""
    counts = Counter(row.category or "other" for row in rows)
    return {name: count / len(rows) for name, count in sorted(counts.items())}


def _items(model: Recommender, whole: Matrix) -> list[Row]:
    found: list[Row] = []
    for start in range(0, len(whole.people), BATCH):
        rows = slice(start, min(start + BATCH, len(whole.people)))
        scored = np.array(model.scores(rows))
        scored[whole.used[rows].nonzero()] = -np.inf
        best = best_of(scored, min(LENGTH, len(whole.items)))
        for person, items, values in zip(
            whole.people[rows], best, np.take_along_axis(scored, best, axis=1), strict=True
        ):
            found += [
                _row(person, "item", whole.items[item], float(value), place)
                for place, (item, value) in enumerate(zip(items, values, strict=True), 1)
                if np.isfinite(value)
            ]
    return found


def categories(rows: Sequence[Used], strength: float) -> list[Row]:
    """Each person's share of each category, drawn towards everybody's by `strength` items (Bayes)."""
    counts, shares = _counted(rows), shares_of(rows)
    found: list[Row] = []
    for person, own in counts.items():
        total = sum(own.values()) + strength
        scored = {name: (own[name] + strength * share) / total for name, share in shares.items()}
        ranked = sorted(scored, key=lambda name: (-scored[name], name))
        found += [_row(person, "category", name, scored[name], at) for at, name in enumerate(ranked, 1)]
    return found


def _strength(first: Sequence[Used], later: Sequence[Used]) -> tuple[float, float]:
    """The strength by which later categories were likeliest, and how much likelier than by all's shares."""
    counts, shares = _counted(first), shares_of(first)
    asked = [(row.passport, row.category or "other") for row in later if (row.category or "other") in shares]

    def told(strength: float) -> float:
        return sum(
            log((counts[person][name] + strength * shares[name]) / (sum(counts[person].values()) + strength))
            for person, name in asked
        )

    best = max(STRENGTHS, key=told)
    return best, told(best) - sum(log(shares[name]) for _, name in asked)


def _counted(rows: Sequence[Used]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.passport][row.category or "other"] += 1
    return counts


def _row(passport: str, kind: str, item: str, score: float, place: int) -> Row:
    return {"passport": passport, "kind": kind, "item": item, "score": score, "place": place}
