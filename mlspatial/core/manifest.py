"""The identity of a dataset: what it was made from and what its files contain.

`recipe_id` names what was asked for and is known before an image exists; `dataset_id` names what came out, shard
hashes included. Two machines that follow one recipe get one recipe_id; they get one dataset_id too when their
floating point and JPEG encoder agree to the byte (same processor family and pinned packages).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlspatial.core.errors import DatasetError
from mlspatial.core.files import write_json
from mlspatial.core.hashing import content_id
from mlspatial.core.latents import CAMERA_FRAME, EULER_CONVENTION, LatentSchema

MANIFEST = "manifest.json"
FORMAT = 1
SPLITS = ("train", "heldout")
CHECK = "check"  # key of the hash of everything else in the file; name, statistics, columns are not in dataset_id


@dataclass(frozen=True)
class Shard:
    """One Parquet file. file: path relative to the dataset folder; rows: images in it; sha256 of its bytes."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a dataset folder holds. recipe: every parameter that decides an image, JSON-like; columns: of the shards,
    name -> type, unit and meaning, which manifests from before lack."""

    name: str
    recipe: dict[str, Any]
    schema: LatentSchema
    splits: dict[str, tuple[Shard, ...]]
    statistics: dict[str, dict[str, float]] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def recipe_id(self) -> str:
        return recipe_id(self.recipe)

    @property
    def dataset_id(self) -> str:
        return content_id(
            {
                "format": FORMAT,
                "recipe": self.recipe,
                "schema": self.schema.to_json(),
                "splits": {name: [asdict(shard) for shard in shards] for name, shards in self.splits.items()},
            }
        )

    def rows(self, split: str) -> int:
        return sum(shard.rows for shard in self.shards(split))

    def shards(self, split: str) -> tuple[Shard, ...]:
        if split not in self.splits:
            raise DatasetError(f"dataset {self.name} has no split {split!r}; it has {', '.join(self.splits)}")
        return self.splits[split]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "dataset_id": self.dataset_id,
            "recipe_id": self.recipe_id,
            "camera_frame": CAMERA_FRAME,
            "rotation": EULER_CONVENTION,
            "recipe": self.recipe,
            "schema": self.schema.to_json(),
            "splits": {name: [asdict(shard) for shard in shards] for name, shards in self.splits.items()},
            "statistics": self.statistics,
            **({"columns": self.columns} if self.columns else {}),
        }

    def save(self, folder: Path) -> Path:
        """Write manifest.json atomically: a folder without it is not a dataset yet. CHECK guards all that it says."""
        facts = self.to_json()
        return write_json(folder / MANIFEST, {**facts, CHECK: content_id(facts)})

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read manifest.json; raises DatasetError when it is missing, broken or was edited."""
        path = folder / MANIFEST
        if not path.is_file():
            raise DatasetError(
                f"{folder} is not a finished dataset: {MANIFEST} is missing; run render again to finish it"
            )
        try:
            data = json.loads(path.read_text())
            manifest = cls(
                name=data["name"],
                recipe=data["recipe"],
                schema=LatentSchema.from_json(data["schema"]),
                splits={name: tuple(Shard(**shard) for shard in shards) for name, shards in data["splits"].items()},
                statistics=data["statistics"],
                columns=data.get("columns", {}),
            )
            stated = data["dataset_id"], data["format"]
            for shard in (shard for shards in manifest.splits.values() for shard in shards):
                if Path(shard.file).is_absolute() or ".." in Path(shard.file).parts:
                    raise DatasetError(f"{path} names {shard.file}, which is outside of its folder; do not use it")
            check = data.pop(CHECK, None)  # manifests before it have none
            edited = check is not None and check != content_id(data)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
            raise DatasetError(f"{path} cannot be read ({error}); render the dataset again") from error
        if stated != (manifest.dataset_id, FORMAT):
            raise DatasetError(
                f"{path} does not match its own dataset_id {stated[0]} (computed {manifest.dataset_id}); "
                "it was edited or is of another format: render the dataset again"
            )
        if edited:
            raise DatasetError(
                f"{path} does not match its own {CHECK} {check}; it was edited: render the dataset again"
            )
        return manifest


def recipe_id(recipe: dict[str, Any]) -> str:
    return content_id({"format": FORMAT, "recipe": recipe})
