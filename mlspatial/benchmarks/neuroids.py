"""Neuroids that read a hidden layer of a network: positive mixtures of a few of its units, scaled to a mean rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mlspatial.models.spec import ModelSpec

UNITS = 3  # of the hidden layer that a neuroid mixes
SPREAD = 0.5  # standard deviation of the logarithm of neuroids' mean rates
SPONTANEOUS = 0.1  # share of the mean rate that is there without a stimulus
STEP = 1e-3  # spikes; rates are rounded to it, so that other machines' rounding seldom changes a count
FIRING = 0.25  # least share of the stimuli that a unit answers to
CANDIDATES = 4  # units looked at for every one that is needed, because some are silent


@dataclass(frozen=True)
class Neuroids:
    """Neuroids that read a layer, as a population's own stimuli fixed them. places: of the units in the order in which
    ChosenUnits draws them; deviations: by which each is divided; mixed, weights: (neuroids, UNITS) numbers of those
    units and their weights; least, mean: (neuroids,) of the mixtures over the own stimuli; spikes: (neuroids,)
    factor of mean_spikes; drawn: units that ChosenUnits kept; seed: of them."""

    places: np.ndarray
    deviations: np.ndarray
    mixed: np.ndarray
    weights: np.ndarray
    least: np.ndarray
    mean: np.ndarray
    spikes: np.ndarray
    mean_spikes: float
    drawn: int
    seed: int

    def rates(self, module: nn.Module, spec: ModelSpec, layer: str, stimuli: Stimuli, device: str) -> np.ndarray:
        """(n, neuroids) expected spikes a presentation of any stimuli; a mixture below that of all own stimuli drives
        nothing."""
        from mlspatial.models.extract import extract

        chosen = ChosenUnits(self.drawn, self.seed)
        extract(module.to(device), spec, stimuli, (layer,), chosen)
        return self.of_units(np.maximum(chosen.values()[:, self.places], 0.0) / self.deviations)

    def of_units(self, units: np.ndarray) -> np.ndarray:
        """units: (n, places), rectified and divided by their deviations."""
        rates = np.empty((len(units), len(self.spikes)))
        for neuroid, (mixed, weights) in enumerate(zip(self.mixed, self.weights, strict=True)):
            mixture = (units[:, mixed] @ weights - self.least[neuroid]).clip(min=0.0)
            driven = SPONTANEOUS + (1 - SPONTANEOUS) * mixture / self.mean[neuroid]
            rates[:, neuroid] = driven * self.mean_spikes * self.spikes[neuroid]
        return np.round(rates / STEP) * STEP


def neuroids_of(
    module: nn.Module,
    spec: ModelSpec,
    layer: str,
    stimuli: Stimuli,
    neuroids: int,
    *,
    seed: int,
    mean_spikes: float,
) -> tuple[Neuroids, np.ndarray]:
    """(neuroids, (n stimuli, neuroids) their expected spikes a presentation): positive weights on a few units.

    UNITS rectified units are drawn among those that answer to enough stimuli, and brought to one standard deviation; a
    mixture less its smallest value is scaled to the neuroid's mean rate, log-normal around mean_spikes, above a
    spontaneous one.
    Raises UnknownName for a layer that does not exist, UserError for one of which too few units vary.
    """
    from mlspatial.models.extract import extract

    drawn = neuroids * UNITS * CANDIDATES
    chosen = ChosenUnits(drawn, seed)
    extract(module, spec, stimuli, (layer,), chosen)
    units = np.maximum(chosen.values(), 0.0)
    deviations = units.std(axis=0)
    firing = (units > 0).mean(axis=0) >= FIRING
    varied = np.flatnonzero(firing & (deviations > 1e-6 * deviations.max()))
    if len(varied) < UNITS:
        raise UserError(
            f"layer {layer} of {spec.arch}: {len(varied)} of {len(deviations)} units vary and answer to a quarter of "
            f"the stimuli, a neuroid mixes {UNITS}; name another layer"
        )
    units = units[:, varied] / deviations[varied]
    mixed, weights = np.empty((neuroids, UNITS), int), np.empty((neuroids, UNITS))
    least, mean, spikes = np.empty((3, neuroids))
    for neuroid in range(neuroids):
        rng = np.random.default_rng([seed, 0, neuroid])
        mixed[neuroid] = rng.choice(len(varied), UNITS, replace=False)
        weights[neuroid] = rng.dirichlet(np.full(UNITS, 2.0))
        mixture = units[:, mixed[neuroid]] @ weights[neuroid]
        least[neuroid] = mixture.min()
        mean[neuroid] = (mixture - least[neuroid]).mean()
        spikes[neuroid] = np.exp(SPREAD * rng.normal())
    found = Neuroids(varied, deviations[varied], mixed, weights, least, mean, spikes, mean_spikes, drawn, seed)
    return found, found.of_units(units)


class ChosenUnits:
    """A sink that keeps some units of a layer, drawn with a seed when its width is known."""

    def __init__(self, units: int, seed: int) -> None:
        self.units, self.seed = units, seed
        self.places: np.ndarray | None = None
        self._parts: list[np.ndarray] = []

    def add(self, layer: str, activations: torch.Tensor) -> None:
        if self.places is None:
            width = activations.shape[1]
            self.places = np.random.default_rng([self.seed, 2]).permutation(width)[: self.units]
        self._parts.append(activations[:, self.places].cpu().numpy())

    def values(self) -> np.ndarray:
        """(n, units) float64."""
        return np.concatenate(self._parts).astype(np.float64)
