"""Linear CKA of every two of 60 ResNet-18s at 4 layers of 224 px images, 2,000 stimuli: time for all 7,080 pairs.

    python -m speed.cka [--quick] [--device cuda]

Ours: one Gram per network and layer, fed from blocks of activations as they come, then one product of packed Grams a
layer, which gives the biased and the debiased numbers. The alternatives give the biased ones:
- load two stored layers at a time, make both Grams in float32 and multiply them, as torch multiplies any two matrices
  or in little more than half of that time, as a symmetric product needs. (In feature space, the other way, layer1 would
  need a matrix of 200,704 x 200,704.) The files are in the page cache; the time is that of a few pairs of the narrower
  layers, scaled to the number of features and pairs;
- keep all 240 Grams in float64 (7.7 GB) and multiply two at a time.
Making the random activations is in nobody's time. Time is CPU-seconds of all threads on the CPU, seconds on a device.
--quick measures a part of ours, too, and scales it by the number of features. `ratio` is alternative / ours; `error`
the difference from a float64 computation on the activations of one pair; peak_mib includes the alternatives.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mlspatial.analysis.cka import cka_matrices
from mlspatial.analysis.gram import CHUNK, Gram
from speed.common import peak_mib, report

N = 2000
MODELS = 60
LAYERS = {"layer1": 64 * 56 * 56, "layer2": 128 * 28 * 28, "layer3": 256 * 14 * 14, "layer4": 512 * 7 * 7}
PAIRS = MODELS * (MODELS - 1) // 2
FEATURES = sum(LAYERS.values())  # of one network
CAUSES = 64


def blocks(model: int, features: int, device: str) -> Iterator[torch.Tensor]:
    """Rectified float32 activations, (N, up to 8,192) at a time; all models share their causes, none its weights."""
    generator = torch.Generator().manual_seed(0)
    causes = torch.randn(N, CAUSES, generator=generator) / torch.arange(1, CAUSES + 1).sqrt()
    causes = causes.to(device)
    generator.manual_seed(model + 1)
    for first in range(0, features, CHUNK):
        weights = torch.randn(CAUSES, min(CHUNK, features - first), generator=generator)
        yield torch.relu(causes @ weights.to(device))


def seconds(work: Callable[[], object], device: str) -> float:
    """CPU-seconds of all threads, or seconds until the device is done."""
    if device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def our_gram(model: int, features: int, device: str) -> tuple[Gram, float]:
    """(filled Gram, seconds without making the activations)."""
    gram, spent = Gram(N), 0.0
    for block in blocks(model, features, device):
        spent += seconds(partial(gram.add, block), device)
    return gram, spent


def gram_in_float64(model: int, features: int, device: str) -> torch.Tensor:
    total = torch.zeros(N, N, dtype=torch.float64, device=device)
    for block in blocks(model, features, device):
        centred = block.double()
        total += own_product(centred - centred.mean(0))
    return total


def stored(model: int, features: int, device: str) -> torch.Tensor:
    layer = torch.empty(N, features, device=device)
    for i, block in enumerate(blocks(model, features, device)):
        layer[:, i * CHUNK : (i + 1) * CHUNK] = block
    return layer


def cka(k: torch.Tensor, m: torch.Tensor) -> float:
    """Kornblith et al. 2019, eq. 3, of two centred Grams."""
    return ((k * m).sum() / (torch.linalg.norm(k) * torch.linalg.norm(m))).item()


def per_pair(x: Path, y: Path, device: str) -> float:
    """As scripts do it for two stored layers: load, centre the features, K = X X^T."""
    grams = []
    for file in (x, y):
        layer = torch.from_numpy(np.load(file)).to(device)
        layer = layer - layer.mean(0)
        grams.append(layer @ layer.T)
    return cka(*grams)


def per_pair_half(x: Path, y: Path, device: str) -> float:
    """The same by somebody who knows that a product with itself costs half of one with another matrix."""
    layers = (torch.from_numpy(np.load(file)).to(device) for file in (x, y))
    return cka(*(own_product(layer - layer.mean(0)) for layer in layers))


def own_product(x: torch.Tensor) -> torch.Tensor:
    """x x^T; on the CPU numpy does it at half the cost, as it knows that the two are the same."""
    return x @ x.T if x.device.type != "cpu" else torch.from_numpy(x.numpy() @ x.numpy().T)


def time_ours(quick: bool, device: str) -> tuple[float, float]:
    """(time for all Grams, packed, and all products; CKA of the first two models at layer4)."""
    packed = np.empty((MODELS, N * (N + 1) // 2), np.float32)
    packed[:] = our_gram(0, 2 * CHUNK, device)[0].packed()  # also warms up
    grams, features, packing, products = 0.0, 0, [], []
    for width in (LAYERS["layer4"],) if quick else LAYERS.values():
        for model in range(2 if quick else MODELS):
            gram, spent = our_gram(model, width, device)
            grams, features = grams + spent, features + width
            packing.append(seconds(partial(_pack_into, packed[model], gram), device))
        products.append(seconds(lambda: cka_matrices(packed), device))
    total = (
        grams / features * MODELS * FEATURES
        + float(np.mean(packing)) * MODELS * len(LAYERS)
        + float(np.mean(products)) * len(LAYERS)
    )
    return total, float(cka_matrices(packed[:2]).biased[0, 1])


def _pack_into(row: np.ndarray, gram: Gram) -> None:
    row[:] = gram.packed()


def time_per_pair(way: Callable[[Path, Path, str], float], quick: bool, device: str) -> float:
    spent, features = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for width in (LAYERS["layer4"],) if quick else (LAYERS["layer4"], LAYERS["layer3"]):
            files = [Path(folder) / f"{width}-{model}.npy" for model in (0, 1)]
            for model, file in enumerate(files):
                np.save(file, stored(model, width, device).cpu().numpy())
            for _ in range(1 if quick else 3):
                spent, features = spent + seconds(partial(way, *files, device), device), features + width
    return spent / features * FEATURES * PAIRS


def time_cached(grams: list[torch.Tensor], device: str) -> float:
    """The cheapest of a script's ways to keep all Grams in float64: chunk by chunk, then pair by pair."""
    part = next(blocks(0, CHUNK, device)).double()
    own_product(part)
    making = seconds(lambda: own_product(part), device) / CHUNK * MODELS * FEATURES
    return making + seconds(lambda: [cka(*grams) for _ in range(5)], device) / 5 * PAIRS * len(LAYERS)


def measure(quick: bool, device: str) -> list[dict]:
    ours, of_pair = time_ours(quick, device)
    exact = [gram_in_float64(model, LAYERS["layer4"], device) for model in (0, 1)]
    error = abs(of_pair - cka(*exact))
    cached = time_cached(exact, device)
    del exact
    timed = f"({'a pair of layer4' if quick else 'pairs of layer4, layer3'}, scaled)"
    pairs, halves = (time_per_pair(way, quick, device) for way in (per_pair, per_pair_half))
    results = {
        f"two stored layers at a time, torch {timed}": pairs,
        f"two stored layers at a time, symmetric products {timed}": halves,
        "240 cached float64 Grams (1 chunk and 5 pairs, scaled)": cached,
    }
    return [
        {
            "case": "cka_60_resnet18_4_layers",
            "ours": round(ours, 1),
            "alternative": round(alternative, 1),
            "unit": "seconds" if device != "cpu" else "CPU-seconds",
            "alternative_name": name,
            "ratio": round(alternative / ours, 2),
            "error": float(f"{error:.1e}"),
            "peak_mib": peak_mib(),
            "n": N,
            "ours_measured": "layer4 of 2 networks, scaled" if quick else "everything",
        }
        for name, alternative in results.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    report(measure(options.quick, options.device), options.device)


if __name__ == "__main__":
    main()
