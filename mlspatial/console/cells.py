"""Rows of summaries: what the tables of an analysis say of one network, in a few words.

Tables come as rows, column -> value with None (or NaN) where there is none: pandas takes seconds to load.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from mlspatial.console.layout import Cell

Rows = Sequence[Mapping[str, Any]]


def means(pairs: Iterable[tuple[Hashable, float | None]]) -> dict[Any, float | None]:
    """key -> the mean of its values that are numbers, None where none is; keys in the order in which they come."""
    values: dict[Hashable, list[float]] = {}
    for key, value in pairs:
        values.setdefault(key, [])
        if value is not None and value == value:
            values[key].append(float(value))
    return {key: fmean(found) if found else None for key, found in values.items()}


def _highest(found: Mapping[str, float | None]) -> str | None:
    """The first key with the highest value, None where none has one."""
    known = {key: value for key, value in found.items() if value is not None}
    return max(known, key=lambda key: known[key]) if known else None


def best_readouts(found: Rows) -> dict[str, Cell]:
    """latent -> '.812 layer4': the layer with the highest mean over folds, n/a where none is a number."""
    told: dict[str, Cell] = {}
    for latent in dict.fromkeys(row["latent"] for row in found):
        own = means((row["layer"], row["value"]) for row in found if row["latent"] == latent)
        best = _highest(own)
        told[str(latent)] = "n/a" if best is None else f"{own[best]:.3f} {best}"
    return told


def within_and_across(found: Rows, *, is_alike: bool = True) -> dict[str, Cell]:
    """latent -> '.81/.75': means over folds within and across conditions, at the layer that is best within.

    The two directions of a comparison are two questions: 'x where z>3'.
    """
    questions: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        question = row["latent"] if is_alike else f"{row['latent']} where {row['left_out_values']}"
        questions.setdefault(str(question), []).append(row)
    told: dict[str, Cell] = {}
    for question, rows in questions.items():
        within = means((row["layer"], row["within"]) for row in rows)
        across = means((row["layer"], row["value"]) for row in rows)
        best = _highest(within)
        if best is not None:
            value = across[best]
            said = f"{within[best]:.2f}/{float('nan') if value is None else value:.2f}"
            told[question] = said.replace("0.", ".")  # fits
    return told


def of_last_layer(found: Rows, measure: str) -> dict[str, Cell]:
    """The last layer of a table of populations and, by factor, a measure of it."""
    layer = found[-1]["layer"]
    last = [row for row in found if row["measure"] == measure and row["layer"] == layer]
    return {"layer": str(layer), **{str(row["factor"]): _cell(row["value"]) for row in last}}


def _cell(value: float | None) -> float:
    return float("nan") if value is None else float(value)
