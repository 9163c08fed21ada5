"""Tables C.1 and C.2: scores of ResNet-50 and ResNet-18 networks, a row a task, with the published means beside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from mlspatial.compare.absence import means_over, why
from mlspatial.compare.conditions import known
from mlspatial.compare.evidence import REGIONS, Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.scores import CEILED, ceiled_by, committed, region_scores, sources
from mlspatial.compare.selection import Conditions, describe
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.compare.words import ARCH_LABELS
from mlspatial.papers.xie2025 import MEANS, PAPER
from mlspatial.papers.xie2025.published import HEADERS, LABELS, Values, values

TARGETS = "# output targets"


@TABLES.register("table_c1")
def table_c1(evidence: Evidence) -> Table:
    """Source of the published means: Xie et al. 2025, table C.1."""
    return scores_table(evidence, id="table_c1", arch="resnet50")


@TABLES.register("table_c2")
def table_c2(evidence: Evidence) -> Table:
    """Source of the published means: Xie et al. 2025, table C.2."""
    return scores_table(evidence, id="table_c2", arch="resnet18")


def scores_table(evidence: Evidence, *, id: str, arch: str) -> Table:
    """Mean and SD over seeds of every published condition; see `Conditions` for which networks fill a row."""
    networks = known(evidence.networks)
    networks = networks[networks.arch == arch]
    scored = region_scores(evidence, networks)
    best = committed(evidence)
    best = best[best.model_id.isin(networks.model_id)]
    printed = values(MEANS, arch)
    units = {row["task"]: float(row["outputs"]) for row in PAPER.rows(MEANS) if row["arch"] == arch}
    pool = Conditions(networks[networks.model_id.isin(scored.model_id)])
    body, notes, missing = {}, list(sources(evidence, networks)), []
    others: list[str] = []
    kinds: dict[str, list[str]] = {}
    for task, name in LABELS.items():
        choice = pool.choose(task)
        absent = partial(why, evidence, task, arch, networks, choice.networks)
        body[name] = _row(choice.networks, scored, printed.get(task, {}), units.get(task, NAN), absent)
        if choice.networks is None:
            missing.append(name)
        else:
            kinds.setdefault(describe(choice.networks), []).append(name)
        others += [f"{name}: not averaged in: {'; '.join(choice.others)}."] if choice.others else []
    notes += [f"{', '.join(names)}: {kind}." for kind, names in kinds.items() if kind] + others
    notes += [f"Missing, no scores of {ARCH_LABELS.get(arch, arch)}: {', '.join(missing)}."] if missing else []
    notes += spread(body)
    caption = (
        f"Score at the committed layer of the last checkpoint, ceiled: {ceiled_by(best)}; mean ± SD over seeds. "
        f"{CEILED} is how Brain-Score ceiled neural scores until December 2025, and the likely formula of the "
        "published values. " + _other_formula(best)
    )
    title = f"Alignment of {ARCH_LABELS.get(arch, arch)} networks"
    columns, kind = (TARGETS, *HEADERS.values()), "training task"
    return Table(id, title, caption.strip(), columns, body, tuple(notes), kind, "networks, one a seed")


def _row(
    networks: pd.DataFrame | None, scored: pd.DataFrame, known: Values, units: float, absent: Callable[[str], str]
) -> dict[str, Cell]:
    """absent: column -> why nothing is there."""
    runs: tuple[str, ...] = ()
    cells = {}
    for column, header in HEADERS.items():
        mine = scored[scored.column == column]
        mine = mine[mine.model_id.isin(networks.model_id)] if networks is not None else mine.iloc[:0]
        cells[header] = Cell.of(
            mine.value, mine.runs, known.get(column), counts=means_over(networks, mine), why=absent(column)
        )
        runs += cells[header].runs
    outputs = networks.outputs.astype(float).mean() if networks is not None else NAN
    outputs = units if outputs != outputs else outputs  # an imported table need not say
    outputs = outputs if outputs > 0 else NAN  # untrained: NA, as published
    count = int(means_over(networks, networks).sum()) if networks is not None else 0
    return {TARGETS: Cell(outputs, NAN, run_ids(runs), count, style="count"), **cells}


def spread(body: dict[str, dict[str, Cell]]) -> list[str]:
    """How far the published values are, as a note; none where nothing can be compared."""
    cells = [(name, column, cell) for name, row in body.items() for column, cell in row.items()]
    compared = [
        (abs(cell.difference), name, column, cell) for name, column, cell in cells if cell.difference is not None
    ]
    if not compared:
        return []
    _, name, column, worst = max(compared, key=lambda item: item[0])
    if abs(worst.difference or 0.0) < 5e-4:
        return ["Every number here is the published one to three decimals."]
    known = [cell.within_spread for _, _, _, cell in compared if cell.within_spread is not None]
    within = f"{sum(known)} of {len(known)} published means lie within one SD over seeds; " if known else ""
    return [f"{within}largest difference {worst.difference:+.3f} ({name}, {column})."]


def _other_formula(best: pd.DataFrame) -> str:
    ceilings = best[best.region.isin(REGIONS)].groupby("benchmark").ceiling.mean().dropna()
    if ceilings.empty:
        return ""
    told = ", ".join(f"{name} {value:.3f}" for name, value in ceilings.items())
    return (
        "By r² / ceiling, Brain-Score's formula today and that of `ceiled` in the runs, they would be smaller, by the "
        f"ceiling as a factor: {told}."
    )
