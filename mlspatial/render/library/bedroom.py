"""Beds, benches and stools, low tables and laid tables."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.furniture import soft_finish, straight_legs


# ---- beds ----------------------------------------------------------------------------------------------------------
def bedding(rng, w: float, d: float, pillows: int) -> p.Part:
    """A mattress on y = 0, its head at -z, with pillows and a duvet that is turned down and hangs over the sides."""
    sheet = m.fabric(rng, m.vary(rng, m.pick(rng, ("white", "ivory", "sky", "cream")), 0.02), "weave")
    cover = m.patterned(rng) if m.chance(rng) else m.fabric(rng, m.any_color(rng))
    lining = m.fabric(rng, m.light(rng), "weave")
    thick = 0.2
    parts = [p.cushion((w, thick, d), sheet, 0.5, 0.03).move(y=thick / 2)]
    each = w / pillows
    for i in range(pillows):
        pad = p.pillow(each * 0.82, 0.44, 0.16, sheet).rotate(x=-62)
        parts.append(pad.move((i - (pillows - 1) / 2) * each, thick + 0.1, -d / 2 + 0.26))
    top = -d / 2 + 0.62
    drop = lambda x, z: thick + 0.03 - 0.17 * np.clip((np.abs(x) - w / 2 + 0.02) / 0.06, 0, 1)  # noqa: E731
    wave = lambda x, z: drop(x, z) + 0.012 * np.sin(7 * x + 2) * np.sin(5 * z + 1)  # noqa: E731
    length = d / 2 - top + 0.03
    duvet = p.sheet(w + 0.08, length, cover, 0.05, wave, n=15).smooth(70).move(z=top + length / 2)
    fold = p.sheet(w + 0.09, 0.24, lining, 0.04, lambda x, z: wave(x, z) + 0.035, n=12).smooth(70)
    return p.join(parts, duvet, fold.move(z=top + 0.06))


@category("bed")
def bed(rng, k):
    """Wooden with a slatted head, upholstered with buttons, iron bars; bunk beds; four posts."""
    kind = ("wood", "padded", "iron", "bunk", "posts")[k % 5]
    w, d = m.between(rng, 1.35, 1.7), m.between(rng, 1.95, 2.1)
    if kind in ("bunk", "iron"):
        w = m.between(rng, 0.85, 1.0)
    if kind == "bunk":
        return bunk_bed(rng, w, d)
    if kind == "iron":
        return iron_bed(rng, w, d)
    wood = m.wood(rng)
    frame = soft_finish(rng) if kind == "padded" else wood
    head, y = m.between(rng, 0.9, 1.15), 0.22
    parts = [bedding(rng, w, d, 2).move(y=y + 0.06)]
    parts.append(p.both(p.box((0.04, 0.2, d), frame, 0.01).move(w / 2 + 0.02, y + 0.06)))
    parts.append(p.box((w + 0.08, 0.2, 0.05), frame, 0.012).move(0, y + 0.06, d / 2 + 0.02))
    if kind == "padded":
        board = p.cushion((w + 0.12, head - 0.1, 0.12), frame, 0.6, 0.05).move(0, (head + 0.1) / 2, -d / 2 - 0.05)
        places = [(x, yy, -d / 2 + 0.018) for yy in (0.65, 0.85) for x in np.linspace(-0.4, 0.4, 5) * w]
        button = p.superellipsoid((0.04, 0.04, 0.025), frame, segments=12)
        legs = straight_legs(rng, y, w / 2 - 0.06, d / 2 - 0.06, 0.07, wood, "round")
        return [*parts, board, s.drops(button, places), legs]
    tall = m.between(rng, 1.7, 1.9) if kind == "posts" else head
    foot = tall if kind == "posts" else y + 0.3
    post = lambda high: s.turned(rng, high, 0.05, wood).move(w / 2 + 0.02)  # noqa: E731
    parts += [p.both(post(tall)).move(z=-d / 2 - 0.02), p.both(post(foot)).move(z=d / 2 + 0.02)]
    bow = p.arc(1.0, 0, 180, 24) * (w / 2, 0.14)
    board = np.concatenate([[(-w / 2, -0.1)], bow[::-1], [(w / 2, -0.1)]])
    parts.append(p.extrude(board, 0.035, wood, 0.01).move(0, head - 0.1, -d / 2 - 0.02))
    slat = p.box((0.06, head - 0.4, 0.02), wood, 0.004, 1)
    parts.append(p.repeat(slat, 9, (w / 9, 0, 0)).move(0, 0.2 + (head - 0.4) / 2, -d / 2 - 0.02))
    if kind == "posts":
        cloth = m.fabric(rng, m.light(rng))
        parts.append(p.both(p.box((0.05, 0.05, d), wood, 0.01).move(w / 2 + 0.02, tall - 0.05)))
        parts.append(p.both(p.box((w, 0.05, 0.05), wood, 0.01).move(0, tall - 0.05, d / 2 + 0.02), "z"))
        drape = p.sheet(w + 0.1, d + 0.1, cloth, 0.02, lambda x, z: -0.06 * np.cos(np.pi * x / w) ** 2, n=12)
        parts.append(drape.move(y=tall))
    return parts


def iron_bed(rng, w: float, d: float) -> list:
    """Head and foot of round bars with knobs."""
    iron = m.pick(rng, (m.dark_metal, m.brass, lambda r: m.enamel(r, "white")))(rng)
    knob = m.brass(rng)
    parts = [bedding(rng, w, d, 1).move(y=0.34), p.box((w, 0.05, d), iron, 0.01).move(y=0.33)]
    for z, high in ((-d / 2 - 0.02, 1.05), (d / 2 + 0.02, 0.72)):
        arch = p.curve([(-w / 2, high - 0.15), (-w / 4, high - 0.02), (0, high + 0.04), (w / 4, high - 0.02),
                        (w / 2, high - 0.15)], 32)  # fmt: skip
        end = [p.rod(p.in_plane(arch), 0.018, iron), s.between((-w / 2, 0.36, 0), (w / 2, 0.36, 0), 0.016, iron)]
        end.append(p.both(s.between((w / 2, 0, 0), (w / 2, high - 0.06, 0), 0.024, iron)))
        end.append(p.both(p.sphere(0.045, knob, 24).move(w / 2, high - 0.03)))
        for x in np.linspace(-w / 2, w / 2, 8)[1:-1]:
            y1 = float(np.interp(x, arch[:, 0], arch[:, 1]))
            end.append(s.between((x, 0.36, 0), (x, y1, 0), 0.01, iron, sides=12))
            end.append(p.sphere(0.022, knob, 12).move(x, (0.36 + y1) / 2))
        parts.append(p.join(end).move(z=z))
    return parts


def bunk_bed(rng, w: float, d: float) -> list:
    """Two beds over each other with a ladder and a rail at the side; the side faces the front left."""
    wood = m.pick(rng, (m.wood, m.paint))(rng)
    parts = [p.four(p.box((0.07, 1.65, 0.07), wood, 0.01).move(w / 2, 0.825, d / 2))]
    for y in (0.3, 1.15):
        parts.append(bedding(rng, w * 0.95, d * 0.95, 1).move(y=y))
        parts.append(p.both(p.box((0.03, 0.14, d), wood, 0.006).move(w / 2, y + 0.02)))
        for extra in (0.02, 0.26, 0.38):
            parts.append(p.both(p.box((w, 0.09, 0.03), wood, 0.006).move(0, y + extra, d / 2), "z"))
    parts.append(p.both(p.box((0.03, 0.08, d * 0.68), wood, 0.006).move(w / 2, 1.5, -d * 0.16)))
    step = p.cylinder(0.018, 0.34, wood, segments=14).rotate(x=90)
    rungs = [step.move(w / 2 + 0.16 - 0.1 * y, y, d * 0.32) for y in np.linspace(0.2, 1.3, 5)]
    side = s.plank((w / 2 + 0.16, 0, 0.17), (w / 2 + 0.02, 1.55, 0.17), 0.03, 0.05, wood)
    return [*parts, *rungs, p.both(side, "z").move(z=d * 0.32)]


# ---- to sit on -----------------------------------------------------------------------------------------------------
@category("bench")
def bench(rng, k):
    """A park bench with iron sides, a plain wooden bench, a padded one, a garden bench with arms."""
    kind = ("park", "plain", "padded", "garden")[k % 4]
    w, d, y = m.between(rng, 1.2, 1.5), 0.42, 0.44
    wood = m.wood(rng)
    if kind in ("plain", "padded"):
        legs = straight_legs(
            rng, y, w / 2 - 0.08, d / 2 - 0.06, 0.06, wood, "turned" if kind == "padded" else "splayed"
        )
        seat = p.box((w, 0.05, d), m.planks(rng) if kind == "plain" else wood, 0.012).move(y=y)
        bar = s.plank((-w / 2 + 0.1, 0.16, 0), (w / 2 - 0.1, 0.16, 0), 0.04, 0.03, wood)
        pad = p.cushion((w * 0.98, 0.1, d * 0.97), soft_finish(rng), 0.7).move(y=y + 0.07)
        return [legs, seat, bar, *([pad] if kind == "padded" else [])]
    side_finish = m.cast_iron(rng) if kind == "park" else wood
    slat = p.box((w, 0.03, 0.075), wood, 0.008)
    parts = [slat.move(0, y + 0.008 * abs(i - 2), -d / 2 + 0.06 + i * 0.085) for i in range(5)]
    for i in range(4):
        back_y = y + 0.1 + 0.09 * i
        parts.append(slat.rotate(x=78).move(0, back_y, -d / 2 - 0.03 - 0.25 * (back_y - y)))
    back = [(-0.3, 0), (-0.21, 0.2), (-0.2, y - 0.04), (-0.26, y + 0.1), (-0.36, y + 0.42)]
    front = [(0.25, 0), (0.2, 0.2), (0.21, y - 0.04), (-0.2, y - 0.03)]
    arm = [(0.2, y - 0.04), (0.26, y + 0.1), (0.2, y + 0.22), (0.0, y + 0.23), (-0.31, y + 0.24)]
    bars = [p.sweep(p.in_plane(p.curve(line, 24), "zy"), 0.02, side_finish, 12) for line in (back, front, arm)]
    curl = p.torus(0.06, 0.02, side_finish, 28, 8).rotate(z=90).move(0, y + 0.09, 0.05)
    return [*parts, p.both(p.join(bars, curl).move(w / 2 - 0.1))]


@category("stool")
def stool(rng, k):
    """A three-legged milking stool, a bar stool on a column, a kitchen stool with rungs, a padded footstool, steel."""
    kind = ("three legs", "bar", "rungs", "foot", "steel")[k % 5]
    wood = m.wood(rng)
    if kind == "bar":
        metal, pad = m.chrome(rng), soft_finish(rng)
        base = p.lathe(p.fillet([(0, 0), (0.22, 0), (0.21, 0.015), (0.04, 0.04), (0.03, 0.7), (0, 0.7)], 0.012), metal)
        ring = p.torus(0.14, 0.022, metal).move(y=0.26)
        spokes = p.around(s.between((0, 0.26, 0), (0.14, 0.26, 0), 0.009, metal, sides=10), 3)
        return [base, ring, spokes, p.superellipsoid((0.38, 0.1, 0.38), pad, 3, 2).move(y=0.74),
                p.torus(0.185, 0.025, metal).move(y=0.715)]  # fmt: skip
    if kind == "foot":
        cover = soft_finish(rng)
        legs = straight_legs(rng, 0.16, 0.17, 0.13, 0.05, wood, "turned")
        return [legs, p.box((0.44, 0.07, 0.34), wood, 0.015).move(y=0.18),
                p.cushion((0.46, 0.16, 0.36), cover, 0.8, 0.14).move(y=0.25)]  # fmt: skip
    r, h = m.between(rng, 0.15, 0.19), {"three legs": 0.42, "rungs": 0.66, "steel": 0.6}[kind]
    n = 3 if kind == "three legs" else 4
    finish = m.enamel(rng, m.any_color(rng)) if kind == "steel" else wood
    out = r * (1.35 if kind == "three legs" else 1.15)
    parts = [p.around(s.between((out, 0, 0), (r * 0.65, h - 0.01, 0), 0.022, finish, 0.026), n, start=45)]
    at = lambda y: out + (r * 0.65 - out) * y / h  # noqa: E731  (distance of a leg from the axis)
    if n == 4:
        for y in (0.18 * h / 0.6, 0.3 * h / 0.6):
            a, b = p.circle(at(y), 4)[:2]
            parts.append(p.around(s.between((a[0], y, a[1]), (b[0], y, b[1]), 0.012, finish, sides=12), 4, start=45))
    seat_finish = finish if kind != "rungs" or m.chance(rng) else m.wicker(rng)
    if kind == "steel":
        hole = p.oval(0.09, 0.03, 3, 20)
        parts.append(p.extrude(p.oval(2 * r, 2 * r, 5), 0.035, finish, 0.015, holes=[hole]).rotate(x=-90).move(y=h))
    else:
        dish = [(0, -0.02), (r * 0.9, -0.02), (r, 0), (r * 0.98, 0.025), (r * 0.6, 0.018), (0, 0.01)]
        parts.append(p.lathe(p.fillet(dish, 0.008), seat_finish).move(y=h))
    return parts


# ---- tables with what lies on them ---------------------------------------------------------------------------------
def coffee_things(rng) -> p.Part:
    """A cup on its saucer beside two magazines, on y = 0."""
    glaze = m.ceramic(rng)
    cup = s.vessel(p.fillet([(0, 0), (0.025, 0), (0.042, 0.06)], 0.015), 0.004, glaze, m.plastic(rng, "dark brown"), 28)
    saucer = p.lathe([(0, 0), (0.04, 0), (0.075, 0.014), (0.04, 0.006), (0, 0.006)], glaze, 28)
    grip = p.torus(0.02, 0.007, glaze, 18, 6).rotate(x=90).move(0.045, 0.035)
    pages = [
        p.box((0.21, 0.008, 0.28), m.paper(rng, m.any_color(rng)), 0.002, 1).rotate(y=turn).move(-0.2, y, 0)
        for y, turn in ((0.004, 12), (0.012, -8))
    ]
    return p.join(p.join(cup.move(y=0.006), saucer, grip).move(0.1, 0, 0.02), pages)


@category("coffee table, cocktail table")
def coffee_table(rng, k):
    """Low: oblong with a shelf below, round glass on a steel ring, a kidney on splayed legs, a slab on blocks."""
    kind = ("shelf", "glass", "kidney", "slab")[k % 4]
    wood, h = m.wood(rng), m.between(rng, 0.36, 0.44)
    things = coffee_things(rng).move(0, h, 0)
    if kind == "shelf":
        w, d = m.between(rng, 1.0, 1.25), m.between(rng, 0.55, 0.68)
        parts = [
            p.box((w, 0.03, d), wood, 0.008).move(y=h - 0.015),
            p.box((w - 0.1, 0.02, d - 0.08), wood).move(y=0.14),
        ]
        parts.append(
            straight_legs(rng, h - 0.03, w / 2 - 0.05, d / 2 - 0.05, 0.06, wood, m.pick(rng, ("square", "turned")))
        )
        parts.append(p.box((w - 0.08, 0.1, d - 0.08), wood).move(y=h - 0.08))
        knob = p.sphere(0.016, m.brass(rng), 16).move(w * 0.22, h - 0.08, d / 2 - 0.03)
        front = p.box((w * 0.4, 0.075, 0.02), wood, 0.004).move(w * 0.22, h - 0.08, d / 2 - 0.04)
        books = [
            p.box((0.22, 0.04, 0.28), m.fabric(rng, m.any_color(rng)), 0.006, 1).move(-0.2, 0.17 + 0.04 * i)
            for i in (0, 1)
        ]
        return [*parts, p.both(p.join(front, knob)), books, things]
    if kind == "glass":
        r, metal = m.between(rng, 0.38, 0.46), m.pick(rng, (m.chrome, m.brass, m.dark_metal))(rng)
        plate = p.cylinder(r, 0.016, m.glass(rng, m.pick(rng, ("#a9c9c4", "#c4d6d8"))), 0.006, 64).move(y=h - 0.008)
        rings = [p.torus(r * 0.92, 0.026, metal).move(y=h - 0.028), p.torus(r * 0.8, 0.026, metal).move(y=0.02)]
        leg = s.between((r * 0.8, 0.02, 0), (r * 0.92, h - 0.028, 0), 0.013, metal)
        return [plate, rings, p.around(leg, 4, start=45), things]
    if kind == "kidney":
        line = [
            (0.5, 0.0),
            (0.36, 0.28),
            (0.0, 0.2),
            (-0.36, 0.3),
            (-0.52, 0.02),
            (-0.3, -0.26),
            (0.1, -0.24),
            (0.4, -0.22),
        ]
        top = m.pick(rng, (m.wood, m.paint, m.marble))(rng)
        board = p.extrude(p.curve(line, 64, closed=True), 0.03, top, 0.012).rotate(x=-90).move(y=h - 0.015)
        edge = p.sweep(
            p.in_plane(p.curve(line, 64, closed=True), "xz") * (1, 1, -1), 0.015, m.brass(rng), 8, closed=True
        )
        feet = [(0.44, 0.1), (-0.48, 0.12), (0.12, -0.3), (-0.28, -0.3)]
        legs = [s.between((x * 1.1, 0, -z * 1.1), (x * 0.7, h - 0.02, -z * 0.6), 0.012, wood, 0.022) for x, z in feet]
        return [board, edge.move(y=h - 0.015), legs, things]
    w, d = m.between(rng, 0.95, 1.2), 0.6
    outline = p.oval(w, d, m.between(rng, 3, 6), 48) * (1 + 0.03 * rng.standard_normal((48, 1)) * m.chance(rng))
    board = p.extrude(outline, 0.06, m.wood(rng, tile=0.8), 0.02).rotate(x=-90).move(y=h - 0.03)
    iron = m.pick(rng, (m.dark_metal, m.steel))(rng)
    trapezium = [(-d * 0.3, 0.02), (d * 0.3, 0.02), (d * 0.36, h - 0.07), (-d * 0.36, h - 0.07)]
    path = p.in_plane(p.fillet(trapezium, 0.02, closed=True), "zy")
    frame = p.sweep(path, 0.02, iron, section=p.rectangle(3, 1), closed=True, up=(1, 0, 0))
    return [board, p.both(frame.move(w * 0.33)), things]


def place_setting(rng) -> p.Part:
    """A plate between knife and fork, a napkin, a glass; the guest sits at +z."""
    china, steel = m.ceramic(rng, m.vary(rng, "white", 0.02)), m.steel(rng)
    line = np.array([(0, 0), (0.07, 0), (0.13, 0.018), (0.13, 0.022), (0.07, 0.006), (0, 0.006)])
    plate = p.join(p.lathe(line, china, 22), p.torus(0.122, 0.008, m.ceramic(rng, m.bright(rng)), 22, 5).move(y=0.02))
    tool = p.box((0.014, 0.006, 0.2), steel, 0.002, 1).move(0.17, 0.004)
    cup = [(0, 0), (0.03, 0), (0.03, 0.004), (0.005, 0.01), (0.005, 0.07), (0.035, 0.1), (0.032, 0.16), (0, 0.15)]
    cloth = p.box((0.08, 0.008, 0.16), m.fabric(rng, m.bright(rng)), 0.002, 1).move(-0.2, 0.004)
    glass = p.lathe(cup, m.glass(rng), 16).move(0.14, 0, -0.16)
    return p.join(plate, tool, tool.mirror("x").move(-0.03), cloth, glass)


def fruit_bowl(rng) -> p.Part:
    """A bowl of oranges and apples."""
    bowl = s.vessel(p.curve([(0, 0), (0.06, 0), (0.12, 0.04), (0.16, 0.1)], 14), 0.01, m.ceramic(rng), segments=32)
    tones = [m.plastic(rng, m.vary(rng, c), 0.6) for c in ("orange", "red", "lime", "orange", "red")]
    ring = [(0.06 * np.cos(a), 0.09, 0.06 * np.sin(a)) for a in np.arange(4) * np.pi / 2] + [(0, 0.15, 0)]
    return p.join(bowl, [p.sphere(0.045, tone, 16).move(*at) for tone, at in zip(tones, ring, strict=True)])


@category("dining table")
def dining_table(rng, k):
    """Laid for a meal: a long wooden one with a runner, a round one under a cloth that hangs in folds."""
    setting, h = place_setting(rng), 0.75
    if k % 2:
        r, cloth = m.between(rng, 0.58, 0.66), m.pick(rng, (m.patterned, lambda g: m.fabric(g, m.light(g))))(rng)
        drop = m.between(rng, 0.22, 0.35)
        line = [(0, h - 0.02), (r, h - 0.02), (r + 0.02, h - drop), (r + 0.03, h - drop), (r + 0.015, h), (0, h)]
        cover = p.lathe(p.fillet(line, 0.015), cloth, 72)
        low = lambda v: np.clip((h - 0.03 - v[:, 1]) / drop, 0, 1)  # noqa: E731  (0 on top, 1 at the hem)
        fold = lambda v: 1 + 0.05 * low(v) * np.cos(12 * np.arctan2(v[:, 2], v[:, 0]))  # noqa: E731
        cover = cover.warp(lambda v: v * np.column_stack([fold(v), 1 + 0 * v[:, 0], fold(v)]))
        claw = p.curve([(0.03, 0.3), (0.14, 0.22), (0.32, 0.05), (0.42, 0.02)], 16)
        foot = p.around(p.sweep(p.in_plane(claw), np.linspace(0.045, 0.025, 16), m.wood(rng)), 4, start=45)
        guests = p.around(setting.move(z=r - 0.2), 4)
        return [
            cover,
            foot,
            s.turned(rng, h - 0.2, 0.08, m.wood(rng)).move(y=0.17),
            guests.move(y=h),
            fruit_bowl(rng).move(y=h),
        ]
    w, d, wood = m.between(rng, 1.6, 1.9), m.between(rng, 0.85, 0.95), m.wood(rng)
    style = m.pick(rng, ("square", "turned"))
    parts = [
        p.box((w, 0.045, d), wood, 0.012).move(y=h - 0.022),
        p.box((w - 0.16, 0.09, d - 0.16), wood).move(y=h - 0.08),
    ]
    parts.append(straight_legs(rng, h - 0.04, w / 2 - 0.08, d / 2 - 0.08, 0.09, wood, style))
    runner = p.box((w * 0.98, 0.006, d * 0.26), m.patterned(rng), 0.002).move(y=h + 0.002)
    side = p.repeat(setting, 3, (w / 3, 0, 0)).move(z=d / 2 - 0.17)
    return [*parts, runner, side.move(y=h), side.rotate(y=180).move(y=h), fruit_bowl(rng).move(y=h + 0.004)]
