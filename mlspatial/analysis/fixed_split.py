"""Ridge regression from one fixed part of the stimuli to another, in groups of targets, from inner products.

Brain-Score's benchmarks with a training and a test set fit each subject's units by themselves, with one penalty for all
of them: a given one, or the one with the least squared leave-one-out error. All subjects saw the same stimuli, so one
decomposition serves them all, and all regions. With K the Gram matrix of the centred training features, predictions of
the test stimuli are A (K + alpha)^-1 Y; with few test stimuli that is solved for A's rows instead of for Y's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from scipy.linalg import lapack, qr, solve_triangular

from mlspatial.analysis.device import exact
from mlspatial.analysis.gram import CHUNK, upper_product
from mlspatial.analysis.pls import pearson
from mlspatial.analysis.ridge import RidgeFold
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

T = TypeVar("T")
VERSION = "1"
#: matrices of n x n float64 that are in memory at once, one penalty or several
MATRICES = 2.1
MATRICES_CHOSEN = 6.0
NEAR = 1e-3  # of the least error that float32 finds: penalties that are compared in float64; its sums are good to 1e-5
INTERPOLATED = 1e-6  # of a penalty's dual coefficients: what interpolation from others may leave out
NODE_COLUMNS = 4096  # of dual coefficients that are in memory at once, float32


class InnerProducts:
    """Inner products of all stimuli, in float64 and of their own scale, about no mean; add() blocks of features.

    A penalty of 1 means something on this scale alone, and the smallest eigenvalues matter beside it: products are
    float64's. Memory: one n x n matrix and a block in float64.
    """

    def __init__(self, n: int) -> None:
        self.n, self.features = n, 0
        self._upper: torch.Tensor | None = None
        self._kept: tuple[Hashable, Any] | None = None

    def add(self, block: torch.Tensor | np.ndarray) -> None:
        """block: (n, features). Raises StimulusMismatch, UserError for values that are not finite."""
        part = exact(torch.as_tensor(block).detach())
        if part.ndim != 2 or len(part) != self.n:
            raise StimulusMismatch(f"activations of shape {tuple(part.shape)}, expected ({self.n} stimuli, features)")
        if not torch.isfinite(part).all():
            raise UserError("activations are not finite; look at the network, or extract in float32")
        size = max(1, CHUNK * 1024 // max(self.n, 1024))  # 64 MB
        for columns in part.split(size, dim=1):
            self._upper = upper_product(columns.to(torch.float64), self._upper, more=self._upper is not None)
        self.features += part.shape[1]

    def between(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(rows, columns) float64. Raises UserError before the first block."""
        if self._upper is None:
            raise UserError("a layer without features has no inner products")
        upper = self._upper.cpu().numpy()
        rows, columns = np.asarray(rows), np.asarray(columns)
        found = np.empty((len(rows), len(columns)))
        for place, row in enumerate(rows):  # row by row: no second matrix of indices
            found[place] = np.where(columns >= row, upper[row, columns], upper[columns, row])
        return found

    def decomposed(self, train: np.ndarray, test: np.ndarray) -> RidgeFold:
        """The training stimuli's eigenvectors and the test stimuli in them. Kept: regions have the same stimuli."""
        return self._once("fold", train, test, lambda: RidgeFold.from_gram(*self._sides(train, test)))

    def smoother(self, train: np.ndarray, test: np.ndarray, alpha: float) -> np.ndarray:
        """(m, n) A (K + alpha)^-1, what training targets without their means are multiplied by; kept as well."""
        return self._once(f"smoother {alpha!r}", train, test, lambda: _smoother(*self._sides(train, test), alpha))

    def _sides(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.between(train, train), self.between(test, train)

    def _once(self, what: str, train: np.ndarray, test: np.ndarray, make: Callable[[], T]) -> T:
        """Made, or the last one that was made if it is of the same stimuli and the same features."""
        asked = (what, self.features, train.tobytes(), test.tobytes())
        if self._kept is None or self._kept[0] != asked:
            self._kept = None  # one in memory
            self._kept = asked, make()
        return cast(T, self._kept[1])


@dataclass(frozen=True)
class SplitFit:
    """r: (targets,) Pearson r over the test stimuli; alphas: (groups,) penalties."""

    r: np.ndarray
    alphas: np.ndarray


def split_ridge(
    products: InnerProducts,
    train: np.ndarray,
    test: np.ndarray,
    known: np.ndarray,
    measured: np.ndarray,
    groups: Sequence[np.ndarray],
    alphas: Sequence[float],
) -> SplitFit:
    """Test targets predicted from training targets; one penalty for each group.

    train: (n,), test: (m,) places of stimuli in products; known: (n, targets), measured: (m, targets) responses;
    groups: places of the targets of each subject, every target in one; alphas: one penalty, or candidates of which the
    one with the least mean squared leave-one-out error over a group's targets is taken, the first of equals.
    Raises BadValue for penalties that are not above 0, StimulusMismatch for shapes that do not fit, UserError for
    responses that are not finite or groups that share or lack targets.
    Source: scikit-learn 1.5, Ridge and RidgeCV, as brainscore_vision 2.4.2 uses them.
    """
    known, measured = np.asarray(known, np.float64), np.asarray(measured, np.float64)
    train, test = np.asarray(train), np.asarray(test)
    targets = known.shape[1]
    if known.shape != (len(train), targets) or measured.shape != (len(test), targets):
        raise StimulusMismatch(
            f"{len(train)} training and {len(test)} test stimuli do not fit responses of {known.shape} and "
            f"{measured.shape}"
        )
    if not len(alphas) or not all(0 < alpha < np.inf for alpha in alphas):
        raise BadValue("alphas", list(alphas), "must be positive numbers, at least one")
    if not np.array_equal(np.sort(np.concatenate(list(groups))), np.arange(targets)):
        raise UserError(f"the groups must hold each of the {targets} targets exactly once")
    if not (np.isfinite(known).all() and np.isfinite(measured).all()):
        raise UserError("responses are not finite for all stimuli; leave those units out")
    means = known.mean(axis=0)
    if len(alphas) == 1:
        predicted = products.smoother(train, test, float(alphas[0])) @ (known - means) + means
        return SplitFit(pearson(predicted, measured), np.full(len(groups), float(alphas[0])))
    fold = products.decomposed(train, test)
    chosen, predicted = [], np.empty_like(measured)
    for places in groups:
        centred = torch.from_numpy(known[:, places] - means[places])
        projected = fold.vectors.T @ centred
        alpha = _chosen(fold, projected, alphas)
        shrunk = projected / (fold.values[:, None] + alpha)
        predicted[:, places] = (fold.test @ shrunk).numpy() + means[places]
        chosen.append(alpha)
    return SplitFit(pearson(predicted, measured), np.array(chosen))


def _smoother(within: np.ndarray, across: np.ndarray, alpha: float) -> np.ndarray:
    """(m, n) what training targets without their means are multiplied by. within is overwritten."""
    columns = within.mean(axis=0)
    across = across - across.mean(axis=1, keepdims=True) - columns + columns.mean()
    within -= columns
    within -= (columns - columns.mean())[:, None]
    within[np.diag_indices_from(within)] += alpha
    factor, failed = lapack.dpotrf(within.T, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise UserError(f"ridge: the features' products are not positive with a penalty of {alpha}; look at the layer")
    solved, _ = lapack.dpotrs(factor, np.asfortranarray(across.T), lower=1, overwrite_b=1)
    return np.ascontiguousarray(solved.T)


def _chosen(fold: RidgeFold, projected: torch.Tensor, alphas: Sequence[float]) -> float:
    """The penalty with the least squared leave-one-out error of all targets of a group together.

    projected: (r, targets) of the centred targets. Only their products with each other count, so that more targets than
    stimuli are replaced by as many as there are stimuli. All penalties are looked through by interpolation; those that
    may have the least error are computed in float64.
    """
    if projected.shape[1] > projected.shape[0]:
        projected = torch.linalg.qr(projected.T, mode="r").R.T
    candidates = torch.as_tensor(list(alphas), dtype=torch.float64)
    leverages = fold.leverages(candidates)

    def error(index: int) -> float:
        weights = 1.0 / (fold.values + candidates[index])
        largest = weights.max()
        dual = fold.vectors @ ((weights / largest)[:, None] * projected)
        return float((dual.square().sum(dim=1) * (largest / leverages[:, index]).square()).sum())

    near = np.flatnonzero(_may_be_least(fold, projected, candidates, leverages))
    exact = [error(index) for index in near]
    return float(candidates[near[int(np.argmin(exact))]])


def _may_be_least(
    fold: RidgeFold, projected: torch.Tensor, candidates: torch.Tensor, leverages: torch.Tensor
) -> np.ndarray:
    """(candidates,) bool: which penalties may have the least error; leverages: (n, candidates).

    Dual coefficients are V W(alpha) P, with weights W that change so little from one penalty to the next that some
    twenty of them, found by a pivoted QR decomposition, give those of all by interpolation. V is orthonormal, so that
    what the decomposition leaves of W(alpha) P bounds how far an error can be off. The product with V is float32's.
    """
    weights = 1.0 / (fold.values[:, None] + candidates)
    lengths = projected.norm(dim=1, keepdim=True)  # of what each eigenvector has of the targets
    sizes = (weights * lengths).norm(dim=0)  # of each penalty's dual coefficients
    if not (sizes > 0).all():  # targets that do not vary: all are equal
        return np.ones(len(candidates), bool)
    unit = weights / sizes
    corner, order = qr((unit * lengths).numpy(), mode="r", pivoting=True, check_finite=False)
    corner = corner[: min(corner.shape)]
    left = np.sqrt(np.cumsum(np.square(corner)[::-1], axis=0)[::-1])  # of each column, from each row on
    most = left.max(axis=1)
    count = int(np.argmax(most <= INTERPOLATED)) if (most <= INTERPOLATED).any() else len(corner)
    mixed, rest = np.empty((count, len(candidates))), np.zeros(len(candidates))
    mixed[:, order] = solve_triangular(corner[:count, :count], corner[:count])
    if count < len(corner):
        rest[order] = left[count]
    n, nodes = len(fold.vectors), unit[:, order[:count].copy()].float()
    products = torch.zeros(n, count, count, dtype=torch.float64)
    vectors, targets = fold.vectors.float(), projected.float()
    for some in targets.split(max(1, NODE_COLUMNS // count), dim=1):
        dual = (vectors @ (nodes[:, :, None] * some[:, None, :]).flatten(1)).unflatten(1, (count, -1))
        products += torch.bmm(dual, dual.transpose(1, 2))
    by = torch.from_numpy(mixed)
    squares = torch.stack([((rows @ by) * by).sum(dim=0) for rows in products])  # (n, candidates)
    scale = (sizes / leverages).square()
    rough = (squares.clamp(min=0) * scale).sum(dim=0).sqrt().numpy()
    off = rest * scale.max(dim=0).values.sqrt().numpy()
    within = np.sqrt(1 + NEAR)
    return ~(rough - off > (rough + off).min() * within)  # what is not finite may be anything
