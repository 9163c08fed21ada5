"""Coasters: flat things to put a glass on, single and in piles."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.drinks import fruit_slice


def top_print(outline, thickness: float, side: p.Finish, image: np.ndarray, inset: float = 0.97) -> p.Part:
    """A flat piece on y = 0 with a picture on its upper side."""
    body = p.extrude(outline, thickness, side, 0.25 * thickness)
    face = p.extrude(np.asarray(outline) * inset, 0.012, m.picture(image, 0.5), 0.003).move(z=thickness / 2)
    return p.join(body, face).rotate(x=-90).move(y=thickness / 2)


def disc_print(rng, kind: str) -> np.ndarray:
    """A picture for a coaster: tree rings, a record, agate, a steaming cup, a tile pattern, a word in a ring."""
    image = t.canvas(m.srgb("white"), 128, 128)
    x, y = t.pixels(image)
    r, a = 2 * np.hypot(x - 0.5, y - 0.5), np.arctan2(y - 0.5, x - 0.5)
    wavy = r + 0.03 * np.sin(3 * a + 1) + 0.02 * np.sin(7 * a)
    if kind == "log":
        t.fill(image, r < 2, m.srgb("maple"))
        t.fill(image, 0.5 + 0.5 * np.sin(60 * wavy), m.srgb("oak"))
        t.fill(image, (np.abs(np.sin(3.5 * a)) < 0.02) & (r > 0.3), m.srgb("brown"))
    elif kind == "record":
        t.fill(image, r < 2, np.array([0.05, 0.05, 0.06]))
        t.fill(image, (np.sin(90 * r) > 0.5) & (r > 0.42), np.array([0.16, 0.16, 0.17]))
        t.fill(image, r < 0.38, m.srgb(m.bright(rng)))
        t.fill(image, r < 0.07, m.srgb("white"))
    elif kind == "agate":
        a1, a2 = m.srgb(m.pick(rng, ("teal", "purple", "royal", "magenta"))), m.srgb("white")
        image[:] = t.mix(0.5 + 0.5 * np.sin(24 * np.abs(wavy) ** 1.5), a1, 0.6 * a1 + 0.4 * a2)
        t.fill(image, wavy < 0.25, a2)
    elif kind == "cup":
        t.fill(image, r < 2, m.srgb("#c9a06b"))
        ink = m.srgb(m.vary(rng, m.pick(rng, ("#5a3218", "dark red", "navy")), 0.02))
        t.fill(image, np.abs(r - 0.86) < 0.04, ink)
        t.fill(image, (np.abs(x - 0.46) < 0.2 - 0.16 * (0.52 - y) ** 2) & (np.abs(y - 0.41) < 0.14), ink)  # a cup
        t.fill(image, np.abs(np.hypot(x - 0.66, (y - 0.43) * 1.1) - 0.075) < 0.028, ink)
        t.fill(image, (np.abs(x - 0.46) < 0.28) & (np.abs(y - 0.235) < 0.022), ink)
        for at in (0.36, 0.46, 0.56):
            wave = at + 0.025 * np.sin(30 * y)
            t.fill(image, (np.abs(x - wave) < 0.018) & (np.abs(y - 0.68) < 0.08), ink)
    elif kind == "tile":
        ink, third = m.srgb(m.pick(rng, ("royal", "teal", "brick"))), m.srgb("amber")
        t.fill(image, r < 0.55 + 0.3 * np.cos(8 * a), ink)
        t.fill(image, r < 0.25, third)
        t.fill(image, np.hypot(np.abs(x - 0.5) - 0.5, np.abs(y - 0.5) - 0.5) < 0.16, ink)
        t.fill(image, np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) > 0.47, third)
    else:
        ground, ink = m.srgb(m.bright(rng)), m.srgb(m.dark(rng))
        t.fill(image, r < 2, ground)
        t.fill(image, (r < 0.86) & (r > 0.78), ink)
        t.write(image, m.pick(rng, ("BEER", "CAFE", "PUB", "HOME", "CHEERS")), ink, (0.5, 0.5), 0.2, 0.2)
    return image


COASTERS = ("cork", "tile", "log", "crochet", "agate", "stack")
COASTERS += ("record", "beer", "citrus", "leather", "rattan", "stone")


def pile(rng, one: p.Part, n: int = 3) -> p.Part:
    """Copies on top of each other, each a little aside: what one calls a set of coasters."""
    parts, heading = [one], m.between(rng, 0, 360)  # the one on top is seen best: its picture stays upright
    for i in range(1, n):
        a = np.radians(heading + m.between(rng, 100, 150) * i)
        x, z = 0.13 * np.sin(a), 0.13 * np.cos(a)
        parts.append(one.rotate(y=m.between(rng, 15, 60) * i).move(x, -(one.high[1] - one.low[1] + 0.002) * i, z))
    return p.join(parts)


@category("coaster")
def coaster(rng, k):
    """Cork, tile, log slice, crochet, agate, stack in a holder, record, beer mat, citrus, leather, rattan, stone.

    Cork, agate, beer mats and stone lie in piles: a single disc could be anything.
    """
    kind = COASTERS[k % len(COASTERS)]
    thin = m.between(rng, 0.05, 0.08)
    square = p.rectangle(1.0, 1.0, m.between(rng, 0.03, 0.2))
    if kind == "cork":
        return pile(rng, top_print(p.circle(0.5, 48), thin, m.cork(rng), disc_print(rng, "cup"), 0.9))
    if kind == "tile":
        return top_print(square, thin, m.ceramic(rng, "white"), disc_print(rng, "tile"))
    if kind == "log":
        ring = p.circle(0.5, 48) * (1 + 0.03 * rng.standard_normal((48, 1)))
        return top_print(
            p.curve(ring[::2], 60, closed=True), 0.11, m.wood(rng, "dark brown"), disc_print(rng, "log"), 0.93
        )
    if kind == "agate":
        ring = p.curve(p.oval(1.0, 0.86, 2.2, 16) * (1 + 0.04 * rng.standard_normal((16, 1))), 60, closed=True)
        return pile(rng, top_print(ring, thin, m.gold(rng), disc_print(rng, "agate"), 0.94))
    if kind == "record":
        return top_print(p.circle(0.5, 56), 0.04, m.plastic(rng, "black"), disc_print(rng, "record"))
    if kind == "beer":
        mat = p.rectangle(1, 1, 0.16)
        return pile(rng, top_print(mat, 0.045, m.cardboard(rng), disc_print(rng, "beer"), 0.98), 2)
    if kind == "citrus":
        return fruit_slice(rng, 0.5, m.pick(rng, ("orange", "lime", "lemon", "salmon")), 0.07).rotate(x=-90)
    if kind == "crochet":
        yarn, second = m.fabric(rng, m.any_color(rng), "knit"), m.fabric(rng, m.light(rng), "knit")
        rings = [p.torus(r, 0.055, (yarn, second)[i % 2], 44, 8) for i, r in enumerate(np.arange(0.05, 0.42, 0.045))]
        return [rings, p.around(p.torus(0.06, 0.035, yarn, 16, 6).move(0.44), 16)]
    if kind == "rattan":
        fibre = m.wicker(rng)
        coil = p.spiral(0.03, 0.0, 7, 240, 0.5)
        spokes = p.around(s.plank((0.05, 0.022, 0), (0.5, 0.022, 0), 0.03, 0.02, m.wood(rng, "tan"), up=(0, 1, 0)), 10)
        return [p.sweep(coil, 0.036, fibre, 8, up=(0, 1, 0)), spokes]
    if kind == "leather":
        hide, thread = m.leather(rng), m.fabric(rng, "cream")
        stitch = p.capsule(0.011, 0.05, thread, 8).rotate(x=90)
        body = p.extrude(p.circle(0.5, 56), 0.05, hide, 0.015).rotate(x=-90)
        return [body, p.torus(0.34, 0.02, hide, 48, 8).move(y=0.024), p.around(stitch.move(0.44, 0.024), 36)]
    if kind == "stone":
        slab = p.extrude(p.circle(0.5, 6), 0.07, m.marble(rng) if m.chance(rng) else m.stone(rng), 0.012)
        rim = p.extrude(p.circle(0.515, 6), 0.04, m.gold(rng), 0.006)
        return pile(rng, p.join(slab, rim).rotate(x=-90))
    return coaster_stack(rng)


def coaster_stack(rng):
    """A pile of round coasters between the posts of a holder."""
    tones = [m.any_color(rng) for _ in range(4)]
    wire = m.pick(rng, (m.dark_metal, m.brass, m.wood))(rng)
    finishes = [m.cork(rng) if i % 2 else m.ceramic(rng, tone) for i, tone in enumerate(tones)]
    parts = [p.cylinder(0.5, 0.06, finish).move(y=0.07 * i) for i, finish in enumerate(finishes)]
    hoop = p.rod(p.fillet([(0.54, 0.34, 0), (0.54, -0.06, 0), (0, -0.06, 0)], 0.05), 0.022, wire, 8)
    return [parts, p.around(hoop, 4, start=45), p.torus(0.54, 0.04, wire, 48, 8).move(y=0.12)]
