"""The jobs of a study and what each of them waits for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlspatial.core.errors import BadValue, Busy, Unreachable, UserError
from mlspatial.core.hashing import content_id
from mlspatial.registry.datasets import find_dataset
from mlspatial.registry.models import FIELDS, registered_name, split_addresses
from mlspatial.steps.train import LARGEST_INPUT, LIVE, canonical_name, parse_seeds
from mlspatial.study.config import Step, StudyFile

WAITING, READY, RUNNING = "waits", "to do", "running"
THERE, DONE, FAILED, SKIPPED = "there", "done", "failed", "skipped"
GOOD, SETTLED = (THERE, DONE), (THERE, DONE, FAILED, SKIPPED)
PER_NETWORK = ("score", "decode", "tuning")  # one run a network: each may begin when its network is there
USES_DATASET = ("train", "tune", "similarity", "decode", "tuning")
SHOWN = ("dataset", "task", "arch", "seed", "models")  # in a job's title, beside what its section of the file names
LONGEST = 40  # characters of a value in a title


@dataclass(eq=False)
class Job:
    """One call of an entry point, or for score, decode and tuning the calls for every network of a selector.

    needs: jobs that must be settled before; sources: those of them that every part needs, too; label: its dataset's
    name in that of registered models; size: pixels of its images, 0 unknown; networks: how many it makes or reads;
    together: of a train job, how many networks its line of the file wants on the same batches; parts: calls for one
    network each, which come into being as the networks do; seconds: that it took; wait: for others that are making
    it; held: what they are making of it.
    """

    entry: str
    parameters: dict[str, Any]
    line: int
    needs: list[Job] = field(default_factory=list)
    sources: list[Job] = field(default_factory=list)
    label: str = ""
    size: int = 0
    networks: int = 1
    together: int = 1
    selector: Selector | None = None
    parts: list[Job] = field(default_factory=list)
    section: Job | None = None
    name: str = ""
    given: tuple[str, ...] = ()
    state: str = WAITING
    runs: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0
    lost: int = 0
    wait: bool = True
    held: Busy | None = None

    @property
    def divided(self) -> bool:
        """Whether its work is done by parts."""
        return self.selector is not None and self.entry in PER_NETWORK

    @property
    def title(self) -> str:
        if self.name:
            return f"{self.entry} {self.name}"
        names = [name for name in dict.fromkeys([*SHOWN, *self.given]) if name in self.parameters and name != "seeds"]
        values = {name: str(self.parameters[name]) for name in names}
        facts = [f"{k}={v if len(v) <= LONGEST else v[:LONGEST] + '...'}" for k, v in values.items() if v]
        return " ".join([self.entry, *facts])

    @property
    def settled(self) -> bool:
        return self.state in SETTLED

    @property
    def registered(self) -> str:
        """Of a train job, the name of its registered model."""
        cfg = self.parameters
        return registered_name(cfg["arch"], self.label, cfg["task"], cfg.get("hidden", False))

    @property
    def brains(self) -> list[str]:
        """Of a score job, the addresses of the networks of the registry whose responses its benchmarks simulate."""
        return re.findall(r"network=(models:/[^,?]+)", str(self.parameters.get("benchmarks", "")))


@dataclass(frozen=True)
class Selector:
    """A selector of networks, taken apart: addresses, or the values of each field."""

    text: str
    addresses: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Selector:
        if ":" in text.split("=")[0]:
            return cls(text, tuple(split_addresses(text)))
        fields = {}
        for clause in filter(None, (part.strip() for part in text.split(","))):
            name, equals, values = clause.partition("=")
            if not equals or name not in FIELDS:
                raise BadValue("models", text, f"{clause!r} is not FIELD=VALUE with a field of {', '.join(FIELDS)}")
            fields[name] = tuple(value.strip() for value in values.split("|"))
        return cls(text, (), fields)

    def steps_of(self, train: Job, study: str) -> list[int]:
        """The checkpoints that it takes of a network which is going to be trained; as `registry.models.select`."""
        cfg = train.parameters
        if self.addresses:
            name = train.registered
            there = any(part.startswith((f"models:/{name}/", f"models:/{name}@")) for part in self.addresses)
            return [cfg["batches"]] if there else []
        if cfg.get("hidden"):
            return []
        facts = {name: str(cfg[name]) for name in ("task", "seed", "arch")}
        facts |= {"dataset": train.label, "study": study}
        if any(facts[name] not in values for name, values in self.fields.items() if name != "step"):
            return []
        made = sorted({*checkpoints(cfg), cfg["batches"]})
        steps = self.fields.get("step", ())
        if steps:
            return [step for step in made if steps == ("all",) or str(step) in steps]
        return [made[-1]] if made[-1] > 0 or "task" not in self.fields else []

    def may_match_trials(self, tune: Job, study: str) -> bool:
        """Whether trials of a search, whose study is the search's own, may be among its networks."""
        cfg = tune.parameters
        facts = {"task": canonical_name(cfg["task"]), "arch": cfg["arch"], "dataset": tune.label}
        fits = all(facts[name] in values for name, values in self.fields.items() if name in facts)
        return not self.addresses and fits and set(self.fields.get("study", ("",))) != {study}


def checkpoints(train: Mapping[str, Any]) -> list[int]:
    steps = [int(part) for part in str(train["checkpoints"]).split(",") if part.strip().isdecimal()]
    return [step for step in steps if step <= train["batches"]]


@dataclass(frozen=True)
class Plan:
    """A study's jobs, in the order in which they are begun when nothing holds them back."""

    name: str
    jobs: tuple[Job, ...]

    def of(self, entry: str) -> list[Job]:
        return [job for job in self.jobs if job.entry == entry]

    def calls(self) -> list[Job]:
        """What is to be called: jobs and, of divided ones, the parts that are there (decode is called once more, for
        the table of all networks)."""
        found: list[Job] = []
        for job in self.jobs:
            found += job.parts
            if not job.divided or (job.entry == "decode" and max(job.networks, len(job.parts)) > 1):
                found.append(job)
        return found


def make_plan(file: StudyFile, wait: bool = True) -> Plan:
    """The jobs of a study file. Raises UserError with the line for tasks, seeds, selectors and datasets that are wrong.

    wait: False for all jobs, whatever the file says.

    train and tune wait for the render of their dataset; score, similarity, decode and tuning for the networks that
    their selector can match; compare for everything.
    """
    jobs: dict[str, Job] = {}
    for step in file.steps:
        try:
            for job in _jobs(step):
                job.wait = job.wait and wait
                jobs.setdefault(content_id([job.entry, job.parameters]), job)
        except UserError as error:
            raise UserError(f"{file.path}, line {step.line}: {step.entry}: {error}") from error
    plan = Plan(file.name, tuple(jobs.values()))
    renders = plan.of("render")
    known: dict[str, tuple[str, int]] = {}
    for job in plan.jobs:
        if job.entry in USES_DATASET:
            dataset = job.parameters["dataset"].removeprefix(LIVE)
            makers = [render for render in renders if render.parameters["dataset"] == dataset]
            job.needs += makers
            if dataset not in known:
                known[dataset] = (dataset, makers[0].size) if makers else _known(file, job, dataset)
            name, size = known[dataset]
            job.label = name + ("-live" if job.parameters["dataset"].startswith(LIVE) else "")
            job.size = job.parameters.get("input_size") or min(size, LARGEST_INPUT)
    for job in plan.jobs:
        if job.selector is not None:
            _find_networks(job, job.selector, plan)
    for job in plan.of("compare"):
        job.needs += [other for other in plan.jobs if other.entry != "compare"]
    return plan


def _jobs(step: Step) -> list[Job]:
    """The jobs of a step: of train one a network, so that each is answered, trained and blamed for itself."""
    shared: dict[str, Any] = {"line": step.line, "given": step.given, "wait": step.wait}
    if step.entry == "render":
        return [Job(step.entry, step.parameters, size=step.parameters["size"], **shared)]
    if step.entry == "train":
        tasks = list(dict.fromkeys(canonical_name(name) for name in step.parameters["task"].split("|")))
        seeds = parse_seeds(step.parameters["seeds"], step.parameters["seed"])
        each = [{"task": task, "seed": seed, "seeds": ""} for task in tasks for seed in seeds]
        return [Job("train", step.parameters | own, together=len(each), **shared) for own in each]
    if step.entry == "tune":
        canonical_name(step.parameters["task"])
    models = step.parameters.get("models")
    return [Job(step.entry, step.parameters, selector=Selector.parse(models) if models else None, **shared)]


def _find_networks(job: Job, selector: Selector, plan: Plan) -> None:
    matched = {train: len(selector.steps_of(train, plan.name)) for train in plan.of("train")}
    job.needs += [train for train, number in matched.items() if number]
    brains = {re.split("[@/]", address.removeprefix("models:/"))[0] for address in job.brains}
    job.sources += [train for train in plan.of("train") if train.registered in brains]
    job.needs += [train for train in job.sources if train not in job.needs]
    job.needs += [tune for tune in plan.of("tune") if selector.may_match_trials(tune, plan.name)]
    job.size = job.size or max((train.size for train, number in matched.items() if number), default=0)
    job.networks = sum(matched.values()) if not selector.addresses else len(selector.addresses)


def _known(file: StudyFile, job: Job, dataset: str) -> tuple[str, int]:
    """Name and pixels of a dataset that is there already."""
    try:
        manifest = find_dataset(dataset)[1]
    except Unreachable:
        raise
    except UserError as error:
        raise UserError(
            f"{file.path}, line {job.line}: {job.entry}: {error} (no render section of this study makes it)"
        ) from error
    return manifest.name, int(manifest.recipe["size"])


def network_job(section: Job, uri: str, name: str) -> Job:
    """A part of a divided job: the call for one network. name: for people."""
    parameters = {**section.parameters, "models": uri}
    shared: dict[str, Any] = {"section": section, "size": section.size, "name": name, "wait": section.wait}
    return Job(section.entry, parameters, section.line, list(section.sources), **shared)
