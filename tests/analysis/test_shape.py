"""Procrustes similarity against SciPy, the definition and the axioms of a metric."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from mlspatial.analysis import shape
from mlspatial.analysis.gram import Gram, unpack
from mlspatial.analysis.shape import (
    angular_distance,
    feature_factor,
    gram_factor,
    procrustes_distance,
    procrustes_matrix,
    procrustes_similarity,
)
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError


def layers(n: int = 80, features: tuple[int, ...] = (300, 150, 20)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(n, 8))
    return [np.maximum(causes @ rng.normal(size=(8, p)) + 0.3 * rng.normal(size=(n, p)), 0) for p in features]


def unit(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=0)
    return x / np.linalg.norm(x)


def test_similarity_and_distance_equal_scipy_s_best_rotation() -> None:
    x, y = (unit(layer) for layer in layers(features=(90, 90)))
    rotation, nuclear = orthogonal_procrustes(x, y)
    ours = procrustes_similarity(gram_factor(x @ x.T), gram_factor(y @ y.T))
    assert ours == pytest.approx(nuclear, abs=1e-9)
    assert procrustes_distance(ours) == pytest.approx(np.linalg.norm(x @ rotation - y), abs=1e-8)
    assert angular_distance(ours) == pytest.approx(np.arccos(np.trace((x @ rotation).T @ y)), abs=1e-8)


def test_widths_may_differ_and_factors_may_be_features() -> None:
    activations = layers()
    expected = np.array([[np.linalg.norm(unit(x).T @ unit(y), "nuc") for y in activations] for x in activations])
    factors = [gram_factor(x @ x.T, rank=x.shape[1]) for x in activations]
    assert [factor.shape for factor in factors] == [(80, 79), (80, 79), (80, 20)]
    assert procrustes_matrix(factors) == pytest.approx(expected, abs=1e-8)
    assert procrustes_matrix(factors[:1], [feature_factor(x) for x in activations]) == pytest.approx(
        expected[:1], abs=1e-8
    )


def test_rounding_of_a_kept_matrix_is_no_dimension() -> None:
    """A Gram matrix that was kept, of 80 stimuli and 20 and 30 features: the root of float32's rounding is 1e-4."""
    x, y = layers(features=(20, 30))
    grams = []
    for layer in (x, y):
        gram = Gram(80)
        gram.add(layer.astype(np.float32))
        grams.append(unpack(gram.packed()))
    factors = [gram_factor(gram) for gram in grams]
    assert [factor.shape[1] for factor in factors] == pytest.approx([20, 30], abs=2)
    assert procrustes_similarity(*factors) == pytest.approx(np.linalg.norm(unit(x).T @ unit(y), "nuc"), abs=1e-7)


def test_a_factor_reproduces_the_centred_gram() -> None:
    x = layers()[0]
    factor = gram_factor(x @ x.T)
    assert factor @ factor.T == pytest.approx(unit(x) @ unit(x).T, abs=1e-14)


def test_rotation_scale_and_shift_change_nothing() -> None:
    x, _, z = layers()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(300, 300)))[0]
    turned = 50 * x @ rotation + 3
    factors = [gram_factor(a @ a.T) for a in (x, turned)]
    assert procrustes_similarity(*factors) == pytest.approx(1, abs=1e-10)
    assert angular_distance(procrustes_similarity(*factors)) == pytest.approx(0, abs=1e-5)
    assert procrustes_similarity(factors[0], feature_factor(z)) == pytest.approx(
        procrustes_similarity(factors[1], feature_factor(z)), abs=1e-10
    )


def test_angles_are_a_metric() -> None:
    rng = np.random.default_rng(2)
    angles = angular_distance(procrustes_matrix([feature_factor(rng.normal(size=(30, 1 + k))) for k in range(12)]))
    assert (angles == angles.T).all() and (np.diag(angles) == 0).all()
    assert (angles[:, :, None] <= angles[:, None, :] + angles[None, :, :] + 1e-12).all()


def test_patterns_without_a_common_dimension_are_a_right_angle_apart() -> None:
    axes = np.linalg.qr(np.column_stack([np.ones(10), np.random.default_rng(3).normal(size=(10, 6))]))[0][:, 1:]
    s = procrustes_similarity(feature_factor(axes[:, :3]), feature_factor(axes[:, 3:]))
    assert s == pytest.approx(0, abs=1e-12) and angular_distance(s) == pytest.approx(np.pi / 2)


@pytest.mark.parametrize("decades", [0, 3, 6, 12])
def test_the_sum_of_singular_values_is_exact_however_fast_they_fall(decades: int, monkeypatch) -> None:
    rng = np.random.default_rng(4)
    left, right = (np.linalg.qr(rng.normal(size=(120, 120)))[0] for _ in range(2))
    values = np.logspace(0, -decades, 120)
    ways = []
    monkeypatch.setattr(np.linalg, "svd", lambda *a, svd=np.linalg.svd, **k: ways.append(1) or svd(*a, **k))
    assert shape._nuclear_norm(left * values @ right) == pytest.approx(values.sum(), abs=1e-9)
    assert bool(ways) == (decades >= 6), "the slow way only where it is needed"


def test_what_does_not_fit() -> None:
    with pytest.raises(StimulusMismatch, match="5 and 6 stimuli"):
        procrustes_similarity(feature_factor(np.eye(5)), feature_factor(np.eye(6)))
    with pytest.raises(StimulusMismatch, match=r"\(5, 6\)"):
        gram_factor(np.ones((5, 6)))
    with pytest.raises(UserError, match="does not vary"):
        gram_factor(np.zeros((5, 5)))
    with pytest.raises(UserError, match="does not vary"):
        feature_factor(np.ones((5, 3)))
    with pytest.raises(BadValue, match="rank=0"):
        gram_factor(np.eye(5), rank=0)
