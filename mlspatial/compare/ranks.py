"""Which conditions explain a benchmark's responses better: rankings from what score runs have kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis import ranking
from mlspatial.analysis.bootstrap import RESAMPLES, Statistic
from mlspatial.analysis.ranking import LEVEL, Estimate, Ranking
from mlspatial.compare.conditions import known, last, names_of
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.scores import SIMULATED, committed
from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

SEED = 0  # of the draws
FEW_UNITS, FEW_STIMULI = 20, 90  # the fewest for which docs/analysis.md shows how often a test errs
MANY_UNITS, SCANTY_STIMULI = 500, 400  # from where on, and below which number, images decide alone; see there
MODELS = (
    "benchmark", "region", "recordings", "stimuli", "units", "rank", "model", "networks", "score", "error", "df", "low",
    "high", "images_error", "neurons_error", "networks_error", "p_zero", "ceiling_lower", "ceiling_upper",
    "less_lower", "p_ceiling", "group", "run_ids",
)  # fmt: skip
PAIRS = (
    "benchmark", "region", "recordings", "first", "second", "difference", "error", "df", "low", "high", "p", "p_holm",
    "p_fdr", "run_ids",
)  # fmt: skip


@dataclass(frozen=True)
class Ranked:
    """benchmark: or of several recordings of a region, what they are; tasks, runs: model -> its task, run ids."""

    benchmark: str
    region: str
    ranking: Ranking
    tasks: dict[str, str]
    runs: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    mark: str = ""  # of the responses of one recording


def rankings(
    evidence: Evidence, *, statistic: Statistic = "mean", resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[list[Ranked], tuple[str, ...]]:
    """(of every recording, a benchmark or a session of one, for which predictions of two conditions or more are kept,
    and of a region that has several recordings over these; notes on what is left out). Networks are last checkpoints,
    under the benchmark's own metric.
    """
    options = {"statistic": statistic, "resamples": resamples, "seed": seed}
    if _LATEST and _LATEST[0][0] is evidence and _LATEST[0][1] == options:
        return _LATEST[0][2]
    best = committed(evidence)
    networks = last(known(evidence.networks[evidence.networks.model_id.isin(best.model_id)]))
    made: list[Ranked] = []
    notes: list[str] = []
    if len(networks):
        networks = networks.assign(label=names_of(networks.condition))
        for benchmark, rows in best[best.model_id.isin(networks.model_id)].groupby("benchmark", sort=True):
            rows = rows.merge(networks[["model_id", "label", "task"]])
            for name, kept in _kept(str(benchmark), rows, evidence).items():
                ranked = _recording(name, rows, kept, options)
                if isinstance(ranked, Ranked):
                    made.append(ranked)
                else:
                    notes.append(ranked)
    for region in dict.fromkeys(one.region for one in made):
        recorded = [one for one in made if one.region == region and not one.benchmark.startswith(SIMULATED)]
        made += _region(region, list({one.mark: one for one in recorded}.values()))  # one under two names counts once
    _LATEST[:] = [(evidence, options, (made, tuple(notes)))]
    return made, tuple(notes)


_LATEST: list[tuple[Evidence, dict[str, Any], tuple[list[Ranked], tuple[str, ...]]]] = []  # for table and figure alike


def _kept(benchmark: str, rows: pd.DataFrame, evidence: Evidence) -> dict[str, dict[str, Predictions]]:
    """Recording of a benchmark -> network -> what is kept of it."""
    kept: dict[str, dict[str, Predictions]] = {}
    for row in rows.itertuples():
        for one in evidence.predictions(row.run_id, {(benchmark, str(row.metric))}):
            kept.setdefault(one.benchmark, {})[row.model_id] = one
    return kept


def _recording(name: str, rows: pd.DataFrame, kept: dict[str, Predictions], options: dict[str, Any]) -> Ranked | str:
    """Of one recording; in words why there is none."""
    lacking = rows.label.nunique() - rows.label[rows.model_id.isin(kept)].nunique()
    rows, other = _same(rows[rows.model_id.isin(kept)], kept)
    found = [f"{name}: {other} networks are left out, their responses are not those of the others."] if other else []
    found += [f"{name}: {lacking} conditions have no kept predictions; score them again."] if lacking else []
    if rows.label.nunique() < 2:
        return f"{name}: predictions of one condition are kept, a ranking takes two."
    first = kept[rows.model_id.iloc[0]]
    order = {one.model_id: _order(kept[one.model_id], first) for one in rows.itertuples()}
    models = {
        str(label): [kept[model].predicted[order[model]] for model in part.model_id]
        for label, part in rows.groupby("label", sort=False)
    }
    try:
        ranking_ = ranking.rank(
            models, first.responses, folds=first.folds, noise=first.noise, reliability=first.reliability, **options
        )
    except UserError as error:
        return f"{name}: no ranking: {error}."
    found += [f"{name}: {note}" for note in ranking_.notes]
    if first.noise is None and np.isfinite(first.reliability).any():
        found.append(f"{name}: the ceiling is not drawn anew with the images, trials are not kept with it.")
    if len(first.units) < FEW_UNITS or len(first.stimuli) < FEW_STIMULI:
        found.append(
            f"{name}: {len(first.units)} units and {len(first.stimuli)} images, with fewer than {FEW_UNITS} and "
            f"{FEW_STIMULI} it was not simulated how often these tests err (docs/analysis.md)."
        )
    if len(first.units) >= MANY_UNITS and len(first.stimuli) < SCANTY_STIMULI:
        found.append(
            f"{name}: {len(first.units)} units and {len(first.stimuli)} images; with 1,000 and 90, 95 % intervals held "
            "93 % of what was simulated, and models that knew nothing were above zero in 8 % (docs/analysis.md)."
        )
    tasks = {str(row.label): str(row.task) for row in rows.itertuples()}
    runs = {str(label): run_ids(part.run_id) for label, part in rows.groupby("label")}
    return Ranked(name, first.region, ranking_, tasks, runs, tuple(found), _mark(first))


def _same(rows: pd.DataFrame, kept: dict[str, Predictions]) -> tuple[pd.DataFrame, int]:
    """(networks that were compared with the same responses, those of most; how many others there are)."""
    marks = {model: _mark(kept[model]) for model in rows.model_id}
    usual = Counter(marks.values()).most_common(1)[0][0]
    same = rows.model_id.map(marks) == usual
    return rows[same], int((~same).sum())


def _mark(one: Predictions) -> str:
    """The same for the same responses, whatever the order of the stimuli."""
    order = np.argsort(np.array(one.stimuli))
    responses = hashlib.sha256(np.ascontiguousarray(one.responses[order]).tobytes()).hexdigest()
    return content_id([sorted(one.stimuli), list(one.units), one.folds[order].tolist(), responses])


def _order(one: Predictions, as_in: Predictions) -> np.ndarray | slice:
    if one.stimuli == as_in.stimuli:
        return slice(None)
    place = {name: number for number, name in enumerate(one.stimuli)}
    return np.array([place[name] for name in as_in.stimuli])


def _region(region: str, several: Sequence[Ranked]) -> list[Ranked]:
    """Over the recordings of a region, where all of them rank two conditions or more with as many networks."""
    if len(several) < 2:
        return []
    counts = [{one.name: len(one.scores) for one in ranked.ranking.models} for ranked in several]
    shared = {name for name in counts[0] if all(count.get(name) == counts[0][name] for count in counts)}
    if len(shared) < 2:
        return []
    over = ranking.across([_only(one.ranking, shared) for one in several])
    runs = {name: run_ids(one.runs[name] for one in several) for name in shared}
    return [Ranked(f"{region}, mean over {len(several)} recordings", region, over, several[0].tasks, runs)]


def _only(whole: Ranking, names: set[str]) -> Ranking:
    from dataclasses import replace

    return replace(whole, models=tuple(model for model in whole.models if model.name in names))


# ---- tidy tables ------------------------------------------------------------------------------------------------


def models_frame(made: Sequence[Ranked]) -> pd.DataFrame:
    """One row a benchmark and model, the best first, columns MODELS."""
    import pandas as pd

    rows = []
    for one in made:
        facts = _facts(one)
        for number, model in enumerate(one.ranking.models, 1):
            estimate, half = model.estimate, model.estimate.half()
            rows.append(
                facts
                | {
                    "stimuli": one.ranking.stimuli, "units": one.ranking.units, "rank": number, "model": model.name,
                    "networks": len(model.scores), "score": estimate.value, "error": estimate.error,
                    "df": estimate.df, "low": estimate.value - half, "high": estimate.value + half,
                    "images_error": estimate.images[0], "neurons_error": estimate.neurons[0],
                    "networks_error": estimate.networks[0], "p_zero": model.p_zero,
                    "ceiling_lower": one.ranking.lower, "ceiling_upper": one.ranking.upper,
                    "less_lower": float("nan") if model.ceiling is None else model.ceiling.value,
                    "p_ceiling": model.p_ceiling, "group": model.letters, "run_ids": " ".join(one.runs[model.name]),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(MODELS))


def pairs_frame(made: Sequence[Ranked]) -> pd.DataFrame:
    """One row a benchmark and pair of models, columns PAIRS."""
    import pandas as pd

    rows = []
    for one in made:
        for pair in one.ranking.pairs:
            low, high = interval(pair.estimate)
            values = pair.estimate.value, pair.estimate.error, pair.estimate.df, low, high, pair.p, pair.p_holm
            runs = " ".join(run_ids(one.runs[pair.first], one.runs[pair.second]))
            rows.append((*_facts(one).values(), pair.first, pair.second, *values, pair.p_fdr, runs))
    return pd.DataFrame(rows, columns=list(PAIRS))


def interval(estimate: Estimate, level: float = LEVEL) -> tuple[float, float]:
    half = estimate.half(level)
    return estimate.value - half, estimate.value + half


def _facts(one: Ranked) -> dict[str, Any]:
    return {"benchmark": one.benchmark, "region": one.region, "recordings": one.ranking.recordings}
