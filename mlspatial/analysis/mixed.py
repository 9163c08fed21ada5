"""Linear models with one random intercept, at the exact optimum of the restricted likelihood."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mlspatial.core.errors import UserError

VERSION = "1"
#: ratios of the variances of intercepts and of what is left among which the optimum is looked for, then refined
RATIOS = np.concatenate([[0.0], np.logspace(-6, 8, 281)])
NAN = float("nan")
NOTHING = 1e-12  # of the values' variance: below it differences of sums are rounding


@dataclass(frozen=True)
class RandomIntercept:
    """y = X b + u of the group + e.

    weights, errors, df: (k,) b, its standard errors, and Satterthwaite's degrees of freedom for Student's t;
    covariance: (k, k) of b; group_sd, residual_sd: of u and e; apart: False where the groups say nothing about u that
    X does not (one point a group, or a group for each column), so that least squares was taken and group_sd is NaN.
    """

    weights: np.ndarray
    errors: np.ndarray
    df: np.ndarray
    covariance: np.ndarray
    group_sd: float
    residual_sd: float
    apart: bool = True


def random_intercept(y: np.ndarray, design: np.ndarray, group: Sequence[Hashable] | np.ndarray) -> RandomIntercept:
    """Fit by restricted maximum likelihood, profiled to the ratio of the two variances, of which all is in closed form.

    y: (n,); design: (n, k) of rank k < n; group: n labels. Covariance of b is (X' V^-1 X)^-1 at the optimum. Where that
    is at no spread between groups, the fit is that of least squares, with n - k degrees of freedom.
    Raises UserError where nothing is left to explain: y follows from X, or from X and the groups.
    Source: Laird and Ware 1982; Bates et al. 2015 (lme4); degrees of freedom: Satterthwaite 1946, as in lmerTest.
    """
    y, design = np.asarray(y, np.float64), np.asarray(design, np.float64)
    labels = np.unique([str(value) for value in group], return_inverse=True)[1]
    constant = np.linalg.lstsq(design, np.ones(len(y)), rcond=None)[0]  # where the columns make one, y may be moved
    shift, scale = float(y.mean()) * bool(np.allclose(design @ constant, 1)), float(y.std())
    sums = _Sums.of((y - shift) / (scale or 1.0), design, labels)
    if sums.at(0.0).left < NOTHING * len(y) or scale == 0:
        raise UserError("mixed model: the values follow from the factors; nothing is left to tell errors from")
    apart = _tells_apart(design, labels)
    ratio = sums.best() if apart else 0.0
    found = sums.at(ratio)
    if found.left < NOTHING * len(y) or ratio >= RATIOS[-1]:
        raise UserError("mixed model: the values follow from factors and groups; nothing is left to tell errors from")
    left = scale * math.sqrt(found.left / sums.df)
    weights = scale * found.weights + shift * constant
    covariance = left**2 * found.inverse
    return RandomIntercept(
        weights=weights,
        errors=np.sqrt(np.diag(covariance)),
        df=sums.satterthwaite(ratio) if ratio else np.full(len(weights), float(sums.df)),
        covariance=covariance,
        group_sd=left * math.sqrt(ratio) if apart else NAN,
        residual_sd=left,
        apart=apart,
    )


def _tells_apart(design: np.ndarray, labels: np.ndarray) -> bool:
    """Whether groups of several points differ in more than the columns of the design."""
    groups = labels.max() + 1
    if groups < 2 or groups == len(labels):
        return False
    indicators = np.eye(groups)[labels]
    return bool(np.linalg.matrix_rank(np.column_stack([design, indicators])) > design.shape[1])


@dataclass(frozen=True)
class _At:
    """At one ratio: weights (k,), the inverse of X' V^-1 X in units of the residual variance (k, k), what is left."""

    weights: np.ndarray
    inverse: np.ndarray
    left: float
    deviance: float


@dataclass(frozen=True)
class _Sums:
    """Sums over all points and over each group, which is all that the likelihood needs."""

    n: np.ndarray  # (groups,)
    x: np.ndarray  # (groups, k)
    y: np.ndarray  # (groups,)
    xx: np.ndarray
    xy: np.ndarray
    yy: float
    df: int

    @classmethod
    def of(cls, y: np.ndarray, design: np.ndarray, labels: np.ndarray) -> _Sums:
        n = np.bincount(labels).astype(float)
        x = np.stack([np.bincount(labels, column) for column in design.T], axis=1)
        df = len(y) - design.shape[1]
        return cls(n, x, np.bincount(labels, y), design.T @ design, design.T @ y, float(y @ y), df)

    def at(self, ratio: float) -> _At:
        share = ratio / (1 + ratio * self.n)
        matrix = self.xx - (self.x.T * share) @ self.x
        right = self.xy - self.x.T @ (share * self.y)
        inverse = np.linalg.inv(matrix)
        weights = inverse @ right
        left = self.yy - float(share @ self.y**2) - float(right @ weights)
        logs = float(np.log1p(ratio * self.n).sum()) + float(np.linalg.slogdet(matrix)[1])
        deviance = self.df * math.log(left) + logs if left > 0 else math.inf
        return _At(weights, inverse, left, deviance)

    def slopes(self, ratio: float) -> tuple[float, float, float, float, np.ndarray]:
        """First and second derivative of what is left and of the determinants, and A' with A = X' V^-1 X."""
        found = self.at(ratio)
        first, second = 1 / (1 + ratio * self.n) ** 2, -2 * self.n / (1 + ratio * self.n) ** 3
        errors = self.y - self.x @ found.weights
        change, bend = -(self.x.T * first) @ self.x, -(self.x.T * second) @ self.x
        moved = -found.inverse @ (self.x.T @ (first * errors))  # of the weights
        left = -float(first @ errors**2)
        left_second = -float(second @ errors**2) + 2 * float((first * errors) @ (self.x @ moved))
        inner = found.inverse @ change
        logs = float((self.n / (1 + ratio * self.n)).sum()) + float(np.trace(inner))
        logs_second = -float((self.n**2 / (1 + ratio * self.n) ** 2).sum())
        logs_second += float(np.trace(found.inverse @ bend)) - float(np.trace(inner @ inner))
        return left, left_second, logs, logs_second, change

    def best(self) -> float:
        """The ratio with the smallest deviance, to the precision of the machine."""
        deviances = [self.at(ratio).deviance for ratio in RATIOS]
        at = int(np.argmin(deviances))
        if at == len(RATIOS) - 1:
            return float(RATIOS[-1])
        low, high = RATIOS[max(at - 1, 0)], RATIOS[at + 1]

        def slope(ratio: float) -> float:
            left, _, logs, _, _ = self.slopes(ratio)
            return self.df * left / self.at(ratio).left + logs

        if slope(low) >= 0:  # only at no spread at all
            return float(low)
        return float(brentq(slope, low, high, xtol=1e-14, rtol=1e-14))

    def satterthwaite(self, ratio: float) -> np.ndarray:
        """(k,) degrees of freedom: twice the squared variance of a weight over the variance of its estimate."""
        found = self.at(ratio)
        variance = found.left / self.df
        left, left_second, _, logs_second, change = self.slopes(ratio)
        hessian = np.array([[self.df / variance**2, -left / variance**2],
                            [-left / variance**2, left_second / variance + logs_second]])  # fmt: skip
        spread = 2 * np.linalg.inv(hessian)  # of (residual variance, ratio)
        diagonal = np.diag(found.inverse)
        gradient = np.stack([diagonal, -variance * np.diag(found.inverse @ change @ found.inverse)])
        return 2 * (variance * diagonal) ** 2 / np.einsum("ik,ij,jk->k", gradient, spread, gradient)
