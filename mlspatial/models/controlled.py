"""What is kept of a layer that sees a design: products of mean responses, sums of squares, channels, maps.

Nothing as large as the activations is in memory: they wait in a spool and are read feature by feature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mlspatial.analysis.device import exact_device, numerics, sent
from mlspatial.analysis.gram import upper_product
from mlspatial.core.crossing import Crossing
from mlspatial.models.effects import Effects, MeanProducts
from mlspatial.models.spool import CHUNK, Spool

NUMBERS = 1 << 21  # responses that effects are computed of at a time: 8 MB
CHUNK_NUMBERS = 1 << 24  # responses that are in memory as float32 at a time: 64 MB
VERSION = "3"


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
        middle = sent(torch.from_numpy(self.centre()), rows.device)
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
        self.crossings, self.n, self.folder, self.each = crossings, n, folder, each
        self.device = exact_device(device)
        self._chunk = int(np.clip(CHUNK_NUMBERS // n, CHUNK // 16, CHUNK))
        self._spaces = {layer: Space.of(shape) for layer, shape in shapes.items()}
        self._spools: dict[str, Spool] = {}
        self._channels: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}

    def add(self, layer: str, activations: torch.Tensor) -> None:
        if layer not in self._spools:
            self._spools[layer] = Spool(self.n, activations.shape[1], self.folder, self._chunk)
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
        effects = [Effects(crossing, self.device) for crossing in self.crossings]
        place = {id(crossing): number for number, crossing in enumerate(self.crossings)}
        together = [(MeanProducts(group, self.device), [place[id(one)] for one in group])
                    for group in groups(self.crossings)]  # fmt: skip
        wide = max(1, NUMBERS // self.n)
        first = 0
        with numerics():
            for chunk in spool.chunks():
                if self.each is not None:
                    self.each(layer, first, chunk.numpy())
                block = sent(chunk, self.device)
                for products, numbers in together:
                    whole = []
                    for start in range(0, block.shape[1], wide):
                        part = block[:, start : start + wide]
                        made = [effects[number].add(part) for number in numbers]
                        whole.append(products.rows([one[0] for one in made], [main for one in made for main in one[1]]))
                        places = space.places(first + start, part.shape[1])
                        for number, (_, _, squares, mains) in zip(numbers, made, strict=True):
                            for row, sums in enumerate(torch.stack([squares, *mains]).double().cpu().numpy()):
                                found.maps[number, row] += np.bincount(places, sums, minlength=space.positions)
                    products.sums += upper_product(torch.cat(whole, 1))
                first += block.shape[1]
        spool.close()
        found.spread, found.energy = [one.spread for one in effects], [one.energy for one in effects]
        found.means = [products.gram() for products, _ in together]
        names = ("space",) if space.positions == 1 else ("space", "centre")
        found.channels = {name: np.concatenate([one[k] for one in pooled]) for k, name in enumerate(names)}
        return found
