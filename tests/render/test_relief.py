"""Normal and bump maps: told apart, made normals, laid over surfaces, and drawn as the surfaces that they stand for."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspatial.render.files.relief import Relief, normals_of, read_relief, with_tangents
from mlspatial.render.library.files import load_mesh, version_of
from mlspatial.render.mesh import Layers, Material, Mesh
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.scenery import SIZE, scenes, sphere, sunny, turn
from tests.render.test_model_files import assert_same, silently, textured, told, write_glb

pytest.importorskip("trimesh")
HERE = Path("x.obj")


def levels(normals: np.ndarray) -> np.ndarray:
    """uint8 of normals."""
    return np.clip(np.round(np.asarray(normals) * 127.5 + 127.5), 0, 255).astype(np.uint8)


def tilted(degrees: float, about: int = 0, shape: tuple[int, int] = (8, 8)) -> np.ndarray:
    """A picture of one normal, leaning along x or y."""
    normal = np.zeros(3)
    normal[about], normal[2] = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.broadcast_to(levels(normal), (*shape, 3)).copy()


def encoded(picture: np.ndarray, file: Path) -> bytes:
    Image.fromarray(picture).save(file)
    return file.read_bytes()


# ---- what a picture holds ------------------------------------------------------------------------------------------
def test_normals_and_heights_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    slopes = rng.normal(scale=0.4, size=(32, 32, 2))
    normals = np.dstack([slopes, np.ones((32, 32))])
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    file = tmp_path / "a.png"
    np.testing.assert_array_equal(read_relief(encoded(levels(normals), file)), levels(normals))
    np.testing.assert_array_equal(read_relief(encoded(tilted(0.0), file)), tilted(0.0))
    grey = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    for picture in (grey, np.dstack([grey] * 3)):
        np.testing.assert_allclose(read_relief(encoded(picture, file)), grey / 255, atol=1e-6)
    of_unit_length = np.full((8, 8, 3), 201, np.uint8)  # (201 / 127.5 - 1) * sqrt 3 = 1
    assert read_relief(encoded(of_unit_length, file)).shape == (8, 8)
    colours = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    luminance = colours @ (0.299, 0.587, 0.114) / 255
    np.testing.assert_allclose(read_relief(encoded(colours, file)), luminance, atol=1e-6)


def test_sixteen_bits_of_height_are_kept(tmp_path: Path) -> None:
    ramp = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    np.testing.assert_allclose(read_relief(encoded(ramp, tmp_path / "a.png")), ramp / 65535)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_wave_of_known_slope(axis: int) -> None:
    """Height a sin(2 pi u) over a length L: the normal leans by -2 pi a cos(2 pi u) / L, as its derivative says."""
    n, height, length = 256, 0.02, 0.4
    u = (np.arange(n) + 0.5) / n
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * u)
    picture = np.broadcast_to(wave, (n, n)) if axis == 0 else np.broadcast_to(wave[::-1, None], (n, n))  # v is up
    lengths = (length, 7.0) if axis == 0 else (7.0, length)
    made, scale = normals_of(Relief(picture, height), lengths, HERE)
    slope = height * 0.5 * 2 * np.pi * np.cos(2 * np.pi * u) / length
    expected = -slope / np.hypot(slope, 1)
    found = (made[0, :, 0] if axis == 0 else made[::-1, 0, 1]) / 127.5 - 1
    assert scale == 1.0
    np.testing.assert_allclose(found, expected, atol=1 / 127)
    np.testing.assert_allclose(made[..., 1 - axis], 128, atol=1)


def test_spikes_are_made_lower_and_said(tmp_path: Path) -> None:
    rough = np.random.default_rng(0).random((64, 64))
    with pytest.warns(UserWarning, match=r"x\.obj: bump map b\.png would be .* times as steep as 45 degrees") as said:
        made, _ = normals_of(Relief(rough, 1.0, None, "b.png"), (1.0, 1.0), HERE)
    normals = made / 127.5 - 1
    slope = np.hypot(normals[..., 0], normals[..., 1]) / normals[..., 2]
    assert np.sqrt((slope**2).mean()) == pytest.approx(1.0, rel=0.1)
    times = float(str(said[0].message).split("would be ")[1].split()[0])
    with warnings.catch_warnings():  # as -bm says, which the message advises
        warnings.simplefilter("error")
        lower, _ = normals_of(Relief(rough, 0.98 / times, None, "b.png"), (1.0, 1.0), HERE)
    assert np.abs(lower.astype(int) - made).max() <= 3


# ---- where it lies -------------------------------------------------------------------------------------------------
def ball(relief: np.ndarray | None = None, scale: float = 1.0) -> Mesh:
    """A sphere with u around it and v up."""
    mesh = sphere(Material((0.5, 0.3, 0.2), 0.4, layers=None if relief is None else Layers(relief, scale)))
    x, y, z = mesh.normals.T
    uv = np.stack([np.arctan2(x, z) / (2 * np.pi) + 0.5, 0.5 + np.arcsin(y) / np.pi], 1).astype(np.float32)
    return replace(mesh, uvs=uv)


def test_tangents_of_a_ball_run_eastwards() -> None:
    mesh = ball()
    made = with_tangents(mesh)
    x, y, z = mesh.vertices.astype(float).T
    clear = (np.abs(y) < 0.4) & (z > 0)  # no seam, no pole
    east = np.stack([z, 0 * z, -x], 1) / np.maximum(np.hypot(x, z), 1e-9)[:, None]
    cosine = np.einsum("ni,ni->n", made.tangents[: len(x), :3], east)
    assert cosine[clear].min() > 0.995
    assert (made.tangents[: len(x), 3][clear] == 1).all()


def test_a_mirrored_texture_has_the_other_side() -> None:
    """u runs the other way over one half: its vertices are doubled where the halves meet, and its bitangents turn."""
    points = np.array([(-1, 0, 0), (0, 0, 0), (1, 0, 0), (-1, 1, 0), (0, 1, 0), (1, 1, 0)], np.float32)
    faces = np.array([(0, 1, 4), (0, 4, 3), (1, 2, 5), (1, 5, 4)], np.int32)
    uvs = np.stack([np.abs(points[:, 0]), points[:, 1]], 1)
    plain = np.zeros(4, np.int32)
    normals = np.tile(np.float32([0, 0, 1]), (6, 1))
    mesh = Mesh(points, normals, uvs, np.ones(6, np.float32), faces, plain, (Material((1, 1, 1)),))
    made = with_tangents(mesh)
    assert len(made.vertices) == 8
    np.testing.assert_allclose(made.vertices[made.faces], points[faces])
    for face, side in zip(made.faces, (-1, -1, 1, 1), strict=True):
        np.testing.assert_allclose(made.tangents[face], np.tile([side, 0, 0, side], (3, 1)), atol=1e-6)


# ---- how it is drawn -----------------------------------------------------------------------------------------------
def drawn(mesh: Mesh, rotation: np.ndarray) -> np.ndarray:
    renderer = WarpRenderer([mesh], [sunny()], size=SIZE)
    return np.asarray(renderer.render(scenes((0, 0, 1.8), rotations=[rotation])).images[0]).astype(int)


@pytest.mark.parametrize("rotation", [(0, 0, 0), (150, 20, 10), (60, -40, 80)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_leaning_normal_map_is_drawn_as_a_surface_with_those_normals(axis: int, rotation: tuple) -> None:
    made = with_tangents(ball())  # where coordinates begin anew, vertices are doubled
    plain = replace(made, tangents=None)
    tangent = made.tangents[:, :3].astype(float)
    along = tangent if axis == 0 else np.cross(plain.normals, tangent) * made.tangents[:, 3:]
    s, c = np.sin(np.radians(25)), np.cos(np.radians(25))
    truth = replace(plain, normals=(c * plain.normals + s * along).astype(np.float32))
    materials = ball(tilted(25.0, axis)).materials
    one, other = drawn(replace(made, materials=materials), turn(*rotation)), drawn(truth, turn(*rotation))
    smooth = drawn(plain, turn(*rotation))
    covered = np.hypot(*(np.indices((SIZE, SIZE)) + 0.5 - SIZE / 2)) < 0.24 * SIZE  # radius .5 at 1.8 m
    off = np.abs(one - other).mean(axis=-1)[covered]
    assert off.mean() < 2.0 and np.abs(smooth - other).mean(axis=-1)[covered].mean() > 8.0


def test_a_scaled_map_leans_as_the_specification_says() -> None:
    """normalize((2 c - 1) * (scale, scale, 1)): a quarter of tan 40 degrees."""
    angle = np.degrees(np.arctan(0.25 * np.tan(np.radians(40))))
    made = with_tangents(ball())
    scaled = drawn(replace(made, materials=ball(tilted(40.0), 0.25).materials), turn(30, 10, 0))
    stated = drawn(replace(made, materials=ball(tilted(angle)).materials), turn(30, 10, 0))
    assert np.abs(scaled - stated).mean() < 0.5


def test_a_flat_map_changes_nothing() -> None:
    made = with_tangents(ball())
    flat = drawn(replace(made, materials=ball(tilted(0.0)).materials), turn(20, 30, 0))
    assert np.abs(flat - drawn(ball(), turn(20, 30, 0))).max() <= 2  # 128 is not quite 0


# ---- files ---------------------------------------------------------------------------------------------------------
def relief_of(mesh: Mesh) -> Layers:
    (layers,) = {id(m.layers): m.layers for m in mesh.materials}.values()
    assert layers is not None and layers.relief is not None
    return layers


def test_a_normal_map_of_gltf(tmp_path: Path) -> None:
    image = tilted(20.0)
    made = silently(write_glb(tmp_path / "a.glb", {"normalTexture": {"index": 0, "scale": 0.5}}, image))
    layers = relief_of(made)
    assert layers.relief_scale == 0.5 and (layers.relief == image).all()
    np.testing.assert_allclose(made.tangents, np.tile([1, 0, 0, 1], (len(made.vertices), 1)), atol=1e-6)
    np.testing.assert_allclose(made.relief_uvs, made.uvs, atol=1e-6)
    plain = silently(write_glb(tmp_path / "b.glb", {}, image))
    assert_same(made, plain)
    assert plain.tangents is None and plain.materials[0].layers is None


def test_a_normal_map_has_coordinates_of_its_own(tmp_path: Path) -> None:
    """Set 1, moved and turned by KHR_texture_transform (v down); base colour on set 0, moved otherwise."""
    uv1 = np.array([(0, 0.5), (0.5, 0.5), (0.5, 0), (0, 0)])
    move = {"KHR_texture_transform": {"offset": [0.1, 0.2], "scale": [2, 2], "rotation": np.pi / 2}}
    base = {"KHR_texture_transform": {"offset": [0.5, 0.0]}}
    material = {
        "normalTexture": {"index": 0, "texCoord": 1, "extensions": move},
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "extensions": base}},
    }
    made = silently(write_glb(tmp_path / "a.glb", material, tilted(20.0), uv1=uv1))
    places = made.vertices[:, :2] + 0.5  # 0..1, y up; in set 1 u = x / 2 and v = (1 - y) / 2, down
    u, v = places[:, 0] / 2, (1 - places[:, 1]) / 2
    # T R S as the extension's text has it: R = [[cos, sin], [-sin, cos]]
    down = np.stack([2 * v + 0.1, -2 * u + 0.2], 1)
    np.testing.assert_allclose(made.relief_uvs, np.stack([down[:, 0], 1 - down[:, 1]], 1), atol=1e-5)
    np.testing.assert_allclose(made.uvs, places + (0.5, 0), atol=1e-5)
    np.testing.assert_allclose(made.tangents[:, :2], np.tile([0, -1], (len(places), 1)), atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_tangents_of_the_file_go_before_those_of_coordinates(tmp_path: Path, mirrored: bool) -> None:
    """They turn with the node; where it mirrors, normal and tangent make a bitangent of the other side."""
    tangent = np.tile([0.0, 1.0, 0.0, -1.0], (4, 1))
    node = {"mesh": 0, "scale": [-1, 1, 1]} if mirrored else {"mesh": 0, "rotation": [0, 0, np.sqrt(0.5), np.sqrt(0.5)]}
    file = write_glb(tmp_path / "a.glb", {"normalTexture": {"index": 0}}, tilted(9.0), tangent=tangent, nodes=[node])
    made = silently(file)
    expected = [0, 1, 0, 1] if mirrored else [-1, 0, 0, -1]
    np.testing.assert_allclose(made.tangents, np.tile(expected, (len(made.vertices), 1)), atol=1e-5)


def test_a_lost_normal_map_leaves_the_surface_smooth(tmp_path: Path) -> None:
    lost = {"images": [{"uri": "n.png"}], "textures": [{"source": 0}]}
    file = write_glb(tmp_path / "b.glb", {"normalTexture": {"index": 0}}, **lost)
    assert told(load_mesh, file) == [f"{file}: texture n.png is not found; surfaces stay smooth"]
    broken = write_glb(tmp_path / "c.glb", {"normalTexture": {"index": 7}})
    assert told(load_mesh, broken) == [f"{broken}: texture 7 cannot be read (KeyError); surfaces stay smooth"]


@pytest.mark.parametrize("key", ["map_Bump", "bump", "norm", "map_Kn"])
def test_a_normal_map_of_obj(tmp_path: Path, key: str) -> None:
    encoded(tilted(20.0), tmp_path / "my map.png")
    made = silently(textured(tmp_path, f"Kd 1 0 0\n{key} -bm 0.4 -s 2 2 1 my map.png"))
    layers = relief_of(made)
    assert layers.relief_scale == 0.4 and (layers.relief == tilted(20.0)).all()
    np.testing.assert_allclose(made.relief_uvs, 2 * (made.vertices[:, :2] + 0.5), atol=1e-5)
    plain = silently(textured(tmp_path, f"Kd 1 0 0\n{key}"))  # names none
    assert plain.materials[0].layers is None
    assert_same(made, plain)


def test_a_bump_map_of_obj_is_as_high_as_it_says(tmp_path: Path) -> None:
    """A ramp of 256 levels over half of a square of side 2, -bm .5: half a unit over one, tan of the normal's lean."""
    ramp = np.r_[np.arange(256), np.arange(255, -1, -1)].astype(np.uint8)
    encoded(np.broadcast_to(ramp, (512, 512)).copy(), tmp_path / "h.png")
    layers = relief_of(silently(textured(tmp_path, "Kd 1 0 0\nbump -bm 0.5 h.png")))
    normals = layers.relief / 127.5 - 1
    lean = normals[:, 20:230, 0] / normals[:, 20:230, 2]
    np.testing.assert_allclose(lean, -0.5, atol=0.02)
    np.testing.assert_allclose(normals[:, 280:490, 0] / normals[:, 280:490, 2], 0.5, atol=0.02)


def test_what_relief_lacks_is_named(tmp_path: Path) -> None:
    file = textured(tmp_path, "Kd 1 0 0\nmap_Bump bumps.png")
    assert told(load_mesh, file) == [f"{file}: normal map bumps.png of m.mtl is not found; surfaces stay smooth"]
    (tmp_path / "bumps.png").write_bytes(b"no picture")
    (said,) = told(load_mesh, file)
    assert "bumps.png cannot be read (UnidentifiedImageError); surfaces stay smooth" in said
    encoded(tilted(20.0), tmp_path / "bumps.png")
    file.write_text("mtllib m.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    said = f"{file}: normal map bumps.png is not drawn, the model has no texture coordinates for it; "
    assert told(load_mesh, file) == [f"{said}surfaces stay smooth"]


def test_only_files_with_relief_or_layers_are_read_in_another_version(tmp_path: Path) -> None:
    assert version_of(textured(tmp_path, "Kd 1 0 0\nillum 4\nTf 1 1 1\nd 1")) == "3"
    assert version_of(textured(tmp_path, "Kd 1 0 0\nillum 4\nd 0.2")) == "4"
    assert version_of(textured(tmp_path, "Kd 1 0 0\nbump b.png")) == "4"
    assert version_of(write_glb(tmp_path / "a.glb", {})) == "3"
    assert version_of(write_glb(tmp_path / "b.glb", {"normalTexture": {"index": 0}})) == "4"
    coat = {"extensions": {"KHR_materials_clearcoat": {"clearcoatFactor": 1}}}
    assert version_of(write_glb(tmp_path / "c.glb", coat)) == "4"
    assert version_of(tmp_path / "points.ply") == "3"
