"""Normal and bump maps: told apart by what is in them, made normals, and the tangents that they refer to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mlspatial.render.files.look import LARGEST_TEXTURE, UNMOVED, opened, pixels_of
from mlspatial.render.mesh import Mesh

GREY_LEVELS = 4.0  # mean difference of the channels up to which a picture is grey
UNIT, MOSTLY = 0.2, 0.9  # how far the length of a normal may be off, and of how many texels at least
STEEPEST = 1.0  # slope of a bump map, root mean square: 45 degrees
FLAT = 128  # level of 0


@dataclass(frozen=True)
class Relief:
    """What a material says of its relief. picture: uint8 (h, w, 3) normals (x right, y up in the picture), or float
    (h, w) heights, 1 where the picture is white; scale: of the normals' first two components, or the height of white in
    units of the file; uv: (2, 3), what texture coordinates (u, v up, 1) are multiplied by; name: of the map."""

    picture: np.ndarray
    scale: float = 1.0
    uv: np.ndarray | None = None
    name: str = ""


def read_normals(data: bytes) -> np.ndarray:
    """uint8 (h, w, 3) of a picture of normals. Raises OSError, ValueError or SyntaxError."""
    return np.ascontiguousarray(pixels_of(opened(data))[..., :3])


def read_relief(data: bytes) -> np.ndarray:
    """A picture that may hold normals or heights, as Relief has it. Raises OSError, ValueError or SyntaxError.

    Normals: coloured, and of MOSTLY all texels the vector (2 c / 255 - 1) is a unit vector that points outwards. All
    others are heights, of coloured ones their luminance.
    """
    image = opened(data)
    if image.mode.startswith("I") or image.mode == "F":
        levels = np.asarray(image, np.float64)
        return np.clip(levels if image.mode == "F" else levels / 65535.0, 0.0, 1.0)
    pixels = np.asarray(image.convert("RGB"), np.float64)
    if np.ptp(pixels, axis=2).mean() > GREY_LEVELS:
        vectors = pixels * (2.0 / 255.0) - 1.0
        unit = np.abs(np.linalg.norm(vectors, axis=2) - 1.0) < UNIT
        if (unit & (vectors[..., 2] > -UNIT)).mean() >= MOSTLY:
            return np.ascontiguousarray(pixels_of(image)[..., :3])
    return np.asarray(pixels @ (0.299, 0.587, 0.114) / 255.0)


def normals_of(relief: Relief, lengths: tuple[float, float], path: Path) -> tuple[np.ndarray, float]:
    """(h, w, 3) uint8 normals and the factor of their first two components.

    lengths: on the surface, in units of the file, of one unit of u and of v. Heights that would be steeper than
    STEEPEST are made lower, with a warning: a material file that names no height means some relief, not spikes.
    """
    if relief.picture.ndim == 3:
        return relief.picture, relief.scale
    height, (rows, columns) = relief.picture, relief.picture.shape
    right = 0.5 * columns * (np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1)) * (relief.scale / lengths[0])
    up = 0.5 * rows * (np.roll(height, 1, axis=0) - np.roll(height, -1, axis=0)) * (relief.scale / lengths[1])
    steep = float(np.sqrt((right**2 + up**2).mean()))
    if steep > STEEPEST:
        said = (
            f"bump map {relief.name} would be {steep:.1f} times as steep as 45 degrees; made lower (-bm says how high)"
        )
        warnings.warn(f"{path}: {said}", stacklevel=4)
        right, up = right * (STEEPEST / steep), up * (STEEPEST / steep)
    normals = np.stack([-right, -up, np.ones_like(height)], axis=2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    levels = np.clip(np.round(normals * 127.5 + 127.5), 0, 255).astype(np.uint8)
    if (scale := LARGEST_TEXTURE / max(levels.shape)) < 1:
        size = max(1, round(columns * scale)), max(1, round(rows * scale))
        levels = np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BOX))
    return levels, 1.0


def lengths_of(vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray) -> tuple[float, float] | None:
    """Mean lengths on a surface of one unit of u and of v; None where coordinates say nothing."""
    u, v, area, _ = _directions(vertices, faces, uvs)
    if not area.sum() > 0.0:
        return None
    lengths = [float(area @ np.linalg.norm(d, axis=1) / area.sum()) for d in (u, v)]
    return (lengths[0], lengths[1]) if min(lengths) > 0.0 else None


def _directions(
    vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each face dP/du and dP/dv (F, 3), its area (0 where its coordinates span none), and whether u and v turn as
    the face does: 1, or -1 where the texture is mirrored."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    ta, tb, tc = (uvs[faces[:, i]].astype(np.float64) for i in range(3))
    (du1, dv1), (du2, dv2) = (tb - ta).T, (tc - ta).T
    det = du1 * dv2 - du2 * dv1
    spans = np.abs(det) > 1e-14
    per = np.where(spans, 1.0 / np.where(spans, det, 1.0), 0.0)[:, None]
    u = ((b - a) * dv2[:, None] - (c - a) * dv1[:, None]) * per
    v = ((c - a) * du1[:, None] - (b - a) * du2[:, None]) * per
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1) * spans
    return u, v, area, np.where(det < 0.0, -1.0, 1.0)


def with_tangents(mesh: Mesh) -> Mesh:
    """The mesh with tangents that follow u of relief_uvs (or uvs) over its surface, as MikkTSpace has them.

    A vertex takes the mean of its faces', weighted by their angles there; where a texture is mirrored, vertices are
    doubled. Tangents that the mesh has already, of a length above 1/2, stay. Vertices without any have zeros.
    """
    uvs = mesh.uvs if mesh.relief_uvs is None else mesh.relief_uvs
    u, _, _, side = _directions(mesh.vertices, mesh.faces, uvs)
    mesh, faces = _parted(mesh, side)
    tangent = u / np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-300)
    weights = _angles(mesh.vertices.astype(np.float64), faces)
    total, sign = np.zeros((len(mesh.vertices), 3)), np.ones(len(mesh.vertices))
    for corner in range(3):
        np.add.at(total, faces[:, corner], tangent * weights[:, corner, None])
        sign[faces[:, corner]] = side
    normals = mesh.normals.astype(np.float64)
    total -= normals * np.einsum("ni,ni->n", total, normals)[:, None]
    length = np.linalg.norm(total, axis=1, keepdims=True)
    made = np.column_stack([np.where(length > 1e-9, total / np.maximum(length, 1e-300), 0.0), sign])
    if mesh.tangents is not None:
        stated = np.linalg.norm(mesh.tangents[:, :3], axis=1) > 0.5
        made[stated] = mesh.tangents[stated]
        made[:, 3] = np.where(made[:, 3] < 0.0, -1.0, 1.0)
    return replace(mesh, tangents=np.round(made, 6).astype(np.float32) + np.float32(0.0))


def _parted(mesh: Mesh, side: np.ndarray) -> tuple[Mesh, np.ndarray]:
    """The mesh with vertices between faces of both sides doubled, and its faces."""
    count = len(mesh.vertices)
    of_side = np.zeros((2, count), bool)
    for k, value in enumerate((1.0, -1.0)):
        of_side[k, mesh.faces[side == value].reshape(-1)] = True
    both = np.flatnonzero(of_side.all(axis=0))
    if not len(both):
        return mesh, mesh.faces
    moved = np.arange(count)
    moved[both] = count + np.arange(len(both))
    faces = np.where((side < 0.0)[:, None], moved[mesh.faces], mesh.faces).astype(np.int32)
    names = ("vertices", "normals", "uvs", "occlusion", "behind", "relief_uvs", "tangents")
    more = {n: np.concatenate([a, a[both]]) for n in names if (a := getattr(mesh, n)) is not None}
    return replace(mesh, faces=faces, **more), faces


def _angles(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) radians at the corners of faces."""
    corners = vertices[faces]
    one, other = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    crossed = np.linalg.norm(np.cross(one, other), axis=2)
    return np.asarray(np.arctan2(crossed, np.einsum("fij,fij->fi", one, other)))


def moved(uvs: np.ndarray, by: np.ndarray | None) -> np.ndarray:
    """(n, 2) texture coordinates times (2, 3)."""
    return uvs if by is None or by is UNMOVED else np.asarray(uvs @ by[:, :2].T + by[:, 2])
