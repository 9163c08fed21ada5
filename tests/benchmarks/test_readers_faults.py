"""Files that were once read wrongly without a word: hemispheres, nan in masks, zeros of zarr, other clocks."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from mlspatial.benchmarks.response_files import read_responses
from mlspatial.core.errors import BadValue, UserError

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (3, 2, 2)
TRIALS = 6


def save(array: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(array, AFFINE).to_filename(path)
    return path


def betas(folder: Path, stem: str = "sub-01_task-v", seed: int = 0, **columns: list[str]) -> Path:
    """Six trials of twelve voxels, all of which vary, and their events."""
    found = np.random.default_rng(seed).normal(size=(*SHAPE, TRIALS)).astype(np.float32)
    table = {"onset": np.arange(TRIALS) * 4.0, "duration": 2.0, **(columns or {"stim_file": words()})}
    path = save(found, folder / f"{stem}_betas.nii.gz")
    pd.DataFrame(table).to_csv(folder / f"{stem}_events.tsv", sep="\t", index=False)
    return path


def words() -> list[str]:
    return [f"im{i}.png" for i in range(TRIALS)]


def mask(*places: tuple[int, int, int], outside: float = 0.0) -> np.ndarray:
    found = np.full(SHAPE, outside, np.float32)
    for place in places:
        found[place] = 1.0
    return found


def names(*places: tuple[int, int, int]) -> set[str]:
    return {"-".join(map(str, place)) for place in places}


# ---- masks ----

LEFT, RIGHT = ((0, 0, 0), (0, 1, 1)), ((2, 0, 0), (2, 1, 0))


def test_both_hemispheres_of_a_region_count(tmp_path: Path) -> None:
    path = betas(tmp_path)
    for side, places in {"L": LEFT, "R": RIGHT}.items():
        save(mask(*places), tmp_path / f"sub-01_hemi-{side}_space-T1w_label-V1_mask.nii.gz")
        save(mask((1, 0, 0)), tmp_path / f"sub-01_hemi-{side}_space-T1w_label-V2_mask.nii.gz")
    found = read_responses(path, folder=tmp_path, region="V1", rois="*_mask.nii.gz")
    assert set(found.neuroids) == names(*LEFT, *RIGHT) and set(found.facts["roi"]) == {"V1"}
    alone = read_responses(path, folder=tmp_path, region="V1", rois="*hemi-L*_mask.nii.gz")
    assert set(alone.neuroids) == names(*LEFT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sub-01_hemi-L_atlas-old_label-V1_mask", "sub-01_hemi-R_atlas-new_label-V1_mask"),  # two atlases
        ("a/sub-01_hemi-L_label-V1_mask", "b/sub-01_hemi-L_label-V1_mask"),
        ("sub-01_label-V1_mask", "sub-01_hemi-L_label-V1_mask"),
        ("sub-01_ses-1_label-V1_mask", "sub-01_ses-2_label-V1_mask"),
    ],
)
def test_two_masks_of_one_name_are_refused(tmp_path: Path, first: str, second: str) -> None:
    path = betas(tmp_path)
    for name in (first, second):
        save(mask(*LEFT), tmp_path / f"{name}.nii.gz")
    with pytest.raises(UserError, match=r"are both of region V1 but not its two hemispheres; write a pattern"):
        read_responses(path, folder=tmp_path, region="V1", rois="**/*label-V1_mask.nii.gz")


@pytest.mark.parametrize("name", ["sub-01_label-V1_mask", "sub-01_hemi-*_label-V1_mask", "sub-01_dseg"])
def test_nan_is_outside_of_a_region(tmp_path: Path, name: str) -> None:
    path = betas(tmp_path)
    for side, places in {"L": LEFT, "R": RIGHT}.items():
        save(mask(*places, outside=np.nan), tmp_path / f"{name.replace('*', side)}.nii.gz")
    (tmp_path / "sub-01_dseg.tsv").write_text("index\tname\n1\tV1\n")
    found = read_responses(path, folder=tmp_path, region="V1", rois=f"{name}.nii.gz")
    assert set(found.neuroids) == names(*(LEFT if "*" in name else ()), *RIGHT)


def test_nan_and_infinity_are_outside_of_a_mask(tmp_path: Path) -> None:
    path, volume = betas(tmp_path), mask(*LEFT, outside=np.nan)
    volume[1, 1, 1] = np.inf
    save(volume, tmp_path / "mask.nii.gz")
    assert set(read_responses(path, folder=tmp_path, mask="mask.nii.gz").neuroids) == names(*LEFT)
