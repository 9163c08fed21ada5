"""Pans, pots, baking sheets, kitchen utensils and pepper mills."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.dishes import cutlery_metal, mirrored, pouring, profile, scoop, squared


# ---- pans and pots -------------------------------------------------------------------------------------------------
def long_handle(kind: str, length: float, metal: p.Finish, grip: p.Finish) -> p.Part:
    """A handle from the origin to +x, rising a little. kind: stick, iron, wood, steel."""
    if kind in ("iron", "steel"):
        end = 0.055 if kind == "iron" else 0.045
        top = [(-0.03, 0.04), (0.06, 0.03), (0.5 * length, 0.024), (0.85 * length, end), (length, 0.0)]
        line = p.curve(top, 26)
        outline = np.concatenate([line, line[-2::-1] * (1, -1)])
        hole = p.oval(0.07, 0.045, 2, 16) + (0.86 * length, 0)
        flat = p.extrude(outline, 0.035 if kind == "iron" else 0.022, metal, 0.01, holes=[hole])
        return flat.rotate(x=-90).subdivide(0.08).shift(y=lambda v: 0.06 * np.sin(2 * v[:, 0] / length))
    stub = s.between((-0.03, -0.02, 0), (0.14, 0.02, 0), 0.022, metal)
    path = p.curve([(0.1, 0.01, 0), (0.4 * length, 0.06, 0), (0.75 * length, 0.09, 0), (length, 0.09, 0)], 24)
    radius = np.interp(np.linspace(0, 1, 24), [0, 0.08, 0.5, 0.9, 1], [0.024, 0.03, 0.032, 0.037, 0.022])
    section = p.oval(2.0, 1.5, 2.4, 18) if kind == "stick" else p.circle(1.0, 18)
    ring = p.torus(0.028, 0.014, metal, 20, 8).rotate(x=90).move(length + 0.02, 0.09, 0)
    return p.join(stub, p.sweep(path, radius, grip, section=section, up=(0, 1, 0)), ring)


def side_loops(reach: float, y: float, finish: p.Finish, wide: float = 0.16, rod: float = 0.022) -> p.Part:
    """Two bow handles, left and right, on a wall `reach` from the middle."""
    bow = [(-0.03, 0.0, -wide), (0.05, 0.0, -wide), (0.12, 0.05, -wide * 0.7), (0.13, 0.06, 0)]
    path = p.curve([*bow, (0.12, 0.05, wide * 0.7), (0.05, 0.0, wide), (-0.03, 0.0, wide)], 30)
    return p.both(p.rod(path, rod, finish, 10).move(reach, y, 0))


def lid(radius: float, rise: float, finish: p.Finish, knob: p.Finish, glass: p.Finish | None = None) -> p.Part:
    """A domed lid with a knob, its rim at y = 0; with glass only its rim is metal."""
    line = p.curve([(radius, 0.025), (0.8 * radius, 0.45 * rise + 0.02), (0.4 * radius, 0.9 * rise), (0.03, rise)], 20)
    dome = p.lathe(np.concatenate([[(0, -0.01), (radius, -0.01)], line]), glass or finish, 48)
    ring = p.torus(radius, 0.035, finish, 48, 8).move(y=0.008)
    stem = p.cylinder(0.03, 0.08, knob, segments=16).move(y=rise + 0.02)
    return p.join(dome, ring, stem, p.superellipsoid((0.14, 0.07, 0.14), knob, 2.6, 2, 24).move(y=rise + 0.075))


PANS = {  # radius of the floor and the rim, height, handle
    "frying": (0.38, 0.5, 0.12, "stick"),
    "skillet": (0.43, 0.5, 0.13, "iron"),
    "saucepan": (0.36, 0.38, 0.38, "steel"),
    "wok": (0.14, 0.55, 0.3, "wood"),
    "copper": (0.42, 0.44, 0.2, "iron"),
    "grill": (0.42, 0.47, 0.12, "stick"),
    "enamel": (0.4, 0.48, 0.13, "wood"),
    "crepe": (0.46, 0.5, 0.05, "wood"),
    "lidded": (0.43, 0.46, 0.2, "steel"),
    "paella": (0.45, 0.56, 0.11, "loops"),
    "milk": (0.28, 0.3, 0.36, "wood"),
    "eggs": (0.44, 0.48, 0.09, "stick"),
}


@category("pan")
def pan(rng, k):
    """Frying, cast-iron, sauce, wok, copper, grill, enamel, crepe, lidded, paella, milk and egg pans."""
    kind = tuple(PANS)[k % len(PANS)]
    floor, rim, height, style = PANS[kind]
    height = height * m.between(rng, 0.85, 1.15)
    black, steel = m.plastic(rng, m.vary(rng, "black", 0.02), 0.4), cutlery_metal(rng)
    outside, inside, metal = pan_finishes(rng, kind, black, steel)
    outer = profile([(floor, 0.0), (0.3 * floor + 0.7 * rim, 0.35 * height), (rim, height)], 20)
    if kind in ("saucepan", "copper", "lidded", "milk"):
        outer = p.fillet([(0, 0), (floor, 0), (rim, height)], 0.05, n=6)
    body = s.vessel(outer, 0.035 if kind in ("skillet", "grill") else 0.018, outside, inside, 60)
    if kind in ("skillet", "milk"):
        body = pouring(body.rotate(y=90), 0.05, 0.0, 0.14, 0.4).rotate(y=-90)
    parts: list = []
    if kind == "grill":
        body = squared(body, 6)
        parts += [p.box((0.74, 0.03, 0.025), outside, 0.008).move(0, 0.045, z) for z in np.linspace(-0.34, 0.34, 9)]
    if kind == "eggs":
        for x, z in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            cup = p.lathe(p.wall(p.fillet([(0, 0), (0.12, 0), (0.18, 0.06)], 0.03), 0.012), inside, 32)
            parts.append(cup.move(0.19 * x, 0.02, 0.19 * z))
        parts.append(p.cylinder(0.45, 0.03, outside).move(y=0.03))
    tone = m.vary(rng, m.pick(rng, ("oak", "walnut", "beech", "black")), 0.03)
    grip = m.wood(rng, tone) if style == "wood" else m.plastic(rng, m.pick(rng, ("black", "charcoal", "red")))
    if style == "loops" or (kind == "wok" and m.chance(rng, 0.4)):
        parts.append(side_loops(rim, 0.75 * height, m.enamel(rng, m.bright(rng)) if kind == "paella" else steel))
    else:
        handle = long_handle(style, m.between(rng, 0.72, 0.9) if kind != "copper" else 1.0, metal, grip)
        parts.append(handle.move(rim - 0.01, 0.8 * height, 0))
    if kind == "lidded":
        parts.append(lid(rim, 0.12, steel, black, m.glass(rng) if m.chance(rng) else None).move(y=height))
    return [body, parts]


def pan_finishes(rng, kind: str, black: p.Finish, steel: p.Finish):
    """Outside, inside and handle metal of a pan."""
    iron, tone = (
        m.cast_iron(rng),
        {"frying": ("black", "dark red", "navy", "red"), "eggs": ("teal", "pink", "charcoal")},
    )
    tone |= {"enamel": ("red", "orange", "teal", "royal"), "milk": ("white", "cream", "mint", "sky")}
    color = m.enamel(rng, m.vary(rng, m.pick(rng, tone.get(kind, ("charcoal",))), 0.03))
    return {
        "skillet": (iron, iron, iron),
        "grill": (iron, iron, iron),
        "copper": (m.copper(rng), m.steel(rng), m.brass(rng)),
        "saucepan": (steel, steel, steel),
        "lidded": (steel, steel, steel),
        "paella": (steel, steel, steel),
        "enamel": (color, m.enamel(rng, "ivory"), steel),
        "milk": (color, m.enamel(rng, "white"), steel),
    }.get(kind, (color, black, steel))


@category("pot")
def pot(rng, k):
    """Steel stock pots, enamelled casseroles, dotted enamel, copper and round clay pots, with two handles and a lid."""
    kind, height = (("stock", 0.72), ("casserole", 0.44), ("dotted", 0.55), ("copper", 0.46), ("clay", 0.4))[k % 5]
    height = height * m.between(rng, 0.9, 1.1)
    foot = 0.39 if kind == "casserole" else 0.45
    outer = p.fillet([(0, 0), (foot, 0), (0.45, height)], 0.08 if kind == "casserole" else 0.05, n=6)
    steel, inside = cutlery_metal(rng), m.enamel(rng, "ivory")
    if kind == "stock":
        body, loop, knob, inside = steel, steel, m.pick(rng, (steel, m.plastic(rng, "black"))), steel
    elif kind == "copper":
        body, loop, inside = m.copper(rng), m.brass(rng), steel
        knob = loop
    elif kind == "casserole":
        body = m.enamel(rng, m.vary(rng, m.pick(rng, ("red", "orange", "teal", "navy", "dark green")), 0.03))
        loop, knob = body, m.pick(rng, (steel, m.brass(rng), m.plastic(rng, "black")))
    elif kind == "dotted":
        ground = m.vary(rng, m.pick(rng, ("red", "royal", "teal", "dark green", "orange")), 0.04)
        body = p.Finish((1.0, 1.0, 1.0), 0.2, 0.0, t.dots(m.srgb(ground), m.srgb("white"), 3, 0.2), 0.5)
        loop = knob = m.enamel(rng, m.pick(rng, ("black", "white", "navy")))
    else:
        outer = profile([(0.3, 0.0), (0.46, 0.14), (0.48, 0.28), (0.45, height)], 24)
        body = loop = knob = inside = m.terracotta(rng)
    glass = m.glass(rng) if kind == "stock" and m.chance(rng, 0.4) else None
    loops = side_loops(0.45, 0.72 * height, loop, 0.12, 0.03 if kind in ("casserole", "clay") else 0.02)
    top = lid(0.45, m.between(rng, 0.08, 0.16), body if kind != "dotted" else loop, knob, glass)
    return [s.vessel(outer, 0.025, body, inside), loops, top.move(y=height + 0.01)]


# ---- baking sheets -------------------------------------------------------------------------------------------------
def tray(width, depth, height, finish: p.Finish, flare=0.04, wall=0.014, corner=0.06, lip=0.0) -> p.Part:
    """An open rectangular tray. flare: by how much each side leans out; lip: width of a flat rim."""

    def ring(out: float, y: float) -> np.ndarray:
        outline = p.rectangle(width + 2 * out, depth + 2 * out, max(corner + out, 0.012), 4)
        return np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]])

    flat = [ring(flare + lip, height - wall), ring(flare + lip, height)] if lip else []
    rows = [ring(-0.02, 0.0), ring(0.0, 0.012), ring(flare, height - wall), *flat, ring(flare, height)]
    return p.loft([*rows, ring(flare - wall, height), ring(-wall, wall + 0.01), ring(-0.03, wall)], finish)


def grid(width: float, depth: float, columns: int, rows: int, finish: p.Finish, rod: float) -> p.Part:
    """Crossed wires inside a wire frame."""
    long = p.rod([(-width / 2, 0, 0), (width / 2, 0, 0)], rod, finish, 6)
    short = p.rod([(0, 0, -depth / 2), (0, 0, depth / 2)], rod, finish, 6).move(y=-1.6 * rod)
    frame = p.in_plane(p.rectangle(width, depth, 0.05), "xz")
    wires = [p.repeat(long, rows, (0, 0, depth / rows)), p.repeat(short, columns, (width / columns, 0, 0))]
    return p.join(p.rod(frame, 1.5 * rod, finish, 8, closed=True), wires)


def biscuits(rng, columns: int, rows: int, dx: float, dz: float, size: float) -> p.Part:
    """Rows of cookies with chocolate chips, on y = 0."""
    dough, chip = m.crust(rng), m.plastic(rng, "dark brown", 0.4)
    flat = p.superellipsoid((size, 0.04, size), dough, 2.4, 2, 16)
    spots = [p.sphere(0.013, chip, 8).move(x, 0.018, z) for x, z in p.circle(0.33 * size, 5)]
    cookie = p.join(flat, spots)
    xs, zs = (np.arange(columns) - (columns - 1) / 2) * dx, (np.arange(rows) - (rows - 1) / 2) * dz
    return p.join([cookie.rotate(y=m.between(rng, 0, 90)).move(x, 0.012, z) for x in xs for z in zs])


def muffin_tin(rng, columns: int, rows: int):
    """A plate with deep cups, some with muffins in them."""
    pitch, r = 0.24, 0.1
    finish = m.pick(rng, (m.dark_metal, m.aluminium, m.steel))(rng) if columns > 3 else m.rubber(rng, m.bright(rng))
    xs, zs = ((np.arange(n) - (n - 1) / 2) * pitch for n in (columns, rows))
    places = [(x, z) for x in xs for z in zs]
    holes = [p.circle(r, 24) + place for place in places]
    top = p.rectangle(columns * pitch + 0.06, rows * pitch + 0.06, 0.06)
    plate = p.extrude(top, 0.014, finish, 0.004, holes=holes).rotate(x=-90)
    cup = p.lathe(p.wall(p.fillet([(0, -0.11), (0.075, -0.11), (r + 0.008, 0.005)], 0.015), 0.01), finish, 22)
    cake = p.superellipsoid((0.21, 0.13, 0.21), m.crust(rng, "#a86a34"), 2.4, 2, 18)
    baked = [cake.move(x, 0.0, z) for x, z in places] if m.chance(rng, 0.35) else []
    return [plate, [cup.move(x, 0, z) for x, z in places], baked]


@category("cookie sheet")
def cookie_sheet(rng, k):
    """Half sheets, sheets of cookies, muffin tins, racks, rimless and pizza sheets, lined and enamelled trays."""
    w, d = m.between(rng, 1.1, 1.3), m.between(rng, 0.76, 0.9)
    dark, bright = m.dark_metal(rng), m.aluminium(rng)
    kind = k % 10
    if kind == 0:
        rim = p.in_plane(p.rectangle(w + 0.08, d + 0.08, 0.1), "xz") + (0, 0.07, 0)
        return [tray(w, d, 0.07, bright), p.rod(rim, 0.016, bright, 8, closed=True)]
    if kind == 1:
        return [tray(w, d, 0.06, dark, lip=0.04), biscuits(rng, 4, 3, w / 4, d / 3, 0.2).move(y=0.02)]
    if kind in (2, 7):
        return muffin_tin(rng, *((4, 3) if kind == 2 else (3, 2)))
    if kind == 3:
        feet = p.four(p.rod([(w / 2 - 0.12, 0, d / 2 - 0.03), (w / 2 - 0.12, -0.1, d / 2 - 0.03)], 0.014, bright, 8))
        return [grid(w, d, 14, 8, m.chrome(rng) if m.chance(rng) else dark, 0.008), feet]
    if kind == 4:
        sheet = p.extrude(p.rectangle(w, d, 0.04), 0.018, bright, 0.005).rotate(x=-90).subdivide(0.09)
        raised = sheet.shift(y=lambda v: 0.1 * np.clip((np.abs(v[:, 0]) - w / 2 + 0.1) / 0.1, 0, 1) ** 1.4)
        return [raised, biscuits(rng, 4, 3, 0.22, d / 3.2, 0.17).move(y=0.015)]
    if kind == 5:
        return pizza_sheet(rng, dark)
    if kind == 6:
        mat = p.box((w * 0.94, 0.012, d * 0.92), m.rubber(rng, "beige"), 0.004).move(y=0.022)
        edge = p.box((w * 0.98, 0.01, d * 0.97), m.rubber(rng, m.bright(rng)), 0.004).move(y=0.02)
        ring = p.torus(0.085, 0.012, edge.finishes[0], 24, 6).move(y=0.028)
        rings = [ring.move((i - 1.5) * w / 4.3, 0, (j - 1) * d / 3.3) for i in range(4) for j in range(3)]
        return [tray(w, d, 0.07, bright), edge, mat, rings]
    if kind == 8:
        rim, white = m.enamel(rng, m.dark(rng)), m.enamel(rng, m.pick(rng, ("white", "cream", "sky")))
        flat = tray(w * 0.9, d, 0.1, white, 0.05, lip=0.035).paint(rim, lambda c: c[:, 1] > 0.08)
        baked = biscuits(rng, 4, 3, w / 4.5, d / 3.2, 0.2).move(y=0.02)
        return [flat, side_loops(w * 0.45 + 0.07, 0.085, rim, 0.14, 0.018), baked]
    gold, slot = m.pick(rng, (m.copper, m.gold))(rng), p.rectangle(0.06, 0.22, 0.028)
    lug = p.extrude(p.rectangle(0.16, 0.4, 0.07), 0.016, gold, 0.005, holes=[slot]).rotate(x=-90)
    baked = biscuits(rng, 4, 3, w / 4.2, d / 3.2, 0.2).move(y=0.02)
    return [tray(w, d, 0.08, gold, lip=0.03), p.both(lug.move(w / 2 + 0.1, 0.07, 0)), baked]


def pizza_sheet(rng, finish: p.Finish):
    """A round sheet with rings of holes and a rim."""
    holes = [p.circle(0.022, 8) + q for r, n in ((0.14, 7), (0.27, 13), (0.4, 19)) for q in p.circle(r, n)]
    plate = p.extrude(p.circle(0.52, 64), 0.016, finish, 0.004, holes=holes).rotate(x=-90)
    rim = p.lathe(p.wall([(0.5, 0.0), (0.55, 0.035), (0.57, 0.04)], 0.014), finish, 64)
    return [plate, rim]


# ---- kitchen utensils: the handle stands up from the origin, the working end hangs below ---------------------------
def utensil_grip(rng, metal: p.Finish, length: float = 0.6) -> p.Part:
    """A shaft with a grip and an eye to hang it by."""
    color = m.pick(rng, (m.wood(rng), m.plastic(rng, m.bright(rng)), m.plastic(rng, "charcoal"), metal))
    shaft = s.between((0, -0.05, 0), (0, 0.3 * length, 0), 0.017, metal, 0.02)
    line = [(0.0, 0.22), (0.028, 0.23), (0.026, 0.4), (0.04, 0.85), (0.035, 0.98), (0.0, 1.0)]
    eye = p.torus(0.032, 0.016, metal, 24, 8).rotate(x=90).move(y=1.03 * length)
    return p.join(shaft, s.grip(p.fillet(line, 0.02) * (1, length), color, 0.7), eye)


def slotted(outline, slots, metal: p.Finish, dish: float) -> p.Part:
    """A flat blade with slots, dished to +z by `dish` per square unit."""
    flat = p.extrude(outline, 0.016, metal, 0.004, holes=slots).subdivide(0.05)
    return flat.shift(z=lambda v: dish * (v[:, 0] ** 2 + 0.6 * (v[:, 1] + 0.2) ** 2))


def ladle(rng, metal):
    """A half ball on a bent shaft."""
    cup = s.vessel(np.concatenate([[(0, -0.17)], p.arc(0.17, -86, 0, 18)]), 0.012, metal).move(y=-0.34, z=0.16)
    return [cup, utensil_grip(rng, metal), p.rod([(0, 0, 0), (0, -0.2, -0.01), (0, -0.4, 0.0)], 0.018, metal)]


def turner(rng, metal):
    """A slotted fish slice."""
    blade = m.pick(rng, (metal, m.plastic(rng, "black"), m.wood(rng)))
    right = [(0.13, -0.42), (0.14, -0.4), (0.1, -0.1), (0.03, -0.03), (0.02, 0.02)]
    slots = [p.rectangle(0.024, 0.2, 0.011) + (x, -0.26) for x in (-0.07, 0.0, 0.07)]
    return [slotted(mirrored(right), slots, blade, 0.0).rotate(x=-12), utensil_grip(rng, metal)]


def whisk(rng, metal):
    """A balloon of wires."""
    line = p.curve([(0.012, 0.0), (0.07, -0.12), (0.17, -0.34), (0.12, -0.48), (0.0, -0.52)], 20)
    loop = p.rod(p.in_plane(np.concatenate([line, line[-2::-1] * (-1, 1)])), 0.008, metal, 6)
    return [
        [loop.rotate(y=36 * i) for i in range(5)],
        p.cylinder(0.03, 0.12, metal).move(y=0.02),
        utensil_grip(rng, metal),
    ]


def masher(rng, metal):
    """A forked shank and a wire zigzag, or a disc with holes."""
    fork = p.curve([(0.0, 0.02, 0), (0.05, -0.08, 0), (0.14, -0.2, 0), (0.15, -0.42, 0)], 20)
    parts = [p.both(p.rod(fork, 0.015, metal, 10)), utensil_grip(rng, metal)]
    if m.chance(rng):
        plate = p.extrude(p.circle(0.19, 40), 0.02, metal, holes=[p.circle(0.024, 10) + q for q in p.circle(0.11, 9)])
        return [*parts, plate.rotate(x=90).move(y=-0.42)]
    zigzag = [((-1) ** (i // 2) * 0.13, -0.42, (i + 1) // 2 * 0.075 - 0.19) for i in range(11)]
    wave = p.fillet([(z, y, x) for x, y, z in zigzag], 0.035)
    return [*parts, p.rod(wave, 0.016, metal, 8)]


def peeler(rng, metal):
    """A Y-shaped peeler with a swivel blade."""
    grip = m.plastic(rng, m.bright(rng))
    arm = p.curve([(0.0, 0.02, 0), (0.07, -0.06, 0), (0.12, -0.14, 0), (0.12, -0.3, 0)], 20)
    blade = p.extrude(p.rectangle(0.26, 0.06, 0.01), 0.02, metal, 0.006, holes=[p.rectangle(0.2, 0.016)])
    stick = s.grip(p.curve([(0.0, -0.03), (0.05, 0.0), (0.05, 0.2), (0.065, 0.4), (0.0, 0.45)], 24), grip, 0.6)
    return [p.both(p.sweep(arm, np.linspace(0.035, 0.022, 20), grip)), blade.rotate(x=25).move(y=-0.27), stick]


def slotted_spoon(rng, metal):
    """A shallow oval spoon with slots."""
    slots = [p.rectangle(0.024, h, 0.011) + (x, -0.22) for x, h in ((-0.08, 0.14), (0, 0.2), (0.08, 0.14))]
    return [slotted(p.oval(0.3, 0.42) - (0, 0.21), slots, metal, 2.4).move(z=-0.04), utensil_grip(rng, metal)]


def tongs(rng, metal):
    """Two sprung arms with scalloped ends."""
    tip = m.rubber(rng, m.bright(rng)) if m.chance(rng) else metal
    line = p.curve([(0.0, 0.5, 0), (0.05, 0.46, 0), (0.09, 0.2, 0), (0.15, -0.25, 0)], 24)
    arm = p.strap(line, 0.07, 0.018, metal, up=(1, 0, 0))
    end = scoop(0.24, 0.15, 0.04, tip, 0.016).rotate(x=180, y=-90, z=5).move(0.15, -0.2, 0)
    grip = p.strap(line[6:16] + (0.006, 0, 0), 0.076, 0.022, tip, up=(1, 0, 0))
    return [p.both(p.join(arm, end, grip)), p.torus(0.03, 0.016, metal, 20, 8).rotate(x=90).move(y=0.5)]


def rolling_pin(rng, metal):
    """A wooden or marble roller on two handles."""
    wood = m.wood(rng)
    roller = p.cylinder(0.12, 0.7, m.pick(rng, (wood, wood, m.marble(rng))), 0.02)
    line = [(0, 0.33), (0.03, 0.35), (0.045, 0.4), (0.055, 0.48), (0.03, 0.55), (0.0, 0.56)]
    return p.join(roller, p.both(p.lathe(p.curve(line, 24), wood, 24), "y")).rotate(z=90)


def grater(rng, metal):
    """A four-sided grater, holes on all sides, a bow on top."""
    image = t.dots(m.srgb("light grey"), m.srgb("charcoal"), 4, 0.2)
    holed = p.Finish((1.0, 1.0, 1.0), 0.35, 0.6, image, 0.2)
    color = m.plastic(rng, m.bright(rng))
    body = p.box((0.42, 0.74, 0.3), metal, 0.02).subdivide(0.1)
    panel = p.box((0.34, 0.58, 0.012), holed, 0.003).subdivide(0.1).move(y=0.0, z=0.15)
    side = p.box((0.22, 0.58, 0.012), holed, 0.003).subdivide(0.1).move(z=0.21).rotate(y=90)
    bow = p.rod(p.fillet([(-0.14, 0.34, 0), (-0.14, 0.52, 0), (0.14, 0.52, 0), (0.14, 0.34, 0)], 0.07), 0.032, color)
    foot = p.box((0.44, 0.05, 0.32), color, 0.015).move(y=-0.36)
    return [p.join(body, p.both(panel, "z"), p.both(side), foot).taper(0.72), bow]


UTENSILS = (ladle, turner, whisk, masher, peeler, slotted_spoon, tongs, rolling_pin, grater)


@category("kitchen utensil")
def kitchen_utensil(rng, k):
    """Ladle, turner, whisk, masher, peeler, slotted spoon, tongs, rolling pin, grater."""
    return UTENSILS[k % len(UTENSILS)](rng, cutlery_metal(rng))


# ---- pepper mills --------------------------------------------------------------------------------------------------
MILLS = ([(0.2, 0.0), (0.2, 0.1), (0.11, 0.24), (0.14, 0.4), (0.09, 0.52), (0.16, 0.62), (0.17, 0.66)],
         [(0.15, 0.0), (0.15, 0.1), (0.14, 0.3), (0.14, 0.5), (0.15, 0.62), (0.15, 0.66)],
         [(0.17, 0.0), (0.16, 0.06), (0.1, 0.32), (0.09, 0.5), (0.12, 0.6), (0.13, 0.66)])  # fmt: skip


@category("pepper mill, pepper grinder")
def pepper_mill(rng, k):
    """A turned wooden mill, a clear cylinder of peppercorns with a steel top, a slim one in two colours."""
    style = k % 3
    wood = m.paint(rng, m.any_color(rng)) if style == 2 else m.wood(rng)
    metal = m.pick(rng, (m.chrome, m.brass))(rng)
    line = profile(MILLS[style], 40) * (m.between(rng, 0.92, 1.1), 1)
    body, r = p.lathe(line, wood, 44), line[-1, 0]
    head_points = [(r, 0.0), (1.05 * r, 0.08), (0.75 * r, 0.2), (0.3 * r, 0.26)]
    head = p.lathe(profile(head_points, 24), metal if style == 1 else wood, 44).move(y=0.675)
    parts = [head, p.cylinder(0.85 * r, 0.05, metal).move(y=0.665), p.sphere(0.045, metal, 24).move(y=0.97)]
    if style == 1:
        corns = t.dots(m.srgb("light grey"), m.srgb("black"), 9, 0.36)
        pepper = p.Finish((1.0, 1.0, 1.0), 0.1, 0.2, corns, 0.5)
        parts += [p.cylinder(0.16, 0.1, metal).move(y=0.05), p.cylinder(0.155, 0.06, metal).move(y=0.62)]
        return [*parts, body.paint(pepper)]
    if style == 2:
        return [*parts, body.paint(m.wood(rng), lambda c: c[:, 1] < 0.16)]
    return [*parts, p.cylinder(0.2, 0.025, metal).move(y=0.012), body]
