"""Responses to stimuli: one array of trials with names, put together from rows and aligned by names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.benchmarks.ids import one_each, some
from mlspatial.core.errors import StimulusMismatch, UserError
from mlspatial.core.progress import say

AXES = ("stimulus", "neuroid", "repeat")

#: What the three axes are called in files; Brain-IO's assemblies say image_id (before 2023), stimulus_id, repetition.
NAMES = {
    "stimulus": ("stimulus_id", "stimulus", "image_id", "image"),
    "neuroid": ("neuroid_id", "neuroid", "neuron", "unit", "site", "channel"),
    "repeat": ("repeat", "repetition", "trial", "repeat_id"),
    "region": ("region",),
}


@dataclass(frozen=True)
class Responses:
    """trials: (stimuli, neuroids, repeats) float64, NaN = missing; stimuli: their ids (picture names without ending),
    None where the file has none; neuroids: names; labels: one a stimulus, from the column asked for, or None; facts:
    name -> what the file says of each neuroid (its session, electrode, ROI), as text; subject: whose responses."""

    trials: np.ndarray
    stimuli: tuple[str, ...] | None
    neuroids: tuple[str, ...]
    labels: np.ndarray | None = None
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subject: str = ""

    def with_facts(self, facts: Mapping[str, tuple[str, ...]], subject: str = "") -> Responses:
        return replace(self, facts=facts, subject=subject)

    def aligned(self, ids: Sequence[str], what: str) -> Responses:
        """In the order of the stimuli `ids`; by name where the file has names, else as they are.

        Raises StimulusMismatch, naming them, for stimuli without responses and responses without a stimulus.
        """
        if self.stimuli is None:
            if len(self.trials) != len(ids):
                raise StimulusMismatch(f"{what}: {len(self.trials)} stimuli have responses, {len(ids)} have images")
            return self
        place = {name: i for i, name in enumerate(self.stimuli)}
        if absent := [name for name in ids if name not in place]:
            raise StimulusMismatch(
                f"{what}: {len(absent)} stimuli have no responses ({some(absent)}); "
                "remove the pictures or add the responses"
            )
        if strange := sorted(set(place) - set(ids)):
            raise StimulusMismatch(
                f"{what}: responses to {len(strange)} stimuli without a picture ({some(strange)}); "
                "add the pictures or remove the responses"
            )
        order = np.array([place[name] for name in ids])
        labels = None if self.labels is None else self.labels[order]
        return replace(self, trials=self.trials[order], stimuli=tuple(ids), labels=labels)


def counting(
    path: Path, units: Sequence[str], wanted: Sequence[str], regions: Sequence[str] | None, region: str
) -> list[int]:
    """Places of the neuroids that count: those with a wanted name, of the region. Raises UserError for none."""
    for pattern in wanted:
        if not any(fnmatchcase(unit, pattern) for unit in units):
            raise UserError(f"responses {path}: neuroids={pattern}: there is none of this name (names: {some(units)})")
    named = [i for i, unit in enumerate(units) if not wanted or any(fnmatchcase(unit, name) for name in wanted)]
    if regions is None or not region:
        return named
    here = [i for i in named if regions[i] == region]
    there = sorted({regions[i] for i in named})
    if not here:
        raise UserError(f"responses {path}: has neuroids of {some(there)}, none of region {region}; write one of those")
    if len(there) > 1:
        say(f"{path.name}: {len(here)} of {len(named)} neuroids are of region {region} and count")
    return here


def gathered(
    path: Path,
    stimuli: list[str],
    repeats: list[Any] | None,
    values: np.ndarray,
    neuroids: tuple[str, ...],
    labels: list[str] | None,
    units: list[str] | None = None,
) -> Responses:
    """Rows to (stimuli, neuroids, repeats). values: (rows, neuroids), or (rows, 1) of the neuroid in `units`.

    Without numbers of repeats the rows of one stimulus (and neuroid) are its repeats as they come.
    """
    import pandas as pd

    if not len(stimuli):
        raise UserError(f"responses {path}: is empty")
    rows = pd.DataFrame({"stimulus": pd.factorize(np.array(stimuli, object))[0]})
    rows["unit"] = 0 if units is None else pd.Index(neuroids).get_indexer(pd.Index(units))
    if repeats is None:
        rows["repeat"] = rows.groupby(["stimulus", "unit"]).cumcount()
    else:
        rows["repeat"] = pd.factorize(pd.Series(repeats), sort=True)[0]
    if (rows["repeat"] < 0).any():
        raise UserError(f"responses {path}: {int((rows['repeat'] < 0).sum())} rows lack the number of their repeat")
    names = tuple(dict.fromkeys(stimuli))
    if repeats is not None and len(names) > 1 and (rows.groupby("repeat").stimulus.nunique() == 1).all():
        say(f"{path.name}: the numbers of its repeats run over the whole session; counted for each stimulus here")
        of = ["stimulus"] if rows["repeat"].duplicated().any() else ["stimulus", "unit"]
        rows["repeat"] = rows.groupby(of)["repeat"].rank("dense").astype(int) - 1
    if rows.duplicated().any():
        row = int(np.flatnonzero(rows.duplicated())[0])
        who = "" if units is None else f" of neuroid {units[row]}"
        raise UserError(
            f"responses {path}: repeat {(repeats or [])[row]} of stimulus {stimuli[row]}{who} is there twice"
        )
    trials = np.full((len(names), len(neuroids), int(rows["repeat"].max()) + 1), np.nan)
    at, turn = rows["stimulus"].to_numpy(), rows["repeat"].to_numpy()
    if units is None:
        trials[at, :, turn] = values
    else:
        trials[at, rows["unit"].to_numpy(), turn] = values[:, 0]
    strata = None
    if labels is not None:
        found = one_each(path, stimuli, labels)
        strata = np.array([found[name] for name in names])
    return Responses(trials, names, neuroids, strata)
