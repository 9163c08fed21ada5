"""Table C.3: how performance and alignment go together over checkpoints and seeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from mlspatial.analysis.statistics import FEWEST_POINTS, pearson
from mlspatial.compare.absence import why
from mlspatial.compare.conditions import known
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.published import CORRELATION
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.scores import committed, formulas, region_scores, sources
from mlspatial.compare.selection import Conditions, describe
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.compare.words import ARCH_LABELS
from mlspatial.papers.xie2025 import CORRELATIONS
from mlspatial.papers.xie2025.published import HEADERS, LABELS, Values, values

ARCH = "resnet50"  # of the published table
TASKS = ("distance", "translation", "rotation", "category", "identity")
CAPTION = (
    "Pearson r of performance (negative held-out loss) with each score over checkpoints and seeds, 95 % interval "
    "(Fisher's z, as if checkpoints were independent, which those of one training are not). "
    "No checkpoint is left out as an outlier (the published figure 3 leaves out one of rotation; whether the published "
    "table does is not said). r² / ceiling of one benchmark gives the same r. "
)


@TABLES.register("table_c3")
def table_c3(evidence: Evidence) -> Table:
    """Source of the published values: Xie et al. 2025, table C.3 (ResNet-50)."""
    printed = values(CORRELATIONS, ARCH)
    networks = known(evidence.networks)
    arch, points = _points(evidence, networks)
    scored = region_scores(evidence, points)
    pool = Conditions(points, checkpoints=True)
    body, notes, missing = {}, list(sources(evidence, points)), []
    for task in TASKS:
        name = LABELS[task]
        choice = pool.choose(task)
        body[name] = _own(
            choice.networks, scored, printed[task], partial(why, evidence, task, arch, known(networks), choice.networks)
        )
        if choice.networks is not None and any(cell.runs for cell in body[name].values()):
            group = choice.networks
            notes.append(f"{name}: {_went_in(group, scored)}.")
            notes += [f"{name}: not taken together with: {'; '.join(choice.others)}."] if choice.others else []
        elif (given := _imported(evidence, networks[networks.arch == arch], task, printed[task])) is not None:
            body[name] = given
            notes.append(f"{name}: r as imported; no checkpoints of our own.")
        else:
            missing.append(name)
    notes += [f"Missing, fewer than {FEWEST_POINTS} scored checkpoints: {', '.join(missing)}."] if missing else []
    if arch != ARCH:
        notes.append(f"The published values are of ResNet-50, these of {ARCH_LABELS.get(arch, arch)}.")
    title = f"Performance and alignment of {ARCH_LABELS.get(arch, arch)} networks"
    best = committed(evidence)
    caption = CAPTION + formulas(best[best.model_id.isin(points.model_id)])
    heads = tuple(HEADERS.values())
    return Table("table_c3", title, caption, heads, body, tuple(notes), "model targets", "checkpoints of all seeds")


def _points(evidence: Evidence, networks: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """The architecture shown, the published one where it has scored checkpoints, and its networks."""
    networks = networks[networks.loss.astype(float).notna() & networks.model_id.isin(committed(evidence).model_id)]
    counts = networks[networks.task.isin(TASKS)].arch.value_counts()
    arch = ARCH if ARCH in counts.index or counts.empty else str(counts.index[0])
    return arch, networks[networks.arch == arch]


def _went_in(group: pd.DataFrame, scored: pd.DataFrame) -> str:
    """Which checkpoints are behind r, column by column where they differ."""
    parts: dict[str, list[str]] = {}
    for column, header in HEADERS.items():
        mine = group[group.model_id.isin(scored.model_id[(scored.column == column) & scored.value.notna()])]
        seeds = mine.seed.nunique()
        said = f"{len(mine)} checkpoints of {seeds} {'seed' if seeds == 1 else 'seeds'}"
        parts.setdefault(said if len(mine) else "none", []).append(header)
    facts = describe(group.assign(step=NAN))
    there = f" ({len(group)} are trained and have a loss)" if len(parts) > 1 else ""
    text = "; ".join(said if len(parts) == 1 else f"{', '.join(heads)}: {said}" for said, heads in parts.items())
    return f"{text}{there}{f'; {facts}' * bool(facts)}"


def _own(
    networks: pd.DataFrame | None, scored: pd.DataFrame, printed: Values, absent: Callable[[str], str]
) -> dict[str, Cell]:
    """absent: column -> why nothing is there."""
    empty = {header: Cell.missing(absent(column), printed[column]) for column, header in HEADERS.items()}
    if networks is None:
        return empty
    joined = networks[["model_id", "loss"]].merge(scored, on="model_id").dropna(subset=["loss", "value"])
    cells = {}
    for column, header in HEADERS.items():
        part = joined[joined.column == column]
        if len(part) < FEWEST_POINTS or part.value.nunique() < 2 or part.loss.nunique() < 2:
            few = f"{len(part)} scored checkpoints with a loss, fewer than {FEWEST_POINTS}"
            same = "all checkpoints have the same score or loss"
            reason = (few if len(part) < FEWEST_POINTS else same) if len(part) else absent(column)
            cells[header] = Cell.missing(reason, printed[column])
            continue
        found = pearson(-part.loss.to_numpy(float), part.value.to_numpy(float))
        runs = run_ids(part.runs)
        cells[header] = Cell(found.r, NAN, runs, len(part), found.low, found.high, printed[column])
    return cells


def _imported(evidence: Evidence, networks: pd.DataFrame, task: str, printed: Values) -> dict[str, Cell] | None:
    scores = evidence.scores[evidence.scores.metric == CORRELATION]
    mine = scores[scores.model_id.isin(networks.model_id[networks.task == task])]
    if mine.empty:
        return None
    first = mine.drop_duplicates("region").set_index("region")  # newest first
    return {
        header: Cell(float(first.raw[column]), NAN, (first.run_id[column],), 0, published=printed[column])
        if column in first.index
        else Cell.missing("not in the imported table", printed[column])
        for column, header in HEADERS.items()
    }
