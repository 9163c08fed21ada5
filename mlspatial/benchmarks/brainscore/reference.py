"""engine=reference: a network scored by Brain-Score's own code from end to end, slowly.

The network is wrapped as the package's users wrap theirs and carries its model_id as identifier, because the package
caches by identifier and preprocessing and never by weights. Activations of a scored layer are not cached at all: at
2,880 images a wide layer would fill gigabytes of disk.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.base import Benchmark, standard_error
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore.files import demand, needs, network, prepare, quiet, resolve
from mlspatial.benchmarks.brainscore.fixed_split import FixedSplit
from mlspatial.benchmarks.brainscore.geometry import PublishedGeometries, SelectedUnits
from mlspatial.benchmarks.brainscore.load import (
    DEGREES,
    IMAGENET_IMAGES,
    build_benchmark,
    selection_is_possible,
    version_of,
)
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.brainscore.reverse import Reverse
from mlspatial.benchmarks.brainscore.temporal import Temporal
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.score import BEHAVIOUR, OF_PARTS, Score

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.spec import ModelSpec

VERSION = "2"  # of how the package is asked
PCA_SELECTION = f"PCA({IMAGENET_IMAGES}) of ImageNet"
RAW_SELECTION = "raw features"
READOUT = "readout"
CHOICES = "behavior"  # in place of a region, where networks are asked for choices
#: of the package's scores that come ceiled
FORMULA_OF: dict[type[Benchmark] | None, str] = {
    Behaviour: BEHAVIOUR,
    FixedSplit: OF_PARTS,
    PublishedGeometries: "r/c",
    SelectedUnits: "(r/c)^2",
}
REFUSAL = "1000-dim ImageNet classification head"  # the package, of networks without logits of ImageNet


@dataclass(frozen=True)
class ReferenceResult:
    """scores: layer -> score on raw features; committed: the chosen layer; selection: how it was chosen."""

    region: str
    scores: dict[str, Score]
    committed: str
    selection: str


def reference_score(
    module: nn.Module,
    spec: ModelSpec,
    model_id: str,
    identifier: str,
    layers: Sequence[str],
    *,
    device: str = "cpu",
    select: bool = True,
    download: bool = False,
) -> ReferenceResult:
    """Score layers of a network on any benchmark of the package with its own metric, ceiling and layer selection.

    layers: candidates, in the network's order. Of a neural benchmark every layer is scored on raw features. select:
    choose as the package does, by components of ImageNet images on its standard benchmark of the region, where those
    images are here (or download is allowed); otherwise by the ceiled scores on raw features. Behaviour is read out
    from every layer given; committed is avgpool if it is among them, else the last, as the package has it.
    Raises UserError for missing files and for what the package refuses.
    """
    name = resolve(identifier)
    if not layers:
        raise BadValue("layers", layers, "name at least one layer to score")
    parts = dict(module.named_modules())
    for layer in layers:
        if layer not in parts or not layer:
            raise UnknownName("layer", layer, (part for part in parts if part))
    from mlspatial.analysis.device import numerics

    prepare()
    if not download:
        demand(identifier, needs(name))
    with network(download), numerics():
        with quiet():
            benchmark = build_benchmark(name)
            wrapper = wrap(module, spec, model_id, device)
        region = region_of(benchmark)
        scores = {}
        for layer in layers:
            with quiet():
                scores[layer] = _score(benchmark, wrapper, model_id, layer, region)
        if region == CHOICES:
            committed = "avgpool" if "avgpool" in layers else layers[-1]
            return ReferenceResult(region, scores, committed, READOUT)
        if select and selection_is_possible(download):
            with quiet():
                committed = select_layer(wrapper, model_id, layers, region, benchmark)
            return ReferenceResult(region, scores, committed, PCA_SELECTION)
        return ReferenceResult(region, scores, best_layer(scores), RAW_SELECTION)


def region_of(benchmark: Any) -> str:
    """What the package's benchmark has networks record from; CHOICES where it asks for these."""
    if hasattr(benchmark, "region"):
        return str(benchmark.region)
    if regions := getattr(benchmark, "_roi_map", None):  # Bracci2019: of the recordings -> (number, of networks)
        return str(regions[benchmark._region][1])
    return CHOICES


def wrap(module: nn.Module, spec: ModelSpec, model_id: str, device: str) -> Any:
    """The package's wrapper: resized to spec.input_size by Pillow without a crop, normalised as the spec says."""
    import torch
    from brainscore_vision.model_helpers.activations.pytorch import PytorchWrapper, load_preprocess_images

    preprocessing = functools.partial(
        load_preprocess_images, image_size=spec.input_size, normalize_mean=spec.mean, normalize_std=spec.sd
    )
    wrapper = PytorchWrapper(identifier=model_id, model=module, preprocessing=preprocessing)
    wrapper.image_size = spec.input_size
    wrapper._device = torch.device(device)  # the package takes any GPU that it finds
    module.to(device)
    return wrapper


def select_layer(wrapper: Any, model_id: str, layers: Sequence[str], region: str, benchmark: Any) -> str:
    """The layer that the package's LayerSelection takes, on its standard benchmark where the region has one.

    The package remembers the choice by identifier and region, not by candidates: these join the identifier here.
    """
    from brainscore_vision.model_helpers.brain_transformation import STANDARD_REGION_BENCHMARKS
    from brainscore_vision.model_helpers.brain_transformation.neural import LayerSelection

    asked = f"{model_id}-{content_id(list(layers))}"
    selection = LayerSelection(
        model_identifier=asked, activations_model=wrapper, layers=list(layers), visual_degrees=DEGREES
    )
    return str(selection(selection_identifier=region, benchmark=STANDARD_REGION_BENCHMARKS.get(region, benchmark)))


def _score(benchmark: Any, wrapper: Any, model_id: str, layer: str, region: str) -> Score:
    from brainscore_vision.model_helpers.activations.pytorch import disable_activation_caching
    from brainscore_vision.model_helpers.brain_transformation import ModelCommitment

    commitment = ModelCommitment(
        identifier=model_id,
        activations_model=disable_activation_caching(wrapper),
        layers=[layer],
        behavioral_readout_layer=layer,
        region_layer_map={region: layer},
        visual_degrees=DEGREES,
    )
    try:
        return _from_package(benchmark, benchmark(commitment))
    except ValueError as error:
        if REFUSAL not in str(error):
            raise
        raise UserError(f"benchmark {benchmark.identifier}: {error}".replace("\n", " ")) from error


def _from_package(benchmark: Any, score: Any) -> Score:
    """The package's Score as ours. A metric without raw value or ceiling leaves NaN; of several values, one a time bin,
    the mean counts, over the bins whose ceiling is above 0."""
    from mlspatial.benchmarks.brainscore.kinds import kind_of

    version, suffix = version_of(benchmark), str(benchmark.identifier).rpartition("-")[2]
    raw, ceiling = score.attrs.get("raw"), score.attrs.get("ceiling")
    error = _number(score.attrs.get("error"))
    splits = len(raw.raw["split"]) if "split" in getattr(getattr(raw, "raw", None), "dims", ()) else 0
    kind, metric = kind_of(_registered(benchmark)) or (None, suffix)
    if kind is Published or (kind is None and type(benchmark).__name__ == "NeuralBenchmark"):
        name = f"pls{benchmark._similarity_metric.regression._regression.n_components}" if suffix == "pls" else suffix
        return Score(float(raw), float(ceiling), error, splits, name, version, told=error)
    if kind is Reverse:
        return Score(float(raw), float(ceiling), error, splits, metric, version, told=error)
    if kind is Temporal:
        return _over_time(score, metric, version)
    formula = FORMULA_OF.get(kind, "the benchmark's own")
    given, values = float(score), np.empty(0)
    choice: float | None = None
    told: float | None = error
    if kind is FixedSplit:
        parts = [score.attrs[name] for name in np.unique(benchmark.train_assembly[benchmark.alpha_coord].values)]
        values, ceiled = (np.array(list(map(float, one))) for one in ((part.raw for part in parts), parts))
        choice, told = float((np.sign(values) * ceiled).mean()), standard_error(ceiled)
    elif kind is SelectedUnits:
        values = np.asarray(raw.attrs["raw"], np.float64)
        value, bound = float(raw), float(ceiling)
        choice = float(np.sign(value) * (value / bound) ** 2)  # given ends at 1
        told = 2 * abs(value) / bound**2 * standard_error(values)
    elif kind is PublishedGeometries:
        values = np.asarray(raw.attrs.get("subject_scores", [float(raw)]), np.float64)
        told = None
    if choice is None:
        choice = -abs(given) if _number(raw) < 0 else given
    n, error = (len(values), standard_error(values)) if len(values) else (splits, error)
    return Score(
        _number(raw), _number(ceiling), error, n, metric, version, formula, given=given, choice=choice, told=told
    )


def _over_time(score: Any, metric: str, version: str) -> Score:
    """Of a score a time bin: their mean, the error over splits."""
    raw, ceiling = score.attrs["raw"], score.attrs["ceiling"].values
    counted, value, ceiled = ceiling > 0, raw.values, score.values
    of_splits = raw.raw.transpose("split", "time_bin", "neuroid").values
    splits = np.nanmedian(of_splits, axis=2).mean(axis=1)
    error = float(splits.std() / np.sqrt(len(splits)))
    return Score(
        float(value.mean()), float(ceiling.mean()), error, len(splits), metric, version, OF_PARTS,
        given=float(ceiled[counted].mean()), choice=float((np.sign(value) * ceiled)[counted].mean()), told=error,
    )  # fmt: skip


def _registered(benchmark: Any) -> str:
    """The identifier that a benchmark is known by here; those of public data call themselves otherwise."""
    try:
        return resolve(str(benchmark.identifier))
    except UnknownName:
        return str(benchmark.identifier)


def best_layer(scores: Mapping[str, Score]) -> str:
    """The layer of the highest ceiled score, the first on a tie; layers without a score are passed over, and the scores
    of what predicts the contrary, which the package squares, count as below 0.

    Raises UserError when none has a score. Source: brain_transformation/neural.py, LayerSelection.
    """
    found = {layer: score.chosen_by for layer, score in scores.items() if not math.isnan(score.chosen_by)}
    if not found:
        raise UserError(f"no layer of {', '.join(scores)} has a score; look at the network's activations")
    return max(found, key=lambda layer: found[layer])  # max keeps the first of equals


def _number(value: Any) -> float:
    return float(value) if value is not None and getattr(value, "size", 1) == 1 else math.nan
