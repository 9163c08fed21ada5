"""3D model files -> Mesh. Only this module imports trimesh."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.render.library.assemble import merge
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.materials import from_srgb
from mlspatial.render.library.part import Part, new_part
from mlspatial.render.mesh import Mesh

MOST_TRIANGLES = 50_000
LARGEST_TEXTURE = 512  # pixels along a side
MOST_COLORS = 64  # different face colours kept as materials of their own
GREY = (0.5, 0.5, 0.5, 1.0)


def load_mesh(path: Path) -> Mesh:
    """One model file as a Mesh. Raises UserError when it cannot be read or has no triangles."""
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.ERROR)
    try:
        scene = trimesh.load_scene(path, process=False)
        pieces = [g for g in scene.dump(concatenate=False) if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    except Exception as error:  # every format has its own ways to be broken
        raise UserError(f"{path}: cannot be read ({type(error).__name__}: {error}); repair or remove it") from error
    vertices = [np.asarray(g.vertices, float)[g.faces].reshape(-1, 3) for g in pieces]
    points = np.concatenate([np.zeros((0, 3)), *vertices])
    if len(points) == 0 or not np.isfinite(points).all() or np.ptp(points, axis=0).max() <= 0:
        raise UserError(f"{path}: has no triangles; repair or remove it")
    total = sum(len(g.faces) for g in pieces)
    if total > MOST_TRIANGLES:
        warnings.warn(f"{path}: {total} triangles, simplified to {MOST_TRIANGLES}", stacklevel=2)
        pieces = [_simpler(g, max(12, int(len(g.faces) * MOST_TRIANGLES / total))) for g in pieces]
    longest = float(np.ptp(points, axis=0).max())
    return merge([_part(g, longest) for g in pieces if len(g.faces)])


def _part(geometry, longest: float) -> Part:
    """A trimesh as a Part; its texture coordinates pass merge unchanged."""
    vertices, faces = np.asarray(geometry.vertices, float), np.asarray(geometry.faces)
    visual = geometry.visual
    uv = getattr(visual, "uv", None)
    uv = np.zeros((len(vertices), 2)) if uv is None or len(uv) != len(vertices) else np.asarray(uv, float)
    part = new_part(vertices, uv * longest, faces, _finish(getattr(visual, "material", None)), outward=False)
    if visual.kind in ("face", "vertex") and len(part.faces) == len(faces):
        colors, index = np.unique(np.asarray(visual.face_colors)[:, :3], axis=0, return_inverse=True)
        if len(colors) > MOST_COLORS:
            colors, index = np.asarray(visual.face_colors)[:, :3].mean(axis=0)[None], np.zeros(len(faces), int)
        finishes = tuple(Finish(from_srgb(c / 255.0), tile=1.0) for c in colors)
        part = Part(part.vertices, part.uvs, part.faces, part.shell, index.reshape(-1), finishes, part.crease)
    if geometry.is_watertight and part.volume < 0:
        part = Part(
            part.vertices, part.uvs, part.faces[:, ::-1], part.shell, part.face_finish, part.finishes, part.crease
        )
    return part


def _finish(material) -> Finish:
    """A trimesh material (or none) as a Finish."""
    if material is None:
        return Finish(from_srgb(GREY[:3]), tile=1.0)
    simple = not hasattr(material, "baseColorFactor")
    image = getattr(material, "image", None) if simple else material.baseColorTexture
    factor = getattr(material, "diffuse", None) if simple else material.baseColorFactor
    factor = np.asarray(GREY if factor is None and image is None else (1, 1, 1, 1) if factor is None else factor, float)
    factor = factor / 255.0 if factor.max() > 1 else factor
    # glTF's factors are linear; the diffuse colours of MTL files are taken as sRGB, as their viewers do
    color = from_srgb(factor[:3]) if simple else (float(factor[0]), float(factor[1]), float(factor[2]))
    rough = getattr(material, "roughnessFactor", None)
    metal = getattr(material, "metallicFactor", None)
    if metal is None and not simple and getattr(material, "metallicRoughnessTexture", None) is not None:
        metal = 0.0
    texture = None if image is None else _texture(image)
    return Finish(color, 0.6 if rough is None else float(rough), 0.0 if metal is None else float(metal), texture, 1.0)


def _texture(image) -> np.ndarray:
    image = image.convert("RGB")
    scale = LARGEST_TEXTURE / max(image.size)
    if scale < 1:
        image = image.resize([max(1, round(side * scale)) for side in image.size])
    return np.array(image, np.uint8)


def _simpler(geometry, most: int):
    """At most `most` triangles: by quadric errors where that library is there, else by clustering of vertices."""
    if len(geometry.faces) <= most:
        return geometry
    has_texture = getattr(geometry.visual, "uv", None) is not None
    if not has_texture:  # the quadric method drops texture coordinates
        try:
            return geometry.simplify_quadric_decimation(face_count=most)
        except ImportError:
            pass
    return _clustered(geometry, most)


def _clustered(geometry, most: int):
    """One vertex for each occupied cell of the finest grid that leaves at most `most` triangles."""
    vertices, faces = np.asarray(geometry.vertices, float), np.asarray(geometry.faces)
    span = np.ptp(vertices, axis=0).max()
    coarse, fine = 2, 4096
    while fine - coarse > max(1, coarse // 50):
        middle = (coarse + fine) // 2
        coarse, fine = (middle, fine) if len(_cluster(vertices, faces, span / middle)[1]) <= most else (coarse, middle)
    kept, faces = _cluster(vertices, faces, span / coarse)
    out = geometry.copy()
    out.update_vertices(kept)
    out.faces = np.searchsorted(kept, faces)
    return out


def _cluster(vertices: np.ndarray, faces: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """The vertices that stand for their cells (those nearest to the mean), and the faces between different cells."""
    q = np.floor((vertices - vertices.min(axis=0)) / cell).astype(np.int64)
    _, group = np.unique((q[:, 0] * 8192 + q[:, 1]) * 8192 + q[:, 2], return_inverse=True)
    group = group.reshape(-1)
    count = np.bincount(group)
    mean = np.stack([np.bincount(group, vertices[:, i]) for i in range(3)], axis=1) / count[:, None]
    order = np.lexsort((np.linalg.norm(vertices - mean[group], axis=1), group))
    chosen = order[np.r_[True, group[order][1:] != group[order][:-1]]]
    faces = chosen[group[faces]]
    real = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces = faces[real]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    faces = faces[np.sort(first)]
    return np.unique(faces), faces
