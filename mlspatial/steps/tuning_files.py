"""What tuning leaves of a network: tables, metrics, a description and pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.manifest import Manifest
from mlspatial.registry import notes, runs

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.steps.tuning_tables import Tables

POPULATION, UNITS, CURVES, MAPS = "population.parquet", "units.parquet", "curves.parquet", "maps.parquet"
SHOWN = {
    "factorisation_pca": "factorisation (PCA)",
    "factorisation_covariance": "factorisation (covariance)",
    "invariance_published": "invariance",
    "dimension_plain": "dimension of the mean curve",
    "turning_within": "turning angle (degrees)",
}
MAIN = "factorisation_pca"
PICTURES = ("tuning", "variance", "geometry")


def log_tuning(run: runs.Run, tables: Tables, network: str, manifest: Manifest) -> None:
    """All tables, the pictures, and of each factor and layer the numbers that are asked for most as metrics."""
    from mlspatial.compare import controlled
    from mlspatial.compare.run_pages import png
    from mlspatial.steps.tuning_tables import levels_of

    population, units, curves, maps = (
        tables.frame(), _joined(tables.units), _joined(tables.curves), _framed(tables.maps)
    )  # fmt: skip
    factors = levels_of(tables.crossings)
    space = [frame[frame.pool == "space"] for frame in (curves, units)]
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in ((POPULATION, population), (UNITS, units), (CURVES, curves), (MAPS, maps)):
            frame.to_parquet(Path(folder) / name, index=False)
            run.log_file(Path(folder) / name)
        figures = {
            "tuning": controlled.curves_figure(space[0], space[1], factors),
            "variance": controlled.variance_figure(population),
            "geometry": controlled.along_layers(population, SHOWN),
        }
        if len(maps):
            figures["maps"] = controlled.maps_figure(maps, list(factors))
        for name, figure in figures.items():
            (Path(folder) / f"{name}.png").write_bytes(png(figure, name))
            run.log_file(Path(folder) / f"{name}.png", "pictures")
    run.log_inputs([network])
    metrics = population[population.measure.isin([*SHOWN, "variance_component"]) & (population.other == "")]
    metrics = metrics[metrics.value.notna() & ~metrics.factor.str.contains("×")]
    alone = {crossing.name for crossing in tables.crossings if len(crossing.factors) == 1}
    names = metrics.crossing.where(metrics.crossing.isin(alone), metrics.crossing + "." + metrics.factor)
    run.log(
        {
            f"{row.measure}/{name}/{row.layer}": row.value
            for name, row in zip(names, metrics.itertuples(), strict=True)
            if row.factor not in ("context", "residual")
        }
    )
    run.describe(_words(population, manifest))


def _words(population: pd.DataFrame, manifest: Manifest) -> str:
    last = list(dict.fromkeys(population.layer))
    rows = []
    for layer in last:
        for factor in dict.fromkeys(population[population.measure == "factorisation_pca"].factor):
            own = population[(population.layer == layer) & (population.factor == factor) & (population.other == "")]
            value = own.drop_duplicates("measure").set_index("measure").value
            names = ("variance_component", "factorisation_pca", "invariance_published", "dimension_plain")
            rows.append((layer, factor, *(float(value.get(name, float("nan"))) for name in names)))
    head = ("layer", "factor", "share of variance", "factorisation", "invariance", "dimension")
    told = (
        f"Design of dataset {manifest.name}. All numbers are in the artifacts {POPULATION}, {UNITS}, {CURVES}, {MAPS}."
    )
    return notes.table(head, rows) + f"\n\n{told}"


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(list(frames), ignore_index=True)


def _framed(rows: list[dict]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=["layer", "crossing", "factor", "height", "width", "share"])


def pictures() -> list[str]:
    """Files of the pictures that every run has."""
    return [f"pictures/{name}.png" for name in PICTURES]
