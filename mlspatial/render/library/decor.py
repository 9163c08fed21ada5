"""Lamps, vases and what else makes a room pretty."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def lamp_shade(rng, bottom: float, top: float, height: float, finish: p.Finish) -> p.Part:
    """An open shade standing on y = 0: drum, cone, bell or pleated."""
    wall = 0.015 * bottom
    outline = np.array([(bottom, 0.0), (top, height)])
    style = m.pick(rng, ("plain", "bell", "pleats", "rims"))
    if style == "bell":
        outline = p.curve(
            [(bottom, 0), (bottom * 0.75 + top * 0.1, height * 0.3), (top * 1.1, height * 0.75), (top, height)], 16
        )
    shade = p.lathe(
        p.wall(p.curve(outline, 12) if len(outline) == 2 else outline, wall), finish, 72 if style == "pleats" else 48
    )
    if style == "pleats":

        def fold(v: np.ndarray) -> np.ndarray:
            k = 1 + 0.025 * np.cos(36 * np.arctan2(v[:, 2], v[:, 0]))
            return v * np.column_stack([k, 1 + 0 * k, k])

        shade = shade.warp(fold)
    if style == "rims":
        trim = m.fabric(rng, m.dark(rng))
        return p.join(
            shade,
            p.torus(bottom, 0.035 * bottom, trim, 48, 10),
            p.torus(top, 0.035 * bottom, trim, 40, 10).move(y=height),
        )
    return shade


def light_shade_finish(rng) -> p.Finish:
    """Pale cloth or paper, sometimes a strong colour or a print."""
    if m.chance(rng, 0.2):
        return m.patterned(rng)
    return m.pick(rng, (m.fabric, m.paper))(rng, m.pick(rng, (m.light, m.light, m.pastel, m.bright))(rng))


@category("table lamp")
def table_lamp(rng, k):
    """A shade on a turned, vase-shaped or plain foot; jointed desk lamps; mushroom lamps."""
    kind = ("vase", "stick", "desk", "ball", "mushroom", "vase", "stick")[k % 7]
    if kind == "desk":
        return desk_lamp(rng)
    foot = m.pick(rng, (m.ceramic, m.wood, m.brass, m.marble, m.glass, m.stoneware, m.enamel))(rng)
    metal = m.pick(rng, (m.brass, m.steel, m.dark_metal))(rng)
    shade_h, bottom = m.between(rng, 0.32, 0.42), m.between(rng, 0.26, 0.34)
    top = bottom * m.between(rng, 0.5, 0.95)
    neck = 0.52
    if kind == "mushroom":
        dome = p.wall(p.arc(0.38, 2, 86, 18) * (1, 0.8), 0.02)
        stem = p.lathe(p.curve([(0.2, 0), (0.13, 0.08), (0.1, 0.3), (0.12, 0.5)], 20), foot)
        gloss = m.enamel(rng)
        return [p.lathe(np.concatenate([dome[:18], [(0, 0.304), (0, 0.284)], dome[19:]]), gloss).move(y=0.45), stem,
                p.sphere(0.14, m.glass(rng, "ivory")).move(y=0.5)]  # fmt: skip
    if kind == "vase":
        r = m.between(rng, 0.13, 0.19)
        swell = m.between(rng, 0.35, 0.65) * 0.44
        profile = p.curve(
            [(r * 0.55, 0.02), (r * 0.62, 0.05), (r, swell), (r * 0.45, 0.38), (0.04, 0.44), (0.035, 0.46)], 30
        )
        base = [p.lathe(profile, foot), p.cylinder(r * 0.72, 0.03, metal).move(y=0.012)]
    elif kind == "ball":
        r = m.between(rng, 0.11, 0.16)
        n = int(rng.integers(1, 4))
        size = min(r, 0.22 / n)
        base = [p.sphere(size, foot).move(y=0.04 + size * (2 * i + 1) * 0.95) for i in range(n)]
        base += [
            p.cylinder(r * 1.05, 0.04, metal).move(y=0.02),
            p.cylinder(0.016, 0.46, metal, segments=16).move(y=0.26),
        ]
    else:
        disc = p.lathe(p.fillet([(0, 0), (0.17, 0), (0.165, 0.025), (0.03, 0.05), (0, 0.05)], 0.012), foot)
        pole = (
            s.turned(rng, 0.42, 0.05, foot)
            if m.chance(rng, 0.5)
            else p.cylinder(0.02, 0.42, metal, segments=20).move(y=0.21)
        )
        base = [disc, pole.move(y=0.04)]
    parts = [
        *base,
        p.cylinder(0.018, 0.3, metal, segments=16).move(y=neck + 0.02),
        p.cylinder(0.035, 0.07, metal, segments=20).move(y=neck),
    ]
    shade = lamp_shade(rng, bottom, top, shade_h, light_shade_finish(rng)).move(y=neck)
    bulb = p.lathe(
        p.curve([(0.02, 0), (0.03, 0.04), (0.06, 0.11), (0.04, 0.16), (0, 0.18)], 14), m.glass(rng, "ivory"), 20
    )
    spider = p.around(s.between((0, 0, 0), (top * 0.99, 0, 0), 0.006, metal, sides=8), 3).move(y=neck + shade_h * 0.93)
    parts += [
        shade,
        bulb.move(y=neck + 0.04),
        spider,
        p.cylinder(0.008, shade_h * 0.5, metal, segments=12).move(y=neck + shade_h * 0.72),
    ]
    parts.append(p.sphere(0.02, metal, 16).move(y=neck + shade_h * 0.97))
    if m.chance(rng, 0.4):
        chain = p.cylinder(0.004, 0.12, metal, segments=8).move(0.06, neck - 0.04, 0.08)
        parts += [chain, p.sphere(0.013, metal, 14).move(0.06, neck - 0.1, 0.08)]
    return parts


def desk_lamp(rng):
    """A heavy foot, two arms with springs, a metal shade that looks down."""
    paint, metal = m.enamel(rng), m.pick(rng, (m.chrome, m.dark_metal, m.brass))(rng)
    foot = p.lathe(p.fillet([(0, 0), (0.17, 0), (0.17, 0.02), (0.05, 0.045), (0, 0.045)], 0.012), paint)
    a, b = np.array([0.0, 0.05, 0]), np.array([m.between(rng, -0.24, -0.12), 0.44, 0])
    c = np.array([m.between(rng, 0.1, 0.2), m.between(rng, 0.72, 0.8), 0])
    arms = []
    for start, end in ((a, b), (b, c)):
        arms.append(p.both(s.between(start, end, 0.009, metal, sides=10).move(z=0.018), "z"))
        joint = p.cylinder(0.026, 0.06, paint, segments=20).rotate(x=90)
        arms.append(joint.move(*end))
    spring = p.spiral(0.014, 0.15, 9, 90)
    arms.append(p.rod(spring, 0.003, metal, 6).aim(a + (b - a) * 0.1, b))
    outline = p.curve([(0.2, 0), (0.19, 0.03), (0.13, 0.12), (0.06, 0.17), (0.05, 0.22)], 18)
    shade = p.join(
        p.lathe(p.wall(outline, 0.008), paint, 44),
        p.cylinder(0.045, 0.06, metal, segments=24).move(y=0.22),
        p.sphere(0.07, m.glass(rng, "ivory"), 24).move(y=0.1),
    )
    return [foot, *arms, shade.move(y=-0.24).rotate(z=m.between(rng, 20, 50)).move(*(c + (0.02, 0, 0)))]
