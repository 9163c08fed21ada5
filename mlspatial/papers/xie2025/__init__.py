"""Xie et al. 2025: networks trained on where an object is, on what it is, and the ventral stream."""

from mlspatial.papers.base import Paper, register

MEANS, CORRELATIONS = "published_scores.csv", "published_correlations.csv"
PAPER = register(
    Paper(
        "xie2025",
        __name__,
        title="Vision CNNs trained to estimate spatial latents learned similar ventral-stream-aligned representations",
        citation="Xie, Huang, Alter, Schwartz, Tenenbaum and DiCarlo, ICLR 2025",
        published=(MEANS, CORRELATIONS),
        key=("figure_2", "figure_4b", "figure_3", "figure_4a", "figure_5c", "figure_e1"),
    )
)
