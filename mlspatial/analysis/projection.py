"""Very wide layers to a few thousand dimensions that keep distances: a very sparse random projection, streamed.

Every entry of the (dimension x width) matrix is, independently, + or - sqrt(sqrt(width) / dimension) with probability
1 / (2 sqrt(width)) each, else 0: scikit-learn's SparseRandomProjection with its default density. Where the entries are
drawn differs: the gaps between them are geometric, feature by feature, in blocks that each have a generator of their
own, default_rng([seed, width, dimension, block]). So the matrix is a function of (seed, width, dimension) alone.
Source: Li, Hastie and Church 2006.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
import torch

from mlspatial.analysis.device import MPS, exact, numerics
from mlspatial.core.errors import BadValue, StimulusMismatch
from mlspatial.core.threads import in_threads

Array: TypeAlias = "np.ndarray | torch.Tensor"
Parts: TypeAlias = "list[tuple[int, slice]]"  # number of a block, some of its features

VERSION = "1"
EPSILON = 0.1  # Xie et al. 2025; Conwell et al. 2024
BLOCK = 16_384  # features drawn from one generator; changing it changes every matrix
STIMULI = 16  # multiplied at once by a thread, so that what is summed stays in the processor's cache
CACHE_BYTES = 2**30  # some 20 matrices of the widest ResNet layer (802,816 features)


def johnson_lindenstrauss_dimension(n: int, epsilon: float = EPSILON) -> int:
    """Dimensions that keep all distances between n stimuli within a factor of 1 +- epsilon: 6,515 for 2,000 stimuli.

    Layers that are no wider stay as they are. Source: Dasgupta and Gupta 2003, as in scikit-learn.
    """
    from sklearn.random_projection import johnson_lindenstrauss_min_dim

    if n < 2:
        raise BadValue("n", n, "must be at least 2 stimuli")
    if not 0 < epsilon < 1:
        raise BadValue("epsilon", epsilon, "must lie between 0 and 1")
    return int(johnson_lindenstrauss_min_dim(n, eps=epsilon))


class SparseProjection:
    """(n, width) features -> (n, dimension) float32. Holds the matrix; `projection` keeps some of them for re-use."""

    def __init__(self, width: int, dimension: int, seed: int) -> None:
        for name, value, least in (("width", width, 1), ("dimension", dimension, 1), ("seed", seed, 0)):
            if value < least:
                raise BadValue(name, value, f"must be at least {least}")
        self.width, self.dimension, self.seed = width, dimension, seed
        self._blocks = [self._draw(number) for number in range(-(-width // BLOCK))]
        self._on_device: dict[torch.device, list[torch.Tensor]] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the matrix, its copies on devices included."""
        one = sum(block.data.nbytes + block.indices.nbytes + block.indptr.nbytes for block in self._blocks)
        return one * (1 + len(self._on_device))

    @property
    def components(self) -> scipy.sparse.csr_matrix:
        """The matrix, (dimension, width) float32 in CSR form, indices sorted: scikit-learn's `components_`."""
        return scipy.sparse.hstack([block[:, self.dimension :] for block in self._blocks], format="csr")

    def project(self, features: Array) -> torch.Tensor:
        """(n, width) -> (n, dimension) float32 on the device of the features, of mps on the CPU.

        On the CPU the sums are scikit-learn's to the bit; other devices round differently.
        Raises StimulusMismatch for another width.
        """
        given = exact(torch.as_tensor(features))
        if given.ndim != 2 or given.shape[1] != self.width:
            raise StimulusMismatch(f"features of shape {tuple(given.shape)}; expected (n, {self.width})")
        out = torch.zeros(len(given), self.dimension, dtype=torch.float32, device=given.device)
        self.add(out, given, 0)
        return out

    def add(self, out: torch.Tensor, features: Array, first: int) -> None:
        """Add in place what the features [first, first + w) contribute.

        Blocks of any width, handed over in ascending order, give the bits of `project`.
        out: (n, dimension) float32, zeros before the first block; features: (n, w), any real type, on the same device.
        Raises StimulusMismatch for shapes that do not fit.
        """
        given = torch.as_tensor(features)
        if given.ndim != 2 or out.shape != (len(given), self.dimension):
            raise StimulusMismatch(f"features {tuple(given.shape)} cannot be added to sums {tuple(out.shape)}")
        last = first + given.shape[1]
        if not 0 <= first <= last <= self.width:
            raise StimulusMismatch(f"features {first} to {last} lie outside of the {self.width} projected ones")
        parts: Parts = []
        for number in range(first // BLOCK, -(-last // BLOCK)):
            start = number * BLOCK
            parts.append((number, slice(max(first, start) - start, min(last, start + BLOCK) - start)))
        if out.device.type == MPS:
            self._add_on_cpu(sums := out.cpu(), given.cpu(), first, parts)
            out.copy_(sums)
        elif out.device.type == "cpu":
            self._add_on_cpu(out, given, first, parts)
        else:
            self._add_on_device(out, given, first, parts)

    def _add_on_cpu(self, out: torch.Tensor, given: torch.Tensor, first: int, parts: Parts) -> None:
        """out <- [1 | R] [out; part]: with the sums so far as first columns, every sum runs on where it was.

        Adding the product of a block to the sums instead would round differently for other blocks. SciPy sums the
        entries of a row in a loop of its own, no BLAS, so every processor rounds alike: as scikit-learn does, which
        for features far from 0 loses some digits of what varies. Neither can be had with other sums.
        """
        d = self.dimension
        blocks = []
        for number, some in parts:
            block = self._blocks[number]
            if some.stop - some.start < block.shape[1] - d:
                block = scipy.sparse.hstack([block[:, :d], block[:, d + some.start : d + some.stop]], format="csc")
            begin = number * BLOCK + some.start - first
            blocks.append((block, slice(begin, begin + some.stop - some.start)))
        sums, values = out.numpy(), given.float().numpy()

        def multiply(groups: range) -> None:
            for group in groups:
                rows = slice(group * STIMULI, (group + 1) * STIMULI)
                total = sums[rows].T
                for block, columns in blocks:
                    stacked = np.empty((block.shape[1], total.shape[1]), np.float32)
                    stacked[:d], stacked[d:] = total, values[rows, columns].T
                    total = block @ stacked
                sums[rows] = total.T

        in_threads(torch.get_num_threads(), -(-len(out) // STIMULI), multiply)

    @numerics()
    def _add_on_device(self, out: torch.Tensor, given: torch.Tensor, first: int, parts: Parts) -> None:
        if out.device not in self._on_device:
            self._on_device[out.device] = [_on_device(block[:, self.dimension :], out.device) for block in self._blocks]
        for number, some in parts:
            block = self._on_device[out.device][number]
            if some.stop - some.start < block.shape[1]:
                columns = self._blocks[number][:, self.dimension + some.start : self.dimension + some.stop]
                block = _on_device(columns, out.device)
            begin = number * BLOCK + some.start - first
            part = given[:, begin : begin + some.stop - some.start].to(torch.float32)
            out += (block @ part.T.contiguous()).T

    def _draw(self, number: int) -> scipy.sparse.csc_matrix:
        """[identity | block]: (dimension, dimension + features of the block), by feature. See `_add_on_cpu`."""
        rng = np.random.default_rng([self.seed, self.width, self.dimension, number])
        d, features = self.dimension, min(BLOCK, self.width - number * BLOCK)
        density = 1.0 / np.sqrt(self.width)
        size = np.float32(np.sqrt(1.0 / density) / np.sqrt(d))
        places = _bernoulli(rng, d * features, density)
        feature = places // d
        signs = rng.integers(0, 2, len(places), dtype=np.int8)
        return scipy.sparse.csc_matrix(
            (
                np.concatenate([np.ones(d, np.float32), np.where(signs, size, -size)]),
                np.concatenate([np.arange(d), places - feature * d]).astype(np.int32),
                np.concatenate([np.arange(d), d + _ends(feature, features)]).astype(np.int32),
            ),
            shape=(d, d + features),
        )


def projection(width: int, dimension: int, seed: int) -> SparseProjection:
    """The projection of these numbers, kept for the next network of the same width while CACHE_BYTES last."""
    return _CACHE.get(width, dimension, seed)


class ProjectionCache:
    """Projections in memory; the ones longest not used go when together they exceed `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[tuple[int, int, int], SparseProjection] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, width: int, dimension: int, seed: int) -> SparseProjection:
        key = (width, dimension, seed)
        with self._lock:
            found = self._kept.pop(key, None) or SparseProjection(*key)
            self._kept[key] = found
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self.most_bytes:
                self._kept.popitem(last=False)
        return found


_CACHE = ProjectionCache(CACHE_BYTES)


def _bernoulli(rng: np.random.Generator, count: int, probability: float) -> np.ndarray:
    """Ascending places of the successes among `count` independent trials: their gaps are geometric."""
    if probability >= 1:
        return np.arange(count)
    expected = count * probability
    found = np.empty(0, np.int64)
    while not len(found) or found[-1] < count:
        last = found[-1] if len(found) else -1
        gaps = rng.geometric(probability, int(expected + 6 * np.sqrt(expected)) + 16)
        found = np.concatenate([found, last + np.cumsum(gaps)])
    return found[: np.searchsorted(found, count)]


def _ends(feature: np.ndarray, features: int) -> np.ndarray:
    """Where each feature's entries end, with a 0 in front. feature: ascending number of the feature of each entry."""
    return np.searchsorted(feature, np.arange(features + 1))


def _on_device(block: Any, device: torch.device) -> torch.Tensor:
    csr = block.tocsr()
    parts = (torch.from_numpy(csr.indptr), torch.from_numpy(csr.indices), torch.from_numpy(csr.data))
    return torch.sparse_csr_tensor(*(part.to(device) for part in parts), size=csr.shape, check_invariants=False)
