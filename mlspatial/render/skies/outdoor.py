"""An outdoor scene: sky, silhouettes along the horizon, textured ground, and things that stand on it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mlspatial.render.skies.noise import Array, blend, ramp, rgb
from mlspatial.render.skies.rays import Rays, Shade
from mlspatial.render.skies.sky import SkyView

EYE = 1.5  # metres of the camera above the ground
FARTHEST = 4000.0
CLOSED = 0.01  # share of a pixel that is not worth shading
REACH = 150.0  # metres; farther ground has no shadows of things


Part = tuple[Array, Array, Array]
Share = tuple[Array, Array]


@dataclass(frozen=True)
class Hit:
    """n points of the ground: x, z, distance along the ground (metres), azimuth (radians).

    width: of a pixel across the ray, length: along it, in metres; mean: of both; dx, dz: along the axes.
    """

    x: Array
    z: Array
    distance: Array
    azimuth: Array
    width: Array
    length: Array
    pixel: float
    rays: Rays

    @functools.cached_property
    def span(self) -> tuple[float, float]:
        """Least and largest distance."""
        return float(self.distance.min()), float(self.distance.max())

    @functools.cached_property
    def mean(self) -> Array:
        return np.sqrt(self.width * self.length)

    @functools.cached_property
    def dx(self) -> Array:
        return np.hypot(np.sin(self.azimuth) * self.length, np.cos(self.azimuth) * self.width)

    @functools.cached_property
    def dz(self) -> Array:
        return np.hypot(np.cos(self.azimuth) * self.length, np.sin(self.azimuth) * self.width)


def ground_hit(rays: Rays, height: float = EYE) -> Hit:
    t = np.minimum(height / np.maximum(-rays.y, 1e-6), FARTHEST)
    x, z = rays.x * t, rays.z * t
    distance = np.hypot(x, z)
    width = t * np.float32(rays.pixel)
    return Hit(x, z, distance, rays.azimuth, width, np.minimum(width * t / height, FARTHEST), rays.pixel, rays)


class Thing(Protocol):
    """Something that stands on the ground, at a distance in metres from the camera."""

    @functools.cached_property
    def distance(self) -> float: ...

    def draw(self, rays: Rays, view: SkyView) -> Part | None:
        """The rays that meet it: index, radiance (k, 3), cover 0..1 (k,)."""

    def shadow(self, hit: Hit, sun: Array) -> Share | None:
        """The ground points in its shadow: index, share of the sun that is left (k,)."""

    def contact(self, hit: Hit) -> Share | None:
        """The ground points near its foot: index, share of the sky's light that is left (k,)."""


@dataclass(frozen=True)
class Ridge:
    """A silhouette along the horizon.

    distance, height: metres, the height as a function of azimuth and of the pixel's angle; facing: cosine to the sun;
    paint: (rays, height in metres above the ground, view) -> albedo (n, 3); soft: metres of its blurred edge.
    """

    distance: float
    height: Callable[[Array, float], Array]
    paint: Callable[[Rays, Array, Array], Array]
    soft: float = 0.0
    facing: float = 0.55
    glow: Callable[[Rays, Array, Array], Array] | None = None  # radiance at night (n, 3), arguments as of paint


@dataclass(frozen=True)
class StreetLamp:
    """A light above the ground at (x, z); power: radiant intensity, its colour apart."""

    x: float
    z: float
    height: float
    power: float = 3.0
    colour: Array = field(default_factory=lambda: rgb(1.0, 0.70, 0.38))

    def on_ground(self, hit: Hit) -> Array:
        d2 = (hit.x - np.float32(self.x)) ** 2 + (hit.z - np.float32(self.z)) ** 2 + np.float32(self.height**2)
        return np.float32(self.power * self.height / math.pi) / (d2 * np.sqrt(d2))


Ground = Callable[[Hit, SkyView], tuple[Array, Array | None]]


def lit(albedo: Array, view: SkyView, facing: Array | float, sky: Array | float = 1.0) -> Array:
    """Radiance of a matt surface: facing = cosine to the sun times what the sun is not shaded, sky = sky's share."""
    facing = np.asarray(facing, np.float32)
    sky = np.asarray(sky, np.float32)
    light = view.direct * facing[..., None] + view.ambient * sky[..., None]
    return albedo * light


def hazed(colour: Array, distance: Array | float, rays: Rays, view: SkyView, strength: float = 1.0) -> Array:
    haze = 1 - np.exp(-np.asarray(distance, np.float32) * np.float32(strength / view.sky.haze))
    return blend(colour, view.haze(rays), np.broadcast_to(haze, (len(rays),)))


def draw_ridge(ridge: Ridge, view: SkyView, height: float, rays: Rays, out: Array) -> None:
    """Paint a ridge over the radiance of the rays."""
    tallest = 0.75
    if rays.slopes[0] > tallest or rays.slopes[1] < -height / ridge.distance - 2 * rays.pixel:
        return
    near = np.flatnonzero((rays.slope < tallest) & (rays.slope > -height / ridge.distance - 2 * rays.pixel))
    if len(near) == 0:
        return
    part = rays[near]
    top = ridge.height(part.azimuth, part.pixel)
    y = part.slope * ridge.distance + height
    edge = max(part.pixel * ridge.distance, ridge.soft)
    cover = ramp(top - y, -0.5 * edge, 0.5 * edge) * (top > 0)
    some = np.flatnonzero(cover > 0.003)
    if len(some) == 0:
        return
    part, y, top, cover = part[some], y[some], top[some], cover[some]
    albedo = ridge.paint(part, y, top)
    turn = part.azimuth - view.azimuth
    facing = np.clip(ridge.facing - 0.45 * np.cos(turn) * (1 - view.sun[1]), 0.05, 1.0)
    colour = lit(albedo, view, facing, 0.6)
    if ridge.glow is not None and view.sky.night:
        colour += ridge.glow(part, y, top) * np.float32(view.sky.night)
    colour = hazed(colour, ridge.distance, part, view)
    index = near[some]
    out[index] = blend(out[index], colour, cover)


def backdrop(view: SkyView, ridges: Sequence[Ridge], *, detail: int = 7, disc: bool = True) -> Shade:
    """Sky and ridges alone: what water mirrors."""
    ridges = sorted(ridges, key=lambda r: -r.distance)

    def shade(rays: Rays) -> Array:
        out = view.radiance(rays, detail=detail, disc=disc)
        for ridge in ridges:
            draw_ridge(ridge, view, 0.0, rays, out)
        return out

    return shade


def outdoor(
    view: SkyView,
    ground: Ground,
    *,
    ridges: Sequence[Ridge] = (),
    things: Sequence[Thing] = (),
    lamps: Sequence[StreetLamp] = (),
    over: Callable[[Rays, Array], None] | None = None,
    detail: int = 7,
    height: float = EYE,
) -> Shade:
    """The shading function of a scene.

    ground gives the albedo and, where it does not scatter, a radiance to add; over: paints what hangs in the sky;
    detail: octaves of the clouds.
    """
    shadows = bool(np.max(view.direct) * view.sun[1] > 0.2 * np.max(view.ambient))
    ridges = sorted(ridges, key=lambda r: -r.distance)
    things = sorted(things, key=lambda t: t.distance)

    def shade_ground(rays: Rays) -> Array:
        hit = ground_hit(rays, height)
        albedo, extra = ground(hit, view)
        sun = np.full(len(rays), view.sun[1], np.float32)
        sky = np.ones(len(rays), np.float32)
        if hit.span[0] < REACH:
            for thing in things:
                if shadows:
                    part = thing.shadow(hit, view.sun)
                    if part is not None:
                        sun[part[0]] *= part[1]
                part = thing.contact(hit)
                if part is not None:
                    sky[part[0]] *= part[1]
        out = lit(albedo, view, sun, sky)
        for lamp in lamps if view.sky.night else ():
            out += albedo * lamp.on_ground(hit)[:, None] * (np.float32(view.sky.night) * lamp.colour)
        if extra is not None:
            out += extra
        return hazed(out, hit.distance, rays, view)

    def far(rays: Rays) -> Array:
        out = np.empty((len(rays), 3), np.float32)
        down = rays.y < 0
        above, below = np.flatnonzero(~down), np.flatnonzero(down)
        if len(above):
            out[above] = view.radiance(rays[above], detail=detail)
        if len(below):
            out[below] = shade_ground(rays[below])
        if over is not None:
            over(rays, out)
        for ridge in ridges:
            draw_ridge(ridge, view, height, rays, out)
        return out

    def shade(rays: Rays) -> Array:
        """Near things first, so that nothing is shaded that they hide."""
        out = np.zeros((len(rays), 3), np.float32)
        left = np.ones(len(rays), np.float32)  # share of each pixel that is still open
        index, part = np.arange(len(rays)), rays
        hidden = 0
        for thing in things:
            drawn = thing.draw(part, view)
            if drawn is None:
                continue
            some, colour, cover = drawn
            where = index[some]
            out[where] += hazed(colour, thing.distance, part[some], view) * (left[where] * cover)[:, None]
            left[where] *= 1 - cover
            hidden += len(some)
            if hidden > 0.05 * len(index):
                open_ = np.flatnonzero(left[index] > CLOSED)
                index, part, hidden = index[open_], part[open_], 0
                if len(index) == 0:
                    break
        open_ = np.flatnonzero(left[index] > CLOSED)
        if len(open_):
            index, part = index[open_], part[open_]
            out[index] += far(part) * left[index][:, None]
        return out

    return shade
