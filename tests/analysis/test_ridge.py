"""Ridge regression against scikit-learn and against refitting without each stimulus."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV

from mlspatial.analysis import ridge
from mlspatial.analysis.ridge import RidgeFold, inner_products
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from tests.analysis.conftest import Backend

ALPHAS = (1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e4)


def data(n: int, p: int, targets: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features with a mean, and targets from nearly noiseless to nearly noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, p)) / np.sqrt(np.arange(1, p + 1)) + 2.0
    signal = features[:, : min(p, 8)] @ rng.normal(size=(min(p, 8), targets))
    return features, signal + rng.normal(size=(n, targets)) * np.logspace(-3, 1, targets) + 5.0


def fold(features: np.ndarray, train: int, *, way: str, backend: Backend) -> RidgeFold:
    known, new, there = backend.on(features[:train]), backend.on(features[train:]), backend.device
    if way == "features":
        return RidgeFold.from_features(known, new, device=there)
    if way == "centred gram":
        known, new = (torch.from_numpy(part - features[:train].mean(axis=0)) for part in np.split(features, [train]))
    within, across = inner_products(known, device=there), inner_products(new, known, device=there)
    return RidgeFold.from_gram(within, across, device=there)


@pytest.mark.parametrize("way", ["features", "gram", "centred gram"])
@pytest.mark.parametrize(("train", "p"), [(100, 300), (100, 100), (100, 99), (100, 70), (100, 12), (100, 1)])
def test_predictions_and_alphas_equal_scikit_learn_s(train: int, p: int, way: str, backend: Backend) -> None:
    features, targets = map(backend.rounded, data(train + 30, p))
    ours = fold(features, train, way=way, backend=backend).fit(backend.on(targets[:train]), ALPHAS)
    model = RidgeCV(ALPHAS, alpha_per_target=True).fit(features[:train], targets[:train])
    assert ours.alpha.tolist() == model.alpha_.tolist()
    assert ours.predictions.cpu().numpy() == backend.near(model.predict(features[train:]), 1e-6)
    assert ours.score.cpu().numpy() == pytest.approx(-model.best_score_, rel=1e-6)


def left_out(features: np.ndarray, targets: np.ndarray, alpha: float, blocks: list[np.ndarray]) -> np.ndarray:
    """Fit without each block, predict it."""
    predictions = np.empty_like(targets)
    for block in blocks:
        rest = np.setdiff1d(np.arange(len(features)), block)
        predictions[block] = Ridge(alpha).fit(features[rest], targets[rest]).predict(features[block])
    return predictions


@pytest.mark.parametrize("p", [80, 12])
def test_leave_one_out_equals_refitting_without_each(p: int, backend: Backend) -> None:
    features, targets = map(backend.rounded, data(40, p, targets=3))
    one = [np.array([i]) for i in range(40)]
    ours = RidgeFold.from_features(backend.on(features), device=backend.device)
    alphas = np.array([0.01, 1.0, 100.0])
    expected = np.stack([left_out(features, targets, a, one)[:, t] for t, a in enumerate(alphas)], axis=1)
    found, same = (ours.loo_predictions(backend.on(targets), a).cpu().numpy() for a in (alphas, 1.0))
    assert found == backend.near(expected, 1e-7)
    assert same == backend.near(left_out(features, targets, 1.0, one), 1e-7)


@pytest.mark.parametrize("p", [80, 12])
def test_inner_folds_equal_refitting_without_each_fold(p: int, backend: Backend) -> None:
    features, targets = map(backend.rounded, data(40, p))
    inner = np.array_split(np.random.default_rng(0).permutation(40), 5)
    fold = RidgeFold.from_features(backend.on(features), device=backend.device)
    ours = fold.fit(backend.on(targets), ALPHAS, inner=inner)
    errors = [((left_out(features, targets, alpha, inner) - targets) ** 2).mean(axis=0) for alpha in ALPHAS]
    assert ours.alpha.tolist() == [ALPHAS[i] for i in np.argmin(errors, axis=0)]
    assert ours.score.cpu().numpy() == pytest.approx(np.min(errors, axis=0), rel=1e-7)


def test_the_alpha_of_the_best_correlation(backend: Backend) -> None:
    features, targets = map(backend.rounded, data(40, 60))
    one = [np.array([i]) for i in range(40)]
    fold = RidgeFold.from_features(backend.on(features), device=backend.device)
    ours = fold.fit(backend.on(targets), ALPHAS, criterion="pearson")
    r = np.array(
        [
            [np.corrcoef(column, truth)[0, 1] for column, truth in zip(predicted.T, targets.T, strict=True)]
            for predicted in (left_out(features, targets, alpha, one) for alpha in ALPHAS)
        ]
    )
    assert ours.alpha.tolist() == [ALPHAS[i] for i in r.argmax(axis=0)]
    assert ours.score.cpu().numpy() == backend.near(r.max(axis=0), 1e-7)


@pytest.mark.parametrize("criterion", ridge.CRITERIA)
@pytest.mark.parametrize("p", [60, 5])
def test_the_first_of_equally_good_alphas_wins(p: int, criterion: ridge.Criterion, backend: Backend) -> None:
    """Of a constant target every alpha leaves the same error, and so does an alpha that is tried twice; whether they
    ascend or not."""
    features, targets = data(40, p, targets=2)
    targets[:, 0] = 3.0
    fold = RidgeFold.from_features(backend.on(features), device=backend.device)
    for alphas in ((0.5, 1.0, 100.0), (100.0, 1.0, 0.5)):
        assert fold.fit(targets, alphas, criterion=criterion).alpha[0] == alphas[0]
        assert fold.fit(targets, alphas, criterion=criterion, inner=np.split(np.arange(40), 8)).alpha[0] == alphas[0]


def test_many_targets_are_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = data(50, 80, targets=23)
    whole = RidgeFold.from_features(features[:40], features[40:])
    first, loo = whole.fit(targets[:40], ALPHAS), whole.loo_predictions(targets[:40], 1.0)
    monkeypatch.setattr(ridge, "CHUNK_TARGETS", 5)
    assert torch.equal(first.alpha, whole.fit(targets[:40], ALPHAS).alpha)
    assert first.predictions.numpy() == pytest.approx(whole.fit(targets[:40], ALPHAS).predictions.numpy(), abs=1e-10)
    assert loo.numpy() == pytest.approx(whole.loo_predictions(targets[:40], 1.0).numpy(), abs=1e-10)


def test_constant_features_and_constant_targets_predict_the_mean(backend: Backend) -> None:
    targets = np.stack([np.arange(20.0), np.full(20, 3.0)], axis=1)
    for features in (np.ones((24, 50)), np.ones((24, 2))):
        given = backend.on(features)
        fold = RidgeFold.from_features(given[:20], given[20:], device=backend.device)
        fitted = fold.fit(backend.on(targets), ALPHAS, criterion="pearson")
        assert fitted.predictions.cpu().numpy() == pytest.approx(np.tile([9.5, 3.0], (4, 1)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_inner_products(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    monkeypatch.setattr(ridge, "CHUNK_FEATURES", 7)
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 9, size=(m, 30)).astype(dtype) for m in (19, 5))
    assert np.array_equal(inner_products(first), first.astype(float) @ first.astype(float).T)
    assert np.array_equal(inner_products(torch.from_numpy(second), first), second.astype(float) @ first.astype(float).T)


def test_what_cannot_be_fitted_is_said() -> None:
    features, targets = data(20, 30)
    fitted = RidgeFold.from_features(features)
    with pytest.raises(UserError, match="at least 3 training stimuli, there are 2"):
        RidgeFold.from_features(features[:2])
    with pytest.raises(StimulusMismatch, match="do not fit"):
        RidgeFold.from_features(features, features[:, :5])
    with pytest.raises(StimulusMismatch, match="not of one fold"):
        RidgeFold.from_gram(np.eye(5), np.ones((2, 4)))
    with pytest.raises(StimulusMismatch, match="no inner product"):
        inner_products(features, features[:, :5])
    with pytest.raises(StimulusMismatch, match=r"expected \(20 training stimuli, targets\)"):
        fitted.fit(targets[:10], ALPHAS)
    with pytest.raises(BadValue, match="alphas="):
        fitted.fit(targets, (0.0, 1.0))
    with pytest.raises(BadValue, match=r"alpha=-1\.0"):
        fitted.predict(targets, -1.0)
    with pytest.raises(BadValue, match="criterion=r2"):
        fitted.fit(targets, ALPHAS, criterion="r2")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="each of the 20 training stimuli exactly once"):
        fitted.fit(targets, ALPHAS, inner=[np.arange(12), np.arange(10, 20)])
    targets[3, 2] = np.nan
    with pytest.raises(UserError, match=r"1 of 6 targets are not finite.*target 2"):
        fitted.fit(targets, ALPHAS)


@pytest.mark.parametrize("p", [30, 5])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite(p: int, value: float) -> None:
    features, _ = data(20, p)
    features[4, 1] = value
    with pytest.raises(UserError, match=r"1 of 20 stimuli are NaN or infinite \(first: row 4\)"):
        RidgeFold.from_features(features)
