"""Evidence built by hand: networks and scores one by one, and checkpoints with a known relation of loss and score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlspatial.compare import published
from mlspatial.compare.evidence import NETWORKS, SCORES, Evidence, empty_frames

REGIONS = ("V1", "V2", "V4", "IT", "behavior")
REGION_CEILINGS = {"V1": 0.87, "V2": 0.83, "V4": 0.89, "IT": 0.82, "behavior": 0.5}


def network(model_id: str, task: str, seed: int, **facts: Any) -> dict[str, Any]:
    fixed = {
        "model_id": model_id, "uri": "", "run_id": f"train-{model_id}", "name": "", "task": task, "arch": "resnet50",
        "dataset": "spatial117", "dataset_id": "d1", "seed": seed, "step": 1000, "final": True, "init": "random",
        "fraction": 1.0, "n_train": 6000.0, "outputs": np.nan, "n_categories": 117.0, "translation": "full",
        "settings": "", "imported": False, "loss": np.nan,
    }  # fmt: skip
    return fixed | facts


def score(model_id: str, region: str, value: float, **facts: Any) -> dict[str, Any]:
    """A score with its r and ceiling: ceiled is r^2 / ceiling."""
    ceiling = REGION_CEILINGS.get(region, 1.0)
    fixed = {
        "run_id": f"score-{model_id}", "model_id": model_id, "benchmark": published.BENCHMARKS.get(region, region),
        "region": region, "layer": "layer3.0.relu", "depth": 5, "committed": True, "metric": "pls25", "primary": True,
        "raw": np.sqrt(value * ceiling), "ceiling": ceiling, "ceiled": value, "error": 0.01, "n": 10,
        "formula": "r^2/c", "version": "1", "engine": "fast", "selection": "argmax", "r2_over_c": value,
        "r_over_c_squared": value / ceiling,
    }  # fmt: skip
    return fixed | facts


def evidence(networks: list[dict[str, Any]], scores: list[dict[str, Any]]) -> Evidence:
    frames = empty_frames()
    if networks:
        frames["networks"] = pd.DataFrame(networks)
        assert set(NETWORKS) <= set(frames["networks"].columns)
    if scores:
        frames["scores"] = pd.DataFrame(scores).reindex(columns=list(SCORES))
    return Evidence("s", **frames, links={})


def scored(model_id: str, values: Mapping[str, float]) -> list[dict[str, Any]]:
    return [score(model_id, region, value) for region, value in values.items()]


def checkpoints(rng: np.random.Generator, task: str, slope: float) -> tuple[list[Any], list[Any], Any]:
    networks, scores, points = [], [], []
    for seed in range(3):
        for step in (100, 200, 400, 1000):
            model_id = f"{task}-{seed}-{step}"
            loss = 1 / np.log(step) + rng.normal(0, 0.01)
            value = 0.5 - slope * loss + rng.normal(0, 0.003)
            networks.append(network(model_id, task, seed, step=step, final=step == 1000, loss=loss))
            scores += [score(model_id, region, value) for region in REGIONS]
            points.append((loss, value, seed))
    return networks, scores, np.array(points)
