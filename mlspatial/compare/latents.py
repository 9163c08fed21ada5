"""What layers tell about a latent: decodings of groups of networks, and tests between two groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.grouping import PIXELS, over_stimuli
from mlspatial.compare.run_ids import run_text

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence


def measure_of(latent: str) -> str:
    """Accuracy for the category, Pearson r for the rest (Xie et al. 2025, E)."""
    return "accuracy" if latent == "category" else "pearson_r"


def read_outs(decodings: pd.DataFrame) -> pd.DataFrame:
    """Those that were fitted to images, of layers: without what networks' own heads say, which are none."""
    return decodings[decodings.n_train.astype(float) != 0]


def decoded_ids(evidence: Evidence, latent: str) -> set[str]:
    """The networks from which a latent was decoded."""
    table = evidence.decodings
    return set(table[(table.latent == latent) & (table.measure == measure_of(latent))].model_id) - {PIXELS}


def decoded(evidence: Evidence, networks: pd.DataFrame, latent: str) -> pd.DataFrame:
    """Decodings of a latent from the networks, and from the images (group PIXELS): one row a network, layer and fold.

    Columns: group, task, variability, model_id, seed, layer, depth, fold, value, chance, run_id, train_run. Accuracy
    for the category, Pearson r for the rest. Of several decode runs of a network, the one with most rows counts.
    """
    table = evidence.decodings
    table = table[(table.latent == latent) & (table.measure == measure_of(latent))]
    table = table[np.isfinite(table.value.astype(float)) & table.model_id.isin([PIXELS, *networks.model_id])].copy()
    table["value"] = table.value.astype(float)
    table["size"] = table.groupby(["model_id", "run_id"]).value.transform("size")
    best = table.sort_values("size", ascending=False, kind="stable").drop_duplicates("model_id")
    table = table.merge(best[["model_id", "run_id"]], on=["model_id", "run_id"]).drop(columns="size")
    kept = evidence.left_out("decode", tuple(dict.fromkeys(table.run_id)))
    kept = kept[(kept.latent == latent) & (kept.measure == measure_of(latent))]
    table = table.merge(kept[["run_id", "layer", "left_out"]], on=["run_id", "layer"], how="left")
    own = networks.rename(columns={"run_id": "train_run"})
    found = table.merge(own[["model_id", "train_run", "task", "seed", "variability", "group"]], "left", on="model_id")
    for column in ("task", "variability", "group"):
        found[column] = found[column].where(found.model_id != PIXELS, PIXELS)
    return found.assign(train_run=found.train_run.fillna(""))


def fold_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Group and layer: mean and sd (n - 1) over folds times seeds, n values, networks, chance, run_ids; over_stimuli:
    half of the 95 % interval of the mean over stimuli, NaN where it is not known.

    rows: as from decoded.
    """
    import pandas as pd

    made = []
    for (group, layer), part in rows.groupby(["group", "layer"], sort=False):
        made.append(
            {"layer": layer, "group": group, "task": part.task.iloc[0], "variability": part.variability.iloc[0],
             "mean": part.value.mean(), "sd": part.value.std(), "over_stimuli": over_stimuli(part.left_out),
             "n": len(part), "networks": part.model_id.nunique(),
             "chance": part.chance.astype(float).mean(), "run_ids": run_text(part.run_id, part.train_run)}
        )  # fmt: skip
    measured = ["mean", "sd", "over_stimuli", "n", "networks", "chance", "run_ids"]
    return pd.DataFrame(made, columns=["layer", "group", "task", "variability", *measured])


def layer_tests(rows: pd.DataFrame, first: str, second: str) -> dict[str, dict[str, float]]:
    """layer -> p over folds times seeds (as published), p_holm over the layers, and p_networks with one value each.

    rows: as from decoded; first, second: groups. Layers with fewer than two values on a side are left out; p_networks
    is NaN below two networks a side.
    """
    from mlspatial.analysis.contrasts import FEWEST, contrasts

    folds: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    means: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for layer, part in rows.groupby("layer", sort=False):
        sides = [part[part.group == group] for group in (first, second)]
        if min(map(len, sides)) >= FEWEST:
            folds[str(layer)] = sides[0].value.to_numpy(), sides[1].value.to_numpy()
        if min(side.model_id.nunique() for side in sides) >= FEWEST:
            means[str(layer)] = tuple(side.groupby("model_id").value.mean().to_numpy() for side in sides)
    alone = {test.name: test.p for test in contrasts(means)} if means else {}
    return {
        test.name: {"p": test.p, "p_holm": test.p_holm, "p_networks": alone.get(test.name, float("nan"))}
        for test in (contrasts(folds) if folds else [])
    }
