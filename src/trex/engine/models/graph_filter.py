"""A linear filter on the graph of people and items, without training by gradient.

A person's row is passed through a low-pass filter on the graph of items (items are near when the same people
use them), and what that blurred is then sharpened, so that the popular does not drown the particular:

    score = a (L + w D^-1/2 V V' D^1/2) exp(-t L)

with `L = N' N`, `N` the adjacency matrix normalised by the square roots of both degrees `D`, and `V` the
leading right singular vectors of `N`. The filter is that of GF-CF (Shen et al., CIKM 2021), the
sharpening that of BSPM (Choi et al., SIGIR 2023) to the fourth order in t. What differs: on `V` the
sharpening of `a L` is exact, number by number; on the rest, whose singular values are small and alike,
it is one number. So no product of `L` with itself is made, and fitting takes a truncated decomposition
and a few sparse products.
"""

from dataclasses import dataclass, replace
from math import factorial
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from sklearn.utils.extmath import randomized_svd

from trex.engine.models.recommender import Popularity, Scores, best_of

Vector: TypeAlias = NDArray[np.float32]

Values = TypeVar("Values", float, NDArray[np.float64])

ORDER = 4
"""Order of the expansion of exp(-t L)."""
RANKS = (32, 64, 128, 256, 448)
TIMES = (0.0, 0.5, 1.0, 1.5, 2.5)
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5)
"""What `select` tries of each setting."""
FOLDS = 3
MANY = 200_000
"""Below so many interactions, `select` holds out thrice, not once."""
SAMPLE = 2_000
"""People by whom `select` judges, at most."""
CANDIDATES = 200
"""Items that `select` ranks for each of them, beside those held out."""
PROBES = 32
"""Random vectors that estimate a trace."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What fits one graph and not another."""

    rank: int
    """Singular vectors kept."""
    time: float
    """t: how long the sharpening acts."""
    weight: float
    """w: of the ideal low-pass filter, beside the linear one."""


class Spectrum:
    """The graph's decomposition, from which filters of any setting follow."""

    def __init__(self, used: csr_matrix, rank: int, seed: int) -> None:
        """Decompose to `rank`, at most the smaller side less one."""
        people, items = np.asarray(used.sum(axis=1)).ravel(), np.asarray(used.sum(axis=0)).ravel()
        by_person, self.by_item = _inverse_root(people), _inverse_root(items)
        self.used = used
        self.normal = csr_matrix(diags_array(by_person) @ used @ diags_array(self.by_item))
        rank = min(rank, min(used.shape) - 1)
        _, singular, right = randomized_svd(self.normal, rank, n_iter=4, random_state=seed)
        self.right = np.ascontiguousarray(right.T, dtype=np.float32)
        """V, shape (items, rank)."""
        self.values = np.square(singular, dtype=np.float64)
        """Of L on V, falling."""
        self.root_item = np.sqrt(items, dtype=np.float32)
        self.trace = float(self.normal.power(2).sum())
        probes = np.random.default_rng(seed).choice([-1.0, 1.0], (used.shape[1], PROBES)).astype(np.float32)
        applied = self.normal.T @ (self.normal @ probes)
        self.trace_of_square = float(np.square(applied, dtype=np.float64).sum() / PROBES)

    def rest(self, rank: int) -> float:
        """Mean value of L beyond `rank`, weighted by itself: where sharpening acts there."""
        kept = self.values[:rank]
        trace = self.trace - kept.sum()
        square = self.trace_of_square - np.square(kept).sum()
        return float(np.clip(square / trace, 0.0, kept[-1])) if trace > 0 else 0.0

    def ideal(self, time: float) -> Scores:
        """V' D^1/2 exp(-t L), transposed: shape (items, rank)."""
        term = self.right * self.root_item[:, None]
        total = term
        for order in range(1, ORDER + 1) if time else ():
            term = self.normal.T @ (self.normal @ term) * np.float32(-time / order)
            total = total + term
        return np.asarray(total, dtype=np.float32)

    def gains(self, settings: Settings) -> tuple[Vector, np.float32]:
        """What sharpening makes of L: on each vector kept, beyond what it makes of the rest; and there."""
        kept = self.values[: settings.rank]
        rest = _sharpened(settings.time, self.rest(settings.rank))
        gains = (kept * (_sharpened(settings.time, kept) - rest)).astype(np.float32)
        return gains, np.float32(rest)


class GraphFilter:
    """The fitted filter."""

    def __init__(self, used: csr_matrix, settings: Settings | None = None, *, seed: int = 1) -> None:
        """Fit to who used what; without settings, those that find best what is held out of it."""
        self.settings = settings or select(used, seed)
        spectrum = Spectrum(used, self.settings.rank, seed)
        rank = spectrum.right.shape[1]
        self.settings = replace(self.settings, rank=rank)
        gains, self.linear = spectrum.gains(self.settings)
        self.used, self.normal = used, spectrum.normal
        weighted = spectrum.right * spectrum.by_item[:, None] * np.float32(self.settings.weight)
        self.into = np.hstack((spectrum.right * gains, weighted))
        self.out = np.hstack((spectrum.right, spectrum.ideal(self.settings.time)))
        self.popular = Popularity(used)

    def scores(self, rows: slice) -> Scores:
        """Score by the filter; somebody without history by popularity."""
        own = self.used[rows]
        scored = np.asarray((own @ self.normal.T).toarray() @ self.normal, dtype=np.float32)
        scored *= self.linear
        scored += np.asarray(own @ self.into) @ self.out.T
        empty = np.diff(own.indptr) == 0
        if empty.any():
            scored[empty] = self.popular.count
        return scored


def select(used: csr_matrix, seed: int) -> Settings:
    """Find settings by a tenth of the interactions, held out: rank and time first, then the weight."""
    ranks = sorted({min(rank, *(side - 1 for side in used.shape)) for rank in RANKS})
    start = Settings(ranks[len(ranks) // 2], 1.0, 0.2)
    folds = FOLDS if used.nnz < MANY else 1
    judges = [_Judge(used, ranks[-1], start, seed + fold) for fold in range(folds)]

    def recall(settings: Settings) -> float:
        return sum(judge.recall(settings) for judge in judges)

    first = max((Settings(rank, time, start.weight) for time in TIMES for rank in ranks), key=recall)
    return max((replace(first, weight=weight) for weight in WEIGHTS), key=recall)


class _Judge:
    """Counts how much of what was held out a setting brings back, on a sample of people."""

    def __init__(self, used: csr_matrix, rank: int, start: Settings, seed: int) -> None:
        kept, held = hold_out(used, seed)
        spectrum = Spectrum(kept, rank, seed)
        people = np.flatnonzero(np.diff(held.indptr))
        if len(people) > SAMPLE:
            people = np.sort(np.random.default_rng(seed).choice(people, SAMPLE, replace=False))
        own = spectrum.used[people]
        self.spectrum, self.ideal = spectrum, {time: spectrum.ideal(time) for time in TIMES}
        self.kept = np.asarray(own @ spectrum.right)
        self.weighted = np.asarray(own @ (spectrum.right * spectrum.by_item[:, None]))
        self.candidates: list[NDArray[np.int32]] = []
        self.linear: list[Vector] = []
        self.truth: list[NDArray[np.bool_]] = []
        for first in range(0, len(people), 256):
            rows = slice(first, first + 256)
            linear = np.asarray((own[rows] @ spectrum.normal.T).toarray() @ spectrum.normal)
            scored = linear + start.weight * (
                self.weighted[rows, : start.rank] @ self.ideal[0.0][:, : start.rank].T
            )
            scored[own[rows].nonzero()] = -np.inf
            count = min(CANDIDATES, scored.shape[1])
            best = best_of(scored, count)
            for row, person in enumerate(people[rows]):
                wanted = held.indices[held.indptr[person] : held.indptr[person + 1]]
                candidates = np.union1d(best[row], wanted)
                self.candidates.append(candidates)
                self.linear.append(linear[row, candidates])
                self.truth.append(np.isin(candidates, wanted))

    def recall(self, settings: Settings) -> float:
        """Recall at 20, of candidates, over the sample."""
        rank = settings.rank
        gains, rest = self.spectrum.gains(settings)
        kept = self.kept[:, :rank] * gains
        weighted = self.weighted[:, :rank] * np.float32(settings.weight)
        right, ideal = self.spectrum.right, self.ideal[settings.time]
        recall = 0.0
        for row, candidates in enumerate(self.candidates):
            scored = rest * self.linear[row]
            scored += right[candidates, :rank] @ kept[row] + ideal[candidates, :rank] @ weighted[row]
            best = np.argsort(-scored, kind="stable")[:20]
            recall += float(self.truth[row][best].sum() / self.truth[row].sum())
        return recall / len(self.candidates)


def hold_out(used: csr_matrix, seed: int) -> tuple[csr_matrix, csr_matrix]:
    """Take a tenth of the interactions out, whichever they are: sparing the rare would favour the popular."""
    pairs = used.tocoo()
    held = np.zeros(pairs.nnz, dtype=bool)
    held[np.random.default_rng(seed).permutation(pairs.nnz)[: max(1, pairs.nnz // 10)]] = True
    kept, away = (
        csr_matrix((pairs.data[which], (pairs.row[which], pairs.col[which])), shape=used.shape)
        for which in (~held, held)
    )
    return kept, away


def _sharpened(time: float, value: Values) -> Values:
    """exp(-t x), to the fourth order."""
    return sum(((-time * value) ** order / factorial(order) for order in range(1, ORDER + 1)), 1 + 0 * value)


def _inverse_root(degrees: NDArray[np.float32]) -> Vector:
    return np.divide(1.0, np.sqrt(degrees), out=np.zeros(len(degrees), np.float32), where=degrees > 0)
