"""The commands that would make what is missing: with the settings of the networks that are there, and they do."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlspatial.compare.commands import commands
from mlspatial.compare.evidence import Evidence, load
from mlspatial.compare.table import TABLES
from mlspatial.papers import known_items
from mlspatial.papers.xie2025.items.table_c1_c2 import scores_table
from tests import toys

known_items()
GIVEN = ("--study", "s", "--device", "cpu")
TRAIN = (
    "--arch", "toy", "--dataset", "tiny", "--batches", "2", "--batch_size", "8", "--lr", "0.01", "--weight_decay",
    "0.001", "--input_size", "32", "--checkpoints", "1", "--order_seed", "3",
)  # fmt: skip


def entry(name: str, *words: str) -> None:
    done = CliRunner().invoke(importlib.import_module(f"entrypoints.{name}").main, words)
    assert done.exit_code == 0, done.output


def run_lines(text: str) -> list[str]:
    """Run the commands as they are printed; their entries."""
    made = []
    for line in text.splitlines():
        python, module, name, *words = shlex.split(line)
        assert (python, module) == ("python", "-m")
        entry(name.removeprefix("entrypoints."), *words)
        made.append(name.removeprefix("entrypoints."))
    return made


@pytest.fixture
def seen(registry: Path) -> Evidence:
    entry("render", "--dataset", "tiny", "--n_train", "24", "--n_heldout", "16", "--size", "32", "--categories",
          "apple,bottle", "--environments", "procedural:meadow", "--study", "s", "--workers", "1")  # fmt: skip
    entry("train", "--task", "distance", "--seeds", "0,1", *TRAIN, *GIVEN)
    entry("score", "--models", "study=s,task=distance", "--benchmarks", "toy_sites", "--layers", "first.1,fc", *GIVEN)
    return load("s")


def test_a_command_makes_the_missing_condition_with_the_settings_of_the_others(seen: Evidence) -> None:
    found = commands(["Translation", "Untrained", "Distance, reduced translation variability"], seen)
    before = scores_table(seen, id="t", arch="toy")
    assert before.rows["Translation"]["IT"].why == "no such network was trained"
    assert run_lines(found["Translation"]) == ["train", "score"]
    after = load("s")
    table = scores_table(after, id="t", arch="toy")
    for row in ("Distance", "Translation"):  # one condition in all but the task, or it would not fill the row
        assert table.rows[row]["IT"].n == 2 and not any(note.startswith(f"{row}: not averaged") for note in table.notes)
    mine = after.networks[after.networks.task == "translation"]
    others = after.networks[after.networks.task == "distance"]
    for column in ("settings", "dataset_id", "n_train", "fraction", "init", "step", "seed"):
        assert sorted(mine[column]) == sorted(others[column]), column
    assert "weight_decay 0.001" in mine.settings.iloc[0] and "batch_size 8" in mine.settings.iloc[0]

    assert run_lines(found["Untrained"]) == ["train", "score"]
    (row,) = (cells for name, cells in TABLES["alignment"](load("s")).rows.items() if name.startswith("untrained"))
    assert {cell.n for cell in row.values()} == {2}

    render, train, score = found["Distance, reduced translation variability"].splitlines()
    assert render == (
        "python -m entrypoints.render --dataset tiny_centred --n_train 24 --n_heldout 16 --size 32 --seed 0 "
        "--categories apple,bottle --translation none --rotation clamped45 --objects procedural "
        "--environments procedural:meadow --renderer warp --encoding jpeg --study s"
    )
    assert "--dataset tiny_centred" in train and "--batch_size 8" in train and "dataset=tiny_centred" in score


def test_what_asks_for_other_images_renders_them_and_seeds_are_added(seen: Evidence) -> None:
    found = commands(["Object category, 4 categories", "Distance within the group (needs two seeds)"], seen)
    assert "--dataset tiny_4 " in found["Object category, 4 categories"].splitlines()[0]
    assert "--categories 4 " in found["Object category, 4 categories"].splitlines()[0]
    assert "--seeds 2 " in found["Distance within the group (needs two seeds)"].splitlines()[0]


def test_a_dataset_in_a_folder_is_named_by_its_folder(registry: Path) -> None:
    folder = str(toys.dataset(registry.parent / f"{registry.name}-elsewhere" / "toys"))
    entry("train", "--task", "distance", "--arch", "toy", "--dataset", folder, "--batches", "0", *GIVEN)
    found = commands(["Rotation"], load("s"))
    assert f"--dataset {folder} " in found["Rotation"]
    assert run_lines(found["Rotation"]) == ["train"]
