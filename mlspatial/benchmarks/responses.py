"""Files of responses: npy, NetCDF, Parquet and csv in, one array of trials with names out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import one_each, some, stems, texts
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TABLES = (".csv", ".tsv", ".parquet")
NETCDF = (".nc", ".nc4", ".netcdf", ".h5")
AXES = ("stimulus", "neuroid", "repeat")

#: What the three axes are called in files; Brain-IO's assemblies say image_id (before 2023), stimulus_id, repetition.
NAMES = {
    "stimulus": ("stimulus_id", "stimulus", "image_id", "image"),
    "neuroid": ("neuroid_id", "neuroid", "neuron", "unit", "site", "channel"),
    "repeat": ("repeat", "repetition", "trial", "repeat_id"),
}
RESPONSE = "response"
ROWS = 10  # from how many on it is no chance that a column rises all the way down
MISSING = ("", "NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "None")  # words of a csv for a trial that is missing


@dataclass(frozen=True)
class Responses:
    """trials: (stimuli, neuroids, repeats) float64, NaN = missing; stimuli: their ids (picture names without ending),
    None where the file has none; neuroids: names; labels: one a stimulus, from the column asked for, or None."""

    trials: np.ndarray
    stimuli: tuple[str, ...] | None
    neuroids: tuple[str, ...]
    labels: np.ndarray | None = None

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
        return Responses(self.trials[order], tuple(ids), self.neuroids, labels)


def read_responses(path: Path, *, axes: Any = None, label: str = "") -> Responses:
    """Read a file of responses; its ending says how.

    npy: axes names its axes in order. NetCDF: one variable whose dimensions are stimulus and neuroid (and repeat), or
    presentation and neuroid with coordinates as Brain-IO's assemblies have them. csv, tsv, Parquet: long, with columns
    stimulus_id, neuroid_id, response (and repeat), or wide, with stimulus_id (and repeat) and a column a neuroid.
    label: the column (coordinate) of a stimulus' stratum. Raises UserError for what cannot be read.
    """
    found = _read(path, axes, label)
    if np.isinf(found.trials).any():
        stimulus, neuroid, _ = np.argwhere(np.isinf(found.trials))[0]
        where = stimulus if found.stimuli is None else found.stimuli[stimulus]
        raise UserError(
            f"responses {path}: neuroid {found.neuroids[neuroid]}, stimulus {where}: is infinite; missing is nan"
        )
    return found


def _read(path: Path, axes: Any, label: str) -> Responses:
    if not path.is_file():
        raise UserError(f"responses {path}: cannot be read (there is no such file)")
    if path.suffix == ".npy":
        if label:
            raise UserError(f"strata={label}: an npy file has no columns; name a csv file of stimulus_id,label")
        return _from_npy(path, axes)
    if axes is not None:
        raise BadValue("axes", axes, f"is for npy files alone; {path.name} names its own")
    if path.suffix in NETCDF:
        return _from_netcdf(path, label)
    if path.suffix in TABLES:
        return _from_table(path, label)
    raise UserError(f"responses {path}: must end in {', '.join(('.npy', *NETCDF, *TABLES))}")


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


def _from_npy(path: Path, axes: Any) -> Responses:
    names = list(axes) if isinstance(axes, list) else []
    if not {"stimulus", "neuroid"} <= set(names) <= set(AXES) or len(set(names)) != len(names):
        raise BadValue("axes", axes, "must list stimulus and neuroid, and repeat if there is one, each once")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"responses {path}: cannot be read ({error})") from error
    if array.ndim != len(names):
        raise UserError(f"responses {path}: has {array.ndim} axes, axes names {len(names)} ({', '.join(names)})")
    if "repeat" not in names:
        array, names = array[..., None], [*names, "repeat"]
    trials = array.transpose([names.index(axis) for axis in AXES]).astype(np.float64)
    return Responses(trials, None, tuple(map(str, range(trials.shape[1]))))


def _from_netcdf(path: Path, label: str) -> Responses:
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="netcdf4") as file:
            data = file.load()
    except (OSError, ValueError) as error:
        raise UserError(f"responses {path}: cannot be read ({error})") from error
    fitting = {name: _dimensions(variable) for name, variable in data.data_vars.items()}
    fitting = {name: axes for name, axes in fitting.items() if "neuroid" in axes and len(axes) > 1}
    if len(fitting) != 1:
        raise UserError(
            f"responses {path}: {len(fitting)} variables have a dimension of stimuli (presentation or "
            f"{', '.join(NAMES['stimulus'])}) and one of neuroids ({', '.join(NAMES['neuroid'])}); there must be one "
            f"(variables: {some(data.data_vars)})"
        )
    (name, axes), *_ = fitting.items()
    array = data[name]
    spare = [d for d in array.dims if d not in axes.values()]
    if wide := [d for d in spare if array.sizes[d] > 1]:
        raise UserError(
            f"responses {path}: dimension {wide[0]} has {array.sizes[wide[0]]} entries; average over it first"
        )
    array = array.squeeze(spare)
    if "stimulus" not in axes:
        return _from_presentations(path, array, axes, label)
    trials = array.transpose(*(axes[axis] for axis in AXES if axis in axes)).values.astype(np.float64)
    stimuli = _coordinate(array, axes["stimulus"], "stimulus")
    return Responses(
        trials if trials.ndim == 3 else trials[..., None],
        None if stimuli is None else _unique(path, stimuli),
        _neuroids(path, array, axes),
        np.array(_values(path, array, label, axes["stimulus"])) if label else None,
    )


def _dimensions(variable: xr.DataArray) -> dict[str, Hashable]:
    """axis -> the dimension it is, of a variable; presentation stands for stimulus and repeat together."""
    axes: dict[str, Hashable] = {axis: d for axis, names in NAMES.items() for d in variable.dims if d in names}
    if "presentation" in variable.dims and "stimulus" not in axes:
        axes["presentation"] = "presentation"
    return axes if "stimulus" in axes or "presentation" in axes else {}


def _from_presentations(path: Path, array: xr.DataArray, axes: dict[str, Hashable], label: str) -> Responses:
    """An array of presentations, each with a stimulus id and perhaps the number of its repeat."""
    found = _coordinate(array, "presentation", "stimulus")
    if found is None:
        raise UserError(
            f"responses {path}: presentations have no coordinate that names their stimulus "
            f"({', '.join(NAMES['stimulus'])})"
        )
    repeats = _coordinate(array, "presentation", "repeat")
    values = array.transpose("presentation", axes["neuroid"]).values.astype(np.float64)
    labels = _values(path, array, label, "presentation") if label else None
    return _gathered(path, stems(path, found), repeats, values, _neuroids(path, array, axes), labels)


def _coordinate(array: xr.DataArray, dimension: Hashable, axis: str) -> list[Any] | None:
    for name in NAMES[axis]:
        if name in array.coords and array.coords[name].dims == (dimension,):
            return list(array.coords[name].values.tolist())
    return None


def _values(path: Path, array: xr.DataArray, name: str, dimension: Hashable) -> list[str]:
    if name not in array.coords or array.coords[name].dims != (dimension,):
        raise UserError(f"responses {path}: there is no coordinate {name} of {dimension} (it has {some(array.coords)})")
    return texts(path, array.coords[name].values.tolist(), str(name))


def _neuroids(path: Path, array: xr.DataArray, axes: dict[str, Hashable]) -> tuple[str, ...]:
    names = _coordinate(array, axes["neuroid"], "neuroid")
    return tuple(texts(path, range(array.sizes[axes["neuroid"]]) if names is None else names, "name of a neuroid"))


def _from_table(path: Path, label: str) -> Responses:
    table = _table(path, "responses", label)
    stimulus = _column(path, table.columns, "stimulus")
    repeat = next((name for name in NAMES["repeat"] if name in table), None)
    neuroid = next((name for name in NAMES["neuroid"] if name in table), None)
    if label and label not in table:
        raise UserError(f"responses {path}: there is no column {label} for strata (columns: {some(table.columns)})")
    repeats = None if repeat is None else table[repeat].tolist()
    stimuli = stems(path, table[stimulus])
    labels = texts(path, table[label], label) if label else None
    if neuroid is not None:
        if RESPONSE not in table:
            raise UserError(
                f"responses {path}: column {neuroid} names neuroids, a row each, so there must be a column {RESPONSE} "
                f"(columns: {some(table.columns)})"
            )
        units = texts(path, table[neuroid], "name of a neuroid")
        names = tuple(sorted(set(units)))  # whatever the order of the rows
        return _gathered(path, stimuli, repeats, _numbers(path, table[[RESPONSE]]), names, labels, units)
    known = {*NAMES["stimulus"], *NAMES["repeat"], label}
    if others := [name for name in table if name in known - {stimulus, repeat, label}]:
        say(f"{path.name}: column {some(others)} left out beside {' and '.join(filter(None, (stimulus, repeat)))}")
    columns = [name for name in table if name not in known]
    if not columns:
        raise UserError(f"responses {path}: has no column of a neuroid (columns: {some(table.columns)})")
    values = _numbers(path, table[columns])
    if len(values) >= ROWS and (rising := np.flatnonzero((np.diff(values, axis=0) > 0).all(axis=0)).tolist()):
        clocks = some(columns[place] for place in rising)
        say(f"{path.name}: rising from row to row, as clocks and counters do: {clocks}; remove what is no neuroid")
    return _gathered(path, stimuli, repeats, values, tuple(map(str, columns)), labels)


def _gathered(
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


def _table(path: Path, what: str, label: str = "label") -> pd.DataFrame:
    """A csv, tsv or Parquet file. Ids and labels of a csv are text as it stands there: 0012 is not 12, NA is a name."""
    import pandas as pd

    text = {*NAMES["stimulus"], *NAMES["neuroid"], label}
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            named = [name for name in table.index.names if name in text]
            return (table.reset_index(named) if named else table).reset_index(drop=True)
        form: dict[str, Any] = {"sep": "\t" if path.suffix == ".tsv" else ",", "encoding": "utf-8-sig"}
        plain = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **form).iloc[0].tolist()
        if twice := [name for name, count in Counter(plain).items() if name and count > 1]:
            raise UserError(f"{what} {path}: column {twice[0]} is there twice; keep one")
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(text & set(plain), str),
            na_values={name: MISSING for name in plain if name not in text},
            keep_default_na=False,
            float_precision="round_trip",
            **form,
        )
    except (OSError, ValueError) as error:  # pandas' and Arrow's own errors are ValueErrors
        raise UserError(f"{what} {path}: cannot be read ({str(error).splitlines()[0]})") from error
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


def _unique(path: Path, stimuli: Iterable[object]) -> tuple[str, ...]:
    names = tuple(stems(path, stimuli))
    if len(set(names)) != len(names):
        raise UserError(f"responses {path}: stimulus ids are not unique; name the dimension presentation")
    return names
