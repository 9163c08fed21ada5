"""What lies underfoot: functions from ground points to albedo (and reflected light), all in metres."""

from __future__ import annotations

import math

import numpy as np

from mlspatial.render.skies.noise import Array, blades, blend, cells, fbm, hash01, joints, ramp, srgb, stripe
from mlspatial.render.skies.outdoor import EYE, Hit
from mlspatial.render.skies.rays import Rays, Shade
from mlspatial.render.skies.sky import SkyView


def shaded(albedo: Array, factor: Array, low: float = 0.25, high: float = 2.2) -> Array:
    return (albedo * np.clip(factor, low, high)[:, None]).astype(np.float32)


def grass(hit: Hit, *, tall: float, dark: Array, light: Array, dry: Array, seed: float, contrast: float = 1.0) -> Array:
    """A lawn (tall = 0.04 metres) or a meadow (0.4): patches, tufts and blades."""
    mean = hit.mean
    patch = fbm(hit.x, hit.z, 9.0, 3, footprint=mean, seed=seed)
    tuft = fbm(hit.x, hit.z, 0.9, 4, footprint=mean, seed=seed + 5, gain=0.7)
    log = np.log(np.maximum(hit.distance, 0.05))
    blade = blades(hit.azimuth, log, hit.distance, 0.012 + 0.03 * tall, hit.pixel, 0.5 * tall / EYE + 0.02)
    blade = blade + 0.6 * blades(hit.azimuth, log + 3.1, hit.distance, 0.05 + 0.12 * tall, hit.pixel, tall / EYE + 0.03)
    blade = blade * ramp(hit.distance, 0.15, 0.8)
    near = ramp(hit.distance, 9.0, 1.5)
    out = blend(dark, light, np.clip(0.5 + 0.13 * tuft + 0.14 * patch + (0.05 + 0.07 * near) * blade, 0, 1))
    out = blend(out, dry, ramp(patch + 0.4 * tuft, 0.5, 2.2) * 0.7)
    return shaded(out, 1 + contrast * ((0.10 + 0.12 * near) * blade + 0.09 * tuft + 0.05 * patch))


def discs(
    hit: Hit,
    albedo: Array,
    colours: list[Array],
    *,
    size: float,
    density: float,
    seed: int,
    radius: tuple[float, float],
) -> Array:
    """Round spots, at most one for each square of `size` metres, in patches: petals, pebbles, leaves.

    radius: least and largest, in units of size, at most 0.25.
    """
    fine = np.flatnonzero(hit.mean < 1.2 * size)
    coarse = ramp(hit.mean, 0.4 * size, 1.2 * size)
    mean = math.pi * (0.5 * (radius[0] + radius[1])) ** 2
    for k, colour in enumerate(colours):
        field = np.clip(
            density * (0.6 + 0.8 * fbm(hit.x, hit.z, 5.0, 2, footprint=hit.mean, seed=seed + 3.3 * k)), 0, 1
        )
        cover = field * np.float32(mean)  # where a pixel holds a whole cell: its mean, so that far fields keep the tint
        if len(fine):
            du, dv, pick, tint = cells(hit.x[fine], hit.z[fine], size, seed + 7 * k)
            r = radius[0] + (radius[1] - radius[0]) * tint
            soft = np.clip(0.5 * hit.mean[fine] / size, 0.02, 0.5)
            disc = ramp(r - np.hypot(du, dv), -soft, soft) * (pick < field[fine])
            cover[fine] = disc + (cover[fine] - disc) * coarse[fine]
        albedo = blend(albedo, colour, cover)
    return albedo


def meadow(hit: Hit, view: SkyView) -> tuple[Array, None]:
    out = grass(hit, tall=0.35, dark=srgb("33461c"), light=srgb("86963f"), dry=srgb("a79a58"), seed=2.0, contrast=1.15)
    petals = [srgb("f4f1e4"), srgb("f0cf3a"), srgb("b9569f"), srgb("d8432e")]
    return discs(hit, out, petals, size=0.20, density=0.55, seed=5, radius=(0.06, 0.16)), None


def lawn(hit: Hit, view: SkyView) -> tuple[Array, None]:
    return grass(
        hit, tall=0.06, dark=srgb("3f5722"), light=srgb("7d9440"), dry=srgb("94914d"), seed=4.0, contrast=0.7
    ), None


def forest_floor(hit: Hit, view: SkyView) -> tuple[Array, None]:
    """Fallen leaves, moss, and patches of sun."""
    mean = hit.mean
    patch = fbm(hit.x, hit.z, 4.0, 4, footprint=mean, seed=1.0)
    fine = fbm(hit.x, hit.z, 0.25, 4, footprint=mean, gain=0.75, seed=2.0)
    out = shaded(blend(srgb("4a3624"), srgb("735338"), np.clip(0.5 + 0.3 * fine, 0, 1)), 1 + 0.35 * fine)
    leaves = [srgb("9a6a35"), srgb("7d4f2a"), srgb("b58a48"), srgb("5d4a2c")]
    out = discs(hit, out, leaves, size=0.14, density=0.9, seed=21, radius=(0.12, 0.25))
    moss = ramp(patch + 0.35 * fine, 0.25, 0.9)
    out = blend(out, shaded(np.broadcast_to(srgb("4c6428"), out.shape), 1 + 0.4 * fine), moss)
    spots = ramp(fbm(hit.x, hit.z, 1.8, 3, footprint=mean, seed=8.0), -0.1, 1.1)
    return shaded(out, 0.42 + 0.95 * spots), None


def snow(hit: Hit, view: SkyView) -> tuple[Array, Array]:
    """Wind-blown snow with the tracks of two skis."""
    mean = hit.mean
    relief = relief_to(view, hit, 3.5, 5, 0.9, seed=3.0) + 0.5 * relief_to(view, hit, 0.35, 3, 0.6, seed=6.0)
    out = blend(srgb("9fb4d0"), srgb("f3f6f9"), np.clip(0.72 + 0.30 * relief, 0, 1))
    drift = fbm(hit.x, hit.z, 14.0, 3, footprint=mean, seed=12.0)
    line = hit.x - 2.2 - 1.6 * np.sin(hit.z * 0.11) - 0.4 * np.sin(hit.z * 0.31 + 1)
    tracks = stripe(line, -0.20, -0.09, hit.dx) + stripe(line, 0.09, 0.20, hit.dx)
    out = blend(out, srgb("aebccd"), np.clip(tracks * 0.7 + 0.12 * ramp(drift, 0.3, 2.0), 0, 1))
    du, dv, pick, _ = cells(hit.x, hit.z, 0.05, 71)
    sparkle = (pick > 0.985) * (np.hypot(du, dv) < 0.12) * ramp(mean, 0.05, 0.01)
    return out, sparkle[:, None] * view.direct * np.float32(1.2)


def relief_to(view: SkyView, hit: Hit, wavelength: float, octaves: int, gain: float, seed: float) -> Array:
    """Slope of noisy ground towards the sun: bright sides and dark sides, about unit variance."""
    step = np.float32(0.12 * wavelength)
    ux, uz = np.float32(math.sin(view.azimuth)) * step, np.float32(math.cos(view.azimuth)) * step
    one = fbm(hit.x, hit.z, wavelength, octaves, footprint=hit.mean, gain=0.5 * gain, seed=seed)
    two = fbm(hit.x + ux, hit.z + uz, wavelength, octaves, footprint=hit.mean, gain=0.5 * gain, seed=seed)
    return (one - two) * np.float32(1.2)


def sand(hit: Hit, view: SkyView, light: str, dark: str, *, ripple: float = 0.16, seed: float = 0.0) -> Array:
    """Dry sand with ripples of the wind and hollows."""
    mean = hit.mean
    warp = fbm(hit.x, hit.z, 3.0, 3, footprint=mean, seed=seed + 3)
    patch = fbm(hit.x, hit.z, 8.0, 3, footprint=mean, seed=seed + 9)
    phase = (hit.x * 0.8 + hit.z * 0.6 + 0.09 * warp) * np.float32(2 * math.pi / ripple)
    along = np.hypot(hit.dx * 0.8, hit.dz * 0.6)
    waves = np.sin(phase) * ramp(along, 0.5 * ripple, 0.12 * ripple) * ramp(patch, -1.3, 0.8)
    grain = fbm(hit.x, hit.z, 0.05, 3, footprint=mean, gain=0.8, seed=seed)
    relief = relief_to(view, hit, 1.6, 4, 1.0, seed=seed + 5)
    out = blend(srgb(dark), srgb(light), np.clip(0.6 + 0.12 * patch + 0.08 * grain, 0, 1))
    return shaded(out, 1 + 0.11 * waves + 0.13 * relief + 0.07 * grain, 0.4, 1.5)


def water(hit: Hit, view: SkyView, mirror: Shade, deep: Array, *, waves: float = 0.10, seed: float = 0.0) -> Array:
    """Radiance of open water: the mirrored backdrop on a moving surface, and the light of the depth."""
    mean = hit.mean
    nx = fbm(hit.x, hit.z, 1.6, 6, footprint=mean, gain=0.74, seed=seed)
    nz = fbm(hit.x, hit.z, 1.6, 6, footprint=mean, gain=0.74, seed=seed + 11)
    calm = np.float32(waves) * ramp(hit.distance, 900.0, 20.0) + np.float32(0.12 * waves)
    nx, nz = nx * calm, nz * calm
    norm = 1 / np.sqrt(1 + nx * nx + nz * nz)
    rays = hit.rays
    dot = (rays.x * nx + rays.y + rays.z * nz) * norm
    rx, ry, rz = rays.x - 2 * dot * nx * norm, rays.y - 2 * dot * norm, rays.z - 2 * dot * nz * norm
    ry = np.maximum(ry, 0.015)
    length = 1 / np.sqrt(rx * rx + ry * ry + rz * rz)
    seen = mirror(Rays(rx * length, ry * length, rz * length, max(rays.pixel, 0.01)))
    fresnel = 0.02 + 0.98 * (1 - np.clip(-dot, 0, 1)) ** 5
    return blend(deep * (view.ambient + 0.3 * view.direct), np.minimum(seen, 12.0), np.clip(fresnel, 0, 0.92))


def asphalt(hit: Hit, seed: float = 0.0, code: str = "5b5b5c") -> Array:
    mean = hit.mean
    patch = fbm(hit.x, hit.z * 0.4, 3.0, 4, footprint=mean, seed=seed)
    grain = fbm(hit.x, hit.z, 0.02, 3, footprint=mean, gain=0.9, seed=seed + 4)
    crack = np.abs(fbm(hit.x, hit.z, 2.6, 4, footprint=mean, seed=seed + 8))
    out = shaded(np.broadcast_to(srgb(code), (len(hit.x), 3)), 1 + 0.12 * patch + 0.15 * grain)
    return blend(out, srgb("2a2a2a"), 0.7 * ramp(crack, 0.035, 0.012) * ramp(mean, 0.12, 0.03))


def slabs(hit: Hit, size: float, one: str, two: str, gap: float = 0.012, seed: int = 0) -> Array:
    """Square stone slabs, each of its own tint."""
    mean = hit.mean
    x, z = hit.x + 0.37 * size, hit.z + 0.21 * size  # no joint straight ahead of the camera
    pick = hash01(np.floor(x / size), np.floor(z / size), seed)
    pick = 0.5 + (pick - 0.5) * ramp(mean, 1.5 * size, 0.4 * size)
    stain = fbm(hit.x, hit.z, 2.5, 4, footprint=mean, gain=0.6, seed=seed + 0.5)
    grain = fbm(hit.x, hit.z, 0.06, 3, footprint=mean, gain=0.8, seed=seed + 2.5)
    out = shaded(blend(srgb(one), srgb(two), pick), 1 + 0.10 * stain + 0.09 * grain)
    line = np.maximum(joints(x, size, gap, hit.dx), joints(z, size, gap, hit.dz))
    return blend(out, srgb("3c3934"), 0.75 * line)
