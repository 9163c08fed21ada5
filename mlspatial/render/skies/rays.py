"""View rays of a panorama, and the loop that shades them: blocks of rows, then more samples where there are edges."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mlspatial.render.skies.noise import Array

BLOCK = 1 << 15  # rays: their temporaries stay in the cache
ROWS = 32  # rows at least: every block tries every thing of a scene
EDGE = 0.10  # difference of displayed brightness that makes an edge
MOST_EDGES = 0.12  # share of the pixels that get more samples
OFFSETS = ((-0.375, -0.125), (0.125, -0.375), (0.375, 0.125), (-0.125, 0.375))  # rotated grid, pixels


@dataclass(frozen=True)
class Rays:
    """n directions: x, y, z (n,) float32 of unit length; pixel: the angle of a pixel, radians."""

    x: Array
    y: Array
    z: Array
    pixel: float

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Array) -> Rays:
        return Rays(self.x[index], self.y[index], self.z[index], self.pixel)

    @functools.cached_property
    def azimuth(self) -> Array:
        """Radians, 0 at +z, positive to +x."""
        return np.arctan2(self.x, self.z)

    @functools.cached_property
    def slope(self) -> Array:
        """Tangent of the elevation."""
        return self.y / np.maximum(np.hypot(self.x, self.z), np.float32(1e-6))

    @functools.cached_property
    def slopes(self) -> tuple[float, float]:
        """Least and largest slope: blocks are narrow bands, most things lie outside of most of them."""
        return float(self.slope.min()), float(self.slope.max())


Shade = Callable[[Rays], Array]


def _rays(rows: Array, columns: Array, width: int) -> Rays:
    """Rays through panorama positions in pixels (row 0.5 is the middle of the first row)."""
    elevation = math.pi * (0.5 - rows / (width // 2))
    azimuth = 2 * math.pi * (columns / width - 0.5)
    flat = np.cos(elevation)
    x, y, z = np.broadcast_arrays(flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth))
    x, y, z = (np.ascontiguousarray(a, dtype=np.float32).ravel() for a in (x, y, z))
    return Rays(x, y, z, 2 * math.pi / width)


def _blocks(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def brightness(panorama: Array) -> Array:
    """About what a display shows, 0..1, from linear radiance."""
    y = panorama @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return np.sqrt(y / (y + np.float32(0.6)))


def paint(shade: Shade, width: int, *, smooth: bool = True) -> Array:
    """The panorama of a shading function, (width // 2, width, 3) float32.

    smooth: four samples for the pixels that differ most from their neighbours.
    """
    height = width // 2
    out = np.empty((height, width, 3), np.float32)
    columns = np.arange(width) + 0.5
    block = max(BLOCK, ROWS * width)
    for rows in _blocks(height, block // width):
        out[rows] = shade(_rays(np.arange(rows.start, rows.stop)[:, None] + 0.5, columns, width)).reshape(-1, width, 3)
    if smooth:
        seen = brightness(out)
        across = np.abs(seen - np.roll(seen, 1, axis=1))
        down = np.abs(np.diff(seen, axis=0))
        edge = np.maximum(across, np.roll(across, -1, axis=1))
        edge[1:] = np.maximum(edge[1:], down)
        edge[:-1] = np.maximum(edge[:-1], down)
        edge = edge.ravel()
        most = int(MOST_EDGES * edge.size)
        threshold = max(EDGE, float(np.partition(edge, -most)[-most]))
        pixels = np.flatnonzero(edge > threshold)
        flat = out.reshape(-1, 3)
        dx, dy = np.array(OFFSETS).T
        for part in _blocks(
            len(pixels), block // len(OFFSETS)
        ):  # the pixels are in order of rows: each part is a narrow band
            row, column = np.divmod(pixels[part], width)
            samples = shade(_rays(row + 0.5 + dy[:, None], column + 0.5 + dx[:, None], width))
            flat[pixels[part]] = samples.reshape(len(OFFSETS), -1, 3).mean(0)
    return out


def geometric_mean(panorama: Array) -> float:
    """Of the brightness within 45 degrees of the horizon: what a level camera sees."""
    height = panorama.shape[0]
    level = panorama[height // 4 : height - height // 4] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return float(np.exp(np.mean(np.log(np.maximum(level, 1e-5)))))


def exposed(shade: Shade, key: float) -> float:
    """The factor that brings the geometric mean to `key`, from a small panorama: the same at any width."""
    return key / geometric_mean(paint(shade, 128, smooth=False))
