"""Simulated fMRI whose truth is known: voxels that read a hidden layer of a network, with noise that neighbours share.

A voxel lies on a sheet and is a positive mixture of many units of the layer, as a voxel holds many neurons; voxels near
each other mix similar units. Its noise is partly its own and partly shared with its neighbours, another draw in every
trial. Seeds are people: other mixtures and noise, the same network, layer and images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.benchmarks.base import BENCHMARKS
from mlspatial.benchmarks.neuroids import ChosenUnits
from mlspatial.benchmarks.pictures import shapes
from mlspatial.benchmarks.simulated import hidden_network, identifier_with, pictures
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.models.lazy import Network
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.spec import ModelSpec

IMAGES, VOXELS, TRIALS, SIZE = 400, 200, 3, 48
LAYER = "layer3.0.relu"
UNITS = 2000  # of the layer that the voxels of a brain read
MIXED = 30  # of them, that a voxel mixes
SMOOTH = 2.0  # voxels: width of the neighbourhood that shares units, and of the one that shares noise
SHARED = 0.5  # share of the noise's variance that neighbours share
SPREAD = 0.4  # standard deviation of the logarithm of the voxels' noise
NOISE = 1.0  # standard deviation in a trial, in those of the signal
STEP = 1e-4  # signals are rounded to it, so that other machines' rounding seldom changes them
VERSION = 1  # counts when the numbers change


@BENCHMARKS.register("simulated_fmri")
def simulated_fmri(
    voxels: int = VOXELS,
    images: int = IMAGES,
    seed: int = 0,
    layer: str = LAYER,
    noise: float = NOISE,
    trials: int = TRIALS,
    network: str = "random0",
    size: int = SIZE,
    resolve: Callable[[str], Network] | None = None,
) -> FmriBenchmark:
    """Voxels that read a layer of a ResNet-18 with random weights, over images of shapes on 1/f noise.

    seed: the person; noise: standard deviation in a trial, in those of the signal; network: randomN, or an address.
    """
    for name, value, least in (("voxels", voxels, 11), ("images", images, 8), ("trials", trials, 1), ("seed", seed, 0)):
        if value < least:
            raise BadValue(name, value, f"must be at least {least}")
    if not 0 <= noise < np.inf:
        raise BadValue("noise", noise, "must be 0 or more")
    module, spec = hidden_network(network, size, resolve)
    stimuli, _ = pictures(shapes, images, size)
    signal = voxel_signal(module, spec, layer, stimuli, voxels, seed=seed)
    measured = voxel_trials(signal, trials, noise=noise, seed=seed).astype(np.float32)
    named = spec if spec.weights else spec.with_weights(module)
    called = network if network.startswith("random") else spec.model_id
    identifier = identifier_with(
        "simulated_fmri", voxels=voxels, images=images, seed=seed, layer=layer, noise=noise, trials=trials,
        network=called, size=size,
    )  # fmt: skip
    return FmriBenchmark(
        identifier=identifier,
        subject=f"simulated{seed}",
        region="OTC",
        stimuli=stimuli,
        responses=measured.mean(axis=2),
        trials=measured if trials > 1 else None,
        noise_ceiling="gsn" if trials > 1 else "none",
        recipe=content_id([VERSION, named.model_id, layer, voxels, trials, noise, seed]),
    )


def voxel_signal(
    module: nn.Module, spec: ModelSpec, layer: str, stimuli: Stimuli, voxels: int, *, seed: int
) -> np.ndarray:
    """(n stimuli, voxels) what a brain says without noise, standard deviation 1 over stimuli, positive mixtures.

    Raises UnknownName for a layer that does not exist, UserError for one of which too few units vary.
    """
    from mlspatial.models.extract import extract

    chosen = ChosenUnits(UNITS, seed)
    extract(module, spec, stimuli, (layer,), chosen)
    units = np.maximum(chosen.values(), 0.0)
    deviations = units.std(axis=0)
    units = units[:, deviations > 1e-6 * deviations.max(initial=0.0)]
    if units.shape[1] < MIXED:
        raise UserError(
            f"layer {layer} of {spec.arch}: {units.shape[1]} units vary, a voxel mixes {MIXED}; name another layer"
        )
    units = units / units.std(axis=0)
    preference = smooth_noise(units.shape[1], voxels, np.random.default_rng([seed, 0])).T
    weights = np.random.default_rng([seed, 1]).gamma(2.0, size=preference.shape)
    bound = np.sort(preference, axis=1)[:, -MIXED][:, None]
    signal = units @ np.where(preference >= bound, weights, 0.0).T
    return np.round((signal - signal.mean(axis=0)) / signal.std(axis=0) / STEP) * STEP


def voxel_trials(signal: np.ndarray, trials: int, *, noise: float, seed: int) -> np.ndarray:
    """(n, voxels, trials): the signal with noise, of which neighbours share a part. Fewer trials are the first."""
    n, voxels = signal.shape
    levels = noise * np.exp(SPREAD * np.random.default_rng([seed, 2]).normal(size=voxels))
    found = np.empty((n, voxels, trials))
    for trial in range(trials):
        rng = np.random.default_rng([seed, 3, trial])
        own = rng.normal(size=(n, voxels))
        shared = smooth_noise(n, voxels, rng)
        found[:, :, trial] = signal + levels * (np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
    return found


def smooth_noise(rows: int, voxels: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, voxels) normal values of standard deviation 1 on a square sheet; correlation exp(-d^2 / (4 SMOOTH^2))."""
    from scipy.ndimage import gaussian_filter

    side = int(np.ceil(np.sqrt(voxels)))
    impulse = np.zeros((side, side))
    impulse[0, 0] = 1.0
    scale = np.sqrt(np.square(gaussian_filter(impulse, SMOOTH, mode="wrap")).sum())  # the sheet is a torus: all alike
    white = rng.normal(size=(rows, side, side))
    smooth = gaussian_filter(white, (0, SMOOTH, SMOOTH), mode="wrap") / scale
    return smooth.reshape(rows, -1)[:, :voxels]
