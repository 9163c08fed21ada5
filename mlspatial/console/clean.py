"""clean: caches that can be made again and runs that were replaced; says what would go, and goes only when told to.

A run is superseded when all of this holds:
1. it is finished or failed, and a newer finished run has the same entry and the same spec (it was made again);
2. that newer run holds everything that it holds: every artifact by name (but for the record of uncommitted changes),
   the folders of a dataset, and for a train run a whole network at every step at which it registered one;
3. no alias of a registered model points to a network of its;
4. no run that stays names it: as a parent, as the run that an `answer` of MLflow's project points to, or, by its id or
   the address of one of its networks, in a parameter. Killed and running runs stay, and so what they need stays.

Superseded runs are deleted as MLflow deletes runs: they can be restored until `mlflow gc` frees their disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlspatial.console.layout import Cell, amount, place, size_of, table, when
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.parameters import Entry, Parameter
from mlspatial.registry import removal
from mlspatial.registry.patience import shown
from mlspatial.registry.store import require, tracking_uri

#: part of the cache -> what making it again takes. What only downloads bring back (brainscore), what trainings go on
#: from (train, but for states that no run can go on from) and locks are no part of it.
CACHES = {
    "artifacts": "fetched again from the server when they are asked for",
    "assets": "seconds to minutes of preparing at the next render",
    "datasets": "published datasets, fetched again when they are read",
    "fmri": "minutes of noise ceilings at the next score",
    "nsd": "minutes of reading at the next score",
    "runs": "a few seconds at the next compare",
    "spool": "what killed processes left",
    "study": "each study asks its steps once more",
    "train": "states of trainings that are over",
}
WHAT = ("all", "caches", "runs", *CACHES)

PARAMETERS = (
    Parameter(
        "what", str, f"all, caches, runs (superseded ones), or one cache: {', '.join(CACHES)}.", "all", "nothing"
    ),
    Parameter("yes", bool, "Do it; without that only say what would go.", False, "nothing"),
)


@dataclass(frozen=True)
class Item:
    """Something that can go. size: bytes; remove: what does it."""

    what: str
    detail: str
    size: int
    remove: Callable[[], None]


def clean(*, what: str = "all", yes: bool = False) -> list[str]:
    """Say what can go (yes: remove it): caches that can be made again, runs that were replaced; makes no run.

    what: all, caches, runs, or parts of the cache with commas between. Raises UserError while something is being made.
    """
    names = [part.strip() for part in what.split(",") if part.strip()]
    for name in names:
        if name not in WHAT:
            raise UnknownName("what", name, WHAT)
    parts = [part for part in CACHES if {part, "all", "caches"} & set(names)]
    wanted_runs = bool({"all", "runs"} & set(names))
    has_registry = True
    try:
        require()
    except UserError:
        has_registry = False
    if yes:
        _refuse_while_busy(has_registry)
    items = _caches(parts, has_registry)
    replaced = removal.superseded() if wanted_runs and has_registry else []
    items += [_item_of(one) for one in replaced]
    if not items:
        print("nothing to clean: no cache that can be made again, no superseded run")
        return []
    rows: list[dict[str, Cell]] = [{"": i.what, "size": amount(i.size), "then": i.detail} for i in items]
    print(table(rows, most=60))
    total = amount(sum(item.size for item in items))
    if not yes:
        print(f"{total} would go; nothing was removed. --yes true removes it")
        return []
    for item in items:
        item.remove()
    print(f"{total} removed")
    if replaced:
        print("runs can be restored (the networks of trainings cannot) until this frees the disk of all deleted runs:")
        where = "  (where the server is, on its database)" if tracking_uri().startswith("http") else ""
        print(f"  mlflow gc{where or f' --backend-store-uri {shown(tracking_uri())}'}")
    return []


def _refuse_while_busy(has_registry: bool) -> None:
    """Raise UserError while a run lives or a lock of this cache is held: its maker may need what would go."""
    busy = removal.living() if has_registry else []
    held = [lock for part in ("locks", "datasets") for lock in removal.held_locks(_folder() / part)]
    if busy or held:
        who = "; ".join(busy) or f"{len(held)} results by processes of other registries"
        raise UserError(f"something is being made with this cache ({who}); wait for it or stop it, then clean")


def _folder() -> Path:
    return Path(os.environ.get("MLSPATIAL_CACHE", ".cache"))


def _caches(parts: Iterable[str], has_registry: bool) -> list[Item]:
    items = []
    for part in parts:
        folder = _folder() / part
        if not folder.is_dir():
            continue
        if part == "train":
            items += _states(folder, has_registry)
        elif size := size_of(folder):
            items.append(Item(place(folder), CACHES[part], size, partial(shutil.rmtree, folder)))
    return items


def _states(folder: Path, has_registry: bool) -> list[Item]:
    """States of trainings that this registry knows and that no killed or running run can go on from.

    Those that it does not know may be another registry's that shares the cache.
    """
    over = removal.over() if has_registry else set()
    gone = [file for file in folder.glob("*.pt") if file.stem in over]
    size = sum(size_of(file) for file in gone)

    def remove() -> None:
        for file in gone:
            with suppress(FileNotFoundError):
                file.unlink()

    return [Item(f"{place(folder)}: {len(gone)} states", CACHES["train"], size, remove)] if gone else []


def _item_of(one: removal.Superseded) -> Item:
    by = f"as run {one.by.id[:8]} of {when(one.by.start)}"
    return Item(f"run {one.run.id[:8]} {one.run.name}", by, one.size, lambda: removal.remove(one))


TOOL = Entry(
    "clean",
    "Say which caches can be made again and which runs were replaced; with --yes true, remove them.\n\n"
    "What a finished run needs stays: datasets, networks, runs that others name, downloads, states to go on from.",
    PARAMETERS,
    clean,
    ("", "--what caches --yes true", "--what runs"),
)
