"""Random kills in the middle of a study: what it makes in the end is what an undisturbed one makes.

MLSPATIAL_LAB_KILLS says how many (4); MLSPATIAL_LAB_SEED which.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mlspatial.core.names import STUDY
from mlspatial.registry import runs
from mlspatial.registry.record import RunRecord
from tests.lab.people import QUEUE, Person, until
from tests.lab.services import Lab
from tests.lab.test_chain import slurm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(5400)]
RUNS, MOST_SECONDS = 50, 60  # of the study, about; between two kills
KILLS, SEED = int(os.environ.get("MLSPATIAL_LAB_KILLS", "4")), int(os.environ.get("MLSPATIAL_LAB_SEED", "1"))
CLOCKS = ("seconds", "_per_s", "waiting_", "memory", "cpu")  # in the names of metrics that a clock decides
MADE = ("render", "train", "score", "similarity", "decode")

#: 30 calls: a dataset, 16 trainings, scores, similarities and decodings of four seeds each, a report
STUDY_FILE = """
name: storm
{cluster}
defaults: {{size: 32, arch: resnet18w8}}
render: {{dataset: storm, n_train: 96, n_heldout: 40, categories: "apple,cup", environments: "procedural:meadow",
         out: {folder}, workers: 1}}
train: {{dataset: storm, task: [distance, translation, category, all], seed: [0, 1, 2, 3], batches: 120, batch_size: 8,
        checkpoints: "40,80", device: cpu}}
score:
  - {{models: &seeds ["study=storm,seed=0", "study=storm,seed=1", "study=storm,seed=2", "study=storm,seed=3"],
           benchmarks: simulated_v1, layers: "avgpool,layer4.0.relu"}}
similarity:
  - {{models: *seeds, dataset: storm, stimuli: "heldout:40", layers: "avgpool,layer4.0.relu"}}
decode: {{models: *seeds, dataset: storm, stimuli: "heldout:40", layers: avgpool, latents: "x,y", folds: 2}}
compare: {{items: all}}
"""


def results(found: list[RunRecord]) -> dict[tuple[str, ...], dict[str, float]]:
    """What a study has made: metrics that no clock decides, by entry, name and parameters that are no one's ids."""
    made = {}
    for run in found:
        if run.entry in MADE and run.status == "FINISHED":
            given = sorted(
                f"{key}={value}"
                for key, value in run.cfg.items()
                if key not in ("out", "dataset") and not value.startswith("models:/")
            )
            values = {name: value for name, value in run.metrics.items() if not any(word in name for word in CLOCKS)}
            key = (run.entry, run.name, *given)
            assert key not in made, key
            made[key] = values
    return made


class Storm:
    """What may be killed while a study runs: its client with dask's scheduler, its jobs, and the services."""

    def __init__(self, here: Lab, ann: Person, words: tuple[str, ...]) -> None:
        self.here, self.ann, self.words = here, ann, words
        self.process = ann.start(*words)
        self.log: list[str] = []
        self.ways: dict[str, Callable[[], None]] = {
            "client": self.client,
            "job": self.job,
            "server": lambda: self.service("mlflow", signal.SIGKILL),
            "database": lambda: self.service("postgres", signal.SIGQUIT),
            "object store": lambda: self.service("objects", signal.SIGKILL),
            "queue": lambda: self.service("slurmctld", signal.SIGKILL),
        }

    def client(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self.ann.start(*self.words)

    def job(self) -> None:
        with suppress(subprocess.CalledProcessError):
            if running := slurm(self.here, "squeue", "-h", "-t", "R", "-o", "%i").split():
                slurm(self.here, "scancel", "--signal=KILL", "--full", min(running, key=int))

    def service(self, name: str, number: signal.Signals) -> None:
        service = self.here.services[name]
        service.stop(number)
        service.start()

    def ended(self) -> bool:
        """Whether the study has ended as it should; one that gave up is started again, as its last line says."""
        code = self.process.poll()
        if code:
            self.log.append(f"exit {code}: {self.ann.said().splitlines()[-1:]}")
            assert len(self.log) < 3 * KILLS + 10, self.log
            self.process = self.ann.start(*self.words)
        return code == 0


def test_a_study_that_is_killed_at_random_equals_an_undisturbed_one(here: Lab, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    began = time.monotonic()
    ann = Person(here, "ann")
    path = ann.write("storm.yaml", STUDY_FILE.format(cluster=QUEUE, folder=here.folder / "shared/storm"))
    storm = Storm(here, ann, ("study", "--config", str(path)))
    order = [
        way for _ in range(KILLS // len(storm.ways) + 1) for way in chance.sample(list(storm.ways), len(storm.ways))
    ]
    try:
        for number, way in enumerate(order[:KILLS]):
            due, share = time.monotonic() + MOST_SECONDS, number * RUNS / KILLS
            until(lambda due=due, share=share: storm.ended() or _finished() >= share or time.monotonic() > due)
            time.sleep(chance.uniform(0, 4))
            if storm.ended():
                break
            storm.ways[way]()
            storm.log.append(f"{time.monotonic() - began:.0f} s, {_finished()} runs finished: {way}")
        until(storm.ended, 1800)
    finally:
        storm.process.kill()
        print(*storm.log, sep="\n")
    kills = sum(not line.startswith("exit") for line in storm.log)
    assert kills == KILLS, storm.log
    until(lambda: not slurm(here, "squeue", "-h"), 120)
    stormy = [run for run in runs.find() if "storm" in run.studies and run.entry in MADE]
    ended = [(run.entry, run.name, run.status, run.tags.get(runs.ENDED)) for run in stormy if run.status != "FINISHED"]
    assert not ended
    assert set(Counter(run.spec for run in stormy).values()) == {1}  # what was killed went on in the same run
    assert not [run.id for run in runs.find(status="RUNNING") if run.entry in MADE]

    calm = ann.write("calm.yaml", STUDY_FILE.format(cluster="", folder=tmp_path / "calm"))
    quiet = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "MLSPATIAL_CACHE": str(tmp_path / "cache")}
    alone = Person(here, "ann", **quiet, MLSPATIAL_DATA=str(tmp_path), MLFLOW_EXPERIMENT_NAME="")
    alone.run("study", "--config", str(calm))
    code = "import json; from mlspatial.registry import runs; from tests.lab.test_kills import results; "
    code += "print(json.dumps([[key, value] for key, value in results(runs.find()).items()]))"
    told = subprocess.run([sys.executable, "-c", code], env=alone.environment, cwd=alone.folder, text=True,
                          capture_output=True, check=True)  # fmt: skip
    undisturbed = {tuple(key): values for key, values in json.loads(told.stdout)}
    made = results(stormy)
    assert set(made) == set(undisturbed) and len(made) > 28
    assert not [(key, made[key], undisturbed[key]) for key in made if made[key] != undisturbed[key]]


def _finished() -> int:
    """How many runs of the study have."""
    with suppress(Exception):  # while a service is away
        return len(runs.find(where=f"tags.`{STUDY}` LIKE '%storm%'", status="FINISHED"))
    return -1
