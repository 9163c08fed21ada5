"""The figure of brains whose truth is known, and what is said of findings that do not hold."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from mlspatial.compare.checks import CHECKS, circumstances
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence
from mlspatial.papers import known_items
from tests.compare.synthetic import little_evidence, no_evidence

BRAIN = "simulated_v4:network-0123456789abcdef"


def with_a_brain(raw: dict[str, float], generator: float | None) -> Evidence:
    """The small study scored on a brain of a network that is none of it. raw: task -> score of its networks."""
    seen = little_evidence()
    tasks = seen.networks.drop_duplicates("model_id").set_index("model_id").task
    scores = seen.scores[seen.scores.committed.astype(bool)].drop_duplicates("model_id")
    rows = scores.assign(benchmark=BRAIN, region="V4", raw=[raw[tasks[model]] for model in scores.model_id])
    if generator is not None:
        own = rows.iloc[:1].assign(model_id="0123456789abcdef", run_id="of-the-brain", raw=generator)
        rows = pd.concat([rows, own], ignore_index=True)
    return replace(seen, scores=pd.concat([seen.scores, rows], ignore_index=True))


def test_the_generating_network_has_a_rank_and_counts_among_no_task() -> None:
    assert "recovery" in known_items()
    raw = {"translation": 0.5, "category": 0.4, "untrained": 0.3}
    drawing = FIGURES["recovery"](with_a_brain(raw, 0.8))
    mine = drawing.data[drawing.data.benchmark == BRAIN]
    assert dict(mine.groupby("task").raw.mean().round(6)) == {**raw, "generator": 0.8}
    assert mine[mine.task == "generator"]["rank"].tolist() == [1] and set(mine.networks) == {len(mine)} == {7}
    assert mine.groupby("task")["rank"].max().to_dict() == {
        "generator": 1,
        "translation": 3,
        "category": 5,
        "untrained": 7,
    }
    assert "trained 0.450, untrained 0.300, generating network 0.800, rank 1 of 7." in drawing.caption
    assert drawing.figure is not None and "of-the-brain" in drawing.runs


def test_a_brain_whose_network_was_not_scored_has_no_star() -> None:
    raw = {"translation": 0.5, "category": 0.4, "untrained": 0.3}
    drawing = FIGURES["recovery"](with_a_brain(raw, None))
    assert "generator" not in set(drawing.data.task) and "rank" not in drawing.caption


def test_a_finding_that_does_not_hold_says_what_may_be_why() -> None:
    seen = with_a_brain({"translation": 0.2, "category": 0.4, "untrained": 0.3}, None)
    lower = seen.scores.assign(raw=seen.scores.raw.astype(float))
    tasks = seen.networks.drop_duplicates("model_id").set_index("model_id").task
    untrained = lower.model_id.map(tasks) == "untrained"
    for name in ("raw", "ceiled", "r_over_c_squared", "r2_over_c"):
        lower.loc[untrained, name] = 0.99
    found = CHECKS["spatial_above_untrained"](replace(seen, scores=lower))
    words = circumstances(seen)
    assert found.holds is False and found.value.endswith(words)
    assert words == (
        "It may be so for the size of the networks (ResNet-18, 2 seeds a task), the number of images (4,000 for "
        "training) or the brains (simulated_v1, simulated_v4 instead of the published recordings)."
    )
    higher = lower.copy()
    for name in ("raw", "ceiled", "r_over_c_squared", "r2_over_c"):
        higher.loc[untrained, name] = 0.001
    holding = CHECKS["spatial_above_untrained"](replace(seen, scores=higher))
    assert holding.holds is True and words not in holding.value
    assert circumstances(no_evidence()) == ""
