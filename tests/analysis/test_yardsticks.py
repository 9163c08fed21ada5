"""Every metric against scikit-learn, SciPy, the plain formulas or simulation; what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import RidgeCV

from mlspatial.analysis.ceiling import split_half_each
from mlspatial.analysis.cka import linear_cka
from mlspatial.analysis.kernel_ridge import ALPHAS, cross_validated_ridge
from mlspatial.analysis.pls import Split, splits
from mlspatial.analysis.ridge import RidgeFold
from mlspatial.analysis.yardsticks import (
    METRICS,
    Comparison,
    Metric,
    Regression,
    Representation,
    find_metric,
    representation_of,
    score_of_correlations,
)
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.core.score import FORMULAS
from tests.analysis.conftest import Backend

N = 90
COMPARISONS = [name for name in METRICS if isinstance(METRICS[name], Comparison)]
REGRESSIONS = [name for name in METRICS if isinstance(METRICS[name], Regression)]


def data(n: int = N, p: int = 300, m: int = 12, seed: int = 0, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Rectified features and responses that share 30 causes."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 30)) / np.sqrt(np.arange(1, 31))
    features = np.maximum(causes @ rng.normal(size=(30, p)) + 0.5, 0) + 0.3 * rng.normal(size=(n, p))
    return features, 2.0 + causes @ rng.normal(size=(30, m)) + noise * rng.normal(size=(n, m))


@pytest.mark.parametrize("name", METRICS)
class TestEveryMetric:
    def metric(self, name: str) -> Metric:
        return METRICS[name]

    def test_says_what_it_is(self, name: str) -> None:
        metric = self.metric(name)
        assert metric.name == name and metric.formula in FORMULAS and metric.needs in ("gram", "pattern")
        assert metric.formula == ("r^2/c" if isinstance(metric, Regression) else "r/c")

    def test_its_score_says_what_it_is(self, name: str) -> None:
        features, responses = data()
        metric, layer = self.metric(name), representation_of(features)
        trials = responses[:, :, None] + np.random.default_rng(1).normal(size=(*responses.shape, 6))
        score = metric(layer, responses, splits(N), metric.ceilings(trials))
        assert (score.metric, score.version, score.formula) == (name, metric.version, metric.formula)
        assert 0.1 < score.raw < 1 and 0.3 < score.ceiling < 1 and 0 < score.error < 0.2 and score.n == 10
        bare = metric(layer, responses, splits(N), metric.ceilings(None))
        assert (bare.formula, bare.ceiling, bare.ceiled) == ("none", 1.0, bare.raw)
        assert (bare.raw, bare.error) == (score.raw, score.error)

    def test_the_scale_of_the_gram_does_not_matter(self, name: str) -> None:
        features, responses = data()
        layer, metric, folds = representation_of(features), self.metric(name), splits(N)[:3]
        there = metric(Representation(1e-9 * layer.gram, layer.patterns), responses, folds)
        assert there.raw == pytest.approx(metric(layer, responses, folds).raw, abs=1e-9)

    def test_the_responses_themselves_come_out_best_and_noise_near_zero(self, name: str) -> None:
        features, responses = data(m=40, noise=0.05)
        metric, folds = self.metric(name), splits(N)
        noise = np.random.default_rng(2).normal(size=features.shape)
        own, other, none = (metric(representation_of(x), responses, folds) for x in (responses, features, noise))
        assert own.raw > max(0.95, other.raw) and other.raw > 0.3 and abs(none.raw) < 0.2
        assert isinstance(metric, Regression) or own.raw == pytest.approx(1, abs=1e-9)

    def test_several_regions_as_if_alone(self, name: str) -> None:
        features, responses = data()
        metric, layer, folds = self.metric(name), representation_of(features), splits(N)[:3]
        regions = [responses, responses[:, ::2]]
        together = metric.many(layer, regions, folds, [None, None])
        alone = [metric(layer, region, folds).raw for region in regions]
        assert [score.raw for score in together] == pytest.approx(alone, abs=1e-10)
        assert abs(alone[0] - alone[1]) > 1e-3

    def test_other_stimuli_are_refused(self, name: str) -> None:
        features, responses = data()
        with pytest.raises(StimulusMismatch):
            self.metric(name)(representation_of(features), responses[1:], splits(N - 1))


def by_hand(r: np.ndarray, trials: np.ndarray) -> tuple[float, float, float]:
    """(raw, ceiling, error) with loops: median over neuroids, mean and standard error over splits."""
    medians = [float(np.median(row)) for row in r]
    raw = sum(medians) / len(medians)
    error = (sum((value - raw) ** 2 for value in medians) / len(medians)) ** 0.5 / len(medians) ** 0.5
    halvings = [float(np.median(row)) for row in split_half_each(trials)]
    return raw, sum(halvings) / len(halvings), error


def test_pls_is_brain_score_s() -> None:
    features, responses = data()
    trials = responses[:, :, None] + np.random.default_rng(3).normal(size=(*responses.shape, 8))
    r = []
    for train, test in splits(N):
        predicted = PLSRegression(25, scale=False).fit(features[train], responses[train]).predict(features[test])
        r.append([pearsonr(a, b).statistic for a, b in zip(predicted.T, responses[test].T, strict=True)])
    metric = METRICS["pls25"]
    score = metric(representation_of(features), responses, splits(N), metric.ceilings(trials))
    assert (score.raw, score.ceiling, score.error) == pytest.approx(by_hand(np.array(r), trials), abs=1e-10)
    assert score.ceiled == pytest.approx(score.raw**2 / score.ceiling)
    assert find_metric("pls7").name == "pls7" and find_metric("ridge") is METRICS["ridge"]
    with pytest.raises(UnknownName, match="did you mean pls25"):
        find_metric("pls")


FOLDS: list[Split] = [
    *splits(N)[:3],
    (np.arange(0, 40), np.arange(70, 90)),  # some on neither side
    (np.arange(89, 44, -1), np.array([3, 1, 17])),  # any order
]


def test_ridge_equals_scikit_learn_s_and_the_decomposed_fold_s(place: Backend) -> None:
    """The same alphas, in the features' units, chosen for every neuroid by leave-one-out."""
    features, responses = data(noise=2.0)
    layer = representation_of(features)
    alphas = np.array(ALPHAS) * np.trace(layer.gram) / N
    found = cross_validated_ridge(layer.gram, [responses[:, :5], responses[:, 5:]], FOLDS, place.device)
    chosen = set()
    for row, (train, test) in zip(np.concatenate(found, axis=1), FOLDS, strict=True):
        theirs = RidgeCV(alphas, alpha_per_target=True).fit(features[train], responses[train])
        chosen |= set(theirs.alpha_.tolist())
        predicted = theirs.predict(features[test])
        expected = [pearsonr(a, b).statistic for a, b in zip(predicted.T, responses[test].T, strict=True)]
        assert row == pytest.approx(expected, abs=1e-7)
        fold = RidgeFold.from_gram(layer.gram[np.ix_(train, train)], layer.gram[np.ix_(test, train)])
        other = fold.fit(responses[train], alphas.tolist()).predictions.numpy()
        expected = [pearsonr(a, b).statistic for a, b in zip(other.T, responses[test].T, strict=True)]
        assert row == pytest.approx(expected, abs=1e-7)
    assert len(chosen) > 1, "neuroids differ in their alpha, or the choice is not tested"


def test_ridge_of_what_cannot_be() -> None:
    features, responses = data()
    gram = representation_of(features).gram
    assert np.isnan(cross_validated_ridge(np.zeros((N, N)), [responses], FOLDS)[0]).all()
    with pytest.raises(BadValue, match="alphas"):
        cross_validated_ridge(gram, [responses], FOLDS, alphas=[0.0])
    with pytest.raises(UserError, match="disjoint"):
        cross_validated_ridge(gram, [responses], [(np.arange(50), np.arange(49, 60))])
    with pytest.raises(UserError, match="not finite"):
        cross_validated_ridge(gram, [np.full((N, 1), np.nan)], FOLDS)


def similarity(name: str, features: np.ndarray, responses: np.ndarray) -> float:
    """By SciPy and the plain formula."""
    if name == "cka_debiased":
        return linear_cka(features @ features.T, responses @ responses.T, debiased=True)
    distances = (pdist(features, "correlation"), pdist(responses, "correlation"))
    return float((pearsonr if name == "rsa" else spearmanr)(*distances).statistic)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_equal_the_plain_formulas_with_a_jackknifed_error(name: str, place: Backend) -> None:
    features, responses = data()
    score = METRICS[name](representation_of(features), responses, splits(N), device=place.device)
    assert score.raw == place.near(similarity(name, features, responses), 1e-10)
    parts = [similarity(name, features[train], responses[train]) for train, _ in splits(N)]
    expected = np.sqrt(9 * np.var(parts))
    tolerance = 1e-9 if name != "rsa_spearman" else 0.1  # whose ranks are among all stimuli
    assert score.error == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_error_is_that_of_drawing_other_stimuli(name: str) -> None:
    """Standard deviation of the value over independent sets of stimuli for the same features and neuroids."""
    features, responses = data(n=60 * 40, p=80, m=30)
    raws, errors = [], []
    for stimuli in np.split(np.arange(60 * 40), 40):
        score = METRICS[name](representation_of(features[stimuli]), responses[stimuli], splits(60))
        raws.append(score.raw)
        errors.append(score.error)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(raws), rel=0.3)


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("noise", [0.7, 2.0])
def test_the_ceiling_is_what_the_responses_without_noise_reach(name: str, noise: float) -> None:
    _, signal = data(n=150, m=60, noise=0.0)
    trials = signal[:, :, None] + noise * np.random.default_rng(4).normal(size=(150, 60, 10))
    metric = METRICS[name]
    best = metric(representation_of(signal), trials.mean(axis=2), splits(150), metric.ceilings(trials))
    assert best.raw < 0.999
    assert best.ceiled == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("trials", [4, 6])
def test_the_error_of_a_ceiling_is_its_spread_over_recordings(name: str, trials: int) -> None:
    """Other stimuli, other neuroids and other trials each time: a little too wide, never too narrow."""
    metric, ceilings, errors = METRICS[name], [], []
    for replication in range(25):
        rng = np.random.default_rng([trials, replication])
        signal = 0.5 * rng.normal(size=(60, 6)) @ rng.normal(size=(6, 30))
        recorded = signal[:, :, None] + 1.5 * rng.normal(size=(60, 30, trials))
        ceilings.append(metric.ceilings(recorded))
        errors.append(metric.ceiling_error(recorded))
    assert 0.9 < np.sqrt(np.mean(np.square(errors))) / np.std(ceilings, ddof=1) < 2


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_ceiling_that_cannot_be_told_has_no_error(name: str) -> None:
    rng = np.random.default_rng(0)
    assert np.isnan(METRICS[name].ceiling_error(rng.normal(size=(60, 1, 4))))  # one neuroid
    assert np.isnan(METRICS[name].ceiling_error(rng.normal(size=(4, 20, 4))))  # three stimuli are no matrix
    assert np.isnan(METRICS["ridge"].ceiling_error(rng.normal(size=(60, 20, 4))))  # has one a neuroid


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("neuroids", [2, 6])
def test_few_neuroids_that_hardly_fire_have_a_ceiling_whatever_its_error(name: str, neuroids: int) -> None:
    """Without one of them the pattern of a stimulus may be flat."""
    rng = np.random.default_rng(1)
    rates = np.hstack([rng.gamma(0.3, 1.0, (60, neuroids - 1)), 20 + 20 * rng.random((60, 1))])
    trials = rng.poisson(rates, (4, 60, neuroids)).transpose(1, 2, 0).astype(float)
    metric = METRICS[name]
    error = metric.ceiling_error(trials)
    assert 0 <= metric.ceilings(trials) <= 1 and (np.isnan(error) if metric.needs == "pattern" else error > 0)


@pytest.mark.parametrize("name", COMPARISONS)
def test_ceilings_leave_out_stimuli_that_a_neuroid_lacks(name: str) -> None:
    _, signal = data(n=80, m=30, noise=0.0)
    trials = signal[:, :, None] + np.random.default_rng(5).normal(size=(80, 30, 4))
    metric = METRICS[name]
    whole = metric.ceilings(trials[1:])
    trials[0, 3] = np.nan
    assert metric.ceilings(trials) == pytest.approx(whole, abs=1e-12)
    trials[3:, 3] = np.nan
    with pytest.raises(UserError, match="2 of 80 stimuli"):
        metric.ceilings(trials)


def test_a_layer_without_patterns_has_no_rsa() -> None:
    features, responses = data()
    with pytest.raises(UserError, match="rsa needs the correlations between patterns"):
        METRICS["rsa"](representation_of(features, patterns=False), responses, splits(N))
    with pytest.raises(UserError, match="0 folds, each must leave stimuli out"):
        METRICS["cka_debiased"](representation_of(features), responses, [])


@pytest.mark.parametrize("name", COMPARISONS)
def test_equal_stimuli_have_no_similarity(name: str) -> None:
    _, responses = data()
    flat = Representation(np.zeros((N, N)), np.full(N * (N - 1) // 2, 0.3))
    assert np.isnan(METRICS[name](flat, responses, splits(N)).raw)


def test_neuroids_without_correlation_are_left_out_of_the_median() -> None:
    r = np.array([[0.1, 0.5, np.nan, 0.6], [0.2, 0.4, 0.9, np.nan]])
    score = score_of_correlations(r, np.array([0.8, np.nan, 0.6]), name="x", version="1")
    assert (score.raw, score.ceiling) == pytest.approx((0.45, 0.7))
    assert score.error == pytest.approx(0.05 / np.sqrt(2))
    assert np.isnan(score_of_correlations(np.full((2, 2), np.nan), None, name="x", version="1").raw)


@pytest.mark.parametrize("rows", [np.arange(3, 9), np.array([7, 0, 4, 2]), np.array([5, 5, 1])])
def test_a_part_of_a_representation_is_that_of_the_square(rows: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    square = squareform(rng.normal(size=66).astype(np.float32))
    part = Representation(np.zeros((0, 0)), squareform(square)).part(rows).patterns
    assert part is not None and part.dtype == np.float64
    assert np.array_equal(part, squareform(square[np.ix_(rows, rows)].astype(np.float64), checks=False))
