"""Ridge regression from one decomposition of a training fold, shared by all targets and all alphas.

Everything that ridge regression needs to know of the features is their inner products. With K the Gram matrix of the
centred training features and K = Q diag(l) Q^T, the dual coefficients are c = (K + alpha)^-1 (y - mean) and the
leave-one-out error of stimulus i is c_i / G_ii, where G is that inverse on the complement of the constant vector,
because the intercept is not penalised. Both cost one matrix product an alpha. Predictions and chosen alphas are
those of scikit-learn's RidgeCV(alpha_per_target=True).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from scipy.linalg import eigh

from mlspatial.analysis.device import exact, exact_device
from mlspatial.analysis.gram import upper_product
from mlspatial.analysis.threads import one_thread
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

Array: TypeAlias = "np.ndarray | torch.Tensor"
Criterion = Literal["squared_error", "pearson"]
VERSION = "1"
CRITERIA = ("squared_error", "pearson")
CHUNK_FEATURES = 8192  # per product
CHUNK_TARGETS = 1024  # per product; 1,600 stimuli x 1,024 targets are 13 MB
FEWEST = 3  # stimuli: two points lie on a line
SMALL = 700  # stimuli: matrices that one thread decomposes soonest


def inner_products(first: Array, second: Array | None = None, *, device: str = "cpu") -> torch.Tensor:
    """Inner products of the rows of `first` with those of `second` (or with each other), (n, m) float64, uncentred.

    first: (n, p); second: (m, p). Any real type, on any device; multiplied in float64 on `device` in chunks of
    features, because ridge regression with a small alpha divides by the smallest eigenvalues.
    Raises UserError when a row of `first` is not finite, StimulusMismatch when the numbers of features differ.
    """
    one = torch.as_tensor(first)
    other = one if second is None else torch.as_tensor(second)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise StimulusMismatch(f"features of shape {tuple(one.shape)} and {tuple(other.shape)} have no inner product")
    one, other, device = exact(one), exact(other), exact_device(device)
    products = torch.zeros(len(one), len(other), dtype=torch.float64, device=device)
    norms = torch.zeros(len(one), dtype=torch.float64, device=device)
    product: torch.Tensor | None = None
    for start in range(0, one.shape[1], CHUNK_FEATURES):
        left = one[:, start : start + CHUNK_FEATURES].to(device, torch.float64)
        if second is None:
            product = upper_product(left, product)
            products += product
        else:
            norms += (left * left).sum(dim=1)
            products.addmm_(left, other[:, start : start + CHUNK_FEATURES].to(device, torch.float64).T)
    check_rows(products.diagonal() if second is None else norms)
    if second is None:
        products = products.triu() + products.triu(1).T
    return products


def check_rows(norms: torch.Tensor) -> None:
    """Raise UserError when a squared norm, one a stimulus, is not finite."""
    bad = (~torch.isfinite(norms)).nonzero().ravel()
    if len(bad):
        raise UserError(
            f"the features of {len(bad)} of {len(norms)} stimuli are NaN or infinite (first: row {int(bad[0])}): "
            "the network diverged or overflowed; use another checkpoint or float32"
        )


@dataclass(frozen=True)
class RidgeFit:
    """alpha: (targets,) chosen ones; score: (targets,) mean squared error or Pearson r of the held-out predictions at
    that alpha; predictions: (m, targets) for the test stimuli."""

    alpha: torch.Tensor
    score: torch.Tensor
    predictions: torch.Tensor


class RidgeFold:
    """A training fold and its test stimuli, decomposed once. Make one with `from_gram` or `from_features`.

    values: (r,) eigenvalues of the centred Gram matrix; vectors: (n, r), orthogonal to the constant vector;
    test: (m, r) inner products of the centred test features with the training ones, times vectors. complete: the
    vectors span everything but the constant vector (r = n - 1); else what they miss belongs to eigenvalue 0.
    """

    def __init__(self, values: torch.Tensor, vectors: torch.Tensor, test: torch.Tensor, *, complete: bool) -> None:
        self.values, self.vectors, self.test, self.complete = values, vectors, test, complete
        self._squares = vectors**2
        missing = 1.0 - 1.0 / len(vectors) - self._squares.sum(dim=1)
        self._missing = torch.zeros_like(missing) if complete else missing.clamp(min=0.0)

    @classmethod
    def from_gram(cls, within: Array, across: Array | None = None, *, device: str = "cpu") -> RidgeFold:
        """within: (n, n) inner products of the training features; across: (m, n) of test with training features, from
        the same origin. Both centred or not: they are centred on the training mean here.

        Raises UserError for fewer than three training stimuli, StimulusMismatch for shapes that do not fit.
        """
        device = exact_device(device)
        gram = exact(torch.as_tensor(within)).to(device, torch.float64)
        n = len(gram)
        other = exact(torch.as_tensor(np.empty((0, n)) if across is None else across)).to(device, torch.float64)
        if gram.shape != (n, n) or other.shape[1:] != (n,):
            raise StimulusMismatch(f"within {tuple(gram.shape)} and across {tuple(other.shape)} are not of one fold")
        _enough(n)
        column_means = gram.mean(dim=0)
        grand_mean = column_means.mean()
        centred = gram - column_means - column_means[:, None] + grand_mean
        # Eigenvalue -s for the constant vector, below all others, which are 0 or more: it comes first and is dropped.
        centred -= (centred.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)) / n
        values, vectors = _eigh(centred)
        values, vectors = values[1:].clamp(min=0.0), vectors[:, 1:]
        test = (other - other.mean(dim=1, keepdim=True) - column_means + grand_mean) @ vectors
        return cls(values, vectors, test, complete=True)

    @classmethod
    def from_features(cls, train: Array, test: Array | None = None, *, device: str = "cpu") -> RidgeFold:
        """train: (n, p), test: (m, p) features. From p singular vectors when 2 p < n, else from the Gram matrix, which
        takes less time for wider features.

        Raises UserError for features that are not finite or fewer than three training stimuli, StimulusMismatch when
        the numbers of features differ.
        """
        known = torch.as_tensor(train)
        new = known[:0] if test is None else torch.as_tensor(test)
        if known.ndim != 2 or known.shape[1:] != new.shape[1:]:
            raise StimulusMismatch(f"training {tuple(known.shape)} and test features {tuple(new.shape)} do not fit")
        n, p = known.shape
        _enough(n)
        if 2 * p >= n:
            across = inner_products(new, known, device=device)
            return cls.from_gram(inner_products(known, device=device), across, device=device)
        device = exact_device(device)
        known, new = exact(known).to(device, torch.float64), exact(new).to(device, torch.float64)
        check_rows((torch.cat([known, new]) ** 2).sum(dim=1))
        mean = known.mean(dim=0)
        left, singular, right = torch.linalg.svd(known - mean, full_matrices=False)
        kept = singular > singular.max().clamp(min=1.0) * n * torch.finfo(torch.float64).eps
        left, singular, right = left[:, kept], singular[kept], right[kept]
        return cls(singular**2, left, (new - mean) @ (right.T * singular), complete=len(singular) == n - 1)

    def loo_predictions(self, targets: Array, alpha: Array | float) -> torch.Tensor:
        """What each training stimulus' targets are predicted to be from all others, (n, targets) float64.

        targets: (n, targets); alpha: one, or one a target. The intercept of the fold is added; scikit-learn's
        `cv_values_` and the published veRSA scores leave it out (scikit-learn issue 13998), a correlation ignores it.
        """
        known = self._targets(targets)
        alphas, predictions = self._per_target(alpha, known), torch.empty_like(known)
        for part in _slices(known.shape[1]):
            chunk = _Chunk.of(self, known[:, part])
            weights = 1.0 / (self.values[:, None] + alphas[part])
            leverage = self._squares @ weights + self._missing[:, None] / alphas[part]
            predictions[:, part] = known[:, part] - chunk.dual(weights, alphas[part]) / leverage
        return predictions

    def predict(self, targets: Array, alpha: Array | float) -> torch.Tensor:
        """Targets of the test stimuli, (m, targets) float64. targets: (n, targets) of the training stimuli."""
        known = self._targets(targets)
        alphas, predictions = self._per_target(alpha, known), known.new_empty(len(self.test), known.shape[1])
        for part in _slices(known.shape[1]):
            mean = known[:, part].mean(dim=0)
            projected = self.vectors.T @ (known[:, part] - mean)
            predictions[:, part] = self.test @ (projected / (self.values[:, None] + alphas[part])) + mean
        return predictions

    def fit(
        self,
        targets: Array,
        alphas: Sequence[float],
        *,
        criterion: Criterion = "squared_error",
        inner: Sequence[np.ndarray] | None = None,
    ) -> RidgeFit:
        """Choose an alpha for every target within the training stimuli, then predict the test stimuli with it.

        targets: (n, targets); alphas: candidates above 0; criterion: mean squared error (RidgeCV's) or Pearson r
        (Conwell et al. 2024) of the held-out predictions, the first of equally good alphas wins; inner: the stimuli
        that each inner fold leaves out, every stimulus once (None: leave one out, in closed form; so is the other).
        Raises UserError for targets that are not finite or inner folds that are no partition, BadValue for an alpha
        that is not above 0 or an unknown criterion.
        """
        known = self._targets(targets)
        if criterion not in CRITERIA:
            raise BadValue("criterion", criterion, f"must be one of {', '.join(CRITERIA)}")
        if not len(alphas) or not all(0 < a < np.inf for a in alphas):
            raise BadValue("alphas", list(alphas), "must be positive numbers, at least one")
        errors = self._loo_errors(alphas) if inner is None else self._block_errors(alphas, inner)
        best = torch.full_like(known[0], -torch.inf)
        chosen = torch.full_like(best, alphas[0])
        for part in _slices(known.shape[1]):
            chunk = _Chunk.of(self, known[:, part])
            for index, (alpha, dual) in enumerate(zip(alphas, chunk.duals(alphas), strict=True)):
                score = _score(chunk.centred, errors(index, dual), criterion)
                better = score > best[part]
                best[part] = torch.where(better, score, best[part])
                chosen[part] = torch.where(better, alpha, chosen[part])
        score = -best if criterion == "squared_error" else best
        return RidgeFit(chosen, score, self.predict(known, chosen))

    def leverages(self, alphas: torch.Tensor) -> torch.Tensor:
        """(n, alphas) the inverse's diagonal, by which dual coefficients are divided to be leave-one-out errors."""
        return self._squares @ (1.0 / (self.values[:, None] + alphas)) + self._missing[:, None] / alphas

    def _loo_errors(self, alphas: Sequence[float]) -> _Errors:
        """Held-out errors from dual coefficients, alpha by alpha."""
        leverage = self.leverages(torch.tensor(alphas, dtype=torch.float64, device=self.values.device))
        return lambda index, dual: dual / leverage[:, index, None]

    def _block_errors(self, alphas: Sequence[float], inner: Sequence[np.ndarray]) -> _Errors:
        """The same for whole blocks of stimuli left out: the inverse's diagonal block takes the diagonal's place."""
        n = len(self.vectors)
        if not np.array_equal(np.sort(np.concatenate(list(inner))), np.arange(n)):
            raise UserError(f"the inner folds must leave out each of the {n} training stimuli exactly once")
        blocks = [torch.as_tensor(rows, device=self.values.device) for rows in inner]

        def errors(index: int, dual: torch.Tensor) -> torch.Tensor:
            held_out = torch.empty_like(dual)
            for rows in blocks:
                vectors = self.vectors[rows]
                inverse = (vectors / (self.values + alphas[index])) @ vectors.T
                if not self.complete:
                    missing = -vectors @ vectors.T - 1.0 / n
                    missing.diagonal().add_(1.0)
                    inverse += missing / alphas[index]
                held_out[rows] = torch.linalg.solve(inverse, dual[rows])
            return held_out

        return errors

    def _targets(self, targets: Array) -> torch.Tensor:
        known = exact(torch.as_tensor(targets)).to(self.values.device, torch.float64)
        n = len(self.vectors)
        if known.ndim != 2 or len(known) != n:
            raise StimulusMismatch(f"targets of shape {tuple(known.shape)}; expected ({n} training stimuli, targets)")
        bad = (~torch.isfinite(known)).any(dim=0).nonzero().ravel()
        if len(bad):
            raise UserError(
                f"{len(bad)} of {known.shape[1]} targets are not finite for all training stimuli (first: "
                f"target {int(bad[0])}); leave those stimuli or targets out"
            )
        return known

    @staticmethod
    def _per_target(alpha: Array | float, targets: torch.Tensor) -> torch.Tensor:
        alphas = torch.as_tensor(alpha, dtype=torch.float64, device=targets.device)
        if not (alphas > 0).all():
            raise BadValue("alpha", float(alphas.min()), "must be above 0")
        return alphas.expand(targets.shape[1])


_Errors = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class _Chunk:
    """Some targets, centred, in the fold's directions and outside of them."""

    fold: RidgeFold
    centred: torch.Tensor
    projected: torch.Tensor
    outside: torch.Tensor | None

    @classmethod
    def of(cls, fold: RidgeFold, targets: torch.Tensor) -> _Chunk:
        centred = targets - targets.mean(dim=0)
        projected = fold.vectors.T @ centred
        return cls(fold, centred, projected, None if fold.complete else centred - fold.vectors @ projected)

    def dual(self, weights: torch.Tensor, alpha: torch.Tensor | float) -> torch.Tensor:
        """Dual coefficients, (n, targets). weights: 1 / (eigenvalue + alpha)."""
        inside = self.fold.vectors @ (weights * self.projected)
        return inside if self.outside is None else inside + self.outside / alpha

    def duals(self, alphas: Sequence[float]) -> Iterator[torch.Tensor]:
        """The same of all targets for one alpha after the other; where targets are few, one product has several."""
        together = max(1, CHUNK_TARGETS // self.projected.shape[1])
        for some in torch.tensor(alphas, dtype=torch.float64, device=self.projected.device).split(together):
            weights = 1.0 / (self.fold.values[:, None] + some)
            inside = self.fold.vectors @ (weights[:, :, None] * self.projected[:, None, :]).flatten(1)
            for alpha, dual in zip(some, inside.unflatten(1, (len(some), -1)).unbind(1), strict=True):
                yield dual if self.outside is None else dual + self.outside / alpha


def _score(truth: torch.Tensor, errors: torch.Tensor, criterion: Criterion) -> torch.Tensor:
    """Higher is better. truth: (n, targets) with mean 0."""
    if criterion == "squared_error":
        return -(errors**2).mean(dim=0)
    predictions = truth - errors
    predictions = predictions - predictions.mean(dim=0)
    r = (truth * predictions).sum(dim=0) / (truth.norm(dim=0) * predictions.norm(dim=0))
    return torch.nan_to_num(r, nan=-2.0)  # a constant is worse than any correlation, but still an alpha


def _slices(count: int, size: int = CHUNK_TARGETS) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _eigh(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Small and on the CPU: torch with one thread. Large there: scipy, in a third of torch's time with two threads.

    The matrix' memory is used.
    """
    if matrix.device.type != "cpu":
        return tuple(torch.linalg.eigh(matrix))
    if len(matrix) <= SMALL:
        with one_thread():
            return tuple(torch.linalg.eigh(matrix))
    values, vectors = eigh(matrix.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
    return torch.from_numpy(values), torch.from_numpy(vectors)


def _enough(n: int) -> None:
    if n < FEWEST:
        raise UserError(f"ridge regression needs at least {FEWEST} training stimuli, there are {n}; use more stimuli")
