"""The page on papers of one's own, as it is printed: its files are written where it says and compare is asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from mlspatial.compare.checks import CHECKS
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.table import TABLES
from mlspatial.core.plugins import VARIABLE
from mlspatial.papers import PAPERS
from mlspatial.registry import runs
from mlspatial.steps.compare import compare
from tests.compare.test_compare import score_run, train_run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "papers.md").read_text()
FILES = re.findall(r"`(lab2026/[\w/.]+)`[^`]*(?:`items/__init__.py`[^`]*)?```\w+\n(.*?)```", PAGE, flags=re.S)
SCORES = {("translation", 0): 0.32, ("translation", 1): 0.40, ("category", 0): 0.48, ("category", 1): 0.56}
CEILING = 0.8  # of score_run


@pytest.fixture
def folder(registry: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))
    for name, text in FILES:
        path = registry / "plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (registry / "plugins" / "lab2026" / "items" / "__init__.py").touch()
    monkeypatch.setenv(VARIABLE, str(registry / "plugins"))  # what was run in a process is not run again
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = [(plugins, dict(plugins._items)) for plugins in (TABLES, FIGURES, CHECKS, PAPERS)]
    yield registry
    for plugins, items in before:
        plugins._items.clear()
        plugins._items.update(items)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab2026"]:
        del sys.modules[name]


def test_the_page_s_paper(folder: Path) -> None:
    assert len(FILES) == 5
    scored = {}
    for (task, seed), raw in SCORES.items():
        model = f"{task}-{seed}"
        scored[task, seed] = score_run(train_run(task, seed, 100, 0.7, "s", model=model), model, seed, 100, raw, "s")
    out = compare(items="table_lab,figure_lab", out="lab", format="all", study="s")
    table = pd.read_csv(folder / "lab" / "table_lab.csv").set_index("condition")
    assert table.n.tolist() == [2, 2] and table.published.to_dict() == {"translation": 0.42, "category": 0.51}
    for task in ("translation", "category"):
        values = [(raw / CEILING) ** 2 for (name, _), raw in SCORES.items() if name == task]
        assert table["mean"][task] == pytest.approx(sum(values) / 2, abs=1e-6)
        assert set(table.run_ids[task].split()) == {scored[task, seed] for seed in (0, 1)}
    assert len(pd.read_csv(folder / "lab" / "figure_lab.csv")) == 4
    assert (folder / "lab" / "figure_lab.svg").is_file()
    page = (folder / "lab" / "report.html").read_text()
    assert "Lab et al., 2026" in page and "0.42" in page
    assert runs.get(out).status == "FINISHED"


def test_its_finding_stands_in_the_report_of_everything(folder: Path) -> None:
    for (task, seed), raw in SCORES.items():
        score_run(train_run(task, seed, 100, 0.7, "s", model=f"{task}{seed}"), f"{task}{seed}", seed, 100, raw, "s")
    compare(items="all", out="lab", format="html", study="s")
    page = (folder / "lab" / "report.html").read_text()
    (row,) = [row for row in page.split("<tr>") if "Networks trained on categories are closer to V4" in row]
    assert ">holds<" in row and "category 0.425, translation 0.205" in row
