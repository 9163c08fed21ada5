"""Kept layer arrays: found by everything that decides them, made again when one of those or the file is another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlspatial.analysis.projection import johnson_lindenstrauss_dimension
from mlspatial.core.context import Context
from mlspatial.models import sinks
from mlspatial.models.sinks import kind_version
from mlspatial.models.sources import external_spec
from mlspatial.models.spec import ModelSpec
from mlspatial.registry import activations, runs
from mlspatial.registry.activations import KIND_VERSIONS, layer_arrays, versions
from mlspatial.registry.models import ModelRecord, select
from mlspatial.registry.store import client
from tests.toys import trained

LAYERS = ("first.1", "fc")


class Maker:
    """Writes arrays and remembers which were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, missing: Sequence[tuple[str, str]], folder: Path) -> None:
        for kind, layer in missing:
            self.asked.append(f"{kind}/{layer}")
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"{layer}.npy", np.full(3, len(self.asked)))


@pytest.fixture
def record(registry: Path) -> ModelRecord:
    trained()
    return select("study=s")[0]


def ask(record: ModelRecord, kinds: Sequence[str] = ("gram", "pattern"), stimuli: str = "s1") -> list[str]:
    """Which arrays were made when these were asked for."""
    make = Maker()
    files, ids = layer_arrays(record, stimuli, kinds, LAYERS, make, Context(parents=("rendered",)))
    assert all(file.is_file() for by_layer in files.values() for file in by_layer.values())
    assert all(runs.get(run_id).status == "FINISHED" for run_id in ids.values())
    return make.asked


ALL = ["gram/first.1", "gram/fc", "pattern/first.1", "pattern/fc"]


def test_arrays_are_made_once_for_a_network_stimuli_kind_and_layer(record: ModelRecord) -> None:
    assert ask(record) == ALL
    assert runs.find(entry="extract")[0].parents == (record.run_id, "rendered")
    assert ask(record) == []
    assert ask(record, ["gram"]) == []
    assert ask(record, ["gram", "features"]) == ["features/first.1", "features/fc"]
    assert ask(record, stimuli="s2") == ALL
    trained(seed=1)
    assert ask(select("study=s,seed=1")[0]) == ALL


def test_another_version_of_the_extraction_is_not_answered_by_older_arrays(
    record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert activations.VERSION == 2
    ask(record)
    monkeypatch.setattr(activations, "VERSION", 3)
    assert ask(record) == ALL
    assert ask(record) == []
    monkeypatch.setattr(activations, "VERSION", 2)
    assert ask(record) == []  # the older ones are as good as they were
    assert {run.tags["mlspatial.version"] for run in runs.find(entry="extract")} == {"2", "3"}


def test_another_version_of_a_kind_leaves_the_other_kinds_alone(
    record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(record, ["pattern"])
    ask(record)
    before = sinks.VERSIONS["pattern"]
    monkeypatch.setitem(sinks.VERSIONS, "pattern", "new")
    assert ask(record, ["pattern"]) == ["pattern/first.1", "pattern/fc"]
    assert ask(record) == []
    monkeypatch.setitem(sinks.VERSIONS, "pattern", before)
    assert ask(record) == []


def test_runs_from_before_kinds_had_versions_hold_version_1_of_each(
    record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sinks.VERSIONS, "gram", "1")  # as it was then
    monkeypatch.setitem(sinks.VERSIONS, "pattern", "1")
    ask(record)
    (run,) = runs.find(entry="extract")
    client().delete_tag(run.id, KIND_VERSIONS)
    assert ask(record) == []
    monkeypatch.setitem(sinks.VERSIONS, "gram", "2")
    assert ask(record) == ["gram/first.1", "gram/fc"]


def test_arrays_that_were_deleted_are_made_again_and_only_those(record: ModelRecord) -> None:
    ask(record)
    (run,) = runs.find(entry="extract")
    runs.local(run.id, "layers/gram/fc.npy").unlink()
    assert ask(record) == ["gram/fc"]
    assert ask(record) == []
    runs.local(run.id, "arrays.txt").unlink()  # a list for people
    assert ask(record) == []
    for run in runs.find(entry="extract"):
        for file in runs.local(run.id, "layers").rglob("*.npy"):
            file.unlink()
    assert ask(record) == ALL


def test_every_kind_that_is_gathered_has_its_version() -> None:
    kinds = ["gram", "pattern", "features", "activations-float16", "one_to_one-0123", "projection-5920-0"]
    assert [kind_version(kind) for kind in kinds] == ["2", "2", "1", "1", "1", "1"]
    assert sinks.Projections(johnson_lindenstrauss_dimension(60), 0).kinds[0].startswith("projection-")
    assert versions(["gram", "projection-7-0"]) == {"extract": "2", "gram": "2", "projection-7-0": "1"}
    with pytest.raises(KeyError):
        kind_version("tea leaves")


def test_preprocessing_is_part_of_a_networks_identity() -> None:
    spec = ModelSpec("toy", 5, {}, (), 32, weights="w")
    others = [
        replace(spec, input_size=64),
        replace(spec, mean=(0.5, 0.5, 0.5)),
        replace(spec, sd=(0.5, 0.5, 0.5)),
        replace(spec, weights="v"),
        replace(spec, arch="other_toy"),
    ]
    assert len({other.model_id for other in [spec, *others]}) == 6


def test_a_files_input_size_is_part_of_its_identity(record: ModelRecord, registry: Path) -> None:
    """The same weights, seen at two sizes, are two networks."""
    import torch

    module, _ = record.load()
    torch.save(module.state_dict(), registry / "toy.pt")
    small, large = (external_spec(f"file:{registry}/toy.pt?arch=toy&input_size={size}") for size in (32, 64))
    assert small.weights == large.weights and small.model_id != large.model_id
