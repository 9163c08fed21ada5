"""What render leaves for people in its run: a sheet of images, latents in histograms, truth of pixels."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from mlspatial.core.design import SPLIT
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.registry import runs

TRUTH = "pictures/truth.png"
SHEET, LATENTS = "00_sheet.png", "pictures/latents.png"  # a name that stands first in the list of artifacts
FORMER_SHEET = "pictures/contact_sheet.png"  # in registries of before


def pictures_gone(run: runs.RunRecord) -> list[str]:
    """Which artifacts a run has no more; the sheet may have its former name."""
    found = runs.there(run.id, [MANIFEST, SHEET, FORMER_SHEET, LATENTS])
    return [
        name
        for name in (MANIFEST, SHEET, LATENTS)
        if name not in found and (name != SHEET or FORMER_SHEET not in found)
    ]


def log_pictures(run: runs.Run, folder: Path, manifest: Manifest) -> None:
    """Contact sheet of held-out images with their latents, or of a design's crossings, and a histogram of every
    latent; where truth of pixels is stored, a sheet of it."""
    from mlspatial.render.pictures import contact_sheet, design_sheet, latent_histograms, truth_sheet
    from mlspatial.render.truth import COMPRESSION

    made = Path(tempfile.mkdtemp(prefix="mlspatial-"))
    controlled = SPLIT in manifest.splits
    try:
        (design_sheet if controlled else contact_sheet)(folder, manifest).save(made / SHEET, compress_level=COMPRESSION)
        latent_histograms(folder, manifest, SPLIT if controlled else "train").savefig(
            made / Path(LATENTS).name, dpi=110
        )
        run.log_file(made / SHEET)
        if manifest.recipe.get("truth"):
            truth_sheet(folder, manifest).save(made / Path(TRUTH).name, compress_level=COMPRESSION)
            run.log_file(made / Path(TRUTH).name, str(Path(TRUTH).parent))
        run.log_file(made / Path(LATENTS).name, str(Path(LATENTS).parent))
    finally:
        shutil.rmtree(made)
