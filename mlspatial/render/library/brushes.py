"""Brushes for teeth, hair and clothes."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def tuft(height: float, r: float, finish: p.Finish, end: float = 1.15) -> p.Part:
    """Bristles tied together, from the origin along +z."""
    return p.sweep([(0, 0, 0), (0, 0, height)], (r, end * r), finish, sides=6)


def bristles(outline, step: float, height, r: float, finishes, sink: float = 0.01, end: float = 1.15) -> p.Part:
    """Tufts in rows over an outline in the x-y plane, along +z from z = -sink. height: f(x, y) or a number.

    finishes: a tuple, taken in turn along y.
    """
    outline = np.asarray(outline, float)
    low, high = outline.min(axis=0), outline.max(axis=0)
    nx, ny = (max(1, round(q / step)) for q in high - low)
    unit, tufts = [tuft(1.0, r, finish, end) for finish in finishes], []
    for j in range(ny):
        y = low[1] + (j + 0.5) * (high[1] - low[1]) / ny
        for i in range(nx):
            x = low[0] + (i + 0.25 + 0.5 * (j % 2 if nx > 1 else 0.5)) * (high[0] - low[0]) / nx
            if not inside(outline, x, y):
                continue
            z = height(x, y) if callable(height) else height
            tufts.append(unit[j % len(unit)].scale(1, 1, z + sink).move(x, y, -sink))
    return p.join(tufts)


def inside(outline: np.ndarray, x: float, y: float) -> bool:
    """Whether a point lies in a polygon."""
    a, b = outline, np.roll(outline, -1, axis=0)
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    return bool((crosses & (x < a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1] + 1e-12))).sum() % 2)


@category("toothbrush")
def toothbrush(rng, k):
    """Slim with a wavy neck, bamboo, a short thick one for children, electric; the bristles are in front."""
    return p.join(toothbrush_parts(rng, ("slim", "bamboo", "child", "electric")[k % 4])).scale(1.25, 1, 1.15)


def toothbrush_parts(rng, style):
    """See toothbrush."""
    color = m.bright(rng)
    handle = m.wood(rng, "maple", gloss=0.2) if style == "bamboo" else m.plastic(rng, color, 0.8)
    white = m.plastic(rng, "white", 0.3)
    accent = m.plastic(rng, m.bright(rng) if style != "bamboo" else m.vary(rng, "beige", 0.03), 0.3)
    if style == "electric":
        return electric_toothbrush(rng, handle, white, accent)
    wide = {"slim": 0.05, "bamboo": 0.048, "child": 0.075}[style]
    top = {"slim": 1.0, "bamboo": 0.98, "child": 0.82}[style]
    y = np.array([0.0, 0.02, 0.1, 0.3, 0.45, 0.62, top - 0.2, top - 0.17, top - 0.05, top])
    half = wide * np.array([0.35, 0.75, 1.0, 0.85, 1.05, 0.5, 0.5, 1.05, 1.05, 0.3])
    deep = wide * np.array([0.3, 0.45, 0.6, 0.6, 0.65, 0.42, 0.4, 0.4, 0.36, 0.2])
    if style == "bamboo":
        half[2:5], deep[:] = wide * 0.9, 0.45 * wide
        deep[-1] = 0.3 * wide
    wave = {"slim": 0.02, "child": 0.035}.get(style, 0.0)
    line = np.linspace(0, top, 48)
    z = wave * np.sin(2 * np.pi * line / top) * (line < top - 0.2) * np.clip((top - 0.2 - line) / 0.2, 0, 1)
    a, b = p.curve(np.column_stack([y, half]), 200), p.curve(np.column_stack([y, deep]), 200)
    rows = [p.oval(2 * np.interp(q, *a.T), 2 * np.interp(q, *b.T), 2.6, 24) for q in line]
    body = p.loft(
        [np.column_stack([r[:, 0], np.full(24, q), r[:, 1] + h]) for r, q, h in zip(rows, line, z, strict=True)], handle
    )
    head = p.oval(1.9 * wide, 0.17, 3, 32) + (0, top - 0.105)
    long = 0.105 if style != "child" else 0.12
    shape = (lambda x, y: long * (0.85 + 0.25 * abs(np.sin(28 * y)))) if style == "slim" else long
    brush = bristles(head, 0.024, shape, 0.0115, (white, white, accent)).move(z=0.38 * wide)
    parts = [body, brush]
    if style != "bamboo":
        pad = p.puff(p.oval(1.3 * wide, 0.22, 2.4, 28), 0.03, m.rubber(rng, m.bright(rng)), 0.6, 4)
        parts.append(pad.move(0, 0.34, 0.62 * wide + wave * np.sin(2 * np.pi * 0.34 / top)))
    if style == "child":
        parts.append(
            p.extrude(p.star(5, 0.05, 0.022), 0.02, m.plastic(rng, "yellow"), 0.006).move(0, 0.11, 0.6 * wide + 0.025)
        )
    return parts


def electric_toothbrush(rng, handle, white, accent):
    """A thick handle with a switch, a thin neck and a round head."""
    line = p.fillet(
        [(0, 0), (0.085, 0), (0.0817, 0.2), (0.08, 0.3), (0.06, 0.55), (0.026, 0.6), (0.02, 0.88), (0, 0.88)], 0.02
    )
    body = p.lathe(line, white, 36).paint(handle, lambda c: c[:, 1] < 0.2)
    head = p.disc(0.062, 0.05, white, 32).move(0, 0.92, 0.015)
    tufts = bristles(p.circle(0.055, 24), 0.022, 0.09, 0.011, (accent, white)).move(0, 0.92, 0.04)
    switch = p.puff(p.oval(0.06, 0.1, 2, 24), 0.03, handle, 0.6, 3).move(0, 0.42, 0.068)
    light = p.disc(0.012, 0.02, m.glass(rng, "lime"), 14).move(0, 0.3, 0.077)
    return [body, head, tufts, switch, light]


@category("hairbrush")
def hairbrush(rng, k):
    """Paddle with a cushion and pins, round styling brush, oval wooden one with dense bristles, vented."""
    style = ("paddle", "round", "oval", "vent")[k % 4]
    body = m.wood(rng) if style == "oval" else m.plastic(rng, m.bright(rng), 0.8)
    black = m.plastic(rng, "black")
    line = p.curve([(0.02, -0.02), (0.048, 0.02), (0.05, 0.14), (0.036, 0.3), (0.04, 0.42), (0.03, 0.5)], 30)
    line = np.concatenate([[(0, -0.025)], line, [(0, 0.51)]])
    handle = s.grip(line, body, 0.75)
    if style == "round":
        metal = m.aluminium(rng)
        barrel = p.capsule(0.11, 0.52, metal, 32).move(y=0.74)
        pins = []
        for j, y in enumerate(np.linspace(0.56, 0.92, 12)):
            pins.append(p.around(tuft(0.2, 0.009, black, 0.5).move(y=y), 16, start=11.25 * (j % 2)))
        return [
            handle,
            p.cone(0.04, 0.1, 0.08, body).move(y=0.5),
            barrel,
            pins,
            p.cone(0.1, 0.06, 0.05, body).move(y=0.995),
        ]
    power = {"paddle": 4, "oval": 2.2, "vent": 3}[style]
    w, h = {"paddle": (0.38, 0.52), "oval": (0.3, 0.5), "vent": (0.3, 0.52)}[style]
    middle = 0.48 + h / 2
    outline = p.oval(w, h, power, 48)
    if style == "vent":
        slots = [p.rectangle(0.045, 0.36, 0.02) + (x, 0) for x in (-0.09, 0.0, 0.09)]
        plate = p.extrude(outline, 0.035, body, 0.012, holes=slots).move(y=middle)
        rows = [p.rectangle(0.012, 0.4) + (x, 0) for x in (-0.125, -0.045, 0.045, 0.125)]
        pins = [bristles(r, 0.045, 0.15, 0.011, (black,), end=0.6) for r in rows]
        return [handle, plate, p.join(pins).move(0, middle, 0.015)]
    plate = p.puff(outline, 0.09, body, 0.5).move(y=middle, z=-0.02)
    pad = p.puff(0.84 * outline, 0.07, m.rubber(rng, m.pick(rng, ("black", "salmon", "grey"))), 0.8).move(
        y=middle, z=0.02
    )
    dome = lambda x, y: 0.14  # noqa: E731
    if style == "oval":
        hair = m.fabric(rng, m.vary(rng, "dark brown", 0.02), "twill")
        brush = bristles(0.76 * outline, 0.034, dome, 0.014, (hair,), end=1.1)
    else:
        brush = bristles(0.74 * outline, 0.052, dome, 0.008, (black,), end=0.8)
        tips = [p.sphere(0.013, black, 8).move(*c) for c in pin_ends(brush)]
        brush = p.join(brush, tips)
    return [handle, plate, pad, brush.move(y=middle, z=0.045)]


def pin_ends(brush: p.Part) -> np.ndarray:
    """The middles of the far ends of the tufts, (n, 3)."""
    top = brush.vertices[:, 2] > brush.high[2] - 1e-6
    shells = brush.shell[top]
    return np.array([brush.vertices[top][shells == i].mean(axis=0) for i in np.unique(shells)])


@category("clothesbrush")
def clothesbrush(rng, k):
    """Long-handled wood, oval block, black with light bristles, red with bristles in bands, waisted with a strap."""
    style = ("handle", "block", "slim", "bands", "waist")[k % 5]
    wood = m.wood(rng, m.vary(rng, ("beech", "walnut", "black", "beech", "cherry")[k % 5], 0.04))
    hair = m.fabric(rng, m.vary(rng, ("dark brown", "black", "cream", "black", "tan")[k % 5], 0.02), "twill")
    w, h = {
        "handle": (0.26, 0.55),
        "block": (0.36, 0.9),
        "slim": (0.18, 0.6),
        "bands": (0.27, 0.66),
        "waist": (0.4, 1.0),
    }[style]
    outline = p.oval(w, h, {"block": 2.6, "handle": 2.8, "slim": 5, "bands": 3.4}.get(style, 3), 56)
    if style == "waist":
        outline = outline * np.column_stack([1 - 0.22 * np.exp(-((outline[:, 1] / 0.2) ** 2)), np.ones(56)])
    if style == "bands":
        wood = m.enamel(rng, m.vary(rng, m.pick(rng, ("red", "royal")), 0.03))
    deep = 0.08 if style == "slim" else 0.11
    back = p.extrude(outline, deep, wood, 0.45 * deep, rings=4)
    long = {"handle": 0.19, "block": 0.17}.get(style, 0.2) * m.between(rng, 0.95, 1.1)
    tones = (hair,)
    if style == "bands":
        black, pale = (m.fabric(rng, m.vary(rng, tone, 0.02), "twill") for tone in ("black", "cream"))
        tones = (*[black] * 5, *[pale] * 5)
    fan = bristles(0.86 * outline, 0.031, long, 0.0135, tones, end=1.25)
    fan = fan.shift(x=lambda v: 0.8 * v[:, 0] * v[:, 2], y=lambda v: 0.5 * v[:, 1] * v[:, 2])
    parts = [back, fan.move(z=deep / 2)]
    if style in ("handle", "slim", "bands"):
        base, r = -h / 2 + 0.03, {"slim": 0.05}.get(style, 0.058)
        line = p.curve(
            [(0.75 * r, base), (0.6 * r, base - 0.1), (r, base - 0.3), (0.95 * r, base - 0.42), (0.4 * r, base - 0.48)],
            28,
        )
        parts.append(s.grip(np.concatenate([line, [(0, base - 0.485)]])[::-1], wood, 0.75))
        parts.append(p.torus(0.028, 0.012, m.brass(rng), 20, 8).rotate(x=90).move(0, base - 0.5, 0))
    elif style == "waist":
        strap = p.in_plane(p.arc(0.2, 200, -20, 24) * (1, 0.75), "xz") * (1, 1, -1)
        parts.append(p.strap(strap, 0.14, 0.02, m.leather(rng), up=(0, 0, 1)))
    else:
        parts.append(
            s.letters(m.pick(rng, ("FINE", "PURE", "COAT")), 0.13, 0.02, m.gold(rng))
            .rotate(z=90)
            .rotate(y=180)
            .move(z=-deep / 2)
        )
    return parts
