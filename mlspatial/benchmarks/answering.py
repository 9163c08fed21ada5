"""Brains that answer any images: what their neurons do with the images of a design, as rates without trial noise.

Simulated and in-silico neurons are functions of an image. Recordings hold answers to their own images and nothing else:
they can be asked when those are the images of the design, under the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlspatial.core.errors import BadValue, UnknownName
from mlspatial.core.plugins import Plugins
from mlspatial.models.lazy import Network
from mlspatial.models.stimuli import Stimuli

Resolve = Callable[[str], Network]
THUMB = 16  # pixels of pictures that are held against each other
SAME = 0.9  # least correlation of two files of one picture


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


def find_neurons(name: str, resolve: Resolve | None = None, shown: Stimuli | None = None) -> Neurons:
    """The neurons of a benchmark's name, `simulated_v4:layer=layer2.0.relu`, or of the YAML of a recording.

    resolve: as `find_benchmark` takes it; shown: the images of a design, which a recording must hold. Raises BadValue
    for a benchmark that answers only its own images, UnknownName for what is none and for a parameter that does not
    decide what the neurons are.
    """
    from mlspatial.benchmarks.find import YAML, known_benchmarks, taken_apart

    first = name.split(":")[0]
    if name.endswith(YAML) and shown is not None:
        return _recorded(name, shown)
    if first not in ANSWERING:
        if first in known_benchmarks() or name.endswith(YAML):
            raise _refused(name, "answers only its own images, not those of a design")
        raise UnknownName("brain that answers any images", first, sorted(ANSWERING))
    kind, settings, given = taken_apart(name)
    one = ANSWERING[kind]
    for key in given:
        if key not in one.parameters:
            raise UnknownName(f"parameter of {kind} without trials", key, one.parameters)
    return one.neurons(resolve, **{key: settings[key] for key in given})


def _refused(name: str, why: str) -> BadValue:
    return BadValue("brains", name, f"{why}; take {', '.join(sorted(ANSWERING))}")


def _recorded(name: str, shown: Stimuli) -> Neurons:
    """Mean responses of recorded neurons to the images of a design. Ids are the same in all designs, so that pictures
    are looked at, too."""
    from mlspatial.benchmarks.find import find_benchmark
    from mlspatial.benchmarks.neurons import NeuralBenchmark

    found = find_benchmark(name)
    if not isinstance(found, NeuralBenchmark):
        raise _refused(name, "holds no neurons' responses to images")
    place = {stimulus: i for i, stimulus in enumerate(found.stimuli.ids)}
    if absent := [stimulus for stimulus in shown.ids if stimulus not in place]:
        raise _refused(
            name, f"answers only its own images, {len(absent)} of the design's {len(shown)} are not there ({absent[0]})"
        )
    rows = [place[stimulus] for stimulus in shown.ids]
    alike = _alike(found.stimuli.images, rows, shown.images)
    if alike.min() < SAME:
        worst = int(alike.argmin())
        raise _refused(
            name, f"shows another picture as {shown.ids[worst]} than the design (they correlate at {alike[worst]:.2f})"
        )
    responses = np.asarray(found.responses, np.float64)[rows]
    return Neurons(found.identifier, found.region, responses.shape[1], found.version, lambda *_: responses)


def _alike(own: np.ndarray, rows: Sequence[int], shown: np.ndarray) -> np.ndarray:
    """(n,) correlation of pictures own[rows] and shown, (n, h, w, 3) uint8 of any two sizes, seen from afar. Two
    pictures without any contrast are alike."""
    from PIL import Image

    def small(image: np.ndarray) -> np.ndarray:
        values = np.asarray(Image.fromarray(image).resize((THUMB, THUMB), Image.Resampling.BOX), np.float64).ravel()
        values -= values.mean()
        length = np.sqrt(np.square(values).sum())
        return np.asarray(values / length) if length > 0 else np.full(len(values), len(values) ** -0.5)

    return np.array([small(own[row]) @ small(image) for row, image in zip(rows, shown, strict=True)])
