"""Study files, and what tests of a study ask of what it left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mlspatial.registry import runs
from tests import fake_steps

ROOT = Path(__file__).resolve().parents[2]
FAKES = "tests.fake_steps"
LINGER = 25.0  # seconds for which no process may outlive its command: less than workers are given to close their runs

SMALL = """
name: small
render: {dataset: one, n_train: 40, n_heldout: 20, size: 32, categories: apple, environments: "procedural:meadow"}
train:
  - {dataset: one, task: [distance, translation], batches: 0, seed: [0]}
score: {models: study=small, benchmarks: "cowley2023_v4?,simulated_v1", layers: avgpool}
compare: {items: all}
"""

FAKE = """
name: fake
defaults: {dataset: images}
train:
  - {task: [distance, translation], seed: [0, 1], batches: 20}
  - {task: rotation, checkpoints: "5,10", batches: 20}
score:
  - {models: study=fake, benchmarks: somewhere}
  - {models: "task=rotation,step=5|10", benchmarks: elsewhere}
similarity: {models: "study=fake,task=distance|translation"}
compare: {items: all}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def calls(what: str) -> list[str]:
    """The calls of an entry so far, without time and process."""
    lines = fake_steps.CALLS.read_text().splitlines() if fake_steps.CALLS.exists() else []
    words = [line.split() for line in lines]
    return [" ".join(line[3:]) for line in words if line[2] == what]


#: A signal in the middle of a commit is an error of the database's, so that a run may end FAILED instead of KILLED.
ENDED = {"KILLED", "FAILED"}


def outcome() -> Counter[tuple[str, str]]:
    """What a study leaves, whatever happened on the way."""
    there = runs.find()
    assert {run.status for run in there} <= {"FINISHED", "FAILED"}
    return Counter((run.entry, run.spec) for run in there if run.status == "FINISHED" and run.entry != "study")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(config: Path, **options: object) -> subprocess.Popen[bytes]:
    given = {"config": str(config), "package": FAKES, **options}
    code = f"from mlspatial.study import study; study(**{given!r})"
    return subprocess.Popen([sys.executable, "-c", code], env=environment(), stderr=subprocess.DEVNULL)


def wait_until(condition: Callable[[], object], seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
