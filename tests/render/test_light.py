"""The Warp renderer's light, shadows and textures against what can be worked out by hand, or summed another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from mlspatial.render import lighting
from mlspatial.render.mesh import Environment, Material
from mlspatial.render.warp.assets import mip_levels, one_sided, tone_map, tone_map_table
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.scenery import SIZE, covered, mesh_of, scenes, sphere, sunny, turn, uniform


@pytest.mark.parametrize(("roughness", "metalness"), [(1.0, 0.0), (0.3, 0.0), (0.0, 1.0), (0.6, 1.0), (1.0, 1.0)])
def test_white_furnace(roughness, metalness):
    """A white thing in evenly white surroundings cannot be seen."""
    renderer = WarpRenderer([sphere(Material((1, 1, 1), roughness, metalness))], [uniform()], size=SIZE)
    image = renderer.render(scenes((0, 0, 1.5))).images[0].astype(int)
    background = image[0, 0, 0]
    assert 100 < background < 240
    assert np.abs(image - background).max() <= 4


def test_the_lit_side_faces_the_sun_and_shadows_fall_away_from_it():
    renderer = WarpRenderer([sphere()], [sunny()], size=SIZE)
    image = renderer.render(scenes((0, 0, 1.5))).images[0].astype(float).sum(axis=-1)
    third = SIZE // 3
    assert image[third, 2 * third] > 1.3 * image[2 * third, third]  # the sun is at the upper right

    # a plate facing the camera and a small one before it, towards the sun: its shadow falls to the lower left
    plate = trimesh.creation.box(extents=(1, 1, 0.02))
    blocker = trimesh.creation.box(
        extents=(0.2, 0.2, 0.02), transform=trimesh.transformations.translation_matrix((0, 0, 0.3))
    )
    for part in (plate, blocker):
        part.unmerge_vertices()
    both = mesh_of(trimesh.util.concatenate([plate, blocker]))
    pair = WarpRenderer([both], [sunny()], size=2 * SIZE)
    image = pair.render(scenes((0, 0, 2))).images[0].astype(float).sum(axis=-1)
    assert_shadow = image[110:130, 62:82].min()  # about .3 m * (-1, -.8) from the blocker
    assert assert_shadow < 0.7 * np.median(image[60:80, 110:130])


def test_the_ground_is_darker_where_the_object_hides_the_sun():
    """A ball 1.5 m ahead, 1 m above the ground, seen from 2 m: its shadow lies where the sun's ray through its centre
    meets the ground, which is darker there by the sun's share of the light, and unchanged elsewhere."""
    renderer = WarpRenderer([sphere()], [sunny()], size=2 * SIZE)
    camera = turn(35.0, 0.0, 0.0)  # looks down
    height, sun = 2.0, renderer._light_direction[0]
    centre = np.array([0.0, 1.0 - height, 1.5])  # from the camera, world axes
    below = centre - sun * ((centre[1] + height) / sun[1])
    batch = scenes(camera.T @ centre, cameras=[camera])
    plain = renderer.render(batch).images[0].astype(float)
    shadowed = renderer.render(replace(batch, ground=np.array([height]))).images[0].astype(float)
    x, y, z = camera.T @ below
    focal = SIZE / np.tan(np.radians(30))
    column, row = int(SIZE + focal * x / z), int(SIZE - focal * y / z)
    assert 4 < column < 2 * SIZE - 4 and 4 < row < 2 * SIZE - 4
    assert shadowed[row, column].sum() < 0.8 * plain[row, column].sum()
    changed = np.abs(shadowed - plain).sum(axis=-1) > 0.1 * plain.sum(axis=-1)
    assert 0.002 < changed.mean() < 0.2
    assert (shadowed <= plain + 1).all()
    ball = covered(renderer, batch)[0]
    assert not changed[ball & ~_rim(ball)].any()  # the object itself is drawn as before
    assert np.array_equal(renderer.render(replace(batch, ground=np.zeros(1))).images[0], plain)


def _rim(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask next to its border."""
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    return mask & ~inner


def test_irradiance_matches_monte_carlo():
    rng = np.random.default_rng(0)
    vectors = lighting.directions(64, 128)
    radiance = 0.5 + 0.4 * vectors[..., :1] * vectors[..., 1:2] + np.array([0.3, 0.1, 0.0]) * (vectors[..., 1:2] > 0.2)
    coefficients = lighting.irradiance_coefficients(radiance)
    sample = rng.normal(size=(200_000, 3))
    sample /= np.linalg.norm(sample, axis=1, keepdims=True)
    row = np.minimum(np.arccos(sample[:, 1]) / np.pi * 64, 63).astype(int)
    column = np.minimum((np.arctan2(sample[:, 0], sample[:, 2]) / (2 * np.pi) + 0.5) * 128, 127).astype(int)
    light = radiance[row, column]
    for normal in np.vstack([np.eye(3), -np.eye(3), [[0.6, 0.64, 0.48]]]):
        expected = 4.0 * np.mean(np.maximum(sample @ normal, 0.0)[:, None] * light, axis=0)  # (1 / pi) / (1 / 4 pi)
        np.testing.assert_allclose(lighting.irradiance_basis(normal) @ coefficients, expected, atol=0.02)


def test_main_light_is_the_sun_and_is_counted_once():
    panorama = sunny().panorama
    rest, direction, irradiance, radius = lighting.split_main_light(panorama)
    vectors, weights = lighting.directions(128, 256), lighting.solid_angles(128, 256)
    sun = np.array([0.6, 0.5, -0.6]) / np.linalg.norm([0.6, 0.5, -0.6])
    assert direction @ sun > np.cos(np.radians(1))
    assert np.isclose(radius, np.sin(np.radians(2.0)), rtol=0.15)
    taken = np.einsum("hwc,h->c", panorama - rest, weights)
    assert rest.max() < 1.1 and (taken / irradiance).std() < 1e-6
    ambient = np.einsum("hwc,h->c", rest, weights) @ lighting.LUMINANCE / 4
    assert irradiance @ lighting.LUMINANCE <= lighting.STRONGEST_LIGHT * ambient * 1.0001
    dim = np.where(panorama > 100, panorama / 40, panorama)
    rest, _, irradiance, _ = lighting.split_main_light(dim)
    np.testing.assert_allclose(np.einsum("hwc,h->c", dim - rest, weights), irradiance, rtol=1e-4)
    overcast = np.broadcast_to(1.0 + vectors[..., 1:2], (128, 256, 3)).astype(np.float32)
    _, direction, irradiance, _ = lighting.split_main_light(overcast)
    assert direction[1] > 0.95 and irradiance.max() < 0.05 * np.pi
    assert lighting.split_main_light(np.ones((64, 128, 3), np.float32))[2].max() == 0


def test_absurd_panoramas_still_give_pictures():
    panorama = sunny().panorama.copy()
    panorama[3, 5], panorama[20, 30], panorama[40, 50] = np.nan, np.inf, 1e30
    renderer = WarpRenderer([sphere()], [Environment("broken", panorama), uniform(0.0), uniform(1e4)], size=SIZE)
    images = renderer.render(scenes([(0, 0, 1.5)] * 3, environments=[0, 1, 2])).images
    assert 40 < images[0].mean() < 230 and images[1].max() < 5 and 80 < images[2].mean() < 240


def test_blur_keeps_a_mean_and_spreads_a_point():
    panorama = np.zeros((32, 64, 1))
    panorama[10, 20] = 1.0
    blurred = lighting.blur(panorama, lighting.ggx_lobe, 0.3)[..., 0]
    assert np.unravel_index(np.argmax(blurred), blurred.shape) == (10, 20)
    cosine = lighting.directions(32, 64) @ lighting.directions(32, 64)[10, 20]
    order = np.argsort(cosine.ravel())
    assert blurred.ravel()[order[-1]] > 4 * blurred.ravel()[order[len(order) // 2]]
    np.testing.assert_allclose(lighting.blur(np.ones((32, 64, 1)), lighting.ggx_lobe, 0.3), 1.0, rtol=1e-5)


def test_cube_map_is_the_panorama():
    vectors = lighting.directions(256, 512)
    cube = lighting.cube_map((vectors + 1.0).astype(np.float32), 32).astype(float) - 1.0
    place = (2.0 * np.arange(34) - 1.0) / 32 - 1.0
    t, s = np.meshgrid(place, place, indexing="ij")
    for face, vector in ((0, (1 + 0 * s, t, s)), (3, (s, -1 + 0 * s, t)), (4, (s, t, 1 + 0 * s))):
        expected = np.stack(vector, axis=-1)
        expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
        np.testing.assert_allclose(cube[face], expected, atol=0.01)


def test_only_closed_outward_pieces_are_one_sided():
    box = trimesh.creation.box()
    assert one_sided(box.vertices, box.faces).all()
    assert not one_sided(box.vertices, box.faces[:, ::-1]).any()
    assert not one_sided(box.vertices, box.faces[1:]).any()
    split = trimesh.creation.box()
    split.unmerge_vertices()
    assert one_sided(split.vertices, split.faces).all()


def test_an_open_sheet_is_seen_and_lit_from_both_sides():
    corners = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], np.float32)
    sheet = replace(
        sphere(),
        vertices=corners,
        normals=np.tile(np.float32([0, 0, 1]), (4, 1)),
        uvs=np.zeros((4, 2), np.float32),
        occlusion=np.ones(4, np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        face_material=np.zeros(2, np.int32),
    )
    renderer = WarpRenderer([sheet], [uniform()], size=SIZE)
    front, back = renderer.render(scenes([(0, 0, 2)] * 2, [np.eye(3), turn(0, 180, 0)])).images.astype(int)
    assert np.abs(front - back).max() <= 1
    assert front[SIZE // 2, SIZE // 2, 0] < front[0, 0, 0] - 20


def test_mip_levels_average_in_linear_light():
    checker = np.indices((8, 8)).sum(axis=0)[..., None].repeat(3, -1) % 2 * 255
    levels = mip_levels(checker.astype(np.uint8), 1024)
    assert [level.shape[0] for level in levels] == [8, 4, 2, 1]
    np.testing.assert_allclose((levels[-1] / 255.0) ** 2, 0.5, atol=0.004)


def test_textures_repeat_and_are_not_flipped():
    """v points up: the texture's first row is at the top of a plate whose uvs run 0..1."""
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :32], texture[:32, 32:], texture[32:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    plate = mesh_of(trimesh.creation.box(extents=(1, 1, 0.01)), Material((1, 1, 1), 1.0, 0.0, texture))
    for shift in (0.0, 3.0, -2.0):
        uvs = (plate.vertices[:, :2] + 0.5 + shift).astype(np.float32)
        renderer = WarpRenderer([replace(plate, uvs=uvs)], [uniform()], size=SIZE)
        image = renderer.render(scenes((0, 0, 1.8))).images[0]
        offset = SIZE // 8
        middle = SIZE // 2
        assert image[middle - offset, middle - offset].argmax() == 0
        assert image[middle - offset, middle + offset].argmax() == 1
        assert image[middle + offset, middle + offset].argmax() == 2


def test_tone_map_table_is_fine_enough():
    table = tone_map_table().astype(int)
    assert np.diff(table).min() >= 0 and np.diff(table).max() <= 1
    assert table[0] == 0 and table[-1] >= 254 and tone_map(np.array([0.18])) > 100
