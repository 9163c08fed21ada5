"""Names of stimuli, neuroids and strata as text: nothing that looks like a number, a truth or a gap becomes one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def stem(stimulus: str) -> str:
    """A stimulus id without folder and the ending of a picture, in the one form of letters that have several."""
    name = unicodedata.normalize("NFC", stimulus)  # macOS takes letters with accents apart in the names of files
    return Path(name).stem if name.lower().endswith(PICTURES) else name


def in_doubt(names: Sequence[str]) -> bool:
    """Whether names come in another order by the numbers in them than as texts: 2 and 10."""

    def key(name: str) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"([0-9]+)", name)
        return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], name

    return sorted(names) != sorted(names, key=key)


def texts(path: Path, values: Iterable[Any], what: str) -> list[str]:
    """Ids or labels as text, as they stand in the file. Raises UserError where one is missing.

    Numbers that a file holds as such are written without a fraction where they have none; bytes are UTF-8.
    """
    import pandas as pd

    codes, found = pd.factorize(np.array(list(values), object))
    try:
        named = [_text(value) for value in found]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: a {what} is not text in utf-8 ({error.object!r}); save it as such") from error
    empty = {code for code, name in enumerate(named) if not name} | {-1}
    if lacking := sum(code in empty for code in codes.tolist()):
        raise UserError(f"{path}: {lacking} of {len(codes)} rows have no {what}; fill them or remove the rows")
    return [named[code] for code in codes.tolist()]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.rstrip(b"\0 ").decode()  # padded to the length of the longest
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def stems(path: Path, values: Iterable[Any]) -> list[str]:
    """Stimulus ids. Raises UserError for two that are one without folder and ending."""
    names = texts(path, values, "stimulus id")
    made: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if (other := made.setdefault(stem(name), name)) != name:
            raise UserError(f"{path}: stimuli {other} and {name} are both {stem(name)}; give each a name of its own")
    of = {name: short for short, name in made.items()}
    return [of[name] for name in names]


def one_each(
    path: Path, names: Sequence[str], labels: Sequence[str], what: str = "stimulus", kinds: str = "strata"
) -> dict[str, str]:
    """name -> label. Raises UserError for a name with several."""
    found: dict[str, str] = {}
    for name, label in zip(names, labels, strict=True):
        if (other := found.setdefault(name, label)) != label:
            raise UserError(f"{path}: {what} {name} has the {kinds} {other} and {label}; give it one")
    return found


def some(names: Iterable[object], most: int = 5) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
