"""Which benchmarks make up a region's score."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.scores import alignment, benchmarks, error_column, region_scores, sources
from tests.compare.by_hand import evidence, network, score
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


def test_errors_of_regions_and_of_their_mean() -> None:
    """(r / c)^2 has the error 2 r / c^2 sqrt(e_r^2 + (r e_c / c)^2); that of a mean of k is sqrt(sum e^2) / k."""

    def made(model: str, region: str, raw: float, ceiling: float, of_ceiling: float, name: str = "") -> dict:
        facts = {"raw": raw, "ceiling": ceiling, "error": 0.02, "ceiling_error": of_ceiling}
        facts |= {"r_over_c_squared": (raw / ceiling) ** 2, "benchmark": name or f"lab_{region}"}
        return score(model, region, raw**2 / ceiling, **facts)

    def error(raw: float, ceiling: float, of_ceiling: float) -> float:
        return 2 * raw / ceiling**2 * np.sqrt(0.02**2 + (raw * of_ceiling / ceiling) ** 2)

    found = evidence(
        [network("a", "distance", 0), network("b", "distance", 1)],
        [
            *(made("a", "V4", 0.4, 0.8, 0.03), made("b", "V4", 0.4, 0.8, np.nan)),
            *(made(model, "IT", 0.3, 0.7, 0.0, "one") for model in "ab"),
            *(made(model, "IT", 0.5, 0.9, 0.01, "two") for model in "ab"),
        ],
    )
    table = alignment(found).set_index("model_id")
    of_it = np.hypot(error(0.3, 0.7, 0.0), error(0.5, 0.9, 0.01)) / 2
    assert table[error_column("V4")]["a"] == pytest.approx(error(0.4, 0.8, 0.03))
    assert table[error_column("IT")]["a"] == pytest.approx(of_it)
    assert table[error_column("neural_mean")]["a"] == pytest.approx(np.hypot(error(0.4, 0.8, 0.03), of_it) / 2)
    assert np.isnan(table[error_column("V4")]["b"]) and np.isnan(table[error_column("neural_mean")]["b"])
    assert table.neural_mean["b"] == pytest.approx(((0.4 / 0.8) ** 2 + ((0.3 / 0.7) ** 2 + (0.5 / 0.9) ** 2) / 2) / 2)
