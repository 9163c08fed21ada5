"""The table of statistics from an Evidence that is built by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlspatial.compare.table import TABLES
from mlspatial.compare.tables.statistics import ESTIMATE, P_HOLM, TOST, P
from tests.compare.by_hand import REGION_CEILINGS, checkpoints, evidence, network, score


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
