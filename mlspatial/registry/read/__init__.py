"""Runs of the tracking store as tidy tables, quickly, also when there are ten thousand of them: read once, then kept.

    chosen = runs(entry="score", study="quick")   one row a run, as `mlflow.search_runs` gives it
    with together("quick"): ...                   inside, the store is asked once for the runs of all entries
    scores(chosen), units(chosen)                 what score runs hold in files, one below the other
    tables(kind, chosen, parse), table_file       the same of other files; one file
    predictions(chosen)                           a function that reads those that a score run has kept
    histories(ids, names), heldout_histories      everything that was logged of metrics
    versions()                                    one row a registered checkpoint

That a database, MLflow's REST interface or its client is asked (`sql`, `rest`), and what was kept (`cache`), is nothing
that a caller sees.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlspatial.core.errors import UserError
from mlspatial.core.names import CFG, ENTRY, SPEC
from mlspatial.core.predictions import Predictions
from mlspatial.registry.artifacts import files
from mlspatial.registry.bundle import BUNDLED
from mlspatial.registry.patience import at_once, mlflow_errors, patiently, place, store_errors
from mlspatial.registry.read.cache import Kept, kept
from mlspatial.registry.read.rest import Client
from mlspatial.registry.read.rows import PREFIXES, WORDS, Query, Stamp, of_runs, wide
from mlspatial.registry.read.sql import Database
from mlspatial.registry.record import RunRecord
from mlspatial.registry.store import is_elsewhere, is_plain, opened, tracking_uri

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

DATABASES = ("sqlite", "postgresql")
THREADS = 8  # artifacts that are fetched at a time
SCORE_NUMBERS = {"raw", "ceiling", "ceiled", "error", "n", "r2_over_c", "r_over_c_squared", "depth"}
SCORE_NUMBERS |= {"ceiling_error", "ceiled_error"}
TAGS, PARAMS, METRICS = (PREFIXES[kind] for kind in ("tags", "params", "metrics"))

Parse = Callable[[dict[str, Any], Callable[..., Path]], "pd.DataFrame"]
Answer = TypeVar("Answer")


def runs(
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
    there, rows = _synced(Query(entry, study, status))
    wanted = there.keys() if ids is None else there.keys() & set(ids)
    return wide(None if rows is None else of_runs(rows, wanted), metrics)


@contextmanager
def together(study: str) -> Iterator[None]:
    """Inside, `runs` of this study ("" for all) asks the store once for every entry, not once for each, and answers
    from what was there then: a server takes its time for each request."""
    token = _TOGETHER.set(_Together(study))
    try:
        yield
    finally:
        _TOGETHER.reset(token)


@dataclass
class _Together:
    study: str
    synced: dict[str, _Synced] = field(default_factory=dict)  # by status
    source: Client | None = None


_Synced = tuple[dict[str, Stamp], "pyarrow.Table | None"]  # stamps of runs that fit, rows of these and of others
_TOGETHER: ContextVar[_Together | None] = ContextVar("runs that are read together", default=None)


def _synced(query: Query) -> _Synced:
    shared = _TOGETHER.get()
    if shared is None or query.study != shared.study:
        return _sync(query)
    if query.status not in shared.synced:
        shared.synced[query.status] = _sync(Query("", query.study, query.status))
    there, rows = shared.synced[query.status]
    return {run: stamp for run, stamp in there.items() if query.like(stamp)}, rows


def _sync(query: Query) -> _Synced:
    if query.status != "FINISHED":
        return _ask(lambda source: source.sync(query, {}))
    cache = Kept("runs", WORDS)
    known = {run: stamp for run, stamp in cache.stamps.items() if query.like(stamp)}
    there, rows = _ask(lambda source: source.sync(query, known))
    read = {run: there[run] for run in rows["run_id"].unique().to_pylist() if run in there}
    cache.renew(rows, read, known.keys() - there.keys())
    return there, cache.table


def records(
    *, entry: str = "", study: str = "", status: str = "FINISHED", metrics: Sequence[str] = ()
) -> list[RunRecord]:
    """The same runs, newest first, as the registry remembers each. metrics: as in `runs`, by default none."""
    return [_record(row) for row in runs(entry=entry, study=study, status=status, metrics=metrics).to_dict("records")]


def _record(row: dict[Any, Any]) -> RunRecord:
    def of(prefix: str) -> dict[str, Any]:
        return {
            key.removeprefix(prefix): value
            for key, value in row.items()
            if key.startswith(prefix) and value is not None and value == value
        }

    tags, start, end = of(TAGS), row["start_time"], row["end_time"]
    return RunRecord(
        id=row["run_id"],
        entry=tags.get(ENTRY, ""),
        spec=tags.get(SPEC, ""),
        status=row["status"],
        name=tags.get("mlflow.runName", ""),
        start=start.value // 10**6 if start == start else 0,
        experiment=row["experiment_id"],
        cfg=of(PARAMS + CFG),
        tags=tags,
        metrics=of(METRICS),
        artifacts=row["artifact_uri"] or "",
        end=end.value // 10**6 if end == end else 0,
    )


def histories(run_ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """run_id, metric, step, value of everything logged; of a step that was logged twice the later value."""
    ids = list(dict.fromkeys(run_ids))
    return _histories(dict.fromkeys(metrics, ids))


def _histories(wanted: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The same. wanted: metric -> ids of runs."""
    import pandas as pd

    wanted = {metric: ids for metric, ids in wanted.items() if ids}
    found = _ask(lambda source: source.histories(wanted)) if wanted else []
    table = pd.DataFrame(found, columns=["run_id", "metric", "step", "value", "timestamp"])
    table = table.sort_values(["run_id", "metric", "step", "timestamp"], kind="stable", ignore_index=True)
    return table.drop_duplicates(["run_id", "metric", "step"], keep="last", ignore_index=True).drop(columns="timestamp")


def heldout_histories(trained: pd.DataFrame) -> pd.DataFrame:
    """histories of all metrics heldout/... of finished runs, kept; trained: rows of `runs`."""

    if trained.empty:
        return histories([], [])

    def make(missing: list[str]) -> dict[str, pd.DataFrame]:
        logged = dict(tuple(_histories(_logged(missing, "heldout/")).groupby("run_id")))
        return {run: logged[run] for run in missing if run in logged}

    found = kept("heldout-1", _ends(trained), make)
    return found if len(found) else histories([], [])


def _logged(run_ids: Sequence[str], beginning: str) -> dict[str, list[str]]:
    """Metric -> those of some finished runs that have it: a server looks up each run for each metric it is asked for.
    By the rows that are kept, where a metric that ended as NaN is one that was logged."""
    import pyarrow.compute as pc

    table = Kept("runs", WORDS).table
    if table is None:
        return {}
    table = of_runs(table.filter(pc.equal(table["kind"], "metrics")), run_ids)
    found: dict[str, list[str]] = {}
    for run, metric in zip(table["run_id"].to_pylist(), table["key"].to_pylist(), strict=True):
        if metric.startswith(beginning):
            found.setdefault(metric, []).append(run)
    return found


def versions() -> pd.DataFrame:
    """One row a registered checkpoint, newest first: uri, name, version, run_id, created (ms), the version's tags."""
    import pandas as pd

    table = pd.DataFrame(_ask(lambda source: source.versions(), registry=True))
    return table.sort_values("created", ascending=False, kind="stable", ignore_index=True) if len(table) else table


def tables(kind: str, chosen: pd.DataFrame, parse: Parse) -> pd.DataFrame:
    """What finished runs hold in files, one below the other, with a column run_id: read once, then kept.

    chosen: rows of `runs`, whose order is kept; parse(row, file): the table of one run, where file(name, ...) is the
    local path of an artifact, of several names the first that is there. A run whose files are missing or damaged is
    left out, with a warning that names it. kind: of table, with its version.
    """
    rows = {row["run_id"]: row for row in chosen.to_dict("records")}
    problems: dict[str, str] = {}

    def one(run: str) -> pd.DataFrame | None:
        try:
            with files(rows[run]["artifact_uri"], rows[run].get(TAGS + BUNDLED)) as file:
                return parse(rows[run], file)
        except mlflow_errors(OSError, ValueError, KeyError) as error:
            problems[run] = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
            return None

    def make(missing: list[str]) -> dict[str, pd.DataFrame]:
        found = dict(zip(missing, at_once(one, missing, THREADS), strict=True))
        return {run: table for run, table in found.items() if table is not None}

    table = kept(kind, _ends(chosen), make)
    if problems:
        run, reason = next(iter(problems.items()))
        others = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        warnings.warn(f"run {run}{others}: {kind} left out: {reason}", stacklevel=2)
    order = {run: place for place, run in enumerate(rows)}
    return table.iloc[table.run_id.map(order).argsort(kind="stable")].reset_index(drop=True)


def _ends(chosen: pd.DataFrame) -> dict[str, int]:
    """run id -> end in milliseconds since 1970, 0 when unknown; chosen: rows of `runs`."""
    if chosen.empty:
        return {}
    return {
        run: 0 if end != end else end.value // 10**6 for run, end in zip(chosen.run_id, chosen.end_time, strict=True)
    }


def scores(chosen: pd.DataFrame) -> pd.DataFrame:
    """scores.json of score runs, one below the other, with run_id. chosen: rows of `runs`."""
    import pandas as pd

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        table = table_file(file("scores.json"))
        for name in SCORE_NUMBERS & set(table):
            table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
        for name in set(table) - SCORE_NUMBERS - {"committed", "primary"}:
            table[name] = [str(value) if value == value and value is not None else None for value in table[name]]
        return table

    return tables("scores-1", chosen, parse)


def units(chosen: pd.DataFrame, *, all_layers: bool = False) -> pd.DataFrame:
    """units.parquet of score runs, one below the other, with run_id; all_layers: units-all.parquet where it is there.
    chosen: rows of `runs`; older ones, which have kept no units, are left out."""
    import pandas as pd

    names = ("units-all.parquet", "units.parquet") if all_layers else ("units.parquet",)

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        try:
            return pd.read_parquet(file(*names))
        except FileNotFoundError:
            return pd.DataFrame()

    return tables("units-all-1" if all_layers else "units-1", chosen, parse)


def predictions(chosen: pd.DataFrame) -> Callable[[str, Collection[tuple[str, str]]], list[Predictions]]:
    """(run id, {(benchmark, metric)}) -> what that score run has kept of them: nothing where it is older, or where the
    files are damaged, which is said. chosen: rows of `runs`."""
    from mlspatial.core.predictions import read

    roots = dict(zip(chosen.run_id, chosen.artifact_uri, strict=True)) if len(chosen) else {}
    bundled = dict(zip(chosen.run_id, chosen[TAGS + BUNDLED], strict=True)) if TAGS + BUNDLED in chosen else {}

    def of(run: str, keys: Collection[tuple[str, str]]) -> list[Predictions]:
        if run not in roots:
            return []
        try:
            with files(roots[run], bundled.get(run), keep=run) as file:
                return list(read(file, keys))
        except FileNotFoundError:
            return []
        except mlflow_errors(OSError, ValueError, KeyError) as error:
            reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
            warnings.warn(f"run {run}: predictions left out: {reason}", stacklevel=2)
            return []

    return of


def table_file(path: Path) -> pd.DataFrame:
    """A table as `Run.log_table` writes it, or in pandas' form with a schema. Types are those of the JSON: an id of
    digits stays a text, and so does the name of a column."""
    import pandas as pd

    text = path.read_text()
    plain: dict[str, Any] = {"convert_dates": False, "precise_float": True}
    if text.startswith('{"schema"'):
        return pd.read_json(io.StringIO(text), orient="table", **plain)
    return pd.read_json(io.StringIO(text), orient="split", dtype=False, convert_axes=False, **plain)


def table_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of what `table_file` reads, without pandas, which takes seconds to load: column -> value, None where
    there is none."""
    found = json.loads(path.read_text())
    if "schema" in found:
        return list(found["data"])
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def _ask(question: Callable[[Database | Client], Answer], *, registry: bool = False) -> Answer:
    """Put a question to the store that MLFLOW_TRACKING_URI names, by the quickest way; registry: to that of models.

    Asked again while nobody answers (see `patience`). Raises UserError when it does not, or cannot, answer.
    """
    uri, shared = tracking_uri(), _TOGETHER.get()
    opened()
    try:
        if uri.startswith(DATABASES) and is_plain() and not (registry and is_elsewhere()):
            try:
                return patiently(lambda: question(Database(uri)))
            except store_errors() as error:
                if isinstance(error, mlflow_errors(OSError)):
                    raise  # else: other tables than expected
        if shared is None:
            return question(Client())
        shared.source = shared.source or Client()
        return question(shared.source)
    except store_errors() as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{place()}: does not answer ({line}); is it up?") from error
