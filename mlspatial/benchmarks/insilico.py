"""In-silico brains: networks whose outputs are rates, asked with any stimuli, with Poisson counts for every trial.

A set of neurons that come with recordings (models.sources.insilico), or any other network that gives rates: a user's
own torch module as python:MODULE:NAME, a registered model, a file. The network itself is a model like others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.benchmarks.answering import ANSWERING, Answering, Neurons
from mlspatial.benchmarks.base import BENCHMARKS, Truth
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.picture_files import read_pictures
from mlspatial.benchmarks.pictures import objects_on_noise, shapes, textures
from mlspatial.benchmarks.simulated import identifier_with, pictures
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.names import data_folders
from mlspatial.models.lazy import Network
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.spec import ModelSpec

VERSION = 1  # of the counts; counts when their numbers change
STEP = 1e-3  # spikes; rates are rounded to it, so that other machines' rounding seldom changes a count
DRAWN = {"shapes": (shapes, 500), "objects": (objects_on_noise, 640), "textures": (textures, 135)}
NETWORK = "insilico:cowley2023_v4"
SIZE = 112  # pixels of drawn pictures


@BENCHMARKS.register("insilico")
def insilico(
    network: str = NETWORK,
    stimuli: str = "shapes",
    region: str = "V4",
    trials: int = 10,
    seed: int = 0,
    number: int = 0,
    resolve: Callable[[str], Network] | None = None,
) -> NeuralBenchmark:
    """What a network that gives rates answers to stimuli: 33 neurons of macaque V4, unless another one is named.

    network: a selector of one whose outputs are spikes a presentation, those below 0 none; stimuli: shapes, objects or
    textures, which are drawn, or a folder, zip or MATLAB file of pictures; trials: Poisson counts of so many
    presentations, 0 for the rates themselves; seed: of the counts; number: of the first stimuli that count, 0 for all
    (of drawn ones 500, 640 and 135).
    """
    for name, value in (("trials", trials), ("seed", seed), ("number", number)):
        if value < 0:
            raise BadValue(f"insilico: {name}", value, "must be at least 0")
    shown, strata = stimuli_of(stimuli, number)
    module, spec = find_network(network, resolve)
    rates, layer = _answers(module, spec, shown)
    called = network if network == NETWORK else f"{spec.arch.partition('?')[0]}-{spec.model_id[:8]}"
    own = {"trials": trials, "seed": seed, "number": number}
    name = identifier_with("insilico", network=called, stimuli=stimuli, region=region, **own)
    counted = rates if not trials else counts(rates, trials, seed)
    made_of = [VERSION, spec.model_id, trials, seed]
    return NeuralBenchmark(
        name,
        region,
        shown,
        counted if not trials else counted.mean(axis=2),
        trials=counted if trials > 1 else None,
        ceiling="split_half" if trials > 1 else "none",
        strata=strata,
        recipe=content_id(made_of),
        truth=Truth(spec.model_id, layer, content_id([shown.id, VERSION, spec.model_id, seed])) if layer else None,
    )


def _neurons(resolve: Callable[[str], Network] | None, network: str = NETWORK, region: str = "V4") -> Neurons:
    module, spec = find_network(network, resolve)
    called = network if network == NETWORK else f"{spec.arch.partition('?')[0]}-{spec.model_id[:8]}"
    name = identifier_with("insilico", network=called, region=region)

    def rates(shown: Stimuli, device: str) -> np.ndarray:
        return rates_of(module.to(device), spec, shown)[0]

    return Neurons(name, region, spec.units, content_id([VERSION, spec.model_id]), rates)


ANSWERING.register("insilico")(Answering(_neurons, ("network", "region")))


def stimuli_of(text: str, number: int = 0) -> tuple[Stimuli, np.ndarray | None]:
    """(stimuli, strata or None) of a kind that is drawn, or of a folder, zip or MATLAB file of pictures."""
    if text in DRAWN:
        draw, usual = DRAWN[text]
        return pictures(draw, number or usual, SIZE)
    places = [folder / text for folder in (Path(), *data_folders())]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise BadValue("insilico: stimuli", text, f"must be one of {', '.join(DRAWN)}, or a folder or file of pictures")
    found = read_pictures(path)
    if number > len(found):
        raise BadValue("insilico: number", number, f"{text} has {len(found)} pictures")
    return Stimuli(found.ids[: number or None], found.images[: number or None], found.degrees), None


def find_network(text: str, resolve: Callable[[str], Network] | None) -> Network:
    """(network, spec) of a selector from outside the registry, or of an address that `resolve` takes."""
    from mlspatial.models.sources import is_external, load_external

    if is_external(text):
        return load_external(text)
    if resolve is None:
        raise BadValue("insilico: network", text, "must be a selector SOURCE:NAME, as python:mynetworks:V4")
    return resolve(text)


def counts(rates: np.ndarray, trials: int, seed: int) -> np.ndarray:
    """(n stimuli, neuroids, trials) Poisson counts of (n, neuroids) rates; fewer trials are the first of more."""
    shown = np.empty((*rates.shape, trials))
    for i, row in enumerate(rates):
        shown[i] = np.random.default_rng([seed, 3, i]).poisson(row, size=(trials, len(row))).T
    return shown


def rates_of(module: nn.Module, spec: ModelSpec, stimuli: Stimuli) -> tuple[np.ndarray, str]:
    """((n, neuroids) spikes a presentation, none below 0; the layer whose output they are, "" where no layer's is).

    Raises UserError for a network whose output is not one row of numbers an image.
    """
    import torch

    from mlspatial.analysis.device import numerics
    from mlspatial.models.extract import device_of
    from mlspatial.models.layers import output_layer, tensors
    from mlspatial.models.spec import grey, to_input

    place = device_of(module)
    with numerics():
        whole, layer = output_layer(module, grey(spec, place))
    if whole.ndim != 2 or len(whole) != 1:
        shape = tuple(whole.shape)
        raise UserError(f"network {spec.arch} gives {shape} for an image, not a row of rates; name one that does")
    found = []
    with numerics(), torch.inference_mode():
        for first in range(0, len(stimuli), 32):
            images = torch.from_numpy(stimuli.images[first : first + 32]).to(place)
            found.append(next(tensors(module(to_input(images, spec)))).cpu().numpy().astype(np.float64))
    rates = np.concatenate(found)
    if not np.isfinite(rates).all():
        raise UserError(f"network {spec.arch} gives rates that are not finite; look at the network")
    return np.round(rates.clip(min=0.0) / STEP) * STEP, layer


@lru_cache(maxsize=4)
def _remembered(key: str) -> dict[str, tuple[np.ndarray, str]]:
    return {}


def _answers(module: nn.Module, spec: ModelSpec, stimuli: Stimuli) -> tuple[np.ndarray, str]:
    """As `rates_of`, once in a process for a network and stimuli, whatever the number of trials."""
    kept = _remembered(f"{spec.model_id} {stimuli.id}")
    if not kept:
        kept["rates"] = rates_of(module, spec, stimuli)
    return kept["rates"]
