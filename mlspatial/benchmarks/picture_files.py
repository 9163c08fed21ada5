"""Files of pictures as networks are shown them: upright, 8 bits a colour, without holes, on 8 degrees."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.benchmarks import matlab
from mlspatial.benchmarks.ids import PICTURES, some, stem
from mlspatial.benchmarks.matlab import MAT
from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.limits import MOST_PIXELS, demand_memory, demand_pixels, demand_regular
from mlspatial.core.progress import say
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    from PIL import Image

FIELD = 8.0  # degrees that a network sees, Brain-Score's number
MOST_PACKED = 200  # times that a picture may be larger than its member of an archive: PNG and JPEG are packed already
BACKGROUNDS = ("grey", "white", "black")
GREY = (128, 128, 128)  # Brain-Score's, around pictures that are smaller than the field


def read_pictures(path: Path, degrees: float = FIELD, background: str = "") -> Stimuli:
    """What `_read` gives; an archive that has not changed since is read once."""
    if not path.is_file():
        return _read(path, degrees, background)
    facts = path.stat()
    return _read_once(path.resolve(), degrees, background, (facts.st_mtime_ns, facts.st_size))


@lru_cache(maxsize=1)
def _read_once(path: Path, degrees: float, background: str, stamp: tuple[int, int]) -> Stimuli:
    return _read(path, degrees, background)


def _read(path: Path, degrees: float, background: str) -> Stimuli:
    """The pictures of a folder, zip file or MATLAB file, in the order of their names.

    degrees: visual angle of a picture's width. One that is smaller than FIELD stands on grey, of a larger one the
    middle is seen, as in Brain-Score. background: one of BACKGROUNDS, on which transparent pictures are seen.
    Orientation is that which the camera noted; 16 bits become 8 by their highest ones, and numbers from 0 to 1 are
    taken as shares of white. Raises UserError for what is no picture or cannot be shown without guessing.
    """
    from PIL import Image, UnidentifiedImageError

    names, images, deepest = [], [], 0.0
    count, files = _files(path)
    for name, data in files:
        what = f"stimulus {name} in {path}"
        try:
            with _unwarned(), Image.open(io.BytesIO(data)) as picture:
                demand_pixels(what, picture.size)
                if picture.mode.startswith("I"):
                    deepest = max(deepest, float(np.asarray(picture).max()))
                images.append(np.asarray(_placed(_shown(picture, background, what), degrees)))
        except Image.DecompressionBombError as error:
            raise UserError(f"{what}: declares more than {MOST_PIXELS:,} pixels; save it smaller") from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:  # Pillow's, by format
            reason = in_one_line(error) if str(error).find("BytesIO") < 0 else "it is no picture"
            raise UserError(f"{what}: cannot be read ({reason})") from error
        if len(images) == 1:
            demand_memory(f"stimuli {path}", images[0].nbytes * 2.0 * count, f"{count} pictures like {name} are")
        names.append(stem(name))
    if 255 < deepest < 4096:
        say(f"{path.name}: no picture of 16 bits is brighter than {deepest:g} of 65535; they are shown as dark as that")
    if not images:
        raise UserError(f"stimuli {path}: holds no pictures ({', '.join(PICTURES)})")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(
            f"stimuli {path}: there are several pictures {some(twice)} but for their endings; keep one each"
        )
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise UserError(f"stimuli {path}: pictures differ in size ({sorted(sizes)[:3]}); bring them to one size")
    return Stimuli(tuple(names), np.stack(images), degrees)


def _files(path: Path) -> tuple[int, Iterator[tuple[str, bytes]]]:
    """(their number, name and bytes of every picture)."""
    if path.suffix == MAT and path.is_file():
        made = list(matlab.pictures(path))
        return len(made), iter(made)
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if _is_picture(file)]
        return len(files), _contents(files)
    if path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                members = [one for one in archive.infolist() if _is_picture(Path(one.filename))]
        except zipfile.BadZipFile as error:
            raise UserError(f"stimuli {path}: cannot be read ({in_one_line(error)})") from error
        members.sort(key=lambda one: one.filename)
        return len(members), _members(path, members)
    raise UserError(f"stimuli {path}: is neither a folder nor a zip file nor a MATLAB file of pictures")


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES and not file.name.startswith(".")  # macOS adds files ._NAME that are none


def _contents(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    sizes = {}
    for file in files:
        demand_regular(file, f"stimulus {file.name} in {file.parent}")
        sizes[file] = file.stat().st_size
    if sizes:
        largest = max(sizes, key=lambda file: sizes[file])
        demand_memory(f"stimulus {largest.name} in {largest.parent}", sizes[largest], "has")
    for file in files:
        try:
            yield file.name, file.read_bytes()
        except OSError as error:
            raise UserError(f"stimulus {file.name} in {file.parent}: cannot be read ({error.strerror})") from error


def _members(path: Path, members: list[zipfile.ZipInfo]) -> Iterator[tuple[str, bytes]]:
    """Of an archive; nothing is unpacked to disk, so that a member's name leads nowhere."""
    for member in members:
        if member.file_size > MOST_PACKED * max(member.compress_size, 1) + (1 << 20):
            raise UserError(
                f"stimulus {member.filename} in {path}: declares {member.file_size:,} bytes of "
                f"{member.compress_size:,} packed ones, which no picture does; make the archive anew"
            )
    if members:
        largest = max(members, key=lambda one: one.file_size)
        demand_memory(f"stimulus {largest.filename} in {path}", largest.file_size)
    with zipfile.ZipFile(path) as archive:
        for member in members:
            what = f"stimulus {member.filename} in {path}"
            try:
                yield member.filename, archive.read(member)
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, EOFError) as error:
                raise UserError(f"{what}: cannot be unpacked ({in_one_line(error)})") from error


@contextmanager
def _unwarned() -> Iterator[None]:
    """Pillow warns of large pictures, which are refused by name here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _shown(picture: Image.Image, background: str, what: str) -> Image.Image:
    """A picture as RGB of 8 bits."""
    from PIL import Image, ImageOps

    if getattr(picture, "n_frames", 1) > 1:
        raise UserError(f"{what}: holds {picture.n_frames} pictures; save one a file")  # type: ignore[attr-defined]
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I") or upright.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(upright), what)).convert("RGB")
    if "A" in upright.mode or "a" in upright.mode or "transparency" in upright.info:
        seen = upright.convert("RGBA")
        if np.asarray(seen)[..., 3].min() < 255:
            if not background:
                raise UserError(
                    f"{what}: is transparent, and what was behind it decides what is seen; write "
                    f"background: {', '.join(BACKGROUNDS[:-1])} or {BACKGROUNDS[-1]}, or save it without holes"
                )
            behind = Image.new("RGBA", seen.size, (*GREY, 255) if background == "grey" else background)
            return Image.alpha_composite(behind, seen).convert("RGB")
        return seen.convert("RGB")
    return upright.convert("RGB")


def _eight_bits(values: np.ndarray, what: str) -> np.ndarray:
    """(h, w) whole numbers up to 65535, or shares from 0 to 1, as uint8."""
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind in "ui" and low >= 0 and high <= 65535:
        return (values.astype(np.uint32) >> 8).astype(np.uint8)
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.round(values * 255).astype(np.uint8)
    raise UserError(f"{what}: has values from {low:g} to {high:g}; save it with 8 or 16 bits, or as shares from 0 to 1")


def _placed(picture: Image.Image, degrees: float) -> Image.Image:
    """A picture of so many degrees as it looks on FIELD degrees. Source: Brain-Score, benchmark_helpers.screen."""
    from PIL import Image

    if degrees == FIELD:
        return picture
    size = np.array(picture.size)
    target = np.round(FIELD / degrees * size).astype(int)
    if degrees < FIELD:
        screen = Image.new("RGB", tuple(target.tolist()), GREY)
        screen.paste(picture, tuple(np.round((target - size) / 2).astype(int).tolist()))
        return screen
    left, upper = np.round((size - target) / 2).astype(int).tolist()
    return picture.crop((left, upper, left + int(target[0]), upper + int(target[1])))
