"""Linear centred kernel alignment (CKA): how alike two representations are up to rotation and scale.

The number for two models is one inner product of their Gram matrices, so those of all pairs are one matrix product of
packed Grams (see gram.pack). The debiased numbers come from the same product. For centred K and L with diagonals d_K,
d_L and traces s_K, s_L, the unbiased estimate of the Hilbert-Schmidt independence criterion is

    n (n - 3) HSIC_1(K, L) = <K, L> - d_K.d_L + s_K s_L / ((n - 1) (n - 2)) - 2 / (n - 2) d_K.d_L

because HSIC_1 does not change when a kernel is centred, and the rows of a centred K without its diagonal sum to -d_K.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlspatial.analysis.gram import centred, square, stimuli_in
from mlspatial.analysis.jackknife import blocks
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


def cka_left_out(packed: Packed, *, debiased: bool = False) -> np.ndarray:
    """Linear CKA of every two models with one block of stimuli left out: what jackknife.standard_error works on.

    packed: as in cka_matrices. Returns (blocks, models, models) float64, blocks as jackknife.blocks numbers them. NaN
    where fewer stimuli than the unbiased estimate needs are left, or nothing but rounding.
    Each product of two entries is taken once, as in cka_matrices, and counted for all blocks but those of its row and
    column; centring without a block follows from sums of rows. Memory: models x (n x blocks + (n / blocks)^2).
    """
    n, models = _stimuli(packed, None), len(packed)
    own = blocks(n)
    number = int(own.max()) + 1
    members = [np.flatnonzero(own == b) for b in range(number)]
    diagonal = _slice(packed, 0, n)
    starts = n + np.arange(n) * (2 * n - np.arange(n) - 1) // 2 - np.arange(n) - 1  # entry (i, j > i) is starts[i] + j
    sums = np.zeros((models, n, number))  # of each row over the columns of each block, without the diagonal
    above = np.zeros((number, number, models, models))  # <K, L> between two blocks, without the diagonals
    for a in range(number):
        for b in range(a, number):
            rows, columns = np.meshgrid(members[a], members[b], indexing="ij")
            low, high = np.minimum(rows, columns), np.maximum(rows, columns)
            apart = (low != high).ravel()
            entries = np.zeros((models, rows.size))
            entries[:, apart] = _entries(packed, (starts[low] + high).ravel()[apart]) / math.sqrt(2)
            square_of = entries.reshape(models, *rows.shape)
            sums[:, members[a], b] = square_of.sum(axis=2)
            if a != b:
                sums[:, members[b], a] = square_of.sum(axis=1)
            above[a, b] = entries @ entries.T * (1 if a == b else 2)
    found = np.empty((number, models, models))
    whole = above.sum(axis=(0, 1))
    for b in range(number):
        kept = own != b
        left = int(kept.sum())
        inside = whole - above[b, :].sum(axis=0) - above[:, b].sum(axis=0) + above[b, b]
        rows_of = sums[:, kept].sum(axis=2) - sums[:, kept, b]  # without the diagonal
        d = diagonal[:, kept]
        if debiased:
            totals = rows_of.sum(axis=1)
            product = (
                inside + np.outer(totals, totals) / ((left - 1) * (left - 2)) - 2 / (left - 2) * (rows_of @ rows_of.T)
                if left >= LEAST_STIMULI
                else np.full((models, models), np.nan)
            )
        else:
            rows_of = rows_of + d
            totals = rows_of.sum(axis=1)
            product = inside + d @ d.T - 2 / left * (rows_of @ rows_of.T) + np.outer(totals, totals) / left**2
        found[b] = _normalised(product, np.diag(product), np.diag(product))
    return found


def _entries(rows: Packed, places: np.ndarray) -> np.ndarray:
    """(models, places) float64."""
    if isinstance(rows, np.ndarray):
        return rows[:, places].astype(np.float64)
    return np.stack([row[places] for row in rows], dtype=np.float64)


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
