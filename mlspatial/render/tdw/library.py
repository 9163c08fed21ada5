"""What ThreeDWorld has: models, scenes and skies, by name.

Known, of the published experiment settings of Xie et al. 2025: the library of models (models_core), that models marked
do_not_use are left out, as are three that show several things (b02_bag, lantern_2010, b04_bottle_max), the ten scenes,
and that every sky that is no interior may light every scene, those of the day (sun_elevation >= 145) twice as often.
Chosen: models.csv lists what these rules give in version 1.13 of the package without models made of moving parts
(`composite`), which came later; that gives each of the 117 categories its published number of models, 548 in all.
Chosen, too: the bounds of the outdoor scenes, which only a build knows; see REACH.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.hashing import content_id, file_sha256
from mlspatial.render.environments import ENVIRONMENTS, Scene
from mlspatial.render.objects import OBJECTS
from mlspatial.render.tdw import package
from mlspatial.render.tdw.frames import box_points

VERSION = "1"  # of what is made of the records
PLATFORM = "Linux"  # of the asset bundles
DAY, DAY_WEIGHT = 145, 2.0  # least sun_elevation of a sky of the day, and how much oftener it is drawn
INDOOR = ("box_room_2018", "tdw_room")  # their bounds are in the package's records
OUTDOOR = (
    "building_site",
    "dead_grotto",
    "downtown_alleys",
    "iceland_beach",
    "lava_field",
    "ruin",
    "savanna_flat_6km",
    "suburb_scene_2023",
)
REACH, HEIGHT = 5.0, 4.0  # metres: outdoors, cameras are within 5 m of the origin's axes and 4 m above it; chosen
Bounds = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Model:
    """A model of the library. vertices: (n, 3) points on its box, in the object frame of render.mesh: what stands for
    it when the sampler asks what is in the picture; record: as in the metadata."""

    name: str
    category: str
    vertices: np.ndarray
    record: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.record["urls"][PLATFORM])


@dataclass(frozen=True)
class View:
    """A scene under a sky. scene, sky: records, as in the metadata."""

    name: str
    bounds: Bounds
    scene: dict[str, Any]
    sky: dict[str, Any]


@lru_cache(maxsize=1)
def published() -> dict[str, tuple[str, ...]]:
    """category -> names of its models, in the published order of categories."""
    found: dict[str, list[str]] = {}
    with open(Path(__file__).with_name("models.csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["category"], []).append(row["model"])
    return {category: tuple(names) for category, names in found.items()}


class TdwModels:
    """The 117 categories of the study with their 548 models, or those of a metadata file of one's own.

    file: a metadata file in ThreeDWorld's form (`records` with name, wcategory, bounds, urls); "": the package's.
    Raises UserError where the package is missing, and for models that the metadata do not have, all of which it names.
    """

    name = "tdw"
    assets = "tdw"

    def __init__(self, file: str = "", categories: Sequence[str] | None = None) -> None:
        self._file = file
        self._records = package.records(file or package.MODELS)
        models = _grouped(self._records) if file else published()
        for category in categories or ():
            if category not in models:
                raise UnknownName("category", category, models)
        self._models = models if categories is None else {category: models[category] for category in categories}
        self.categories = tuple(self._models)

    @cached_property
    def version(self) -> str:
        """Changes with names, sizes and facings of the models; of a file of one's own with what it says that they
        are: the content of files on this machine, other addresses as they stand."""
        facts = ("bounds", "scale_factor", "canonical_rotation")
        chosen: dict[str, dict[str, Any] | None] = {}
        for name in (name for names in self._models.values() for name in names):
            record = self._records.get(name)
            chosen[name] = record and {fact: record.get(fact) for fact in facts}
            if record and self._file:
                chosen[name] = {**(chosen[name] or {}), "bundle": _bundle(str(record["urls"][PLATFORM]))}
        return content_id([VERSION, chosen])[:12]

    def identities(self, category: str) -> tuple[str, ...]:
        if category not in self._models:
            raise UnknownName("category", category, self._models)
        return self._models[category]

    def mesh(self, category: str, identity: str) -> Model:
        """A model of the library, which only this renderer can draw."""
        if identity not in self.identities(category):
            raise UnknownName(f"model of {category}", identity, self.identities(category))
        if identity not in self._records:
            raise UnknownName("model of ThreeDWorld", identity, self._records)
        record = self._records[identity]
        return Model(identity, category, box_points(record), record)

    def missing(self) -> list[str]:
        """Models that the metadata do not have, or whose file on this machine is not there."""
        gone = []
        for category, names in self._models.items():
            for name in names:
                if name not in self._records:
                    gone.append(f"{category}: {name} is in no record of {self._file or package.MODELS}")
                elif (path := _local(self._records[name]["urls"][PLATFORM])) and not path.is_file():
                    gone.append(f"{category}: {name} has no file {path}")
        return gone


class TdwScenes:
    """The ten scenes of the study under every exterior sky, some of them, or those whose bounds a file gives.

    spec: "", names with commas between, or a JSON file {"scene": {"low": [x, y, z], "high": [x, y, z]}} of bounds for
    cameras, metres. Raises UnknownName, BadValue, UserError.
    """

    name = "tdw"
    assets = "tdw"

    def __init__(self, spec: str = "") -> None:
        self._scenes, self._skies = package.records(package.SCENES), package.records(package.SKIES)
        bounds = _measured(Path(spec)) if spec.endswith(".json") else {}
        names = list(bounds) or [name.strip() for name in spec.split(",") if name.strip()] or [*INDOOR, *OUTDOOR]
        for name in names:
            if name not in self._scenes:
                raise UnknownName("scene of ThreeDWorld", name, self._scenes)
        if len(set(names)) < len(names):
            raise BadValue("environments", f"tdw:{spec}", "name each scene once")
        skies = sorted(name for name, sky in self._skies.items() if sky["location"] != "interior")
        weights = tuple((name, DAY_WEIGHT if self._skies[name]["sun_elevation"] >= DAY else 1.0) for name in skies)
        self.scenes = tuple(self._scene(name, bounds.get(name), weights) for name in names)
        self.version = content_id([VERSION, [[s.name, s.bounds, str(s.ceiling)] for s in self.scenes], weights])[:12]

    def _scene(self, name: str, bounds: Bounds | None, skies: tuple[tuple[str, float], ...]) -> Scene:
        record = self._scenes[name]
        indoor = record["location"] == "interior"
        bounds = bounds or _room(record) or ((-REACH, 0.0, -REACH), (REACH, HEIGHT, REACH))
        return Scene(name, indoor, bounds, bounds[1][1] if indoor else math.inf, skies)

    def environment(self, scene: str, sky: str, *, width: int) -> View:
        """A scene under a sky, which only this renderer can draw; width has no meaning here."""
        there = {one.name: one for one in self.scenes}
        if scene not in there:
            raise UnknownName("scene", scene, there)
        if sky not in dict(there[scene].skies):
            raise UnknownName("sky", sky, dict(there[scene].skies))
        return View(f"{scene}/{sky}", there[scene].bounds, self._scenes[scene], self._skies[sky])


def _grouped(records: dict[str, dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """category -> models of a metadata file of one's own, without those that are not to be used."""
    found: dict[str, list[str]] = {}
    for name, record in sorted(records.items()):
        try:
            if not record.get("do_not_use"):
                found.setdefault(str(record["wcategory"]), []).append(name)
                _ = record["bounds"]["top"]["y"], record["urls"][PLATFORM]
        except (KeyError, TypeError):
            raise UserError(f"objects: record {name} needs wcategory, bounds and urls: {PLATFORM}") from None
    if not found:
        raise UserError("objects: the metadata file has no model that may be used")
    return {category: tuple(names) for category, names in found.items()}


def _room(record: dict[str, Any]) -> Bounds | None:
    """The box of a scene's only room, from its floor up."""
    if len(record.get("rooms") or ()) != 1:
        return None
    region = record["rooms"][0]["main_region"]
    (x, y, z), (width, height, depth) = region["center"], region["bounds"]
    return (x - width / 2, y, z - depth / 2), (x + width / 2, y + height, z + depth / 2)


def _measured(path: Path) -> dict[str, Bounds]:
    """scene -> bounds of a JSON file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: (_corner(box["low"]), _corner(box["high"])) for name, box in found.items()}
    except OSError as error:
        raise UserError(f"environments: {path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f'environments: {path} must be {{"SCENE": {{"low": [x, y, z], "high": [x, y, z]}}}}, metres'
        ) from None


def _corner(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z


def _local(url: str) -> Path | None:
    """The path of a file: address, None for another one."""
    parts = urlparse(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _bundle(url: str) -> str:
    """What a model's file is: its SHA-256 where it is on this machine, else its address."""
    path = _local(url)
    if path is None or not path.is_file():
        return url
    try:
        facts = path.stat()
        return _sha256(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise UserError(f"objects: {path} cannot be read ({error.strerror})") from error


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    return file_sha256(path)


@OBJECTS.register("tdw")
def models(rest: str, categories: Sequence[str] | None) -> TdwModels:
    """The library of "tdw" and "tdw:FILE"."""
    return TdwModels(rest, categories)


@ENVIRONMENTS.register("tdw")
def scenes(rest: str) -> TdwScenes:
    """The library of "tdw", "tdw:SCENE,SCENE" and "tdw:FILE.json"."""
    return TdwScenes(rest)
