"""Tables from an Evidence that is built by hand: published values digit for digit, what is averaged and what is not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlspatial.compare import published
from mlspatial.compare import tables as table_modules
from mlspatial.compare.evidence import NETWORKS, SCORES, Evidence, empty_frames
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.compare.tables.published_scores import HEADERS, LABELS, TARGETS
from mlspatial.compare.tables.statistics import ESTIMATE, P_HOLM, TOST, P
from mlspatial.core.plugins import import_all

import_all(table_modules)
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
REGION_CEILINGS = {"V1": 0.87, "V2": 0.83, "V4": 0.89, "IT": 0.82, "behavior": 0.5}


def network(model_id: str, task: str, seed: int, **facts: Any) -> dict[str, Any]:
    fixed = {
        "model_id": model_id, "uri": "", "run_id": f"train-{model_id}", "name": "", "task": task, "arch": "resnet50",
        "dataset": "spatial117", "dataset_id": "d1", "seed": seed, "step": 1000, "final": True, "init": "random",
        "fraction": 1.0, "n_train": 6000.0, "outputs": np.nan, "n_categories": 117.0, "translation": "full",
        "settings": "", "imported": False, "loss": np.nan,
    }  # fmt: skip
    return fixed | facts


def score(model_id: str, region: str, value: float, **facts: Any) -> dict[str, Any]:
    """A score with its r and ceiling: ceiled is r^2 / ceiling."""
    ceiling = REGION_CEILINGS.get(region, 1.0)
    fixed = {
        "run_id": f"score-{model_id}", "model_id": model_id, "benchmark": published.BENCHMARKS.get(region, region),
        "region": region, "layer": "layer3.0.relu", "depth": 5, "committed": True, "metric": "pls25", "primary": True,
        "raw": np.sqrt(value * ceiling), "ceiling": ceiling, "ceiled": value, "error": 0.01, "n": 10,
        "formula": "r^2/c", "version": "1", "engine": "fast", "selection": "argmax", "r2_over_c": value,
        "r_over_c_squared": value / ceiling,
    }  # fmt: skip
    return fixed | facts


def evidence(networks: list[dict[str, Any]], scores: list[dict[str, Any]]) -> Evidence:
    frames = empty_frames()
    if networks:
        frames["networks"] = pd.DataFrame(networks)
        assert set(NETWORKS) <= set(frames["networks"].columns)
    if scores:
        frames["scores"] = pd.DataFrame(scores)[list(SCORES)]
    return Evidence("s", **frames, links={})


def imported(rows: Mapping[str, Mapping[str, float]], arch: str) -> Evidence:
    """What importing a table of means gives: no raw value, no ceiling, a neural mean of its own."""
    networks, scores = [], []
    unknown = {"raw": np.nan, "ceiling": np.nan, "r2_over_c": np.nan, "r_over_c_squared": np.nan, "engine": "imported"}
    for task, values in rows.items():
        facts = {"seed": -1, "step": -1, "imported": True, "n_train": np.nan, "n_categories": np.nan, "arch": arch}
        networks.append(network(task, task, **facts))
        scores += [score(task, region, value, formula="none", **unknown) for region, value in values.items()]
    return evidence(networks, scores)


def printed(table: Table) -> list[list[str]]:
    """The table as printed, without heads and labels."""
    return [line[1:] for line in table.lines(published=False)[1:]]


def reference(name: str) -> list[list[str]]:
    file = REFERENCE / name
    if not file.is_file():
        pytest.skip(f"published numbers are not at {file}")
    with file.open() as stream:
        return list(csv.reader(stream))[1:]


# ---- published values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "arch"), [("table_c1", "resnet50"), ("table_c2", "resnet18")])
def test_imported_means_print_our_restated_values(id: str, arch: str) -> None:
    table = TABLES[id](imported(published.values(published.SCORES, arch), arch))
    rows = [row for row in published.rows(published.SCORES) if row["arch"] == arch]
    heads = published.BENCHMARKS.values()
    units = [row["outputs"] if row["outputs"] != "0" else "NA" for row in rows]
    assert printed(table) == [[unit, *(row[head] for head in heads)] for unit, row in zip(units, rows, strict=True)]
    assert list(table.rows) == list(LABELS.values()) and table.columns == (TARGETS, *HEADERS.values())
    differences = [cell.difference for cells in table.rows.values() for cell in cells.values() if cell.style == "value"]
    assert differences == pytest.approx([0.0] * 72)
    assert "Every number here is the published one to three decimals." in table.notes


@pytest.mark.parametrize(("id", "arch"), [("table_c1", "resnet50"), ("table_c2", "resnet18")])
def test_imported_means_print_the_published_table(id: str, arch: str) -> None:
    rows = reference(f"xie2025_{id}_{arch}.csv")
    values = {
        task: dict(zip(published.BENCHMARKS, map(float, row[2:]), strict=True))
        for task, row in zip(LABELS, rows, strict=True)
    }
    table = TABLES[id](imported(values, arch))
    assert [[name, *cells] for name, cells in zip(table.rows, printed(table), strict=True)] == [
        [row[0], row[1] or "NA", *row[2:]] for row in rows
    ]


def correlations(rows: Mapping[str, Mapping[str, float]]) -> Evidence:
    quiet = {"committed": False, "primary": False, "metric": published.CORRELATION, "ceiled": np.nan}
    networks = [network(task, task, -1, imported=True) for task in rows]
    return evidence(
        networks,
        [
            score(task, region, 0.0, **quiet, raw=value)
            for task, values in rows.items()
            for region, value in values.items()
        ],
    )


def test_imported_correlations_print_the_published_table() -> None:
    own = published.rows(published.CORRELATIONS)
    table = TABLES["table_c3"](correlations(published.values(published.CORRELATIONS, "resnet50")))
    assert printed(table) == [[row[column] for column in published.BENCHMARKS] for row in own]
    rows = reference("xie2025_table_c3_correlations.csv")
    tasks = ("distance", "translation", "rotation", "category", "identity")
    values = {
        task: dict(zip(published.BENCHMARKS, map(float, row[1:]), strict=True))
        for task, row in zip(tasks, rows, strict=True)
    }
    again = TABLES["table_c3"](correlations(values))
    assert [[name, *cells] for name, cells in zip(again.rows, printed(again), strict=True)] == rows


# ---- own networks -----------------------------------------------------------------------------------------------

REGIONS = ("V1", "V2", "V4", "IT", "behavior")


def scored(model_id: str, values: Mapping[str, float]) -> list[dict[str, Any]]:
    return [score(model_id, region, value) for region, value in values.items()]


def test_cells_are_means_over_seeds_by_the_older_formula_and_know_the_published_value(
    rng: np.random.Generator,
) -> None:
    values = rng.uniform(0.2, 0.5, size=(4, 5))
    networks = [network(f"m{seed}", "distance", seed) for seed in range(4)]
    scores = [row for seed in range(4) for row in scored(f"m{seed}", dict(zip(REGIONS, values[seed], strict=True)))]
    table = TABLES["table_c1"](evidence(networks, scores))
    old = values / np.array([REGION_CEILINGS[region] for region in REGIONS[:4]] + [1.0])
    assert table.rows["Distance"]["Behavior"].mean == pytest.approx(values[:, 4].mean())  # i2n has a formula of its own
    cell = table.rows["Distance"]["V2"]
    assert (cell.mean, cell.sd, cell.n) == pytest.approx((old[:, 1].mean(), old[:, 1].std(ddof=1), 4))
    assert set(cell.runs) == {f"score-m{seed}" for seed in range(4)}
    neural = old[:, :4].mean(axis=1)
    mean = table.rows["Distance"]["Neural mean"]
    assert (mean.mean, mean.sd, mean.n) == pytest.approx((neural.mean(), neural.std(ddof=1), 4))
    assert mean.published == 0.399 and mean.difference == pytest.approx(neural.mean() - 0.399)
    assert mean.within_spread == (abs(neural.mean() - 0.399) <= neural.std(ddof=1))
    assert str(table.rows["Rotation"]["IT"]) == "missing" and table.rows["Rotation"]["IT"].n == 0
    assert any(note.startswith("Missing, no runs of ResNet-50: Translation") for note in table.notes)
    assert "(r / ceiling)^2" in table.caption and "MajajHong2015public.IT-pls 0.820" in table.caption
    assert str(table.rows["Distance"][TARGETS]) == "1" and str(table.rows["Untrained models"][TARGETS]) == "NA"


def test_the_fullest_condition_fills_a_row_and_the_others_are_told() -> None:
    kinds = {
        "few": {"n_train": 1000.0}, "chosen": {}, "centred": {"translation": "none", "n_train": 9e6},
        "chairs": {"n_categories": 1.0, "n_train": 9e6}, "fine": {"init": "imagenet", "n_train": 9e6},
        "lr": {"settings": "lr 0.1", "n_train": 2000.0}, "given": {"imported": True, "n_train": 9e6},
        "scaled": {"dataset": "big", "n_train": 9e6},  # no other task was trained so: rows could not be compared
        "half": {"step": 500, "final": False}, "small": {"arch": "resnet18", "n_train": 9e6},
    }  # fmt: skip
    networks = [network(name, "translation+distance", 0, **facts) for name, facts in kinds.items()]
    scores = [score(name, "V4", 0.1 * number) for number, name in enumerate(kinds, 1)]
    networks, scores = [*networks, network("category", "category", 0)], [*scores, score("category", "V4", 0.3)]
    table = TABLES["table_c1"](evidence(networks, scores))
    assert table.rows["Dis. + Tra."]["V4"].runs == ("score-chosen",)
    (note,) = [note for note in table.notes if "not averaged in" in note]
    for text in (
        "1000 images",
        "translation none",
        "1 categories",
        "from imagenet",
        "lr 0.1",
        "imported",
        "big, 9000000",
    ):
        assert text in note
    assert "500 batches" not in note and note.count("n = 1") == 7
    assert TABLES["table_c2"](evidence(networks, scores)).rows["Dis. + Tra."]["V4"].runs == ("score-small",)


def test_a_mean_over_seeds_is_never_averaged_with_seeds_and_a_seed_made_again_counts_once() -> None:
    networks = [
        network("again", "category", 0), network("old", "category", 0), network("other", "category", 1),
        network("mean", "category", -1),
    ]  # fmt: skip
    scores = [score(name, "IT", value) for name, value in (("again", 0.5), ("old", 0.1), ("other", 0.3), ("mean", 0.9))]
    cell = TABLES["table_c1"](evidence(networks, scores)).rows["Object category"]["IT"]
    assert cell.mean == pytest.approx(0.4 / 0.82) and cell.runs == ("score-again", "score-other")
    rows = TABLES["alignment"](evidence(networks, scores)).rows
    assert sorted(cells["MajajHong2015public.IT-pls"].n for cells in rows.values()) == [1, 2]


def test_the_published_benchmark_goes_before_others_of_its_region() -> None:
    networks = [network("a", "category", 0), network("b", "category", 1)]
    public = "MajajHong2015.V4.public-pls"
    scores = [
        score("a", "V4", 0.5, benchmark=public), score("a", "V4", 0.1, benchmark="cowley2023_v4"),
        score("b", "V4", 0.3, benchmark="cowley2023_v4"), score("b", "V1", 0.3, benchmark="simulated_v1"),
        score("a", "V4", 0.9, benchmark=public, committed=False),
        score("a", "V4", 0.9, benchmark=public, primary=False),
    ]  # fmt: skip
    table = TABLES["table_c1"](evidence(networks, scores))
    cell = table.rows["Object category"]["V4"]
    assert cell.n == 1 and cell.mean == pytest.approx(0.5 / 0.89)
    assert str(table.rows["Object category"]["Neural mean"]) == "missing"  # of two regions it would be another thing
    assert "V1 is from simulated_v1, not from the published benchmark." in table.notes
    generic = TABLES["alignment"](evidence(networks, scores))
    assert generic.columns == (public, "cowley2023_v4", "simulated_v1")
    assert generic.rows["category"]["cowley2023_v4"].mean == pytest.approx(0.2)
    assert any("cowley2023_v4: region V4, ceiling 0.890, metric pls25, formula r^2/c" in note for note in generic.notes)


def checkpoints(rng: np.random.Generator, task: str, slope: float) -> tuple[list[Any], list[Any], Any]:
    networks, scores, points = [], [], []
    for seed in range(3):
        for step in (100, 200, 400, 1000):
            model_id = f"{task}-{seed}-{step}"
            loss = 1 / np.log(step) + rng.normal(0, 0.01)
            value = 0.5 - slope * loss + rng.normal(0, 0.003)
            networks.append(network(model_id, task, seed, step=step, final=step == 1000, loss=loss))
            scores += [score(model_id, region, value) for region in REGIONS]
            points.append((loss, value, seed))
    return networks, scores, np.array(points)


def test_table_c3_is_pearsons_r_over_checkpoints_and_seeds(rng: np.random.Generator) -> None:
    networks, scores, points = checkpoints(rng, "rotation", 0.6)
    other = [network("x", "rotation", 9, settings="lr 0.1", loss=9.0)]
    table = TABLES["table_c3"](evidence(networks + other, [*scores, *(score("x", region, 0.9) for region in REGIONS)]))
    expected = stats.pearsonr(-points[:, 0], points[:, 1])
    cell = table.rows["Rotation"]["Neural mean"]
    interval = expected.confidence_interval()
    assert (cell.mean, cell.low, cell.high) == pytest.approx((expected.statistic, interval.low, interval.high))
    assert cell.n == 12 and len(cell.runs) == 12 and cell.published == 0.736 and cell.within_spread is None
    assert str(table.rows["Distance"]["V1"]) == "missing"
    assert any(note.startswith("Rotation: 12 checkpoints of 3 seeds") for note in table.notes)
    assert any("not taken together with: rotation (lr 0.1), n = 1" in note for note in table.notes)
    small = [{**row, "arch": "resnet18"} for row in networks]
    assert (
        "The published values are of ResNet-50, these of ResNet-18."
        in TABLES["table_c3"](evidence(small, scores)).notes
    )


def test_statistics(rng: np.random.Generator) -> None:
    networks, scores, points = [], [], {}
    for task, slope in (("distance", 0.6), ("rotation", 0.5), ("category", 0.7)):
        mine = checkpoints(rng, task, slope)
        networks, scores = networks + mine[0], scores + mine[1]
        points[task] = mine[2]
    table = TABLES["statistics"](evidence(networks, scores))
    last = {task: values[3::4, 1] / REGION_CEILINGS["IT"] for task, values in points.items()}
    row = table.rows["IT: distance less category"]
    expected = stats.ttest_ind(last["distance"], last["category"], equal_var=False)
    assert row[ESTIMATE].mean == pytest.approx(last["distance"].mean() - last["category"].mean())
    assert row[ESTIMATE].low < row[ESTIMATE].mean < row[ESTIMATE].high and row[ESTIMATE].n == 6
    assert row[P].mean == pytest.approx(expected.pvalue)
    assert 0 <= row[TOST].mean <= 1 and row[P_HOLM].mean >= row[P].mean
    both = table.rows["IT: all spatial conditions less category"][ESTIMATE]
    assert both.mean == pytest.approx((last["distance"].mean() + last["rotation"].mean()) / 2 - last["category"].mean())
    r = table.rows["IT: partial r of performance given task"][ESTIMATE]
    slope = table.rows["IT: slope of performance, mixed model"][ESTIMATE]
    assert r.n == 36 and 0.9 < r.low < r.mean < r.high < 1 and 0 < slope.low < slope.mean < slope.high
    sd = {task: values[:, 0].std(ddof=1) for task, values in points.items()}
    wanted = np.mean([0.6 * sd["distance"], 0.5 * sd["rotation"], 0.7 * sd["category"]]) / REGION_CEILINGS["IT"]
    assert slope.mean == pytest.approx(wanted, rel=0.1)
    tests = [cells for cells in table.rows.values() if TOST in cells]
    assert len(tests) == 3 * 6  # V1, V2, V4, IT, neural mean, behavior
    from statsmodels.stats.multitest import multipletests

    corrected = multipletests([cells[P].mean for cells in tests], method="holm")[1]
    assert [cells[P_HOLM].mean for cells in tests] == pytest.approx(list(corrected))
    assert any("mixed model of 36 checkpoints of 9 trainings" in note for note in table.notes)


def test_statistics_of_few_seeds_say_what_cannot_be_tested_and_are_the_same_every_time() -> None:
    networks = [
        network(f"{task}{seed}", task, seed) for task, seed in (("distance", 0), ("category", 0), ("category", 1))
    ]
    scores = [score(row["model_id"], "IT", 0.4 + 0.03 * number) for number, row in enumerate(networks)]
    table = TABLES["statistics"](evidence(networks, scores))
    assert list(table.rows) == ["IT: distance less category"]
    (cell,) = table.rows["IT: distance less category"].values()
    assert cell.mean == pytest.approx(-0.045 / 0.82) and np.isnan(cell.low)
    assert "IT: not tested: distance: 1 seeds, this needs 2; train more." in table.notes
    assert TABLES["statistics"](evidence(networks, scores)).to_csv() == table.to_csv()


@pytest.mark.parametrize("id", list(TABLES))
def test_no_runs_make_a_table_that_says_so(id: str) -> None:
    table = TABLES[id](evidence([], []))
    assert table.id == id and table.runs == () and table.notes and table.caption
    assert set(table.to_frame()["mean"].dropna()) <= {1, 2, 3, 6, 7, 8, 9, 117, 548, 674, 1000}  # output targets
    table.to_latex(), table.to_markdown(), table.to_text(), table.to_csv()


# ---- forms ------------------------------------------------------------------------------------------------------

TABLE = Table(
    "t",
    "50% of A_B & C",
    "r^2 < 1",
    ("V1 #", "p"),
    {
        "x|y_1": {
            "V1 #": Cell(0.41234, 0.01, ("r1", "r2"), published=0.42),
            "p": Cell(0.0001, float("nan"), ("r1",), style="p"),
        },
        "z": {"V1 #": Cell(0.5, float("nan"), ("r3",), low=0.4, high=0.6), "p": Cell(float("nan"), float("nan"), ())},
    },
    ("a $note",),
)


def test_latex_is_escaped_and_whole() -> None:
    text = TABLE.to_latex()
    assert r"x\textbar{}y\_1 & 0.412 $\pm$ 0.010 (0.420) & \textless{} .001 \\" in text
    assert r"\caption{50\% of A\_B \& C. r\textasciicircum{}2 \textless{} 1 a \$note}" in text
    assert r"z & 0.500 [0.400, 0.600] & missing \\" in text and r"condition & V1 \# & p \\" in text
    assert re.findall(r"\\(begin|end)\{(\w+)\}", text) == [
        ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"),
    ]  # fmt: skip
    assert [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == sorted(
        text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")
    )
    assert not re.search(r"(?<!\\)[%&#_$](?=[a-zA-Z])", text.replace(" & ", " ").replace(r"$\pm$", ""))


def test_markdown_has_as_many_fields_in_every_row() -> None:
    lines = [line for line in TABLE.to_markdown().splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {5} and len(lines) == 4
    assert "| x\\|y\\_1 | 0.412 ± 0.010 (0.420) | \\< .001 |" in lines


def test_the_long_form_holds_everything() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert len(rows) == 4
    assert rows[0]["run_ids"] == "r1 r2" and float(rows[0]["difference"]) == pytest.approx(-0.00766)
    assert rows[0]["within_spread"] == "True" and rows[0]["n"] == "2" and rows[0]["low"] == ""
    assert rows[3]["mean"] == "" and rows[3]["n"] == "0"
    assert TABLE.to_frame().to_json(orient="split")  # as the MLflow UI takes it
    assert TABLE.runs == ("r1", "r2", "r3")


@pytest.mark.parametrize(
    ("cell", "within"),
    [
        (Cell(0.5, 0.1, ("a",), published=0.59), True),
        (Cell(0.5, 0.1, ("a",), published=0.61), False),
        (Cell(0.5, float("nan"), ("a",), published=0.5), None),
        (Cell(0.5, 0.1, ("a",)), None),
        (Cell(float("nan"), 0.1, (), published=0.5), None),
    ],
)
def test_within_the_spread_or_unknown(cell: Cell, within: bool | None) -> None:
    assert cell.within_spread is within
