"""What decode leaves of read-outs that were tested under conditions they were not trained in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.registry import notes, runs
from mlspatial.steps.decode_files import SHOWN

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.steps.decode_splits import Conditions

GENERALISATION = "generalisation.json"
PICTURE = "generalisation"
KEY = ["layer", "latent", "measure"]


def log_generalisation(run: runs.Run, table: pd.DataFrame, network: str, left: Conditions) -> None:
    """The table, means over folds as metrics (across/..., within/...), a picture and a description.

    Nothing of it is a metric of the network itself: those are of ordinary decoding. The two directions of a comparison
    are two questions; each has its own metrics, across_0/... and across_1/...
    """
    run.log_text(table.to_json(orient="table", index=False), GENERALISATION)
    values = {}
    for fold, part in [("", table)] if left.alike else table.groupby("fold", sort=True):
        means = part.groupby(KEY, sort=False)[["value", "within"]].mean()
        end = f"_{fold}" if fold != "" else ""
        for (layer, latent, measure), row in means.iterrows():
            values[f"across{end}/{layer}/{latent}/{measure}"] = row.value
            values[f"within{end}/{layer}/{latent}/{measure}"] = row.within
    run.log(values)
    run.log_inputs([network])
    shown = table[table.measure.isin(set(SHOWN.values()))]
    run.describe(_described(shown, left))
    log_curves(run, shown, "task", PICTURE)


def _described(shown: pd.DataFrame, left: Conditions) -> str:
    """Of every latent (and direction) the layer that is best within conditions, and what it keeps across them."""
    over = [*KEY[1:], *([] if left.alike else ["left_out_values"]), KEY[0]]
    means = shown.groupby(over, sort=False)[["within", "value", "difference", "error", "chance"]].mean().reset_index()
    means = means[means.within.notna()].sort_values("within", ascending=False, kind="stable")
    best = means.drop_duplicates(over[:-1])
    best = best.iloc[np.argsort([list(shown.latent).index(latent) for latent in best.latent], kind="stable")]
    rows = [
        (row.latent, *(() if left.alike else (row.left_out_values,)), row.measure, row.layer, row.within, row.value,
         row.difference, row.error, row.chance)
        for row in best.itertuples()
    ]  # fmt: skip
    head = ("latent", *(() if left.alike else ("tested where",)), "measure", "best layer within", "within", "across",
            "difference", "SE over folds", "chance")  # fmt: skip
    said = (
        f"Read-outs trained on images of some values of {left.factor} and tested on images of the others, "
        f"{len(left.across)} folds (across), beside random splits with as many training and test images (within)."
        if left.alike
        else f"Read-outs trained where {left.left_out[1]} and tested where {left.left_out[0]}, and the other way round "
        "(across), beside random splits with as many training and test images (within). A correlation over part of a "
        "latent's range is lower than one over all of it; of the compared latent, read the mean absolute error too."
    )
    if left.designed:
        said += " Images of one context of the design are never on both sides of a split, across or within."
    return (
        f"{said}\n\n{notes.table(head, rows)}\n\nAll layers, folds and measures are in the artifact {GENERALISATION}."
    )


def log_curves(run: runs.Run, table: pd.DataFrame, by: str, name: str) -> None:
    """Within against across conditions over layers. by: column of what has a colour."""
    from mlspatial.compare.plots import generalisation_curves, save

    with tempfile.TemporaryDirectory() as folder:
        for file in save(generalisation_curves(table, by), Path(folder), name):
            run.log_file(file, "pictures")
