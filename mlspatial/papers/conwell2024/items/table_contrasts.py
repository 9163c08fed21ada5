"""What architecture, task, images and training change in the prediction of OTC (Conwell et al. 2024)."""

from __future__ import annotations

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.core.errors import UserError
from mlspatial.papers.conwell2024.statistics import contrasts, metric_difference

ESTIMATE, P = "difference", "p"
UNITS, P_UNITS = "difference (networks or pairs as points)", "p (networks or pairs as points)"
COLUMNS = (ESTIMATE, P, UNITS, P_UNITS)
CAPTION = (
    "Differences of r with the similarity matrix of OTC. Left: the published analysis, in which every network x "
    "subject is a point (where scores of single subjects are known), with Wald's interval and p. Right: the same with "
    "networks, or pairs of one design, as the points. Four subjects see the same images and a network's four scores "
    "rise and fall together, so the left side is too sure; the right side is what carries over to other networks."
)


@TABLES.register("conwell_contrasts")
def conwell_contrasts(evidence: Evidence) -> Table:
    """One row a contrast and metric."""
    found = scored(evidence)
    body: dict[str, dict[str, Cell]] = {}
    notes: list[str] = []
    for contrast in contrasts(found):
        label = f"{contrast.title}, {METRICS[contrast.metric]}"
        body[label] = {ESTIMATE: contrast.published.cell, P: contrast.published.p_cell}
        said = f"left: {contrast.published.how}"
        if contrast.units:
            body[label] |= {UNITS: contrast.units.cell, P_UNITS: contrast.units.p_cell}
            said += f"; right: {contrast.units.how}"
        notes.append(f"{contrast.title}: {said}.")
        if contrast.id == "in21k_less_in1k":
            notes.append(
                f"{contrast.title}: the designs are paired and the published analysis takes no account of it; it "
                f"speaks of 14 pairs, here are {contrast.published.n}."
            )
        if contrast.id == "trained_less_random":
            notes.append(f"{contrast.title}: {contrast.published.n} designs, each trained and untrained.")
    for words, networks in (("all", found.networks), ("trained", found.networks[found.networks.trained])):
        try:
            made = metric_difference(networks)
        except UserError:  # too few networks have both
            continue
        body[f"veRSA less cRSA, {words} networks"] = {UNITS: made.cell, P_UNITS: made.p_cell}
    if body and found.subjects.empty:
        notes.append("Only means over subjects are known: subject is no factor.")
    notes = list(dict.fromkeys(notes)) if body else [NONE]
    title = "Contrasts between networks predicting OTC"
    return Table("conwell_contrasts", title, CAPTION, COLUMNS, body, tuple(notes), "contrast")
