"""Gradient-boosted ranking on top of the graph filter: its best, in a better order where there is one."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier

from trex.engine.models.graph_filter import GraphFilter, hold_out
from trex.engine.models.recommender import Scores, best_of

CANDIDATES = 100
"""Items of each person that are put in order anew."""
SAMPLE = 2_000
"""People whose held-out interactions it learns from, at most."""


class Boosted:
    """The filter's first `CANDIDATES`, ordered by trees that learned from a tenth held out."""

    def __init__(self, used: csr_matrix, *, seed: int = 1) -> None:
        """Fit filter and trees; where nothing held out is found, the filter's order stays."""
        kept, held = hold_out(used, seed)
        first = GraphFilter(kept, seed=seed)
        people = np.flatnonzero(np.diff(held.indptr))
        if len(people) > SAMPLE:
            people = np.sort(np.random.default_rng(seed).choice(people, SAMPLE, replace=False))
        found: list[NDArray[np.float32]] = []
        right: list[NDArray[np.bool_]] = []
        for person in people:
            rows = slice(int(person), int(person) + 1)
            best, told = _candidates(first, kept, rows)
            wanted = held.indices[held.indptr[person] : held.indptr[person + 1]]
            found.append(told[0])
            right.append(np.isin(best[0], wanted))
        self._trees: HistGradientBoostingClassifier | None = None
        truth = np.concatenate(right) if right else np.zeros(0, bool)
        if 0 < truth.sum() < len(truth):
            self._trees = HistGradientBoostingClassifier(
                max_iter=100, max_leaf_nodes=15, min_samples_leaf=20, random_state=seed, early_stopping=False
            ).fit(np.concatenate(found), truth)
        self.used = used
        self.filter = GraphFilter(used, first.settings, seed=seed)

    def scores(self, rows: slice) -> Scores:
        """Score by the filter; its first ones by the trees, above all others."""
        scored = self.filter.scores(rows)
        if self._trees is None:
            return scored
        best, told = _candidates(self.filter, self.used, rows, scored)
        flat = self._trees.predict_proba(told.reshape(-1, told.shape[2]))[:, 1]
        chance = flat.reshape(best.shape).astype(np.float32)
        # What the trees cannot tell apart stays in the filter's order.
        order = np.argsort(np.argsort(-chance, axis=1, kind="stable"), axis=1).astype(np.float32)
        top = scored.max(axis=1, keepdims=True) + 1
        np.put_along_axis(scored, best, top + (best.shape[1] - order), axis=1)
        return scored


def _candidates(
    model: GraphFilter, used: csr_matrix, rows: slice, scored: Scores | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best unused items of each person, best first, and what is told of each to the trees."""
    own = used[rows]
    open_ = np.array(model.scores(rows) if scored is None else scored)
    open_[own.nonzero()] = -np.inf
    best = best_of(open_, min(CANDIDATES, open_.shape[1]))
    values = np.take_along_axis(open_, best, axis=1)
    values[~np.isfinite(values)] = -1
    top = np.maximum(values[:, :1], 1e-9)
    popular = np.log1p(model.popular.count)[best]
    history = np.log1p(np.diff(own.indptr))[:, None]
    told = np.stack(
        (
            values / top,
            np.broadcast_to(np.log1p(np.arange(best.shape[1])), best.shape),
            popular,
            np.broadcast_to(history, best.shape),
            values / np.exp(popular),
        ),
        axis=2,
    )
    return best, told.astype(np.float32)
