"""Scissors, screwdrivers, pliers, a rake, cogs; keys and padlocks."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def ring(outline, thickness: float, finish: p.Finish) -> p.Part:
    """A round rod along a closed outline in the x-y plane: handles of scissors."""
    return p.sweep(p.in_plane(outline), thickness / 2, finish, 12, closed=True)


# ---- scissors ------------------------------------------------------------------------------------------------------
@category("scissors")
def scissors(rng, k):
    """Office scissors with plastic handles, all-metal shears, round-tipped ones for children, nail scissors."""
    style = ("office", "metal", "child", "nail")[k % 4]
    steel = m.pick(rng, (m.chrome, m.steel, m.brushed_metal))(rng)
    handle = steel if style in ("metal", "nail") else m.plastic(rng, m.vary(rng, m.pick(rng, m.BRIGHT)), 0.6)
    if style == "metal" and m.chance(rng, 0.5):
        handle = m.enamel(rng, m.vary(rng, "black", 0.02))
    length = {"office": 0.62, "metal": 0.66, "child": 0.46, "nail": 0.36}[style]
    width = {"office": 0.095, "metal": 0.11, "child": 0.12, "nail": 0.075}[style]
    small, big = {"office": (0.22, 0.32), "metal": (0.2, 0.36), "child": (0.24, 0.24), "nail": (0.24, 0.24)}[style]
    thick = {"office": 0.06, "metal": 0.05, "child": 0.075, "nail": 0.035}[style]
    gap = m.between(rng, 13, 19)
    halves = []
    for sign, high in ((1, small), (-1, big)):
        half = p.join(
            scissor_blade(length, width, style == "child", steel),
            scissor_handle(0.2 if style != "nail" else 0.34, 0.2, high, thick, handle),
        )
        half = half.rotate(z=-gap).move(z=0.014)
        halves.append(half if sign > 0 else half.rotate(y=180))
    pin = p.disc(0.032, 0.085, m.steel(rng), 24)
    return [*halves, pin, s.screw(0.03, m.brass(rng)).move(z=0.04)]


def scissor_blade(length: float, width: float, blunt: bool, steel: p.Finish) -> p.Part:
    """Upright from the pivot at the origin; its cutting edge is on the left."""
    back = [(width * 0.62, -0.04), (width * 0.75, 0.1), (width * 0.55, 0.6 * length), (width * 0.1, length)]
    if blunt:
        back[3:] = [(width * 0.5, 0.88 * length), (width * 0.1, length)]
    heel = p.curve([(-width * 0.5, 0.0), (-0.08, -0.1), (-0.07, -0.14), (0.0, -0.12)], 12)
    edge = [(-width * 0.25, length * (0.97 if blunt else 1.0)), (-width * 0.25, 0.04)]
    outline = np.concatenate([p.curve(back, 24), edge, heel])
    return p.extrude(outline, 0.026, steel, 0.008)


def scissor_handle(drop: float, wide: float, high: float, thick: float, finish: p.Finish) -> p.Part:
    """The shank runs down to the left, to an oval ring."""
    centre = np.array([-0.115, -drop - 0.06 - high / 2])
    loop = p.oval(wide, high, 2.3, 40) @ rotation(-12).T + centre
    shank = p.curve([(-0.03, -0.05, 0), (-0.065, -0.13, 0), (-0.075, -drop - 0.04, 0), (-0.1, -drop - 0.08, 0)], 14)
    return p.join(p.rod(shank, thick * 0.62, finish), ring(loop, thick, finish).scale(1, 1, 0.8))


def rotation(degrees: float) -> np.ndarray:
    """(2, 2)"""
    c, q = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -q], [q, c]])


# ---- screwdriver, pliers -------------------------------------------------------------------------------------------
def fluted(profile, ribs: int, depth: float, finish: p.Finish, around: int = 48) -> p.Part:
    """A handle along y with grooves. profile: (n, 3) of (radius, height, share of the groove depth)."""
    a = np.radians(np.linspace(0, 360, around, endpoint=False))
    groove = np.clip(0.4 - np.cos(ribs * a), 0, 2) / 1.4
    rows = [
        [
            (r * (1 - depth * g * q) * np.sin(b), y, r * (1 - depth * g * q) * np.cos(b))
            for b, g in zip(a, groove, strict=True)
        ]
        for r, y, q in profile
    ]
    return p.loft(np.array(rows)[:, ::-1], finish, crease=50)


@category("screwdriver")
def screwdriver(rng, k):
    """Flat with a clear fluted handle, cross-head with a two-colour grip, wooden handle, stubby; the point is down."""
    style = ("clear", "grip", "wood", "stubby")[k % 4]
    flat = style in ("clear", "wood")
    steel = m.chrome(rng) if style != "wood" else m.brushed_metal(rng)
    r, top = {"clear": (0.1, 0.46), "grip": (0.115, 0.48), "wood": (0.095, 0.44), "stubby": (0.15, 0.42)}[style]
    shaft = {"stubby": 0.24}.get(style, m.between(rng, 0.46, 0.54))
    color = m.vary(rng, m.pick(rng, ("red", "amber", "blue", "orange", "green", "yellow")))
    if style == "clear":
        line = [
            (0.6, 0, 0),
            (0.72, 0.03, 0.2),
            (0.98, 0.09, 1),
            (1.0, 0.2, 1),
            (0.98, 0.4, 1),
            (0.8, 0.45, 0.3),
            (0, 0.46, 0),
        ]
        parts = [fluted(np.array(line) * (r, 1, 1), 6, 0.2, m.glass(rng, color))]
        parts.append(p.cylinder(r * 0.62, 0.03, m.plastic(rng, "black")).move(y=top))
    elif style == "wood":
        line = p.curve([(0.05, 0.0), (0.066, 0.06), (0.102, 0.18), (0.11, 0.32), (0.08, 0.42), (0, top)], 36)
        parts = [p.lathe(line, m.wood(rng, m.pick(rng, ("beech", "cherry", "oak"))), 36)]
        parts.append(p.cone(0.052, 0.056, 0.09, m.brass(rng)).move(y=0.02))
    else:
        line = p.curve([(0.55, 0.0), (0.62, 0.05), (0.98, 0.16), (0.86, 0.24), (1.0, 0.36), (0.85, top - 0.03)], 30)
        y = np.sort([*line[:, 1], 0.09, top - 0.08])
        line = np.column_stack([np.interp(y, line[:, 1], line[:, 0]), y])
        line = np.column_stack([line, np.clip(np.sin(np.pi * line[:, 1] / top) * 2, 0, 1)])
        line = np.concatenate([line * (r, 1, 1), [(0.0, top, 0)]])
        core, black = m.plastic(rng, color, 0.7), m.rubber(rng)
        grip = fluted(line, 8, 0.13, black)
        parts = [grip.paint(core, lambda c: (c[:, 1] < 0.09) | (c[:, 1] > top - 0.08))]
        parts.append(p.lathe([(0.6 * r, top - 0.04), (0.61 * r, top), (0.5 * r, top + 0.012), (0, top + 0.012)], black))
    thick = 0.03 if style != "stubby" else 0.036
    parts.append(p.cylinder(thick, shaft, steel, segments=24).move(y=0.02 - shaft / 2))
    parts.append((flat_point if flat else cross_point)(thick, steel).move(y=0.03 - shaft))
    return parts


def flat_point(r: float, steel: p.Finish) -> p.Part:
    """A flared blade, its broad side to the front, that ends at y = -0.12."""
    rows = [(r, r, 0.0), (1.25 * r, 0.8 * r, -0.03), (1.6 * r, 0.4 * r, -0.08), (1.45 * r, 0.2 * r, -0.125)]
    return p.loft(
        [
            np.column_stack([q[:, 0], np.full(24, y), q[:, 1]])
            for q, y in ((p.oval(2 * x, 2 * z, 4 if y else 2, 24), y) for x, z, y in rows)
        ],
        steel,
    )


def cross_point(r: float, steel: p.Finish) -> p.Part:
    """Four wings on a cone."""
    dark = p.Finish((0.09, 0.09, 0.1), 0.4, 0.8)
    wing = p.extrude([(-r, 0), (-0.3 * r, -0.1), (0.3 * r, -0.1), (r, 0), (r, 0.02), (-r, 0.02)], 0.5 * r, dark, 0.003)
    return p.join(wing, wing.rotate(y=90), p.cone(0.2 * r, 0.9 * r, 0.08, dark, segments=20).move(y=-0.035))


@category("pliers")
def pliers(rng, k):
    """Combination pliers with red grips, long-nosed with blue grips, water-pump pliers, cutters."""
    style = ("combination", "long", "pump", "cutter")[k % 4]
    steel = m.dark_metal(rng) if style in ("combination", "cutter") else m.chrome(rng)
    tone = {"combination": "red", "long": "blue", "pump": "orange", "cutter": "yellow"}[style]
    grip = m.plastic(rng, m.vary(rng, tone), 0.6)
    nose = {
        "combination": [(0.1, 0.05), (0.095, 0.16), (0.075, 0.3)],
        "long": [(0.1, 0.04), (0.06, 0.16), (0.022, 0.46)],
        "pump": [(0.09, 0.05), (0.12, 0.16), (0.06, 0.3)],
        "cutter": [(0.13, 0.04), (0.13, 0.1), (0.03, 0.2)],
    }[style]
    spread = m.between(rng, 0.15, 0.2)
    handle = [(-0.04, -0.09, 0), (-0.1, -0.22, 0), (-spread, -0.42, 0), (-spread + 0.03, -0.7, 0)]
    if style == "long":
        handle = [(-0.03, -0.09, 0), (-0.08, -0.2, 0), (-spread, -0.36, 0), (-0.8 * spread, -0.64, 0)]
    path = p.curve(handle, 28)
    width = np.interp(np.linspace(0, 1, 24), [0, 0.1, 0.5, 1], [0.036, 0.044, 0.046, 0.038])
    sleeve = p.sweep(path[4:], width, grip, section=p.oval(2, 1.6, 2.6, 18), up=(0, 0, 1))
    guard = p.ellipsoid((0.1, 0.07, 0.085), grip, 18).move(*path[5]).move(-0.012)
    end = p.ellipsoid((0.076, 0.06, 0.06), grip, 18).move(*path[-1])
    core = p.sweep(path, 0.03, steel, section=p.oval(2, 1.6, 3, 14), up=(0, 0, 1))
    jaw = p.extrude(
        np.concatenate(
            [[(0.006, 0.03), (-0.05, -0.09), (0.03, -0.1)], [(0.1, -0.02)], p.curve(nose, 10), [(0.006, nose[-1][1])]]
        ),
        0.085,
        steel,
        0.014,
    )
    low, high = 0.07, nose[-1][1] - 0.02
    teeth = p.repeat(p.box((0.014, 0.006, 0.087), m.dark_metal(rng), 0.0), 9, (0, (high - low) / 9, 0))
    half = p.join(jaw, teeth.move(0.008, (low + high) / 2), core, sleeve, guard, end).rotate(z=-m.between(rng, 3, 7))
    joint = p.disc(0.085, 0.1, steel, 36)
    rivet = [p.disc(0.05, 0.115, m.steel(rng), 30), p.disc(0.02, 0.125, m.dark_metal(rng), 20)]
    tilt = 14 if style == "pump" else 0
    return p.join(half, half.rotate(y=180), joint, rivet).rotate(z=tilt)


# ---- garden rake, cog ----------------------------------------------------------------------------------------------
@category("garden rake")
def garden_rake(rng, k):
    """Iron bow rake, leaf rake with a fan of springy tines, wooden hay rake; the head is down."""
    style = ("bow", "leaf", "hay")[k % 3]
    wood = m.wood(rng, m.vary(rng, m.pick(rng, ("beech", "pine", "oak")), 0.03))
    r = 0.034
    parts = [p.capsule(r, 0.9, wood, 20).move(y=0.55)]  # short: in a small picture the head has to be seen
    if style == "leaf":
        tine_finish = m.plastic(rng, m.bright(rng), 0.6) if m.chance(rng) else m.metal(rng, m.vary(rng, "green"))
        for a in np.linspace(-38, 38, 15):
            u = np.sin(np.radians(a))
            line = p.curve(
                [(0.02 * u, 0.2, 0.01), (0.3 * u, -0.02, 0.01), (0.54 * u, -0.2, 0.02), (0.58 * u, -0.25, 0.1)], 16
            )
            parts.append(p.strap(line, 0.024, 0.012, tine_finish, up=(0, 0, 1)))
        brace = p.curve([(-0.24, -0.02, 0.01), (0, -0.05, 0.01), (0.24, -0.02, 0.01)], 14)
        return [*parts, p.rod(brace, 0.016, tine_finish), p.cone(0.05, 0.034, 0.2, tine_finish).move(y=0.2)]
    metal = m.pick(
        rng, (m.enamel(rng, m.vary(rng, "dark green")), m.enamel(rng, m.vary(rng, "red")), m.dark_metal(rng))
    )
    if style == "hay":
        metal = wood
    half = 0.42
    n = 11 if style == "bow" else 9
    bar = p.box((2 * half + 0.06, 0.06, 0.055), metal, 0.014)
    if style == "bow":
        claw = p.curve([(0, 0, 0), (0, -0.15, 0.015), (0, -0.25, 0.09)], 12)
        tine = p.sweep(claw, np.linspace(0.026, 0.008, 12), metal, section=p.rectangle(1.5, 2, 0.3), up=(1, 0, 0))
        bow = p.curve([(half, 0.0, 0), (half * 0.95, 0.1, 0), (half * 0.4, 0.19, 0), (0.012, 0.28, 0)], 24)
        parts += [p.both(p.rod(bow, 0.021, metal)), p.cylinder(0.034, 0.16, metal).move(y=0.3)]
    else:
        tine = p.cone(0.008, 0.02, 0.17, metal, segments=14).move(y=-0.09).rotate(x=-12)
        parts.append(p.both(s.between((0.2, 0, 0), (0.0, 0.34, 0), 0.014, metal)))
        parts.append(p.cylinder(r, 0.2, wood).move(y=0.08))
    return [*parts, bar, p.repeat(tine, n, (2 * half / (n - 1), 0, 0))]


@category("cog, gear")
def cog(rng, k):
    """Steel with round cut-outs, brass clock wheel with arms, bright plastic, a pair of two sizes that mesh."""
    style = ("steel", "clock", "plastic", "pair")[k % 4]
    if style == "clock":
        return clock_wheel(rng)
    if style == "plastic":
        tone = m.plastic(rng, m.bright(rng), 0.7)
        wheel = s.gear(1.0, 0.5, int(rng.integers(8, 11)), tone, 0.24, 0.26)
        boss = p.extrude(p.circle(0.4, 40), 0.62, tone, 0.03, holes=[p.circle(0.22, 32)])
        peg = p.disc(0.09, 0.62, m.plastic(rng, m.bright(rng)), 24)
        return [wheel, boss, p.around(peg.move(0.58), 4, axis="z", start=45)]
    metal = m.pick(rng, (m.steel, m.brushed_metal, m.dark_metal))(rng)
    if style == "pair":
        first, second = m.enamel(rng, m.bright(rng)), m.brass(rng)
        step = 360 / 10
        one = p.join(s.gear(1.0, 0.3, 16, first, 0.2, 0.16, 6), p.disc(0.17, 0.4, metal, 32))
        two = p.join(s.gear(0.66, 0.3, 10, second, 0.2, 0.24), p.disc(0.12, 0.4, metal, 32)).rotate(z=step / 2)
        return [one, two.move(1.51)]
    n = int(rng.integers(12, 19))
    wheel = s.gear(1.0, 0.3, n, metal, 0.24, 0.17, int(rng.integers(5, 7)))
    key = np.array([(0.05, 0.13), (0.05, 0.19), (-0.05, 0.19), (-0.05, 0.13)])
    bore = np.concatenate([p.arc(0.14, 70, -250, 30), key[2:3], key[1:2]])
    hub = p.extrude(p.circle(0.34, 48), 0.5, metal, 0.03, holes=[bore])
    return [wheel, hub]


def clock_wheel(rng):
    """A thin brass rim with many teeth, arms and an axle."""
    brass = m.brass(rng)
    rim = s.gear(1.0, 0.1, int(rng.integers(28, 37)), brass, 0.74, 0.11)
    arms = int(rng.integers(4, 7))
    arm = p.extrude([(0.1, -0.075), (0.1, 0.075), (0.77, 0.05), (0.77, -0.05)], 0.09, brass, 0.01)
    pinion = s.gear(0.22, 0.4, 8, m.steel(rng), 0.2, 0.25).move(z=0.1)
    return [
        rim,
        p.around(arm, arms, axis="z", start=90),
        p.disc(0.22, 0.12, brass),
        pinion,
        p.disc(0.06, 0.7, m.steel(rng), 20),
    ]


# ---- keys and padlocks ---------------------------------------------------------------------------------------------
def notched(rng, length: float, width: float, teeth: int) -> np.ndarray:
    """The outline of a key's blade that hangs from the origin; the cuts are on its right."""
    right = [(width / 2, 0.02), (width / 2, -0.12 * length)]
    for i in range(teeth):
        y = -length * (0.16 + 0.74 * (i + 0.5) / teeth)
        depth, step = width * m.between(rng, 0.12, 0.42), 0.2 * length / teeth
        right += [(width / 2, y + 1.6 * step), (width / 2 - depth, y + 0.5 * step), (width / 2 - depth, y - 0.5 * step)]
    tip = [(width / 2, -0.92 * length), (0.0, -length), (-width / 2, -0.93 * length), (-width / 2, 0.02)]
    return np.array([*right, *tip])


@category("key")
def key(rng, k):
    """House key with a round or square bow, antique key with an openwork bow, car key with a plastic head, bit key."""
    style = ("house", "antique", "car", "square", "heart")[k % 5]
    if style in ("antique", "heart"):
        return antique_key(rng, style)
    metal = m.pick(rng, (m.brass, m.steel, m.chrome))(rng)
    wide = 0.13
    blade = p.extrude(notched(rng, 0.58, wide, 5), 0.04, metal, 0.006)
    groove = p.box((0.022, 0.46, 0.046), m.dark_metal(rng), 0.0).move(-0.024, -0.25)
    collar = p.box((wide * 1.35, 0.05, 0.05), metal, 0.01)
    if style == "car":
        shell = m.plastic(rng, m.vary(rng, "black", 0.02), 0.5)
        head = p.extrude(p.oval(0.34, 0.5, 3, 48), 0.13, shell, 0.045, holes=[p.circle(0.035, 20) + (0, 0.19)])
        icons = [
            p.puff(p.oval(0.16, 0.1, 2.6, 24), 0.03, m.rubber(rng, tone), 0.5, 3).move(0, y, 0.066)
            for y, tone in ((0.08, "grey"), (-0.04, "grey"), (-0.15, "red"))
        ]
        return [blade, groove, p.join(head, icons).move(y=0.24), p.box((0.18, 0.05, 0.09), metal, 0.01).move(y=-0.01)]
    if style == "square":
        outline, hole = p.rectangle(0.36, 0.3, 0.06), p.rectangle(0.2, 0.05, 0.024) + (0, 0.09)
        cover = m.plastic(rng, m.bright(rng), 0.6)
        cap = p.extrude(1.06 * outline, 0.075, cover, 0.02, holes=[hole])
        return [blade, groove, cap.move(y=0.16), collar]
    outline = p.oval(0.4, 0.36, 2.3, 48)
    bow = p.extrude(outline, 0.045, metal, 0.012, holes=[p.circle(0.045, 24) + (0, 0.1)])
    rim = p.extrude(outline, 0.062, metal, 0.008, holes=[0.82 * outline])
    number = s.letters(m.pick(rng, ("24", "7", "108", "12")), 0.09, 0.055, metal, 0.18)
    return [blade, groove, p.join(bow, rim, number.move(y=-0.03)).move(y=0.18), collar]


def antique_key(rng, style):
    """A round shaft with beads, a bit with cuts, and a bow of rings or a heart."""
    metal = m.pick(rng, (m.bronze, m.brass, m.cast_iron))(rng)
    stem = [(0, -0.62), (0.03, -0.62), (0.034, -0.6), (0.034, -0.1), (0.05, -0.1), (0.055, -0.08), (0.05, -0.06)]
    bead = [(0.036, -0.05), (0.036, -0.02), (0.06, -0.015), (0.066, 0.01), (0.06, 0.03), (0.03, 0.06), (0, 0.06)]
    shaft = p.lathe(stem + bead, metal, 28)
    cuts = [
        (0, 0),
        (0.2, 0),
        (0.2, -0.045),
        (0.14, -0.045),
        (0.14, -0.07),
        (0.2, -0.07),
        (0.2, -0.12),
        (0.12, -0.12),
        (0.12, -0.145),
        (0.2, -0.145),
        (0.2, -0.19),
        (0, -0.19),
    ]
    bit = p.extrude(cuts, 0.04, metal, 0.006).move(0.02, -0.38)
    if style == "heart":
        half = np.array([(0, 0.05), (0.13, 0.2), (0.2, 0.33), (0.13, 0.43), (0.03, 0.4), (0, 0.34)])
        outline = np.concatenate([p.curve(half, 26)[:-1], p.curve(half * (-1, 1), 26)[::-1][:-1]])
        return [shaft, bit, ring(outline, 0.05, metal)]
    loops = [p.circle(0.1, 32) * (1, 0.92) + at for at in ((-0.1, 0.17), (0.1, 0.17), (0.0, 0.33))]
    rings = [ring(q, 0.044, metal) for q in loops]
    return [shaft, bit, rings, p.sphere(0.045, metal, 20).move(0, 0.205), p.sphere(0.04, metal, 20).move(0, 0.46)]


@category("padlock")
def padlock(rng, k):
    """Brass block, layered steel, round combination lock with a dial, coloured body; the shackle is closed."""
    style = ("brass", "steel", "dial", "color")[k % 4]
    shackle_metal = m.chrome(rng)
    body_finish = {"brass": m.brass, "steel": m.brushed_metal, "dial": m.brushed_metal}.get(
        style, lambda q: m.enamel(q, m.bright(q))
    )(rng)
    dark = m.plastic(rng, "black", 0.4)
    w, h, d = m.between(rng, 0.64, 0.72), m.between(rng, 0.5, 0.6), m.between(rng, 0.22, 0.28)
    rise = m.between(rng, 0.14, 0.24)
    radius, rod = 0.31 * w, 0.052
    top = h / 2 + rise
    path = np.concatenate([[(radius, 0.1)], p.arc(radius, 0, 180, 28, (0, top)), [(-radius, 0.1)]])
    parts = [p.rod(p.in_plane(path), rod, shackle_metal, 18)]
    parts.append(p.both(p.cylinder(rod * 1.35, 0.04, m.dark_metal(rng), segments=24).move(radius, h / 2)))
    if style == "dial":
        body = p.disc(0.38, d, body_finish, 56)
        face = p.disc(0.27, 0.05, dark, 48).move(z=d / 2)
        white = m.plastic(rng, "white")
        ticks = p.around(p.box((0.012, 0.05, 0.02), white, 0.0).move(0, 0.235, d / 2 + 0.02), 30, axis="z")
        knob = p.extrude(p.star(18, 0.14, 0.13), 0.12, m.chrome(rng), 0.02).move(z=d / 2 + 0.06)
        mark = p.extrude([(-0.02, 0), (0.02, 0), (0, -0.05)], 0.02, m.enamel(rng, "red"), 0.0).move(0, 0.34, d / 2)
        return [*parts, p.join(body, face, ticks, knob, mark).move(y=-0.02)]
    if style == "steel":
        layers = [p.box((w, h / 8 * 0.93, d), body_finish, 0.012).move(y=h * ((i + 0.5) / 8 - 0.5)) for i in range(8)]
        parts += [layers, p.box((w * 0.97, h * 0.98, d * 0.97), m.dark_metal(rng))]
    else:
        outline = p.rectangle(w, h, 0.09) if style == "brass" else p.oval(w, h * 1.05, 3.2, 48)
        parts.append(p.extrude(outline, d, body_finish, 0.035, rings=3))
    plate = p.disc(0.12, 0.03, m.chrome(rng) if style != "steel" else m.brass(rng), 36)
    hole = p.join(p.disc(0.038, 0.02, dark, 20).move(y=0.025), p.box((0.03, 0.1, 0.02), dark, 0.0).move(y=-0.02))
    parts.append(p.join(plate, hole.move(z=0.012)).move(0, -0.07, d / 2))
    word = s.letters(
        m.pick(rng, ("LOCK", "SAFE", "50", "PRO")), 0.085, 0.02, shackle_metal if style != "brass" else dark, 0.2
    )
    if style != "steel":
        parts.append(word.move(0, 0.13, d / 2))
    return parts
