"""Shape distances: how far two representations are apart after the best rotation of one onto the other.

With X and Y centred and of Frobenius norm 1, the best rotation leaves |X Q - Y|^2 = 2 - 2 s, where s, the nuclear norm
of X^T Y, is the Procrustes similarity. Any factor F with F F^T = X X^T gives the same s, so that a layer of any width
becomes an (n, n) factor or a smaller one. Make one factor per representation, and use it for all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlspatial.analysis.gram import centred, rounding, square
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

VERSION = "2"
EXACT = 1e-8  # bound on the error of a similarity up to which the fast way is taken; measured errors are below 1e-14
EPSILON = float(np.finfo(np.float64).eps)


def gram_factor(gram: np.ndarray, *, rank: int | None = None) -> np.ndarray:
    """A factor of a representation from its Gram matrix: (n, r) float64, columns by falling variance, norm 1.

    gram: (n, n), centred or not; 2 s for n = 2000. rank: the number of features, when there are fewer of them than
    stimuli: what is left beyond it is rounding. Without it, what rounding may have made is left out: the root of an
    eigenvalue of 1e-8 is 1e-4, and a Gram from float32 products has hundreds of those.
    Raises UserError when the representation does not vary, StimulusMismatch for a matrix that is not square.
    """
    if rank is not None and rank < 1:
        raise BadValue("rank", rank, "expected the number of features, at least 1")
    values, vectors = np.linalg.eigh(centred(square(gram)))
    _varies(values[-1])
    few = len(values) - 1 if rank is None else min(rank, len(values) - 1)  # centring takes one
    keep = np.flatnonzero(values > rounding(values))[::-1][:few]
    return vectors[:, keep] * np.sqrt(values[keep] / values[keep].sum())


def feature_factor(activations: np.ndarray) -> np.ndarray:
    """The factor of a representation with few features, which are their own: (n, features) float64, centred, norm 1.

    activations: (n stimuli, features). Use gram_factor when there are more features than stimuli.
    Raises UserError when the representation does not vary.
    """
    features = np.asarray(activations, np.float64)
    if features.ndim != 2:
        raise StimulusMismatch(f"activations of shape {features.shape} are not (n stimuli, features)")
    features = features - features.mean(axis=0)
    norm = float(np.linalg.norm(features))
    _varies(norm)
    return features / norm


def procrustes_similarity(factor_x: np.ndarray, factor_y: np.ndarray) -> float:
    """s, the nuclear norm of X^T Y: 1 for equal up to rotation and scale, 0 for patterns that share no dimension.

    factor_x: (n, r), factor_y: (n, q), from gram_factor or feature_factor, same stimuli in the same order.
    Unrelated representations of many dimensions, too, are far above 0.
    Raises StimulusMismatch when n differs. Source: Williams et al. 2021.
    """
    if len(factor_x) != len(factor_y):
        raise StimulusMismatch(
            f"factors of {len(factor_x)} and {len(factor_y)} stimuli; extract both representations from the same images"
        )
    return min(1.0, _nuclear_norm(factor_x.T @ factor_y))


def procrustes_matrix(factors: Sequence[np.ndarray], other: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Procrustes similarity of every two representations, (models, other models) float64; other: by default the same.

    Two seconds a pair for n = 2000 on two cores. Raises StimulusMismatch as procrustes_similarity.
    """
    if other is not None:
        return np.array([[procrustes_similarity(x, y) for y in other] for x in factors])
    matrix = np.eye(len(factors))
    for i, x in enumerate(factors):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = procrustes_similarity(x, factors[j])
    return matrix


def angular_distance(similarity: np.ndarray | float) -> np.ndarray:
    """arccos s, in radians from 0 to pi / 2: a metric between shapes. Any array of Procrustes similarities.

    The rounding of s shows as an angle of 1e-8 between equal shapes. Source: Williams et al. 2021.
    """
    return np.arccos(np.clip(similarity, -1.0, 1.0))


def procrustes_distance(similarity: np.ndarray | float) -> np.ndarray:
    """sqrt(2 - 2 s), from 0 to the square root of 2: |X Q - Y| after the best rotation, both of norm 1. A metric."""
    return np.sqrt(2.0 - 2.0 * np.clip(similarity, -1.0, 1.0))


def _varies(size: float) -> None:
    if not size > 0:
        raise UserError("the representation does not vary over the stimuli and has no shape; leave this layer out")


def _nuclear_norm(matrix: np.ndarray) -> float:
    """Sum of singular values: square roots of the eigenvalues of M M^T where that is exact enough, else by SVD.

    The eigenvalues take a fifth of the time, but err by some epsilon times the largest, which is much of the root of a
    small one. A bound on the sum of these errors decides.
    """
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    values = np.linalg.eigvalsh(matrix @ matrix.T)
    error = 10 * EPSILON * max(values[-1], 0.0)
    roots = np.sqrt(np.maximum(values, error))
    if not error or np.where(values > error, error / (2 * roots), np.sqrt(error)).sum() <= EXACT:
        return float(np.sqrt(values.clip(min=0.0)).sum())
    return float(np.linalg.svd(matrix, compute_uv=False).sum())
