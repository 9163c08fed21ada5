"""Runs as tidy tables, quickly, also when there are ten thousand of them: read once, then kept (see run_cache)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.names import CFG, ENTRY, STUDY, TAG
from mlspatial.registry.artifacts import files
from mlspatial.registry.gathered import ask
from mlspatial.registry.patience import at_once
from mlspatial.registry.query import Query
from mlspatial.registry.run_cache import RunCache, kept

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow

INFO = ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time")
THREADS = 8  # artifacts that are fetched at a time
SCORE_NUMBERS = {"raw", "ceiling", "ceiled", "error", "n", "r2_over_c", "r_over_c_squared", "depth"}
TIMES = ("start_time", "end_time")
TAGS, PARAMS, METRICS = "tags.", "params.", "metrics."

Parse = Callable[[dict[str, Any], Callable[..., Path]], "pd.DataFrame"]


def read(
    *,
    entry: str = "",
    study: str = "",
    status: str = "FINISHED",
    metrics: Sequence[str] | None = None,
    ids: Iterable[str] | None = None,
) -> pd.DataFrame:
    """One row a run, newest first, with the columns and values of `mlflow.search_runs`.

    They are run_id, experiment_id, status, artifact_uri, start_time, end_time, metrics.NAME (last value), params.NAME,
    tags.NAME. entry: "" for every entry of ours; study: "" for all; status: "" for any; metrics: beginnings of the
    names that are wanted, None for all; ids: only these of them. Finished runs come from the cache where the store
    still has them. Raises UserError when the store does not answer.
    """
    query = Query(entry, study, status)
    cache = RunCache() if status == "FINISHED" else None
    known = cache.stamps(query) if cache else {}
    present, rows = ask(lambda source: source.sync(query, known))
    if cache:
        cache.renew(known.keys() - present, rows)
        rows = cache.take(present)
    else:
        rows = _those(rows, present)
    return _wide(rows if ids is None or rows is None else _those(rows, set(ids)), metrics)


def histories(run_ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """run_id, metric, step, value of everything logged; of a step that was logged twice the later value."""
    import pandas as pd

    ids, names = list(dict.fromkeys(run_ids)), list(dict.fromkeys(metrics))
    found = ask(lambda source: source.histories(ids, names)) if ids and names else []
    table = pd.DataFrame(found, columns=["run_id", "metric", "step", "value", "timestamp"])
    table = table.sort_values(["run_id", "metric", "step", "timestamp"], kind="stable", ignore_index=True)
    return table.drop_duplicates(["run_id", "metric", "step"], keep="last", ignore_index=True).drop(columns="timestamp")


def heldout_histories(trained: pd.DataFrame) -> pd.DataFrame:
    """histories of all metrics heldout/... of finished runs, kept; trained: rows of `read`."""

    if trained.empty:
        return histories([], [])
    names = [name.removeprefix(METRICS) for name in trained if name.startswith(METRICS + "heldout/")]

    def make(missing: list[str]) -> dict[str, pd.DataFrame]:
        logged = dict(tuple(histories(missing, names).groupby("run_id")))
        return {run: logged[run] for run in missing if run in logged}

    found = kept("heldout-1", ends(trained), make)
    return found if len(found) else histories([], [])


def versions() -> pd.DataFrame:
    """One row a registered checkpoint, newest first: uri, name, version, run_id, created (ms), the version's tags."""
    import pandas as pd

    table = pd.DataFrame(ask(lambda source: source.versions(), registry=True))
    return table.sort_values("created", ascending=False, kind="stable", ignore_index=True) if len(table) else table


def artifact_tables(kind: str, chosen: pd.DataFrame, parse: Parse) -> pd.DataFrame:
    """What finished runs hold in files, one below the other, with a column run_id: read once, then kept.

    chosen: rows of `read`, whose order is kept; parse(row, file): the table of one run, where file(name, ...) is the
    local path of an artifact, of several names the first that is there. A run whose files are missing or damaged is
    left out, with a warning that names it. kind: of table, with its version.
    """
    from mlflow.exceptions import MlflowException

    rows = {row["run_id"]: row for row in chosen.to_dict("records")}
    problems: dict[str, str] = {}

    def one(run: str) -> pd.DataFrame | None:
        try:
            with files(rows[run]["artifact_uri"]) as file:
                return parse(rows[run], file)
        except (MlflowException, OSError, ValueError, KeyError) as error:
            problems[run] = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
            return None

    def make(missing: list[str]) -> dict[str, pd.DataFrame]:
        found = dict(zip(missing, at_once(one, missing, THREADS), strict=True))
        return {run: table for run, table in found.items() if table is not None}

    table = kept(kind, ends(chosen), make)
    if problems:
        run, reason = next(iter(problems.items()))
        others = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        warnings.warn(f"run {run}{others}: {kind} left out: {reason}", stacklevel=2)
    order = {run: place for place, run in enumerate(rows)}
    return table.iloc[table.run_id.map(order).argsort(kind="stable")].reset_index(drop=True)


def ends(chosen: pd.DataFrame) -> dict[str, int]:
    """run id -> end in milliseconds since 1970, 0 when unknown; chosen: rows of `read`."""
    if chosen.empty:
        return {}
    return {
        run: 0 if end != end else end.value // 10**6 for run, end in zip(chosen.run_id, chosen.end_time, strict=True)
    }


def _those(rows: pyarrow.Table, ids: Collection[str]) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.is_in(rows["run_id"], value_set=pa.array(sorted(ids), pa.string())))


def _wide(rows: pyarrow.Table | None, metrics: Sequence[str] | None) -> pd.DataFrame:
    """Long rows (run_id, kind, key, text, number) as one row a run."""
    import numpy as np
    import pandas as pd

    if rows is None or not len(rows):
        return pd.DataFrame({name: [] for name in (*INFO, *(TAGS + name for name in (ENTRY, STUDY)))})
    run_codes, runs_there = _codes(rows["run_id"])
    key_codes, keys = _codes(rows["key"])
    kind_codes, kinds = _codes(rows["kind"])
    text_codes, texts = _codes(rows["text"])
    words = np.array([*texts, None], dtype=object)  # the last for null, whose code is -1
    numbers = rows["number"].to_numpy()
    columns: dict[str, np.ndarray] = {"run_id": np.array(runs_there, dtype=object)}
    for kind, prefix in (("info", ""), ("times", ""), ("metrics", METRICS), ("params", PARAMS), ("tags", TAGS)):
        if kind not in kinds:
            continue
        of_kind = kind_codes == kinds.index(kind)
        names = sorted((keys[code], code) for code in np.unique(key_codes[of_kind]))
        if kind == "metrics" and metrics is not None:
            names = [(name, code) for name, code in names if name.startswith(tuple(metrics))]
        used = np.array([code for _, code in names], dtype=np.int64)
        place = np.full(len(keys), -1)
        place[used] = np.arange(len(used))
        chosen = of_kind & (place[key_codes] >= 0)
        where = place[key_codes[chosen]], run_codes[chosen]
        values: np.ndarray
        if kind in ("metrics", "times"):
            values = np.full((len(used), len(runs_there)), np.nan)
            values[where] = numbers[chosen]
        else:
            values = np.full((len(used), len(runs_there)), None, dtype=object)
            values[where] = words[text_codes[chosen]]
        columns |= {prefix + keys[code]: row for code, row in zip(used, values, strict=True)}
    table = pd.DataFrame(columns, copy=False)
    for name in TIMES:
        table[name] = pd.to_datetime(table[name], unit="ms", utc=True)
    return table.sort_values(["start_time", "run_id"], ascending=[False, True], ignore_index=True)


def _codes(column: pyarrow.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """(codes, words) of a column; -1 for null. Only words that occur."""
    import numpy as np
    import pyarrow as pa

    array = (
        column.combine_chunks() if pa.types.is_dictionary(column.type) else column.combine_chunks().dictionary_encode()
    )
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    words = array.dictionary.to_pylist()
    there = np.zeros(len(words) + 1, dtype=bool)
    there[codes] = True
    there[-1] = False
    renamed = np.full(len(words) + 1, -1)
    renamed[np.flatnonzero(there)] = np.arange(there.sum())
    return renamed[codes], [word for word, used in zip(words, there[:-1], strict=True) if used]


# What the tables of conditions are made from -------------------------------------------------------------------------


def settings_of(trained: pd.DataFrame, leave_out: Collection[str]) -> list[str]:
    """What else decides the result of each training run (lr, batch_size, ...), so that runs that differ in it are never
    averaged together. The version of the procedure belongs to it where a run has the tag. trained: rows of `read`."""
    labels = {name: name.removeprefix(PARAMS + CFG) for name in sorted(trained) if name.startswith(PARAMS + CFG)}
    labels = {name: label for name, label in labels.items() if label not in leave_out}
    if TAGS + TAG + "version" in trained:
        labels[TAGS + TAG + "version"] = "version"
    columns = [
        [f"{label} {value}" if isinstance(value, str) else "" for value in trained[name]]
        for name, label in labels.items()
    ]
    if not columns:
        return [""] * len(trained)
    return [", ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]


def score_tables(chosen: pd.DataFrame) -> pd.DataFrame:
    """scores.json of score runs, one below the other, with run_id. chosen: rows of `read`."""
    import pandas as pd

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        table = read_split(file("scores.json"))
        for name in SCORE_NUMBERS & set(table):
            table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
        for name in set(table) - SCORE_NUMBERS - {"committed", "primary"}:
            table[name] = [str(value) if value == value and value is not None else None for value in table[name]]
        return table

    return artifact_tables("scores-1", chosen, parse)


def read_split(path: Path) -> pd.DataFrame:
    """A table as `Run.log_table` writes it, or in pandas' form with a schema. Types are those of the JSON: an id of
    digits stays a text, and so does the name of a column."""
    import pandas as pd

    text = path.read_text()
    plain: dict[str, Any] = {"convert_dates": False, "precise_float": True}
    if text.startswith('{"schema"'):
        return pd.read_json(io.StringIO(text), orient="table", **plain)
    return pd.read_json(io.StringIO(text), orient="split", dtype=False, convert_axes=False, **plain)
