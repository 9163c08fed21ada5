"""Every random draw of a scene, from default_rng([seed, index]); no pixels here.

The protocol is that of Xie et al. 2025 (appendix A and the authors' published settings): camera somewhere in the
scene, object on a sphere around it, facing the camera and then turned, camera pointed at it and then turned.
Frames: world and camera have x right, y up, z forward (left-handed); see core.latents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from mlspatial.core.errors import BadValue, UserError
from mlspatial.render.solid import Cells, Solid

DISTANCE = (0.9, 4.2)  # metres, uniform; Xie et al. 2025
LOWEST_DIRECTION = -0.2  # directions whose unit y is at or below this are drawn again; Xie et al. 2025
LOWEST_CAMERA = 0.4  # metres above the floor; Xie et al. 2025
BOUNDS_MARGIN = 0.3  # metres kept from the scene's bounds; Xie et al. 2025
OBJECT_TURN = 45.0  # degrees, uniform about pitch, yaw and roll; Xie et al. 2025
CAMERA_TURN = 20.0  # degrees, uniform pitch and yaw; Xie et al. 2025
MOST_HIDDEN = 0.3  # drawn again when this share of the object is hidden by the scene (below its floor)
LEAST_IN_VIEW = 0.1  # drawn again when less than this share of the object is in the picture
MARGIN = 0.03  # of the visible share, where one is asked for: what points and outlines get wrong
STEEPEST = 0.8  # how far down the camera looks at an object on the floor: unit y of the direction
FRUSTUM = np.tan(np.radians(30.0))  # half of the 60 degree field of view
HELDOUT_START = 1 << 40  # held-out images are numbered from here, so that no size of the training set moves them
MOST_TRIES = 1000
MOST_ORDERS = 10_000  # that are kept
AGAIN = 78  # keeps further draws of an image apart from its first

TRANSLATIONS = ("full", "none")
ROTATIONS = ("clamped45", "uniform")


class SceneLike(Protocol):
    """What the sampler needs to know of a scene."""

    @property
    def name(self) -> str: ...

    @property
    def bounds(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]: ...

    @property
    def ceiling(self) -> float: ...

    @property
    def skies(self) -> tuple[tuple[str, float], ...]: ...


@dataclass(frozen=True)
class Motion:
    """What a frame of a clip says beside its scene. velocity: (3,), of the object relative to the camera, camera frame,
    metres a second."""

    sequence: int
    frame: int
    velocity: np.ndarray

    def columns(self) -> dict[str, Any]:
        x, _, z = self.velocity
        return {
            "sequence": self.sequence,
            "frame": self.frame,
            **{f"v_{axis}": value for axis, value in zip("xyz", self.velocity, strict=True)},
            "heading": _wrap(float(np.degrees(np.arctan2(x, z)))),
        }


@dataclass(frozen=True)
class SceneSample:
    """One scene before it is drawn. position: (3,), camera frame, metres; rotation: (3, 3), camera frame;
    camera: (3, 3), camera to world; camera_position, object_position: (3,), world, metres."""

    index: int
    category: str
    identity: str
    scene: str
    sky: str
    position: np.ndarray
    rotation: np.ndarray
    camera: np.ndarray
    camera_position: np.ndarray
    object_position: np.ndarray
    light: float = 0.0  # degrees by which the light is turned about the vertical
    motion: Motion | None = None

    def columns(self) -> dict[str, Any]:
        """The dataset's columns but for the image, its id and the visible fraction."""
        turns = Rotation.from_matrix(np.stack([self.rotation, self.camera, self.camera @ self.rotation]))  # one call
        quaternions = turns.as_quat(canonical=True)
        columns: dict[str, Any] = dict(zip("xyz", self.position, strict=True))
        columns |= dict(zip(("rot_0", "rot_1", "rot_2"), _angles(turns[0]), strict=True))
        columns |= _quaternion("quat", quaternions[0])
        columns |= {"category": self.category, "identity": self.identity, "scene": self.scene, "sky": self.sky}
        columns |= {f"camera_{axis}": value for axis, value in zip("xyz", self.camera_position, strict=True)}
        columns |= _quaternion("camera_quat", quaternions[1])
        columns |= {f"object_{axis}": value for axis, value in zip("xyz", self.object_position, strict=True)}
        columns |= _quaternion("object_quat", quaternions[2])
        columns["seed_index"] = self.index
        return columns | (self.motion.columns() if self.motion else {})


class SceneSampler:
    """Draws image *i* of a dataset; the same for any number of workers and any order.

    identities: category -> its identities; points: (category, identity) -> (n, 3) points of the mesh in the object
    frame, for the share that is hidden or out of view. floor: objects stand upright on it, and are turned about the
    vertical alone; least_visible: share of the object in the picture, in pixels, where it is above LEAST_IN_VIEW; both
    need solids, of (category, identity). Raises BadValue for an unknown translation or rotation mode.
    """

    def __init__(
        self,
        seed: int,
        identities: Mapping[str, Sequence[str]],
        scenes: Sequence[SceneLike],
        points: Callable[[str, str], np.ndarray],
        *,
        translation: str = "full",
        rotation: str = "clamped45",
        floor: bool = False,
        least_visible: float = LEAST_IN_VIEW,
        solids: Callable[[str, str], Solid] | None = None,
    ) -> None:
        if translation not in TRANSLATIONS:
            raise BadValue("translation", translation, f"is none of {', '.join(TRANSLATIONS)}")
        if rotation not in ROTATIONS:
            raise BadValue("rotation", rotation, f"is none of {', '.join(ROTATIONS)}")
        self.seed, self.identities, self.scenes, self.points = seed, identities, scenes, points
        self.translation, self.rotation = translation, rotation
        self.floor, self.least_visible, self.solids = floor, least_visible, solids
        self.categories = tuple(identities)
        self._orders: dict[tuple[int, ...], np.ndarray] = {}  # of the last blocks: images of a block share theirs

    def draw(self, index: int, again: int = 0) -> SceneSample:
        """The scene of one index (held-out images: HELDOUT_START + i). again: another place for the same object in the
        same scene, numbered from 1, where what is beside it or a renderer's own scene hides it.
        """
        category, identity, scene = self._balanced(index)
        points = self.points(category, identity) * (1.0, 1.0, -1.0)  # object frame to the left-handed camera frame
        rng = np.random.default_rng([self.seed, index, AGAIN, again] if again else [self.seed, index])
        names, weights = zip(*scene.skies, strict=True)
        sky = names[rng.choice(len(names), p=np.asarray(weights) / np.sum(weights))]
        solid = self.solids(category, identity) if self.solids and self.floor else None
        for _ in range(MOST_TRIES):
            if solid:
                camera_position, object_position, look = self._stand(rng, scene, float(solid.half[1]))
                turn, rotation = self._turn(rng, look)
            else:
                camera_position, object_position, look = self._place(rng, scene)
                turn, rotation = self._turn(rng)
            camera = look @ turn
            sample = SceneSample(
                index=index,
                category=category,
                identity=identity,
                scene=scene.name,
                sky=sky,
                position=camera.T @ (object_position - camera_position),
                rotation=turn.T @ rotation,  # `rotation` is relative to the camera that looks straight at the object
                camera=camera,
                camera_position=camera_position,
                object_position=object_position,
            )
            seen = hidden_share(sample, points) < MOST_HIDDEN and share_in_view(sample, points) >= LEAST_IN_VIEW
            if seen and self.enough(sample):
                return sample
        if self.least_visible > LEAST_IN_VIEW:
            raise UserError(
                f"{image_name(index)}: no place in scene {scene.name} shows least_visible={self.least_visible:g} of "
                f"{identity} in {MOST_TRIES} tries; take a lower least_visible"
            )
        raise RuntimeError(f"image {index}: no visible placement of {identity} in scene {scene.name}")

    def _balanced(self, index: int) -> tuple[str, str, SceneLike]:
        """Category, identity and scene: in every block of scenes x categories images each pair stands once, and
        a category's images take its identities in turns, in an order that is drawn anew each turn."""
        split, local = divmod(index, HELDOUT_START)
        n_categories, n_scenes = len(self.categories), len(self.scenes)
        row, column = divmod(local, n_categories)
        block, step = divmod(row, n_scenes)
        code = int(self._order(n_categories, 1, split, row)[column])
        scene = self.scenes[self._order(n_scenes, 2, split, block, code)[step]]
        category = self.categories[code]
        turn, place = divmod(row, len(self.identities[category]))
        identity = self.identities[category][self._order(len(self.identities[category]), 3, split, turn, code)[place]]
        return category, identity, scene

    def _order(self, n: int, *key: int) -> np.ndarray:
        found = self._orders.get(key)
        if found is None:
            if len(self._orders) >= MOST_ORDERS:
                self._orders.clear()
            found = self._orders[key] = np.random.default_rng([self.seed, *key]).permutation(n)
        return found

    def _place(self, rng: np.random.Generator, scene: SceneLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low, high = np.add(scene.bounds[0], BOUNDS_MARGIN), np.subtract(scene.bounds[1], BOUNDS_MARGIN)
        low[1] = max(low[1], LOWEST_CAMERA)
        camera_position = rng.uniform(low, np.maximum(low, high))
        while True:
            direction = rng.normal(size=3)
            direction /= np.linalg.norm(direction)
            object_position = camera_position + rng.uniform(*DISTANCE) * direction
            if direction[1] > LOWEST_DIRECTION and object_position[1] <= scene.ceiling:
                return camera_position, object_position, look_rotation(direction)

    def _stand(
        self, rng: np.random.Generator, scene: SceneLike, height: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """_place for an object whose middle is so many metres above the floor it stands on."""
        low, high = np.add(scene.bounds[0], BOUNDS_MARGIN), np.subtract(scene.bounds[1], BOUNDS_MARGIN)
        low[1] = max(low[1], LOWEST_CAMERA)
        high[1] = min(high[1], height + STEEPEST * DISTANCE[1])  # above, it could look at none
        camera_position = rng.uniform(low, np.maximum(low, high))
        drop = height - camera_position[1]
        nearest = max(DISTANCE[0], abs(drop) / STEEPEST)
        distance, heading = rng.uniform(min(nearest, DISTANCE[1]), DISTANCE[1]), rng.uniform(0.0, 2.0 * np.pi)
        level = np.sqrt(max(distance**2 - drop**2, 0.0))
        way = np.array([level * np.sin(heading), drop, level * np.cos(heading)])
        return camera_position, camera_position + way, look_rotation(way / np.linalg.norm(way))

    def enough(self, sample: SceneSample) -> bool:
        """Whether the share of the object that is asked for is in the picture."""
        if self.solids is None or self.least_visible <= LEAST_IN_VIEW:
            return True
        solid = self.solids(sample.category, sample.identity)
        seen = Cells.of(solid, sample.position, sample.rotation).in_picture(FRUSTUM)
        return bool(len(seen)) and float(np.mean(seen)) >= min(self.least_visible + MARGIN, 1.0)

    def object_turn(self, rng: np.random.Generator) -> np.ndarray:
        """(3, 3) rotation of an object for a camera that looks at it."""
        if self.rotation == "uniform":
            return np.asarray(Rotation.random(random_state=rng).as_matrix())
        angles = rng.uniform(-OBJECT_TURN, OBJECT_TURN, size=3)  # pitch, yaw, roll about its own axes, in turn
        return np.asarray(Rotation.from_euler("XYZ", angles, degrees=True).as_matrix())

    def heading(self, rng: np.random.Generator) -> float:
        """Degrees by which an upright object is turned away from the camera."""
        most = 180.0 if self.rotation == "uniform" else OBJECT_TURN
        return float(rng.uniform(-most, most))

    def _turn(self, rng: np.random.Generator, look: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The camera's turn off the object, and the object's rotation for a camera that looks at it. look: of the
        camera, where the object stands upright in the world."""
        rotation = self.object_turn(rng) if look is None else look.T @ upright(look[:, 2], self.heading(rng))
        pitch, yaw = rng.uniform(-CAMERA_TURN, CAMERA_TURN, size=2)
        if self.translation == "none":
            return np.eye(3), rotation
        return Rotation.from_euler("YX", [yaw, pitch], degrees=True).as_matrix(), rotation


def image_name(index: int) -> str:
    """Of an image, for people."""
    split, number = divmod(index, HELDOUT_START)
    return f"held-out image {number}" if split else f"image {number}"


def look_rotation(direction: np.ndarray) -> np.ndarray:
    """(3, 3) rotation whose z axis is the unit direction and whose y axis leans towards the world's up."""
    right = np.cross((0.0, 1.0, 0.0), direction)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(direction, right), direction], axis=1)


def upright(direction: np.ndarray, turn: float) -> np.ndarray:
    """(3, 3) rotation of an upright object seen in a direction (3,): it faces the viewer, then turns about the vertical
    by some degrees."""
    heading = np.degrees(np.arctan2(direction[0], direction[2]))
    return np.asarray(Rotation.from_euler("Y", heading + turn, degrees=True).as_matrix())


def rotation_angles(rotation: np.ndarray) -> tuple[float, float, float]:
    """rot_0, rot_1, rot_2 of a rotation (3, 3), in degrees; see core.latents."""
    return _angles(Rotation.from_matrix(rotation))


def _angles(rotation: Rotation) -> tuple[float, float, float]:
    yaw, pitch, roll = rotation.as_euler("YXZ", degrees=True)
    return float(pitch), _wrap(float(yaw)), _wrap(float(roll))


def hidden_share(sample: SceneSample, points: np.ndarray) -> float:
    """Share of the object's points that the scene hides: those below its floor (y = 0). points: (n, 3), left-handed."""
    heights = (points @ (sample.camera @ sample.rotation).T)[:, 1] + sample.object_position[1]
    return float(np.mean(heights < 0.0))


def share_in_view(sample: SceneSample, points: np.ndarray) -> float:
    """Share of the object's points inside the picture. points: (n, 3), left-handed."""
    seen = points @ sample.rotation.T + sample.position
    limit = FRUSTUM * seen[:, 2]
    return float(np.mean((seen[:, 2] > 0) & (np.abs(seen[:, 0]) < limit) & (np.abs(seen[:, 1]) < limit)))


def _wrap(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0


def _quaternion(prefix: str, quaternion: np.ndarray) -> dict[str, float]:
    x, y, z, w = quaternion
    return {f"{prefix}_w": w, f"{prefix}_x": x, f"{prefix}_y": y, f"{prefix}_z": z}
