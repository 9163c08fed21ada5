"""Rows of summaries: what the tables of an analysis say of one network, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.console.layout import Cell

if TYPE_CHECKING:
    import pandas as pd


def best_readouts(found: pd.DataFrame) -> dict[str, Cell]:
    """latent -> '.812 layer4': the layer with the highest mean over folds, n/a where none is a number."""
    means = found.groupby(["latent", "layer"], sort=False).value.mean()
    told: dict[str, Cell] = {}
    for latent in dict.fromkeys(found.latent):
        own = means[latent]
        told[str(latent)] = f"{own.max():.3f} {own.idxmax()}" if own.notna().any() else "n/a"
    return told


def within_and_across(found: pd.DataFrame, *, is_alike: bool = True) -> dict[str, Cell]:
    """latent -> '.81/.75': means over folds within and across conditions, at the layer that is best within.

    The two directions of a comparison are two questions: 'x where z>3'.
    """
    if not is_alike:
        found = found.assign(latent=found.latent + " where " + found.left_out_values)
    means = found.groupby(["latent", "layer"], sort=False)[["within", "value"]].mean()
    told: dict[str, Cell] = {}
    for latent in dict.fromkeys(found.latent):
        own = means.loc[latent]
        if own.within.notna().any():
            layer = own.within.idxmax()
            told[str(latent)] = f"{own.within[layer]:.2f}/{own.value[layer]:.2f}".replace("0.", ".")  # fits
    return told


def of_last_layer(found: pd.DataFrame, measure: str) -> dict[str, Cell]:
    """The last layer of a table of populations and, by factor, a measure of it."""
    last = found[(found.measure == measure) & (found.layer == found.layer.iloc[-1])]
    return {"layer": str(found.layer.iloc[-1]), **{str(row.factor): float(row.value) for row in last.itertuples()}}
