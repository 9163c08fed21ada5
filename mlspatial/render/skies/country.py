"""The scenes in the open country: what grows and stands where."""

from __future__ import annotations

import math

import numpy as np

from mlspatial.render.skies import grounds
from mlspatial.render.skies.buildings import Body, Skin, block, facade, gabled, hipped, plaster, roof_tiles
from mlspatial.render.skies.noise import Array, around, blend, fbm, hash01, joints, ramp, rgb, seeded, srgb, stripe
from mlspatial.render.skies.outdoor import Hit, Thing, backdrop, outdoor
from mlspatial.render.skies.plants import Plant
from mlspatial.render.skies.rays import Rays, Shade
from mlspatial.render.skies.ridges import Paint, dunes, hills, layered, mesas, ridge, rocky, sector, tree_line, wooded
from mlspatial.render.skies.sky import SkyView

GREENS = tuple(srgb(c) for c in ("4d6a2a", "5f7a33", "3e5c2c", "71803a"))


def scattered(name: str, n: int, near: float, far: float) -> list[tuple[float, float, np.random.Generator]]:
    """n places (x, z) on a ring, evenly spread in angle with jitter, denser near; each with the same generator."""
    rng = seeded("places", name)
    out = []
    for k in range(n):
        azimuth = 2 * math.pi * (k + rng.uniform(-0.45, 0.45)) / n
        r = near + (far - near) * rng.uniform() ** 1.3
        out.append((r * math.sin(azimuth), r * math.cos(azimuth), rng))
    return out


def meadow(view: SkyView) -> Shade:
    things: list[Thing] = []
    for k, (x, z, rng) in enumerate(scattered("meadow trees", 13, 14, 60)):
        h = rng.uniform(6, 12)
        things.append(Plant(x, z, h, h * rng.uniform(0.7, 0.95), GREENS[k % 4], stem=rng.uniform(0.16, 0.3), seed=k))
    for k, (x, z, rng) in enumerate(scattered("meadow bushes", 15, 9, 40)):
        h = rng.uniform(0.8, 2.0)
        things.append(Plant(x, z, h, h * 1.8, GREENS[(k + 1) % 4], kind="bush", seed=50 + k))
    house = facade("d8d0bd", seed=4, storeys=2, storey=2.7, bay=2.4)
    things.append(gabled(30, 40, 14, 8, 5.6, 9.5, house, roof_tiles("8d4a34"), turn=0.5))
    barn = boards("7d3b30")
    things.append(gabled(44, 30, 16, 10, 5.0, 10.0, barn, roof_tiles("5f6166"), turn=1.0))
    ridges = [
        ridge(2600, hills(170, 90, 9, 6, 3.0), wooded("3a4d38", "586a48", 40, 2600, 1.0)),
        ridge(700, hills(22, 16, 6, 4, 9.0), wooded("4a5f2c", "8d9a50", 30, 700, 2.0)),
        ridge(160, tree_line(7, 4, 90, 4.0), wooded("2a3d1e", "5d7334", 3.0, 160, 3.0)),
    ]
    return outdoor(view, grounds.meadow, ridges=ridges, things=things)


def boards(code: str, width: float = 0.2) -> Skin:
    """Upright boards."""
    colour = srgb(code)

    def skin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, None]:
        tint = 1 + 0.4 * (hash01(np.floor(a / width), np.zeros_like(a), 8) - 0.5) * ramp(pixel, 2 * width, 0.3 * width)
        grain = fbm(a, 0.1 * b, 0.08, 3, footprint=pixel, gain=0.7)
        out = colour * (tint * (1 + 0.2 * grain))[:, None]
        return blend(out, 0.25 * colour, joints(a, width, 0.012, pixel)), None

    return skin


def logs(code: str) -> Skin:
    """Round logs on top of each other."""
    colour = srgb(code)

    def skin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, None]:
        row = np.floor(b / 0.24)
        round_ = np.sqrt(np.clip(1 - (2 * (b / 0.24 - row) - 1) ** 2, 0.05, 1))
        grain = fbm(a * 0.15, b, 0.06, 3, footprint=pixel, gain=0.7)
        return colour * ((0.45 + 0.6 * round_) * (1 + 0.2 * grain))[:, None], None

    return skin


def forest(view: SkyView) -> Shade:
    things: list[Thing] = []
    barks = (srgb("4a3a2c"), srgb("5c4a38"), srgb("3d3127"), srgb("6b6256"))
    leaves = (srgb("466326"), srgb("5a7a2c"), srgb("6d8434"), srgb("3b5526"))
    for k, (x, z, rng) in enumerate(scattered("forest trees", 31, 5.0, 42.0)):
        h = rng.uniform(15, 24)
        stem = rng.uniform(0.38, 0.55)
        things.append(
            Plant(
                x,
                z,
                h,
                h * 0.42,
                leaves[k % 4],
                bark=barks[k % 4],
                stem=stem,
                trunk=rng.uniform(1.3, 2.2),
                seed=400 + k,
            )
        )
    for k, (x, z, rng) in enumerate(scattered("forest ferns", 23, 3.2, 26.0)):
        h = rng.uniform(0.4, 1.5)
        things.append(Plant(x, z, h, h * 1.7, leaves[(k + 2) % 4], kind="bush", seed=470 + k))
    for k, (x, z, rng) in enumerate(scattered("forest stones", 9, 4.0, 15.0)):
        h = rng.uniform(0.3, 0.9)
        things.append(Plant(x, z, h, 1.7 * h, srgb("6f7068"), kind="rock", seed=500 + k))
    ridges = [
        ridge(75, tree_line(17, 3, 60, 2.0), _trunks(75, 5.0), facing=0.25),
        ridge(52, tree_line(10, 3, 40, 6.0), _trunks(52, 8.0), facing=0.3),
    ]

    def canopy(rays: Rays, out: Array) -> None:
        """Leaves overhead, at 13 m, thinner towards the zenith."""
        up = np.flatnonzero(rays.y > 0.25)
        if len(up) == 0:
            return
        y = rays.y[up]
        t = np.float32(13.0) / y
        u, v = rays.x[up] * t, rays.z[up] * t
        pixel = t * np.float32(rays.pixel)
        big = fbm(u, v, 8.0, 1, footprint=pixel, seed=31.0)
        leaf = fbm(u, v, 0.8, 3, footprint=pixel, gain=0.9, seed=32.0)
        soft = 0.12 + 0.9 * np.minimum(pixel / 0.3, 1.5)  # for the leaves that a pixel is too wide to show
        cover = ramp(0.35 + 0.55 * big + 0.75 * leaf, -soft, soft) * ramp(y, 0.25, 0.5)
        shade = np.clip(0.45 + 0.4 * leaf + 0.25 * big, 0.1, 1.4)
        light = (view.ambient * 0.28 + view.direct * 0.30) * rgb(0.30, 0.42, 0.10)
        out[up] = blend(out[up], light * shade[:, None], cover)

    return outdoor(view, grounds.forest_floor, ridges=ridges, things=things, over=canopy, detail=4)


def _trunks(distance: float, seed: float) -> Paint:
    """A wall of trunks with dark leaves above."""

    def paint(rays: Rays, y: Array, top: Array) -> Array:
        bars = around(rays.azimuth, 260, 2, pixel=rays.pixel, seed=seed)
        leaf = around(rays.azimuth, 90, 3, pixel=rays.pixel, seed=seed + 4) + 0.6 * np.sin(y * 1.7)
        wood = blend(srgb("20261a"), srgb("5a4a38"), ramp(bars, 0.7, 1.1))
        wood = blend(wood, srgb("7d8f4a"), ramp(-bars, 0.9, 1.5) * 0.6)
        crown = blend(srgb("2c421c"), srgb("5c7a30"), np.clip(0.45 + 0.25 * leaf, 0, 1))
        return blend(wood, crown, ramp(y + 0.9 * leaf, 3.2, 6.5))

    return paint


def beach(view: SkyView) -> Shade:
    ridges = [
        ridge(5200, sector(hills(190, 90, 11, 6, 2.0), 0.9, 0.9), wooded("4a5c50", "71806a", 80, 5200, 4.0)),
        ridge(240, sector(hills(9, 5, 12, 4, 5.0), math.pi, 1.3), wooded("3f5a2a", "8a8f52", 4, 240, 7.0)),
        ridge(60, sector(hills(3.2, 1.2, 14, 3, 8.0), math.pi, 1.25), dunes(60, "d9c39a", 3.0)),
    ]
    mirror = backdrop(view, ridges, detail=4)

    def ground(hit: Hit, view: SkyView) -> tuple[Array, Array]:
        bend = 0.9 * np.sin(hit.x * 0.13) + 0.5 * np.sin(hit.x * 0.31 + 1.0)
        bend = bend + 0.25 * fbm(hit.x, hit.z, 2.2, 4, footprint=hit.mean, gain=0.6, seed=9.0)
        off = hit.z - 5.5 - bend  # metres into the sea
        albedo = grounds.sand(hit, view, "dcc9a0", "bfa878", seed=2.0)
        shells = [srgb("f2ece0"), srgb("8a7a66")]
        albedo = grounds.discs(hit, albedo, shells, size=0.45, density=0.35, seed=61, radius=(0.03, 0.07))
        wet = ramp(off, -2.6, -0.4)
        albedo = blend(albedo, srgb("8a7350"), 0.85 * wet)
        extra = np.zeros_like(albedo)
        sea = np.flatnonzero(off > -2.6)
        if len(sea):
            part = _take(hit, sea)
            deep = blend(rgb(0.10, 0.20, 0.17), rgb(0.010, 0.055, 0.075), ramp(off[sea], 0.0, 26.0))
            swell = grounds.water(part, view, mirror, deep, waves=0.13, seed=3.0)
            cover = ramp(off[sea], -0.15, 0.10)
            rolling = off[sea] + 1.1 * fbm(part.x, part.z, 6.0, 3, footprint=part.mean, seed=14.0)
            lace = fbm(part.x, part.z, 0.5, 4, footprint=part.mean, gain=0.7, seed=17.0)
            foam = np.zeros(len(sea), np.float32)
            for at, wide in ((0.15, 0.35), (3.4, 0.5), (8.0, 0.6), (15.0, 0.8)):
                foam = np.maximum(foam, ramp(np.abs(rolling - at), wide, 0.1 * wide) * ramp(lace, -0.7, 0.5))
            albedo[sea] = blend(albedo[sea] * (1 - cover)[:, None], srgb("f4f6f5"), foam)
            film = 0.35 * (1 - cover) * wet[sea] * (1 - np.clip(-part.rays.y, 0, 1)) ** 3
            extra[sea] = swell * (np.maximum(cover, film) * (1 - foam))[:, None]
        return albedo, extra

    things: list[Thing] = []
    for k, (x, z) in enumerate(
        ((-7.0, -9.0), (-11.5, -6.0), (9.0, -13.0), (15.0, -8.0), (-20.0, -16.0), (24.0, -20.0), (4.0, -19.0))
    ):
        rng = seeded("palm", str(k))
        h = rng.uniform(5.5, 9)
        things.append(Plant(x, z, h, 0.85 * h, srgb("55702c"), kind="palm", bark=(0.24, 0.18, 0.12), seed=600 + k))
    for k, (x, z, rng) in enumerate(scattered("beach rocks", 8, 9, 26)):
        if z < 5:
            h = rng.uniform(0.4, 1.4)
            things.append(Plant(x, z, h, 1.8 * h, srgb("7a6f62"), kind="rock", seed=630 + k))
    for k, (x, z, rng) in enumerate(scattered("beach grass", 22, 8, 40)):
        if z < -2:
            h = rng.uniform(0.4, 1.0)
            things.append(Plant(x, z, h, 2.2 * h, srgb("98a05c"), kind="bush", seed=650 + k))
    cloths = (("c7372f", "f2efe6"), ("2f6f9c", "f2efe6"), ("e0b23c", "d9663a"))
    for k, (x, z) in enumerate(((6.0, 1.5), (-6.5, 2.5), (13.0, -1.0))):
        pole = plaster("e0ddd2", grain=0.0)
        things.append(block(x, z, 0.05, 0.05, 2.0, pole, pole))
        things.append(hipped(x, z, 2.3, 2.3, 1.8, 2.4, striped(*cloths[k], 0.45), lean=(0.97, 0.97), turn=0.5 * k))
        towel = striped(cloths[k][1], cloths[(k + 1) % 3][0], 0.3)
        things.append(block(x + 1.4, z - 0.4, 0.9, 1.8, 0.03, towel, towel, turn=0.3 * k))
    for x, z, tall in ((30, 130, 14), (-85, 170, 12), (110, 120, 10)):
        sail, hull = plaster("f1efe8", grain=0.02), plaster("37506b", grain=0.02)
        things.append(block(x, z, 0.7 * tall, 2.5, 1.2, hull, hull, turn=0.4))
        things.append(hipped(x, z, 0.55 * tall, 0.3, 1.6, 1.6 + tall, sail, lean=(0.98, 0.5), turn=0.4))
    return outdoor(view, ground, ridges=ridges, things=things)


def striped(one: str, two: str, pitch: float) -> Skin:
    a_colour, b_colour = srgb(one), srgb(two)

    def skin(a: Array, b: Array, pixel: Array, view: SkyView) -> tuple[Array, None]:
        return blend(a_colour, b_colour, joints(a + 100.0, pitch, 0.5 * pitch, pixel)), None

    return skin


def _take(hit: Hit, index: Array) -> Hit:
    x, z, distance, azimuth, width, length = (
        a[index] for a in (hit.x, hit.z, hit.distance, hit.azimuth, hit.width, hit.length)
    )
    return Hit(x, z, distance, azimuth, width, length, hit.pixel, hit.rays[index])


def mountain(view: SkyView) -> Shade:
    things: list[Thing] = []
    for k, (x, z, rng) in enumerate(scattered("firs", 34, 11, 75)):
        h = rng.uniform(5, 13)
        frost = srgb("40573f") if k % 3 else srgb("8d9c98")
        things.append(Plant(x, z, h, 0.42 * h, frost, kind="conifer", seed=700 + k))
    for k, (x, z, rng) in enumerate(scattered("snow rocks", 8, 7, 24)):
        h = rng.uniform(0.5, 1.6)
        things.append(Plant(x, z, h, 1.9 * h, srgb("77767a"), kind="rock", seed=740 + k))
    snow = plaster("e6ecf2", grain=0.05)
    things.append(gabled(-15, 17, 9, 6.5, 3.0, 5.6, logs("6b4a30"), snow, turn=0.7))
    things.append(block(-13.2, 14.2, 1.0, 0.6, 2.0, boards("3f2c1e"), snow, turn=0.7))
    for k in range(7):  # a fence
        things.append(block(4 + 2.2 * k, 9 + 0.5 * k, 0.14, 0.14, 1.2, logs("5a4028"), snow))
    ridges = [
        ridge(4200, hills(980, 330, 10, 8, 5.0, 0.55), rocky(4200, 150, 520, 1.0), facing=0.7),
        ridge(1900, hills(270, 160, 8, 7, 2.0, 0.52), rocky(1900, 170, 330, 4.0), facing=0.6),
        ridge(420, hills(26, 17, 7, 4, 7.0), wooded("c3ced8", "eef2f6", 60, 420, 2.0)),
        ridge(180, tree_line(7, 6, 110, 9.0), wooded("26362c", "59695c", 2.5, 180, 3.0)),
    ]
    return outdoor(view, grounds.snow, ridges=ridges, things=things)


def desert(view: SkyView) -> Shade:
    def ground(hit: Hit, view: SkyView) -> tuple[Array, None]:
        out = grounds.sand(hit, view, "d49a66", "b4713f", ripple=0.22, seed=6.0)
        hard = fbm(hit.x, hit.z, 7.0, 3, footprint=hit.mean, seed=23.0)
        mud = grounds.shaded(np.broadcast_to(srgb("b98a64"), out.shape), 1 + 0.1 * hard)
        cell = np.abs(fbm(hit.x, hit.z, 0.9, 2, footprint=hit.mean, seed=25.0, gain=0.3))
        mud = blend(mud, srgb("6d4630"), 0.8 * ramp(cell, 0.10, 0.04) * ramp(hit.mean, 0.10, 0.02))
        out = blend(out, mud, ramp(hard, 0.45, 0.7))
        pebbles = [srgb("7b4f38"), srgb("a87a5a"), srgb("5c4438")]
        return grounds.discs(hit, out, pebbles, size=0.30, density=0.5, seed=81, radius=(0.04, 0.15)), None

    things: list[Thing] = []
    for k, (x, z, rng) in enumerate(scattered("desert shrubs", 36, 5, 55)):
        h = rng.uniform(0.35, 1.3)
        colour = srgb(("8a8a58", "6f7a45", "a39a68")[k % 3])
        things.append(Plant(x, z, h, 1.7 * h, colour, kind="bush", seed=800 + k))
    for k, (x, z, rng) in enumerate(scattered("desert rocks", 18, 6, 40)):
        h = rng.uniform(0.4, 2.6)
        things.append(Plant(x, z, h, 1.6 * h, srgb("a4623f"), kind="rock", seed=850 + k))
    for k, (x, z, rng) in enumerate(scattered("cacti", 10, 8, 36)):
        h = rng.uniform(2.4, 5.0)
        things.append(Plant(x, z, h, 0.6 * h, srgb("5d7446"), kind="cactus", seed=880 + k))
    ridges = [
        ridge(6000, mesas(160, 420, 14, 3.0), layered(6000, 420, 2.0)),
        ridge(1500, mesas(30, 170, 9, 8.0), layered(1500, 170, 5.0)),
        ridge(240, hills(5, 4, 7, 3, 4.0), dunes(240, "d19a68", 6.0)),
    ]
    return outdoor(view, ground, ridges=ridges, things=things)


def harbour(view: SkyView) -> Shade:
    """A jetty on a mountain lake."""
    ridges = [
        ridge(3600, hills(620, 260, 8, 7, 12.0), rocky(3600, 400, 720, 6.0), facing=0.65),
        ridge(1300, hills(90, 70, 7, 5, 15.0), wooded("2c4026", "5a6f3a", 14, 1300, 3.0)),
        ridge(300, sector(tree_line(9, 6, 120, 5.0), 2.2, 1.9), wooded("2a3d1e", "64763a", 3.0, 300, 7.0)),
    ]
    mirror = backdrop(view, ridges, detail=4)
    grey = boards("8f8476", 0.16)

    def ground(hit: Hit, view: SkyView) -> tuple[Array, Array]:
        deck = stripe(hit.x, -1.5, 2.1, hit.dx) * stripe(hit.z, -60.0, 11.0, hit.dz)
        deck = np.maximum(deck, stripe(hit.x, -4.5, 5.2, hit.dx) * stripe(hit.z, 8.5, 11.0, hit.dz)).astype(np.float32)
        planks = grey(hit.z, hit.x, hit.mean, view)[0]
        nails = joints(hit.x + 1.2, 1.5, 0.02, hit.dx) * joints(hit.z + 0.08, 0.16, 0.02, hit.dz)
        planks = blend(planks, srgb("4a4038"), nails)
        extra = np.zeros_like(planks)
        shore = -19.0 + 3.0 * fbm(hit.x, hit.z, 16.0, 3, footprint=hit.mean, seed=41.0) - 0.004 * hit.x**2
        land = ramp(shore - hit.z, -0.3, 0.3) * (1 - deck)
        if land.any():
            earth = blend(srgb("8b7b60"), grounds.lawn(hit, view)[0], ramp(shore - hit.z, 0.4, 1.8))
            planks = blend(planks, earth, land)
            deck = np.maximum(deck, land)
        open_ = np.flatnonzero(deck < 0.999)
        if len(open_):
            lake = grounds.water(_take(hit, open_), view, mirror, rgb(0.012, 0.045, 0.042), waves=0.05, seed=5.0)
            extra[open_] = lake * (1 - deck[open_])[:, None]
        return planks * deck[:, None], extra

    things: list[Thing] = []
    post = logs("6e6357")
    for x in (-1.45, 2.05):
        for z in (-13, -9, -5, -1, 3, 7):
            things.append(block(x, z, 0.2, 0.2, 0.95 if z % 4 else 0.5, post, post))
    for x in (-4.4, 5.1):
        things.append(block(x, 10.8, 0.2, 0.2, 1.1, post, post))
    things += _boat(5.4, 4.0, "b23a32", 0.12) + _boat(-5.0, 1.0, "2f5f86", -0.2) + _boat(10.5, 15, "d8c14a", 0.9)
    things += _boat(-9.0, -9.0, "e6e2d6", 0.4)
    shed = gabled(9.5, -25, 7, 5, 2.8, 5.0, boards("8c3f32"), roof_tiles("57595c"), turn=0.2)
    crate = boards("a07a4c", 0.12)
    things += [
        shed,
        block(1.6, 5.2, 0.6, 0.6, 0.6, crate, crate, turn=0.3),
        block(-1.0, -4.5, 0.8, 0.5, 0.5, crate, crate),
    ]
    for k, (x, z) in enumerate(
        ((16, -20), (22, -14), (13, -24), (-18, -30), (-26, -22), (30, -30), (4, -38), (-8, -36))
    ):
        h = seeded("shore", str(k)).uniform(6, 12)
        kind = "conifer" if k % 2 else "tree"
        things.append(Plant(x, z, h, (0.42 if k % 2 else 0.8) * h, GREENS[k % 4], kind=kind, stem=0.2, seed=900 + k))
    return outdoor(view, ground, ridges=ridges, things=things)


def _boat(x: float, z: float, code: str, turn: float) -> list[Body]:
    """A rowing boat, 4 m long along its forward axis: a hull that widens upwards, and thwarts."""
    hull, inner, wood = plaster(code), plaster("54402c"), plaster("b08a5a", grain=0.15)
    c, s = math.cos(turn), math.sin(turn)
    out = [hipped(x, z, 1.2, 4.0, 0.02, 0.45, hull, lean=(-0.25, -0.12), turn=turn, top=inner)]
    for d in (-1.2, 0.0, 1.2):
        out.append(block(x + s * d, z + c * d, 1.25, 0.24, 0.06, wood, wood, turn=turn, base=0.45))
    return out
