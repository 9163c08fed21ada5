"""Which networks an item about alignment shows: a row of a table one condition, a figure those of one training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

from mlspatial.compare.conditions import FIELDS, REFERENCES, Condition, fullness, known, last, nearest, once
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.scores import CEILED, alignment, benchmarks, ceiled_by, committed, error_column, is_public
from mlspatial.compare.style import canonical, ordered, task_style
from mlspatial.compare.table import label
from mlspatial.compare.words import arch_label, region_label

# ---- tables -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """networks: of the condition that fills a row, None when there is none; others: the rest, in words."""

    networks: pd.DataFrame | None
    others: tuple[str, ...]


class Conditions:
    """The conditions of the networks of one architecture, and which of them stands for a published one.

    checkpoints: those of a training together, else last checkpoints only. Networks that saw centred objects only, or
    started from ImageNet's weights, stand for no row.
    """

    def __init__(self, networks: pd.DataFrame, *, checkpoints: bool = False) -> None:
        table = known(networks)
        self._shown = once(table if checkpoints else table[table.final.astype(bool)])
        self._checkpoints = checkpoints
        self._trainings = dict(tuple(self._shown.groupby("training", sort=False)))

    def choose(self, task: str) -> Choice:
        """The networks for a task, of the fullest training that has it, and the other conditions that there are."""
        mine = self._shown[self._shown.task == canonical(task)]
        begun = mine.init.str.startswith("imagenet") & (mine.task != "imagenet")
        fitting = mine[(mine.translation != "none") & ~begun]
        best = max(fitting.training.unique(), key=lambda one: fullness(self._trainings[one]), default=None)
        chosen = mine.iloc[:0]
        if best is not None:
            part = self._trainings[best]
            part = part if self._checkpoints else last(part)
            chosen = part[part.task == canonical(task)]
        one = self._of(chosen).iloc[0] if len(chosen) else None
        rest = mine[~mine.condition.isin(chosen.condition)]
        others = (f"{_other(key, one)}, n = {len(part)}" for key, part in rest.groupby(self._of(rest), sort=False))
        return Choice(chosen if len(chosen) else None, tuple(others))

    def _of(self, table: pd.DataFrame) -> pd.Series:
        """The conditions, with checkpoints of a training taken together where they are."""
        if not self._checkpoints:
            return table.condition
        return pd.Series([replace(one, step="") for one in table.condition], table.index, dtype=object)


def _other(condition: Condition, chosen: Condition | None) -> str:
    """A condition in words: in what it differs from the chosen one; without one, all that is known."""
    names = [name for name in FIELDS if chosen is None or getattr(condition, name) != getattr(chosen, name)]
    implied = {"dataset_id": "dataset", "fraction": "n_train"}
    return label(pd.Series(vars(condition), dtype=object), [name for name in names if implied.get(name) not in names])


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


# ---- figures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chosen:
    """table: the scored networks of one architecture, a row each, as `alignment` gives them; main: those of the fullest
    training, every checkpoint; regions: those with scores; benchmarks: region -> the benchmarks behind its score;
    ceiled_by: the formula by which the neural ones are ceiled, and which have another one.
    """

    arch: str
    table: pd.DataFrame
    main: pd.DataFrame
    regions: tuple[str, ...]
    benchmarks: dict[str, tuple[str, ...]]
    ceiled_by: str = CEILED
    notes: list[str] = field(default_factory=list)

    @property
    def neural(self) -> tuple[str, ...]:
        return tuple(region for region in REGIONS if region in self.regions)

    @property
    def ceiled(self) -> str:
        """How the neural scores are ceiled, for an axis; which by what formula is in the caption where they differ."""
        return "ceiled" if ";" in self.ceiled_by else self.ceiled_by

    @property
    def mean_label(self) -> str:
        """Of the neural mean, for an axis."""
        return f"{self.neural[0] if len(self.neural) == 1 else 'Neural'} alignment, {self.ceiled}"

    @property
    def mean_words(self) -> str:
        """Of the neural mean, for a caption."""
        how = f"ceiled: {self.ceiled_by}" if self.ceiled == "ceiled" else self.ceiled
        if len(self.neural) == 1:
            return f"the {self.neural[0]} score, {how}, the only region here"
        return f"the mean of the {', '.join(self.neural)} scores, {how}"

    @property
    def label(self) -> str:
        return arch_label(self.arch)

    def finals(self, tasks: Iterable[str] = ()) -> pd.DataFrame:
        """Last checkpoints of the main networks and the controls, in the published order of their tasks."""
        rows = pd.concat([last(self.main), *(self.control(task) for task in REFERENCES)])
        names = [task for task in ordered(rows.task) if not tasks or task in tasks]
        return pd.concat([rows[rows.task == task] for task in names]) if names else rows.iloc[:0]

    def control(self, task: str) -> pd.DataFrame:
        """Untrained or ImageNet networks of one kind: made as the main ones where there are such, else the most."""
        to = self.main.training.iloc[0] if len(self.main) else None
        return once(nearest(self.table[self.table.task == task], to))

    def others(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Of networks on other datasets those of one training, like that of the main ones where there are such.

        Notes it when no networks were trained with the same settings.
        """
        rows = last(rows)
        if rows.empty:
            return rows
        same = rows[(rows.settings == self.main.settings.iloc[0]) & (rows.init == self.main.init.iloc[0])]
        if same.empty:
            words = f"Networks of {', '.join(sorted(rows.dataset.unique()))} were trained with other settings."
            self.notes.append(words)
        rows = rows if same.empty else same
        trainings = [part for _, part in rows.groupby("training", sort=False)]
        return max(trainings, key=lambda part: (len(part), str(part.dataset.iloc[0])))


def choose(evidence: Evidence, arch: str) -> Chosen:
    """The scored networks for a figure of `arch`; of another architecture when it has no trained one."""
    scored = known(evidence.networks[evidence.networks.model_id.isin(evidence.scores.model_id)])
    trained = scored[~scored.task.isin(REFERENCES)]
    notes = []
    pool = trained if len(trained) else scored
    drawn = arch if arch in {*pool.arch} or pool.empty else str(pool.arch.value_counts(sort=True).index[0])
    if drawn != arch:
        notes.append(f"The published figure is of {arch_label(arch)}; drawn are {arch_label(drawn)} networks.")
    scored = scored[scored.arch == drawn]
    best = committed(evidence)
    used = benchmarks(best[best.model_id.isin(scored.model_id)])
    table = alignment(evidence, scored)
    regions = tuple(region for region in (*REGIONS, BEHAVIOR) if region in table.columns)
    if regions and not all(is_public(name) for names in used.values() for name in names):
        words = "; ".join(f"{region_label(r)}: {', '.join(used[r])}" for r in regions)
        notes.append(f"Not the five public benchmarks of Brain-Score but {words}.")
    missing = [region for region in REGIONS if region not in regions]
    if missing:
        there = ", ".join(region for region in REGIONS if region in regions) or "nothing"
        notes.append(f"No scores of {', '.join(missing)}; the neural mean is of {there}.")
    main, choice = _main(table[~table.task.isin(REFERENCES)])
    notes += choice
    partial = int(main.neural_mean.isna().sum()) if any(region in regions for region in REGIONS) else 0
    if partial:
        notes.append(f"{partial} of {len(main)} networks lack a region and have no neural mean.")
    return Chosen(drawn, table, main, regions, used, _ceiled_by(best, used), notes)


def _ceiled_by(best: pd.DataFrame, used: dict[str, tuple[str, ...]]) -> str:
    """Of the neural scores, which make up the mean."""
    names = {name for region, benchmarks in used.items() for name in benchmarks if region in REGIONS}
    return ceiled_by(best[best.benchmark.isin(names)])


def _main(trained: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The networks of the fullest training."""
    if trained.empty:
        return trained, []
    trainings = [part for _, part in trained.groupby("training", sort=False)]
    main = max(trainings, key=fullness)
    first = main.iloc[0]
    notes = []
    if len(trainings) > 1:
        size = f", {int(first.n_train):,} images" if first.n_train == first.n_train else ""
        left = len(trained) - len(main)
        notes.append(
            f"Networks trained on {first.dataset}{size} ({first.settings or 'default settings'}); {left} checkpoints "
            f"of {len(trainings) - 1} other conditions (dataset, fraction or settings) are not averaged with them."
        )
    return main, notes


def runs_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """The train and score runs behind networks, each once, in order."""
    return run_ids(zip(rows.run_id, rows.score_runs, strict=True))


def run_texts(rows: pd.DataFrame) -> list[str]:
    """The train and score runs of each network."""
    return [run_text(ids) for ids in zip(rows.run_id, rows.score_runs, strict=True)]


def summary(rows: pd.DataFrame, column: str) -> dict[str, object]:
    """mean, sd (n - 1; NaN for one network), n and run_ids of the networks that have a value."""
    kept = rows[rows[column].notna()]
    found = kept[column].astype(float)
    return {"mean": found.mean(), "sd": found.std(ddof=1), "n": len(kept), "run_ids": " ".join(runs_of(kept))}


def errors(rows: pd.DataFrame, column: str) -> pd.Series:
    """Standard errors of the networks' scores in the column, NaN where nobody knows; of rows of `alignment`."""
    return rows[error_column(column)].astype(float)


def error_words(found: Iterable[float], how: str) -> str:
    """What the errors in a figure are, as a sentence for its caption; "" where there are none. how: they are shown."""
    known = pd.Series(list(found), dtype=float).dropna()
    if known.empty:
        return ""
    return f" {how} standard error of a network's score, from those of r and ceiling (median {known.median():.3f})."


def absent(published: Iterable[str], found: Iterable[str]) -> list[str]:
    """The labels of the published tasks that are not among those found."""
    have = set(found)
    return [task_style(task).label for task in published if task not in have]
