"""Findings about geometry: does what training changes, and what goes with alignment, hold here? Effects with intervals.

Each is judged at the last stage by a 95 % interval over seeds: it holds where the interval lies above 0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mlspatial.compare.checks import Verdict, check
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.run_ids import Ids, run_ids
from mlspatial.compare.style import PARTS, task_style
from mlspatial.compare.tuned import TUNED
from mlspatial.compare.words import region_label
from mlspatial.papers.geometry import alignment
from mlspatial.papers.geometry.carried import KEPT, carried
from mlspatial.papers.geometry.carried import NONE as NOT_CARRIED
from mlspatial.papers.geometry.numbers import (
    FACTORISATION,
    INVARIANCE,
    NONE,
    OF_RESPONSES,
    PAIR,
    READ_OUTS,
    Seen,
    above_zero,
    effect,
    per_network,
    seen,
    shared,
    shares,
)

SPATIAL = ("distance", "translation", "rotation")
POSITION = ("x", "y")
FACTORS_OF = {"distance": ("z", "distance"), "translation": POSITION, "rotation": ("rot_0", "rot_1", "rot_2")}
FEWEST = 2  # seeds a condition
NO_FACTOR = "no factor has a number in all networks that are compared"

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
    rows = rows[(rows.layer == found.last) & (rows.measure == OF_RESPONSES)]
    first: Sides = {}
    base: dict[str, pd.Series] = {}
    used: list[Ids] = []
    lost: list[str] = []
    for task in SPATIAL:
        own, left = shared(rows[rows.factor.isin(FACTORS_OF[task]) & rows.task.isin([task, "untrained"])])
        mine, other = (per_network(own[own.task == name]) for name in (task, "untrained"))
        if min(len(mine), len(other)) >= FEWEST:
            first[task], base[task] = mine.to_numpy(), other
            used.append(own.runs)
            lost.append(left)
    both = pd.DataFrame(base).dropna().mean(axis=1).to_numpy()
    if not first or len(both) < FEWEST:
        return _few(found, [*SPATIAL, "untrained"])
    each = [
        f"{task_style(task).label} {effect({task: first[task]}, {'': base[task].to_numpy()}).text}" for task in first
    ]
    made = effect(first, {"untrained": both})
    said = [*(each if len(each) == 1 else [f"mean {made.text}", *each]), *filter(None, lost)]
    return made.low > 0, "; ".join(said), run_ids(used)


@check("Factorisation rises from the first to the last stage of networks trained on categories.")
def factorisation_rises_with_depth(evidence: Evidence) -> Verdict:
    """Factorisation (PCA), last less first stage of the same network and factor, mean over factors."""
    found = seen(evidence)
    stages = [layer for layer in found.layers if layer not in (PIXELS, *READ_OUTS)]
    rows = found.of(FACTORISATION)
    rows = rows[rows.task == "category"]
    if len(stages) < 2 or rows.model_id.nunique() < FEWEST:
        return _few(found, ["category"])
    first, last = (rows[rows.layer == layer].set_index(["model_id", *PAIR]) for layer in (stages[0], stages[-1]))
    rise = (last.value - first.value).dropna()
    change = rise.groupby("model_id").mean().to_numpy()
    if len(change) < FEWEST:
        return _few(found, ["category"])
    made = above_zero({"": change})
    both = rise.reset_index().merge(rows[["model_id", *PAIR, "label"]].drop_duplicates(), on=["model_id", *PAIR])
    asked = found.rows[(found.rows.measure == FACTORISATION) & (found.rows.task == "category")]
    left = _lost(asked[asked.model_id.isin(rows.model_id)], both)
    return made.low > 0, "; ".join(filter(None, [made.text, left])), run_ids(rows.runs)


@check("Trained networks factorise more than the pixels of their images.")
def factorises_beyond_pixels(evidence: Evidence) -> Verdict:
    """Factorisation (PCA) of every trained network at its last stage less that of the pixels, factor by factor.

    Mean over factors; conditions count the same, those with fewer than FEWEST seeds not.
    """
    found = seen(evidence)
    rows = found.rows[found.rows.measure == FACTORISATION]
    pixels = rows[rows.task == PIXELS]
    own = rows[~rows.task.isin([PIXELS, "untrained", "imagenet"]) & (rows.layer == found.last)]
    seeds = _seeds(own)
    own = own[own.task.isin(seeds.index[seeds >= FEWEST])]
    if not np.isfinite(pixels.value.astype(float)).any() or own.empty:
        return None, f"needs tuning runs of pixels and of {FEWEST} seeds of a trained condition", ()
    same, left = shared(pd.concat([own, pixels]))
    if same.empty:
        return None, f"{NO_FACTOR}; {left}", ()
    base = same[same.task == PIXELS].set_index(PAIR).value
    own = same[same.task != PIXELS]
    own = own.assign(value=own.value.to_numpy() - base.reindex(pd.MultiIndex.from_frame(own[PAIR])).to_numpy())
    made = above_zero({str(task): per_network(part).to_numpy() for task, part in own.groupby("task")})
    return made.low > 0, "; ".join(filter(None, [made.text, left])), run_ids(own.runs, pixels.runs)


@check("Networks that factorise more are more aligned with brains (over conditions and seeds).")
def factorisers_are_aligned(evidence: Evidence) -> Verdict:
    """Pearson's r over networks of factorisation (PCA, mean over factors) with the ceiled score."""
    found = alignment.points(evidence)
    if not len(found.table):
        return None, found.why, ()
    label = found.labels[0] if len(found.labels) == 1 else alignment.EVERY
    rows, left = found.of(found.main, label, FACTORISATION), found.left.get((found.main, FACTORISATION), "")
    if rows.empty:
        return None, "; ".join(filter(None, [NO_FACTOR, left])), ()
    made = alignment.link(rows.value.to_numpy(), rows.score.to_numpy(), rows.condition.tolist())
    if not np.isfinite(made.low):
        needs = f"needs 4 networks of {alignment.FEWEST_CONDITIONS} conditions that are scored and asked with a design"
        return None, f"{needs}; there are {made.n} of {made.conditions}", ()
    where = f"{region_label(found.main)} at {found.where[found.main]}"
    said = f"{made.text()}, {made.conditions} conditions ({where})"
    return made.low > 0, "; ".join(filter(None, [said, left])), run_ids(rows.run_ids)


@check("Read-outs of position carry over to unseen categories better in spatially than in category-trained networks.")
def spatial_position_carries_over(evidence: Evidence) -> Verdict:
    """Share of the read-out of x and y that is kept with categories left out, spatial less category training."""
    return _carry(evidence, None, ["category"])


@check("Training on positions makes read-outs of position carry over to unseen categories (over untrained networks).")
def training_carries_position_over(evidence: Evidence) -> Verdict:
    """Share of the read-out of x and y that is kept with categories left out, translation-trained less untrained."""
    return _carry(evidence, ["translation"], ["untrained"])


def _carry(evidence: Evidence, first: list[str] | None, second: list[str]) -> Verdict:
    found = carried(evidence, "category")
    if not found.tasks:
        return None, NOT_CARRIED, ()
    return _differ(found, _spatial(found) if first is None else first, second, KEPT, POSITION)


def _spatial(found: Seen) -> list[str]:
    return [task for task in found.tasks if set(task.split("+")) <= set(SPATIAL) & set(PARTS)]


def _differ(found: Seen, first: Iterable[str], second: Iterable[str], measure: str, factors: Iterable[str]) -> Verdict:
    """Difference at the last stage between conditions, mean over the factors that all their networks have a number of;
    conditions with fewer than FEWEST seeds do not count."""
    rows = found.rows[(found.rows.measure == measure) & (found.rows.layer == found.last)]
    rows = rows[rows.factor.isin(list(factors))]
    seeds = _seeds(rows)
    tasks = [[task for task in names if seeds.get(task, 0) >= FEWEST] for names in (first, second)]
    if not all(tasks):
        return _few(found, [*first, *second] or [*SPATIAL, *second], seeds)
    rows, left = shared(rows[rows.task.isin([*tasks[0], *tasks[1]])])
    if rows.empty:
        return None, f"{NO_FACTOR}; {left}", ()
    made = effect(*({task: per_network(rows[rows.task == task]).to_numpy() for task in side} for side in tasks))
    names = " less ".join(", ".join(task_style(task).label for task in side) for side in tasks)
    return made.low > 0, "; ".join(filter(None, [f"{made.text}: {names}", left])), run_ids(rows.runs)


def _seeds(rows: pd.DataFrame) -> pd.Series:
    """task -> networks that have a number."""
    return rows[np.isfinite(rows.value.astype(float))].groupby("task").model_id.nunique()


def _lost(rows: pd.DataFrame, kept: pd.DataFrame) -> str:
    """In words, factors of rows that are not kept in some network."""
    there = kept.groupby("label").model_id.nunique()
    total = rows.model_id.nunique()
    few = {label: total - int(there.get(label, 0)) for label in dict.fromkeys(rows.label)}
    left = ", ".join(f"{label} (not at both stages of {n} of {total})" for label, n in few.items() if n)
    return f"left out: {left}" if left else ""


def _few(found: Seen, tasks: Iterable[str], numbers: pd.Series | None = None) -> Verdict:
    """Which conditions have too few seeds. numbers: of how many there is a number, where that may be fewer."""
    if not found.tasks:
        return None, NONE, ()
    counts = found.networks.groupby("task").model_id.nunique().to_dict()
    said = []
    for task in dict.fromkeys(tasks):
        asked = counts.get(task, 0)
        own = asked if numbers is None else int(numbers.get(task, 0))
        said.append(f"{task_style(task).label} {asked}" + (f" ({own} with a number)" if own < asked else ""))
    return (
        None,
        f"needs {FEWEST} seeds of each condition asked with the design's factors; there are: {', '.join(said)}",
        (),
    )
