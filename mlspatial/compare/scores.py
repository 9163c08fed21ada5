"""What a network's scores say: which benchmarks make up a region's, by which formula, and where they are from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.evidence import BEHAVIOR, PUBLISHED, REGIONS, Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.core.score import FORMULA_WORDS, SLOPES

if TYPE_CHECKING:
    import pandas as pd

MEAN = "neural_mean"
SQUARES = {"r_over_c_squared": "(r/c)^2", "r2_over_c": "r^2/c"}  # column of scores -> its formula
CEILED = FORMULA_WORDS[SQUARES[PUBLISHED]]  # how reports ceil: one formula everywhere
SIMULATED = ("simulated", "insilico")  # begin the names of brains that nobody recorded
REGIONS_SHOWN = (*REGIONS, BEHAVIOR)
#: the five public benchmarks of Xie et al. 2025, appendix C, however their names are spelled
PUBLIC = re.compile(r"(freemanziemba2013public(v1|v2)|majajhong2015public(v4|it))pls|rajalingham2018public.*i2n")


def is_public(benchmark: str) -> bool:
    """Whether it is one of the five: both FreemanZiemba2013public.V1-pls and FreemanZiemba2013.V1.public-pls are.

    The columns of an imported table have the names of regions and count as well.
    """
    if benchmark in (*REGIONS_SHOWN, MEAN):
        return True
    name = re.sub(r"[^a-z0-9]", "", benchmark.lower())
    name = re.sub(r"(v1|v2|v4|it)public", r"public\1", name)
    return bool(PUBLIC.fullmatch(name))


def committed(evidence: Evidence) -> pd.DataFrame:
    """Rows of scores at the layer that was chosen, under the benchmark's own metric."""
    scores = evidence.scores
    return scores[scores.committed.astype(bool) & scores.primary.astype(bool)]


def values(scores: pd.DataFrame, formula: str = PUBLISHED) -> pd.Series:
    """Scores by the formula of published tables; those of metrics that square nothing, of behavior (which has a formula
    of its own), or without r and ceiling, as they are. Of a negative r the square is negative too."""
    squared = scores.formula.isin(["r^2/c", "(r/c)^2"]) & (scores.region != BEHAVIOR)
    found = scores[formula].astype(float).where(squared).fillna(scores.ceiled.astype(float))
    return found.mask(squared & (scores.raw.astype(float) < 0), -found.abs())


def errors_of(scores: pd.DataFrame, formula: str = PUBLISHED) -> pd.Series:
    """Standard errors of `values`: from those of raw score and ceiling by the formula's slopes, else those that came
    with the scores; NaN where nobody knows."""
    raw, ceiling = scores.raw.astype(float), scores.ceiling.astype(float)
    squared = scores.formula.isin(["r^2/c", "(r/c)^2"]) & (scores.region != BEHAVIOR) & (ceiling > 0)
    of_raw, of_ceiling = SLOPES[SQUARES[formula]](raw, ceiling.where(ceiling > 0))
    found = np.hypot(of_raw * scores.error.astype(float), of_ceiling * scores.ceiling_error.astype(float))
    return found.where(squared, scores.ceiled_error.astype(float))


def formulas(scores: pd.DataFrame, formula: str = PUBLISHED) -> str:
    """By which formulas `values` are ceiled, as a sentence: the one that reports use, then who has another one."""
    return f"Ceiled: {ceiled_by(scores, formula)}."


def ceiled_by(scores: pd.DataFrame, formula: str = PUBLISHED) -> str:
    """The same within a sentence."""
    used = _used(scores, formula)
    if used.empty:
        return CEILED
    usual = FORMULA_WORDS[SQUARES[formula]] if (used == SQUARES[formula]).any() else _words(used.mode().iloc[0])
    others: dict[str, list[str]] = {}
    for name, part in used.groupby(scores.benchmark):
        for word in sorted({_words(one) for one in part} - {usual}):
            others.setdefault(word, []).append(str(name))
    rest = "".join(f"; {', '.join(names)}: {word}" for word, names in others.items())
    return f"{usual}{rest}"


def _used(scores: pd.DataFrame, formula: str) -> pd.Series:
    """The formula of each of `values`."""
    squared = scores.formula.isin(["r^2/c", "(r/c)^2"]) & (scores.region != BEHAVIOR) & scores[formula].notna()
    return scores.formula.astype(str).mask(squared, SQUARES[formula])


def _words(formula: str) -> str:
    return FORMULA_WORDS.get(formula, formula)


def benchmarks(best: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """region -> its public benchmark where it has one, else those that most networks were scored on: recorded ones
    where there are such, so that no simulated brain is averaged with a real one."""
    found = {}
    for region, part in best.groupby("region"):
        counts = part.groupby("benchmark").model_id.nunique()
        public = [name for name in counts.index if is_public(str(name))]
        most = list(counts.index[counts == counts.max()])
        recorded = [name for name in most if not str(name).startswith(SIMULATED)]
        found[str(region)] = tuple(public or recorded or most)
    return found


def region_scores(evidence: Evidence, networks: pd.DataFrame, formula: str = PUBLISHED) -> pd.DataFrame:
    """One row a network and column (a region, or neural_mean): model_id, column, value, error, runs.

    networks: those that are compared, rows with model_id. A region's value is the mean over its `benchmarks`, for the
    networks that have all of those that are not public. neural_mean is what was imported where a mean was, else the
    mean of V1, V2, V4 and IT, of networks that have all four. error: standard error of the value, see `errors_of`; of
    a mean that of independent recordings.
    """
    import pandas as pd

    best = committed(evidence)
    best = best[best.model_id.isin(networks.model_id)]
    names = benchmarks(best)
    counted = (name in names[region] for name, region in zip(best.benchmark, best.region, strict=True))
    best = best[np.fromiter(counted, bool, len(best))]
    have = best.groupby(["model_id", "region"]).benchmark.transform("nunique")
    public = {region for region, used in names.items() if all(map(is_public, used))}
    best = best[(have == best.region.map({name: len(used) for name, used in names.items()})) | best.region.isin(public)]
    best = best.assign(value=values(best, formula), error=errors_of(best, formula))
    regions = grouped(best.rename(columns={"region": "column", "run_id": "runs"}), "column")
    neural = regions[regions.column.isin(REGIONS)]
    whole = neural.groupby("model_id").column.transform("size") == len(REGIONS)
    given = neural.model_id.isin(regions.model_id[regions.column == MEAN])
    means = grouped(neural[whole & ~given].assign(column=MEAN), "column")
    return pd.concat([regions, means], ignore_index=True) if len(means) else regions


def alignment(evidence: Evidence, networks: pd.DataFrame | None = None, *, formula: str = PUBLISHED) -> pd.DataFrame:
    """One row a scored network: its facts, a column for every region's score, neural_mean, score_runs (run ids), and
    for each of these scores a column `error_column(name)` with its standard error.

    networks: those that are compared, all without them; regions as in `region_scores`. neural_mean averages the regions
    of REGIONS that anybody has here, for the networks that have all of these; others get NaN.
    """
    networks = evidence.networks if networks is None else networks
    scored = region_scores(evidence, networks, formula)
    table = scored.pivot(index="model_id", columns="column", values="value")
    errors = scored.pivot(index="model_id", columns="column", values="error").reindex_like(table)
    neural = [region for region in REGIONS if region in table]
    means = table[neural].mean(axis=1, skipna=False) if neural else np.nan
    of_means = np.sqrt((errors[neural] ** 2).sum(axis=1, skipna=False)) / max(len(neural), 1)
    errors[MEAN] = errors[MEAN].where(table[MEAN].notna(), of_means) if MEAN in table else of_means
    table[MEAN] = table[MEAN].fillna(means) if MEAN in table else means
    table = table.join(errors.rename(columns=error_column))
    table["score_runs"] = scored[scored.column != MEAN].groupby("model_id").runs.agg(run_ids)
    return networks.merge(table.reset_index(), on="model_id", how="inner")


def error_column(name: str) -> str:
    """The column of `alignment` with the standard errors of the scores in the column `name`."""
    return f"{name}_error"


def grouped(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a network and value of the column `name`: mean of value (NaN when one is), its standard error, which is
    that of independent ones, and runs, each id once."""
    import pandas as pd

    by = ["model_id", name]
    rows = table.explode("runs")
    runs = rows.drop_duplicates([*by, "runs"]).groupby(by, sort=False).runs.agg(tuple)
    groups = table.assign(variance=table.error**2).groupby(by, sort=False)[["value", "variance"]]
    known = groups.count().eq(groups.size(), axis=0)  # of all that are averaged
    found = groups.mean().where(known)
    errors = (found.variance / groups.size()) ** 0.5
    return pd.DataFrame({"value": found.value, "error": errors, "runs": runs}).reset_index()


def sources(evidence: Evidence, networks: pd.DataFrame) -> tuple[str, ...]:
    """Notes on benchmarks that fill a column and are not the published ones."""
    best = committed(evidence)
    found = benchmarks(best[best.model_id.isin(networks.model_id)])
    return tuple(
        f"{region} is from {', '.join(found[region])}, not from the published benchmark."
        for region in REGIONS_SHOWN
        if region in found and not any(map(is_public, found[region]))
    )
