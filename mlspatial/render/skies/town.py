"""Built-up outdoor scenes: a street and a square."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mlspatial.render.skies import grounds
from mlspatial.render.skies.buildings import Body, block, car, facade, gabled, hipped, plaster, roof_tiles
from mlspatial.render.skies.noise import Array, blend, hash01, joints, ramp, rgb, seeded, srgb, stripe
from mlspatial.render.skies.outdoor import Hit, Ridge, StreetLamp, Thing, outdoor
from mlspatial.render.skies.plants import Plant
from mlspatial.render.skies.rays import Rays, Shade
from mlspatial.render.skies.sky import SkyView

WALLS = ("b98d6c", "9c5a4a", "d3c4a0", "8e9aa2", "d3cfc5", "9a6654", "bfa468", "8a9482", "d6b9a6", "8f7565")
CARS = ((-19, "a3262c"), (-9.5, "2a4f80"), (14, "d9d9d6"), (21, "2d2f33"), (36, "c99c3c"), (-34, "3d6b4c"))


def skyline(low: float, high: float, towers: int, seed: int) -> Callable[[Array, float], Array]:
    """Heights of a far town: flat roofs of random height, higher in two quarters."""

    def height(azimuth: Array, pixel: float) -> Array:
        place = (azimuth / (2 * np.pi) + 0.5) * towers
        i = np.floor(place)
        r = hash01(i % towers, i * 0, seed)
        centre = 0.35 + 0.65 * ramp(np.cos(2 * azimuth + seed), -0.2, 0.9)
        tall = low + (high - low) * r * r * centre
        mast = (np.abs(place - i - 0.5) < 0.03) & (r > 0.8)
        return (tall + mast * np.float32(0.16 * high)).astype(np.float32)

    return height


def _windows(
    rays: Rays, y: Array, towers: int, distance: float, wide: float, storey: float
) -> tuple[Array, Array, Array]:
    """Share of glass, a random number for each window and one for each tower."""
    place = (rays.azimuth / (2 * np.pi) + 0.5) * towers
    tower = np.floor(place)
    along = (place - tower) * np.float32(2 * np.pi * distance / towers)
    pixel = rays.pixel * distance
    glass = (1 - joints(along, wide, 0.45 * wide, pixel)) * (1 - joints(y, storey, 0.5 * storey, pixel))
    pick = hash01(np.floor(along / wide) + 57 * tower, np.floor(y / storey), 3)
    return glass, pick, hash01(tower % towers, tower * 0, 77)


def town_ridge(distance: float, low: float, high: float, towers: int, seed: int, wide: float = 3.5) -> Ridge:
    def paint(rays: Rays, y: Array, top: Array) -> Array:
        glass, pick, tint = _windows(rays, y, towers, distance, wide, 3.4)
        wall = blend(blend(srgb("8b8078"), srgb("b9b2a6"), tint), srgb("7d5446"), ramp(tint, 0.75, 0.8))
        return blend(wall, srgb("46525c") * (0.6 + 0.8 * pick[:, None]), glass)

    def glow(rays: Rays, y: Array, top: Array) -> Array:
        glass, pick, _ = _windows(rays, y, towers, distance, wide, 3.4)
        return rgb(0.7, 0.47, 0.22) * (glass * (pick > 0.6))[:, None]

    return Ridge(distance, skyline(low, high, towers, seed), paint, glow=glow)


def _lamp_posts(places: list[tuple[float, float]], tall: float = 5.0) -> tuple[list[Thing], list[StreetLamp]]:
    iron = plaster("30343a", grain=0.0)

    def bulb(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, Array]:
        glow = rgb(1.0, 0.72, 0.40) * np.float32(6.0 * view.sky.night)
        return np.full((len(a), 3), 0.55, np.float32), np.broadcast_to(glow, (len(a), 3))

    things: list[Thing] = []
    for x, z in places:
        things.append(block(x, z, 0.11, 0.11, tall, iron, iron))
        things.append(hipped(x, z, 0.42, 0.42, tall, tall + 0.32, bulb, lean=(0.5, 0.5)))
    return things, [StreetLamp(x, z, tall, 9.0) for x, z in places]


def _street_ground(hit: Hit, view: SkyView) -> tuple[Array, None]:
    x = hit.x + 1.3  # the camera stands in the right lane
    z, dx, dz = hit.z, hit.dx, hit.dz
    road = grounds.asphalt(hit, 2.0)
    white = np.clip(0.85 - 0.25 * np.abs(grounds.fbm(hit.x, z, 0.4, 3, footprint=hit.mean, seed=3.0)), 0, 1)
    dash = stripe(z - 6 * np.round(z / 6), -1.5, 1.5, dz) * stripe(x, -0.06, 0.06, dx)
    sides = stripe(np.abs(x), 3.15, 3.27, dx)
    bars = joints(x - 0.25, 1.0, 0.5, dx) * stripe(z, 7.0, 10.0, dz) * (np.abs(x) < 3.1)
    stop = stripe(z, 5.6, 5.95, dz) * stripe(x, 0.1, 3.1, dx)
    paint = np.clip(dash * (np.abs(z - 8) > 3.5) + sides + bars + stop, 0, 1) * white
    road = blend(road, srgb("dcdad2"), paint)
    cover = np.hypot(x - 1.9, z - 3.6)
    rings = 0.5 + 0.5 * np.sin(cover * 60) * ramp(hit.mean, 0.05, 0.015)
    road = blend(road, srgb("3a3533") * (0.6 + 0.7 * rings[:, None]), ramp(cover - 0.34, hit.mean, -hit.mean))
    gutter = stripe(np.abs(x), 3.5, 3.85, dx)
    road = blend(road, srgb("77746d"), 0.7 * gutter)
    walk = grounds.slabs(hit, 0.5, "a19c93", "8b877f", seed=5)
    out = blend(road, walk, np.clip((np.abs(x) - 3.85) / dx + 0.5, 0, 1))
    return blend(out, srgb("c2beb4"), stripe(np.abs(x), 3.85, 4.02, dx)), None


def street(view: SkyView) -> Shade:
    rng = seeded("street")
    things: list[Thing] = []
    for side in (-1, 1):
        z, k = -110.0, 0
        while z < 120:
            wide, storey, storeys = rng.uniform(9, 17), rng.uniform(2.9, 3.5), int(rng.integers(3, 7))
            tall = storeys * storey + 0.7
            skin = facade(
                WALLS[int(rng.integers(len(WALLS)))],
                seed=int(rng.integers(1000)),
                storeys=storeys,
                storey=storey,
                bay=rng.uniform(1.9, 3.0),
                brick=k % 3 == 1,
                shop=k % 2 == 0,
            )
            x = -1.3 + side * (8.6 + 6 + rng.uniform(0, 0.5))
            top = plaster("6d6a66")
            things.append(block(x, z + wide / 2, wide - 0.02, 12, tall, skin, top, turn=-side * math.pi / 2))
            z, k = z + wide + (rng.uniform(4, 7) if rng.uniform() < 0.2 else 0), k + 1
    for k, (z, colour) in enumerate(CARS):
        things += car(-1.3 + (2.4 if k % 2 else -2.45), z, colour, turn=math.pi / 2)
    for x, z in ((52, -12), (52, 22), (-55, 0), (-55, 30)):  # the second row, seen through the gaps
        skin = facade(WALLS[int(abs(x + z)) % len(WALLS)], seed=int(z) + 80, storeys=5, storey=3.2)
        things.append(block(x, z, 30, 12, 17.5, skin, plaster("6d6a66"), turn=math.pi / 2))
    for k in range(9):
        z = -46 + 11.5 * k
        things.append(
            Plant(-1.3 - 5.4, z, rng.uniform(4.5, 6.5), rng.uniform(3, 4.2), srgb("587a34"), stem=0.38, seed=200 + k)
        )
    posts, lamps = _lamp_posts([(-1.3 + s * 4.5, z) for z in (-27, -5, 12, 33) for s in (1,)] + [(-5.9, 4.0)])
    things += posts
    ridges = [town_ridge(420, 12, 90, 150, 4), Ridge(1800, lambda a, p: 60 + 20 * np.sin(3 * a), _green)]
    return outdoor(view, _street_ground, ridges=ridges, things=things, lamps=lamps)


def _green(rays: Rays, y: Array, top: Array) -> Array:
    return np.broadcast_to(srgb("52624a"), (len(rays), 3))


def _plaza_ground(hit: Hit, view: SkyView) -> tuple[Array, None]:
    stones = grounds.slabs(hit, 0.42, "b7a58c", "9d8d78", gap=0.014, seed=9)
    bands = np.maximum(joints(hit.x + 1.0, 5.04, 0.42, hit.dx), joints(hit.z + 1.7, 5.04, 0.42, hit.dz))
    out = blend(stones, stones * srgb("a08b86"), bands)
    centre = np.hypot(hit.x - 7.0, hit.z - 9.0)
    ring = stripe(centre, 4.6, 5.1, hit.mean) + stripe(centre, 6.0, 6.3, hit.mean)
    return blend(out, srgb("7a5a4e"), np.clip(0.85 * ring, 0, 1)), None


def _bench(x: float, z: float, turn: float) -> list[Body]:
    wood, stone = plaster("8a5c34", grain=0.15), plaster("8d8880")
    dx, dz = 0.75 * math.cos(turn), -0.75 * math.sin(turn)
    legs = [block(x + s * dx, z + s * dz, 0.12, 0.40, 0.42, stone, stone, turn=turn) for s in (-1, 1)]
    return [*legs, block(x, z, 1.8, 0.45, 0.07, wood, wood, turn=turn, base=0.42)]


def plaza(view: SkyView) -> Shade:
    rng = seeded("plaza")
    things: list[Thing] = []
    n, radius = 20, 31.0
    for k in range(n):
        azimuth = 2 * math.pi * (k + 0.5) / n
        if k in (3, 12):  # streets leave here
            continue
        wide = 2 * radius * math.tan(math.pi / n) * 1.02
        r = radius + 5 + rng.uniform(-0.5, 0.8)
        x, z = r * math.sin(azimuth), r * math.cos(azimuth)
        storeys, bay = int(rng.integers(3, 5)), rng.uniform(2.0, 2.9)
        tall = 3.2 * storeys + 0.4
        wall = WALLS[(3 * k) % len(WALLS)]
        skin = facade(wall, seed=300 + k, storeys=storeys, storey=3.2, bay=bay, shop=k % 3 == 0, brick=k % 5 == 4)
        roof = roof_tiles(("9c4a32", "84503c", "5d5f66")[k % 3], seed=k)
        if k == 8:  # the church
            stone = facade("cfc3a8", seed=9, storeys=3, storey=6.5, bay=3.4, window=(0.30, 0.62), trim="b6a98c")
            things.append(gabled(1.25 * x, 1.25 * z, 13, 24, 12, 20, stone, roof, turn=azimuth + math.pi / 2))
            things.append(block(x, z, 6, 6, 24, stone, plaster("77736a"), turn=azimuth))
            things.append(hipped(x, z, 6.3, 6.3, 24, 36, roof_tiles("4c6a5c"), turn=azimuth))
            continue
        things.append(gabled(x, z, wide, 10, tall, tall + 3.5, skin, roof, turn=azimuth))
    stone = plaster("a8a092")
    things.append(block(7, 9, 2.2, 2.2, 0.5, stone, stone))
    things.append(block(7, 9, 1.2, 1.2, 2.2, stone, stone, turn=0.4))
    things.append(hipped(7, 9, 0.6, 0.5, 2.2, 4.4, plaster("4f7464", grain=0.2), lean=(0.6, 0.5), turn=0.7))
    for x, z, turn in ((-4, 8, 0.3), (3, -7, 2.8), (-9, -3, 1.6), (12, -2, 1.3)):
        things += _bench(x, z, turn)
    awnings = ("b5312c", "2f6b52", "d6a73a", "35568a")
    for k, azimuth in enumerate((-0.9, -0.62, 1.9, 2.2, -2.35)):
        x, z = 17 * math.sin(azimuth), 17 * math.cos(azimuth)
        pole = plaster("d8d4c8", grain=0.0)
        things.append(block(x, z, 0.06, 0.06, 2.3, pole, pole))
        things.append(
            hipped(x, z, 2.8, 2.8, 2.1, 2.8, plaster(awnings[k % 4], grain=0.02), lean=(0.97, 0.97), turn=azimuth)
        )
        things.append(block(x + 0.7, z, 0.7, 0.7, 0.75, plaster("6e4a2e"), plaster("c9b48c")))
    for k, azimuth in enumerate((0.15, 1.15, -1.5, 2.75, -2.9, 1.5)):
        x, z, h = 21 * math.sin(azimuth), 21 * math.cos(azimuth), rng.uniform(5, 7.5)
        things.append(Plant(x, z, h, 0.75 * h, srgb("4f7030"), stem=0.32, seed=320 + k))
    posts, lamps = _lamp_posts([(-6, 5), (5, -9), (13, 3), (-12, -10)], 3.8)
    ridges = [town_ridge(230, 14, 38, 170, 8, wide=2.6)]
    return outdoor(view, _plaza_ground, ridges=ridges, things=[*things, *posts], lamps=lamps)
