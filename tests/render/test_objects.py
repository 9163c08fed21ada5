"""Objects: every category's meshes are sound, the same every time and unlike each other; folders of models load."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.render import objects
from mlspatial.render.library import catalogue
from mlspatial.render.library import parts as p
from mlspatial.render.library import shapes as s
from mlspatial.render.library.assemble import merge
from mlspatial.render.library.polygons import triangulate

CATEGORIES = objects.available_procedural()
FEW_TRIANGLES = {"coin", "shirt button", "coaster", "book", "box", "picture", "painting", "rug", "incline", "money"}
SECONDS = 0.3  # of processor time for one mesh; a slower one is compared with fixed work on the same machine
EFFORT = 35  # times that work: about a second
BAG = "bag, handbag, pocketbook, purse"


@pytest.fixture(scope="module")
def library():
    return objects.ProceduralLibrary()


@pytest.fixture(scope="module", params=CATEGORIES)
def meshes(request):
    """(category, two meshes, by how many times building each took longer than fixed work: 0 for a fast one)."""
    made, efforts = [], []
    for k in range(2):
        tries = []
        while len(tries) < 10 and min(tries, default=np.inf) > EFFORT:
            mesh, took = timed(lambda k=k: catalogue.build(request.param, k))
            tries.append(took / timed(fixed_work)[1] if took > SECONDS else 0.0)
        made.append(mesh)
        efforts.append(min(tries))
    return request.param, made, efforts


def timed(work):
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def fixed_work():
    numbers = np.random.default_rng(0).normal(size=200_000)
    return [np.sort(numbers + k) for k in range(3)], sum(k * k for k in range(200_000))


def arrays(mesh):
    out = [mesh.vertices, mesh.normals, mesh.uvs, mesh.occlusion, mesh.faces, mesh.face_material]
    for material in mesh.materials:
        out.append(np.array([*material.color, material.roughness, material.metalness]))
        out.append(np.zeros(0) if material.texture is None else material.texture)
    return out


def same(a, b) -> bool:
    first, second = arrays(a), arrays(b)
    return len(first) == len(second) and all(np.array_equal(x, y) for x, y in zip(first, second, strict=True))


def double_areas(mesh):
    a, b, c = (mesh.vertices.astype(float)[mesh.faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def closed_volumes(mesh):
    """Signed volumes of the connected pieces whose every edge has exactly two faces, and their share of all faces."""
    _, place = np.unique(np.rint(mesh.vertices.astype(float) * 2e4), axis=0, return_inverse=True)
    place = place.reshape(-1)
    faces = place[mesh.faces]
    faces_kept = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces, original = faces[faces_kept], mesh.faces[faces_kept]
    n = place.max() + 1
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pieces = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (n, n)), directed=False)[1]
    balance = coo_matrix((np.ones(len(edges)), edges.T), (n, n)).tocsr()
    unequal = (balance - balance.T).tocoo()
    open_ = np.zeros(pieces.max() + 1, bool)
    open_[pieces[unequal.row[unequal.data != 0]]] = True
    a, b, c = (mesh.vertices.astype(float)[original[:, i]] for i in range(3))
    volume = np.bincount(pieces[faces[:, 0]], np.einsum("ij,ij->i", a, np.cross(b, c)) / 6, len(open_))
    return volume[~open_], float((~open_)[pieces[faces[:, 0]]].mean())


def test_shape_of_arrays(meshes):
    _, made, _ = meshes
    for mesh in made:
        v, f = len(mesh.vertices), len(mesh.faces)
        assert mesh.vertices.shape == mesh.normals.shape == (v, 3)
        assert mesh.uvs.shape == (v, 2) and mesh.occlusion.shape == (v,)
        assert mesh.faces.shape == (f, 3) and mesh.face_material.shape == (f,)
        assert {x.dtype for x in (mesh.vertices, mesh.normals, mesh.uvs, mesh.occlusion)} == {np.dtype("float32")}
        assert {mesh.faces.dtype, mesh.face_material.dtype} == {np.dtype("int32")}
        assert all(np.isfinite(x).all() for x in (mesh.vertices, mesh.normals, mesh.uvs, mesh.occlusion))
        assert mesh.faces.min() == 0 and mesh.faces.max() == v - 1
        assert mesh.face_material.min() == 0 and mesh.face_material.max() == len(mesh.materials) - 1


def test_unit_box(meshes):
    _, made, _ = meshes
    for mesh in made:
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        assert (high - low).max() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(low + high, 0, atol=1e-5)


def test_triangles(meshes):
    category, made, _ = meshes
    for mesh in made:
        assert (200 if category in FEW_TRIANGLES else 2000) <= len(mesh.faces) <= 20_000
        area = np.linalg.norm(double_areas(mesh), axis=1)
        assert np.mean(area < 1e-10) <= 0.02


def test_normals(meshes):
    _, made, _ = meshes
    for mesh in made:
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
        flat = double_areas(mesh)
        corner = mesh.normals[mesh.faces]
        agree = np.einsum("fi,fki->fk", flat, corner)
        assert np.mean(agree > -1e-9) > 0.98


def test_outward(meshes):
    _, made, _ = meshes
    for mesh in made:
        volumes, share = closed_volumes(mesh)
        assert share > 0.9
        assert (volumes > -1e-7).all()
        assert volumes.sum() > 0


def test_materials(meshes):
    _, made, _ = meshes
    for mesh in made:
        assert 0.2 < mesh.occlusion.mean() <= 1 and mesh.occlusion.min() >= 0 and mesh.occlusion.max() <= 1
        for material in mesh.materials:
            assert type(material).__name__ == "Material"
            assert all(0 <= c <= 1 for c in (*material.color, material.roughness, material.metalness))
            if material.texture is not None:
                h, w, channels = material.texture.shape
                assert material.texture.dtype == np.uint8 and channels == 3 and max(h, w) <= 256


def test_same_again_and_different_identities(meshes):
    category, made, _ = meshes
    assert same(made[0], catalogue.build(category, 0))
    assert not same(made[0], made[1])


def test_build_time(meshes):
    _, _, efforts = meshes
    assert max(efforts) <= EFFORT


def test_another_process_builds_the_same():
    code = (
        "import hashlib; from mlspatial.render.library import catalogue; from mlspatial.render import objects;"
        "objects.available_procedural(); m = catalogue.build('chair', 4);"
        "print(hashlib.sha256(m.vertices.tobytes() + m.occlusion.tobytes() + m.faces.tobytes()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": x}
        )
        for x in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout


def test_missing_categories_are_listed(capsys):
    missing = [c for c in catalogue.counts() if c not in CATEGORIES]
    with capsys.disabled():
        if missing:
            print(f"\n{len(missing)} categories without a builder: {'; '.join(missing)}")
    assert len(catalogue.counts()) == 117 and sum(catalogue.counts().values()) == 548
    assert set(objects.STUDY_ORDER) <= set(CATEGORIES)


# ---- the library and the names -------------------------------------------------------------------------------------
def test_identities(library):
    assert library.identities("chair") == tuple(f"chair#{k}" for k in range(25))
    assert len(library.mesh("chair", "chair#1000").faces) > 2000
    assert objects.ProceduralLibrary(["cup"], identities_each=40).identities("cup")[-1] == "cup#39"
    for wrong in ("chair#x", "chair#-1", "chair#01", "table#1", "chair"):
        with pytest.raises(UnknownName):
            library.mesh("chair", wrong)
    with pytest.raises(UnknownName):
        library.identities("unicorn")
    with pytest.raises(UnknownName):
        objects.ProceduralLibrary(["bag"])
    assert library.version == objects.ProceduralLibrary(["cup"]).version and len(library.version) == 12


def test_resolve_names():
    known = (*CATEGORIES, "bag")
    assert objects.resolve_categories(BAG, CATEGORIES) == (BAG,)
    assert objects.resolve_categories("chair, Bag,cup", CATEGORIES) == ("chair", BAG, "cup")
    assert objects.resolve_categories(f"{BAG}, chair", CATEGORIES) == (BAG, "chair")
    assert objects.resolve_categories("bag", known) == ("bag",)  # an exact name wins
    with pytest.raises(UnknownName, match="chair"):
        objects.resolve_categories("chiar", CATEGORIES)
    with pytest.raises(BadValue, match="whole name"):
        objects.resolve_categories("pot", ["pot, a", "pot, b"])


def test_resolve_numbers():
    everything = objects.resolve_categories("all", CATEGORIES)
    assert everything == objects.resolve_categories(117, reversed(CATEGORIES)) == CATEGORIES
    assert objects.resolve_categories(1, CATEGORIES) == ("chair",)
    nested = [objects.resolve_categories(str(n), CATEGORIES) for n in (1, 2, 4, 6, 8, 16)]
    for smaller, larger in pairwise(nested):
        assert larger[: len(smaller)] == smaller
    for wrong in (0, -1, 118):
        with pytest.raises(BadValue):
            objects.resolve_categories(wrong, CATEGORIES)


def test_load_procedural():
    made = objects.load_objects("procedural", "bag,cup")
    assert made.name == "procedural" and made.categories == (BAG, "cup")
    assert objects.load_objects("procedural").categories == CATEGORIES
    assert objects.load_objects("procedural", ["bag"]).categories == (BAG,)
    with pytest.raises(UnknownName):
        objects.load_objects("procedural", ["unicorn"])


# ---- folders -------------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    from PIL import Image

    for category in ("thing", "chair"):
        (tmp_path / category).mkdir()
    trimesh.creation.box((1, 2, 4)).export(tmp_path / "thing" / "block.stl")
    picture = Image.fromarray(np.full((8, 8, 3), (200, 10, 10), np.uint8))
    ball = trimesh.creation.icosphere(3)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture, roughnessFactor=0.25, metallicFactor=0.75)
    ball.visual = trimesh.visual.TextureVisuals(uv=ball.vertices[:, :2], material=material)
    ball.export(tmp_path / "thing" / "ball.glb")
    can = trimesh.creation.cylinder(1, 3)
    can.visual.face_colors = np.where(can.face_normals[:, 2:] > 0.5, [[255, 0, 0, 255]], [[0, 0, 255, 255]])
    can.export(tmp_path / "chair" / "can.ply")
    (tmp_path / "thing" / "notes.txt").write_text("not a model")
    return tmp_path


def test_folder(folder):
    made = objects.load_objects(str(folder), "all")
    assert made.categories == ("chair", "thing") and made.identities("thing") == ("ball", "block")
    block = made.mesh("thing", "block")
    np.testing.assert_allclose(np.ptp(block.vertices, axis=0), [0.25, 0.5, 1], atol=1e-5)
    assert len(block.materials) == 1 and closed_volumes(block)[0].sum() == pytest.approx(0.125, rel=1e-3)
    ball = made.mesh("thing", "ball")
    assert (ball.materials[0].roughness, ball.materials[0].metalness) == (0.25, 0.75)
    assert (ball.materials[0].texture == (200, 10, 10)).all() and ball.uvs.min() == pytest.approx(-1, abs=1e-3)
    can = made.mesh("chair", "can")
    colors = {tuple(np.round(m.color, 2)) for m in can.materials}
    assert colors == {(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)}
    assert same(ball, made.mesh("thing", "ball"))
    with pytest.raises(UnknownName):
        made.mesh("thing", "cube")
    with pytest.raises(UnknownName):
        objects.load_objects(str(folder), "bottle")


def test_folder_version_follows_the_files(folder):
    before = objects.FolderLibrary(folder).version
    assert before == objects.FolderLibrary(folder).version
    (folder / "thing" / "notes.txt").write_text("a texture changed")
    assert before != objects.FolderLibrary(folder).version


def test_folder_mistakes(folder, tmp_path_factory):
    with pytest.raises(UserError, match="no models"):
        objects.load_objects(str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(UserError, match="no such folder"):
        objects.load_objects("/does/not/exist")
    (folder / "thing" / "broken.glb").write_bytes(b"not a model")
    (folder / "thing" / "empty.obj").write_text("v 0 0 0\n")
    made = objects.FolderLibrary(folder)
    for name in ("broken", "empty"):
        with pytest.raises(UserError, match=rf"{name}\.(glb|obj).*remove"):
            made.mesh("thing", name)
    (folder / "thing" / "ball.obj").write_text("v 0 0 0\n")
    with pytest.raises(UserError, match=r"ball\.glb and ball\.obj"):
        objects.FolderLibrary(folder)


def test_folder_simplifies_giants(folder):
    trimesh = pytest.importorskip("trimesh")
    trimesh.creation.icosphere(7).export(folder / "thing" / "giant.ply")  # 327,680 triangles
    with pytest.warns(UserWarning, match="327680 triangles"):
        giant = objects.FolderLibrary(folder).mesh("thing", "giant")
    assert 20_000 < len(giant.faces) <= 50_000
    np.testing.assert_allclose(np.linalg.norm(giant.vertices, axis=1), 0.5, atol=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        objects.FolderLibrary(folder).mesh("thing", "ball")


# ---- parts: volumes and areas that geometry knows ------------------------------------------------------------------
SOLIDS = {
    "box": (p.box((1, 2, 3), bevel=0), 6.0, 1e-9),
    "rounded box": (p.box((1, 1, 1), bevel=0.5, rings=16), np.pi / 6, 0.01),
    "cylinder": (p.cylinder(1, 2, bevel=0, segments=200), 2 * np.pi, 1e-3),
    "cone": (p.cone(1, 0, 3, bevel=0, segments=200), np.pi, 1e-3),
    "sphere": (p.sphere(1, segments=120), 4 * np.pi / 3, 2e-3),
    "torus": (p.torus(2, 1, segments=160, sides=64), 2 * np.pi**2 * 2 * 0.25, 5e-3),
    "rod": (p.rod([(0, 0, 0), (0, 0, 5)], 0.5, sides=80), np.pi * 0.25 * 5 + np.pi / 6, 0.03),
    "ring": (p.sweep(p.in_plane(p.circle(3, 120)), 0.5, sides=60, closed=True), 2 * np.pi * 3 * np.pi * 0.25, 5e-3),
    "extrusion": (
        p.extrude(p.rectangle(4, 4), 2, bevel=0, holes=[p.rectangle(1, 1), p.rectangle(1, 1) + 1.4]),
        28.0,
        1e-9,
    ),
    "star": (p.extrude(p.star(5, 2, 1), 1, bevel=0), 5 * 2 * np.sin(np.pi / 5), 1e-9),
    "sheet": (p.sheet(2, 3, thickness=0.5), 3.0, 1e-9),
    "moved": (p.box((1, 2, 3), bevel=0).rotate(20, 30, 40).move(5, 6, 7).mirror("y"), 6.0, 1e-9),
    "split": (p.box((1, 2, 3), bevel=0).subdivide(0.2), 6.0, 1e-9),
    "aimed": (s.between((1, 2, 3), (4, -2, 3), 0.5, sides=200), 5 * np.pi * 0.25, 0.01),
    "loft": (p.loft([np.c_[p.rectangle(1, 1), np.full(4, z)] for z in (0, 1, 2)]), 2.0, 1e-9),
    "vessel": (s.vessel([(0, 0), (1, 0), (1, 2)], 0.1, None, segments=200), np.pi * (2 - 0.81 * 1.9), 0.02),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_volume(name):
    part, volume, tolerance = SOLIDS[name]
    assert part.volume == pytest.approx(volume, rel=tolerance)
    mesh = merge(part)
    pieces, share = closed_volumes(mesh)
    assert share == 1 and pieces.sum() * np.ptp(part.vertices, axis=0).max() ** 3 == pytest.approx(
        volume, rel=max(tolerance, 1e-3)
    )


def test_normals_of_a_sphere_and_a_cube():
    ball = merge(p.sphere(1))
    np.testing.assert_allclose(ball.normals, 2 * ball.vertices, atol=0.06)
    cube = merge(p.box((1, 1, 1), bevel=0))
    assert np.allclose(np.abs(cube.normals).max(axis=1), 1)


def test_ambient_occlusion_of_known_shapes():
    assert merge(p.sphere(1)).occlusion.min() > 0.97  # a convex body hides nothing of its own sky
    # the floor of a tube of radius r and depth d sees r^2 / (r^2 + d^2) of the sky at its middle
    bowl = merge(s.vessel([(0, 0), (1, 0), (1, 1)], 0.05, None))
    middle = np.hypot(bowl.vertices[:, 0], bowl.vertices[:, 2]) < 0.1
    floor = middle & (bowl.normals[:, 1] > 0.9)
    assert bowl.occlusion[floor].mean() == pytest.approx(0.95**2 / (0.95**2 + 0.95**2), abs=0.12)


def test_a_picture_stands_upright_and_covers_its_part():
    finish = p.Finish((1, 1, 1), texture=np.zeros((4, 4, 3), np.uint8), tile=None)
    for part in (p.box((3, 1, 0.1), finish), p.extrude(p.rectangle(1, 3), 0.1, finish)):
        mesh = merge(part)
        front = mesh.normals[:, 2] > 0.99
        for axis in (0, 1):
            side = mesh.vertices[front, axis]
            np.testing.assert_allclose(mesh.uvs[front, axis], (side - side.min()) / np.ptp(side), atol=0.02)


def test_triangulation_keeps_the_area():
    outline = p.star(9, 2, 0.7)
    hole = p.circle(0.4, 12)[::-1]
    points, triangles = triangulate(outline, [hole])
    a, b, c = (points[triangles[:, i]] for i in range(3))
    signed = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    area = lambda q: np.sum(q[:, 0] * np.roll(q[:, 1], -1) - np.roll(q[:, 0], -1) * q[:, 1]) / 2  # noqa: E731
    assert (signed > -1e-12).all()
    assert signed.sum() == pytest.approx(area(outline) + area(hole))
