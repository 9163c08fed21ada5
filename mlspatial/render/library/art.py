"""Paintings, framed photographs and sculptures."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category

PIXELS = 200  # on the longer side of a picture


def blank(color, w: float, h: float) -> np.ndarray:
    """A canvas of the shape of a picture w by h."""
    scale = PIXELS / max(w, h)
    return t.canvas(m.srgb(color), int(w * scale), int(h * scale))


def brushwork(rng, image: np.ndarray, strength: float = 0.1) -> np.ndarray:
    """Uneven tones, as of paint."""
    h, w = image.shape[:2]
    field = t.noise(rng, PIXELS, (40, 14), 1.0)[:h, :w, None] - 0.5
    return np.clip(image * (1 + 2 * strength * field), 0, 1)


# ---- what is painted -----------------------------------------------------------------------------------------------
def landscape(rng, w: float, h: float) -> np.ndarray:
    """Sky, sun, mountains, a lake or fields, and trees."""
    image = blank(m.pick(rng, ("sky", "peach", "lilac")), w, h)
    x, y = t.pixels(image)
    image[:] = t.mix(np.clip((1 - y) * 1.4, 0, 1), image[0, 0], m.srgb("cream"))
    t.fill(image, np.hypot((x - 0.72) * w / h, y - 0.8) < 0.08, m.srgb("lemon"))
    ridge = 0.58 + 0.12 * np.abs(np.sin(5 * x + rng.uniform(0, 6))) + 0.02 * np.sin(40 * x)
    t.fill(image, y < ridge, m.srgb("violet"))
    t.fill(image, (y < ridge) & (y > 0.66), m.srgb("white"))
    t.fill(image, y < 0.46 + 0.05 * np.sin(6 * x + 2), m.srgb("green"))
    t.fill(image, y < 0.34 + 0.03 * np.sin(4 * x), m.srgb("blue" if m.chance(rng) else "lime"))
    t.fill(image, y < 0.16 + 0.04 * np.sin(9 * x + 1), m.srgb("dark green"))
    for cx in rng.uniform(0.05, 0.95, 5):
        base, high = m.between(rng, 0.1, 0.4), m.between(rng, 0.16, 0.3)
        t.fill(
            image,
            (np.abs(x - cx) * w / h < 0.3 * (base + high - y)) & (y > base),
            m.srgb(m.vary(rng, "dark green", 0.04)),
        )
    return image


def flowers_in_vase(rng, w: float, h: float) -> np.ndarray:
    """A still life."""
    image = blank(m.pick(rng, ("dark brown", "charcoal", "teal")), w, h)
    x, y = t.pixels(image)
    t.fill(image, y < 0.24, m.srgb("brown"))
    u = (x - 0.5) * w / h
    t.fill(
        image, (np.abs(u) < 0.1 + 0.07 * np.sin((y - 0.14) * 10)) & (y > 0.14) & (y < 0.44), m.srgb(m.any_color(rng))
    )
    blossoms = [(m.between(rng, -0.26, 0.26), m.between(rng, 0.52, 0.86)) for _ in range(13)]
    t.draw(image, [[(0.5, 0.4), (0.5 + cx * h / w, cy)] for cx, cy in blossoms], m.srgb("green"), 0.018)
    for cx, cy in blossoms:
        r, a = np.hypot(u - cx, y - cy), np.arctan2(y - cy, u - cx)
        t.fill(image, r < 0.065 + 0.018 * np.cos(6 * a), m.srgb(m.pick(rng, (m.bright, m.pastel))(rng)))
        t.fill(image, r < 0.022, m.srgb("amber"))
    return image


def portrait(rng, w: float, h: float) -> np.ndarray:
    """A head with hair and shoulders before a plain ground."""
    image = blank(m.muted(rng), w, h)
    x, y = t.pixels(image)
    u = (x - 0.5) * w / h
    hair, skin = m.srgb(m.pick(rng, ("dark brown", "black", "amber", "brick"))), m.srgb(m.vary(rng, "#d9a27c", 0.05))
    ink = m.srgb("dark brown")
    long_hair = m.chance(rng)
    t.fill(image, (np.hypot(u, (y - 0.66)) < 0.215) | (long_hair & (np.abs(u) < 0.2) & (y > 0.34) & (y < 0.66)), hair)
    t.fill(image, np.hypot(u / 1.15, (y - 0.02) * 1.05) < 0.33, m.srgb(m.any_color(rng)))
    t.fill(image, (np.abs(u) < 0.07) & (y > 0.3) & (y < 0.5), skin * 0.88)
    t.fill(image, np.hypot(u / 0.8, y - 0.6) < 0.185, skin)
    for side in (-1, 1):
        t.fill(image, np.hypot((u - side * 0.06) / 1.5, y - 0.63) < 0.016, m.srgb("white"))
        t.fill(image, np.hypot(u - side * 0.06, y - 0.63) < 0.015, ink)
        t.draw(image, [[(0.5 + side * 0.03 * h / w, 0.675), (0.5 + side * 0.095 * h / w, 0.68)]], hair, 0.012)
    t.draw(image, [[(0.5, 0.62), (0.5 - 0.014 * h / w, 0.57), (0.5 + 0.008 * h / w, 0.565)]], skin * 0.75, 0.009)
    smile = [(0.5 + q * 0.05 * h / w, 0.51 + 0.018 * q * q) for q in np.linspace(-1, 1, 9)]
    t.draw(image, [smile], m.srgb("dark red"), 0.016)
    return image


def seascape(rng, w: float, h: float) -> np.ndarray:
    """A sailing ship on waves."""
    image = blank("sky", w, h)
    x, y = t.pixels(image)
    u = (x - 0.5) * w / h
    for cx, cy in rng.uniform((0.1, 0.7), (0.9, 0.92), (4, 2)):
        t.fill(image, np.hypot((x - cx) * 0.6, y - cy) < 0.07, m.srgb("white"))
    t.fill(image, (np.abs(u) < 0.26 - 0.5 * (0.4 - y)) & (y > 0.27) & (y < 0.38), m.srgb("brown"))
    t.draw(image, [[(0.5, 0.36), (0.5, 0.88)]], m.srgb("dark brown"), 0.015)
    t.fill(image, (u > 0.02) & (u < 0.6 * (0.86 - y)) & (y > 0.42), m.srgb("ivory"))
    t.fill(image, (u < -0.02) & (u > -0.5 * (0.8 - y)) & (y > 0.42), m.srgb(m.pick(rng, ("ivory", "red", "amber"))))
    for i in range(6):
        crest = 0.31 - 0.055 * i + 0.018 * np.sin(22 * x + 2.4 * i)
        t.fill(image, y < crest, m.srgb(m.blend("turquoise", "navy", i / 5)))
        t.fill(image, (y < crest) & (y > crest - 0.012), m.srgb("white"))
    return image


def abstract(rng, w: float, h: float) -> np.ndarray:
    """Black lines around rectangles, or overlapping discs."""
    image = blank("ivory", w, h)
    x, y = t.pixels(image)
    if m.chance(rng):
        columns, rows = (np.sort([0, *rng.uniform(0.12, 0.88, 3), 1]) for _ in range(2))
        for i in range(4):
            for j in range(4):
                inside = (x > columns[i]) & (x < columns[i + 1]) & (y > rows[j]) & (y < rows[j + 1])
                t.fill(image, inside, m.srgb(m.pick(rng, ("ivory", "ivory", "red", "yellow", "royal"))))
        lines = [[(c, 0), (c, 1)] for c in columns[1:-1]] + [[(0, r), (1, r)] for r in rows[1:-1]]
        t.draw(image, lines, m.srgb("black"), 0.035)
        return image
    for _ in range(9):
        cx, cy, r = m.between(rng, 0.1, 0.9), m.between(rng, 0.1, 0.9), m.between(rng, 0.08, 0.24)
        far = np.hypot((x - cx) * w / h, y - cy)
        t.fill(image, far < r, m.srgb(m.bright(rng)))
        t.fill(image, np.abs(far - r * 0.6) < 0.012, m.srgb("black"))
    return image


# ---- frames --------------------------------------------------------------------------------------------------------
def moulding(w: float, h: float, width: float, depth: float, finish, ornate: bool) -> p.Part:
    """A picture frame around w by h that faces +z, its profile swept along mitred sides; ornate: with beads."""
    ring = [(0, 0.5), (0, 0.75), (0.25, 1.0), (0.5, 0.7), (0.75, 0.95), (1, 0.75), (1, 0), (0, 0)] if ornate else [
        (0, 0.6), (0, 1.0), (1, 1.0), (1, 0), (0, 0)]  # fmt: skip
    sections = []
    for sx, sy in ((1, -1), (1, 1), (-1, 1), (-1, -1)):
        sections.append([(sx * (w / 2 + q * width), sy * (h / 2 + q * width), z * depth) for q, z in ring])
    parts = [p.loft(np.array(sections), finish, closed=True, crease=30)]
    if ornate:
        bead = p.sphere(width * 0.13, finish, 8)
        across, up = w + width, h + width
        parts.append(p.both(p.repeat(bead, 24, (across / 24, 0, 0)).move(0, up / 2, depth * 0.75), "y"))
        parts.append(p.both(p.repeat(bead, 18, (0, up / 18, 0)).move(across / 2, 0, depth * 0.75)))
        leaf = p.superellipsoid((width * 1.6, width * 1.6, depth * 0.9), finish, 1.2, 2, 16).rotate(x=90)
        parts.append(p.both(p.both(leaf.move(across / 2, up / 2, depth * 0.5)), "y"))
    return p.join(parts)


def framed(image, w: float, h: float, frame: p.Part, back, depth: float = 0.03) -> p.Part:
    """A picture in a frame, a board behind it."""
    sheet = p.box((w * 1.01, h * 1.01, 0.012), m.picture(image, 0.6), 0).move(z=depth * 0.5)
    return p.join(frame, sheet, p.box((w * 1.04, h * 1.04, depth * 0.5), back, 0).move(z=depth * 0.25))


@category("painting")
def painting(rng, k):
    """A landscape, a portrait, a modern canvas on an easel, flowers, a ship; gilt, dark or plain frames."""
    kind = (landscape, portrait, abstract, flowers_in_vase, seascape)[k % 5]
    tall = kind in (portrait, flowers_in_vase)
    w, h = (m.between(rng, 0.62, 0.72), 0.9) if tall else (1.0, m.between(rng, 0.64, 0.76))
    image = brushwork(rng, kind(rng, w, h))
    canvas, wood = m.fabric(rng, "beige", "weave"), m.wood(rng)
    if kind is abstract:  # no frame: a deep canvas on an easel
        board = p.join(
            p.box((w, h, 0.04), m.fabric(rng, "ivory", "weave"), 0.004),
            p.box((w * 0.995, h * 0.995, 0.004), m.picture(image), 0).move(z=0.02),
        )
        leg = s.plank((0.42, -0.75, 0.02), (0.04, 0.75, -0.13), 0.05, 0.03, wood)
        rear = s.plank((0, -0.75, -0.55), (0, 0.7, -0.15), 0.05, 0.03, wood)
        ledge = p.box((0.8, 0.04, 0.09), wood, 0.006).move(0, -h / 2 + 0.08, 0.03)
        clip = p.box((0.08, 0.08, 0.1), wood, 0.006).move(0, h / 2 + 0.12, -0.05)
        return [board.rotate(x=-5).move(0, 0.12, 0.0), p.both(leg), rear, ledge, clip]
    finish = m.pick(rng, (m.gold, m.gold, m.bronze, m.wood))(rng)
    frame = moulding(w, h, m.between(rng, 0.1, 0.15), 0.08, finish, ornate=True)
    return framed(image, w, h, frame, canvas, 0.05)


@category("picture")
def picture(rng, k):
    """A photograph in a table frame with a white mount and a strut behind: people, a landscape, a ship, flowers."""
    kind = (portrait, landscape, seascape, flowers_in_vase)[k % 4]
    w, h = (0.5, 0.68) if k % 2 == 0 else (0.72, 0.5)
    mount = 0.08
    image = kind(rng, w, h)
    finish = m.pick(rng, (m.wood, m.chrome, m.paint, m.brass))(rng)
    frame = moulding(w + 2 * mount, h + 2 * mount, 0.06, 0.05, finish, ornate=False)
    white = p.extrude(p.rectangle(w + 2 * mount, h + 2 * mount), 0.014, m.paper(rng), 0.001, holes=[p.rectangle(w, h)])
    made = p.join(framed(image, w, h, frame, m.fabric(rng, "black"), 0.03), white.move(z=0.022))
    back = p.box((w + 2 * mount, h + 2 * mount, 0.012), m.cardboard(rng), 0.001).move(z=0.004)
    strut = p.box((0.14, h * 0.9, 0.012), m.cardboard(rng), 0.002).rotate(x=20).move(0, -h * 0.16, -0.11)
    return p.join(made, back, strut).rotate(x=-10)


# ---- sculptures ----------------------------------------------------------------------------------------------------
@category("sculpture")
def sculpture(rng, k):
    """A bust, a balloon dog, a horse on a plinth, a figure with raised arms, an owl, a winding ring."""
    return (bust, balloon_dog, horse, figure, owl, ring)[k % 6](rng)


def plinth(rng, size: float, h: float) -> p.Part:
    """A square block with its top at y = 0."""
    stone = m.pick(rng, (m.marble, m.stone, lambda g: m.wood(g, "ebony")))(rng)
    step = p.box((size * 1.15, h * 0.25, size * 1.15), stone, 0.01).move(y=-h * 0.88)
    return p.join(p.box((size, h, size), stone, 0.01).move(y=-h / 2), step)


def bust(rng):
    """Head and shoulders in stone or bronze on a round foot."""
    stone = m.pick(rng, (m.marble, m.bronze, lambda g: m.stone(g, "ivory")))(rng)
    chest = p.superellipsoid((0.56, 0.42, 0.3), stone, 2.3, 2.4, 36).move(y=0.14)
    chest = chest.shift(y=lambda v: np.where(v[:, 1] < 0.1, 0.5 * v[:, 0] ** 2, -0.5 * v[:, 0] ** 2))
    neck = p.cone(0.1, 0.08, 0.2, stone).move(0, 0.38, -0.01)
    head = p.superellipsoid((0.24, 0.34, 0.29), stone, 2.2, 2.2, 40).move(0, 0.58, 0.01)
    head = head.shift(x=lambda v: -0.5 * v[:, 0] * np.clip(0.56 - v[:, 1], 0, 1) * 4 * 0.5)
    bridge = [(x, 0.62, z) for x, z in ((0.01, 0.14), (-0.01, 0.14), (-0.01, 0.11), (0.01, 0.11))]
    nostrils = [(x, 0.54, z) for x, z in ((0.028, 0.185), (-0.028, 0.185), (-0.03, 0.1), (0.03, 0.1))]
    nose = p.loft([bridge, nostrils], stone)
    brow = p.ellipsoid((0.09, 0.03, 0.04), stone, 16).rotate(z=-6).move(0.055, 0.63, 0.14)
    eye = p.ellipsoid((0.05, 0.03, 0.03), stone, 16).move(0.055, 0.6, 0.138)
    ear = p.ellipsoid((0.03, 0.08, 0.05), stone, 16).move(0.12, 0.58, 0)
    mouth = [p.ellipsoid((0.08, 0.02, 0.03), stone, 16).move(0, y, 0.143) for y in (0.5, 0.482)]
    chin = p.ellipsoid((0.09, 0.06, 0.06), stone, 16).move(0, 0.44, 0.115)
    curls = []
    for i in range(58):
        up, turn = m.between(rng, 0.1, 1.0), 137.5 * i
        flat = np.sqrt(1 - up**2)
        x, z = flat * np.sin(np.radians(turn)), flat * np.cos(np.radians(turn))
        if up < 0.55 and z > 0.25:
            continue
        curls.append(p.sphere(0.034, stone, 10).move(0.12 * x, 0.59 + 0.17 * up, 0.14 * z))
    foot = p.lathe(
        p.fillet([(0, -0.28), (0.17, -0.28), (0.16, -0.24), (0.07, -0.18), (0.09, 0.0), (0, 0)], 0.02), stone
    )
    return [
        chest,
        neck,
        head,
        nose,
        p.both(p.join(brow, eye, ear)),
        mouth,
        chin,
        curls,
        foot,
        plinth(rng, 0.36, 0.12).move(y=-0.28),
    ]


def balloon_dog(rng):
    """Shining balloons knotted to a dog, seen from its left."""
    color = m.metal(rng, m.bright(rng))

    def balloon(start, end, r: float) -> p.Part:
        length = float(np.linalg.norm(np.subtract(end, start)))
        line = [
            (0.02, 0),
            (0.7 * r, 0.07 * length),
            (r, 0.3 * length),
            (r, 0.7 * length),
            (0.7 * r, 0.93 * length),
            (0.02, length),
        ]
        return p.lathe(p.curve(line, 18), color, 24).aim(start, end)

    hip, chest, nape = (-0.26, 0.42, 0), (0.22, 0.42, 0), (0.33, 0.72, 0)
    parts = [balloon(hip, chest, 0.1), balloon(chest, nape, 0.085), balloon(nape, (0.6, 0.68, 0), 0.08)]
    legs = [balloon((x, 0.44, 0.06), (x + 0.02, 0.02, 0.11), 0.085) for x in (-0.28, 0.22)]
    ear = balloon((0.32, 0.72, 0.04), (0.24, 0.98, 0.09), 0.07)
    tail = p.join(balloon((-0.3, 0.46, 0), (-0.42, 0.82, 0), 0.05), p.sphere(0.022, color, 12).move(-0.42, 0.83))
    knot = p.cone(0.03, 0.01, 0.04, color, segments=14).rotate(z=90).move(0.62, 0.68)
    return [parts, p.both(p.join(legs, ear), "z"), tail, knot]


def limb(points, radii, finish: p.Finish, n: int = 22, sides: int = 14) -> p.Part:
    """A tube through the points with these radii, closed by round ends."""
    r = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(radii)), radii)
    r = r * np.sqrt(np.clip(np.minimum(np.arange(n), np.arange(n)[::-1]) / 2, 0.05, 1))
    return p.sweep(p.curve(points, n), r, finish, sides)


def horse(rng):
    """A horse with one foot raised, on a long block, its side in front."""
    metal = m.pick(rng, (m.bronze, m.brass, m.bronze))(rng)
    trunk = limb([(-0.4, 0.58, 0), (-0.2, 0.62, 0), (0.1, 0.58, 0), (0.34, 0.62, 0)], (0.1, 0.17, 0.155, 0.12), metal)
    neck = limb([(0.16, 0.6, 0), (0.34, 0.84, 0), (0.44, 1.08, 0)], (0.17, 0.15, 0.105), metal)
    head = limb([(0.36, 1.08, 0), (0.5, 1.03, 0), (0.62, 0.9, 0), (0.7, 0.76, 0)], (0.1, 0.115, 0.075, 0.065), metal)
    eye = p.sphere(0.022, metal, 12).move(0.5, 1.06, 0.085)
    ear = p.cone(0.032, 0.0, 0.12, metal, segments=10).rotate(x=10, z=14).move(0.4, 1.2, 0.05)
    tuft = [(-0.4, 0.66, 0), (-0.56, 0.62, 0), (-0.6, 0.36, 0), (-0.58, 0.16, 0)]
    tail = limb(tuft, (0.03, 0.07, 0.07, 0.02), metal)
    crest = [(0.5, 1.18, 0), (0.35, 1.16, 0), (0.21, 0.98, 0), (0.1, 0.78, 0)]
    mane = limb(crest, (0.03, 0.07, 0.07, 0.03), metal).scale(1, 1, 0.7)
    hind = [(-0.34, 0.56, 0.08), (-0.31, 0.36, 0.09), (-0.39, 0.2, 0.09), (-0.35, 0.0, 0.09)]
    fore = [(0.28, 0.56, 0.08), (0.29, 0.3, 0.08), (0.29, 0.0, 0.08)]
    raised = [(0.28, 0.56, -0.08), (0.46, 0.42, -0.09), (0.45, 0.28, -0.09), (0.36, 0.18, -0.09)]
    slim, hoof = (0.13, 0.075, 0.044, 0.038), p.cone(0.055, 0.04, 0.06, metal, segments=16)
    legs = [limb(q, slim, metal) for q in (hind, [(x + 0.1, y, -z) for x, y, z in hind], fore, raised)]
    feet = [hoof.move(x, 0.025, z) for x, z in ((-0.36, 0.09), (-0.26, -0.09), (0.29, 0.08))]
    feet.append(hoof.rotate(z=-40).move(0.34, 0.17, -0.09))
    block = plinth(rng, 0.44, 0.16).scale(2.2, 1, 1)
    return [trunk, neck, head, p.both(p.join(ear, eye), "z"), tail, mane, legs, feet, block]


def figure(rng):
    """A thin dancer with raised arms on a block."""
    metal = m.pick(rng, (m.bronze, m.brass, m.dark_metal))(rng)
    limbs = [  # points and radii
        ([(-0.02, 0, 0), (0.01, 0.26, 0.03), (0, 0.52, 0)], (0.022, 0.035, 0.05)),
        ([(0.34, 0.3, -0.06), (0.2, 0.36, 0.02), (0.02, 0.54, 0)], (0.018, 0.035, 0.05)),
        ([(0, 0.5, 0), (-0.015, 0.62, 0), (0.0, 0.8, 0), (0, 0.88, 0)], (0.065, 0.05, 0.075, 0.03)),
        ([(0.05, 0.82, 0), (0.22, 0.92, 0.04), (0.2, 1.12, 0.06)], (0.035, 0.024, 0.015)),
        ([(-0.05, 0.82, 0), (-0.24, 0.86, 0.04), (-0.38, 1.04, 0.02)], (0.035, 0.024, 0.015)),
    ]
    parts = [limb(points, radii, metal, 24, 16) for points, radii in limbs]
    skirt = p.lathe(p.wall(p.curve([(0.05, 0.62), (0.14, 0.55), (0.26, 0.5)], 12), 0.012), metal, 48)
    wave = lambda v: 0.025 * np.sin(9 * np.arctan2(v[:, 0], v[:, 2])) * np.hypot(v[:, 0], v[:, 2]) / 0.26  # noqa: E731
    head = p.ellipsoid((0.1, 0.13, 0.11), metal, 24).move(0, 0.97, 0.01)
    bun = p.sphere(0.04, metal, 16).move(0, 1.03, -0.04)
    return [parts, skirt.shift(y=wave), head, bun, plinth(rng, 0.3, 0.16)]


def owl(rng):
    """A sitting owl with big eyes on a block."""
    stone = m.pick(rng, (m.marble, m.bronze, m.stone))(rng)
    body = p.superellipsoid((0.44, 0.62, 0.4), stone, 2.3, 2, 40).taper(0.8, 1.0).move(y=0.28)
    head = p.superellipsoid((0.42, 0.34, 0.36), stone, 2.4, 2.2, 36).move(0, 0.66, 0.01)
    tuft = p.cone(0.07, 0.0, 0.16, stone, segments=14).rotate(z=-22).move(0.14, 0.84, 0.02)
    eye = p.join(p.torus(0.075, 0.035, stone, 28, 10), p.sphere(0.04, stone, 18)).rotate(x=90).move(0.09, 0.69, 0.17)
    beak = p.cone(0.04, 0.0, 0.11, stone, segments=12).rotate(x=160).move(0, 0.6, 0.2)
    wing = p.ellipsoid((0.12, 0.5, 0.34), stone, 24).rotate(z=-6).move(0.2, 0.28, -0.03)
    feather = p.ellipsoid((0.08, 0.07, 0.04), stone, 12)
    rows = [(x, 0.46 - 0.075 * i) for i in range(5) for x in np.linspace(-0.11, 0.11, 3 + i % 2)]
    breast = [feather.move(x, y, 0.2 - 0.9 * x * x - 0.3 * (y - 0.3) ** 2) for x, y in rows]
    claw = p.ellipsoid((0.06, 0.05, 0.12), stone, 14)
    claws = [claw.move(0.12 + x, 0.0, 0.18) for x in (-0.05, 0.0, 0.05)]
    return [body, head, breast, beak, p.both(p.join(tuft, eye, wing, claws)), plinth(rng, 0.5, 0.16)]


def ring(rng):
    """A knot of a thick polished band."""
    metal = m.pick(rng, (m.chrome, m.copper, m.gold, m.bronze))(rng)
    a = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    turns = m.pick(rng, (2, 4))
    path = np.column_stack(
        [
            (0.32 + 0.12 * np.cos(3 * a)) * np.cos(turns * a),
            (0.32 + 0.12 * np.cos(3 * a)) * np.sin(turns * a),
            0.13 * np.sin(3 * a),
        ]
    )
    knot = p.sweep(path, 0.06, metal, 16, closed=True)
    return [knot.stand(-0.03), plinth(rng, 0.34, 0.18)]
