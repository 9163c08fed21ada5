"""Where ThreeDWorld is told to put things, against a second description of Unity: matrices and a camera of its own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mlspatial.render.pictures import project
from mlspatial.render.tdw import answers
from mlspatial.render.tdw.commands import Camera, Thing, picture, widened
from mlspatial.render.tdw.engine import check_regions, fits_box, share_inside
from mlspatial.render.tdw.frames import box_points, picture_reach, pivot_pose, unit_scale
from mlspatial.render.tdw.library import Model, View


def record(turn: float = 0.0) -> dict:
    """A model 0.4 x 1.6 x 0.8 m large, whose pivot is at the middle of its bottom, 0.1 m to the left."""
    bounds = {side: {"x": 0.1, "y": 0.8, "z": 0.0} for side in ("left", "right", "bottom", "top", "back", "front")}
    for side, axis, value in (
        *(("left", "x", -0.1), ("right", "x", 0.3), ("bottom", "y", 0.0), ("top", "y", 1.6)),
        *(("back", "z", -0.4), ("front", "z", 0.4)),
    ):
        bounds[side][axis] = value
    return {"bounds": bounds, "canonical_rotation": {"x": 0, "y": turn, "z": 0}, "urls": {"Linux": "file:///m"}}


def unity(local: np.ndarray, command: dict, position: np.ndarray, factor: float) -> np.ndarray:
    """World places of points of a model: scaled, turned by a quaternion, moved; by the formula for quaternions."""
    q = np.array([command["w"], command["x"], command["y"], command["z"]])
    points = np.atleast_2d(local) * factor
    crossed = np.cross(q[1:], points) + q[0] * points
    return points + 2.0 * np.cross(q[1:], crossed) + position


def told(thing: Thing, eye: np.ndarray, camera: np.ndarray) -> dict[str, dict]:
    return {command["$type"]: command for command in picture([(1, thing)], Camera(eye, camera), ("_img",))}


def test_the_longest_axis_becomes_a_metre() -> None:
    assert unit_scale(record()) == pytest.approx(1 / 1.6)
    points = box_points(record())
    assert np.ptp(points, axis=0) == pytest.approx([0.25, 1.0, 0.5]) and points.mean(axis=0) == pytest.approx(0.0)
    assert np.ptp(box_points(record(90.0)), axis=0) == pytest.approx([0.5, 1.0, 0.25], abs=1e-6)


def test_a_model_that_is_not_turned_faces_the_camera() -> None:
    """Its front (+z in Unity) is nearer, its left (-x) to the right of who looks at it, its top above."""
    thing = Thing(Model("m", "c", box_points(record()), record()), np.array([0.0, 1.0, 3.0]), np.eye(3), 1.0)
    commands = told(thing, np.array([0.0, 1.0, 0.0]), np.eye(3))
    rotation, position = commands["rotate_object_to"]["rotation"], commands["teleport_object"]["position"]
    at = np.array([position[axis] for axis in "xyz"])
    sides = {"front": (0.1, 0.8, 0.4), "left": (-0.1, 0.8, 0.0), "top": (0.1, 1.6, 0.0)}
    world = {name: unity(np.array(local), rotation, at, 1 / 1.6)[0] for name, local in sides.items()}
    assert world["front"] == pytest.approx([0.0, 1.0, 2.75])
    assert world["left"] == pytest.approx([0.125, 1.0, 3.0])
    assert world["top"] == pytest.approx([0.0, 1.5, 3.0])


@pytest.mark.parametrize("seed", range(6))
def test_corners_are_where_the_latents_project_them(seed: int) -> None:
    """Of the box: through Unity's world and camera, and by our latents alone."""
    rng = np.random.default_rng(seed)
    made = record((0.0, 90.0, 180.0, -90.0, 30.0, 0.0)[seed])
    camera = Rotation.random(random_state=rng).as_matrix()
    eye, position, scale = rng.uniform(-3, 3, 3), np.array([*rng.uniform(-0.4, 0.4, 2), 2.5]), rng.uniform(0.4, 1.5)
    rotation = Rotation.random(random_state=rng).as_matrix()
    model = Model("m", "c", box_points(made), made)
    thing = Thing(model, eye + camera @ position, camera @ rotation, scale)
    commands = told(thing, eye, camera)
    place = commands["teleport_object"]["position"]
    ends = made["bounds"]
    local = np.array(
        [
            [ends[a]["x"], ends[b]["y"], ends[c]["z"]]
            for a, b, c in itertools.product(("left", "right"), ("bottom", "top"), ("back", "front"))
        ]
    )
    _, _, factor = pivot_pose(made, thing.centre, thing.rotation, scale)
    world = unity(local, commands["rotate_object_to"]["rotation"], np.array([place[a] for a in "xyz"]), factor)
    assert commands["teleport_avatar_to"]["position"] == pytest.approx(dict(zip("xyz", eye, strict=True)))
    # Unity's camera: the inverse of its quaternion, then +z into the picture
    turn = commands["rotate_sensor_container_to"]["rotation"]
    seen = unity(world - eye, {**turn, "w": -turn["w"]}, np.zeros(3), 1.0)
    # by the latents: front is -z of the camera's frame, the model's -x its right, before its canonical turn
    upright = Rotation.from_euler("y", made["canonical_rotation"]["y"], degrees=True).as_matrix()
    centred = (local - np.array([0.1, 0.8, 0.0])) / 1.6 * scale @ upright.T * (-1.0, 1.0, -1.0)
    expected = centred @ rotation.T + position
    for one, other in zip(seen, expected, strict=True):
        assert project(one, 256) == pytest.approx(project(other, 256), abs=1e-6)
    sampled = model.vertices * (1.0, 1.0, -1.0) * scale @ rotation.T + position  # as the sampler has them
    assert all(np.linalg.norm(sampled - corner, axis=1).min() < 1e-6 for corner in expected)
    assert np.linalg.norm(sampled - position, axis=1).max() == pytest.approx(
        np.linalg.norm(expected - position, axis=1).max()
    )


def test_a_wider_view_shows_a_multiple_of_the_plane() -> None:
    assert widened(1.0) == pytest.approx(60.0)
    assert np.tan(np.radians(widened(3.0) / 2)) == pytest.approx(3.0 * np.tan(np.radians(30.0)))
    assert picture_reach(np.array([[1.0, 0.0, 1.0], [0.0, 0.2, 1.0]])) == pytest.approx(np.sqrt(3.0))
    assert picture_reach(np.array([[1.0, 0.0, -1.0]])) == np.inf


def test_the_share_inside_the_picture() -> None:
    mask = np.zeros((64, 64), bool)
    mask[28:36, 16:48] = True  # in a picture of twice the width: half of it is in the middle
    mask[0:8, 0:8] = False
    assert share_inside(mask, 4.0) == pytest.approx(16 / 32)
    assert share_inside(np.zeros((64, 64), bool), 2.0) == 0.0


def test_pixels_are_set_against_the_box_of_the_record() -> None:
    outline = np.array([[x, y, 2.0] for x in (-0.2, 0.6) for y in (0.1, 0.7)])
    right, up = ((outline[:, k] / 2.0 / np.tan(np.radians(30.0)) + 1) * 50 for k in (0, 1))
    mask = np.zeros((100, 100), bool)
    mask[100 - int(up.max()) : 100 - int(up.min()), int(right.min()) : int(right.max())] = True
    assert fits_box(mask, outline) and not fits_box(mask[::-1], outline) and not fits_box(mask[:, ::-1], outline)


def test_instances_are_told_by_their_colours() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, :2], pixels[3, 3] = (7, 8, 9), (9, 8, 7)
    found = answers.instances(pixels, [(9, 8, 7), (7, 8, 9)])
    assert found.tolist() == [[2, 2, 0, 0], [0] * 4, [0] * 4, [0, 0, 0, 1]]


def test_depth_is_read_as_the_package_reads_it() -> None:
    """Three bytes, the first the highest, rows from below: r / 256 + g / 256^2 + b / 256^3 of the clipping range."""
    raw = np.zeros((2, 2, 3), np.uint8)
    raw[0, 0], raw[0, 1], raw[1, 0], raw[1, 1] = (128, 0, 0), (0, 128, 0), (0, 0, 128), (255, 255, 255)
    found = answers.depth(raw.tobytes(), 2, 0.0, 256.0)
    np.testing.assert_allclose(found, [[0.5 / 256, np.inf], [128.0, 0.5]])
    with pytest.raises(answers.Garbled, match="11 bytes, not 12"):
        answers.depth(raw.tobytes()[:-1], 2, 0.0, 256.0)


def test_bounds_beyond_the_regions_of_a_build_are_refused() -> None:
    view = View("ruin/sky", ((-5.0, 0.0, -5.0), (5.0, 4.0, 5.0)), {"name": "ruin"}, {"name": "sky"})
    check_regions(view, np.array([[[-1, 0, -1], [1, 3, 1]], [[-4.8, 0, -4.8], [4.8, 3, 4.8]]]))  # 0.3 m are kept
    with pytest.raises(Exception, match=r"scene ruin reaches from \(-4.0, 0.0, -9.0\) to .*environments=tdw:FILE.json"):
        check_regions(view, np.array([[[-4.0, 0, -9.0], [4.0, 3, 9.0]]]))
