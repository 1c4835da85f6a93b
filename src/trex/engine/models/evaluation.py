"""How good a model is: what it recommends against what people then used."""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from trex.engine.models.boosted import Boosted
from trex.engine.models.graph_filter import GraphFilter
from trex.engine.models.recommender import Als, Popularity, Recommender, best_of

BATCH = 256
"""People scored at a time by each core: what bounds the memory."""

MODELS: Mapping[str, Callable[[csr_matrix], Recommender]] = {
    "popularity": Popularity,
    "als": Als,
    "graph-filter": GraphFilter,
    "boosted": Boosted,
}
"""Every model by its name, baselines first."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How one model did."""

    model: str
    recall: float
    """Recall@k: share of what somebody then used that stands in their first k; mean over people."""
    ndcg: float
    """NDCG@k: the same, the earlier the better, 1 for an ideal order; mean over people."""
    people: int
    """Over whom it was measured: all with something in the test."""
    fit_s: float
    score_s: float
    """Seconds on the wall: to fit, and to rank for everybody."""


def measure(name: str, train: csr_matrix, test: csr_matrix, k: int) -> Measure:
    """Fit the model `name` and rank for everybody in the test; what they used in training is left out.

    Args:
        name: one of `MODELS`.
        train: who used what, shape (people, items).
        test: what they used afterwards, of the same shape.
        k: length of the list, at least 1.

    Raises:
        KeyError: no such model.
        ValueError: shapes differ, k is out of range, or nobody has anything in the test.
    """
    if train.shape != test.shape or not 1 <= k <= train.shape[1]:
        raise ValueError(f"train {train.shape}, test {test.shape} and k = {k} do not fit")
    started = time.perf_counter()
    model = MODELS[name](train)
    fitted = time.perf_counter()
    people = int(np.count_nonzero(np.diff(test.indptr)))
    if not people:
        raise ValueError("nobody has anything in the test")
    starts = range(0, train.shape[0], BATCH)
    batches = (slice(first, min(first + BATCH, train.shape[0])) for first in starts)
    asked = [rows for rows in batches if test.indptr[rows.stop] > test.indptr[rows.start]]
    # A batch a core: products with sparse matrices use one only.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = list(pool.map(lambda rows: _judged(model, train, test, rows, k), asked))
    done = time.perf_counter()
    recall, ndcg = (sum(one) / people for one in zip(*judged, strict=True))
    return Measure(name, recall, ndcg, people, fitted - started, done - fitted)


def _judged(
    model: Recommender, train: csr_matrix, test: csr_matrix, rows: slice, k: int
) -> tuple[float, float]:
    """Sums of recall and NDCG over the people of `rows`."""
    scored = model.scores(rows)
    scored[train[rows].nonzero()] = -np.inf
    best = best_of(scored, k)
    truth = test[rows]
    hits = np.zeros(best.shape, dtype=bool)
    sizes = np.diff(truth.indptr)
    for row in np.flatnonzero(sizes):
        wanted = truth.indices[truth.indptr[row] : truth.indptr[row + 1]]
        hits[row] = np.isin(best[row], wanted)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)
    asked = sizes > 0
    recall = hits[asked].sum(axis=1) / sizes[asked]
    ndcg = hits[asked] @ discounts / ideal[np.minimum(sizes[asked], k) - 1]
    return float(recall.sum()), float(ndcg.sum())
