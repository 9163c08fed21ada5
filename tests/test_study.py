"""Study files: grids, mistakes with line numbers, answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.core.errors import UserError
from mlspatial.registry import runs
from mlspatial.study import load, study

ROOT = Path(__file__).resolve().parents[1]

SMALL = """
name: small
render: {dataset: one, n_train: 40, n_heldout: 20, size: 32, categories: apple, environments: "procedural:meadow"}
train:
  - {dataset: one, task: [distance, translation], batches: 0, seed: [0]}
score: {models: study=small, benchmarks: "cowley2023_v4?,simulated_v1", layers: avgpool}
compare: {items: all}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path: Path) -> None:
    name, steps = load(path)
    assert name == path.stem and {step.entry for step in steps} >= {"render", "train", "score", "compare"}


def test_lists_are_crossed_and_defaults_filled_in(tmp_path: Path) -> None:
    name, steps = load(write(tmp_path, SMALL.replace("seed: [0]", "seed: [0, 1]")))
    assert name == "small" and [step.entry for step in steps] == ["render", *["train"] * 4, "score", "compare"]
    grid = [(step.parameters["task"], step.parameters["seed"]) for step in steps if step.entry == "train"]
    assert grid == [("distance", 0), ("distance", 1), ("translation", 0), ("translation", 1)]
    assert steps[0].parameters["rotation"] == "clamped45" and steps[1].parameters["lr"] == 1e-3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\ntrain:", "\ntrian:", "line 4: unknown key 'trian'; did you mean train"),
        ("batches: 0", "bachtes: 0", "line 5: unknown train parameter 'bachtes'; did you mean batches"),
        ("batches: 0", "batches: few", "line 5: train: Invalid value for '--batches'"),
        ("task: [distance, translation], ", "", "line 5: train: Missing option '--task'"),
        ("name: small", "", "name is missing"),
        ("items: all", "items: {a: b}", "line 7: items must be a value or a list of values"),
        ("compare: {items: all}", "compare: 3", "line 7: compare needs `parameter: value` lines"),
        ("render: {", "render: {{", "is not YAML"),
    ],
)
def test_mistakes_name_line_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(write(tmp_path, SMALL.replace(old, new)))


def test_a_study_runs_once_and_is_answered_after(registry: Path) -> None:
    path = write(registry, SMALL)
    first = study(config=str(path))
    record = runs.get(first)
    assert record.status == "FINISHED" and record.entry == "study" and record.studies == ("small",)
    counts = [len(runs.find(entry=entry, status="FINISHED")) for entry in ("render", "train", "score", "compare")]
    assert counts == [1, 2, 2, 1]
    assert all("small" in run.studies for run in runs.find())
    total = len(runs.find())
    assert study(config=str(path)) == first and len(runs.find()) == total
    (registry / "reports" / "small" / "report.html").unlink()
    again = study(config=str(path))
    assert again != first and (registry / "reports" / "small" / "report.html").is_file()
