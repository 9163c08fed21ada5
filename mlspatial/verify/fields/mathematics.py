"""What must come out because mathematics says so, or because the truth was put in: no data needed."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import product

import numpy as np

from mlspatial.verify.base import Check, check, register

N = 60  # stimuli
CKA = "Kornblith et al. 2019, sec. 2: invariances"


def _layer(seed: int, features: int = 40, n: int = N) -> np.ndarray:
    """(n, features) that some causes drive, rectified."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, 8)) @ rng.normal(size=(8, features)) + rng.normal(size=(n, features)), 0)


def _turned(x: np.ndarray, seed: int = 9) -> np.ndarray:
    """The same, rotated and three times as large."""
    return 3.0 * x @ np.linalg.qr(np.random.default_rng(seed).normal(size=(x.shape[1],) * 2))[0]


# ---- similarity ---------------------------------------------------------------------------------------------------


def _cka(x: np.ndarray, y: np.ndarray, *, debiased: bool = False) -> float:
    from mlspatial.analysis.cka import linear_cka

    return linear_cka(x @ x.T, y @ y.T, debiased=debiased)


def _of_itself(debiased: bool) -> float:
    return _cka(_layer(0), _turned(_layer(0)), debiased=debiased)


def _of_two(debiased: bool) -> float:
    first, second = (_cka(x, _layer(1), debiased=debiased) for x in (_layer(0), _turned(_layer(0))))
    return first - second


for _kind, _debiased in (("cka", False), ("cka_debiased", True)):
    register(
        Check(f"mathematics.{_kind}_itself", f"{_kind} of a layer and itself, turned and enlarged", CKA, (1.0,), 1e-9,
              partial(_of_itself, _debiased))
    )  # fmt: skip
    register(
        Check(f"mathematics.{_kind}_turned", f"{_kind} of two layers, change when one is turned and enlarged", CKA,
              (0.0,), 1e-9, partial(_of_two, _debiased))
    )  # fmt: skip


@check("mathematics.cka_definition", "CKA less |Y'X|² / (|X'X| |Y'Y|)", "Kornblith et al. 2019, eq. 3", 0.0, 1e-9)
def _cka_definition() -> float:
    x, y = (layer - layer.mean(axis=0) for layer in (_layer(0), _layer(1, 25)))
    norm = np.linalg.norm
    return _cka(x, y) - float(norm(y.T @ x) ** 2 / norm(x.T @ x) / norm(y.T @ y))


@check("mathematics.cka_debiased_independent", "debiased CKA of unrelated layers, 4,000 features", "Song et al. 2012",
       0.0, 0.05)  # fmt: skip
def _independent() -> float:
    rng = np.random.default_rng(0)
    return _cka(rng.normal(size=(N, 4000)), rng.normal(size=(N, 4000)), debiased=True)


@check("mathematics.cka_biased_independent", "biased CKA of the same, which only has more features than stimuli",
       "Murphy et al. 2024: near 1", 0.95, 0.0, relation="above")  # fmt: skip
def _biased() -> float:
    rng = np.random.default_rng(0)
    return _cka(rng.normal(size=(N, 4000)), rng.normal(size=(N, 4000)))


@check("mathematics.rsa_turned", "distances between stimuli, r after turning and enlarging", "Euclidean geometry",
       1.0, 1e-9)  # fmt: skip
def _rsa() -> float:
    from mlspatial.analysis.rsa import compare, condensed, euclidean_rdm

    first, second = (condensed(euclidean_rdm(x @ x.T))[None] for x in (_layer(0), _turned(_layer(0))))
    return float(compare(first, second, method="pearson")[0, 0])


@check("mathematics.rsa_shifted", "Pearson similarity of patterns, change when each is scaled and shifted",
       "definition of r", 0.0, 1e-9)  # fmt: skip
def _shifted() -> float:
    from mlspatial.analysis.rsa import similarity_matrix

    x, rng = _layer(0), np.random.default_rng(3)
    moved = x * rng.uniform(0.5, 2.0, (N, 1)) + rng.normal(size=(N, 1))
    return float(np.abs(similarity_matrix(x) - similarity_matrix(moved)).max())


@check("mathematics.whitened_rsa_is_cka", "whitened cosine of squared distances less CKA", "Diedrichsen et al. 2020",
       0.0, 1e-9)  # fmt: skip
def _whitened() -> float:
    from mlspatial.analysis.rsa import compare, condensed, euclidean_rdm

    x, y = _layer(0), _layer(1)
    first, second = (condensed(euclidean_rdm(layer @ layer.T))[None] for layer in (x, y))
    return float(compare(first, second, method="whitened_cosine")[0, 0]) - _cka(x, y)


@check("mathematics.procrustes_turned", "Procrustes similarity of a layer and itself, turned", "Williams et al. 2021",
       1.0, 1e-6)  # fmt: skip
def _procrustes() -> float:
    from mlspatial.analysis.shape import feature_factor, procrustes_similarity

    return procrustes_similarity(feature_factor(_layer(0)), feature_factor(_turned(_layer(0))))


@check("mathematics.dimensionality", "effective dimensionality of 12 equal axes", "Elmoznino and Bonner 2024", 12.0,
       1e-6)  # fmt: skip
def _dimensionality() -> float:
    from mlspatial.analysis.gram import centred
    from mlspatial.analysis.versa import effective_dimensionality

    axes = np.linalg.qr(np.column_stack([np.ones(N), np.random.default_rng(0).normal(size=(N, 12))]))[0][:, 1:]
    return effective_dimensionality(centred(axes @ axes.T))


@check("mathematics.mds", "points of a plane from their distances, largest error", "Torgerson 1952", 0.0, 1e-6)
def _mds() -> float:
    from scipy.spatial.distance import cdist

    from mlspatial.analysis.mds import mds

    points = np.random.default_rng(0).normal(size=(25, 2)) * [3, 1]
    made = mds(cdist(points, points)).coordinates
    return float(np.abs(cdist(made, made) - cdist(points, points)).max())


@check("mathematics.jl_2000", "dimensions that keep distances of 2,000 stimuli within 10 %",
       "Dasgupta and Gupta 2003: 4 ln n / (e²/2 - e³/3)", 6515.06, 1.0)  # fmt: skip
def _jl() -> float:
    from mlspatial.analysis.projection import johnson_lindenstrauss_dimension

    return johnson_lindenstrauss_dimension(2000)


@check("mathematics.jl_1000", "dimensions for 1,000 stimuli", "Conwell et al. 2024", 5920, 0)
def _jl_1000() -> float:
    from mlspatial.analysis.projection import johnson_lindenstrauss_dimension

    return johnson_lindenstrauss_dimension(1000)


@check("mathematics.projection", "largest change of a squared distance by random projection",
       "Johnson and Lindenstrauss 1984", 0.1, 0.0, relation="below")  # fmt: skip
def _projection() -> float:
    from scipy.spatial.distance import pdist

    from mlspatial.analysis.projection import SparseProjection, johnson_lindenstrauss_dimension

    x = np.random.default_rng(0).normal(size=(N, 8000)).astype(np.float32)
    made = SparseProjection(8000, johnson_lindenstrauss_dimension(N), 0).project(x).numpy()
    return float(np.abs(pdist(made) ** 2 / pdist(x) ** 2 - 1).max())


# ---- ceilings -----------------------------------------------------------------------------------------------------


def _reliability(repeats: int) -> float:
    """Split-half consistency of neurons with signal and noise of equal variance, mean over 40."""
    from mlspatial.analysis.ceiling import split_half

    rng = np.random.default_rng(2)
    trials = rng.normal(size=(3000, 40, 1)) + rng.normal(size=(3000, 40, repeats))
    return float(split_half(trials).mean())


for _repeats in (2, 4, 10):
    register(
        Check(f"mathematics.split_half_{_repeats}", f"split-half ceiling of {_repeats} trials, as much noise as signal",
              "Spearman 1910, Brown 1910: k / (k + 1)", (_repeats / (_repeats + 1),), 0.005,
              partial(_reliability, _repeats))
    )  # fmt: skip


@check("mathematics.repeat_reliability", "the same of the means themselves, 5 trials", "Shrout and Fleiss 1979",
       5 / 6, 0.005)  # fmt: skip
def _repeat_reliability() -> float:
    from mlspatial.analysis.ceiling import repeat_reliability

    rng = np.random.default_rng(3)
    return float(repeat_reliability(rng.normal(size=(3000, 40, 1)) + rng.normal(size=(3000, 40, 5))).mean())


@check("mathematics.ncsnr", "ratio of signal to noise, twice as much signal", "the ratio put in",
       2.0, 0.03)  # fmt: skip
def _ncsnr() -> float:
    from mlspatial.analysis.gsn import ncsnr

    rng = np.random.default_rng(5)
    return float(ncsnr(2.0 * rng.normal(size=(3000, 20, 1)) + rng.normal(size=(3000, 20, 3))).mean())


@check("mathematics.gsn", "ceiling of similarity matrices less the true one", "Kay et al. 2024: the signal put in", 0.0,
       0.06)  # fmt: skip
def _gsn() -> float:
    from mlspatial.analysis.gsn import rsa_ceiling

    rng = np.random.default_rng([1, 10])
    signal = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 60)) / np.sqrt(12)
    common = rng.normal(size=(200, 3, 5)) @ rng.normal(size=(5, 60)) / np.sqrt(5)
    trials = (signal[:, None] + 0.6 * common + 0.8 * rng.normal(size=(200, 3, 60))).transpose(0, 2, 1)
    upper = np.triu_indices(200, 1)
    true = np.corrcoef(np.corrcoef(signal)[upper], np.corrcoef(trials.mean(axis=2))[upper])[0, 1]
    return rsa_ceiling(trials, np.random.default_rng(2)).ceiling - float(true)


# ---- statistics ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _balanced() -> dict[str, float]:
    """A random intercept of 7 groups with 4 values, and its closed forms."""
    from mlspatial.analysis.mixed import random_intercept

    rng, groups, repeats = np.random.default_rng(0), 7, 4
    y = np.repeat(rng.normal(0, 2, groups), repeats) + rng.normal(5, 0.5, groups * repeats)
    found = random_intercept(y, np.ones((len(y), 1)), np.repeat(np.arange(groups), repeats))
    values = y.reshape(groups, repeats)
    within, between = values.var(axis=1, ddof=1).mean(), repeats * values.mean(axis=1).var(ddof=1)
    return {
        "residual": found.residual_sd**2 / within - 1,
        "groups": found.group_sd**2 / ((between - within) / repeats) - 1,
        "error": float(found.errors[0]) / np.sqrt(between / len(y)) - 1,
        "df": float(found.df[0]),
    }


def _balance(part: str) -> float:
    return _balanced()[part]


for _part, _words in (("residual", "variance within groups"), ("groups", "variance between groups"),
                      ("error", "error of the mean")):  # fmt: skip
    register(
        Check(f"mathematics.mixed_{_part}", f"random intercept, balanced: {_words} over the closed form, less 1",
              "mean squares: Searle et al. 1992", (0.0,), 1e-6, partial(_balance, _part))
    )  # fmt: skip
register(
    Check("mathematics.mixed_df", "degrees of freedom of the mean of 7 groups", "Satterthwaite 1946: groups - 1",
          (6.0,), 1e-4, partial(_balance, "df"))
)  # fmt: skip


@check("mathematics.mann_whitney", "p of four values above four others", "exact: 2 of 70 orders", 2 / 70, 1e-9)
def _mann_whitney() -> float:
    from mlspatial.analysis.contrasts import contrasts

    (found,) = contrasts({"x": (np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8]))})
    return found.p


@check("mathematics.bootstrap", "bootstrap of a mean of four less all 256 resamples, largest difference of shares",
       "enumeration", 0.0, 0.01)  # fmt: skip
def _bootstrap() -> float:
    from mlspatial.analysis.regression import mean_draws

    values = np.array([0.1, 0.2, 0.6, 0.7])
    every = np.round([np.mean(drawn) for drawn in product(values, repeat=4)], 9)
    draws = np.round(mean_draws(values, np.random.default_rng(0), 40_000), 9)
    return float(max(abs(np.mean(draws <= at) - np.mean(every <= at)) for at in np.unique(every)))


@check(
    "mathematics.breakpoints", "bends of a line that was bent at 30.4 and 40.4", "the bends put in", (30.4, 40.4), 0.01
)
def _breakpoints() -> tuple[float, float]:
    from mlspatial.analysis.regression import segmented

    place = np.arange(1.0, 61)
    first, second = segmented(place, 0.7 - 0.001 * place - 0.02 * np.clip(place - 30.4, 0, 10.0)).breaks
    return float(first), float(second)


# ---- choices ------------------------------------------------------------------------------------------------------


@check(
    "mathematics.kappa_independent", "error consistency of two observers who guess", "Geirhos et al. 2020: 0", 0.0, 0.02
)
def _kappa() -> float:
    from mlspatial.analysis.choices import error_consistency

    rng = np.random.default_rng(0)
    return error_consistency(rng.random(40_000) < 0.7, rng.random(40_000) < 0.4)


@check("mathematics.kappa_same", "of an observer with itself", "Geirhos et al. 2020: 1", 1.0, 1e-12)
def _kappa_same() -> float:
    from mlspatial.analysis.choices import error_consistency

    right = np.random.default_rng(0).random(200) < 0.7
    return error_consistency(right, right)


@check("mathematics.explainable", "explainable variance of r .5 below a ceiling of .8", "Conwell et al. 2024: (r / c)²",
       0.390625, 1e-12)  # fmt: skip
def _explainable() -> float:
    from mlspatial.analysis.versa import explainable_variance

    return explainable_variance(0.5, 0.8)
