"""The indoor scenes: what stands in the rooms and what it is made of."""

from __future__ import annotations

import math

import numpy as np

from mlspatial.render.skies import grounds
from mlspatial.render.skies.noise import Array, blend, fbm, hash01, joints, mix, octave, ramp, seeded, srgb, stripe
from mlspatial.render.skies.outdoor import outdoor
from mlspatial.render.skies.plants import Plant
from mlspatial.render.skies.rays import Shade
from mlspatial.render.skies.ridges import hills, ridge, tree_line, wooded
from mlspatial.render.skies.room import Box, Lamp, Opening, Room, Texture, indoor
from mlspatial.render.skies.sky import SkyView

TURN = {"living_room": 1.0, "kitchen": 2.2}  # azimuth of the sun, radians: it shines in through a window


def plain(code: str, grain: float = 0.05, wavelength: float = 0.4) -> Texture:
    """Paint or plaster."""
    colour = srgb(code)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        return colour * (1 + grain * fbm(a, b, wavelength, 4, footprint=pixel, gain=0.7))[:, None]

    return texture


def wood(code: str, *, along: bool = True, seed: float = 0.0, contrast: float = 0.22) -> Texture:
    """A board with grain along its first (or second) axis."""
    colour = srgb(code)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        u, v = (a, b) if along else (b, a)
        warp = fbm(u, v * 2, 0.9, 2, footprint=pixel, seed=seed + 3)
        rings = np.sin((v * 34 + 1.6 * warp) * 2.0) * ramp(pixel, 0.06, 0.02)
        fine = fbm(u * 0.12, v, 0.035, 3, footprint=pixel, gain=0.8, seed=seed)
        return (colour * np.clip(1 + contrast * (0.45 * rings + 0.55 * fine + 0.35 * warp), 0.3, 2)[:, None]).astype(
            np.float32
        )

    return texture


def parquet(code: str, width: float = 0.14, length: float = 1.3) -> Texture:
    """Floor boards, each of its own tint."""
    colour = srgb(code)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        row = np.floor(a / width)
        shifted = b + hash01(row, row * 0, 3) * np.float32(length)
        tint = hash01(row, np.floor(shifted / length), 5)
        tint = 0.5 + (tint - 0.5) * ramp(pixel, 2 * width, 0.4 * width)
        grain = fbm(a + 3.1 * tint, b * 0.10, 0.035, 3, footprint=pixel, gain=0.8, seed=1.0)
        gap = np.maximum(joints(a, width, 0.004, pixel), joints(shifted, length, 0.004, pixel))
        out = colour * (0.72 + 0.52 * tint + 0.13 * grain)[:, None]
        return (blend(out, colour * 0.18, gap)).astype(np.float32)

    return texture


def tiles(code: str, size: float, gap: float = 0.004, other: str | None = None, grout: str = "b5b0a6") -> Texture:
    """Square tiles; `other`: a second colour, as on a chessboard."""
    one, two, between = srgb(code), srgb(other or code), srgb(grout)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        a, b = a + 0.12, b + 0.07  # no joint straight ahead of the camera
        i, j = np.floor(a / size), np.floor(b / size)
        odd = ((i + j) % 2).astype(np.float32)
        odd = 0.5 + (odd - 0.5) * ramp(pixel, 1.2 * size, 0.4 * size)
        tint = 1 + 0.10 * (hash01(i, j, 9) - 0.5) + 0.04 * fbm(a, b, size * 0.8, 3, footprint=pixel)
        out = blend(one, two, odd) * tint[:, None]
        line = np.maximum(joints(a, size, gap, pixel), joints(b, size, gap, pixel))
        return blend(out, between, line).astype(np.float32)

    return texture


def fabric(code: str, other: str | None = None, pitch: float = 0.0) -> Texture:
    """Woven cloth, with stripes of a second colour every `pitch` metres."""
    one, two = srgb(code), srgb(other or code)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        fold = fbm(a, b, 0.5, 3, footprint=pixel, seed=4.0)
        weave = octave(a, b, 0.012, 2.0) * ramp(pixel, 0.008, 0.003)
        out = np.broadcast_to(one, (len(a), 3))
        if pitch:
            out = blend(out, two, joints(a, pitch, 0.4 * pitch, pixel))
        return (out * (1 + 0.10 * fold + 0.12 * weave)[:, None]).astype(np.float32)

    return texture


def picture(kind: int) -> Texture:
    """A framed picture of its box's size, up to about 1 m."""
    rng = seeded("picture", str(kind))
    colours = rng.uniform(0.03, 0.75, (4, 1)) * rng.uniform(0.45, 1.0, (4, 3))
    colours = colours.astype(np.float32)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        n = fbm(a, b, 0.45, 4, footprint=pixel, seed=kind * 3.7)
        m = fbm(a, b, 0.6, 2, footprint=pixel, seed=kind * 1.9 + 5)
        out = blend(colours[0], colours[1], ramp(n, -0.15, 0.15))
        out = blend(out, colours[2], ramp(m + 1.5 * (0.3 - b), -0.05, 0.05) if kind % 2 else ramp(m - 0.6, -0.05, 0.05))
        return blend(out, colours[3], ramp(0.14 - np.hypot(a - 0.35, b - 0.45), -0.01, 0.01)).astype(np.float32)

    return texture


def books(seed: int) -> Texture:
    """A row of book spines, as seen from the front of a shelf compartment."""

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        width = 0.037
        warped = a + 0.012 * np.sin(a * 41.0 + seed)
        i = np.floor(warped / width)
        r = [hash01(i, i * 0, seed * 5 + k) for k in range(5)]
        tall = 0.20 + 0.09 * r[3]
        out = (
            np.stack([0.05 + 0.40 * r[0] ** 2, 0.05 + 0.28 * r[1] ** 2, 0.05 + 0.22 * r[2] ** 2], -1)
            + 0.12 * r[3][:, None] ** 3
        )
        label = stripe(b, 0.10, 0.13, pixel) * (r[4] > 0.5)
        out = blend(out, srgb("d8c48a"), label)
        round_ = np.sqrt(np.clip(4 * (warped / width - i) * (1 - warped / width + i), 0.1, 1))
        return blend(out * round_[:, None], srgb("1c1612"), ramp(b - tall, -pixel, pixel)).astype(np.float32)

    return texture


def papered(code: str, print_code: str, pitch: float, skirting: str = "e4e0d6") -> Texture:
    """Wallpaper with a small print above a skirting board."""
    base, ink, board = srgb(code), srgb(print_code), srgb(skirting)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        row = np.floor(b / pitch)
        u = a / pitch + 0.5 * (row % 2)
        du, dv = u - np.floor(u) - 0.5, b / pitch - row - 0.5
        away = np.hypot(du * 1.25, dv) * (1 + 0.25 * np.cos(4 * np.arctan2(dv, du)))
        soft = np.maximum(pixel / pitch, 0.02)
        motif = ramp(away, 0.30 + soft, 0.30 - soft) - ramp(away, 0.16 + soft, 0.16 - soft)
        motif = mix(motif, 0.2, ramp(pixel, 0.3 * pitch, 0.8 * pitch))
        out = blend(base, ink, motif) * (1 + 0.03 * fbm(a, b, 0.5, 3, footprint=pixel))[:, None]
        foot = stripe(b, -0.1, 0.11, pixel)
        return blend(out, board * (0.8 + 0.2 * ramp(b, 0.11, 0.09))[:, None], foot).astype(np.float32)

    return texture


def garden(view: SkyView) -> Shade:
    """What is seen through the windows."""
    green = [srgb("4d6a2a"), srgb("3e5c2c"), srgb("6b7d38")]
    things = []
    rng = seeded("garden")
    for k in range(16):
        azimuth = 2 * math.pi * (k + rng.uniform(-0.3, 0.3)) / 16
        r, h = rng.uniform(9, 24), rng.uniform(3, 9)
        x, z = r * math.sin(azimuth), r * math.cos(azimuth)
        if k % 3:
            things.append(Plant(x, z, h, 0.8 * h, green[k % 3], "tree", seed=90 + k))
        else:
            things.append(Plant(x, z, 0.3 * h, 0.5 * h, green[k % 3], "bush", seed=90 + k))
    ridges = [
        ridge(900, hills(50, 25, 8, 4, 3.0), wooded("3a4d38", "586a48", 30, 900, 1.0)),
        ridge(70, tree_line(5, 2, 70, 6.0), wooded("2a3d1e", "5d7334", 2.0, 70, 3.0)),
    ]
    return outdoor(view, grounds.lawn, ridges=ridges, things=things)


def _sofa(x: float, z: float, wide: float, deep: float, cloth: Texture) -> list[Box]:
    """A sofa with its back at -z."""
    left, right, back, front = x - wide / 2, x + wide / 2, z - deep / 2, z + deep / 2
    return [
        Box((left, 0.08, back), (right, 0.40, front), cloth),
        Box((left, 0.08, back), (right, 0.85, back + 0.22), cloth),
        Box((left, 0.08, back), (left + 0.2, 0.62, front), cloth),
        Box((right - 0.2, 0.08, back), (right, 0.62, front), cloth),
    ]


def _table(x: float, z: float, wide: float, deep: float, tall: float, board: Texture, leg: float = 0.06) -> list[Box]:
    out = [Box((x - wide / 2, tall - 0.04, z - deep / 2), (x + wide / 2, tall, z + deep / 2), board)]
    for i in (-1, 1):
        for j in (-1, 1):
            cx, cz = x + i * (wide / 2 - leg), z + j * (deep / 2 - leg)
            low, high = (cx - leg / 2, 0.0, cz - leg / 2), (cx + leg / 2, tall - 0.04, cz + leg / 2)
            out.append(Box(low, high, board))
    return out


def _shelf(low: tuple[float, float, float], high: tuple[float, float, float], rows: int, board: Texture) -> list[Box]:
    """Book shelves against the wall at -x: boards, and books between them."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    step = (y1 - y0) / rows
    out = [Box((x0, y0 + k * step, z0), (x1, y0 + k * step + 0.03, z1), board, casts=False) for k in range(rows + 1)]
    out += [Box((x0, y0, z), (x1, y1, z + 0.03), board, casts=False) for z in (z0, z1 - 0.03)]
    for k in range(rows):
        y = y0 + k * step
        out.append(Box((x0, y + 0.03, z0 + 0.03), (x1 - 0.05, y + step, z1 - 0.03), books(k + 1), casts=False))
    return [*out, Box((x0, y0, z0), (x0 + 0.2, y1, z1), board)]


_OAK, _WALNUT = wood("a87c50"), wood("5f3f28")
LIVING_ROOM = Room(
    low=(-2.9, 0.0, -3.3),
    high=(3.1, 2.7, 2.9),
    textures={
        "floor": parquet("9a6b40"),
        "ceiling": plain("efece4", 0.01),
        "left": papered("c9d2c4", "8fa391", 0.24),
        "right": papered("c9d2c4", "8fa391", 0.24),
        "front": papered("c9d2c4", "8fa391", 0.24),
        "back": papered("b5584a", "b5584a", 0.24),
    },
    openings=(
        Opening("right", (-1.6, 0.2), (0.75, 2.25), (2, 2)),
        Opening("right", (0.9, 2.2), (0.75, 2.25), (2, 2)),
        Opening("front", (-0.9, 0.9), (0.85, 2.2), (3, 1)),
    ),
    lamps=(
        Lamp((0.2, 2.25, -0.6), (1.0, 0.74, 0.44), 0.17),
        Lamp((-2.4, 1.45, 2.4), (0.45, 0.31, 0.17), 0.15, 0.6),
    ),
    boxes=(
        *_sofa(0.3, -2.6, 2.3, 0.95, fabric("3f5f78")),
        Box((-0.6, 0.42, -2.80), (-0.15, 0.78, -2.68), fabric("d8a13a")),
        Box((0.75, 0.42, -2.80), (1.2, 0.78, -2.68), fabric("e4ddd0", "a33f35", 0.07)),
        *_table(0.3, -1.3, 1.1, 0.6, 0.42, _OAK),
        Box((-1.3, 0.0, -2.1), (1.9, 0.012, 0.2), fabric("a8453a", "d9c7a3", 0.32), casts=False),
        *_shelf((-2.9, 0.05, -2.4), (-2.58, 2.15, -0.6), 6, _WALNUT),
        Box((-2.9, 0.0, 0.3), (-2.45, 0.62, 1.7), _OAK),
        Box((-2.80, 0.64, 0.5), (-2.74, 1.30, 1.55), plain("0c0d10", 0.0)),
        Box((-2.5, 0.0, 2.3), (-2.3, 1.32, 2.5), plain("20201f", 0.0)),
        Box((-2.2, 0.0, 2.2), (-1.3, 0.45, 2.85), fabric("7d8a5a")),
        Box((-2.2, 0.0, 2.65), (-1.3, 0.95, 2.88), fabric("7d8a5a")),
        Box((1.5, 1.25, -3.3), (2.3, 1.95, -3.27), picture(1), casts=False),
        Box((-0.5, 1.2, -3.3), (0.5, 2.0, -3.27), picture(2), casts=False),
        Box((-2.0, 1.35, -3.3), (-1.45, 1.95, -3.27), picture(3), casts=False),
        Box((2.6, 0.0, -3.1), (2.95, 0.40, -2.75), plain("b8623c", 0.1)),
    ),
    outside=garden,
    gloss=0.04,
)


def living_room(view: SkyView) -> Shade:
    return indoor(LIVING_ROOM, view)


_WHITE, _STONE = plain("e9e7e0", 0.01), plain("4a4d50", 0.22, 0.06)


def _front(code: str, handle: str, wide: float) -> Texture:
    """Cupboard doors `wide` metres apart, with upright handles."""
    colour, metal = srgb(code), srgb(handle)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        out = np.broadcast_to(colour, (len(a), 3))
        out = blend(out, 0.35 * colour, np.maximum(joints(a, wide, 0.006, pixel), stripe(b, -0.1, 0.012, pixel)))
        u = a - wide * np.floor(a / wide)
        return blend(out, metal, stripe(u, wide - 0.07, wide - 0.05, pixel) * stripe(b, 0.45, 0.65, pixel))

    return texture


def _tiled_wall(code: str, paint: str, high: float) -> Texture:
    """Tiles up to a height, paint above."""
    low, above = tiles(code, 0.15, 0.006), plain(paint, 0.02)

    def texture(a: Array, b: Array, pixel: Array) -> Array:
        return blend(above(a, b, pixel), low(a, b, pixel), ramp(b - high, pixel, -pixel))

    return texture


def _chair(x: float, z: float, board: Texture, back: int) -> list[Box]:
    """A chair whose back is towards -z (-1) or +z (1)."""
    r, edge = 0.2, 0.2 * back
    out = [Box((x - r, 0.43, z - r), (x + r, 0.46, z + r), board)]
    lo, hi = sorted((z + edge, z + edge - 0.03 * back))
    out += [Box((x - r, y, lo), (x + r, y + 0.09, hi), board, casts=False) for y in (0.62, 0.80)]
    for i in (-1, 1):
        cx = x + i * (r - 0.02)
        out.append(Box((cx - 0.02, 0.0, lo), (cx + 0.02, 0.92, hi), board))
        lo2, hi2 = sorted((z - edge, z - edge + 0.03 * back))
        out.append(Box((cx - 0.02, 0.0, lo2), (cx + 0.02, 0.43, hi2), board))
    return out


_BLUE = _front("5d7f8c", "c9c6bd", 0.6)
_BEECH = wood("c79a66", contrast=0.14)
KITCHEN = Room(
    low=(-2.2, 0.0, -2.7),
    high=(2.4, 2.6, 2.6),
    textures={
        "floor": tiles("d9d4c8", 0.33, 0.006, other="3f4347"),
        "ceiling": plain("f2f0ea", 0.01),
        "left": _tiled_wall("f0ede2", "dcc88f", 1.5),
        "right": plain("dcc88f", 0.02),
        "front": _tiled_wall("f0ede2", "dcc88f", 1.5),
        "back": plain("dcc88f", 0.02),
    },
    openings=(
        Opening("front", (-0.6, 0.9), (1.08, 2.15), (2, 1)),
        Opening("right", (-0.9, 0.7), (0.9, 2.15), (2, 2)),
    ),
    lamps=(
        Lamp((1.1, 1.75, -1.0), (1.2, 0.95, 0.66), 0.14, 0.25),
        Lamp((-1.2, 2.5, 1.2), (0.7, 0.64, 0.52), 0.10, 0.3),
    ),
    boxes=(
        Box((-2.2, 0.1, -1.6), (-1.6, 0.86, 2.6), _BLUE),  # cupboards along the left wall
        Box((-2.2, 0.86, -1.6), (-1.57, 0.90, 2.6), _STONE),
        Box((-2.2, 1.5, -1.6), (-1.85, 2.25, 0.2), _BLUE),
        Box((-1.6, 0.1, 2.0), (1.5, 0.86, 2.6), _BLUE),  # and below the window
        Box((-1.6, 0.86, 1.97), (1.5, 0.90, 2.6), _STONE),
        Box((-0.35, 0.895, 2.1), (0.35, 0.905, 2.5), plain("b9bdc0", 0.05), casts=False),
        Box((-0.03, 0.90, 2.5), (0.03, 1.18, 2.54), plain("c9ccce", 0.0), casts=False),
        Box((-2.2, 0.91, 0.5), (-1.65, 0.93, 1.1), plain("121314", 0.0), casts=False),  # hob
        Box((-2.0, 0.93, 0.55), (-1.75, 1.08, 0.80), plain("a83a30", 0.02)),
        Box((-2.2, 1.75, 0.45), (-1.8, 1.95, 1.15), plain("b4b8ba", 0.03)),  # hood
        Box((-2.1, 1.95, 0.7), (-1.95, 2.6, 0.9), plain("b4b8ba", 0.03)),
        Box((-2.2, 0.0, -2.4), (-1.55, 1.9, -1.7), plain("d8dbdc", 0.01)),  # refrigerator
        Box((-1.56, 0.9, -1.85), (-1.53, 1.5, -1.81), plain("77797b", 0.0), casts=False),
        Box((-1.9, 0.9, -1.3), (-1.7, 1.15, -1.15), plain("d8b24a", 0.03)),
        Box((-2.0, 0.9, -0.8), (-1.75, 1.10, -0.45), plain("3a6b52", 0.03)),
        Box((0.75, 0.9, 2.25), (0.95, 1.12, 2.45), plain("c8d6d8", 0.02)),
        Box((1.15, 0.9, 2.2), (1.4, 1.2, 2.45), plain("7a2f38", 0.05)),
        *_table(1.2, -1.1, 0.85, 1.4, 0.75, _BEECH),
        *_chair(1.2, -2.05, _BEECH, -1),
        *_chair(1.2, -0.15, plain("b5452f", 0.03), 1),
        Box((1.05, 0.75, -1.25), (1.35, 0.82, -0.95), plain("e8e2d0", 0.02)),
        Box((1.12, 0.80, -1.18), (1.28, 0.92, -1.02), plain("d9772e", 0.08), casts=False),
        Box((-0.6, 0.0, -2.7), (0.25, 2.05, -2.66), wood("8a5b38", along=False)),  # door
        Box((0.08, 0.98, -2.66), (0.2, 1.02, -2.62), plain("c9b26a", 0.0), casts=False),
        Box((0.55, 1.25, -2.7), (1.25, 1.85, -2.67), picture(5), casts=False),
        Box((-1.3, 1.4, -2.7), (-0.85, 2.0, -2.68), picture(6), casts=False),
        Box((2.15, 1.5, 0.95), (2.4, 1.54, 2.4), _BEECH),  # a shelf with jars
        *(
            Box(
                (2.2, 1.54, 1.05 + 0.22 * k),
                (2.34, 1.68 + 0.03 * (k % 3), 1.19 + 0.22 * k),
                plain(c, 0.03),
                casts=False,
            )
            for k, c in enumerate(("c25a3a", "e3d9b8", "5f8a5a", "34506b", "d8b24a", "8a5a7a"))
        ),
        Box((-0.7, 0.0, 1.2), (0.6, 0.012, 1.95), fabric("8aa39a", "e6e0d0", 0.2), casts=False),
    ),
    outside=garden,
    gloss=0.07,
)


def kitchen(view: SkyView) -> Shade:
    return indoor(KITCHEN, view)
