"""Toys, and things for sport and play."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category


def colors(rng, n: int) -> list:
    """n different bright colours."""
    return [m.vary(rng, m.BRIGHT[i], 0.04) for i in rng.permutation(len(m.BRIGHT))[:n]]


def paints(rng, n: int) -> list[p.Finish]:
    """n different bright finishes of one material."""
    kind = m.pick(rng, (m.plastic, m.enamel, m.paint))
    return [kind(rng, c) for c in colors(rng, n)]


def eyes(x: float, y: float, z: float, size: float, rng) -> p.Part:
    """A pair of black eyes with a light point."""
    black, white = m.plastic(rng, "black", 0.95), m.plastic(rng, "white", 0.5)
    eye = p.join(p.sphere(size, black, 18), p.sphere(size * 0.32, white, 10).move(-size * 0.3, size * 0.4, size * 0.8))
    return p.join(eye.move(x, y, z), eye.move(-x, y, z))


@category("toy")
def toy(rng, k):
    """Fourteen kinds, one an identity."""
    return TOYS[k % len(TOYS)](rng)


def car(rng):
    """A rounded car that drives to the front left."""
    body, roof, _ = paints(rng, 3)
    glass, chrome = m.glass(rng, "#25323a"), m.chrome(rng)
    w = 0.44
    lower = p.extrude(
        p.fillet(
            [(-0.5, 0.1), (0.5, 0.1), (0.52, 0.24), (0.46, 0.32), (-0.48, 0.34), (-0.52, 0.22)], 0.06, closed=True
        ),
        w,
        body,
        0.06,
        rings=3,
    )
    line = p.fillet([(-0.36, 0.28), (0.3, 0.28), (0.14, 0.5), (-0.26, 0.52)], 0.07, closed=True)
    cabin = p.extrude(line, w * 0.84, roof, 0.05, rings=3)
    window = p.fillet([(-0.27, 0.34), (0.2, 0.34), (0.11, 0.46), (-0.22, 0.475)], 0.03, closed=True)
    panes = p.extrude(window, w * 0.86, glass, 0.01)
    front = p.box((0.02, 0.11, w * 0.62), glass, 0.006).rotate(z=36).move(0.235, 0.4, 0)
    rear = p.box((0.02, 0.13, w * 0.62), glass, 0.006).rotate(z=-22).move(-0.325, 0.4, 0)
    wheel = s.wheel(0.125, 0.1, m.rubber(rng), chrome).rotate(y=90).move(0.3, 0.125, w / 2 - 0.02)
    lamp = p.disc(0.045, 0.03, m.glass(rng, "lemon"), 20).rotate(y=90).move(0.505, 0.24, w * 0.3)
    tail = p.disc(0.035, 0.03, m.glass(rng, "red"), 20).rotate(y=90).move(-0.515, 0.25, w * 0.32)
    bumper = p.both(p.box((0.05, 0.05, w * 0.9), chrome, 0.02).move(0.5, 0.13, 0))
    return p.join(lower, cabin, panes, front, rear, p.four(wheel), p.both(p.join(lamp, tail), "z"), bumper).rotate(
        y=-90
    )


def blocks(rng):
    """Three lettered cubes, one on top."""
    letters = "ABCDEFGHKMRSTXZ123"
    parts = []
    for i, place in enumerate(((-0.21, 0.2, 0), (0.22, 0.2, 0.02), (0.02, 0.605, 0.0))):
        color = colors(rng, 3)[i]
        cube = p.box((0.4,) * 3, m.wood(rng, "maple") if m.chance(rng, 0.5) else m.paint(rng, "cream"), 0.025)
        ink = m.paint(rng, color)
        rim = p.extrude(p.rectangle(0.32, 0.32, 0.02), 0.012, ink, 0.003, holes=[p.rectangle(0.27, 0.27, 0.015)])
        for turn in (0, 90, 180, 270):
            face = p.join(rim, s.letters(letters[int(rng.integers(len(letters)))], 0.19, 0.014, ink, 0.2))
            cube = p.join(cube, face.move(z=0.2).rotate(y=turn))
        parts.append(cube.rotate(y=m.between(rng, -14, 14)).move(*place))
    return parts


def ball(rng):
    """A beach ball with coloured segments and a star at its poles."""
    tones = [m.srgb(c) for c in colors(rng, 3)]
    white = m.srgb("white")
    image = t.stripes([tones[0], white, tones[1], white, tones[2], white])
    body = p.sphere(0.5, p.Finish((1.0, 1.0, 1.0), 0.25, 0.0, image, None), 56)
    pole = p.lathe([(0, 0.475), (0.13, 0.475), (0.12, 0.488), (0.06, 0.5), (0, 0.502)], m.plastic(rng, "white"), 24)
    return p.join(p.both(pole, "y"), body).rotate(x=m.between(rng, 15, 40), z=m.between(rng, -40, 40))


def duck(rng):
    """A bath duck."""
    yellow = m.plastic(rng, m.vary(rng, m.pick(rng, ("yellow", "yellow", "lemon", "pink", "sky")), 0.03), 0.7)
    orange = m.plastic(rng, m.vary(rng, "orange"), 0.7)
    body = p.superellipsoid((0.56, 0.44, 0.84), yellow, 2.3, 2.2, 44)
    body = body.shift(  # a narrow tail that points up
        x=lambda v: -0.9 * v[:, 0] * np.clip(-v[:, 2] - 0.1, 0, 1),
        y=lambda v: 0.85 * np.clip(-v[:, 2] - 0.15, 0, 1) ** 1.3,
    )
    head = p.sphere(0.21, yellow, 36).move(0, 0.4, 0.22)
    neck = p.cylinder(0.14, 0.2, yellow).move(0, 0.22, 0.2)
    bill = p.superellipsoid((0.2, 0.05, 0.22), orange, 2, 2.4, 24)
    bill = p.join(bill.rotate(x=-10), bill.scale(0.85).rotate(x=14).move(y=-0.035)).move(0, 0.375, 0.42)
    wing = p.puff(
        p.curve([(0.2, 0.02), (0.05, 0.13), (-0.26, 0.12), (-0.12, -0.06), (0.1, -0.1)], 28, closed=True),
        0.12,
        yellow,
        0.9,
    )
    wing = wing.rotate(y=90).rotate(y=180).rotate(z=-10).move(0.27, 0.03, 0.0)
    return [body, neck, head, bill, p.both(wing.mirror("z")), eyes(0.115, 0.46, 0.37, 0.034, rng)]


def robot(rng):
    """A tin robot with dials, an aerial and clamps for hands."""
    a, b, c = paints(rng, 3)
    steel, dark = m.brushed_metal(rng), m.plastic(rng, "black")
    glow = m.glass(rng, m.pick(rng, ("yellow", "turquoise", "lime", "red")))
    parts = [
        p.box((0.42, 0.4, 0.28), a, 0.03).move(y=0.46),
        p.box((0.3, 0.24, 0.24), b, 0.03).move(y=0.82),
        p.cylinder(0.07, 0.08, steel).move(y=0.68),
    ]
    parts.append(p.both(p.join(p.disc(0.05, 0.03, steel, 24), p.disc(0.036, 0.045, glow, 20)).move(0.075, 0.85, 0.125)))
    parts.append(p.repeat(p.box((0.03, 0.05, 0.02), dark, 0.004), 4, (0.045, 0, 0)).move(0, 0.755, 0.12))
    parts += [p.cylinder(0.008, 0.12, steel, segments=10).move(y=0.99), p.sphere(0.03, glow, 18).move(y=1.06)]
    parts.append(p.both(p.disc(0.045, 0.06, steel, 20).rotate(y=90).move(0.165, 0.82, 0)))
    parts.append(p.box((0.3, 0.22, 0.02), c, 0.01).move(0, 0.5, 0.14))
    parts += [p.disc(0.035, 0.03, tone, 20).move(x, 0.54, 0.15) for x, tone in ((-0.09, glow), (0.0, a), (0.09, b))]
    parts.append(p.repeat(p.box((0.2, 0.016, 0.02), dark, 0.004), 3, (0, 0.03, 0)).move(0, 0.45, 0.145))
    lift = m.between(rng, -20, 60)
    ribs = p.lathe(p.curve([(0.05 + 0.012 * (i % 2), -0.02 * i) for i in range(13)], 60), steel, 20)
    claw = p.sweep(p.in_plane(p.arc(0.06, -50, 230, 18)), 0.02, dark, 10).move(y=-0.31)
    arm = p.join(ribs, claw, p.sphere(0.07, b, 20)).rotate(x=-lift).move(0.265, 0.58, 0)
    leg = p.join(
        p.cylinder(0.06, 0.2, steel, segments=24).move(y=0.19), p.box((0.16, 0.1, 0.26), c, 0.03).move(0, 0.05, 0.03)
    )
    return [*parts, p.both(arm), p.both(leg.move(0.11))]


def rocket(rng):
    """A pointed rocket on three fins with portholes."""
    a, b, c = paints(rng, 3)
    hull = p.lathe(
        p.curve([(0.1, 0.1), (0.16, 0.2), (0.2, 0.45), (0.17, 0.7), (0.1, 0.86)], 30), m.plastic(rng, "white", 0.7)
    )
    nose = p.lathe(p.curve([(0.103, 0.855), (0.07, 0.92), (0.025, 0.99), (0.0, 1.02)], 14), a)
    belt = p.lathe([(0.19, 0.3), (0.198, 0.3), (0.207, 0.36), (0.19, 0.36), (0.19, 0.3)], b)
    fin = p.puff(p.fillet([(0.1, 0.36), (0.36, 0.06), (0.37, -0.02), (0.12, 0.14)], 0.03, closed=True), 0.045, a, 0.5)
    port = p.join(
        p.torus(0.055, 0.026, c, 28, 10).rotate(x=90),
        p.superellipsoid((0.11, 0.11, 0.05), m.glass(rng, "sky"), segments=24),
    )
    ports = [port.move(0, 0.62, 0.185), port.scale(0.8).move(0, 0.48, 0.195)]
    jet = p.lathe(p.wall(p.curve([(0.08, 0.12), (0.08, 0.07), (0.12, 0.0)], 8)[::-1], 0.015), m.dark_metal(rng), 32)
    flame = p.lathe(p.curve([(0, 0.07), (0.07, 0.02), (0.05, -0.06), (0, -0.16)], 14), m.plastic(rng, "orange"), 24)
    return [hull, nose, belt, p.around(fin, 3 if m.chance(rng) else 4, start=30), *ports, jet, flame]


def teddy(rng):
    """A sitting bear."""
    fur = m.fur(rng, m.vary(rng, m.pick(rng, ("tan", "brown", "beige", "cream")), 0.04))
    pale, black = m.fur(rng, m.vary(rng, "cream", 0.03)), m.plastic(rng, "black", 0.8)
    cloth = m.fabric(rng, m.bright(rng))
    parts = [p.ellipsoid((0.46, 0.52, 0.4), fur).move(y=0.3), p.ellipsoid((0.3, 0.36, 0.1), pale).move(0, 0.28, 0.17)]
    parts += [
        p.ellipsoid((0.44, 0.4, 0.38), fur).move(0, 0.72, 0.02),
        p.ellipsoid((0.2, 0.16, 0.16), pale).move(0, 0.66, 0.19),
    ]
    parts.append(p.ellipsoid((0.07, 0.05, 0.05), black, 18).move(0, 0.7, 0.265))
    ear = p.join(p.ellipsoid((0.16, 0.16, 0.08), fur, 24), p.ellipsoid((0.1, 0.1, 0.05), pale, 20).move(z=0.025))
    leg = p.join(
        p.capsule(0.105, 0.36, fur, 28).rotate(x=78, y=22),
        p.ellipsoid((0.2, 0.22, 0.12), fur, 28).rotate(y=22).move(0.07, 0.03, 0.19),
        p.ellipsoid((0.13, 0.15, 0.05), pale, 20).rotate(y=22).move(0.09, 0.03, 0.245),
    )
    arm = p.capsule(0.085, 0.38, fur, 28).rotate(z=48).rotate(x=-25).move(0.27, 0.4, 0.08)
    smile = p.rod(p.in_plane(p.arc(0.045, 200, 340, 12)) + (0, 0.655, 0.268), 0.006, black, 8)
    bow = p.join(p.superellipsoid((0.15, 0.1, 0.06), cloth, segments=18).move(0.085), p.sphere(0.035, cloth, 14)).move(
        0, 0.53, 0.2
    )
    bow = p.both(bow)
    return [
        *parts,
        p.both(ear.move(0.17, 0.9, 0.0)),
        p.both(leg.move(0.15, 0.13, 0.16)),
        p.both(arm),
        smile,
        bow,
        eyes(0.085, 0.765, 0.19, 0.026, rng),
    ]


def train(rng):
    """A steam engine."""
    a, b, c = paints(rng, 3)
    dark, brass = m.plastic(rng, "black"), m.brass(rng)
    parts = [
        p.box((0.36, 0.07, 1.0), c, 0.015).move(y=0.2),
        p.cylinder(0.15, 0.56, a, 0.02).rotate(x=90).move(0, 0.4, 0.16),
    ]
    parts += [p.torus(0.152, 0.02, brass, 40, 8).rotate(x=90).move(0, 0.4, z) for z in (0.05, 0.3)]
    parts.append(p.disc(0.12, 0.03, dark, 32).move(0, 0.4, 0.445))
    parts += [
        p.box((0.34, 0.42, 0.3), b, 0.02).move(0, 0.44, -0.28),
        p.box((0.42, 0.04, 0.4), c, 0.015).move(0, 0.67, -0.28),
    ]
    parts.append(p.both(p.box((0.02, 0.15, 0.16), m.glass(rng, "sky"), 0.01).move(0.167, 0.52, -0.28)))
    parts.append(p.both(p.box((0.1, 0.13, 0.02), m.glass(rng, "sky"), 0.01).move(0.09, 0.57, -0.13)))
    parts.append(
        p.lathe(
            p.fillet([(0, 0), (0.05, 0), (0.045, 0.12), (0.09, 0.2), (0.09, 0.23), (0, 0.23)], 0.01), dark, 28
        ).move(0, 0.52, 0.34)
    )
    parts.append(p.superellipsoid((0.13, 0.16, 0.13), brass, segments=24).move(0, 0.55, 0.12))
    big = s.wheel(0.14, 0.06, c, b, 8).move(0.19, 0.14, -0.3)
    small = p.join(*[s.wheel(0.1, 0.06, c, b, 6).move(0.19, 0.1, z) for z in (0.02, 0.28)])
    rod = p.box((0.02, 0.03, 0.6), m.steel(rng), 0.008).move(0.235, 0.12, -0.02)
    catcher = (
        p.extrude([(-0.19, 0.0), (0.19, 0.0), (0.13, 0.16), (-0.13, 0.16)], 0.04, c, 0.01)
        .rotate(x=-25)
        .move(0, 0.06, 0.52)
    )
    return [*parts, p.both(p.join(big, small, rod)), catcher]


def boat(rng):
    """A sailing boat with two sails and a flag."""
    hull_paint, trim, _ = paints(rng, 3)
    n = 20
    rows = []
    for q in np.linspace(0, 1, n):
        wide = 0.17 * np.sin(np.pi * np.clip(0.18 + 0.82 * q, 0, 1)) ** 0.6 * (1 if q < 0.999 else 0.02) + 0.004
        deck, keel = 0.22 + 0.07 * (2 * q - 0.9) ** 2, 0.0 + 0.12 * q**3
        a = np.radians(np.linspace(180, 360, 15))
        side = np.column_stack([wide * np.cos(a), deck + (deck - keel) * np.sin(a)])
        rows.append(np.column_stack([np.full(15, q - 0.5), side[:, 1], side[:, 0]]))
    hull = p.loft(np.array(rows), hull_paint)
    mast = p.cylinder(0.016, 0.85, m.wood(rng), segments=14).move(0.05, 0.6, 0)
    sail, jib = (
        m.fabric(rng, m.pick(rng, ("white", "ivory", "red", "sky")), "weave"),
        m.fabric(rng, m.bright(rng), "weave"),
    )
    billow = lambda v: 0.25 * np.sin(np.pi * np.clip((0.05 - v[:, 0]) / 0.5, -0.8, 1)) * (1.05 - v[:, 1])  # noqa: E731
    main = p.extrude([(0.03, 0.34), (0.03, 0.99), (-0.42, 0.34)], 0.012, sail).subdivide(0.08).shift(z=billow)
    fore = p.extrude([(0.075, 0.36), (0.43, 0.34), (0.075, 0.88)], 0.012, jib).subdivide(0.08).shift(z=billow)
    flag = p.extrude([(0.05, 0.99), (0.05, 1.07), (-0.1, 1.03)], 0.012, trim)
    boom = p.cylinder(0.012, 0.46, m.wood(rng), segments=12).rotate(z=90).move(-0.18, 0.32, 0)
    cabin = p.box((0.22, 0.1, 0.16), trim, 0.025).move(-0.2, 0.25, 0)
    return [hull, mast, main, fore, flag, boom, cabin]


def top(rng):
    """A humming top with bands and a pump handle."""
    tones = [m.srgb(c) for c in colors(rng, 4)]
    band = p.Finish(
        (1.0, 1.0, 1.0), 0.2, 0.0, t.stripes([tones[0], tones[1], tones[0], tones[2], tones[3]], upright=False), None
    )
    metal = m.chrome(rng)
    profile = p.curve(
        [(0.03, 0.08), (0.12, 0.13), (0.33, 0.3), (0.42, 0.44), (0.33, 0.55), (0.12, 0.63), (0.05, 0.66)], 40
    )
    parts = [
        p.lathe(profile, band, 56),
        p.lathe([(0, 0), (0.02, 0.03), (0.03, 0.1), (0, 0.1)], metal, 20),
        p.torus(0.42, 0.03, metal).move(y=0.44),
    ]
    twist = p.sweep(
        np.column_stack([np.zeros(30), np.linspace(0.64, 0.92, 30), np.zeros(30)]),
        0.02,
        metal,
        section=p.rectangle(2, 0.8),
    ).twist(900)
    return [*parts, twist, p.capsule(0.06, 0.2, m.paint(rng, m.bright(rng))).rotate(z=90).move(y=0.95)]


def rings(rng):
    """Rings of falling size on a cone."""
    n = int(rng.integers(5, 7))
    tones = paints(rng, n)
    base = p.lathe(
        p.fillet([(0, 0), (0.4, 0), (0.36, 0.09), (0.07, 0.1), (0.05, 0.95), (0, 0.95)], 0.03), m.wood(rng, "maple")
    )
    y, parts = 0.1, [base]
    for i, tone in enumerate(tones):
        thick = 0.15 - 0.012 * i
        radius = 0.3 - 0.2 * i / (n - 1)
        parts.append(p.torus(radius * 0.72 + 0.03, thick, tone, 44, 18).move(y=y + thick / 2))
        y += thick * 0.95
    return [*parts, p.sphere(0.09, m.paint(rng, m.bright(rng)), 28).move(y=max(y + 0.06, 0.96))]


def plane(rng):
    """A propeller plane that flies to the front."""
    a, b, c = paints(rng, 3)
    body = p.lathe(
        p.curve([(0.0, -0.5), (0.03, -0.48), (0.07, -0.2), (0.13, 0.15), (0.12, 0.36), (0.07, 0.44), (0, 0.45)], 36),
        a,
        40,
    ).rotate(x=90)
    wing = p.puff(p.rectangle(1.1, 0.26, 0.12), 0.05, b, 0.4).rotate(x=90)
    parts = [
        body,
        wing.move(0, 0.02, 0.12),
        p.puff(p.rectangle(0.42, 0.15, 0.06), 0.035, b, 0.4).rotate(x=90).move(0, 0.02, -0.42),
    ]
    if m.chance(rng):
        parts += [
            wing.move(0, 0.26, 0.14),
            *[s.between((x, 0.02, z), (x, 0.26, z), 0.012, c, sides=10) for x in (-0.4, 0.4) for z in (0.06, 0.2)],
        ]
    fin = p.puff(p.fillet([(-0.52, 0), (-0.3, 0), (-0.42, 0.2), (-0.52, 0.22)], 0.04, closed=True), 0.035, c, 0.4)
    parts.append(fin.rotate(y=-90))
    spinner = p.lathe(p.curve([(0.045, 0), (0.03, 0.05), (0, 0.08)], 8), c, 24).rotate(x=90).move(z=0.44)
    blade = p.puff(
        p.curve([(0, 0), (0.035, 0.12), (0.015, 0.26), (-0.015, 0.26), (-0.03, 0.12)], 24, closed=True),
        0.02,
        m.wood(rng),
        0.6,
    )
    parts += [
        spinner,
        p.around(blade, 2, "z", m.between(rng, 0, 90)).move(z=0.47),
        p.ellipsoid((0.13, 0.13, 0.22), m.glass(rng, "sky"), 28).move(0, 0.12, 0.05),
    ]
    wheel = s.wheel(0.07, 0.04, m.rubber(rng), c).move(0.16, -0.2, 0.2)
    return [*parts, p.both(p.join(wheel, s.between((0.15, -0.2, 0.2), (0.06, -0.05, 0.18), 0.012, c, sides=10)))]


def drum(rng):
    """A tin drum with cords and two sticks."""
    a, b, c = paints(rng, 3)
    parts = [
        p.cylinder(0.4, 0.42, a, segments=56).move(y=0.21),
        p.cylinder(0.385, 0.44, m.paper(rng, "ivory"), 0.01, 56).move(y=0.21),
    ]
    parts += [p.torus(0.4, 0.05, b).move(y=y) for y in (0.02, 0.4)]
    cord = p.both(s.between((-0.13, 0.04, 0.395), (0.0, 0.38, 0.415), 0.01, c, sides=8))
    parts.append(p.around(cord, 9))
    stick = p.join(
        p.cylinder(0.016, 0.6, m.wood(rng), segments=14), p.sphere(0.035, m.wood(rng, "maple"), 18).move(y=0.3)
    )
    return [*parts, stick.rotate(x=90, y=35).move(-0.08, 0.47, 0.1), stick.rotate(x=90, y=-30).move(0.1, 0.48, 0.08)]


def xylophone(rng):
    """Coloured bars of falling length on two rails, with a mallet."""
    n = 8
    tones = ("red", "orange", "yellow", "lime", "green", "turquoise", "blue", "purple")
    frame = m.wood(rng, m.pick(rng, ("maple", "beech", "oak")))
    kind = m.pick(rng, (m.plastic, m.enamel, m.paint))
    parts = []
    for i, tone in enumerate(tones):
        x, length = (i - (n - 1) / 2) * 0.125, 0.52 - 0.03 * i
        bar = p.box((0.1, 0.03, length), kind(rng, m.vary(rng, tone, 0.03)), 0.01).move(x, 0.1, 0)
        pin = p.sphere(0.016, m.steel(rng), 12).move(x, 0.118, length * 0.36)
        parts += [bar, p.both(pin, "z")]
    rail = s.plank((-0.52, 0.05, 0.19), (0.52, 0.05, 0.125), 0.05, 0.09, frame, up=(0, 1, 0))
    parts.append(p.both(rail, "z"))
    stick = p.join(
        p.cylinder(0.013, 0.5, frame, segments=12), p.sphere(0.04, m.rubber(rng, m.bright(rng)), 20).move(y=0.25)
    )
    return [*parts, stick.rotate(z=-75).rotate(y=20).move(0.05, 0.2, 0.05)]


TOYS = (car, blocks, ball, duck, robot, rocket, teddy, train, boat, top, rings, plane, drum, xylophone)
