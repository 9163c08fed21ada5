"""The variance split: statsmodels unit by unit, closed forms, and unbiasedness by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlspatial.analysis.anova import unit_variance_split, variance_split
from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue, StimulusMismatch
from tests.analysis.crossings import crossing_of, responses_of


def _by_statsmodels(values: np.ndarray, crossing: Crossing) -> dict[str, tuple[float, float]]:
    """effect -> (SS, df) of one unit; values: (levels, ..., contexts). A saturated model has no residual of its own."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    names = [factor.name for factor in crossing.factors] + ["context"]
    index = np.indices(values.shape).reshape(len(names), -1)
    frame = pd.DataFrame(dict(zip(names, index, strict=True))).assign(response=values.ravel())
    model = ols("response ~ " + " * ".join(f"C({name}, Sum)" for name in names), frame).fit()
    with np.errstate(all="ignore"):
        table = anova_lm(model, typ=1)
    return {
        " × ".join(part.split("(")[1].split(",")[0] for part in str(row).split(":")): (line["sum_sq"], line["df"])
        for row, line in table.iterrows()
        if row != "Residual"
    }


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("levels", [{"x": 4}, {"x": 3, "y": 2}, {"x": 2, "y": 3, "z": 4}])
def test_sums_of_squares_are_those_of_statsmodels(levels: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    crossing = crossing_of(levels, 3, shuffled=1, first=5)
    values = rng.normal(size=(*crossing.rows.shape, 4)) + rng.normal(size=4) * 3
    responses = responses_of(crossing, values, rows=int(crossing.rows.max()) + 4)
    tables = [_by_statsmodels(values[..., unit], crossing) for unit in range(4)]
    units = unit_variance_split(responses, crossing)
    used = np.nan_to_num(responses)
    population = variance_split(used @ used.T, crossing)
    assert [share.effect for share in population] == list(units.effects)
    assert set(units.effects) - {"residual"} == set(tables[0])
    for i, effect in enumerate(units.effects[:-1]):
        wanted = [table[effect][0] for table in tables]
        assert units.ss[i] == pytest.approx(wanted, rel=1e-9, abs=1e-10)
        assert units.df[i] == tables[0][effect][1] == population[i].df
        assert population[i].ss == pytest.approx(sum(wanted), rel=1e-9, abs=1e-9)
        assert population[i].ms == pytest.approx(population[i].ss / population[i].df)
    total = sum(np.square(values - values.reshape(-1, 4).mean(0)).reshape(-1, 4).sum(0))
    assert sum(share.ss for share in population[:-1]) == pytest.approx(total)
    assert sum(share.share for share in population[:-1]) == pytest.approx(1.0)
    pooled = [share for share in population[:-1] if share.context and share.factors]
    assert population[-1].ss == pytest.approx(sum(share.ss for share in pooled))
    assert population[-1].df == sum(share.df for share in pooled)


def test_components_of_units_add_to_those_of_the_population_and_ignore_the_origin() -> None:
    rng = np.random.default_rng(2)
    crossing = crossing_of({"x": 3, "y": 4}, 5, shuffled=3)
    responses = rng.normal(size=(60, 7))
    units = unit_variance_split(responses, crossing)
    for moved in (responses, responses + rng.normal(size=7)):
        population = variance_split(moved @ moved.T, crossing)
        assert [s.component for s in population] == pytest.approx(units.component.sum(1), abs=1e-12)
        assert [s.ss for s in population] == pytest.approx(units.ss.sum(1), abs=1e-10)


def _true_values(rng: np.random.Generator, contexts: int, units: int = 3) -> tuple[np.ndarray, dict[str, float]]:
    """Effects of known size; context: alone 2.0, with x 0.7, with both 0.3, with y none."""
    fixed = np.random.default_rng(9)

    def effect(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        values = generator.normal(size=(*shape, units))
        for axis in range(2):
            if shape[axis] > 1:
                values -= values.mean(axis, keepdims=True)
        return values

    sizes = {"x": 1.0, "y": 0.25, "x × y": 0.5, "context": 2.0, "x × context": 0.7, "y × context": 0.0}
    sizes["x × y × context"] = 0.3
    total = np.zeros((3, 4, contexts, units))
    for name, shape in {"x": (3, 1, 1), "y": (1, 4, 1), "x × y": (3, 4, 1)}.items():
        values = effect(fixed, shape)
        scale = sizes[name] / np.square(values).sum(-1).mean()
        total += values * np.sqrt(scale)
    for name, shape in {"context": (1, 1), "x × context": (3, 1), "x × y × context": (3, 4)}.items():
        values = effect(rng, (*shape, contexts))
        expected = units * np.prod([(a - 1) / a for a in shape if a > 1])  # what centring leaves of unit variance
        total += values * np.sqrt(sizes[name] / expected)
    return total + 5.0, sizes


def test_components_are_unbiased_and_the_jackknife_error_is_their_spread() -> None:
    rng = np.random.default_rng(4)
    crossing = crossing_of({"x": 3, "y": 4}, 8)
    found, shares, errors = [], [], []
    for _ in range(400):
        values, sizes = _true_values(rng, 8)
        responses = responses_of(crossing, values)
        split = {share.effect: share for share in variance_split(responses @ responses.T, crossing)}
        found.append([split[name].component for name in sizes])
        shares.append([split[name].component_share for name in sizes])
        errors.append([split[name].error for name in sizes])
    spread = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - list(sizes.values())) < 4 * spread + 1e-12)
    assert np.array(found)[:, 1].min() < 0.25 < np.array(found)[:, 1].max()
    some = [0, 2, 3, 4]
    ratio = np.median(errors, axis=0)[some] / np.std(shares, axis=0, ddof=1)[some]
    assert np.all((ratio > 0.6) & (ratio < 1.4))


def test_without_signal_the_component_is_zero_on_average_and_the_plain_share_is_not() -> None:
    rng = np.random.default_rng(5)
    crossing = crossing_of({"x": 6}, 4)
    plain, component = [], []
    for _ in range(300):
        responses = rng.normal(size=(24, 10))
        share = variance_split(responses @ responses.T, crossing)[0]
        plain.append(share.share)
        component.append(share.component_share)
    assert np.mean(plain) == pytest.approx(5 / 23, abs=0.01)
    assert np.mean(component) == pytest.approx(0.0, abs=0.01)


def test_what_is_undefined_is_nan() -> None:
    crossing = crossing_of({"x": 4}, 3)
    constant = variance_split(np.full((12, 12), 7.3), crossing)
    assert all(np.isnan(s.share) and np.isnan(s.component_share) for s in constant)
    assert np.isnan(unit_variance_split(np.full((12, 2), 0.1), crossing).share).all()
    one = crossing_of({"x": 4}, 1)
    responses = np.random.default_rng(6).normal(size=(4, 3))
    shares = variance_split(responses @ responses.T, one)
    assert shares[0].share == pytest.approx(1.0) and np.isnan(shares[0].component)
    two = variance_split((more := np.random.default_rng(7).normal(size=(8, 3))) @ more.T, crossing_of({"x": 4}, 2))
    assert np.isfinite(two[0].component_share) and np.isnan(two[0].error)


def test_wrong_input_is_named() -> None:
    crossing = crossing_of({"x": 4}, 3)
    with pytest.raises(StimulusMismatch, match="rows 0 to 11 of 9"):
        variance_split(np.eye(9), crossing)
    with pytest.raises(StimulusMismatch, match="rows 0 to 11 of 9"):
        unit_variance_split(np.ones((9, 2)), crossing)
    with pytest.raises(BadValue, match="factor=context"):
        variance_split(np.eye(12), crossing_of({"context": 4}, 3))
