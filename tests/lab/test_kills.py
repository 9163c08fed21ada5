"""A study through a lab whose processes are killed at random ends as one that nobody disturbed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mlspatial.registry import runs
from mlspatial.registry.store import client
from tests.lab.people import QUEUE, SECONDS, Person, until
from tests.lab.services import Lab, program
from tests.lab.test_chain import slurm

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("MLSPATIAL_LAB_KILLS"), reason="six minutes more: make test-lab KILLS=1"),
]
SEED = int(os.environ.get("MLSPATIAL_LAB_SEED", "1"))  # of the moments, and of who is killed
#: Who is killed how often: `study` is the command itself, `jobs` any process of a call or of its worker; the others are
#: services, of which any process may be hit.
KILLS = {"study": 4, "jobs": 6, "mlflow": 3, "postgres": 3, "objects": 1, "nginx": 1, "slurmctld": 1, "slurmd": 1}
PAUSE, PATIENCE = (0.5, 4.0), 12.0  # seconds before a kill, after something was finished; for that
TRIES = 12  # of the command, after its kills
CALLS = 30
SHORT = "the study was too short for its kills"

STUDY = """
name: kills
{cluster}
defaults: {{size: 32, arch: resnet18w8}}
render: {{dataset: kills, n_train: 64, n_heldout: 40, categories: "apple,cup", environments: "procedural:meadow",
         seed: 77, out: {shared}/kills}}
train:
  - &networks {{dataset: kills, task: [distance, category, translation], seed: [0, 1], batches: 60, batch_size: 8,
               checkpoints: "20"}}
  - {{<<: *networks, task: rotation, seed: 0}}
score: {{models: "study=kills,step=all", benchmarks: simulated_v1, layers: avgpool}}
similarity: {{models: study=kills, dataset: kills, stimuli: "heldout:40", layers: avgpool}}
decode: {{models: study=kills, dataset: kills, stimuli: "heldout:40", layers: avgpool, latents: "x,y", folds: 2}}
compare: {{items: all}}
"""

TIMES = "seconds", "_per_s", "hours", "memory"  # parts of names of metrics that no two runs share
Which = tuple[str, str]  # entry, spec


def left() -> tuple[Counter[Which], dict[Which, dict[str, float]], dict[str, list[tuple[int, float]]]]:
    """What a study leaves in the registry that this process reads: runs by entry and spec, their metrics without times,
    and of each training every step and value of its loss."""
    found = [run for run in runs.find() if "kills" in run.studies and run.entry not in ("study", "compare")]
    unfinished = [
        (run.entry, run.spec, run.status, run.tags.get(runs.ENDED)) for run in found if run.status != "FINISHED"
    ]
    assert not unfinished, unfinished
    metrics = {
        (run.entry, run.spec): {k: v for k, v in run.metrics.items() if not any(word in k for word in TIMES)}
        for run in found
    }
    losses = {run.spec: [(one.step, one.value) for one in client().get_metric_history(run.id, "train/loss")]
              for run in found if run.entry == "train"}  # fmt: skip
    return Counter((run.entry, run.spec) for run in found), metrics, losses


class Disturber:
    """Kills a process of a lab with SIGKILL, and starts services again as their unit does."""

    def __init__(self, here: Lab, person: Person, moments: random.Random) -> None:
        self.here, self.person, self.moments = here, person, moments
        self.said, self.began = list[str](), time.monotonic()

    def kill(self, whom: str, study: subprocess.Popen[str]) -> bool:
        """Whether there was somebody to kill."""
        with suppress(psutil.Error):
            if whom == "study":
                found = [psutil.Process(study.pid)] if study.poll() is None else []
            elif whom == "jobs":
                found = self._of_jobs(study.pid)
            else:
                main = self.here.services[whom].process
                found = _family(main.pid) if main else []
            if found:
                victim = self.moments.choice(found)
                words = " ".join(victim.cmdline())[-70:]
                victim.kill()
                self.said.append(f"{time.monotonic() - self.began:.0f} s, {whom}: {words}")
                return True
        return False

    def _of_jobs(self, study: int) -> list[psutil.Process]:
        """Processes of the person that the queue started: the script of a job, its worker, calls beside it."""
        mine = {process.pid for process in _family(study)} if psutil.pid_exists(study) else set()
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if "SLURM_JOB_ID" in (seen := process.environ()) and seen.get("HOME") == str(self.person.folder):
                    found.append(process)
        return [process for process in found if process.pid not in mine]

    def restart(self) -> None:
        """What systemd does with services whose process is gone: end the rest of it, start it again."""
        for service in self.here.services.values():
            if service.process is not None and service.process.poll() is not None:
                service.stop()
                service.start(again=True)


def finished(here: Lab) -> int:
    """Runs that are finished, by the database itself, without waiting for one that is away; then 0."""
    given = here.settings
    where = {"host": "127.0.0.1", "port": given["POSTGRES_PORT"], "username": given["POSTGRES_USER"]}
    command = [program("psql"), *(f"--{name}={value}" for name, value in where.items()), "--no-password", "-At", "-c",
               "SELECT count(*) FROM runs WHERE status = 'FINISHED'", given["POSTGRES_DB"]]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": given["PGPASSWORD"], "PGCONNECT_TIMEOUT": "2"}
    with suppress(subprocess.TimeoutExpired):
        return int(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=5).stdout or 0)
    return 0


def _family(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def test_twenty_kills_leave_what_none_leaves(here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty processes of a lab, of its queue's jobs and the study's own are killed while a study of thirty calls goes
    on; it is started again whenever it has ended. Nothing is made twice, nothing is lost, nothing is left open."""
    ann = Person(here, "ann")
    path = ann.write("kills.yaml", STUDY.format(cluster=QUEUE, shared=here.folder / "shared"))
    moments = random.Random(SEED)
    whom = [name for name, times in KILLS.items() for _ in range(times)]
    moments.shuffle(whom)
    disturber = Disturber(here, ann, moments)
    words = ("study", "--config", str(path))
    study, ends = ann.start(*words), list[str]()

    def again() -> subprocess.Popen[str]:
        ends.append(f"{study.returncode}: {(ann.said().splitlines() or [''])[-1]}")
        assert study.returncode in (-9, 1), ends
        assert "Traceback" not in ann.said(), ann.said()
        assert len(ends) <= TRIES, (ends, disturber.said)
        return ann.start(*words)

    try:
        seen = finished(here)
        for name in whom:
            waited = time.monotonic()
            while (now := finished(here)) <= seen and time.monotonic() - waited < PATIENCE and study.poll() is None:
                time.sleep(0.2)
            seen = max(now, seen)
            time.sleep(moments.uniform(*PAUSE))
            deadline = time.monotonic() + 120
            while not disturber.kill(name, study):
                assert time.monotonic() < deadline, (name, disturber.said, ends)
                assert study.poll() != 0, (disturber.said, SHORT)
                if study.poll() is not None:
                    study = again()
                disturber.restart()
                time.sleep(0.2)
            disturber.restart()
            if study.poll() is not None or name == "study":
                assert study.wait(60) != 0, (disturber.said, SHORT)
                study = again()
        while study.wait(SECONDS):
            disturber.restart()
            study = again()
    finally:
        study.kill()
    print(*disturber.said, *ends, sep="\n")
    assert len(disturber.said) == sum(KILLS.values()) == 20
    with suppress(subprocess.CalledProcessError):
        slurm(here, "scancel", "--user", str(os.getuid()))
    until(lambda: not slurm(here, "squeue", "-h"), 120)

    disturbed = left()
    assert sum(disturbed[0].values()) >= CALLS - 1 and set(disturbed[0].values()) == {1}, disturbed[0]
    of_study = Counter(run.status for run in runs.find(entry="study") if run.cfg.get("name") == "kills")
    assert of_study["FINISHED"] == 1 and not of_study["RUNNING"], of_study
    assert not runs.find(status="RUNNING", entry="compare")

    alone = tmp_path / "alone"
    alone.mkdir()
    config = alone / "kills.yaml"
    config.write_text(STUDY.format(cluster="jobs: 2", shared=alone / "data"))
    environment = {name: value for name, value in ann.environment.items() if not name.startswith("MLFLOW_")}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{alone}/mlflow.db", "MLSPATIAL_DATA": str(alone / "data"),
                    "MLSPATIAL_CACHE": str(alone / "cache"), "HOME": str(alone)}  # fmt: skip
    command = [sys.executable, "-m", "entrypoints.study", "--config", str(config)]
    made = subprocess.run(command, cwd=alone, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert made.returncode == 0, made.stderr
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", environment["MLFLOW_TRACKING_URI"])
    monkeypatch.setenv("MLSPATIAL_CACHE", environment["MLSPATIAL_CACHE"])
    undisturbed = left()
    assert disturbed[0] == undisturbed[0]
    for which in disturbed[1]:
        assert disturbed[1][which] == pytest.approx(undisturbed[1][which], rel=1e-5, abs=1e-6), which
    assert disturbed[2] == {spec: pytest.approx(rows) for spec, rows in undisturbed[2].items()}
