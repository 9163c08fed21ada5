"""What one drinks, pours and brews: jugs, a beverage, cans, coffee grinders and coffee makers."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.dishes import banded, pouring, profile


def sleeve(image: np.ndarray, radius: float, low: float, high: float, roughness: float = 0.3) -> p.Part:
    """A printed band around a cylinder. image: a picture of its outer side, its middle in front."""
    ring = np.array([(0.98, low), (1.0, low), (1.0, high), (0.98, high), (0.98, low)]) * (radius, 1)
    back = np.broadcast_to(image[:1, :1], image.shape)  # the upper half of the picture lies on the inner side
    return p.lathe(ring, m.picture(np.concatenate([back, image]), roughness), 56)


def around_wall(part: p.Part, radius: float) -> p.Part:
    """Bend a flat part that faces +z round the front of a cylinder."""
    return part.shift(z=lambda v: np.sqrt(np.maximum(radius**2 - v[:, 0] ** 2, 0.0)))


JUGS = {  # (radius, height) up the outer side
    "pitcher": [(0.24, 0.0), (0.3, 0.12), (0.31, 0.3), (0.23, 0.58), (0.21, 0.72), (0.25, 0.86)],
    "glass": [(0.22, 0.0), (0.25, 0.06), (0.26, 0.5), (0.27, 0.9)],
    "milk": [(0.3, 0.0), (0.34, 0.16), (0.3, 0.36), (0.19, 0.56), (0.22, 0.68)],
    "measuring": [(0.25, 0.0), (0.27, 0.04), (0.32, 0.62)],
    "ewer": [(0.14, 0.0), (0.15, 0.03), (0.26, 0.22), (0.25, 0.42), (0.11, 0.7), (0.12, 0.92), (0.16, 1.0)],
    "plastic": [(0.23, 0.0), (0.25, 0.03), (0.29, 0.85)],
    "enamel": [(0.29, 0.0), (0.29, 0.04), (0.2, 0.62), (0.2, 0.68), (0.23, 0.78)],
}


@category("jug")
def jug(rng, k):
    """Stoneware pitchers, glass jugs of juice, milk and measuring jugs, ewers, lidded plastic and enamel jugs."""
    kind = tuple(JUGS)[k % len(JUGS)]
    tall = m.between(rng, 0.92, 1.1)
    outer = profile([(r, y * tall) for r, y in JUGS[kind]])
    height = outer[-1, 1]
    finish, trim, bands, extra = m.stoneware(rng), None, [], []
    if kind == "pitcher":
        bands = [(0.6 * height, 2.0, m.ceramic(rng, m.dark(rng)))]
    elif kind == "glass":
        finish, drink = m.glass(rng), p.Finish(m.linear(m.pick(rng, ("#f0a52c", "#b23a2e", "#e8d47a"))), 0.08)
        bands, extra = [(0.05, 0.66 * height, drink)], [p.cylinder(0.25, 0.02, drink).move(y=0.66 * height)]
    elif kind == "milk":
        finish, bands = m.ceramic(rng, m.pastel(rng)), [(0.2 * height, 0.38 * height, m.ceramic(rng, m.bright(rng)))]
    elif kind == "measuring":
        finish = m.glass(rng, "#cfdfe2") if m.chance(rng, 0.6) else m.steel(rng)
        for i, y in enumerate(np.linspace(0.2, 0.8, 6) * height):
            tick = p.box((0.12 if i % 2 else 0.2, 0.014, 0.012), m.plastic(rng, "red"), 0.003).subdivide(0.04)
            extra.append(around_wall(tick, float(np.interp(y, outer[2:, 1], outer[2:, 0])) + 0.001).move(y=float(y)))
    elif kind == "ewer":
        finish = m.pick(rng, (m.copper, m.brass, m.steel))(rng)
    elif kind == "plastic":
        finish, white = m.plastic(rng, m.bright(rng)), m.plastic(rng, "white")
        extra = [p.cylinder(0.31, 0.06, white, 0.02).move(y=height + 0.02)]
        extra.append(p.cylinder(0.06, 0.06, white, 0.02).move(y=height + 0.07))
    else:
        finish, trim = m.enamel(rng, m.pick(rng, ("white", "cream", "sky"))), m.enamel(rng, m.dark(rng))
        bands = [(height - 0.03, 2.0, trim)]
    lift = 0.0 if kind == "plastic" else 0.05
    body = pouring(banded(outer, 0.022, finish, bands, 60), 0.08 + lift, lift, 0.36, 0.72)
    loop = s.handle(height * 0.62, m.between(rng, 0.2, 0.26), 0.03, trim or finish, m.between(rng, 1.2, 1.8), 0.08, 0.4)
    return [body, s.follow(loop.move(-0.012, height * 0.56), outer), extra]


# ---- beverage and cans ---------------------------------------------------------------------------------------------
DRINKS = (("#f29a1f", "orange"), ("#4a1d12", "lemon"), ("#e85a6a", "lime"), ("#8cc63f", "lemon"))


@category("beverage")
def beverage(rng, k):
    """A tall glass of juice, cola or lemonade with ice, a straw and a slice of fruit on its rim."""
    tone, fruit = DRINKS[k % len(DRINKS)]
    drink = p.Finish(m.linear(m.vary(rng, tone, 0.03)), 0.08)
    level, rim = 0.74, m.between(rng, 0.24, 0.28)
    outer = p.fillet([(0, 0), (0.19, 0), (rim, 0.9)], 0.03)
    glass = banded(outer, 0.014, m.glass(rng), [(0.05, level, drink)])
    surface = p.cylinder(0.2 + 0.78 * (rim - 0.2), 0.02, drink).move(y=level - 0.01)
    cube = p.box((0.13,) * 3, m.glass(rng, "#dfeaec"), 0.025)
    places = ((-0.07, 0.01, 0.06, 20), (0.08, 0.02, 0.04, 60), (0.0, 0.0, -0.1, 5))
    ice = [cube.rotate(x=20, y=turn, z=14).move(x, level + y, z) for x, y, z, turn in places]
    stripes = t.stripes([m.srgb("white"), m.srgb(m.bright(rng))], [1, 1], upright=False)
    straw_finish = p.Finish((1.0, 1.0, 1.0), 0.4, 0.0, stripes, 0.12)
    straw = p.rod(p.fillet([(-0.1, 0.1, -0.05), (0.06, 1.05, -0.08), (0.26, 1.22, -0.08)], 0.06), 0.024, straw_finish)
    return [glass, surface, ice, straw, fruit_slice(rng, 0.15, fruit).rotate(y=25).move(-rim + 0.02, 0.92, 0.02)]


def fruit_slice(rng, radius: float, color, thickness: float = 0.035) -> p.Part:
    """A round citrus slice that faces +z: rind, white ring, eight segments."""
    tone = m.vary(rng, color, 0.03)
    parts = [p.disc(radius, thickness, m.skin(rng, tone, kind="peel"), 36)]
    parts.append(p.disc(0.9 * radius, thickness * 1.06, m.plastic(rng, "cream", 0.2), 36))
    flesh = m.plastic(rng, m.blend(tone, "#ffffff", 0.12), 0.6)
    wedge = p.extrude(
        p.fillet([(0, 0.1), *p.arc(0.82, 70, 110, 6)], 0.06, closed=True) * radius, thickness * 1.14, flesh
    )
    return p.join(parts, p.around(wedge, 8, "z"))


CANS = (
    ("COLA", "red", "white"),
    ("LEMON", "lime", "yellow"),
    ("ORANGE", "orange", "royal"),
    ("ENERGY", "navy", "turquoise"),
)


@category("soda can")
def soda_can(rng, k):
    """Red cola, green lemon, orange and slim energy cans: a printed body, a silver lid with a ring pull."""
    word, ground, ink = CANS[k % len(CANS)]
    slim = word == "ENERGY"
    r, h = (0.22, 1.0) if slim else (0.3, m.between(rng, 0.98, 1.04))
    metal = m.aluminium(rng)
    base = p.fillet([(0, 0.03), (0.7 * r, 0.03), (0.76 * r, 0.0), (r, 0.07), (r, 0.075)], 0.015)
    neck = p.fillet([(r, h - 0.105), (r, h - 0.1), (0.84 * r, h - 0.02), (0.88 * r, h), (0.82 * r, h)], 0.012)
    top = [(0.8 * r, h - 0.03), (0.0, h - 0.03)]
    body = p.lathe(np.concatenate([base, neck, top]), metal, 64)
    band = sleeve(can_print(rng, word, ground, ink), r * 1.004, 0.075, h - 0.105)
    tab = p.extrude(
        p.oval(0.16, 0.24, 2.4, 30) * (r / 0.3), 0.014, metal, 0.005, holes=[p.circle(0.045, 16) - (0, 0.04)]
    )
    mouth = p.extrude(p.oval(0.2, 0.16, 2.2, 30) * (r / 0.3), 0.01, m.dark_metal(rng)).rotate(x=-90)
    parts = [body, band, mouth.move(y=h - 0.027, z=0.09)]
    return [*parts, tab.rotate(x=-86).move(y=h - 0.012, z=-0.04)]


def can_print(rng, word: str, ground, ink) -> np.ndarray:
    """A can's print: a big upright word in front and behind, a wave or bubbles."""
    a, b = m.srgb(m.vary(rng, ground, 0.03)), m.srgb(ink)
    image = t.canvas(a, 256, 128)
    x, y = t.pixels(image)
    if m.chance(rng, 0.6):
        wave = 0.5 + 0.16 * np.sin(4 * np.pi * x + m.between(rng, 0, 6))
        t.fill(image, np.abs(y - wave + 0.36) < 0.07, b)
        t.fill(image, np.abs(y - wave + 0.23) < 0.02, m.srgb("white"))
    else:
        for cx, cy, size in rng.random((26, 3)) * (1, 0.4, 0.05):
            t.fill(image, np.hypot((x - cx) * 2, y - cy) < 0.02 + size, b)
    t.fill(image, (y > 0.93) | (y < 0.04), b)
    for middle in (0.0, 0.5, 1.0):
        t.write(image, word, m.srgb("white") if ink != "white" else b, (middle, 0.66), min(0.24, 0.8 / len(word)), 0.2)
    return image


# ---- coffee grinders -----------------------------------------------------------------------------------------------
def crank(reach: float, height: float, metal: p.Finish, knob: p.Finish) -> p.Part:
    """A hand crank: a post on the y axis from y = 0, an arm to the front right, a knob on its end."""
    arm = p.fillet([(0, 0, 0), (0, height, 0), (reach, height + 0.02, 0)], 0.05)
    ball = p.lathe(p.curve([(0.0, 0.0), (0.04, 0.02), (0.03, 0.07), (0.065, 0.14), (0.0, 0.19)], 20), knob, 20)
    return p.join(p.rod(arm, 0.02, metal, 10), ball.move(reach, height + 0.02, 0)).rotate(y=-35)


def beans(rng, radius: float, y: float) -> p.Part:
    """A heap of coffee beans on a disc of a given radius."""
    brown = m.plastic(rng, m.vary(rng, "dark brown", 0.02), 0.5)
    bean = p.ellipsoid((0.085, 0.05, 0.055), brown, 8)
    spots = [q * f * radius for f, n in ((0.0, 1), (0.45, 6), (0.82, 11)) for q in p.circle(1.0, n)]
    heap = [bean.rotate(y=m.between(rng, 0, 180)).move(x, y + 0.02, z) for x, z in spots]
    return p.join(heap, p.cylinder(radius, 0.03, brown, segments=32).move(y=y - 0.02))


def box_grinder(rng, kind: str):
    """A box with a drawer, a bowl or dome for the beans and a crank; kind: box, dome, iron (cast, with big wheels)."""
    wood = m.enamel(rng, m.pick(rng, ("dark red", "dark green", "red"))) if kind == "iron" else m.wood(rng)
    metal = m.pick(rng, (m.brass, m.copper, m.steel))(rng)
    w, h = m.between(rng, 0.46, 0.52), m.between(rng, 0.36, 0.44)
    ledge = p.box((w + 0.08, 0.045, w + 0.08), wood, 0.015)
    drawer = p.box((w * 0.74, h * 0.4, 0.03), wood, 0.01).move(0, h * 0.34, w / 2 + 0.01)
    pull = p.sphere(0.032, metal, 18).move(0, h * 0.34, w / 2 + 0.05)
    parts = [p.box((w, h, w), wood).move(y=h / 2), ledge.move(y=0.022), ledge.move(y=h), drawer, pull]
    knob = m.wood(rng, m.pick(rng, ("walnut", "cherry", "ebony")))
    if kind == "dome":
        line = p.curve([(0.22, h), (0.22, h + 0.1), (0.14, h + 0.22), (0.03, h + 0.26)], 20)
        return [*parts, p.lathe(line, metal), crank(0.34, 0.14, metal, knob).move(y=h + 0.22)]
    bowl = s.vessel(profile([(0.08, h), (0.19, h + 0.09), (0.23, h + 0.2)], 18), 0.014, metal)
    parts += [bowl, beans(rng, 0.17, h + 0.13)]
    if kind == "box":
        return [*parts, crank(0.36, 0.3, metal, knob).move(y=h + 0.08)]
    wheel = p.join(p.torus(0.3, 0.05, wood, 48, 10), p.cylinder(0.06, 0.08, metal, segments=20))
    wheel = p.join(wheel, p.around(s.between((0.03, 0, 0), (0.3, 0, 0), 0.02, wood, sides=8), 5)).rotate(z=90)
    axle = s.between((-w / 2 - 0.12, h, 0), (w / 2 + 0.12, h, 0), 0.03, metal)
    handle = p.capsule(0.035, 0.16, knob, 20).rotate(z=90).move(w / 2 + 0.2, h + 0.28, 0)
    return [*parts, p.both(wheel.move(w / 2 + 0.1, h, 0)), axle, handle]


def hand_mill(rng, _kind):
    """A slim cylinder in two parts with a crank on top."""
    metal, grip = m.pick(rng, (m.brushed_metal, m.brass, m.dark_metal))(rng), m.wood(rng)
    r = m.between(rng, 0.13, 0.16)
    lower, upper = p.cylinder(r, 0.42, metal, 0.02).move(y=0.21), p.cylinder(r, 0.34, metal, 0.02).move(y=0.61)
    band = p.cylinder(r * 1.04, 0.2, m.pick(rng, (grip, m.rubber(rng)))).move(y=0.36)
    dome = p.lathe(p.curve([(r, 0.77), (r * 0.8, 0.83), (0.03, 0.86)], 14), metal)
    return [lower, upper, band, dome, crank(0.34, 0.1, metal, grip).move(y=0.84)]


def blade_grinder(rng, _kind):
    """An electric grinder: a round body, a glass lid full of beans, a button, a cable."""
    shell = m.pick(rng, (m.plastic, m.enamel))(rng, m.pick(rng, ("white", "black", "red", "cream")))
    body = p.lathe(p.fillet([(0, 0), (0.25, 0), (0.22, 0.2), (0.23, 0.5), (0, 0.5)], 0.04), shell)
    line = p.fillet([(0, 0.5), (0.22, 0.5), (0.2, 0.86), (0, 0.88)], 0.08)
    brown = m.plastic(rng, m.vary(rng, "dark brown", 0.02), 0.5)
    lid = banded(line, 0, m.glass(rng), [(0.5, 0.72, brown)], 44)
    bean = p.ellipsoid((0.075, 0.05, 0.04), brown, 8)
    inside = [
        p.around(bean.rotate(z=m.between(rng, 0, 180)).move(0, y, 0.205), 14, start=13 * i)
        for i, y in enumerate((0.56, 0.61, 0.66, 0.71))
    ]
    ring = p.torus(0.225, 0.03, m.chrome(rng), 44, 8).move(y=0.5)
    button = p.superellipsoid((0.1, 0.14, 0.05), m.plastic(rng, "charcoal"), 3, 3, 20).move(0, 0.36, 0.225)
    cable = p.curve([(0, 0.05, -0.2), (0, 0.03, -0.36), (0.2, 0.02, -0.45), (0.34, 0.02, -0.3)], 24)
    return [body, lid, inside, ring, button, p.rod(cable, 0.018, m.rubber(rng), 8)]


def burr_grinder(rng, _kind):
    """A tall machine with a hopper of beans on top, a dial and a bin for the coffee."""
    shell, dark = (
        m.pick(rng, (m.brushed_metal(rng), m.plastic(rng, "black"), m.enamel(rng))),
        m.plastic(rng, "charcoal"),
    )
    hopper = p.lathe(p.fillet([(0, 0.72), (0.14, 0.72), (0.24, 1.0), (0, 1.0)], 0.02), m.glass(rng, "#3c2013"))
    rim = p.cylinder(0.25, 0.04, dark).move(y=1.02)
    column, base = p.box((0.42, 0.72, 0.24), shell, 0.04).move(0, 0.36, -0.12), p.box((0.42, 0.06, 0.5), shell, 0.02)
    head = p.box((0.42, 0.3, 0.46), shell, 0.05).move(0, 0.57, -0.01)
    tub = p.box((0.3, 0.3, 0.22), m.glass(rng, "#5a3a28"), 0.03).move(0, 0.2, 0.1)
    dial = p.join(p.disc(0.09, 0.05, m.chrome(rng), 32), p.box((0.02, 0.08, 0.06), dark).move(y=0.03))
    return [hopper, rim, column, base.move(0, 0.03, 0), head, tub, dial.move(0, 0.58, 0.23)]


GRINDERS = (
    (box_grinder, "box"),
    (blade_grinder, ""),
    (hand_mill, ""),
    (burr_grinder, ""),
    (box_grinder, "iron"),
    (box_grinder, "dome"),
)


@category("coffee grinder")
def coffee_grinder(rng, k):
    """Wooden box with a crank, electric with a lid, slim hand mill, burr machine, cast iron with wheels, domed box."""
    make, kind = GRINDERS[k % len(GRINDERS)]
    return make(rng, kind)


# ---- coffee makers -------------------------------------------------------------------------------------------------
def drip_machine(rng):
    """A column over a hot plate with a glass pot of coffee."""
    shell = m.plastic(rng, m.pick(rng, ("black", "white", "red", "silver")), 0.6)
    dark, coffee = m.plastic(rng, "charcoal"), p.Finish(m.linear("#24110a"), 0.08)
    tower = p.box((0.56, 0.92, 0.2), shell, 0.04).move(0, 0.46, -0.22)
    base, head = p.box((0.56, 0.1, 0.6), shell, 0.03).move(y=0.05), p.box((0.56, 0.26, 0.58), shell, 0.05).move(y=0.85)
    cone = p.cone(0.14, 0.22, 0.14, dark).move(0, 0.69, 0.06)
    outer = profile([(0.17, 0.0), (0.22, 0.1), (0.19, 0.32), (0.15, 0.4)], 24)
    carafe = banded(outer, 0.012, m.glass(rng), [(0.01, 0.24, coffee)], 44)
    loop = s.follow(s.handle(0.3, 0.14, 0.028, dark, 1.5, 0.05, 0.7).move(-0.01, 0.22), outer).rotate(y=-70)
    cap = p.join(
        p.cylinder(0.16, 0.05, dark).move(y=0.41), p.cylinder(0.22, 0.015, coffee, segments=32).scale(0.9).move(y=0.22)
    )
    lamp = p.box((0.06, 0.04, 0.02), m.glass(rng, "red"), 0.008).move(0.18, 0.06, 0.3)
    clock = p.box((0.2, 0.09, 0.02), m.label(rng, "7:30", "black", "turquoise", 2.2), 0.006).move(0, 0.87, 0.29)
    plate = p.cylinder(0.22, 0.02, m.dark_metal(rng)).move(0, 0.105, 0.06)
    return [tower, base, head, cone, p.join(carafe, loop, cap).move(0, 0.115, 0.06), lamp, clock, plate]


def moka_pot(rng):
    """An eight-sided stove-top pot with a waist, a spout, a lid and an angular handle."""
    metal = m.pick(rng, (m.aluminium(rng), m.steel(rng), m.enamel(rng, m.bright(rng))))
    black = m.plastic(rng, m.pick(rng, ("black", "black", "red")))
    lower = [(0, 0), (0.27, 0), (0.2, 0.36), (0, 0.36)]
    upper = [(0, 0.4), (0.18, 0.4), (0.27, 0.84), (0, 0.84)]
    top = pouring(
        p.lathe(p.fillet(upper, 0.01), metal, 8).smooth(20).rotate(y=22.5).subdivide(0.06), 0.1, 0.02, 0.4, 0.5
    )
    base = p.lathe(p.fillet(lower, 0.01), metal, 8).smooth(20).rotate(y=22.5)
    band = p.cylinder(0.2, 0.07, metal).move(y=0.38)
    cover = (
        p.lathe([(0, 0.83), (0.27, 0.83), (0.25, 0.87), (0.05, 0.94), (0, 0.94)], metal, 8).smooth(20).rotate(y=22.5)
    )
    valve = p.disc(0.035, 0.05, m.brass(rng), 16).move(0.06, 0.2, 0.23)
    knob = p.lathe(p.fillet([(0, 0.93), (0.03, 0.93), (0.055, 1.03), (0, 1.03)], 0.015), black, 16)
    arm = p.fillet([(0.24, 0.8), (0.48, 0.82), (0.42, 0.4)], 0.05, n=6)
    return [base, band, top, cover, valve, knob, p.strap(p.in_plane(arm), 0.06, 0.06, black, up=(0, 0, 1))]


def french_press(rng):
    """A glass cylinder in a frame, a plunger with a knob, a handle at the side."""
    metal, coffee = m.pick(rng, (m.chrome, m.copper, m.brass))(rng), p.Finish(m.linear("#2b150c"), 0.08)
    black = m.plastic(rng, m.pick(rng, ("black", "red", "cream")))
    glass = p.lathe([(0, 0.05), (0.24, 0.05), (0.24, 0.42), (0.24, 0.46), (0.24, 0.76), (0, 0.76)], m.glass(rng), 56)
    glass = glass.paint(coffee, lambda c: c[:, 1] < 0.46)
    rings = [p.cylinder(0.252, 0.05, metal).move(y=y) for y in (0.06, 0.68)]
    feet = p.around(p.box((0.05, 0.68, 0.014), metal, 0.005).move(0, 0.34, 0.248), 4, start=45)
    cover = p.lathe(p.curve([(0.265, 0.76), (0.25, 0.8), (0.12, 0.86), (0.03, 0.88)], 18), metal)
    plunger = p.join(s.between((0, 0.86, 0), (0, 1.04, 0), 0.014, metal), p.sphere(0.05, black, 24).move(y=1.06))
    beak = p.cone(0.0, 0.08, 0.12, metal, segments=20).move(-0.24, 0.72, 0)
    arm = p.fillet([(0.24, 0.68), (0.42, 0.68), (0.42, 0.16), (0.24, 0.12)], 0.08, n=6)
    return [glass, rings, feet, cover, plunger, beak, p.strap(p.in_plane(arm), 0.07, 0.045, black, up=(0, 0, 1))]


def espresso_machine(rng):
    """A steel or coloured box: a filter holder over a cup and a grating, a steam pipe, a gauge and knobs."""
    shell = m.pick(rng, (m.brushed_metal(rng), m.enamel(rng, m.pick(rng, ("red", "cream", "mint", "black")))))
    chrome, black = m.chrome(rng), m.plastic(rng, "black")
    parts = [
        p.box((0.8, 0.9, 0.3), shell, 0.05).move(0, 0.45, -0.2),
        p.box((0.8, 0.28, 0.62), shell, 0.06).move(y=0.78),
    ]
    parts += [
        p.box((0.8, 0.12, 0.66), shell, 0.03).move(y=0.06),
        p.box((0.6, 0.02, 0.3), black, 0.005).move(0, 0.12, 0.13),
    ]
    bars = p.repeat(p.box((0.56, 0.015, 0.014), chrome, 0.003), 7, (0, 0, 0.04)).move(0, 0.135, 0.13)
    group = [p.cylinder(0.13, 0.08, chrome).move(0, 0.61, 0.12), p.cylinder(0.11, 0.07, chrome).move(0, 0.55, 0.12)]
    grip = s.between((0, 0.55, 0.2), (0, 0.52, 0.46), 0.032, black, 0.045)
    spouts = p.both(p.cylinder(0.02, 0.08, chrome, segments=14).move(0.035, 0.49, 0.12))
    cup = s.vessel(profile([(0.05, 0.14), (0.09, 0.2), (0.1, 0.3)], 16), 0.012, m.ceramic(rng, "white"), segments=28)
    steam = p.rod(p.fillet([(0.3, 0.66, 0.2), (0.3, 0.5, 0.24), (0.34, 0.28, 0.28)], 0.05), 0.018, chrome, 10)
    dials = [p.disc(0.055, 0.05, black, 24).move(x, 0.79, 0.32) for x in (-0.28, 0.28)]
    gauge = p.join(p.disc(0.075, 0.03, chrome, 32), p.disc(0.06, 0.034, m.plastic(rng, "white"), 32))
    needle = p.box((0.012, 0.05, 0.01), m.plastic(rng, "red")).rotate(z=-40).move(0.012, 0.012, 0.018)
    rail = p.rod(p.in_plane(p.rectangle(0.7, 0.5, 0.05), "xz") + (0, 0.98, 0), 0.012, chrome, 8, closed=True)
    posts = p.four(s.between((0.33, 0.9, 0.23), (0.33, 0.98, 0.23), 0.012, chrome, sides=8))
    return [
        parts,
        bars,
        group,
        grip,
        spouts,
        cup.move(z=0.12),
        steam,
        dials,
        p.join(gauge, needle).move(0, 0.79, 0.31),
        rail,
        posts,
    ]


MAKERS = (drip_machine, moka_pot, french_press, espresso_machine)


@category("coffee maker")
def coffee_maker(rng, k):
    """Drip machine, moka pot, French press, espresso machine."""
    return MAKERS[k % len(MAKERS)](rng)
