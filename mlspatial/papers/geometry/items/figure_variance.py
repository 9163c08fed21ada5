"""How much of the variance of layers each factor makes, by what networks were trained on."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.papers.geometry.numbers import OF_ALL, OF_RESPONSES, seen, shares
from mlspatial.papers.geometry.plots import along

TITLE = "Variance split by factor along the layers"
WORDS = (
    "Components of variance of whole layers, from an ANOVA over the crossed design: the main effect of a factor, which "
    "is the same for every object and scene. Left: its share in what is not the main effect of the object and scene "
    "(1: the factor moves the layer alike in all of them; 0: in each of them in another way). Right: its share in all "
    "variance. Debiased, so that below 0 is chance."
)
MEASURES = {OF_RESPONSES: "Share of variance within contexts", OF_ALL: "Share of all variance"}


@FIGURES.register("figure_variance")
def figure_variance(evidence: Evidence) -> Drawing:
    """A row a factor: its share in the variance within objects and scenes, and in all variance, a line a task."""
    found = seen(evidence)
    return along("figure_variance", TITLE, WORDS, found, shares(found), MEASURES)
