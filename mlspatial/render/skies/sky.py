"""Skies: an analytic gradient with a sun, and clouds on a shell above the ground.

Radiance is relative: a clear blue sky at noon is about 0.3, the exposure of a scene is set afterwards.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from mlspatial.render.skies.noise import Array, blend, cells, fbm, ramp, rgb, seeded
from mlspatial.render.skies.rays import Rays, paint

SUN_SIGMA = math.radians(0.8)  # wider than the real disc (0.27 degrees), so that 512 columns hold it; wider with fewer
CLOSED = 0.9  # share of clouds from which on the sun is a bright patch only
FILL = 0.08  # share of the sun's light that comes back from the ground as light from everywhere
PLANET = 90.0  # radius in cloud heights; smaller than the real one, which brings the clouds' horizon nearer


@dataclass(frozen=True, eq=False)
class Sky:
    """elevation: of the sun or moon, degrees; sun: its irradiance, rgb; zenith, horizon, sunward: radiance;
    glow: of the haze around the sun; cover: share of clouds; cloud, shade: radiance of their bright and dark sides;
    thick: how fast they close; scale: of a cloud, in cloud heights; haze: metres to 63 % haze; night: lamps are on.
    """

    name: str
    weight: float
    elevation: float
    sun: Array
    zenith: Array
    horizon: Array
    sunward: Array
    glow: float = 0.25
    cover: float = 0.3
    cloud: Array = field(default_factory=lambda: rgb(1.55, 1.50, 1.44))
    shade: Array = field(default_factory=lambda: rgb(0.46, 0.51, 0.60))
    thick: float = 1.0
    scale: float = 1.6
    haze: float = 3500.0
    night: float = 0.0
    exposure: float = 1.0


SKIES: dict[str, Sky] = {
    sky.name: sky
    for sky in (
        Sky(
            "clear_noon",
            3.0,
            58.0,
            sun=rgb(5.2, 4.9, 4.4),
            zenith=rgb(0.12, 0.25, 0.60),
            horizon=rgb(0.50, 0.66, 0.86),
            sunward=rgb(0.66, 0.74, 0.86),
            glow=0.22,
            cover=0.10,
            scale=2.2,
            thick=0.45,
            haze=7000.0,
        ),
        Sky(
            "afternoon",
            3.0,
            34.0,
            sun=rgb(4.9, 4.2, 3.3),
            zenith=rgb(0.13, 0.26, 0.56),
            horizon=rgb(0.58, 0.66, 0.76),
            sunward=rgb(0.80, 0.76, 0.70),
            glow=0.3,
            cover=0.34,
            scale=1.5,
        ),
        Sky(
            "partly_cloudy",
            3.0,
            44.0,
            sun=rgb(4.4, 4.1, 3.6),
            zenith=rgb(0.14, 0.27, 0.56),
            horizon=rgb(0.54, 0.66, 0.80),
            sunward=rgb(0.68, 0.72, 0.78),
            cover=0.56,
            scale=1.9,
            thick=1.2,
        ),
        Sky(
            "overcast",
            2.0,
            40.0,
            sun=rgb(0.25, 0.25, 0.25),
            zenith=rgb(0.42, 0.46, 0.52),
            horizon=rgb(0.62, 0.65, 0.69),
            sunward=rgb(0.66, 0.68, 0.70),
            glow=0.05,
            cover=0.96,
            cloud=rgb(0.80, 0.82, 0.85),
            shade=rgb(0.34, 0.37, 0.42),
            scale=2.6,
            thick=0.8,
            haze=1200.0,
        ),
        Sky(
            "golden_evening",
            1.0,
            9.0,
            sun=rgb(4.2, 2.3, 0.9),
            zenith=rgb(0.10, 0.17, 0.34),
            horizon=rgb(0.55, 0.44, 0.36),
            sunward=rgb(1.25, 0.66, 0.24),
            glow=0.9,
            cover=0.42,
            cloud=rgb(1.05, 0.66, 0.40),
            shade=rgb(0.26, 0.22, 0.28),
            scale=2.2,
            haze=2200.0,
            exposure=0.9,
        ),
        Sky(
            "dusk",
            0.5,
            2.0,
            sun=rgb(0.30, 0.13, 0.08),
            zenith=rgb(0.035, 0.055, 0.14),
            horizon=rgb(0.17, 0.15, 0.22),
            sunward=rgb(0.72, 0.28, 0.13),
            glow=0.35,
            cover=0.38,
            cloud=rgb(0.34, 0.17, 0.17),
            shade=rgb(0.05, 0.055, 0.09),
            scale=2.6,
            haze=1800.0,
            night=0.7,
            exposure=0.42,
        ),
        Sky(
            "night",
            0.25,
            38.0,
            sun=rgb(0.10, 0.115, 0.15),
            zenith=rgb(0.006, 0.009, 0.022),
            horizon=rgb(0.026, 0.032, 0.050),
            sunward=rgb(0.032, 0.038, 0.055),
            glow=0.02,
            cover=0.36,
            cloud=rgb(0.050, 0.056, 0.072),
            shade=rgb(0.010, 0.012, 0.018),
            scale=2.0,
            haze=2600.0,
            night=1.0,
            exposure=0.24,
        ),
    )
}
WEIGHTS = tuple((sky.name, sky.weight) for sky in SKIES.values())


class SkyView:
    """A sky over one scene: the scene's name turns the sun and moves the clouds.

    sun: unit vector to it; ambient: mean radiance of the sky on level ground, rgb (irradiance over pi), and a
    little of what the ground sends back. azimuth: of the sun, None: drawn; folded: drawn near the z axis, so that it
    shines into a street.
    """

    def __init__(self, sky: Sky, scene: str, *, azimuth: float | None = None, folded: bool = False) -> None:
        rng = seeded("sky", scene, sky.name)
        drawn = rng.uniform(-math.pi, math.pi)
        if folded:
            axis = math.pi * round(drawn / math.pi)
            drawn = axis + 0.3 * (drawn - axis)
        self.sky = sky
        self.shift = rng.uniform(0, 60, 2)
        self.seed = float(rng.uniform(0, 50))
        self.azimuth = drawn if azimuth is None else azimuth
        e = math.radians(sky.elevation)
        flat = math.cos(e)
        self.sun = np.array([flat * math.sin(self.azimuth), math.sin(e), flat * math.cos(self.azimuth)], np.float32)

    @functools.cached_property
    def ambient(self) -> Array:
        small = paint(lambda rays: self.radiance(rays, disc=False), 64, smooth=False)[:16]
        y = np.sin(math.pi * (0.5 - (np.arange(16) + 0.5) / 32))
        weight = (y * np.sqrt(1 - y * y))[:, None, None]
        mean = (small * weight).sum((0, 1)) / (weight.sum() * small.shape[1])
        return (mean + FILL * self.direct * self.sun[1]).astype(np.float32)

    @functools.cached_property
    def haze_mean(self) -> Array:
        """Colour of the horizon, mean of all azimuths, rgb."""
        turn = np.linspace(0, 2 * np.pi, 32, endpoint=False, dtype=np.float32)
        return self.clear(np.sin(turn), np.full(32, 0.03, np.float32), np.cos(turn)).mean(0)

    @property
    def direct(self) -> Array:
        """Radiance that the sun alone gives white ground facing it, rgb."""
        return self.sky.sun * np.float32(1 / math.pi)

    def clear(self, x: Array, y: Array, z: Array) -> Array:
        """The gradient without clouds and sun, (n, 3)."""
        sky, up = self.sky, np.maximum(y, 0.0)
        toward = x * self.sun[0] + y * self.sun[1] + z * self.sun[2]
        flat = np.sqrt(np.maximum(1 - y * y, 1e-6))
        side = (x * math.sin(self.azimuth) + z * math.cos(self.azimuth)) / flat * 0.5 + 0.5
        side = (side * side * side).astype(np.float32)
        out = blend(sky.horizon, sky.sunward, side)
        out = blend(out, sky.zenith, 1 - np.exp(-up * np.float32(3.6)) * (1 - 0.25 * up))
        p2 = np.square(np.maximum(toward, 0.0))
        p8 = np.square(np.square(p2))
        p64 = np.square(np.square(np.square(p8)))
        p512 = np.square(np.square(np.square(p64)))
        halo = 0.35 * p2 * p2 * p2 + 0.9 * p64 + 2.5 * p512
        out += halo[:, None] * (sky.sun * np.float32(sky.glow * 0.35))
        return out

    def haze(self, rays: Rays) -> Array:
        """Colour of far air in the direction of the rays, (n, 3)."""
        flat = np.maximum(np.hypot(rays.x, rays.z), 1e-6)
        return self.clear(rays.x / flat, np.full(len(rays), 0.02, np.float32), rays.z / flat)

    def radiance(self, rays: Rays, *, disc: bool = True, detail: int = 7) -> Array:
        """Sky, clouds and, with `disc`, the sun or moon, (n, 3); below the horizon the colour of its haze."""
        sky = self.sky
        out = self.clear(rays.x, rays.y, rays.z)
        if sky.night > 0.9:
            out += self._stars(rays)
        if disc:
            sigma = max(SUN_SIGMA if sky.cover < CLOSED else 10 * SUN_SIGMA, 0.6 * rays.pixel)
            toward = rays.x * self.sun[0] + rays.y * self.sun[1] + rays.z * self.sun[2]
            near = np.flatnonzero(toward > math.cos(min(6 * sigma, 1.5)))
            apart = 2 * (1 - toward[near].astype(np.float64))  # squared angle
            light = np.exp(-apart / (2 * sigma**2)) / (2 * math.pi * sigma**2)
            out[near] += light[:, None].astype(np.float32) * sky.sun
        above = np.flatnonzero(rays.y > 0.004)
        if sky.cover > 0 and len(above):
            out[above] = self._clouds(rays[above], out[above], detail)
        return out

    def _clouds(self, rays: Rays, behind: Array, detail: int) -> Array:
        sky = self.sky
        y = rays.y
        t = np.sqrt(np.float32(PLANET**2) * y * y + np.float32(2 * PLANET + 1)) - np.float32(PLANET) * y
        u, v = rays.x * t + np.float32(self.shift[0]), rays.z * t + np.float32(self.shift[1])
        footprint = t * np.sqrt(t) * np.float32(rays.pixel)
        low = 0.83 * NormalDist().inv_cdf(1 - sky.cover)

        def density(u: Array, v: Array, octaves: int) -> Array:
            big = fbm(u, v, sky.scale * 2.4, 2, footprint=footprint, seed=self.seed)
            puffs = fbm(u, v, sky.scale, octaves, footprint=footprint, gain=0.56, seed=self.seed + 7, billow=True)
            return np.float32(0.62) * big - np.float32(0.55) * puffs - np.float32(low)

        toward = rays.x * self.sun[0] + y * self.sun[1] + rays.z * self.sun[2]
        d = density(u, v, detail)
        if sky.cover < CLOSED:  # the light of these skies has a sun: keep it free
            d -= np.float32(1.6) * np.exp((toward - 1) * np.float32(90.0))
        some = np.flatnonzero(d > -0.05)
        if len(some) == 0:
            return behind
        opacity = np.clip(d[some] * np.float32(2.2 * sky.thick), 0, 1)
        opacity = opacity * opacity * (3 - 2 * opacity)
        footprint = footprint[some]
        step = np.float32(0.10 * sky.scale)
        ahead = density(u[some] + self.sun[0] * step, v[some] + self.sun[2] * step, 5)
        toward = toward[some]
        light = np.clip(0.74 + 0.85 * (d[some] - ahead) - 0.30 * np.maximum(d[some], 0.0), 0.0, 1.0)
        colour = blend(sky.shade, sky.cloud, light)
        rim = np.maximum(toward, 0) ** 12 * (1 - opacity) * light
        colour += (sky.sun * np.float32(0.30)) * rim[:, None]
        far = np.exp(-np.maximum(t[some] - 2.0, 0) * np.float32(0.16)) * ramp(y[some], 0.004, 0.05)
        out = behind.copy()
        clear = np.minimum(behind[some], 1e4)
        colour = blend(np.minimum(clear, sky.cloud * 1.2), colour, 0.25 + 0.75 * far)
        out[some] = blend(clear, colour, opacity * ramp(y[some], 0.004, 0.06) * np.float32(0.985))
        return out

    def _stars(self, rays: Rays) -> Array:
        out = np.zeros((len(rays), 3), np.float32)
        up = np.flatnonzero(rays.y > 0.05)
        scale = 1.0 / (1.0 + rays.y[up])  # stereographic: cells of nearly one size
        size = 0.018
        du, dv, bright, hue = cells(rays.x[up] * scale, rays.z[up] * scale, size, seed=11)
        sigma = max(0.0016, rays.pixel * 0.35) / size
        peak = (0.0016 / size / sigma) ** 2 * 0.9 * 0.30
        light = np.exp(-(du * du + dv * dv) / (2 * sigma * sigma)) * np.float32(peak) * bright**22
        out[up] = blend(rgb(1.0, 0.86, 0.7), rgb(0.75, 0.86, 1.0), hue) * (light * ramp(rays.y[up], 0.05, 0.4))[:, None]
        return out
