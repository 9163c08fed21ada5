"""A small copy of the Natural Scenes Dataset in its own layout, against plain numpy; and every mistake, said."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from scipy.io import savemat
from scipy.stats import zscore

from mlspatial.benchmarks import find_benchmark, nsd
from mlspatial.benchmarks.nsd_files import NsdFolder, read_session
from mlspatial.core.errors import BadValue, UnknownName, UserError

SHAPE = (6, 7, 5)
SESSIONS, TRIALS, SHARED, IMAGES, BANK = 2, 750, 30, 500, 900
ATLASES = {
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words"),
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
}
CONTRAST = {"floc-faces": "faces", "floc-bodies": "bodies", "floc-places": "places", "floc-words": "word"}
PPDATA, BETAS = "nsddata/ppdata/subj01/func1pt8mm", "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR"
DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"


class Copy:
    """The arrays of a copy, as MATLAB has them, and their files."""

    def __init__(self, shape: tuple[int, int, int] = SHAPE) -> None:
        rng = np.random.default_rng(0)
        self.shape = shape
        self.brain = np.ones(shape, bool)
        self.brain[-2:] = False  # so that x and z can be told apart
        self.rois = {name: rng.integers(0, len(labels) + 1, shape) for name, labels in ATLASES.items()}
        self.t = {name: np.where(self.brain, rng.normal(1, 2, shape), np.nan) for name in CONTRAST}
        self.general = rng.integers(0, 2, shape)
        self.ncsnr = np.where(self.brain, rng.uniform(0.05, 0.9, shape), np.nan)
        own = rng.permutation(np.arange(1, BANK + 1))
        self.shared = np.sort(own[:SHARED])
        self.subjectim = np.stack(
            [np.r_[self.shared, rng.permutation(own[SHARED:])[: IMAGES - SHARED]] for _ in "12345678"]
        )
        self.order = rng.permutation(np.tile(np.arange(1, IMAGES + 1), 3))
        self.coco = rng.permutation(BANK) * 7 + 3
        self.bank = rng.integers(0, 256, (BANK, 8, 9, 3), dtype=np.uint8)
        signal = rng.normal(size=(IMAGES, *shape))
        shown = signal[self.order - 1].reshape(SESSIONS, TRIALS, *shape)
        noisy = shown + rng.normal(size=shown.shape) + rng.normal(3, 5, (SESSIONS, 1, *shape))
        self.betas = np.where(self.brain, 300 * noisy, 0).round().astype(np.int16)

    def mask(self, region: str) -> np.ndarray:
        """Booleans, from the words of the protocol."""
        reliable = np.nan_to_num(self.ncsnr) >= 0.2
        for name, labels in ATLASES.items():
            if region in labels:
                found = self.rois[name] == labels.index(region) + 1
                if name == "streams":
                    return reliable & found & (self.general == 1)
                if name in self.t:
                    return reliable & found & (np.nan_to_num(self.t[name], nan=-9.0) >= 1)
                return reliable & found
        found = np.zeros(self.shape, bool)
        for name in ("midventral", "midlateral", "ventral", "lateral", "FFA-1", "FFA-2", "OFA", "EBA", "FBA-1", "FBA-2",
                     "OPA", "PPA", "VWFA-1", "VWFA-2", "OWFA"):  # fmt: skip
            found |= self.mask(name)
        return found

    def expected(self, mask: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """(images, voxels, 3) the long way."""
        sessions = [zscore(session[:, mask].astype(np.float64) / 300, axis=0) for session in self.betas]
        trials = np.concatenate(sessions)
        shown = self.subjectim[0][self.order - 1]
        return np.stack([trials[np.flatnonzero(shown == image)].T for image in ids])

    def write(self, root: Path, kind: str = "hdf5", layout: tuple[int, ...] = (0, 3, 2, 1)) -> Path:
        """kind: of responses; layout: axes of trials, x, y, z as h5py sees them."""
        for folder in (f"{PPDATA}/roi", BETAS, "nsddata/experiments/nsd", "nsddata_stimuli/stimuli/nsd",
                       "nsddata/freesurfer/subj01/label"):  # fmt: skip
            (root / folder).mkdir(parents=True)
        for name, labels in ATLASES.items():
            self._volume(root / PPDATA / "roi" / f"{name}.nii.gz", self.rois[name].astype(np.float32))
            lines = [f"{i} {label}\t\n" for i, label in enumerate(("Unknown", *labels))]
            (root / "nsddata/freesurfer/subj01/label" / f"{name}.mgz.ctab").write_text("".join(lines))
        for name, domain in CONTRAST.items():
            self._volume(root / PPDATA / f"floc_{domain}tval.nii.gz", self.t[name].astype(np.float32))
        self._volume(root / PPDATA / "roi" / "nsdgeneral.nii.gz", self.general.astype(np.float32))
        self._volume(root / BETAS / "ncsnr.nii.gz", self.ncsnr)
        for number, session in enumerate(self.betas, 1):
            path = root / BETAS / f"betas_session{number:02d}.{kind}"
            if kind == "hdf5":
                with h5py.File(path, "w") as file:
                    array = session.transpose(layout)
                    chunks = tuple(TRIALS if size == TRIALS else 1 for size in array.shape)
                    file.create_dataset("betas", data=array, chunks=chunks)
            else:
                self._volume(path, session.transpose(1, 2, 3, 0))
        self.write_design(root)
        with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", "w") as file:
            file["imgBrick"] = self.bank
        rows = [f"{i},{coco},{i}" for i, coco in enumerate(self.coco.tolist())]
        (root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv").write_text("\n".join([",cocoId,nsdId", *rows]))
        return root

    def write_design(self, root: Path) -> None:
        arrays = {"sharedix": self.shared[None], "subjectim": self.subjectim, "masterordering": self.order[None]}
        savemat(root / DESIGN, {name: value.astype(np.float64) for name, value in arrays.items()})

    def _volume(self, path: Path, values: np.ndarray) -> None:
        nibabel.save(nibabel.Nifti1Image(values, np.diag([1.8, 1.8, 1.8, 1.0])), path)


@pytest.fixture(scope="module")
def copy() -> Copy:
    return Copy()


@pytest.fixture
def root(copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NSD_DATA", str(tmp_path / "nsd"))
    return copy.write(tmp_path / "nsd")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a copy would be."""
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLSPATIAL_DATA", str(tmp_path))
    monkeypatch.delenv("NSD_DATA", raising=False)
    return tmp_path / "nsd"


def check(copy: Copy, region: str = "OTC") -> Any:
    """A benchmark equals the long way, in COCO's order; returns it."""
    found = find_benchmark("nsd:subj01" if region == "OTC" else f"nsd:subj01:{region}")
    ids = copy.shared[np.argsort(copy.coco[copy.shared - 1])]
    mask = copy.mask(region)
    trials = copy.expected(mask, ids)
    assert found.trials.dtype == np.float32 and found.trials.shape == trials.shape == (SHARED, mask.sum(), 3)
    np.testing.assert_allclose(found.trials, trials, atol=2e-5)
    np.testing.assert_allclose(found.responses, trials.mean(axis=2), atol=2e-5)
    np.testing.assert_allclose(found.ncsnr, copy.ncsnr[mask], rtol=1e-6)
    assert found.stimuli.ids == tuple(f"nsd-{image:05d}" for image in ids)
    assert np.array_equal(found.stimuli.images, copy.bank[ids - 1]) and found.stimuli.degrees == 8.4
    return found


@pytest.mark.parametrize(("kind", "layout"), [("hdf5", (0, 3, 2, 1)), ("hdf5", (1, 2, 3, 0)), ("nii.gz", ())])
def test_responses_are_those_of_plain_numpy(copy: Copy, place: Path, kind: str, layout: tuple[int, ...]) -> None:
    copy.write(place, kind, layout)
    found = check(copy)
    assert found.identifier == "nsd:subj01" and found.subject == "subj01" and found.region == "OTC"
    assert np.array_equal(found.train, np.arange(0, SHARED, 2)) and np.array_equal(found.test, np.arange(1, SHARED, 2))


def test_regions_are_parts_and_come_from_the_cache_alone(copy: Copy, root: Path) -> None:
    whole = check(copy)
    early = check(copy, "V1v")
    shutil.rmtree(root)
    assert check(copy).version == whole.version and check(copy, "V1v").version == early.version
    part = check(copy, "EBA")
    assert part.identifier == "nsd:subj01:EBA" and part.version != whole.version
    with pytest.raises(UserError, match=r"subj01: 2 files|files are not in|no copy"):
        find_benchmark("nsd:subj02")


def test_changed_files_are_read_again(copy: Copy, root: Path) -> None:
    before = check(copy)
    changed = Copy()
    changed.ncsnr[0] = 0.1
    changed._volume(root / BETAS / "ncsnr.nii.gz", changed.ncsnr)
    after = check(changed)
    assert after.responses.shape[1] < before.responses.shape[1] and after.version != before.version


def test_the_order_without_the_table_of_coco(copy: Copy, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    text = table.read_text()
    table.unlink()
    found = find_benchmark("nsd:subj01")
    assert found.stimuli.ids == tuple(f"nsd-{image:05d}" for image in copy.shared)
    np.testing.assert_allclose(found.trials, copy.expected(copy.mask("OTC"), copy.shared), atol=2e-5)
    assert "halved in the order of sharedix, not as published" in capsys.readouterr().err
    table.write_text(text)
    check(copy)


def test_a_design_file_of_version_7_3(copy: Copy, root: Path) -> None:
    with h5py.File(root / DESIGN, "w") as file:
        for name, value in (("sharedix", copy.shared[None]), ("subjectim", copy.subjectim)):
            file[name] = value.T.astype(np.float64)
        file["masterordering"] = copy.order[:, None].astype(np.float64)
    check(copy)


def test_voxels_without_data_in_a_session_are_left_out(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacking = Copy()
    x, y, z = np.argwhere(lacking.mask("OTC"))[3]
    lacking.betas[1, :, x, y, z] = 12
    lacking.ncsnr[x, y, z] = 0.0  # of the expectation alone: the file still has its value
    with h5py.File(root / BETAS / "betas_session02.hdf5", "r+") as file:
        file["betas"][:, z, y, x] = 12
    check(lacking)
    assert "1 voxels lack data in a session" in capsys.readouterr().err


def test_wrong_axes_are_found(copy: Copy, place: Path) -> None:
    copy.write(place, layout=(0, 1, 2, 3))
    with pytest.raises(UserError, match=r"its axes are \(750, 6, 7, 5\), must be \(750, 5, 7, 6\) \(trials, z, y, x\)"):
        find_benchmark("nsd:subj01")
    shutil.rmtree(place)
    cube = Copy((6, 7, 6))  # the shape does not tell
    cube.write(place, layout=(0, 1, 2, 3))
    with pytest.raises(UserError, match=r"of the region have no data; the order of its axes"):
        find_benchmark("nsd:subj01")
    shutil.rmtree(place)
    cube.write(place, layout=(0, 3, 2, 1))
    check(cube)


def test_missing_files_are_listed(root: Path) -> None:
    for name in (f"{BETAS}/betas_session02.hdf5", f"{BETAS}/ncsnr.nii.gz", f"{PPDATA}/floc_wordtval.nii.gz",
                 f"{PPDATA}/roi/streams.nii.gz"):  # fmt: skip
        (root / name).unlink()
    with pytest.raises(
        UserError, match=r"nsd:subj01: 4 files are not in .*ncsnr.nii.gz, .*wordtval.nii.gz.* and 1 more"
    ):
        find_benchmark("nsd:subj01")
    (root / DESIGN).unlink()
    with pytest.raises(UserError, match="43 files are not in"):  # of forty sessions
        find_benchmark("nsd:subj01")


def test_designs_that_cannot_be(copy: Copy, root: Path) -> None:
    def fails(words: str, **arrays: np.ndarray) -> None:
        wrong = Copy()
        for name, value in arrays.items():
            setattr(wrong, name, value)
        wrong.write_design(root)
        with pytest.raises(UserError, match=words):
            find_benchmark("nsd:subj01")

    fails("shared images of sharedix are out of order", shared=copy.shared[::-1])
    fails("must be from 1 to 500", order=copy.order - 1)
    strange = copy.subjectim.copy()
    strange[0][strange[0] == copy.shared[4]] = copy.shared[5]
    fails(f"1 of 30 shared images are not among those of subject 1 .first: {copy.shared[4]}", subjectim=strange)
    twice = copy.order.copy()
    twice[np.flatnonzero(twice == 7)[0]] = 8
    fails("1 of 30 shared images were shown fewer than 3 times in its 2 sessions", order=twice)


def test_no_voxels_and_no_space(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poor = Copy()
    poor._volume(root / BETAS / "ncsnr.nii.gz", np.minimum(poor.ncsnr, 0.19))
    with pytest.raises(UserError, match=r"none of the \d+ voxels of OTC has an ncsnr of 0.2 or more \(highest 0.19\)"):
        find_benchmark("nsd:subj01")
    poor._volume(root / BETAS / "ncsnr.nii.gz", np.where(poor.mask("FFA-1"), 0.15, poor.ncsnr))
    with pytest.raises(UserError, match=r"nsd:subj01:FFA-1: 0 of its \d+ voxels have an ncsnr"):
        find_benchmark("nsd:subj01:FFA-1")
    shutil.rmtree(root.parent / "cache")
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(nsd.shutil, "disk_usage", lambda _path: usage(1000))
    with pytest.raises(UserError, match=r"needs 0 MiB in .*nsd, 0 MiB are free; set MLSPATIAL_CACHE"):
        find_benchmark("nsd:subj01")


def test_damaged_files_and_names(copy: Copy, root: Path, place: Path) -> None:
    with pytest.raises(BadValue, match="name a subject from subj01 to subj08"):
        find_benchmark("nsd:subj9")
    with pytest.raises(UnknownName, match="did you mean FFA-"):
        find_benchmark("nsd:subj01:FFA")
    with pytest.raises(BadValue, match="at most 2 words"):
        find_benchmark("nsd:subj01:OTC:more")
    volume = NsdFolder(root).session(1, 1)
    volume.write_bytes(volume.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"betas_session01.hdf5: cannot be read"):
        find_benchmark("nsd:subj01")
    stream = root / BETAS / "betas_session01.nii.gz"
    copy._volume(stream, copy.betas[0].transpose(1, 2, 3, 0))
    stream.write_bytes(stream.read_bytes()[:-4000])
    with pytest.raises(UserError, match=r"betas_session01.nii.gz: cannot be read"):
        read_session(stream, SHAPE, np.argwhere(copy.mask("OTC")))
    shutil.rmtree(root)
    with pytest.raises(UserError, match=r"no copy of the Natural Scenes Dataset at .* set NSD_DATA"):
        find_benchmark("nsd:subj01")


def test_what_lies_on_a_bound_is_in(root: Path) -> None:
    """An ncsnr of .2 and a t value of 1 count, the next smaller numbers do not."""
    edge = Copy()
    x, y, z = np.argwhere(edge.mask("PPA"))[:4].T
    edge.ncsnr[x, y, z] = 0.2, np.nextafter(0.2, 0), 0.2, 0.5
    edge.t["floc-places"][x, y, z] = 1.0, 5.0, np.nextafter(np.float32(1), np.float32(0)), 1.0
    edge._volume(root / BETAS / "ncsnr.nii.gz", edge.ncsnr)
    edge._volume(root / PPDATA / "floc_placestval.nii.gz", edge.t["floc-places"].astype(np.float32))
    before = Copy().mask("PPA").sum()
    assert edge.mask("PPA").sum() == before - 2
    check(edge, "PPA")
    check(edge)


@pytest.mark.parametrize(("voxels", "fits"), [(10, False), (11, True)])
def test_a_region_needs_more_than_ten_voxels(root: Path, voxels: int, fits: bool) -> None:
    few = Copy()
    places = np.argwhere(few.mask("EBA"))[voxels:]
    few.ncsnr[tuple(places.T)] = 0.1
    few._volume(root / BETAS / "ncsnr.nii.gz", few.ncsnr)
    if fits:
        assert check(few, "EBA").responses.shape == (SHARED, 11)
    else:
        with pytest.raises(
            UserError, match=r"nsd:subj01:EBA: 10 of its \d+ voxels have an ncsnr of 0\.2 or more .*than 10"
        ):
            find_benchmark("nsd:subj01:EBA")


def test_a_tenth_of_the_voxels_may_lack_data(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of just a tenth it is said, of more the axes or the file must be wrong."""
    lacking = Copy()
    spare = np.argwhere(lacking.mask("OTC"))
    spare = spare[: len(spare) % 10]
    lacking.ncsnr[tuple(spare.T)] = 0.1
    lacking._volume(root / BETAS / "ncsnr.nii.gz", lacking.ncsnr)
    places = np.argwhere(lacking.mask("OTC"))
    tenth = len(places) // 10
    assert len(places) == 10 * tenth
    for number, fits in ((tenth, True), (tenth + 1, False)):
        with h5py.File(root / BETAS / "betas_session02.hdf5", "r+") as file:
            for x, y, z in places[:number]:
                file["betas"][:, z, y, x] = 7
        for x, y, z in places[:number]:
            lacking.ncsnr[x, y, z] = 0.0
        if fits:
            check(lacking)
            assert f"{tenth} voxels lack data in a session and are left out" in capsys.readouterr().err
        else:
            with pytest.raises(UserError, match=f"{number} of {len(places)} voxels of the region have no data"):
                find_benchmark("nsd:subj01")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5000])


def _nothing(file: Path) -> None:
    file.write_bytes(b"")


def _flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def _of_another_shape(file: Path) -> None:
    images = np.load(file)
    np.save(file, images[1:])


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        *(("images-*.npy", damage) for damage in (_cut, _nothing, _flipped, _of_another_shape)),
        *(("subj01-OTC-*.parquet", damage) for damage in (_cut, _nothing, _flipped)),
    ],
)
def test_what_is_kept_and_damaged_is_made_anew(
    copy: Copy, root: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    before = check(copy).version
    (file,) = (root.parent / "cache" / "nsd").glob(pattern)
    whole = file.read_bytes()
    damage(file)
    assert check(copy).version == before and file.read_bytes() == whole
    damage(file)
    shutil.rmtree(root)  # nothing to make it of
    with pytest.raises(UserError, match=r"nsd:subj01: 5\d files are not in"):
        find_benchmark("nsd:subj01")


def test_what_was_not_made_to_the_end_is_not_kept(copy: Copy, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = nsd.files.read_images

    def interrupted(path: Path, ids: Any, out: np.ndarray) -> None:
        read(path, ids[:3], out[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(nsd.files, "read_images", interrupted)
    with pytest.raises(KeyboardInterrupt):
        find_benchmark("nsd:subj01")
    assert [file.name for file in (root.parent / "cache" / "nsd").iterdir() if file.suffix != ".lock"] == []
    monkeypatch.setattr(nsd.files, "read_images", read)
    check(copy)


def test_images_that_were_kept_without_a_seal_are_read(copy: Copy, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(copy)
    (file,) = (root.parent / "cache" / "nsd").glob("images-*.npy")
    np.save(file, np.load(file))  # as it was written before there was one
    monkeypatch.setattr(nsd, "_make", None)
    check(copy)
