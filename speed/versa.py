"""Voxel-encoding RSA of one layer: 1,000 images (500 to fit), 5,920 projected features, 8,000 voxels, 7 alphas.

    python -m speed.versa [--quick] [--device cuda]

Ours is `mlspatial.analysis.versa.versa`: one decomposition for all voxels and alphas, then both similarity matrices.
Alternatives, both with scikit-learn, and followed by the same matrices:
- alpha by alpha, as the published code does it: leave-one-out predictions of every voxel under each alpha in turn, a
  decomposition each; the alpha of the best correlation for every voxel; a fit with these;
- one RidgeCV(alpha_per_target=True), which chooses by squared error and gives no leave-one-out predictions of the
  chosen alphas, so that only the test matrix can be made.
CPU-seconds with one thread on the CPU, seconds on a device. `error` is the largest difference of the two scores from
the first alternative's. --quick takes 1,000 voxels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from sklearn.linear_model import Ridge, RidgeCV
from threadpoolctl import threadpool_limits

from mlspatial.analysis import rsa
from mlspatial.analysis.versa import PUBLISHED_CODE, halves, versa
from speed.common import peak_mib, report

N, FEATURES, VOXELS, FEW = 1000, 5920, 8000, 1000
ALPHAS = PUBLISHED_CODE.alphas


def layer(voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, FEATURES) features with a falling spectrum, and (N, voxels) responses of which a third can be predicted."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(N, 300)) * np.arange(1, 301) ** -0.5
    features = causes @ rng.normal(size=(300, FEATURES)) + 0.1 * rng.normal(size=(N, FEATURES))
    signal = causes @ rng.normal(size=(300, voxels))
    noise = rng.normal(size=(N, voxels))
    return features, signal / signal.std() + np.sqrt(2) * noise


def alpha_by_alpha(known: np.ndarray, new: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(leave-one-out predictions, predictions of the new stimuli)."""
    best = np.full(targets.shape[1], -np.inf)
    chosen, kept = np.full(targets.shape[1], ALPHAS[0]), np.empty_like(targets)
    centred = targets - targets.mean(axis=0)
    for alpha in ALPHAS:
        machine = RidgeCV([alpha], scoring=None, store_cv_results=True).fit(known, targets)
        errors = np.sqrt(machine.cv_results_[:, :, 0])
        left_out = _signed(machine, known, targets, errors)
        less = left_out - left_out.mean(axis=0)
        r = (less * centred).sum(axis=0) / np.sqrt(np.square(less).sum(axis=0) * np.square(centred).sum(axis=0))
        better = r > best
        best[better], chosen[better] = r[better], alpha
        kept[:, better] = left_out[:, better]
    return kept, Ridge(chosen).fit(known, targets).predict(new)


def _signed(machine: RidgeCV, known: np.ndarray, targets: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """scikit-learn keeps squared errors; a leave-one-out residual has the sign of the residual of the fit."""
    residual = targets - machine.predict(known)
    return targets - np.sign(residual) * errors


def seconds(work: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - start


def alike(a: np.ndarray, b: np.ndarray) -> float:
    matrices = [rsa.condensed(rsa.similarity_matrix(values)) for values in (a, b)]
    return float(rsa.compare(*matrices)[0, 0])


def measure(voxels: int, device: str) -> list[dict]:
    features, responses = layer(voxels)
    train, test = halves(N)
    known, new = features[train], features[test]
    mean, sd = known.mean(axis=0), known.std(axis=0)
    known, new = (known - mean) / sd, (new - mean) / sd
    found: dict[str, np.ndarray | float] = {}

    def ours() -> None:
        scores = versa(features, responses, train, test, variant=PUBLISHED_CODE, device=device)
        found["train"], found["test"] = scores.train, scores.test

    def published() -> None:
        left_out, predicted = alpha_by_alpha(known, new, responses[train])
        less = left_out - responses[train].mean(axis=0)
        found["their_train"], found["their_test"] = alike(less, responses[train]), alike(predicted, responses[test])

    def scikit_learn() -> None:
        machine = RidgeCV(ALPHAS, alpha_per_target=True).fit(known, responses[train])
        alike(machine.predict(new), responses[test])

    versa(features, responses[:, :64], train, test, device=device)  # warms up
    own = seconds(ours, device)
    error = 0.0
    lines = []
    for name, work in {"alpha by alpha": published, "RidgeCV, squared error": scikit_learn}.items():
        theirs = seconds(work, "cpu" if device == "cpu" else device)
        if work is published:
            error = max(abs(float(found[k]) - float(found[f"their_{k}"])) for k in ("train", "test"))
        lines.append(
            {
                "case": f"versa_{len(train)}x{FEATURES}_{voxels}_voxels",
                "ours": round(own, 2),
                "alternative": round(theirs, 2),
                "unit": "CPU-seconds a layer" if device == "cpu" else "seconds a layer",
                "alternative_name": f"scikit-learn, {name}",
                "ratio": round(theirs / own, 2),
                "error": float(f"{error:.1e}") if work is published else None,
                "score": round(float(found["test"]), 3),
                "peak_mib": peak_mib(),
                "n": N,
            }
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(1)
    with threadpool_limits(1) if options.device == "cpu" else nullcontext():
        report(measure(FEW if options.quick else VOXELS, options.device), options.device)


if __name__ == "__main__":
    main()
