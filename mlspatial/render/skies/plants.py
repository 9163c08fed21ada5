"""Trees, bushes and rocks: flat shapes that face the camera, shaded as if they were round."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from mlspatial.render.skies.noise import Array, blend, fbm, ramp, seeded
from mlspatial.render.skies.outdoor import EYE, Hit, Part, Share, lit
from mlspatial.render.skies.rays import Rays
from mlspatial.render.skies.sky import SkyView


@dataclass(frozen=True, eq=False)
class Plant:
    """A shape at (x, z), of a height and a width in metres.

    kind: "tree" (trunk and crown), "conifer", "bush", "rock", "palm", "cactus"; colour: albedo of leaves or stone;
    bark: albedo of the trunk; stem: share of the height below the crown;
    trunk: thickness of the trunk, relative; seed: varies the outline.
    """

    x: float
    z: float
    height: float
    width: float
    colour: Array
    kind: str = "tree"
    bark: Array | tuple[float, float, float] = (0.09, 0.065, 0.045)
    stem: float = 0.28
    trunk: float = 1.0
    seed: int = 0
    base: float = 0.0

    @property
    def distance(self) -> float:
        return math.hypot(self.x, self.z)

    @functools.cached_property
    def _blobs(self) -> Array:
        """(k, 3): centre across, centre up, radius, in shares of width, height and width."""
        rng = seeded("plant", self.kind, str(self.seed))
        if self.kind == "bush":
            return np.array([[s, 0.36 + 0.1 * rng.uniform(-1, 1), 0.27] for s in (-0.24, 0.0, 0.24)])
        if self.kind == "rock":
            return np.array([[0.0, 0.2, 0.42], [rng.uniform(-0.2, 0.2), 0.42, 0.28]])
        low, blobs = self.stem, []
        for k in range(7):
            up = low + (1 - low) * (0.26 + 0.52 * k / 6)
            wide = 0.30 * math.sin(math.pi * (0.18 + 0.74 * k / 6))
            blobs.append([wide * rng.uniform(-1, 1), up, rng.uniform(0.20, 0.30)])
        blobs.append([0.0, low + (1 - low) * 0.5, 0.33])
        return np.array(blobs)

    def draw(self, rays: Rays, view: SkyView) -> Part | None:
        far = self.distance
        low, high = (self.base - EYE - 0.05) / far, (self.height * 1.06 + self.base - EYE) / far
        if rays.slopes[1] < 1.3 * min(low, 0.0) or rays.slopes[0] > high:
            return None
        ax, az = self.x / far, self.z / far
        depth = rays.x * np.float32(ax) + rays.z * np.float32(az)
        across = rays.x * np.float32(az) - rays.z * np.float32(ax)
        half = 0.62 * self.width / far
        near = np.flatnonzero(
            (depth > 0) & (np.abs(across) < half * depth) & (rays.y < high * depth) & (rays.y > low * depth)
        )
        if len(near) == 0:
            return None
        scale = np.float32(far) / depth[near]
        s, t = across[near] * scale, rays.y[near] * scale + np.float32(EYE - self.base)
        pixel = rays.pixel * far
        shapes = {"conifer": self._conifer, "palm": self._palm, "cactus": self._cactus}
        colour, cover = shapes.get(self.kind, self._round)(s, t, pixel, view, ax, az)
        some = np.flatnonzero(cover > 0.01)
        return (near[some], colour[some], cover[some]) if len(some) else None

    def _facing(self, nx: Array, ny: Array, nz: Array, view: SkyView, ax: float, az: float) -> Array:
        """Cosine to the sun of a normal given across, up and towards the camera."""
        sun = view.sun
        return nx * (sun[0] * az - sun[2] * ax) + ny * sun[1] - nz * (sun[0] * ax + sun[2] * az)

    def _round(self, s: Array, t: Array, pixel: float, view: SkyView, ax: float, az: float) -> tuple[Array, Array]:
        rock = self.kind == "rock"
        best = np.full(len(s), -9.0, np.float32)
        nx, ny = np.zeros(len(s), np.float32), np.zeros(len(s), np.float32)
        for across, up, radius in self._blobs.astype(np.float32):
            r = radius * self.width
            dx, dy = (s - across * self.width) / r, (t - up * self.height) / r
            if rock:
                dy = dy * np.float32(self.width / self.height * 0.8)
            inside = 1 - dx * dx - dy * dy
            won = np.flatnonzero(inside > np.maximum(best, -1.1))
            best[won], nx[won], ny[won] = inside[won], dx[won], dy[won]
        colour, cover = np.zeros((len(s), 3), np.float32), np.zeros(len(s), np.float32)
        some = np.flatnonzero(best > -1.1)  # where roughness can reach
        if len(some):
            lumps = best[some], nx[some], ny[some]
            colour[some], cover[some] = self._leaves(s[some], t[some], pixel, view, ax, az, lumps)
        return self._trunk(s, t, pixel, view, ax, az, colour, cover) if self.kind == "tree" else (colour, cover)

    def _leaves(
        self,
        s: Array,
        t: Array,
        pixel: float,
        view: SkyView,
        ax: float,
        az: float,
        lumps: tuple[Array, Array, Array],
    ) -> tuple[Array, Array]:
        """Colour and cover of a crown, bush or rock from depth and normal of its lumps."""
        rock = self.kind == "rock"
        best, nx, ny = lumps
        leaf = max((0.13 if self.kind == "bush" else 0.22) * self.width, 0.10)
        gain = 0.5 if rock else 0.75
        rough = fbm(s, t, leaf, 5, footprint=pixel, gain=gain, seed=self.seed * 0.77)
        edge = best + (0.12 if rock else 0.42) * rough
        soft = max(2.4 * pixel / (0.3 * self.width), 0.02 if rock else 0.10)
        cover = ramp(edge, -soft, soft)
        nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.05))
        bump = rough * np.float32(0.35 if not rock else 0.16)
        facing = np.clip(0.25 + 0.75 * (self._facing(nx, ny, nz, view, ax, az) + bump), 0.04, 1.1)
        up = t / np.float32(self.height)
        sky = np.clip(0.35 + 0.35 * ny + (0.08 if rock else 0.22) * rough + 0.2 * up, 0.10, 1.2)
        albedo = self.colour * np.clip(1 + (0.15 if rock else 0.38) * rough, 0.3, 2.0)[:, None]
        return lit(albedo.astype(np.float32), view, facing * (0.9 + 0.1 * rough), sky), cover

    def _trunk(
        self,
        s: Array,
        t: Array,
        pixel: float,
        view: SkyView,
        ax: float,
        az: float,
        colour: Array,
        cover: Array,
    ) -> tuple[Array, Array]:
        """The trunk behind the leaves."""
        near = np.flatnonzero((t < (self.stem + 0.3) * self.height) & (np.abs(s) < 0.2 * self.width) & (cover < 0.99))
        if len(near) == 0:
            return colour, cover
        s, t = s[near], t[near]
        up = t / np.float32(self.height)
        trunk = self.trunk * (0.022 * self.width + 0.035 * self.height * np.maximum(0.18 - up, 0) + 0.05)
        lean = s - 0.03 * self.width * fbm(t, t * 0, self.height * 0.8, 2, seed=self.seed + 3)
        wood = ramp(trunk - np.abs(lean), -0.6 * pixel, 0.6 * pixel)
        side = np.clip(lean / trunk, -1, 1)
        grain = fbm(s * 6, t, 0.4, 3, footprint=2 * pixel, seed=self.seed + 5)
        face = np.clip(self._facing(side, 0 * side, np.sqrt(1 - side * side), view, ax, az), 0, 1)
        bark = np.asarray(self.bark, np.float32) * (1 + 0.35 * grain)[:, None]
        bark = lit(bark.astype(np.float32), view, face * ramp(up, self.stem + 0.1, self.stem - 0.05), 0.5)
        colour[near] = blend(bark, colour[near], cover[near])
        cover[near] = np.maximum(cover[near], wood)
        return colour, cover

    def _conifer(self, s: Array, t: Array, pixel: float, view: SkyView, ax: float, az: float) -> tuple[Array, Array]:
        up = t / np.float32(self.height)
        rough = fbm(s * 1.5, t, 0.16 * self.width + 0.1, 5, footprint=pixel, gain=0.7, seed=self.seed * 0.91)
        layers = 7 + self.seed % 4
        step = up * layers + 0.35 * rough + 0.5 * np.abs(s) / self.width
        saw = step - np.floor(step)
        half = self.width * 0.5 * np.maximum(1.02 - up, 0) ** 0.85 * (1.08 - 0.42 * saw) * ramp(up, 0.03, 0.12)
        soft = max(pixel, 0.02 * self.width)
        cover = ramp(half + 0.05 * self.width * rough - np.abs(s), -soft, soft) * (up < 1.03)
        nx = np.clip(s / np.maximum(half, 0.05), -1, 1)
        nz = np.sqrt(np.maximum(1 - nx * nx, 0.05))
        facing = np.clip(
            0.2 + 0.8 * self._facing(nx * 0.9, 0.35 + 0 * nx, nz * 0.9, view, ax, az) + 0.25 * rough, 0.03, 1
        )
        dark = 1 - 0.55 * saw
        albedo = self.colour * np.clip(1 + 0.35 * rough, 0.3, 2)[:, None]
        colour = lit(albedo.astype(np.float32), view, facing * dark, np.clip(0.5 + 0.2 * rough, 0.1, 1) * dark)
        trunk = ramp(0.02 * self.height + 0.03 - np.abs(s), -pixel, pixel) * (up < 0.15)
        bark = lit(np.asarray(self.bark, np.float32)[None], view, np.full(len(s), 0.3, np.float32), 0.4)
        return blend(bark, colour, cover), np.maximum(cover, trunk)

    def _palm(self, s: Array, t: Array, pixel: float, view: SkyView, ax: float, az: float) -> tuple[Array, Array]:
        rng = seeded("palm", str(self.seed))
        lean = self.width * 0.25 * rng.uniform(-1, 1)
        up = t / np.float32(self.height)
        top = 0.80 * self.height
        middle = lean * up * up
        trunk = 0.035 * self.height * (0.75 - 0.35 * up)
        wood = ramp(trunk - np.abs(s - middle), -pixel, pixel) * (t < top)
        rings = 0.8 + 0.25 * np.sin(t * 28.0)
        side = np.clip((s - middle) / trunk, -1, 1)
        face = np.clip(self._facing(side, 0 * side, np.sqrt(1 - side * side), view, ax, az), 0.05, 1)
        colour = lit((np.asarray(self.bark, np.float32) * rings[:, None]).astype(np.float32), view, face, 0.6)
        cover = wood
        cx = lean * 0.64
        for k in range(11):
            turn = math.pi * (k + rng.uniform(-0.3, 0.3)) / 10 - 0.12
            reach = self.width * 0.52 * rng.uniform(0.8, 1.05) * (0.45 + 0.55 * abs(math.cos(turn)))
            sign = 1.0 if math.cos(turn) > 0 else -1.0
            q = (s - cx) * sign / reach
            arc = top + reach * (0.75 * math.sin(turn) * q - 0.62 * q * q)
            comb = 0.7 + 0.3 * np.sin((q * 34 + k) * 2)
            depth = 0.15 * reach * np.sqrt(np.clip(q * (1 - q) * 4, 0, 1)) * comb
            leaf = ramp(depth - np.abs(t - arc + 0.4 * depth), -pixel, pixel) * ((q > 0) & (q < 1))
            bright = 0.45 + 0.5 * math.sin(turn) + 0.25 * sign * float(view.sun[0] * az - view.sun[2] * ax)
            albedo = self.colour * np.clip(0.9 + 0.6 * (t - arc) / np.maximum(depth, 0.05), 0.4, 1.4)[:, None]
            frond = lit(albedo.astype(np.float32), view, np.full(len(s), np.clip(bright, 0.05, 1), np.float32), 0.7)
            colour = blend(colour, frond, leaf)
            cover = np.maximum(cover, leaf)
        return colour, cover

    def _cactus(self, s: Array, t: Array, pixel: float, view: SkyView, ax: float, az: float) -> tuple[Array, Array]:
        """A column with two bent arms."""
        rng = seeded("cactus", str(self.seed))
        h, r = self.height, 0.055 * self.height
        limbs = [(0.0, 0.0, 0.0, h - r, r)]
        for side in (-1, 1):
            x, low, high = side * rng.uniform(0.16, 0.24) * h, rng.uniform(0.3, 0.5) * h, rng.uniform(0.6, 0.85) * h
            limbs += [(0.0, low, x, low, 0.7 * r), (x, low, x, high, 0.75 * r)]
        inside, across = np.full(len(s), -9.0, np.float32), np.zeros(len(s), np.float32)
        for x0, y0, x1, y1, radius in limbs:
            length = (x1 - x0) ** 2 + (y1 - y0) ** 2
            q = np.clip(((s - x0) * (x1 - x0) + (t - y0) * (y1 - y0)) / length, 0, 1)
            dx, dy = s - x0 - q * (x1 - x0), t - y0 - q * (y1 - y0)
            depth = radius - np.hypot(dx, dy)
            won = depth > inside
            inside[won] = depth[won]
            across[won] = (dx / radius if x0 == x1 else dy / radius)[won]
        across = np.clip(across, -1, 1)
        ribs = 0.75 + 0.25 * np.cos(np.arcsin(across) * 12) * (1.0 if pixel < 0.3 * r else 0.0)
        face = np.clip(self._facing(across, 0 * across, np.sqrt(1 - across * across), view, ax, az), 0.03, 1)
        colour = lit((self.colour * ribs[:, None]).astype(np.float32), view, face, 0.6)
        return colour, ramp(inside, -0.6 * pixel, 0.6 * pixel)

    def shadow(self, hit: Hit, sun: Array) -> Share | None:
        reach = min(1 / max(sun[1], 0.08), 9.0)  # metres of shadow for a metre of height, to the top
        flat = max(math.hypot(sun[0], sun[2]), 1e-3)
        ux, uz = -sun[0] / flat, -sun[2] / flat
        bottom = 0.0 if self.kind in ("bush", "rock", "conifer", "cactus") else self.stem * self.height * 0.8
        length = self.height * reach * flat
        if abs(self.distance - sum(hit.span) / 2) > length + self.width + (hit.span[1] - hit.span[0]) / 2:
            return None
        x, z = hit.x, hit.z
        along = (x - np.float32(self.x)) * ux + (z - np.float32(self.z)) * uz
        side = (z - np.float32(self.z)) * ux - (x - np.float32(self.x)) * uz
        near = np.flatnonzero((along > -self.width) & (along < length + self.width) & (np.abs(side) < 0.6 * self.width))
        if len(near) == 0:
            return None
        along, side = along[near], side[near]
        start = bottom * reach * flat
        middle, half = (start + length) / 2, max((length - start) / 2, 0.35 * self.width)
        wide = (0.12 if self.kind == "cactus" else 0.46) * self.width
        if self.kind == "conifer":
            wide = wide * np.clip(1.05 - along / length, 0.05, 1)
        rough = fbm(x[near], z[near], 0.35 * self.width, 3, gain=0.7, seed=self.seed * 0.5)
        inside = 1 - ((along - middle) / half) ** 2 - (side / wide) ** 2
        dark = ramp(inside + 0.35 * rough, -0.1, 0.35)
        if self.kind == "tree":
            stem = 0.03 * self.width + 0.06
            dark = np.maximum(dark, ramp(stem - np.abs(side), -0.04, 0.04) * ((along > 0) & (along < middle)))
        return near, (1 - 0.88 * dark).astype(np.float32)

    def contact(self, hit: Hit) -> Share | None:
        radius = 0.55 * self.width
        if not hit.span[0] - radius < self.distance < hit.span[1] + radius:
            return None
        x, z = hit.x, hit.z
        dx, dz = x - np.float32(self.x), z - np.float32(self.z)
        near = np.flatnonzero((np.abs(dx) < radius) & (np.abs(dz) < radius))
        if len(near) == 0:
            return None
        away = np.hypot(dx[near], dz[near]) / radius
        return near, 1 - np.float32(0.55) * ramp(away, 1.0, 0.1)
