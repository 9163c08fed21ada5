"""Inner products between stimuli, gathered from activations that need never be in memory together.

Everything that similarity analyses ask of a layer is in n x n numbers: K = X X^T over its features. `Gram` centres
every feature over the stimuli (CKA, Procrustes); `PatternGram` centres every stimulus' pattern over its features
(Pearson RDMs) besides. They differ: the second cannot be made from the first once the features are gone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from scipy.linalg.blas import dsyrk, ssyrk

from mlspatial.analysis.device import cast_to, exact, numerics, sent
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

VERSION = "2"
CHUNK = 8192  # features that are read and centred together
# Features whose float32 products a library sums in one go, in its own order. One after the other is the worst; an entry
# is then off by 2e-7 of its size, and CKA of ResNet-18 layers by less than 2e-8 under any order that was tried.
RUN = 1024
ROWS = 128  # of a run that are centred at a time, while they are in the processor's cache
STRIPES = 4  # in which half a square is taken where there is nothing better; they cover 5/8 of it
# Participation ratio of the eigenvalues of a chunk's products below which one direction drowns the others in float32: a
# ridge with a small alpha and PLS divide by eigenvalues that are a millionth of the first.
DOMINATED = 4.0
SAFE = (1e-24, 1e36)  # largest squared pattern length for which float32 squares neither vanish nor overflow

Activations: TypeAlias = "torch.Tensor | np.ndarray"


class Gram:
    """Gram matrix of centred features; add() blocks of features, then ask for matrix() or packed().

    n: number of stimuli. Memory: n x n float64 and float32, two chunks of 8,192 features. Products are float64's of
    float64 and where few directions hold nearly all; else float32's, but only of what is left when the means of
    features and stimuli are gone, and only over runs of 1,024 features; all other sums are float64. So linear CKA
    equals a float64 computation to 1e-6 (measured: 2e-8; float16 input 2e-7), in whatever
    order a library sums. With m_j the mean of a feature, and a_i of what is then left of a stimulus in a run,

        x_ij = z_ij + a_i + m_j,    sum_j (x_ij - m_j) (x_kj - m_j) = sum_j z_ij z_kj + width a_i a_k.

    The means of features need not be exact, those of stimuli are to the square of float32's rounding.
    """

    def __init__(self, n: int) -> None:
        if n < 2:
            raise BadValue("n", n, "similarities need at least 2 stimuli")
        self.n = n
        self.features = 0
        self._upper: torch.Tensor | None = None  # only i <= j is summed
        # Of centred runs and their products: fresh memory costs more than the subtraction.
        self._buffer: torch.Tensor | None = None
        self._product: torch.Tensor | None = None
        self._epsilon = 0.0  # spacing of the coarsest dtype that came in: smaller variation is only rounding
        self._offset: float | torch.Tensor = 0.0  # energy of the means
        self.exact = True  # whether all products so far are float64's
        self._dominated: bool | None = None

    @numerics()
    def add(self, block: Activations) -> None:
        """Take the next features of all stimuli.

        block: (n, features), any real dtype, on the CPU or another device (the same for all blocks). float16 and
        float32 are multiplied as float32, float64 as float64. A memory-mapped array is read chunk by chunk.
        Raises StimulusMismatch for another number of stimuli, UserError for values that are not finite.
        """
        if block.ndim != 2 or len(block) != self.n:
            raise StimulusMismatch(
                f"activations have shape {tuple(block.shape)}, expected ({self.n} stimuli, features)"
            )
        for first in range(0, block.shape[1], CHUNK):
            part = exact(_tensor(block[:, first : first + CHUNK]))
            if part.is_floating_point():
                self._epsilon = max(self._epsilon, torch.finfo(part.dtype).eps)
            double = part.dtype == torch.float64 or self._dominated
            self._add(part.to(torch.float64 if double else torch.float32))
            self.features += part.shape[1]

    def matrix(self) -> np.ndarray:
        """(n, n) float64 K = H X X^T H, symmetric, rows sum to 0. Raises UserError before the first block."""
        return centred(self._sum())

    def packed(self) -> np.ndarray:
        """pack(matrix()). Raises UserError when the activations do not vary over the stimuli."""
        gram = self.matrix()
        if np.trace(gram) <= self._epsilon**2 * (np.trace(gram) + float(self._offset)):
            raise UserError(
                f"activations of {self.features} features do not vary over the {self.n} stimuli beyond rounding; "
                "leave this layer out"
            )
        return pack(gram, np.float64 if self.exact else np.float32)

    def _add(self, part: torch.Tensor) -> None:
        means = part.mean(0)
        runs = list(zip(part.split(RUN, 1), means.split(RUN), self._memory(part), strict=True))
        shifts = torch.empty(len(runs), self.n, dtype=torch.float64, device=part.device)
        for number, (run, mean, rest) in enumerate(runs):
            _centre(run, mean, rest, shifts[number])
            self._product = upper_product(rest, self._product, more=number > 0)
        assert self._product is not None
        longest = self._product.diagonal().max().item()
        if part.dtype != torch.float64 and not SAFE[0] < longest < SAFE[1]:  # rare: dead, tiny, huge or not finite
            self._check(part)
            return self._add(part.double())
        if part.dtype != torch.float64 and self._dominated is None:
            self._dominated = _participation(self._product) < DOMINATED
            if self._dominated:
                return self._add(part.double())
        self.exact &= part.dtype == torch.float64
        if not math.isfinite(longest):
            self._check(part)
            raise UserError("activations are so large that their squares overflow; scale them down")
        if self._upper is None:
            self._upper = torch.zeros(self.n, self.n, dtype=torch.float64, device=part.device)
        for rows in _stripes(self.n):
            self._upper[rows, rows.start :] += self._product[rows, rows.start :]
        widths = sent(torch.tensor([run.shape[1] for run, _, _ in runs], dtype=torch.float64), part.device)
        upper_product((shifts * widths.sqrt()[:, None]).T.contiguous(), self._upper, more=True)
        self._offset = self._offset + self.n * means.double().square().sum()
        self._keep(part, [(mean.double(), rest) for _, mean, rest in runs], shifts.T, widths)

    def _keep(
        self,
        part: torch.Tensor,
        runs: Sequence[tuple[torch.Tensor, torch.Tensor]],
        shifts: torch.Tensor,
        widths: torch.Tensor,
    ) -> None:
        """What more is wanted of a chunk. runs: (m, z) of each, (width,) and (n, width); shifts: (n, runs) a; widths:
        (runs,). All but z are float64."""

    def _sum(self) -> np.ndarray:
        if self._upper is None:
            raise UserError("no activations were added; hand over at least one block of features")
        return _mirrored(self._upper.cpu().numpy())

    def _memory(self, part: torch.Tensor) -> list[torch.Tensor]:
        """(n, width) for each run of the part, each in one piece; the next chunk overwrites them."""
        if self._buffer is None or self._buffer.numel() < part.numel() or self._buffer.dtype != part.dtype:
            self._buffer = part.new_empty(part.numel())
        pieces = self._buffer[: part.numel()].split(self.n * RUN)
        return [piece.view(self.n, -1) for piece in pieces]

    def _check(self, part: torch.Tensor) -> None:
        bad = ~torch.isfinite(part)
        if bad.any():
            stimulus, feature = (int(i) for i in bad.nonzero()[0])
            raise UserError(
                f"activations are not finite for {int(bad.any(1).sum())} of {self.n} stimuli (first: stimulus "
                f"{stimulus}, feature {self.features + feature}); look at the network, or extract in float32"
            )


class PatternGram(Gram):
    """The same, and the Gram matrix of centred patterns: every stimulus has mean 0 over all its features.

    From the same products: what m adds to X X^T takes the products of the stimuli with m alone, in float64, where its
    mean over a run is held apart. Of float32 activations r is known to 1e-6, but of a stimulus whose pattern varies 50
    times less than the features' means do (a dark picture among bright ones) to some 3e-6: the means leave it again.
    """

    def __init__(self, n: int) -> None:
        super().__init__(n)
        # float64, on the device of the blocks: sums over features of (z + a) m, of m^2 (the same for all) and of a + m
        self._sums = torch.zeros(3, n, dtype=torch.float64)
        self._range = torch.full((2, n), -torch.inf, dtype=torch.float64)  # largest -x and x of a pattern

    def patterns(self) -> np.ndarray:
        """(n, n) float64 inner products of centred patterns. Raises UserError before the first block."""
        with_means, means, totals = self._sums.cpu().numpy()
        whole = self._sum() + with_means + with_means[:, None] + means
        return whole - np.outer(totals, totals) / self.features

    def correlations(self) -> np.ndarray:
        """(n, n) Pearson r between the patterns of every two stimuli, diagonal 1.

        Raises UserError for a stimulus whose pattern is the same in all features, which has no correlation.
        """
        gram = self.patterns()
        less, highest = self._range.cpu().numpy()
        largest = np.maximum(np.abs(less), np.abs(highest))
        flat = np.flatnonzero((highest + less <= self._epsilon * largest) | (np.diag(gram) <= 0))
        if len(flat):
            raise UserError(
                f"the patterns of {len(flat)} of {self.n} stimuli (first: {flat[0]}) do not vary over the "
                f"{self.features} features, so they have no correlation; leave this layer out"
            )
        scale = np.sqrt(np.diag(gram))
        r = (gram / scale / scale[:, None]).clip(-1.0, 1.0)
        np.fill_diagonal(r, 1.0)
        return r

    def _keep(
        self,
        part: torch.Tensor,
        runs: Sequence[tuple[torch.Tensor, torch.Tensor]],
        shifts: torch.Tensor,
        widths: torch.Tensor,
    ) -> None:
        middles = torch.stack([mean.mean() for mean, _ in runs])
        products = shifts @ (widths * middles)
        for middle, (mean, rest) in zip(middles, runs, strict=True):
            products += torch.cat([rows.double() @ (mean - middle) for rows in rest.split(ROWS)])
        if self._sums.device != part.device:
            self._sums, self._range = sent(self._sums, part.device), sent(self._range, part.device)
        self._sums[0] += products
        self._sums[1] += sum(mean.square().sum() for mean, _ in runs)
        self._sums[2] += (shifts + middles) @ widths
        low, high = torch.aminmax(part, dim=1)
        self._range = torch.maximum(self._range, torch.stack([-low, high]).double())


def centred(gram: np.ndarray) -> np.ndarray:
    """H K H, (n, n) float64: the same inner products with the origin in the mean of all stimuli."""
    means = gram.mean(axis=0)
    return gram - means - means[:, None] + means.mean()


def pack(gram: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    """A Gram matrix as one row of n (n + 1) / 2 numbers: its diagonal, then the triangle above it, row by row.

    gram: (n, n), symmetric. It is scaled to Frobenius norm 1 (linear CKA ignores scale) and off-diagonal entries are
    multiplied by the square root of 2, so that the dot product of two rows is the Frobenius inner product of the
    matrices: their linear CKA, when they are centred. 8 MB at n = 2000 in float32.
    Raises UserError for a matrix of zeros.
    """
    gram = square(gram)
    norm = np.linalg.norm(gram)
    if not norm > 0 or not np.isfinite(norm):
        raise UserError(f"a Gram matrix of norm {norm} cannot be packed; the activations must vary over the stimuli")
    above = gram[np.triu(np.ones(gram.shape, bool), 1)]
    return np.concatenate([np.diag(gram) / norm, above * (math.sqrt(2) / norm)]).astype(dtype)


def unpack(packed: np.ndarray) -> np.ndarray:
    """(n, n) float64 Gram matrix of Frobenius norm 1 from a row that pack() made."""
    n = stimuli_in(len(packed))
    gram = np.zeros((n, n))
    gram[np.triu(np.ones((n, n), bool), 1)] = packed[n:] / math.sqrt(2)
    np.fill_diagonal(gram, packed[:n])
    return _mirrored(gram)


def rounding(values: np.ndarray) -> float:
    """Size up to which eigenvalues of a Gram matrix may be rounding alone. values: (n,), ascending.

    A Gram matrix has none below 0, so those that are there show what the rounding of its entries makes of 0: float32's,
    some 1e-8 of the largest, in one that was kept. Roots of such values, and quotients by them, are noise.
    """
    return max(-float(values[0]), len(values) * float(np.finfo(np.float64).eps) * float(values[-1]))


def block(matrix: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """matrix[rows][:, columns], without copying whole rows."""
    return torch.take(matrix, rows[:, None] * matrix.shape[1] + columns)


def stimuli_in(length: int) -> int:
    """Number of stimuli n of a packed row of n (n + 1) / 2 numbers; BadValue for a length that none has."""
    n = (math.isqrt(8 * length + 1) - 1) // 2
    if n < 2 or n * (n + 1) // 2 != length:
        raise BadValue("length", length, "a packed Gram matrix has n (n + 1) / 2 numbers")
    return n


def square(matrix: np.ndarray, other: np.ndarray | None = None) -> np.ndarray:
    """The matrix as float64 if it is (n, n), and of the shape of the other; StimulusMismatch otherwise."""
    matrix = np.asarray(matrix, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise StimulusMismatch(f"a matrix of shape {matrix.shape} is not (n stimuli, n stimuli)")
    if other is not None and np.shape(other) != matrix.shape:
        raise StimulusMismatch(
            f"matrices of {np.shape(other)} and {matrix.shape} are not of the same stimuli; "
            "extract both representations from the same images"
        )
    return matrix


def _tensor(block: Activations) -> torch.Tensor:
    if isinstance(block, torch.Tensor):
        return block.detach()
    return torch.from_numpy(np.array(block))  # a copy: read-only and memory-mapped arrays too


def _centre(run: torch.Tensor, means: torch.Tensor, rest: torch.Tensor, shifts: torch.Tensor) -> None:
    """rest = run - means - shifts, where the shifts are the means of what is left of every row. run, rest: (n, width);
    means: (width,); shifts: (n,) float64. On the CPU some rows at a time, which are read from memory once."""
    rows = ROWS if run.device.type == "cpu" else len(run)
    for given, left, shift in zip(run.split(rows), rest.split(rows), shifts.split(rows), strict=True):
        torch.sub(given, means, out=left)
        near = left.mean(1)
        left -= near[:, None]
        shift.copy_(near).add_(left.mean(1))  # a mean of float32 misses its last digits


def upper_product(x: torch.Tensor, memory: torch.Tensor | None = None, *, more: bool = False) -> torch.Tensor:
    """x x^T, (n, n) in x's dtype, right on and above the diagonal: half of the work. memory: an earlier product, which
    is overwritten, or with `more` added to."""
    if memory is None or memory.dtype != x.dtype:
        memory = torch.zeros(len(x), len(x), dtype=x.dtype, device=x.device)
    if x.device.type == "cpu":
        multiply = dsyrk if x.dtype == torch.float64 else ssyrk
        multiply(1.0, x.numpy().T, beta=float(more), trans=1, lower=1, c=memory.numpy().T, overwrite_c=1)
        return memory
    with numerics(), cast_to(None, x.device.type):  # TensorFloat-32's 10 bits are not enough here
        _multiply(x, memory, more)
    return memory


def _multiply(x: torch.Tensor, product: torch.Tensor, more: bool = False) -> None:
    """x x^T into product, (n, n), on and above the diagonal and somewhat below it."""
    for rows in _stripes(len(x)):
        product[rows, rows.start :].addmm_(x[rows], x[rows.start :].T, beta=float(more))


def _stripes(n: int) -> Iterator[slice]:
    """Rows in parts; a part's columns from its first row on hold what is on and above the diagonal."""
    return (slice(first, last) for first, last in itertools.pairwise(n * i // STRIPES for i in range(STRIPES + 1)))


def _participation(upper: torch.Tensor) -> float:
    """(sum of eigenvalues)^2 / sum of their squares of the matrix of which one is given on and above the diagonal."""
    diagonal = upper.diagonal().double()
    squares = torch.stack([
        torch.triu(upper[rows, rows.start :]).double().square().sum() for rows in _stripes(len(upper))
    ]).sum()  # fmt: skip
    whole = 2 * float(squares) - float(diagonal.square().sum())
    return float(diagonal.sum()) ** 2 / whole if whole > 0 else math.inf


def _mirrored(upper: np.ndarray) -> np.ndarray:
    """The symmetric matrix of which one is given on and above the diagonal."""
    upper = np.triu(upper)
    return upper + np.triu(upper, 1).T
