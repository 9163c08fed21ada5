"""RDMs and their comparison against rsatoolbox, NumPy and mathematics."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr

from mlspatial.analysis.cka import linear_cka
from mlspatial.analysis.gram import CHUNK, Gram, PatternGram
from mlspatial.analysis.rsa import METHODS, compare, condensed, correlation_rdm, euclidean_rdm, ranks, similarity_matrix
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from tests.reference import make_rsatoolbox

GOLDEN = json.loads(make_rsatoolbox.GOLDEN.read_text())


def euclidean(activations: np.ndarray) -> np.ndarray:
    gram = Gram(len(activations))
    gram.add(activations)
    return euclidean_rdm(gram.matrix(), activations.shape[1])


def rdms() -> np.ndarray:
    return np.stack([condensed(euclidean(layer)) for layer in make_rsatoolbox.patterns()])


def test_matrices_equal_rsatoolbox_s() -> None:
    ours = np.stack([condensed(correlation_rdm(layer)) for layer in make_rsatoolbox.patterns()])
    assert ours == pytest.approx(np.array(GOLDEN["correlation"]), abs=1e-12)
    assert rdms() == pytest.approx(np.array(GOLDEN["euclidean"]), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_comparisons_equal_rsatoolbox_s(method: str) -> None:
    assert compare(np.array(GOLDEN["euclidean"]), method=method) == pytest.approx(
        np.array(GOLDEN["compare"][method]), abs=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
def test_comparisons_equal_a_live_rsatoolbox_s(method: str) -> None:
    """Larger matrices than the golden ones; only where rsatoolbox is installed."""
    rdm = pytest.importorskip("rsatoolbox.rdm")
    layers = np.random.default_rng(0).random((5, 780))
    x, y = layers[:2], layers[2:]
    theirs = rdm.compare(rdm.RDMs(x), rdm.RDMs(y), make_rsatoolbox.METHODS[method])
    assert compare(x, y, method=method) == pytest.approx(theirs, abs=1e-9)


def test_pearson_similarity_equals_numpy_s_whatever_the_blocks() -> None:
    """Chunks with very different means: the mean is over all features, not over each chunk's."""
    rng = np.random.default_rng(1)
    activations = rng.normal(size=(30, CHUNK + 300)) + np.linspace(0, 5, CHUNK + 300) + rng.normal(size=(30, 1))
    expected = np.corrcoef(activations)
    assert similarity_matrix(activations) == pytest.approx(expected, abs=1e-12)
    patterns = PatternGram(30)
    patterns.add(activations[:, :100].astype(np.float32))
    patterns.add(activations[:, 100:].astype(np.float32))
    assert patterns.correlations() == pytest.approx(expected, abs=1e-6)
    centred = activations - activations.mean(axis=1, keepdims=True)
    assert patterns.patterns() == pytest.approx(centred @ centred.T, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_equal_matrices_have_similarity_one(method: str) -> None:
    vectors = np.random.default_rng(2).random((3, 190))
    assert np.diag(compare(vectors, method=method)) == pytest.approx(1)
    assert compare(vectors[0], 3 * vectors, method=method).shape == (1, 3)
    assert compare(vectors[0], 3 * vectors[0], method=method).item() == pytest.approx(1)


def test_the_whitened_cosine_of_squared_distances_is_linear_cka() -> None:
    """Stated by Diedrichsen et al. 2020."""
    x, y, *_ = make_rsatoolbox.patterns()
    expected = linear_cka(x @ x.T, y @ y.T)
    ours = compare(condensed(euclidean(x)), condensed(euclidean(y)), method="whitened_cosine")
    assert ours.item() == pytest.approx(expected, abs=1e-12)


def test_whitening_equals_solving_with_the_covariance() -> None:
    """V from the contrasts of all pairs, inverted."""
    n = 9
    pairs = np.array([np.eye(n)[i] - np.eye(n)[j] for i in range(n) for j in range(i + 1, n)])
    inverse = np.linalg.inv(np.square(pairs @ pairs.T))
    x, y = np.random.default_rng(3).random((2, len(pairs)))
    expected = x @ inverse @ y / np.sqrt((x @ inverse @ x) * (y @ inverse @ y))
    assert compare(x, y, method="whitened_cosine").item() == pytest.approx(expected, abs=1e-12)


def test_ranks_equal_scipy_s() -> None:
    x, y = np.random.default_rng(4).random((2, 300))
    assert compare(x, y, method="spearman").item() == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert compare(x, y, method="kendall_tau_a").item() == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("method", ["spearman", "kendall_tau_a"])
def test_ranks_do_not_see_rounding(method: str) -> None:
    """Values that tie in mathematics and differ in their last digit, as sums in another order do."""
    rng = np.random.default_rng(7)
    exact = rng.integers(1, 12, size=(2, 190)) / 12
    rounded = np.where(rng.random(exact.shape) < 0.5, exact, np.nextafter(exact, 2))
    assert compare(rounded, method=method) == pytest.approx(compare(exact, method=method), abs=1e-12)
    if method == "spearman":
        assert compare(*rounded, method=method).item() == pytest.approx(spearmanr(*exact).statistic, abs=1e-12)
    assert ranks(rounded[0]).tolist() == rankdata(exact[0]).tolist()
    assert ranks(np.array([1.0, 1.0 + 2e-12, 0.5])).tolist() == [2.0, 3.0, 1.0]  # more than rounding
    assert ranks(np.array([1e-9, 2e-9, 3e-9])).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("method", ["pearson", "spearman", "kendall_tau_a"])
def test_similarities_and_distances_say_the_same(method: str) -> None:
    similarities = np.stack([condensed(similarity_matrix(layer)) for layer in make_rsatoolbox.patterns()])
    assert compare(similarities, method=method) == pytest.approx(compare(1 - similarities, method=method), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_matrix_has_no_similarity(method: str) -> None:
    constant = np.full(45, 0.0 if method.endswith("cosine") else 0.3)
    r = compare(np.stack([constant, np.random.default_rng(5).random(45)]), method=method)
    assert np.isnan(r[0]).all() and np.isnan(r[1, 0]) and r[1, 1] == pytest.approx(1)


def test_what_does_not_fit() -> None:
    with pytest.raises(UnknownName, match="did you mean pearson"):
        compare(np.ones(3), method="person")
    with pytest.raises(StimulusMismatch, match="3 and 6 pairs"):
        compare(np.ones(3), np.ones(6))
    with pytest.raises(BadValue, match="pairs=4"):
        compare(np.ones(4))
    with pytest.raises(UserError, match=r"1 of 2 matrices \(first: 1\) hold values that are not finite"):
        compare(np.array([[1.0, 2, 3], [1, np.nan, 3]]))
    with pytest.raises(StimulusMismatch, match=r"\(3, 4\)"):
        condensed(np.ones((3, 4)))
    flat = np.random.default_rng(6).normal(size=(8, 50)).astype(np.float32)
    flat[5] = 0.7
    with pytest.raises(UserError, match=r"1 of 8 stimuli \(first: 5\)"):
        similarity_matrix(flat)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_products_about_the_features_means_hold_the_patterns_too(offset: float) -> None:
    """In float32, with features whose means are apart, and all far from 0."""
    rng = np.random.default_rng(5)
    x = np.float32(rng.random((40, CHUNK + 500)) + 3 * rng.random(CHUNK + 500) + offset)
    patterns, gram = PatternGram(40), Gram(40)
    for kept in (patterns, gram):
        kept.add(x)
    assert patterns.correlations() == pytest.approx(np.corrcoef(x.astype(np.float64)), abs=1e-6)
    assert np.array_equal(patterns.packed(), gram.packed())
