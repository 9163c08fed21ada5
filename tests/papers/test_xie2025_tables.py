"""Tables from an Evidence that is built by hand: published values digit for digit, what is averaged and what is not."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mlspatial.compare import published
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.table import TABLES, Table
from mlspatial.papers import known_items
from mlspatial.papers.xie2025 import CORRELATIONS, MEANS, PAPER
from mlspatial.papers.xie2025.items.table_c1_c2 import TARGETS
from mlspatial.papers.xie2025.published import HEADERS, LABELS
from mlspatial.papers.xie2025.published import values as published_values
from tests.compare.by_hand import REGION_CEILINGS, REGIONS, checkpoints, evidence, network, score, scored

known_items()
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"


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
    """The table as printed, without heads, labels and n."""
    return [[text.rpartition(" (")[0] or text for text in line[1:]] for line in table.lines(published=False)[1:]]


def reference(name: str) -> list[list[str]]:
    file = REFERENCE / name
    if not file.is_file():
        pytest.skip(f"published numbers are not at {file}")
    with file.open() as stream:
        return list(csv.reader(stream))[1:]


# ---- published values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "arch"), [("table_c1", "resnet50"), ("table_c2", "resnet18")])
def test_imported_means_print_our_restated_values(id: str, arch: str) -> None:
    table = TABLES[id](imported(published_values(MEANS, arch), arch))
    rows = [row for row in PAPER.rows(MEANS) if row["arch"] == arch]
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
    own = PAPER.rows(CORRELATIONS)
    table = TABLES["table_c3"](correlations(published_values(CORRELATIONS, "resnet50")))
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
    assert any(note.startswith("Missing, no scores of ResNet-50: Translation") for note in table.notes)
    assert "ceiled: (r / ceiling)²; " in table.caption and "MajajHong2015public.IT-pls 0.820" in table.caption
    assert str(table.rows["Distance"][TARGETS]) == "1 (4)" and str(table.rows["Untrained models"][TARGETS]) == "NA"


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
    assert generic.rows["category"]["cowley2023_v4"].mean == pytest.approx(0.2 / 0.89)
    assert any(
        "cowley2023_v4: region V4, ceiling 0.890, metric pls25, ceiled (r / ceiling)²" in note for note in generic.notes
    )


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
