"""Principal components from inner products: scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from mlspatial.analysis.pca import pca_gram
from mlspatial.core.errors import BadValue, StimulusMismatch


@pytest.mark.parametrize(
    ("n_fit", "components", "features"), [(60, 20, 200), (60, 59, 200), (80, 30, 50), (40, 12, 30)]
)
def test_scores_have_scikit_learns_inner_products(
    rng: np.random.Generator, n_fit: int, components: int, features: int
) -> None:
    x = rng.normal(size=(n_fit + 25, features)) @ np.diag(0.9 ** np.arange(features)) + rng.normal(size=features)
    scores = PCA(components, svd_solver="full").fit(x[:n_fit]).transform(x[n_fit:])
    joint = x @ x.T
    expected = scores @ scores.T
    assert pca_gram(joint, n_fit, components=components) == pytest.approx(expected, abs=1e-9 * np.abs(expected).max())
    moved = x + 5.0
    assert pca_gram(moved @ moved.T, n_fit, components=components) == pytest.approx(expected, abs=1e-8)


def test_components_beyond_the_rank_are_left_out(rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 300))
    scores = PCA(4, svd_solver="full").fit(x[:30]).transform(x[30:])
    assert pca_gram(x @ x.T, 30, components=30) == pytest.approx(scores @ scores.T, abs=1e-8)


def test_rounding_of_a_kept_matrix_is_no_component(rng: np.random.Generator) -> None:
    """Layers of which many units are silent: what float32 adds to a rank of 8 has eigenvalues of either sign, and a
    quotient by one that happens to be small would be large."""
    for _ in range(60):
        x = rng.normal(size=(60, 8)) @ rng.normal(size=(8, 100))
        scores = PCA(8, svd_solver="full").fit(x[:40]).transform(x[40:])
        expected = scores @ scores.T
        kept = (x @ x.T).astype(np.float32)
        assert pca_gram(kept, 40, components=40) == pytest.approx(expected, abs=2e-6 * np.abs(expected).max())


def test_narrow_layers_are_left_as_they_are(rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 10))
    assert np.array_equal(pca_gram(x @ x.T, 30, components=10, features=10), (x @ x.T)[30:, 30:])
    assert not np.allclose(pca_gram(x @ x.T, 30, components=9, features=10), (x @ x.T)[30:, 30:])


def test_mistakes() -> None:
    with pytest.raises(BadValue, match="n_fit=5: must be at least 2 and below the number of stimuli, 5"):
        pca_gram(np.eye(5), 5)
    with pytest.raises(BadValue, match="components=0"):
        pca_gram(np.eye(5), 3, components=0)
    with pytest.raises(StimulusMismatch):
        pca_gram(np.ones((5, 4)), 3)
