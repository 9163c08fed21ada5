"""What is told of each pixel, next to geometry that can be worked out by hand and to each object drawn alone."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.ndimage import binary_erosion

from mlspatial.core.errors import BadValue
from mlspatial.render.engine import FIELD_OF_VIEW, TRUTHS, Others, SceneBatch, joined
from mlspatial.render.mesh import Material
from mlspatial.render.truth import decoded, encoded, truth_names
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.scenery import (
    FOCAL,
    SIZE,
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

ALL = frozenset(TRUTHS)


def rays(each: int = 1) -> np.ndarray:
    """(each SIZE, each SIZE, 3) through the middles of the pixels, or of each x each parts, z = 1, camera frame."""
    place = (np.arange(each * SIZE) + 0.5) / each - SIZE / 2
    x, y = np.meshgrid(place, -place)
    return np.stack([x / FOCAL, y / FOCAL, np.ones_like(x)], axis=-1)


def beside(batch: SceneBatch, *others: tuple[int, tuple[float, float, float], float]) -> SceneBatch:
    """The scenes with others (mesh, place, scale), the same in all."""
    count, k = len(batch), len(others)
    mesh, place, scale = zip(*others, strict=True)
    return replace(
        batch,
        others=Others(
            mesh=np.tile(np.array(mesh), (count, 1)),
            position=np.tile(np.array(place, float), (count, 1, 1)),
            rotation=np.tile(np.eye(3), (count, k, 1, 1)),
            scale=np.tile(np.array(scale, float), (count, 1)),
        ),
    )


def crowd(count: int, seed: int = 5) -> SceneBatch:
    """Targets with up to four others before, behind and beside them; some with none."""
    rng = np.random.default_rng(seed)
    batch = random_scenes(count, 2, 2)
    mesh = rng.integers(-1, 2, (count, 4))
    mesh[::3] = -1
    position = batch.position[:, None] + rng.uniform(-0.7, 0.7, (count, 4, 3))
    position[..., 2] = np.maximum(position[..., 2], 0.9)
    rotation = np.array([[turn(*rng.uniform(-180, 180, 3)) for _ in range(4)] for _ in range(count)])
    return replace(batch, others=Others(mesh, position, rotation, rng.uniform(0.5, 1.0, (count, 4))))


@pytest.mark.parametrize("centre", [(0.0, 0.0, 2.0), (0.4, -0.3, 2.5), (-0.9, 0.8, 3.0)])
def test_depth_and_outline_of_a_sphere(centre: tuple[float, float, float]) -> None:
    told = WarpRenderer([sphere()], [uniform()], size=SIZE).render(scenes(centre), ALL).truth
    middle = np.array(centre)

    def meets(ray: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        a, b = (ray**2).sum(axis=-1), ray @ middle
        return a, b, b**2 - a * (middle @ middle - 0.25)

    a, b, root = meets(rays())
    parts = (meets(rays(2))[2] > 0.0).reshape(SIZE, 2, SIZE, 2).sum(axis=(1, 3))
    hit = parts >= 2  # of four
    exact = np.where(hit, (b - np.sqrt(np.maximum(root, 0.0))) / a, np.inf)
    mask = told["instances"][0] == 1
    assert told["depth"].dtype == np.float32 and told["instances"].dtype == np.uint8 and told["amodal"].dtype == bool
    assert (mask & hit).sum() / (mask | hit).sum() > 0.99
    inner = hit & (root > 0.1 * root.max())
    assert (
        np.abs(told["depth"][0][inner] - exact[inner]).max() < 0.004
    )  # the mesh is a polyhedron: 0.001 below the ball
    assert np.isinf(told["depth"][0][~mask]).all() and np.isfinite(told["depth"][0][mask]).all()
    np.testing.assert_array_equal(told["amodal"][0], mask)


def test_depth_is_along_the_axis_and_not_along_the_ray() -> None:
    """The front of an upright box is at one depth, wherever in the picture; a turned plate is a plane."""
    box = mesh_of(trimesh.creation.box(extents=(1.0, 1.0, 0.2)))
    renderer = WarpRenderer([box], [uniform()], size=SIZE)
    depth = renderer.render(scenes((0.0, 0.0, 1.5)), ALL).truth["depth"][0]
    reach = 0.5 / 1.4 * FOCAL  # of the front, in pixels
    inside = (np.abs(rays()[..., :2]) * FOCAL < reach - 1).all(axis=-1)
    outside = (np.abs(rays()[..., :2]) * FOCAL > reach + 1).any(axis=-1)
    np.testing.assert_allclose(depth[inside], 1.4, atol=1e-5)
    assert np.isinf(depth[outside]).all()
    rotation = turn(0.0, 40.0, 0.0)
    depth = renderer.render(scenes((0.0, 0.0, 1.5), [rotation]), ALL).truth["depth"][0]
    normal = rotation @ [0.0, 0.0, -1.0]
    exact = normal @ (np.array([0.0, 0.0, 1.5]) + 0.1 * normal) / (rays() @ normal)
    middle = np.abs(rays()[..., :2] * FOCAL).max(axis=-1) < 15
    np.testing.assert_allclose(depth[middle], exact[middle], atol=1e-4)


def test_instances_are_those_of_each_object_drawn_alone() -> None:
    """Put together by their depth: nearest first. Edges, where a pixel holds several, are left out."""
    renderer, batch = several(), crowd(12)
    told = renderer.render(batch, ALL).truth
    assert batch.others is not None
    alone = renderer.render(replace(batch, others=None), ALL).truth
    layers = [alone["depth"]]
    for k in range(4):
        there = batch.others.mesh[:, k] >= 0
        depth = np.full_like(layers[0], np.inf)
        for i in np.flatnonzero(there):
            one = SceneBatch(
                mesh=batch.others.mesh[[i], k],
                environment=batch.environment[[i]],
                position=batch.others.position[[i], k],
                rotation=batch.others.rotation[[i], k],
                camera=batch.camera[[i]],
                scale=float(batch.others.scale[i, k]),
            )
            depth[i] = renderer.render(one, ALL).truth["depth"][0]
        layers.append(depth)
    stack = np.stack(layers)
    expected = np.where(np.isfinite(stack).any(axis=0), stack.argmin(axis=0) + 1, 0)
    assert np.mean(told["instances"] != expected) < 0.004 and len(np.unique(expected)) == 6
    same = told["instances"] == expected
    there = same & np.isfinite(told["depth"])
    assert np.quantile(np.abs(told["depth"][there] - stack.min(axis=0)[there]), 0.99) < 0.002
    np.testing.assert_array_equal(told["amodal"] | (told["instances"] == 1), told["amodal"])
    assert np.mean(told["amodal"] != alone["amodal"]) < 0.001


def test_half_a_plate_behind_another_is_half_visible() -> None:
    plate = mesh_of(trimesh.creation.box(extents=(1, 1, 0.001)))
    renderer = WarpRenderer([plate], [uniform()], size=SIZE)
    edge = 2.0 * np.tan(np.radians(FIELD_OF_VIEW) / 2)  # the picture's border, 2 m away
    # a plate of 1 m at 1.5 m is as large as one of 4/3 m at 2 m; its left edge runs through the middle of the picture
    half = beside(scenes([(0, 0, 2), (edge, 0, 2), (0, 0, 2)]), (0, (0.5, 0, 1.5), 1.0))
    np.testing.assert_allclose(renderer.render(half).visible, [0.5, 0.0, 0.5], atol=0.01)
    left = beside(scenes([(edge, 0, 2)]), (0, (-0.5, 0, 1.5), 1.0))
    np.testing.assert_allclose(renderer.render(left).visible, [0.5], atol=0.01)  # the border alone cuts it
    behind = beside(scenes([(0, 0, 2)]), (0, (0.5, 0, 2.5), 1.0))
    np.testing.assert_array_equal(renderer.render(behind).visible, [1.0])
    small = beside(scenes([(0, 0, 2)]), (0, (0, 0, 1.0), 0.25))  # a half of the plate's width at half the distance
    np.testing.assert_allclose(renderer.render(small).visible, [0.75], atol=0.01)


def test_a_target_alone_is_the_same_bytes_whatever_is_asked_and_beside_whom() -> None:
    renderer, batch = several(), crowd(12)
    assert batch.others is not None
    alone = renderer.render(replace(batch, others=None))
    nobody = replace(batch, others=replace(batch.others, mesh=np.full((12, 4), -1)))
    for other in (renderer.render(nobody), renderer.render(replace(batch, others=None), ALL)):
        np.testing.assert_array_equal(other.images, alone.images)
        np.testing.assert_array_equal(other.visible, alone.visible)
    mixed = renderer.render(batch)
    empty = (batch.others.mesh < 0).all(axis=1)
    assert 4 <= empty.sum() < 12
    np.testing.assert_array_equal(mixed.images[empty], alone.images[empty])
    assert (mixed.images[~empty] != alone.images[~empty]).any(axis=(1, 2, 3)).all()


def test_an_image_of_several_depends_on_itself_alone() -> None:
    batch = crowd(11)
    whole = several().render(batch, ALL)
    for chunk in (2, 16):
        other = WarpRenderer([sphere(), lopsided()], [sunny(), uniform()], size=SIZE, chunk=chunk).render(batch, ALL)
        np.testing.assert_array_equal(other.images, whole.images)
        np.testing.assert_array_equal(other.visible, whole.visible)
        for name in TRUTHS:
            np.testing.assert_array_equal(other.truth[name], whole.truth[name])
    images, visible = several().render_torch(batch)
    np.testing.assert_array_equal(images.numpy(), whole.images)
    np.testing.assert_array_equal(visible.numpy(), whole.visible)


def test_the_order_of_the_others_changes_their_numbers_alone() -> None:
    batch = crowd(6)
    assert batch.others is not None
    back = Others(**{name: getattr(batch.others, name)[:, ::-1] for name in ("mesh", "position", "rotation", "scale")})
    one, two = several().render(batch, ALL), several().render(replace(batch, others=back), ALL)
    assert np.mean(np.abs(one.images.astype(int) - two.images).max(axis=-1) > 1) < 1e-3
    np.testing.assert_array_equal(one.truth["amodal"], two.truth["amodal"])
    number = np.array([0, 1, 5, 4, 3, 2])
    assert np.mean(number[one.truth["instances"]] != two.truth["instances"]) < 1e-3


def test_one_object_shades_another_and_the_ground() -> None:
    """The sun stands at the upper right behind the camera: what is there takes its light from the target."""
    vectors = sunny().panorama.reshape(-1, 3)
    assert vectors.max() > 10  # there is a sun
    renderer = WarpRenderer([sphere(Material((0.8, 0.8, 0.8), 1.0))], [sunny()], size=SIZE)
    light = renderer._light_direction[0]
    batch = scenes((0.0, 0.0, 2.5))
    shaded = beside(batch, (0, tuple(np.array([0.0, 0.0, 2.5]) + 1.3 * light), 0.6))
    away = beside(batch, (0, tuple(np.array([0.0, 0.0, 2.5]) - 1.3 * light), 0.6))
    plain, dark, same = (renderer.render(one, ALL) for one in (batch, shaded, away))
    seen = (dark.truth["instances"][0] == 1) & (plain.truth["instances"][0] == 1)
    lost = plain.images[0].astype(int).sum(axis=-1) - dark.images[0].astype(int).sum(axis=-1)
    assert (lost[seen] > 60).mean() > 0.1 and lost[seen].min() >= 0
    seen = (same.truth["instances"][0] == 1) & (plain.truth["instances"][0] == 1)
    np.testing.assert_array_equal(same.images[0][seen], plain.images[0][seen])
    # on the ground: the shadows of two objects are where those of each alone are
    place = np.array([[0.7, 0.1, 2.5]]), np.array([[-0.6, 0.1, 2.4]])
    high = replace(batch, position=place[0], ground=np.array([1.7]), camera=np.array([turn(30, 0, 0)]))
    pair = beside(high, (0, tuple(place[1][0]), 0.7))
    other = replace(high, position=place[1], scale=0.7)
    none = replace(high, position=np.array([[0.0, 60.0, 90.0]]))
    both, first, second, bare = (renderer.render(one, ALL) for one in (pair, high, other, none))
    ground = binary_erosion((both.truth["instances"][0] == 0) & np.isinf(first.truth["depth"][0]), border_value=1)
    loss = [bare.images[0].astype(int) - one.images[0] for one in (first, second, both)]
    apart = ground & (np.minimum(*np.abs(loss[:2])).max(axis=-1) <= 1)  # places that one of them at most changes
    assert (loss[0][apart] > 20).sum() > 20 and (loss[1][apart] > 20).sum() > 20
    assert np.abs(loss[0] + loss[1] - loss[2])[apart].max() <= 3


def test_files_give_back_what_was_told() -> None:
    told = several().render(crowd(3), ALL).truth
    for image in range(3):
        files = dict(encoded(told, image))
        assert Image.open(io.BytesIO(files["depth"])).mode.startswith("I;16")
        assert set(np.unique(np.asarray(Image.open(io.BytesIO(files["amodal"]))))) <= {0, 255}
        for name in ("instances", "amodal"):
            np.testing.assert_array_equal(decoded(name, files[name]), told[name][image])
        depth = decoded("depth", files["depth"])
        there = np.isfinite(told["depth"][image])
        np.testing.assert_array_equal(np.isfinite(depth), there)
        assert np.abs(depth[there] - told["depth"][image][there]).max() <= 0.00051  # half a millimetre


def test_batches_are_joined() -> None:
    batch = crowd(5)
    parts = [joined([replace(b, ground=np.ones(len(b)))]) for b in (batch, crowd(2, seed=9))]
    whole = several().render(joined(parts))
    np.testing.assert_array_equal(whole.images[:5], several().render(parts[0]).images)
    np.testing.assert_array_equal(whole.images[5:], several().render(parts[1]).images)


def test_mistakes_are_named() -> None:
    with pytest.raises(BadValue, match=r"truth=normals: .*depth, instances, amodal"):
        several().render(random_scenes(1, 1, 1), frozenset({"normals"}))
    with pytest.raises(BadValue, match="truth=colour: must be of depth, instances, amodal"):
        truth_names("depth, colour")
    assert truth_names(" amodal,depth") == ("depth", "amodal") and truth_names("") == ()
    batch = crowd(2)
    assert batch.others is not None
    for name, values, said in (
        ("mesh", np.full((2, 4), 2), r"scenes\.others\.mesh=2: the renderer has 2"),
        ("mesh", np.zeros((2, 40), int), r"up to 31"),
        ("position", np.full((2, 4, 3), np.nan), r"scenes\.others\.position"),
        ("scale", np.ones((2, 3)), r"scenes\.others\.scale"),
    ):
        there = replace(batch.others, **{"mesh": np.zeros((2, 4), int), name: values})
        with pytest.raises(BadValue, match=said):
            several().render(replace(batch, others=there))


@pytest.mark.gpu
def test_cuda_tells_the_same() -> None:
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device")
    batch, meshes, skies = crowd(9), [sphere(), lopsided()], [sunny(), uniform()]
    expected = several().render(batch, ALL)
    found = WarpRenderer(meshes, skies, size=SIZE, device="cuda").render(batch, ALL)
    assert np.mean(np.abs(found.images.astype(int) - expected.images).max(axis=-1) > 3) < 0.005
    np.testing.assert_allclose(found.visible, expected.visible, atol=0.01)
    assert np.mean(found.truth["instances"] != expected.truth["instances"]) < 0.002
    assert np.mean(found.truth["amodal"] != expected.truth["amodal"]) < 0.002
