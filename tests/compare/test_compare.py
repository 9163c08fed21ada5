"""Tables and the report from runs whose numbers are known."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.report import page
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.compare.tables import conditions
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import TAG
from mlspatial.core.score import Score
from mlspatial.registry import frame, runs
from mlspatial.steps.compare import compare
from mlspatial.steps.score import log_scores

ALIGNMENT = {("translation", 0): 0.30, ("translation", 1): 0.34, ("category", 0): 0.40, ("category", 1): 0.44}


def train_run(
    task: str, seed: int, batches: int, r2: float, study: str, lr: float = 1e-3, dataset: str = "x", force: bool = False
) -> str:
    cfg = {"task": task, "seed": seed, "batches": batches, "arch": "resnet18", "dataset": "d", "lr": lr, "workers": 2}
    with runs.open_run(runs.Spec("train", 1, {"dataset_id": dataset}, cfg), name="t", study=study, force=force) as run:
        run.log({"heldout/translation/r2": r2}, step=batches)
    return run.id


def score_run(train_id: str, model: str, seed: int, step: int, raw: float, study: str) -> str:
    with runs.open_run(
        runs.Spec("score", 1, {"model_id": model}, {}), name="s", study=study, parents=[train_id]
    ) as run:
        run.set_tags({TAG + "seed": seed, TAG + "step": step})
        rows = []
        for layer, part in (("layer1", 0.5), ("layer2", 1.0)):
            score = Score(raw * part, 0.8, 0.01, 10, "pls25", "1")
            facts = {"benchmark": "v4", "region": "V4", "layer": layer, "committed": part == 1.0, "model_id": model}
            rows.append({**facts, **score.to_json()})
        log_scores(run, pd.DataFrame(rows))
    return run.id


@pytest.fixture
def filled(registry: Path) -> dict[str, str]:
    made = {}
    for (task, seed), raw in ALIGNMENT.items():
        train_id = train_run(task, seed, 100, 0.7 + seed / 10, "s")
        made[f"{task}{seed}"] = score_run(train_id, f"m-{task}-{seed}", seed, 100, raw, "s")
    untrained = train_run("translation", 0, 0, -0.1, "s")
    made["untrained"] = score_run(untrained, "m-u", 0, 0, 0.2, "s")
    return made


def test_cells_hold_mean_sd_and_the_runs_behind_them(filled: dict[str, str]) -> None:
    table = TABLES["alignment"]("s")
    assert list(table.rows) == ["category", "translation", "untrained"]
    cell = table.rows["translation"]["v4"]
    values = [0.30**2 / 0.8, 0.34**2 / 0.8]
    assert cell.mean == pytest.approx(np.mean(values)) and cell.sd == pytest.approx(np.std(values, ddof=1))
    assert set(cell.runs) == {filled["translation0"], filled["translation1"]} and cell.n == 2
    untrained = table.rows["untrained"]["v4"]
    assert untrained.mean == pytest.approx(0.2**2 / 0.8) and np.isnan(untrained.sd) and str(untrained) == "0.050"
    performance = TABLES["performance"]("s")
    assert performance.rows["translation"]["translation/r2"].mean == pytest.approx(0.75)
    assert "untrained" not in performance.rows


def test_runs_with_other_settings_are_never_averaged_together(filled: dict[str, str]) -> None:
    other = train_run("translation", 2, 100, 0.9, "s", lr=0.1)
    score_run(other, "m-other", 2, 100, 0.9, "s")
    rows = TABLES["alignment"]("s").rows
    labels = [label for label in rows if label.startswith("translation")]
    assert len(labels) == 2 and sorted(rows[label]["v4"].n for label in labels) == [1, 2]
    assert any("lr 0.1" in label for label in labels)


def test_another_dataset_of_the_same_name_stands_apart_and_a_seed_made_again_counts_once(
    filled: dict[str, str],
) -> None:
    score_run(train_run("translation", 0, 100, 0.1, "s", dataset="y"), "m-y", 0, 100, 0.9, "s")
    again = score_run(train_run("category", 0, 100, 0.1, "s", force=True), "m-again", 0, 100, 0.5, "s")
    rows = TABLES["alignment"]("s").rows
    assert sorted(cells["v4"].n for name, cells in rows.items() if name.startswith("translation")) == [1, 2]
    (category,) = (cells["v4"] for name, cells in rows.items() if name.startswith("category"))
    assert set(category.runs) == {again, filled["category1"]}
    performance = TABLES["performance"]("s").rows
    (learned,) = (cells["translation/r2"] for name, cells in performance.items() if name.startswith("category"))
    assert learned.n == 2 and learned.mean == pytest.approx((0.1 + 0.8) / 2)


def test_studies_are_kept_apart_and_checkpoints_are_not_final_scores(filled: dict[str, str]) -> None:
    first = frame.training_runs("s")
    assert len(first) == 5 and frame.training_runs("other").empty
    train_id = first[(first.task == "translation") & (first.seed == 0)].run_id.iloc[0]
    score_run(train_id, "m-half-way", 0, 50, 0.99, "s")
    assert TABLES["alignment"]("s").rows["translation"]["v4"].n == 2


def test_the_report_is_one_self_contained_page_that_names_its_runs(filled: dict[str, str], registry: Path) -> None:
    run_id = compare(items="all", out="", study="s")
    text = (registry / "reports" / "s" / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!http://127\.0\.0\.1:5000/)', text) and "<script" not in text
    for score in filled.values():
        assert score in text
    values = [0.30**2 / 0.8, 0.34**2 / 0.8]
    assert f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" in text
    Balanced().feed(text)
    table = list(csv.DictReader(io.StringIO((registry / "reports" / "s" / "alignment.csv").read_text())))
    assert {row["condition"] for row in table} == {"category", "translation", "untrained"}
    assert table[1]["run_ids"].split() and float(table[1]["mean"]) == pytest.approx(0.1285)
    record = runs.get(run_id)
    assert set(filled.values()) <= set(record.parents)
    names = {item.path for item in runs.client().list_artifacts(run_id)}
    assert {"report.html", "alignment.csv", "performance.csv"} <= names
    assert compare(items="all", out="", study="s") == run_id  # answered
    (registry / "reports" / "s" / "report.html").unlink()
    assert compare(items="all", out="", study="s") != run_id  # the file is wanted too


class Balanced(HTMLParser):
    """Fails when tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_names_are_escaped() -> None:
    cell = Cell(0.5, 0.1, ("r1",))
    table = Table("t", "A <b> title", "caption", ("a<b",), {"<script>x": {"a<b": cell}})
    text = page("x & y", {"study": "<i>"}, [table], {})
    assert "<script>" not in text and "&lt;script&gt;x" in text and "a&lt;b" in text and "x &amp; y" in text


def test_mistakes(filled: dict[str, str]) -> None:
    with pytest.raises(UserError, match="no finished runs of study nothing; studies with runs: s"):
        compare(items="all", out="", study="nothing")
    with pytest.raises(UnknownName, match="unknown table 'alignmnt'; did you mean alignment"):
        compare(items="alignmnt", out="", study="s")
    assert conditions.CONDITION[0] == "task"
