"""How alike networks and neurons are in what their units do with a design: distances of the distributions of tuning."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlspatial.compare.plots import FORMATS
from mlspatial.core.context import Context
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.manifest import Manifest
from mlspatial.core.names import MODEL_ID, TAG
from mlspatial.core.parameters import ENTRIES
from mlspatial.core.progress import bar
from mlspatial.registry import notes, runs
from mlspatial.steps.tuning_files import UNITS

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2  # of the comparison; runs of one network have another
TABLE = "tuning_distances.parquet"
PICTURE = "distances"
Kind = Literal["control", "neurons", "network"]
CONTROL: Kind = "control"
NEURONS: Kind = "neurons"
NETWORK: Kind = "network"
SPACE = "space"
POOLS = (SPACE, "centre")
#: column of units.parquet -> words
PROPERTIES = {
    "selectivity": "selectivity",
    "monotonicity": "monotonicity",
    "width": "width",
    "preferred": "preferred value",
    "reliability": "reliability",
    "across_contexts": "agreement across contexts",
    "circular_variance": "circular variance",
}
COLUMNS = ("brain", "region", "model_id", "task", "group", "seed", "layer", "pool", "crossing", "factor", "property",
           "distance", "error", "floor", "floor_95", "p", "n_units", "n_neurons", "undefined_units",
           "undefined_neurons")  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A run of this call. group: what its line in a figure is called."""

    id: str
    group: str
    kind: Kind


def compare(
    made: Sequence[Made], crossings: Sequence[Crossing], manifest: Manifest, cfg: dict[str, Any], context: Context
) -> str:
    """Id of a run with the distances between each layer of networks and pixels and each brain. made: with networks and
    neurons among them; cfg: all parameters."""
    from mlspatial.analysis.versions import versions

    parents = [one.id for one in made]
    inputs = {
        "dataset_id": manifest.dataset_id,
        "runs": sorted(parents),
        "versions": versions("distributions"),
    }
    spec = runs.Spec("tuning", VERSION, inputs, cfg, ENTRIES["tuning"].free)
    brains = [one for one in made if one.kind == NEURONS]
    others = [one for one in made if one.kind != NEURONS]
    lacks = runs.missing(TABLE, *(f"pictures/{PICTURE}.{suffix}" for suffix in FORMATS))
    name = f"tuning of {len(others)} networks and {len(brains)} brains"
    with runs.open_run(spec, name=name, lacks=lacks, **context.on(parents).run) as run:
        if not run.answered:
            _log(run, _table(others, brains, crossings, int(cfg["seed"])))
    return run.id


def _table(others: Sequence[Made], brains: Sequence[Made], crossings: Sequence[Crossing], seed: int) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    neurons = [(one, _units(one)) for one in brains]
    with bar("distances of tuning", len(others) * len(brains), "pair") as progress:
        for one in others:
            tags, units = runs.get(one.id).tags, _units(one)
            facts = {"model_id": tags[MODEL_ID], "task": tags[TAG + "task"], "group": one.group,
                     "seed": int(tags[TAG + "seed"])}  # fmt: skip
            for brain, answers in neurons:
                for region, own in answers[answers.pool == SPACE].groupby("layer", sort=False):
                    said = {"brain": brain.group, "region": str(region), **facts}
                    rows += [{**said, **row} for row in distances(units, own, crossings, seed)]
                progress.update(1)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def distances(
    units: pd.DataFrame, neurons: pd.DataFrame, crossings: Sequence[Crossing], seed: int
) -> Iterator[dict[str, Any]]:
    """A row for each layer, pool, factor and property that is defined on either side.

    units, neurons: rows of units.parquet, the second of one layer and pool. Draws of neurons are the same for all
    layers.
    """
    from mlspatial.analysis.distributions import distance

    asked = [(crossing.name, factor) for crossing in crossings for factor in crossing.factors]
    brain = dict(tuple(neurons.groupby(["crossing", "factor"], sort=False)))
    for (layer, pool), own in units[units.pool.isin(POOLS)].groupby(["layer", "pool"], sort=False):
        network = dict(tuple(own.groupby(["crossing", "factor"], sort=False)))
        for place, (crossing, factor) in enumerate(asked):
            both = network[crossing, factor.name], brain[crossing, factor.name]
            for number, name in enumerate(PROPERTIES):
                first, second = (side[name].to_numpy(np.float64) for side in both)
                if not (np.isfinite(first).any() or np.isfinite(second).any()):
                    continue
                rng = np.random.default_rng([seed, place, number])
                found = distance(first, second, rng, period=_period(name, factor))
                where = {"layer": layer, "pool": pool, "crossing": crossing, "factor": factor.name, "property": name}
                yield {**where, **asdict(found)}


def _period(name: str, factor: Factor) -> float | None:
    from mlspatial.analysis.curves import CIRCLE
    from mlspatial.analysis.tuning import is_whole_circle

    return CIRCLE if name == "preferred" and is_whole_circle(factor) else None


def _units(one: Made) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(runs.local(one.id, UNITS))


def _log(run: runs.Run, table: pd.DataFrame) -> None:
    from mlspatial.compare.controlled import distances_figure
    from mlspatial.compare.plots import save

    shown = table[(table.pool == SPACE) & (table.floor > 0)]
    shown = shown.assign(ratio=shown.distance / shown.floor, ratio_95=shown.floor_95 / shown.floor)
    with tempfile.TemporaryDirectory() as folder:
        table.to_parquet(Path(folder) / TABLE, index=False)
        run.log_file(Path(folder) / TABLE)
        for file in save(distances_figure(shown, PROPERTIES), Path(folder), PICTURE):
            run.log_file(file, "pictures")
    keys = ["brain", "group", "property", "layer"]
    medians = shown.groupby(keys, sort=False)[["ratio", "ratio_95"]].median().reset_index()
    closest = medians.loc[medians.groupby(keys[:3], sort=False).ratio.idxmin()]
    run.log({f"over_floor/{row.brain}/{row.group}/{row.property}": row.ratio for row in closest.itertuples()})
    rows = [(row.brain, row.group, PROPERTIES[row.property], row.layer, row.ratio, row.ratio_95)
            for row in closest.itertuples()]  # fmt: skip
    head = ("brain", "network", "property", "closest layer", "distance / floor", "95 % of halves / floor")
    run.describe(
        notes.table(head, rows) + "\n\nMedians over factors and seeds of Wasserstein distances between channels' means "
        f"over space and neurons, over what halves of the neurons differ by. All are in the artifact {TABLE}."
    )
