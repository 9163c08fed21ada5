"""A study for the person who watches: the plan, and one line of progress."""

from __future__ import annotations

import sys
import time
from collections import Counter

from mlspatial.core.progress import coloured, drawn, duration, say, shortened, silent, width
from mlspatial.study import plan as states
from mlspatial.study.estimate import Rates, disk
from mlspatial.study.plan import Job, Plan

LINE_SECONDS = {True: 0.5, False: 5.0}  # on a terminal; in a log
BAR, LEAST_TITLE, LEAST_NAME = 10, 16, 12  # columns of the bar, of a call's name, of the study's
QUIET_SECONDS = 60.0  # in a log, when nothing has changed


def describe(plan: Plan, rates: Rates, slots: int) -> str:
    """Every job with its state, then counts, time and disk."""
    rows, left, bytes_left = [], 0.0, 0.0
    for job in plan.jobs:
        seconds, size = (0.0, 0.0) if job.settled else (rates.seconds(job), disk(job))
        left, bytes_left = left + seconds, bytes_left + size
        known = sum(part.state in states.GOOD for part in job.parts)
        count = f" ({job.networks} networks, {known} there)" if job.divided else ""
        cost = "" if job.settled else f"  [{duration(seconds)}{', ' + amount(size) if size else ''}]"
        rows.append(f"{_state(job):9} {job.title}{count}{cost}{_waits(job)}")
    rows.append("")
    calls = Counter((job.entry, job.settled) for job in plan.jobs if not job.divided)
    for job in (job for job in plan.jobs if job.divided):
        known = sum(part.state in states.GOOD for part in job.parts)
        calls[job.entry, True] += known
        calls[job.entry, False] += max(job.networks - known, len(job.parts) - known)
    for entry in dict.fromkeys(job.entry for job in plan.jobs):
        rows.append(f"{entry:11} {calls[entry, True]:6} there {calls[entry, False]:6} to do")
    total = sum(number for (_, there), number in calls.items() if not there)
    rows.append(f"study {plan.name}: {total} to do, about {duration(left)} one after another" + _parallel(left, slots))
    rows.append(f"disk: about {amount(bytes_left)}")
    return "\n".join(rows)


def _state(job: Job) -> str:
    unsettled = any(not need.settled for need in job.needs)
    return job.state if job.settled else states.WAITING if unsettled else states.READY


def _waits(job: Job) -> str:
    needs = [need for need in job.needs if not need.settled]
    if not needs:
        return ""
    counts = Counter(need.entry for need in needs)
    return "  waits for " + (
        needs[0].title if len(needs) == 1 else ", ".join(f"{number} {entry}" for entry, number in counts.items())
    )


def _parallel(seconds: float, slots: int) -> str:
    return f", {duration(seconds / slots)} or more with {slots} at once" if slots > 1 else ""


def amount(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


class Line:
    """done, running, failed, time left, the calls that run: written over on a terminal, whole lines in a log."""

    def __init__(self, name: str, moving: bool) -> None:
        """moving: write over the line, if this is a terminal; a single process shows bars of its own instead."""
        self.name = name
        self.silent = silent()
        self.moving = moving and sys.stderr.isatty()
        self.text, self.shown = "", 0.0

    def show(self, plan: Plan, rates: Rates, slots: int, last: bool = False) -> None:
        now = time.monotonic()
        if self.silent or (not last and now - self.shown < LINE_SECONDS[self.moving]):
            return
        text = progress(self.name, plan, rates, slots, width() - 1, self.moving)
        if not last and not self.moving and text == self.text and now - self.shown < QUIET_SECONDS:
            return
        self.text, self.shown = text, now
        if self.moving:
            sys.stderr.write(f"\r\x1b[2K{text}" + ("\n" if last else ""))
            sys.stderr.flush()
        else:
            say(text)

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.moving and not self.silent:
            sys.stderr.write("\r\x1b[2K")
        say(text)


def progress(name: str, plan: Plan, rates: Rates, slots: int, columns: int, moving: bool) -> str:
    """'study quick: 12 of 40 done, 3 running, 1 failed, about 20 min left: train ...; score ...' in so many columns.

    moving: with a bar between the name and the numbers. The names of the calls that run get what is left of the line.
    """
    calls = plan.calls()
    count = Counter(call.state for call in calls)
    expected = [job for job in plan.jobs if job.divided and not job.settled]
    total = len(calls) + sum(max(job.networks - len(job.parts), 0) for job in expected)
    done = count[states.THERE] + count[states.DONE]
    parts = [f"{done} of {total} done"]
    parts += [f"{count[states.RUNNING]} running"] if count[states.RUNNING] else []
    held = sum(call.held is not None for call in calls)
    parts += [f"{held} being made by others"] if held else []
    parts += [f"{count[states.FAILED]} failed"] if count[states.FAILED] else []
    parts += [f"{count[states.SKIPPED]} skipped"] if count[states.SKIPPED] else []
    left = sum(rates.seconds(job) for job in plan.jobs if not job.settled)
    parts += [f"about {duration(left / slots)} left"] if left else []
    while len(", ".join(parts)) > columns - LEAST_NAME - 2 and len(parts) > 2:
        parts.pop()  # the time, then what is rarest
    words = ", ".join(parts)
    what = shortened(f"study {name}", max(columns - len(words) - 2, LEAST_NAME))
    room = columns - len(what) - len(words) - 3
    bar = drawn(done / total if total else 1.0, BAR) if moving and room > BAR else ""
    running = _running([call.title for call in calls if call.state == states.RUNNING], room - len(bar) - 1)
    return f"{what}{' ' + coloured(bar, 'cyan') if bar else ':'} {words}{running}"


def _running(titles: list[str], columns: int) -> str:
    """The titles of calls, as many as there is room for and shortened where that is needed, after a colon."""
    if not titles or columns < LEAST_TITLE:
        return ""
    shown = min(len(titles), columns // LEAST_TITLE)
    each = columns // shown - 2
    return ": " + "; ".join(shortened(title, each) for title in titles[:shown])
