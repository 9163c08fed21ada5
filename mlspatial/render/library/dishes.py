"""Bowls, plates, cutlery and wine glasses."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category


# ---- vessels -------------------------------------------------------------------------------------------------------
def profile(points, n: int = 30) -> np.ndarray:
    """A vessel's outer side: a flat bottom out to the first point, then a smooth curve through all of them."""
    foot, low = points[0]
    return np.concatenate([[(0, low), (0.93 * foot, low)], p.curve(points, n)])


def ringed(outline, *heights: float) -> np.ndarray:
    """The outline of a rising side with points at these heights, so that paint can end cleanly there."""
    out = np.asarray(outline, float)
    for height in heights:
        if not out[:, 1].min() < height < out[:, 1].max():
            continue
        i = int(np.argmax(out[:, 1] > height))
        share = (height - out[i - 1, 1]) / (out[i, 1] - out[i - 1, 1])
        out = np.insert(out, i, out[i - 1] + share * (out[i] - out[i - 1]), axis=0)
    return out


def squared(part: p.Part, power: float) -> p.Part:
    """A round part whose outline from above turns into a rounded square."""

    def f(v: np.ndarray) -> np.ndarray:
        r = np.maximum(np.hypot(v[:, 0], v[:, 2]), 1e-12)
        k = np.maximum(np.abs(v[:, 0] / r) ** power + np.abs(v[:, 2] / r) ** power, 0.1) ** (-1 / power)
        return v * np.column_stack([k, np.ones_like(k), k])

    return part.warp(f)


def rippled(part: p.Part, n: int, depth: float) -> p.Part:
    """Flutes that grow towards the rim."""
    low, high = part.low[1], part.high[1]

    def f(v: np.ndarray) -> np.ndarray:
        k = 1 + depth * np.cos(n * np.arctan2(v[:, 0], v[:, 2])) * ((v[:, 1] - low) / (high - low)) ** 1.5
        return v * np.column_stack([k, np.ones_like(k), k])

    return part.warp(f)


def pouring(part: p.Part, reach: float, lift: float, wide: float = 0.4, start: float = 0.6) -> p.Part:
    """Draw the rim out to -x into a spout. wide: radians; start: share of the height where the spout begins."""
    low, high = part.low[1], part.high[1]

    def weight(v: np.ndarray) -> np.ndarray:
        up = np.clip((v[:, 1] - low - start * (high - low)) / ((1 - start) * (high - low)), 0, 1)
        inner = np.clip(np.hypot(v[:, 0], v[:, 2]) / 0.1, 0, 1)
        return inner * up**1.6 * np.exp(-((np.arctan2(v[:, 2], -v[:, 0]) / wide) ** 2))

    return part.shift(x=lambda v: -reach * weight(v), y=lambda v: lift * weight(v))


def banded(outline, wall: float, finish: p.Finish, bands, segments: int = 56, inside=None) -> p.Part:
    """A vessel (solid when the wall is 0) with bands of other finishes. bands: (lowest, highest, finish) of each."""
    outline = ringed(outline, *(y for low, high, _ in bands for y in (low, high)))
    body = s.vessel(outline, wall, finish, inside, segments) if wall else p.lathe(outline, finish, segments)
    for low, high, paint in bands:
        body = body.paint(paint, lambda c, low=low, high=high: (c[:, 1] > low) & (c[:, 1] < high))
    return body


def pattern(rng, ground, ink, third, kind: str, repeats: int = 16) -> p.Finish:
    """Glaze for plates and bowls, once around, v from the outer bottom over the rim (about 0.5) to the middle."""
    ground, ink, third = m.srgb(ground), m.srgb(ink), m.srgb(third)
    image = t.canvas(ground, 256, 192)
    x, y = t.pixels(image)
    around = (x * repeats) % 1 - 0.5
    t.fill(image, np.abs(y - 0.52) < 0.025, ink)
    if kind == "dots":
        t.fill(image, np.hypot(around, (y - 0.63) * 6) < 0.28, third)
    elif kind == "leaves":
        t.fill(image, np.abs(around) < 0.4 * np.sin(np.pi * np.clip((y - 0.56) / 0.12, 0, 1)), third)
        t.fill(image, (np.abs(around) < 0.06) & (np.abs(y - 0.62) < 0.06), ink)
        t.fill(image, np.hypot(around, (y - 0.86) * 6) < 0.36, ink)
    elif kind == "rays":
        t.fill(image, (np.abs(around) < 0.2) & (y > 0.55) & (y < 0.7), third)
    elif kind == "bands":
        t.fill(image, (np.abs(y - 0.6) < 0.012) | (np.abs(y - 0.72) < 0.02), third)
    return m.picture(image, 0.18)


BOWLS = {  # (radius, height) up the outer side, and the wall
    "cereal": ([(0.27, 0.0), (0.43, 0.12), (0.5, 0.36)], 0.028),
    "salad": ([(0.24, 0.0), (0.44, 0.11), (0.5, 0.27)], 0.045),
    "mixing": ([(0.22, 0.0), (0.42, 0.15), (0.49, 0.36), (0.5, 0.4), (0.545, 0.41)], 0.014),
    "rice": ([(0.2, 0.0), (0.205, 0.05), (0.225, 0.07), (0.41, 0.24), (0.5, 0.5)], 0.026),
    "soup": ([(0.22, 0.0), (0.33, 0.09), (0.37, 0.22), (0.42, 0.24), (0.56, 0.27)], 0.026),
    "fluted": ([(0.2, 0.0), (0.36, 0.13), (0.5, 0.36)], 0.03),
    "enamel": ([(0.28, 0.0), (0.41, 0.13), (0.48, 0.33), (0.53, 0.34)], 0.018),
    "square": ([(0.25, 0.0), (0.4, 0.09), (0.46, 0.3)], 0.03),
    "spouted": ([(0.28, 0.0), (0.42, 0.16), (0.49, 0.4), (0.52, 0.43), (0.5, 0.47)], 0.032),
}


@category("bowl")
def bowl(rng, k):
    """Cereal, wooden salad, steel mixing, painted rice, rimmed soup, fluted glass, enamel, square, spouted bowls."""
    kind = tuple(BOWLS)[k % len(BOWLS)]
    points, wall = BOWLS[kind]
    tall = m.between(rng, 0.88, 1.15)
    outer = profile([(r, y * tall) for r, y in points])
    height = outer[-1, 1]
    glaze, second = m.pick(rng, (m.ceramic, m.stoneware))(rng), m.ceramic(rng, m.light(rng))
    if kind == "salad":
        return s.vessel(outer, wall, m.wood(rng), segments=56)
    if kind == "mixing":
        return s.vessel(outer, wall, m.pick(rng, (m.chrome, m.steel, m.brushed_metal, m.copper))(rng), segments=56)
    if kind == "rice":
        ink = m.pick(rng, ("royal", "navy", "dark red", "teal"))
        painted = pattern(rng, m.light(rng), ink, m.any_color(rng), m.pick(rng, ("dots", "leaves", "rays")))
        return banded(outer, wall, painted, [(0.62 * height, 0.78 * height, m.ceramic(rng, ink))])
    if kind == "fluted":
        tone = m.pick(rng, ("#bcd6da", "#c9a0b8", "#9fc3a8", "#d9b56a", "#87a8cc"))
        return rippled(s.vessel(outer, wall, m.glass(rng, tone), segments=96), 12, 0.06)
    if kind == "enamel":
        white = m.enamel(rng, m.pick(rng, ("white", "ivory", "mint")))
        return banded(outer, wall, white, [(height - 0.02, 2 * height, m.enamel(rng, m.dark(rng)))])
    if kind == "spouted":
        yellow = m.ceramic(rng, m.vary(rng, m.pick(rng, ("#d9b160", "cream", "mint", "salmon")), 0.03))
        bands = [(q * height, (q + 0.08) * height, m.ceramic(rng, "white")) for q in (0.5, 0.66)]
        return pouring(banded(outer, wall, yellow, bands, 64), 0.12, 0.02, 0.3, 0.66)
    body = s.vessel(outer, wall, glaze, second, 56)
    if kind == "soup":
        lug = p.sweep(p.in_plane(p.arc(0.11, -90, 90, 16), "xz"), 0.025, glaze, 10)
        return [body, p.both(lug.move(0.4, height * 0.62))]
    return squared(body, 5) if kind == "square" else body


@category("plate")
def plate(rng, k):
    """Dinner plates with a painted rim, square stoneware ones, scalloped ones with leaves, enamel, dotted."""
    kind = ("banded", "square", "leaves", "camping", "dots")[k % 5]
    flat = [(0.27, 0.0), (0.34, 0.02), (0.36, 0.045), (0.5, 0.08)]
    outer = profile(flat if kind != "square" else [(0.3, 0.0), (0.4, 0.015), (0.45, 0.03), (0.48, 0.07)])
    if kind == "square":
        ink = m.vary(rng, m.pick(rng, ("royal", "teal", "brick", "dark green")), 0.03)
        return squared(s.vessel(outer, 0.02, pattern(rng, "ivory", ink, ink, "rays", 32), segments=84), 4.5)
    if kind == "camping":
        return banded(outer, 0.012, m.enamel(rng), [(0.073, 1.0, m.enamel(rng, m.dark(rng)))], 64)
    ink = m.pick(rng, ("royal", "navy", "dark red", "teal", "dark green"))
    third = ink if kind == "leaves" else m.bright(rng)
    glaze = pattern(rng, m.pick(rng, ("white", "ivory")), ink, third, "bands" if kind == "banded" else kind, 14)
    body = s.vessel(outer, 0.018, glaze, segments=84)
    return rippled(body, 14, 0.025) if kind == "leaves" else body


# ---- cutlery: the neck is at the origin, the handle below, the head above, its hollow side to +z --------------------
def mirrored(right) -> np.ndarray:
    """A closed outline from its right half, from bottom to top."""
    right = np.asarray(right, float)
    return np.concatenate([right, right[::-1] * (-1, 1)])


def bowed(part: p.Part, head: float, length: float, hollow: float) -> p.Part:
    """Side view of cutlery: the head sags back, the handle arches forward."""
    fine = part.subdivide(0.05)

    def z(v: np.ndarray) -> np.ndarray:
        up, down = np.clip(v[:, 1] / head, 0, 1), np.clip(-v[:, 1] / length, 0, 1)
        return 0.045 * np.sin(np.pi * down * 1.1) - hollow * np.sin(np.pi * up * 0.85)

    return fine.shift(z=z)


def shank(rng, kind: str, length: float, metal: p.Finish, color=None) -> p.Part:
    """A handle from y = 0 down to -length. kind: taper, fiddle, ribbed, chubby, riveted, rod, twist, wood."""
    if kind in ("taper", "fiddle", "ribbed"):
        end = {"taper": 0.036, "fiddle": 0.05, "ribbed": 0.034}[kind] * m.between(rng, 0.85, 1.15)
        knots = [(0.0, -length), (end * 0.75, -0.985 * length), (end, -0.9 * length), (0.02, -0.45 * length)]
        if kind == "fiddle":
            knots = [(0.0, -1.02 * length), (end * 0.6, -0.98 * length), (end, -0.88 * length)]
            knots += [(end * 0.6, -0.74 * length), (end * 0.62, -0.68 * length), (0.016, -0.55 * length)]
        line = p.curve([*knots, (0.016, -0.05), (0.02, 0.02)], 30)
        flat = p.extrude(mirrored(line[1:]), 0.02, metal, 0.008, rings=3)
        if kind == "taper":
            return flat
        ridge = mirrored(p.curve([(x * 0.55, 0.9 * y) for x, y in knots[1:]], 20))
        return p.join(flat, p.extrude(ridge, 0.03, metal, 0.006))
    if kind in ("rod", "twist"):
        bar = p.box((0.024, length, 0.024), metal, 0.003).subdivide(0.03).move(y=-length / 2)
        bar = bar.twist(900) if kind == "twist" else s.between((0, 0.02, 0), (0, -length, 0), 0.013, metal, 0.017)
        knob = p.superellipsoid((0.055, 0.09, 0.055), color or metal, segments=20).move(y=-length)
        return p.join(bar, knob)
    stub = p.box((0.034, length * 0.5, 0.016), metal).move(y=-length * 0.24)
    if kind == "chubby":
        outline = p.curve([(0.0, -1.0), (0.05, -0.97), (0.062, -0.8), (0.045, -0.5), (0.04, -0.3), (0.0, -0.27)], 30)
        return p.join(stub, s.grip(outline * (1, length), color, 0.62))
    if kind == "riveted":
        line = p.curve([(0.03, -0.22), (0.036, -0.5), (0.034, -0.75), (0.045, -0.95), (0.0, -1.0)], 24) * (1, length)
        slab = p.extrude(mirrored(line[:-1]), 0.05, color, 0.016, rings=3)
        rivet = p.disc(0.011, 0.056, metal, 16)
        return p.join(stub, slab, [rivet.move(y=-q * length) for q in (0.34, 0.58, 0.82)])
    shape = [(0.0, -1.0), (0.03, -0.99), (0.036, -0.9), (0.026, -0.5), (0.024, 0.0), (0.024, 0.06), (0.0, 0.07)]
    return s.grip(p.fillet(shape, 0.02) * (1, length), metal, 0.8)


def tines(n: int, width: float, head: float, length: float, metal: p.Finish, thick=0.018, gap=0.45) -> p.Part:
    """A fork's head. length: of the tines; gap: share of the pitch that is open."""
    pitch = width / (n - gap)
    slot, tip = gap * pitch / 2, (1 - gap) * pitch * 0.3
    neck = p.curve([(0.017, -0.03), (0.02, 0.1 * head), (0.4 * width, 0.4 * (head - length)),
                    (0.5 * width, 0.95 * (head - length)), (0.485 * width, head - 0.5 * length)], 16)  # fmt: skip
    points = [neck]
    for i in range(n):
        x = pitch * ((n - 1) / 2 - i)
        points.append(p.arc(tip, 5, 175, 6, (x * 0.97, head - tip)))
        if i < n - 1:
            points.append(p.arc(slot, 0, -180, 7, (x - pitch / 2, head - length + slot)))
    return p.extrude(np.concatenate([*points, neck[::-1] * (-1, 1)]), thick, metal, 0.25 * thick)


def trough(y, half, depth, thickness: float, finish: p.Finish, rim=0.0, flat: float = 2.0) -> p.Part:
    """A hollow along y, open to +z. half, depth: half width and depth at each y; rim: z of its edges."""
    across = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 15))
    y, half, depth, rim = (np.broadcast_to(np.asarray(a, float), np.shape(y))[:, None] for a in (y, half, depth, rim))
    x, z = half * across, rim - depth * (1 - np.abs(across) ** flat)
    top = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    return p.loft(np.concatenate([top, top[:, ::-1] - (0, 0, thickness)], axis=1), finish, crease=50)


def scoop(length: float, width: float, depth: float, finish: p.Finish, thickness=0.014, egg=1.0) -> p.Part:
    """A spoon's bowl from y = 0 to length. egg: below 1 the widest place lies nearer to the handle."""
    a = np.pi * np.linspace(0, 1, 26)
    half = width / 2 * np.sin(np.pi * (a / np.pi) ** egg) ** 0.9 + 0.015
    return trough(length * (1 - np.cos(a)) / 2, half, depth * np.sin(a) ** 0.8, thickness, finish)


def cutlery_metal(rng) -> p.Finish:
    return m.pick(rng, (m.steel, m.chrome, m.brushed_metal))(rng)


FORKS = {  # handle, its length, number and length of tines, width and length of the head
    "dinner": ("taper", 0.6, 4, 0.21, 0.145, 0.38),
    "child": ("chubby", 0.52, 4, 0.15, 0.2, 0.32),
    "silver": ("fiddle", 0.6, 4, 0.21, 0.15, 0.38),
    "salad": ("wood", 0.68, 3, 0.13, 0.22, 0.34),
    "picnic": ("ribbed", 0.56, 4, 0.18, 0.17, 0.36),
    "bistro": ("riveted", 0.56, 3, 0.22, 0.13, 0.38),
    "pastry": ("taper", 0.5, 3, 0.16, 0.16, 0.32),
    "fondue": ("rod", 0.74, 2, 0.17, 0.12, 0.24),
    "twisted": ("twist", 0.6, 4, 0.2, 0.16, 0.36),
}


@category("fork")
def fork(rng, k):
    """Dinner, child's, silver, wooden salad, picnic, bistro, pastry, fondue and twisted forks, the tines up."""
    kind = tuple(FORKS)[k % len(FORKS)]
    style, length, n, tine, width, head = FORKS[kind]
    color = m.plastic(rng, m.bright(rng))
    metal = cutlery_metal(rng)
    if kind == "salad":
        metal = m.wood(rng)
    elif kind == "picnic":
        metal = m.plastic(rng, m.pick(rng, ("white", "ivory", "lime", "turquoise", "red")))
    elif kind in ("silver", "twisted"):
        metal = m.pick(rng, (m.gold, m.chrome, m.copper, m.brass))(rng)
    length, width, tine = length * m.between(rng, 0.94, 1.08), width * m.between(rng, 1.1, 1.3), tine * 1.05
    thick, gap = (0.04, 0.35) if kind == "salad" else (0.02, 0.5)
    top = tines(n, width, head, tine, metal, thick, gap)
    return bowed(p.join(top, shank(rng, style, length, metal, color)), head, length, 0.05 if n > 2 else 0.01)


SPOONS = {  # handle, its length, length, width and depth of the bowl, egg
    "dinner": ("taper", 0.62, 0.34, 0.21, 0.06, 0.82),
    "cooking": ("wood", 0.74, 0.26, 0.19, 0.05, 1.0),
    "tea": ("fiddle", 0.5, 0.28, 0.18, 0.05, 0.82),
    "soup": ("twist", 0.58, 0.28, 0.27, 0.08, 1.0),
    "child": ("chubby", 0.52, 0.3, 0.22, 0.06, 0.9),
    "measuring": ("flat", 0.62, 0.3, 0.3, 0.15, 1.0),
    "serving": ("riveted", 0.56, 0.38, 0.25, 0.07, 0.85),
    "chinese": ("china", 0.5, 0.4, 0.26, 0.09, 1.0),
    "latte": ("rod", 0.84, 0.2, 0.13, 0.035, 0.9),
    "picnic": ("ribbed", 0.56, 0.32, 0.2, 0.06, 0.85),
}


@category("spoon")
def spoon(rng, k):
    """Dinner, cooking, tea, soup, child's, measuring, serving, Chinese, latte and picnic spoons, the bowl up."""
    kind = tuple(SPOONS)[k % len(SPOONS)]
    style, length, head, width, depth, egg = SPOONS[kind]
    length, width = length * m.between(rng, 0.92, 1.1), width * m.between(rng, 1.0, 1.15)
    color, metal = m.plastic(rng, m.bright(rng)), cutlery_metal(rng)
    if kind == "chinese":
        return china_spoon(rng)
    if kind == "measuring":
        return measuring_spoon(rng, m.pick(rng, (m.steel(rng), m.copper(rng), color)), length)
    if kind == "cooking":
        metal = m.wood(rng)
    elif kind == "picnic":
        metal = m.plastic(rng, m.pick(rng, ("white", "ivory", "pink", "sky", "orange")))
    elif kind in ("tea", "soup"):
        metal = m.pick(rng, (m.gold, m.chrome, m.copper))(rng)
    thick = 0.035 if kind == "cooking" else 0.014
    bowl_part = scoop(head, width, depth, metal, thick, egg).move(y=-0.012, z=thick / 2)
    handle = bowed(shank(rng, style, length, metal, color), head, length, 0.0)
    return [bowl_part, handle]


def china_spoon(rng):
    """A deep flat-bottomed bowl that runs on into a channel for a handle."""
    knots = p.curve(
        [(0.02, 0.0), (0.19, 0.03), (0.21, 0.2), (0.09, 0.42), (0.06, 0.6), (0.085, 0.98), (0.05, 1.02)], 40
    )
    half, y = 0.85 * knots[:, 0], knots[:, 1]
    depth = np.clip(0.13 * np.sin(np.pi * np.clip(y / 0.6, 0, 1)) ** 0.6, 0.03, 1) * np.clip(half / 0.08, 0, 1)
    rim = 0.26 * np.clip((y - 0.3) / 0.7, 0, 1) ** 1.3
    glaze = m.ceramic(rng, m.pick(rng, ("white", "ivory", "mint", "sky", "dark red", "black")))
    body = trough(y, half, depth, 0.022, glaze, rim, 3.0)
    ring = m.ceramic(rng, m.pick(rng, ("royal", "red", "teal")))
    return body.paint(ring, lambda c: (np.abs(c[:, 1] - 0.92) < 0.03) | (np.abs(c[:, 1] - 0.84) < 0.012)).rotate(z=180)


def measuring_spoon(rng, finish: p.Finish, length: float):
    """A half ball on a flat handle with a hole and a size."""
    ball = s.vessel(np.concatenate([[(0, -0.15)], p.arc(0.15, -86, 0, 20)]), 0.012, finish).rotate(x=90).move(y=0.15)
    strip = p.rectangle(0.085, length, 0.03) - (0, length / 2 - 0.03)
    handle = p.extrude(strip, 0.016, finish, 0.004, holes=[p.circle(0.02, 20) - (0, length - 0.08)])
    size = s.letters(m.pick(rng, ("1/2", "1TBSP", "1TSP", "5ML", "15ML")), 0.05, 0.008, m.plastic(rng, "black"))
    return [ball, handle, size.rotate(z=90).move(0, -length * 0.42, 0.009)]


@category("carving fork")
def carving_fork(rng, k):
    """Two long tines with a guard, on a riveted, wooden or all-steel handle."""
    metal = cutlery_metal(rng)
    # stouter than the real thing: the two tines must still be seen apart in a small picture
    tine = p.curve([(0.03, -0.05, 0), (0.1, 0.04, 0), (0.115, 0.18, -0.03), (0.1, 0.44, 0.05)], 24)
    pair = p.both(p.sweep(tine, np.linspace(0.036, 0.01, 24), metal, 12))
    shaft = s.between((0, -0.2, 0), (0, 0.0, 0), 0.032, metal, 0.045)
    style = ("riveted", "stag", "steel")[k % 3]
    if style == "riveted":
        tone = m.vary(rng, m.pick(rng, ("black", "walnut", "mahogany", "oak")), 0.03)
        grip = shank(rng, "riveted", 0.58, metal, m.pick(rng, (m.wood, m.plastic))(rng, tone))
    else:
        shape = [(0.0, -0.58), (0.035, -0.57), (0.05, -0.5), (0.036, -0.32), (0.042, -0.17), (0.0, -0.15)]
        grip = s.grip(p.curve(shape, 30), metal if style == "steel" else m.ceramic(rng, "cream"), 0.75)
    bolster = p.superellipsoid((0.085, 0.05, 0.06), metal, 3, 2, 24).move(y=-0.13)
    guard = p.rod([(0, -0.09, -0.01), (0, -0.01, -0.06), (0, 0.06, -0.11)], 0.013, metal, 10)
    return [pair, shaft, grip.scale(1.4, 1, 1.3), bolster.scale(1.4, 1, 1.3), guard]


# ---- glasses -------------------------------------------------------------------------------------------------------
WINES = {"red": "#5a0f1e", "white": "#dfc878", "rose": "#e2897c", "bubbly": "#e3bf5c"}
GLASSES = {  # height of the stem, (radius, height) up the bowl, wine
    "red": (0.42, [(0.03, 0.0), (0.17, 0.07), (0.245, 0.24), (0.22, 0.42), (0.185, 0.55)], "red"),
    "flute": (0.38, [(0.015, 0.0), (0.06, 0.08), (0.1, 0.28), (0.105, 0.5), (0.09, 0.62)], "bubbly"),
    "goblet": (0.3, [(0.05, 0.0), (0.2, 0.05), (0.235, 0.2), (0.22, 0.4), (0.235, 0.48)], "white"),
    "coupe": (0.45, [(0.02, 0.0), (0.18, 0.06), (0.3, 0.15), (0.315, 0.24)], "rose"),
    "tulip": (0.48, [(0.02, 0.0), (0.12, 0.06), (0.175, 0.2), (0.15, 0.38), (0.135, 0.45)], "white"),
    "balloon": (0.3, [(0.03, 0.0), (0.22, 0.08), (0.3, 0.26), (0.25, 0.44), (0.2, 0.54)], "red"),
}


@category("wineglass")
def wineglass(rng, k):
    """Red wine glasses, flutes, goblets with a knop, coupes, tulips and balloons, most with wine."""
    kind = tuple(GLASSES)[k % len(GLASSES)]
    stem, points, wine = GLASSES[kind]
    stem = stem * m.between(rng, 0.85, 1.12)
    clear = m.glass(rng)
    tinted = m.glass(rng, m.pick(rng, ("#2f6b4a", "#27508c", "#8a2f3a", "#b88a2c"))) if kind == "goblet" else clear
    foot = max(0.17, 0.8 * max(r for r, _ in points))
    line = [(foot, 0.012), (0.6 * foot, 0.025), (0.03, 0.07), (0.017, 0.4 * stem), (0.018, 0.8 * stem)]
    base = np.concatenate([[(0, 0), (foot, 0)], p.curve([*line, (points[0][0] + 0.02, stem + 0.01)], 30)])
    parts = [p.lathe(base, tinted, 40)]
    if kind == "goblet":
        parts += [p.superellipsoid((0.11, 0.07, 0.11), tinted, segments=24).move(y=stem * q) for q in (0.5, 0.74)]
    outer = profile([(r, y + stem) for r, y in points])
    if kind == "goblet" and m.chance(rng):
        return [*parts, s.vessel(outer, 0.01, clear, segments=56)]
    wine_finish = p.Finish(m.linear(m.vary(rng, WINES[wine], 0.02)), 0.06)
    level = stem + m.between(rng, 0.4, 0.62) * points[-1][1]
    r = float(np.interp(level, outer[2:, 1], outer[2:, 0])) - 0.006
    surface = p.cylinder(r, 0.008, wine_finish, segments=48).move(y=level)
    return [*parts, surface, banded(outer, 0.01, clear, [(stem + 0.012, level, wine_finish)])]
