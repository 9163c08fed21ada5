"""BIDS derivatives of fMRI: betas as NIfTI, a volume a trial, with the events of their runs.

Files belong together by the entities in their names (sub-01_ses-02_task-x_run-3). Events are those of a run, or of a
file further up that has fewer entities (the inheritance principle); betas of a whole session take the events of all its
runs, in their order. Several files are joined trial by trial: their voxels are the same.
Source: BIDS 1.10, "Task events", "Derivatives: Imaging data types"; GLMsingle's and fMRIPrep's outputs.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.benchmarks.ids import some, stems, texts
from mlspatial.benchmarks.readers.base import PATTERN, READERS, Asked, Reader
from mlspatial.benchmarks.readers.nifti import NIFTI, Voxels, chosen_voxels, read_header, read_volumes
from mlspatial.benchmarks.response_tables import demand_columns, form_of, head_of, reading
from mlspatial.benchmarks.responses import Responses, counting, gathered
from mlspatial.core.errors import UserError
from mlspatial.core.limits import demand_memory
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import pandas as pd

ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")  # that say of which recording a file is
EVENTS = "_events.tsv"
#: columns of events that name the stimulus, the first that is there
STIMULUS = ("stim_file", "stimulus_id", "stimulus", "image_id", "image", "stim_id", "trial_type")
MISSING = ("n/a", "", "nan", "NaN")  # no stimulus: a rest, a cue
BYTES = 24  # of a number on the way: float32 as it is read, float64 by trial and by stimulus


def read_betas(path: Path, asked: Asked) -> Responses:
    """path: a file or a pattern (*, ?, **) of several runs of one subject. mask: a NIfTI file whose voxels other than 0
    count; rois: one with a number a region, or several masks (label-NAME in their names), of which those of the region
    count; events: a file or pattern, where they are not found by name; column: of events that names the stimulus.

    Voxels are called by their place, x-y-z from 0. Raises UserError for files that do not belong together.
    """
    files = _ordered(path, _matching(path, "responses"))
    subject = _one_subject(path, files)
    headers = {file: read_header(file) for file in files}
    first = headers[files[0]]
    for header in headers.values():
        header.demand_like(first)
    places = chosen_voxels(first, _beside(asked, "mask"), _beside(asked, "rois"), asked.region)
    names = places.names()
    kept = counting(path, names, asked.neuroids, None, "")
    places = places.of(np.array(kept))
    trials = sum(header.volumes for header in headers.values())
    does = f"{trials:,} trials of {len(places):,} voxels (a smaller mask: has fewer) take"
    demand_memory(f"responses {path}", BYTES * trials * len(places), does)
    values = np.empty((trials, len(places)), np.float32)
    stimuli: list[str] = []
    labels: list[str] = []
    rows: list[int] = []
    top = 0
    told = _events(path, files, asked)
    for file, header in headers.items():
        table, column, events = told[file]
        shown = [place for place, word in enumerate(table[column]) if word not in MISSING]
        words = table[column].to_numpy()
        if len(table) != header.volumes and len(shown) != header.volumes:
            raise UserError(
                f"responses {file}: has {header.volumes} volumes, {some(event.name for event in events)} "
                f"{len(table)} rows, {len(shown)} with a {column}; betas must have a volume a trial, in the order of "
                "the events (a time series has more: fit single trials first, with GLMsingle or least squares separate)"
            )
        read_volumes(header, places, values[top : top + header.volumes])
        rows += [top + (place if len(table) == header.volumes else number) for number, place in enumerate(shown)]
        stimuli += [words[place] for place in shown]
        if asked.label:
            labels += _labels(events, table, asked.label, shown)
        top += header.volumes
    places, values = _varying(path, places, values[rows] if len(rows) < trials else values)
    say(
        f"{path.name}: {len(files)} files of subject {subject or '(not named)'}, {len(rows)} trials by "
        f"{' and '.join(dict.fromkeys(column for _, column, _ in told.values()))}, "
        f"{len(places)} voxels"
    )
    strata = texts(path, labels, asked.label) if asked.label else None
    found = gathered(path, stems(path, stimuli), None, values, places.names(), strata)
    return found.with_facts({"roi": places.rois} if places.rois else {}, subject)


def entities(path: Path) -> dict[str, str]:
    """Of a file by its name; subject and session also by its folders. Numbers without noughts before them."""
    return {key: str(int(value)) if value.isdecimal() else value for key, value in _written(path).items()}


def _written(path: Path) -> dict[str, str]:
    """Entities as they are written."""
    found = {}
    parts = [(part, ENTITIES[:2]) for part in path.parent.parts] + [(part, ENTITIES) for part in path.name.split("_")]
    for part, known in parts:
        if (match := re.fullmatch(r"([a-zA-Z]+)-([a-zA-Z0-9+]+)(?:\.nii(?:\.gz)?)?", part)) and match[1] in known:
            found[match[1]] = match[2]
    return found


def _matching(path: Path, key: str) -> list[Path]:
    """A file, or those of a pattern, in the order of the numbers in their names. Raises UserError for none."""
    files = [path] if path.is_file() else [Path(name) for name in glob.glob(str(path), recursive=True)]
    if not files:
        raise UserError(f"{key} {path}: cannot be read (there is no such file)")
    return sorted(files, key=_by_numbers)


def _by_numbers(path: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", str(path))]


def _beside(asked: Asked, key: str) -> list[Path]:
    return _matching(asked.folder / asked.text(key), key) if asked.text(key) else []


def _ordered(path: Path, files: Sequence[Path]) -> list[Path]:
    """Betas, of one recording each. Raises UserError for two of one."""
    of: dict[tuple[tuple[str, str], ...], Path] = {}
    for file in files:
        key = tuple(sorted(entities(file).items()))
        if (other := of.setdefault(key, file)) is not file:
            raise UserError(
                f"responses {path}: {other.name} and {file.name} are of the same run; write a pattern that one fits"
            )
    return list(files)


def _one_subject(path: Path, files: Sequence[Path]) -> str:
    subjects = {entities(file).get("sub", ""): _written(file).get("sub", "") for file in files}
    if len(subjects) > 1:
        written = sorted(subjects.values())
        raise UserError(
            f"responses {path}: files of {len(written)} subjects ({some(one or 'not named' for one in written)}); "
            f"voxels are of one, so write sub-{written[-1]} into responses: and make a benchmark a subject"
        )
    (one,) = subjects.values()
    return f"sub-{one}" if one else ""


def _events(path: Path, files: Sequence[Path], asked: Asked) -> dict[Path, tuple[pd.DataFrame, str, list[Path]]]:
    """File of betas -> (rows of its events, the column that names stimuli, their files). The column is the first one
    that names any in all these files. Raises UserError where there is none."""
    import pandas as pd

    events = {file: _events_of(file, files, asked) for file in files}
    tables = {event: _table(event) for event in dict.fromkeys(event for its in events.values() for event in its)}
    columns = [asked.text("column")] if asked.text("column") else STIMULUS
    there = [c for c in columns if any(c in table for table in tables.values())]
    naming = [c for c in there if any(c in table and not table[c].isin(MISSING).all() for table in tables.values())]
    found = {}
    for file, its in events.items():
        fitting = [c for c in (*naming, *there) if all(c in tables[event] for event in its)]
        if not fitting:
            lacks = next((event for event in its if not any(c in tables[event] for c in columns)), its[0])
            wanted = asked.text("column") or f"that names stimuli ({', '.join(STIMULUS)})"
            raise UserError(
                f"events {lacks}: has no column {wanted} (columns: {some(tables[lacks])}); "
                "write one of those as column:"
            )
        found[file] = pd.concat([tables[event] for event in its], ignore_index=True), fitting[0], its
    if not naming:
        first = next(iter(tables))
        raise UserError(
            f"responses {path}: no event names a stimulus, all are n/a or empty ({some(there)} of {first.name}); write "
            f"another column as column: (columns: {some(tables[first])})"
        )
    return found


def _events_of(file: Path, files: Sequence[Path], asked: Asked) -> list[Path]:
    """The files of events that belong to one of betas: one with no more entities, the most of those, or all those
    with more. Raises UserError for none, and for several that are as near."""
    if pattern := asked.text("events"):
        there = _matching(asked.folder / pattern, "events")
        if len(files) == 1:
            return there
    else:
        beside = list(file.parent.glob(f"*{EVENTS}"))
        there = beside if _near(file, beside) else sorted(asked.folder.rglob(f"*{EVENTS}"), key=_by_numbers)
    near = _near(file, there)
    if not near:
        raise UserError(
            f"responses {file}: no *{EVENTS} in {asked.folder} has its entities "
            f"({', '.join(f'{key}-{value}' for key, value in _written(file).items()) or 'it has none'}); "
            "put it there or name it as events:"
        )
    return near


def _near(file: Path, events: Sequence[Path]) -> list[Path]:
    own = entities(file).items()
    above = [event for event in events if entities(event).items() <= own]
    if above:
        most = max(len(entities(event)) for event in above)
        above = [event for event in above if len(entities(event)) == most]
        if len(above) > 1:
            raise UserError(
                f"responses {file}: {above[0]} and {above[1]} may both be its events; name the right ones as events:"
            )
        return above
    return sorted((event for event in events if entities(event).items() >= own), key=_by_numbers) if own else []


def _table(path: Path) -> pd.DataFrame:
    """Events as texts, in the order of their onsets. Raises UserError for a file that is none."""
    import pandas as pd

    with reading(f"events {path}"):
        demand_memory(f"events {path}", 20 * path.stat().st_size, "may take")
        head_of(path, f"events {path}")
        table = pd.read_csv(path, dtype=str, keep_default_na=False, **form_of(path))
    demand_columns(f"events {path}", map(str, table.columns))
    if "onset" not in table:
        raise UserError(f"events {path}: has no column onset (columns: {some(table.columns)}); is it one of events?")
    onsets = pd.to_numeric(table["onset"], errors="coerce").to_numpy(np.float64)
    if (wrong := np.flatnonzero(~np.isfinite(onsets))).size:
        raise UserError(
            f"events {path}: row {wrong[0] + 1} has the onset {table['onset'][wrong[0]]!r}, must be seconds"
        )
    if (back := np.flatnonzero(np.diff(onsets) < 0)).size:
        raise UserError(
            f"events {path}: onsets fall at row {back[0] + 2} ({onsets[back[0]]:g}, then {onsets[back[0] + 1]:g} s): "
            "which volume is of which row is in doubt; sort the rows by onset if the betas are"
        )
    return table


def _labels(events: Sequence[Path], table: pd.DataFrame, label: str, shown: Sequence[int]) -> list[str]:
    if label not in table or table[label].isna().any():
        raise UserError(f"events {events[0]}: there is no column {label} for strata (columns: {some(table.columns)})")
    words = table[label].to_numpy()
    return ["" if words[place] in MISSING else str(words[place]) for place in shown]


def _varying(path: Path, places: Voxels, values: np.ndarray) -> tuple[Voxels, np.ndarray]:
    """Without voxels that are nan or the same in all trials, as they are outside of the brain."""
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    good = np.isfinite(low) & (low < high) if len(values) > 1 else np.isfinite(low)
    if not good.any():
        raise UserError(f"responses {path}: no voxel varies over the trials; is the mask of this space?")
    if good.all():
        return places, values
    say(f"{path.name}: {int((~good).sum())} of {len(good)} voxels are nan or do not vary; left out")
    return places.of(np.flatnonzero(good)), np.ascontiguousarray(values[:, good])


READERS.register("bids")(Reader(NIFTI, "NIfTI", read_betas, ("mask", "rois", "events", "column"), PATTERN))
