"""Whole datasets through ThreeDWorld's protocol, drawn by a stand-in for its build; latents and pixels are ours."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("tdw", reason="ThreeDWorld's package is not installed (requirements-tdw.txt)")

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import verify
from mlspatial.render.engine import SceneBatch
from mlspatial.render.live import live_source, recipe_of
from mlspatial.render.sampling import HELDOUT_START, MOST_HIDDEN
from mlspatial.render.studio import Studio
from mlspatial.render.tdw import answers
from mlspatial.render.tdw.build import Build, Settings
from mlspatial.render.write import render_dataset
from tests.render.builds import SIZE, ours, program, recipe, served
from tests.render.standin import PAIRS, World, model_name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Studio, list[str]]:
    """A dataset of 24 and 8 images, its studio, and what the build was told."""
    folder = tmp_path_factory.mktemp("tdw")
    with pytest.MonkeyPatch.context() as patch, served(World(), patch) as standin:
        render_dataset(recipe(folder), folder / "set", "set")
        assert standin.errors == []
        return folder, Studio(recipe(folder)), standin.told


def rows(folder: Path, split: str) -> list[dict]:
    return pq.read_table(folder / "set" / split / "part-00000.parquet").to_pylist()


def pixels(row: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")).astype(int)


def test_latents_are_those_of_the_sampler_and_pixels_those_of_our_engine(
    made: tuple[Path, Studio, list[str]],
) -> None:
    folder, studio, _ = made
    verify(folder / "set")
    for split, start in (("train", 0), ("heldout", HELDOUT_START)):
        stored = rows(folder, split)
        samples = [studio.sampler.draw(start + index) for index in range(len(stored))]
        for row, sample in zip(stored, samples, strict=True):
            for name, value in sample.columns().items():
                assert row[name] == (pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value)
        engine, batch = ours(World(), samples)
        drawn = engine.render(batch)
        found = np.stack([pixels(row) for row in stored])
        assert np.mean(np.abs(found - drawn.images).max(axis=-1) > 2) < 1e-4
        visible = np.array([row["visible"] for row in stored])
        np.testing.assert_allclose(visible, drawn.visible, atol=0.02)
        assert (visible[drawn.visible == 1.0] == 1.0).all() and (visible < 0.9).any()


def test_objects_are_where_the_latents_say(made: tuple[Path, Studio, list[str]]) -> None:
    """The silhouette's rectangle against that of the mesh's vertices, projected by position and rotation alone."""
    folder, studio, _ = made
    world, checked = World(), 0
    names = [model_name(identity) for _, identity in PAIRS]
    masks: list[np.ndarray] = []

    def instances(*given: Any) -> np.ndarray:
        masks.append(read(*given))
        return masks[-1]

    read = answers.instances
    with pytest.MonkeyPatch.context() as patch, served(world, patch):
        patch.setattr(answers, "instances", instances)
        samples = [studio.sampler.draw(index) for index in range(24)]
        engine = Studio(recipe(folder)).renderer
        scenes = studio.scenes(samples)
        for i, sample in enumerate(samples):
            masks.clear()
            if engine.render(_one(scenes, i)).visible[0] < 1.0:
                continue
            vertices = np.asarray(world.meshes[names.index(sample.identity)].vertices, np.float64) * (1, 1, -1)
            at = vertices @ sample.rotation.T + sample.position
            focal = SIZE / 2 / np.tan(np.radians(30))
            right, down = SIZE / 2 + focal * at[:, 0] / at[:, 2], SIZE / 2 - focal * at[:, 1] / at[:, 2]
            lines, columns = np.nonzero(masks[0])  # of the picture itself
            ends = [columns.min(), columns.max() + 1, lines.min(), lines.max() + 1]
            np.testing.assert_allclose(ends, [right.min(), right.max(), down.min(), down.max()], atol=1.0)
            checked += 1
    assert checked > 10


def _one(scenes: SceneBatch, i: int) -> SceneBatch:
    given = {name: None if values is None else values[[i]] for name, values in vars(scenes).items()
             if name not in ("scale", "others")}  # fmt: skip
    return SceneBatch(**given, scale=scenes.scale)


def test_what_does_not_change_is_not_said_again(made: tuple[Path, Studio, list[str]]) -> None:
    """Scenes are loaded once a batch; a model that stays is only moved."""
    told = made[2]
    assert told.count("add_scene") <= 2 * 2  # two scenes, two splits
    assert told.count("add_object") <= 32 < told.count("teleport_object")
    assert told.count("create_avatar") == told.count("add_scene")


def test_the_manifest_names_versions_and_libraries(made: tuple[Path, Studio, list[str]]) -> None:
    from importlib.metadata import version

    folder, _, _ = made
    stored = Manifest.load(folder / "set").recipe
    assert stored["renderer"] == {"name": "tdw", "version": f"1-tdw-{version('tdw')}"}
    assert stored["objects"]["name"] == stored["environments"]["name"] == "tdw"
    assert stored["scenes"] == ["tdw_room", "ruin"]
    again = recipe_of(Manifest.load(folder / "set"))
    assert (again.objects, again.environments, again.renderer) == ("tdw", "tdw:tdw_room,ruin", "tdw")


def test_a_part_of_a_dataset_is_the_whole_ones(made: tuple[Path, Studio, list[str]], monkeypatch) -> None:
    """One image does not depend on those that were drawn before it."""
    folder, studio, _ = made
    with served(World(), monkeypatch) as standin:
        drawn = Studio(recipe(folder)).draw([studio.sampler.draw(17), studio.sampler.draw(3)])
        assert standin.errors == []
    stored = rows(folder, "train")
    np.testing.assert_array_equal(drawn.images, [pixels(stored[17]), pixels(stored[3])])
    np.testing.assert_array_equal(drawn.visible, np.float32([stored[17]["visible"], stored[3]["visible"]]))


def test_hidden_objects_are_placed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall hides the left third of every picture: what is drawn is the first placement of which less than 30 % is
    behind it, and `visible` counts what is not."""
    folder = tmp_path
    plain = Studio(recipe(folder))
    with served(World(wall=1 / 3), monkeypatch) as standin:
        samples = [plain.sampler.draw(index) for index in range(12)]
        first = [sample.position.copy() for sample in samples]
        drawn = (studio := Studio(recipe(folder))).draw(samples)
        hidden = studio.renderer.render(studio.scenes(samples)).hidden
        assert standin.errors == []
    moved = [index for index, sample in enumerate(samples) if not np.array_equal(sample.position, first[index])]
    assert 0 < len(moved) < 12 and (hidden < MOST_HIDDEN).all() and (hidden > 0).any()
    for index in moved:
        tries = [plain.sampler.draw(index, again) for again in range(12)]
        assert any(np.array_equal(one.position, samples[index].position) for one in tries)
        assert samples[index].identity == tries[0].identity and samples[index].scene == tries[0].scene
    assert (drawn.images[0][:, : SIZE // 3] == 90).all()
    engine, batch = ours(World(), samples)
    unhidden = engine.render(batch).visible
    np.testing.assert_allclose(drawn.visible, unhidden * (1 - hidden), atol=0.03)


CROWD = {"distractors": "2-3", "distractor_categories": ("teakettle",), "truth": ("depth", "instances", "amodal")}


def test_several_objects_and_the_truth_of_each_pixel_are_our_engine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets are chairs and hammers, beside them kettles: as our engine draws them, in every pixel."""
    crowd = recipe(tmp_path, categories=("chair", "hammer"), least_visible=0.4, n_train=6, **CROWD)
    with served(World(), monkeypatch) as standin:
        studio = Studio(crowd)
        samples = [studio.sampler.draw(index) for index in range(6)]
        drawn = studio.draw(samples)
        assert standin.errors == []
    engine, batch = ours(World(), samples)
    expected = engine.render(batch, frozenset(CROWD["truth"]))
    assert np.mean(np.abs(drawn.images.astype(int) - expected.images).max(axis=-1) > 2) < 1e-4
    np.testing.assert_allclose(drawn.visible, expected.visible, atol=0.02)
    assert (drawn.visible >= 0.35).all()
    assert (drawn.visible < 0.95).any() and (drawn.hidden == 0.0).all()  # others hide, the scene does not
    for name in ("instances", "amodal"):
        assert np.mean(drawn.truth[name] != expected.truth[name]) < 1e-4, name
    assert {int(one) for one in np.unique(drawn.truth["instances"])} >= {0, 1, 2, 3}
    there = np.isfinite(expected.truth["depth"])
    assert np.mean(np.isfinite(drawn.truth["depth"]) != there) < 1e-4
    both = there & np.isfinite(drawn.truth["depth"])
    np.testing.assert_allclose(drawn.truth["depth"][both], expected.truth["depth"][both], atol=1e-3)


def test_what_others_hide_is_no_reason_to_place_a_target_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall hides a third: `hidden` is its share of what the others leave, `visible` counts both."""
    crowd = recipe(tmp_path, categories=("chair", "hammer"), n_train=6, **(CROWD | {"truth": ()}))
    with served(World(wall=1 / 3), monkeypatch) as standin:
        studio = Studio(crowd)
        drawn = studio.draw(samples := [studio.sampler.draw(index) for index in range(6)])
        assert standin.errors == [] and (drawn.hidden < MOST_HIDDEN).all()
    engine, batch = ours(World(), samples)
    unwalled = engine.render(batch).visible
    np.testing.assert_allclose(drawn.visible, unwalled * (1 - drawn.hidden), atol=0.03)


def test_live_images_are_the_datasets(made: tuple[Path, Studio, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, _ = made
    manifest = Manifest.load(folder / "set")
    with served(World(), monkeypatch):
        source = live_source(
            manifest, columns=("x", "category"), batch_size=6, workers=0, objects=f"tdw:{folder}/models.json"
        )
        batch = next(source.endless())
    np.testing.assert_array_equal(batch.images, [pixels(row) for row in rows(folder, "train")[:6]])


@pytest.mark.slow
def test_a_build_that_dies_is_started_again_and_the_shard_goes_on(
    made: tuple[Path, Studio, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    folder, _, _ = made
    program(tmp_path, World(fault="die", at=21), monkeypatch)
    manifest = render_dataset(recipe(folder), tmp_path / "set", "set")
    assert (tmp_path / "played").exists() and (tmp_path / "build.log").read_text() == ""
    assert manifest.dataset_id == Manifest.load(folder / "set").dataset_id
    assert "the build has ended with code 1; starting it again" in capsys.readouterr().err


@pytest.mark.slow
def test_two_builds_make_the_dataset_of_one(
    made: tuple[Path, Studio, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, each with a build and a port of its own."""
    folder, _, _ = made
    program(tmp_path, World(), monkeypatch)
    manifest = render_dataset(recipe(folder), tmp_path / "set", "set", workers=2)
    assert manifest.dataset_id == Manifest.load(folder / "set").dataset_id
    assert (tmp_path / "build.log").read_text() == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objects": "procedural"}, "objects=procedural: renderer=tdw cannot draw that; take objects=tdw"),
        ({"environments": "procedural"}, "renderer=tdw cannot draw that; take environments=tdw"),
        ({"renderer": "warp"}, "renderer=warp cannot draw that; take renderer=tdw"),
        ({"environments": "tdw:ruins"}, "unknown scene of ThreeDWorld 'ruins'; did you mean ruin?"),
        ({"environments": "tdw:ruin,ruin"}, "name each scene once"),
        ({"objects": "tdw:nowhere.json"}, "nowhere.json cannot be read"),
    ],
)
def test_pairs_that_cannot_be_are_refused(tmp_path: Path, changes: dict, said: str) -> None:
    given = recipe(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        Studio(given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_device_has_no_meaning(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="device=cuda: ThreeDWorld draws on the GPU of its display"):
        render_dataset(recipe(tmp_path, device="cuda"), tmp_path / "set", "set")
    assert not (tmp_path / "set").exists()


def test_the_build_is_given_back_when_the_dataset_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next dataset of the same process, or a training, finds port and memory free."""
    for name in ("first", "second"):
        with served(World(blank=True), monkeypatch) as standin:
            render_dataset(recipe(tmp_path, encoding="jpeg"), tmp_path / name, name)
            one = Build.__new__(Build)
            one.settings = Settings.here()
            assert one._bind() == standin.port
            one.socket.close(linger=0)
    first, second = (Manifest.load(tmp_path / name).dataset_id for name in ("first", "second"))
    assert first == second
