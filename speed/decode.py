"""Linear decoding of a layer: six latents and a category of 117 from 2,000 stimuli x 6,515 features, 5 random splits.

    python -m speed.decode [--quick] [--device cuda]

Ours is `mlspatial.analysis.decoding.decode`. The alternative is scikit-learn as a careful user writes it: RidgeCV with
15 alphas on all nine columns at once (x, y, z, sine and cosine of three angles), LinearSVC with C = 5e-3, both with
their defaults otherwise. It runs one split, counted as five. liblinear takes the classes one after the other: where
`alternative_name` says so it fitted only the first of them, counted as 117.

The features are the four layers in which the protocol decodes, of a ResNet-18 with random weights for 2,000 pictures of
224 pixels (one shape of 13 in one hue of 9 on coloured noise, placed, scaled, turned, squeezed and shaded by the six
latents), projected as `decode` does it; a line for each and one for the four together. How long liblinear takes differs
by layer, what ours takes hardly does. A last line has the first layer standardised, which the protocol does not do.
`--quick` has one layer of smaller pictures, one split and one class.

Time is CPU-seconds on the CPU, with one thread for both; seconds on a device. Ours is the mean of a run before the
alternative's and one after it. `error` is the largest difference of a ridge prediction from scikit-learn's (latents
have ranges of .8 to 3.3, sine and cosine of 1.4); svc_accuracy_difference is ours less scikit-learn's in that split: of
the category, or, where few classes were fitted, the largest of one against the rest.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from mlspatial.analysis.decoding import ALPHAS, Decoding, decode
from mlspatial.analysis.projection import johnson_lindenstrauss_dimension
from mlspatial.analysis.ridge import RidgeFold, inner_products
from mlspatial.analysis.splits import random_splits
from mlspatial.analysis.svc import CATEGORY_C, fit_svc
from mlspatial.core.latents import spatial_schema
from mlspatial.models.build import build
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Projections
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from speed.common import peak_mib, report

N = 2000
FEATURES = johnson_lindenstrauss_dimension(N)
CLASSES = 117
FEW_CLASSES = 3
NAMES = ("x", "y", "z", "rot_0", "rot_1", "rot_2", "category")
LAYERS = ("layer1.0.relu", "layer2.0.relu", "layer3.0.relu", "layer4.0.relu")  # Xie et al. 2025
SIZE, QUICK_SIZE = 224, 64


def pictures(size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(N, size, size, 3) uint8, and the latents in them."""
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(-0.4, 0.4, N) for name in "xy"} | {"z": rng.uniform(0.9, 4.2, N)}
    values |= {f"rot_{i}": rng.uniform(-45, 45, N) for i in range(3)}
    values["category"] = rng.permutation(np.arange(N) % CLASSES)
    down, right = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)) + 1 / size
    images = np.empty((N, size, size, 3), np.uint8)
    for i in range(N):
        noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, size, size))) / frequency).real.transpose(1, 2, 0)
        picture = 0.5 + 0.15 * noise / noise.std()
        turn, squeeze, light = (np.deg2rad(values[f"rot_{k}"][i]) for k in range(3))
        x, y = (right - values["x"][i]) * values["z"][i], (down - values["y"][i]) * values["z"][i]
        u, v = x * np.cos(turn) + y * np.sin(turn), (y * np.cos(turn) - x * np.sin(turn)) / np.cos(squeeze)
        kind, hue = divmod(int(values["category"][i]), 9)
        power, petals = 0.6 * 1.4 ** (kind % 7), 2 + kind // 7
        reach = 1 + 0.25 * np.cos(petals * np.arctan2(v, u))
        inside = (np.abs(u / reach) ** power + np.abs(v / reach) ** power) < 1
        colour = 0.5 + 0.5 * np.cos(2 * np.pi * (hue / 9 + np.array([0, 1, 2]) / 3))
        shade = 1 + 0.4 * (u * np.cos(light) + v * np.sin(light))
        picture[inside] = colour * shade[inside, None]
        images[i] = (picture.clip(0, 1) * 255).astype(np.uint8)
    return images, values


def features_of(layers: Sequence[str], size: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(N, FEATURES) float32 features of every layer, and the latents in them."""
    images, values = pictures(size)
    spec = ModelSpec("resnet18", 1, {}, (), size)
    sink = Projections(FEATURES, 0)
    extract(build(spec, seed=0), spec, Stimuli(tuple(map(str, range(N))), images), layers, sink)
    return {layer: next(iter(sink.pop(layer).values())) for layer in layers}, values


def columns(values: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 9) what ridge regression predicts."""
    angles = np.deg2rad(np.stack([values[f"rot_{i}"] for i in range(3)], axis=1))
    return np.column_stack([values["x"], values["y"], values["z"], np.sin(angles), np.cos(angles)])


def seconds(work: Callable[[], object], device: str) -> float:
    """CPU-seconds of all threads; or seconds, at whose end results are on the CPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work()
    return clock() - start


def compare(
    name: str, features: np.ndarray, values: dict[str, np.ndarray], runs: int, classes: int, device: str
) -> dict:
    """classes: how many of them liblinear fits."""
    schema = spatial_schema(tuple(map(str, range(CLASSES))), ())
    latents = [latent for latent in schema if latent.name in NAMES]
    splits = random_splits(N, seed=0)[:runs]
    found: list[Decoding] = []

    def decoded() -> float:
        found.clear()
        return seconds(lambda: found.extend(decode(features, values, latents, splits, device=device)), device)

    before = decoded()
    train, test = splits[0]
    ridge = RidgeCV(ALPHAS, alpha_per_target=True)
    ridge_time = seconds(lambda: ridge.fit(features[train], columns(values)[train]).predict(features[test]), device)
    within, across = inner_products(features[train]), inner_products(features[test], features[train])
    predictions = RidgeFold.from_gram(within, across).fit(columns(values)[train], ALPHAS).predictions.numpy()
    decided = fit_svc(within, values["category"][train]).decide(across).numpy()

    svc_time, differences, iterations = 0.0, [], 0
    if classes == CLASSES:
        tasks = [(values["category"], decided.argmax(axis=1))]
    else:
        tasks = [(values["category"] == label, decided[:, label] > 0) for label in range(classes)]
    for labels, guessed in tasks:
        machine = LinearSVC(C=CATEGORY_C)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # told by liblinear_iterations
            svc_time += seconds(lambda m=machine, y=labels[train]: m.fit(features[train], y), device)  # type: ignore[misc]
        differences.append(float(np.mean(guessed == labels[test]) - machine.score(features[test], labels[test])))
        iterations = max(iterations, int(np.max(machine.n_iter_)))
    svc_time *= CLASSES / classes
    ours = (before + decoded()) / 2
    alternative = (ridge_time + svc_time) * runs
    counted = (f", {classes} classes counted as {CLASSES}" if classes < CLASSES else "") + (
        f", one split counted as {runs}" if runs > 1 else ""
    )
    return {
        "case": f"decode_{name}_{N}x{FEATURES}_{CLASSES}_classes_{runs}_splits",
        "ours": round(ours, 2),
        "alternative": round(alternative, 1),
        "unit": ("CPU-seconds" if device == "cpu" else "seconds") + " a layer",
        "alternative_name": "scikit-learn RidgeCV and LinearSVC" + counted,
        "ratio": round(alternative / ours, 1),
        "error": float(f"{np.abs(predictions - ridge.predict(features[test])).max():.2g}"),
        "svc_accuracy_difference": round(max(differences, key=abs), 4),
        "accuracy": mean(found, "accuracy"),
        "pearson_r": mean(found, "pearson_r"),
        "alternative_ridge": round(ridge_time * runs, 1),
        "alternative_svc": round(svc_time * runs, 1),
        "liblinear_iterations": iterations,  # it gives up at 1,000
        "peak_mib": peak_mib(),
        "n": N,
    }


def together(lines: list[dict]) -> dict:
    """The line of several layers, decoded one after the other."""
    ours, alternative = (sum(line[who] for line in lines) for who in ("ours", "alternative"))
    return {
        "case": f"decode_{len(lines)}_layers_{N}x{FEATURES}_{CLASSES}_classes_5_splits",
        "ours": round(ours, 2),
        "alternative": round(alternative, 1),
        "unit": lines[0]["unit"].replace("a layer", "together"),
        "alternative_name": lines[0]["alternative_name"],
        "ratio": round(alternative / ours, 1),
        "error": max(line["error"] for line in lines),
        "svc_accuracy_difference": max((line["svc_accuracy_difference"] for line in lines), key=abs),
        "peak_mib": peak_mib(),
        "n": N,
    }


def mean(found: list[Decoding], measure: str) -> float:
    return round(float(np.mean([record.value for record in found if record.measure == measure])), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = options.device
    if device == "cpu":
        torch.set_num_threads(1)
    else:  # libraries load
        inner_products(torch.eye(4), device=device).cpu()
    with threadpool_limits(1) if device == "cpu" else nullcontext():
        if options.quick:
            features, values = features_of(LAYERS[:1], QUICK_SIZE)
            report([compare(LAYERS[0], features[LAYERS[0]], values, 1, 1, device)], device)
            return
        features, values = features_of(LAYERS, SIZE)
        lines = []
        for layer in LAYERS:
            lines.append(compare(layer, features[layer], values, 5, FEW_CLASSES, device))
            report(lines[-1:], device)
        report([together(lines)], device)
        first = features[LAYERS[0]]
        first = (first - first.mean(axis=0)) / first.std(axis=0)
        report([compare(f"{LAYERS[0]}_standardised", first, values, 5, FEW_CLASSES, device)], device)


if __name__ == "__main__":
    main()
