"""merge: parts become one Mesh, of unit length and centred, with normals, texture coordinates and occlusion."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from mlspatial.render.library.finish import Finish
from mlspatial.render.library.part import join, shortest_edge, split_edges
from mlspatial.render.mesh import Material, Mesh

LONGEST_EDGE = 0.1  # of the longest axis; longer edges are halved, for occlusion
EDGES = (0.3, 0.16, LONGEST_EDGE, 0.075, 0.056, 0.042)
FEWEST_TRIANGLES, MOST_TRIANGLES = 2000, 18_000  # edges are halved further below the first, not beyond the second
DIRECTIONS = 40  # of occlusion
MAP = 72  # pixels across an occlusion depth map
SAMPLES = 18_000  # surface points drawn into each depth map


def merge(*parts) -> Mesh:
    """Parts (and lists of parts) -> Mesh. Deterministic; 20 to 150 ms."""
    part = join(*parts)
    low, high = part.low, part.high
    longest = float((high - low).max())
    # rounded, because matrix products (and so rotated parts) may differ in the last bit with memory alignment
    vertices = np.round((part.vertices - (low + high) / 2) / longest, 7) + 0.0
    uvs_of_part = np.round(part.uvs / longest, 7) + 0.0
    faces = part.faces
    good = shortest_edge(vertices, faces) > 1e-9
    faces, finish, crease = faces[good], part.face_finish[good], part.crease[good]
    v, uv, f, shell, origin = _divided(vertices, uvs_of_part, faces, part.shell)
    finish, crease = finish[origin], crease[origin]
    corner_normals, face_normals = _corner_normals(v, f, shell, crease)
    uv_corner = _corner_uvs(uv, f, shell, finish, part.finishes)
    vertices, normals, uvs, faces = _unshare(v, f, corner_normals, uv_corner)
    occlusion = ambient(vertices, normals, faces, face_normals)
    materials, index = _shared([fin.material() for fin in part.finishes])
    used, face_material = np.unique(index[finish], return_inverse=True)
    return Mesh(
        vertices.astype(np.float32),
        normals.astype(np.float32),
        uvs.astype(np.float32),
        occlusion.astype(np.float32),
        faces.astype(np.int32),
        face_material.astype(np.int32),
        tuple(materials[i] for i in used),
    )


def _divided(vertices, uvs, faces, shell):
    """split_edges to EDGES, one after the other, until the next one would be too fine or nothing more is needed."""
    state, origin = (vertices, uvs, faces, shell), np.arange(len(faces))
    for edge in EDGES:
        if edge < LONGEST_EDGE and len(state[2]) >= FEWEST_TRIANGLES:
            break
        *finer, source = split_edges(*state, edge)
        if len(finer[2]) > MOST_TRIANGLES:
            break
        state, origin = finer, origin[source]
    return (*state, origin)


def _shared(materials: list[Material]) -> tuple[list[Material], np.ndarray]:
    """Equal materials once. Returns them and where each one went."""
    seen: dict[tuple, int] = {}
    kept: list[Material] = []
    index = []
    for m in materials:
        key = (m.color, m.roughness, m.metalness, None if m.texture is None else id(m.texture), _layers_key(m))
        if key not in seen:
            seen[key] = len(kept)
            kept.append(m)
        index.append(seen[key])
    return kept, np.array(index)


def _layers_key(material: Material) -> tuple:
    """What tells one material's layers from another's; their pictures by identity."""
    layers = material.layers
    if layers is None:
        return ()
    return (id(layers.relief), *(getattr(layers, one.name) for one in fields(layers) if one.name != "relief"))


def _corner_normals(v, faces, shell, crease) -> tuple[np.ndarray, np.ndarray]:
    """(F, 3, 3) normals of the corners and (F, 3) of the faces.

    A corner averages, by area, the faces of its shell that meet there within the crease angle.
    """
    a, b, c = (v[faces[:, i]] for i in range(3))
    weighted = np.cross(b - a, c - a)
    area = np.linalg.norm(weighted, axis=1, keepdims=True)
    unit = np.where(area > 1e-16, weighted / np.maximum(area, 1e-16), [0.0, 1.0, 0.0])  # a sliver has no normal
    place = _place(v, shell)[faces].ravel()  # (3F,)
    order = np.argsort(place, kind="stable")
    place = place[order]
    first = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    count = np.diff(np.r_[first, len(place)])
    group = np.repeat(np.arange(len(first)), count)
    k = count[group]  # partners of each corner
    here = np.repeat(np.arange(len(order)), k)
    offset = np.arange(len(here)) - np.repeat(np.cumsum(k) - k, k)
    there = first[group][here] + offset
    face = order // 3
    fi, fj = face[here], face[there]
    limit = np.cos(np.radians(np.minimum(np.minimum(crease[fi], crease[fj]), 179.9)))
    near = (unit[fi] * unit[fj]).sum(axis=1) >= limit - 1e-9
    here, fj = here[near], fj[near]
    total = np.stack([np.bincount(here, weighted[fj, i], len(order)) for i in range(3)], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    total = np.where(length > 1e-16, total / np.maximum(length, 1e-16), unit[face])
    out = np.empty((len(order), 3))
    out[order] = total
    return out.reshape(-1, 3, 3), unit


def _place(v: np.ndarray, shell: np.ndarray) -> np.ndarray:
    """One integer for each position and shell: vertices that touch get the same one."""
    q = np.rint((v + 0.60000317) * 1e5).astype(np.int64)  # the odd offset keeps symmetric values off the borders
    return ((shell.astype(np.int64) * 131072 + q[:, 0]) * 131072 + q[:, 1]) * 131072 + q[:, 2]


def _corner_uvs(uv, faces, shell, finish, finishes: tuple[Finish, ...]) -> np.ndarray:
    """(F, 3, 2): tiles for textures, 0..1 over each shell for pictures."""
    out = uv[faces]
    for i, fin in enumerate(finishes):
        here = finish == i
        if not here.any():
            continue
        if fin.tile is not None:
            out[here] /= fin.tile
            continue
        where = np.flatnonzero(here)
        shells = shell[faces[where, 0]]
        for s in np.unique(shells):
            rows = where[shells == s]
            low, high = out[rows].min(axis=(0, 1)), out[rows].max(axis=(0, 1))
            out[rows] = (out[rows] - low) / np.maximum(high - low, 1e-9)
    return out


def _unshare(v, faces, corner_normals, uv_corner):
    """Vertices with one normal and one texture coordinate each."""
    n = corner_normals.reshape(-1, 3)
    t = uv_corner.reshape(len(n), -1)
    i = faces.ravel()
    q = np.rint((n + 1) * 255).astype(np.int64)
    key = ((i.astype(np.int64) * 512 + q[:, 0]) * 512 + q[:, 1]) * 512 + q[:, 2]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return v[i[first]], n[first], t[first], inverse.reshape(-1, 3)


def ambient(vertices, normals, faces, face_normals=None, seed: int = 0) -> np.ndarray:
    """(V,) share of the hemisphere above each vertex, weighted by cosine, that the mesh itself leaves open.

    The mesh is drawn as points into a small depth map for each of DIRECTIONS directions; a vertex is open to the
    directions in whose map nothing lies before it.
    """
    v, n = vertices.astype(np.float32), normals.astype(np.float32)
    points = _surface_points(v, faces, seed)
    i = np.arange(DIRECTIONS) + 0.5
    y = 1 - 2 * i / DIRECTIONS
    turn = np.pi * (1 + 5**0.5) * i
    d = np.stack([np.sqrt(1 - y * y) * np.cos(turn), y, np.sqrt(1 - y * y) * np.sin(turn)], axis=1)
    helper = np.where(np.abs(d[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(helper, d)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    frames = np.stack([right, np.cross(d, right), d], axis=1).astype(np.float32)  # (K, 3, 3)
    pixel = np.float32(1.75 / MAP)
    offset = v + n * (1.2 * pixel)
    cosine = np.stack([np.maximum(_along(n, frame[2]), 0) for frame in frames], axis=1)  # (V, K)
    light = np.zeros(len(v), np.float32)
    depth = np.empty(MAP * MAP, np.float32)
    for k, frame in enumerate(frames):
        seen, mine = (np.stack([_along(places, axis) for axis in frame], axis=1) for places in (points, offset))
        depth.fill(-9)
        np.maximum.at(depth, _pixel(seen, pixel), seen[:, 2])
        open_ = np.clip(1 - (depth[_pixel(mine, pixel)] - mine[:, 2] - 0.3 * pixel) / pixel, 0, 1)
        light += cosine[:, k] * open_
    occlusion = light / np.maximum(cosine.sum(axis=1), 1e-6)
    return _blur(np.clip(occlusion, 0, 1), faces)


def _along(points: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(n,) inner products, summed in a fixed order, which a matrix product does not promise."""
    return points[:, 0] * axis[0] + points[:, 1] * axis[1] + points[:, 2] * axis[2]


def _pixel(points: np.ndarray, pixel: np.float32) -> np.ndarray:
    x = (points[:, 0] / pixel + MAP / 2).astype(np.int32)
    y = (points[:, 1] / pixel + MAP / 2).astype(np.int32)
    return np.clip(y, 0, MAP - 1) * MAP + np.clip(x, 0, MAP - 1)


def _surface_points(v: np.ndarray, faces: np.ndarray, seed: int) -> np.ndarray:
    """SAMPLES points spread evenly over the surface, the same ones every time."""
    rng = np.random.default_rng(seed)
    a, b, c = (v[faces[:, i]] for i in range(3))
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1).astype(np.float64))
    pick = np.searchsorted(area, (np.arange(SAMPLES) + 0.5) / SAMPLES * area[-1])
    pick = np.minimum(pick, len(faces) - 1)
    r, s = rng.random((2, SAMPLES, 1), dtype=np.float32)
    over = r + s > 1
    r, s = np.where(over, 1 - r, r), np.where(over, 1 - s, s)
    return a[pick] + r * (b[pick] - a[pick]) + s * (c[pick] - a[pick])


def _blur(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Half each vertex, half the mean of its faces: takes the grain out of the depth maps."""
    mean = values[faces].mean(axis=1)
    flat = faces.ravel()
    total = np.bincount(flat, np.repeat(mean, 3), len(values))
    count = np.bincount(flat, minlength=len(values))
    return np.where(count > 0, 0.4 * values + 0.6 * total / np.maximum(count, 1), values)
