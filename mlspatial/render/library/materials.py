"""Finishes and colours. `from mlspatial.render.library import materials as m`, then `m.plastic(rng, "red")`.

A colour is a name from PALETTE, "#rrggbb", or a linear RGB triple in 0..1. Every finish takes the generator first and
an optional colour; without one it draws a colour that suits the material.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlspatial.render.library import textures as t
from mlspatial.render.library.finish import Finish

Color = str | tuple[float, float, float]

PALETTE = {
    "white": "#f2f0ea",
    "ivory": "#efe6d2",
    "cream": "#e8d9b5",
    "beige": "#cbb894",
    "tan": "#b58f62",
    "brown": "#6b4428",
    "dark brown": "#3b2417",
    "black": "#1c1c1e",
    "charcoal": "#37393d",
    "grey": "#808286",
    "light grey": "#bfc1c2",
    "silver": "#c9cacc",
    "red": "#c62828",
    "dark red": "#7c1a1d",
    "crimson": "#a3123a",
    "brick": "#9c4a34",
    "orange": "#e8731a",
    "amber": "#e0a021",
    "yellow": "#f0c419",
    "lemon": "#f3e04a",
    "olive": "#6f7136",
    "lime": "#8bc34a",
    "green": "#2e8b44",
    "dark green": "#1f4d2e",
    "mint": "#a6d8bf",
    "teal": "#16807f",
    "turquoise": "#33b5b0",
    "sky": "#7fb8dd",
    "blue": "#2162b0",
    "royal": "#2540a8",
    "navy": "#1d2b4f",
    "purple": "#6a3796",
    "violet": "#8f6bc0",
    "lilac": "#c3aedb",
    "pink": "#e58aa6",
    "magenta": "#c2257a",
    "salmon": "#ec9379",
    "peach": "#f3bf98",
}
BRIGHT = ("red", "orange", "yellow", "lime", "green", "turquoise", "blue", "royal", "purple", "magenta", "pink")
PASTEL = ("mint", "sky", "lilac", "peach", "pink", "cream", "ivory", "lemon")
MUTED = ("beige", "tan", "olive", "teal", "navy", "charcoal", "grey", "brick", "dark red", "dark green", "brown")
DARK = ("black", "charcoal", "navy", "dark brown", "dark red", "dark green")
LIGHT = ("white", "ivory", "cream", "light grey", "beige")
APPLIANCE = ("white", "ivory", "black", "silver", "red", "mint", "charcoal", "sky")
WOODS = {
    "maple": "#d9b483",
    "oak": "#b98a55",
    "pine": "#d8a762",
    "cherry": "#94502e",
    "walnut": "#6a432a",
    "mahogany": "#5d2a1c",
    "ebony": "#32241d",
    "beech": "#c99a6a",
}


# ---- colours -------------------------------------------------------------------------------------------------------
def pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def chance(rng: np.random.Generator, p: float = 0.5) -> bool:
    return bool(rng.random() < p)


def srgb(color: Color) -> np.ndarray:
    """(3,) in 0..1, for pictures and patterns."""
    if isinstance(color, str):
        code = PALETTE.get(color, WOODS.get(color, color)).lstrip("#")
        return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    c = np.asarray(color, float)
    return np.where(c <= 0.0031308, 12.92 * c, 1.055 * np.maximum(c, 1e-9) ** (1 / 2.4) - 0.055)


def linear(color: Color) -> tuple[float, float, float]:
    """Linear RGB triple."""
    if not isinstance(color, str):
        return color
    return from_srgb(srgb(color))


def from_srgb(c) -> tuple[float, float, float]:
    c = np.clip(np.asarray(c, float), 0, 1)
    r, g, b = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(r), float(g), float(b)


def vary(rng: np.random.Generator, color: Color, amount: float = 0.05) -> tuple[float, float, float]:
    """A colour nearby: brightness and each channel shift by about `amount` (sRGB)."""
    return from_srgb(srgb(color) + rng.normal(0, amount * 0.7) + rng.normal(0, amount * 0.4, 3))


def blend(a: Color, b: Color, share: float) -> tuple[float, float, float]:
    """share 0 gives a, 1 gives b; mixed in sRGB."""
    return from_srgb((1 - share) * srgb(a) + share * srgb(b))


def bright(rng) -> tuple[float, float, float]:
    return vary(rng, pick(rng, BRIGHT))


def pastel(rng) -> tuple[float, float, float]:
    return vary(rng, pick(rng, PASTEL), 0.03)


def muted(rng) -> tuple[float, float, float]:
    return vary(rng, pick(rng, MUTED))


def dark(rng) -> tuple[float, float, float]:
    return vary(rng, pick(rng, DARK), 0.03)


def light(rng) -> tuple[float, float, float]:
    return vary(rng, pick(rng, LIGHT), 0.03)


def any_color(rng) -> tuple[float, float, float]:
    return pick(rng, (bright, bright, pastel, muted, dark, light))(rng)


def _tiled(rng, name: str, color: Color, roughness: float, metalness: float = 0.0, tile: float = 0.25, variants=4):
    return Finish(linear(color), roughness, metalness, t.TILEABLE[name](int(rng.integers(variants))), tile)


# ---- wood, metal ---------------------------------------------------------------------------------------------------
def wood(rng, color: Color | None = None, tile: float = 0.35, gloss: float | None = None) -> Finish:
    """Varnished wood; color: a name from WOODS or any colour. Grain along the longer side of parts."""
    tone = vary(rng, pick(rng, tuple(WOODS)), 0.04) if color is None else color
    return _tiled(rng, "wood", tone, between(rng, 0.35, 0.65) if gloss is None else 1 - gloss, tile=tile)


def planks(rng, color: Color | None = None, tile: float = 0.5) -> Finish:
    return _tiled(rng, "planks", vary(rng, pick(rng, tuple(WOODS)), 0.04) if color is None else color, 0.6, tile=tile)


def metal(rng, color: Color | None = None) -> Finish:
    """Any household metal."""
    if color is not None:
        return Finish(linear(color), between(rng, 0.2, 0.4), 1.0)
    return pick(rng, (chrome, steel, brushed_metal, brushed_metal, brass, copper, dark_metal))(rng)


def chrome(rng) -> Finish:
    return Finish((0.82, 0.82, 0.84), between(rng, 0.06, 0.15), 1.0)


def steel(rng) -> Finish:
    return Finish(vary(rng, (0.62, 0.62, 0.63), 0.03), between(rng, 0.2, 0.35), 1.0)


def brushed_metal(rng, color: Color = (0.66, 0.66, 0.67)) -> Finish:
    return _tiled(rng, "brushed", color, between(rng, 0.3, 0.42), 1.0, 0.4)


def aluminium(rng) -> Finish:
    return brushed_metal(rng, (0.75, 0.76, 0.77))


def gold(rng) -> Finish:
    return Finish((0.86, 0.6, 0.2), between(rng, 0.12, 0.28), 1.0)


def brass(rng) -> Finish:
    return Finish(vary(rng, (0.72, 0.5, 0.2), 0.03), between(rng, 0.18, 0.35), 1.0)


def copper(rng) -> Finish:
    return Finish(vary(rng, (0.72, 0.36, 0.22), 0.03), between(rng, 0.18, 0.35), 1.0)


def bronze(rng) -> Finish:
    return _tiled(rng, "grime", vary(rng, (0.3, 0.18, 0.09), 0.04), 0.42, 0.9)


def dark_metal(rng) -> Finish:
    return Finish(vary(rng, (0.09, 0.09, 0.1), 0.02), between(rng, 0.3, 0.45), 0.8)


def cast_iron(rng) -> Finish:
    return _tiled(rng, "cast", (0.06, 0.06, 0.065), 0.6, 0.5)


def enamel(rng, color: Color | None = None) -> Finish:
    """Painted, glossy metal."""
    return Finish(linear(color if color is not None else any_color(rng)), between(rng, 0.15, 0.3))


# ---- plastics, paint, rubber ---------------------------------------------------------------------------------------
def plastic(rng, color: Color | None = None, gloss: float | None = None) -> Finish:
    """gloss: 0 matt .. 1 glossy."""
    g = between(rng, 0.3, 0.85) if gloss is None else gloss
    return Finish(linear(color if color is not None else any_color(rng)), 0.75 - 0.55 * g)


def paint(rng, color: Color | None = None) -> Finish:
    """Painted wood or wall."""
    return _tiled(rng, "glaze", color if color is not None else any_color(rng), between(rng, 0.4, 0.6), tile=0.5)


def rubber(rng, color: Color | None = None) -> Finish:
    return Finish(linear(color if color is not None else vary(rng, "black", 0.02)), between(rng, 0.75, 0.9))


def foam(rng, color: Color | None = None) -> Finish:
    return _tiled(rng, "plush", color if color is not None else vary(rng, "black", 0.02), 0.95, tile=0.12)


def wax(rng, color: Color | None = None) -> Finish:
    return _tiled(rng, "glaze", color if color is not None else pastel(rng), 0.45, tile=0.5)


# ---- cloth, leather, paper -----------------------------------------------------------------------------------------
def fabric(rng, color: Color | None = None, kind: str | None = None, tile: float = 0.12) -> Finish:
    """kind: weave, twill, knit, plush."""
    kind = kind or pick(rng, ("weave", "twill", "weave", "plush"))
    return _tiled(rng, kind, color if color is not None else any_color(rng), 0.9, tile=tile)


def patterned(rng, tile: float = 0.25, colors: Sequence[Color] | None = None, kind: str | None = None) -> Finish:
    """Printed cloth or paper. kind: stripes, bands, checks, gingham, dots, flowers."""
    kind = kind or pick(rng, ("stripes", "bands", "checks", "gingham", "dots", "flowers"))
    c = [srgb(x) for x in (colors or (light(rng), any_color(rng), bright(rng)))]
    c = [*c, c[0], c[-1]]
    if kind in ("stripes", "bands"):
        image = t.stripes([c[0], c[1], c[0], c[2]], [3, 2, 1, 1], upright=kind == "stripes")
    elif kind in ("checks", "gingham"):
        image = t.checks(c[0], c[1], 4, blend=kind == "gingham")
    elif kind == "dots":
        image = t.dots(c[0], c[1], 4, between(rng, 0.2, 0.32))
    else:
        image = t.flowers(rng, c[0], [c[1], c[2]])
    return Finish((1.0, 1.0, 1.0), 0.85, 0.0, image, tile)


def fur(rng, color: Color | None = None) -> Finish:
    return _tiled(rng, "plush", color if color is not None else vary(rng, "tan"), 0.95, tile=0.18)


def leather(rng, color: Color | None = None) -> Finish:
    tones = ("brown", "tan", "black", "dark brown", "brick", "navy", "beige")
    tone = color if color is not None else vary(rng, pick(rng, tones), 0.03)
    return _tiled(rng, "leather", tone, between(rng, 0.4, 0.6), tile=0.1)


def paper(rng, color: Color | None = None) -> Finish:
    return _tiled(rng, "glaze", color if color is not None else "white", 0.85, tile=0.3)


def cardboard(rng) -> Finish:
    return _tiled(rng, "brushed", vary(rng, "#b98d5e", 0.03), 0.9, tile=0.5)


# ---- ceramic, glass, stone -----------------------------------------------------------------------------------------
def ceramic(rng, color: Color | None = None) -> Finish:
    """Glazed."""
    return _tiled(rng, "glaze", color if color is not None else any_color(rng), between(rng, 0.1, 0.25), tile=0.5)


def stoneware(rng, color: Color | None = None) -> Finish:
    """Half matt, with specks."""
    return _tiled(rng, "speckle", color if color is not None else pick(rng, (light, muted))(rng), 0.45, tile=0.3)


def terracotta(rng) -> Finish:
    return _tiled(rng, "cast", vary(rng, "#b5603a", 0.04), 0.85)


def glass(rng, color: Color | None = None) -> Finish:
    """Opaque, but it shines and mirrors like glass; without a colour a pale clear one."""
    return Finish(linear(color if color is not None else vary(rng, "#c4d6d8", 0.02)), 0.05, 0.35)


def stone(rng, color: Color | None = None) -> Finish:
    return _tiled(
        rng, "cast", color if color is not None else vary(rng, pick(rng, ("grey", "beige", "light grey"))), 0.8
    )


def marble(rng, color: Color | None = None) -> Finish:
    return _tiled(rng, "marble", color if color is not None else vary(rng, "white", 0.02), 0.2, tile=0.7)


def cork(rng) -> Finish:
    return _tiled(rng, "cork", vary(rng, "#c9a06b", 0.03), 0.9)


def wicker(rng, color: Color | None = None, tile: float = 0.25) -> Finish:
    return _tiled(
        rng, "wicker", color if color is not None else vary(rng, pick(rng, ("oak", "maple", "walnut"))), 0.8, tile=tile
    )


# ---- things that grow ----------------------------------------------------------------------------------------------
def skin(rng, color: Color, blush: Color | None = None, kind: str = "streaks") -> Finish:
    """Fruit skin. kind: streaks (apple: blush runs along v), peel (citrus pits), plain."""
    if kind == "peel":
        return _tiled(rng, "peel", color, 0.45, tile=0.3)
    a, b = srgb(color), srgb(blush if blush is not None else vary(rng, color, 0.05))
    cells = (14, 1.5) if kind == "streaks" else (4, 4)
    field = 0.6 * t.noise(rng, 96, cells, 1.3) + 0.4 * t.noise(rng, 96, (2, 2), 2.0)
    return Finish((1.0, 1.0, 1.0), between(rng, 0.25, 0.4), 0.0, t.to_bytes(t.mix(field, a, b)), None)


def crust(rng, color: Color | None = None) -> Finish:
    """Bread, biscuit."""
    return _tiled(rng, "grime", color if color is not None else vary(rng, "#c98d4a", 0.04), 0.8)


def foliage(rng, color: Color | None = None) -> Finish:
    return _tiled(rng, "grass", color if color is not None else vary(rng, "#4c8a3f", 0.05), 0.6, tile=0.4)


# ---- pictures ------------------------------------------------------------------------------------------------------
def picture(image: np.ndarray, roughness: float = 0.6, metalness: float = 0.0) -> Finish:
    """An image, uint8 (h, w, 3) or float 0..1, shown once across the part."""
    image = image if image.dtype == np.uint8 else t.to_bytes(image)
    return Finish((1.0, 1.0, 1.0), roughness, metalness, image, None)


def label(rng, text: str, ground=None, ink=None, wide: float = 2.0, repeats: int = 1, span: float = 0.85) -> Finish:
    """A printed label: a framed band with a word.

    wide: width / height of the part that it goes on (a lathe: circumference / height); repeats: times that the word
    is written; span: the share of the width that the words fill at most (0.3 for one word that shows from the front
    of a lathe).
    """
    a = srgb(ground if ground is not None else light(rng))
    b = srgb(ink if ink is not None else pick(rng, (bright, dark))(rng))
    accent = srgb(bright(rng))
    image = t.canvas(a, 192, int(np.clip(192 / max(wide, 0.76), 24, 250)))
    y = t.pixels(image)[1]
    t.fill(image, (y < 0.16) | (y > 0.84), accent)
    t.fill(image, ((y > 0.2) & (y < 0.23)) | ((y > 0.77) & (y < 0.8)), b)
    height = min(0.36, span * wide / repeats / max(len(text), 1))
    for k in range(repeats):
        t.write(image, text, b, ((k + 0.5) / repeats, 0.5), height)
    return picture(image, 0.55)


def screen(rng, on: bool | None = None) -> Finish:
    """A display: dark glass, or a bright picture of a landscape or of coloured tiles."""
    on = chance(rng, 0.4) if on is None else on
    if not on:
        return Finish((0.012, 0.013, 0.016), 0.08)
    image = t.canvas(srgb(vary(rng, "sky", 0.05)), 160, 96)
    x, y = t.pixels(image)
    if chance(rng):
        t.fill(image, np.hypot((x - 0.75) * 1.6, y - 0.75) < 0.12, srgb("lemon"))
        for k, tone in enumerate(("lilac", "teal", "green", "dark green")):
            ridge = 0.55 - 0.13 * k + 0.08 * np.sin(x * (5 + 2 * k) + rng.uniform(0, 6)) + 0.03 * np.sin(x * 17 + k)
            t.fill(image, y < ridge, srgb(vary(rng, tone, 0.04)))
    else:
        for k in range(15):
            cx, cy = (k % 5 + 0.5) / 5, (k // 5 + 0.5) / 3
            t.fill(image, np.maximum(np.abs(x - cx) * 5, np.abs(y - cy) * 3) < 0.36, srgb(bright(rng)))
    return Finish((1.0, 1.0, 1.0), 0.12, 0.0, t.to_bytes(image), None)
