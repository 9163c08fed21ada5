"""Runs, models and artifacts in MLflow: what every result is found by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def scores(study: str = "", *, units: bool = False) -> pd.DataFrame:
    """The scores of all finished score runs of a study, of all without one, in one tidy table.

    One row a network, benchmark, metric and layer, with raw, ceiling, ceiled, error, committed, primary and the run_id
    that it is from; with units one row a unit and split of the committed layers, with r (float32) and the reliability
    of the unit's mean response. What was read once is kept.
    """
    from mlspatial.registry import read

    chosen = read.runs(entry="score", study=study)
    return read.units(chosen) if units else read.scores(chosen)
