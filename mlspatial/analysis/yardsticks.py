"""The yardsticks of `score`: how well one layer explains the responses of one region, as a Score.

What is kept of a layer is enough for all of them: the inner products between stimuli, and the correlations between
their patterns. Two kinds:

- A regression predicts every neuroid from the layer and reports, in Brain-Score's steps: per-neuroid correlation on the
  test stimuli of a split, median over neuroids, mean over splits, standard error over splits, ceiling (the mean over
  halvings of the median over neuroids), ceiled score r^2 / c.
- A comparison sets the layer's matrix beside that of the responses. A tenth of the stimuli is too few for a matrix, so
  its value comes from all of them. The error is the delete-d jackknife (Shao and Wu 1989) over the training parts of
  the splits, which leave d of n stimuli out: sqrt((n - d) / d mean (value - mean value)^2). A bootstrap would draw
  stimuli twice and count their similarity of 1 with themselves.

The ceiling of a comparison is sqrt(Spearman-Brown of the similarity between the matrices of two halves of the trials):
the reliability is the square of the correlation that a matrix without noise reaches, and r / c divides correlations.
"""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from mlspatial.analysis import cka, jackknife, rsa
from mlspatial.analysis.ceiling import HALVINGS, Drawing, half_means, spearman_brown, split_half_each
from mlspatial.analysis.device import exact_device
from mlspatial.analysis.gram import centred, square
from mlspatial.analysis.kernel_ridge import VERSION as RIDGE_VERSION
from mlspatial.analysis.kernel_ridge import cross_validated_ridge, predicted_ridge
from mlspatial.analysis.pls import COMPONENTS, Split, cross_validated_pls_many, predicted_pls_many
from mlspatial.analysis.pls import VERSION as PLS_VERSION
from mlspatial.analysis.versions import versions
from mlspatial.core.errors import StimulusMismatch, UserError
from mlspatial.core.plugins import Plugins
from mlspatial.core.score import Score

Need = Literal["gram", "pattern"]
Ceilings = np.ndarray | float | None

#: what a user may call a metric of this room -> its name; pls takes the components of the benchmark
SHORT = {"pls": "pls{components}", "cka": "cka_debiased"}
STEPS = ("yardsticks", "pls", "splits", "ceiling")  # modules of this room behind every metric, a user's own as well
VERSION = "2"  # of the steps from correlations to a score, and of comparisons
LEAST_STIMULI = 4  # of a comparison
NEUROID_BLOCKS, NEUROID_HALVINGS = 10, 2  # of the error of a comparison's ceiling: twice the time of the ceiling itself


@dataclass(frozen=True)
class Representation:
    """What is kept of one layer for n stimuli. gram: (n, n) centred inner products, any positive scale (empty where no
    metric wants them); patterns: (n (n - 1) / 2,) Pearson r between the stimuli's patterns, the upper triangle by rows,
    or None."""

    gram: np.ndarray
    patterns: np.ndarray | None = None

    def part(self, rows: np.ndarray) -> Representation:
        """Of some of the stimuli."""
        patterns = None
        if self.patterns is not None:
            patterns = rsa.part(self.patterns, rows)
        return Representation(centred(self.gram[np.ix_(rows, rows)]) if len(self.gram) else self.gram, patterns)


@dataclass(frozen=True)
class Metric(ABC):
    """How well a representation explains responses.

    name, version: of the procedure; needs: what of the representation it reads; formula: a key of FORMULAS; modules:
    those of this room whose VERSION counts beside that of every metric's steps.
    """

    name: str
    version: str
    needs: Need
    formula: str
    modules: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def versions(self) -> dict[str, str]:
        """Of all that its values come out of."""
        return versions(*STEPS, *self.modules)

    def __call__(
        self,
        representation: Representation,
        responses: np.ndarray,
        folds: Sequence[Split],
        ceilings: Ceilings = None,
        *,
        device: str = "cpu",
    ) -> Score:
        """responses: (n, neuroids); folds: (train, test) indices. No ceilings: ceiling 1 and formula "none"."""
        return self.many(representation, [responses], folds, [ceilings], device=device)[0]

    @abstractmethod
    def many(
        self,
        representation: Representation,
        responses: Sequence[np.ndarray],
        folds: Sequence[Split],
        ceilings: Sequence[Ceilings],
        *,
        device: str = "cpu",
    ) -> list[Score]:
        """The same for several regions that saw the same stimuli."""

    @abstractmethod
    def ceilings(self, trials: np.ndarray | None, drawing: Drawing = "permutation") -> Ceilings:
        """What `__call__` takes as ceilings, from trials (n, neuroids, repeats); None without trials."""

    def ceiling_error(self, trials: np.ndarray) -> float:
        """Standard error of a ceiling that is one number, over stimuli, neuroids and halvings; NaN where that of the
        neuroids tells it."""
        return float("nan")


METRICS: Plugins[Metric] = Plugins("metric")

#: (gram, responses of each region, folds, device) -> (splits, neuroids) of each region
Correlate = Callable[[np.ndarray, Sequence[np.ndarray], Sequence[Split], str], list[np.ndarray]]
#: the same arguments -> (n test, neuroids) predictions of every fold of each region
Predict = Callable[[np.ndarray, Sequence[np.ndarray], Sequence[Split], str], list[list[np.ndarray]]]
#: (representation, responses, (n, subsets) zeros and ones, device) -> (subsets,) similarities on those stimuli
Compare = Callable[[Representation, np.ndarray, np.ndarray, str], np.ndarray]


@dataclass(frozen=True)
class Regression(Metric):
    """Predicts every neuroid. ceilings: (halvings, neuroids), or (neuroids,), reliabilities of the mean response.

    predict: the predictions that are correlated, which are kept of the layer that counts; None where nothing is.
    """

    correlate: Correlate
    predict: Predict | None = None

    def many(
        self,
        representation: Representation,
        responses: Sequence[np.ndarray],
        folds: Sequence[Split],
        ceilings: Sequence[Ceilings],
        *,
        device: str = "cpu",
    ) -> list[Score]:
        pairs = zip(self.correlate(representation.gram, responses, folds, device), ceilings, strict=True)
        facts = {"name": self.name, "version": self.version, "formula": self.formula}
        return [score_of_correlations(r, ceiling, **facts) for r, ceiling in pairs]

    def ceilings(self, trials: np.ndarray | None, drawing: Drawing = "permutation") -> Ceilings:
        return None if trials is None else split_half_each(trials, drawing=drawing)


@dataclass(frozen=True)
class Comparison(Metric):
    """Sets two matrices between stimuli beside each other. ceilings: one number, in the unit of the similarity."""

    compare: Compare

    def many(
        self,
        representation: Representation,
        responses: Sequence[np.ndarray],
        folds: Sequence[Split],
        ceilings: Sequence[Ceilings],
        *,
        device: str = "cpu",
    ) -> list[Score]:
        n = len(representation.gram)
        if self.needs == "pattern" and representation.patterns is None:
            raise UserError(f"{self.name} needs the correlations between patterns; keep `pattern` of the layer, too")
        if shapes := [np.shape(values) for values in responses if len(values) != n]:
            raise StimulusMismatch(f"a layer's matrix is of {n} stimuli, responses are of shape {shapes[0]}")
        subsets = np.ones((n, 1 + len(folds)))
        for column, (train, _) in enumerate(folds, 1):
            subsets[:, column] = np.isin(np.arange(n), train)
        kept = subsets[:, 1:].sum(axis=0)
        if not len(kept) or kept.max() == n:
            raise UserError(f"{self.name}: {len(kept)} folds, each must leave stimuli out; hand over splits(n)")
        scores = []
        for values, ceiling in zip(responses, ceilings, strict=True):
            whole, *parts = self.compare(representation, np.asarray(values, np.float64), subsets, exact_device(device))
            variance = np.square(np.subtract(parts, np.mean(parts))) * kept / (n - kept)
            scores.append(
                Score(
                    raw=float(whole),
                    ceiling=1.0 if ceiling is None else float(np.mean(ceiling)),
                    error=float(np.sqrt(variance.mean())),
                    n=len(folds),
                    metric=self.name,
                    version=self.version,
                    formula="none" if ceiling is None else self.formula,
                )
            )
        return scores

    def ceilings(self, trials: np.ndarray | None, drawing: Drawing = "permutation") -> Ceilings:
        """Neuroids that were never shown a stimulus twice have no say. Raises UserError when halves share fewer than
        half of the stimuli (or 4) for which no other neuroid is missing: of means of unequal numbers of trials they
        tell nothing."""
        return None if trials is None else _root(self._halved(trials, drawing)[:, 0].mean())

    def ceiling_error(self, trials: np.ndarray) -> float:
        """Jackknife over blocks of stimuli, one over blocks of neuroids, and the standard error over halvings, added as
        variances: what stimuli and neuroids share counts in both, so that it errs to the safe side. NaN for fewer than
        two neuroids or blocks that leave too little, and where halves are not alike."""
        trials = _repeated(trials)
        n, neuroids, _ = trials.shape
        if neuroids < 2 or n - np.bincount(jackknife.blocks(n)).max() < LEAST_STIMULI:
            return float("nan")
        of_stimuli = jackknife.blocks(n)[:, None] != np.unique(jackknife.blocks(n))
        whole, *without = self._halved(trials, subsets=np.column_stack([np.ones(n), of_stimuli])).T
        of_neuroids, fewer = np.arange(neuroids) % min(NEUROID_BLOCKS, neuroids), []
        for block in np.unique(of_neuroids):
            try:
                fewer.append(self._halved(trials[:, of_neuroids != block], halvings=NEUROID_HALVINGS).mean())
            except UserError:  # patterns of the neuroids that are left do not vary
                return float("nan")
        halvings = whole.std(ddof=1) / np.sqrt(len(whole))
        errors = [jackknife.standard_error(np.array(left_out)) for left_out in (np.mean(without, axis=1), fewer)]
        slope = 2 * _root(whole.mean())  # of the square, which is what is reliable
        return float(np.sqrt(np.square([halvings, *errors]).sum()) / slope) if slope > 0 else float("nan")

    def _halved(
        self,
        trials: np.ndarray,
        drawing: Drawing = "permutation",
        subsets: np.ndarray | None = None,
        halvings: int = HALVINGS,
    ) -> np.ndarray:
        """(halvings, subsets) reliabilities of the matrix of the mean responses; subsets: (n, subsets) zeros and ones,
        None for all stimuli."""
        trials, found = _repeated(trials), []
        for first, second in half_means(trials, halvings=halvings, drawing=drawing):
            whole = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
            if whole.sum() < max(LEAST_STIMULI, len(whole) / 2):
                raise UserError(
                    f"{self.name}: halves of the trials share {whole.sum()} of {len(whole)} stimuli for which no "
                    "neuroid is missing, too few for a ceiling; set ceiling: none or a number"
                )
            layer = representation_of(first[whole], patterns=self.needs == "pattern")
            kept = np.ones((whole.sum(), 1)) if subsets is None else subsets[whole]
            found.append(spearman_brown(self.compare(layer, second[whole], kept, "cpu")))
        return np.array(found)


def _repeated(trials: np.ndarray) -> np.ndarray:
    """Of the neuroids that were shown some stimulus twice."""
    return trials[:, (np.isfinite(trials).sum(axis=2) > 1).any(axis=0)]


def _root(reliability: float) -> float:
    """The correlation that a matrix without noise reaches."""
    return float(np.sqrt(max(0.0, reliability)))


def score_of_correlations(
    correlations: np.ndarray, ceilings: Ceilings, *, name: str, version: str, formula: str = "r^2/c"
) -> Score:
    """Brain-Score's steps from per-neuroid correlations to a score.

    correlations: (splits, neuroids), NaN where there is none, which the medians leave out; ceilings: (halvings,
    neuroids) or (neuroids,) or one number, None for none. The standard error is that of Brain-Score, the standard
    deviation over splits (divided by their number, not by one less) over the root of their number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a median of nothing is NaN
        per_split = np.nanmedian(correlations, axis=1)
        halvings = np.ones(1) if ceilings is None else np.nanmedian(np.atleast_2d(ceilings), axis=1)
    raw, ceiling = float(per_split.mean()), float(np.mean(halvings))
    error, n = float(per_split.std() / np.sqrt(len(per_split))), len(per_split)
    of_ceiling = float(halvings.std() / np.sqrt(len(halvings))) if len(halvings) > 1 else np.nan
    formula = "none" if ceilings is None else formula
    return Score(raw, ceiling, error, n, name, version, formula, ceiling_error=of_ceiling, values=correlations)


def representation_of(features: np.ndarray, *, patterns: bool = True) -> Representation:
    """Of (n, features) that are in memory, in float64. patterns: keep the correlations between patterns, too."""
    values = np.asarray(features, np.float64)
    values = values - values.mean(axis=0)
    correlations = rsa.condensed(rsa.similarity_matrix(np.asarray(features, np.float64))) if patterns else None
    return Representation(values @ values.T, correlations)


def pls(components: int = COMPONENTS) -> Regression:
    """Partial least squares; pls(25) is Brain-Score's public neural predictivity."""

    def correlate(
        gram: np.ndarray, responses: Sequence[np.ndarray], folds: Sequence[Split], device: str
    ) -> list[np.ndarray]:
        return cross_validated_pls_many(gram, responses, folds, components=components, device=device)

    def predict(
        gram: np.ndarray, responses: Sequence[np.ndarray], folds: Sequence[Split], device: str
    ) -> list[list[np.ndarray]]:
        return predicted_pls_many(gram, responses, folds, components=components, device=device)

    return Regression(f"pls{components}", PLS_VERSION, "gram", "r^2/c", correlate, predict)


def full_name(name: str, components: int = COMPONENTS) -> str:
    """The name of a metric for what a user may call it; any other name as it is."""
    return SHORT.get(name, name).format(components=components)


def find_metric(name: str) -> Metric:
    """A registered metric, or pls with another number of components (pls10). Raises UnknownName."""
    if name not in METRICS and (match := re.fullmatch(r"pls([1-9]\d*)", name)):
        return pls(int(match[1]))
    return METRICS[name]


def _rsa(method: str) -> Compare:
    """Ranks are among all stimuli, also where the similarity is that of a subset (which is for the error alone)."""

    def compare(representation: Representation, responses: np.ndarray, subsets: np.ndarray, device: str) -> np.ndarray:
        theirs = rsa.condensed(rsa.similarity_matrix(responses))
        ours = np.asarray(representation.patterns, np.float64)
        if ours.shape != theirs.shape:
            raise StimulusMismatch(f"{len(ours)} correlations between patterns, {len(theirs)} between responses")
        if method == "spearman":
            ours, theirs = rsa.ranks(ours), rsa.ranks(theirs)
        inside = torch.from_numpy(subsets).to(device)
        x, y = (_hollow(values - values.mean(), len(responses)).to(device) for values in (ours, theirs))
        pairs = inside.sum(dim=0) * (inside.sum(dim=0) - 1)
        sums = {
            name: _total(matrix, inside)
            for name, matrix in {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}.items()
        }
        shared = sums["xy"] - sums["x"] * sums["y"] / pairs
        own = [sums[side * 2] - sums[side].square() / pairs for side in "xy"]
        floors = [rsa.CONSTANT**2 * sums[side * 2] for side in "xy"]
        varies = (own[0] > floors[0]) & (own[1] > floors[1])
        return torch.where(varies, shared / (own[0] * own[1]).sqrt(), torch.nan).cpu().numpy()

    return compare


def _cka_debiased(
    representation: Representation, responses: np.ndarray, subsets: np.ndarray, device: str
) -> np.ndarray:
    """Song et al. 2012's unbiased estimate from matrices without their diagonals, on all subsets at once."""
    inside = torch.from_numpy(subsets).to(device)
    sizes = inside.sum(dim=0)
    if sizes.min() < LEAST_STIMULI:
        raise UserError(f"debiased CKA of {int(sizes.min())} stimuli is not defined; use at least {LEAST_STIMULI}")
    values = responses - responses.mean(axis=0)
    matrices = []
    for gram in (representation.gram, values @ values.T):
        whole = centred(square(gram))
        norm = np.linalg.norm(whole)
        np.fill_diagonal(whole, 0.0)
        matrices.append(torch.from_numpy(whole / norm if norm > 0 else whole).to(device))
    rows = [matrix @ inside for matrix in matrices]
    totals = [(inside * row).sum(dim=0) for row in rows]

    def unbiased(a: int, b: int) -> torch.Tensor:
        """n (n - 3) HSIC_1."""
        products = _total(matrices[a] * matrices[b], inside)
        through = (inside * rows[a] * rows[b]).sum(dim=0)
        return products + totals[a] * totals[b] / ((sizes - 1) * (sizes - 2)) - 2 / (sizes - 2) * through

    own = [unbiased(0, 0), unbiased(1, 1)]
    varies = (own[0] > cka.EQUIDISTANT) & (own[1] > cka.EQUIDISTANT)
    return torch.where(varies, unbiased(0, 1) / (own[0] * own[1]).sqrt(), torch.nan).cpu().numpy()


def _hollow(values: np.ndarray, n: int) -> torch.Tensor:
    """The (n, n) symmetric matrix without diagonal of a condensed one."""
    matrix = np.zeros((n, n))
    matrix[np.triu(np.ones((n, n), bool), 1)] = values
    return torch.from_numpy(matrix + matrix.T)


def _total(matrix: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """(subsets,) sums over the entries whose row and column are inside."""
    return (inside * (matrix @ inside)).sum(dim=0)


METRICS.register(f"pls{COMPONENTS}")(pls())
METRICS.register("ridge")(Regression("ridge", RIDGE_VERSION, "gram", "r^2/c", cross_validated_ridge, predicted_ridge))
for _name, _method in (("rsa", "pearson"), ("rsa_spearman", "spearman")):
    METRICS.register(_name)(Comparison(_name, rsa.VERSION, "pattern", "r/c", _rsa(_method), modules=("rsa",)))
METRICS.register("cka_debiased")(
    Comparison("cka_debiased", cka.VERSION, "gram", "r/c", _cka_debiased, modules=("cka",))
)


def own_metrics() -> tuple[str, ...]:
    """What the metric of a benchmark may be; asked when there is one, for a user's own files look at this room."""
    return tuple(sorted({*SHORT, *METRICS} - {"pls25", "cka_debiased"}))
