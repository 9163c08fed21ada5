"""Surfaces as files have them, mended: faces without area, strays, faces twice, faces the wrong way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mlspatial.render.library.part import Part

FLAT = 1e-6  # height of a triangle over its longest side below which nothing of it is ever drawn


def drawable(triangles: np.ndarray) -> np.ndarray:
    """(F,) bool for (F, 3, 3) triangles: whether they have an area."""
    sides = np.roll(triangles, -1, axis=1) - triangles
    longest = np.einsum("fij,fij->fi", sides, sides).max(axis=1)
    twice = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    return np.asarray(twice > FLAT * longest)


def kept_faces(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F,) bool, faces to keep, and the (2, 3) corners of the box around what is drawn; (F, 3, 3) triangles, finite.

    A face without area goes where it reaches out of that box. Within, it is invisible, and its neighbours meet in it.
    """
    good = drawable(triangles)
    if not good.any():
        return good, np.zeros((2, 3))
    low, high = triangles[good].min(axis=(0, 1)), triangles[good].max(axis=(0, 1))
    reach = 1e-9 * float((high - low).max())
    within = ((triangles >= low - reach) & (triangles <= high + reach)).all(axis=(1, 2))
    return good | within, np.stack([low, high])


def mended(part: Part) -> Part:
    """The part with faces in one place kept once and every connected piece wound one way, outwards where it is closed.

    Where that holds already, nothing changes.
    """
    place = _places(part.vertices)
    corners = place[part.faces]
    distinct = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    keep = _once(part.vertices, part.faces, corners, distinct)
    if not keep.all():
        part = replace(part, faces=part.faces[keep], face_finish=part.face_finish[keep], crease=part.crease[keep])
        corners, distinct = corners[keep], distinct[keep]
    turn = _turned(part.vertices, part.faces, corners, distinct)
    if not turn.any():
        return part
    return replace(part, faces=np.where(turn[:, None], part.faces[:, ::-1], part.faces))


def is_closed(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether each edge is passed equally often both ways: no back of a face is ever seen. Vertices at one place are
    one."""
    corners = _places(vertices)[faces]
    distinct = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    return bool(_volumes(vertices, faces, corners, np.zeros(len(faces), int), distinct)[1][0])


def _places(vertices: np.ndarray) -> np.ndarray:
    """(V,) one number for each position, to a millionth of the whole."""
    low = vertices.min(axis=0)
    grid = np.round((vertices - low) / max(float(np.ptp(vertices, axis=0).max()), 1e-300) * 1e6).astype(np.int64)
    return np.unique((grid[:, 0] << 42) + (grid[:, 1] << 21) + grid[:, 2], return_inverse=True)[1].reshape(-1)


def _once(vertices: np.ndarray, faces: np.ndarray, corners: np.ndarray, distinct: np.ndarray) -> np.ndarray:
    """(F,) bool: the first of the faces that cover the same: three corners, or a flat square of two with four.

    The two sides of a square may be cut along different diagonals.
    """
    keep = np.ones(len(corners), bool)
    real = np.flatnonzero(distinct)
    _, first = np.unique(np.sort(corners[real], axis=1), axis=0, return_index=True)
    keep[real] = False
    keep[real[first]] = True
    real = np.flatnonzero(keep & distinct)
    one, other, _ = _neighbours(corners[real])
    one, other = real[one], real[other]
    normal = _normals(vertices, faces)
    flat = np.abs(np.einsum("ni,ni->n", normal[one], normal[other])) > 1.0 - 1e-6
    one, other = one[flat], other[flat]
    if not len(one):
        return keep
    joined = np.sort(np.concatenate([corners[one], corners[other]], axis=1), axis=1)
    step = np.c_[np.ones(len(joined), bool), joined[:, 1:] != joined[:, :-1]]
    square = step.sum(axis=1) == 4
    one, other, step, joined = one[square], other[square], step[square], joined[square]
    _, first, which = np.unique(joined[step].reshape(-1, 4), axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which.reshape(-1)] != np.arange(len(one)))
    if not len(again):
        return keep
    before = first[which.reshape(-1)[again]]
    apart = (one[again] != one[before]) & (one[again] != other[before])
    apart &= (other[again] != one[before]) & (other[again] != other[before])
    keep[one[again[apart]]] = False
    keep[other[again[apart]]] = False
    return keep


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) unit normals; of a face without area 0."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300))


def _neighbours(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of faces (rows of (F, 3) places) over edges that exactly two share, and whether they pass it in opposite
    directions, as faces wound one way do."""
    start, end = corners.reshape(-1), np.roll(corners, -1, axis=1).reshape(-1)
    owner = np.repeat(np.arange(len(corners)), 3)
    key = np.minimum(start, end) * (int(corners.max(initial=0)) + 1) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    sharing = np.unique(key, return_counts=True)[1]
    first = np.cumsum(sharing) - sharing
    one, other = order[first[sharing == 2]], order[first[sharing == 2] + 1]
    return owner[one], owner[other], start[one] == end[other]


def _turned(vertices: np.ndarray, faces: np.ndarray, corners: np.ndarray, distinct: np.ndarray) -> np.ndarray:
    """(F,) bool: faces to turn round.

    Faces are linked over edges that exactly two of them share. A piece that cannot be wound one way (a Moebius strip)
    is left; of an open one, the way that most of its area has already stays.
    """
    count = len(corners)
    real = np.flatnonzero(distinct)
    f, g, agree = _neighbours(corners[real])
    f, g = real[f], real[g]
    # every face twice, as it is and turned; links join what goes together
    rows = np.concatenate([f, f + count])
    columns = np.concatenate([np.where(agree, g, g + count), np.where(agree, g + count, g)])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(2 * count, 2 * count))
    _, label = connected_components(graph, directed=False)
    as_is, turned = label[:count], label[count:]
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    piece = np.minimum(as_is, turned)  # of both labels one name
    two_sided = as_is != turned
    flip = two_sided & (as_is != piece)
    flip = _with_most_area(flip, piece, area)
    wound = np.where(flip[:, None], corners[:, ::-1], corners)
    volume, closed = _volumes(vertices, np.where(flip[:, None], faces[:, ::-1], faces), wound, piece, distinct)
    return np.asarray((flip ^ (closed & (volume < 0.0))[piece]) & two_sided)


def _with_most_area(flip: np.ndarray, piece: np.ndarray, area: np.ndarray) -> np.ndarray:
    """The same turns, or all others, in each piece: whichever turns less."""
    size = int(piece.max()) + 1
    moved = np.bincount(piece, weights=area * flip, minlength=size)
    whole = np.bincount(piece, weights=area, minlength=size)
    return np.asarray(flip ^ (moved > 0.5 * whole)[piece])


def _volumes(vertices, faces, corners, piece, distinct) -> tuple[np.ndarray, np.ndarray]:
    """For each piece its signed volume, and whether it is closed: each edge is passed equally often both ways."""
    size = int(piece.max()) + 1
    a, b, c = (vertices[faces[:, i]] - vertices.mean(axis=0) for i in range(3))
    volume = np.bincount(piece, weights=np.einsum("fi,fi->f", a, np.cross(b, c)), minlength=size)
    start, end = corners[distinct].reshape(-1), np.roll(corners[distinct], -1, axis=1).reshape(-1)
    which = np.repeat(piece[distinct], 3)
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((high, low, which))
    keys = np.stack([which, low, high], axis=1)[order]
    new = np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)]
    edge = np.cumsum(new) - 1
    balance = np.bincount(edge, weights=np.where(start < end, 1.0, -1.0)[order])
    unbalanced = np.bincount(keys[new][:, 0], weights=balance != 0.0, minlength=size)
    return volume, np.asarray(unbalanced == 0.0)
