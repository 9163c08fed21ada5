"""show: a network's facts, scores and lineage in the terminal; of several networks a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlspatial.console.layout import Cell, facts, number, place, table, when
from mlspatial.console.summary import heldout
from mlspatial.core.names import FOLDER, MODEL_ID, PARENTS, TAG
from mlspatial.core.parameters import Entry, Parameter
from mlspatial.registry import read, runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.registry.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

TRAINED = ("batches", "batch_size", "lr", "weight_decay", "augment", "fraction", "init", "precision", "order_seed")
USES = ("score", "decode", "tuning", "similarity", "extract")

PARAMETERS = (
    Parameter("selector", str, "A selector of networks (task=translation,seed=0), or an address.", decides="nothing"),
)


def show(*, selector: str) -> list[str]:
    """Print what the registry knows of the networks that a selector names; makes no run."""
    records = select(selector)
    print(_one(records[0]) if len(records) == 1 else _several(records, selector))
    return []


def _several(records: Sequence[ModelRecord], selector: str) -> str:
    scores = _scores([record.model_id for record in records])
    trained = {run.id: run for run in _by_id([record.run_id for record in records if record.run_id])}
    rows: list[dict[str, Cell]] = []
    for record in records:
        row: dict[str, Cell] = {"network": record.name, "seed": str(record.seed), "step": record.step}
        run = trained.get(record.run_id)
        row["loss"] = heldout(run)["loss"] if run and _is_last(record, run) else None
        mine = scores[scores.model_id == record.model_id] if len(scores) else scores
        row |= {str(one.benchmark): one.ceiled for one in mine.itertuples()}
        rows.append(row)
    head = f"{len(records)} networks of {selector}\nloss on held-out images, ceiled scores of the layers that count:"
    return f"{head}\n\n{table(rows, most=40)}\n\nadd fields (seed=0, step=...) for one network's facts and lineage"


def _one(record: ModelRecord) -> str:
    spec = record.spec
    said = {
        "network": f"{record.name}{f' version {record.version}' if record.version else ''}",
        "address": record.uri,
        "identity": record.model_id,
        "task": f"{record.task} (seed {record.seed}, step {record.step:,})",
        "network is": f"{record.arch}, input {spec.input_size} px, {spec.units} output units"
        + (f", of which {', '.join(spec.supervised)} were trained" if spec.supervised else ""),
    }
    if not record.run_id:
        return facts({**said, "lineage": "from outside the registry"})
    run = runs.get(record.run_id)
    cfg = run.cfg
    said["training"] = ", ".join(f"{name} {cfg[name]}" for name in TRAINED if cfg.get(name))
    if _is_last(record, run):
        values = [f"{name} {number(float(v))}" for name, v in heldout(run).items() if isinstance(v, float)]
        said["held-out"] = ", ".join(values) or "not evaluated"
    parts = [facts(said)]
    scores = _scores([record.model_id])
    if len(scores):
        columns = ("benchmark", "region", "metric", "layer", "raw", "ceiling", "ceiled", "error")
        rows: list[dict[str, Cell]] = [
            {c: _cell(row[c]) for c in columns if c in row} for row in scores.to_dict("records")
        ]
        parts += ["\nscores (the layer that counts)", table(rows, most=30)]
    return "\n".join([*parts, "\nlineage", facts(_lineage(record, run))])


def _cell(value: Any) -> Cell:
    return value if isinstance(value, str) else float(value)


def _lineage(record: ModelRecord, run: RunRecord) -> list[tuple[str, str]]:
    made = f"run {run.id}, {when(run.start)}"
    commit = run.tags.get(TAG + "commit", "")
    rows = [("trained by", made + (f", commit {commit[:12]}" if commit else ""))]
    rows += [("", f"studies: {', '.join(run.studies)}")] if run.studies else []
    for parent in _by_id(run.parents):
        where = place(parent.tags.get(FOLDER, "")) if parent.tags.get(FOLDER) else parent.name
        rows.append(("from", f"{parent.entry} run {parent.id}: {where} (dataset {run.dataset_id})"))
    used = runs.find(where=f"tags.`{MODEL_ID}` = '{record.model_id}'", status="FINISHED")
    used += runs.find(where=f"tags.`{PARENTS}` LIKE '%{run.id}%'", status="FINISHED")
    seen = {run.id: None}
    for one in used:
        other = one.tags.get(MODEL_ID) not in (None, "", record.model_id)  # another checkpoint of the same run
        if one.id in seen or one.entry not in USES or other:
            continue
        seen[one.id] = None
        rows.append(("used by", f"{one.entry} run {one.id}, {when(one.start)}"))
    return rows


def _is_last(record: ModelRecord, run: RunRecord) -> bool:
    return str(record.step) == run.cfg.get("batches")


def _by_id(ids: Sequence[str]) -> list[RunRecord]:
    listed = ", ".join(map(repr, dict.fromkeys(ids)))
    return runs.find(where=f"attributes.run_id IN ({listed})") if listed else []


def _scores(model_ids: Sequence[str]) -> pd.DataFrame:
    """Rows of the layers that count in the newest score runs of some networks, a row a benchmark and metric."""
    import pandas as pd

    chosen = read.runs(entry="score")
    tag = f"tags.{MODEL_ID}"
    if chosen.empty or tag not in chosen:
        return pd.DataFrame()
    chosen = chosen[chosen[tag].isin(set(model_ids))]
    if chosen.empty:
        return pd.DataFrame()
    found = read.scores(chosen)
    found = found[found.committed.astype(bool) & found.get("primary", True)]
    return found.drop_duplicates(["model_id", "benchmark", "metric"])


TOOL = Entry(
    "show",
    "Print a network's facts, scores and lineage; of several networks a table.",
    PARAMETERS,
    show,
    ("task=translation,seed=0,dataset=quick", "study=quick", "models:/resnet18.quick.translation@seed0"),
)
