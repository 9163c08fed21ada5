"""Cabinets: boxes of boards with doors, drawers and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.furniture import straight_legs

BOARD = 0.022  # metres, thickness of boards and doors
GAP = 0.008  # between neighbouring doors
STAND_IN = 0.02  # from the front edge to what stands in an open cell


@dataclass(frozen=True)
class Look:
    """What a cabinet is made of. knob: ball, bar, cup, ring, label, strip or none."""

    body: p.Finish
    front: p.Finish
    metal: p.Finish
    knob: str


def block(low, high, finish, bevel: float = 0.003) -> p.Part:
    """A box between two opposite corners."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    return p.box(high - low, finish, bevel, rings=1).move(*((low + high) / 2))


# ---- what stands in open cells; each stands on y = 0 and fills x from -width / 2 to width / 2 ----------------------
def books(rng, width: float, height: float, depth: float) -> p.Part:
    """A row of standing books, now and then a gap and a leaning one."""
    x, row = -width / 2 + 0.005, []
    while x < width / 2 - 0.06:
        thick, high = m.between(rng, 0.018, 0.05), height * m.between(rng, 0.62, 0.92)
        cover = m.fabric(rng, m.any_color(rng), "weave") if m.chance(rng) else m.plastic(rng)
        book = p.box((thick, high, depth * m.between(rng, 0.75, 0.95)), cover, 0.006, rings=1).move(y=high / 2)
        band = p.box((thick * 1.02, high * 0.08, depth * 0.1), m.paper(rng, m.light(rng)), 0.0)
        book = p.join(book, band.move(0, high * m.between(rng, 0.65, 0.85), depth * 0.33))
        if m.chance(rng, 0.1):
            book, thick = book.rotate(z=14).stand(), thick + 0.26 * high
        row.append(book.move(x + thick / 2))
        x += thick + 0.002
        if m.chance(rng, 0.06):
            x += m.between(rng, 0.03, 0.1)
    return p.join(row)


def dishes(rng, width: float, height: float, depth: float) -> p.Part:
    """Plates that lean on the back wall, a jar or bowls in front."""
    glaze = m.ceramic(rng, m.pick(rng, (m.light, m.pastel, m.bright))(rng))
    rim = m.ceramic(rng, m.bright(rng))
    size = min(height * 0.42, width * 0.3, 0.13)
    n = max(1, int(width / (2.3 * size)))
    outline = [(0, 0.006), (0.6, 0.006), (0.98, 0.05), (1.0, 0.06), (0.98, 0.07), (0.6, 0.03), (0, 0.03)]
    plate = p.lathe(np.array(outline) * (size, 0.25), glaze, 32)
    plate = p.join(plate, p.torus(size * 0.8, size * 0.05, rim, 32, 6).move(y=size * 0.016)).rotate(x=80)
    shown = [p.repeat(plate.stand(), n, (width / n, 0, 0)).move(z=-depth * 0.25)]
    bowl = p.lathe(p.fillet([(0, 0), (0.4, 0), (0.9, 0.6), (1, 1), (0, 1)], 0.1), rim, 24).scale(size * 0.5)
    if m.chance(rng, 0.7):
        shown.append(bowl.move(width * m.between(rng, -0.3, 0.3), 0, depth * 0.2))
    return p.join(shown)


def ornaments(rng, width: float, height: float, depth: float) -> p.Part:
    """Two or three vases and jars."""
    row, n = [], max(1, min(3, int(width / 0.16)))
    for i in range(n):
        high = height * m.between(rng, 0.45, 0.8)
        r = min(0.06, width / n * 0.4) * m.between(rng, 0.8, 1.1)
        neck = r * m.between(rng, 0.3, 0.8)
        line = [(0, 0), (r * 0.6, 0), (r, high * 0.4), (neck, high * 0.8), (neck * 1.2, high), (0, high)]
        body = p.lathe(p.fillet(line, r * 0.3), m.ceramic(rng), 24)
        row.append(body.move((i - (n - 1) / 2) * width / n))
    return p.join(row)


def crates(rng, width: float, height: float, depth: float) -> p.Part:
    """One storage box with a pull."""
    cover = m.pick(rng, (m.cardboard, m.wicker, lambda r: m.fabric(r, m.any_color(r))))(rng)
    w, h = width * 0.9, height * m.between(rng, 0.6, 0.85)
    label = p.box((w * 0.3, h * 0.2, 0.006), m.paper(rng), 0.001)
    return p.join(p.box((w, h, depth * 0.9), cover, 0.012, 1).move(y=h / 2), label.move(0, h * 0.65, depth * 0.45))


CONTENTS = {"books": books, "dishes": dishes, "ornaments": ornaments, "crates": crates}


# ---- doors and drawers: (x, y) is the middle, z the rear side -------------------------------------------------------
def pull(look: Look, x: float, y: float, z: float, upright: bool = False) -> list[p.Part]:
    """A knob or handle on a front at z."""
    if look.knob == "ball":
        stem = p.cylinder(0.008, 0.03, look.metal, segments=12).rotate(x=90).move(z=0.01)
        made = [stem, p.superellipsoid((0.034, 0.034, 0.026), look.metal, segments=16).move(z=0.03)]
    elif look.knob == "bar":
        post = p.cylinder(0.005, 0.03, look.metal, segments=10).rotate(x=90).move(0.05, 0, 0.012)
        made = [p.both(post), p.capsule(0.007, 0.14, look.metal, 12).rotate(z=90).move(z=0.028)]
    elif look.knob == "strip":
        made = [p.box((0.24, 0.018, 0.02), look.metal, 0.006, 1).move(z=0.008)]
    elif look.knob == "cup":
        cup = p.superellipsoid((0.1, 0.05, 0.05), look.metal, segments=20)
        made = [cup, p.box((0.09, 0.006, 0.03), look.metal, 0.002, 1).move(0, -0.022, 0.01)]
    elif look.knob == "ring":
        plate = p.disc(0.02, 0.008, look.metal, 18)
        made = [plate, p.torus(0.024, 0.008, look.metal, 24, 8).rotate(x=80).move(0, -0.022, 0.012)]
    else:
        return []
    return [part.rotate(z=90 if upright else 0).move(x, y, z) for part in made]


def drawer(rng, look: Look, x, y, z, w, h) -> list[p.Part]:
    """A drawer front, with two handles when it is wide."""
    front = p.box((w, h, BOARD), look.front, 0.006, 1).move(x, y, z + BOARD / 2)
    z = z + BOARD
    if look.knob == "label":
        holder = p.box((0.1, 0.05, 0.008), look.metal, 0.002, 1).move(x, y + h * 0.2, z)
        card = p.box((0.086, 0.038, 0.004), m.paper(rng, "white"), 0).move(x, y + h * 0.2, z + 0.004)
        grip = p.box((0.13, 0.03, 0.03), look.metal, 0.01, 1).move(x, y - h * 0.06, z + 0.008)
        return [front, holder, card, grip]
    if look.knob == "strip":
        return [front, p.box((w * 0.94, 0.022, 0.024), look.metal, 0.008, 1).move(x, y + h / 2 - 0.022, z)]
    places = (x,) if w < 0.55 else (x - w * 0.28, x + w * 0.28)
    return [p.join(front, [pull(look, at, y, z) for at in places])]


def door(rng, look: Look, kind: str, x, y, z, w, h, side: float) -> list[p.Part]:
    """A door of the kind flat, panel, glass, louvre or reed; side: -1 or 1, where its handle is."""
    z = z + BOARD / 2
    rim = min(0.07, 0.2 * w)
    inner_w, inner_h = w - 2 * rim, h - 2 * rim
    parts = []
    if kind in ("flat", "reed"):
        parts.append(p.box((w, h, BOARD), look.front, 0.004, 1))
    else:
        hole = p.rectangle(inner_w, inner_h)
        parts.append(p.extrude(p.rectangle(w, h), BOARD, look.front, 0.003, holes=[hole], rings=1))
    if kind == "reed":
        n = int(w / 0.028)
        parts.append(p.repeat(p.cylinder(0.013, h * 0.99, look.front, segments=10), n, (w / n, 0, 0)).move(z=BOARD / 2))
    elif kind == "panel":
        n = 2 if h > 2.2 * w else 1
        high = inner_h / n - (rim * 0.5 if n == 2 else 0)
        field = p.join(
            p.box((inner_w, high, BOARD * 0.4), look.front, 0),
            p.box((inner_w * 0.8, high - 0.2 * inner_w, BOARD * 0.7), look.front, 0.012, 1),
        )
        parts.append(p.repeat(field, n, (0, inner_h / n + rim * 0.25, 0)))
        if n == 2:
            parts.append(p.box((inner_w, rim, BOARD), look.front, 0.003, 1))
    elif kind == "glass":
        parts.append(p.box((0.014, inner_h, BOARD * 0.7), look.front, 0.002, 1))
        rows = max(2, int(inner_h / 0.28))
        bar = p.box((inner_w, 0.014, BOARD * 0.7), look.front, 0.002, 1)
        parts.append(p.repeat(bar, rows - 1, (0, inner_h / rows, 0)))
    elif kind == "louvre":
        n = max(3, int(inner_h / 0.05))
        slat = p.box((inner_w, 0.05, 0.007), look.front, 0).rotate(x=-35)
        parts.append(p.repeat(slat, n, (0, inner_h / n, 0)))
    parts.append(pull(look, side * (w / 2 - max(rim / 2, 0.025)), 0, BOARD / 2, upright=True))
    return [p.join(parts).move(x, y, z)]


def cell(rng, look: Look, kind: str, x0, x1, y0, y1, depth, middle: float) -> list[p.Part]:
    """What closes or fills one opening. kind: drawer, a door, "pair" and a door, or something of CONTENTS, joined by
    "+"; empty leaves it open. The front is at depth / 2.
    """
    parts, x, y, z = [], (x0 + x1) / 2, (y0 + y1) / 2, depth / 2
    w, h = x1 - x0 + BOARD - GAP, y1 - y0 + BOARD - GAP
    for word in filter(None, kind.split("+")):
        if word in CONTENTS:
            deep = depth - 2 * STAND_IN - BOARD
            parts.append(CONTENTS[word](rng, x1 - x0, y1 - y0, deep * 0.9).move(x, y0))
        elif word == "drawer":
            parts += drawer(rng, look, x, y, z, w, h)
        elif word.startswith("pair "):
            half = (w - GAP) / 2
            for side in (-1, 1):
                parts += door(rng, look, word[5:], x + side * (half + GAP) / 2, y, z, half, h, -side)
        else:
            parts += door(rng, look, word, x, y, z, w, h, 1.0 if x < middle - 1e-6 else -1.0)
    return parts


def unit(rng, look: Look, w: float, h: float, d: float, columns) -> list[p.Part]:
    """A case of boards that stands on y = 0. columns: (share of the width, ((kind, share of the height), ...)) from
    the left, their cells from the top.
    """
    parts = [
        p.both(block((w / 2 - BOARD, 0, -d / 2), (w / 2, h, d / 2), look.body)),
        block((-w / 2 + BOARD, 0, -d / 2), (w / 2 - BOARD, BOARD, d / 2), look.body),
        block((-w / 2 + BOARD, h - BOARD, -d / 2), (w / 2 - BOARD, h, d / 2), look.body),
        block((-w / 2 + BOARD / 2, 0.01, -d / 2), (w / 2 - BOARD / 2, h - 0.01, -d / 2 + BOARD), look.body),
    ]
    inner = w - BOARD * (len(columns) + 1)
    x0, total = -w / 2 + BOARD, sum(share for share, _ in columns)
    for i, (share, cells) in enumerate(columns):
        x1 = x0 + inner * share / total
        if i < len(columns) - 1:
            parts.append(block((x1, BOARD, -d / 2), (x1 + BOARD, h - BOARD, d / 2 - 0.002), look.body))
        y1, sum_h = h - BOARD, sum(q for _, q in cells)
        for j, (kind, q) in enumerate(cells):
            y0 = y1 - (h - BOARD * (len(cells) + 1)) * q / sum_h
            parts += cell(rng, look, kind, x0, x1, y0, y1, d, 0.0)
            if j < len(cells) - 1:
                parts.append(block((x0 - 0.002, y0 - BOARD, -d / 2), (x1 + 0.002, y0, d / 2 - 0.002), look.body))
            y1 = y0 - BOARD
        x0 = x1 + BOARD
    return parts


# ---- below and above -----------------------------------------------------------------------------------------------
def feet(rng, style: str, w: float, d: float, look: Look) -> tuple[list[p.Part], float]:
    """Feet, and the height of what stands on them."""
    x, z = w / 2 - 0.05, d / 2 - 0.05
    if style == "plinth":
        return [p.box((w * 0.96, 0.08, d * 0.92), look.body, 0.004, 1).move(0, 0.04, -0.01)], 0.07
    if style == "bun":
        return [p.four(p.superellipsoid((0.09, 0.08, 0.09), look.body, segments=20).move(x, 0.04, z))], 0.07
    if style == "castors":
        wheel = p.cylinder(0.04, 0.03, m.rubber(rng), segments=20).rotate(z=90).move(0, 0.04)
        fork = p.box((0.05, 0.03, 0.05), m.steel(rng), 0.004, 1).move(0, 0.08)
        return [p.four(p.join(wheel, fork).move(x, 0, z))], 0.09
    if style == "hairpin":
        bend = p.fillet([(0.05, 0.24, 0), (0.0, 0.006, 0), (0, 0.24, 0.05)], 0.008)
        return [p.four(p.rod(bend, 0.007, look.metal, 8).move(x - 0.05, 0, z - 0.05))], 0.235
    if style in ("splayed", "turned", "square"):
        high = {"splayed": 0.22, "turned": 0.16, "square": 0.12}[style]
        return [straight_legs(rng, high, x, z, 0.05, look.body, style)], high - 0.005
    return [], 0.0


def top(rng, style: str, w: float, d: float, look: Look) -> list[p.Part]:
    """What lies on a case, its underside at y = 0."""
    if style == "cornice":
        steps = ((0.02, 0.03), (0.05, 0.025), (0.1, 0.03))
        heights = np.cumsum([0.0, *(h for _, h in steps)])
        boards = [p.box((w + 2 * o, h, d + o), look.body, 0.008, 1) for o, h in steps]
        return [b.move(0, y + b.high[1], o / 2) for b, y, (o, _) in zip(boards, heights, steps, strict=False)]
    if style == "counter":
        stone = m.marble(rng) if m.chance(rng) else m.stone(rng, m.dark(rng))
        return [p.box((w + 0.04, 0.04, d + 0.06), stone, 0.008).move(0, 0.02, 0.02)]
    if style == "arch":
        line = np.concatenate([[(-w / 2, 0), (w / 2, 0)], p.arc(1.0, 20, 160, 20) * (w * 0.53, 0.25) - (0, 0.04)])
        gem = p.superellipsoid((0.12, 0.12, 0.05), look.front, segments=20).move(0, 0.1, d / 2)
        return [p.extrude(line, d, look.body, 0.01), gem]
    if style == "slab":
        return [p.box((w + 0.03, 0.025, d + 0.04), look.body, 0.008).move(0, 0.0125, 0.01)]
    return []


# ---- cabinet: size, columns, feet, top, knob ------------------------------------------------------------------------
TWO_DRAWERS_AND_DOORS = (("drawer", 0.3), ("panel", 1))
CABINETS = {
    "wardrobe": ((1.1, 1.8, 0.55), [(1, (("panel", 4), ("drawer", 0.7)))] * 2, "plinth", "cornice", "ball"),
    "chest of drawers": ((0.95, 0.9, 0.45), [(1, (("drawer", 1),) * 4)], "bun", "slab", "ball"),
    "sideboard": (
        (1.5, 0.55, 0.42),
        [(1, (("flat", 1),)), (1, (("drawer", 1),) * 3), (1, (("flat", 1),))],
        *("splayed", "none", "bar"),
    ),
    "china cabinet": ((0.95, 1.6, 0.4), [(1, (("dishes+pair glass", 3), ("pair panel", 1)))], "bun", "cornice", "ball"),
    "filing cabinet": ((0.46, 1.3, 0.6), [(1, (("drawer", 1),) * 4)], "none", "none", "label"),
    "kitchen base": ((1.2, 0.8, 0.58), [(1, TWO_DRAWERS_AND_DOORS)] * 3, "plinth", "counter", "bar"),
    "bedside": ((0.5, 0.42, 0.4), [(1, (("drawer", 1), ("books", 1.3)))], "turned", "slab", "ring"),
    "apothecary": ((1.0, 1.0, 0.35), [(1, (("drawer", 1),) * 6)] * 5, "square", "slab", "ball"),
    "lockers": ((0.9, 1.75, 0.48), [(1, (("louvre", 1),) * 2)] * 3, "none", "none", "bar"),
    "medicine": ((0.5, 0.6, 0.16), [(1, (("flat", 1),))], "none", "none", "ball"),
    "dresser": ((1.2, 0.85, 0.48), [(1, TWO_DRAWERS_AND_DOORS)] * 3, "plinth", "slab", "cup"),
    "louvred": ((0.95, 1.6, 0.5), [(1, (("pair louvre", 1),))], "square", "cornice", "ball"),
    "television": (
        (1.6, 0.42, 0.42),
        [(1, (("panel", 1),)), (1.2, (("", 1), ("books", 1.3))), (1, (("panel", 1),))],
        *("hairpin", "none", "strip"),
    ),
    "tool": ((0.7, 0.85, 0.45), [(1, tuple(("drawer", q) for q in (1, 1, 1, 1.5, 2.4)))], "castors", "slab", "strip"),
    "reeded": ((1.1, 0.7, 0.42), [(1, (("pair reed", 1),)), (1, (("pair reed", 1),))], "hairpin", "slab", "ball"),
    "colour blocks": (
        (1.1, 1.1, 0.38),
        [(1, (("flat", 1.3), ("ornaments", 1), ("drawer", 0.6)))]
        + [(1.2, (("books", 1), ("drawer", 0.6), ("flat", 1)))],
        *("splayed", "none", "ring"),
    ),
    "armoire": ((1.0, 1.45, 0.5), [(1, (("pair panel", 3), ("drawer", 0.6)))], "bun", "arch", "ring"),
}
PAINTED = ("kitchen base", "louvred", "dresser", "armoire", "television")
STEEL = ("filing cabinet", "lockers", "tool", "medicine")


def look_of(rng, kind: str, knob: str) -> Look:
    """Sheet steel, painted wood, wood in one or two tones."""
    metal = m.pick(rng, (m.brass, m.chrome, m.steel))(rng)
    if kind in STEEL:
        tone = {"tool": m.bright(rng), "medicine": m.vary(rng, "white", 0.02)}.get(kind)
        tone = tone or m.vary(rng, m.pick(rng, ("light grey", "beige", "teal", "charcoal", "sky", "dark green")), 0.04)
        coat = m.enamel(rng, tone)
        return Look(coat, coat, m.chrome(rng), knob)
    if kind in PAINTED:
        coat = m.paint(rng, m.pick(rng, (m.light, m.pastel, m.muted))(rng))
        return Look(m.wood(rng) if kind == "television" else coat, coat, metal, knob)
    wood = m.wood(rng)
    second = wood if m.chance(rng, 0.6) else m.pick(rng, (m.wood, m.paint))(rng)
    return Look(wood, second, metal if knob != "ball" or m.chance(rng) else m.wood(rng), knob)


@category("cabinet")
def cabinet(rng, k):
    """Seventeen kinds, from the wardrobe to the painted armoire; see CABINETS."""
    kind = tuple(CABINETS)[k % len(CABINETS)]
    size, columns, below, above, knob = CABINETS[kind]
    w, h, d = (length * m.between(rng, 0.93, 1.07) for length in size)
    look = look_of(rng, kind, knob)
    parts, y = feet(rng, below, w, d, look)
    case = [*unit(rng, look, w, h, d, columns), *(part.move(y=h) for part in top(rng, above, w, d, look))]
    parts += [part.move(y=y) for part in case]
    if kind == "dresser":
        rack = unit(rng, look, w * 0.96, 0.8, 0.26, [(1, (("dishes", 1), ("dishes", 1), ("ornaments", 0.9)))])
        rack += [part.move(y=0.8) for part in top(rng, "cornice", w * 0.96, 0.26, look)]
        parts += [part.move(0, y + h + 0.025, -(d - 0.26) / 2) for part in rack]
    if kind == "medicine":
        red = m.enamel(rng, m.vary(rng, "red", 0.03))
        cross = p.join(p.box((0.09, 0.27, 0.012), red, 0.003), p.box((0.27, 0.09, 0.012), red, 0.003))
        parts.append(cross.move(0, h / 2, d / 2 + BOARD))
    return parts
