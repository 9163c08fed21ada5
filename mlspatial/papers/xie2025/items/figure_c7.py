"""Figure C.7: the score of every region against performance of networks that estimate distance."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.selection import choose, error_words, runs_of
from mlspatial.compare.words import region_label
from mlspatial.papers.xie2025.items.figure_3 import COLUMNS, correlations, points, scatters, tidy_points

ARCH = "resnet50"  # Xie et al. 2025, appendix B.1
TITLE = "Regions and performance in distance"
PUBLISHED = (*REGIONS, BEHAVIOR)


@FIGURES.register("figure_c7")
def figure_c7(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure C.7."""
    chosen = choose(evidence, ARCH)
    rows = points(chosen, ("distance",))
    regions = [region for region in chosen.regions if rows[region].notna().any()]
    missing = tuple(f"Distance, {region_label(region)}" for region in PUBLISHED if region not in regions)
    if not regions:
        caption = "No checkpoint of a network trained to estimate distance has both a held-out loss and a score."
        return Drawing.empty("figure_c7", TITLE, caption, COLUMNS, missing)
    shown = [(region_label(region), rows[rows[region].notna()], region) for region in regions]
    figure, data = scatters(shown, rows.step, "Ceiled score"), tidy_points(shown)
    seeds = rows.seed.nunique()
    caption = (
        f"Ceiled score of {chosen.label} networks trained to estimate distance against their performance (negative "
        f"held-out loss), region by region: {len(rows)} checkpoints of {seeds} {'seeds' if seeds > 1 else 'seed'}, "
        f"coloured by the number of training batches.{error_words(data.error, 'Thin lines:')} "
        f"Ceiled: {chosen.ceiled_by}. {correlations(shown)}"
    )
    return Drawing("figure_c7", TITLE, caption, figure, data, runs_of(rows), missing, chosen.notes)
