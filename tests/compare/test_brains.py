"""Networks beside every recorded brain: means and errors by hand, ceilings in the score's own unit, people by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence, empty_frames
from mlspatial.compare.tables import brains
from mlspatial.compare.tables.brains import brains_table, reachable, who
from tests.compare.synthetic import LAYERS, TASKS, synthetic_evidence

SMALL = {"archs": ("resnet18",), "tasks": ("translation", "category"), "seeds": 3, "steps": (70,), "scaling": False,
         "variability": False, "benchmarks": {"simulated_v1": "V1", "mine": "V4", "asked": "IT"}}  # fmt: skip


def asked() -> Evidence:
    """`asked` are choices of people: kappa over that between people, with errors."""
    evidence = synthetic_evidence(**SMALL)
    rows = evidence.scores.benchmark == "asked"
    facts = {"metric": "error_consistency", "formula": "r/c", "ceiling": 0.5, "ceiling_error": 0.03, "error": 0.07}
    evidence.scores["formula"] = "r^2/c"
    for name, value in facts.items():
        evidence.scores.loc[rows, name] = value
    return evidence


def test_a_condition_has_the_mean_of_its_networks_and_their_error() -> None:
    evidence = asked()
    table, scores = brains_table(evidence), evidence.scores
    assert set(table.benchmark) == {"mine", "asked"}  # nobody recorded simulated_v1
    task = evidence.networks.set_index("model_id").task
    for row in table.itertuples():
        mine = scores[scores.committed & (scores.benchmark == row.benchmark) & (scores.model_id.map(task) == row.task)]
        assert row.networks == len(mine) and set(row.run_ids.split()) == set(mine.run_id)
        assert row.score == pytest.approx(mine.raw.mean())
        several = len(mine) > 1
        assert row.error == pytest.approx(mine.raw.sem() if several else mine.error.iloc[0])
        assert np.isfinite(row.spread) == several
        expected = 0.5 if row.benchmark == "asked" else np.sqrt(mine.ceiling.iloc[0])
        assert row.ceiling == pytest.approx(expected)
    for _, part in table.groupby("benchmark"):
        assert part.score.is_monotonic_decreasing and part.networks.max() == 3


def test_what_can_be_reached_is_in_the_unit_of_the_score() -> None:
    row = pd.Series({"formula": "r^2/c", "ceiling": 0.64, "ceiling_error": 0.08})
    assert reachable(row) == pytest.approx((0.8, 0.05))  # d sqrt(c) = dc / (2 sqrt(c))
    assert reachable(pd.Series({"formula": "r/c", "ceiling": 0.64, "ceiling_error": 0.08})) == (0.64, 0.08)
    for formula, ceiling in (("none", 1.0), ("unknown", 0.5), ("r^2/c", -0.1)):
        found = reachable(pd.Series({"formula": formula, "ceiling": ceiling, "ceiling_error": 0.1}))
        assert np.isnan(found).all()
    assert [who(name) for name in ("accuracy", "rdm_spearman", "pls25")] == [
        *("people", "other subjects"),
        "noise ceiling",
    ]


def test_the_figure_names_people_first_and_draws_every_condition() -> None:
    drawing = FIGURES["figure_brains"](asked())
    panels = {axis.get_title(): [label.get_text() for label in axis.get_yticklabels()] for axis in drawing.figure.axes}
    (choices,) = (labels for title, labels in panels.items() if title.startswith("asked"))
    (recorded,) = (labels for title, labels in panels.items() if title.startswith("mine"))
    assert choices[0] == "people" and recorded[0] == "noise ceiling"
    assert len(choices) == 1 + (drawing.data.benchmark == "asked").sum() and set(choices[1:]) == set(recorded[1:])
    assert drawing.svg == FIGURES["figure_brains"](asked()).svg and not drawing.notes


def test_of_many_conditions_the_best_are_drawn_and_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brains, "MOST", 10)
    evidence = synthetic_evidence(**SMALL | {"archs": tuple(LAYERS), "tasks": TASKS, "seeds": 1})
    drawing = FIGURES["figure_brains"](evidence)
    drawn = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    assert len(drawn) == 10 and len(drawing.data) == 2 * 24
    assert drawn == list(drawing.data[drawing.data.benchmark == "asked"].condition[:10])
    assert drawing.notes == ("Up to 14 conditions below the best 10 are in the csv alone.",)


def test_without_recorded_brains_nothing_is_drawn() -> None:
    simulated = synthetic_evidence(**SMALL | {"benchmarks": {"simulated_v1": "V1"}})
    assert FIGURES["figure_brains"](simulated).figure is None
    assert FIGURES["figure_brains"](Evidence("", **empty_frames(), links={})).figure is None
