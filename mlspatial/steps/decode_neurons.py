"""What of recorded units' read-outs trial noise allows: columns beside what was read out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.core.latents import Latent
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.analysis.splits import Split
    from mlspatial.benchmarks.neurons import NeuralBenchmark

CEILING, CEILED = "noise_ceiling", "ceiled"


def with_ceilings(
    table: pd.DataFrame,
    brain: NeuralBenchmark,
    values: Mapping[str, np.ndarray],
    latents: Sequence[Latent],
    splits: Sequence[Split],
    seed: int,
) -> pd.DataFrame:
    """A decoding's table with noise_ceiling (of the r of each number and fold, see analysis.read_out_ceiling) and
    ceiled (r over it); NaN of other measures, of categories, and where trials do not tell, which is said."""
    from mlspatial.analysis.read_out_ceiling import read_out_ceilings

    table = table.assign(**{CEILING: np.nan, CEILED: np.nan})
    try:
        if brain.trials is None:
            raise UserError("there is one trial of each")
        found = read_out_ceilings(brain.trials, values, latents, splits, seed=seed)
    except UserError as error:
        say(f"decode: {brain.identifier} has no noise ceilings: {error}")
        return table
    if noisy := [name for name, ceilings in found.items() if np.isnan(ceilings).all()]:
        say(
            f"decode: {brain.identifier} has no noise ceiling of {', '.join(noisy)}: what two halves of its trials say "
            "does not clearly correlate"
        )
    r = table.measure == "pearson_r"
    table[CEILING] = [
        found[latent][fold] if known and latent in found else np.nan
        for latent, fold, known in zip(table.latent, table.fold, r, strict=True)
    ]
    table[CEILED] = table.value / table[CEILING]
    return table
