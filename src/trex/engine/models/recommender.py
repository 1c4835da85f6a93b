"""What every model offers, and the baselines that a model must beat to be used."""

from typing import Protocol, TypeAlias

import numpy as np
from implicit.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

Scores: TypeAlias = NDArray[np.float32]
"""Shape (people, items): higher is likelier; comparable within a row only."""


SPREAD = 16
"""Parts of a row of which the best are looked at first, for each place to be filled."""


def best_of(scored: Scores, k: int) -> NDArray[np.intp]:
    """Return the places of each row's best `k`, best first, of equals the first; shape (people, k).

    A row's `k` best lie at or above the `k`-th best of its parts' greatest values, so few are put in order.
    """
    people, items = scored.shape
    parts = SPREAD * k
    if items <= parts:
        return np.argsort(-scored, axis=1, kind="stable")[:, :k]
    width = items // parts
    greatest = scored[:, : parts * width].reshape(people, parts, width).max(axis=2)
    least = np.partition(greatest, parts - k, axis=1)[:, parts - k]
    found = np.empty((people, k), np.intp)
    for place, (row, bound) in enumerate(zip(scored, least, strict=True)):
        near = np.flatnonzero(row >= bound)
        if len(near) > parts:  # many are equal: no more than the first of them count
            near = np.union1d(np.flatnonzero(row > bound), np.flatnonzero(row == bound)[:k])
        found[place] = near[np.argsort(-row[near], kind="stable")[:k]]
    return found


class Recommender(Protocol):
    """A fitted model."""

    def scores(self, rows: slice) -> Scores:
        """Score every item for the people of `rows`, those they used already included."""
        ...


class Popularity:
    """The same for everybody: how many people used an item."""

    def __init__(self, used: csr_matrix) -> None:
        """Count who used what."""
        self.people = used.shape[0]
        self.count = np.asarray(used.sum(axis=0), dtype=np.float32).ravel()

    def scores(self, rows: slice) -> Scores:
        """Score by count."""
        return np.tile(self.count, (len(range(*rows.indices(self.people))), 1))


class Als:
    """Implicit alternating least squares (Hu, Koren, Volinsky 2008): people and items as short vectors."""

    def __init__(self, used: csr_matrix, *, factors: int = 64, iterations: int = 15, seed: int = 1) -> None:
        """Fit vectors of `factors` numbers; the same seed gives the same vectors."""
        # The library runs its own threads: those of BLAS below them would fight for the same cores.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=factors, iterations=iterations, regularization=0.01, alpha=10.0, random_state=seed
            )
            model.fit(used, show_progress=False)
        self.users, self.items = np.asarray(model.user_factors), np.asarray(model.item_factors)

    def scores(self, rows: slice) -> Scores:
        """Score by inner product."""
        scored: Scores = self.users[rows] @ self.items.T
        return scored
