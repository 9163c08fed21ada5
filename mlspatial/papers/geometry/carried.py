"""Whether read-outs carry over: what networks' latents are read out under conditions that were left out of training."""

from __future__ import annotations

import numpy as np

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.latents import measure_of
from mlspatial.papers.geometry.numbers import Seen, of_networks

WITHIN, ACROSS, KEPT = "within", "across", "kept"
MEASURES = {WITHIN: "Within conditions", ACROSS: "Across conditions", KEPT: "Across ÷ within"}
LEAST = 0.1  # above chance within conditions: of less the share that is kept says nothing
FIRST = "category"  # what is left out where as many networks were asked with several factors
NONE = "No network was read out across conditions (decode --split leave_out:category)."


def carried(evidence: Evidence, factor: str = "") -> Seen:
    """The dataset and factor that most networks were asked with (only that factor, if one is named), of those one
    training's last checkpoints and controls: rows of measures WITHIN, ACROSS and KEPT, a latent as label and factor.

    Values are means over folds: Pearson r, of categories accuracy. KEPT: both above chance, across by within, without a
    number where that is below LEAST within conditions. design: the dataset and what was left out, in words.
    """
    import pandas as pd

    table = evidence.generalised
    table = table[table.measure == table.latent.map(measure_of)]
    own = table[table.model_id.isin(evidence.networks.model_id) & ((table.factor == factor) | (not factor))]
    counts = own.groupby(["dataset_id", "factor"], sort=False).model_id.nunique()
    if counts.empty:
        empty = table.iloc[:0].assign(label="", crossing="", runs="", task="", seed=0)
        return Seen(empty, evidence.networks.iloc[:0], "", ())
    pair = max(counts.index, key=lambda one: (counts[one], one[1] == FIRST))
    names = own.drop_duplicates(["dataset_id", "factor"]).set_index(["dataset_id", "factor"]).dataset
    notes: tuple[str, ...] = ()
    if len(counts) > 1:
        others = ", ".join(sorted(f"{one[1]} of {names[one]}" for one in counts.index if one != pair))
        notes = (f"Shown is what was read out with {pair[1]} left out, images of {names[pair]}; not shown: {others}.",)
    chosen = table[(table.dataset_id == pair[0]) & (table.factor == pair[1])]
    chosen = chosen[np.isfinite(chosen.value) & np.isfinite(chosen.within)]  # both of the same folds
    keys = ["run_id", "model_id", "layer", "depth", "latent"]
    numbers = ["value", "within", "chance", "within_chance"]
    means = chosen.groupby(keys, sort=False)[numbers].mean().reset_index()
    usual = means.within - means.within_chance
    means[KEPT] = (means.value - means.chance) / usual.where(usual >= LEAST)
    values = {WITHIN: means.within, ACROSS: means.value, KEPT: means[KEPT]}
    rows = pd.concat([means[keys].assign(measure=name, value=value) for name, value in values.items()])
    rows = rows.assign(label=rows.latent, factor=rows.latent, crossing="").reset_index(drop=True)
    return of_networks(evidence, rows, f"{names[pair]}, {pair[1]} left out", notes)
