"""Textures beside a model: found as people write their names, read as eight-bit sRGB; and the look made of them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from mlspatial.render.library.finish import Finish

if TYPE_CHECKING:
    from mlspatial.render.files.relief import Relief

LARGEST_TEXTURE = 512  # pixels along a side
GREY = 0.5  # sRGB, of what has no material
USUAL = ("", "textures", "texture", "images", "maps", "materials", "../textures", "../images", "../materials")
UNMOVED = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Look:
    """A finish, and what of a material a finish does not hold.

    uv: (2, 3), what texture coordinates (u, v up, 1) are multiplied by; rough_metal: float (h, w, 2) in 0..1, factors
    of roughness and metalness; opacity: float (h, w) in 0..1, what lies below `cutoff` is not drawn; shares: factors of
    the finish's layers by their name, float (h, w) in 0..1; relief: a normal or bump map. Absorption in the finish's
    layers is for a unit of the file.
    """

    finish: Finish
    uv: np.ndarray = field(default_factory=lambda: UNMOVED)
    rough_metal: np.ndarray | None = None
    opacity: np.ndarray | None = None
    cutoff: float = 0.5
    shares: dict[str, np.ndarray] = field(default_factory=dict)
    relief: Relief | None = None


def find(folder: Path, name: str) -> Path | None:
    """The file that a model in a folder means by a name, or None.

    Tried one after the other: the name as it stands; with / for backslashes, without drive or leading slash, with
    percent signs decoded, in any letter case; then its last part alone in the folders where textures usually lie.
    """
    plain = name.strip().strip('"')
    if plain and (folder / plain).is_file():
        return folder / plain
    slashed = plain.replace("\\", "/")
    if len(slashed) > 1 and slashed[1] == ":":
        slashed = slashed[2:]
    for written in dict.fromkeys((slashed, unquote(slashed))):
        relative = written.lstrip("/")
        last = relative.rsplit("/", 1)[-1]
        for tried in (relative, *(f"{place}/{last}" for place in USUAL)):
            if (found := _any_case(folder, tried)) is not None:
                return found
    return None


def _any_case(folder: Path, relative: str) -> Path | None:
    """The file below a folder; an exact name goes before one in other letters."""
    here = folder
    for step in relative.split("/"):
        if step in ("", "."):
            continue
        there = here / step
        if step != ".." and not there.exists():
            alike = sorted(p for p in here.glob("*") if p.name.casefold() == step.casefold())
            if not alike:
                return None
            there = alike[0]
        here = there
    return here if here.is_file() else None


def read_picture(data: bytes) -> np.ndarray:
    """uint8 (h, w, 4) sRGB and opacity, at most LARGEST_TEXTURE along a side. Raises OSError, ValueError
    or SyntaxError."""
    return pixels_of(opened(data))


def opened(data: bytes) -> Any:
    """A picture, whole. Raises OSError, ValueError or SyntaxError."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, ValueError, SyntaxError):
        raise
    except Exception as error:  # every format has its own ways to be broken
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return image


def pixels_of(image) -> np.ndarray:
    """uint8 (h, w, 4) of a picture of any mode; the high bytes of one of 16 bits."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        levels = np.asarray(image, np.float64)
        levels = levels * 255.0 if image.mode == "F" else levels / 257.0
        image = Image.fromarray(np.clip(np.round(levels), 0, 255).astype(np.uint8))
    clear = "A" in image.getbands() or "transparency" in image.info
    parts = [image.convert("RGB")] + ([image.convert("RGBA").getchannel("A")] if clear else [])
    scale = LARGEST_TEXTURE / max(image.size)
    if scale < 1:
        parts = [p.resize([max(1, round(side * scale)) for side in image.size]) for p in parts]
    planes = [np.array(p, np.uint8) for p in parts]
    if not clear:
        planes.append(np.full(planes[0].shape[:2], 255, np.uint8))
    return np.dstack(planes)


def sampled(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(n, ...) texels of a repeating picture (h, w, ...) at (n, 2) coordinates, v up."""
    height, width = picture.shape[:2]
    u, v = uv[:, 0], uv[:, 1]
    column = np.floor((u - np.floor(u)) * width).astype(int).clip(0, width - 1)
    row = np.floor((np.ceil(v) - v) * height).astype(int).clip(0, height - 1)
    return picture[row, column]
