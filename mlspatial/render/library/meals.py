"""Food, and what stands around it on a table: jars, trays, a salt shaker, corks."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.dishes import mirrored, profile, ringed
from mlspatial.render.library.drinks import around_wall, fruit_slice, sleeve


# ---- jars ----------------------------------------------------------------------------------------------------------
def filled(rng, outer, content, level: float, segments: int = 56) -> p.Part:
    """A jar of clear glass, coloured by what is inside up to a level."""
    stuff = p.Finish(m.linear(m.vary(rng, content, 0.03)), 0.12, 0.1)
    return p.lathe(ringed(outer, level), m.glass(rng), segments).paint(
        stuff, lambda c: (c[:, 1] < level) & (c[:, 1] > 0.02)
    )


def paper_label(rng, r: float, low: float, high: float, word: str) -> p.Part:
    """A label around a cylinder."""
    image = m.label(rng, word, wide=2 * np.pi * r / (high - low), span=0.2).texture
    return sleeve(image / 255, r * 1.012, low, high, 0.6)


def jam_jar(rng):
    """Jam, a label, and gingham tied over the lid."""
    tone, word = m.pick(rng, (("#7c1424", "JAM"), ("#d9822b", "JAM"), ("#3c1f4a", "PLUM"), ("#b3302a", "BERRY")))
    outer = p.fillet([(0, 0), (0.3, 0), (0.3, 0.62), (0.25, 0.7), (0.25, 0.76), (0, 0.76)], 0.05)
    skirt = p.curve([(0.34, 0.58), (0.3, 0.68), (0.28, 0.73), (0.28, 0.8), (0.2, 0.85), (0.0, 0.85)], 30)
    cloth = p.lathe(skirt, m.patterned(rng, 0.3, ("white", m.bright(rng)), "gingham"), 96)

    def frills(v: np.ndarray) -> np.ndarray:
        k = 1 + 0.07 * np.cos(14 * np.arctan2(v[:, 0], v[:, 2])) * np.clip((0.7 - v[:, 1]) / 0.1, 0, 1)
        return v * np.column_stack([k, np.ones_like(k), k])

    cord = p.torus(0.285, 0.03, m.fabric(rng, m.bright(rng)), 40, 8).move(y=0.73)
    return [filled(rng, outer, tone, 0.6), cloth.warp(frills), cord, paper_label(rng, 0.3, 0.16, 0.46, word)]


def biscuit_jar(rng):
    """A fat ceramic jar with a knobbed lid and a word."""
    glaze, second = m.ceramic(rng, m.pick(rng, (m.pastel, m.light))(rng)), m.ceramic(rng, m.bright(rng))
    outer = profile([(0.28, 0.0), (0.38, 0.16), (0.4, 0.4), (0.32, 0.62), (0.27, 0.66)], 40)
    lid = p.lathe(profile([(0.3, 0.65), (0.3, 0.68), (0.2, 0.76), (0.05, 0.8)], 24), second)
    word = s.letters(m.pick(rng, ("COOKIE", "SUGAR", "TEA", "CANDY")), 0.1, 0.03, second, 0.2).subdivide(0.05)
    return [p.lathe(outer, glaze), lid, p.sphere(0.07, second, 24).move(y=0.86), around_wall(word, 0.405).move(y=0.31)]


def clip_jar(rng):
    """A storage jar with a glass lid, a rubber ring and a wire clip."""
    tone, wire = m.pick(rng, ("#c98d4a", "#8a3a22", "#d8c58a", "#5f7a3a")), m.steel(rng)
    outer = p.fillet([(0, 0), (0.28, 0), (0.28, 0.66), (0.22, 0.74), (0.22, 0.78), (0, 0.78)], 0.05)
    seal = p.torus(0.235, 0.045, m.rubber(rng, m.pick(rng, ("orange", "brick", "red"))), 44, 10).move(y=0.79)
    cover = p.lathe(p.fillet([(0, 0.8), (0.24, 0.8), (0.24, 0.84), (0.16, 0.88), (0, 0.88)], 0.03), m.glass(rng))
    hasp = [(0.08, 0.75, 0.24), (0.07, 0.52, 0.33), (-0.07, 0.52, 0.33), (-0.08, 0.75, 0.24)]
    bow = [(0.07, 0.7, 0.28), (0.07, 0.9, 0.22), (0.06, 0.91, 0), (0.06, 0.9, -0.2), (0.06, 0.74, -0.25)]
    wires = [p.rod(p.fillet(hasp, 0.03), 0.012, wire, 8), p.both(p.rod(p.fillet(bow, 0.03), 0.012, wire, 8))]
    return [filled(rng, outer, tone, 0.56), seal, cover, p.torus(0.235, 0.02, wire, 44, 8).move(y=0.745), wires]


def honey_jar(rng):
    """A hexagonal jar with a screw lid."""
    outer = p.fillet([(0, 0), (0.32, 0), (0.32, 0.58), (0.24, 0.66), (0, 0.66)], 0.03)
    tone, word = m.pick(rng, (("#c97d16", "HONEY"), ("#b3341f", "SALSA"), ("#6b4a1f", "NUTS")))
    lid = p.extrude(p.star(40, 0.275, 0.265), 0.16, m.pick(rng, (m.gold, m.enamel))(rng), 0.02).rotate(x=90)
    tag = p.box((0.27, 0.3, 0.014), m.label(rng, word, "ivory", wide=0.9), 0.004).move(0, 0.3, 0.278)
    return [filled(rng, outer, tone, 0.52, 6).smooth(20).rotate(y=30), lid.move(y=0.73), tag]


@category("jar")
def jar(rng, k):
    """Jam under a cloth cap, biscuit jars with a knob, clip-top jars, honey with a screw lid."""
    return (jam_jar, biscuit_jar, clip_jar, honey_jar)[k % 4](rng)


# ---- trays, corks ---------------------------------------------------------------------------------------------------
@category("tea tray")
def tea_tray(rng, k):
    """A wooden tray with hand holes, an oval painted one with two handles, a round metal one."""
    kind = ("wood", "oval", "round")[k % 3]
    if kind == "wood":
        wood, w, d = m.wood(rng), 1.2, m.between(rng, 0.72, 0.85)
        base = p.box((w, 0.04, d), m.planks(rng) if m.chance(rng) else wood)
        rail = p.box((w, 0.13, 0.035), wood, 0.01).move(y=0.05, z=d / 2)
        hold = p.rectangle(0.3, 0.06, 0.03) + (0, 0.06)
        half = [(0.0, 0.2), (-0.2, 0.14), (-d / 2, 0.12), (-d / 2, -0.02)]
        outline = np.concatenate([half, np.array(half[:0:-1]) * (-1, 1)])
        end = p.extrude(p.fillet(outline, 0.04, closed=True), 0.035, wood, 0.01, holes=[hold]).rotate(y=90).move(w / 2)
        return [base, p.both(rail, "z"), p.both(end)]
    tone, metal = m.vary(rng, m.pick(rng, ("black", "dark green", "dark red", "navy")), 0.02), m.brass(rng)
    image = t.flowers(rng, m.srgb(tone), [m.srgb(m.bright(rng)), m.srgb("ivory")], 4)
    long = 1.3 if kind == "oval" else 1.0
    line = profile([(0.4, 0.0), (0.46, 0.02), (0.5, 0.09)], 16)
    rim = s.vessel(line, 0.018, m.enamel(rng, tone) if kind == "oval" else m.chrome(rng), segments=64).scale(long, 1, 1)
    face = p.extrude(p.oval(0.84 * long, 0.84, 2, 56), 0.01, m.picture(image, 0.3)).rotate(x=-90).move(y=0.022)
    loop = p.fillet([(0.46, 0.07, -0.2), (0.64, 0.12, -0.17), (0.64, 0.12, 0.17), (0.46, 0.07, 0.2)], 0.08)
    edge = p.torus(0.5, 0.02, metal, 64, 8).scale(long, 1, 1).move(y=0.09)
    return [rim, face, edge, p.both(p.rod(loop, 0.022, metal, 10).move(long / 2 - 0.5))]


@category("saltshaker, salt shaker")
def salt_shaker(rng, k):
    """Faceted glass with salt under a steel dome with holes; ceramic ones with an S."""
    metal, dark = m.chrome(rng), m.plastic(rng, "black")
    glassy = k % 2 == 0
    outer = p.fillet([(0, 0), (0.23, 0), (0.18, 0.6), (0, 0.6)], 0.02)
    if glassy:
        body = filled(rng, outer, "#f6f5f2", 0.4, 10).smooth(15)
    else:
        body = p.lathe(p.curve([(0.0, 0), (0.2, 0.0), (0.27, 0.2), (0.2, 0.5), (0.17, 0.62)], 30), m.ceramic(rng))
    dome = p.lathe(p.curve([(0.2, 0.58), (0.205, 0.66), (0.19, 0.74), (0.1, 0.82), (0.0, 0.84)], 24), metal)
    ring = p.extrude(p.star(36, 0.215, 0.205), 0.07, metal, 0.01).rotate(x=90).move(y=0.61)
    hole = p.disc(0.02, 0.03, dark, 12).rotate(x=-90)
    holes = [hole.move(y=0.832), p.around(hole.rotate(z=-26).move(0.085, 0.815), 6)]
    mark = around_wall(
        s.letters("S", 0.2, 0.02, metal if glassy else dark, 0.2).subdivide(0.04), 0.22 if glassy else 0.26
    )
    return [body, dome, ring, holes, mark.move(y=0.22)]


@category("bottle cork")
def bottle_cork(rng, k):
    """Plain, branded, Champagne, stained, tapered, wood-topped, ball-topped and coloured corks."""
    kind = ("printed", "champagne", "topped", "stained", "tapered", "wired", "ball", "plastic")[k % 8]
    cork = m.cork(rng)
    h = m.between(rng, 0.85, 1.05)
    if kind in ("champagne", "wired"):
        line = p.curve(
            [(0.3, 0.0), (0.27, 0.12), (0.22, 0.34), (0.22, 0.44), (0.31, 0.56), (0.31, 0.72), (0.2, 0.83)], 34
        )
        body = p.lathe(np.concatenate([[(0, 0)], line, [(0, 0.85)]]), cork, 48)
        cap = p.cylinder(0.25, 0.03, m.pick(rng, (m.gold, m.enamel))(rng)).move(y=0.85)
        if kind == "champagne":
            return [body, cap]
        wire = m.steel(rng)
        leg = p.rod(p.curve([(0.2, 0.85, 0), (0.33, 0.72, 0), (0.32, 0.55, 0), (0.25, 0.4, 0)], 16), 0.016, wire, 8)
        loop = p.torus(0.05, 0.02, wire, 20, 8).rotate(x=90).move(0, 0.38, 0.3)
        return [body, cap, p.around(leg, 4), p.torus(0.25, 0.03, wire, 36, 8).move(y=0.4), loop]
    if kind in ("topped", "ball"):
        plug = p.cone(0.2, 0.24, 0.5, cork, 0.03).move(y=0.25)
        top = m.pick(rng, (m.wood, m.plastic, m.chrome))(rng)
        if kind == "ball":
            return [
                plug,
                p.torus(0.2, 0.07, m.chrome(rng), 36, 10).move(y=0.52),
                p.sphere(0.28, m.glass(rng, m.bright(rng))).move(y=0.78),
            ]
        return [plug, p.cylinder(0.31, 0.2, top, 0.04).move(y=0.6)]
    if kind == "tapered":
        return p.cone(0.2, 0.28, 0.75, cork, 0.02, 48)
    if kind == "plastic":
        body = p.cylinder(0.25, h, m.foam(rng, m.bright(rng)), 0.03)
        return [body, sleeve(cork_print(rng, m.bright(rng)), 0.252, -0.15, 0.3)]
    wet = 0.24 - h / 2
    body = p.lathe(ringed(p.fillet([(0, -h / 2), (0.25, -h / 2), (0.25, h / 2), (0, h / 2)], 0.03), wet), cork, 48)
    body = body.paint(m.fabric(rng, "#5a1026", "plush"), lambda c: c[:, 1] < wet) if kind == "stained" else body
    return [body, sleeve(cork_print(rng, "#c9a06b"), 0.252, -0.2, 0.34, 0.9)]


def cork_print(rng, ground) -> np.ndarray:
    """A vintner's brand: a year, a word and lines, twice around."""
    ink = m.srgb("dark brown")
    image = t.canvas(m.srgb(ground), 200, 70)
    _, y = t.pixels(image)
    t.fill(image, (np.abs(y - 0.92) < 0.03) | (np.abs(y - 0.08) < 0.03), ink)
    for middle in (0.0, 0.5, 1.0):
        t.write(image, m.pick(rng, ("1998", "2004", "2011", "2016")), ink, (middle, 0.68), 0.24)
        t.write(image, m.pick(rng, ("CHATEAU", "RIOJA", "MERLOT", "VINO")), ink, (middle, 0.3), 0.17)
    return image


# ---- food ----------------------------------------------------------------------------------------------------------
def slice_of(outline, thickness: float, crust: p.Finish, crumb: p.Finish) -> p.Part:
    """A slice of bread that faces +z."""
    faces = p.extrude(np.asarray(outline) * 0.92, thickness * 1.06, crumb, 0.004)
    return p.join(p.extrude(outline, thickness, crust, 0.012), faces)


@category("bread")
def bread(rng, k):
    """A sliced tin loaf, a slashed baguette, a round country loaf."""
    crust, pale = m.crust(rng), m.crust(rng, m.vary(rng, "#ead2a2", 0.03))
    if k % 3 == 0:
        right = p.curve([(0.0, -0.28), (0.24, -0.28), (0.25, 0.0), (0.31, 0.14), (0.2, 0.27), (0.0, 0.29)], 30)
        outline, crumb = mirrored(right[1:-1]), m.stone(rng, m.vary(rng, "#f1e0bd", 0.02))
        one = slice_of(outline, 0.085, crust, crumb)
        slices = [one.rotate(x=m.between(rng, -3, 3)).move(z=0.1 * i) for i in range(5)]
        heel = p.extrude(outline, 0.45, crust, 0.05, rings=4).move(z=-0.3)
        return p.join(heel, slices, one.rotate(x=-50).move(y=-0.1, z=0.74)).rotate(y=-40)
    if k % 3 == 1:
        xs = np.linspace(-0.5, 0.5, 50)
        radius = 0.085 * (1 - np.abs(2 * xs) ** 5) ** 0.6 + 0.002
        path = np.column_stack([xs, 0 * xs, 0 * xs])
        body = p.sweep(path, radius, crust, section=p.oval(2, 1.6, 2.2, 28), up=(0, 1, 0))
        slash = p.ellipsoid((0.17, 0.03, 0.05), pale, 20).rotate(y=24)
        return [body, [slash.move(x, 0.062) for x in np.linspace(-0.36, 0.36, 6)]]
    loaf = p.superellipsoid((1.0, 0.56, 0.94), crust, 2.4, 2.1, 48)
    loaf = loaf.shift(y=lambda v: 0.4 * np.clip(-0.12 - v[:, 1], 0, 1))
    score = p.rod(p.in_plane(p.arc(0.29, 25, 155, 20) * (1.45, 1)), 0.028, pale, 10)
    scores = [score.move(z=z) for z in (-0.17, 0.02, 0.2)]
    return [loaf, p.join(scores).move(y=-0.012), p.join(scores).rotate(y=90).move(y=-0.012)]


def filling(rng, outline) -> list[p.Part]:
    """Lettuce, tomato, cheese and ham of an outline in the x-y plane, stacked up along z from 0 to about 0.2."""
    outline = np.asarray(outline)
    wavy = p.extrude(outline * 1.07, 0.02, m.foliage(rng, "#7fb83f")).subdivide(0.09)
    wavy = wavy.shift(z=lambda v: 0.022 * np.sin(26 * v[:, 0]) * np.cos(23 * v[:, 1]))
    layers = [wavy.move(z=0.02), p.extrude(outline * 0.97, 0.05, m.plastic(rng, "red", 0.7)).move(z=0.065)]
    layers.append(p.extrude(outline * 1.03, 0.025, m.plastic(rng, "amber", 0.5)).move(z=0.105))
    return [*layers, p.extrude(outline, 0.05, m.plastic(rng, "salmon", 0.5)).move(z=0.145), wavy.move(z=0.185)]


@category("sandwich")
def sandwich(rng, k):
    """Two toast triangles with lettuce, tomato, cheese and ham; a long filled roll; a square on a stick."""
    crust, crumb = m.crust(rng), m.crust(rng, m.vary(rng, "#f0dcb4", 0.02))
    if k % 3 == 1:
        outline = p.oval(1.0, 0.34, 2.8, 48)
        top = p.superellipsoid((1.02, 0.34, 0.38), crust, 2.2, 2.8, 44)
        top = top.shift(y=lambda v: -0.92 * np.minimum(v[:, 1], 0))
        places = rng.uniform((-0.38, -0.1), (0.38, 0.1), (26, 2))
        seed = p.ellipsoid((0.03, 0.012, 0.018), crumb, 8)
        seeds = [seed.move(x, 0.36 - 1.4 * z * z - 0.25 * x**4, z) for x, z in places]
        middle = p.join(filling(rng, outline)).rotate(x=-90)
        return [top.scale(1, -0.55, 1), middle, top.move(y=0.2), seeds]
    corners = [(-0.5, -0.2), (0.5, -0.2), (0.0, 0.3)]
    shape = p.fillet(corners, 0.04, closed=True) if k % 3 == 0 else p.rectangle(0.7, 0.7, 0.1)
    toast = p.join(p.extrude(shape, 0.1, crust, 0.02), p.extrude(shape * 0.9 - (0, 0.024), 0.106, crumb, 0.01))
    half = p.join(toast.move(z=-0.05), filling(rng, shape), toast.move(z=0.25)).rotate(x=-90)
    if k % 3 == 0:
        return [half, half.rotate(y=180).move(0.1, 0, -0.7)]
    olive = p.sphere(0.06, m.plastic(rng, "olive"), 20).move(y=0.4)
    stick = p.join(s.between((0, 0, 0), (0, 0.55, 0), 0.014, m.wood(rng, "maple")), olive)
    return [half, stick.move(y=0.2)]


@category("orange")
def orange(rng, k):
    """A whole orange with a leaf, or a whole one and a half that shows its segments."""
    tone = m.vary(rng, m.pick(rng, ("orange", "#f08a1c", "#e2641a")), 0.03)
    peel, green = m.skin(rng, tone, kind="peel"), m.foliage(rng)
    line = p.curve([(0.0, -0.46), (0.1, -0.48), (0.42, -0.26), (0.5, 0.02), (0.4, 0.32), (0.1, 0.47), (0.0, 0.44)], 40)
    button = p.extrude(p.star(5, 0.07, 0.04), 0.03, green).rotate(x=-90).move(y=0.46)
    stalk = p.cylinder(0.02, 0.06, m.wood(rng, "brown"), segments=10).move(y=0.49)
    fruit = p.join(p.lathe(line, peel, 52, crease=70), button, stalk)
    leaf = s.leaf(0.5, 0.22, green, curl=40).rotate(x=-55, z=-50).move(0.02, 0.48, 0)
    if k % 2 == 0:
        return [fruit, leaf]
    shell = p.lathe([*line[:19], (0.0, line[18, 1])], peel, 48).rotate(x=90)
    half = p.join(shell, fruit_slice(rng, 0.98 * line[18, 0], tone, 0.03).move(z=line[18, 1]))
    return [fruit.move(-0.42, 0, -0.3), half.rotate(x=-30, y=-6).move(0.4, -0.02, 0.3)]


@category("chocolate candy")
def chocolate_candy(rng, k):
    """A bar half out of its gold foil and wrapper, a praline in a paper cup, a box of pralines."""
    brown = m.plastic(rng, m.vary(rng, m.pick(rng, ("#4a2616", "#5d3320", "#331a10")), 0.02), 0.6)
    if k % 3 == 0:
        piece = p.box((0.16, 0.16, 0.09), brown, 0.03)
        squares = [piece.move(0.17 * (i - 1), 0.17 * j, 0.02) for i in range(3) for j in range(-1, 4)]
        slab, tone = p.box((0.52, 1.0, 0.06), brown).move(y=0.2), m.bright(rng)
        print_ = m.label(rng, m.pick(rng, ("CHOCO", "COCOA", "MILK")), tone, "ivory", 1.1)
        wrapper = p.box((0.57, 0.56, 0.13), print_, 0.03).move(y=-0.28)
        tear = [(0.28 - 0.07 * i, 0.07 * (i % 2)) for i in range(9)]
        foil = p.extrude([(-0.28, -0.1), (0.28, -0.1), *tear], 0.11, m.gold(rng), 0.01).move(y=0.04)
        return p.join(slab, squares, wrapper, foil)
    if k % 3 == 1:
        return praline(rng, brown, 0)
    fillings = (brown, m.plastic(rng, "cream", 0.6))
    places = [(i, j) for i in (-1, 0, 1) for j in (0, 1)]
    sweets = [praline(rng, fillings[(i + j) % 2], i + j).move(1.05 * i, 0, 1.05 * j) for i, j in places]
    card = m.enamel(rng, m.vary(rng, m.pick(rng, ("dark red", "navy", "purple")), 0.03))
    sides = [p.both(p.box((0.05, 0.5, 2.3), card).move(1.65)), p.both(p.box((3.3, 0.5, 0.05), card).move(z=1.12), "z")]
    return [sweets, p.join(sides).move(0, 0.15, 0.525), p.box((3.3, 0.06, 2.25), card).move(0, -0.08, 0.525)]


def praline(rng, chocolate: p.Finish, style: int) -> p.Part:
    """A filled chocolate in a pleated paper cup, with a swirl or a nut."""

    def pleat(radius: float, y: float) -> np.ndarray:
        outline = p.star(28, radius, 0.94 * radius)
        return np.column_stack([outline[:, 0], np.full(56, y), outline[:, 1]])

    rings = [pleat(0.36, -0.05), pleat(0.46, 0.24), pleat(0.44, 0.24), pleat(0.33, -0.02)]
    cup = p.loft(rings, m.paper(rng, m.pick(rng, ("#5a3a26", "ivory", "amber"))))
    dome = p.lathe(p.curve([(0.38, -0.02), (0.41, 0.2), (0.36, 0.4), (0.2, 0.5), (0.0, 0.52)], 18), chocolate, 32)
    if style % 2:
        return p.join(cup, dome, p.ellipsoid((0.24, 0.16, 0.17), m.wood(rng, "tan"), 20).move(y=0.54))
    swirl = p.spiral(0.26, 0.16, 2.6, 44, 0.02) + (0, 0.44, 0)
    return p.join(cup, dome, p.rod(swirl, 0.04, m.plastic(rng, m.pick(rng, ("cream", "dark brown")), 0.6), 8))
