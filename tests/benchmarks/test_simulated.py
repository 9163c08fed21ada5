"""Simulated populations: their numbers, and whether metrics find the network and layer that generated them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, poisson
from torch import nn

from mlspatial.analysis.yardsticks import Representation
from mlspatial.benchmarks import find_benchmark
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.simulated import layer_rates, recovery, simulated_population
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Features
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from mlspatial.verify.fields.recovery import network as network_of

SIZE = 32
LAYERS = ("first", "second")


@pytest.fixture(scope="module")
def stimuli() -> Stimuli:
    return Stimuli(tuple(f"s{i}" for i in range(200)), shapes_on_noise(200, SIZE, seed=5))


def population(
    stimuli: Stimuli, trials: int, *, network: int = 0, seed: int = 1, neuroids: int = 10
) -> NeuralBenchmark:
    module, spec = network_of(network)
    return simulated_population(
        module,
        spec,
        "second",
        stimuli,
        identifier="small",
        region="IT",
        neuroids=neuroids,
        trials=trials,
        seed=seed,
    )


def test_the_generating_network_and_layer_rank_first(stimuli: Stimuli) -> None:
    """With 200 trials every metric finds the network among three and the layer among two; regressions reach 1."""
    rows = []
    for trials in (2, 200):
        benchmark = population(stimuli, trials)
        for seed in (0, 1, 2):
            module, spec = network_of(seed)
            store = Features()
            extract(module, spec, stimuli, LAYERS, store)
            for layer in LAYERS:
                features = store.pop(layer)["features"].astype(np.float64)
                for metric in ("pls", "ridge", "cka"):
                    score = benchmark.score(features, metric)
                    rows.append((f"seed{seed}", layer, metric, trials, score.ceiled, score.raw, score.ceiling))
    table = pd.DataFrame(rows, columns=["network", "layer", "metric", "trials", "ceiled", "raw", "ceiling"])
    found = recovery(table, network="seed0", layer="second").set_index(["metric", "trials"])
    many = found.xs(200, level="trials")
    assert (many.network_rank == 1).all() and (many.margin > 0.03).all() and (many.networks == 3).all()
    assert (many.layer_rank == 1).all() and (many.layers == 2).all()
    assert many.ceiled[["pls", "ridge"]].to_numpy() == pytest.approx(1.0, abs=0.02)
    raw = table.set_index(["network", "layer", "metric", "trials"]).raw
    assert raw["seed0", "second", "pls", 2] < raw["seed0", "second", "pls", 200] - 0.03


def test_recovery_counts_ranks() -> None:
    rows = [("a", "x", 0.5), ("a", "y", 0.7), ("b", "x", 0.6), ("b", "y", np.nan), ("c", "x", 0.7)]
    scores = pd.DataFrame(rows, columns=["network", "layer", "ceiled"]).assign(metric="pls25", trials=10)
    row = recovery(scores, network="a", layer="x").iloc[0]
    assert (row.network_rank, row.networks, row.layer_rank, row.layers) == (2, 3, 2, 2)  # c ties with a's best
    assert row.ceiled == 0.5 and row.margin == pytest.approx(-0.2)
    both = pd.concat([scores, scores.assign(trials=2, ceiled=scores.ceiled[::-1].to_numpy())])
    assert recovery(both, network="c", layer="x").trials.tolist() == [2, 10]
    with pytest.raises(UserError, match="layer y of network c was not scored"):
        recovery(scores, network="c", layer="y")
    with pytest.raises(UserError, match="no column trials"):
        recovery(scores.drop(columns="trials"), network="a", layer="x")


def test_counts_are_poisson_and_fewer_trials_are_the_first_of_more(stimuli: Stimuli) -> None:
    few, more = population(stimuli, 4), population(stimuli, 60)
    assert few.trials is not None and more.trials is not None
    assert np.array_equal(few.trials, more.trials[:, :, :4])
    rates = layer_rates(*network_of(0), "second", stimuli, 10, seed=1)
    assert (rates >= 0).all() and 3 < np.median(rates.mean(axis=0)) < 8
    whole = population(stimuli, 400).trials
    assert whole is not None
    likely = poisson.cdf(whole, rates[:, :, None]) - np.random.default_rng(0).random(whole.shape) * poisson.pmf(
        whole, rates[:, :, None]
    )  # uniform between 0 and 1 when the counts are Poisson with these rates
    assert chisquare(np.histogram(likely[rates > 0.5], 20, (0, 1))[0]).pvalue > 1e-3
    assert population(stimuli, 1).trials is None and population(stimuli, 1).ceiling == "none"


def test_rates_are_affine_in_the_rectified_layer(stimuli: Stimuli) -> None:
    module, spec = network_of(0)
    store = Features()
    extract(module, spec, stimuli, ("second", "mix"), store)
    units = store.pop("second")["features"].astype(np.float64)
    rates = layer_rates(module, spec, "second", stimuli, 10, seed=1)
    design = np.column_stack([units, np.ones(len(units))])
    weights, *_ = np.linalg.lstsq(design, rates, rcond=None)
    assert rates == pytest.approx(design @ weights, abs=2e-3)
    assert (weights[:-1] > -1e-3).all() and ((weights[:-1] > 1e-2).sum(axis=0) <= 3).all()
    assert rates == pytest.approx(layer_rates(module, spec, "mix", stimuli, 10, seed=1), abs=2e-3)  # rectified here


def test_a_population_is_named_by_what_made_it(stimuli: Stimuli) -> None:
    first = population(stimuli, 4)
    assert first.version == population(stimuli, 4).version
    module, spec = network_of(1)
    changed = [
        population(stimuli, 5),
        population(stimuli, 4, seed=2),
        population(stimuli, 4, neuroids=11),
        population(stimuli, 4, network=1),
    ]
    assert len({first.version, *(other.version for other in changed)}) == 5
    with pytest.raises(UnknownName, match="unknown layer 'third'"):
        simulated_population(module, spec, "third", stimuli, identifier="x", region="IT")
    with pytest.raises(BadValue, match="trials=0"):
        population(stimuli, 0)
    grey = Stimuli(stimuli.ids[:20], np.full((20, SIZE, SIZE, 3), 128, np.uint8))
    with pytest.raises(UserError, match="0 of 8 units vary and answer"):
        simulated_population(module, spec, "second", grey, identifier="x", region="IT")


@pytest.mark.parametrize(
    ("name", "shape", "strata"),
    [
        ("simulated_it:stimuli=60,size=32,trials=3,neuroids=7", (60, 7, 3), 0),
        ("simulated_freemanziemba_v2:size=32:trials=4", (135, 103, 4), 2),
        ("simulated_majajhong_v4:stimuli=640,size=32,trials=2,layer=relu,network=random3", (640, 88, 2), 64),
    ],
)
def test_parameters_behind_a_name(name: str, shape: tuple[int, ...], strata: int) -> None:
    benchmark = find_benchmark(name)
    assert benchmark.trials is not None and benchmark.trials.shape == shape
    assert benchmark.stimuli.degrees == (4.0 if "freemanziemba" in name else 8.0)
    assert "=" not in benchmark.identifier and "trials-" in benchmark.identifier
    assert (len(set(benchmark.strata)) if benchmark.strata is not None else 0) == strata
    shares = [np.unique(benchmark.strata[test], return_counts=True)[1] for _, test in benchmark.folds] if strata else []
    assert len(benchmark.folds) == 10 and all(len(share) == strata and np.ptp(share) <= 1 for share in shares)


def test_networks_behind_a_name_are_resolved_by_the_caller() -> None:
    asked: list[str] = []

    def resolve(address: str) -> tuple[nn.Module, ModelSpec]:
        asked.append(address)
        return network_of(3)

    name = "simulated_it:network=models:/mine@best,layer=second,stimuli=60,size=32,neuroids=4"
    benchmark = find_benchmark(name, resolve=resolve)
    assert asked == ["models:/mine@best"] and f"network-{network_of(3)[1].model_id}" in benchmark.identifier
    with pytest.raises(BadValue, match="network=models:/mine@best: must be randomN"):
        find_benchmark(name)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("simulated_it:trails=4", UnknownName, "unknown parameter of simulated_it 'trails'; did you mean trials"),
        ("simulated_it:trials=many", BadValue, "simulated_it: trials=many: must be a number"),
        ("simulated_v1:trials=0", BadValue, "trials=0"),
        ("simulated_majajhong_it:stimuli=100", BadValue, "must be a multiple of 64 objects"),
        ("simulated_freemanziemba_v1:stimuli=100", BadValue, "must be a multiple of 15 texture families"),
        ("simulated_v5", UnknownName, "did you mean simulated_v"),
    ],
)
def test_mistakes_in_a_name(name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        find_benchmark(name)


def test_every_metric_scores_a_population(stimuli: Stimuli) -> None:
    """The rates themselves are as good as can be; what is kept of a layer gives the same as the layer."""
    benchmark = population(stimuli, 20)
    rates = layer_rates(*network_of(0), "second", stimuli, 10, seed=1)
    for metric in ("ridge", "rsa", "rsa_spearman", "cka"):
        score = benchmark.score(rates, metric)
        assert score.ceiled == pytest.approx(1.0, abs=0.05), metric
        assert replace(benchmark, metric=metric).score(rates) == score
        noise = np.random.default_rng(0).normal(size=rates.shape)
        assert abs(benchmark.score(noise, metric).ceiled) < 0.1
    values = rates - rates.mean(axis=0)
    kept = Representation(values @ values.T, np.corrcoef(rates)[np.triu_indices(len(rates), 1)])
    assert benchmark.score(kept, "rsa").raw == pytest.approx(benchmark.score(rates, "rsa").raw, abs=1e-9)
    numbered = replace(benchmark, ceiling=0.9)
    assert numbered.score(kept).ceiling == 0.9 and numbered.score(kept, "cka").formula == "none"
