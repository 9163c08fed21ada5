"""Who makes the calls: processes, a dask cluster."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest

from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.render.processes import worker_processes
from mlspatial.study import study, workers
from mlspatial.study.workers import Call, Here, begin
from tests import fake_steps
from tests.study.examples import ENDED, FAKES, calls, outcome, start, wait_until


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same(fake: Path, registry: Path) -> None:
    fake.write_text(fake.read_text().replace("\nscore:", "\n  - {task: distance, lr: 14, batches: 2}\nscore:"))
    Path("meet").write_text("2")
    study(config=str(fake), package=FAKES, jobs=2, backend="dask")
    lines = [line.split() for line in fake_steps.CALLS.read_text().splitlines()]
    assert len({line[1] for line in lines}) >= 2  # two processes that met, and perhaps one for the one that died
    assert sum(line[2:6] == ["made", "train", "distance", "0"] for line in lines) == 3  # one of them again after that
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
        wait_until(lambda: len(calls("train")) == 2)
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


def test_calls_in_one_process_leave_nothing_to_each_other(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("KEPT", "as it was")
    monkeypatch.setenv("TAKEN", "as it was")
    found = []

    def train(*, fails: bool) -> str:
        drawn = random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002
        variables = [os.environ.get(name) for name in ("KEPT", "TAKEN", "GIVEN")]
        found.append(
            (variables, os.getcwd(), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1), drawn)
        )
        os.environ["KEPT"] = os.environ["GIVEN"] = "changed"
        del os.environ["TAKEN"]
        os.chdir("images")
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
        if fails:
            raise RuntimeError("in the middle")
        return "run"

    monkeypatch.setattr(importlib.import_module(f"{FAKES}.train"), "train", train)
    here, ended = Here(), []
    for ticket, fails in enumerate((False, True, False)):
        here.submit(ticket, Call(FAKES, "train", {"fails": fails}, "a call"))
        ended += [outcome.state for _, outcome in here.wait(0)]
    assert ended == [workers.DONE, workers.FAILED, workers.DONE]
    assert found[0] == found[1] == found[2] and found[0][:2] == (["as it was", "as it was", None], str(fake.parent))


def pid_of_a_process_of_its_own() -> int:
    with worker_processes(1) as pool:
        return pool.submit(os.getpid).result()


def test_a_call_in_a_worker_may_start_processes(tmp_path: Path) -> None:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    settings = (os.getpid(), str(tmp_path))
    with ProcessPoolExecutor(1, initializer=begin, initargs=settings, env=workers.environment(1, 0)) as pool:
        assert pool.submit(pid_of_a_process_of_its_own).result() != pool.submit(os.getpid).result()
