"""What is asked of a mesh before it is drawn: how large it is, where it may stand, what it covers of a picture.

All in the left-handed camera frame at rest, unit scale (metres for an object of 1 m), centre of the bounding box at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from mlspatial.render.mesh import Mesh

SURFACE = 4000  # points on a mesh's surface that stand for its outline
CELLS = 24  # along the longer side of an outline
GAP = 0.02  # metres between the bounding boxes of two objects, at least
NEAREST = 0.05  # metres: an object must lie wholly beyond


@dataclass(frozen=True)
class Solid:
    """half: (3,) half extents of the bounding box; hull: (k, 3) corners of the convex hull; surface: (SURFACE, 3)
    points drawn evenly over the faces, the same ones whenever they are drawn."""

    half: np.ndarray
    hull: np.ndarray
    surface: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh) -> Solid:
        """mesh: or what has vertices alone, points on its box: their convex hull then stands for its faces."""
        vertices = mesh.vertices.astype(np.float64) * (1.0, 1.0, -1.0)
        faces = mesh.faces if hasattr(mesh, "faces") else ConvexHull(vertices).simplices
        a, b, c = vertices[faces].transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        rng = np.random.default_rng(0)
        face = rng.choice(len(area), SURFACE, p=area / area.sum())
        u, v = rng.random((2, SURFACE, 1))
        u, v = np.where(u + v > 1.0, 1.0 - u, u), np.where(u + v > 1.0, 1.0 - v, v)
        try:
            hull = vertices[ConvexHull(vertices).vertices]
        except (QhullError, ValueError):  # flat
            hull = vertices
        return cls(np.abs(vertices).max(axis=0), hull, a[face] + u * (b - a)[face] + v * (c - a)[face])


@dataclass(frozen=True)
class Cells:
    """What an object covers of the plane of the picture, in small squares. place: (n, 2) their middles at distance 1;
    z: (n,) metres of the nearest point in each."""

    place: np.ndarray
    z: np.ndarray

    @classmethod
    def of(cls, solid: Solid, position: np.ndarray, rotation: np.ndarray) -> Cells:
        points = solid.surface @ rotation.T + position
        points = points[points[:, 2] > NEAREST]
        if not len(points):
            return cls(np.zeros((0, 2)), np.zeros(0))
        flat = points[:, :2] / points[:, 2:]
        low = flat.min(axis=0)
        side = max(float((flat.max(axis=0) - low).max()) / CELLS, 1e-9)
        column, row = np.floor((flat - low) / side).astype(int).T
        order = np.lexsort((points[:, 2], row, column))
        code = (column * (CELLS + 1) + row)[order]
        first = np.concatenate([[True], code[1:] != code[:-1]])
        chosen = order[first]
        return cls(low + (np.stack([column, row], axis=1)[chosen] + 0.5) * side, points[chosen, 2])

    def in_picture(self, reach: float) -> np.ndarray:
        """(n,) bool; reach: half width of the picture at distance 1."""
        return (np.abs(self.place) < reach).all(axis=1)

    def behind(self, solid: Solid, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """(n,) bool: the squares that an object with a full convex outline would hide. Raises ValueError for one that
        is not wholly before the camera."""
        points = solid.hull @ rotation.T + position
        if points[:, 2].min() <= NEAREST:
            raise ValueError("behind the camera")
        hidden = self.z > points[:, 2].min()
        flat = points[:, :2] / points[:, 2:]
        hidden &= ((self.place >= flat.min(axis=0)) & (self.place <= flat.max(axis=0))).all(axis=1)
        if hidden.any():
            try:
                edges = ConvexHull(flat).equations  # outward normal and offset of each side
            except (QhullError, ValueError):  # seen edge-on
                return np.zeros(len(self.z), bool)
            inside = (self.place[hidden] @ edges[:, :2].T + edges[:, 2] <= 0.0).all(axis=1)
            hidden[hidden] = inside
        return hidden


def overlap(
    half: np.ndarray,
    position: np.ndarray,
    rotation: np.ndarray,
    others: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> bool:
    """Whether a turned box comes within GAP of one of others (half, position, rotation): by separating axes."""
    for other_half, other_position, other_rotation in others:
        apart = other_position - position
        if np.linalg.norm(apart) > np.linalg.norm(half) + np.linalg.norm(other_half) + GAP:
            continue
        crossed = np.cross(rotation.T[:, None], other_rotation.T[None]).reshape(-1, 3)
        axes = np.concatenate([rotation.T, other_rotation.T, crossed])
        length = np.linalg.norm(axes, axis=1)
        axes = axes[length > 1e-6] / length[length > 1e-6, None]
        reach = np.abs(axes @ rotation) @ half + np.abs(axes @ other_rotation) @ other_half
        if not (np.abs(axes @ apart) > reach + GAP).any():
            return True
    return False
