"""Tables and the report from runs whose numbers are known."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.evidence import load
from mlspatial.compare.report import Report, page
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import DATASET_ID, MODEL_ID, TAG
from mlspatial.core.score import Score
from mlspatial.papers import known_items
from mlspatial.registry import runs
from mlspatial.registry.models import ensure_registered
from mlspatial.registry.store import client
from mlspatial.steps.compare import compare
from mlspatial.steps.score_files import log_scores

known_items()
ALIGNMENT = {("translation", 0): 0.30, ("translation", 1): 0.34, ("category", 0): 0.40, ("category", 1): 0.44}


def train_run(
    task: str,
    seed: int,
    batches: int,
    r2: float,
    study: str,
    *,
    model: str,
    lr: float = 1e-3,
    dataset: str = "x",
    force: bool = False,
    earlier: dict[int, str] | None = None,
) -> str:
    """A run with its checkpoints registered, without weights. model: id of the last one; earlier: batches -> id."""
    cfg = {"task": task, "seed": seed, "batches": batches, "arch": "resnet18", "dataset": "d", "lr": lr, "workers": 2}
    with runs.open_run(runs.Spec("train", 1, {"dataset_id": dataset}, cfg), name="t", study=study, force=force) as run:
        ensure_registered(f"resnet18.d.{task}")
        for step, model_id in {**(earlier or {}), batches: model}.items():
            run.log({"heldout/translation/r2": r2}, step=step)
            facts = {"seed": seed, "step": step, "task": task, "arch": "resnet18", "dataset": "d"}
            facts |= {MODEL_ID: model_id, DATASET_ID: dataset}
            logged = client().create_logged_model(client().get_run(run.id).info.experiment_id, source_run_id=run.id)
            client().finalize_logged_model(logged.model_id, "READY")
            tags = {key: str(value) for key, value in facts.items()}
            client().create_model_version(f"resnet18.d.{task}", f"models:/{logged.model_id}", run_id=run.id, tags=tags)
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
def filled(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))
    made = {}
    for (task, seed), raw in ALIGNMENT.items():
        model = f"m-{task}-{seed}"
        train_id = train_run(task, seed, 100, 0.7 + seed / 10, "s", model=model, earlier={50: f"{model}-half"})
        made[f"{task}{seed}"] = score_run(train_id, model, seed, 100, raw, "s")
    untrained = train_run("translation", 0, 0, -0.1, "s", model="m-u")
    made["untrained"] = score_run(untrained, "m-u", 0, 0, 0.2, "s")
    return made


def test_cells_hold_mean_sd_and_the_runs_behind_them(filled: dict[str, str]) -> None:
    table = TABLES["alignment"](load("s"))
    assert list(table.rows) == ["category", "translation", "untrained"]
    cell = table.rows["translation"]["v4"]
    values = [(0.30 / 0.8) ** 2, (0.34 / 0.8) ** 2]
    assert cell.mean == pytest.approx(np.mean(values)) and cell.sd == pytest.approx(np.std(values, ddof=1))
    assert set(cell.runs) == {filled["translation0"], filled["translation1"]} and cell.n == 2
    untrained = table.rows["untrained"]["v4"]
    assert untrained.mean == pytest.approx((0.2 / 0.8) ** 2) and np.isnan(untrained.sd)
    assert str(untrained) == "0.062 (1)"
    performance = TABLES["performance"](load("s"))
    assert performance.rows["translation"]["translation/r2"].mean == pytest.approx(0.75)
    assert "untrained" not in performance.rows


def test_runs_with_other_settings_are_never_averaged_together(filled: dict[str, str]) -> None:
    other = train_run("translation", 2, 100, 0.9, "s", model="m-other", lr=0.1)
    score_run(other, "m-other", 2, 100, 0.9, "s")
    rows = TABLES["alignment"](load("s")).rows
    labels = [label for label in rows if label.startswith("translation")]
    assert len(labels) == 2 and sorted(rows[label]["v4"].n for label in labels) == [1, 2]
    assert any("lr 0.1" in label for label in labels)


def test_another_dataset_of_the_same_name_stands_apart_and_a_seed_made_again_counts_once(
    filled: dict[str, str],
) -> None:
    other = train_run("translation", 0, 100, 0.1, "s", model="m-y", dataset="y")
    score_run(other, "m-y", 0, 100, 0.9, "s")
    newer = train_run("category", 0, 100, 0.1, "s", model="m-again", force=True, earlier={50: "m-half"})
    again = score_run(newer, "m-again", 0, 100, 0.5, "s")
    rows = TABLES["alignment"](load("s")).rows
    assert sorted(cells["v4"].n for name, cells in rows.items() if name.startswith("translation")) == [1, 2]
    (category,) = (cells["v4"] for name, cells in rows.items() if name.startswith("category"))
    assert set(category.runs) == {again, filled["category1"]}
    performance = TABLES["performance"](load("s")).rows
    (learned,) = (cells["translation/r2"] for name, cells in performance.items() if name.startswith("category"))
    assert learned.n == 2 and learned.mean == pytest.approx((0.1 + 0.8) / 2)


def test_studies_are_kept_apart_and_checkpoints_are_not_final_scores(filled: dict[str, str]) -> None:
    assert load("other").networks.empty and len(load("s").networks) == 9
    (train_id,) = {row.run_id for row in load("s").networks.itertuples() if row.model_id == "m-translation-0"}
    score_run(train_id, "m-translation-0-half", 0, 50, 0.99, "s")
    assert TABLES["alignment"](load("s")).rows["translation"]["v4"].n == 2


def test_compare_writes_tables_and_a_page_that_name_their_runs(filled: dict[str, str], registry: Path) -> None:
    items = "alignment,performance,statistics"
    run_id = compare(items=items, out="", study="s")
    folder = registry / "reports" / "s"
    text = (folder / "report.html").read_text()
    for score in filled.values():
        assert score in text
    values = [(0.30 / 0.8) ** 2, (0.34 / 0.8) ** 2]
    assert f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" in text
    table = list(csv.DictReader(io.StringIO((folder / "alignment.csv").read_text())))
    assert {row["condition"] for row in table} == {"category", "translation", "untrained"}
    assert table[1]["run_ids"].split() and float(table[1]["mean"]) == pytest.approx(0.160625)
    assert set(filled.values()) <= set(runs.get(run_id).parents)
    assert compare(items=items, out="", study="s") == run_id  # answered
    (folder / "report.html").unlink()
    assert compare(items=items, out="", study="s") != run_id  # the file is wanted too


def test_names_are_escaped() -> None:
    cell = Cell(0.5, 0.1, ("r1", 'r2">'))
    table = Table("t", "A <b> title", "caption", ("a<b",), {"<script>x": {"a<b": cell}})
    text = page(Report("x & y", {"study": "<i>"}, [], {}, [table], {}, {}))
    assert "<script>x" not in text and 'r2"' not in text
    for shown in ("&lt;script&gt;x", "a&lt;b", "x &amp; y", "r2&#34;&gt;"):
        assert shown in text


def test_mistakes(filled: dict[str, str]) -> None:
    with pytest.raises(UserError, match="no finished runs of study nothing; studies with runs: s"):
        compare(items="all", out="", study="nothing")
    with pytest.raises(UnknownName, match="unknown item 'alignmnt'; did you mean alignment"):
        compare(items="alignmnt", out="", study="s")
