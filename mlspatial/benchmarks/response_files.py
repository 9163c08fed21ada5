"""Files of responses: npy, MATLAB, NetCDF, Parquet and csv in, one array of trials with names out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import some, stems, texts
from mlspatial.benchmarks.matlab import MAT, chosen, variables
from mlspatial.benchmarks.response_tables import TABLES, from_table
from mlspatial.benchmarks.responses import AXES, NAMES, Responses, counting, gathered
from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.limits import demand_memory, demand_npy
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import xarray as xr

NETCDF = (".nc", ".nc4", ".netcdf", ".h5")


def read_responses(
    path: Path,
    *,
    axes: Any = None,
    label: str = "",
    neuroids: Sequence[str] = (),
    region: str = "",
    variable: str = "",
) -> Responses:
    """Read a file of responses; its ending says how. Tells, in a line, what was taken as what.

    npy, MATLAB: axes names its axes in order; variable: of a MATLAB file with several arrays. NetCDF: one variable
    whose dimensions are stimulus and neuroid (and repeat), or presentation and neuroid with coordinates as Brain-IO's
    assemblies have them. csv, tsv, Parquet: long, with columns stimulus_id, neuroid_id, response (and repeat), or wide,
    with stimulus_id (and repeat) and a column a neuroid.
    label: the column (coordinate) of a stimulus' stratum; neuroids: names or patterns (unit*) of those that count, all
    by default; region: where the file says in which region a neuroid is, those of this one count. Raises UserError for
    what cannot be read.
    """
    found = _read(path, axes, label, neuroids, region, variable)
    if np.isinf(found.trials).any():
        stimulus, neuroid, _ = np.argwhere(np.isinf(found.trials))[0]
        where = stimulus if found.stimuli is None else found.stimuli[stimulus]
        raise UserError(
            f"responses {path}: neuroid {found.neuroids[neuroid]}, stimulus {where}: is infinite; missing is nan"
        )
    return found


def _read(path: Path, axes: Any, label: str, neuroids: Sequence[str], region: str, variable: str) -> Responses:
    if not path.is_file():
        raise UserError(f"responses {path}: cannot be read (there is no such file)")
    if variable and path.suffix != MAT:
        raise BadValue("variable", variable, f"is for MATLAB files alone; {path.name} is none")
    if path.suffix in (".npy", MAT):
        kind = "an npy file" if path.suffix == ".npy" else "a MATLAB file"
        if label:
            raise UserError(f"strata={label}: {kind} has no columns; name a csv file of stimulus_id,label")
        if neuroids:
            raise BadValue("neuroids", ", ".join(neuroids), f"cannot be met: {kind} has no names; use NetCDF or csv")
        return _from_array(path, axes, variable)
    if axes is not None:
        raise BadValue("axes", axes, f"is for npy and MATLAB files alone; {path.name} names its own")
    if path.suffix in NETCDF:
        return _from_netcdf(path, label, neuroids, region)
    if path.suffix in TABLES:
        return from_table(path, label, neuroids, region)
    raise UserError(f"responses {path}: must end in {', '.join(('.npy', MAT, *NETCDF, *TABLES))}")


def _from_array(path: Path, axes: Any, variable: str) -> Responses:
    """An array without names, whose axes are said."""
    names = list(axes) if isinstance(axes, list) else []
    if not {"stimulus", "neuroid"} <= set(names) <= set(AXES) or len(set(names)) != len(names):
        raise BadValue("axes", axes, "must list stimulus and neuroid, and repeat if there is one, each once")
    try:
        if path.suffix == ".npy":
            demand_npy(path, f"responses {path}")
            array = np.load(path, allow_pickle=False)
        else:
            array = _of_matlab(path, variable, len(names))
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"responses {path}: cannot be read ({in_one_line(error)})") from error
    if array.ndim != len(names):
        raise UserError(f"responses {path}: has {array.ndim} axes, axes names {len(names)} ({', '.join(names)})")
    if "repeat" not in names:
        array, names = array[..., None], [*names, "repeat"]
    trials = array.transpose([names.index(axis) for axis in AXES]).astype(np.float64)
    return Responses(trials, None, tuple(map(str, range(trials.shape[1]))))


def _of_matlab(path: Path, variable: str, axes: int) -> np.ndarray:
    """The variable that is named, or the only one of numbers with so many axes."""

    def fits(array: np.ndarray) -> bool:
        return array.dtype.kind in "fiu" and (bool(variable) or (array.ndim == axes and array.size > 1))

    return chosen(path, variables(path), fits, variable, f"an array of numbers with {axes} axes")[1]


def _from_netcdf(path: Path, label: str, neuroids: Sequence[str], region: str) -> Responses:
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="netcdf4") as file:
            demand_memory(f"responses {path}", sum(one.nbytes for one in file.variables.values()), "its arrays declare")
            data = file.load()
    except (OSError, ValueError, RuntimeError, LookupError, OverflowError, TypeError, AttributeError) as error:
        raise UserError(f"responses {path}: cannot be read ({in_one_line(error)})") from error
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
    units, found = _neuroids(path, array, axes), _coordinate(array, axes["neuroid"], "region")
    regions = None if found is None else texts(path, found, "region")
    array = array.isel({axes["neuroid"]: counting(path, units, neuroids, regions, region)})
    if "stimulus" not in axes:
        return _from_presentations(path, array, axes, label)
    trials = array.transpose(*(axes[axis] for axis in AXES if axis in axes)).values.astype(np.float64)
    stimuli = _names(path, array, axes["stimulus"])
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
    return gathered(path, stems(path, found), repeats, values, _neuroids(path, array, axes), labels)


def _names(path: Path, array: xr.DataArray, dimension: Hashable) -> list[Any] | None:
    """Ids of stimuli, under a known name or as the only coordinate that can be them; None where there is none.

    Raises UserError where there are several.
    """
    if (known := _coordinate(array, dimension, "stimulus")) is not None:
        return known
    along = {str(name): found.values for name, found in array.coords.items() if found.dims == (dimension,)}
    texts_of = {name: values.tolist() for name, values in along.items() if values.dtype.kind in "OSU"}
    fitting = [name for name, values in texts_of.items() if len(set(values)) == len(values)]
    if len(fitting) == 1:
        say(f"{path.name}: coordinate {fitting[0]} names the stimuli")
        return texts_of[fitting[0]]
    if along:
        raise UserError(
            f"responses {path}: which coordinate of {dimension} names the stimuli ({some(along)})? call it stimulus_id"
        )
    return None


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


def _unique(path: Path, stimuli: Iterable[object]) -> tuple[str, ...]:
    names = tuple(stems(path, stimuli))
    if len(set(names)) != len(names):
        raise UserError(f"responses {path}: stimulus ids are not unique; name the dimension presentation")
    return names
