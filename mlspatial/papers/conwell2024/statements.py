"""The published statistics of Conwell et al. 2024 beside ours: which number answers which, and whether it comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from mlspatial.analysis.regression import RESAMPLES
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import Scored, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.core.errors import UserError
from mlspatial.papers.conwell2024 import PAPER, VALUES, groupings, statistics
from mlspatial.papers.conwell2024.statistics import CONTRASTS, Found

NAN = float("nan")
Span = tuple[float, float]


@dataclass(frozen=True)
class Statement:
    """One printed number (or interval): part is value, interval or p; printed: as published; ours: the same of the
    evidence, as (value,) or (low, high), empty where it cannot be had; reproduced: to the printed precision, None
    where it cannot be had; reason: why not; resampled: whether the interval is a bootstrap's, see `reproduces`; spans:
    where 99 % of its resamplings put the two limits of such an interval."""

    item: str
    metric: str
    part: str
    printed: tuple[str, ...]
    ours: tuple[float, ...]
    reproduced: bool | None
    reason: str
    resampled: bool
    runs: tuple[str, ...]
    spans: tuple[Span, Span] | None = None


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
            part == "interval" and spans is not None, got.runs, spans if part == "interval" else None,
        )  # fmt: skip


# ---- which number of ours ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """networks: those with a score under the metric (all of them where metric is ""), with a column score."""

    evidence: Evidence
    found: Scored
    networks: pd.DataFrame
    metric: str


def _answer(evidence: Evidence, found: Scored, item: str, metric: str) -> Found | None:
    """Our number for a published item; None where the evidence lacks the networks."""
    case = Case(evidence, found, found.of(metric) if metric else found.networks, metric)
    if case.networks.empty:
        return None
    try:
        if item in CONTRASTS:
            made = statistics.contrast(found, item, metric)
            return made.published if made else None
        if item.startswith("similarity_"):
            return _similarity(case, item.removeprefix("similarity_"))
        return ITEMS[item](case)
    except UserError:
        return None


def _similarity(case: Case, what: str) -> Found | None:
    """Over pairs of the networks before the first breakpoint under veRSA."""
    top = statistics.before_break(case.networks)
    top = case.networks.dropna(subset=["versa"]) if top is None else top
    pairs = statistics.similarity_pairs(case.evidence, top, case.metric)
    values = pairs.value.to_numpy(float)
    if len(values) < 2:
        return None
    made = {"mean": values.mean(), "sd": values.std(ddof=1), "lowest": values.min(), "highest": values.max()}
    return Found(float(made[what]), n=len(top), runs=run_ids(top.runs, pairs.run_id.unique()))


def _number(number: float, rows: pd.DataFrame) -> Found:
    return Found(float(number), n=len(rows), runs=run_ids(rows.runs))


def _count(rows: pd.DataFrame, by: int = 1) -> Found | None:
    return _number(len(rows) // by, rows) if len(rows) else None


def _group_mean(case: Case, name: str) -> Found | None:
    rows = groupings.architectures(case.networks)
    rows = rows[rows.group == name]
    return statistics.mean_of_networks(rows) if len(rows) else None


def _one(case: Case, rows: pd.DataFrame) -> Found | None:
    """Mean over subjects of a single network."""
    return statistics.mean_over_subjects(case.found, rows, case.metric) if len(rows) == 1 else None


def _goal(case: Case, name: str) -> Found | None:
    return _one(case, groupings.taskonomy(case.networks)[lambda rows: rows.goal == name])


def _t(case: Case) -> Found | None:
    made = statistics.contrast(case.found, "class_object_less_resnet50", case.metric)
    return replace(made.published, estimate=made.published.t, low=NAN, high=NAN) if made else None


def _breakpoint(case: Case, *, score: bool = False) -> Found | None:
    """The rank where the slope first changes, or the score of the last network before it."""
    rows = statistics.ranked(case.networks)
    bends = statistics.breakpoints(rows)
    if bends is None:
        return None
    at = float(bends.breaks[0])
    if score:
        return _number(rows.score[rows["rank"] <= at].min(), rows)
    return replace(_number(at, rows), low=float(bends.low[0]), high=float(bends.high[0]))


def _associated(case: Case, fact: str, group: str) -> Found | None:
    return statistics.association(statistics.groups_of(fact, case.networks)[group], fact)


def _known(case: Case, fact: str, group: str) -> Found | None:
    return _count(statistics.groups_of(fact, case.networks)[group].dropna(subset=[fact]))


def _explainable(case: Case) -> Found | None:
    """(r / ceiling)^2 of the best network, mean over subjects where all networks have scores of single subjects."""
    networks, found = case.networks, case.found
    data = found.by_subject(networks, case.metric)
    if data.subject.nunique() < 2:
        return _number((networks.score.max() / found.ceiling) ** 2, networks) if found.ceilings else None
    shares = np.square(data.score / data.subject.map(found.ceilings)).groupby(data.model_id).mean()
    return _number(shares.max(), networks)


def _ceiling(case: Case) -> Found | None:
    return statistics.ceiling(case.found, run_ids(case.networks.runs)) if case.found.ceilings else None


def _resnet50(case: Case) -> Found | None:
    return _one(case, groupings.imagenet(case.networks)[lambda rows: rows.family == "resnet50"])


DIMENSIONALITY, DESIGNS = "effective_dimensionality", "trained, designs that differ"
ITEMS: dict[str, Callable[[Case], Found | None]] = {
    "noise_ceiling": _ceiling,
    "cnn_mean": partial(_group_mean, name="CNN"),
    "transformer_mean": partial(_group_mean, name="Transformer"),
    "goal_autoencoding": partial(_goal, name="autoencoding"),
    "goal_class_object": partial(_goal, name="class_object"),
    "class_object_less_resnet50_t": _t,
    "resnet50_supervised": _resnet50,
    "barlow_twins": lambda case: _one(case, case.networks[case.networks.goal.str.startswith("BarlowTwins")]),
    "in21k_pairs": lambda case: _count(groupings.imagenet_sizes(case.networks), by=2),
    "versa_less_crsa_all": lambda case: statistics.metric_difference(case.networks),
    "versa_less_crsa_trained": lambda case: statistics.metric_difference(case.networks[case.networks.trained]),
    "within_tenth_of_best": lambda case: _number(len(statistics.near_best(case.networks)), case.networks),
    "first_breakpoint": _breakpoint,
    "score_at_breakpoint": partial(_breakpoint, score=True),
    "dimensionality_all": partial(_associated, fact=DIMENSIONALITY, group="all"),
    "dimensionality_trained": partial(_associated, fact=DIMENSIONALITY, group="trained"),
    "dimensionality_random": partial(_associated, fact=DIMENSIONALITY, group="untrained"),
    "accuracy": partial(_associated, fact="imagenet_top1", group="trained"),
    "accuracy_networks": partial(_known, fact="imagenet_top1", group="trained"),
    "parameters_trained": partial(_associated, fact="parameters", group=DESIGNS),
    "parameters_trained_networks": partial(_known, fact="parameters", group=DESIGNS),
    "parameters_random": partial(_associated, fact="parameters", group="untrained"),
    "explainable_best": _explainable,
}
RESAMPLING = (
    f"Intervals of means and rank correlations are bootstrap percentiles of {RESAMPLES:,} resamples, which differ from "
    "one analysis to the next: a printed limit counts as reproduced where 99 % of such resamplings would put it, give "
    "or take half a printed unit."
)
