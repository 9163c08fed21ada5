"""Datasets that their render run has published: found by a tag, fetched into the cache while they are read.

The tag PUBLISHED holds the hash of the index, the index those of the manifest and of every piece, the manifest those of
the shards and, with the recipe, the dataset_id. A changed piece, index or manifest is asked for once more, and then
refused.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlspatial.core.errors import DatasetError
from mlspatial.core.files import whole
from mlspatial.core.hashing import file_sha256
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.core.names import FOLDER, TAG, cache_folder
from mlspatial.data import arriving
from mlspatial.data.pieces import COPY, INDEX, Index
from mlspatial.registry import dataset_stores
from mlspatial.registry.lives import PROCESS
from mlspatial.registry.record import RunRecord

PUBLISHED = TAG + "published"  # of a render run: where its dataset is, and the hash of the index there
PLACE = "datasets"  # part of the cache
NO_PARAMETERS = ("n_categories", "jpeg_quality", "images", "workers", "out")  # of what a render run has resolved
ALL = 117  # categories of the procedural library


@dataclass(frozen=True)
class Stated:
    """What the tag says. at: ARTIFACTS or an address; index: hash of the bytes of the index there."""

    at: str
    index: str

    def text(self) -> str:
        return json.dumps({"at": self.at, "index": self.index})


def stated(run: RunRecord) -> Stated | None:
    """Where a run's dataset is published; None where it is not, or not to the end."""
    with suppress(ValueError, KeyError, TypeError):
        facts = json.loads(run.tags.get(PUBLISHED) or "")
        return Stated(str(facts["at"]), str(facts["index"]))
    return None


def open_published(run: RunRecord, what: str) -> tuple[Path, Manifest] | None:
    """(folder of the cache, manifest) of a dataset that is published; None where it is not. Its shards come as they
    are read. what: asks for it.

    Raises DatasetError for an address that is not read, and for what is not there or not what was published.
    """
    found, dataset_id = stated(run), run.dataset_id
    if found is None or not dataset_id or not dataset_id.isalnum():
        return None
    folder = cache_folder(PLACE, dataset_id)
    coming = folder / arriving.COMING
    index = _index(coming, found.index)
    if index is None or not (manifest := _whole(folder, index)):
        dataset_stores.trusted(found.at, what)
        store = dataset_stores.store_of(found.at, run.id, dataset_id)
        coming.mkdir(exist_ok=True)
        if index is None:
            data = _asked(store, INDEX, found.index, what, run)
            index = Index.decoded(data)
            _write(coming / INDEX, data)
        if not (coming / MANIFEST).is_file() or file_sha256(coming / MANIFEST) != index.manifest:
            _write(coming / MANIFEST, _asked(store, COPY, index.manifest, what, run))
        manifest = Manifest.load(coming)
    files = {shard.file for shards in manifest.splits.values() for shard in shards}
    if not manifest.dataset_id == index.dataset_id == dataset_id or files != set(index.shards):
        raise DatasetError(
            f"{what}: what run {run.id} has published is dataset {manifest.dataset_id}, not {dataset_id}; "
            f"{_anew(run, found.at)}"
        )
    arriving.arrival(folder, manifest, index, _getter(found, run, what), at_of(run, found), _anew(run, found.at))
    return folder, manifest


def at_of(run: RunRecord, found: Stated) -> str:
    """Where a dataset is published, for people."""
    return dataset_stores.store_of(found.at, run.id, run.dataset_id or "").at


def origin(folder: Path) -> str:
    """What a folder is known by to others: the address that it is filled from, or its place here."""
    coming = arriving.of(folder)
    return coming.at if coming else str(folder.resolve())


def is_there(run: RunRecord) -> bool:
    """Whether the index of a published dataset is where the tag says, and may be read here."""
    found = stated(run)
    if found is None:
        return False
    try:
        dataset_stores.trusted(found.at, "")
        data = dataset_stores.store_of(found.at, run.id, run.dataset_id or "").get(INDEX)
    except (DatasetError, FileNotFoundError):
        return False
    return hashlib.sha256(data).hexdigest() == found.index


def _index(coming: Path, sha256: str) -> Index | None:
    """The index that was fetched before, if it is this one."""
    path = coming / INDEX
    data = path.read_bytes() if path.is_file() else b""
    return Index.decoded(data) if hashlib.sha256(data).hexdigest() == sha256 else None


def _whole(folder: Path, index: Index) -> Manifest | None:
    """The manifest of a folder that has all of its shards already."""
    if not all((folder / file).is_file() for file in index.shards):
        return None
    with suppress(DatasetError):
        return Manifest.load(folder)
    return None


def _getter(found: Stated, run: RunRecord, what: str) -> Callable[[str], bytes]:
    def get(name: str) -> bytes:
        dataset_stores.trusted(found.at, what)
        store = dataset_stores.store_of(found.at, run.id, run.dataset_id or "")
        try:
            return store.get(name)
        except FileNotFoundError as error:
            raise DatasetError(f"{what}: {store.at} has no {name}; publish it again: {publish_command(run)}") from error

    return get


def _asked(store: dataset_stores.Store, name: str, sha256: str, what: str, run: RunRecord) -> bytes:
    """A file of a store with the bytes that it must have."""
    try:
        for _ in range(2):
            data = store.get(name)
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
    except FileNotFoundError as error:
        raise DatasetError(f"{what}: {store.at} has no {name}; publish it again: {publish_command(run)}") from error
    raise DatasetError(
        f"{what}: {name} in {store.at} was changed since it was published (fetched twice); publish it again: "
        f"{publish_command(run)}"
    )


def _anew(run: RunRecord, at: str) -> str:
    return f"publish it anew: {publish_command(run, at)} --force true"


def _write(path: Path, data: bytes) -> None:
    with whole(path) as partial:
        partial.write_bytes(data)


def publish_command(run: RunRecord, at: str = "") -> str:
    """The render command that publishes what a run has made. at: as of Stated, by default where it is published."""
    cfg = {name: value for name, value in run.cfg.items() if name not in NO_PARAMETERS and value not in ("", "None")}
    if cfg.get("objects") == "procedural" and run.cfg.get("n_categories") == str(ALL):
        cfg.pop("categories", None)
    folder = run.tags.get(FOLDER) or run.cfg.get("out", "")
    cfg |= {"out": folder} if folder else {}
    known = stated(run)
    at = at or (known.at if known else "")
    cfg["publish"] = "true" if at in ("", dataset_stores.ARTIFACTS) else at
    words = [word for name, value in cfg.items() for word in (f"--{name}", value)]
    return shlex.join(["python", "-m", "entrypoints.render", *words])


def host_of(run: RunRecord) -> str:
    """The machine that a run was made on; "" for this one, and where nobody has said."""
    host = run.tags.get(PROCESS, "").partition(" ")[0]
    return "" if host == socket.gethostname() else host
