"""Networks that see clips: trained, kept in the registry, read back and decoded by clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mlspatial.core.errors import UserError
from mlspatial.core.manifest import Manifest
from mlspatial.models.spec import to_input
from mlspatial.registry.models import select
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset
from mlspatial.steps import train as step
from mlspatial.steps.export import export
from mlspatial.steps.stimuli import load_images
from mlspatial.train.augment import AUGMENTATIONS
from tests.train.test_step import SMALL

MOVING = Recipe(96, 48, 48, 1, ("chair", "apple"), environments="procedural:meadow", frames=4)


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("clips") / "set"
    return folder, render_dataset(MOVING, folder, "moving", workers=1)


def test_a_network_of_clips_from_training_to_the_registry_and_back(
    moving: tuple[Path, Manifest], registry: Path, tmp_path: Path
) -> None:
    folder, _ = moving
    options = SMALL | {"arch": "resnet18w8", "augment": "colour"}
    step.train(task="velocity+distance", dataset=str(folder), seed=0, **options)
    (record,) = select("task=distance+velocity")
    module, spec = record.load()
    assert spec.frames == 4 and spec.head["velocity"][1] - spec.head["velocity"][0] == 3
    images = load_images("heldout:12", str(folder))
    assert images.stimuli.images.shape == (12, 4, 48, 48, 3) and images.latents["v_x"].shape == (12,)
    assert images.stimuli.ids[:2] == ("heldout-00000002", "heldout-00000006")  # the middle frames
    assert len(images.names("scene")) == 12
    with torch.inference_mode():
        clips = torch.from_numpy(images.stimuli.images)
        moves, still = (module.eval()(to_input(one, spec)) for one in (clips, clips[:, 2]))
    assert moves.shape == still.shape and not torch.allclose(moves, still)
    kept = next(Path(registry).rglob("predictions.parquet"), None)
    assert kept is not None and len(pd.read_parquet(kept)) == 12  # a row a clip
    with pytest.raises(UserError, match="a network of clips of 4 frames cannot be exported"):
        export(models="task=distance+velocity", to="huggingface", out=str(tmp_path / "out"))
    with pytest.raises(UserError, match=r"has 12 heldout clips; take heldout:12"):
        load_images("heldout:13", str(folder))


def test_targets_that_are_constant_in_the_frames_that_count_are_refused(registry: Path) -> None:
    """In the middle of an odd clip of an object in the middle x and y are 0, however they move before and after."""
    folder = registry / "odd"
    render_dataset(replace(MOVING, frames=3, translation="none"), folder, "odd", workers=1)
    with pytest.raises(UserError, match="x and y is the same in every image of dataset odd"):
        step.train(task="translation", dataset=str(folder), seed=0, **SMALL)


def test_colours_of_a_clip_change_alike() -> None:
    """As the training loop gives a clip: one tall image, so that its frames stay comparable."""
    clips = torch.randint(0, 256, (3, 1, 8, 8, 3), dtype=torch.uint8).expand(3, 4, 8, 8, 3)
    changed = AUGMENTATIONS["colour"](clips.flatten(1, -3), 5, 1).unflatten(1, (4, -1))
    assert (changed == changed[:, :1]).all() and (changed != clips).any()


def test_single_images_are_named_as_ever(moving: tuple[Path, Manifest]) -> None:
    """A spec that says nothing of clips has the identity that it had; so has a recipe."""
    from mlspatial.models.spec import ModelSpec

    spec = ModelSpec("resnet18", 1, {"distance": (0, 1)}, ("distance",), 48)
    assert set(spec.to_json()) == {
        "arch", "units", "head", "supervised", "input_size", "mean", "sd", "statistics", "classes", "weights",
    }  # fmt: skip
    assert replace(spec, frames=2).model_id != spec.model_id
    assert np.isclose(moving[1].recipe["frame_rate"], 10.0)
