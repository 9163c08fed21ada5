"""What architecture, task, images and training change in the prediction of OTC (Conwell et al. 2024)."""

from __future__ import annotations

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.core.errors import UserError
from mlspatial.papers.conwell2024.statistics import Found, contrasts, metric_difference

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
        body[label] = _cells(contrast.published, ESTIMATE, P)
        said = f"left: {contrast.published.how}"
        if contrast.units:
            body[label] |= _cells(contrast.units, UNITS, P_UNITS)
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
            body[f"veRSA less cRSA, {words} networks"] = _cells(metric_difference(networks), UNITS, P_UNITS)
        except UserError:  # too few networks have both
            continue
    alone = found.subjects.subject.nunique()
    if body and not alone:
        notes.append("Only means over subjects are known: subject is no factor.")
    notes = list(dict.fromkeys(notes)) if body else [NONE]
    title = "Contrasts between networks predicting OTC"
    return Table("conwell_contrasts", title, CAPTION, COLUMNS, body, tuple(notes), "contrast")


def _cells(found: Found, estimate: str, p: str) -> dict[str, Cell]:
    value = Cell(found.estimate, NAN, found.runs, found.n, found.low, found.high)
    return {estimate: value, p: Cell(found.p, NAN, found.runs, found.n, style="p")}
