"""Maps of models against known configurations and scikit-learn's SMACOF."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.manifold import smacof

from mlspatial.analysis.mds import classical, mds, row_distances
from mlspatial.core.errors import BadValue, UserError


def points(m: int = 25, dimensions: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(m, dimensions)) * [3, 1, 2, 2, 2, 2][:dimensions]


def test_a_map_of_points_in_the_plane_is_those_points() -> None:
    known = points()
    distances = cdist(known, known)
    embedding = mds(distances)
    assert cdist(embedding.coordinates, embedding.coordinates) == pytest.approx(distances, abs=1e-9)
    assert embedding.stress == pytest.approx(0, abs=1e-9)


def test_steps_equal_scikit_learn_s_from_the_same_start() -> None:
    known = points(dimensions=6)
    distances = cdist(known, known)
    start = classical(distances)
    ours = mds(distances, iterations=40, tolerance=0.0)
    theirs, _ = smacof(distances, init=start, n_init=1, max_iter=40, eps=0.0)
    apart = cdist(theirs, theirs)
    assert ours.iterations == 40
    assert cdist(ours.coordinates, ours.coordinates) == pytest.approx(apart, abs=1e-9)
    size = np.square(distances).sum()
    assert ours.stress**2 == pytest.approx(np.square(apart - distances).sum() / size, abs=1e-12)
    assert ours.stress**2 < np.square(cdist(start, start) - distances).sum() / size
    assert mds(distances).stress <= ours.stress


def test_the_map_does_not_depend_on_how_the_points_lay() -> None:
    """Turned, mirrored and shifted points give the same distances, so the same map to the last sign."""
    known = points(dimensions=4)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    moved = known @ rotation * -1 + 5
    first, second = mds(cdist(known, known)), mds(cdist(moved, moved))
    assert first.coordinates == pytest.approx(second.coordinates, abs=1e-5)
    assert (mds(cdist(known, known)).coordinates == first.coordinates).all()


def test_orientation() -> None:
    """Centred, axes uncorrelated and by falling variance, largest coordinate positive."""
    coordinates = mds(cdist(points(dimensions=5), points(dimensions=5))).coordinates
    assert coordinates.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert coordinates[:, 0] @ coordinates[:, 1] == pytest.approx(0, abs=1e-9)
    assert coordinates[:, 0].var() > coordinates[:, 1].var()
    assert (coordinates.max(axis=0) == np.abs(coordinates).max(axis=0)).all()


def test_models_that_coincide_and_very_few_models() -> None:
    known = np.vstack([points(6), points(6)[:2]])
    embedding = mds(cdist(known, known))
    assert embedding.coordinates[0] == pytest.approx(embedding.coordinates[6], abs=1e-6)
    assert mds(np.zeros((1, 1))).coordinates.tolist() == [[0, 0]]
    assert mds(np.zeros((3, 3))).stress == 0
    two = mds(np.array([[0.0, 4], [4, 0]])).coordinates
    assert two == pytest.approx(np.array([[2, 0], [-2, 0]]), abs=1e-12)


def test_row_distances_are_between_profiles() -> None:
    similarity = np.array([[1, 0.5, 0.1], [0.5, 1, 0.2], [0.1, 0.2, 1]])
    distances = row_distances(similarity)
    assert distances[0, 1] == pytest.approx(np.sqrt(0.25 + 0.25 + 0.01))
    assert (distances == distances.T).all() and (np.diag(distances) == 0).all()


def test_what_holds_no_distances() -> None:
    with pytest.raises(UserError, match=r"\(2, 3\)"):
        mds(np.ones((2, 3)))
    with pytest.raises(UserError, match="symmetric"):
        mds(np.array([[0.0, 1], [2, 0]]))
    with pytest.raises(UserError, match="0 on the diagonal"):
        mds(np.ones((2, 2)))
    with pytest.raises(UserError, match="finite"):
        mds(np.array([[0.0, np.nan], [np.nan, 0]]))
    with pytest.raises(UserError, match="finite"):
        row_distances(np.full((2, 2), np.nan))
    with pytest.raises(BadValue, match="dimensions=0"):
        mds(np.zeros((2, 2)), dimensions=0)
