"""Sums that an analysis of variance and mean responses need, of some features of all images at a time.

In each context the responses to the cells of a crossing are turned into orthonormal contrasts, factor by factor: row 0
of a factor is its mean, the others its differences (Helmert's). The product over factors of rows that are and are not 0
is the projection onto one set of factors, so that one transform, of a few multiplications a number, takes the place of
a mean and a difference for every set; inner products of contrasts are those of effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
import torch

from mlspatial.analysis.anova import effect_sets
from mlspatial.core.crossing import Crossing, Factor


class Effects:
    """Of one crossing. device: where the responses are.

    spread, energy: as analysis.anova.split_of takes them, about the crossing's mean.
    """

    def __init__(self, crossing: Crossing, device: str = "cpu") -> None:
        self.crossing = crossing
        self.number = len(crossing.factors)
        shape = len(effect_sets(crossing)), crossing.contexts, crossing.contexts
        self._spread = torch.zeros(shape, dtype=torch.float64, device=device)
        self._energy = torch.zeros((), dtype=torch.float64, device=device)
        flat = np.moveaxis(crossing.rows, -1, 0).reshape(-1)  # contexts outside, as a design has them
        in_order = np.array_equal(flat, np.arange(flat[0], flat[0] + len(flat)))
        self._rows = slice(int(flat[0]), int(flat[0]) + len(flat)) if in_order else torch.from_numpy(flat).to(device)
        first = min(range(self.number), key=lambda k: prod(crossing.shape[:k]) + prod(crossing.shape[k:]))
        self._parts = [_contrasts(crossing.shape[:first]), _contrasts(crossing.shape[first:], first)]
        self._turns = [torch.from_numpy(turn.astype(np.float32)).to(device) for turn, _ in self._parts]
        self._place = {effect: i for i, effect in enumerate(effect_sets(crossing))}
        self._memory = [torch.empty(0, device=device)] * 2

    @property
    def spread(self) -> np.ndarray:
        return self._spread.cpu().numpy()

    @property
    def energy(self) -> float:
        return float(self._energy)

    def add(self, block: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
        """block: (images, features) float32 of all images, whatever their means.

        Returns float32: (contexts, features) the mean of each context; of each factor (contexts, levels - 1, features)
        contrasts of its levels, the mean over the other factors times the root of their cells; (features,) sums of
        squares about the crossing's mean, of all and a list of each factor's main effect.
        """
        cells = self.crossing.cells
        given = block[self._rows].view(self.crossing.contexts, cells, -1)
        means = given.mean(1)
        about = means - means.mean(0)
        self._spread[0] += cells * (about @ about.T).double()
        rest = torch.sub(given, means[:, None], out=self._take(0, given.shape))
        turned = self._turned(rest)  # (contexts, rows of the first part, of the second, features)
        mains = [means.new_zeros(len(means), 0, means.shape[1])] * self.number  # a factor of one level has no contrast
        for (first, a), (second, b) in product(*(rows.items() for _, rows in self._parts)):
            effect = first | second
            if not effect:
                continue
            some = turned[:, a, b].flatten(2).transpose(0, 1)  # (rows of the first, contexts, rows of the second, ...)
            self._spread[self._place[effect]] += torch.bmm(some, some.transpose(1, 2)).double().sum(0)
            if len(effect) == 1:
                mains[min(effect)] = turned[:, a, b].flatten(1, 2)
        spare = self._take(1 - self._last, rest.shape)  # the memory that `turned` is not in
        squares = torch.square(turned.view(rest.shape), out=spare).sum((0, 1)) + cells * about.square().sum(0)
        self._energy += squares.double().sum()
        of_mains = [len(main) * main.mean(0).square().sum(0) for main in mains]
        return means, mains, squares, of_mains

    def _turned(self, rest: torch.Tensor) -> torch.Tensor:
        contexts, width = rest.shape[0], rest.shape[2]
        outer, inner = (len(turn) for turn in self._turns)
        self._last = 0
        found = rest
        if inner > 1:
            found = self._product(1, found.view(contexts * outer, inner, width))
        if outer > 1:
            found = self._product(0, found.view(contexts, outer, inner * width))
        return found.view(contexts, outer, inner, width)

    def _product(self, part: int, given: torch.Tensor) -> torch.Tensor:
        self._last = 1 - self._last
        turn = self._turns[part].expand(len(given), -1, -1)
        return torch.bmm(turn, given, out=self._take(self._last, given.shape))

    def _take(self, number: int, shape: Sequence[int]) -> torch.Tensor:
        """One of two pieces of memory: fresh memory costs more than what is done in it."""
        size = prod(shape)
        if self._memory[number].numel() < size:
            self._memory[number] = self._memory[number].new_empty(size)
        return self._memory[number][:size].view(*shape)


class MeanProducts:
    """Inner products of mean responses, as Marginals.of takes them, of crossings that share their contexts.

    Those that are added up are of the contrasts of each factor, a context each, and of the mean of each context: fewer,
    and what differs between contexts is not in them, beside which float32 would lose what a factor does.
    """

    def __init__(self, group: Sequence[Crossing], device: str = "cpu") -> None:
        self.group, self.contexts = group, group[0].contexts
        self.cells = np.array([crossing.cells for crossing in group], np.float64)
        rows = sum(len(factor) - 1 for crossing in group for factor in crossing.factors) + len(group)
        self.sums = torch.zeros(rows * self.contexts, rows * self.contexts, dtype=torch.float64, device=device)

    def rows(self, means: Sequence[torch.Tensor], mains: Sequence[torch.Tensor]) -> torch.Tensor:
        """(rows, features) of what Effects.add gives of each crossing: contrasts (of each factor one after the other),
        then the means of each crossing, about that of all images."""
        share = self.cells / self.cells.sum()
        origin = sum(float(w) * mean.mean(0) for w, mean in zip(share, means, strict=True))
        parts = [main.transpose(0, 1).flatten(0, 1) for main in mains]
        return torch.cat([*parts, *(mean - origin for mean in means)])

    def gram(self) -> np.ndarray:
        """(m + C, m + C) float64, see Marginals."""
        from scipy.sparse import block_diag, eye_array, kron

        every = eye_array(self.contexts)
        blocks = [
            kron(helmert(factor)[1:].T / np.sqrt(crossing.cells / len(factor)), every)
            for crossing in self.group
            for factor in crossing.factors
        ]
        turn = block_diag([*blocks, kron((self.cells / self.cells.sum())[None], every)]).tocsr()
        upper = self.sums.triu().cpu().numpy()
        return np.asarray(turn @ (turn @ (upper + np.triu(upper, 1).T)).T)


def helmert(factor: Factor | int) -> np.ndarray:
    """(levels, levels) orthonormal rows, the first of them constant. Source: Helmert 1876."""
    from scipy.linalg import helmert as rows

    levels = factor if isinstance(factor, int) else len(factor)
    return np.asarray(rows(levels, full=True)) if levels > 1 else np.ones((1, 1))


def _contrasts(shape: Sequence[int], first: int = 0) -> tuple[np.ndarray, dict[frozenset[int], slice]]:
    """(cells, cells) orthonormal contrasts of a crossing of so many levels, those of one set of factors together, and
    the rows of each set, whose factors are numbered from `first`."""
    turn = np.ones((1, 1))
    for levels in shape:
        turn = np.kron(turn, helmert(levels))
    sets = [
        frozenset(first + axis for axis, row in enumerate(index) if row) for index in np.ndindex(*shape)
    ]  # of each row
    order = sorted(range(len(sets)), key=lambda row: (len(sets[row]), sorted(sets[row])))
    rows: dict[frozenset[int], slice] = {}
    for place, row in enumerate(order):
        start = rows[sets[row]].start if sets[row] in rows else place
        rows[sets[row]] = slice(start, place + 1)
    return turn[order], rows
