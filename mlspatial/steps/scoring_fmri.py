"""One network against voxels: classical and voxel-encoding RSA of every layer, chosen on one half of the stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis import rsa, versa
from mlspatial.analysis.gram import unpack
from mlspatial.analysis.projection import johnson_lindenstrauss_dimension
from mlspatial.benchmarks import FmriBenchmark
from mlspatial.benchmarks.fmri import METRICS
from mlspatial.core.score import Score
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.gather import Gathered, Load, gather, spool_folder
from mlspatial.steps.scoring_plan import OWN

if TYPE_CHECKING:
    import torch

    from mlspatial.models.sinks import Products, Projections

PROJECTION_SEED = 0  # Conwell et al. 2024: random_state=0
HALVES = "chosen on even stimuli, reported on odd ones"


@dataclass(frozen=True)
class FmriScores:
    """rows: one a benchmark, metric and layer; runs: that hold what was gathered; matrices: "BENCHMARK METRIC" -> the
    condensed similarity matrix of the test half at the reported layer."""

    rows: list[dict[str, Any]]
    runs: list[str]
    matrices: dict[str, np.ndarray]


class _Both:
    """A sink for matrices of all features and for projections."""

    def __init__(self, products: Products | None, projections: Projections | None) -> None:
        self._parts = [part for part in (products, projections) if part is not None]
        self.kinds = tuple(kind for part in self._parts for kind in part.kinds)

    def add(self, layer: str, activations: torch.Tensor) -> None:
        for part in self._parts:
            part.add(layer, activations)

    def pop(self, layer: str) -> dict[str, np.ndarray]:
        return {kind: array for part in self._parts for kind, array in part.pop(layer).items()}


def score_fmri(
    record: ModelRecord,
    benchmarks: Sequence[tuple[FmriBenchmark, Sequence[str]]],
    *,
    layers: Sequence[str],
    variant: str,
    device: str,
    study: str,
    parents: Sequence[str],
    progress: Any,
) -> FmriScores:
    """Every layer's scores on both halves. benchmarks: each with its metrics: `own`, crsa, versa; layers: none for all.

    The row of a layer also has train (the score on the half that layers are chosen on), voxel_r (mean correlation of
    predicted and measured responses, veRSA only) and effective_dimensionality.
    """
    from mlspatial.analysis.device import choose_device
    from mlspatial.models.extract import study2_layers

    chosen_device = choose_device(device)
    load = cache(ModelRecord.load)  # once for all benchmarks
    layers = layers or study2_layers(*load(record))
    rows: list[dict[str, Any]] = []
    runs: list[str] = []
    matrices: dict[str, np.ndarray] = {}
    way = versa.VARIANTS[variant]
    for benchmark, metrics in benchmarks:
        benchmark.find_ceilings(chosen_device)
        names = tuple(dict.fromkeys(benchmark.metric if name == OWN else name for name in metrics))
        gathered, projected = _gather(record, benchmark, names, layers, device, study, parents, load)
        runs += gathered.runs
        dimensions = {layer: versa.effective_dimensionality(unpack(gathered.array("gram", layer)))
                      for layer in gathered.layers}  # fmt: skip
        for name in names:
            found = []
            for layer in gathered.layers:
                if name == "crsa":
                    found.append(benchmark.crsa(np.asarray(gathered.array("pattern", layer))))
                else:
                    features = np.array(gathered.array(projected, layer))
                    found.append(benchmark.versa(features, way, device=chosen_device))
            chosen = versa.choose_layer(found, way)
            matrices[f"{benchmark.identifier} {name}"] = _matrix(name, benchmark, gathered, chosen, found[chosen])
            for place, (layer, value) in enumerate(zip(gathered.layers, found, strict=True)):
                facts = {"benchmark": benchmark.identifier, "region": benchmark.region, "layer": layer, "depth": place}
                more = {"train": value.train, "voxel_r": value.voxels, "variant": variant,
                        "effective_dimensionality": dimensions[layer]}  # fmt: skip
                marks = {"primary": name == benchmark.metric, "selection": HALVES, "choice": float(place == chosen)}
                rows.append({**facts, **marks, **_score(benchmark, name, value.test).to_json(), **more})
        progress.update(1)
    return FmriScores(rows, runs, matrices)


def _gather(
    record: ModelRecord,
    benchmark: FmriBenchmark,
    names: Sequence[str],
    layers: Sequence[str],
    device: str,
    study: str,
    parents: Sequence[str],
    load: Load,
) -> tuple[Gathered, str]:
    from mlspatial.models.sinks import Products, Projections

    n = len(benchmark.stimuli)
    dimension = johnson_lindenstrauss_dimension(n)
    (projected,) = Projections(dimension, PROJECTION_SEED).kinds
    kinds = ["gram", *(["pattern"] if "crsa" in names else []), *([projected] if "versa" in names else [])]

    def sink(place: str, missing: tuple[str, ...]) -> _Both:
        wanted = [kind for kind in missing if kind != projected]
        return _Both(
            Products(wanted, n, spool_folder(), place) if wanted else None,
            Projections(dimension, PROJECTION_SEED) if projected in missing else None,
        )

    (gathered,) = gather(
        [record], benchmark.stimuli, kinds, [layers], sink, device=device, study=study, parents=parents, load=load
    )  # fmt: skip
    return gathered, projected


def _matrix(
    name: str, benchmark: FmriBenchmark, gathered: Gathered, chosen: int, value: versa.HalfScores
) -> np.ndarray:
    """The network's similarity matrix of the test half, condensed: of its own patterns, or of predicted voxels."""
    if name == "versa":
        assert value.predicted is not None
        return rsa.condensed(rsa.similarity_matrix(value.predicted)).astype(np.float32)
    from scipy.spatial.distance import squareform

    patterns = squareform(np.asarray(gathered.array("pattern", gathered.layers[chosen]), np.float64))
    rows = np.asarray(benchmark.test)
    return squareform(patterns[np.ix_(rows, rows)], checks=False).astype(np.float32)


def _score(benchmark: FmriBenchmark, metric: str, value: float) -> Score:
    ceiling = benchmark.ceiling
    known = bool(np.isfinite(ceiling))
    return Score(
        raw=value,
        ceiling=ceiling if known else 1.0,
        error=float("nan"),
        n=len(benchmark.test),
        metric=metric,
        version=versa.VERSION,
        formula="(r/c)^2" if known else "none",  # explainable variance
    )


def geometry(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """metric -> (networks, networks) Pearson r between the networks' similarity matrices of the test half.

    tables: one a network, as FmriScores.matrices. Of predicted voxels the matrices of all subjects are first averaged
    through Fisher's z (Conwell et al. 2024). A metric counts when all networks have it for the same benchmarks.
    """
    found = {}
    for metric in METRICS:
        keys = [sorted(key for key in table if key.endswith(f" {metric}")) for table in tables]
        if keys[0] and all(other == keys[0] for other in keys):
            means = [versa.fisher_mean([np.asarray(table[key], np.float64) for key in keys[0]]) for table in tables]
            found[metric] = rsa.compare(np.stack(means))
    return found


def save_matrices(matrices: dict[str, np.ndarray], file: Path) -> None:
    """All matrices in one npz."""
    with file.open("wb") as stream:
        np.savez_compressed(stream, **matrices)
