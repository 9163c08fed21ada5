"""Candles, most of them burning."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import wrapped
from mlspatial.render.library.catalogue import category


def flame(size: float = 0.2) -> p.Part:
    """A burning wick on y = 0."""
    outer = p.lathe(
        p.curve([(0, 0.02), (0.2, 0.2), (0.22, 0.4), (0.1, 0.75), (0, 1.0)], 16) * size,
        p.Finish((1.0, 0.45, 0.05), 0.9),
        18,
    )
    core = p.ellipsoid((0.3 * size, 0.5 * size, 0.3 * size), p.Finish((1.0, 0.85, 0.35), 0.9), 14).move(
        0, 0.3 * size, 0.09 * size
    )
    wick = p.cylinder(0.03 * size, 0.35 * size, p.Finish((0.02, 0.02, 0.02), 0.9), segments=8)
    return p.join(outer, core, wick)


def stick(rng, r: float, h: float, wax, drips: int = 5, size: float = 0.17) -> p.Part:
    """A candle with a hollow top, runs of wax and a flame."""
    rim = [(0, 0), (r, 0), (r, h - 0.3 * r), (r * 0.86, h), (r * 0.5, h - 0.15 * r), (0, h - 0.15 * r)]
    parts = [p.lathe(p.fillet(rim, 0.12 * r), wax, 36), flame(size).move(y=h - 0.2 * r)]
    for _ in range(drips):
        length = m.between(rng, 0.15, 0.45) * h
        drop = p.capsule(0.16 * r, length, wax, 10).move(0, h - 0.12 * r - length / 2, r * 0.98)
        parts.append(drop.rotate(y=m.between(rng, 0, 360)))
    return p.join(parts)


def candle_tone(rng):
    return m.pick(rng, (m.light, m.pastel, m.bright, m.muted))(rng)


def candle_wax(rng):
    return m.wax(rng, candle_tone(rng))


@category("candle")
def candle(rng, k):
    """Ten kinds: pillar, candlestick, chamberstick, jar, three pillars, candelabrum, tea light, twisted, cake, ball."""
    kinds = (
        pillar,
        candlestick,
        chamberstick,
        jar_candle,
        three_pillars,
        candelabrum,
        tea_light,
        twisted,
        birthday,
        ball,
    )
    return kinds[k % len(kinds)](rng)


def pillar(rng):
    """Thick, with drips, on a saucer."""
    r = m.between(rng, 0.17, 0.24)
    dish = p.lathe(
        p.fillet([(0, 0), (r * 1.2, 0), (r * 1.7, 0.06), (r * 1.62, 0.07), (r * 1.1, 0.03), (0, 0.03)], 0.01),
        m.ceramic(rng),
    )
    return [dish, stick(rng, r, m.between(rng, 0.5, 0.8), candle_wax(rng), 9, 0.24).move(y=0.02)]


def candlestick(rng):
    """A tall taper in a turned holder."""
    metal = m.pick(rng, (m.brass, m.chrome, m.wood, m.glass, m.ceramic))(rng)
    line = [
        (0.2, 0),
        (0.19, 0.03),
        (0.06, 0.06),
        (0.035, 0.12),
        (0.07, 0.18),
        (0.035, 0.24),
        (0.03, 0.36),
        (0.06, 0.42),
        (0.035, 0.46),
        (0.09, 0.5),
        (0.07, 0.56),
    ]
    holder = p.lathe(p.curve(line, 70), metal, 40)
    return [holder, stick(rng, 0.042, m.between(rng, 0.45, 0.65), candle_wax(rng), 4, 0.15).move(y=0.53)]


def chamberstick(rng):
    """A short candle in a dish with a finger ring."""
    metal = m.pick(rng, (m.brass, m.enamel, m.copper))(rng)
    dish = p.lathe(p.wall(p.curve([(0.02, 0), (0.26, 0.01), (0.34, 0.08)], 14), 0.014), metal)
    cup = p.lathe(p.wall([(0, 0.01), (0.085, 0.01), (0.08, 0.13), (0.1, 0.16)], 0.01), metal, 32)
    ring = p.torus(0.09, 0.028, metal, 32, 10).rotate(x=90).move(0.42, 0.09)
    return [
        dish,
        p.cylinder(0.3, 0.02, metal).move(y=0.012),
        cup,
        ring,
        stick(rng, 0.068, 0.5, candle_wax(rng), 6, 0.2).move(y=0.04),
    ]


def jar_candle(rng):
    """Scented wax in a glass with a label."""
    r, h = 0.3, m.between(rng, 0.55, 0.75)
    glass, wax = m.glass(rng, m.pick(rng, (m.pastel, m.pastel, m.bright))(rng)), candle_wax(rng)
    jar = s.vessel(p.fillet([(0, 0), (r, 0), (r, h)], 0.05), 0.02, glass, segments=56)
    word = m.pick(rng, ("ROSE", "VANILLA", "SEA", "PINE", "FIG", "CALM"))
    print_ = m.label(rng, word, "ivory", "black", wide=2 * np.pi * r / (0.43 * h), repeats=3, span=0.6)
    label = wrapped(r * 1.015, 0.25 * h, 0.68 * h, print_)
    wicks = [flame(0.3).move(x, h * 0.9) for x in ((0,) if m.chance(rng) else (-0.1, 0.1))]
    return [jar, p.cylinder(r * 0.94, h * 0.85, wax).move(y=h * 0.5), label, wicks]


def three_pillars(rng):
    """Three heights on a tray."""
    wax = candle_wax(rng)
    tray = p.lathe(
        p.wall(p.fillet([(0, 0), (0.48, 0), (0.52, 0.06)], 0.02), 0.02),
        m.pick(rng, (m.wood, m.brass, m.stone))(rng),
        56,
    )
    places = ((-0.2, 0.1, 0.42), (0.2, 0.12, 0.6), (0.02, -0.22, 0.85))
    return [tray, [stick(rng, 0.15, h, wax, 4, 0.2).move(x, 0.02, z) for x, z, h in places]]


def candelabrum(rng):
    """Three or five candles on curved arms."""
    metal, wax = m.pick(rng, (m.brass, m.chrome, m.gold, m.dark_metal))(rng), candle_wax(rng)
    line = [
        (0.2, 0),
        (0.18, 0.03),
        (0.05, 0.07),
        (0.03, 0.14),
        (0.06, 0.2),
        (0.026, 0.26),
        (0.026, 0.5),
        (0.05, 0.55),
        (0.03, 0.6),
    ]
    light = p.join(
        p.lathe([(0, 0), (0.08, 0.01), (0.04, 0.025), (0.05, 0.09), (0, 0.09)], metal, 24),
        stick(rng, 0.034, 0.34, wax, 1, 0.13).move(y=0.06),
    )
    parts = [p.lathe(p.curve(line, 48), metal, 28), light.move(y=0.6)]
    for reach in (0.34,) if m.chance(rng) else (0.24, 0.46):
        arm = p.curve([(0, 0.36), (reach * 0.5, 0.28), (reach * 0.97, 0.38), (reach, 0.54)], 28)
        parts.append(p.both(p.join(p.rod(p.in_plane(arm), 0.02, metal, 10), light.move(reach, 0.53))))
    return parts


def tea_light(rng):
    """A flat candle in a fluted tin or in a coloured glass."""
    wax = candle_wax(rng)
    tin = p.extrude(p.star(40, 0.4, 0.385), 0.3, m.aluminium(rng), 0.01).rotate(x=90).move(y=0.15)
    lip = p.torus(0.4, 0.03, m.aluminium(rng)).move(y=0.3)
    return [tin, lip, p.cylinder(0.375, 0.03, wax).move(y=0.3), flame(0.36).move(y=0.31)]


def twisted(rng):
    """A spiral candle in a small holder."""
    wax, metal = candle_wax(rng), m.pick(rng, (m.brass, m.ceramic, m.glass))(rng)
    outline = p.star(4, 1.0, 0.72)
    shape = p.fillet(outline, 0.2, closed=True)
    y = np.linspace(0.1, 0.9, 50)
    r = 0.085 * np.clip((0.98 - y) / 0.2, 0.3, 1)
    path = np.column_stack([0 * y, y, 0 * y])
    body = p.sweep(path, r, wax, section=shape, crease=50).twist(m.between(rng, 540, 900))
    foot = p.lathe(p.fillet([(0, 0), (0.22, 0), (0.2, 0.04), (0.1, 0.07), (0.11, 0.15), (0, 0.15)], 0.015), metal)
    return [body, foot, flame(0.17).move(y=0.88)]


def birthday(rng):
    """A number on a stick, with stripes."""
    ink, rim = m.wax(rng, m.bright(rng)), m.wax(rng, "white")
    digit = str(int(rng.integers(0, 10)))
    body = p.join(s.letters(digit, 0.62, 0.1, rim, 0.3), s.letters(digit, 0.62, 0.13, ink, 0.17)).move(y=0.55)
    return [body, p.cylinder(0.018, 0.34, rim, segments=12).move(y=0.06), flame(0.22).move(y=0.92)]


def ball(rng):
    """A ball or a cube of layered wax on a dish."""
    tones = [m.srgb(candle_tone(rng)) for _ in range(3)]
    layers = m.picture(t.stripes([tones[0], tones[1], tones[2], tones[0]], [1, 1, 1, 1.2], upright=False), 0.45)
    body = p.sphere(0.34, layers, 44) if m.chance(rng) else p.box((0.52, 0.6, 0.52), layers, 0.04)
    body = body.stand(0.05)
    dish = p.lathe(p.wall(p.curve([(0.02, 0), (0.26, 0), (0.44, 0.08)], 14), 0.016), m.ceramic(rng))
    return [dish, p.cylinder(0.3, 0.03, m.ceramic(rng)).move(y=0.03), body, flame(0.26).move(y=body.high[1] - 0.02)]
