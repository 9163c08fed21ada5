"""npy and MATLAB: an array without names, whose axes the description names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlspatial.benchmarks.matlab import MAT, chosen, variables
from mlspatial.benchmarks.readers.base import READERS, Asked, Reader
from mlspatial.benchmarks.responses import AXES, Responses
from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.limits import demand_npy


def read_array(path: Path, asked: Asked) -> Responses:
    """axes: names of its axes in order; variable: of a MATLAB file with several arrays."""
    kind = "an npy file" if path.suffix == ".npy" else "a MATLAB file"
    if asked.label:
        raise UserError(f"strata={asked.label}: {kind} has no columns; name a csv file of stimulus_id,label")
    if asked.neuroids:
        raise BadValue("neuroids", ", ".join(asked.neuroids), f"cannot be met: {kind} has no names; use NetCDF or csv")
    axes = asked.settings.get("axes")
    names = list(axes) if isinstance(axes, list) else []
    if not {"stimulus", "neuroid"} <= set(names) <= set(AXES) or len(set(names)) != len(names):
        raise BadValue("axes", axes, "must list stimulus and neuroid, and repeat if there is one, each once")
    try:
        if path.suffix == ".npy":
            demand_npy(path, f"responses {path}")
            array = np.load(path, allow_pickle=False)
        else:
            array = _of_matlab(path, asked.text("variable"), len(names))
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


READERS.register("npy")(Reader((".npy",), "npy", read_array, ("axes",)))
READERS.register("matlab")(Reader((MAT,), "MATLAB", read_array, ("axes", "variable")))
