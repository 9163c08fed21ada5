"""The Natural Scenes Dataset (Allen et al. 2022) from a user's own copy, as Conwell et al. 2024 used it.

Responses are z-scored per voxel within each session, sessions are concatenated, and the three repeats of each of the
1,000 images that all subjects saw are averaged. Voxels have a noise-ceiling SNR of at least .2. What is made of a
subject's files lies in MLSPATIAL_CACHE and is then read without them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.benchmarks import nsd_files as files
from mlspatial.benchmarks.base import BENCHMARKS
from mlspatial.benchmarks.nsd_files import NsdFolder
from mlspatial.benchmarks.pictures import mapped_images, seal
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.files import whole
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder, data_folders
from mlspatial.core.progress import bar, say
from mlspatial.models.stimuli import Stimuli

CACHE_VERSION = 1
DEGREES = 8.4  # of the images; Allen et al. 2022
REPEATS = 3
RELIABLE = 0.2  # least ncsnr; Conwell et al. 2024
SELECTIVE = 1.0  # least t value of a category-selective voxel; Conwell et al. 2024
CONSTANT = 0.1  # share of the voxels without data in a session beyond which the axes must be wrong
STREAMS = ("midventral", "midlateral", "ventral", "lateral")
CATEGORIES = {
    "floc-faces": ("FFA-1", "FFA-2", "OFA"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2"),
    "floc-places": ("OPA", "PPA"),  # without RSC
    "floc-words": ("VWFA-1", "VWFA-2", "OWFA"),
}
EARLY = ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4")
#: family of regions that share a file of the cache -> its regions, the first of which is all of it
FAMILIES = {
    "OTC": ("OTC", *STREAMS, *(name for names in CATEGORIES.values() for name in names)),
    "EVC": ("EVC", *EARLY),
}


@BENCHMARKS.register("nsd")
def nsd(subject: str = "", region: str = "OTC") -> FmriBenchmark:
    """One subject's responses to the 1,000 shared images of the Natural Scenes Dataset, from a local copy.

    subject: subj01, ...; subjects 1, 2, 5 and 7 saw all images three times. region: OTC, one of the parts it is made
    of (`FAMILIES`), or EVC and its parts. The copy is at NSD_DATA, or is the folder nsd of a data folder. Raises
    UserError for files that lack or do not fit, too few repeats, voxels or space on the disk.
    """
    from mlspatial.analysis.versa import FEWEST

    match = re.fullmatch(r"subj0?([1-8])", subject)
    if not match:
        raise BadValue("nsd", subject or "''", "name a subject from subj01 to subj08, as in nsd:subj01")
    number = int(match[1])
    family = next((name for name, regions in FAMILIES.items() if region in regions), None)
    if family is None:
        raise UnknownName("region of nsd", region, (name for regions in FAMILIES.values() for name in regions))
    name = f"nsd:subj{number:02d}" + (f":{region}" if region != "OTC" else "")
    kept = _cached(name, number, family)
    wanted = kept.columns[region]
    if wanted.sum() <= FEWEST:
        found = kept.facts["regions"][region]
        raise UserError(
            f"{name}: {wanted.sum()} of its {found['voxels']} voxels have an ncsnr of {RELIABLE:g} or more (highest "
            f"{found['highest']:.2f}), a region needs more than {FEWEST}"
        )
    ids = tuple(kept.facts["ids"])
    trials = np.ascontiguousarray(kept.columns["trials"][wanted].reshape(-1, len(ids), REPEATS).transpose(1, 0, 2))
    return FmriBenchmark(
        identifier=name,
        subject=f"subj{number:02d}",
        region=region,
        stimuli=Stimuli(ids, kept.images, DEGREES),
        responses=trials.mean(axis=2),
        trials=trials,
        ncsnr=kept.columns["ncsnr"][wanted],
    )


@dataclass(frozen=True)
class Selection:
    """Voxels of a family of regions. regions: name -> (x, y, z) booleans, reliable or not; ncsnr: (x, y, z)."""

    regions: Mapping[str, np.ndarray]
    ncsnr: np.ndarray

    @property
    def reliable(self) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return self.ncsnr >= RELIABLE  # NaN outside the brain is not

    def facts(self) -> dict[str, dict[str, float]]:
        """Of every region its voxels and their highest ncsnr."""
        found = {}
        for name, mask in self.regions.items():
            values = np.nan_to_num(self.ncsnr[mask])
            found[name] = {"voxels": int(mask.sum()), "highest": float(values.max(initial=0.0))}
        return found


def select_voxels(folder: NsdFolder, subject: int, family: str) -> Selection:
    """The voxels of a family of regions, from the masks, atlases and t maps.

    OTC: (nsdgeneral and a stream in STREAMS) or (a region in CATEGORIES and a t value of SELECTIVE or more); its
    category-selective part is not cut with nsdgeneral. EVC: the retinotopic areas. Source: Conwell et al. 2024.
    """
    ncsnr = files.read_volume(folder.ncsnr(subject))
    shape = ncsnr.shape

    def atlas(name: str, regions: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
        volume, path = files.read_volume(folder.roi(subject, name), shape), folder.labels(subject, name)
        labels = files.read_labels(path)
        for region in regions:
            if region not in labels:
                raise UserError(f"{path}: has no label {region} ({', '.join(labels)})")
            yield region, volume == labels[region]

    if family == "EVC":
        parts = dict(atlas("prf-visualrois", EARLY))
    else:
        general = files.read_volume(folder.roi(subject, "nsdgeneral"), shape) > 0
        parts = {name: mask & general for name, mask in atlas("streams", STREAMS)}
        for name, regions in CATEGORIES.items():
            values = files.read_volume(folder.contrast(subject, name), shape)
            with np.errstate(invalid="ignore"):
                selective = values >= SELECTIVE
            parts |= {region: mask & selective for region, mask in atlas(name, regions)}
    return Selection({family: np.any(list(parts.values()), axis=0), **parts}, ncsnr)


def copies() -> list[Path]:
    """Where a copy of the dataset is looked for: NSD_DATA, or the folder nsd of the data folders."""
    return [Path(os.environ["NSD_DATA"])] if os.environ.get("NSD_DATA") else [one / "nsd" for one in data_folders()]


def voxel_files(folder: NsdFolder, subject: int, family: str = "OTC") -> list[Path]:
    """The files that `select_voxels` reads."""
    found = [folder.ncsnr(subject)]
    if family == "EVC":
        atlases = ["prf-visualrois"]
    else:
        atlases = ["streams", *CATEGORIES]
        found += [folder.roi(subject, "nsdgeneral"), *(folder.contrast(subject, name) for name in CATEGORIES)]
    return found + [part(subject, name) for part in (folder.roi, folder.labels) for name in atlases]


def _needed(folder: NsdFolder, subject: int, family: str, sessions: int) -> list[Path]:
    found = [folder.design(), folder.stimuli(), *voxel_files(folder, subject, family)]
    return found + [folder.session(subject, number) for number in range(1, sessions + 1)]


@dataclass(frozen=True)
class _Kept:
    """What the cache has of a subject. columns: name -> a value a voxel, trials (voxels, n images x repeats); facts:
    ids, voxels of every region, sources; images: (n, h, w, 3) uint8, mapped from their file."""

    columns: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    images: np.ndarray


def _cached(name: str, subject: int, family: str) -> _Kept:
    """What is kept of a subject, made of the copy where the cache has nothing, or something older than the copy."""
    from filelock import FileLock

    places = copies()
    store = cache_folder("nsd")

    def file_of(copy: Path) -> Path:
        key = content_id([CACHE_VERSION, str(copy.resolve())])
        return store / f"subj{subject:02d}-{family}-{key}.parquet"

    copy = next((copy for copy in places if copy.is_dir() or file_of(copy).is_file()), None)
    if copy is None:
        raise UserError(
            f"{name}: no copy of the Natural Scenes Dataset at {' or '.join(map(str, places))}; set NSD_DATA to the "
            "folder that holds nsddata, nsddata_betas and nsddata_stimuli"
        )
    file = file_of(copy)
    with FileLock(f"{file}.lock"):
        found = _read(file, store)
        if found is None:
            _make(name, NsdFolder(copy), subject, family, file, store)
            found = _read(file, store)
    if found is None:
        raise UserError(f"{file}: cannot be read back; delete {store}")
    return found


def _make(name: str, folder: NsdFolder, subject: int, family: str, file: Path, store: Path) -> None:
    most = files.SESSIONS[subject]
    sessions = most
    if folder.design().is_file():
        design = files.read_design(folder.design(), subject)
        sessions = min(most, design.sessions)
    needed = _needed(folder, subject, family, sessions)
    files.demand(name, folder, needed)
    ids = _order(name, folder, design.shared)
    repeats = design.repeats(ids, sessions)
    counts = np.bincount([place for place, _ in repeats.values()], minlength=len(ids))
    if (few := counts < REPEATS).any():
        raise UserError(
            f"{name}: {few.sum()} of {len(ids)} shared images were shown fewer than {REPEATS} times in its {sessions} "
            "sessions; subjects 1, 2, 5 and 7 saw all of them"
        )
    selection = select_voxels(folder, subject, family)
    voxels = np.argwhere(selection.regions[family] & selection.reliable)
    whole = selection.facts()[family]
    if not len(voxels):
        raise UserError(
            f"{name}: none of the {whole['voxels']} voxels of {family} has an ncsnr of {RELIABLE:g} or more "
            f"(highest {whole['highest']:.2f})"
        )
    shape = files.image_shape(folder.stimuli(), int(ids.max()))
    _space(name, store, 4 * len(voxels) * len(ids) * REPEATS + len(ids) * int(np.prod(shape)))
    trials, kept = _trials(name, folder, subject, selection.ncsnr.shape, voxels, sessions, repeats, len(ids))
    pictures = _images(folder, ids, shape, store)
    facts = {
        "ids": [f"nsd-{image:05d}" for image in ids.tolist()],
        "images": pictures,
        "regions": selection.facts(),
        "sources": {str(path): _stamp(path) for path in [*needed, folder.table()]},
    }
    _write(file, facts, selection, voxels[kept], trials[:, kept])


def _order(name: str, folder: NsdFolder, shared: np.ndarray) -> np.ndarray:
    """The shared images in the order whose even and odd rows are the published halves: that of COCO's numbers.

    Without the table that has them, in the order of sharedix, saying so.
    """
    if folder.table().is_file():
        return shared[np.argsort(files.read_coco(folder.table(), shared), kind="stable")]
    say(f"{name}: {folder.table()} is not there, so the images are halved in the order of sharedix, not as published")
    return shared


def _trials(
    name: str,
    folder: NsdFolder,
    subject: int,
    shape: tuple[int, ...],
    voxels: np.ndarray,
    sessions: int,
    repeats: Mapping[int, tuple[int, int]],
    n: int,
) -> tuple[np.ndarray, np.ndarray]:
    """((n images, voxels, repeats) float32 z scores, which voxels have data in every session)."""
    found = np.zeros((n, len(voxels), REPEATS), np.float32)
    kept = np.ones(len(voxels), bool)
    with bar(name, sessions, "session") as shown:
        for session in range(sessions):
            path = folder.session(subject, session + 1)
            values = files.read_session(path, shape, voxels)
            mean, sd = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
            varied = np.ptp(values, axis=0) > 0
            if (~varied).mean() > CONSTANT:
                raise UserError(
                    f"{path}: {(~varied).sum()} of {len(voxels)} voxels of the region have no data; the order of its "
                    "axes is not that of the masks, or the file is damaged"
                )
            kept &= varied
            scores = (values - mean) / np.where(varied, sd, 1.0)
            for trial in range(files.TRIALS):
                image, repeat = repeats.get(session * files.TRIALS + trial, (0, REPEATS))
                if repeat < REPEATS:
                    found[image, :, repeat] = scores[trial]
            shown.update(1)
    if not kept.all():
        say(f"{name}: {(~kept).sum()} voxels lack data in a session and are left out")
    return found, kept


def _images(folder: NsdFolder, ids: np.ndarray, shape: tuple[int, ...], store: Path) -> str:
    """The name of a file in the cache with the images in their order, which all subjects share."""
    source = folder.stimuli()
    file = store / f"images-{content_id([CACHE_VERSION, str(source.resolve()), _stamp(source), ids.tolist()])}.npy"
    if mapped_images(file, (len(ids), *shape)) is None:
        with whole(file) as partial:
            images = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(ids), *shape))
            files.read_images(source, ids.tolist(), images)
            images.flush()
            seal(partial)
    return file.name


def _space(name: str, store: Path, needed: int) -> None:
    free = shutil.disk_usage(store).free
    if free < 1.1 * needed:
        raise UserError(
            f"{name}: needs {needed / 2**20:.0f} MiB in {store}, {free / 2**20:.0f} MiB are free; "
            "set MLSPATIAL_CACHE to a larger disk"
        )


def _write(file: Path, facts: dict[str, Any], selection: Selection, voxels: np.ndarray, trials: np.ndarray) -> None:
    """A row a voxel: place, ncsnr, a boolean a region, and its trials, image after image, as one list."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    x, y, z = voxels.T
    flat = np.ascontiguousarray(trials.transpose(1, 0, 2)).reshape(-1)
    columns = {
        **{axis: pa.array(values.astype(np.int16)) for axis, values in zip("xyz", voxels.T, strict=True)},
        "ncsnr": pa.array(selection.ncsnr[x, y, z].astype(np.float32)),
        **{name: pa.array(mask[x, y, z]) for name, mask in selection.regions.items()},
        "trials": pa.FixedSizeListArray.from_arrays(pa.array(flat), trials.shape[0] * trials.shape[2]),
    }
    table = pa.table(columns).replace_schema_metadata({"mlspatial": json.dumps(facts)})
    with whole(file) as partial:
        pq.write_table(table, partial, use_dictionary=False, row_group_size=500, write_page_checksum=True)


def _read(file: Path, store: Path) -> _Kept | None:
    """What was made, or None where it is damaged or a source has changed or come since. Sources that are gone do no
    harm."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        facts = json.loads(pq.read_schema(file).metadata[b"mlspatial"])
        if any(Path(path).is_file() and _stamp(Path(path)) != stamp for path, stamp in facts["sources"].items()):
            return None
        images = mapped_images(store / facts["images"])
        if images is None or len(images) != len(facts["ids"]):
            return None
        table = pq.read_table(file, page_checksum_verification=True)
        trials = table["trials"].combine_chunks().flatten().to_numpy()
        trials = trials.reshape(table.num_rows, len(images) * REPEATS)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    columns = {name: table[name].to_numpy() for name in table.column_names if name != "trials"}
    return _Kept({**columns, "trials": trials}, facts, images)


def _stamp(path: Path) -> list[int]:
    """Size and time of a file; empty when there is none."""
    if not path.is_file():
        return []
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]
