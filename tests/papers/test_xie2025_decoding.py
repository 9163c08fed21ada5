"""Figures of decoding: numbers against numpy and scipy, and which values count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.grouping import FULL, REDUCED, choose
from mlspatial.compare.latents import decoded, fold_table
from tests.papers.studies import BLOCKS, drawn, full, members, network, row, small, study


def folds(latent: str, layer: str, models: list[tuple[str, int]]) -> np.ndarray:
    table = full().decodings
    kept = (table.latent == latent) & (table.layer == layer) & table.model_id.isin([model for model, _ in models])
    return table[kept].value.to_numpy()


@pytest.mark.parametrize(
    ("name", "latent", "task", "facts"),
    [
        ("5b", "category", "translation", {"n_categories": 1.0}),
        ("5c", "x", "category", {"translation": "none"}),
        ("e2", "y", "rotation", {"translation": "none"}),
    ],
)
def test_decoding_is_pooled_and_tested_over_runs_times_seeds(
    name: str, latent: str, task: str, facts: dict[str, Any]
) -> None:
    data, stars = drawn(name).data, 0
    for layer in (*BLOCKS, "avgpool", "fc"):
        sides = {FULL: folds(latent, layer, members(task)), REDUCED: folds(latent, layer, members(task, **facts))}
        p = mannwhitneyu(sides[FULL], sides[REDUCED]).pvalue
        for variability, values in sides.items():
            one = row(data, task=task, variability=variability, layer=layer)
            assert (one["mean"], one.sd, one.n) == (
                pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)), len(values),
            )  # fmt: skip
            assert one.p == pytest.approx(p) and one.star == (p < 0.05)
        stars += p < 0.05
    drawing = drawn(name)
    axis = next(axis for axis in drawing.figure.axes if axis.get_title().lower().endswith(task))
    assert sum(text.get_text() == "*" for text in axis.texts) == stars
    pixels = folds(latent, "pixels", [("pixels", 0)])
    assert row(data, task="pixels")["mean"] == pytest.approx(pixels.mean())


def test_a_test_of_networks_takes_one_value_each() -> None:
    rows = [network("distance", seed) for seed in range(5)]
    evidence = study(rows + [network("distance", seed, n_categories=1.0, dataset="one") for seed in range(4)])
    data = FIGURES["figure_5b"](evidence).data
    table = evidence.decodings[
        (evidence.decodings.latent == "category") & (evidence.decodings.layer == "layer4.0.relu")
    ]
    means = table.groupby("model_id").value.mean()
    few = means.index.str.contains("one")
    p = mannwhitneyu(means[~few], means[few]).pvalue
    assert row(data, layer="layer4.0.relu", variability=FULL).p_networks == pytest.approx(p)


def test_e1_shows_spatial_beside_category_and_untrained_networks() -> None:
    data = drawn("e1").data
    for task, facts in (("rotation", {}), ("category", {}), ("untrained", {"step": 0})):
        values = folds("category", "layer3.0.relu", members(task, **facts))
        one = row(data, task=task, layer="layer3.0.relu", variability=FULL)
        assert (one["mean"], one.sd, one.n) == (
            pytest.approx(values.mean()),
            pytest.approx(values.std(ddof=1)),
            len(values),
        )
    assert len(drawn("e1").figure.axes) == 4 and drawn("e1").missing == ()


def test_values_that_are_not_finite_and_second_decode_runs_do_not_count() -> None:
    evidence = small()
    table = evidence.decodings
    model = "translation-0-"
    again = table[(table.model_id == model) & (table.fold == 0)].assign(run_id="again", value=9.0)
    nan = table.assign(value=table.value.where(~((table.model_id == model) & (table.fold == 1))))
    changed = replace(evidence, decodings=pd.concat([again, nan], ignore_index=True))
    chosen = choose(changed, changed.networks.model_id)
    found = fold_table(decoded(changed, chosen.networks, "x"))
    one = row(found, group="translation", layer="layer1.0.relu")
    own = nan[(nan.latent == "x") & (nan.layer == "layer1.0.relu") & nan.model_id.isin([model, "translation-1-"])].value
    assert (one.n, one["mean"]) == (5, pytest.approx(own.mean()))
