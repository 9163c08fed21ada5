"""Yardsticks of `score` on one layer of 25,088 features and the public V4 and IT sites, 3,200 images, 10 splits.

    python -m speed.score [--quick] [--device cuda]

The first case is the regression of Brain-Score's neural predictivity: 2,880 training and 320 test images, 88 and 168
sites, PLS with 25 components. Ours is one Gram matrix of the layer (float32 products, float64 sums) and
`cross_validated_pls_many` for both regions and all splits. The alternative is scikit-learn's PLSRegression(25,
scale=False) as Brain-Score calls it. It runs ONE split, counted as ten; --quick has it run on the first 2,048 features
of IT alone, counted by the number of features and, as its time goes with the passes over the features, for both regions
as twice: the line says so. `error` is the largest difference of a site's correlation in that split, on the features
that scikit-learn had; error_float64 that from a float64 Gram.

The other cases are what the remaining metrics take for the same layer: ridge against scikit-learn's Ridge, one alpha of
one split on the Gram's precomputed kernel counted as all; the comparisons against the plain way, a loop over splits,
of which one split is counted as all; one-to-one mapping against SciPy's assignment over all units, likewise.

The last case is the whole table of a ResNet-18: 11 layers, four regions, 3,200 + 135 images of 224 px, from the forward
pass to the scores. Its alternative is the forward pass and the first case's scikit-learn time a feature, counted for
the features of all layers (Brain-Score itself would need 18 GB for the widest). beyond_forward is what ours takes
beside the forward pass, as a share of it. --table runs this case and the first; it takes many minutes.

The features are made: rectified, 40 causes and noise. Time is CPU-seconds with one thread for both; seconds on a
device.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import pearsonr
from sklearn.cross_decomposition import PLSRegression
from sklearn.kernel_ridge import KernelRidge
from threadpoolctl import threadpool_limits

from mlspatial.analysis.cka import linear_cka
from mlspatial.analysis.gram import Gram, unpack
from mlspatial.analysis.kernel_ridge import ALPHAS, cross_validated_ridge
from mlspatial.analysis.matching import OneToOne
from mlspatial.analysis.pls import cross_validated_pls_many, pearson, splits
from mlspatial.analysis.rsa import condensed, similarity_matrix
from mlspatial.analysis.yardsticks import METRICS, Representation
from mlspatial.models.build import build
from mlspatial.models.extract import extract, widths
from mlspatial.models.layers import CANDIDATE_LAYERS
from mlspatial.models.sinks import Features, Products
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from speed.common import peak_mib, report

N = 3200
FEATURES = 25_088
SITES = {"V4": 88, "IT": 168}
OBJECTS = 64
QUICK_FEATURES = 2048  # of scikit-learn's share
CHUNK = 8192
COMPARED = 2048  # features from which the comparisons' matrices are made


def layer() -> tuple[np.ndarray, list[np.ndarray]]:
    """(N, FEATURES) float32 features, and responses of the regions that share 40 causes with them."""
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((N, 40)) / np.sqrt(np.arange(1, 41))
    features = causes.astype(np.float32) @ rng.standard_normal((40, FEATURES), dtype=np.float32)
    np.maximum(features, 0, out=features)
    for first in range(0, FEATURES, CHUNK):
        part = features[:, first : first + CHUNK]
        part += np.float32(0.3) * rng.standard_normal(part.shape, dtype=np.float32)
    responses = [
        np.tanh(causes @ rng.standard_normal((40, sites))) + 0.5 * rng.standard_normal((N, sites))
        for sites in SITES.values()
    ]
    return features, responses


def seconds(work: Callable[[], object], device: str) -> float:
    """CPU-seconds of all threads; or seconds, at whose end results are on the CPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work()
    return clock() - start


def gram_of(features: np.ndarray, device: str, dtype: torch.dtype = torch.float32) -> np.ndarray:
    gram = Gram(len(features))
    for first in range(0, features.shape[1], CHUNK):
        gram.add(torch.from_numpy(features[:, first : first + CHUNK]).to(device, dtype))
    return gram.matrix()


def line(
    case: str, ours: float, alternative: float, name: str, error: float | None, device: str, **more: object
) -> dict:
    return {
        "case": case,
        "ours": round(ours, 2),
        "alternative": round(alternative, 1),
        "unit": ("CPU-seconds" if device == "cpu" else "seconds") + " a layer",
        "alternative_name": name,
        "ratio": round(alternative / ours, 1),
        "error": None if error is None else float(f"{error:.2g}"),
        **more,
        "peak_mib": peak_mib(),
        "n": N,
    }


def regression(features: np.ndarray, responses: list[np.ndarray], quick: bool, device: str) -> dict:
    folds = splits(N, np.arange(N) % OBJECTS)
    kept: dict[str, np.ndarray] = {}
    gram_time = seconds(lambda: kept.update(gram=gram_of(features, device)), device)
    pls_time = seconds(lambda: cross_validated_pls_many(kept["gram"], responses, folds, device=device), device)

    train, test = folds[0]
    part = features[:, :QUICK_FEATURES] if quick else features
    regions = responses[1:] if quick else responses
    theirs, spent, iterations = [], 0.0, 0
    known, new = part[train].astype(np.float64), part[test].astype(np.float64)
    for values in regions:
        model = PLSRegression(25, scale=False)
        spent += seconds(lambda m=model, y=values[train]: m.fit(known, y), device)
        theirs.append(pearson(model.predict(new), values[test]))
        iterations += sum(model.n_iter_)
    errors = []
    for dtype in (torch.float32, torch.float64):
        ours = cross_validated_pls_many(gram_of(part, device, dtype), regions, folds[:1], device=device)
        errors.append(max(float(np.abs(a[0] - b).max()) for a, b in zip(ours, theirs, strict=True)))
    counted = f"scikit-learn PLSRegression(25, scale=False), one split counted as {len(folds)}"
    scale = float(len(folds))
    if quick:
        scale *= FEATURES / QUICK_FEATURES * len(responses)
        counted += f", {QUICK_FEATURES} features counted as {FEATURES}, IT counted for both regions"
    return line(
        f"pls25_{len(train)}_{len(test)}x{FEATURES}_{'_'.join(map(str, SITES.values()))}_sites_{len(folds)}_splits",
        gram_time + pls_time,
        spent * scale,
        counted,
        errors[0],
        device,
        error_float64=float(f"{errors[1]:.2g}"),
        ours_gram=round(gram_time, 2),
        ours_regression=round(pls_time, 2),
        ratio_of_the_regression_alone=round(spent * scale / pls_time, 1),
        nipals_iterations=iterations,
    )


def ridge(gram: np.ndarray, responses: list[np.ndarray], device: str) -> dict:
    """scikit-learn solves one split and alpha and does not choose; choosing by its own ways takes longer."""
    folds = splits(N, np.arange(N) % OBJECTS)
    ours = seconds(lambda: cross_validated_ridge(gram, responses, folds, device), device)
    (train, test), both = folds[0], np.concatenate(responses, axis=1)
    alpha = 0.1
    model = KernelRidge(alpha=alpha * np.trace(gram) / N, kernel="precomputed")
    means = gram[np.ix_(train, train)].mean(axis=0)
    within = gram[np.ix_(train, train)] - means - means[:, None] + means.mean()
    across = gram[np.ix_(test, train)]
    across = across - across.mean(axis=1, keepdims=True) - means + means.mean()
    spent = seconds(lambda: model.fit(within, both[train] - both[train].mean(axis=0)), device)
    expected = pearson(model.predict(across), both[test])
    found = np.concatenate(cross_validated_ridge(gram, responses, folds[:1], device, alphas=[alpha]), axis=1)[0]
    return line(
        f"ridge_{len(ALPHAS)}_alphas",
        ours,
        spent * len(folds) * len(ALPHAS),
        f"scikit-learn KernelRidge without choosing, one split and alpha counted as {len(folds) * len(ALPHAS)}",
        float(np.abs(found - expected).max()),
        device,
    )


def comparison(name: str, features: np.ndarray, responses: np.ndarray, device: str) -> dict:
    """The plain way: all stimuli and every training part from the beginning; one part is measured."""
    folds, metric = splits(N, np.arange(N) % OBJECTS), METRICS[name]
    gram = gram_of(features[:, :COMPARED], device)
    patterns = condensed(similarity_matrix(features[:, :COMPARED]))
    found = []
    ours = seconds(
        lambda: found.append(metric(Representation(gram, patterns), responses, folds, device=device)), device
    )
    train = folds[0][0]

    def plainly() -> float:
        if name == "cka_debiased":
            inside = responses[train] - responses[train].mean(axis=0)
            return linear_cka(gram[np.ix_(train, train)], inside @ inside.T, debiased=True)
        return float(pearsonr(_part(patterns, train), condensed(np.corrcoef(responses[train]))).statistic)

    values: list[float] = []
    spent = seconds(lambda: values.append(plainly()), device)
    once = metric(
        Representation(gram[np.ix_(train, train)], _part(patterns, train)), responses[train], splits(len(train))
    )
    return line(
        name,
        ours,
        spent * (len(folds) + 1),
        f"the similarity of each training part from the beginning, one counted as {len(folds) + 1}",
        abs(once.raw - values[0]),
        device,
    )


def _part(patterns: np.ndarray, train: np.ndarray) -> np.ndarray:
    square = np.eye(N)
    square[np.triu(np.ones((N, N), bool), 1)] = patterns
    return condensed((square + square.T)[np.ix_(train, train)])


def one_to_one(features: np.ndarray, responses: np.ndarray, device: str) -> dict:
    folds = splits(N, np.arange(N) % OBJECTS)
    found = []

    def stream() -> None:
        mapping = OneToOne(responses, folds)
        for first in range(0, FEATURES, CHUNK):
            mapping.add(torch.from_numpy(features[:, first : first + CHUNK]).to(device))
        found.append(mapping.correlations())

    ours = seconds(stream, device)
    (train, test), expected = folds[0], np.empty(responses.shape[1])

    def plainly() -> None:
        units = features[train].astype(np.float64)
        units -= units.mean(axis=0)
        units /= np.linalg.norm(units, axis=0)
        known = responses[train] - responses[train].mean(axis=0)
        rows, columns = linear_sum_assignment((known / np.linalg.norm(known, axis=0)).T @ units, maximize=True)
        expected[rows] = pearson(responses[test][:, rows], features[test][:, columns].astype(np.float64))

    spent = seconds(plainly, device)
    return line(
        f"one_to_one_{FEATURES}_units_{responses.shape[1]}_sites",
        ours,
        spent * len(folds),
        f"correlations with all units and SciPy's linear_sum_assignment, one split counted as {len(folds)}",
        float(np.abs(found[0][0] - expected).max()),
        device,
    )


def table(of_a_feature: float, device: str) -> dict:
    """of_a_feature: seconds of the alternative for a feature, all splits, V4 and IT."""
    rng = np.random.default_rng(1)
    spec = ModelSpec("resnet18", 674, {}, (), 224)
    module = build(spec, seed=0).to(device)
    layers = CANDIDATE_LAYERS["resnet18"]
    groups = {}
    for n, sites, strata in ((N, SITES.values(), np.arange(N) % OBJECTS), (135, (102, 103), np.arange(135) % 2)):
        coarse = rng.integers(0, 255, (n, 28, 28, 3), np.uint8)
        images = coarse.repeat(8, axis=1).repeat(8, axis=2)
        responses = [rng.standard_normal((n, count)) for count in sites]
        groups[n] = Stimuli(tuple(map(str, range(n))), images), responses, splits(n, strata)
    forward = sum(
        seconds(lambda s=stimuli: extract(module, spec, s, ["fc"], Features()), device)
        for stimuli, _, _ in groups.values()
    )

    def ours() -> None:
        for n, (stimuli, responses, folds) in groups.items():
            with tempfile.TemporaryDirectory() as folder:
                sink = Products(("gram",), n, Path(folder), device)
                extract(module, spec, stimuli, layers, sink)
                for layer_name in layers:
                    gram = unpack(sink.pop(layer_name)["gram"])
                    cross_validated_pls_many(gram, responses, folds, device=device)

    spent = seconds(ours, device)
    features = sum(widths(module, spec, layers).values())
    name = "the forward pass and scikit-learn's time of the first case, counted by features"
    return line(
        "table_resnet18_11_layers_4_regions", spent, forward + of_a_feature * features, name, None, device,
        forward=round(forward, 1), beyond_forward=round(spent / forward - 1, 2), features=features,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds: the regression alone")
    parser.add_argument("--table", action="store_true", help="the regression and the whole table of a ResNet-18")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = options.device
    if device == "cpu":
        torch.set_num_threads(1)
    else:  # libraries load
        (torch.eye(4, device=device) @ torch.eye(4, device=device)).cpu()
    with threadpool_limits(1) if device == "cpu" else nullcontext():
        features, responses = layer()
        first = regression(features, responses, options.quick or options.table, device)
        report([first], device)
        if options.table:
            del features
            report([table(first["alternative"] / FEATURES, device)], device)
        if options.quick or options.table:
            return
        gram = gram_of(features, device)
        report([ridge(gram, responses, device)], device)
        for name in ("rsa", "cka_debiased"):
            report([comparison(name, features, responses[1], device)], device)
        report([one_to_one(features, responses[1], device)], device)


if __name__ == "__main__":
    main()
