"""Shelves and what stands on them."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.cabinets import CONTENTS, Look, books, crates, feet, ornaments, top, unit
from mlspatial.render.library.catalogue import category


def filled(rng, width: float, height: float, depth: float) -> p.Part | None:
    """What stands on a shelf: mostly books."""
    kind = m.pick(rng, ("books", "books", "books", "ornaments", "crates"))
    if kind == "books" and m.chance(rng):  # books on one side, an ornament on the other
        share, side = m.between(rng, 0.45, 0.7), m.pick(rng, (-1, 1))
        row = books(rng, width * share, height, depth).move(side * width * (1 - share) / 2)
        rest = ornaments(rng, width * (1 - share), height * 0.8, depth)
        return p.join(row, rest.move(-side * width * share / 2))
    return CONTENTS[kind](rng, width, height, depth)


@category("shelf")
def shelf(rng, k):
    """A bookcase, a leaning ladder, a wall board on brackets, cubes, pipes and planks, a steel rack."""
    return (bookcase, ladder_shelf, wall_shelf, cube_shelf, pipe_shelf, steel_rack)[k % 6](rng)


def bookcase(rng):
    """Tall, full of books."""
    wood = m.pick(rng, (m.wood, m.wood, m.paint))(rng)
    w, h, d, n = m.between(rng, 0.8, 1.1), m.between(rng, 1.5, 1.9), 0.3, int(rng.integers(4, 6))
    kinds = tuple((m.pick(rng, ("books", "books", "books", "books", "ornaments", "crates")), 1) for _ in range(n))
    look = Look(wood, wood, wood, "none")
    foot, y = feet(rng, m.pick(rng, ("plinth", "bun")), w, d, look)
    case = [*unit(rng, look, w, h, d, [(1, kinds)]), *(part.move(y=h) for part in top(rng, "cornice", w, d, look))]
    return [foot, [part.move(y=y) for part in case]]


def ladder_shelf(rng):
    """Boards that get deeper downwards between two leaning ladder poles."""
    wood = m.wood(rng)
    w, h, deep, n = m.between(rng, 0.6, 0.75), 1.75, 0.5, 5
    lean = lambda y: -deep / 2 + (deep - 0.16) * (1 - y / h)  # noqa: E731  (z of the front pole)
    pole = s.plank((w / 2, 0, lean(0)), (w / 2, h, lean(h)), 0.03, 0.05, wood)
    back = s.plank((w / 2, 0, -deep / 2), (w / 2, h * 0.97, -deep / 2), 0.03, 0.03, wood)
    parts = [p.both(p.join(pole, back))]
    for y in np.linspace(0.12, h * 0.9, n):
        front = lean(y) + 0.06
        depth, z = front + deep / 2, (front - deep / 2) / 2
        parts.append(p.box((w - 0.03, 0.022, depth), wood, 0.004).move(0, y, z))
        parts.append(filled(rng, w * 0.85, 0.27, depth * 0.8).move(0, y + 0.011, z))
    return parts


def wall_shelf(rng):
    """One or two boards on curled brackets, with a few things on them."""
    wood, iron = m.wood(rng), m.dark_metal(rng)
    w, d = m.between(rng, 0.85, 1.1), 0.24
    curl = p.curve([(0, -0.2), (0.03, -0.1), (0.12, -0.08), (0.2, -0.02)], 24)
    bracket = p.join(
        p.box((0.03, 0.24, 0.012), iron, 0.003).move(0, -0.13, -d / 2),
        p.box((0.03, 0.012, d * 0.9), iron, 0.003).move(0, -0.018, 0),
        p.rod(p.in_plane(curl, "zy"), 0.008, iron, 10).move(0, 0, -d / 2),
        p.torus(0.03, 0.012, iron, 24, 8).rotate(z=90).move(0, -0.05, -d / 2 + 0.05),
    )
    board = p.join(p.box((w, 0.028, d), wood, 0.006), p.both(bracket.move(w * 0.34)))
    row = [board, filled(rng, w * 0.9, 0.28, d * 0.85).move(y=0.014)]
    if m.chance(rng):
        row += [board.move(y=-0.42), filled(rng, w * 0.9, 0.24, d * 0.85).move(y=-0.406)]
    return row


def cube_shelf(rng):
    """A grid of square holes, some with coloured boxes."""
    look = Look(m.paint(rng, m.light(rng)) if m.chance(rng, 0.7) else m.wood(rng), m.paint(rng), m.steel(rng), "none")
    columns, rows, side = int(rng.integers(2, 4)), int(rng.integers(3, 5)), 0.36
    kinds = ("crates", "crates", "books", "ornaments", "", "flat")
    grid = [(1, tuple((m.pick(rng, kinds), 1) for _ in range(rows))) for _ in range(columns)]
    return unit(rng, look, columns * side, rows * side, 0.36, grid)


def pipe_shelf(rng):
    """Thick planks on iron pipes with flanges."""
    iron, wood = m.dark_metal(rng), m.planks(rng)
    w, h, d, n = m.between(rng, 0.9, 1.3), m.between(rng, 1.2, 1.6), 0.34, 4
    pipe = p.cylinder(0.016, h, iron, segments=16).move(w * 0.42, h / 2, d * 0.36)
    parts = [p.four(p.join(pipe, p.cylinder(0.045, 0.012, iron, segments=24).move(w * 0.42, 0.006, d * 0.36)))]
    for y in np.linspace(0.14, h - 0.02, n):
        joint = p.cylinder(0.024, 0.05, iron, segments=16).move(w * 0.42, y - 0.03, d * 0.36)
        parts += [p.box((w, 0.035, d), wood, 0.006).move(0, y, 0), p.four(joint)]
        if y < h - 0.1:
            parts.append(filled(rng, w * 0.76, h / n - 0.08, d * 0.8).move(0, y + 0.018, 0))
    return parts


def steel_rack(rng):
    """Angle posts, sheet shelves, cardboard boxes and tubs, a cross brace at the back."""
    steel = m.enamel(rng, m.vary(rng, m.pick(rng, ("grey", "blue", "red", "light grey")), 0.03))
    w, h, d, n = m.between(rng, 0.9, 1.1), 1.7, 0.42, 4
    corner = [(0, 0), (-0.05, 0), (-0.05, -0.006), (-0.006, -0.006), (-0.006, -0.05), (0, -0.05)]
    post = p.extrude(corner, h, steel, 0).rotate(x=-90).mirror("z").move(w / 2, h / 2, d / 2)
    brace = s.plank((-w / 2, 0.2, -d / 2), (w / 2, h - 0.2, -d / 2), 0.02, 0.006, steel)
    parts = [p.four(post), p.both(brace)]
    for y in np.linspace(0.1, h - 0.03, n):
        parts.append(p.box((w, 0.035, d), steel, 0.004).move(0, y, 0))
        for x in (-0.25 * w, 0.25 * w) if y < h - 0.1 else ():
            tub = crates(rng, w * m.between(rng, 0.3, 0.42), h / n - 0.04, d * 0.8)
            parts.append(tub.move(x, y + 0.018, 0))
    return parts
