"""PLS against scikit-learn, ceilings against theory."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import ShuffleSplit

from mlspatial.analysis.ceiling import split_half
from mlspatial.analysis.pls import cross_validated_pls, gram_matrix, pearson, predict_pls, splits
from mlspatial.core.errors import UserError


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


def test_cross_validation_equals_brain_score_s_way() -> None:
    """10 splits, Pearson r per neuroid; the whole of it done with scikit-learn and numpy."""
    features, responses = data(120, 400, 9)
    ours = cross_validated_pls(gram_matrix(features), responses, splits(120))
    for row, (train, test) in zip(ours, ShuffleSplit(10, train_size=0.9, random_state=1).split(features), strict=True):
        predicted = PLSRegression(25, scale=False).fit(features[train], responses[train]).predict(features[test])
        expected = [np.corrcoef(predicted[:, i], responses[test][:, i])[0, 1] for i in range(9)]
        assert row == pytest.approx(expected, abs=1e-9)


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


def test_pearson_of_constant_columns_is_nan() -> None:
    a = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    r = pearson(a, np.array([[2.0, 1.0], [4.0, 2.0], [8.0, 3.0]]))
    assert r[0] == pytest.approx(1.0) and np.isnan(r[1])


def simulated_trials(repeats: int, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(4000, 3, 1))
    return signal + noise * rng.normal(size=(4000, 3, repeats))


@pytest.mark.parametrize("repeats", [2, 4, 10])
def test_split_half_reaches_the_reliability_of_the_mean(repeats: int) -> None:
    """Signal variance 1, noise variance 1: the reliability of the mean of k repeats is k / (k + 1)."""
    assert split_half(simulated_trials(repeats)) == pytest.approx(repeats / (repeats + 1), abs=0.03)


def test_missing_repeats_are_left_out() -> None:
    trials = simulated_trials(6)
    holes = trials.copy()
    holes[np.random.default_rng(3).random(holes.shape) < 0.2] = np.nan
    assert split_half(holes) == pytest.approx(split_half(trials), abs=0.06)
    assert (split_half(holes) < split_half(trials)).all()


def test_one_repeat_has_no_ceiling() -> None:
    with pytest.raises(UserError, match="at least two repeats"):
        split_half(simulated_trials(1))
