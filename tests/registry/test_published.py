"""Published datasets through a real tracking server, which keeps the artifacts itself."""

from __future__ import annotations

import re
import shlex
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrypoints import train as train_entry
from mlspatial.core.errors import DatasetError, Unreachable
from mlspatial.core.manifest import Manifest
from mlspatial.data import arriving
from mlspatial.data.shards import read_columns, verify
from mlspatial.registry import dataset_stores, runs
from mlspatial.registry.datasets import find_dataset
from mlspatial.registry.published import stated
from mlspatial.steps.publish import publish
from tests.registry.serving import Gate, Server
from tests.steps.test_datasets import OPTIONS, ask
from tests.test_entrypoints import call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TRAIN = ("--task", "distance", "--dataset", "served", "--arch", "resnet18w8", "--batches", "5", "--batch_size", "20",
         "--device", "cpu")  # fmt: skip


def rendered(**changes: Any) -> runs.RunRecord:
    return runs.get(ask("here", **{**OPTIONS, "dataset": "served", "n_heldout": 40, "size": 32, **changes}))


def weights(run_id: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    from mlspatial.registry.artifacts import fetch
    from mlspatial.registry.store import client

    (model,) = (m for m in client().search_logged_models([runs.get(run_id).experiment]) if m.source_run_id == run_id)
    return load_file(fetch(f"models:/{model.model_id}") / "artifacts" / "weights.safetensors")


def test_a_training_from_the_server_gives_the_same_weights(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    run = rendered(publish="true")
    assert run.artifacts.startswith("mlflow-artifacts:/") and stated(run) is not None
    code, out, _ = call(train_entry.main, *TRAIN)
    assert code == 0
    here = out.split()[-1]
    monkeypatch.setenv("MLSPATIAL_CACHE", "other")
    Path("here").rename("hidden")
    code, out, told = call(train_entry.main, *TRAIN, "--force", "true")
    assert code == 0 and f"the artifacts of run {run.id}" in told
    one, other = weights(here), weights(out.split()[-1])
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
    assert verify(find_dataset(str(run.dataset_id))[0]) == Manifest.load(Path("hidden"))


def test_a_server_that_goes_away_while_images_are_fetched_is_waited_for(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rendered(dataset="gone_for_a_while", seed=2, publish="true")
    true = read_columns(Path("here"), Manifest.load(Path("here")), "train", ["image"])["image"]
    Path("here").rename("hidden")
    monkeypatch.setenv("MLSPATIAL_CACHE", "other")
    folder, manifest, _ = find_dataset(str(run.dataset_id))
    gate.shut()
    threading.Timer(2.0, gate.open).start()
    assert np.array_equal(read_columns(folder, manifest, "train", ["image"])["image"], true)
    shutil.rmtree(folder)
    folder, manifest, _ = find_dataset(str(run.dataset_id))
    gate.shut()
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.3")
    with pytest.raises(Unreachable, match="does not answer"):
        read_columns(folder, manifest, "train", ["image"])
    gate.open()
    assert np.array_equal(read_columns(folder, manifest, "train", ["image"])["image"], true)


def test_an_upload_goes_on_where_it_was(gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run = rendered(dataset="uploaded", seed=3)
    put, names = dataset_stores.Artifacts.put, []

    def noted(self: Any, name: str, data: bytes) -> None:
        if len(names) == 3:
            gate.shut()
        names.append(name)
        put(self, name, data)

    monkeypatch.setattr(dataset_stores.Artifacts, "put", noted)
    monkeypatch.setattr("mlspatial.steps.publish.THREADS", 1)
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.3")
    with pytest.raises(Unreachable):
        publish(run.id, "artifacts")
    gate.open()
    monkeypatch.delenv("MLSPATIAL_PATIENCE")
    assert stated(runs.get(run.id)) is None
    first, names[:] = list(names[:3]), [""] * 9  # the gate stays open
    publish(run.id, "artifacts")
    assert stated(runs.get(run.id)) is not None and not set(first) & set(names)


def test_what_is_missing_at_a_server_is_told_in_one_line(
    gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rendered(dataset="holey", seed=4, publish="true")
    kept = server.folder / "served" / run.artifacts.removeprefix("mlflow-artifacts:/") / "dataset"
    lost = kept / "train" / "part-00001" / "00001.bin"
    data = lost.read_bytes()
    lost.unlink()
    Path("here").rename("hidden")
    monkeypatch.setenv("MLSPATIAL_CACHE", "other")
    folder, manifest, _ = find_dataset(str(run.dataset_id))
    coming = arriving.of(folder)
    assert coming is not None
    with pytest.raises(DatasetError, match=r"has no train/part-00001/00001.bin; publish it again: ") as problem:
        coming.whole(coming.index.shards)
    (advice,) = re.findall("publish it again: (.*)", str(problem.value))
    from entrypoints import render as render_entry

    Path("hidden").rename("here")
    assert call(render_entry.main, *shlex.split(advice)[3:])[0] == 0
    assert lost.read_bytes() == data
    coming.whole(coming.index.shards)
    assert verify(folder) == manifest
