"""What a build answers: parts of one message, each a FlatBuffer with four letters that name its kind, and the frame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from mlspatial.core.errors import in_one_line
from mlspatial.render.tdw import package

IMAGES, COLORS, VERSION, REGIONS = "imag", "segm", "vers", "sreg"
LOG, QUIT, UNHEARD = "logm", "quit", "ftre"


class Garbled(Exception):
    """A message that is not whole, or not the one that was asked for."""


@dataclass(frozen=True)
class Answer:
    """One frame's answer.

    images: pass ("_img", "_id", ...) -> encoded bytes; colors: id of an object -> its (r, g, b) in the `_id` pass;
    regions: (n, 2, 3) lowest and highest corner of the scene's regions, metres; log: what the build complains about.
    """

    frame: int
    images: dict[str, bytes] = field(default_factory=dict)
    colors: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    regions: np.ndarray | None = None
    version: str = ""
    log: tuple[str, ...] = ()
    unheard: bool = False
    quit: bool = False

    def complaint(self) -> str:
        return f" ({in_one_line(Exception('; '.join(self.log)))})" if self.log else ""


def read(parts: Sequence[bytes]) -> Answer:
    """The parts of a message. Raises Garbled."""
    if not parts or len(parts[-1]) not in (1, 4):
        raise Garbled("the build's message has no frame number")
    given: dict[str, Any] = {"frame": int.from_bytes(parts[-1], "big")}
    log: list[str] = []
    try:
        for part in parts[:-1]:
            _read_part(part, given, log)
    except Garbled:
        raise
    except Exception as error:  # what reads FlatBuffers fails as it likes where they are cut off
        raise Garbled(f"the build's message cannot be read ({in_one_line(error)})") from error
    return Answer(log=tuple(log), **given)


def _read_part(part: bytes, given: dict[str, Any], log: list[str]) -> None:
    messages = package.messages()
    kind = part[4:8].decode("ascii")
    if kind == IMAGES:
        images = messages.Images(part)
        given["images"] = {
            images.get_pass_mask(i): images.get_image(i).tobytes() for i in range(images.get_num_passes())
        }
    elif kind == COLORS:
        colors = messages.SegmentationColors(part)
        given["colors"] = {
            colors.get_object_id(i): tuple(int(value) for value in colors.get_object_color(i))
            for i in range(colors.get_num())
        }
    elif kind == VERSION:
        given["version"] = messages.Version(part).get_tdw_version()
    elif kind == REGIONS:
        regions = messages.SceneRegions(part)
        centre = np.array([regions.get_center(i) for i in range(regions.get_num())]).reshape(-1, 3)
        half = np.array([regions.get_bounds(i) for i in range(regions.get_num())]).reshape(-1, 3) / 2
        given["regions"] = np.stack([centre - half, centre + half], axis=1)
    elif kind == LOG:
        message = messages.LogMessage(part)
        if message.get_message_type() != "message":
            log.append(message.get_message())
    elif kind == QUIT:
        given["quit"] = True
    elif kind == UNHEARD:
        given["unheard"] = True


def picture(answer: Answer, name: str, size: int) -> np.ndarray:
    """(size, size, 3) uint8 pixels of a pass. Raises Garbled for one that is missing, cut off or of another size."""
    if name not in answer.images:
        raise Garbled(f"the build sent no {name} picture")
    try:
        with Image.open(io.BytesIO(answer.images[name])) as image:
            pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise Garbled(f"the build's {name} picture cannot be read ({in_one_line(error)})") from error
    if pixels.shape != (size, size, 3):
        raise Garbled(
            f"the build's {name} picture has {pixels.shape[1]} x {pixels.shape[0]} pixels, not {size} x {size}"
        )
    return pixels


def instances(pixels: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """(size, size) uint8: 0 where none of the objects is, 1, 2, .. for those whose colours are given, in their order.

    pixels: (size, size, 3) uint8 of the `_id` pass.
    """
    red, green, blue = (np.ascontiguousarray(pixels[..., k]) for k in range(3))
    found = np.zeros(red.shape, np.uint8)
    for number, color in enumerate(colors, start=1):
        found[(red == color[0]) & (green == color[1]) & (blue == color[2])] = number
    return found


def depth(raw: bytes, size: int, near: float, far: float) -> np.ndarray:
    """(size, size) float32 metres along the camera's axis from the `_depth` pass, inf where nothing is before `far`.

    raw: of that pass, which is no file of a picture but rows from below of three bytes a pixel, the first the highest
    of a share of the clipping range; as the package's TDWUtils.get_depth_values reads it. Raises Garbled.
    """
    if len(raw) != size * size * 3:
        raise Garbled(f"the build's _depth picture has {len(raw)} bytes, not {size * size * 3}")
    bytes_ = np.frombuffer(raw, np.uint8).reshape(size, size, 3)[::-1].astype(np.float64)
    share = bytes_ @ np.array([1.0, 1 / 256.0, 1 / 65536.0]) / 256.0
    return np.where(share >= 1.0 - 2.0**-23, np.inf, share * (far - near)).astype(np.float32)
