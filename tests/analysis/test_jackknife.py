"""Errors over stimuli: closed forms, CKA and decoding computed again without each block, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from mlspatial.analysis.cka import cka_left_out, cka_matrix, linear_cka
from mlspatial.analysis.decoding import decode
from mlspatial.analysis.gram import centred, pack
from mlspatial.analysis.jackknife import BLOCKS, blocks, half_width, standard_error
from mlspatial.analysis.splits import random_splits
from mlspatial.core.errors import UserError
from mlspatial.core.latents import Latent


def test_of_a_mean_it_is_the_standard_error_of_the_mean() -> None:
    """With one value a block, sqrt(sum (v - mean)^2 / (n (n - 1))): the closed form."""
    values = np.random.default_rng(0).normal(size=BLOCKS)
    without = np.array([np.delete(values, i).mean() for i in range(BLOCKS)])
    assert standard_error(without) == pytest.approx(values.std(ddof=1) / np.sqrt(BLOCKS), rel=1e-12)
    assert half_width(1.0) == pytest.approx(t.ppf(0.975, BLOCKS - 1))
    with pytest.raises(UserError, match="1 block"):
        standard_error(without[:1])


def test_blocks_share_the_stimuli_evenly() -> None:
    counts = np.bincount(blocks(205))
    assert len(counts) == BLOCKS and counts.min() == 10 and counts.max() == 11
    assert list(blocks(3)) == [0, 1, 2]


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("n", [61, 12])
def test_cka_without_a_block_is_the_cka_of_the_other_stimuli(debiased: bool, n: int) -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(n, 5))
    layers = [np.concatenate([shared * w, rng.normal(size=(n, 7))], axis=1) for w in (0.5, 1.0, 2.0)]
    packed = np.stack([pack(centred(x @ x.T), np.float64) for x in layers])
    found = cka_left_out(packed, debiased=debiased)
    for b in range(len(found)):
        kept = blocks(n) != b
        for i, x in enumerate(layers):
            for j, y in enumerate(layers):
                wanted = linear_cka(x[kept] @ x[kept].T, y[kept] @ y[kept].T, debiased=debiased)
                assert found[b, i, j] == pytest.approx(wanted, abs=1e-10)
    assert np.array_equal(cka_left_out(list(packed), debiased=debiased), found)


def test_the_error_of_cka_is_its_spread_over_samples_of_stimuli() -> None:
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(6, 9)), rng.normal(size=(6, 9))
    values, errors = [], []
    for _ in range(200):
        latent = rng.normal(size=(200, 6))
        packed = np.stack([pack(centred((x := latent @ w + rng.normal(size=(200, 9))) @ x.T)) for w in weights])
        values.append(cka_matrix(packed)[0, 1])
        errors.append(standard_error(cka_left_out(packed)[:, 0, 1]))
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.15)  # Monte Carlo error of the SD: 5 %


LATENTS = [Latent("x", "m", "linear", -1.0, 1.0), Latent("angle", "deg", "circular", -180.0, 180.0)]


def test_decoding_without_a_block_scores_the_other_test_stimuli() -> None:
    """Against the r of scikit-learn's ridge with the chosen penalty, over the kept test stimuli."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(3)
    x, angle = rng.normal(size=120), rng.uniform(-180, 180, 120)
    kinds = np.array([f"c{int(value > 0)}" for value in x])
    mixed = np.stack([x, np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle)), *rng.normal(size=(9, 120))], axis=1)
    features = mixed + 0.5 * rng.normal(size=mixed.shape)
    splits = random_splits(120, seed=4, runs=2)
    category = Latent("kind", "", "category", categories=("c0", "c1"))
    values = {"x": x, "angle": angle, "kind": kinds}
    records = decode(features, values, [*LATENTS, category], splits)
    own, checked = blocks(120), set()
    for record in records:
        assert record.left_out.shape == (BLOCKS,) and np.isfinite(record.left_out).all()
        train, test = splits[record.fold]
        if record.latent == "x" and record.measure == "pearson_r":
            checked.add(record.latent)
            predicted = Ridge(record.alpha).fit(features[train], x[train]).predict(features[test])
            for b in range(BLOCKS):
                kept = own[test] != b
                assert record.left_out[b] == pytest.approx(np.corrcoef(predicted[kept], x[test][kept])[0, 1], abs=1e-8)
        if record.measure == "angular_error_deg":  # of the test stimuli, so their sums follow
            checked.add(record.latent)
            total = record.value * len(test)
            inside = np.array([total - record.left_out[b] * (own[test] != b).sum() for b in range(BLOCKS)])
            assert (inside >= -1e-9).all() and inside.sum() == pytest.approx(total)
        if record.measure == "accuracy":  # the hits are whole numbers, so the hits of each block follow
            hits = round(record.value * len(test))
            inside = [hits - record.left_out[b] * (own[test] != b).sum() for b in range(BLOCKS)]
            assert np.allclose(inside, np.round(inside), atol=1e-9) and sum(inside) == pytest.approx(hits)
            checked.add(record.latent)
    assert checked == {"x", "angle", "kind"}
