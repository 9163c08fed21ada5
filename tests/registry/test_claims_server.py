"""Processes with caches of their own that ask one tracking server for the same results at the same moment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mlspatial.registry import lives, runs
from tests.registry.serving import Server
from tests.study.examples import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROUNDS, PROCESSES = 10, 4

WORK = """
import sys, time
from pathlib import Path
from mlspatial.cli import finish
from mlspatial.registry import runs

number, hold, wait = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "True"

def meet(round):
    Path(f"ready-{number}-{round}").touch()
    deadline = time.monotonic() + 200
    while len(list(Path().glob(f"ready-*-{round}"))) < int(sys.argv[4]):
        assert time.monotonic() < deadline, "another one has failed"
        time.sleep(0.002)

def work(round):
    spec = runs.Spec("held", 1, {}, {"round": round, "place": str(Path.cwd())})
    with runs.open_run(spec, name=f"round {round}") as run:
        if not run.answered:
            with Path(f"made-{round}.txt").open("a") as file:
                file.write(f"{number} {run.id}\\n")
            while hold and not Path(hold).exists():
                time.sleep(0.02)
    return run.id

for round in range(int(sys.argv[5])):
    meet(round)
    finish("held", work, round=round, wait=wait)
"""


@pytest.fixture
def place(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return tmp_path


def start(number: int, *, hold: str = "", wait: bool = True, of: int = 1, rounds: int = 1) -> subprocess.Popen[str]:
    """A process with a cache of its own. hold: a file without which it does not finish what it makes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLSPATIAL_CACHE": f"cache-{number}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORK, str(number), hold, str(wait), str(of), str(rounds)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, list[str], str]]:
    told = [process.communicate(timeout=600) for process in processes]
    return [(process.returncode, out.split(), err) for process, (out, err) in zip(processes, told, strict=True)]


def makers(round: int = 0) -> list[tuple[int, str]]:
    file = Path(f"made-{round}.txt")
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [(int(number), run) for number, run in lines]


def wait_for_a_maker(n: int = 1) -> None:
    deadline = time.monotonic() + 300
    while len(makers()) < n:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def held() -> list[runs.RunRecord]:
    """All runs of the test."""
    return runs.find(entry="held", where=f"params.`cfg.place` = '{Path.cwd()}'")


def test_processes_with_other_caches_that_meet_make_each_result_once(place: Path) -> None:
    ended = ends([start(number, of=PROCESSES, rounds=ROUNDS) for number in range(PROCESSES)])
    assert [code for code, _, _ in ended] == [0] * PROCESSES, ended
    made = [makers(round) for round in range(ROUNDS)]
    assert [len(those) for those in made] == [1] * ROUNDS
    ids = [word for word in ended[0][1] if word != "run"]
    assert ids == [run for ((_, run),) in made] and all(out == ended[0][1] for _, out, _ in ended)
    assert sorted(ids) == sorted(run.id for run in held()) and {run.status for run in held()} == {"FINISHED"}
    assert not runs.find(status="RUNNING")
    assert "is being made by process" in "".join(err for _, _, err in ended)


def test_when_the_maker_is_killed_another_goes_on_in_its_place(place: Path) -> None:
    processes = {number: start(number, hold="go", of=3) for number in range(3)}
    wait_for_a_maker()
    ((first, run_id),) = makers()
    processes[first].kill()
    killed = time.monotonic()
    wait_for_a_maker(2)
    seconds = time.monotonic() - killed
    Path("go").touch()
    ended = ends([process for number, process in processes.items() if number != first])
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert seconds < 60  # not a lease: the process table says it. Less than 3 where nothing else is at work
    assert [run for _, run in makers()] == [run_id] * 2 and len({number for number, _ in makers()}) == 2
    (record,) = held()
    assert record.id == run_id and record.status == "FINISHED" and record.tags[runs.RESUMED] == "1"
    assert Counter(out[-1] for _, out, _ in ended) == {run_id: 2}


def test_who_does_not_want_to_wait_is_told_who_makes_it_and_what_to_do(place: Path) -> None:
    first = start(0, hold="go")
    wait_for_a_maker()
    ((_, run_id),) = makers()
    ((code, out, err),) = ends([start(1, wait=False)])
    assert code == 2 and not out
    host = lives.process().split()[0]
    assert err == (
        f"held: round 0 is being made by process {first.pid} on {host} (run {run_id}); run the same command when it "
        "has ended, leave out wait=false to wait for it, or stop it\n"
    )
    assert runs.get(run_id).status == "RUNNING"
    second = start(1)  # the advice
    assert second.stderr and "waiting for it" in second.stderr.readline()
    Path("go").touch()
    ended = ends([first, second])
    assert [(code, out) for code, out, _ in ended] == [(0, ["run", run_id])] * 2
