"""The entries' work, asked for with what tests seldom change."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from mlspatial.registry import runs
from mlspatial.steps.decode import decode
from mlspatial.steps.score import score
from mlspatial.steps.similarity import similarity
from tests import toys

SITES, VOXELS = toys.toy_sites.__name__, toys.toy_voxels.__name__


def run_score(**changes: Any) -> list[str]:
    options = {"models": "study=s", "benchmarks": SITES, "layers": "first.1,fc", "device": "cpu", "study": "s"}
    return score(**(options | changes))  # type: ignore[arg-type]


def run_similarity(images: str, **changes: Any) -> str:
    options = {"models": "study=s", "layers": "auto", "stimuli": "heldout:40", "dataset": images, "metric": "cka,rsa",
               "device": "cpu", "seed": 0, "study": "s"}  # fmt: skip
    return similarity(**(options | changes))  # type: ignore[arg-type]


def run_decode(images: str, **changes: Any) -> list[str]:
    options = {"models": "study=s", "layers": "first.1,fc", "latents": "x,category", "stimuli": "heldout:40",
               "dataset": images, "folds": 2, "split": "random", "classifier": "svc", "device": "cpu", "seed": 0,
               "study": "s"}  # fmt: skip
    return decode(**(options | changes))  # type: ignore[arg-type]


def table_of(run_id: str) -> pd.DataFrame:
    return pd.read_json(io.StringIO(runs.local(run_id, "scores.json").read_text()), orient="split")
