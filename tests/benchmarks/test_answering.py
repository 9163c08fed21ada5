"""Brains that answer any images: their benchmarks' neurons, without noise, and cells that prefer what they must."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.benchmarks import find_benchmark
from mlspatial.benchmarks.answering import ANSWERING, find_neurons
from mlspatial.benchmarks.insilico import rates_of
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.simulated import SIZE, gabor_cells
from mlspatial.core.errors import BadValue, UnknownName
from mlspatial.models.sources import load_external
from mlspatial.models.stimuli import Stimuli
from tests.conftest import recordings

SMALL = "simulated_v4:layer=layer2.0.relu,stimuli=60,neuroids=8"


def shown(images: np.ndarray) -> Stimuli:
    return Stimuli(tuple(f"s{i}" for i in range(len(images))), images)


@pytest.mark.parametrize(("name", "trials"), [("simulated_v1", 400), (SMALL, 400)])
def test_neurons_are_those_of_the_benchmark(name: str, trials: int) -> None:
    """Means of many Poisson counts of its own stimuli are the rates, to the error that Poisson counts have."""
    neurons = find_neurons(name)
    found = find_benchmark(f"{name}{':' if ':' not in name else ','}trials={trials}")
    assert isinstance(found, NeuralBenchmark) and found.region == neurons.region
    assert found.identifier.replace(f":trials-{trials}", "") == neurons.identifier
    rates = neurons.rates(found.stimuli, "cpu")
    assert rates.shape == found.responses.shape and rates.shape[1] == neurons.neurons
    z = (found.responses - rates) / np.sqrt(rates / trials)
    assert abs(z.mean()) < 3 / np.sqrt(z.size) and z.std() == pytest.approx(1, abs=3 / np.sqrt(2 * z.size))


def test_answers_to_an_image_do_not_depend_on_the_others() -> None:
    images = shapes_on_noise(9, SIZE, seed=4)
    for name in ("simulated_v1", SMALL):
        neurons = find_neurons(name)
        whole = neurons.rates(shown(images), "cpu")
        assert neurons.rates(shown(images[4:7]), "cpu") == pytest.approx(whole[4:7], abs=2e-3)
        assert whole.std(axis=0).min() > 0


def grating(orientation: float, cycles: float, size: int) -> np.ndarray:
    """(size, size, 3) uint8; orientation: of the direction in which luminance changes."""
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    wave = np.cos(np.pi * cycles * (x * np.cos(orientation) + y * np.sin(orientation)))
    return np.round(127.5 + 120 * wave)[..., None].repeat(3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [SIZE, 128])
def test_gabor_energy_cells_prefer_their_orientation_and_frequency(size: int) -> None:
    orientations, cycles = np.arange(24) * np.pi / 24, 1.5 * 4 ** np.linspace(0, 1, 9)
    neurons = find_neurons("simulated_v1")
    images = np.stack([grating(angle, c, size) for c in cycles for angle in orientations])
    rates = neurons.rates(shown(images), "cpu").reshape(len(cycles), len(orientations), -1)
    for cell, (_, orientation, frequency) in enumerate(gabor_cells(neurons.neurons, 2)):
        best = np.unravel_index(rates[..., cell].argmax(), rates.shape[:2])
        away = np.mod(orientations[best[1]] - orientation + np.pi / 2, np.pi) - np.pi / 2
        assert abs(away) <= np.pi / 24  # half a step, and what the discrete frequencies add
        assert abs(np.log2(cycles[best[0]] / frequency)) < 0.4  # steps are a quarter of an octave


def test_in_silico_neurons_answer_what_their_network_gives() -> None:
    recordings("cowley2023_v4")
    neurons = find_neurons("insilico:region=V4")
    stimuli = shown(shapes_on_noise(5, 64, seed=1))
    module, spec = load_external("insilico:cowley2023_v4")
    assert (neurons.region, neurons.neurons) == ("V4", 33)
    assert np.array_equal(neurons.rates(stimuli, "cpu"), rates_of(module, spec, stimuli)[0])


def test_other_parameters_are_other_neurons() -> None:
    names = (SMALL, SMALL.replace("8", "9"), f"{SMALL},seed=1", SMALL.replace("layer2", "layer3"))
    found = [find_neurons(name) for name in names]
    assert len({one.id for one in found}) == len({one.identifier for one in found}) == 4
    again = find_neurons(SMALL)
    assert (again.id, again.identifier) == (found[0].id, found[0].identifier)


def test_recordings_and_what_is_no_benchmark_are_refused() -> None:
    for name in ("cowley2023_v4", "nsd:subj01", "mine.yaml"):
        with pytest.raises(BadValue, match="brains") as refused:
            find_neurons(name)
        told = str(refused.value)
        assert name in told and "answers only its own images, not those of a design; take insilico" in told
    with pytest.raises(UnknownName, match="simulated_v5"):
        find_neurons("simulated_v5")
    for name in ("simulated_v1:trials=40", f"{SMALL},trials=3", "insilico:stimuli=objects"):
        with pytest.raises(UnknownName, match="without trials"):
            find_neurons(name)


def test_whoever_answers_is_a_benchmark_with_these_parameters() -> None:
    from inspect import signature

    from mlspatial.benchmarks import BENCHMARKS

    for name in ANSWERING:
        assert set(ANSWERING[name].parameters) <= set(signature(BENCHMARKS[name]).parameters)
