"""Whose a folder is: the recipe of the dataset that is made in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlspatial.core.errors import DatasetError
from mlspatial.core.files import write_first
from mlspatial.core.manifest import MANIFEST

RECIPE_FILE = "recipe.json"
LONG = 200  # characters of a recipe's value that a message does not show
TRUTH_BYTES_PER_PIXEL = {"depth": 0.6, "instances": 0.05, "amodal": 0.05}  # generous, too
BYTES_PER_PIXEL = 1.2  # generous: JPEG q95 4:4:4 with its latents; for the check of free disk space


def give_up(folder: Path) -> None:
    """Take back the claim on a folder in which nothing was finished."""
    if not (folder / MANIFEST).is_file() and next(folder.glob("*/*.parquet"), None) is None:
        (folder / RECIPE_FILE).unlink(missing_ok=True)


def claim(folder: Path, recipe: dict[str, Any], *, at_work: bool = False) -> bool:
    """Write recipe.json and return True, or raise when the folder belongs to another recipe; False when it is there.

    at_work: the folder was claimed before, and what lies in it is one's own; another try, which failed, may have taken
    the recipe away.
    """
    path = folder / RECIPE_FILE
    if not path.is_file():
        if not at_work and (strangers := [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]):
            raise DatasetError(f"{folder} holds other files ({strangers[0]}, ...); choose an empty folder with out=")
        if write_first(path, json.dumps(recipe, indent=1, sort_keys=True)):
            return True  # else somebody else has claimed it just now
    try:
        there = json.loads(path.read_text())
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read ({error}); delete {folder} or choose another with out=") from error
    if there != recipe:
        names = sorted(key for key in {*there, *recipe} if there.get(key) != recipe.get(key))
        words = ((key, str(there.get(key)), str(recipe.get(key))) for key in names)
        shown = "; ".join(
            f"{key}: there {old}, asked {new}" if len(old) + len(new) < LONG else f"{key}: another one"
            for key, old, new in words
        )
        raise DatasetError(
            f"{folder} was made by another recipe ({shown}); choose another folder with out= or delete this one"
        )
    return False


def check_space(folder: Path, size: int, encoding: str, images: int, truth: Sequence[str] = ()) -> None:
    """Raise DatasetError when a disk has no room for some images of size x size pixels."""
    channels = 3 if encoding == "png" else 1
    a_pixel = BYTES_PER_PIXEL * channels + sum(TRUTH_BYTES_PER_PIXEL[name] for name in truth)
    needed = int(images * (size**2 * a_pixel + 400))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DatasetError(
            f"{folder}: needs about {needed >> 20} MiB, {free >> 20} MiB are free; make room or set out="
        )
