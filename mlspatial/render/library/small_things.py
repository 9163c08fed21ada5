"""Small things: buttons, coins and notes, a bee."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.font import strokes

HEAD = [  # a portrait in profile, looking left, 1 high
    *[(0.1, 0.42), (-0.08, 0.47), (-0.24, 0.36), (-0.28, 0.18), (-0.38, 0.02), (-0.29, -0.03), (-0.31, -0.1)],
    *[(-0.28, -0.17), (-0.29, -0.26), (-0.2, -0.31), (-0.08, -0.29), (-0.1, -0.42), (-0.2, -0.5), (0.3, -0.5)],
    *[(0.2, -0.36), (0.22, -0.16), (0.34, 0.05), (0.32, 0.28)],
]


def profile_head(height: float, n: int = 60) -> np.ndarray:
    """The outline of the portrait."""
    return p.curve(np.array(HEAD) * height, n, closed=True)


# ---- shirt button --------------------------------------------------------------------------------------------------
def mottled(rng, a, b, roughness=0.2) -> p.Finish:
    """Horn, tortoiseshell, mother of pearl: two colours in soft clouds."""
    field = np.clip(1.6 * t.noise(rng, 96, (4, 3), 1.7) - 0.3, 0, 1)
    return p.Finish((1.0, 1.0, 1.0), roughness, 0.0, t.to_bytes(t.mix(field, m.srgb(a), m.srgb(b))), 1.0)


BUTTONS = (  # outline, holes, rim height, rim width, finish, thread
    ("round", 4, 1.0, 0.16, lambda rng: m.plastic(rng, "white", 0.7), None),
    ("round", 2, 1.0, 0.3, lambda rng: m.plastic(rng, m.vary(rng, "navy"), 0.6), None),
    ("round", 4, 0.75, 0.24, lambda rng: mottled(rng, "#2e190d", "#b06f2c"), None),
    ("round", 4, 1.5, 0.13, lambda rng: m.plastic(rng, m.vary(rng, "red"), 0.8), "white"),
    ("scallop", 2, 0.8, 0.26, lambda rng: m.plastic(rng, m.vary(rng, "yellow"), 0.7), None),
    ("round", 2, 0.6, 0.12, lambda rng: m.wood(rng, m.pick(rng, ("oak", "cherry", "walnut")), 0.8), None),
    ("square", 4, 0.9, 0.16, lambda rng: m.plastic(rng, m.vary(rng, "charcoal"), 0.5), None),
    ("round", 4, 0.7, 0.34, lambda rng: mottled(rng, "#f4efe6", "#b9c4c9", 0.12), "navy"),
    ("flower", 2, 0.8, 0.3, lambda rng: m.plastic(rng, m.vary(rng, "pink"), 0.7), None),
    ("octagon", 4, 1.1, 0.14, lambda rng: m.plastic(rng, m.vary(rng, "teal"), 0.8), "yellow"),
    ("round", 4, 1.2, 0.2, lambda rng: m.brass(rng), None),
    ("heart", 2, 0.8, 0.2, lambda rng: m.plastic(rng, m.vary(rng, "magenta"), 0.8), None),
)


def button_outline(kind: str, r: float) -> np.ndarray:
    """(n, 2) outline of a button."""
    if kind == "square":
        return p.oval(1.8 * r, 1.8 * r, 4.5, 64)
    if kind == "octagon":
        return p.fillet(p.arc(r, 22.5, 337.5, 8), 0.15 * r, closed=True)
    if kind == "heart":
        half = [(0, 0.62), (0.36, 0.92), (0.85, 0.78), (0.98, 0.3), (0.62, -0.35), (0.06, -0.92)]
        return p.curve(np.array([*half, *[(-x, y) for x, y in half[:0:-1]]]) * r, 72, closed=True)
    a = np.radians(np.linspace(0, 360, 96, endpoint=False))
    wave = {"scallop": 0.045 * np.abs(np.cos(6 * a)), "flower": 0.11 + 0.11 * np.cos(6 * a)}.get(kind, 0 * a)
    radius = r * (1 - wave.max() + wave)
    return np.column_stack([radius * np.cos(a), radius * np.sin(a)])


@category("shirt button")
def shirt_button(rng, k):
    """Twelve styles: round, square, scalloped, octagonal ...; two or four holes; high and wide rims; with thread."""
    kind, n_holes, height, wide, finish_of, thread = BUTTONS[k % len(BUTTONS)]
    finish, depth = finish_of(rng), 0.2 * m.between(rng, 0.85, 1.15)
    if k >= len(BUTTONS):
        finish = m.plastic(rng, m.any_color(rng), 0.7)
    outline = button_outline(kind, 1.0)
    inner = (1 - wide) * outline if kind in ("square", "octagon") else p.circle((1 - wide) * 0.92, 56)
    if kind in ("flower", "heart"):
        inner = p.circle(0.52, 48)
    size, apart = (0.1, 0.21) if n_holes == 4 else (0.12, 0.23)
    size, apart = size * m.between(rng, 0.9, 1.2), apart * m.between(rng, 0.9, 1.1)
    spots = apart * (p.arc(2**0.5, 45, 315, 4) if n_holes == 4 else np.array([(1.0, 0), (-1.0, 0)]))
    plate = p.extrude(1.03 * inner, depth, finish, 0.03, holes=[p.circle(size, 20) + at for at in spots])
    rim_depth = depth * (1 + 0.6 * height)
    rim = p.extrude(outline, rim_depth, finish, min(0.48 * rim_depth, 0.4 * wide), holes=[inner], rings=4)
    parts = [rim, plate]
    if thread:
        parts.append(sewn(spots, depth, m.fabric(rng, m.vary(rng, thread, 0.03), "twill")))
    return parts


def sewn(spots: np.ndarray, depth: float, cotton: p.Finish) -> p.Part:
    """Threads from hole to hole, in front and behind: a cross over four holes, a bar over two."""
    pairs = [(0, 2), (1, 3)] if len(spots) == 4 else [(0, 1)]
    threads = []
    for i, (a, b) in enumerate(pairs):
        along = np.linspace(0, 1, 9)[:, None]
        line = np.column_stack([(1 - along) * spots[a] + along * spots[b], 0.04 * np.sin(np.pi * along) + 0.03 * i])
        side = np.array([spots[b][1] - spots[a][1], spots[a][0] - spots[b][0]]) / np.linalg.norm(spots[b] - spots[a])
        for q in (-0.035, 0.035):
            threads.append(p.rod(line + (*(q * side), depth / 2 + 0.01), 0.042, cotton, 8))
        threads.append(p.rod(line * (1, 1, -1) - (0, 0, depth / 2 + 0.01), 0.06, cotton, 8))
    plugs = [p.disc(0.085, depth * 1.02, cotton, 12).move(*spot) for spot in spots]
    return p.join(threads, plugs)


# ---- coins and notes -----------------------------------------------------------------------------------------------
def around_rim(text: str, radius: float, size: float, start: float = 90.0) -> list[np.ndarray]:
    """Strokes of a text that runs clockwise along a circle about (0.5, 0.5), its middle at `start` degrees."""
    step = np.degrees(size * 0.95 / radius)
    lines = []
    for i, letter in enumerate(text):
        a = np.radians(start - (i - (len(text) - 1) / 2) * step)
        out, along = np.array([np.cos(a), np.sin(a)]), np.array([np.sin(a), -np.cos(a)])
        lines += [q[:, :1] * size * along + (radius + q[:, 1:] * size) * out + 0.5 for q in strokes(letter)]
    return lines


def struck(rng, ground, text: str, below: str, size: float = 0.09) -> p.Finish:
    """A coin's field with lettering along the rim."""
    base = 0.82 * m.srgb(ground)
    image = t.canvas(base, 144, 144)
    lines = around_rim(text, 0.4, size) + [1 - q for q in around_rim(below, 0.4, size)]
    t.draw(image, [q + (0.006, -0.006) for q in lines], base * 0.35, 0.02)
    t.draw(image, lines, np.minimum(base * 0.72, 1), 0.016)
    return m.picture(image, 0.3, 1.0)


@category("coin")
def coin(rng, k):
    """Gold with a numeral, two-metal with a head, copper with a wreath, silver with a star."""
    kind = ("numeral", "two metals", "wreath", "star")[k % 4]
    gold, silver, copper = (0.86, 0.6, 0.2), (0.72, 0.72, 0.74), (0.7, 0.34, 0.2)
    tone = {"numeral": gold, "two metals": silver, "wreath": copper, "star": silver}[kind]
    tone = m.vary(rng, tone, 0.03)
    centre = m.vary(rng, gold, 0.03) if kind == "two metals" else tone
    metal, inlay = m.metal(rng, tone), m.metal(rng, centre)
    depth = m.between(rng, 0.12, 0.16)
    reeds = int(rng.integers(60, 90))
    rim = p.extrude(p.star(reeds, 1.0, 0.975), depth, metal, 0.02, holes=[p.circle(0.9, 64)])
    year = str(int(rng.integers(1950, 2024)))
    legend = struck(rng, tone, m.pick(rng, ("REPUBLIC", "KINGDOM", "LIBERTY", "UNITED")), year)
    front = p.extrude(p.circle(0.91, 64), 0.02, legend, 0.0)
    face = p.join(front, p.disc(0.62, 0.05, inlay) if kind == "two metals" else None).move(z=depth / 2 - 0.035)
    relief = depth / 2 - 0.01
    figure = p.extrude(profile_head(0.98), 0.1, inlay, 0.045, rings=3).move(0.02, -0.02, relief)
    value = m.pick(rng, ("10", "20", "50") if kind == "numeral" else ("1", "2", "5"))
    number = s.letters(value, 0.62, 0.11, inlay, 0.17)
    if kind == "wreath":
        leaf = p.puff(p.oval(0.22, 0.1, 1.5, 16), 0.06, metal, 0.9, 3)
        spray = [
            leaf.rotate(z=a + 60).move(0.46 * np.cos(np.radians(a)), 0.46 * np.sin(np.radians(a)))
            for a in range(-75, 75, 22)
        ]
        number = p.join(number.scale(0.85), p.both(p.join(spray)))
    emblem = p.extrude(p.star(5, 0.55, 0.22), 0.12, metal, 0.055) if kind == "star" else figure.move(z=-relief)
    heads = kind in ("two metals", "star")
    front_relief, back_relief = (emblem, number) if heads else (number, emblem)
    back = p.join(face, back_relief.move(z=relief)).rotate(y=180)
    return [rim, p.disc(0.91, depth - 0.08, metal), face, front_relief.move(z=relief), back]


def banknote(rng, ground, ink, value: str) -> p.Finish:
    """A printed note: a frame, a portrait in an oval, the value in the corners."""
    paper, ink = m.srgb(ground), m.srgb(ink)
    image = t.canvas(paper, 240, 104)
    x, y = t.pixels(image)
    wave = 0.5 + 0.5 * np.sin(40 * y + 6 * np.sin(9 * x)) * np.sin(60 * x)
    t.fill(image, 0.25 * wave, ink)
    edge = np.minimum(np.minimum(x, 1 - x) * 2.3, np.minimum(y, 1 - y))
    t.fill(image, (edge > 0.035) & (edge < 0.12), 0.35 * paper + 0.65 * ink)
    t.fill(image, (edge > 0.115) & (edge < 0.135), ink)
    oval = ((x - 0.5) * 2.3 / 0.3) ** 2 + ((y - 0.5) / 0.4) ** 2
    t.fill(image, oval < 1, 0.8 * paper + 0.2)
    t.fill(image, (oval > 0.88) & (oval < 1.05), ink)
    head = profile_head(0.52, 26) * (1 / 2.3, 1) + (0.5, 0.5)
    t.draw(image, [np.array([q, (0.5, 0.47)]) for q in head], 0.75 * ink, 0.11)
    for cx in (0.13, 0.87):
        for cy in (0.24, 0.76):
            oval = ((x - cx) * 2.3 / 0.19) ** 2 + ((y - cy) / 0.15) ** 2
            t.fill(image, oval < 1, ink)
            t.write(image, value, paper, (cx, cy), 0.17)
    t.write(image, value, ink, (0.29, 0.5), 0.3, 0.2)
    t.write(image, "BANK", ink, (0.71, 0.5), 0.14, 0.18)
    return m.picture(image, 0.8)


@category("money")
def money(rng, k):
    """A banded bundle of notes, a fan of notes, a roll in a rubber band, two bundles with coins."""
    kind = ("bundle", "fan", "roll", "bundles")[k % 4]
    tones = (("#dfe6cf", "#2f5d3a"), ("#f0d9c4", "#a8451f"), ("#d6e2ee", "#23507f"), ("#eedcec", "#6b3270"))
    note = banknote(rng, *tones[(k // 2 if k > 1 else k) % 4], m.pick(rng, ("10", "20", "50", "100")))
    if kind == "fan":
        others = [banknote(rng, *tones[i], v) for i, v in ((2, "50"), (0, "20"))]
        fan = zip((30, 12, -6, -24), (note, others[0], others[1], note), strict=True)
        sheets = [sheet_of(f).move(y=0.9).rotate(z=a, about=(-0.6, 0, 0)) for a, f in fan]
        return [sheet.move(z=0.05 * i) for i, sheet in enumerate(sheets)]
    if kind == "roll":
        radius = 2.3 / (2 * np.pi)
        turn = np.linspace(0, 9 * np.pi, 110)
        coil = (radius * (1 - 0.08 * turn / np.pi))[:, None] * np.column_stack([np.sin(turn), np.cos(turn)])
        core = p.sweep(p.in_plane(coil, "xz"), 1.0, m.paper(rng, tones[0][0]), section=p.rectangle(0.012, 0.98))
        roll = p.box((2.3, 1.0, 0.03), note, 0.0).subdivide(0.12).warp(lambda v: rolled(v, radius))
        band = p.fillet(
            np.array([(-0.01, -0.07), (0.04, -0.07), (0.04, 0.07), (-0.01, 0.07)]) + (radius, 0), 0.02, True
        )
        ring = p.lathe(np.concatenate([band, band[:1]]), m.rubber(rng, m.vary(rng, "red")))
        return p.join(roll, core, ring).rotate(z=90)
    if kind == "bundles":
        other = bundle(rng, banknote(rng, *tones[3], "5"), 0.4).rotate(z=14).move(0.1, 0.12, -0.42)
        disc = p.disc(0.24, 0.07, m.gold(rng), 36)
        pile = [disc.move(-0.85 + 0.05 * i, -0.3 - 0.02 * i, 0.24 + 0.075 * i) for i in range(4)]
        return [bundle(rng, note, 0.4), other, pile]
    return bundle(rng, note, m.between(rng, 0.4, 0.5))


def rolled(v: np.ndarray, radius: float) -> np.ndarray:
    """x becomes the way around a cylinder about y."""
    a, r = v[:, 0] / radius, radius + v[:, 2]
    return np.stack([r * np.sin(a), v[:, 1], r * np.cos(a)], axis=1)


def sheet_of(note: p.Finish) -> p.Part:
    """One note, slightly curved."""
    return p.box((2.3, 1.0, 0.02), note, 0.0).subdivide(0.2).shift(z=lambda v: 0.06 * np.sin(2.4 * v[:, 0] + 0.7))


def bundle(rng, note: p.Finish, depth: float) -> p.Part:
    """Many notes in a paper band."""
    lines = t.stripes([(0.93, 0.93, 0.88), (0.62, 0.66, 0.6)], [2, 1], upright=True)
    block = p.box((2.3, 1.0, depth), p.Finish((1.0, 1.0, 1.0), 0.9, 0.0, lines, 0.025), 0.0)
    sheets = [p.box((2.3, 1.0, 0.012), note, 0.0).move(z=z) for z in (depth / 2, -depth / 2)]
    loose = [
        p.box((2.3, 1.0, 0.012), note, 0.0).rotate(z=m.between(rng, -2.5, 2.5)).move(0.02 * i, 0, z)
        for i, z in enumerate(np.linspace(-0.35, 0.35, 4) * depth)
    ]
    band = p.box((0.42, 1.03, depth + 0.05), m.paper(rng, m.pick(rng, ("white", "lemon", "salmon"))), 0.01)
    return p.join(block, sheets, loose, band)


# ---- bee -----------------------------------------------------------------------------------------------------------
@category("bee")
def bee(rng, k):
    """Slim honey bee, round bumblebee, a cartoon with big eyes and a smile; it looks to the front."""
    style = ("honey", "bumble", "cartoon")[k % 3]
    plump = {"honey": 0.36, "bumble": 0.56, "cartoon": 0.52}[style]
    gold, black = m.srgb(m.vary(rng, ("amber", "yellow", "yellow")[k % 3], 0.03)), np.array([0.1, 0.09, 0.09])
    image = t.stripes(
        [black, gold, black, gold, black, gold, black, gold, gold], [1.4, 1, 1, 1, 1, 1, 1, 0.8, 1], False
    )
    image = t.to_bytes((image / 255) * (t.TILEABLE["plush"](0)[:64, :64] / 255)) if style != "cartoon" else image
    dark = m.plastic(rng, m.vary(rng, "black", 0.02), 0.7)
    fur = m.plastic(rng, "yellow", 0.5) if style == "cartoon" else m.fur(rng, m.vary(rng, ("#a8742c", "black")[k % 2]))
    tail = p.lathe(
        p.curve([(0, -0.5), (0.45, -0.32), (0.98, 0), (0.75, 0.36), (0, 0.5)], 30) * (plump / 2, 0.62),
        m.picture(image, 0.7),
        40,
    ).rotate(x=90)
    droop = 14 if style == "honey" else 6
    parts = [tail.rotate(x=-droop).move(0, -0.04, -0.3)]
    parts.append(
        p.cone(0.0, 0.025, 0.1, dark, segments=16)
        .rotate(x=90 - droop)
        .move(0, -0.13 if style == "honey" else -0.08, -0.64)
    )
    parts.append(p.ellipsoid((plump * 0.88, plump * 0.88, 0.36), fur, 32).move(0, 0.0, 0.08))
    r = 0.15 if style != "cartoon" else 0.22
    z = 0.3 + 0.2 * r
    face = m.plastic(rng, "yellow", 0.5) if style == "cartoon" else dark
    parts.append(p.ellipsoid((2 * r, 1.9 * r, 1.6 * r), face, 32).move(0, -0.01, z))
    parts.append(p.both(bee_eye(rng, style, r).move(0, -0.01, z)))
    feeler = p.curve([(0.05, 0.7 * r, z + 0.4 * r), (0.09, 1.5 * r, z + 0.8 * r), (0.14, 1.6 * r, z + 1.8 * r)], 12)
    tip = p.sphere(0.028, dark, 12).move(*feeler[-1])
    parts.append(p.both(p.join(p.rod(feeler, 0.012, dark, 8), tip)))
    if style == "cartoon":
        smile = p.in_plane(p.arc(0.09, 205, 335, 14)) + (0, -0.03, z + 0.73 * r)
        parts.append(p.rod(smile, 0.012, dark, 8))
    wing = p.puff(
        p.curve([(0, 0), (0.2, 0.13), (0.52, 0.15), (0.6, 0.02), (0.35, -0.09)], 32, closed=True),
        0.02,
        m.glass(rng, "#dfeaf0"),
        0.3,
    )
    vein = p.rod(p.curve([(0.02, 0.01, 0.011), (0.25, 0.06, 0.013), (0.5, 0.08, 0.011)], 10), 0.006, dark, 6)
    wing = p.join(wing, vein, vein.rotate(z=-12)).rotate(x=-78)
    pair = p.join(wing.rotate(y=10), wing.scale(0.72).rotate(y=42).move(0, -0.01, -0.06)).rotate(z=28)
    parts.append(p.both(pair.move(0.06, plump * 0.36, 0.08)))
    for q, out in ((0.16, 0.12), (0.05, 0.02), (-0.06, -0.12)):
        leg = p.fillet(
            [(0.1, -0.1, q), (0.26, -0.2, q + out), (0.3, -0.34, q + 1.6 * out), (0.34, -0.36, q + 1.9 * out)], 0.04
        )
        parts.append(p.both(p.rod(leg, 0.018, dark, 8)))
    return parts


def bee_eye(rng, style: str, r: float) -> p.Part:
    """The right eye, on a head of radius r about the origin."""
    black = m.plastic(rng, "black", 0.95)
    if style != "cartoon":
        return p.ellipsoid((0.7 * r, 1.2 * r, 0.9 * r), m.plastic(rng, "#3a2a22", 0.9), 20).move(
            0.68 * r, 0.15 * r, 0.2 * r
        )
    white = p.ellipsoid((0.62 * r, 0.8 * r, 0.4 * r), m.plastic(rng, "white", 0.8), 24)
    return p.join(white, p.sphere(0.17 * r, black, 16).move(-0.04 * r, -0.04 * r, 0.16 * r)).move(
        0.38 * r, 0.25 * r, 0.68 * r
    )
