"""Contrasts against scipy, against counting pairs and against Holm's procedure written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mlspatial.analysis.contrasts import contrasts, holm
from mlspatial.core.errors import UserError


def groups() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """From no difference to a clear one; 5 runs of 6 seeds a side, and small sides with ties."""
    rng = np.random.default_rng(0)
    pairs = {f"layer{i}": (rng.normal(0.2 * i, 1, 30), rng.normal(0, 1, 30)) for i in range(1, 5)}
    return {**pairs, "fc": (np.array([0.1, 0.4, 0.4, 0.7]), np.array([0.4, 0.2, 0.1]))}


def test_p_and_u_are_scipy_s() -> None:
    for found in contrasts(groups()):
        first, second = groups()[found.name]
        expected = mannwhitneyu(first, second, alternative="two-sided")
        assert (found.u, found.p) == (expected.statistic, expected.pvalue)
        assert found.star == (expected.pvalue < 0.05)
        assert (found.n_first, found.n_second) == (len(first), len(second))
        assert (found.median_first, found.median_second) == (np.median(first), np.median(second))


def test_the_exact_p_of_a_small_sample() -> None:
    """All of three exceed all of three: 2 of the 20 orders are as extreme."""
    found = contrasts({"layer1": (np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0]))})[0]
    assert found.p == pytest.approx(0.1) and found.p_holm == pytest.approx(0.1) and not found.star
    assert (found.u, found.common_language, found.rank_biserial) == (9.0, 1.0, 1.0)


def test_effect_sizes_count_pairs() -> None:
    for found in contrasts(groups()):
        first, second = groups()[found.name]
        differences = first[:, None] - second[None]
        assert found.common_language == pytest.approx(np.mean(differences > 0) + np.mean(differences == 0) / 2)
        assert found.rank_biserial == pytest.approx(np.mean(differences > 0) - np.mean(differences < 0))


def test_holm_written_out() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.9])
    # 5 x .005; 4 x .01; 3 x .03; 2 x .04 = .08 is raised to the .09 before it; .9
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.9])
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1.0, 1.0])
    corrected = np.array([found.p_holm for found in contrasts(groups())])
    assert corrected == pytest.approx(holm(np.array([found.p for found in contrasts(groups())])))
    assert contrasts({}) == []


def test_two_equal_conditions_do_not_differ() -> None:
    found = contrasts({"fc": (np.full(6, 0.5), np.full(6, 0.5))})[0]
    assert (found.p, found.star, found.rank_biserial) == (1.0, False, 0.0)


def test_swapping_the_conditions_turns_the_effect_round() -> None:
    for one, other in zip(
        contrasts(groups()), contrasts({name: (b, a) for name, (a, b) in groups().items()}), strict=True
    ):
        assert one.p == pytest.approx(other.p)
        assert one.rank_biserial == pytest.approx(-other.rank_biserial)


def test_too_few_values_or_none() -> None:
    with pytest.raises(UserError, match="layer2: 1 values on one side, a test needs 2"):
        contrasts({"layer2": (np.array([0.5]), np.array([0.1, 0.2]))})
    with pytest.raises(UserError, match="layer2: 1 of 3 values are not finite"):
        contrasts({"layer2": (np.array([0.1, np.nan, 0.3]), np.array([0.1, 0.2]))})
