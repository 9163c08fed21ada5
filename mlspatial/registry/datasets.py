"""Datasets by name, id or folder."""

from __future__ import annotations

from pathlib import Path

from mlspatial.core.errors import DatasetError, UnknownName
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.core.names import FOLDER as FOLDER
from mlspatial.core.names import TAG
from mlspatial.registry import named, published, runs

COPIES = TAG + "copies"  # further folders with the same dataset, a line each


def is_known(name: str) -> bool:
    """Whether a finished run or a folder holds a dataset of this name."""
    made = runs.find(entry="render", status="FINISHED")
    return Path(name).joinpath(MANIFEST).is_file() or any(run.cfg.get("dataset") == name for run in made)


def folders(run: runs.RunRecord) -> list[Path]:
    """Where a render run put its dataset, the first place first, at last what its command named (in a project that was
    moved); it need not be there any more."""
    places = [run.tags.get(FOLDER, ""), *run.tags.get(COPIES, "").split("\n"), run.cfg.get("out", "")]
    return list(dict.fromkeys(Path(name).resolve() for name in places if name))


def is_there(run: runs.RunRecord) -> bool:
    """Whether the dataset that a render run made is still in one of its folders, or published."""
    return any(_manifest(folder, run.dataset_id) for folder in ours(run)) or published.is_there(run)


def ours(run: runs.RunRecord) -> list[Path]:
    """Those of `folders` that may be read without asking: what lies elsewhere is not there for whoever does not ask for
    it by name (`find_dataset`)."""
    return [folder for folder in folders(run) if named.is_ours(folder)]


def find_dataset(name: str, *, typed: bool = True) -> tuple[Path, Manifest, runs.RunRecord | None]:
    """(folder, manifest, the run that made it) of a dataset: a folder, a dataset_id, or the newest one of a name.

    One that is in no folder here but published comes into the cache while it is read (`data.arriving`).
    typed: whether a person has written the name; a folder that comes from the registry is not made theirs by this.

    Raises UnknownName, or DatasetError when the registry knows the dataset but its files are gone, or are in a folder
    that nobody here has named (see `named`).
    """
    made = runs.find(entry="render", status="FINISHED")
    if (folder := Path(name)).joinpath(MANIFEST).is_file():
        if not typed and not named.is_ours(folder):
            raise DatasetError(f"dataset={name}: nobody here has named this folder; {named.ADVICE.format(folder)}")
        manifest = Manifest.load(folder)
        named.remember(folder)
        return folder, manifest, next((run for run in made if run.dataset_id == manifest.dataset_id), None)
    for run in made:
        if name in (run.cfg.get("dataset"), run.dataset_id):
            alike = [other for other in made if other.dataset_id == run.dataset_id]
            for other in alike:
                for folder in filter(named.is_ours, folders(other)):
                    if found := _manifest(folder, run.dataset_id):
                        return folder, found, other
            for other in alike:
                if opened := published.open_published(other, f"dataset={name}"):
                    return *opened, other
            named.demand_ours(f"dataset={name}", [folder for other in alike for folder in folders(other)])
            raise DatasetError(f"dataset={name}: {_gone(run)}")
    known = {run.cfg["dataset"] for run in made}
    raise (
        UnknownName("dataset", name, known)
        if known
        else DatasetError(
            f"dataset={name}: nothing is rendered yet and no such folder is there; "
            f"run the render entry point first (dataset={name})"
        )
    )


def whole_dataset(name: str) -> tuple[Path, Manifest]:
    """(folder, manifest) of a dataset with all its shards in the folder, for other readers of Parquet: one that is only
    published is fetched, and checked. Raises as find_dataset."""
    from mlspatial.data import arriving

    folder, manifest, _ = find_dataset(name)
    if coming := arriving.of(folder):
        coming.whole(coming.index.shards)
    return folder, manifest


def _gone(run: runs.RunRecord) -> str:
    """What to say of a dataset that is in none of its folders."""
    made, host = f"run {run.id} made it in {' and '.join(map(str, folders(run)))}", published.host_of(run)
    if host:
        return (
            f"{made} on {host}, and it is not published; publish it there ({published.publish_command(run)}), render "
            "it again (the same command makes the same images) or give its folder here"
        )
    return (
        f"{made}, where it no longer is; render it again (the same command makes the same images) or give its new "
        f"folder; on the machine that has it, {published.publish_command(run)} puts it where every machine finds it"
    )


def _manifest(folder: Path, dataset_id: str | None) -> Manifest | None:
    """Of a folder that holds this dataset and no other."""
    try:
        manifest = Manifest.load(folder)
    except DatasetError:
        return None
    return manifest if manifest.dataset_id == dataset_id else None
