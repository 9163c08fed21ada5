"""The paper on geometry: shares, effects and correlations against SciPy, findings against known effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlspatial.compare.checks import CHECKS
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.table import TABLES
from mlspatial.papers import known_items
from mlspatial.papers.geometry import alignment
from mlspatial.papers.geometry.carried import carried
from mlspatial.papers.geometry.numbers import (
    OF_ALL,
    OF_RESPONSES,
    above_zero,
    effect,
    interval,
    last_stage,
    seen,
    shares,
)
from tests.compare.synthetic import no_evidence, synthetic_evidence
from tests.papers.geometry import FACTORS, value, with_generalised, with_tunings

known_items()

# ---- arithmetic ---------------------------------------------------------------------------------------------------


@cache
def study() -> Evidence:
    tasks = ("distance", "translation", "category")
    small = synthetic_evidence(
        archs=("resnet18",), tasks=tasks, seeds=3, steps=(500,), scaling=False, variability=False,
        benchmarks={"simulated_v1": "V1"},
    )  # fmt: skip
    return with_tunings(small)


def test_the_last_stage_is_before_pooling_and_read_out() -> None:
    assert seen(study()).last == "layer4.0.relu"
    assert last_stage(("pixels", "a", "b", "avgpool", "fc")) == "b" and last_stage(("pixels", "fc")) == ""


def test_shares_of_variance() -> None:
    rows = shares(seen(study()))
    one = rows[(rows.task == "category") & (rows.seed == 2) & (rows.layer == "fc") & (rows.label == "yaw")]
    own = 0.1 + 0.01 * 2 + 0.1 * 0.1
    values = one.set_index("measure").value
    assert values[OF_RESPONSES] == pytest.approx(own / (own + 0.3))
    assert values[OF_ALL] == pytest.approx(own / (own + 0.3 + 0.6))
    assert set(rows.label) == set(FACTORS)


def test_interactions_of_factors_are_one_line_and_no_variance_is_no_share() -> None:
    base = study().tunings
    base = base[base.measure == "variance_component"].iloc[:1]
    factors = study().tunings.iloc[:1].assign(measure="factorisation_pca", value=0.5)
    effects = {"x": 0.2, "category": 0.1, "x × category": 0.1, "context": 0.3, "x × context": 0.2,
               "category × context": 0.05, "x × category × context": 0.05, "residual": 0.05}  # fmt: skip
    parts = [base.assign(crossing="both", factor=name, value=share) for name, share in effects.items()]
    parts += [factors.assign(crossing="both", factor=name) for name in ("x", "category")]
    parts += [base.assign(crossing="dead", factor=name, value=0.0) for name in ("y", "context", "y × context")]
    rows = shares(seen(replace(study(), tunings=pd.concat(parts))))
    rows = rows[rows.measure == OF_RESPONSES].set_index("label").value
    assert rows["x"] == pytest.approx(0.2 / 0.7) and rows["category"] == pytest.approx(0.1 / 0.7)
    assert rows["interactions (both)"] == pytest.approx(0.1 / 0.7) and np.isnan(rows["y"])


def test_effects_against_scipy() -> None:
    a, b = np.array([0.5, 0.7, 0.65]), np.array([0.2, 0.3])
    made, theirs = effect({"a": a}, {"b": b}), stats.ttest_ind(a, b, equal_var=False)
    low, high = theirs.confidence_interval(0.95)
    assert (made.low, made.high, made.p) == (pytest.approx(low), pytest.approx(high), pytest.approx(theirs.pvalue))
    sd = np.sqrt((2 * a.var(ddof=1) + b.var(ddof=1)) / 3)
    assert made.g == pytest.approx(0.7236 * (a.mean() - b.mean()) / sd, rel=1e-4) and made.counts == (3, 2)
    alone, theirs = above_zero({"": a}), stats.ttest_1samp(a, 0)
    assert (alone.low, alone.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert alone.p == pytest.approx(theirs.pvalue)
    assert np.isnan(above_zero({"": a[:2]}).g) and "0 lies within" in above_zero({"": np.array([-1.0, 1.1])}).text
    same = effect({"a": np.full(2, 0.5)}, {"b": np.full(2, 0.2)})
    assert (same.low, same.high) == (pytest.approx(0.3), pytest.approx(0.3)) and np.isnan(same.g)
    assert made.text.startswith(f"+0.367 [{low:.3f}, {high:.3f}] (g = ") and "n = 3 and 2" in made.text
    assert interval(np.array([0.2, 0.4])) == (pytest.approx(0.2), pytest.approx(0.4))
    assert np.isnan(interval(np.array([0.2]))).all()


def test_links_against_scipy_and_their_bootstrap_against_repeated_points() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=12), rng.normal(size=12)
    condition = [f"c{i // 3}" for i in range(12)]
    made = alignment.link(x, y, condition)
    theirs = stats.pearsonr(x, y)
    assert (made.pearson, made.p) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))
    assert made.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert made.low < made.pearson < made.high and (made.n, made.conditions) == (12, 4)
    weights = alignment._weights(tuple(condition), 50)
    assert (weights.sum(axis=1) == 12).all() and (weights.reshape(50, 4, 3).sum(axis=2) % 3 == 0).all()
    r = alignment._weighted(x, y, weights)
    rho = alignment._weighted(alignment._ranks(x, weights), alignment._ranks(y, weights), weights)
    for place in range(50):
        again = np.repeat(np.arange(12), weights[place].astype(int))
        if len(set(again)) > 1:
            assert r[place] == pytest.approx(stats.pearsonr(x[again], y[again]).statistic)
            assert rho[place] == pytest.approx(stats.spearmanr(x[again], y[again]).statistic)
    line = alignment.link(x, 2 * x + 1, condition)
    assert (line.pearson, line.low, line.high) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))
    few = alignment.link(x, y, ["a"] * 6 + ["b"] * 6)
    assert np.isfinite(few.pearson) and np.isnan(few.low)
    assert np.isnan(alignment.link(x[:3], y[:3], condition[:3]).pearson)
    assert np.isnan(alignment.link(np.ones(12), y, condition).pearson)


# ---- findings -----------------------------------------------------------------------------------------------------

Of = Callable[[str, str, int, int], float]


def judged(name: str, of: Of) -> tuple[bool | None, str]:
    found = CHECKS[name](with_tunings(replace(study(), tunings=no_evidence().tunings), of))
    return found.holds, found.value


def changed(measure: str, effects: dict[str, float], *, depth: float = 0.0) -> Of:
    """As `value`, but for one measure: what each task has more than 0.5, and what every layer adds."""

    def of(name: str, task: str, seed: int, place: int) -> float:
        if name != measure:
            return value(name, task, seed, place)
        return 0.5 + effects.get(task, 0.0) + 0.001 * seed + depth * place

    return of


@pytest.mark.parametrize(
    ("name", "measure", "up"),
    [
        ("spatial_factorises_position", "factorisation_pca", {"untrained": -0.1}),
        ("category_invariant_to_position", "invariance_published", {"category": 0.1}),
        ("translation_tunes_units", "tuned", {"translation": 0.1}),
        ("factorises_beyond_pixels", "factorisation_pca", {PIXELS: -0.1}),
    ],
)
def test_a_known_difference_is_found_and_its_reverse_is_not(name: str, measure: str, up: dict[str, float]) -> None:
    holds, words = judged(name, changed(measure, up))
    assert holds is True and words.startswith("+0.10") and "n = " in words
    holds, words = judged(name, changed(measure, {task: -size for task, size in up.items()}))
    assert holds is False and words.startswith("−0.1" if name != "factorises_beyond_pixels" else "−0.09")


def test_factorisation_that_rises_with_depth() -> None:
    holds, words = judged("factorisation_rises_with_depth", changed("factorisation_pca", {}, depth=0.1))
    assert (holds, words) == (True, "+0.300 [0.300, 0.300] (n = 3)")  # three stages further
    assert judged("factorisation_rises_with_depth", changed("factorisation_pca", {}, depth=-0.1))[0] is False


@pytest.mark.parametrize("gain", [0.3, -0.05])
def test_training_raises_its_own_factor_s_share(gain: float) -> None:
    own = {("translation", "x"), ("distance", "z")}
    tunings = study().tunings.copy()
    task = tunings.model_id.map(study().networks.set_index("model_id").task)
    mine = np.array([pair in own for pair in zip(task, tunings.factor, strict=True)])
    tunings.loc[mine & (tunings.measure == "variance_component"), "value"] += gain
    found = CHECKS["training_raises_own_factor"](replace(study(), tunings=tunings))
    shares_of = [(0.1 + 0.01 * seed + gain) / (0.4 + 0.01 * seed + gain) for seed in range(3)]
    base = [(0.08 + 0.01 * seed) / (0.38 + 0.01 * seed) for seed in range(3)]
    assert found.holds is (gain > 0)
    assert found.value.startswith(f"mean {np.mean(shares_of) - np.mean(base):+.3f}".replace("-", "−"))
    assert "n = 6 and 3" in found.value and "Distance" in found.value and "Rotation" not in found.value


def test_alignment_that_follows_factorisation() -> None:
    scores = study().scores
    best = scores[scores.committed].groupby("model_id").ceiled.mean()
    ids = study().networks.drop_duplicates(["task", "seed"], keep="last").set_index(["task", "seed"]).model_id

    def follows(name: str, task: str, seed: int, depth: int) -> float:
        return float(best.get(ids.get((task, seed), ""), 0.0))

    holds, words = judged("factorisers_are_aligned", follows)
    assert holds is True and words.startswith("r = 1.00 [1.00, 1.00]")
    holds, words = judged("factorisers_are_aligned", lambda *of: -follows(*of))
    assert holds is False and words.startswith("r = −1.00")


@pytest.mark.parametrize(
    "name", ["spatial_factorises_position", "training_raises_own_factor", "factorisation_rises_with_depth"]
)
def test_one_seed_is_not_enough(name: str) -> None:
    whole = study()
    networks = whole.networks[whole.networks.seed == 0]
    found = CHECKS[name](with_tunings(replace(whole, networks=networks, tunings=no_evidence().tunings)))
    assert found.verdict == "not enough runs" and not found.runs and found.value.startswith("needs")


def test_two_conditions_are_too_few_for_a_correlation() -> None:
    whole = study()
    networks = whole.networks[whole.networks.task.isin(["translation", "category"])]
    found = CHECKS["factorisers_are_aligned"](replace(whole, networks=networks))
    assert found.verdict == "not enough runs" and found.value.endswith("there are 6 of 2") and not found.runs


def test_every_measure_of_the_table_is_there() -> None:
    table = TABLES["table_geometry"](study())
    cells = table.rows["Translation, factor distance"]
    assert len(cells) == len(table.columns) == 8
    assert cells["turning (degrees)"].mean == pytest.approx(np.mean([40 + 0.06 + 0.01 * seed for seed in range(3)]))


# ---- factors without a number ---------------------------------------------------------------------------------------


def without(tunings: pd.DataFrame, networks: pd.DataFrame, task: str, factor: str, *, seed: int = 0) -> pd.DataFrame:
    """The tunings without numbers of one factor in one network (or the pixels), as where it makes no variance."""
    of = networks[(networks.task == task) & (networks.seed == seed)].model_id
    lost = tunings.model_id.isin([PIXELS] if task == PIXELS else list(of)) & (tunings.factor == factor)
    measures = ["factorisation_pca", "factorisation_covariance", "invariance_published", "tuned"]
    return tunings.assign(value=tunings.value.mask(lost & tunings.measure.isin(measures)))


def uneven(of: Of = value, size: float = 0.3) -> Evidence:
    """As the study, but every measure of the distance is larger by `size` in all networks and the pixels."""
    made = with_tunings(replace(study(), tunings=no_evidence().tunings), of)
    return replace(made, tunings=made.tunings.assign(value=made.tunings.value + size * (made.tunings.factor == "z")))


def positions(evidence: Evidence) -> Evidence:
    """The same with y beside x: the distance by another name."""
    renamed = evidence.tunings.assign(factor=evidence.tunings.factor.replace("z", "y"))
    return replace(evidence, tunings=renamed)


@pytest.mark.parametrize(
    ("name", "measure", "task"),
    [
        ("spatial_factorises_position", "factorisation_pca", "untrained"),
        ("category_invariant_to_position", "invariance_published", "translation"),
        ("translation_tunes_units", "tuned", "category"),
    ],
)
def test_the_same_factors_are_compared(name: str, measure: str, task: str) -> None:
    whole = positions(uneven(changed(measure, {})))
    assert CHECKS[name](whole).value.startswith(("+0.000", "−0.000"))
    lost = replace(whole, tunings=without(whole.tunings, whole.networks, task, "y"))
    found = CHECKS[name](lost)
    assert found.value.startswith(("+0.000", "−0.000")) and "left out: distance (no number in 1 of " in found.value
    none = without(without(whole.tunings, whole.networks, task, "y"), whole.networks, task, "x", seed=1)
    said = CHECKS[name](replace(whole, tunings=none))
    assert said.verdict == "not enough runs" and "x (no number in 1 of " in said.value and "distance" in said.value


def test_depth_is_compared_factor_by_factor() -> None:
    whole = uneven(changed("factorisation_pca", {}, depth=0.1))
    lost = whole.tunings.layer.str.startswith("layer1") & (whole.tunings.factor == "z")
    only = whole.networks[(whole.networks.task == "category") & (whole.networks.seed == 1)].model_id
    tunings = whole.tunings.assign(value=whole.tunings.value.mask(lost & whole.tunings.model_id.isin(only)))
    found = CHECKS["factorisation_rises_with_depth"](replace(whole, tunings=tunings))
    assert found.value.startswith("+0.300 [0.300, 0.300] (n = 3)")
    assert found.value.endswith("left out: distance (not at both stages of 1 of 3)")


def test_pixels_are_compared_factor_by_factor_and_conditions_count_the_same() -> None:
    whole = uneven(changed("factorisation_pca", {PIXELS: -0.1, "category": 0.3}))
    lost = replace(whole, tunings=without(whole.tunings, whole.networks, PIXELS, "z"))
    gains = {"category": 0.4, "distance": 0.1, "translation": 0.1}
    for evidence in (whole, lost):
        value_of = CHECKS["factorises_beyond_pixels"](evidence).value
        assert value_of.startswith(f"{np.mean(list(gains.values())) + 0.001:+.3f}") and "n = 9" in value_of
    assert "left out: distance (no number in 1 of 10)" in value_of
    few = whole.networks[~((whole.networks.task == "category") & (whole.networks.seed == 2))]
    fewer = CHECKS["factorises_beyond_pixels"](replace(whole, networks=few)).value
    expected = np.mean([0.4 + 0.0005, 0.1 + 0.001, 0.1 + 0.001])
    assert fewer.startswith(f"{expected:+.3f}") and "n = 8" in fewer


def test_the_mean_of_conditions_against_scipy_and_the_difference_to_its_mirror_image() -> None:
    a, b = np.array([0.5, 0.7, 0.65]), np.array([0.2, 0.3])
    made, mirrored = above_zero({"a": a, "b": b}), effect({"a": a}, {"b": -b})  # mean a + mean b
    assert made.difference == pytest.approx((a.mean() + b.mean()) / 2)
    assert (made.low, made.high) == (pytest.approx(mirrored.low / 2), pytest.approx(mirrored.high / 2))
    assert made.p == pytest.approx(mirrored.p) and made.g == pytest.approx(mirrored.g / 2) and made.counts == (5,)


def test_the_mean_of_all_factors_is_over_those_of_all_networks() -> None:
    whole = uneven()
    points_of = alignment.points(whole)
    tunings = without(whole.tunings, whole.networks, "category", "z", seed=1)
    found = alignment.points(replace(whole, tunings=without(tunings, whole.networks, PIXELS, "x")))
    (region,) = found.regions
    rows = found.of(region, alignment.EVERY, "factorisation_pca").set_index(["task", "value_error"]).value
    both = points_of.of(region, alignment.EVERY, "factorisation_pca").value
    assert len(rows) == len(both)
    assert np.allclose(np.sort(rows), np.sort(both) - 0.1)  # without the distance, in every network
    words = "left out: distance (no number in 1 of 13)"
    assert found.left[region, "factorisation_pca"] == words and any(words in note for note in found.notes)
    assert (alignment.EVERY, "factorisation_pca") not in found.pixels and ("yaw", "factorisation_pca") in found.pixels
    assert points_of.pixels[alignment.EVERY, "factorisation_pca"] == pytest.approx(0.5 - 0.3 + 0.1)
    said = CHECKS["factorisers_are_aligned"](replace(whole, tunings=tunings)).value
    assert said.endswith(words)
    none = without(without(tunings, whole.networks, "distance", "x"), whole.networks, "distance", "rot_1", seed=2)
    said = CHECKS["factorisers_are_aligned"](replace(whole, tunings=none)).value
    assert said.startswith(
        "no factor has a number in all networks that are compared; left out: x (no number in 1 of 13)"
    )


# ---- which scores and layers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["OTC", "neural_mean"])
def test_any_region_is_shown(region: str) -> None:
    found = alignment.points(replace(study(), scores=study().scores.assign(region=region)))
    assert found.regions == (region,) == (found.main,) and found.table.model_id.nunique() == 13
    drawing = FIGURES["figure_alignment"](replace(study(), scores=study().scores.assign(region=region)))
    assert drawing.figure is not None


def test_scores_without_a_number_are_a_reason() -> None:
    scores = study().scores.assign(ceiled=np.nan, r_over_c_squared=np.nan, r2_over_c=np.nan)
    evidence = replace(study(), scores=scores)
    found = alignment.points(evidence)
    assert found.table.empty and found.why == "No score of the 13 networks that are scored and asked is a number."
    assert FIGURES["figure_alignment"](evidence).caption == found.why
    assert TABLES["table_geometry_alignment"](evidence).notes == (found.why,)


def test_networks_of_other_architectures_are_at_their_own_last_stage() -> None:
    whole = study()
    ids = whole.networks[whole.networks.task == "category"].model_id
    lost = whole.networks[whole.networks.task == "untrained"].model_id.iloc[-1]
    tunings = whole.tunings.copy()
    other = tunings.model_id.isin(ids) & tunings.layer.str.startswith("layer")
    tunings.loc[other, "layer"] = "blocks." + tunings.depth[other].astype(str)
    tunings.loc[other, "depth"] += 20
    tunings = tunings[(tunings.model_id != lost) | tunings.layer.isin(["avgpool", "fc"])]
    found = alignment.points(replace(whole, tunings=tunings, scores=whole.scores.assign(layer="elsewhere")))
    at = found.table.groupby("task").layer.unique()
    assert list(at["category"]) == ["blocks.3"] and list(at["distance"]) == ["layer4.0.relu"]
    words = "the last stage of each (layer4.0, blocks.3), left out: 1 asked at none"
    assert set(found.where.values()) == {words} and found.table.model_id.nunique() == 12


def test_one_design_under_two_names_is_one() -> None:
    whole = study()
    some = whole.tunings.model_id.isin(list(whole.networks.model_id)[::2])
    twice = replace(whole, tunings=whole.tunings.assign(design=whole.tunings.design.mask(some, "data/sweeps")))
    found = seen(twice)
    assert found.rows.model_id.nunique() == seen(whole).rows.model_id.nunique()
    assert not any("left out is what was asked" in note for note in found.notes)


# ---- read-outs across conditions ----------------------------------------------------------------------------------


def test_what_read_outs_keep_is_above_chance_over_folds() -> None:
    def of(latent: str, task: str, seed: int, depth: int) -> tuple[float, float]:
        return (0.05, 0.04) if latent == "z" else (0.4 + 0.1 * seed, 0.2)

    seen_ = with_generalised(study(), of)
    table = seen_.generalised
    table[["chance", "within_chance"]] = np.where(table.latent.to_numpy()[:, None] == "x", [0.05, 0.1], [0.0, 0.0])
    rows = carried(seen_).rows
    assert (
        set(rows.measure) == {"within", "across", "kept"}
        and not rows.duplicated(["model_id", "layer", "label", "measure"]).any()
    )
    one = rows[(rows.task == "category") & (rows.seed == 2) & (rows.layer == "fc")]
    one = one.set_index(["label", "measure"]).value
    assert one["x", "kept"] == pytest.approx((0.2 - 0.05) / (0.6 - 0.1))
    assert one["y", "kept"] == pytest.approx(0.2 / 0.6)
    assert np.isnan(one["z", "kept"]) and one["z", "across"] == pytest.approx(0.04)  # nothing is read out at all


def test_findings_of_read_outs_against_known_effects() -> None:
    known = {name: CHECKS[name](with_generalised(study())) for name in CARRIED}
    first, second = known.values()
    assert first.holds and second.holds
    assert "+0.300 [" in first.value and "+0.500 [" in second.value  # .8 less .5, and less .3
    assert "less Object category" in first.value and set(first.runs) > {"across-" + _model("category", 0)}

    def same(latent: str, task: str, seed: int, depth: int) -> tuple[float, float]:
        return 0.5, 0.25 + 0.01 * seed

    assert all(CHECKS[name](with_generalised(study(), same)).holds is False for name in CARRIED)
    scenes = with_generalised(study(), factor="scene")  # what is found with other things left out is no answer
    assert all(CHECKS[name](scenes).holds is None for name in CARRIED)


def test_the_factor_most_networks_were_asked_with_is_shown_and_others_named() -> None:
    scenes = with_generalised(study(), factor="scene", run="s")
    scenes = replace(scenes, generalised=scenes.generalised[scenes.generalised.model_id != _model("category", 0)])
    found = carried(with_generalised(scenes))
    assert found.design == "shapes, category left out" and "scene of shapes" in found.notes[-1]
    table = TABLES["table_generalisation"](with_generalised(scenes))
    cell = table.rows["Object category, x"]["across ÷ within"]
    assert cell.mean == pytest.approx(0.5) and cell.n == 3
    none = TABLES["table_generalisation"](study())
    assert none.rows["Object category"]["within"].why == "not read out across conditions"


def _model(task: str, seed: int) -> str:
    networks = study().networks
    return str(networks[networks.final & (networks.task == task) & (networks.seed == seed)].model_id.iloc[0])


CARRIED = ("spatial_position_carries_over", "training_carries_position_over")
