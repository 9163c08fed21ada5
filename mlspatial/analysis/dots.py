"""Plain inner products between stimuli, about no mean: what a similarity by dot product is."""

from __future__ import annotations

import numpy as np
import torch

from mlspatial.analysis.device import exact, numerics
from mlspatial.analysis.gram import CHUNK, Activations, upper_product
from mlspatial.core.errors import StimulusMismatch, UserError

VERSION = "1"


class Dots:
    """x_i . x_j of every two stimuli; add() blocks of features, then ask for condensed().

    Products are float32 (float64 of float64 blocks), sums over chunks of features float64.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._total: torch.Tensor | None = None

    @numerics()
    def add(self, block: Activations) -> None:
        """block: (n, features), the next features of all stimuli. Raises StimulusMismatch for another n."""
        part = exact(torch.as_tensor(block).detach())
        if part.ndim != 2 or len(part) != self.n:
            raise StimulusMismatch(f"activations of shape {tuple(part.shape)} for {self.n} stimuli")
        for columns in part.split(CHUNK, dim=1):
            product = upper_product(columns.contiguous()).to(torch.float64)
            self._total = product if self._total is None else self._total.add_(product)

    def condensed(self) -> np.ndarray:
        """(n (n - 1) / 2,) float64, the upper triangle row by row. Raises UserError before the first block."""
        if self._total is None:
            raise UserError("a layer without features has no similarities")
        rows, columns = np.triu_indices(self.n, 1)
        return self._total.cpu().numpy()[rows, columns].copy()
