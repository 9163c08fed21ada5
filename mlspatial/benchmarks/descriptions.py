"""YAML files that describe benchmarks: keys, texts, numbers and folders, with every mistake said by its key."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlspatial.core.errors import BadValue, UnknownName, UserError, in_one_line
from mlspatial.core.names import data_folders


def read_yaml(path: Path, keys: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(a file's settings, the same with all values as the texts that stand there). Raises UserError for none."""
    try:
        text = path.read_text()
        settings, plain = yaml.safe_load(text), yaml.load(text, yaml.BaseLoader)
    except RecursionError as error:
        raise UserError(f"{path}: cannot be read (it is nested too deeply)") from error
    except (OSError, ValueError, yaml.YAMLError) as error:  # a date that is none is a ValueError
        raise UserError(f"{path}: cannot be read ({in_one_line(error)})") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path}: must be a list of `key: value` lines with {', '.join(keys)}")
    return settings, plain


def described(
    path: Path, keys: Sequence[str], texts: Sequence[str], needed: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and texts of a file whose keys are all known.

    texts: keys whose values are text as they stand there: YAML would make 34 of 0042, a truth of NO, a number of 1_000.
    needed: keys that must be there. Raises UserError with the key at fault.
    """
    settings, plain = read_yaml(path, keys)
    checked_keys(str(path), settings, plain, keys, texts, needed)
    return settings, plain


def checked_keys(
    where: str,
    settings: dict[str, Any],
    plain: Mapping[str, Any],
    keys: Sequence[str],
    texts: Sequence[str],
    needed: Sequence[str],
) -> None:
    """Put texts into settings that are texts, and raise UserError for keys that are not known or lack."""
    for key in texts:
        if key in settings:
            settings[key] = plain[key]
            if not isinstance(plain[key], str) or not plain[key]:
                raise BadValue(f"{where}: {key}", settings[key], "must be a text; write one or leave the line out")
    for key in settings:
        if key not in keys:
            raise UserError(f"{where}: {UnknownName('key', key, keys)}")
    for key in needed:
        if key not in settings:
            raise UserError(f"{where}: {key} is missing")


def one_of(path: Path, settings: Mapping[str, Any], key: str, known: Sequence[str], default: str = "") -> str:
    """A text that must be one of those known; the default, by default the first, where there is none."""
    value = settings.get(key, default or known[0])
    if value not in known:
        raise BadValue(f"{path}: {key}", value, f"must be one of {', '.join(known)}")
    return str(value)


def number(path: Path, settings: Mapping[str, Any], key: str, default: float) -> float:
    """A finite number above 0."""
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise BadValue(f"{path}: {key}", value, "must be a number above 0")
    return value


def whole(path: Path, settings: Mapping[str, Any], key: str, default: int) -> int:
    """A whole number of at least 1."""
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1 or value % 1:
        raise BadValue(f"{path}: {key}", value, "must be a whole number of at least 1")
    return int(value)


def truth(path: Path, settings: Mapping[str, Any], key: str) -> bool:
    """true or false; false where there is none."""
    value = settings.get(key, False)
    if not isinstance(value, bool):
        raise BadValue(f"{path}: {key}", value, "must be true or false")
    return value


def ceiling_of(path: Path, settings: Mapping[str, Any], default: str, known: Sequence[str]) -> str | float:
    """A word or number, whose range the benchmark checks."""
    ceiling = settings.get("ceiling", default)
    if isinstance(ceiling, bool) or not isinstance(ceiling, str | int | float):
        raise BadValue(f"{path}: ceiling", ceiling, f"must be one of {', '.join(known)} or a number")
    return ceiling


def find_folder(path: Path, folder: str) -> Path:
    """The folder of a description's data: beside it, in MLSPATIAL_DATA, in data/ or ../shared/data."""
    places = [place / folder for place in (path.parent, *data_folders())]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"benchmark {path.stem}: folder {folder} is not in {' or '.join(str(p.parent) for p in places)}; "
        "put the recordings there or set MLSPATIAL_DATA"
    )
