"""Tables of responses: csv, tsv and Parquet, a row a trial of a neuroid or a column a neuroid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import one_each, some, stems, texts
from mlspatial.benchmarks.responses import NAMES, Responses, counting, gathered
from mlspatial.core.errors import StimulusMismatch, UserError, in_one_line
from mlspatial.core.limits import demand_parquet
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".parquet")
RESPONSE = "response"
#: columns of wide tables that tell of a trial and are no neuroids
NO_NEUROIDS = (
    *("onset", "onset_s", "onset_ms", "offset", "duration", "time", "timestamp", "date", "rt", "response_time"),
    *("reaction_time", "block", "run", "session", "subject", "animal", "trial_number", "trial_id", "index", "row"),
)
ROWS = 10  # from how many on it is no chance that a column rises all the way down
MISSING = ("", "NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "None")  # words of a csv for a trial that is missing


def read_labels(path: Path, ids: Sequence[str]) -> np.ndarray:
    """(n,) strata of the stimuli `ids` from a csv, tsv or Parquet file with columns stimulus_id and label."""
    table = _table(path, "strata")
    stimulus = _column(path, table.columns, "stimulus")
    if "label" not in table:
        raise UserError(f"strata {path}: has no column label (columns: {some(table.columns)})")
    stimuli, labels = stems(path, table[stimulus]), texts(path, table["label"], "label")
    found = one_each(path, stimuli, labels)
    if absent := [name for name in ids if name not in found]:
        raise StimulusMismatch(f"strata {path}: {len(absent)} stimuli have no label ({some(absent)})")
    return np.array([found[name] for name in ids])


def table_of(path: Path, what: str) -> tuple[str, pd.DataFrame]:
    """(the column of stimuli, the table) of a csv, tsv or Parquet file."""
    table = _table(path, what)
    return _column(path, table.columns, "stimulus"), table


def from_table(path: Path, label: str, wanted: Sequence[str], region: str) -> Responses:
    table = _table(path, "responses", label)
    stimulus = _column(path, table.columns, "stimulus")
    repeat = next((name for name in NAMES["repeat"] if name in table), None)
    neuroid = next((name for name in NAMES["neuroid"] if name in table), None)
    if label and label not in table:
        raise UserError(f"responses {path}: there is no column {label} for strata (columns: {some(table.columns)})")
    if neuroid is None:
        return _from_wide(path, table, stimulus, repeat, label, wanted)
    if RESPONSE not in table:
        raise UserError(
            f"responses {path}: column {neuroid} names neuroids, a row each, so there must be a column {RESPONSE} "
            f"(columns: {some(table.columns)})"
        )
    units = texts(path, table[neuroid], "name of a neuroid")
    if wanted or "region" in table:
        regions = texts(path, table["region"], "region") if "region" in table else None
        places = one_each(path, units, regions, "neuroid", "regions") if regions else dict.fromkeys(units, "")
        all_units = list(places)
        kept = counting(path, all_units, wanted, list(places.values()) if regions else None, region)
        here = {all_units[i] for i in kept}
        table = table[[unit in here for unit in units]].reset_index(drop=True)
        units = [unit for unit in units if unit in here]
    _tell(path, stimulus, repeat, f"neuroids in {neuroid}, responses in {RESPONSE}", {})
    names = tuple(sorted(set(units)))  # whatever the order of the rows
    values, stimuli = _numbers(path, table[[RESPONSE]]), stems(path, table[stimulus])
    return gathered(path, stimuli, _repeats(table, repeat), values, names, _strata(path, table, label), units)


def _from_wide(
    path: Path, table: pd.DataFrame, stimulus: str, repeat: str | None, label: str, wanted: Sequence[str]
) -> Responses:
    """A column a neuroid: those that are wanted, or all that can be one."""
    others = [str(name) for name in table if name not in (stimulus, repeat, label)]
    if wanted:
        columns = [others[i] for i in counting(path, others, wanted, None, "")]
        left: dict[str, str] = {}
    else:
        found = {name: _no_neuroid(path, name, table[name]) for name in others}
        columns, left = [name for name in others if not found[name]], {name: why for name, why in found.items() if why}
    if not columns:
        raise UserError(f"responses {path}: has no column of a neuroid (columns: {some(table.columns)})")
    values = _numbers(path, table[columns])
    ends = columns[0] if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"
    _tell(path, stimulus, repeat, f"{len(columns)} neuroids ({ends})", left)
    stimuli = stems(path, table[stimulus])
    return gathered(path, stimuli, _repeats(table, repeat), values, tuple(columns), _strata(path, table, label))


def _no_neuroid(path: Path, name: str, column: pd.Series) -> str:
    """Why a column of a wide table is no neuroid; "" where it can be one."""
    import pandas as pd

    plain = name.strip().lower().replace(" ", "_")
    if plain in NO_NEUROIDS or plain in {*NAMES["stimulus"], *NAMES["repeat"]} or plain.startswith("unnamed:"):
        return "by its name"
    if column.dtype.kind == "b":
        return "true or false"
    if column.dtype.kind == "M":
        return "dates"
    if column.dtype.kind not in "fiu":
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().any():  # a slip among responses must not take the neuroid away
            raise UserError(f"responses {path}: {name} holds text where numbers must be (or leave it out by neuroids:)")
        return "text"
    steps = np.diff(column.to_numpy(np.float64))
    return "rises from row to row" if len(column) >= ROWS and (steps > 0).all() else ""


def _tell(path: Path, stimulus: str, repeat: str | None, what: str, left: Mapping[str, str]) -> None:
    """Say what was taken as what."""
    repeats = f"repeats in {repeat}" if repeat else "rows of one stimulus are its repeats"
    out = "; left out: " + ", ".join(f"{name} ({why})" for name, why in left.items()) if left else ""
    advice = "; `neuroids:` in the YAML has it otherwise" if left else ""
    say(f"{path.name}: stimuli in {stimulus}, {repeats}, {what}{out}{advice}")


def _repeats(table: pd.DataFrame, repeat: str | None) -> list[Any] | None:
    return None if repeat is None else table[repeat].tolist()


def _strata(path: Path, table: pd.DataFrame, label: str) -> list[str] | None:
    return texts(path, table[label], label) if label else None


@contextmanager
def reading(what: str) -> Iterator[None]:
    """What pandas or Arrow say of a table that they cannot read, as one line. what: the file, for people."""
    try:
        yield
    except (OSError, ValueError, NotImplementedError, LookupError) as error:  # their own are among these
        raise UserError(f"{what}: cannot be read ({in_one_line(error)})") from error


def form_of(path: Path) -> dict[str, Any]:
    """What pandas is told of a csv or tsv file; spreadsheets begin one with a byte order mark."""
    return {"sep": "\t" if path.suffix == ".tsv" else ",", "encoding": "utf-8-sig"}


def head_of(path: Path, what: str) -> list[str]:
    """Names of the columns of a csv or tsv file as they stand there, "" for one without; see `demand_columns`."""
    import pandas as pd

    first = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **form_of(path)).iloc[0].tolist()
    demand_columns(what, first)
    return first


def demand_columns(what: str, names: Iterable[str]) -> None:
    """Raises UserError for a name of several columns, and for a file with semicolons. what: the file, for people."""
    listed = list(names)
    if len(listed) == 1 and ";" in listed[0]:
        raise UserError(f"{what}: its columns have ; between them; save it with commas")
    if twice := [name for name, count in Counter(listed).items() if name and count > 1]:
        raise UserError(f"{what}: column {twice[0]} is there twice; keep one")


def _table(path: Path, what: str, label: str = "label") -> pd.DataFrame:
    """A csv, tsv or Parquet file. Ids and labels of a csv are text as it stands there: 0012 is not 12, NA is a name."""
    import pandas as pd

    text = {*NAMES["stimulus"], *NAMES["neuroid"], label}
    with reading(f"{what} {path}"):
        if path.suffix == ".parquet":
            demand_parquet(path, f"{what} {path}")
            table = pd.read_parquet(path)
            demand_columns(f"{what} {path}", map(str, table.columns))
            named = [name for name in table.index.names if name in text]
            return (table.reset_index(named) if named else table).reset_index(drop=True)
        plain = head_of(path, f"{what} {path}")
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(text & set(plain), str),
            na_values={name: MISSING for name in plain if name not in text},
            keep_default_na=False,
            float_precision="round_trip",
            **form_of(path),
        )
    nameless = [table.columns[place] for place, name in enumerate(plain) if not name and place < table.shape[1]]
    for column in nameless:
        if column != table.columns[0] and (table[column] != "").any():
            raise UserError(f"{what} {path}: column {table.columns.get_loc(column) + 1} has no name; name or remove it")
    return table.drop(columns=nameless)  # the first is the index that pandas writes


def _column(path: Path, columns: Iterable[str], axis: str) -> str:
    known = list(columns)
    for name in NAMES[axis]:
        if name in known:
            return name
    raise UserError(f"{path}: has no column {NAMES[axis][0]} (columns: {some(known)})")


def _numbers(path: Path, table: pd.DataFrame) -> np.ndarray:
    try:
        return table.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        bad = [str(name) for name in table if table[name].dtype == object]
        raise UserError(f"responses {path}: {some(bad)} hold text where numbers must be ({error})") from error
