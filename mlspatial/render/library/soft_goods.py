"""Throw pillows and rugs."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category


def motif(rng, k: int) -> np.ndarray:
    """A picture for a pillow: chevrons, a heart, a star, a ring, diamonds or a letter on a plain ground."""
    ground, ink, third = (m.srgb(c) for c in (m.light(rng), m.bright(rng), m.dark(rng)))
    image = t.canvas(ground, 128, 128)
    x, y = t.pixels(image)
    u, v = 2 * x - 1, 2 * y - 1
    if k == 0:
        t.fill(image, (3.5 * y + np.abs(3 * x % 1 - 0.5) * 1.6) % 1 < 0.45, ink)
    elif k == 1:
        a, b = u * 1.5, v * 1.5 + 0.15
        t.fill(image, (a**2 + b**2 - 0.8) ** 3 - 1.6 * a**2 * b**3 < 0, ink)
    elif k == 2:
        radius, angle = np.hypot(u, v), np.arctan2(u, v)
        t.fill(image, radius < 0.36 + 0.22 * np.cos(5 * angle), ink)
    elif k == 3:
        radius = np.hypot(u, v)
        for size, tone in ((0.75, ink), (0.52, ground), (0.3, third)):
            t.fill(image, radius < size, tone)
    elif k == 4:
        cell = np.abs((2 * x) % 1 - 0.5) + np.abs((2 * y) % 1 - 0.5)
        t.fill(image, cell < 0.4, ink)
        t.fill(image, cell < 0.18, third)
    else:
        t.write(image, m.pick(rng, "ABEHKMRS&"), ink, (0.5, 0.5), 0.55, 0.22)
    return image


def piping(pad: p.Part, finish) -> p.Part:
    """A cord along the seam of a pillow: through its vertices in the plane z = 0."""
    rim = np.unique(np.round(pad.vertices[np.abs(pad.vertices[:, 2]) < 1e-6], 6), axis=0)
    order = np.argsort(np.arctan2(rim[:, 1], rim[:, 0]))
    return p.sweep(rim[order], 0.008, finish, 8, closed=True, up=(0, 0, 1))


def cable(x: float, size: float, thick: float, finish) -> p.Part:
    """A knitted plait from top to bottom of a pillow's front."""
    y = np.linspace(-0.47, 0.47, 60) * size
    wave, strands = y / size * 2 * np.pi * 5, []
    for phase in (0, np.pi):
        across = x + 0.014 * np.sin(wave + phase)
        dome = np.sqrt((1 - (2 * across / size) ** 4) * (1 - (2 * y / size) ** 4))
        path = np.column_stack([across, y, thick / 2 * dome + 0.004 * np.cos(wave + phase)])
        strands.append(p.rod(path, 0.011, finish, 8))
    return p.join(strands)


def tassels(size: float, finish) -> p.Part:
    """Four tassels at the corners of a square."""
    line = [(0.03, -0.12), (0.022, -0.05), (0.012, -0.035), (0.02, -0.02), (0.012, 0), (0, 0.004)]
    tuft = p.lathe(p.curve(line, 16), finish, 14).rotate(z=45).move(size / 2, -size / 2)
    return p.both(p.both(tuft), "y")


@category("throw pillow")
def throw_pillow(rng, k):
    """Motif and piping, stripes and tassels, round with a button, cables, a bolster, fur, oblong, fringe."""
    kind = ("motif", "tassels", "round", "knit", "motif", "bolster", "fur", "oblong", "fringe")[k % 9]
    trim = m.fabric(rng, m.any_color(rng), "weave")
    size, thick = m.between(rng, 0.42, 0.5), m.between(rng, 0.17, 0.22)
    if kind == "round":
        cover = m.fabric(rng, m.bright(rng), "plush")
        fold = lambda v: 1 + 0.03 * np.cos(24 * np.arctan2(v[:, 1], v[:, 0]))  # noqa: E731
        body = p.superellipsoid((size, thick * 1.2, size), cover, 2.3, 2, 72).rotate(x=90)
        dent = lambda v: np.sign(v[:, 2]) * -0.06 * np.exp(-((np.hypot(v[:, 0], v[:, 1]) / 0.06) ** 2))  # noqa: E731
        body = body.warp(lambda v: v * fold(v)[:, None]).shift(z=dent)
        button = p.superellipsoid((0.06, 0.06, 0.03), trim, segments=18).move(z=thick * 0.6 - 0.055)
        return p.join(body, p.both(button, "z")).rotate(x=-18)
    if kind == "bolster":
        cover, r = m.patterned(rng), 0.12
        line = [
            (0, -0.36),
            (0.03, -0.36),
            (r * 0.9, -0.335),
            (r, -0.3),
            (r, 0.3),
            (r * 0.9, 0.335),
            (0.03, 0.36),
            (0, 0.36),
        ]
        roll = p.lathe(p.curve(line, 60), cover, 44)
        ends = [p.torus(r * 0.95, 0.02, trim, 40, 8).move(y=y) for y in (-0.318, 0.318)]
        knob = p.both(p.superellipsoid((0.06, 0.03, 0.06), trim, segments=18).move(y=0.365), "y")
        return p.join(roll, ends, knob).rotate(z=90)
    wide = size * 1.5 if kind == "oblong" else size
    cover = {
        "motif": lambda: m.picture(motif(rng, (k // 9 + k % 9 // 4 * 3 + 1) % 6), 0.9),
        "tassels": lambda: m.patterned(rng, kind=m.pick(rng, ("stripes", "bands"))),
        "knit": lambda: m.fabric(rng, m.pick(rng, (m.pastel, m.muted, m.bright))(rng), "knit", 0.3),
        "fur": lambda: m.fur(rng, m.vary(rng, m.pick(rng, ("white", "sky", "tan", "pink")), 0.04)),
        "oblong": lambda: m.patterned(rng, kind=m.pick(rng, ("flowers", "dots"))),
        "fringe": lambda: m.patterned(rng, kind=m.pick(rng, ("gingham", "checks"))),
    }[kind]()
    pad = p.pillow(wide, size, thick, cover, m.between(rng, 0.04, 0.1))
    parts = [pad]
    if kind in ("motif", "oblong"):  # piping along the seam
        parts.append(piping(pad, trim))
    if kind == "fur":  # balls of wool at the corners, a button in the middle
        ball = p.sphere(0.045, m.foam(rng, m.bright(rng)), 18).move(size * 0.49, size * 0.49)
        button = p.superellipsoid((0.07, 0.07, 0.05), ball.finishes[0], segments=18).move(z=thick * 0.5)
        parts += [p.both(p.both(ball), "y"), p.both(button, "z")]
    if kind == "tassels":
        parts.append(tassels(size * 0.97, trim))
    if kind == "fringe":
        thread = p.box((0.009, 0.036, 0.006), trim, 0).move(y=size / 2 + 0.008)
        side = p.repeat(thread, 36, (size / 37, 0, 0))
        parts.append(p.around(side, 4, "z"))
    if kind == "knit":
        parts.append(p.join([cable(x, size, thick, cover) for x in np.linspace(-0.28, 0.28, 4) * size]))
    return p.join(parts).rotate(x=-14)


# ---- rugs ----------------------------------------------------------------------------------------------------------
def persian(rng) -> np.ndarray:
    """Borders around a field with a medallion and corner pieces."""
    red, navy, cream, gold = (m.srgb(m.vary(rng, c, 0.05)) for c in ("dark red", "navy", "cream", "amber"))
    if m.chance(rng):
        red, navy = navy, red
    image = t.canvas(navy, 160, 240)
    x, y = t.pixels(image)
    edge = np.minimum(np.minimum(x, 1 - x) * 160, np.minimum(y, 1 - y) * 240) / 160
    for width, tone in ((0.02, cream), (0.035, red), (0.12, cream), (0.135, navy), (0.15, red)):
        t.fill(image, edge > width, tone)
    along = np.where(np.minimum(x, 1 - x) * 160 < np.minimum(y, 1 - y) * 240, y * 240, x * 160) / 160
    t.fill(image, (np.hypot((along * 10) % 1 - 0.5, (edge - 0.078) * 10) < 0.3), navy)
    u, v = 2 * x - 1, (2 * y - 1) * 1.5
    angle = np.arctan2(v, u)
    for size, tone in ((0.52, cream), (0.46, navy), (0.3, gold), (0.2, red), (0.08, cream)):
        t.fill(image, np.hypot(u, v * 0.75) < size * (1 + 0.1 * np.cos(8 * angle)), tone)
    corner = np.hypot(0.7 - np.abs(u), 1.2 - np.abs(v))
    t.fill(image, (corner < 0.42) & (edge > 0.15), gold)
    t.fill(image, (corner < 0.34) & (edge > 0.15), navy)
    field = np.tile(t.flowers(rng, [0, 0, 0], [[1, 1, 1]], 5, 80)[..., 0], (3, 2)) / 255
    t.fill(image, field * (edge > 0.15) * (np.hypot(u, v * 0.75) > 0.6) * (corner > 0.42), gold)
    return image


def kilim(rng) -> np.ndarray:
    """Bands across with zigzags and diamonds."""
    tones = [m.srgb(m.vary(rng, c, 0.05)) for c in ("brick", "navy", "cream", "amber", "teal", "dark red")]
    order = rng.permutation(len(tones))
    image = t.canvas(tones[order[0]], 240, 128)
    x, y = t.pixels(image)
    for i in range(9):
        band = np.abs(x - (i + 0.5) / 9) * 9
        tone, ink = tones[order[i % 6]], tones[order[(i + 2) % 6]]
        t.fill(image, band < 0.5, tone)
        wave = np.abs((y * 8) % 1 - 0.5)
        if i % 3 == 0:
            t.fill(image, (band < 0.42) & (np.abs(x * 9 - i - 0.3 - 0.8 * wave) < 0.12), ink)
        elif i % 3 == 1:
            t.fill(image, band + 2 * wave * 0.4 < 0.36, ink)
    return image


def fringe(rng, w: float, d: float) -> p.Part:
    """Threads along both short ends, x across."""
    thread = p.box((0.008, 0.008, 0.07), m.fabric(rng, "cream"), 0).move(0, 0.006, d / 2 + 0.025)
    return p.both(p.repeat(thread, int(w / 0.025), (0.025, 0, 0)), "z")


@category("rug")
def rug(rng, k):
    """Persian with fringes, braided oval, striped runner with one end rolled up, shaggy with a motif."""
    kind = ("persian", "braided", "rolled", "shaggy")[k % 4]
    if kind == "braided":
        tones = [m.fabric(rng, m.any_color(rng), "knit", 0.1) for _ in range(4)]
        long, wide, n = m.between(rng, 0.1, 0.5), 0.045, 13
        rings = []
        for i in range(n):
            angle = np.radians(np.linspace(0, 360, 57)[:-1])
            ring = np.column_stack([np.cos(angle) * wide * (i + 0.5), 0 * angle, np.sin(angle) * wide * (i + 0.5)])
            ring[:, 0] += np.sign(np.cos(angle)) * long / 2
            rings.append(p.sweep(ring, wide * 0.58, tones[i // 2 % 4], 8, closed=True))
        return p.join(rings).scale(1, 0.5, 1)
    w, d = m.between(rng, 0.95, 1.15), m.between(rng, 1.5, 1.7)
    if kind == "persian":
        carpet = p.sheet(w, d, m.picture(persian(rng), 0.9), 0.016, lambda x, z: 0.006 * np.sin(4 * z + x))
        return p.join(carpet, fringe(rng, w * 0.96, d)).rotate(y=m.between(rng, -15, 15))
    if kind == "shaggy":
        ground, ring, light = (m.vary(rng, tone, 0.03) for tone in (*rng.permutation(m.BRIGHT)[:2], "ivory"))
        ground, ring, light = (m.fur(rng, tone) for tone in (ground, ring, light))
        long = d * 0.85
        pile = p.sheet(w, long, ground, 0.05, lambda x, z: rng.normal(0, 0.006, x.shape), n=56)

        def edge(c: np.ndarray) -> np.ndarray:
            return np.minimum(w / 2 - np.abs(c[:, 0]), long / 2 - np.abs(c[:, 2]))

        def lozenge(c: np.ndarray) -> np.ndarray:
            return np.abs(c[:, 0]) / w + np.abs(c[:, 2]) / long

        pile = pile.paint(light, lambda c: (edge(c) > 0.06) & (edge(c) < 0.14))
        for share, tone in ((0.36, light), (0.28, ring), (0.14, light)):
            pile = pile.paint(tone, lambda c, share=share: lozenge(c) < share)
        return p.join(pile, fringe(rng, w * 0.96, long).scale(1, 2, 1))
    carpet = p.sheet(d, w * 0.75, m.picture(kilim(rng), 0.9), 0.014, n=60)
    start, r0 = d * 0.05, 0.13  # from x = start on the sheet winds itself up

    def roll(v: np.ndarray) -> np.ndarray:
        run = np.maximum(v[:, 0] - start, 0)
        angle = run / r0 * (1 + 0.12 * run / r0)
        radius = r0 - 0.011 * angle
        curled = np.column_stack([start + radius * np.sin(angle), r0 - radius * np.cos(angle), v[:, 2]])
        side = np.column_stack([-np.sin(angle), np.cos(angle), 0 * angle]) * v[:, 1:2]
        return np.where(run[:, None] > 0, curled + side, v)

    return carpet.warp(roll).smooth(60).rotate(y=60)
