"""Measured geometries: 11 layers against the matrices of 12 subjects, 92 images, with the ceiling between subjects.

    python -m speed.rdms [--quick]

Ours is what `score` does of a layer beyond the forward pass: correlations between patterns gathered in blocks
(`PatternGram`), then the benchmark's scores with both ceilings. The alternatives get the same features in memory.
rsatoolbox (0.2.0; skipped where it is not installed): `calc_rdm`, `compare` and `cv_noise_ceiling`. SciPy: `pdist`, and
`spearmanr`, `kendalltau` or `pearsonr` for every layer and subject, the ceiling likewise. CPU-seconds; `error` is the
largest difference of a score; `beyond` the seconds of ours. --quick: features an eighth as wide.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, pearsonr, spearmanr

from mlspatial.analysis.gram import PatternGram
from mlspatial.analysis.rsa import condensed, correlation_rdm
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.rdms import Geometries
from mlspatial.models.stimuli import Stimuli
from speed.common import report

IMAGES, SUBJECTS, LAYERS, WIDTH, REPEATS = 92, 12, 11, 16_384, 3
THEIRS = {
    "rdm_spearman": "spearman",
    "rdm_kendall_tau_a": "tau-a",
    "rdm_pearson": "corr",
    "rdm_whitened_cosine": "cosine_cov",
}
SCIPY = {"rdm_spearman": spearmanr, "rdm_kendall_tau_a": kendalltau, "rdm_pearson": pearsonr}


def made_up(width: int) -> tuple[list[np.ndarray], Geometries]:
    """(features of every layer, the benchmark): subjects see what the layers have in common, with noise."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((IMAGES, 20))

    def seen(units: int, noise: float) -> np.ndarray:
        return common @ rng.standard_normal((20, units)) + noise * rng.standard_normal((IMAGES, units))

    features = [seen(width, 3).astype(np.float32) for _ in range(LAYERS)]
    stimuli = Stimuli(tuple(f"im{i:02d}" for i in range(IMAGES)), np.zeros((IMAGES, 8, 8, 3), np.uint8))
    rdms = np.stack([condensed(correlation_rdm(seen(50, 2))) for _ in range(SUBJECTS)])
    return features, Geometries("people", "IT", stimuli, rdms, tuple(map(str, range(SUBJECTS))))


def ours(features: list[np.ndarray], benchmark: Geometries, metric: str) -> np.ndarray:
    """(layers, subjects)."""
    benchmark.__dict__.pop("_found", None)  # the ceiling counts, too
    found = []
    for values in features:
        patterns = PatternGram(IMAGES)
        for first in range(0, values.shape[1], 8192):
            patterns.add(values[:, first : first + 8192])
        layer = Layer({"pattern": condensed(patterns.correlations())}, lambda: WIDTH)
        found.append(np.asarray(benchmark.scores(layer, metric, Way())[0].values)[0])
    return np.stack(found)


def by_scipy(features: list[np.ndarray], benchmark: Geometries, metric: str) -> np.ndarray:
    compare, subjects = SCIPY[metric], benchmark.rdms
    matrices = [pdist(values.astype(np.float64), "correlation") for values in features]
    found = [[compare(matrix, subject).statistic for subject in subjects] for matrix in matrices]
    for number, subject in enumerate(subjects):
        compare(subject, np.delete(subjects, number, axis=0).mean(axis=0)), compare(subject, subjects.mean(axis=0))
    return np.array(found)


def by_rsatoolbox(features: list[np.ndarray], benchmark: Geometries, metric: str) -> np.ndarray:
    from rsatoolbox.data import Dataset
    from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs, calc_rdm, compare

    subjects = RDMs(benchmark.rdms)
    matrices = [calc_rdm(Dataset(values.astype(np.float64)), method="correlation") for values in features]
    found = [compare(matrix, subjects, method=THEIRS[metric])[0] for matrix in matrices]
    boot_noise_ceiling(subjects, method=THEIRS[metric], rdm_descriptor="index")
    return np.stack(found)


def timed(make: Callable[..., np.ndarray], *given: Any) -> tuple[float, np.ndarray]:
    """(fewest CPU-seconds of several times, what came out)."""
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        found = make(*given)
        seconds.append(time.process_time() - started)
    return min(seconds), found


def measure(metric: str, width: int) -> list[dict]:
    features, benchmark = made_up(width)
    mine, expected = timed(ours, features, benchmark, metric)
    others = {"SciPy, pair by pair": by_scipy} if metric in SCIPY else {}
    try:
        import rsatoolbox  # noqa: F401

        others["rsatoolbox 0.2.0"] = by_rsatoolbox
    except ImportError:
        pass
    lines = []
    for name, make in others.items():
        seconds, found = timed(make, features, benchmark, metric)
        lines.append(
            {
                "case": f"geometries_{metric}", "n": IMAGES, "layers": LAYERS, "subjects": SUBJECTS, "features": width,
                "unit": "CPU-seconds", "beyond": round(mine, 3), "alternative": round(seconds, 3),
                "alternative_name": name, "ratio": round(seconds / mine, 1),
                "error": float(np.abs(found - expected).max()),
            }
        )  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="features an eighth as wide")
    width = WIDTH // 8 if parser.parse_args().quick else WIDTH
    for metric in THEIRS:
        report(measure(metric, width))


if __name__ == "__main__":
    main()
