"""Neurodata Without Borders: spikes of units, or a series of rates, in a window after the onset of every stimulus.

Read through h5py by the layout of the format, so that no further library is needed and nothing is read that does not
count: /units, /intervals/TABLE with start_time, stop_time and a column that names the stimulus, or time series with
(time, units) data in /processing or /acquisition.
Source: the NWB format specification 2.7 (core: TimeIntervals, Units, TimeSeries; hdmf-common: DynamicTable).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import some, stems, texts
from mlspatial.benchmarks.readers.base import READERS, Asked, Reader, told, window_of
from mlspatial.benchmarks.readers.nwb_tables import Table, group_at, number_of, series_in, tables_in, text_at
from mlspatial.benchmarks.responses import Responses, counting, gathered
from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.limits import demand_memory
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import h5py

#: columns of a table of presentations that name the stimulus, the first that is there
STIMULUS = (
    *("stimulus_id", "stimulus", "image_id", "image", "stim_file", "stimulus_name", "image_name", "stimulus_presented"),
    *("stimulus_index", "image_index"),
)
REGION = ("region", "location", "brain_area", "brain_region", "area")  # columns of units
NO_REGION = ("", "unknown", "n/a", "na", "none", "nan")
OF_RESPONSES = ("RoiResponseSeries", "ElectricalSeries", "TimeSeries")  # series that are taken without their names
BYTES = 20  # of a number on the way: by trial, and by stimulus and repeat


@dataclass(frozen=True)
class Units:
    """names; regions: one each, or None where none is known; facts: name -> one each; of(chosen): (trials, chosen
    units) responses in (trials,) windows [from, to) in seconds."""

    names: tuple[str, ...]
    regions: tuple[str, ...] | None
    facts: dict[str, tuple[str, ...]]
    of: Callable[[Sequence[int], np.ndarray, np.ndarray], np.ndarray]
    words: str


def read_nwb(path: Path, asked: Asked) -> Responses:
    """table: of presentations, in /intervals; column: of it that names the stimulus; window: [from, to) in seconds
    after the onset, from start to stop of each presentation by default; series: a time series of rates instead of the
    units' spikes; counts: spikes instead of spikes/s. Raises UserError for what is no such file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "nwb_version" not in file.attrs:
                raise UserError(f"responses {path}: is HDF5, but no NWB file (it has no nwb_version)")
            return _from_file(path, file, asked)
    except UserError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(
            f"responses {path}: cannot be read ({in_one_line(error)}), is it whole? copy it anew from where it was made"
        ) from error


def _from_file(path: Path, file: h5py.File, asked: Asked) -> Responses:
    counts = asked.settings.get("counts", False)
    if not isinstance(counts, bool):
        raise BadValue("counts", counts, "must be true (spikes) or false (spikes/s)")
    shown, column = _presentations(path, file, asked)
    words = shown.values(column)
    start, stop = shown.numbers("start_time"), shown.numbers("stop_time")
    there = np.array([word not in ("", b"", "n/a") and word == word for word in words], bool) & np.isfinite(start)
    if not there.any():
        raise UserError(f"responses {path}: table {shown.name} has no presentation with a {column}")
    window = window_of(asked)
    begin, end = (start, stop) if window is None else (start + window[0], start + window[1])
    begin, end = begin[there], end[there]
    if (wrong := np.flatnonzero(~(begin < end))).size:
        raise UserError(
            f"responses {path}: presentation {np.flatnonzero(there)[wrong[0]] + 1} of table {shown.name} does not end "
            f"after it begins ({begin[wrong[0]]:g} to {end[wrong[0]]:g} s); set window: [0.07, 0.17] (s after onset)"
        )
    units = _series(path, file, asked) if asked.text("series") or not group_at(file, "units") else None
    if units is not None and counts:
        raise BadValue("counts", counts, "is of spikes, and a series has none; leave it out")
    units = units or _spikes(path, file, counts)
    chosen = counting(path, units.names, asked.neuroids, units.regions, asked.region)
    demand_memory(
        f"responses {path}", BYTES * len(begin) * len(chosen), f"{len(begin):,} trials of {len(chosen)} units take"
    )
    values = units.of(chosen, begin, end)
    said = "from onset to end" if window is None else f"{window[0]:g} to {window[1]:g} s after onset"
    lacking = f", {int((~there).sum())} without one left out" if not there.all() else ""
    say(
        f"{path.name}: {units.words} of {len(chosen)} units {said}, {len(begin)} presentations in {shown.name} by "
        f"{column}{lacking}"
    )
    labels = None
    if asked.label:
        if asked.label not in shown.columns:
            raise UserError(
                f"responses {path}: table {shown.name} has no column {asked.label} for strata "
                f"(columns: {some(shown.columns)})"
            )
        of_all = shown.values(asked.label)
        labels = texts(path, [of_all[i] for i in np.flatnonzero(there)], asked.label)
    stimuli = stems(path, [words[i] for i in np.flatnonzero(there)])
    found = gathered(path, stimuli, None, values, tuple(units.names[i] for i in chosen), labels)
    session = text_at(file, "general/session_id") or text_at(file, "identifier")
    facts = {"session": (session,) * len(chosen)} if session else {}
    facts |= {name: tuple(of[i] for i in chosen) for name, of in units.facts.items()}
    return found.with_facts(facts, text_at(file, "general/subject/subject_id"))


def _presentations(path: Path, file: h5py.File, asked: Asked) -> tuple[Table, str]:
    """The table of presentations and its column that names the stimulus: those that are named, or the only that fit."""
    tables = {table.name: table for table in tables_in(path, file, "intervals")}
    wanted, column = asked.text("table").removeprefix("intervals/"), asked.text("column")
    if wanted and wanted not in tables:
        raise UserError(f"responses {path}: table={wanted}: /intervals has none of this name (tables: {some(tables)})")
    names = {
        name: next((c for c in ([column] if column else STIMULUS) if c in table.columns), "")
        for name, table in tables.items()
        if not wanted or name == wanted
    }
    fitting = [name for name, found in names.items() if found]
    if len(fitting) == 1:
        return tables[fitting[0]], names[fitting[0]]
    if fitting:
        raise UserError(f"responses {path}: tables {some(fitting)} name stimuli; write one of those as table:")
    there = "; ".join(f"{name}: {some(tables[name].columns, 12)}" for name in names) or "there are no tables"
    raise UserError(
        f"responses {path}: no table in /intervals has a column {column or 'that names the stimulus'} ({there}); "
        "write its table and column as table: and column:"
    )


def _spikes(path: Path, file: h5py.File, counts: bool) -> Units:
    table = Table(path, "units", file["units"])
    ends = table.index("spike_times") if "spike_times" in table.columns else None
    if ends is None:
        raise UserError(f"responses {path}: /units has no spike_times (columns: {some(table.columns)}); name a series:")
    times = table.dataset("spike_times")
    if len(ends) != len(table) or (np.diff(ends) < 0).any() or (len(ends) and ends[-1] > times.shape[0]):
        raise UserError(f"responses {path}: spike_times_index does not fit spike_times; the file is damaged")
    observed, observed_ends = None, table.index("obs_intervals")
    if observed_ends is not None:
        table.demand("obs_intervals")
        observed = np.asarray(table.dataset("obs_intervals")[...], np.float64).reshape(-1, 2)

    def of(chosen: Sequence[int], begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        values, any_there = np.empty((len(begin), len(chosen))), False
        low, high = np.inf, -np.inf
        for column, unit in enumerate(chosen):
            first, last = int(ends[unit - 1]) if unit else 0, int(ends[unit])
            demand_memory(f"responses {path}: unit {unit}", 16 * (last - first), f"{last - first:,} spikes take")
            spikes = np.sort(np.asarray(times[first:last], np.float64))
            found = np.searchsorted(spikes, end) - np.searchsorted(spikes, begin)  # in [begin, end)
            any_there |= bool(found.any())
            low, high = min(low, spikes.min(initial=np.inf)), max(high, spikes.max(initial=-np.inf))
            values[:, column] = found if counts else found / (end - begin)
            if observed is not None and observed_ends is not None:
                seen = observed[int(observed_ends[unit - 1]) if unit else 0 : int(observed_ends[unit])]
                values[~_inside(seen, begin, end), column] = np.nan
        if not any_there:
            spoken = f"spikes: {low:g} to {high:g} s" if low <= high else "they have no spikes at all"
            raise UserError(
                f"responses {path}: none of the {len(chosen)} units has a spike in any window ({spoken}, windows: "
                f"{begin.min():g} to {end.max():g} s); both must be seconds of one clock, see window: and table:"
            )
        return values

    names = table.names()
    electrodes = table.rows_of("electrodes", file, "general/extracellular_ephys/electrodes")
    facts: dict[str, tuple[str, ...]] = {
        name: electrodes[name] for name in ("location", "group_name") if name in electrodes
    }
    own = next((name for name in REGION if name in table.columns), "")
    regions = told(table.values(own)) if own else facts.get("location")
    if own and own not in facts:
        facts[own] = told(table.values(own))
    known = regions is not None and not all(one.strip().lower() in NO_REGION for one in regions)
    return Units(names, regions if known else None, facts, of, "spikes" if counts else "spikes/s")


def _inside(intervals: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether windows lie in one of (n, 2) intervals: a unit that was not observed then has no response, not 0."""
    if not len(intervals):
        return np.ones(len(begin), bool)
    ordered = intervals[np.argsort(intervals[:, 0])]
    place = np.searchsorted(ordered[:, 0], begin + 1e-9, side="right") - 1
    return (place >= 0) & (end <= ordered[np.maximum(place, 0), 1] + 1e-9)


def _series(path: Path, file: h5py.File, asked: Asked) -> Units:
    """Means of the samples in a window, of a time series with (time, units) data."""
    there, wanted = series_in(file), asked.text("series").strip("/")
    fitting = [name for name in there if not wanted or name == wanted or name.rpartition("/")[2] == wanted]
    if len(fitting) != 1:
        what = f"series={wanted}: " if wanted else "has no /units, and "
        raise UserError(
            f"responses {path}: {what}{len(fitting) or 'no'} time series with data of (time, units) "
            f"{'are' if len(fitting) > 1 else 'is'} there ({some(there) or 'none at all'}); write one as series:"
        )
    group = there[fitting[0]]
    kind = told([group.attrs.get("neurodata_type")])[0]
    if not wanted and kind not in OF_RESPONSES:  # positions of the eye and the animal are (time, units), too
        raise UserError(
            f"responses {path}: has no /units, and its only time series of (time, units) is {fitting[0]}, a "
            f"{kind or 'series of no type'}; write series: {fitting[0]} if those are responses"
        )
    data = group["data"]
    if "timestamps" in group:
        stamps = group["timestamps"]
        demand_memory(f"responses {path}: timestamps", 8 * stamps.size)
        times = np.asarray(stamps[...], np.float64)
    else:
        start = group["starting_time"]
        demand_memory(f"responses {path}: {fitting[0]}", 8 * data.shape[0], "times of its samples take")
        times = float(start[()]) + np.arange(data.shape[0]) / number_of(start.attrs, "rate", 1.0)
    if (wrong := np.flatnonzero(~np.isfinite(times))).size:
        raise UserError(
            f"responses {path}: sample {wrong[0] + 1} of {fitting[0]} is at the time {times[wrong[0]]:g} s; without a "
            "time it is of no window, leave such samples out"
        )
    if len(times) != data.shape[0] or (np.diff(times) < 0).any():
        raise UserError(f"responses {path}: {fitting[0]} has {data.shape[0]} samples at {len(times)} times in no order")
    scale, offset = number_of(data.attrs, "conversion", 1.0), number_of(data.attrs, "offset", 0.0)

    def of(chosen: Sequence[int], begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        values = np.full((len(begin), len(chosen)), np.nan)
        first, last = np.searchsorted(times, begin), np.searchsorted(times, end)
        if (first == last).all():
            raise UserError(
                f"responses {path}: {fitting[0]} has no sample in any window (times: {times[0]:g} to {times[-1]:g} s, "
                f"windows: {begin[0]:g} to {end[-1]:g} s)"
            )
        for row, (top, bottom) in enumerate(zip(first, last, strict=True)):
            if bottom > top:
                values[row] = np.asarray(data[top:bottom], np.float64)[:, chosen].mean(axis=0)
        return values * scale + offset

    names, facts = _of_series(path, file, group, data.shape[1])
    return Units(names, facts.get("location"), facts, of, f"{fitting[0]}")


def _of_series(
    path: Path, file: h5py.File, group: Any, units: int
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """(names of a series' units, what is known of them): rows of the table that `rois` or `electrodes` points into."""
    for name in ("rois", "electrodes"):
        region = group.get(name)
        target = None if region is None else region.attrs.get("table")
        if region is not None and target is not None and region.shape == (units,):
            table = Table(path, name, file[target])
            rows = np.asarray(region[...], np.int64)
            names = table.names()
            known = "location" in table.columns
            places = told(table.values("location")) if known else ()
            facts = {"location": tuple(places[i] for i in rows)} if known else {}
            return tuple(names[i] for i in rows), facts
    return tuple(map(str, range(units))), {}


READERS.register("nwb")(Reader((".nwb",), "NWB", read_nwb, ("table", "column", "series", "window", "counts")))
