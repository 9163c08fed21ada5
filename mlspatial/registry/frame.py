"""Runs as tidy tables."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from mlspatial.core.names import TAG
from mlspatial.registry import runs
from mlspatial.registry.store import client

if TYPE_CHECKING:
    import pandas as pd

#: What may differ between two runs of one condition.
NOT_CONDITION = {"seed", "device", "workers", "resume", "checkpoints", "task", "arch", "dataset", "batches"}


def in_study(record: runs.RunRecord, study: str) -> bool:
    return not study or study in record.studies


def training_runs(study: str = "") -> pd.DataFrame:
    """One row a finished training run: run_id, condition columns, seed and heldout/... metrics of its last step.

    `settings` holds what else decides the result (lr, batch_size, ...), so that runs that differ in it are never
    averaged together. A network trained for no batch has the task `untrained`.
    """
    import pandas as pd

    rows = []
    for record in runs.find(entry="train", status="FINISHED"):
        if not in_study(record, study):
            continue
        rest = {key: value for key, value in record.cfg.items() if key not in NOT_CONDITION}
        batches = int(record.cfg["batches"])
        rows.append(
            {
                "run_id": record.id,
                "arch": record.cfg["arch"],
                "dataset": record.cfg["dataset"],
                "dataset_id": record.dataset_id,
                "task": record.cfg["task"] if batches else "untrained",
                "batches": batches,
                "settings": ", ".join(f"{key} {value}" for key, value in sorted(rest.items())),
                "seed": int(record.cfg["seed"]),
                **{key: value for key, value in record.metrics.items() if key.startswith("heldout/")},
            }
        )
    return pd.DataFrame(rows)


def scores(study: str = "") -> pd.DataFrame:
    """One row a network, benchmark and layer, from the scores.json of every finished score run.

    Columns: run_id, train_run_id, seed, step, benchmark, region, layer, committed, raw, ceiling, ceiled, error, n,
    metric, version, formula, direction, model_id. Of several runs that scored the same, the newest counts.
    """
    import pandas as pd

    tables = []
    for record in runs.find(entry="score", status="FINISHED"):
        if not in_study(record, study):
            continue
        table = pd.read_json(io.StringIO(_artifact(record.id, "scores.json")), orient="split")
        facts = {name: record.tags[TAG + name] for name in ("seed", "step")}
        tables.append(
            table.assign(
                run_id=record.id,
                train_run_id=record.parents[0] if record.parents else "",
                seed=int(facts["seed"]),
                step=int(facts["step"]),
            )
        )
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True).drop_duplicates(["model_id", "benchmark", "layer", "metric", "version"])


def _artifact(run_id: str, name: str) -> str:
    import mlflow

    return mlflow.artifacts.load_text(f"runs:/{run_id}/{name}") if client() else ""
