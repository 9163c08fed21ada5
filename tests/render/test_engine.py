"""The Warp renderer against geometry and light that can be worked out by hand, or drawn a second way."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from mlspatial.core.errors import BadValue
from mlspatial.render import lighting
from mlspatial.render.engine import FIELD_OF_VIEW, RENDERERS, Renderer, SceneBatch
from mlspatial.render.mesh import Environment, Material, Mesh
from mlspatial.render.warp_assets import mip_levels, one_sided, tone_map, tone_map_table
from mlspatial.render.warp_engine import WarpRenderer

SIZE = 96
FOCAL = SIZE / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
GREY = Material((0.5, 0.5, 0.5), roughness=1.0)
MIRROR = np.diag([1.0, 1.0, -1.0])  # object frame <-> camera frame


def mesh_of(shape: trimesh.Trimesh, material: Material = GREY, colors: np.ndarray | None = None) -> Mesh:
    """colors: (F, 3), one material for each face, instead of `material`."""
    low, high = shape.bounds
    vertices = (shape.vertices - (low + high) / 2) / max(high - low)
    count = len(vertices)
    materials = (material,) if colors is None else tuple(Material(tuple(c), roughness=1.0) for c in colors)
    return Mesh(
        vertices=vertices.astype(np.float32),
        normals=shape.vertex_normals.astype(np.float32),
        uvs=np.zeros((count, 2), np.float32),
        occlusion=np.ones(count, np.float32),
        faces=shape.faces.astype(np.int32),
        face_material=np.zeros(len(shape.faces), np.int32) if colors is None else np.arange(len(shape.faces)),
        materials=materials,
    )


def sphere(material: Material = GREY) -> Mesh:
    return mesh_of(trimesh.creation.icosphere(subdivisions=4), material)


def lopsided() -> Mesh:
    """A bright arm to the object's +x (red), +y (green) and +z (blue), unequal in length, on a dark body."""
    boxes, colors = [], []
    for extents, centre, color in (
        ((0.4, 0.4, 0.4), (0, 0, 0), (0.02, 0.02, 0.02)),
        ((0.6, 0.15, 0.15), (0.5, 0, 0), (0.9, 0.02, 0.02)),
        ((0.15, 0.4, 0.15), (0, 0.4, 0), (0.02, 0.9, 0.02)),
        ((0.15, 0.15, 0.3), (0, 0, 0.35), (0.02, 0.02, 0.9)),
    ):
        box = trimesh.creation.box(extents=extents, transform=trimesh.transformations.translation_matrix(centre))
        box.unmerge_vertices()
        boxes.append(box)
        colors += [color] * len(box.faces)
    return mesh_of(trimesh.util.concatenate(boxes), colors=np.array(colors))


def uniform(radiance: float = 1.0) -> Environment:
    return Environment("uniform", np.full((64, 128, 3), radiance, np.float32))


def sunny() -> Environment:
    """Blue above, brown below, a small sun at the upper right behind the camera."""
    vectors = lighting.directions(128, 256)
    panorama = np.where(vectors[..., 1:2] > 0, [0.3, 0.5, 1.0], [0.3, 0.2, 0.1])
    sun = np.array([0.6, 0.5, -0.6]) / np.linalg.norm([0.6, 0.5, -0.6])
    panorama[vectors @ sun > np.cos(np.radians(2.0))] = 800.0
    return Environment("sunny", panorama.astype(np.float32))


def turn(x: float, y: float, z: float) -> np.ndarray:
    """(3, 3) camera-frame rotation Ry Rx Rz, degrees."""
    return Rotation.from_euler("YXZ", [y, x, z], degrees=True).as_matrix()


def scenes(positions, rotations=None, meshes=None, environments=None, cameras=None) -> SceneBatch:
    positions = np.atleast_2d(np.asarray(positions, float))
    count = len(positions)
    eyes = np.tile(np.eye(3), (count, 1, 1))
    return SceneBatch(
        mesh=np.zeros(count, int) if meshes is None else np.asarray(meshes),
        environment=np.zeros(count, int) if environments is None else np.asarray(environments),
        position=positions,
        rotation=eyes if rotations is None else np.asarray(rotations),
        camera=eyes if cameras is None else np.asarray(cameras),
    )


def random_scenes(count: int, meshes: int, environments: int) -> SceneBatch:
    rng = np.random.default_rng(3)
    return scenes(
        np.column_stack([rng.uniform(-0.8, 0.8, (count, 2)), rng.uniform(1.0, 3.0, count)]),
        rotations=[turn(*rng.uniform(-180, 180, 3)) for _ in range(count)],
        meshes=rng.integers(meshes, size=count),
        environments=rng.integers(environments, size=count),
        cameras=[turn(*rng.uniform(-40, 40, 3)) for _ in range(count)],
    )


@cache
def several() -> WarpRenderer:
    return WarpRenderer([sphere(), lopsided()], [sunny(), uniform()], size=SIZE, chunk=4)


def covered(renderer: WarpRenderer, batch: SceneBatch) -> np.ndarray:
    """(B, size, size) bool: pixels that differ from the same picture with the object out of sight."""
    away = replace(batch, position=np.tile([0.0, 0.0, -50.0], (len(batch), 1)))
    return (renderer.render(batch).images != renderer.render(away).images).any(axis=-1)


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
        "import pickle, sys, numpy; from mlspatial.render.warp_engine import WarpRenderer;"
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
    changed = np.abs(shadowed - plain).sum(axis=-1) > 3
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
