"""The sampler against the protocol: ranges, balance, conventions, independence of workers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mlspatial.core.errors import BadValue
from mlspatial.render import sampling
from mlspatial.render.sampling import HELDOUT_START, SceneSampler, hidden_share, look_rotation, share_in_view
from mlspatial.tasks.rotation import euler_matrix


@dataclass(frozen=True)
class Place:
    name: str
    bounds: tuple = ((-5.0, 0.0, -5.0), (5.0, 3.0, 5.0))
    ceiling: float = math.inf
    skies: tuple = (("day", 3.0), ("night", 1.0))


POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, size=(100, 3))
IDENTITIES = {"chair": ["chair#0", "chair#1", "chair#2"], "apple": ["apple#0"], "cup": ["cup#0", "cup#1"]}
PLACES = [Place("field"), Place("room", ceiling=3.0), Place("street"), Place("beach")]
#: category, identity, scene, sky, position and first row of the rotation of image 123 of seed 7; another one's row
KEPT: tuple = (
    "chair", "chair#1", "street", "day",
    [-0.555633227938, -0.478249980724, 1.988914512727], [0.871102963737, -0.014895453981, 0.490874476847],
    [0.757137563127, -0.168360636204, -0.631187299206],
)  # fmt: skip


def make(**options: str) -> SceneSampler:
    return SceneSampler(7, IDENTITIES, PLACES, lambda *_: POINTS, **options)


@pytest.fixture(scope="module")
def samples() -> list[sampling.SceneSample]:
    sampler = make()
    return [sampler.draw(index) for index in range(1200)]


def test_positions_follow_the_protocol(samples: list[sampling.SceneSample]) -> None:
    """Xie et al. 2025: .9 to 4.2 m away, not below a unit y of -.2, the camera from .4 m up and .3 m inside of bounds
    of 10 x 3 x 10 m. With 1,200 images both ends are nearly reached."""
    distances = np.array([np.linalg.norm(s.position) for s in samples])
    assert 0.9 <= distances.min() < 0.92 and 4.18 < distances.max() <= 4.2
    directions = np.array([(s.object_position - s.camera_position) for s in samples]) / distances[:, None]
    assert -0.2 < directions[:, 1].min() < -0.19
    cameras = np.array([s.camera_position for s in samples])
    assert (cameras.min(axis=0) >= [-4.7, 0.4, -4.7]).all() and (cameras.max(axis=0) <= [4.7, 2.7, 4.7]).all()
    assert (cameras.min(axis=0) < [-4.65, 0.42, -4.65]).all() and (cameras.max(axis=0) > [4.65, 2.68, 4.65]).all()
    assert all(s.object_position[1] <= 3.0 for s in samples if s.scene == "room")
    assert any(s.object_position[1] > 3.0 for s in samples if s.scene != "room")


class Draws:
    """A generator whose normal() gives what it is told, and whose uniform() gives the middle."""

    def __init__(self, *directions: tuple[float, float, float]) -> None:
        self.directions = list(directions)

    def uniform(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return (np.asarray(low) + np.asarray(high)) / 2

    def normal(self, size: int) -> np.ndarray:
        assert size == 3
        return np.array(self.directions.pop(0))


def test_a_direction_at_the_lowest_is_drawn_again_and_a_height_at_the_ceiling_is_not() -> None:
    lowest = (math.sqrt(24.0), -1.0, 0.0)
    assert lowest[1] / np.linalg.norm(lowest) == -0.2
    draws = Draws(lowest, (0.0, -0.19, 1.0))
    _, _, look = make()._place(draws, Place("field"))  # type: ignore[arg-type]
    assert not draws.directions and look[1, 2] == pytest.approx(-0.19 / math.hypot(0.19, 1.0))
    camera, straight_up = (0.4 + 2.7) / 2, (0.9 + 4.2) / 2
    for ceiling, left in ((camera + straight_up, 1), (np.nextafter(camera + straight_up, 0), 0)):
        draws = Draws((0.0, 1.0, 1e-30), (0.0, 0.0, 1.0))
        make()._place(draws, Place("room", ceiling=ceiling))  # type: ignore[arg-type]
        assert len(draws.directions) == left


def test_the_camera_is_on_the_floor_s_margin_of_a_scene_that_is_higher() -> None:
    """Bounds from 1 m up: .3 m of margin count, not .4 m above the floor; too narrow ones are met at their start."""
    place = Place("roof", bounds=((-5.0, 1.0, -0.2), (5.0, 3.0, 0.2)))
    camera, _, _ = make()._place(Draws((0.0, 0.0, 1.0)), place)  # type: ignore[arg-type]
    assert camera.tolist() == pytest.approx([0.0, (1.3 + 2.7) / 2, 0.1])


@pytest.mark.parametrize(
    ("share", "refused", "accepted"), [("hidden_share", 0.3, np.nextafter(0.3, 0)), ("share_in_view", 0.0999, 0.1)]
)
def test_which_placements_are_drawn_again(
    share: str, refused: float, accepted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 % hidden or more (Xie et al. 2025), or less than a tenth in the picture."""
    first = make().draw(3)
    found = [refused, accepted]
    monkeypatch.setattr(sampling, "hidden_share", lambda *_: 0.0)
    monkeypatch.setattr(sampling, "share_in_view", lambda *_: 1.0)
    assert make().draw(3).columns() == first.columns()  # its first placement was kept
    monkeypatch.setattr(sampling, share, lambda *_: found.pop(0))
    again = make().draw(3)
    assert not found and again.position.tolist() != first.position.tolist()
    monkeypatch.setattr(sampling, share, lambda *_: refused)
    with pytest.raises(RuntimeError, match=f"image 3: no visible placement of {first.identity} in scene {first.scene}"):
        make().draw(3)


def test_images_stay_what_they_are() -> None:
    """Numbers of an image, kept: with other ones, a dataset that is half rendered would go on as another."""
    assert HELDOUT_START == 1_099_511_627_776
    sample = make().draw(123)
    assert (sample.category, sample.identity, sample.scene, sample.sky) == KEPT[:4]
    assert sample.position.tolist() == pytest.approx(KEPT[4])
    assert sample.rotation[0].tolist() == pytest.approx(KEPT[5])
    turned = make(rotation="uniform", translation="none").draw(HELDOUT_START + 5)
    assert turned.rotation[0].tolist() == pytest.approx(KEPT[6])


def test_the_camera_turns_at_most_20_degrees_about_two_axes(samples: list[sampling.SceneSample]) -> None:
    """A turn by yaw a then pitch b moves the object's direction by those angles; never out of the picture."""
    x, y, z = np.array([s.position for s in samples]).T
    yaw, pitch = np.degrees(np.arctan2(x, z)), np.degrees(np.arctan2(y, np.hypot(x, z)))
    assert np.abs(pitch).max() <= 20.0 + 1e-9
    assert 20.0 <= np.abs(yaw).max() < 22.0  # yaw is the outer turn: pitch widens it a little
    inside = np.maximum(np.abs(x), np.abs(y)) / z
    assert inside.max() < np.tan(np.radians(30.0))


def test_position_is_the_world_seen_from_the_camera(samples: list[sampling.SceneSample]) -> None:
    for s in samples[:50]:
        assert s.camera @ s.position + s.camera_position == pytest.approx(s.object_position)
        assert np.linalg.det(s.camera) == pytest.approx(1.0) and np.linalg.det(s.rotation) == pytest.approx(1.0)


def test_recorded_angles_and_quaternion_are_the_rotation(samples: list[sampling.SceneSample]) -> None:
    import torch

    for s in samples[:50]:
        columns = s.columns()
        angles = torch.tensor([[columns[f"rot_{i}"] for i in range(3)]], dtype=torch.float64)
        assert euler_matrix(angles)[0].numpy() == pytest.approx(s.rotation, abs=1e-9)
        quaternion = [columns[f"quat_{axis}"] for axis in "xyzw"]
        assert Rotation.from_quat(quaternion).as_matrix() == pytest.approx(s.rotation)
        assert -90 <= columns["rot_0"] <= 90 and -180 <= columns["rot_1"] < 180


def test_without_translation_the_object_is_in_the_middle_and_turned_by_45_degrees_at_most() -> None:
    sampler, turns = make(translation="none"), []
    for index in range(200):
        s = sampler.draw(index)
        assert s.position[:2] == pytest.approx([0, 0], abs=1e-9)
        about = Rotation.from_matrix(s.rotation).as_euler("XYZ", degrees=True)
        turns.append(np.abs(about))
    assert (np.max(turns, axis=0) <= 45 + 1e-6).all() and (np.max(turns, axis=0) > 44).all()


def test_uniform_rotations_are_uniform() -> None:
    """The mean rotation matrix of the uniform distribution is zero; that of the clamped one is not."""
    uniform = np.mean([make(rotation="uniform", translation="none").draw(i).rotation for i in range(1500)], axis=0)
    clamped = np.mean([make(translation="none").draw(i).rotation for i in range(100)], axis=0)
    assert np.abs(uniform).max() < 0.08
    assert np.trace(clamped) > 2.0


def test_scenes_categories_and_identities_are_balanced(samples: list[sampling.SceneSample]) -> None:
    assert set(Counter((s.category, s.scene) for s in samples).values()) == {100}
    identities = Counter(s.identity for s in samples)
    for names in IDENTITIES.values():
        counts = [identities[name] for name in names]
        assert max(counts) - min(counts) <= 1
    together = Counter((s.identity, s.scene) for s in samples if s.category == "chair")
    assert min(together.values()) > 15  # identity and scene are drawn independently (expected: 33)


def test_every_prefix_is_nearly_balanced(samples: list[sampling.SceneSample]) -> None:
    for n in (10, 100, 501):
        counts = Counter(s.category for s in samples[:n])
        assert max(counts.values()) - min(counts.values()) <= 1


def test_an_image_depends_on_seed_and_index_alone() -> None:
    first, again = make().draw(123).columns(), make().draw(123).columns()
    assert first == again
    assert make().draw(HELDOUT_START + 123).columns() != first
    other = SceneSampler(8, IDENTITIES, PLACES, lambda *_: POINTS).draw(123).columns()
    assert other["x"] != first["x"]


def test_skies_follow_their_weights(samples: list[sampling.SceneSample]) -> None:
    assert np.mean([s.sky == "day" for s in samples]) == pytest.approx(0.75, abs=0.05)


def test_hidden_and_visible_shares() -> None:
    sample = make(translation="none").draw(0)
    changed = {**sample.__dict__, "rotation": np.eye(3), "camera": np.eye(3)}
    half_sunk = sampling.SceneSample(**{**changed, "object_position": np.zeros(3)})
    assert hidden_share(half_sunk, POINTS) == pytest.approx(np.mean(POINTS[:, 1] < 0))
    edge = sampling.SceneSample(**{**changed, "position": np.array([2 * math.tan(math.pi / 6), 0.0, 2.0])})
    ends = np.array([[0, 0, 0], [-1e-6, 0, 0], [1e-6, 0, 0]])  # 60 degrees: on the edge, inside, outside
    assert share_in_view(edge, ends[1:]) == 0.5
    above = sampling.SceneSample(**{**changed, "position": np.array([0.0, 2 * math.tan(math.pi / 6), 2.0])})
    assert share_in_view(above, ends[:, [1, 0, 2]][1:]) == 0.5
    on_the_floor = sampling.SceneSample(**{**changed, "object_position": np.array([0.0, 0.5, 0.0])})
    assert hidden_share(on_the_floor, np.array([[0.0, -0.5, 0.0], [0.0, -0.6, 0.0]])) == 0.5
    behind = sampling.SceneSample(**{**changed, "position": np.array([0.0, 0.0, -2.0])})
    assert share_in_view(behind, POINTS) == 0.0


def test_most_of_the_object_is_above_the_floor(samples: list[sampling.SceneSample]) -> None:
    mirrored = POINTS * (1, 1, -1)
    assert 0.2 < max(hidden_share(s, mirrored) for s in samples) < 0.3


def test_look_rotation_has_the_direction_as_z_and_no_roll() -> None:
    direction = np.array([0.6, 0.48, 0.64])
    rotation = look_rotation(direction)
    assert rotation[:, 2] == pytest.approx(direction)
    assert rotation[1, 0] == pytest.approx(0.0) and rotation[1, 1] > 0


@pytest.mark.parametrize("wrong", [{"translation": "some"}, {"rotation": "free"}])
def test_unknown_modes_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(BadValue, match="is none of"):
        make(**wrong)
