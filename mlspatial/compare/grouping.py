"""Networks by condition, and from pairs of networks to similarity within and between groups.

Networks of different settings are never averaged together: one setting is chosen and the others are named in notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.conditions import (
    PUBLISHED_ARCH,
    REFERENCES,
    Condition,
    fullness,
    known,
    nearest,
    usual_step,
)
from mlspatial.compare.run_ids import run_text
from mlspatial.compare.style import TASKS, task_order, task_style
from mlspatial.compare.words import arch_label

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

FULL, REDUCED = "full", "reduced"
BLOCKS = tuple(f"layer{n}.0.relu" for n in (1, 2, 3, 4))  # Xie et al. 2025, table B.1
PIXELS = "pixels"
METRICS = {"cka": "Linear CKA", "cka_debiased": "Debiased linear CKA", "rsa": "RSA (Pearson r)",
           "rsa_spearman": "RSA (Spearman r)", "procrustes": "Procrustes similarity"}  # fmt: skip
WHAT = {"category", "identity"}  # tasks that tell categories apart, and nothing else
#: what is reduced -> tasks that aim at it, for which it is no non-target latent
AIMS = {"translation": {"translation", "all"}, "category": {"category", "identity", "all"}}
#: what full and reduced variability may differ in; the rest of a condition they share
MAY_DIFFER = dict.fromkeys(("task", "step", "dataset", "dataset_id", "n_categories", "translation"), "")
#: how other networks than those shown are told apart, in words
WORDS = {"arch": "{}", "dataset": "dataset {}", "init": "init {}", "fraction": "fraction {}", "settings": "{}",
         "size": "images about {:,.0f}"}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """The networks that a figure is about, and a sentence for every choice made.

    networks: one row each, tasks in the published order: model_id, run_id, task, seed, step, variability (FULL or
    REDUCED), group (its task; with a reduced control "task, variability").
    """

    networks: pd.DataFrame
    notes: tuple[str, ...]

    def groups(self, *, trained: bool = False) -> list[str]:
        """Every group once, in order; trained: without untrained and ImageNet networks."""
        table = self.networks
        return list(dict.fromkeys(table[~table.task.isin(REFERENCES)].group if trained else table.group))


# ---- networks ---------------------------------------------------------------------------------------------------


def choose(evidence: Evidence, ids: Iterable[str], *, reduced: str = "") -> Chosen:
    """The networks of one training among those with ids, last checkpoints only, each task and seed once.

    reduced: "" for full variability alone; "translation" or "category" to add the networks trained with less of it on
    other targets, and then full variability after as many batches as its control. Taken is the training with the most
    tasks (of those with a reduced control), ResNet-18 before others as published, then the fullest.
    """
    import pandas as pd

    table = _kinds(known(evidence.networks))
    table = table[table.model_id.isin(set(ids)) & (table.task != "")]
    notes: list[str] = []
    trained = table[~table.task.isin(REFERENCES)]
    if len(trained) and not trained.final.any():
        notes.append("No last checkpoint is among these networks; the latest one of each run is shown.")
        trained = trained.assign(final=trained.step == trained.groupby("run_id").step.transform("max"))
    full = trained[trained.kind == FULL]
    aims = AIMS.get(reduced, set())
    aimed = np.array([bool(aims & set(task.split("+"))) for task in trained.task], bool)
    low = trained[(trained.kind == reduced) & trained.final & ~aimed]
    parts, best = [], None
    if len(full[full.final]) or len(low):
        best, mine, other = _training(full, low)
        low = _one_dataset(other)
        parts = [_same_batches(mine, low, notes), low.assign(variability=REDUCED)]
        notes += _left_out(pd.concat([full[full.final], other]), pd.concat([mine, low]))
    for task in REFERENCES:
        parts.append(_reference(table[table.task == task], best, notes))
    networks = pd.concat([part for part in parts if len(part)] or [table.head(0).assign(variability=FULL)])
    networks = networks.sort_values("final", ascending=False, kind="stable")
    shown = networks.drop_duplicates(["task", "variability", "replicate"])
    if len(shown) < len(networks):
        notes.append(f"Networks left out because another one has their task and seed: {len(networks) - len(shown)}.")
    shown = shown.assign(seed=shown.replicate, rank=shown.task.map(task_order))
    shown = shown.sort_values(["rank", "variability", "seed"], key=_sortable, kind="stable")
    sides = zip(shown.task, shown.variability, strict=True)
    shown["group"] = [f"{task}, {side}" if reduced else task for task, side in sides]
    columns = ["model_id", "run_id", "task", "seed", "step", "variability", "n_categories", "group"]
    return Chosen(shown[columns].reset_index(drop=True), tuple(notes))


def _kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Networks with `family` (the condition but for MAY_DIFFER, and the number of images to two digits), `size` (that
    number) and `kind`: FULL, or which variability is reduced. Full is the largest number of categories of a family, of
    those that were trained on more than telling them apart: a series of categories alone is none."""
    table["final"] = table.final.astype(bool)
    live = table.dataset.str.endswith("-live")
    table["size"] = [f"{n:.2g}" if n == n else "" for n in table.n_train.astype(float).where(~live)]
    kinds = {
        (condition, size): replace(condition, **MAY_DIFFER, n_train=size)
        for condition, size in set(zip(table.condition, table["size"], strict=True))
    }
    table["family"] = [kinds[key] for key in zip(table.condition, table["size"], strict=True)]
    table["n_categories"] = table.n_categories.astype(float)
    centred = table.translation == "none"
    own = table[~table.task.isin(REFERENCES) & ~centred & table.n_categories.notna()]
    most = table.family.map(
        {family: full_categories(part) for family, part in own.groupby("family", sort=False)}
    ).astype(float)
    few = table.n_categories < most
    table["kind"] = np.select([few & centred, few, centred], ["both", "category", "translation"], FULL)
    return table


def full_categories(part: pd.DataFrame) -> float:
    """The largest number of categories on which more was trained than telling them apart; where nothing was, of all."""
    others = part[[not set(task.split("+")) <= WHAT for task in part.task]]
    return float((others if len(others) else part).n_categories.max())


def _training(full: pd.DataFrame, low: pd.DataFrame) -> tuple[Condition, pd.DataFrame, pd.DataFrame]:
    """(what they share, networks of full variability, those of its family with reduced variability)."""
    ends = full[full.final]
    pairs = [(part, low[low.family == part.family.iloc[0]]) for _, part in ends.groupby("training", sort=False)]
    alone = low[~low.family.isin(ends.family)]
    pairs += [(full.iloc[:0], part) for _, part in alone.groupby("family", sort=False)]

    def merit(pair: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[Any, ...]:
        tasks, controls = set(pair[0].task), set(pair[1].task)
        some = pair[0] if len(pair[0]) else pair[1]
        return len(tasks & controls), len(tasks | controls), some.arch.iloc[0] == PUBLISHED_ARCH, *fullness(some)

    mine, other = max(pairs, key=merit)
    shared = (mine if len(mine) else other).training.iloc[0]
    return shared, full[full.training == shared], other


def _one_dataset(low: pd.DataFrame) -> pd.DataFrame:
    """Of several reduced datasets the one with the fewest categories, then the most tasks."""
    parts = [part for _, part in low.groupby("training", sort=False)]

    def merit(part: pd.DataFrame) -> tuple[float, int, int]:
        return -np.nan_to_num(part.n_categories.min()), part.task.nunique(), len(part)

    return max(parts, key=merit, default=low)


def _same_batches(full: pd.DataFrame, low: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Full variability: checkpoints after as many batches as the task's control; without one, as most of the rest."""
    import pandas as pd

    usual = usual_step(low if len(low) else full[full.final])
    rows = []
    for task, part in full.groupby("task", sort=False):
        control = low[low.task == task]
        wanted = usual_step(control) if len(control) else usual
        ends = part[part.final]
        if (part.step == wanted).any() and (len(low) or (ends.step == wanted).any()):
            kept = part[part.step == wanted] if len(low) else ends[ends.step == wanted]
        else:
            step = usual_step(ends) if len(ends) else part.step.max()
            kept = part[part.step == step]
            than = "its reduced control" if len(control) else "most others"
            notes.append(f"{task_style(task).label}: after {step} batches, {than} after {wanted}.")
        rows.append(kept)
    return pd.concat(rows).assign(variability=FULL) if rows else full.assign(variability=FULL)


def _reference(part: pd.DataFrame, best: Condition | None, notes: list[str]) -> pd.DataFrame:
    """Untrained or ImageNet networks of the chosen architecture, of the training nearest to the chosen one."""
    if part.empty:
        return part
    label = task_style(str(part.task.iloc[0])).label
    if best is not None:
        others, part = part[part.arch != best.arch], part[part.arch == best.arch]
        if part.empty:
            names = ", ".join(arch_label(arch) for arch in dict.fromkeys(others.arch))
            notes.append(f"{label}: only networks of another architecture ({names}), left out.")
    kept = nearest(part, best)
    if len(kept) < len(part):
        notes.append(f"{label} networks of other settings left out: {len(part) - len(kept)}.")
    return kept.assign(variability=FULL)


def _left_out(trained: pd.DataFrame, shown: pd.DataFrame) -> list[str]:
    """One sentence about networks of other settings: how many, and in what they differ."""
    rest = trained[~trained.model_id.isin(shown.model_id)]
    if rest.empty:
        return []
    first = shown.iloc[0]
    texts = []
    for row in rest.to_dict("records"):
        names = [name for name in WORDS if row[name] not in set(shown[name])]
        said = {"arch": arch_label(row["arch"]), "size": float(row["size"] or "nan")}
        parts = ", ".join(WORDS[name].format(said.get(name, row[name])) for name in names)
        words = parts.replace("images about nan", "images without end")
        texts.append(words or "another number of batches or version of the dataset")
    counts = Counter(texts)
    listed = [f"{text} ({n})" for text, n in list(counts.items())[:4]]
    more = [f"{len(counts) - 4} other settings"] if len(counts) > 4 else []
    return [
        f"Shown are {arch_label(first.arch)} networks trained on {first.dataset}; left out are {len(rest)} of other "
        f"settings: {'; '.join(listed + more)}."
    ]


def _sortable(column: pd.Series) -> pd.Series:
    return column.map(str) if column.name == "seed" else column


# ---- similarity -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Similarities:
    """pairs: one row an unordered pair of networks and layer (layer, model_a, model_b, value, run_id), of one metric.

    label: of the metric; layers: in their order; notes: choices made.
    """

    pairs: pd.DataFrame
    label: str
    layers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def words(self) -> str:
        """The label within a sentence."""
        return self.label if self.label.startswith("RSA") else self.label[:1].lower() + self.label[1:]

    @property
    def ids(self) -> set[str]:
        return set(self.pairs.model_a) | set(self.pairs.model_b)

    @property
    def four(self) -> tuple[str, ...]:
        """The published four layers as far as they are there, else at most four, evenly over the depth."""
        found = tuple(layer for layer in self.layers if layer in BLOCKS)
        if found or len(self.layers) <= 4:
            return found or self.layers
        last = len(self.layers) - 1
        return tuple(dict.fromkeys(self.layers[round(k * last / 3)] for k in range(4)))


def similarities(evidence: Evidence) -> Similarities:
    """Linear CKA if there is any, else another metric; of runs that compared the same pair, the one with most pairs."""
    pairs = evidence.pairs
    names = list(dict.fromkeys(pairs.metric))
    notes: tuple[str, ...] = ()
    metric = next((name for name in METRICS if name in names), names[0] if names else "cka")
    if metric != "cka":
        notes = (f"No linear CKA here; the metric is {METRICS.get(metric, metric)}.",)
    table = pairs[(pairs.metric == metric) & np.isfinite(pairs.value.astype(float))].copy()
    table["value"] = table.value.astype(float)
    swap = table.model_a > table.model_b
    table.loc[swap, ["model_a", "model_b"]] = table.loc[swap, ["model_b", "model_a"]].to_numpy()
    table["size"] = table.groupby("run_id").value.transform("size")
    table = table.sort_values("size", ascending=False, kind="stable").drop_duplicates(["layer", "model_a", "model_b"])
    table = table[table.model_a != table.model_b]
    table = _with_left_out(table, evidence, metric)
    return Similarities(
        table.drop(columns="size").sort_index(), METRICS.get(metric, metric), layer_order(table.sort_index()), notes
    )


def _with_left_out(table: pd.DataFrame, evidence: Evidence, metric: str) -> pd.DataFrame:
    """The pairs with `left_out`: their value without each block of stimuli, None where it was not kept."""
    kept = evidence.left_out("similarity", tuple(dict.fromkeys(table.run_id)))
    kept = kept[kept.metric == metric].copy()
    swap = kept.model_a > kept.model_b
    kept.loc[swap, ["model_a", "model_b"]] = kept.loc[swap, ["model_b", "model_a"]].to_numpy()
    keys = ["run_id", "layer", "model_a", "model_b"]
    kept = kept.drop_duplicates(keys)[[*keys, "left_out"]]
    return table.reset_index().merge(kept, on=keys, how="left").set_index("index")


def over_stimuli(left_out: pd.Series) -> float:
    """Half of the 95 % interval over stimuli of a mean, from what each of its parts is without each block of stimuli;
    NaN where a part does not have it. Parts of other numbers of blocks are of other stimuli: NaN."""
    from mlspatial.analysis.jackknife import half_width, standard_error

    found = [values for values in left_out if isinstance(values, np.ndarray)]
    if not found or len(found) < len(left_out) or len({len(values) for values in found}) > 1 or len(found[0]) < 2:
        return float("nan")
    return float(half_width(float(standard_error(np.mean(np.stack(found), axis=0))), len(found[0])))


def group_pairs(pairs: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """Similarity between every two groups and within each: layer, first, second, mean, sd, pairs,
    over_stimuli, run_ids.

    over_stimuli: half of the 95 % interval of the mean over stimuli, NaN where it is not known. pairs: as in
    Similarities; networks: as in Chosen. mean and sd (n - 1, NaN for one) are over pairs of networks;
    within a group only pairs of different seeds count. first comes before second in the order of the networks.
    """
    import pandas as pd

    own = networks.set_index("model_id")
    place = {group: i for i, group in enumerate(dict.fromkeys(networks.group))}
    table = pairs[pairs.model_a.isin(own.index) & pairs.model_b.isin(own.index)].copy()
    for side in ("a", "b"):
        table["group_" + side] = table["model_" + side].map(own.group)
        table["seed_" + side] = table["model_" + side].map(own.seed)
    table = table[(table.group_a != table.group_b) | (table.seed_a != table.seed_b)]
    swap = (table.group_a.map(place) > table.group_b.map(place)).astype(bool)
    table["first"] = table.group_a.where(~swap, table.group_b)
    table["second"] = table.group_b.where(~swap, table.group_a)
    keys = table.groupby(["layer", "first", "second"], sort=False)
    found = keys.value.agg(mean="mean", sd="std", pairs="size").reset_index()
    found["over_stimuli"] = [over_stimuli(part.left_out) if "left_out" in part else np.nan for _, part in keys]
    trained = own.run_id.to_dict()
    found["run_ids"] = [
        run_text(part.run_id.unique(), map(trained.get, pd.unique(part[["model_a", "model_b"]].to_numpy().ravel())))
        for _, part in keys
    ]
    order = pd.DataFrame(
        {"layer": found.layer.map({layer: i for i, layer in enumerate(layer_order(pairs))}),
         "first": found["first"].map(place), "second": found["second"].map(place)}
    ).sort_values(["layer", "first", "second"])  # fmt: skip
    return found.loc[order.index].reset_index(drop=True)


def toward(pairs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The rows of group_pairs that have a group on one side, with `group`: the other side, itself within the group."""
    pairs = pairs[(pairs["first"] == reference) | (pairs["second"] == reference)]
    return pairs.assign(group=pairs["first"].where(pairs["first"] != reference, pairs["second"]))


def square(pairs: pd.DataFrame, ids: Sequence[str], layer: str = "") -> np.ndarray:
    """(networks, networks) similarities at a layer ("": all pairs are of one), 1 on the diagonal, NaN where a pair was
    not compared."""
    place = {model: i for i, model in enumerate(ids)}
    part = pairs[pairs.model_a.isin(place) & pairs.model_b.isin(place)]
    part = part[part.layer == layer] if layer else part
    matrix = np.full((len(ids), len(ids)), np.nan)
    a, b = part.model_a.map(place).to_numpy(int), part.model_b.map(place).to_numpy(int)
    matrix[a, b] = matrix[b, a] = part.value.to_numpy(float)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def complete(matrices: Sequence[np.ndarray]) -> list[int]:
    """Places of networks all of whose pairs are there in every matrix, leaving out those with most gaps first."""
    if not matrices:
        return []
    gaps = np.any([np.isnan(matrix) for matrix in matrices], axis=0)
    kept = list(range(len(gaps)))
    while kept and gaps[np.ix_(kept, kept)].any():
        kept.pop(int(np.argmax(gaps[np.ix_(kept, kept)].sum(axis=0))))
    return kept


# ---- names ------------------------------------------------------------------------------------------------------


def layer_order(table: pd.DataFrame) -> tuple[str, ...]:
    """The layers of a table with layer and depth: pixels, then by depth, those of unknown depth as they appear."""
    depths = table.assign(depth=table.depth.astype(float)).groupby("layer", sort=False).depth.max()
    place = {layer: i for i, layer in enumerate(depths.index)}

    def key(layer: str) -> tuple[bool, bool, float]:
        known = depths[layer] >= 0
        return layer != PIXELS, not known, depths[layer] if known else place[layer]

    return tuple(sorted(place, key=key))


def in_words(task: str) -> str:
    """The label of a task within a sentence: object category, but ImageNet-1K."""
    label = task_style(task).label
    return label.lower() if task in TASKS and task != "imagenet" and "." not in label else label


def within_missing(task: str) -> str:
    """How a figure says that it cannot show the similarity within a group."""
    return f"{task_style(task).label} within the group (needs two seeds)"


def layer_label(layer: str) -> str:
    """layer1.0.relu as layer1.0: every compared layer of a ResNet ends in its ReLU."""
    return layer.removesuffix(".relu")
