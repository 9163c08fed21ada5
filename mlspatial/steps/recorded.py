"""Recordings whose own stimuli have labelled latents: in place of a dataset, and as a brain that is asked with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id
from mlspatial.core.manifest import Manifest
from mlspatial.steps.stimuli import Images

if TYPE_CHECKING:
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

    def latents(self, text: str, split: str) -> str:
        """The parameter latents: of auto all that varies and neither says what is held nor is left out."""
        if text.strip() != "auto":
            return text
        left = split.partition(":")[2].strip()
        values = self.labels.values
        names = [name for name in values if name not in self.labels.held and len(np.unique(values[name])) > 1]
        return ",".join(name for name in names if name != left) or text

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
    path = Path(text.strip()).resolve()
    return _found(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _found(path: Path, _changed: int) -> Recording:
    from mlspatial.benchmarks.recordings import labelled

    benchmark, labels = labelled(path)
    table = {name: np.asarray(values).tolist() for name, values in labels.values.items()}
    recipe = {"recording": benchmark.version, "latents": content_id(table), "factors": list(labels.factors),
              "contexts": list(labels.contexts)}  # fmt: skip
    manifest = Manifest(benchmark.identifier, recipe, labels.schema, {})
    values = {name: np.asarray(values) for name, values in labels.values.items()}
    contexts = labels.context if labels.held else None
    images = Images(SPLIT, benchmark.stimuli, values, path.parent, manifest, None, contexts=contexts)
    return Recording(images, labels, benchmark)
