"""Collections that are damaged, hostile or double, and folders of objects that were touched since they were built."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlspatial.cli import main
from mlspatial.core.errors import UserError
from mlspatial.render.collect.base import Files
from mlspatial.render.collect.build import INDEX, build
from mlspatial.render.collect.origin import objects
from tests.render.libraries import entry, furniture_in, scanned, texture, thing, wedge
from tests.test_entrypoints import call

LIST = "PluginFurnitureCatalog.properties"


def tree(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_members_that_lie_outside_are_no_files(tmp_path: Path) -> None:
    target = tmp_path / "escaped"
    outside = [f"{target}/x.png", "../x.png", "a/../../x.png", "\\x.png", "..\\x.png", "C:\\x.png", "c:/x.png", "//h/x"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (*outside, "a/inside.png"):
            archive.writestr(name, b"x")
    files = Files(tmp_path / "a.zip")
    assert files.names() == ["a/inside.png"] and "a/inside.png" in files
    for name in outside:
        assert name not in files
        with pytest.raises(UserError, match="cannot be read"):
            files.read(name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.obj").write_text("v 0 0 0")
    folder = Files(tmp_path / "folder")
    assert "../secret.obj" not in folder and str(tmp_path / "secret.obj") not in folder
    assert folder.names("..") == folder.names("/") == []


def test_a_zip_cannot_write_beside_the_objects(tmp_path: Path) -> None:
    target = tmp_path / "escaped"
    packed = scanned(tmp_path / "other", "SHOE")
    (tmp_path / "gso").mkdir()
    with zipfile.ZipFile(tmp_path / "gso" / "SHOE.zip", "w") as archive:
        for file in packed.rglob("*"):
            archive.write(file, file.relative_to(packed))
        archive.writestr(f"{target}/materials/textures/evil.png", b"evil")
        archive.writestr(f"{target}/evil.txt", b"evil")
    done = build("gso", str(tmp_path / "gso"), tmp_path / "o")
    assert done.made == [("shoe", "gso_SHOE")] and not target.exists()


@pytest.mark.parametrize("written", ["{}", "../../../../../../../../../../..{}"])
def test_files_outside_of_a_collection_are_not_copied(tmp_path: Path, written: str) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "private.mtl").write_text("newmtl a\nKd 1 0 0\n")
    texture(mine / "private.png", (200, 0, 0))
    for name, text in (("ONE", ""), ("TWO", "newmtl a\r\nKd 0 0 1\r\nmap_Kd -s 1 1 {}\r\nillum 2\r\n")):
        place = scanned(tmp_path / "gso", name)
        if text:
            (place / "meshes/model.mtl").write_text(text.format(written.format(mine / "private.png")))
        else:
            head = f"mtllib {written.format(mine / 'private.mtl')}"
            (place / "meshes/model.obj").write_text(wedge("-y", "z", head=head))
    out = tmp_path / "o"
    done = build("gso", str(tmp_path / "gso"), out)
    assert len(done.made) == 2
    files = tree(out)
    assert not [name for name in files if "private" in name]
    assert files["shoe/gso_TWO/model.mtl"].split() == b"newmtl a Kd 0 0 1 illum 2".split()  # and nothing looks there
    said = dict(done.remarks)
    assert "private.mtl" in said["gso_ONE"] and "private.png" in said["gso_TWO"]
    assert all("is not taken: it lies outside" in said[name] for name in ("gso_ONE", "gso_TWO"))
    assert not [text for name, text in files.items() if str(mine).encode() in text]


@pytest.mark.parametrize("damage", ["texture gone", "materials empty", "licence gone", "texture other"])
def test_every_file_of_an_object_counts(tmp_path: Path, damage: str) -> None:
    scanned(tmp_path / "gso", "SHOE")
    out = tmp_path / "o"
    build("gso", str(tmp_path / "gso"), out)
    whole, beside = tree(out), out / "shoe" / "gso_SHOE"
    assert build("gso", str(tmp_path / "gso"), out).kept == [("shoe", "gso_SHOE")]
    name = {"texture": "texture.png", "materials": "model.mtl", "licence": "metadata.pbtxt"}[damage.split()[0]]
    if damage.endswith("gone"):
        (beside / name).unlink()
    else:
        (beside / name).write_bytes(b"" if damage.endswith("empty") else whole[f"shoe/gso_SHOE/{name}"][:-1])
    assert build("gso", str(tmp_path / "gso"), out).made == [("shoe", "gso_SHOE")]
    assert tree(out) == whole


KINDS = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}


@pytest.mark.parametrize("kind", KINDS)
def test_a_corrupt_member_is_a_model_left_out(tmp_path: Path, kind: str) -> None:
    packed = scanned(tmp_path / "other", "SHOE")
    folder = tmp_path / "gso"
    scanned(folder, "GOOD")
    file = folder / "TORN.zip"
    with zipfile.ZipFile(file, "w", KINDS[kind]) as archive:
        for one in sorted(packed.rglob("*")):
            archive.write(one, one.relative_to(packed))
        start = archive.getinfo("meshes/model.obj").header_offset + 30 + len("meshes/model.obj")
        length = archive.getinfo("meshes/model.obj").compress_size
    right = file.read_bytes()
    seen = set()
    random = np.random.default_rng(0)
    for first in (0, 4, 9, *random.integers(0, length - 8, 7)):
        bytes_ = random.integers(0, 256, 8, dtype=np.uint8).tobytes()
        file.write_bytes(right[: start + first] + bytes_ + right[start + first + 8 :])
        out = tmp_path / "o"
        done = build("gso", str(folder), out)
        assert ("shoe", "gso_GOOD") in [*done.made, *done.kept]
        ((title, reason),) = done.left_out
        assert title == "Big Shoe" and "meshes/model.obj cannot be read" in reason
        seen.add(reason.split("(")[1].split(":")[0])
    assert seen & {"error", "EOFError", "LZMAError", "OSError"}, seen  # not only checksums


def test_a_torn_directory_of_an_archive_is_named(tmp_path: Path) -> None:
    packed = scanned(tmp_path / "other", "SHOE")
    folder = tmp_path / "gso"
    scanned(folder, "GOOD")
    file = folder / "TORN.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(packed.rglob("*")):
            archive.write(one, one.relative_to(packed))
        start = archive.start_dir
    right = file.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(150):  # whatever is in it: words, never a traceback
        torn = bytearray(right)
        for place in random.integers(start, len(right), 3):
            torn[place] = random.integers(256)
        file.write_bytes(bytes(torn))
        try:
            files = Files(file)
        except UserError:
            continue
        for name in files.names():
            try:
                files.read(name)
            except UserError:
                continue


def unpacked(folder: Path, *entries: str) -> Path:
    folder.mkdir(parents=True)
    (folder / LIST).write_text("".join(entries))
    (folder / "good").mkdir()
    (folder / "good" / "good.obj").write_text(wedge("z", "y"))
    return folder


def test_models_that_a_catalogue_looks_for_in_odd_places(tmp_path: Path) -> None:
    (tmp_path / "x.obj").write_text(wedge("z", "y"))
    sizes = (10, 10, 10)
    folder = unpacked(
        tmp_path / "library",
        entry(1, "Up", "/../x.obj", *sizes),
        entry(2, "Around", "/good/../../x.obj", *sizes),
        entry(3, "Hidden", "/.hidden/x.obj", *sizes),
        entry(4, "Long", f"/{'x' * 300}.obj", *sizes),
        entry(5, "Good", "/good/good.obj", *sizes),
    )
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.obj").write_text(wedge("z", "y"))
    done = build("sweethome3d", str(folder), tmp_path / "o")
    assert ("good", "library_good") in done.made
    reasons = dict(done.left_out)
    for title in ("Up", "Around", "Long"):
        assert "is not in library" in reasons[title]


def test_a_file_where_a_folder_should_be_is_a_model_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "libraries"
    folder.mkdir()
    with zipfile.ZipFile(folder / "odd.sh3f", "w") as archive:
        archive.writestr(LIST, entry(1, "Odd", "/a/a.obj", 1, 1, 1) + entry(2, "Good", "/b/b.obj", 1, 1, 1)
                         + entry(3, "Wide", "/c/c.obj", 1, 1, 1))  # fmt: skip
        for name in ("a/a.obj", "b/b.obj", "c/c.obj"):
            archive.writestr(name, wedge("z", "y"))
        archive.writestr("a/b", b"a file")
        archive.writestr("a/b/c", b"in a file")
        archive.writestr(f"c/{'x' * 300}.png", b"a name that no disk takes")
    done = build("sweethome3d", str(folder), tmp_path / "o")
    assert done.made == [("good", "odd_b")] and {title for title, _ in done.left_out} == {"Odd", "Wide"}


@pytest.mark.parametrize("damage", ["{", "[]", "3", '{"key": 1}', '"text"', "\xff"])
def test_a_damaged_origin_of_another_object_is_ignored(tmp_path: Path, damage: str) -> None:
    scanned(tmp_path / "gso", "ONE")
    scanned(tmp_path / "gso", "TWO")
    out = tmp_path / "o"
    build("gso", str(tmp_path / "gso"), out)
    (out / "shoe/gso_ONE/origin.json").write_bytes(damage.encode("latin-1"))
    done = build("gso", str(tmp_path / "gso"), out, only="gso_TWO")
    assert done.kept == [("shoe", "gso_TWO")] and [one["name"] for one in objects(out)] == ["gso_TWO"]
    assert build("gso", str(tmp_path / "gso"), out).made == [("shoe", "gso_ONE")]


def test_one_folder_has_one_front(tmp_path: Path) -> None:
    gso, out = tmp_path / "gso", tmp_path / "o"
    for name in ("ONE", "TWO"):
        scanned(gso, name)
    build("gso", str(gso), out)
    before = tree(out)
    for only in ("all", "gso_TWO"):
        with pytest.raises(UserError, match=r"out=.*shoe/gso_ONE.*up=z,front=-y.*up=z,front=x.*another --out") as told:
            build("gso", str(gso), out, axes="up=z,front=x", only=only)
        assert len(str(told.value).splitlines()) == 1 and tree(out) == before
    assert len(build("gso", str(gso), out, axes="up=+z,front=-y").left_out) == 0  # the same, in other words
    thing(tmp_path / "ycb", "024_bowl", "")
    assert len(build("ycb", str(tmp_path / "ycb"), out, axes="up=z,front=x").made) == 1  # axes are of a collection
    other = tmp_path / "other"
    build("gso", str(gso), other, axes="up=z,front=x", only="gso_ONE")
    with pytest.raises(UserError, match=r"shoe/gso_ONE.*up=z,front=x"):
        build("gso", str(gso), other)


def test_one_folder_has_the_rules_of_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gso, out = tmp_path / "gso", tmp_path / "o"
    for name in ("ONE", "TWO"):
        scanned(gso, name)
    build("gso", str(gso), out)
    before = tree(out)
    monkeypatch.setattr("mlspatial.render.collect.build.VERSION", 1000)
    with pytest.raises(UserError, match=r"shoe/gso_ONE.*earlier rules.*another --out"):
        build("gso", str(gso), out, only="gso_TWO")  # the other one would stay as it was
    assert tree(out) == before
    assert len(build("gso", str(gso), out, most=1).made) == 1
    assert [one["version"] for one in objects(out)] == [1000]


def test_categories_that_are_too_small_go(tmp_path: Path) -> None:
    gso, out = tmp_path / "gso", tmp_path / "o"
    for name in ("ONE", "TWO", "THREE"):
        scanned(gso, name)
    build("gso", str(gso), out)
    with pytest.raises(UserError, match="none of its models could be taken"):
        build("gso", str(gso), out, least=5)
    assert sorted(tree(out)) == [INDEX] and json.loads((out / INDEX).read_text())["objects"] == []


def test_the_second_of_a_name_is_left_out(tmp_path: Path) -> None:
    gso, out = tmp_path / "gso", tmp_path / "o"
    place = scanned(gso, "SHOE")
    with zipfile.ZipFile(gso / "SHOE.zip", "w") as archive:
        for file in place.rglob("*"):
            archive.write(file, file.relative_to(place))
        archive.writestr("more.txt", b"so that its files are others")
    done = build("gso", str(gso), out)
    assert done.made == [("shoe", "gso_SHOE")]
    ((title, reason),) = done.left_out
    assert title == "Big Shoe" and "gso_SHOE" in reason and "SHOE.zip" in reason
    done = build("gso", str(gso), out)
    assert done.made == [] and done.kept == [("shoe", "gso_SHOE")]
    with pytest.raises(UserError, match="none of its models"):  # one thing, not two
        build("gso", str(gso), tmp_path / "two", least=2)
    shutil.rmtree(place)
    assert len(build("gso", str(gso), out).made) == 1


def test_what_cannot_be_read_is_told_whatever_is_asked_for(tmp_path: Path) -> None:
    gso = tmp_path / "gso"
    scanned(gso, "SHOE")
    (gso / "TORN.zip").write_bytes(b"nothing")
    done = build("gso", str(gso), tmp_path / "o", only="Shoe")
    ((title, reason),) = done.left_out
    assert title == "TORN.zip" and "cannot be read as a zip file" in reason
    furniture = furniture_in(tmp_path)
    (furniture / "torn.sh3f").write_bytes(b"nothing")
    done = build("sweethome3d", str(furniture), tmp_path / "f", only="chair")
    assert [title for title, _ in done.left_out] == ["torn.sh3f"]
    shutil.rmtree(gso / "SHOE")
    with pytest.raises(UserError, match=r"none of its models could be taken \(first: TORN.zip"):
        build("gso", str(gso), tmp_path / "o", only="Shoe")


@pytest.mark.parametrize("axes", ["up=q", "up=z", "sideways=x"])
def test_wrong_axes_are_called_axes(tmp_path: Path, axes: str) -> None:
    scanned(tmp_path / "gso", "SHOE")
    code, _, told = call(main, "library", "build", "--from", "gso", str(tmp_path / "gso"), "--axes", axes,
                         "--out", str(tmp_path / "o"))  # fmt: skip
    assert code == 2 and f"axes={axes}: " in told and "objects=" not in told and not (tmp_path / "o").exists()
