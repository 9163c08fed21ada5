"""Tools of the workshop and the garden."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def tool_grip(rng) -> p.Finish:
    """A bright or dark handle of rubber or plastic."""
    return m.pick(rng, (m.plastic, m.rubber))(rng, m.pick(rng, (m.bright, m.bright, m.dark))(rng))


@category("hammer")
def hammer(rng, k):
    """Claw, ball, sledge and rubber hammers and mallets, upright, the head to the sides."""
    kind = ("claw", "claw", "ball", "mallet", "sledge")[k % 5]
    length = m.between(rng, 0.9, 1.1)
    steel = m.pick(rng, (m.steel, m.dark_metal, m.brushed_metal))(rng)
    r = m.between(rng, 0.026, 0.034)
    parts = []
    if kind in ("mallet", "sledge") or m.chance(rng, 0.55):
        wood = m.wood(rng, m.vary(rng, m.pick(rng, ("beech", "oak", "pine")), 0.04))
        profile = p.curve(
            [
                (r * 0.95, 0),
                (r * 1.35, 0.05 * length),
                (r * 1.3, 0.25 * length),
                (r * 0.85, 0.55 * length),
                (r * 0.95, length),
            ],
            30,
        )
        parts.append(s.grip(np.concatenate([[(r * 0.6, -0.012)], profile]), wood, 0.75))
    else:
        parts.append(s.grip(p.fillet([(0, 0.3), (r * 0.7, 0.3), (r * 0.7, length), (0, length)], 0.01), steel, 0.7))
        y = np.linspace(0.02, 0.42, 60)
        wave = 1 + 0.1 * (np.sin(y * 90) > 0.2) * (y > 0.08) * (y < 0.38)
        sleeve = np.column_stack([r * 1.25 * wave * np.interp(y, [0, 0.06, 0.2, 0.42], [1.2, 1.1, 1.15, 0.95]), y])
        parts.append(s.grip(np.concatenate([[(0, 0)], sleeve, [(0, 0.44)]]), tool_grip(rng), 0.75))
    top = length - 0.02
    if kind == "mallet":
        head = m.pick(rng, (m.rubber, m.wood))(rng) if m.chance(rng, 0.7) else m.rubber(rng, m.bright(rng))
        if m.chance(rng):
            block = p.cylinder(0.12, 0.36, head, bevel=0.02).rotate(z=90)
        else:
            block = p.box((0.4, 0.2, 0.17), head, 0.015)
        return [*parts, block.move(y=top)]
    if kind == "sledge":
        octagon = p.fillet(p.circle(0.085, 8), 0.015, closed=True, n=2)
        block = p.extrude(octagon, 0.34, steel, 0.02).rotate(z=22.5).rotate(y=90)
        return [*parts, block.move(y=top - 0.03)]
    cheek = p.box((0.085, 0.1, 0.08), steel, 0.014)
    neck = p.lathe(
        p.fillet([(0, 0), (0.038, 0), (0.03, 0.06), (0.03, 0.1), (0.048, 0.13), (0.048, 0.2), (0, 0.2)], 0.01),
        steel,
        28,
    )
    parts += [cheek.move(y=top - 0.02), neck.rotate(z=-90).move(0.02, top - 0.02, 0)]
    if kind == "ball":
        stem = p.cone(0.036, 0.026, 0.08, steel, segments=28).rotate(z=90).move(-0.07, top - 0.02, 0)
        parts += [stem, p.sphere(0.05, steel, 28).move(-0.125, top - 0.02, 0)]
    else:
        t = np.linspace(0, 1, 14)
        droop = m.between(rng, 0.05, 0.13)
        x, y = -0.03 - 0.22 * t, top - 0.02 - droop * t**2 + 0.005 * t
        high = 0.08 * (1 - t) + 0.012
        z0, z1 = 0.012 * np.clip(3 * t - 0.3, 0, 1) + 0.001, 0.036 + 0.012 * t
        rows = [
            [
                (x[i], y[i] + high[i] / 2, z0[i]),
                (x[i], y[i] + high[i] / 2, z1[i]),
                (x[i], y[i] - high[i] / 2, z1[i]),
                (x[i], y[i] - high[i] / 2, z0[i]),
            ]
            for i in range(14)
        ]
        parts.append(p.both(p.loft(np.array(rows), steel), "z"))
    return parts
