"""A room: a box with windows, lamps and boxes as furniture, lit through light maps with traced shadows.

Coordinates in metres: x right, y up from the floor, z forward; the camera stands at x = z = 0, EYE above the floor.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlspatial.render.skies.noise import Array, blend, rgb, stripe
from mlspatial.render.skies.rays import Rays, Shade
from mlspatial.render.skies.sky import SkyView

EYE = 1.5
WALL_TEXELS, BOX_TEXELS = 22, 4  # of a light map, along each side
PLANE = ((2, 1), (0, 2), (0, 1))  # axis of a face -> the two axes in it, the second one is up for a wall
FACES = {"left": (0, 0), "right": (0, 1), "floor": (1, 0), "ceiling": (1, 1), "back": (2, 0), "front": (2, 1)}
BOUNCE = 0.55  # share of the light that walls give back
FRAME = rgb(0.74, 0.73, 0.70)


def vector(values: Sequence) -> Array:
    return np.array(values, np.float32)


Texture = Callable[[Array, Array, Array], Array]  # a, b in metres, pixel in metres, all (n,) -> albedo (n, 3)


@dataclass(frozen=True)
class Opening:
    """A window: its wall, where along it (x or z) and how high, metres; panes across and up."""

    wall: str
    along: tuple[float, float]
    up: tuple[float, float]
    panes: tuple[int, int] = (2, 2)


@dataclass(frozen=True)
class Lamp:
    """A ball of light. power: radiant intensity, rgb; by day it is dimmed to the share `day`."""

    at: tuple[float, float, float]
    power: tuple[float, float, float]
    radius: float = 0.12
    day: float = 0.3


@dataclass(frozen=True)
class Box:
    """A piece of furniture between two corners; `front` is the texture of its vertical faces, `top` of the others."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    front: Texture
    top: Texture | None = None
    casts: bool = True  # shadows


@dataclass(frozen=True, eq=False)
class Room:
    """low, high: corners; textures by face name; gloss: reflectance of the floor seen from above."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    textures: dict[str, Texture]
    openings: tuple[Opening, ...] = ()
    lamps: tuple[Lamp, ...] = ()
    boxes: tuple[Box, ...] = ()
    gloss: float = 0.03
    outside: Callable[[SkyView], Shade] = field(kw_only=True)
    cache: dict = field(default_factory=dict)

    @functools.cached_property
    def lights(self) -> list[Array]:
        """Light samples: position (k, 3), normal (k, 3; zero for a lamp), area in m2 (k,), the windows first."""
        at, normal, area = [], [], []
        for o in self.openings:
            axis, side = FACES[o.wall]
            inward = np.zeros(3)
            inward[axis] = 1 - 2 * side
            for i in range(3):
                for j in range(3):
                    p = np.zeros(3)
                    p[axis] = (self.high if side else self.low)[axis]
                    p[PLANE[axis][0]] = o.along[0] + (i + 0.5) / 3 * (o.along[1] - o.along[0])
                    p[1] = o.up[0] + (j + 0.5) / 3 * (o.up[1] - o.up[0])
                    at.append(p)
                    normal.append(inward)
                    area.append((o.along[1] - o.along[0]) * (o.up[1] - o.up[0]) / 9)
        for lamp in self.lamps:
            at.append(np.array(lamp.at))
            normal.append(np.zeros(3))
            area.append(1.0)
        return [vector(a) for a in (at, normal, area)]


@dataclass(frozen=True)
class Face:
    """One side of the room (inside) or of a box: axis, side, corners, texels along each side of its light map."""

    owner: int  # -1: the room, else the index of the box
    axis: int
    side: int
    low: Array
    high: Array
    texels: int

    @property
    def normal(self) -> float:
        out = 2.0 * self.side - 1.0
        return -out if self.owner < 0 else out

    def points(self) -> Array:
        """Centres of the texels, slightly in front of the face, (texels ** 2, 3); the first axis of PLANE is slow."""
        a, b = PLANE[self.axis]
        grid = (np.arange(self.texels) + 0.5) / self.texels
        p = np.empty((self.texels, self.texels, 3), np.float32)
        p[..., a] = (self.low[a] + grid * (self.high[a] - self.low[a]))[:, None]
        p[..., b] = (self.low[b] + grid * (self.high[b] - self.low[b]))[None, :]
        p[..., self.axis] = (self.high if self.side else self.low)[self.axis] + 0.01 * self.normal
        return p.reshape(-1, 3)


def faces(room: Room) -> list[Face]:
    out = [
        Face(-1, axis, side, vector(room.low), vector(room.high), WALL_TEXELS) for axis in range(3) for side in (0, 1)
    ]
    for k, box in enumerate(room.boxes):
        out += [
            Face(k, axis, side, vector(box.low), vector(box.high), BOX_TEXELS) for axis in range(3) for side in (0, 1)
        ]
    return out


def blocked(origin: Array, step: Array, low: Array, high: Array) -> Array:
    """Whether the segment origin + s * step, 0 < s < 1, meets the box: (3, n), (3, n) -> (n,) bool."""
    enter, leave = np.zeros(origin.shape[1], np.float32), np.full(origin.shape[1], 0.99, np.float32)
    for o, d, a, b in zip(origin, step, low, high, strict=True):
        inverse = 1 / np.where(np.abs(d) < 1e-6, np.float32(1e-6), d)
        one, two = (a - o) * inverse, (b - o) * inverse
        enter = np.maximum(enter, np.minimum(one, two))
        leave = np.minimum(leave, np.maximum(one, two))
    return (leave > enter) & (leave > 0.002)


def transfer(room: Room) -> list[Array]:
    """For every face the share of each light that reaches each texel, (texels ** 2, lights), shadows included."""
    if "transfer" not in room.cache:
        at, normal, area = room.lights
        out = []
        for face in faces(room):
            p = face.points()
            step = at[None] - p[:, None]
            d2 = (step * step).sum(-1)
            d = np.sqrt(d2)
            cosine = np.maximum(step[..., face.axis] * np.float32(face.normal), 0) / d
            away = -(step * normal[None]).sum(-1) / d
            cosine = cosine * np.where(np.any(normal != 0, -1)[None], np.maximum(away, 0), 1.0)
            share = cosine * area / (d2 + 0.06)
            lit = np.flatnonzero(share > 0)
            start = np.ascontiguousarray(np.repeat(p, len(at), 0)[lit].T)
            way = np.ascontiguousarray(step.reshape(-1, 3)[lit].T)
            open_ = np.ones(len(lit), bool)
            for k, box in enumerate(room.boxes):
                if k != face.owner and box.casts:
                    open_ &= ~blocked(start, way, vector(box.low), vector(box.high))
            share.ravel()[lit[~open_]] = 0
            out.append(share.astype(np.float32))
        room.cache["transfer"] = out
    return room.cache["transfer"]


def corners(room: Room, p: Array, axis: Array | int) -> Array:
    """Share of the room's scattered light that reaches points near its edges and under its furniture, (n,)."""
    share = np.ones(len(p), np.float32)
    for k in range(3):
        if k != axis:
            share *= 1 - 0.30 * np.exp(-(p[:, k] - room.low[k]) / 0.35)
            share *= 1 - 0.30 * np.exp(-(room.high[k] - p[:, k]) / 0.35)
    for box in room.boxes:
        if not box.casts:
            continue
        gap = np.maximum(np.maximum(vector(box.low) - p, p - vector(box.high)), 0)
        share *= 1 - 0.45 * np.exp(-np.sqrt((gap * gap).sum(-1)) / 0.16)
    return share


def _bilinear(grid: Array, a: Array, b: Array) -> Array:
    """Values of a map (m, m, 3) at positions 0..1."""
    m = grid.shape[0]
    u, v = np.clip(a * m - 0.5, 0, m - 1.001), np.clip(b * m - 0.5, 0, m - 1.001)
    i, j = u.astype(np.int32), v.astype(np.int32)
    fu, fv = (u - i)[:, None], (v - j)[:, None]
    flat, k = grid.reshape(-1, 3), i * m + j
    low = flat[k] + (flat[k + 1] - flat[k]) * fv
    high = flat[k + m] + (flat[k + m + 1] - flat[k + m]) * fv
    return low + (high - low) * fu


def indoor(room: Room, view: SkyView) -> Shade:
    """The shading function of a room."""
    outside = room.outside(view)
    sky = view.sky
    pane = 0.5 * view.ambient + 0.15 * (view.ambient + view.direct * view.sun[1])
    balls = [vector(lamp.power) * (lamp.day + (1 - lamp.day) * sky.night) for lamp in room.lamps]
    emitted = vector([pane] * (9 * len(room.openings)) + balls)
    plan = faces(room)
    direct = [share @ emitted / np.float32(np.pi) for share in transfer(room)]
    walls = np.concatenate(direct[:6])
    scattered = walls.mean(0) * np.float32(BOUNCE / (1 - BOUNCE))
    maps = []
    for face, light in zip(plan, direct, strict=True):
        key = ("corners", face.owner, face.axis, face.side)
        if key not in room.cache:
            p = face.points()
            room.cache[key] = corners(room, p, face.axis) if face.owner < 0 else 0.55 + 0.35 * (p[:, 1] > 0.5)
        total = light + scattered * room.cache[key][:, None]
        maps.append(total.reshape(face.texels, face.texels, 3).astype(np.float32))
    eye = np.array([0, EYE, 0], np.float32)

    def shade(rays: Rays) -> Array:
        d = (rays.x, rays.y, rays.z)
        t = np.full(len(rays), np.inf, np.float32)
        which = np.zeros(len(rays), np.int16)
        for axis in range(3):
            up = d[axis] > 0
            bound = np.where(up, np.float32(room.high[axis] - eye[axis]), np.float32(room.low[axis] - eye[axis]))
            s = bound / np.where(np.abs(d[axis]) < 1e-7, np.float32(1e-7), d[axis])
            nearer = (s > 0) & (s < t)
            t[nearer] = s[nearer]
            which[nearer] = (2 * axis + up)[nearer]
        for k, box in enumerate(room.boxes):
            _meet(rays, box, k, t, which)
        out = np.zeros((len(rays), 3), np.float32)
        for number in np.flatnonzero(np.bincount(which, minlength=len(plan))):
            index = np.flatnonzero(which == number)
            out[index] = surface(rays[index], t[index], int(number))
        for lamp, power in zip(room.lamps, emitted[9 * len(room.openings) :], strict=True):
            if lamp.radius > 0:
                _glow(rays, lamp, power, t, out)
        return out

    def surface(rays: Rays, t: Array, number: int) -> Array:
        face = plan[number]
        a, b = PLANE[face.axis]
        p = np.stack([rays.x * t, rays.y * t + EYE, rays.z * t], -1)
        facing = np.maximum(np.abs((rays.x, rays.y, rays.z)[face.axis]), 0.05)
        pixel = t * rays.pixel / np.sqrt(facing)
        size = face.high - face.low
        light = _bilinear(maps[number], (p[:, a] - face.low[a]) / size[a], (p[:, b] - face.low[b]) / size[b])
        if sky.sun.max() > 0.2 and not sky.night:
            light = light + view.direct * _sun(room, view, p, face)[:, None]
        if face.owner >= 0:
            box = room.boxes[face.owner]
            texture = box.top if face.axis == 1 and box.top is not None else box.front
            return texture(p[:, a] - face.low[a], p[:, b] - face.low[b], pixel) * light
        name = next(n for n, f in FACES.items() if f == (face.axis, face.side))
        out = room.textures[name](p[:, a], p[:, b], pixel) * light
        for o in room.openings:
            if o.wall == name:
                _window(o, p[:, a], p[:, b], pixel, rays, light, out, outside)
        if name == "floor":
            _reflect(room, rays, p, pane, out)
        return out

    return shade


def _meet(rays: Rays, box: Box, k: int, t: Array, which: Array) -> None:
    """Enter the box in t and which where it is the nearest."""
    low = vector(box.low) - vector([0, EYE, 0])
    high = vector(box.high) - vector([0, EYE, 0])
    middle = (low + high) / 2
    reach, away = float(np.linalg.norm(high - low)) / 2, float(np.linalg.norm(middle))
    near = np.arange(len(rays))
    if away > reach * 1.05:
        toward = rays.x * middle[0] + rays.y * middle[1] + rays.z * middle[2]
        near = np.flatnonzero(toward > np.float32((away * away - reach * reach) ** 0.5 * 0.999))
    if len(near) == 0:
        return
    enter = np.full(len(near), -np.inf, np.float32)
    leave = np.full(len(near), np.inf, np.float32)
    face = np.zeros(len(near), np.int16)
    for axis, component in enumerate((rays.x, rays.y, rays.z)):
        c = component[near]
        c = np.where(np.abs(c) < 1e-7, np.float32(1e-7), c)
        one, two = low[axis] / c, high[axis] / c
        first, last = np.minimum(one, two), np.maximum(one, two)
        later = first > enter
        enter = np.where(later, first, enter)
        face = np.where(later, (2 * axis + (c < 0)).astype(np.int16), face)
        leave = np.minimum(leave, last)
    hit = np.flatnonzero((enter > 0.05) & (enter < leave) & (enter < t[near]))
    t[near[hit]] = enter[hit]
    which[near[hit]] = 6 + 6 * k + face[hit]


def _window(o: Opening, a: Array, b: Array, pixel: Array, rays: Rays, light: Array, out: Array, outside: Shade) -> None:
    """Paint frame and view of a window into the wall's radiance."""
    inside = np.flatnonzero((a > o.along[0] - 0.1) & (a < o.along[1] + 0.1) & (b > o.up[0] - 0.1) & (b < o.up[1] + 0.1))
    if len(inside) == 0:
        return
    a, b, pixel = a[inside], b[inside], pixel[inside]
    frame = stripe(a, o.along[0] - 0.07, o.along[1] + 0.07, pixel) * stripe(b, o.up[0] - 0.07, o.up[1] + 0.07, pixel)
    glass = np.zeros(len(a), np.float32)
    wide, tall = (o.along[1] - o.along[0]) / o.panes[0], (o.up[1] - o.up[0]) / o.panes[1]
    for i in range(o.panes[0]):
        for j in range(o.panes[1]):
            x, y = o.along[0] + i * wide, o.up[0] + j * tall
            glass += stripe(a, x + 0.025, x + wide - 0.025, pixel) * stripe(b, y + 0.025, y + tall - 0.025, pixel)
    bevel = 0.75 + 0.25 * stripe(a, o.along[0] - 0.05, o.along[1] + 0.05, 0.02)
    part = blend(out[inside], light[inside] * FRAME * bevel[:, None], frame.astype(np.float32))
    seen = np.flatnonzero(glass > 0)
    if len(seen):
        view = np.minimum(outside(rays[inside[seen]]), 60.0) * np.float32(0.9)
        part[seen] = blend(part[seen], view, glass[seen].astype(np.float32))
    out[inside] = part


def _sun(room: Room, view: SkyView, p: Array, face: Face) -> Array:
    """Cosine of the sun at points that it reaches through a window, else 0, (n,)."""
    out = np.zeros(len(p), np.float32)
    cosine = float(view.sun[face.axis] * face.normal)
    if cosine <= 0.02:
        return out
    for o in room.openings:
        axis, side = FACES[o.wall]
        if view.sun[axis] * (2 * side - 1) <= 0.05:
            continue
        s = ((room.high if side else room.low)[axis] - p[:, axis]) / view.sun[axis]
        a, b = p[:, PLANE[axis][0]] + s * view.sun[PLANE[axis][0]], p[:, 1] + s * view.sun[1]
        soft = 0.01 + 0.012 * s
        wide, tall = (o.along[1] - o.along[0]) / o.panes[0], (o.up[1] - o.up[0]) / o.panes[1]
        near = np.flatnonzero((a > o.along[0]) & (a < o.along[1]) & (b > o.up[0]) & (b < o.up[1]) & (s > 0.02))
        if len(near) == 0:
            continue
        fa = (a[near] - o.along[0]) % wide
        fb = (b[near] - o.up[0]) % tall
        through = stripe(fa, 0.03, wide - 0.03, soft[near]) * stripe(fb, 0.03, tall - 0.03, soft[near])
        start, way = np.ascontiguousarray(p[near].T), s[near] * view.sun[:, None]
        for k, box in enumerate(room.boxes):
            if k != face.owner and box.casts:
                through *= ~blocked(start, way, vector(box.low), vector(box.high))
        out[near] += (through * cosine).astype(np.float32)
    return out


def _reflect(room: Room, rays: Rays, p: Array, pane: Array, out: Array) -> None:
    """Add the blurred reflection of the windows in the floor."""
    for o in room.openings:
        axis, side = FACES[o.wall]
        d = (rays.x, -rays.y, rays.z)
        along = d[axis]
        toward = np.flatnonzero(along * (2 * side - 1) > 1e-3)
        s = ((room.high if side else room.low)[axis] - p[toward, axis]) / along[toward]
        a = p[toward, PLANE[axis][0]] + s * d[PLANE[axis][0]][toward]
        b = s * d[1][toward]
        soft = 0.05 + 0.10 * s
        share = stripe(a, *o.along, soft) * stripe(b, *o.up, 2.5 * soft)
        fresnel = room.gloss + (1 - room.gloss) * (1 - np.abs(rays.y[toward])) ** 5 * 0.6
        out[toward] += (share * fresnel)[:, None].astype(np.float32) * pane.astype(np.float32) * 1.6


def _glow(rays: Rays, lamp: Lamp, power: Array, t: Array, out: Array) -> None:
    """Paint the ball of a lamp."""
    at = vector(lamp.at) - vector([0, EYE, 0])
    along = rays.x * at[0] + rays.y * at[1] + rays.z * at[2]
    beside = float((at * at).sum()) - along * along
    seen = np.flatnonzero((along > 0) & (along < t) & (beside < lamp.radius**2))
    if len(seen):
        rim = np.sqrt(np.maximum(1 - beside[seen] / lamp.radius**2, 0))
        radiance = power / np.float32(np.pi * lamp.radius**2)
        out[seen] = np.minimum(radiance * (0.6 + 0.4 * rim)[:, None], 40.0)
