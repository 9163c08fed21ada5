"""Books, and what keeps them upright."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category

TITLES = ("HISTORY", "ATLAS", "POEMS", "COOKING", "THE SEA", "MYTHS", "STARS", "BIRDS", "TALES", "ROME", "MATHS", "ART")


def cover_picture(rng, title: str, style: int, wide: int = 120) -> np.ndarray:
    """A front cover, 2 wide and 3 high, `wide` pixels wide: a frame, a disc, a landscape or stripes, and the title."""
    tone = m.dark(rng) if style == 0 else m.any_color(rng)
    ground, ink, third = (m.srgb(c) for c in (tone, m.light(rng), m.bright(rng)))
    if np.abs(ground - ink).sum() < 0.8:
        ink = m.srgb("black") if ground.sum() > 1.5 else m.srgb("white")
    image = t.canvas(ground, wide, wide * 3 // 2)
    x, y = t.pixels(image)
    if style == 0:  # an old book's gilt frame
        edge = np.minimum(np.minimum(x, 1 - x) * 2, np.minimum(y, 1 - y) * 3)
        gilt = m.srgb("amber")
        t.fill(image, ((edge > 0.12) & (edge < 0.17)) | ((edge > 0.21) & (edge < 0.23)), gilt)
        t.fill(image, np.abs(x - 0.5) * 2 + np.abs(y - 0.36) * 3 < 0.4, gilt)
        ink = gilt
    elif style == 1:
        t.fill(image, np.hypot((x - 0.5) * 2, (y - 0.36) * 3) < 0.7, third)
        t.fill(image, np.hypot((x - 0.62) * 2, (y - 0.42) * 3) < 0.28, ink)
    elif style == 2:
        t.fill(image, np.hypot((x - 0.7) * 2, (y - 0.5) * 3) < 0.24, m.srgb("lemon"))
        for i, tone in enumerate(("teal", "green", "dark green")):
            t.fill(image, y < 0.42 - 0.13 * i + 0.06 * np.sin(x * (7 + 3 * i) + i), m.srgb(m.vary(rng, tone)))
    else:
        t.fill(image, ((x + y * 1.5) * 5 % 1 < 0.5) & (y < 0.55), third)
    t.write(image, title, ink, (0.5, 0.8), min(0.13, 0.5 / len(title)), 0.2)
    t.draw(image, [[(0.3, 0.68), (0.7, 0.68)]], ink, 0.012)
    return image


def spine_picture(rng, title: str, cover: np.ndarray) -> np.ndarray:
    """The colours of the cover with the title from the top down."""
    ground = cover[4, 4]
    ink = m.srgb("amber") if ground.sum() < 1.6 else m.srgb("black")
    image = t.canvas(ground, 200, 36)
    t.write(image, title, ink, (0.45, 0.5), min(0.6, 4.2 / len(title)), 0.2)
    x, _ = t.pixels(image)
    t.fill(image, (np.abs(x - 0.88) < 0.015) | (np.abs(x - 0.06) < 0.015), ink)
    return np.rot90(image, -1).copy()


def closed_book(rng, w: float, h: float, thick: float, style: int, pixels: int = 120) -> p.Part:
    """Stands on y = 0, the front cover to +z, the spine to -x, the pages' edges to +x and up."""
    title = m.pick(rng, TITLES)
    picture = cover_picture(rng, title, style, pixels)
    cloth = m.paint(rng, m.from_srgb(picture[4, 4]))
    board = 0.012
    front = p.box((w, h, board), m.picture(picture, 0.5), 0.002, 1).move(0, h / 2, thick / 2)
    back = p.box((w, h, board), cloth, 0.002, 1).move(0, h / 2, -thick / 2)
    lines = m.picture(t.stripes([(0.95, 0.93, 0.86), (0.8, 0.77, 0.7)] * 12), 0.9)
    pages = p.box((w - 0.03, h - 0.04, thick - board * 0.6), lines, 0.001, 1).move(0.0, h / 2)
    curve = p.arc(1.0, 90, 270, 13) * (0.035, thick / 2 + board / 2)
    back_bone = p.extrude(np.concatenate([curve, [(0.004, -thick / 2), (0.004, thick / 2)]]), h, cloth, 0.002)
    parts = [front, back, pages, back_bone.rotate(x=-90).move(-w / 2, h / 2)]
    label = p.box((0.003, h * 0.96, thick * 0.7), m.picture(spine_picture(rng, title, picture)), 0).move(
        -w / 2 - 0.034, h / 2
    )
    if style == 0:
        gold = m.gold(rng)
        for y in (0.12, 0.3, 0.72, 0.9):
            parts.append(p.extrude(curve * 1.06, 0.012, gold, 0.002).rotate(x=-90).move(-w / 2, h * y))
    return p.join(parts, label)


def open_book(rng) -> list:
    """Lies open, text on the left page, a picture on the right, a ribbon between them."""
    w, d = 0.42, 0.6
    image = t.canvas((0.96, 0.94, 0.88), 150, 210)
    for y in np.linspace(0.9, 0.12, 17):
        right = 0.88 if m.chance(rng, 0.8) else m.between(rng, 0.4, 0.7)
        t.draw(image, [[(0.12, y), (right, y)]], (0.25, 0.24, 0.26), 0.012)
    second = t.canvas((0.96, 0.94, 0.88), 150, 210)
    x, y = t.pixels(second)
    frame = (x > 0.14) & (x < 0.88) & (y > 0.5) & (y < 0.9)
    t.fill(second, frame, m.srgb("sky"))
    t.fill(second, frame & (np.hypot(x - 0.65, (y - 0.8) * 1.4) < 0.08), m.srgb("yellow"))
    t.fill(second, frame & (y < 0.62 + 0.05 * np.sin(9 * x)), m.srgb("green"))
    for line in np.linspace(0.42, 0.12, 7):
        t.draw(second, [[(0.14, line), (0.88, line)]], (0.25, 0.24, 0.26), 0.012)
    dome = lambda x, z: 0.055 * np.sin(np.pi * np.clip((x / w + 0.5), 0, 1) ** 0.6) + 0.02  # noqa: E731
    paper = m.paper(rng, "ivory")
    parts = []
    for side, picture in ((1, second), (-1, image)):
        height = dome if side > 0 else (lambda x, z: dome(-x, z))
        page = p.sheet(w, d, m.picture(picture, 0.9), 0.006, height, 20).move(side * w / 2)
        block = p.sheet(w * 1.01, d * 0.99, paper, 0.03, lambda x, z, f=height: f(x, z) - 0.017, 16).move(side * w / 2)
        parts += [page.smooth(60), block]
    parts.append(p.box((2 * w + 0.06, 0.016, d + 0.05), m.leather(rng, m.any_color(rng)), 0.004).move(y=-0.004))
    path = p.curve([(0, 0.03, -d / 2), (0.01, 0.035, 0), (0.02, 0.03, d / 2), (0.05, -0.005, d / 2 + 0.06)], 24)
    parts.append(p.strap(path, 0.022, 0.006, m.plastic(rng, "red"), up=(0, 1, 0.2)))
    return [p.join(parts).rotate(x=m.between(rng, 8, 30))]


@category("book")
def book(rng, k):
    """A novel that stands, an open one, an old leather one, a pile of three, a paperback that stands ajar."""
    kind = ("novel", "open", "old", "pile", "ajar")[k % 5]
    if kind == "open":
        return open_book(rng)
    w, h = m.between(rng, 0.6, 0.72), 1.0
    if kind in ("novel", "old"):
        thick = m.between(rng, 0.12, 0.2) if kind == "novel" else m.between(rng, 0.22, 0.3)
        made = closed_book(rng, w, h, thick, 0 if kind == "old" else 1 + k % 3)
        return made.rotate(y=20) if kind == "novel" else made.rotate(y=28)
    if kind == "pile":
        y, parts = 0.0, []
        for i in range(3):
            thick = m.between(rng, 0.1, 0.18)
            flat = closed_book(rng, 0.68 - 0.04 * i, 0.95 - 0.06 * i, thick, i + 1)
            flat = flat.move(y=-0.45).rotate(x=-90).rotate(y=90 + m.between(rng, -16, 16)).stand(y)
            y = flat.high[1]
            parts.append(flat)
        return parts
    picture = cover_picture(rng, m.pick(rng, TITLES), 1 + k // 5 % 3)
    back = m.paint(rng, m.from_srgb(picture[4, 4]))
    front = p.box((w, h, 0.014), m.picture(picture, 0.5), 0.002, 1).move(w / 2, h / 2)
    rear = p.box((w, h, 0.014), back, 0.002, 1).move(w / 2, h / 2)
    leaves = [p.box((w * 0.96, h * 0.96, 0.012), m.paper(rng, "ivory"), 0.001, 1).move(w * 0.48, h / 2).rotate(y=a)
              for a in np.linspace(-24, 26, 9)]  # fmt: skip
    return p.join(
        front.rotate(y=-30), rear.rotate(y=32), leaves, p.cylinder(0.02, h, back, segments=14).move(y=h / 2)
    ).rotate(y=15)


# ---- bookends ------------------------------------------------------------------------------------------------------
def steel_angle(rng):
    """A bent sheet with a cut-out."""
    coat = m.pick(rng, (m.enamel, m.steel, m.dark_metal))(rng)
    hole = p.oval(0.12, 0.2, 2.5, 28) + (0, 0.03)
    wall = p.extrude(p.rectangle(0.3, 0.44, 0.06), 0.014, coat, 0.004, holes=[hole]).rotate(y=90).move(0, 0.22)
    return p.join(wall, p.box((0.3, 0.014, 0.3), coat, 0.005).move(0.15, 0.007))


def marble_wedge(rng):
    """A quarter round of stone."""
    stone = m.pick(rng, (m.marble, m.stone))(rng)
    outline = np.concatenate([[(0, 0)], p.arc(0.34, 90, 180, 20) * (0.8, 1.25)])
    return p.join(
        p.extrude(outline, 0.26, stone, 0.02), p.box((0.29, 0.03, 0.28), m.wood(rng), 0.006).move(-0.14, 0.015)
    )


def wooden_letter(rng, letter: str):
    """A thick capital on a base."""
    coat, wood = m.paint(rng, m.bright(rng)), m.wood(rng)
    glyph = s.letters(letter, 0.36, 0.1, coat, 0.24).move(-0.17, 0.26)
    wall = p.box((0.03, 0.46, 0.26), wood, 0.006).move(-0.015, 0.23)
    return p.join(glyph, wall, p.box((0.34, 0.03, 0.26), wood, 0.006).move(-0.17, 0.015))


def cat(rng):
    """A sitting cat that leans on the books."""
    coat = m.pick(rng, (m.dark_metal, m.bronze, m.ceramic, m.brass))(rng)
    body = p.ellipsoid((0.2, 0.3, 0.2), coat, 30).rotate(z=-14).move(-0.12, 0.17)
    head = p.sphere(0.085, coat, 28).move(-0.09, 0.37)
    ear = p.cone(0.035, 0.0, 0.08, coat, segments=16).move(-0.09, 0.455, 0.048)
    tail = p.rod(
        p.curve([(-0.2, 0.05, 0), (-0.3, 0.06, 0.05), (-0.3, 0.2, 0.06), (-0.24, 0.27, 0.05)], 24), 0.022, coat
    )
    leg = p.capsule(0.03, 0.22, coat, 18).move(-0.03, 0.12, 0.05)
    base = p.join(
        p.box((0.34, 0.03, 0.26), m.wood(rng), 0.006).move(-0.17, 0.015),
        p.box((0.02, 0.46, 0.26), m.wood(rng), 0.005).move(-0.01, 0.23),
    )
    return p.join(body, head, p.both(p.join(ear, leg), "z"), tail, base)


def half_globe(rng):
    """Half a globe on a stepped foot."""
    brass = m.brass(rng)
    ball = p.sphere(0.17, m.ceramic(rng, m.pick(rng, ("sky", "teal", "cream"))), 36).move(-0.09, 0.28)
    rings = [p.torus(0.172, 0.016, brass, 40, 8).rotate(x=turn).move(-0.09, 0.28) for turn in (0, 45, 90, 135)]
    foot = p.lathe(p.fillet([(0, 0), (0.13, 0), (0.12, 0.04), (0.03, 0.06), (0.03, 0.13), (0, 0.13)], 0.01), brass, 32)
    wall = p.box((0.03, 0.46, 0.26), m.wood(rng), 0.006).move(0, 0.23)
    return p.join(ball, rings, foot.move(-0.13), wall)


def star_end(rng):
    """A big star or arrow on a base."""
    metal = m.pick(rng, (m.brass, m.copper, m.enamel))(rng)
    shape = p.star(5, 0.23, 0.1) if m.chance(rng) else p.star(12, 0.21, 0.15)
    base = p.join(
        p.box((0.3, 0.03, 0.26), metal, 0.006).move(-0.15, 0.015),
        p.box((0.02, 0.4, 0.26), metal, 0.005).move(-0.01, 0.2),
    )
    return p.join(p.extrude(shape, 0.07, metal, 0.015).move(-0.19, 0.23), base)


@category("bookend")
def bookend(rng, k):
    """A pair with books between: bent steel, stone quarter rounds, letters A and Z, cats, half globes, stars."""
    kinds = (cat, steel_angle, lambda g: wooden_letter(g, "A"), marble_wedge, half_globe, star_end)
    left = kinds[k % 6](rng)
    right = left.mirror("x") if k % 6 != 2 else None
    row, x = [], 0.0
    for _ in range(int(rng.integers(3, 6))):
        thick, high = m.between(rng, 0.06, 0.1), m.between(rng, 0.42, 0.56)
        volume = closed_book(rng, 0.32, high, thick, int(rng.integers(0, 4)), 64).rotate(y=90)  # the spine to +z
        row.append(volume.move(x + thick / 2 + 0.008))
        x += thick + 0.018
    if right is None:
        base = wooden_letter(rng, "Z")
        right = base.rotate(y=180)
    return [left, row, right.move(x)]
