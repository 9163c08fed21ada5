"""Non-target variability and similarity to networks trained on that latent (Xie et al. 2025, figure D.4)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.compare.curves import caps
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import FULL, Chosen, Similarities, choose, group_pairs, in_words, similarities, toward
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import drop, sheet, task_style, tidy
from mlspatial.papers.xie2025 import variability

#: what is reduced (and the task of the networks compared with) -> the published tasks
PARTS = {
    "translation": ("distance", "rotation", "category"),
    "category": ("distance", "translation", "rotation"),
}
TITLE = "Similarity to networks trained on the latent that varies"
COLUMNS = ["reference", "task", "variability", "layer", "mean", "sd", "pairs", "over_stimuli", "run_ids"]


@FIGURES.register("figure_d4")
def figure_d4(evidence: Evidence) -> Drawing:
    """Two rows, to translation- and to category-trained networks; a panel a task, full against reduced variability."""
    found = similarities(evidence)
    parts, missing, notes = [], [], list(found.notes)
    for kind, published in PARTS.items():
        chosen = choose(evidence, found.ids, reduced=kind)
        tasks = variability.shown_tasks(chosen, published)
        table = to_reference(found, chosen, kind, tasks)
        parts.append(table)
        to = f" (similarity to {in_words(kind)} networks)"
        missing += [text + to for text in variability.absent(table, published, kind)]
        notes += variability.notes(chosen, kind)
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    figure, runs = _draw(found, table) if len(table) else None, run_ids(table.run_ids)
    said = tuple(missing), tuple(dict.fromkeys(notes))
    return Drawing("figure_d4", TITLE, _caption(found, table), figure, table, runs, *said)


def to_reference(found: Similarities, chosen: Chosen, kind: str, tasks: list[str]) -> pd.DataFrame:
    """Similarity of full and reduced networks of the tasks to networks trained on `kind` with full variability."""
    reference = f"{kind}, {FULL}"
    own = chosen.networks[chosen.networks.task.isin([*tasks, kind])]
    pairs = toward(group_pairs(found.pairs, own), reference)
    names = own.drop_duplicates("group").set_index("group")[["task", "variability"]]
    table = pairs[pairs.group != reference].join(names, on="group").assign(reference=kind)
    return table[table.task.isin(tasks)][COLUMNS]


def _draw(found: Similarities, table: pd.DataFrame) -> Any:
    kinds = list(dict.fromkeys(table.reference))
    tasks = {kind: list(dict.fromkeys(table.task[table.reference == kind])) for kind in kinds}
    columns = max(map(len, tasks.values()))
    layers = [layer for layer in found.layers if layer in set(table.layer)]
    figure, axes = sheet(len(kinds), columns, width=2.35 if columns > 1 else 4.0, height=2.3, sharey="row")
    for row, kind in enumerate(kinds):
        drop(axes[row, len(tasks[kind]) :])
        for axis, task in zip(axes[row], tasks[kind], strict=False):
            own = table[(table.reference == kind) & (table.task == task)]
            variability.panel(axis, layers, own, task)
        tidy(axes[row, 0], y=f"{found.label} to\n{in_words(kind)} networks")
        if len(kinds) > 1:
            tidy(axes[row, 0], letter="ab"[row])
    variability.legend(figure, axes[0, 0], table.variability, variability.words_of("non-target"))
    return figure


def _caption(found: Similarities, table: pd.DataFrame) -> str:
    text = (
        f"{found.label} to networks trained on a latent (translation, category), of networks trained on other targets "
        "while that latent varied fully or less; mean ± SD over pairs of networks." + caps(table)
    )
    last = [layer for layer in found.layers if layer in set(table.layer)][-1:]
    for (reference, task), part in table.groupby(["reference", "task"], sort=False):
        for layer in last:
            text += variability.difference_at(part, layer, f"{task_style(task).label} to {in_words(reference)}")
    return text
