"""A contact sheet of objects: python -m mlspatial.render.library.preview chair,table --out /tmp/x.png --identities 3

One row for each category (wrapped after --columns pictures), each identity seen from its front left and above, and
with --views 2 or 3 also from its right and from behind.
"""

from __future__ import annotations

import argparse
import importlib
import time

import numpy as np

from mlspatial.render.engine import RENDERERS, SceneBatch
from mlspatial.render.mesh import Environment, Mesh
from mlspatial.render.objects import available_procedural, resolve_categories

VIEWS = ((-32.0, 22.0), (40.0, 10.0), (165.0, 30.0))  # degrees: turn about y, then tilt towards the camera
DISTANCE = 1.22  # metres, for an object one metre long


def studio() -> Environment:
    """A light grey room with a soft window at the upper left and a darker floor."""
    v, u = np.meshgrid((np.arange(128) + 0.5) / 128, (np.arange(256) + 0.5) / 256, indexing="ij")
    up, heading = np.sin(np.pi * (0.5 - v)), 2 * np.pi * (u - 0.5)
    across = np.cos(np.pi * (0.5 - v))
    direction = np.stack([across * np.sin(heading), up, across * np.cos(heading)], axis=-1)
    window = np.array([-0.55, 0.65, -0.52])
    glow = np.clip((direction @ (window / np.linalg.norm(window)) - 0.93) / 0.04, 0, 1)
    grey = 0.5 + 0.3 * up + 0.7 * np.clip(-direction[..., 2], 0, 1)
    return Environment("studio", (grey[..., None] * [1, 1, 1.03] + glow[..., None] * [22, 21, 19]).astype(np.float32))


def rotation(turn: float, tilt: float) -> np.ndarray:
    """(3, 3), camera frame."""
    a, b = np.radians([turn, -tilt])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_x @ about_y


def pictures(meshes, views: int, size: int, plain: bool = False) -> np.ndarray:
    """(len(meshes), views, size, size, 3) uint8. plain: by the simple shader below, without the renderer."""
    turns = np.array([rotation(*view) for view in VIEWS[:views]])
    if plain:
        return np.array([[splat(mesh, turn, size) for turn in turns] for mesh in meshes])
    importlib.import_module("mlspatial.render.warp.engine")
    renderer = RENDERERS["warp"](meshes, [studio()], size=size)
    n = len(meshes) * views
    scenes = SceneBatch(
        mesh=np.repeat(np.arange(len(meshes)), views),
        environment=np.zeros(n, int),
        position=np.tile([0.0, 0.0, DISTANCE], (n, 1)),
        rotation=np.tile(turns, (len(meshes), 1, 1)),
        camera=np.tile(np.eye(3), (n, 1, 1)),
    )
    return renderer.render(scenes).images.reshape(len(meshes), views, size, size, 3)


def splat(mesh: Mesh, turn: np.ndarray, size: int) -> np.ndarray:
    """A picture from many surface points, lit from the upper left: for machines without the renderer."""
    rng, n = np.random.default_rng(0), 12 * size * size
    corners = mesh.vertices.astype(float)[mesh.faces]
    area = np.cumsum(np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1))
    face = np.searchsorted(area, rng.random(n) * area[-1]).clip(max=len(area) - 1)
    weight = rng.dirichlet((1, 1, 1), n)[..., None]
    at = lambda values: (values[mesh.faces[face]] * weight).sum(axis=1)  # noqa: E731
    matrix = turn * [1, 1, -1]  # object frame -> camera frame
    place = at(mesh.vertices) @ matrix.T + [0, 0, DISTANCE]
    normal = at(mesh.normals) @ matrix.T
    color = np.empty((n, 3))
    uv = at(mesh.uvs)
    for i, material in enumerate(mesh.materials):
        here = mesh.face_material[face] == i
        color[here] = material.color
        if material.texture is not None:
            h, w = material.texture.shape[:2]
            u, v = uv[here, 0] % 1, 1 - uv[here, 1] % 1
            color[here] *= (material.texture[(v * h).astype(int) % h, (u * w).astype(int) % w] / 255.0) ** 2.2
    light = np.clip(normal @ [-0.45, 0.6, -0.66], 0, 1)
    shine = np.clip(normal @ [-0.25, 0.33, -0.9], 0, 1) ** 60
    gloss = np.array([1 - x.roughness for x in mesh.materials])[mesh.face_material[face]]
    ambient = at(mesh.occlusion[:, None])[:, 0] * (0.45 + 0.2 * normal[:, 1])
    color = color * (0.9 * light + ambient)[:, None] + (0.5 * shine * gloss)[:, None]
    x, y = (0.5 + place[:, 0] / place[:, 2] * 0.866) * size, (0.5 - place[:, 1] / place[:, 2] * 0.866) * size
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    order = np.flatnonzero(inside)[np.argsort(-place[inside, 2], kind="stable")]  # near points are painted last
    image = np.full((size, size, 3), 0.33)
    image[y[order].astype(int), x[order].astype(int)] = color[order]
    return (np.clip(image, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def main() -> None:
    from PIL import Image

    from mlspatial.render.library import catalogue

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("categories", help="names separated by commas, a number, or all")
    parser.add_argument("--out", required=True)
    parser.add_argument("--identities", type=int, default=3)
    parser.add_argument("--start", type=int, default=0, help="number of the first identity")
    parser.add_argument("--views", type=int, default=2, choices=(1, 2, 3))
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--plain", action="store_true", help="a simple shader instead of the renderer")
    given = parser.parse_args()
    rows = []
    for category in resolve_categories(given.categories, available_procedural()):
        meshes, took = [], []
        for k in range(given.start, given.start + given.identities):
            began = time.perf_counter()
            meshes.append(catalogue.build(category, k))
            took.append(time.perf_counter() - began)
        count = [len(mesh.faces) for mesh in meshes]
        print(f"{category}: {min(count)}-{max(count)} triangles, {max(took):.2f} s at most")
        shots = list(pictures(meshes, given.views, given.size, given.plain).reshape(-1, given.size, given.size, 3))
        columns = max(given.columns - given.columns % given.views, given.views)
        shots += [np.full_like(shots[0], 255)] * (-len(shots) % columns)
        rows += [np.concatenate(shots[i : i + columns], axis=1) for i in range(0, len(shots), columns)]
    Image.fromarray(np.concatenate(rows)).save(given.out)


if __name__ == "__main__":
    main()
