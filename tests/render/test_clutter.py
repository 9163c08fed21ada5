"""Objects beside the target: where they may stand, what they hide, and how their datasets are read."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from mlspatial.core.columns import LISTS, columns_of
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.manifest import Manifest, recipe_id
from mlspatial.data.loader import Loader
from mlspatial.data.shards import read_columns, verify
from mlspatial.render import studio as studio_module
from mlspatial.render.assets import cached_mesh
from mlspatial.render.clutter import ClutterSample, distractor_categories, distractor_numbers
from mlspatial.render.cue import COLOR, mark
from mlspatial.render.engine import TRUTHS
from mlspatial.render.live import live_source, recipe_of
from mlspatial.render.pictures import truth_sheet
from mlspatial.render.sampling import HELDOUT_START
from mlspatial.render.solid import Cells, Solid, overlap
from mlspatial.render.studio import Recipe, Studio
from mlspatial.render.truth import decoded
from mlspatial.render.write import render_dataset

PLAIN = Recipe(40, 8, 48, 3, ("chair", "apple"), environments="procedural:meadow", encoding="png")
CROWDED = replace(PLAIN, distractors="0-3", distractor_categories=("bottle", "table"), least_visible=0.5, truth=TRUTHS)


@cache
def studio(**changes: Any) -> Studio:
    return Studio(replace(CROWDED, **changes))


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("crowded") / "set"
    return folder, render_dataset(CROWDED, folder, "crowded", workers=1)


def test_datasets_of_single_objects_keep_their_recipe() -> None:
    recipe = Studio(PLAIN).full_recipe()
    assert not {"distractors", "cue", "least_visible", "floor_contact", "truth", "distractor_identities"} & set(recipe)
    crowded = studio().full_recipe()
    assert crowded["distractors"] == "0-3" and crowded["least_visible"] == 0.5 and crowded["cue"] == "category"
    assert crowded["distractor_identities"]["table"] > 1 and crowded["truth"] == list(TRUTHS)
    assert set(crowded["identities"]) == {"chair", "apple"}


def test_the_target_stays_however_many_others_there_are() -> None:
    plain = Studio(replace(PLAIN, least_visible=0.5))
    few, many = studio(distractors="1"), studio(distractors="5")
    moved = 0
    for index in (*range(30), HELDOUT_START, HELDOUT_START + 1):
        alone, one, five = (s.sampler.draw(index) for s in (plain, few, many))
        assert isinstance(one, ClutterSample) and isinstance(five, ClutterSample)
        assert len(one.others) == 1 and len(five.others) == 5
        same = {name: value for name, value in five.columns().items() if not name.startswith("others_")}
        moved += same != alone.columns()
        assert (one.category, one.identity, one.scene) == (alone.category, alone.identity, alone.scene)
    assert moved <= 2


def test_any_order_gives_the_same_others() -> None:
    one, other = Studio(CROWDED), Studio(CROWDED)
    there = {index: one.sampler.draw(index).columns() for index in (3, 9, HELDOUT_START + 2)}
    assert there == {index: other.sampler.draw(index).columns() for index in (HELDOUT_START + 2, 9, 3)}
    numbers = [len(one.sampler.draw(i).others) for i in range(60)]  # type: ignore[union-attr]
    assert set(numbers) == {0, 1, 2, 3}


@pytest.mark.parametrize("floor", [False, True])
def test_no_object_reaches_into_another(floor: bool) -> None:
    """Points on every surface against every other's bounding box; on the floor, the lowest corners are on it."""
    made = studio(distractors="4", floor_contact=floor)
    pairs = 0
    for index in range(20):
        sample = made.sampler.draw(index)
        assert isinstance(sample, ClutterSample)
        objects = [(sample.category, sample.identity, sample.position, sample.rotation)]
        objects += [(o.category, o.identity, o.position, o.rotation) for o in sample.others]
        meshes = [cached_mesh(made.objects, o[0], o[1]).vertices * (1.0, 1.0, -1.0) for o in objects]
        for i, (_, _, position, rotation) in enumerate(objects):
            points = meshes[i] @ rotation.T + position
            assert points[:, 2].min() > 0.0 or i == 0
            for j, (_, _, place, turn) in enumerate(objects):
                if i != j:
                    low, high = meshes[j].min(axis=0), meshes[j].max(axis=0)
                    inside = (points - place) @ turn
                    assert not ((inside > low - 0.01) & (inside < high + 0.01)).all(axis=1).any()
                    pairs += 1
            world = points @ sample.camera.T + sample.camera_position
            if floor:
                assert abs(world[:, 1].min()) < 1e-6
                np.testing.assert_allclose((sample.camera @ rotation)[:, 1], [0, 1, 0], atol=1e-9)
            else:
                assert np.mean(world[:, 1] < 0) < 0.5
    assert pairs == 20 * 20


def test_boxes_against_points_in_both() -> None:
    """Two turned boxes overlap where some point is in both: points drawn in one, looked for in the other."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        half, other = rng.uniform(0.1, 0.5, (2, 3))
        turn, turned = Rotation.random(2, random_state=rng).as_matrix()
        place = rng.uniform(-0.7, 0.7, 3)
        inside = rng.uniform(-1, 1, (4000, 3)) * half @ turn.T
        both = (np.abs((inside - place) @ turned) < other).all(axis=1).any()
        told = overlap(half, np.zeros(3), turn, [(other, place, turned)])
        assert told or not both  # never a shared point that is not told
        found.append((told, both))
    told, both = np.array(found).T
    assert 0.3 < told.mean() < 0.95 and (told & ~both).mean() < 0.1  # corners that touch, and the gap between
    assert not overlap(np.ones(3) / 2, np.zeros(3), np.eye(3), [(np.ones(3) / 2, np.array([1.03, 0, 0]), np.eye(3))])
    assert overlap(np.ones(3) / 2, np.zeros(3), np.eye(3), [(np.ones(3) / 2, np.array([1.01, 0, 0]), np.eye(3))])


@pytest.mark.parametrize(("limit", "floor"), [(0.3, False), (0.7, False), (0.7, True)])
def test_as_much_of_the_target_is_seen_as_was_asked_for(limit: float, floor: bool) -> None:
    """In the pixels, within .05: what is told before drawing are points and convex outlines."""
    made = studio(distractors="3", least_visible=limit, floor_contact=floor, categories=("chair", "apple"), truth=())
    samples = [made.sampler.draw(index) for index in range(120)]
    visible = made.draw(samples).visible
    assert visible.min() > limit - 0.05
    assert (visible < 0.97).mean() > 0.15  # and others do hide, or the border cuts
    free = studio(distractors="3", least_visible=0.1, floor_contact=floor, truth=())
    assert free.draw([free.sampler.draw(index) for index in range(120)]).visible.min() < 0.5


def test_what_an_outline_hides() -> None:
    """A cube of 1 m at 3 m; a plate before its right half hides half of it, one behind it nothing."""
    import trimesh

    from tests.render.scenery import mesh_of

    cube = Solid.of(mesh_of(trimesh.creation.box(extents=(1, 1, 1))))
    plate = Solid.of(mesh_of(trimesh.creation.box(extents=(1, 1, 0.01))))
    np.testing.assert_allclose(cube.half, 0.5, atol=1e-6)
    assert len(cube.hull) == 8
    cells = Cells.of(cube, np.array([0.0, 0.0, 3.0]), np.eye(3))
    edge = 0.5 / 2.5  # its front, at distance 1
    np.testing.assert_allclose([cells.place.min(), cells.place.max()], [-edge, edge], atol=0.02)
    hidden = cells.behind(plate, np.array([0.5, 0.0, 2.0]), np.eye(3))
    assert hidden.mean() == pytest.approx(0.5, abs=0.03) and (cells.place[hidden, 0] > 0).all()
    assert not cells.behind(plate, np.array([0.0, 0.0, 4.0]), np.eye(3)).any()
    with pytest.raises(ValueError, match="behind the camera"):
        cells.behind(cube, np.array([0.0, 0.0, 0.4]), np.eye(3))
    assert cells.in_picture(0.1).mean() == pytest.approx(0.25, abs=0.05)


def test_a_limit_that_cannot_be_met_names_the_tries() -> None:
    """Five tables before a chair that must be seen whole, in a room."""
    made = Studio(
        replace(CROWDED, distractors="5", distractor_categories=("table",), environments="procedural:living_room")
    )
    made.sampler.least_visible = 1.2  # type: ignore[union-attr]
    made.sampler.base.draw = lambda index, again=0: _near(made, index)  # type: ignore[union-attr,method-assign]
    with pytest.raises(
        UserError, match=r"held-out image 7: distractors=5 find no place beside \S+ in scene living_room"
    ):
        made.sampler.draw(HELDOUT_START + 7)
    with pytest.raises(UserError, match=r"in 2400 tries; take fewer distractors or a lower least_visible"):
        made.check()


def _near(made: Studio, index: int) -> Any:
    """A target .9 m before the camera, which stands against the ceiling."""
    sample = Studio(replace(PLAIN, environments="procedural:living_room")).sampler.draw(index)
    camera = Rotation.from_euler("X", -89, degrees=True).as_matrix()
    return replace(sample, camera=camera, position=np.array([0, 0, 0.9]), camera_position=np.array([0, 2.5, 0]))


def test_shards_hold_lists_and_truth(crowded: tuple[Path, Manifest]) -> None:
    folder, manifest = crowded
    table = pq.read_table(folder / "train" / "part-00000.parquet")
    assert {column.name for column in columns_of(manifest.recipe)} == set(table.column_names) == set(manifest.columns)
    for name, kind in LISTS.items():
        assert str(table.schema.field(name).type).startswith("list<")
        assert str(table.schema.field(name).type.value_type) == ("string" if kind == "list of string" else "float")
    rows = table.to_pylist()
    lengths = [len(row["others_x"]) for row in rows]
    assert set(lengths) == {0, 1, 2, 3}
    assert all(len(row[name]) == n for row, n in zip(rows, lengths, strict=True) for name in LISTS)
    assert {name for row in rows for name in row["others_category"]} == {"bottle", "table"}
    assert manifest.schema["category"].categories == ("chair", "apple")
    for row in rows:
        told = {name: decoded(name, row[name]) for name in TRUTHS}
        assert told["instances"].max() <= 1 + len(row["others_x"])
        seen = told["instances"] == 1
        assert (told["amodal"] | ~seen).all()
        if row["visible"] == 1.0:
            np.testing.assert_array_equal(told["amodal"], seen)
        for k, (x, y, z) in enumerate(zip(row["others_x"], row["others_y"], row["others_z"], strict=True)):
            mine = told["instances"] == k + 2
            if mine.sum() > 20:  # where the columns say, as far as it is in the picture
                down, right = np.argwhere(mine).mean(axis=0)
                focal = 24 / np.tan(np.radians(30))
                assert np.hypot(24 + focal * x / z - right, 24 - focal * y / z - down) < 0.9 * focal / z
                assert abs(np.median(told["depth"][mine]) - z) < 0.9
    assert verify(folder).dataset_id == manifest.dataset_id
    assert truth_sheet(folder, manifest).size[0] > 1000


def test_workers_and_a_second_time_change_nothing(crowded: tuple[Path, Manifest], tmp_path: Path) -> None:
    folder, manifest = crowded
    assert render_dataset(CROWDED, folder, "crowded").dataset_id == manifest.dataset_id
    assert render_dataset(CROWDED, tmp_path / "again", "crowded", workers=2).dataset_id == manifest.dataset_id


def test_loader_and_live_images_are_the_stored_ones(crowded: tuple[Path, Manifest]) -> None:
    folder, manifest = crowded
    names = ("x", "z", "category")
    (whole,) = Loader(folder, manifest, "train", columns=names, batch_size=40).once()
    assert recipe_of(manifest) == replace(CROWDED, truth=())  # what is told of pixels, live images do not have
    batches = live_source(manifest, columns=names, batch_size=8, workers=0).endless()
    for k, batch in enumerate(islice(batches, 2)):
        np.testing.assert_array_equal(batch.images, whole.images[8 * k : 8 * k + 8])
        np.testing.assert_array_equal(batch.columns["x"], whole.columns["x"][8 * k : 8 * k + 8])
    batches.close()  # type: ignore[attr-defined]
    assert read_columns(folder, manifest, "heldout", ["others_x"])["others_x"].shape == (8,)


def test_pandas_reads_it(crowded: tuple[Path, Manifest]) -> None:
    folder, _ = crowded
    file = folder / "train" / "part-00000.parquet"
    truth = pq.read_table(file).to_pylist()
    table = pytest.importorskip("pandas").read_parquet(file)
    assert [list(v) for v in table["others_category"]] == [row["others_category"] for row in truth]
    depth = np.asarray(Image.open(io.BytesIO(table["depth"].iloc[0])))
    np.testing.assert_array_equal(depth > 0, np.isfinite(decoded("depth", truth[0]["depth"])))


def test_polars_reads_it(crowded: tuple[Path, Manifest]) -> None:
    file = crowded[0] / "train" / "part-00000.parquet"
    truth = pq.read_table(file).to_pylist()
    polars = pytest.importorskip("polars").read_parquet(file)
    assert polars["others_x"].to_list() == [row["others_x"] for row in truth]


def test_duckdb_reads_it(crowded: tuple[Path, Manifest]) -> None:
    file = crowded[0] / "train" / "part-00000.parquet"
    truth = pq.read_table(file).to_pylist()
    found = pytest.importorskip("duckdb").sql(f"select sum(len(others_x)) from '{file}'").fetchall()
    assert found == [(sum(len(row["others_x"]) for row in truth),)]


def test_datasets_reads_it(crowded: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    rows = datasets.load_dataset(str(crowded[0]))["train"]
    truth = pq.read_table(crowded[0] / "train" / "part-00000.parquet").to_pylist()
    assert rows["others_identity"][:] == [row["others_identity"] for row in truth]
    np.testing.assert_array_equal(np.asarray(rows[0]["instances"]), decoded("instances", truth[0]["instances"]))
    assert np.asarray(rows[0]["depth"]).max() > 255  # millimetres, 16 bits


def test_cues_mark_the_seen_target() -> None:
    images = np.zeros((3, 60, 60, 3), np.uint8)
    instances = np.zeros((3, 60, 60), np.uint8)
    instances[0, 10:30, 20:50] = 1
    instances[0, 15:20, 30:35] = 2  # hides a part
    instances[1, :, 40:] = 1  # leaves the picture
    outlined, dotted = images.copy(), images.copy()
    mark(outlined, instances, "outline")
    mark(dotted, instances, "dot")
    lines = (outlined == COLOR).all(axis=-1)
    assert not lines[instances != 1].any() and lines[0, 10, 25] and lines[0, 14, 32] and not lines[0, 12, 22]
    assert lines[1, :, 40].all() and not lines[1, :, 42:].any()  # no line along the picture's border
    dots = (dotted == COLOR).all(axis=-1)
    assert [int(n) for n in dots.sum(axis=(1, 2))] == [9, 9, 0]
    assert np.argwhere(dots[1]).mean(axis=0) == pytest.approx([29.5, 49.5], abs=0.51)
    marked, plain = studio(cue="dot", distractors="2"), studio(distractors="2")
    samples = [plain.sampler.draw(index) for index in range(6)]
    shown = [made.render(made.scenes(samples)) for made in (marked, plain)]
    differ = (shown[0].images != shown[1].images).any(axis=-1)
    assert (differ.sum(axis=(1, 2)) <= 13).all() and differ.any(axis=(1, 2)).all()
    assert list(shown[0].truth) == list(TRUTHS)


def test_categories_of_the_others() -> None:
    library = ("chair", "cup", "table", "book")
    assert distractor_categories((), ("chair",), library, "category") == ("cup", "table", "book")
    assert distractor_categories(("book",), ("chair",), library, "category") == ("book",)
    assert distractor_categories((), ("chair", "cup"), library, "dot") == ("chair", "cup")
    assert distractor_categories(("chair",), ("chair",), library, "outline") == ("chair",)
    with pytest.raises(BadValue, match=r"categories=4: takes all categories .* cue=outline or dot"):
        distractor_categories((), library, library, "category")
    with pytest.raises(BadValue, match="distractor_categories=chair: is a category of targets"):
        distractor_categories(("chair",), ("chair",), library, "category")


@pytest.mark.parametrize("text", ["6", "-1", "3-2", "0-9", "two", "", "1-2-3"])
def test_numbers_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(BadValue, match=r"distractors=.*0"):
        distractor_numbers(text)
    assert distractor_numbers("0-5") == (0, 5) and distractor_numbers(" 2 ") == (2, 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cue": "star"}, "cue=star: must be one of category, outline, dot"),
        ({"least_visible": 0.99}, "least_visible=0.99: must be a share from 0 to 0.95"),
        ({"truth": ("normals",)}, "truth=normals: must be of depth, instances, amodal"),
        ({"distractor_categories": ()}, "distractors=0-3: needs distractor_categories"),
        ({"design": "x"}, "distractors=0-3: has no meaning with a design"),
    ],
)
def test_recipes_that_cannot_be_meant(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadValue, match=said):
        replace(CROWDED, **changes).check()


def test_a_renderer_that_cannot_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Simple:
        name, version = "simple", "1"

    class Telling(Simple):
        draws_others, tells = True, frozenset({"depth"})

    monkeypatch.setattr(studio_module, "renderer_class", lambda name: Simple)
    for changes, said in (
        ({"truth": ()}, "renderer=warp: draws one object an image; take distractors=0"),
        ({"distractors": "0"}, "renderer=warp: tells nothing beside the picture; leave depth out of truth"),
        ({"distractors": "0", "truth": (), "cue": "dot"}, "renderer=warp: does not tell where .* cue=dot"),
    ):
        with pytest.raises(BadValue, match=said):
            Studio(replace(CROWDED, **changes))
    monkeypatch.setattr(studio_module, "renderer_class", lambda name: Telling)
    with pytest.raises(BadValue, match="tells depth alone; leave instances out of truth"):
        Studio(CROWDED)


def test_the_command_says_which_parameter_is_wrong() -> None:
    from mlspatial.steps.render import _beside

    library = ("chair", "cup", "table")
    assert _beside("0", "", ("chair",), library, "category") == ()
    assert _beside("0-2", "", ("chair",), library, "category") == ("cup", "table")
    assert _beside("2", "table", ("chair",), library, "dot") == ("table",)
    with pytest.raises(BadValue, match="distractor_categories=9: there are 3"):
        _beside("1", "9", ("chair",), library, "category")
    with pytest.raises(UserError, match="unknown category 'sofa'"):
        _beside("1", "sofa", ("chair",), library, "category")


def test_what_means_the_same_has_one_name() -> None:
    """0-0 is 0, 2-2 is 2, and truths have one order: the same pictures, the same dataset."""
    for text, name in (("0-0", "0"), ("00", "0"), ("2-2", "2"), (" 1-3 ", "1-3")):
        assert replace(PLAIN, distractors=text).distractors == name
    both = [replace(PLAIN, truth=names) for names in (("amodal", "depth"), ("depth", "amodal"))]
    assert recipe_id(Studio(both[0]).full_recipe()) == recipe_id(Studio(both[1]).full_recipe())
    none = Studio(replace(PLAIN, distractors="0-0")).full_recipe()
    assert recipe_id(none) == recipe_id(Studio(PLAIN).full_recipe())
    assert not [column.name for column in columns_of(none) if column.name.startswith("others_")]
    with pytest.raises(BadValue, match="least-most such as"):
        replace(PLAIN, distractors="many").check()
