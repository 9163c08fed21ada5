"""Noise that is defined on the scene and not on its pixels, so that a panorama looks the same at any width.

One band-limited tile (one octave, isotropic, mean 0, variance 1) is looked up at every scale. An octave fades out where
its wavelength falls below two pixels: the caller gives the footprint of a pixel in the units of the coordinates.
"""

from __future__ import annotations

import functools
import hashlib
import math

import numpy as np

Array = np.ndarray

TILE = 512  # texels; the tile wraps
WAVELENGTH = 11.3  # texels of the mean wavelength in the tile
LACUNARITY = 2.03


def seeded(*names: str) -> np.random.Generator:
    """A generator that depends on names only: SHA-256 of the names, joined."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:16], "big"))


@functools.lru_cache(maxsize=1)
def _tile() -> Array:
    """Four neighbours for each texel (here, right, below, below right) in 16 bytes: one read of memory a lookup.

    (TILE ** 2,) complex128, of which each number holds four float32.
    """
    rng = seeded("noise tile")
    f = np.fft.fftfreq(TILE) * WAVELENGTH
    octave = np.log2(np.maximum(np.hypot(f[:, None], f[None, :]), 1e-6))
    band = np.exp(-((octave / 0.45) ** 2))
    tile = np.fft.ifft2(np.fft.fft2(rng.standard_normal((TILE, TILE))) * band).real
    tile = np.clip((tile - tile.mean()) / tile.std(), -3.0, 3.0).astype(np.float32)
    below = np.roll(tile, -1, 0)
    quads = np.stack([tile, np.roll(tile, -1, 1), below, np.roll(below, -1, 1)], -1)
    return quads.view(np.complex128).ravel()


def _lookup(u: Array, v: Array) -> Array:
    """Bilinear value of the tile at texel coordinates, (n,) float32. Overwrites its arguments."""
    iu, iv = np.floor(u), np.floor(v)
    u -= iu
    v -= iv
    index = iv.astype(np.int32)
    index &= TILE - 1
    index *= TILE
    index += iu.astype(np.int32) & (TILE - 1)
    quads = _tile().take(index, mode="wrap").view(np.float32).reshape(-1, 4)
    top = quads[:, 1] - quads[:, 0]
    top *= u
    top += quads[:, 0]
    low = quads[:, 3] - quads[:, 2]
    low *= u
    low += quads[:, 2]
    low -= top
    low *= v
    top += low
    return top


def octave(u: Array, v: Array, wavelength: float, seed: float = 0.0) -> Array:
    """One octave of noise, mean 0, variance 1; u, v and the wavelength in the same unit."""
    s = WAVELENGTH / wavelength
    angle = seed * 1.7 + 0.4
    c, n = math.cos(angle) * s, math.sin(angle) * s
    shift = (seed * 97.13) % TILE
    a, b = u * np.float32(c), u * np.float32(n)
    a -= v * np.float32(n)
    b += v * np.float32(c)
    a += np.float32(shift)
    b += np.float32(0.37 * shift)
    return _lookup(a, b)


def fbm(
    u: Array,
    v: Array,
    wavelength: float,
    octaves: int,
    *,
    footprint: Array | float = 0.0,
    gain: float = 0.5,
    seed: float = 0.0,
    billow: bool = False,
) -> Array:
    """Octaves of noise from `wavelength` down, mean 0, variance 1 with all octaves (about; less where they fade).

    footprint: size of a pixel in the unit of u and v. billow: rounded bumps with creases between them.
    """
    total = np.zeros(np.broadcast(u, v).shape, np.float32)
    power = 0.0
    for k in range(octaves):
        wl, amplitude = wavelength / LACUNARITY**k, gain**k
        power += amplitude**2
        weight = np.clip(wl / np.maximum(footprint, 1e-9) - 1.0, 0.0, 1.0) * np.float32(amplitude)
        seed_k = seed + 1.31 * k
        if np.ndim(weight) == 0:
            if weight > 0:
                total += _shape(octave(u, v, wl, seed_k), billow) * np.float32(weight)
            continue
        seen = np.flatnonzero(weight > 0)
        if len(seen) == 0:
            continue
        if len(seen) > 0.8 * total.size:
            total += _shape(octave(u, v, wl, seed_k), billow) * weight
        else:
            total[seen] += _shape(octave(u[seen], v[seen], wl, seed_k), billow) * weight[seen]
    total *= np.float32(1.0 / math.sqrt(power))
    return np.clip(total, -2.6, 2.6, out=total)


def _shape(n: Array, billow: bool) -> Array:
    return (np.abs(n) - np.float32(0.8)) * np.float32(1.66) if billow else n


def around(azimuth: Array, waves: float, octaves: int, *, pixel: float, gain: float = 0.5, seed: float = 0.0) -> Array:
    """Noise along the horizon, about `waves` waves in the whole circle, without a seam."""
    radius = waves / (2 * math.pi)
    return fbm(
        np.cos(azimuth) * np.float32(radius),
        np.sin(azimuth) * np.float32(radius),
        1.0,
        octaves,
        footprint=pixel * radius,
        gain=gain,
        seed=seed,
    )


def blades(azimuth: Array, log_distance: Array, distance: Array, width: float, pixel: float, length: float) -> Array:
    """Upright blades seen from above: radial streaks of a constant width in metres. Mean 0, variance about 1.

    length: of a streak, as a share of its distance (its height over the camera's).
    """
    total = np.zeros(azimuth.shape, np.float32)
    turn = azimuth * np.float32(TILE / (2 * math.pi))
    for k in range(9):
        wl = 2 * math.pi * WAVELENGTH / TILE / 2**k  # radians
        if wl < 1.5 * pixel:
            break
        fit = np.log2(np.maximum(distance, 1e-3) * np.float32(wl / width))
        weight = np.exp(-fit * fit * np.float32(0.9)) * np.float32(min(wl / pixel - 1.5, 1.5) / 1.5)
        seen = np.flatnonzero(weight > 0.05)
        if len(seen):
            v = log_distance[seen] * np.float32(WAVELENGTH / (3.5 * length)) + np.float32(61.7 * k)
            total[seen] += _lookup(turn[seen] * np.float32(2**k), v) * weight[seen]
    return total


def cells(u: Array, v: Array, size: float, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """A jittered point in every square cell: offset to it in units of a cell (du, dv) and two random numbers in 0..1.

    The point lies in the middle half of its cell, so that a disc of radius 0.25 cells around it stays inside.
    """
    a, b = u * np.float32(1 / size), v * np.float32(1 / size)
    i, j = np.floor(a), np.floor(b)
    r = [hash01(i, j, seed * 4 + k) for k in range(4)]
    return a - i - (0.25 + 0.5 * r[0]), b - j - (0.25 + 0.5 * r[1]), r[2], r[3]


def hash01(i: Array, j: Array, seed: int) -> Array:
    """A random number in 0..1 for a pair of whole numbers."""
    n = i.astype(np.int32).astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32((seed * 0x27D4EB2F) & 0xFFFFFFFF)
    n ^= j.astype(np.int32).astype(np.uint32) * np.uint32(0x85EBCA6B)
    n ^= n >> np.uint32(15)
    n *= np.uint32(0x2C1B3C6D)
    n ^= n >> np.uint32(12)
    n *= np.uint32(0x297A2D39)
    n ^= n >> np.uint32(15)
    return (n >> np.uint32(8)).astype(np.float32) * np.float32(1 / (1 << 24))


def ramp(x: Array, low: float | Array, high: float | Array) -> Array:
    """Smooth step from 0 at `low` to 1 at `high` (or falling, when low > high)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def stripe(x: Array, low: float, high: float, width: Array | float) -> Array:
    """Share of a pixel of that width, centred at x, that lies between low and high."""
    width = np.maximum(width, 1e-5)
    return np.clip((x - low) / width + 0.5, 0, 1) - np.clip((x - high) / width + 0.5, 0, 1)


def joints(x: Array, period: float, gap: float, width: Array | float) -> Array:
    """Share of a pixel covered by gaps of a periodic pattern; its mean where a pixel holds several periods."""
    width = np.maximum(width, 1e-5)
    t = np.abs(x - period * np.round(x / period))  # distance to the nearest gap
    covered = np.clip((gap / 2 - t) / width + 0.5, 0, 1) * np.minimum(gap / width, 1.0)
    return covered + (gap / period - covered) * ramp(width, 0.35 * period, 0.8 * period)


def mix(a: Array | float, b: Array | float, t: Array) -> Array:
    return a + (b - a) * t


def blend(a: Array, b: Array, t: Array) -> Array:
    """Colours a to colours b: (3,) or (n, 3), with t (n,). Channel by channel: rows of three are slow to broadcast."""
    out = np.empty((len(t), 3), np.float32)
    for k in range(3):
        one, two = a[..., k], b[..., k]
        out[:, k] = one + (two - one) * t
    return out


def rgb(*values: float) -> Array:
    return np.array(values, np.float32)


def srgb(code: str) -> Array:
    """Linear colour of a hexadecimal sRGB code, 'a0b1c2'."""
    c = np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)]) / 255.0
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)
