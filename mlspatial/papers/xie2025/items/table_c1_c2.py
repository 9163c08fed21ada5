"""Tables C.1 and C.2: scores of ResNet-50 and ResNet-18 networks, a row a task, with the published means beside."""

from __future__ import annotations

import pandas as pd

from mlspatial.compare.conditions import known
from mlspatial.compare.evidence import REGIONS, Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.scores import committed, region_scores, sources
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
    networks = networks[networks.model_id.isin(scored.model_id)]
    printed = values(MEANS, arch)
    units = {row["task"]: float(row["outputs"]) for row in PAPER.rows(MEANS) if row["arch"] == arch}
    pool = Conditions(networks)
    body, notes, missing = {}, list(sources(evidence, networks)), []
    others: list[str] = []
    kinds: dict[str, list[str]] = {}
    for task, name in LABELS.items():
        choice = pool.choose(task)
        body[name] = _row(choice.networks, scored, printed.get(task, {}), units.get(task, NAN))
        if choice.networks is None:
            missing.append(name)
        else:
            kinds.setdefault(describe(choice.networks), []).append(name)
        others += [f"{name}: not averaged in: {'; '.join(choice.others)}."] if choice.others else []
    notes += [f"{', '.join(names)}: {kind}." for kind, names in kinds.items() if kind] + others
    notes += [f"Missing, no runs of {ARCH_LABELS.get(arch, arch)}: {', '.join(missing)}."] if missing else []
    notes += spread(body)
    caption = (
        "Score at the committed layer of the last checkpoint, mean ± SD over seeds, published mean in brackets. Neural "
        "scores are (r / ceiling)^2 as Brain-Score computed them until December 2025, the likely formula of the "
        "published values; a score that came without r and ceiling, and behavior, are as they were handed over. "
        + _other_formula(evidence)
    )
    title = f"Alignment of {ARCH_LABELS.get(arch, arch)} networks"
    return Table(id, title, caption.strip(), (TARGETS, *HEADERS.values()), body, tuple(notes), "training task")


def _row(networks: pd.DataFrame | None, scored: pd.DataFrame, known: Values, units: float) -> dict[str, Cell]:
    runs: tuple[str, ...] = ()
    cells = {}
    for column, header in HEADERS.items():
        mine = scored[scored.column == column]
        mine = mine[mine.model_id.isin(networks.model_id)] if networks is not None else mine.iloc[:0]
        cells[header] = Cell.of(mine.value, mine.runs, known.get(column))
        runs += cells[header].runs
    outputs = networks.outputs.astype(float).mean() if networks is not None else NAN
    outputs = units if outputs != outputs else outputs  # an imported table need not say
    outputs = outputs if outputs > 0 else NAN  # untrained: NA, as published
    return {TARGETS: Cell(outputs, NAN, run_ids(runs), style="count"), **cells}


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


def _other_formula(evidence: Evidence) -> str:
    best = committed(evidence)
    ceilings = best[best.region.isin(REGIONS)].groupby("benchmark").ceiling.mean().dropna()
    if ceilings.empty:
        return ""
    told = ", ".join(f"{name} {value:.3f}" for name, value in ceilings.items())
    return f"By r^2 / ceiling they would be smaller, by the ceiling as a factor: {told}."
