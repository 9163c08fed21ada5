"""Layers of which one direction holds nearly all, as of untrained networks: ridge and PLS against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import RidgeCV

from mlspatial.analysis import pls
from mlspatial.analysis.gram import Gram, unpack
from mlspatial.analysis.kernel_ridge import ALPHAS, cross_validated_ridge
from mlspatial.benchmarks.picture_files import read_pictures
from mlspatial.models.sinks import Products
from tests.conftest import recordings


def correlations(measured: np.ndarray, predicted: np.ndarray) -> list[float]:
    return [np.corrcoef(a, b)[0, 1] for a, b in zip(measured.T, predicted.T, strict=True)]


def agree(features: np.ndarray, responses: np.ndarray, n_folds: int = 2) -> None:
    """To 1e-6, the alphas as shares of the mean squared length of all stimuli."""
    sink = Products(("gram",), len(features), Path("."))
    for part in torch.from_numpy(features).split(64):
        sink.add("layer", part)
    gram, folds = unpack(sink.pop("layer")["gram"]), pls.splits(len(features), None)[:n_folds]
    exact = features.astype(np.float64)
    scale = np.square(exact - exact.mean(axis=0)).sum() / len(exact)
    ridge, components = [], []
    for train, test in folds:
        model = RidgeCV([alpha * scale for alpha in ALPHAS], alpha_per_target=True).fit(exact[train], responses[train])
        ridge.append(correlations(responses[test], model.predict(exact[test])))
        regression = PLSRegression(25, scale=False).fit(exact[train], responses[train])
        components.append(correlations(responses[test], regression.predict(exact[test])))
    assert cross_validated_ridge(gram, [responses], folds)[0] == pytest.approx(np.array(ridge), abs=1e-6)
    assert pls.cross_validated_pls(gram, responses, folds) == pytest.approx(np.array(components), abs=1e-6)


@pytest.mark.parametrize("width", [512, 9000])
@pytest.mark.parametrize("size", [0.0, 500.0])
def test_a_direction_much_larger_than_the_others(width: int, size: float, rng: np.random.Generator) -> None:
    n = 150
    causes = rng.normal(size=(n, 40))
    features = causes @ rng.normal(size=(40, width)) + 0.1 * rng.normal(size=(n, width))
    features += size * np.outer(rng.normal(size=n), 1 + 0.1 * rng.normal(size=width))
    agree(features.astype(np.float32), causes[:, :5] + 0.5 * rng.normal(size=(n, 5)))


def test_wide_layers_that_one_direction_dominates_are_multiplied_in_float64(rng: np.random.Generator) -> None:
    """Which are kept in float16 and summed in float32 otherwise."""
    n, width = 60, 9000
    noise = rng.normal(size=(n, width)).astype(np.float32)
    one = (500 * np.outer(rng.normal(size=n), rng.normal(size=width))).astype(np.float32)
    for features, exact in ((noise, False), (noise + one, True)):
        kept = Gram(n)
        kept.add(features)
        whole = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
        assert kept.exact == exact and kept.packed().dtype == (np.float64 if exact else np.float32)
        wrong = np.linalg.norm(kept.matrix() - whole @ whole.T, 2) / np.linalg.eigvalsh(whole @ whole.T)[1]
        assert wrong < 1e-6  # of the smallest eigenvalue but that of the mean


def test_the_last_layer_of_an_untrained_network_on_real_neurons() -> None:
    """190923: in float32 its Gram matrix has eigenvalues of -1.5e-5 of the mean, and ridge found no factor."""
    from torchvision.models import resnet18

    folder = recordings("cowley2023_v4")
    images = (
        torch.from_numpy(read_pictures(folder / "images_190923.zip").images[:300]).permute(0, 3, 1, 2).float() / 255
    )
    responses = np.load(folder / "responses_avg_190923.npy").T[:300].astype(float)
    torch.manual_seed(0)
    network = resnet18(weights=None).eval()
    network.fc = torch.nn.Identity()
    with torch.inference_mode():
        features = torch.cat([network((part - 0.45) / 0.225) for part in images.split(50)]).numpy()
    agree(features, responses, n_folds=1)
