"""All that `tuning` asks of a ResNet-18's eleven layers at 224 px, next to the forward pass alone.

    python -m speed.tuning [--quick] [--device cuda]

A factorial design of 4 x 4 x 4 x 8 cells in 16 contexts, 8,192 images; --quick: 4 x 4 x 8 cells in 8, 1,024 images.
CPU-seconds of all threads on the CPU, seconds on a device. `cost` is ours / alternative; `ratio`, as everywhere,
alternative / ours.
"""

from __future__ import annotations

import argparse
import tempfile
from math import prod
from pathlib import Path

import numpy as np

from mlspatial.core.crossing import Crossing, Factor
from mlspatial.models.build import build
from mlspatial.models.controlled import ControlledSink
from mlspatial.models.extract import extract, shapes
from mlspatial.models.layers import CANDIDATE_LAYERS
from mlspatial.models.sinks import Features
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from mlspatial.steps.tuning_tables import Tables
from speed.common import peak_mib, report
from speed.extract import SIZE, seconds

WHOLE, FEW = ((4, 4, 4, 8), 16), ((4, 4, 8), 8)


def crossing(levels: tuple[int, ...], contexts: int) -> Crossing:
    factors = tuple(Factor(f"f{i}", "linear", tuple(map(float, range(n)))) for i, n in enumerate(levels))
    rows = np.arange(prod(levels) * contexts).reshape(contexts, *levels)
    return Crossing("factorial", factors, np.moveaxis(rows, 0, -1))


def measure(levels: tuple[int, ...], contexts: int, device: str) -> list[dict]:
    design = crossing(levels, contexts)
    n = design.rows.size
    coarse = np.random.default_rng(0).integers(0, 255, (n, 14, 14, 3), np.uint8)
    images = coarse.repeat(SIZE // 14, axis=1).repeat(SIZE // 14, axis=2)
    stimuli = Stimuli(tuple(map(str, range(n))), images)
    spec = ModelSpec("resnet18", 674, {}, (), SIZE)
    module = build(spec, seed=0).to(device)
    layers = CANDIDATE_LAYERS["resnet18"]
    extract(module, spec, Stimuli(stimuli.ids[:64], images[:64]), ["fc"], Features())  # warms up
    forward = seconds(lambda: extract(module, spec, stimuli, ["fc"], Features()), device)
    before = peak_mib()
    parts: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        sink = ControlledSink([design], n, shapes(module, spec, layers), Path(folder), device)
        parts["seen"] = seconds(lambda: extract(module, spec, stimuli, layers, sink), device)
        tables = Tables([design], 20, 0)
        parts["read"] = parts["asked"] = 0.0
        for layer in layers:
            kept: dict = {}
            parts["read"] += seconds(lambda kept=kept, layer=layer: kept.update(of=sink.pop(layer)), device)
            parts["asked"] += seconds(lambda kept=kept, layer=layer: tables.add(layer, kept["of"]), device)
    ours = sum(parts.values())
    return [
        {
            "case": f"tuning_{len(layers)}_layers_{n}_images",
            "cost": round(ours / forward, 2),
            "ratio": round(forward / ours, 3),
            **{f"{name}_of_forward": round(value / forward, 2) for name, value in parts.items()},
            "peak_mib_before": before,
            "peak_mib": peak_mib(),
        }
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    report(measure(*(FEW if asked.quick else WHOLE), asked.device), asked.device)
