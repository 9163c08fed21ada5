"""What the tables share: which networks make up a condition, which of several conditions fills a row, their scores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.selection import is_public
from mlspatial.compare.style import canonical
from mlspatial.compare.table import label

if TYPE_CHECKING:
    import pandas as pd

#: What makes a condition: networks that differ in any of these are never averaged together; what tells most first.
CONDITION = (
    "task", "arch", "dataset", "n_train", "n_categories", "translation", "step", "init", "settings", "imported",
    "averaged", "fraction", "dataset_id",
)  # fmt: skip
#: What two tasks have in common that were trained in the same way.
TRAINING = (
    "dataset", "dataset_id", "n_train", "fraction", "n_categories", "translation", "init", "settings", "imported",
)  # fmt: skip
MEAN = "neural_mean"
COMPLETE = frozenset({"distance", "translation", "rotation", "category", "identity"})
REGIONS_SHOWN = (*REGIONS, BEHAVIOR)


@dataclass(frozen=True)
class Choice:
    """networks: of the condition that fills a row, None when there is none; others: the rest, in words."""

    networks: pd.DataFrame | None
    others: tuple[str, ...]


# ---- conditions -------------------------------------------------------------------------------------------------


def is_task(task: str, name: str) -> bool:
    """Whether a network's task is the one named; the order of parts does not matter, and all is all five."""
    return canonical(task) == canonical(name) or (name == "all" and frozenset(task.split("+")) == COMPLETE)


def of_task(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Rows whose column task is one of those named."""
    flags = (any(is_task(str(task), name) for name in names) for task in table.task)
    return table[np.fromiter(flags, bool, len(table))]


def conditions(
    networks: pd.DataFrame, *, checkpoints: bool = False
) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Every condition as (its facts, its networks), in the order in which they come.

    checkpoints: take those of a training together instead of apart. Networks come newest first: one that was made
    again counts once. A row whose seed is below 0 stands for a mean over seeds and is never averaged with seeds.
    """
    names = [name for name in CONDITION if not (checkpoints and name == "step")]
    marked = networks.assign(averaged=networks.seed.astype(float) < 0)
    for key, group in marked.groupby(names, dropna=False, sort=False):
        facts = dict(zip(names, key, strict=True))
        yield facts, group.drop_duplicates(["seed", "step"])


class Conditions:
    """The conditions of the networks of one architecture, and which of them stands for a published one.

    checkpoints: those of a training together, else last checkpoints only. Networks that saw centred objects only, or
    started from ImageNet's weights, stand for no row.
    """

    def __init__(self, networks: pd.DataFrame, *, checkpoints: bool = False) -> None:
        shown = networks if checkpoints else networks[networks.final.astype(bool)]
        self._groups = list(conditions(shown, checkpoints=checkpoints))
        self._tasks: dict[str, set[str]] = {}
        for facts, _ in self._groups:
            self._tasks.setdefault(_training(facts), set()).add(canonical(str(facts["task"])))

    def choose(self, task: str) -> Choice:
        """The condition for a task, and the others that it was chosen from.

        Own networks go before imported ones; then all categories, the way of training that most tasks share (so that
        rows can be compared), the largest training set, the longest training, the most networks.
        """
        groups = [item for item in self._groups if is_task(str(item[0]["task"]), task)]
        fitting = [item for item in groups if _fits(item[0])]
        chosen = max(fitting, key=lambda item: self._rank(*item), default=None)
        rest = [item for item in groups if item is not chosen]
        others = tuple(f"{_other(facts, chosen and chosen[0])}, n = {len(group)}" for facts, group in rest)
        return Choice(chosen[1] if chosen else None, others)

    def _rank(self, facts: dict[str, object], group: pd.DataFrame) -> tuple[float, ...]:
        shared = float(len(self._tasks[_training(facts)]))
        own, categories = float(not facts["imported"]), _number(facts["n_categories"])
        return (own, categories, shared, _number(facts["n_train"]), _number(facts.get("step")), float(len(group)))


def choose(networks: pd.DataFrame, task: str, *, checkpoints: bool = False) -> Choice:
    """The condition that stands for a published one among the networks of one architecture; see Conditions."""
    return Conditions(networks, checkpoints=checkpoints).choose(task)


def _training(facts: dict[str, object]) -> str:
    return repr([str(facts[name]) for name in TRAINING])


def _fits(facts: dict[str, object]) -> bool:
    started = str(facts["init"]).startswith("imagenet") and facts["task"] != "imagenet"
    return facts["translation"] != "none" and not started


def _other(facts: dict[str, object], chosen: dict[str, object] | None) -> str:
    """A condition in words: in what it differs from the chosen one; without one, all that is known."""
    differing = [name for name in facts if chosen is None or str(facts[name]) != str(chosen[name])]
    implied = {"dataset_id": "dataset", "fraction": "n_train"}
    said = [name for name in differing if implied.get(name) not in differing]
    return label(_series(facts), said)


def _number(value: object) -> float:
    number = float(str(value)) if value is not None and value == value else -1.0
    return -1.0 if math.isnan(number) else number


def _series(facts: dict[str, object]) -> pd.Series:
    import pandas as pd

    return pd.Series(facts, dtype=object)


def describe(networks: pd.DataFrame) -> str:
    """What a condition is, in words: dataset, images, batches, categories, other settings."""
    first = networks.iloc[0]
    parts = [f"dataset {first.dataset}"] if first.dataset else []
    parts += [f"{first.n_train:.0f} training images"] if first.n_train > 0 else []
    parts += [f"{first.step:.0f} batches"] if first.step > 0 else []
    parts += [f"{first.n_categories:.0f} categories"] if first.n_categories > 0 else []
    parts += [str(first.settings)] if first.settings else []
    parts += ["imported"] if first.imported else []
    return ", ".join(parts)


# ---- scores -----------------------------------------------------------------------------------------------------


def region_scores(evidence: Evidence, *, formula: str = "ceiled", public: bool = False) -> pd.DataFrame:
    """One row a network and column (a region, or neural_mean): model_id, column, value, runs.

    A region's value is the mean over its benchmarks at the committed layer under each benchmark's own metric; where
    `formula` is unknown, and for behavior (which has one of its own), the score as it was handed over. public: of a
    region with scores on its published benchmark, only that one counts. neural_mean needs V1, V2, V4 and IT, and is
    what was imported where a mean was.
    """
    import pandas as pd

    best = committed(evidence)
    if public:
        best = best[_counted(best)]
    ceiled = best.ceiled.astype(float)
    best = best.assign(value=best[formula].astype(float).fillna(ceiled).where(best.region != BEHAVIOR, ceiled))
    regions = grouped(best.rename(columns={"region": "column", "run_id": "runs"}), "column")
    neural = regions[regions.column.isin(REGIONS)]
    whole = neural.groupby("model_id").column.transform("size") == len(REGIONS)
    given = neural.model_id.isin(regions.model_id[regions.column == MEAN])
    means = grouped(neural[whole & ~given].assign(column=MEAN), "column")
    return pd.concat([regions, means], ignore_index=True) if len(means) else regions


def grouped(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a network and value of the column `name`: mean of value (NaN when one is) and runs, each id once."""
    import pandas as pd

    by = ["model_id", name]
    rows = table.explode("runs")
    runs = rows.drop_duplicates([*by, "runs"]).groupby(by, sort=False).runs.agg(tuple)
    unknown = table.value.isna().groupby([table[key] for key in by], sort=False).any()
    values = table.groupby(by, sort=False).value.mean().mask(unknown)
    return pd.DataFrame({"value": values, "runs": runs}).reset_index()


def _counted(best: pd.DataFrame) -> pd.Series:
    """Whether a benchmark counts: a public one, or (of an imported column) the region's name; others without those."""
    public = best.benchmark.map({name: is_public(str(name)) for name in set(best.benchmark)}).astype(bool)
    without = ~best.region.isin(best.region[public])
    return public | without | (best.benchmark == best.region)


def committed(evidence: Evidence) -> pd.DataFrame:
    """Rows of scores at the layer that was chosen, under the benchmark's own metric."""
    scores = evidence.scores
    return scores[scores.committed.astype(bool) & scores.primary.astype(bool)]


def sources(evidence: Evidence) -> tuple[str, ...]:
    """Notes on benchmarks that fill a column and are not the published ones."""
    best = committed(evidence)
    notes = []
    for region in REGIONS_SHOWN:
        names = sorted(set(best.benchmark[best.region == region]) - {region})
        if names and not any(is_public(name) for name in names):
            notes.append(f"{region} is from {', '.join(names)}, not from the published benchmark.")
    return tuple(notes)
