"""Fruit and other food."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


@category("apple")
def apple(rng):
    """Red, green, yellow and blushed apples with a stalk, mostly with a leaf."""
    color, blush = m.pick(
        rng,
        (
            ("#b3202a", "#e0b040"),
            ("#86b13c", "#b9c95a"),
            ("#d9bd3e", "#d2562c"),
            ("#7e141f", "#c2342f"),
            ("#c9c24a", "#b52d2a"),
        ),
    )
    skin = m.skin(rng, m.vary(rng, color, 0.04), m.vary(rng, blush, 0.04))
    tall, waist = m.between(rng, 0.84, 1.0), m.between(rng, 0.0, 0.06)
    half = np.array(
        [
            (0.0, 0.1),
            (0.09, 0.05),
            (0.2, 0.0),
            (0.36, 0.08),
            (0.47 - waist * 0.5, 0.3),
            (0.5, 0.55),
            (0.43, 0.8),
            (0.26, 0.92),
            (0.12, 0.88),
            (0.04, 0.79),
            (0.0, 0.75),
        ]
    )
    body = p.lathe(p.curve(half, 44), skin, 56, crease=80).scale(1, tall, 1)

    def lobes(v: np.ndarray) -> np.ndarray:
        """Five faint ridges, strongest below."""
        angle = np.arctan2(v[:, 2], v[:, 0])
        k = 1 + 0.022 * np.cos(5 * angle) * (1 - 0.6 * v[:, 1])
        return v * np.column_stack([k, 1 + 0 * k, k])

    tilt = m.between(rng, -8, 8)
    stalk = p.curve([(0, 0.72, 0), (0.01, 0.88, 0), (m.between(rng, 0.04, 0.1), 1.06, 0.02)], 10)
    parts = [
        body.warp(lobes).rotate(z=tilt * 0.5),
        p.sweep(stalk * (1, tall, 1), np.linspace(0.016, 0.028, 10), m.wood(rng, "dark brown"), 8),
    ]
    parts.append(p.around(p.cone(0.018, 0.0, 0.06, m.paint(rng, "dark brown"), segments=8).move(0.03, 0.06, 0), 5))
    if m.chance(rng, 0.75):
        leaf = s.leaf(0.4, 0.17, m.foliage(rng), curl=m.between(rng, 20, 60), thickness=0.012)
        parts.append(leaf.rotate(x=-50, z=-60).rotate(y=m.between(rng, -60, 40)).move(0.015, 0.92 * tall, 0))
    return parts


@category("banana")
def banana(rng, k):
    """One banana, or a bunch of up to four; green to spotted."""
    n = (1, 3, 1, 4, 2)[k % 5]
    ripe = m.between(rng, 0, 1)
    color = m.blend("#9fb43a", "#e8c333", min(1.0, 0.35 + ripe))
    skin = m.skin(rng, color, m.blend(color, "#8a6a24", 0.3 * ripe), kind="streaks")
    tip = m.paint(rng, "#2d241a")
    bend = m.between(rng, 55, 85)
    thick = m.between(rng, 0.085, 0.105)
    parts = []
    for i in range(n):
        y = np.array([0, 0.03, 0.09, 0.2, 0.4, 0.6, 0.76, 0.86, 0.92, 0.97, 1.08])
        r = np.array([0.32, 0.4, 0.68, 0.92, 1.0, 0.98, 0.86, 0.6, 0.34, 0.26, 0.28])
        yy = np.linspace(0, 1.08, 40)
        rr = p.curve(np.column_stack([y, r]), 200)
        radius = np.interp(yy, rr[:, 0], rr[:, 1]) * thick
        a = 2 * np.pi * np.arange(30) / 30
        ridge = 1 + 0.055 * np.cos(5 * a)  # five soft edges
        outline = np.column_stack([np.cos(a) * ridge, np.sin(a) * ridge])
        fruit = p.sweep(np.column_stack([0 * yy, yy, 0 * yy]), radius, skin, section=outline, up=(0, 0, 1), crease=60)
        fruit = p.join(
            fruit,
            p.cylinder(0.33 * thick, 0.025, tip, segments=16).move(y=-0.003),
            p.cylinder(0.29 * thick, 0.02, tip, segments=16).move(y=1.082) if n == 1 else None,
        )
        fruit = fruit.bend(bend + m.between(rng, -6, 6))
        top = fruit.vertices[np.argmin(np.abs(fruit.uvs[:, 1] - fruit.uvs[:, 1].max()))]
        fruit = fruit.move(*(-top))
        spread = (i - (n - 1) / 2) * 22
        parts.append(fruit.rotate(y=spread).move(0, 0, 0.05 * (i - (n - 1) / 2)))
    bunch = p.join(parts)
    if n > 1:
        bunch = p.join(bunch, p.superellipsoid((0.085, 0.075, 0.05 + 0.05 * n), tip, 3, 3, 20))
    return bunch.rotate(z=-90 - bend / 2 if n == 1 else 20)
