"""Jobs of a real queue that end before their worker has connected."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest

from mlspatial.core.errors import UserError
from mlspatial.registry import runs
from mlspatial.registry.store import client
from mlspatial.study import cluster
from mlspatial.study.cluster import Dask
from tests.lab.people import QUEUE, Person, until
from tests.lab.services import ROOT, Lab
from tests.lab.test_chain import slurm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
BEGAN = "has begun"


@pytest.fixture
def settings(here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of jobs that end at once while there is no file of that name in a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(cluster, "QUEUE_SECONDS", 1.0)
    monkeypatch.setattr(cluster, "AGAIN_SECONDS", 0.5)
    return {"kind": "slurm", "queue": "lab", "cores": 2, "memory": "500MB", "interface": "lo", "walltime": "00:05:00",
            "scheduler_options": {"dashboard_address": None},
            "job_script_prologue": [f"test -e '{tmp_path}/{BEGAN}' || exit 1"]}  # fmt: skip


def test_jobs_that_end_before_they_connect_are_replaced(
    here: Lab, settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crew = Dask(1, cluster=settings)
    try:
        assert crew.free() == 0
        failed = until(lambda: slurm(here, "squeue", "-h", "-t", "F", "-n", "dask-worker", "-o", "%i").split(), 60)
        (tmp_path / BEGAN).touch()
        until(lambda: crew.free() == 1, 120)
        assert min(failed, key=int) in capsys.readouterr().err
        (worker,) = crew._workers.values()
        assert worker["nthreads"] == 2  # one worker a job, with all its cores
    finally:
        crew.close()


def test_a_job_that_is_cancelled_while_it_waits_is_replaced(
    here: Lab, settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / BEGAN).touch()
    crew = Dask(1, cluster=settings | {"job_extra_directives": ["--begin=now+1hour"]})
    try:
        (first,) = until(lambda: slurm(here, "squeue", "-h", "-t", "PD", "-o", "%i").split(), 60)
        slurm(here, "scancel", first)
        (second,) = until(lambda: [crew.free()] and slurm(here, "squeue", "-h", "-t", "PD", "-o", "%i").split(), 120)
        assert second != first
    finally:
        crew.close()


def test_a_queue_whose_jobs_all_end_at_once_ends_the_study(here: Lab, settings: dict[str, Any]) -> None:
    crew = Dask(1, cluster=settings)
    try:
        with pytest.raises(UserError, match=r"ended before their worker connected: \d+; the output of a job says why"):
            until(lambda: crew.wait(0.2) is None, 180)
    finally:
        crew.close()


def test_several_processes_a_job_are_refused(here: Lab, settings: dict[str, Any]) -> None:
    before = slurm(here, "squeue", "-h", "-t", "all", "-o", "%i")
    with pytest.raises(UserError, match="processes=2: must be 1"):
        Dask(1, cluster=settings | {"processes": 2})
    assert slurm(here, "squeue", "-h", "-t", "all", "-o", "%i") == before


def test_dask_listens_on_the_network_named_alone_and_with_certificates(
    here: Lab, settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / BEGAN).touch()
    crew = Dask(1, cluster=settings | {"security": True, "shared_temp_directory": str(tmp_path)})
    try:
        until(lambda: crew.free() == 1, 120)
        (address,) = crew._workers
        addresses = [crew._address, address, crew._workers[address]["nanny"]]
        assert all(one.startswith("tls://127.0.0.1:") for one in addresses), addresses
        ports = {int(one.rpartition(":")[2]) for one in addresses}
        listening = {one.laddr.port: one.laddr.ip for one in psutil.net_connections("tcp") if one.status == "LISTEN"}
        assert {port: listening[port] for port in ports} == dict.fromkeys(ports, "127.0.0.1")
        with pytest.raises((OSError, TypeError)):
            distributed.Client(crew._address, timeout=5)
        keys = list(tmp_path.glob(".dask-jobqueue*"))  # beside them the output of the job
        assert keys and {path.stat().st_mode & 0o077 for path in keys} == {0}
    finally:
        crew.close()
    assert "every network" not in capsys.readouterr().err


def steps(run_id: str) -> list[int]:
    """At which a training has logged its loss, in order of time."""
    return [entry.step for entry in client().get_metric_history(run_id, "train/loss")]


def test_a_training_that_is_longer_than_its_job_goes_on_in_the_next(here: Lab) -> None:
    """A job of one minute, which is SLURM's least."""
    ann = Person(here, "ann")
    queue = QUEUE.replace("jobs: 2", "jobs: 1").replace("00:20:00", "00:01:00")
    render = (
        "{dataset: long, n_train: 64, n_heldout: 40, categories: apple, environments: 'procedural:meadow', size: 32}"
    )
    train = "{dataset: long, task: distance, arch: resnet18w8, batch_size: 8, batches: 100000}"
    path = ann.write("long.yaml", f"name: long\n{queue}render: {render}\ntrain: {train}\n")
    process = ann.start("study", "--config", str(path))
    try:
        run = until(lambda: [run for run in runs.find(entry="train", status="RUNNING") if "long" in run.studies])[0]
        until(lambda: runs.get(run.id).status == "KILLED" or process.poll() is not None, 180)
        before = steps(run.id)
        assert before, ann.said()  # it had begun
        until(lambda: steps(run.id)[-1] > before[-1] or process.poll() is not None, 180)
        assert process.poll() is None, ann.said()
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM, ann.said()
    finally:
        process.kill()
    ended = runs.get(run.id)
    assert ended.status == "KILLED" and int(ended.tags[runs.RESUMED]) >= 1
    after = steps(run.id)
    assert after == list(range(10, after[-1] + 1, 10))  # from where it was: no step twice, none left out
