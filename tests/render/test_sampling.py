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


def make(**options: str) -> SceneSampler:
    return SceneSampler(7, IDENTITIES, PLACES, lambda *_: POINTS, **options)


@pytest.fixture(scope="module")
def samples() -> list[sampling.SceneSample]:
    sampler = make()
    return [sampler.draw(index) for index in range(1200)]


def test_positions_follow_the_protocol(samples: list[sampling.SceneSample]) -> None:
    distances = np.array([np.linalg.norm(s.position) for s in samples])
    assert 0.9 <= distances.min() < 0.91 and 4.19 < distances.max() <= 4.2
    assert np.mean(distances) == pytest.approx((0.9 + 4.2) / 2, abs=0.1)
    directions = np.array([(s.object_position - s.camera_position) for s in samples]) / distances[:, None]
    assert -0.2 < directions[:, 1].min() < -0.19
    places = np.array([s.camera_position for s in samples])
    assert 0.4 <= places[:, 1].min() < 0.41 and 2.69 < places[:, 1].max() <= 3.0 - 0.3
    for axis in (0, 2):
        assert -5.0 + 0.3 <= places[:, axis].min() < -4.68 and 4.68 < places[:, axis].max() <= 5.0 - 0.3
    assert all(s.object_position[1] <= 3.0 for s in samples if s.scene == "room")


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
    sampler = make(translation="none")
    turns = []
    for index in range(200):
        s = sampler.draw(index)
        assert s.position[:2] == pytest.approx([0, 0], abs=1e-9)
        turns.append(Rotation.from_matrix(s.rotation).as_euler("XYZ", degrees=True))
    assert np.abs(turns).max() <= 45.0 + 1e-6 and (np.abs(turns).max(axis=0) > 44.0).all()


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
    edge = sampling.SceneSample(**{**changed, "position": np.array([2 * sampling.FRUSTUM, 0.0, 2.0])})
    assert 0.2 < share_in_view(edge, POINTS) < 0.8
    behind = sampling.SceneSample(**{**changed, "position": np.array([0.0, 0.0, -2.0])})
    assert share_in_view(behind, POINTS) == 0.0


def test_most_of_the_object_is_above_the_floor(samples: list[sampling.SceneSample]) -> None:
    mirrored = POINTS * (1, 1, -1)
    assert 0.25 < max(hidden_share(s, mirrored) for s in samples) < 0.3


@pytest.mark.parametrize(
    ("hidden", "in_view", "kept"),
    [(0.299, 1.0, True), (0.3, 1.0, False), (0.0, 0.1, True), (0.0, 0.099, False)],
)
def test_what_is_drawn_again(hidden: float, in_view: float, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 % hidden by the floor are too many, 10 % in the picture are enough."""
    monkeypatch.setattr(sampling, "hidden_share", lambda *_: hidden)
    monkeypatch.setattr(sampling, "share_in_view", lambda *_: in_view)
    if kept:
        make().draw(0)
    else:
        with pytest.raises(RuntimeError, match="image 0: no visible placement of"):
            make().draw(0)


def test_look_rotation_has_the_direction_as_z_and_no_roll() -> None:
    direction = np.array([0.6, 0.48, 0.64])
    rotation = look_rotation(direction)
    assert rotation[:, 2] == pytest.approx(direction)
    assert rotation[1, 0] == pytest.approx(0.0) and rotation[1, 1] > 0


@pytest.mark.parametrize("wrong", [{"translation": "some"}, {"rotation": "free"}])
def test_unknown_modes_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(BadValue, match="is none of"):
        make(**wrong)
