"""What earlier calls of a study made, so that a finished study answers without asking every step again.

A journal in the cache, and an artifact of the study's run for other machines, say which runs each call returned. An
entry counts only while the call, this software's code, the dataset and the selected networks are the same, and while
its runs are finished ones of this registry and its files are there: those of datasets and reports, and of all runs
whose artifacts and networks lie on this machine. At a server the steps look at theirs when they are asked themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.names import STUDY, cache_folder
from mlspatial.core.plugins import own_modules
from mlspatial.registry import runs
from mlspatial.registry.again import lost_networks
from mlspatial.registry.artifacts import count
from mlspatial.registry.datasets import find_dataset, is_there
from mlspatial.registry.models import ModelRecord, identity, select
from mlspatial.steps.train import LIVE
from mlspatial.study.plan import USES_DATASET, Job

JOURNAL = "jobs.json"  # artifact
COUNTS = "artifacts"  # among its keys: run -> how many it had
NOT_COMPARED = ("compare", "study")
PACKAGE = Path(__file__).resolve().parents[1]
REPORT = "report.html"
NEXT_BENCHMARK = re.compile(r",(?![^:,]*=)")  # a benchmark's own settings may hold commas


class Inputs:
    """What goes into calls: datasets and networks, each looked for once."""

    def __init__(self) -> None:
        self._datasets: dict[str, str] = {}
        self._selected: dict[str, list[ModelRecord]] = {}

    def forget(self) -> None:
        """Datasets or networks were made: look for them again."""
        self._datasets.clear()
        self._selected.clear()

    def networks(self, selector: str) -> list[ModelRecord]:
        if selector not in self._selected:
            self._selected[selector] = select(selector)
        return self._selected[selector]

    def of(self, job: Job, compared: Callable[[], list[str]] = list) -> dict[str, Any]:
        """compared(): the runs that a report is of."""
        inputs: dict[str, Any] = {"parameters": job.parameters}
        if job.entry in USES_DATASET:
            inputs["dataset_id"] = self._dataset_id(job.parameters["dataset"].removeprefix(LIVE))
        if job.selector is not None:
            inputs["networks"] = self._addresses(job)
        elif job.name and _is_outside(job.parameters["models"]):
            inputs["networks"] = identity(job.parameters["models"])
        if job.brains:
            inputs["brains"] = [self._address(address) for address in job.brains]
        if job.entry == "compare":
            inputs["runs"] = compared()
        return inputs

    def _addresses(self, job: Job) -> list[str]:
        addresses = job.selector.addresses if job.selector else ()
        try:
            if addresses:
                return [identity(part) if _is_outside(part) else self.networks(part)[0].uri for part in addresses]
            return sorted(record.uri for record in self.networks(job.parameters["models"]))
        except UserError:
            return []

    def _address(self, alias: str) -> str:
        """What does not move, of an address that may."""
        try:
            return self.networks(alias)[0].uri
        except UserError:
            return ""

    def _dataset_id(self, name: str) -> str:
        if name not in self._datasets:
            try:
                self._datasets[name] = find_dataset(name)[1].dataset_id
            except UserError:
                return ""
        return self._datasets[name]


class Memory:
    """The calls of a study that are known, and the runs they made."""

    def __init__(self, study: str) -> None:
        self.study = study
        self.known: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}  # run -> its artifacts when it was made
        self.finished: dict[str, runs.RunRecord] = {}
        self._recalled = False
        self._inputs = Inputs()
        self.refresh()
        for record in runs.find(entry="study", where=f"params.`cfg.name` = '{study}'"):
            if found := _artifact(record.id):
                self._learn(found)
                break
        if self.file.is_file():
            for line in self.file.read_text(errors="replace").splitlines():
                self._learn(_parsed(line))

    def _learn(self, found: dict[str, Any]) -> None:
        self.counts |= found.pop(COUNTS, {})
        self.known |= found

    @property
    def file(self) -> Path:
        return cache_folder("study") / f"{content_id(self.study)}.jsonl"

    def refresh(self) -> None:
        """Look again which finished runs the study has."""
        found = runs.find(where=f"tags.`{STUDY}` LIKE '%{self.study}%'", status="FINISHED")
        self.finished = {record.id: record for record in found if self.study in record.studies}

    def forget_inputs(self) -> None:
        self._inputs.forget()

    def networks(self, selector: str) -> list[ModelRecord]:
        return self._inputs.networks(selector)

    def _compared(self) -> list[str]:
        return sorted(run.id for run in self.finished.values() if run.entry not in NOT_COMPARED)

    def recall(self, job: Job) -> list[str] | None:
        """The runs that an earlier call like this one made, if they and their files are still there."""
        ids = self.known.get(self.key(job))
        if not ids or any(run not in self.finished for run in ids):
            return None
        records = [self.finished[run] for run in ids]
        whole = all(self._is_whole(record) for record in records)
        self._recalled |= whole
        return ids if whole and not job.parameters.get("force") else None

    @property
    def of_other_code(self) -> int:
        """How many finished runs the study has where no call of it is known: another version made them, most likely."""
        return len(self.finished) if self.known and not self._recalled else 0

    def _is_whole(self, record: runs.RunRecord) -> bool:
        if record.entry == "render" and not is_there(record):
            return False
        if record.entry == "compare" and not Path(record.cfg["out"], REPORT).is_file():
            return False
        there = count(record)
        if there is None:
            return True
        return there >= self.counts.get(record.id, 0) and not (record.entry == "train" and lost_networks(record))

    def left_out(self, ids: list[str], benchmarks: str) -> bool:
        """Whether score runs lack a benchmark with `?`, whose data may have come in the meantime."""
        names = [name.strip() for name in NEXT_BENCHMARK.split(benchmarks)]
        optional = {name.removesuffix("?") for name in names if name.endswith("?")}
        return any(optional - set(self.finished[run].cfg.get("benchmarks", "").split(",")) for run in ids)

    def remember(self, job: Job) -> None:
        key = self.key(job)
        if self.known.get(key) != job.runs:
            self.known[key] = job.runs
            listed = ", ".join(map(repr, job.runs))
            made = runs.find(where=f"attributes.run_id IN ({listed})", status="FINISHED") if job.runs else []
            counts = {record.id: number for record in made if (number := count(record))}
            self.counts |= counts
            with self.file.open("a") as file:
                file.write(json.dumps({key: job.runs, COUNTS: counts}) + "\n")

    def text(self, jobs: list[Job]) -> str:
        """The journal of these jobs, for the study's run."""
        found = {key: self.known[key] for key in map(self.key, jobs) if key in self.known}
        counts = {run: self.counts[run] for ids in found.values() for run in ids if run in self.counts}
        return json.dumps({**found, COUNTS: counts}, indent=0)

    def key(self, job: Job) -> str:
        inputs = self._inputs.of(job, self._compared)
        return content_id({"code": code_hash(), "study": self.study, "entry": job.entry, **inputs})


def code_hash() -> str:
    """Of this package's files and a user's plugins: what another version made is asked for again (and answered, if it
    is the same)."""
    return _hash_of((PACKAGE, *map(Path, own_modules())))


@cache
def _hash_of(places: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in (".py", ".yaml", ".csv"):
                digest.update(str(path.relative_to(place.parent)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _is_outside(address: str) -> bool:
    """Whether a network's address is that of one outside the registry."""
    return not address.startswith(("models:", "runs:"))


def _artifact(run_id: str) -> dict[str, Any]:
    try:
        return _parsed(runs.local(run_id, JOURNAL).read_text())
    except Exception:  # whatever the store says of a file that is not there: the steps are asked instead
        return {}


def _parsed(text: str) -> dict[str, Any]:
    """A journal, or nothing of one that was being written when its process died."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
