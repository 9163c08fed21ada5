"""doctor: versions, devices, registry, caches, disk and recordings, and what is wrong with them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import psutil

from mlspatial.console.layout import amount, facts, place, size_of
from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.names import data_folders
from mlspatial.core.parameters import Entry, Parameter
from mlspatial.core.progress import coloured
from mlspatial.registry import runs
from mlspatial.registry.patience import hurried, shown
from mlspatial.registry.store import client, database, require, tracking_uri

PACKAGES = (
    "torch",
    "torchvision",
    "mlflow",
    "numpy",
    "scikit-learn",
    "warp-lang",
    "timm",
    "optuna",
    "brainscore_vision",
)
VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLSPATIAL_CACHE", "MLSPATIAL_DATA", "MLSPATIAL_PLUGINS",
             "MLSPATIAL_PATIENCE", "MLSPATIAL_PROGRESS", "MLSPATIAL_PUBLISH", "BRAINIO_HOME", "CUDA_VISIBLE_DEVICES",
             "OMP_NUM_THREADS")  # fmt: skip
LEAST_FREE = 2e9  # bytes: a dataset of 20,000 images of 128 px and its runs
#: parts of the cache -> what they are, in words
CACHES = {
    "assets": "objects and surroundings, prepared",
    "artifacts": "copies of a server's artifacts",
    "brainscore": "Brain-Score's stimuli and results",
    "datasets": "copies of published datasets",
    "fmri": "noise ceilings",
    "locks": "who is making what",
    "nsd": "voxels of the Natural Scenes Dataset",
    "runs": "tables of finished runs",
    "spool": "layers on their way",
    "study": "journals of studies, output of workers",
    "train": "states of trainings that can go on",
}

PARAMETERS = (
    Parameter("brainscore", bool, "Ask Brain-Score for each public benchmark's files (10 s more).", False, "nothing"),
)


class Unwell(UserError):
    """Something that every command needs is missing."""

    exit_code = 1


def doctor(*, brainscore: bool = False) -> list[str]:
    """Print the state of this installation; makes no run and no database. Raises Unwell where a command could not work.

    brainscore: import the package and ask it, for each public benchmark, which of its files are here.
    """
    problems: list[str] = []
    variables = {name: shown(os.environ[name]) for name in VARIABLES if os.environ.get(name)}
    sections = {
        "versions": _versions(problems),
        "machine": _machine(),
        "registry": _registry(problems),
        "caches": _caches(),
        "disk": _disk(problems),
        "recordings": _recordings(brainscore),
        "variables": variables,
    }
    for title, said in sections.items():
        if said:
            print(coloured(title, "bold", sys.stdout))
            print("\n".join(f"  {line}" for line in facts(said, 77).splitlines()))
    if problems:
        raise Unwell("; ".join(problems))
    print(coloured("all well", "green", sys.stdout))
    return []


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _versions(problems: list[str]) -> dict[str, str]:
    found = {name: _version(name) for name in PACKAGES}
    for name in ("torch", "mlflow", "numpy"):
        if not found[name]:
            problems.append(f"{name} is not installed; make installs the pinned requirements into .venv")
    here = Path(__file__).resolve().parents[2]
    return {
        "mlspatial": f"{_version('mlspatial') or 'not installed, run from its folder'} ({here})",
        "python": f"{platform.python_version()} ({sys.executable})",
        **{name: version or "not installed" for name, version in found.items()},
    }


def _machine() -> dict[str, str]:
    from joblib import cpu_count

    memory = psutil.virtual_memory()
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cores": f"{cpu_count()} of {os.cpu_count()}, load {os.getloadavg()[0]:.1f}",
        "memory": f"{amount(memory.total)}, {amount(memory.available)} available",
        "GPUs": _gpus(),
    }


def _gpus() -> str:
    try:
        import torch
    except ImportError:
        return "unknown without torch"
    if not torch.cuda.is_available():
        return "Apple's (mps)" if torch.backends.mps.is_available() else "none that torch sees"
    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return ", ".join(f"{one.name} {amount(one.total_memory)}" for one in names)


def _registry(problems: list[str]) -> dict[str, str]:
    """Where it is, whether it answers, what it holds; a database that is not there is not made."""
    said = {"address": shown(tracking_uri())}
    file = database()
    if file is not None:
        said["file"] = place(file.resolve()) + (f", {amount(size_of(file))}" if file.is_file() else "")
        if file.is_file() and (problem := _damage(file)):
            problems.append(f"{file}: {problem}; restore a copy of it")
            return said | {"state": problem}
    try:
        require()
    except UserError:
        return said | {"state": "there is none yet; the first run that is made makes it"}
    try:
        with hurried():
            client()
            found = runs.find()
    except UserError as error:
        problems.append(in_one_line(error, 300))
        return said | {"state": "does not answer"}
    states = {
        status: sum(run.status == status for run in found) for status in ("FINISHED", "RUNNING", "KILLED", "FAILED")
    }
    said["state"] = "answers"
    said["runs"] = ", ".join(f"{n} {status.lower()}" for status, n in states.items() if n) or "none yet"
    studies = sorted({name for run in found for name in run.studies})
    said |= {"studies": ", ".join(studies)} if studies else {}
    return said


def _damage(file: Path) -> str:
    """What SQLite finds wrong with a file; '' for nothing."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return "" if "locked" in str(error) else str(error)
    return "" if found == "ok" else str(found)


def _caches() -> dict[str, str]:
    folder = Path(os.environ.get("MLSPATIAL_CACHE", ".cache"))
    if not folder.is_dir():
        return {place(folder): "is not there yet"}
    parts = sorted(part for part in folder.iterdir() if part.is_dir())
    sizes = {part.name: size_of(part) for part in parts}
    said = {place(folder.resolve()): f"{amount(sum(sizes.values()))} in all"}
    return said | {
        f"  {name}": f"{amount(size):>9}  {CACHES.get(name, '')}".rstrip() for name, size in sizes.items() if size
    }


def _disk(problems: list[str]) -> dict[str, str]:
    places = {"here": Path.cwd(), "cache": Path(os.environ.get("MLSPATIAL_CACHE", "."))}
    file = database()
    places |= {"registry": file.resolve().parent} if file else {}
    said: dict[str, str] = {}
    seen: dict[int, str] = {}
    for name, folder in places.items():
        there = next(one for one in [folder.resolve(), *folder.resolve().parents] if one.exists())
        usage = shutil.disk_usage(there)
        if seen.setdefault(there.stat().st_dev, name) != name:
            continue
        said[name] = f"{amount(usage.free)} free of {amount(usage.total)}"
        if usage.free < LEAST_FREE:
            problems.append(f"{there}: only {amount(usage.free)} free; `mlspatial clean` says what can go")
        if not os.access(there, os.W_OK):
            problems.append(f"{there}: cannot be written to; work in another folder or set MLSPATIAL_CACHE")
    return said


def _recordings(ask: bool) -> dict[str, str]:
    """Folders that recordings are looked for in, and which of Brain-Score's files are here."""
    found = [folder for folder in data_folders() if folder.is_dir()]
    names = [
        f"{place(folder)}: {', '.join(sorted(p.name for p in folder.iterdir() if p.is_dir()))}" for folder in found
    ]
    said = {"folders": "\n".join(names) or "none of " + ", ".join(str(folder) for folder in data_folders())}
    store = Path(os.environ.get("BRAINIO_HOME", Path.home() / ".brainio"))
    files = [path for path in store.rglob("*") if path.is_file()] if store.is_dir() else []
    if not files:
        return said | {"Brain-Score": f"no files in {store}; see the page on troubleshooting for where they come from"}
    said["Brain-Score"] = f"{len(files)} files, {amount(size_of(store))} in {store}"
    if ask:
        said |= _public()
    else:
        said["Brain-Score"] += "; --brainscore true says which benchmarks are whole"
    return said


def _public() -> dict[str, str]:
    from mlspatial.benchmarks.brainscore import files

    said = {}
    for identifier in files.PUBLIC:
        try:
            needed = files.needs(identifier)
        except Exception as error:  # the package's own, whatever it is
            said[identifier] = f"cannot be asked ({in_one_line(error)})"
            continue
        here = sum(file.is_here for file in needed)
        said[identifier] = f"{here} of {len(needed)} files are here"
    return said


TOOL = Entry(
    "doctor",
    "Print versions, devices, the registry, caches, disk and recordings, and what is wrong with them.",
    PARAMETERS,
    doctor,
    ("", "--brainscore true"),
)
