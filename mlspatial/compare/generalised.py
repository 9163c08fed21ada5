"""What read-outs keep under conditions they were not trained in, one tidy table of decode runs that left some out.

They are another question than ordinary read-outs (Evidence.decodings), and are never among those.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.compare.kept import no_rows
from mlspatial.core.names import CFG, DATASET_ID, LEAVE_OUT
from mlspatial.registry import read

if TYPE_CHECKING:
    import pandas as pd

FILE = "generalisation.json"
COLUMNS = ("model_id", "layer", "latent", "measure", "fold", "value", "within", "chance", "within_chance", "n_train")
GENERALISED = (
    "run_id", "model_id", "dataset", "dataset_id", "factor", "layer", "depth", "latent", "measure", "fold", "value",
    "within", "chance", "within_chance",
)  # fmt: skip
SPLIT = read.PARAMS + CFG + "split"


def no_generalised() -> pd.DataFrame:
    """The table without a row."""
    return no_rows(GENERALISED)


def leaves_out(decoded: pd.DataFrame) -> pd.Series:
    """Which decode runs left conditions out. decoded: rows of `read.runs`."""
    import pandas as pd

    split = decoded.get(SPLIT, pd.Series("", decoded.index, dtype=object)).fillna("").astype(str)
    return split.str.strip().str.startswith(LEAVE_OUT)


def generalised(decoded: pd.DataFrame) -> pd.DataFrame:
    """One row a network (or the pixels), dataset, factor left out, layer, latent, measure and fold: GENERALISED.

    decoded: rows of `read.runs` that left conditions out, newest first. value, chance: across conditions; within,
    within_chance: of the random split beside it. What networks' own heads say is left out: they are no read-outs. Of
    several runs of a network, dataset and factor the newest of those with most layers counts: places of layers that
    were asked apart are not known together. A damaged run is left out, with a warning that names it.
    """

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        table = read.table_file(file(FILE))
        if lacking := [name for name in COLUMNS if name not in table]:
            raise ValueError(f"{FILE} lacks {', '.join(lacking)}")
        table = table[table.n_train.astype(float) > 0]
        facts = {"dataset": row.get(read.PARAMS + CFG + "dataset") or "",
                 "dataset_id": row.get(read.TAGS + DATASET_ID) or "",
                 "factor": str(row.get(SPLIT) or "").partition(":")[2].strip()}  # fmt: skip
        depth = table.layer.map({layer: depth for depth, layer in enumerate(dict.fromkeys(table.layer))})
        numbers = dict.fromkeys(["value", "within", "chance", "within_chance"], float)
        made = table.assign(depth=depth, **facts)[[name for name in GENERALISED if name != "run_id"]]
        return made.astype(numbers)

    table = read.tables("generalised-1", decoded, parse)
    if table.empty:
        return no_generalised()
    asked = ["model_id", "dataset_id", "factor"]
    sizes = table.groupby([*asked, "run_id"], sort=False).layer.nunique().reset_index(name="layers")
    best = sizes.sort_values("layers", ascending=False, kind="stable").drop_duplicates(asked)
    return table[table.run_id.isin(best.run_id)].loc[:, list(GENERALISED)].reset_index(drop=True)
