"""Pages of single runs: every picture shows what its table says, and the summary has its numbers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

from mlspatial.compare import run_pages as pages


def predictions(n: int = 90, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, rot = rng.normal(size=n), rng.uniform(-170, 170, n)
    names = np.array(["chair, seat", "apple", "bottle"], dtype=object)
    kinds = rng.integers(0, 3, n)
    wrong = np.where(rng.random(n) < 0.3, (kinds + 1) % 3, kinds)
    kept = {
        "loss": rng.random(n), "x_true": x, "x_predicted": x + 0.1 * rng.normal(size=n),
        "rot_0_true": rot, "rot_0_predicted": rot + 5, "rotation_error": rng.uniform(0, 90, n),
        "category_true": names[kinds], "category_predicted": names[wrong],
    }  # fmt: skip
    return pages.whole_table(kept)


def texts(figure: Any) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text")))


def test_every_target_has_its_panel_with_its_number() -> None:
    table = predictions()
    figure = pages.predictions_figure(table)
    drawn = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title() for axis in drawn] == ["x", "rot_0", "category", "orientation"]
    r2 = 1 - ((table.x_true - table.x_predicted) ** 2).sum() / ((table.x_true - table.x_true.mean()) ** 2).sum()
    words = texts(figure)
    assert f"R² {r2:.3f}" in words and "mean error 5.0°" in words
    assert f"{(table.category_true == table.category_predicted).mean():.1%} right of 3 classes" in words
    points = drawn[0].collections[0].get_offsets()
    assert np.allclose(points, table[["x_true", "x_predicted"]])
    assert sum(patch.get_height() for patch in drawn[3].patches) == len(table)


def test_a_confusion_matrix_is_scikit_learn_s() -> None:
    table = predictions()
    names, shares = pages.confusion(table.category_true.to_numpy(), table.category_predicted.to_numpy())
    wanted = confusion_matrix(table.category_true, table.category_predicted, labels=names, normalize="true")
    assert names == ["apple", "bottle", "chair, seat"] and np.allclose(shares, wanted)


def test_few_points_of_many_are_drawn_and_nothing_draws_nothing() -> None:
    figure = pages.predictions_figure(predictions(30_000)[["loss", "x_true", "x_predicted"]])
    assert len(figure.axes[0].collections[0].get_offsets()) == pages.SHOWN
    assert pages.predictions_figure(predictions()[["image", "loss"]]) is None


@pytest.mark.parametrize(("n", "worst", "best"), [(90, 24, 24), (30, 15, 15), (5, 2, 3), (1, 0, 1)])
def test_the_worst_and_the_best_are_those_of_the_losses(n: int, worst: int, best: int) -> None:
    losses = np.random.default_rng(1).random(n)
    low, high = pages.worst_and_best(losses)
    ranks = sorted(range(n), key=lambda row: losses[row])
    assert list(high) == ranks[:best] and list(low) == ranks[::-1][:worst]
    assert not set(low) & set(high)


@pytest.mark.parametrize("n", [90, 5, 1])
def test_the_sheet_shows_those_images(n: int) -> None:
    table = predictions(n)
    worst, best = pages.worst_and_best(table.loss.to_numpy())
    made = {}
    for row in (*worst, *best):
        target = io.BytesIO()
        Image.new("RGB", (32, 32), (int(row) + 100, 30, 60)).save(target, "png")
        made[int(row)] = target.getvalue()
    sheet = pages.images_sheet(table, made, worst, best)
    first = best[0] if not len(worst) else worst[0]
    assert sheet.getpixel((pages.TILE // 2, pages.HEADING + pages.TILE // 2)) == (int(first) + 100, 30, 60)
    reds = {pixel[0] for _, pixel in sheet.getcolors(1 << 24) if pixel[1:] == (30, 60)}
    assert reds == {int(row) + 100 for row in (*worst, *best)}


def test_curves_hold_what_was_logged() -> None:
    history = {
        "train/loss": {10: 2.0, 20: 1.0}, "heldout/loss": {0: 3.0, 20: 1.5}, "images_per_s": {10: 5.0},
        "heldout/translation/r2": {0: -0.1, 20: 0.6}, "heldout/category/top1": {0: 0.1, 20: 0.4},
    }  # fmt: skip
    figure = pages.curves_figure(history)
    lines = {line.get_label(): line.get_xydata().tolist() for axis in figure.axes for line in axis.lines}
    assert lines["training images"] == [[10, 2.0], [20, 1.0]] and lines["held-out"] == [[0, 3.0], [20, 1.5]]
    assert lines["Tra."] == [[0, -0.1], [20, 0.6]] and len(figure.axes) == 3
    assert pages.curves_figure({"heldout/loss": {0: 3.0}}) is None  # untrained
    assert pages.curves_figure({}) is None


def scores() -> pd.DataFrame:
    rows = [
        {"benchmark": benchmark, "region": region, "layer": layer, "committed": layer == "layer2", "metric": metric,
         "primary": metric == "pls25", "raw": raw, "ceiling": 0.8, "error": 0.01, "ceiled": raw**2 / 0.8,
         "formula": "r^2/c", "selection": "same images"}
        for benchmark, region in (("a_v4", "V4"), ("b|v4", "V4"), ("c_it", "IT"))
        for metric in ("pls25", "rsa")
        for layer, raw in (("layer1", 0.3), ("layer2", 0.5), ("layer3", np.nan))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_layers_are_drawn_with_their_errors_and_the_ceiling() -> None:
    figure = pages.layers_figure(scores())
    assert [axis.get_title() for axis in figure.axes if axis.axison] == ["V4", "IT"]
    panel = figure.axes[0]
    assert [line.get_ydata()[0] for line in panel.lines if line.get_linestyle() == "--"] == [0.8, 0.8]
    assert len(panel.containers) == 2  # benchmarks, with error bars
    bars = panel.containers[0].lines[2][0].get_segments()
    assert np.allclose([segment[:, 1] for segment in bars], [[0.29, 0.31], [0.49, 0.51]])
    assert pages.layers_figure(scores().assign(raw=np.nan)) is None


def test_a_summary_has_the_numbers_of_the_layer_that_counts() -> None:
    text = pages.score_summary(scores(), "resnet18.d.translation seed 0")
    lines = text.splitlines()
    assert lines[0] == "# Scores of resnet18.d.translation seed 0"
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert rows[0] == "| V4 | a\\_v4 | layer2 | 0.500 ± 0.010 | 0.800 | **0.312** |"
    assert rows[1].startswith("| V4 | b\\|v4 |") and len(rows) == 3
    assert "3 of 9 layers have no number" in text and "Also scored by rsa" in text
