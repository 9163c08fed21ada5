"""Studies that come with the program: every call can be meant, and a dry run says what there is to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.registry import runs
from mlspatial.study import study

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def test_the_study_of_clutter_can_be_planned(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(config=str(STUDIES / "clutter.yaml"), dry_run=True) == []
    told = capsys.readouterr().out
    assert "render           0 there      4 to do" in told and "train            0 there     26 to do" in told
    assert "decode           0 there     78 to do" in told and not runs.find()
    assert "distractors=1-3" in told and "cue=outline" in told and "least_visible=0.5" in told
