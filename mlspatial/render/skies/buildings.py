"""Buildings and other things with flat faces: convex bodies, each face with a texture, lit by sun, sky and lamps."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlspatial.render.skies.noise import Array, blend, fbm, hash01, joints, ramp, rgb, srgb, stripe
from mlspatial.render.skies.outdoor import EYE, Hit, Part, Share, lit
from mlspatial.render.skies.rays import Rays
from mlspatial.render.skies.sky import SkyView

# (along the face, up in metres, pixel in metres, view) -> albedo (n, 3), radiance to add (n, 3) or None
Skin = Callable[[Array, Array, Array, SkyView], tuple[Array, Array | None]]


@dataclass(frozen=True, eq=False)
class Body:
    """A convex body: the points p with normals @ p <= offsets; p = (right, up, ahead), turned about y, at (x, z).

    turn: radians; normals: (k, 3); offsets: (k,); skins: for each face; size: (half width, height, half depth), for
    bounds and shadow; base: metres of p's origin above the ground.
    """

    x: float
    z: float
    turn: float
    normals: Array
    offsets: Array
    skins: tuple[Skin, ...]
    size: tuple[float, float, float]
    base: float = 0.0

    @functools.cached_property
    def distance(self) -> float:
        """To the nearest point of its footprint: a long front must not be drawn behind what stands before it."""
        right, ahead = self._local(-self.x, -self.z)
        gap = np.maximum(np.abs([right, ahead]) - [self.size[0], self.size[2]], 0.0)
        return max(float(np.hypot(*gap)), 0.5)

    def _local(self, x: Any, z: Any) -> tuple[Any, Any]:
        c, s = math.cos(self.turn), math.sin(self.turn)
        return c * x - s * z, s * x + c * z

    def draw(self, rays: Rays, view: SkyView) -> Part | None:
        half, height, deep = self.size
        highest = max((self.base + height - EYE) / self.distance, 0.0) + rays.pixel
        lowest = min((self.base - EYE) / self.distance, 0.0) - rays.pixel
        if rays.slopes[0] > highest or rays.slopes[1] < lowest:
            return None
        middle = np.array([self.x, self.base + height / 2 - EYE, self.z])
        reach = math.sqrt(half * half + height * height / 4 + deep * deep)
        away = float(np.linalg.norm(middle))
        near = np.flatnonzero((rays.slope < highest) & (rays.slope > lowest))
        if away > 1.02 * reach and len(near):
            toward = rays.x[near] * np.float32(middle[0]) + rays.z[near] * np.float32(middle[2])
            toward += rays.y[near] * np.float32(middle[1])
            near = near[toward > np.float32(0.999 * math.sqrt(away * away - reach * reach))]
        if len(near) == 0:
            return None
        dx, dz = self._local(rays.x[near], rays.z[near])
        dy = rays.y[near]
        ox, oz = self._local(-self.x, -self.z)
        oy = EYE - self.base
        enter = np.zeros(len(near), np.float32)
        leave = np.full(len(near), np.inf, np.float32)
        face = np.zeros(len(near), np.int16)
        for k, ((nx, ny, nz), offset) in enumerate(zip(self.normals.tolist(), self.offsets.tolist(), strict=True)):
            slope = nx * dx + ny * dy + nz * dz
            slope = np.where(np.abs(slope) < 1e-7, np.float32(1e-7), slope)
            s = np.float32(offset - (nx * ox + ny * oy + nz * oz)) / slope
            inward = slope < 0
            later = inward & (s > enter)
            enter = np.where(later, s, enter)
            face[later] = k
            leave = np.where(inward, leave, np.minimum(leave, s))
        hit = np.flatnonzero((enter > 0.2) & (enter < leave))
        if len(hit) == 0:
            return None
        t, face = enter[hit], face[hit]
        px, py, pz = ox + dx[hit] * t, oy + dy[hit] * t, oz + dz[hit] * t
        colour = np.empty((len(hit), 3), np.float32)
        for k in np.unique(face):
            some = np.flatnonzero(face == k)
            colour[some] = self._face(int(k), px[some], py[some], pz[some], t[some] * np.float32(rays.pixel), view)
        return near[hit], colour, np.ones(len(hit), np.float32)

    def _face(self, k: int, px: Array, py: Array, pz: Array, pixel: Array, view: SkyView) -> Array:
        nx, ny, nz = self.normals[k].tolist()
        flat = math.hypot(nx, nz)
        along = (px * nz - pz * nx) / flat if flat > 0.1 else px
        up = py if ny < 0.9 else pz
        albedo, glow = self.skins[k](
            along, up / np.float32(math.sqrt(max(1 - ny * ny, 0.1)) if ny < 0.9 else 1), pixel, view
        )
        c, s = math.cos(self.turn), math.sin(self.turn)
        cosine = max((c * nx + s * nz) * view.sun[0] + ny * view.sun[1] + (c * nz - s * nx) * view.sun[2], 0.0)
        sky = np.clip((0.5 + 0.5 * ny) * (0.65 + 0.35 * ramp(py, 0.0, 4.0)) + 0.1, 0, 1)
        out = lit(albedo, view, np.full(len(px), cosine, np.float32), sky)
        return out if glow is None else out + glow

    def shadow(self, hit: Hit, sun: Array) -> Share | None:
        """Of its bounding box, softer with the distance from it."""
        half, height, deep = self.size
        rise = max(float(sun[1]), 0.08)
        reach = (self.base + height) / rise + half + deep
        away = math.hypot(self.x, self.z)
        if not hit.span[0] - reach < away < hit.span[1] + reach:
            return None
        px, pz = self._local(hit.x - np.float32(self.x), hit.z - np.float32(self.z))
        near = np.flatnonzero((np.abs(px) < reach) & (np.abs(pz) < reach))
        if len(near) == 0:
            return None
        sx, sz = self._local(float(sun[0]), float(sun[2]))
        enter = np.full(len(near), self.base / rise, np.float32)
        leave = np.full(len(near), (self.base + height) / rise, np.float32)
        for p, d, edge in ((px[near], sx, half), (pz[near], sz, deep)):
            d = d if abs(d) > 1e-4 else 1e-4
            one, two = (-edge - p) / d, (edge - p) / d
            enter, leave = np.maximum(enter, np.minimum(one, two)), np.minimum(leave, np.maximum(one, two))
        soft = 0.05 + 0.012 * enter
        return near, 1 - np.float32(0.94) * ramp(leave - enter, -soft, soft)

    def contact(self, hit: Hit) -> Share | None:
        half, height, deep = self.size
        margin = min(0.5 * height, 1.5)
        if self.base > 0.3:
            return None
        reach, away = math.hypot(half, deep) + margin, math.hypot(self.x, self.z)
        if not hit.span[0] - reach < away < hit.span[1] + reach:
            return None
        px, pz = self._local(hit.x - np.float32(self.x), hit.z - np.float32(self.z))
        gap = np.maximum(np.abs(px) - half, np.abs(pz) - deep)
        near = np.flatnonzero(gap < margin)
        if len(near) == 0:
            return None
        return near, 1 - np.float32(0.6) * ramp(gap[near], margin, -0.1 * margin)


_BOX = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1], [0, -1, 0], [0, 1, 0]], np.float64)


def block(
    x: float,
    z: float,
    wide: float,
    deep: float,
    tall: float,
    skin: Skin,
    top: Skin,
    *,
    turn: float = 0.0,
    base: float = 0.0,
) -> Body:
    """A box with a flat roof; its front is wide, along the right axis, turned by `turn` radians."""
    offsets = np.array([wide / 2, wide / 2, deep / 2, deep / 2, 0.0, tall])
    return Body(x, z, turn, _BOX, offsets, (skin,) * 5 + (top,), (wide / 2, tall, deep / 2), base)


def gabled(
    x: float,
    z: float,
    wide: float,
    deep: float,
    eaves: float,
    ridge: float,
    skin: Skin,
    roof: Skin,
    *,
    turn: float = 0.0,
) -> Body:
    """A house with a saddle roof whose ridge runs along its width."""
    slope = np.array([0, deep / 2, ridge - eaves]) / math.hypot(deep / 2, ridge - eaves)
    normals = np.vstack([_BOX[:5], slope, slope * [1, 1, -1]])
    offset = slope[1] * ridge
    offsets = np.array([wide / 2, wide / 2, deep / 2, deep / 2, 0.0, offset, offset])
    return Body(x, z, turn, normals, offsets, (skin,) * 5 + (roof,) * 2, (wide / 2, ridge, deep / 2))


def hipped(
    x: float,
    z: float,
    wide: float,
    deep: float,
    low: float,
    high: float,
    skin: Skin,
    *,
    lean: tuple[float, float] = (1.0, 1.0),
    turn: float = 0.0,
    top: Skin | None = None,
) -> Body:
    """A body whose faces lean inwards from `low` on, by shares of half its width and depth: (1, 1) is a pyramid."""
    tall = high - low
    right, ahead = lean[0] * wide / 2 / tall, lean[1] * deep / 2 / tall
    sides = np.array([[1, right, 0], [-1, right, 0], [0, ahead, 1], [0, ahead, -1], [0, 1, 0], [0, -1, 0]], float)
    length = np.linalg.norm(sides, axis=1)
    offsets = np.array([wide / 2, wide / 2, deep / 2, deep / 2, tall, 0.0]) / length
    return Body(
        x, z, turn, sides / length[:, None], offsets, (skin,) * 4 + (top or skin, skin), (wide / 2, tall, deep / 2), low
    )


def plaster(code: str, seed: float = 0.0, grain: float = 0.06) -> Skin:
    colour = srgb(code)

    def skin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, None]:
        return colour * (1 + grain * fbm(a, b, 1.4, 4, footprint=pixel, gain=0.7, seed=seed))[:, None], None

    return skin


def roof_tiles(code: str, seed: float = 0.0) -> Skin:
    colour = srgb(code)

    def skin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, None]:
        i, j = np.floor(a / 0.25), np.floor(b / 0.32)
        near = ramp(pixel, 0.4, 0.1)
        tint = 1 + 0.35 * (hash01(i, j, 3) - 0.5) * near + 0.14 * fbm(a, b, 1.5, 3, footprint=pixel, seed=seed)
        line = 0.5 * joints(b, 0.32, 0.06, pixel) + 0.3 * joints(a, 0.25, 0.03, pixel)
        return colour * (tint * (1 - line))[:, None], None

    return skin


def facade(
    wall: str,
    *,
    seed: int,
    storeys: int,
    storey: float = 3.1,
    bay: float = 2.6,
    window: tuple[float, float] = (0.48, 0.55),
    brick: bool = False,
    shop: bool = False,
    trim: str = "d9d4c8",
    frame: str = "e8e6e0",
) -> Skin:
    """A wall with windows in bays and storeys.

    storeys: how many have windows; window: its share of a bay and of a storey; shop: glass on the ground floor.
    """
    colour, trim_colour, frame_colour = srgb(wall), srgb(trim), srgb(frame)

    def skin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, Array]:
        i, j = np.floor(a / bay), np.floor(b / storey)
        u, v = (a / bay - i - 0.5) * np.float32(bay), (b / storey - j - 0.5) * np.float32(storey)
        stain = fbm(a, b * 0.5, 2.5, 4, footprint=pixel, gain=0.65, seed=seed * 0.7)
        out = colour * (1 + 0.09 * stain)[:, None]
        if brick:
            row = np.floor(b / 0.075)
            shifted = a + 0.11 * (row % 2)
            tint = hash01(np.floor(shifted / 0.22), row, seed)
            near = ramp(pixel, 0.12, 0.03)
            out = out * (1 + 0.5 * (tint - 0.5) * near)[:, None]
            line = np.maximum(joints(b, 0.075, 0.012, pixel), joints(shifted, 0.22, 0.012, pixel))
            out = blend(out, srgb("a79d90"), 0.7 * line)
        out = blend(out, trim_colour, stripe(b - storey * np.round(b / storey), -0.09, 0.09, pixel) * 0.8)
        glazed = (j < 0.5) & shop
        wide = np.where(glazed, np.float32(0.43 * bay), np.float32(window[0] * bay / 2))
        tall = np.where(glazed, np.float32(0.38 * storey), np.float32(window[1] * storey / 2))
        full = (b > 0) & (j < storeys)
        outer = _rectangle(u, v, wide + 0.10, tall + 0.10, pixel) * full
        glass = _rectangle(u, v, wide, tall, pixel) * full
        bars = np.maximum(stripe(u, -0.035, 0.035, pixel), stripe(v - 0.25 * tall, -0.03, 0.03, pixel))
        pick, mood = hash01(i, j, 31 + seed), hash01(i, j, 57 + seed)
        out = blend(out, frame_colour, outer * 0.9)
        pane = glass * (1 - 0.9 * bars)
        # by day: dark rooms behind a reflection of the sky, some curtains
        shade = blend(rgb(0.015, 0.02, 0.028), rgb(0.30, 0.28, 0.25), ramp(pick, 0.70, 0.85) * ramp(v, -0.4, 0.6))
        out = blend(out, shade, pane)
        mirror = view.haze_mean * np.float32(0.10) + view.ambient * (0.22 * ramp(v + 0.5 * stain, -tall, tall))[:, None]
        glow = mirror * (pane * (0.35 + 0.65 * mood))[:, None]
        if view.sky.night:
            lamp = blend(rgb(1.0, 0.62, 0.28), rgb(0.9, 0.85, 0.7), mood)
            on = (pick < (0.45 if not shop else 0.5)) | (shop & (j < 0.5))
            level = on * pane * (0.25 + 0.5 * mood) * (0.7 + 0.3 * ramp(v, tall, -tall))
            glow = glow + lamp * (level * np.float32(0.55 * view.sky.night))[:, None]
        return out.astype(np.float32), glow.astype(np.float32)

    return skin


def _rectangle(u: Array, v: Array, wide: Array | float, tall: Array | float, pixel: Array) -> Array:
    soft = np.maximum(pixel, 1e-4)
    return np.clip((wide - np.abs(u)) / soft + 0.5, 0, 1) * np.clip((tall - np.abs(v)) / soft + 0.5, 0, 1)


def car(x: float, z: float, paint: str, turn: float = 0.0) -> list[Body]:
    """A car, 4.3 m long along its right axis."""
    colour = srgb(paint)

    def side(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, Array]:
        out = np.broadcast_to(colour, (len(a), 3))
        out = blend(out, colour * 0.45, joints(a + 0.35, 1.1, 0.02, pixel))
        out = blend(out, rgb(0.02, 0.02, 0.02), ramp(b, 0.26, 0.18))
        lamps = stripe(b, 0.52, 0.66, pixel) * ramp(np.abs(a), 0.55, 0.62) * (np.abs(a) < 0.88)
        for wheel in (-1.32, 1.32):
            r = np.hypot(a - wheel, b - 0.32)
            out = blend(out, rgb(0.012, 0.012, 0.013), ramp(r - 0.36, pixel, -pixel))
            out = blend(out, rgb(0.35, 0.36, 0.38), ramp(r - 0.19, pixel, -pixel))
        glow = view.ambient * (0.10 * ramp(b, 0.55, 0.75))[:, None] + lamps[:, None] * rgb(0.06, 0.06, 0.06)
        return out.astype(np.float32), glow.astype(np.float32)

    def cabin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, Array]:
        glass = stripe(b, 0.06, 0.44, pixel) * (1 - 0.8 * joints(a + 0.5, 1.0, 0.09, pixel))
        out = blend(colour, rgb(0.02, 0.025, 0.03), glass)
        return out.astype(np.float32), (view.ambient * (0.05 + 0.16 * glass)[:, None]).astype(np.float32)

    body = block(x, z, 4.3, 1.76, 0.62, side, plaster(paint, grain=0.0), turn=turn, base=0.18)
    return [body, hipped(x, z, 2.7, 1.64, 0.80, 1.42, cabin, lean=(0.38, 0.16), turn=turn)]
