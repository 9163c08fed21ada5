"""Poses in ThreeDWorld's frames.

Unity's world is that of this project: x right, y up, z forward, left-handed, metres; so is its camera's frame, and its
matrices act on columns as ours do. Only the models differ: in Unity their front is +z, away from a viewer who looks
along +z, while an object that is not turned faces the camera. So each gets half a turn about y before our rotation,
after the canonical rotation of its record. Sizes and centres are those of the record's box, whose longest axis becomes
`scale` metres and whose centre, not the model's pivot, is put at the position.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

HALF_TURN = np.diag([-1.0, 1.0, -1.0])  # about y
MIRROR = np.diag([1.0, 1.0, -1.0])  # camera frame <-> object frame of the meshes
SIDES = (("left", "right", "x"), ("bottom", "top", "y"), ("back", "front", "z"))
LATTICE = 5  # points along an edge of the box that stands for a model


def box_of(record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(3,) size and (3,) centre of a record's box, in the model's frame, metres at its own scale."""
    bounds = record["bounds"]
    ends = np.array([[bounds[low][axis], bounds[high][axis]] for low, high, axis in SIDES], dtype=np.float64)
    return np.abs(ends[:, 1] - ends[:, 0]), ends.mean(axis=1)


def unit_scale(record: dict[str, Any]) -> float:
    """By which a model is multiplied so that its longest axis is one metre."""
    return float(1.0 / box_of(record)[0].max())


def facing(record: dict[str, Any]) -> np.ndarray:
    """(3, 3) rotation from the model's frame to the camera's for a model that faces the camera upright."""
    angles = record.get("canonical_rotation") or {}
    turns = [float(angles.get(axis, 0.0)) for axis in "yxz"]  # Unity turns about z, then x, then y
    if not any(turns):
        return HALF_TURN
    return HALF_TURN @ Rotation.from_euler("YXZ", turns, degrees=True).as_matrix()


def box_points(record: dict[str, Any]) -> np.ndarray:
    """(n, 3) float32 points on the record's box, in the object frame of render.mesh: longest axis 1, centre 0."""
    steps = np.linspace(-0.5, 0.5, LATTICE)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    surface = lattice[(np.abs(lattice) == 0.5).any(axis=1)]
    return np.asarray(surface * box_of(record)[0] * unit_scale(record) @ (MIRROR @ facing(record)).T, np.float32)


def pivot_pose(
    record: dict[str, Any], centre: np.ndarray, rotation: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Where Unity puts a model: (3,) position of its pivot, (3, 3) rotation, both in the world, and its scale factor.

    centre: (3,) of the box, world; rotation: (3, 3), object to world as our latents have it; scale: metres of the
    longest axis.
    """
    turned, factor = rotation @ facing(record), scale * unit_scale(record)
    return centre - turned @ (factor * box_of(record)[1]), turned, factor


def vector(values: np.ndarray) -> dict[str, float]:
    """As commands have it."""
    return {axis: float(value) for axis, value in zip("xyz", values, strict=True)}


def quaternion(rotation: np.ndarray) -> dict[str, float]:
    """Of a (3, 3) rotation, as commands have it."""
    return {axis: float(value) for axis, value in zip("xyzw", Rotation.from_matrix(rotation).as_quat(), strict=True)}


def picture_reach(points: np.ndarray) -> float:
    """How far a thing reaches from the middle of the picture's plane, in half widths of a picture of 60 degrees;
    infinite where it reaches behind the camera. points: (n, 3), camera frame."""
    if points[:, 2].min() <= 1e-3:
        return float(np.inf)
    return float(np.abs(points[:, :2] / points[:, 2:]).max() / np.tan(np.radians(30.0)))
