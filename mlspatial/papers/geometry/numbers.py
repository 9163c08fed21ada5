"""What networks were found to do with one design: which networks, which layers, and means over their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.statistics import bootstrap, compare_means
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.grouping import choose, layer_order
from mlspatial.compare.run_ids import run_text
from mlspatial.compare.style import ordered, task_style
from mlspatial.compare.words import p_text

if TYPE_CHECKING:
    import pandas as pd

FACTORISATION, COVARIANCE, INVARIANCE = "factorisation_pca", "factorisation_covariance", "invariance_published"
MEASURES = {FACTORISATION: "Factorisation (PCA)", COVARIANCE: "Factorisation (cov.)", INVARIANCE: "Invariance"}
SPLIT = "variance_component"
OF_RESPONSES, OF_ALL = "share", "share_of_all"  # of what varies within contexts, and of all variance
EXPECTED = ("distance", "translation", "rotation", "category", "untrained")
NONE = "No network was asked with a design of controlled images (render --design, then tuning)."
READ_OUTS = ("avgpool", "fc")  # behind the last stage
INTERACTIONS = "interactions"
RESAMPLES = 2000
SEED = 24  # of the draws of seeds
ALPHA = 0.05
ROUNDING = 1e-9  # of values: what varies less does not vary
MEANS = ["mean", "sd", "low", "high", "n", "run_ids"]


@dataclass(frozen=True)
class Seen:
    """What networks of one training do with one design.

    rows: as compare.tuned.TUNINGS, of the networks shown and of the pixels, with `task` (PIXELS for those), `seed`,
    `label` (of the factor) and `runs` (of tuning and of training); design: its name; notes: choices made.
    """

    rows: pd.DataFrame
    networks: pd.DataFrame
    design: str
    notes: tuple[str, ...]

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The pixels, then the layers by depth."""
        table = self.rows[["layer", "depth"]].drop_duplicates()
        return layer_order(table) if len(table) else ()

    @cached_property
    def tasks(self) -> list[str]:
        """Of the networks, in the published order."""
        return ordered(self.networks.task[self.networks.model_id.isin(self.rows.model_id)])

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The design's factors, in its order."""
        of_factors = self.rows[self.rows.measure == FACTORISATION]
        return tuple(dict.fromkeys(of_factors.label))

    @cached_property
    def last(self) -> str:
        """The last stage before networks pool and read out: the deepest such layer; "" without any."""
        return last_stage(self.layers)

    def of(self, *measures: str) -> pd.DataFrame:
        """Rows of some measures that have a number."""
        rows = self.rows[self.rows.measure.isin(measures)]
        return rows[np.isfinite(rows.value.astype(float))]

    @property
    def missing(self) -> tuple[str, ...]:
        """The conditions that the figures set against each other and that are not there."""
        there = set(self.tasks)
        found = tuple(task_style(task).label for task in EXPECTED if task not in there)
        return found if PIXELS in set(self.rows.model_id) else (*found, "Raw pixels")


def seen(evidence: Evidence) -> Seen:
    """The design that most networks were asked with, of those one training's last checkpoints and controls.

    Of the same evidence it is made once: every item and finding asks for it.
    """
    if not _LAST or _LAST[0][0] is not evidence:
        _LAST[:] = [(evidence, _seen(evidence))]
    return _LAST[0][1]


#: the last evidence, and what was seen in it
_LAST: list[tuple[Evidence, Seen]] = []


def _seen(evidence: Evidence) -> Seen:
    rows, notes = asked(evidence)
    return of_networks(evidence, rows, str(rows.design.iloc[0]) if len(rows) else "", notes)


def of_networks(evidence: Evidence, rows: pd.DataFrame, design: str, notes: tuple[str, ...]) -> Seen:
    """Rows of one training's last checkpoints and controls, and of the pixels, with what Seen.rows has besides."""
    chosen = choose(evidence, set(rows.model_id) - {PIXELS})
    facts = chosen.networks.rename(columns={"run_id": "train_run"})[["model_id", "task", "seed", "train_run"]]
    rows = rows[rows.model_id.isin([PIXELS, *facts.model_id])].merge(facts, "left", on="model_id")
    pixels = rows.model_id == PIXELS
    rows["task"] = rows.task.where(~pixels, PIXELS)
    rows["seed"] = rows.seed.where(~pixels, 0)
    own = list(zip(rows.run_id, rows.train_run.where(~pixels, ""), strict=True))
    texts = {ids: run_text(*ids) for ids in dict.fromkeys(own)}
    rows["runs"] = [texts[ids] for ids in own]
    return Seen(rows.drop(columns="train_run"), chosen.networks, design, (*chosen.notes, *notes))


def asked(evidence: Evidence) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """(the answers to the design that most networks were asked with, with `label`: the name of the factor; notes)."""
    table = evidence.tunings
    own = table[table.model_id.isin(evidence.networks.model_id)]
    counts = own.groupby("design_id", sort=False).model_id.nunique()
    if counts.empty:
        return table.iloc[:0].assign(label=""), ()
    typed = own.drop_duplicates("design_id").set_index("design_id").design  # one design may go by several names
    design_id = counts.index[int(np.argmax(counts.to_numpy()))]
    design = typed[design_id]
    notes: tuple[str, ...] = ()
    if len(counts) > 1:
        others = ", ".join(sorted(f"{typed[one]} ({one})" for one in counts.index if one != design_id))
        notes = (f"Shown are answers to the design {design} ({design_id}); left out is what was asked with {others}.",)
    rows = table[(table.design_id == design_id) & table.model_id.isin([PIXELS, *own.model_id])]
    return rows.assign(label=_labels(rows)), notes


def _labels(rows: pd.DataFrame) -> list[str]:
    """Of each row the name of its factor: a sweep's own, else the factor's, with its crossing where several have it."""
    pairs = rows[rows.measure == FACTORISATION][["crossing", "factor"]].drop_duplicates()
    count = pairs.crossing.value_counts()
    several = pairs.crossing[pairs.crossing.map(count) > 1].nunique() > 1 or (count == 1).any()
    names = {}
    for crossing, factor in pairs.itertuples(index=False):
        whole = count[crossing] == 1
        names[crossing, factor] = crossing if whole else f"{factor} ({crossing})" if several else factor
    return [names.get(pair, pair[1]) for pair in zip(rows.crossing, rows.factor, strict=True)]


def last_stage(layers: Sequence[str]) -> str:
    """The deepest of the layers, in their order, that is neither the pixels nor a read-out."""
    inner = [layer for layer in layers if layer not in (PIXELS, *READ_OUTS)]
    return inner[-1] if inner else ""


def shares(found: Seen) -> pd.DataFrame:
    """Rows as those of Seen, of the variance that images of one context make: of every factor's main effect (and of
    all interactions of factors with each other, label INTERACTIONS) the share in what is not the context's main effect
    (OF_RESPONSES), and in all variance (OF_ALL). NaN where there is no such variance."""
    import pandas as pd

    parts = found.rows[(found.rows.measure == SPLIT) & (found.rows.factor != "residual")]
    keys = [parts.model_id, parts.layer, parts.crossing]
    values = parts.value.astype(float).fillna(0.0)
    shared = parts.factor == "context"
    crossed, with_context = (parts.factor.str.contains(word, regex=False) for word in ("×", "context"))
    within = values.mask(shared, 0.0).groupby(keys).transform("sum")
    total = values.groupby(keys).transform("sum")
    together = crossed & ~with_context
    sums = values.where(together, 0.0).groupby(keys).transform("sum")
    first = together & ~parts.assign(together=together).duplicated(["model_id", "layer", "crossing", "together"])
    mains = parts[~crossed & ~shared]
    rest = parts[first].assign(value=sums[first], factor=INTERACTIONS)
    effects = pd.concat([mains, rest.assign(label=[f"{INTERACTIONS} ({name})" for name in rest.crossing])])
    wholes = {OF_RESPONSES: within, OF_ALL: total}
    made = [effects.assign(measure=measure, value=effects.value / whole.where(whole > 0)[effects.index])
            for measure, whole in wholes.items()]  # fmt: skip
    return pd.concat(made, ignore_index=True)[list(found.rows.columns)]


def means(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Of each group of rows, over networks: mean, sd (n - 1), 95 % bootstrap interval over seeds (NaN for one), n and
    the runs. A network's own value is the mean of its rows in the group."""
    import pandas as pd

    made = []
    for key, part in rows.groupby(list(by), sort=False):
        values = per_network(part).to_numpy()
        low, high = interval(values)
        sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        made.append((*key, float(values.mean()), sd, low, high, len(values), run_text(*part.runs)))
    return pd.DataFrame(made, columns=[*by, *MEANS])


PAIR = ["crossing", "factor"]


def shared(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """(rows of the factors that every network among them has a number of; in words which others there are, or "").

    Means over factors are compared over the same ones only: that a factor makes no variance, so that it has no number,
    is no property of the others. Pixels count as a network.
    """
    some = rows[np.isfinite(rows.value.astype(float))]
    total = some.model_id.nunique()
    counts = {pair: part.model_id.nunique() for pair, part in some.groupby(PAIR, sort=False)}
    pairs = rows.drop_duplicates(PAIR)
    few = [(label, total - counts.get(pair, 0)) for label, pair in zip(pairs.label, _pairs(pairs), strict=True)]
    left = ", ".join(f"{label} (no number in {lacking} of {total})" for label, lacking in few if lacking)
    kept = np.array([counts[pair] == total for pair in _pairs(some)], dtype=bool)
    return some[kept], f"left out: {left}" if left else ""


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows.crossing, rows.factor, strict=True))


def per_network(rows: pd.DataFrame) -> pd.Series:
    """model_id -> mean of its values."""
    return rows.groupby("model_id", sort=False).value.mean()


def interval(values: np.ndarray) -> tuple[float, float]:
    """Of a mean over seeds, by the bootstrap; (NaN, NaN) for one seed."""
    if len(values) < 2:
        return np.nan, np.nan
    found = bootstrap({"": values}, lambda of: of[""], np.random.default_rng(SEED), resamples=RESAMPLES)
    return found.low, found.high


# ---- differences ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """Mean of the first conditions less that of the second, each condition counting the same, or of one group's values.

    low, high: 95 % interval over seeds, from Student's t; g: Hedges' g, the difference over the standard deviation of
    seeds within conditions, corrected for few; p: two-sided, of no difference; counts: networks a side. Without any
    spread between seeds the interval is the difference, and g and p are NaN.
    """

    difference: float
    low: float
    high: float
    g: float
    p: float
    counts: tuple[int, ...]

    @property
    def text(self) -> str:
        """'+0.120 [0.080, 0.160] (g = 1.2, p = 0.02, n = 3 and 3)'."""
        facts = [f"g = {self.g:.1f}" if np.isfinite(self.g) else "", p_text(self.p)]
        facts.append(f"n = {' and '.join(map(str, self.counts))}")
        facts += ["0 lies within"] if self.low <= 0 <= self.high else []
        said = f"{self.difference:+.3f} [{self.low:.3f}, {self.high:.3f}] ({', '.join(filter(None, facts))})"
        return said.replace("-", "−")


def effect(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> Effect:
    """first, second: condition -> (seeds,), at least one condition a side and two seeds a condition.

    Source: Welch 1947, Satterthwaite 1946; g: Hedges 1981.
    """
    sides = [*first.values(), *second.values()]
    counts = tuple(sum(map(len, side.values())) for side in (first, second))
    middle = [float(np.mean([seeds.mean() for seeds in side.values()])) for side in (first, second)]
    df = sum(len(seeds) - 1 for seeds in sides)
    sd = float(np.sqrt(sum((len(seeds) - 1) * seeds.var(ddof=1) for seeds in sides) / df))
    change = middle[0] - middle[1]
    if not sd > ROUNDING * max(np.abs(seeds).max() for seeds in sides):
        return Effect(change, change, change, np.nan, np.nan, counts)
    made = compare_means(first, second, margin=1.0, alpha=ALPHA / 2)  # its interval is of level 1 - 2 alpha
    return Effect(change, made.low, made.high, _fair(df) * change / sd, made.p, counts)


def above_zero(side: Mapping[str, np.ndarray]) -> Effect:
    """Of the mean over conditions, each counting the same. side: condition -> (seeds,), at least two seeds each.

    Of one condition this is Student's t test. Source: Student 1908; Satterthwaite 1946; g: Hedges 1981.
    """
    from scipy.stats import t as student

    groups = list(side.values())
    counts = (sum(map(len, groups)),)
    mean = float(np.mean([seeds.mean() for seeds in groups]))
    degrees = np.array([len(seeds) - 1 for seeds in groups])
    spread = np.array([seeds.var(ddof=1) for seeds in groups])
    sd = float(np.sqrt((degrees * spread).sum() / degrees.sum()))
    if not sd > ROUNDING * max(np.abs(seeds).max() for seeds in groups):
        return Effect(mean, mean, mean, np.nan, np.nan, counts)
    parts = spread / (degrees + 1) / len(groups) ** 2
    error, df = float(np.sqrt(parts.sum())), float(parts.sum() ** 2 / (parts**2 / degrees).sum())
    half, p = float(student.ppf(1 - ALPHA / 2, df)) * error, float(2 * student.sf(abs(mean) / error, df))
    return Effect(mean, mean - half, mean + half, _fair(int(degrees.sum())) * mean / sd, p, counts)


def _fair(df: int) -> float:
    """What a standardised difference is multiplied by to be unbiased, with df degrees of freedom; NaN for one, of which
    the factor is 0. Source: Hedges 1981."""
    from scipy.special import gammaln

    return float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)) if df > 1 else np.nan
