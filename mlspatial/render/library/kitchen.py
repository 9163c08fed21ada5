"""What one cooks with."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category


def spout(path, start: float, end: float, finish: p.Finish, flat: float = 1.0, cut: float = 0.0) -> p.Part:
    """A spout along a path in the x-y plane, from radius `start` to `end`, with an opening at its end."""
    path = p.curve(path, 22)
    radius = np.linspace(start, end, 22)
    inner = path[::-1][:6] + 0.001
    sections = np.concatenate([radius, radius[::-1][:6] * 0.72])
    line = np.concatenate([path, inner])
    # sweep's frames fail where a path turns back, so the skin is lofted from explicit rings
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    along = np.concatenate([along, along[::-1][:6]])
    side = np.column_stack([-along[:, 1], along[:, 0]])
    a = 2 * np.pi * np.arange(18) / 18
    rings = np.empty((len(line), 18, 3))
    rings[..., :2] = line[:, None] + sections[:, None, None] * np.cos(a)[:, None] * side[:, None]
    rings[..., 2] = sections[:, None] * np.sin(a) * flat
    return p.loft(rings, finish)


@category("teakettle")
def teakettle(rng, k):
    """Stove kettles with a bail or a side handle, electric kettles, Japanese iron ones: all have a spout and a lid."""
    kind = ("dome", "cone", "electric", "iron", "round")[k % 5]
    if kind == "iron":
        body_finish = m.cast_iron(rng) if m.chance(rng, 0.6) else m.enamel(rng, m.dark(rng))
    else:
        body_finish = m.pick(rng, (m.chrome, m.brushed_metal, m.enamel, m.enamel, m.copper))(rng)
    grip = m.pick(rng, (m.plastic, m.plastic, m.wood))(rng, m.pick(rng, ("black", "charcoal", "dark brown", "oak")))
    parts: list = []
    if kind == "electric":
        h, r = 0.95, 0.34
        outer = p.fillet([(0, 0.06), (r, 0.06), (r * 1.02, 0.2), (r * m.between(rng, 0.7, 0.84), h)], 0.05)
        parts.append(p.lathe(outer, body_finish))
        parts.append(p.cylinder(r * 1.05, 0.07, grip, bevel=0.02).move(y=0.035))
        top_r = outer[-1, 0]
        parts.append(
            p.lathe(p.fillet([(0, h - 0.01), (top_r, h - 0.01), (top_r * 0.94, h + 0.05), (0, h + 0.08)], 0.03), grip)
        )
        beak = p.extrude([(-0.02, 0.0), (-0.02, -0.2), (0.12, -0.01), (0.12, 0.0)], 0.18, body_finish, 0.02)
        parts.append(beak.taper(1.0, 0.3).rotate(y=180).move(-top_r * 0.95, h, 0))
        loop = s.handle(0.72, 0.24, 0.042, grip, 1.5, 0.05, 0.8)
        parts.append(s.follow(loop.move(-0.02, 0.54), outer))
        parts.append(p.box((0.035, 0.4, 0.05), m.glass(rng, "sky"), 0.01).rotate(y=-90).move(0, 0.45, r * 0.9))
        return parts
    h = {"dome": 0.52, "cone": 0.62, "iron": 0.46, "round": 0.6}[kind] * m.between(rng, 0.92, 1.08)
    r = 0.5 if kind != "iron" else 0.54
    rim = {"dome": 0.2, "cone": 0.2, "iron": 0.22, "round": 0.2}[kind]
    points = {
        "dome": [(r, 0.02), (r * 1.0, 0.14), (r * 0.9, h * 0.62), (r * 0.62, h * 0.9), (rim, h)],
        "cone": [(r, 0.02), (r * 0.98, 0.06), (r * 0.72, h * 0.55), (rim * 1.2, h * 0.97), (rim, h)],
        "iron": [(r * 0.72, 0.0), (r * 0.93, h * 0.2), (r, h * 0.45), (r * 0.85, h * 0.8), (rim, h)],
        "round": [(r * 0.6, 0.0), (r * 0.9, h * 0.18), (r * 0.98, h * 0.5), (r * 0.7, h * 0.88), (rim, h)],
    }[kind]
    outer = np.concatenate([[(0, 0), (points[0][0] * 0.96, 0)], p.curve(points, 28)])
    parts.append(p.lathe(outer, body_finish, 56, crease=50))
    lid = p.lathe(
        np.concatenate(
            [
                [(0, h - 0.01)],
                p.curve([(rim * 1.06, h - 0.01), (rim, h + 0.03), (rim * 0.45, h + 0.07), (0.0, h + 0.08)], 14),
            ]
        ),
        body_finish,
    )
    knob = p.superellipsoid((0.11, 0.09, 0.11), grip, segments=24).move(y=h + 0.13)
    parts += [lid, knob, p.cylinder(0.025, 0.07, body_finish, segments=16).move(y=h + 0.08)]
    wide = float(np.interp(h * 0.45, outer[:, 1], outer[:, 0]))
    reach = wide + (0.26 if kind != "iron" else 0.2)
    if kind in ("dome", "cone"):
        path = [(-wide + 0.12, h * 0.42), (-wide - 0.06, h * 0.58), (-reach, h * 0.95)]
        parts.append(spout(path, 0.1, 0.045, body_finish))
    else:
        path = [(-wide + 0.12, h * 0.3), (-wide - 0.07, h * 0.42), (-wide - 0.12, h * 0.75), (-reach, h * 1.02)]
        parts.append(spout(path, 0.1, 0.04, body_finish))
    if kind == "round" and m.chance(rng):
        loop = s.handle(h * 0.7, 0.26, 0.035, grip, 1.4, 0.08, 0.5)
        parts.append(s.follow(loop.move(-0.02, h * 0.52), outer))
    else:
        top = h + m.between(rng, 0.4, 0.5)
        arch = p.curve(
            [
                (-rim - 0.12, h * 0.85, 0),
                (-0.3, top - 0.12, 0),
                (0, top, 0),
                (0.3, top - 0.12, 0),
                (rim + 0.12, h * 0.85, 0),
            ],
            41,
        )
        metal = m.dark_metal(rng) if kind == "iron" else m.steel(rng)
        parts += [p.sweep(arch, 0.02, metal, 10), p.sweep(arch[12:29], 0.038, grip, 14)]
        parts.append(p.both(p.sphere(0.045, metal, 16).move(rim + 0.12, h * 0.84, 0)))
    return parts


@category("knife")
def knife(rng, k):
    """Chef's, bread, paring, table and carving knives and cleavers, the blade up, its broad side in front."""
    kind = ("chef", "table", "bread", "cleaver", "paring", "carving")[k % 6]
    steel = m.pick(rng, (m.steel, m.chrome, m.brushed_metal))(rng)
    length = {"chef": 0.62, "table": 0.48, "bread": 0.66, "cleaver": 0.55, "paring": 0.42, "carving": 0.68}[kind]
    wide = {"chef": 0.13, "table": 0.07, "bread": 0.085, "cleaver": 0.24, "paring": 0.07, "carving": 0.075}[kind]
    wide *= m.between(rng, 1.05, 1.35)
    grip = 0.32 if kind != "table" else 0.42
    t = np.linspace(0, 1, 60)
    x = length * t
    if kind == "cleaver":
        spine, edge = 0 * t, -wide + 0.004 * np.sin(np.pi * t)
    elif kind == "table":
        round_end = np.sqrt(np.clip(1 - ((t - 0.88) / 0.12) ** 2, 0, 1)) * (t > 0.88) + (t <= 0.88)
        spine = -wide / 2 + wide / 2 * (0.55 + 0.45 * t) * round_end
        edge = -wide / 2 - wide * 0.62 * (0.5 + 0.6 * t**2) * round_end
    elif kind == "bread":
        end = np.sqrt(np.clip(1 - ((t - 0.9) / 0.1) ** 2, 0, 1)) * (t > 0.9) + (t <= 0.9)
        spine = -wide * 0.5 * (1 - end)
        edge = -wide * (0.5 + 0.5 * end) + 0.006 * np.abs(np.sin(t * 60)) * (end > 0.99)
    else:
        drop = {"chef": 0.55, "paring": 0.5, "carving": 0.3}[kind]
        spine = -wide * drop * t**3
        edge = -wide * (1 - (1 - drop) * t**4)
        edge = np.minimum(edge + 0 * t, spine - 1e-4)
    blade = s.blade(np.column_stack([x, spine]), np.column_stack([x, edge]), 0.016, steel, 0.4)
    parts = [blade]
    middle = -wide * 0.32 if kind == "cleaver" else (-wide / 2 if kind == "table" else -0.042)
    if kind == "table":
        grip_finish = m.plastic(rng, m.vary(rng, m.pick(rng, ("ivory", "dark brown", "red", "black")), 0.03), 0.7)
        handle = p.sweep(
            [
                (-grip, middle, 0),
                (-grip * 0.97, middle, 0),
                (-grip * 0.6, middle, 0),
                (-0.05, middle, 0),
                (0.0, middle, 0),
                (0.03, middle, 0),
            ],
            np.array([0.036, 0.046, 0.042, 0.03, 0.034, 0.016]),
            grip_finish,
            section=p.oval(1.0, 2.0, 2.6, 20),
            up=(0, 1, 0),
        )
        parts.append(handle)
    else:
        wood = m.pick(rng, (m.wood, m.wood, m.plastic))(
            rng, m.vary(rng, m.pick(rng, ("black", "walnut", "mahogany", "ebony", "oak", "red")), 0.03)
        )
        outline = p.curve(
            [
                (0.0, middle + 0.036),
                (-grip * 0.35, middle + 0.032),
                (-grip * 0.8, middle + 0.036),
                (-grip, middle + 0.02),
                (-grip * 0.98, middle - 0.045),
                (-grip * 0.8, middle - 0.034),
                (-grip * 0.45, middle - 0.042),
                (0.0, middle - 0.034),
            ],
            40,
            closed=True,
        )
        parts.append(p.extrude(outline, 0.05, wood, 0.016, rings=3))
        parts.append(p.box((0.035, 0.085, 0.046), steel, 0.01).move(0.005, middle, 0))
        rivet = p.disc(0.011, 0.054, m.brass(rng), 16)
        if m.chance(rng, 0.7):
            parts += [rivet.move(-grip * q, middle - 0.001, 0) for q in (0.22, 0.5, 0.78)]
        if kind == "cleaver":
            parts.append(p.disc(0.017, 0.018, m.plastic(rng, "black"), 20).move(length * 0.9, -wide * 0.15, 0))
    return p.join(parts).rotate(z=90)
