"""Musical instruments."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library.catalogue import category

BORE = 0.019


def bell(start: float, end: float, mouth: float, brass: p.Finish, inside: p.Finish) -> p.Part:
    """A flaring tube along +x, open in front, from x = start to x = end; its axis is y = 0."""
    q = np.linspace(0, 1, 30)
    outline = np.column_stack([BORE + 0.02 * q + (mouth - BORE - 0.02) * q**9, q * (end - start)])
    horn = p.lathe(p.wall(outline, 0.006), brass, 44)
    horn = horn.paint(inside, lambda c: (c[:, 1] > 0.7 * (end - start)) & facing_in(c, outline))
    rim = p.torus(mouth, 0.018, brass, 44, 10).move(y=end - start)
    return p.join(horn, rim).rotate(z=-90).move(start)


def facing_in(c: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Which face centres of a lathe lie on the inner side of its outline."""
    return np.hypot(c[:, 0], c[:, 2]) < np.interp(c[:, 1], outline[:, 1], outline[:, 0]) - 0.003


def valve(x: float, casing: p.Finish, trim: p.Finish, pearl: p.Finish, down: float) -> p.Part:
    """An upright cylinder with caps, a stem and a finger button; down: how far it is pressed."""
    return p.join(
        p.cylinder(0.036, 0.27, casing, segments=28),
        [p.cylinder(0.041, 0.035, trim, segments=28).move(y=y) for y in (-0.13, 0.13)],
        p.cone(0.03, 0.014, 0.025, trim, segments=24).move(y=-0.155),
        p.cylinder(0.01, 0.12, trim, segments=12).move(y=0.19 - down),
        p.cylinder(0.033, 0.014, trim, segments=24).move(y=0.235 - down),
        p.cylinder(0.026, 0.012, pearl, segments=24).move(y=0.246 - down),
    ).move(x)


def mouthpiece(x: float, y: float, z: float, metal: p.Finish) -> p.Part:
    """A cup that opens to -x, its stem ends at (x, y, z)."""
    outline = [
        (0.012, 0),
        (0.016, 0.07),
        (0.03, 0.11),
        (0.047, 0.14),
        (0.047, 0.152),
        (0.04, 0.155),
        (0.028, 0.13),
        (0, 0.11),
    ]
    return p.lathe(p.fillet(outline, 0.006), metal, 28).rotate(z=90).move(x, y, z)


@category("trumpet")
def trumpet(rng, k):
    """Golden, silver with golden trim, coloured plastic, short cornet with a large bell, long fanfare trumpet."""
    style = ("gold", "silver", "color", "cornet", "fanfare")[k % 5]
    body = {"gold": m.gold, "cornet": m.brass, "silver": m.chrome, "fanfare": m.brass}.get(
        style, lambda q: m.plastic(q, m.bright(q), 0.9)
    )(rng)
    trim = {"silver": m.gold, "color": lambda q: m.plastic(q, "black", 0.8)}.get(style, m.chrome)(rng)
    inside = m.metal(rng, (0.5, 0.33, 0.13)) if style in ("gold", "cornet", "fanfare") else body
    pearl = m.plastic(rng, "ivory", 0.9)
    if style == "fanfare":
        return fanfare(rng, body, trim, inside)
    left, front, mouth = (-0.36, 0.55, m.between(rng, 0.15, 0.175)) if style != "cornet" else (-0.3, 0.44, 0.18)
    top, low, z = 0.075, -0.075, 0.045
    bow = p.arc((top - low) / 2, 90, 270, 20, (left, (top + low) / 2))
    bell_tube = np.concatenate([[(0.1, top)], bow, [(-0.12, low)]])
    slide_x = 0.3 if style != "cornet" else 0.2
    slide = p.arc((top - low) / 2, 90, -90, 20, (slide_x, (top + low) / 2))
    lead = np.concatenate([[(left - 0.14, top)], slide, [(0.1, low)]])
    rod = lambda line, depth: p.rod(p.in_plane(line) + (0, 0, depth), BORE, body, 14)  # noqa: E731
    parts = [
        bell(0.08, front, mouth, body, inside).move(y=top, z=z),
        rod(bell_tube, z),
        rod(lead, -z),
        mouthpiece(left - 0.12, top, -z, trim),
        [valve(x, body, trim, pearl, 0.04 * (i == 1)) for i, x in enumerate((-0.095, -0.005, 0.085))],
    ]
    sleeve = p.cylinder(BORE * 1.3, 0.05, trim, segments=24).rotate(z=90)
    parts += [
        sleeve.move(x, y, q)
        for x, y, q in (
            (slide_x - 0.02, top, -z),
            (slide_x - 0.02, low, -z),
            (left, top, z),
            (left + 0.02, low, z),
            (left - 0.12, top, -z),
        )
    ]
    parts += [
        p.cylinder(0.008, 2 * z, trim, segments=10).rotate(x=90).move(x, top, 0) for x in (left + 0.06, slide_x - 0.06)
    ]
    third = np.concatenate([[(0.08, -0.01)], p.arc(0.035, 90, -90, 14, (0.24, -0.045)), [(0.08, -0.08)]])
    first = np.concatenate([[(-0.1, 0.0)], p.arc(0.03, 90, 270, 14, (-0.22, -0.03)), [(-0.1, -0.06)]])
    parts += [
        p.rod(p.in_plane(third) + (0, 0, 0.055), 0.013, body, 12),
        p.rod(p.in_plane(first) + (0, 0, 0.0), 0.013, body, 12),
    ]
    finger = p.sweep(p.in_plane(p.arc(0.035, 0, 360, 24)[:-1]) + (0.2, 0.03, 0.075), 0.007, trim, 8, closed=True)
    hook = p.rod(
        p.in_plane(p.curve([(0.14, 0.09), (0.2, 0.12), (0.23, 0.16), (0.2, 0.18)], 14)) + (0, 0, -z), 0.008, trim, 8
    )
    return [*parts, finger, hook]


def fanfare(rng, body, trim, inside):
    """A long straight horn without valves; a banner with a sign hangs from it."""
    tone = m.bright(rng)
    cloth, gold = m.fabric(rng, tone, "weave"), m.fabric(rng, "amber", "twill")
    banner = p.box((0.44, 0.36, 0.012), cloth, 0.003).subdivide(0.05).move(0.02, -0.23)
    sign = p.both(p.extrude(p.star(5, 0.11, 0.045), 0.012, gold).move(0.02, -0.21, 0.008), "z")
    hem = p.box((0.44, 0.035, 0.02), gold, 0.003).subdivide(0.05).move(0.02, -0.41)
    flag = p.join(banner, sign, hem).shift(z=lambda v: 0.02 * np.sin(16 * v[:, 0]) * np.clip(-v[:, 1] * 3, 0, 1))
    tube = p.rod([(-0.62, 0.0, 0), (0.1, 0, 0)], BORE * 1.2, body, 16)
    loop = p.sweep(p.in_plane(p.oval(0.62, 0.1, 5, 40)) + (-0.1, 0.05, 0), BORE, body, 12, closed=True)
    rings = [p.cylinder(0.03, 0.03, trim, segments=24).rotate(z=90).move(x) for x in (-0.55, -0.18, 0.22)]
    return [tube, loop, bell(0.05, 0.72, 0.16, body, inside), mouthpiece(-0.6, 0, 0, trim), rings, flag]
