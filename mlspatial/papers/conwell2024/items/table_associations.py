"""What goes with the prediction of OTC over networks: dimensionality, accuracy, size (Conwell et al. 2024)."""

from __future__ import annotations

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, NUMBERS, scored
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.papers.conwell2024.statistics import association, groups_of

NAMES = {
    "effective_dimensionality": "Effective dimensionality", "imagenet_top1": "ImageNet top-1",
    "parameters": "Number of parameters",
}  # fmt: skip
CAPTION = (
    "Spearman's rank correlation of a fact about networks with their score; interval: bootstrap percentiles over "
    "networks; p: Student's t, networks taken as independent."
)


@TABLES.register("conwell_associations")
def conwell_associations(evidence: Evidence) -> Table:
    """One row a fact and set of networks."""
    found = scored(evidence)
    body: dict[str, dict[str, Cell]] = {}
    for fact in NUMBERS:
        for metric, name in METRICS.items():
            for words, networks in groups_of(fact, found.of(metric)).items():
                if made := association(networks, fact):
                    cells = body.setdefault(f"{NAMES[fact]}, {words}", {})
                    cells |= {name: made.cell, f"p ({name})": made.p_cell}
    columns = tuple(text for name in METRICS.values() for text in (name, f"p ({name})"))
    notes = () if body else (NONE if found.networks.empty else "No fact is known of four networks or more.",)
    title = "Facts about networks and the prediction of OTC"
    return Table("conwell_associations", title, CAPTION, columns, body, notes, "fact")
