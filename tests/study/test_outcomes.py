"""What becomes of a call: by a crew whose calls end as a script says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlspatial.core.errors import Busy
from mlspatial.core.stopping import Terminated
from mlspatial.registry import runs
from mlspatial.study import Unfinished, load, make_plan, workers
from mlspatial.study import plan as states
from mlspatial.study.estimate import Rates
from mlspatial.study.execution import Execution
from mlspatial.study.memory import Memory
from mlspatial.study.plan import Job
from mlspatial.study.show import Line
from mlspatial.study.workers import Call, Outcome

TWO = """
name: fake
train: {dataset: images, task: distance, seed: [0, 1], batches: 5}
similarity: {dataset: images, models: "study=fake"}
compare: {items: all}
"""


class Scripted:
    """One call at a time. script(networks of the call, how often they were asked for before) -> its end."""

    slots = threads = 1

    def __init__(self, script: Callable[[str, int], Outcome]) -> None:
        self.script = script
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.idle = 0
        self._made: list[tuple[int, Outcome]] = []

    def free(self) -> int:
        return 1 - len(self._made)

    def submit(self, ticket: int, call: Call) -> None:
        name = call.entry
        if name == "train":
            name = str(call.parameters["seeds"] or call.parameters["seed"])
        outcome = self.script(name, self.asked.count(name))
        self.asked.append(name)
        if outcome.state == workers.DONE:
            outcome = Outcome(workers.DONE, tuple(f"run {part}" for part in name.split(",")))
        self._made.append((ticket, outcome))

    def wait(self, seconds: float) -> list[tuple[int, Outcome]]:
        made, self._made = self._made, []
        self.idle += not made
        assert self.idle < 100
        return made

    def stop(self) -> None:
        self.ended.append("stop")

    def close(self) -> None:
        self.ended.append("close")


def execution(fake: Path, together: int, text: str = TWO) -> Execution:
    fake.write_text(text)
    return Execution(make_plan(load(fake)), Memory("fake"), Rates(1, False, 1), together=together, package="none")


def made(it: Execution, script: Callable[[str, int], Outcome]) -> Scripted:
    crew = Scripted(script)
    it.run(crew, Line("fake", moving=False))
    return crew


def trains(it: Execution) -> list[Job]:
    return it.plan.of("train")


DONE, FAILED = Outcome(workers.DONE), Outcome(workers.FAILED, (), "lr=15: too large")


@pytest.mark.parametrize("state", [workers.LOST, workers.STOPPED])
def test_a_call_whose_process_dies_is_made_three_times_in_all(state: str, fake: Path) -> None:
    it = execution(fake, together=1)
    crew = made(it, lambda name, _: Outcome(state, (), "no memory") if name == "0" else DONE)
    assert crew.asked.count("0") == 3 and crew.asked.count("1") == 1
    assert [job.state for job in trains(it)] == [states.FAILED, states.DONE] and trains(it)[0].error == "no memory"


def test_two_deaths_are_forgiven(fake: Path) -> None:
    it = execution(fake, together=1)
    crew = made(it, lambda name, before: Outcome(workers.LOST) if name == "0" and before < 2 else DONE)
    assert crew.asked.count("0") == 3 and {job.state for job in it.plan.jobs} == {states.DONE}
    assert trains(it)[0].error == "" and not it.failures()


def test_a_mistake_is_not_tried_again_and_what_needs_it_is_left_out_but_the_report(fake: Path) -> None:
    it = execution(fake, together=1)
    crew = made(it, lambda name, _: FAILED if name == "0" else DONE)
    assert crew.asked == ["0", "1", "compare"]
    (similarity,), (compare,) = it.plan.of("similarity"), it.plan.of("compare")
    assert (similarity.state, compare.state) == (states.SKIPPED, states.DONE)
    said: list[str] = []
    with pytest.raises(Unfinished, match=r"^1 failed and 1 left out of 4; the same command") as unfinished:
        it.complain(said.append)
    assert unfinished.value.exit_code == 1 and len(said) == 2 and said[0].endswith("(line 3): lr=15: too large")


@pytest.mark.parametrize("state", [workers.FAILED, workers.LOST])
def test_networks_that_fail_together_are_asked_for_alone(state: str, fake: Path) -> None:
    it = execution(fake, together=2)
    crew = made(it, lambda name, _: Outcome(state) if name == "0,1" else FAILED if name == "0" else DONE)
    assert crew.asked == ["0,1", "0", "1", "compare"]
    assert [job.state for job in trains(it)] == [states.FAILED, states.DONE] and trains(it)[1].error == ""


def busy(seed: int, entry: str = "train") -> Outcome:
    error = Busy("it", "process 3 on alpha", entry, f"spec{seed}", {"task": "distance", "seed": seed})
    return Outcome(workers.BUSY, (), str(error), busy=error)


def test_of_networks_that_would_share_batches_only_the_one_that_others_train_is_waited_for(
    fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = execution(fake, together=2)
    looks: list[tuple[str, str]] = []

    def maker(entry: str, spec: str) -> str | None:
        looks.append((entry, spec))
        return "process 3 on alpha" if len(looks) < 4 else None

    monkeypatch.setattr(runs, "maker", maker)
    monkeypatch.setattr("mlspatial.study.execution.ASK_SECONDS", 0.0)
    monkeypatch.setattr("mlspatial.study.execution.LOOK_SHARE", 0.0)
    crew = made(it, lambda name, _: busy(1) if name == "0,1" else DONE)
    assert crew.asked == ["0,1", "0", "1", "similarity", "compare"]
    assert looks == [("train", "spec1")] * 4 and {job.state for job in it.plan.jobs} == {states.DONE}
    assert "seed=1 batches=5 is being made by process 3 on alpha" in capsys.readouterr().err


def test_what_others_make_fails_where_it_is_not_to_be_waited_for(fake: Path) -> None:
    """Of two networks that would share batches the other one is trained, and what needs both is left out."""
    it = execution(fake, 2, TWO.replace("name: fake", "name: fake\ndefaults: {wait: false}"))
    crew = made(it, lambda name, _: busy(1) if name == "0,1" else DONE)
    assert crew.asked == ["0,1", "0", "compare"]
    first, second = trains(it)
    assert (first.state, second.state) == (states.DONE, states.FAILED)
    assert second.error.startswith("it is being made by process 3 on alpha; run the same command when it has ended")
    with pytest.raises(Unfinished, match="1 failed and 1 left out"):
        it.complain(lambda _: None)


def test_a_study_that_is_not_to_wait_has_none_of_its_calls_wait(fake: Path) -> None:
    fake.write_text(TWO)
    assert not any(job.wait for job in make_plan(load(fake), False).jobs)
    assert all(job.wait for job in make_plan(load(fake)).jobs)


def test_a_call_is_not_made_again_while_others_are_at_a_part_of_it(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is none of the networks themselves."""
    it = execution(fake, together=2)
    still = ["process 3 on alpha"] * 6  # three looks, for each of the two
    monkeypatch.setattr(runs, "maker", lambda entry, spec: still.pop() if still else None)
    monkeypatch.setattr("mlspatial.study.execution.ASK_SECONDS", 0.0)
    monkeypatch.setattr("mlspatial.study.execution.LOOK_SHARE", 0.0)
    crew = made(it, lambda name, before: busy(7, "render") if name == "0,1" and not before else DONE)
    assert crew.asked == ["0,1", "0,1", "similarity", "compare"] and crew.idle >= 2 and not still


def test_a_stop_ends_the_calls_before_the_crew(fake: Path) -> None:
    def stopped(name: str, before: int) -> Outcome:
        raise Terminated("signal 15")

    crew = Scripted(stopped)
    with pytest.raises(Terminated):
        execution(fake, together=1).run(crew, Line("fake", moving=False))
    assert crew.ended == ["stop", "close"]
    whole = Scripted(lambda *_: DONE)
    execution(fake, together=1).run(whole, Line("fake", moving=False))
    assert whole.ended == ["close"]
