"""Classical and voxel-encoding representational similarity (cRSA, veRSA) of one layer with one brain region.

cRSA compares the layer's similarity matrix with the region's. veRSA first predicts every voxel from the layer by ridge
regression and compares the matrix of the predicted patterns: the layer may then be weighted and rotated to fit. Both
are taken on a training and a test half of the stimuli; the layer is chosen on the first and reported on the second.
Source: Conwell et al. 2024. Where the paper's text and its published code differ, the text is the default and
`PUBLISHED_CODE` the other; see Variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mlspatial.analysis import rsa
from mlspatial.analysis.device import exact, exact_device
from mlspatial.analysis.pls import pearson
from mlspatial.analysis.ridge import RidgeFold
from mlspatial.core.errors import StimulusMismatch, UserError

VERSION = "1"
FEWEST = 10  # voxels of a region, Conwell et al. 2024
FLAT = 1e-12  # SD of a feature below which it is left as it is


@dataclass(frozen=True)
class Variant:
    """What the text and the code of Conwell et al. 2024 do differently, where it changes a layer's numbers.

    alphas: of ridge regression. intercept: whether leave-one-out predictions have their intercept (the code's do not,
    scikit-learn issue 13998). alpha_times_n: whether alphas are multiplied by the number of training stimuli, which is
    what scikit-learn 1.2 and 1.3 did to the published ridge class; which behaviour made the paper is unknown.
    second_half: whether only the second half of a network's layers is looked at. drop_overfitted: whether layers are
    dropped before the choice whose test score falls far below the training score (z below -3.291 among the layers):
    that looks at test data. chosen_on_test: whether effective dimensionality and the similarity between networks use
    the layer that is best on the test half.
    """

    alphas: tuple[float, ...]
    intercept: bool
    alpha_times_n: bool = False
    second_half: bool = False
    drop_overfitted: bool = False
    chosen_on_test: bool = False


PAPER = Variant(tuple(10.0**k for k in range(-1, 8)), intercept=True)
PUBLISHED_CODE = Variant(
    tuple(10.0**k for k in range(-1, 6)), intercept=False, second_half=True, drop_overfitted=True, chosen_on_test=True
)
VARIANTS = {"paper": PAPER, "published_code": PUBLISHED_CODE}
OVERFITTED = -3.291  # z of test minus train among the layers


@dataclass(frozen=True)
class HalfScores:
    """train, test: similarity of matrices on the two halves; voxels: mean Pearson r of predicted and measured
    responses on the test half (veRSA only, else NaN); predicted: (n test, voxels) of veRSA, None of cRSA."""

    train: float
    test: float
    voxels: float = float("nan")
    predicted: np.ndarray | None = None


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, test) rows: even ones and odd ones of the list of stimuli, as published."""
    return np.arange(0, n, 2), np.arange(1, n, 2)


def crsa(patterns: np.ndarray, responses: np.ndarray, train: np.ndarray, test: np.ndarray) -> HalfScores:
    """Pearson r between the layer's and the region's similarity matrices, on each half.

    patterns: (n, n) Pearson correlations between the layer's patterns over all its features; responses: (n, voxels).
    Raises StimulusMismatch when they are not of the same stimuli, UserError for fewer than 10 voxels.
    """
    _check(len(patterns), responses)
    values = [_alike(rsa.condensed(patterns[np.ix_(rows, rows)]), _matrix(responses[rows])) for rows in (train, test)]
    return HalfScores(values[0], values[1])


def versa(
    features: np.ndarray | torch.Tensor,
    responses: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    variant: Variant = PAPER,
    device: str = "cpu",
) -> HalfScores:
    """The same with voxel responses predicted by ridge regression from the layer.

    features: (n, p), sparse random projections of the layer; responses: (n, voxels). Features are standardised by the
    training half. Every voxel has the alpha whose leave-one-out predictions correlate best with its responses. The
    training matrix is of leave-one-out predictions, the test matrix of those of the refitted model with its intercept.
    One decomposition of an (n train, n train) matrix serves all voxels and alphas.
    """
    _check(len(features), responses)
    device = exact_device(device)
    values = exact(torch.as_tensor(features)).to(device, torch.float64)
    known, new = values[torch.as_tensor(train)], values[torch.as_tensor(test)]
    mean, sd = known.mean(dim=0), known.std(dim=0, correction=0)
    sd = torch.where(sd > FLAT * known.abs().amax(dim=0).clamp(min=1e-300), sd, 1.0)
    fold = RidgeFold.from_features((known - mean) / sd, (new - mean) / sd, device=device)
    targets = torch.from_numpy(np.asarray(responses[train], np.float64)).to(device)
    factor = len(train) if variant.alpha_times_n else 1.0
    fitted = fold.fit(targets, [alpha * factor for alpha in variant.alphas], criterion="pearson")
    left_out = fold.loo_predictions(targets, fitted.alpha)
    if not variant.intercept:
        left_out = left_out - targets.mean(dim=0)
    predicted = fitted.predictions.cpu().numpy()
    return HalfScores(
        _alike(_matrix(left_out.cpu().numpy()), _matrix(responses[train])),
        _alike(_matrix(predicted), _matrix(responses[test])),
        float(np.nanmean(pearson(predicted, responses[test]))),
        predicted,
    )


def choose_layer(scores: list[HalfScores], variant: Variant = PAPER) -> int:
    """Which layer is reported: the one with the best training score, the first of equals.

    Under a variant, only layers of the second half are looked at, or those that overfit are dropped first.
    """
    places = list(range(len(scores) // 2 if variant.second_half else 0, len(scores)))
    if variant.drop_overfitted and len(places) > 2:
        falls = np.array([scores[i].test - scores[i].train for i in places])
        z = (falls - falls.mean()) / falls.std(ddof=1) if falls.std() > 0 else np.zeros(len(falls))
        places = [place for place, value in zip(places, z, strict=True) if value > OVERFITTED] or places
    trained = np.array([scores[i].train for i in places])
    return places[int(np.nanargmax(trained))] if np.isfinite(trained).any() else places[0]


def effective_dimensionality(gram: np.ndarray) -> float:
    """(sum of eigenvalues)^2 / sum of squared eigenvalues of the features' covariance, from 1 to n - 1.

    gram: (n, n) inner products of features centred over the stimuli, any scale: it has the covariance's eigenvalues.
    Needs no decomposition: the sums are the trace and the squared Frobenius norm. Source: Elmoznino and Bonner 2024.
    """
    return float(np.trace(gram) ** 2 / np.sum(np.square(gram)))


def explainable_variance(score: float, ceiling: float) -> float:
    """(r / ceiling)^2, as published; NaN for a ceiling that is not above 0."""
    return (score / ceiling) ** 2 if ceiling > 0 else float("nan")


def fisher_mean(matrices: list[np.ndarray]) -> np.ndarray:
    """Mean of correlations over subjects through Fisher's z; the shape of one of them."""
    limit = 1 - 1e-12
    return np.tanh(np.mean([np.arctanh(np.clip(matrix, -limit, limit)) for matrix in matrices], axis=0))


def geometry(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """metric -> (networks, networks) Pearson r between the networks' similarity matrices.

    tables: one a network, "BENCHMARK METRIC" -> a condensed matrix. Those of all benchmarks (subjects) are first
    averaged through Fisher's z (Conwell et al. 2024). A metric counts when all networks have it for the same ones.
    """
    found = {}
    for metric in dict.fromkeys(key.rpartition(" ")[2] for key in tables[0]):
        keys = [sorted(key for key in table if key.endswith(f" {metric}")) for table in tables]
        if all(other == keys[0] for other in keys):
            means = [fisher_mean([np.asarray(table[key], np.float64) for key in keys[0]]) for table in tables]
            found[metric] = rsa.compare(np.stack(means))
    return found


def _check(n: int, responses: np.ndarray) -> None:
    if responses.ndim != 2 or len(responses) != n:
        raise StimulusMismatch(f"{n} stimuli have features, responses are of shape {responses.shape}")
    if responses.shape[1] <= FEWEST:
        raise UserError(f"a region needs more than {FEWEST} voxels, this one has {responses.shape[1]}")


def _matrix(patterns: np.ndarray) -> np.ndarray:
    return rsa.condensed(rsa.similarity_matrix(np.asarray(patterns, np.float64)))


def _alike(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(rsa.compare(ours, theirs)[0, 0])
