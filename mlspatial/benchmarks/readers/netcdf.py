"""NetCDF as xarray writes it: an array whose dimensions and coordinates have names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import some, stems, texts
from mlspatial.benchmarks.readers.base import READERS, Asked, Reader, told
from mlspatial.benchmarks.responses import AXES, NAMES, Responses, counting, gathered
from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.limits import demand_memory
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import xarray as xr

ENDINGS = (".nc", ".nc4", ".netcdf", ".h5")


def read_netcdf(path: Path, asked: Asked) -> Responses:
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="netcdf4") as file:
            demand_memory(f"responses {path}", sum(one.nbytes for one in file.variables.values()), "its arrays declare")
            data = file.load()
    except (OSError, ValueError, RuntimeError, LookupError, OverflowError, TypeError, AttributeError) as error:
        raise UserError(f"responses {path}: cannot be read ({in_one_line(error)})") from error
    return from_dataset(path, data, asked)


def from_dataset(path: Path, data: xr.Dataset, asked: Asked) -> Responses:
    """The one variable of a dataset in memory that has stimuli (or presentations) and neuroids. Raises UserError."""
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
    array = array.isel({axes["neuroid"]: counting(path, units, asked.neuroids, regions, asked.region)})
    facts = _facts(array, axes["neuroid"])
    if "stimulus" not in axes:
        return _from_presentations(path, array, axes, asked.label).with_facts(facts)
    trials = array.transpose(*(axes[axis] for axis in AXES if axis in axes)).values.astype(np.float64)
    stimuli = _names(path, array, axes["stimulus"])
    return Responses(
        trials if trials.ndim == 3 else trials[..., None],
        None if stimuli is None else _unique(path, stimuli),
        _neuroids(path, array, axes),
        np.array(_values(path, array, asked.label, axes["stimulus"])) if asked.label else None,
        facts,
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


def _facts(array: xr.DataArray, dimension: Hashable) -> dict[str, tuple[str, ...]]:
    """What else the file says of every neuroid: coordinates of theirs that do not name them."""
    name = next((n for n in NAMES["neuroid"] if n in array.coords and array.coords[n].dims == (dimension,)), None)
    known = (name, *NAMES["region"])
    of = {str(n): one for n, one in array.coords.items() if one.dims == (dimension,) and n not in known}
    return {n: told(one.values.tolist()) for n, one in of.items() if one.dtype.kind in "OSUbiuf"}


READERS.register("netcdf")(Reader(ENDINGS, "NetCDF", read_netcdf))
