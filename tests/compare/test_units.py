"""Units' scores in a figure: averages by hand, one network against several, layers of their own depth."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence, empty_frames
from mlspatial.compare.tables.units import ALONE, unit_table
from tests.compare.synthetic import synthetic_evidence, with_units

SMALL = {"archs": ("resnet18",), "tasks": ("translation", "category"), "seeds": 2, "steps": (70,), "scaling": False,
         "variability": False, "benchmarks": {"simulated_v1": "V1", "other": "V4"}}  # fmt: skip


@pytest.mark.parametrize("layers", [False, True])
def test_units_are_averaged_over_splits_then_over_networks(layers: bool) -> None:
    evidence = with_units(synthetic_evidence(**SMALL), layers=layers)
    table = unit_table(evidence)
    scores = evidence.scores.reset_index(drop=True)
    networks = evidence.networks.set_index("model_id")
    counted = table[table.kind == "committed"]
    assert (
        set(counted.benchmark) == {"simulated_v1", "other"} and (counted.groupby("condition").unit.nunique() == 5).all()
    )
    for (benchmark, task), part in counted.groupby(["benchmark", "task"]):
        mine = scores[scores.committed & (scores.benchmark == benchmark) & (scores.model_id.map(networks.task) == task)]
        for unit in range(5):
            wanted = np.mean([place / 1000 + unit / 10 + 0.01 for place in mine.index])
            row = part[part.unit == f"u{unit}"].iloc[0]
            assert row.r == pytest.approx(wanted, abs=1e-6) and row.networks == len(mine)
            assert set(row.run_ids.split()) == set(mine.run_id)
    deep = table[table.kind == "depth"]
    assert deep.empty != layers
    if layers:
        assert deep.groupby(["benchmark", "condition"]).layer.nunique().eq(scores.layer.nunique()).all()


@pytest.mark.parametrize("layers", [False, True])
def test_the_figure_draws_what_there_is_and_says_what_is_not(layers: bool) -> None:
    drawing = FIGURES["figure_units"](with_units(synthetic_evidence(**SMALL), layers=layers))
    assert len(drawing.figure.axes) == (4 if layers else 2) and drawing.runs
    assert drawing.notes == (() if layers else (ALONE,))
    again = FIGURES["figure_units"](with_units(synthetic_evidence(**SMALL), layers=layers))
    assert drawing.svg == again.svg
    assert any(text.get_text() == "n = 5" for text in drawing.figure.axes[0].texts)


def test_without_units_nothing_is_drawn() -> None:
    assert FIGURES["figure_units"](synthetic_evidence(**SMALL)).figure is None
    assert FIGURES["figure_units"](Evidence("", **empty_frames(), links={})).figure is None
