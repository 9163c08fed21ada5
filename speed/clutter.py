"""Scenes of three objects with masks and depth, next to one object alone: images per CPU-second of one process.

    python -m speed.clutter [--quick]

Three textured meshes of 15,360 triangles at 1.2 to 3 metres, one before the other, 224 px; the same target alone is the
alternative, so `ratio` is what further objects leave of the speed. `error` is the largest difference between the
target's share that is seen and that which is counted from pictures of each object alone, put together by their depth.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace

import numpy as np

from mlspatial.render.engine import TRUTHS, Others, SceneBatch
from mlspatial.render.warp.engine import WarpRenderer
from speed.common import peak_mib, report
from speed.render import outdoors, random_scenes, rate, torus

SIZE, MORE, APART = 224, 2, 0.55  # pixels, objects beside the target, metres between neighbours


def crowded(scenes: SceneBatch, more: int) -> SceneBatch:
    """The scenes with further objects to the right and left of the target, each a little farther away or nearer."""
    count = len(scenes)
    step = np.array([[APART, 0.1, 0.4], [-APART, -0.1, -0.2]])[:more]
    return replace(
        scenes,
        others=Others(
            mesh=np.zeros((count, more), int),
            position=scenes.position[:, None] + step,
            rotation=np.stack([np.roll(scenes.rotation, k + 1, axis=0) for k in range(more)], axis=1),
            scale=np.ones((count, more)),
        ),
    )


def composed(renderer: WarpRenderer, scenes: SceneBatch) -> np.ndarray:
    """(B,) share of the target's pixels in the picture that no other object hides, each object drawn alone."""
    asked = frozenset({"depth"})
    alone = replace(scenes, others=None)
    depth = [renderer.render(alone, asked).truth["depth"]]
    others = scenes.others
    assert others is not None
    for k in range(others.mesh.shape[1]):
        other = replace(alone, mesh=others.mesh[:, k], position=others.position[:, k], rotation=others.rotation[:, k])
        depth.append(renderer.render(other, asked).truth["depth"])
    nearest = np.stack(depth).argmin(axis=0)
    there = np.isfinite(depth[0])
    return ((nearest == 0) & there).sum(axis=(1, 2)) / there.sum(axis=(1, 2))


def measure(case: str, truth: frozenset[str], count: int, repeats: int) -> dict:
    renderer = WarpRenderer([torus()], [outdoors(1024)], size=SIZE)
    alone = random_scenes(count)
    scenes = crowded(alone, MORE)
    for one in (alone, scenes):
        renderer.render(one, truth)
    ours, single = [], []
    for _ in range(repeats):
        ours.append(rate(lambda: renderer.render(scenes, truth), count))
        single.append(rate(lambda: renderer.render(alone), count))
    inside = renderer.render(alone).visible
    found = renderer.render(scenes).visible
    return {
        "case": case,
        "ours": round(statistics.median(ours), 1),
        "alternative": round(statistics.median(single), 1),
        "unit": "images per CPU-second",
        "alternative_name": "the target alone, picture only",
        "ratio": round(statistics.median(ours) / statistics.median(single), 2),
        "error": round(float(np.abs(composed(renderer, scenes) * inside - found).max()), 4),
        "peak_mib": peak_mib(),
        "n": count * repeats,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    count, repeats = (16, 3) if parser.parse_args().quick else (64, 7)
    report(
        [
            measure("three_objects_224px", frozenset(), count, repeats),
            measure("three_objects_and_truth_224px", frozenset(TRUTHS), count, repeats),
        ]
    )


if __name__ == "__main__":
    main()
