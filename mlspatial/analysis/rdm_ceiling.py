"""How alike the dissimilarity matrices of several subjects are: what a model of all of them can reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspatial.analysis.rsa import compare, ranks
from mlspatial.core.errors import BadValue, UnknownName

VERSION = "1"


def _unit_length(rdms: np.ndarray) -> np.ndarray:
    return rdms / np.sqrt(np.mean(np.square(rdms), axis=1, keepdims=True))


def _standardised(rdms: np.ndarray) -> np.ndarray:
    centred = rdms - rdms.mean(axis=1, keepdims=True)
    return _unit_length(centred)


def _ranked(rdms: np.ndarray) -> np.ndarray:
    return np.stack([ranks(row) for row in rdms])


#: comparison -> what is done to a subject's matrix before it counts in a mean that is as near as can be to all of them
FITTING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pearson": _standardised,
    "spearman": _ranked,
    "kendall_tau_a": _ranked,
    "cosine": _unit_length,
    "whitened_cosine": _unit_length,
    "whitened_pearson": _standardised,
}
POOLINGS = ("mean", "fitting")


def noise_ceiling(rdms: np.ndarray, method: str, *, pooling: str = "mean") -> np.ndarray:
    """(2, subjects): each subject's agreement with the mean of the others, and with the mean of all.

    rdms: (subjects, pairs), at least two; method: of analysis.rsa.METHODS. Means over subjects are the lower and upper
    bound of the noise ceiling: what a model reaches that is right but for the subjects' noise lies between them.
    pooling: mean takes the matrices as they are; fitting brings them to one scale first (ranks for spearman and
    kendall_tau_a, mean 0 and variance 1 for pearson, one length for cosine), with which the mean is the best there is
    for pearson, spearman and cosine, so that no model can pass the upper bound.
    Raises UnknownName, BadValue for fewer than two subjects.
    Source: Nili et al. 2014; fitting: as rsatoolbox pools.
    """
    if method not in FITTING:
        raise UnknownName("comparison of matrices", method, FITTING)
    if pooling not in POOLINGS:
        raise BadValue("pooling", pooling, f"must be one of {', '.join(POOLINGS)}")
    rdms = np.asarray(rdms, np.float64)
    if len(rdms) < 2:
        raise BadValue("subjects", len(rdms), "a ceiling between subjects needs at least 2")
    scaled = rdms if pooling == "mean" else FITTING[method](rdms)
    total = scaled.sum(axis=0)
    found = [
        compare(own, np.stack([total - part, total]), method=method)[0] for own, part in zip(rdms, scaled, strict=True)
    ]  # of sums, which are as alike as means
    return np.stack(found, axis=1)
