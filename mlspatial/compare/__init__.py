"""Tables, figures and the report: what is read from runs and drawn. No score is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd


def ranking(
    study: str = "",
    *,
    pairs: bool = False,
    statistic: Literal["mean", "median"] = "mean",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Which networks of a study explain each benchmark's responses best, and how sure that is, in one tidy table.

    One row a benchmark and model (networks that differ in their seed alone) with its score, interval, the standard
    errors over images, neurons and networks, the tests against zero and the ceiling, and its group; with pairs one row
    a pair of models with their difference, p, and p after Holm and after Benjamini and Hochberg. statistic: over units.
    seed: of the draws.
    """
    from mlspatial.compare.evidence import load
    from mlspatial.compare.ranks import models_frame, pairs_frame, rankings

    made, _ = rankings(load(study), statistic=statistic, resamples=resamples, seed=seed)
    return pairs_frame(made) if pairs else models_frame(made)
