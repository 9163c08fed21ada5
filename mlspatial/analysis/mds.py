"""A map of models in the plane: metric multidimensional scaling of the distances between their profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from mlspatial.core.errors import BadValue, UserError

VERSION = "1"
MOST_ITERATIONS = 1000
TOLERANCE = 1e-9  # relative fall of the squared stress in one step, below which the map stays
TIE = 1e-6  # coordinates this close in size, relative to the largest, count as equal for the sign


@dataclass(frozen=True)
class Embedding:
    """coordinates: (models, dimensions) float64, centred, axes by falling variance.

    stress: square root of sum (d - distance)^2 / sum distance^2 over pairs (Kruskal's stress 1 with the distances
    below the line), 0 for a perfect map, under .1 a fair one. iterations: SMACOF steps taken.
    """

    coordinates: np.ndarray
    stress: float
    iterations: int


def row_distances(similarity: np.ndarray) -> np.ndarray:
    """Euclidean distances between the rows of a model-by-model matrix, (models, models) float64.

    similarity: (models, models), e.g. CKA; (models, anything) works as well. Raises UserError for values that are not
    finite. Source: Xie et al. 2025, who map models by their whole profile of similarities.
    """
    similarity = np.asarray(similarity, np.float64)
    if similarity.ndim != 2 or not np.isfinite(similarity).all():
        raise UserError(f"similarities of shape {similarity.shape} must be (models, models) and finite")
    return cdist(similarity, similarity)


def mds(
    distances: np.ndarray,
    *,
    dimensions: int = 2,
    iterations: int = MOST_ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Embedding:
    """Place models so that their distances are as near as can be to the given ones (least squares).

    distances: (models, models), symmetric, 0 on the diagonal. Classical scaling is the start and SMACOF goes on from
    there, so nothing is random. Rotation: principal axes; sign: the coordinate of largest size on every axis is
    positive (the first of equals). Raises UserError for a matrix that holds no distances.
    Source: Torgerson 1952; de Leeuw 1977; the same steps as sklearn.manifold.smacof from the same start.
    """
    distances = _checked(distances)
    if dimensions < 1:
        raise BadValue("dimensions", dimensions, "expected at least 1")
    coordinates = classical(distances, dimensions)
    stress, taken = _squared_stress(distances, cdist(coordinates, coordinates)), 0
    while taken < iterations and stress > 0:
        moved = _guttman(distances, coordinates)
        after, taken = _squared_stress(distances, cdist(moved, moved)), taken + 1
        coordinates, before, stress = moved, stress, after
        if before - after <= tolerance * before:
            break
    return Embedding(_oriented(coordinates), float(np.sqrt(stress)), taken)


def classical(distances: np.ndarray, dimensions: int = 2) -> np.ndarray:
    """Torgerson's scaling, (models, dimensions): exact when the distances are those of points in that many dimensions.

    Axes beyond what the distances span are 0. Raises UserError as mds.
    """
    squares = np.square(_checked(distances))
    means = squares.mean(axis=0)
    values, vectors = np.linalg.eigh(-0.5 * (squares - means - means[:, None] + means.mean()))
    values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
    coordinates = np.zeros((len(distances), dimensions))
    coordinates[:, : len(values)] = vectors * np.sqrt(values.clip(min=0.0))
    return _oriented(coordinates)


def _checked(distances: np.ndarray) -> np.ndarray:
    distances = np.asarray(distances, np.float64)
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1] or not len(distances):
        raise UserError(f"distances of shape {distances.shape} are not (models, models)")
    scale = np.abs(distances).max()
    if not np.isfinite(scale) or distances.min() < 0:
        raise UserError("distances must be finite and not negative; row_distances makes them from similarities")
    if np.abs(distances - distances.T).max() > 1e-6 * scale or np.abs(np.diag(distances)).max() > 1e-6 * scale:
        raise UserError(
            "distances must be symmetric with 0 on the diagonal; row_distances makes them from similarities"
        )
    return distances


def _guttman(distances: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """One step of SMACOF: the minimum of a parabola above the stress that touches it here."""
    apart = cdist(coordinates, coordinates)
    ratio = np.divide(distances, apart, out=np.zeros_like(distances), where=apart > 0)
    return (coordinates * ratio.sum(axis=1)[:, None] - ratio @ coordinates) / len(coordinates)


def _squared_stress(distances: np.ndarray, apart: np.ndarray) -> float:
    total = np.square(distances).sum()
    return float(np.square(apart - distances).sum() / total) if total > 0 else 0.0


def _oriented(coordinates: np.ndarray) -> np.ndarray:
    coordinates = coordinates - coordinates.mean(axis=0)
    axes = np.linalg.svd(coordinates, full_matrices=True)[2]
    turned = coordinates @ axes.T
    size = np.abs(turned)
    largest = np.argmax(size >= (1 - TIE) * size.max(axis=0), axis=0)
    signs = np.where(turned[largest, np.arange(turned.shape[1])] < 0, -1.0, 1.0)
    return turned * signs
