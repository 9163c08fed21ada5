"""The ranking of a made-up study: what the table and the figure say, and what is left out with which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.ranks import MODELS, PAIRS, models_frame, pairs_frame, rankings
from mlspatial.compare.table import TABLES
from mlspatial.papers import known_items
from tests.compare.synthetic import predicted, synthetic_evidence

known_items()
STRENGTH = {"distance": 0.5, "translation": 0.5, "category": 0.2, "untrained": 6.0}
BENCHMARKS = {"simulated_v1": "V1", "one_v4": "V4", "other_v4": "V4"}


@pytest.fixture(scope="module")
def seen() -> Evidence:
    study = synthetic_evidence(
        archs=("resnet18",), tasks=("distance", "translation", "category"), seeds=2, steps=(500, 2_000), scaling=False,
        variability=False, benchmarks=BENCHMARKS,
    )  # fmt: skip
    known = study.networks[study.networks.task != "imagenet"]
    return predicted(replace(study, networks=known), strength=STRENGTH)


def test_table_says_order_intervals_tests_and_groups(seen: Evidence) -> None:
    table = TABLES["ranking"](seen)
    mine = [name for name in table.rows if name.startswith("one_v4")]
    assert mine[0].startswith("one_v4: 1. category (") and mine[-1].startswith("one_v4: 4. untrained")
    assert len(table.rows) == 4 * 4  # V4 over both recordings, too
    for name in mine:
        cell = table.rows[name]["r"]
        assert cell.n == 2 and cell.low < cell.mean < cell.high and len(cell.runs) == 2
        assert table.rows[name]["± new networks"].mean > 0
    low = table.rows[mine[-1]]
    assert low["p (r > 0)"].mean < 0.05 and low["p (ceiling)"].mean < 0.001
    group = {name.split(". ", 1)[1].split(" (")[0]: name.split("(")[-1].strip(")") for name in mine}
    assert set(group["distance"]) & set(group["translation"]) and not set(group["category"]) & set(group["untrained"])
    text = " ".join(table.notes)
    assert "no regression is fitted anew" in text and "60 images, 24 units" in text and "docs/analysis.md" in text
    assert "V4, mean over 2 recordings: 120 images, 48 units; tested over 2 recordings" in text
    assert "reliability" in text and "of 6 pairs differ at 0.05 after Holm" in text
    for written in (table.to_markdown(), table.to_latex(), table.to_csv(), table.to_text()):
        assert "one_v4" in written.replace("\\_", "_")


def test_figure_holds_every_model_and_pair(seen: Evidence) -> None:
    drawing = FIGURES["figure_ranking"](seen)
    counts = drawing.data.kind.value_counts()
    assert counts["model"] == 16 and counts["pair"] == 4 * 6 and len(drawing.figure.axes) == 4
    assert drawing.svg.startswith(b"<?xml") and drawing.runs
    pairs = drawing.data[drawing.data.kind == "pair"]
    assert pairs.p_holm.between(0, 1).all() and (pairs.p_holm >= pairs.p_fdr).all() and (pairs.p_fdr >= pairs.p).all()


def test_tidy_tables(seen: Evidence) -> None:
    made, _ = rankings(seen, resamples=200)
    models, pairs = models_frame(made), pairs_frame(made)
    assert list(models) == list(MODELS) and list(pairs) == list(PAIRS)
    assert models.groupby("benchmark")["rank"].apply(list).tolist() == [[1, 2, 3, 4]] * 4
    assert models.groupby("benchmark").score.apply(lambda score: score.is_monotonic_decreasing).all()
    one = pairs[pairs.benchmark == "one_v4"].iloc[0]
    scores = models[models.benchmark == "one_v4"].set_index("model").score
    assert one.difference == pytest.approx(scores[one["first"]] - scores[one.second])
    median, _ = rankings(seen, statistic="median", resamples=200)
    assert models_frame(median).score.tolist() != models.score.tolist()
    assert list(models_frame([])) == list(MODELS) and list(pairs_frame([])) == list(PAIRS)


def changed(seen: Evidence, **how: Any) -> Evidence:
    """The same with predictions of the untrained networks changed."""
    odd = set(seen.networks.model_id[seen.networks.task == "untrained"])
    runs = set(seen.scores.run_id[seen.scores.model_id.isin(odd)])

    def kept(run: str, keys: Any) -> Any:
        found = seen.predictions(run, keys)
        return [replace(one, **{k: v(one) for k, v in how.items()}) for one in found] if run in runs else found

    return replace(seen, predictions=kept)


def test_order_of_stimuli_does_not_matter_and_other_responses_do(seen: Evidence) -> None:
    order = np.random.default_rng(0).permutation(60)
    turned = changed(
        seen, stimuli=lambda one: tuple(one.stimuli[i] for i in order), predicted=lambda one: one.predicted[order],
        responses=lambda one: one.responses[order], noise=lambda one: one.noise[order],
        folds=lambda one: one.folds[order],
    )  # fmt: skip
    same, other = models_frame(rankings(seen)[0]), models_frame(rankings(turned)[0])
    pd.testing.assert_frame_equal(same, other)
    others = changed(seen, responses=lambda one: one.responses + 1)
    table = TABLES["ranking"](others)
    assert not any("untrained" in name for name in table.rows)
    assert any("one_v4: 2 networks are left out, their responses are not those of the others" in n for n in table.notes)


def test_what_has_no_predictions_is_said(seen: Evidence) -> None:
    nothing = replace(seen, predictions=lambda _run, _keys: ())
    table, drawing = TABLES["ranking"](nothing), FIGURES["figure_ranking"](nothing)
    assert not table.rows and "score them again" in table.notes[0] and drawing.figure is None
    few = set(seen.scores.run_id[seen.scores.model_id.isin(seen.networks.model_id[seen.networks.task == "category"])])
    some = replace(seen, predictions=lambda run, keys: seen.predictions(run, keys) if run in few else ())
    notes = TABLES["ranking"](some).notes
    assert any("one_v4: predictions of one condition are kept, a ranking takes two" in note for note in notes)
    lacking = replace(seen, predictions=lambda run, keys: () if run in few else seen.predictions(run, keys))
    assert any("1 conditions have no kept predictions; score them again" in n for n in TABLES["ranking"](lacking).notes)
    fixed = changed(seen, noise=lambda one: None)
    assert len(TABLES["ranking"](fixed).rows) == 16
    tiny = predicted(seen, units=4, strength=STRENGTH)
    assert any("no ranking: 4 units are too few" in note for note in TABLES["ranking"](tiny).notes)


def test_many_units_and_few_images_are_told(seen: Evidence) -> None:
    words = "one_v4: 600 units and {} images; with 1,000 and 90"
    few = TABLES["ranking"](predicted(seen, units=600, stimuli=90, strength=STRENGTH)).notes
    assert any(note.startswith(words.format(90)) for note in few)
    more = rankings(predicted(seen, units=600, stimuli=400, strength=STRENGTH), resamples=100)[0]
    assert not any("units and" in note for one in more for note in one.notes)


def test_the_axis_holds_intervals_as_far_as_there_are_correlations(seen: Evidence) -> None:
    """Two seeds make intervals that reach beyond 1, or further than everything else; others are seen whole."""
    drawing = FIGURES["figure_ranking"](seen)
    parts = drawing.data[drawing.data.kind == "model"].groupby("benchmark", sort=False)
    whole = 0
    for axis, (_, part) in zip(drawing.figure.axes, parts, strict=True):
        low, high = axis.get_xlim()
        assert -1.13 < low < 0 and 0 < high < 1.13
        short = part[(part.high - part.low) / 2 <= part.score.max()]  # from zero, which is always there
        assert (short.low.clip(lower=-1) >= low).all() and (short.high.clip(upper=1) <= high).all()
        whole += len(short)
    assert whole >= 8
