"""Files of odd-one-out triplets and the YAML that describes them.

THINGS' order: of three numbers in a row the third is the odd one; numbers are places in the list of stimuli, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.benchmarks.choice_files import COLUMNS, counted_people, wanted_people
from mlspatial.benchmarks.descriptions import described, find_folder, number, one_of
from mlspatial.benchmarks.ids import in_doubt, some, stem
from mlspatial.benchmarks.picture_files import BACKGROUNDS, read_pictures
from mlspatial.benchmarks.response_tables import TABLES, demand_columns, form_of, head_of, reading
from mlspatial.benchmarks.triplets import SIMILARITIES, Triplets
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.core.limits import demand_npy, demand_parquet
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import pandas as pd

KEYS = (
    *("name", "region", "folder", "stimuli", "triplets", "names", "first", "people"),
    *("similarity", "metric", "degrees", "background"),
)
TEXT = ("name", "region", "folder", "stimuli", "triplets", "names", "background")
PARTS = ("stimulus_{}", "stimulus{}", "image_{}", "image{}", "img{}", "item_{}", "item{}")  # columns, with 1, 2, 3
ODD = ("odd_one_out", "odd", "ooo", "choice", "response")
PLACES = ("1", "2", "3")


def load_triplets(path: Path) -> Triplets:
    """Read a YAML file with `triplets`; docs/brains.md has its keys. Raises UserError with the key at fault."""
    settings, plain = described(path, KEYS, TEXT, ("stimuli", "triplets"))
    folder = find_folder(path, settings.get("folder", "."))
    background = one_of(path, settings, "background", ("", *BACKGROUNDS))
    stimuli = read_pictures(folder / settings["stimuli"], number(path, settings, "degrees", 8.0), background)
    first = settings.get("first", 0)
    if isinstance(first, bool) or first not in (0, 1):
        raise BadValue(f"{path}: first", first, "must be 0 or 1, the number of the first stimulus in the list")
    file, people = folder / settings["triplets"], wanted_people(path, plain.get("people", "*"))
    listed = _listed(folder / settings["names"]) if "names" in settings else None
    sets, odd, who = read_triplets(file, stimuli.ids, listed, first=first)
    observers: tuple[str, ...] = ()
    numbers = None
    if who is not None:
        observers = counted_people(file, sorted(set(who.tolist())), people)
        kept = np.isin(who, observers)
        sets, odd, who = sets[kept], odd[kept], who[kept]
        numbers = np.searchsorted(np.array(observers), who)
    elif people != ["*"]:
        raise UserError(f"triplets {file}: has no column {COLUMNS['observer'][0]}; leave out people:")
    if unused := len(stimuli) - len(np.unique(sets)):
        say(f"{file.name}: {unused} of {len(stimuli)} pictures are in no triplet")
    return Triplets(
        identifier=settings.get("name", path.stem),
        stimuli=stimuli,
        sets=sets,
        odd=odd,
        people=numbers,
        observers=observers,
        metric=one_of(path, settings, "metric", Triplets.metrics),
        similarity=one_of(path, settings, "similarity", tuple(SIMILARITIES)),
        region=settings.get("region", "behavior"),
    )


def read_triplets(
    path: Path, ids: Sequence[str], names: Sequence[str] | None = None, *, first: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """((m, 3) places in ids, ascending, (m,) which of them is the odd one, (m,) who judged or None) of a file.

    npy, and txt with spaces or commas: whole numbers, three in a row, the last the odd one (THINGS), or four, of which
    the last says again which it is. csv, tsv, Parquet: columns of three stimuli (PARTS) and the odd one (ODD), named as
    such or by its place 1, 2, 3; or two stimuli and the odd one; observers if there is a column of them.
    Numbers that are pictures' names are these pictures; others are places in a list.
    names: the stimuli in the order of their numbers, by default the pictures by name; first: the first one's number.
    Raises UserError for what is no triplet, StimulusMismatch for stimuli without a picture.
    """
    what = f"triplets {path}"
    if not path.is_file():
        raise UserError(f"{what}: cannot be read (there is no such file)")
    who = None
    if path.suffix in TABLES:
        rows, who = _of_table(path, what)
    elif path.suffix in (".npy", ".txt"):
        rows = _of_numbers(path, what)
    else:
        raise UserError(f"{what}: must end in .csv, .tsv, .parquet, .npy or .txt")
    if not len(rows):
        raise UserError(f"{what}: has no triplets")
    place = {name: i for i, name in enumerate(ids)}
    words = np.unique(rows)
    found: list[int] = [place[stem(word)] for word in words.tolist() if stem(word) in place]
    if len(found) < len(words) or (names is not None and all(word.isdecimal() for word in words.tolist())):
        found = _by_number(what, words.tolist(), ids, names, first)
    at = np.array(found, np.int64)[np.searchsorted(words, rows)]
    sets, odd = np.sort(at[:, :3], axis=1), at[:, 3]
    if len(double := np.flatnonzero((np.diff(sets, axis=1) == 0).any(axis=1))):
        raise UserError(f"{what}: row {double[0] + 1} has one stimulus twice ({', '.join(rows[double[0], :3])})")
    named = sets == odd[:, None]
    if len(strange := np.flatnonzero(~named.any(axis=1))):
        row = rows[strange[0]]
        raise UserError(f"{what}: row {strange[0] + 1}: the odd one, {row[3]}, is none of {', '.join(row[:3])}")
    return sets, named.argmax(axis=1), who


def _of_numbers(path: Path, what: str) -> np.ndarray:
    """(m, 4) texts of an array of whole numbers: three stimuli and the odd one."""
    with reading(what):
        if path.suffix == ".npy":
            demand_npy(path, what)
            values = np.load(path, allow_pickle=False)
        else:
            lines = (line.replace(",", " ").split("#")[0] for line in path.read_text(encoding="utf-8-sig").splitlines())
            cells = [line.split() for line in lines if line.strip()]
            if len({len(row) for row in cells}) > 1:
                odd = next(i for i, row in enumerate(cells) if len(row) != len(cells[0]))
                raise UserError(f"{what}: row {odd + 1} has {len(cells[odd])} numbers, the first {len(cells[0])}")
            values = np.array(cells, np.float64).reshape(len(cells), -1)
    if values.ndim != 2 or (values.size and values.shape[1] not in (3, 4)):
        raise UserError(
            f"{what}: has shape {values.shape}; must be rows of three stimuli, perhaps with the odd one again"
        )
    if values.dtype.kind not in "iuf" or not (np.isfinite(values) & (values == np.round(values))).all():
        raise UserError(f"{what}: stimuli must be whole numbers; a table with their names is a .csv with column names")
    texts = np.round(values).astype(np.int64).astype(str)
    return np.concatenate([texts[:, :3], texts[:, -1:]], axis=1)


def _of_table(path: Path, what: str) -> tuple[np.ndarray, np.ndarray | None]:
    """((m, 4) texts, (m,) observers or None) of a table."""
    import pandas as pd

    with reading(what):
        if path.suffix == ".parquet":
            demand_parquet(path, what)
            table = pd.read_parquet(path)
            demand_columns(what, map(str, table.columns))
        else:
            head_of(path, what)
            table = pd.read_csv(path, dtype=str, keep_default_na=False, **form_of(path))
    stimuli = [_column(table, [form.format(place) for form in PARTS]) for place in (1, 2, 3)]
    odd = _column(table, ODD)
    if not odd or not stimuli[0] or not stimuli[1]:
        lacks = ODD[0] if not odd else PARTS[0].format(1 if not stimuli[0] else 2)
        raise UserError(f"{what}: has no column {lacks} (columns: {some(table.columns)})")
    cells = [_texts(table[name]) for name in (*stimuli[:2], stimuli[2] or odd, odd)]
    rows = np.stack(cells, axis=1)
    if lacking := np.argwhere(rows == "").tolist():
        raise UserError(f"{what}: row {lacking[0][0] + 1} has an empty cell; fill it or remove the row")
    if stimuli[2]:
        rows[:, 3] = _named(what, rows)
    observer = _column(table, COLUMNS["observer"])
    return rows, _texts(table[observer]) if observer else None


def _named(what: str, rows: np.ndarray) -> np.ndarray:
    """The odd ones by name, of a column that has names or places. Raises UserError where it may be either."""
    by_name = (rows[:, :3] == rows[:, 3:]).any(axis=1)
    by_place = np.isin(rows[:, 3], PLACES)
    if by_name.all() and by_place.all() and len(rows):
        raise UserError(
            f"{what}: the odd ones are stimuli and places 1, 2, 3 alike; name stimuli otherwise than 1, 2 and 3"
        )
    if by_place.all():
        return rows[np.arange(len(rows)), rows[:, 3].astype(np.int64) - 1]
    return rows[:, 3]  # what is none of its row is told later


def _column(table: pd.DataFrame, known: Iterable[str]) -> str:
    return next((name for name in known if name in table), "")


def _texts(values: pd.Series) -> np.ndarray:
    """As texts: whole numbers without a fraction, what is missing empty."""
    missing = values.isna().to_numpy()
    found = [str(int(one)) if isinstance(one, float) and one == int(one) else str(one) for one in values[~missing]]
    texts = np.full(len(values), "", object)
    texts[~missing] = found
    return texts.astype(str)


def _listed(path: Path) -> list[str]:
    """Names of stimuli, one a line. Raises UserError for a file that has one twice."""
    with reading(f"names {path}"):
        names = [stem(line.strip()) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if len(set(names)) < len(names):
        double = next(name for i, name in enumerate(names) if name in names[:i])
        raise UserError(f"names {path}: {double} is there twice")
    return names


def _by_number(
    what: str, words: Sequence[str], ids: Sequence[str], names: Sequence[str] | None, first: int
) -> list[int]:
    """Place of the picture for each number. Raises StimulusMismatch for words that are neither name nor number."""
    place = {name: i for i, name in enumerate(ids)}
    if strange := [word for word in words if not word.isdecimal() and stem(word) not in place]:
        raise StimulusMismatch(f"{what}: {len(strange)} stimuli have no picture ({some(strange, 3)})")
    if any(not word.isdecimal() for word in words):
        lacking = [word for word in words if stem(word) not in place]
        raise StimulusMismatch(f"{what}: {len(lacking)} stimuli have no picture ({some(lacking, 3)})")
    if names is None and in_doubt(ids):
        raise UserError(
            f"{what}: has numbers, and {some(ids, 3)} are in another order by the numbers in them; write names: with a "
            "file of the stimuli in their order, one a line"
        )
    listed = list(ids if names is None else names)
    numbers = np.array([int(word) for word in words]) - first
    if (numbers < 0).any() or (numbers >= len(listed)).any():
        worst = words[int(numbers.argmin() if (numbers < 0).any() else numbers.argmax())]
        other = "first: 1, if the first stimulus is 1" if not first else "leave out first:, if the first stimulus is 0"
        raise UserError(
            f"{what}: there is no stimulus {worst} of {len(listed)} ({first} to {len(listed) - 1 + first}); {other}"
        )
    wanted = [listed[one] for one in numbers]
    if lacking := [name for name in wanted if name not in place]:
        raise StimulusMismatch(f"{what}: {len(lacking)} stimuli have no picture ({some(lacking, 3)})")
    return [place[name] for name in wanted]
