"""Factorisation and invariance of each factor against depth (after Lindsey and Issa 2024)."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.papers.geometry.numbers import MEASURES, seen
from mlspatial.papers.geometry.plots import along

TITLE = "Factorisation and invariance along the layers"
WORDS = (
    "Factorisation: 1 less the share of a factor's variance that lies in the subspace of the other factors' variance "
    "(that of the principal components which hold 90 % of it), and the same from covariances; invariance: 1 less the "
    "share of the factor in the variance of all factors. Source of the definitions: Lindsey and Issa 2024."
)


@FIGURES.register("figure_factorisation")
def figure_factorisation(evidence: Evidence) -> Drawing:
    """A row a factor: factorisation by principal components and by covariances, and invariance, a line a task."""
    found = seen(evidence)
    limits = dict.fromkeys(MEASURES, (-0.03, 1.03))
    return along("figure_factorisation", TITLE, WORDS, found, found.rows, MEASURES, limits=limits)
