"""EXR files with named layers: the picture is read, or the layers are named. Files are written as the format says."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mlspatial.core.errors import UserError
from mlspatial.render.environments import FolderEnvironments
from mlspatial.render.files import exr, panorama

cv2 = pytest.importorskip("cv2")
W, H = 64, 32
Channels = dict[str, np.ndarray]


def attribute(name: str, kind: str, value: bytes) -> bytes:
    return f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value


def zipped(raw: bytes) -> bytes:
    """The format's ZIP: even bytes, then odd ones, as differences; what grows is stored as it is."""
    levels = np.frombuffer(raw, np.uint8)
    halves = np.concatenate([levels[::2], levels[1::2]]).astype(np.int16)
    halves[1:] = halves[1:] - halves[:-1] + 128
    packed = zlib.compress((halves & 0xFF).astype(np.uint8).tobytes())
    return packed if len(packed) < len(raw) else raw


def write(file: Path, channels: Channels, *, lines: int = 1, downwards: bool = True, comment: int = 0) -> Path:
    """channels: name -> (H, W) float32 or float16. lines: 1 without compression, 16 with ZIP."""
    names = sorted(channels)
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iB3xii", 2 if channels[name].dtype == np.float32 else 1, 0, 1, 1)
        for name in names
    )
    box = struct.pack("<4i", 0, 0, W - 1, H - 1)
    head = exr.MAGIC + struct.pack("<I", 2)
    head += attribute("channels", "chlist", listed + b"\0")
    head += attribute("comment", "string", b"x" * comment) if comment else b""
    head += attribute("compression", "compression", bytes([0 if lines == 1 else 3]))
    head += attribute("dataWindow", "box2i", box) + attribute("displayWindow", "box2i", box)
    head += attribute("lineOrder", "lineOrder", bytes([0 if downwards else 1]))
    head += attribute("pixelAspectRatio", "float", struct.pack("<f", 1.0))
    head += attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0))
    head += attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)) + b"\0"
    chunks = {}
    for row in range(0, H, lines):
        raw = b"".join(channels[name][y].tobytes() for y in range(row, row + lines) for name in names)
        packed = raw if lines == 1 else zipped(raw)
        chunks[row] = struct.pack("<ii", row, len(packed)) + packed
    at, offsets = len(head) + 8 * len(chunks), {}
    order = sorted(chunks, reverse=not downwards)
    for row in order:
        offsets[row] = at
        at += len(chunks[row])
    table = b"".join(struct.pack("<Q", offsets[row]) for row in sorted(chunks))
    file.write_bytes(head + table + b"".join(chunks[row] for row in order))
    return file


def colours(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 4.0, (H, W, 3)).astype(np.float32)


def layer(name: str, values: np.ndarray, letters: str = "RGB") -> Channels:
    return {f"{name}.{letter}": values[..., k] for k, letter in enumerate(letters)}


def read_quietly(file: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return panorama.read(file)


DEPTH = np.full((H, W), 7.0, np.float32)
AROUND: dict[str, Channels] = {
    "nothing": {},
    "blender": {
        "ViewLayer.Combined.A": DEPTH,
        "ViewLayer.Depth.Z": DEPTH,
        **layer("ViewLayer.DiffCol", colours(2)),
        **layer("ViewLayer.Normal", colours(3), "XYZ"),
    },
    "before and behind": {**layer("A", colours(4)), **layer("Z", colours(5)), "Z": DEPTH, "id": DEPTH},
    "between": {"ViewLayer.Combined.C": DEPTH, "ViewLayer.Combined.H": DEPTH, "ViewLayer.Combined.Z": DEPTH},
    "within one another": {"ViewLayer.Combined.B.X": DEPTH, "ViewLayer.Combined.G.X": DEPTH, "ViewLayer.A": DEPTH},
    "of another width": {"ViewLayer.Combined.A": DEPTH.astype(np.float16), "W": DEPTH.astype(np.float16)},
    "many": {f"pass{number:03d}.{letter}": DEPTH for number in range(40) for letter in "RGB"},
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("lines", [1, 16])
def test_the_combined_layer_is_read(tmp_path: Path, around: str, lines: int) -> None:
    """To the bit, whatever stands before, between and behind its channels, by the values that were written."""
    truth = colours(1)
    channels = {**layer("ViewLayer.Combined", truth), **AROUND[around]}
    file = write(tmp_path / "a.exr", channels, lines=lines)
    assert panorama.size(file) == (W, H)
    np.testing.assert_array_equal(read_quietly(file), truth)


def test_lines_from_below_and_a_long_header(tmp_path: Path) -> None:
    truth = colours(1)
    file = write(tmp_path / "a.exr", layer("beauty", truth), downwards=False, comment=200_000)
    assert panorama.size(file) == (W, H)
    np.testing.assert_array_equal(read_quietly(file), truth)


def test_plain_channels_come_first_and_small_letters_count(tmp_path: Path) -> None:
    truth = colours(1)
    plain = {letter: truth[..., k] for k, letter in enumerate("RGB")}
    np.testing.assert_array_equal(
        read_quietly(write(tmp_path / "a.exr", {**plain, **layer("beauty", colours(2))})), truth
    )
    small = {letter: truth[..., k] for k, letter in enumerate("rgb")}
    np.testing.assert_array_equal(read_quietly(write(tmp_path / "b.exr", small)), truth)
    named = layer("Beauty", truth, "rgb")
    np.testing.assert_array_equal(read_quietly(write(tmp_path / "c.exr", {**named, **layer("spec", truth * 2)})), truth)


def test_an_only_layer_of_another_name_is_told(tmp_path: Path) -> None:
    truth = colours(1)
    file = write(tmp_path / "a.exr", {**layer("diffuse", truth), "Z": DEPTH})
    with pytest.warns(UserWarning, match=r"a\.exr is drawn with its only layer, 'diffuse'; save it as one layer"):
        np.testing.assert_array_equal(panorama.read(file), truth)


REFUSED: dict[str, tuple[Sequence[str], str]] = {
    "none": (("diffuse", "specular"), "its layers are diffuse, specular, none of them called combined or beauty"),
    "two": (
        ("left.Combined", "right.Combined", "x"),
        "its layers are left.Combined, right.Combined, x, of which left.Combined, right.Combined may be meant",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_may_be_meant_are_named(tmp_path: Path, case: str) -> None:
    names, said = REFUSED[case]
    channels = {name: values for one in names for name, values in layer(one, colours(0)).items()}
    file = write(tmp_path / "a.exr", channels)
    for ask in (panorama.size, panorama.read, lambda _: FolderEnvironments(tmp_path)):
        with pytest.raises(UserError, match=rf"a\.exr cannot be read as exr \({said}; save the one you mean as one"):
            ask(file)


def test_no_colours_at_all(tmp_path: Path) -> None:
    file = write(tmp_path / "a.exr", {"N.X": DEPTH, "N.Y": DEPTH, "depth.Z": DEPTH})
    with pytest.raises(UserError, match=r"no channels R, G, B, but N\.X, N\.Y, depth\.Z; save it as one layer"):
        panorama.size(file)


def test_what_is_cut_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.exr", layer("beauty", colours(1))).read_bytes()
    cut = tmp_path / "cut.exr"
    for length in (3, 7, 40, 200, 330, 500, len(whole) // 2):
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cut\.exr cannot be read as exr"):
            panorama.read(cut)
    for flag, said in ((exr.DEEP, "it is deep"), (exr.PARTS, "it is of several parts")):
        cut.write_bytes(whole[:4] + struct.pack("<I", 2 | flag) + whole[8:])
        with pytest.raises(UserError, match=rf"{said}, with the layer beauty; save that as one layer"):
            panorama.size(cut)
    cut.write_bytes(b"\0" + whole[1:])
    with pytest.raises(UserError, match="does not begin as an EXR file does"):
        panorama.size(cut)


@pytest.mark.parametrize("compression", ["NONE", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAA", "DWAB"])
@pytest.mark.parametrize("tiled", [False, True])
def test_files_of_openexr_itself(tmp_path: Path, compression: str, tiled: bool) -> None:
    """Values that OpenEXR wrote: the same to the bit, or within .1 where the compression loses something."""
    openexr = pytest.importorskip("OpenEXR")
    ramp = np.linspace(0.2, 3.0, W, dtype=np.float32)[None].repeat(H, axis=0)
    truth = np.stack([ramp, ramp[:, ::-1], np.full((H, W), 0.5, np.float32)], axis=-1)
    header = {
        "compression": getattr(openexr, "NO_COMPRESSION" if compression == "NONE" else f"{compression}_COMPRESSION"),
        "type": openexr.scanlineimage,
    }
    if tiled:
        header |= {"type": openexr.tiledimage, "tiles": openexr.TileDescription()}
    channels = {
        **layer("V.Combined", truth),
        **layer("V.Diff", truth[::-1] * 0.3),
        "V.Combined.A": ramp,
        "V.Depth.Z": ramp,
    }
    file = tmp_path / "a.exr"
    openexr.File(header, {name: np.ascontiguousarray(v).astype(np.float16) for name, v in channels.items()}).write(
        str(file)
    )
    assert bool(exr.header(file.read_bytes()).flags & 0x200) == tiled
    read = read_quietly(file)
    if compression in ("B44", "DWAA", "DWAB"):
        np.testing.assert_allclose(read, truth, atol=0.1)
    else:
        np.testing.assert_array_equal(read, truth.astype(np.float16).astype(np.float32))


def test_the_first_of_several_parts_is_told(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")
    truth = colours(1)
    for name, quiet in (("diffuse", False), ("V.Combined", True)):
        parts = [
            openexr.Part({"type": openexr.scanlineimage}, {c: v[..., k].copy() for k, c in enumerate("RGB")}, part)
            for part, v in ((name, truth), ("other", truth * 2))
        ]
        file = tmp_path / f"{name}.exr"
        openexr.File(parts).write(str(file))
        if quiet:
            read = read_quietly(file)
        else:
            with pytest.warns(UserWarning, match=r"diffuse\.exr is drawn with its first part, 'diffuse'"):
                read = panorama.read(file)
        np.testing.assert_array_equal(read, truth)
