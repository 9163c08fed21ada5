"""Cross-validated predictions of one layer for one benchmark, as they are kept with a score and resampled later.

Two Parquet files hold those of a run: PREDICTIONS has a row a unit, with a list of float32 over the stimuli each of
prediction, response and noise; STIMULI has a row a stimulus, in the order of the lists. 1,000 units and 3,200 stimuli
are 39 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

PREDICTIONS, STIMULI = "predictions.parquet", "stimuli.parquet"
WORDS = ("benchmark", "region", "metric", "layer", "unit")
KEY = ("benchmark", "metric")
SESSION = ", session "  # between the name of a benchmark and that of one of its recordings


@dataclass(frozen=True)
class Predictions:
    """stimuli: (n,) ids; folds: (n,) in which fold each was predicted by a regression that did not see it; units:
    names; predicted, responses: (n, units) float32; noise: the variance of each response, which is a mean over trials,
    or None where it is not known; reliability: (units,) of the responses, NaN where it is not known."""

    benchmark: str
    region: str
    metric: str
    layer: str
    stimuli: tuple[str, ...]
    folds: np.ndarray
    units: tuple[str, ...]
    predicted: np.ndarray
    responses: np.ndarray
    noise: np.ndarray | None
    reliability: np.ndarray


def recording_of(benchmark: str, session: str) -> str:
    """What one session of a benchmark is called in its predictions."""
    return f"{benchmark}{SESSION}{session}"


def write(found: Sequence[Predictions], folder: Path) -> tuple[Path, Path]:
    """Write both files, also where there is nothing to keep. A row group each, so that one can be read alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = pa.list_(pa.float32())
    schema = pa.schema([(name, pa.string()) for name in WORDS])
    schema = pa.schema([*schema, ("reliability", pa.float32()), *((n, values) for n in ("prediction", "response"))])
    schema = schema.append(pa.field("noise", values))
    shown = pa.schema([*((name, pa.string()) for name in (*KEY, "stimulus_id")), ("fold", pa.int16())])
    files = folder / PREDICTIONS, folder / STIMULI
    with (
        pq.ParquetWriter(files[0], schema, use_dictionary=[*WORDS]) as units,
        pq.ParquetWriter(files[1], shown) as stimuli,
    ):
        for one in found:
            units.write_table(_units(one, schema))
            said = {name: [getattr(one, name)] * len(one.stimuli) for name in KEY}
            rows = said | {"stimulus_id": list(one.stimuli), "fold": one.folds.astype(np.int16)}
            stimuli.write_table(pa.table(rows, schema=shown))
    return files


def read(file: Callable[[str], Path], benchmarks: Collection[tuple[str, str]] | None = None) -> Iterator[Predictions]:
    """What a run has kept. file: name -> its local path; benchmarks: only these (benchmark, metric), with
    the sessions of each."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    shown, units = pq.read_table(file(STIMULI)), pq.ParquetFile(file(PREDICTIONS))
    for group in range(units.num_row_groups):
        first = units.read_row_group(group, columns=[*WORDS]).slice(0, 1).to_pylist()
        if not first:
            continue
        whole, metric = first[0]["benchmark"].partition(SESSION)[0], first[0]["metric"]
        if benchmarks is not None and not {(first[0]["benchmark"], metric), (whole, metric)} & set(benchmarks):
            continue
        table, facts = units.read_row_group(group), first[0]
        mine = shown.filter(pc.and_(*(pc.equal(shown[name], facts[name]) for name in KEY)))
        noise = None if table["noise"].null_count else _matrix(table["noise"])
        benchmark, region, metric, layer = (facts[name] for name in WORDS[:-1])
        yield Predictions(
            benchmark, region, metric, layer, tuple(mine["stimulus_id"].to_pylist()), mine["fold"].to_numpy(),
            tuple(table["unit"].to_pylist()), _matrix(table["prediction"]), _matrix(table["response"]), noise,
            table["reliability"].to_numpy(),
        )  # fmt: skip


def _units(one: Predictions, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    n, units = one.predicted.shape

    def lists(values: np.ndarray | None) -> pa.Array:
        if values is None:
            return pa.nulls(units, pa.list_(pa.float32()))
        flat = pa.array(np.ascontiguousarray(values.T, np.float32).ravel())
        return pa.ListArray.from_arrays(pa.array(np.arange(units + 1, dtype=np.int32) * n), flat)

    words = {name: [getattr(one, name)] * units for name in WORDS[:-1]} | {"unit": list(one.units)}
    values = {"prediction": one.predicted, "response": one.responses, "noise": one.noise}
    rows = words | {"reliability": pa.array(np.asarray(one.reliability, np.float32))}
    return pa.table(rows | {name: lists(value) for name, value in values.items()}, schema=schema)


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    """(n, units)."""
    flat = column.combine_chunks().flatten().to_numpy()
    return flat.reshape(len(column), -1).T
