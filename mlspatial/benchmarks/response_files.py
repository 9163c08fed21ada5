"""Files of responses in, one array of trials with names out; `readers` has a reader for each form of file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.benchmarks.readers import READERS, Asked, Reader
from mlspatial.benchmarks.readers.base import FOLDER, PATTERN
from mlspatial.benchmarks.responses import Responses
from mlspatial.core.errors import BadValue, UserError


def read_responses(
    path: Path,
    *,
    label: str = "",
    neuroids: Sequence[str] = (),
    region: str = "",
    folder: Path | None = None,
    **settings: Any,
) -> Responses:
    """Read a file of responses; its ending says how. Tells, in a line, what was taken as what.

    npy, MATLAB: axes names its axes in order; variable: of a MATLAB file with several arrays. NetCDF, zarr: one
    variable whose dimensions are stimulus and neuroid (and repeat), or presentation and neuroid with coordinates as
    Brain-IO's assemblies have them. csv, tsv, Parquet: long, with columns stimulus_id, neuroid_id, response (and
    repeat), or wide, with stimulus_id (and repeat) and a column a neuroid. NIfTI: a volume a trial, with BIDS events;
    path may be a pattern of several runs. NWB: units' spikes, or a series of rates, in a window after each onset.
    label: the column (coordinate) of a stimulus' stratum; neuroids: names or patterns (unit*) of those that count, all
    by default; region: where the file says in which region a neuroid is, those of this one count; folder: where files
    that belong to this one are looked for, by default beside it; settings: keys that readers take (readers.base.KEYS).
    Raises UserError for what cannot be read.
    """
    reader = _reader(path)
    given = {key: value for key, value in settings.items() if value not in (None, "")}
    for key, value in given.items():
        if key not in reader.keys:
            takers = [READERS[name].words for name in READERS if key in READERS[name].keys]
            own = "names its own" if key == "axes" else "is none"
            raise BadValue(key, value, f"is for {_listed(takers)} files alone; {path.name} {own}")
    found = reader.read(path, Asked(label, neuroids, region, folder or path.parent, given))
    if np.isinf(found.trials).any():
        stimulus, neuroid, _ = np.argwhere(np.isinf(found.trials))[0]
        where = stimulus if found.stimuli is None else found.stimuli[stimulus]
        raise UserError(
            f"responses {path}: neuroid {found.neuroids[neuroid]}, stimulus {where}: is infinite; missing is nan"
        )
    return found


def _reader(path: Path) -> Reader:
    """The reader of a file that is there. Raises UserError for a file that is not, and for an ending of none."""
    by_ending = {ending: READERS[name] for name in READERS for ending in READERS[name].endings}
    fitting = [ending for ending in by_ending if path.name.endswith(ending)]
    reader = by_ending[max(fitting, key=len)] if fitting else None
    there = path.is_file() or (
        reader is not None and (reader.place == PATTERN or (reader.place == FOLDER and path.is_dir()))
    )
    if not there:
        raise UserError(f"responses {path}: cannot be read (there is no such file)")
    if reader is None:
        raise UserError(f"responses {path}: must end in {', '.join(by_ending)}")
    return reader


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
