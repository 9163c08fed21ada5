"""Baskets of wicker, wire, plastic and rope."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.containers import arch

WALL = 0.03  # thickness of woven walls


def squared(part: p.Part, power: float) -> p.Part:
    """Turn the circles about the y axis into superellipses: 2 leaves them, 5 gives a rounded square."""

    def f(v: np.ndarray) -> np.ndarray:
        angle = np.arctan2(v[:, 2], v[:, 0])
        k = (np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1 / power)
        return v * np.column_stack([k, np.ones_like(k), k])

    return part.warp(f)


def woven(outline, finish, power: float = 2.0, stakes: int = 28, row: float = 0.05, rim: bool = True) -> p.Part:
    """An open basket: strands pass in front of and behind the stakes. outline: (n, 2) of (radius, height), from (0, 0)
    to the rim; row: height of a strand; power: see squared.
    """
    outline = np.asarray(outline, float)
    length = np.cumsum([0.0, *np.linalg.norm(np.diff(outline, axis=0), axis=1)])
    at = np.linspace(0, length[-1], int(length[-1] / row * 3))
    fine = np.column_stack([np.interp(at, length, outline[:, i]) for i in (0, 1)])
    inside = (fine[::6] - fine[0]) * (1 - WALL / fine[-1]) + (0, WALL)
    body = p.lathe(np.concatenate([fine, fine[-1:] - (WALL, 0), inside[::-1]]), finish, stakes * 3)
    high = outline[-1, 1]

    def weave(v: np.ndarray) -> np.ndarray:
        angle, r = np.arctan2(v[:, 2], v[:, 0]), np.hypot(v[:, 0], v[:, 2])
        fade = np.clip((v[:, 1] - 0.02) / row, 0, 1)
        out = 0.22 * row * np.sin(np.pi * v[:, 1] / row) * np.cos(stakes / 2 * angle) * fade
        k = 1 + out / np.maximum(r, 0.1)
        return v * np.column_stack([k, np.ones_like(k), k])

    parts = [body.warp(weave).smooth(60)]
    if rim:
        parts.append(braid(outline[-1, 0] - 0.012, 0.034, finish).move(y=high))
    return squared(p.join(parts), power)


def braid(radius: float, thick: float, finish, turns: int = 22) -> p.Part:
    """Two strands that wind around each other, as a ring about y."""
    a = np.linspace(0, 2 * np.pi, 110, endpoint=False)
    strands = []
    for phase in (0, np.pi):
        r, y = radius + thick / 2 * np.cos(turns * a + phase), thick / 2 * np.sin(turns * a + phase)
        strands.append(
            p.sweep(np.column_stack([r * np.cos(a), y, r * np.sin(a)]), thick * 0.55, finish, 5, closed=True)
        )
    return p.join(strands)


def hoop(width: float, height: float, thick: float, finish) -> p.Part:
    """A twisted handle over the basket, in the x-y plane, its ends at (+-width / 2, 0)."""
    path = arch(width, height, 60)
    t_ = np.linspace(0, 26 * np.pi, 60)
    twin = [
        path + np.column_stack([0 * t_, thick * 0.5 * np.cos(t_ + q), thick * 0.5 * np.sin(t_ + q)]) for q in (0, np.pi)
    ]
    return p.join([p.rod(line, thick * 0.62, finish, 8) for line in twin])


def heap(rng, radius: float, size: float, finishes, egg: float = 1.0) -> p.Part:
    """A layer of balls or eggs and some on top of it, on y = 0, within a radius."""
    places = [(0.0, 0.0)] + [tuple((radius - size) * c) for c in p.circle(1.0, 7)]
    parts = []
    for i, (x, z) in enumerate([*places, (size, size * 0.4), (-size, -size * 0.2)]):
        y = size * (0.9 if i < len(places) else 2.0)
        ball = p.ellipsoid((2 * size, 2 * size * egg, 2 * size), m.pick(rng, finishes), 18)
        parts.append(ball.rotate(x=m.between(rng, -60, 60), z=m.between(rng, -60, 60)).move(x, y, z))
    return p.join(parts)


@category("basket")
def basket(rng, k):
    """Ten kinds: with a hoop and fruit, hamper, picnic, wire, laundry, bowl, bicycle, rope, Easter, trug."""
    kinds = (fruit_basket, hamper, picnic, wire_basket, laundry, low_basket, bike_basket, rope_basket, easter, trug)
    return kinds[k % len(kinds)](rng)


def fruits(rng) -> list:
    return [m.skin(rng, m.vary(rng, c), "yellow") for c in ("red", "lime", "red")] + [
        m.skin(rng, "orange", None, "peel")
    ]


def fruit_basket(rng):
    """Round or oval with a high hoop and apples."""
    cane, r, h = m.wicker(rng, tile=0.5), 0.4, m.between(rng, 0.3, 0.4)
    body = woven(p.fillet([(0, 0), (r * m.between(rng, 0.7, 0.9), 0), (r, h)], 0.06), cane)
    load = heap(rng, r * 0.85, 0.12, fruits(rng)).move(y=h * 0.5)
    return p.join(body, hoop(2 * r - 0.03, m.between(rng, 0.45, 0.6), 0.03, cane).move(y=h), load).scale(1.2, 1, 0.9)


def hamper(rng):
    """Tall, with a lid and a knob or a loop on it."""
    cane = m.wicker(rng, tile=0.5) if m.chance(rng, 0.6) else m.wicker(rng, m.light(rng), 0.5)
    r, h, power = 0.3, m.between(rng, 0.75, 0.95), m.pick(rng, (2.0, 6.0))
    body = woven(p.fillet([(0, 0), (r * 0.86, 0), (r, h)], 0.04), cane, power, row=0.068)
    lid = p.lathe(p.fillet([(0, 0), (r * 1.06, 0), (r * 1.06, 0.05), (r * 0.4, 0.1), (0, 0.1)], 0.02), cane, 56)
    loop = p.torus(0.06, 0.03, m.leather(rng), 24, 8).rotate(x=90).move(y=0.11)
    rings = [squared(braid(r * k, 0.03, cane), power).move(y=y) for k, y in ((0.9, 0.05), (1.05, h + 0.05))]
    grip = p.rod(arch(0.16, 0.07), 0.015, cane, 8).rotate(x=100).rotate(y=90).move(r * 0.97, h * 0.75)
    return [body, squared(lid, power).move(y=h + 0.01), loop.move(y=h), rings, p.both(grip)]


def picnic(rng):
    """A rectangular one with two flaps, one of them open on a checked cloth, and two handles."""
    cane, leather = m.wicker(rng, tile=0.5), m.leather(rng)
    body = woven(p.fillet([(0, 0), (0.38, 0), (0.42, 0.4)], 0.04), cane, 7.0, 36, 0.055).scale(1.15, 1, 0.75)
    cloth = m.patterned(rng, 0.2, ("white", m.bright(rng), "white"), "gingham")
    liner = p.superellipsoid((0.86, 0.2, 0.54), cloth, 3, 7, 36).move(y=0.37)
    flap = p.box((0.44, 0.03, 0.62), cane, 0.012).move(0.23)
    left = flap.mirror("x").move(y=0.43)
    right = flap.rotate(z=m.between(rng, 25, 50)).move(y=0.43)
    strap = p.box((0.03, 0.16, 0.012), leather, 0.003).move(-0.3, 0.37, 0.33)
    grips = p.both(hoop(0.5, 0.3, 0.024, cane).rotate(x=14).move(0, 0.4, 0.29), "z")
    return [body, liner, left, right, strap, p.disc(0.014, 0.01, m.brass(rng), 14).move(-0.3, 0.33, 0.34), grips]


def wire_basket(rng):
    """Bars and rings of wire with two wooden grips."""
    wire = m.pick(rng, (m.chrome, m.dark_metal, m.brass, lambda g: m.enamel(g, m.pastel(g))))(rng)
    r, h, power = 0.4, m.between(rng, 0.3, 0.5), m.pick(rng, (2.0, 5.0))
    line = p.fillet([(0.02, 0), (r * 0.78, 0), (r, h)], 0.08)
    bars = p.around(p.sweep(p.in_plane(line), 0.011, wire, 6), 28)
    levels = [(0.0, r * 0.4), (0.0, r * 0.72)] + [
        (h * q, float(np.interp(h * q, line[:, 1], line[:, 0]))) for q in (0.33, 0.66)
    ]
    rings = [p.torus(radius, 0.02, wire, 56, 6).move(y=y) for y, radius in levels]
    rim = p.torus(r, 0.035, wire, 60, 10).move(y=h)
    bow = p.rod(arch(0.28, 0.16, square=0.5), 0.014, wire, 8)
    grip = p.join(bow, p.capsule(0.026, 0.15, m.wood(rng), 16).rotate(z=90).move(y=0.155)).rotate(x=25).rotate(y=90)
    return [squared(p.join(bars, rings, rim), power), p.both(grip.move(r - 0.01, h))]


def laundry(rng):
    """A plastic tub with slots all around and two grips in its rim, clothes in it."""
    coat, r, h = m.plastic(rng, m.pick(rng, (m.bright, m.pastel, m.light))(rng)), 0.42, m.between(rng, 0.38, 0.46)
    floor = s.vessel([(0, 0), (r * 0.78, 0), (r * 0.82, h * 0.22)], 0.02, coat)
    band = lambda y0, y1: p.lathe(p.wall([(r * (0.78 + 0.2 * y / h), y) for y in (y0, y1)], 0.02), coat)  # noqa: E731
    slat = s.plank((r * 0.8, h * 0.15, 0), (r * 0.965, h * 0.95, 0), 0.018, 0.07, coat, up=(0, 0, 1))
    edge = [(0.95, 0), (1.1, 0), (1.1, -0.04), (1.08, -0.04), (1.08, -0.015), (0.95, -0.02), (0.95, 0)]
    lip = p.lathe(p.fillet([(r * q, h + y) for q, y in edge], 0.006))
    tub = p.join(floor, band(h * 0.5, h * 0.62), band(h * 0.85, h), p.around(slat, 22), lip.paint(coat))
    grips = p.both(
        p.rod(arch(0.24, 0.09, square=0.6), 0.02, coat, 10).rotate(x=60).rotate(y=90).move(r * 1.05, h - 0.02)
    )
    cloths = [m.fabric(rng, m.any_color(rng)) for _ in range(4)] + [m.patterned(rng)]
    places = ((-0.18, 0, 0.12), (0.18, 0, 0.1), (-0.14, 0.02, -0.14), (0.17, 0.01, -0.14), (0.02, 0.09, 0.0))
    lumps = [p.superellipsoid((0.36, 0.2, 0.3), c, segments=24) for c in cloths]
    heaped = [lump.move(x, h * 0.8 + y, z) for lump, (x, y, z) in zip(lumps, places, strict=True)]
    return [squared(tub, 3.0).scale(1.25, 1, 0.85), grips.scale(1.25, 1, 1), heaped]


def low_basket(rng):
    """A shallow bowl with bread rolls on a napkin."""
    cane, r = m.wicker(rng, tile=0.5), 0.45
    body = woven(p.curve([(0, 0), (r * 0.6, 0.01), (r * 0.9, 0.12), (r, 0.2)], 16), cane, stakes=32)
    napkin = p.lathe(p.curve([(0, 0.1), (0.3, 0.12), (0.4, 0.2), (0.36, 0.17), (0, 0.13)], 20), m.patterned(rng), 40)
    crust = [m.crust(rng) for _ in range(3)]
    return [body, squared(napkin, 3.5), heap(rng, r * 0.75, 0.11, crust, 0.75).move(y=0.1)]


def bike_basket(rng):
    """Deep, flat at the back, with two straps."""
    cane, leather = m.wicker(rng, tile=0.5), m.leather(rng)
    h = m.between(rng, 0.46, 0.56)
    body = woven(p.fillet([(0, 0), (0.3, 0), (0.42, h)], 0.05), cane, 4.0, 32, 0.055).scale(1.15, 1, 0.8)
    strap = p.box((0.05, h * 0.62, 0.014), leather, 0.004).rotate(x=-11).move(0.18, h * 0.76, 0.328)
    buckle = p.extrude(p.rectangle(0.08, 0.06, 0.01), 0.014, m.brass(rng), 0.004, holes=[p.rectangle(0.05, 0.035)])
    daisies = [
        p.join(p.disc(0.05, 0.02, m.plastic(rng, "white"), 14), p.sphere(0.024, m.plastic(rng, "yellow"), 12)).rotate(
            x=-60
        )
    ]
    flower = p.join(daisies, s.between((0, -0.25, 0), (0, 0, 0), 0.008, m.foliage(rng), sides=8))
    bunch = [
        flower.rotate(z=m.between(rng, -25, 25)).move(x, h + 0.16, z)
        for x, z in ((-0.14, 0), (0.0, 0.06), (0.12, -0.03))
    ]
    return [body, p.both(p.join(strap, buckle.rotate(x=-11).move(0.18, h * 0.7, 0.34))), bunch if m.chance(rng) else []]


def rope_basket(rng):
    """Coils of cotton rope in two colours with two loops."""
    tones = [m.fabric(rng, m.vary(rng, "cream", 0.03), "twill", 0.06), m.fabric(rng, m.any_color(rng), "twill", 0.06)]
    rows, rope, r = 13, 0.05, m.between(rng, 0.32, 0.4)
    split = int(rng.integers(3, 8))
    swell = lambda i: r * (0.9 + 0.16 * np.sin(np.pi * (i + 1) / rows))  # noqa: E731
    coils = [p.torus(swell(i), rope * 1.1, tones[int(i < split)], 44, 8).move(y=rope * (i + 0.5)) for i in range(rows)]
    floor = p.cylinder(r * 0.92, 0.03, tones[1]).move(y=0.03)
    loop = p.rod(arch(0.2, 0.14), 0.025, tones[0], 10).rotate(y=90).move(swell(rows - 1), rope * rows - 0.03)
    return [coils, floor, p.both(loop)]


def easter(rng):
    """Small and light, with a hoop, grass, painted eggs and a bow."""
    cane, r, h = m.wicker(rng, m.pick(rng, ("maple", "pine", "white", "cream")), 0.5), 0.36, 0.3
    body = woven(p.curve([(0, 0), (r * 0.7, 0.01), (r * 0.95, 0.14), (r, h)], 14), cane, stakes=24)
    grass = p.superellipsoid((r * 1.85, 0.2, r * 1.85), m.foliage(rng), segments=30).move(y=h - 0.06)
    eggs = heap(rng, r * 0.8, 0.095, [m.plastic(rng, m.vary(rng, c), 0.7) for c in m.BRIGHT[:8]], 1.3).move(y=h - 0.04)
    bow = p.superellipsoid((0.16, 0.11, 0.06), m.fabric(rng, m.bright(rng)), segments=18).move(0.08)
    return [body, grass, eggs, hoop(2 * r - 0.02, 0.55, 0.026, cane).move(y=h), p.both(bow).move(0, h + 0.55, 0.03)]


def trug(rng):
    """A garden basket of bent boards with carrots and a handle across."""
    wood, dark = m.wood(rng, "maple"), m.wood(rng, "oak")
    rows = np.radians(np.linspace(200, 340, 8))
    slat = lambda a: p.box((1.0, 0.012, 0.1), wood, 0.004, 1).subdivide(0.2).shift(y=lambda v: 0.5 * v[:, 0] ** 2)  # noqa: E731
    boards = [
        slat(a).rotate(x=float(90 - np.degrees(a)) + 180).move(0, 0.28 * np.sin(a), 0.28 * np.cos(a)) for a in rows
    ]
    rim = p.sweep(p.in_plane(p.oval(1.0, 0.56, 3.5, 48), "xz"), 0.022, dark, 8, closed=True)
    rim = rim.shift(y=lambda v: 0.5 * v[:, 0] ** 2 - 0.1)
    band = p.strap(p.in_plane(p.oval(0.6, 1.04, 2.0, 56), "zy"), 0.06, 0.02, dark, up=(1, 0, 0), closed=True).move(
        y=0.2
    )
    root = p.lathe(
        p.curve([(0, 0), (0.02, 0.06), (0.045, 0.3), (0.02, 0.34), (0, 0.34)], 16), m.skin(rng, "orange"), 18
    )
    top = p.around(s.leaf(0.22, 0.06, m.foliage(rng), 30).rotate(x=-20), 5).move(y=0.33)
    carrots = [p.join(root, top).rotate(z=90 + m.between(rng, -15, 15)).move(x + 0.15, -0.14, z)
               for x, z in ((0.2, 0.1), (0.16, -0.08), (0.24, 0.0))]  # fmt: skip
    return [boards, rim, band, carrots]
