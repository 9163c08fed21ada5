"""Studies that come with the program: every call can be meant, and a dry run says what there is to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mlspatial.registry import runs
from mlspatial.study import load, make_plan, study

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def test_the_study_of_clutter_can_be_planned(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(config=str(STUDIES / "clutter.yaml"), dry_run=True) == []
    told = capsys.readouterr().out
    assert "render           0 there      4 to do" in told and "train            0 there     26 to do" in told
    assert "decode           0 there     78 to do" in told and not runs.find()
    assert "distractors=1-3" in told and "cue=outline" in told and "least_visible=0.5" in told


def test_the_study_for_a_laptop_has_every_condition_of_study_1(registry: Path) -> None:
    """Ten tasks, 1 to 117 categories, reduced variability, both schedules, untrained, from four seeds or more."""
    calls = [job.parameters for job in make_plan(load(STUDIES / "laptop.yaml")).jobs if job.entry == "train"]
    seen = Counter((one["dataset"], one["task"], one["schedule"], one["batches"] > 0) for one in calls
                   if not one.get("hidden"))  # fmt: skip
    ten = {"distance", "translation", "rotation", "category", "identity", "distance+translation", "distance+rotation",
           "translation+rotation", "distance+translation+rotation", "all"}  # fmt: skip
    assert {task for dataset, task, way, _ in seen if dataset == "laptop8" and way == "one_cycle"} == ten
    assert {f"laptop{n}" for n in (1, 2, 4, 8, 16, 117)} | {"laptop8_still"} == {dataset for dataset, *_ in seen}
    assert {task for _, task, schedule, _ in seen if schedule == "constant"} == {"translation", "category"}
    assert min(seen.values()) >= 4 and sum(n for (*_, trained), n in seen.items() if trained) >= 90
    assert any(not trained for *_, trained in seen)
