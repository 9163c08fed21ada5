"""What is debiased over contexts is unbiased, and its interval covers the truth: one population with known effects."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.anova import variance_split
from mlspatial.analysis.estimates import Estimate
from mlspatial.analysis.factorisation import factorisation_of
from mlspatial.analysis.manifold import discriminability
from mlspatial.analysis.marginals import marginals
from mlspatial.analysis.subspaces import dimensions, overlaps
from tests.analysis.crossings import crossing_of, responses_of

UNITS, REPEATS, CONTEXTS = 30, 120, 12


def test_estimates_are_unbiased_and_intervals_cover() -> None:
    """Fixed effects of two factors that share a third of their units; random ones of the context, alone and with each
    factor, are correlated over units. Intervals of 95 %: at least 108 of 120 (binomial, p < .02 for fewer)."""
    fixed, rng = np.random.default_rng(9), np.random.default_rng(1)
    a, b = fixed.normal(size=(6, 1, 1, UNITS)), fixed.normal(size=(1, 5, 1, UNITS))
    a[..., 15:], b[..., :10] = 0.0, 0.0
    mixing = fixed.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS)
    curves = (a - a.mean(0))[:, 0, 0], (b - b.mean(1, keepdims=True))[0, :, 0]
    first, second = (curve.T @ curve / len(curve) for curve in curves)
    variances = np.trace(first), np.trace(second)
    cosine = np.trace(first @ second) / np.linalg.norm(first) / np.linalg.norm(second)
    noise = np.square(mixing).sum() * (1.0 + 0.25) + UNITS * 0.49
    step = a[1, 0, 0] - a[0, 0, 0]
    covariance = mixing.T @ mixing * (1.0 + 0.25) + 0.49 * np.eye(UNITS)
    truth = {
        "factorisation": 1 - cosine,
        "alignment": cosine,
        "invariance": 1 - variances[0] / sum(variances),
        "dimension": variances[0] ** 2 / np.square(first).sum(),
        "component": variances[0] / (sum(variances) + noise),
        "d_prime": step @ step / np.sqrt(step @ covariance @ step),
    }
    crossing = crossing_of({"a": 6, "b": 5}, CONTEXTS)
    found: dict[str, list[Estimate]] = {name: [] for name in truth}
    for _ in range(REPEATS):
        random = rng.normal(size=(1, 1, CONTEXTS, UNITS)) + 0.5 * rng.normal(size=(6, 1, CONTEXTS, UNITS))
        values = a + b + random @ mixing + 0.7 * rng.normal(size=(6, 5, CONTEXTS, UNITS))
        responses = responses_of(crossing, values)
        gram = responses @ responses.T
        means = marginals(gram, [crossing])
        one = factorisation_of(means, errors=False)[0]
        share = variance_split(gram, crossing)[0]
        found["factorisation"].append(one.debiased)
        found["invariance"].append(one.debiased_invariance)
        found["alignment"].append(overlaps(means)[0].alignment)
        found["dimension"].append(dimensions(means)[0].debiased)
        found["component"].append(Estimate(share.component_share, share.error, share.low, share.high))
        found["d_prime"].append(discriminability(gram, crossing, "a")[0].d_prime)
    for name, value in truth.items():
        got = np.array([one.value for one in found[name]])
        error = np.std(got, ddof=1) / np.sqrt(REPEATS)
        assert np.mean(got) == pytest.approx(value, abs=4 * error + 0.02 * value), name
        assert sum(one.low < value < one.high for one in found[name]) >= 108, name
        assert 0.75 < np.mean([one.error for one in found[name]]) / np.std(got, ddof=1) < 1.6, name
