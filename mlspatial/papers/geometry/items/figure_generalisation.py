"""Read-outs under conditions that they were not trained in, against depth (after Bernardi et al. 2020)."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.papers.geometry.carried import KEPT, LEAST, MEASURES, NONE, carried
from mlspatial.papers.geometry.plots import along

TITLE = "Generalisation of read-outs along the layers"
WORDS = (
    "Linear read-outs trained on images of some conditions: r (accuracy of categories) on images of those (within) and "
    "of the ones left out (across), with as many images of either; and what is kept, both above chance (1: all; no "
    f"number where read-outs are less than {LEAST} above chance within conditions)."
)


@FIGURES.register("figure_generalisation")
def figure_generalisation(evidence: Evidence) -> Drawing:
    """A row a latent: read-outs within and across conditions, and the share that is kept, a line a task."""
    found = carried(evidence)
    return along(
        "figure_generalisation", TITLE, WORDS, found, found.rows, MEASURES, floors={KEPT: 1.0},
        floor_label="All is kept", about=f"Images of {found.design}: a row a latent.", none=NONE,
    )  # fmt: skip
