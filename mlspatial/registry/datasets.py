"""Datasets by name, id or folder."""

from __future__ import annotations

from pathlib import Path

from mlspatial.core.errors import DatasetError, UnknownName
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.core.names import TAG
from mlspatial.registry import runs

FOLDER = TAG + "folder"


def is_known(name: str) -> bool:
    """Whether a finished run or a folder holds a dataset of this name."""
    made = runs.find(entry="render", status="FINISHED")
    return Path(name).joinpath(MANIFEST).is_file() or any(run.cfg.get("dataset") == name for run in made)


def find_dataset(name: str) -> tuple[Path, Manifest, runs.RunRecord | None]:
    """(folder, manifest, the run that made it) of a dataset: a folder, a dataset_id, or the newest one of a name.

    Raises UnknownName, or DatasetError when the registry knows the dataset but its files are gone.
    """
    made = runs.find(entry="render", status="FINISHED")
    if (folder := Path(name)).joinpath(MANIFEST).is_file():
        manifest = Manifest.load(folder)
        return folder, manifest, next((run for run in made if run.dataset_id == manifest.dataset_id), None)
    for run in made:
        if name in (run.cfg.get("dataset"), run.dataset_id):
            folder = Path(run.tags[FOLDER])
            if not (folder / MANIFEST).is_file():
                raise DatasetError(
                    f"dataset={name}: run {run.id} made it in {folder}, where it no longer is; "
                    "render it again (the same command makes the same images) or give its new folder"
                )
            return folder, Manifest.load(folder), run
    known = {run.cfg["dataset"] for run in made}
    raise (
        UnknownName("dataset", name, known)
        if known
        else DatasetError(
            f"dataset={name}: nothing is rendered yet and no such folder is there; "
            f"run the render entry point first (dataset={name})"
        )
    )
