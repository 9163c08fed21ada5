"""Watches and alarm clocks."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import readout
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.gadgets import slab


def clock_face(rng, ground: m.Color, ink: m.Color, numerals: int = 12) -> p.Finish:
    """A dial with minute marks and the numerals that fit: 12, 4 or none."""
    image = t.canvas(m.srgb(ground), 200, 200)
    for minute in range(60):
        a = np.radians(6 * minute)
        rim, long = np.array([np.sin(a), np.cos(a)]), 0.07 if minute % 5 == 0 else 0.025
        t.draw(image, [[0.5 + 0.46 * rim, 0.5 + (0.46 - long) * rim]], m.srgb(ink), 0.02 if minute % 5 == 0 else 0.008)
    for hour in range(12 // numerals, 13, 12 // numerals) if numerals else ():
        a = np.radians(30 * hour)
        t.write(image, str(hour), m.srgb(ink), (0.5 + 0.33 * np.sin(a), 0.5 + 0.33 * np.cos(a)), 0.088, 0.2)
    return m.picture(image, 0.4)


def hands(radius: float, finish: p.Finish, accent: p.Finish, hour: float = 10.15) -> p.Part:
    """Hour, minute and second hand on a pin; 0.15 hours are nine minutes."""
    minute = hour % 1 * 360

    def hand(length: float, width: float, angle: float, tone: p.Finish) -> p.Part:
        bar = p.box((width, length, 0.025 * radius), tone, 0).move(y=0.4 * length)
        return bar.rotate(z=-angle)

    return p.join(
        hand(0.62 * radius, 0.085 * radius, hour * 30, finish),
        hand(0.88 * radius, 0.06 * radius, minute, finish).move(z=0.03 * radius),
        hand(0.9 * radius, 0.02 * radius, 210, accent).move(z=0.05 * radius),
        p.disc(0.07 * radius, 0.13 * radius, finish, 20),
    )


def face_disc(radius: float, picture: p.Finish) -> p.Part:
    """A round flat picture that faces +z."""
    return p.extrude(p.circle(radius, 48), 0.02 * radius, picture, 0)


def buckled_strap(loop: np.ndarray, wide: float, finish: p.Finish) -> p.Part:
    """A closed strap around x with a keeper and a buckle behind."""
    flat = p.strap(loop, 0.035, wide, finish, up=(1, 0, 0), closed=True)
    keeper = p.box((wide + 0.03, 0.06, 0.06), finish, 0.012).move(0, -0.2, -0.79)
    buckle = p.extrude(
        p.rectangle(wide + 0.06, 0.12, 0.02),
        0.03,
        p.Finish((0.6, 0.6, 0.6), 0.25, 1.0),
        holes=[p.rectangle(wide, 0.07, 0.01)],
    )
    return p.join(flat, keeper, buckle.move(0, -0.06, -0.815))


@category("watch")
def watch(rng, k):
    """Wristwatches with a closed strap: leather and gold, steel links, a digital one, a coloured plastic one."""
    kind = ("leather", "steel", "digital", "plastic")[k % 4]
    metal = {"leather": m.gold, "steel": m.steel}.get(kind, m.chrome)(rng)
    tone = m.bright(rng)
    band = {
        "leather": m.leather(rng, m.vary(rng, "brown", 0.03)),
        "steel": m.brushed_metal(rng),
        "digital": m.rubber(rng),
        "plastic": m.plastic(rng, tone, 0.6),
    }[kind]
    loop = p.in_plane(p.oval(0.8, 0.92, 2.4, 64), "zy")
    loop = loop - (0, 0, 0.4)
    wide = 0.3 if kind != "digital" else 0.34
    if kind == "steel":
        link = p.box((wide, 0.066, 0.05), band, 0.014, 1)
        bright = p.box((wide * 0.36, 0.064, 0.06), metal, 0.012, 1)
        ring = p.in_plane(p.oval(0.8, 0.92, 2.4, 44), "zy") - (0, 0, 0.4)
        along = np.roll(ring, -1, 0) - np.roll(ring, 1, 0)
        turns = np.degrees(np.arctan2(along[:, 2], along[:, 1]))
        strap = p.join([p.join(link, bright).rotate(x=a).move(*c) for a, c in zip(turns, ring, strict=True)])
    else:
        strap = buckled_strap(loop, wide, band)
    parts = [strap]
    if kind == "digital":
        case = slab(0.44, 0.46, 0.15, 0.09, m.plastic(rng, "black", 0.5), 0.03).move(z=0.04)
        rim = slab(0.36, 0.36, 0.03, 0.05, m.plastic(rng, tone)).move(z=0.11)
        screen = p.box((0.3, 0.19, 0.012), readout("10:58", "#1a2018", 1.58, "#b4c3a4"), 0).move(0, -0.02, 0.128)
        word = p.box((0.22, 0.05, 0.01), m.label(rng, "ALARM", "black", "white", 4.0), 0).move(0, 0.125, 0.126)
        pins = p.join([p.box((0.05, 0.07, 0.05), metal, 0.015).move(0.23, y, 0.04) for y in (-0.1, 0.1)])
        return [*parts, case, rim, screen, word, p.both(pins)]
    r = 0.27
    ground, ink = {"leather": ("ivory", "black"), "steel": ("navy", "white"), "plastic": ("white", "black")}[kind]
    hand, second = m.plastic(rng, ink), m.plastic(rng, "red")
    shell = band if kind == "plastic" else metal
    parts.append(
        p.lathe(p.fillet([(0, 0), (r, 0), (r * 1.08, 0.06), (r * 0.96, 0.13), (0, 0.13)], 0.02), shell, 56)
        .rotate(x=90)
        .move(z=-0.02)
    )
    parts.append(p.torus(r * 0.93, 0.035, shell, 56, 12).rotate(x=90).move(z=0.11))
    parts.append(face_disc(r * 0.9, clock_face(rng, ground, ink, 12 if kind != "steel" else 4)).move(z=0.113))
    parts.append(hands(r * 0.85, hand, second).move(z=0.122))
    parts.append(p.extrude(p.star(16, 0.045, 0.04), 0.05, metal, 0.006).rotate(y=90).move(r + 0.035, 0, 0.04))
    lug = p.box((0.05, 0.16, 0.07), shell, 0.02).rotate(x=-18).move(wide / 2 - 0.03, r * 0.98, 0.0)
    return [*parts, p.both(p.both(lug), "y")]


@category("alarm clock")
def alarm_clock(rng, k):
    """Two bells and a hammer on feet, a digital one with glowing digits, a small square travel clock."""
    kind = ("bells", "digital", "square")[k % 3]
    color = m.enamel(rng, m.vary(rng, ("red", "black", "turquoise", "yellow", "sky")[k % 5], 0.03))
    chrome, dark, red = m.chrome(rng), m.plastic(rng, "black"), m.plastic(rng, "red")
    if kind == "digital":
        line = p.fillet([(-0.2, -0.2), (0.2, -0.2), (0.12, 0.2), (-0.18, 0.2)], 0.05, closed=True)
        case = p.extrude(line, 1.0, m.plastic(rng, "charcoal", 0.5), 0.03, rings=3).rotate(y=-90)
        panel = p.box((0.92, 0.3, 0.03), readout("7:30", "#ff3b22", 3.0), 0.005).rotate(x=-11.3).move(0, 0.0, 0.162)
        snooze = p.box((0.5, 0.05, 0.14), m.plastic(rng, "silver"), 0.02).move(0, 0.21, -0.03)
        return [case, panel, snooze, p.both(p.box((0.1, 0.04, 0.08), red, 0.015).move(0.38, 0.205, -0.03))]
    ground = m.pick(rng, ("white", "ivory"))
    if kind == "square":
        case = slab(0.9, 0.9, 0.3, 0.12, color, 0.06)
        ring = p.extrude(p.rectangle(0.8, 0.8, 0.08), 0.04, chrome, 0.012, holes=[p.circle(0.36, 48)]).move(z=0.15)
        face = face_disc(0.37, clock_face(rng, ground, "black")).move(z=0.152)
        button = p.box((0.36, 0.06, 0.14), red, 0.025).move(y=0.465)
        stand = p.box((0.7, 0.03, 0.3), dark).rotate(x=20).move(0, -0.46, -0.1)
        return [case, ring, face, hands(0.36, dark, red, 7.0).move(z=0.162), button, stand]
    r = 0.4
    shell = p.lathe(
        p.fillet([(0, -0.16), (r * 0.96, -0.16), (r, -0.1), (r, 0.13), (r * 0.94, 0.15), (0, 0.15)], 0.03), color, 64
    ).rotate(x=90)
    rim = p.torus(r * 0.96, 0.06, chrome, 64, 12).rotate(x=90).move(z=0.145)
    face = face_disc(r * 0.92, clock_face(rng, ground, "black")).move(z=0.152)
    bell = p.lathe(p.wall(p.curve([(0.17, 0), (0.15, 0.08), (0.08, 0.13), (0.0, 0.145)], 14), 0.012), chrome, 36)
    bell = p.join(
        bell, p.sphere(0.025, chrome, 14).move(y=0.155), p.cylinder(0.018, 0.16, chrome, segments=12).move(y=0.0)
    ).rotate(z=-32)
    hammer = p.join(
        p.cylinder(0.012, 0.16, chrome, segments=12).move(y=0.07),
        p.capsule(0.04, 0.13, chrome, 18).rotate(z=90).move(y=0.16),
    )
    loop = p.rod(
        p.in_plane(p.curve([(-0.16, r + 0.12), (-0.1, r + 0.26), (0.1, r + 0.26), (0.16, r + 0.12)], 24)),
        0.014,
        chrome,
        10,
    )
    leg = p.join(
        s.between((0.2, -r * 0.8, 0), (0.29, -r - 0.13, 0), 0.028, chrome, 0.022),
        p.sphere(0.04, dark, 18).move(0.295, -r - 0.13),
    )
    return [
        shell,
        rim,
        face,
        hands(r * 0.85, dark, red, 10.15).move(z=0.165),
        p.both(bell.move(0.21, r * 0.9)),
        hammer.move(y=r),
        loop,
        p.both(leg.move(z=0.02)),
        p.disc(0.3, 0.02, dark, 40).move(z=-0.16),
        p.both(p.box((0.05, 0.1, 0.03), chrome).move(0.1, 0, -0.19)),
    ]
