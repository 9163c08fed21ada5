"""Read-outs across conditions against known truth: codes that are shared by conditions, and codes that are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlspatial.analysis.decoding import Decoding, decode, judge
from mlspatial.analysis.generalisation import apart, both_ways, compared, groups_left_out, random_like, untrained
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import Latent

N, P, SCENES = 240, 60, 6
Z = Latent("z", "m", "linear", 0.0, 4.2)
ROT = Latent("rot_1", "deg", "circular", -180.0, 180.0)
CATEGORY = Latent("category", "", "category", categories=("a", "b", "c"))


def rows(
    features: np.ndarray, truth: dict[str, np.ndarray], across: list[Any], words: list[str], **options: Any
) -> Any:
    import pandas as pd

    latents = [latent for latent in (Z, ROT, CATEGORY) if latent.name in truth]
    records = decode(features, truth, latents, [*across, *random_like(across, seed=3)])
    return pd.DataFrame(compared(records, words, **options)).set_index(["latent", "measure", "fold"])


def test_an_axis_that_scenes_share_generalises_and_one_of_each_scene_does_not(rng: np.random.Generator) -> None:
    z, scene = rng.uniform(1, 4, N), np.arange(N) % SCENES
    shared = np.outer(z, rng.normal(size=P)) + 0.01 * rng.normal(size=(N, P))
    axes = np.linalg.qr(rng.normal(size=(P, SCENES)))[0].T  # orthogonal: others say nothing of the one left out
    own = (z - z.mean())[:, None] * axes[scene]
    pairs = groups_left_out(scene, folds=SCENES, seed=0)
    across, words = [pair for pair, _ in pairs], [str(values[0]) for _, values in pairs]
    same, apart = (rows(features, {"z": z}, across, words).loc["z"] for features in (shared, own))
    assert (same.loc["pearson_r"].value > 0.99).all() and (same.loc["pearson_r"].within > 0.99).all()
    assert (same.loc["pearson_r"].ratio - 1).abs().max() < 0.01
    assert (apart.loc["r2"].within > 0.95).all()  # within, all axes are trained on
    assert (apart.loc["r2"].value < 0.02).all() and (apart.loc["r2"].difference < -0.9).all()
    assert np.allclose(apart.loc["mae"].value, apart.loc["mae"].chance, rtol=0.05)  # as a constant


def test_a_linear_code_extrapolates_and_a_saturating_one_does_not(rng: np.random.Generator) -> None:
    z = rng.uniform(1, 4, N)
    weights, noise = rng.normal(size=P), 0.01 * rng.normal(size=(N, P))
    across = both_ways(z > 3)
    words = ["z>3", "z<=3"]
    linear = rows(np.outer(z, weights) + noise, {"z": z}, across, words, alike=False).loc["z"]
    flat = rows(np.outer(np.minimum(z, 3), weights) + noise, {"z": z}, across, words, alike=False).loc["z"]
    far = z[z > 3]
    assert linear.loc["r2"].value.min() > 0.95 and linear.loc[("mae", 0)].value < 0.05
    assert abs(flat.loc[("pearson_r", 0)].value) < 0.35  # beyond 3 m there is noise alone
    # the best that it can say beyond 3 m is 3 m
    assert flat.loc[("mae", 0)].value == pytest.approx(np.abs(far - 3).mean(), rel=0.15)
    assert linear.error.isna().all()  # two directions are two questions
    assert list(linear.loc["r2"].left_out_values) == words
    assert linear.loc[("r2", 0)].n_test == len(far) == linear.loc[("r2", 1)].n_train


def test_angles_and_classes_across_scenes(rng: np.random.Generator) -> None:
    scene, category, angle = np.arange(N) % SCENES, rng.integers(0, 3, N), rng.uniform(-180, 180, N)
    causes = np.column_stack([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle)), 3 * np.eye(3)[category]])
    features = causes @ rng.normal(size=(5, P)) + 0.01 * rng.normal(size=(N, P))
    features += 2 * rng.normal(size=(SCENES, P))[scene]  # a scene's own offset is no part of the code
    pairs = groups_left_out(scene, folds=3, seed=1)
    truth = {"rot_1": angle, "category": category}
    found = rows(features, truth, [pair for pair, _ in pairs], ["-"] * 3)
    assert found.loc[("rot_1", "pearson_r")].value.min() > 0.5
    assert found.loc[("category", "accuracy")].value.min() > 0.8
    error = found.loc[("category", "accuracy")]
    assert error.error.iloc[0] == pytest.approx(error.difference.std(ddof=1) / np.sqrt(3))


@pytest.mark.parametrize(("folds", "made"), [(3, 3), (4, 4), (9, 7)])
def test_groups_are_left_out_whole_and_once(folds: int, made: int, rng: np.random.Generator) -> None:
    labels = np.array([f"s{k}" for k in rng.integers(0, 7, 100)])
    pairs = groups_left_out(labels, folds=folds, seed=0)
    assert len(pairs) == made
    assert sorted(np.concatenate([test for (_, test), _ in pairs])) == list(range(100))
    for (train, test), values in pairs:
        assert set(labels[test]) == set(values) and not set(labels[train]) & set(values)
        assert len(train) + len(test) == 100
    if folds == 3:
        sizes = [len(test) for (_, test), _ in pairs]
        assert max(sizes) - min(sizes) <= max(np.unique(labels, return_counts=True)[1])
    assert not np.array_equal(
        [v for _, v in groups_left_out(np.arange(40) % 8, folds=2, seed=0)],
        [v for _, v in groups_left_out(np.arange(40) % 8, folds=2, seed=1)],
    )


def test_random_splits_have_the_same_sizes(rng: np.random.Generator) -> None:
    across = [pair for pair, _ in groups_left_out(rng.integers(0, 4, 50), folds=4, seed=0)]
    for splits in (across, both_ways(np.arange(50) < 12)):
        like = random_like(splits, seed=0)
        assert [tuple(map(len, pair)) for pair in like] == [tuple(map(len, pair)) for pair in splits]
        assert sorted(np.concatenate([test for _, test in like])) == list(range(50))
        assert all(not np.intersect1d(train, test).size for train, test in like)
        assert not np.array_equal(random_like(splits, seed=1)[0][1], like[0][1])


def test_what_a_context_holds_is_not_known_again(rng: np.random.Generator) -> None:
    """Contexts have a pattern each and one z for all of their images; nothing codes z itself."""
    context = np.arange(N) // 10  # 24 contexts, four in a scene
    scene, z = context % SCENES, rng.uniform(1, 4, 24)[context]
    patterns = rng.normal(size=(24, P))[context] + 0.01 * rng.normal(size=(N, P))
    coded = patterns + np.outer(z, rng.normal(size=P))
    splits = [pair for pair, _ in groups_left_out(scene, folds=SCENES, seed=0)]
    across, within = apart(splits, context, seed=0)
    for given, kept in zip(splits, across, strict=True):  # a scene has whole contexts
        assert np.array_equal(given[0], kept[0]) and np.array_equal(given[1], kept[1])
    assert [(len(a), len(b)) for a, b in within] == [(200, 40)] * SCENES

    def mean_r(features: np.ndarray, folds: list[Any]) -> float:
        return float(np.mean([one.value for one in decode(features, {"z": z}, [Z], folds) if one.measure == "r2"]))

    assert mean_r(patterns, random_like(splits, seed=0)) > 0.9  # each context is on both sides
    assert mean_r(patterns, within) < 0.1 and mean_r(patterns, across) < 0.1
    assert mean_r(coded, within) > 0.5 < mean_r(coded, across)


@pytest.mark.parametrize("folds", [2, 3])
def test_no_context_is_on_both_sides(folds: int, rng: np.random.Generator) -> None:
    context, level = np.arange(N) // 10, np.arange(N) % folds  # the condition varies within every context
    splits = [pair for pair, _ in groups_left_out(level, folds=folds, seed=0)]
    across, within = apart(splits, context, seed=1)
    for (train, test), (other, own), (all_train, all_test) in zip(across, within, splits, strict=True):
        assert not set(context[train]) & set(context[test]) and not set(context[other]) & set(context[own])
        assert len(train) == len(other) and len(test) == len(own)
        assert set(train) <= set(all_train) and set(test) <= set(all_test)
        assert len(test) == pytest.approx(len(all_test) / folds, abs=10 / folds * 2)
        assert len(set(level[own])) == folds  # whatever the condition
    assert set(np.concatenate([context[test] for _, test in across])) == set(context)
    sizes = [60, 8, 60, 2, 5, 60]  # unequal contexts: both sides of a fold and of the split beside it are as many
    unequal = np.repeat(np.arange(len(sizes)), sizes)
    label = np.arange(len(unequal)) % 5
    pairs = [pair for pair, _ in groups_left_out(label, folds=folds, seed=0)]
    for both in zip(*apart(pairs, unequal, seed=2), strict=True):
        assert len({len(train) for train, _ in both}) == 1 == len({len(test) for _, test in both})
    with pytest.raises(UserError, match="1 contexts are too few for 2 folds; use stimuli of more contexts"):
        apart([(np.arange(1, N), np.arange(1))] * 2, np.zeros(N, int), seed=0)
    with pytest.raises(UserError, match="2 contexts are too few for 3 folds"):
        apart([(np.arange(1, N), np.arange(1))] * 3, np.arange(3) // 2, seed=0)


def test_classes_without_training_are_counted() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    first, second = (np.array([0, 2]), np.array([1, 3, 4])), (np.array([0, 2, 4]), np.array([1, 3]))
    assert untrained(labels, [first, second]).tolist() == [1, 0]


def test_what_cannot_be_left_out() -> None:
    with pytest.raises(UserError, match="all 9 stimuli have one value"):
        groups_left_out(np.zeros(9), folds=3, seed=0)
    with pytest.raises(BadValue, match="folds=1"):
        groups_left_out(np.arange(9), folds=1, seed=0)


def test_a_ratio_to_nothing_is_unknown() -> None:
    def one(fold: int, value: float) -> Decoding:
        return Decoding("z", fold, "pearson_r", value, 0.0, None, 8, 2)

    (row,) = compared([one(0, 0.4), one(1, -0.1)], ["a"])
    assert np.isnan(row["ratio"]) and row["difference"] == pytest.approx(0.5) and np.isnan(row["error"])


def test_predictions_of_others_are_scored_as_those_of_read_outs(rng: np.random.Generator) -> None:
    from sklearn.metrics import mean_absolute_error, r2_score

    z, angle, category = rng.uniform(1, 4, N), rng.uniform(-180, 180, N), rng.integers(0, 3, N)
    turned = np.deg2rad(angle + rng.normal(0, 30, N))
    said = {"z": (z + rng.normal(0, 0.5, N))[:, None], "rot_1": 0.4 * np.column_stack([np.sin(turned), np.cos(turned)])}
    said["category"] = np.where(rng.random(N) < 0.3, 0, category)
    whole = np.arange(N)
    truth = {"z": z, "rot_1": angle, "category": category}
    found = {(one.latent, one.measure): one for one in judge(said, truth, (Z, ROT, CATEGORY), [(whole, whole)])}
    assert found["z", "r2"].value == pytest.approx(r2_score(z, said["z"][:, 0]))
    assert found["z", "mae"].value == pytest.approx(mean_absolute_error(z, said["z"][:, 0]))
    assert found["z", "mae"].chance == pytest.approx(np.abs(z - np.median(z)).mean())
    assert found["z", "pearson_r"].value == pytest.approx(np.corrcoef(z, said["z"][:, 0])[0, 1])
    away = np.abs((np.rad2deg(turned) - angle + 180) % 360 - 180)
    assert found["rot_1", "angular_error_deg"].value == pytest.approx(away.mean())
    assert found["category", "accuracy"].value == pytest.approx((said["category"] == category).mean())
    assert found["category", "accuracy"].chance == pytest.approx(np.bincount(category).max() / N)
    assert {one.n_train for one in found.values()} == {0} and {one.n_test for one in found.values()} == {N}
    assert all(np.isfinite(one.left_out).all() and len(one.left_out) > 1 for one in found.values())
