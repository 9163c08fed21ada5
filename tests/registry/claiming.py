"""Clients that stand for processes with caches of their own: threads that make one request when it is their turn."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlspatial.core.errors import Busy
from mlspatial.registry import claims, dead, lives, lookup, opening, runs
from mlspatial.registry.store import client

SPEC = runs.Spec("train", 1, {"dataset_id": "d1"}, {"seed": 0})
REAL_THREAD = threading.Thread


class Died(BaseException):
    """The end of a client: nothing it does reaches the store any more."""


class Turns:
    """Lets one of several threads make one request at a time, in an order of its own."""

    def __init__(self, seed: int, deaths: dict[str, int]) -> None:
        self._draw, self._deaths = random.Random(seed), deaths
        self._turn = threading.Condition()
        self._waiting: set[str] = set()
        self._there: set[str] = set()
        self._now = ""
        self.dead: set[str] = set()
        self.requests: dict[str, list[str]] = {}

    def join(self, names: list[str]) -> None:
        self._there = set(names)
        self.requests = {name: [] for name in names}

    def leave(self, name: str) -> None:
        with self._turn:
            self._there.discard(name)
            self._choose()

    def ask(self, what: str) -> None:
        name = threading.current_thread().name
        if name not in self._there:
            return
        with self._turn:
            if name in self.dead or self._deaths.get(name) == len(self.requests[name]):
                self.dead.add(name)
                raise Died
            self._waiting.add(name)
            self._choose()
            self._turn.wait_for(lambda: self._now == name, timeout=60)
            self._now = ""
            self._waiting.discard(name)
            self.requests[name].append(what)

    def _choose(self) -> None:
        if not self._now and self._waiting == self._there and self._there:
            self._now = self._draw.choice(sorted(self._waiting))
            self._turn.notify_all()


@dataclass
class Clients:
    """Threads that stand for processes with caches of their own."""

    monkeypatch: pytest.MonkeyPatch
    turns: Turns | None = None
    making: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        base = type(client())
        for name in ("find", "run"):  # of an SQLite database's own tables
            self.monkeypatch.setattr(lookup, name, self._in_turn(name, getattr(lookup, name)))
        for name in ("create_run", "search_runs", "log_batch", "set_terminated", "update_run", "delete_run",
                     "delete_tag", "set_tag", "get_run"):  # fmt: skip
            self.monkeypatch.setattr(base, name, self._in_turn(name, getattr(base, name)))
        lived, process = lives.lives, lives.process
        self.monkeypatch.setattr(lives, "process", lambda: self._process(process))
        self.monkeypatch.setattr(lives, "lives", lambda tags: self._lives(tags, lived))
        self.monkeypatch.setattr(claims, "OWN", PerThread())
        self.monkeypatch.setattr(dead, "LEFT", PerThread())
        self.monkeypatch.setattr(runs, "LEFT", dead.LEFT)
        self.monkeypatch.setattr(runs, "_gate", lambda spec, name: nullcontext())
        self.monkeypatch.setattr(claims, "PAUSE", 0.0)
        self.monkeypatch.setattr(claims, "LONGEST_PAUSE", 0.0)
        self.monkeypatch.setattr(runs.threading, "Thread", NoThread)
        self.monkeypatch.setattr(opening.source, "tags", dict)

    def _in_turn(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.turns:
                self.turns.ask(name)
            return method(*args, **kwargs)

        return call

    def _process(self, process: Callable[[], str]) -> str:
        name = threading.current_thread().name
        return f"host-{name} 1 0" if name.startswith("client") else process()

    def _lives(self, tags: dict[str, str], lived: Callable[..., bool]) -> bool:
        host = tags.get(lives.PROCESS, "").split(" ")[0]
        if host.startswith("host-client"):
            return self.turns is not None and host.removeprefix("host-") not in self.turns.dead
        return lived(tags)

    def play(self, number: int, seed: int, deaths: dict[str, int], **options: Any) -> list[str]:
        """All open the spec until they are answered or have made it. Returns who made it, in order."""
        made: list[str] = []
        failures: list[BaseException] = []
        names = [f"client{one}-{seed}" for one in range(number)]
        self.turns, self.making = Turns(seed, {names[int(one)]: step for one, step in deaths.items()}), set()
        self.turns.join(names)

        def work() -> None:
            name = threading.current_thread().name
            assert self.turns
            try:
                while True:
                    try:
                        with runs.open_run(SPEC, name="x", **options) as run:
                            if not run.answered:
                                self.making.add(name)
                                assert len(self.making) == 1, self.making
                                run.set_tags({"making": name})
                                self.making.discard(name)
                                made.append(name)
                        return
                    except Busy:
                        continue
            except Died:
                self.making.discard(name)
            except BaseException as error:
                failures.append(error)
            finally:
                self.turns.leave(name)

        threads = [REAL_THREAD(target=work, name=name) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), self.turns.requests
        if failures:
            raise failures[0]
        return made


class NoThread(REAL_THREAD):
    """In the place of a heartbeat."""

    def start(self) -> None:
        pass

    def join(self, timeout: float | None = None) -> None:
        pass


class PerThread(set[str]):
    """A set for each thread, as processes have."""

    def _own(self) -> str:
        return f"{threading.current_thread().name}/"

    def add(self, one: str) -> None:
        super().add(self._own() + one)

    def discard(self, one: str) -> None:
        super().discard(self._own() + one)

    def __contains__(self, one: object) -> bool:
        return super().__contains__(f"{self._own()}{one}")
