"""Pictures against the latents that they are stored with: where a shape must lie follows from perspective alone."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.verify.base import Check, Relation, check, register

if TYPE_CHECKING:
    from mlspatial.render.engine import SceneBatch
    from mlspatial.render.sampling import SceneSample

SIZE = 96
FIELD_OF_VIEW = 60.0  # degrees, Xie et al. 2025
FOCAL = SIZE / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
#: camera frame, metres: x right, y up, z into the image
POSITIONS = ((0.0, 0.0, 2.0), (0.5, 0.0, 2.0), (0.0, 0.5, 2.0), (-0.7, 0.6, 2.5), (0.9, -1.1, 4.0))
CUBE = ((0.2, -0.1, 2.0), (20.0, 30.0, -15.0))  # position; pitch, yaw, roll in degrees
PERSPECTIVE = "perspective of a 60 degree field of view"
DRAWN = 2000  # scenes of which the sampling is looked at


def _scenes(positions: np.ndarray, rotation: np.ndarray | None = None) -> SceneBatch:
    from mlspatial.render.engine import SceneBatch

    count = len(positions)
    eyes, zeros = np.tile(np.eye(3), (count, 1, 1)), np.zeros(count, int)
    return SceneBatch(zeros, zeros, positions, eyes if rotation is None else np.tile(rotation, (count, 1, 1)), eyes)


def _points(kind: str) -> np.ndarray:
    """Corners of a cube of 1 m or of a plate, or many points of a sphere as wide, whose hull is drawn."""
    if kind == "sphere":
        height = np.linspace(-1, 1, 4001)
        around, radius = np.pi * (3 - 5**0.5) * np.arange(4001), np.sqrt(1 - height**2)
        return 0.5 * np.column_stack([radius * np.cos(around), height, radius * np.sin(around)])
    corners = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T
    return corners * ((1, 1, 1) if kind == "cube" else (1, 1, 0.001))


def _drawn(kind: str, positions: np.ndarray, rotation: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """((scenes, size, size) whether a pixel shows the object, (scenes,) share of it in the picture)."""
    from scipy.spatial import ConvexHull

    from mlspatial.render.mesh import Environment, Material, Mesh
    from mlspatial.render.warp.engine import WarpRenderer

    points = _points(kind)
    faces = ConvexHull(points).simplices
    outward = np.cross(*(points[faces[:, i]] - points[faces[:, 0]] for i in (1, 2)))
    inside = (outward * points[faces].mean(axis=1)).sum(axis=1) < 0
    faces[inside] = faces[inside][:, ::-1]
    mesh = Mesh(
        vertices=points.astype(np.float32),
        normals=(points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32),
        uvs=np.zeros((len(points), 2), np.float32),
        occlusion=np.ones(len(points), np.float32),
        faces=faces.astype(np.int32),
        face_material=np.zeros(len(faces), np.int32),
        materials=(Material((0.01, 0.01, 0.01), roughness=1.0),),
    )
    renderer = WarpRenderer([mesh], [Environment("white", np.ones((64, 128, 3), np.float32))], size=SIZE)
    seen = renderer.render(_scenes(positions, rotation))
    away = renderer.render(_scenes(np.tile([0.0, 0.0, -50.0], (len(positions), 1))))
    return (seen.images != away.images).any(axis=-1), seen.visible


def _extent(mask: np.ndarray) -> list[float]:
    """Left, right, upper and lower border of what is shown, in pixels."""
    rows, columns = np.nonzero(mask)
    return [columns.min(), columns.max() + 1, rows.min(), rows.max() + 1]


@check("rendering.sphere", "borders of spheres at five places, largest error in pixels", f"{PERSPECTIVE}: tangent rays",
       0.0, 1.0)  # fmt: skip
def _sphere() -> float:
    masks, _ = _drawn("sphere", np.array(POSITIONS))
    errors = []
    for mask, (x, y, z) in zip(masks, POSITIONS, strict=True):
        expected: list[float] = []
        for offset, sign in ((x, 1), (y, -1)):
            spread = np.arcsin(0.5 / np.hypot(offset, z))
            angles = np.arctan2(offset, z) + np.array([-1, 1]) * spread
            expected += sorted(SIZE / 2 + sign * FOCAL * np.tan(angles))
        errors.append(np.abs(np.array(_extent(mask)) - expected).max())
    return float(max(errors))


@check("rendering.corners", "borders of a turned cube against its eight projected corners, pixels",
       f"{PERSPECTIVE}, R = Ry Rx Rz", 0.0, 1.0)  # fmt: skip
def _corners() -> float:
    from scipy.spatial.transform import Rotation

    position, (pitch, yaw, roll) = np.array(CUBE[0]), CUBE[1]
    rotation = Rotation.from_euler("YXZ", [yaw, pitch, roll], degrees=True).as_matrix()
    (mask,), _ = _drawn("cube", position[None], rotation)
    corners = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T @ rotation.T + position
    columns, rows = SIZE / 2 + FOCAL * corners[:, 0] / corners[:, 2], SIZE / 2 - FOCAL * corners[:, 1] / corners[:, 2]
    return float(np.abs(np.array(_extent(mask)) - [columns.min(), columns.max(), rows.min(), rows.max()]).max())


@lru_cache(maxsize=1)
def _shares() -> np.ndarray:
    """Visible share of a plate in the middle, at a border, in a corner, and behind the camera."""
    edge = 2.0 * np.tan(np.radians(FIELD_OF_VIEW) / 2)
    return _drawn("plate", np.array([(0, 0, 2), (edge, 0, 2), (edge, edge, 2), (0, 0, -2.0)]))[1]


def _share_of(place: int) -> float:
    return float(_shares()[place])


for _place, (_name, _words, _share) in enumerate((
    ("whole", "in the middle", 1.0), ("half", "whose centre is on the border", 0.5),
    ("quarter", "whose centre is in the corner", 0.25), ("behind", "behind the camera", 0.0),
)):  # fmt: skip
    register(
        Check(f"rendering.visible_{_name}", f"visible share of a plate {_words}", PERSPECTIVE, (_share,), 0.005,
              partial(_share_of, _place))
    )  # fmt: skip


@lru_cache(maxsize=1)
def _sampled() -> dict[str, float]:
    """Extremes of what the sampler of datasets draws."""
    from scipy.spatial.transform import Rotation

    from mlspatial.render.environments import load_environments
    from mlspatial.render.sampling import SceneSampler

    scenes = load_environments("procedural").scenes
    identities = {f"c{i}": (f"c{i}_0", f"c{i}_1") for i in range(5)}
    sampler = SceneSampler(0, identities, scenes, lambda _category, _identity: np.zeros((1, 3)))
    drawn = [sampler.draw(index) for index in range(DRAWN)]
    distances = np.array([np.linalg.norm(one.position) for one in drawn])
    heights = np.array([(one.object_position - one.camera_position)[1] for one in drawn]) / distances
    turns = [Rotation.from_matrix(_looking(one).T @ one.camera).as_euler("YXZ", degrees=True) for one in drawn]
    shown = np.unique([one.category for one in drawn], return_counts=True)[1]
    places = np.unique([one.scene for one in drawn], return_counts=True)[1]
    return {
        "nearest": distances.min(), "farthest": distances.max(), "lowest": heights.min(),
        "camera": float(np.abs(np.array(turns)[:, :2]).max()),
        "categories": float(np.ptp(shown)), "scenes": float(np.ptp(places)),
        "camera_height": min(one.camera_position[1] for one in drawn),
    }  # fmt: skip


def _looking(one: SceneSample) -> np.ndarray:
    """(3, 3) of a camera that looks straight at the object, upright."""
    forward = one.object_position - one.camera_position
    forward = forward / np.linalg.norm(forward)
    right = np.cross((0.0, 1.0, 0.0), forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def _extreme(key: str) -> float:
    return float(_sampled()[key])


SETTINGS = "Xie et al. 2025, appendix A and published settings"
_SAMPLED: tuple[tuple[str, str, float, Relation, float], ...] = (
    ("nearest", "least distance of 2,000 drawn objects, metres", 0.9, "above", 1e-9),
    ("farthest", "their greatest distance, metres", 4.2, "below", 1e-9),
    ("lowest", "lowest direction to an object, unit y", -0.2, "above", 1e-9),
    ("camera", "largest turn of the camera off the object, degrees", 20.0, "below", 0.01),
    ("camera_height", "lowest camera above the floor, metres", 0.4, "above", 1e-9),
    ("categories", "most less fewest images of a category", 0.0, "equal", 0.0),
    ("scenes", "most less fewest images of a scene", 0.0, "equal", 0.0),
)
for _key, _words, _value, _relation, _room in _SAMPLED:
    register(
        Check(f"rendering.sampled_{_key}", _words, SETTINGS, (_value,), _room,
              partial(_extreme, _key), (), _relation)
    )  # fmt: skip
