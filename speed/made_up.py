"""Made-up runs of every entry that `compare` reads, written straight into a tracking server's database and store.

What a run holds is what the steps leave: parameters, tags, last values and histories of metrics, registered
checkpoints, tables, arrays and the archive of them. Numbers come from a seed and mean nothing. Files are handed to
whoever writes them, so that they may lie in a folder or in an object store.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from mlspatial.core.names import DATASET_ID, ENTRY, LEFT_OUT, MODEL_ID, SPEC, STUDY, TAG
from mlspatial.core.predictions import Predictions
from mlspatial.core.predictions import write as write_predictions
from mlspatial.registry.bundle import BUNDLE, BUNDLED, Seen, archive

START = 1_700_000_000_000  # milliseconds since 1970
STUDIED, DATASET = "made-up", "dataset-of-made-up-runs"
TASKS = ("distance", "translation", "rotation", "category")
LAYERS = tuple(f"layer{i}.{j}.relu" for i in (1, 2, 3, 4) for j in (0, 1))
STEPS = (100, 1000)  # checkpoints of a training
LATENTS = ("x", "y", "z", "rot_0", "rot_1", "rot_2", "category")
BENCHMARKS = {"toy_v1": "V1", "toy_it": "IT"}
UNITS, STIMULI, SPLITS, FOLDS, BLOCKS = 24, 60, 10, 5, 20
TOGETHER = 12  # networks of a similarity run
SHARES = {"train": 0.25, "score": 0.4, "similarity": 0.02}  # of all runs; one is a render, the rest are decode runs

Put = Callable[[str, str, bytes], None]  # run id, name of the artifact, content


@dataclass
class MadeUp:
    """A run: what stands in the database, and its artifacts."""

    id: str
    entry: str
    params: dict[str, Any]
    tags: dict[str, str]
    metrics: list[tuple[str, int, float]] = field(default_factory=list)  # name, step, value
    files: dict[str, bytes] = field(default_factory=dict)
    versions: list[dict[str, str]] = field(default_factory=list)  # tags of registered checkpoints


def runs(n: int, seed: int = 0) -> Iterator[MadeUp]:
    """n runs, oldest first: a dataset, trainings, then what was measured of their checkpoints."""
    rng = np.random.default_rng([seed, n])
    counts = {entry: max(1, round(share * n)) for entry, share in SHARES.items()}
    counts["decode"] = n - 1 - sum(counts.values())
    names = (rng.bytes(16).hex() for _ in range(n))
    yield _render(next(names))
    networks: list[dict[str, str]] = []
    for number in range(counts["train"]):
        made = _train(next(names), TASKS[number % len(TASKS)], number // len(TASKS), rng)
        networks += made.versions
        yield made
    last = [one for one in networks if one["step"] == str(STEPS[-1])]
    order = [*last, *(one for one in networks if one not in last)]
    for number in range(counts["score"]):
        yield _score(next(names), order[number % len(order)], rng)
    for number in range(counts["decode"]):
        yield _decode(next(names), order[number % len(order)], rng)
    for number in range(counts["similarity"]):
        first = number * TOGETHER % max(1, len(last) - TOGETHER + 1)
        yield _similarity(next(names), last[first : first + TOGETHER], rng)


def _table(frame: pd.DataFrame) -> bytes:
    """As `Run.log_table` writes it."""
    return str(frame.to_json(orient="split", index=False)).encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _render(run: str) -> MadeUp:
    schema = [{"name": "category", "categories": ["apple", "bottle", "chair"]}, {"name": "x"}]
    params = {"dataset": "made", "n_train": 1000, "n_categories": 3, "translation": "full"}
    files = {"manifest.json": json.dumps({"schema": schema}).encode()}
    return MadeUp(run, "render", params, {DATASET_ID: DATASET}, [], files)


def _train(run: str, task: str, seed: int, rng: np.random.Generator) -> MadeUp:
    params = {"task": task, "seed": seed, "batches": STEPS[-1], "arch": "resnet18", "dataset": "made", "lr": 0.001}
    params |= {"batch_size": 64, "fraction": 1.0, "init": "random", "input_size": 64}
    metrics = []
    for step in STEPS:
        values = {"loss": 100 / step, f"{task}/{'top1' if task == 'category' else 'r2'}": 0.9 - 10 / step}
        metrics += [(f"heldout/{name}", step, value + rng.normal() / 50) for name, value in values.items()]
    metrics += [("train/loss", step, 1 / (1 + step) + rng.random() / 10) for step in range(0, STEPS[-1], 50)]
    versions = [
        {"task": task, "seed": str(seed), "arch": "resnet18", "dataset": "made", "step": str(step),
         MODEL_ID: f"{run[:20]}{step:012d}", DATASET_ID: DATASET}
        for step in STEPS
    ]  # fmt: skip
    files = {"curves.json": _table(pd.DataFrame({"step": STEPS}))}
    return MadeUp(run, "train", params, {DATASET_ID: DATASET}, metrics, files, versions)


def _score(run: str, network: dict[str, str], rng: np.random.Generator) -> MadeUp:
    model = network[MODEL_ID]
    rows, units, kept, metrics = [], [], [], []
    for benchmark, region in BENCHMARKS.items():
        raw = rng.uniform(0.2, 0.6, len(LAYERS))
        committed = raw.argmax()
        for depth, layer in enumerate(LAYERS):
            value, ceiling = float(raw[depth]), 0.8
            ratio = value / ceiling
            rows.append(
                {"model_id": model, "benchmark": benchmark, "region": region, "layer": layer, "depth": depth,
                 "committed": depth == committed, "metric": "pls25", "primary": True, "raw": value, "ceiling": ceiling,
                 "ceiled": ratio**2, "error": 0.01, "n": SPLITS, "formula": "(r/c)^2", "version": "1", "engine": "fast",
                 "selection": "argmax", "r2_over_c": ratio * value, "r_over_c_squared": ratio**2,
                 "ceiling_error": 0.01, "ceiled_error": 0.02}
            )  # fmt: skip
        facts = {"model_id": model, "benchmark": benchmark, "region": region, "metric": "pls25"}
        layer = LAYERS[committed]
        units.append(
            pd.DataFrame(
                {
                    **{**facts, "layer": layer, "committed": True, "reliability": 0.9},
                    "unit": np.repeat(np.arange(UNITS), SPLITS).astype(str),
                    "split": np.tile(np.arange(SPLITS), UNITS),
                    "r": rng.random(UNITS * SPLITS, np.float32),
                }
            )
        )
        shown = np.random.default_rng(len(benchmark))  # the same responses for every network
        responses = shown.standard_normal((STIMULI, UNITS)).astype(np.float32)
        predicted = (responses + 0.5 * rng.standard_normal(responses.shape)).astype(np.float32)
        kept.append(
            Predictions(
                benchmark, region, "pls25", layer, tuple(f"s{i}" for i in range(STIMULI)),
                (np.arange(STIMULI) % FOLDS).astype(np.int16), tuple(map(str, range(UNITS))), predicted, responses,
                np.full_like(responses, 0.1), np.full(UNITS, 0.8, np.float32),
            )
        )  # fmt: skip
        metrics += [(f"{benchmark}/raw", 0, float(raw.max())), (f"{benchmark}/ceiling", 0, 0.8)]
        metrics += [(f"{benchmark}/{one}/ceiled", 0, float(value)) for one, value in zip(LAYERS, raw, strict=True)]
    files = {"scores.json": _table(pd.DataFrame(rows)), "units.parquet": _parquet(pd.concat(units))}
    with TemporaryDirectory() as folder:
        files |= {path.name: path.read_bytes() for path in write_predictions(kept, Path(folder))}
    files |= {"summary.md": b"made up\n", "layers.png": rng.bytes(40_000)}
    params = {"models": f"model {model}", "benchmarks": ",".join(BENCHMARKS), "layers": "auto"}
    return MadeUp(run, "score", params, {MODEL_ID: model, DATASET_ID: DATASET}, metrics, files)


def _decode(run: str, network: dict[str, str], rng: np.random.Generator) -> MadeUp:
    rows, left = [], []
    for depth, layer in enumerate(LAYERS):
        for latent in LATENTS:
            is_class = latent == "category"
            measure, value = "accuracy" if is_class else "pearson_r", 0.3 + 0.02 * depth
            left.append((layer, latent, measure, (value + rng.normal(0, 0.02, BLOCKS)).astype(np.float32)))
            for fold in range(FOLDS):
                rows.append(
                    {"model_id": network[MODEL_ID], "layer": layer, "latent": latent, "fold": fold, "measure": measure,
                     "value": value + rng.normal(0, 0.02), "chance": 1 / 3 if is_class else 0.0, "n_train": 1600}
                )  # fmt: skip
    files = {"decoding.json": pd.DataFrame(rows).to_json(orient="table", index=False).encode()}
    files[LEFT_OUT] = _parquet(pd.DataFrame(left, columns=["layer", "latent", "measure", "left_out"]))
    files["pictures/decoding.png"] = rng.bytes(40_000)
    metrics = [(f"{latent}/{layer}", 0, float(rng.random())) for latent in LATENTS for layer in LAYERS]
    tags = {MODEL_ID: network[MODEL_ID], DATASET_ID: DATASET, TAG + "task": network["task"], TAG + "arch": "resnet18"}
    params = {"models": f"model {network[MODEL_ID]}", "folds": FOLDS, "latents": "all", "stimuli": "heldout:2000"}
    return MadeUp(run, "decode", params, tags, metrics, files)


def _similarity(run: str, networks: Sequence[dict[str, str]], rng: np.random.Generator) -> MadeUp:
    labels = [f"{one['task']} {one['seed']}" for one in networks]
    models = [{"model": label, "model_id": one[MODEL_ID]} for label, one in zip(labels, networks, strict=True)]
    files = {"models.json": _table(pd.DataFrame(models))}
    files["groups_cka.json"] = _table(pd.DataFrame({"layer": LAYERS, "mean": 0.5}))
    pairs = list(combinations(range(len(labels)), 2))
    left = []
    for layer in LAYERS:
        matrix = np.eye(len(labels))
        for first, second in pairs:
            matrix[first, second] = matrix[second, first] = value = rng.uniform(0.2, 0.9)
            left.append(("cka", layer, first, second, (value + rng.normal(0, 0.01, BLOCKS)).astype(np.float32)))
        table = pd.DataFrame(matrix, index=pd.Index(labels, name="model"), columns=labels)
        files[f"matrices/cka_{layer}.parquet"] = _parquet(table.reset_index())
        files[f"matrices/cka_{layer}.csv"] = table.to_csv().encode()
    files[LEFT_OUT] = _parquet(pd.DataFrame(left, columns=["metric", "layer", "first", "second", "left_out"]))
    metrics = [(f"cka/{layer}/mean", 0, float(rng.random())) for layer in LAYERS]
    params = {"models": "all", "metric": "cka", "stimuli": "heldout:2000", "layers": ",".join(LAYERS)}
    return MadeUp(run, "similarity", params, {DATASET_ID: DATASET}, metrics, files)


def fill(
    n: int, database: str, experiment: str, root: str, put: Put, *, bundled: bool = True, study: str = STUDIED
) -> list[MadeUp]:
    """Write n finished runs: rows into a tracking database (its address for SQLAlchemy), files through `put`.

    experiment: its id; root: address of its artifacts; bundled: with the archives that runs leave. Returns the runs
    without their files.
    """
    made = []
    for one in runs(n, sum(study.encode())):
        seen = Seen()
        for name, content in one.files.items():
            put(one.id, name, content)
            seen.add(name, content)
        if bundled and any(content is not None for content in seen.files.values()):
            packed = archive(seen.files)
            put(one.id, BUNDLE, packed)
            one.tags[BUNDLED] = hashlib.sha256(packed).hexdigest()
        one.tags[STUDY], one.files = study, {}
        made.append(one)
    _insert(made, database, experiment, root, study)
    return made


def _insert(made: Sequence[MadeUp], database: str, experiment: str, root: str, study: str) -> None:
    from mlflow.store.model_registry.dbmodels import models as registered
    from mlflow.store.tracking.dbmodels import models as tables
    from sqlalchemy import create_engine

    ends = {one.id: START + 2000 * i for i, one in enumerate(made)}
    rows: dict[Any, list[dict[str, Any]]] = {
        tables.SqlRun: [
            {"run_uuid": one.id, "name": f"{one.entry} {i}", "user_id": "speed", "status": "FINISHED",
             "start_time": ends[one.id] - 1500, "end_time": ends[one.id], "lifecycle_stage": "active",
             "artifact_uri": f"{root}/{one.id}/artifacts", "experiment_id": int(experiment)}
            for i, one in enumerate(made)
        ]
    }  # fmt: skip
    rows[tables.SqlParam] = [
        {"run_uuid": one.id, "key": f"cfg.{key}", "value": str(value)}
        for one in made
        for key, value in one.params.items()
    ]
    own = {"mlflow.user": "speed", TAG + "version": "1", "mlflow.source.name": "made up"}
    rows[tables.SqlTag] = [
        {"run_uuid": one.id, "key": key, "value": value}
        for one in made
        for key, value in {
            **own, ENTRY: one.entry, SPEC: f"spec{one.id[:28]}", "mlflow.runName": f"{one.entry} {one.id[:6]}",
            **one.tags,
        }.items()
    ]  # fmt: skip
    logged = [
        {"run_uuid": one.id, "key": key, "value": value, "timestamp": ends[one.id] - 1000 + step, "step": step,
         "is_nan": False}
        for one in made
        for key, step, value in one.metrics
    ]  # fmt: skip
    rows[tables.SqlMetric] = logged
    rows[tables.SqlLatestMetric] = list({(row["run_uuid"], row["key"]): row for row in logged}.values())
    names = sorted({_registered(study, tags) for one in made for tags in one.versions})
    rows[registered.SqlRegisteredModel] = [{"name": name, "workspace": "default"} for name in names]
    numbers = dict.fromkeys(names, 0)
    rows[registered.SqlModelVersion], rows[registered.SqlModelVersionTag] = [], []
    for one in made:
        for tags in one.versions:
            name = _registered(study, tags)
            numbers[name] += 1
            key = {"workspace": "default", "name": name, "version": numbers[name]}
            facts = {"source": f"models:/m-{tags[MODEL_ID]}", "run_id": one.id, "status": "READY"}
            facts |= {"creation_time": ends[one.id] + int(tags["step"]), "current_stage": "None"}
            rows[registered.SqlModelVersion].append({**key, **facts})
            rows[registered.SqlModelVersionTag] += [{**key, "key": tag, "value": value} for tag, value in tags.items()]
    engine = create_engine(database)
    with engine.begin() as connection:
        for table, entries in rows.items():
            if entries:
                connection.execute(table.__table__.insert(), entries)
    engine.dispose()


def _registered(study: str, tags: dict[str, str]) -> str:
    return f"resnet18.{study}.{tags['task']}"
