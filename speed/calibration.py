"""Whether the ranking of models errs as often as it says: simulated recordings of which the truth is known.

    python -m speed.calibration [--quick] [--case fixed|seeds|fitted]

Units weigh eight latents, a model sees each latent with an error of its own that all units share, so that models differ
for images and for units. Two models are as good as each other over all images and units, though not over those that
were drawn: every difference that is found is a false one. Printed, a line of JSON each size and statistic:
false_difference (how often one was found at 5 %, all of images and neurons drawn anew), by_images_alone,
by_neurons_alone (drawing one of them), false_above_zero (how often a model that knows nothing was found above zero,
one-sided), covers_score, covers_less_ceiling (how often the 95 % intervals of a score, and of a score less the lower
bound of the noise ceiling, held the true value). `seeds`: three networks a model, whose errors differ; new networks
count. `fitted`: predictions are those of cross-validated ridge regression, fitted anew in every replication, so that
what resampling of predictions leaves out shows. --quick: few replications, a minute.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from mlspatial.analysis.bootstrap import Recorded, Replicates, draw, noise_of_means, reliabilities, replicates
from mlspatial.analysis.kernel_ridge import predicted_ridge
from mlspatial.analysis.ranking import of_networks
from mlspatial.analysis.splits import k_folds

LATENTS, NOISE, TRIALS = 8, 1.0, 4
ERRORS = np.tile([0.3, 1.5], LATENTS // 2)  # variances, swapped between the two models
SPREAD = 0.5  # SD of the logarithm of a network's errors
SIZES = [(n, units) for n in (90, 400, 3200) for units in (20, 100, 1000)]
RESAMPLES = 400
STATISTICS = ("mean", "median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", choices=("all", "fixed", "seeds", "fitted"), default="all")
    options = parser.parse_args()
    quick, case = options.quick, options.case
    for n, units in (SIZES[:2] if quick else SIZES) if case in ("all", "fixed") else ():
        often = 600 if n * units <= 40_000 else 300 if n * units < 1_000_000 else 100
        measure(n, units, 50 if quick else often)
    for n, units in [(90, 20)] if quick else [(90, 20), (400, 100)]:
        if case in ("all", "seeds"):
            measure(n, units, 50 if quick else 400, seeds=3)
        if case in ("all", "fitted"):
            measure(n, units, 50 if quick else 400, fitted=True)


def measure(n: int, units: int, replications: int, seeds: int = 1, fitted: bool = False) -> list[dict]:
    """Print and return one record a statistic."""
    started = time.perf_counter()
    seen: dict[str, list[dict[str, float]]] = {statistic: [] for statistic in STATISTICS}
    known = {statistic: truth(statistic, seeds) for statistic in STATISTICS}
    for replication in range(replications):
        rng = np.random.default_rng([n, units, seeds, fitted, replication])
        for statistic, found in replicate(rng, n, units, seeds, fitted, known).items():
            seen[statistic].append(found)
    records = []
    for statistic, found in seen.items():
        record = {
            "case": "fitted" if fitted else "seeds" if seeds > 1 else "fixed",
            "stimuli": n, "units": units, "networks": seeds, "statistic": statistic, "replications": replications,
        }  # fmt: skip
        record |= {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
        if fitted:  # what is left out: true spread of a score over replications, against the error that is told
            record["se_over_sd"] = round(record.pop("error") / float(np.std([one["value"] for one in found])), 3)
        for name in ("value", "error"):
            record.pop(name, None)
        records.append(record | {"seconds": round(time.perf_counter() - started, 1)})
        print(json.dumps(records[-1]), flush=True)
    return records


def replicate(
    rng: np.random.Generator, n: int, units: int, seeds: int, fitted: bool, known: dict[str, tuple[float, float]]
) -> dict[str, dict[str, float]]:
    """One experiment: statistic -> what was found, 0 or 1."""
    weights, latents = rng.standard_normal((units, LATENTS)), rng.standard_normal((n, LATENTS))
    signal = latents @ weights.T
    trials = signal[..., None] + np.sqrt(TRIALS * LATENTS) * NOISE * rng.standard_normal((n, units, TRIALS))
    responses, noise = trials.mean(axis=2), noise_of_means(trials)
    del trials
    sides: list[list[np.ndarray]] = []
    for errors in (ERRORS, ERRORS[::-1]):
        features = []
        for _ in range(seeds):
            own = errors * np.exp(SPREAD * rng.standard_normal(LATENTS)) if seeds > 1 else errors
            features.append(latents + np.sqrt(own) * rng.standard_normal((n, LATENTS)))
        sides.append([predict(part, responses) if fitted else part @ weights.T for part in features])
    folds = fold_of(n) if fitted else None
    draws = draw(n, units, rng, RESAMPLES)
    recorded = Recorded(responses, folds, draws)
    values = [[recorded.correlations(predicted) for predicted in side] for side in sides]
    nothing = recorded.correlations(rng.standard_normal((n, LATENTS)) @ weights.T)
    reliable = reliabilities(responses, noise, draws)
    found = {}
    for statistic in STATISTICS:
        first, second = ([replicates(r, draws, statistic) for r in side] for side in values)
        bound = replicates(reliable, draws, statistic)
        score, difference = of_networks([(1.0, first)]), of_networks([(1.0, first), (-1.0, second)])
        less = of_networks([(1.0, first)], bound)
        r, c = known[statistic]
        apart = Replicates.mean(first) - Replicates.mean(second)
        found[statistic] = {
            "false_difference": difference.apart() < 0.05,
            "by_images_alone": _apart(apart.value, apart.variance_stimuli, n - 1),
            "by_neurons_alone": _apart(apart.value, apart.variance_units, units - 1),
            "false_above_zero": of_networks([(1.0, [replicates(nothing, draws, statistic)])]).beyond() < 0.05,
            "covers_score": abs(score.value - r) < score.half(),
            "covers_less_ceiling": abs(less.value - (r - c)) < less.half(),
            "value": score.value,
            "error": score.error,
        }
        if fitted:  # what a regression reaches with so many stimuli is not known
            found[statistic].pop("covers_score"), found[statistic].pop("covers_less_ceiling")
    return found


def _apart(value: float, variance: float, df: int) -> bool:
    from scipy.stats import t as student

    return bool(2 * student.sf(abs(value) / np.sqrt(variance), df) < 0.05)


def predict(features: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Out-of-fold predictions of ridge regression."""
    folds = k_folds(len(features), seed=1, folds=10)
    centred = features - features.mean(axis=0)
    (parts,) = predicted_ridge(centred @ centred.T, [responses], folds)
    predicted = np.empty_like(responses)
    for (_, test), part in zip(folds, parts, strict=True):
        predicted[test] = part
    return predicted


def fold_of(n: int) -> np.ndarray:
    place = np.empty(n, int)
    for number, (_, test) in enumerate(k_folds(n, seed=1, folds=10)):
        place[test] = number
    return place


def truth(statistic: str, seeds: int) -> tuple[float, float]:
    """(score, reliability) over all units, images and networks, by a million units."""
    rng = np.random.default_rng(0)
    squares = rng.standard_normal((1_000_000, LATENTS)) ** 2
    over = {"mean": np.mean, "median": np.median}[statistic]
    own = squares.sum(axis=1)
    noisy = own + NOISE**2 * LATENTS
    networks = np.exp(SPREAD * rng.standard_normal((2000, LATENTS))) if seeds > 1 else np.ones((1, LATENTS))
    some = slice(0, 20_000) if seeds > 1 else slice(None)
    scores = [over(own[some] / np.sqrt(noisy[some] * (own[some] + squares[some] @ (ERRORS * g)))) for g in networks]
    return float(np.mean(scores)), float(over(own / noisy))


if __name__ == "__main__":
    main()
