"""Tables of choices and the YAML that describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.analysis.choices import NONE
from mlspatial.benchmarks.choices import ANSWERS, Choices
from mlspatial.benchmarks.descriptions import described, find_folder, number, one_of
from mlspatial.benchmarks.ids import some, stem
from mlspatial.benchmarks.picture_files import BACKGROUNDS, read_pictures
from mlspatial.benchmarks.response_tables import demand_columns, form_of, head_of, reading
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.core.limits import demand_parquet
from mlspatial.core.progress import say

KEYS = (
    *("name", "region", "folder", "stimuli", "choices", "category", "texture", "people", "answers", "metric"),
    *("degrees", "background"),
)
TEXT = ("name", "region", "folder", "stimuli", "choices", "category", "texture", "background")
#: what columns are called in files
COLUMNS = {
    "observer": ("observer", "subject", "subject_id", "subj", "participant"),
    "stimulus": ("stimulus_id", "stimulus", "image_id", "image", "imagename"),
    "choice": ("choice", "response", "object_response"),
}


def load_choices(path: Path) -> Choices:
    """Read a YAML file with `choices`; docs/brains.md has its keys. Raises UserError with the key at fault."""
    settings, plain = described(path, KEYS, TEXT, ("stimuli", "choices", "category"))
    what, folder = f"benchmark {path.stem}", find_folder(path, settings.get("folder", "."))
    background = one_of(path, settings, "background", ("", *BACKGROUNDS))
    stimuli = read_pictures(folder / settings["stimuli"], number(path, settings, "degrees", 8.0), background)
    shown = cues(path, "category", settings["category"], stimuli.ids)
    second = cues(path, "texture", settings["texture"], stimuli.ids) if "texture" in settings else None
    categories = tuple(sorted(set(shown) | set(second or ())))
    people = wanted_people(path, plain.get("people", "*"))
    observers, answers = read_choices(folder / settings["choices"], stimuli.ids, categories, what, people)
    numbers = {name: place for place, name in enumerate(categories)}
    return Choices(
        identifier=settings.get("name", path.stem),
        stimuli=stimuli,
        categories=categories,
        labels=np.array([numbers[name] for name in shown]),
        people=answers,
        observers=observers,
        textures=None if second is None else np.array([numbers[name] for name in second]),
        metric=one_of(path, settings, "metric", Choices.metrics, "error_consistency"),
        answers=one_of(path, settings, "answers", ANSWERS),
        region=settings.get("region", "behavior"),
    )


def cues(path: Path, key: str, pattern: str, ids: Sequence[str]) -> list[str]:
    """What a regular expression with one group finds in every picture's name. Raises BadValue where it does not."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadValue(f"{path}: {key}", pattern, f"is no regular expression ({error})") from error
    if compiled.groups != 1:
        raise BadValue(f"{path}: {key}", pattern, "must have one group in brackets, as ^([a-z]+)")
    found = [compiled.search(name) for name in ids]
    if lacking := [name for name, match in zip(ids, found, strict=True) if match is None]:
        raise BadValue(f"{path}: {key}", pattern, f"finds nothing in the names of {some(lacking, 3)}")
    return [match[1] for match in found if match is not None]


def read_choices(
    path: Path, ids: Sequence[str], categories: Sequence[str], what: str, people: Sequence[str] = ("*",)
) -> tuple[tuple[str, ...], np.ndarray]:
    """(observers, (observers, images) numbers of the categories that they chose) of a csv, tsv or Parquet file.

    A row a choice, with columns observer, stimulus_id and choice under known names (COLUMNS). Stimuli are the pictures'
    names, or end in one behind a _, of several in the longest. Words that are no category are no answer, which is told.
    people: the observers that count, names or patterns; rows of others are not looked at.
    Raises UserError for images without a choice, or with two of one observer, BadValue for people who are not there.
    """
    import pandas as pd

    if not path.is_file():
        raise UserError(f"choices {path}: cannot be read (there is no such file)")
    with reading(f"choices {path}"):
        if path.suffix == ".parquet":
            demand_parquet(path, f"choices {path}")
            table = pd.read_parquet(path)
            demand_columns(f"choices {path}", map(str, table.columns))
        else:
            head_of(path, f"choices {path}")
            table = pd.read_csv(path, dtype=str, keep_default_na=False, **form_of(path))
    column = {}
    for kind, known in COLUMNS.items():
        column[kind] = next((name for name in known if name in table), "")
        if not column[kind]:
            raise UserError(f"choices {path}: has no column {known[0]} (columns: {some(table.columns)})")
    everybody = [str(name) for name in table[column["observer"]]]
    observers = counted_people(path, sorted(set(everybody)), people)
    table = table[[name in observers for name in everybody]]
    place = {name: i for i, name in enumerate(ids)}
    names = [_picture(str(name), place) for name in table[column["stimulus"]]]
    if strange := sorted({name for name in names if name not in place}):
        raise StimulusMismatch(f"{what}: choices of {len(strange)} stimuli without a picture ({some(strange, 3)})")
    number_of = {name: i for i, name in enumerate(categories)}
    said = [str(word) for word in table[column["choice"]]]
    if others := sorted({word for word in said if word not in number_of}):
        count = sum(word not in number_of for word in said)
        if count == len(said):
            raise UserError(f"choices {path}: no choice is one of {some(categories)} (there are {some(others)})")
        say(f"{path.name}: {count} of {len(said)} choices are no category ({some(others)}) and count as no answer")
    turn = {name: i for i, name in enumerate(observers)}
    unseen = -2
    found = np.full((len(observers), len(ids)), unseen)
    for who, name, word in zip(map(str, table[column["observer"]]), names, said, strict=True):
        if found[turn[who], place[name]] != unseen:
            raise UserError(f"choices {path}: {who} has two choices of {name}; keep one, or leave {who} out by people:")
        found[turn[who], place[name]] = number_of.get(word, NONE)
    lacking = np.argwhere(found == unseen)
    if len(lacking):
        who, image = lacking[0]
        raise UserError(
            f"choices {path}: {observers[who]} lacks {int((found[who] == unseen).sum())} images (first: {ids[image]}); "
            f"leave {observers[who]} out by people:, or take the pictures away"
        )
    return observers, found


def _picture(name: str, place: Mapping[str, int]) -> str:
    """The picture that a stimulus is, or ends in behind a _; the stimulus where it is none."""
    whole = stem(name)
    parts = whole.split("_")
    return next((end for end in ("_".join(parts[i:]) for i in range(len(parts))) if end in place), whole)


def wanted_people(path: Path, wanted: Any) -> list[str]:
    """Names or patterns of the observers that count."""
    patterns = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(patterns, list) or not all(isinstance(name, str) for name in patterns):
        raise BadValue(f"{path}: people", wanted, "must be names or patterns such as subject*, one or a list of them")
    return patterns


def counted_people(path: Path, observers: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The observers that patterns fit. Raises BadValue for a pattern that fits none."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in observers):
            raise BadValue(
                f"choices {path}: people", pattern, f"there is nobody of this name (observers: {some(observers)})"
            )
    return tuple(name for name in observers if any(fnmatchcase(name, pattern) for pattern in patterns))
