"""Decoding against the same written out with scikit-learn, against known answers and against nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.svm import LinearSVC

from mlspatial.analysis.decoding import ALPHAS, Decoding, decode
from mlspatial.analysis.splits import random_splits
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.core.latents import Latent
from tests.analysis.conftest import Backend

N = 240
X = Latent("x", "m", "linear", -4.2, 4.2)
Z = Latent("z", "m", "linear", 0.0, 4.2)
ROT = Latent("rot_1", "deg", "circular", -180.0, 180.0)
CATEGORY = Latent("category", "", "category", categories=("chair", "apple", "bottle", "car", "vase", "table"))
LATENTS = (X, Z, ROT, CATEGORY)


def values(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.uniform(-2, 2, N),
        "z": rng.uniform(1, 4, N),
        "rot_1": rng.uniform(-180, 180, N),
        "category": rng.integers(0, 6, N),
    }


def layer(latents: dict[str, np.ndarray], p: int = 400, noise: float = 3.0) -> np.ndarray:
    """Features that mix all latents with noise."""
    rng = np.random.default_rng(7)
    angle = np.deg2rad(latents["rot_1"])
    causes = [latents["x"], latents["z"], 2 * np.sin(angle), 2 * np.cos(angle), *(2 * np.eye(6)[latents["category"]].T)]
    mixed = np.stack(causes, axis=1) @ rng.normal(size=(len(causes), p))
    return (mixed + noise * rng.normal(size=(N, p))).astype(np.float32)


def table(records: list[Decoding]) -> dict[tuple[str, int, str], Decoding]:
    return {(record.latent, record.fold, record.measure): record for record in records}


@pytest.mark.parametrize("p", [400, 30])
def test_equals_scikit_learn_written_out(p: int, place: Backend) -> None:
    truth, splits = values(), random_splits(N, seed=1, runs=3)
    features = layer(truth, p)
    found = table(decode(features, truth, LATENTS, splits, device=place.device))
    for fold, (train, test) in enumerate(splits):
        ridge = RidgeCV(ALPHAS, alpha_per_target=True)
        angle = np.deg2rad(truth["rot_1"])
        columns = np.stack([truth["x"], truth["z"], np.sin(angle), np.cos(angle)], axis=1)
        predicted = ridge.fit(features[train], columns[train]).predict(features[test])
        r = [np.corrcoef(predicted[:, i], columns[test, i])[0, 1] for i in range(4)]
        for i, name in enumerate(("x", "z")):
            record = found[name, fold, "pearson_r"]
            assert record.value == pytest.approx(r[i], abs=1e-6) and record.alpha == pytest.approx(ridge.alpha_[i])
            assert (record.chance, record.n_train, record.n_test) == (0.0, 192, 48)
            assert found[name, fold, "r2"].value == pytest.approx(r2_score(columns[test, i], predicted[:, i]), abs=1e-5)
            mae = mean_absolute_error(columns[test, i], predicted[:, i])
            assert found[name, fold, "mae"].value == pytest.approx(mae, abs=1e-5)
        assert found["rot_1", fold, "pearson_r"].value == pytest.approx((r[2] + r[3]) / 2, abs=1e-6)
        assert found["rot_1", fold, "pearson_r"].alpha == pytest.approx(np.sqrt(ridge.alpha_[2] * ridge.alpha_[3]))
        turned = np.rad2deg(np.arctan2(predicted[:, 2], predicted[:, 3])) - truth["rot_1"][test]
        error = np.abs(np.minimum(np.abs(turned), 360 - np.abs(turned))).mean()
        assert found["rot_1", fold, "angular_error_deg"].value == pytest.approx(error, abs=1e-4)
        machine = LinearSVC(C=5e-3, tol=1e-6, max_iter=200_000).fit(features[train], truth["category"][train])
        record = found["category", fold, "accuracy"]
        assert record.value == pytest.approx(machine.score(features[test], truth["category"][test]), abs=0.021)
        assert record.alpha is None


def test_records_come_by_latent_split_and_measure() -> None:
    truth = values()
    records = decode(layer(truth), truth, (CATEGORY, ROT, X), random_splits(N, seed=0, runs=2))
    order = [(record.latent, record.fold, record.measure) for record in records]
    assert order == [
        *(("category", fold, "accuracy") for fold in (0, 1)),
        *(("rot_1", fold, measure) for fold in (0, 1) for measure in ("pearson_r", "angular_error_deg")),
        *(("x", fold, measure) for fold in (0, 1) for measure in ("pearson_r", "r2", "mae")),
    ]


@pytest.mark.parametrize("p", [400, 30])
def test_a_gram_matrix_is_as_good_as_the_features(p: int, backend: Backend) -> None:
    truth, splits = values(), random_splits(N, seed=0, runs=2)
    features = layer(truth, p).astype(np.float64)
    expected = table(decode(backend.on(features), truth, LATENTS, splits, device=backend.device))
    found = table(decode(features @ features.T, truth, LATENTS, splits, is_gram=True))
    assert {key: record.value for key, record in found.items()} == pytest.approx(
        {key: record.value for key, record in expected.items()}, abs=1e-6
    )


def test_what_the_features_hold_is_found_and_what_they_do_not_is_at_chance() -> None:
    truth, splits = values(), random_splits(N, seed=0)
    found = decode(layer(truth, noise=0.01), truth, LATENTS, splits)
    for record in found:
        good = {"pearson_r": 1.0, "r2": 1.0, "accuracy": 1.0, "mae": 0.0, "angular_error_deg": 0.0}[record.measure]
        assert record.value == pytest.approx(good, abs=2.0 if record.measure == "angular_error_deg" else 0.02)
    lost = decode(layer(values(1)), truth, LATENTS, splits)
    by_measure: dict[str, list[float]] = {}
    for record in lost:
        by_measure.setdefault(record.measure, []).append(record.value - record.chance)
    assert np.mean(by_measure.pop("r2")) < 0.0  # what is learned by heart is worse than the mean
    tolerance = {"pearson_r": 0.15, "accuracy": 0.1, "mae": 0.15, "angular_error_deg": 15.0}
    assert {measure: np.mean(differences) for measure, differences in by_measure.items()} == {
        measure: pytest.approx(0.0, abs=within) for measure, within in tolerance.items()
    }


def test_chance_is_what_a_constant_gets() -> None:
    truth, splits = values(), random_splits(N, seed=0, runs=1)
    truth["rot_1"] = np.random.default_rng(3).uniform(-45, 45, N) + 170.0  # crosses the seam
    truth["category"][:120] = 4
    train, test = splits[0]
    found = table(decode(layer(truth), truth, LATENTS, splits))
    median = np.median(truth["z"][train])
    assert found["z", 0, "mae"].chance == pytest.approx(np.abs(truth["z"][test] - median).mean())
    assert found["rot_1", 0, "angular_error_deg"].chance == pytest.approx(22.5, abs=3.0)
    assert found["category", 0, "accuracy"].chance == np.mean(truth["category"] == 4)
    uniform = table(decode(layer(values()), values(), (ROT,), splits))
    assert uniform["rot_1", 0, "angular_error_deg"].chance == pytest.approx(90.0, abs=12.0)


def test_a_latent_with_another_period() -> None:
    truth = values()
    hours = Latent("hour", "h", "circular", 0.0, 24.0)
    truth["hour"] = (truth["rot_1"] + 180.0) / 15.0
    found = decode(layer(truth, noise=0.01), truth, (hours,), random_splits(N, seed=0, runs=1))
    assert [record.measure for record in found] == ["pearson_r", "angular_error_deg"]
    assert found[0].value > 0.99 and found[1].value < 2.0


def test_categories_by_name_and_logistic_regression() -> None:
    truth, splits = values(), random_splits(N, seed=0, runs=1)
    features = layer(truth, noise=1.0)
    names = {"category": np.array(CATEGORY.categories)[truth["category"]]}
    coded = decode(features, truth, (CATEGORY,), splits)
    assert decode(features, names, (CATEGORY,), splits) == coded
    assert decode(features, names, (CATEGORY,), splits, classifier="logistic")[0].value > 0.9


@pytest.mark.parametrize("latent", LATENTS)
def test_a_latent_that_does_not_vary_is_named(latent: Latent) -> None:
    truth = values()
    features = layer(truth)
    truth[latent.name] = np.full(N, 2) + (0 if latent is CATEGORY else 1e-9 * np.arange(N))
    with pytest.raises(BadValue, match=f"latents={latent.name}: does not vary.*translation=full"):
        decode(features, truth, LATENTS, random_splits(N, seed=0))


def test_what_cannot_be_decoded_is_said() -> None:
    truth, splits = values(), random_splits(N, seed=0)
    features = layer(truth)
    with pytest.raises(UnknownName, match="unknown latent 'rot_2'"):
        decode(features, truth, (Latent("rot_2", "deg", "circular"),), splits)
    with pytest.raises(StimulusMismatch, match="x has shape"):
        decode(features[:-1], truth, (X,), splits)
    with pytest.raises(StimulusMismatch, match="a Gram matrix is square"):
        decode(features, truth, (X,), splits, is_gram=True)
    with pytest.raises(BadValue, match="classifier=forest"):
        decode(features, truth, (X,), splits, classifier="forest")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="split 0 is no split of 240 stimuli"):
        decode(features, truth, (X,), [(np.arange(200), np.arange(199, 240))])
    with pytest.raises(UserError, match="split 1 is no split"):
        decode(features, truth, (X,), [splits[0], (np.arange(200), np.arange(200, 241))])
    with pytest.raises(UserError, match="category has 240 classes, split 0 trains on 192"):
        decode(features, {"category": np.arange(N)}, (CATEGORY,), splits)
    truth["x"][5] = np.nan
    with pytest.raises(UserError, match="latent x is nan for stimulus 5"):
        decode(features, truth, (X,), splits)
    features[7, 3] = np.nan
    for is_gram, bad in ((False, features), (True, features @ features.T)):
        with pytest.raises(UserError, match="stimuli are NaN or infinite"):
            decode(bad, truth, (Z,), splits, is_gram=is_gram)
