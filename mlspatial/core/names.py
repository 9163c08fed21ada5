"""The contract's fixed names: environment variables, tags, default places."""

from __future__ import annotations

import os
from pathlib import Path

TAG = "mlspatial."
ENTRY, STUDY, SPEC = TAG + "entry", TAG + "study", TAG + "spec"
DATASET_ID, MODEL_ID, PARENTS = TAG + "dataset_id", TAG + "model_id", TAG + "parents"
CFG = "cfg."
ACTIVATIONS = "activations-"  # and the precision: what is kept of a layer, beside grams, projections, ...


def cache_folder(*parts: str) -> Path:
    """The folder for derived data that can be made again (MLSPATIAL_CACHE, default .cache), created if needed."""
    folder = Path(os.environ.get("MLSPATIAL_CACHE", ".cache")).joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def data_folders() -> tuple[Path, ...]:
    """Where recordings are looked for by name: MLSPATIAL_DATA (a search path), data/, and ../shared/data, which
    several checkouts beside each other can share."""
    named = os.environ.get("MLSPATIAL_DATA", "")
    return (*(Path(part) for part in named.split(os.pathsep) if part), Path("data"), Path("../shared/data"))
