import json
from collections.abc import Sequence
from math import log2
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

from trex.engine.models import evaluation
from trex.engine.models.evaluation import MODELS, measure
from trex.engine.models.graph_filter import GraphFilter, Settings, Spectrum
from trex.engine.models.recommender import Scores, best_of
from trex.node.cli import main


def matrix(rows: list[list[int]], items: int) -> csr_matrix:
    dense = np.zeros((len(rows), items), dtype=np.float32)
    for row, used in enumerate(rows):
        dense[row, used] = 1.0
    return csr_matrix(dense)


class Fixed:
    """Scores written down beforehand."""

    def __init__(self, scores: Sequence[Sequence[float]]) -> None:
        self.table = np.array(scores, dtype=np.float32)

    def scores(self, rows: slice) -> Scores:
        return self.table[rows].copy()


def test_recall_and_ndcg_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [[9, 8, 7, 6, 5], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]
    monkeypatch.setattr(evaluation, "MODELS", {"fixed": lambda _: Fixed(scores)})
    train = matrix([[0], [], [1]], 5)
    # First: left without 0, ranks 1 2; wants 2 and 4, finds 2 at the second place.
    # Second: ranks 4 3; wants 4, finds it first. Third: wants nothing and is not counted.
    test = matrix([[2, 4], [4], []], 5)
    result = evaluation.measure("fixed", train, test, 2)
    assert result.people == 2
    assert result.recall == pytest.approx((1 / 2 + 1) / 2)
    assert result.ndcg == pytest.approx(((1 / log2(3)) / (1 + 1 / log2(3)) + 1) / 2)


def test_equal_scores_rank_by_place_of_the_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MODELS", {"flat": lambda _: Fixed([[1, 1, 1, 1]])})
    for wanted, ndcg in ((0, 1.0), (1, 1 / log2(3)), (2, 0.0)):
        result = evaluation.measure("flat", matrix([[]], 4), matrix([[wanted]], 4), 2)
        assert result.ndcg == pytest.approx(ndcg)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(5, 400), st.sampled_from([2, 50, 10**6]))
def test_best_are_those_of_a_whole_sort(seed: int, k: int, items: int, kinds: int) -> None:
    """Whether few or most are equal, and with nobody's score beside them."""
    scored = np.random.default_rng(seed).integers(0, kinds, (3, items)).astype(np.float32)
    scored[0, : items - k] = -np.inf
    assert np.array_equal(best_of(scored, k), np.argsort(-scored, axis=1, kind="stable")[:, :k])


@given(st.integers(0, 2**32 - 1))
def test_scores_by_the_whole_spectrum_are_the_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    used = csr_matrix(random_array((14, 11), density=0.4, rng=rng, dtype=np.float32))
    used.data[:] = 1.0
    settings = Settings(rank=10, time=0.8, weight=0.3)
    model = GraphFilter(used, settings)

    dense = used.toarray().astype(np.float64)
    root_people = np.sqrt(np.maximum(dense.sum(1), 1))
    root_items = np.sqrt(np.maximum(dense.sum(0), 1))
    normal = dense / root_people[:, None] / root_items
    laplace = normal.T @ normal
    values, vectors = np.linalg.eigh(laplace)
    kept = vectors[:, np.argsort(values)[::-1][:10]]

    def sharpened(values: np.ndarray) -> np.ndarray:
        return 1 - 0.8 * values + (0.8 * values) ** 2 / 2 - (0.8 * values) ** 3 / 6 + (0.8 * values) ** 4 / 24

    filtered = vectors @ np.diag(values * sharpened(values)) @ vectors.T
    ideal = np.diag(1 / root_items) @ kept @ kept.T @ np.diag(np.sqrt(dense.sum(0)))
    expected = dense @ (filtered + 0.3 * ideal @ vectors @ np.diag(sharpened(values)) @ vectors.T)
    # One vector of eleven is left to the one number that stands for the rest.
    gap = np.abs(sharpened(np.sort(values)[:1]) - sharpened(np.array([Spectrum(used, 10, 1).rest(10)])))
    tolerance = 1e-4 + 4 * float(np.sort(values)[0] * gap[0]) * float(dense.sum(1).max())
    rows = dense.sum(1) > 0
    assert np.allclose(model.scores(slice(None))[rows], expected[rows], atol=tolerance)


def communities(seed: int) -> tuple[csr_matrix, csr_matrix]:
    """People of eight tastes, each using a dozen of their taste's forty items and some of anybody's."""
    rng = np.random.default_rng(seed)
    train: list[list[int]] = []
    test: list[list[int]] = []
    for person in range(240):
        taste = 40 * (person % 8)
        own = rng.choice(np.arange(taste, taste + 40), 14, replace=False).tolist()
        train.append([*own[:10], *rng.integers(0, 320, 3).tolist()])
        test.append([item for item in own[10:] if item not in train[-1]])
    return matrix(train, 320), matrix(test, 320)


def test_models_that_learn_beat_popularity() -> None:
    train, test = communities(7)
    recall = {name: measure(name, train, test, 20).recall for name in MODELS}
    assert recall["als"] > 2 * recall["popularity"]
    assert recall["graph-filter"] > 2 * recall["popularity"]


@pytest.mark.parametrize("name", MODELS)
def test_the_same_data_give_the_same_figures(name: str) -> None:
    train, test = communities(3)
    first, second = measure(name, train, test, 10), measure(name, train, test, 10)
    assert (first.recall, first.ndcg) == (second.recall, second.ndcg)


def test_somebody_without_history_gets_what_is_popular() -> None:
    train = matrix([[0, 1], [0, 1, 2], [1, 2], []], 4)
    scores = GraphFilter(train, Settings(2, 0.5, 0.2)).scores(slice(3, 4))
    assert np.argsort(-scores[0], kind="stable").tolist() == [1, 0, 2, 3]


def test_evaluate_prints_a_row_for_each_model_beside_the_baselines(tmp_path: Path) -> None:
    train, test = communities(1)
    for name, part in (("train", train), ("test", test)):
        lines = (
            " ".join(map(str, [row, *part.indices[part.indptr[row] : part.indptr[row + 1]]]))
            for row in range(part.shape[0])
        )
        (tmp_path / name).write_text("\n".join(lines))
    files = ["engine", "evaluate", "--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")]
    told = CliRunner().invoke(main, [*files, "--k", "10", "--model", "graph-filter"])
    assert told.exit_code == 0, told.output
    assert "Recall@10" in told.stdout
    assert [line.split()[0] for line in told.stdout.splitlines()[2:]] == ["popularity", "als", "graph-filter"]
    answered = json.loads(CliRunner().invoke(main, [*files, "--json", "--model", "als"]).stdout)
    assert [row["model"] for row in answered["models"]] == ["popularity", "als"]


def test_evaluate_names_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("a\t1\n\t2\n")
    (tmp_path / "test").write_text("a 1\n")
    told = CliRunner().invoke(
        main, ["engine", "evaluate", "--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")]
    )
    assert told.exit_code == 1
    assert "train:2" in told.output
