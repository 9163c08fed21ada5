"""Populations of simulated neurons whose truth is known; they need no data and run everywhere.

V1 is Gabor energy. Other regions read a hidden layer of a network, by default a ResNet-18 whose weights come from a
seed: a neuroid is a positive mixture of a few units, scaled to a mean rate, with Poisson counts for every presentation.
Scoring networks on them, the one that generated the responses among them, shows whether a metric finds it (recovery).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.answering import ANSWERING, Answering, Neurons
from mlspatial.benchmarks.base import BENCHMARKS, Truth
from mlspatial.benchmarks.neuroids import neuroids_of
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import Draw, objects_on_noise, shapes, textures
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.models.lazy import Network
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from mlspatial.models.spec import ModelSpec

SIZE = 64  # pixels; 8 degrees
N_STIMULI = 500
N_NEUROIDS = 64
N_REPEATS = 10
CELLS = 2  # seed of the complex cells
MEAN_SPIKES = 5.0  # per presentation
NEURONS = ("network", "layer", "seed", "stimuli", "neuroids", "size")  # parameters that decide who the neuroids are
VERSION = 1  # of the populations; counts when their numbers change


@BENCHMARKS.register("simulated_v1")
@lru_cache(maxsize=2)
def simulated_v1(seed: int = 3, trials: int = N_REPEATS) -> NeuralBenchmark:
    """64 complex cells of V1: Gabor energy (Adelson and Bergen 1985) with divisive normalisation (Heeger 1992) and
    Poisson spike counts, 10 repeats, over 500 images of shapes on 1/f noise. Same numbers on every machine.
    seed: of the counts."""
    _at_least_one(trials)
    stimuli, _ = pictures(shapes, N_STIMULI, SIZE)
    rates = gabor_energy(stimuli.images.mean(axis=3) / 255.0, N_NEUROIDS, seed=CELLS)
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rates[:, :, None] * MEAN_SPIKES, size=(*rates.shape, trials)).astype(np.float64)
    return _benchmark(identifier_with("simulated_v1", seed=seed, trials=trials), "V1", stimuli, counts)


def simulated_population(
    module: nn.Module,
    spec: ModelSpec,
    layer: str,
    stimuli: Stimuli,
    *,
    identifier: str,
    region: str,
    neuroids: int = N_NEUROIDS,
    trials: int = N_REPEATS,
    seed: int = 0,
    strata: np.ndarray | None = None,
    mean_spikes: float = MEAN_SPIKES,
) -> NeuralBenchmark:
    """Neuroids that read a layer of any network; the benchmark names the network by the hash of its weights.

    seed: of the units, their weights and the counts. Fewer trials are the first of more. Raises UnknownName for a
    layer that does not exist, UserError for one of which too few units vary over the stimuli.
    """
    _at_least_one(trials)
    rates = layer_rates(module, spec, layer, stimuli, neuroids, seed=seed, mean_spikes=mean_spikes)
    shown = np.empty((len(stimuli), neuroids, trials))
    for i, row in enumerate(rates):
        shown[i] = np.random.default_rng([seed, 1, i]).poisson(row, size=(trials, neuroids)).T
    named = spec if spec.weights else spec.with_weights(module)
    made_of = [VERSION, named.model_id, layer, neuroids, seed, mean_spikes]
    truth = Truth(named.model_id, layer, content_id([stimuli.id, *made_of]))
    facts: dict[str, Any] = {"strata": strata, "recipe": content_id([*made_of, trials]), "truth": truth}
    return _benchmark(identifier, region, stimuli, shown, **facts)


def layer_rates(
    module: nn.Module,
    spec: ModelSpec,
    layer: str,
    stimuli: Stimuli,
    neuroids: int,
    *,
    seed: int,
    mean_spikes: float = MEAN_SPIKES,
) -> np.ndarray:
    """(n stimuli, neuroids) expected spikes a presentation: positive weights on UNITS rectified units of a layer.

    Units are drawn among those that answer to enough stimuli, and brought to one standard deviation; a mixture less
    its smallest value is scaled to the neuroid's mean rate, log-normal around mean_spikes, above a spontaneous one.
    All is affine in the rectified layer.
    """
    return neuroids_of(module, spec, layer, stimuli, neuroids, seed=seed, mean_spikes=mean_spikes)[1]


def random_network(seed: int, size: int = SIZE) -> Network:
    """ResNet-18 with weights drawn from a seed, for pictures of `size` pixels; nothing is downloaded."""
    from mlspatial.models.build import build
    from mlspatial.models.spec import ModelSpec

    spec = ModelSpec("resnet18", 1000, {"category": (0, 1000)}, ("category",), size)
    module = build(spec, seed=seed)
    return module, spec.with_weights(module)


def recovery(scores: pd.DataFrame, *, network: str, layer: str) -> pd.DataFrame:
    """How well each metric finds the network and the layer that generated the responses, at each number of trials.

    scores: columns network, layer, metric, trials, ceiled; network, layer: the generating ones. One row a metric and
    number of trials: network_rank among `networks` by each network's best layer, layer_rank among `layers` of the
    generating network (1 is best; equals count before it, missing scores last), ceiled of the generating layer, and
    margin, its lead over the best other network's best layer. Raises UserError when the truth was not scored.
    """
    import pandas as pd

    if absent := {"network", "layer", "metric", "trials", "ceiled"} - set(scores):
        raise UserError(f"recovery: the scores have no column {', '.join(sorted(absent))}")
    rows = []
    for (metric, trials), part in scores.groupby(["metric", "trials"], sort=True):
        values = part.assign(ceiled=part.ceiled.fillna(-np.inf))
        own = values[values.network == network].groupby("layer").ceiled.max()
        if layer not in own:
            raise UserError(f"recovery: {metric}, {trials} trials: layer {layer} of network {network} was not scored")
        best = values.groupby("network").ceiled.max()
        others = best.drop(network)
        rows.append(
            {
                "metric": metric,
                "trials": trials,
                "network_rank": 1 + int((others >= best[network]).sum()),
                "networks": len(best),
                "layer_rank": 1 + int((own.drop(layer) >= own[layer]).sum()),
                "layers": len(own),
                "ceiled": own[layer],
                "margin": own[layer] - others.max() if len(others) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def pictures(draw: Draw, n: int, size: int) -> tuple[Stimuli, np.ndarray | None]:
    """Stimuli of a kind, and their strata. Textures are 4 degrees wide, as in Freeman and Ziemba 2013, others 8."""
    ids, images, strata = draw(n, size)
    return Stimuli(tuple(ids), images, 4.0 if draw is textures else 8.0), strata


def _register(identifier: str, region: str, at: str, draw: Draw, number: int, sites: int, repeats: int) -> None:
    """A population of a random network under a name, with everything about it as parameters."""

    def build(
        network: str = "random0",
        layer: str = at,
        seed: int = 0,
        trials: int = repeats,
        stimuli: int = number,
        neuroids: int = sites,
        size: int = SIZE,
        resolve: Callable[[str], Network] | None = None,
    ) -> NeuralBenchmark:
        module, spec = hidden_network(network, size, resolve)
        shown, strata = pictures(draw, stimuli, size)
        called = network if network.startswith("random") else spec.model_id
        own = {"seed": seed, "trials": trials}
        rest = {"stimuli": stimuli, "neuroids": neuroids, "size": size}
        name = identifier_with(identifier, network=called, layer=layer, **own, **rest)
        facts: dict[str, Any] = {"identifier": name, "region": region, "neuroids": neuroids, "strata": strata, **own}
        return simulated_population(module, spec, layer, shown, **facts)

    def neurons(resolve: Callable[[str], Network] | None, **settings: Any) -> Neurons:
        given = inspect.signature(build).bind(**settings)
        given.apply_defaults()
        own = given.arguments
        module, spec = hidden_network(own["network"], own["size"], resolve)
        fixing, _ = pictures(draw, own["stimuli"], own["size"])
        found, _ = neuroids_of(
            module, spec, own["layer"], fixing, own["neuroids"], seed=own["seed"], mean_spikes=MEAN_SPIKES
        )
        called = own["network"] if own["network"].startswith("random") else spec.model_id
        name = identifier_with(identifier, network=called, **{key: own[key] for key in NEURONS[1:]})
        weights = spec if spec.weights else spec.with_weights(module)
        made_of = content_id([VERSION, name, weights.model_id])
        return Neurons(name, region, own["neuroids"], made_of, partial(found.rates, module, spec, own["layer"]))

    ANSWERING.register(identifier)(Answering(neurons, NEURONS))
    what = draw.__name__.replace("_", " ")
    build.__doc__ = f"{sites} neuroids of {region} that read {at} of a network; {number} pictures: {what}."
    BENCHMARKS.register(identifier)(build)


def hidden_network(name: str, size: int, resolve: Callable[[str], Network] | None) -> Network:
    """(module, spec) of randomN, a ResNet-18 for images of `size` pixels, or of an address that `resolve` takes."""
    if match := re.fullmatch(r"random(\d+)", name):
        return random_network(int(match[1]), size)
    if resolve is None:
        raise BadValue("network", name, "must be randomN, a ResNet-18 of seed N")
    return resolve(name)


def _benchmark(identifier: str, region: str, stimuli: Stimuli, trials: np.ndarray, **facts: Any) -> NeuralBenchmark:
    repeated = trials.shape[2] > 1
    facts |= {"trials": trials, "ceiling": "split_half"} if repeated else {"ceiling": "none"}
    return NeuralBenchmark(identifier, region, stimuli, trials.mean(axis=2), **facts)


def identifier_with(identifier: str, **values: Any) -> str:
    """The identifier with what differs from the defaults of the function that is registered under it; only characters
    that names of metrics may have."""
    given = inspect.signature(BENCHMARKS[identifier]).parameters
    changed = [f"{key}-{value}" for key, value in values.items() if value != given[key].default]
    return re.sub(r"[^\w.:-]", "-", ":".join([identifier, *changed]))


def _at_least_one(trials: int) -> None:
    if trials < 1:
        raise BadValue("trials", trials, "must be at least 1")


def gabor_energy(images: np.ndarray, n_cells: int, *, seed: int) -> np.ndarray:
    """Mean-one responses of complex cells, (n, n_cells). images: (n, size, size), luminance 0..1."""
    energies = _energies(images, n_cells, seed)
    return energies / energies.mean(axis=0)


def gabor_cells(n_cells: int, seed: int) -> list[tuple[np.ndarray, float, float]]:
    """(place, orientation, cycles per picture) of each complex cell. place: (x, y) from -1 to 1, y down, near the
    middle; orientation: radians from x towards y of the direction in which luminance changes; 1.5 to 6 cycles."""
    rng = np.random.default_rng(seed)
    return [
        (rng.uniform(-0.25, 0.25, 2), float(rng.uniform(0, np.pi)), float(1.5 * 4.0 ** rng.random()))
        for _ in range(n_cells)
    ]


def _energies(images: np.ndarray, n_cells: int, seed: int) -> np.ndarray:
    """Energy is the root of the summed squares of a quadrature pair, divided by the picture's contrast energy."""
    n, size, _ = images.shape
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    flat = images.reshape(n, -1) - images.reshape(n, -1).mean(axis=1, keepdims=True)
    contrast = flat.std(axis=1)
    energies = np.empty((n, n_cells))
    for cell, (centre, orientation, cycles) in enumerate(gabor_cells(n_cells, seed)):
        width = 0.8 / cycles
        envelope = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        phase = np.pi * cycles * ((x - centre[0]) * np.cos(orientation) + (y - centre[1]) * np.sin(orientation))
        pair = np.stack([envelope * np.cos(phase), envelope * np.sin(phase)])
        pair -= envelope * (pair.sum(axis=(1, 2)) / envelope.sum())[:, None, None]  # blind to mean luminance
        amplitude = np.sqrt(((flat @ pair.reshape(2, -1).T) ** 2).sum(axis=1))
        energies[:, cell] = amplitude / (0.1 + contrast)
    return energies


def _complex_cells(_resolve: object) -> Neurons:
    """The cells of simulated_v1. Images come in its size; a rate of MEAN_SPIKES is that of its own pictures' mean."""

    def rates(shown: Stimuli, _device: str) -> np.ndarray:
        own, _ = pictures(shapes, N_STIMULI, SIZE)
        scale = _energies(own.images.mean(axis=3) / 255.0, N_NEUROIDS, CELLS).mean(axis=0)
        return MEAN_SPIKES * _energies(_luminance(shown.images), N_NEUROIDS, CELLS) / scale

    return Neurons("simulated_v1", "V1", N_NEUROIDS, content_id([VERSION, "simulated_v1"]), rates)


def _luminance(images: np.ndarray) -> np.ndarray:
    """(n, SIZE, SIZE) mean of red, green and blue in 0..1 of (n, h, w, 3) uint8; resized as networks see images."""
    import torch

    from mlspatial.models.spec import ModelSpec, to_input

    seen = ModelSpec("resnet18", 1, {}, (), SIZE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    parts = [to_input(torch.from_numpy(images[i : i + 256]), seen).mean(1).numpy() for i in range(0, len(images), 256)]
    return np.concatenate(parts).astype(np.float64)


ANSWERING.register("simulated_v1")(Answering(_complex_cells))

# sites, stimuli and repeats: Freeman and Ziemba 2013, Majaj and Hong 2015, as Brain-Score's public benchmarks have
# them. Majaj and Hong repeated each image 28 to 50 times; 46 is the mean of 148,480 presentations of 3,200.
for _row in (
    ("simulated_v4", "V4", "layer3.0.relu", shapes, N_STIMULI, N_NEUROIDS, N_REPEATS),
    ("simulated_it", "IT", "layer4.0.relu", shapes, N_STIMULI, N_NEUROIDS, N_REPEATS),
    ("simulated_freemanziemba_v1", "V1", "layer1.0.relu", textures, 135, 102, 20),
    ("simulated_freemanziemba_v2", "V2", "layer2.0.relu", textures, 135, 103, 20),
    ("simulated_majajhong_v4", "V4", "layer3.0.relu", objects_on_noise, 3200, 88, 46),
    ("simulated_majajhong_it", "IT", "layer4.0.relu", objects_on_noise, 3200, 168, 46),
):
    _register(*_row)
