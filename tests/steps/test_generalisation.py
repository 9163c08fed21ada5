"""decode across conditions, and what a network's own head says: what is asked, refused, left and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from entrypoints import decode as decode_entry
from entrypoints import train
from mlspatial.analysis.decoding import decode as decoded
from mlspatial.compare.evidence import load
from mlspatial.core.design import Design, Part, Varied
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import spatial_schema
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import read_columns
from mlspatial.models.extract import outputs
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.registry.read import table_file
from mlspatial.registry.store import client
from mlspatial.render.controlled import DesignSampler
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset
from mlspatial.steps.decode_splits import conditions
from mlspatial.steps.stimuli import Images, load_images
from tests import toys
from tests.steps.asking import run_decode
from tests.test_entrypoints import call

SCENES = ("meadow", "hall", "alley", "beach")


@pytest.fixture
def scenes(registry: Path) -> str:
    """The folder of a toy dataset of four scenes."""
    return str(toys.dataset(registry / "scenes", "scenes", scenes=SCENES))


def table(run_id: str, file: str = "generalisation.json") -> pd.DataFrame:
    return table_file(runs.local(run_id, file))


def test_scenes_left_out(networks: list[ModelRecord], scenes: str) -> None:
    ids = run_decode(scenes, split="leave_out:scene", layers="pixels,fc", latents="x,rot_1,category", folds=5)
    assert len(ids) == 4  # pixels, two networks, their comparison
    assert run_decode(scenes, split="leave_out:scene", layers="pixels,fc", latents="x,rot_1,category", folds=5) == ids
    own = table(ids[1])
    assert set(own.left_out_values) == set(SCENES) and set(own.fold) == set(range(4))  # one value a fold
    assert set(own.latent) == {"x", "rot_1", "category"} and set(own.n_test) == {10} and set(own.n_train) == {30}
    assert np.allclose(own.difference, own.value - own.within)
    assert set(table(ids[-1]).layer) == {"pixels", "fc"} and set(table(ids[-1]).group) >= {"pixels"}
    images = load_images("heldout:40", scenes)
    scene = images.names("scene")
    rest = np.flatnonzero(scene != "hall")
    flat = images.stimuli.images.reshape(40, -1).astype(np.float32) / 255
    x = images.manifest.schema["x"]
    (r,) = (
        one
        for one in decoded(flat, images.latents, [x], [(rest, np.flatnonzero(scene == "hall"))])
        if one.measure == "pearson_r"
    )
    pixels = table(ids[0])
    pixels = pixels[(pixels.left_out_values == "hall") & (pixels.latent == "x") & (pixels.measure == "pearson_r")]
    assert pixels.value.item() == pytest.approx(r.value, abs=1e-6)
    for run_id, name in [(ids[1], "generalisation"), (ids[-1], "generalisation_by_group")]:
        drawn = {Path(item.path).name for item in client().list_artifacts(run_id, "pictures")}
        assert {f"{name}.png", f"{name}.svg"} == drawn
    said = runs.get(ids[1]).tags["mlflow.note.content"]
    assert "tested on images of the others" in said and "within" in said


def test_the_images_of_a_design(networks: list[ModelRecord], registry: Path) -> None:
    designed = str(toys.dataset(registry / "d", "d", scenes=SCENES, splits=("design",)))
    ids = run_decode(designed, stimuli="design", split="leave_out:scene", latents="z", folds=4)
    assert set(table(ids[0]).left_out_values) == set(SCENES) and set(table(ids[0]).n_train) == {30}
    assert "one context of the design are never on both sides" in runs.get(ids[0]).tags["mlflow.note.content"]
    contexts = np.arange(40) // toys.LEVELS
    for split in ("leave_out:scene", "leave_out:category"):  # categories take turns within a context
        found = conditions(split, load_images("design", designed), 4, 0)
        assert [list(map(len, one)) for one in found.within] == [list(map(len, one)) for one in found.across]
        assert all(not set(contexts[train]) & set(contexts[test]) for train, test in found.splits), split
    with pytest.raises(BadValue, match=r"these images have 8; that leaves \d stimuli on one side, which needs 5"):
        conditions("leave_out:z>3.5", load_images("design", designed), 2, 0)
    with pytest.raises(BadValue, match="dataset d has the splits design"):
        run_decode(designed, split="leave_out:scene", latents="z")


def test_images_that_are_no_design_have_no_contexts(scenes: str) -> None:
    images = load_images("heldout:40", scenes)
    assert images.contexts is None and not conditions("leave_out:scene", images, 4, 0).designed


def test_crossings_of_a_design_share_what_is_drawn_at_a_place() -> None:
    """A sweep of x and a crossing of scenes at the same place have one object, pose and camera: one context."""
    identities = {"cup": ["a", "b", "c", "d"], "pear": ["e", "f", "g", "h"]}
    pairs = tuple((category, one) for category, names in identities.items() for one in names)
    parts = Part("x", (Varied("x", (-0.4, 0.0, 0.4), True),)), Part("scene", (Varied("scene", ("hall", "beach")),))
    still = {"y": 0.0, "rot_0": 0.0, "rot_2": 0.0, "camera_height": 1.5, "light": 0.0}
    held = (("x", -0.3, 0.3), ("z", 2.0, 3.0), ("rot_1", -180.0, 180.0), *((n, v, v) for n, v in still.items()))
    design = Design(parts, held, pairs, ("hall", "beach"), ("day",), 1, 0.9)
    sampler = DesignSampler(design, 0, identities, lambda *_: np.zeros((1, 3)))
    drawn = [sampler.draw(i) for i in range(len(sampler))]

    class Designed(Images):
        def names(self, column: str) -> np.ndarray:
            return np.array([getattr(one, column) for one in drawn], dtype=object)

    manifest = Manifest("d", {"design": design.to_json()}, spatial_schema(tuple(identities), tuple("abcdefgh")), {})
    images = Designed("design", range(len(drawn)), {}, Path(), manifest, None)  # type: ignore[arg-type]
    seen = [(one.identity, *one.rotation.ravel().round(6)) for one in drawn]
    for split in ("leave_out:scene", "leave_out:category"):
        for known, tested in conditions(split, images, 2, 0).splits:
            assert not {seen[i] for i in known} & {seen[i] for i in tested}, split


def test_clips_have_the_names_of_their_middle_frames(registry: Path) -> None:
    folder = registry / "moving"
    render_dataset(Recipe(8, 64, 16, 1, ("chair", "apple"), environments="procedural:meadow,beach", frames=4),
                   folder, "moving", workers=1)  # fmt: skip
    images = load_images("heldout:16", str(folder))
    whole = read_columns(folder, images.manifest, "heldout", ["scene"])["scene"]
    assert images.names("scene").tolist() == whole[2::4].tolist() and len(set(whole)) == 2
    assert not conditions("leave_out:scene", images, 2, 0).designed


def test_ordinary_readers_take_none_of_it(networks: list[ModelRecord], scenes: str) -> None:
    usual = run_decode(scenes, latents="x")
    before = load("s").decodings
    assert len(before)
    across, *_ = run_decode(scenes, latents="x", split="leave_out:scene")
    logged = client().get_run(across).data.metrics
    assert "across/fc/x/pearson_r" in logged and {name.split("/")[0] for name in logged} == {"across", "within"}
    after = load("s")
    pd.testing.assert_frame_equal(after.decodings, before)
    assert before.run_id.isin(usual).all() and load("s").generalised.run_id.nunique() == 2  # of two networks
    kept = after.generalised[after.generalised.run_id == across]
    own = table(across)
    assert set(kept.factor) == {"scene"} and set(kept.dataset) == {scenes} and len(kept) == len(own)
    assert np.allclose(kept.value, own.value, equal_nan=True) and np.allclose(kept.within, own.within, equal_nan=True)
    assert dict(zip(kept.layer, kept.depth, strict=True)) == {"first.1": 0, "fc": 1}
    kept = after.left_out("decode", tuple(before.run_id))
    assert {*kept.run_id} == {*before.run_id} and {*before.run_id} <= {*usual}


@pytest.mark.parametrize(
    ("split", "first", "second"),
    [
        ("leave_out:distance>2.5", "z>2.5", "z<=2.5"),
        ("leave_out: z <= 2.5 ", "z<=2.5", "z>2.5"),
        ("leave_out:rot_1>=-3", "rot_1>=-3", "rot_1<-3"),
        ("leave_out:x<2e0", "x<2", "x>=2"),
        ("leave_out:z>2.5000001", "z>2.5000001", "z<=2.5000001"),
    ],
)
def test_comparisons_are_two_directions(registry: Path, split: str, first: str, second: str) -> None:
    images = load_images("heldout:40", str(toys.dataset(registry / "toys")))
    found = conditions(split, images, 5, 0)
    assert found.left_out == [first, second] and found.text == f"leave_out:{first}" and not found.alike
    (elsewhere, there), (back, forth) = found.across
    assert np.array_equal(elsewhere, forth) and np.array_equal(there, back)
    name = first.split(">")[0].split("<")[0]
    number = float(first.split("=")[-1].split(">")[-1].split("<")[-1])
    values = images.latents[name]
    truth = {
        "z>2.5": values > 2.5,
        "z>2.5000001": values > 2.5000001,
        "z<=2.5": values <= 2.5,
        "rot_1>=-3": values >= -3,
        "x<2": values < 2,
    }[first]
    assert np.array_equal(np.sort(there), np.flatnonzero(truth)), number


def test_levels_of_a_design_are_compared_as_they_are_written(registry: Path) -> None:
    images = load_images("heldout:40", str(toys.dataset(registry / "toys")))
    images.latents["z"] = np.repeat(np.float32([0.9, 1.3]), 20)  # 0.9 is less than 0.9 in float32
    assert len(conditions("leave_out:z>=1.3", images, 5, 0).across[0][1]) == 20
    with pytest.raises(BadValue, match=r"z < 0\.9 holds for 0 of 40 stimuli"):
        conditions("leave_out:z<0.9", images, 5, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "leave_out:colour"}, r"must be category, identity, scene, sky, or a comparison of x, y, z, rot_0"),
        ({"split": "leave_out:"}, r"must be category"),
        ({"split": "leave_out:depth>3"}, r"depth is no number of dataset scenes; compare x, y, z"),
        ({"split": "leave_out:scene>3"}, r"scene is no number"),
        ({"split": "leave_out:z=3"}, r"must be category"),
        ({"split": "leave_out:z>90"}, r"z > 90 holds for 0 of 40 stimuli; at least 5 .*goes from 1\.\d+ to 3\.\d+ m"),
        ({"split": "leave_out:scene", "folds": 1}, r"folds=1: must be at least 2"),
        ({"split": "leave_out:category", "latents": "category"}, r"latents=category: category cannot be decoded"),
        ({"split": "leave_out:identity", "latents": "identity"}, r"latents=identity: identity cannot be decoded"),
        (
            {"split": "leave_out:scene", "stimuli": "heldout:16", "folds": 4},
            r"fold 0 .* has 4 stimuli on one side and needs 5",
        ),
    ],
)
def test_mistakes(networks: list[ModelRecord], scenes: str, still: None, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run_decode(scenes, **options)
    assert not runs.find(entry="decode", status="FINISHED")


def test_columns_that_are_not_there_or_never_change(networks: list[ModelRecord], images: str, registry: Path) -> None:
    with pytest.raises(UserError, match="dataset toys has no column scene"):
        run_decode(images, split="leave_out:scene")
    one = str(toys.dataset(registry / "one", "one", scenes=("meadow",)))
    with pytest.raises(UserError, match=r"all 40 stimuli have one scene \(meadow\)"):
        run_decode(one, split="leave_out:scene")
    assert len(run_decode(one, split="leave_out:sky", latents="x", layers="fc")) == 3


def test_what_the_factor_decides_is_left_out_by_name(
    networks: list[ModelRecord], scenes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = run_decode(scenes, split="leave_out:category", layers="fc", latents="auto")
    said = capsys.readouterr().err
    assert "category cannot be decoded with split=leave_out:category" in said and "left out" in said
    assert set(table(ids[0]).latent) == {"x", "y", "z", "rot_0", "rot_1", "rot_2"}
    assert set(table(ids[0]).left_out_values) == {"cup", "pear"}


# -- the head


@pytest.fixture
def trained(registry: Path, small_dataset: Path) -> str:
    arguments = ["--task", "all", "--batches", "4", "--batch_size", "16", "--input_size", "32", "--study", "s"]
    code, _, err = call(train.main, *arguments, "--dataset", str(small_dataset))
    assert code == 0, err
    return str(small_dataset)


def head_values(run_id: str) -> pd.Series:
    found = table(run_id, "decoding.json")
    found = found[found.layer == "head"]
    return found.set_index(["latent", "measure"]).value


def test_the_head_agrees_with_the_training_run_on_its_own_dataset(trained: str, registry: Path) -> None:
    base = ["--models", "study=s", "--dataset", trained, "--stimuli", "heldout:60", "--study", "s"]
    latents = ["--latents", "x,y,z,rot_0,rot_1,rot_2,category,identity"]
    code, out, err = call(decode_entry.main, *base, *latents, "--layers", "head")
    assert code == 0, err
    (run_id,) = [line.split()[1] for line in out.splitlines() if line.startswith("run ")]
    found = head_values(run_id)
    (run,) = runs.find(entry="train")
    logged = client().get_run(run.id).data.metrics
    same = {("category", "accuracy"): "category/top1", ("identity", "accuracy"): "identity/top1"}
    same |= {("z", "r2"): "distance/z_r2", ("z", "mae"): "distance/z_mae_m"}
    same |= {(axis, "mae"): f"translation/{axis}_mae_m" for axis in "xy"}
    same |= {(axis, "r2"): f"translation/{axis}_r2" for axis in "xy"}
    same |= {(f"rot_{i}", "angular_error_deg"): f"rotation/rot_{i}_mae_deg" for i in range(3)}
    for key, name in same.items():
        assert found[key] == pytest.approx(logged[f"heldout/{name}"], rel=1e-4, abs=1e-6), key
    whole = table(run_id, "decoding.json")
    assert set(whole.n_test) == {60} and set(whole.n_train) == {0} and set(whole.fold) == {0}
    evidence = load("s")
    assert set(evidence.decodings.layer) == {"head"}  # tables show it beside read-outs
    answered = call(decode_entry.main, *base, *latents, "--layers", "head")
    assert answered[1] == out

    other = str(toys.dataset(registry / "other", "other", categories=("cup", "chair"), scenes=SCENES))
    ids = run_decode(other, layers="fc,head", latents="z,category")
    moved = table(ids[0], "decoding.json")
    assert set(moved.layer) == {"fc", "head"}
    assert set(moved[(moved.layer == "head") & (moved.latent == "category")].n_test) == {20}  # half are cups
    images = load_images("heldout:40", other)
    (record,) = select("study=s")
    module, spec = record.load()
    said = outputs(module, spec, images.stimuli).numpy()
    z = said[:, spec.head["distance"][0]] * spec.statistics["z"]["sd"] + spec.statistics["z"]["mean"]
    assert head_values(ids[0])["z", "mae"] == pytest.approx(np.abs(z - images.latents["z"]).mean(), rel=1e-5)
    first, end = spec.head["category"]
    names = np.array(spec.classes["category"])[said[:, first:end].argmax(1)]
    truth = images.names("category")
    right = (names == truth)[truth == "chair"].mean()
    assert head_values(ids[0])["category", "accuracy"] == pytest.approx(right)
    across = run_decode(other, layers="head", latents="z", split="leave_out:scene", folds=4)
    assert set(table(across[0]).layer) == {"head"} and set(table(across[0]).n_test) == {10}


def test_heads_that_say_nothing_are_named(
    trained: str, images: str, capsys: pytest.CaptureFixture[str], registry: Path
) -> None:
    ids = run_decode(images, layers="head", latents="z,category")
    assert set(table(ids[0], "decoding.json").latent) == {"z"}  # it knows none of the categories
    toys.trained(study="t")  # its spec has no statistics to turn an output back into metres with
    words = r"1 of 1 networks \(toy\.toys\.distance; trained for distance\) say nothing of z"
    with pytest.raises(UserError, match=words):
        run_decode(images, models="study=t", layers="head", latents="z")
    toys.trained(study="s")
    run_decode(images, layers="fc,head", latents="z")
    assert "say nothing of z; left out" in capsys.readouterr().err


def test_a_head_that_knows_no_class_of_a_fold_is_left_out_by_name(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    across = {"latents": "category", "split": "leave_out:scene", "folds": 4}
    mixed = str(toys.dataset(registry / "mixed", "mixed", categories=("cup", "chair", "pot"), scenes=SCENES))
    toys.trained(task="category", classes=("cup", "plate", "bowl", "jar"))
    kept = table(run_decode(mixed, layers="head", **across)[0])
    cups = load_images("heldout:40", mixed)
    scene_of_cups = pd.Series(cups.names("scene")[cups.names("category") == "cup"]).value_counts()
    assert kept.set_index("left_out_values").n_test.to_dict() == scene_of_cups.to_dict()
    apart = str(toys.dataset(registry / "apart", "apart", categories=("cup", "chair"), scenes=SCENES))  # a scene one
    words = r"say nothing of category \(each fold must test a class that the head knows\)"
    with pytest.raises(UserError, match=words):
        run_decode(apart, layers="head", **across)
    capsys.readouterr()
    assert set(table(run_decode(apart, layers="fc,head", **across)[0]).layer) == {"fc"}
    assert "say nothing of category" in capsys.readouterr().err


def test_a_module_called_head_is_read_out_and_the_own_outputs_have_another_name(registry: Path, images: str) -> None:
    toys.trained("headed_toy", sd=0.5)
    toys.trained("toy", sd=0.5)
    first, second, _ = run_decode(images, layers="head", latents="z")
    of = {runs.get(run_id).tags["mlspatial.arch"]: table(run_id, "decoding.json") for run_id in (first, second)}
    fitted, own = of["headed_toy"], of["toy"]
    assert (fitted.n_train > 0).all() and (own.n_train == 0).all()
    (run_id,) = run_decode(images, models="arch=headed_toy", layers="head,own_head", latents="z")
    both = table(run_id, "decoding.json")
    assert set(both.layer) == {"head", "own_head"}
    (record,) = select("arch=headed_toy")
    module, spec = record.load()
    shown = load_images("heldout:40", images)
    said = 0.5 * outputs(module, spec, shown.stimuli).numpy()[:, 0] + 2.0
    mae = both[(both.layer == "own_head") & (both.measure == "mae")].value.item()
    assert mae == pytest.approx(np.abs(said - shown.latents["z"]).mean(), rel=1e-5)


def test_a_head_alone_needs_no_training_images_and_counts_what_it_does_not_know(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"c{i}" for i in range(40))
    many = str(toys.dataset(registry / "many", "many", categories=names))
    toys.trained(task="category", classes=("c1", "c5", "elsewhere", "c2"))
    with pytest.raises(UserError, match="category has 40 classes, split 0 trains on 32 stimuli"):
        run_decode(many, layers="fc", latents="category")
    (run_id,) = run_decode(many, layers="head", latents="category")
    assert "knows no category c0, c10, c11 and 34 more; those 37 of 40 images are left out" in capsys.readouterr().err
    (row,) = table(run_id, "decoding.json").to_dict("records")
    assert (row["n_test"], row["n_train"], row["chance"]) == (3, 0, pytest.approx(1 / 3))
    (record,) = select("study=s")
    module, spec = record.load()
    shown = load_images("heldout:40", many)
    said = outputs(module, spec, shown.stimuli).numpy()[:, 1:5].argmax(1)
    assert row["value"] == pytest.approx(np.mean([said[1] == 0, said[5] == 1, said[2] == 3]))
