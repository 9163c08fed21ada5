"""Chairs, tables, sofas: things that stand in a room."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def frame_finish(rng) -> p.Finish:
    """What legs and frames are made of."""
    return m.pick(rng, (m.wood, m.wood, m.wood, m.paint, m.metal))(rng)


def soft_finish(rng) -> p.Finish:
    """What seats are covered with."""
    return m.pick(rng, (m.fabric, m.fabric, m.leather, m.patterned))(rng)


def straight_legs(rng, height: float, x: float, z: float, thick: float, finish, style: str | None = None) -> p.Part:
    """Four legs with their tops at (+-x, height, +-z). style: square, round, turned, splayed."""
    style = style or m.pick(rng, ("square", "round", "turned", "splayed"))
    if style == "square":
        return p.four(p.box((thick, height, thick), finish).taper(1.0, m.between(rng, 0.6, 1.0)).move(x, height / 2, z))
    if style == "turned":
        return p.four(s.turned(rng, height, thick * 0.62, finish).move(x, 0, z))
    out = m.between(rng, 0.1, 0.22) * height if style == "splayed" else 0.0
    foot = (x + out * 0.7, 0, z + out * 0.5)
    return p.four(s.between(foot, (x, height, z), thick * 0.36, finish, thick * 0.52))


@category("chair")
def chair(rng, k):
    """Six kinds: slatted, ladder back, solid back, upholstered, moulded shell on steel or wood, office."""
    kind = ("slats", "shell", "padded", "ladder", "solid", "office", "armchair")[k % 7]
    w, d, seat_y = m.between(rng, 0.42, 0.5), m.between(rng, 0.4, 0.48), m.between(rng, 0.42, 0.48)
    back_y = seat_y + m.between(rng, 0.38, 0.62)
    if kind == "office":
        return office_chair(rng, w, d)
    if kind == "shell":
        return shell_chair(rng, w, d, seat_y)
    frame, seat_finish = frame_finish(rng), None
    thick = m.between(rng, 0.035, 0.05)
    lean = m.between(rng, 0.04, 0.1)
    x, z = w / 2 - thick / 2, d / 2 - thick / 2
    square = m.chance(rng)
    parts = []
    # back posts run from the floor to the top and lean back above the seat
    path = p.fillet([(-z, 0.0), (-z, seat_y), (-z - lean, back_y)], 0.15)
    path = np.column_stack([np.full(len(path), x), path[:, 1], path[:, 0]])
    section = p.rectangle(1.0, 1.0, 0.15) if square else p.circle(0.5, 14)
    parts.append(p.both(p.sweep(path, thick, frame, section=section, up=(1, 0, 0))))
    if square:
        parts.append(p.both(p.box((thick, seat_y, thick), frame).move(x, seat_y / 2, z)))
    else:
        parts.append(p.both(s.turned(rng, seat_y, thick * 0.55, frame).move(x, 0, z)))
    parts.append(p.box((w, 0.035, d), frame, bevel=0.012).move(y=seat_y))
    parts.append(p.four(p.box((thick * 0.5, 0.055, d - thick), frame).move(x, seat_y - 0.045, 0)))
    parts.append(p.both(p.box((w - thick, 0.055, thick * 0.5), frame).move(0, seat_y - 0.045, z), "z"))
    if m.chance(rng, 0.6):  # stretchers
        y = m.between(rng, 0.12, 0.2)
        parts.append(p.both(s.between((x, y, -z), (x, y, z), thick * 0.3, frame)))
        parts.append(s.between((-x, y, 0), (x, y, 0), thick * 0.3, frame))
    if kind in ("padded", "armchair") or m.chance(rng, 0.4):
        seat_finish = soft_finish(rng)
        parts.append(p.cushion((w * 0.96, 0.07, d * 0.94), seat_finish, 0.7).move(y=seat_y + 0.04))

    def at(t: float) -> tuple[float, float]:
        """(y, z) on the back, t from the seat 0 to the top 1."""
        return seat_y + t * (back_y - seat_y), -z - t * lean

    tilt = -np.degrees(np.arctan2(lean, back_y - seat_y))

    def bowed(depth: float):
        """A back rail's curve: its middle lies `depth` further back."""
        return lambda v: -depth * (1 - (2 * v[:, 0] / w) ** 2)

    inner = w - 2 * thick
    if kind in ("padded", "armchair"):
        (y0, z0), h = at(0.6), 0.72 * (back_y - seat_y)
        pad = p.cushion((inner * 1.05, h, 0.07), seat_finish or soft_finish(rng), 0.6)
        parts.append(pad.rotate(x=tilt).move(0, y0, z0))
    elif kind == "solid":
        (y0, z0), h = at(0.62), 0.62 * (back_y - seat_y)
        parts.append(p.box((inner, h, 0.018), frame).rotate(x=tilt).move(0, y0, z0))
    else:
        for t in (0.93, *((0.22,) if kind == "slats" else np.linspace(0.3, 0.75, int(rng.integers(2, 5))))):
            y0, z0 = at(float(t))
            rail = p.box((inner + thick * 0.6, 0.065, 0.022), frame).subdivide(0.08)
            bow = m.between(rng, 0.0, 0.03) if t != 0.93 else 0.02
            rail = rail.shift(z=bowed(bow))
            parts.append(rail.rotate(x=tilt).move(0, y0, z0))
        if kind == "slats":
            n = int(rng.integers(3, 7))
            (y0, z0), (y1, z1) = at(0.22), at(0.93)
            wide = m.between(rng, 0.35, 0.6) * inner / n
            for i in range(n):
                xi = (i - (n - 1) / 2) * inner / n
                bow = 0.02 * (1 - (2 * xi / w) ** 2)
                parts.append(s.plank((xi, y0, z0 - bow), (xi, y1, z1 - bow), wide, 0.014, frame))
    if kind == "armchair" or m.chance(rng, 0.15):
        arm_y = seat_y + 0.2
        _, za = at(0.2 / (back_y - seat_y))
        parts.append(
            p.both(p.box((0.055, 0.025, z - za + 0.06), frame, 0.01).move(x + 0.01, arm_y, (z + za) / 2 + 0.01))
        )
        parts.append(p.both(s.between((x, seat_y, z * 0.8), (x + 0.01, arm_y, z * 0.8), thick * 0.35, frame)))
    return parts


def shell_chair(rng, w, d, seat_y):
    """A moulded seat and back in one curved sheet, on thin legs."""
    color = m.plastic(rng) if m.chance(rng, 0.7) else m.wood(rng)
    back = m.between(rng, 0.36, 0.46)
    line = p.curve(
        [
            (d * 0.5, seat_y - 0.03),
            (d * 0.38, seat_y + 0.012),
            (0, seat_y - 0.012),
            (-d * 0.36, seat_y + 0.01),
            (-d * 0.5, seat_y + 0.1),
            (-d * 0.58, seat_y + back * 0.6),
            (-d * 0.64, seat_y + back),
        ],
        30,
    )
    t = np.linspace(0, 1, len(line))
    half = w / 2 * (1 - 0.25 * (2 * t - 1) ** 6) * (0.9 + 0.14 * np.sin(np.pi * t))
    half = half * np.clip(1.12 - np.abs(2 * t - 1) ** 14 * 0.4, 0, 1)
    across = np.linspace(-1, 1, 15)
    dish = m.between(rng, 0.03, 0.06)
    normal = np.gradient(line, axis=0)
    normal = np.column_stack([normal[:, 1], -normal[:, 0]]) / np.linalg.norm(normal, axis=1, keepdims=True)
    normal *= np.sign(normal[5, 1])
    middle = np.stack(
        np.broadcast_arrays(
            half[:, None] * across,
            line[:, 1:2] + dish * across**2 * normal[:, 1:2],
            line[:, 0:1] + dish * across**2 * normal[:, 0:1],
        ),
        axis=-1,
    )
    offset = 0.007 * np.column_stack([0 * t, normal[:, 1], normal[:, 0]])[:, None]
    shell = p.loft(np.concatenate([middle + offset, (middle - offset)[:, ::-1]], axis=1), color)
    leg = m.wood(rng) if m.chance(rng, 0.5) else m.steel(rng)
    r = 0.016 if leg.metalness == 0 else 0.011
    top = (w * 0.28, seat_y - 0.01, d * 0.25)
    legs = p.four(s.between((w * 0.46, 0, d * 0.5), top, r * 0.8, leg, r * 1.2))
    bars = p.both(
        s.between((w * 0.28, seat_y - 0.03, d * 0.25), (-w * 0.28, seat_y - 0.03, d * 0.25), r * 0.7, leg), "z"
    )
    return [shell, legs, bars]


def office_chair(rng, w, d):
    """A padded seat on a gas column with five castors."""
    cover, dark = soft_finish(rng), m.plastic(rng, m.dark(rng))
    metal = m.pick(rng, (m.chrome, m.dark_metal))(rng)
    y = 0.5
    spoke = p.loft(
        [
            [(0.03, 0.13, 0.03), (0.03, 0.13, -0.03), (0.03, 0.07, -0.03), (0.03, 0.07, 0.03)],
            [(0.3, 0.085, 0.018), (0.3, 0.085, -0.018), (0.3, 0.06, -0.018), (0.3, 0.06, 0.018)],
        ],
        metal,
    )
    castor = p.both(p.cylinder(0.028, 0.018, dark, segments=20).rotate(x=90).move(0.29, 0.028, 0.013), "z")
    parts = [
        p.around(p.join(spoke, castor), 5, start=18),
        p.cylinder(0.05, 0.09, metal).move(y=0.1),
        p.cylinder(0.028, y - 0.1, metal).move(y=y / 2 + 0.05),
        p.cushion((w * 1.02, 0.09, d * 1.05), cover, 0.7).move(y=y + 0.03),
        p.box((w * 0.5, 0.03, d * 0.5), dark).move(y=y - 0.02),
    ]
    h = m.between(rng, 0.4, 0.62)
    back = p.cushion((w * 0.94, h, 0.08), cover, 0.7).subdivide(0.06)
    back = back.shift(z=lambda v: 0.7 * v[:, 0] ** 2)
    parts.append(back.rotate(x=-7).move(0, y + 0.16 + h / 2, -d / 2 - 0.02))
    path = p.fillet([(-d * 0.1, y - 0.02), (-d * 0.62, y - 0.02), (-d * 0.66, y + 0.3)], 0.08)
    parts.append(p.strap(p.in_plane(path, "zy"), 0.08, 0.02, dark, up=(0, 1, 0.6)))
    if m.chance(rng, 0.7):
        arm = p.fillet([(0, y), (0.1, y), (0.1, y + 0.2)], 0.04)
        post = p.sweep(p.in_plane(arm), 0.016, dark).move(w / 2 - 0.06)
        pad = p.box((0.06, 0.03, 0.24), dark, 0.012).move(w / 2 + 0.04, y + 0.21, 0.02)
        parts.append(p.both(p.join(post, pad)))
    return parts


@category("table")
def table(rng, k):
    """Square, oblong or round tops on four legs, a pedestal, trestles, hairpins or panels."""
    kind = ("legs", "pedestal", "legs", "trestle", "hairpin", "legs", "panel")[k % 7]
    h = m.between(rng, 0.68, 0.78)
    w = m.between(rng, 0.9, 1.5)
    d = m.between(rng, 0.65, 0.9)
    thick = m.between(rng, 0.025, 0.05)
    top_finish = m.pick(rng, (m.wood, m.wood, m.wood, m.planks, m.paint, m.marble))(rng)
    leg = m.wood(rng) if m.chance(rng, 0.6) else frame_finish(rng)
    if m.chance(rng, 0.4):
        leg = top_finish
    under = h - thick
    if kind == "pedestal":
        r = m.between(rng, 0.42, 0.62)
        top = p.cylinder(r, thick, top_finish, bevel=0.4 * thick, segments=64).move(y=h - thick / 2)
        if m.chance(rng):
            foot = p.fillet(
                [
                    (0, 0),
                    (0.6 * r, 0),
                    (0.58 * r, 0.025),
                    (0.12, 0.07),
                    (0.05, 0.2),
                    (0.045, under - 0.1),
                    (0.16, under),
                    (0, under),
                ],
                0.03,
            )
            return [top, p.lathe(foot, leg)]
        claw = p.curve([(0.04, 0.26), (0.16, 0.2), (0.3, 0.05), (0.4, 0.02)], 16)
        feet = p.around(p.sweep(p.in_plane(claw), np.linspace(0.045, 0.022, 16), leg), int(rng.integers(3, 5)))
        return [top, feet, s.turned(rng, under - 0.15, 0.075, leg).move(y=0.15)]
    parts = []
    if kind == "legs" and m.chance(rng, 0.3):
        outline = p.oval(w, d, m.between(rng, 2, 4), 56)
    else:
        outline = p.rectangle(w, d, m.between(rng, 0.005, 0.08))
    parts.append(
        p.extrude(outline, thick, top_finish, bevel=m.between(rng, 0.1, 0.45) * thick)
        .rotate(x=-90)
        .move(y=h - thick / 2)
    )
    x, z = w / 2 - m.between(rng, 0.06, 0.12), d / 2 - m.between(rng, 0.06, 0.1)
    if kind == "legs":
        size = m.between(rng, 0.045, 0.085)
        parts.append(straight_legs(rng, under, x * 0.94, z * 0.92, size, leg))
        if m.chance(rng, 0.75):
            a = m.between(rng, 0.06, 0.11)
            parts.append(p.both(p.box((2 * x * 0.94, a, 0.02), leg).move(0, under - a / 2, z * 0.92), "z"))
            parts.append(p.both(p.box((0.02, a, 2 * z * 0.92), leg).move(x * 0.94, under - a / 2, 0)))
            if m.chance(rng, 0.4):
                parts.append(p.box((0.3, a * 0.75, 0.02), leg).move(0, under - a / 2, z * 0.92 + 0.016))
                parts.append(p.sphere(0.014, m.brass(rng), 16).move(0, under - a / 2, z * 0.92 + 0.036))
    elif kind == "trestle":
        t = 0.06
        side = [
            s.plank((x, 0.03, -z * 0.8), (x, under - 0.04, z * 0.8), t, t, leg, up=(1, 0, 0)),
            s.plank((x, 0.03, z * 0.8), (x, under - 0.04, -z * 0.8), t, t * 0.9, leg, up=(1, 0, 0)),
            p.box((t, t, 2 * z), leg).move(x, under - t / 2, 0),
        ]
        parts += [p.both(p.join(side)), p.box((2 * x, t, t), leg).move(y=under * 0.5)]
    elif kind == "hairpin":
        metal = m.dark_metal(rng) if m.chance(rng, 0.6) else m.brass(rng)
        bend = p.fillet([(0.1, under, 0), (0.02, 0.008, 0), (-0.0, 0.008, 0), (0, under, 0.1)], 0.01)
        parts.append(
            p.four(
                p.join(
                    p.rod(bend, 0.007, metal, 10).move(x - 0.06, 0, z - 0.06),
                    p.box((0.14, 0.008, 0.14), metal).move(x - 0.02, under - 0.004, z - 0.02),
                )
            )
        )
    else:
        parts.append(p.both(p.box((0.04, under, d * 0.85), leg).move(x, under / 2, 0)))
        parts.append(p.box((2 * x, 0.2, 0.025), leg).move(0, under - 0.16, 0))
    return parts


@category("sofa")
def sofa(rng, k):
    """Two and three seats; block, rolled or no arms; buttons, a chaise, loose cushions."""
    kind = ("block", "roll", "retro", "chesterfield", "chaise", "low")[k % 6]
    seats = 3 if m.chance(rng, 0.6) else 2
    cover = m.pick(rng, (m.fabric, m.fabric, m.fabric, m.leather, m.leather, m.patterned))(rng)
    if kind == "chesterfield":
        cover = m.leather(rng)
    leg = m.wood(rng) if m.chance(rng, 0.7) else m.metal(rng)
    w, d = 0.62 * seats, m.between(rng, 0.78, 0.92)
    seat_y, back_y = m.between(rng, 0.38, 0.45), m.between(rng, 0.72, 0.9)
    arm_w = {"block": 0.18, "roll": 0.2, "retro": 0.1, "chesterfield": 0.22, "chaise": 0.16, "low": 0.26}[kind]
    foot = {"retro": 0.17, "low": 0.04}.get(kind, 0.08)
    total = w + 2 * arm_w
    parts = [p.box((total * 0.99, seat_y - 0.15 - foot, d), cover, 0.03).move(y=foot + (seat_y - 0.15 - foot) / 2)]
    if kind == "retro":
        parts.append(straight_legs(rng, foot + 0.02, total / 2 - 0.14, d / 2 - 0.1, 0.06, leg, "splayed"))
    else:
        parts.append(
            p.four(p.cone(0.025, 0.04, foot + 0.02, leg, segments=20).move(total / 2 - 0.08, foot / 2, d / 2 - 0.08))
        )
    thick = 0.2 if kind != "retro" else 0.14
    back = p.cushion(
        (total if kind in ("block", "chesterfield", "roll") else w, back_y - foot - 0.05, thick), cover, 0.5, 0.05
    )
    parts.append(back.rotate(x=-5).move(0, foot + (back_y - foot) / 2, -d / 2 + 0.07))
    for i in range(seats):
        x = (i - (seats - 1) / 2) * w / seats
        long = kind == "chaise" and i == seats - 1
        deep = (d - 0.12) + (0.6 if long else 0.0)
        z = 0.07 + (0.3 if long else 0.0)
        parts.append(p.cushion((w / seats * 0.99, 0.18, deep), cover, 0.55, 0.1).move(x, seat_y - 0.07, z))
        if long:
            parts.append(
                p.box((w / seats * 0.98, seat_y - 0.15 - foot, 0.62), cover, 0.03).move(
                    x, foot + (seat_y - 0.15 - foot) / 2, d / 2 + 0.28
                )
            )
            parts.append(
                p.both(p.cone(0.025, 0.04, foot + 0.02, leg, segments=16).move(0.2, foot / 2, d / 2 + 0.52)).move(x)
            )
        high = back_y - seat_y + (0.06 if kind != "chesterfield" else -0.05)
        pad = p.cushion((w / seats * 0.97, high, 0.17), cover, 0.7, 0.14)
        parts.append(pad.rotate(x=-12).move(x, seat_y + high / 2 - 0.02, -d / 2 + 0.24))
    arm_y = seat_y + {"retro": 0.14, "low": 0.1, "chesterfield": back_y - seat_y - 0.02}.get(kind, 0.2)
    x = w / 2 + arm_w / 2
    if kind in ("roll", "chesterfield"):
        panel = p.box((arm_w * 0.7, arm_y - foot - 0.06, d), cover, 0.03).move(
            x - arm_w * 0.1, foot + (arm_y - foot - 0.06) / 2
        )
        roll = (
            p.cylinder(arm_w * 0.55, d * 1.01, cover, bevel=0.02, segments=32).rotate(x=90).move(x + 0.01, arm_y - 0.09)
        )
        parts.append(p.both(p.join(panel, roll)))
        if kind == "chesterfield":
            top = p.cylinder(0.12, total * 0.98, cover, bevel=0.03, segments=32).rotate(z=90)
            parts.append(top.move(0, back_y - 0.05, -d / 2 + 0.02))
            button = p.superellipsoid((0.035, 0.035, 0.02), cover, segments=10)
            places = [
                (bx, by, -d / 2 + 0.335 - 0.2 * (by - seat_y))
                for j, by in enumerate(np.linspace(seat_y + 0.13, back_y - 0.16, 2))
                for bx in np.linspace(-w / 2 + 0.1, w / 2 - 0.1, 4 * seats - j) + 0.0
            ]
            parts.append(s.drops(button, places))
    else:
        arm = (
            p.cushion((arm_w, arm_y - foot - 0.01, d), cover, 0.4, 0.04)
            if kind != "block"
            else p.box((arm_w, arm_y - foot, d), cover, 0.035)
        )
        parts.append(p.both(arm.move(x, foot + (arm_y - foot) / 2)))
    if m.chance(rng, 0.6):
        loose = m.patterned(rng) if m.chance(rng, 0.6) else m.fabric(rng, m.bright(rng))
        small = p.pillow(0.4, 0.4, 0.16, loose).rotate(z=m.between(rng, -12, 12)).rotate(x=-22)
        side = m.pick(rng, (-1, 1))
        parts.append(small.move(side * (w / 2 - 0.22), seat_y + 0.2, -d / 2 + 0.42))
        if m.chance(rng, 0.4):
            parts.append(
                small.paint(m.fabric(rng, m.bright(rng))).move(-side * (w / 2 - 0.22), seat_y + 0.2, -d / 2 + 0.42)
            )
    return parts
