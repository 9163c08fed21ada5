"""Further objects beside the target: which, where and how turned, so that enough of the target stays visible.

The target is drawn as without them; they come from a stream of their own, default_rng([seed, index, STREAM]), so that
it stays where it is however many they are; only where they find no place (under a low ceiling, say) is it placed anew.
Each stands somewhere in the picture, .9 to 4.2 m from the camera, as the target may; its bounding box touches no other.
What they hide of the target is told before anything is drawn, from points on its surface and their convex outlines:
rather too much than too little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mlspatial.core.errors import BadValue, UserError
from mlspatial.render.sampling import (
    DISTANCE,
    FRUSTUM,
    HELDOUT_START,
    LEAST_IN_VIEW,
    MARGIN,
    MOST_HIDDEN,
    SceneLike,
    SceneSample,
    SceneSampler,
    image_name,
    look_rotation,
    rotation_angles,
    upright,
)
from mlspatial.render.solid import NEAREST, Cells, Solid, overlap

STREAM = 77  # keeps these draws apart from those of the target
MOST = 5  # objects beside the target
TRIES, ROUNDS, PLACES = 50, 4, 12  # for one object; for all of an image; for its target
CHECKED = 50  # images of each split that are placed before any is drawn


@dataclass(frozen=True)
class Placed:
    """An object beside the target. position: (3,) metres, rotation: (3, 3), both in the camera frame."""

    category: str
    identity: str
    position: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True)
class ClutterSample(SceneSample):
    """A scene with others beside its target."""

    others: tuple[Placed, ...] = ()

    def columns(self) -> dict[str, Any]:
        more: dict[str, Any] = {name: [getattr(o, name) for o in self.others] for name in ("category", "identity")}
        more |= {axis: [float(o.position[i]) for o in self.others] for i, axis in enumerate("xyz")}
        angles = [rotation_angles(o.rotation) for o in self.others]
        more |= {f"rot_{i}": [angle[i] for angle in angles] for i in range(3)}
        return super().columns() | {f"others_{name}": values for name, values in more.items()}


class ClutterSampler:
    """Draws image *i* with its others; the same for any number of workers and any order.

    base: of the targets; number: least and most others; identities: category -> identities that they are taken from;
    solids: of (category, identity); least_visible: share of the target that is in the picture and not hidden.
    Raises UserError, with the number of tries, for an image in which they find no place.
    """

    def __init__(
        self,
        base: SceneSampler,
        number: tuple[int, int],
        identities: Mapping[str, Sequence[str]],
        solids: Callable[[str, str], Solid],
        least_visible: float,
    ) -> None:
        self.base, self.number, self.identities, self.solids = base, number, identities, solids
        self.least_visible = least_visible
        self._scenes = {scene.name: scene for scene in base.scenes}
        self._pairs = [(category, one) for category, names in identities.items() for one in names]

    def draw(self, index: int, again: int = 0) -> ClutterSample:
        """The scene of one index (held-out images: HELDOUT_START + i). again: another one of the same objects' kinds,
        numbered from 1."""
        rng = np.random.default_rng([self.base.seed, index, STREAM, *([again] if again else [])])
        wanted = int(rng.integers(self.number[0], self.number[1] + 1))
        for place in range(PLACES):
            target = self.base.draw(index, again * PLACES + place)
            for _ in range(ROUNDS):
                if (others := self._others(rng, target, wanted)) is not None:
                    known = {field.name: getattr(target, field.name) for field in fields(SceneSample)}
                    return ClutterSample(**known, others=tuple(others))
        raise UserError(
            f"{image_name(index)}: distractors={wanted} find no place beside {target.identity} in scene {target.scene} "
            f"that leaves least_visible={self.least_visible:g} of it in {PLACES * ROUNDS * TRIES} tries; "
            "take fewer distractors or a lower least_visible"
        )

    def stands(self, sample: ClutterSample) -> bool:
        """Whether the target touches none of the others, and as much of it is seen as was asked for."""
        solid = self.solids(sample.category, sample.identity)
        others = [(self.solids(o.category, o.identity), o.position, o.rotation) for o in sample.others]
        boxes = [(other.half, position, rotation) for other, position, rotation in others]
        if overlap(solid.half, sample.position, sample.rotation, boxes):
            return False
        cells = Cells.of(solid, sample.position, sample.rotation)
        seen = cells.in_picture(FRUSTUM)
        try:
            for other in others:
                seen &= ~cells.behind(*other)
        except ValueError:  # reaches behind the camera
            return False
        return bool(np.mean(seen) >= min(self.least_visible + MARGIN, 1.0)) if len(seen) else False

    def check(self) -> None:
        """Raise UserError, before anything is drawn, where the first images have no place for all."""
        for index in (*range(CHECKED), *range(HELDOUT_START, HELDOUT_START + CHECKED)):
            self.draw(index)

    def _others(self, rng: np.random.Generator, target: SceneSample, wanted: int) -> list[Placed] | None:
        """So many objects, or None where one of them found no place."""
        solid = self.solids(target.category, target.identity)
        boxes = [(solid.half, target.position, target.rotation)]
        cells = Cells.of(solid, target.position, target.rotation)
        seen = cells.in_picture(FRUSTUM)
        needed = min(self.least_visible + MARGIN, float(np.mean(seen)) if len(seen) else 0.0)
        others: list[Placed] = []
        for _ in range(wanted):
            category, identity = self._pairs[rng.integers(len(self._pairs))]
            solid = self.solids(category, identity)
            for _ in range(TRIES):
                position, rotation = self._place(rng, target, solid)
                if not self._fits(target, solid, position, rotation) or overlap(solid.half, position, rotation, boxes):
                    continue
                try:
                    left = seen & ~cells.behind(solid, position, rotation)
                except ValueError:  # reaches behind the camera
                    continue
                if np.mean(left) >= needed:
                    break
            else:
                return None
            seen = left
            boxes.append((solid.half, position, rotation))
            others.append(Placed(category, identity, position, rotation))
        return others

    def _place(self, rng: np.random.Generator, target: SceneSample, solid: Solid) -> tuple[np.ndarray, np.ndarray]:
        """Position and rotation, in the camera frame, of an object somewhere in the picture."""
        camera, distance = target.camera, rng.uniform(*DISTANCE)
        across, up = rng.uniform(-FRUSTUM, FRUSTUM, size=2)
        ray = camera @ np.array([across, up, 1.0])
        if self.base.floor:  # on it, in the direction of the ray
            drop = solid.half[1] - target.camera_position[1]
            way = np.array([ray[0], 0.0, ray[2]])
            place = way * np.sqrt(max(distance**2 - drop**2, 0.0)) / np.linalg.norm(way) + (0.0, drop, 0.0)
            rotation = upright(place, self.base.heading(rng))
        else:
            place = distance * ray / np.linalg.norm(ray)
            rotation = look_rotation(ray / np.linalg.norm(ray)) @ self.base.object_turn(rng)
        return camera.T @ place, camera.T @ rotation

    def _fits(self, target: SceneSample, solid: Solid, position: np.ndarray, rotation: np.ndarray) -> bool:
        """Whether it is before the camera, in the picture, under the ceiling and above the floor, as the target is."""
        points = solid.surface[::20] @ rotation.T + position
        if points[:, 2].min() <= NEAREST:
            return False
        if np.mean((np.abs(points[:, :2]) < FRUSTUM * points[:, 2:]).all(axis=1)) < LEAST_IN_VIEW:
            return False
        heights = points @ target.camera[1] + target.camera_position[1]
        scene: SceneLike = self._scenes[target.scene]
        centre = position @ target.camera[1] + target.camera_position[1]
        return bool(np.mean(heights < -1e-9) < MOST_HIDDEN and centre <= scene.ceiling)


def distractor_categories(
    asked: Sequence[str], targets: Sequence[str], available: Sequence[str], cue: str
) -> tuple[str, ...]:
    """The categories that objects beside the target are of. asked: those that were named, or none.

    Where the category marks the target, they are none of its own: all others of the library unless some are named;
    else they are the target's. Raises BadValue where no category is left, or one is on both sides.
    """
    if cue != "category":
        return tuple(asked or targets)
    if both := [name for name in asked if name in targets]:
        raise BadValue(
            "distractor_categories",
            both[0],
            "is a category of targets, too; name others, or mark the target with cue=outline or dot",
        )
    if not (chosen := tuple(asked) or tuple(name for name in available if name not in targets)):
        raise BadValue(
            "categories",
            len(targets),
            "takes all categories of the library and leaves none for distractors; name fewer, or mark the target with "
            "cue=outline or dot",
        )
    return chosen


def distractor_numbers(text: str) -> tuple[int, int]:
    """ "3" -> (3, 3), "0-5" -> (0, 5). Raises BadValue."""
    found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", text.strip())
    if not found:
        raise BadValue("distractors", text, f"must be a number from 0 to {MOST}, or least-most such as 0-{MOST}")
    least, most = int(found[1]), int(found[2] or found[1])
    if not least <= most <= MOST:
        raise BadValue("distractors", text, f"must be 0 to {MOST}, the smaller number first")
    return least, most
