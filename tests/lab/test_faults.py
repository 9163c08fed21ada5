"""What goes wrong in a lab: passwords, rights, runs that die, a server that goes away; and the way back from a copy."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from tests.lab.people import Person, until
from tests.lab.services import DEPLOY, Lab, program

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]
SMALL = ("--arch", "resnet18w8", "--batch_size", "8")


@pytest.fixture(scope="module")
def images(here: Lab) -> str:
    """The folder of a dataset that everybody sees, made by the smoke test, which ends with a score."""
    ann = Person(here, "ann")
    folder = here.folder / "shared" / "smoke"
    environment = ann.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = [str(DEPLOY / "smoke.sh"), str(folder)]
    whose = {"env": environment, "cwd": ann.folder, "text": True, "capture_output": True, "timeout": 600}
    refused = subprocess.run(script, **{**whose, "env": environment | {"MLFLOW_EXPERIMENT_NAME": ""}})  # type: ignore[call-overload]
    assert refused.returncode and "MLFLOW_EXPERIMENT_NAME: the experiment" in refused.stderr and not folder.exists()
    made = subprocess.run(script, **whose)  # type: ignore[call-overload]
    assert made.returncode == 0, made.stderr
    score = runs.get(made.stdout.split()[-1])
    assert score.entry == "score" and score.status == "FINISHED" and score.tags["mlflow.user"] == "ann"
    (one,) = folder.iterdir()
    assert score.tags["mlspatial.seed"] == one.name
    line = rf"distance\s+{one.name}\s+20\s+simulated_v1\s+avgpool\s+(-?\d?\.\d+)\s+(-?\d?\.\d+)"
    assert re.search(line, made.stderr), made.stderr
    assert "was there" not in made.stderr  # nothing of an earlier run answers
    return str(one)


def test_who_is_refused_is_told_so_in_one_line_with_code_2(here: Lab, images: str) -> None:
    words = ("train", "--task", "distance", "--dataset", images, *SMALL, "--batches", "0", "--seed", "9")
    stranger = Person(here, "bob", MLFLOW_TRACKING_PASSWORD="not the password")
    guest = Person(here, "guest", MLFLOW_EXPERIMENT_NAME="ann")  # MLflow lets everybody make experiments of their own
    for person, line in (
        (stranger, "wrong password, or no user bob; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (guest, "user guest may not do this; ask for the right to it"),
    ):
        _, said = person.run(*words, code=2)
        assert line in said and len(said.splitlines()) == 1, said
    assert not [run for run in runs.find(entry="train") if run.cfg["seed"] == "9"]


def test_a_dead_run_of_another_blocks_nobody_and_its_owner_goes_on(here: Lab, images: str) -> None:
    words = ("train", "--task", "translation", "--dataset", images, *SMALL, "--batches", "4000", "--seed", "3")
    ann, bob = Person(here, "ann"), Person(here, "bob")
    process = ann.start(*words)
    try:
        hers = until(lambda: [run for run in runs.find(entry="train", status="RUNNING") if run.metrics])[0]
        until(lambda: list(Path(ann.environment["MLSPATIAL_CACHE"]).glob("train/*.pt")) or process.poll() is not None)
    finally:
        process.kill()
        process.wait()
    short = tuple("1" if word == "4000" else word for word in words)
    _, said = bob.run(*short)
    assert f"run {hers.id} of ann" in said and "it is left as it is" in said
    assert runs.get(hers.id).status == "RUNNING"
    process = ann.start(*words)
    try:
        until(lambda: runs.get(hers.id).tags.get(runs.RESUMED) == "1" or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM, ann.said()
    finally:
        process.kill()
    assert runs.get(hers.id).status == "KILLED"


@pytest.mark.parametrize("seconds", [10, 120])
def test_a_training_goes_on_while_the_server_is_away(here: Lab, images: str, seconds: int) -> None:
    """Its metrics and the networks of checkpoints that fall into that time are there in the end. Only the last network
    is waited for."""
    ann = Person(here, "ann", MLSPATIAL_PATIENCE="300")
    seed, batches = str(100 + seconds), 2000
    process = ann.start("train", "--task", "distance", "--dataset", images, *SMALL, "--batches", str(batches),
                        "--checkpoints", ",".join(str(200 * n) for n in range(1, 10)), "--seed", seed)  # fmt: skip
    server = here.services["mlflow"]
    try:
        run = until(lambda: [run for run in runs.find(entry="train", status="RUNNING") if run.cfg.get("seed") == seed])[
            0
        ]
        until(lambda: "train/loss" in runs.get(run.id).metrics or process.poll() is not None)
        assert process.poll() is None, ann.said()
        server.stop(signal.SIGKILL)
        time.sleep(seconds)
        cache = Path(ann.environment["MLSPATIAL_CACHE"], "train")
        until(lambda: len(list(cache.glob("*.step-*.pt"))) > 1 or process.poll() is not None)
        assert process.poll() is None, ann.said()
        server.start()
        assert process.wait(600) == 0, ann.said()
    finally:
        process.kill()
        if server.process is None:
            server.start()
    said = ann.said()
    assert said.count("goes on, and what it logs waits in") == 1, said
    assert "what it had logged meanwhile is written" in said
    assert re.search(r"the network of batch \d+ waits in", said) and "networks that waited are registered now" in said
    assert runs.get(run.id).status == "FINISHED"
    history = [entry.step for entry in client().get_metric_history(run.id, "train/loss")]
    assert history == list(range(10, batches + 1, 10))
    made = [network.step for network in select(f"task=distance,seed={seed},step=all")]
    assert sorted(made) == [200 * n for n in range(1, 11)]


HELD = """
import sys
from mlspatial.cli import finish
from mlspatial.registry import runs

def work():
    with runs.open_run(runs.Spec("held", 1, {}, {"end": 1}), name="x") as run:
        print("open", run.answered, run.resumed, flush=True)
        if not run.answered:
            run.log({"loss": 0.5})
            sys.stdin.readline()
    return run.id

finish("held", work)
"""


def test_an_end_that_the_server_could_not_be_told_is_told_by_the_next_command(here: Lab, images: str) -> None:
    ann = Person(here, "ann", MLSPATIAL_PATIENCE="3")
    server = here.services["mlflow"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", HELD]
    process = subprocess.Popen(command, cwd=ann.folder, env=ann.environment, text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline() == "open False False\n"
    try:
        server.stop(signal.SIGKILL)
        _, error = process.communicate("go on\n", timeout=120)
        assert process.returncode == 1 and "The same command goes on from here" in error.splitlines()[-1], error
    finally:
        server.start()
    (run,) = runs.find(entry="held")
    assert run.status == "RUNNING"
    made = subprocess.run(command, cwd=ann.folder, env=ann.environment, text=True, capture_output=True, input="")
    assert made.stdout.splitlines() == ["open True False", f"run {run.id}"], made.stderr
    assert "had ended as FINISHED while the store was away; that is told now" in made.stderr
    assert runs.get(run.id).status == "FINISHED" and runs.get(run.id).metrics == {"loss": 0.5}


def test_a_database_that_starts_again_is_waited_for(here: Lab) -> None:
    database = here.services["postgres"]
    database.stop()
    opener = threading.Timer(3, database.start)
    opener.start()
    try:
        assert runs.find(entry="train")
    finally:
        opener.join()


def test_an_object_store_that_starts_again_is_waited_for(here: Lab) -> None:
    """Its own silence is an error 500 of the server, for what is written and for what is read."""
    objects = here.services["objects"]
    with runs.open_run(runs.Spec("kept", 1, {}, {"objects": 1}), name="x") as run:
        for name in ("one.txt", "two.txt"):
            objects.stop(signal.SIGKILL)
            opener = threading.Timer(3, objects.start)
            opener.start()
            try:
                if name == "one.txt":
                    run.log_text("kept", name)
                else:
                    assert runs.download(run.id, "one.txt").read_text() == "kept"
            finally:
                opener.join()
    assert runs.get(run.id).status == "FINISHED"


def test_no_password_is_anywhere(here: Lab, images: str) -> None:
    copy = here.folder / "scanned"
    made = here.deploy("backup.py", "backup", str(copy))
    assert made.returncode == 0, made.stderr
    text = subprocess.run(
        [program("pg_restore"), "-f", "-", str(copy / "database.dump")], capture_output=True, check=True
    )
    places = {"database": text.stdout}
    folders = [copy, here.folder / "people", *here.folder.glob("*.log")]
    for folder in folders:
        for path in folder.rglob("*") if folder.is_dir() else [folder]:
            if path.is_file() and not path.is_symlink():
                places[str(path)] = path.read_bytes()
    assert len(places) > 100
    for name, value in here.secrets.items():
        assert not [place for place, data in places.items() if value.encode() in data], name
    administrator = {here.settings["MLFLOW_AUTH_ADMIN_USERNAME"]: here.settings["MLFLOW_AUTH_ADMIN_PASSWORD"]}
    for user, password in (here.passwords | administrator).items():  # as a request's header has them
        header = base64.b64encode(f"{user}:{password}".encode())
        assert not [place for place, data in places.items() if header in data], user
    assert not [place for place, data in places.items() if b"not the password" in data]
