"""Representational similarity analysis: matrices of (dis)similarity between stimuli, and how alike two of them are.

The Pearson matrix of a layer needs patterns that are centred over features, which a `Gram` (features centred over
stimuli) no longer has: gather a `PatternGram` for it. Euclidean distances do not move with either origin and come from
both. Whitening (Diedrichsen et al. 2020) takes into account that distances which share a stimulus share its noise.
For stimuli with independent equal noise the covariance of two distances is V = 2 I + B B^T, where B marks the two
stimuli of each pair, so that V^-1 is known in closed form. The whitened cosine of squared Euclidean distances is then
linear CKA.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import kendalltau

from mlspatial.analysis.gram import Activations, PatternGram, square
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError

VERSION = "2"
CONSTANT = 1e-14  # length of centred values, relative to the values, that is only rounding
TIED = 1e-12  # of the largest value: what differs by less is equal but for rounding, which no rank may depend on


def similarity_matrix(activations: Activations) -> np.ndarray:
    """Pearson r between the patterns of every two stimuli, (n, n) float64.

    activations: (n stimuli, features). For features that do not fit into memory add them to a PatternGram in blocks
    and take its correlations(). float64 activations give float64 precision, others about 1e-6.
    Raises UserError for values that are not finite and for a pattern without variance.
    """
    patterns = PatternGram(len(activations))
    patterns.add(activations)
    return patterns.correlations()


def correlation_rdm(activations: Activations) -> np.ndarray:
    """1 - similarity_matrix(activations), (n, n), from 0 to 2."""
    return 1.0 - similarity_matrix(activations)


def euclidean_rdm(gram: np.ndarray, features: int = 1) -> np.ndarray:
    """Squared Euclidean distances between stimuli, (n, n) float64, divided by the number of features.

    gram: (n, n) inner products with any one origin, from Gram or PatternGram; features: 1 for the sum over features.
    From PatternGram.patterns() they are distances between patterns from which their mean was removed.
    """
    gram = square(gram)
    if features < 1:
        raise BadValue("features", features, "expected the number of features, at least 1")
    lengths = np.diag(gram)
    distances = ((lengths + lengths[:, None] - 2 * gram) / features).clip(min=0.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def condensed(matrix: np.ndarray) -> np.ndarray:
    """(n, n) -> (n (n - 1) / 2,) float64, the triangle above the diagonal by rows; the form that compare takes."""
    matrix = square(matrix)
    return matrix[np.triu(np.ones(matrix.shape, bool), 1)]


def part(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of a condensed matrix that of some rows, condensed and float64; 0 for a row with itself.

    The square is not made: of 3,000 stimuli it takes longer than whatever is then compared.
    """
    rows, n = np.asarray(rows), _stimuli(len(matrix))
    first, second = np.triu_indices(len(rows), 1)
    low, high = np.minimum(rows[first], rows[second]), np.maximum(rows[first], rows[second])
    places = low * n - low * (low + 1) // 2 + high - low - 1
    return np.where(low < high, np.asarray(matrix)[places], 0.0).astype(np.float64)


def compare(x: np.ndarray, y: np.ndarray | None = None, *, method: str = "pearson") -> np.ndarray:
    """How alike matrices are, all pairs at once: (a, b) float64.

    x: (a, pairs), y: (b, pairs) condensed matrices of the same stimuli, by default y = x; one alone may be (pairs,).
    method: a key of METHODS. pearson, spearman and kendall_tau_a say the same of similarities and of distances; the
    cosines do not and are meant for distances. NaN where a matrix is constant (for cosines: zero).
    Memory: two float64 copies of x and y. Time: kendall_tau_a sorts for every pair, the others share one product.
    Raises UnknownName, StimulusMismatch for other lengths, UserError for values that are not finite.
    Source: Nili et al. 2014; whitened: Diedrichsen et al. 2020; equal to rsatoolbox (corr, spearman, cosine, tau-a,
    cosine_cov, corr_cov without sigma_k).
    """
    if method not in METHODS:
        raise UnknownName("comparison of matrices", method, METHODS)
    first = _vectors(x)
    second = first if y is None else _vectors(y)
    if first.shape[1] != second.shape[1]:
        raise StimulusMismatch(
            f"matrices of {first.shape[1]} and {second.shape[1]} pairs are not of the same stimuli; "
            "make both from the same images"
        )
    return METHODS[method](first, second)


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _normalised(x @ y.T, np.square(x).sum(axis=1), np.square(y).sum(axis=1))


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _cosine(_without_mean(x), _without_mean(y))


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _pearson(_ranks(x), _ranks(y))


def _whitened_cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """With V^-1 = (I - B (I - 1 1^T / 2n) B^T / n) / 2; x B are the sums of distances that a stimulus is part of."""
    n = _stimuli(x.shape[1])
    b_x, b_y = _row_sums(x, n), _row_sums(y, n)

    def inner(product: np.ndarray, sums: np.ndarray, totals: np.ndarray) -> np.ndarray:
        return product - sums / n + totals / (2 * n**2)

    total_x, total_y = b_x.sum(axis=1), b_y.sum(axis=1)
    return _normalised(
        inner(x @ y.T, b_x @ b_y.T, np.outer(total_x, total_y)),
        inner(np.square(x).sum(axis=1), np.square(b_x).sum(axis=1), total_x**2),
        inner(np.square(y).sum(axis=1), np.square(b_y).sum(axis=1), total_y**2),
    )


def _whitened_pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _whitened_cosine(_without_mean(x), _without_mean(y))


def _kendall_tau_a(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """SciPy's tau-b with the ties back in the denominator."""
    x, y = _ranks(x), _ranks(y)
    untied_x, untied_y = ([_untied(row) for row in side] for side in (x, y))
    pairs = math.comb(x.shape[1], 2)
    tau = np.empty((len(x), len(y)))
    for i, row in enumerate(x):
        for j, column in enumerate(y):
            tau_b = kendalltau(row, column, method="asymptotic").statistic
            tau[i, j] = tau_b * math.sqrt(untied_x[i]) * math.sqrt(untied_y[j]) / pairs
    return tau


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "cosine": _cosine,
    "kendall_tau_a": _kendall_tau_a,
    "whitened_cosine": _whitened_cosine,
    "whitened_pearson": _whitened_pearson,
}


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, (n,); equal values share the mean of theirs, and those that only rounding tells apart are equal.

    values: (n,). Correlations of patterns that tie in mathematics differ in their last digits, by the order in which
    a processor's library sums them.
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    apart = np.diff(ascending) > TIED * np.abs(ascending[[0, -1]]).max()
    group = np.concatenate([[0], np.cumsum(apart)])
    counts = np.bincount(group)
    found = np.empty(len(values))
    found[order] = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return found


def matrix_ranks(values: np.ndarray) -> np.ndarray:
    """(a, pairs) `ranks` of condensed matrices, of which pearson is spearman of these: for what is compared often.

    Raises as `compare`.
    """
    return _ranks(_vectors(values))


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.stack([ranks(row) for row in values])


def _vectors(values: np.ndarray) -> np.ndarray:
    values = np.atleast_2d(np.asarray(values, np.float64))
    if values.ndim != 2:
        raise StimulusMismatch(f"an array of shape {values.shape} is not (matrices, pairs); use condensed() on each")
    _stimuli(values.shape[1])
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise UserError(
            f"{bad.sum()} of {len(values)} matrices (first: {np.argmax(bad)}) hold values that are not finite"
        )
    return values


def _stimuli(pairs: int) -> int:
    n = (1 + math.isqrt(1 + 8 * pairs)) // 2
    if n < 2 or n * (n - 1) // 2 != pairs:
        raise BadValue("pairs", pairs, "a condensed matrix of n stimuli has n (n - 1) / 2; use condensed()")
    return n


def _row_sums(vectors: np.ndarray, n: int) -> np.ndarray:
    """(a, pairs) -> (a, n): sums over the rows of the square, symmetric, hollow matrices."""
    first, second = np.triu_indices(n, 1)
    sums = [np.bincount(first, row, n) + np.bincount(second, row, n) for row in vectors]
    return np.stack(sums)


def _without_mean(values: np.ndarray) -> np.ndarray:
    """Each row without its mean; exactly 0 where a row is constant."""
    rest = values - values.mean(axis=1, keepdims=True)
    constant = np.linalg.norm(rest, axis=1) <= CONSTANT * np.linalg.norm(values, axis=1)
    rest[constant] = 0.0
    return rest


def _normalised(product: np.ndarray, own_x: np.ndarray, own_y: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.outer(own_x, own_y) > 0, product / np.sqrt(own_x)[:, None] / np.sqrt(own_y), np.nan)


def _untied(row: np.ndarray) -> int:
    """Number of pairs of entries that differ."""
    counts = np.unique(row, return_counts=True)[1]
    return math.comb(len(row), 2) - sum(math.comb(int(count), 2) for count in counts[counts > 1])
