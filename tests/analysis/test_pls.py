"""PLS and its splits against scikit-learn."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from mlspatial.analysis.pls import (
    cross_validated_pls,
    cross_validated_pls_many,
    gram_matrix,
    pearson,
    predict_pls,
    splits,
)
from mlspatial.analysis.ridge import inner_products
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from tests.analysis.conftest import Backend


def data(n: int, p: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rectified features and noisy responses that share 40 causes."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 40)) / np.sqrt(np.arange(1, 41))
    features = np.maximum(causes @ rng.normal(size=(40, p)), 0) + 0.3 * rng.normal(size=(n, p))
    return features, np.tanh(causes @ rng.normal(size=(40, m))) + 0.5 * rng.normal(size=(n, m))


@pytest.mark.parametrize(
    ("n", "p", "m", "components"), [(135, 1000, 102, 25), (200, 300, 1, 25), (60, 20, 5, 20), (90, 2000, 7, 3)]
)
def test_predictions_equal_scikit_learn_s(n: int, p: int, m: int, components: int) -> None:
    features, responses = data(n, p, m)
    gram = gram_matrix(features)
    train, test = splits(n)[0]
    ours = predict_pls(gram[np.ix_(train, train)], gram[np.ix_(test, train)], responses[train], components=components)
    model = PLSRegression(components, scale=False).fit(features[train], responses[train])
    assert ours == pytest.approx(model.predict(features[test]).reshape(ours.shape), abs=1e-9)


def test_cross_validation_equals_brain_score_s_way(backend: Backend) -> None:
    """10 splits, Pearson r per neuroid; the whole of it done with scikit-learn and numpy."""
    features, responses = map(backend.rounded, data(120, 400, 9))
    gram = inner_products(backend.on(features), device=backend.device)
    ours = cross_validated_pls(gram, responses, splits(120), device=backend.device)  # type: ignore[arg-type]
    for row, (train, test) in zip(ours, ShuffleSplit(10, train_size=0.9, random_state=1).split(features), strict=True):
        predicted = PLSRegression(25, scale=False).fit(features[train], responses[train]).predict(features[test])
        expected = [np.corrcoef(predicted[:, i], responses[test][:, i])[0, 1] for i in range(9)]
        assert row == backend.near(expected, 1e-9)


@pytest.mark.parametrize("kind", ["steep", "cliff", "offset"])
def test_ill_conditioned_features(kind: str) -> None:
    """Singular values over six decades; three large ones above a floor; means a thousand times the variation."""
    rng = np.random.default_rng(7)
    n, p = 150, 400
    left, right = (np.linalg.qr(rng.normal(size=(rows, n)))[0] for rows in (n, p))
    values = 10.0 ** -np.linspace(0, 6, n) if kind == "steep" else np.where(np.arange(n) < 3, 1.0, 1e-3)
    features = left * (1e3 * values) @ right.T
    if kind == "offset":
        features = rng.normal(size=(n, p)) + 1e3 * rng.normal(size=p)
    responses = np.sqrt(n) * left[:, :40] @ rng.normal(size=(40, 20)) + 0.3 * rng.normal(size=(n, 20))
    gram = gram_matrix(features)
    for train, test in splits(n)[:3]:
        ours = predict_pls(gram[np.ix_(train, train)], gram[np.ix_(test, train)], responses[train])
        model = PLSRegression(25, scale=False).fit(features[train], responses[train])
        assert ours == pytest.approx(model.predict(features[test]), abs=1e-8)


def test_features_of_lower_rank_than_components(place: Backend) -> None:
    """Once nothing is left of the features, further components change nothing."""
    features, responses = data(80, 6, 4)
    deep, whole = (
        cross_validated_pls(gram_matrix(features), responses, splits(80), components=components, device=place.device)
        for components in (25, 6)
    )
    assert deep == place.near(whole, 1e-8)
    for row, (train, test) in zip(deep, splits(80), strict=True):
        predicted = PLSRegression(6, scale=False).fit(features[train], responses[train]).predict(features[test])
        assert row == pytest.approx(pearson(predicted, responses[test]), abs=1e-8)


def test_regions_and_folds_of_any_kind_share_one_gram(place: Backend) -> None:
    """Each as if it were alone: regions of other widths, folds that leave stimuli out of both sides, small ones."""
    features, responses = data(120, 300, 9)
    folds = [*splits(120)[:2], (np.arange(0, 40), np.arange(90, 120)), (np.arange(119, 30, -1), np.array([5, 2, 9]))]
    both = [responses, responses[:, 4:5]]
    together = cross_validated_pls_many(gram_matrix(features), both, folds, device=place.device)
    for measured, found in zip((responses, responses[:, 4:5]), together, strict=True):
        for row, (train, test) in zip(found, folds, strict=True):
            predicted = PLSRegression(25, scale=False).fit(features[train], measured[train]).predict(features[test])
            predicted = predicted.reshape(len(test), -1)
            expected = [pearsonr(a, b).statistic for a, b in zip(predicted.T, measured[test].T, strict=True)]
            assert row == place.near(expected, 1e-8)


def test_neuroids_that_do_not_vary() -> None:
    """In training, in the test, or first among the targets, where NIPALS starts: the others are as without them."""
    features, responses = data(100, 200, 5)
    fold = splits(100)[0]
    alone = cross_validated_pls(gram_matrix(features), responses, [fold])
    silent = np.full((100, 1), 0.1)
    in_test = np.where(np.isin(np.arange(100), fold[1])[:, None], 0.7, responses[:, :1])
    in_training = np.where(np.isin(np.arange(100), fold[0])[:, None], 0.7, responses[:, :1])
    several = cross_validated_pls(gram_matrix(features), np.hstack([silent, in_training, responses]), [fold])
    assert np.isnan(several[0, :2]).all()
    assert several[0, 2:] == pytest.approx(alone[0], abs=1e-12)
    assert np.isnan(cross_validated_pls(gram_matrix(features), in_test, [fold])).all()


def test_more_neuroids_than_stimuli_are_fitted_in_what_they_can_do() -> None:
    """The same numbers as scikit-learn's, in memory and time of stimuli x neuroids instead of neuroids squared."""
    features, responses = data(60, 40, 900)
    folds = splits(60)
    responses[folds[0][0], 1] = 0.1  # varies among the test stimuli of one fold only: predicted by its mean
    responses[:, 7] = 3.0  # nowhere
    found, narrow = cross_validated_pls_many(
        features @ features.T, [responses, responses[:, :20]], folds, components=10
    )
    for (train, test), row, part in zip(folds, found, narrow, strict=True):
        predicted = PLSRegression(10, scale=False).fit(features[train], responses[train]).predict(features[test])
        varies = np.ptp(responses[train], axis=0) > 0
        assert np.isnan(row[~varies]).all() and np.isnan(part[~varies[:20]]).all()
        np.testing.assert_allclose(row[varies], pearson(predicted, responses[test])[varies], atol=1e-6)
    tracemalloc.start()
    cross_validated_pls_many(features @ features.T, [np.tile(responses, (1, 4))], folds[:2], components=2)
    assert tracemalloc.get_traced_memory()[1] < 3600**2 * 8 / 4  # of one covariance of neuroids
    tracemalloc.stop()


@pytest.mark.parametrize("labels", [np.arange(135) % 2, np.repeat([f"object {i}" for i in range(9)], 15)])
def test_stratified_splits_are_brain_score_s(labels: np.ndarray) -> None:
    """StratifiedShuffleSplit over the order of the responses; 121 of 135 stimuli train."""
    theirs = StratifiedShuffleSplit(n_splits=10, train_size=0.9, test_size=None, random_state=1)
    expected = list(theirs.split(np.zeros(135), labels))
    ours = splits(135, labels)
    assert [len(side) for side in ours[0]] == [121, 14]
    for mine, other in zip(ours, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, other, strict=True))


def test_strata_that_do_not_fit() -> None:
    with pytest.raises(StimulusMismatch, match=r"\(19,\) for 20 stimuli"):
        splits(20, np.zeros(19))
    with pytest.raises(UserError, match="stratum 1 has one stimulus"):
        splits(20, np.eye(20, dtype=int)[3])
    with pytest.raises(UserError, match="2 of 20 stimuli are tested, fewer than the 5 strata"):
        splits(20, np.arange(20) % 5)


def test_scores_survive_rotation_scale_and_shift_of_the_features() -> None:
    features, responses = data(80, 60, 4)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(60, 60)))[0]
    first = cross_validated_pls(gram_matrix(features), responses, splits(80), components=10)
    turned = cross_validated_pls(gram_matrix(7.0 * features @ rotation + 3.0), responses, splits(80), components=10)
    assert first == pytest.approx(turned, abs=1e-8)


def test_float32_features_move_a_score_by_less_than_1e_4() -> None:
    features, responses = data(100, 30_000, 6)
    exact = cross_validated_pls(gram_matrix(features), responses, splits(100))
    single = cross_validated_pls(gram_matrix(features.astype(np.float32)), responses, splits(100))
    assert np.abs(np.median(exact, 1).mean() - np.median(single, 1).mean()) < 1e-4


def test_features_that_are_the_responses_predict_them_and_noise_does_not() -> None:
    _, responses = data(200, 10, 30)
    perfect = cross_validated_pls(gram_matrix(responses), responses, splits(200), components=29)
    assert np.median(perfect) > 0.99
    noise = np.random.default_rng(5).normal(size=(200, 500))
    assert abs(np.median(cross_validated_pls(gram_matrix(noise), responses, splits(200)))) < 0.15


def test_constant_features_predict_the_mean() -> None:
    predicted = predict_pls(np.zeros((30, 30)), np.zeros((4, 30)), np.arange(60.0).reshape(30, 2), components=5)
    assert predicted == pytest.approx(np.tile([29.0, 30.0], (4, 1)))


def test_too_few_stimuli() -> None:
    with pytest.raises(UserError, match="18 training stimuli are too few for 25 components"):
        cross_validated_pls(np.eye(20), np.ones((20, 2)), splits(20))
    with pytest.raises(BadValue, match="components=0"):
        cross_validated_pls(np.eye(20), np.ones((20, 2)), splits(20), components=0)
    with pytest.raises(StimulusMismatch, match="do not fit"):
        cross_validated_pls(np.eye(20), np.ones((21, 2)), splits(20), components=2)
    with pytest.raises(UserError, match=r"1 of 2 neuroids \(first: 1\) are not finite"):
        cross_validated_pls(np.eye(20), np.array([[1.0, np.nan]] * 20), splits(20), components=2)


def test_pearson_of_constant_columns_is_nan() -> None:
    a = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    r = pearson(a, np.array([[2.0, 1.0], [4.0, 2.0], [8.0, 3.0]]))
    assert r[0] == pytest.approx(1.0) and np.isnan(r[1])
