"""The published statistics of Conwell et al. 2024 beside ours: which number answers which, and whether it comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.regression import RESAMPLES
from mlspatial.compare.fmri import Scored, run_ids, scored
from mlspatial.core.errors import UserError
from mlspatial.papers.conwell2024 import PAPER, VALUES, groupings, statistics
from mlspatial.papers.conwell2024.statistics import CONTRASTS, Found

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

NAN = float("nan")
Span = tuple[float, float]


@dataclass(frozen=True)
class Statement:
    """One printed number (or interval): part is value, interval or p; printed: as published; ours: the same of the
    evidence, as (value,) or (low, high), empty where it cannot be had; reproduced: to the printed precision, None
    where it cannot be had; reason: why not; resampled: whether the interval is a bootstrap's, see `reproduces`."""

    item: str
    metric: str
    part: str
    printed: tuple[str, ...]
    ours: tuple[float, ...]
    reproduced: bool | None
    reason: str
    resampled: bool
    runs: tuple[str, ...]


def statements(evidence: Evidence) -> list[Statement]:
    """Every published statistic, in the order of the file."""
    found = scored(evidence)
    known: dict[tuple[str, str], Found | None] = {}
    made = []
    for row in PAPER.rows(VALUES):
        key = row["item"], row["metric"]
        if key not in known:
            known[key] = _answer(evidence, found, *key)
        made += list(_compared(row, known[key]))
    return made


def reproduces(printed: str, ours: float, span: Span | None = None) -> bool:
    """Whether a number rounds to the printed one; "<.001" asks for less.

    span: of a bootstrap limit, between which values it falls 99 % of the time (resampling differs from one analysis
    to the next); the printed one must lie there, give or take half a printed unit.
    """
    if printed.startswith("<"):
        return ours < float(printed[1:])
    half = 0.5 * unit(printed) * (1 + 1e-9)
    low, high = (ours, ours) if span is None else (min(span[0], ours), max(span[1], ours))
    return low - half <= float(printed) <= high + half


def unit(printed: str) -> float:
    """The last printed digit's worth: .01 of 0.67, 1e-10 of .026e-7."""
    number, _, exponent = printed.lower().partition("e")
    digits = len(number.partition(".")[2])
    return float(10.0 ** (int(exponent or 0) - digits))


def _compared(row: dict[str, str], ours: Found | None) -> Iterator[Statement]:
    """The statements of a row of the file: value, interval, p."""
    parts: dict[str, tuple[tuple[str, ...], tuple[float, ...], tuple[Span | None, ...]]] = {}
    spans = ours.spans if ours else None
    got = ours or Found(NAN)
    if row["value"]:
        parts["value"] = (row["value"],), (got.estimate,), (None,)
    if row["low"]:
        parts["interval"] = (row["low"], row["high"]), (got.low, got.high), spans or (None, None)
    if row["p"]:
        parts["p"] = (row["p"],), (got.p,), (None,)
    for part, (printed, values, allowed) in parts.items():
        there = all(map(math.isfinite, values))
        fits = [reproduces(*item) for item in zip(printed, values, allowed, strict=True)] if there else []
        same = all(fits) if there else None
        remark = row["remark"] or ("" if there else f"needs {row['source']}")
        yield Statement(
            row["item"], row["metric"], part, printed, values if there else (), same, "" if same else remark,
            part == "interval" and spans is not None, got.runs,
        )  # fmt: skip


# ---- which number of ours ---------------------------------------------------------------------------------------


def _answer(evidence: Evidence, found: Scored, item: str, metric: str) -> Found | None:
    """Our number for a published item; None where the evidence lacks the networks."""
    networks = found.of(metric) if metric else found.networks
    if networks.empty:
        return None
    try:
        if item in CONTRASTS:
            made = CONTRASTS[item](found, networks, metric)
            return made[0][2] if made else None
        if item.startswith("similarity_"):
            return _similarity(evidence, networks, item.removeprefix("similarity_"), metric)
        return ITEMS[item](found, networks, metric)
    except UserError:
        return None


def _similarity(evidence: Evidence, networks: pd.DataFrame, what: str, metric: str) -> Found | None:
    """Over pairs of the networks before the first breakpoint under veRSA."""
    rows = statistics.ranked(networks.assign(score=networks.versa).dropna(subset=["score"]))
    bends = statistics.breakpoints(rows)
    top = rows if bends is None else rows[rows["rank"] <= math.floor(bends.breaks[0])]
    pairs = statistics.similarity_pairs(evidence, top, metric)
    values = pairs.value.to_numpy(float)
    if len(values) < 2:
        return None
    made = {"mean": values.mean(), "sd": values.std(ddof=1), "lowest": values.min(), "highest": values.max()}
    runs = tuple(dict.fromkeys([*run_ids(top), *pairs.run_id]))
    return Found(float(made[what]), n=len(top), runs=runs)


def _count(number: float, rows: pd.DataFrame) -> Found:
    return Found(float(number), n=len(rows), runs=run_ids(rows))


def _group_mean(name: str) -> Answer:
    def make(_: Scored, networks: pd.DataFrame, __: str) -> Found | None:
        rows = groupings.architectures(networks)
        rows = rows[rows.group == name]
        return statistics.mean_of_networks(rows) if len(rows) else None

    return make


def _one(choose: Callable[[pd.DataFrame], pd.DataFrame]) -> Answer:
    """Mean over subjects of a single network."""

    def make(found: Scored, networks: pd.DataFrame, metric: str) -> Found | None:
        rows = choose(networks)
        return statistics.mean_over_subjects(found, rows, metric) if len(rows) == 1 else None

    return make


def _goal(name: str) -> Answer:
    return _one(lambda networks: groupings.taskonomy(networks)[lambda rows: rows.goal == name])


def _t(found: Scored, networks: pd.DataFrame, metric: str) -> Found | None:
    made = CONTRASTS["class_object_less_resnet50"](found, networks, metric)
    return Found(made[0][2].t, p=made[0][2].p, n=made[0][2].n, runs=made[0][2].runs) if made else None


def _breakpoint(score: bool) -> Answer:
    def make(_: Scored, networks: pd.DataFrame, __: str) -> Found | None:
        rows = statistics.ranked(networks)
        bends = statistics.breakpoints(rows)
        if bends is None:
            return None
        at = float(bends.breaks[0])
        if score:  # of the last network before it
            return _count(rows.score[rows["rank"] <= at].min(), rows)
        return Found(at, float(bends.low[0]), float(bends.high[0]), n=len(rows), runs=run_ids(rows))

    return make


def _associated(fact: str, group: str) -> Answer:
    def make(_: Scored, networks: pd.DataFrame, __: str) -> Found | None:
        return statistics.association(statistics.groups_of(fact, networks)[group], fact)

    return make


def _number_of(fact: str, group: str) -> Answer:
    def make(_: Scored, networks: pd.DataFrame, __: str) -> Found | None:
        rows = statistics.groups_of(fact, networks)[group]
        rows = rows[rows[fact].notna()]
        return _count(len(rows), rows) if len(rows) else None

    return make


def _explainable(found: Scored, networks: pd.DataFrame, metric: str) -> Found | None:
    """(r / ceiling)^2 of the best network, mean over subjects where all networks have scores of single subjects."""
    data = found.by_subject(networks, metric)
    if data.subject.nunique() < 2:
        return _count((networks.score.max() / found.ceiling) ** 2, networks) if found.ceilings else None
    shares = np.square(data.score / data.subject.map(found.ceilings)).groupby(data.model_id).mean()
    return _count(shares.max(), networks)


def _pairs(_: Scored, networks: pd.DataFrame, __: str) -> Found | None:
    rows = groupings.imagenet_sizes(networks)
    return _count(len(rows) // 2, rows) if len(rows) else None


def _metrics(trained: bool) -> Answer:
    return lambda _, networks, __: statistics.metric_difference(networks[networks.trained] if trained else networks)


Answer = Callable[[Scored, "pd.DataFrame", str], Found | None]
DESIGNS = "trained, designs that differ"
ITEMS: dict[str, Answer] = {
    "noise_ceiling": lambda found, networks, _: (
        statistics.ceiling(found, run_ids(networks)) if found.ceilings else None
    ),
    "cnn_mean": _group_mean("CNN"),
    "transformer_mean": _group_mean("Transformer"),
    "goal_autoencoding": _goal("autoencoding"),
    "goal_class_object": _goal("class_object"),
    "class_object_less_resnet50_t": _t,
    "resnet50_supervised": _one(lambda networks: groupings.imagenet(networks)[lambda rows: rows.family == "resnet50"]),
    "barlow_twins": _one(lambda networks: networks[networks.goal.str.startswith("BarlowTwins")]),
    "in21k_pairs": _pairs,
    "versa_less_crsa_all": _metrics(trained=False),
    "versa_less_crsa_trained": _metrics(trained=True),
    "within_tenth_of_best": lambda _, networks, __: _count(len(statistics.near_best(networks)), networks),
    "first_breakpoint": _breakpoint(score=False),
    "score_at_breakpoint": _breakpoint(score=True),
    "dimensionality_all": _associated("effective_dimensionality", "all"),
    "dimensionality_trained": _associated("effective_dimensionality", "trained"),
    "dimensionality_random": _associated("effective_dimensionality", "untrained"),
    "accuracy": _associated("imagenet_top1", "trained"),
    "accuracy_networks": _number_of("imagenet_top1", "trained"),
    "parameters_trained": _associated("parameters", DESIGNS),
    "parameters_trained_networks": _number_of("parameters", DESIGNS),
    "parameters_random": _associated("parameters", "untrained"),
    "explainable_best": _explainable,
}
RESAMPLING = (
    f"Intervals of means and rank correlations are bootstrap percentiles of {RESAMPLES:,} resamples, which differ from "
    "one analysis to the next: a printed limit counts as reproduced where 99 % of such resamplings would put it, give "
    "or take half a printed unit."
)
