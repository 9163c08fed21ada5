"""Statistics of networks scored on fMRI responses: contrasts, means, associations with facts, breakpoints, geometry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from mlspatial.analysis.regression import (
    Paired,
    Segments,
    Term,
    limit_spans,
    linear,
    mean_draws,
    mixed,
    paired_t,
    segmented,
    spearman,
    spearman_draws,
)
from mlspatial.analysis.statistics import Difference, compare_means
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, Scored
from mlspatial.compare.grouping import complete, square
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.table import NAN, Cell
from mlspatial.core.errors import UserError
from mlspatial.papers.conwell2024 import groupings

SEED = 0  # of every bootstrap
DRAWS = 20_000  # resamples of means, to tell how far the limits of 1,000 resamples vary
RANK_DRAWS = 4_000  # the same of rank correlations
NEAR = 0.1  # of the best score, Conwell et al. 2024
Spans = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Found:
    """estimate with interval, t and two-sided p where there are such; n: networks (or pairs) behind it; how: in words.

    spans: where the two limits of a bootstrap interval of 1,000 resamples fall 99 % of the time; None of intervals
    that follow from a formula.
    """

    estimate: float
    low: float = NAN
    high: float = NAN
    p: float = NAN
    t: float = NAN
    n: int = 0
    runs: tuple[str, ...] = ()
    how: str = ""
    spans: Spans | None = None

    @property
    def cell(self) -> Cell:
        """The estimate with its interval, for a table."""
        return Cell(self.estimate, NAN, self.runs, self.n, self.low, self.high)

    @property
    def p_cell(self) -> Cell:
        """The p value, for a table."""
        return Cell(self.p, NAN, self.runs, self.n, style="p")


@dataclass(frozen=True)
class Contrast:
    """published: by the paper's own analysis, in which every network x subject is a point; units: with networks (or
    pairs of them) as the points, None where there are too few; how both were made is said in each."""

    id: str
    title: str
    metric: str
    published: Found
    units: Found | None


# ---- contrasts --------------------------------------------------------------------------------------------------

Both = tuple[Found, Found | None]  # the published analysis, and the one with networks as the points


def contrast(found: Scored, id: str, metric: str) -> Contrast | None:
    """A contrast under one metric; None where one of its sides was not scored."""
    title, choose, analyse, first, second = CONTRASTS[id]
    rows = choose(found.of(metric))
    if not {first, second} <= set(rows.group):
        return None
    try:
        return Contrast(id, title, metric, *analyse(found, rows, first, second, metric))
    except UserError:
        return None  # too few networks of one side


def contrasts(found: Scored) -> list[Contrast]:
    """Every contrast that the networks allow, under each metric."""
    made = (contrast(found, id, metric) for metric in METRICS for id in CONTRASTS)
    return [one for one in made if one]


def _groups(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Both:
    rows = rows[rows.group.isin([first, second])]
    term = _linear(found, rows, first, second, metric)
    return _of_term(term, rows, "least squares, subject a factor"), _welch(rows, first, second)


def _sized(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Both:
    """The contrast at size B, or at the first size there is, in the model with an interaction of objective and size."""
    data = _ordered(found.by_subject(rows, metric), second)
    size = "B" if "B" in set(data["size"]) else str(data["size"].iloc[0])
    data = data.iloc[np.argsort(data["size"].to_numpy() != size, kind="stable")]
    data = _ordered(data, second)
    factors = _factors(data) | {"size": list(data["size"])}
    model = linear(data.score.to_numpy(float), factors, interactions=[("group", "size")])
    pair = rows[rows.group.isin([first, second])]
    how = f"least squares with subject, size and interaction of size and objective; at size {size}"
    return _of_term(model.terms[f"group[{first}]"], pair, how), _paired(pair.assign(pair=pair["size"]), first, second)


def _images(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Both:
    term = _linear(found, rows, first, second, metric)
    pair = rows[rows.group.isin([first, second])]
    how = "least squares on all four diets, subject a factor"
    return _of_term(term, pair, how), _over_subjects(found, pair, first, metric)


def _mixed(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Both:
    data = _ordered(found.by_subject(rows, metric), second)
    model = mixed(data.score.to_numpy(float), _factors(data), list(data.model_id))
    how = "mixed model, subject a factor, random intercept a network; pairs are not used"
    published = _of_term(model.terms[f"group[{first}]"], rows, how, n=len(rows) // 2)
    return published, _paired(rows, first, second)


def _unpaired(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Both:
    term = _linear(found, rows, first, second, metric)
    how = "least squares; pairs are not used"
    return _of_term(term, rows, how, n=len(rows) // 2), _paired(rows, first, second)


def _subjects(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Both:
    tested = _over_subjects(found, rows, first, metric)
    if tested is None:
        raise UserError("needs two networks and two subjects")
    return tested, None


Choose = Callable[["pd.DataFrame"], "pd.DataFrame"]
Analyse = Callable[[Scored, "pd.DataFrame", str, str, str], Both]
OBJECT_TASK = "Taskonomy's object classification less ImageNet's, ResNet-50"
SELF_SUPERVISION = "Contrastive less non-contrastive self-supervision"
#: id -> title, which networks, how analysed, and the two groups of which the second is the reference
CONTRASTS: Mapping[str, tuple[str, Choose, Analyse, str, str]] = {
    "transformer_less_cnn": ("Transformer less CNN", groupings.architectures, _groups, "Transformer", "CNN"),
    "class_object_less_resnet50": (OBJECT_TASK, groupings.object_tasks, _subjects, "class_object", "imagenet"),
    "contrastive_less_noncontrastive": (
        SELF_SUPERVISION, groupings.contrastive, _groups, "contrastive", "non-contrastive"),
    "clip_less_simclr": ("CLIP less SimCLR", groupings.language, _sized, "CLIP", "SimCLR"),
    "clip_less_slip": ("CLIP less SLIP", groupings.language, _sized, "CLIP", "SLIP"),
    "slip_less_simclr": ("SLIP less SimCLR", groupings.language, _sized, "SLIP", "SimCLR"),
    "in21k_less_in1k": ("ImageNet-21k less 1k", groupings.imagenet_sizes, _mixed, "imagenet21k", "imagenet"),
    "openimages_less_imagenet": ("OpenImages less ImageNet, IPCL", groupings.ipcl, _images, "openimages", "imagenet"),
    "places256_less_imagenet": ("Places365 less ImageNet, IPCL", groupings.ipcl, _images, "places256", "imagenet"),
    "vggface2_less_imagenet": ("VGGFace2 less ImageNet, IPCL", groupings.ipcl, _images, "vggface2", "imagenet"),
    "trained_less_random": ("Trained less untrained", groupings.training, _unpaired, "trained", "random"),
}  # fmt: skip


def metric_difference(networks: pd.DataFrame) -> Found:
    """veRSA less cRSA, networks being the pairs."""
    rows = networks[networks.crsa.notna() & networks.versa.notna()]
    tested = paired_t(rows.versa.to_numpy(float), rows.crsa.to_numpy(float))
    return _of_test(tested, tested.n, rows, "paired t test, networks the pairs")


def _linear(found: Scored, rows: pd.DataFrame, first: str, second: str, metric: str) -> Term:
    """The coefficient of `first` against `second`."""
    data = _ordered(found.by_subject(rows, metric), second)
    return linear(data.score.to_numpy(float), _factors(data)).terms[f"group[{first}]"]


def _ordered(data: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Rows of the reference first, which makes it the reference of the regression."""
    return data.iloc[np.argsort(data.group.to_numpy() != reference, kind="stable")]


def _factors(data: pd.DataFrame) -> dict[str, list[str]]:
    subjects = {"subject": list(data.subject)} if data.subject.nunique() > 1 else {}
    return {"group": list(data.group), **subjects}


def _of_term(term: Term, rows: pd.DataFrame, how: str, n: int = 0) -> Found:
    return Found(term.estimate, term.low, term.high, term.p, term.t, n or len(rows), run_ids(rows.runs), how)


def _of_test(tested: Difference | Paired, n: int, rows: pd.DataFrame, how: str) -> Found:
    return Found(tested.difference, tested.low, tested.high, tested.p, tested.t, n, run_ids(rows.runs), how)


def _welch(rows: pd.DataFrame, first: str, second: str) -> Found | None:
    sides = [{name: rows.score[rows.group == name].to_numpy(float)} for name in (first, second)]
    try:
        tested = compare_means(*sides, margin=1.0, alpha=0.025)  # whose interval is the one of 95 %
    except UserError:
        return None
    return _of_test(tested, len(rows), rows, "Welch's t test of the networks' means over subjects")


def _paired(rows: pd.DataFrame, first: str, second: str) -> Found | None:
    wide = rows.pivot(index="pair", columns="group", values="score").dropna()
    if not {first, second} <= set(wide.columns) or len(wide) < 2:
        return None
    tested = paired_t(wide[first].to_numpy(float), wide[second].to_numpy(float))
    return _of_test(tested, tested.n, rows, "paired t test, designs the pairs")


def _over_subjects(found: Scored, rows: pd.DataFrame, first: str, metric: str) -> Found | None:
    """One network against another, subjects being the pairs."""
    data = found.by_subject(rows, metric)
    if data.subject.nunique() < 2 or len(rows) != 2:
        return None
    wide = data.assign(side=data.group == first).pivot(index="subject", columns="side", values="score")
    tested = paired_t(wide[True].to_numpy(float), wide[False].to_numpy(float))
    return _of_test(tested, tested.n, rows, "paired t test, subjects the pairs")


# ---- means ------------------------------------------------------------------------------------------------------


def mean_of_networks(rows: pd.DataFrame) -> Found:
    """Mean score over networks with a bootstrap interval over networks. rows: with a column score."""
    return _mean(rows.score.to_numpy(float), rows, "mean over networks")


def mean_over_subjects(found: Scored, row: pd.DataFrame, metric: str) -> Found:
    """Mean score of one network with a bootstrap interval over subjects, which is none where a mean was imported."""
    return _mean(found.by_subject(row, metric).score.to_numpy(float), row, "mean over subjects")


def ceiling(found: Scored, runs: tuple[str, ...]) -> Found:
    """Mean noise ceiling over subjects with a bootstrap interval over them."""
    made = _mean(np.array(list(found.ceilings.values())), None, "mean over subjects")
    return Found(made.estimate, made.low, made.high, n=made.n, runs=runs, how=made.how, spans=made.spans)


def _mean(values: np.ndarray, rows: pd.DataFrame | None, how: str) -> Found:
    runs = () if rows is None else run_ids(rows.runs)
    if not len(values):
        return Found(NAN)
    if len(values) == 1:
        return Found(float(values[0]), n=1, runs=runs, how=how)
    draws = mean_draws(values, np.random.default_rng([SEED, len(values)]), DRAWS)
    low, high = np.quantile(draws, [0.025, 0.975])
    spans = limit_spans(draws)
    return Found(float(values.mean()), float(low), float(high), n=len(values), runs=runs, how=how, spans=spans)


# ---- associations -----------------------------------------------------------------------------------------------


def association(networks: pd.DataFrame, fact: str) -> Found | None:
    """Spearman's correlation of a fact with the score; None below four networks. networks: with a column score."""
    rows = networks[networks[fact].notna() & networks.score.notna()]
    if len(rows) < 4 or rows[fact].nunique() < 2:
        return None
    x, y = rows[fact].to_numpy(float), rows.score.to_numpy(float)
    seed = [SEED, len(rows)]
    made = spearman(x, y, np.random.default_rng(seed))
    spans = limit_spans(spearman_draws(x, y, np.random.default_rng([*seed, 1]), RANK_DRAWS))
    return Found(made.r, made.low, made.high, made.p, n=made.n, runs=run_ids(rows.runs), how="Spearman", spans=spans)


def groups_of(fact: str, networks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Which networks a fact is set against the score of: words -> networks."""
    random, trained = networks[~networks.trained], networks[networks.trained]
    if fact == "imagenet_top1":
        return {"trained": trained}
    if fact == "parameters":
        return {"trained, designs that differ": groupings.independent(networks), "untrained": random}
    return {"all": networks, "trained": trained, "untrained": random}


# ---- ranking ----------------------------------------------------------------------------------------------------


def ranked(networks: pd.DataFrame) -> pd.DataFrame:
    """Networks from best to worst with a column rank, from 1. networks: with a column score."""
    rows = networks.sort_values(["score", "network"], ascending=[False, True], ignore_index=True)
    return rows.assign(rank=np.arange(1.0, len(rows) + 1))


def breakpoints(rows: pd.DataFrame) -> Segments | None:
    """Of score against rank, two of them; None with too few networks. rows: of `ranked`."""
    try:
        return _segments(tuple(rows.score.astype(float)))
    except UserError:
        return None


@lru_cache(maxsize=16)
def _segments(scores: tuple[float, ...]) -> Segments:
    return segmented(np.arange(1.0, len(scores) + 1), np.array(scores))


def before_break(networks: pd.DataFrame) -> pd.DataFrame | None:
    """Those of the ranking under veRSA up to where its slope first changes; None with too few networks."""
    rows = ranked(networks.assign(score=networks.versa).dropna(subset=["score"]))
    bends = breakpoints(rows)
    return None if bends is None else rows[rows["rank"] <= np.floor(bends.breaks[0])]


def near_best(rows: pd.DataFrame) -> pd.DataFrame:
    """Those within .1 of the best score."""
    return rows[rows.score >= rows.score.max() - NEAR]


# ---- geometry ---------------------------------------------------------------------------------------------------


def similarity_pairs(evidence: Evidence, networks: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Pairs of these networks under a metric, model_a, model_b and value; of several layers the first one."""
    pairs = evidence.pairs[evidence.pairs.metric == metric]
    pairs = pairs[pairs.model_a.isin(networks.model_id) & pairs.model_b.isin(networks.model_id)]
    return pairs[pairs.layer == pairs.layer.iloc[0]] if len(pairs) else pairs


def similarity_matrix(pairs: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """(ids, matrix) of networks that are all compared with each other; 1 on the diagonal. Others are left out."""
    ids = sorted({*pairs.model_a, *pairs.model_b})
    matrix = square(pairs, ids)
    kept = complete([matrix])
    return [ids[i] for i in kept], matrix[np.ix_(kept, kept)]
