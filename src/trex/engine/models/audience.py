"""Who is like a group, and whom a new project fits by its text and first users (MOD-005)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.lake import Lake
from trex.engine.models.interests import PEOPLE, shares_of
from trex.engine.models.learn import Matrix, Used, facts_for_models, matrix, used_by
from trex.engine.models.registry import ModelError, Version, chosen_by, save, snapshot, versions
from trex.engine.pipeline.enrich import methods

TOP = 20
"""At how many people it is judged."""
ASKED = 200
"""Items by whose users it is judged, at most: the most used."""
LEAST_USERS = 4
"""Items with fewer users judge nothing."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well somebody fits."""

    passport: str
    score: float
    """0 to 1, within one answer only."""
    reasons: tuple[str, ...]
    """Items shared with the group, rarest first, and categories of the text."""


def alike(whole: Matrix, seeds: Collection[int]) -> NDArray[np.float64]:
    """Mean cosine of everybody to the seeds, items weighing by their rarity."""
    count = np.maximum(np.asarray(whole.used.sum(axis=0)).ravel(), 1)
    weighted = whole.used.multiply(np.log1p(len(whole.people) / count)).tocsr()
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    weighted = weighted.multiply(1 / np.maximum(norms, 1e-12)[:, None]).tocsr()
    middle = np.asarray(weighted[sorted(seeds)].mean(axis=0)).ravel()
    return np.asarray(weighted @ middle)


def fit_audience(lake: Lake) -> Version:
    """Measure look-alikes beside the most active: of an item's users, half are shown and half looked for.

    Raises:
        ModelError: too few people, or no item that enough of them use.
    """
    taken = snapshot(lake)
    facts, agreed = facts_for_models(lake.session())
    rows = used_by(facts, agreed)
    whole = matrix(rows)
    if len(whole.people) < PEOPLE:
        raise ModelError(f"{len(whole.people)} people who agreed: {PEOPLE} are the least to learn from")
    by_item = whole.used.tocsc()
    sizes = np.diff(by_item.indptr)
    asked = [int(item) for item in np.argsort(-sizes, kind="stable")[:ASKED] if sizes[item] >= LEAST_USERS]
    if not asked:
        raise ModelError(f"nothing is used by {LEAST_USERS} people who agreed")
    measures: dict[str, dict[str, float]] = {"activity": {"recall": 0.0}, "look-alike": {"recall": 0.0}}
    for item in asked:
        users = [int(user) for user in by_item.indices[by_item.indptr[item] : by_item.indptr[item + 1]]]
        seeds, wanted = users[::2], users[1::2]
        others = Matrix(whole.people, whole.items, whole.used.copy())
        others.used.data[others.used.indices == item] = 0.0
        active = np.asarray(others.used.sum(axis=1)).ravel()
        for name, scored in (("activity", active), ("look-alike", alike(others, seeds))):
            measures[name]["recall"] += _recall(np.array(scored, float), seeds, wanted) / len(asked)
    chosen = chosen_by(measures, "activity")
    size = (len(whole.people), len(rows))
    shares = shares_of(rows)
    return save(
        lake, Version("audience", 0, facts.as_of_s, taken, *size, measures, "activity", chosen, shares)
    )


def _recall(scored: NDArray[np.float64], seeds: Sequence[int], wanted: Sequence[int]) -> float:
    scored[list(seeds)] = -np.inf
    best = np.argsort(-scored, kind="stable")[:TOP]
    return float(np.isin(best, wanted).sum() / min(len(wanted), TOP))


def audience(lake: Lake, users: Collection[str] = (), description: str = "", most: int = TOP) -> list[Fit]:
    """Who fits a group and a text best, of those who agreed; the group itself is not among them.

    Args:
        lake: read.
        users: passports of the audience, or a new project's first users.
        description: what the project is, in English.
        most: of the answer.

    Raises:
        ModelError: nothing to go by, or the newest version did not beat its baseline (MOD-003).
    """
    every = versions(lake, "audience")
    if not every or not every[-1].is_used:
        raise ModelError("no version of `audience` is in use: `trex engine models fit audience`")
    facts, agreed = facts_for_models(lake.session())
    rows = used_by(facts, agreed)
    whole = matrix(rows)
    seeds = [at for at, person in enumerate(whole.people) if person in set(users)]
    text = categories_of(description)
    if not seeds and not text:
        raise ModelError("none of the users is known, and the description names nothing that is")
    near = alike(whole, seeds) if seeds else np.zeros(len(whole.people))
    likes = _likes(rows, whole, text)
    scored = sum((part / part.max() for part in (near, likes) if part.max() > 0), np.zeros(len(near)))
    scored = scored / max(1.0, float(scored.max()))
    known = set(seeds)
    best = [int(at) for at in np.argsort(-scored, kind="stable") if int(at) not in known and scored[at] > 0]
    return [_fit(whole, at, float(scored[at]), seeds, text) for at in best[:most]]


def categories_of(description: str) -> dict[str, float]:
    """Categories that a text speaks of, by its likeness to what the catalogue and the methods say of them."""
    texts: dict[str, list[str]] = {}
    for action, category in methods().values():
        texts.setdefault(category, [category]).append(action.replace("_", " "))
    for feature in catalogue().values():
        category = feature.id.partition("_")[0]
        if category in texts:
            texts[category] += [feature.meaning, *feature.names]
    if not description.strip():
        return {}
    names = sorted(texts)
    vectors = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit_transform(
        [" ".join(texts[name]) for name in names] + [description]
    )
    near = np.asarray((vectors[:-1] @ vectors[-1].T).todense()).ravel()
    return {name: float(value) for name, value in zip(names, near, strict=True) if value > 0}


def _likes(rows: Sequence[Used], whole: Matrix, text: dict[str, float]) -> NDArray[np.float64]:
    at = {person: number for number, person in enumerate(whole.people)}
    found, count = np.zeros(len(at)), np.zeros(len(at))
    for row in rows:
        found[at[row.passport]] += text.get(row.category, 0.0)
        count[at[row.passport]] += 1
    return np.asarray(found / np.sqrt(np.maximum(count, 1)))


def _fit(whole: Matrix, at: int, score: float, seeds: Sequence[int], text: dict[str, float]) -> Fit:
    own = set(whole.used[at].indices)
    theirs = set(whole.used[sorted(seeds)].indices) if seeds else set()
    count = np.asarray(whole.used.sum(axis=0)).ravel()
    shared = sorted(own & theirs, key=lambda item: (count[item], whole.items[item]))[:5]
    spoken = sorted(text, key=lambda name: (-text[name], name))[:2]
    return Fit(whole.people[at], score, (*(whole.items[item] for item in shared), *spoken))
