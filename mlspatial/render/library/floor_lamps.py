"""Lamps that stand on the floor."""

from __future__ import annotations

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.catalogue import category
from mlspatial.render.library.decor import lamp_shade, light_shade_finish


@category("floor lamp")
def floor_lamp(rng, k):
    """A shade on a pole, tripod, arc, uplighter, jointed reading lamp, paper box, tree of lights, globe, lantern."""
    kinds = (classic_lamp, tripod_lamp, arc_lamp, uplighter, reading_lamp, shoji_lamp, lamp_tree, globe_lamp, twin_lamp)
    metal = m.pick(rng, (m.brass, m.chrome, m.dark_metal, m.brushed_metal))(rng)
    return kinds[k % len(kinds)](rng, metal)


def lamp_foot(rng, metal, r: float = 0.15) -> p.Part:
    """A flat or domed round foot, sometimes of marble."""
    finish = m.marble(rng) if m.chance(rng, 0.25) else metal
    high = m.between(rng, 0.02, 0.05)
    return p.lathe(p.fillet([(0, 0), (r, 0), (r, 0.02), (0.03, high + 0.01), (0, high + 0.01)], 0.012), finish)


def shaded(rng, bottom: float, metal) -> p.Part:
    """A cloth shade with a bulb; its rod's upper end is at the origin, the shade reaches from -0.1 upwards."""
    high = bottom * m.between(rng, 1.0, 1.4)
    shade = lamp_shade(rng, bottom, bottom * m.between(rng, 0.5, 0.95), high, light_shade_finish(rng)).move(y=-0.1)
    return p.join(shade, p.sphere(0.05, m.glass(rng, "ivory"), 20), p.cylinder(0.025, 0.09, metal, segments=16))


def classic_lamp(rng, metal):
    """A plain or turned pole in the middle."""
    pole = s.turned(rng, 1.3, 0.04, m.wood(rng)) if m.chance(rng) else p.cylinder(0.022, 1.3, metal).move(y=0.65)
    return [lamp_foot(rng, metal), pole.move(y=0.02), shaded(rng, m.between(rng, 0.2, 0.26), metal).move(y=1.36)]


def tripod_lamp(rng, metal):
    """Three wooden legs that meet under a drum shade."""
    wood = m.wood(rng)
    leg = s.between((0.3, 0, 0), (0.03, 1.1, 0), 0.014, wood, 0.022)
    brace = p.around(s.between((0, 0.5, 0), (0.18, 0.5, 0), 0.008, metal, sides=10), 3, start=30)
    hub = p.cylinder(0.06, 0.08, metal, segments=24).move(y=1.1)
    return [p.around(leg, 3, start=30), brace, hub, shaded(rng, m.between(rng, 0.22, 0.28), metal).move(y=1.24)]


def arc_lamp(rng, metal):
    """A long bow from a marble block, a dome at its end."""
    reach, high = m.between(rng, 0.8, 1.05), m.between(rng, 1.4, 1.6)
    path = p.curve(
        [(0, 0.05), (-0.02, high * 0.6), (reach * 0.35, high), (reach * 0.8, high * 0.96), (reach, high * 0.82)], 48
    )
    dome = p.lathe(p.wall(p.arc(0.2, 2, 80, 16)[::1], 0.01), m.pick(rng, (m.chrome, m.enamel))(rng))
    block = p.box((0.3, 0.1, 0.24), m.marble(rng), 0.015).move(y=0.05)
    bulb = p.sphere(0.08, m.glass(rng, "ivory"), 24)
    shade = p.join(dome, bulb.move(y=0.03), p.cylinder(0.05, 0.05, metal).move(y=0.2)).rotate(z=-12)
    return p.join(block, p.rod(p.in_plane(path), 0.018, metal), shade.move(reach, high * 0.82 - 0.22)).rotate(y=-20)


def uplighter(rng, metal):
    """A slim pole with a bowl that shines at the ceiling."""
    bowl = p.wall(p.curve([(0.03, 0), (0.1, 0.02), (0.17, 0.07), (0.21, 0.15)], 16), 0.01)
    glow = p.cylinder(0.17, 0.02, m.glass(rng, "ivory")).move(y=0.09)
    finish = m.pick(rng, (m.glass, m.enamel, m.metal))(rng, m.light(rng))
    rings = [p.torus(0.022, 0.02, metal, 20, 8).move(y=y) for y in (0.5, 0.95)]
    return [lamp_foot(rng, metal), p.cylinder(0.02, 1.5, metal).move(y=0.76), *rings,
            p.join(p.lathe(bowl, finish), glow).move(y=1.49)]  # fmt: skip


def reading_lamp(rng, metal):
    """A pole with a jointed arm and a metal bell."""
    paint = m.enamel(rng)
    elbow, tip = (-0.1, 1.2, 0), (0.34, 1.4, 0)
    outline = p.curve([(0.14, 0), (0.13, 0.06), (0.07, 0.14), (0.035, 0.16), (0.03, 0.22)], 18)
    bell = p.join(p.lathe(p.wall(outline, 0.006), paint, 40), p.sphere(0.055, m.glass(rng, "ivory"), 20).move(y=0.05),
                  p.cylinder(0.034, 0.03, metal).move(y=0.22))  # fmt: skip
    joint = p.cylinder(0.03, 0.06, metal, segments=20).rotate(x=90)
    bell = bell.move(y=-0.22).rotate(z=m.between(rng, 15, 40)).move(*tip)
    arms = [s.between((0, 0.02, 0), elbow, 0.02, metal), s.between(elbow, tip, 0.017, metal)]
    return [lamp_foot(rng, paint), arms, joint.move(*elbow), joint.move(*tip), bell]


def shoji_lamp(rng, metal):
    """A tall box of paper in a wooden lattice."""
    wood, paper = m.wood(rng), m.paper(rng, m.vary(rng, m.pick(rng, ("white", "ivory", "cream")), 0.02))
    w, h, rows = m.between(rng, 0.28, 0.36), m.between(rng, 1.1, 1.35), int(rng.integers(4, 7))
    post = p.box((0.03, h, 0.03), wood, 0.004, 1).move(w / 2, h / 2, w / 2)
    rail = p.box((w, 0.02, 0.016), wood, 0.003, 1).move(0, 0.12, w / 2)
    rails = p.repeat(rail, rows + 1, (0, (h - 0.16) / rows, 0)).move(y=(h - 0.16) / 2)
    bar = p.box((0.014, h - 0.16, 0.014), wood, 0.003, 1).move(0, 0.12 + (h - 0.16) / 2, w / 2)
    body = p.box((w * 0.96, h - 0.16, w * 0.96), paper, 0.004, 1).move(y=0.12 + (h - 0.16) / 2)
    return [p.four(post), p.around(p.join(rails, bar), 4), body]


def lamp_tree(rng, metal):
    """A pole with three or more arms and small bells of glass."""
    parts, n = [lamp_foot(rng, metal), p.cylinder(0.022, 1.45, metal).move(y=0.73)], int(rng.integers(3, 6))
    bell = p.lathe(p.wall(p.curve([(0.025, 0), (0.06, 0.02), (0.085, 0.12)], 12), 0.006), None, 28)
    for i in range(n):
        arm = p.curve(
            [(0, 1.0 + 0.12 * i), (0.16, 1.1 + 0.12 * i), (0.3, 1.06 + 0.12 * i), (0.34, 0.98 + 0.12 * i)], 20
        )
        glass = m.glass(rng, m.pick(rng, (m.bright, m.pastel))(rng))
        head = bell.paint(glass).rotate(z=200).move(0.34, 0.98 + 0.12 * i)
        parts.append(p.join(p.rod(p.in_plane(arm), 0.012, metal), head).rotate(y=360 * i / n + 20))
    return parts


def globe_lamp(rng, metal):
    """One to three milk glass globes on a forked pole."""
    parts, glass = [lamp_foot(rng, metal)], m.glass(rng, m.pick(rng, ("white", "ivory", "cream")))
    places = [(0.0, 1.3)] if m.chance(rng, 0.3) else [(-0.22, 1.15), (0.02, 1.45), (0.24, 0.9)]
    for x, y in places:
        arm = p.fillet([(0, 0.02), (0, y - 0.3), (x, y - 0.16), (x, y)], 0.1)
        parts += [
            p.rod(p.in_plane(arm), 0.018, metal),
            p.sphere(0.15 if len(places) > 1 else 0.2, glass).move(x, y + 0.1),
        ]
        parts.append(p.cylinder(0.05, 0.04, metal, segments=24).move(x, y - 0.04))
    return parts


def twin_lamp(rng, metal):
    """A shade on top and a small table half way up."""
    wood = m.wood(rng)
    tray = p.cylinder(0.24, 0.03, wood).move(y=0.62)
    feet = p.around(s.between((0, 0.12, 0), (0.25, 0.015, 0), 0.018, metal, 0.012), 4, start=45)
    mug = p.join(
        p.cylinder(0.045, 0.1, m.ceramic(rng)), p.box((0.16, 0.03, 0.11), m.fabric(rng), 0.004).move(0.02, -0.04, -0.12)
    )
    return [feet, p.cylinder(0.022, 1.35, metal).move(y=0.7), tray, mug.move(-0.1, 0.69, 0.12),
            shaded(rng, 0.25, metal).move(y=1.34)]  # fmt: skip
