"""The table and figure of which yardstick tells tasks apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlspatial.analysis.power import discriminability
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.table import TABLES
from mlspatial.compare.tables.yardsticks import NONE, OVER_UNTRAINED, RELIABILITY, SEEDS, P, yardsticks
from tests.compare.synthetic import little_evidence, no_evidence, synthetic_evidence
from tests.papers import geometry


def with_metrics(spread: dict[str, float]) -> Evidence:
    """Three tasks from four seeds on one benchmark. spread: metric -> how far apart their means are."""
    seen = synthetic_evidence(
        archs=("resnet18",), tasks=("distance", "translation", "category"), seeds=4, steps=(500, 2_000),
        scaling=False, variability=False, benchmarks={"simulated_v1": "V1"},
    )  # fmt: skip
    tasks = seen.networks.set_index("model_id").task
    place = {"distance": 1.0, "translation": 2.0, "category": 3.0, "untrained": 0.0}
    rng, parts = np.random.default_rng(0), []
    for number, (metric, far) in enumerate(spread.items()):
        rows = seen.scores.drop_duplicates(["model_id"]).assign(committed=True, metric=metric, primary=number == 0)
        rows["raw"] = [far * place.get(tasks[model], 0.0) for model in rows.model_id] + rng.normal(size=len(rows))
        parts.append(rows)
    return replace(seen, scores=pd.concat(parts, ignore_index=True))


def test_the_yardstick_that_was_made_reliable_is_found_so() -> None:
    seen = with_metrics({"pls": 0.0, "rsa": 5.0, "cka": 1.0})
    found, _ = yardsticks(seen)
    assert [one.metric for one in found] == ["rsa", "cka", "pls"]
    table = TABLES["table_yardsticks"](seen)
    best, worst = table.rows["simulated_v1, V1, rsa"], table.rows["simulated_v1, V1, pls"]
    ends = seen.networks[seen.networks.final.astype(bool)]
    tasks = ends.set_index("model_id").task
    rows = seen.scores[(seen.scores.metric == "rsa") & seen.scores.model_id.isin(ends.model_id)]
    groups = {str(task): part.raw.to_numpy(float) for task, part in rows.groupby(rows.model_id.map(tasks))}
    untrained = groups.pop("untrained")
    groups.pop("imagenet", None)
    expected = discriminability(groups)
    assert (expected.conditions, expected.n, len(untrained)) == (3, 12, 4)
    assert (best[RELIABILITY].mean, best[RELIABILITY].low) == (expected.reliability, expected.low)
    assert best[RELIABILITY].n == 12 and best[OVER_UNTRAINED].n == 16 and best[SEEDS].mean == 2
    over = (np.mean([values.mean() for values in groups.values()]) - untrained.mean()) / expected.within
    assert best[OVER_UNTRAINED].mean == pytest.approx(over) and over > 5
    assert best[P].mean < 1e-6 < 0.05 < worst[P].mean and best[RELIABILITY].low > worst[RELIABILITY].mean
    drawing = FIGURES["figure_yardsticks"](seen)
    assert drawing.data.metric.tolist() == ["rsa", "cka", "pls"] and drawing.figure is not None
    ours = rows[rows.model_id.map(tasks) != "imagenet"]
    assert set(drawing.runs) >= set(ours.run_id) and drawing.data.networks.tolist() == [12] * 3


def test_what_networks_do_with_a_design_is_a_yardstick_too() -> None:
    seen = geometry.with_tunings(little_evidence())
    found, _ = yardsticks(seen)
    assert {"factorisation_pca", "factorisation_covariance"} <= {one.metric for one in found}
    deepest = seen.tunings[seen.tunings.depth == seen.tunings.depth.max()]
    rows = deepest[deepest.measure == "factorisation_pca"]
    means = rows.groupby("model_id").value.mean()
    tasks = seen.networks.drop_duplicates("model_id").set_index("model_id").task
    mine = next(one for one in found if one.metric == "factorisation_pca")
    assert mine.values.keys() == {"translation", "category"}
    for task, values in mine.values.items():
        own = [model for model in means.index if tasks.get(model) == task]
        assert sorted(values) == pytest.approx(sorted(means[own]))


def test_without_seeds_it_says_so() -> None:
    assert TABLES["table_yardsticks"](no_evidence()).notes == (NONE,)
    one = synthetic_evidence(archs=("resnet18",), tasks=("distance", "category"), seeds=1, scaling=False,
                             variability=False, benchmarks={"simulated_v1": "V1"})  # fmt: skip
    assert FIGURES["figure_yardsticks"](one).figure is None


def test_raw_and_ceiled_scores_are_never_mixed() -> None:
    """Some networks of a benchmark have been imported, without raw scores: they are left out; where all were, ceiled
    scores count."""
    seen = with_metrics({"rsa": 1.0})
    (whole,), _ = yardsticks(seen)
    shown = seen.networks[(seen.networks.task == "distance") & seen.networks.final.astype(bool)]
    gone = seen.scores.model_id == shown.model_id.iloc[0]
    some = seen.scores.assign(raw=seen.scores.raw.mask(gone), ceiled=99.0, r_over_c_squared=99.0)
    (rest,), _ = yardsticks(replace(seen, scores=some))
    assert rest.apart.n == whole.apart.n - 1 and max(map(np.max, rest.values.values())) < 99
    none = seen.scores.assign(r_over_c_squared=seen.scores.raw.astype(float), raw=np.nan)
    (ceiled,), _ = yardsticks(replace(seen, scores=none))
    assert ceiled.apart == whole.apart
