"""Studies that are at the same work at the same time: each call is made once, whoever makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from mlspatial.study import study
from mlspatial.study.workers import Here, Outcome
from tests import fake_steps
from tests.study.examples import FAKES, calls, environment, outcome, wait_until

FEW = """
name: fake
defaults: {dataset: images}
train: {task: [distance, translation], seed: [0, 1], batches: 5}
score: {models: study=fake, benchmarks: somewhere}
compare: {items: all}
"""


@pytest.fixture
def few(fake: Path) -> Path:
    """A study of four networks."""
    fake.write_text(FEW)
    return fake


def start(config: Path, **options: object) -> subprocess.Popen[str]:
    """A study as a command, whose standard output and error can be read."""
    given = {"config": str(config), "package": FAKES, **options}
    code = f"from mlspatial.cli import finish; from mlspatial.study import study; finish('study', study, **{given})"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    told = [process.communicate(timeout=1000) for process in processes]
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, told, strict=True)]


def makers() -> dict[str, list[str]]:
    """What was made -> the processes that made it."""
    found: dict[str, list[str]] = {}
    for line in fake_steps.CALLS.read_text().splitlines():
        _, process, word, *what = line.split()
        if word == "made":
            found.setdefault(" ".join(what), []).append(process)
    return found


def test_two_studies_of_one_file_share_the_work(few: Path) -> None:
    """Both begin at once; each makes what the other is not making, and the second waits for the first one's report."""
    Path("meet").write_text("2")
    (_, out, _), (_, out_2, _) = ended = ends([start(few, together=1) for _ in range(2)])
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert out == out_2 and out.startswith("run ")
    assert runs.get(out.split()[-1]).entry == "study" and len(runs.find(entry="study")) == 1
    each = makers()
    assert not {what: those for what, those in each.items() if len(those) > 1}
    assert len({process for (process,) in each.values()}) == 2 and len(each) == 4 + 4 + 1
    assert set(outcome().values()) == {1} and sum(outcome().values()) == len(each)


def test_studies_that_share_calls_make_each_once(few: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    text = FEW.replace("name: fake", "name: other").replace("study=fake", "study=other")
    other.write_text(text.replace("[distance, translation]", "[translation, rotation]"))
    Path("meet").write_text("2")
    ended = ends([start(few, together=1), start(other, together=1)])
    assert [code for code, _, _ in ended] == [0, 0], ended
    each = makers()
    assert not {what: those for what, those in each.items() if len(those) > 1}
    assert sum(what.startswith("train") for what in each) == sum(what.startswith("score") for what in each) == 6
    assert len(select("study=fake")) == len(select("study=other")) == 4
    assert {run.studies for run in runs.find(entry="study")} == {("fake",), ("other",)}
    assert {run.studies for run in runs.find(entry="train")} >= {("fake",), ("other",)} and len(
        runs.find(entry="train")
    ) == 6


def test_what_a_killed_study_was_at_is_made_by_the_other(few: Path) -> None:
    Path("meet").write_text("99")  # they wait in their first calls
    first = start(few, together=1)
    wait_until(lambda: calls("made"))
    second = start(few, together=1)
    wait_until(lambda: len(calls("made")) == 2)
    first.kill()
    first.wait()
    Path("meet").unlink()
    ((code, out, err),) = ends([second])
    assert code == 0 and f"is being made by process {first.pid} on " in err, err
    each = makers()
    assert each.pop("train distance 0") == [str(first.pid), str(second.pid)]
    assert set(map(tuple, each.values())) == {(str(second.pid),)}
    (record,) = runs.find(entry="train", where="params.`cfg.task` = 'distance' and params.`cfg.seed` = '0'")
    assert record.status == "FINISHED" and record.tags[runs.RESUMED] == "1"
    assert runs.get(out.split()[-1]).status == "FINISHED" and len(runs.find(entry="study")) == 1


def held_by_another(spec: str) -> subprocess.Popen[str]:
    """A process that holds the lock of a spec until there is a file `go`."""
    lock = Path(os.environ["MLSPATIAL_CACHE"]) / "locks" / f"{spec}.lock"
    code = """
import sys, time
from pathlib import Path
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    while not Path("go").exists():
        time.sleep(0.02)
"""
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout and holder.stdout.readline() == "held\n"
    return holder


def test_a_study_goes_on_with_other_work_and_asks_for_what_is_held_when_it_is_there(
    few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of four networks that would share batches is held: the other three are trained together without it."""
    study(config=str(few), package=FAKES)
    spec = runs.find(entry="train", where="params.`cfg.task` = 'translation' and params.`cfg.seed` = '0'")[0].spec
    for run in runs.find():
        client().delete_run(run.id)
    fake_steps.CALLS.unlink()
    holder = held_by_another(spec)
    before: list[dict[str, list[str]]] = []

    wait = Here.wait

    def nothing_else_to_do(here: Here, seconds: float) -> list[tuple[int, Outcome]]:
        if here.free() and not before and len(makers()) == 3 + 3:
            before.append(makers())
            Path("go").touch()
            holder.wait()
        return wait(here, seconds)

    monkeypatch.setattr(Here, "wait", nothing_else_to_do)
    monkeypatch.setattr("mlspatial.study.execution.ASK_SECONDS", 0.0)
    assert runs.get(study(config=str(few), package=FAKES)[0]).status == "FINISHED"
    (made,) = before
    assert set(made) == {
        *("train distance 0", "train distance 1", "train translation 1"),
        *("score distance 0 5 somewhere", "score distance 1 5 somewhere", "score translation 1 5 somewhere"),
    }
    assert "task=translation arch=resnet18 seed=0 batches=5 is being made by another process" in capsys.readouterr().err
    after = makers()
    assert {len(processes) for processes in after.values()} == {1} and len(after) == 4 + 4 + 1
    assert len(calls("train")) <= 4  # all, all but the one, (the one left of a task,) the one
