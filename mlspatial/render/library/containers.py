"""Bags, cases and boxes to carry things in."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library.catalogue import category


def arch(width: float, height: float, n: int = 30, square: float = 0.0) -> np.ndarray:
    """(n, 3) a handle's line in the x-y plane: up from (-width / 2, 0), over, and down to (width / 2, 0)."""
    a = np.radians(np.linspace(180, 0, n))
    power = 1 - 0.6 * square
    x, y = np.sign(np.cos(a)) * np.abs(np.cos(a)) ** power, np.abs(np.sin(a)) ** power
    return np.column_stack([x * width / 2, y * height, 0 * a])


def soft_body(outline, depth_bottom: float, depth_top: float, finish: p.Finish, bulge: float = 0.02) -> p.Part:
    """A bag's body: an outline in the x-y plane given thickness that shrinks from bottom to top, with soft faces."""
    body = p.puff(outline, 1.0, finish, edge=0.14)
    low, high = body.low, body.high

    def f(v: np.ndarray) -> np.ndarray:
        t = (v[:, 1] - low[1]) / (high[1] - low[1])
        x = 2 * (v[:, 0] - low[0]) / (high[0] - low[0]) - 1
        k = depth_bottom + (depth_top - depth_bottom) * t
        k = k + bulge * np.clip(1 - x**2, 0, 1) * np.sin(np.pi * np.clip(t, 0, 1))
        return np.column_stack([v[:, 0], v[:, 1], v[:, 2] * k])

    return body.warp(f)


def zip_fastener(path, finish: p.Finish, metal: p.Finish, up=(0, 0, 1)) -> p.Part:
    """A dark seam along a path with a puller at its end."""
    path = np.asarray(path, float)
    pull = p.box((0.012, 0.035, 0.006), metal, 0.002).move(*(path[-1] - (0, 0.02, -0.008)))
    return p.join(p.strap(path, 0.018, 0.008, finish, up=up), pull)


@category("bag, handbag, pocketbook, purse")
def handbag(rng, k):
    """Totes, satchels with a flap, bowling bags, clutches on a chain, frame purses."""
    kind = ("tote", "satchel", "bowling", "frame", "bucket", "chain")[k % 6]
    hide = (
        m.leather(rng, m.any_color(rng)) if m.chance(rng, 0.6) else m.pick(rng, (m.leather, m.patterned, m.fabric))(rng)
    )
    trim = m.leather(rng, m.vary(rng, m.pick(rng, ("brown", "black", "tan", "dark red")), 0.03))
    metal = m.pick(rng, (m.gold, m.chrome, m.brass))(rng)
    w, h, d = m.between(rng, 0.75, 0.95), m.between(rng, 0.52, 0.68), m.between(rng, 0.2, 0.3)
    parts: list = []
    if kind in ("tote", "bucket"):
        flare = 0.86 if kind == "tote" else 1.15
        if kind == "bucket":
            w, d = 0.6, 0.42
        outline = p.fillet([(-w / 2 * flare, 0), (w / 2 * flare, 0), (w / 2, h), (-w / 2, h)], 0.07, closed=True, n=6)
        parts.append(soft_body(outline, d, d * (0.35 if kind == "tote" else 0.85), hide, 0.03))
        parts.append(
            soft_body(
                p.rectangle(w * 1.01, 0.045, 0.01),
                d * 0.37 if kind == "tote" else d * 0.87,
                d * 0.37 if kind == "tote" else d * 0.87,
                trim,
                0.0,
            ).move(y=h - 0.03)
        )
        high = m.between(rng, 0.34, 0.5)
        z = d * (0.19 if kind == "tote" else 0.4)
        loop = p.sweep(arch(w * 0.46, high, square=0.3) - (0, 0.1, 0), 0.02, trim, 12).move(0, h, z + 0.012)
        ring = p.torus(0.032, 0.012, metal, 20, 8).rotate(x=90).move(w * 0.23, h - 0.1, z + 0.03)
        parts.append(p.both(p.join(loop, p.both(ring)), "z"))
        if m.chance(rng, 0.6):
            parts.append(p.box((0.1, 0.1, 0.01), trim, 0.004).move(0, h * 0.5, d * 0.36 + 0.015))
            parts.append(p.disc(0.02, 0.014, metal, 20).move(0, h * 0.5, d * 0.36 + 0.022))
    elif kind in ("satchel", "chain"):
        if kind == "chain":
            h, d = h * 0.8, d * 0.75
        parts.append(soft_body(p.rectangle(w, h, 0.07) + (0, h / 2), d, d * 0.8, hide, 0.02))
        drop = m.between(rng, 0.45, 0.75) * h
        curve = p.fillet(
            [
                (-w * 0.5, h * 0.86),
                (w * 0.5, h * 0.86),
                (w * 0.49, h - drop + 0.08),
                (w * 0.2, h - drop),
                (-w * 0.2, h - drop),
                (-w * 0.49, h - drop + 0.08),
            ],
            0.09,
            closed=True,
            n=6,
        )
        flap = p.extrude(curve, 0.022, trim if m.chance(rng) else hide, 0.008).subdivide(0.1)
        front = d * 0.5 + 0.005
        flap = flap.shift(
            z=lambda v: front + 0.012 * np.sin(np.pi * v[:, 1] / h) - 0.1 * d * np.clip(v[:, 1] / h, 0, 1) ** 2
        )
        parts.append(flap)
        parts.append(p.box((w * 0.99, 0.03, d * 0.86), trim if m.chance(rng) else hide, 0.012).move(y=h - 0.01))
        clasp = p.join(p.box((0.09, 0.07, 0.02), metal, 0.008), p.disc(0.02, 0.02, metal, 20).move(z=0.012))
        parts.append(clasp.move(0, h - drop + 0.05, front + 0.03))
        if kind == "satchel":
            parts.append(p.sweep(arch(w * 0.4, 0.26, square=0.4), 0.022, trim, 14).move(y=h - 0.01))
            parts.append(p.both(p.torus(0.035, 0.014, metal, 20, 8).rotate(x=90).move(w * 0.2, h + 0.005, 0)))
        else:
            line = arch(w * 0.86, 0.62, 44)
            step = np.diff(line, axis=0)
            links = [
                p.torus(0.019, 0.011, metal, 10, 5)
                .scale(1.5, 1, 0.8)
                .rotate(x=90 * (i % 2), z=float(np.degrees(np.arctan2(e[1], e[0]))))
                .move(*(line[i] + e / 2))
                for i, e in enumerate(step)
            ]
            parts.append(p.join(links).move(y=h - 0.03))
    elif kind == "bowling":
        line = p.fillet(
            [(-w / 2, 0), (w / 2, 0), (w / 2 * 0.95, h * 0.5), (w * 0.26, h), (-w * 0.26, h), (-w / 2 * 0.95, h * 0.5)],
            0.13,
            closed=True,
            n=8,
        )
        parts.append(soft_body(line, d * 1.3, d * 0.7, hide, 0.03))
        parts.append(soft_body(line * (1.01, 0.22) - (0, 0.005), d * 1.36, d * 1.34, trim, 0.0))
        top = p.curve(
            [
                (-w * 0.36, h * 0.86, 0),
                (-w * 0.2, h * 0.985, 0),
                (0, h + 0.006, 0),
                (w * 0.2, h * 0.985, 0),
                (w * 0.36, h * 0.86, 0),
            ],
            20,
        )
        parts.append(zip_fastener(top, m.fabric(rng, "charcoal"), metal, up=(0, 1, 0)))
        loop = p.sweep(arch(w * 0.4, 0.3, square=0.2), 0.022, trim, 12).rotate(x=10).move(0, h * 0.82, d * 0.5)
        parts.append(
            p.both(p.join(loop, p.both(p.box((0.05, 0.1, 0.02), trim, 0.006).move(w * 0.2, h * 0.78, d * 0.5))), "z")
        )
    else:
        line = p.curve(
            [
                (-w * 0.5, h * 0.3),
                (-w * 0.3, 0.02),
                (0, 0),
                (w * 0.3, 0.02),
                (w * 0.5, h * 0.3),
                (w * 0.34, h * 0.8),
                (0, h * 0.84),
                (-w * 0.34, h * 0.8),
            ],
            48,
            closed=True,
        )
        parts.append(soft_body(line, d * 1.25, d * 0.35, hide, 0.08))
        bar = p.curve(
            [
                (-w * 0.36, h * 0.66, 0),
                (-w * 0.33, h * 0.8, 0),
                (0, h * 0.87, 0),
                (w * 0.33, h * 0.8, 0),
                (w * 0.36, h * 0.66, 0),
            ],
            30,
        )
        parts.append(p.both(p.rod(bar, 0.017, metal, 10).move(z=0.02), "z"))
        parts.append(p.both(p.sphere(0.03, metal, 18).move(0.02, h * 0.93, 0)))
        parts.append(p.rod(arch(w * 0.62, 0.36, 30) + (0, h * 0.72, 0), 0.013, metal if m.chance(rng) else trim, 10))
    return parts


@category("backpack")
def backpack(rng, k):
    """School bags and hiking packs: a rounded body, pockets, a grab loop and two shoulder straps behind."""
    kind = ("school", "hiking", "roll", "school")[k % 4]
    cloth = m.fabric(rng, m.pick(rng, (m.bright, m.muted, m.any_color))(rng), "twill")
    second = m.fabric(rng, m.any_color(rng), "twill") if m.chance(rng, 0.7) else cloth
    trim = m.fabric(rng, m.vary(rng, m.pick(rng, ("black", "charcoal", "brown")), 0.02), "weave")
    metal = m.dark_metal(rng) if m.chance(rng) else m.steel(rng)
    w, h, d = m.between(rng, 0.54, 0.64), 0.9 if kind != "hiking" else 1.0, m.between(rng, 0.28, 0.36)
    top = 0.24 if kind != "roll" else 0.06
    outline = p.fillet([(-w / 2, 0), (w / 2, 0), (w / 2 * 0.94, h), (-w / 2 * 0.94, h)], top, closed=True, n=9)
    parts = [soft_body(outline, d, d * 0.72, cloth, 0.05)]
    pocket_h = m.between(rng, 0.34, 0.42) * h
    pocket = p.fillet(
        [(-w * 0.39, 0), (w * 0.39, 0), (w * 0.37, pocket_h), (-w * 0.37, pocket_h)], 0.09, closed=True, n=7
    )
    front = d * 0.5 + 0.02
    parts.append(soft_body(pocket, 0.2, 0.15, second, 0.04).move(0, 0.05, front))
    seam = p.curve(
        [
            (-w * 0.36, pocket_h * 0.72, 0),
            (-w * 0.31, pocket_h * 0.93, 0),
            (0, pocket_h * 1.0, 0),
            (w * 0.31, pocket_h * 0.93, 0),
            (w * 0.36, pocket_h * 0.72, 0),
        ],
        24,
    )
    parts.append(zip_fastener(seam + (0, 0.035, front + 0.085), trim, metal))
    if kind == "school":
        seam = p.curve(
            [
                (-w * 0.46, h * 0.55, 0),
                (-w * 0.43, h * 0.8, 0),
                (-w * 0.22, h * 0.955, 0),
                (0, h * 0.985, 0),
                (w * 0.22, h * 0.955, 0),
                (w * 0.43, h * 0.8, 0),
                (w * 0.46, h * 0.55, 0),
            ],
            34,
        )
        parts.append(zip_fastener(seam + (0, 0, d * 0.36), trim, metal))
        if m.chance(rng, 0.6):
            parts.append(p.box((0.15, 0.1, 0.012), m.leather(rng), 0.01).move(0, h * 0.66, d * 0.45 + 0.02))
    else:
        flap = p.extrude(
            p.fillet(
                [(-w * 0.46, h * 0.62), (w * 0.46, h * 0.62), (w * 0.46, h * 1.04), (-w * 0.46, h * 1.04)],
                0.1,
                closed=True,
                n=6,
            ),
            0.035,
            second,
            0.015,
        ).subdivide(0.1)
        over = lambda v: 1.6 * d * np.clip(v[:, 1] / h - 0.86, 0, 1) + 0.06 * (2 * v[:, 0] / w) ** 2  # noqa: E731
        parts.append(flap.shift(z=lambda v: front * 1.02 - over(v)))
        for x in (-w * 0.22, w * 0.22):
            parts.append(
                p.strap(
                    [(x, h * 0.9, front - 0.01), (x, h * 0.7, front + 0.035), (x, h * 0.42, front + 0.11)],
                    0.05,
                    0.014,
                    trim,
                    up=(0, 0, 1),
                )
            )
            parts.append(p.box((0.075, 0.05, 0.02), metal, 0.008).move(x, h * 0.56, front + 0.08))
        if kind == "hiking":
            mat = (
                p.cylinder(0.12, w * 1.08, m.fabric(rng, m.bright(rng), "weave"), 0.02, 32)
                .rotate(z=90)
                .move(0, -0.13, 0.05)
            )
            bands = p.both(p.torus(0.122, 0.02, trim, 28, 8).scale(1, 1.6, 1).rotate(z=90).move(w * 0.3, -0.13, 0.05))
            parts += [mat, bands]
    side = p.superellipsoid((0.11, h * 0.42, d * 0.62), second, 3.5, 3, 28)
    parts.append(p.both(side.move(w * 0.5, h * 0.22, 0)))
    parts.append(p.strap(arch(0.2, 0.12, 20) + (0, h - 0.03, -d * 0.3), 0.035, 0.014, trim, up=(0, 0, 1)))
    back = -d * 0.42
    strap = p.curve(
        [
            (w * 0.14, h * 0.93, back),
            (w * 0.2, h * 0.9, back - 0.12),
            (w * 0.27, h * 0.6, back - 0.2),
            (w * 0.33, h * 0.3, back - 0.13),
            (w * 0.4, h * 0.06, back),
        ],
        26,
    )
    parts.append(p.both(p.strap(strap, 0.09, 0.028, trim, up=(0, 0.3, -1))))
    return parts
