"""Runs that were replaced by newer ones and that nothing needs: found by what the registry says, deleted on request."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mlspatial.core.names import BENCHMARKS_GIVEN
from mlspatial.registry import runs
from mlspatial.registry.again import lost_networks
from mlspatial.registry.artifacts import download
from mlspatial.registry.bundle import BUNDLE
from mlspatial.registry.datasets import folders
from mlspatial.registry.models import ModelRecord, versions
from mlspatial.registry.places import local_path
from mlspatial.registry.published import stated
from mlspatial.registry.record import RunRecord
from mlspatial.registry.store import client

UNSEEN = "unseen/"  # stands for artifacts that this machine cannot see, which no other run is known to have
#: artifacts that say with which uncommitted changes a run was made, and that repeat others
UNIMPORTANT = ("source/", BUNDLE)
REPLACED = ("FINISHED", "FAILED")


@dataclass(frozen=True)
class Superseded:
    """A run and the newer one that holds all it holds. networks: that it registered; size: bytes on this machine."""

    run: RunRecord
    by: RunRecord
    networks: tuple[ModelRecord, ...]
    size: int


def superseded() -> list[Superseded]:
    """The runs that were made again and that no run which stays needs, oldest first; see `console.clean`."""
    everything = [*runs.find(), *runs.find(entry=runs.ANSWER)]
    of_run: dict[str, list[ModelRecord]] = defaultdict(list)
    for network in versions(""):
        of_run[network.run_id].append(network)
    newest: dict[tuple[str, str], RunRecord] = {}
    for run in everything:  # newest first
        if run.status == "FINISHED" and run.spec and run.entry != runs.ANSWER:
            newest.setdefault((run.entry, run.spec), run)
    found: dict[str, Superseded] = {}
    for run in everything:
        by = newest.get((run.entry, run.spec)) if run.entry != runs.ANSWER else None
        if by is None or by.id == run.id or by.start < run.start or run.status not in REPLACED:
            continue
        networks = tuple(of_run[run.id])
        if _holds_all(by, run, of_run[by.id], networks) and not _has_alias(networks):
            found[run.id] = Superseded(run, by, networks, _size(run, networks))
    while True:  # what a run that stays needs stays, and so on with what that one needs
        staying = [run for run in everything if run.id not in found]
        needed = _needed_by(staying, found)
        if not needed:
            return sorted(found.values(), key=lambda one: one.run.start)
        for one in needed:
            del found[one]


def _holds_all(by: RunRecord, run: RunRecord, its: Iterable[ModelRecord], networks: Iterable[ModelRecord]) -> bool:
    """Whether the newer run holds every artifact, each folder of a dataset, a network for each step of the other."""
    if not _names(run) <= _names(by):
        return False
    if run.entry == "render" and run.status == "FINISHED" and not set(folders(run)) <= set(folders(by)):
        return False
    if run.entry == "render" and stated(run) and not stated(by):  # at an address of its own
        return False
    if run.entry == "train":
        if not {network.step for network in networks} <= {network.step for network in its}:
            return False
        return not lost_networks(by)
    return True


def _names(run: RunRecord) -> set[str]:
    """Paths of all artifacts of a run that matter."""
    root = local_path(run.artifacts) if run.artifacts else None
    if root is not None and not root.is_dir():  # of a run that made none, or with its experiment on a disk not here
        return set() if root.parents[1].is_dir() or run.status != "FINISHED" else {UNSEEN + run.id}
    if root is not None:
        found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    else:
        found = _listed(run.id, None)
    return {name for name in found if not name.startswith(UNIMPORTANT)}


def _listed(run_id: str, folder: str | None) -> set[str]:
    found: set[str] = set()
    for item in client().list_artifacts(run_id, folder):
        found |= _listed(run_id, item.path) if item.is_dir else {item.path}
    return found


def _has_alias(networks: Iterable[ModelRecord]) -> bool:
    return any(client().get_model_version(one.name, one.version).aliases for one in networks)


def _needed_by(staying: Iterable[RunRecord], found: dict[str, Superseded]) -> set[str]:
    """Which of the superseded runs the others name: as parents, or in a parameter by id or a network's address."""
    names: dict[str, str] = {}  # what stands for a run -> the run
    for run_id, one in found.items():
        names[run_id] = run_id
        for network in one.networks:
            names[network.uri] = names[f"models:/{network.name}/{network.version}"] = run_id
    needed: set[str] = set()
    for run in staying:
        needed |= {parent for parent in _parents(run) if parent in found}
        for value in (*run.cfg.values(), run.tags.get(BENCHMARKS_GIVEN, "")):
            if "models:/" in value or "runs:/" in value:
                needed |= {run_id for name, run_id in names.items() if _mentions(value, name)}
    return needed


def _mentions(text: str, name: str) -> bool:
    """Whether a text holds an address, whole, or an address with this run's id in it."""
    address = name if "/" in name else f"runs:/{name}"
    return re.search(rf"(?<![\w./-]){re.escape(address)}(?![\w.-])", text) is not None


def _parents(run: RunRecord) -> tuple[str, ...]:
    if run.parents or not runs.there(run.id, [runs.PARENTS_FILE]):
        return run.parents
    return tuple(download(run.id, runs.PARENTS_FILE).read_text().split())


def _size(run: RunRecord, networks: Iterable[ModelRecord]) -> int:
    """Bytes of what lies on this machine; 0 elsewhere."""
    roots = [local_path(run.artifacts) if run.artifacts else None]
    roots += [local_path(client().get_logged_model(one.uri.rpartition("/")[2]).artifact_location) for one in networks]
    return sum(path.stat().st_size for root in roots if root for path in root.rglob("*") if path.is_file())


def remove(one: Superseded) -> None:
    """Delete a run as MLflow does, so that it can be restored, and its versions and networks."""
    for network in one.networks:
        client().delete_model_version(network.name, network.version)
        client().delete_logged_model(network.uri.rpartition("/")[2])
    client().delete_run(one.run.id)


def living() -> list[str]:
    """Who is making something in this registry right now, for people."""
    runs.mark_dead_runs()
    return [f"{run.name} by {runs.maker(run.entry, run.spec)}" for run in runs.find(status="RUNNING")]


def over() -> set[str]:
    """Specs of train runs of which none can go on from what it saved: none is killed or running."""
    found = runs.find(entry="train")
    return {run.spec for run in found} - {run.spec for run in found if run.status in ("KILLED", "RUNNING")}


def held_locks(folder: Path) -> list[Path]:
    """Files of locks below a folder that some process has."""
    held = []
    for file in sorted(folder.rglob("*.lock")) if folder.is_dir() else ():
        try:
            with FileLock(file).acquire(timeout=0):
                pass
        except Timeout:
            held.append(file)
    return held
