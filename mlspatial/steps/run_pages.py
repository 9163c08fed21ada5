"""What train and score leave for people on a run's page; nothing of it decides or holds a result.

Where a picture cannot be drawn, a line says so and the run goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.manifest import Manifest
from mlspatial.core.progress import say
from mlspatial.registry import read
from mlspatial.registry.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PREDICTIONS, PICTURES = "predictions.parquet", "pictures"
SUMMARY, LAYERS = "summary.md", "layers"
History = Mapping[str, Mapping[int, float]]


def train_pages(
    run: Run,
    name: str,
    predictions: Callable[[], Mapping[str, np.ndarray]],
    folder: Path,
    manifest: Manifest,
    history: Callable[[], History],
) -> None:
    """Of a training: predictions.parquet (a row a held-out image), pictures/{predictions,images,curves}.png.

    name: of the network, for warnings; predictions: what `Task.predictions` gives; folder, manifest: of the dataset;
    history: metric -> (batch, value).
    """

    def write(target: Path) -> None:
        from mlspatial.compare.run_pages import whole_table

        made.append(whole_table(predictions()))
        made[0].to_parquet(target / PREDICTIONS, index=False)

    def draw(target: Path) -> None:
        from mlspatial.compare.run_pages import png, predictions_figure

        if figure := predictions_figure(made[0]):
            (target / "predictions.png").write_bytes(png(figure, "predictions"))

    def show(target: Path) -> None:
        from mlspatial.compare.run_pages import images_sheet, worst_and_best
        from mlspatial.data.clips import shown_row
        from mlspatial.data.shards import read_images
        from mlspatial.render.truth import COMPRESSION

        worst, best = worst_and_best(made[0].loss.to_numpy())
        rows = [int(row) for row in (*worst, *best)]
        stored = [shown_row(manifest, row) for row in rows]
        images = dict(zip(rows, read_images(folder, manifest, "heldout", stored), strict=True))
        images_sheet(made[0], images, worst, best).save(target / "images.png", compress_level=COMPRESSION)

    def follow(target: Path) -> None:
        from mlspatial.compare.run_pages import curves_figure, png

        if figure := curves_figure(history()):
            (target / "curves.png").write_bytes(png(figure, "curves"))

    made: list[pd.DataFrame] = []
    _leave(run, f"train {name}", write)
    for make in (draw, show) if made else ():
        _leave(run, f"train {name}", make, PICTURES)
    _leave(run, f"train {name}", follow, PICTURES)


def score_pages(run: Run, name: str, table: pd.DataFrame) -> None:
    """Of a score run: layers.png and layers.svg, a curve over layers for every region, and summary.md.

    name: of the network in words; table: as in scores.json.
    """

    def write(target: Path) -> None:
        from mlspatial.compare.run_pages import score_summary

        (target / SUMMARY).write_text(score_summary(table, name), encoding="utf-8")

    def draw(target: Path) -> None:
        from mlspatial.compare.plots import save
        from mlspatial.compare.run_pages import layers_figure

        if figure := layers_figure(table):
            save(figure, target, LAYERS)

    for make in (write, draw):
        _leave(run, f"score {name}", make)


def logged_before(run: Run) -> dict[str, dict[int, float]]:
    """What a run that goes on has logged of losses and held-out metrics: metric -> batch -> value."""
    run.flush()
    names = [name for name in run.logged() if name == "train/loss" or name.startswith("heldout/")]
    found: dict[str, dict[int, float]] = {}
    for row in read.histories([run.id], names).itertuples():
        found.setdefault(str(row.metric), {})[int(row.step)] = float(row.value)
    return found


def _leave(run: Run, what: str, make: Callable[[Path], None], place: str | None = None) -> None:
    """Have files made in a folder, and log them to a place in the run; none of them where that fails."""
    with tempfile.TemporaryDirectory(prefix="mlspatial-") as folder:
        try:
            make(Path(folder))
        except Exception as error:  # a picture is not worth a run
            reason = f"{type(error).__name__}: {error}"
            say(f"{what}: {place or 'a file'} for its page could not be made ({reason}); nothing else is lost")
            return
        for file in sorted(Path(folder).iterdir()):
            run.log_file(file, place)
