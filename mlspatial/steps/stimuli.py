"""Images of a dataset to look at networks with: 'heldout:2000' and their latents."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.manifest import Manifest
from mlspatial.data.arriving import settle
from mlspatial.data.clips import Clips, frames_of, middle
from mlspatial.data.loader import Loader
from mlspatial.data.shards import names_of, read_columns
from mlspatial.registry import runs
from mlspatial.registry.datasets import find_dataset

if TYPE_CHECKING:
    from mlspatial.models.stimuli import Stimuli

LEAST = 10


@dataclass(frozen=True)
class Images:
    """The first images of a split (they are balanced), or its first clips, whose middle frames give latents and names.
    latents: column -> (n,), categories as codes; contexts: (n,) number of what is held in each, where that is known
    beside the manifest; rows: (n,) of the split, None: its first."""

    split: str

    stimuli: Stimuli
    latents: dict[str, np.ndarray]
    folder: Path
    manifest: Manifest
    made_by: runs.RunRecord | None
    contexts: np.ndarray | None = field(default=None, kw_only=True)
    rows: np.ndarray | None = field(default=None, kw_only=True)

    @property
    def runs(self) -> list[str]:
        """The run that rendered them, if the registry knows it."""
        return [self.made_by.id] if self.made_by else []

    def names(self, column: str) -> np.ndarray:
        """(n,) names: of a categorical latent, or of a column of the shards that is no latent, as scene and sky are.

        Raises UserError where the dataset has no such column, or no names in it.
        """
        schema, n = self.manifest.schema, len(self.stimuli)
        if column in self.latents and schema[column].kind == "category":
            return np.array(schema[column].categories, dtype=object)[self.latents[column]]
        if not self.manifest.splits:  # a recording's
            raise UserError(f"the latents of recording {self.manifest.name} have no column {column}; add it")
        if column not in names_of(self.folder, self.manifest, self.split):
            raise UserError(f"dataset {self.manifest.name} has no column {column}; its images do not say it")
        whole = read_columns(self.folder, self.manifest, self.split, [column])[column]
        values = whole[:n] if self.rows is None else whole[self.rows]
        if len(without := [i for i, value in enumerate(values) if not isinstance(value, str)]):
            raise UserError(f"dataset {self.manifest.name} has no {column} for {len(without)} of {n} images")
        return np.asarray(values, dtype=object)


def load_images(text: str, dataset: str) -> Images:
    """text: SPLIT or SPLIT:N. Raises BadValue for an unknown split or more images than there are."""
    from mlspatial.models.stimuli import Stimuli

    folder, manifest, made_by = find_dataset(dataset)
    split, _, number = text.partition(":")
    if split not in manifest.splits:
        raise BadValue("stimuli", text, f"dataset {manifest.name} has the splits {', '.join(manifest.splits)}")
    frames = frames_of(manifest)
    there = manifest.rows(split) // frames
    if number and not (number.isdecimal() and int(number) >= LEAST):
        raise BadValue("stimuli", text, f"write {split}:N with N at least {LEAST}")
    count = int(number or there)
    if count > there:
        raise BadValue(
            "stimuli",
            text,
            f"dataset {manifest.name} has {there} {split} {'clips' if frames > 1 else 'images'}; take {split}:{there}",
        )
    names = [latent.name for latent in manifest.schema if latent.kind in ("linear", "circular", "category")]
    loader_class = Clips if frames > 1 else Loader
    loader = loader_class(folder, manifest, split, columns=names, batch_size=256, fraction=count / there)
    rows = np.arange(count) * frames + (middle(frames) if frames > 1 else 0)
    images = np.concatenate([np.asarray(batch.images) for batch in loader.once()])[:count]
    latents = {name: values[rows] for name, values in loader.columns.items()}
    settle(folder)
    ids = tuple(read_columns(folder, manifest, split, ["stimulus_id"])["stimulus_id"][rows])
    return Images(split, Stimuli(ids, images), latents, folder, manifest, made_by, rows=rows)
