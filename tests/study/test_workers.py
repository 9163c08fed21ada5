"""Who makes the calls: processes, a dask cluster."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.render.processes import worker_processes
from mlspatial.study import study, workers
from mlspatial.study.workers import begin
from tests import fake_steps
from tests.study.examples import ENDED, FAKES, calls, outcome, start, wait_until


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same(fake: Path, registry: Path) -> None:
    fake.write_text(fake.read_text().replace("\nscore:", "\n  - {task: distance, lr: 14, batches: 2}\nscore:"))
    study(config=str(fake), package=FAKES, jobs=2, backend="dask")
    lines = [line.split() for line in fake_steps.CALLS.read_text().splitlines()]
    assert len({line[1] for line in lines}) == 3  # two processes, and one in place of the one that died
    found = outcome()
    assert len(select("study=fake")) == 6
    assert study(config=str(fake), package=FAKES)[0] == runs.find(entry="study")[0].id
    assert outcome() == found


@pytest.mark.slow
def test_nothing_goes_on_when_a_study_on_dask_is_killed(fake: Path) -> None:
    """On a scheduler of its own, which lives on: its workers give up what nobody waits for."""
    from distributed import LocalCluster

    fake.write_text(fake.read_text().replace("batches: 20", "batches: 6000"))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        process = start(fake, scheduler=cluster.scheduler_address)
        wait_until(lambda: len(calls("train")) == 2, 120)
        process.kill()
        process.wait()
        wait_until(lambda: {run.status for run in runs.find(entry="train")} <= ENDED)


def test_json_of_a_killed_journal_is_ignored(fake: Path) -> None:
    study(config=str(fake), package=FAKES)
    from mlspatial.study.memory import Memory

    memory = Memory("fake")
    with memory.file.open("a") as file:
        file.write('{"half a li')
    assert Memory("fake").known == memory.known and json.dumps(memory.known)


def test_gpus_are_given_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    workers.gpus.cache_clear()
    try:
        found = [workers.environment(2, number) for number in range(3)]
        assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["3", "5", "3"]
        assert {one["OMP_NUM_THREADS"] for one in found} == {"2"}
        assert "CUDA_VISIBLE_DEVICES" not in workers.environment(2, 0, devices=False)
    finally:
        workers.gpus.cache_clear()


def pid_of_a_process_of_its_own() -> int:
    with worker_processes(1) as pool:
        return pool.submit(os.getpid).result()


def test_a_call_in_a_worker_may_start_processes(tmp_path: Path) -> None:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    settings = (os.getpid(), str(tmp_path))
    with ProcessPoolExecutor(1, initializer=begin, initargs=settings, env=workers.environment(1, 0)) as pool:
        assert pool.submit(pid_of_a_process_of_its_own).result() != pool.submit(os.getpid).result()
