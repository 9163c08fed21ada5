"""Regions that were recorded with the same stimuli: what is made of a layer is made once for all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlspatial.analysis import rsa
from mlspatial.analysis.ridge import RidgeFold
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.brainscore.fixed_split import FixedSplit
from mlspatial.benchmarks.brainscore.geometry import PublishedGeometries
from mlspatial.models.sinks import PRODUCTS, Products
from mlspatial.models.stimuli import Stimuli

TRAIN, TEST, UNITS = 40, 12, 8
STIMULI = Stimuli(tuple(f"s{number}" for number in range(TRAIN + TEST)), np.zeros((TRAIN + TEST, 4, 4, 3), np.uint8))
ALPHAS = tuple(10.0**exponent for exponent in range(-3, 6))


def recording(region: str, seed: int) -> FixedSplit:
    rng = np.random.default_rng(seed)
    known, measured = rng.normal(size=(TRAIN, UNITS)), rng.normal(size=(TEST, UNITS))
    subjects = np.repeat(["monkey F", "monkey N"], UNITS // 2)
    names = tuple(f"{region} {number}" for number in range(UNITS))
    return FixedSplit(
        f"Papale2025.{region}-ridgecv", region, "1", STIMULI, known, measured, names, subjects, np.ones((2, UNITS)),
        1.0, ALPHAS, "ridgecv_split",
    )  # fmt: skip


def gathered(folder: Path, features: np.ndarray, needs: dict) -> Layer:
    """What a sink makes of a layer for all that is asked."""
    sink = Products(tuple(needs), len(features), folder, more={name: made for name, made in needs.items() if made})
    sink.add("layer", torch.from_numpy(features.copy()))
    return Layer(sink.pop("layer"), lambda: features.shape[1])


def test_penalties_of_all_regions_come_from_one_decomposition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(TRAIN + TEST, 90)).astype(np.float32)
    regions = [recording(name, seed) for seed, name in enumerate(("V1", "V4", "IT"))]
    alone = [region.score_features(features).values for region in regions]
    made = []
    decompose = RidgeFold.from_gram
    monkeypatch.setattr(RidgeFold, "from_gram", lambda *given: made.append(1) or decompose(*given))
    needs = {kind: product for region in regions for kind, product in region.needs(region.own).items()}
    layer = gathered(tmp_path, features, needs)
    assert len(needs) == 3 and len(made) == 1
    for region, expected in zip(regions, alone, strict=True):
        assert np.array_equal(region.scores(layer, region.own, Way())[0].values, expected)


def test_ranks_of_a_layer_serve_all_geometries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n = TRAIN + TEST
    features = rng.normal(size=(n, 90)).astype(np.float32)
    pairs = n * (n - 1) // 2
    regions = [PublishedGeometries(f"{name}-rdm", name, STIMULI, rng.random((3, pairs)), ("a", "b", "c"))
               for name in ("V1", "V2", "IT")]  # fmt: skip
    layer = gathered(tmp_path, features, {"pattern": PRODUCTS["pattern"]})
    alone = [region.score(region.rdm(layer), "rdm_spearman").values for region in regions]
    ranked = []
    ranks = rsa.matrix_ranks
    monkeypatch.setattr(rsa, "matrix_ranks", lambda values: ranked.append(len(np.atleast_2d(values))) or ranks(values))
    for region, expected in zip(regions, alone, strict=True):
        assert np.array_equal(region.scores(layer, "rdm_spearman", Way())[0].values, expected)
    assert ranked == [1]  # the layer; subjects' ranks were kept
