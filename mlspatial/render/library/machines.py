"""Larger machines: vacuum cleaners, lawn mowers, trucks, printers."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import buttons, readout, wire
from mlspatial.render.library.catalogue import category


@category("vacuum cleaner")
def vacuum_cleaner(rng, k):
    """A canister on wheels with hose, tube and floor head; every second one an upright cleaner with a dust bag."""
    color = m.plastic(rng, m.vary(rng, ("red", "purple", "blue", "turquoise")[k % 4], 0.04), 0.8)
    dark, chrome = m.plastic(rng, "charcoal", 0.5), m.chrome(rng)
    head = p.join(
        p.extrude(
            p.fillet([(-0.19, -0.08), (0.19, -0.08), (0.17, 0.08), (-0.17, 0.08)], 0.05, True), 0.06, dark, 0.025
        ).rotate(x=-90),
        p.box((0.32, 0.02, 0.03), m.fabric(rng, "grey", "plush"), 0.008).move(0, -0.03, 0.06),
        p.cylinder(0.035, 0.16, dark).rotate(x=-40).move(0, 0.07, -0.06),
    )
    if k % 2:
        bag = (
            p.superellipsoid((0.26, 0.62, 0.2), m.fabric(rng, m.bright(rng), "twill"), 3, 2.4, 36)
            .rotate(x=-18)
            .move(0, 0.55, -0.16)
        )
        body = p.superellipsoid((0.36, 0.2, 0.34), color, 2.6, 3, 36).move(0, 0.12, 0.0)
        pole = p.rod(p.fillet([(0, 0.15, -0.08), (0, 1.05, -0.4), (0, 1.2, -0.4)], 0.1), 0.02, chrome)
        grip = p.rod(p.fillet([(0, 1.1, -0.42), (0, 1.24, -0.42), (0, 1.3, -0.54)], 0.05), 0.028, dark)
        lamp = p.box((0.16, 0.04, 0.03), m.glass(rng, "lemon"), 0.01).move(0, 0.14, 0.165)
        wheels = p.both(p.disc(0.06, 0.04, dark, 24).rotate(y=90).move(0.18, 0.06, -0.1))
        return [head.scale(1.1).move(0, 0.04, 0.14), body, bag, pole, grip, lamp, wheels]
    body = p.superellipsoid((0.36, 0.3, 0.6), color, 2.4, 2.8, 48).move(0, 0.2)
    belt = p.superellipsoid((0.375, 0.07, 0.62), dark, 4, 2.8, 40).move(0, 0.16)
    big = s.wheel(0.13, 0.06, m.rubber(rng), chrome).move(0.19, 0.13, -0.16)
    small = p.disc(0.05, 0.04, dark, 20).rotate(y=90).move(0.09, 0.05, 0.22)
    grip = p.rod(p.curve([(0, 0.32, -0.16), (0, 0.42, -0.08), (0, 0.42, 0.06), (0, 0.33, 0.14)], 20), 0.022, dark)
    button = p.disc(0.05, 0.03, chrome, 24).rotate(x=-90).move(0, 0.345, -0.02)
    floor = np.array([0.62, 0.03, 0.3])
    top = floor + (-0.1, 0.95, -0.35)
    tube = s.between(floor + (0, 0.08, -0.04), top, 0.022, chrome)
    loop = p.curve(
        [
            (0, 0.22, 0.28),
            (0.02, 0.3, 0.46),
            (0.2, 0.6, 0.5),
            (0.38, 0.95, 0.25),
            tuple(top + (-0.05, 0.08, -0.03)),
            tuple(top),
        ],
        110,
    )
    ridges = 0.03 + 0.005 * (np.arange(110) % 2)
    wand = p.rod(p.fillet([top, top + (0.0, -0.12, 0.04)], 0.01), 0.036, dark)
    return [
        body,
        belt,
        p.both(p.join(big, small)),
        grip,
        button,
        tube,
        wand,
        p.sweep(loop, ridges, dark, 12),
        head.move(*floor),
    ]


@category("lawn mower, mower")
def lawn_mower(rng, k):
    """A petrol mower with a grass bag; every second one a push mower with a reel of blades."""
    color = m.enamel(rng, m.vary(rng, ("red", "green", "orange", "yellow")[k % 4], 0.03))
    dark, steel, rubber = m.plastic(rng, "black", 0.5), m.steel(rng), m.rubber(rng)
    handle = p.fillet([(0.24, 0.2, -0.28), (0.24, 0.85, -0.95), (-0.24, 0.85, -0.95), (-0.24, 0.2, -0.28)], 0.08)
    grip = p.capsule(0.024, 0.4, m.foam(rng), 18).rotate(z=90).move(0, 0.85, -0.95)
    parts = [p.rod(handle, 0.016, dark if k % 2 == 0 else steel, 12), grip]
    parts.append(wire((-0.24, 0.52, -0.61), (0.24, 0.52, -0.61), 0.012, steel))
    if k % 2:
        path = p.spiral(0.13, 0.5, 0.3, 16) - (0, 0.25, 0)
        vane = p.strap(path, 0.06, 0.012, steel, up=(0.01, 0.02, 1)).rotate(z=90)
        reel = p.join(p.around(vane, 6, "x"), p.cylinder(0.025, 0.6, dark, segments=14).rotate(z=90))
        wheels = p.both(s.wheel(0.2, 0.07, rubber, color, 6).move(0.31, 0.2))
        return [
            *parts,
            reel.move(y=0.2),
            wheels,
            p.box((0.56, 0.03, 0.12), color, 0.01).move(0, 0.38, -0.04),
            p.both(p.box((0.02, 0.3, 0.16), color).move(0.26, 0.25, -0.08)),
        ]
    deck = p.extrude(
        p.fillet([(-0.26, -0.34), (0.26, -0.34), (0.26, 0.16), (0.14, 0.36), (-0.14, 0.36), (-0.26, 0.16)], 0.08, True),
        0.13,
        color,
        0.05,
        rings=3,
    )
    hump = p.superellipsoid((0.44, 0.1, 0.5), color, 3, 2.4, 32).move(y=0.24)
    fins = p.repeat(p.box((0.2, 0.012, 0.22), steel, 0), 5, (0, 0.025, 0)).move(0, 0.33, 0.05)
    engine = p.join(
        p.box((0.22, 0.14, 0.24), dark, 0.03).move(0, 0.32, 0.0),
        fins,
        p.cylinder(0.13, 0.09, dark, 0.03).move(0, 0.43, 0.0),
    )
    cap = p.join(
        p.cylinder(0.08, 0.03, color, 0.01).move(y=0.485),
        p.cylinder(0.035, 0.05, m.plastic(rng, "yellow")).move(0.15, 0.4, -0.06),
    )
    exhaust = p.cylinder(0.05, 0.1, steel).rotate(z=90).move(0.15, 0.33, 0.1)
    wheels = p.join(
        [
            p.both(s.wheel(0.11 + 0.02 * (z < 0), 0.06, rubber, m.plastic(rng, "light grey"), 5).move(0.3, 0.115, z))
            for z in (-0.26, 0.26)
        ]
    )
    bag = p.cushion((0.44, 0.34, 0.42), m.fabric(rng, "charcoal", "weave"), 0.5).rotate(x=24).move(0, 0.36, -0.5)
    return [*parts, deck.rotate(x=-90).scale(1, 1, -1).move(y=0.17), hump, engine, cap, exhaust, wheels, bag]


@category("truck")
def truck(rng, k):
    """A lorry with a lettered box, a tipper with sand, a tank lorry; drives to the front."""
    kind = ("box", "tipper", "tank")[k % 3]
    color = m.enamel(rng, m.vary(rng, ("red", "yellow", "blue", "green", "orange")[k % 5], 0.03))
    pale = m.enamel(rng, "white")
    chrome, dark, steel = m.chrome(rng), m.plastic(rng, "black", 0.5), m.steel(rng)
    pane = m.glass(rng, "#25323a")
    line = p.fillet([(0.42, 0.16), (0.82, 0.16), (0.83, 0.42), (0.77, 0.72), (0.42, 0.74)], 0.05, closed=True)
    cab = [p.extrude(line, 0.5, color, 0.035, rings=3)]
    cab.append(p.box((0.02, 0.22, 0.42), pane, 0.008).rotate(z=11).move(0.801, 0.55))
    cab.append(
        p.extrude(p.fillet([(0.52, 0.46), (0.76, 0.46), (0.72, 0.66), (0.52, 0.66)], 0.02, True), 0.512, pane, 0.01)
    )
    cab.append(p.box((0.09, 0.1, 0.52), chrome, 0.02).move(0.8, 0.17))
    cab.append(p.repeat(p.box((0.02, 0.018, 0.24), dark, 0.004), 4, (0, 0.035, 0)).move(0.825, 0.33))
    lamp = p.disc(0.045, 0.03, m.glass(rng, "lemon"), 20).rotate(y=90).move(0.83, 0.3, 0.19)
    mirror = p.join(
        p.box((0.02, 0.13, 0.05), dark, 0.01).move(0.74, 0.56, 0.32),
        wire((0.7, 0.5, 0.24), (0.74, 0.54, 0.32), 0.01, dark),
    )
    parts = [*cab, p.both(p.join(lamp, mirror), "z"), p.box((1.55, 0.07, 0.3), dark, 0.01).move(0.0, 0.19)]
    if kind == "box":
        word = m.pick(rng, ("MOVE", "FRESH", "EXPRESS", "TOYS"))
        parts.append(p.box((1.1, 0.72, 0.54), pale, 0.015).move(-0.2, 0.62))
        sign = p.box((0.95, 0.34, 0.556), m.label(rng, word, "white", "blue", 2.8), 0)
        parts.append(sign.move(-0.2, 0.62))
        parts.append(p.both(p.box((0.01, 0.64, 0.23), steel, 0).move(-0.752, 0.62, 0.125), "z"))
    elif kind == "tipper":
        tub = p.fillet([(-0.76, 0.32), (0.22, 0.26), (0.36, 0.66), (-0.84, 0.66)], 0.03, closed=True)
        parts.append(p.extrude(tub, 0.54, color, 0.02))
        parts.append(p.repeat(p.box((0.05, 0.32, 0.58), color, 0.012).move(-0.22, 0.47), 5, (0.2, 0, 0)))
        parts.append(p.superellipsoid((1.08, 0.36, 0.5), m.stone(rng, "tan"), 2, 3, 36).move(-0.23, 0.64))
    else:
        parts.append(p.capsule(0.27, 1.16, m.brushed_metal(rng), 40).rotate(z=90).move(-0.22, 0.5))
        parts += [p.torus(0.272, 0.025, color, 40, 8).rotate(z=90).move(x, 0.5) for x in (-0.55, -0.22, 0.1)]
        parts.append(
            p.both(p.box((0.4, 0.14, 0.02), m.label(rng, "MILK", "white", "blue", 2.8)).move(-0.22, 0.5, 0.265), "z")
        )
        parts.append(p.cylinder(0.07, 0.06, steel, segments=24).move(-0.22, 0.78))
    wheel = s.wheel(0.14, 0.11, m.rubber(rng), chrome).rotate(y=90)
    parts += [p.both(wheel.move(x, 0.14, 0.21), "z") for x in (0.6, -0.22, -0.54)]
    return p.join(parts).rotate(y=-90)


# ---- printer -------------------------------------------------------------------------------------------------------
def printed_page(rng) -> p.Finish:
    """A sheet with a heading, lines of text and a coloured picture."""
    image = t.canvas(m.srgb("#fbfbf8"), 110, 140)
    x, y = t.pixels(image)
    t.fill(image, (y > 0.86) & (y < 0.92) & (x > 0.1) & (x < 0.65), m.srgb("charcoal"))
    t.fill(image, (y > 0.45) & (y < 0.8) & (np.abs(x - 0.5) < 0.4), m.srgb("sky"))
    t.fill(image, (np.abs(x - 0.5) < 0.4) & (y > 0.45) & (y < 0.55 + 0.08 * np.sin(9 * x)), m.srgb("green"))
    t.fill(image, np.hypot((x - 0.72) * 0.8, y - 0.71) < 0.05, m.srgb("yellow"))
    t.fill(image, (y < 0.38) & (y > 0.06) & (x > 0.1) & (x < 0.9) & ((y * 18) % 1 < 0.4), m.srgb("grey"))
    return m.picture(image, 0.85)


@category("printer")
def printer(rng, k):
    """Ink jet with sheets behind and a printed page in front, a laser cube, one with a scanner lid; paper in all."""
    kind = ("jet", "laser", "scanner")[k % 3]
    shell = m.plastic(rng, ("ivory", "light grey", "charcoal", "white")[k % 4], 0.5)
    dark, pale = m.plastic(rng, "black", 0.5), m.plastic(rng, "silver", 0.5)
    w, h, d = {"jet": (1.0, 0.34, 0.5), "laser": (0.8, 0.62, 0.74), "scanner": (1.0, 0.4, 0.72)}[kind]
    z = d / 2
    page = p.box((0.5, 0.62, 0.008), printed_page(rng), 0)
    blank = p.box((0.5, 0.6, 0.02), m.paper(rng), 0)
    parts = [p.box((w, h, d), shell, 0.05, 3).move(y=h / 2), p.box((w * 0.98, 0.03, d * 0.97), dark).move(y=0.0)]
    if kind == "laser":  # the page lies on top, a drawer with paper below
        well = p.box((0.58, 0.03, 0.5), dark, 0.01).rotate(x=8).move(0, h - 0.02, 0.06)
        out = page.rotate(x=-78).move(0, h + 0.06, 0.16)
        drawer = p.join(p.box((w * 0.94, 0.15, 0.04), shell, 0.015), p.box((0.26, 0.04, 0.05), dark, 0.01)).move(
            0, 0.12, z
        )
        parts += [well, out, drawer, p.box((w * 0.94, 0.012, 0.01), dark, 0).move(0, 0.22, z)]
        panel_at = (w * 0.24, h * 0.72, z + 0.005)
    else:
        mouth = p.box((0.62, 0.1, 0.06), dark, 0.01).move(0, h * 0.36, z - 0.01)
        tray = p.box((0.6, 0.02, 0.4), dark, 0.008).rotate(x=8).move(0, h * 0.14, z + 0.17)
        out = page.scale(1, 0.8, 1).rotate(x=-84).move(0, h * 0.3, z + 0.2)
        parts += [mouth, tray, out]
        panel_at = (w * 0.32, h * 0.74, z + 0.003)
        if kind == "jet":
            rest = p.box((0.56, 0.4, 0.02), shell, 0.01).rotate(x=-18).move(0, h + 0.12, -z + 0.02)
            parts += [rest, blank.rotate(x=-18).move(0, h + 0.2, -z + 0.03)]
        else:
            lid = (
                p.box((w * 0.98, 0.05, d * 0.94), pale, 0.02)
                .move(z=d * 0.47)
                .rotate(x=-38)
                .move(0, h + 0.02, -z * 0.94)
            )
            glass = p.box((w * 0.8, 0.012, d * 0.72), m.glass(rng, "#5f7f86"), 0).move(y=h)
            parts += [lid, glass, blank.scale(0.8).rotate(x=-90).move(-0.1, h + 0.012, 0.05)]
    screen = p.box((0.15, 0.07, 0.015), readout("OK", "turquoise"), 0).move(-0.05, 0.02)
    keys = p.join(
        p.disc(0.03, 0.03, m.plastic(rng, "green"), 20).move(0.1, 0.02),
        buttons(4, 1, 0.05, 0.035, pale).move(-0.02, -0.05),
    )
    parts.append(
        p.join(p.box((0.34, 0.16, 0.02), dark, 0.008).move(0.02, -0.01), screen.move(z=0.012), keys.move(z=0.01)).move(
            *panel_at
        )
    )
    lamps = [
        p.disc(0.012, 0.02, m.plastic(rng, c), 12).move(-w * 0.42 + 0.04 * i, h * 0.8, z)
        for i, c in enumerate(("lime", "orange"))
    ]
    return [*parts, *lamps]
