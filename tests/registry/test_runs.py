"""Runs: specs, answers, resume, heartbeat, final status, provenance."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from mlflow.exceptions import MlflowException

from mlspatial.core.errors import Busy, Unreachable, UserError
from mlspatial.core.names import cache_folder, file_name
from mlspatial.registry import lives, patience, runs, source
from mlspatial.registry import run as run_module
from mlspatial.registry.naming import artifact_path
from mlspatial.registry.store import client, tracking_uri, ui_address

ROOT = Path(__file__).resolve().parents[2]


def spec(**changes: object) -> runs.Spec:
    facts = {
        "entry": "train",
        "version": 1,
        "inputs": {"dataset_id": "d1"},
        "cfg": {"task": "distance", "seed": 0, "workers": 2},
        "free": frozenset({"workers"}),
    }
    return runs.Spec(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_spec_is_what_decides_the_result() -> None:
    same = spec(cfg={"seed": 0, "task": "distance", "workers": 16})
    assert spec().id == same.id
    others = [
        spec(version=2),
        spec(inputs={"dataset_id": "d2"}),
        spec(entry="tune"),
        spec(cfg={"task": "distance", "seed": 1, "workers": 2}),
    ]
    assert len({other.id for other in others} | {spec().id}) == 5


def test_a_finished_run_answers_and_joins_the_new_study(registry: Path) -> None:
    with runs.open_run(spec(), name="first", study="a", parents=["p1", "p2"]) as run:
        assert not run.answered
        run.log({"loss": 0.5}, step=3)
    with runs.open_run(spec(), name="second", study="b") as again:
        assert again.answered and again.id == run.id
    record = runs.get(run.id)
    assert record.status == "FINISHED" and record.studies == ("a", "b") and record.parents == ("p1", "p2")
    assert record.cfg == {"task": "distance", "seed": "0", "workers": "2"}
    assert record.dataset_id == "d1" and record.metrics["loss"] == 0.5 and record.spec == spec().id
    with runs.open_run(spec(), name="third", force=True) as forced:
        assert not forced.answered and forced.id != run.id


def test_an_error_ends_failed_and_answers_nothing(registry: Path) -> None:
    with pytest.raises(ZeroDivisionError), runs.open_run(spec(), name="bad") as run:
        run.log({"loss": 1.0})
        raise ZeroDivisionError("by zero")
    record = runs.get(run.id)
    assert record.status == "FAILED" and record.tags[runs.ENDED] == "ZeroDivisionError: by zero"
    assert record.metrics["loss"] == 1.0
    with runs.open_run(spec(), name="again") as again:
        assert not again.answered and not again.resumed and again.id != run.id


def test_a_signal_that_comes_out_as_a_databases_error_ends_killed(registry: Path) -> None:
    with pytest.raises(runs.Terminated), runs.open_run(spec(), name="x") as run:
        try:
            raise runs.Terminated("signal 15")
        except runs.Terminated as stopped:
            raise RuntimeError("commit failed") from stopped
    assert runs.get(run.id).status == "KILLED"


def test_ctrl_c_ends_killed_and_the_same_run_goes_on(registry: Path) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(spec(), name="x", study="a") as run:
        run.log({"loss": 1.0}, step=1)
        raise KeyboardInterrupt
    assert runs.get(run.id).status == "KILLED"
    with runs.open_run(spec(), name="x", study="b") as again:
        assert again.resumed and again.id == run.id and again.last_step("loss") == 1
    record = runs.get(run.id)
    assert record.status == "FINISHED" and record.tags[runs.RESUMED] == "1" and record.studies == ("a", "b")


def failing(monkeypatch: pytest.MonkeyPatch, errors: list[BaseException | None], kind: str = "metrics") -> list[int]:
    """log_batch raises these, one a call that writes something of a kind; the numbers of what each call had."""
    numbers: list[int] = []
    original = type(client()).log_batch

    def log_batch(self: Any, run_id: str, **given: Any) -> Any:
        if entries := given.get(kind):
            numbers.append(len(entries))
            if errors and (error := errors.pop(0)):
                raise error
        return original(self, run_id, **given)

    monkeypatch.setattr(type(client()), "log_batch", log_batch)
    return numbers


def test_a_heartbeat_that_fails_goes_on_beating(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.01)
    beats = iter(["before", "once", "twice", "after", "alive"])
    written = threading.Event()
    original = runs.Run.set_tags

    def set_tags(self: runs.Run, tags: dict[str, Any]) -> None:
        if threading.current_thread().name == "heartbeat":
            beat = next(beats, "alive")
            if beat in ("once", "twice"):
                raise {"once": MlflowException("busy"), "twice": RuntimeError("no idea")}[beat]
            original(self, {runs.HEARTBEAT: beat})
            if beat == "alive":
                written.set()
        else:
            original(self, tags)

    monkeypatch.setattr(runs.Run, "set_tags", set_tags)
    with runs.open_run(spec(), name="x") as run:
        assert written.wait(60)
    assert runs.get(run.id).tags[runs.HEARTBEAT] == "alive" and runs.get(run.id).status == "FINISHED"
    assert runs.DEAD_AFTER == 300 and runs.BEAT_AGAIN_SECONDS <= 30  # a few beats may fail before others lose hope


def test_last_metrics_that_cannot_be_written_end_the_run_failed(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, [MlflowException("out of order")])
    with pytest.raises(MlflowException, match="out of order"), runs.open_run(spec(), name="x") as run:
        run.log({"loss": 1.0})
    record = runs.get(run.id)
    assert record.status == "FAILED" and record.tags[runs.ENDED] == "MlflowException: out of order"
    assert not record.metrics
    with runs.open_run(spec(), name="x") as again:
        assert again.id != run.id and not again.resumed and not again.answered


def test_what_went_wrong_first_is_what_is_told(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status, told in (
        (ZeroDivisionError("by zero"), "FAILED", "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (Unreachable("gone for long"), "KILLED", "Unreachable: gone for long"),
    ):
        with monkeypatch.context() as patched:
            failing(patched, [MlflowException("out of order")])
            with pytest.raises(type(error)), runs.open_run(spec(), name="x", force=True) as run:
                run.log({"loss": 1.0})
                raise error
        assert (runs.get(run.id).status, runs.get(run.id).tags[runs.ENDED]) == (status, told)


def test_a_store_that_stays_away_at_the_end_is_told_it_by_the_next_command(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("log_batch", "set_terminated")):
        with monkeypatch.context() as patched:
            if name == "log_batch":
                failing(patched, [Unreachable("gone for long")])
            else:
                gone = lambda *_: (_ for _ in ()).throw(Unreachable("gone for long"))  # noqa: E731
                patched.setattr(type(client()), name, gone)
            with (
                pytest.raises(Unreachable, match="gone for long"),
                runs.open_run(spec(version=number + 1), name="x") as run,
            ):
                run.log({"loss": 1.0})
        assert runs.get(run.id).status == "RUNNING"  # and its process lives, but no longer makes it
        with runs.open_run(spec(version=number + 1), name="x") as again:
            assert again.id == run.id and again.answered
        assert runs.get(run.id).status == "FINISHED" and runs.get(run.id).metrics == {"loss": 1.0}


def test_a_run_that_is_stopped_while_the_store_is_away_does_not_ask_it(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(spec(), name="x") as run:
        run.log({"loss": 1.0})
        numbers = failing(monkeypatch, [])
        monkeypatch.setattr(patience, "down", lambda: True)
        raise KeyboardInterrupt
    assert numbers == [] and runs.get(run.id).status == "RUNNING"
    with runs.open_run(spec(), name="x") as again:
        assert again.id == run.id and again.resumed


def test_metrics_that_could_not_be_written_are_written_the_next_time(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = failing(monkeypatch, [None, OSError("no"), OSError("no"), None])
    with runs.open_run(spec(), name="x") as run:
        monkeypatch.setattr(run_module, "FLUSH_METRICS", 10**6)
        run.log({f"m{i}": float(i) for i in range(1500)}, step=1)
        for _ in range(2):
            with pytest.raises(OSError, match="no"):
                run.flush()
        run.log({"m0": 7.0}, step=2)
    assert numbers == [1000, 500, 500, 501]
    record = runs.get(run.id)
    assert record.status == "FINISHED" and len(record.metrics) == 1500 and record.metrics["m0"] == 7
    assert [(entry.step, entry.value) for entry in client().get_metric_history(run.id, "m0")] == [(1, 0), (2, 7)]


def test_a_run_that_was_killed_at_once_gets_its_parameters_when_it_goes_on(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        failing(patched, [KeyboardInterrupt()], "params")
        with pytest.raises(KeyboardInterrupt), runs.open_run(spec(), name="x"):
            raise AssertionError
    (killed,) = runs.find()
    assert killed.status == "KILLED" and killed.cfg == {}
    with runs.open_run(spec(), name="x") as run:
        assert run.id == killed.id
    assert runs.get(run.id).cfg == {"task": "distance", "seed": "0", "workers": "2"}


ODD = ["layer1.0.relu#1", "layer1.0.relu?1", "blocks.3[cls]", "A(fMRI)@b=1;x", "a//b", "x" * 300, "x" * 299 + "y"]


def test_any_name_can_be_logged_and_none_overwrites_another(registry: Path) -> None:
    with runs.open_run(spec(), name="x") as run:
        values = {name: np.float32(number) for number, name in enumerate(ODD)}
        run.log(values | {"nan": np.float64("nan"), "inf": -np.inf, "int": np.int64(3), "bool": np.True_}, np.int64(5))
        run.set_tags({f"mlspatial.layer.{name}": name for name in ODD})
        run.log_params({f"cfg.{name}": name for name in ODD})
        assert run.last_step("blocks.3[cls]") == -1
        run.flush()
        assert run.last_step("blocks.3[cls]") == run.last_step("layer1.0.relu?1") == 5
    record = runs.get(run.id)
    texts = json.loads(runs.download(run.id, "metric_names.json").read_text())
    assert {texts[name]: value for name, value in record.metrics.items() if name in texts} == {
        name: float(number) for number, name in enumerate(ODD)
    }
    assert {name for name in record.metrics if name not in texts} == {"nan", "inf", "int", "bool"}
    assert record.metrics["layer1.0.relu_1"] == 0 and record.metrics["A_fMRI__b_1_x"] == 3
    assert math.isnan(record.metrics["nan"]) and record.metrics["inf"] < -1e308
    assert record.metrics["int"] == 3 and record.metrics["bool"] == 1
    layers = [value for name, value in record.tags.items() if name.startswith("mlspatial.layer.")]
    assert sorted(layers) == sorted(ODD) and record.tags["mlspatial.layer.A_fMRI__b_1_x"] == "A(fMRI)@b=1;x"
    assert sorted(value for name, value in record.cfg.items() if name not in spec().cfg) == sorted(ODD)


def test_a_run_that_goes_on_keeps_names_apart(registry: Path) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(spec(), name="x") as run:
        run.log({"a#1": 1.0, "b_1": 2.0})
        raise KeyboardInterrupt
    with runs.open_run(spec(), name="x") as again:
        again.log({"a?1": 3.0, "b#1": 4.0, "a#1": 5.0})
    metrics = runs.get(run.id).metrics
    assert metrics["a_1"] == 5 and metrics["b_1"] == 2 and sorted(metrics.values()) == [2, 3, 4, 5]
    texts = json.loads(runs.download(run.id, "metric_names.json").read_text())
    assert sorted(texts.values()) == ["a#1", "a?1", "b#1"]


def test_a_run_with_ordinary_names_has_no_list_of_them(registry: Path) -> None:
    with runs.open_run(spec(), name="x") as run:
        run.log({"heldout/loss": 1.0, "A.B-pls/layer4.0.relu/ceiled": 2.0})
    assert {item.path for item in client().list_artifacts(run.id)} <= {"source"}


def test_files_of_any_name_are_kept_and_found(registry: Path, tmp_path: Path) -> None:
    long = "é" * 120 + ".npy"
    with runs.open_run(spec(), name="x") as run:
        for name in ("a#1.npy", "b?%20:*.npy", long):
            (tmp_path / name).write_text(name)
            run.log_file(tmp_path / name, "layers/c#d")
        run.log_text("text", "notes/e#f.txt")
    folder = artifact_path("layers/c#d")
    for name in ("a#1.npy", "b?%20:*.npy", long):
        assert runs.local(run.id, f"{folder}/{file_name(name)}").read_text() == name
    assert runs.download(run.id, "notes/e#f.txt").read_text() == "text"
    assert runs.local(run.id, "not/there.txt", "not/here.txt").name == "there.txt"
    old = runs.local(run.id, "layers").parent / "layers" / "old#1.npy"  # as earlier versions named it
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    assert runs.local(run.id, f"layers/{file_name('old#1.npy')}", "layers/old#1.npy").read_text() == "old"


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("open")
    return process


HOLD_A_RUN = """
    import time
    from mlspatial.registry import runs
    cfg = {"task": "distance", "seed": 0, "workers": 2}
    spec = runs.Spec("train", 1, {"dataset_id": "d1"}, cfg, frozenset({"workers"}))
    with runs.open_run(spec, name="held") as run:
        print("open", run.id, flush=True)
        time.sleep(120)
"""


def test_sigterm_ends_killed(registry: Path) -> None:
    process = start(HOLD_A_RUN, registry)
    process.send_signal(signal.SIGTERM)
    assert process.wait(600) != 0
    (record,) = runs.find()
    assert record.status == "KILLED" and record.tags[runs.ENDED] == "Terminated"


def test_kill_9_is_recognised_and_the_run_goes_on(registry: Path) -> None:
    process = start(HOLD_A_RUN, registry)
    with (
        pytest.raises(Busy, match=r"mine is being made by process .* on .* wait for it"),
        runs.open_run(spec(), name="mine"),
    ):
        pass
    assert runs.mark_dead_runs() == []
    process.kill()
    process.wait(600)
    (record,) = runs.find()
    assert record.status == "RUNNING"  # nobody could say goodbye
    assert runs.mark_dead_runs() == [record.id]
    assert runs.get(record.id).status == "KILLED" and "process died" in runs.get(record.id).tags[runs.ENDED]
    with runs.open_run(spec(), name="mine") as run:
        assert run.resumed and run.id == record.id


def test_a_run_whose_process_ends_in_the_midst_of_a_look_goes_on(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a second run beside it, which is what came of it where two waited for the one that was killed."""
    process = start(HOLD_A_RUN, registry)
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "other"))
    mark = runs.mark_dead_runs

    def mark_and_kill() -> list[str]:
        dead = mark()
        process.kill()
        process.wait(600)
        return dead

    monkeypatch.setattr(runs, "mark_dead_runs", mark_and_kill)
    with runs.open_run(spec(), name="held") as run:
        assert run.resumed
    assert [one.id for one in runs.find()] == [run.id]


def test_a_run_of_another_machine_is_judged_by_its_heartbeat(registry: Path) -> None:
    with runs.open_run(spec(), name="far") as run:
        pass
    client().update_run(run.id, status="RUNNING")
    run.set_tags({runs.PROCESS: "elsewhere 1 0", runs.HEARTBEAT: runs._now()})
    assert runs.mark_dead_runs() == []
    run.set_tags({runs.HEARTBEAT: str(int(float(runs._now()) - 2 * runs.DEAD_AFTER))})
    assert runs.mark_dead_runs() == [run.id]


def test_what_has_ended_stays_as_it_ended(registry: Path) -> None:
    with runs.open_run(spec(), name="good") as good:
        pass
    with pytest.raises(ZeroDivisionError), runs.open_run(spec(), name="bad", force=True) as bad:
        raise ZeroDivisionError
    for run in (good, bad):
        run.set_tags({runs.PROCESS: "elsewhere 1 0", runs.HEARTBEAT: "0"})  # long ago
    assert runs.mark_dead_runs() == []
    assert [runs.get(run.id).status for run in (good, bad)] == ["FINISHED", "FAILED"]
    found = runs.finished(spec())
    assert found is not None and found.id == good.id  # not the newest, which failed
    assert [record.id for record in runs.find(status="FAILED")] == [bad.id]


def test_a_process_number_that_was_given_to_another_process_is_dead(registry: Path) -> None:
    with runs.open_run(spec(), name="old") as run:
        pass
    client().update_run(run.id, status="RUNNING")
    host = lives.process().split()[0]
    run.set_tags({runs.PROCESS: f"{host} {os.getpid()} {psutil.Process().create_time() - 1000:.0f}"})
    assert runs.mark_dead_runs() == [run.id]


def test_under_mlflow_run_the_project_s_run_is_used_or_points_to_the_answer(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def project_run() -> str:
        run_id = client().create_run(client().get_experiment_by_name("test").experiment_id).info.run_id
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        return run_id

    first = project_run()
    with runs.open_run(spec(), name="x") as run:
        assert run.id == first and "MLFLOW_RUN_ID" not in os.environ
    second = project_run()
    with runs.open_run(spec(), name="x") as again:
        assert again.answered and again.id == first
    pointer = runs.get(second)
    assert pointer.status == "FINISHED" and pointer.entry == "answer" and pointer.parents == (first,)
    assert [record.id for record in runs.find()] == [first]


def test_metrics_are_written_in_batches_and_all_arrive(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = type(client()).log_batch
    monkeypatch.setattr(
        type(client()), "log_batch", lambda self, *a, **k: (calls.append(k.get("metrics")), original(self, *a, **k))[1]
    )
    with runs.open_run(spec(), name="x") as run, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda step: run.log({"loss": step / 10, "speed": 1.0}, step), range(1200)))
    assert sum(1 for metrics in calls if metrics) <= 12  # of 1,000 values each at most, more on a busy machine
    history = client().get_metric_history(run.id, "loss")
    assert sorted(entry.step for entry in history) == list(range(1200))


def test_long_lists_of_parents_become_a_file(registry: Path) -> None:
    parents = [f"{number:032d}" for number in range(300)]
    with runs.open_run(spec(), name="x", parents=parents) as run:
        pass
    assert runs.get(run.id).parents == ()
    assert runs.download(run.id, runs.PARENTS_FILE).read_text().split() == parents


def test_where_a_result_came_from(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_STORE_PATCH", "true")
    with runs.open_run(spec(), name="x") as run:
        pass
    tags = runs.get(run.id).tags
    assert tags["mlspatial.commit"] == source.tags()["mlspatial.commit"] and len(tags["mlspatial.commit"]) >= 7
    patch = source.dirty_patch()
    assert (tags["mlspatial.dirty"] == "true") == bool(patch)
    files = [item.path for item in client().list_artifacts(run.id, "source")]
    assert bool(files) == bool(patch)


def test_a_store_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/no.db")
    (tmp_path / "no.db").write_text("this is a letter, not a database, and it is long enough to be read as a page" * 50)
    with pytest.raises(UserError, match="cannot be used"):
        client()


def test_processes_that_open_an_empty_store_at_once(tmp_path: Path) -> None:
    code = """
        from mlspatial.registry import runs
        with runs.open_run(runs.Spec("train", 1, {}, {"seed": %d}), name="x") as run:
            print("open", run.id, flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/new.db"}
    environment.pop("MLFLOW_EXPERIMENT_NAME", None)
    processes = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code % i)], cwd=tmp_path, env=environment)
        for i in range(2)
    ]
    assert [process.wait(600) for process in processes] == [0, 0]


def test_addresses(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_uri().startswith("sqlite")
    assert ui_address("1", "abc").startswith("http://127.0.0.1:5000/#/experiments/1/runs/abc?workflowType=")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:8000/")
    assert ui_address("1", "abc").startswith("http://server:8000/#/")
    assert cache_folder("locks").is_dir()
