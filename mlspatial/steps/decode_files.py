"""What decode leaves of a network: tables, metrics, a description and a picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.plots import FORMATS
from mlspatial.core.names import LEFT_OUT
from mlspatial.registry import notes, runs

if TYPE_CHECKING:
    import pandas as pd

SHOWN = {"linear": "pearson_r", "circular": "pearson_r", "category": "accuracy"}
TABLE = "decoding.json"


def log_decoding(run: runs.Run, table: pd.DataFrame, network: str, on: tuple[str, str]) -> None:
    """The table, a mean over folds for every layer, latent and measure, a picture, and what those means are without
    each block of stimuli. Of each latent the best layer is `best/LATENT/MEASURE`, a metric of the network, too.
    on: name and id of the dataset."""
    with tempfile.TemporaryDirectory() as folder:
        _without_blocks(table).to_parquet(Path(folder) / LEFT_OUT, index=False)
        run.log_file(Path(folder) / LEFT_OUT)
    table = table.drop(columns="left_out")
    run.log_text(table.to_json(orient="table", index=False), TABLE)
    means = table.groupby(["layer", "latent", "measure"], sort=False).value.mean()
    run.log({f"{layer}/{latent}/{measure}": value for (layer, latent, measure), value in means.items()})
    shown = table[table.measure.isin(set(SHOWN.values()))]
    means = shown.groupby(["latent", "measure", "layer"], sort=False).agg(value=("value", "mean"), sd=("value", "std"))
    means["chance"] = shown.groupby(["latent", "measure", "layer"], sort=False).chance.mean()
    best = means[means.value.notna()].reset_index().sort_values("value", ascending=False, kind="stable")
    best = best.drop_duplicates(["latent", "measure"]).sort_index()
    run.log_inputs([network])
    run.log({f"best/{row.latent}/{row.measure}": row.value for row in best.itertuples()}, of=network, on=on)
    rows = [(row.latent, row.measure, row.layer, row.value, row.sd, row.chance) for row in best.itertuples()]
    head = ("latent", "measure", "best layer", "mean", "SD over folds", "chance")
    run.describe(notes.table(head, rows) + f"\n\nAll layers are in the artifact {TABLE}.")
    log_picture(run, shown, "task", "decoding")


def _without_blocks(table: pd.DataFrame) -> pd.DataFrame:
    """layer, latent, measure and left_out: mean over folds without each block of stimuli, float32."""
    import pandas as pd

    groups = table.groupby(["layer", "latent", "measure"], sort=False).left_out
    rows = [(*key, np.mean(np.stack(list(folds)), axis=0).astype(np.float32)) for key, folds in groups]
    return pd.DataFrame(rows, columns=["layer", "latent", "measure", "left_out"])


def log_picture(run: runs.Run, table: pd.DataFrame, by: str, name: str) -> None:
    """Curves over layers. by: column of what has a curve."""
    from mlspatial.compare.plots import layer_curves, save

    with tempfile.TemporaryDirectory() as folder:
        for file in save(layer_curves(table, by), Path(folder), name):
            run.log_file(file, "pictures")


def pictures(name: str) -> list[str]:
    """Files of a picture."""
    return [f"pictures/{name}.{suffix}" for suffix in FORMATS]
