"""Which networks stand for a condition: those that differ in nothing but their seed. One rule, for whoever averages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.style import canonical
from mlspatial.core.names import CFG, DATASET_ID, SPEC, TAG
from mlspatial.core.parameters import free
from mlspatial.registry import read
from mlspatial.train.parameters import TRAIN

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.registry.models import ModelRecord

REFERENCES = ("untrained", "imagenet")  # no training on the project's own images
PUBLISHED_ARCH = "resnet18"  # Xie et al. 2025, B.1: figures 4, 5 and appendices D and E
COMPLETE = frozenset({"distance", "translation", "rotation", "category", "identity"})
FREE = free(TRAIN)  # cannot change a network
#: What may differ between networks of one condition, and what has a field of its own.
NOT_SETTINGS = {parameter.name for parameter in TRAIN if parameter.decides != "result"}
NOT_SETTINGS |= {"task", "arch", "dataset", "batches", "init", "fraction"}


@dataclass(frozen=True)
class Condition:
    """What networks share that differ in nothing but their seed; "" where it is not known or says nothing.

    arch: without the source that it is from; n_train: images, but of those that are rendered while training; step:
    batches; settings: other parameters of training; averaged: it is a mean over seeds that somebody has imported; name:
    of networks that were not trained here. What tells most comes first.
    """

    task: str
    arch: str = ""
    dataset: str = ""
    n_train: float | str = ""
    n_categories: float | str = ""
    translation: str = ""
    step: int | str = ""
    init: str = ""
    settings: str = ""
    imported: bool = False
    averaged: bool = False
    fraction: float | str = ""
    dataset_id: str = ""
    name: str = ""

    @property
    def training(self) -> Condition:
        """What conditions share whose networks were trained in the same way, but on other tasks or not as long."""
        return replace(self, task="", step="")

    def differs(self, other: Condition) -> list[str]:
        """The fields in which two conditions differ, as far as both are known."""
        both = ((name, getattr(self, name), getattr(other, name)) for name in FIELDS)
        return [name for name, mine, theirs in both if mine != theirs and "" not in (mine, theirs)]

    def shared(self, other: Condition) -> int:
        """In how many fields two conditions are the same."""
        return sum(getattr(self, name) == getattr(other, name) for name in FIELDS)


FIELDS = tuple(field.name for field in fields(Condition))


def known(networks: pd.DataFrame) -> pd.DataFrame:
    """networks with every field of Condition as it is there, `condition`, `training`, and `replicate`: what tells those
    of one condition apart, the seed or, of networks that were trained elsewhere, their id.

    networks: rows as in Evidence, or some of these columns. Tasks become canonical.
    """
    table = networks.copy()

    def column(name: str, default: Any = "") -> pd.Series:
        import pandas as pd

        there = networks[name] if name in networks else pd.Series(default, networks.index, dtype=object)
        return there.astype(object).where(there.notna(), default)

    seeds = column("seed", -1).astype(float).astype(int)
    imported, ours = column("imported", False).astype(bool), column("run_id") != ""
    table["task"] = [canonical(str(task)) for task in networks.task]
    table["arch"] = [str(arch).rsplit(":", 1)[-1] for arch in column("arch")]
    live = column("dataset").astype(str).str.endswith("-live")  # rendered while training: as many as were asked for
    for name in ("dataset", "translation", "init", "settings", "dataset_id"):
        table[name] = column(name).astype(str)
    table["imported"], table["averaged"] = imported, seeds < 0
    table["step"] = column("step", 0).astype(float).astype(int)
    said = {
        "n_train": column("n_train").where(~live, ""),
        "step": table.step.where(ours | imported | (table.step > 0), ""),
        "name": column("name").where(~(ours | imported) & (column("name") != table.task), ""),
    }
    parts = [said[name] if name in said else column(name) if name not in table else table[name] for name in FIELDS]
    parts = [[value if value == value and value is not None else "" for value in part.astype(object)] for part in parts]
    made = {values: Condition(*values) for values in dict.fromkeys(zip(*parts, strict=True))}
    table["condition"] = _objects([made[values] for values in zip(*parts, strict=True)])
    trainings = {condition: condition.training for condition in made.values()}
    table["training"] = _objects([trainings[condition] for condition in table.condition])
    drawn = ours | imported | (table.task == "untrained")
    table["replicate"] = seeds.astype(object).where(drawn, column("model_id"))
    return table


def _objects(values: Sequence[Any]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def last(table: pd.DataFrame) -> pd.DataFrame:
    """Last checkpoints, of every task and training one a replicate: those after as many batches as most tasks here,
    else as most networks of their own, the more of equals. Where no last one is there, the latest of each run.

    table: as `known` makes it, newest first.
    """
    ends = table[table.final.astype(bool)] if "final" in table else table.iloc[:0]
    if ends.empty and len(table):
        ends = table[table.step == table.groupby("run_id").step.transform("max")]
    if ends.empty:
        return ends
    usual = usual_step(ends[~ends.task.isin(REFERENCES)])
    own = ends.groupby(["task", "training"], sort=False).step
    has = own.transform(lambda steps: (steps == usual).any()).astype(bool)
    ends = ends[ends.step == own.transform(lambda steps: steps.mode().max()).where(~has, usual)]
    return once(ends)


def once(table: pd.DataFrame) -> pd.DataFrame:
    """Of networks of one condition and seed the first: the newest, where one was made again."""
    return table.drop_duplicates(["condition", "replicate"])


def usual_step(table: pd.DataFrame) -> int:
    """The number of batches that most tasks share, the larger of equals; 0 without any."""
    counts = table.groupby("step").task.nunique()
    return int(max(counts.index, key=lambda step: (counts[step], step))) if len(counts) else 0


def fullness(part: pd.DataFrame) -> tuple[Any, ...]:
    """How good the networks of one training are as the ones to show, the larger the better: own before imported ones;
    full translation, not begun from ImageNet, the most tasks; the most categories, networks and images."""
    first = part.iloc[0]
    categories, images = (value if value == value and value is not None else 0 for value in
                          (first.n_categories, first.n_train))  # fmt: skip
    free_of = first.translation != "none", not str(first.init).startswith("imagenet")
    ends = part[part.final.astype(bool) & ~part.task.isin(REFERENCES)]
    return not first.imported, *free_of, ends.task.nunique(), categories, len(ends), images, str(first.dataset)


def nearest(table: pd.DataFrame, to: Condition | None) -> pd.DataFrame:
    """Of networks of one task those of the training that shares most with a condition, then the most networks.

    Own seeds go before imported means.
    """
    if table.empty:
        return table
    kinds = dict(tuple(table.groupby("training", sort=False)))

    def merit(training: Condition) -> tuple[Any, ...]:
        return (
            not training.averaged,
            training.shared(to) if to else 0,
            training.arch == PUBLISHED_ARCH,
            len(kinds[training]),
        )

    return kinds[max(kinds, key=merit)]


def comparable(found: Sequence[Condition]) -> Iterator[tuple[Condition, Condition]]:
    """Every two conditions that differ in their task and, as far as is known, in nothing else.

    Networks without a training of ours (REFERENCES) go with all of their architecture: of several such conditions the
    nearest one.
    """
    for i, first in enumerate(found):
        for second in found[i + 1 :]:
            if first.task == second.task:
                continue
            pair = (first, second)
            if not any(one.task in REFERENCES for one in pair):
                if first.differs(second) == ["task"]:
                    yield pair
            elif "arch" not in first.differs(second) and all(
                one.task not in REFERENCES or one == _nearest_of(one.task, other, found)
                for one, other in (pair, pair[::-1])
            ):
                yield pair


def _nearest_of(task: str, to: Condition, found: Sequence[Condition]) -> Condition:
    alike = [one for one in found if one.task == task and "arch" not in one.differs(to)]
    return max(alike, key=lambda one: one.shared(to))


# ---- what tells conditions apart --------------------------------------------------------------------------------


def settings_of(trained: pd.DataFrame) -> list[str]:
    """What else decides the result of each training run (lr, batch_size, ...), so that runs that differ in it are never
    averaged together. The version of the procedure belongs to it where a run has the tag; where runs say the same and
    have another spec, the procedure has changed between them, and the older ones say so. trained: rows of `read.runs`,
    newest first."""
    settings, everything = _said(trained, NOT_SETTINGS), _said(trained, FREE)
    first: dict[tuple[str, str], str] = {}
    specs, datasets = (trained.get(read.TAGS + name, [""] * len(trained)) for name in (SPEC, DATASET_ID))
    for place, (said, dataset, spec) in enumerate(zip(everything, datasets, specs, strict=True)):
        if first.setdefault((said, dataset), spec) != spec:
            settings[place] += f", spec {spec[:8]}"
    return settings


def _said(trained: pd.DataFrame, leave_out: Collection[str]) -> list[str]:
    """The parameters of runs, but for some, in words."""
    prefix = read.PARAMS + CFG
    labels = {name: name.removeprefix(prefix) for name in sorted(trained) if name.startswith(prefix)}
    labels = {name: label for name, label in labels.items() if label not in leave_out}
    if read.TAGS + TAG + "version" in trained:
        labels[read.TAGS + TAG + "version"] = "version"
    columns = [
        [f"{label} {value}" if isinstance(value, str) else "" for value in trained[name]]
        for name, label in labels.items()
    ]
    return [", ".join(filter(None, parts)) for parts in zip(*columns, strict=True)] if columns else [""] * len(trained)


def of_records(records: Sequence[ModelRecord]) -> pd.DataFrame:
    """Networks as a step has selected them, a row each in their order, as `known` makes them, with `group`: the name of
    their condition among these; final are the last ones of each training that were selected."""
    import pandas as pd

    trained = read.runs(entry="train", metrics=(), ids={record.run_id for record in records} - {""})
    facts = pd.DataFrame({"run_id": trained.run_id, "settings": settings_of(trained)})
    facts["dataset_id"] = trained.get(read.TAGS + DATASET_ID, "")
    for name in ("init", "fraction"):
        facts[name] = trained.get(f"{read.PARAMS}{CFG}{name}", float("nan"))
    names = ("uri", "name", "model_id", "run_id", "arch", "dataset", "task", "seed", "step")
    rows = pd.DataFrame([{name: getattr(record, name) for name in names} for record in records])
    rows = rows.merge(facts, on="run_id", how="left")
    ours = rows.run_id != ""
    rows["task"] = rows.task.where(~ours | (rows.step > 0), "untrained")
    rows["fraction"] = pd.to_numeric(rows.fraction)
    rows["final"] = ~ours | (rows.step == rows.groupby("run_id").step.transform("max"))
    table = known(rows)
    return table.assign(group=names_of(table.condition))


def names_of(found: Iterable[Condition]) -> list[str]:
    """A name for each condition: its task, and what it takes to tell all of them apart."""
    import pandas as pd

    from mlspatial.compare.table import label, varying

    found = list(found)
    table = pd.DataFrame([vars(condition) for condition in dict.fromkeys(found)])
    settings = [text.split(", ") for text in table.settings]
    shared = set.intersection(*map(set, filter(any, settings))) if any(map(any, settings)) else set()
    table["settings"] = [", ".join(part for part in parts if part not in shared) for parts in settings]
    differing = varying(table, FIELDS)
    names: dict[Condition, str] = {}
    for condition, (_, row) in zip(dict.fromkeys(found), table.iterrows(), strict=True):
        name = label(row, differing)
        same = sum(other == name or other.startswith(f"{name} #") for other in names.values())
        names[condition] = f"{name} #{same + 1}" if same else name  # what differs may be no more than a digit
    return [names[condition] for condition in found]
