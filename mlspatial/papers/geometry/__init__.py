"""What networks do with controlled images: tuning, factorisation and invariance by training (Lindsey and Issa 2024)."""

from mlspatial.papers.base import Paper, register

PAPER = register(
    Paper(
        "geometry",
        __name__,
        title="Factorized visual representations in the primate visual system and deep neural networks",
        citation="Lindsey and Issa, eLife 13:RP91685, 2024",
        key=("figure_factorisation", "figure_alignment", "figure_tuning"),
    )
)
