"""Things and surroundings of which it can be worked out by hand how they look."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from mlspatial.render import lighting
from mlspatial.render.engine import FIELD_OF_VIEW, SceneBatch
from mlspatial.render.mesh import Environment, Material, Mesh
from mlspatial.render.warp.engine import WarpRenderer

SIZE = 96
FOCAL = SIZE / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
GREY = Material((0.5, 0.5, 0.5), roughness=1.0)
MIRROR = np.diag([1.0, 1.0, -1.0])  # object frame <-> camera frame


def mesh_of(shape: trimesh.Trimesh, material: Material = GREY, colors: np.ndarray | None = None) -> Mesh:
    """colors: (F, 3), one material for each face, instead of `material`."""
    low, high = shape.bounds
    vertices = (shape.vertices - (low + high) / 2) / max(high - low)
    count = len(vertices)
    materials = (material,) if colors is None else tuple(Material(tuple(c), roughness=1.0) for c in colors)
    return Mesh(
        vertices=vertices.astype(np.float32),
        normals=shape.vertex_normals.astype(np.float32),
        uvs=np.zeros((count, 2), np.float32),
        occlusion=np.ones(count, np.float32),
        faces=shape.faces.astype(np.int32),
        face_material=np.zeros(len(shape.faces), np.int32) if colors is None else np.arange(len(shape.faces)),
        materials=materials,
    )


def sphere(material: Material = GREY) -> Mesh:
    return mesh_of(trimesh.creation.icosphere(subdivisions=4), material)


def lopsided() -> Mesh:
    """A bright arm to the object's +x (red), +y (green) and +z (blue), unequal in length, on a dark body."""
    boxes, colors = [], []
    for extents, centre, color in (
        ((0.4, 0.4, 0.4), (0, 0, 0), (0.02, 0.02, 0.02)),
        ((0.6, 0.15, 0.15), (0.5, 0, 0), (0.9, 0.02, 0.02)),
        ((0.15, 0.4, 0.15), (0, 0.4, 0), (0.02, 0.9, 0.02)),
        ((0.15, 0.15, 0.3), (0, 0, 0.35), (0.02, 0.02, 0.9)),
    ):
        box = trimesh.creation.box(extents=extents, transform=trimesh.transformations.translation_matrix(centre))
        box.unmerge_vertices()
        boxes.append(box)
        colors += [color] * len(box.faces)
    return mesh_of(trimesh.util.concatenate(boxes), colors=np.array(colors))


def uniform(radiance: float = 1.0) -> Environment:
    return Environment("uniform", np.full((64, 128, 3), radiance, np.float32))


def sunny() -> Environment:
    """Blue above, brown below, a small sun at the upper right behind the camera."""
    vectors = lighting.directions(128, 256)
    panorama = np.where(vectors[..., 1:2] > 0, [0.3, 0.5, 1.0], [0.3, 0.2, 0.1])
    sun = np.array([0.6, 0.5, -0.6]) / np.linalg.norm([0.6, 0.5, -0.6])
    panorama[vectors @ sun > np.cos(np.radians(2.0))] = 800.0
    return Environment("sunny", panorama.astype(np.float32))


def turn(x: float, y: float, z: float) -> np.ndarray:
    """(3, 3) camera-frame rotation Ry Rx Rz, degrees."""
    return Rotation.from_euler("YXZ", [y, x, z], degrees=True).as_matrix()


def scenes(positions, rotations=None, meshes=None, environments=None, cameras=None) -> SceneBatch:
    positions = np.atleast_2d(np.asarray(positions, float))
    count = len(positions)
    eyes = np.tile(np.eye(3), (count, 1, 1))
    return SceneBatch(
        mesh=np.zeros(count, int) if meshes is None else np.asarray(meshes),
        environment=np.zeros(count, int) if environments is None else np.asarray(environments),
        position=positions,
        rotation=eyes if rotations is None else np.asarray(rotations),
        camera=eyes if cameras is None else np.asarray(cameras),
    )


def random_scenes(count: int, meshes: int, environments: int) -> SceneBatch:
    rng = np.random.default_rng(3)
    return scenes(
        np.column_stack([rng.uniform(-0.8, 0.8, (count, 2)), rng.uniform(1.0, 3.0, count)]),
        rotations=[turn(*rng.uniform(-180, 180, 3)) for _ in range(count)],
        meshes=rng.integers(meshes, size=count),
        environments=rng.integers(environments, size=count),
        cameras=[turn(*rng.uniform(-40, 40, 3)) for _ in range(count)],
    )


@cache
def several() -> WarpRenderer:
    return WarpRenderer([sphere(), lopsided()], [sunny(), uniform()], size=SIZE, chunk=4)


def covered(renderer: WarpRenderer, batch: SceneBatch) -> np.ndarray:
    """(B, size, size) bool: pixels that differ from the same picture with the object out of sight."""
    away = replace(batch, position=np.tile([0.0, 0.0, -50.0], (len(batch), 1)))
    return (renderer.render(batch).images != renderer.render(away).images).any(axis=-1)
