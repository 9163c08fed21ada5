"""Surroundings of the object: ten procedural scenes under procedural skies, or a folder of panoramas.

A panorama is linear and so exposed that a picture of it is neither dark nor burnt out at exposure 1: the geometric mean
of what a level camera sees is about 0.2 by day and less in the evening and at night.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.plugins import Plugins, import_all
from mlspatial.render.files import panorama
from mlspatial.render.files.panorama import SUFFIXES
from mlspatial.render.mesh import Environment
from mlspatial.render.skies import country, rooms, town
from mlspatial.render.skies.rays import Shade, exposed, paint
from mlspatial.render.skies.room import Room
from mlspatial.render.skies.sky import SKIES, WEIGHTS, SkyView

VERSION = "1"  # of the procedural panoramas; changes whenever a pixel could change
KEY = 0.2  # geometric mean of the radiance around the horizon, by day
SHADED = {"forest": 2.0}  # where little of the ground is in the open, it may be brighter there
LAMP_LIT = 0.6  # share of KEY for a room at night
WHITE = 1.45  # most radiance of a white board that lies on the ground
BRIGHTEST = 1e4  # radiance; brighter pixels would show as blocks, and hold no more light than a sun has
FOLDER_VERSION = "3"  # of how files are read
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
    Raises UserError for a folder without panoramas, a file that cannot be read or one that is not 2:1, and, when it is
    asked for, for one without light.
    """

    name = "folder"  # wherever it lies

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
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
            panorama.check_shape(file, *panorama.size(file))
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
        pixels = panorama.read(file)
        if file.suffix.lower() in (".hdr", ".exr"):
            pixels *= np.float32(KEY / panorama.typical(pixels))
        pixels = _resized(np.clip(pixels, 1e-5, BRIGHTEST), width)
        return Environment(f"{scene}/{sky}", pixels)


#: Libraries that come with a renderer: name -> f(what follows "name:").
ENVIRONMENTS: Plugins[Callable[[str], Any]] = Plugins("library of environments")


def load_environments(spec: str) -> EnvironmentLibrary:
    """The library of "procedural", of "procedural:meadow,kitchen" (some of its scenes), of a folder of panoramas, or
    one that comes with a renderer, by its name and what it says may follow after a colon."""
    if spec == "procedural":
        return ProceduralEnvironments()
    if spec.startswith("procedural:"):
        return ProceduralEnvironments([s.strip() for s in spec.removeprefix("procedural:").split(",") if s.strip()])
    name, _, rest = spec.partition(":")
    if not Path(spec).is_dir():
        from mlspatial import render

        import_all(render)
        if name in ENVIRONMENTS:
            library: EnvironmentLibrary = ENVIRONMENTS[name](rest)
            return library
    return FolderEnvironments(spec)


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
