"""A mesh as a handful of balls, which is all that the ground's share of the sky needs to know of it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

BLOBS = 8  # of each mesh
ROUNDS = 12  # of k-means


def blobs(vertices: np.ndarray, faces: np.ndarray, closed: bool) -> np.ndarray:
    """(BLOBS, 4) float32: centres and radii of balls that hide as much as the mesh does, averaged over directions.

    vertices: (V, 3); faces: (F, 3); closed: whether no back of a face can be seen. The surface is cut into BLOBS
    clusters (k-means of the faces' middles, weighted by area). The ball of a cluster has the mean projected area of its
    convex hull, a quarter of its surface (Cauchy), or of its faces, a quarter of their area where they are closed and
    half of it else, where that is less. A mesh with fewer faces has balls of radius 0 as well.
    """
    corners = vertices.astype(np.float64)[faces]  # (F, 3, 3)
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    middle = corners.mean(axis=1)
    centre = _spread(middle, area)
    for _ in range(ROUNDS):
        nearest = ((middle[:, None] - centre) ** 2).sum(axis=-1).argmin(axis=1)
        weight = np.bincount(nearest, area, BLOBS)
        moved = np.stack([np.bincount(nearest, area * middle[:, i], BLOBS) for i in range(3)], axis=1)
        centre = np.where(weight[:, None] > 0, moved / np.maximum(weight, 1e-300)[:, None], centre)
    radius = np.zeros(BLOBS)
    for number in range(BLOBS):
        mine = nearest == number
        if mine.any():
            shadow = min(
                _hull_area(corners[mine].reshape(-1, 3)) / 4.0, float(area[mine].sum()) / (4.0 if closed else 2.0)
            )
            radius[number] = np.sqrt(shadow / np.pi)
    return np.column_stack([centre, radius]).astype(np.float32)


def _spread(points: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(BLOBS, 3) points far from each other, the first of them the heaviest."""
    chosen = [int(weight.argmax())]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < BLOBS:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _hull_area(points: np.ndarray) -> float:
    """Surface of the convex hull; infinite where the points are flat, and their own area says more."""
    try:
        return float(ConvexHull(points).area)
    except (QhullError, ValueError):
        return np.inf
