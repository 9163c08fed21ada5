"""Designs as people write them: YAML to a core.design.Design, every mistake said by its key.

    crossings:                     # each a full crossing of its factors; one factor: a sweep
      x: {x: {from: -0.5, to: 0.5, levels: 16}}
      near: {z: [1.5, 2, 3], rot_1: {from: -45, to: 45, levels: 5}}
      steps: {z: {step: 0.1}}      # pairs that differ by .1 m, around what is held
    held: {x: 0, z: 2.2, rot_1: [-45, 45]}      # a number, or the bounds of a draw for each context
    contexts: {identities: 8, scenes: 4, skies: 1, repeats: 1}

Levels of a number: a list, {from, to, levels}, or {step, levels} around what is held. Levels of a name (category,
identity, scene, sky): a list, or how many. `sample: N` beside a crossing's factors draws N of its cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlspatial.core.design import IN_VIEW, NAMES, NUMBERS, OBJECTS, Design, Part, Varied
from mlspatial.core.errors import BadValue, UnknownName, UserError, in_one_line
from mlspatial.render import designs

ALSO = {"distance": "z"}
HELD = {"x": 0.0, "y": 0.0, "z": 2.5, "rot_0": 0.0, "rot_1": 0.0, "rot_2": 0.0, "camera_height": 1.4, "light": 0.0}
CONTEXTS = {"identities": 8, "scenes": 4, "skies": 1, "repeats": 1}
KEYS = ("crossings", "held", "contexts", "in_view")
MOST = 200_000  # images; more is a slip of a level
SHIPPED = Path(designs.__file__).parent


def design_file(name: str) -> Path:
    """The file of a design: one that comes with the program, by its name, or one's own. Raises UnknownName."""
    if (shipped := SHIPPED / f"{name}.yaml").is_file() and "/" not in name:
        return shipped
    if not Path(name).is_file():
        raise UnknownName("design (nor is it a file)", name, [file.stem for file in SHIPPED.glob("*.yaml")])
    return Path(name)


def read_design(path: Path, identities: Mapping[str, Sequence[str]], skies: Mapping[str, Sequence[str]]) -> Design:
    """The design of a YAML file, its numbers of objects, scenes and skies made names.

    identities: category -> its identities; skies: scene -> its skies, the likeliest first. Raises UserError with the
    file and the key at fault.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"design={path}: cannot be read ({in_one_line(error)})") from error
    if not isinstance(settings, dict) or not isinstance(settings.get("crossings"), dict) or not settings["crossings"]:
        raise UserError(f"design={path}: needs `crossings:` with one crossing at least, NAME: {{FACTOR: LEVELS}}")
    return _Reader(path, identities, skies).design(settings)


class _Reader:
    """One file's settings to a Design; every mistake by its key."""

    def __init__(self, path: Path, identities: Mapping[str, Sequence[str]], skies: Mapping[str, Sequence[str]]) -> None:
        self.path, self.identities, self.skies = path, identities, skies

    def design(self, settings: dict[str, Any]) -> Design:
        self._known("", settings, KEYS)
        there = {"identities": sum(map(len, self.identities.values())), "scenes": len(self.skies)}
        usual = {name: min(count, there.get(name, count)) for name, count in CONTEXTS.items()}
        contexts = {**usual, **self._mapping(settings, "contexts", tuple(CONTEXTS))}
        scenes = self._names("contexts: scenes", contexts["scenes"], list(self.skies))
        shared = [sky for sky in self.skies[scenes[0]] if all(sky in self.skies[scene] for scene in scenes)]
        design = Design(
            parts=tuple(self._part(str(name), part) for name, part in settings["crossings"].items()),
            held=tuple((name, *bounds) for name, bounds in self._held(settings).items()),
            identities=self._objects(contexts["identities"]),
            scenes=scenes,
            skies=self._names("contexts: skies", contexts["skies"], shared),
            repeats=self._count("contexts: repeats", contexts["repeats"]),
            in_view=self._number("in_view", settings.get("in_view", IN_VIEW), 0.0, 1.0),
        )
        for part in design.parts:
            self._check(design, part)
        if design.size() > MOST:
            raise self._wrong("crossings", f"{design.size():,} images", f"more than {MOST:,}; take fewer levels")
        return design

    def _part(self, name: str, part: Any) -> Part:
        where = f"crossings: {name}"
        if not isinstance(part, dict) or not part:
            raise self._wrong(where, part, "must be FACTOR: LEVELS pairs")
        part = {ALSO.get(str(key), str(key)): levels for key, levels in part.items()}
        sample = self._count(f"{where}: sample", part.pop("sample", 0), least=0)
        self._known(where, part, (*NUMBERS, *NAMES, *ALSO, "sample"))
        if not part:
            raise self._wrong(where, "sample", "needs a factor to be drawn from")
        varied = tuple(self._varied(f"{where}: {factor}", factor, levels) for factor, levels in part.items())
        if {"category", "identity"} <= set(part):
            raise self._wrong(where, "category, identity", "an identity has one category; vary one of the two")
        made = Part(name, varied, sample)
        if sample and sample < max(made.shape):
            raise self._wrong(f"{where}: sample", sample, f"must be at least {max(made.shape)}, one of each level")
        return made

    def _varied(self, where: str, factor: str, levels: Any) -> Varied:
        if factor in NAMES:
            known = {
                "category": list(self.identities),
                "identity": [one for names in self.identities.values() for one in names],
                "scene": list(self.skies),
                "sky": list(dict.fromkeys(sky for skies in self.skies.values() for sky in skies)),
            }[factor]
            return Varied(factor, self._names(where, levels, known, least=2))
        _, _, low, high = NUMBERS[factor]
        if isinstance(levels, list):
            values = [self._number(where, value, low, high) for value in levels]
        elif isinstance(levels, dict) and "step" in levels:
            self._known(where, levels, ("step", "levels"))
            n = self._count(f"{where}: levels", levels.get("levels", 2), least=2)
            step = self._number(f"{where}: step", levels["step"], 0.0, high - low)
            values = [(k - (n - 1) / 2) * step for k in range(n)]
        elif isinstance(levels, dict) and {"from", "to", "levels"} == set(levels):
            first, last = (self._number(f"{where}: {end}", levels[end], low, high) for end in ("from", "to"))
            n = self._count(f"{where}: levels", levels["levels"], least=2)
            whole_turn = NUMBERS[factor][0] == "circular" and last - first == 360.0  # both ends are one view
            values = [float(value) for value in np.linspace(first, last, n, endpoint=not whole_turn)]
        else:
            raise self._wrong(where, levels, "must be [a, b, ...], {from, to, levels} or {step, levels}")
        if len(set(values)) < max(2, len(values)):
            raise self._wrong(where, levels, "needs two different levels at least, each once")
        relative = isinstance(levels, dict) and "step" in levels
        return Varied(factor, tuple(round(float(value), 9) for value in values), relative)

    def _held(self, settings: dict[str, Any]) -> dict[str, tuple[float, float]]:
        given = self._mapping(settings, "held", (*NUMBERS, *ALSO))
        given = {ALSO.get(name, name): value for name, value in given.items()}
        found = {}
        for name, value in {**HELD, **given}.items():
            _, _, low, high = NUMBERS[name]
            ends = value if isinstance(value, list) and len(value) == 2 else [value, value]
            first, last = (self._number(f"held: {name}", end, low, high) for end in ends)
            if first > last:
                raise self._wrong(f"held: {name}", value, "must be a number or [low, high]")
            found[name] = first, last
        return found

    def _objects(self, asked: Any) -> tuple[tuple[str, str], ...]:
        category_of = {one: category for category, names in self.identities.items() for one in names}
        if isinstance(asked, list):
            return tuple(
                (category_of[one], one) for one in self._names("contexts: identities", asked, list(category_of))
            )
        count = self._count("contexts: identities", asked)
        most = max(map(len, self.identities.values()))
        turns = [(c, names[k]) for k in range(most) for c, names in self.identities.items() if k < len(names)]
        if count > len(turns):
            raise self._wrong(
                "contexts: identities", count, f"there are {len(turns)} in the categories that are asked for"
            )
        return tuple(turns[:count])

    def _check(self, design: Design, part: Part) -> None:
        """Raise UserError for combinations that cannot be, naming the first."""
        wrong: list[str] = []
        by_factor = {one.factor: one.values for one in part.varied}
        scenes = by_factor.get("scene", design.scenes)
        for scene, sky in product(scenes, by_factor.get("sky", design.skies)):
            if sky not in self.skies[str(scene)]:
                wrong.append(f"{scene} has no sky {sky}")
        need = len({place[OBJECTS] for place in design.contexts(part)})
        for category in by_factor.get("category", ()):
            if (there := len(self.identities[str(category)])) < need:
                wrong.append(f"{category} has {there} of {need} identities")
        held = {name: (low, high) for name, low, high in design.held}
        for one in part.varied:
            if one.relative:
                _, _, low, high = NUMBERS[one.factor]
                ends = held[one.factor][0] + float(min(one.values)), held[one.factor][1] + float(max(one.values))
                if ends[0] < low or ends[1] > high:
                    wrong.append(f"{one.factor} from {ends[0]:g} to {ends[1]:g} is beyond {low:g} to {high:g}")
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise UserError(f"design={self.path}: crossing {part.name} cannot be: {'; '.join(wrong[:3])}{more}")

    def _names(self, where: str, asked: Any, known: Sequence[str], least: int = 1) -> tuple[str, ...]:
        if isinstance(asked, int) and not isinstance(asked, bool):
            if not least <= asked <= len(known):
                raise self._wrong(where, asked, f"must be {least} to {len(known)}, or names")
            return tuple(known[:asked])
        if not isinstance(asked, list) or len(set(map(str, asked))) < max(least, len(asked)):
            raise self._wrong(where, asked, f"must be a number or a list of at least {least}, each once")
        for name in asked:
            if str(name) not in known:
                raise UserError(f"design={self.path}: {UnknownName(where, name, known)}")
        return tuple(map(str, asked))

    def _count(self, where: str, value: Any, least: int = 1) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._wrong(where, value, f"must be a whole number, {least} or more")
        return value

    def _number(self, where: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(where, value, "must be a number")
        if not low <= value <= high:
            raise self._wrong(where, value, f"must be between {low:g} and {high:g}")
        return float(value)

    def _mapping(self, settings: dict[str, Any], key: str, known: Sequence[str]) -> dict[str, Any]:
        value = settings.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, value, "must be NAME: VALUE pairs")
        self._known(key, value, known)
        return value

    def _known(self, where: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in given:
            if key not in known:
                kind = f"key of {where}" if where else "key"
                raise UserError(f"design={self.path}: {UnknownName(kind, key, known)}")

    def _wrong(self, where: str, value: Any, expected: str) -> BadValue:
        return BadValue(f"design={self.path}: {where}", value, expected)
