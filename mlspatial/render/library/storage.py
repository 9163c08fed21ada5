"""Suitcases and trunks; a kennel and a ramp."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.containers import arch


# ---- suitcases -----------------------------------------------------------------------------------------------------
def telescope(width: float, height: float, metal, grip) -> p.Part:
    """The pull-out handle of a trolley; stands on y = 0."""
    tube = p.both(p.cylinder(0.009, height, metal, segments=12).move(width / 2, height / 2))
    return p.join(tube, p.box((width + 0.035, 0.03, 0.03), grip, 0.012).move(y=height))


def carry_handle(width: float, height: float, finish) -> p.Part:
    """A bow in the x-y plane on y = 0 with its fittings."""
    bow = p.sweep(arch(width, height, 24, 0.7), 0.014, finish, 10)
    return p.join(bow, p.both(p.box((0.04, 0.014, 0.03), finish, 0.004, 1).move(width / 2, 0.004)))


def sticker(rng, word: str) -> p.Part:
    """A round or square travel label that faces +z."""
    ground, ink = m.srgb(m.bright(rng)), m.srgb("white")
    image = t.canvas(ground, 72, 72)
    t.write(image, word, ink, (0.5, 0.5), 0.75 / len(word), 0.2)
    outline = p.circle(0.06, 28) if m.chance(rng) else p.rectangle(0.13, 0.1, 0.012)
    return p.extrude(outline, 0.006, m.picture(image), 0.001).rotate(z=m.between(rng, -25, 25))


@category("suitcase")
def suitcase(rng, k):
    """Ribbed shell on four wheels, old leather with straps, cloth trolley with pockets, aluminium, a child's one."""
    kind = ("shell", "leather", "cloth", "shell", "metal", "leather", "child", "cloth", "shell")[k % 9]
    makers = {"leather": old_case, "cloth": cloth_trolley, "child": child_case}
    return makers[kind](rng) if kind in makers else hard_case(rng, kind == "metal", k)


def wheels(rng, x: float, z: float) -> p.Part:
    """Four castors under (+-x, +-z), 0.06 high."""
    tyre = p.cylinder(0.026, 0.022, m.rubber(rng), segments=20).rotate(z=90).move(0, 0.026, 0)
    fork = p.box((0.05, 0.03, 0.05), m.plastic(rng, "charcoal"), 0.01, 1).move(0, 0.055, 0)
    return p.four(p.join(tyre, fork).move(x, 0, z))


def hard_case(rng, aluminium: bool, k: int):
    """Upright, grooves down or across both shells, a zip or a frame around the middle."""
    w, h, d = m.between(rng, 0.38, 0.46), m.between(rng, 0.55, 0.68), m.between(rng, 0.22, 0.27)
    coat = m.aluminium(rng) if aluminium else m.plastic(rng, m.any_color(rng), 0.75)
    dark, metal = m.plastic(rng, "charcoal"), m.chrome(rng)
    n, down = int(rng.integers(5, 10)), aluminium or k % 2 == 0
    outline = p.rectangle(w, h, 0.05, 6)
    half = p.extrude(outline, d / 2 - 0.006, coat, 0.04, rings=4).move(z=d / 4)
    span, length = (w, h) if down else (h, w)
    rib = p.capsule(0.4 * span * 0.8 / n, length * 0.84, coat, 14).scale(1, 1, 0.5)
    ribs = p.repeat(rib, n, (span * 0.8 / n, 0, 0)).rotate(z=0 if down else 90).move(z=d / 2)
    belt = p.extrude(p.rectangle(w * 0.99, h * 0.99, 0.05), 0.03, metal if aluminium else dark, 0.004)
    parts = [p.both(p.join(half, ribs), "z"), belt]
    if aluminium:
        corner = p.superellipsoid((0.07, 0.07, d * 1.02), dark, 3, 4, 24).move(w / 2 - 0.028, h / 2 - 0.028)
        latch = p.box((0.02, 0.06, 0.05), metal, 0.006, 1).move(w / 2 + 0.004, h * 0.22)
        parts += [p.both(p.both(corner), "y"), p.both(latch, "y")]
    else:
        lock = p.box((0.012, 0.08, 0.05), dark, 0.004, 1).move(w / 2, h * 0.1)
        parts += [lock, p.box((0.09, 0.03, 0.008), metal, 0.003).move(0, h * 0.36, d / 2 + 0.008)]
    parts.append(carry_handle(0.15, 0.03, dark).move(y=h / 2))
    parts.append(telescope(w * 0.42, m.between(rng, 0.1, 0.36), metal, dark).move(0, h / 2 - 0.01, -d * 0.3))
    return [wheels(rng, w / 2 - 0.04, d / 2 - 0.035), p.join(parts).move(y=h / 2 + 0.06)]


def cloth_trolley(rng):
    """Soft sides, two zipped pockets, two wheels."""
    w, h, d = m.between(rng, 0.38, 0.45), m.between(rng, 0.56, 0.66), m.between(rng, 0.2, 0.25)
    color = m.pick(rng, (m.dark, m.muted, m.bright))(rng)
    cloth, dark, metal = m.fabric(rng, color, "twill", 0.08), m.plastic(rng, "black"), m.steel(rng)
    body = p.box((w, h, d), cloth, 0.035, 4)
    zip_line = p.extrude(p.rectangle(w * 1.012, h * 1.012, 0.035), 0.014, dark, 0.003).move(z=d * 0.22)
    parts = [body, zip_line]
    for y, high in ((-h * 0.17, h * 0.5), (h * 0.28, h * 0.24)):
        pocket = p.box((w * 0.82, high, 0.06), cloth, 0.025, 3).move(0, y, d / 2 + 0.01)
        seam = p.extrude(p.rectangle(w * 0.83, high * 1.02, 0.025), 0.012, dark, 0.002).move(0, y, d / 2 + 0.018)
        puller = p.box((0.014, 0.04, 0.006), metal, 0.002, 1).move(w * 0.3, y + high / 2 - 0.02, d / 2 + 0.042)
        parts += [pocket, seam, puller]
    parts.append(carry_handle(0.16, 0.045, dark).move(y=h / 2))
    parts.append(carry_handle(0.16, 0.04, dark).rotate(z=-90).move(w / 2))
    parts.append(telescope(w * 0.5, m.between(rng, 0.14, 0.36), metal, dark).move(0, h / 2 - 0.01, -d * 0.36))
    tag = (
        p.box((0.05, 0.09, 0.006), m.leather(rng, m.bright(rng)), 0.002, 1)
        .rotate(z=12)
        .move(0.1, h / 2 - 0.06, d / 2 + 0.05)
    )
    wheel = s.wheel(0.04, 0.03, m.rubber(rng), metal).move(w / 2 - 0.04, 0.04, -d / 2 + 0.03)
    foot = p.box((0.05, 0.06, 0.03), dark, 0.006, 1).move(w / 2 - 0.05, 0.03, d / 2 - 0.03)
    return [p.both(p.join(wheel, foot)), p.join(parts, tag).move(y=h / 2 + 0.05)]


def old_case(rng):
    """Lies on its long side: leather corners, two straps with buckles, travel labels."""
    w, h, d = m.between(rng, 0.62, 0.75), m.between(rng, 0.4, 0.48), m.between(rng, 0.18, 0.22)
    hide = m.leather(rng) if m.chance(rng, 0.7) else m.fabric(rng, m.muted(rng), "weave")
    trim, metal = m.leather(rng, m.pick(rng, ("dark brown", "brown", "tan"))), m.brass(rng)
    parts = [p.extrude(p.rectangle(w, h, 0.04, 6), d, hide, 0.018)]
    parts.append(p.extrude(p.rectangle(w * 1.006, h * 1.01, 0.04, 6), 0.012, trim, 0.002).move(z=d * 0.14))
    corner = p.extrude(p.circle(0.075, 32) + (w / 2 - 0.068, h / 2 - 0.068), d * 1.02, trim, 0.018)
    parts.append(p.both(p.both(corner), "y"))
    band = p.extrude(p.rectangle(d * 1.06, h * 1.025, 0.02), 0.045, trim, 0.003).rotate(y=90).move(w * 0.27)
    buckle = p.extrude(p.rectangle(0.06, 0.05, 0.01), 0.01, metal, 0.003, holes=[p.rectangle(0.04, 0.03)])
    buckle = p.join(buckle, p.box((0.006, 0.04, 0.008), metal, 0.002, 1)).move(w * 0.27, h * 0.2, d / 2 + 0.012)
    latch = p.box((0.05, 0.05, 0.014), metal, 0.005, 1).move(w * 0.14, h / 2 + 0.002, d * 0.14)
    parts.append(p.both(p.join(band, buckle, latch.rotate(x=-90, about=(0, h / 2, d * 0.14)))))
    parts.append(carry_handle(0.2, 0.06, trim).move(y=h / 2))
    words = rng.permutation(["ROMA", "PARIS", "NY", "RIO", "OSLO", "CAIRO", "GOA"])
    for i in range(int(rng.integers(0, 4))):
        x, y = (i - 1) * w * 0.16 + m.between(rng, -0.01, 0.01), m.between(rng, -0.12, 0.1)
        parts.append(sticker(rng, str(words[i])).move(x, y, d / 2 + 0.002))
    return p.join(parts).move(y=h / 2)


def child_case(rng):
    """Round, bright, with a face, ears and a cord."""
    coat, dark = m.plastic(rng, m.bright(rng), 0.8), m.plastic(rng, "black", 0.9)
    second = m.plastic(rng, m.bright(rng), 0.8)
    body = p.superellipsoid((0.52, 0.5, 0.26), coat, 3.2, 3.2, 44)
    seam = p.extrude(p.oval(0.525, 0.505, 3.2, 48), 0.02, second, 0.004)
    eye = p.join(p.disc(0.055, 0.02, m.plastic(rng, "white"), 24), p.disc(0.028, 0.034, dark, 18)).move(
        0.11, 0.06, 0.125
    )
    smile = p.rod(p.in_plane(p.arc(0.11, 205, 335, 20)) + (0, 0, 0.13), 0.01, dark, 8)
    ear = p.superellipsoid((0.12, 0.16, 0.08), second, segments=24).move(0.17, 0.27)
    wheel = s.wheel(0.045, 0.04, m.rubber(rng), second).move(0.17, -0.25, -0.06)
    bar = telescope(0.2, 0.3, m.steel(rng), second).move(0, 0.22, -0.09)
    return [body, seam, p.both(p.join(eye, ear, wheel)), smile, bar, carry_handle(0.16, 0.05, second).move(y=0.24)]


# ---- trunks --------------------------------------------------------------------------------------------------------
@category("trunk")
def trunk(rng, k):
    """A treasure chest with a round lid, a flat steamer trunk with slats and straps."""
    w, h, d = m.between(rng, 0.85, 1.0), m.between(rng, 0.34, 0.4), m.between(rng, 0.46, 0.54)
    skin = m.planks(rng) if k % 2 == 0 else m.leather(rng, m.muted(rng))
    slat, metal = m.wood(rng), m.pick(rng, (m.brass, m.dark_metal, m.bronze))(rng)
    parts = [p.box((w, h, d), skin, 0.012).move(y=h / 2)]
    lid = p.arc(1.0, 0, 180, 24) * (d / 2, 0.19) if k % 2 == 0 else p.fillet(
        [(d / 2, 0), (d / 2, 0.12), (-d / 2, 0.12), (-d / 2, 0)], 0.03
    )  # fmt: skip
    hoop = lambda grow: lid * (1 + grow) + (0, h + 0.006)  # noqa: E731  (the lid's end in the z-y plane)
    parts.append(p.extrude(hoop(0.0), w, skin, 0.008).rotate(y=90))
    places = (-w / 2 + 0.03, -w * 0.17, w * 0.17, w / 2 - 0.03)
    for x in places:
        parts.append(p.extrude(hoop(0.03), 0.05, metal if k % 2 == 0 else slat, 0.006).rotate(y=90).move(x))
        parts.append(p.both(p.box((0.05, h, 0.012), metal if k % 2 == 0 else slat, 0.003).move(x, h / 2, d / 2), "z"))
        nails = [(x, y, d / 2 + 0.006) for y in np.linspace(0.04, h - 0.04, 5)]
        parts.append(p.both(s.drops(p.sphere(0.011, m.brass(rng), 8), nails), "z"))
    parts += [
        p.both(p.box((w + 0.012, 0.04, 0.02), metal, 0.004).move(0, y, d / 2), "z") for y in (0.02, h - 0.02, h + 0.03)
    ]
    shield = [(-0.06, 0.07), (0.06, 0.07), (0.05, -0.06), (0, -0.09), (-0.05, -0.06)]
    plate = p.extrude(p.fillet(shield, 0.015, closed=True), 0.02, m.brass(rng), 0.005)
    hole = p.join(
        p.disc(0.014, 0.012, m.dark_metal(rng), 16),
        p.box((0.011, 0.035, 0.012), m.dark_metal(rng), 0.001).move(y=-0.018),
    )
    parts.append(p.join(plate, hole.move(z=0.008)).move(0, h - 0.02, d / 2 + 0.018))
    grip = (
        p.rod(arch(0.18, 0.09), 0.013, metal, 10).rotate(x=180).rotate(y=90).rotate(z=12).move(w / 2 + 0.02, h * 0.72)
    )
    return [*parts, p.both(grip)]


# ---- a kennel, a ramp ----------------------------------------------------------------------------------------------
@category("dog house")
def dog_house(rng, k):
    """A gabled hut of boards with a round-headed door, a name over it and a bowl or a bone in front."""
    w, h, d = m.between(rng, 0.68, 0.8), m.between(rng, 0.5, 0.58), m.between(rng, 0.8, 0.95)
    ridge = h + m.between(rng, 0.26, 0.36)
    walls = m.planks(rng) if m.chance(rng, 0.4) else m.paint(rng, m.bright(rng))
    trim, tiles = (
        m.paint(rng, "white"),
        m.paint(rng, m.vary(rng, m.pick(rng, ("red", "charcoal", "brick", "blue")), 0.04)),
    )
    door = np.concatenate([[(-0.17, 0.05), (0.17, 0.05)], p.arc(0.17, 0, 180, 18, (0, 0.3))])
    gable = [(-w / 2, 0), (w / 2, 0), (w / 2, h), (0, ridge), (-w / 2, h)]
    parts = [
        p.extrude(gable, 0.03, walls, 0.003, holes=[door]).move(z=d / 2),
        p.extrude(gable, 0.03, walls, 0.003).move(z=-d / 2),
    ]
    board = p.box((0.024, h * 0.98 / 6, d), walls, 0.006, 1)
    parts.append(p.both(p.repeat(board, 6, (0, h / 6, 0)).move(w / 2 - 0.012, h / 2)))
    parts.append(p.box((w, 0.03, d), m.wood(rng)).move(y=0.03))
    frame = np.concatenate([[(-0.2, 0.03), (0.2, 0.03)], p.arc(0.2, 0, 180, 20, (0, 0.3))])
    parts.append(p.extrude(frame, 0.02, trim, 0.005, holes=[door + (0, 0.001)]).move(z=d / 2 + 0.02))
    slope, rows = np.hypot(w / 2, ridge - h), 6
    angle = float(np.degrees(np.arctan2(ridge - h, w / 2)))
    shingle = p.box((slope / rows * 1.35, 0.02, d + 0.16), tiles, 0.005, 1).rotate(z=-6)
    side = p.join([shingle.move(slope * (i + 0.6) / rows, 0.02) for i in range(rows)]).rotate(z=-angle)
    parts += [p.both(side).move(y=ridge), p.box((0.07, 0.03, d + 0.17), trim, 0.01).move(y=ridge + 0.035)]
    name = m.pick(rng, ("REX", "BELLO", "MAX", "LUNA", "DOG", "SPOT"))
    sign = p.join(
        p.box((0.09 * len(name), 0.1, 0.016), trim, 0.006),
        s.letters(name, 0.055, 0.012, m.paint(rng, "black")).move(z=0.01),
    )
    parts.append(sign.move(0, h + 0.03, d / 2 + 0.03))
    bowl = p.lathe(p.wall([(0, 0), (0.1, 0), (0.08, 0.06)], 0.012), m.enamel(rng, m.bright(rng)), 32)
    return [*parts, bowl.move(w * 0.3, 0, d / 2 + 0.16)]


@category("incline")
def incline(rng, k):
    """A ramp: a solid wedge of boards, a yellow and black loading ramp, a toy ramp with rails and a ball."""
    length, h, w = 1.0, m.between(rng, 0.32, 0.45), m.between(rng, 0.4, 0.55)
    slope, angle = np.hypot(length, h), float(np.degrees(np.arctan2(h, length)))
    wood = m.wood(rng, m.pick(rng, ("pine", "maple", "oak", "beech")))
    wedge = p.extrude([(-length / 2, 0), (length / 2, 0), (length / 2, h)], w, wood, 0.004)
    lift = lambda part: part.rotate(z=angle).move(0, h / 2, 0)  # noqa: E731  (onto the slope; +x runs uphill)
    if k % 3 == 1:
        yellow, black = m.paint(rng, "yellow"), m.rubber(rng)
        strip = p.box((slope / 12, 0.012, w * 0.96), black, 0.002)
        return p.join(wedge.paint(yellow), lift(p.repeat(strip, 6, (slope / 6, 0, 0)).move(y=0.004))).rotate(y=-25)
    deck = lift(p.box((slope, 0.02, w * 1.02), m.wood(rng), 0.004))
    parts = [wedge, deck]
    if k % 3 == 2:
        parts.append(p.both(lift(p.box((slope, 0.06, 0.03), m.paint(rng), 0.008).move(0, 0.03, w / 2)), "z"))
        parts.append(lift(p.sphere(0.08, m.plastic(rng, m.bright(rng)), 32).move(slope * 0.25, 0.09, 0)))
    return p.join(parts).rotate(y=-25)
