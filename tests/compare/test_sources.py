"""Which code and tables a report hangs on, and when compare answers, draws or only writes again."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from mlspatial.compare import sources
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.sources import sources_id
from mlspatial.compare.table import TABLES
from mlspatial.papers import xie2025
from mlspatial.papers.base import load_papers
from mlspatial.registry import runs
from mlspatial.steps import compare as compare_step
from mlspatial.steps.compare import FILES, compare
from tests.compare.test_compare import score_run, train_run

load_papers()

ITEM = """
from pathlib import Path

import pandas as pd

from helper import title
from mlspatial.compare.drawing import Drawing


def mine(evidence):
    rows = pd.read_csv(Path(__file__).with_name("theirs.csv"))
    return Drawing("mine", title(), f"{rows.value[0]}", None, rows, ())
"""


def files_of(*things: Any) -> set[str]:
    found: set[Path] = set()
    for thing in things:
        path = sources._file(thing)
        assert path is not None
        sources._follow(path.resolve(), found)
    return {str(path.relative_to(sources.PACKAGE)) for path in found}


def load(folder: Path, name: str = "own_item") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user's: an item, a helper that it imports, a table that it reads, and a stranger."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "own_item.py").write_text(ITEM)
    (folder / "helper.py").write_text("def title():\n    return 'Mine'\n")
    (folder / "theirs.csv").write_text("value\n1\n")
    (folder / "stranger.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("helper", None)
    yield folder
    sys.modules.pop("helper", None)


def test_an_item_is_followed_into_what_it_imports_of_ours() -> None:
    found = files_of(FIGURES["figure_2"])
    paper = "papers/xie2025"
    assert {f"{paper}/items/figure_2.py", "compare/style.py", "compare/evidence.py", "compare/drawing.py"} <= found
    assert not {f"{paper}/items/figure_3.py", "compare/report.py", "registry/frame.py"} & found
    assert {f"{paper}/published.py", "compare/published.py"} <= files_of(TABLES["table_c1"])
    assert "analysis/statistics.py" in files_of(*(FIGURES[name] for name in FIGURES))


def test_an_edit_of_the_item_its_helper_or_its_table_is_another_item(own: Path) -> None:
    item = load(own).mine
    known = {sources_id([item])}
    assert sources_id([partial(item)]) in known
    for name in ("own_item.py", "helper.py", "theirs.csv"):
        with (own / name).open("a") as file:
            file.write("\n")
        known.add(sources_id([item]))
    assert len(known) == 4
    with (own / "stranger.py").open("a") as file:
        file.write("y = 2\n")
    assert sources_id([item]) in known


def test_items_of_a_package_with_relative_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lab" / "plots"
    package.mkdir(parents=True)
    for folder in (tmp_path / "lab", package):
        (folder / "__init__.py").write_text("")
    (tmp_path / "lab" / "shared.py").write_text("A = 1\n")
    (package / "deep.py").write_text("B = 1\n")
    (package / "item.py").write_text(
        "from . import deep\nfrom ..shared import A\nimport lab.shared\n\ndef draw(e): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    item = importlib.import_module("lab.plots.item").draw
    known = {sources_id([item])}
    for path in (package / "deep.py", tmp_path / "lab" / "shared.py"):
        path.write_text("C = 2\n")
        known.add(sources_id([item]))
    assert len(known) == 3


def test_what_has_no_source_is_new_every_time() -> None:
    scope: dict[str, Any] = {}
    exec("def typed(evidence): ...", scope)
    assert sources_id([scope["typed"]]) != sources_id([scope["typed"]])
    assert sources_id([files_of]) == sources_id([files_of])


def test_published_values_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = sources_id([TABLES["table_c1"]])
    beside = {path.name for path in sources._data(Path(xie2025.__file__).parent)}
    assert beside == {"published_correlations.csv", "published_scores.csv"}
    digest = sources.file_sha256
    monkeypatch.setattr(
        sources, "file_sha256", lambda path: "x" if path.name == "published_scores.csv" else digest(path)
    )
    assert sources_id([TABLES["table_c1"]]) != before


@pytest.fixture
def study(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Path) -> list[str]:
    """A study with two scores and a figure of the user's; every drawing of it is noted."""
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))
    for seed in (0, 1):
        score_run(train_run("translation", seed, 100, 0.7, "s", model=f"m{seed}"), f"m{seed}", seed, 100, 0.3, "s")
    drawn: list[str] = []
    draw = compare_step._draw

    def noted(names: list[str], *rest: Any) -> Any:
        drawn.append(",".join(names))
        return draw(names, *rest)

    monkeypatch.setattr(compare_step, "_draw", noted)
    item = load(own).mine
    monkeypatch.setitem(FIGURES._items, "mine", item)
    return drawn


def ask(items: str = "alignment", out: str = "", format: str = "all", **changes: Any) -> str:
    return compare(items=items, out=out, format=format, study="s", **changes)


def test_an_edited_item_is_drawn_again(study: list[str], own: Path) -> None:
    first = ask("alignment,mine")
    assert ask("alignment,mine") == first and study == ["alignment,mine"]
    (own / "own_item.py").write_text(ITEM.replace("Mine", "Yours") + "\n\nWIDTH = 3\n")
    second = ask("alignment,mine")
    assert second != first and len(study) == 2
    (own / "theirs.csv").write_text("value\n2\n")
    assert ask("alignment,mine") not in (first, second) and len(study) == 3
    only = ask("alignment")
    (own / "theirs.csv").write_text("value\n3\n")
    assert ask("alignment") == only and len(study) == 4  # what was not asked for decides nothing


@pytest.mark.parametrize("format", ["csv", "md,tex", "html", "all"])
def test_it_answers_in_any_format(study: list[str], registry: Path, format: str) -> None:
    first = ask(format=format)
    folder = registry / "reports" / "s"
    written = json.loads(runs.local(first, FILES).read_text())
    assert {path.name for path in folder.iterdir()} == set(written)  # and no other formats
    wanted = {"csv", "md", "tex", "html"} if format == "all" else set(format.split(","))
    assert {name.rpartition(".")[2] for name in written} == wanted
    assert ask(format=format) == first and len(study) == 1
    assert ask(format=",".join(reversed(format.split(",")))) == first


def test_what_was_changed_or_deleted_is_written_again(study: list[str], registry: Path) -> None:
    last = ask(format="csv,md")
    folder = registry / "reports" / "s"
    for change in (lambda file: file.unlink(), lambda file: file.write_text("by hand")):
        right = (folder / "alignment.md").read_text()
        change(folder / "alignment.md")
        again = ask(format="csv,md")
        assert again != last and (folder / "alignment.md").read_text() == right
        assert ask(format="csv,md") == again
        last = again
    assert len(study) == 1  # from the artifacts
    for record in runs.find(entry="compare"):
        runs.local(record.id, "items/alignment.md").unlink()
    assert ask(format="csv,md") != last and len(study) == 2


def test_another_folder_is_written_without_drawing(study: list[str], registry: Path) -> None:
    first = ask("alignment,mine", out="a")
    second = ask("alignment,mine", out="b/c")
    assert len(study) == 1
    for file in (registry / "a").iterdir():
        assert (registry / "b" / "c" / file.name).read_bytes() == file.read_bytes()
    assert "report.html" in {file.name for file in (registry / "b" / "c").iterdir()}
    assert ask("alignment,mine", out="b/c") == second and ask("alignment,mine", out="a") in (first, second)
    assert ask("alignment,mine", out="a", force=True) not in (first, second) and len(study) == 2


def test_pictures_are_drawn_in_the_formats_that_were_asked_for(study: list[str], registry: Path) -> None:
    from matplotlib.figure import Figure

    def pictured(evidence: Any) -> Drawing:
        return Drawing("pictured", "A title", "", Figure(), pd.DataFrame({"run_ids": ["r"]}), ("r",))

    FIGURES._items["pictured"] = pictured
    try:
        ask("pictured", format="svg")
    finally:
        del FIGURES._items["pictured"]
    assert [file.name for file in (registry / "reports" / "s").iterdir()] == ["pictured.svg"]
