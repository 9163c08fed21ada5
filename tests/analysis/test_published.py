"""Numbers that others published, written out: what the analyses do when nobody says otherwise.

Xie et al. 2025 and the authors' settings; Conwell et al. 2024 and their code; Brain-Score (brainscore_vision 2.4.2);
scikit-learn 1.5; GSN (2024). Where a number shows in what comes out, that is looked at, not the setting.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import ConvergenceWarning

from mlspatial.analysis import decoding, groups, gsn, kernel_ridge, pca, pls, regression, statistics, svc, versa
from mlspatial.analysis.ceiling import halves
from mlspatial.analysis.contrasts import contrasts
from mlspatial.analysis.pca import pca_gram
from mlspatial.analysis.pls import predict_pls
from mlspatial.analysis.splits import k_folds, random_splits
from mlspatial.analysis.versa import PAPER, PUBLISHED_CODE, HalfScores, Variant, choose_layer
from mlspatial.benchmarks import voxels
from mlspatial.compare.tables.statistics import MARGIN
from mlspatial.core.errors import UserError


@pytest.mark.parametrize(
    ("found", "published"),
    [
        (decoding.ALPHAS, (1e-4, 1e-3, 0.01, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 100, 1000)),
        (PAPER.alphas, (0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7)),
        (PUBLISHED_CODE.alphas, (0.1, 1, 10, 100, 1e3, 1e4, 1e5)),
        (kernel_ridge.ALPHAS, (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1e3)),  # of the project
        (gsn.LEVELS, np.arange(51) / 50),
        (gsn.SCALES, np.arange(21) / 10),
        ((gsn.SIMULATIONS, gsn.CONDITIONS, gsn.SPLITS, gsn.HELD_OUT, gsn.SAME), (50, 50, 50, 5, 0.999)),
        (voxels.RUNS, 5),  # of GSN, a subject
        (MARGIN, 0.02),  # category leads distance by .013 and .016
    ],
)  # fmt: skip
def test_settings(found: Any, published: Any) -> None:
    assert np.shape(found) == np.shape(published)
    assert np.asarray(found) == pytest.approx(np.asarray(published, float), rel=1e-12)


@pytest.mark.parametrize(
    ("function", "defaults"),
    [
        (statistics.bootstrap, {"resamples": 10_000, "level": 0.95}),
        (statistics.bootstrap_difference, {"resamples": 10_000, "level": 0.95}),
        (statistics.compare_means, {"alpha": 0.05}),
        (groups.group_statistics, {"resamples": 1000, "level": 0.95}),
        (regression.bootstrap_mean, {"resamples": 1000, "level": 0.95}),  # R's mean_cl_boot
        (regression.spearman, {"resamples": 1000, "level": 0.95}),
        (gsn.rsa_ceiling, {"simulations": 50, "conditions": 50}),
        (svc.fit_svc, {"c": 0.005}),
        (decoding.decode, {"c": 0.005, "classifier": "svc"}),
        (svc.predict_logistic, {"c": 1.0}),
        (pls.cross_validated_pls, {"components": 25}),
        (pls.cross_validated_pls_many, {"components": 25}),
        (predict_pls, {"components": 25}),
    ],
)  # fmt: skip
def test_defaults(function: Callable[..., Any], defaults: dict[str, Any]) -> None:
    parameters = inspect.signature(function).parameters
    assert {name: parameters[name].default for name in defaults} == defaults


@pytest.mark.parametrize("h", [0.004, 0.0048])
def test_nipals_gives_up_after_500_iterations(h: float) -> None:
    """The weights of two nearly equal components turn by more than the tolerance, 1e-3, each time."""
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(40, 2)), rng.normal(size=(10, 2))
    known = np.linalg.qr(known - known.mean(axis=0))[0]
    scale, angle = np.array([1, np.exp(-h / 2)]), np.arctan(np.exp(250 * h))
    responses = known @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    known, new = known * scale, new * scale
    with pytest.warns(ConvergenceWarning):
        theirs = PLSRegression(1, scale=False).fit(known, responses)
    ours = predict_pls(known @ known.T, new @ known.T, responses, components=1)
    assert ours == pytest.approx(theirs.predict(new), abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_nipals_stops_at_a_change_of_1e_6(seed: int) -> None:
    """Twice the tolerance or half of it ends one step away, in some of these."""
    rng = np.random.default_rng(seed)
    features, responses = rng.normal(size=(60, 30)), rng.normal(size=(60, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = PLSRegression(3, scale=False).fit(features[:50], responses[:50])
    products = features @ features[:50].T
    ours = predict_pls(products[:50], products[50:], responses[:50], components=3)
    assert ours == pytest.approx(theirs.predict(features[50:]), abs=1e-9)


def test_layers_of_more_than_1000_features_are_reduced_to_1000_components(rng: np.random.Generator) -> None:
    assert pca.COMPONENTS == 1000
    x = rng.normal(size=(20, 4))
    joint = x @ x.T
    assert np.array_equal(pca_gram(joint, 12, features=1000), joint[12:, 12:])
    assert not np.allclose(pca_gram(joint, 12, features=1001), joint[12:, 12:])


def test_ten_halvings() -> None:
    assert len(halves(6)) == len(halves(6, drawing="brain_score")) == 10


def test_splits_of_decoding_and_of_brain_score() -> None:
    assert [(len(a), len(b)) for a, b in random_splits(2000, seed=0)] == [(1600, 400)] * 5
    assert len(k_folds(100, seed=0)) == 5
    assert [(len(a), len(b)) for a, b in pls.splits(135)] == [(121, 14)] * 10
    assert [(len(a), len(b)) for a, b in pls.splits(3200)] == [(2880, 320)] * 10


def test_a_star_is_p_below_5_percent() -> None:
    """Two-sided and exact, four values a side: .0286 when no value is out of place, .0571 when one pair is."""
    apart, one = contrasts({
        "apart": (np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])),
        "one": (np.array([1.0, 2, 3, 5]), np.array([4.0, 6, 7, 8])),
    })  # fmt: skip
    assert (apart.p, one.p) == pytest.approx((2 / 70, 4 / 70))
    assert apart.star and not one.star


def test_a_region_has_more_than_10_voxels(rng: np.random.Generator) -> None:
    features, responses = rng.normal(size=(40, 6)), rng.normal(size=(40, 11))
    assert np.isfinite(versa.versa(features, responses, *versa.halves(40)).test)
    with pytest.raises(UserError, match="more than 10 voxels, this one has 10"):
        versa.versa(features, responses[:, :10], *versa.halves(40))


def test_what_text_and_code_of_conwell_do_differently() -> None:
    flags = ("intercept", "alpha_times_n", "second_half", "drop_overfitted", "chosen_on_test")
    assert [getattr(PAPER, flag) for flag in flags] == [True, False, False, False, False]
    assert [getattr(PUBLISHED_CODE, flag) for flag in flags] == [False, False, True, True, True]
    assert [part.tolist() for part in versa.halves(5)] == [[0, 2, 4], [1, 3]]
    assert versa.explainable_variance(0.5, 0.8) == pytest.approx(0.390625)


def test_layers_below_z_of_minus_3_291_are_dropped() -> None:
    """n - 1 layers without a fall and one with it: its z is -(n - 1) / sqrt(n), whatever the fall."""
    for n, dropped in ((12, False), (13, True)):  # z = -3.175, -3.328
        scores = [HalfScores(0.5, 0.5)] * (n - 1) + [HalfScores(0.9, 0.5)]
        chosen = choose_layer(scores, Variant((1.0,), intercept=True, drop_overfitted=True))
        assert (chosen != n - 1) == dropped
