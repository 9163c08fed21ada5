"""What could not be told to a store that is away, kept on disk until it is back: metrics, and how a run ended.

A file a run, cache_folder("spool")/RUN.json, each written as a whole. The process that is at the run delivers it; when
that is gone, the next command that finds the run does (`runs.mark_dead_runs`), or the one that goes on with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlspatial.core.files import write_text
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.core.progress import say
from mlspatial.registry import lives
from mlspatial.registry.store import database, tracking_uri

FIELDS = ("key", "value", "timestamp", "step", "model_id", "dataset_name", "dataset_digest", "run_id")


@dataclass(frozen=True)
class Kept:
    """metrics: as MLflow's Metric takes them; status: how the run ended, "" while it has not; process: who was at it;
    store: where the run is; names: what was meant by names of metrics that MLflow does not take."""

    store: str
    process: str
    metrics: list[list[Any]] = field(default_factory=list)
    status: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def file(run_id: str) -> Path:
    return cache_folder("spool") / f"{run_id}.json"


def _store() -> str:
    """The store by a name that is its own in every folder: sqlite:///mlflow.db is another file in each. An address may
    hold a password, which is for no file."""
    there = database()
    return str(there.resolve()) if there else content_id(tracking_uri())


def keep(
    run_id: str,
    metrics: Iterable[Any],
    status: str = "",
    tags: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """Keep what this process could not tell of a run, in place of what is kept of it."""
    rows = [[getattr(metric, name) for name in FIELDS] for metric in metrics]
    kept = Kept(_store(), lives.process(), rows, status, dict(tags or {}), dict(names or {}))
    write_text(file(run_id), json.dumps(asdict(kept)))


def ended() -> Iterator[tuple[str, Kept]]:
    """Runs of this store that ended here without its knowing, and what is kept of them."""
    for path in sorted(file("x").parent.glob("[!.]*.json")):
        kept = of(path.stem)
        if kept and kept.status and kept.store in (_store(), tracking_uri()):  # files of before have the address
            yield path.stem, kept


def of(run_id: str) -> Kept | None:
    """What is kept of a run; None where nothing is, or nothing that can be read."""
    try:
        return Kept(**json.loads(file(run_id).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        say(f"{file(run_id)}: cannot be read ({error}), and is left as it is; remove it")
        return None


def metrics(kept: Kept) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(**dict(zip(FIELDS, row, strict=True))) for row in kept.metrics]


def forget(run_id: str) -> None:
    file(run_id).unlink(missing_ok=True)
