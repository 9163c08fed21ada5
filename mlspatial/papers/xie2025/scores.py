"""Scores of one architecture in the rows and columns of the published tables, with the published means beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.evidence import PUBLISHED, REGIONS, Evidence
from mlspatial.compare.rows import MEAN, Conditions, committed, region_scores, sources
from mlspatial.compare.style import ARCH_LABELS
from mlspatial.compare.table import NAN, Cell, Table
from mlspatial.papers.xie2025 import MEANS, PAPER
from mlspatial.papers.xie2025.published import Values, values

if TYPE_CHECKING:
    import pandas as pd

#: Rows of tables C.1 and C.2, in their order
LABELS = {
    "distance": "Distance", "translation": "Translation", "distance+translation": "Dis. + Tra.",
    "rotation": "Rotation", "distance+rotation": "Dis. + Rot.", "translation+rotation": "Tra. + Rot.",
    "distance+translation+rotation": "Dis. + Tra. + Rot.", "category": "Object category",
    "identity": "Object identity", "all": "All spatial + classification", "untrained": "Untrained models",
    "imagenet": "ImageNet-1K",
}  # fmt: skip
HEADERS = {name: name for name in REGIONS} | {MEAN: "Neural mean", "behavior": "Behavior"}
TARGETS = "# output targets"


def scores_table(evidence: Evidence, *, id: str, arch: str) -> Table:
    """Mean and SD over seeds of every published condition; see `Conditions` for which networks fill a row."""
    networks = evidence.networks[evidence.networks.arch == arch]
    scored = region_scores(evidence, formula=PUBLISHED, public=True)
    networks = networks[networks.model_id.isin(scored.model_id)]
    known = values(MEANS, arch)
    units = {row["task"]: float(row["outputs"]) for row in PAPER.rows(MEANS) if row["arch"] == arch}
    pool = Conditions(networks)
    body, notes, missing = {}, list(sources(evidence)), []
    others: list[str] = []
    kinds: dict[str, list[str]] = {}
    for task, name in LABELS.items():
        choice = pool.choose(task)
        body[name] = _row(choice.networks, scored, known.get(task, {}), units.get(task, NAN))
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
    return {TARGETS: Cell(outputs, NAN, tuple(dict.fromkeys(runs)), style="count"), **cells}


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
