"""Boxes of cardboard, wood and paper."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category


def tray(w: float, h: float, d: float, finish, thick: float = 0.012, inside=None) -> p.Part:
    """An open box that stands on y = 0: a floor and four walls."""
    floor = p.box((w, thick, d), finish, 0.002, 1).move(y=thick / 2)
    sides = p.both(p.box((thick, h, d), finish, 0.002, 1).move((w - thick) / 2, h / 2))
    ends = p.both(p.box((w - thick, h, thick), finish, 0.002, 1).move(0, h / 2, (d - thick) / 2), "z")
    made = p.join(floor, sides, ends)
    if inside is None:
        return made
    within = lambda c: (np.abs(c[:, 0]) < w / 2 - thick * 0.8) & (np.abs(c[:, 2]) < d / 2 - thick * 0.8)  # noqa: E731
    return made.paint(inside, lambda c: within(c) & (c[:, 1] > thick * 0.7))


@category("box")
def box(rng, k):
    """Eight kinds: open carton, gift, crate, closed parcel, jewellery box, hat box, shoe box, archive box."""
    kinds = (open_carton, gift_box, wooden_crate, parcel, jewellery_box, hat_box, shoe_box, archive_box)
    return kinds[k % len(kinds)](rng)


def carton_size(rng) -> tuple[float, float, float]:
    return m.between(rng, 0.5, 0.65), m.between(rng, 0.3, 0.45), m.between(rng, 0.4, 0.5)


def open_carton(rng):
    """Cardboard with four flaps that stand open."""
    card, (w, h, d) = m.cardboard(rng), carton_size(rng)
    parts = [tray(w, h, d, card)]
    for side, length in ((w, d), (d, w)):
        flap = p.box((side * 0.45, 0.01, length * 0.98), card, 0.002, 1).move(side * 0.225)
        for turn in (0, 180):
            out = flap.rotate(z=m.between(rng, -45, 30)).move(side / 2 - 0.006, h - 0.004)
            parts.append(out.rotate(y=turn + (0 if side == w else 90)))
    ink = m.paper(rng, "dark brown")
    word = s.letters(m.pick(rng, ("BOOKS", "TOYS", "KITCHEN", "FRAGILE")), 0.06, 0.003, ink, 0.2)
    return [*parts, word.move(-0.04, h * 0.6, d / 2)]


def parcel(rng):
    """Closed cardboard with brown tape, an address label and arrows."""
    card, (w, h, d) = m.cardboard(rng), carton_size(rng)
    tape = m.plastic(rng, m.pick(rng, ("#a8814e", "#d8c7a0", "red")), 0.8)
    image = t.canvas((0.97, 0.97, 0.95), 128, 84)
    for y, right in ((0.8, 0.5), (0.6, 0.8), (0.45, 0.7), (0.3, 0.75)):
        t.draw(image, [[(0.08, y), (right, y)]], (0.15, 0.15, 0.2), 0.05)
    x, y = t.pixels(image)
    t.fill(image, (y < 0.2) & (x > 0.1) & (x < 0.9) & (np.sin(x * 160 + 9 * np.sin(31 * x)) > 0), (0.1, 0.1, 0.1))
    slip = p.box((w * 0.34, w * 0.22, 0.004), m.picture(image), 0.0005).move(-w * 0.2, h * 0.58, d / 2)
    arrow = p.extrude([(-0.03, 0), (0, 0.04), (0.03, 0), (0.01, 0), (0.01, -0.06), (-0.01, -0.06), (-0.01, 0)], 0.003,
                      m.paper(rng, "dark brown"), 0)  # fmt: skip
    arrows = [arrow.move(w * 0.33 + i * 0.08 - 0.04, h * 0.3, d / 2) for i in (0, 1)]
    parts = [p.box((w, h, d), card, 0.006).move(y=h / 2), slip, arrows]
    parts.append(p.box((w * 1.004, 0.004, 0.06), tape, 0.001, 1).move(y=h))
    parts.append(p.both(p.box((0.004, 0.12, 0.06), tape, 0.001, 1).move(w / 2, h - 0.06)))
    parts.append(p.box((w * 0.99, 0.003, 0.004), m.paper(rng, "black"), 0).move(y=h + 0.003))
    return parts


def gift_box(rng):
    """Wrapped, with a crossed ribbon and a bow."""
    w, h = m.between(rng, 0.42, 0.52), m.between(rng, 0.3, 0.5)
    cover = (
        m.patterned(rng, 0.4, kind=m.pick(rng, ("dots", "stripes", "flowers")))
        if m.chance(rng)
        else m.paper(rng, m.bright(rng))
    )
    ribbon = m.plastic(rng, m.pick(rng, (m.bright, m.light))(rng), 0.9)
    parts = [
        p.box((w, h, w), cover, 0.008).move(y=h / 2),
        p.box((w * 1.05, h * 0.2, w * 1.05), cover, 0.008).move(y=h * 0.92),
    ]
    for turn in (0, 90):
        band = p.join(p.box((0.07, h * 0.82, w * 1.01), ribbon, 0.003).move(y=h * 0.41),
                      p.box((0.07, h * 0.21, w * 1.06), ribbon, 0.003).move(y=h * 0.92))  # fmt: skip
        parts.append(band.rotate(y=turn))
    path = p.curve([(0, 0), (0.07, 0.1), (0.2, 0.13), (0.22, 0.04), (0.1, 0.01), (0, 0)], 30)
    side = np.gradient(p.in_plane(path), axis=0)
    up = np.column_stack([-side[:, 1], side[:, 0], 0 * side[:, 0]])
    frame = np.stack([p.in_plane(path) + (0, 0, z) + 0.006 * q * up / np.linalg.norm(up, axis=1, keepdims=True)
                      for z, q in ((-0.035, -1), (0.035, -1), (0.035, 1), (-0.035, 1))], axis=1)  # fmt: skip
    loop = p.loft(frame, ribbon, crease=50)
    tail = p.box((0.2, 0.008, 0.06), ribbon, 0.002, 1).move(0.1).rotate(z=-8).rotate(y=-38)
    knot = p.superellipsoid((0.09, 0.07, 0.09), ribbon, segments=20).move(y=0.02)
    bow = p.join(p.around(loop, 4, start=45), tail, tail.rotate(y=150), knot)
    return [*parts, bow.move(y=h * 1.02)]


def wooden_crate(rng):
    """Slats nailed to corner posts, open at the top, with hand holes; apples in it."""
    wood, (w, h, d) = m.wood(rng, m.pick(rng, ("pine", "oak", "maple"))), carton_size(rng)
    parts = [
        p.box((w, 0.015, d), wood, 0.003).move(y=0.012),
        p.four(p.box((0.035, h, 0.035), wood, 0.004).move(w / 2 - 0.03, h / 2, d / 2 - 0.03)),
    ]
    for i in range(3):
        y, high = h * (i + 0.5) / 3, h / 3 * 0.84
        parts.append(p.both(p.box((w, high, 0.015), wood, 0.003).move(0, y, d / 2), "z"))
        hole = [p.oval(d * 0.3, high * 0.45, 3, 20)] if i == 2 else []
        end = p.extrude(p.rectangle(d, high), 0.015, wood, 0.003, holes=hole).rotate(y=90).move(w / 2, y)
        parts.append(p.both(end))
    nail = p.disc(0.007, 0.006, m.dark_metal(rng), 8)
    parts.append(p.four(s.drops(nail, [(w / 2 - 0.03, h * (i + 0.5) / 3, d / 2 + 0.007) for i in range(3)])))
    parts.append(
        s.letters(
            m.pick(rng, ("FARM", "WINE", "APPLES", "TEA")), h * 0.15, 0.004, m.paper(rng, "dark brown"), 0.2
        ).move(0, h / 2, d / 2 + 0.008)
    )
    return parts


def jewellery_box(rng):
    """Open lid with a mirror, velvet, pearls and a small drawer."""
    wood, velvet, gold = (
        m.wood(rng),
        m.fabric(rng, m.pick(rng, ("crimson", "royal", "dark green", "purple")), "plush"),
        m.gold(rng),
    )
    w, h, d = 0.5, 0.26, 0.36
    parts = [tray(w, h, d, wood, 0.025, velvet), p.box((w - 0.04, 0.02, d - 0.04), velvet).move(y=h * 0.62)]
    lid = p.join(
        p.box((w, 0.05, d), wood, 0.012), p.box((w * 0.84, 0.006, d * 0.78), m.chrome(rng), 0.002).move(y=-0.026)
    )
    parts.append(lid.move(0, 0, d / 2).rotate(x=-m.between(rng, 65, 95)).move(0, h + 0.02, -d / 2))
    parts.append(p.box((w * 0.86, h * 0.34, 0.02), wood, 0.006).move(0, h * 0.27, d / 2))
    parts += [
        p.sphere(0.02, gold, 18).move(0, h * 0.27, d / 2 + 0.022),
        p.four(p.sphere(0.03, gold, 16).move(w / 2 - 0.03, -0.005, d / 2 - 0.03)),
    ]
    trim = p.extrude(
        p.rectangle(w * 0.92, h * 0.44, 0.01), 0.012, gold, 0.003, holes=[p.rectangle(w * 0.89, h * 0.38, 0.01)]
    )
    string = [
        (0.17 * np.cos(a) * np.sin(a / 2) ** 0.5, h * 0.62 + 0.025, 0.11 * np.sin(a)) for a in np.linspace(0.3, 6.2, 26)
    ]
    pearls = s.drops(p.sphere(0.018, m.ceramic(rng, "ivory"), 12), string)
    ring = p.join(p.torus(0.03, 0.01, gold, 24, 8).rotate(x=90), p.sphere(0.016, m.glass(rng, "red"), 10).move(y=0.035))
    return [*parts, trim.move(0, h * 0.27, d / 2), pearls, ring.move(0.02, h * 0.62 + 0.03, 0.0)]


def hat_box(rng):
    """Round, striped, with a lid, a ribbon and a bow."""
    r, h = m.between(rng, 0.28, 0.34), m.between(rng, 0.26, 0.4)
    tones = [m.srgb(c) for c in (m.light(rng), m.any_color(rng))]
    stripes = m.picture(t.stripes(tones * 16, size=192), 0.7)
    plain, ribbon = m.paper(rng, m.from_srgb(tones[1])), m.plastic(rng, m.bright(rng), 0.8)
    lid = p.lathe(p.fillet([(0, h), (r * 1.04, h), (r * 1.04, h - 0.09), (0, h - 0.09)], 0.008), plain, 64)
    ring = p.lathe([(r, h * 0.98), (r * 1.05, h - 0.035), (r * 1.05, h - 0.065), (r, h - 0.07)], ribbon, 64)
    bow = p.both(p.superellipsoid((0.13, 0.08, 0.06), ribbon, segments=18).move(0.065))
    return [
        p.cylinder(r, h - 0.02, stripes, 0.006, 64).move(y=h / 2 - 0.01),
        lid,
        ring,
        bow.move(0, h - 0.05, r * 1.07),
    ]


def shoe_box(rng):
    """Low, coloured, with the lid askew and tissue paper."""
    w, h, d = 0.62, 0.22, 0.36
    coat, cap = m.paper(rng, m.any_color(rng)), m.paper(rng, m.any_color(rng))
    word = m.pick(rng, ("RUN", "SHOES", "SPORT", "SIZE 42"))
    label = p.box((0.2, 0.1, 0.004), m.label(rng, word, "white", wide=2), 0.0005).move(-0.16, h * 0.42, d / 2)
    lid = p.join(tray(w * 1.03, 0.07, d * 1.04, cap).mirror("y"), p.box((w * 0.5, 0.002, 0.03), coat, 0).move(y=0.001))
    tissue = p.sheet(
        w * 0.94, d * 0.94, m.paper(rng, "white"), 0.01, lambda x, z: 0.03 * np.sin(19 * x + 8 * z) * np.cos(17 * z - x)
    )
    lid = lid.rotate(y=m.between(rng, -14, -8), z=-6).move(0.16, h + 0.06, -0.07)
    return [tray(w, h, d, coat, inside=m.paper(rng, "white")), tissue.move(y=h - 0.05), label, lid]


def archive_box(rng):
    """A lidded box with a hole to grip and metal corners."""
    w, h, d = 0.44, 0.34, 0.56
    coat = m.patterned(rng) if m.chance(rng, 0.4) else m.paper(rng, m.any_color(rng))
    metal, dark = m.chrome(rng), m.plastic(rng, "black", 0.1)
    lid = p.box((w * 1.03, 0.1, d * 1.02), coat, 0.006).move(y=h - 0.04)
    corner = p.box((0.035, 0.035, 0.035), metal, 0.005, 1)
    feet = p.four(corner.move(w / 2 - 0.015, 0.016, d / 2 - 0.015))
    caps = p.four(corner.move(w / 2 - 0.01, h - 0.005, d / 2 - 0.01))
    frame = p.extrude(p.rectangle(0.15, 0.085, 0.008), 0.012, metal, 0.003, holes=[p.rectangle(0.125, 0.06)])
    card = p.box((0.13, 0.065, 0.006), m.paper(rng, "white"), 0)
    text = m.pick(rng, ("2019", "TAX", "A-K", "PHOTOS"))
    word = s.letters(text, 0.115 / (len(text) + 0.5), 0.003, dark, 0.2).move(z=0.004)
    slot = p.extrude(p.oval(0.12, 0.04, 4, 24), 0.01, dark, 0.001).move(0, h * 0.2, d / 2)
    rim = p.extrude(p.oval(0.14, 0.06, 4, 24), 0.014, metal, 0.004, holes=[p.oval(0.118, 0.038, 4, 24)]).move(
        0, h * 0.2, d / 2
    )
    return [
        p.box((w, h - 0.01, d), coat, 0.006).move(y=h / 2),
        lid,
        feet,
        caps,
        p.join(frame, card, word).move(0, h * 0.52, d / 2 + 0.004),
        slot,
        rim,
    ]
