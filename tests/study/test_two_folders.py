"""One study in two folders, with two caches, begun at the same moment at one tracking server: the work is shared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import Manifest
from mlspatial.registry import runs
from tests.registry.serving import Server
from tests.study.examples import FAKES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STUDY = """
name: shared
defaults: {dataset: images}
train: {task: [distance, translation], seed: [0, 1], batches: 5}
score: {models: study=shared, benchmarks: somewhere}
"""
RUN = """
import sys, time
from pathlib import Path
from mlspatial.cli import finish
from mlspatial.study import study

Path(f"../ready-{sys.argv[1]}").touch()
while len(list(Path("..").glob("ready-*"))) < 2:
    time.sleep(0.002)
finish("study", study, config="study.yaml", jobs=1, together=1, package=sys.argv[2])
"""


@pytest.fixture
def server(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    made = Server(folder)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "shared")
    monkeypatch.chdir(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def start(name: str) -> subprocess.Popen[str]:
    folder = Path(name)
    (folder / "images").mkdir(parents=True)
    Manifest("images", {"size": 48}, LatentSchema(()), {}).save(folder / "images")
    (folder / "study.yaml").write_text(STUDY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLSPATIAL_CACHE": "cache", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, name, FAKES]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload]


def test_one_study_in_two_folders_shares_the_work(server: Server) -> None:
    processes = [start(name) for name in ("one", "two")]
    told = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert told[0][0] == told[1][0] and told[0][0].startswith("run ")
    there = runs.find()
    assert {run.status for run in there} == {"FINISHED"}  # none is left running, none was given up
    each = Counter((run.entry, run.spec) for run in there)
    assert set(each.values()) == {1}
    assert Counter(entry for entry, _ in each) == {"train": 4, "score": 4, "study": 1}
    made = [line.split()[2:] for name in ("one", "two") for line in Path(name, "calls.txt").read_text().splitlines()]
    assert Counter(line[0] for line in made)["made"] == 8  # by whichever of the two
