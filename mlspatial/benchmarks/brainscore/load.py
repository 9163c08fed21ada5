"""Brain-Score's benchmarks by the names its users type, as plain arrays for the fast engine.

Loading, placement on the screen, resizing, splits, ceilings and the humans' choices are the package's own code; what
leaves this file are `Published` and `Behaviour`. With them the fast engine gives the package's number, which
`reference` computes the long way.

Pixels: the package resizes with Pillow, whose result is rounded to whole grey values, and so are the images here, at
the network's own input size: both engines then see the same bytes. `models.zoo.to_input` resizes tensors, also with
anti-aliasing, but keeps fractions and differs by up to half a grey value, so it must find nothing left to do: load a
benchmark with input_size=spec.input_size.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.benchmarks.base import Benchmark
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore.facts import ceilings_of, cross_validation, further, text
from mlspatial.benchmarks.brainscore.files import (
    demand,
    imagenet_file,
    needs,
    network,
    package_version,
    prepare,
    quiet,
    resolve,
)
from mlspatial.benchmarks.brainscore.kinds import folds_of, further_benchmark, refusal
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.pictures import mapped_images, seal
from mlspatial.core.errors import UserError
from mlspatial.core.files import whole
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.models.stimuli import Stimuli

DEGREES = 8  # ModelCommitment's default: what the network's input spans
IMAGENET_IMAGES = 1000  # brain_transformation/neural.py, LayerSelection: as many as components
CACHE_VERSION = 2


def load(identifier: str, *, input_size: int = 224, download: bool = False, by_imagenet: bool = False) -> Benchmark:
    """A benchmark for the fast engine.

    identifier: a name in known(), also with an older laboratory prefix; input_size: pixels that the images are resized
    to, without a crop, after they are placed on a screen of 8 degrees; download: whether what is missing may be
    fetched; by_imagenet: whether layers are chosen by ImageNet images. What depends on the benchmark alone is kept in
    MLSPATIAL_CACHE under the hashes of its files, and is then read without Brain-Score's store.
    Raises UnknownName, and UserError when files are missing or the benchmark's metric has no fast form here.
    """
    from filelock import FileLock

    name = resolve(identifier)
    prepare()
    files = needs(name)
    hashes = sorted({file.sha1 for file in files})
    folder = cache_folder("brainscore")
    key = content_id([CACHE_VERSION, name, package_version(), hashes]) if hashes and all(hashes) else ""
    record = folder / f"{key}.npz" if key else None
    with FileLock(folder / ".lock"), network(download), quiet():  # the package places images file by file, without one
        facts = _read(record) if record else None
        images = _kept_images(len(facts["ids"]), input_size, facts.get("images", "")) if facts else None
        if facts is None or (images is None and not all(map(os.path.isfile, facts["paths"].tolist()))):
            if not download:
                demand(identifier, files)
            facts = _build(name)
            if record:
                facts["images"] = content_id([package_version(), facts["degrees"], facts["ids"].tolist(), hashes])
                _write(record, facts)
        if images is None:
            images = _images(facts["paths"].tolist(), input_size, facts.get("images", ""))
    imagenet = selection_stimuli(input_size=input_size) if by_imagenet and facts["kind"] == "neural" else None
    return _benchmark(identifier, facts, images, imagenet)


def selection_stimuli(*, input_size: int = 224, download: bool = False) -> Stimuli | None:
    """The 1,000 ImageNet validation images that the components for the choice of layers are fitted on.

    None when they are not here (imagenet_file()) and may not be downloaded: layers are then chosen on raw features.
    """
    if not selection_is_possible(download):
        return None
    prepare()
    with network(download), quiet():
        from brainscore_vision.model_helpers.activations.pca import _get_imagenet_val

        paths = tuple(map(str, _get_imagenet_val(num_images=IMAGENET_IMAGES)))
    source = imagenet_file().stat()
    key = content_id(["imagenet", str(imagenet_file()), source.st_size, source.st_mtime_ns])
    return _selection(paths, input_size, key)


@lru_cache(maxsize=1)
def _selection(paths: tuple[str, ...], size: int, key: str) -> Stimuli:
    """Once for all benchmarks of a network."""
    with quiet():
        images = _images(paths, size, key)
    return Stimuli(tuple(f"imagenet-{Path(path).stem}" for path in paths), images, float(DEGREES))


def selection_is_possible(download: bool) -> bool:
    """Whether layers can be chosen as the package does, which takes its ImageNet images."""
    return download or imagenet_file().is_file()


def build_benchmark(name: str) -> Any:
    """The package's benchmark object. Raises UserError when one of its plugins needs what is not installed."""
    brainscore_vision = prepare()
    try:
        benchmark = brainscore_vision.load_benchmark(name)
        if name.endswith("-temporal-pls"):  # calls itself as the one without time, whose ceiling it would be given
            benchmark._identifier = name
        return benchmark
    except ImportError as error:
        raise UserError(f"benchmark {name}: its plugin cannot be imported ({error}); install what it names") from error


def version_of(benchmark: Any) -> str:
    return f"{benchmark.version}, brainscore_vision {package_version()}"


def _build(name: str) -> dict[str, Any]:
    """Everything that depends on the benchmark alone, as arrays and text."""
    benchmark = build_benchmark(name)
    from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark

    facts = {
        "version": version_of(benchmark),
        "degrees": float(getattr(benchmark, "_visual_degrees", DEGREES)),
    }
    if make := further(benchmark):
        return facts | make(name, benchmark, _paths)
    if type(benchmark) is NeuralBenchmark:
        return facts | _neural_facts(name, benchmark)
    if hasattr(benchmark, "_fitting_stimuli"):
        return facts | _behaviour_facts(name, benchmark)
    raise refusal(name, type(benchmark).__name__)


def _neural_facts(name: str, benchmark: Any) -> dict[str, Any]:
    from brainscore_vision.metrics.regression_correlation.metric import CrossRegressedCorrelation

    metric = benchmark._similarity_metric
    if type(metric) is not CrossRegressedCorrelation:
        raise refusal(name, type(metric).__name__)
    components = cross_validation(name, metric, metric.regression._regression)
    if set(benchmark._assembly.dims) != {"presentation", "neuroid"}:
        raise refusal(name, "responses over time")
    assembly = benchmark._assembly.transpose("presentation", "neuroid")
    _, folds = metric.cross_validation._split.build_splits(assembly)
    stratified = metric.cross_validation._split._stratification_coord
    ids = assembly["stimulus_id"].values
    return {
        "kind": "neural",
        "region": str(benchmark.region),
        "components": components,
        "ids": text(ids),
        "paths": text(_paths(assembly.stimulus_set, ids, benchmark._visual_degrees)),
        "responses": np.asarray(assembly.values, np.float64),
        "strata": text(assembly[stratified].values) if stratified else np.empty(0, "U1"),
        "train": np.stack([train for train, _ in folds]),
        "test": np.stack([test for _, test in folds]),
        "ceilings": np.atleast_2d(ceilings_of(name, benchmark.ceiling.raw.transpose(..., "neuroid"), assembly)),
    }


def _behaviour_facts(name: str, benchmark: Any) -> dict[str, Any]:
    from brainscore_vision.metrics.i1i2.metric import _I

    metric, assembly, stimulus_set = benchmark._metric, benchmark._assembly, benchmark._assembly.stimulus_set
    if type(metric) is not _I or metric._collapse_distractors or not metric._normalize:
        raise refusal(name, "another metric than i2n")
    ids, labels = stimulus_set["stimulus_id"].values, stimulus_set["image_label"].values
    if not np.array_equal(ids, benchmark._fitting_stimuli["stimulus_id"].values):
        raise refusal(name, "a read-out fitted on other images")
    truths = dict(zip(assembly["stimulus_id"].values.tolist(), assembly["truth"].values.tolist(), strict=True))
    if [truths.get(i) for i in ids.tolist()] != labels.tolist():
        raise UserError(f"benchmark {name}: the choices name other objects than the images' labels")
    generator, humans, choices = metric._initialize_random_state(), [], np.unique(labels)
    for _ in range(metric._repetitions):
        half = metric.generate_halves(assembly, random_state=generator)[0]
        matrix = metric.dprimes(metric.build_response_matrix_from_responses(half))
        matrix = matrix.sortby("choice").transpose("presentation", "choice")
        row = {image: number for number, image in enumerate(matrix["stimulus_id"].values.tolist())}
        if row.keys() != set(ids.tolist()) or matrix["choice"].values.tolist() != choices.tolist():
            raise UserError(f"benchmark {name}: half of the trials lacks some images or objects")
        humans.append(matrix.values[[row[image] for image in ids.tolist()]])
    return {
        "kind": "behaviour",
        "ids": text(ids),
        "paths": text(_paths(stimulus_set, ids, benchmark._visual_degrees)),
        "labels": text(labels),
        "choices": text(choices),
        "humans": np.stack(humans),
        "ceilings": np.asarray(benchmark.ceiling.raw.values, np.float64),
    }


def _benchmark(identifier: str, facts: Mapping[str, Any], images: np.ndarray, imagenet: Stimuli | None) -> Benchmark:
    stimuli = Stimuli(tuple(facts["ids"].tolist()), images, float(DEGREES))
    if facts["kind"] == "behaviour":
        given = (facts[name] for name in ("labels", "choices", "humans", "ceilings"))
        return Behaviour(identifier, facts["version"], stimuli, *given)
    if facts["kind"] != "neural":
        return further_benchmark(identifier, stimuli, facts)
    return Published(
        identifier, facts["region"], facts["version"], stimuli, facts["responses"],
        facts["strata"] if len(facts["strata"]) else None, folds_of(facts), facts["ceilings"], facts["components"],
        imagenet,
    )  # fmt: skip


def _paths(stimulus_set: Any, ids: np.ndarray, degrees: float) -> list[str]:
    """Files of the images, in the order of the ids, as they look on a screen of 8 degrees."""
    from brainscore_vision.benchmark_helpers import screen

    def files(stimuli: Any) -> list[str]:
        return [str(stimuli.get_stimulus(name)) for name in ids]

    placed = screen.place_on_screen(stimulus_set, target_visual_degrees=DEGREES, source_visual_degrees=degrees)
    if not all(os.path.isfile(path) for path in files(placed)):  # remembered, but deleted since
        placed = screen._place_on_screen.__wrapped__(
            stimuli_identifier=stimulus_set.identifier,
            stimulus_set=stimulus_set,
            target_visual_degrees=DEGREES,
            source_visual_degrees=degrees,
        )
    return files(placed)


def _kept_images(n: int, size: int, key: str) -> np.ndarray | None:
    """Images that are kept. key: same for regions that saw the same ones in the same order, "" where nothing tells."""
    return mapped_images(cache_folder("brainscore") / f"{key}-{size}.npy", (n, size, size, 3)) if key else None


def _images(paths: Sequence[str], size: int, key: str) -> np.ndarray:
    """(n, size, size, 3) uint8, resized as the package does; kept where a key tells the images' contents."""
    if (kept := _kept_images(len(paths), size, key)) is not None:
        return kept
    from brainscore_vision.model_helpers.activations.pytorch import load_image, torchvision_preprocess_input

    resize = torchvision_preprocess_input(size).transforms[0]
    images = np.empty((len(paths), size, size, 3), np.uint8)
    for row, path in zip(images, paths, strict=True):
        row[...] = np.asarray(resize(load_image(path)))
    if key:
        with whole(cache_folder("brainscore") / f"{key}-{size}.npy") as partial:
            np.save(partial, images)
            seal(partial)
    return images


def _write(file: Path, facts: dict[str, Any]) -> None:
    arrays = {name: value for name, value in facts.items() if isinstance(value, np.ndarray)}
    text = {name: value for name, value in facts.items() if name not in arrays}
    with whole(file) as partial:
        np.savez_compressed(partial, facts=np.array(json.dumps(text)), **arrays)


def _read(file: Path) -> dict[str, Any] | None:
    """What was kept; None where nothing is, or something damaged (the members of an npz have checksums)."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files if name != "facts"}
            return found | json.loads(str(arrays["facts"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
