"""What the registry answers is what was asked: versions, files that are gone, and mistakes before a network is run."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoints import train as train_entry
from mlspatial.analysis import (
    ceiling,
    cka,
    contrasts,
    decoding,
    groups,
    matching,
    mds,
    pls,
    ridge,
    rsa,
    splits,
    svc,
    versa,
    yardsticks,
)
from mlspatial.analysis.versions import versions
from mlspatial.benchmarks import neurons
from mlspatial.benchmarks.base import Way, kinds
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.manifest import Manifest
from mlspatial.models import layers, sinks
from mlspatial.registry import activations, runs
from mlspatial.registry.again import lost_networks
from mlspatial.registry.models import ModelRecord, load, select
from mlspatial.steps import score as score_step
from mlspatial.steps import similarity as similarity_step
from mlspatial.steps.scoring_plan import Plan
from mlspatial.steps.train import train
from tests.steps.asking import SITES, VOXELS, run_decode, run_score, run_similarity
from tests.test_entrypoints import call

TRAIN = {"arch": "toy", "order_seed": 0, "batches": 0, "batch_size": 8, "lr": 1e-3, "weight_decay": 0.0,
         "augment": "none", "input_size": 32, "checkpoints": "", "evaluations": "", "fraction": 1.0, "init": "random",
         "device": "cpu", "precision": "float32", "compile": False, "deterministic": False, "cache": "none",
         "workers": 1}  # fmt: skip


# ---- versions -----------------------------------------------------------------------------------------------------


def plan(benchmarks: str = SITES, metrics: str = "own", layers: str = "auto", **changes: str) -> Plan:
    options = {"engine": "fast", "selection": "auto", "variant": "paper"} | changes
    return Plan.of(benchmarks, metrics, layers, download=False, **options)


MATTERS: list[tuple[str, str, object]] = [
    *((SITES, "own", module) for module in (yardsticks, ceiling, splits, pls, activations, layers, neurons)),
    (SITES, "rsa", rsa), (SITES, "cka", cka), (SITES, "one_to_one", matching),
    *((VOXELS, "own", module) for module in (versa, ridge, rsa)), (VOXELS, "crsa", versa),
]  # fmt: skip


@pytest.mark.parametrize(("benchmark", "metrics", "module"), MATTERS)
def test_what_computes_a_score_decides_it(
    benchmark: str, metrics: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plan(benchmark, metrics).inputs()
    monkeypatch.setattr(module, "VERSION", "new")
    assert plan(benchmark, metrics).inputs() != before


@pytest.mark.parametrize(("benchmark", "kind"), [(SITES, "gram"), (VOXELS, "gram"), (VOXELS, "projection")])
def test_what_keeps_a_layer_decides_it(benchmark: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan(benchmark).inputs()
    monkeypatch.setitem(sinks.VERSIONS, kind, "new")
    assert plan(benchmark).inputs() != before


@pytest.mark.parametrize("module", [cka, rsa, versa, matching, svc, groups])
def test_what_has_no_part_in_a_score_does_not(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan().inputs()
    monkeypatch.setattr(module, "VERSION", "new")
    assert plan().inputs() == before


def test_every_yardstick_names_the_modules_that_it_comes_out_of() -> None:
    steps = {"ceiling", "pls", "splits", "yardsticks"}
    more = {"rsa": {"rsa"}, "rsa_spearman": {"rsa"}, "cka_debiased": {"cka"}}
    for name in yardsticks.METRICS:
        assert set(yardsticks.METRICS[name].versions) == steps | more.get(name, set())
    made_of = {"one_to_one": steps | {"matching", "neural"}, "crsa": {"versa", "rsa", "gsn"}}
    made_of["versa"] = made_of["crsa"] | {"ridge"}
    for kind in (neurons.NeuralBenchmark, FmriBenchmark):
        for name in kind.metrics:
            full = kind.full_name(name)
            assert full not in made_of or set(kind.versions(full, Way())) == made_of[full]
            assert kind.versions(full, Way())
    assert {"pls", "crsa"} <= {name for kind in kinds() for name in kind.metrics}
    assert versions("pls", "gsn") == {"gsn": "3", "pls": "1"}


def test_a_metrics_own_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    before = plan().inputs()
    monkeypatch.setitem(yardsticks.METRICS._items, "ridge", replace(yardsticks.METRICS["ridge"], version="new"))
    assert plan().inputs() != before


def test_another_version_is_another_score_run(networks: list[ModelRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_score()
    assert len(first) == 2 and run_score() == first and run_score(device="cpu") == first
    monkeypatch.setattr(ceiling, "VERSION", "new")
    second = run_score()
    assert not set(first) & set(second) and len(runs.find(entry="extract")) == 2  # layers are as they were
    monkeypatch.setattr(activations, "VERSION", 3)
    third = run_score()
    assert not set(first + second) & set(third) and len(runs.find(entry="extract")) == 4


def test_similarity_goes_by_what_it_computes(
    networks: list[ModelRecord], images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_similarity(images, metric="cka")
    assert runs.get(first).tags["mlspatial.version"] == "2"
    assert set(runs.get(first).parents) == {run.id for run in runs.find(entry="extract")}
    monkeypatch.setattr(rsa, "VERSION", "new")
    assert run_similarity(images, metric="cka") == first
    for module in (cka, groups, mds):
        monkeypatch.setattr(module, "VERSION", "new")
        second = run_similarity(images, metric="cka")
        assert second != first
        first = second
    assert len(runs.find(entry="extract")) == 2
    monkeypatch.setitem(sinks.VERSIONS, "gram", "new")
    assert run_similarity(images, metric="cka") != first and len(runs.find(entry="extract")) == 4


def test_decode_goes_by_what_it_fits(networks: list[ModelRecord], images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = run_decode(images, latents="x")
    monkeypatch.setattr(svc, "VERSION", "new")
    assert run_decode(images, latents="x") == numbers
    classes = run_decode(images, latents="category")
    monkeypatch.setattr(ridge, "VERSION", "new")
    assert run_decode(images, latents="category") == classes
    assert not set(run_decode(images, latents="x")) & set(numbers)
    for module in (splits, decoding):
        monkeypatch.setattr(module, "VERSION", "new")
        again = run_decode(images, latents="category")
        assert not set(again) & set(classes)
        classes = again
    monkeypatch.setattr(contrasts, "VERSION", "new")
    *same, summary = run_decode(images, latents="category")
    assert same == classes[:-1] and summary != classes[-1]


def test_geometry_is_a_similarity_run_of_the_metrics_that_were_asked_for(
    networks: list[ModelRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    *ids, together = run_score(benchmarks=VOXELS)
    record = runs.get(together)
    assert record.entry == "similarity" and record.tags["mlspatial.version"] == "2" and len(ids) == 2
    assert record.cfg["metric"] == "versa"  # so that compare looks for no other
    assert runs.there(together, similarity_step.artifacts("versa", ["committed"], 2)) and set(record.parents) == set(
        ids
    )
    inputs = {"runs": sorted(ids), "versions": versions("groups", "gsn", "mds", "ridge", "rsa", "versa")}
    cfg = {"metric": "versa", "layers": "committed"}
    assert record.spec == runs.Spec("similarity", 2, inputs, cfg, similarity_step.ENTRY.free).id
    monkeypatch.setattr(score_step, "VERSION", 3)
    monkeypatch.setattr(mds, "VERSION", "new")
    *others, again = run_score(benchmarks=VOXELS)
    assert not {*ids, together} & {*others, again} and runs.get(again).tags["mlspatial.version"] == "2"


@pytest.mark.parametrize(
    ("entry", "version", "inputs", "free", "id"),
    [
        ("train", 3, {"dataset_id": "d", "live": False}, {"device", "workers", "resume", "cache"}, "08c04f554f8fa214"),
        (
            "render",
            1,
            {"recipe_id": "r"},
            {"workers", "out", "tdw_build", "tdw_port", "dry_run", "publish"},
            "d4b0d3fd1ee2cead",
        ),
    ],
)
def test_train_and_render_keep_their_specs(
    entry: str, version: int, inputs: dict[str, Any], free: set[str], id: str
) -> None:
    from mlspatial.steps import render as render_step
    from mlspatial.steps import train as train_step

    step = {"train": train_step, "render": render_step}[entry]
    assert version == step.VERSION and step.ENTRY.free == free | {"study", "force", "wait"}
    cfg = {"seed": 0, "dataset": "d", **dict.fromkeys(free, "anything")}
    assert runs.Spec(entry, step.VERSION, inputs, cfg, step.ENTRY.free).id == id


def test_train_hashes_what_decides_and_nothing_else(images: str) -> None:
    asked = {**TRAIN, "arch": "resnet18"}  # of ours: the code of a user's own architecture counts as well
    made = train(task="distance", dataset=images, seed=0, **asked)  # type: ignore[arg-type]
    deciding = {name: value for name, value in asked.items() if name not in ("device", "workers", "cache")}
    inputs = {"dataset_id": Manifest.load(Path(images)).dataset_id, "live": False}
    cfg = {"task": "distance", "dataset": "toys", "seed": 0, **deciding}
    wanted = content_id({"entry": "train", "version": 3, "inputs": inputs, "cfg": cfg})
    assert [runs.get(run_id).spec for run_id in made] == [wanted]


def test_render_hashes_what_decides_and_nothing_else(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlspatial.steps import render as render_step

    class Asked(Exception):
        pass

    def asked(spec: runs.Spec, **_: object) -> None:
        raise Asked(spec)

    monkeypatch.setattr(render_step.runs, "open_run", asked)
    options = {"dataset": "d", "n_train": 4, "n_heldout": 2, "size": 32, "seed": 1, "categories": "apple",
               "translation": "full", "rotation": "clamped45", "objects": "procedural", "renderer": "auto",
               "environments": "procedural:meadow", "encoding": "jpeg", "device": "cpu"}  # fmt: skip
    ids = set()
    for workers, out in ((1, ""), (2, "elsewhere")):
        with pytest.raises(Asked) as told:
            render_step.render(**options, workers=workers, out=out)  # type: ignore[arg-type]
        (spec,) = told.value.args
        cfg = {**options, "renderer": "warp", "jpeg_quality": 95, "n_categories": 1}
        wanted = {"entry": "render", "version": 1, "inputs": dict(spec.inputs), "cfg": cfg}
        assert spec.id == content_id(wanted) and list(spec.inputs) == ["recipe_id"]
        ids.add(spec.id)
    assert len(ids) == 1


# ---- what is gone -------------------------------------------------------------------------------------------------


def test_files_that_were_deleted_are_made_again(networks: list[ModelRecord], images: str) -> None:
    """Of every entry: asked again it answers, and without one of its files it does not."""
    cases: list[tuple[Callable[[], list[str]], list[tuple[int, str]]]] = [
        (lambda: run_score(benchmarks=VOXELS), [(0, "scores.json"), (1, "matrices.npz"), (2, "models.json")]),
        (lambda: [run_similarity(images)], [(0, "matrices/cka_first.1.parquet"), (0, "pictures/rsa_matrices.png")]),
        (lambda: run_decode(images, latents="x"), [(0, "decoding.json"), (2, "contrasts.json")]),
    ]
    for ask, files in cases:
        before = ask()
        assert ask() == before
        for place, name in files:
            runs.local(before[place], name).unlink()
            after = ask()
            assert after[place] != before[place] and runs.local(after[place], name).is_file()
            assert after[:place] == before[:place]
            before = after
        assert ask() == before
    assert len(runs.find(entry="extract")) == 6  # nothing was extracted again


def test_what_is_answered_needs_no_arrays_and_no_weights(networks: list[ModelRecord], images: str) -> None:
    answers = run_score(), run_decode(images)
    for run in runs.find(entry="extract"):
        shutil.rmtree(runs.local(run.id, "layers"))
    before = len(runs.find(entry="extract"))
    assert (run_score(), run_decode(images)) == answers and len(runs.find(entry="extract")) == before
    for record in networks:
        shutil.rmtree(record.folder)
    assert run_score() == answers[0]


@pytest.fixture
def own_network(images: str) -> list[str]:
    """The id of an untrained toy network's run, made by train."""
    return train(task="distance", dataset=images, seed=0, study="own", **TRAIN)  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["weights.safetensors", "spec.json", ""])
def test_weights_that_are_gone_are_trained_again(own_network: list[str], images: str, file: str) -> None:
    assert train(task="distance", dataset=images, seed=0, study="own", **TRAIN) == own_network  # type: ignore[arg-type]
    (old,) = select("study=own")
    assert lost_networks(runs.get(old.run_id)) == []
    (old.folder / file).unlink() if file else shutil.rmtree(old.folder)
    assert lost_networks(runs.get(old.run_id)) == [old.uri]
    for use in (lambda: load("study=own"), lambda: run_score(models="study=own"),
                lambda: run_decode(images, models="study=own"), lambda: load(old.uri)):  # fmt: skip
        with pytest.raises(UserError, match=rf"\({old.uri}\): .* cannot be read .*; train it again: ") as told:
            use()
    command = str(told.value).partition("train it again: python -m entrypoints.train ")[2]
    code, out, err = call(train_entry.main, *shlex.split(command))  # what the message says to do
    assert code == 0, err
    new_run = out.split()[-1]
    assert new_run != old.run_id
    (new,) = select("study=own") if runs.get(new_run).studies else select("task=distance,step=0")
    assert new.run_id == new_run and new.model_id == old.model_id
    load(new.uri)
    assert train(task="distance", dataset=images, seed=0, **TRAIN) == [new_run]  # type: ignore[arg-type]
