"""Surroundings of the object: ten procedural scenes under procedural skies, or a folder of panoramas.

A panorama is linear and so exposed that a picture of it is neither dark nor burnt out at exposure 1: the geometric mean
of what a level camera sees is about 0.2 by day and less in the evening and at night.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.limits import MOST_PIXELS, demand_pixels, demand_regular
from mlspatial.render.mesh import Environment
from mlspatial.render.skies import country, rooms, town
from mlspatial.render.skies.rays import Shade, exposed, geometric_mean, paint
from mlspatial.render.skies.room import Room
from mlspatial.render.skies.sky import SKIES, WEIGHTS, SkyView

VERSION = "1"  # of the procedural panoramas; changes whenever a pixel could change
KEY = 0.2  # geometric mean of the radiance around the horizon, by day
SHADED = {"forest": 2.0}  # where little of the ground is in the open, it may be brighter there
LAMP_LIT = 0.6  # share of KEY for a room at night
WHITE = 1.45  # most radiance of a white board that lies on the ground
BRIGHTEST = 1e4  # radiance; brighter pixels would show as blocks, and hold no more light than a sun has
FOLDER_VERSION = "1"  # of how files are read
SUFFIXES = (".hdr", ".exr", ".png", ".jpg", ".jpeg")
OWN = "own"  # the one sky of a scene from a file


@dataclass(frozen=True)
class Scene:
    """A place to put the object in.

    bounds: (low, high) corners (x, y, z) of the space for cameras, metres, y up from the ground, without margins to
    ground, walls and ceiling; ceiling: its height, math.inf outdoors; skies: (name, weight), daytime oversampled,
    indoors what is seen through the windows. The panorama is taken at (0, 1.5, 0).
    """

    name: str
    indoor: bool
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    ceiling: float
    skies: tuple[tuple[str, float], ...]


class EnvironmentLibrary(Protocol):
    """Scenes and their panoramas. version changes whenever pixels could change."""

    name: str
    version: str
    scenes: tuple[Scene, ...]

    def environment(self, scene: str, sky: str, *, width: int) -> Environment:
        """The panorama of a scene under a sky, (width // 2, width, 3). Raises UnknownName, BadValue."""


def _outdoors(name: str, reach: float) -> Scene:
    return Scene(name, False, ((-reach, 0.0, -reach), (reach, 8.0, reach)), math.inf, WEIGHTS)


def _indoors(name: str, room: Room) -> Scene:
    return Scene(name, True, (room.low, room.high), room.high[1], WEIGHTS)


_BUILDERS: dict[str, tuple[Scene, Callable[[SkyView], Shade]]] = {
    "meadow": (_outdoors("meadow", 20.0), country.meadow),
    "forest": (_outdoors("forest", 12.0), country.forest),
    "beach": (_outdoors("beach", 12.0), country.beach),
    "mountain": (_outdoors("mountain", 20.0), country.mountain),
    "desert": (_outdoors("desert", 20.0), country.desert),
    "harbour": (_outdoors("harbour", 12.0), country.harbour),
    "street": (_outdoors("street", 7.0), town.street),
    "plaza": (_outdoors("plaza", 18.0), town.plaza),
    "kitchen": (_indoors("kitchen", rooms.KITCHEN), rooms.kitchen),
    "living_room": (_indoors("living_room", rooms.LIVING_ROOM), rooms.living_room),
}


class ProceduralEnvironments:
    """The embedded library. scenes: a subset of the names, in this order; None: all."""

    name = "procedural"
    version = VERSION

    def __init__(self, scenes: Sequence[str] | None = None) -> None:
        names = list(_BUILDERS) if scenes is None else list(scenes)
        if not names:
            raise BadValue("environments", "procedural:", "name at least one scene")
        if len(set(names)) < len(names):
            raise BadValue("environments", ",".join(names), "name each scene once")
        for scene in names:
            if scene not in _BUILDERS:
                raise UnknownName("scene", scene, _BUILDERS)
        self.scenes = tuple(_BUILDERS[scene][0] for scene in names)

    def environment(self, scene: str, sky: str, *, width: int) -> Environment:
        if scene not in {s.name for s in self.scenes}:
            raise UnknownName("scene", scene, [s.name for s in self.scenes])
        if sky not in SKIES:
            raise UnknownName("sky", sky, SKIES)
        check_width(width)
        view = SkyView(SKIES[sky], scene, azimuth=rooms.TURN.get(scene), folded=scene == "street")
        shade = _BUILDERS[scene][1](view)
        if scene in rooms.TURN:
            gain = exposed(shade, KEY * max(view.sky.exposure, LAMP_LIT))
        else:  # dark ground must not burn out what the sun shines on
            white = float(np.max(view.ambient + view.direct * view.sun[1]))
            gain = min(exposed(shade, KEY * view.sky.exposure), WHITE * SHADED.get(scene, 1.0) / white)
        panorama = paint(shade, width)
        panorama *= np.float32(gain)
        return Environment(f"{scene}/{sky}", np.clip(panorama, 1e-5, BRIGHTEST))


def check_width(width: int) -> None:
    if width < 64 or width % 4:
        raise BadValue("width", width, "a panorama has at least 64 columns, a multiple of 4")


class FolderEnvironments:
    """A folder of panoramas, one scene for each file, named by its stem, with one sky "own".

    .png and .jpg are linearised from sRGB and keep their exposure; .hdr and .exr are brought to the exposure of the
    procedural scenes. version is a hash of names and contents.
    Raises UserError for a folder without panoramas, a file that cannot be read or one that is not 2:1.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.name = str(folder)
        if not self.folder.is_dir():
            raise BadValue("environments", folder, "no such folder; name a folder of panoramas, or procedural")
        files = sorted(f for f in self.folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
        if not files:
            raise UserError(
                f"environments: {folder} holds no panorama; put files in it that end in {' '.join(SUFFIXES)}"
            )
        self._files: dict[str, Path] = {}
        digest = hashlib.sha256(FOLDER_VERSION.encode())
        for file in files:
            if file.stem in self._files:
                twin = self._files[file.stem].name
                raise UserError(f"environments: {twin} and {file.name} are one scene {file.stem!r}; rename one of them")
            _check_shape(file, *_size(file))
            self._files[file.stem] = file
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        self.version = digest.hexdigest()[:16]
        bounds = ((-20.0, 0.0, -20.0), (20.0, 8.0, 20.0))
        self.scenes = tuple(Scene(stem, False, bounds, math.inf, ((OWN, 1.0),)) for stem in self._files)

    def environment(self, scene: str, sky: str, *, width: int) -> Environment:
        if scene not in self._files:
            raise UnknownName("scene", scene, self._files)
        if sky != OWN:
            raise UnknownName("sky", sky, [OWN])
        check_width(width)
        file = self._files[scene]
        pixels = _read(file)
        _check_shape(file, pixels.shape[1], pixels.shape[0])
        pixels = _repaired(pixels)
        if file.suffix.lower() in (".hdr", ".exr"):
            pixels *= np.float32(KEY / geometric_mean(pixels))
        pixels = _resized(np.clip(pixels, 1e-5, BRIGHTEST), width)
        return Environment(f"{scene}/{sky}", pixels)


def load_environments(spec: str) -> EnvironmentLibrary:
    """The library of "procedural", of "procedural:meadow,kitchen" (some of its scenes) or of a folder of panoramas."""
    if spec == "procedural":
        return ProceduralEnvironments()
    if spec.startswith("procedural:"):
        return ProceduralEnvironments([s.strip() for s in spec.removeprefix("procedural:").split(",") if s.strip()])
    return FolderEnvironments(spec)


def _size(file: Path) -> tuple[int, int]:
    """Width and height from the head of a file."""
    from PIL import Image

    try:
        if file.suffix.lower() in (".png", ".jpg", ".jpeg"):
            demand_regular(file, f"environments: {file}")
            with Image.open(file) as picture:
                demand_pixels(f"environments: {file}", picture.size)
                return picture.size
        demand_regular(file, f"environments: {file}")
        with file.open("rb") as stream:
            head = stream.read(1 << 16)
        if file.suffix.lower() == ".hdr":
            found = re.search(rb"\n[-+]Y (\d+) [-+]X (\d+)\n", head)
            return int(found[2]), int(found[1])  # type: ignore[index]
        start = head.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
        left, top, right, low = struct.unpack_from("<4i", head, start)
        return right - left + 1, low - top + 1
    except (OSError, ValueError, TypeError, SyntaxError, struct.error) as error:
        raise _unreadable(file) from error
    except Image.DecompressionBombError as error:
        raise UserError(f"environments: {file} declares more than {MOST_PIXELS:,} pixels; save it smaller") from error


def _check_shape(file: Path, width: int, height: int) -> None:
    if height < 8 or abs(width - 2 * height) > 2:
        raise UserError(
            f"environments: {file.name} is {width} x {height} pixels; "
            "a panorama of all directions is twice as wide as high"
        )


def _unreadable(file: Path) -> UserError:
    kind = file.suffix.lower().lstrip(".")
    return UserError(f"environments: {file} cannot be read as {kind}; replace the file or take it out of the folder")


def _read(file: Path) -> np.ndarray:
    """Linear RGB, (h, w, 3) float32."""
    if file.suffix.lower() in (".png", ".jpg", ".jpeg"):
        from PIL import Image

        try:
            with Image.open(file) as picture:
                levels = np.asarray(picture.convert("RGB"))
        except (OSError, ValueError) as error:
            raise _unreadable(file) from error
        s = np.arange(256) / 255.0
        return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4).astype(np.float32)[levels]
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # read by OpenCV when it opens its first EXR file
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            f"environments: {file.name} needs OpenCV, which does not load here ({error}); "
            "install opencv-python-headless, or convert the panoramas to png"
        ) from error
    try:
        pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if "disabled" in str(error) or "codec" in str(error):
            raise UserError(f"environments: this OpenCV reads no EXR files ({file.name}); convert it to hdr") from error
        raise _unreadable(file) from error
    if pixels is None or pixels.dtype != np.float32:
        raise _unreadable(file)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels[..., 2::-1])


def _repaired(pixels: np.ndarray) -> np.ndarray:
    """Without NaN, infinities and negative radiance: NaN becomes black, an infinity the largest finite value."""
    finite = np.isfinite(pixels)
    largest = float(pixels[finite].max()) if finite.any() else 0.0
    return np.clip(np.nan_to_num(pixels, nan=0.0, posinf=largest, neginf=0.0), 0.0, None)


def _resized(pixels: np.ndarray, width: int) -> np.ndarray:
    """To width x width // 2: the mean over the area of a new pixel, or bilinear where the picture grows."""
    from PIL import Image

    height, old = width // 2, pixels.shape[1]
    if pixels.shape[:2] == (height, width):
        return pixels
    if width <= old:
        box, method = (0, 0, old, pixels.shape[0]), Image.Resampling.BOX
    else:  # one more column on each side, so that the seam is interpolated as well
        pixels = np.pad(pixels, ((0, 0), (1, 1), (0, 0)), mode="wrap")
        box, method = (1, 0, old + 1, pixels.shape[0]), Image.Resampling.BILINEAR
    channels = [Image.fromarray(np.ascontiguousarray(pixels[..., k])) for k in range(3)]
    return np.stack([np.asarray(c.resize((width, height), method, box=box)) for c in channels], axis=-1)
