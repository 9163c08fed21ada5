"""A queue as dask-jobqueue knows it, of two scripts: jobs that end are replaced, and refusals are told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask
import distributed  # noqa: F401  which brings its settings
import pytest

from mlspatial.core.errors import UserError
from mlspatial.registry import runs
from mlspatial.study import cluster, execution, study
from mlspatial.study.cluster import Dask
from mlspatial.study.execution import Unfinished
from tests.study.examples import FAKES, ROOT, wait_until

SBATCH = """#!/bin/sh
set -e
cd "$QUEUE"
test ! -e refuse || { echo "sbatch: error: no such partition" >&2; exit 1; }
cp "$1" "job-$$"
setsid sh "job-$$" > "out-$$" 2>&1 < /dev/null &
echo $! >> jobs
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -9 -- "-$1"
"""


@pytest.fixture
def queue(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = registry / "queue"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(folder))
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        yield folder
    for job in jobs(folder):
        with suppress(ProcessLookupError):
            os.killpg(job, signal.SIGKILL)


def jobs(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "jobs").read_text().split()] if (folder / "jobs").exists() else []


SETTINGS: dict[str, Any] = {"kind": "slurm", "cores": 1, "memory": "1GB", "interface": "lo",
                            "scheduler_options": {"dashboard_address": None}}  # fmt: skip


@pytest.mark.slow
def test_a_job_that_ends_is_replaced(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "AGAIN_SECONDS", 0.5)
    crew = Dask(1, cluster=SETTINGS)
    try:
        wait_until(lambda: crew.free() == 1)
        (first,) = jobs(queue)
        os.killpg(first, signal.SIGKILL)
        wait_until(lambda: crew.free() == 0)
        wait_until(lambda: crew.free() == 1)
        assert len(jobs(queue)) == 2
    finally:
        crew.close()


@pytest.mark.slow
def test_a_queue_that_refuses_is_told_in_its_own_words(
    queue: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "AGAIN_SECONDS", 0.0)
    (queue / "refuse").touch()
    with pytest.raises(UserError, match=r"the queue takes no job \(sbatch: error: no such partition\)"):
        Dask(1, cluster=SETTINGS)
    (queue / "refuse").unlink()
    crew = Dask(1, cluster=SETTINGS)
    try:
        wait_until(lambda: crew.free() == 1)
        (queue / "refuse").touch()
        os.killpg(jobs(queue)[0], signal.SIGKILL)
        with pytest.raises(UserError, match="no such partition"):
            wait_until(lambda: crew.wait(0.2) is None)
    finally:
        crew.close()
    assert capsys.readouterr().err.count("trying again") == cluster.REFUSALS - 1


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [("24:00:00", 86400), ("2-01:30:00", 178200), ("00:30:00", 1800), ("36:00", 129600), ("a day", 0), ("", 0)],
)
def test_wall_times(walltime: str, seconds: float) -> None:
    assert cluster._seconds(walltime) == seconds


@pytest.mark.slow
@pytest.mark.parametrize("walltime", ["00:00:01", "10:00:00"])
def test_a_job_that_runs_out_of_time_is_no_failure_of_its_call(
    queue: Path, fake: Path, monkeypatch: pytest.MonkeyPatch, walltime: str
) -> None:
    """Killed when its wall time is over, and long before; a call counts as failed after one loss here."""
    monkeypatch.setattr(execution, "LOSSES", 1)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(cluster, "AGAIN_SECONDS", 0.5)
    settings = f"{{kind: slurm, cores: 1, memory: 1GB, interface: lo, walltime: '{walltime}', "
    settings += "scheduler_options: {dashboard_address: null}}"
    fake.write_text(f"name: fake\nbackend: dask\njobs: 1\ncluster: {settings}\n"
                    "train: {dataset: images, task: distance, batches: 600}\n")  # fmt: skip

    def end_of_time() -> None:
        wait_until(lambda: any(run.metrics for run in runs.find(entry="train")))
        os.killpg(jobs(queue)[0], signal.SIGKILL)

    ender = threading.Thread(target=end_of_time, daemon=True)
    ender.start()
    try:
        if walltime == "00:00:01":
            study(config=str(fake), package=FAKES)
        else:
            with pytest.raises(Unfinished, match="1 failed"):
                study(config=str(fake), package=FAKES)
    finally:
        ender.join()
    assert len(jobs(queue)) >= (2 if walltime == "00:00:01" else 1)
    (run,) = runs.find(entry="train")
    assert (run.status == "FINISHED") == (walltime == "00:00:01")
