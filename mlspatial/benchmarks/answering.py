"""Brains that answer any images: what their neurons do with the images of a design, as rates without trial noise.

Simulated and in-silico neurons are functions of an image. Recordings hold answers to their own images and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlspatial.core.errors import BadValue, UnknownName
from mlspatial.core.plugins import Plugins
from mlspatial.models.lazy import Network
from mlspatial.models.stimuli import Stimuli

Resolve = Callable[[str], Network]


@dataclass(frozen=True)
class Neurons:
    """A brain that can be asked. identifier: as that of the benchmark whose neurons these are; id: hash of all that
    decides their answers; rates(stimuli, device): (n, neurons) float64 spikes a presentation, without noise, of any
    images; device: what a network behind them runs on."""

    identifier: str
    region: str
    neurons: int
    id: str
    rates: Callable[[Stimuli, str], np.ndarray]


@dataclass(frozen=True)
class Answering:
    """neurons(resolve, **settings): builds them; parameters: of the benchmark, those that decide what the neurons are.
    The others are of trials and of its images."""

    neurons: Callable[..., Neurons]
    parameters: tuple[str, ...] = ()


#: name of a benchmark -> how its neurons are asked
ANSWERING: Plugins[Answering] = Plugins("brain that answers any images")


def find_neurons(name: str, resolve: Resolve | None = None) -> Neurons:
    """The neurons of a benchmark's name, `simulated_v4:layer=layer2.0.relu`; resolve: as `find_benchmark` takes it.

    Raises BadValue for a benchmark that answers only its own images, UnknownName for what is none and for a parameter
    that does not decide what the neurons are.
    """
    from mlspatial.benchmarks.find import YAML, known_benchmarks, taken_apart

    first = name.split(":")[0]
    if first not in ANSWERING:
        if first in known_benchmarks() or name.endswith(YAML):
            listed = ", ".join(sorted(ANSWERING))
            raise BadValue("brains", name, f"answers only its own images, not those of a design; take {listed}")
        raise UnknownName("brain that answers any images", first, sorted(ANSWERING))
    kind, settings, given = taken_apart(name)
    one = ANSWERING[kind]
    for key in given:
        if key not in one.parameters:
            raise UnknownName(f"parameter of {kind} without trials", key, one.parameters)
    return one.neurons(resolve, **{key: settings[key] for key in given})
