"""Answers to a design with known numbers, for the networks of any evidence, without a registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.generalised import GENERALISED
from mlspatial.compare.tuned import TUNINGS

LAYERS = (*(f"layer{n}.0.relu" for n in (1, 2, 3, 4)), "avgpool", "fc")
FACTORS = {"x": "x", "distance": "z", "yaw": "rot_1"}  # crossing -> factor
BASE = {
    "factorisation_pca": 0.5, "factorisation_covariance": 0.6, "factorisation": 0.55, "invariance_published": 0.4,
    "invariance": 0.35, "dimension": 2.0, "turning": 40.0, "turning_plain": 60.0, "selectivity": 0.1,
    "selectivity_floor": 0.03, "reliability": 0.5, "reliability_floor": 0.3, "tuned": 0.4,
}  # fmt: skip
EFFECTS = {"untrained": -0.2, "category": 0.1, PIXELS: -0.3}  # on every measure; 0 elsewhere
SPLIT = {"": 0.1, "context": 0.6, "× context": 0.3}  # of the variance, the factor's own first


def value(measure: str, task: str, seed: int, depth: int) -> float:
    """The number of a network, the same for every factor."""
    return BASE[measure] + EFFECTS.get(task, 0.0) + 0.02 * depth + 0.01 * seed


def share(task: str, seed: int, depth: int) -> float:
    """A factor's own part of the variance, beside SPLIT's others, the same for every factor."""
    return SPLIT[""] + 0.01 * seed + 0.1 * EFFECTS.get(task, 0.0)


def with_tunings(
    evidence: Evidence,
    of: Callable[[str, str, int, int], float] = value,
    own: Callable[[str, int, int], float] = share,
    *,
    design: str = "sweeps",
    run: str = "tuning",
) -> Evidence:
    """The evidence with a tuning run of every last checkpoint and of the pixels. of: as `value`; own: as `share`."""
    networks = evidence.networks[evidence.networks.final.astype(bool)]
    asked = [(row.model_id, row.task, int(row.seed), LAYERS) for row in networks.itertuples()]
    rows = []
    for model, task, seed, layers in [*asked, (PIXELS, PIXELS, 0, (PIXELS,))]:
        for depth, layer in enumerate(layers):
            for crossing, factor in FACTORS.items():
                where = {"run_id": f"{run}-{model}", "model_id": model, "design": design, "design_id": f"id-{design}",
                         "layer": layer, "depth": depth, "crossing": crossing, "error": 0.02}  # fmt: skip
                rows += [{**where, "measure": name, "factor": factor, "value": of(name, task, seed, depth)}
                         for name in BASE]  # fmt: skip
                for effect, part in SPLIT.items():
                    named = factor if not effect else f"{factor} {effect}" if effect.startswith("×") else effect
                    number = part if effect else own(task, seed, depth)
                    rows.append({**where, "measure": "variance_component", "factor": named, "value": number})
    table = pd.DataFrame(rows).assign(low=np.nan, high=np.nan)[list(TUNINGS)]
    return replace(evidence, tunings=pd.concat([part for part in (evidence.tunings, table) if len(part)]))


KEPT = {"untrained": 0.3, PIXELS: 0.1, "category": 0.5}  # of what is read out within conditions; .8 elsewhere


def with_generalised(
    evidence: Evidence,
    of: Callable[[str, str, int, int], tuple[float, float]] | None = None,
    *,
    factor: str = "category",
    run: str = "across",
    layers: tuple[str, ...] = LAYERS,
) -> Evidence:
    """The evidence with a decode run that left conditions out, of every last checkpoint and of the pixels. of: (within,
    across) of a latent, task, seed and depth."""

    def usual(latent: str, task: str, seed: int, depth: int) -> tuple[float, float]:
        within = 0.3 + 0.08 * depth + 0.01 * seed
        return within, within * KEPT.get(task, 0.8)

    networks = evidence.networks[evidence.networks.final.astype(bool)]
    asked = [(row.model_id, row.task, int(row.seed), layers) for row in networks.itertuples()]
    rows = []
    for model, task, seed, names in [*asked, (PIXELS, PIXELS, 0, (PIXELS,))]:
        for depth, layer in enumerate(names):
            for latent in ("x", "y", "z", "rot_1"):
                within, across = (of or usual)(latent, task, seed, depth)
                where = {"run_id": f"{run}-{model}", "model_id": model, "dataset": "shapes", "dataset_id": "id-shapes",
                         "factor": factor, "layer": layer, "depth": depth, "latent": latent, "chance": 0.0,
                         "within_chance": 0.0}  # fmt: skip
                rows += [{**where, "measure": measure, "fold": fold, "value": scale * across + 0.01 * (fold - 1),
                          "within": scale * within} for fold in range(3)
                         for measure, scale in (("pearson_r", 1.0), ("r2", 0.5))]  # fmt: skip
    table = pd.DataFrame(rows)[list(GENERALISED)]
    return replace(evidence, generalised=pd.concat([part for part in (evidence.generalised, table) if len(part)]))
