"""The ceiling of similarity matrices against populations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.device import exact_device
from mlspatial.analysis.gsn import LEVELS, _alternate, _halves, _nearest, _share, _shrunken, ncsnr, rsa_ceiling
from mlspatial.core.errors import UserError
from tests.analysis.conftest import Backend

STIMULI, VOXELS, REPEATS = 200, 60, 3


def population(rng: np.random.Generator, noise: float, stimuli: int = STIMULI) -> tuple[np.ndarray, np.ndarray]:
    """(signal (stimuli, voxels), trials): correlated over voxels, with noise correlated in another way."""
    weights = rng.normal(size=(12, VOXELS))
    signal = rng.normal(size=(stimuli, 12)) @ weights / np.sqrt(12)
    common = rng.normal(size=(stimuli, REPEATS, 5)) @ rng.normal(size=(5, VOXELS)) / np.sqrt(5)
    own = rng.normal(size=(stimuli, REPEATS, VOXELS))
    trials = signal[:, None] + noise * (0.6 * common + 0.8 * own)
    return signal, trials.transpose(0, 2, 1)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    upper = np.triu_indices(len(a), 1)
    return float(np.corrcoef(np.corrcoef(a)[upper], np.corrcoef(b)[upper])[0, 1])


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_the_true_ceiling_is_inside_the_interval(noise: float) -> None:
    rng = np.random.default_rng([1, int(10 * noise)])
    signal, trials = population(rng, noise)
    true = alike(signal, trials.mean(axis=2))
    found = rsa_ceiling(trials, np.random.default_rng(2))
    assert found.low <= true <= found.high
    assert found.ceiling == pytest.approx(true, abs=0.06)
    naive = alike(*(trials[:, :, [i]].mean(axis=2) for i in (0, 1)))
    assert naive < found.ceiling  # halves of one trial each know less than three trials and no truth


def test_more_trials_raise_the_ceiling_and_noise_alone_has_none() -> None:
    rng = np.random.default_rng(3)
    _, trials = population(rng, 1.5)
    one, many = (rsa_ceiling(trials, np.random.default_rng(0), averaged=count).ceiling for count in (1, 30))
    assert one < many and many > 0.9
    noise = np.random.default_rng(4).normal(size=(STIMULI, VOXELS, REPEATS))
    assert rsa_ceiling(noise, np.random.default_rng(0)).ceiling < 0.35
    same = rsa_ceiling(trials, np.random.default_rng(0)), rsa_ceiling(trials, np.random.default_rng(0))
    assert same[0].ceiling == same[1].ceiling


def test_ncsnr_recovers_the_ratio_of_standard_deviations() -> None:
    rng = np.random.default_rng(5)
    ratio = np.linspace(0.2, 2.0, 20)
    trials = (rng.normal(size=(4000, 20)) * ratio)[..., None] + rng.normal(size=(4000, 20, 3))
    np.testing.assert_allclose(ncsnr(trials), ratio, atol=0.06)


def test_recordings_in_float32_lose_nothing() -> None:
    _, trials = population(np.random.default_rng(9), 1.0, stimuli=80)
    single = (trials + 100).astype(np.float32)
    exact = single.astype(np.float64)
    np.testing.assert_allclose(ncsnr(single), ncsnr(exact), rtol=1e-12)
    found, expected = (rsa_ceiling(some, np.random.default_rng(0), simulations=5) for some in (single, exact))
    assert found.ceiling == pytest.approx(expected.ceiling, abs=1e-12)


def test_shrinkage_keeps_what_is_there() -> None:
    rng = np.random.default_rng(6)
    independent = rng.normal(size=(60, 1, 40))
    assert _share(independent, np.random.default_rng(0), 0) <= 0.2
    strong = rng.normal(size=(3000, 1, 3)) @ rng.normal(size=(3, 10)) + 0.3 * rng.normal(size=(3000, 1, 10))
    assert _share(strong, np.random.default_rng(0), 0) >= 0.96
    exact = np.cov(strong[:, 0].T)
    np.testing.assert_allclose(_shrunken(strong, 0.3, 0), 0.3 * exact + 0.7 * np.diag(np.diag(exact)))


@pytest.mark.parametrize("freedom", [0, 2])
@pytest.mark.parametrize("voxels", [20, 300])  # fewer and more than rows
def test_the_share_is_the_likeliest_of_all(voxels: int, freedom: int) -> None:
    rng = np.random.default_rng([8, voxels, freedom])
    shape = (60, 3 if freedom else 1, 6)
    groups = rng.normal(size=shape) @ rng.normal(size=(6, voxels)) + 3 * rng.normal(size=(*shape[:2], voxels))
    order = np.random.default_rng(1).permutation(60)
    out, rest = groups[order[:12]], groups[order[12:]]
    mean = 0.0 if freedom else rest.mean(axis=(0, 1))
    tested, rows = (part.reshape(-1, voxels) - mean for part in (out, rest))
    whole = rows.T @ rows / (48 * freedom or 47)
    costs = []
    for share in LEVELS[:-1]:  # of the last, the covariance has no inverse when there are few rows
        shrunken = share * whole + (1 - share) * np.diag(np.diag(whole))
        costs.append(np.linalg.slogdet(shrunken)[1] + np.mean(tested * np.linalg.solve(shrunken, tested.T).T) * voxels)
    assert 0.0 < LEVELS[int(np.argmin(costs))] < 0.98
    assert _share(groups, np.random.default_rng(1), freedom) == LEVELS[int(np.argmin(costs))]


def test_nearest_covariances_are_covariances(place: Backend) -> None:
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(8, 8))
    matrix = (matrix + matrix.T) / 2
    there = exact_device(place.device)
    near, root = _nearest(matrix.copy(), there)
    assert np.linalg.eigvalsh(near).min() > -1e-10
    np.testing.assert_allclose(root() @ root().T, near, atol=1e-6)
    np.testing.assert_allclose(root(), root().T, atol=1e-6)
    for _ in range(50):  # no covariance matrix is nearer
        other = rng.normal(size=(8, 8)) * 0.1
        trial, _ = _nearest(near + (other + other.T) / 2)
        assert np.linalg.norm(trial - matrix) >= np.linalg.norm(near - matrix) - 1e-12
    definite = near + np.eye(8)
    same, root = _nearest(definite, there)
    assert same is definite
    np.testing.assert_allclose(root() @ root().T, definite, atol=1e-6)
    signal, noise = _alternate(np.eye(4) * 0.1, np.eye(4), 100, 3)  # less variance than noise alone leaves
    assert not signal.any() and np.diag(noise).min() > 0


def test_many_voxels_are_decomposed_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    trials = (rng.normal(size=(60, 1, 5)) @ rng.normal(size=(5, 90)))[:, 0, :, None] + rng.normal(size=(60, 90, 3))
    exact = rsa_ceiling(trials, np.random.default_rng(0))
    monkeypatch.setattr("mlspatial.analysis.gsn.LARGE", 10)
    single = rsa_ceiling(trials, np.random.default_rng(0))
    assert single.ceiling != exact.ceiling and single.ceiling == pytest.approx(exact.ceiling, abs=1e-5)


def test_bad_input() -> None:
    with pytest.raises(UserError, match="2 or more repeats"):
        rsa_ceiling(np.zeros((20, 5, 1)), np.random.default_rng(0))
    with pytest.raises(UserError, match="not finite"):
        ncsnr(np.full((20, 5, 2), np.nan))
    with pytest.raises(UserError, match="too few"):
        rsa_ceiling(np.random.default_rng(0).normal(size=(5, 5, 2)), np.random.default_rng(0))


@pytest.mark.parametrize(("repeats", "splits"), [(2, 1), (3, 3), (6, 10), (8, 35), (10, 50)])
def test_all_ways_to_halve_the_trials_up_to_fifty(repeats: int, splits: int) -> None:
    """Of 6 trials 10 pairs of halves, of 8 trials 35, of 10 trials 126: fifty of them."""
    found = _halves(repeats, np.random.default_rng(0))
    assert len(found) == splits
    assert all(len(one) == len(other) == repeats // 2 and not set(one) & set(other) for one, other in found)
