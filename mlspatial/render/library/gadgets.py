"""Small electronics and clocks: things with keys, a screen, a lens or hands."""

from __future__ import annotations

import numpy as np

from mlspatial.render.library import materials as m
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library import textures as t
from mlspatial.render.library.appliances import DARK_GLASS, readout
from mlspatial.render.library.catalogue import category


# ---- shared pieces -------------------------------------------------------------------------------------------------
def key(text: str, w: float, h: float, ground: m.Color, ink: m.Color, depth: float = 0.03) -> p.Part:
    """A key with a printed sign that faces +z."""
    image = t.canvas(m.srgb(ground), int(np.clip(40 * w / h, 24, 120)), 40)
    t.write(image, text, m.srgb(ink), height=min(0.56, 0.7 * w / h / max(len(text), 1)), bold=0.18)
    return p.box((w, h, depth), m.picture(image, 0.45), 0.2 * depth, 1)


def keypad(rows, dx: float, dy: float, ground: m.Color, ink: m.Color) -> p.Part:
    """Keys in rows from the top, centred; an entry is a text or (text, colour)."""
    parts = []
    for j, row in enumerate(rows):
        for i, entry in enumerate(row):
            text, tone = (entry, ground) if isinstance(entry, str) else entry
            place = ((i - (len(row) - 1) / 2) * dx, ((len(rows) - 1) / 2 - j) * dy)
            parts.append(key(text, dx * 0.78, dy * 0.7, tone, ink if tone == ground else "white").move(*place))
    return p.join(parts)


def slab(w: float, h: float, depth: float, corner: float, finish: p.Finish, bevel: float | None = None) -> p.Part:
    """A flat case that faces +z."""
    return p.extrude(p.rectangle(w, h, corner), depth, finish, 0.3 * depth if bevel is None else bevel, rings=3)


# ---- calculator, remote, ipod, cassette ----------------------------------------------------------------------------
@category("calculator")
def calculator(rng, k):
    """Black with orange keys, white with a solar cell, a coloured one with big keys, brown desk style."""
    case, number, action, ink = (
        ("#26282b", "#e9e6dc", "#e07b1c", "black"),
        ("#e8e6df", "#4a4f57", "#2f6fb5", "white"),
        ("#e0567f", "#fdf6ee", "#2aa39a", "charcoal"),
        ("#5b4636", "#2b2521", "#b3261e", "white"),
    )[k % 4]
    w, h, depth = m.between(rng, 0.58, 0.7), 1.0, 0.09
    body = slab(w, h, depth, 0.06 if k % 3 != 2 else 0.14, m.plastic(rng, case, 0.5))
    digits = m.pick(rng, ("123456", "3.14159", "80085", "7734", "42.195"))
    z = depth / 2
    panel = slab(w * 0.88, 0.24, 0.02, 0.03, m.plastic(rng, "black", 0.6)).move(0, 0.33, z)
    screen = p.box((w * 0.8, 0.145, 0.012), readout(digits, "#1a2018", w * 0.8 / 0.145, "#b4c3a4"), 0).move(
        0, 0.335, z + 0.012
    )
    parts = [body, panel, screen]
    if k % 4 == 1:  # solar cell
        cells = p.repeat(p.box((0.05, 0.05, 0.015), m.glass(rng, "#2a1a1c"), 0.003), 4, (0.054, 0, 0))
        parts.append(cells.move(w * 0.22, 0.445, z + 0.006))
    rows = [["C", "%", "/"], ["7", "8", "9"], ["4", "5", "6"], ["1", "2", "3"], ["0", ".", "="]]
    rows = [
        [*[(e, action) if e in "C%/=" else e for e in row], (sign, action)]
        for row, sign in zip(rows, ("X", "-", "+", "+", "="), strict=True)
    ]
    rows[-1] = ["0", "00", ".", ("=", action)]
    dx, dy = w * 0.87 / 4, 0.128
    equals = key("", dx * 0.78, dy * 0.7, action, "white")
    lines = p.repeat(p.box((dx * 0.4, 0.012, 0.01), m.plastic(rng, "white"), 0), 2, (0, 0.03, 0)).move(z=0.016)
    parts.append(keypad(rows, dx, dy, number, ink).move(0, -0.135, z + 0.01))
    return [*parts, p.join(equals, lines).move(1.5 * dx, -0.135 - 2 * dy, z + 0.011)]


@category("remote")
def remote(rng, k):
    """A long hand piece with a red button, digits, a ring of arrows and coloured keys; black, silver or white."""
    case, ground, ink = (
        ("#1d1e21", "#5a5e66", "white"),
        ("#b9bcc0", "#24262a", "white"),
        ("#efece4", "#8d9096", "white"),
    )[k % 3]
    w, h, depth = m.between(rng, 0.24, 0.3), 1.0, 0.08
    z = depth / 2 + 0.004
    parts = [slab(w, h, depth, 0.06, m.plastic(rng, case, 0.5))]
    red = p.disc(0.028, 0.035, m.plastic(rng, "red", 0.8), 24).move(-w * 0.28, 0.43, z)
    parts += [red, p.box((0.1, 0.025, 0.02), DARK_GLASS).move(0, h / 2 - 0.006)]
    rows = [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"], ["-", "0", "+"]]
    parts.append(keypad(rows, w * 0.28, 0.075, ground, ink).move(0, 0.24, z))
    ring = p.extrude(p.circle(0.095, 40), 0.03, m.plastic(rng, ground), 0.008, holes=[p.circle(0.045, 28)]).move(
        0, -0.04, z
    )
    arrow = p.extrude([(-0.016, 0), (0.016, 0), (0, 0.018)], 0.01, m.plastic(rng, ink)).move(0, 0.06, 0.018)
    parts += [
        ring,
        p.around(arrow, 4, "z").move(0, -0.04, z),
        p.disc(0.036, 0.036, m.plastic(rng, "silver"), 24).move(0, -0.04, z),
    ]
    tones = ("red", "green", "yellow", "blue")
    parts += [
        p.box((0.042, 0.024, 0.025), m.plastic(rng, c), 0.008).move((i - 1.5) * w * 0.22, -0.18, z)
        for i, c in enumerate(tones)
    ]
    small = p.box((w * 0.2, 0.03, 0.025), m.plastic(rng, ground), 0.008, 1)
    parts.append(p.repeat(p.repeat(small, 3, (w * 0.28, 0, 0)), 3, (0, 0.055, 0)).move(0, -0.29, z))
    return [*parts, p.box((w * 0.5, 0.04, 0.01), m.label(rng, "NOVA", case, ink, 3.2), 0).move(0, -0.43, z)]


def menu(rng) -> p.Finish:
    """A lit list with one line chosen."""
    image = t.canvas(m.srgb("#dfe9f2"), 120, 90)
    x, y = t.pixels(image)
    t.fill(image, y > 0.84, m.srgb("#9fb2c6"))
    t.fill(image, (y > 0.5) & (y < 0.66), m.srgb("#2a6fd0"))
    for i, word in enumerate(("MUSIC", "SONGS", "VIDEO", "GAMES")):
        t.write(image, word, m.srgb("white" if i == 1 else "#20242a"), (0.3, 0.76 - 0.18 * i), 0.09)
    t.fill(image, (x > 0.66) & (x < 0.94) & (y > 0.1) & (y < 0.46), m.srgb(m.bright(rng)))
    return m.picture(image, 0.12)


def earphones(rng, w: float, h: float) -> p.Part:
    """White cord from the top edge that hangs to the right, with two ear plugs."""
    white = m.plastic(rng, "white", 0.7)
    x = w / 2 + 0.12
    cord = [(w * 0.25, h / 2, 0), (w * 0.32, h / 2 + 0.1, 0), (x, h / 2 - 0.05, 0), (x - 0.02, 0.02, 0)]
    plug = p.join(
        p.superellipsoid((0.09, 0.09, 0.07), white, segments=20),
        p.cylinder(0.018, 0.1, white, segments=12).move(y=-0.06),
        p.disc(0.03, 0.03, m.rubber(rng, "charcoal"), 20).move(z=0.028),
    )
    ends = ((x - 0.07, -0.2), (x + 0.08, -0.26))
    parts = [
        p.rod(p.curve(cord, 30), 0.011, white, 8),
        p.cylinder(0.022, 0.07, white, segments=14).move(w * 0.25, h / 2 + 0.02),
    ]
    for ex, ey in ends:
        loop = [
            (x - 0.02, 0.04, 0),
            (x - 0.02, -0.02, 0),
            (ex + (0.07 if ex > x else -0.05), -0.2, 0),
            (ex, ey - 0.2, 0),
            (ex, ey - 0.08, 0),
        ]
        parts += [p.rod(p.curve(loop, 28), 0.009, white, 8), plug.move(ex, ey)]
    return p.join(parts)


@category("ipod")
def ipod(rng, k):
    """White with a click wheel, tall and coloured, aluminium, all screen with tiles; most with earphones."""
    kind = ("classic", "nano", "touch", "mini")[k % 4]
    w, h, depth = {
        "classic": (0.6, 1.0, 0.11),
        "nano": (0.42, 1.0, 0.07),
        "touch": (0.54, 1.0, 0.07),
        "mini": (0.54, 0.98, 0.15),
    }[kind]
    tone = m.pick(rng, ("blue", "lime", "orange", "purple", "red", "pink"))
    front = m.plastic(rng, "white", 0.9) if kind == "classic" else m.metal(rng, m.vary(rng, tone, 0.03))
    front = m.plastic(rng, "black", 0.9) if kind == "touch" or k % 8 == 4 else front
    corner = 0.08 if kind in ("classic", "touch") else 0.05
    z = depth / 2
    parts = [
        slab(w, h, depth, corner, front, 0.35 * depth),
        slab(w * 0.99, h * 0.99, depth * 0.6, corner, m.chrome(rng)).move(z=-depth * 0.25),
    ]
    if k % 2 or kind == "touch":
        parts.append(earphones(rng, w, h))
    if kind == "touch":
        parts.append(p.box((w * 0.9, h * 0.74, 0.01), m.screen(rng, True), 0).move(0, 0.02, z))
        home = p.disc(0.045, 0.012, m.plastic(rng, "charcoal"), 28).move(0, -h * 0.43, z)
        return [
            *parts,
            home,
            p.extrude(p.rectangle(0.03, 0.03, 0.006), 0.014, m.plastic(rng, "silver")).move(0, -h * 0.43, z),
        ]
    screen_h = 0.3 if kind == "mini" else 0.36
    parts.append(slab(w * 0.84, screen_h + 0.05, 0.012, 0.02, m.plastic(rng, "black", 0.9)).move(0, 0.24, z))
    parts.append(p.box((w * 0.78, screen_h, 0.012), menu(rng), 0).move(0, 0.24, z + 0.004))
    r = 0.42 * w
    wheel_tone, sign = ("#d9dadb", "#8a8d92") if kind == "classic" and k % 8 != 4 else ("#f2f2f0", "#a5a7ab")
    image = t.canvas(m.srgb(wheel_tone), 128, 128)
    t.write(image, "MENU", m.srgb(sign), (0.5, 0.87), 0.1)
    for cx, side in ((0.13, -1), (0.87, 1)):
        t.draw(
            image,
            [[(cx - 0.03 * side, 0.54), (cx + 0.03 * side, 0.5), (cx - 0.03 * side, 0.46), (cx - 0.03 * side, 0.54)]],
            m.srgb(sign),
            0.025,
        )
    t.draw(image, [[(0.48, 0.1), (0.48, 0.16)], [(0.53, 0.1), (0.53, 0.16)]], m.srgb(sign), 0.02)
    parts.append(p.extrude(p.circle(r, 48), 0.014, m.picture(image, 0.4), 0.003).move(0, -0.24, z))
    return [*parts, p.disc(r * 0.38, 0.02, front, 36).move(0, -0.24, z + 0.002)]


@category("cassette")
def cassette(rng, k):
    """Compact cassettes with two toothed reels: black with a striped label, clear, white, coloured."""
    shell = (
        m.plastic(rng, "black", 0.4),
        m.glass(rng, "#9fb3bb"),
        m.plastic(rng, m.bright(rng), 0.6),
        m.plastic(rng, "ivory"),
    )[k % 4]
    white, steel, dark = m.plastic(rng, "white"), m.steel(rng), m.plastic(rng, "#2a1710", 0.6)
    w, h, depth, eye = 1.0, 0.64, 0.09, 0.072
    reels = [np.array((x, 0.03)) for x in (-0.21, 0.21)]
    body = p.extrude(p.rectangle(w, h, 0.03), depth, shell, 0.012, holes=[p.circle(eye, 28) + c for c in reels])
    hub = p.extrude(p.circle(eye * 1.05, 28), depth * 0.8, white, 0.004, holes=[p.circle(eye * 0.72, 24)])
    tooth = p.box((0.016, 0.03, depth * 0.8), white, 0.003).move(0, eye * 0.62)
    parts = [body, *[p.join(hub, p.around(tooth, 6, "z", 15 * i)).move(*c) for i, c in enumerate(reels)]]
    ink, ground = m.bright(rng), m.light(rng)
    image = t.canvas(m.srgb(ground), 220, 120)
    _, y = t.pixels(image)
    for i, tone in enumerate((ink, m.bright(rng), m.dark(rng))):
        t.fill(image, (y > 0.08 + 0.09 * i) & (y < 0.15 + 0.09 * i), m.srgb(tone))
    t.write(image, m.pick(rng, ("SIDE A", "MIX 1", "HITS 84", "DISCO")), m.srgb("charcoal"), (0.5, 0.84), 0.15)
    window = p.rectangle(0.24, 0.13, 0.015) + (0, 0.03)
    label = p.extrude(
        p.rectangle(0.86, 0.42, 0.04) + (0, 0.06),
        depth + 0.012,
        m.picture(image, 0.6),
        0.003,
        holes=[p.circle(eye * 1.12, 28) + c for c in reels] + [window],
    )
    parts += [label, p.box((0.235, 0.125, depth + 0.004), DARK_GLASS, 0).move(0, 0.03)]
    parts += [
        p.extrude(p.arc(r, a, b, 20).tolist() + [(0, 0)], depth + 0.008, dark, 0.001).move(x, 0.03)
        for x, r, a, b in ((-0.21, 0.18, -14, 14), (0.21, 0.14, 165, 195))
    ]
    foot = p.extrude([(-0.36, -0.32), (0.36, -0.32), (0.33, -0.18), (-0.33, -0.18)], depth * 1.35, shell, 0.008)
    parts.append(foot)
    parts += [p.disc(0.018, depth * 1.38, DARK_GLASS, 16).move(x, -0.265) for x in (-0.24, -0.1, 0.1, 0.24)]
    screw = s.screw(0.022, steel)
    parts += [screw.move(x, y, depth / 2) for x in (-0.46, 0.46) for y in (-0.28, 0.28)]
    return parts


# ---- laptop, mouse, camera -----------------------------------------------------------------------------------------
@category("laptop, laptop computer")
def laptop(rng, k):
    """Open, with keys, a touch pad and a lit screen; silver, black, white or coloured."""
    shell = (
        m.aluminium(rng),
        m.plastic(rng, "charcoal", 0.4),
        m.plastic(rng, "white", 0.7),
        m.enamel(rng, m.bright(rng)),
    )[k % 4]
    w, d, thick, lean = 1.0, m.between(rng, 0.66, 0.72), 0.035, m.between(rng, 14, 24)
    key_tone = m.plastic(rng, "black" if k % 4 != 1 else "grey", 0.4)
    base = p.extrude(p.rectangle(w, d, 0.04), thick, shell, 0.012).rotate(x=-90)
    cap = p.box((0.058, 0.014, 0.05), key_tone, 0)
    rows = [p.repeat(cap, 13, (0.067, 0, 0)).move(0, thick / 2, -d * 0.36 + 0.064 * i) for i in range(4)]
    last = [p.repeat(cap, 3, (0.067, 0, 0)).move(side * 0.335, thick / 2, -d * 0.36 + 0.256) for side in (-1, 1)]
    space = p.box((0.43, 0.014, 0.05), key_tone, 0).move(0, thick / 2, -d * 0.36 + 0.256)
    tray = p.box((0.9, 0.006, 0.36), m.plastic(rng, "charcoal" if k % 4 != 1 else "black"), 0).move(
        0, thick / 2, -d * 0.36 + 0.128
    )
    pad = p.box((0.3, 0.008, 0.17), m.plastic(rng, "light grey" if k % 4 != 1 else "black"), 0.003).move(
        0, thick / 2, d * 0.32
    )
    lid = slab(w, d, 0.024, 0.04, shell).move(y=d / 2)
    bezel = slab(w * 0.975, d * 0.96, 0.01, 0.03, m.plastic(rng, "black", 0.7)).move(0, d / 2, 0.011)
    screen = p.box((w * 0.92, d * 0.84, 0.008), m.screen(rng, True), 0).move(0, d / 2 + 0.01, 0.015)
    badge = p.disc(0.05, 0.01, m.chrome(rng), 28).move(0, d / 2, -0.012)
    top = p.join(lid, bezel, screen, badge).rotate(x=-lean).move(0, thick / 2, -d / 2 + 0.01)
    hinge = (
        p.cylinder(0.02, w * 0.7, m.plastic(rng, "black"), segments=16).rotate(z=90).move(0, thick / 2, -d / 2 + 0.005)
    )
    return [base, *rows, *last, space, tray, pad, top, hinge]


@category("computer mouse")
def computer_mouse(rng, k):
    """Grey with a cord, black without one and with a coloured wheel, white and flat, coloured with a cord."""
    tone = ("light grey", "black", "white", m.bright(rng))[k % 4]
    shell, dark = m.plastic(rng, tone, 0.5), m.plastic(rng, "charcoal" if k % 4 != 1 else "grey", 0.4)
    accent = m.rubber(rng, m.bright(rng) if k % 2 else "charcoal")
    half = np.array([m.between(rng, 0.29, 0.34), (0.3, 0.34, 0.2, 0.3)[k % 4], 0.5])
    round_y, round_xz = 2.2, 2.5

    def height(x, z):
        """The upper surface, arrays in and out."""
        r = (np.abs(x / half[0]) ** round_xz + np.abs(z / half[2]) ** round_xz) ** (1 / round_xz)
        return half[1] * np.clip(1 - r**round_y, 0, 1) ** (1 / round_y)

    body = p.superellipsoid(2 * half, shell, round_y, round_xz, 56)
    body = body.warp(lambda v: v * np.where(v[:, 1:2] < 0, [1, 0.12, 1], 1))
    z = np.linspace(-0.02, 0.46, 24)
    x = np.linspace(-0.94, 0.94, 24) * half[0]
    seams = [np.column_stack([0 * z, height(0 * z, z), z]), np.column_stack([x, height(x, 0 * x - 0.02), 0 * x - 0.02])]
    lines = [p.sweep(seam, 0.009, dark, 8) for seam in seams]
    wheel_y = float(height(0.0, 0.24))
    slot = p.superellipsoid((0.13, 0.08, 0.25), dark, 3, 3, 20).move(0, wheel_y - 0.01, 0.24)
    wheel = p.extrude(p.star(20, 0.085, 0.077), 0.07, accent, 0.01).rotate(y=90).move(0, wheel_y - 0.01, 0.24)
    rim = p.superellipsoid((2.02 * half[0], 0.06, 1.01), dark, 3, round_xz, 48).move(y=-0.01)
    parts = [body, *lines, slot, wheel, rim]
    if k % 2 == 0 or k % 4 == 3:
        cord = [
            (0, 0.04, 0.46),
            (0.0, 0.03, 0.6),
            (0.12, 0.0, 0.78),
            (0.42, 0.0, 0.74),
            (0.5, 0.0, 0.4),
            (0.62, 0.0, 0.1),
        ]
        parts.append(p.rod(p.curve(cord, 44), 0.02, dark if k % 4 else shell, 10))
        parts.append(p.box((0.09, 0.05, 0.14), m.chrome(rng), 0.01).move(0.63, 0.0, 0.03))
    else:
        parts.append(p.disc(0.035, 0.02, accent, 20).rotate(x=-90).move(0, float(height(0.0, -0.22)), -0.22))
    return parts


def lens(radius: float, reach: float, metal: p.Finish, ring: p.Finish) -> p.Part:
    """A camera lens that faces +z, from z = 0 to `reach`, with ribbed rings and dark glass."""
    r = radius
    line = [
        (0, 0),
        (r * 1.05, 0),
        (r * 1.05, 0.3 * reach),
        (r, 0.34 * reach),
        (r, reach),
        (r * 0.8, reach),
        (r * 0.62, 0.78 * reach),
        (0, 0.78 * reach),
    ]
    ribs = p.extrude(p.star(36, r * 1.06, r * 1.02), 0.26 * reach, ring, 0.004).move(z=0.62 * reach)
    glass = p.superellipsoid(
        (1.3 * r, 1.3 * r, 0.3 * reach), p.Finish(m.linear("#1b2547"), 0.03, 0.4), segments=32
    ).move(z=0.74 * reach)
    glint = p.disc(0.1 * r, 0.02 * reach, p.Finish(m.linear("#9ab6ff"), 0.1), 14).move(
        -0.25 * r, 0.25 * r, 0.875 * reach
    )
    mark = p.torus(r * 0.92, 0.06 * r, metal, 40, 8).rotate(x=90).move(z=0.99 * reach)
    return p.join(p.lathe(p.fillet(line, 0.006), ring, 48).rotate(x=90), ribs, glass, glint, mark)


@category("camera")
def camera(rng, k):
    """Reflex with a prism hump and a grip, chrome and leather, instant with a rainbow, small and coloured."""
    kind = ("reflex", "classic", "instant", "compact")[k % 4]
    black, chrome, steel = m.plastic(rng, "black", 0.35), m.chrome(rng), m.brushed_metal(rng)
    if kind == "instant":
        white = m.plastic(rng, "ivory", 0.5)
        line = p.fillet([(-0.32, -0.4), (0.36, -0.4), (0.36, -0.12), (0.1, 0.4), (-0.32, 0.4)], 0.06, closed=True)
        stripe = t.stripes([m.srgb(c) for c in ("red", "orange", "yellow", "green", "blue")])
        band = p.box((0.1, 0.2, 0.02), m.picture(stripe, 0.4), 0).move(0.0, -0.27, 0.362)
        photo = p.join(
            p.box((0.5, 0.3, 0.012), m.paper(rng), 0), p.box((0.4, 0.2, 0.014), m.screen(rng, True), 0).move(y=-0.01)
        )
        nose = p.box((0.82, 0.5, 0.1), black, 0.03).rotate(x=-26).move(0, 0.08, 0.23)
        flash = p.box((0.26, 0.12, 0.05), m.glass(rng), 0.015).rotate(x=-26).move(-0.22, 0.22, 0.24)
        finder = p.box((0.14, 0.1, 0.06), DARK_GLASS, 0.01).rotate(x=-26).move(0.24, 0.23, 0.23)
        button = p.disc(0.05, 0.05, m.plastic(rng, "red"), 24).move(-0.32, -0.02, 0.33)
        return [
            p.extrude(line, 0.9, white, 0.04, rings=3).rotate(y=-90),
            band,
            nose,
            flash,
            finder,
            button,
            lens(0.17, 0.16, chrome, black).move(0.02, 0.0, 0.28),
            photo.rotate(x=70).move(0, -0.33, 0.52),
        ]
    skin = {"reflex": black, "classic": m.leather(rng, "black")}.get(kind, m.enamel(rng, m.bright(rng)))
    top = {"reflex": black, "classic": chrome}.get(kind, steel)
    w, h, d = (1.0, 0.56, 0.26) if kind != "compact" else (1.0, 0.6, 0.2)
    parts = [p.extrude(p.oval(w, d, 5, 48), h * 0.76, skin, 0.01).rotate(x=-90).move(y=-0.06)]
    parts += [
        p.extrude(p.oval(w * 1.005, d * 1.02, 5, 48), h * 0.2, top, 0.02).rotate(x=-90).move(y=y) for y in (h * 0.34,)
    ]
    parts.append(p.extrude(p.oval(w * 1.005, d * 1.02, 5, 48), h * 0.08, top, 0.01).rotate(x=-90).move(y=-h * 0.49))
    reach, radius = {"reflex": (0.36, 0.22), "classic": (0.18, 0.18), "compact": (0.16, 0.2)}[kind]
    parts.append(
        lens(radius, reach, chrome if kind != "reflex" else m.gold(rng), black if kind == "reflex" else steel).move(
            0.04, -0.04, d / 2 - 0.02
        )
    )
    parts.append(p.cylinder(0.045, 0.05, chrome, segments=24).move(-w * 0.36, h * 0.46))
    if kind == "reflex":
        hump = p.extrude(
            p.fillet([(-0.2, 0), (0.2, 0), (0.13, 0.2), (-0.13, 0.2)], 0.04, True), d * 1.05, black, 0.03
        ).move(0.04, h * 0.4)
        word = p.box((0.2, 0.07, 0.01), m.label(rng, "NOVA", "black", "white", 2.8), 0).move(
            0.04, h * 0.4 + 0.1, d * 0.53
        )
        grip = p.superellipsoid((0.2, h * 0.86, 0.26), m.rubber(rng), 4, 3, 28).move(-w * 0.41, -0.04, d * 0.4)
        dial = p.extrude(p.star(24, 0.085, 0.08), 0.05, black, 0.006).rotate(x=90).move(w * 0.34, h * 0.47)
        return [*parts, hump, word, grip, dial, p.box((0.12, 0.03, 0.1), steel).move(0.04, h * 0.4 + 0.21, -0.02)]
    parts.append(p.box((0.17, 0.09, 0.02), DARK_GLASS, 0.01).move(0.04, h * 0.35, d / 2))
    parts.append(
        p.box((0.24, 0.1, 0.025), m.glass(rng), 0.012).move(w * 0.33, h * 0.34 if kind == "classic" else h * 0.3, d / 2)
    )
    dials = [
        p.extrude(p.star(24, r, 0.93 * r), 0.06, chrome, 0.006).rotate(x=90).move(x, h * 0.47)
        for x, r in ((-w * 0.2, 0.07), (w * 0.36, 0.08))
    ]
    return [*parts, *dials, p.both(p.torus(0.03, 0.012, chrome, 18, 6).rotate(x=90).move(w / 2 + 0.02, h * 0.22))]
