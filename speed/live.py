"""Live images: images per CPU-second of the worker processes and of the one that takes their batches, next to the
sampler and the renderer alone in one process, which draw the same images.

    python -m speed.live [--quick]

`images_per_s` is by the wall clock, with two workers. `error` is the largest difference of a pixel.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from itertools import islice
from pathlib import Path

import numpy as np

from mlspatial.render.live import LiveLoader
from mlspatial.render.studio import Recipe, Studio
from speed.common import peak_mib, report

SIZES = (224, 64)
WORKERS = 2
BATCH = 64
WARM = 6  # batches before the clock starts, more than are drawn ahead


def cpu_seconds() -> float:
    """Of this process and of its workers, so far."""
    total = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def time_live(size: int, batches: int) -> dict:
    recipe = Recipe(1000, 1, size, 0, ("chair", "apple", "teakettle"), environments="procedural:meadow,living_room")
    studio = Studio(recipe)
    loader = LiveLoader(recipe, studio.schema, columns=("x", "category"), batch_size=BATCH, workers=WORKERS)
    stream = loader.endless(0)
    first = next(stream).images
    for _ in islice(stream, WARM - 1):
        pass
    cpu, wall = cpu_seconds(), time.perf_counter()
    for batch in islice(stream, batches):
        assert batch.images.shape == (BATCH, size, size, 3)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    stream.close()

    alone = studio.draw([studio.sampler.draw(index) for index in range(BATCH)]).images
    start = time.process_time()
    for number in range(WARM, WARM + batches):
        studio.draw([studio.sampler.draw(number * BATCH + i) for i in range(BATCH)])
    renderer = time.process_time() - start
    images = batches * BATCH
    return {
        "case": f"live_{size}px",
        "ours": round(images / cpu, 1),
        "alternative": round(images / renderer, 1),
        "unit": "images per CPU-second",
        "alternative_name": "sampler and renderer alone",
        "ratio": round(renderer / cpu, 2),
        "images_per_s": round(images / wall, 1),
        "error": int(np.abs(first.astype(int) - alone).max()),
        "peak_mib": peak_mib(),
        "n": images,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    options = parser.parse_args()
    report([time_live(size, 10 if options.quick else 40) for size in SIZES])


if __name__ == "__main__":
    main()
