"""Files of panoramas: read as linear radiance, or refused with the reason.

Sources: G. Ward, Real Pixels (Graphics Gems II) and filefmts.pdf of Radiance (RGBE, both run lengths, orientations);
technical introduction to OpenEXR (header, channel list).
"""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.core.limits import MOST_PIXELS, demand_pixels, demand_regular
from mlspatial.render.colors import srgb_to_linear
from mlspatial.render.files import exr

SUFFIXES = (".hdr", ".exr", ".png", ".jpg", ".jpeg")
HEAD = 1 << 16  # bytes that hold a header
RESOLUTION = re.compile(rb"\n([-+])([XY]) (\d+) ([-+])([XY]) (\d+)\n")
DARK = 1e-4  # of the median: what is darker says nothing about the exposure
ORIENTATION = 0x0112  # tag of EXIF
#: What turns an array of rows upright, by its EXIF orientation (TIFF 6.0, tag 274).
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.swapaxes(0, 1),
    6: lambda rows: np.rot90(rows, -1),
    7: lambda rows: rows[::-1, ::-1].swapaxes(0, 1),
    8: lambda rows: np.rot90(rows, 1),
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def size(file: Path) -> tuple[int, int]:
    """Width and height, upright, from the head of a file. Raises UserError."""
    from PIL import Image

    demand_regular(file, f"environments: {file}")
    try:
        if _is_picture(file):
            with Image.open(file) as picture:
                demand_pixels(f"environments: {file}", picture.size)
                width, height = picture.size
                return (height, width) if picture.getexif().get(ORIENTATION, 1) >= 5 else (width, height)
        with file.open("rb") as stream:
            head = stream.read(HEAD if file.suffix.lower() == ".hdr" else exr.HEAD)
        if file.suffix.lower() == ".hdr":
            lines = _radiance_lines(file, head)
            return (lines[2], lines[1]) if lines[0] == "Y" else (lines[1], lines[2])
        header = exr.header(head)
        if not exr.is_plain(header.names):
            exr.picture(header)
        left, top, right, low = header.window
        return right - left + 1, low - top + 1
    except (OSError, ValueError, TypeError, SyntaxError, struct.error) as error:
        raise unreadable(file, _reason(error)) from error
    except Image.DecompressionBombError as error:
        raise UserError(f"environments: {file} declares more than {MOST_PIXELS:,} pixels; save it smaller") from error


def check_shape(file: Path, width: int, height: int) -> None:
    if height < 8 or abs(width - 2 * height) > 2:
        raise UserError(
            f"environments: {file.name} is {width} x {height} pixels; "
            "a panorama of all directions is twice as wide as high"
        )


def read(file: Path) -> np.ndarray:
    """Linear RGB, (h, w, 3) float32, upright; without NaN, infinities and negative radiance.

    NaN becomes black, an infinity the largest finite value. Raises UserError for what cannot be read, has another
    shape, no finite value or no light.
    """
    pixels = _picture(file) if _is_picture(file) else _radiance(file)
    check_shape(file, pixels.shape[1], pixels.shape[0])
    finite = np.isfinite(pixels)
    if not finite.any():
        raise UserError(f"environments: {file.name} holds no finite number; replace the file or take it out")
    largest = float(pixels[finite].max())
    if largest <= 0.0:
        raise UserError(f"environments: {file.name} is black all over; replace the file or take it out of the folder")
    return np.clip(np.nan_to_num(pixels, nan=0.0, posinf=largest, neginf=0.0), 0.0, None)


def typical(pixels: np.ndarray) -> float:
    """Geometric mean of the luminance within 45 degrees of the horizon, what a level camera sees, without what is
    dark beside the rest."""
    height = pixels.shape[0]
    level = pixels[height // 4 : height - height // 4] @ LUMINANCE
    if not (level > 0.0).any():  # light from above or below alone
        level = pixels @ LUMINANCE
    seen = level[level > DARK * float(np.median(level[level > 0.0]))]
    return float(np.exp(np.mean(np.log(seen))))


def unreadable(file: Path, reason: str = "") -> UserError:
    kind = file.suffix.lower().lstrip(".")
    said = f" ({reason})" if reason else ""
    return UserError(
        f"environments: {file} cannot be read as {kind}{said}; replace the file or take it out of the folder"
    )


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in (".png", ".jpg", ".jpeg")


def _picture(file: Path) -> np.ndarray:
    """A PNG or JPEG file, linearised from sRGB, in all its bits."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as picture:
            deep = _bits(file) == 16 and picture.mode in ("RGB", "RGBA")
            turn = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1), np.asarray)
            upright = ImageOps.exif_transpose(picture)
            _warn_of_holes(file, upright)
            if upright.mode.startswith("I"):
                values = np.repeat((np.asarray(upright, np.float64) / 65535.0)[..., None], 3, axis=2)
                return srgb_to_linear(np.clip(values, 0.0, 1.0)).astype(np.float32)
            levels = np.asarray(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable(file) from error
    if deep:
        whole = _opened(file)
        if whole is not None and whole.dtype == np.uint16:
            return srgb_to_linear(turn(whole)[..., 2::-1] / 65535.0).astype(np.float32)
    return srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)[levels]


def _warn_of_holes(file: Path, picture) -> None:
    """Warn of a picture that is transparent somewhere: what it stores there need not be what anybody has seen."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return
    alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
    if (share := float((alpha < 255).mean())) > 0.0:
        warnings.warn(
            f"environments: {file} is transparent in {100.0 * share:.2g} % of its pixels; drawn with the colours that "
            "it stores there; save it without transparency",
            stacklevel=4,
        )


def _bits(file: Path) -> int:
    """Bits of a channel of a PNG file; 8 of any other."""
    with file.open("rb") as stream:
        head = stream.read(26)
    return head[24] if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 26 else 8


def _cv2(file: Path):
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # read by OpenCV when it opens its first EXR file
    try:
        import cv2
    except ImportError as error:
        other = "save it with 8 bits a channel" if _is_picture(file) else "convert the panoramas to png"
        raise UserError(
            f"environments: {file.name} needs OpenCV, which does not load here ({error}); "
            f"install opencv-python-headless, or {other}"
        ) from error
    return cv2


def _opened(file: Path, data: bytes | None = None) -> np.ndarray | None:
    """What OpenCV makes of a file, or of other bytes in its place; None where it reads nothing."""
    cv2 = _cv2(file)
    try:
        if data is None:
            return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if "disabled" in str(error) or "codec" in str(error):
            raise UserError(f"environments: this OpenCV reads no EXR files ({file.name}); convert it to hdr") from error
        raise unreadable(file) from error


def _radiance(file: Path) -> np.ndarray:
    """An HDR or EXR file."""
    if file.suffix.lower() == ".hdr":
        pixels = _rgbe(file)
    else:
        pixels = _exr(file)
    if pixels is None or pixels.dtype != np.float32:
        raise unreadable(file)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels[..., 2::-1])


def _exr(file: Path) -> np.ndarray | None:
    """The picture of an EXR file: its plain channels, or else the layer that shows all the light."""
    try:
        with file.open("rb") as stream:
            header = exr.header(stream.read(exr.HEAD))
        if exr.is_plain(header.names):
            if header.flags & exr.PARTS and not exr.is_beauty(header.part):
                _warn_of_choice(file, "first part", header.part)
            return _opened(file)
        layer = exr.picture(header)
        plain = exr.unnamed(file.read_bytes(), header, layer)
    except (OSError, ValueError, struct.error) as error:
        raise unreadable(file, _reason(error)) from error
    if not exr.is_beauty(layer):
        _warn_of_choice(file, "only layer", layer)
    return _opened(file, plain)


def _warn_of_choice(file: Path, what: str, name: str) -> None:
    warnings.warn(
        f"environments: {file} is drawn with its {what}, {name!r}; save it as one layer if another is meant",
        stacklevel=5,
    )


def _reason(error: Exception) -> str:
    """What an error says to the person whose file it is."""
    return str(error) if isinstance(error, exr.Unread) else ""


def _radiance_lines(file: Path, head: bytes) -> tuple[str, int, int]:
    """The axis that changes from scanline to scanline, the number of scanlines and their length, of an HDR file."""
    found = RESOLUTION.search(head)
    if found is None or found[2] == found[5]:
        raise unreadable(file, "its header has no resolution")
    kind = re.search(rb"\nFORMAT=(\S+)", head[: found.start() + 1])
    if kind and kind[1] != b"32-bit_rle_rgbe":
        raise unreadable(file, f"its FORMAT is {kind[1].decode(errors='replace')}, not 32-bit_rle_rgbe")
    return found[2].decode(), int(found[3]), int(found[6])


def _rgbe(file: Path) -> np.ndarray | None:
    """(h, w, 3) float32, blue first, of a Radiance file in any of its eight orientations and three packings."""
    data = file.read_bytes()
    axis, count, length = _radiance_lines(file, data[:HEAD])
    found = RESOLUTION.search(data)
    assert found is not None
    pixels = data[found.end() :]
    new = len(pixels) >= 4 and pixels[:2] == b"\x02\x02" and (pixels[2] << 8) + pixels[3] == length
    if new or len(pixels) == 4 * count * length:
        head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {count} +X {length}\n".encode()
        lines = _opened(file, head + pixels)
    else:
        lines = _old_runs(file, pixels, count, length)
    if lines is None:
        return None
    outer, inner = found[1] + found[2], found[4] + found[5]
    lines = lines[::-1] if outer in (b"+Y", b"-X") else lines
    lines = lines[:, ::-1] if inner in (b"+Y", b"-X") else lines
    return lines if axis == "Y" else np.ascontiguousarray(lines.transpose(1, 0, 2))


def _old_runs(file: Path, pixels: bytes, count: int, length: int) -> np.ndarray:
    """Pixels of four bytes, of which 1, 1, 1, n repeats the one before n times; n counts on in runs that follow."""
    words = np.frombuffer(pixels[: len(pixels) // 4 * 4], np.uint8).reshape(-1, 4)
    repeats = (words[:, :3] == 1).all(axis=1)
    amount = np.ones(len(words), np.int64)
    last = np.flatnonzero(~repeats)
    position = np.arange(len(words))
    before = np.maximum.accumulate(np.where(repeats, -1, position))  # the pixel that is repeated
    if not len(last) or before[0] < 0:
        raise unreadable(file, "its run lengths have no beginning")
    shift = np.minimum(8 * (position - before - 1), 40)
    amount[repeats] = words[repeats, 3].astype(np.int64) << shift[repeats]
    if amount.sum() != count * length:
        raise unreadable(file, "its pixels end too early or too late")
    rgbe = np.repeat(words[before], amount, axis=0).reshape(count, length, 4)
    scale = np.where(rgbe[..., 3] > 0, np.ldexp(1.0, rgbe[..., 3].astype(np.int32) - 136), 0.0)
    return (rgbe[..., 2::-1] * scale[..., None]).astype(np.float32)
