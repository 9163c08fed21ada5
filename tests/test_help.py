"""What `--help` says: examples that are understood, choices by their names, lines that fit."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from mlspatial.cli import entries, main
from mlspatial.console import tools
from mlspatial.core.parameters import ENTRIES, Entry, Parameter
from tests.test_entrypoints import call

TOOLS = tools()
ALL = [*(entry.name for entry in entries()), *TOOLS]


def found(name: str) -> Entry:
    return TOOLS[name] if name in TOOLS else ENTRIES[name]


@pytest.mark.parametrize("name", ALL)
def test_every_help_has_examples_that_are_understood(name: str) -> None:
    code, out, _ = call(main, name, "--help")
    assert code == 0 and "Examples:" in out and found(name).examples
    assert all(len(line) <= 80 for line in out.splitlines())
    told = " ".join(out.rpartition("Examples:")[2].split())
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for example in found(name).examples:
        assert f"mlspatial {name} {example}".strip() in told
        command.make_context(name, shlex.split(example))


def test_the_help_of_a_module_shows_the_module() -> None:
    train = importlib.import_module("entrypoints.train").main
    with click.Context(train, info_name="python -m entrypoints.train") as context:
        assert "python -m entrypoints.train --task translation" in train.get_help(context)


def test_choices_are_named() -> None:
    from mlspatial.data.cache import CACHES
    from mlspatial.models.build import ARCHITECTURES
    from mlspatial.steps.decode import SPLITS
    from mlspatial.steps.similarity import MODULES
    from mlspatial.tasks import TASKS
    from mlspatial.train.augment import AUGMENTATIONS
    from mlspatial.train.settings import PRECISIONS

    known = {
        ("train", "task"): [name for name in TASKS if name != "height"],
        ("train", "arch"): {name for name in ARCHITECTURES if name.startswith("resnet")},
        ("train", "augment"): [
            name for name in AUGMENTATIONS if AUGMENTATIONS[name].__module__.startswith("mlspatial.")
        ],
        ("train", "precision"): PRECISIONS,
        ("train", "cache"): CACHES,
        ("tune", "task"): TASKS,
        ("score", "units"): found("score")["units"].choices,
        ("similarity", "metric"): MODULES,
        ("decode", "split"): SPLITS,
        ("render", "encoding"): ("jpeg", "png"),
        ("render", "translation"): ("full", "none"),
        ("render", "rotation"): ("clamped45", "uniform"),
        ("compare", "format"): ("html", "csv", "md", "tex", "svg", "png"),
        ("study", "backend"): ("loky", "dask"),
        ("score", "engine"): ("fast", "reference"),
        ("score", "selection"): ("auto", "raw", "half"),
        ("score", "variant"): ("paper", "published_code"),
        ("import", "kind"): ("scores", "correlations", "fmri"),
    }
    for (entry, parameter), names in known.items():
        text = found(entry)[parameter].text
        for name in names:
            assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text), (entry, parameter, name)


def test_choices_that_a_help_does_not_name_are_added() -> None:
    plain = Parameter("way", str, "How.", "a", choices=("a", "b"))
    assert plain.text == "How. One of a, b."
    assert Parameter("way", str, "left or right.", "left", choices=("left", "right")).text == "left or right."


def test_the_page_of_parameters_has_the_examples() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "parameters.md").read_text()
    for entry in entries():
        for example in entry.examples:
            assert f"    mlspatial {entry.name} {example}\n" in page
