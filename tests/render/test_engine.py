"""The Warp renderer against geometry and light that can be worked out by hand, or drawn a second way."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mlspatial.core.errors import BadValue
from mlspatial.render import lighting
from mlspatial.render.engine import FIELD_OF_VIEW, RENDERERS, Renderer
from mlspatial.render.mesh import Environment, Material
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.scenery import (
    FOCAL,
    MIRROR,
    SIZE,
    covered,
    lopsided,
    mesh_of,
    random_scenes,
    scenes,
    several,
    sphere,
    sunny,
    turn,
    uniform,
)


def test_is_registered_and_keeps_the_contract():
    assert RENDERERS["warp"] is WarpRenderer
    renderer: Renderer = several()
    rendered = renderer.render(random_scenes(3, 2, 2))
    assert rendered.images.shape == (3, SIZE, SIZE, 3) and rendered.images.dtype == np.uint8
    assert rendered.visible.shape == (3,) and rendered.visible.dtype == np.float32


@pytest.mark.parametrize("position", [(0, 0, 2), (0.5, 0, 2), (0, 0.5, 2), (-0.7, 0.6, 2.5), (0.9, -1.1, 4)])
def test_sphere_is_where_its_position_says(position):
    renderer = WarpRenderer([sphere(Material((0.01, 0.01, 0.01), 1.0))], [uniform()], size=SIZE)
    x, y, z = position
    rows, columns = np.nonzero(covered(renderer, scenes(position))[0])
    # a sphere's outline is an ellipse: its axes' ends are tangent rays, at the angle asin(r / distance) to the centre
    for low, high, offset, sign in ((columns.min(), columns.max() + 1, x, 1), (rows.min(), rows.max() + 1, y, -1)):
        spread = np.arcsin(0.5 / np.hypot(offset, z))
        ends = SIZE / 2 + sign * FOCAL * np.tan(np.arctan2(offset, z) + np.array([-1, 1]) * spread)
        np.testing.assert_allclose([low, high], sorted(ends), atol=1.0)


def test_axes_are_not_mirrored():
    """+x of the object lies to the right, +y above; the blue arm (+z) points at the viewer and hides the body."""
    renderer = WarpRenderer([lopsided()], [uniform()], size=SIZE)
    image = renderer.render(scenes((0, 0, 2))).images[0].astype(int)
    at = {}
    for channel, name in enumerate(("red", "green", "blue")):
        rows, columns = np.nonzero(image[..., channel] > image.sum(axis=-1) - image[..., channel] + 20)
        at[name] = columns.mean(), rows.mean()
    assert at["red"][0] > at["blue"][0] + 10 and abs(at["red"][1] - at["blue"][1]) < 4
    assert at["green"][1] < at["blue"][1] - 10 and abs(at["green"][0] - at["blue"][0]) < 4
    behind = renderer.render(scenes((0, 0, 2), [turn(0, 180, 0)])).images[0].astype(int)
    assert not (behind[..., 2] > behind[..., 0] + behind[..., 1] + 20).any()  # the blue arm has gone to the far side


def test_rotation_turns_x_towards_the_viewer_as_the_convention_says():
    """Standard matrices on (x, y, z): a quarter turn about y takes +z (far) to +x and +x to -z, to the viewer."""
    np.testing.assert_allclose(turn(0, 90, 0) @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    renderer = WarpRenderer([lopsided()], [uniform()], size=SIZE)
    image = renderer.render(scenes((0, 0, 2), [turn(0, 90, 0)])).images[0].astype(int)
    blue = image[..., 2] > image[..., 0] + image[..., 1] + 20
    # the blue arm pointed to the viewer (-z of the camera frame); the turn takes it to -x, the left
    assert np.nonzero(blue)[1].mean() < np.nonzero(covered(renderer, scenes((0, 0, 2), [turn(0, 90, 0)]))[0])[1].mean()


def test_turned_vertices_give_the_same_picture_as_a_rotation():
    mesh, rotation = lopsided(), turn(25, 130, -50)
    in_object_frame = MIRROR @ rotation @ MIRROR
    turned = replace(
        mesh,
        vertices=(mesh.vertices @ in_object_frame.T).astype(np.float32),
        normals=(mesh.normals @ in_object_frame.T).astype(np.float32),
    )
    renderer = WarpRenderer([mesh, turned], [sunny()], size=SIZE)
    batch = scenes([(0.2, -0.1, 1.8)] * 2, [rotation, np.eye(3)], meshes=[0, 1])
    first, second = renderer.render(batch).images.astype(int)
    difference = np.abs(first - second).max(axis=-1)
    assert np.mean(difference > 2) < 0.003  # rounding moves a sample of an edge now and then


def test_half_the_size_at_half_the_distance_looks_the_same():
    far = random_scenes(6, 2, 2)
    near = replace(far, position=far.position / 2, scale=0.5)
    first, second = several().render(far), several().render(near)
    assert np.mean(np.abs(first.images.astype(int) - second.images).max(axis=-1) > 2) < 0.003
    np.testing.assert_allclose(first.visible, second.visible, atol=0.002)


def test_background_follows_the_camera():
    """A red dot to the right of the world's forward axis: looking straight ahead, looking at it, looking past it."""
    panorama = np.full((256, 512, 3), 0.2, np.float32)
    vectors = lighting.directions(256, 512)
    dot = np.array([np.sin(np.radians(20)), np.sin(np.radians(10)), np.cos(np.radians(20))])
    panorama[vectors @ (dot / np.linalg.norm(dot)) > np.cos(np.radians(3))] = [1.0, 0.0, 0.0]
    renderer = WarpRenderer([sphere()], [Environment("dot", panorama)], size=SIZE)
    headings = (0.0, 20.0, 40.0)
    batch = scenes([(0, 0, -9)] * 3, cameras=[turn(0, heading, 0) for heading in headings])
    for image, heading in zip(renderer.render(batch).images.astype(int), headings, strict=True):
        rows, columns = np.nonzero(image[..., 0] > 2 * image[..., 1] + 20)
        x, y, z = turn(0, heading, 0).T @ dot
        expected = SIZE / 2 + FOCAL * np.array([x, -y]) / z
        np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], expected, atol=0.7)


def test_visible_fraction_matches_a_wider_picture():
    """Twice the field of view in tangent, twice the pixels: the old picture is the middle of the new one."""
    renderer = several()
    batch = random_scenes(24, 2, 2)
    batch = replace(batch, position=batch.position * [1.4, 1.4, 1.0])
    wide = WarpRenderer([sphere(), lopsided()], [uniform(), uniform()], size=4 * SIZE)
    wide.focal = FOCAL
    mask = covered(wide, batch)
    middle = slice(3 * SIZE // 2, 5 * SIZE // 2)
    expected = mask[:, middle, middle].sum(axis=(1, 2)) / mask.sum(axis=(1, 2))
    visible = renderer.render(batch).visible
    assert (expected < 0.9).sum() > 5 and (expected > 0.999).sum() > 2
    np.testing.assert_allclose(visible, expected, atol=0.02)


def test_visible_fraction_of_halves_and_of_what_is_out_of_sight():
    plate = mesh_of(trimesh.creation.box(extents=(1, 1, 0.001)))
    renderer = WarpRenderer([plate], [uniform()], size=SIZE)
    edge = 2.0 * np.tan(np.radians(FIELD_OF_VIEW) / 2)  # the picture's border, 2 m away
    batch = scenes([(0, 0, 2), (edge, 0, 2), (0, -edge, 2), (edge, edge, 2), (9, 0, 2), (0, 0, -2)])
    visible = renderer.render(batch).visible
    np.testing.assert_allclose(visible, [1, 0.5, 0.5, 0.25, 0, 0], atol=0.005)


def test_an_image_does_not_depend_on_its_batch():
    batch = random_scenes(11, 2, 2)
    whole = several().render(batch)
    parts = replace(
        batch, **{f: getattr(batch, f)[[7]] for f in ("mesh", "environment", "position", "rotation", "camera")}
    )
    np.testing.assert_array_equal(several().render(parts).images[0], whole.images[7])
    other = WarpRenderer([sphere(), lopsided()], [sunny(), uniform()], size=SIZE, chunk=16).render(batch)
    np.testing.assert_array_equal(other.images, whole.images)
    np.testing.assert_array_equal(other.visible, whole.visible)


def test_another_process_gives_the_same_bytes(tmp_path):
    script = (
        "import pickle, sys, numpy; from mlspatial.render.warp.engine import WarpRenderer;"
        "meshes, environments, size, batch = pickle.load(open(sys.argv[1], 'rb'));"
        "numpy.save(sys.argv[2], WarpRenderer(meshes, environments, size=size).render(batch).images)"
    )
    batch = random_scenes(5, 2, 2)
    given, found = tmp_path / "given.pickle", tmp_path / "found.npy"
    given.write_bytes(pickle.dumps(([sphere(), lopsided()], [sunny(), uniform()], SIZE, batch)))
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, given, found], check=True, cwd=root)
    np.testing.assert_array_equal(np.load(found), several().render(batch).images)


def test_an_object_around_the_camera_draws_no_garbage():
    """Triangles that reach behind the camera are left out; the inside of a closed surface is never drawn."""
    batch = scenes([(0, 0, 0.3), (0.1, 0, 0.0), (0, 0.2, 0.45)])
    assert not covered(several(), batch).any()
    around = several().render(replace(batch, mesh=np.ones(3, int)))
    assert ((around.visible >= 0) & (around.visible <= 1)).all()


def test_empty_batch():
    rendered = several().render(random_scenes(0, 2, 2))
    assert rendered.images.shape == (0, SIZE, SIZE, 3) and rendered.visible.shape == (0,)


def test_torch_images_are_the_same():
    batch = random_scenes(5, 2, 2)
    images, visible = several().render_torch(batch)
    expected = several().render(batch)
    np.testing.assert_array_equal(images.numpy(), expected.images)
    np.testing.assert_array_equal(visible.numpy(), expected.visible)


@pytest.mark.gpu
def test_cuda_draws_the_same():
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device")
    batch = random_scenes(9, 2, 2)
    expected = several().render(batch)
    renderer = WarpRenderer([sphere(), lopsided()], [sunny(), uniform()], size=SIZE, device="cuda")
    images, visible = renderer.render_torch(batch)
    difference = np.abs(images.cpu().numpy().astype(int) - expected.images)
    assert images.is_cuda and np.mean(difference.max(axis=-1) > 3) < 0.005
    np.testing.assert_allclose(visible.numpy(), expected.visible, atol=0.01)


def test_mistakes_are_named():
    with pytest.raises(BadValue, match=r"scenes\.mesh=2"):
        several().render(scenes((0, 0, 2), meshes=[2]))
    with pytest.raises(BadValue, match="position"):
        several().render(scenes((0, np.nan, 2)))
    with pytest.raises(BadValue, match="at least"):
        WarpRenderer([], [uniform()], size=SIZE)
    bad = replace(sphere(), faces=sphere().faces + 10**6)
    with pytest.raises(BadValue, match="faces"):
        WarpRenderer([bad], [uniform()], size=SIZE)
