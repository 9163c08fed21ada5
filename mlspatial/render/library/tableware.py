"""Cups, bottles and what else stands on a laid table."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import wrapped
from mlspatial.render.library.catalogue import category


def banded(rng, tile=None) -> p.Finish:
    """Glazed pottery with painted bands, dots or flowers, drawn once around."""
    ground, ink, third = (m.srgb(c) for c in (m.light(rng), m.any_color(rng), m.bright(rng)))
    kind = m.pick(rng, ("bands", "dots", "flowers", "half"))
    if kind == "bands":
        image = t.stripes([ground, ink, ground, third, ground], [3, 1, 0.6, 0.5, 2], upright=False)
    elif kind == "dots":
        image = t.dots(ground, ink, 6, 0.3)
    elif kind == "flowers":
        image = t.flowers(rng, ground, [ink, third], 6)
    else:
        image = t.stripes([ink, ground], [1, m.between(rng, 0.6, 1.6)], upright=False)
    return p.Finish((1.0, 1.0, 1.0), 0.2, 0.0, image, tile)


@category("cup")
def cup(rng, k):
    """Mugs, tea cups on a saucer, flared and tapered cups: all have a handle."""
    kind = ("mug", "tea", "mug", "round")[k % 4]
    finish = m.pick(rng, (m.ceramic, m.ceramic, m.stoneware, banded))(rng)
    inside = m.ceramic(rng, "white") if m.chance(rng, 0.5) else finish
    h, r = (m.between(rng, 0.9, 1.2), m.between(rng, 0.4, 0.5)) if kind == "mug" else (0.75, m.between(rng, 0.48, 0.56))
    if kind == "mug":
        foot = m.between(rng, 0.75, 1.0)
        outer = p.fillet([(0, 0), (r * foot, 0), (r * m.between(rng, 0.92, 1.03), h * 0.5), (r, h)], 0.08, n=6)
    elif kind == "tea":
        outer = np.concatenate(
            [
                [(0, 0), (0.24, 0), (0.24, 0.05)],
                p.curve([(0.26, 0.06), (0.42, 0.2), (0.5 * r / 0.5, 0.5), (r * 1.08, h)], 20),
            ]
        )
    else:
        outer = np.concatenate(
            [[(0, 0), (0.26, 0)], p.curve([(0.27, 0.01), (r * 0.98, 0.26), (r, 0.5), (r * 0.92, h)], 20)]
        )
    body = s.vessel(outer, 0.045, finish, inside, 48)
    loop = m.between(rng, 0.5, 0.66) * h
    grip = s.handle(
        loop, m.between(rng, 0.28, 0.36), 0.05, finish, m.between(rng, 1.0, 1.7), 0.06, m.between(rng, 0, 0.8)
    )
    parts = [body, s.follow(grip.move(-0.01, h * 0.52), outer)]
    if kind == "tea":
        dish = p.wall(
            np.concatenate([[(0, 0), (0.34, 0)], p.curve([(0.35, 0.01), (0.6, 0.06), (0.86, 0.16)], 12)]), 0.035
        )
        parts = [p.join(parts).move(y=0.05), p.lathe(dish, finish, 56)]
    return parts


@category("bottle")
def bottle(rng, k):
    """Wine, beer, plastic water and sauce bottles, flasks; with a label, a cork or a cap."""
    kind = ("wine", "water", "beer", "sauce", "flask", "juice")[k % 6]
    r = {"wine": 0.135, "beer": 0.14, "water": 0.15, "sauce": 0.15, "flask": 0.17, "juice": 0.17}[kind] * m.between(
        rng, 0.9, 1.1
    )
    neck = r * m.between(rng, 0.3, 0.42)
    if kind == "flask":
        neck = 0.75 * r  # wide, under a cup that closes it
    shoulder = {"wine": 0.6, "beer": 0.52, "water": 0.72, "sauce": 0.62, "flask": 0.66, "juice": 0.6}[kind] + m.between(
        rng, -0.04, 0.04
    )
    tone = m.pick(rng, ("#1f3d22", "#4a2a12", "#24402c", "#b8d0cc", "#35506b"))
    body = m.glass(rng, m.vary(rng, tone, 0.03))
    if kind == "water":
        body = m.glass(rng, m.pick(rng, ("#9cc7dd", "#cfe3e6", "#a8d8c0")))
    elif kind in ("sauce", "juice"):
        body = m.plastic(rng, m.bright(rng), 0.9)
    elif kind == "flask":
        body = m.enamel(rng, m.bright(rng))
    top = 0.93
    straight = {"wine": 0.16, "beer": 0.3, "water": 0.13, "sauce": 0.24, "flask": 0.06, "juice": 0.14}[kind]
    bend = p.curve(
        [
            (r, shoulder),
            (r * 0.96, shoulder + 0.04),
            ((r + neck) / 2, shoulder + straight * 0.5 + 0.02),
            (neck, shoulder + straight),
        ],
        16,
    )
    base = p.fillet([(0, 0.015), (r * 0.7, 0.0), (r, 0.0), (r, shoulder - 0.001)], 0.03)
    if kind == "water":  # ribs
        y = np.linspace(0.06, shoulder * 0.98, 60)
        ribs = np.column_stack([r * (1 - 0.045 * np.abs(np.sin(y * 28)) ** 2 * (y < shoulder * 0.8)), y])
        base = np.concatenate([base[:-1], ribs])
    lip = p.fillet([(neck, top - 0.05), (neck * 1.18, top - 0.05), (neck * 1.18, top), (0, top)], 0.008)
    parts = [p.lathe(np.concatenate([base, bend, lip]), body, 56)]
    if kind == "wine":
        if m.chance(rng, 0.5):
            parts.append(p.cylinder(neck * 0.8, 0.08, m.cork(rng)).move(y=0.95))
        else:
            parts.append(p.cylinder(neck * 1.22, 0.16, m.pick(rng, (m.gold, m.enamel))(rng)).move(y=0.89))
    elif kind == "beer":
        crown = p.extrude(p.star(21, neck * 1.36, neck * 1.25), 0.03, m.metal(rng, m.bright(rng)), 0.006)
        parts.append(crown.rotate(x=90).move(y=top))
    elif kind == "sauce":
        parts.append(p.cone(neck * 1.3, neck * 0.35, 0.12, m.plastic(rng)).move(y=0.97))
    else:
        cap_r, cap_h = (r * 0.98, 0.22) if kind == "flask" else (neck * 1.32, 0.07)
        cap = p.extrude(
            p.star(24, cap_r, cap_r * 0.96), cap_h, m.plastic(rng) if kind != "flask" else m.steel(rng), 0.01
        )
        parts.append(cap.rotate(x=90).move(y=top + 0.02 - cap_h / 4))
        if kind == "flask":
            steel = cap.finishes[0]
            parts += [
                p.cylinder(r * 1.03, high, steel).move(y=y) for y, high in ((0.03, 0.06), (shoulder - 0.02, 0.03))
            ]
    if kind != "flask":
        word = m.pick(rng, ("WINE", "COLA", "AQUA", "JUICE", "SUN", "FRESH", "1886", "NOVA", "ALPS", "FARM"))
        y0, y1 = (0.2, 0.44) if kind in ("wine", "beer") else (0.24, 0.5)
        y1 = min(y1, shoulder - 0.03)
        print_ = m.label(rng, word, wide=2 * np.pi * r / (y1 - y0), repeats=3, span=0.8)
        parts.append(wrapped(r * 1.012, y0, y1, print_))
    return parts
