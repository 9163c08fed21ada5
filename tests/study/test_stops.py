"""Commands that are stopped in every way: their runs end KILLED and no process of theirs stays behind."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mlspatial.registry import runs
from mlspatial.study import study
from tests.study.examples import FAKES, LINGER, ROOT, wait_until

MARK = "MLSPATIAL_STARTED_BY"  # a variable that all processes of a command inherit
LIMIT = 1000.0  # seconds; only against hanging

#: Calls that wait for the file `meet`.
STUDY = """
name: fake
train: {dataset: images, task: [distance, translation], seed: [0, 1], batches: 5}
"""


class Command:
    """A real command in a session of its own, with a terminal or a pipe to write to, and all processes it starts."""

    def __init__(self, arguments: list[str], *, terminal: bool = False) -> None:
        self.mark = uuid.uuid4().hex
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", MARK: self.mark}
        environment.pop("MLSPATIAL_PROGRESS", None)
        self.reader, writer = pty.openpty() if terminal else os.pipe()

        def own_terminal() -> None:
            for number in (signal.SIGINT, signal.SIGHUP):  # which whoever runs the tests may ignore
                signal.signal(number, signal.SIG_DFL)
            if terminal:
                fcntl.ioctl(writer, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
            preexec_fn=own_terminal,
        )
        os.close(writer)
        os.set_blocking(self.reader, False)
        self.told = ""

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for something while the command runs."""
        wait_until(lambda: (self.read(), condition() or self.process.poll() is not None)[1], LIMIT)
        assert self.process.poll() is None, self.told

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        wait_until(lambda: (self.read(), self.process.poll() is not None)[1], LIMIT)
        return self.process.wait()

    def close(self) -> None:
        """Close the terminal, or the end of the pipe that is read."""
        os.close(self.reader)
        self.reader = -1

    def read(self) -> None:
        """Take what it has written, lest it waits for that."""
        with suppress(OSError):
            while part := os.read(self.reader, 1 << 16):
                self.told += part.decode(errors="replace")

    def family(self) -> list[psutil.Process]:
        """Its processes that are alive."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def end(self) -> None:
        for process in self.family():
            process.kill()
        self.process.wait()
        if self.reader >= 0:
            self.close()


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two other processes that keep two cores busy, where a test asks for them."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * request.param)]
    yield
    for other in others:
        other.kill()
        other.wait()


def study_of_stand_ins(**options: object) -> list[str]:
    given = {"config": "study.yaml", "package": FAKES, **options}
    code = "import click; from mlspatial.cli import Command, finish; from mlspatial.study import study\n"
    code += f"click.command(cls=Command)(lambda: finish('study', study, **{given}))()"
    return ["-c", code]


def entry(name: str, *arguments: object) -> list[str]:
    return ["-m", f"entrypoints.{name}", *map(str, arguments)]


TRAIN = ("--task", "distance", "--batches", 100_000, "--batch_size", 8, "--input_size", 32, "--dataset")
RENDER = ("--dataset", "long", "--categories", "apple", "--environments", "procedural:meadow", "--size", 32)

COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "here": lambda _: study_of_stand_ins(together=1),
    "loky": lambda _: study_of_stand_ins(jobs=2),
    "dask": lambda _: study_of_stand_ins(jobs=2, backend="dask"),
    "render": lambda _: entry("render", *RENDER, "--n_train", 200_000, "--n_heldout", 20, "--workers", 2),
    "live": lambda dataset: entry("train", *TRAIN, f"live:{dataset}", "--workers", 1),
    "tune": lambda dataset: entry("tune", *TRAIN, dataset, "--evaluations", 2, "--lr", "1e-4,1e-2"),
}
#: how many processes a command has and how many runs are open when it is in the middle of its work
RUNNING = {"here": (1, 2), "loky": (3, 3), "dask": (5, 3), "render": (4, 1), "live": (3, 1), "tune": (1, 1)}


def stop(command: Command, how: str) -> set[int]:
    """Stop a command; the exit codes it may have then."""
    what, _, whom = how.partition(" to ")
    if what == "end of terminal":
        command.close()
        return {128 + signal.SIGHUP, 128 + signal.SIGPIPE}  # whichever it notices first
    if what == "end of pipe":
        command.close()
        return {128 + signal.SIGPIPE}
    number = signal.Signals[what.removesuffix(" twice")]
    for _ in range(1 + what.endswith(" twice")):
        if whom == "all":
            os.killpg(command.process.pid, number)
        else:
            command.process.send_signal(number)
    return {128 + number}


STOPS = [
    ("here", "SIGTERM twice", 0),
    ("here", "end of pipe", 0),
    ("loky", "SIGTERM twice to all", 2),  # as `timeout` does it
    ("loky", "SIGINT twice to all", 0),  # as a terminal does it
    ("loky", "end of terminal", 0),
    ("dask", "SIGTERM to all", 0),
    ("render", "SIGTERM", 1),
    ("live", "SIGHUP to all", 0),
    ("tune", "SIGINT to all", 0),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "busy"), STOPS, indirect=["busy"])
def test_nothing_stays_behind(name: str, how: str, busy: None, fake: Path, small_dataset: Path) -> None:
    fake.write_text(STUDY)
    Path("meet").write_text("99")  # in which the stand-ins wait
    command = Command(COMMANDS[name](small_dataset), terminal=how == "end of terminal")
    try:
        processes, open_runs = RUNNING[name]
        command.wait_until(lambda: len(runs.find(status="RUNNING")) >= open_runs and len(command.family()) >= processes)
        codes = stop(command, how)
        if how == "end of pipe":
            Path("meet").unlink()  # so that there is something to tell
        assert command.wait() in codes, command.told
        wait_until(lambda: not command.family(), LINGER)
        assert "Traceback" not in command.told
    finally:
        command.end()
    statuses = {(run.entry, run.status) for run in runs.find()}
    kind = {"here": "study", "loky": "study", "dask": "study", "live": "train", "tune": "train"}.get(name, name)
    assert (kind, "KILLED") in statuses and {status for _, status in statuses} <= {"KILLED", "FINISHED"}
    if kind == "study":
        Path("meet").unlink(missing_ok=True)
        (begun,) = runs.find(entry="study")
        assert study(config=str(fake), package=FAKES, together=1) == [begun.id]
        assert {run.status for run in runs.find()} == {"FINISHED"} and len(runs.find(entry="train")) == 4


def test_a_command_ends_with_its_last_line_whatever_is_left_of_its_work() -> None:
    """A thread, a process and a pool of processes that nobody has ended."""
    code = """
import click, multiprocessing, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from mlspatial.cli import SETTINGS, Command, finish

def work():
    threading.Thread(target=time.sleep, args=(1000,)).start()
    spawn = multiprocessing.get_context("spawn")
    spawn.Process(target=time.sleep, args=(1000,)).start()
    pool = ProcessPoolExecutor(1, mp_context=spawn)
    pool.submit(pow, 2, 3).result()
    pool.submit(time.sleep, 1000)
    globals()["pool"] = pool
    return "abc"

@click.command(cls=Command, context_settings=SETTINGS)
def main():
    finish("train", work)

if __name__ == "__main__":
    main()
"""
    command = Command(["-c", code])
    try:
        assert command.wait() == 0, command.told
        wait_until(lambda: not command.family(), LINGER)
        assert command.told.splitlines()[-1] == "run abc"
    finally:
        command.end()
