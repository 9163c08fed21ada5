"""Where runs go: one named experiment, extractions beside it; what lies elsewhere is found all the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlspatial.core.errors import UserError
from mlspatial.registry import activations, read, runs
from mlspatial.registry.artifacts import local_path
from mlspatial.registry.models import ModelRecord
from mlspatial.registry.store import client, experiment_id

RECORD = ModelRecord("models:/m-1", "n", "1", "id-1", "", "toy", "d", "distance", 0, 1)


@pytest.fixture
def unnamed(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    with closing(sqlite3.connect(registry / "mlflow.db")) as database:  # as in a project's own folder
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (f"{registry}/mlruns/0",)
        )
        database.commit()
    return registry


def made(entry: str, number: int = 0) -> runs.RunRecord:
    with runs.open_run(runs.Spec(entry, 1, {"model_id": "id-1"}, {"number": number}), name=entry, study="s") as run:
        if not run.answered:
            run.log_text("x", "a.txt")
    return runs.get(run.id)


def name_of(run: runs.RunRecord) -> str:
    return str(client().get_experiment(run.experiment).name)


def test_runs_go_to_a_named_experiment_and_extractions_to_one_beside_it(
    unnamed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [name_of(made(entry)) for entry in ("score", "extract", "train")] == [
        "mlspatial", "mlspatial-activations", "mlspatial",
    ]  # fmt: skip
    assert client().search_runs(["0"]) == []
    root = local_path(client().get_experiment("0").artifact_location)
    places = [local_path(client().get_experiment(experiment_id(entry)).artifact_location) for entry in ("", "extract")]
    assert root == unnamed / "mlruns" / "0" and places == [
        root.with_name("mlspatial"),
        root.with_name("mlspatial-activations"),
    ]
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")  # as `mlflow run` hands on where nobody named one
    assert name_of(made("score", 1)) == "mlspatial"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", client().create_experiment("mine"))
    assert [name_of(made(entry, 2)) for entry in ("score", "extract")] == ["mine", "mine-activations"]
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "Default")
    assert [name_of(made(entry, 3)) for entry in ("score", "extract")] == ["Default", "Default-activations"]


def test_what_lies_in_default_is_found_and_answers(unnamed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlspatial.registry.opening.experiment_id", lambda entry: "0")  # where everything went once
    calls: list[object] = []

    def make(missing: object, folder: Path) -> None:
        calls.append(missing)
        (folder / "gram").mkdir()
        (folder / "gram" / "fc.npy").write_bytes(b"array")

    before = made("score"), made("train")
    files, holders = activations.layer_arrays(RECORD, "stimuli", ["gram"], ["fc"], make)
    assert runs.get(holders["gram", "fc"]).experiment == "0"
    monkeypatch.undo()
    monkeypatch.chdir(unnamed)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{unnamed}/mlflow.db")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    assert (made("score").id, made("train").id) == tuple(run.id for run in before)
    assert activations.layer_arrays(RECORD, "stimuli", ["gram"], ["fc"], make) == (files, holders) and len(calls) == 1
    new = made("score", 1)
    assert name_of(new) == "mlspatial" and set(read.runs(entry="score", study="s").run_id) == {before[0].id, new.id}


def test_a_deleted_experiment_is_named(unnamed: Path) -> None:
    client().delete_experiment(made("score").experiment)
    with pytest.raises(UserError, match=r"experiment 'mlspatial' is deleted; restore it \(mlflow experiments restore"):
        made("score", 1)
