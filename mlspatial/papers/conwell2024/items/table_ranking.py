"""Networks from best to worst, where the ranking breaks, and how much of what can be explained they explain."""

from __future__ import annotations

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, Scored, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.papers.conwell2024.statistics import NEAR, breakpoints, near_best, ranked

SHOWN = 25  # networks in the table
SHARE = "explainable variance (veRSA)"
CAPTION = (
    "r with OTC's similarity matrix, mean over subjects, of the best networks under veRSA; explainable variance: "
    "(r / noise ceiling)^2 with the mean ceiling."
)


@TABLES.register("conwell_ranking")
def conwell_ranking(evidence: Evidence) -> Table:
    """The best networks; notes on the whole ranking."""
    found = scored(evidence)
    title = "The best networks"
    columns = (*METRICS.values(), SHARE)
    if not found.metrics:
        return Table("conwell_ranking", title, CAPTION, columns, {}, (NONE,), "network")
    rows = ranked(found.of(found.metrics[-1])).head(SHOWN)
    body: dict[str, dict[str, Cell]] = {}
    for row in rows.to_dict("records"):
        cells = {
            name: Cell(float(row[metric]), NAN, row["runs"], 1)
            for metric, name in METRICS.items()
            if row[metric] == row[metric]
        }
        if found.ceilings and row["versa"] == row["versa"]:
            cells[SHARE] = Cell((row["versa"] / found.ceiling) ** 2, NAN, row["runs"], 1)
        body[f"{row['rank']:.0f}. {row['label']}"] = cells
    return Table("conwell_ranking", title, CAPTION, columns, body, tuple(_notes(found)), "network")


def _notes(found: Scored) -> list[str]:
    notes = []
    if found.ceilings:
        each = ", ".join(f"{subject or 'mean'} {value:.3f}" for subject, value in found.ceilings.items())
        notes.append(f"Noise ceilings: {each}; mean {found.ceiling:.3f}.")
    for metric, name in METRICS.items():
        rows = ranked(found.of(metric))
        if rows.empty:
            continue
        text = f"{name}: {len(near_best(rows))} of {len(rows)} networks within {NEAR:g} of the best"
        if found.ceilings:
            text += f", which explains {(rows.score.max() / found.ceiling) ** 2:.1%} of the explainable variance"
        if (bends := breakpoints(rows)) is not None:
            places = (f"{at:.1f} [{low:.1f}, {high:.1f}]" for at, low, high in zip(
                bends.breaks, bends.low, bends.high, strict=True))  # fmt: skip
            text += f"; score against rank changes its slope at {' and '.join(places)}"
        notes.append(f"{text}. Runs: {len(run_ids(rows.runs))}.")
    return notes
