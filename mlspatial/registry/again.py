"""Networks whose files are gone, and the command that makes one again, from what its run remembers."""

from __future__ import annotations

import json
import shlex
from typing import Any

from mlspatial.core.errors import UserError
from mlspatial.registry import lookup
from mlspatial.registry.artifacts import local_path
from mlspatial.registry.datasets import find_dataset
from mlspatial.registry.record import RunRecord, record_of
from mlspatial.registry.store import client

LIVE = "-live"  # at the end of the name of a dataset whose images were rendered as they were needed
FILES = ("weights.safetensors", "spec.json")  # of a network
HERE = ("device", "workers", "cache", "resume")  # how it was run, not what came out
RANKS = "ranks"  # processes that trained a network together, where they were several
FACTS = (RANKS, "augment_version")  # what a train run tells beside the parameters that its command takes


def lost_networks(run: RunRecord) -> list[str]:
    """Addresses of a train run's networks whose files are gone. At a server only the newest is asked for."""
    made = lookup.logged_of(run)
    if not made:
        return [f"runs:/{run.id}/model"]
    if local_path(made[0].artifact_location) is None:
        made = [max(made, key=lambda model: model.creation_timestamp)]
    return [f"models:/{model.model_id}" for model in made if not _is_whole(model)]


def _is_whole(model: Any) -> bool:
    folder = local_path(model.artifact_location)
    if folder:
        return all((folder / "artifacts" / name).is_file() for name in FILES)
    there = {item.path for item in client().list_logged_model_artifacts(model.model_id, "artifacts")}
    return {f"artifacts/{name}" for name in FILES} <= there


def train_again(run_id: str, *, force: bool = True) -> str:
    """Words that say how: the command of the train run, or that its run is gone. force: also if it is finished."""
    from mlflow.exceptions import MlflowException

    try:
        run = client().get_run(run_id)
    except MlflowException:
        return f"its run {run_id} is gone from the registry: take an undamaged copy, or train such a network anew"
    record = record_of(run)
    cfg = {name: value for name, value in record.cfg.items() if name not in (*HERE, *FACTS) and value != ""}
    if "dataset" in cfg:
        cfg["dataset"] = _dataset(run, record)
    cfg |= {"study": ",".join(record.studies)} if record.studies else {}
    words = [word for name, value in cfg.items() for word in (f"--{name}", value)]
    ranks = record.cfg.get(RANKS, "")
    program = ["torchrun", "--nproc_per_node", ranks] if ranks else ["python"]
    return "train it again: " + shlex.join(
        [*program, "-m", "entrypoints.train", *words, *(("--force", "true") if force else ())]
    )


def dataset_of(run_id: str) -> str:
    """What `dataset` must be today for the images that a train run saw."""
    run = client().get_run(run_id)
    return _dataset(run, record_of(run))


def _dataset(run: Any, record: RunRecord) -> str:
    """What `dataset` must be today so that the same images are found: a name, an id, or the folder of then."""
    label = record.cfg.get("dataset", "")
    plain = label.removesuffix(LIVE)
    folders = [json.loads(entry.dataset.source).get("uri", "") for entry in run.inputs.dataset_inputs]
    names = [(label, ""), (plain, "live:"), *((name, "") for name in (record.dataset_id or "", *folders))]
    for name, prefix in names:
        if not name or (prefix and plain == label):
            continue
        try:
            if find_dataset(name, typed=False)[1].dataset_id == record.dataset_id:
                return prefix + name
        except UserError:
            continue
    return label
