"""The commands as a user types them: last line, exit codes, mistakes, kill -9."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoints import compare, render, score, study, train
from mlspatial.core.manifest import Manifest
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from tests.train.held import kill_in_training

ROOT = Path(__file__).resolve().parents[1]
RENDER = ["--dataset", "tiny", "--categories", "apple", "--environments", "procedural:meadow", "--size", "32"]


def call(command: object, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)  # type: ignore[arg-type]
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def rendered(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "1")  # with the summary
    code, out, told = call(render.main, *RENDER, "--n_train", "120", "--n_heldout", "40", "--workers", "1")
    assert code == 0 and out.splitlines()[-1].startswith("run ")
    for name in re.findall(r"(\S+\.png)", told):  # what the summary says to look at is there
        (run,) = runs.find(entry="render")
        assert runs.there(run.id, [name.rstrip(",")]), name
    assert "00_sheet.png" in told
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "0")
    return registry / "data" / "tiny"


def test_the_chain(rendered: Path, registry: Path) -> None:
    """render, train, score, compare; each found through the registry, each answered the second time."""
    commands = [
        (train.main, ["--task", "distance", "--dataset", "tiny", "--batches", "3", "--batch_size", "8"]),
        (
            score.main,
            ["--models", "task=distance", "--benchmarks", "simulated_v1", "--layers", "relu,avgpool"],
        ),
        (compare.main, ["--study", "chain"]),
    ]
    for command, arguments in commands:
        first = call(command, "--study", "chain", *arguments)
        again = call(command, "--study", "chain", *arguments)
        assert first[0] == again[0] == 0
        assert first[1].splitlines()[-1].startswith("run ") and first[1] == again[1]
    manifest = Manifest.load(rendered)
    records = {record.entry: record for record in runs.find()}
    assert records["render"].dataset_id == records["train"].dataset_id == manifest.dataset_id
    assert records["train"].parents == (records["render"].id,)
    assert records["score"].parents == (records["train"].id,)
    assert records["score"].model_id == records["train"].model_id == select("task=distance")[0].model_id
    assert {record.status for record in records.values()} == {"FINISHED"}
    computed = [records[entry].tags for entry in ("render", "train", "extract", "score")]
    assert all(tags["mlspatial.device"] == "cpu" and tags["mlspatial.precision"] == "float32" for tags in computed)
    assert [item.path for item in client().list_artifacts(records["render"].id)] == [
        "00_sheet.png", "manifest.json", "pictures",
    ]  # fmt: skip
    inputs = client().get_run(records["train"].id).inputs.dataset_inputs
    assert [item.dataset.digest for item in inputs] == [manifest.dataset_id]
    report = (registry / "reports" / "chain" / "report.html").read_text()
    assert 'class="lead"' in report and report.count("data:image/jpeg;base64,") == 1  # the contact sheet


def test_the_default_dataset_is_rendered_when_it_is_missing(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"n_train": 20, "n_heldout": 10, "size": 32, "workers": 1, "environments": "procedural:meadow"}
    small["categories"] = "apple"
    step = importlib.import_module("mlspatial.steps.render")
    smaller = [replace(one, default=small[one.name]) if one.name in small else one for one in step.ENTRY.parameters]
    monkeypatch.setattr(step, "ENTRY", replace(step.ENTRY, parameters=tuple(smaller)))
    code, out, err = call(train.main, "--task", "translation", "--batches", "0")
    assert code == 0 and "rendering it first" in err, err
    entries = {record.entry: record for record in runs.find()}
    assert set(entries) == {"render", "train"} and entries["train"].id in out
    assert (
        entries["render"].cfg["n_train"] == "20"
        and Manifest.load(registry / "data" / "spatial117").recipe["size"] == 32
    )
    assert entries["train"].parents == (entries["render"].id,)


MISTAKES = [
    (train.main, ["--task", "distanse", "--dataset", "tiny"], "unknown task 'distanse'; did you mean distance"),
    (train.main, ["--task", "distance", "--dataset", "tinny"], "unknown dataset 'tinny'; did you mean tiny"),
    (train.main, ["--task", "distance", "--dataset", "tiny", "--arch", "resnet19"], "unknown arch 'resnet19'"),
    (train.main, ["--task", "category", "--dataset", "tiny"], "category is the same in every image of dataset tiny"),
    (train.main, ["--task", "distance", "--dataset", "tiny", "--batches", "-1"], "batches=-1"),
    (train.main, ["--task", "distance", "--dataset", "tiny", "--fraction", "0"], "fraction=0.0"),
    (train.main, ["--task", "distance", "--dataset", "tiny", "--input_size", "8"], "input_size=8"),
    (train.main, ["--task", "distance", "--dataset", "tiny", "--checkpoints", "a"], "checkpoints=a"),
    (train.main, ["--dataset", "tiny"], "Missing option '--task'"),
    (train.main, ["--task", "distance", "--batches", "many"], "train: batches=many: must be a whole number"),
    (score.main, ["--models", "task=distance"], "the registry holds no network yet"),
    (score.main, ["--models", "tusk=distance"], "'tusk=distance' is not FIELD=VALUE"),
    (render.main, [*RENDER[:2], "--categories", "unicorn"], "unknown category 'unicorn'"),
    (render.main, [*RENDER[:2], "--objects", "nowhere"], "nowhere"),
    (render.main, [*RENDER, "--n_train", "0"], "n_train=0"),
    (render.main, [*RENDER, "--renderer", "blender"], "unknown renderer 'blender'; known: tdw, warp"),
    (render.main, ["--dataset", "a/b"], "dataset=a/b"),
    (render.main, [*RENDER, "--n_train", "130", "--n_heldout", "40"], "another recipe (n_train: there 120, asked 130)"),
    (compare.main, ["--study", "none"], "no finished runs of study none"),
    (study.main, ["--config", "nowhere.yaml"], "config=nowhere.yaml: cannot be read"),
]


def test_a_mistake_gets_one_line_exit_2_and_no_finished_run(rendered: Path) -> None:
    before = len(runs.find(status="FINISHED"))
    for command, arguments, words in MISTAKES:
        code, out, err = call(command, *arguments)
        assert code == 2, (arguments, out, err)
        assert words in err, (arguments, err)
        assert "Traceback" not in err and "run " not in out
        own = [line for line in err.splitlines() if not line.startswith(("Usage:", "Try ", "Error:"))]
        assert len([line for line in own if line.strip()]) <= 1, err
    assert len(runs.find(status="FINISHED")) == before
    assert not runs.find(status="RUNNING")


def test_a_defect_keeps_its_traceback_and_ends_failed(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("mlspatial.train.loop.Network.descend", broken)
    code, _, err = call(train.main, "--task", "distance", "--dataset", "tiny", "--batches", "3")
    assert code == 1 and "RuntimeError: a defect" in err and "Traceback" in err
    assert runs.find(entry="train")[0].status == "FAILED"


def start(folder: Path, entry: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"entrypoints.{entry}", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, start_new_session=True)


def wait_for(condition: object, process: subprocess.Popen[bytes], seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline and process.poll() is None, "ended or hung before it could be killed"
        time.sleep(0.05)


def test_render_killed_in_the_middle_makes_the_same_bytes(registry: Path) -> None:
    sizes = ["--n_train", "900", "--n_heldout", "20"]
    process = start(registry, "render", *RENDER, *sizes, "--workers", "2", "--out", "killed")
    try:
        wait_for(lambda: list((registry / "killed" / "train").glob("part-*.parquet")), process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (registry / "killed" / "manifest.json").exists()
    code, out, _ = call(render.main, *RENDER, *sizes, "--workers", "1", "--out", "killed")
    assert code == 0
    record = runs.get(out.split()[-1])
    assert record.tags[runs.RESUMED] == "1"
    code, _, _ = call(render.main, *RENDER, *sizes, "--workers", "1", "--out", "whole", "--force", "true")
    assert code == 0
    assert Manifest.load(registry / "killed").dataset_id == Manifest.load(registry / "whole").dataset_id


def test_train_killed_in_the_middle_ends_with_the_same_weights(rendered: Path, registry: Path) -> None:
    arguments = ["--task", "distance", "--dataset", "tiny", "--batches", "24", "--batch_size", "8"]
    arguments += ["--checkpoints", "4"]
    kill_in_training(registry, "train", 9, *arguments)  # the state to go on from is of batch 4
    assert runs.find(entry="train")[0].status == "RUNNING"
    code, out, _ = call(train.main, *arguments)
    assert code == 0
    resumed = runs.get(out.split()[-1])
    assert resumed.status == "FINISHED" and resumed.tags[runs.RESUMED] == "1"
    steps = [entry.step for entry in client().get_metric_history(resumed.id, "train/loss")]
    assert steps == sorted(set(steps)) and steps[-1] == 24
    code, out, _ = call(train.main, *arguments, "--force", "true")
    assert code == 0 and runs.get(out.split()[-1]).model_id == resumed.model_id
    assert len(select("task=distance,step=all")) == 2  # of the run that was made again; the other's are kept
    assert len(client().search_model_versions("name = 'resnet18.tiny.distance'")) == 4
