"""The page on networks of one's own, as it is printed: trained by name, compared, told apart by their code."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from mlspatial.core import code
from mlspatial.models.build import ARCHITECTURES
from mlspatial.models.sources import python
from mlspatial.registry import runs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "howto.md").read_text()
CODE = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S) if "class Small" in block)


@pytest.fixture
def folder(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the page's file."""
    (registry / "mynetworks.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    yield registry
    forget()


def forget() -> None:
    """As in a new process."""
    sys.modules.pop("mynetworks", None)
    ARCHITECTURES._items.pop("small", None)
    for kept in (code._read, python._module):
        kept.cache_clear()
    importlib.invalidate_caches()


def call(entry: str, dataset: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """(exit code, id of the last run, what was told) of the page's command, or of one with other words."""
    section = PAGE.partition("### A network of your own")[2]
    lines = [line.strip() for line in section.splitlines() if f"python -m entrypoints.{entry} " in line]
    given = [str(dataset) if word == "mine" else word for word in words or shlex.split(lines[0])[3:]]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"entrypoints.{entry}").main.main(given)
    shown = capsys.readouterr()
    return int(ended.value.code or 0), (shown.out.split() or [""])[-1], shown.err


def test_the_page_s_network(
    folder: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, compared, told = call("similarity", small_dataset, capsys)
    assert status == 0, told
    assert told.count(f"python:mynetworks: running {folder}/mynetworks.py") == 1
    groups = pd.read_json(runs.local(compared, "groups_cka.json"), orient="split")
    assert set(groups["first"]) == set(groups["second"]) == {"untrained"} and set(groups.pairs) == {1}
    assert set(groups.layer) == {"body.1", "body.3", "body.5"}
    forget()

    status, _, told = call("train", small_dataset, capsys)
    assert status == 2 and "train: unknown arch 'small'; known: " in told and "resnet18," in told
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(folder))
    status, first, told = call("train", small_dataset, capsys)
    assert status == 0, told
    assert f"plugins: running {folder}/mynetworks.py" in told and runs.get(first).cfg["arch"] == "small"
    assert call("train", small_dataset, capsys)[:2] == (0, first)  # answered
    scored = (
        "--models",
        "arch=small",
        "--dataset",
        "mine",
        "--stimuli",
        "heldout:60",
        "--latents",
        "x",
        "--folds",
        "2",
    )
    status, _, told = call("decode", small_dataset, capsys, *scored)
    assert status == 0, told

    (folder / "mynetworks.py").write_text(CODE.replace("mean((2, 3))", "amax((2, 3))"))
    forget()
    monkeypatch.setenv("MLSPATIAL_PLUGINS", f"{folder}/")  # to be run again
    status, second, told = call("train", small_dataset, capsys)
    assert status == 0 and second != first, told
    status, _, told = call("decode", small_dataset, capsys, *scored, "--layers", "body.0")
    assert status == 2 and "the code of small is not that with which it was made" in told.splitlines()[-1]
