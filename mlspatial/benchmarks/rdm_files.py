"""Files of dissimilarity matrices: npy, csv, tsv, Parquet and MATLAB, square or condensed, one or many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isqrt
from pathlib import Path

import numpy as np

from mlspatial.benchmarks.ids import some, stems, texts
from mlspatial.benchmarks.matlab import MAT, chosen, field_of, has_field, texts_of, variables
from mlspatial.benchmarks.response_tables import MISSING, TABLES, demand_columns, form_of, reading
from mlspatial.core.errors import StimulusMismatch, UserError
from mlspatial.core.limits import demand_npy, demand_parquet

RDM = "RDM"  # the field of MATLAB's struct arrays
PAIR = (("stimulus_1", "stimulus_a", "stimulus1"), ("stimulus_2", "stimulus_b", "stimulus2"))  # of a long table
VALUE = ("dissimilarity", "distance", "value")
SUBJECT = ("subject", "subject_id", "rdm")
ASYMMETRY = 1e-6  # of the largest value: what rounding leaves


@dataclass(frozen=True)
class Rdms:
    """values: (matrices, pairs) float64, the upper triangle row by row; names: one a matrix; stimuli: their ids
    (picture names without ending), None where the file has none."""

    values: np.ndarray
    names: tuple[str, ...]
    stimuli: tuple[str, ...] | None

    @property
    def count(self) -> int:
        """Number of stimuli."""
        return stimuli_of(self.values.shape[1])

    def aligned(self, ids: Sequence[str], what: str) -> Rdms:
        """In the order of the stimuli `ids`; by name where the file has names, else as they are.

        Raises StimulusMismatch, naming them, for stimuli on one side only.
        """
        if self.stimuli is None:
            if self.count != len(ids):
                raise StimulusMismatch(f"{what}: the matrices are of {self.count} stimuli, {len(ids)} have images")
            return self
        for one, other, words in ((ids, self.stimuli, "matrices"), (self.stimuli, ids, "pictures")):
            if absent := sorted(set(one) - set(other)):
                raise StimulusMismatch(f"{what}: {len(absent)} stimuli are not in the {words} ({some(absent)})")
        place = {name: i for i, name in enumerate(self.stimuli)}
        order = np.array([place[name] for name in ids])
        rows, columns = np.triu_indices(len(ids), 1)
        squares = np.zeros((len(self.values), len(ids), len(ids)))
        squares[:, rows, columns] = squares[:, columns, rows] = self.values
        return Rdms(squares[:, order[rows], order[columns]], self.names, tuple(ids))

    def of_subjects(self, patterns: dict[str, str], what: str) -> Rdms:
        """A matrix a subject. patterns: subject -> pattern of its matrices' names (`*| BE |*`), which are averaged;
        without any, every matrix is a subject's. Raises UserError for a pattern without a matrix."""
        if not patterns:
            return self
        values = []
        for subject, pattern in patterns.items():
            rows = [i for i, name in enumerate(self.names) if fnmatchcase(name, pattern)]
            if not rows:
                raise UserError(
                    f"{what}: subjects: {subject}: no matrix is called {pattern} (there are {some(self.names)})"
                )
            values.append(self.values[rows].mean(axis=0))
        return Rdms(np.stack(values), tuple(patterns), self.stimuli)


def read_rdms(path: Path, *, variable: str = "", crossvalidated: bool = False) -> Rdms:
    """Read a file of dissimilarity matrices; its ending says how.

    npy: (n, n), (matrices, n, n), (pairs,) or (matrices, pairs), further leading axes are matrices, too. MATLAB: the
    same with matrices behind the others, (n, n, matrices), or a struct array with a field RDM (and name); variable:
    which, where several fit. csv, tsv, Parquet: square, with ids in the first column and as names of the others; or
    long, with columns stimulus_1, stimulus_2, dissimilarity (and subject). crossvalidated: whether distances may be
    below 0. Condensed matrices are the upper triangle row by row, as pdist gives them in SciPy and MATLAB.
    Raises UserError for what is no matrix of dissimilarities.
    """
    if not path.is_file():
        raise UserError(f"rdms {path}: cannot be read (there is no such file)")
    if variable and path.suffix != MAT:
        raise UserError(f"rdms {path}: variable: is for MATLAB files alone; leave it out")
    if path.suffix == ".npy":
        found = _from_npy(path)
    elif path.suffix == MAT:
        found = _from_mat(path, variable)
    elif path.suffix in TABLES:
        found = _from_table(path)
    else:
        raise UserError(f"rdms {path}: must end in {', '.join(('.npy', MAT, *TABLES))}")
    for name, values in zip(found.names, found.values, strict=True):
        _demand(f"rdms {path}: matrix {name}", values, crossvalidated)
    return found


def stimuli_of(pairs: int) -> int:
    """Number n of stimuli with n (n - 1) / 2 pairs; 0 where there is none."""
    n = (isqrt(8 * pairs + 1) + 1) // 2
    return n if n * (n - 1) // 2 == pairs and n > 1 else 0


def _from_npy(path: Path) -> Rdms:
    try:
        demand_npy(path, f"rdms {path}")
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"rdms {path}: cannot be read ({error})") from error
    if array.dtype.kind not in "fiu":
        raise UserError(f"rdms {path}: holds {array.dtype}, not numbers")
    values = _condensed(path, array)
    return Rdms(values, tuple(map(str, range(len(values)))), None)


def _from_mat(path: Path, variable: str) -> Rdms:
    def fits(array: np.ndarray) -> bool:
        if array.dtype.names:
            return has_field(array, RDM)
        return array.dtype.kind in "fiu" and array.size > 0 and (_is_square(_first(array)) or _in_rows(array))

    def is_column(array: np.ndarray) -> bool:
        return fits(array) or (array.dtype.kind in "fiu" and _in_rows(array.T))

    words = "a struct array with a field RDM, (n, n, matrices) or (matrices, pairs)"
    there = variables(path)
    columns = bool(variable) or not any(map(fits, there.values()))  # labels of stimuli may look like a column of pairs
    name, array = chosen(path, there, is_column if columns else fits, variable, words)
    if array.dtype.names:
        parts = [_condensed(path, part.ravel() if 1 in part.shape else part) for part in field_of(array, RDM)]
        if any(len(part) != 1 or part.shape != parts[0].shape for part in parts):
            raise UserError(f"rdms {path}: the matrices in {name} are of different numbers of stimuli; save them apart")
        called = texts_of(array, "name") if has_field(array, "name") else [""] * len(parts)
        names = [text or str(i) for i, text in enumerate(called)]
        return Rdms(np.concatenate(parts), tuple(names), None)
    if array.ndim > 2:
        array = np.moveaxis(array.reshape(*array.shape[:2], -1, order="F"), 2, 0)
    values = _condensed(path, array)
    return Rdms(values, tuple(map(str, range(len(values)))), None)


def _from_table(path: Path) -> Rdms:
    head, rows = _cells(path)
    demand_columns(f"rdms {path}", head)
    if not rows:
        raise UserError(f"rdms {path}: has no rows below the names of its columns; save the matrix with them")
    first, second = (next((head.index(name) for name in names if name in head), -1) for names in PAIR)
    if first >= 0 and second >= 0:
        return _from_long(path, head, rows, first, second)
    ids, columns = stems(path, (row[0] for row in rows)), stems(path, head[1:])
    if sorted(ids) != sorted(columns):
        raise UserError(
            f"rdms {path}: the first column names {len(ids)} stimuli ({some(ids, 3)}), the first row {len(columns)} "
            f"({some(columns, 3)}); name the same in both, or have columns {PAIR[0][0]}, {PAIR[1][0]}, {VALUE[0]}"
        )
    place = {name: i for i, name in enumerate(columns)}
    if len(place) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise UserError(f"rdms {path}: stimulus {twice} is there twice; keep one of its rows and columns")
    matrix = np.array([[_number(path, cell) for cell in row[1:]] for row in rows])
    return Rdms(_condensed(path, matrix[:, [place[name] for name in ids]]), ("0",), tuple(ids))


def _from_long(path: Path, head: list[str], rows: list[list[str]], first: int, second: int) -> Rdms:
    """A row a pair; each pair once, or in both orders with the same value."""
    value = next((head.index(name) for name in VALUE if name in head), -1)
    subject = next((head.index(name) for name in SUBJECT if name in head), -1)
    if value < 0:
        raise UserError(f"rdms {path}: has no column {VALUE[0]} (columns: {some(head)})")
    one, two = (stems(path, (row[column] for row in rows)) for column in (first, second))
    whose = texts(path, (row[subject] for row in rows), "subject") if subject >= 0 else ["0"] * len(rows)
    ids, names = tuple(dict.fromkeys([*one, *two])), tuple(dict.fromkeys(whose))
    place, turn = {name: i for i, name in enumerate(ids)}, {name: i for i, name in enumerate(names)}
    squares = np.full((len(names), len(ids), len(ids)), np.nan)
    squares[:, np.arange(len(ids)), np.arange(len(ids))] = 0.0
    for who, a, b, row in zip(whose, one, two, rows, strict=True):
        i, j, k, distance = place[a], place[b], turn[who], _number(path, row[value])
        known = squares[k, i, j]
        if not np.isnan(known) and known != distance:
            raise UserError(f"rdms {path}: the pair {a}, {b} has {known:g} and {distance:g}; give it one")
        squares[k, i, j] = squares[k, j, i] = distance
    lacking = np.argwhere(np.isnan(squares))
    if len(lacking):
        k, i, j = lacking[0]
        raise UserError(
            f"rdms {path}: matrix {names[k]} lacks {len(lacking) // 2} pairs (first: {ids[i]}, {ids[j]}); add them"
        )
    return Rdms(_condensed(path, squares), names, ids)


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """(names of the columns, rows) of a table as the texts that stand there; ids may look like numbers."""
    import pandas as pd

    with reading(f"rdms {path}"):
        if path.suffix == ".parquet":
            demand_parquet(path, f"rdms {path}")
            table = pd.read_parquet(path)
            table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
            return [str(name) for name in table], [[str(cell) for cell in row] for row in table.to_numpy().tolist()]
        cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, **form_of(path)).to_numpy().tolist()
        return cells[0], cells[1:]


def _number(path: Path, cell: str) -> float:
    if cell in MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise UserError(f"rdms {path}: holds {cell!r} where a number must be") from None


def _is_square(array: np.ndarray) -> bool:
    """Whether it is one matrix of dissimilarities: symmetric but for rounding."""
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 3:
        return False
    return bool(np.nanmax(np.abs(array - array.T), initial=0.0) <= ASYMMETRY * np.nanmax(np.abs(array), initial=0.0))


def _first(array: np.ndarray) -> np.ndarray:
    """The first of (n, n, ...) matrices."""
    return array.reshape(*array.shape[:2], -1)[:, :, 0]


def _in_rows(array: np.ndarray) -> bool:
    return array.ndim == 2 and stimuli_of(array.shape[1]) > 2


def _condensed(path: Path, array: np.ndarray) -> np.ndarray:
    """(matrices, pairs) of square or condensed ones; a column of pairs is one."""
    array = np.asarray(array, np.float64)
    if array.ndim == 2 and array.shape[1] == 1 and _in_rows(array.T):
        array = array.T
    if array.ndim == 1 or (array.ndim == 2 and not _is_square(array) and stimuli_of(array.shape[1])):
        if not stimuli_of(array.shape[-1]):
            raise UserError(f"rdms {path}: {array.shape[-1]} numbers are not n (n - 1) / 2 pairs of n stimuli")
        return np.atleast_2d(array)
    n = array.shape[-1]
    if array.ndim < 2 or array.shape[-2] != n:
        raise UserError(
            f"rdms {path}: an array of shape {array.shape} is neither square, (matrices, n, n), nor (matrices, pairs)"
        )
    if n < 3 or not array.size:
        raise UserError(f"rdms {path}: an array of shape {array.shape} has no geometry; needs matrices of 3 stimuli")
    squares = array.reshape(-1, n, n)
    for number, square in enumerate(squares):
        if not _is_square(square):
            apart = np.abs(square - square.T)
            i, j = np.unravel_index(int(np.nanargmax(apart)), apart.shape)
            raise UserError(
                f"rdms {path}: matrix {number} is not symmetric (stimuli {i} and {j}: {square[i, j]:g} and "
                f"{square[j, i]:g}); average it with its transpose if both mean the same"
            )
        diagonal = np.nan_to_num(np.diag(square))
        if np.abs(diagonal).max() > ASYMMETRY * np.nanmax(np.abs(square), initial=0.0):
            raise UserError(
                f"rdms {path}: matrix {number} has {diagonal[np.argmax(np.abs(diagonal))]:g} on its diagonal; hand "
                "over dissimilarities (1 - similarity), which are 0 there"
            )
    rows, columns = np.triu_indices(n, 1)
    return squares[:, rows, columns]


def _demand(what: str, values: np.ndarray, crossvalidated: bool) -> None:
    """Raises UserError for dissimilarities that are missing, below 0 or all the same."""
    if bad := int((~np.isfinite(values)).sum()):
        raise UserError(
            f"{what}: {bad} of {len(values)} pairs are missing or infinite; leave out a stimulus or fill them"
        )
    if not crossvalidated and (values < 0).any():
        raise UserError(
            f"{what}: {int((values < 0).sum())} distances are below 0 (least {values.min():g}); if they are "
            "crossvalidated, set crossvalidated: true"
        )
    if np.ptp(values) == 0:
        raise UserError(f"{what}: all pairs differ by {values[0]:g}; leave it out")
