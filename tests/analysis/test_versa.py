"""cRSA and veRSA against scikit-learn, fold by fold, and against mathematics."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from mlspatial.analysis.rsa import similarity_matrix
from mlspatial.analysis.versa import (
    PAPER,
    PUBLISHED_CODE,
    HalfScores,
    Variant,
    choose_layer,
    crsa,
    effective_dimensionality,
    explainable_variance,
    fisher_mean,
    halves,
    versa,
)
from mlspatial.core.errors import StimulusMismatch, UserError
from tests.analysis.conftest import Backend

N, FEATURES, VOXELS = 36, 50, 14
UPPER = np.triu_indices(N // 2, 1)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, FEATURES)) * np.linspace(0.1, 3, FEATURES) + 2
    features[:, 7] = 5.0  # a unit that never changes
    responses = features[:, :20] @ rng.normal(size=(20, VOXELS)) / 6 + rng.normal(size=(N, VOXELS)) + 3
    return features, responses


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(np.corrcoef(a)[UPPER], np.corrcoef(b)[UPPER])[0, 1])


def by_scikit_learn(features: np.ndarray, responses: np.ndarray, variant: Variant) -> tuple[float, float, float]:
    """Every stimulus left out in turn, every alpha fitted anew."""
    train, test = halves(N)
    scaler = StandardScaler().fit(features[train])
    known, new = scaler.transform(features[train]), scaler.transform(features[test])
    n = len(train)
    factor = n if variant.alpha_times_n else 1
    left_out = np.zeros((len(variant.alphas), n, VOXELS))
    for a, alpha in enumerate(variant.alphas):
        for i in range(n):
            rest = np.delete(np.arange(n), i)
            fitted = Ridge(alpha * factor, solver="svd").fit(known[rest], responses[train][rest])
            left_out[a, i] = fitted.predict(known[[i]])[0]
    truth = responses[train]
    r = np.array([[np.corrcoef(left_out[a, :, v], truth[:, v])[0, 1] for v in range(VOXELS)]
                  for a in range(len(variant.alphas))])  # fmt: skip
    best = r.argmax(axis=0)
    chosen = left_out[best, :, np.arange(VOXELS)].T
    if not variant.intercept:
        chosen = chosen - truth.mean(axis=0)
    models = [Ridge(variant.alphas[best[v]] * factor, solver="svd").fit(known, truth[:, v]) for v in range(VOXELS)]
    predicted = np.stack([model.predict(new) for model in models], axis=1)
    measured = responses[test]
    voxels = np.mean([np.corrcoef(predicted[:, v], measured[:, v])[0, 1] for v in range(VOXELS)])
    return alike(chosen, truth), alike(predicted, measured), float(voxels)


@pytest.mark.parametrize(
    "variant", [PAPER, PUBLISHED_CODE, Variant((0.5, 20.0), intercept=True, alpha_times_n=True)], ids=str
)
def test_versa_equals_ridge_regression_done_the_long_way(
    data: tuple[np.ndarray, np.ndarray], variant: Variant, backend: Backend
) -> None:
    features, responses = map(backend.rounded, data)
    found = versa(backend.on(features), responses, *halves(N), variant=variant, device=backend.device)
    train, test, voxels = by_scikit_learn(features, responses, variant)
    assert found.train == backend.near(train, 1e-6)
    assert found.test == backend.near(test, 1e-6)
    assert found.voxels == backend.near(voxels, 1e-6)
    assert found.predicted is not None and found.predicted.shape == (N // 2, VOXELS)


def test_responses_in_float32_lose_nothing(data: tuple[np.ndarray, np.ndarray]) -> None:
    features, responses = data[0], (data[1] + 1000).astype(np.float32)
    found, exact = (versa(features, measured, *halves(N)) for measured in (responses, responses.astype(np.float64)))
    assert found.voxels == pytest.approx(exact.voxels, abs=1e-12)


def test_crsa_is_the_correlation_of_matrices(data: tuple[np.ndarray, np.ndarray]) -> None:
    features, responses = data
    train, test = halves(N)
    found = crsa(similarity_matrix(features), responses, train, test)
    assert found.train == pytest.approx(alike(features[train], responses[train]), abs=1e-12)
    assert found.test == pytest.approx(alike(features[test], responses[test]), abs=1e-12)
    assert np.isnan(found.voxels) and found.predicted is None


def test_versa_may_weigh_features_and_crsa_may_not() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 30))
    responses = features[:, :3] @ rng.normal(size=(3, 40))
    plain = crsa(similarity_matrix(features), responses, *halves(400))
    weighted = versa(features, responses, *halves(400))
    assert weighted.test > 0.99 and plain.test < 0.7


def test_the_layer_is_chosen_on_the_training_half() -> None:
    scores = [HalfScores(0.5, 0.4), HalfScores(0.7, 0.3), HalfScores(0.6, 0.9), HalfScores(0.7, 0.8)]
    assert choose_layer(scores) == 1
    assert choose_layer(scores, Variant((1.0,), intercept=True, second_half=True)) == 3
    many = [HalfScores(0.5 + 0.001 * i, 0.45 + 0.001 * i) for i in range(30)] + [HalfScores(0.9, 0.1)]
    assert choose_layer(many) == 30 and choose_layer(many, PUBLISHED_CODE) == 29


def test_effective_dimensionality_of_known_spectra() -> None:
    rng = np.random.default_rng(2)
    vectors = np.linalg.qr(rng.normal(size=(50, 50)))[0]
    for values in (np.r_[np.ones(10), np.zeros(40)], np.r_[1.0, np.zeros(49)], np.arange(50.0)):
        gram = (vectors * values) @ vectors.T
        assert effective_dimensionality(3 * gram) == pytest.approx(values.sum() ** 2 / np.square(values).sum())


def test_small_things() -> None:
    assert explainable_variance(0.6, 0.8) == pytest.approx(0.5625) and np.isnan(explainable_variance(0.5, 0.0))
    one = np.array([[1.0, 0.3], [0.3, 1.0]])
    np.testing.assert_allclose(fisher_mean([one, one]), one, atol=1e-9)
    with pytest.raises(UserError, match="more than 10 voxels"):
        versa(np.ones((8, 3)), np.ones((8, 5)), *halves(8))
    with pytest.raises(StimulusMismatch):
        versa(np.ones((8, 3)), np.ones((7, 20)), *halves(8))
