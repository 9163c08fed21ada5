"""Machines and implements: carts, mowers, cleaners, drills, lighters, extinguishers, batteries, globes, trucks."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import wire, wrapped
from mlspatial.render.library.catalogue import category


# ---- fire extinguisher ---------------------------------------------------------------------------------------------
def flame(rng, height: float) -> p.Part:
    """A burning flame that stands on the origin."""
    outer = p.lathe(
        p.curve([(0, 0), (0.2, 0.18), (0.17, 0.45), (0.05, 0.8), (0, 1)], 24), m.plastic(rng, "#f57a10", 0.4), 28
    )
    inner = p.lathe(p.curve([(0, 0.02), (0.15, 0.16), (0.12, 0.36), (0, 0.62)], 16), m.plastic(rng, "#ffe14a", 0.4), 20)
    return p.join(outer, inner.move(z=0.075)).scale(height)


def fire_label() -> p.Finish:
    """Wrapped once around a bottle: a flame in a square and the word FIRE in front."""
    image = t.canvas(m.srgb("white"), 256, 88)
    x, y = t.pixels(image)
    t.fill(image, (y < 0.07) | (y > 0.93), m.srgb("yellow"))
    t.write(image, "FIRE", m.srgb("#b01818"), (0.5, 0.74), 0.26)
    middle = np.abs(x - 0.5)
    t.fill(image, (middle < 0.075) & (y > 0.12) & (y < 0.54), m.srgb("#b01818"))
    t.fill(image, np.hypot((x - 0.5) * 9, (y - 0.26) * 4.5) + 1.5 * np.clip(y - 0.3, 0, 1) < 0.5, m.srgb("yellow"))
    t.fill(image, (np.abs(middle - 0.13) < 0.04) & (y < 0.55) & (y > 0.12) & ((y * 14) % 1 < 0.4), m.srgb("charcoal"))
    return m.picture(image, 0.4)


@category("fire extinguisher")
def fire_extinguisher(rng, k):
    """Red with a hose, red with a wide horn, a small one without a hose, steel with a hose."""
    kind = ("hose", "horn", "small", "steel")[k % 4]
    shell = m.steel(rng) if kind == "steel" else m.enamel(rng, m.vary(rng, "#c4161c", 0.03))
    black, brass, chrome = m.plastic(rng, "black", 0.5), m.brass(rng), m.chrome(rng)
    r = {"hose": 0.17, "horn": 0.14, "small": 0.15, "steel": 0.19}[kind] * m.between(rng, 0.95, 1.06)
    h = {"hose": 0.74, "horn": 0.86, "small": 0.56, "steel": 0.78}[kind]
    neck = h + 0.07
    line = p.curve([(r, h - 0.12), (r * 0.92, h - 0.03), (r * 0.5, h + 0.04), (0.045, neck)], 14)
    parts = [
        p.lathe(np.concatenate([p.fillet([(0, 0.02), (r * 0.9, 0), (r, 0.05), (r, h - 0.13)], 0.03), line]), shell, 48)
    ]
    parts.append(p.cylinder(r * 1.03, 0.06, black, 0.015).move(y=0.03))
    low, high = 0.3 * h, 0.72 * h
    parts.append(wrapped(r * 1.012, low, high, fire_label()))
    grip = black if kind != "steel" else chrome
    lever = p.fillet([(-0.05, 0.03), (0.1, 0.04), (0.27, 0.0), (0.27, -0.03)], 0.03)
    parts += [
        p.cylinder(0.05, 0.12, brass).move(y=neck + 0.03),
        p.strap(p.in_plane(lever), 0.05, 0.02, grip, up=(0.2, 1, 0)).move(y=neck + 0.12),
        p.strap(p.in_plane(lever * (1, -0.5)), 0.05, 0.02, grip, up=(0.2, 1, 0)).move(y=neck + 0.05),
        p.box((0.08, 0.1, 0.045), grip, 0.01).move(-0.02, neck + 0.1),
        p.disc(0.042, 0.04, chrome, 24).move(0, neck + 0.03, 0.05),
        p.disc(0.034, 0.045, m.plastic(rng, "green"), 20).move(0, neck + 0.03, 0.05),
        p.torus(0.03, 0.01, m.plastic(rng, "yellow"), 24, 8).rotate(x=90).move(0.04, neck + 0.09, 0.045),
    ]
    if kind == "small":
        nozzle = p.cone(0.025, 0.035, 0.1, black, segments=20).rotate(z=90).move(-0.08, neck + 0.04)
        strap = p.torus(r * 1.02, 0.03, black, 40, 8).scale(1, 1.6, 1)
        return [*parts, nozzle, strap.move(y=0.16 * h), strap.move(y=0.84 * h)]
    x = -r - 0.05
    turn = [(-0.03, neck + 0.06), (-0.12, neck + 0.09), (x - 0.05, neck - 0.05), (x - 0.02, h * 0.6), (x, h * 0.45)]
    parts.append(p.rod(p.in_plane(p.curve(turn, 36)), 0.022, m.rubber(rng), 14))
    length, mouth = (0.34, 0.075) if kind == "horn" else (0.16, 0.035)
    horn = p.lathe(p.wall([(0.024, 0), (0.03, 0.3 * length), (mouth, length)], 0.008), black, 28).rotate(z=180)
    clip = p.box((0.12, 0.03, 0.05), black, 0.008).move(x + 0.04, h * 0.44)
    return [*parts, horn.move(x, h * 0.46), clip]


# ---- shopping cart -------------------------------------------------------------------------------------------------
def lattice(a, b, c, d, columns: int, rows: int, finish: p.Finish, radius: float = 0.006) -> p.Part:
    """Wires over the patch with the corners a b (one edge) and d c (the edge opposite)."""
    a, b, c, d = (np.asarray(q, float) for q in (a, b, c, d))
    along, across = (np.linspace(0, 1, n + 1)[:, None] for n in (columns, rows))
    ends = [*zip(a + along * (b - a), d + along * (c - d), strict=True)]
    ends += [*zip(a + across * (d - a), b + across * (c - b), strict=True)]
    return p.join([wire(start, end, radius, finish) for start, end in ends])


def castor(metal: p.Finish) -> p.Part:
    """A wheel in a fork, its top at the origin."""
    tyre = p.cylinder(0.06, 0.03, p.Finish((0.02, 0.02, 0.022), 0.8), segments=20).rotate(z=90).move(0, -0.1, -0.03)
    fork = p.both(p.box((0.008, 0.11, 0.04), metal, 0).rotate(x=15).move(0.022, -0.05, -0.015))
    return p.join(tyre, fork, p.cylinder(0.02, 0.03, metal, segments=12))


def shopping(rng) -> p.Part:
    """Boxes, a bottle, oranges and bread in a heap about the origin."""
    items = [
        p.box((0.16, 0.3, 0.09), m.label(rng, w, m.bright(rng), "white", 0.55)).rotate(y=a).move(x, 0.06, z)
        for w, a, x, z in (("TEA", 20, -0.12, -0.2), ("CORN", -15, 0.1, 0.12), ("SOAP", 60, 0.13, -0.14))
    ]
    fruit = m.skin(rng, "orange", kind="peel")
    items += [p.sphere(0.065, fruit, 20).move(x, 0.02, z) for x, z in ((-0.1, 0.05), (-0.02, 0.15), (-0.15, 0.2))]
    bottle = p.lathe(
        p.fillet([(0, 0), (0.05, 0), (0.05, 0.2), (0.02, 0.27), (0.02, 0.34)], 0.02), m.plastic(rng, "green"), 24
    )
    loaf = p.capsule(0.045, 0.42, m.crust(rng), 20).rotate(z=24).move(0.05, 0.2, 0.0)
    return p.join(items, bottle.move(0.02, 0.0, -0.05), loaf)


@category("shopping cart")
def shopping_cart(rng, k):
    """Steel wire, coloured plastic, full of shopping, two baskets, small and low, dark wire."""
    kind = ("wire", "plastic", "full", "double", "child", "dark")[k % 6]
    frame = m.dark_metal(rng) if kind == "dark" else m.chrome(rng)
    tone = m.vary(rng, ("red", "blue", "orange", "green", "magenta", "yellow")[(k + k // 6) % 6], 0.04)
    color = m.plastic(rng, tone, 0.7)
    mesh = color if kind in ("plastic", "child") else frame
    y0, y1 = {"double": (0.78, 1.0), "child": (0.32, 0.66)}.get(kind, (0.46, 0.92))
    x0, x1 = 0.2, 0.28
    back, front = (-0.4, 0.4) if kind != "double" else (-0.28, 0.32)

    def basket(low: float, high: float) -> list[p.Part]:
        base = [(-x0, low, back), (x0, low, back), (x0, low + 0.03, front), (-x0, low + 0.03, front)]
        rim = [
            (-x1, high, back - 0.06),
            (x1, high, back - 0.06),
            (x1, high - 0.04, front + 0.14),
            (-x1, high - 0.04, front + 0.14),
        ]
        thick = 0.009 if mesh is color else 0.006
        out = [lattice(*base, 6, 8, mesh, thick)]
        for i, columns in enumerate((6, 9, 6, 9)):
            j = (i + 1) % 4
            out.append(lattice(base[i], base[j], rim[j], rim[i], columns, 4, mesh, thick))
        loop = p.fillet(rim, 0.04, closed=True)
        return [*out, p.rod(loop, 0.016, color if mesh is color else frame, 10, closed=True)]

    parts = basket(y0, y1)
    if kind == "double":
        parts += basket(0.34, 0.56)
    post = p.fillet(
        [(x1 - 0.02, y1 + 0.09, -0.52), (x1 - 0.03, y1 - 0.05, -0.44), (0.22, 0.16, -0.4), (0.2, 0.16, 0.42)], 0.08
    )
    stay = p.fillet([(0.2, 0.16, 0.38), (0.2, 0.2, 0.2), (0.2, y0, back * 0.4)], 0.08)
    parts.append(p.both(p.join(p.rod(post, 0.017, frame, 12), p.rod(stay, 0.015, frame, 12))))
    parts.append(p.capsule(0.028, 2 * x1 + 0.04, color, 18).rotate(z=90).move(0, y1 + 0.1, -0.53))
    parts += [wire((-0.2, 0.16, z), (0.2, 0.16, z), 0.012, frame) for z in (-0.38, -0.1, 0.15, 0.4)]
    parts.append(p.both(p.join(castor(frame).move(0.2, 0.16, -0.38), castor(frame).move(0.19, 0.16, 0.4))))
    if kind in ("wire", "dark", "full"):  # child seat and a sign in front
        parts.append(p.box((0.46, 0.2, 0.014), color, 0.006).rotate(x=-12).move(0, y1 - 0.12, back + 0.12))
    sign = p.box((0.26, 0.12, 0.012), m.label(rng, "SHOP", "white", tone, 2.1)).rotate(x=16)
    parts.append(sign.move(0, (y0 + y1) / 2 + 0.06, front + 0.11))
    if kind in ("full", "child"):
        parts.append(shopping(rng).scale(1.0 if kind == "full" else 0.85).move(0, y0 + 0.16, 0.08))
    return parts


# ---- flashlight battery, lighter, drill ----------------------------------------------------------------------------
@category("flashlight battery")
def flashlight_battery(rng, k):
    """Standing round cells with a nub: copper and black, two-coloured with a flash, slim ones."""
    r = (0.27, 0.2, 0.15)[k % 3]
    h, wide = 1.0, 2 * np.pi * r
    body, top = (("black", "#c77a3a"), ("#1d4fa3", "yellow"), ("#2b8a3e", "silver"), ("red", "#1c1c1e"))[k % 4]
    image = t.canvas(m.srgb(body), 256, int(np.clip(256 / wide, 80, 250)))
    y = t.pixels(image)[1]
    t.fill(image, y > 0.74, m.srgb(top))
    t.fill(image, np.abs(y - 0.725) < 0.012, m.srgb("white"))
    t.draw(
        image,
        [[(0.5, 0.85), (0.5, 0.95)], [(0.5 - 0.05 / wide, 0.9), (0.5 + 0.05 / wide, 0.9)]],
        m.srgb("white"),
        0.025,
    )
    bolt = np.array([(0.5, 0.0), (-0.35, -0.08), (0.1, -0.08), (-0.45, -0.2)]) * (0.22, 1.2)
    t.draw(image, [bolt + (0.5, 0.66)], m.srgb("yellow" if body != "yellow" else "red"), 0.035)
    t.write(image, m.pick(rng, ("POWER", "VOLT", "MAX")), m.srgb("white"), (0.5, 0.28), min(0.1, 0.075 * wide))
    t.draw(image, [[(0.5 - 0.05 / wide, 0.08), (0.5 + 0.05 / wide, 0.08)]], m.srgb("white"), 0.025)
    sleeve = p.lathe(p.fillet([(0, 0.02), (r, 0.02), (r, h), (0, h)], 0.015), m.steel(rng), 56)
    nub = p.lathe(p.fillet([(0, h), (r * 0.42, h), (r * 0.4, h + 0.06), (0, h + 0.065)], 0.02), m.steel(rng), 32)
    rim = p.torus(r * 0.86, 0.03, m.plastic(rng, "black"), 40, 10).move(y=h)
    return [
        sleeve,
        wrapped(r * 1.012, 0.04, h - 0.02, m.picture(image, 0.3)),
        nub,
        rim,
        p.cylinder(r * 0.8, 0.04, m.steel(rng)).move(y=0.02),
    ]


@category("lighter")
def lighter(rng, k):
    """Burning: a pocket lighter of clear plastic, one with a hinged lid, a long stick lighter."""
    kind = ("pocket", "lid", "stick")[k % 3]
    tone = m.vary(rng, ("red", "amber", "blue", "lime", "black", "magenta", "violet")[k % 7], 0.04)
    chrome, steel, dark = m.chrome(rng), m.steel(rng), m.plastic(rng, "black", 0.5)
    ribs = p.extrude(p.star(24, 0.075, 0.065), 0.1, steel, 0.004)
    if kind == "pocket":
        body = p.extrude(p.oval(0.34, 0.18, 2.6), 0.7, m.glass(rng, tone), 0.03).rotate(x=-90).move(y=0.35)
        base = p.extrude(p.oval(0.35, 0.19, 2.6), 0.06, m.plastic(rng, tone), 0.02).rotate(x=-90).move(y=0.03)
        hood = p.extrude(p.oval(0.2, 0.17, 3), 0.19, chrome, 0.01).rotate(x=-90).move(-0.06, 0.78)
        button = (
            p.box((0.14, 0.06, 0.12), m.plastic(rng, "red" if k == 0 else "black"), 0.02).rotate(z=-10).move(0.1, 0.745)
        )
        wheel = p.join(ribs, p.both(p.disc(0.078, 0.02, chrome, 24).move(z=0.055), "z")).move(0.06, 0.83)
        return [body, base, hood, button, wheel, flame(rng, 0.34).move(-0.07, 0.86)]
    if kind == "lid":
        metal = m.pick(rng, (chrome, m.brass(rng), m.dark_metal(rng)))
        case = p.box((0.42, 0.5, 0.15), metal, 0.03, 3).move(y=0.25)
        chimney = p.extrude(
            p.rectangle(0.24, 0.2),
            0.1,
            steel,
            0.01,
            holes=[p.circle(0.02, 10) + (dx, dy) for dx in (-0.07, 0, 0.07) for dy in (-0.03, 0.04)],
        ).move(-0.03, 0.59)
        lid = p.box((0.42, 0.24, 0.15), metal, 0.03, 3).rotate(z=-115).move(0.33, 0.58)
        emblem = p.extrude(p.star(5, 0.1, 0.045), 0.02, m.gold(rng), 0.006).move(0, 0.24, 0.075)
        return [case, chimney, lid, emblem, ribs.scale(0.8).move(0.14, 0.6), flame(rng, 0.42).move(-0.04, 0.62)]
    grip = p.fillet(
        [(-0.1, 0.0), (0.08, 0.0), (0.11, 0.3), (0.06, 0.62), (-0.06, 0.62), (-0.13, 0.3)], 0.05, closed=True
    )
    handle = p.extrude(grip, 0.13, m.plastic(rng, tone), 0.04, rings=4)
    trigger = p.box((0.07, 0.14, 0.05), dark, 0.02).move(-0.12, 0.44)
    rod, tip = p.cylinder(0.028, 0.6, chrome, segments=20).move(y=0.9), p.cylinder(0.034, 0.06, steel).move(y=1.18)
    window = p.box((0.06, 0.2, 0.14), m.glass(rng), 0.02).move(0.0, 0.2)
    return [handle, trigger, rod, tip, window, flame(rng, 0.24).move(y=1.2)]


@category("drill")
def drill(rng, k):
    """Seen from the side: cordless with a battery foot, corded with a side handle, a hand drill with a crank."""
    kind = ("cordless", "corded", "crank")[k % 3]
    steel, dark = m.steel(rng), m.plastic(rng, "black", 0.4)
    color = m.plastic(rng, m.vary(rng, ("yellow", "#1c6b5a", "red", "blue", "orange")[k % 5], 0.03), 0.5)
    length = 0.34
    path = np.column_stack([np.zeros(40), np.linspace(0, length, 40), np.zeros(40)])
    bit = p.sweep(path, np.linspace(0.024, 0.018, 40), steel, section=p.rectangle(2, 0.8)).twist(1100).rotate(z=-90)
    chuck = p.lathe(p.fillet([(0, 0), (0.075, 0), (0.08, 0.1), (0.045, 0.19), (0, 0.19)], 0.015), dark, 28).rotate(
        z=-90
    )
    if kind == "crank":
        frame = p.in_plane(p.fillet([(-0.5, 0), (0.3, 0)], 0.01))
        gear = s.gear(0.2, 0.05, 36, color, hole=0.12, tooth=0.1, spokes=5).move(-0.1, 0, 0.07)
        wood = m.wood(rng)
        crank = p.join(
            s.between((0, 0, 0), (0, 0.26, 0), 0.02, steel),
            p.capsule(0.045, 0.16, wood).rotate(x=90).move(y=0.26, z=0.09),
        )
        handle = p.lathe(p.curve([(0.03, 0), (0.07, 0.07), (0.05, 0.2), (0.065, 0.3), (0, 0.33)], 24), wood).rotate(
            z=90
        )
        return [
            p.rod(frame, 0.035, steel),
            gear,
            crank.rotate(z=-40).move(-0.1, 0, 0.11),
            handle.move(-0.46),
            chuck.move(0.28),
            bit.move(0.45),
            p.disc(0.05, 0.14, steel, 20).move(-0.1),
        ]
    line = p.curve([(0, -0.36), (0.1, -0.35), (0.14, -0.26), (0.145, 0.1), (0.12, 0.22), (0.07, 0.27), (0, 0.27)], 36)
    motor = p.lathe(line, color, 40).rotate(z=-90)
    vents = p.repeat(p.box((0.018, 0.012, 0.3), dark, 0), 5, (0.035, 0, 0))
    grip = p.fillet([(-0.27, -0.02), (-0.05, -0.02), (-0.1, -0.5), (-0.3, -0.5)], 0.05, closed=True)
    pad = (grip - (-0.18, -0.26)) * (0.8, 0.72) + (-0.19, -0.3)
    parts = [motor, p.extrude(grip, 0.13, color, 0.045, rings=3), p.extrude(pad, 0.14, dark, 0.03)]
    parts += [p.both(vents.move(-0.22, y).scale(1, 1, 0.93), "y") for y in (0.05,)]
    parts += [p.box((0.06, 0.13, 0.07), dark, 0.02).move(-0.06, -0.19), chuck.move(0.26), bit.move(0.43)]
    parts.append(p.box((0.2, 0.05, 0.285), m.label(rng, "DRILL", "charcoal", "white", 4.0)).move(0.03, 0.0))
    if kind == "cordless":
        return [
            *parts,
            p.box((0.36, 0.13, 0.24), dark, 0.03).move(-0.17, -0.55),
            p.box((0.3, 0.05, 0.2), color).move(-0.18, -0.47),
        ]
    cord = p.curve([(-0.22, -0.48, 0), (-0.24, -0.6, 0), (-0.38, -0.66, 0.05), (-0.56, -0.6, 0), (-0.7, -0.66, 0)], 30)
    side = p.join(p.capsule(0.04, 0.26, dark).move(y=-0.24), p.torus(0.1, 0.05, dark, 32, 10).rotate(z=90))
    return [
        *parts,
        p.rod(cord, 0.02, m.rubber(rng), 10),
        side.move(0.22),
        p.cone(0.03, 0.02, 0.1, dark).move(-0.22, -0.53),
    ]


# ---- globe ---------------------------------------------------------------------------------------------------------
LANDS = tuple(  # rough outlines of the continents, "longitude,latitude" in degrees
    [tuple(map(int, place.split(","))) for place in outline.split()]
    for outline in (
        "-165,65 -125,70 -85,68 -60,55 -75,42 -81,27 -97,27 -88,16 -78,8 -105,20 -122,38 -130,55",  # North America
        "-78,8 -60,10 -35,-6 -40,-22 -58,-38 -68,-55 -74,-45 -70,-18 -81,-4",  # South America
        "-16,14 -8,34 10,37 32,31 43,11 51,11 40,-8 35,-24 20,-35 12,-16 9,4 -8,5",  # Africa
        "-9,38 0,49 10,57 8,62 25,71 60,69 105,77 140,73 178,67 160,60 135,54 122,39 121,30 108,20 104,2 "
        "98,10 90,22 78,8 72,21 58,25 45,13 35,30 27,37 15,41",  # Europe and Asia
        "114,-22 131,-12 137,-16 142,-11 153,-27 146,-39 131,-32 115,-34",  # Australia
        "-50,60 -22,70 -20,81 -60,81 -55,70",  # Greenland
        "-180,-90 180,-90 180,-72 60,-67 -60,-73 -180,-75",  # Antarctica
    )
)


def world(sea: m.Color, tones, lines: m.Color) -> p.Finish:
    """A map of the world for a sphere: longitude over the width, latitude over the height."""
    image = t.canvas(m.srgb(sea), 256, 128)
    x, y = t.pixels(image)
    east, north = 360 * x - 180, 180 * y - 90
    for land, tone in zip(LANDS, tones, strict=True):
        inside = np.zeros(x.shape, bool)
        for (ax, ay), (bx, by) in zip(land, land[1:] + land[:1], strict=True):
            if ay != by:
                crosses = (north > ay) != (north > by)
                inside ^= crosses & (east < ax + (north - ay) / (by - ay) * (bx - ax))
        t.fill(image, inside, m.srgb(tone))
    grid = (np.abs((east + 15) % 30 - 15) < 0.7) | (np.abs((north + 15) % 30 - 15) < 0.7)
    t.fill(image, 0.35 * grid, m.srgb(lines))
    return m.picture(image, 0.3)


@category("globe")
def globe(rng, k):
    """A school globe in colours on wood, an antique one on brass, a dark one on steel: tilted in a half ring."""
    style = k % 3
    if style == 1:
        tones, sea, metal = (
            ["#a8763e", "#b98a4c", "#c29a5c", "#96703c", "#b08040", "#d9c79a", "#d9c79a"],
            "#e0cfa0",
            m.brass(rng),
        )
    else:
        tones = ["#d9b13c", "#5da84e", "#d97b3a", "#c8574e", "#8a5fa8", "#f0f0f0", "#f0f0f0"]
        sea, metal = ("#2f7fc4", m.gold(rng)) if style == 0 else ("#16273f", m.steel(rng))
    base = m.wood(rng) if style < 2 else m.dark_metal(rng)
    radius, tilt = 0.36, -23.4
    ball = p.sphere(radius, world(sea, tones, "white"), 56).rotate(y=20)
    ring = p.strap(p.in_plane(p.arc(radius + 0.045, -90, 90, 40)), 0.035, 0.02, metal, up=(1, 0.01, 0))
    pins = p.both(p.cylinder(0.014, 0.1, metal, segments=16).move(y=radius + 0.03), "y")
    knobs = p.both(p.sphere(0.026, metal, 16).move(y=radius + 0.07), "y")
    line = [
        (0, 0),
        (0.25, 0),
        (0.25, 0.03),
        (0.2, 0.06),
        (0.06, 0.09),
        (0.035, 0.14),
        (0.05, 0.17),
        (0.03, 0.2),
        (0, 0.2),
    ]
    foot = p.lathe(p.fillet(line, 0.015), base)
    head = p.join(ball, ring, pins, knobs).rotate(z=tilt)
    return [head, foot.move(0.02, -radius - 0.22)]
