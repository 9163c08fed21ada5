"""Geometry in one call each. `from mlspatial.render.library import parts as p`, then `p.box((1, 2, 1), wood)`.

Every function returns a closed, outward-wound Part in the caller's length unit, centred at the origin unless it says
otherwise. Boxes take (x, y, z) sizes; lathes and cylinders stand along y; extrusions run along z, front towards +z.
Finishes come from materials.py. Compound shapes (wheels, letters, blades, leaves) are in shapes.py; both modules, the
curves and the operations on parts are reached as p.something.
"""

from __future__ import annotations

import numpy as np

from mlspatial.render.library.curves import (
    arc,
    circle,
    curve,
    fillet,
    frames,
    in_plane,
    oval,
    rectangle,
    spiral,
    star,
    wall,
)
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.part import CREASE, Part, around, both, four, join, new_part, repeat
from mlspatial.render.library.polygons import inset, triangulate, widest_inset

__all__ = [
    "CREASE",
    "Finish",
    "Part",
    "arc",
    "around",
    "both",
    "box",
    "capsule",
    "circle",
    "cone",
    "curve",
    "cushion",
    "cylinder",
    "disc",
    "ellipsoid",
    "extrude",
    "fillet",
    "four",
    "in_plane",
    "join",
    "lathe",
    "loft",
    "oval",
    "pillow",
    "puff",
    "rectangle",
    "repeat",
    "rod",
    "sheet",
    "sphere",
    "spiral",
    "star",
    "strap",
    "superellipsoid",
    "sweep",
    "torus",
    "wall",
]


def box(size, finish: Finish | None = None, bevel: float | None = None, rings: int = 2) -> Part:
    """A box (x, y, z) with rounded edges; bevel: their radius (6 % of the shortest side by default, 0 for none).

    rings: quads across a rounded edge. The grain runs along the longer side of each face; a picture stands upright.
    """
    size = np.asarray(size, float)
    half = size / 2
    r = min(0.06 * size.min() if bevel is None else bevel, 0.999 * half.min())
    lines = [_box_lines(h, r, rings) for h in half]
    vertices, uvs, faces, start = [], [], [], 0
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        a, b = np.meshgrid(lines[i], lines[j], indexing="ij")
        for sign in (-1.0, 1.0):
            p = np.empty((*a.shape, 3))
            p[..., i], p[..., j], p[..., axis] = a, b, sign * half[axis]
            if r > 0:
                core = np.clip(p, r - half, half - r)
                out = p - core
                p = core + r * out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)
            vertices.append(p.reshape(-1, 3))
            uvs.append(_face_uv(p, half, axis, sign, size[j] < size[i], finish).reshape(-1, 2))
            quads = _quads(*a.shape) + start
            faces.append(quads if sign > 0 else quads[:, ::-1])
            start += a.size
    return new_part(np.concatenate(vertices), np.concatenate(uvs), np.concatenate(faces), finish)


def loft(sections, finish: Finish | None = None, closed: bool = False, caps: bool = True, crease=CREASE) -> Part:
    """A skin over cross-sections. sections: (n, m, 3): n closed outlines of m points (first point not repeated).

    closed: the last section joins the first; otherwise caps close both ends (flat, star-shaped about their centre).
    """
    s = np.asarray(sections, float)
    if closed:
        s = np.concatenate([s, s[:1]])
    s = np.concatenate([s, s[:, :1]], axis=1)
    n, m = s.shape[:2]
    along = np.linalg.norm(np.diff(s, axis=0), axis=2).mean(axis=1)
    across = np.linalg.norm(np.diff(s, axis=1), axis=2).max(axis=0)
    v, u = np.cumsum([0.0, *along]), np.cumsum([0.0, *across])
    uvs = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=-1)
    vertices, faces = [s.reshape(-1, 3)], [_quads(n, m)[:, ::-1]]
    uv_list, start = [uvs.reshape(-1, 2)], n * m
    if caps and not closed:
        for ring, flip in ((s[0, :-1], False), (s[-1, :-1], True)):
            centre = ring.mean(axis=0)
            if np.linalg.norm(ring - centre, axis=1).max() < 1e-9:
                continue  # the end is a point
            vertices.append(np.concatenate([ring, centre[None]]))
            uv_list.append(_flat_uv(vertices[-1]))
            k = np.arange(m - 1)
            fan = np.stack([np.full(m - 1, m - 1), (k + 1) % (m - 1), k], axis=1) + start
            faces.append(fan[:, ::-1] if flip else fan)
            start += m
    return new_part(np.concatenate(vertices), np.concatenate(uv_list), np.concatenate(faces), finish, crease)


def lathe(profile, finish: Finish | None = None, segments: int = 48, crease: float = CREASE) -> Part:
    """Turn a profile about the y axis. profile: (n, 2) of (radius, height); ends off the axis are closed flat.

    A profile whose last point equals its first makes a ring. See curves.wall for vessels, fillet for round corners.
    A picture (label) runs once around, from the back over the left side; its middle is in front.
    """
    p = np.asarray(profile, float)
    ring = len(p) > 2 and np.allclose(p[0], p[-1]) and p[0, 0] > 1e-9
    if ring:
        p = np.concatenate([p[:-1], p[:1]])
    else:
        p = np.concatenate(
            [
                [(0.0, p[0, 1])] if p[0, 0] > 1e-9 else p[:0],
                p,
                [(0.0, p[-1, 1])] if p[-1, 0] > 1e-9 else p[:0],
            ]
        )
    angle = 2 * np.pi * np.arange(segments + 1) / segments  # from the back, so that pictures have their middle in front
    c, s = -np.cos(angle), -np.sin(angle)
    c[-1], s[-1] = c[0], s[0]
    r, y = p[:, 0:1], p[:, 1:2]
    vertices = np.stack([r * s, np.broadcast_to(y, (len(p), segments + 1)), r * c], axis=-1)
    v = np.cumsum([0.0, *np.linalg.norm(np.diff(p, axis=0), axis=1)])
    u = angle * r.max()
    if finish is not None and finish.tile is not None:  # runs there and back, mirrored at the sides: no seam behind
        u = np.abs((angle + np.pi / 2) % (2 * np.pi) - np.pi) * r.max()
    uvs = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=-1)
    return new_part(vertices, uvs, _quads(len(p), segments + 1)[:, ::-1], finish, crease)


def cylinder(radius: float, height: float, finish: Finish | None = None, bevel: float | None = None, segments=40):
    """Along y. bevel: radius of the rounded rims (5 % of the smaller of radius and height by default)."""
    return cone(radius, radius, height, finish, bevel, segments)


def cone(bottom: float, top: float, height: float, finish: Finish | None = None, bevel=None, segments=40) -> Part:
    """A frustum along y; a radius of 0 makes a point."""
    h = height / 2
    r = 0.05 * min(max(bottom, top), height) if bevel is None else bevel
    profile = fillet([(0, -h), (bottom, -h), (top, h), (0, h)], r, n=2)
    return lathe(profile, finish, segments)


def disc(radius: float, thickness: float, finish: Finish | None = None, segments: int = 48) -> Part:
    """A cylinder that faces +z: dials, coins, buttons."""
    return cylinder(radius, thickness, finish, segments=segments).rotate(x=90)


def sphere(radius: float, finish: Finish | None = None, segments: int = 40) -> Part:
    return ellipsoid((2 * radius,) * 3, finish, segments)


def ellipsoid(size, finish: Finish | None = None, segments: int = 40) -> Part:
    """size: (x, y, z) diameters."""
    return superellipsoid(size, finish, 2.0, 2.0, segments)


def superellipsoid(size, finish: Finish | None = None, round_y=2.0, round_xz=2.0, segments: int = 40) -> Part:
    """An ellipsoid that turns into a box as its powers grow (2 round, 4 a soft box); below 2 it gets pointed.

    round_y: power of the upright outline; round_xz: power of the outline from above.
    """
    b = np.pi * (np.arange(segments // 2 + 1) / (segments // 2) - 0.5)
    radius, height = np.abs(np.cos(b)) ** (2 / round_y), np.sign(np.sin(b)) * np.abs(np.sin(b)) ** (2 / round_y)
    radius[[0, -1]] = 0.0
    part = lathe(np.stack([radius, height], axis=1), finish, segments, crease=60)
    x, y, z = part.vertices.T
    r, a = np.hypot(x, z), np.arctan2(x, z)
    c, s = np.cos(a), np.sin(a)
    k = (np.abs(c) ** round_xz + np.abs(s) ** round_xz) ** (-1 / round_xz)
    uvs = part.uvs * (np.mean(size[::2]) / 2, size[1] / 2)
    shape = np.stack([r * k * s, y, r * k * c], axis=1) * np.asarray(size, float) / 2
    return new_part(shape, uvs, part.faces, finish, 60)


def capsule(radius: float, height: float, finish: Finish | None = None, segments: int = 32) -> Part:
    """A cylinder along y with round ends, `height` in all."""
    h = max(height / 2 - radius, 0.0)
    profile = np.concatenate([arc(radius, -90, 0, 8, (0, -h)), arc(radius, 0, 90, 8, (0, h))])
    profile[[0, -1], 0] = 0.0
    return lathe(profile, finish, segments)


def torus(radius: float, thickness: float, finish: Finish | None = None, segments: int = 48, sides: int = 16) -> Part:
    """A ring about y. radius: to the middle of the rod; thickness: diameter of the rod."""
    ring = circle(thickness / 2, sides) + (radius, 0)
    return lathe(np.concatenate([ring, ring[:1]]), finish, segments, crease=60)


def extrude(polygon, depth: float, finish: Finish | None = None, bevel=None, holes=(), rings: int = 2) -> Part:
    """A flat outline given thickness along z. polygon, holes: (n, 2). bevel: radius of the rounded rims,
    smaller where the outline has no room for it. The grain runs along the outline's longer side; a picture is upright.
    """
    outer = [_wound(polygon, 1)] + [_wound(h, -1) for h in holes]
    r = widest_inset(outer, min(0.06 * depth if bevel is None else bevel, depth / 2))
    steps = [(0.0, 0.0)] if r <= 0 else [(r * (1 - np.sin(a)), r * (1 - np.cos(a))) for a in _quarter(rings)]
    # rows of (inset, z): from the back rim to the front rim
    rows = [(i, -depth / 2 + z) for i, z in steps] + [(i, depth / 2 - z) for i, z in reversed(steps)]
    vertices, uvs, faces, start = [], [], [], 0
    low, span = outer[0].min(axis=0), np.ptp(outer[0], axis=0)
    picture = finish is not None and finish.tile is None
    for loop in outer:
        closed = np.concatenate([loop, loop[:1]])
        u = np.cumsum([0.0, *np.linalg.norm(np.diff(closed, axis=0), axis=1)])
        for i, z in rows:
            ring = inset(loop, i)
            ring = np.concatenate([ring, ring[:1]])
            vertices.append(np.column_stack([ring, np.full(len(ring), z)]))
            uvs.append(ring - low if picture else np.column_stack([u, np.full(len(ring), z)]))
        faces.append(_quads(len(rows), len(closed))[:, ::-1] + start)
        start += len(rows) * len(closed)
    rims = [inset(loop, rows[0][0]) for loop in outer]
    points, cap = triangulate(rims[0], rims[1:])
    cap_uv = points - low
    for z, triangles in ((rows[-1][1], cap), (rows[0][1], cap[:, ::-1])):
        vertices.append(np.column_stack([points, np.full(len(points), z)]))
        uvs.append(cap_uv if picture or span[1] >= span[0] else cap_uv[:, ::-1])
        faces.append(triangles + start)
        start += len(points)
    return new_part(np.concatenate(vertices), np.concatenate(uvs), np.concatenate(faces), finish, 35)


def puff(polygon, depth: float, finish: Finish | None = None, edge: float = 0.5, rings: int = 5) -> Part:
    """A soft body with a flat outline, rounded towards its rim: bags, hearts, fish, pebbles; thick along z.

    polygon: (n, 2), star-shaped about the middle of its box. edge: share of the way to the middle that is rounded,
    1 makes a lens. Unlike extrude's flat caps its faces bend well (warp).
    """
    loop = _wound(polygon, 1)
    centre = (loop.min(axis=0) + loop.max(axis=0)) / 2
    a = np.linspace(0, np.pi / 2, rings + 1)
    k = np.concatenate([1 - edge * (1 - np.cos(a)), np.linspace(1 - edge, 0, max(3, int(7 * (1 - edge))) + 1)[1:]])
    z = np.concatenate([np.sin(a), np.ones(len(k) - len(a))]) * depth / 2
    k, z = np.concatenate([k[:0:-1], k]), np.concatenate([-z[:0:-1], z])
    flat = centre + k[:, None, None] * (loop - centre)
    part = loft(
        np.concatenate([flat, np.broadcast_to(z[:, None, None], (*flat.shape[:2], 1))], axis=2), finish, crease=70
    )
    return new_part(part.vertices, part.vertices[:, :2] - loop.min(axis=0), part.faces, finish, 70)


def sweep(path, radius, finish: Finish | None = None, sides=12, section=None, closed=False, up=None, crease=CREASE):
    """A tube along a path. path: (n, 3) (see curve and fillet); radius: a number or (n,), 0 makes a point.

    section: (m, 2) outline in (side, up) directions, scaled by radius; a circle by default. up: direction that the
    section's second axis keeps to (straps, handles); without it the section does not twist. Ends are flat.
    """
    path = np.asarray(path, float)
    radius = np.broadcast_to(np.asarray(radius, float), (len(path),))
    section = circle(1.0, sides) if section is None else np.asarray(section, float)
    side, top = frames(path, closed, up)
    s = section * np.ones((len(path), 1, 1)) * radius[:, None, None]
    sections = path[:, None] + s[..., :1] * side[:, None] + s[..., 1:] * top[:, None]
    return loft(sections, finish, closed, crease=crease)


def rod(path, radius: float, finish: Finish | None = None, sides: int = 12, closed: bool = False) -> Part:
    """A tube of constant radius with round ends."""
    path = np.asarray(path, float)
    if closed:
        return sweep(path, radius, finish, sides, closed=True)
    first, last = path[0] - path[1], path[-1] - path[-2]
    first, last = first / np.linalg.norm(first), last / np.linalg.norm(last)
    a = np.radians([90, 60, 30])
    ends = np.sin(a)[:, None] * radius
    path = np.concatenate([path[0] + ends * first, path, path[-1] + ends[::-1] * last])
    r = np.concatenate([np.cos(a), np.ones(len(path) - 6), np.cos(a[::-1])]) * radius
    r[[0, -1]] = 0.0
    return sweep(path, r, finish, sides)


def strap(path, width: float, thickness: float, finish: Finish | None = None, up=(0, 1, 0), closed=False) -> Part:
    """A flat band along a path; `up` points out of its flat side."""
    return sweep(path, 1.0, finish, section=rectangle(width, thickness, thickness * 0.3, 2), closed=closed, up=up)


def sheet(width: float, depth: float, finish: Finish | None = None, thickness=0.01, height=None, n: int = 24) -> Part:
    """A thin plate in the x-z plane, n by n cells. height: f(x, z) -> y of its middle, for arrays."""
    x, z = np.meshgrid(np.linspace(-width / 2, width / 2, n + 1), np.linspace(-depth / 2, depth / 2, n + 1))
    y = np.zeros_like(x) if height is None else np.broadcast_to(height(x, z), x.shape)
    top, bottom = (np.stack([x, y + s * thickness / 2, z], axis=-1) for s in (1, -1))
    uv = np.stack([x + width / 2, depth / 2 - z], axis=-1)
    quads = _quads(n + 1, n + 1)
    i = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    rim = np.concatenate([i[0, :-1], i[:-1, -1], i[-1, :0:-1], i[:0:-1, 0]])
    after, k = np.roll(rim, -1), (n + 1) ** 2
    faces = [quads, quads[:, ::-1] + k, np.stack([rim, after, after + k], 1), np.stack([rim, after + k, rim + k], 1)]
    vertices = np.concatenate([top.reshape(-1, 3), bottom.reshape(-1, 3)])
    return new_part(vertices, np.tile(uv.reshape(-1, 2), (2, 1)), np.concatenate(faces), finish)


def cushion(size, finish: Finish | None = None, softness: float = 0.35, puff: float = 0.12) -> Part:
    """A stuffed block (x, y, z): round edges, faces that bulge. softness: edge radius / half the shortest side."""
    size = np.asarray(size, float)
    bulge = puff * size.min()
    inner = size - 2 * bulge
    part = box(inner, finish, softness * inner.min() / 2, 2).subdivide(size.max() / 5)

    def f(v: np.ndarray) -> np.ndarray:
        t = np.clip(2 * v / inner, -1, 1)
        dome = 1 - t**2
        out = np.stack([dome[:, 1] * dome[:, 2], dome[:, 0] * dome[:, 2], dome[:, 0] * dome[:, 1]], axis=1)
        return v + bulge * out * t

    return part.warp(f).smooth(70)


def pillow(width: float, height: float, thickness: float, finish: Finish | None = None, corners: float = 0.06) -> Part:
    """A throw pillow that faces +z: thick in the middle, a thin seam around, corners drawn out by `corners`."""
    n = 20
    t = np.sin(np.linspace(-np.pi / 2, np.pi / 2, n + 1))
    a, b = np.meshgrid(t, t, indexing="ij")
    waist = 1 - corners * (1 - np.abs(a) ** 2) * np.abs(b) ** 4, 1 - corners * (1 - np.abs(b) ** 2) * np.abs(a) ** 4
    x, y = a * waist[1] * width / 2, b * waist[0] * height / 2
    z = thickness / 2 * ((1 - a**4) * (1 - b**4)) ** 0.5
    front, back = np.stack([x, y, z], axis=-1), np.stack([x, y, -z], axis=-1)
    uv = np.stack([x + width / 2, y + height / 2], axis=-1).reshape(-1, 2)
    quads = _quads(n + 1, n + 1)
    faces = np.concatenate([quads, quads[:, ::-1] + (n + 1) ** 2])
    vertices = np.concatenate([front.reshape(-1, 3), back.reshape(-1, 3)])
    return new_part(vertices, np.tile(uv, (2, 1)), faces, finish, 75)


# ---- workings ------------------------------------------------------------------------------------------------------
def _quads(n: int, m: int) -> np.ndarray:
    """Two triangles for each cell of an (n, m) grid of points, normal along (first axis) x (second axis)."""
    i = np.arange(n * m).reshape(n, m)
    a, b, c, d = (x.ravel() for x in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def _face_uv(p: np.ndarray, half: np.ndarray, axis: int, sign: float, turned: bool, finish) -> np.ndarray:
    """Texture coordinates of one face of a box."""
    if finish is not None and finish.tile is None:  # seen from outside: u to the right, v up (on top: v to the back)
        pair = (((2, -sign), (1, 1.0)), ((0, 1.0), (2, -sign)), ((0, sign), (1, 1.0)))[axis]
    else:
        i, j = (axis + 1) % 3, (axis + 2) % 3
        pair = ((j, 1.0), (i, 1.0)) if turned else ((i, 1.0), (j, 1.0))
    return np.stack([k * p[..., a] + half[a] for a, k in pair], axis=-1)


def _box_lines(half: float, r: float, rings: int) -> np.ndarray:
    """Where the grid lines of a box cross one of its axes."""
    if r <= 0:
        return np.array([-half, half])
    # tan of even angles: pushed out to the sphere they are evenly spaced
    t = r * np.tan(np.linspace(0, np.pi / 4, rings + 1))
    up = half - r + t
    return np.concatenate([-up[::-1], up])


def _quarter(rings: int) -> np.ndarray:
    return np.linspace(0, np.pi / 2, rings + 1)


def _wound(polygon, sign: int) -> np.ndarray:
    p = np.asarray(polygon, float)
    if len(p) > 1 and np.allclose(p[0], p[-1]):
        p = p[:-1]
    x, y = p.T
    area = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    return p if area * sign > 0 else p[::-1]


def _flat_uv(points: np.ndarray) -> np.ndarray:
    """Lengths in the plane of a flat ring of points."""
    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    return centred @ axes[:2].T
