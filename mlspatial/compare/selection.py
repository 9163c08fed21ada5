"""Which networks a published alignment figure shows: of one architecture, one dataset, one way of training."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence, alignment
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.style import canonical, ordered, task_style
from mlspatial.compare.words import arch_label, region_label

if TYPE_CHECKING:
    import pandas as pd

CONTROLS = ("untrained", "imagenet")
#: networks that differ in one of these are never averaged together
GROUP = (
    "dataset", "dataset_id", "fraction", "translation", "n_categories", "settings", "init", "imported", "averaged",
)  # fmt: skip
#: the five public benchmarks of Xie et al. 2025, appendix C, however their names are spelled
PUBLIC = re.compile(r"(freemanziemba2013public(v1|v2)|majajhong2015public(v4|it))pls|rajalingham2018public.*i2n")


def is_public(benchmark: str) -> bool:
    """Whether it is one of the five: both FreemanZiemba2013public.V1-pls and FreemanZiemba2013.V1.public-pls are.

    The columns of an imported table have the names of regions and count as well.
    """
    if benchmark in (*REGIONS, BEHAVIOR):
        return True
    name = re.sub(r"[^a-z0-9]", "", benchmark.lower())
    name = re.sub(r"(v1|v2|v4|it)public", r"public\1", name)
    return bool(PUBLIC.fullmatch(name))


@dataclass(frozen=True)
class Chosen:
    """table: the scored networks of one architecture, a row each, as `alignment` gives them; main: those of the fullest
    dataset, every checkpoint; regions: those with scores; benchmarks: region -> the benchmarks behind its score.
    """

    arch: str
    table: pd.DataFrame
    main: pd.DataFrame
    regions: tuple[str, ...]
    benchmarks: dict[str, tuple[str, ...]]
    notes: list[str] = field(default_factory=list)

    @property
    def neural(self) -> tuple[str, ...]:
        return tuple(region for region in REGIONS if region in self.regions)

    @property
    def mean_label(self) -> str:
        """Of the neural mean, for an axis."""
        one = len(self.neural) == 1
        return f"{self.neural[0]} alignment, (r / ceiling)²" if one else "Neural alignment, (r / ceiling)²"

    @property
    def mean_words(self) -> str:
        """Of the neural mean, for a caption."""
        if len(self.neural) == 1:
            return f"the {self.neural[0]} score (r / ceiling)², the only region here"
        return f"the mean of the {', '.join(self.neural)} scores (r / ceiling)²"

    @property
    def label(self) -> str:
        return arch_label(self.arch)

    def finals(self, tasks: Iterable[str] = ()) -> pd.DataFrame:
        """Last checkpoints of the main networks and the controls, in the published order of their tasks."""
        import pandas as pd

        rows = pd.concat([last(self.main), self.control("untrained"), self.control("imagenet")])
        names = [task for task in ordered(rows.task) if not tasks or task in tasks]
        return pd.concat([rows[rows.task == task] for task in names]) if names else rows.iloc[:0]

    def control(self, task: str) -> pd.DataFrame:
        """Untrained or ImageNet networks of one kind: made as the main ones where there are such, else the most."""
        rows = self.table[self.table.task == task]
        if len(rows) and len(self.main):
            for name in ("dataset_id", "settings"):
                same = rows[rows[name] == self.main[name].iloc[0]]
                rows = same if len(same) else rows
        kinds = [part for _, part in rows.groupby([*GROUP, "name"], dropna=False)]
        return (
            max(kinds, key=lambda part: (not part.averaged.iloc[0], len(part))).drop_duplicates("replicate")
            if kinds
            else rows
        )

    def others(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Of networks on other datasets those of one group, trained as the main ones where there are such.

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
        groups = [part for _, part in rows.groupby(list(GROUP), dropna=False)]
        return max(groups, key=lambda part: (len(part), str(part.dataset.iloc[0])))


def choose(evidence: Evidence, arch: str) -> Chosen | None:
    """The networks for a figure of `arch`; another architecture when it has no trained one; None without scores."""
    scored = evidence.networks[evidence.networks.model_id.isin(evidence.scores.model_id)]
    scored = scored.assign(
        task=[canonical(task) for task in scored.task],
        arch=[str(arch).rsplit(":", 1)[-1] for arch in scored.arch],  # torchvision:resnet18
        averaged=scored.seed.astype(float) < 0,  # imported, perhaps a published mean: never taken for one of our seeds
        replicate=[row.model_id if row.seed < 0 else row.seed for row in scored.itertuples()],
    )
    trained = scored[~scored.task.isin(CONTROLS)]
    if scored.empty:
        return None
    notes = []
    pool = trained if len(trained) else scored
    drawn = arch if arch in set(pool.arch) else str(pool.arch.value_counts(sort=True).index[0])
    if drawn != arch:
        notes.append(f"The published figure is of {arch_label(arch)}; drawn are {arch_label(drawn)} networks.")
    scored = scored[scored.arch == drawn]
    scores = evidence.scores
    scores = scores[scores.committed.astype(bool) & scores.primary.astype(bool) & scores.model_id.isin(scored.model_id)]
    benchmarks = _benchmarks(scores)
    used = [name for names in benchmarks.values() for name in names]
    table = alignment(replace(evidence, networks=scored, scores=_complete(scores, benchmarks)))
    regions = tuple(region for region in (*REGIONS, BEHAVIOR) if region in table.columns)
    if regions and not all(is_public(name) for name in used):
        words = "; ".join(f"{region_label(r)}: {', '.join(benchmarks[r])}" for r in regions)
        notes.append(f"Not the five public benchmarks of Brain-Score but {words}.")
    missing = [region for region in REGIONS if region not in regions]
    if missing:
        there = ", ".join(region for region in REGIONS if region in regions) or "nothing"
        notes.append(f"No scores of {', '.join(missing)}; the neural mean is of {there}.")
    main, choice = _main(table[~table.task.isin(CONTROLS)])
    notes += choice
    partial = int(main.neural_mean.isna().sum()) if any(region in regions for region in REGIONS) else 0
    if partial:
        notes.append(f"{partial} of {len(main)} networks lack a region and have no neural mean.")
    return Chosen(drawn, table, main, regions, benchmarks, notes)


def _benchmarks(scores: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """region -> its public benchmark where it has one, else those that most networks were scored on."""
    found = {}
    for region, part in scores.groupby("region"):
        counts = part.groupby("benchmark").model_id.nunique()
        public = [name for name in counts.index if is_public(str(name))]
        found[str(region)] = tuple(public or counts.index[counts == counts.max()])
    return found


def _complete(scores: pd.DataFrame, benchmarks: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """The scores on these benchmarks, of the networks that have all of a region's."""
    kept = scores[[name in benchmarks[region] for name, region in zip(scores.benchmark, scores.region, strict=True)]]
    have = kept.groupby(["model_id", "region"]).benchmark.transform("nunique")
    wanted = kept.region.map({region: len(names) for region, names in benchmarks.items()})
    public = {region for region, names in benchmarks.items() if all(map(is_public, names))}
    return kept[(have == wanted) | kept.region.isin(public)]


def _main(trained: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The group with full translation, the most categories, then the most tasks, networks, images; own ones first."""
    if trained.empty:
        return trained, []
    groups = [part for _, part in trained.groupby(list(GROUP), dropna=False)]

    def fullness(part: pd.DataFrame) -> tuple[object, ...]:
        first = part.iloc[0]
        categories = first.n_categories if first.n_categories == first.n_categories else 0
        images = first.n_train if first.n_train == first.n_train else 0
        free = first.translation != "none", categories, first.init != "imagenet"
        return not first.imported, *free, part.task.nunique(), len(part), images, str(first.dataset)

    main = max(groups, key=fullness)
    first = main.iloc[0]
    notes = []
    if len(groups) > 1:
        size = f", {int(first.n_train):,} images" if first.n_train == first.n_train else ""
        left = len(trained) - len(main)
        notes.append(
            f"Networks trained on {first.dataset}{size} ({first.settings or 'default settings'}); {left} checkpoints "
            f"of {len(groups) - 1} other conditions (dataset, fraction or settings) are not averaged with them."
        )
    return main, notes


def last(rows: pd.DataFrame) -> pd.DataFrame:
    """Last checkpoints, of each task and dataset only those with the commonest number of batches; one for each seed."""
    rows = rows[rows.final.astype(bool)]
    if rows.empty:
        return rows
    steps = rows.groupby(["task", "dataset_id"], dropna=False).step.transform(lambda s: s.mode().max())
    return rows[rows.step == steps].drop_duplicates(["task", *GROUP, "replicate"])


def runs_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """The train and score runs behind networks, each once, in order."""
    return run_ids(zip(rows.run_id, rows.score_runs, strict=True))


def run_texts(rows: pd.DataFrame) -> list[str]:
    """The train and score runs of each network."""
    return [run_text(ids) for ids in zip(rows.run_id, rows.score_runs, strict=True)]


def summary(rows: pd.DataFrame, column: str) -> dict[str, object]:
    """mean, sd (n - 1; NaN for one network), n and run_ids of the networks that have a value."""
    kept = rows[rows[column].notna()]
    values = kept[column].astype(float)
    return {"mean": values.mean(), "sd": values.std(ddof=1), "n": len(kept), "run_ids": " ".join(runs_of(kept))}


def absent(published: Iterable[str], found: Iterable[str]) -> list[str]:
    """The labels of the published tasks that are not among those found."""
    have = set(found)
    return [task_style(task).label for task in published if task not in have]
