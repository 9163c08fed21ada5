"""Factorisation and invariance: by construction, and against the definitions computed in unit space."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from mlspatial.analysis.factorisation import factorisation
from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from tests.analysis.crossings import crossing_of, responses_of


def _sweeps(levels: dict[str, int], contexts: int) -> list[Crossing]:
    """One crossing of one factor each, on the same scenes."""
    found, first = [], 0
    for name, some in levels.items():
        found.append(crossing_of({name: some}, contexts, shuffled=first, first=first, name=name))
        first += some * contexts
    return found


def _mixed(rng: np.random.Generator, rows: int, units: int = 40) -> np.ndarray:
    return rng.normal(size=(rows, 8)) @ rng.normal(size=(8, units)) + 0.3 * rng.normal(size=(rows, units)) + 4.0


def _direct(responses: np.ndarray, crossings: list[Crossing], context: bool) -> dict[str, tuple[float, float, float]]:
    """factor -> PCA variant, covariance variant, invariance, all in unit space."""
    deviations: dict[str, np.ndarray] = {}
    for crossing in crossings:
        values = responses[crossing.rows]
        for axis, factor in enumerate(crossing.factors):
            others = tuple(i for i in range(len(crossing.factors)) if i != axis)
            mean = values.mean(axis=others)  # (levels, contexts, units)
            deviations[factor.name] = (mean - mean.mean(axis=0)).reshape(-1, responses.shape[1])
    if context:
        every = np.concatenate([responses[crossing.rows].reshape(-1, crossing.contexts, 40) for crossing in crossings])
        deviations["context"] = every.mean(0) - every.mean((0, 1))
    covariances = {name: rows.T @ rows / len(rows) for name, rows in deviations.items()}
    found = {}
    for name, own in covariances.items():
        other = sum(c for key, c in covariances.items() if key != name)
        others = np.concatenate([rows / np.sqrt(len(rows)) for key, rows in deviations.items() if key != name])
        axes = PCA(n_components=0.9, svd_solver="full").fit(np.concatenate([others, -others])).components_
        inside = np.trace(axes @ own @ axes.T)
        cosine = np.trace(own @ other) / np.linalg.norm(own) / np.linalg.norm(other)
        total = sum(np.trace(c) for c in covariances.values())
        found[name] = (1 - inside / np.trace(own), 1 - cosine, 1 - np.trace(own) / total)
    return found


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
def test_both_variants_equal_those_in_unit_space(crossed: bool, context: bool) -> None:
    rng = np.random.default_rng(0)
    if crossed:
        crossings = [crossing_of({"x": 3, "y": 4, "z": 2}, 5, shuffled=1)]
    else:
        crossings = _sweeps({"x": 6, "y": 4, "z": 5}, 5)
    responses = _mixed(rng, 1 + max(int(crossing.rows.max()) for crossing in crossings))
    wanted = _direct(responses, crossings, context)
    found = factorisation(responses @ responses.T, crossings, context=context)
    assert [one.factor for one in found] == ["x", "y", "z"]
    for one in found:
        values = (one.pca.value, one.covariance.value, one.invariance.value)
        assert values == pytest.approx(wanted[one.factor], abs=1e-10)
        assert 0 < one.pca.value < 1 and one.components > 0


@pytest.mark.parametrize("context", [False, True])
def test_errors_are_of_what_is_left_without_each_context(context: bool) -> None:
    rng = np.random.default_rng(2)
    crossings = _sweeps({"x": 4, "y": 3}, 6)
    responses = _mixed(rng, 42)
    found = factorisation(responses @ responses.T, crossings, context=context)
    without = []
    for left_out in range(6):
        fewer = [Crossing(c.name, c.factors, np.delete(c.rows, left_out, axis=-1)) for c in crossings]
        without.append([_direct(responses, fewer, context)[name] for name in ("x", "y")])
    errors = np.sqrt(5 / 6 * np.square(without - np.mean(without, axis=0)).sum(0))
    for one, error in zip(found, errors, strict=True):
        assert (one.pca.error, one.covariance.error, one.invariance.error) == pytest.approx(tuple(error), abs=1e-9)
        assert one.pca.low < one.pca.value < one.pca.high


def test_where_the_others_have_many_rows_the_pca_variant_is_of_contexts_that_are_spread() -> None:
    rng = np.random.default_rng(7)
    crossings = _sweeps({"x": 4, "y": 3}, 6)
    responses = _mixed(rng, 42)
    gram = responses @ responses.T
    whole, few = factorisation(gram, crossings), factorisation(gram, crossings, most=10)
    some = [Crossing(c.name, c.factors, c.rows[..., [0, 2, 4]]) for c in crossings]
    assert [one.contexts for one in whole] == [6, 6] and [one.contexts for one in few] == [3, 2]
    assert few[0].pca == factorisation(gram, some)[0].pca
    assert few[0].covariance == whole[0].covariance and few[0].invariance == whole[0].invariance


def test_codes_of_known_factorisation_and_invariance() -> None:
    """Orthogonal subspaces: 1; the same axis: 0; a factor that does nothing: invariance 1 and no factorisation."""
    crossing = crossing_of({"x": 5, "y": 4, "z": 3}, 6)
    x, y, _, c = np.indices(crossing.rows.shape).astype(float)
    apart = np.stack([x, x**2, y, np.cos(y), 0.3 * c], axis=-1)
    responses = responses_of(crossing, apart)
    found = {one.factor: one for one in factorisation(responses @ responses.T, [crossing])}
    for name in ("x", "y"):
        for value in (found[name].pca.value, found[name].covariance.value, found[name].debiased.value):
            assert value == pytest.approx(1.0, abs=1e-10)
    assert found["z"].invariance.value == pytest.approx(1.0, abs=1e-10)
    assert found["z"].debiased_invariance.value == pytest.approx(1.0, abs=1e-10)
    assert np.isnan([found["z"].pca.value, found["z"].covariance.value, found["z"].debiased.value]).all()
    assert found["x"].invariance.value + found["y"].invariance.value == pytest.approx(1.0)
    together = responses_of(crossing, np.stack([x + y, 2 * (x + y)], axis=-1))
    for one in factorisation(together @ together.T, [crossing])[:2]:
        assert (one.pca.value, one.covariance.value, one.debiased.value) == pytest.approx((0.0, 0.0, 0.0), abs=1e-10)


def test_an_angle_between_two_axes_gives_its_squared_sine() -> None:
    """One dimension each: 1 - cos^2 for both variants."""
    crossing = crossing_of({"x": 4, "y": 4}, 4)
    x, y, _ = np.indices(crossing.rows.shape).astype(float)
    angle = np.deg2rad(35.0)
    responses = responses_of(crossing, np.stack([x + np.cos(angle) * y, np.sin(angle) * y], axis=-1))
    for one in factorisation(responses @ responses.T, [crossing]):
        wanted = np.sin(angle) ** 2
        assert (one.pca.value, one.covariance.value, one.debiased.value) == pytest.approx((wanted,) * 3, abs=1e-10)


def test_the_debiased_variant_finds_the_code_of_any_context() -> None:
    """The same shift of x and y in a context aligns their deviations there; their mean curves are orthogonal."""
    rng = np.random.default_rng(3)
    crossings = _sweeps({"x": 4, "y": 4}, 16)
    plain, fair, invariances = [], [], []
    for _ in range(60):
        responses = np.zeros((128, 6))
        mixed = rng.normal(size=(4, 16, 6)) * 0.6
        for axis, crossing in enumerate(crossings):
            responses[crossing.rows] = mixed
            responses[crossing.rows, axis] += (1.0 + axis) * np.arange(4.0)[:, None]
        one = factorisation(responses @ responses.T, crossings)[0]
        plain.append(one.covariance.value)
        fair.append(one.debiased.value)
        invariances.append(one.debiased_invariance.value)
    assert np.mean(fair) == pytest.approx(1.0, abs=3 * np.std(fair) / np.sqrt(60) + 1e-3)
    assert np.mean(plain) < 0.95
    assert np.mean(invariances) == pytest.approx(1 - 1 / 5, abs=0.01)


def test_what_is_undefined_is_nan() -> None:
    crossings = _sweeps({"x": 3, "y": 3}, 3)
    flat = factorisation(np.full((18, 18), 2.0), crossings)
    assert np.isnan([flat[0].pca.value, flat[0].invariance.value, flat[0].debiased_invariance.value]).all()
    rng = np.random.default_rng(4)
    responses = _mixed(rng, 18)
    few = factorisation(responses @ responses.T, crossings)[0]
    assert np.isfinite([few.pca.error, few.debiased_invariance.value]).all() and np.isnan(few.debiased.value)
    alone = factorisation(responses @ responses.T, crossings[:1])[0]
    assert np.isnan(alone.pca.value) and alone.invariance.value == pytest.approx(0.0)
    one = [Crossing(c.name, c.factors, c.rows[..., :1]) for c in crossings]
    single = factorisation(responses @ responses.T, one)[0]
    assert np.isfinite(single.pca.value) and np.isnan([single.pca.error, single.debiased_invariance.value]).all()


def test_wrong_input_is_named() -> None:
    crossings = _sweeps({"x": 3, "y": 3}, 3)
    with pytest.raises(BadValue, match=r"share=1\.5"):
        factorisation(np.eye(18), crossings, share=1.5)
    with pytest.raises(BadValue, match="factor=x"):
        factorisation(np.eye(18), [crossings[0], crossings[0]])
    with pytest.raises(BadValue, match="contexts=2"):
        factorisation(np.eye(24), [crossings[0], crossing_of({"y": 3}, 2, first=9, name="other")])
    with pytest.raises(StimulusMismatch, match="row 17 of 12"):
        factorisation(np.eye(12), crossings)
    with pytest.raises(UserError, match="no crossing"):
        factorisation(np.eye(4), [])
