"""Ranking of 30 models on 4 regions by 1,000 draws of stimuli and units together: variances and tests of every pair.

    python -m speed.bootstrap [--quick]

Regions are as large as Brain-Score's public ones (V1 and V2: 315 stimuli, 102 and 103 units; V4 and IT: 3,200 stimuli,
88 and 168 units); `large` has 3,200 stimuli and 1,000 units in each of four. Ours is `mlspatial.analysis.ranking.rank`.
The alternative indexes the predictions by every draw and correlates the columns with NumPy, as a loop over draws
would; it is timed on one model and 50 draws of each region and scaled up, which its time is proportional to.
CPU-seconds of all threads, so that on two free cores it takes about half as long; `wall` are the seconds that it took.
`error` is the largest difference of a correlation in a draw. --quick: Brain-Score's regions
alone.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mlspatial.analysis.bootstrap import Recorded, draw
from mlspatial.analysis.pls import pearson
from mlspatial.analysis.ranking import rank
from speed.common import peak_mib, report

REGIONS = {"V1": (315, 102), "V2": (315, 103), "V4": (3200, 88), "IT": (3200, 168)}
LARGE = dict.fromkeys(REGIONS, (3200, 1000))
MODELS, RESAMPLES, TRIED = 30, 1000, 50


def region(n: int, units: int) -> tuple[dict[str, list[np.ndarray]], np.ndarray, np.ndarray]:
    """(predictions of 30 models, responses, noise)."""
    rng = np.random.default_rng([n, units])
    weights, latents = rng.standard_normal((units, 20)), rng.standard_normal((n, 20))
    responses = (latents @ weights.T + 3 * rng.standard_normal((n, units))).astype(np.float32)
    models = {
        f"model {i}": [((latents + (0.5 + 0.05 * i) * rng.standard_normal((n, 20))) @ weights.T).astype(np.float32)]
        for i in range(MODELS)
    }
    return models, responses, np.full((n, units), 2.0, np.float32)


def measure(regions: dict[str, tuple[int, int]], case: str) -> dict:
    ours = wall = alternative = error = 0.0
    for n, units in regions.values():
        models, responses, noise = region(n, units)
        folds = np.arange(n) % 10
        started, clock = time.process_time(), time.perf_counter()
        rank(models, responses, folds=folds, noise=noise, resamples=RESAMPLES)
        ours, wall = ours + time.process_time() - started, wall + time.perf_counter() - clock
        if case != "large":
            draws = draw(n, units, np.random.default_rng(0), TRIED)
            found = Recorded(responses, None, draws).correlations(models["model 0"][0])
            started = time.process_time()
            by_hand = one_by_one(models["model 0"][0], responses, draws.counts)
            alternative += (time.process_time() - started) * MODELS * RESAMPLES / TRIED
            error = max(error, float(np.abs(found[:-1] - by_hand).max()))
    facts = {
        "unit": "CPU-seconds",
        "alternative_name": "draw by draw with NumPy, scaled up from one model and 50 draws",
    }
    known = case != "large"
    return {
        "case": f"ranking_{case}",
        "ours": round(ours, 1),
        "wall": round(wall, 1),
        "alternative": round(alternative, 1) if known else None,
        "ratio": round(alternative / ours, 1) if known else None,
        **facts,
        "error": error if known else None,
        "peak_mib": peak_mib(),
        "n": MODELS * len(regions),
    }


def one_by_one(predicted: np.ndarray, responses: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(draws, units)."""
    places = (np.repeat(np.arange(len(predicted)), row.astype(int)) for row in counts)
    return np.stack([pearson(predicted[chosen], responses[chosen]) for chosen in places])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Brain-Score's regions alone")
    report([measure(REGIONS, "public")])
    if not parser.parse_args().quick:
        report([measure(LARGE, "large")])


if __name__ == "__main__":
    main()
