"""3D models of the shared cases: each is drawn as what it is."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from mlspatial.core.errors import UserError
from mlspatial.render.library.files import load_mesh
from mlspatial.render.mesh import Mesh
from tests.render.cases import ROOT, needs_cases
from tests.render.test_model_files import GREY, area, assert_same, encoded, extent, silently, volume

pytest.importorskip("trimesh")
MESHES = ROOT / "meshes"


def case(name: str) -> Path:
    """The model of a folder, or of a name without suffix."""
    whole = MESHES / name
    places = whole.rglob("*") if whole.is_dir() else whole.parent.glob(f"{whole.name}.*")
    return next(p for p in places if p.suffix.lower() in (".obj", ".glb", ".ply", ".gltf"))


@needs_cases
@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("stray/ell", "basic/ell"),
        ("stray/ellp", "basic/ell"),
        ("basic/ell", "clutter/cup"),
        *((f"mtl/{k}", "mtl/01ok") for k in ("04spaces", "05backslash", "06upper", "07abswin", "09kd0", "10nousemtl")),
        *((f"mtl/{k}", "mtl/01ok") for k in ("11leadslash", "12crlf", "13mtlspace", "16utf8", "18alpha", "20tga")),
    ],
)
def test_cases_that_are_the_same_object(name: str, like: str) -> None:
    one = silently(MESHES / "clutter" / "cup" / "a.obj" if like == "clutter/cup" else case(like))
    other = silently(case(name))
    assert_same(one, other)
    for a, b in zip(one.materials, other.materials, strict=True):
        assert (a.color, a.roughness, a.metalness) == (b.color, b.roughness, b.metalness)
        assert (a.texture is None and b.texture is None) or (a.texture == b.texture).all()


@needs_cases
@pytest.mark.parametrize("name", ["degenerate/ell", "degenerate/ell2", "straynan/ellp"])
def test_cases_of_an_ell_keep_its_size(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if "nan" in name else "error")
        made = load_mesh(case(name))
    np.testing.assert_allclose(extent(made), extent(silently(case("basic/ell"))), atol=1e-5)


@needs_cases
@pytest.mark.parametrize("name", ["doubled", "frontflipped", "okbox"])
def test_cases_of_a_box_are_one_box(name: str) -> None:
    made = silently(case(f"wind/{name}"))
    assert area(made) == pytest.approx(6, rel=1e-4) and volume(made) == pytest.approx(1, rel=1e-4)
    assert made.occlusion.mean() > 0.95


@needs_cases
def test_cases_of_gltf() -> None:
    def made(name: str) -> Mesh:
        return silently(MESHES / "glb" / f"{name}.glb")

    plain = made("05nested")
    for name in ("07twoscenes", "08noscene", "16quantised"):
        np.testing.assert_allclose(extent(made(name)), extent(plain), atol=1e-5)
    assert (made("02nofactors").materials[0].roughness, made("02nofactors").materials[0].metalness) == (1.0, 1.0)
    assert made("12dark").materials[0].color == (0.002, 0.004, 0.003)
    assert made("13specgloss").materials[0].metalness == 0.0
    assert made("13specgloss").materials[0].roughness == pytest.approx(0.8)
    np.testing.assert_allclose(extent(made("22stray")), [1, 1, 0.2], atol=1e-5)
    assert area(made("10alphamask")) < 0.9 * area(plain)
    assert (silently(MESHES / "gltf" / "pct.gltf").materials[0].texture == plain.materials[0].texture).all()
    with pytest.warns(UserWarning, match=r"gone\.png"):
        load_mesh(MESHES / "gltf" / "gone.gltf")
    with pytest.raises(UserError, match=r"nobin\.bin"), pytest.warns(UserWarning, match="gone"):
        load_mesh(MESHES / "gltf" / "nobin.gltf")


@needs_cases
@pytest.mark.parametrize(
    ("name", "other", "level"),
    [
        ("glb/06mirrored", "glb/05nested", 0),
        ("glb/18webp", "glb/05nested", 1),
        ("glb/21palette", "glb/05nested", 1),  # 256 colours
        ("mtl/21cmyk", "mtl/01ok", 1),
    ],
)
def test_cases_of_one_object_in_another_coding(name: str, other: str, level: float) -> None:
    """A box of 1 x 1 x .2, textured; level: the most that the mean of its texture is off, of 255."""
    one, like = (silently(case(n)) for n in (name, other))
    np.testing.assert_allclose(extent(one), [1, 1, 0.2], atol=1e-5)
    assert volume(one) == pytest.approx(0.2, rel=1e-4) and area(one) == pytest.approx(2.8, rel=1e-4)
    assert one.behind is None and len(one.materials) == 1
    assert (one.materials[0].color, one.materials[0].roughness, one.materials[0].metalness) == (
        like.materials[0].color,
        like.materials[0].roughness,
        like.materials[0].metalness,
    )
    means = [m.materials[0].texture.astype(float).mean(axis=(0, 1)) for m in (one, like)]
    np.testing.assert_allclose(*means, atol=level)


@needs_cases
def test_a_case_that_mirrors_its_node_shows_its_texture_the_other_way_round() -> None:
    """The node's scale is -1, 1, 1: what was at x is at -x, with the coordinates that it had."""
    one, like = (silently(case(f"glb/{n}")) for n in ("06mirrored", "05nested"))

    def front(mesh: Mesh, side: int) -> np.ndarray:
        """u over x on the face towards +z, at places of a fixed grid."""
        seen = mesh.normals[:, 2] > 0.9
        order = np.lexsort(np.round(mesh.vertices[seen] * (side, 1, 1), 4).T)
        return mesh.uvs[seen][order]

    np.testing.assert_allclose(front(one, -1), front(like, 1), atol=1e-5)
    assert np.abs(front(one, 1) - front(like, 1)).max() > 0.5


@needs_cases
def test_a_case_of_two_instances_is_two_boxes_in_a_row() -> None:
    """1 x 1 x .2 each, 1.5 apart: 2.5 long, which becomes 1."""
    made = silently(case("glb/09instances"))
    np.testing.assert_allclose(extent(made), [1, 0.4, 0.08], atol=1e-5)
    assert volume(made) == pytest.approx(2 * 0.2 / 2.5**3, rel=1e-4)


FLAT = {"glb/23strip": "a strip of triangles", "wind/planeback": "wound backwards", "flat/a": "a plane"}


@needs_cases
@pytest.mark.parametrize("name", FLAT)
def test_cases_of_a_square_are_drawn_from_both_sides(name: str) -> None:
    made = silently(case(name))
    np.testing.assert_allclose(extent(made), [1, 1, 0], atol=1e-6)
    assert area(made) == pytest.approx(1.0, rel=1e-5)
    assert made.behind is not None and made.behind.min() > 0.9 and made.occlusion.min() > 0.9
    assert [m.color for m in made.materials] == [pytest.approx((GREY,) * 3, abs=1e-4)]


@needs_cases
def test_a_case_of_a_line_is_refused() -> None:
    with pytest.raises(UserError, match=r"thin\.obj: has no triangles with an area"):
        load_mesh(case("flat/b"))


@needs_cases
@pytest.mark.parametrize(
    ("name", "colors"),
    [
        ("glb/20texcolor", {(0.2, 0.2, 1.0)}),  # COLOR_0 times a texture
        ("mtl/22latin1", {(0.1, 0.8, 0.1)}),  # Kd is sRGB
        ("mtl/19multi", {(0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (1.0, 1.0, 1.0)}),
    ],
)
def test_cases_of_stated_colours(name: str, colors: set) -> None:
    made = silently(case(name)).materials
    shown = np.array(sorted(m.color for m in made))
    shown = shown if "glb" in name else encoded(shown)
    np.testing.assert_allclose(shown, sorted(colors), atol=0.5 / 255)  # Kd in eight bits
    assert [m.color[2] for m in made if m.texture is not None] == ([] if name == "mtl/22latin1" else [1.0])


@needs_cases
@pytest.mark.parametrize(("name", "linear"), [("colors/glbv", True), ("colors/many", False), ("colors/objv", False)])
def test_cases_of_a_rainbow(name: str, linear: bool) -> None:
    """One sheet with eight-bit colours of its vertices: glTF's are linear, the others sRGB. Each face is shown in the
    mean of its corners."""
    lines = [line.split() for line in case("colors/objv").read_text().splitlines()]
    vertices = np.array([words[1:7] for words in lines if words[0] == "v"], float)
    quads = np.array([words[1:5] for words in lines if words[0] == "f"], int) - 1
    corners = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    low, high = vertices[:, :3].min(axis=0), vertices[:, :3].max(axis=0)
    places = ((vertices[:, :3] - (low + high) / 2) / (high - low).max())[corners, :2]  # a sheet over x and y
    made = silently(case(name))
    middle = made.vertices[made.faces].mean(axis=1)[:, :2]
    sides = np.roll(places, -1, axis=1) - places
    across = middle[:, None, None] - places[None]  # the middle of a face lies on one side of all edges of its triangle
    turn = sides[..., 0] * across[..., 1] - sides[..., 1] * across[..., 0]
    inside = (turn > 0).all(axis=2) | (turn < 0).all(axis=2)
    assert (inside.sum(axis=1) == 1).all()
    stated = vertices[corners, 3:].mean(axis=1)[inside.argmax(axis=1)]
    shown = np.array([m.color for m in made.materials])[made.face_material]
    shown = shown if linear else encoded(shown)
    assert np.abs(shown - stated).max() < 1.01 / 255  # means are rounded down
    assert len(made.materials) > 1000
