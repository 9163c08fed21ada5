"""Ridge regression of all folds from one Gram matrix, a penalty a time: the yardstick of recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from mlspatial.analysis.device import exact_device
from mlspatial.analysis.gram import centred, square
from mlspatial.analysis.pls import correlations
from mlspatial.analysis.splits import Split
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

VERSION = "1"
#: ridge penalties as shares of trace(K) / n, the mean squared length of a centred pattern
ALPHAS = tuple(10.0**exponent for exponent in range(-5, 4))


def cross_validated_ridge(
    gram: np.ndarray,
    responses: Sequence[np.ndarray],
    folds: Iterable[Split],
    device: str = "cpu",
    *,
    alphas: Sequence[float] = ALPHAS,
) -> list[np.ndarray]:
    """Pearson r of ridge regression's predictions on the test stimuli, (splits, neuroids) of each region.

    gram: (n, n), any origin and scale; responses: (n, neuroids) each; alphas: candidates as shares of trace(K) / n over
    all stimuli. Every neuroid of a split has its own, the one with the least squared leave-one-out error within the
    training part, the first of equals. The intercept is not penalised.

    No fold is decomposed: for one alpha, G is the inverse of K + alpha I on the complement of the constant vector, for
    all stimuli. With o what a fold leaves out, the errors there are G_oo^-1 (G y)_o, and the inverse of the training
    part is the Schur complement G - G_.o G_oo^-1 G_o., of which leave-one-out wants the diagonal.
    Raises BadValue for alphas that are not above 0, UserError when test stimuli are trained on.
    """
    folds = list(folds)
    predicted = predicted_ridge(gram, responses, folds, device, alphas=alphas)
    return correlations(predicted, responses, folds)


def predicted_ridge(
    gram: np.ndarray,
    responses: Sequence[np.ndarray],
    folds: Iterable[Split],
    device: str = "cpu",
    *,
    alphas: Sequence[float] = ALPHAS,
) -> list[list[np.ndarray]]:
    """The predictions themselves: (n test, neuroids) of every fold of each region, less the neuroid's mean response."""
    if not len(alphas) or not all(0 < alpha < np.inf for alpha in alphas):
        raise BadValue("alphas", list(alphas), "must be positive numbers, at least one")
    folds = list(folds)
    n = len(gram)
    if any(len(values) != n for values in responses):
        raise StimulusMismatch(f"a Gram matrix of {n} stimuli and responses to {[len(values) for values in responses]}")
    measured = np.concatenate([np.asarray(values, np.float64) for values in responses], axis=1)
    if not np.isfinite(measured).all():
        raise UserError("ridge: responses are not finite for all stimuli; leave those neuroids out")
    device = exact_device(device)
    kernel = torch.from_numpy(centred(square(gram))).to(device)
    scale = float(kernel.diagonal().mean())
    known = torch.from_numpy(measured - measured.mean(axis=0)).to(device)
    sides = []
    for train, test in folds:
        out = np.setdiff1d(np.arange(n), train)
        if not np.isin(test, out).all():
            raise UserError("ridge: a fold tests stimuli that it trains on; hand over disjoint sides")
        sides.append(tuple(torch.as_tensor(side, device=device) for side in (np.asarray(train), out)))
    least = torch.full((len(folds), known.shape[1]), torch.inf, dtype=torch.float64, device=device)
    predicted = [torch.zeros(len(out), known.shape[1], dtype=torch.float64, device=device) for _, out in sides]
    for alpha in alphas if scale > 0 else ():
        regular = kernel + scale / n  # the constant vector gets the eigenvalue `scale`, taken off again below
        regular.diagonal().add_(alpha * scale)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(regular)) - 1 / (n * scale * (1 + alpha))
        dual = inverse @ known
        for fold, (train, out) in enumerate(sides):
            rows = inverse[out]
            factor = torch.linalg.cholesky(rows[:, out])
            errors = torch.cholesky_solve(dual[out], factor)
            half = torch.linalg.solve_triangular(factor, rows[:, train], upper=False)
            leverage = inverse.diagonal()[train] - half.square().sum(dim=0)
            left_out = (dual[train] - rows[:, train].T @ errors) / leverage[:, None]
            loss = left_out.square().mean(dim=0)
            better = loss < least[fold]
            least[fold] = torch.where(better, loss, least[fold])
            predicted[fold] = torch.where(better, known[out] - errors, predicted[fold])
    ends = np.cumsum([values.shape[1] for values in responses])[:-1]
    found: list[list[np.ndarray]] = [[] for _ in responses]
    for (_, out), values, (_, test) in zip(sides, predicted, folds, strict=True):
        places = np.searchsorted(out.cpu().numpy(), test)
        for region, part in enumerate(np.split(values.cpu().numpy()[places], ends, axis=1)):
            found[region].append(part)
    return found
