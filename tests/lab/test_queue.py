"""Jobs of a real queue that end before their worker has connected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlspatial.core.errors import UserError
from mlspatial.study import cluster
from mlspatial.study.cluster import Dask
from tests.lab.people import until
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
