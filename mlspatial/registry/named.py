"""Which folders may be read because the registry says so: those of this project, of MLSPATIAL_DATA, and those that were
named here before. Whoever may write to a registry may write any folder into a tag; elsewhere it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock

from mlspatial.core.errors import DatasetError
from mlspatial.core.names import data_folders
from mlspatial.registry import places
from mlspatial.registry.store import database

ADVICE = "if that is right, name the folder once (dataset={0} of train), or add the one that it is in to MLSPATIAL_DATA"


def remember(folder: Path) -> None:
    """A person here has named this folder: in a command, not through the registry."""
    place = str(folder.resolve())
    if "\n" in place or is_ours(folder):
        return
    _file().parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_file().with_suffix(".lock")), _file().open("a") as file:
        file.write(place + "\n")


def is_ours(folder: Path) -> bool:
    """Whether a folder that the registry names may be read without asking."""
    place = folder.resolve()
    home = database()
    roots = [Path(), *data_folders(), *([home.parent, *places.former(home)] if home else [])]
    return any(place.is_relative_to(root.resolve()) for root in roots) or str(place) in _named()


def demand_ours(what: str, folders: list[Path]) -> None:
    """Raise DatasetError for folders that are there and that nobody here has named."""
    if strange := [folder for folder in folders if os.path.isdir(folder) and not is_ours(folder)]:
        raise DatasetError(
            f"{what}: the registry says that it is in {strange[0]}, which is neither in this project nor in "
            f"MLSPATIAL_DATA and was never named here; {ADVICE.format(strange[0])}"
        )


def _file() -> Path:
    """Beside a user's other settings: what was allowed cannot be made again, as what is in a cache can."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mlspatial"
    return settings / "datasets.txt"


def _named() -> set[str]:
    return set(_file().read_text().splitlines()) if _file().is_file() else set()
