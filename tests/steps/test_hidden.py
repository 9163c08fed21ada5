"""A network behind a simulated brain: only its address finds it, no table counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import load
from mlspatial.core.errors import UserError
from mlspatial.papers import known_items
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.steps.score import score
from mlspatial.steps.train import train
from tests.train.test_step import SMALL

NARROW = SMALL | {"arch": "resnet18w4", "batches": 1, "study": "own"}
ADDRESS = "models:/hidden.resnet18w4.small.all@seed9"


def test_it_stands_behind_a_brain_and_among_no_networks(registry: Path, small_dataset: Path) -> None:
    dataset = str(small_dataset)
    (hidden,) = train(task="all", dataset=dataset, seed=9, hidden=True, **NARROW)
    train(task="distance", dataset=dataset, seed=0, **NARROW)
    (network,) = select("study=own")
    assert network.task == "distance" and network.name == "resnet18w4.small.distance"
    with pytest.raises(UserError, match="task=all: matches no network"):
        select("task=all")
    (behind,) = select(ADDRESS)
    assert (behind.run_id, behind.task, behind.step) == (hidden, "all", 1)
    assert runs.get(hidden).cfg["hidden"] == "True" and runs.get(hidden).name.endswith("of a simulated brain")

    brain = f"simulated_v4:network={ADDRESS},layer=layer1.0.relu,stimuli=60,neuroids=8,trials=3,size=32"
    options = {"benchmarks": brain, "layers": "layer1.0.relu,layer2.0.relu", "device": "cpu", "study": "own"}
    score(models="study=own", **options)
    score(models=ADDRESS, **options)
    evidence = load("own")
    assert set(evidence.networks.model_id) == {network.model_id}
    assert set(evidence.scores.model_id) == {network.model_id, behind.model_id}
    (name,) = set(evidence.scores.benchmark)
    assert name.startswith(f"simulated_v4:network-{behind.model_id}:")
    assert "recovery" in known_items()
    table = FIGURES["recovery"](evidence).data.set_index("task")
    assert set(table.index) == {"distance", "generator"} and table["rank"]["generator"] == 1
    assert table.raw["generator"] > table.raw["distance"]


def test_the_same_network_without_that_word_is_another_run(registry: Path, small_dataset: Path) -> None:
    (hidden,) = train(task="distance", dataset=str(small_dataset), seed=0, hidden=True, **NARROW)
    (shown,) = train(task="distance", dataset=str(small_dataset), seed=0, **NARROW)
    assert hidden != shown and runs.get(hidden).model_id == runs.get(shown).model_id
    assert [record.run_id for record in select("task=distance")] == [shown]
    assert [record.run_id for record in select("models:/hidden.resnet18w4.small.distance@seed0")] == [hidden]
