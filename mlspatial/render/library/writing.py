"""Pens and pencils."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library.appliances import wrapped
from mlspatial.render.library.catalogue import category


def clip(y0: float, y1: float, z: float, width: float, finish: p.Finish) -> p.Part:
    """A pocket clip in front of a cap, held at its top y1."""
    path = p.fillet([(z - 0.03, y1), (z + 0.03, y1), (z + 0.025, y0 + 0.04), (z + 0.005, y0)], 0.015)
    return p.strap(p.in_plane(path, "zy"), width, 0.014, finish, up=(0, 0.3, 1))


@category("pen")
def pen(rng, k):
    """Push-button ballpoint, fountain pen, clear stick with a coloured cap, thick felt-tip marker."""
    return p.join((ballpoint, fountain_pen, stick_pen, marker)[k % 4](rng)).scale(1.25, 1, 1.25)


def ballpoint(rng):
    """Metal point, clip and push button; a rubber grip."""
    body, metal = m.plastic(rng, m.bright(rng), 0.8), m.chrome(rng)
    point = p.lathe(p.fillet([(0, 0), (0.008, 0), (0.01, 0.03), (0.04, 0.14), (0, 0.14)], 0.004), metal, 28)
    y = np.linspace(0.14, 0.36, 60)
    grip = np.column_stack([0.05 + 0.004 * np.sin(y * 200), y])
    return [
        point,
        p.lathe(np.concatenate([[(0, 0.135)], grip, [(0, 0.365)]]), m.rubber(rng), 24),
        p.lathe(p.fillet([(0, 0.35), (0.052, 0.35), (0.052, 0.6), (0, 0.6)], 0.004), m.plastic(rng, "white", 0.8), 32),
        p.lathe(p.fillet([(0, 0.61), (0.052, 0.61), (0.046, 0.94), (0, 0.94)], 0.01), body, 32),
        p.cylinder(0.055, 0.025, metal).move(y=0.605),
        p.cylinder(0.026, 0.1, metal).move(y=0.96),
        clip(0.66, 0.93, 0.05, 0.035, metal),
    ]


def fountain_pen(rng):
    """Open, with a gold nib; the cap is on the back end."""
    tone, gold = m.vary(rng, m.pick(rng, ("black", "navy", "dark red", "dark green")), 0.02), m.gold(rng)
    body = m.plastic(rng, tone, 0.95)
    right = np.array([(0.012, 0.02), (0.05, 0.13), (0.032, 0.22)])
    outline = p.fillet(np.concatenate([[(0, 0)], right, right[::-1] * (-1, 1)]), 0.03, closed=True)
    nib = p.extrude(outline, 0.016, gold, 0.005, holes=[p.circle(0.009, 14) + (0, 0.14)]).subdivide(0.02)
    nib = nib.shift(z=lambda v: 0.03 - 8 * v[:, 0] ** 2)
    slit = p.box((0.004, 0.11, 0.01), m.dark_metal(rng), 0.0).move(0, 0.075, 0.036)
    feed = p.lathe([(0, 0.05), (0.02, 0.1), (0.03, 0.22), (0, 0.22)], m.plastic(rng, "black"), 20).scale(1, 1, 0.7)
    section = p.lathe(p.curve([(0.038, 0.19), (0.034, 0.24), (0.045, 0.36)], 12), body, 32)
    cap = p.lathe(p.fillet([(0, 0.52), (0.068, 0.52), (0.064, 0.9), (0.05, 0.97), (0, 0.98)], 0.02), body, 36)
    barrel = p.cylinder(0.056, 0.2, body).move(y=0.46)
    rings = [
        p.cylinder(r, h, gold).move(y=y)
        for r, h, y in ((0.052, 0.018, 0.36), (0.071, 0.04, 0.545), (0.056, 0.016, 0.975))
    ]
    return [nib, slit, feed, section, barrel, cap, *rings, clip(0.62, 0.93, 0.062, 0.03, gold)]


def stick_pen(rng):
    """Six-sided and clear, the ink shows; cap and plug have its colour."""
    color = m.vary(rng, m.pick(rng, ("blue", "red", "green")), 0.04)
    ink, clear = m.plastic(rng, color, 0.7), m.glass(rng, m.vary(rng, "#dfe9ec", 0.02))
    barrel = p.extrude(p.fillet(p.circle(0.047, 6), 0.008, True, 2), 0.72, clear, 0.006).rotate(x=90).move(y=0.5)
    window = p.box((0.028, 0.62, 0.02), ink, 0.008).move(y=0.46)
    cone = p.lathe([(0, 0), (0.008, 0.005), (0.036, 0.15), (0, 0.15)], m.brass(rng), 28)
    cap = p.lathe(p.fillet([(0, 0.68), (0.062, 0.68), (0.054, 0.96), (0.03, 1.0), (0, 1.0)], 0.015), ink, 32)
    tongue = p.box((0.03, 0.24, 0.022), ink, 0.008).move(0, 0.82, 0.07)
    bridge = p.box((0.03, 0.04, 0.05), ink, 0.01).move(0, 0.94, 0.06)
    return [barrel, both_sides(window, 0.036), cone, cap, tongue, bridge]


def both_sides(part: p.Part, z: float) -> p.Part:
    """The part in front and behind."""
    return p.both(part.move(z=z), "z")


def marker(rng):
    """A thick felt-tip with a printed barrel; the cap stands on its end."""
    color = m.bright(rng)
    tone, pale = m.plastic(rng, color, 0.6), m.light(rng)
    print_ = m.label(rng, m.pick(rng, ("COLOR", "MARK", "ART", "FELT")), pale, color, wide=0.95, span=0.45)
    tip = p.lathe(p.fillet([(0, 0), (0.016, 0.0), (0.026, 0.07), (0, 0.07)], 0.008), m.foam(rng, color), 24)
    neck = p.lathe(
        p.fillet([(0, 0.05), (0.036, 0.05), (0.05, 0.13), (0.05, 0.17), (0, 0.17)], 0.008), m.plastic(rng, "black"), 32
    )
    barrel = p.cylinder(0.075, 0.5, m.plastic(rng, pale), segments=40).move(y=0.4)
    sleeve = wrapped(0.077, 0.18, 0.62, print_)
    cap = p.extrude(p.star(14, 0.085, 0.079), 0.3, tone, 0.012).rotate(x=90).move(y=0.8)
    return [tip, neck, barrel, sleeve, cap, clip(0.68, 0.92, 0.082, 0.04, tone)]


@category("pencil")
def pencil(rng, k):
    """Six-sided with a rubber in a ferrule: yellow, striped, plain wood, red; a coloured pencil without a rubber."""
    style = ("classic", "stripes", "crayon", "wood", "classic")[k % 5]
    r, y_top = 0.066, 0.84
    color = m.vary(rng, ("yellow", "red", "blue", "beige", "green")[k % 5], 0.03)
    lacquer = m.wood(rng, "maple") if style == "wood" else m.enamel(rng, color)
    lead = m.plastic(rng, color if style == "crayon" else m.vary(rng, "charcoal", 0.02), 0.4)
    wood = m.wood(rng, "maple", gloss=0.3)
    angle = np.radians(np.arange(0, 360, 6))
    hexagon = r * np.cos(np.radians(30)) / np.cos((angle + np.radians(30)) % np.radians(60) - np.radians(30))
    slope = r / 0.26
    rows = np.array([0.0, 0.12, 0.24, 0.34, 0.6, 0.85, 1.0, 1.001])
    shape = [
        np.column_stack([q * hexagon * np.sin(angle), q * hexagon / slope, q * hexagon * np.cos(angle)])
        for q in rows[:-1]
    ]
    shape += [np.column_stack([hexagon * np.sin(angle), np.full(60, y), hexagon * np.cos(angle)]) for y in (0.3, y_top)]
    body = p.loft(shape, lacquer, crease=20)
    cone = lambda c: np.hypot(c[:, 0], c[:, 2]) > slope * c[:, 1] * 0.97  # noqa: E731
    body = body.paint(wood, lambda c: cone(c) & (c[:, 1] < 0.26))
    body = body.paint(lead, lambda c: c[:, 1] < 0.09)
    if style == "crayon":
        return [body, p.cylinder(0.9 * r, 0.02, lead).move(y=y_top)]
    if style == "stripes":
        second = m.enamel(rng, m.vary(rng, "black", 0.02))
        body = body.paint(
            second, lambda c: ~cone(c) & (np.floor(np.arctan2(c[:, 0], c[:, 2]) / np.radians(60)) % 2 == 0)
        )
    rib = 0.004 * np.array([0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0])
    ferrule = np.column_stack([r * 1.04 + rib, np.linspace(y_top - 0.02, y_top + 0.09, 13)])
    rubber = p.cylinder(r, 0.1, m.rubber(rng, m.vary(rng, "pink" if style != "wood" else "white", 0.03)), 0.02)
    return [body, p.lathe(ferrule, m.pick(rng, (m.brass, m.aluminium))(rng), 36), rubber.move(y=y_top + 0.12)]
