"""Folders of objects made from collections: what Sweet Home 3D, Gazebo Fuel and ycbbenchmarks.com hand out."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspatial.cli import main
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.render.collect import sweethome3d
from mlspatial.render.collect.base import COLLECTIONS, MOST_PACKED, category_of
from mlspatial.render.collect.build import build
from mlspatial.render.collect.origin import objects
from mlspatial.render.collect.wavefront import place_obj
from mlspatial.render.objects import load_objects
from tests.render.libraries import COLORS, METADATA, furniture_in, points, scanned, thing
from tests.test_entrypoints import call

DEBIAN = Path("/usr/share/sweethome3d/furniture")


@pytest.fixture
def furniture(tmp_path: Path) -> Path:
    return furniture_in(tmp_path)


def test_sweet_home_is_turned_stretched_and_named(furniture: Path, tmp_path: Path) -> None:
    out = tmp_path / "objects"
    done = build("sweethome3d", str(furniture), out)
    assert done.made == [("chair", "mine_armchair"), ("chair", "mine_chair")] and not done.kept
    place = points(out / "chair" / "mine_chair.obj")
    assert np.ptp(place, axis=0) == pytest.approx([0.60, 1.00, 0.805])  # the catalogue's centimetres
    assert place[:, 1].min() == pytest.approx(0.0) and place[8, 2] == pytest.approx(0.4025)  # the nose looks to +z
    beside = out / "chair" / "mine_chair"
    assert {f.name for f in beside.iterdir()} == {
        "chair.mtl", "oak.png", "relief.png", "LICENSE.TXT", "License - oak.txt", "origin.json"
    }  # fmt: skip
    said = json.loads((beside / "origin.json").read_text())
    assert said["title"] == "Oak chair" and said["credit"] == "René" and said["size_m"] == [0.6, 1.0, 0.805]
    assert said["licence"] == "Public domain  © nobody"
    reasons = dict(done.left_out)
    assert "lamp.3ds; OBJ is read" in reasons["Old lamp"] and "mine/gone/gone.obj is not in" in reasons["Stool"]
    assert "Characters are taken only where" in reasons["Man"] and "zero" in reasons["Torn thing"]
    assert "is no number" in reasons["Wide thing"] and "wide" in reasons["Wide thing"]
    library = load_objects(str(out), "all")
    assert library.identities("chair") == ("mine_armchair", "mine_chair")
    mesh = library.mesh("chair", "mine_chair")
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.6, 1.0, 0.805], abs=1e-4)
    assert (mesh.materials[0].texture == COLORS["texture"]).all()


def test_unpacked_libraries_are_the_same(furniture: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(furniture / "mine.sh3f") as archive:
        archive.extractall(tmp_path / "unpacked" / "mine")
    one, two = tmp_path / "one", tmp_path / "two"
    build("sweethome3d", str(furniture), one)
    build("sweethome3d", str(tmp_path / "unpacked"), two)
    for name in ("mine_chair", "mine_armchair"):
        assert (one / "chair" / f"{name}.obj").read_bytes() == (two / "chair" / f"{name}.obj").read_bytes()
    assert build("sweethome3d", str(furniture), one).made == []
    third = tmp_path / "three"
    build("sweethome3d", str(furniture / "mine.sh3f"), third)
    assert load_objects(str(third)).version == load_objects(str(one)).version  # a build is the same everywhere


def test_people_are_taken_where_they_are_named(furniture: Path, tmp_path: Path) -> None:
    assert build("sweethome3d", str(furniture), tmp_path / "o", only="Characters").made == [("man", "mine_man")]
    with pytest.raises(UnknownName, match=r"chairs.*did you mean chair"):
        build("sweethome3d", str(furniture), tmp_path / "o", only="chairs")


def test_a_build_goes_on_and_mends_what_is_damaged(furniture: Path, tmp_path: Path) -> None:
    out = tmp_path / "objects"
    build("sweethome3d", str(furniture), out)
    file = out / "chair" / "mine_chair.obj"
    right = file.read_bytes()
    before = (out / "chair" / "mine_armchair.obj").stat().st_mtime_ns
    for damage in (lambda: file.unlink(), lambda: file.write_text("v 0 0 0"),
                   lambda: (out / "chair" / "mine_chair" / "origin.json").write_text("{")):  # fmt: skip
        damage()
        done = build("sweethome3d", str(furniture), out)
        assert done.made == [("chair", "mine_chair")] and done.kept == [("chair", "mine_armchair")]
        assert file.read_bytes() == right
    assert (out / "chair" / "mine_armchair.obj").stat().st_mtime_ns == before
    assert [one["name"] for one in objects(out)] == ["mine_armchair", "mine_chair"]


def test_a_stopped_build_leaves_nothing_half_made(
    furniture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "objects"
    monkeypatch.setattr(
        "mlspatial.render.collect.build.write_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        build("sweethome3d", str(furniture), out)
    assert list(objects(out)) == [] and not list(out.glob("*/*.obj"))
    monkeypatch.undo()
    assert len(build("sweethome3d", str(furniture), out).made) == 2


def test_how_many_of_a_category(furniture: Path, tmp_path: Path) -> None:
    done = build("sweethome3d", str(furniture), tmp_path / "one", most=1)
    assert done.made == [("chair", "mine_armchair")] and ("Oak chair", "--most 1") in done.left_out
    out = tmp_path / "few"
    with pytest.raises(UserError, match="none of its models could be taken"):
        build("sweethome3d", str(furniture), out, least=3)
    build("sweethome3d", str(furniture), out, least=2)
    with zipfile.ZipFile(furniture / "mine.sh3f", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("mine/armchair/armchair.obj", "v 0 0 0\nf 1 1 1")
    with pytest.raises(UserError, match="none of its models"):  # one of two can be read: fewer than two
        build("sweethome3d", str(furniture), out, least=2)
    assert not list(out.glob("*/*.obj"))


def test_other_peoples_folders_are_left_alone(furniture: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("all of it")
    with pytest.raises(UserError, match="holds other files"):
        build("sweethome3d", str(furniture), mine)
    with pytest.raises(UserError, match="is a file"):
        build("sweethome3d", str(furniture), mine / "thesis.txt")
    assert [f.name for f in mine.iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    for name, said in (("sweethome3d", "neither .sh3f"), ("gso", "no folder NAME/meshes"), ("ycb", "003_cracker_box")):
        with pytest.raises(UserError, match=said):
            build(name, str(tmp_path / "empty"), tmp_path / "o")
    with pytest.raises(UserError, match="say which folder"):
        build("gso", "", tmp_path / "o")


def test_a_broken_library_and_a_bomb_are_named(furniture: Path, tmp_path: Path) -> None:
    (furniture / "a_broken.sh3f").write_bytes(b"PK nothing")
    with zipfile.ZipFile(furniture / "bomb.sh3f", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "PluginFurnitureCatalog.properties", "name#1=Bomb\nmodel#1=/b/b.obj\nwidth#1=1\nheight#1=1\ndepth#1=1"
        )
        archive.writestr("b/b.obj", b"#" * (1 << 22))
    reasons = dict(build("sweethome3d", str(furniture), tmp_path / "o").left_out)
    assert "cannot be read as a zip file" in reasons["a_broken.sh3f"]
    assert f"more than {MOST_PACKED} times" in reasons["Bomb"]


def test_properties_are_read_as_java_writes_them() -> None:
    text = "! no\n# no\n\n a = b \\\n   c\nk\\:1:v\\u00e9\\\\\\n\nempty=\nspaced value\n"
    assert sweethome3d.properties(text.encode("latin-1")) == {
        "a": "b c", "k:1": "vé\\", "empty": "", "spaced": "value"
    }  # fmt: skip


def test_scanned_objects_find_their_texture_and_stand_upright(tmp_path: Path) -> None:
    folder, out = tmp_path / "gso", tmp_path / "o"
    scanned(folder, "BIG_SHOE")
    scanned(folder, "plain", metadata="")
    packed = scanned(tmp_path / "other", "IN_A_ZIP")
    with zipfile.ZipFile(folder / "IN_A_ZIP.zip", "w") as archive:
        for file in packed.rglob("*"):
            archive.write(file, file.relative_to(packed))
    (folder / "TORN.zip").write_bytes(b"nothing")
    (folder / "EMPTY").mkdir()
    (folder / "EMPTY" / "metadata.pbtxt").write_text(METADATA)
    done = build("gso", str(folder), out)
    assert done.made == [("shoe", "gso_BIG_SHOE"), ("shoe", "gso_IN_A_ZIP"), ("uncategorised", "gso_plain")]
    reasons = dict(done.left_out)
    assert "zip file" in reasons["TORN.zip"] and reasons["Big Shoe"] == "it has no meshes/model.obj"
    for _, name in done.made[:2]:
        place = points(out / "shoe" / f"{name}.obj")
        assert np.ptp(place, axis=0) == pytest.approx([0.2, 0.1, 0.55])
        assert np.argmax(place[:, 2]) == 8  # -y is the front
    mesh = load_objects(str(out), "shoe").mesh("shoe", "gso_BIG_SHOE")
    assert (mesh.materials[0].texture == COLORS["texture"]).all() and done.remarks == []
    said = json.loads((out / "shoe/gso_BIG_SHOE/origin.json").read_text())
    assert said["licence"].startswith("Creative Commons") and said["credit"] == "Copyright 2020 Google LLC"
    assert (out / "shoe/gso_BIG_SHOE/metadata.pbtxt").read_text() == METADATA
    turned = build("gso", str(folder), tmp_path / "turned", axes="up=z,front=x", only="Shoe")
    place = points(tmp_path / "turned" / "shoe" / "gso_BIG_SHOE.obj")
    assert np.argmin(place[:, 0]) == 8 and len(turned.made) == 2  # with +x for the front, -y is to the left


def test_ycb_takes_the_usual_mesh_and_says_what_things_are(tmp_path: Path) -> None:
    folder, out = tmp_path / "ycb", tmp_path / "o"
    thing(folder, "003_cracker_box", "google_16k", "poisson")
    thing(folder, "021_bleach_cleanser", "tsdf")
    thing(folder, "065-b_cups", "google_64k")
    thing(folder, "024_bowl", "")  # as YCB-Video has it
    (folder / "073-a_lego_duplo" / "clouds").mkdir(parents=True)
    done = build("ycb", str(folder), out)
    assert done.made == [
        ("bottle", "ycb_021_bleach_cleanser"), ("bowl", "ycb_024_bowl"), ("box", "ycb_003_cracker_box"),
        ("cup", "ycb_065-b_cups"),
    ]  # fmt: skip
    assert done.left_out[0][0] == "lego duplo" and "google_16k/textured.obj" in done.left_out[0][1]
    assert np.ptp(points(out / "box/ycb_003_cracker_box.obj"), axis=0) == pytest.approx([0.2, 0.1, 0.55])
    assert (
        load_objects(str(out), "box").mesh("box", "ycb_003_cracker_box").materials[0].texture[0, 0] == (20, 200, 30)
    ).all()
    nested = tmp_path / "download"
    nested.mkdir()
    folder.rename(nested / "ycb")
    assert build("ycb", str(nested), out).made == []
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "003_cracker_box_google_16k.tgz").write_bytes(b"")
    with pytest.raises(UserError, match=r"003_cracker_box_google_16k\.tgz and the like have to be unpacked"):
        build("ycb", str(tmp_path / "packed"), out)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Round table", "table"), ("Coffee table", "coffee table"), ("Armchair", "chair"), ("TV", "television set"),
        ("Desk lamp", "table lamp"), ("Cup cake", "cup cake"), ("Fork lift", "fork lift"), ("Shelves", "shelf"),
        ("master_chef_can", "master chef can"), ("Glass/door", "glass door"), ("Dog house", "dog house"),
    ],
)  # fmt: skip
def test_categories_are_the_published_ones_where_a_name_ends_in_one(name: str, category: str) -> None:
    found = category_of(name)
    assert found.split(",")[0] == category


def test_normals_stay_perpendicular_and_other_lines_as_they_are() -> None:
    text = "# hello\nmtllib old.mtl\n"
    text += "v 0 0 0 1 .5 .25\nv 1 0 0\nv 0 1 1\nv 9 9 9\nvn 0 -1 1\no thing\nf -4//1 -3//1 -2//1\n"
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    placed, size = place_obj(text.encode(), turn, (2.0, 3.0, 4.0), ["new/m.mtl"])
    assert size == pytest.approx([2.0, 3.0, 4.0]) and placed.startswith("mtllib new/m.mtl\n# hello\n")
    lines = placed.splitlines()
    v = np.array([line.split()[1:4] for line in lines if line.startswith("v ")], float)
    assert np.ptp(v[:3], axis=0) == pytest.approx([2.0, 3.0, 4.0])  # the vertex that no face uses does not count
    assert lines[2].split()[4:] == ["1", ".5", ".25"] and "o thing" in lines and "old.mtl" not in placed
    normal = np.array(next(line for line in lines if line.startswith("vn")).split()[1:], float)
    assert np.linalg.norm(normal) == pytest.approx(1.0, abs=1e-4)
    assert normal @ (v[1] - v[0]) == pytest.approx(0.0, abs=1e-4) and normal @ (v[2] - v[0]) == pytest.approx(
        0.0, abs=1e-4
    )
    for wrong, said in (("v 0 0 0", "no faces"), ("v 0 0 0\nf 1 2 3", "names vertex 3 of 1")):
        with pytest.raises(ValueError, match=said):
            place_obj(wrong.encode(), turn, None, [])


def test_the_command(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "0")
    thing(registry / "ycb", "003_cracker_box", "google_16k")
    thing(registry / "ycb", "004_sugar_box", "clouds")
    code, out, _ = call(main, "library", "build", "--from", "ycb", "ycb")
    assert code == 0 and "1 objects made, 1 categories, in objects/ycb; 1 models left out" in out
    assert "sugar box" in out and "--objects objects/ycb" in out
    sheet = np.asarray(Image.open("objects/ycb/sheet.png"))
    assert sheet.shape == (107, 96, 3) and (sheet[..., 1] > sheet[..., 0] + 60).sum() > 300  # a green box on grey
    assert load_objects("objects/ycb", "box").identities("box") == ("ycb_003_cracker_box",)
    code, out, _ = call(main, "library", "build", "--from", "ycb", "ycb")
    assert code == 0 and "0 made, 1 there already" in out
    for words, said in (
        (["build", "--from", "shapenet"], "unknown collection 'shapenet'; known: gso, sweethome3d, ycb"),
        (["sell", "--from", "ycb"], "must be one of build"),
        (["build", "--from", "ycb", "nowhere"], "folder=nowhere: there is no such folder"),
        (["build", "--from", "ycb", "ycb", "--axes", "up=q"], "the axes of a folder are"),
        (["build", "--from", "ycb", "ycb", "--only", "cat"], "unknown category 'cat'"),
    ):
        code, out, told = call(main, "library", *words)
        assert code == 2 and said in told and len(told.strip().splitlines()) == 1, told


def test_every_collection_keeps_the_contract(tmp_path: Path) -> None:
    for name in COLLECTIONS:
        one = COLLECTIONS[name]
        assert isinstance(one.usual, tuple) and isinstance(one.apart, tuple) and type(one).__doc__
        (tmp_path / name).mkdir()
        with pytest.raises(UserError, match=name):  # the folder is named
            list(one.models(tmp_path / name))


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's sweethome3d-furniture is not installed")
def test_the_package_of_debian(tmp_path: Path) -> None:
    out = tmp_path / "o"
    done = build("sweethome3d", "", out, only="chair", most=12)
    assert len(done.made) == 12 and set(done.categories) == {"chair"}
    stated = {}
    for library in DEBIAN.glob("*.sh3f"):
        with zipfile.ZipFile(library) as archive:
            said = sweethome3d.properties(archive.read("PluginFurnitureCatalog.properties"))
        for key, model in said.items():
            if key.startswith("model#"):
                sides = (said[f"{side}{key[5:]}"] for side in ("width", "height", "depth"))
                stated[f"{library.name}: {model.lstrip('/')}"] = [float(side) / 100 for side in sides]
    behind = 0
    for one in objects(out):
        assert one["licence"] and (out / "chair" / one["name"] / "LICENSE.TXT").is_file()
        place = points(out / "chair" / f"{one['name']}.obj")
        assert one["size_m"] == pytest.approx(stated[one["from"]], abs=1e-4)
        high = place[:, 1] > np.quantile(place[:, 1], 0.75)
        behind += place[high, 2].mean() < (place[:, 2].max() + place[:, 2].min()) / 2
    assert behind >= 10  # the back of a chair is behind its seat
    mesh = load_objects(str(out), "chair").mesh("chair", done.made[0][1])
    assert len(mesh.faces) > 100
