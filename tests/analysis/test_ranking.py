"""Rankings of models: tests against SciPy, groups against their definition, and how often they err."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp, ttest_rel

from mlspatial.analysis.bootstrap import Replicates
from mlspatial.analysis.ranking import Estimate, across, groups, letter, of_networks, rank, satterthwaite
from mlspatial.core.errors import UserError
from speed.calibration import measure

ERRORS = {"good": 0.2, "same": 0.2, "worse": 1.5, "bad": 8.0}


def experiment(seed: int = 0, n: int = 90, units: int = 30, networks: int = 1, **errors: float):  # type: ignore[no-untyped-def]
    """(models, responses, noise of their means) of four latents that models see with errors."""
    rng = np.random.default_rng(seed)
    weights, latents = rng.standard_normal((units, 4)), rng.standard_normal((n, 4))
    responses = latents @ weights.T + np.sqrt(0.5) * rng.standard_normal((n, units))
    models = {
        name: [(latents + np.sqrt(error) * rng.standard_normal((n, 4))) @ weights.T for _ in range(networks)]
        for name, error in (errors or ERRORS).items()
    }
    models["nothing"] = [rng.standard_normal((n, 4)) @ weights.T for _ in range(networks)]
    return models, responses, np.full((n, units), 0.5)


def test_a_ranking_finds_what_is_there() -> None:
    models, responses, noise = experiment()
    found = rank(models, responses, noise=noise)
    names = [model.name for model in found.models]
    assert set(names[:2]) == {"good", "same"} and names[2:] == ["worse", "bad", "nothing"]
    at = {model.name: model for model in found.models}
    assert set(at["good"].letters) & set(at["same"].letters) and not set(at["good"].letters) & set(at["worse"].letters)
    assert at["bad"].p_zero < 0.001 < 0.05 < at["nothing"].p_zero
    for name, model in at.items():  # the score is the mean correlation, told by hand
        by_hand = [np.corrcoef(models[name][0][:, u], responses[:, u])[0, 1] for u in range(30)]
        assert model.estimate.value == pytest.approx(np.mean(by_hand), abs=1e-6) == model.scores[0]
    mean_var = responses.var(axis=0, ddof=1)
    reliability = 1 - 87 / 89 * 0.5 / mean_var
    assert found.lower == pytest.approx(reliability.mean(), abs=1e-5)
    assert found.upper == pytest.approx(np.sqrt(reliability).mean(), abs=1e-5)
    assert at["worse"].p_ceiling < 0.001 and at["worse"].ceiling is not None
    assert at["worse"].ceiling.value == pytest.approx(at["worse"].estimate.value - found.lower)
    assert (found.stimuli, found.units, len(found.pairs)) == (90, 30, 10)
    again = rank(models, responses, noise=noise)
    assert again == found and rank(models, responses, noise=noise, seed=1) != found


def test_differences_are_paired_and_corrected() -> None:
    """A pair's interval is far narrower than those of its scores; corrections are Holm's and Benjamini's."""
    models, responses, _ = experiment()
    nearly = models["good"][0] + 0.05 * np.random.default_rng(9).standard_normal(responses.shape)
    found = rank({"one": models["good"], "two": [nearly], "far": models["bad"]}, responses)
    (close,) = [pair for pair in found.pairs if {pair.first, pair.second} == {"one", "two"}]
    assert close.estimate.error < found.models[0].estimate.error / 5
    p = [pair.p for pair in found.pairs]
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.array(p)[order] * [3, 2, 1])
    assert [found.pairs[i].p_holm for i in order] == pytest.approx(np.minimum(stepped, 1))
    backwards = np.minimum.accumulate((np.array(p)[order] * 3 / [1, 2, 3])[::-1])[::-1]
    assert [found.pairs[i].p_fdr for i in order] == pytest.approx(np.minimum(backwards, 1))
    assert [pair.estimate.value >= 0 for pair in found.pairs] == [True] * 3
    assert np.isnan(found.lower) and all(model.ceiling is None for model in found.models)


def test_ceilings_that_are_given() -> None:
    """A reliability a unit is drawn with the units alone."""
    models, responses, _ = experiment()
    given = np.linspace(0.2, 0.9, 30)
    found = rank(models, responses, reliability=given)
    assert found.lower == pytest.approx(given.mean()) and found.upper == pytest.approx(np.sqrt(given).mean())
    assert rank(models, responses, reliability=given, statistic="median").lower == pytest.approx(np.median(given))


def test_letters_are_shared_by_pairs_that_do_not_differ_and_by_no_others() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 9, 14):
        names = [f"m{i}" for i in range(size)]
        for share in (0.0, 0.3, 0.7, 1.0):
            together = {pair for pair in itertools.combinations(names, 2) if rng.random() < share}
            found = groups(names, together)
            marks = {name: set(text.split(",") if "," in text else text) for name, text in found.items()}
            assert all(marks.values())
            for a, b in itertools.combinations(names, 2):
                assert bool(marks[a] & marks[b]) == ((a, b) in together)
    assert [letter(i) for i in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]


def test_networks_are_a_level_of_their_own() -> None:
    """Seeds that differ widen the interval, by their variance over their number, counted once; their own interval is
    Student's t of the seeds' scores."""
    models, responses, _ = experiment(networks=1, a=0.2, b=0.3, c=2.0, d=0.25)
    mixed = [models[name][0] for name in "abc"]
    found = {model.name: model for model in rank({"mixed": mixed, "one": models["d"]}, responses).models}
    estimate, scores = found["mixed"].estimate, found["mixed"].scores
    assert estimate.networks == (pytest.approx(np.std(scores, ddof=1) / np.sqrt(3)), 2)
    assert estimate.error > estimate.networks[0] > found["one"].estimate.error
    low, high = ttest_1samp(scores, 0).confidence_interval(0.95)
    from mlspatial.analysis.ranking import half_width

    assert 2 * half_width(*estimate.networks) == pytest.approx(high - low)
    assert np.isnan(found["one"].estimate.networks[0]) and found["one"].estimate.df == 29
    same = {model.name: model for model in rank({"same": [models["d"][0]] * 3, "one": models["d"]}, responses).models}
    assert same["same"].estimate.error == pytest.approx(same["one"].estimate.error, rel=1e-9)


def test_what_networks_share_with_images_is_counted_once() -> None:
    """Networks that differ by chance over the images alone: no more than what drawing images says."""
    rng = np.random.default_rng(1)
    n = 200
    each = rng.standard_normal((3, n))  # a number an image and network, score its mean
    counts = rng.multinomial(n, np.full(n, 1 / n), size=3000)
    units = np.zeros(3000)
    found = [Replicates(float(x.mean()), counts @ x / n, units + x.mean(), counts @ x / n, n, 10**6) for x in each]
    estimate = of_networks([(1.0, found)])
    of_mean, between = each.mean(axis=0).var(ddof=1) / n, each.mean(axis=1).var(ddof=1) / 3
    special = (each - each.mean(axis=0)).var(axis=1, ddof=1).mean() / n / 2  # to a network and an image, over three
    assert special == pytest.approx(of_mean, rel=0.3)  # there is nothing else here
    expected = max(of_mean + between - special, of_mean, between)
    assert estimate.error**2 == pytest.approx(expected, rel=0.1) and expected < 0.8 * (of_mean + between)


def test_over_recordings_it_is_student_s_t() -> None:
    rankings = [rank(*experiment(seed)[:2], noise=experiment(seed)[2], resamples=50) for seed in range(4)]
    found = across(rankings)
    scores = {
        name: [next(m.estimate.value for m in r.models if m.name == name) for r in rankings]
        for name in (*ERRORS, "nothing")
    }
    for model in found.models:
        assert model.estimate.value == pytest.approx(np.mean(scores[model.name])) and model.estimate.df == 3
    for pair in found.pairs:
        assert pair.p == pytest.approx(ttest_rel(scores[pair.first], scores[pair.second]).pvalue)
    below = next(model for model in found.models if model.name == "bad").ceiling
    expected = ttest_rel(scores["bad"], [r.lower for r in rankings])
    assert below is not None and below.apart() == pytest.approx(expected.pvalue)
    assert found.recordings == 4 and found.stimuli == 360
    with pytest.raises(UserError, match="1 recording"):
        across(rankings[:1])


def test_degrees_of_freedom() -> None:
    """Satterthwaite's, against Welch's for two samples; an estimate without any spread is sure."""
    assert satterthwaite([(2.0, 4), (2.0, 4)]) == 8 and satterthwaite([(1.0, 7)]) == 7
    assert satterthwaite([(0.0, 5), (0.0, 3)]) == 3
    assert Estimate(0.3, 0.0, 5).beyond() == 0.0 and Estimate(0.0, 0.0, 5).apart() == 1.0


def test_predictions_that_do_not_vary_are_left_out_by_name() -> None:
    models, responses, _ = experiment()
    found = rank(models | {"flat": [np.ones_like(responses)]}, responses, resamples=50)
    assert "flat" not in {model.name for model in found.models} and "flat" in found.notes[0]
    with pytest.raises(UserError, match="no model"):
        rank({}, responses)


def test_false_positives_and_coverage_on_small_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """What docs/analysis.md shows, in small: 120 experiments a case, within what chance allows (one in a thousand)."""
    mean, median = measure(90, 20, 120)
    few, many = binom.ppf(0.999, 120, 0.05) / 120, 1 - binom.ppf(0.999, 120, 0.05) / 120
    for found in (mean, median):
        assert found["false_difference"] <= few and found["false_above_zero"] <= few
        assert found["covers_score"] >= many and found["covers_less_ceiling"] >= many
    assert mean["by_images_alone"] > mean["false_difference"]
    assert len(capsys.readouterr().out.splitlines()) == 2
