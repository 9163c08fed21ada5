"""Principal components from inner products alone: what a layer's Gram matrix becomes once its features are reduced."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from mlspatial.analysis.gram import rounding, square
from mlspatial.core.errors import BadValue

VERSION = "1"
COMPONENTS = 1000  # Brain-Score's LayerPCA, for the choice of layers


def pca_gram(joint: np.ndarray, n_fit: int, *, components: int = COMPONENTS, features: int | None = None) -> np.ndarray:
    """Inner products of the last stimuli's principal component scores, (n - n_fit, n - n_fit) float64.

    joint: (n, n) inner products of the features, any origin; its first n_fit rows are the images that the components
    are fitted on. components: how many are kept, at most n_fit - 1, since that is what centred images span. features:
    width of the layer; one that is not wider than `components` is left as it is, as LayerPCA does.

    Equal to the Gram matrix of scikit-learn's PCA(components).fit(X[:n_fit]).transform(X[n_fit:]), but for components
    without variance beyond the rounding of `joint`: scikit-learn gives them a direction that rounding chose, here they
    are left out. With as many components as images (1000 of 1000 in Brain-Score) that is the last one. Raises BadValue
    for an n_fit that leaves nothing to fit or to transform.
    """
    joint = square(joint)
    if not 2 <= n_fit < len(joint):
        raise BadValue("n_fit", n_fit, f"must be at least 2 and below the number of stimuli, {len(joint)}")
    if components < 1:
        raise BadValue("components", components, "must be at least 1")
    if features is not None and features <= components:
        return joint[n_fit:, n_fit:]
    means = joint[:n_fit].mean(axis=0)
    cross = joint[:, :n_fit] - means[:n_fit] - means[:, None] + means[:n_fit].mean()  # origin: mean of the fitted
    kept = min(components, n_fit - 1)
    values, vectors = eigh(cross[:n_fit], subset_by_index=(n_fit - kept, n_fit - 1))
    real = values > rounding(values)
    scores = cross[n_fit:] @ (vectors[:, real] / np.sqrt(values[real]))
    return scores @ scores.T
