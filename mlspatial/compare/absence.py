"""Why a number is missing, in words: no such network, not scored, a run that failed, a score that is no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.evidence import REGIONS, Evidence
from mlspatial.compare.scores import MEAN, benchmarks, committed, is_public
from mlspatial.compare.style import canonical
from mlspatial.compare.words import region_label

if TYPE_CHECKING:
    import pandas as pd

ENDS = {"FAILED": "failed", "KILLED": "was stopped"}
LONGEST = 100  # characters of a reason that a run gives


def why(
    evidence: Evidence, task: str, arch: str, networks: pd.DataFrame, chosen: pd.DataFrame | None, column: str
) -> str:
    """Why a row of a published table has nothing in a column (a region, neural_mean, behavior).

    networks: all of that architecture, as `known` makes them; chosen: those that stand for the row, None for none.
    """
    if chosen is not None:
        if column != MEAN:
            name = region_label(column)
            return unscored(evidence, chosen, f"on a benchmark of {name if name in REGIONS else name.lower()}", column)
        best = committed(evidence)
        best = best[best.model_id.isin(chosen.model_id)]
        lacking = [region for region in REGIONS if region not in set(best.region)]
        return f"the mean needs {', '.join(REGIONS)}; no score on {', '.join(lacking) or 'all of them by one network'}"
    mine = networks[networks.task == canonical(task)]
    if mine.empty:
        return _ended(evidence, evidence.failed.entry == "train", task, arch) or "no such network was trained"
    scored = mine[mine.model_id.isin(evidence.scores.model_id)]
    if scored.empty:
        return unscored(evidence, mine, "on any benchmark")
    return "only networks of other conditions are scored (centred objects, begun from ImageNet, other checkpoints)"


def unscored(
    evidence: Evidence, networks: pd.DataFrame, where: str, what: str = "", *, not_a_number: bool = False
) -> str:
    """Why some networks have no score. where: in words; what: the benchmark or region."""
    scores = evidence.scores[evidence.scores.model_id.isin(networks.model_id)]
    here = scores[(scores.benchmark == what) | (scores.region == what)]
    if not_a_number or len(here):
        if not here.committed.astype(bool).any():
            return f"scored {where} without a layer that counts"
        used = benchmarks(committed(evidence)).get(what, ())
        if used and not set(here.benchmark) & set(used) and not any(map(is_public, here.benchmark)):
            return f"scored on {', '.join(sorted(set(here.benchmark)))} only, and the column is of {', '.join(used)}"
        if here.ceiled.isna().all():
            low = here.ceiling.notna().any() and not (here.ceiling.astype(float) > 0).any()
            return "the ceiling is not above 0" if low else "the score is not a number"
        return f"no network is scored on all of {', '.join(used)}" if used else "the score of one network is no number"
    failed = evidence.failed
    tried = (failed.entry == "score") & failed.model_id.isin(networks.model_id)
    if what and what not in REGIONS and len(failed):
        tried &= np.array([what in str(text).split(",") for text in failed.benchmarks], dtype=bool) | (
            what not in set(evidence.scores.benchmark)
        )
    return _ended(evidence, tried) or f"not scored {where}"


def untuned(evidence: Evidence, task: str) -> str:
    """Why no network of a task has an answer to a design of controlled images."""
    same = [canonical(str(name)) == task for name in evidence.networks.task]
    mine = evidence.networks[np.array(same, dtype=bool)]
    if mine.empty:
        return _ended(evidence, evidence.failed.entry == "train", task) or "no such network was trained"
    if mine.model_id.isin(evidence.tunings.model_id).any():
        return "only networks of other conditions or designs were asked"
    tried = (evidence.failed.entry == "tuning") & evidence.failed.model_id.isin(mine.model_id)
    return _ended(evidence, tried) or "not asked with a design"


def not_generalised(evidence: Evidence, task: str) -> str:
    """Why no network of a task was read out across conditions."""
    same = [canonical(str(name)) == task for name in evidence.networks.task]
    mine = evidence.networks[np.array(same, dtype=bool)]
    if mine.empty:
        return _ended(evidence, evidence.failed.entry == "train", task) or "no such network was trained"
    if mine.model_id.isin(evidence.generalised.model_id).any():
        return "only networks of other conditions, or with something else left out"
    return "not read out across conditions"


def _ended(evidence: Evidence, chosen: pd.Series, task: str = "", arch: str = "") -> str:
    """In words, the newest of some runs that came to no end; "" without any."""
    failed = evidence.failed[chosen.astype(bool)]
    if task:
        same = [canonical(str(name)) == canonical(task) for name in failed.task]
        failed = failed[np.array(same, dtype=bool) & ((failed.arch == arch) | (arch == ""))]
    if failed.empty:
        return ""
    run = failed.iloc[0]
    reason = " ".join(str(run.reason).split())
    short = f": {reason[:LONGEST]}{'...' * (len(reason) > LONGEST)}" if reason else ""
    return f"the {run.entry} run {run.run_id[:8]} {ENDS.get(run.status, run.status)}{short}"


def means_over(networks: pd.DataFrame | None, rows: pd.DataFrame) -> pd.Series:
    """Of rows with model_id, over how many networks each is a mean: 1, or what an import says; NaN: not said."""
    import pandas as pd

    if networks is None or "networks" not in networks:
        one = pd.Series(1.0, rows.index)
        return one if networks is None else one.mask(_averaged(networks, rows))
    counts = networks.drop_duplicates("model_id").set_index("model_id").networks.astype(float)
    found = rows.model_id.map(counts)
    return found.where(found.notna() | _averaged(networks, rows), 1.0)


def _averaged(networks: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Of which rows a mean over seeds was imported."""
    averaged = networks.model_id[networks.imported.astype(bool) & (networks.seed.astype(float) < 0)]
    return rows.model_id.isin(set(averaged))
