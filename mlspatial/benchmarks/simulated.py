"""Populations of simulated neurons whose truth is known; they need no data and run everywhere."""

from __future__ import annotations

import numpy as np

from mlspatial.benchmarks.neural import BENCHMARKS, NeuralBenchmark
from mlspatial.models.stimuli import Stimuli

SIZE = 64  # pixels; 8 degrees
N_STIMULI = 500
N_NEUROIDS = 64
N_REPEATS = 10
MEAN_SPIKES = 5.0  # per presentation


@BENCHMARKS.register("simulated_v1")
def simulated_v1() -> NeuralBenchmark:
    """64 complex cells of V1: Gabor energy (Adelson and Bergen 1985) with divisive normalisation (Heeger 1992) and
    Poisson spike counts, 10 repeats, over 500 images of shapes on 1/f noise. Same numbers on every machine."""
    images = shapes_on_noise(N_STIMULI, SIZE, seed=1)
    rates = gabor_energy(images.mean(axis=3) / 255.0, N_NEUROIDS, seed=2)
    rng = np.random.default_rng(3)
    trials = rng.poisson(rates[:, :, None] * MEAN_SPIKES, size=(*rates.shape, N_REPEATS)).astype(np.float64)
    stimuli = Stimuli(tuple(f"shapes-{i:04d}" for i in range(N_STIMULI)), images, degrees=8.0)
    return NeuralBenchmark("simulated_v1", "V1", stimuli, trials.mean(axis=2), trials)


def shapes_on_noise(n: int, size: int, *, seed: int) -> np.ndarray:
    """(n, size, size, 3) uint8: coloured 1/f noise with three overlapping shaded ellipses or rectangles each."""
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = 1 / size
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, size, size))) / frequency).real
        picture = 0.5 + 0.15 * (noise / noise.std(axis=(1, 2), keepdims=True)).transpose(1, 2, 0)
        for _ in range(3):
            centre, axes, angle = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.15, 0.6, 2), rng.uniform(0, np.pi)
            u = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / axes[0]
            v = ((y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)) / axes[1]
            inside = (np.hypot(u, v) < 1) if rng.random() < 0.5 else (np.maximum(abs(u), abs(v)) < 1)
            shade = 1 + 0.3 * u[inside, None]
            picture[inside] = rng.uniform(0, 1, 3) * shade
        images[i] = np.clip(picture, 0, 1) * 255
    return images


def gabor_energy(images: np.ndarray, n_cells: int, *, seed: int) -> np.ndarray:
    """Mean-one responses of complex cells, (n, n_cells). images: (n, size, size), luminance 0..1.

    Each cell has a place near the middle, an orientation and a spatial frequency (1.5-6 cycles per picture);
    energy is the root of the summed squares of a quadrature pair, divided by the picture's contrast energy.
    """
    n, size, _ = images.shape
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    flat = images.reshape(n, -1) - images.reshape(n, -1).mean(axis=1, keepdims=True)
    contrast = flat.std(axis=1)
    energies = np.empty((n, n_cells))
    for cell in range(n_cells):
        centre, orientation = rng.uniform(-0.25, 0.25, 2), rng.uniform(0, np.pi)
        cycles = 1.5 * 4.0 ** rng.random()
        width = 0.8 / cycles
        envelope = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        phase = np.pi * cycles * ((x - centre[0]) * np.cos(orientation) + (y - centre[1]) * np.sin(orientation))
        pair = np.stack([envelope * np.cos(phase), envelope * np.sin(phase)])
        pair -= envelope * (pair.sum(axis=(1, 2)) / envelope.sum())[:, None, None]  # blind to mean luminance
        amplitude = np.sqrt(((flat @ pair.reshape(2, -1).T) ** 2).sum(axis=1))
        energies[:, cell] = amplitude / (0.1 + contrast)
    return energies / energies.mean(axis=0)
