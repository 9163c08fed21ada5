"""Silhouettes along the horizon: heights as functions of azimuth, and what they are covered with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspatial.render.skies.noise import Array, around, blend, fbm, ramp, srgb
from mlspatial.render.skies.outdoor import Ridge
from mlspatial.render.skies.rays import Rays

Height = Callable[[Array, float], Array]
Paint = Callable[[Rays, Array, Array], Array]


def hills(base: float, swing: float, waves: float, octaves: int, seed: float, gain: float = 0.5) -> Height:
    """A base in metres plus noise, `waves` waves around the horizon."""

    def height(azimuth: Array, pixel: float) -> Array:
        return np.maximum(base + swing * around(azimuth, waves, octaves, pixel=pixel, seed=seed, gain=gain), 0.0)

    return height


def tree_line(base: float, swing: float, crowns: float, seed: float) -> Height:
    """A row of trees: rounded crowns on a slow wave, with gaps where the wave is low."""

    def height(azimuth: Array, pixel: float) -> Array:
        slow = around(azimuth, 7, 2, pixel=pixel, seed=seed)
        fast = np.abs(around(azimuth, crowns, 1, pixel=pixel, seed=seed + 1))
        leaf = around(azimuth, crowns * 5, 3, pixel=pixel, gain=0.7, seed=seed + 2)
        return np.maximum(base + swing * slow + base * (0.25 - 0.4 * np.minimum(fast, 1.2)) + 0.06 * base * leaf, 0)

    return height


def sector(height: Height, centre: float, half: float, soft: float = 0.3) -> Height:
    """A ridge that is there only within `half` radians of an azimuth."""

    def cut(azimuth: Array, pixel: float) -> Array:
        away = np.abs((azimuth - centre + np.pi) % (2 * np.pi) - np.pi)
        return height(azimuth, pixel) * ramp(away, half, half - soft)

    return cut


def surface(rays: Rays, y: Array, distance: float, wavelength: float, octaves: int, seed: float, gain: float) -> Array:
    """Noise on the face of a ridge, in metres along it and up, without a seam behind the camera."""
    pixel = rays.pixel * distance
    one = fbm(rays.azimuth * np.float32(distance), y, wavelength, octaves, footprint=pixel, gain=gain, seed=seed)
    edge = np.flatnonzero(np.abs(rays.azimuth) > 2.9)
    if len(edge):  # near azimuth pi another origin of the azimuth is used, and both are mixed
        azimuth = rays.azimuth[edge] % np.float32(2 * np.pi)
        two = fbm(
            azimuth * np.float32(distance), y[edge], wavelength, octaves, footprint=pixel, gain=gain, seed=seed + 9
        )
        one[edge] += (two - one[edge]) * ramp(np.abs(rays.azimuth[edge]), 2.9, 3.1)
    return one


def wooded(dark: str, light: str, wavelength: float, distance: float, seed: float) -> Paint:
    """Far forest or bushes: crowns as noise."""
    a, b = srgb(dark), srgb(light)

    def paint(rays: Rays, y: Array, top: Array) -> Array:
        n = surface(rays, 1.2 * y, distance, wavelength, 4, seed, 0.65)
        return blend(a, b, np.clip(0.45 + 0.28 * n + 0.25 * (y / np.maximum(top, 0.5) - 0.5), 0, 1))

    return paint


def rocky(
    distance: float, forest: float, snow: float, seed: float, rock: str = "6f6a66", wood: str = "38482f"
) -> Paint:
    """A mountain: forest up to a height in metres, rock above, snow from a height on."""
    stone, trees, white = srgb("6f6a66"), srgb("38482f"), srgb("eef2f7")

    def paint(rays: Rays, y: Array, top: Array) -> Array:
        crag = surface(rays, 0.55 * y, distance, 0.08 * distance, 6, seed, 0.62)
        out = stone * np.clip(1 + 0.34 * crag, 0.3, 2)[:, None]
        level = y + 0.035 * distance * crag
        out = blend(out, trees * np.clip(1 + 0.3 * crag, 0.4, 2)[:, None], ramp(level, 1.12 * forest, 0.88 * forest))
        steep = np.clip(1 + 0.45 * crag, 0.55, 1.25)
        return blend(out, white * steep[:, None], ramp(level, 0.86 * snow, 1.14 * snow))

    return paint


def ridge(distance: float, height: Height, paint: Paint, facing: float = 0.55) -> Ridge:
    return Ridge(distance, height, paint, facing=facing)


def mesas(base: float, tall: float, count: float, seed: float) -> Height:
    """Flat-topped rocks with steep sides on a slope of rubble."""

    def height(azimuth: Array, pixel: float) -> Array:
        n = around(azimuth, count, 3, pixel=pixel, seed=seed, gain=0.4)
        rough = around(azimuth, count * 16, 3, pixel=pixel, seed=seed + 1)
        flat = around(azimuth, count * 0.4, 1, pixel=pixel, seed=seed + 2)
        cliff = ramp(n, 0.50, 0.60) * (0.8 + 0.25 * flat) + 0.35 * ramp(n, 1.05, 1.12)
        return np.maximum(base * (0.4 + ramp(n, -0.3, 0.55)) + tall * cliff + 0.05 * base * rough, 0)

    return height


def layered(distance: float, tall: float, seed: float) -> Paint:
    """Red sandstone in layers."""

    def paint(rays: Rays, y: Array, top: Array) -> Array:
        n = surface(rays, 0.4 * y, distance, 0.10 * tall, 4, seed, 0.6)
        level = y / tall + 0.03 * n
        bands = fbm(level * 8, level * 0 + 3.0, 1.0, 3, footprint=8 * rays.pixel * distance / tall, seed=seed + 1)
        out = blend(srgb("9c5638"), srgb("cf8f62"), np.clip(0.5 + 0.35 * bands, 0, 1))
        return out * np.clip(1 + 0.22 * n, 0.4, 1.6)[:, None]

    return paint


def dunes(distance: float, light: str, seed: float) -> Paint:
    """Sand with a bright and a dark side of its crests."""

    def paint(rays: Rays, y: Array, top: Array) -> Array:
        n = surface(rays, 4 * y, distance, 0.3 * distance, 3, seed, 0.45)
        side = ramp(n + 0.3 * (y / np.maximum(top, 0.2) - 0.5), -0.12, 0.12)
        return srgb(light) * (0.55 + 0.55 * side)[:, None]

    return paint
