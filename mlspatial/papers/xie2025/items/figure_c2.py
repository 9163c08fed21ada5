"""Figure C.2: neural alignment against the number of training images, task by task."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.compare.conditions import REFERENCES, last
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import full_categories
from mlspatial.compare.selection import Chosen, absent, choose, error_words, errors, runs_of, summary
from mlspatial.compare.style import legend, ordered, sheet, task_style, tidy
from mlspatial.compare.words import batches_text, mean_text

ARCH = "resnet50"  # Xie et al. 2025, appendix B.1
PUBLISHED = ("distance", "translation", "rotation", "category", "all")
TITLE = "Neural alignment and the number of training images"
COLUMNS = ["task", "label", "dataset", "n_train", "fraction", "mean", "sd", "n", "error", "run_ids"]
NEURAL = "neural_mean"
ENOUGH = 2  # sizes of one dataset that make a curve
TRAINING = ["settings", "init", "imported", "averaged"]


@FIGURES.register("figure_c2")
def figure_c2(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure C.2."""
    chosen = choose(evidence, ARCH)
    rows, notes = _sizes(chosen)
    if rows.empty:
        caption = "No network with a neural score has a known number of training images."
        return Drawing.empty("figure_c2", TITLE, caption, COLUMNS, absent(PUBLISHED, ()))
    tasks = ordered(rows.task)
    groups = [(task, part) for task in tasks for _, part in rows[rows.task == task].groupby("n_train")]
    facts = [part.iloc[0][["task", "dataset", "n_train", "fraction"]].to_dict() for _, part in groups]
    labels = [
        {"label": task_style(task).label, **summary(part, NEURAL), "error": errors(part, NEURAL).median()}
        for task, part in groups
    ]
    data = pd.DataFrame([first | second for first, second in zip(facts, labels, strict=True)], columns=COLUMNS)
    sizes = sorted(set(data.n_train))
    span = " to ".join(batches_text(size) for size in dict.fromkeys([sizes[0], sizes[-1]]))
    caption = (
        f"Alignment of {chosen.label} networks ({chosen.mean_words}) against the number of images in their training "
        f"set, {span}. Mean and one SD over seeds (n − 1).{error_words(data.error, 'Not drawn:')} {_words(data, tasks)}"
    )
    missing = absent(PUBLISHED, tasks)
    if len(sizes) == 1:
        missing.append("Other numbers of training images")
    shared = [note for note in chosen.notes if not note.startswith("Networks trained on")]
    figure = _draw(chosen, data, tasks)
    return Drawing("figure_c2", TITLE, caption, figure, data, runs_of(rows), missing, [*shared, *notes])


def _sizes(chosen: Chosen) -> tuple[pd.DataFrame, list[str]]:
    """Last checkpoints of one way of training, full variability; parts of one dataset where it has enough sizes, else
    of each size the dataset with the most networks."""
    table = chosen.table
    most = full_categories(table[~table.task.isin(REFERENCES)])
    rows = table[~table.task.isin(REFERENCES) & (table.translation != "none") & table.n_train.notna()]
    rows = last(rows[rows.neural_mean.notna() & ((rows.n_categories == most) | rows.n_categories.isna())])
    if rows.empty:
        return rows, []
    ways = [part for _, part in rows.groupby(TRAINING, dropna=False)]
    whole = max(ways, key=lambda part: (part.n_train.nunique(), len(part)))
    sets = [part for _, part in whole.groupby("dataset_id", dropna=False)]
    best = max(sets, key=lambda part: (part.n_train.nunique(), len(part)))
    if best.n_train.nunique() >= ENOUGH:
        note = (
            f"Parts of {best.dataset.iloc[0]}; {len(rows) - len(best)} networks of other datasets or settings left out."
        )
        return best, [note] if len(best) < len(rows) else []
    counts = whole.groupby(["n_train", "dataset_id"]).size().sort_values(kind="stable")
    largest = dict(list(counts.index))
    whole = whole[[largest[size] == dataset for size, dataset in zip(whole.n_train, whole.dataset_id, strict=True)]]
    return whole, [f"Each number of images is a dataset of its own: {', '.join(dict.fromkeys(whole.dataset))}."]


def _words(data: pd.DataFrame, tasks: list[str]) -> str:
    ends = []
    for task in tasks:
        part = data[data.task == task].sort_values("n_train")
        points = part.iloc[[0, -1]] if len(part) > 1 else part
        values = " to ".join(mean_text(m, s) for m, s in zip(points["mean"], points.sd, strict=True))
        ends.append(f"{task_style(task).label} {values} (n = {', '.join(str(n) for n in dict.fromkeys(part.n))})")
    head = "From the fewest to the most images: " if data.n_train.nunique() > 1 else ""
    return head + "; ".join(ends) + "."


def _draw(chosen: Chosen, data: pd.DataFrame, tasks: list[str]) -> Any:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, grid = sheet(1, 1, width=5.6, height=3.1)
    axis = grid[0, 0]
    axis.set_xscale("log")
    for place, task in enumerate(tasks):
        part, look = data[data.task == task].sort_values("n_train"), task_style(task)
        shift = 1.03 ** (place - (len(tasks) - 1) / 2)  # side by side, as bars would hide each other
        axis.errorbar(
            part.n_train * shift, part["mean"], part.sd, color=look.colour, marker=look.marker, markersize=4.5,
            linewidth=1.1, elinewidth=0.9, capsize=2, label=look.label,
        )  # fmt: skip
    axis.set_xlim(data.n_train.min() / 2, data.n_train.max() * 2)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: batches_text(value)))
    axis.xaxis.set_minor_formatter(NullFormatter())
    if data.n_train.nunique() == 1:
        axis.set_xticks(sorted(set(data.n_train)))
        axis.minorticks_off()
    tidy(axis, x="Training images", y=chosen.mean_label, title=f"{chosen.label} networks")
    legend(axis, loc="center left", bbox_to_anchor=(1.01, 0.5), title="Training task", title_fontsize=7)
    return figure
