"""What a report says of numbers: n, why there is none, and by which formula they are ceiled, the same everywhere."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.kept import FAILED
from mlspatial.compare.scores import formulas
from mlspatial.compare.table import TABLES
from mlspatial.papers import known_items
from tests.compare.by_hand import checkpoints, evidence, network, score

known_items()


def failed(entry: str, **facts: str) -> dict[str, str]:
    return dict.fromkeys(FAILED, "") | {"run_id": "0123456789", "entry": entry, "status": "FAILED"} | facts


def seen() -> Evidence:
    networks = [network(f"d{seed}", "distance", seed) for seed in range(3)]
    networks += [network("t0", "translation", 0), network("r0", "rotation", 0), network("c0", "category", 0)]
    networks += [network("e0", "translation+rotation", 0, translation="none")]
    scores = [score(f"d{seed}", "V1", 0.3 + seed / 100) for seed in range(3)]
    scores += [score("d0", "V2", 0.2), score("e0", "V1", 0.2), score("c0", "V4", math.nan, raw=0.1, ceiling=-0.1)]
    found = evidence(networks, scores)
    runs = [
        failed("train", task="identity", arch="resnet50", reason="Diverged: the loss is nan"),
        failed("score", model_id="t0", benchmarks="MajajHong2015public.V4-pls", reason="OSError: no space")
        | {"status": "KILLED"},
    ]  # fmt: skip
    return replace(found, failed=pd.DataFrame(runs, columns=list(FAILED)))


def test_what_is_missing_says_why() -> None:
    table = TABLES["table_c1"](seen())
    why = {(row, column): cell.why for row, cells in table.rows.items() for column, cell in cells.items()}
    assert str(table.rows["Distance"]["V1"]).endswith("(3)") and str(table.rows["Distance"]["V2"]).endswith("(1)")
    assert why["Distance", "V1"] == "" and why["Distance", "IT"] == "not scored on a benchmark of IT"
    assert why["Distance", "Behavior"] == "not scored on a benchmark of behaviour"
    assert why["Distance", "Neural mean"] == "the mean needs V1, V2, V4, IT; no score on V4, IT"
    assert why["Translation", "V1"] == "the score run 01234567 was stopped: OSError: no space"
    assert why["Rotation", "V1"] == "not scored on any benchmark"
    assert why["Object identity", "V1"] == "the train run 01234567 failed: Diverged: the loss is nan"
    assert why["Dis. + Tra.", "V1"] == "no such network was trained"
    assert why["Tra. + Rot.", "V1"].startswith("only networks of other conditions are scored")
    assert why["Object category", "V4"] == "the ceiling is not above 0"
    for line in table.lines()[1:]:
        assert re.fullmatch(r"NA|\d+( \(\d+\))?", line[1]), line
        assert all(re.search(r"\((\d+|[a-z]+)\)( vs -?[\d.]+)?$", text) for text in line[2:]), line
    blank = TABLES["alignment"](seen())
    told = {cell.why for cells in blank.rows.values() for cell in cells.values()} - {""}
    assert told == {f"not scored on {name}" for name in blank.columns} | {"the ceiling is not above 0"}


def test_a_correlation_says_which_checkpoints_went_in(rng: np.random.Generator) -> None:
    networks, scores, _ = checkpoints(rng, "distance", 0.6)  # 12 checkpoints of 3 seeds
    gone = {f"distance-2-{step}" for step in (100, 200, 400, 1000)} | {"distance-0-100", "distance-1-100"}
    few = [row for row in scores if row["region"] == "V1" or row["model_id"] not in gone]
    table = TABLES["table_c3"](evidence(networks, few))
    cells = table.rows["Distance"]
    assert (cells["V1"].n, cells["V2"].n) == (12, 6)
    (note,) = (note for note in table.notes if note.startswith("Distance: "))
    assert note.startswith(
        "Distance: V1: 12 checkpoints of 3 seeds; V2, V4, IT, Neural mean, Behavior: 6 checkpoints of 2 seeds (12 are "
        "trained and have a loss)"
    )
    whole = TABLES["table_c3"](evidence(networks, scores))
    assert any(note.startswith("Distance: 12 checkpoints of 3 seeds; dataset") for note in whole.notes)
    two = TABLES["table_c3"](
        evidence(networks, [row for row in scores if row["model_id"] in ("distance-0-100", "distance-1-100")])
    )
    assert two.rows["Distance"]["V1"].why == "2 scored checkpoints with a loss, fewer than 4"


def test_a_report_has_one_formula_and_says_where_it_is_another() -> None:
    networks = [network("c", "category", 0, outputs=117.0)]
    networks += [network("m", "category", 0, imported=True, dataset="x", outputs=117.0)]
    unknown = {"raw": np.nan, "ceiling": np.nan, "r2_over_c": np.nan, "r_over_c_squared": np.nan, "formula": "unknown"}
    scores = [score("c", region, 0.2) for region in ("V1", "V2", "V4", "IT")]
    scores += [score("m", "V1", 0.9, **unknown, benchmark="theirs", engine="imported")]
    scores += [
        score("c", "behavior", 0.4, formula="r/sqrt(c)"),
        score("c", "IT", 0.3, benchmark="it-rsa", formula="r/c"),
    ]
    found = evidence(networks, scores)
    said = formulas(found.scores)
    assert said == (
        "Ceiled: (r / ceiling)²; Rajalingham2018public-i2n: r / square root of ceiling; it-rsa: r / ceiling; "
        "theirs: by an unknown formula."
    )
    tables = [TABLES[name](found) for name in ("alignment", "table_c1", "table_c3")]
    assert all("iled: (r / ceiling)²" in table.caption for table in tables)
    own = tables[0].rows["category"] if "category" in tables[0].rows else next(iter(tables[0].rows.values()))
    assert own["FreemanZiemba2013public.V1-pls"].mean == tables[1].rows["Object category"]["V1"].mean
    shown = {"alignment": tables[0].to_text(), "table_c1": tables[1].to_text()}
    assert all("iled: (r / ceiling)²" in text.splitlines()[1] for text in shown.values())  # what a terminal prints
    for name in ("figure_c1", "figure_2", "figure_c3"):
        drawing = FIGURES[name](found)
        assert drawing.figure is None or "(r / ceiling)²" in drawing.caption


def test_scores_of_unknown_formula_say_so_in_figures() -> None:
    unknown = {"raw": np.nan, "ceiling": np.nan, "r2_over_c": np.nan, "r_over_c_squared": np.nan, "formula": "unknown"}
    networks = [
        network(task, task, -1, imported=True, arch="resnet18", outputs=2.0)
        for task in ("category", "distance", "untrained")
    ]
    scores = [score(one["task"], region, 0.3, **unknown) for one in networks for region in ("V1", "V2", "V4", "IT")]
    drawing = FIGURES["figure_2"](evidence(networks, scores))
    assert drawing.figure is not None and "by an unknown formula" in drawing.caption and "(r /" not in drawing.caption
    assert drawing.figure.axes[0].get_ylabel() == "Neural alignment, by an unknown formula"
