"""Findings about geometry: does what training changes, and what goes with alignment, hold here? Effects with intervals.

Each is judged at the last stage by a 95 % interval over seeds: it holds where the interval lies above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from mlspatial.compare.checks import Verdict, check
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.run_ids import Ids, run_ids
from mlspatial.compare.style import PARTS, task_style
from mlspatial.compare.tuned import TUNED
from mlspatial.compare.words import region_label
from mlspatial.papers.geometry import alignment
from mlspatial.papers.geometry.numbers import (
    FACTORISATION,
    INVARIANCE,
    NONE,
    OF_RESPONSES,
    READ_OUTS,
    Seen,
    above_zero,
    effect,
    per_network,
    seen,
    shares,
)

SPATIAL = ("distance", "translation", "rotation")
POSITION = ("x", "y")
FACTORS_OF = {"distance": ("z", "distance"), "translation": POSITION, "rotation": ("rot_0", "rot_1", "rot_2")}
FEWEST = 2  # seeds a condition

Sides = dict[str, np.ndarray]


@check("Spatial training raises the factorisation of an object's position over that of untrained networks.")
def spatial_factorises_position(evidence: Evidence) -> Verdict:
    """Factorisation (PCA) of x and y, networks trained on spatial latents alone less untrained ones."""
    found = seen(evidence)
    return _differ(found, _spatial(found), ["untrained"], FACTORISATION, POSITION)


@check("Networks trained on categories are more invariant to position than those trained on translation.")
def category_invariant_to_position(evidence: Evidence) -> Verdict:
    """Invariance to x and y, category-trained less translation-trained."""
    return _differ(seen(evidence), ["category"], ["translation"], INVARIANCE, POSITION)


@check("More units are tuned to position after training on translation than after training on categories.")
def translation_tunes_units(evidence: Evidence) -> Verdict:
    """Share of channels tuned to x and y, translation-trained less category-trained."""
    return _differ(seen(evidence), ["translation"], ["category"], TUNED, POSITION)


@check("What a spatial network is trained on makes a larger share of its variance than in untrained networks.")
def training_raises_own_factor(evidence: Evidence) -> Verdict:
    """Share of a factor's main effect in the variance within contexts, for each spatial task its own factors."""
    found = seen(evidence)
    rows = shares(found)
    rows = rows[(rows.layer == found.last) & (rows.measure == OF_RESPONSES) & rows.value.notna()]
    first: Sides = {}
    base: dict[str, pd.Series] = {}
    used: list[Ids] = []
    for task in SPATIAL:
        own = rows[rows.factor.isin(FACTORS_OF[task])]
        mine, other = (per_network(own[own.task == name]) for name in (task, "untrained"))
        if min(len(mine), len(other)) >= FEWEST:
            first[task], base[task] = mine.to_numpy(), other
            used.append(own.runs[own.task.isin([task, "untrained"])])
    both = pd.DataFrame(base).dropna().mean(axis=1).to_numpy()
    if not first or len(both) < FEWEST:
        return _few(found, [*SPATIAL, "untrained"])
    each = [
        f"{task_style(task).label} {effect({task: first[task]}, {'': base[task].to_numpy()}).text}" for task in first
    ]
    made = effect(first, {"untrained": both})
    return made.low > 0, "; ".join(each if len(each) == 1 else [f"mean {made.text}", *each]), run_ids(used)


@check("Factorisation rises from the first to the last stage of networks trained on categories.")
def factorisation_rises_with_depth(evidence: Evidence) -> Verdict:
    """Factorisation (PCA), mean over factors, last less first stage of the same network."""
    found = seen(evidence)
    stages = [layer for layer in found.layers if layer not in (PIXELS, *READ_OUTS)]
    rows = found.of(FACTORISATION)
    rows = rows[rows.task == "category"]
    if len(stages) < 2 or rows.model_id.nunique() < FEWEST:
        return _few(found, ["category"])
    ends = [per_network(rows[rows.layer == layer]) for layer in (stages[0], stages[-1])]
    change = (ends[1] - ends[0]).dropna().to_numpy()
    return _alone(found, change, run_ids(rows.runs), "category")


@check("Trained networks factorise more than the pixels of their images.")
def factorises_beyond_pixels(evidence: Evidence) -> Verdict:
    """Factorisation (PCA), mean over factors, of every trained network at its last stage less that of the pixels."""
    found = seen(evidence)
    rows = found.of(FACTORISATION)
    pixels = rows[rows.task == PIXELS]
    own = rows[~rows.task.isin([PIXELS, "untrained", "imagenet"]) & (rows.layer == found.last)]
    if pixels.empty or own.model_id.nunique() < FEWEST:
        return None, f"needs tuning runs of pixels and of {FEWEST} trained networks", ()
    return _alone(
        found, (per_network(own) - pixels.value.mean()).to_numpy(), run_ids(own.runs, pixels.runs), found.tasks[0]
    )


@check("Networks that factorise more are more aligned with brains (over conditions and seeds).")
def factorisers_are_aligned(evidence: Evidence) -> Verdict:
    """Pearson's r over networks of factorisation (PCA, mean over factors) with the ceiled score."""
    found = alignment.points(evidence)
    if not len(found.table):
        return None, found.why, ()
    rows = found.of(found.main, found.labels[-1], FACTORISATION)
    made = alignment.link(rows.value.to_numpy(), rows.score.to_numpy(), rows.condition.tolist())
    if not np.isfinite(made.low):
        needs = f"needs 4 networks of {alignment.FEWEST_CONDITIONS} conditions that are scored and asked with a design"
        return None, f"{needs}; there are {made.n} of {made.conditions}", ()
    where = f"{region_label(found.main)} at {found.where[found.main]}"
    return made.low > 0, f"{made.text()}, {made.conditions} conditions ({where})", run_ids(rows.run_ids)


def _spatial(found: Seen) -> list[str]:
    return [task for task in found.tasks if set(task.split("+")) <= set(SPATIAL) & set(PARTS)]


def _differ(found: Seen, first: Iterable[str], second: Iterable[str], measure: str, factors: Iterable[str]) -> Verdict:
    """Difference at the last stage between conditions; conditions with fewer than FEWEST seeds do not count."""
    rows = found.of(measure)
    rows = rows[(rows.layer == found.last) & rows.factor.isin(list(factors))]
    sides = [_sides(lambda task: per_network(rows[rows.task == task]).to_numpy(), names) for names in (first, second)]
    if not all(sides):
        return _few(found, [*first, *second] or [*SPATIAL, *second])
    made = effect(*sides)
    names = " less ".join(", ".join(task_style(task).label for task in side) for side in sides)
    return made.low > 0, f"{made.text}: {names}", run_ids(rows.runs[rows.task.isin([*sides[0], *sides[1]])])


def _sides(of: Callable[[str], np.ndarray], tasks: Iterable[str]) -> Sides:
    values = {task: of(task) for task in tasks}
    return {task: seeds for task, seeds in values.items() if len(seeds) >= FEWEST}


def _alone(found: Seen, values: np.ndarray, runs: tuple[str, ...], who: str) -> Verdict:
    """Whether a mean over networks is above 0."""
    if len(values) < FEWEST:
        return _few(found, [who])
    made = above_zero(values)
    return made.low > 0, made.text, runs


def _few(found: Seen, tasks: Iterable[str]) -> Verdict:
    """Which conditions have too few seeds."""
    if not found.tasks:
        return None, NONE, ()
    counts = found.networks.groupby("task").model_id.nunique().to_dict()
    said = ", ".join(f"{task_style(task).label} {counts.get(task, 0)}" for task in dict.fromkeys(tasks))
    return None, f"needs {FEWEST} seeds of each condition asked with the design's factors; there are: {said}", ()
