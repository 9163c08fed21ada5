"""The same numbers in whatever order a library sums: float32 products added up one by one, from either end."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from mlspatial.analysis import gram
from mlspatial.analysis.cka import cka_matrices, linear_cka
from mlspatial.analysis.gram import Gram, PatternGram, unpack
from mlspatial.analysis.pls import gram_matrix

ORDERS = {"forwards": slice(None), "backwards": slice(None, None, -1)}
N, FEATURES = 24, 8192 + 300


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """In place of BLAS' symmetric product: the reference implementation's, whose sum over features is a loop."""

    def one_by_one(
        alpha: float, a: np.ndarray, *, beta: float = 0.0, c: np.ndarray, trans: int, lower: int, overwrite_c: int
    ) -> None:
        total = np.zeros(c.shape, np.float32)
        for row in a[ORDERS[request.param]]:
            total += np.outer(row, row)
        c[:] = np.float32(alpha) * total + (np.float32(beta) * c if beta else 0)

    monkeypatch.setattr(gram, "ssyrk", one_by_one)
    return request.param


@cache
def layers() -> dict[str, np.ndarray]:
    """float32 activations of many kinds."""
    rng = np.random.default_rng(1)
    noise, own = rng.normal(size=(N, FEATURES)), rng.normal(size=(N, 1))
    causes = rng.normal(size=(N, 10)) @ rng.normal(size=(10, FEATURES))
    made = {
        "features apart, stimuli apart": noise + np.linspace(0, 5, FEATURES) + own,
        "stimuli far apart": noise + np.linspace(0, 5, FEATURES) + 100 * own,
        "far from 0": noise + 3 * rng.random(FEATURES) + 1000,
        "rectified": np.maximum(causes + rng.normal(size=FEATURES), 0),
        "bright and dark": np.maximum(noise, 0) * np.exp(own / 2),
        "nearly flat": own + 0.01 * noise,
    }
    return {name: layer.astype(np.float32) for name, layer in made.items()}


@pytest.mark.parametrize("name", layers())
def test_products_of_float32_equal_float64_s(name: str, order: str) -> None:
    layer = layers()[name]
    exact = layer.astype(np.float64)
    kept = PatternGram(N)
    kept.add(layer[:, :100])
    kept.add(layer[:, 100:])
    assert kept.correlations() == pytest.approx(np.corrcoef(exact), abs=1e-6)
    exact -= exact.mean(axis=0)
    products = exact @ exact.T
    assert kept.matrix() == pytest.approx(products, abs=1e-6 * np.abs(products).max())
    assert linear_cka(unpack(kept.packed()), products) == pytest.approx(1, abs=1e-9)


def test_so_do_those_for_regressions(order: str) -> None:
    layer = layers()["nearly flat"]
    exact = layer.astype(np.float64) - layer.mean(axis=0, dtype=np.float64)
    assert gram_matrix(layer) == pytest.approx(exact @ exact.T, abs=1e-8 * np.square(exact).sum(axis=1).max())


def test_a_device_s_products_are_summed_over_the_same_few_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a device: its way, on the CPU, and how many features it was asked to sum at once."""
    layer = layers()["rectified"]
    widths: list[int] = []

    def on_device(x: torch.Tensor, memory: torch.Tensor | None = None, *, more: bool = False) -> torch.Tensor:
        memory = torch.zeros(len(x), len(x), dtype=x.dtype) if memory is None else memory
        gram._multiply(x, memory, more)
        if x.dtype == torch.float32:
            widths.append(x.shape[1])
        return memory

    here = Gram(N)
    here.add(layer)
    monkeypatch.setattr(gram, "upper_product", on_device)
    there = Gram(N)
    there.add(layer)
    assert max(widths) == 1024 and sum(widths) == FEATURES
    assert there.matrix() == pytest.approx(here.matrix(), abs=1e-6 * np.abs(here.matrix()).max())


def test_cka_is_summed_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows as they are kept: to the last digits of the plain formula's, and the same in slices of any width."""
    made = []
    for layer in (*layers().values(), np.random.default_rng(2).normal(size=(N, 50_000)).astype(np.float32)):
        kept = Gram(N)
        kept.add(layer)
        made.append(kept.packed())
    packed = np.stack(made)
    grams = [unpack(row.astype(np.float64)) for row in packed]
    found = cka_matrices(packed)
    expected = [[np.vdot(k, m) / np.linalg.norm(k) / np.linalg.norm(m) for m in grams] for k in grams]
    assert found.biased == pytest.approx(np.array(expected), abs=1e-12)
    for columns in (100, 1):
        monkeypatch.setattr("mlspatial.analysis.cka.COLUMNS", columns)
        for ours, again in zip(found, cka_matrices(packed, packed), strict=True):
            assert again == pytest.approx(ours, abs=1e-12)
