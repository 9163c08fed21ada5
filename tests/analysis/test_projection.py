"""The sparse projection: scikit-learn's numbers from the same matrix, its distribution, its repeatability."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom, kstest
from sklearn.random_projection import SparseRandomProjection

from mlspatial.analysis.projection import (
    BLOCK,
    ProjectionCache,
    SparseProjection,
    johnson_lindenstrauss_dimension,
    projection,
)
from mlspatial.core.errors import BadValue, StimulusMismatch
from mlspatial.core.hashing import content_id
from tests.analysis.conftest import Backend

WIDTH = 2 * BLOCK + 1234
DIMENSION = 300


@pytest.fixture(scope="module")
def wide() -> SparseProjection:
    return SparseProjection(WIDTH, DIMENSION, 0)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.maximum(np.random.default_rng(0).normal(size=(70, WIDTH)), 0).astype(np.float32)


def test_the_published_dimension() -> None:
    assert johnson_lindenstrauss_dimension(2000) == 6515  # Xie et al. 2025
    assert johnson_lindenstrauss_dimension(1000) == 5920  # Conwell et al. 2024
    with pytest.raises(BadValue, match="n=1"):
        johnson_lindenstrauss_dimension(1)
    with pytest.raises(BadValue, match="epsilon=1"):
        johnson_lindenstrauss_dimension(2000, 1)


def test_equals_scikit_learn_s_transform_to_the_bit(wide: SparseProjection, features: np.ndarray) -> None:
    theirs = SparseRandomProjection(DIMENSION, dense_output=True, random_state=0).fit(features[:2])
    theirs.components_ = wide.components
    expected = theirs.transform(features)
    ours = wide.project(features)
    assert ours.dtype == torch.float32 and expected.dtype == np.float32
    assert np.array_equal(ours.numpy(), expected)


@pytest.mark.parametrize("step", [BLOCK, 1000, 2 * BLOCK + 5])
def test_blocks_of_features_and_of_stimuli_do_not_move_a_bit(
    wide: SparseProjection, features: np.ndarray, step: int
) -> None:
    expected = wide.project(features)
    sums = torch.zeros(len(features), DIMENSION)
    for first in range(0, WIDTH, step):
        wide.add(sums, torch.from_numpy(features[:, first : first + step]), first)
    assert torch.equal(sums, expected)
    assert torch.equal(torch.cat([wide.project(features[:33]), wide.project(features[33:])]), expected)


def test_the_matrix_has_scikit_learn_s_distribution(wide: SparseProjection) -> None:
    """Independent entries: binomial counts in rows and columns, signs even, one size, none twice."""
    ours = wide.components
    theirs = SparseRandomProjection(DIMENSION, random_state=0).fit(np.zeros((2, WIDTH), np.float32)).components_
    size = np.sqrt(np.sqrt(WIDTH) / DIMENSION)
    assert np.unique(np.abs(ours.data)) == pytest.approx([size], rel=1e-6)
    assert np.unique(np.abs(theirs.data)) == pytest.approx([size], rel=1e-6)
    density = 1 / np.sqrt(WIDTH)
    expected = DIMENSION * WIDTH * density
    assert abs(ours.nnz - expected) < 4 * np.sqrt(expected)
    assert abs((ours.data > 0).mean() - 0.5) < 2 / np.sqrt(ours.nnz)
    assert ours.has_canonical_format
    jitter = np.random.default_rng(0).random  # makes counts continuous, as the test wants them
    for axis, trials in ((1, WIDTH), (0, DIMENSION)):
        counts = np.asarray((ours != 0).sum(axis=axis)).ravel()
        below, at = binom.cdf(counts - 1, trials, density), binom.pmf(counts, trials, density)
        assert kstest(below + jitter(len(counts)) * at, "uniform").pvalue > 1e-3


def test_distances_are_kept() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 3000)).astype(np.float32)
    projected = SparseProjection(3000, johnson_lindenstrauss_dimension(30, 0.3), 5).project(features).numpy()
    upper = np.triu_indices(30, 1)
    before, after = (((a[:, None] - a[None]) ** 2).sum(axis=2)[upper] for a in (features, projected))
    assert np.abs(after / before - 1).max() < 0.3


def test_the_matrix_depends_on_seed_width_and_dimension_alone(wide: SparseProjection) -> None:
    again = SparseProjection(WIDTH, DIMENSION, 0).components
    assert (wide.components != again).nnz == 0
    assert (wide.components != SparseProjection(WIDTH, DIMENSION, 1).components).nnz > 0
    first = wide.components[:, :BLOCK]
    assert (first != wide.components[:, BLOCK : 2 * BLOCK]).nnz > 0


def test_the_matrix_is_that_of_kept_layers() -> None:
    """Projections in registries were made with it, 16,384 columns from each generator."""
    matrix = SparseProjection(40_000, 7, 3).components
    assert matrix.nnz == 1337 and matrix.indices[:3].tolist() == [407, 948, 992]
    assert matrix.indices[matrix.indices >= 16_384][:3].tolist() == [16_518, 16_540, 16_635]
    assert np.abs(matrix.data) == pytest.approx(np.sqrt(np.sqrt(40_000) / 7))
    assert content_id(matrix.indices.tolist()) == "62aa8be335d8c814"


@pytest.mark.parametrize("width", [1, 5, BLOCK, BLOCK + 1])
def test_any_width(width: int, backend: Backend) -> None:
    narrow = SparseProjection(width, 7, 0)
    features = np.random.default_rng(0).normal(size=(3, width)).astype(np.float32)
    assert narrow.components.shape == (7, width)
    expected = features.astype(np.float64) @ narrow.components.toarray().T
    assert narrow.project(backend.on(features)).cpu().numpy() == backend.near(expected, 1e-4)
    sums = torch.zeros(3, 7, device=backend.device)
    for first in range(0, width, 5000):
        narrow.add(sums, backend.on(features[:, first : first + 5000]), first)
    assert sums.cpu().numpy() == backend.near(expected, 1e-4)


def test_other_types_are_projected_as_float32() -> None:
    narrow = SparseProjection(50, 9, 0)
    counts = np.random.default_rng(0).integers(0, 255, (4, 50))
    expected = narrow.project(counts.astype(np.float32))
    for dtype in (np.uint8, np.float16, np.float64):
        assert torch.equal(narrow.project(counts.astype(dtype)), expected)


def test_the_cache_keeps_what_fits() -> None:
    one = SparseProjection(5000, 40, 0).nbytes
    cache = ProjectionCache(int(2.5 * one))
    first, second = cache.get(5000, 40, 0), cache.get(5000, 40, 1)
    assert cache.get(5000, 40, 0) is first and len(cache) == 2
    cache.get(5000, 40, 2)  # seed 1 was longest not used
    assert len(cache) == 2 and cache.get(5000, 40, 0) is first and cache.get(5000, 40, 1) is not second
    assert len(ProjectionCache(0)._kept) == 0 and ProjectionCache(0).get(10, 3, 0).width == 10
    assert projection(100, 8, 0) is projection(100, 8, 0)


def test_shapes_that_do_not_fit() -> None:
    narrow = SparseProjection(50, 9, 0)
    with pytest.raises(StimulusMismatch, match=r"expected \(n, 50\)"):
        narrow.project(np.zeros((3, 49)))
    with pytest.raises(StimulusMismatch, match="cannot be added"):
        narrow.add(torch.zeros(2, 9), np.zeros((3, 50)), 0)
    with pytest.raises(StimulusMismatch, match="features 30 to 60 lie outside of the 50"):
        narrow.add(torch.zeros(3, 9), np.zeros((3, 30)), 30)
    for name, numbers in (("width", (0, 9, 0)), ("dimension", (50, 0, 0)), ("seed", (50, 9, -1))):
        with pytest.raises(BadValue, match=f"{name}="):
            SparseProjection(*numbers)
