"""What people type in a lab, and what they get."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.services import Lab

SECONDS = 600

STUDY = """
name: {name}
{cluster}
defaults: {{size: 32, arch: resnet18w8}}
render: {{dataset: tiny, n_train: 64, n_heldout: 40, categories: "apple,cup", environments: "procedural:meadow",
         out: {shared}/tiny}}
train: {{dataset: tiny, task: [distance, category], batches: 20, batch_size: 8, checkpoints: "10"}}
score:
  - {{models: "study={name}", benchmarks: simulated_v1, layers: avgpool}}
  - {{models: "study={name},task=distance,step=10", benchmarks: simulated_v1, layers: avgpool}}
similarity: {{models: study={name}, dataset: tiny, stimuli: "heldout:40", layers: avgpool}}
decode: {{models: study={name}, dataset: tiny, stimuli: "heldout:40", layers: avgpool, latents: "x,y", folds: 2}}
compare: {{items: all}}
"""

QUEUE = """backend: dask
jobs: 2
cluster:
  kind: slurm
  queue: lab
  cores: 1
  processes: 1
  memory: 1500MB
  walltime: "00:20:00"
  interface: lo
  scheduler_options: {dashboard_address: null}
"""


class Person:
    """Somebody with a folder, a cache and a password. more: of their environment."""

    def __init__(self, lab: Lab, name: str, **more: str) -> None:
        self.lab, self.name, self.environment = lab, name, lab.client(name, **more)
        self.folder = Path(self.environment["HOME"])

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start an entry point; its output goes to two files, which `said` reads."""
        self.out, self.err = self.folder / "out.txt", self.folder / "err.txt"
        with self.out.open("w") as out, self.err.open("w") as err:
            command = [sys.executable, "-m", f"entrypoints.{words[0]}", *words[1:]]
            return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=out, stderr=err, text=True)

    def said(self) -> str:
        return self.err.read_text()

    def run(self, *words: str, code: int = 0) -> tuple[list[str], str]:
        """Run an entry point: the ids of its runs, and what it said."""
        process = self.start(*words)
        try:
            ended = process.wait(SECONDS)
        finally:
            process.kill()
        assert ended == code, (words, ended, self.said())
        out = self.out.read_text().splitlines()
        assert all(line.startswith("run ") for line in out), out  # nothing of MLflow's on standard output
        return [line.split()[1] for line in out], self.said()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.3)
    return found
