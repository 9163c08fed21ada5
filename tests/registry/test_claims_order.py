"""The protocol of claims in every order of its steps."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from mlspatial.registry import claims, lives
from mlspatial.registry.claims import CHOOSING, CLAIM, HELD, NONE, TICKET, Rival
from mlspatial.registry.record import RunRecord

DEAD_HOST = "nowhere 1 0"


@dataclass
class World:
    """The registers, who lives, who is making the result now, and how often it was made."""

    runs: dict[str, dict[str, str]] = field(default_factory=dict)  # id -> tags; the killed run is "killed"
    status: dict[str, str] = field(default_factory=dict)
    making: set[str] = field(default_factory=set)
    made: int = 0
    writes: int = 0

    def write(self, own: str, claim: str, on: str) -> None:
        self.writes += 1
        if on == own:
            tags = self.runs.setdefault(own, {})
            self.status[own] = "RUNNING"
            tags |= {CLAIM: claim, lives.PROCESS: f"alive {own} 0", lives.HEARTBEAT: f"{time.time():.0f}"}
            if claim == NONE:
                del self.runs[own]
        else:
            said = {"claim": claim, lives.PROCESS: f"alive {own} 0", lives.HEARTBEAT: f"{time.time():.0f}"}
            self.runs[on][TICKET + own] = json.dumps(said) if claim else NONE

    def die(self, own: str) -> None:
        for tags in self.runs.values():
            for name, text in list(tags.items()):
                tags[name] = text.replace(f"alive {own} 0", DEAD_HOST)

    def look(self) -> list[RunRecord]:
        return [
            RunRecord(run, "train", "s", self.status[run], run, 0, "0", {}, dict(tags), {})
            for run, tags in self.runs.items()
        ]


@pytest.fixture
def only_hosts_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lives is who has not died in the `World`."""
    monkeypatch.setattr(lives, "lives", lambda tags: not tags.get(lives.PROCESS, DEAD_HOST).startswith("nowhere"))


def claimant(world: World, own: str, on: str) -> Generator[str, None, None]:
    """A client: every step is one request. on: its own run, or the killed one. Yields before each request what it is;
    "again" where it waits for somebody who chooses."""
    yield "register"
    world.write(own, CHOOSING, on)
    protocol = claims.steps(own)
    asked = next(protocol)
    try:
        while True:
            if isinstance(asked, int):
                yield "number"
                world.write(own, str(asked), on)
                asked = protocol.send([])
            else:
                yield "again" if isinstance(asked, Rival) else "look"
                asked = protocol.send(world.look())
    except claims.Outdone:
        yield "withdraw"
        world.write(own, NONE, on)
        return
    except StopIteration:
        pass
    world.making.add(own)
    assert len(world.making) == 1, world
    yield "hold"
    world.write(own, f"{HELD} by alive {own} 0" if on == own else HELD, on)
    yield "finish"
    world.making.discard(own)
    world.made += 1
    world.write(own, NONE, on)


@dataclass
class Play:
    """One order of steps, played again from the beginning. deaths: client -> number of its steps before it dies."""

    places: dict[str, str]
    deaths: dict[str, int]

    def __call__(self, order: list[str]) -> tuple[World, dict[str, str]]:
        """The world after these steps, and what those who are not done would do next."""
        self.world = World()
        if "killed" in self.places.values():
            self.world.runs["killed"], self.world.status["killed"] = {lives.PROCESS: DEAD_HOST}, "KILLED"
        self.clients = {own: claimant(self.world, own, on) for own, on in self.places.items()}
        self.next = {own: next(steps) for own, steps in self.clients.items()}
        self.taken = dict.fromkeys(self.places, 0)
        self.seen: dict[str, int] = {}  # who waits -> the number of writes there had been when it looked
        for own in order:
            self.step(own)
        return self.world, self.next

    def step(self, own: str) -> None:
        if self.next[own] in ("again", "look"):
            self.seen[own] = self.world.writes
        if self.deaths.get(own) == self.taken[own]:
            self.world.making.discard(own)
            self.world.die(own)
            self.world.writes += 1
            del self.next[own]
            return
        self.taken[own] += 1
        try:
            self.next[own] = next(self.clients[own])
        except StopIteration:
            del self.next[own]

    def useful(self) -> list[str]:
        """Who may be next: to look again before anything was written changes nothing."""
        return [own for own, what in self.next.items() if what != "again" or self.seen[own] != self.world.writes]


PLACES = [{"a": "a", "b": "b"}, {"a": "killed", "b": "killed"}, {"a": "a", "b": "killed"}, {"a": "killed", "b": "b"}]
DEATHS = [{}, *({own: step} for own in "ab" for step in range(1, 7))]


@pytest.mark.parametrize("places", PLACES, ids=lambda places: "-".join(places.values()))
@pytest.mark.parametrize("deaths", DEATHS, ids=str)
def test_two_claimants_in_every_order(only_hosts_count: None, places: dict[str, str], deaths: dict[str, int]) -> None:
    """Never two at once; somebody always ends by making it; whoever dies on the way stops nobody."""
    play, ends = Play(places, deaths), 0
    orders: list[list[str]] = [[]]
    while orders:
        order = orders.pop()
        world, left = play(order)
        if not left:
            ends += 1
            survived = [own for own in places if own not in deaths]
            assert world.made or len(survived) < len(places), order
            continue
        following = play.useful()
        assert following, (order, left)  # else they wait for each other
        orders += [[*order, own] for own in following]
    assert ends > 10


def test_three_claimants_in_many_orders(only_hosts_count: None) -> None:
    draw = random.Random(0)
    made = 0
    for number in range(3000):
        places = {own: draw.choice([own, own, "killed"]) for own in "abc"}
        deaths = {own: draw.randrange(1, 8) for own in "abc" if draw.random() < 0.25}
        play = Play(places, deaths)
        world, left = play([])
        last, stays = "", draw.choice([0.0, 0.5, 0.9])  # some are quick while the others stand still
        while left:
            following = play.useful()
            assert following, (number, left)
            last = last if last in following and draw.random() < stays else draw.choice(following)
            play.step(last)
        assert world.made or deaths, number
        made += world.made
    assert made > 2000


def test_who_comes_late_does_not_get_before_one_that_has_won(only_hosts_count: None) -> None:
    """b has decided by its number and has not yet written that it holds; a, whose name is smaller, looks just then."""
    play = Play({"a": "a", "b": "b", "c": "c"}, {})
    play(["b", "c"] * 3 + ["b"])
    assert play.world.making == {"b"} and play.next["b"] == "hold"
    for _ in range(4):
        play.step("a")
    assert play.next["a"] == "withdraw" and play.world.runs["a"][CLAIM] == "2"


def test_the_protocol_would_not_hold_without_its_second_look(
    only_hosts_count: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the orders are worth: a claim by looking alone, as before, is found out by them."""

    def rash(own: str) -> Generator[None, list[RunRecord], list[RunRecord]]:
        found = yield None
        if any(rival.claim == HELD for rival in claims.rivals(found, own)):
            raise claims.Outdone(next(claims.rivals(found, own)))
        return found

    monkeypatch.setattr(claims, "steps", rash)
    with pytest.raises(AssertionError, match="making"):
        test_two_claimants_in_every_order(None, PLACES[0], {})
