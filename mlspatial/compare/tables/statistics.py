"""How sure one can be: spatial conditions against category, and performance against alignment, region by region."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.contrasts import holm
from mlspatial.analysis.statistics import (
    RESAMPLES,
    Difference,
    bootstrap_difference,
    compare_means,
    mixed_model,
    partial_correlation,
)
from mlspatial.compare.conditions import known
from mlspatial.compare.evidence import REGIONS, Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.scores import MEAN, committed, formulas, region_scores, sources
from mlspatial.compare.selection import Conditions
from mlspatial.compare.style import TASKS, task_style
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.compare.words import ARCH_LABELS
from mlspatial.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.02  # of a score; category leads distance by .013 (ResNet-50) and .016 (ResNet-18), Xie et al. 2025
SEED = 0  # of the bootstrap
SPATIAL = tuple(name for name in TASKS if set(name.split("+")) <= {"distance", "translation", "rotation"})
FOLLOWED = (*SPATIAL, "category", "identity", "all")
ESTIMATE, P, P_HOLM, TOST = "estimate", "p", "p (Holm)", f"p (equivalent within {MARGIN:g})"
CAPTION = (
    "Differences: mean score over seeds of a spatial condition (or the mean over all of them) less that of category, "
    f"last checkpoints; interval: 95 % of {RESAMPLES} bootstrap resamples of seeds within conditions (seed {SEED}), "
    "too narrow where seeds are few; p: Welch's t test, corrected after Holm over all differences of this table; "
    f"equivalence: two one-sided t tests, margin {MARGIN:g}, not corrected. Partial r: of performance (negative "
    "held-out loss, standardised within task) and score over checkpoints and seeds, task held constant; interval from "
    "Fisher's z, p as if checkpoints were independent. Slope: score per SD of performance in the mixed model "
    "score ~ performance + task + (1 | training) by REML, Student's t with Satterthwaite's degrees of freedom; it "
    "allows for checkpoints that share a training. "
    "The neural mean needs V1, V2, V4 and IT. "
)


@TABLES.register("statistics")
def statistics(evidence: Evidence) -> Table:
    """Differences, equivalence, partial correlation and mixed model for every region and the neural mean."""
    networks = known(evidence.networks[evidence.networks.model_id.isin(evidence.scores.model_id)])
    archs = sorted(set(networks.arch))
    body: dict[str, dict[str, Cell]] = {}
    notes: list[str] = []
    for arch in archs:
        prefix = f"{ARCH_LABELS.get(arch, arch)}, " if len(archs) > 1 else ""
        mine = networks[networks.arch == arch]
        scored = region_scores(evidence, mine)
        notes += sources(evidence, mine)
        last = _chosen(mine, (*SPATIAL, "category"))
        followed = _chosen(mine[mine.loss.astype(float).notna()], FOLLOWED, checkpoints=True)
        for column in (*REGIONS, MEAN, "behavior"):
            part = scored[scored.column == column].dropna(subset=["value"])
            if part.model_id.isin(mine.model_id).any():
                name = f"{prefix}{'neural mean' if column == MEAN else column}"
                _differences(body, notes, name, last, part)
                _association(body, notes, name, followed, part)
    _correct(body)
    notes = list(dict.fromkeys(notes)) if body else ["Too few scored networks for any test."]
    columns = (ESTIMATE, P, P_HOLM, TOST)
    best = committed(evidence)
    caption = CAPTION + formulas(best[best.model_id.isin(networks.model_id)])
    title, counted = "Statistics of alignment", "networks of both sides (differences) or checkpoints"
    return Table("statistics", title, caption, columns, body, tuple(notes), "comparison", counted)


def _chosen(networks: pd.DataFrame, tasks: tuple[str, ...], *, checkpoints: bool = False) -> dict[str, pd.DataFrame]:
    """task -> the networks of its condition; those of which only a mean is known have no seeds and are left out."""
    pool = Conditions(networks, checkpoints=checkpoints)
    found = {task: pool.choose(task).networks for task in tasks}
    return {task: table for task, table in found.items() if table is not None and (table.seed.astype(float) >= 0).all()}


def _differences(
    body: dict[str, dict[str, Cell]], notes: list[str], name: str, chosen: dict[str, pd.DataFrame], scored: pd.DataFrame
) -> None:
    """Rows: every spatial condition less category, and all of them together."""
    seeds, runs = {}, {}
    for task, networks in chosen.items():
        part = scored[scored.model_id.isin(networks.model_id)]
        if len(part):
            seeds[task] = part.value.to_numpy(float)
            runs[task] = run_ids(part.runs)
    category = seeds.pop("category", None)
    if category is None or not seeds:
        return
    sides = {f"{task_style(task).label.lower()} less category": {task: values} for task, values in seeds.items()}
    if len(seeds) > 1:
        sides["all spatial conditions less category"] = seeds
    for said, first in sides.items():
        interval = bootstrap_difference(first, {"category": category}, np.random.default_rng([SEED, len(body)]))
        ids = run_ids(runs[task] for task in (*first, "category"))
        count = sum(map(len, first.values())) + len(category)
        cell = Cell(interval.estimate, NAN, ids, count, interval.low, interval.high)
        body[f"{name}: {said}"] = {ESTIMATE: cell, **_tested(first, category, cell, notes, name)}


def _tested(
    first: dict[str, np.ndarray], category: np.ndarray, cell: Cell, notes: list[str], name: str
) -> dict[str, Cell]:
    try:
        found: Difference = compare_means(first, {"category": category}, margin=MARGIN)
    except UserError as error:
        notes.append(f"{name}: not tested: {error}.")
        return {}
    blank = replace(cell, low=NAN, high=NAN, style="p")
    return {P: replace(blank, mean=found.p), TOST: replace(blank, mean=found.p_equivalent)}


def _association(
    body: dict[str, dict[str, Cell]], notes: list[str], name: str, chosen: dict[str, pd.DataFrame], scored: pd.DataFrame
) -> None:
    """Rows: partial correlation of performance and score given task, and the slope of the mixed model."""
    import pandas as pd

    parts = []
    for task, networks in chosen.items():
        part = networks[["model_id", "seed", "loss"]].merge(scored, on="model_id")
        loss = part.loss.astype(float)
        if len(part) > 1 and loss.std() > 0:
            training = task + " " + part.seed.astype(str)
            parts.append(part.assign(task=task, performance=-(loss - loss.mean()) / loss.std(), training=training))
    if not parts:
        return
    points = pd.concat(parts)
    score, performance = points.value.to_numpy(float), points.performance.to_numpy(float)
    runs = run_ids(points.runs)
    try:
        r = partial_correlation(performance, score, list(points.task))
        cell = Cell(r.r, NAN, runs, r.n, r.low, r.high)
        p = Cell(r.p, NAN, runs, r.n, style="p")
        body[f"{name}: partial r of performance given task"] = {ESTIMATE: cell, P: p}
        model = mixed_model(score, performance, list(points.task), list(points.training))
    except UserError as error:
        notes.append(f"{name}: {error}.")
        return
    cell = Cell(model.slope, NAN, runs, model.n, model.low, model.high)
    p = Cell(model.p, NAN, runs, model.n, style="p")
    body[f"{name}: slope of performance, mixed model"] = {ESTIMATE: cell, P: p}
    spread = (
        "no training has two checkpoints, so that intercepts cannot be told apart: least squares"
        if math.isnan(model.group_sd)
        else f"SD of intercepts {model.group_sd:.4f}"
    )
    notes.append(
        f"{name}: mixed model of {model.n} checkpoints of {model.groups} trainings, {spread}, residual SD "
        f"{model.residual_sd:.4f}, {model.df:.1f} degrees of freedom."
    )


def _correct(body: dict[str, dict[str, Cell]]) -> None:
    """Fill the column of corrected p values: the differences are one family."""
    tested = [name for name, cells in body.items() if TOST in cells]
    if tested:
        corrected = holm(np.array([body[name][P].mean for name in tested]))
        for name, p in zip(tested, corrected, strict=True):
            body[name][P_HOLM] = replace(body[name][P], mean=float(p))
