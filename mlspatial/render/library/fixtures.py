"""What belongs to kitchens and bathrooms: taps, soap dispensers, radiators, refrigerators."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import DARK_GLASS, bar, feet, hollow, readout, wrapped
from mlspatial.render.library.catalogue import category


# ---- water faucet --------------------------------------------------------------------------------------------------
def spout(points, radius: float, metal: p.Finish, rng, water: float = 0.0) -> p.Part:
    """A pipe through (z, y) points that ends downwards, with a nozzle and, when `water` > 0, a stream that long."""
    path = p.in_plane(p.curve(points, 40), "zy")
    z, y = points[-1]
    parts = [p.rod(path, radius, metal, 18), p.cylinder(radius * 1.2, radius * 1.6, metal, segments=24).move(0, y, z)]
    parts.append(p.cylinder(radius * 0.85, 0.01, DARK_GLASS, segments=20).move(0, y - radius * 0.8, z))
    if water:
        stream = p.cone(radius * 0.45, radius * 0.65, water, m.glass(rng, "#8fd0ee"), 0.01, 16)
        parts.append(stream.move(0, y - radius * 0.8 - water / 2, z))
    return p.join(parts)


def cross_handle(metal: p.Finish, dot: p.Finish, reach: float = 0.13) -> p.Part:
    """Four arms with round ends on a stem from y = 0, a coloured dot on top."""
    arm = p.join(
        p.capsule(0.022, reach, metal, 14).rotate(z=90).move(reach / 2), p.sphere(0.034, metal, 14).move(reach)
    )
    hub = p.lathe(p.fillet([(0, 0), (0.06, 0), (0.035, 0.08), (0.05, 0.15), (0, 0.15)], 0.015), metal, 24)
    return p.join(
        hub, p.around(arm.move(y=0.125), 4, start=45), p.cylinder(0.033, 0.03, dot, segments=20).move(y=0.155)
    )


def lever_handle(metal: p.Finish, dot: p.Finish, reach: float = 0.2) -> p.Part:
    """A stem from y = 0 with one flat lever along x, rising a little."""
    stem = p.cone(0.06, 0.045, 0.13, metal, segments=24).move(y=0.065)
    lever = p.capsule(0.03, reach, metal, 16).scale(1, 1, 0.6).rotate(z=-74).move(reach * 0.45, 0.15)
    return p.join(stem, lever, p.cylinder(0.025, 0.02, dot, segments=16).move(y=0.132))


def flange(radius: float, metal: p.Finish) -> p.Part:
    """A round foot on y = 0."""
    return p.lathe(
        p.fillet([(0, 0), (radius, 0), (radius * 0.95, 0.03), (radius * 0.55, 0.08), (0, 0.08)], 0.015), metal
    )


@category("water faucet")
def water_faucet(rng, k):
    """Gooseneck, basin mixer, two cross handles, garden tap, bridge, square waterfall, wall tap, coil spring."""
    kind = ("goose", "mixer", "cross", "garden", "bridge", "square", "wall", "coil")[k % 8]
    metal = (m.chrome, m.brushed_metal, m.brass, m.brass, m.copper, m.chrome, m.chrome, m.dark_metal)[k % 8](rng)
    metal = m.pick(rng, (m.chrome, m.gold, m.dark_metal))(rng) if k >= 8 else metal
    red, blue = m.enamel(rng, "red"), m.enamel(rng, "blue")
    water = m.between(rng, 0.25, 0.4) if k % 2 == 0 else 0.0
    if kind == "garden":
        body = p.lathe(
            p.fillet([(0, -0.16), (0.085, -0.16), (0.1, 0.0), (0.07, 0.12), (0.05, 0.3), (0, 0.3)], 0.03), metal
        )
        inlet = p.join(p.cylinder(0.075, 0.4, metal), flange(0.17, metal).move(y=-0.24)).rotate(x=90).move(z=-0.25)
        nut = p.extrude(p.circle(0.1, 6), 0.1, metal, 0.012).move(z=-0.12)
        ring = p.torus(0.15, 0.045, red, 40, 12).move(y=0.33)
        spoke = p.capsule(0.022, 0.3, red, 12).rotate(z=90).move(y=0.33)
        pipe = spout([(0.02, -0.02), (0.2, 0.0), (0.31, -0.08), (0.33, -0.24)], 0.07, metal, rng)
        thread = p.join([p.torus(0.085, 0.02, metal, 28, 8).move(0, -0.2 - 0.03 * i, 0.33) for i in range(3)])
        drop = p.lathe(p.curve([(0, -0.5), (0.035, -0.47), (0.02, -0.42), (0, -0.37)], 14), m.glass(rng, "sky"), 20)
        return [body, inlet, nut, ring, p.around(spoke, 2), pipe, thread, drop.move(z=0.33)]
    if kind == "mixer":
        body = p.lathe(p.fillet([(0, 0), (0.15, 0), (0.12, 0.05), (0.115, 0.36), (0.12, 0.42), (0, 0.45)], 0.03), metal)
        pipe = spout([(0.0, 0.24), (0.2, 0.3), (0.42, 0.3), (0.5, 0.24)], 0.065, metal, rng, water)
        lever = p.superellipsoid((0.1, 0.035, 0.36), metal, 3, 3, 24).rotate(x=-24).move(0, 0.53, 0.12)
        dome = p.superellipsoid((0.24, 0.2, 0.24), metal, segments=32).move(y=0.44)
        dots = [p.disc(0.014, 0.02, c, 14).move(x, 0.36, 0.112) for x, c in ((-0.02, red), (0.02, blue))]
        return [body, pipe, lever, dome, *dots]
    if kind == "square":
        tap = p.box((0.2, 0.5, 0.16), metal, 0.015).move(y=0.25)
        chute = p.box((0.22, 0.045, 0.46), metal, 0.012).rotate(x=5).move(0, 0.42, 0.22)
        sheet = p.box((0.17, 0.3, 0.025), m.glass(rng, "#8fd0ee"), 0.01).move(0, 0.26, 0.44)
        lever = p.join(
            p.box((0.12, 0.05, 0.12), metal, 0.01), p.box((0.07, 0.02, 0.24), metal, 0.006).move(0, 0.03, 0.08)
        )
        return [tap, chute, sheet, lever.move(0, 0.535, 0.02), p.box((0.28, 0.025, 0.24), metal, 0.008)]
    if kind == "coil":
        neck = [(0, 0.1), (0, 0.75), (0.1, 0.98), (0.28, 1.02), (0.4, 0.86), (0.42, 0.62)]
        pipe = spout(neck, 0.032, m.rubber(rng), rng, water)
        path = p.in_plane(p.curve(neck[:-1], 44), "zy")[12:]
        ring = p.torus(0.05, 0.022, m.chrome(rng), 14, 5)
        coil = [ring.aim(a, b) for a, b in pairwise(path)]
        body = p.lathe(p.fillet([(0, 0), (0.14, 0), (0.085, 0.05), (0.08, 0.4), (0.04, 0.44), (0, 0.44)], 0.02), metal)
        head = p.cone(0.075, 0.05, 0.24, metal, segments=28).move(0, 0.56, 0.42)
        hook = s.between((0, 0.62, 0), (0, 0.6, 0.36), 0.018, metal)
        return [pipe, coil, body, head, hook, lever_handle(metal, blue, 0.22).rotate(z=-90).move(0.06, 0.26)]
    tall = {"goose": 0.95, "cross": 0.42, "bridge": 0.85, "wall": 0.25}[kind] * m.between(rng, 0.92, 1.08)
    reach = {"goose": 0.5, "cross": 0.42, "bridge": 0.56, "wall": 0.6}[kind]
    neck = [(0, 0.05), (0, tall * 0.72), (reach * 0.22, tall * 0.96), (reach * 0.7, tall * 0.97), (reach, tall * 0.7)]
    if kind in ("goose", "bridge"):
        neck.append((reach * 1.02, tall * 0.52))
    parts = [spout(neck, 0.05, metal, rng, water)]
    column = [(0, 0), (0.1, 0), (0.085, 0.06), (0.075, 0.2), (0.09, 0.24), (0.06, 0.3), (0, 0.3)]
    parts += [p.lathe(p.fillet(column, 0.015), metal, 32), flange(0.13, metal)]
    if kind == "goose":
        return [*parts, lever_handle(metal, red, 0.24).rotate(z=-90).move(0.05, 0.16)]
    white = m.ceramic(rng, "white")
    for x, dot in ((-0.36, red), (0.36, blue)):
        handle = lever_handle(white if k % 3 else metal, dot).scale(np.sign(x), 1, 1) if kind == "bridge" else None
        handle = handle or cross_handle(metal, dot)
        parts += [
            handle.move(x, 0.22, 0),
            p.cone(0.085, 0.06, 0.24, metal, segments=28).move(x, 0.12),
            flange(0.12, metal).move(x),
        ]
    if kind == "cross":
        return [*parts, p.extrude(p.rectangle(0.98, 0.26, 0.12), 0.05, metal, 0.02).rotate(x=-90)]
    parts.append(p.cylinder(0.045, 0.72, metal, segments=24).rotate(z=90).move(y=0.13))
    if kind == "wall":  # pipes to the wall behind
        pipe = p.join(p.cylinder(0.05, 0.26, metal, segments=24), flange(0.12, metal).move(y=-0.13)).rotate(x=90)
        parts.append(p.both(pipe.move(0.36, 0.11, -0.13)))
    return parts


# ---- soap dispenser ------------------------------------------------------------------------------------------------
def pump(rng, y: float, finish: p.Finish, soap: p.Finish) -> p.Part:
    """Collar, stem and a head with a nozzle to the right and a drop, standing on y."""
    collar = p.extrude(p.star(20, 0.1, 0.094), 0.1, finish, 0.01).rotate(x=90).move(y=0.05)
    head = p.join(
        p.cylinder(0.035, 0.22, m.chrome(rng), segments=16).move(y=0.16),
        p.cone(0.085, 0.07, 0.08, finish, 0.02, 28).move(y=0.3),
        p.rod(p.fillet([(0, 0.31, 0), (0.24, 0.31, 0), (0.29, 0.24, 0)], 0.05), 0.03, finish, 12),
    )
    drop = p.lathe(p.curve([(0, -0.05), (0.028, -0.02), (0.015, 0.03), (0, 0.06)], 12), soap, 16).move(0.29, 0.15)
    return p.join(collar, head, drop).move(y=y)


@category("soap dispenser")
def soap_dispenser(rng, k):
    """Round bottle, square glass, oval pottery, wall box with a window, sensor tap, flat labelled bottle: pumps all."""
    kind = ("round", "square", "oval", "wall", "sensor", "flat")[k % 6]
    tone = m.vary(rng, ("turquoise", "orange", "pink", "lime", "sky", "violet")[(k + k // 6) % 6], 0.04)
    soap = m.glass(rng, tone)
    metal = m.pick(rng, (m.chrome, m.gold, m.dark_metal))(rng)
    white, dark = m.plastic(rng, "white", 0.7), m.plastic(rng, "charcoal", 0.5)
    if kind == "wall":
        line = p.fillet([(-0.15, -0.42), (0.13, -0.42), (0.2, 0.1), (0.12, 0.46), (-0.15, 0.46)], 0.06, closed=True)
        case = p.extrude(line, 0.5, white, 0.04, rings=3).rotate(y=-90)
        window = p.box((0.24, 0.34, 0.05), soap, 0.02).rotate(x=11).move(0, 0.25, 0.15)
        lever = p.box((0.4, 0.2, 0.08), dark, 0.03).rotate(x=-10).move(0, -0.32, 0.17)
        word = p.box((0.42, 0.19, 0.02), m.label(rng, "SOAP", "white", "blue", 2.2)).rotate(x=-7).move(0, -0.08, 0.175)
        blob = p.lathe(p.curve([(0, -0.1), (0.06, -0.06), (0.03, 0.02), (0, 0.07)], 14), soap, 20).move(0, -0.52, 0.05)
        return [case, window, lever, word, blob, p.cylinder(0.04, 0.08, dark, segments=20).move(0, -0.44, 0.05)]
    if kind == "sensor":
        body = p.extrude(p.oval(0.42, 0.36, 3), 0.6, white, 0.05, rings=3).rotate(x=-90).move(y=0.3)
        tank = p.extrude(p.oval(0.36, 0.3, 3), 0.34, soap, 0.02).rotate(x=-90).scale(1.18, 1, 1.2).move(y=0.22)
        arm = p.superellipsoid((0.24, 0.13, 0.5), white, 3, 3, 32).move(0, 0.64, 0.14)
        tip = p.cone(0.02, 0.03, 0.06, dark, segments=16).move(0, 0.56, 0.3)
        foam = p.superellipsoid((0.09, 0.06, 0.09), soap, segments=20).move(0, 0.46, 0.3)
        eye = p.disc(0.03, 0.02, p.Finish(m.linear("red"), 0.2), 16).move(0, 0.65, 0.385)
        return [body, tank, arm, tip, foam, eye]
    cap = metal if kind != "flat" else white
    if kind == "round":
        line = [(0, 0), (0.26, 0), (0.26, 0.5), (0.22, 0.6), (0.09, 0.66), (0.09, 0.7), (0, 0.7)]
        bottle = p.lathe(p.fillet(line, 0.06), soap if k < 6 else m.ceramic(rng, tone))
        band = wrapped(0.264, 0.12, 0.44, m.label(rng, "SOAP", "white", None, 5.2, span=0.3))
        return [bottle, band, pump(rng, 0.69, white, soap)]
    if kind == "square":
        glass = p.box((0.46, 0.56, 0.46), m.glass(rng), 0.05, 3).move(y=0.3)
        full = p.box((0.468, 0.36, 0.468), soap, 0.04, 3).move(y=0.215)
        neck = p.cylinder(0.09, 0.1, metal).move(y=0.6)
        return [glass, full, neck, pump(rng, 0.62, metal, soap)]
    if kind == "oval":
        line = p.curve([(0.16, 0), (0.3, 0.16), (0.27, 0.36), (0.13, 0.52), (0.09, 0.6)], 24)
        image = t.stripes([m.srgb("white"), m.srgb(tone), m.srgb("white"), m.srgb(tone)], [2, 1, 0.5, 2], upright=False)
        return [p.lathe(line, m.picture(image, 0.2)), pump(rng, 0.58, metal, m.glass(rng, "white"))]
    flat = p.extrude(
        p.fillet([(-0.27, 0), (0.27, 0), (0.25, 0.58), (0.1, 0.7), (-0.1, 0.7), (-0.25, 0.58)], 0.07, True),
        0.26,
        m.plastic(rng, tone, 0.8),
        0.09,
        rings=4,
    )
    label = p.both(
        p.extrude(p.oval(0.36, 0.36, 2.6), 0.02, m.label(rng, "HANDS", "white", None, 1.0)).move(0, 0.3, 0.13), "z"
    )
    return [flat, label, pump(rng, 0.68, cap, soap)]


# ---- radiator ------------------------------------------------------------------------------------------------------
def valve(rng, metal: p.Finish) -> p.Part:
    """A valve with a ribbed white head, pointing up, its pipe going down from the origin."""
    head = p.extrude(p.star(14, 0.04, 0.035), 0.1, m.plastic(rng, "white"), 0.012).rotate(x=90).move(y=0.08)
    return p.join(head, p.cylinder(0.022, 0.16, metal, segments=16).move(y=-0.06), p.sphere(0.035, metal, 16))


@category("radiator")
def radiator(rng, k):
    """Cast-iron columns, a steel panel with a grille, an oil heater on wheels, a towel ladder."""
    kind = ("columns", "panel", "oil", "ladder")[k % 4]
    coat = m.enamel(
        rng, m.vary(rng, m.pick(rng, ("white", "ivory", "light grey")) if kind != "columns" or k else "cream", 0.02)
    )
    brass, dark = m.brass(rng), m.plastic(rng, "charcoal", 0.5)
    n, h = int(rng.integers(9, 13)), 0.72
    if kind == "ladder":
        posts = p.both(p.capsule(0.022, 1.1, m.chrome(rng), 18).move(0.26, 0.55))
        heights = [y + 0.05 * i for y in (0.1, 0.42, 0.76) for i in range(5)]
        rungs = [p.cylinder(0.013, 0.52, m.chrome(rng), 0, 14).rotate(z=90).move(0, y, 0.012) for y in heights]
        fold = p.fillet([(-0.03, 0.62), (-0.03, 0.99), (0.05, 0.99), (0.05, 0.48)], 0.035)
        towel = p.strap(p.in_plane(fold, "zy"), 0.3, 0.022, m.fabric(rng, m.bright(rng), "plush"), up=(0, 0.2, 1))
        return [posts, *rungs, towel, valve(rng, brass).move(0.26, -0.05)]
    if kind == "panel":
        w = 1.1
        shade = m.enamel(rng, m.blend(coat.color, "#3c4044", 0.45))  # between the ribs, which show from afar so
        ribs = p.repeat(p.box((0.056, h * 0.86, 0.05), coat, 0.022, 3), 12, (w / 12.6, 0, 0)).move(0, h / 2, 0.065)
        sides = p.both(p.box((0.02, h, 0.14), coat, 0.006).move(w / 2 + 0.005, h / 2))
        grille = p.repeat(p.box((0.012, 0.02, 0.12), coat, 0), 36, (w / 37, 0, 0)).move(y=h - 0.004)
        panels = [p.box((w, h, 0.03), tone, 0.01).move(0, h / 2, z) for z, tone in ((0.045, shade), (-0.045, coat))]
        rails = [p.box((w, 0.06, 0.05), coat, 0.02).move(0, y, 0.06) for y in (0.03, h - 0.03)]
        pipe = p.rod(p.fillet([(0, 0, 0), (0.09, 0, 0), (0.09, -0.2, 0)], 0.03), 0.024, m.copper(rng), 12)
        pipes = p.both(pipe.move(w / 2, 0.1))
        tap = valve(rng, brass).scale(1.6).move(w / 2 + 0.09, 0.12)
        return [ribs, sides, grille, panels, rails, pipes, tap, p.box((w, 0.02, 0.09), dark, 0).move(y=h - 0.05)]
    deep = 0.24 if kind == "oil" else 0.2
    thick = 0.028 if kind == "oil" else 0.06
    step = 0.062 if kind == "oil" else 0.085
    column = p.fillet(p.rectangle(deep, h), 0.08, closed=True)
    if kind == "oil":
        fin = p.extrude(column, thick, coat, 0.01).rotate(y=90).move(y=h / 2)
    else:  # three tubes joined at both ends
        tube = p.cylinder(thick * 0.52, h, coat, 0, 12).move(y=h / 2)
        ends = p.box((thick * 1.3, 0.13, deep + 0.05), coat, 0.036, 2)
        fin = p.join([tube.move(z=z) for z in (-0.08, 0, 0.08)], ends.move(y=0.07), ends.move(y=h - 0.07))
    wide = n * step
    pipes = [p.cylinder(0.035, wide, coat, 0.005, 18).rotate(z=90).move(y=y) for y in (0.1, h - 0.1)]
    parts = [p.repeat(fin, n, (step, 0, 0)), *pipes]
    if kind == "columns":
        foot = p.box((0.06, 0.1, deep + 0.08), coat, 0.02).move(wide / 2 - step / 2, -0.03)
        return [
            *parts,
            p.both(foot),
            valve(rng, brass).move(wide / 2 + 0.06, 0.12),
            p.sphere(0.04, brass, 18).move(-wide / 2, h - 0.1),
        ]
    box = p.box((0.13, h * 0.96, deep * 1.02), dark, 0.03).move(wide / 2 + 0.05, h / 2)
    dials = [p.disc(0.045, 0.04, coat, 24).rotate(y=90).move(wide / 2 + 0.125, y, 0) for y in (0.5, 0.36)]
    wheels = p.four(s.wheel(0.05, 0.03, m.rubber(rng), dark).move(wide / 2 - 0.08, -0.06, deep * 0.55))
    axle = p.both(p.box((0.05, 0.05, deep * 1.2), dark, 0.01).move(wide / 2 - 0.08, -0.02))
    return [
        *parts,
        box,
        *dials,
        wheels,
        axle,
        p.box((0.02, 0.06, 0.1), m.plastic(rng, "red")).move(wide / 2 + 0.115, 0.2),
    ]


# ---- refrigerator --------------------------------------------------------------------------------------------------
def groceries(rng, w: float, d: float) -> p.Part:
    """Bottles, jars, boxes and fruit in a row on a shelf at y = 0."""
    parts, x = [], -w / 2 + 0.07
    while x < w / 2 - 0.05:
        tone, kind = m.bright(rng), m.pick(rng, ("bottle", "jar", "box", "fruit"))
        if kind == "bottle":
            r, item = (
                0.04,
                p.lathe(
                    p.fillet([(0, 0), (0.04, 0), (0.04, 0.13), (0.015, 0.17), (0.015, 0.21)], 0.01),
                    m.plastic(rng, tone),
                    20,
                ),
            )
        elif kind == "jar":
            r, item = (
                0.05,
                p.join(
                    p.cylinder(0.05, 0.1, m.glass(rng, tone), segments=20).move(y=0.05),
                    p.cylinder(0.045, 0.03, m.gold(rng), segments=20).move(y=0.11),
                ),
            )
        elif kind == "box":
            r, item = 0.055, p.box((0.1, 0.2, 0.08), m.label(rng, "MILK", "white", tone, 0.5)).move(y=0.1)
        else:
            r, item = 0.045, p.sphere(0.045, m.plastic(rng, tone), 20).move(y=0.045)
        parts.append(item.move(x, 0, m.between(rng, 0, d * 0.25)))
        x += 2 * r + 0.025
    return p.join(parts)


def magnets(rng, w: float, h: float) -> p.Part:
    """Notes held by coloured magnets, facing +z."""
    parts = []
    for x, y in ((-0.25, 0.2), (0.1, -0.05), (0.28, 0.25)):
        if x < 0:  # a child's drawing of a house in the sun
            image = t.canvas(m.srgb("white"), 48, 60)
            u, v = t.pixels(image)
            t.fill(image, v < 0.25, m.srgb("lime"))
            t.fill(image, (np.abs(u - 0.45) < 0.22) & (v > 0.2) & (v < 0.5), m.srgb("orange"))
            t.fill(image, (v > 0.5) & (np.abs(u - 0.45) < 0.3 - 1.2 * (v - 0.5)), m.srgb("red"))
            t.fill(image, np.hypot(u - 0.8, (v - 0.85) * 1.25) < 0.12, m.srgb("yellow"))
            note = p.box((0.16, 0.2, 0.006), m.picture(image, 0.8), 0)
        else:
            note = p.box((0.12, 0.14, 0.006), m.paper(rng, m.pick(rng, ("yellow", "white", "pink"))), 0)
        dot = p.disc(0.024, 0.024, m.plastic(rng, m.bright(rng)), 16).move(y=0.06, z=0.006)
        parts.append(p.join(note, dot).rotate(z=m.between(rng, -9, 9)).move(x * w, y * h))
    return p.join(parts)


@category("refrigerator")
def refrigerator(rng, k):
    """Open and full of food, rounded with chrome handles, steel with one door open, white with notes."""
    kind = ("open", "retro", "double", "white")[k % 4]
    w = 0.9 if kind == "double" else 0.62
    h, d, z = (1.45 if kind == "retro" else 1.7), 0.6, 0.3
    tone = m.vary(rng, m.pick(rng, ("mint", "red", "sky", "cream", "pink")), 0.03) if kind == "retro" else "white"
    shell = m.brushed_metal(rng) if kind == "double" else m.enamel(rng, tone)
    chrome, dark = m.chrome(rng), m.plastic(rng, "black", 0.6)
    split = h * (0.3 if kind in ("white", "open") else 0.72)
    parts = [feet(w * 0.4, d * 0.4, dark, 0.05, 0.035)]

    def door(wide, high, side):
        """A door about its centre; its handle at `side` (-1 left, 1 right)."""
        edge = 0.09 if kind == "retro" else 0.02
        leaf = p.extrude(p.rectangle(wide, high, edge), 0.07, shell, 0.03 if kind == "retro" else 0.012, rings=3)
        grip = bar(min(0.45, high * 0.6), 0.022, chrome).rotate(z=90)
        return p.join(leaf, grip.move(side * (wide / 2 - 0.06), 0, 0.03))

    upper, lower = h - split - 0.01, split - 0.01
    if kind == "double":
        grey, half = m.enamel(rng, "charcoal"), w / 2
        parts.append(p.box((half, h, d), grey, 0.012).move(-half / 2, h / 2))
        parts.append(hollow(half, h, d, 0.04, grey, m.enamel(rng, "white")).move(half / 2))
        for y in np.linspace(0.05, h - 0.4, 5):
            shelf = p.box((half - 0.07, 0.015, d - 0.12), m.glass(rng))
            parts += [q.move(half / 2, y, 0.04) for q in (shelf, groceries(rng, half - 0.08, d).scale(1, 1.3, 1))]
        parts.append(door(half - 0.006, h - 0.02, 1).move(-half / 2, h / 2, z + 0.03))
        open_ = door(half - 0.006, h - 0.02, -1).move(half / 2, h / 2, z + 0.04)
        parts.append(open_.rotate(y=115, about=(w / 2, 0, z + 0.02)))
        nook = p.join(
            p.box((0.24, 0.36, 0.02), dark, 0.01), p.box((0.2, 0.07, 0.02), readout("4 C"), 0).move(0, 0.12, 0.005)
        )
        lever = p.box((0.05, 0.09, 0.03), m.plastic(rng, "silver"), 0.008).move(0, 0.0, 0.01)
        tray = p.box((0.18, 0.02, 0.05), chrome).move(0, -0.15, 0.02)
        return [*parts, p.join(nook, lever, tray).move(-w / 4 - 0.02, h * 0.6, z + 0.065)]
    parts.append(door(w, lower, 1 if kind != "open" else -1).move(0, split / 2, z + 0.03))
    if kind != "open":
        parts += [p.box((w, h, d), shell, 0.08 if kind == "retro" else 0.012, 3).move(y=h / 2)]
        parts.append(door(w, upper, 1).move(0, (h + split) / 2, z + 0.03))
        badge = p.box((0.2, 0.035, 0.02), chrome, 0.008).move(-0.1, h * 0.9, z + 0.065)
        high, y = (lower, split / 2) if kind == "retro" else (upper, (h + split) / 2)
        return [*parts, badge if kind == "retro" else None, magnets(rng, w, high).move(-0.04, y, z + 0.067)]
    light = m.enamel(rng, "#f3f5f2")
    parts += [
        p.box((w, split, d), shell, 0.012).move(y=split / 2),
        hollow(w, h - split, d, 0.04, shell, light).move(y=split),
    ]
    for i, y in enumerate(np.linspace(split + 0.06, h - 0.38, 4)):
        if i:
            parts.append(p.box((w - 0.09, 0.015, d - 0.12), m.glass(rng)).move(y=y))
        parts.append(groceries(rng, w - 0.1, d).move(0, y + 0.01, 0.02))
    shelves = [p.join(p.box((w - 0.1, 0.07, 0.1), m.glass(rng), 0.01), groceries(rng, w - 0.12, 0.0)) for _ in range(2)]
    racks = p.join([shelf.move(0, y, -0.08) for shelf, y in zip(shelves, (-0.4, 0.1), strict=True)])
    leaf = p.join(door(w, upper, 1), racks).move(0, (h + split) / 2, z + 0.04)
    return [*parts, leaf.rotate(y=-140, about=(-w / 2, 0, z + 0.02))]
