"""The command that makes a lost network again."""

from __future__ import annotations

from pathlib import Path

from mlspatial.registry import runs
from mlspatial.registry.again import train_again


def test_the_command_that_trains_again_holds_options_only(registry: Path) -> None:
    """What a run tells beside them (the version of its augmentation, its ranks) is none."""
    facts = {"task": "distance", "augment": "colour", "augment_version": 2, "ranks": 4, "device": "cpu"}
    with runs.open_run(runs.Spec("train", 1, {}, facts), name="t") as run:
        pass
    told = train_again(run.id)
    assert told.startswith("train it again: torchrun --nproc_per_node 4 -m entrypoints.train --task distance --augment")
    assert "augment_version" not in told and "--ranks" not in told and "--device" not in told
