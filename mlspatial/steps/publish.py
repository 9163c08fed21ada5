"""What render does to publish a dataset: its shards, in pieces, into a store that other machines reach."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from mlspatial.core.errors import DatasetError, UserError
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.core.progress import bar, say
from mlspatial.data.pieces import COPY, INDEX, Index, Piece, index_of, read
from mlspatial.data.shards import is_whole
from mlspatial.registry import dataset_stores, foreign, runs
from mlspatial.registry.datasets import ours, whole_dataset
from mlspatial.registry.named import remember
from mlspatial.registry.patience import at_once
from mlspatial.registry.published import PUBLISHED, Stated, publish_command, stated

VARIABLE = "MLSPATIAL_PUBLISH"
THREADS = 4  # that upload


def asked(publish: str) -> str:
    """Where to publish, by the parameter, else by the variable: '' for nowhere. Raises BadValue, UserError."""
    return dataset_stores.asked(publish) or (
        "" if publish.strip() else dataset_stores.asked(os.environ.get(VARIABLE, ""), VARIABLE)
    )


def publish(run_id: str, at: str, anew: bool = False) -> str:
    """Put the dataset of a finished render run into a store, unless it is there, and return the run's id.

    at: as `asked` gives it, '' for nowhere; anew: put what is there, too.

    What an interrupted try has put is kept; the tag that others look for comes last. Raises UserError for a run of
    somebody else's, DatasetError where no folder here holds the dataset, Unreachable.
    """
    if not at:
        return run_id
    run = runs.get(run_id)
    store = dataset_stores.store_of(at, run.id, run.dataset_id or "")
    known, name = stated(run), run.cfg.get("dataset", "")
    if folder := dataset_stores.local_folder(at):
        remember(folder)
    there = {} if anew else store.sizes()
    if known and known.at == at and (index := _index(store, known)) and not list(_missing(index, there)):
        say(f"render: dataset {name} is published in {store.at}")
        return run_id
    here = _folder(run)
    index = index_of(here, Manifest.load(here))
    _demand_mine(run, at)
    _upload(store, here, index, there, name)
    store.put(COPY, (here / MANIFEST).read_bytes())
    store.put(INDEX, index.encoded())
    tag = Stated(at, hashlib.sha256(index.encoded()).hexdigest())
    runs.Run(run.id).set_tags({PUBLISHED: tag.text()})
    size = sum(piece.size for piece in index.pieces())
    say(f"render: dataset {name} is published in {store.at} ({size / 2**20:,.1f} MiB)")
    return run_id


def _index(store: dataset_stores.Store, known: Stated) -> Index | None:
    """The index in a store, if it and the manifest are those that were published."""
    try:
        data = store.get(INDEX)
        index = Index.decoded(data) if hashlib.sha256(data).hexdigest() == known.index else None
        return index if index and hashlib.sha256(store.get(COPY)).hexdigest() == index.manifest else None
    except (FileNotFoundError, DatasetError):
        return None


def _missing(index: Index, there: dict[str, int]) -> Iterator[tuple[str, Piece]]:
    """(shard, piece) of what a store has not, or not as large as it is."""
    for file, cut in index.shards.items():
        yield from ((file, piece) for piece in cut.pieces if piece.size and there.get(piece.name) != piece.size)


def _folder(run: runs.RunRecord) -> Path:
    """A folder here with the whole dataset of a run."""
    for folder in ours(run):
        if is_whole(folder, run.dataset_id):
            return folder
    return whole_dataset(run.dataset_id or "")[0]  # from where it is published already


def _demand_mine(run: runs.RunRecord, at: str) -> None:
    """Raise UserError for a run that the server does not let us change, before anything is uploaded."""
    if not run.tags.get(PUBLISHED) and (problem := foreign.refusal(lambda: runs.Run(run.id).set_tags({PUBLISHED: ""}))):
        whose = run.tags.get("mlflow.user", "somebody else")
        raise UserError(
            f"render: run {run.id} is of {whose}, and you may not publish for it; {whose} can "
            f"({publish_command(run, at)}), or render a run of your own with --force true"
        ) from problem


def _upload(store: dataset_stores.Store, folder: Path, index: Index, there: dict[str, int], name: str) -> None:
    missing = list(_missing(index, there))
    total, left = sum(piece.size for piece in index.pieces()), sum(piece.size for _, piece in missing)
    shown, lock = bar(f"publish {name}", total >> 10, "KiB", (total - left) >> 10), threading.Lock()
    done = total - left

    def put(job: tuple[str, Piece]) -> None:
        nonlocal done
        file, piece = job
        data = read(folder / file, piece.ranges)
        if not piece.holds(data):
            raise DatasetError(f"{folder / file}: was changed while it was published; render again")
        store.put(piece.name, data)
        with lock:
            done += piece.size
            shown.update((done >> 10) - shown.n)

    try:
        at_once(put, missing, THREADS)
    finally:
        shown.close()
