"""Small textures. Those with an underscore-free name and a `variant` are tileable, shared and cached.

Tileable textures multiply a colour: they are light, nearly neutral, uint8 (n, n, 3), sRGB. Pictures (labels, screens,
paintings) carry their own colours and are drawn once across a part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np

SIZE = 128


def to_bytes(image: np.ndarray) -> np.ndarray:
    """0..1 (h, w) or (h, w, 3) -> uint8 (h, w, 3)."""
    image = np.clip(np.asarray(image, float), 0, 1)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return (image * 255 + 0.5).astype(np.uint8)


def noise(rng: np.random.Generator, size: int = SIZE, cells=(4, 4), falloff: float = 1.6) -> np.ndarray:
    """Tileable smooth noise in 0..1. cells: features across (u, v); falloff: higher is smoother."""
    white = np.fft.fft2(rng.standard_normal((size, size)))
    fy, fx = np.meshgrid(np.fft.fftfreq(size) * size / cells[1], np.fft.fftfreq(size) * size / cells[0], indexing="ij")
    f = np.hypot(fx, fy)
    field = np.fft.ifft2(white / (1 + f**2) ** falloff).real
    low, high = np.percentile(field, [2, 98])
    return np.clip((field - low) / (high - low), 0, 1)


def mix(t: np.ndarray, a, b) -> np.ndarray:
    """(h, w) weights and two sRGB colours in 0..1 -> (h, w, 3)."""
    return (1 - t[..., None]) * np.asarray(a, float) + t[..., None] * np.asarray(b, float)


def _grid(size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """u, v of the pixels, 0..1; row 0 is the top."""
    t = (np.arange(size) + 0.5) / size
    u, v = np.meshgrid(t, t[::-1])
    return u, v


def _rng(name: str, variant: int) -> np.random.Generator:
    return np.random.default_rng([sum(map(ord, name)), variant])


def _tileable(f: Callable[[np.random.Generator], np.ndarray]) -> Callable[[int], np.ndarray]:
    """f draws one variant; the wrapped function returns the same array for the same variant."""

    @lru_cache(maxsize=64)
    def texture(variant: int = 0) -> np.ndarray:
        image = to_bytes(f(_rng(f.__name__, variant)))
        image.setflags(write=False)
        return image

    texture.__name__, texture.__doc__ = f.__name__, f.__doc__
    return texture


@_tileable
def wood(rng):
    """Grain along v."""
    u, _ = _grid()
    warp = noise(rng, cells=(3, 1), falloff=2.2)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.integers(4, 8) * u + 1.3 * warp))
    streaks = noise(rng, cells=(50, 2), falloff=1.2)
    t = np.clip(0.45 * rings**2 + 0.45 * streaks + 0.25 * warp, 0, 1)
    return mix(t, (1, 1, 1), (0.62, 0.5, 0.4))


@_tileable
def planks(rng):
    """Four boards side by side, grain along v."""
    u, _ = _grid()
    board = np.floor(u * 4).astype(int)
    tone = rng.uniform(0.78, 1, 4)[board]
    gap = np.abs(u * 4 - np.rint(u * 4)) < 0.045
    streaks = noise(rng, cells=(40, 2), falloff=1.2)
    return mix(0.6 * streaks, (1, 1, 1), (0.6, 0.48, 0.38)) * np.where(gap, 0.35, tone)[..., None]


@_tileable
def brushed(rng):
    """Fine streaks along v."""
    return 0.78 + 0.22 * noise(rng, cells=(60, 1), falloff=1.0)


@_tileable
def cast(rng):
    """Rough cast metal or stone."""
    return 0.62 + 0.38 * noise(rng, cells=(24, 24), falloff=0.9)


@_tileable
def weave(rng):
    """Plain fabric weave."""
    u, v = _grid()
    n = 16
    over = (np.floor(u * n) + np.floor(v * n)) % 2
    thread = np.where(over == 0, np.abs(np.sin(np.pi * u * n)), np.abs(np.sin(np.pi * v * n)))
    return (0.62 + 0.3 * thread) * (0.9 + 0.1 * noise(rng, cells=(16, 16), falloff=1))


@_tileable
def twill(rng):
    """Denim and backpack cloth: diagonal ribs."""
    u, v = _grid()
    rib = 0.5 + 0.5 * np.sin(2 * np.pi * 14 * (u + v))
    return 0.66 + 0.22 * rib + 0.12 * noise(rng, cells=(30, 30), falloff=0.8)


@_tileable
def knit(rng):
    """V-shaped stitches."""
    u, v = _grid()
    n = 12
    fold = np.abs((u * n) % 1 - 0.5)
    return 0.55 + 0.45 * np.abs(np.sin(np.pi * (v * n + fold * 1.4))) * (0.85 + 0.15 * np.cos(4 * np.pi * fold))


@_tileable
def plush(rng):
    """Fur, felt, carpet."""
    return 0.55 + 0.45 * noise(rng, cells=(40, 40), falloff=0.7)


@_tileable
def leather(rng):
    """Pebbled grain."""
    cells = _cells(rng, 90)
    return 0.78 + 0.22 * np.clip(cells * 1.5, 0, 1) ** 0.6


@_tileable
def cork(rng):
    """Dark flecks in a light ground."""
    flecks = np.clip((noise(rng, cells=(22, 22), falloff=1.2) - 0.62) * 4, 0, 1)
    return mix(0.8 * flecks + 0.2 * noise(rng, cells=(40, 40), falloff=0.6), (1, 1, 1), (0.45, 0.3, 0.2))


@_tileable
def marble(rng):
    """Dark veins in a light ground."""
    a, b = noise(rng, cells=(3, 3), falloff=1.5), noise(rng, cells=(6, 6), falloff=1.5)
    vein = np.exp(-(((a - 0.5) / 0.035) ** 2)) * 0.7 + np.exp(-(((b - 0.45) / 0.03) ** 2)) * 0.35
    return mix(np.clip(vein + 0.15 * b, 0, 1), (1, 1, 1), (0.42, 0.44, 0.48))


@_tileable
def speckle(rng):
    """Stoneware: fine dark specks."""
    return 1 - 0.5 * np.clip((noise(rng, cells=(60, 60), falloff=1.0) - 0.72) * 6, 0, 1) * np.ones((SIZE, SIZE))


@_tileable
def glaze(rng):
    """Very soft unevenness: ceramics, painted and plastic things."""
    return 0.93 + 0.07 * noise(rng, cells=(3, 3), falloff=1.6)


@_tileable
def grass(rng):
    """Short strands along v."""
    return 0.5 + 0.5 * noise(rng, cells=(46, 9), falloff=0.9)


@_tileable
def wicker(rng):
    """Basket weave."""
    u, v = _grid()
    n = 8
    column = np.floor(u * n)
    row = v * n * 2 + (column % 2) * 0.5
    bulge = np.abs(np.sin(np.pi * row)) ** 0.7
    across = 0.55 + 0.45 * np.sin(np.pi * (u * n % 1))
    return mix(1 - bulge * across, (1, 1, 1), (0.4, 0.28, 0.18)) * (0.9 + 0.1 * noise(rng, cells=(30, 30)))[..., None]


@_tileable
def peel(rng):
    """Citrus: small pits."""
    return 1 - 0.22 * (1 - np.clip(_cells(rng, 160) * 2.2, 0, 1))


@_tileable
def grime(rng):
    """Uneven rust, patina, baked crust."""
    t = noise(rng, cells=(6, 6), falloff=1.1)
    return mix(t, (1, 1, 1), (0.6, 0.5, 0.42))


TILEABLE = {
    f.__name__: f
    for f in (
        *(wood, planks, brushed, cast, weave, twill, knit, plush, leather, cork, marble, speckle, glaze),
        *(grass, wicker, peel, grime),
    )
}


def _cells(rng: np.random.Generator, n: int) -> np.ndarray:
    """Distance to the nearest of n points, tileable, in units of their mean spacing."""
    from scipy.spatial import cKDTree

    u, v = _grid()
    d, _ = cKDTree(rng.random((n, 2)), boxsize=1.0).query(np.stack([u % 1, v % 1], axis=-1).reshape(-1, 2))
    return d.reshape(SIZE, SIZE) * n**0.5


# ---- patterns and pictures in colour: colours are sRGB triples in 0..1 ---------------------------------------------
def stripes(colors, widths=None, upright: bool = True, size: int = 64) -> np.ndarray:
    """Bands of colour, across u when upright, else across v."""
    widths = np.ones(len(colors)) if widths is None else np.asarray(widths, float)
    edges = np.cumsum(widths) / widths.sum()
    t = _grid(size)[0 if upright else 1]
    i = np.minimum(np.searchsorted(edges, t, side="right"), len(colors) - 1)
    return to_bytes(np.asarray(colors, float)[i])


def checks(a, b, n: int = 4, blend: bool = True, size: int = 64) -> np.ndarray:
    """A checkerboard, or gingham when blend."""
    u, v = _grid(size)
    x, y = np.floor(u * n) % 2, np.floor(v * n) % 2
    return to_bytes(mix((x + y) / 2 if blend else (x + y) % 2, a, b))


def dots(ground, dot, n: int = 4, radius: float = 0.28, size: int = 96) -> np.ndarray:
    """Polka dots in a quincunx."""
    u, v = _grid(size)
    d = np.minimum(
        np.hypot(u * n % 1 - 0.5, v * n % 1 - 0.5), np.hypot((u * n + 0.5) % 1 - 0.5, (v * n + 0.5) % 1 - 0.5)
    )
    return to_bytes(mix(np.clip((radius - d) * size / n + 0.5, 0, 1), ground, dot))


def flowers(rng, ground, petals, n: int = 5, size: int = 128) -> np.ndarray:
    """Scattered blossoms; petals: a list of colours. Tileable."""
    u, v = _grid(size)
    image = mix(np.zeros((size, size)), ground, ground)
    for k in range(n * n):
        cx, cy = (k % n + rng.uniform(0.2, 0.8)) / n, (k // n + rng.uniform(0.2, 0.8)) / n
        x, y = (u - cx + 0.5) % 1 - 0.5, (v - cy + 0.5) % 1 - 0.5
        a, r = np.arctan2(y, x) + rng.uniform(0, 6), np.hypot(x, y) * n
        blossom = np.clip((0.25 + 0.14 * np.cos(5 * a) - r) * size / n / 1.5, 0, 1)
        image = image + blossom[..., None] * (np.asarray(petals[k % len(petals)], float) - image)
        heart = np.clip((0.09 - r) * size / n / 1.5, 0, 1)
        image = image + heart[..., None] * (np.array([0.95, 0.8, 0.3]) - image)
    return to_bytes(image)


def canvas(color, width: int = 128, height: int = 128) -> np.ndarray:
    """A float picture to draw on, (height, width, 3); finish it with to_bytes."""
    return np.ones((height, width, 3)) * np.asarray(color, float)


def fill(image: np.ndarray, inside: np.ndarray, color) -> None:
    """Paint where `inside` ((h, w) weights or booleans) is set, in place."""
    image += np.asarray(inside, float)[..., None] * (np.asarray(color, float) - image)


def pixels(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x to the right and y up of each pixel, both 0..1, for `fill`."""
    h, w = image.shape[:2]
    x, y = np.meshgrid((np.arange(w) + 0.5) / w, 1 - (np.arange(h) + 0.5) / h)
    return x, y


def draw(image: np.ndarray, lines, color, width: float) -> None:
    """Strokes with round ends, in place. lines: list of (n, 2) in 0..1 (x right, y up); width: share of the height."""
    h, w = image.shape[:2]
    x, y = pixels(image)
    x = x * w / h
    near = np.full((h, w), np.inf)
    for line in lines:
        p = np.asarray(line, float) * (w / h, 1)
        for (ax, ay), (bx, by) in pairwise(p):
            dx, dy = bx - ax, by - ay
            t = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
            near = np.minimum(near, np.hypot(x - ax - t * dx, y - ay - t * dy))
    fill(image, np.clip((width / 2 - near) * h + 0.5, 0, 1), color)


def write(image: np.ndarray, text: str, color, centre=(0.5, 0.5), height: float = 0.3, bold: float = 0.16) -> None:
    """Letters, in place. height: share of the picture's height; bold: stroke width as a share of the letter height."""
    from mlspatial.render.library.font import strokes

    h, w = image.shape[:2]
    lines = [(p * height) * (h / w, 1) + centre for p in strokes(text)]
    draw(image, lines, color, bold * height)
