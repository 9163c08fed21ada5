"""Who is at a run: seen in the process table where that can know, else by the lease; and runs of other people."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlspatial.core.errors import Busy
from mlspatial.registry import dead, lives, runs
from mlspatial.registry.store import client

SPEC = runs.Spec("train", 1, {"dataset_id": "d1"}, {"seed": 0})


def tags(**changes: str) -> dict[str, str]:
    """Of a run that this process is at."""
    return {**lives.signs(), **{getattr(lives, name): value for name, value in changes.items()}}


LONG_AGO = str(int(time.time() - 2 * lives.DEAD_AFTER))


def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    return ended.pid


def test_what_the_process_table_shows_counts_more_than_the_lease() -> None:
    assert lives.lives(tags()) and lives.lives(tags(HEARTBEAT=LONG_AGO))  # it was stopped for an hour
    assert not lives.lives(tags(PROCESS=f"{socket.gethostname()} {gone()} 1"))
    earlier = tags(HEARTBEAT=LONG_AGO)
    del earlier[lives.BOOT]  # of a version that wrote none
    assert lives.lives(earlier)


@pytest.mark.parametrize("boot", ["0e3b-another-boot pid:[4026531836]", f"{lives.boot().partition(' ')[0]} pid:[1]"])
def test_a_container_of_the_same_name_is_judged_by_its_lease(boot: str) -> None:
    elsewhere = tags(BOOT=boot, PROCESS=f"{socket.gethostname()} {gone()} 1")
    assert lives.lives(elsewhere) and not lives.lives(elsewhere | {lives.HEARTBEAT: LONG_AGO})
    mine = tags(BOOT=boot, HEARTBEAT=LONG_AGO)
    assert not lives.lives(mine)  # that a process of this number is here says nothing


def test_a_process_that_the_kernel_hides_is_judged_by_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """hidepid: /proc shows nothing of it, and a signal is not allowed."""

    def hidden(pid: int) -> Any:
        raise psutil.NoSuchProcess(pid)

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    other = tags(PROCESS=f"{socket.gethostname()} {gone()} 1")
    monkeypatch.setattr(psutil, "Process", hidden)
    monkeypatch.setattr(os, "kill", refused)
    assert lives.lives(other) and not lives.lives(other | {lives.HEARTBEAT: LONG_AGO})


def test_a_process_that_waits_to_be_buried_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        born = f"{psutil.Process(child.pid).create_time():.0f}"
        at = tags(PROCESS=f"{socket.gethostname()} {child.pid} {born}")
        assert lives.lives(at)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not lives.lives(at)


@pytest.mark.parametrize(
    "text", ["", "x", "host", f"{socket.gethostname()}", f"{socket.gethostname()} -1 2", "a b c d"]
)
def test_tags_that_say_nothing_are_of_the_dead(text: str) -> None:
    assert not lives.lives(tags(PROCESS=text, HEARTBEAT="soon"))


def of_somebody_else(monkeypatch: pytest.MonkeyPatch, status: str) -> str:
    """A run whose process is gone, and which the store does not let us change."""
    with runs.open_run(SPEC, name="theirs") as run:
        pass
    client().update_run(run.id, status=status)
    run.set_tags({runs.PROCESS: f"{socket.gethostname()} {gone()} 1", "mlflow.user": "ann"})
    monkeypatch.setattr(dead, "FOREIGN", set())
    made = type(client())
    for name in ("log_batch", "set_terminated", "update_run", "set_tag"):
        allowed = getattr(made, name)

        def refuse(self: Any, run_id: str, *rest: Any, allowed: Any = allowed, **named: Any) -> Any:
            if run_id == run.id:
                raise MlflowException("Permission denied", PERMISSION_DENIED)
            return allowed(self, run_id, *rest, **named)

        monkeypatch.setattr(made, name, refuse)
    return run.id


@pytest.mark.parametrize("status", ["RUNNING", "KILLED"])
def test_a_dead_run_of_somebody_else_is_left_alone_and_blocks_nobody(
    registry: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    theirs = of_somebody_else(monkeypatch, status)
    assert runs.mark_dead_runs() == []
    with runs.open_run(SPEC, name="mine") as run:
        assert run.id != theirs and not run.resumed
    assert runs.mark_dead_runs() == []
    assert runs.get(theirs).status == status and runs.get(run.id).status == "FINISHED"
    told = [line for line in capsys.readouterr().err.splitlines() if theirs in line]
    assert len(told) == 1 and "of ann (theirs) has died; it is left as it is" in told[0]
    with runs.open_run(SPEC, name="again") as again:
        assert again.answered and again.id == run.id


def test_a_run_of_somebody_else_that_lives_is_waited_for(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = of_somebody_else(monkeypatch, "RUNNING")
    monkeypatch.setattr(lives, "_seen", lambda number, born: None)  # hidden
    with pytest.raises(Busy, match=theirs), runs.open_run(SPEC, name="mine"):
        pass
