"""Runs: specs, answers, resume, heartbeat, final status, provenance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mlspatial.core.errors import UserError
from mlspatial.core.names import cache_folder
from mlspatial.registry import runs, source
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
    assert process.wait(30) != 0
    (record,) = runs.find()
    assert record.status == "KILLED" and record.tags[runs.ENDED] == "Terminated"


def test_kill_9_is_recognised_and_the_run_goes_on(registry: Path) -> None:
    process = start(HOLD_A_RUN, registry)
    with pytest.raises(UserError, match="another process is making this result"), runs.open_run(spec(), name="mine"):
        pass
    assert runs.mark_dead_runs() == []
    process.kill()
    process.wait(30)
    (record,) = runs.find()
    assert record.status == "RUNNING"  # nobody could say goodbye
    assert runs.mark_dead_runs() == [record.id]
    assert runs.get(record.id).status == "KILLED" and "process died" in runs.get(record.id).tags[runs.ENDED]
    with runs.open_run(spec(), name="mine") as run:
        assert run.resumed and run.id == record.id


def test_a_run_of_another_machine_is_judged_by_its_heartbeat(registry: Path) -> None:
    with runs.open_run(spec(), name="far") as run:
        pass
    client().update_run(run.id, status="RUNNING")
    run.set_tags({runs.PROCESS: "elsewhere 1 0", runs.HEARTBEAT: runs._now()})
    assert runs.mark_dead_runs() == []
    run.set_tags({runs.HEARTBEAT: str(int(float(runs._now()) - 2 * runs.DEAD_AFTER))})
    assert runs.mark_dead_runs() == [run.id]


def test_a_process_number_that_was_given_to_another_process_is_dead(registry: Path) -> None:
    with runs.open_run(spec(), name="old") as run:
        pass
    client().update_run(run.id, status="RUNNING")
    host = runs._process().split()[0]
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
    assert sum(1 for metrics in calls if metrics) <= 6
    history = client().get_metric_history(run.id, "loss")
    assert sorted(entry.step for entry in history) == list(range(1200))


def test_long_lists_of_parents_become_a_file(registry: Path) -> None:
    parents = [f"{number:032d}" for number in range(300)]
    with runs.open_run(spec(), name="x", parents=parents) as run:
        pass
    assert runs.get(run.id).parents == ()
    assert runs.download(run.id, runs.PARENTS_FILE).read_text().split() == parents


def test_where_a_result_came_from(registry: Path) -> None:
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
    assert [process.wait(120) for process in processes] == [0, 0]


def test_addresses(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_uri().startswith("sqlite")
    assert ui_address("1", "abc").startswith("http://127.0.0.1:5000/#/experiments/1/runs/abc?workflowType=")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:8000/")
    assert ui_address("1", "abc").startswith("http://server:8000/#/")
    assert cache_folder("locks").is_dir()
