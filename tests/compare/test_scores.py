"""Which benchmarks make up a region's score."""

from __future__ import annotations

import pandas as pd
import pytest

from mlspatial.compare.scores import benchmarks, region_scores, sources
from tests.compare.synthetic import synthetic_evidence

BRAINS = {"simulated_v4": "V4", "cowley2023_v4": "V4", "simulated_it": "IT"}
SMALL = {"archs": ("resnet18",), "tasks": ("translation",), "seeds": 2, "steps": (70,), "scaling": False,
         "variability": False, "benchmarks": BRAINS}  # fmt: skip


def test_a_recorded_brain_is_not_averaged_with_a_simulated_one() -> None:
    """V4 is the session, IT, of which there is none, the simulated one; the notes name both."""
    evidence = synthetic_evidence(**SMALL)
    best = evidence.scores[evidence.scores.committed & evidence.scores.primary]
    assert benchmarks(best) == {"V4": ("cowley2023_v4",), "IT": ("simulated_it",)}
    table = region_scores(evidence, evidence.networks)
    for row in table[table.column == "V4"].itertuples():
        mine = best[(best.model_id == row.model_id) & (best.benchmark == "cowley2023_v4")]
        assert row.value == pytest.approx(float(mine.r_over_c_squared.iloc[0]))
    said = " ".join(sources(evidence, evidence.networks))
    assert "cowley2023_v4" in said and "simulated_it" in said and "simulated_v4" not in said


def test_recordings_of_few_networks_do_not_stand_in_for_all() -> None:
    rows = [(f"m{i}", "simulated_v4", "V4") for i in range(3)] + [("m0", "session", "V4")]
    best = pd.DataFrame(rows, columns=["model_id", "benchmark", "region"])
    assert benchmarks(best) == {"V4": ("simulated_v4",)}
