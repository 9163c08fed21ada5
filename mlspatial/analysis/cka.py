"""Linear centred kernel alignment (CKA): how alike two representations are up to rotation and scale.

The number for two models is one inner product of their Gram matrices, so those of all pairs are one matrix product of
packed Grams (see gram.pack). The debiased numbers come from the same product. For centred K and L with diagonals d_K,
d_L and traces s_K, s_L, the unbiased estimate of the Hilbert-Schmidt independence criterion is

    n (n - 3) HSIC_1(K, L) = <K, L> - d_K.d_L + s_K s_L / ((n - 1) (n - 2)) - 2 / (n - 2) d_K.d_L

because HSIC_1 does not change when a kernel is centred, and the rows of a centred K without its diagonal sum to -d_K.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlspatial.analysis.gram import centred, square, stimuli_in
from mlspatial.core.errors import StimulusMismatch, UserError

VERSION = "1"
COLUMNS = 8192  # entries of a Gram in one product
MOST_AT_ONCE = 2**23  # entries of all Grams in one product: 64 MB
LEAST_STIMULI = 4  # of the unbiased estimate
EQUIDISTANT = 1e-12  # share of a Gram's squared norm below which its unbiased part is only rounding
CONSTANT = 1e-14  # the same for what centring leaves of a float64 Gram

#: (models, n (n + 1) / 2) packed Grams: an array, a memory map, or a sequence of rows (each may be a memory map)
Packed = np.ndarray | Sequence[np.ndarray]


class CkaMatrices(NamedTuple):
    """Both kinds for the same pairs, each (models, other models) float64."""

    biased: np.ndarray
    debiased: np.ndarray


def linear_cka(gram_x: np.ndarray, gram_y: np.ndarray, *, debiased: bool = False) -> float:
    """Similarity of two representations from their Gram matrices.

    gram_x, gram_y: (n_stimuli, n_stimuli), same stimuli in the same order, centred or not.
    Returns 1 for equal up to rotation and scale, about 0 for unrelated; but unrelated ones, too, come near 1 when the
    features outnumber the stimuli, unless debiased. NaN when one of them does not vary over the stimuli.
    Raises StimulusMismatch when the shapes differ, UserError for fewer than 4 stimuli when debiased.
    Source: Kornblith et al. 2019, eq. 3; debiased: Song et al. 2012.
    """
    gram_x = square(gram_x)
    gram_y = square(gram_y, gram_x)
    n = len(gram_x)
    if debiased:
        _enough(n)
    x, y = (_centred_unit(gram) for gram in (gram_x, gram_y))
    products = []
    for a, b in ((x, y), (x, x), (y, y)):
        shared = np.diag(a) @ np.diag(b)
        terms = np.vdot(a, b) - shared, shared, np.trace(a) * np.trace(b)
        products.append(np.atleast_2d(_unbiased(n, *terms) if debiased else _biased(*terms)))
    return float(_normalised(products[0], *(product.ravel() for product in products[1:]))[0, 0])


def cka_matrix(packed: Packed, other: Packed | None = None, *, debiased: bool = False) -> np.ndarray:
    """Linear CKA of every two models, (models, other models); one of the two that cka_matrices returns.

    Raises UserError for fewer than 4 stimuli when debiased.
    """
    if debiased:
        _enough(_stimuli(packed, other))
    biased, unbiased = cka_matrices(packed, other)
    return unbiased if debiased else biased


def cka_matrices(packed: Packed, other: Packed | None = None) -> CkaMatrices:
    """Linear CKA of every two models, biased and debiased, from one matrix product.

    packed: (models, n (n + 1) / 2), rows from Gram.packed(), all of the same stimuli in the same order; models may as
    well be models x layers. other: the models of the columns; by default the same ones, which is half of the work.
    Returns two (models, other models) matrices. Debiased is NaN for fewer than 4 stimuli, and for a representation in
    which all stimuli are equally far from each other.
    Memory: the results and 64 MB for each side, whatever the number of models; rows are read once, in slices. Products
    are float64's: the debiased numbers are small differences of large sums, and Grams take a thousand times as long.
    Raises StimulusMismatch when rows have different lengths. Source: as linear_cka.
    """
    n = _stimuli(packed, other)
    columns = packed if other is None else other
    step = max(1, min(COLUMNS, MOST_AT_ONCE // max(len(packed), len(columns), 1)))
    above = np.zeros((len(packed), len(columns)))  # <K, L> without the diagonals
    above_x, above_y = np.zeros(len(packed)), np.zeros(len(columns))  # <K, K> and <L, L> without the diagonals
    for first in range(n, n * (n + 1) // 2, step):
        x = _slice(packed, first, first + step)
        if other is None:
            above += x @ x.T
            continue
        y = _slice(other, first, first + step)
        above += x @ y.T
        above_x += np.einsum("ij,ij->i", x, x)
        above_y += np.einsum("ij,ij->i", y, y)
    if other is None:
        above_x = above_y = np.diag(above).copy()
    d_x, d_y = (_slice(side, 0, n) for side in (packed, columns))
    terms = (
        (above, d_x @ d_y.T, np.outer(d_x.sum(axis=1), d_y.sum(axis=1))),
        (above_x, np.square(d_x).sum(axis=1), np.square(d_x.sum(axis=1))),
        (above_y, np.square(d_y).sum(axis=1), np.square(d_y.sum(axis=1))),
    )
    biased = _normalised(*(_biased(*each) for each in terms))
    if n < LEAST_STIMULI:
        return CkaMatrices(biased, np.full_like(biased, np.nan))
    return CkaMatrices(biased, _normalised(*(_unbiased(n, *each) for each in terms)))


def _biased(above: np.ndarray, diagonals: np.ndarray, traces: np.ndarray) -> np.ndarray:
    return above + diagonals


def _unbiased(n: int, above: np.ndarray, diagonals: np.ndarray, traces: np.ndarray) -> np.ndarray:
    """n (n - 3) HSIC_1. The diagonals never enter the first term: its small rest would be lost in their rounding."""
    return above + traces / ((n - 1) * (n - 2)) - 2 / (n - 2) * diagonals


def _normalised(product: np.ndarray, own_x: np.ndarray, own_y: np.ndarray) -> np.ndarray:
    """product_ij / sqrt(own_i own_j), NaN where one of the two is nothing but rounding."""
    own_x, own_y = (np.where(own > EQUIDISTANT, own, np.nan) for own in (own_x, own_y))
    return product / np.sqrt(np.outer(own_x, own_y))


def _centred_unit(gram: np.ndarray) -> np.ndarray:
    """Norm 1, or zeros where centring leaves only rounding."""
    rest = centred(gram)
    norm = np.linalg.norm(rest)
    return rest / norm if norm > CONSTANT * np.linalg.norm(gram) else np.zeros_like(rest)


def _enough(n: int) -> None:
    if n < LEAST_STIMULI:
        raise UserError(f"debiased CKA of {n} stimuli is not defined; use at least {LEAST_STIMULI}, or the biased one")


def _stimuli(packed: Packed, other: Packed | None) -> int:
    if any(np.ndim(side[0]) != 1 for side in (packed, other) if side is not None and len(side)):
        raise UserError("packed Gram matrices must be (models, n (n + 1) / 2); put a single one into a list")
    lengths = sorted({len(row) for side in (packed, () if other is None else other) for row in side})
    if not lengths:
        raise UserError("CKA of no models at all; hand over at least one packed Gram matrix")
    if len(lengths) > 1:
        numbers = ", ".join(str(stimuli_in(length)) for length in lengths)
        raise StimulusMismatch(
            f"packed Gram matrices are of {numbers} stimuli; extract all models from the same images"
        )
    return stimuli_in(lengths[0])


def _slice(rows: Packed, first: int, last: int) -> np.ndarray:
    """(models, last - first) float64, in memory."""
    if isinstance(rows, np.ndarray):
        return rows[:, first:last].astype(np.float64)
    return np.stack([row[first:last] for row in rows], dtype=np.float64)
