"""Who makes a result where several want to at once, in whatever folders, caches and machines: the registry decides.

MLflow cannot say "set this tag if nobody has", so it is Lamport's bakery (1974), with tags for its registers. A
claimant has one register, which nobody else writes: the tag CLAIM of the run that it has made for the result, or, to go
on with a run that was killed, a tag CLAIM.TOKEN of that run (a ticket), which says whose it is. All are found by the
spec. A register holds CHOOSING from the write that makes it, then perhaps a number, then HELD once its owner makes the
result, and is gone or empty when the owner has given up or ended. Who finds nobody needs no number: one look is all
that a claim costs.

Why two never make one result. Each claimant writes CHOOSING and looks only then. Of two, A and B, let B be the one
whose register came second, so that B's first look shows A.
- If A's first look showed nobody, A makes the result and never takes a number: B sees CHOOSING, for which it waits, or
  HELD, for which it gives up, as long as A lives.
- Otherwise both take 1 + the largest number that they see. When B goes on, a look after B's number was written has
  shown A neither CHOOSING nor with the smaller (number, id): A had given up, or had a larger pair, or had not begun and
  will see B's number. A in turn goes on only after a look that does not show B so, and one of the two pairs is smaller.
  A number is written before the look that decides, and who chooses one after that look takes a larger one.
Why somebody always does: who gives up does so for somebody who lives and holds, or has the smaller pair, and of several
pairs one is the smallest. Who is seen CHOOSING for long is left to it: to give up is always safe.

Who has died (`lives`) is passed over as if it had no register. A run that lives and has no claim, of an earlier
version, holds; two of that version, or one of it and one of this, still race as they did.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field

from mlspatial.core.names import TAG
from mlspatial.core.stopping import stop_waits
from mlspatial.registry import lives
from mlspatial.registry.record import RunRecord

CLAIM = TAG + "claim"
TICKET = CLAIM + "."  # and a token: of somebody who wants to go on with that run
CHOOSING, HELD, NONE = "choosing", "held", ""  # what a claim may be, beside a number; a run's names who holds it
CHOOSING_SECONDS = 10.0  # for which one that chooses is waited for here, before who waits is told so
PAUSE, LONGEST_PAUSE = 0.05, 0.5  # seconds between two looks
OWN: set[str] = set()  # tokens and runs that this process is at

Look = Callable[[], list[RunRecord]]


@dataclass(frozen=True)
class Rival:
    """Somebody who lives and wants to make a result, or is at it. id: run or token; claim: its register; signs: tags
    that say whose it is."""

    id: str
    claim: str
    run: str
    signs: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def number(self) -> int:
        """0 of one that has none."""
        return int(self.claim) if self.claim.isdecimal() else 0

    @property
    def who(self) -> str:
        """For people."""
        host, _, rest = self.signs.get(lives.PROCESS, "").partition(" ")
        return f"process {rest.partition(' ')[0]} on {host} (run {self.run})"


class Outdone(Exception):
    """Somebody else makes the result, or is before us."""

    def __init__(self, rival: Rival) -> None:
        super().__init__(rival.who)
        self.rival = rival


def held() -> str:
    """The claim of a run that this process makes."""
    return f"{HELD} by {lives.process()}"


def ticket(claim: str) -> str:
    """The text of a ticket of this process."""
    return json.dumps({"claim": claim, **lives.signs()})


def rivals(found: list[RunRecord], own: str = "") -> Iterator[Rival]:
    """Of all runs of a spec, who lives and has a claim, but for `own` (run or token)."""
    for run in found:
        if run.id != own and (claim := _claim(run)):
            yield Rival(run.id, claim, run.id, run.tags)
        for name, text in run.tags.items():
            token = name.removeprefix(TICKET)
            if name.startswith(TICKET) and token != own and (rival := _holder(token, text, run.id)):
                yield rival


def _claim(run: RunRecord) -> str:
    """What a run claims; NONE where it has ended or its process has.

    One that somebody took for dead and marked KILLED while another process went on with it still says HELD.
    """
    claim, process = run.tags.get(CLAIM, NONE), run.tags.get(lives.PROCESS, "")
    holds = claim == f"{HELD} by {process}"
    if run.status == "RUNNING":
        return (HELD if not claim or claim.startswith(HELD) else claim) if lives.lives(run.tags) else NONE
    if run.status == "KILLED" and holds and lives.leased(run.tags) and lives.lives(run.tags):
        return HELD if process != lives.process() or run.id in OWN else NONE
    return NONE


def _holder(token: str, text: str, run: str) -> Rival | None:
    """Whose ticket it is. It counts for as long as a lease holds: nobody chooses for longer."""
    try:
        signs = {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return None
    left = signs.get(lives.PROCESS) == lives.process() and token not in OWN
    if left or not signs.get("claim") or not (lives.leased(signs) and lives.lives(signs)):
        return None
    return Rival(token, signs["claim"], run, signs)


def steps(own: str) -> Generator[int | Rival | None, list[RunRecord], list[RunRecord]]:
    """The protocol after CHOOSING was written. Yields a number to be written, or asks to be sent all runs of the spec:
    None, or who still chooses and is waited for. Returns the runs of the look that decided, when the result is ours to
    make. Raises Outdone."""
    found = yield None
    others = list(rivals(found, own))
    if not others:
        return found
    if held := next((rival for rival in others if rival.claim == HELD), None):
        raise Outdone(held)
    number = 1 + max(rival.number for rival in others)
    yield number
    choosing: Rival | None = None
    while True:
        found = yield choosing
        others = list(rivals(found, own))
        for rival in others:
            if rival.claim == HELD or (rival.number and (rival.number, rival.id) < (number, own)):
                raise Outdone(rival)
        choosing = next((rival for rival in others if not rival.number), None)
        if choosing is None:
            return found


def enter(own: str, look: Look, write: Callable[[str], None]) -> list[RunRecord]:
    """Take part, CHOOSING being written. look: all runs of the spec; write: into the own register. Returns what the
    look that decided showed. Raises Outdone; the caller then removes its register."""
    protocol = steps(own)
    began, pause = time.monotonic(), PAUSE
    asked = next(protocol)
    while True:
        if isinstance(asked, Rival):
            if time.monotonic() - began > CHOOSING_SECONDS or stop_waits():
                raise Outdone(asked)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        answer: list[RunRecord] = []
        if isinstance(asked, int):
            write(str(asked))
        else:
            answer = look()
        try:
            asked = protocol.send(answer)
        except StopIteration as decided:
            return list(decided.value)
