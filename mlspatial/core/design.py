"""Controlled images: which latents are varied, over which levels, what is held, and in which contexts all is seen.

The contexts are all combinations of objects, scenes, skies and repeats (draws of what is held), less what a crossing's
own factors decide. Everything that is drawn is the same in all cells of a context.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import UserError
from mlspatial.core.latents import Kind

VERSION = 1  # of how a design becomes images; counts up whenever one could change
SPLIT = "design"  # of a dataset that holds a design's images

#: name -> kind, unit, least and greatest value. z: the distance; light: degrees by which the light is turned about the
#: vertical while the surroundings stay.
NUMBERS: dict[str, tuple[Kind, str, float, float]] = {
    "x": ("linear", "m", -4.2, 4.2),
    "y": ("linear", "m", -4.2, 4.2),
    "z": ("linear", "m", 0.1, 4.2),
    "rot_0": ("circular", "deg", -89.0, 89.0),
    "rot_1": ("circular", "deg", -180.0, 180.0),
    "rot_2": ("circular", "deg", -180.0, 180.0),
    "camera_height": ("linear", "m", 0.1, 8.0),
    "light": ("circular", "deg", -360.0, 360.0),
}
NAMES = ("category", "identity", "scene", "sky")
IN_VIEW = 0.9
OBJECTS, SCENES, SKIES, REPEATS = range(4)  # axes of the contexts
#: The context's axis that a factor decides.
DECIDES = {"category": OBJECTS, "identity": OBJECTS, "scene": SCENES, "sky": SKIES}


@dataclass(frozen=True)
class Varied:
    """One factor of a crossing. values: numbers or names; relative: numbers are added to what is held."""

    factor: str
    values: tuple[float | str, ...]
    relative: bool = False

    def as_factor(self) -> Factor:
        kind, unit = NUMBERS[self.factor][:2] if self.factor in NUMBERS else ("category", "")
        return Factor(self.factor, kind, self.values, unit)


@dataclass(frozen=True)
class Part:
    """One crossing of a design. sample: 0, or how many of its cells are drawn, each level as often as any other."""

    name: str
    varied: tuple[Varied, ...]
    sample: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(one.values) for one in self.varied)

    @property
    def free(self) -> tuple[bool, ...]:
        """Whether each axis of the contexts is open."""
        decided = {DECIDES[one.factor] for one in self.varied if one.factor in DECIDES}
        return tuple(axis not in decided for axis in range(4))


@dataclass(frozen=True)
class Shown:
    """What one image shows, by numbers and names; see Design.images. cell: level of each factor; context: number;
    place: numbers of the context's object, scene, sky and repeat."""

    part: Part
    cell: tuple[int, ...]
    context: int
    place: tuple[int, int, int, int]

    @property
    def levels(self) -> dict[str, tuple[float | str, bool]]:
        """factor -> (value, whether it is added to what is held)."""
        return {
            one.factor: (one.values[level], one.relative)
            for one, level in zip(self.part.varied, self.cell, strict=True)
        }

    def __str__(self) -> str:
        cell = ", ".join(
            f"{name} {'+' if relative and isinstance(value, float) and value >= 0 else ''}{value}"
            for name, (value, relative) in self.levels.items()
        )
        return f"{self.part.name}: {cell}"


@dataclass(frozen=True)
class Design:
    """A design whose names are all there. identities: (category, identity) of each context's object; scenes, skies:
    names; held: name -> (low, high); in_view: least share of the object inside the picture and above the floor."""

    parts: tuple[Part, ...]
    held: tuple[tuple[str, float, float], ...]
    identities: tuple[tuple[str, str], ...]
    scenes: tuple[str, ...]
    skies: tuple[str, ...]
    repeats: int = 1
    in_view: float = IN_VIEW

    def contexts(self, part: Part) -> list[tuple[int, int, int, int]]:
        """Places of a crossing's contexts. Where it decides the category, an object's number counts within one."""
        objects = len(self.identities)
        sizes = [objects, len(self.scenes), len(self.skies), self.repeats]
        ranges = [range(size if free else 1) for size, free in zip(sizes, part.free, strict=True)]
        if (categories := next((one for one in part.varied if one.factor == "category"), None)) is not None:
            ranges[OBJECTS] = range(max(1, objects // len(categories.values)))
        return [(a, b, c, d) for a, b, c, d in product(*ranges)]

    def cells(self, part: Part, seed: int) -> list[tuple[int, ...]]:
        """The cells of a crossing: all, in the order of NumPy's indices, or those of its sample."""
        if not part.sample:
            return list(np.ndindex(*part.shape))
        rng = np.random.default_rng([seed, 11, *part.name.encode()])
        columns = [rng.permutation(np.arange(part.sample) % size) for size in part.shape]
        return [tuple(map(int, cell)) for cell in zip(*columns, strict=True)]

    def images(self, seed: int) -> Iterator[Shown]:
        """Every image, crossing by crossing, context by context, cell by cell."""
        for part in self.parts:
            cells = self.cells(part, seed)
            for context, place in enumerate(self.contexts(part)):
                for cell in cells:
                    yield Shown(part, cell, context, place)

    def seen_in(self) -> list[tuple[tuple[bool, ...], tuple[int, int, int, int]]]:
        """What each image's context is, in their order; see Crossing.seen_in."""
        return [
            (part.free, place)
            for part in self.parts
            for place in self.contexts(part)
            for _ in range(part.sample or prod(part.shape))
        ]

    def size(self) -> int:
        """Number of images."""
        return sum((part.sample or prod(part.shape)) * len(self.contexts(part)) for part in self.parts)

    def crossings(self) -> list[Crossing]:
        """Those whose cells are all there, with the rows that their images have in the split of a dataset."""
        found, first = [], 0
        for part in self.parts:
            places = self.contexts(part)
            contexts, cells = len(places), part.sample or prod(part.shape)
            if not part.sample:
                rows = first + np.arange(contexts * cells).reshape(contexts, cells).T
                factors = tuple(one.as_factor() for one in part.varied)
                seen_in = tuple((part.free, place) for place in places)
                found.append(
                    Crossing(part.name, factors, rows.reshape(*part.shape, contexts), seen_in, clusters(places))
                )
            first += contexts * cells
        return found

    def pairs(self, identities: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
        """(category, identity) of all objects that are shown. identities: category -> its identities."""
        found: set[tuple[str, str]] = set()
        for part in self.parts:
            values = {one.factor: one.values for one in part.varied}
            numbers = {place[OBJECTS] for place in self.contexts(part)}
            if "identity" in values:
                wanted = set(values["identity"])
                found |= {(c, name) for c, names in identities.items() for name in names if name in wanted}
            elif "category" in values:
                found |= {(str(c), identities[str(c)][number]) for c in values["category"] for number in numbers}
            else:
                found |= {self.identities[number] for number in numbers}
        return found

    def views(self) -> set[tuple[str, str]]:
        """(scene, sky) of all surroundings that are shown."""
        found: set[tuple[str, str]] = set()
        for part in self.parts:
            values = {one.factor: one.values for one in part.varied}
            scenes, skies = (
                values.get(name) or {names[place[axis]] for place in self.contexts(part)}
                for name, axis, names in (("scene", SCENES, self.scenes), ("sky", SKIES, self.skies))
            )
            found |= {(str(scene), str(sky)) for scene in scenes for sky in skies}
        return found

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    def text(self) -> str:
        """The design in one line, which `from_json` reads."""
        return json.dumps(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Design:
        """Raises UserError for a design of another version."""
        if data["version"] != VERSION:
            raise UserError(f"a design of version {data['version']}; this program reads version {VERSION}")
        parts = tuple(
            Part(
                part["name"],
                tuple(Varied(v["factor"], tuple(v["values"]), v["relative"]) for v in part["varied"]),
                part["sample"],
            )
            for part in data["parts"]
        )
        return cls(
            parts,
            tuple((str(name), float(low), float(high)) for name, low, high in data["held"]),
            tuple((str(category), str(identity)) for category, identity in data["identities"]),
            tuple(data["scenes"]),
            tuple(data["skies"]),
            data["repeats"],
            data["in_view"],
        )


def clusters(places: Sequence[tuple[int, int, int, int]]) -> tuple[int, ...]:
    """Cluster of each context, by the first axis that tells contexts apart: the object, else the scene, the sky or the
    draw. What is held is drawn for each context, but the object and the scene come again."""
    axis = next((axis for axis in range(4) if len({place[axis] for place in places}) > 1), OBJECTS)
    order = {number: k for k, number in enumerate(dict.fromkeys(place[axis] for place in places))}
    return tuple(order[place[axis]] for place in places)
