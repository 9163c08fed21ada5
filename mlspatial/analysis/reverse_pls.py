"""Reverse predictivity: the units of a network predicted from neuroids, by partial least squares, as Brain-Score does.

scikit-learn's PLSRegression(25, scale=False) iterates over units by the hundred thousand. Its weights on the neuroids
need the units only through the inner products between stimuli, K = Y Y^T, and through the first unit that varies, where
the power iteration starts: with X_k what earlier scores have left of the neuroids, w <- X_k^T K X_k w. (Y need not be
deflated: X_k is orthogonal to the earlier scores already.) So the units are read twice, in blocks, and never kept: once
for K, once for what the scores predict of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mlspatial.analysis.device import exact
from mlspatial.analysis.gram import upper_product
from mlspatial.analysis.pls import COMPONENTS, MOST_ITERATIONS, TOLERANCE, Split, pearson
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

VERSION = "1"
BLOCK = 2048  # units of up to 1,024 stimuli that are in float64 at a time: 16 MB, fewer of more stimuli
EPSILON = float(np.finfo(np.float64).eps)  # scikit-learn: a column is empty when nothing in it is larger


class ReversePLS:
    """Correlations of predicted with measured units, from units that come in blocks, all of them twice.

    neuroids: (n stimuli, m) responses, the predictors; folds: (train, test) indices into the stimuli; components: at
    most m. add() every block of units, rewind(), add() all of them again, then ask for correlations(). All is computed
    in float64, as scikit-learn's PLSRegression does: r of a float32 unit is the package's to 1e-7. Units that waited in
    float16 stay rounded: r of one moves by up to 7e-4, their median by 3e-6 (ResNet-18, 515 renderings).
    Memory: five n x n matrices, folds x n x components numbers, ten blocks of 16 MB, folds x units float64, twice.
    Raises BadValue for more components than neuroids or training stimuli, UserError for responses that are not finite.
    Source: brainscore_vision 2.4.2, metrics/regression_correlation (ReverseCrossRegressedCorrelation).
    """

    rounds = 2

    def __init__(self, neuroids: np.ndarray, folds: Sequence[Split], components: int = COMPONENTS) -> None:
        values = np.asarray(neuroids, np.float64)
        if values.ndim != 2 or not np.isfinite(values).all():
            raise UserError(f"responses of shape {values.shape} must be (stimuli, neuroids) and finite")
        self.n = len(values)
        self._folds = [(np.asarray(train), np.asarray(test)) for train, test in folds]
        most = min(values.shape[1], *(len(train) - 1 for train, _ in self._folds))
        if not 1 <= components <= most:
            raise BadValue(
                "components",
                components,
                f"must be between 1 and {most}: PLS predicts from {values.shape[1]} neuroids of a region",
            )
        self._neuroids, self._components = values, components
        self._products: torch.Tensor | None = None
        self._starts: list[np.ndarray | None] = [None] * len(self._folds)
        self._scores: list[tuple[np.ndarray, np.ndarray]] = []
        self._found: list[np.ndarray] = []

    def add(self, block: torch.Tensor | np.ndarray) -> None:
        """block: (n, units), the next of all stimuli. Raises StimulusMismatch, UserError for what is not finite."""
        part = exact(torch.as_tensor(block).detach())
        if part.ndim != 2 or len(part) != self.n:
            raise StimulusMismatch(f"units of shape {tuple(part.shape)}, expected ({self.n} stimuli, units)")
        if not torch.isfinite(part).all():
            raise UserError("activations are not finite; look at the network, or extract in float32")
        for columns in part.split(max(1, BLOCK * 1024 // max(self.n, 1024)), dim=1):
            self._add(columns.to(torch.float64))

    def _add(self, part: torch.Tensor) -> None:
        if self._scores:
            self._found.append(self._correlate(part.cpu().numpy()))
            return
        self._look_for_starts(part)
        centred = part - part.mean(dim=0)  # of all stimuli, for conditioning only
        self._products = upper_product(centred, self._products, more=self._products is not None)

    def rewind(self) -> None:
        """All units were added once. Raises UserError before the first block and where no unit varies in a split."""
        if self._products is None:
            raise UserError("a layer without units cannot be predicted")
        whole = self._products.cpu().numpy()
        self._products = None
        whole = np.triu(whole) + np.triu(whole, 1).T
        for number, ((train, test), start) in enumerate(zip(self._folds, self._starts, strict=True)):
            if start is None:
                raise UserError(f"reverse predictivity: no unit varies over the training stimuli of split {number}")
            self._scores.append(_scores(self._neuroids, whole, train, test, start, self._components))

    def correlations(self) -> np.ndarray:
        """(splits, units) float32 Pearson r over the test stimuli; NaN where a unit or its prediction is constant."""
        return np.concatenate(self._found, axis=1).astype(np.float32)

    def _look_for_starts(self, part: torch.Tensor) -> None:
        """The first unit of each fold that is not constant in training."""
        for number, (train, _) in enumerate(self._folds):
            if self._starts[number] is not None:
                continue
            rows = part[torch.as_tensor(train, device=part.device)]
            rest = rows - rows.mean(dim=0)
            varies = ((rest.abs() > EPSILON).any(dim=0)).nonzero().ravel()
            if len(varies):
                self._starts[number] = rest[:, varies[0]].cpu().numpy()

    def _correlate(self, part: np.ndarray) -> np.ndarray:
        found = np.empty((len(self._folds), part.shape[1]))
        for row, (train, test), (fitted, new) in zip(found, self._folds, self._scores, strict=True):
            known = part[train]
            mean = known.mean(axis=0)
            loadings = fitted.T @ (known - mean)
            row[:] = pearson(new @ loadings + mean, part[test])
        return found


def _scores(
    neuroids: np.ndarray, products: np.ndarray, train: np.ndarray, test: np.ndarray, start: np.ndarray, components: int
) -> tuple[np.ndarray, np.ndarray]:
    """((n train, k) scores over their squared length, (n test, k) scores of the test stimuli) of one fold.

    products: (n, n) between all stimuli, any origin; start: (n train,) the centred unit where the iteration begins.
    """
    mean = neuroids[train].mean(axis=0)
    x = neuroids[train] - mean
    through = products[np.ix_(train, train)] @ x  # K X; centred below, as x is
    through -= through.mean(axis=0)
    weights, loadings, fitted = [], [], []
    for _ in range(components):
        found = _weights(x.T @ through, x.T @ start)
        if found is None:
            break  # nothing is left to predict, or to predict it from
        score = x @ found
        length = score @ score
        loading = score @ x / length
        image = through @ found  # K t
        x = x - np.outer(score, loading)
        through = through - np.outer(image, loading)
        weights.append(found)
        loadings.append(loading)
        fitted.append(score / length)
    if not weights:
        return np.zeros((len(train), 0)), np.zeros((len(test), 0))
    w, p = np.stack(weights, axis=1), np.stack(loadings, axis=1)
    rotations = np.linalg.solve((p.T @ w).T, w.T).T
    return np.stack(fitted, axis=1), (neuroids[test] - mean) @ rotations


def _weights(matrix: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """NIPALS' weights of one component, of unit length; None where nothing is left.

    matrix: (m, m) X^T K X; start: (m,) X^T y of the unit where it begins.
    """
    size = np.sqrt(start @ start)
    if not size > 0:
        return None
    weights = start / size
    for _ in range(1, MOST_ITERATIONS):
        new = matrix @ weights
        size = np.sqrt(new @ new)
        if not size > 0:
            return None
        new /= size
        step = new - weights
        weights = new
        if step @ step < TOLERANCE:
            break
    return weights
