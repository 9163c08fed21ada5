"""Clips: velocities against finite differences, what is seen against what the latents say, and how clips are read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlspatial.core.columns import columns_of
from mlspatial.core.errors import BadValue, DatasetError, UserError
from mlspatial.core.latents import FASTEST
from mlspatial.core.manifest import Manifest
from mlspatial.data.clips import Clips, frames_of, loader, middle, shown_row
from mlspatial.data.loader import Loader
from mlspatial.data.shards import read_columns, verify
from mlspatial.render.clutter import ClutterSample
from mlspatial.render.live import recipe_of
from mlspatial.render.sampling import HELDOUT_START
from mlspatial.render.solid import overlap
from mlspatial.render.studio import Recipe, Studio
from mlspatial.render.write import render_dataset

PLAIN = Recipe(320, 64, 48, 3, ("chair", "apple"), environments="procedural:meadow", encoding="png")
MOVING = replace(PLAIN, frames=4, frame_rate=5.0, least_visible=0.3)


@cache
def studio(**changes: Any) -> Studio:
    return Studio(replace(MOVING, **changes))


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("moving") / "set"
    return folder, render_dataset(MOVING, folder, "moving", workers=1)


@pytest.mark.parametrize("motion", ["object", "camera"])
@pytest.mark.parametrize("floor", [False, True])
def test_velocities_are_the_differences_of_the_latents(motion: str, floor: bool) -> None:
    made = studio(motion=motion, floor_contact=floor)
    speeds = []
    for clip in range(12):
        frames = [made.sampler.draw(clip * 4 + k) for k in range(4)]
        rows = [one.columns() for one in frames]
        assert [(row["sequence"], row["frame"], row["seed_index"]) for row in rows] == [
            (clip, k, 4 * clip + k) for k in range(4)
        ]
        for axis in "xyz":
            places = np.array([row[axis] for row in rows])
            np.testing.assert_allclose(np.diff(places) * 5.0, rows[0][f"v_{axis}"], atol=1e-9)
        v_x, v_z = rows[0]["v_x"], rows[0]["v_z"]
        heading = np.radians(rows[0]["heading"])
        np.testing.assert_allclose([np.sin(heading), np.cos(heading)], np.array([v_x, v_z]) / np.hypot(v_x, v_z))
        world = np.array([[one.object_position, one.camera_position] for one in frames])
        still, goes = (1, 0) if motion == "object" else (0, 1)
        assert np.ptp(world[:, still], axis=0).max() < 1e-12 and np.ptp(world[:, goes], axis=0).max() > 0
        if floor or motion == "camera":
            assert np.ptp(world[:, :, 1], axis=0).max() < 1e-9  # on a level
        for one in frames:  # the columns of the world and of the camera say the same
            np.testing.assert_allclose(one.camera @ one.position + one.camera_position, one.object_position, atol=1e-9)
            assert 0.9 <= np.linalg.norm(one.position) <= 4.2
        assert {row["category"] for row in rows} == {rows[0]["category"]}
        speeds.append(np.linalg.norm([rows[0][f"v_{axis}"] for axis in "xyz"]))
    assert 0.1 <= min(speeds) < max(speeds) <= FASTEST


def test_the_middle_of_a_clip_is_the_image_of_its_number() -> None:
    """Of an odd number of frames the middle one is what the still recipe shows, unless no path leads through it."""
    still, clips = Studio(replace(PLAIN, least_visible=0.3)), studio(frames=5, n_train=320, n_heldout=65)
    same = 0
    for clip in (*range(10), *range(HELDOUT_START, HELDOUT_START + 4)):
        split, number = divmod(clip, HELDOUT_START)
        frame = clips.sampler.draw(split * HELDOUT_START + number * 5 + 2)
        same += bool(np.allclose(frame.position, still.sampler.draw(clip).position))
    assert same >= 12


def test_any_order_and_any_batch_give_the_same_frames() -> None:
    one, other = Studio(MOVING), Studio(MOVING)
    numbers = [17, 2, HELDOUT_START + 9, 18, 16]
    there = {i: one.sampler.draw(i).columns() for i in numbers}
    assert there == {i: other.sampler.draw(i).columns() for i in numbers[::-1]}


@pytest.mark.parametrize("motion", ["object", "camera"])
def test_among_others_nothing_touches_and_enough_is_seen(motion: str) -> None:
    made = studio(motion=motion, distractors="2", distractor_categories=("bottle", "table"), least_visible=0.5)
    samples = [made.sampler.draw(index) for index in range(40)]
    for first, last in zip(samples[::4], samples[3::4], strict=True):
        assert isinstance(first, ClutterSample) and isinstance(last, ClutterSample)
        moved = [b.position - a.position for a, b in zip(first.others, last.others, strict=True)]
        expected = last.position - first.position if motion == "camera" else np.zeros(3)
        np.testing.assert_allclose(moved, np.tile(expected, (2, 1)), atol=1e-9)
        for sample in (first, last):
            boxes = [(made.solid(o.category, o.identity).half, o.position, o.rotation) for o in sample.others]
            half = made.solid(sample.category, sample.identity).half
            assert not overlap(half, sample.position, sample.rotation, boxes)
    assert made.draw(samples).visible.min() > 0.45


@pytest.mark.parametrize("motion", ["object", "camera"])
def test_every_frame_is_as_far_as_was_said(motion: str) -> None:
    """Also between the ends of a path, which may pass nearer than both."""
    made = studio(frames=16, frame_rate=10.0, n_train=6400, n_heldout=16, motion=motion)
    away = [np.linalg.norm(made.sampler.draw(index).position) for index in range(6400)]
    assert min(away) >= 0.9 and max(away) <= 4.2


def test_shards_say_what_clips_are(moving: tuple[Path, Manifest]) -> None:
    folder, manifest = moving
    table = pq.read_table(folder / "train" / "part-00000.parquet")
    assert {column.name for column in columns_of(manifest.recipe)} == set(table.column_names)
    assert [str(table.schema.field(n).type) for n in ("sequence", "frame", "v_x", "heading")] == [
        "int64", "int64", "float", "float",
    ]  # fmt: skip
    assert manifest.schema.names[-4:] == ("v_x", "v_y", "v_z", "heading") and frames_of(manifest) == 4
    assert table["sequence"].to_pylist()[:6] == [0, 0, 0, 0, 1, 1] and manifest.recipe["motion"] == "object"
    assert set(manifest.statistics) == {"x", "y", "z", "v_x", "v_y", "v_z"}
    shown = read_columns(folder, manifest, "train", ["x"])["x"][middle(4) :: 4]  # what stands for a clip
    assert manifest.statistics["x"]["sd"] == pytest.approx(shown.std(), rel=1e-5)
    assert not {"frames", "motion", "frame_rate"} & set(Studio(PLAIN).full_recipe())
    heldout = pq.read_table(folder / "heldout" / "part-00000.parquet")
    assert set(zip(table["x"].to_pylist(), table["z"].to_pylist(), strict=True)).isdisjoint(
        zip(heldout["x"].to_pylist(), heldout["z"].to_pylist(), strict=True)
    )
    verify(folder)
    assert render_dataset(MOVING, folder, "moving").dataset_id == manifest.dataset_id


def test_the_loader_gives_whole_clips(moving: tuple[Path, Manifest]) -> None:
    folder, manifest = moving
    names = ("x", "v_x", "heading", "category")
    (frames,) = Loader(folder, manifest, "train", columns=names, batch_size=320).once()
    whole = np.asarray(frames.images).reshape(80, 4, 48, 48, 3)
    made = loader(folder, manifest, "train", columns=names, batch_size=16, seed=7)
    assert isinstance(made, Clips) and made.batch_size == 16
    seen = []
    batches = made.endless()
    for _ in range(10):  # two epochs
        batch = next(batches)
        assert batch.images.shape == (16, 4, 48, 48, 3) and batch.images.dtype == np.uint8
        for images, x, v_x in zip(batch.images, batch.columns["x"], batch.columns["v_x"], strict=True):
            (clip,) = np.flatnonzero((whole == images).all(axis=(1, 2, 3, 4)))
            seen.append(int(clip))
            assert x == frames.columns["x"][4 * clip + middle(4)] and v_x == frames.columns["v_x"][4 * clip]
    batches.close()  # type: ignore[attr-defined]
    assert sorted(seen[:80]) == sorted(seen[80:]) == list(range(80)) and seen[:80] != seen[80:]
    again = loader(folder, manifest, "train", columns=names, batch_size=16, seed=7).endless(3)
    third = next(again)
    assert [int(np.flatnonzero((whole == i).all(axis=(1, 2, 3, 4)))[0]) for i in third.images] == seen[48:64]
    again.close()  # type: ignore[attr-defined]
    ranks = [loader(folder, manifest, "train", columns=names, batch_size=16, seed=7, rank=r, world=2) for r in (0, 1)]
    firsts = [next(iter(rank.endless())).images for rank in ranks]
    np.testing.assert_array_equal(np.concatenate(firsts), next(iter(made.endless())).images)
    odd = {"columns": names, "batch_size": 16, "fraction": 79 / 80}  # the last batch has 15 clips, shared whole
    ranks = [loader(folder, manifest, "train", **odd, rank=r, world=2) for r in (0, 1)]
    assert [[len(batch.images) for batch in rank.once()][-1] for rank in ranks] == [7, 8]
    with pytest.raises(BadValue, match="multiple of the 2 processes"):
        loader(folder, manifest, "train", columns=names, batch_size=3, world=2)
    (part,) = loader(folder, manifest, "train", columns=names, batch_size=80, fraction=0.25).once()
    np.testing.assert_array_equal(part.images, whole[:20])
    assert shown_row(manifest, 3) == 14


def test_to_input_stacks_frames(moving: tuple[Path, Manifest]) -> None:
    torch = pytest.importorskip("torch")
    from mlspatial.models.spec import ModelSpec, to_input

    folder, manifest = moving
    (batch,) = loader(folder, manifest, "heldout", columns=("x",), batch_size=16).once()
    clips = torch.as_tensor(np.asarray(batch.images))
    one = ModelSpec("resnet18w8", 3, {}, (), 48)
    four = replace(one, frames=4)
    assert "frames" not in one.to_json() and ModelSpec.from_json(four.to_json()) == four
    stacked = to_input(clips, four)
    assert stacked.shape == (16, 12, 48, 48)
    for k in range(4):
        torch.testing.assert_close(stacked[:, 3 * k : 3 * k + 3], to_input(clips[:, k], one))
    torch.testing.assert_close(to_input(clips, one), to_input(clips[:, 2], one))  # the middle frame
    torch.testing.assert_close(to_input(clips[:, 0], four), to_input(clips[:, :1].expand(-1, 4, -1, -1, -1), four))
    with pytest.raises(BadValue, match="frames=4: the network sees clips of 3"):
        to_input(clips, replace(one, frames=3))


def test_networks_of_clips_are_built_by_name_and_seed() -> None:
    torch = pytest.importorskip("torch")
    from mlspatial.models.build import build
    from mlspatial.models.spec import ModelSpec

    still = ModelSpec("resnet18w8", 3, {}, (), 48)
    spec = replace(still, frames=4)
    module, same, other = build(spec, seed=1), build(spec, seed=1), build(still, seed=1)
    assert module.conv1.weight.shape == (8, 12, 7, 7) and module(torch.zeros(2, 12, 48, 48)).shape == (2, 3)
    torch.testing.assert_close(module.conv1.weight, same.conv1.weight)
    torch.testing.assert_close(module.layer1[0].conv1.weight, other.layer1[0].conv1.weight)
    noise = torch.randn(64, 12, 48, 48, generator=torch.Generator().manual_seed(0))
    assert module.conv1(noise).std().item() == pytest.approx(other.conv1(noise[:, :3]).std().item(), rel=0.15)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": 0}, "frames=0: must be from 1 to 64"),
        ({"frames": 3}, "n_train=320: must be a multiple of frames=3"),
        ({"n_heldout": 6}, "n_heldout=6: must be a multiple of frames=4"),
        ({"motion": "sun"}, "motion=sun: must be one of object, camera"),
        ({"frame_rate": 0.0}, "frame_rate=0.0: must be above 0"),
    ],
)
def test_recipes_that_cannot_be_meant(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadValue, match=said):
        replace(MOVING, **changes).check()


def test_a_path_that_cannot_be_and_live_clips_are_refused(moving: tuple[Path, Manifest]) -> None:
    with pytest.raises(UserError, match=r"clip 0 .*no path of 40 frames keeps \S+ in view in 2400 tries"):
        Studio(replace(MOVING, frames=40, n_heldout=80, frame_rate=0.1)).check()
    with pytest.raises(DatasetError, match="dataset moving holds clips"):
        recipe_of(moving[1])
