"""One penalty for many targets: found among a hundred by a few products, and the same that all of them would give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlspatial.analysis import fixed_split
from mlspatial.analysis.fixed_split import InnerProducts, split_ridge
from mlspatial.analysis.ridge import RidgeFold

#: over ten decades, many near each other and some twice, as lists of penalties come
ALPHAS = [step * 10.0**exponent for exponent in range(-2, 8) for step in (1, 2.5, 5, 7.5, *np.arange(1.5, 10, 1.5))]


def errors(fold: RidgeFold, targets: np.ndarray) -> np.ndarray:
    """(penalties,) squared leave-one-out errors of all targets, each penalty by itself, in float64."""
    known = torch.from_numpy(targets - targets.mean(axis=0))
    found = []
    for alpha in ALPHAS:
        inverse = (fold.vectors / (fold.values + alpha)) @ fold.vectors.T
        found.append(float(((inverse @ known) / inverse.diagonal()[:, None]).square().sum()))
    return np.array(found)


@pytest.mark.parametrize(
    ("n", "features", "decay", "noise", "targets"),
    [
        (200, 1500, 1.0, 0.5, 60),
        (200, 1500, 2.0, 0.1, 60),  # eigenvalues over eight decades
        (200, 60, 0.0, 1.0, 300),  # fewer features than stimuli, more targets
        (200, 3000, 3.0, 0.01, 5),
        (30, 20, 1.0, 5.0, 3),  # hardly anything but noise
        (200, 1500, 1.0, 1e-9, 20),  # the least penalty is the best
    ],
)
def test_the_penalty_is_the_one_with_the_least_error(
    n: int, features: int, decay: float, noise: float, targets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(n + targets)
    x = 30 * rng.normal(size=(n, features)) * np.arange(1, features + 1) ** -decay
    y = x @ rng.normal(size=(features, targets)) / 30 + noise * rng.normal(size=(n, targets))
    fold = RidgeFold.from_gram(x @ x.T)
    every = errors(fold, y)
    products = InnerProducts(n)
    products.add(x)
    seen = []
    looked = fixed_split._may_be_least
    monkeypatch.setattr(fixed_split, "_may_be_least", lambda *given: seen.append(looked(*given)) or seen[-1])
    rows = np.arange(n)
    (alpha,) = split_ridge(products, rows, rows[:3], y, y[:3], [np.arange(targets)], ALPHAS).alphas
    assert alpha == ALPHAS[int(np.argmin(every))]
    (near,) = seen
    assert near[int(np.argmin(every))] and near.sum() <= np.sum(every <= 1.01 * every.min())  # few, and all good


def test_targets_that_never_vary_and_a_single_direction_have_a_penalty() -> None:
    rng = np.random.default_rng(0)
    rows, groups = np.arange(40), [np.arange(2)]
    still, line = np.ones((40, 2)), np.outer(rng.normal(size=40), np.ones(2))
    first, least = ALPHAS[::-1][0], min(ALPHAS)  # the first of equals; a line is fitted best without a penalty
    for x, y, expected in ((rng.normal(size=(40, 90)), still, first), (line[:, :1], line, least)):
        products = InnerProducts(40)
        products.add(x)
        assert split_ridge(products, rows, rows[:5], y, y[:5], groups, ALPHAS[::-1]).alphas[0] == expected


def test_regions_with_the_same_stimuli_share_one_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    """and others do not; blocks that are added later count."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 200)), rng.normal(size=(60, 8))
    made = []
    decomposed = RidgeFold.from_gram
    monkeypatch.setattr(RidgeFold, "from_gram", lambda *given: made.append(1) or decomposed(*given))
    train, test, groups = np.arange(45), np.arange(45, 60), [np.arange(4)]

    def scored(products: InnerProducts, new: np.ndarray, first: int) -> np.ndarray:
        part = y[:, first : first + 4]
        return split_ridge(products, train, new, part[train], part[new], groups, ALPHAS).r

    products = InnerProducts(60)
    products.add(x[:, :150])
    regions = [scored(products, test, 0), scored(products, test, 4)]
    assert len(made) == 1
    scored(products, test[:9], 0)
    assert len(made) == 2
    products.add(x[:, 150:])
    later = scored(products, test, 4)
    assert len(made) == 3
    for features, expected, first in ((x[:, :150], regions[0], 0), (x[:, :150], regions[1], 4), (x, later, 4)):
        alone = InnerProducts(60)
        alone.add(features)
        assert np.array_equal(scored(alone, test, first), expected)
