"""Tables of NWB files as hdmf lays them out: a group of columns, ragged ones with an index of where rows end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import some
from mlspatial.benchmarks.readers.base import told
from mlspatial.core.errors import UserError
from mlspatial.core.limits import demand_memory

if TYPE_CHECKING:
    import h5py

PLACES = ("processing", "acquisition")  # where time series lie


def group_at(parent: Any, name: str) -> Any:
    """A group of the file itself, or None: links into other files are not followed."""
    import h5py

    link = parent.get(name, getlink=True) if name in parent else None
    if link is None or isinstance(link, h5py.ExternalLink):
        return None
    found = parent[name]
    return found if isinstance(found, h5py.Group) else None


def text_at(file: h5py.File, name: str) -> str:
    """A text of the file; "" where there is none."""
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or found.shape != ():
        return ""
    return told([found[()]])[0]


def number_of(attributes: Mapping[str, Any], name: str, default: float) -> float:
    value = attributes.get(name, default)
    return float(np.asarray(value).reshape(-1)[0]) if np.size(value) else default


class Table:
    """Columns of a DynamicTable; read when asked for. Raises UserError for a group that is none."""

    def __init__(self, path: Path, name: str, group: Any) -> None:
        import h5py

        self.path, self.name, self._group = path, name, group
        named = [told([one])[0] for one in np.asarray(group.attrs.get("colnames", ())).reshape(-1).tolist()]
        self.columns = tuple(one for one in named if isinstance(group.get(one), h5py.Dataset))
        if not isinstance(group.get("id"), h5py.Dataset):
            raise UserError(f"responses {path}: table {name} has no column id; it is no table of NWB")

    def __len__(self) -> int:
        return int(self._group["id"].shape[0])

    def dataset(self, column: str) -> Any:
        return self._group[column]

    def demand(self, column: str) -> None:
        """Raises UserError for a column that declares more than memory takes."""
        one = self._group[column]
        size = math.prod(one.shape) * max(one.dtype.itemsize, 64 if one.dtype.kind == "O" else 1)
        demand_memory(f"responses {self.path}: {self.name}/{column}", size)

    def index(self, column: str) -> np.ndarray | None:
        """(rows,) where each row of a ragged column ends; None of a plain one."""
        name = f"{column}_index"
        if name not in self._group:
            return None
        self.demand(name)
        return np.asarray(self._group[name][...], np.int64)

    def values(self, column: str) -> list[Any]:
        """One a row; texts as such. Raises UserError for a column that has several, or not as many as rows."""
        one = self._group[column]
        if one.shape != (len(self),) or f"{column}_index" in self._group:
            raise UserError(
                f"responses {self.path}: column {column} of table {self.name} has no one value a row "
                f"(shape {one.shape}, {len(self)} rows); name another as column:"
            )
        self.demand(column)
        if one.dtype.kind == "O" and one.dtype.metadata and "ref" in one.dtype.metadata:
            return [one.file[reference].name for reference in one[...]]
        return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in one[...].tolist()]

    def numbers(self, column: str) -> np.ndarray:
        """(rows,) float64. Raises UserError for a column that is missing or is not of numbers."""
        if column not in self.columns or self._group[column].dtype.kind not in "fiu":
            raise UserError(
                f"responses {self.path}: table {self.name} has no numbers {column} (columns: {some(self.columns)})"
            )
        return np.asarray(self.values(column), np.float64)

    def names(self) -> tuple[str, ...]:
        """Of the rows: unit_name where there is that, else their ids; each once."""
        column = next((one for one in ("unit_name", "neuroid_id") if one in self.columns), "")
        self.demand("id")
        found = told(self.values(column) if column else self._group["id"][...].tolist())
        return found if len(set(found)) == len(found) else tuple(map(str, range(len(found))))

    def rows_of(self, column: str, file: h5py.File, place: str) -> dict[str, tuple[str, ...]]:
        """column -> text a row, of another table (electrodes) that a column points into; several are joined by +."""
        if column not in self.columns or not group_at(file, place):
            return {}
        other, ends = Table(self.path, column, file[place]), self.index(column)
        self.demand(column)
        rows = np.asarray(self._group[column][...], np.int64)
        first = np.arange(len(self)) if ends is None else np.concatenate([[0], ends[:-1]])
        last = first + 1 if ends is None else ends
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(other):
            raise UserError(f"responses {self.path}: {self.name}/{column} points beyond {place}; the file is damaged")
        found = {}
        for name in other.columns:
            if other.dataset(name).shape == (len(other),) and other.dataset(name).dtype.kind in "OSU":
                words = told(other.values(name))
                found[name] = tuple(
                    "+".join(dict.fromkeys(words[i] for i in rows[a:b])) for a, b in zip(first, last, strict=True)
                )
        return found


def tables_in(path: Path, file: h5py.File, place: str) -> Iterator[Table]:
    """The tables of a group that have a start_time."""
    import h5py

    parent = group_at(file, place)
    for name in parent or ():
        if (group := group_at(parent, name)) is not None and isinstance(group.get("start_time"), h5py.Dataset):
            yield Table(path, name, group)


def series_in(file: h5py.File) -> dict[str, Any]:
    """Path -> group of every time series with (time, units) data."""
    import h5py

    found: dict[str, Any] = {}

    def look(group: Any, at: str, depth: int) -> None:
        data = group.get("data")
        timed = "timestamps" in group or "starting_time" in group
        if isinstance(data, h5py.Dataset) and data.ndim == 2 and data.dtype.kind in "fiu" and timed:
            found[at] = group
        for name in group if depth < 4 else ():
            if (below := group_at(group, name)) is not None:
                look(below, f"{at}/{name}", depth + 1)

    for place in PLACES:
        if (top := group_at(file, place)) is not None:
            look(top, place, 0)
    return found
