"""What all entry points share: numbers in any spelling, one line for a mistake, waiting for others, exit codes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspatial import cli
from mlspatial.cli import finish
from mlspatial.core.errors import UserError
from mlspatial.registry import lives, runs
from tests.study.examples import ROOT

SPEC = runs.Spec("train", 1, {"dataset_id": "d1"}, {"task": "distance", "seed": 0})
HOLD = """
import sys
from mlspatial.registry import runs
spec = runs.Spec("train", 1, {"dataset_id": "d1"}, {"task": "distance", "seed": 0})
with runs.open_run(spec, name="train distance") as run:
    print(run.id, flush=True)
    sys.stdin.readline()
"""


def work() -> str:
    with runs.open_run(SPEC, name="train distance") as run:
        return run.id


def ended(work: object, **parameters: object) -> int:
    with pytest.raises(SystemExit) as caught:
        finish("train", work, **parameters)  # type: ignore[arg-type]
    return int(str(caught.value.code))


@pytest.fixture
def other(registry: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that is making the result, and the id of its run. It ends well when it is told to."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.kill()


class Pauses:
    """Stands in for time.sleep: each pause of who waits is counted, and something happens in one of them."""

    def __init__(self, number: int, happens: object) -> None:
        self.number, self.happens, self.count = number, happens, 0

    def __call__(self, seconds: float) -> None:
        self.count += 1
        assert 0 < seconds <= cli.MOST_PAUSE and self.count < 50
        if self.count == self.number:
            self.happens()  # type: ignore[operator]


def test_the_second_is_told_who_is_making_its_result_and_answered_when_it_is_there(
    other: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process, run_id = other
    pauses = Pauses(3, lambda: process.communicate("end\n"))
    monkeypatch.setattr(cli, "sleep", pauses)
    finish("train", work)
    told = capsys.readouterr()
    assert told.out == f"run {run_id}\n" and pauses.count == 4
    host = lives.process().split()[0]
    (line,) = told.err.splitlines()
    assert (
        line == f"train: train distance is being made by process {process.pid} on {host} (run {run_id}); waiting for it"
    )
    assert len(runs.find()) == 1


def test_who_does_not_want_to_wait_is_refused_in_one_line(
    other: tuple[subprocess.Popen[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    process, run_id = other
    assert ended(work, wait=False) == 2
    told = capsys.readouterr()
    host = lives.process().split()[0]
    assert told.out == "" and told.err == (
        f"train: train distance is being made by process {process.pid} on {host} (run {run_id}); run the same command "
        "when it has ended, leave out wait=false to wait for it, or stop it\n"
    )
    process.communicate("end\n")
    finish("train", work, wait=False)  # the advice
    assert capsys.readouterr().out == f"run {run_id}\n"


def test_every_entry_point_takes_wait_which_decides_nothing() -> None:
    for entry in cli.entries():
        assert entry["wait"].default is True and "wait" in entry.free and "wait" not in entry.defaults


def test_who_waits_says_so_now_and_then(
    other: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process, _ = other
    monkeypatch.setattr(cli, "sleep", Pauses(3, lambda: process.communicate("end\n")))
    monkeypatch.setattr(cli, "WORD_SECONDS", 0.0)
    finish("train", work)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[1].endswith("waiting for it (0 min so far)")


def test_when_the_maker_dies_the_second_goes_on_in_its_place(
    other: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process, run_id = other
    monkeypatch.setattr(cli, "sleep", Pauses(1, lambda: (process.kill(), process.wait())))
    finish("train", work)
    assert capsys.readouterr().out == f"run {run_id}\n"
    record = runs.get(run_id)
    assert record.status == "FINISHED" and record.tags[runs.RESUMED] == "1"


@pytest.mark.parametrize(("asked", "code", "word"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "stopped")])
def test_waiting_ends_at_once_when_it_is_stopped(
    asked: str, code: int, word: str, other: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    process, run_id = other
    pauses = Pauses(2, lambda: signal.raise_signal(signal.Signals[asked]))
    monkeypatch.setattr(cli, "sleep", pauses)
    assert ended(work) == code and pauses.count == 2
    assert f"train: {word}; the same command goes on" in capsys.readouterr().err
    assert runs.get(run_id).status == "RUNNING" and process.poll() is None


def test_the_run_of_the_project_is_kept_while_another_process_is_waited_for(
    other: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlspatial.registry.store import client

    process, run_id = other
    mine = client().create_run(client().get_experiment_by_name("test").experiment_id).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", mine)
    monkeypatch.setattr(cli, "sleep", Pauses(1, lambda: process.communicate("end\n")))
    finish("train", work)
    assert runs.get(mine).entry == runs.ANSWER and runs.get(mine).parents == (run_id,)


def test_a_run_that_is_open_when_a_part_of_it_is_busy_goes_on_later(
    other: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, _ = other
    states = []

    def score() -> str:
        with runs.open_run(runs.Spec("score", 1, {}, {}), name="score") as run:
            states.append(run.resumed)
            run.log({"part": 1.0})
            work()
        return run.id

    def look() -> None:
        (record,) = runs.find(entry="score")
        assert record.status == "KILLED" and record.tags[runs.ENDED].startswith("Busy: train distance is being made by")
        process.communicate("end\n")

    monkeypatch.setattr(cli, "sleep", Pauses(2, look))
    finish("score", score)
    assert states == [False, True]  # asked again once, when the part was there
    (record,) = runs.find(entry="score")
    assert record.status == "FINISHED" and record.metrics["part"] == 1.0


def raising(error: BaseException) -> object:
    def work() -> str:
        raise error

    return work


class Odd(UserError):
    exit_code = 1


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("size=3:\n too small"), 2, "train: size=3: too small\n"),
        (Odd("3 failed"), 1, "train: 3 failed\n"),
        (
            OSError(errno.ENOSPC, "full", "a.parquet"),
            2,
            "train: no space left for a.parquet; make room and run it again\n",
        ),
        (OSError(errno.EDQUOT, "full"), 2, "train: no space left for a file; make room and run it again\n"),
        (KeyboardInterrupt(), 130, "train: interrupted; the same command goes on where it was\n"),
        (runs.Terminated("signal 15"), 143, "train: stopped; the same command goes on where it was\n"),
    ],
)
def test_exit_codes(error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(error)) == code
    assert capsys.readouterr() == ("", words)


def test_a_defect_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(OSError(errno.ENOENT, "not there", "a"))) == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and told.endswith("FileNotFoundError: [Errno 2] not there: 'a'\n")


def test_every_run_gets_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    finish("train", lambda: ["a", "b"])
    finish("train", lambda: [])
    finish("render", lambda: "c")
    assert capsys.readouterr().out == "run a\nrun b\nrun c\n"


def test_names_of_others_cannot_steer_a_terminal_and_passwords_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    word = "hunter" + "2hunter2"

    def work() -> str:
        raise UserError(f"no \x1b[2J\x1b]0;title\x07 such\r\nname at http://me:{word}@host")

    with pytest.raises(SystemExit) as ended:
        cli.finish("show", work)
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.count("\n") == 1 and told.isprintable() is False
    assert told.rstrip("\n").isprintable() and word not in told
