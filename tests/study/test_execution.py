"""A study that runs: once, in any order, with failures and kills."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from mlspatial.cli import finish
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from mlspatial.study import Unfinished, study, workers
from tests import fake_steps
from tests.study.examples import FAKES, LINGER, SMALL, calls, environment, outcome, start, wait_until, write


def test_a_study_runs_once_and_is_answered_after(registry: Path) -> None:
    path = write(registry, SMALL)
    (first,) = study(config=str(path))
    record = runs.get(first)
    assert record.status == "FINISHED" and record.entry == "study" and record.studies == ("small",)
    counts = [len(runs.find(entry=entry, status="FINISHED")) for entry in ("render", "train", "score", "compare")]
    assert counts == [1, 2, 2, 1]
    assert all("small" in run.studies for run in runs.find())
    made = {run.id for run in runs.find() if run.entry != "extract"}  # what a score gathers on its way
    assert set(record.parents) == made - {first}
    total = len(runs.find())
    assert study(config=str(path)) == [first] and len(runs.find()) == total
    (registry / "reports" / "small" / "report.html").unlink()
    again = study(config=str(path))
    assert again != [first] and (registry / "reports" / "small" / "report.html").is_file()
    scores = runs.find(entry="score", status="FINISHED")
    runs.local(scores[0].id, "scores.json").unlink()  # by hand
    assert study(config=str(path)) not in ([first], again)
    assert len(runs.find(entry="score", status="FINISHED")) == len(scores) + 1
    (network,) = select("study=small,task=distance,step=0")
    (network.folder / "weights.safetensors").unlink()
    study(config=str(path))
    assert len(runs.find(entry="train", status="FINISHED")) == 3


def test_a_finished_study_is_answered_without_a_call_and_without_torch(fake: Path) -> None:
    (first,) = study(config=str(fake), package=FAKES)
    fake_steps.CALLS.unlink()
    code = (
        "import sys; from mlspatial.study import study; "
        f"print(study(config={str(fake)!r}, package={FAKES!r}), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    answer, torch = told.stdout.rsplit(maxsplit=1)
    assert answer == str([first]) and torch == "False"
    assert not fake_steps.CALLS.exists()
    fake.write_text(fake.read_text().replace("seed: [0, 1]", "seed: [0, 1, 2]"))
    study(config=str(fake), package=FAKES)
    assert calls("train") == ["distance|translation 2 None"] or calls("train")[0].startswith("distance|translation 2")
    assert len(calls("score")) == 2 and len(calls("similarity")) == len(calls("compare")) == 1


def test_networks_share_batches_as_the_file_wants(fake: Path) -> None:
    study(config=str(fake), package=FAKES)
    assert [line.split()[:2] for line in calls("train")] == [["distance|translation", "0,1"], ["rotation", "0"]]
    fake.write_text(fake.read_text().replace("seed: [0, 1]", "seed: [2, 3, 4]"))
    study(config=str(fake), package=FAKES, together=2)
    shared = [line.split()[:2] for line in calls("train")][2:]
    assert shared == [["distance", "2,3"], ["distance|translation", "4"], ["translation", "2,3"]]


def test_data_that_come_later_are_noticed(fake: Path, registry: Path) -> None:
    fake.write_text(fake.read_text().replace("somewhere", "'somewhere,recordings?'"))
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == 7
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == 8  # one asks again and is answered
    (registry / "recordings").touch()
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == 13 and len(runs.find(entry="score")) == 12


FAILING = """
  - {task: distance, lr: 13, batches: 2}
  - {task: distance, lr: 14, batches: 2}
  - {task: distance, lr: 15, batches: 2}
score:
  - {models: "task=identity", benchmarks: nowhere}"""


def test_failures_stop_nobody_else(fake: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two workers; one call raises, one is a mistake, one's process dies and is tried again."""
    fake.write_text(fake.read_text().replace("\nscore:", FAILING))
    with pytest.raises(Unfinished, match="3 failed and 2 left out of 18") as failed:
        study(config=str(fake), package=FAKES, jobs=2)
    assert failed.value.exit_code == 1
    told = capfd.readouterr().err
    assert "failed: train dataset=" in told and "(line 7): RuntimeError: the loss ran away" in told
    assert "(line 9): lr=15.0: is no learning rate" in told and "RuntimeError: the loss ran away\n" in told
    assert "(line 11): models=task=identity: the registry holds no network" in told
    assert "skipped: similarity" in told and "lr=13" not in [call.split()[0] for call in calls("score")]
    statuses = Counter((run.entry, run.status) for run in runs.find())
    assert (
        statuses["train", "FINISHED"] == 6 and statuses["train", "FAILED"] == 1 and statuses["score", "FINISHED"] == 8
    )
    assert (
        statuses["compare", "FINISHED"] == 1
        and statuses["study", "FAILED"] == 1
        and ("train", "RUNNING") not in statuses
    )
    assert len(Path("reports/fake/report.html").read_text().split()) == 14
    assert {threads for *_, threads in map(str.split, calls("train"))} == {str(max(1, workers.cores() // 2))}
    before = len(calls("score"))
    with pytest.raises(SystemExit) as ended:
        finish("study", study, config=str(fake), package=FAKES, jobs=2)
    assert ended.value.code == 1 and len(calls("score")) == before
    assert capfd.readouterr().err.splitlines()[-1].startswith("study: 3 failed and 2 left out of 18; the same command")


def test_a_score_begins_when_its_network_is_there(fake: Path) -> None:
    text = (
        fake.read_text().replace("{task: rotation, ", "{task: rotation, lr: 16, ")  # ends when a score has begun
    )
    fake.write_text(text)
    study(config=str(fake), package=FAKES, jobs=2)
    lines = [line.split() for line in fake_steps.CALLS.read_text().splitlines()]
    when = {what: [float(line[0]) for line in lines if line[2] == what] for what in ("train", "trained", "score")}
    assert min(when["score"]) < max(when["trained"]) < max(when["score"])
    assert len({line[1] for line in lines}) == 2


def test_killed_at_any_moment_it_ends_as_if_undisturbed(fake: Path, registry: Path) -> None:
    moments = random.Random(5)
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)):
        before = len(calls("train")) + len(calls("score"))
        process = start(fake, jobs=2)
        wait_until(
            lambda before=before, process=process: (
                len(calls("train")) + len(calls("score")) > before or process.poll() is not None
            )
        )
        time.sleep(moments.uniform(0, 0.3))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(how)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=LINGER)
        assert not alive, f"kill {number} leaves {alive}"
    if process.returncode:
        assert runs.find(entry="study")[0].status in ("RUNNING", "KILLED")
    study(config=str(fake), package=FAKES, jobs=2)
    disturbed = outcome()
    report = Path("reports/fake/report.html").read_text()
    assert len(runs.find(entry="study", status="FINISHED")) == 1 and len(select("study=fake,step=all")) == 7
    Path("reports/fake/report.html").unlink()
    for run in runs.find():
        client().delete_run(run.id)
    study(config=str(fake), package=FAKES)
    assert outcome() == disturbed and Path("reports/fake/report.html").read_text() == report
