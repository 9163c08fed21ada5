"""What networks do with a design against how well they predict a brain: points, and correlations over networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.statistics import FEWEST_POINTS
from mlspatial.compare.conditions import known, last, names_of
from mlspatial.compare.evidence import BEHAVIOR, PIXELS, REGIONS, Evidence
from mlspatial.compare.grouping import layer_label, layer_order
from mlspatial.compare.run_ids import run_text
from mlspatial.compare.scores import MEAN, alignment, committed, error_column, formulas
from mlspatial.compare.words import region_label
from mlspatial.papers.geometry.numbers import (
    INVARIANCE,
    MEASURES,
    NONE,
    RESAMPLES,
    SEED,
    asked,
    last_stage,
    shared,
)

if TYPE_CHECKING:
    import pandas as pd

EVERY = "mean of all factors"
POINTS = ["task", "condition", "model_id", "region", "label", "measure", "layer", "value", "value_error", "score",
          "score_error", "run_ids"]  # fmt: skip
FEWEST_CONDITIONS = 3  # of fewer, drawn anew, there is no interval
NAN = float("nan")


@dataclass(frozen=True)
class Points:
    """table: one row a network, region, factor (or EVERY) and measure, columns POINTS; where: region -> in words, the
    layer whose numbers these are; why: "" or why there are none; pixels: (factor, measure) -> the number of the images;
    left: (region, measure) -> in words which factors EVERY lacks there.

    Of EVERY there is no invariance: factors' shares of the variance of all factors have the same mean in every network.
    It is the mean of the factors that all of a region's networks have a number of, so that the same ones are compared.
    """

    table: pd.DataFrame
    where: dict[str, str]
    why: str
    notes: tuple[str, ...] = ()
    pixels: Mapping[tuple[str, str], float] = field(default_factory=dict)
    left: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, region: str, label: str, measure: str, *, trained: bool = False) -> pd.DataFrame:
        """Rows of one panel; trained: without untrained networks."""
        rows = self.table
        rows = rows[(rows.region == region) & (rows.label == label) & (rows.measure == measure)]
        return rows[rows.task != "untrained"] if trained else rows

    def factors(self, region: str, measure: str) -> tuple[str, ...]:
        """Those that all of the region's networks have a number of."""
        rows = self.table[(self.table.region == region) & (self.table.measure == measure) & (self.table.label != EVERY)]
        have = rows.groupby("label", sort=False).model_id.nunique()
        return tuple(have.index[have == rows.model_id.nunique()])

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(self.where)

    @property
    def main(self) -> str:
        """The neural mean where several regions make one, else the first region; "" without any."""
        return MEAN if MEAN in self.where else next(iter(self.where), "")

    @property
    def labels(self) -> tuple[str, ...]:
        """The factors in the design's order, EVERY last."""
        return tuple(sorted(dict.fromkeys(self.table.label), key=lambda label: label == EVERY))


def points(evidence: Evidence) -> Points:
    """Of every network that is scored and was asked with the design: the last checkpoint of each condition and seed."""
    import pandas as pd

    rows, notes = asked(evidence)
    nothing = pd.DataFrame(columns=POINTS)
    ids = set(rows.model_id) - {PIXELS}
    if not ids:
        return Points(nothing, {}, NONE)
    networks = last(known(evidence.networks[evidence.networks.model_id.isin(ids)]))
    scored = alignment(evidence, networks)
    if scored.empty:
        how = "none is scored" if evidence.scores.empty else "those that are scored are others"
        return Points(nothing, {}, f"No network that was asked with the design has a score: {how} ({len(ids)} asked).")
    scored = scored.assign(name=names_of(scored.condition))
    best = committed(evidence)
    best = best[best.model_id.isin(scored.model_id)]
    regions = [name for name in _regions(best.region) if scored[name].notna().any()]
    if not regions:
        return Points(nothing, {}, f"No score of the {len(scored)} networks that are scored and asked is a number.")
    where, parts, left = {}, [], dict[tuple[str, str], str]()
    for region in regions:
        own = scored[scored[region].notna()]
        of_network, where[region] = _layers(evidence, own, rows, region)
        part, lost = _points(own, rows, region, of_network)
        parts.append(part)
        left |= {(region, measure): words for measure, words in lost.items()}
    table = pd.concat(parts, ignore_index=True)[POINTS]
    if table.empty:
        return Points(table, where, "No network has both at one layer.", notes)
    said = [*notes, formulas(best[best.model_id.isin(table.model_id)])]
    said += [
        f"{EVERY}, {MEASURES[measure]}, {region_label(region)}: {words}." for (region, measure), words in left.items()
    ]
    found = Points(table, where, "", tuple(said), {}, left)
    return replace(found, pixels=_of_pixels(rows[rows.model_id == PIXELS], found))


def _regions(there: Iterable[str]) -> list[str]:
    """Those of the ventral stream, others, behavior, then the neural mean, if imported or of several."""
    names = list(dict.fromkeys(map(str, there)))
    neural = [name for name in REGIONS if name in names]
    others = sorted(set(names) - {*REGIONS, BEHAVIOR, MEAN})
    mean = [MEAN] if len(neural) > 1 or MEAN in names else []
    return [*neural, *others, *([BEHAVIOR] if BEHAVIOR in names else []), *mean]


def _of_pixels(rows: pd.DataFrame, found: Points) -> dict[tuple[str, str], float]:
    """(factor, measure) -> the number of the images; of EVERY over the factors of the main region's networks, where the
    images have a number of each."""
    own = rows[rows.measure.isin(list(MEASURES)) & np.isfinite(rows.value.astype(float))]
    numbers = {(str(row.label), str(row.measure)): float(row.value) for row in own.itertuples()}
    for measure in MEASURES:
        factors = found.factors(found.main, measure)
        if len(found.of(found.main, EVERY, measure)) and all((label, measure) in numbers for label in factors):
            numbers[EVERY, measure] = float(np.mean([numbers[label, measure] for label in factors]))
    return numbers


def _layers(evidence: Evidence, networks: pd.DataFrame, rows: pd.DataFrame, region: str) -> tuple[dict[str, str], str]:
    """(model_id -> the layer that is looked at, in words): the one that counts for its score if every network was asked
    there, else the last stage of each; who was asked at none is left out, and said to be."""
    best = committed(evidence)
    best = best[(best.region == region) & best.model_id.isin(networks.model_id)]
    chosen = best.drop_duplicates(["model_id", "layer"])
    there = set(zip(rows.model_id, rows.layer, strict=True))
    one_each = chosen.model_id.is_unique and set(chosen.model_id) == set(networks.model_id)
    if one_each and all(pair in there for pair in zip(chosen.model_id, chosen.layer, strict=True)):
        return dict(
            zip(chosen.model_id, chosen.layer, strict=True)
        ), f"the layer that counts for {region_label(region)}"
    own = rows[rows.model_id.isin(networks.model_id)][["model_id", "layer", "depth"]].drop_duplicates()
    stages = {str(model): last_stage(layer_order(part)) for model, part in own.groupby("model_id", sort=False)}
    stages = {model: stage for model, stage in stages.items() if stage}
    names = ", ".join(map(layer_label, dict.fromkeys(stages.values())))
    words = f"the last stage ({names})" if len(set(stages.values())) < 2 else f"the last stage of each ({names})"
    lost = networks.model_id.nunique() - len(stages)
    return stages, words + (f", left out: {lost} asked at none" if lost else "")


def _points(
    networks: pd.DataFrame, rows: pd.DataFrame, region: str, layers: dict[str, str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """(rows of POINTS, measure -> which factors EVERY lacks)."""
    own, left = _with_every(rows[rows.layer == rows.model_id.map(layers)])
    facts = networks[["model_id", "task", "name", "run_id", "score_runs", region, error_column(region)]]
    made = own.merge(facts.rename(columns={"run_id": "train_run"}), on="model_id")
    made["run_ids"] = [run_text(*ids) for ids in zip(made.run_id, made.train_run, made.score_runs, strict=True)]
    names = {"name": "condition", "error": "value_error", region: "score", error_column(region): "score_error"}
    return made.rename(columns=names).assign(region=region), left


def _with_every(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """(rows of MEASURES with their mean over the factors that all networks have a number of, where the design has
    several factors; measure -> which it lacks)."""
    import pandas as pd

    own = rows[rows.measure.isin(list(MEASURES)) & np.isfinite(rows.value.astype(float))]
    if own.label.nunique() < 2:
        return own, {}
    keys = ["model_id", "measure", "layer", "run_id"]
    parts, left = [own], dict[str, str]()
    for measure in (name for name in MEASURES if name != INVARIANCE):
        same, words = shared(rows[rows.measure == measure])
        parts.append(same.groupby(keys, sort=False).value.mean().reset_index().assign(label=EVERY, error=np.nan))
        left |= {measure: words} if words else {}
    return pd.concat([part for part in parts if len(part)]), left


@dataclass(frozen=True)
class Link:
    """Correlation over networks. pearson, spearman; low, high and spearman_low, spearman_high: 95 % bootstrap intervals
    with conditions and their seeds drawn anew; p: of Pearson's r, two-sided, as if networks were independent.
    NaN below FEWEST_POINTS networks or without spread, intervals below FEWEST_CONDITIONS."""

    pearson: float
    low: float
    high: float
    spearman: float
    spearman_low: float
    spearman_high: float
    p: float
    n: int
    conditions: int

    def text(self) -> str:
        """'r = 0.42 [−0.10, 0.71], ρ = 0.38, n = 12'."""
        if not np.isfinite(self.pearson):
            return f"n = {self.n}"
        interval = f" [{self.low:.2f}, {self.high:.2f}]" if np.isfinite(self.low) else ""
        parts = [f"r = {self.pearson:.2f}{interval}", f"ρ = {self.spearman:.2f}", f"n = {self.n}"]
        return ", ".join(parts).replace("-", "−")


def link(x: np.ndarray, y: np.ndarray, condition: Sequence[str], *, resamples: int = RESAMPLES) -> Link:
    """Pearson's and Spearman's correlation of x and y, (n,), and intervals in which whole conditions are drawn with
    replacement and then seeds within each (Davison and Hinkley 1997, section 3.8). condition: n names."""
    from scipy.stats import pearsonr, spearmanr

    x, y = np.asarray(x, float), np.asarray(y, float)
    n, names = len(x), np.unique(np.asarray(condition, dtype=str)) if len(x) else np.array([])
    if n < FEWEST_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Link(NAN, NAN, NAN, NAN, NAN, NAN, NAN, n, len(names))
    r, p = pearsonr(x, y)
    rho = spearmanr(x, y).statistic
    intervals = np.full(4, NAN)
    if len(names) >= FEWEST_CONDITIONS:
        weights = _weights(tuple(map(str, condition)), resamples)
        pairs = (_weighted(x, y, weights), _weighted(_ranks(x, weights), _ranks(y, weights), weights))
        intervals = np.concatenate([np.nanquantile(found, [0.025, 0.975]) for found in pairs])
    low, high, spearman_low, spearman_high = map(float, intervals)
    return Link(float(r), low, high, float(rho), spearman_low, spearman_high, float(p), n, len(names))


@lru_cache(maxsize=8)
def _weights(condition: tuple[str, ...], resamples: int) -> np.ndarray:
    """(resamples, n): how often each network is drawn; the same networks have the same draws in every panel."""
    rng = np.random.default_rng(SEED)
    members = [np.flatnonzero(np.array(condition) == name) for name in sorted(set(condition))]
    weights = np.zeros((resamples, len(condition)))
    for row in weights:
        for chosen in rng.integers(len(members), size=len(members)):
            own = members[chosen]
            np.add.at(row, own[rng.integers(len(own), size=len(own))], 1)
    return weights


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(resamples, n): the rank of each value among those drawn, ties sharing the middle one."""
    below = (values[None, :] < values[:, None]) + 0.5 * (values[None, :] == values[:, None])
    return np.asarray(weights @ below.T)


def _weighted(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(resamples,) Pearson's r of (n,) or (resamples, n) values under weights; NaN without spread."""
    share = weights / weights.sum(axis=1, keepdims=True)
    x, y = (values - (share * values).sum(axis=1, keepdims=True) for values in (x, y))
    xx, yy, xy = ((share * product).sum(axis=1) for product in (x * x, y * y, x * y))
    spread = np.sqrt(xx * yy)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 1e-12, np.clip(xy / spread, -1, 1), NAN))
