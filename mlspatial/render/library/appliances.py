"""Kitchen and house appliances: boxes with doors, knobs and something that tells what they are for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import textures as t
from mlspatial.render.library.catalogue import category

DARK_GLASS = p.Finish((0.014, 0.015, 0.018), 0.07)


# ---- shared pieces -------------------------------------------------------------------------------------------------
def wire(start, end, radius: float, finish: p.Finish) -> p.Part:
    """A straight rod of few triangles."""
    length = float(np.linalg.norm(np.subtract(end, start)))
    return p.cone(radius, radius, length, finish, bevel=0, segments=6).move(y=length / 2).aim(start, end)


def hollow(w: float, h: float, d: float, wall: float, outside: p.Finish, inside: p.Finish) -> p.Part:
    """A box on y = 0 that is open to the front."""
    shell = p.join(
        p.both(p.box((wall, h, d), outside, 0.1 * wall).move(w / 2 - wall / 2, h / 2)),
        *[p.box((w, wall, d), outside, 0.1 * wall).move(y=y) for y in (wall / 2, h - wall / 2)],
        p.box((w, h, wall), outside, 0.1 * wall).move(0, h / 2, -d / 2 + wall / 2),
    )

    def within(c: np.ndarray) -> np.ndarray:
        x, y, z = np.abs(c[:, 0]), np.abs(c[:, 1] - h / 2), c[:, 2]
        return (x < w / 2 - 0.6 * wall) & (y < h / 2 - 0.6 * wall) & (z > -d / 2 + 0.6 * wall)

    return shell.paint(inside, within)


def knob(rng, radius: float, finish: p.Finish, mark: p.Finish) -> p.Part:
    """A ribbed knob that faces +z, its back at z = 0, with a pointer."""
    body = p.extrude(p.star(12, radius, radius * 0.92), radius * 0.7, finish, 0.08 * radius).move(z=radius * 0.35)
    pointer = p.box((radius * 0.2, radius * 0.8, radius * 0.12), mark, 0).move(0, radius * 0.45, radius * 0.7)
    return p.join(body, pointer.rotate(z=m.between(rng, -120, 120)))


def readout(text: str, ink: m.Color = "turquoise", wide: float = 2.5, ground: m.Color = "#0c0f10") -> p.Finish:
    """A display with glowing digits. wide: width / height of the part that it goes on."""
    image = t.canvas(m.srgb(ground), int(64 * wide), 64)
    t.write(image, text, m.srgb(ink), height=min(0.62, 0.95 * wide / len(text)), bold=0.17)
    return m.picture(image, 0.15)


def bar(length: float, radius: float, finish: p.Finish, gap: float | None = None) -> p.Part:
    """A door handle along x that faces +z: a round bar on two posts."""
    gap = 3 * radius if gap is None else gap
    post = p.disc(0.7 * radius, gap, finish, 14).move(0.42 * length, 0, gap / 2)
    return p.join(p.capsule(radius, length, finish, 18).rotate(z=90).move(z=gap), p.both(post))


def buttons(columns: int, rows: int, dx: float, dy: float, finish: p.Finish) -> p.Part:
    """A grid of flat buttons that faces +z."""
    key = p.box((dx * 0.76, dy * 0.7, 0.02), finish, 0.006, 1)
    return p.repeat(p.repeat(key, columns, (dx, 0, 0)), rows, (0, dy, 0))


def wrapped(radius: float, low: float, high: float, picture: p.Finish) -> p.Part:
    """A picture around an upright cylinder from `low` to `high`, its middle in front."""
    part = p.lathe([(radius, low), (radius, high)], picture, 56)
    return replace(part, uvs=np.column_stack([part.uvs[:, 0], part.vertices[:, 1] - low]))


def plate(radius: float, finish: p.Finish) -> p.Part:
    """A dinner plate that lies on y = 0."""
    line = [
        (0, 0),
        (0.55 * radius, 0),
        (radius, 0.14 * radius),
        (radius, 0.19 * radius),
        (0.55 * radius, 0.06 * radius),
    ]
    return p.lathe([*line, (0, 0.06 * radius)], finish, 32)


def feet(x: float, z: float, finish: p.Finish, height: float = 0.03, radius: float = 0.03) -> p.Part:
    """Four small feet below y = 0."""
    return p.four(p.cone(0.8 * radius, radius, height, finish, segments=16).move(x, -height / 2 + 0.003, z))


# ---- toaster -------------------------------------------------------------------------------------------------------
TOASTERS = {  # length, depth, height, radius of the upper edges, slots as (x, z, length)
    "classic": (0.9, 0.5, 0.6, 0.13, [(0, -0.1, 0.66), (0, 0.1, 0.66)]),
    "retro": (0.95, 0.54, 0.64, 0.24, [(0, -0.095, 0.62), (0, 0.095, 0.62)]),
    "four": (1.25, 0.56, 0.58, 0.09, [(x, z, 0.5) for x in (-0.29, 0.29) for z in (-0.11, 0.11)]),
    "long": (1.3, 0.34, 0.56, 0.08, [(0, 0, 1.02)]),
    "block": (0.85, 0.54, 0.62, 0.05, [(0, -0.11, 0.6), (0, 0.11, 0.6)]),
}
TOASTER_COLORS = ("mint", "red", "white", "black", "sky", "cream", "yellow", "charcoal", "pink")


def toast(width: float, rng) -> p.Part:
    """A slice of bread that stands on y = 0 and faces +z."""
    half, h = width / 2, width * 0.95
    line = [(-half * 0.86, 0), (half * 0.86, 0), (half * 0.86, h * 0.66), (half, h * 0.74), (half * 0.94, h * 0.95)]
    line += [(half * 0.5, h), (-half * 0.5, h), (-half * 0.94, h * 0.95), (-half, h * 0.74), (-half * 0.86, h * 0.66)]
    line = p.fillet(line, 0.06 * width, closed=True, n=3)
    crumb = p.extrude((line - (0, h / 2)) * 0.88 + (0, h / 2), 0.088, m.crust(rng, m.vary(rng, "#d9a55c", 0.03)), 0.004)
    return p.join(p.extrude(line, 0.08, m.crust(rng, "#8a5426"), 0.012), crumb)


def toaster_controls(rng, h: float, dark: p.Finish, raised: bool) -> p.Part:
    """Lever in its groove, dial and buttons, facing +z, on y = 0."""
    lever_y = h * (0.78 if raised else 0.3)
    light = m.plastic(rng, "white")
    return p.join(
        p.box((0.03, h * 0.6, 0.02), dark, 0.004).move(0, h * 0.56),
        p.box((0.15, 0.055, 0.11), dark, 0.02).move(0, lever_y, 0.05),
        knob(rng, 0.058, dark, light).move(0.0, h * 0.16, 0.0),
        *[p.disc(0.022, 0.03, light, 14).move(x, h * 0.16, 0.005) for x in (-0.11, 0.11)],
    )


@category("toaster")
def toaster(rng, k):
    """Chrome with black ends, rounded pastel, four slots, one long slot, tall block; with or without toast."""
    kind = ("classic", "retro", "four", "long", "block")[k % 5]
    length, depth, h, edge, slots = TOASTERS[kind]
    h *= m.between(rng, 0.94, 1.06)
    color = m.vary(rng, TOASTER_COLORS[k % len(TOASTER_COLORS)], 0.03)
    metallic = kind == "classic" or (kind != "retro" and k % 2 == 1)
    shell = m.pick(rng, (m.chrome, m.brushed_metal))(rng) if metallic else m.enamel(rng, color)
    dark, chrome = m.plastic(rng, "black", 0.6), m.chrome(rng)
    trim = chrome if kind == "retro" else dark if metallic else m.plastic(rng, m.pick(rng, ("charcoal", "silver")))
    shown = k % 3 != 1 or kind == "block"
    body = p.fillet([(-depth / 2, 0), (-depth / 2, h), (depth / 2, h), (depth / 2, 0)], edge, n=7)
    parts = [p.extrude(body, length, shell, 0.03 if kind != "retro" else 0.12, rings=4).rotate(y=90)]
    if kind in ("classic", "long"):  # ends of another material
        cap = p.extrude(body * (1.03, 1.02), 0.09, trim, 0.025).rotate(y=90)
        parts.append(p.both(cap.move(length / 2)))
        length += 0.09
    parts += [p.box((length * 0.97, 0.05, depth * 0.96), trim, 0.015).move(y=0.01)]
    parts.append(feet(length * 0.4, depth * 0.36, dark, 0.05, 0.04))
    for x, z, long in slots:
        rim = p.extrude(p.rectangle(long + 0.05, 0.16, 0.03), 0.03, trim, 0.008, holes=[p.rectangle(long, 0.11, 0.01)])
        parts.append(rim.rotate(x=-90).move(x, h + 0.008, z))
        parts.append(p.box((long, 0.02, 0.11), DARK_GLASS, 0).move(x, h - 0.005, z))
        if shown:
            wide = 0.48 if kind in ("long", "block", "four") else 0.56
            for place in (-0.25, 0.25) if kind == "long" else (0,):
                parts.append(toast(wide, rng).move(x + place, h - 0.23, z))
    controls = toaster_controls(rng, h, dark, shown)
    if kind in ("four", "block"):
        parts += [controls.move(x, 0, depth / 2) for x in ((-0.29, 0.29) if kind == "four" else (0.22,))]
    else:
        parts.append(controls.rotate(y=90).move(length / 2))
    if kind == "retro":
        parts.append(p.repeat(p.box((0.5, 0.018, 0.02), chrome, 0.006), 3, (0, 0.05, 0)).move(0, h * 0.3, depth / 2))
    return parts


# ---- microwave -----------------------------------------------------------------------------------------------------
def oven_window(rng, lit: bool) -> p.Finish:
    """A pane with a dotted screen; when lit a plate with food shows through it."""
    image = t.canvas(m.srgb("#d9a64a" if lit else "#15181b"), 160, 110)
    x, y = t.pixels(image)
    if lit:
        t.fill(image, 0.75 * np.clip(np.hypot(x - 0.5, y - 0.6) * 1.3 - 0.15, 0, 1), m.srgb("#3b2208"))
        t.fill(image, np.hypot((x - 0.5) * 0.8, (y - 0.2) * 2.6) < 0.32, m.srgb("#e6e2d6"))
        t.fill(image, (np.hypot((x - 0.5) * 1.4, (y - 0.26) * 2.0) < 0.3) & (y > 0.2), m.srgb(m.bright(rng)))
    else:
        t.fill(image, 0.35 * np.clip(1 - 3 * np.abs(x + 0.6 * y - 0.9), 0, 1), m.srgb("#7d8a92"))
    t.fill(image, 0.4 * (((x * 40) % 1 < 0.5) & ((y * 27) % 1 < 0.5)), m.srgb("black"))
    return m.picture(image, 0.12)


@category("microwave, microwave oven")
def microwave(rng, k):
    """White keypad, steel with a handle, two dials, panel above the door, open door, rounded pastel, black flush."""
    kind = ("keypad", "steel", "dials", "open", "top", "retro", "flush")[k % 7]
    tone = {"keypad": "white", "dials": m.pick(rng, ("red", "ivory", "grey")), "open": "white", "top": "black"}
    tone |= {"retro": m.pick(rng, ("mint", "sky", "pink", "red")), "flush": "black"}
    shell = m.brushed_metal(rng) if kind == "steel" else m.enamel(rng, m.vary(rng, tone.get(kind, "white"), 0.02))
    dark, pale, chrome = m.plastic(rng, "black", 0.6), m.plastic(rng, "light grey", 0.5), m.chrome(rng)
    w, h, d = 1.0, m.between(rng, 0.52, 0.6), m.between(rng, 0.5, 0.7)
    edge = 0.07 if kind == "retro" else 0.02
    side = 0.0 if kind == "top" else m.between(rng, 0.22, 0.27)  # width of the panel
    above = 0.13 if kind == "top" else 0.0
    door_w, door_h = w - side - 0.05, h - above - 0.05
    x, y, z = -side / 2, -above / 2, d / 2
    front = m.enamel(rng, "black") if kind in ("flush", "top", "steel") else shell
    window = p.box((door_w * 0.78, door_h * 0.72, 0.012), oven_window(rng, k % 2 == 1 or kind == "retro"), 0)
    frame = p.extrude(p.rectangle(door_w * 0.86, door_h * 0.82, 0.03), 0.014, dark, 0.004)
    door = [p.extrude(p.rectangle(door_w, door_h, edge), 0.05, front, 0.012).move(z=0.025)]
    door += [frame.move(z=0.05), window.move(z=0.057)]
    grip = chrome if kind in ("steel", "retro", "top") else dark
    if kind in ("steel", "retro", "open"):
        door.append(bar(door_h * 0.75, 0.017, grip).rotate(z=90).move(door_w * 0.46, 0, 0.05))
    elif kind == "top":
        door.append(bar(door_w * 0.8, 0.017, grip).move(0, door_h * 0.455, 0.05))
    door = p.join(door)
    if kind == "open":
        light = m.enamel(rng, "#f4f1e2")
        tray = p.cylinder(0.21, 0.015, m.glass(rng), segments=40).move(x, -h / 2 + 0.07, 0.02)
        cup = p.cylinder(0.06, 0.13, m.ceramic(rng, m.bright(rng)), segments=28).move(x, -h / 2 + 0.14, 0.05)
        cave = hollow(door_w + 0.04, h, d, 0.03, shell, light).move(x, -h / 2)
        block = p.box((side + 0.03, h, d), shell, 0.015).move(w / 2 - side / 2 - 0.015)
        hinge = (-w / 2, 0, z)
        parts = [cave, tray, cup, block, door.move(x, y, z).rotate(y=-128, about=hinge)]
    else:
        parts = [p.box((w, h, d), shell, edge, 3 if kind == "retro" else 2), door.move(x, y, z)]
    parts.append(feet(w * 0.42, d * 0.4, dark).move(y=-h / 2))
    px = w / 2 - side / 2 - 0.015
    clock = readout(
        f"{int(rng.integers(1, 13))}:{int(rng.integers(10, 60))}", m.pick(rng, ("lime", "turquoise", "amber"))
    )
    if kind == "top":
        parts.append(p.box((0.26, 0.08, 0.02), clock, 0).move(0, h / 2 - 0.085, z))
        parts.append(p.both(buttons(4, 1, 0.07, 0.07, pale).move(0.32, h / 2 - 0.085, z)))
    elif kind in ("dials", "retro"):
        scale = p.disc(0.075, 0.02, pale, 36)
        turn = p.join(scale, knob(rng, 0.055, chrome if kind == "retro" else dark, m.plastic(rng, "red")).move(z=0.008))
        parts += [turn.move(px, at * h, z) for at in (0.2, -0.12)]
        parts.append(p.box((side * 0.6, 0.06, 0.04), pale, 0.012).move(px, -h * 0.37, z))
    else:
        panel = dark if kind == "steel" else front
        parts.append(p.box((side - 0.02, h - 0.05, 0.03), panel, 0.01).move(px, 0, z + 0.01))
        parts.append(p.box((side * 0.78, 0.08, 0.012), clock, 0).move(px, h * 0.35, z + 0.025))
        keys = buttons(3, 4, side * 0.26, 0.062, m.plastic(rng, "light grey" if panel is not shell else "grey"))
        parts.append(keys.move(px, 0.01, z + 0.022))
        parts.append(p.box((side * 0.74, 0.06, 0.02), m.plastic(rng, "green"), 0.006).move(px, -h * 0.37, z + 0.022))
    return parts


# ---- dishwasher, cooker, refrigerator ------------------------------------------------------------------------------
def dish_rack(w: float, d: float, h: float, rng) -> p.Part:
    """A wire basket on y = 0 with a row of plates, glasses and bowls."""
    steel, parts = m.steel(rng), []
    corners = [(-w / 2, -d / 2), (w / 2, -d / 2), (w / 2, d / 2), (-w / 2, d / 2)]
    for (x0, z0), (x1, z1) in zip(corners, corners[1:] + corners[:1], strict=True):
        parts += [wire((x0, y, z0), (x1, y, z1), 0.007, steel) for y in (0.0, h)]
        parts.append(wire((x0, 0, z0), (x0, h, z0), 0.007, steel))
    parts += [wire((x, 0, -d / 2), (x, 0, d / 2), 0.004, steel) for x in np.linspace(-w / 2, w / 2, 8)[1:-1]]
    china = m.ceramic(rng, m.pick(rng, ("white", "sky", "mint", "yellow")))
    dish = plate(0.125, china).rotate(z=-82).move(y=0.14)
    parts.append(p.repeat(dish, 6, (0.055, 0, 0)).move(-w * 0.18, 0, d * 0.2))
    cup = p.lathe(p.wall([(0, 0), (0.04, 0), (0.05, 0.11)], 0.008), m.ceramic(rng, m.bright(rng)), 24).rotate(x=180)
    parts.append(p.repeat(cup, 2, (0.12, 0, 0)).move(w * 0.28, 0.12, d * 0.3))
    parts.append(p.repeat(dish.scale(0.8), 5, (0.06, 0, 0)).move(w * 0.05, 0, -d * 0.2))
    return p.join(parts)


@category("dishwasher")
def dishwasher(rng, k):
    """White, steel, black or wooden front, its door ajar or wide open, with racks full of plates."""
    angle, pulled = ((88, 0.34), (32, 0.0), (88, 0.16), (58, 0.1))[k % 4]
    color = ("white", "steel", "charcoal", "red")[k % 4]
    front = m.brushed_metal(rng) if color == "steel" else m.enamel(rng, color)
    shell = m.enamel(rng, "charcoal" if color == "steel" else color)
    inner, dark = m.steel(rng), m.plastic(rng, "black", 0.6)
    w, h, d, wall = 0.6, 0.84, 0.6, 0.035
    parts = [
        hollow(w, h, d, wall, shell, inner).move(y=0.08),
        p.box((w * 0.94, 0.1, d * 0.85), dark).move(0, 0.04, -0.03),
    ]
    top = p.box((w + 0.02, 0.03, d + 0.03), m.wood(rng) if k % 3 == 2 else shell, 0.008)
    parts.append(top.move(0, h + 0.09, 0.01))
    low, high = dish_rack(w - 0.1, d - 0.1, 0.1, rng), dish_rack(w - 0.1, d - 0.1, 0.08, rng)
    parts += [low.move(0, 0.16, pulled), high.move(0, 0.5, 0.6 * pulled)]
    panel_h = 0.1
    door = p.join(
        p.box((w, h - 0.04, 0.05), front, 0.01).move(y=h / 2),
        p.box((w * 0.9, h * 0.88, 0.02), inner, 0.006).move(0, h / 2, -0.025),
        p.box((w * 0.97, panel_h, 0.02), dark, 0.006).move(0, h - panel_h * 0.75, 0.022),
        p.box((0.13, 0.05, 0.02), readout("1:45", m.pick(rng, ("lime", "red", "turquoise"))), 0).move(
            0, h - 0.075, 0.027
        ),
        p.both(buttons(3, 1, 0.05, 0.04, m.plastic(rng, "silver")).move(0.18, h - 0.075, 0.03)),
        bar(w * 0.7, 0.014, m.chrome(rng)).move(0, h * 0.79, 0.022),
        p.box((0.16, 0.13, 0.02), dark, 0.008).move(0.1, h * 0.4, -0.035),
        p.disc(0.045, 0.02, m.plastic(rng, "sky"), 24).move(-0.1, h * 0.4, -0.035),
    )
    return [*parts, door.rotate(x=angle).move(0, 0.08, d / 2 + 0.026)]


def burner(rng, radius: float, iron: p.Finish, flame: bool) -> p.Part:
    """A gas burner with its grate, on y = 0; blue flames when lit."""
    parts = [
        p.cylinder(radius * 0.95, 0.012, m.steel(rng), 0, 24).move(y=0.006),
        p.cylinder(radius * 0.5, 0.04, m.brass(rng), 0, 20).move(y=0.02),
        p.cylinder(radius * 0.42, 0.025, iron, segments=16).move(y=0.045),
    ]
    arm = p.box((radius * 0.85, 0.018, 0.016), iron, 0.003, 1).move(radius * 0.72, 0.075)
    parts.append(p.around(p.join(arm, p.box((0.016, 0.08, 0.016), iron, 0.003, 1).move(radius * 1.13, 0.04)), 4))
    if flame:
        blue = p.Finish(m.linear("#3d8bff"), 0.3)
        parts.append(p.around(p.cone(0.013, 0, 0.06, blue, segments=8).move(radius * 0.58, 0.06), 14))
    return p.join(parts)


COOKERS = {  # width, burner columns, body colour
    "white": (0.6, 2, "white"),
    "range": (0.95, 3, "steel"),
    "retro": (0.75, 2, "mint"),
    "camping": (0.75, 2, "green"),
    "black": (0.65, 2, "black"),
    "country": (1.0, 3, "cream"),
}


@category("gas cooker")
def gas_cooker(rng, k):
    """White with a lid, steel with six burners, retro on legs, a camping stove, black, country with two ovens."""
    kind = tuple(COOKERS)[k % len(COOKERS)]
    w, columns, color = COOKERS[kind]
    color = m.pick(rng, ("mint", "red", "sky", "yellow")) if kind == "retro" else color
    shell = m.brushed_metal(rng) if color == "steel" else m.enamel(rng, m.vary(rng, color, 0.02))
    iron, chrome, dark = m.cast_iron(rng), m.chrome(rng), m.plastic(rng, "black", 0.6)
    flat = kind == "camping"
    h, d = (0.17, 0.42) if flat else (m.between(rng, 0.76, 0.86), 0.6)
    legs = {"retro": 0.17, "camping": 0.03, "country": 0.08}.get(kind, 0.04)
    top, z = legs + h, d / 2
    hob = m.steel(rng) if kind in ("white", "range", "camping") else m.enamel(rng, color)
    parts = [p.box((w, h, d), shell, 0.04 if kind == "retro" else 0.015).move(y=legs + h / 2)]
    parts.append(p.box((w * 0.99, 0.025, d * 0.98), hob, 0.008).move(y=top))
    parts.append(feet(w * 0.43, d * 0.4, chrome if kind == "retro" else dark, legs + 0.01, 0.035).move(y=legs))
    rows = (0,) if flat else (-0.14, 0.14)
    spread = w / columns
    for i in range(columns):
        x = (i - (columns - 1) / 2) * spread
        parts += [
            burner(rng, 0.105, iron, (i + r + k) % 2 == 0).move(x, top + 0.012, r_z) for r, r_z in enumerate(rows)
        ]
    n = columns * len(rows) + (0 if flat else 1)
    fascia = legs + h * (0.5 if flat else 0.91)
    strip = dark if kind in ("range", "white") else m.steel(rng) if kind == "black" else shell
    parts.append(p.box((w * 0.96, 0.1, 0.03), strip, 0.012).move(0, fascia, z))
    grip, mark = (dark, m.plastic(rng, "white")) if strip is not dark else (chrome, m.plastic(rng, "red"))
    parts += [knob(rng, 0.034, grip, mark).move(x, fascia, z + 0.015) for x in np.linspace(-0.4, 0.4, n) * w]
    if flat:
        lid = p.box((w, d * 0.9, 0.025), shell, 0.01).move(y=d * 0.45).rotate(x=-14).move(0, top, -z)
        return [*parts, lid, p.capsule(0.075, 0.32, m.enamel(rng, "red")).move(w / 2 + 0.1, 0.16, 0)]
    doors = ((-0.25, 0.46), (0.25, 0.46)) if kind == "country" else ((0, 0.94),)
    pane = oven_window(rng, k % 2 == 0)
    door_h = h * 0.58
    for place, share in doors:
        wide, y = w * share, legs + h * 0.52
        door = p.join(
            p.extrude(
                p.rectangle(wide, door_h, 0.03), 0.035, shell if kind != "white" else m.enamel(rng, "white"), 0.01
            ),
            p.extrude(p.rectangle(wide * 0.72, door_h * 0.58, 0.03), 0.012, dark, 0.004).move(y=-0.04, z=0.018),
            p.box((wide * 0.64, door_h * 0.48, 0.012), pane, 0).move(y=-0.04, z=0.022),
            bar(wide * 0.8, 0.016, chrome).move(0, door_h * 0.4, 0.015),
        )
        parts.append(door.move(place * w, y, z + 0.012))
    drawer = p.join(p.box((w * 0.94, h * 0.15, 0.03), shell, 0.01), p.box((w * 0.4, 0.02, 0.04), chrome, 0.006))
    parts.append(drawer.move(0, legs + h * 0.11, z + 0.01))
    if kind != "range":
        parts.append(p.box((w, 0.2 if kind != "white" else 0.5, 0.04), shell, 0.015).stand(top).move(z=-z + 0.02))
        if kind in ("retro", "black"):
            parts.append(p.box((0.16, 0.07, 0.02), readout("6:30", "amber"), 0).move(0, top + 0.11, -z + 0.04))
    return parts
