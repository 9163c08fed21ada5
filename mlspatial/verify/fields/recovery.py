"""Brains whose truth is known: a network and a layer that made them are found again by every metric."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.verify.base import Check, check, register

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from mlspatial.benchmarks.neurons import NeuralBenchmark
    from mlspatial.models.spec import ModelSpec
    from mlspatial.models.stimuli import Stimuli

SIZE, LAYERS, SEEDS = 32, ("first", "second"), (0, 1, 2)
METRICS = {"pls": "PLS", "ridge": "ridge", "cka": "debiased CKA"}
TRIALS = 200
TRUTH = "the network that the responses were drawn from"


def network(seed: int) -> tuple[nn.Module, ModelSpec]:
    """A small network of two layers, 12 and 8 units, that a seed decides."""
    import torch
    from torch import nn

    from mlspatial.models.spec import ModelSpec

    class Small(nn.Module):
        """Squared filters, pooled and mixed."""

        def __init__(self) -> None:
            super().__init__()
            self.filters, self.mix = nn.Conv2d(3, 12, 7, stride=4, padding=3), nn.Linear(12, 8)
            nn.init.normal_(self.mix.weight)
            self.first, self.second = nn.ReLU(), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled = self.first(self.filters(x)).amax(dim=(2, 3)) ** 2
            return self.second(self.mix(pooled - 1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Small()
    return module, ModelSpec("small", 8, {"category": (0, 8)}, ("category",), SIZE).with_weights(module)


@lru_cache(maxsize=1)
def stimuli() -> Stimuli:
    """200 pictures of shapes on noise."""
    from mlspatial.benchmarks.pictures import shapes_on_noise
    from mlspatial.models.stimuli import Stimuli

    return Stimuli(tuple(f"s{i}" for i in range(200)), shapes_on_noise(200, SIZE, seed=5))


@lru_cache(maxsize=1)
def brain() -> NeuralBenchmark:
    """Ten neurons that mix units of the second layer of network 0, 200 Poisson trials."""
    from mlspatial.benchmarks.simulated import simulated_population

    return simulated_population(
        *network(0), "second", stimuli(), identifier="small", region="IT", neuroids=10, trials=TRIALS, seed=1
    )


@lru_cache(maxsize=1)
def scores() -> pd.DataFrame:
    """A row a metric: ranks of the true network and layer, its ceiled score and its lead."""
    import pandas as pd

    from mlspatial.benchmarks.simulated import recovery
    from mlspatial.models.extract import extract
    from mlspatial.models.sinks import Features

    rows = []
    for seed in SEEDS:
        sink = Features()
        extract(*network(seed), stimuli(), LAYERS, sink)
        for layer in LAYERS:
            features = sink.pop(layer)["features"].astype(np.float64)
            found = {metric: brain().score(features, metric) for metric in METRICS}
            rows += [(f"seed{seed}", layer, metric, TRIALS, score.ceiled) for metric, score in found.items()]
    table = pd.DataFrame(rows, columns=["network", "layer", "metric", "trials", "ceiled"])
    return recovery(table, network="seed0", layer="second").set_index("metric")


def _of(metric: str, column: str) -> float:
    return float(scores()[column][metric])


for _metric, _words in METRICS.items():
    for _column, _what in (("network_rank", "network among three"), ("layer_rank", "layer among two")):
        register(
            Check(f"recovery.{_metric}_{_column}", f"rank of the true {_what} by {_words}", TRUTH, (1.0,), 0,
                  partial(_of, _metric, _column))
        )  # fmt: skip
    if _metric != "cka":
        register(
            Check(f"recovery.{_metric}_ceiled", f"r over ceiling of the true network, {_words}", TRUTH, (1.0,), 0.02,
                  partial(_of, _metric, "ceiled"))
        )  # fmt: skip


@check("recovery.poisson", "variance over mean of the trials of a rate", "Poisson 1837", 1.0, 0.01)
def _poisson() -> float:
    trials = brain().trials
    assert trials is not None
    means = trials.mean(axis=2)
    return float((trials.var(axis=2, ddof=1)[means > 0.5] / means[means > 0.5]).mean())
