"""Who makes a result where several want to at once: the real code over a real database, in many orders."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlspatial.core.errors import Busy
from mlspatial.registry import claims, lives, lookup, opening, runs
from mlspatial.registry.claims import CHOOSING, CLAIM, HELD, NONE, TICKET
from mlspatial.registry.record import RunRecord
from mlspatial.registry.store import client
from tests.registry.claiming import SPEC, Clients


@pytest.fixture
def clients(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    client()
    yield Clients(monkeypatch)


def settled() -> list[RunRecord]:
    """All runs, when whoever comes next has looked."""
    runs.mark_dead_runs()
    return runs.find()


@pytest.mark.parametrize("seed", range(6))
def test_clients_that_look_at_once_make_it_once(clients: Clients, seed: int) -> None:
    made = clients.play(2 + seed % 2, seed, {})
    assert len(made) == 1
    (record,) = settled()
    assert record.status == "FINISHED" and record.tags["making"] == made[0]


@pytest.mark.parametrize("seed", range(6))
def test_clients_that_go_on_with_the_same_killed_run_do_so_once(clients: Clients, seed: int) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x") as first:
        raise KeyboardInterrupt
    made = clients.play(2 + seed % 2, seed, {})
    assert len(made) == 1
    (record,) = settled()
    assert record.id == first.id and record.status == "FINISHED" and record.tags[runs.RESUMED] == "1"
    assert not [tag for tag in record.tags if tag.startswith(TICKET)]


@pytest.mark.parametrize("step", range(1, 13, 2))
def test_a_client_that_dies_at_any_request_stops_nobody(clients: Clients, step: int) -> None:
    made = clients.play(2, step, {"0": step})
    assert len(made) - made.count(f"client0-{step}") <= 1 and made
    there = settled()
    assert [run.status for run in there].count("FINISHED") == 1
    assert {run.status for run in there} <= {"FINISHED", "KILLED"}


def test_with_force_each_makes_its_own_one_after_the_other(clients: Clients) -> None:
    made = clients.play(2, 1, {}, force=True)
    assert sorted(made) == ["client0-1", "client1-1"]
    assert [run.status for run in settled()] == ["FINISHED", "FINISHED"]


def test_what_an_earlier_version_makes_is_held(registry: Path) -> None:
    with runs.open_run(SPEC, name="x") as run:
        client().delete_tag(run.id, CLAIM)
        (rival,) = claims.rivals(runs.find())
        assert rival.claim == HELD and rival.id == run.id


def test_a_run_that_was_taken_for_dead_while_another_went_on_with_it_is_not_taken_again(registry: Path) -> None:
    """Somebody saw the dead process, and marks the run after a third one has gone on with it."""
    with runs.open_run(SPEC, name="x") as run:
        client().set_terminated(run.id, "KILLED")
        assert runs.maker(SPEC.entry, SPEC.id)
        (rival,) = claims.rivals(runs.find())
        assert rival.claim == HELD
    assert runs.get(run.id).status == "FINISHED" and not list(claims.rivals(runs.find()))


def test_a_run_that_ends_claims_nothing(registry: Path) -> None:
    for error in (KeyboardInterrupt, ZeroDivisionError):
        with pytest.raises(error), runs.open_run(SPEC, name="x", force=True) as run:
            raise error
        assert runs.get(run.id).tags[CLAIM] == NONE and not list(claims.rivals(runs.find()))


def ticket_of(process: str, **changes: str) -> str:
    return json.dumps({"claim": "3", **lives.signs(), lives.PROCESS: process, **changes})


def test_a_ticket_counts_while_its_owner_lives_and_for_no_longer_than_a_lease(registry: Path) -> None:
    with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x") as run:
        raise KeyboardInterrupt
    other = {lives.BOOT: "another boot"}
    told = {
        "lives": (ticket_of("elsewhere 1 2", **other), 1),
        "expired": (ticket_of("elsewhere 1 2", **other, **{lives.HEARTBEAT: "1000"}), 0),
        "dead": (ticket_of(f"{socket.gethostname()} 1 1"), 0),
        "left": (ticket_of(lives.process()), 0),  # of this process, which is not at it
        "empty": (NONE, 0),
        "odd": ("[1]", 0),
    }
    for token, (text, counts) in told.items():
        client().set_tag(run.id, TICKET + token, text)
        assert [rival.number for rival in claims.rivals(runs.find())] == [3] * counts, token
        client().delete_tag(run.id, TICKET + token)
    client().set_tag(run.id, TICKET + "lives", told["lives"][0])
    with pytest.raises(Busy, match="process 1 on elsewhere"), runs.open_run(SPEC, name="x"):
        pass
    client().set_tag(run.id, TICKET + "lives", told["expired"][0])
    with runs.open_run(SPEC, name="x") as again:
        assert again.id == run.id


class Rivals:
    """A competitor that registers between our look and our claim."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, claim: str, then: Callable[[str], None]) -> None:
        self.id, start = "", opening.Opening._start

        def late(asked: opening.Opening) -> Any:
            made = start(asked)
            if not self.id:
                signs = {lives.PROCESS: "elsewhere 1 2", lives.BOOT: "b", lives.HEARTBEAT: lives.now()}
                tags = {**runs.get(made.id).tags, **signs, CLAIM: claim, "mlflow.runName": "theirs"}
                other = client().create_run(runs.get(made.id).experiment, tags=tags, run_name="theirs")
                self.id = other.info.run_id
                then(self.id)
            return made

        monkeypatch.setattr(opening.Opening, "_start", late)


def test_who_is_outdone_leaves_no_run_behind(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rival = Rivals(monkeypatch, HELD, lambda _: None)
    with pytest.raises(Busy, match=r"process 1 on elsewhere \(run"), runs.open_run(SPEC, name="x"):
        pass
    assert [run.id for run in runs.find()] == [rival.id]


def test_what_was_made_since_the_first_look_answers(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rival = Rivals(monkeypatch, HELD, lambda run: client().set_terminated(run, "FINISHED"))
    with runs.open_run(SPEC, name="x", study="s") as run:
        assert run.answered and run.id == rival.id
    (record,) = runs.find()
    assert record.id == rival.id and record.studies == ("s",)


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("noticed", [False, True])
def test_what_began_and_died_since_the_first_look_goes_on(
    registry: Path, monkeypatch: pytest.MonkeyPatch, noticed: bool, project: bool
) -> None:
    """noticed: by others, who have marked it. project: `mlflow run` has opened a run for it."""

    def die(run: str) -> None:
        client().set_tag(run, lives.HEARTBEAT, "0")
        if noticed:
            client().set_terminated(run, "KILLED")

    mine = client().create_run(client().get_experiment_by_name("test").experiment_id).info.run_id if project else ""
    if mine:
        monkeypatch.setenv("MLFLOW_RUN_ID", mine)
    rival = Rivals(monkeypatch, HELD, die)
    with runs.open_run(SPEC, name="x") as run:
        assert run.resumed and run.id == rival.id
    (record,) = runs.find()
    assert record.id == rival.id and record.status == "FINISHED"
    if mine:
        assert runs.get(mine).parents == (rival.id,) and runs.get(mine).status == "FINISHED"


def test_who_may_not_delete_leaves_a_run_that_answers_for_nothing(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise MlflowException("Permission denied", PERMISSION_DENIED)

    monkeypatch.setattr(type(client()), "delete_run", refuse)
    rival = Rivals(monkeypatch, HELD, lambda _: None)
    with pytest.raises(Busy), runs.open_run(SPEC, name="x"):
        pass
    assert [run.id for run in runs.find()] == [rival.id]
    (left,) = runs.find(entry=runs.ANSWER)
    assert left.status == "KILLED" and left.tags[CLAIM] == NONE


def test_the_project_s_run_is_kept_for_the_next_try_when_others_are_faster(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = client().create_run(client().get_experiment_by_name("test").experiment_id).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", mine)
    rival = Rivals(monkeypatch, HELD, lambda _: None)
    with pytest.raises(Busy), runs.open_run(SPEC, name="x"):
        pass
    assert [run.id for run in runs.find()] == [rival.id] and runs.get(mine).entry == runs.ANSWER
    client().set_terminated(rival.id, "FINISHED")
    with runs.open_run(SPEC, name="x") as run:
        assert run.answered
    assert runs.get(mine).parents == (rival.id,) and runs.get(mine).status == "FINISHED"


def test_who_chooses_for_long_is_left_to_it(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "CHOOSING_SECONDS", 0.1)
    rival = Rivals(monkeypatch, CHOOSING, lambda _: None)
    with pytest.raises(Busy, match="elsewhere"), runs.open_run(SPEC, name="x"):
        pass
    assert [run.id for run in runs.find()] == [rival.id]


def test_what_a_claim_costs(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look more than before for a new run, nothing for an answer: what a server is asked."""
    monkeypatch.setattr(lookup, "database", lambda: None)
    with runs.open_run(runs.Spec("train", 1, {}, {"a": 0}), name="x"):
        pass  # the experiment is there
    asked: list[str] = []
    base = type(client())
    for name in ("create_run", "search_runs", "log_batch", "set_terminated", "update_run", "get_run", "delete_tag"):
        method = getattr(base, name)
        monkeypatch.setattr(
            base, name, lambda *a, _name=name, _method=method, **k: (asked.append(_name), _method(*a, **k))[1]
        )
    monkeypatch.setattr(runs, "_note", lambda *_: None)

    def requests(work: Callable[[], None]) -> list[str]:
        asked.clear()
        work()
        return list(asked)

    def make() -> None:
        with runs.open_run(SPEC, name="x"):
            pass

    looks = ["search_runs", "search_runs"]
    # earlier without the third search; get_run: where its files lie, for those that are bundled at its end
    new = [*looks, "create_run", "search_runs", "log_batch", "get_run", "set_terminated"]
    assert requests(make) == new
    assert requests(make) == looks

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x", force=True):
            raise KeyboardInterrupt

    interrupted()
    client().delete_run(next(run.id for run in runs.find(spec=SPEC.id) if run.status == "FINISHED"))
    resumed = ["log_batch", "search_runs", "log_batch", "update_run", "log_batch", "delete_tag"]
    assert requests(make) == [*looks, *resumed, "get_run", "set_terminated"]
