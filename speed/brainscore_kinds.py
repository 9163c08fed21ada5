"""Brain-Score's further kinds against the package's own classes, on one layer, from activations in memory to scores.

    python -m speed.brainscore_kinds [--quick]

split: ridge from 412 training to 103 test images, 9,039 voxels of eight subjects (Allen2022_fmri.V1-ridge), 25,088
features. split_chosen: the same with 99 penalties to choose from, at 1,600 images, 100 test images and 600 units of
two subjects; the real ones have 8,640 images and more, which is a decomposition of minutes here and there. rdm: 1,000
images, four subjects of 2,000 voxels (Allen2022_fmri_4subj.V2-rdm). NAME_regions: the same for all regions of the same
images (V1, V2, V4, IT; of split_chosen three), which share a layer's products, factors, eigenvectors and ranks here;
the package makes them anew for each, so that it runs one, counted as all. temporal: 3,200 images, 168 sites, 20 bins of
10 ms (MajajHong2015public.IT-temporal-pls), 512 features: the package's matrices of 57,600 rows are of 236 MB there, of
11.6 GB at 25,088. reverse: 3,200 images, 168 sites, 25,088 units (MajajHong2015public.IT-reverse_pls).

The package's classes are called as its benchmarks call them, on assemblies of the real layout. Of cross-validated kinds
they run ONE split, counted as ten; of subjects one, counted as all. What both keep of a benchmark (splits, ceilings,
means of responses) is not timed; what the package makes anew for every layer is, as are matrices of subjects. error is
the largest difference of a unit's r (of rdm: of a subject's) on what the package ran, from the same float32
activations. Ours makes its inner products first, as it does behind `score`, whose activations of wide layers wait as
float16: that is no part of error.

--quick: a tenth of the images, 2,048 features. Time is CPU-seconds with one thread for both.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlspatial.analysis import rsa
from mlspatial.analysis.fixed_split import InnerProducts, split_ridge
from mlspatial.analysis.gram import PatternGram
from mlspatial.analysis.pls import pearson, predicted_pls_many, splits
from mlspatial.analysis.reverse_pls import ReversePLS
from mlspatial.analysis.ridge import inner_products
from speed.common import peak_mib, report

FEATURES, QUICK_FEATURES = 25_088, 2048
CHUNK = 8192


def layer(n: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """((n, features) float32 rectified features, (n, 40) their causes)."""
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((n, 40)) / np.sqrt(np.arange(1, 41))
    found = causes.astype(np.float32) @ rng.standard_normal((40, features), dtype=np.float32)
    np.maximum(found, 0, out=found)
    found += np.float32(0.3) * rng.standard_normal(found.shape, dtype=np.float32)
    return found, causes


def responses(causes: np.ndarray, units: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.tanh(causes @ rng.standard_normal((40, units))) + 0.5 * rng.standard_normal((len(causes), units))


def assembly(values: np.ndarray, first: int = 0, bins: int = 0) -> Any:
    """Of the package; (presentation, neuroid), or with time bins behind."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

    coordinates = {
        "stimulus_id": ("presentation", [f"s{first + row:05d}" for row in range(len(values))]),
        "object_name": ("presentation", ["thing"] * len(values)),
        "neuroid_id": ("neuroid", np.arange(values.shape[1])),
        "region": ("neuroid", ["IT"] * values.shape[1]),
    }
    dims = ["presentation", "neuroid"]
    if bins:
        coordinates |= {
            "time_bin_start": ("time_bin", 10 * np.arange(bins)),
            "time_bin_end": ("time_bin", 10 * np.arange(1, bins + 1)),
        }
        dims.append("time_bin")
    return NeuroidAssembly(values, coords=coordinates, dims=dims)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    return work(), time.process_time() - begun


def line(case: str, ours: float, theirs: float, counted: int, error: float, what: str) -> dict[str, Any]:
    name = "the package's classes" + (f", one part counted as {counted}" if counted > 1 else "")
    return {
        "case": case,
        "ours": round(ours, 3),
        "alternative": round(theirs * counted, 2),
        "unit": "CPU-seconds",
        "alternative_name": name,
        "ratio": round(theirs * counted / ours, 1),
        "error": float(f"{error:.2g}"),
        "shape": what,
        "peak_mib": peak_mib(),
    }


def split(
    case: str, metric: Any, alphas: list[float], n: int, test: int, units: int, subjects: int, width: int, regions: int
) -> dict:
    features, causes = layer(n + test, width)
    measured = [responses(causes, units, 1 + region) for region in range(regions)]
    targets = measured[0]
    of = np.arange(units) % subjects
    groups = [np.flatnonzero(of == subject) for subject in range(subjects)]
    known, new = np.arange(n), np.arange(n, n + test)

    def ours() -> np.ndarray:
        products = InnerProducts(n + test)
        products.add(features)
        found = [split_ridge(products, known, new, of[:n], of[n:], groups, alphas).r for of in measured]
        return found[0]

    r, seconds = timed(ours)
    given = [assembly(features[:n]), assembly(features[n:], n)]
    one = [assembly(targets[:n, groups[0]]), assembly(targets[n:, groups[0]], n)]
    score, theirs = timed(
        lambda: metric(source_train=given[0], source_test=given[1], target_train=one[0], target_test=one[1])
    )
    error = np.abs(score.raw.values - r[groups[0]]).max()
    what = f"{n} + {test} images, {units} units, {subjects} subjects, {width} features{of_regions(regions)}"
    return line(case, seconds, theirs, subjects * regions, error, what)


def of_regions(count: int) -> str:
    return f", {count} regions" if count > 1 else ""


def rdm(case: str, n: int, voxels: int, width: int, regions: int) -> dict:
    from brainscore_vision.metrics.rdm.metric import RDM, RDMSimilarity

    subjects = 4
    features, causes = layer(n, width)
    data = [responses(causes, voxels, seed) for seed in range(1, subjects + 1)]
    kept = rsa.matrix_ranks(np.stack([rsa.condensed(1 - np.corrcoef(one)) for one in data]))

    def ours() -> np.ndarray:
        patterns = PatternGram(n)
        patterns.add(features)
        ranks = rsa.matrix_ranks(1 - rsa.condensed(patterns.correlations()))
        found = [rsa.compare(ranks, kept, method="pearson")[0] for _ in range(regions)]
        return found[0]

    found, seconds = timed(ours)
    source, targets = assembly(features), [assembly(one) for one in data]

    def package() -> list[float]:
        rdms, similarity = RDM(), RDMSimilarity()
        of_layer = rdms(source)
        return [float(similarity(of_layer, rdms(one))) for one in targets]

    given, theirs = timed(package)
    what = f"{n} images, {subjects} subjects of {voxels} voxels, {width} features{of_regions(regions)}"
    return line(case, seconds, theirs, regions, np.abs(found - given).max(), what)


def temporal(metric: Any, n: int, sites: int, bins: int, width: int) -> dict:
    features, causes = layer(n, width)
    measured = np.stack([responses(causes, sites, seed) for seed in range(bins)], axis=2)
    folds = splits(n)

    def ours() -> list[np.ndarray]:
        gram = inner_products(features).numpy()
        (predicted,) = predicted_pls_many(gram, [measured.mean(axis=2)], folds)
        return [
            np.stack([pearson(part, measured[test, :, place]) for place in range(bins)])
            for part, (_, test) in zip(predicted, folds, strict=True)
        ]

    found, seconds = timed(ours)
    train, test = folds[0]
    repeated = np.repeat(features[:, :, None], bins, axis=2)  # as the package hands on what has no time
    parts = [assembly(repeated[rows], place, bins) for rows, place in ((train, 0), (test, n))]
    targets = [assembly(measured[rows], place, bins) for rows, place in ((train, 0), (test, n))]
    score, theirs = timed(lambda: metric.apply(parts[0], targets[0], parts[1], targets[1]))
    error = np.abs(score.transpose("time_bin", "neuroid").values - found[0]).max()
    what = f"{n} images, {sites} sites, {bins} bins, {width} features"
    return line("temporal", seconds, theirs, len(folds), error, what)


def reverse(metric: Any, n: int, sites: int, width: int) -> dict:
    units, causes = layer(n, width)
    neuroids = responses(causes, sites, 1)
    folds = splits(n)

    def ours() -> np.ndarray:
        product = ReversePLS(neuroids, folds)
        for number in range(2):
            for first in range(0, width, CHUNK):
                product.add(units[:, first : first + CHUNK])
            if not number:
                product.rewind()
        return product.correlations()

    found, seconds = timed(ours)
    train, test = folds[0]
    parts = [(assembly(neuroids[rows], place), assembly(units[rows], place)) for rows, place in ((train, 0), (test, n))]
    score, theirs = timed(lambda: metric.apply(parts[0][0], parts[0][1], parts[1][0], parts[1][1]))
    error = np.abs(score.values - found[0]).max()
    return line("reverse", seconds, theirs, len(folds), error, f"{n} images, {sites} sites, {width} units")


def cases(quick: bool) -> dict[str, Callable[[], dict]]:
    """By name, what makes the line of each."""
    width, n = (QUICK_FEATURES, 320) if quick else (FEATURES, 3200)

    def metric(name: str, **options: Any) -> Any:
        from brainscore_vision import load_metric

        return load_metric(name, **options)

    units, images, voxels = (904, 100, 200) if quick else (9039, 1000, 2000)

    def given(case: str, regions: int) -> dict:
        return split(case, metric("dual_ridge_split"), [1.0], 412, 103, units, 8, width, regions)

    def chosen(case: str, regions: int) -> dict:
        from brainscore_vision.metrics.regression_correlation.metric import ALPHA_LIST

        theirs = metric("dual_ridgecv_split", alphas=ALPHA_LIST)
        return split(case, theirs, ALPHA_LIST, n // 2, 100, 600, 2, width, regions)

    return {
        "split": lambda: given("split", 1),
        "split_regions": lambda: given("split_regions", 4),
        "split_chosen": lambda: chosen("split_chosen", 1),
        "split_chosen_regions": lambda: chosen("split_chosen_regions", 3),
        "rdm": lambda: rdm("rdm", images, voxels, width, 1),
        "rdm_regions": lambda: rdm("rdm_regions", images, voxels, width, 4),
        "temporal": lambda: temporal(metric("spantime_pls"), n, 168, 20, 512),
        "reverse": lambda: reverse(metric("reverse_pls"), n, 168, width),
    }


def chosen_cases(text: str) -> list[str]:
    """The names of a comma list. Raises ArgumentTypeError for others."""
    known, names = list(cases(quick=True)), [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no case {', '.join(unknown)}; choose from {', '.join(known)}")
    return names or known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    names = ", ".join(cases(quick=True))
    parser.add_argument("--only", type=chosen_cases, default="", metavar="CASES", help=f"comma list of {names}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # before the package is imported
        os.environ |= {
            "RESULTCACHING_HOME": folder,
            "BRAINSCORE_HOME": folder,
            "BS_INSTALL_DEPENDENCIES": "no",
            "RESULTCACHING_DISABLE": "1",
        }
        found = cases(options.quick)
        with threadpool_limits(1):
            for name in options.only:
                report([found[name]() | {"quick": options.quick}])


if __name__ == "__main__":
    main()
