"""Files of the Natural Scenes Dataset as its authors lay them out: what is there and what lacks, volumes, labels, the
design of the experiment, one session's responses of some voxels, some images.

Volumes are (x, y, z) as NIfTI has them. HDF5 files were written by MATLAB: h5py sees their axes reversed, (trials, z,
y, x), in chunks of one voxel's trials, so that a few thousand voxels are read without the rest. NIfTI files of
responses are compressed streams, trial after trial, read once from end to end with one volume in memory at a time.
Source: Allen et al. 2022 and the data manual, "Functional data (NSD)", "ROIs", "Experiments".
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.errors import UserError, in_one_line

TRIALS = 750  # of a session
SCALE = 300.0  # what percent signal change was multiplied with to be kept as int16
SESSIONS = {1: 40, 2: 40, 3: 32, 4: 30, 5: 40, 6: 32, 7: 40, 8: 30}  # that the subjects did; data manual
BETAS = "betas_fithrf_GLMdenoise_RR"  # version b3
SPACE = "func1pt8mm"
#: atlas -> names of its map of t values; the data have the first
CONTRASTS = {
    "floc-faces": ("floc_facestval",),
    "floc-bodies": ("floc_bodiestval",),
    "floc-places": ("floc_placestval",),
    "floc-words": ("floc_wordtval", "floc_wordstval"),
}
LISTED = 3  # missing files that an error names


@dataclass(frozen=True)
class NsdFolder:
    """A local copy of the dataset, or of the part of it that one subject needs."""

    root: Path

    def design(self) -> Path:
        return self.root / "nsddata/experiments/nsd/nsd_expdesign.mat"

    def stimuli(self) -> Path:
        return self.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"

    def table(self) -> Path:
        """COCO's numbers of the images."""
        return self.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"

    def roi(self, subject: int, atlas: str) -> Path:
        return self._functional(subject) / "roi" / f"{atlas}.nii.gz"

    def labels(self, subject: int, atlas: str) -> Path:
        """The text with an atlas' names, of the subject or of the average brain."""
        name, surfaces = f"{atlas}.mgz.ctab", self.root / "nsddata/freesurfer"
        places = [surfaces / _name(subject) / "label", surfaces / "fsaverage/label", self._functional(subject) / "roi"]
        return _first([place / name for place in places])

    def contrast(self, subject: int, atlas: str) -> Path:
        folder = self._functional(subject)
        return _first([place / f"{name}.nii.gz" for name in CONTRASTS[atlas] for place in (folder, folder / "roi")])

    def ncsnr(self, subject: int) -> Path:
        return self._betas(subject) / "ncsnr.nii.gz"

    def session(self, subject: int, number: int) -> Path:
        """One session's responses, in the format that is there; HDF5 where both or neither are."""
        stem = f"betas_session{number:02d}"
        return _first([self._betas(subject) / f"{stem}{ending}" for ending in (".hdf5", ".nii.gz")])

    def _functional(self, subject: int) -> Path:
        return self.root / "nsddata/ppdata" / _name(subject) / SPACE

    def _betas(self, subject: int) -> Path:
        return self.root / "nsddata_betas/ppdata" / _name(subject) / SPACE / BETAS


def demand(what: str, folder: NsdFolder, files: Iterable[Path]) -> None:
    """Raises UserError that names the files that are not there."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        names = [str(file.relative_to(folder.root)) for file in missing[:LISTED]]
        more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
        raise UserError(
            f"{what}: {len(missing)} files are not in {folder.root}: {', '.join(names)}{more}; "
            "download them from the Natural Scenes Dataset under its data agreement"
        )


@dataclass(frozen=True)
class Design:
    """What a subject saw. shared: ids of the images that all subjects saw, 1-based places in imgBrick, as the file
    has them; shown: (trials,) such ids, trial after trial."""

    shared: np.ndarray
    shown: np.ndarray

    @property
    def sessions(self) -> int:
        """Number of the last session that shows a shared image."""
        return int(np.flatnonzero(np.isin(self.shown, self.shared))[-1]) // TRIALS + 1

    def repeats(self, ids: np.ndarray, sessions: int) -> dict[int, tuple[int, int]]:
        """Trial -> (place of its image in ids, number of the repeat), both from 0, in the first sessions."""
        place = {int(image): i for i, image in enumerate(ids)}
        seen = dict.fromkeys(place, 0)
        found = {}
        for trial, image in enumerate(self.shown[: sessions * TRIALS].tolist()):
            if image in place:
                found[trial] = place[image], seen[image]
                seen[image] += 1
        return found


def read_design(path: Path, subject: int) -> Design:
    """masterordering, subjectim and sharedix of nsd_expdesign.mat, checked. Raises UserError."""
    arrays = _matlab(path)
    shared, order = (arrays[name].reshape(-1) for name in ("sharedix", "masterordering"))
    images = arrays["subjectim"]
    if images.ndim != 2 or len(images) < subject:
        raise UserError(f"{path}: subjectim is of shape {images.shape}, must have a row for subject {subject}")
    if not len(shared) or shared.min() < 1 or order.min() < 1 or order.max() > images.shape[1] or images.min() < 1:
        raise UserError(f"{path}: its numbers of images must be from 1 to {images.shape[1]} (MATLAB counts from 1)")
    if (np.diff(shared) <= 0).any():
        raise UserError(f"{path}: the shared images of sharedix are out of order or named twice; download it again")
    row = images[subject - 1]
    if len(absent := np.setdiff1d(shared, row)):
        raise UserError(
            f"{path}: {len(absent)} of {len(shared)} shared images are not among those of subject {subject} "
            f"(first: {absent[0]}); subjectim and sharedix do not belong together"
        )
    return Design(shared, row[order - 1])


def read_coco(path: Path, shared: np.ndarray) -> np.ndarray:
    """COCO's number of every shared image, from nsd_stim_info_merged.csv, whose nsdId counts from 0."""
    try:
        with path.open(newline="") as file:
            known = {int(row["nsdId"]) + 1: int(row["cocoId"]) for row in csv.DictReader(file)}
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); must have columns nsdId and cocoId") from error
    if absent := [image for image in shared.tolist() if image not in known]:
        raise UserError(f"{path}: has no row for {len(absent)} shared images (first: nsdId {absent[0] - 1})")
    return np.array([known[image] for image in shared.tolist()])


def read_volume(path: Path, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """(x, y, z) float64. Raises UserError for a file that cannot be read or is not of the shape."""
    import nibabel

    try:
        volume = np.asarray(nibabel.Nifti1Image.from_filename(path).get_fdata())
    except (OSError, EOFError, ValueError, nibabel.filebasedimages.ImageFileError) as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)}); download it again") from error
    if volume.ndim != 3 or shape not in (None, volume.shape):
        raise UserError(f"{path}: is of shape {volume.shape}, the other volumes are {shape}")
    return volume


def read_labels(path: Path) -> dict[str, int]:
    """name -> value, from lines `value name ...`."""
    found = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].isdecimal():
            found[words[1]] = int(words[0])
    if not found:
        raise UserError(f"{path}: has no line `value name`")
    return found


def read_session(path: Path, shape: tuple[int, ...], voxels: np.ndarray) -> np.ndarray:
    """(trials, voxels) float32 percent signal change of one session.

    shape: of the volume; voxels: (v, 3) places x, y, z in ascending order. Raises UserError for other axes.
    """
    try:
        values = (_from_hdf5 if path.suffix == ".hdf5" else _from_nifti)(path, shape, voxels)
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)}); download it again") from error
    values /= SCALE
    return values


def read_images(path: Path, ids: Sequence[int], out: np.ndarray) -> None:
    """The images of some 1-based ids into out (n, h, w, 3), read in the file's order, one at a time."""
    import h5py

    try:
        with h5py.File(path) as file:
            images = file["imgBrick"]
            for place in np.argsort(ids):
                out[place] = images[ids[place] - 1]
    except (OSError, KeyError) as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)}); download it again") from error


def image_shape(path: Path, most: int) -> tuple[int, ...]:
    """(h, w, 3) of the images; most: the largest id that is needed."""
    import h5py

    try:
        with h5py.File(path) as file:
            shape, kind = file["imgBrick"].shape, file["imgBrick"].dtype
    except (OSError, KeyError) as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)}); download it again") from error
    if len(shape) != 4 or shape[3] != 3 or shape[0] < most or kind != np.uint8:
        raise UserError(f"{path}: imgBrick is {kind} of shape {shape}, must be uint8 ({most} or more, h, w, 3)")
    return tuple(shape[1:])


def _from_hdf5(path: Path, shape: tuple[int, ...], voxels: np.ndarray) -> np.ndarray:
    import h5py

    out = np.empty((TRIALS, len(voxels)), np.float32)
    with h5py.File(path) as file:
        if "betas" not in file:
            raise UserError(f"{path}: has no array betas")
        betas = file["betas"]
        reversed_axes = betas.shape == (TRIALS, *shape[::-1])
        if not reversed_axes and betas.shape != (*shape, TRIALS):
            raise _other_axes(path, betas.shape, (TRIALS, *shape[::-1]), "trials, z, y, x")
        for first, last in _runs(voxels):
            (x, y, z), end = voxels[first], voxels[last - 1][2] + 1
            out[:, first:last] = betas[:, z:end, y, x] if reversed_axes else betas[x, y, z:end].T
    return out


def _from_nifti(path: Path, shape: tuple[int, ...], voxels: np.ndarray) -> np.ndarray:
    import nibabel
    from nibabel.openers import ImageOpener

    try:
        proxy: Any = nibabel.Nifti1Image.from_filename(path).dataobj
    except nibabel.filebasedimages.ImageFileError as error:
        raise UserError(f"{path}: cannot be read ({error}); download it again") from error
    if proxy.shape != (*shape, TRIALS):
        raise _other_axes(path, proxy.shape, (*shape, TRIALS), "x, y, z, trials")
    places = np.ravel_multi_index(tuple(voxels.T), shape, order="F")
    size = int(np.prod(shape)) * proxy.dtype.itemsize
    out = np.empty((TRIALS, len(voxels)), np.float32)
    with ImageOpener(str(path)) as stream:
        stream.seek(proxy.offset)
        for row in out:
            data = stream.read(size)
            if len(data) < size:
                raise EOFError("it ends early")
            row[...] = np.frombuffer(data, proxy.dtype)[places]
    return out * np.float32(proxy.slope) + np.float32(proxy.inter)


def _other_axes(path: Path, found: tuple[int, ...], wanted: tuple[int, ...], names: str) -> UserError:
    return UserError(f"{path}: its axes are {found}, must be {wanted} ({names}); use the file as it is published")


def _runs(voxels: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of voxels that follow each other along z."""
    steps = np.diff(voxels, axis=0)
    ends = np.flatnonzero((steps != [0, 0, 1]).any(axis=1)) + 1
    return list(zip([0, *ends.tolist()], [*ends.tolist(), len(voxels)], strict=True))


def _matlab(path: Path) -> dict[str, np.ndarray]:
    """The three arrays as integers, MATLAB's axes; from a file of any version."""
    import h5py
    from scipy.io import loadmat

    names = ("sharedix", "masterordering", "subjectim")
    try:
        if h5py.is_hdf5(path):  # version 7.3
            with h5py.File(path) as file:
                found = {name: file[name][()].T for name in names}
        else:
            found = {name: np.asarray(value) for name, value in loadmat(path, variable_names=names).items()}
        return {name: found[name].astype(np.int64) for name in names}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)}); needs {', '.join(names)}") from error


def _first(files: Sequence[Path]) -> Path:
    return next((file for file in files if file.is_file()), files[0])


def _name(subject: int) -> str:
    return f"subj{subject:02d}"
