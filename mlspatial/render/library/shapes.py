"""Compound shapes, built from parts.py. Import them beside it: `from mlspatial.render.library import shapes as s`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mlspatial.render.library import parts as p
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.font import strokes
from mlspatial.render.library.part import Part


def between(start, end, radius: float, finish: Finish | None = None, end_radius: float | None = None, sides=20) -> Part:
    """A straight round bar from one point to another, thinner or thicker towards its end when end_radius is given."""
    length = float(np.linalg.norm(np.subtract(end, start)))
    top = radius if end_radius is None else end_radius
    bar = p.cone(radius, top, length, finish, bevel=0.15 * min(radius, top), segments=sides)
    return bar.move(y=length / 2).aim(start, end)


def plank(start, end, width: float, thickness: float, finish: Finish | None = None, up=(0, 0, 1)) -> Part:
    """A straight square bar from one point to another; its `thickness` side points to `up`."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    bar = p.box((width, float(np.linalg.norm(end - start)), thickness), finish, bevel=0.08 * min(width, thickness))
    along = (end - start) / np.linalg.norm(end - start)
    top = np.asarray(up, float) - np.dot(up, along) * along
    top /= np.linalg.norm(top)
    turn = np.stack([np.cross(along, top), along, top])
    return bar.warp(lambda v: v @ turn + (start + end) / 2)


def turned(rng: np.random.Generator, height: float, radius: float, finish: Finish | None = None) -> Part:
    """A turned wooden leg or post, standing on y = 0: beads and coves drawn at random."""
    knots = int(rng.integers(3, 6))
    y = np.linspace(0.06, 0.94, 2 * knots + 1)
    r = np.where(np.arange(2 * knots + 1) % 2 == 0, 1.0, rng.uniform(0.5, 0.75, 2 * knots + 1))
    middle = p.curve(np.column_stack([r * radius, y * height]), 12 * knots)
    ends = (
        [(0, 0), (radius * 0.8, 0), (radius, 0.04 * height)],
        [(radius, 0.96 * height), (radius, height), (0, height)],
    )
    return p.lathe(np.concatenate([ends[0], middle, ends[1]]), finish, 20)


def wheel(radius: float, width: float, tyre: Finish, rim: Finish, spokes: int = 0) -> Part:
    """A wheel whose axle is x. spokes: 0 gives a solid disc."""
    t = 0.28 * radius
    profile = p.fillet([(radius - t, -width / 2), (radius, -width / 2), (radius, width / 2), (radius - t, width / 2)],
                       0.3 * min(t, width), closed=True, n=2)  # fmt: skip
    parts = [p.lathe(np.concatenate([profile, profile[:1]]), tyre, 32)]
    hub = p.cylinder(0.2 * radius, width * 1.1, rim, segments=16)
    if spokes:
        ring = p.torus(radius - t, 0.12 * radius, rim, 28, 6)
        spoke = between((0.1 * radius, 0, 0), (radius - t, 0, 0), 0.05 * radius, rim, sides=6)
        parts += [ring, hub, p.around(spoke, spokes)]
    else:
        parts += [hub, p.cylinder(radius - 0.9 * t, width * 0.6, rim, segments=36)]
    return p.join(parts).rotate(z=90)


def gear(radius: float, depth: float, teeth: int, finish: Finish | None = None, hole=0.25, tooth=0.2, spokes=0) -> Part:
    """A cog that faces +z. hole, tooth: shares of the radius; spokes: number of round cut-outs."""
    pitch = 2 * np.pi / teeth
    profile = np.array([(-0.46, 0), (-0.26, 0), (-0.16, 1), (0.16, 1), (0.26, 0)])
    a = (np.arange(teeth)[:, None] + profile[:, 0]).ravel() * pitch
    r = radius * (1 - tooth * (1 - np.tile(profile[:, 1], teeth)))
    holes = [p.circle(hole * radius, 32)]
    if spokes:
        middle = radius * (hole + 1 - tooth) / 2
        size = min(0.3 * radius * (1 - tooth - hole), 0.7 * middle * np.pi / spokes)
        holes += [p.circle(size, 18) + middle * d for d in p.circle(1.0, spokes)]
    outline = np.column_stack([r * np.cos(a), r * np.sin(a)])
    return p.extrude(outline, depth, finish, bevel=0.03 * radius, holes=holes)


def blade(spine, edge, thickness: float, finish: Finish | None = None, body: float = 0.35) -> Part:
    """A knife blade in the x-y plane: full thickness from the spine down to `body` of its width, then to an edge.

    spine, edge: (n, 2) points that face each other, from the handle to the tip (where they may meet).
    """
    spine, edge = np.asarray(spine, float), np.asarray(edge, float)
    z = thickness / 2 * np.minimum(1, 3 * np.linalg.norm(spine - edge, axis=1) / np.ptp(spine[:, 0]) * 4)
    middle = spine + body * (edge - spine)
    rows = []
    for i in range(len(spine)):
        rows.append([(*spine[i], z[i]), (*middle[i], z[i]), (*edge[i], 0.0), (*middle[i], -z[i]), (*spine[i], -z[i])])
    return p.loft(np.array(rows), finish, crease=12)


def leaf(
    length: float, width: float, finish: Finish | None = None, curl=25.0, fold=0.25, thickness=0.01, tip=1.2
) -> Part:
    """A leaf that grows from the origin along +y, its upper side to +z, bending back by `curl` degrees.

    fold: depth of the crease along the middle / width; tip: above 1 the widest place lies nearer to the stalk.
    """
    n = 14
    t = np.linspace(0, 1, n)
    half = width / 2 * np.sin(np.pi * t**(1 / tip)) ** 0.85 + 0.012 * width  # fmt: skip
    half[-1] = 0.004 * width
    across = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    angle = np.radians(curl) * t
    step = length / (n - 1)
    y = np.concatenate([[0], np.cumsum(np.cos((angle[1:] + angle[:-1]) / 2))]) * step
    z = -np.concatenate([[0], np.cumsum(np.sin((angle[1:] + angle[:-1]) / 2))]) * step
    top = np.stack(
        [half[:, None] * across, y[:, None] + 0 * across, z[:, None] + fold * 2 * half[:, None] * np.abs(across)],
        axis=-1,
    )
    k = thickness * (1 - across**2 * 0.8)
    normal = np.stack([0 * t, np.sin(angle), np.cos(angle)], axis=1)
    below = top - (k[None, :, None] * normal[:, None, :])
    return p.loft(np.concatenate([top, below[:, ::-1]], axis=1), finish, crease=50)


def letters(text: str, height: float, depth: float, finish: Finish | None = None, bold: float = 0.16) -> Part:
    """A word of raised letters that faces +z, centred; bold: stroke width / letter height."""
    strips = []
    for line in strokes(text):
        for a, b in pairwise(line):
            d = b - a
            length = float(np.hypot(*d)) + bold
            bar = p.box(
                (length * height, bold * height, depth), finish, bevel=0.12 * min(depth, bold * height), rings=1
            )
            strips.append(bar.rotate(z=float(np.degrees(np.arctan2(d[1], d[0])))).move(*((a + b) / 2 * height)))
    return p.join(strips)


def screw(radius: float, finish: Finish | None = None) -> Part:
    """A screw head that faces +z, with a slot."""
    half = p.extrude(p.arc(radius, 8, 172, 14), 0.5 * radius, finish, bevel=0.1 * radius)
    slot = p.disc(0.97 * radius, 0.25 * radius, finish, 20).move(z=-0.12 * radius)
    return p.join(half, half.rotate(z=180), slot)


def grip(profile, finish: Finish | None = None, flat: float = 0.7, segments: int = 24) -> Part:
    """A handle along y, oval in section: a lathe squeezed in z by `flat`."""
    return p.lathe(profile, finish, segments).scale(1, 1, flat)


def vessel(outline, wall: float, outside: Finish, inside: Finish | None = None, segments: int = 48) -> Part:
    """An open pot. outline: (n, 2) of (radius, height), its outer side from (0, bottom) to the rim."""
    outline = np.asarray(outline, float)
    profile = p.wall(outline, wall)
    part = p.lathe(profile, outside, segments)
    if inside is None or inside is outside:
        return part
    # along the profile (v) the outer side ends at the lip: the edge of the paint is a clean ring
    lip = np.linalg.norm(np.diff(profile[: len(outline) + 1], axis=0), axis=1).sum()
    within = part.uvs[part.faces][..., 1].mean(axis=1) > lip
    return part.paint(inside, lambda _: within)


def handle(
    height: float, reach: float, radius: float, finish: Finish | None = None, flat=1.0, lean=0.0, square=0.0
) -> Part:
    """A cup or jug handle in the x-y plane: from (0, height / 2) out to x = reach and back to (0, -height / 2).

    flat: width along z / thickness; lean: moves its widest place up (+) or down; square: 0 round .. 1 angular.
    """
    a = np.radians(np.linspace(96, -96, 26))
    power = 1 - 0.5 * square
    x, y = np.cos(a), np.sin(a)
    points = np.column_stack([
        reach * (np.sign(x) * np.abs(x) ** power + 0.1) / 1.1,
        height / 2 * np.sign(y) * np.abs(y) ** power + lean * height * np.maximum(x, 0),
    ])  # fmt: skip
    return p.sweep(p.in_plane(points), radius, finish, section=p.oval(2, 2 * flat, 2.4, 14), up=(0, 0, 1))


def follow(part: Part, outline) -> Part:
    """Push a handle (built at x = 0) out onto a vessel. outline: (n, 2) of (radius, height), the lathe's outer side.

    The ends land on the wall at their heights; between them the shift changes evenly, so the handle keeps its shape.
    """
    outline = np.asarray(outline, float)
    order = np.argsort(outline[:, 1], kind="stable")
    y, r = outline[order, 1], outline[order, 0]
    low, high = part.low[1], part.high[1]
    r0, r1 = np.interp(low, y, r), np.interp(high, y, r)
    shift = lambda v: r0 + (r1 - r0) * (v[:, 1] - low) / (high - low)  # noqa: E731
    return part.warp(lambda v: v + np.column_stack([shift(v), 0 * v[:, 0], 0 * v[:, 0]]))


def drops(part: Part, places) -> Part:
    """Copies of a part at (n, 3) places."""
    return p.join([part.move(*place) for place in places])
