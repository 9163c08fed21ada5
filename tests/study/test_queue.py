"""A queue as dask-jobqueue knows it, of two scripts: jobs that end are replaced, and refusals are told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask
import distributed  # noqa: F401  which brings its settings
import pytest

from mlspatial.core.errors import UserError
from mlspatial.study import cluster
from mlspatial.study.cluster import Dask
from tests.study.examples import wait_until

SBATCH = """#!/bin/sh
set -e
cd "$QUEUE"
test ! -e refuse || { echo "sbatch: error: no such partition" >&2; exit 1; }
cp "$1" "job-$$"
setsid sh "job-$$" > out 2>&1 < /dev/null &
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
