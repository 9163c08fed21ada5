"""What a person sees on the page of one run: a training's predictions, its worst and best images and its curves; the
layer curves of a score run, and what it says in a few lines. Arrays and tables in; figures, pictures and text out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.drawing import picture
from mlspatial.compare.grouping import layer_label
from mlspatial.compare.style import FAINT, INK, PARTS, SMALL, TEXT, panels, task_style, ticks, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from PIL import Image

SHOWN = 2000  # points of a scatter; of more, evenly spread ones
NAMED = 20  # classes whose names stand at a confusion matrix
WORST = 24  # images at either end
ACROSS, TILE, LINE, GAP, HEADING = 8, 112, 12, 4, 24  # images in a row; pixels
DOTS = 110  # an inch, of the pictures of a training: each run has three
TRUE, PREDICTED = "_true", "_predicted"
UNITS = {"x": "m", "y": "m", "z": "m", "rot_0": "°", "rot_1": "°", "rot_2": "°"}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933")  # Okabe & Ito 2008


def png(figure: Any, name: str) -> bytes:
    """A figure for a run's page."""
    return picture(figure, "png", name, dpi=DOTS)


# ---- a training -------------------------------------------------------------------------------------------------


def whole_table(kept: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """predictions.parquet: `image` (the row in the held-out split), `loss` and what else is kept of every image."""
    import pandas as pd

    return pd.DataFrame({"image": np.arange(len(kept["loss"])), **kept})


def targets(table: pd.DataFrame) -> list[str]:
    """The targets whose truth and prediction a table of predictions has, in its order."""
    names = [name.removesuffix(TRUE) for name in table if name.endswith(TRUE)]
    return [name for name in names if name + PREDICTED in table]


def predictions_figure(table: pd.DataFrame) -> Any:
    """Predicted against true of every number, the angle between true and predicted orientation, and a confusion matrix
    of every kind of class. table: as in predictions.parquet. None where it has nothing of these."""
    names = targets(table)
    drawn = [*names, *(["rotation_error"] if "rotation_error" in table else [])]
    if not drawn:
        return None
    figure, axes = _panels(len(drawn))
    for axis, name in zip(axes, drawn, strict=True):
        if name == "rotation_error":
            _angles(axis, table[name].to_numpy(float))
        elif table[name + TRUE].dtype == object:
            _confusion(axis, name, table[name + TRUE].to_numpy(), table[name + PREDICTED].to_numpy())
        else:
            _scatter(axis, name, table[name + TRUE].to_numpy(float), table[name + PREDICTED].to_numpy(float))
    return figure


def _panels(count: int) -> tuple[Any, list[Any]]:
    """Panels, at most four in a row, with room in fixed measures: finding it out would take half of the time."""
    columns = min(count, 4)
    rows = -(-count // columns)
    figure, axes = panels(count, columns, lettered=False, width=2.8, height=2.7)
    figure.set_layout_engine(None)
    wide, high = 2.8 * columns, 2.7 * rows
    left, right, bottom, top, beside, between = 0.75, 0.2, 0.7, 0.4, 0.8, 1.05  # inches
    inner = (
        (wide - left - right - beside * (columns - 1)) / columns,
        (high - bottom - top - between * (rows - 1)) / rows,
    )
    figure.subplots_adjust(
        left / wide, bottom / high, 1 - right / wide, 1 - top / high, beside / inner[0], between / inner[1]
    )
    return figure, axes


def _scatter(axis: Axes, name: str, true: np.ndarray, predicted: np.ndarray) -> None:
    kept = np.unique(np.linspace(0, len(true) - 1, min(SHOWN, len(true))).round().astype(int))
    task = "rotation" if name.startswith("rot_") else "distance" if name == "z" else "translation"
    axis.scatter(true[kept], predicted[kept], s=5, alpha=0.45, linewidths=0, color=task_style(task).colour)
    ends = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    axis.plot(ends, ends, color=FAINT, linewidth=0.8, zorder=0)
    unit = UNITS.get(name, "")
    if unit == "°":
        error = np.abs((predicted - true + 180) % 360 - 180)
        said = f"mean error {error.mean():.1f}°"
    else:
        said = f"R² {1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum():.3f}, "
        said += f"mean error {np.abs(predicted - true).mean():.2f} {unit}"
    tidy(axis, x=f"true ({unit})" if unit else "true", y="predicted", title=name)
    axis.text(0.5, 1.0, said, transform=axis.transAxes, fontsize=SMALL, ha="center", va="bottom", color=FAINT)
    axis.set_title(name, fontsize=TEXT + 1, color=INK, pad=14)


def _angles(axis: Axes, errors: np.ndarray) -> None:
    axis.hist(errors, bins=list(range(0, 181, 5)), color=task_style("rotation").colour, linewidth=0)
    axis.axvline(float(np.median(errors)), color=INK, linewidth=0.9, linestyle="--")
    tidy(axis, x="angle between true and predicted (°)", y="images")
    axis.set_xticks(range(0, 181, 45))
    axis.set_title("orientation", fontsize=TEXT + 1, color=INK, pad=14)
    axis.text(0.5, 1.0, f"median {np.median(errors):.1f}°", transform=axis.transAxes, fontsize=SMALL, ha="center",
              va="bottom", color=FAINT)  # fmt: skip


def confusion(true: np.ndarray, predicted: np.ndarray) -> tuple[list[str], np.ndarray]:
    """(names, (n, n) share of the images of each true class, a row, that were taken for each class)."""
    names, codes = np.unique(np.concatenate([true, predicted]).astype(str), return_inverse=True)
    rows, columns = codes[: len(true)], codes[len(true) :]
    counts = np.bincount(rows * len(names) + columns, minlength=len(names) ** 2).reshape(len(names), -1).astype(float)
    return [str(name) for name in names], counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _confusion(axis: Axes, name: str, true: np.ndarray, predicted: np.ndarray) -> None:
    names, shares = confusion(true, predicted)
    axis.imshow(shares, vmin=0, vmax=1, cmap="cividis", interpolation="nearest", aspect="auto")
    if len(names) <= NAMED:
        short = [text.split(",")[0][:10] for text in names]
        ticks(axis, short, slant=50)
        axis.set_yticks(range(len(names)), short, fontsize=SMALL)
    tidy(axis, x="predicted", y="true")
    axis.set_title(name, fontsize=TEXT + 1, color=INK, pad=14)
    axis.text(0.5, 1.0, f"{np.mean(true == predicted):.1%} right of {len(names)} classes", transform=axis.transAxes,
              fontsize=SMALL, ha="center", va="bottom", color=FAINT)  # fmt: skip


def worst_and_best(losses: np.ndarray, count: int = WORST) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the largest losses, the largest first; rows of the smallest, the smallest first), of no row both."""
    order = np.argsort(losses, kind="stable")
    best = order[: min(count, (len(order) + 1) // 2)]
    return order[::-1][: min(count, len(order) // 2)], best


def images_sheet(table: pd.DataFrame, images: Mapping[int, bytes], worst: np.ndarray, best: np.ndarray) -> Image.Image:
    """The images with the largest and the smallest losses, under each what was predicted and, behind a slash, what is
    true. images: row -> encoded image."""
    from PIL import Image, ImageDraw, ImageFont

    parts = [(f"The {len(rows)} {which} of {len(table)} held-out images by their loss: predicted / true", rows)
             for which, rows in (("worst", worst), ("best", best)) if len(rows)]  # fmt: skip
    lines = sum(-(-len(rows) // ACROSS) for _, rows in parts)
    words = [_said(row, targets(table)) for row in table.to_dict("records")] if len(table) <= 2 * WORST else None
    caption = LINE * (1 + len(targets(table))) + 2 * GAP  # loss, and a line a target
    size = ACROSS * (TILE + GAP), lines * (TILE + caption) + HEADING * len(parts)
    sheet, top = Image.new("RGB", size, "white"), 0
    draw, font, large = ImageDraw.Draw(sheet), ImageFont.load_default(10), ImageFont.load_default(13)
    for heading, rows in parts:
        draw.text((2, top + 4), heading, fill="black", font=large)
        top += HEADING
        for place, row in enumerate(rows):
            left, down = place % ACROSS * (TILE + GAP), top + place // ACROSS * (TILE + caption)
            one = Image.open(io.BytesIO(images[int(row)])).convert("RGB")
            sheet.paste(one.resize((TILE, TILE), Image.Resampling.LANCZOS), (left, down))
            text = words[row] if words else _said(table.iloc[row].to_dict(), targets(table))
            draw.multiline_text((left + 2, down + TILE + 1), text, fill="black", font=font, spacing=1)
        top += -(-len(rows) // ACROSS) * (TILE + caption)
    return sheet


def _said(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Loss, and predicted / true of every target."""
    lines = [f"loss {row['loss']:.3g}"]
    for name in names:
        predicted, true = row[name + PREDICTED], row[name + TRUE]
        if isinstance(true, str):
            lines.append(f"{predicted.split(',')[0][:9]} / {true.split(',')[0][:9]}")
        elif name in ("rot_0", "rot_1", "rot_2"):
            lines.append(f"{name} {predicted:+.0f} / {true:+.0f}")
        else:
            lines.append(f"{name} {predicted:+.2f} / {true:+.2f}")
    return "\n".join(lines)


def curves_figure(history: Mapping[str, Mapping[int, float]]) -> Any:
    """Losses over batches, of training images and held-out ones, then every further held-out metric.

    history: name of a metric (train/loss, heldout/...) -> batch -> value. None where nothing was trained.
    """
    losses = [name for name in history if name in ("train/loss", "heldout/loss")]
    metrics = [name for name in history if name.startswith("heldout/") and not name.endswith("loss")]
    kinds: dict[str, list[str]] = {}
    for name in metrics:
        kinds.setdefault(_kind(name), []).append(name)
    if not any(step for points in history.values() for step in points):
        return None
    figure, axes = _panels(bool(losses) + len(kinds))
    if losses:
        for name, colour in zip(("train/loss", "heldout/loss"), (FAINT, INK), strict=True):
            _line(axes[0], history.get(name, {}), colour, "training images" if name == "train/loss" else "held-out")
        tidy(axes[0], x="batches", y="loss", title="loss")
        values = [value for name in losses for value in history[name].values()]
        if min(values) > 0 and max(values) > 20 * min(values):
            axes[0].set_yscale("log")
        _key(axes[0])
    for axis, (kind, names) in zip(axes[bool(losses) :], kinds.items(), strict=True):
        for place, name in enumerate(names):
            _line(axis, history[name], COLOURS[place % len(COLOURS)], _label(name))
        tidy(axis, x="batches", y=kind, title="")
        _key(axis)
    return figure


def _kind(name: str) -> str:
    """What metrics that share an axis have in common."""
    end = name.rpartition("/")[2]
    if end.endswith("_deg"):
        return "held-out error (°)"
    if end.endswith("_m"):
        return "held-out error (m)"
    return (
        "held-out accuracy"
        if end.startswith("top")
        else "held-out R²"
        if re.fullmatch(r"(.*_)?r2", end)
        else "held-out " + end
    )


def _label(name: str) -> str:
    part, _, end = name.removeprefix("heldout/").partition("/")
    said = re.sub(r"_mae|_deg|_m$|_?r2$", "", end).replace("_", " ")
    return f"{PARTS.get(part, part)} {said}".strip()


def _line(axis: Axes, points: Mapping[int, float], colour: str, label: str) -> None:
    if points:
        steps, values = zip(*sorted(points.items()), strict=True)
        few = len(points) <= 12
        axis.plot(steps, values, color=colour, linewidth=1.1, marker="o" if few else "", markersize=3, label=label)


def _key(axis: Axes) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(
            fontsize=SMALL - 1, frameon=False, labelcolor=INK, handlelength=1.2, borderpad=0.2, labelspacing=0.2
        )


# ---- a score run ------------------------------------------------------------------------------------------------


def layers_figure(table: pd.DataFrame) -> Any:
    """A panel a region: raw score of every layer with its error, the ceiling as a broken line, the layer that counts
    ringed; a curve a benchmark. table: as in scores.json. None where no layer has a number."""
    own = table[_primary(table) & np.isfinite(table.raw.astype(float))]
    if own.empty:
        return None
    regions = list(dict.fromkeys(own.region))
    layers = {region: list(dict.fromkeys(own.layer[own.region == region])) for region in regions}
    longest = max(map(len, layers.values()))
    figure, axes = panels(len(regions), 3 if longest <= 16 else 1, lettered=False,
                          width=min(9.0, max(3.0, 0.3 * longest)), height=2.8)  # fmt: skip
    for axis, region in zip(axes, regions, strict=True):
        names = layers[region]
        here = own[own.region == region]
        for place, (benchmark, part) in enumerate(here.groupby("benchmark", sort=False)):
            colour = COLOURS[place % len(COLOURS)]
            where = np.array([names.index(layer) for layer in part.layer])
            axis.errorbar(where, part.raw.astype(float), part.error.astype(float), color=colour, marker="o",
                          markersize=3, linewidth=1.1, elinewidth=0.8, label=str(benchmark))  # fmt: skip
            best = part[part.committed.astype(bool)]
            axis.plot([names.index(layer) for layer in best.layer], best.raw.astype(float), marker="o", markersize=8,
                      markerfacecolor="none", markeredgecolor=colour, linestyle="none")  # fmt: skip
            ceilings = (best if len(best) else part).ceiling.astype(float)
            if np.isfinite(ceilings).any() and (ceilings < 1).any():
                axis.axhline(float(ceilings.mean()), color=colour, linewidth=0.9, linestyle="--")
        shown = max(1, -(-len(names) // 30))
        ticks(axis, [layer_label(str(name)) for name in names[::shown]], at=list(range(0, len(names), shown)))
        tidy(axis, y=", ".join(map(str, dict.fromkeys(here.metric))), title=str(region))
        axis.legend(fontsize=SMALL - 1, frameon=False, labelcolor=INK)
    return figure


def score_summary(table: pd.DataFrame, network: str) -> str:
    """Markdown: what a network scored at the layer that counts on every benchmark, and what a reader must know.

    table: as in scores.json; network: in words.
    """
    own = table[_primary(table)]
    best = own[own.committed.astype(bool)]
    lines = [f"# Scores of {_text(network)}", "", "| region | benchmark | layer | raw ± error | ceiling | ceiled |",
             "|---|---|---|---:|---:|---:|"]  # fmt: skip
    for row in best.itertuples():
        error = f" ± {row.error:.3f}" if row.error == row.error else ""
        lines.append(f"| {_text(row.region)} | {_text(row.benchmark)} | {_text(row.layer)} | {_number(row.raw)}{error} "
                     f"| {_number(row.ceiling)} | **{_number(row.ceiled)}** |")  # fmt: skip
    notes = []
    for (metric, formula), part in best.groupby(["metric", "formula"], sort=False):
        how = "as it is" if formula == "none" else str(formula)
        notes.append(
            f"{', '.join(_text(name) for name in part.benchmark)}: raw is {_text(metric)}; ceiled is {_text(how)}."
        )
    if "selection" in best:
        for words in dict.fromkeys(text for text in best.selection.dropna().astype(str) if text):
            notes.append(f"The layer: {_text(words)}.")
    others = [str(name) for name in dict.fromkeys(table.metric[~_primary(table)])]
    notes += [f"Also scored by {', '.join(map(_text, others))}: see scores.json."] if others else []
    lost = own[~np.isfinite(own.raw.astype(float))]
    notes += [f"{len(lost)} of {len(own)} layers have no number; scores.json says why."] if len(lost) else []
    notes.append(f"{own.layer.nunique()} layers were scored; layers.png shows all of them.")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def _primary(table: pd.DataFrame) -> Any:
    return table.primary.astype(bool) if "primary" in table else np.ones(len(table), bool)


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"


def _text(value: object) -> str:
    return re.sub(r"([|\\`*_<\[\]#])", r"\\\1", " ".join(str(value).split()))
