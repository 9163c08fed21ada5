"""Meshes, textures and lighting laid out in the pools that the Warp kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import warp as wp
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mlspatial.core.errors import BadValue
from mlspatial.render.colors import linear_to_srgb, srgb_to_linear
from mlspatial.render.lighting import WHITE, Lighting
from mlspatial.render.mesh import Mesh
from mlspatial.render.shelf import Pools
from mlspatial.render.warp.blobs import blobs
from mlspatial.render.warp.kernels import ONE_SIDED, Assets
from mlspatial.render.warp.layers import MIRROR, hiding, layer_arrays
from mlspatial.render.warp.shading import TONE_OFFSET, TONE_OFFSET_BITS, TONE_SHIFT

TONE_SCALE = 0.8  # of radiance before the film curve


def mesh_arrays(mesh: Mesh, index: int, largest_texture: int) -> dict[str, np.ndarray]:
    """What the kernels need of one mesh; faces, materials and texels are counted from its own first.

    index: its number, for the message of a BadValue (see check_mesh); largest_texture: texels along a side.
    """
    check_mesh(mesh, index)
    pictures = [m.texture for m in mesh.materials] + [
        None if m.layers is None else m.layers.relief for m in mesh.materials
    ]
    texels, texture = texture_pool(pictures, largest_texture, colors=len(mesh.materials))
    finish = [(m.roughness, m.metalness) for m in mesh.materials]
    return {
        "vertices": (mesh.vertices * MIRROR).astype(np.float32),
        "normals": (mesh.normals * MIRROR).astype(np.float32),
        "uvs": mesh.uvs.astype(np.float32),
        "occlusion": mesh.occlusion.astype(np.float32),
        "behind": np.zeros(1, np.float32) if mesh.behind is None else mesh.behind.astype(np.float32),
        "faces": pack_faces(mesh).astype(np.int32),
        "blobs": blobs(mesh.vertices * MIRROR, mesh.faces, closed=mesh.behind is None)
        * np.array([1.0, 1.0, 1.0, hiding(mesh)], np.float32),
        "tint": mean_color(mesh).astype(np.float32)[None],
        "radius": np.array([max(np.linalg.norm(mesh.vertices, axis=1).max(), 1e-6)], np.float32),
        "bounds": (np.array([[mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)]]) * MIRROR).astype(np.float64),
        "color": np.array([m.color for m in mesh.materials], np.float32),
        "finish": np.clip(finish, 0.0, 1.0).astype(np.float32),
        "texture": texture[: len(mesh.materials)].astype(np.int32),
        "texels": texels,
        **layer_arrays(mesh, texture[len(mesh.materials) :]),
    }


def light_arrays(light: Lighting) -> dict[str, np.ndarray]:
    """What the kernels need of one environment."""
    return {
        "backgrounds": light.background.reshape(-1, 3),
        "background_edge": np.array([light.background.shape[1] - 2], np.int32),
        "reflections": np.concatenate([level.reshape(-1, 3) for level in light.reflections]),
        "reflection_edge": np.array([[level.shape[1] - 2 for level in light.reflections]], np.int32),
        "irradiance": light.irradiance[None],
        "light_irradiance": light.light_irradiance[None],
        "light_direction": light.light_direction[None].astype(np.float64),
        "light_radius": np.array([light.light_radius], np.float32),
    }


def upload_assets(meshes: Pools, lights: Pools, device: str) -> Any:
    """The pools of mesh_arrays and light_arrays on a device; on the CPU nothing is copied."""
    assets = Assets()

    def put(name: str, values: Any, dtype: Any, kind: Any) -> None:
        array = np.ascontiguousarray(values, kind)
        setattr(assets, name, wp.array(array, dtype=dtype, device=device, copy=device != "cpu"))

    arrays = {**meshes.arrays, **lights.arrays}
    put("vertices", arrays["vertices"], wp.vec3, np.float32)
    put("normals", arrays["normals"], wp.vec3, np.float32)
    put("uvs", arrays["uvs"], wp.vec2, np.float32)
    put("occlusion", arrays["occlusion"], float, np.float32)
    put("faces", arrays["faces"], wp.vec4i, np.int32)
    put("behind", arrays["behind"], float, np.float32)
    none = meshes.counts("behind") != meshes.counts("vertices")
    put("first_behind", np.where(none, -1, meshes.first["behind"][:-1]), int, np.int32)
    put("first_vertex", meshes.first["vertices"][:-1], int, np.int32)
    put("vertex_count", meshes.counts("vertices"), int, np.int32)
    put("first_face", meshes.first["faces"][:-1], int, np.int32)
    put("face_count", meshes.counts("faces"), int, np.int32)
    put("first_material", meshes.first["color"][:-1], int, np.int32)
    put("radius", arrays["radius"], float, np.float32)
    put("tint", arrays["tint"], wp.vec3, np.float32)
    put("blobs", arrays["blobs"], wp.vec4, np.float32)

    texture = arrays["texture"].astype(np.int64)
    texture[:, 0] += np.repeat(meshes.first["texels"][:-1], meshes.counts("texture"))
    put("color", arrays["color"], wp.vec3, np.float32)
    put("finish", arrays["finish"], wp.vec2, np.float32)
    put("texture", texture, wp.vec4i, np.int32)
    put("texels", arrays["texels"], wp.vec3ub, np.uint8)

    background = np.column_stack([lights.first["backgrounds"][:-1], arrays["background_edge"]])
    put("backgrounds", arrays["backgrounds"], wp.vec3h, np.float16)
    put("background", background, wp.vec2i, np.int32)
    edges = arrays["reflection_edge"]  # (environments, levels)
    sizes = 6 * (edges.astype(np.int64) + 2) ** 2
    within = np.cumsum(sizes, axis=1) - sizes
    put("reflections", arrays["reflections"], wp.vec3h, np.float16)
    first = lights.first["reflections"][:-1, None] + within
    put("reflection", np.stack([first, edges], axis=-1), wp.vec2i, np.int32)
    put("irradiance", arrays["irradiance"], wp.vec3, np.float32)
    put("light_irradiance", arrays["light_irradiance"], wp.vec3, np.float32)
    put("light_radius", arrays["light_radius"], float, np.float32)
    put("tone_map", tone_map_table(), wp.uint8, np.uint8)
    assets.white = WHITE
    return assets


def check_mesh(mesh: Mesh, index: int) -> None:
    """Raise BadValue for a mesh that would make the kernels read beyond their arrays or draw nothing at all."""
    where = f"meshes[{index}]"
    if not len(mesh.vertices) or not len(mesh.faces) or not mesh.materials:
        raise BadValue(where, f"{len(mesh.vertices)} vertices, {len(mesh.faces)} faces", "an empty mesh; leave it out")
    for name in ("vertices", "normals", "uvs", "occlusion", "behind", "relief_uvs", "tangents"):
        values = getattr(mesh, name)
        if name in ("behind", "relief_uvs", "tangents") and values is None:
            continue
        if len(values) != len(mesh.vertices) or not np.isfinite(values).all():
            raise BadValue(f"{where}.{name}", np.shape(values), f"{len(mesh.vertices)} rows of finite numbers")
    for name, values, count in (
        ("faces", mesh.faces, len(mesh.vertices)),
        ("face_material", mesh.face_material, len(mesh.materials)),
    ):
        if len(values) != len(mesh.faces) or values.min() < 0 or values.max() >= count:
            raise BadValue(f"{where}.{name}", f"{values.min()}..{values.max()}", f"indices in 0..{count - 1}")


def pack_faces(mesh: Mesh) -> np.ndarray:
    """(F, 4): corners and material, flagged ONE_SIDED where the back can never be seen.

    Faces are turned round where they disagree with their vertices' normals: the kernels tell front from back by them.
    """
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    normal = mesh.normals[mesh.faces].sum(axis=1)
    wrong = np.einsum("fc,fc->f", np.cross(b - a, c - a), normal) < 0.0
    corners = np.where(wrong[:, None], mesh.faces[:, ::-1], mesh.faces)
    flag = np.where(one_sided(mesh.vertices, corners), ONE_SIDED, 0)
    return np.column_stack([corners, mesh.face_material | flag])


def mean_color(mesh: Mesh) -> np.ndarray:
    """(3,) linear RGB of all faces, weighted by their area; textures by their mean."""
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    weight = np.bincount(mesh.face_material, area, len(mesh.materials))
    colors = [
        np.asarray(m.color) * (1.0 if m.texture is None else srgb_to_linear(m.texture.mean(axis=(0, 1)) / 255.0))
        for m in mesh.materials
    ]
    return weight @ np.array(colors) / max(float(weight.sum()), 1e-300)


def one_sided(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool: the face belongs to a connected piece that is closed and turned outwards.

    Vertices at one place count as one. A piece is closed when each of its edges is passed equally often both ways.
    """
    grid = np.round((vertices - vertices.min(axis=0)) * 1e6).astype(np.int64)  # at most 2 ** 20 for a mesh of size 1
    places, place = np.unique((grid[:, 0] << 42) + (grid[:, 1] << 21) + grid[:, 2], return_inverse=True)
    corner = place[faces]
    start, end = corner.reshape(-1), np.roll(corner, -1, axis=1).reshape(-1)
    graph = coo_array((np.ones(len(start), bool), (start, end)), shape=(len(places), len(places)))
    pieces, piece = connected_components(graph, directed=False)

    low, high = np.minimum(start, end), np.maximum(start, end)
    _, edge = np.unique(low * len(places) + high, return_inverse=True)
    balance = np.bincount(edge, weights=np.where(start < end, 1.0, -1.0))
    unbalanced = np.bincount(piece[start], weights=(balance[edge] != 0) & (start != end), minlength=pieces)

    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    volume = np.bincount(piece[corner[:, 0]], weights=np.einsum("fc,fc->f", a, np.cross(b, c)), minlength=pieces)
    return ((unbalanced == 0) & (volume > 0.0))[piece[corner[:, 0]]]


def texture_pool(pictures: Sequence[np.ndarray | None], largest: int, colors: int) -> tuple[np.ndarray, np.ndarray]:
    """(texels, 3) of pictures with their mip levels, and for each of them: first texel, width, height, levels.

    The first `colors` are sRGB, the others numbers. One that is there several times is stored once; None has width 0.
    """
    entries: dict[bytes, list[int]] = {}
    pool: list[np.ndarray] = [np.zeros((1, 3), np.uint8)]
    table, used = [], 1
    for number, picture in enumerate(pictures):
        if picture is None:
            table.append([0, 0, 0, 0])
            continue
        pixels = repr((picture.shape, number < colors)).encode() + picture.tobytes()
        if pixels not in entries:
            levels = mip_levels(picture, largest, number < colors)
            entries[pixels] = [used, levels[0].shape[1], levels[0].shape[0], len(levels)]
            pool += [level.reshape(-1, 3) for level in levels]
            used += sum(level.shape[0] * level.shape[1] for level in levels)
        table.append(entries[pixels])
    return np.concatenate(pool), np.array(table)


def mip_levels(texture: np.ndarray, largest: int, color: bool = True) -> list[np.ndarray]:
    """Halved and halved again from a power of two, at most `largest`, down to 1 x 1.

    texture: uint8 (h, w, 3), sRGB where it is a colour. Levels of a colour hold square roots of linear values as uint8,
    so that the kernel decodes a blend of texels by squaring it; those of numbers the numbers.
    """
    height, width = (min(largest, 2 ** round(np.log2(side))) for side in texture.shape[:2])
    if (height, width) != texture.shape[:2]:
        texture = np.asarray(Image.fromarray(texture).resize((width, height), Image.Resampling.LANCZOS))
    values = srgb_to_linear(np.arange(256) / 255.0) if color else np.arange(256.0)
    linear = values.astype(np.float32)[texture]
    levels = []
    while True:
        levels.append(np.round(255.0 * np.sqrt(linear) if color else linear).astype(np.uint8))
        height, width = linear.shape[:2]
        if height == width == 1:
            return levels
        if height > 1:
            linear = 0.5 * (linear[0::2] + linear[1::2])
        if width > 1:
            linear = 0.5 * (linear[:, 0::2] + linear[:, 1::2])


def tone_map(radiance: np.ndarray) -> np.ndarray:
    """uint8 sRGB of exposed radiance: Narkowicz's fit to the ACES film curve."""
    x = TONE_SCALE * radiance
    film = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return np.round(255.0 * linear_to_srgb(np.clip(film, 0.0, 1.0))).astype(np.uint8)


def tone_map_table() -> np.ndarray:
    """The tone map at the entries of shading.tone_map_entry, up to WHITE."""
    last = (int(np.float32(WHITE + TONE_OFFSET).view(np.int32)) - TONE_OFFSET_BITS) >> TONE_SHIFT
    middle = (np.arange(last + 1, dtype=np.int32) << TONE_SHIFT) + (1 << TONE_SHIFT - 1) + TONE_OFFSET_BITS
    return tone_map(np.maximum(middle.view(np.float32).astype(np.float64) - TONE_OFFSET, 0.0))
