"""Group statistics against numbers worked out by hand and by drawing models one by one."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.groups import GroupPair, group_statistics
from mlspatial.core.errors import BadValue, UserError

GROUPS = ["a", "a", "b", "a", "b"]
MATRIX = np.array(
    [
        [1.0, 0.9, 0.1, 0.8, 0.2],
        [0.9, 1.0, 0.3, 0.7, 0.4],
        [0.1, 0.3, 1.0, 0.5, 0.6],
        [0.8, 0.7, 0.5, 1.0, 0.6],
        [0.2, 0.4, 0.6, 0.6, 1.0],
    ]
)


def statistics(rng: np.random.Generator, **options) -> dict[tuple[str, str], GroupPair]:
    return {(r.first, r.second): r for r in group_statistics(MATRIX, GROUPS, rng, **options)}


def test_means_and_deviations_by_hand(rng: np.random.Generator) -> None:
    records = statistics(rng)
    assert list(records) == [("a", "a"), ("a", "b"), ("b", "b")]
    within, between, alone = records.values()
    assert (within.mean, within.sd, within.pairs) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert (between.mean, between.sd, between.pairs) == (pytest.approx(0.35), pytest.approx(np.std(values, ddof=1)), 6)
    assert alone.mean == pytest.approx(0.6) and alone.pairs == 1
    assert np.isnan([alone.sd, alone.low, alone.high]).all()
    assert within.low < within.mean < within.high and between.low < between.mean < between.high


def test_the_interval_equals_drawing_models_one_by_one() -> None:
    """Same distribution from an independent loop; two copies of one model are no pair."""
    records = statistics(np.random.default_rng(1), resamples=20_000, level=0.8)
    rng = np.random.default_rng(2)
    within, between = [], []
    for _ in range(5000):
        a, b = rng.choice([0, 1, 3], 3), rng.choice([2, 4], 2)
        pairs = [MATRIX[i, j] for k, i in enumerate(a) for j in a[k + 1 :] if i != j]
        within += [np.mean(pairs)] if pairs else []
        between.append(MATRIX[np.ix_(a, b)].mean())
    for record, means in ((records["a", "a"], within), (records["a", "b"], between)):
        assert [record.low, record.high] == pytest.approx(np.quantile(means, [0.1, 0.9]), abs=0.02)


def test_the_generator_decides() -> None:
    first, again = (statistics(np.random.default_rng(7), resamples=50)["a", "b"] for _ in range(2))
    other = statistics(np.random.default_rng(8), resamples=50)["a", "b"]
    assert first == again and first != other


def test_more_seeds_narrow_the_interval() -> None:
    widths = []
    for count in (4, 40):
        effect = np.tile([-0.1, 0.1], count)
        matrix = 0.5 + effect[:, None] + effect
        groups = ["x"] * count + ["y"] * count
        record = group_statistics(matrix, groups, np.random.default_rng(1))[1]
        widths.append(record.high - record.low)
    assert widths[1] < widths[0] / 2


def test_a_seed_is_not_compared_with_itself(rng: np.random.Generator) -> None:
    """Models 0 and 1 are one seed at two checkpoints."""
    within = statistics(rng, seeds=[3, 3, 3, 4, 4])["a", "a"]
    assert within.pairs == 2 and within.mean == pytest.approx(0.75)


def test_a_group_of_one(rng: np.random.Generator) -> None:
    records = group_statistics(MATRIX[:3, :3], GROUPS[:3], rng)
    assert [r.pairs for r in records] == [1, 2, 0]
    assert np.isnan(records[2].mean)
    assert 0.1 <= records[1].low <= records[1].high <= 0.3


def test_what_does_not_fit(rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match=r"\(5, 5\) do not fit 4 models"):
        group_statistics(MATRIX, GROUPS[:4], rng)
    with pytest.raises(UserError, match="2 seeds for 5 models"):
        group_statistics(MATRIX, GROUPS, rng, seeds=[1, 2])
    with pytest.raises(UserError, match="symmetric"):
        group_statistics(np.triu(MATRIX), GROUPS, rng)
    with pytest.raises(UserError, match=r"model 2 \(b\) are not finite"):
        group_statistics(np.where(np.arange(5)[:, None] == 2, np.nan, MATRIX), GROUPS, rng)
    with pytest.raises(BadValue, match="level=95"):
        group_statistics(MATRIX, GROUPS, rng, level=95)
    with pytest.raises(BadValue, match="resamples=0"):
        group_statistics(MATRIX, GROUPS, rng, resamples=0)
