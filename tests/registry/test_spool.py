"""A store that goes away while something is made: the work goes on, and what was to be told is told later."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from mlspatial.core.errors import TakenUp, Unreachable
from mlspatial.registry import late, patience, runs, spool
from mlspatial.registry import run as run_module
from mlspatial.registry.store import client

SPEC = runs.Spec("held", 1, {}, {"a": 1})


class Store:
    """away: whether nobody answers."""

    away = False


@pytest.fixture
def store(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The registry, and whether it answers. What is logged is due at once, and heartbeats come often."""
    import mlflow

    made = Store()
    client()
    monkeypatch.setattr(run_module, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    monkeypatch.setattr(patience, "_down", False)
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.2")
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "cache"))
    inner = mlflow.tracking._tracking_service.client.TrackingServiceClient
    for name in ("log_batch", "set_terminated", "get_run", "search_runs", "update_run", "set_tag"):
        there = getattr(inner, name)

        def asked(self: Any, *rest: Any, there: Any = there, **named: Any) -> Any:
            if made.away:
                raise requests.ConnectionError("[Errno 111] Connection refused")
            return there(self, *rest, **named)

        monkeypatch.setattr(inner, name, asked)
    return made


def history(run_id: str, name: str = "loss") -> list[tuple[int, float]]:
    return [(entry.step, entry.value) for entry in client().get_metric_history(run_id, name)]


def test_what_is_logged_waits_for_a_store_that_is_away_and_nobody_else_does(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with runs.open_run(SPEC, name="x") as run:
        run.log({"loss": 0.0}, 0)
        store.away = True
        for step in range(1, 20):
            run.log({"loss": float(step)}, step)
        kept = spool.of(run.id)
        assert kept and [row[3] for row in kept.metrics] == list(range(1, 20)) and not kept.status
        store.away = False
        while patience.down():  # until a heartbeat has found out
            pass
        run.log({"loss": math.nan}, 20)
        assert spool.of(run.id) is None
        told = capsys.readouterr().err.splitlines()
        assert sum("goes on, and what it logs waits in" in line for line in told) == 1
        assert "what it had logged meanwhile is written" in told[-1]
    steps = [step for step, _ in history(run.id)]
    assert steps == list(range(21)) and runs.get(run.id).status == "FINISHED"


def test_an_end_that_could_not_be_told_is_told_by_the_next_command(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unreachable, match="tried for"), runs.open_run(SPEC, name="x") as run:
        run.log({"loss": 1.0}, 1)
        store.away = True
        run.log({"loss": 2.0}, 2)
    store.away = False
    assert client().get_run(run.id).info.status == "RUNNING" and spool.of(run.id)
    with runs.open_run(SPEC, name="x") as again:
        assert again.answered and again.id == run.id
    assert runs.get(run.id).status == "FINISHED" and history(run.id) == [(1, 1.0), (2, 2.0)]
    assert f"run {run.id}: had ended as FINISHED while the store was away" in capsys.readouterr().err
    assert spool.of(run.id) is None


def test_a_failure_is_told_later_as_one(store: Store) -> None:
    with pytest.raises(ValueError, match="broken"), runs.open_run(SPEC, name="x") as run:
        store.away = True
        raise ValueError("broken")
    store.away = False
    runs.mark_dead_runs()
    assert runs.get(run.id).status == "FAILED" and runs.get(run.id).tags[runs.ENDED] == "ValueError: broken"


def test_one_that_is_stopped_meanwhile_goes_on_with_all_that_it_had_logged(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x") as run:
        run.log({"loss": 1.0}, 1)
        store.away = True
        run.log({"loss": 2.0}, 2)
        raise KeyboardInterrupt
    store.away = False
    with runs.open_run(SPEC, name="x") as again:
        assert again.id == run.id and again.resumed and again.last_step("loss") == 2
        again.log({"loss": 3.0}, 3)
    assert history(run.id) == [(1, 1.0), (2, 2.0), (3, 3.0)] and spool.of(run.id) is None


def test_what_others_have_taken_up_since_is_theirs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable), runs.open_run(SPEC, name="x") as run:
        store.away = True
        run.log({"loss": 1.0}, 1)
    store.away = False
    client().set_tag(run.id, runs.PROCESS, "elsewhere 1 2")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/other.db")
    late.deliver()
    assert spool.of(run.id)  # of another store: none of its business
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/mlflow.db")
    late.deliver()
    assert spool.of(run.id) is None and client().get_run(run.id).info.status == "RUNNING"
    assert not client().get_run(run.id).data.metrics


def test_metrics_of_a_process_that_was_killed_are_not_lost(store: Store) -> None:
    """Of the process there is nothing left but the file."""
    code = "import os; print(os.getpid())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x") as run:
        store.away = True
        run.log({"loss": 1.0}, 1)
        raise KeyboardInterrupt
    store.away = False
    own = runs.get(run.id).tags[runs.PROCESS]
    host, _, born = own.split()
    client().set_tag(run.id, runs.PROCESS, f"{host} {gone} {born}")
    spool.file(run.id).write_text(spool.file(run.id).read_text().replace(own, f"{host} {gone} {born}"))
    with runs.open_run(SPEC, name="x") as again:
        assert again.id == run.id and history(run.id) == [(1, 1.0)]


def test_what_cannot_be_read_is_told_and_ends_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("cut", '{"store": "x'), ("newer", '{"store": "x", "process": "y", "more": 1}')):
        spool.file(name).write_text(text)
    with runs.open_run(SPEC, name="x") as run:
        run.log({"loss": 1.0})
    said = capsys.readouterr().err
    assert all(f"{name}.json: cannot be read" in said for name in ("cut", "newer"))
    assert runs.get(run.id).status == "FINISHED" and spool.file("cut").exists()


def ended_untold(store: Store, spec: runs.Spec = SPEC) -> str:
    """A run that has logged 1.0 and ended while the store was away."""
    store.away = False
    with pytest.raises(Unreachable), runs.open_run(spec, name="x") as run:
        store.away = True
        run.log({"loss": 1.0}, 1)
    store.away = False
    return run.id


def test_a_run_that_was_removed_meanwhile_ends_nobody_s_command(store: Store) -> None:
    run_id = ended_untold(store)
    client().delete_run(run_id)
    with runs.open_run(runs.Spec("held", 1, {}, {"a": 2}), name="y") as other:
        other.log({"loss": 2.0})
    assert runs.get(other.id).status == "FINISHED" and spool.of(run_id) is None


def test_what_cannot_be_delivered_is_told_and_ends_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = ended_untold(store)
    file = spool.file(run_id)
    file.write_text(file.read_text().replace('["loss",', '["loss", "more",'))
    runs.mark_dead_runs()
    said = capsys.readouterr().err
    assert f"{file}: run {run_id} cannot be told its end" in said.replace("\n", " ") and file.exists()


def test_two_folders_with_a_database_of_one_name_are_two_stores(
    store: Store, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    run_id = ended_untold(store)
    other = registry / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert not list(spool.ended())
    monkeypatch.chdir(registry)
    assert [found for found, _ in spool.ended()] == [run_id]


def test_what_others_have_logged_since_is_not_logged_again(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x") as run:
        run.log({"loss": 1.0}, 1)
        store.away = True
        run.log({"loss": 2.0}, 2)
        raise KeyboardInterrupt
    store.away = False
    client().log_metric(run.id, "loss", 2.0, step=2)  # by somebody whose cache this is not
    client().set_tag(run.id, runs.PROCESS, "elsewhere 1 2")
    client().set_terminated(run.id, "KILLED")
    with runs.open_run(SPEC, name="x") as again:
        assert again.id == run.id and again.resumed
    assert history(run.id) == [(1, 1.0), (2, 2.0)] and spool.of(run.id) is None


def test_a_process_whose_run_was_taken_up_meanwhile_ends_and_tells_nothing(store: Store) -> None:
    with pytest.raises(TakenUp, match="elsewhere 1 2 has gone on with it"), runs.open_run(SPEC, name="x") as run:
        store.away = True
        run.log({"loss": 1.0}, 1)
        store.away = False
        while patience.down():
            pass
        client().set_tag(run.id, runs.PROCESS, "elsewhere 1 2")
        run.log({"loss": 2.0}, 2)
    found = runs.get(run.id)
    assert found.status == "RUNNING" and not found.metrics and spool.of(run.id) is None


def test_many_metrics_are_written_to_disk_by_the_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written whole each time."""
    written: list[int] = []
    keep = spool.keep
    monkeypatch.setattr(spool, "keep", lambda run_id, metrics, *rest: (written.append(1), keep(run_id, metrics, *rest)))
    with runs.open_run(SPEC, name="x") as run:
        store.away = True
        run.log({"loss": 0.0}, 0)
        monkeypatch.setattr(run_module, "FLUSH_SECONDS", 3600.0)
        for step in range(1, 3 * run_module.FLUSH_METRICS):
            run.log({"loss": float(step)}, step)
        store.away = False
    assert len(written) <= 2 and len(history(run.id)) == 3 * run_module.FLUSH_METRICS
