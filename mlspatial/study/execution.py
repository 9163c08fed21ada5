"""From a plan to runs: what is known is settled, what can begin is begun, what depends on a failure is left out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from mlspatial.core.errors import Busy, UserError
from mlspatial.core.stopping import undisturbed
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.train import canonical_name
from mlspatial.study import plan as states
from mlspatial.study import workers
from mlspatial.study.estimate import Rates
from mlspatial.study.memory import Memory
from mlspatial.study.plan import Job, Plan, network_job
from mlspatial.study.show import Line
from mlspatial.study.workers import Call, Crew, Outcome

POLL_SECONDS = 0.3
ASK_SECONDS = 1.0  # at least, between looks whether others are still at what they were making
LOSSES = 3  # of its process, after which a call counts as failed
LOOK_SECONDS, LOOK_SHARE = 2.0, 20.0  # between looks for new networks: at least; in times of what any look takes
WAITS = ("tune",)  # for others, inside a call
NOT_SHARED = ("task", "seed", "seeds", "study")  # what networks may differ in that train on the same batches


class Unfinished(UserError):
    """Some jobs failed. The report is there, made with what the others left."""

    exit_code = 1


class Execution:
    """A plan on its way. together: networks that one call of train may make."""

    def __init__(self, plan: Plan, memory: Memory, rates: Rates, *, together: int, package: str) -> None:
        self.plan, self.memory, self.rates = plan, memory, rates
        self.together, self.package = together, package
        self.changed = False  # whether a call returned other runs than were known
        self._open: dict[int, list[Job]] = {}  # ticket -> jobs of a call that is being made
        self.probing = True  # score one network again where data were missing: if it is answered, so are the others
        self._probes: dict[str, tuple[Job, list[str]]] = {}
        self._ask_next = 0.0
        self._looks: dict[Job, tuple[int, float, float]] = {}  # divided job -> settled needs, time and cost of the look

    @property
    def complete(self) -> bool:
        return all(job.settled for job in self.plan.jobs)

    def children(self) -> list[str]:
        """Ids of all runs, in the order of the plan, each once."""
        return list(dict.fromkeys(run for job in self.plan.jobs for run in job.runs))

    def calls(self) -> list[Job]:
        return self.plan.calls()

    def run(self, crew: Crew, line: Line) -> None:
        """Make what can be made. Ctrl-C and SIGTERM stop every call first, so that its runs can go on later."""
        try:
            self.settle()
            while not self.complete:
                begun = self._begin(crew, line)
                ended = crew.wait(POLL_SECONDS)
                for ticket, outcome in ended:
                    self._end(self._open.pop(ticket), outcome, line)
                self.settle(line)
                self._ask_others()
                line.show(self.plan, self.rates, crew.slots)
                if not (begun or ended or self._open or self._ready() or self._held()):
                    raise RuntimeError("a study waits for itself")
            line.show(self.plan, self.rates, crew.slots, last=True)
        except BaseException:
            with undisturbed():
                crew.stop()
            raise
        finally:
            with undisturbed():
                crew.close()

    def settle(self, line: Line | None = None) -> None:
        """Settle whatever needs no call, until nothing changes any more."""
        moved = True
        while moved:
            moved = False
            for job in self.plan.jobs:
                if job.settled or job.state == states.RUNNING:
                    continue
                if job.divided:
                    moved |= self._look_for_networks(job)
                    for part in job.parts:
                        moved |= self._settle(part, line)
                    moved |= self._settle_divided(job, line)
                else:
                    moved |= self._settle(job, line)

    def _settle(self, job: Job, line: Line | None) -> bool:
        if job.state != states.WAITING or not all(need.settled for need in job.needs):
            return False
        bad = next((need for need in job.needs if need.state not in states.GOOD), None)
        if bad and job.entry != "compare":
            return self._skip(job, bad, line)
        if job.entry == "compare" and self.changed:
            known = None  # it asks the registry itself
        else:
            known = self.memory.recall(job)
        if known and self.probing and self._lacks_data(job, known):
            probe, before = self._probes.setdefault(_without_models(job), (job, known))
            if probe is not job and not probe.settled:
                return False
            known = None if probe is job or probe.runs != before else known
        job.state, job.runs = (states.THERE, list(known)) if known else (states.READY, [])
        return True

    def _lacks_data(self, job: Job, known: list[str]) -> bool:
        return job.entry == "score" and self.memory.left_out(known, job.parameters["benchmarks"])

    def _skip(self, job: Job, bad: Job, line: Line | None) -> bool:
        job.state, job.error = states.SKIPPED, f"needs {bad.title}, which {_verb(bad)}"
        if line:
            line.say(f"left out: {job.title} ({job.error})")
        return True

    def _settle_divided(self, job: Job, line: Line | None) -> bool:
        """Of a job with parts: done when they are; decode is then called once more, for all networks together."""
        if job.state != states.WAITING or not all(need.settled for need in [*job.needs, *job.parts]):
            return False
        if not self._looked_at_all(job):
            return False
        job.runs = list(dict.fromkeys(run for part in job.parts for run in part.runs))
        bad = next((other for other in [*job.needs, *job.parts] if other.state not in states.GOOD), None)
        if bad:
            made = f"made for {sum(part.state in states.GOOD for part in job.parts)} networks, but " if job.runs else ""
            job.state, job.error = states.SKIPPED, f"{made}needs {bad.title}, which {_verb(bad)}"
        elif job.entry == "decode" and len(job.parts) > 1:
            known = self.memory.recall(job)
            job.state, job.runs = (states.THERE, list(known)) if known else (states.READY, job.runs)
        else:
            everything_known = all(part.state == states.THERE for part in job.parts)
            job.state = states.THERE if everything_known else states.DONE
        return True

    def _looked_at_all(self, job: Job) -> bool:
        return job in self._looks and self._looks[job][0] == len(job.needs)

    def _look_for_networks(self, job: Job) -> bool:
        """Parts for the networks that are there by now."""
        settled = sum(need.settled for need in job.needs)
        good = sum(need.state in states.GOOD for need in job.needs)
        seen, when, cost = self._looks.get(job, (-1, 0.0, 0.0))
        everything = settled == len(job.needs)
        started = time.monotonic()
        if seen == settled or (not everything and (good == 0 or started - when < LOOK_SECONDS + LOOK_SHARE * cost)):
            return False
        assert job.selector is not None
        there = {part.parameters["models"] for part in job.parts}
        addresses = job.selector.addresses
        try:
            if addresses:
                if not everything:
                    return False
                for address in addresses:
                    _add(job, there, address, self.memory.networks(address) if ":/" in address else [])
            else:
                for record in self.memory.networks(job.parameters["models"]):
                    _add(job, there, record.uri, [record])
        except UserError as error:
            if everything:  # before that, the networks may still come
                skipped = good < settled
                job.state, job.error = (states.SKIPPED if skipped else states.FAILED), str(error)
        self._looks[job] = settled, started, time.monotonic() - started
        return True

    def _ready(self) -> list[Job]:
        return [job for job in self.calls() if job.state == states.READY and not job.held]

    def _held(self) -> list[Job]:
        return [job for job in self.calls() if job.held]

    def _ask_others(self) -> None:
        """Let go of the calls that nobody else is making any more: they are answered now, or to be made here."""
        began = time.monotonic()
        if began < self._ask_next:
            return
        for job in self._held():
            if job.held and not runs.maker(job.held.entry, job.held.spec):
                job.held = None
        self._ask_next = began + ASK_SECONDS + LOOK_SHARE * (time.monotonic() - began)

    def _begin(self, crew: Crew, line: Line) -> bool:
        """Begin calls while somebody is free."""
        begun = False
        while crew.free() and (ready := self._ready()):
            jobs = self._share(ready) if ready[0].entry == "train" else ready[:1]
            parameters = {**jobs[0].parameters, "study": self.plan.name}
            if jobs[0].entry in WAITS and not jobs[0].wait:
                parameters["wait"] = False
            if len(jobs) > 1:
                parameters["task"] = "|".join(dict.fromkeys(job.parameters["task"] for job in jobs))
                parameters["seeds"] = ",".join(dict.fromkeys(str(job.parameters["seed"]) for job in jobs))
                parameters["seed"] = 0  # given beside seeds, another one is a contradiction
            if jobs[0].entry == "render" and not parameters["workers"]:
                others = len(self._open) + len(ready)
                parameters["workers"] = max(1, self.rates.all_cores // min(others, crew.slots))
            title = jobs[0].title + (f" and {len(jobs) - 1} more on the same batches" if len(jobs) > 1 else "")
            if isinstance(crew, workers.Here):
                number = sum(call.settled for call in self.calls()) + 1
                line.say(f"study {self.plan.name}: {number} of {len(self.calls())}: {title}")
            for job in jobs:
                job.state = states.RUNNING
            ticket = max(self._open, default=0) + 1
            self._open[ticket] = jobs
            crew.submit(ticket, Call(self.package, jobs[0].entry, parameters, title))
            begun = True
        return begun

    def _share(self, ready: list[Job]) -> list[Job]:
        """Networks that train on the same batches as the first: every task with every seed, so many as may."""
        first = ready[0]
        most = max(self.together, first.together)
        if most <= 1 or first.lost or first.error:
            return [first]
        alike = [job for job in ready if _like(job) == _like(first) and not job.lost and not job.error]
        by_task: dict[str, dict[int, Job]] = {}
        for job in alike:
            by_task.setdefault(job.parameters["task"], {})[job.parameters["seed"]] = job
        seeds = list(by_task[first.parameters["task"]])[:most]
        tasks = [task for task, found in by_task.items() if set(seeds) <= set(found)][: max(1, most // len(seeds))]
        return [by_task[task][seed] for task in tasks for seed in seeds]

    def _end(self, jobs: list[Job], outcome: Outcome, line: Line) -> None:
        if outcome.state == workers.DONE:
            self._done(jobs, outcome)
            return
        if outcome.busy:
            self._leave(jobs, outcome.busy, line)
            return
        for job in jobs:
            job.state = states.READY
            if outcome.state in (workers.LOST, workers.STOPPED):
                job.lost += not outcome.expired
                job.error = outcome.error or "its process was stopped"
            elif len(jobs) > 1:
                job.error = outcome.error or "failed"  # each is asked for again alone, which tells whose failure it is
            if job.lost >= LOSSES or (outcome.state == workers.FAILED and len(jobs) == 1):
                job.state, job.error = states.FAILED, outcome.error or job.error
                line.say(f"failed: {job.title}: {job.error}")
        if outcome.trace and len(jobs) == 1:
            sys.stderr.write(outcome.trace)

    def _leave(self, jobs: list[Job], busy: Busy, line: Line) -> None:
        """Leave to others what they are making: it is asked for again when they have ended, or given up."""
        for job in jobs:
            job.state = states.READY
        for job in [job for job in jobs if _makes(job, busy)] or jobs:
            if job.wait:
                job.held = busy
                line.say(f"study {self.plan.name}: {job.title} is being made by {busy.maker}")
            else:
                job.state, job.error = states.FAILED, busy.refusal
                line.say(f"failed: {job.title}: {job.error}")

    def _done(self, jobs: list[Job], outcome: Outcome) -> None:
        if jobs[0].entry in ("render", "train", "tune"):
            self.memory.forget_inputs()
        each = [[run] for run in outcome.runs] if len(jobs) > 1 else [list(outcome.runs)]
        for job, made in zip(jobs, each, strict=True):
            job.state, job.error, job.runs = states.DONE, "", made
            job.seconds = outcome.seconds / len(jobs)
            self.rates.learn(job, job.seconds)
            if job.entry == "compare":
                self.memory.refresh()
            self.changed |= self.memory.known.get(self.memory.key(job)) != made
            self.memory.remember(job)

    def failures(self) -> list[Job]:
        """What failed, and what was left out for it."""
        return [job for job in [*self.calls(), *self.plan.jobs] if job.state in (states.FAILED, states.SKIPPED)]

    def complain(self, say: Callable[[str], None]) -> None:
        """One line for each failure; raise Unfinished if there is one."""
        found = list(dict.fromkeys(self.failures()))
        if not found:
            return
        for job in found:
            say(f"{job.state}: {job.title} (line {job.line}): {' '.join(job.error.split())}")
        failed = sum(job.state == states.FAILED for job in found)
        raise Unfinished(
            f"{failed} failed and {len(found) - failed} left out of {len(self.calls())}; "
            "the same command tries them again and keeps the rest"
        )


def _verb(job: Job) -> str:
    return "failed" if job.state == states.FAILED else "was left out"


def _makes(job: Job, busy: Busy) -> bool:
    """Whether a job, of several that one call trains, is the one that others are making."""
    if job.entry != "train" or busy.entry != "train":
        return False
    return (canonical_name(job.parameters["task"]), job.parameters["seed"]) == (busy.cfg["task"], busy.cfg["seed"])


def _like(job: Job) -> dict[str, Any]:
    return {name: value for name, value in job.parameters.items() if name not in NOT_SHARED} | {"entry": job.entry}


def _without_models(job: Job) -> str:
    return repr(sorted((name, value) for name, value in job.parameters.items() if name != "models"))


def _add(job: Job, there: set[Any], uri: str, records: list[ModelRecord]) -> None:
    record = records[0] if records else None
    uri = record.uri if record else uri
    if uri not in there:
        name = f"{record.name} seed {record.seed} step {record.step}" if record else uri
        job.parts.append(network_job(job, uri, name))
        there.add(uri)
