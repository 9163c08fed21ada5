"""What runs leave for people: after a training of several networks, an untrained one, one that goes on, a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import read_images
from mlspatial.registry import runs
from mlspatial.registry.store import client
from mlspatial.steps.score import ENTRY as SCORE
from mlspatial.steps.train import ENTRY as TRAIN

PICTURES = {"pictures/curves.png", "pictures/images.png", "pictures/predictions.png"}


def train(folder: Path, **given: Any) -> list[str]:
    small = {"dataset": str(folder), "batches": 2, "batch_size": 8, "device": "cpu", "workers": 1}
    made = TRAIN.run(**{**TRAIN.defaults, **small, **given})
    return [made] if isinstance(made, str) else made


def pictures(run: str) -> set[str]:
    return {item.path for item in client().list_artifacts(run, "pictures")}


def test_every_network_of_a_training_has_its_own_pages(registry: Path, small_dataset: Path) -> None:
    for run in train(small_dataset, task="translation|category", evaluations="1"):
        record = runs.get(run)
        assert pictures(run) == PICTURES
        table = pd.read_parquet(runs.local(run, "predictions.parquet"))
        assert list(table.image) == list(range(60)) and list(table)[:2] == ["image", "loss"]
        assert table.loss.mean() == pytest.approx(record.metrics["heldout/loss"], rel=1e-4)
        if record.cfg["task"] == "category":
            assert np.mean(table.category_true == table.category_predicted) == record.metrics["heldout/category/top1"]
            assert set(table.category_true) <= {"chair", "apple", "bottle"} and "x_true" not in table
        else:
            assert np.abs(table.x_error).mean() == pytest.approx(
                record.metrics["heldout/translation/x_mae_m"], rel=1e-4
            )
        assert Image.open(runs.local(run, "pictures/images.png")).width > 800


def test_an_untrained_network_has_predictions_and_no_curves(registry: Path, small_dataset: Path) -> None:
    (run,) = train(small_dataset, task="distance", batches=0)
    assert pictures(run) == PICTURES - {"pictures/curves.png"}
    assert len(pd.read_parquet(runs.local(run, "predictions.parquet"))) == 60


def test_a_training_that_goes_on_shows_all_of_its_curve(
    registry: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlspatial.compare import run_pages
    from mlspatial.train.loop import Network

    descend, drawn = Network.descend, run_pages.curves_figure
    seen: list[Any] = []

    def interrupted(network: Network, *arguments: Any) -> None:
        if network.step == 2:
            raise KeyboardInterrupt
        descend(network, *arguments)

    monkeypatch.setattr(Network, "descend", interrupted)
    monkeypatch.setattr(run_pages, "curves_figure", lambda history: seen.append(history) or drawn(history))
    with pytest.raises(KeyboardInterrupt):
        train(small_dataset, task="distance", batches=3, evaluations="0,1,2")
    assert not seen
    monkeypatch.setattr(Network, "descend", descend)
    (run,) = train(small_dataset, task="distance", batches=3, evaluations="0,1,2")
    assert runs.get(run).tags["mlspatial.resumed"] == "1" and sorted(seen[0]["heldout/loss"]) == [0, 1, 2, 3]
    assert pictures(run) == PICTURES


def test_a_run_is_not_lost_with_a_picture(
    registry: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlspatial.compare import run_pages
    from mlspatial.tasks import TASKS

    def broken(*_: Any) -> None:
        raise ValueError("no pen")

    monkeypatch.setattr(run_pages, "images_sheet", broken)
    (run,) = train(small_dataset, task="distance", seed=1)
    assert runs.get(run).status == "FINISHED" and pictures(run) == PICTURES - {"pictures/images.png"}
    said = capsys.readouterr().err
    assert "train distance seed 1: pictures for its page could not be made (ValueError: no pen)" in said
    monkeypatch.setattr(TASKS["distance"], "predictions", broken)
    (run,) = train(small_dataset, task="distance", seed=2)
    assert runs.get(run).status == "FINISHED" and pictures(run) == {"pictures/curves.png"}
    assert runs.get(run).model_id


def test_a_score_run_has_layers_and_a_summary(registry: Path, small_dataset: Path) -> None:
    (made,) = train(small_dataset, task="distance", batches=0)
    given = {"models": f"runs:/{made}/model", "benchmarks": "simulated_v1", "layers": "relu,avgpool", "device": "cpu"}
    (run,) = SCORE.run(**{**SCORE.defaults, **given})
    assert {"layers.png", "layers.svg", "summary.md"} <= {item.path for item in client().list_artifacts(run)}
    metrics, layer = runs.get(run).metrics, runs.get(run).tags["mlspatial.layer.simulated_v1"]
    text = runs.local(run, "summary.md").read_text()
    assert f"| {layer} | {metrics['simulated_v1/raw']:.3f} ±" in text
    assert f"**{metrics['simulated_v1/ceiled']:.3f}**" in text


def test_images_are_read_by_their_rows(small_dataset: Path) -> None:
    import pyarrow.parquet as pq

    manifest = Manifest.load(small_dataset)
    for split in ("train", "heldout"):
        parts = [pq.read_table(small_dataset / shard.file, columns=["image"]) for shard in manifest.shards(split)]
        every = [image for part in parts for image in part.column("image").to_pylist()]
        rows = [manifest.rows(split) - 1, 0, 30, 30]
        assert read_images(small_dataset, manifest, split, rows) == [every[row] for row in rows]
