"""The Python package `tdw`: whether it is here, its version, and the metadata of models, scenes and skies in it.

Of the package only its messages are used (tdw.output_data, which needs nothing but NumPy) and its metadata files; its
controller would look up new versions and download a build at its start, and its librarians need pkg_resources, which
setuptools has no more. So it is installed without its dependencies.
"""

from __future__ import annotations

import json
import sys
import warnings
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from mlspatial.core.errors import UserError

NEWEST_PYTHON = (3, 11)  # tdw.flatbuffers imports `imp`, which Python 3.12 has no more
INSTALL = "uv pip install --no-deps -r requirements-tdw.txt"
MODELS, SCENES, SKIES = "models_core.json", "scenes.json", "hdri_skyboxes.json"


def installed() -> str:
    """The version of the package, such as 1.13.0.0. Raises UserError where it is missing or cannot run."""
    if sys.version_info[:2] > NEWEST_PYTHON:
        here, newest = (".".join(map(str, number)) for number in (sys.version_info[:2], NEWEST_PYTHON))
        raise UserError(f"ThreeDWorld: this is Python {here}, the package tdw runs on {newest}; use python{newest}")
    try:
        return version("tdw")
    except PackageNotFoundError:
        raise UserError(f"ThreeDWorld: the package tdw is not installed; {INSTALL} (docs/threedworld.md)") from None


def release() -> str:
    """The build that belongs to the package: the first three numbers of its version."""
    return ".".join(installed().split(".")[:3])


@lru_cache(maxsize=1)
def messages() -> ModuleType:
    """The module that reads what the build sends."""
    installed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of `imp`
        import tdw.output_data

    module: ModuleType = tdw.output_data
    return module


@lru_cache(maxsize=8)
def records(file: str) -> dict[str, dict[str, Any]]:
    """name -> record of a metadata file: one of the package's by its name, else a path.

    Raises UserError for a file that is not there or holds no records.
    """
    installed()
    spec = find_spec("tdw")
    folder = Path((spec.submodule_search_locations or ["."])[0]) if spec else Path()
    path = folder / "metadata_libraries" / file if "/" not in file and not Path(file).is_file() else Path(file)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["records"]
        return {str(name): dict(record) for name, record in found.items()}
    except OSError as error:
        raise UserError(f"ThreeDWorld: {path} cannot be read ({error.strerror}); name a metadata file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"ThreeDWorld: {path} is no metadata file of models: it needs `records` by name") from error
