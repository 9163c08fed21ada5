"""The contract's fixed names: environment variables, tags, default places; names made of any text."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

TAG = "mlspatial."
ENTRY, STUDY, SPEC = TAG + "entry", TAG + "study", TAG + "spec"
DATASET_ID, MODEL_ID, PARENTS = TAG + "dataset_id", TAG + "model_id", TAG + "parents"
DEVICE, PRECISION = TAG + "device", TAG + "precision"  # cpu, mps or cuda NAME; of the network's arithmetic
BENCHMARKS_GIVEN = TAG + "benchmarks_given"  # of a score run: as its command named them
FOLDER = TAG + "folder"  # of a dataset
CFG = "cfg."
CHECKS = "checks.json"  # artifact of a verify run: a row a check
LEFT_OUT = "left_out.parquet"  # artifact: results without one block of stimuli each
LEAVE_OUT = "leave_out"  # begins the split of decode runs that test other conditions than they train on
HIDDEN = "hidden."  # begins the names of registered models that are parts of simulated brains
ACTIVATIONS = "activations-"  # and the precision: what is kept of a layer, beside grams, projections, ...

#: What paths, addresses or other systems' file names do not take.
NOT_IN_FILES = re.compile(r'[/\\#?%:*;"<>|\x00-\x1f\x7f-\x9f]|^\.\.|^\.?$|^\s+|\s+$')
MAX_FILE = 255  # bytes


def text_hash(text: str) -> str:
    """Eight hexadecimal digits that tell a text from others like it."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def file_name(text: str) -> str:
    """The name of a file that is named for something: itself where file systems and addresses take it.

    Other names lose what they may not hold and get a short hash before their suffix, so that no two become one.
    """
    safe = NOT_IN_FILES.sub("_", text)
    if safe == text and len(text.encode()) <= MAX_FILE:
        return text
    stem, suffix = Path(safe).stem, Path(safe).suffix
    if len(suffix.encode()) > 16:
        stem, suffix = safe, ""
    end = f"-{text_hash(text)}{suffix}"
    return stem.encode()[: MAX_FILE - len(end.encode())].decode(errors="ignore") + end


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
