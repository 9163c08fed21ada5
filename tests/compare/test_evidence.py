"""Evidence read from a registry whose numbers are known."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.evidence import DECODINGS, NETWORKS, PAIRS, SCORES, Evidence, empty_frames, load
from mlspatial.compare.scores import alignment
from mlspatial.core.names import DATASET_ID, MODEL_ID, TAG
from mlspatial.registry import runs
from mlspatial.registry.store import client

CFG = {
    "arch": "a", "dataset": "spatial", "batches": 4, "batch_size": 8, "lr": 0.1, "fraction": 0.5, "init": "random",
    "workers": 2, "checkpoints": "2,4",
}  # fmt: skip
ROW = {
    "benchmark": "v4", "region": "V4", "raw": 0.6, "ceiling": 0.8, "ceiled": 0.45, "error": 0.01, "n": 10,
    "metric": "pls25", "version": "1", "formula": "r^2/c", "direction": "higher",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))


def render(dataset_id: str = "d1", n_train: int = 1000, categories: int = 117, translation: str = "full") -> None:
    cfg = {"dataset": "spatial", "n_train": n_train, "n_categories": categories, "translation": translation}
    with runs.open_run(runs.Spec("render", 1, {"recipe_id": dataset_id}, cfg), name="r", study="elsewhere") as run:
        run.set_tags({DATASET_ID: dataset_id})
        names = {"category": categories, "identity": 2 * categories}
        schema = [{"name": name, "categories": [str(i) for i in range(n)]} for name, n in names.items()]
        run.log_text(json.dumps({"schema": schema}), "manifest.json")


def train(
    task: str,
    seed: int,
    *,
    version: int = 1,
    study: str = "s",
    dataset_id: str = "d1",
    force: bool = False,
    **changes: object,
) -> tuple[str, list[str]]:
    """(run id, model ids of the checkpoints): registered as `log_model` does, without weights."""
    cfg = {**CFG, "task": task, "seed": seed, **changes}
    last = int(cfg["batches"])
    models = []
    name = f"{cfg['arch']}.spatial.{task.replace('+', '-')}"
    with runs.open_run(
        runs.Spec("train", version, {"dataset_id": dataset_id}, cfg, frozenset({"workers"})),
        name="t", study=study, force=force,
    ) as run:  # fmt: skip
        for step in sorted({2, last} if last else {0}):
            run.log({"heldout/loss": 1 / (1 + step), f"heldout/{task.split('+')[0]}/r2": step / 10}, step)
            run.flush()
            models.append(f"{task}-{run.id[:6]}-{step}")
            tags = {"seed": seed, "step": step, "task": task, "arch": cfg["arch"], "dataset": cfg["dataset"]}
            tags |= {MODEL_ID: models[-1], DATASET_ID: dataset_id}
            if not client().search_registered_models(f"name = '{name}'"):
                client().create_registered_model(name)
            texts = {key: str(value) for key, value in tags.items()}
            logged = client().create_logged_model(client().get_run(run.id).info.experiment_id, source_run_id=run.id)
            client().finalize_logged_model(logged.model_id, "READY")
            client().create_model_version(name, f"models:/{logged.model_id}", run_id=run.id, tags=texts)
    return run.id, models


def facts(model: str, **tags: object) -> dict[str, object]:
    return {TAG + name: value for name, value in tags.items()} | {MODEL_ID: model}


def score(
    model: str, raw: float = 0.6, study: str = "s", entry: str = "score", layers: tuple[str, ...] = ("l1", "l2"),
    version: str = "1", **tags: object,
) -> str:  # fmt: skip
    """The last of two layers counts."""
    inputs = {"model_id": model, "raw": raw, "layers": list(layers), "version": version}
    spec = runs.Spec(entry, 1, inputs, {"models": tags.pop("uri", f"models:/m-{model}")})
    rows = [{**ROW, "version": version, "layer": layer, "committed": layer == layers[-1], "raw": raw * part,
             "model_id": model} for layer, part in zip(layers, (0.5, 1.0), strict=True)]  # fmt: skip
    rows = [{**row, "ceiled": row["raw"] ** 2 / 0.8} for row in rows]
    with runs.open_run(spec, name="score", study=study) as run:
        run.set_tags(facts(model, **tags))
        run.log_table(pd.DataFrame(rows), "scores.json")
    return run.id


def similarity(models: list[str], values: dict[str, np.ndarray], folder: Path, study: str = "s") -> str:
    labels = [f"label {i}" for i in range(len(models))]
    spec = runs.Spec("similarity", 1, {"models": models}, {"metric": "cka"})
    with runs.open_run(spec, name="sim", study=study) as run:
        run.log_table(pd.DataFrame({"model": labels, "model_id": models}), "models.json")
        run.log_table(pd.DataFrame({"layer": [layer for layer in values for _ in range(2)]}), "groups_cka.json")
        for layer, matrix in values.items():
            table = pd.DataFrame(matrix, index=labels, columns=labels)
            table.index.name = "model"
            table.reset_index().to_parquet(folder / f"cka_{layer}.parquet")
            run.log_file(folder / f"cka_{layer}.parquet", "matrices")
    return run.id


def decode(model: str, value: float, study: str = "s") -> str:
    rows = [
        {"layer": layer, "latent": "x", "fold": fold, "measure": "pearson_r", "value": value, "chance": 0.0,
         "alpha": None, "model_id": model, "task": "t"}
        for layer in ("z1", "a2") for fold in (0, 1)
    ]  # fmt: skip
    with runs.open_run(runs.Spec("decode", 1, {"model_id": model, "value": value}, {}), name="dec", study=study) as run:
        run.log_text(pd.DataFrame(rows).to_json(orient="table", index=False), "decoding.json")
    return run.id


def one(evidence: Evidence, model: str) -> pd.Series:
    found = evidence.networks[evidence.networks.model_id == model]
    assert len(found) == 1
    return found.iloc[0]


def test_networks_are_the_registered_checkpoints_with_what_is_known_of_them(registry: Path) -> None:
    render()
    run_id, (half, full) = train("distance+rotation", 3)
    _, (untrained,) = train("category", 0, batches=0)
    _, (_, category) = train("category", 1)
    _, (_, every) = train("all", 1)
    networks = load("s").networks
    assert list(networks.columns[: len(NETWORKS)]) == list(NETWORKS) and len(networks) == 7
    assert networks.model_id.is_unique
    found = one(load("s"), full)
    expected = {
        "run_id": run_id, "name": "a.spatial.distance-rotation", "task": "distance+rotation", "arch": "a",
        "dataset": "spatial", "dataset_id": "d1", "seed": 3, "step": 4, "final": True, "init": "random",
        "fraction": 0.5, "n_train": 500.0, "outputs": 7.0, "n_categories": 117.0, "translation": "full",
        "settings": "batch_size 8, lr 0.1, version 1", "imported": False, "loss": 0.2, "heldout/distance/r2": 0.4,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected and np.isnan(found["heldout/category/r2"])
    assert found.uri.startswith("models:/m-")
    found = one(load("s"), half)  # its numbers come from the history
    assert (found.step, found.final, found.loss, found["heldout/distance/r2"]) == (2, False, 1 / 3, 0.2)
    found = one(load("s"), untrained)
    assert (found.task, found.outputs, found.step, found.final) == ("untrained", 0.0, 0, True)
    assert one(load("s"), category).outputs == 117 and one(load("s"), every).outputs == 1 + 2 + 6 + 117 + 234
    assert set(load().networks.model_id) == set(networks.model_id) and load("other").networks.empty
    assert load("s").links[run_id].endswith(f"/runs/{run_id}?workflowType=machine_learning")


def test_a_dataset_that_is_not_known_leaves_nan(registry: Path) -> None:
    _, (_, full) = train("distance+identity", 0)
    found = one(load(), full)
    assert np.isnan(found.n_train) and np.isnan(found.n_categories) and found.translation == ""
    assert found.outputs == 1 + 548  # as many as published


def test_other_settings_and_other_procedures_stand_apart_and_what_was_made_again_counts_once(registry: Path) -> None:
    _, (_, first) = train("distance", 0)
    _, (_, other) = train("distance", 0, lr=0.2)
    _, (_, more) = train("distance", 0, workers=7, force=True)
    _, (_, often) = train("distance", 0, checkpoints="1,2,4")
    _, (_, changed) = train("distance", 0, version=2)
    networks = load("s").networks.set_index("model_id")
    assert first not in networks.index and networks.settings[other] == "batch_size 8, lr 0.2, version 1"
    assert networks.settings[changed] == "batch_size 8, lr 0.1, version 2"
    assert networks.settings[often] == "batch_size 8, lr 0.1, version 1"
    assert networks.settings[more] == networks.settings[often]
    score(first)  # the older one is what has a score
    assert first in set(load("s").networks.model_id) and more not in set(load("s").networks.model_id)
    score(more)
    assert first not in set(load("s").networks.model_id)


def test_scores(registry: Path) -> None:
    _, (_, model) = train("distance", 0, study="elsewhere")
    run_id = score(model)
    evidence = load("s")
    assert list(evidence.scores.columns) == list(SCORES)
    assert one(evidence, model).task == "distance"  # trained in another study, scored in this one
    assert len(evidence.networks) == 1
    first, second = (row for _, row in evidence.scores.iterrows())
    expected = {
        "run_id": run_id, "model_id": model, "benchmark": "v4", "region": "V4", "layer": "l1", "depth": 0,
        "committed": False, "primary": True, "raw": 0.3, "ceiling": 0.8, "n": 10, "version": "1", "engine": "fast",
        "selection": "", "formula": "r^2/c",
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert second.depth == 1 and second.committed
    assert second.r2_over_c == pytest.approx(0.36 / 0.8) and second.r_over_c_squared == pytest.approx((0.6 / 0.8) ** 2)
    assert alignment(evidence, formula="r2_over_c").V4.tolist() == [pytest.approx(0.45)]
    newer = score(model, raw=0.7)
    scores = load("s").scores
    assert set(scores.run_id) == {newer} and len(scores) == 2
    client().delete_run(newer)
    assert set(load("s").scores.run_id) == {run_id}


@pytest.mark.parametrize(("layers", "version"), [(("l1", "l2"), "2"), (("l0", "l1"), "1")])
def test_of_a_network_that_was_scored_again_the_newest_run_counts_alone(
    registry: Path, layers: tuple[str, str], version: str
) -> None:
    """By another version of the metric, or at other layers: the mean of both is nobody's score."""
    _, (_, model) = train("distance", 0)
    first = score(model)
    newer = score(model, raw=0.4, layers=layers, version=version)
    evidence = load("s")
    counted = evidence.scores[evidence.scores.committed]
    assert counted.run_id.tolist() == [newer] and counted.layer.tolist() == [layers[-1]]
    assert alignment(evidence, formula="r2_over_c").V4.tolist() == [pytest.approx(0.16 / 0.8)]
    older = evidence.scores[evidence.scores.run_id == first]  # layers that nobody measured since stay to be looked at
    assert older.layer.tolist() == [layer for layer in ("l1", "l2") if layer not in layers]


def test_networks_from_outside_get_a_row_from_the_runs_about_them(registry: Path) -> None:
    tags = {"arch": "torchvision:resnet18", "dataset": "imagenet1k", "task": "imagenet", "seed": 0, "step": 0}
    score("weights", uri="torchvision:resnet18", **tags)
    score("drawn", uri="torchvision:resnet18@random3", **{**tags, "task": "untrained", "seed": 3})
    facts = {
        "task": "all",
        "arch": "resnet50",
        "dataset": "tdw",
        "seed": -1,
        "step": -1,
        "imported": "true",
        "n_train": 1.3e6,
    }
    score("published", entry="import", settings="mean over 3 networks", **facts)
    evidence = load("s")
    found = one(evidence, "weights")
    assert (found["name"], found.task, found.outputs, found.run_id) == ("torchvision:resnet18", "imagenet", 1000, "")
    found = one(evidence, "drawn")
    assert (found["name"], found.seed, found.outputs) == ("torchvision:resnet18@random", 3, 0)
    found = one(evidence, "published")
    assert (found.imported, found.n_train, found.outputs, found.seed) == (True, 1.3e6, 674, -1)
    assert found.settings == "mean over 3 networks" and not one(evidence, "weights").imported
    engines = evidence.scores.set_index("model_id").engine
    assert set(engines["published"]) == {"imported"} and set(engines["drawn"]) == {"fast"}
    assert evidence.scores[evidence.scores.model_id == "published"].r2_over_c.isna().all()


def test_pairs(registry: Path, tmp_path: Path) -> None:
    models = [train("distance", seed)[1][-1] for seed in range(3)]
    rng = np.random.default_rng(0)
    matrices = {layer: np.corrcoef(rng.normal(size=(3, 9))) for layer in ("z", "a")}
    first = similarity(models, matrices, tmp_path)
    evidence = load("s")
    pairs = evidence.pairs
    assert list(pairs.columns) == list(PAIRS) and len(pairs) == 6 and set(pairs.run_id) == {first}
    assert dict(zip(pairs.layer, pairs.depth, strict=True)) == {"z": 0, "a": 1}
    for (i, a), (j, b) in combinations(enumerate(models), 2):
        for layer, matrix in matrices.items():
            row = pairs[(pairs.model_a == a) & (pairs.model_b == b) & (pairs.layer == layer)]
            assert row.value.tolist() == [matrix[i, j]]
    newer = similarity([models[1], models[0]], {"z": np.array([[1, 0.5], [0.5, 1]])}, tmp_path)
    pairs = load("s").pairs
    assert len(pairs) == 6 and pairs[pairs.run_id == newer].value.tolist() == [0.5]


def test_decodings(registry: Path) -> None:
    _, (_, model) = train("distance", 0)
    old, new, pixels = decode(model, 0.1), decode(model, 0.2), decode("pixels", 0.3)
    with runs.open_run(runs.Spec("decode", 1, {"runs": [old]}, {}), name="summary", study="s") as run:
        run.log_text("not for us", "decoding.json")
    evidence = load("s")
    assert list(evidence.decodings.columns) == list(DECODINGS) and len(evidence.decodings) == 8
    assert set(evidence.decodings.run_id) == {new, pixels}
    mine = evidence.decodings[evidence.decodings.model_id == model]
    assert mine.value.tolist() == [0.2] * 4 and mine.depth.tolist() == [0, 0, 1, 1]
    assert mine.fold.tolist() == [0, 1, 0, 1]
    assert len(evidence.networks) == 2  # pixels are no network


def test_a_run_whose_files_are_gone_is_left_out(registry: Path) -> None:
    _, (half, full) = train("distance", 0)
    gone, there = score(half), score(full)
    for path in registry.rglob(f"{gone}/artifacts/scores.json"):
        path.write_text("{")
    with pytest.warns(UserWarning, match=f"run {gone}: scores-1 left out"):
        evidence = load("s")
    assert set(evidence.scores.run_id) == {there} and len(evidence.networks) == 2


def test_an_empty_registry_gives_empty_frames(registry: Path) -> None:
    evidence = load("s")
    for name, frame in empty_frames().items():
        pd.testing.assert_frame_equal(getattr(evidence, name), frame, check_dtype=False)
    assert evidence.links == {} and alignment(evidence).empty
