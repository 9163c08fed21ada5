"""The renderer protocol: a batch of scenes in, images and visible fractions out.

Poses arrive in the camera frame of the latents: x right, y up, z into the image, metres. That frame is left-handed;
it is the usual eye frame of graphics with z turned round, so a renderer that works in the eye frame applies
diag(1, 1, -1) on both sides of a rotation and to positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from mlspatial.core.plugins import Plugins
from mlspatial.render.mesh import Environment, Mesh

MESHES = "meshes"  # the kind of assets that are arrays: render.mesh
FIELD_OF_VIEW = 60.0  # degrees, horizontal and vertical; Xie et al. 2025
NEAR, FAR = 0.01, 160.0  # metres; Xie et al. 2025
TRUTHS = ("depth", "instances", "amodal")  # what can be asked for beside the picture, see Rendered
MOST_OTHERS = 31  # objects beside the target


@dataclass(frozen=True)
class Others:
    """Up to K further objects in each of B scenes, which hide the target and each other and shadow the ground.

    mesh: (B, K) int, indices into the renderer's meshes, -1 = none; position: (B, K, 3) float, centre of each bounding
    box, camera frame, metres; rotation: (B, K, 3, 3) float, camera frame; scale: (B, K) float, metres of the longest
    axis. Rows of -1 may hold anything.
    """

    mesh: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class SceneBatch:
    """B scenes of one object each, the target, and perhaps others.

    mesh, environment: (B,) int, indices into the renderer's meshes and environments; position: (B, 3) float, the
    centre of the object's bounding box, camera frame, metres; rotation: (B, 3, 3) float, camera frame, identity =
    the object faces the camera upright; camera: (B, 3, 3) float, rotation from the camera frame to the world frame
    of the environment (its columns are the camera's right, up and forward axes); scale: metres of the longest axis;
    ground: (B,) float or None, metres of the camera above a level ground that receives the object's shadow, 0 = none;
    light: (B,) degrees or None, by which all light is turned about the world's vertical (from z to x) while what is
    seen of the environment stays; for renderers whose `turns_light` is true; others: more objects, for renderers whose
    `draws_others` is true; camera_position: (B, 3), world, metres, or None, for renderers whose scenes are spaces and
    no panoramas.
    """

    mesh: np.ndarray
    environment: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    camera: np.ndarray
    scale: float = 1.0
    ground: np.ndarray | None = None
    light: np.ndarray | None = None
    others: Others | None = None
    camera_position: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.mesh)


def joined(parts: Sequence[SceneBatch]) -> SceneBatch:
    """The scenes of several batches in one; all have light, ground and as many others, or none has."""

    def of(name: str, whole: Sequence[Any]) -> Any:
        values = [getattr(part, name) for part in whole]
        return None if values[0] is None else np.concatenate(values)

    others = None
    if parts[0].others is not None:
        others = Others(**{one.name: of(one.name, [part.others for part in parts]) for one in fields(Others)})
    names = ("mesh", "environment", "position", "rotation", "camera", "ground", "light", "camera_position")
    return SceneBatch(**{name: of(name, parts) for name in names}, scale=parts[0].scale, others=others)


@dataclass(frozen=True)
class Rendered:
    """images: (B, size, size, 3) uint8 sRGB; visible: (B,) float32, fraction of the target's pixels (of those it
    would cover on an unbounded picture) that lie inside the picture and that nothing hides.

    truth: what was asked for, by name. depth: (B, size, size) float32, metres along z of the camera frame, inf where
    no object is (surroundings are a panorama, without depth); instances: (B, size, size) uint8, 0 background, 1 target,
    2, 3, .. others in their order; amodal: (B, size, size) bool, what the target would cover if nothing hid it. A pixel
    belongs to the object that covers half of it or more, of two halves the nearer one; its depth is that of this part.
    hidden: (B,) float32, of the target's pixels inside the picture the fraction that the scene hides, or None from a
    renderer whose scenes hide nothing.
    """

    images: np.ndarray
    visible: np.ndarray
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    hidden: np.ndarray | None = None


class Renderer(Protocol):
    """Constructed with the meshes and environments it will draw; deterministic: same batch, same bytes.

    What is derived from a Collection of them may be kept on disk under its key. prepare makes one share of that ahead,
    so that several processes can divide the work; it may do nothing.

    A renderer may have further attributes. Of what more it can do, which without them it cannot: `turns_light`,
    `draws_others` (bool) and `tells` (frozenset of TRUTHS). `assets`: the kind of things that it draws, MESHES unless
    it says so (objects and environments have it, too, and the wrong pair is refused); `workers`: how many processes
    draw where nobody says; `most_workers`: of live images, how many can (0: a thread); `batch`: how many scenes it
    likes to be given at once (fewer where a GiB is not enough for their pictures); `close`: gives back what it holds
    beside memory, until the next picture; `reach`: is told a program that draws, its port and the number of processes;
    `render_torch`: as WarpRenderer's, on a GPU, else live images are drawn on the CPU.
    """

    name: str
    version: str

    def __init__(
        self, meshes: Sequence[Mesh], environments: Sequence[Environment], *, size: int, device: str = "cpu"
    ) -> None: ...

    @classmethod
    def prepare(
        cls, meshes: Sequence[Mesh], environments: Sequence[Environment], *, size: int, part: int, parts: int
    ) -> None: ...

    def render(self, scenes: SceneBatch, truth: frozenset[str] = frozenset()) -> Rendered: ...


RENDERERS: Plugins[type[Renderer]] = Plugins("renderer")
