"""Gram matrices of a ResNet-18's layers from one pass over images of 224 px, next to the forward pass alone.

    python -m speed.extract [--quick] [--device cuda]

Four layers (the first block of each stage) and all eleven of the protocol, 2,000 images; the alternative is the same
forward pass with nothing kept. --quick takes 400 images: a Gram's products grow with the square of the number of
images and the forward pass with the number, so its ratios are lower. CPU-seconds of all threads on the CPU, seconds on
a device. `cost` is ours / alternative; `ratio`, as everywhere, alternative / ours. `error` is |1 - CKA| between a
kept Gram and one computed in float64 from the activations of layer4.0.relu.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mlspatial.analysis.gram import unpack
from mlspatial.models.build import build
from mlspatial.models.extract import extract
from mlspatial.models.layers import BLOCKS, CANDIDATE_LAYERS
from mlspatial.models.sinks import Features, Products
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from speed.common import peak_mib, report

SIZE, N, FEW = 224, 2000, 400
CHECKED = "layer4.0.relu"


def seconds(work: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        torch.cuda.synchronize()
    start = clock()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - start


def measure(n: int, device: str) -> list[dict]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (n, 14, 14, 3), np.uint8)
    images = coarse.repeat(SIZE // 14, axis=1).repeat(SIZE // 14, axis=2)
    stimuli = Stimuli(tuple(map(str, range(n))), images)
    spec = ModelSpec("resnet18", 674, {}, (), SIZE)
    module = build(spec, seed=0).to(device)
    few = Stimuli(stimuli.ids[:64], images[:64])
    extract(module, spec, few, ["fc"], Features())  # warms up
    forward = seconds(lambda: extract(module, spec, stimuli, ["fc"], Features()), device)
    lines = []
    for layers in (BLOCKS, CANDIDATE_LAYERS["resnet18"]):
        with tempfile.TemporaryDirectory() as folder:
            kept: dict[str, np.ndarray] = {}

            def work(layers: tuple[str, ...] = layers, folder: str = folder, kept: dict = kept) -> None:
                sink = Products(("gram",), n, Path(folder), device)
                extract(module, spec, stimuli, layers, sink)
                kept |= {layer: sink.pop(layer)["gram"] for layer in layers}

            ours = seconds(work, device)
        lines.append(
            {
                "case": f"extract_grams_{len(layers)}_layers_{n}_images",
                "ours": round(ours, 1),
                "alternative": round(forward, 1),
                "unit": "CPU-seconds" if device == "cpu" else "seconds",
                "alternative_name": "the forward pass alone",
                "ratio": round(forward / ours, 3),
                "cost": round(ours / forward, 3),
                "error": error(module, spec, stimuli, kept[CHECKED]),
                "disk_mb": round(sum(array.nbytes for array in kept.values()) / 1e6, 1),
                "peak_mib": peak_mib(),
                "n": n,
            }
        )
    return lines


def error(module: torch.nn.Module, spec: ModelSpec, stimuli: Stimuli, packed: np.ndarray) -> float:
    features = Features()
    extract(module, spec, stimuli, [CHECKED], features)
    x = features.pop(CHECKED)["features"].astype(np.float64)
    x -= x.mean(axis=0)
    exact = x @ x.T
    return float(f"{abs(1 - np.vdot(unpack(packed), exact) / np.linalg.norm(exact)):.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    report(measure(FEW if options.quick else N, options.device), options.device)


if __name__ == "__main__":
    main()
