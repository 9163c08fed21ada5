"""Things with a plug or a battery that show or sound something."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def dial(rng, radius: float, finish: p.Finish, mark: p.Finish) -> p.Part:
    """A ribbed knob that faces +z, its back at z = 0."""
    body = p.extrude(p.star(18, radius, radius * 0.94), radius * 0.7, finish, 0.08 * radius).move(z=radius * 0.35)
    line = p.box((radius * 0.14, radius * 0.7, radius * 0.1), mark, 0).move(0, radius * 0.5, radius * 0.7)
    return p.join(body, line.rotate(z=m.between(rng, -120, 120)))


@category("television set")
def television_set(rng, k):
    """Flat screens on feet or a foot, and old sets with a tube, knobs and an aerial."""
    if k % 3 == 1:
        return tube_set(rng)
    w = 1.0
    h, d = w * m.between(rng, 0.56, 0.6), m.between(rng, 0.03, 0.06)
    shell = m.plastic(rng, m.pick(rng, ("black", "charcoal", "silver")), 0.6)
    edge = m.between(rng, 0.012, 0.03)
    frame = p.extrude(p.rectangle(w, h, 0.012), d, shell, 0.006)
    screen = p.box((w - 2 * edge, h - 2 * edge, 0.006), m.screen(rng, m.chance(rng, 0.5)), 0).move(z=d / 2)
    hump = p.box((w * 0.6, h * 0.5, d * 1.2), shell, 0.02).move(0, -h * 0.12, -d * 0.7)
    ports = p.repeat(p.box((0.03, 0.014, 0.01), m.dark_metal(rng), 0), 4, (0.05, 0, 0)).move(0, -h * 0.2, -d * 1.3)
    lamp = p.disc(0.004, 0.004, m.plastic(rng, "red"), 12).move(w * 0.42, -h / 2 + edge * 0.5, d / 2)
    parts = [frame, screen, hump, ports, lamp]
    foot = m.pick(rng, (shell, m.steel(rng)))
    if m.chance(rng):
        leg = s.plank((w * 0.34, -h / 2 - 0.07, 0.1), (w * 0.33, -h / 2 + 0.02, 0), 0.025, 0.012, foot)
        parts.append(p.both(p.both(leg, "z")))
    else:
        base = p.extrude(p.oval(w * m.between(rng, 0.3, 0.5), 0.24, m.between(rng, 2, 5)), 0.014, foot, 0.004).rotate(
            x=-90
        )
        parts += [base.move(y=-h / 2 - 0.075), p.box((0.1, 0.1, 0.025), foot).move(y=-h / 2 - 0.03)]
    return parts


def tube_set(rng):
    """A box with a bulging screen, two dials, a loudspeaker grille and rabbit ears."""
    case = m.wood(rng) if m.chance(rng) else m.plastic(rng)
    dark, light = m.plastic(rng, "black", 0.5), m.plastic(rng, m.pick(rng, ("silver", "ivory")), 0.6)
    w, h, d = 0.9, m.between(rng, 0.62, 0.7), m.between(rng, 0.4, 0.5)
    parts = [p.box((w, h, d), case, 0.035), p.box((w * 0.94, h * 0.9, 0.02), light, 0.01).move(z=d / 2)]
    parts.append(p.box((w * 0.6, h * 0.6, 0.3), dark, 0.06).move(z=-d / 2 - 0.08))
    screen_w, screen_h = w * 0.64, h * 0.74
    x = -w * 0.12
    ring = p.extrude(p.rectangle(screen_w + 0.05, screen_h + 0.05, 0.1), 0.03, dark, 0.01).move(x, 0, d / 2 + 0.01)
    glass = m.screen(rng, m.chance(rng, 0.4))
    bulge = p.extrude(p.rectangle(screen_w, screen_h, 0.09), 0.02, glass).subdivide(0.08)
    bulge = bulge.shift(
        z=lambda v: (v[:, 2] > 0) * 0.04 * np.prod(1 - (2 * v[:, :2] / (screen_w, screen_h)) ** 2, axis=1)
    )
    parts += [ring, bulge.smooth(70).move(x, 0, d / 2 + 0.025)]
    x = w * 0.34
    parts += [dial(rng, 0.055, dark, light).move(x, y, d / 2 + 0.01) for y in (h * 0.3, h * 0.3 - 0.15)]
    parts.append(p.repeat(p.box((0.15, 0.012, 0.02), dark, 0.003), 6, (0, 0.03, 0)).move(x, -h * 0.22, d / 2 + 0.008))
    parts.append(p.four(p.cone(0.02, 0.03, 0.1, case).move(w * 0.4, -h / 2 - 0.045, d * 0.38)))
    if m.chance(rng, 0.75):
        metal = m.chrome(rng)
        ear = p.join(
            s.between((0.02, h / 2, 0), (0.3, h / 2 + 0.42, -0.02), 0.008, metal, 0.004, 10),
            p.sphere(0.014, metal, 14).move(0.3, h / 2 + 0.42, -0.02),
        )
        parts += [p.both(ear), p.superellipsoid((0.16, 0.09, 0.12), dark, 2.5, 2, 24).move(y=h / 2 + 0.01)]
    return parts


@category("headphone")
def headphone(rng, k):
    """Over-ear, on-ear and studio headphones, worn upright: the band above, an ear cup at each side."""
    shell = m.pick(rng, (m.plastic, m.plastic, m.brushed_metal))(rng) if m.chance(rng, 0.3) else m.plastic(rng)
    pad = m.leather(rng, m.vary(rng, m.pick(rng, ("black", "brown", "charcoal", "ivory")), 0.02))
    metal = m.pick(rng, (m.steel, m.dark_metal, m.gold))(rng)
    wide = m.between(rng, 0.38, 0.44)
    cup_w, cup_h, deep = m.between(rng, 0.24, 0.3), m.between(rng, 0.3, 0.36), m.between(rng, 0.08, 0.12)
    top = 0.5
    band = p.curve(
        [
            (-wide, 0.0, 0),
            (-wide * 1.02, 0.12, 0),
            (-wide * 0.78, top - 0.14, 0),
            (0, top, 0),
            (wide * 0.78, top - 0.14, 0),
            (wide * 1.02, 0.12, 0),
            (wide, 0.0, 0),
        ],
        61,
    )
    outward = band / np.linalg.norm(band + 1e-9, axis=1, keepdims=True)
    half = m.between(rng, 0.04, 0.07)
    parts = [p.strap(band[10:51], 2 * half, 0.025, shell)]
    inner = band[16:45] - outward[16:45] * 0.035
    parts.append(p.sweep(inner, 1.0, pad, section=p.oval(2.1 * half, 0.06, 3, 20), up=(0, 1, 0)))
    parts.append(p.both(p.strap(band[49:58], 0.035, 0.014, metal, up=(1, 0.3, 0))))
    oval = m.pick(rng, (2.0, 2.4, 3.2))
    cup = [
        p.extrude(p.oval(cup_w, cup_h, oval, 40), deep, shell, 0.035, rings=4),
        p.extrude(p.oval(cup_w * 0.62, cup_h * 0.62, oval, 32), 0.012, metal, 0.004).move(z=deep / 2),
    ]
    ring = np.column_stack([p.oval(cup_w * 0.74, cup_h * 0.78, oval, 40), np.zeros(40)])
    cup.append(p.sweep(ring, 0.052, pad, 14, closed=True, up=(0, 0, 1)).move(z=-deep / 2 - 0.03))
    cup.append(
        p.extrude(p.oval(cup_w * 0.7, cup_h * 0.74, oval, 32), 0.01, m.fabric(rng, "charcoal")).move(z=-deep / 2 - 0.01)
    )
    side = p.join(cup).rotate(y=90).rotate(z=-4).move(wide + 0.05, -0.12, 0)
    yoke = p.in_plane(p.arc(cup_h * 0.5 + 0.03, -5, 185, 22), "zy") * (1, 1, 0.86)
    parts.append(p.both(p.join(side, p.rod(yoke, 0.013, metal, 10).move(wide + 0.05, -0.12, 0))))
    if m.chance(rng, 0.4):
        cord = p.curve(
            [
                (-wide - 0.05, -0.28, 0),
                (-wide - 0.06, -0.4, 0.03),
                (-wide + 0.12, -0.5, 0.08),
                (-wide + 0.4, -0.44, 0.1),
            ],
            30,
        )
        parts.append(p.rod(cord, 0.011, m.rubber(rng), 8))
    return parts
