"""What is kept of a layer: products between stimuli, a random projection, or the activations themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from mlspatial.analysis import dots, fixed_split, gram, matching, reverse_pls
from mlspatial.analysis import projection as projecting
from mlspatial.analysis.device import exact_device, sent
from mlspatial.analysis.dots import Dots
from mlspatial.analysis.gram import Gram, PatternGram
from mlspatial.analysis.projection import projection
from mlspatial.analysis.rsa import condensed
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.core.names import ACTIVATIONS, file_name
from mlspatial.models.spool import NamelessFile, Spool

PRECISIONS = {"float16": np.float16, "float32": np.float32}


class Kept(Protocol):
    """A sink that has, once all stimuli are in, some kinds of arrays of a layer."""

    kinds: tuple[str, ...]

    def add(self, layer: str, activations: torch.Tensor) -> None:
        """activations: (b, features) float32, the next stimuli of a layer; their memory is used again."""

    def pop(self, layer: str) -> Mapping[str, np.ndarray | Path]:
        """kind -> array, or a file with it; the sink forgets the layer."""


#: (what makes an array of products between n stimuli, how it is read at the end)
Product = tuple[Callable[[int], Any], Callable[[Any], np.ndarray]]
#: kind -> what it is made with
PRODUCTS: dict[str, Product] = {
    "gram": (Gram, Gram.packed),  # (n (n + 1) / 2,), float64 of a layer that is kept exact, see analysis.gram.pack
    # (n (n - 1) / 2,) float32 Pearson r between the stimuli's patterns, the upper triangle row by row
    "pattern": (PatternGram, lambda gram: condensed(gram.correlations()).astype(np.float32)),
    "dot": (Dots, Dots.condensed),  # (n (n - 1) / 2,) float64 x_i . x_j, the same triangle
}

#: kind, without what stands behind its first hyphen -> version of how a layer's activations become it, or the module
#: that has it. A change that moves numbers counts it up: arrays of another version are not used (registry.activations).
VERSIONS: dict[str, Any] = {
    "gram": gram,
    "pattern": gram,
    "dot": dots,
    "projection": projecting,
    "one_to_one": matching,
    "fixed_split": fixed_split,
    "reverse_pls": reverse_pls,
    "features": "1",
    "activations": "1",
}


def kind_version(kind: str) -> str:
    """Of gram, pattern, features, projection-DIMENSION-SEED, activations-PRECISION, one_to_one-HASH, fixed_split-HASH,
    reverse_pls-HASH."""
    made_by = VERSIONS[kind.partition("-")[0]]
    return made_by if isinstance(made_by, str) else str(made_by.VERSION)


class Products:
    """Products between stimuli of each layer, all kinds from one reading of its activations.

    Waiting activations lie in spools: in memory while they are small, in nameless files in `folder` when not.
    kinds: names in PRODUCTS, or any further ones given as name -> (maker, reader); those with the same maker are read
    from one product. A product that wants a layer's blocks more than once says so (`rounds`), and is told when they
    begin anew (`rewind`). pop() raises UserError for a layer that does not vary.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        n: int,
        folder: Path,
        device: str = "cpu",
        more: Mapping[str, Product] | None = None,
    ) -> None:
        self.kinds, self.n, self.folder, self.device = tuple(kinds), n, folder, exact_device(device)
        self._products = {**PRODUCTS, **(more or {})}
        self._spools: dict[str, Spool] = {}

    def add(self, layer: str, activations: torch.Tensor) -> None:
        if layer not in self._spools:
            self._spools[layer] = Spool(self.n, activations.shape[1], self.folder)
        self._spools[layer].add(activations)

    def pop(self, layer: str) -> dict[str, np.ndarray]:
        spool = self._spools.pop(layer)
        shared: dict[Callable[[int], Any], Any] = {}
        for maker in dict.fromkeys(self._products[kind][0] for kind in self.kinds):
            shared[maker] = maker(self.n)
        made = {kind: shared[self._products[kind][0]] for kind in self.kinds}
        if "gram" in made and "pattern" in made:
            made["gram"] = made["pattern"]  # has both
        different = list({id(product): product for product in made.values()}.values())
        # ridge and PLS divide by a millionth of the largest eigenvalue
        precision = torch.float64 if spool.exact else None
        for number in range(max((_rounds(product) for product in different), default=1)):
            asked = [product for product in different if _rounds(product) > number]
            for product in asked if number else ():
                product.rewind()
            for part in spool.chunks():
                block = sent(part, self.device).to(precision or part.dtype)
                for product in asked:
                    product.add(block)
        spool.close()
        return {kind: self._products[kind][1](product) for kind, product in made.items()}


def _rounds(product: Any) -> int:
    """How often a product wants all blocks of a layer."""
    return int(getattr(product, "rounds", 1))


class Projections:
    """(n, features) float32; a layer wider than `dimension` through the sparse random projection of a seed.

    The matrix depends on the seed and the layer's width alone, so all networks share it; see analysis.projection.
    """

    def __init__(self, dimension: int, seed: int) -> None:
        self.kinds: tuple[str, ...] = (f"projection-{dimension}-{seed}",)
        self.dimension, self.seed = dimension, seed
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, layer: str, activations: torch.Tensor) -> None:
        if activations.shape[1] > self.dimension:
            kept = projection(activations.shape[1], self.dimension, self.seed).project(activations)
        else:
            kept = activations.clone()
        self._parts.setdefault(layer, []).append(kept.cpu().numpy())

    def pop(self, layer: str) -> dict[str, np.ndarray]:
        return {self.kinds[0]: np.concatenate(self._parts.pop(layer))}


class Features:
    """(n, features) float32, whole, in memory: for narrow layers."""

    def __init__(self) -> None:
        self.kinds: tuple[str, ...] = ("features",)
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, layer: str, activations: torch.Tensor) -> None:
        self._parts.setdefault(layer, []).append(activations.clone().cpu().numpy())

    def pop(self, layer: str) -> dict[str, np.ndarray]:
        return {"features": np.concatenate(self._parts.pop(layer))}


class Files:
    """The activations themselves, an Arrow file a layer: columns stimulus_id (string) and activations (as many numbers
    as the layer has features), a row a stimulus.

    precision: float16 or float32. They wait in files without a name; pop() gives a layer's file, whole, in `folder`.
    """

    def __init__(self, ids: tuple[str, ...], folder: Path, precision: str = "float16") -> None:
        self.kinds: tuple[str, ...] = (activations_kind(precision),)
        self.ids, self.folder, self.dtype = ids, folder, np.dtype(PRECISIONS[precision])
        self._waiting: dict[str, tuple[NamelessFile, int]] = {}  # and the number of features

    def add(self, layer: str, activations: torch.Tensor) -> None:
        """Raises UserError for values beyond float16."""
        numbers = activations.cpu().numpy()
        with np.errstate(over="ignore"):
            kept = numbers.astype(self.dtype)
        if not np.isfinite(kept).all():
            largest = np.abs(numbers).max()
            raise UserError(f"layer {layer} has activations up to {largest:.2g}, float16 ends at 65504; use float32")
        if layer not in self._waiting:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._waiting[layer] = NamelessFile(self.folder, self.dtype), kept.shape[1]
        file, _ = self._waiting[layer]
        file.write(kept, file.count)

    def pop(self, layer: str) -> dict[str, Path]:
        """Raises StimulusMismatch when stimuli are missing."""
        import pyarrow as pa

        file, width = self._waiting.pop(layer)
        numbers = file.mapped()
        file.close()
        if len(numbers) != width * len(self.ids):
            count = len(numbers) // width
            raise StimulusMismatch(f"layer {layer}: activations of {count} images, expected {len(self.ids)}")
        rows = pa.FixedSizeListArray.from_arrays(pa.array(numbers), width)
        batch = pa.record_batch([pa.array(self.ids), rows], names=["stimulus_id", "activations"])
        path = self.folder / file_name(f"{layer}.arrow")
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)
        return {self.kinds[0]: path}


def sinks_for(
    kinds: Sequence[str],
    ids: tuple[str, ...],
    more: Mapping[str, Product],
    *,
    spool: Path,
    files: Path,
    device: str,
) -> list[Kept]:
    """What takes a layer's activations and gives arrays of some kinds, whose names say how.

    kinds: gram, pattern, features, projection-DIMENSION-SEED, activations-PRECISION, names in `more`; ids: of the
    stimuli; spool: where activations wait that are too many for memory; files: where kept activations are written.
    """
    found: list[Kept] = []
    if products := [kind for kind in kinds if kind in PRODUCTS or kind in more]:
        found.append(Products(products, len(ids), spool, device, more))
    for kind in kinds:
        name, *settings = kind.split("-", 2)
        if name == "projection":
            found.append(Projections(*map(int, settings)))
        elif name == "features":
            found.append(Features())
        elif kind.startswith(ACTIVATIONS):
            found.append(Files(ids, files, *settings))
    return found


def activations_kind(precision: str) -> str:
    """What a sink calls activations that are kept in a precision; BadValue for an unknown one."""
    if precision not in PRECISIONS:
        raise BadValue("activations", precision, f"must be none, {' or '.join(PRECISIONS)}")
    return ACTIVATIONS + precision


def read_activations(file: Path | str) -> tuple[tuple[str, ...], np.ndarray]:
    """Stimulus ids and (n, features) activations from a file of `Files`, mapped: read-only, in memory as it is used."""
    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    (rows,) = table["activations"].chunks
    return tuple(table["stimulus_id"].to_pylist()), rows.flatten().to_numpy().reshape(len(rows), -1)
