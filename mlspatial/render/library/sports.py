"""Balls, bats, racquets, skates and weights."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category


def stick(start, end, radius: float, finish: p.Finish, sides: int = 6) -> p.Part:
    """A straight thin bar with few faces: stitches, strings."""
    return p.sweep([start, end], radius, finish, sides)


# ---- balls and bats ------------------------------------------------------------------------------------------------
def seam(radius: float, n: int) -> np.ndarray:
    """(n, 3) the closed line along which the two covers of a baseball meet."""
    a, share = np.linspace(0, 2 * np.pi, n, endpoint=False), 0.26
    x = (1 - share) * np.cos(a) + share * np.cos(3 * a)
    y = (1 - share) * np.sin(a) - share * np.sin(3 * a)
    z = 2 * (share * (1 - share)) ** 0.5 * np.sin(2 * a)
    return radius * np.column_stack([x, z, y])


@category("baseball")
def baseball(rng, k):
    """White, grass-stained or yellow leather with red, blue or black stitches along the seam."""
    leather = m.leather(rng, m.vary(rng, ("white", "ivory", "lemon", "beige")[k % 4], 0.02))
    thread = m.plastic(rng, m.vary(rng, ("red", "royal", "red", "black")[k % 4], 0.03), 0.4)
    r, n = 0.5, 104
    ball = p.sphere(r, leather, 56)
    line = seam(r, 3 * n)
    groove = p.sweep(line[::2], 0.007, m.plastic(rng, m.vary(rng, "tan", 0.03), 0.2), 6, closed=True)
    along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, line / r)
    stitches = []
    for i in range(0, 3 * n, 3):
        for sign in (-1, 1):
            outer = line[i] + sign * 0.062 * side[i] + 0.03 * along[i]
            outer *= r / np.linalg.norm(outer)
            stitches.append(stick(1.003 * line[i] + sign * 0.008 * side[i], 1.003 * outer, 0.0095, thread, 5))
    return p.join(ball, groove, stitches).rotate(x=m.between(rng, -20, 20), y=35, z=m.between(rng, 10, 40))


@category("baseball bat")
def baseball_bat(rng, k):
    """Light wood, black wood, coloured aluminium with a taped grip; upright, the thick end on top."""
    style = ("wood", "metal", "dark", "two-tone")[k % 4]
    finish = {
        "wood": m.wood(rng, m.vary(rng, "maple", 0.03)),
        "dark": m.wood(rng, m.vary(rng, "black", 0.02), gloss=0.6),
        "metal": m.metal(rng, m.bright(rng)),
        "two-tone": m.wood(rng, "pine"),
    }[style]
    fat = m.between(rng, 0.058, 0.066)
    grip = [(0.0, 0.0), (0.045, 0.0), (0.048, 0.018), (0.03, 0.035), (0.026, 0.06), (0.026, 0.3)]
    swell = p.curve([(0.027, 0.32), (0.036, 0.5), (fat * 0.92, 0.68), (fat, 0.82), (fat * 0.97, 0.95)], 36)
    end = p.arc(1.0, 0, 90, 8) * (fat * 0.97, 0.035) + (0, 0.95)
    body = p.lathe(np.concatenate([grip, swell, end[1:]]), finish, 40)
    tape = m.rubber(rng, m.vary(rng, "black" if style != "metal" else "charcoal", 0.03))
    parts = [body]
    if style == "two-tone":
        body = body.paint(m.enamel(rng, m.bright(rng)), lambda c: c[:, 1] > 0.6)
        parts = [body]
    if style != "wood" or m.chance(rng, 0.6):
        y = np.linspace(0.05, 0.31, 54)
        wrap = np.column_stack([0.029 + 0.0025 * np.abs(np.sin(y * 130)), y])
        parts.append(p.lathe(np.concatenate([[(0.01, 0.05)], wrap, [(0.01, 0.31)]]), tape, 24))
    word = m.pick(rng, ("SLUGGER", "ACE", "HOMER", "PRO 33"))
    ink = m.plastic(rng, m.vary(rng, "dark red" if style in ("wood", "two-tone") else "white", 0.02))
    text = s.letters(word, 0.05, 0.012, ink, 0.18).rotate(z=90)
    parts.append(text.shift(z=lambda v: (fat**2 - v[:, 0] ** 2) ** 0.5 - 0.003).move(y=0.76))
    bands = [
        p.lathe(
            [(fat * 0.9, y), (fat * 1.005, y), (fat * 1.0, y + 0.008), (fat * 0.9, y + 0.008), (fat * 0.9, y)], ink, 36
        )
        for y in (0.9, 0.92)
    ]
    if style != "wood":
        parts += bands
    return p.join(parts).scale(1.25, 1, 1.25)


def dimpled(radius: float, finish: p.Finish, n: int = 150, segments: int = 112) -> p.Part:
    """A sphere with n round dents, evenly spread."""
    from scipy.spatial import cKDTree

    i = np.arange(n) + 0.5
    y, turn = 1 - 2 * i / n, np.pi * (1 + 5**0.5) * i
    centres = np.column_stack([(1 - y * y) ** 0.5 * np.sin(turn), y, (1 - y * y) ** 0.5 * np.cos(turn)])
    wide = 0.82 * (4 * np.pi / n) ** 0.5 / 2

    def dent(v: np.ndarray) -> np.ndarray:
        d, _ = cKDTree(centres).query(v / radius)
        return v * (1 - 0.03 * np.clip(1.15 - (d / wide) ** 2, 0, 1))[:, None]

    return p.sphere(radius, finish, segments).warp(dent).smooth(60)


@category("golf ball")
def golf_ball(rng, k):
    """A white ball with a printed name; a coloured ball on a tee; further colours with and without a tee."""
    color = m.vary(rng, ("white", "lemon", "white", "salmon")[k % 4], 0.02)
    ball = dimpled(0.5, m.plastic(rng, color, 0.85), (150, 122, 180)[k % 3])
    ink = m.plastic(rng, m.vary(rng, m.pick(rng, ("red", "royal", "black")), 0.03))
    word = s.letters(m.pick(rng, ("ACE", "PRO", "TOUR", "STAR")), 0.11, 0.03, ink, 0.2)
    word = p.join(word, s.letters(str(int(rng.integers(1, 10))), 0.12, 0.03, ink, 0.2).move(y=-0.19))
    word = word.shift(z=lambda v: np.sqrt(0.25 - v[:, 0] ** 2 - v[:, 1] ** 2) - 0.008)
    parts = [ball, word]
    if k % 2:
        outline = p.curve([(0, -1.25), (0.05, -1.1), (0.06, -0.75), (0.1, -0.55), (0.21, -0.45)], 20)
        tee = m.wood(rng, "maple") if m.chance(rng) else m.plastic(rng, m.bright(rng))
        parts.append(p.lathe(np.concatenate([outline, [(0.19, -0.43), (0, -0.5)]]), tee, 32))
    return parts


# ---- racquet -------------------------------------------------------------------------------------------------------
@category("racquet")
def racquet(rng, k):
    """Tennis racquet with an open throat, badminton racquet with a thin shaft, old wooden one, squash racquet."""
    style = ("tennis", "badminton", "wood", "squash")[k % 4]
    w, h = {"tennis": (0.4, 0.5), "badminton": (0.34, 0.4), "wood": (0.36, 0.46), "squash": (0.34, 0.5)}[style]
    frame_r = {"tennis": 0.02, "badminton": 0.011, "wood": 0.019, "squash": 0.015}[style]
    frame = m.wood(rng, "cherry") if style == "wood" else m.enamel(rng, m.bright(rng))
    accent = m.enamel(rng, m.vary(rng, "white" if m.chance(rng) else "black", 0.02))
    centre = 0.98 - h / 2
    head = p.oval(w, h, 2.1, 64)
    rim = p.sweep(
        p.in_plane(head), frame_r, frame, section=p.oval(2, 3 if style != "badminton" else 2, 2.4, 14), closed=True
    )
    rim = rim.paint(accent, lambda c: (np.abs(c[:, 1]) < 0.11 * h) | (c[:, 1] > 0.46 * h))
    parts = [p.join(rim, strings(rng, w, h, 17 if style != "badminton" else 19)).move(y=centre)]
    low = centre - h / 2
    join_y = {"tennis": 0.3, "squash": 0.3, "wood": low - 0.06, "badminton": low}[style]
    if style in ("tennis", "squash"):
        arm = p.curve(
            [(0.36 * w, low + 0.12 * h, 0), (0.2 * w, low - 0.03, 0), (0.02, join_y, 0), (0.014, join_y - 0.06, 0)], 20
        )
        parts.append(p.both(p.sweep(arm, frame_r, frame, section=p.oval(2, 3, 2.4, 14))))
    elif style == "wood":
        wedge = p.fillet(
            [(-0.12, low + 0.03), (0, low + 0.002), (0.12, low + 0.03), (0.03, low - 0.14), (-0.03, low - 0.14)],
            0.02,
            True,
        )
        parts.append(p.extrude(wedge, 0.05, m.wood(rng, "maple"), 0.012))
        parts.append(p.box((0.05, 0.2, 0.045), frame, 0.014).move(y=low - 0.18))
    shaft = 0.009 if style == "badminton" else 0.019
    parts.append(stick((0, 0.1, 0), (0, join_y - (0.1 if style == "wood" else -0.01), 0), shaft, frame, 16))
    grip = (
        m.leather(rng, m.pick(rng, ("black", "white", "brown")))
        if style != "badminton"
        else m.rubber(rng, m.bright(rng))
    )
    y, r = np.linspace(0, 0.28, 60), {"badminton": 0.02}.get(style, 0.029)
    wrap = np.column_stack([r * (1 + 0.06 * np.abs(np.sin(y * 90))), y])
    parts.append(
        s.grip(np.concatenate([[(0, -0.001)], [(1.25 * r, 0.0), (1.2 * r, 0.014)], wrap[4:], [(0, 0.281)]]), grip, 0.85)
    )
    return p.join(parts).scale(1.12, 1, 1.12)


def strings(rng, w: float, h: float, n: int) -> p.Part:
    """A net of n upright and some level strings in an oval."""
    cord = m.plastic(rng, m.pick(rng, ("white", "ivory", "lemon", "black")), 0.6)
    parts = []
    for x in np.linspace(-0.46, 0.46, n):
        y = 0.5 * h * (1 - (2 * x) ** 2) ** 0.5
        parts.append(stick((x * w, -y, 0), (x * w, y, 0), 0.0032, cord, 4))
    for y in np.linspace(-0.46, 0.46, int(n * h / w)):
        x = 0.5 * w * (1 - (2 * y) ** 2) ** 0.5
        parts.append(stick((-x, y * h, 0.003), (x, y * h, 0.003), 0.0032, cord, 4))
    return p.join(parts)


# ---- skates and boards ---------------------------------------------------------------------------------------------
def boot(height: float, upper: p.Finish, sole: p.Finish, lining: p.Finish, lace: p.Finish, heel: float = 0.0) -> p.Part:
    """A laced boot on y = 0 that points to +x, 1 long. heel: height of a heel."""
    sole_rows = [
        (0.0, -0.48, 0.47, 0.135),
        (0.05, -0.5, 0.5, 0.16),
        (0.13, -0.5, 0.5, 0.165),
        (0.2, -0.49, 0.46, 0.155),
    ]
    ankle_rows = [(0.27, -0.48, 0.33, 0.145), (0.36, -0.47, 0.1, 0.135), (0.48, -0.45, -0.06, 0.12)]
    cuff_rows = [(0.6, -0.46, -0.11, 0.125), (0.85, -0.49, -0.09, 0.145)]
    table = np.array([*sole_rows, *ankle_rows, *cuff_rows])  # height, back, front, half width
    table = p.curve(table[table[:, 0] < height + 1e-6], 36)
    sections = [p.oval(front - back, 2 * half, 2.5, 40) + ((front + back) / 2, 0) for _, back, front, half in table]
    rows = [np.column_stack([q[:, 0], np.full(40, y), q[:, 1]]) for q, y in zip(sections, table[:, 0], strict=True)]
    top_y, back, front, half = table[-1]
    middle = (front + back) / 2
    mouth = (
        p.extrude(0.88 * p.oval(front - back, 2 * half, 2.5, 32), 0.02, lining, 0.004)
        .rotate(x=90)
        .move(middle, top_y, 0)
    )
    cuff = p.sweep(p.in_plane(sections[-1], "xz") + (0, top_y, 0), 0.022, lining, 10, closed=True)
    plate = p.extrude(p.oval(1.01, 0.33, 2.7, 48), 0.055, sole, 0.02).rotate(x=90).move(0, 0.0, 0)
    tongue = (
        p.puff(p.oval(0.17, 0.24, 3, 28), 0.04, upper, 0.5)
        .rotate(y=90)
        .rotate(z=-8)
        .move(front - 0.01, top_y + 0.06, 0)
    )
    parts = [p.loft(np.array(rows), upper), mouth, cuff, plate, tongue]
    if heel:
        parts.append(p.box((0.3, heel + 0.03, 0.27), sole, 0.02).move(-0.34, -heel / 2, 0))
    for y in np.linspace(0.26, top_y - 0.06, round((top_y - 0.2) / 0.085)):
        edge, wide = np.interp(y, table[:, 0], table[:, 2]), np.interp(y, table[:, 0], table[:, 3])
        across = np.radians(np.linspace(-72, 72, 15))
        reach = np.interp(y, [0.2, 0.4, 0.8], [0.16, 0.1, 0.08])
        line = np.column_stack(
            [edge - reach * (1 - np.cos(across)) + 0.012, np.full(15, y), 0.62 * wide * np.sin(across)]
        )
        parts.append(p.rod(line, 0.015, lace, 8))
    bow = p.in_plane(p.oval(0.16, 0.08, 2, 24)) + (0.08, 0, 0)
    loop = p.sweep(bow, 0.012, lace, 8, closed=True).rotate(z=-25)
    parts.append(p.both(loop.rotate(y=-60), "z").move(front + 0.02, top_y - 0.06, 0))
    return p.join(parts)


@category("skate")
def skate(rng, k):
    """Figure skate, roller skate with four wheels, hockey skate, inline skate; from the side, the toe to the right."""
    style = ("ice", "roller", "hockey", "inline")[k % 4]
    tone = {"ice": "white", "roller": m.bright(rng), "hockey": "black", "inline": m.bright(rng)}[style]
    upper = m.leather(rng, tone) if style != "inline" else m.plastic(rng, tone, 0.6)
    dark, white = m.plastic(rng, "black", 0.5), m.fabric(rng, "white", "weave")
    sole = m.plastic(rng, {"ice": "dark brown", "roller": "black", "hockey": "grey", "inline": "charcoal"}[style])
    lining = m.fabric(rng, m.bright(rng) if style != "ice" else m.vary(rng, "beige"), "plush")
    lace = white if style != "ice" else m.fabric(rng, "light grey", "weave")
    shoe = boot(
        0.8 if style != "hockey" else 0.7, upper, sole, lining, lace, 0.08 if style in ("ice", "roller") else 0.0
    )
    steel = m.chrome(rng)
    if style in ("ice", "hockey"):
        outline = p.fillet(
            [(-0.56, -0.22), (-0.58, -0.27), (0.4, -0.28), (0.58, -0.2), (0.52, -0.15), (-0.5, -0.2)], 0.05, True
        )
        runner = p.extrude(outline, 0.032, steel, 0.004)
        if style == "hockey":
            holder = m.plastic(rng, "white", 0.6)
            tower = p.extrude(
                [
                    (-0.5, 0.0),
                    (-0.44, -0.19),
                    (0.5, -0.17),
                    (0.42, 0.0),
                    (0.12, 0.0),
                    (0.04, -0.1),
                    (-0.14, -0.1),
                    (-0.2, 0.0),
                ],
                0.08,
                holder,
                0.02,
            )
            stripes = p.both(
                p.repeat(p.box((0.05, 0.16, 0.02), white), 3, (0.09, 0, 0)).rotate(z=-20).move(0.1, 0.18, 0.16), "z"
            )
            return [shoe, tower, runner, stripes]
        posts = [p.box((0.1, 0.22, 0.036), steel, 0.01).move(x, -0.1, 0) for x in (-0.38, 0.25)]
        plates = [
            p.box((0.24, 0.02, 0.2), steel, 0.006).move(0.26, -0.03, 0),
            p.box((0.24, 0.02, 0.2), steel, 0.006).move(-0.35, -0.09, 0),
        ]
        return [shoe, runner, posts, plates]
    wheel_tone = m.plastic(rng, m.bright(rng), 0.6)
    if style == "roller":
        wheel = s.wheel(0.14, 0.12, wheel_tone, m.plastic(rng, "white")).rotate(y=90)
        truck = [
            p.join(
                p.both(wheel.move(z=0.17), "z"),
                stick((0, 0, -0.15), (0, 0, 0.15), 0.03, steel, 12),
                p.cone(0.04, 0.1, 0.16, steel, segments=20).move(y=0.1),
            ).move(x, -0.22, 0)
            for x in (-0.33, 0.3)
        ]
        stopper = p.cone(0.065, 0.045, 0.12, m.rubber(rng, m.bright(rng)), 0.02).rotate(z=25).move(0.52, -0.12, 0)
        return [
            shoe,
            p.box((0.9, 0.03, 0.2), steel, 0.01).move(y=-0.04),
            truck,
            stopper,
            p.box((0.2, 0.05, 0.1), steel).move(0.44, -0.06),
        ]
    wheel = s.wheel(0.13, 0.08, wheel_tone, m.plastic(rng, "white")).rotate(y=90)
    rail = p.extrude([(-0.5, 0.0), (-0.44, -0.13), (0.44, -0.13), (0.5, 0.0)], 0.02, steel, 0.005).move(z=0.055)
    cuff = p.box((0.43, 0.1, 0.32), dark, 0.04).move(-0.28, 0.6, 0)
    return [shoe, p.both(rail, "z"), p.repeat(wheel, 4, (0.29, 0, 0)).move(y=-0.18), cuff]


@category("skateboard")
def skateboard(rng, k):
    """Popsicle deck with black grip, small bright plastic cruiser, pintail longboard; on its wheels, along x."""
    style = ("street", "cruiser", "long")[k % 3]
    w, h = {"street": 0.27, "cruiser": 0.29, "long": 0.25}[style], 0.022
    outline = p.oval(1.0, w, {"street": 5, "cruiser": 3.2, "long": 2.3}[style], 64)
    kick = {"street": (0.3, 2.6), "cruiser": (0.34, 2.2), "long": (0.45, 1.0)}[style]
    paint_ = m.plastic(rng, m.bright(rng), 0.7) if style == "cruiser" else m.wood(rng, "maple")
    rise = lambda v: kick[1] * np.clip(np.abs(v[:, 0]) - kick[0], 0, 1) ** 2 + 0.6 * v[:, 2] ** 2  # noqa: E731
    deck = p.extrude(outline, h, paint_, 0.4 * h).rotate(x=-90)
    top = p.extrude(0.965 * outline, 0.006, m.foam(rng), 0.001).rotate(x=-90).move(y=h / 2)
    below = p.extrude(0.95 * outline, 0.006, board_art(rng), 0.001).rotate(x=90).move(y=-h / 2)
    board = p.join(deck, below, top if style != "cruiser" else None).subdivide(0.075).shift(y=rise)
    metal, wheel_tone = (
        m.steel(rng),
        m.plastic(rng, m.bright(rng) if style != "street" else m.pick(rng, ("white", "yellow", "red")), 0.5),
    )
    r = {"street": 0.058, "cruiser": 0.066, "long": 0.07}[style]
    wheel = s.wheel(r, 0.075, wheel_tone, m.plastic(rng, "white")).move(w * 0.42)
    truck = p.join(
        p.both(wheel),
        stick((-w * 0.42, 0, 0), (w * 0.42, 0, 0), 0.018, metal, 12),
        p.extrude([(-w * 0.3, -0.02), (w * 0.3, -0.02), (0.04, 0.055), (-0.04, 0.055)], 0.05, metal, 0.01),
        p.box((0.11, 0.02, 0.15), metal).move(y=0.06),
    ).rotate(y=90)
    bolts = p.four(p.cylinder(0.009, 0.012, metal, segments=10).move(0.04, h / 2 + 0.004, 0.035))
    return [board, p.both(p.join(truck.move(y=-0.075), bolts).move(0.3))]


def board_art(rng) -> p.Finish:
    """Slanted stripes and a word for the underside of a deck."""
    a, b, c = (m.srgb(m.bright(rng)) for _ in range(3))
    image = t.canvas(a, 220, 60)
    x, y = t.pixels(image)
    t.fill(image, (x * 3.6 + y) % 0.6 < 0.2, b)
    t.fill(image, np.abs(y - 0.5) < 0.27, c)
    t.write(image, m.pick(rng, ("ROLL", "SK8", "WAVE", "FLIP")), m.srgb("white"), (0.5, 0.5), 0.36, 0.2)
    return m.picture(image, 0.4)


@category("dumbbell")
def dumbbell(rng, k):
    """Black hexagons on chrome, plates with collars, small bright vinyl, chrome discs; along x."""
    style = ("hex", "plates", "vinyl", "chrome")[k % 4]
    chrome = m.chrome(rng)
    if style == "vinyl":
        soft = m.rubber(rng, m.bright(rng))
        head = p.superellipsoid((0.3, 0.42, 0.42), soft, 3, 3, 36).move(0.35)
        return [p.cylinder(0.07, 0.6, soft, segments=28).rotate(z=90), p.both(head)]
    grip = p.lathe(
        p.curve([(0.06, -0.2), (0.052, -0.12), (0.066, 0), (0.052, 0.12), (0.06, 0.2)], 40), chrome, 28
    ).rotate(z=90)
    rings = p.repeat(p.torus(0.058, 0.012, m.dark_metal(rng), 24, 6).rotate(z=90), 9, (0.032, 0, 0))
    if style == "hex":
        rubber = m.rubber(rng)
        outline = p.fillet(0.27 * p.circle(1.0, 6), 0.03, True)
        head = p.extrude(outline, 0.28, rubber, 0.06, rings=3).rotate(y=90).rotate(x=30).move(0.36)
        number = (
            s.letters(m.pick(rng, ("5", "10", "15", "20")), 0.16, 0.02, m.plastic(rng, "light grey"), 0.18)
            .rotate(y=90)
            .move(0.5)
        )
        number = p.join(number, number.rotate(y=180))
        return [grip, rings, p.both(p.join(head, p.cylinder(0.09, 0.06, chrome).rotate(z=90).move(0.22))), number]
    if style == "chrome":
        discs = [
            p.cylinder(r, 0.1, chrome, 0.03).rotate(z=90).move(x) for r, x in ((0.2, 0.25), (0.26, 0.35), (0.22, 0.45))
        ]
        return [grip, rings, p.both(p.join(discs))]
    iron = m.enamel(rng, m.pick(rng, ("black", "charcoal", "red", "blue")))
    bar = p.cylinder(0.04, 1.3, chrome, segments=24).rotate(z=90)
    plates = [
        p.cylinder(r, 0.08, iron, 0.025).rotate(z=90).move(x) for r, x in ((0.32, 0.28), (0.27, 0.37), (0.21, 0.45))
    ]
    nut = (
        p.join(p.cylinder(0.08, 0.06, chrome), p.around(p.box((0.05, 0.05, 0.04), chrome).move(0.09), 5))
        .rotate(z=90)
        .move(0.53)
    )
    return [grip, rings, bar, p.both(p.join(plates, nut, p.cylinder(0.1, 0.04, chrome).rotate(z=90).move(0.22)))]
