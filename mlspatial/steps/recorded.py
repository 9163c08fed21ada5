"""Recordings whose own stimuli have labelled latents: in place of a dataset, and as a brain that is asked with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.latents import Latent
from mlspatial.core.manifest import Manifest
from mlspatial.core.progress import say
from mlspatial.models.layers import PIXELS
from mlspatial.steps.decode_splits import Conditions, chosen_latents
from mlspatial.steps.stimuli import Images

if TYPE_CHECKING:
    from mlspatial.analysis.splits import Split
    from mlspatial.benchmarks.labelled import Labels
    from mlspatial.benchmarks.neurons import NeuralBenchmark

SPLIT = "recording"  # what these images are called where datasets have splits
WHOLE = {"", "heldout:2000", SPLIT}  # of a parameter stimuli: all images


@dataclass(frozen=True)
class Recording:
    """images: the stimuli, with their latents; labels: the table; benchmark: the neurons."""

    images: Images
    labels: Labels
    benchmark: NeuralBenchmark

    def latents(self, text: str, left: Conditions | None, splits: Sequence[Split]) -> list[Latent]:
        """The parameter latents: of auto all that varies, is not held and can be read out; what cannot is said.

        Raises BadValue for what is named and cannot, UserError where nothing is left.
        """
        if text.strip() != "auto":
            return chosen_latents(text, self.images, left)
        kept: list[Latent] = []
        for latent in self.labels.schema:
            if latent.name in self.labels.held or (left and latent.name == left.factor) or not self._varies(latent):
                continue
            if why := self._too_few(latent, splits):
                say(f"decode: {why}; left out")
                continue
            try:
                kept += chosen_latents(latent.name, self.images, left)
            except BadValue as error:
                say(f"decode: {error.expected.partition('; leave it out')[0]}; left out")
        if not kept:
            across = f" with split={left.text}" if left else ""
            raise UserError(f"latents=auto: nothing that is not held can be read out{across}; name latents")
        return kept

    def _varies(self, latent: Latent) -> bool:
        from mlspatial.analysis.decoding import CONSTANT

        return float(np.ptp(self.labels.values[latent.name])) > CONSTANT

    def _too_few(self, latent: Latent, splits: Sequence[Split]) -> str:
        """Why a category has too few stimuli of its classes, "" where it has enough."""
        from mlspatial.analysis.splits import check_classes

        if latent.kind != "category":
            return ""
        codes = self.labels.values[latent.name]
        if 2 * (number := len(np.unique(codes))) > len(codes):
            return f"{latent.name} has {number} values for {len(codes)} stimuli, fewer than two of most"
        try:
            check_classes(latent.name, codes, splits)
        except UserError as error:
            return str(error).partition("; ")[0]
        return ""

    @property
    def crossings(self) -> list[Crossing]:
        """What the latents cross. Raises UserError with the cells that lack."""
        return self.labels.crossings()


def is_yaml(text: str) -> bool:
    """Whether a text names a file that may describe a recording."""
    from mlspatial.benchmarks.find import YAML

    return text.strip().endswith(YAML) and Path(text.strip()).is_file()


def has_latents(text: str) -> bool:
    """Whether a text names a recording with a table of latents."""
    from mlspatial.benchmarks import recordings

    return is_yaml(text) and recordings.has_latents(Path(text.strip()))


def find_recording(text: str, stimuli: str = "") -> Recording:
    """The recording of a YAML that has latents. stimuli: as typed; a part of the images is refused.

    Raises UserError for a YAML without latents and for what does not fit together.
    """
    if stimuli not in WHOLE:
        raise BadValue("stimuli", stimuli, "of a recording all stimuli are asked; leave the parameter out")
    from mlspatial.benchmarks.recordings import labelled

    path = Path(text.strip()).resolve()
    benchmark, labels = labelled(path)
    table = {name: np.asarray(values).tolist() for name, values in labels.values.items()}
    recipe = {"recording": benchmark.version, "latents": content_id(table), "factors": list(labels.factors),
              "contexts": list(labels.contexts)}  # fmt: skip
    manifest = Manifest(benchmark.identifier, recipe, labels.schema, {})
    values = {name: np.asarray(values) for name, values in labels.values.items()}
    images = Images(SPLIT, benchmark.stimuli, values, path.parent, manifest, None, contexts=labels.several)
    return Recording(images, labels, benchmark)


def find_alone(
    models: str, layers: str, dataset: str, usual: str, stimuli: str = ""
) -> tuple[Recording, tuple[str, ...]]:
    """Of a recording in place of networks, which is asked with its own stimuli: itself, and which of PIXELS and its
    region are asked. usual: the default of dataset.

    Raises BadValue for other layers, and for a dataset that is neither the default nor the recording.
    """
    path = Path(models.strip())
    if dataset.strip() not in ("", usual) and Path(dataset.strip()).resolve() != path.resolve():
        raise BadValue(
            "dataset", dataset, f"models names a recording, asked with its own stimuli ({path}); leave dataset out"
        )
    found = find_recording(models, stimuli)
    region = found.benchmark.region
    names = [name.strip() for name in layers.split(",")]
    if names == ["auto"]:
        return found, (PIXELS, region)
    if not set(names) <= {PIXELS, region}:
        raise BadValue("layers", layers, f"a recording has auto, pixels and its region {region}; name one of them")
    return found, tuple(name for name in (PIXELS, region) if name in names)
