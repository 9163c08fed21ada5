"""The scenes of a design: one draw a context, and in each image nothing but its factors' levels differs from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from mlspatial.core.design import OBJECTS, SCENES, SKIES, Design
from mlspatial.core.errors import UserError
from mlspatial.render.sampling import SceneSample, hidden_share, share_in_view

NAMED = 3  # cells that a message names
DRAW = 13  # keeps these draws apart from those of other datasets


@dataclass(frozen=True)
class ControlledSample(SceneSample):
    """crossing, cell, context: of the design."""

    crossing: str = ""
    cell: int = 0
    context: int = 0

    def columns(self) -> dict[str, Any]:
        more = {"light": self.light, "crossing": self.crossing, "cell": self.cell, "context": self.context}
        return super().columns() | more


class DesignSampler:
    """Draws image *i* of a design; the same for any number of workers and any order.

    identities: category -> its identities; points: (category, identity) -> (n, 3) points of the mesh, object frame.
    """

    def __init__(
        self,
        design: Design,
        seed: int,
        identities: Mapping[str, Sequence[str]],
        points: Callable[[str, str], np.ndarray],
    ) -> None:
        self.design, self.seed, self.identities, self.points = design, seed, identities, points
        self._images = list(design.images(seed))
        self._category = {one: category for category, names in identities.items() for one in names}

    def __len__(self) -> int:
        return len(self._images)

    def draw(self, index: int) -> ControlledSample:
        """The scene of one image."""
        shown = self._images[index]
        place, levels = shown.place, shown.levels
        rng = np.random.default_rng([self.seed, DRAW, *place])
        held = {name: rng.uniform(low, high) for name, low, high in self.design.held}
        facing = rng.uniform(0.0, 360.0)  # where the camera looks, about the vertical
        for name in held:
            value, relative = levels.get(name, (0.0, True))
            held[name] = float(value) + (held[name] if relative else 0.0)
        category, identity = self._object(place[OBJECTS], levels)
        camera = Rotation.from_euler("Y", facing, degrees=True).as_matrix()
        position, turns = np.array([held[name] for name in "xyz"]), [held[f"rot_{axis}"] for axis in (1, 0, 2)]
        camera_position = np.array([0.0, held["camera_height"], 0.0])
        return ControlledSample(
            index=index,
            category=category,
            identity=identity,
            scene=str(levels["scene"][0]) if "scene" in levels else self.design.scenes[place[SCENES]],
            sky=str(levels["sky"][0]) if "sky" in levels else self.design.skies[place[SKIES]],
            position=position,
            rotation=Rotation.from_euler("YXZ", turns, degrees=True).as_matrix(),
            camera=camera,
            camera_position=camera_position,
            object_position=camera_position + camera @ position,
            light=held["light"],
            crossing=shown.part.name,
            cell=int(np.ravel_multi_index(shown.cell, shown.part.shape)),
            context=shown.context,
        )

    def _object(self, number: int, levels: Mapping[str, tuple[float | str, bool]]) -> tuple[str, str]:
        if "identity" in levels:
            identity = str(levels["identity"][0])
            return self._category[identity], identity
        if "category" in levels:
            category = str(levels["category"][0])
            return category, self.identities[category][number]
        return self.design.identities[number]

    def check(self) -> None:
        """Raise UserError, before anything is drawn, for images whose object leaves the picture or the floor hides."""
        out: dict[str, float] = {}
        for index, shown in enumerate(self._images):
            sample = self.draw(index)
            points = self.points(sample.category, sample.identity) * (1.0, 1.0, -1.0)
            seen = min(share_in_view(sample, points), 1.0 - hidden_share(sample, points))
            if seen < self.design.in_view:
                name = f"{shown} ({sample.identity}, context {shown.context})"
                out[name] = seen
        if out:
            named = "; ".join(f"{name} shows {seen:.0%}" for name, seen in list(out.items())[:NAMED])
            more = f"; and {len(out) - NAMED} more" if len(out) > NAMED else ""
            raise UserError(
                f"design: in {len(out)} of {len(self)} images less than {self.design.in_view:.0%} of the object is in "
                f"the picture and above the floor: {named}{more}; hold it farther away, take nearer levels, or lower "
                "in_view:"
            )
