"""One-to-one mapping against SciPy's assignment of everything, soft matching against assignment and mathematics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from mlspatial.analysis.matching import OneToOne, soft_matching
from mlspatial.analysis.pls import splits
from mlspatial.core.errors import StimulusMismatch, UserError
from tests.analysis.conftest import Backend


def populations(n: int, neuroids: int, units: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Responses and units that share 2 causes, so that neuroids compete for the same units."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 2))
    responses = causes @ rng.normal(size=(2, neuroids)) + rng.normal(size=(n, neuroids))
    return responses, np.maximum(causes @ rng.normal(size=(2, units)) + 0.5 * rng.normal(size=(n, units)), 0) + 40.0


def by_scipy(
    responses: np.ndarray, units: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """(units, test correlations, sum of training correlations) of the best assignment among all units."""
    m = responses.shape[1]
    known = np.corrcoef(responses[train].T, units[train].T)[:m, m:]
    rows, columns = linear_sum_assignment(known, maximize=True)
    tested = [np.corrcoef(responses[test, i], units[test, j])[0, 1] for i, j in zip(rows, columns, strict=True)]
    return columns, np.array(tested), known[rows, columns].sum()


@pytest.mark.parametrize("sizes", [(40,), (7, 3, 20, 10), (1,) * 25 + (15,)])
def test_streamed_assignment_equals_scipy_s_among_all_units(sizes: tuple[int, ...], backend: Backend) -> None:
    responses, units = populations(90, 12, 40)
    units = backend.rounded(units)
    folds = splits(90)[:4]
    mapping = OneToOne(responses, folds)
    for chunk in np.split(units, np.cumsum(sizes)[:-1], axis=1):
        mapping.add(backend.on(chunk))
    found, assigned = mapping.correlations(), mapping.assigned()
    for fold, (train, test) in enumerate(folds):
        expected, tested, _ = by_scipy(responses, units, train, test)
        assert assigned[fold].tolist() == expected.tolist()
        assert found[fold] == backend.near(tested, 1e-10)
        greedy = np.corrcoef(responses[train].T, units[train].T)[:12, 12:].argmax(axis=1)
        assert len(set(greedy)) < 12, "neuroids compete for units, or the assignment has nothing to do"


def test_folds_that_leave_stimuli_out_of_both_sides(backend: Backend) -> None:
    responses, units = populations(80, 5, 40, seed=1)
    units = backend.rounded(units)
    train, test = np.arange(10, 50), np.arange(70, 80)
    mapping = OneToOne(responses, [(train, test)])
    mapping.add(backend.on(units))
    expected, tested, _ = by_scipy(responses, units, train, test)
    assert mapping.assigned()[0].tolist() == expected.tolist()
    assert mapping.correlations()[0] == backend.near(tested, 1e-10)


def test_neuroids_among_the_units_find_themselves(backend: Backend) -> None:
    responses, units = populations(60, 8, 200)
    mapping = OneToOne(responses, splits(60))
    mapping.add(backend.on(np.concatenate([units, 3 * responses + 7], axis=1)))
    assert mapping.correlations() == pytest.approx(np.ones((10, 8)))
    assert (mapping.assigned() == np.arange(200, 208)).all()


def test_units_and_neuroids_that_do_not_vary(backend: Backend) -> None:
    responses, units = populations(60, 3, 6)
    folds = splits(60)[:1]
    test = folds[0][1]
    units[:, 0] = 5.0
    units[:, 1] = 0.3
    units[test[0], 1] = 9.0  # varies over the test stimuli of the first split only
    responses[:, 2] = 1.0
    mapping = OneToOne(responses, folds)
    mapping.add(backend.on(units))
    r = mapping.correlations()
    assert np.isfinite(r[0, :2]).all() and np.isnan(r[0, 2])
    assert not {0, 1} & set(mapping.assigned()[0, :2].tolist())
    few = OneToOne(responses, folds)
    few.add(backend.on(units[:, :4]))
    with pytest.raises(UserError, match="2 of 4 units vary over the training stimuli of split 0, fewer than the 3"):
        few.correlations()


def test_what_does_not_fit() -> None:
    responses, units = populations(40, 3, 5)
    with pytest.raises(StimulusMismatch, match=r"\(39, 5\)"):
        OneToOne(responses, splits(40)).add(torch.from_numpy(units[1:]))
    with pytest.raises(UserError, match="not finite"):
        OneToOne(responses, splits(40)).add(torch.full((40, 2), torch.nan))
    with pytest.raises(UserError, match="finite"):
        OneToOne(np.full((40, 2), np.nan), splits(40))
    with pytest.raises(StimulusMismatch, match="same stimuli"):
        soft_matching(units, units[:5])
    with pytest.raises(UserError, match="1 units"):
        soft_matching(np.ones((40, 1)), units)
    with pytest.raises(UserError, match="unknowns"):
        soft_matching(np.ones((3, 600)), np.ones((3, 600)))


def test_soft_matching_of_equal_sizes_is_the_best_assignment() -> None:
    x, y = populations(50, 20, 20, seed=2)
    found = soft_matching(x, y)
    r = np.corrcoef(x.T, y.T)[:20, 20:]
    rows, columns = linear_sum_assignment(r, maximize=True)
    assert found.correlation == pytest.approx(r[rows, columns].mean(), abs=1e-9)
    assert found.plan.argmax(axis=1).tolist() == columns.tolist()
    assert found.plan.max(axis=1) == pytest.approx(np.full(20, 1 / 20))


def test_soft_matching_of_multiples_equals_the_assignment_of_copies() -> None:
    """With 3 times as many units every unit of the smaller side counts as 3 copies of itself."""
    x, y = populations(50, 7, 21, seed=3)
    found = soft_matching(x, y)
    r = np.repeat(np.corrcoef(x.T, y.T)[:7, 7:], 3, axis=0)
    rows, columns = linear_sum_assignment(r, maximize=True)
    assert found.correlation == pytest.approx(r[rows, columns].mean(), abs=1e-9)
    assert found.plan.sum(axis=0) == pytest.approx(np.full(21, 1 / 21))
    assert found.plan.sum(axis=1) == pytest.approx(np.full(7, 1 / 7))


def test_soft_matching_is_symmetric_and_knows_permutations_from_rotations() -> None:
    x, y = populations(60, 9, 14, seed=4)
    there, back = soft_matching(x, y), soft_matching(y, x)
    assert there.correlation == pytest.approx(back.correlation, abs=1e-9)
    shuffled = soft_matching(x, 2.0 * x[:, ::-1] - 5.0)
    assert shuffled.correlation == pytest.approx(1.0) and shuffled.distance == pytest.approx(0.0, abs=1e-4)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(9, 9)))[0]
    assert soft_matching(x, x @ rotation).correlation < 0.9
