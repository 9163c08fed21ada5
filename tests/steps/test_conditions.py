"""Over seeds: one value a training of a condition, never one a checkpoint, a dataset or an architecture."""

from __future__ import annotations

import io
import json
import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.conditions import Condition, comparable, of_records
from mlspatial.compare.evidence import load
from mlspatial.compare.grouping import choose, group_pairs, similarities
from mlspatial.models.build import build
from mlspatial.models.spec import ModelSpec
from mlspatial.registry import runs
from mlspatial.registry.models import log_model, select
from tests import toys
from tests.steps.asking import run_decode, run_similarity


def trained(task: str, seed: int, *, dataset: str = "toys", arch: str = "toy", batches: int = 2, **more: Any) -> None:
    """A finished train run with a checkpoint after half of its batches; 0 batches: an untrained network."""
    spec = ModelSpec(arch, 5, {"distance": (0, 1), "category": (1, 5)}, (task,), toys.SIZE)
    cfg = {"task": task, "seed": seed, "arch": arch, "dataset": dataset, "batches": batches, **more}
    with runs.open_run(runs.Spec("train", 1, {"dataset_id": dataset}, cfg), name="t", study="s") as run:
        for step in sorted({batches // 2, batches}):
            facts = {"dataset": dataset, "dataset_id": dataset, "task": task, "seed": seed, "step": step}
            drawn = [ord(c) for c in task + dataset + arch + str(sorted(more.items()))] + [seed, step]
            module = build(spec, seed=int(np.random.default_rng(drawn).integers(2**31))).eval()
            log_model(run, module, spec, metrics={}, **facts)  # type: ignore[arg-type]


def table(run_id: str, name: str) -> pd.DataFrame:
    return pd.DataFrame(**json.loads(runs.local(run_id, name).read_text()))


def whole(run_id: str) -> pd.DataFrame:
    return pd.read_json(io.StringIO(runs.local(run_id, "decoding.json").read_text()), orient="table")


def test_over_seeds_two_trainings_are_two_values_however_many_checkpoints_and_datasets(images: str) -> None:
    for task in ("distance", "category"):
        for dataset in ("a", "b"):
            for seed in (0, 1):
                trained(task, seed, dataset=dataset)
    *_, summary = run_decode(images, models="study=s,step=all", latents="x")
    tests = table(summary, "contrasts.json")
    assert set(zip(tests["first"], tests["second"], strict=True)) == {
        (f"category ({name}, 2 batches)", f"distance ({name}, 2 batches)") for name in "ab"
    }
    seeds, folds = (tests[tests.unit == unit] for unit in ("seed", "fold"))
    assert set(seeds.n_first) == set(seeds.n_second) == {2} and set(folds.n_first) == set(folds.n_second) == {4}
    assert seeds.p.min() >= 2 / math.comb(4, 2) - 1e-9  # the smallest there is with two values a side
    rows = whole(summary)
    mine = rows[(rows.layer == "fc") & (rows.measure == "pearson_r") & (rows.dataset == "a") & (rows.step == 2)]
    medians = mine.groupby(["task", "seed"]).value.mean().groupby("task").median()
    one = seeds[(seeds.layer == "fc") & seeds["first"].str.contains("a,")].iloc[0]
    assert one.median_first == pytest.approx(medians["category"])
    assert one.median_second == pytest.approx(medians["distance"])


def test_groups_of_similarity_are_conditions_and_say_what_the_report_says(images: str) -> None:
    for task in ("distance", "category"):
        for seed in (0, 1, 2):
            trained(task, seed, dataset="a")
            trained(task, seed, dataset="b")
    run_id = run_similarity(images, models="study=s,step=all", metric="cka", layers="first.1,fc")
    groups = table(run_id, "groups_cka.json")
    assert groups[groups["first"] == groups["second"]].pairs.eq(3).all() and groups["first"].nunique() == 8
    matrix = pd.read_parquet(runs.local(run_id, "matrices/cka_fc.parquet")).set_index("model").to_numpy()
    records = select("study=s,step=all")
    own = [i for i, r in enumerate(records) if (r.task, r.dataset, r.step) == ("distance", "a", 2)]
    by_hand = np.mean([matrix[i, j] for i, j in combinations(own, 2)])
    name = "distance (a, 2 batches)"
    found = groups[(groups.layer == "fc") & (groups["first"] == name) & (groups["second"] == name)]
    assert found["mean"].iloc[0] == pytest.approx(by_hand)
    evidence = load("s")
    pairs = similarities(evidence)
    chosen = choose(evidence, pairs.ids).networks
    shown = set(evidence.networks[evidence.networks.model_id.isin(chosen.model_id)].dataset)
    assert len(chosen) == 6 and len(shown) == 1
    report = group_pairs(pairs.pairs, chosen)
    for row in report.to_dict("records"):
        sides = [f"{row[side]} ({next(iter(shown))}, 2 batches)" for side in ("first", "second")]
        same = groups[(groups.layer == row["layer"]) & groups["first"].isin(sides) & groups["second"].isin(sides)]
        same = same[(same["first"] == same["second"]) == (sides[0] == sides[1])]
        same = same[same["first"].isin(sides[:1]) | (sides[0] != sides[1])]
        assert same["mean"].tolist() == [pytest.approx(row["mean"])] and same.pairs.tolist() == [row["pairs"]]


def test_architectures_settings_and_datasets_are_contrasted_each_for_itself(images: str) -> None:
    for task in ("distance", "category"):
        for seed in (0, 1):
            trained(task, seed)
            trained(task, seed, arch="other_toy")
            trained(task, seed, lr=0.1 if task == "distance" else 0.2)
    *_, summary = run_decode(images, models="study=s", latents="x", layers="first.1")
    tests = table(summary, "contrasts.json")
    pairs = set(zip(tests["first"], tests["second"], strict=True))
    assert pairs == {("category (toy)", "distance (toy)"), ("category (other_toy)", "distance (other_toy)")}
    assert tests[tests.unit == "seed"].n_first.eq(2).all()  # those of another learning rate stand apart


def test_untrained_networks_are_contrasted_with_all_of_their_architecture(images: str) -> None:
    for seed in (0, 1):
        for task in ("distance", "category"):
            trained(task, seed)
        trained("distance", seed, batches=0)
    *_, summary = run_decode(images, models="study=s", latents="x", layers="first.1")
    tests = table(summary, "contrasts.json")
    names = {frozenset(pair) for pair in zip(tests["first"], tests["second"], strict=True)}
    assert names == {frozenset(pair) for pair in combinations(("category", "distance", "untrained"), 2)}


def test_a_checkpoint_that_was_asked_for_is_the_last_one(images: str) -> None:
    for seed in (0, 1):
        trained("distance", seed, batches=2)
        trained("category", seed, batches=4)
    *_, summary = run_decode(images, models="study=s,step=2", latents="x", layers="first.1")
    tests = table(summary, "contrasts.json")
    assert set(zip(tests["first"], tests["second"], strict=True)) == {("category", "distance")}


def test_a_parameter_that_decides_nothing_or_a_draw_makes_no_condition(registry: Path) -> None:
    trained("distance", 0, workers=1, checkpoints="1", resume=True)
    trained("distance", 1, workers=2, checkpoints="1,2", resume=False)
    trained("distance", 2, lr=0.1)
    facts = of_records(select("study=s"))
    assert facts.condition.nunique() == 2
    assert facts.set_index("seed").group.to_dict() == {0: "distance", 1: "distance", 2: "distance (lr 0.1)"}


def test_what_is_not_known_does_not_part_two_conditions() -> None:
    own, low = (Condition(task, "resnet18", "a", 10.0, settings="lr 1", step=5) for task in ("distance", "category"))
    mine = Condition("my networks", "resnet18")
    assert list(comparable([own, low, mine])) == [(own, low), (own, mine), (low, mine)]
    other = Condition("category", "resnet18", "b", 10.0, settings="lr 1", step=5)
    assert list(comparable([own, other])) == []
