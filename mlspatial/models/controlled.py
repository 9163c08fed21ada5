"""What is kept of a layer that sees a design: products of mean responses, sums of squares, channels, maps.

Nothing as large as the activations is in memory: they wait in a spool and are read feature by feature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mlspatial.analysis.anova import effect_sets
from mlspatial.analysis.gram import upper_product
from mlspatial.analysis.marginals import deviation_weights
from mlspatial.core.crossing import Crossing
from mlspatial.models.spool import Spool

NUMBERS = 1 << 19  # responses that a crossing's effects are computed of at a time: 2 MB, which stay in the cache
VERSION = "2"


@dataclass(frozen=True)
class Space:
    """Where the features of a layer are. channels, positions: their numbers; grid: (height, width) of the positions, or
    (positions,) where they are in no grid; last: whether channels count fastest."""

    channels: int
    grid: tuple[int, ...]
    last: bool = False

    @property
    def positions(self) -> int:
        return int(np.prod(self.grid))

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Space:
        """Of a layer's output for one image: (channels,), (channels, height, width), (height, width, channels) where
        the first two are equal and the last is not, (tokens, channels); else each number is a channel."""
        if len(shape) == 3:
            last = shape[0] == shape[1] != shape[2]
            return cls(shape[2], shape[:2], True) if last else cls(shape[0], shape[1:])
        if len(shape) == 2:
            side = int(np.sqrt(shape[0]))
            return cls(shape[1], (side, side) if side * side == shape[0] else shape[:1], True)
        return cls(int(np.prod(shape)), (1,))

    def view(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, features) -> (n, positions, channels)."""
        if self.last:
            return rows.view(len(rows), self.positions, self.channels)
        return rows.view(len(rows), self.channels, self.positions).transpose(1, 2)

    def pooled(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, features) -> (n, channels) means over all positions and over those in the middle."""
        middle = torch.from_numpy(self.centre()).to(rows.device)
        if self.last:
            seen = rows.view(len(rows), self.positions, self.channels)
            return seen.mean(1), seen[:, middle].mean(1)
        seen = rows.view(len(rows), self.channels, self.positions)
        return seen.mean(2), seen[:, :, middle].mean(2)

    def centre(self) -> np.ndarray:
        """The position in the middle, or those around it; of tokens in no grid all but the first."""
        if len(self.grid) == 1:
            return np.arange(min(1, self.positions - 1), self.positions)
        middle = [np.arange((side - 1) // 2, side // 2 + 1) for side in self.grid]
        return (middle[0][:, None] * self.grid[1] + middle[1]).ravel()

    def places(self, first: int, width: int) -> np.ndarray:
        """(width,) position of each feature from `first` on."""
        features = np.arange(first, first + width)
        return features // self.channels if self.last else features % self.positions


@dataclass
class Controlled:
    """One layer's numbers. means: for each group of crossings that share contexts the (m, m) inner products of
    Marginals.gram, of mean responses about that of all levels in their context; spread, energy: for each crossing as
    anova.split_of takes them, about the crossing's mean; channels: "space" and "centre" -> (n, channels) float32, means
    over space and over the middle; maps: (crossings, 1 + factors, positions) sums of squares over channels, of all
    (about the mean) and of each factor's main effect, NaN beyond a crossing's factors."""

    space: Space
    means: list[np.ndarray] = field(default_factory=list)
    spread: list[np.ndarray] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)
    channels: dict[str, np.ndarray] = field(default_factory=dict)
    maps: np.ndarray = field(default_factory=lambda: np.empty(0))


def groups(crossings: Sequence[Crossing]) -> list[list[Crossing]]:
    """Crossings that are analysed together: sweeps of different factors with the same contexts; one of several factors
    is alone."""
    found: list[list[Crossing]] = []
    for crossing in crossings:
        names = {factor.name for factor in crossing.factors}
        for group in found:
            fits = group[0].seen_in == crossing.seen_in and len(group[0].factors) == len(names) == 1
            if fits and not names & {factor.name for one in group for factor in one.factors}:
                group.append(crossing)
                break
        else:
            found.append([crossing])
    return found


class ControlledSink:
    """Takes layers as models.extract hands them over; pop() gives a layer's Controlled.

    n: images; shapes: of each layer, as extract.shapes gives them; folder: where activations wait that are too many for
    memory; device: what computes; each: is called with layer, first feature and (n, features) responses of all.
    """

    def __init__(
        self,
        crossings: Sequence[Crossing],
        n: int,
        shapes: Mapping[str, tuple[int, ...]],
        folder: Path,
        device: str = "cpu",
        each: Callable[[str, int, np.ndarray], None] | None = None,
    ) -> None:
        self.crossings, self.n, self.folder, self.device, self.each = crossings, n, folder, device, each
        self._spaces = {layer: Space.of(shape) for layer, shape in shapes.items()}
        self._spools: dict[str, Spool] = {}
        self._channels: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._weights = []
        for group in groups(crossings):
            weights = deviation_weights(group, n)
            place = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr)), weights.indices
            numbers = torch.from_numpy(weights.data.astype(np.float32))
            tensor = torch.sparse_coo_tensor(
                torch.from_numpy(np.stack(place)), numbers, weights.shape, check_invariants=True
            )
            self._weights.append(tensor.to(device).coalesce())

    def add(self, layer: str, activations: torch.Tensor) -> None:
        if layer not in self._spools:
            self._spools[layer] = Spool(self.n, activations.shape[1], self.folder)
        self._spools[layer].add(activations)
        space = self._spaces[layer]
        kept = space.pooled(activations)
        self._channels.setdefault(layer, []).append((kept[0].cpu().numpy(), kept[1].cpu().numpy()))

    def pop(self, layer: str) -> Controlled:
        spool, space = self._spools.pop(layer), self._spaces[layer]
        pooled = self._channels.pop(layer)
        most = max(len(crossing.factors) for crossing in self.crossings)
        found = Controlled(space, maps=np.full((len(self.crossings), 1 + most, space.positions), np.nan))
        for number, crossing in enumerate(self.crossings):
            found.maps[number, : 1 + len(crossing.factors)] = 0.0
            found.spread.append(np.zeros((len(effect_sets(crossing)), crossing.contexts, crossing.contexts)))
            found.energy.append(0.0)
        sums = [torch.zeros(w.shape[0], w.shape[0], dtype=torch.float64, device=self.device) for w in self._weights]
        first = 0
        for chunk in spool.chunks():
            block = chunk.to(self.device)
            if self.each is not None:
                self.each(layer, first, chunk.numpy())
            block = block - block.mean(0)
            for weights, total in zip(self._weights, sums, strict=True):
                total += upper_product((weights @ block).contiguous())
            for number, crossing in enumerate(self.crossings):
                rows = torch.from_numpy(crossing.rows.reshape(-1)).to(self.device)
                wide = max(1, NUMBERS // crossing.rows.size)
                for start in range(0, block.shape[1], wide):
                    part = block[:, start : start + wide][rows].view(*crossing.rows.shape, -1)
                    _add_effects(part, crossing, space.places(first + start, part.shape[-1]), found, number)
            first += block.shape[1]
        spool.close()
        for total in sums:
            upper = total.triu().cpu().numpy()
            found.means.append(upper + np.triu(upper, 1).T)
        names = ("space",) if space.positions == 1 else ("space", "centre")
        found.channels = {name: np.concatenate([one[k] for one in pooled]) for k, name in enumerate(names)}
        return found


def _add_effects(given: torch.Tensor, crossing: Crossing, places: np.ndarray, found: Controlled, number: int) -> None:
    """Add what some features say of a crossing. given: (levels of each factor, contexts, features)."""
    given = given - given.mean(
        dim=tuple(range(given.ndim - 1)), keepdim=True
    )  # float32 squares of a mean hide the rest
    flat = given.reshape(-1, given.shape[-1])
    squares = flat.square().sum(0).double()
    found.energy[number] += float(squares.sum())
    about_mean = squares.cpu().numpy()
    spreads: dict[frozenset[int], np.ndarray] = {}
    mains: dict[int, np.ndarray] = {}
    axes = len(crossing.factors)

    def walk(kept: torch.Tensor, axis: int, repeats: int, effect: frozenset[int]) -> None:
        """kept: (1 or levels of each axis, contexts, features), what is left of the responses."""
        if axis == axes:
            by_context = kept.reshape(-1, *kept.shape[-2:]).transpose(0, 1).reshape(kept.shape[-2], -1)
            spreads[effect] = repeats * (by_context @ by_context.T).double().cpu().numpy()
            if len(effect) == 1:
                mean = kept.mean(-2).reshape(-1, kept.shape[-1])
                mains[min(effect)] = (repeats * kept.shape[-2] * mean.square().sum(0)).cpu().numpy()
            return
        mean = kept.mean(axis, keepdim=True)
        walk(kept - mean, axis + 1, repeats, effect | {axis})
        walk(mean, axis + 1, repeats * kept.shape[axis], effect)

    walk(given, 0, 1, frozenset())
    for i, effect in enumerate(effect_sets(crossing)):
        found.spread[number][i] += spreads[effect]
    for place, sums in [(0, about_mean), *((1 + axis, sums) for axis, sums in mains.items())]:
        found.maps[number, place] += np.bincount(places, sums, minlength=found.space.positions)
