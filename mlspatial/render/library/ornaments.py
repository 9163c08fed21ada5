"""Vases, plants in pots and trophies."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category

# ---- vases ---------------------------------------------------------------------------------------------------------
VASES = {  # outlines as (radius, height), height 1
    "urn": [(0.16, 0), (0.12, 0.06), (0.2, 0.2), (0.31, 0.52), (0.27, 0.72), (0.13, 0.84), (0.12, 0.92), (0.18, 1.0)],
    "trumpet": [(0.17, 0), (0.07, 0.08), (0.075, 0.3), (0.1, 0.6), (0.17, 0.86), (0.28, 1.0)],
    "bottle": [(0.2, 0), (0.27, 0.12), (0.28, 0.3), (0.15, 0.5), (0.07, 0.64), (0.065, 0.88), (0.09, 1.0)],
    "ginger": [(0.2, 0), (0.22, 0.1), (0.3, 0.4), (0.34, 0.64), (0.27, 0.8), (0.16, 0.87), (0.16, 0.96), (0.18, 1.0)],
    "gourd": [
        (0.17, 0),
        (0.27, 0.15),
        (0.28, 0.32),
        (0.13, 0.5),
        (0.19, 0.64),
        (0.18, 0.76),
        (0.08, 0.88),
        (0.11, 1.0),
    ],
    "cylinder": [(0.19, 0), (0.2, 0.05), (0.2, 0.5), (0.21, 0.8), (0.23, 1.0)],
    "amphora": [(0.09, 0), (0.08, 0.05), (0.2, 0.3), (0.27, 0.58), (0.2, 0.74), (0.1, 0.82), (0.1, 0.94), (0.15, 1.0)],
    "tulip": [(0.13, 0), (0.22, 0.12), (0.26, 0.35), (0.2, 0.68), (0.19, 0.8), (0.27, 1.0)],
}


def porcelain(rng) -> p.Finish:
    """Blue flowers and bands on white, drawn around the vase."""
    blue, white = m.srgb(m.vary(rng, "royal", 0.04)), m.srgb("white")
    image = np.tile(t.flowers(rng, white, [blue, m.srgb("blue")], 3, 104), (2, 2, 1)) / 255
    _, y = t.pixels(image)
    for centre, half in ((0.08, 0.025), (0.16, 0.008), (0.82, 0.01), (0.9, 0.03)):
        t.fill(image, np.abs(y - centre) < half, blue)
    return m.picture(image, 0.12)


def greek(rng) -> p.Finish:
    """Terracotta with black bands and a meander."""
    clay, black = m.srgb(m.vary(rng, "#b8622f", 0.03)), m.srgb("black")
    image = t.canvas(clay, 240, 120)
    x, y = t.pixels(image)
    t.fill(image, (y < 0.18) | (y > 0.86), black)
    u = x * 20 % 1
    for low in (0.3, 0.62):
        v = (y - low) / 0.12
        inside = (v > 0) & (v < 1)
        t.fill(image, inside & ((v < 0.2) | (v > 0.82) | (u < 0.2) | ((u > 0.5) & (u < 0.7) & (v < 0.6))), black)
    t.fill(image, (y > 0.46) & (y < 0.6) & (np.abs(np.sin(x * 24 * np.pi)) > (y - 0.46) / 0.14), black)
    return m.picture(image, 0.5)


def dripped(rng) -> p.Finish:
    """A second glaze that runs down from the rim."""
    image = t.canvas(m.srgb(m.light(rng)), 240, 120)
    x, y = t.pixels(image)
    edge = (
        0.62
        + 0.07 * np.sin(2 * np.pi * 5 * x + 1)
        + 0.05 * np.sin(2 * np.pi * 11 * x)
        + 0.02 * np.sin(2 * np.pi * 23 * x)
    )
    t.fill(image, y > edge, m.srgb(m.pick(rng, (m.bright, m.dark))(rng)))
    return m.picture(image, 0.2)


def pick_tone(rng):
    return m.pick(rng, (m.bright, m.muted, m.pastel, m.light))(rng)


def bouquet(rng, radius: float) -> p.Part:
    """Tulips or daisies with leaves, their stems meeting at the origin; it reaches up to about y = 0.6."""
    green, heads = m.foliage(rng), [m.plastic(rng, m.bright(rng), 0.3) for _ in range(2)]
    daisy, parts = m.chance(rng), []
    for i in range(7):
        lean, turn = (0 if i == 0 else m.between(rng, 14, 34)), 60.0 * i
        high = m.between(rng, 0.4, 0.52)
        stem = p.cylinder(0.009, high + 0.2, green, segments=8).move(y=high / 2 - 0.1)
        if daisy:
            petal = p.ellipsoid((0.035, 0.012, 0.09), heads[i % 2], 10).move(0, 0, 0.05)
            head = p.join(p.around(petal, 9), p.ellipsoid((0.05, 0.03, 0.05), m.plastic(rng, "yellow"), 12)).rotate(
                x=25
            )
        else:
            cup = p.lathe(p.curve([(0, 0), (0.045, 0.02), (0.05, 0.07), (0.03, 0.11), (0, 0.08)], 12), heads[i % 2], 12)
            head = cup.warp(
                lambda v: (
                    v
                    + np.column_stack(
                        [0 * v[:, 0], 0.02 * np.cos(3 * np.arctan2(v[:, 0], v[:, 2])) * (v[:, 1] > 0.08), 0 * v[:, 0]]
                    )
                )
            )
        blade = s.leaf(0.3, 0.05, green, 40).rotate(x=-12, y=40.0).move(y=0.03)
        parts.append(p.join(stem, head.move(y=high), blade).rotate(x=lean).rotate(y=turn))
    return p.join(parts)


@category("vase")
def vase(rng, k):
    """Urn with blue flowers, glass trumpet with a bouquet, bottle, ginger jar, gourd, ribbed, amphora, tulip shape."""
    style = tuple(VASES)[k % 8]
    finish = {
        "urn": porcelain, "ginger": porcelain, "amphora": greek, "bottle": dripped, "trumpet": m.glass,
        "cylinder": m.ceramic, "gourd": m.ceramic, "tulip": m.stoneware,
    }[style](rng)  # fmt: skip
    if style == "trumpet":
        finish = m.glass(rng, pick_tone(rng))
    if k >= 8:
        finish = m.pick(rng, (porcelain, greek, dripped, m.ceramic, m.brass, m.glass))(rng)
    wide = m.between(rng, 0.88, 1.15)
    outline = p.curve(np.array(VASES[style]) * (wide, 1), 44)
    body = s.vessel(np.concatenate([[(0, 0)], outline]), 0.014, finish, m.ceramic(rng, "ivory"), 60)
    if style in ("cylinder", "tulip"):  # fluted, or twisted flutes
        ribs = 16 if style == "cylinder" else 8
        fold = lambda v: 1 + 0.035 * np.cos(ribs * np.arctan2(v[:, 2], v[:, 0]))  # noqa: E731
        body = body.warp(lambda v: v * np.column_stack([fold(v), 1 + 0 * v[:, 0], fold(v)])).smooth(60)
        body = body.twist(60 if style == "tulip" else 0)
    parts = [body]
    if style == "amphora":
        dark = m.ceramic(rng, "black")
        line = p.curve([(0.1, 0.93), (0.24, 0.95), (0.28, 0.82), (0.22 * wide, 0.7)], 24)
        parts.append(p.both(p.rod(p.in_plane(line), 0.022, dark, 10)))
    if style == "ginger":
        lid = p.lathe(p.curve([(0.19 * wide, 0.97), (0.18 * wide, 1.03), (0.06, 1.1), (0.05, 1.13)], 16), finish)
        parts += [lid, p.sphere(0.04, m.ceramic(rng, "royal"), 18).move(y=1.15)]
    if style in ("trumpet", "cylinder", "tulip"):
        parts.append(bouquet(rng, 0.2).move(y=0.9))
    return parts


# ---- plants --------------------------------------------------------------------------------------------------------
def flower_pot(rng, r: float, h: float) -> p.Part:
    """A pot with a rim, soil and a saucer, its soil at y = h."""
    clay = m.pick(rng, (m.terracotta, m.ceramic, m.stoneware, m.terracotta))(rng)
    outline = [
        (0, 0),
        (r * 0.68, 0),
        (r * 0.92, h * 0.78),
        (r * 1.02, h * 0.78),
        (r * 1.04, h * 1.05),
        (r * 0.9, h * 1.05),
        (r * 0.88, h),
        (0, h),
    ]
    dish = p.lathe(p.wall([(0, 0), (r * 0.85, 0), (r * 0.95, 0.035)], 0.015), clay, 40)
    soil = p.sheet(r * 1.2, r * 1.2, m.foam(rng, "dark brown"), 0.02, n=6).move(y=h)
    return p.join(
        p.lathe(p.fillet(outline, 0.01), clay),
        dish,
        p.cylinder(r * 0.89, 0.03, m.foam(rng, "dark brown")).move(y=h),
        soil,
    )


@category("houseplant")
def houseplant(rng, k):
    """A plant with big leaves on stalks, a cactus with a flower, sword leaves, a small palm."""
    kind = ("leafy", "cactus", "sword", "palm")[k % 4]
    r, h = m.between(rng, 0.19, 0.25), m.between(rng, 0.26, 0.34)
    pot, green = flower_pot(rng, r, h), m.foliage(rng, m.vary(rng, "#63a84f", 0.04))
    if kind == "cactus":
        skin = m.foliage(rng, m.vary(rng, "#4f7f45", 0.04))
        ribbed = lambda size: p.superellipsoid(size, skin, 2.4, 2, 48).warp(  # noqa: E731
            lambda v: v * (1 + 0.05 * np.cos(12 * np.arctan2(v[:, 2], v[:, 0])))[:, None] ** [1, 0, 1]
        )
        arm = p.rod(p.fillet([(0.05, 0.2, 0), (0.27, 0.2, 0), (0.27, 0.46, 0)], 0.1), 0.07, skin, 18)
        petals = p.around(
            p.ellipsoid((0.05, 0.02, 0.12), m.plastic(rng, m.pick(rng, ("pink", "magenta", "yellow"))), 12)
            .rotate(x=-30)
            .move(0, 0.02, 0.05),
            8,
        )
        spine = p.cone(0.004, 0.0, 0.05, m.plastic(rng, "ivory"), segments=5).rotate(x=90).move(z=0.15)
        spines = [spine.move(y=y).rotate(y=a) for y in (0.12, 0.24, 0.36, 0.48) for a in range(0, 360, 45)]
        return [
            pot,
            p.join(
                ribbed((0.3, 0.7, 0.3)).move(y=0.3), arm, arm.mirror("x").scale(1, 0.8, 1), petals.move(y=0.66), spines
            ).move(y=h),
        ]
    parts = [pot]
    for i in range({"leafy": 13, "sword": 11, "palm": 8}[kind]):
        turn, ring = 137.5 * i, i / 12
        if kind == "sword":
            pale = green if i % 2 else m.foliage(rng, m.vary(rng, "#87a25a", 0.04))
            leaf = s.leaf(m.between(rng, 0.5, 0.85), 0.11, pale, 12, 0.15, 0.012, 1.0).twist(40)
            parts.append(leaf.rotate(x=3 + 14 * ring).move(0, h - 0.02, r * 0.5 * ring).rotate(y=turn))
            continue
        high, lean = m.between(rng, 0.3, 0.5) * (1.15 - 0.5 * ring), 12 + 48 * ring
        path = p.curve([(0, 0, 0), (0, high * 0.6, 0.03), (0, high, high * np.tan(np.radians(lean)) * 0.6)], 12)
        stalk = p.rod(path, 0.011, green, 7)
        if kind == "leafy":
            leaf = s.leaf(m.between(rng, 0.28, 0.36), m.between(rng, 0.2, 0.26), green, 55, 0.12, 0.01, 1.35)
            parts.append(p.join(stalk, leaf.rotate(x=lean + 25).move(*path[-1])).move(y=h).rotate(y=turn))
        else:
            blades = [s.leaf(0.26, 0.06, green, 25).rotate(z=side * 62, x=10).rotate(x=lean * 0.6).move(*path[j])
                      for j in (5, 8, 11) for side in (-1, 1)]  # fmt: skip
            parts.append(p.join(stalk, blades).move(y=h).rotate(y=turn))
    return parts


# ---- trophies ------------------------------------------------------------------------------------------------------
@category("trophy")
def trophy(rng, k):
    """A cup with two handles, a star on a column, a tall cup with a lid; on a base with a plate."""
    kind = ("cup", "star", "lid")[k % 3]
    metal = (m.gold, m.chrome, m.gold, m.copper)[k % 4](rng)
    base_finish = m.pick(rng, (m.wood, m.marble, lambda g: m.plastic(g, "black", 0.9)))(rng)
    base = p.join(
        p.box((0.42, 0.06, 0.42), base_finish, 0.01).move(y=0.03),
        p.box((0.34, 0.16, 0.34), base_finish, 0.01).move(y=0.13),
    )
    image = t.canvas((0.9, 0.75, 0.35), 96, 40)
    t.write(image, m.pick(rng, ("WINNER", "1ST", "CHAMP", "BEST")), (0.15, 0.1, 0.05), (0.5, 0.5), 0.36)
    plate = p.box((0.24, 0.1, 0.01), m.picture(image, 0.3), 0.001).move(0, 0.13, 0.172)
    if kind == "star":
        column = p.lathe(
            p.fillet([(0, 0.2), (0.1, 0.2), (0.09, 0.24), (0.055, 0.27), (0.055, 0.62), (0.09, 0.66), (0, 0.68)], 0.01),
            m.plastic(rng, m.bright(rng), 0.9),
            36,
        )
        top = p.puff(p.star(5, 0.26, 0.11), 0.12, metal, 1.0).smooth(15)
        wreath = p.around(s.leaf(0.13, 0.06, metal, 20).rotate(z=-70).move(-0.04, 0.31, 0), 14, "z")
        wreath = p.join(wreath, p.torus(0.31, 0.03, metal, 40, 8).rotate(x=90))
        return [base, plate, column, top.move(y=0.92), wreath.move(y=0.92), p.sphere(0.05, metal, 20).move(y=0.68)]
    deep = 0.5 if kind == "cup" else 0.42
    stem = [(0, 0.2), (0.14, 0.2), (0.13, 0.24), (0.04, 0.28), (0.03, 0.36), (0.06, 0.4), (0.03, 0.44)]
    bowl = p.curve(
        [(0.04, 0.45), (0.16, 0.5), (0.22, 0.45 + 0.55 * deep), (0.22, 0.45 + 0.85 * deep), (0.26, 0.45 + deep)], 30
    )
    outline = np.concatenate([p.fillet(stem, 0.015), bowl])
    loop = s.handle(deep * 0.72, 0.2, 0.02, metal, 1.2, 0.12).move(-0.01, 0.45 + deep * 0.58)
    parts = [base, plate, p.lathe(p.wall(outline, 0.014), metal, 56), p.both(s.follow(loop, bowl))]
    parts.append(p.puff(p.star(5, 0.08, 0.035), 0.04, metal, 1.0).smooth(15).move(0, 0.45 + deep * 0.62, 0.222))
    if kind == "lid":
        dome = p.lathe(
            p.curve([(0.27, 0.45 + deep), (0.25, 0.48 + deep), (0.12, 0.56 + deep), (0.03, 0.6 + deep)], 20), metal
        )
        figure = p.join(p.sphere(0.035, metal, 18).move(y=0.22), p.capsule(0.035, 0.16, metal, 16).move(y=0.11),
                        p.both(s.between((0.02, 0.15, 0), (0.1, 0.27, 0), 0.012, metal, sides=10)))  # fmt: skip
        parts += [dome, figure.move(y=0.56 + deep)]
    return parts
