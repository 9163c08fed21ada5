"""Fast procedures beside other people's slow ones, on the same made-up numbers: no data needed."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from mlspatial.verify.base import Check, check, register

TRAIN = 120
SKLEARN, SCIPY = "scikit-learn", "SciPy"


def _data(n: int = 135, p: int = 400, targets: int = 9, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rectified features and noisy responses that share 40 causes."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 40)) / np.sqrt(np.arange(1, 41))
    features = np.maximum(causes @ rng.normal(size=(40, p)), 0) + 0.3 * rng.normal(size=(n, p))
    return features, np.tanh(causes @ rng.normal(size=(40, targets))) + 0.5 * rng.normal(size=(n, targets))


def _largest(ours: object, theirs: object) -> float:
    return float(np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)).max())


# ---- regressions --------------------------------------------------------------------------------------------------


@check("implementations.pls_predictions", "PLS of 25 components, largest difference of predictions",
       f"{SKLEARN}'s PLSRegression", 0.0, 1e-8)  # fmt: skip
def _pls() -> float:
    from sklearn.cross_decomposition import PLSRegression

    from mlspatial.analysis.pls import gram_matrix, predict_pls

    features, responses = _data()
    gram = gram_matrix(features)
    ours = predict_pls(gram[:TRAIN, :TRAIN], gram[TRAIN:, :TRAIN], responses[:TRAIN])
    return _largest(
        ours, PLSRegression(25, scale=False).fit(features[:TRAIN], responses[:TRAIN]).predict(features[TRAIN:])
    )


@check("implementations.pls_brainscore", "r of 9 neuroids in ten splits, largest difference",
       f"Brain-Score's way with {SKLEARN}", 0.0, 1e-8)  # fmt: skip
def _brainscore() -> float:
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.model_selection import ShuffleSplit

    from mlspatial.analysis.pls import cross_validated_pls, gram_matrix, splits

    features, responses = _data()
    ours, theirs = cross_validated_pls(gram_matrix(features), responses, splits(len(features))), []
    for train, test in ShuffleSplit(10, train_size=0.9, random_state=1).split(features):
        found = PLSRegression(25, scale=False).fit(features[train], responses[train]).predict(features[test])
        theirs.append([np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, responses[test].T, strict=True)])
    return _largest(ours, theirs)


@check("implementations.ridge_predictions", "ridge with a penalty a target, largest difference of predictions",
       f"{SKLEARN}'s RidgeCV", 0.0, 1e-6)  # fmt: skip
def _ridge() -> float:
    from sklearn.linear_model import RidgeCV

    from mlspatial.analysis.ridge import RidgeFold

    (features, responses), alphas = _data(), (0.01, 0.1, 1.0, 10.0, 100.0)
    ours = RidgeFold.from_features(features[:TRAIN], features[TRAIN:]).fit(responses[:TRAIN], alphas)
    model = RidgeCV(alphas, alpha_per_target=True).fit(features[:TRAIN], responses[:TRAIN])
    return _largest(ours.predictions.numpy(), model.predict(features[TRAIN:]))


@check("implementations.ridge_left_out", "leave-one-out predictions, largest difference from refitting each",
       f"{SKLEARN}'s Ridge", 0.0, 1e-6)  # fmt: skip
def _left_out() -> float:
    from sklearn.linear_model import Ridge

    from mlspatial.analysis.ridge import RidgeFold

    features, responses = _data(40, 80, 3)
    ours = RidgeFold.from_features(features).loo_predictions(responses, 1.0).numpy()
    each = [np.arange(40) != i for i in range(40)]
    theirs = [Ridge(1.0).fit(features[rest], responses[rest]).predict(features[~rest])[0] for rest in each]
    return _largest(ours, theirs)


@check("implementations.svc", "objective of a linear SVC of 7 classes over theirs, largest less 1",
       f"{SKLEARN}'s LinearSVC (liblinear)", 1e-9, 0.0, relation="below")  # fmt: skip
def _svc() -> float:
    from sklearn.svm import LinearSVC

    from mlspatial.analysis.ridge import inner_products
    from mlspatial.analysis.svc import CATEGORY_C, fit_svc

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, TRAIN)
    features = rng.normal(size=(TRAIN, 200)) + 0.4 * rng.normal(size=(7, 200))[labels]
    ours = fit_svc(inner_products(features), labels).objective.numpy()
    model = LinearSVC(C=CATEGORY_C, tol=1e-7, max_iter=500_000).fit(features, labels)
    theirs = []
    for weights, intercept, positive in zip(model.coef_, model.intercept_, model.classes_, strict=True):
        margins = 1 - np.where(labels == positive, 1, -1) * (features @ weights + intercept)
        theirs.append((weights @ weights + intercept**2) / 2 + CATEGORY_C * (np.maximum(margins, 0) ** 2).sum())
    return float((ours / np.array(theirs) - 1).max())


@check("implementations.projection", "sparse random projection by the same matrix, largest difference",
       f"{SKLEARN}'s SparseRandomProjection", 0.0, 0.0)  # fmt: skip
def _projection() -> float:
    from sklearn.random_projection import SparseRandomProjection

    from mlspatial.analysis.projection import SparseProjection

    features = np.maximum(np.random.default_rng(0).normal(size=(20, 20_000)), 0).astype(np.float32)
    ours = SparseProjection(20_000, 300, 0)
    theirs = SparseRandomProjection(300, dense_output=True, random_state=0).fit(features[:2])
    theirs.components_ = ours.components
    return _largest(ours.project(features).numpy(), theirs.transform(features))


# ---- splits -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _splits(n: int) -> tuple[float, float, float]:
    """(training, test stimuli, how many of ten stratified splits are another one than scikit-learn's)."""
    from sklearn.model_selection import StratifiedShuffleSplit

    from mlspatial.analysis.pls import splits

    labels = np.arange(n) % (2 if n == 135 else 64)  # kinds of texture, objects
    ours = splits(n, labels)
    theirs = StratifiedShuffleSplit(10, train_size=0.9, random_state=1).split(np.zeros(n), labels)
    other = sum(
        not (np.array_equal(a, c) and np.array_equal(b, d)) for (a, b), (c, d) in zip(ours, theirs, strict=True)
    )
    return len(ours[0][0]), len(ours[0][1]), float(other)


def _split(n: int, place: int) -> float:
    return _splits(n)[place]


for _n, _which, _sizes in ((135, "FreemanZiemba2013public", (121, 14)), (3200, "MajajHong2015public", (2880, 320))):
    for _side, _words in enumerate(("training", "test")):
        register(
            Check(f"implementations.splits_{_n}_{_words}", f"{_words} stimuli of a split of {_which}",
                  "Brain-Score 2.4.2", (_sizes[_side],), 0, partial(_split, _n, _side))
        )  # fmt: skip
    register(
        Check(f"implementations.splits_{_n}", f"splits of {_which} that are others than theirs",
              f"{SKLEARN}'s StratifiedShuffleSplit, seed 1", (0.0,), 0, partial(_split, _n, 2))
    )  # fmt: skip


# ---- comparisons and statistics -----------------------------------------------------------------------------------


def _compared(method: str) -> float:
    from scipy.stats import kendalltau, pearsonr, spearmanr

    from mlspatial.analysis.rsa import compare

    x, y = np.random.default_rng(0).normal(size=(2, 190))
    y += x
    theirs = {"pearson": pearsonr, "spearman": spearmanr, "kendall_tau_a": kendalltau}[method](x, y).statistic
    return float(compare(x[None], y[None], method=method)[0, 0] - theirs)


for _method, _words in (("pearson", "Pearson's r"), ("spearman", "Spearman's r"), ("kendall_tau_a", "Kendall's tau")):
    register(
        Check(f"implementations.rdm_{_method}", f"{_words} of two matrices, difference", SCIPY, (0.0,), 1e-9,
              partial(_compared, _method))
    )  # fmt: skip


@check("implementations.procrustes", "Procrustes similarity of two layers, difference",
       f"{SCIPY}'s orthogonal_procrustes", 0.0, 1e-8)  # fmt: skip
def _procrustes() -> float:
    from scipy.linalg import orthogonal_procrustes

    from mlspatial.analysis.shape import feature_factor, procrustes_similarity

    x, y = (feature_factor(_data(seed=seed, p=60)[0]) for seed in (0, 1))
    return procrustes_similarity(x, y) - float(orthogonal_procrustes(x, y)[1])


@check("implementations.mds", "40 steps of SMACOF, largest difference of distances", f"{SKLEARN}'s smacof", 0.0, 1e-7)
def _smacof() -> float:
    from scipy.spatial.distance import cdist
    from sklearn.manifold import smacof

    from mlspatial.analysis.mds import classical, mds

    points = np.random.default_rng(0).normal(size=(25, 6))
    distances = cdist(points, points)
    ours = mds(distances, iterations=40, tolerance=0.0).coordinates
    theirs, _ = smacof(distances, init=classical(distances), n_init=1, max_iter=40, eps=0.0)
    return _largest(cdist(ours, ours), cdist(theirs, theirs))


@check("implementations.kappa", "error consistency of two observers, difference", f"{SKLEARN}'s cohen_kappa_score", 0.0,
       1e-12)  # fmt: skip
def _kappa() -> float:
    from sklearn.metrics import cohen_kappa_score

    from mlspatial.analysis.choices import error_consistency

    rng = np.random.default_rng(0)
    first = rng.random(300) < 0.6
    second = np.where(rng.random(300) < 0.3, first, rng.random(300) < 0.5)
    return error_consistency(first, second) - float(cohen_kappa_score(first, second))


@check("implementations.pearson_interval", "95 % interval of a correlation, largest difference", f"{SCIPY}'s pearsonr",
       0.0, 1e-9)  # fmt: skip
def _interval() -> float:
    from scipy.stats import pearsonr

    from mlspatial.analysis.statistics import pearson

    x, y = np.random.default_rng(0).normal(size=(2, 30))
    ours, theirs = pearson(x, y + x), pearsonr(x, y + x).confidence_interval()
    return _largest((ours.low, ours.high), (theirs.low, theirs.high))


@check("implementations.paired_t", "p of a paired t test, difference", f"{SCIPY}'s ttest_rel", 0.0, 1e-9)
def _paired() -> float:
    from scipy.stats import ttest_rel

    from mlspatial.analysis.regression import paired_t

    x, y = np.random.default_rng(0).normal(size=(2, 12))
    return paired_t(x + 0.5, y).p - float(ttest_rel(x + 0.5, y).pvalue)


@check("implementations.spearman_p", "p of a rank correlation with ties, difference", f"{SCIPY}'s spearmanr", 0.0, 1e-9)
def _spearman() -> float:
    from scipy.stats import spearmanr

    from mlspatial.analysis.regression import spearman

    rng = np.random.default_rng(3)
    x = rng.integers(0, 12, 40).astype(float)
    y = x + rng.normal(0, 5, 40)
    return spearman(x, y, np.random.default_rng(0)).p - float(spearmanr(x, y).pvalue)


#: lmer(y ~ x + task - 1 + (1 | group)) by REML, lmerTest's degrees of freedom, R's lme4 1.1-31, of data drawn below:
#: (seed, checkpoints of each training, tasks, SD between and within) -> slope, its error, degrees of freedom
LME4 = {
    "many": ((0, (10,) * 12, 2, 0.03, 0.01), (0.04910687020, 0.0009451706829, 107.0964025)),
    "unequal": ((3, (1, 2, 3, 5, 8, 2, 1, 1, 4), 2, 0.05, 0.03), (0.04974883425, 0.007167795660, 20.95792364)),
    "few": ((4, (2,) * 5, 2, 0.03, 0.03), (0.04633687232, 0.01379780791, 5.262150050)),
}


@lru_cache(maxsize=3)
def _lme4(name: str) -> tuple[float, float, float]:
    from mlspatial.analysis.mixed import random_intercept

    (seed, sizes, tasks, sd, noise), _ = LME4[name]
    rng, rows = np.random.default_rng(seed), []
    for group, size in enumerate(sizes):
        start, b = rng.normal(0, sd), group % tasks
        rows += [(0.3 + 0.1 * b + start + 0.05 * x + rng.normal(0, noise), x, b, group) for x in rng.normal(size=size)]
    y, x, kind, groups = map(np.array, zip(*rows, strict=True))
    design = np.column_stack([x, *(kind == task for task in range(tasks))]).astype(float)
    found = random_intercept(y, design, groups)
    return float(found.weights[0]), float(found.errors[0]), float(found.df[0])


def _fitted(name: str, place: int) -> float:
    return _lme4(name)[place]


for _name, (_, _printed) in LME4.items():
    for _place, (_part, _words) in enumerate((("slope", "slope"), ("error", "error of the slope"), ("df", "its df"))):
        register(
            Check(f"implementations.lme4_{_name}_{_part}", f"{_words}, trainings with {_name} checkpoints",
                  "R's lme4 1.1-31 with lmerTest", (_printed[_place],), 2e-6 * _printed[_place],
                  partial(_fitted, _name, _place))
        )  # fmt: skip
