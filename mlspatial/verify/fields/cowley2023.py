"""Macaque V4 in four sessions, and networks that were fitted to its neurons (Cowley et al. 2023)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.progress import say
from mlspatial.verify.base import Check, Files, check, register

if TYPE_CHECKING:
    from mlspatial.benchmarks.neurons import NeuralBenchmark
    from mlspatial.benchmarks.sessions import Sessions

ORIGIN = "public with Cowley et al. 2023, compact deep neural network models of V4; docs/brains.md"
PAPER = "Cowley et al. 2023"
FOLDER = "cowley2023_v4"
#: session -> neurons, images
SESSIONS = {"190923": (33, 1200), "210224": (67, 800), "210305": (70, 400), "210325": (50, 640)}
RAW = "responses_raw_210325.npy"
FOUR = Files(
    FOLDER,
    (*(f"images_{one}.zip" for one in SESSIONS), *(f"responses_avg_{one}.npy" for one in list(SESSIONS)[:3]), RAW),
    ORIGIN,
)
ONE = Files(FOLDER, ("images_210325.zip", RAW), ORIGIN)
MEANS = Files(FOLDER, (RAW, "responses_avg_210325.npy"), ORIGIN)
COMPACT = Files(
    FOLDER, ("compact_models_190923.safetensors", "images_190923.zip", "responses_avg_190923.npy"), ORIGIN
)  # fmt: skip
MEASURED = "the published networks in PyTorch alone, by others"
GREY = 16  # pixels a side of what a regression is compared with scikit-learn's on


@lru_cache(maxsize=1)
def four(folder: str) -> Sessions:
    """All sessions; folder: what they are remembered by."""
    from mlspatial.benchmarks import find_benchmark
    from mlspatial.benchmarks.sessions import Sessions

    found = find_benchmark("cowley2023_v4_sessions")
    assert isinstance(found, Sessions)
    return found


@lru_cache(maxsize=1)
def one(folder: str) -> NeuralBenchmark:
    """Session 210325; folder: what it is remembered by."""
    from mlspatial.benchmarks import find_benchmark
    from mlspatial.benchmarks.neurons import NeuralBenchmark

    found = find_benchmark("cowley2023_v4")
    assert isinstance(found, NeuralBenchmark)
    return found


def _size(session: str, axis: int) -> float:
    found = four(str(FOUR.find()))
    return found.parts[found.names.index(session)].responses.shape[axis]


for _session, (_neurons, _images) in SESSIONS.items():
    register(
        Check(f"cowley2023.neurons_{_session}", f"neurons of session {_session}", PAPER, (_neurons,), 0,
              partial(_size, _session, 1), (FOUR,))
    )  # fmt: skip
    register(
        Check(f"cowley2023.images_{_session}", f"images of session {_session}", PAPER, (_images,), 0,
              partial(_size, _session, 0), (FOUR,))
    )  # fmt: skip


@check(
    "cowley2023.repeats_210325", "most repeats of an image in session 210325", f"{PAPER}: up to 8", 8, 0, ONE,
    differs="the file has 6 to 10 trials of an image, most often 8", instead=(10,),
)  # fmt: skip
def _repeats() -> float:
    trials = one(str(ONE.find())).trials
    assert trials is not None
    return float(np.isfinite(trials).sum(axis=2).max())


@check(
    "cowley2023.means_210325", "mean over trials less the authors' averages, largest difference", f"{PAPER}: averages",
    0.0, 1e-5, MEANS, ONE,
)  # fmt: skip
def _means() -> float:
    given = np.load(MEANS.find() / MEANS.names[1])
    return float(np.abs(one(str(ONE.find())).responses - given.T).max())


@lru_cache(maxsize=1)
def correlations(folder: str) -> np.ndarray:
    """(33,) r of each published network with its neuron's mean responses to all images of the session; the networks'
    outputs as they are, which a benchmark cuts at 0 spikes."""
    from pathlib import Path

    from mlspatial.benchmarks.picture_files import read_pictures
    from mlspatial.models.extract import extract
    from mlspatial.models.sinks import Features
    from mlspatial.models.sources import load_external

    say("verify: 33 networks of neurons see 1,200 images; about 2 min on two cores")
    module, spec = load_external("insilico:cowley2023_v4")
    sink = Features()
    extract(module, spec, read_pictures(Path(folder) / COMPACT.names[1]), ["rates"], sink)
    rates = np.asarray(sink.pop("rates")["features"], np.float64)
    recorded = np.load(Path(folder) / COMPACT.names[2])
    return np.array([np.corrcoef(mine, its)[0, 1] for mine, its in zip(rates.T, recorded, strict=True)])


def _network(place: int) -> float:
    return float(correlations(str(COMPACT.find()))[place])


def _over_networks(kind: str) -> float:
    return float(getattr(np, kind)(correlations(str(COMPACT.find()))))


for _kind, _words, _r in (
    ("median", "median over 33 networks", 0.676),
    ("min", "the lowest of 33 networks", 0.445),
    ("max", "the highest of 33 networks", 0.847),
):
    register(
        Check(f"cowley2023.networks_{_kind}", f"r of network and neuron on 1,200 images, {_words}", MEASURED, (_r,),
              0.0005, partial(_over_networks, _kind), (COMPACT,))
    )  # fmt: skip
for _place, _r in ((0, 0.762), (12, 0.847)):
    register(
        Check(f"cowley2023.network_{_place:02d}", f"r of network and neuron {_place:02d} on 1,200 images", MEASURED,
              (_r,), 0.0005, partial(_network, _place), (COMPACT,))
    )  # fmt: skip


def _pixels() -> np.ndarray:
    """(images, pixels) of small grey copies, which any regression can read."""
    images = one(str(ONE.find())).stimuli.images.astype(np.float64)
    step = images.shape[1] // GREY
    whole = images[:, : step * GREY, : step * GREY].mean(axis=3)
    return whole.reshape(len(whole), GREY, step, GREY, step).mean(axis=(2, 4)).reshape(len(whole), -1) / 255.0


@check(
    "cowley2023.pls_210325", "PLS from grey pixels to 50 neurons, first of ten splits, largest difference",
    "scikit-learn's PLSRegression", 0.0, 1e-8, ONE,
)  # fmt: skip
def _pls() -> float:
    from sklearn.cross_decomposition import PLSRegression

    from mlspatial.analysis.pls import gram_matrix, predict_pls

    found, pixels = one(str(ONE.find())), _pixels()
    train, test = found.folds[0]
    gram = gram_matrix(pixels)
    ours = predict_pls(gram[np.ix_(train, train)], gram[np.ix_(test, train)], found.responses[train])
    theirs = PLSRegression(25, scale=False).fit(pixels[train], found.responses[train]).predict(pixels[test])
    return float(np.abs(ours - theirs).max())


@check(
    "cowley2023.ridge_210325", "ridge from grey pixels to 50 neurons, first of ten splits, largest difference",
    "scikit-learn's RidgeCV", 0.0, 1e-6, ONE,
)  # fmt: skip
def _ridge() -> float:
    from sklearn.linear_model import RidgeCV

    from mlspatial.analysis.ridge import RidgeFold

    found, pixels = one(str(ONE.find())), _pixels()
    train, test = found.folds[0]
    alphas = (0.1, 1.0, 10.0, 100.0, 1e3)
    ours = RidgeFold.from_features(pixels[train], pixels[test]).fit(found.responses[train], alphas)
    theirs = RidgeCV(alphas, alpha_per_target=True).fit(pixels[train], found.responses[train]).predict(pixels[test])
    return float(np.abs(ours.predictions.numpy() - theirs).max())


@check(
    "cowley2023.ceiling_210325", "split-half consistency of 50 neurons with missing trials, largest difference",
    "SciPy's pearsonr of halves by NumPy", 0.0, 1e-9, ONE,
)  # fmt: skip
def _ceiling() -> float:
    import warnings

    from scipy.stats import pearsonr

    from mlspatial.analysis.ceiling import split_half

    trials = np.asarray(one(str(ONE.find())).trials, np.float64)
    rng, each = np.random.default_rng(1), []
    for _ in range(10):
        order = rng.permutation(trials.shape[2])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of stimuli that a half lacks
            first, second = (np.nanmean(trials[:, :, side], axis=2) for side in np.split(order, [len(order) // 2]))
        both = np.isfinite(first) & np.isfinite(second)
        r = np.array([pearsonr(a[c], b[c]).statistic for a, b, c in zip(first.T, second.T, both.T, strict=True)])
        each.append(2 * r / (1 + r))
    return float(np.abs(split_half(trials) - np.mean(each, axis=0)).max())
