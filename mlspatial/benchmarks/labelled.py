"""Latents of a recording's own stimuli, from a table, and the crossings that they make.

What somebody showed to neurons is often crossed, or one thing varied at a time; then neurons are asked what networks
are asked with a design. What lacks for that is named, cell by cell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.benchmarks.ids import some, stems, texts
from mlspatial.benchmarks.response_tables import table_of
from mlspatial.benchmarks.responses import NAMES as AXES
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.design import NAMES, NUMBERS
from mlspatial.core.errors import StimulusMismatch, UserError
from mlspatial.core.latents import Kind, Latent, LatentSchema

if TYPE_CHECKING:
    import pandas as pd

PERIOD = 360.0
ALIASES = {"distance": "z"}  # names of a latent whose kind and unit are those of another
CONTEXTS = ("identity", "object", "exemplar", "scene", "background", "sky")  # columns that say what is held
DIGITS = 6  # of numbers that are one level
MOST = 64  # levels of a factor: more are no levels
NAMED = 4  # cells that a line names
CELLS = 10**6  # of a crossing: of more no line names single ones
NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*")  # with a point or a comma
AS_TEXT = ("label", *AXES["neuroid"])  # columns that are read as text whatever is in them


@dataclass(frozen=True)
class Labels:
    """what: the recording, in messages; schema: the columns of the table; values: column -> (n,) numbers, or codes of a
    category; factors: columns that are crossed, () for all that vary within contexts; contexts: columns that say what
    is held, () for those of CONTEXTS that are there. Stimuli are in the recording's order."""

    what: str
    schema: LatentSchema
    values: Mapping[str, np.ndarray]
    factors: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()

    @cached_property
    def held(self) -> tuple[str, ...]:
        """The columns that say what is held."""
        there = self.contexts or tuple(name for name in CONTEXTS if name in self.schema)
        return tuple(name for name in there if name not in self.factors)

    @cached_property
    def context(self) -> np.ndarray:
        """(n,) number of each stimulus' context: all combinations of what is held that are there."""
        columns = np.array([self._levels(name)[1] for name in self.held] or [np.zeros(self.number, int)])
        return np.unique(columns, axis=1, return_inverse=True)[1].reshape(-1)

    @property
    def several(self) -> np.ndarray | None:
        """The contexts where there are several; None where one is all there is, which keeps nothing apart."""
        return self.context if self.context.any() else None

    @property
    def number(self) -> int:
        return len(next(iter(self.values.values())))

    def crossings(self) -> list[Crossing]:
        """One crossing of all factors, or a sweep of each where one varies at a time. Several images of a cell in a
        context are so many contexts, as draws are.

        Raises UserError where the table has neither, with the cells that lack.
        """
        factors = self.factors or tuple(
            name for name in self.schema.names if name not in self.held and self._varies(name)
        )
        if not factors:
            held = f"contexts are told by {', '.join(self.held)}" if self.held else "it has no contexts"
            raise UserError(f"{self.what}: no latent varies within a context ({held}), so that none can be tuned to")
        many = {name: count for name in factors if (count := len(self._levels(name)[0])) > MOST}
        if many:
            name, count = next(iter(many.items()))
            raise UserError(
                f"{self.what}: {name} has {count} values for {self.number} stimuli, which are no levels; name the "
                "latents that are crossed in the YAML (factors: [...]), or write levels into the table"
            )
        if still := [name for name in factors if len(self._levels(name)[0]) < 2]:
            raise UserError(
                f"{self.what}: factors names {still[0]}, which is {self._said(still[0], 0)} for all {self.number} "
                "stimuli; take it out of factors"
            )
        cells = self._cells(factors)
        given = self._as_factors(factors)
        if (whole := _crossed(given, cells, self.context, self._ties(factors))) is not None:
            return [self._crossing("crossed", given, whole)]
        sweeps = self._sweeps(factors) if len(factors) > 1 else None
        if sweeps is None:
            raise UserError(f"{self.what}: {self._lacking(factors, cells)}")
        return sweeps

    # ---- of columns ----

    def _levels(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(levels in order, (n,) which of them each stimulus has)."""
        values = np.asarray(self.values[name])
        rounded = values if self.schema[name].kind == "category" else np.round(values.astype(np.float64), DIGITS)
        found, codes = np.unique(rounded, return_inverse=True)
        return found, codes.reshape(-1)

    def _varies(self, name: str) -> bool:
        """Whether a column has several values in some context."""
        codes = self._levels(name)[1]
        return len(np.unique(np.stack([self.context, codes]), axis=1).T) > len(np.unique(self.context))

    def _as_factors(self, names: Sequence[str]) -> tuple[Factor, ...]:
        found = []
        for name in names:
            latent, levels = self.schema[name], self._levels(name)[0]
            values = (
                tuple(latent.categories[int(code)] for code in levels)
                if latent.kind == "category"
                else tuple(map(float, levels))
            )
            found.append(Factor(name, latent.kind, values, latent.unit))
        return tuple(found)

    def _cells(self, names: Sequence[str]) -> np.ndarray:
        """(n, factors) level of each stimulus."""
        return np.stack([self._levels(name)[1] for name in names], axis=1)

    def _place(self, context: int) -> str:
        row = int(np.flatnonzero(self.context == context)[0])
        return ", ".join(f"{name} {self._said(name, row)}" for name in self.held)

    def _said(self, name: str, row: int) -> str:
        value, latent = self.values[name][row], self.schema[name]
        return latent.categories[int(value)] if latent.kind == "category" else f"{float(value):g}"

    # ---- of crossings ----

    def _ties(self, factors: Sequence[str]) -> np.ndarray:
        """(n, others) levels of all that is neither crossed nor held: it pairs the draws of one cell with another's."""
        others = [name for name in self.schema.names if name not in (*factors, *self.held)]
        return np.array([self._levels(name)[1] for name in others]).reshape(len(others), self.number).T

    def _crossing(self, name: str, given: Sequence[Factor], rows: np.ndarray) -> Crossing:
        """rows: (cells, contexts), of which each stands for one context of the table, draw by draw."""
        first = self.context[rows[0]]
        return Crossing(
            name,
            tuple(given),
            rows.reshape(*(len(factor) for factor in given), -1),
            tuple((int(one), int((first[:place] == one).sum())) for place, one in enumerate(first)),
            self._clusters(rows[0]),
        )

    def _clusters(self, rows: np.ndarray) -> tuple[int, ...]:
        """Of contexts with these images, by the first column that says what is held and tells them apart, else ()."""
        for name in self.held:
            codes = self._levels(name)[1][rows]
            if len(order := list(dict.fromkeys(codes.tolist()))) > 1:
                return tuple(order.index(code) for code in codes.tolist())
        return ()

    def _sweeps(self, factors: Sequence[str]) -> list[Crossing] | None:
        """A crossing of each factor alone, the others being as most often in their context; None where some image
        differs from that in two, or a sweep is not whole."""
        cells = self._cells(factors)
        usual = np.empty_like(cells)
        for context in np.unique(self.context):
            own = self.context == context
            usual[own] = [np.bincount(column).argmax() for column in cells[own].T]
        differs = cells != usual
        if (differs.sum(axis=1) > 1).any():
            return None
        found = []
        for place, (name, whole) in enumerate(zip(factors, self._as_factors(factors), strict=True)):
            rows = np.flatnonzero(~np.delete(differs, place, axis=1).any(axis=1))
            there, level = np.unique(cells[rows, place], return_inverse=True)
            factor = Factor(name, whole.kind, tuple(whole.values[int(i)] for i in there), whole.unit)
            counts = np.zeros((len(np.unique(self.context)), len(there)), int)
            np.add.at(counts, (self.context[rows], level), 1)
            order = np.lexsort((level, self.context[rows]))
            starts = np.concatenate([[0], np.cumsum(counts.ravel())[:-1]])
            nth = np.arange(len(rows)) - np.repeat(starts, counts.ravel())
            rows, level = rows[order][nth < counts.min()], level[order][nth < counts.min()]  # what all sweeps share
            if not len(rows) or len(there) < 2:
                return None
            chosen = _crossed([factor], level[:, None], self.context[rows], self._ties(factors)[rows])
            if chosen is None:
                return None
            found.append(self._crossing(name, [factor], rows[chosen]))
        return found

    def _lacking(self, factors: Sequence[str], cells: np.ndarray) -> str:
        """In words, which cells of the crossing have another number of images than most."""
        given = self._as_factors(factors)
        shape = tuple(len(factor) for factor in given)
        contexts = int(self.context.max()) + 1
        sizes = " x ".join(f"{f.name} ({len(f)})" for f in given)
        advice = (
            "Name the latents that are crossed (factors: [...]) and those that are held (contexts: [...]), or leave "
            "stimuli out"
        )
        if (size := prod(shape) * contexts) > CELLS:
            filled = len(np.unique(np.column_stack([self.context, cells]), axis=0))
            return (
                f"its latents are neither crossed nor varied one at a time: of {sizes} in {contexts} contexts, "
                f"{self.number} stimuli fill {filled} of {size:,} cells. {advice}"
            )
        counts = np.zeros((contexts, *shape), int)
        np.add.at(counts, (self.context, *cells.T), 1)
        usual = max(1, int(np.bincount(counts.ravel()).argmax()))
        holes = np.argwhere(counts != usual)
        named = []
        for hole in holes[np.argsort(counts[tuple(holes.T)], kind="stable")][:NAMED].tolist():
            context, *cell = hole
            levels = ", ".join(f"{f.name} {_word(f.values[i])}" for f, i in zip(given, cell, strict=True))
            place = self._place(context)
            named.append(f"{levels}{f' at {place}' if place else ''} ({counts[tuple(hole)] or 'none'})")
        more = f" and {len(holes) - NAMED} more" if len(holes) > NAMED else ""
        each = "an image" if usual == 1 else f"{usual} images"
        return (
            f"its latents are neither crossed nor varied one at a time: of {sizes} in {contexts} contexts, with {each} "
            f"each, {len(holes)} of {counts.size} cells lack some or have more: {'; '.join(named)}{more}. {advice}"
        )


def read_labels_of(
    path: Path, ids: Sequence[str], what: str, factors: Sequence[str] = (), contexts: Sequence[str] = ()
) -> Labels:
    """The latents of the stimuli `ids` from a csv, tsv or Parquet file: a column stimulus_id, every other one a latent.

    Columns of numbers are linear, those of angles (rot_0, light, ...) circular, words and category, identity, scene and
    sky categories. Raises UserError for stimuli or values that lack, by name, and for text among numbers;
    StimulusMismatch for stimuli without row.
    """
    column, table = table_of(path, "latents")
    stimuli = stems(path, table[column])
    if again := [name for name, rows in Counter(stimuli).items() if rows > 1]:
        raise UserError(f"latents {path}: stimulus {again[0]} has several rows; give it one")
    place = {name: i for i, name in enumerate(stimuli)}
    if absent := [name for name in ids if name not in place]:
        raise StimulusMismatch(f"latents {path}: {len(absent)} stimuli have no row ({some(absent)})")
    rows = [place[name] for name in ids]
    names = [str(name) for name in table if name != column and not str(name).startswith("Unnamed:")]
    latents, values = [], {}
    for name in names:
        if _of_words(path, name, table[name], stimuli):
            said = texts(path, table[name].iloc[rows], name)
            categories, values[name] = np.unique(said, return_inverse=True)
            latents.append(Latent(name, "", "category", categories=tuple(categories.tolist())))
        else:
            values[name] = _numbers(path, name, table[name].iloc[rows], ids)
            kind, unit = _kind(name)
            latents.append(Latent(name, unit, kind))
    if not latents:
        raise UserError(f"latents {path}: has no column beside {column}; write one a latent")
    for key, named in (("factors", factors), ("contexts", contexts)):
        if unknown := [name for name in named if name not in names]:
            raise UserError(f"{what}: {key} names {some(unknown)}, no column of the latents {path} ({some(names)})")
    return Labels(what, LatentSchema(tuple(latents)), values, tuple(factors), tuple(contexts))


def _of_words(path: Path, name: str, column: pd.Series, stimuli: Sequence[str]) -> bool:
    """Whether a column is a category. Raises UserError for text where there are or must be numbers: a slip in a column
    of numbers must not make a category of it. stimuli: of each row."""
    import pandas as pd

    if name in (*NAMES, *CONTEXTS, *AS_TEXT):
        return True
    truths = pd.api.types.is_bool_dtype(column)
    if pd.api.types.is_numeric_dtype(column) and not truths:
        return False
    known = ALIASES.get(name, name) in NUMBERS
    if not known and (truths or isinstance(column.dtype, pd.CategoricalDtype)):
        return True
    there = np.flatnonzero(column.notna().to_numpy())
    said = [str(value) for value in column.iloc[there]]
    like = np.array([NUMBER.fullmatch(text) is not None for text in said], bool)
    if not known and not like.any():
        return True
    commas = np.array(["," in text for text in said], bool) & like
    most = known or 2 * like.sum() > len(like)
    worst = ~like if most and not like.all() else commas if commas.any() else like
    first = int(worst.argmax()) if len(worst) else 0
    where = f"latents {path}: {name} of {stimuli[there[first]] if len(there) else stimuli[0]}"
    text = repr(said[first]) if said else "empty"
    words = "" if known else ", or words in all rows for a category"
    if not most:
        raise UserError(f"{where} is {text}, a number among words; write words in all rows, or numbers in all")
    if not like.all():
        raise UserError(f"{where} is {text}, no number; write numbers in all rows (0.2){words}")
    if commas.any():
        raise UserError(f"{where} is {text}, a number with a comma; write it with a point (0.2) in all rows")
    raise UserError(f"{where} is {text}, stored as text; store the column as numbers{words}")


def _numbers(path: Path, name: str, column: pd.Series, ids: Sequence[str]) -> np.ndarray:
    numbers = column.to_numpy(np.float64, na_value=np.nan)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise UserError(f"latents {path}: {name} of {ids[row]} is no number; fill it or leave the stimulus out")
    return numbers


def _kind(name: str) -> tuple[Kind, str]:
    known = NUMBERS.get(ALIASES.get(name, name))
    return (known[0], known[1]) if known else ("linear", "")


def _crossed(factors: Sequence[Factor], cells: np.ndarray, context: np.ndarray, ties: np.ndarray) -> np.ndarray | None:
    """(cells, contexts) rows of a full crossing, in which every cell has as many images in every context; None of none.
    cells: (n, factors) level of each image; ties: (n, others) by which the images of one cell are in order."""
    shape = tuple(len(factor) for factor in factors)
    contexts = np.unique(context)
    each, rest = divmod(len(cells), prod(shape) * len(contexts))
    if rest or not each:
        return None
    flat = np.ravel_multi_index(tuple(cells.T), shape)
    order = np.lexsort((np.arange(len(flat)), *ties.T, flat, context))
    rows = order.reshape(len(contexts), prod(shape), each)
    whole = (flat[rows] == np.arange(prod(shape))[None, :, None]).all() and (contexts == context[rows].T).all()
    return rows.transpose(1, 0, 2).reshape(prod(shape), -1) if whole else None


def _word(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else value
