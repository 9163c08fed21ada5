"""What the registry knows of a network, for the card that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspatial.core.names import MODEL_ID, TAG
from mlspatial.core.secrets import shown
from mlspatial.models import sources
from mlspatial.models.exports import Card
from mlspatial.registry import read, runs
from mlspatial.registry.again import HERE
from mlspatial.registry.models import ModelRecord
from mlspatial.registry.record import RunRecord

HELDOUT = "heldout/"
#: of a train run, what is told elsewhere on the card or says nothing of the network
NOT_TOLD = (*HERE, "task", "arch", "seed", "dataset", "hidden", "force", "study", "out")
#: Brain-Score's public benchmarks that choose the layer of a region (its STANDARD_REGION_BENCHMARKS)
STANDARD = {
    "FreemanZiemba2013public.V1-pls": "V1",
    "FreemanZiemba2013public.V2-pls": "V2",
    "MajajHong2015public.V4-pls": "V4",
    "MajajHong2015public.IT-pls": "IT",
}
ROW = ("benchmark", "region", "metric", "layer", "raw", "error", "ceiling", "ceiling_error", "ceiled", "ceiled_error")
WORDS = ("run_id", "formula", "engine")
CODE = {"code": "commit", "PyTorch": "torch", "torchvision": "torchvision"}


def card_of(record: ModelRecord) -> Card:
    """The card of a network: the same as long as the registry says the same of it."""
    trained = runs.get(record.run_id) if record.run_id else None
    scores = scores_of(record)
    title = f"{record.name}, seed {record.seed}" + (f", {record.step} batches" if trained else "")
    about = {"task": record.task, "architecture": record.arch, "data": record.dataset}
    about |= {"seed": str(record.seed), "batches of training": str(record.step) if trained else ""}
    words = ("mlspatial", "vision", "neuroscience", *record.task.split("+"))
    return Card(
        title=shown(title),
        about={name: shown(text) for name, text in about.items() if text},
        training=_training(trained) if trained else {},
        heldout=_heldout(trained, record.step) if trained else {},
        scores=tuple(scores),
        lineage=_lineage(record, trained, scores),
        tags=tuple(dict.fromkeys(shown(word) for word in words)),
    )


def regions_of(card: Card) -> dict[str, str]:
    """region -> layer, of those for which Brain-Score's own way of choosing has been followed here."""
    return {STANDARD[row["benchmark"]]: row["layer"] for row in card.scores if row["benchmark"] in STANDARD}


def scores_of(record: ModelRecord) -> list[dict[str, Any]]:
    """Rows of the network's score runs at the layers that count, by each benchmark's own metric, of the newest run that
    has one; by benchmark and metric."""
    chosen = read.runs(entry="score", metrics=())
    name = f"tags.{MODEL_ID}"
    if chosen.empty or name not in chosen:
        return []
    chosen = chosen[chosen[name] == record.model_id]
    if chosen.empty:
        return []
    table = read.scores(chosen)
    table = table[table.committed & table.primary] if "primary" in table else table[table.committed]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in table.to_dict("records"):  # newest first
        kept = {key: row.get(key) for key in (*ROW, *WORDS)}
        kept = {str(key): None if value != value else value for key, value in kept.items()}
        found.setdefault((row["benchmark"], row["metric"]), kept)
    return [found[key] for key in sorted(found)]


def _training(trained: RunRecord) -> dict[str, str]:
    known = {name: value for name, value in trained.cfg.items() if name not in NOT_TOLD and value != ""}
    return {name: shown(known[name]) for name in sorted(known)}


def _heldout(trained: RunRecord, step: int) -> dict[str, float]:
    """Of the checkpoint after so many batches."""
    names = sorted(name for name in trained.metrics if name.startswith(HELDOUT))
    logged = read.histories([trained.id], names)
    logged = logged[logged.step == step]
    values = dict(zip(logged.metric, logged.value, strict=True))
    return {name.removeprefix(HELDOUT): float(values[name]) for name in names if name in values}


def _lineage(record: ModelRecord, trained: RunRecord | None, scores: list[dict[str, Any]]) -> dict[str, str]:
    """Ids of what the network and its numbers come from."""
    found = {"network (model_id)": record.model_id}
    if trained:
        tags: Mapping[str, str] = trained.tags
        found |= {"run of training": trained.id, "dataset id": trained.dataset_id or ""}
        found |= {"runs before it": ", ".join(trained.parents)}
        found |= {name: tags.get(TAG + tag, "") for name, tag in CODE.items()}
        if tags.get(f"{TAG}dirty") == "true":
            found["code"] += " with uncommitted changes"
    elif sources.is_external(record.uri):
        found["from outside the registry"] = record.name
    found["runs of scores"] = ", ".join(dict.fromkeys(str(row["run_id"]) for row in scores))
    return {name: shown(text) for name, text in found.items() if text}
