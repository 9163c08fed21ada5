"""Evidence: what tables and figures are drawn from, four tidy frames of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

REGIONS = ("V1", "V2", "V4", "IT")  # the ventral stream in its order; their mean is the neural mean
BEHAVIOR = "behavior"

NETWORKS = (
    "model_id", "uri", "run_id", "name", "task", "arch", "dataset", "dataset_id", "seed", "step", "final", "init",
    "fraction", "n_train", "outputs", "n_categories", "translation", "settings", "imported", "loss",
)  # fmt: skip
SCORES = (
    "run_id", "model_id", "benchmark", "region", "layer", "depth", "committed", "metric", "primary", "raw", "ceiling",
    "ceiled", "error", "n", "formula", "version", "engine", "selection", "r2_over_c", "r_over_c_squared",
)  # fmt: skip
PAIRS = ("run_id", "metric", "layer", "depth", "model_a", "model_b", "value")
DECODINGS = ("run_id", "model_id", "layer", "depth", "latent", "fold", "measure", "value", "chance")


@dataclass(frozen=True)
class Evidence:
    """study: its name, "" for all runs; links: run id -> address in the MLflow UI, or "".

    networks: one row a registered checkpoint (columns NETWORKS and heldout/...); scores: one row a network, benchmark,
    layer and metric (SCORES); pairs: one row an unordered pair of networks, layer and similarity metric (PAIRS);
    decodings: one row a network, layer, latent, measure and fold (DECODINGS). Frames may be empty.
    """

    study: str
    networks: pd.DataFrame
    scores: pd.DataFrame
    pairs: pd.DataFrame
    decodings: pd.DataFrame
    links: Mapping[str, str]


def empty_frames() -> dict[str, pd.DataFrame]:
    """The four frames without a row."""
    import pandas as pd

    columns = {"networks": NETWORKS, "scores": SCORES, "pairs": PAIRS, "decodings": DECODINGS}
    return {name: pd.DataFrame(columns=list(names)) for name, names in columns.items()}


def alignment(evidence: Evidence, *, formula: str = "ceiled") -> pd.DataFrame:
    """One row a network: its facts, a column for every region's score, neural_mean and score_runs (a tuple of run ids).

    The score of a region is the mean over its benchmarks of the committed layer under each benchmark's own metric, in
    the column `formula` of scores. neural_mean averages the regions of REGIONS that are there, for the networks that
    have all of them; others get NaN.
    """
    import numpy as np

    scores = evidence.scores
    best = scores[scores.committed.astype(bool) & scores.primary.astype(bool)]
    values = best.groupby(["model_id", "region"])[formula].mean().unstack("region")
    neural = [region for region in REGIONS if region in values.columns]
    values["neural_mean"] = values[neural].mean(axis=1, skipna=False) if neural else np.nan
    values["score_runs"] = best.groupby("model_id").run_id.agg(lambda ids: tuple(dict.fromkeys(ids)))
    return evidence.networks.merge(values.reset_index(), on="model_id", how="inner")
