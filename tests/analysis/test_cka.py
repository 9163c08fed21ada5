"""Grams and CKA against float64, the textbook's formulas and mathematics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlspatial.analysis.cka import cka_matrices, cka_matrix, linear_cka
from mlspatial.analysis.gram import CHUNK, Gram, PatternGram, _multiply, pack, stimuli_in, unpack
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from tests.analysis.conftest import Backend

N = 120


def layers(n: int = N, features: tuple[int, ...] = (400, 1100, 70)) -> list[np.ndarray]:
    """Rectified float32 activations that share 10 causes, with offsets."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(n, 10))
    mixed = [causes @ rng.normal(size=(10, p)) + 0.5 * rng.normal(size=(n, p)) + rng.normal(size=p) for p in features]
    return [np.maximum(layer, 0).astype(np.float32) for layer in mixed]


def gram_of(*blocks: np.ndarray | torch.Tensor) -> Gram:
    gram = Gram(len(blocks[0]))
    for block in blocks:
        gram.add(block)
    return gram


def kornblith(x: np.ndarray, y: np.ndarray) -> float:
    """Eq. 3 in feature space, float64."""
    x, y = (a.astype(np.float64) - a.mean(axis=0, dtype=np.float64) for a in (x, y))
    return np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def song(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, eq. 5, on the raw kernels: diagonals set to zero, nothing centred."""

    def hsic(k: np.ndarray, m: np.ndarray) -> float:
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        ones = np.ones(n)
        terms = np.trace(k @ m) + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (terms - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))

    k, m = (a.astype(np.float64) @ a.T.astype(np.float64) for a in (x, y))
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def all_pairs(activations: list[np.ndarray], way) -> np.ndarray:
    return np.array([[way(x, y) for y in activations] for x in activations])


def test_a_matrix_of_models_equals_both_textbook_formulas(backend: Backend) -> None:
    activations = layers()
    packed = np.stack([gram_of(backend.on(layer)).packed() for layer in activations])
    both = cka_matrices(packed)
    assert both.biased == pytest.approx(all_pairs(activations, kornblith), abs=1e-6)
    assert both.debiased == pytest.approx(all_pairs(activations, song), abs=1e-6)
    assert cka_matrix(packed) == pytest.approx(both.biased, abs=0)
    assert cka_matrix(packed, debiased=True) == pytest.approx(both.debiased, abs=0)
    assert np.diag(both.biased) == pytest.approx(1) and np.diag(both.debiased) == pytest.approx(1)


def test_patterns_are_those_of_numpy(backend: Backend) -> None:
    x = layers()[1]
    gram = PatternGram(N)
    for part in np.split(x, [300, 777], axis=1):
        gram.add(backend.on(part))
    assert gram.correlations() == backend.near(np.corrcoef(x.astype(np.float64)), 1e-9)


@pytest.mark.parametrize("debiased", [False, True])
def test_one_pair_of_float64_is_exact(debiased: bool) -> None:
    x, y = (layer.astype(np.float64) for layer in layers(features=(90, 300)))
    ours = linear_cka(gram_of(x).matrix(), gram_of(y).matrix(), debiased=debiased)
    assert ours == pytest.approx((song if debiased else kornblith)(x, y), abs=1e-12)
    assert linear_cka(x @ x.T, y @ y.T, debiased=debiased) == pytest.approx(ours, abs=1e-12)  # not centred


@pytest.mark.parametrize("debiased", [False, True])
def test_rotation_and_scale_change_nothing(debiased: bool) -> None:
    x, y, _ = layers(features=(60, 80, 1))
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(60, 60)))[0]
    turned = gram_of(1e3 * x.astype(np.float64) @ rotation + 7).matrix()
    before = linear_cka(gram_of(x.astype(np.float64)).matrix(), gram_of(y).matrix(), debiased=debiased)
    assert linear_cka(turned, gram_of(y).matrix(), debiased=debiased) == pytest.approx(before, abs=1e-10)
    assert linear_cka(turned, gram_of(x).matrix(), debiased=debiased) == pytest.approx(1, abs=1e-6)


def test_unrelated_wide_layers_look_alike_only_when_biased() -> None:
    rng = np.random.default_rng(3)
    noise = [rng.normal(size=(60, 20_000)).astype(np.float32) for _ in range(2)]
    biased, debiased = cka_matrices([gram_of(layer).packed() for layer in noise])
    assert biased[0, 1] > 0.95
    assert abs(debiased[0, 1]) < 0.1


def test_blocks_dtypes_and_sources_give_the_same_gram(tmp_path: Path) -> None:
    x = layers(features=(CHUNK + 500,))[0]
    whole = gram_of(x).matrix()
    exact = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    exact = exact @ exact.T
    size = np.abs(exact).max()
    assert whole == pytest.approx(exact, abs=1e-6 * size)
    assert gram_of(x[:, :77], torch.from_numpy(x)[:, 77:]).matrix() == pytest.approx(whole, abs=1e-6 * size)
    assert gram_of(x.astype(np.float64)).matrix() == pytest.approx(exact, abs=1e-12 * size)
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    half = gram_of(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert half.features == x.shape[1]
    assert linear_cka(half.matrix(), exact) == pytest.approx(1, abs=1e-5)


def test_float16_moves_cka_by_less_than_1e_5() -> None:
    x, y, _ = layers()
    half = [gram_of(torch.from_numpy(layer).half()).packed() for layer in (x, y)]
    assert cka_matrix(half)[0, 1] == pytest.approx(kornblith(x, y), abs=1e-5)


def test_the_product_for_other_devices() -> None:
    x = torch.from_numpy(layers(n=27)[2]).double()
    product = torch.zeros(len(x), len(x), dtype=x.dtype)
    _multiply(x, product)
    assert torch.allclose(torch.triu(product), torch.triu(x @ x.T))


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_sizes_whose_squares_do_not_fit_float32(scale: float) -> None:
    x, y, _ = layers()
    ours = cka_matrix([gram_of(scale * x).packed(), gram_of(y).packed()])[0, 1]
    assert ours == pytest.approx(kornblith(x, y), abs=1e-6)


def test_a_large_common_offset_costs_no_precision() -> None:
    """Means a thousand times the variation, as late layers of untrained networks have them."""
    x = np.round(layers()[0] * 64) / 64  # exact in float32 with and without the offset
    assert cka_matrix([gram_of(x + np.float32(1000)).packed(), gram_of(x).packed()])[0, 1] == pytest.approx(1, abs=1e-6)


def test_rectangular_and_memory_mapped(tmp_path: Path) -> None:
    packed = np.stack([gram_of(layer).packed() for layer in layers()])
    np.save(tmp_path / "packed.npy", packed)
    mapped = np.load(tmp_path / "packed.npy", mmap_mode="r")
    square = cka_matrices(mapped)
    for whole, part in zip(square, cka_matrices(mapped[:2], [mapped[2], mapped[0]]), strict=True):
        assert part == pytest.approx(whole[:2][:, [2, 0]], abs=1e-6)


def test_slices_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = np.stack([gram_of(layer).packed() for layer in layers()])
    whole = cka_matrices(packed)
    monkeypatch.setattr("mlspatial.analysis.cka.MOST_AT_ONCE", 3 * 1001)
    for a, b in zip(whole, cka_matrices(packed), strict=True):
        assert b == pytest.approx(a, abs=1e-7)


def test_packed_rows_hold_the_gram() -> None:
    gram = gram_of(layers()[0]).matrix()
    packed = pack(gram)
    assert packed.dtype == np.float32 and packed.shape == (N * (N + 1) // 2,)
    assert unpack(packed) == pytest.approx(gram / np.linalg.norm(gram), abs=1e-8)
    assert packed.astype(np.float64) @ packed == pytest.approx(1, abs=1e-6)
    assert stimuli_in(len(packed)) == N
    with pytest.raises(BadValue, match="length=11"):
        stimuli_in(11)


def test_activations_that_are_not_finite_say_where() -> None:
    x = layers(features=(CHUNK + 50,))[0]
    x[3, CHUNK + 7], x[9, CHUNK + 1] = np.nan, np.inf
    with pytest.raises(UserError, match=rf"not finite for 2 of {N} stimuli \(first: stimulus 3, feature {CHUNK + 7}\)"):
        gram_of(x)
    with pytest.raises(UserError, match="not finite"):
        gram_of(np.where(np.isfinite(x), np.inf, 0.0))


def test_layers_without_variation() -> None:
    constant = np.tile(np.linspace(-3, 1000, 500), (N, 1))
    for dtype in (np.float16, np.float32, np.float64):
        with pytest.raises(UserError, match="do not vary over the 120 stimuli"):
            gram_of(constant.astype(dtype)).packed()
    assert np.isnan(linear_cka(np.zeros((9, 9)), np.eye(9)))
    assert np.isnan(linear_cka(np.full((9, 9), 1e6 / 3), np.eye(9)))
    simplex = pack(np.eye(9) - 1 / 9)  # all equally far apart: the unbiased part is empty
    other = gram_of(layers(n=9)[0]).packed()
    biased, debiased = cka_matrices([simplex, other])
    assert np.isfinite(biased).all() and np.isnan(debiased[0]).all() and debiased[1, 1] == pytest.approx(1)


def test_what_does_not_fit() -> None:
    with pytest.raises(StimulusMismatch, match="same images"):
        linear_cka(np.eye(5), np.eye(6))
    with pytest.raises(StimulusMismatch, match=r"\(5, 6\)"):
        linear_cka(np.ones((5, 6)), np.eye(6))
    with pytest.raises(StimulusMismatch, match="5, 6 stimuli"):
        cka_matrix([pack(np.eye(6)), pack(np.eye(5))])
    with pytest.raises(StimulusMismatch, match=r"expected \(7 stimuli"):
        Gram(7).add(np.ones((6, 3)))
    with pytest.raises(UserError, match="at least 4"):
        cka_matrix([pack(np.eye(3))], debiased=True)
    with pytest.raises(UserError, match="at least 4"):
        linear_cka(np.eye(3), np.eye(3), debiased=True)
    with pytest.raises(UserError, match="into a list"):
        cka_matrix(pack(np.eye(3)))
    with pytest.raises(UserError, match="no models"):
        cka_matrix([])
    with pytest.raises(UserError, match="no activations were added"):
        Gram(7).matrix()
    with pytest.raises(BadValue, match="at least 2"):
        Gram(1)
