"""What MLflow's own pages and searches know of a result: whose it is, on what, its numbers and where it is from."""

from __future__ import annotations

import math
import re
from pathlib import Path

import mlflow
import pytest

from mlspatial.registry import notes, read, runs
from mlspatial.registry.models import ModelRecord
from mlspatial.registry.run import Data
from mlspatial.registry.store import client, experiment_id
from mlspatial.steps.decode import decode
from mlspatial.steps.score import score
from mlspatial.steps.score_files import VALUES
from mlspatial.steps.similarity import similarity
from tests import toys

HOW = {"device": "cpu", "study": "s"}


def note(run_id: str) -> str:
    return str(client().get_run(run_id).data.tags[notes.NOTE])


def inputs(run_id: str) -> tuple[list[str], list[tuple[str, str]]]:
    found = client().get_run(run_id).inputs
    return (
        [one.model_id for one in found.model_inputs],
        [(one.dataset.name, one.dataset.digest) for one in found.dataset_inputs],
    )


def ranked(metric: str) -> list[tuple[str, float]]:
    """Networks from best to worst by a metric, as MLflow's own search has them."""
    order = [{"field_name": f"metrics.{metric}", "ascending": False}]
    found = mlflow.search_logged_models([experiment_id()], order_by=order, output_format="list")
    return [(one.model_id, next(m.value for m in one.metrics if m.key == metric)) for one in found]


def test_searches_rank_networks_by_brain_score(networks: list[ModelRecord]) -> None:
    ids = score(models="study=s", benchmarks="toy_sites", layers="first.1,fc", **HOW)
    scores = read.scores(read.runs(entry="score"))
    (name,) = scores.benchmark.unique()
    best = scores[scores.committed.astype(bool)].set_index("run_id").loc[ids]
    models = [record.uri.removeprefix("models:/") for record in networks]
    expected = sorted(zip(models, best.ceiled, strict=True), key=lambda pair: -pair[1])
    assert ranked(f"{name}/ceiled") == [(model, pytest.approx(value)) for model, value in expected]
    between = (expected[0][1] + expected[1][1]) / 2
    filtered = mlflow.search_logged_models(
        [experiment_id()],
        f"metrics.`{name}/ceiled` > {between}",
        [{"dataset_name": name}],
        output_format="list",
    )
    assert [one.model_id for one in filtered] == [expected[0][0]]
    page = client().get_logged_model(models[0])
    shown = {m.key: m.value for m in page.metrics if m.run_id == ids[0]}
    assert shown.keys() == {f"{name}/{value}" for value in
                            VALUES}  # fmt: skip
    assert shown[f"{name}/raw"] == pytest.approx(best.raw.iloc[0])
    run = client().get_run(ids[0])
    assert f"{name}/fc/ceiled" in run.data.metrics and run.data.metrics[f"{name}/ceiled"] == shown[f"{name}/ceiled"]
    (model,), (data,) = inputs(ids[0])
    assert model == models[0] and data[0] == name

    text = note(ids[0])
    row = best.iloc[0]
    cells = (name, "IT", row.metric, row.layer, f"{row.raw:.3f}", f"{row.ceiling:.3f}")
    assert "| " + " | ".join(cells) in text and text.startswith("How well each layer of a network predicts")
    assert "r² / ceiling" in text or "(r / ceiling)²" in text
    links = re.findall(r"\]\((#/experiments/(\w+)/(runs|models)/([\w-]+))\)", text)
    assert {(experiment, kind, one) for _, experiment, kind, one in links} == {
        (run.info.experiment_id, "models", models[0]),
        (run.info.experiment_id, "runs", networks[0].run_id),
    }
    extracted = runs.find(entry="extract")[0]
    assert inputs(extracted.id)[0] and extracted.experiment == experiment_id("extract")
    assert note(extracted.id).startswith("Arrays of a network's layers")


def test_decodings_and_similarities_name_their_networks_and_images(networks: list[ModelRecord], images: str) -> None:
    given = {"models": "study=s", "stimuli": "heldout:40", "dataset": images}
    models = [record.uri.removeprefix("models:/") for record in networks]
    made = similarity(layers="first.1,fc", metric="cka", seed=0, **given, **HOW)
    assert sorted(inputs(made)[0]) == sorted(models) and inputs(made)[1][0][0] == "toys"
    assert "cka of 2 networks in 2 conditions" in note(made) and "| fc | – | " in note(made)
    ids = decode(
        layers="first.1,fc", latents="x,category", folds=2, split="kfold", classifier="svc", seed=0, **given, **HOW
    )
    table = read.table_file(runs.local(ids[0], "decoding.json"))
    means = table[table.measure == "accuracy"].groupby("layer", sort=False).value.mean()
    best = means.index[means == means.max()][0]
    assert dict(ranked("best/category/accuracy"))[inputs(ids[0])[0][0]] == pytest.approx(means.max())
    assert f"| category | accuracy | {best} | {means.max():.3f} |" in note(ids[0])
    assert sorted(inputs(ids[-1])[0]) == sorted(models) and "set against each other" in note(ids[-1])


def test_values_that_are_no_numbers_and_networks_from_elsewhere(registry: Path) -> None:
    toys.trained()
    uri = f"models:/{mlflow.search_logged_models([experiment_id()], output_format='list')[0].model_id}"
    with runs.open_run(runs.Spec("score", 1, {}, {}), name="n") as run:
        run.log_inputs(["torchvision:resnet18", uri], [Data("b", "1", facts={"n": 3})])
        run.log({"b/ceiling": math.nan, "b/ceiled": 0.5}, of=uri, on=("b", "1"))
        run.log({"b/raw": 0.25}, of="torchvision:resnet18", on=("b", "1"))
        run.log({f"b/layer{i}/ceiled": i for i in range(3)})
    kept = client().get_run(run.id).data.metrics
    assert (kept["b/ceiled"], kept["b/raw"]) == (0.5, 0.25) and math.isnan(kept["b/ceiling"])
    page = client().get_logged_model(uri.removeprefix("models:/"))
    assert {m.key for m in page.metrics if m.run_id == run.id} >= {"b/ceiled"}
    assert not any("layer" in m.key or m.key == "b/raw" for m in page.metrics)


def test_descriptions_stay_within_what_mlflow_takes(registry: Path) -> None:
    rows = [(f"benchmark {i}", i / 3, math.nan) for i in range(200)]
    text = notes.table(("name", "value", "none"), rows)
    assert text.splitlines()[1] == "| --- | ---: | ---: |" and "| benchmark 1 | 0.333 | – |" in text
    assert "160 more rows" in text and len(text.splitlines()) == 44
    parents = []
    for number in range(15):
        with runs.open_run(runs.Spec("train", 1, {}, {"n": number}), name=f"t [{number}]") as run:
            pass
        parents.append(run.id)
    with runs.open_run(runs.Spec("compare", 1, {}, {}), name="c", parents=parents) as run:
        run.describe("x" * 100 + "\n" + "y\n" * 3000)
    assert len(note(run.id)) < 5000 and note(run.id).endswith("\n...")
    with runs.open_run(runs.Spec("compare", 1, {}, {"again": 1}), name="c", parents=parents) as run:
        pass
    text = note(run.id)
    assert text.count("](#/experiments/") == 12 and "- and 3 more runs" in text and "[t (0)]" in text
