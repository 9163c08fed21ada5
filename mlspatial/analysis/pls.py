"""Neural predictivity by partial least squares, as Brain-Score computes it, from Gram matrices.

PLS needs the features only through their inner products K = X X^T. NIPALS' power iteration on the features-by-
targets matrix, its start and its stopping rule are followed step for step on the small targets-by-targets matrix
Y^T K Y, so that predictions equal those of scikit-learn's PLSRegression(25, scale=False) to rounding, whatever the
number of features.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlspatial.core.errors import UserError

COMPONENTS = 25  # Brain-Score, metrics/regression_correlation
TOLERANCE = 1e-6  # scikit-learn's PLSRegression
MOST_ITERATIONS = 500
SPLITS = 10
TRAIN_SIZE = 0.9
SPLIT_SEED = 1
VERSION = "1"
CHUNK = 16_384  # features per product


def splits(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Brain-Score's cross-validation without stratification: 10 x (90 % train, 10 % test), random_state 1.

    Returns (train indices, test indices) pairs.
    """
    from sklearn.model_selection import ShuffleSplit

    return list(ShuffleSplit(SPLITS, train_size=TRAIN_SIZE, random_state=SPLIT_SEED).split(np.zeros(n)))


def gram_matrix(features: np.ndarray) -> np.ndarray:
    """(n, p) -> (n, n) float64 inner products of the centred features.

    float32 features are multiplied as such in chunks and summed in float64 (a score moves by less than 1e-6);
    hand over float64 for exact ones.
    """
    gram = np.zeros((len(features), len(features)))
    for first in range(0, features.shape[1], CHUNK):
        part = features[:, first : first + CHUNK]
        part = part - part.mean(axis=0, dtype=np.float64).astype(part.dtype)
        gram += part @ part.T
    return gram


def cross_validated_pls(
    gram: np.ndarray,
    responses: np.ndarray,
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    components: int = COMPONENTS,
) -> np.ndarray:
    """Pearson r between predicted and measured test responses, (splits, neuroids); NaN where either is constant.

    gram: (n stimuli, n stimuli) of the features; responses: (n stimuli, neuroids); folds: (train, test) indices,
    e.g. `splits(n)`. Raises UserError when there are not more training stimuli than components.
    """
    correlations = []
    for train, test in folds:
        if len(train) <= components:
            raise UserError(
                f"pls: {len(train)} training stimuli are too few for {components} components; "
                f"use more stimuli or set components below {len(train)}"
            )
        within, across = gram[np.ix_(train, train)], gram[np.ix_(test, train)]
        predicted = predict_pls(within, across, responses[train], components=components)
        correlations.append(pearson(predicted, responses[test]))
    return np.stack(correlations)


def predict_pls(
    within: np.ndarray, across: np.ndarray, responses: np.ndarray, *, components: int = COMPONENTS
) -> np.ndarray:
    """Test responses predicted by PLS, (n test, neuroids).

    within: (n train, n train) Gram matrix; across: (n test, n train) inner products of test with training features
    (the same origin, any); responses: (n train, neuroids).
    Source: Rosipal and Trejo 2001 for the kernel form; scikit-learn 1.5's NIPALS for iteration and deflation.
    """
    column_means, mean = within.mean(axis=0), responses.mean(axis=0)
    across = across - across.mean(axis=1, keepdims=True) - column_means + column_means.mean()
    within = within - column_means - column_means[:, None] + column_means.mean()
    residual = responses - mean
    covariance = residual.T @ within @ residual
    directions, scores, loadings = [], np.empty((0, len(within))), []
    for _ in range(components):
        weights = _leading_weights(covariance)
        if weights is None:
            break  # nothing is left to predict, or to predict it from
        direction = residual @ weights  # the x-weights are X^T direction; it is orthogonal to all earlier scores
        score = within @ direction
        score -= scores.T @ (scores @ score)  # deflation of X
        score /= np.linalg.norm(score)
        loading = residual.T @ score
        image = within @ score
        change = np.outer(loading, residual.T @ image - (score @ image) / 2 * loading)
        covariance = covariance - change - change.T
        residual = residual - np.outer(score, loading)  # deflation of Y
        directions.append(direction)
        scores = np.vstack([scores, score])
        loadings.append(loading)
    if not directions:
        return np.tile(mean, (len(across), 1))
    weights_in_stimuli = np.stack(directions, axis=1)
    rotation = np.linalg.solve(scores @ within @ weights_in_stimuli, np.stack(loadings))
    return mean + across @ weights_in_stimuli @ rotation


def _leading_weights(covariance: np.ndarray) -> np.ndarray | None:
    """NIPALS' estimate of the leading target weights c, scaled so that c^T M c = 1; None when M is all zero.

    covariance: M = Y^T K Y. The iteration c <- M c starts from the first target that is not zero and stops when the
    squared change of the unit x-weights, 2 - 2 c'Mc_old / (|c'| |c_old|), falls below the tolerance.
    """
    diagonal = np.diag(covariance)
    if not (diagonal > np.finfo(np.float64).tiny).any():
        return None
    weights = np.zeros(len(covariance))
    weights[int(np.argmax(diagonal > np.finfo(np.float64).tiny))] = 1.0
    old_image, old_norm = weights, 1.0
    norm: float = 1.0
    for iteration in range(MOST_ITERATIONS):
        image = covariance @ weights
        norm = float(np.sqrt(weights @ image))
        if iteration and 2 - 2 * (weights @ old_image) / (norm * old_norm) < TOLERANCE:
            break
        if iteration + 1 < MOST_ITERATIONS:
            old_image, old_norm = image, norm
            weights = image / np.linalg.norm(image)
    return weights / norm


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson r of each column. a, b: (n, columns). Returns (columns,); NaN where a column is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norms > 0, (a * b).sum(axis=0) / norms, np.nan)
