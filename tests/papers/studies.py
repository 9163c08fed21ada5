"""A full synthetic study with its drawings, small studies made by hand, and what is read from them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import DECODINGS, NETWORKS, PAIRS, Evidence
from mlspatial.papers import known_items
from tests.compare.synthetic import no_evidence, synthetic_evidence

IDS = ("4a", "4b", "5b", "5c", "d1", "d2", "d3", "d4", "d5", "d6", "e1", "e2")
BLOCKS = [f"layer{n}.0.relu" for n in (1, 2, 3, 4)]
known_items()


@cache
def full() -> Evidence:
    return synthetic_evidence(archs=("resnet18",), benchmarks={"simulated_v1": "V1"}, steps=(200_000, 500_000))


@cache
def drawn(name: str) -> Drawing:
    return FIGURES["figure_" + name](full())


def network(task: str, seed: int, **more: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "task": task, "arch": "resnet18", "dataset": "d", "seed": seed, "step": 0 if task == "untrained" else 100,
        "final": True, "init": "random", "fraction": 1.0, "n_train": 1000.0, "outputs": 1.0, "n_categories": 8.0,
        "translation": "full", "settings": "lr=0.001", "imported": False, "loss": 1.0, **more,
    }  # fmt: skip
    mark = "-".join(str(value) for value in more.values())
    facts["model_id"] = f"{task}-{seed}-{mark}"
    return {
        "dataset_id": f"id-{facts['dataset']}",
        "run_id": "train-" + facts["model_id"],
        "uri": "",
        "name": task,
    } | facts


def study(
    rows: list[dict[str, Any]], seed: int = 0, layers: tuple[str, ...] = ("layer1.0.relu", "layer4.0.relu")
) -> Evidence:
    """Networks with random similarities and decodings of x, y and category, 3 folds."""
    rng = np.random.default_rng(seed)
    networks = pd.DataFrame(rows)[list(NETWORKS)]
    pairs = [
        ("sim", "cka", layer, depth, a, b, rng.random())
        for depth, layer in enumerate(layers)
        for a, b in combinations(networks.model_id, 2)
    ]
    decodings = [
        (f"decode-{model}", model, layer, depth, latent, fold, "accuracy" if latent == "category" else "pearson_r",
         rng.random(), 0.125, 1600.0)
        for model in networks.model_id
        for depth, layer in enumerate(layers)
        for latent in ("x", "y", "category")
        for fold in range(3)
    ]  # fmt: skip
    return replace(
        no_evidence(), networks=networks, pairs=pd.DataFrame(pairs, columns=list(PAIRS)),
        decodings=pd.DataFrame(decodings, columns=list(DECODINGS)),
    )  # fmt: skip


def small() -> Evidence:
    """Two tasks x two seeds, untrained networks, and translation trained on one category."""
    rows = [network(task, seed) for task in ("translation", "category", "untrained") for seed in (0, 1)]
    return study(rows + [network("translation", seed, dataset="d1", n_categories=1.0) for seed in (0, 1)])


@cache
def values_of_pairs() -> dict[tuple[str, frozenset[str]], float]:
    table = full().pairs[full().pairs.metric == "cka"]
    return {
        (layer, frozenset((a, b))): value
        for layer, a, b, value in zip(table.layer, table.model_a, table.model_b, table.value, strict=True)
    }


def value(layer: str, a: str, b: str) -> float:
    return values_of_pairs()[layer, frozenset((a, b))]


def members(task: str, **facts: Any) -> list[tuple[str, int]]:
    """(model_id, seed) of the full synthetic study's similarity networks."""
    wanted = {"final": True, "step": 500_000, "n_categories": 117.0, "translation": "full", "fraction": 1.0, **facts}
    table = full().networks
    table = table[(table.task == task) & (table.dataset != "spatial117_100m")]
    for name, wish in wanted.items():
        table = table[table[name] == wish]
    return list(zip(table.model_id, table.seed, strict=True))


def between(layer: str, first: list[tuple[str, int]], second: list[tuple[str, int]]) -> np.ndarray:
    return np.array([value(layer, a, b) for a, _ in first for b, _ in second])


def within(layer: str, group: list[tuple[str, int]]) -> np.ndarray:
    return np.array([value(layer, a, b) for (a, s), (b, t) in combinations(group, 2) if s != t])


def row(table: pd.DataFrame, **facts: Any) -> pd.Series:
    for name, wish in facts.items():
        table = table[table[name] == wish]
    assert len(table) == 1
    return table.iloc[0]
