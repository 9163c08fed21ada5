"""3D models as people have them: what is in the file is drawn, or it is said what is not."""

from __future__ import annotations

import io
import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspatial.core.errors import BadValue, UserError
from mlspatial.render.files import gltf, obj
from mlspatial.render.files.folder import turn_of
from mlspatial.render.library import files
from mlspatial.render.library.files import load_mesh
from mlspatial.render.mesh import Mesh
from mlspatial.render.objects import FolderLibrary, load_objects

pytest.importorskip("trimesh")
GREY = 0.2140  # linear, of sRGB .5
CORNERS = [(x, y, z) for z in (-0.5, 0.5) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
BOX = ["1 4 3 2", "5 6 7 8", "1 2 6 5", "3 4 8 7", "2 3 7 6", "1 5 8 4"]


def write_obj(file: Path, faces: list[str], points: list[tuple[float, ...]] = CORNERS, head: str = "") -> Path:
    lines = [head, *(f"v {x} {y} {z}" for x, y, z in points), *(f"f {face}" for face in faces)]
    file.write_text("\n".join(lines) + "\n")
    return file


def textured(folder: Path, mtl: str, head: str = "mtllib m.mtl\nusemtl a") -> Path:
    """A square with a material file."""
    (folder / "m.mtl").write_text(f"newmtl a\n{mtl}\n")
    points = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)]
    corners = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1"
    return write_obj(folder / "x.obj", ["1/1 2/2 3/3 4/4"], points, f"{head}\n{corners}")


def picture(file: Path, color: tuple[int, int, int] = (200, 10, 10)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), color).save(file)
    return file


def silently(file: Path) -> Mesh:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_mesh(file)


def extent(mesh: Mesh) -> np.ndarray:
    return np.ptp(mesh.vertices, axis=0)


def area(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].astype(float).transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].astype(float).transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def assert_same(one: Mesh, other: Mesh) -> None:
    for name in ("vertices", "normals", "uvs", "occlusion", "faces", "face_material"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# ---- surfaces ------------------------------------------------------------------------------------------------------
def test_faces_without_area_and_strays_do_not_move_an_object(tmp_path: Path) -> None:
    plain = silently(write_obj(tmp_path / "plain.obj", BOX))
    far = [*CORNERS, (40.0, 0.0, 0.0), (40.0, 1e-9, 0.0)]
    strays = {"stray": BOX, "line": [*BOX, "9 10 9"], "sliver": [*BOX, "1 9 10"]}
    for name, faces in strays.items():
        made = silently(write_obj(tmp_path / f"{name}.obj", faces, far))
        np.testing.assert_allclose(extent(made), 1.0, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(made.vertices.min(axis=0), plain.vertices.min(axis=0), atol=1e-6)


def test_what_has_nothing_to_draw_is_named(tmp_path: Path) -> None:
    thin = write_obj(tmp_path / "thin.obj", ["1 2 3"], [(0, 0, 0), (1, 0, 0), (0.5, 1e-7, 0)])
    with pytest.raises(UserError, match=r"thin\.obj: has no triangles with an area"):
        load_mesh(thin)
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n0 nan 0\n"
    (tmp_path / "unused.ply").write_text(head + "3 0 1 2\n")
    with pytest.warns(UserWarning, match=r"unused\.ply: 1 vertices are no numbers"):
        np.testing.assert_allclose(extent(load_mesh(tmp_path / "unused.ply")), [1, 1, 0], atol=1e-6)
    (tmp_path / "used.ply").write_text(head + "3 0 1 3\n")
    with pytest.raises(UserError, match=r"used\.ply: 1 vertices of its faces are not finite numbers \(first: 3\)"):
        load_mesh(tmp_path / "used.ply")


def test_wrongly_wound_faces_are_turned(tmp_path: Path) -> None:
    right = silently(write_obj(tmp_path / "right.obj", BOX))
    for name, wrong in {"one": [1], "three": [0, 2, 4], "all": range(6)}.items():
        faces = [" ".join(reversed(face.split())) if k in wrong else face for k, face in enumerate(BOX)]
        made = silently(write_obj(tmp_path / f"{name}.obj", faces))
        assert volume(made) == pytest.approx(1.0, abs=1e-5), name
        np.testing.assert_allclose(made.occlusion, right.occlusion.mean(), atol=0.05)
        outward = np.einsum("ij,ij->i", made.normals, made.vertices)
        assert outward.min() > 0.4  # all normals of a box point away from its middle


@pytest.mark.parametrize("diagonal", [0, 1])
def test_doubled_faces_are_kept_once(tmp_path: Path, diagonal: int) -> None:
    """The back of a square may be cut along the other diagonal."""
    backs = []
    for face in BOX:
        back = face.split()[::-1]
        backs.append(" ".join(back[diagonal:] + back[:diagonal]))
    made = silently(write_obj(tmp_path / "doubled.obj", [*BOX, *backs]))
    assert area(made) == pytest.approx(6.0, rel=1e-5) and volume(made) == pytest.approx(1.0, abs=1e-5)


def test_an_open_box_is_dark_inside_and_light_outside_whichever_way_it_is_wound(tmp_path: Path) -> None:
    inward = [" ".join(reversed(face.split())) for face in BOX[1:]]
    outside = silently(write_obj(tmp_path / "out.obj", BOX[1:]))
    inside = silently(write_obj(tmp_path / "in.obj", inward))
    assert outside.behind is not None and inside.behind is not None
    assert outside.occlusion.mean() > 0.95 and outside.behind.mean() < 0.6
    assert inside.behind.mean() > 0.95 and inside.occlusion.mean() < 0.6
    assert silently(write_obj(tmp_path / "closed.obj", BOX)).behind is None


def test_a_moebius_strip_is_left_alone(tmp_path: Path) -> None:
    n, points, faces = 24, [], []
    for k in range(n):
        turn = 2 * np.pi * k / n
        for side in (-0.3, 0.3):
            r = 1 + side * np.cos(turn / 2)
            points.append((r * np.cos(turn), side * np.sin(turn / 2), r * np.sin(turn)))
    for k in range(n):
        a, b = 2 * k + 1, 2 * k + 2
        c, d = (a + 2, b + 2) if k < n - 1 else (2, 1)
        faces += [f"{a} {b} {d}", f"{a} {d} {c}"]
    made = silently(write_obj(tmp_path / "moebius.obj", faces, points))
    assert np.isfinite(made.normals).all() and len(made.faces) >= len(faces)


def test_concave_polygons_keep_their_area(tmp_path: Path) -> None:
    outline = [(0, 0), (1, 0), (1, 1), (0.9, 0.1)]  # an arrow head: area by the shoelace formula
    truth = 0.5 * abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(outline, outline[1:] + outline[:1], strict=True)))
    star = [
        (np.cos(t) * r, np.sin(t) * r) for t, r in zip(np.linspace(0, 2 * np.pi, 11)[:-1], [1, 0.4] * 5, strict=True)
    ]
    for shape, expected in ((outline, truth), (star, 10 * 0.5 * 0.4 * np.sin(np.pi / 5))):
        for first in range(len(shape)):
            turned = shape[first:] + shape[:first]
            face = " ".join(str(i + 1) for i in range(len(shape)))
            made = silently(write_obj(tmp_path / "p.obj", [face], [(x, 0.3 * x, y) for x, y in turned]))
            size = max(np.ptp(np.array(shape), axis=0))
            assert area(made) * size**2 == pytest.approx(expected * np.hypot(1, 0.3), rel=1e-4)
    convex = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\nf -4 -3 -2 -1"
    assert obj.split_concave(convex) == convex


# ---- textures of OBJ files -----------------------------------------------------------------------------------------
WRITTEN = {
    "tex.png": "tex.png",
    "my tex.png": "my tex.png",
    "textures\\tex.png": "textures/tex.png",
    "TEX.PNG": "tex.png",
    "C:\\models\\tex.png": "tex.png",
    "/elsewhere/models/tex.png": "textures/tex.png",
    "../images/tex.png": "../images/tex.png",
    "my%20tex.png": "my tex.png",
    "-s 1 1 1 tex.png": "tex.png",
    "-blendu on -o 0 0 -mm 0 1 -clamp off tex.png": "tex.png",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_textures_are_found_as_people_write_them(tmp_path: Path, written: str) -> None:
    (tmp_path / "models").mkdir()
    picture(tmp_path / "models" / WRITTEN[written])
    made = silently(textured(tmp_path / "models", f"Kd 1 1 1\nmap_Kd {written}"))
    assert made.materials[0].color == (1.0, 1.0, 1.0)
    assert made.materials[0].texture is not None and (made.materials[0].texture == (200, 10, 10)).all()


def test_options_move_the_texture(tmp_path: Path) -> None:
    picture(tmp_path / "tex.png")
    plain = silently(textured(tmp_path, "map_Kd tex.png")).uvs
    moved = silently(textured(tmp_path, "map_Kd -s 2 3 1 -o .25 .5 0 tex.png")).uvs
    np.testing.assert_allclose(np.sort(moved, axis=0), np.sort(plain * (2, 3) + (0.25, 0.5), axis=0), atol=1e-5)


def test_what_a_material_file_lacks_is_named_and_drawn_grey(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"x\.obj: texture gone\.png of m\.mtl is not found"):
        made = load_mesh(textured(tmp_path, "Kd 1 1 1\nmap_Kd gone.png"))
    assert made.materials[0].texture is None and made.materials[0].color == pytest.approx((GREY,) * 3, abs=3e-3)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"bad\.png cannot be read"):
        load_mesh(textured(tmp_path, "map_Kd bad.png"))
    with pytest.warns(UserWarning, match=r"x\.obj: its material file other\.mtl is not found"):
        made = load_mesh(textured(tmp_path, "", "mtllib other.mtl\nusemtl a"))
    assert made.materials[0].color == pytest.approx((GREY,) * 3, abs=1e-3) and made.materials[0].texture is None
    with pytest.warns(UserWarning, match="material 'b' is in none"):
        made = load_mesh(textured(tmp_path, "Kd 1 0 0", "mtllib m.mtl\nusemtl b"))
    assert made.materials[0].color == pytest.approx((GREY,) * 3, abs=1e-3)


def told(load: Callable[[Path], Mesh], file: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(file)
    return [str(one.message) for one in caught]


def test_black_times_a_texture_is_the_texture(tmp_path: Path) -> None:
    picture(tmp_path / "tex.png")
    assert silently(textured(tmp_path, "Kd 0 0 0\nmap_Kd tex.png")).materials[0].color == (1.0, 1.0, 1.0)
    assert silently(textured(tmp_path, "Kd 0 0 0")).materials[0].color == (0.0, 0.0, 0.0)


def test_sixteen_bits_of_grey_are_its_high_bytes(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0x8042, np.uint16)).save(tmp_path / "deep.png")
    texture = silently(textured(tmp_path, "map_Kd deep.png")).materials[0].texture
    assert texture is not None and (texture == 0x80).all()


# ---- glTF ----------------------------------------------------------------------------------------------------------
def write_glb(file: Path, material: dict | None, image: np.ndarray | None = None, **more) -> Path:
    """A square of side 2 in a .glb. image: its one picture; more: further keys of the document; color, uv1, tangent,
    corners: of it."""
    points = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], np.float32)
    uv = np.array([(0, 1), (1, 1), (1, 0), (0, 0)], np.float32)
    arrays = {"POSITION": points, "TEXCOORD_0": uv}
    for key, name in (("color", "COLOR_0"), ("uv1", "TEXCOORD_1"), ("tangent", "TANGENT")):
        if (values := more.pop(key, None)) is not None:
            arrays[name] = np.asarray(values, np.float32)
    data, views, accessors = b"", [], []
    for values in [*arrays.values(), np.array(more.pop("corners", [0, 1, 2, 0, 2, 3]), np.uint16)]:
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": values.nbytes})
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[values.shape[1] if values.ndim > 1 else 1]
        code = 5123 if values.dtype == np.uint16 else 5126
        accessors.append({"bufferView": len(views) - 1, "componentType": code, "count": len(values), "type": kind})
        data += values.tobytes() + bytes(-values.nbytes % 4)
    primitive = {"attributes": {name: i for i, name in enumerate(arrays)}, "indices": len(arrays)}
    tree = {"asset": {"version": "2.0"}, "accessors": accessors, "bufferViews": views, "nodes": [{"mesh": 0}]}
    tree |= {"scenes": [{"nodes": [0]}], "meshes": [{"primitives": [primitive]}]}
    if material is not None:
        tree["materials"], primitive["material"] = [material], 0
    if image is not None:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": stream.tell()})
        data += stream.getvalue() + bytes(-stream.tell() % 4)
        tree |= {"images": [{"bufferView": len(views) - 1, "mimeType": "image/png"}], "textures": [{"source": 0}]}
    tree["buffers"] = [{"byteLength": len(data)}]
    text = json.dumps(tree | more).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<3I2I", 0x46546C67, 2, 28 + len(text) + len(data), len(text), 0x4E4F534A)
    file.write_bytes(head + text + struct.pack("<2I", len(data), 0x004E4942) + data)
    return file


def test_factors_default_to_one_and_are_not_rounded(tmp_path: Path) -> None:
    made = silently(write_glb(tmp_path / "a.glb", {"pbrMetallicRoughness": {}})).materials[0]
    assert (made.color, made.roughness, made.metalness) == ((1.0, 1.0, 1.0), 1.0, 1.0)  # glTF 2.0, 5.22
    dark = {"pbrMetallicRoughness": {"baseColorFactor": [0.002, 0.004, 0.003, 1], "metallicFactor": 0}}
    assert silently(write_glb(tmp_path / "b.glb", dark)).materials[0].color == (0.002, 0.004, 0.003)


def test_metal_and_roughness_come_from_their_texture(tmp_path: Path) -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4] = (9, 255, 0)  # left: rough, no metal; red means nothing
    image[:, 4:] = (9, 0, 255)
    said = {"metallicRoughnessTexture": {"index": 0}, "roughnessFactor": 0.5}
    made = silently(write_glb(tmp_path / "a.glb", {"pbrMetallicRoughness": said}, image))
    middle = made.vertices[made.faces].mean(axis=1)[:, 0]
    rough = np.array([m.roughness for m in made.materials])[made.face_material]
    metal = np.array([m.metalness for m in made.materials])[made.face_material]
    assert (rough[middle < -0.05] == 0.5).all() and (metal[middle < -0.05] == 0).all()
    assert (rough[middle > 0.05] == 0).all() and (metal[middle > 0.05] == 1).all()


def test_texture_transform_and_chosen_set(tmp_path: Path) -> None:
    """KHR_texture_transform: offset and scale in coordinates whose v runs down."""
    image = np.zeros((4, 4, 3), np.uint8)
    move = {"KHR_texture_transform": {"offset": [0.25, 0.5], "scale": [2, 4], "rotation": 0.0}}
    said = {"baseColorTexture": {"index": 0, "texCoord": 1, "extensions": move}}
    uv1 = np.array([(0, 0.3), (0.5, 0.3), (0.5, 0), (0, 0)])
    made = silently(write_glb(tmp_path / "a.glb", {"pbrMetallicRoughness": said}, image, uv1=uv1))
    np.testing.assert_allclose([made.uvs[:, 0].min(), made.uvs[:, 0].max()], [0.25, 1.25], atol=1e-5)
    np.testing.assert_allclose([made.uvs[:, 1].min(), made.uvs[:, 1].max()], [1 - (0.5 + 1.2), 0.5], atol=1e-5)


def test_rotation_of_a_texture_turns_as_the_extension_says() -> None:
    """Its text: uv' = T R S uv, R = [[cos, sin], [-sin, cos]], v down. A quarter turn takes (1, 0) to (0, -1)."""
    matrix = gltf._transform({"extensions": {"KHR_texture_transform": {"rotation": np.pi / 2}}})
    u, v = matrix @ (1.0, 1.0, 1.0)  # v down 0 is v up 1
    np.testing.assert_allclose((u, 1 - v), (0.0, -1.0), atol=1e-12)


def test_vertex_colours_are_linear_and_multiply_the_material(tmp_path: Path) -> None:
    color = np.tile([0.5, 0.25, 1.0], (4, 1))
    said = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 0.5, 1]}}
    made = silently(write_glb(tmp_path / "a.glb", said, color=color))
    assert made.materials[0].color == pytest.approx((0.25, 0.25, 0.5), abs=1e-6)


def test_alpha_mask_cuts_holes_and_opaque_ignores_alpha(tmp_path: Path) -> None:
    image = np.full((8, 8, 4), 255, np.uint8)
    image[:, :4, 3] = 0  # the left half
    said = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    whole = silently(write_glb(tmp_path / "a.glb", said, image))
    assert area(whole) == pytest.approx(1.0, rel=1e-4)
    half = silently(write_glb(tmp_path / "b.glb", {**said, "alphaMode": "MASK"}, image))
    assert area(half) * (1 / extent(whole)[1]) ** 2 == pytest.approx(0.5, abs=0.05)
    clear = image.copy()
    clear[..., 3] = 0
    with pytest.raises(UserError, match=r"c\.glb"):
        load_mesh(write_glb(tmp_path / "c.glb", {**said, "alphaMode": "MASK"}, clear))


def test_emission_is_bright_paint(tmp_path: Path) -> None:
    said = {"pbrMetallicRoughness": {"baseColorFactor": [0.2, 0, 0, 1]}, "emissiveFactor": [0, 0.6, 0]}
    assert silently(write_glb(tmp_path / "a.glb", said)).materials[0].color == pytest.approx((0.2, 0.6, 0.0))


LOST = {"images": [{"uri": "gone.png"}], "textures": [{"source": 0}]}


def test_a_lost_emission_leaves_the_object_as_it_is_without(tmp_path: Path) -> None:
    said = {"pbrMetallicRoughness": {"baseColorFactor": [0.2, 0, 0, 1]}, "emissiveFactor": [1, 1, 1]}
    with pytest.warns(UserWarning, match=r"a\.glb: texture gone\.png is not found; drawn without its own light"):
        made = load_mesh(write_glb(tmp_path / "a.glb", {**said, "emissiveTexture": {"index": 0}}, **LOST))
    assert made.materials[0].color == (0.2, 0.0, 0.0)
    unreadable = {"images": [{"uri": "data:image/png;base64,AAAA"}], "textures": [{"source": 0}]}
    with pytest.warns(UserWarning, match=r"b\.glb: texture data.* cannot be read .*; drawn without its own light"):
        made = load_mesh(write_glb(tmp_path / "b.glb", {**said, "emissiveTexture": {"index": 0}}, **unreadable))
    assert made.materials[0].color == (0.2, 0.0, 0.0)


def test_lost_roughness_and_metalness_are_the_factors(tmp_path: Path) -> None:
    said = {"metallicRoughnessTexture": {"index": 0}, "roughnessFactor": 0.5, "metallicFactor": 0.25}
    with pytest.warns(UserWarning, match=r"gone\.png is not found; roughness and metalness as the factors say"):
        made = load_mesh(write_glb(tmp_path / "a.glb", {"pbrMetallicRoughness": said}, **LOST)).materials[0]
    assert (made.color, made.roughness, made.metalness) == ((1.0, 1.0, 1.0), 0.5, 0.25)


def test_defects_are_not_told_as_broken_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken file is a user's; what our own code gets wrong keeps its name and traceback."""

    def wrong(*_, **__):
        raise ZeroDivisionError

    write_obj(tmp_path / "a.obj", BOX)
    write_glb(tmp_path / "a.glb", None)
    monkeypatch.setattr(files, "read_obj", wrong)
    monkeypatch.setattr(files.Document, "looks", wrong)
    for name in ("a.obj", "a.glb"):
        with pytest.raises(ZeroDivisionError):
            load_mesh(tmp_path / name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"materials": [3]},
        {"materials": {"a": 1}},
        {"materials": [{"pbrMetallicRoughness": 3}]},
        {"materials": [{"pbrMetallicRoughness": {"baseColorFactor": "red"}}]},
        {"materials": [{"pbrMetallicRoughness": {"baseColorTexture": 0}}]},
        {"meshes": [{"primitives": [{"attributes": {}, "material": 7}]}]},
        {"meshes": "none"},
        {"buffers": [{"uri": 5}]},
        {"nodes": 4},
        {"extensionsRequired": 1},
    ],
    ids=str,
)
def test_json_that_is_no_gltf_is_one_line(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(UserError, match=r"a\.glb: (cannot be read|has no triangles)"):
        load_mesh(write_glb(tmp_path / "a.glb", {}, **wrong))


def test_specular_and_glossiness_are_converted(tmp_path: Path) -> None:
    """Khronos' appendix: a dielectric of F0 .04 keeps its colour, a black diffuse with a bright specular is metal."""
    said = {"diffuseFactor": [0.3, 0.2, 0.1, 1], "specularFactor": [0.04] * 3, "glossinessFactor": 0.25}
    made = silently(
        write_glb(tmp_path / "a.glb", {"extensions": {"KHR_materials_pbrSpecularGlossiness": said}})
    ).materials[0]
    assert made.color == pytest.approx((0.3, 0.2, 0.1)) and (made.roughness, made.metalness) == (0.75, 0.0)
    said = {"diffuseFactor": [0, 0, 0, 1], "specularFactor": [0.9, 0.6, 0.3]}
    made = silently(
        write_glb(tmp_path / "b.glb", {"extensions": {"KHR_materials_pbrSpecularGlossiness": said}})
    ).materials[0]
    assert made.metalness == pytest.approx(1.0, abs=0.01) and made.color == pytest.approx((0.9, 0.6, 0.3), abs=0.01)


def test_required_extensions_that_are_not_read_are_named(tmp_path: Path) -> None:
    need = ["KHR_draco_mesh_compression"]
    with pytest.raises(UserError, match=r"a\.glb: requires KHR_draco_mesh_compression"):
        load_mesh(write_glb(tmp_path / "a.glb", None, extensionsRequired=need, extensionsUsed=need))


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    more = {"images": [{"uri": "gone.png"}], "textures": [{"source": 0}]}
    with pytest.warns(UserWarning, match=r"a\.glb: texture gone\.png is not found"):
        made = load_mesh(write_glb(tmp_path / "a.glb", said, **more))
    assert max(made.materials[0].color) < 0.25


TETRAHEDRON = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
SIDES = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]


def write_ply(file: Path, points, faces, colors, of: str) -> Path:
    """colors: rows of three levels, one for each vertex or face."""
    rows = {"vertex": [" ".join(map(str, p)) for p in points], "face": [f"3 {a} {b} {c}" for a, b, c in faces]}
    said = {"vertex": [f"property float {axis}" for axis in "xyz"], "face": ["property list uchar int vertex_indices"]}
    rows[of] = [f"{row} {r} {g} {b}" for row, (r, g, b) in zip(rows[of], colors, strict=True)]
    said[of] += [f"property uchar {name}" for name in ("red", "green", "blue")]
    head = ["ply", "format ascii 1.0"]
    for name in ("vertex", "face"):
        head += [f"element {name} {len(rows[name])}", *said[name]]
    file.write_text("\n".join([*head, "end_header", *rows["vertex"], *rows["face"]]) + "\n")
    return file


@pytest.mark.parametrize("of", ["vertex", "face"])
@pytest.mark.parametrize("more", [[], [(0, 0, 1)], [(2, 3, 2), (1, 1, 1)]])
def test_a_face_with_two_equal_corners_takes_no_colours_away(tmp_path: Path, of: str, more: list) -> None:
    faces = [*more[:1], *SIDES, *more[1:]]  # in front, and behind
    colors = [(255, 0, 0)] * 4 if of == "vertex" else [(255, 0, 0) if f in SIDES else (0, 0, 255) for f in faces]
    made = silently(write_ply(tmp_path / "a.ply", TETRAHEDRON, faces, colors, of))
    assert [m.color for m in made.materials] == [(1.0, 0.0, 0.0)]
    assert volume(made) == pytest.approx(1 / 6, rel=1e-4)


def test_colours_stay_on_their_faces_beside_one_with_two_equal_corners(tmp_path: Path) -> None:
    levels = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    colors = [levels[0], (9, 9, 9), *levels[1:]]
    made = silently(write_ply(tmp_path / "a.ply", TETRAHEDRON, [SIDES[0], (3, 3, 1), *SIDES[1:]], colors, "face"))
    corners = made.vertices[made.faces].astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    outward = np.array([(0, 0, -1), (0, -1, 0), (-1, 0, 0), np.full(3, 3**-0.5)])  # of SIDES, one after the other
    side = (normal @ outward.T).argmax(axis=1)
    shown = np.array([m.color for m in made.materials])[made.face_material]
    np.testing.assert_array_equal(shown, np.array(levels)[side] / 255)


def test_glb_colours_stay_with_a_face_with_two_equal_corners(tmp_path: Path) -> None:
    color = np.tile([0.5, 0.25, 1.0], (4, 1))
    said = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 0.5, 1]}}
    made = silently(write_glb(tmp_path / "a.glb", said, color=color, corners=[0, 1, 2, 1, 1, 3, 0, 2, 3]))
    assert [m.color for m in made.materials] == [pytest.approx((0.25, 0.25, 0.5), abs=1e-6)]


@pytest.mark.parametrize("of", ["vertex", "face", "glb"])
def test_colours_stay_when_a_model_is_simplified(tmp_path: Path, of: str) -> None:
    """A ball whose colour says where it is."""
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(6)
    assert len(ball.faces) > files.MOST_TRIANGLES
    places = ball.triangles_center if of == "face" else ball.vertices
    levels = np.round((places + 1) * 127.5).astype(np.uint8)
    levels = np.column_stack([levels, np.full(len(levels), 255, np.uint8)])
    setattr(ball.visual, "face_colors" if of == "face" else "vertex_colors", levels)
    file = tmp_path / ("ball.glb" if of == "glb" else "ball.ply")
    ball.export(file)
    with pytest.warns(UserWarning, match="simplified"):
        made = load_mesh(file)
    shown = np.array([m.color for m in made.materials])[made.face_material]
    shown = shown if of == "glb" else encoded(shown)
    assert np.abs(shown * 2 - 1 - made.vertices[made.faces].mean(axis=1) * 2).max() < 0.1


def encoded(linear: np.ndarray) -> np.ndarray:
    """sRGB, IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_any_number_of_vertex_colours(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(4)
    levels = np.round((ball.vertices + 1) * 127.5).astype(np.uint8)
    ball.visual.vertex_colors = np.column_stack([levels, np.full(len(levels), 255, np.uint8)])
    ball.export(tmp_path / "ball.ply")
    made = silently(tmp_path / "ball.ply")
    middle = made.vertices[made.faces].mean(axis=1) * 2
    colors = np.array([m.color for m in made.materials])[made.face_material]
    assert np.abs(encoded(colors) * 2 - 1 - middle).max() < 0.06


# ---- folders -------------------------------------------------------------------------------------------------------
def test_clutter_is_no_model_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "cup").mkdir()
    write_obj(tmp_path / "cup" / "a.obj", BOX)
    before = FolderLibrary(tmp_path).version
    (tmp_path / "cup" / "._a.obj").write_bytes(b"\0\5\x16\7")
    (tmp_path / "cup" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "__MACOSX").mkdir()
    write_obj(tmp_path / "__MACOSX" / "b.obj", BOX)
    made = FolderLibrary(tmp_path)
    assert (made.version, made.categories, made.identities("cup")) == (before, ("cup",), ("a",))


def test_a_texture_outside_of_a_category_counts(tmp_path: Path) -> None:
    (tmp_path / "cup").mkdir()
    picture(tmp_path / "images" / "tex.png")
    textured(tmp_path / "cup", "map_Kd ../images/tex.png")
    before = FolderLibrary(tmp_path).version
    picture(tmp_path / "images" / "tex.png", (1, 2, 3))
    assert FolderLibrary(tmp_path).version != before


def test_categories_that_share_a_name_have_identities_of_their_own(tmp_path: Path) -> None:
    for category in ("cup", "mug"):
        (tmp_path / category).mkdir()
        write_obj(tmp_path / category / "model.obj", BOX)
    made = FolderLibrary(tmp_path)
    assert [made.identities(c) for c in made.categories] == [("cup/model",), ("mug/model",)]
    assert len(made.mesh("mug", "mug/model").faces)
    assert made.only(["mug"]).identities("mug") == ("mug/model",)


def test_category_names(tmp_path: Path) -> None:
    names = ("02691156", "117", "Cup", "cup", "a,b", " lead", "café", "2")
    for name in names:
        (tmp_path / name).mkdir()
        write_obj(tmp_path / name / f"{name.strip()}.obj", BOX)

    def chosen(spec: str) -> tuple[str, ...]:
        return load_objects(str(tmp_path), spec).categories

    assert chosen("117") == ("117",) and chosen("02691156") == ("02691156",) and chosen("2") == ("2",)
    assert chosen("Cup") == ("Cup",) and chosen("cup,Cup") == ("cup", "Cup")
    assert chosen("a,b") == ("a,b",) and chosen('"a,b", " lead"') == ("a,b", " lead") and chosen("lead") == (" lead",)
    assert chosen("cafe\N{COMBINING ACUTE ACCENT}") == ("café",) and len(chosen("all")) == len(chosen("8")) == 8
    with pytest.raises(BadValue, match="fits 'Cup' and 'cup'"):
        chosen("CUP")


def test_a_folder_can_be_turned(tmp_path: Path) -> None:
    (tmp_path / "cup").mkdir()
    write_obj(tmp_path / "cup" / "a.obj", ["1 2 3", "1 2 4"], [(0, 0, 0), (1, 0, 0), (0, 0, 3), (0, -0.5, 0)])
    plain = FolderLibrary(tmp_path)
    turned = FolderLibrary(f"{tmp_path}:up=z,front=-y")
    assert plain.version != turned.version and turned.only(["cup"]).version == turned.version
    assert FolderLibrary(f"{tmp_path}:up=y,front=z").version == plain.version
    made = turned.mesh("cup", "a")
    np.testing.assert_allclose(extent(made) * 3, [1, 3, 0.5], atol=1e-5)
    front = made.vertices[made.vertices[:, 1] < -0.49]  # the corner that was at -y is the one nearest to the viewer
    assert front[:, 2].max() == pytest.approx(0.5 / 3 / 2, abs=1e-5)
    assert np.linalg.det(turn_of("up=z,front=-y")) == pytest.approx(1.0)
    for wrong in ("up=z", "up=w", "up=z,front=-z"):
        with pytest.raises(BadValue, match="up="):
            FolderLibrary(f"{tmp_path}:{wrong}")
