"""Panoramas as people have them: read as what they are, or refused with the reason."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspatial.core.errors import UserError
from mlspatial.render.environments import FolderEnvironments
from mlspatial.render.files import panorama
from tests.render.cases import ROOT, needs_cases

cv2 = pytest.importorskip("cv2")
CASES = ROOT / "panoramas"
W, H = 64, 32


def rgbe() -> np.ndarray:
    """(H, W, 4) levels without repeats, and nothing that looks like a run."""
    return np.random.default_rng(0).integers(100, 140, (H, W, 4), dtype=np.uint8)


def values(levels: np.ndarray) -> np.ndarray:
    """Radiance of RGBE by its definition: mantissa / 256 * 2 ** (exponent - 128)."""
    return (levels[..., :3] / 256.0 * 2.0 ** (levels[..., 3:].astype(float) - 128)).astype(np.float32)


def hdr(file: Path, lines: np.ndarray, resolution: str, head: str = "FORMAT=32-bit_rle_rgbe\n") -> Path:
    file.write_bytes(f"#?RADIANCE\n{head}\n{resolution}\n".encode() + lines.tobytes())
    return file


ORIENTATIONS = {
    f"-Y {H} +X {W}": lambda p: p,
    f"+Y {H} +X {W}": lambda p: p[::-1],
    f"-Y {H} -X {W}": lambda p: p[:, ::-1],
    f"+X {W} -Y {H}": lambda p: p.transpose(1, 0, 2),
    f"-X {W} +Y {H}": lambda p: p[::-1, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("resolution", ORIENTATIONS)
def test_every_orientation_of_hdr(tmp_path: Path, resolution: str) -> None:
    levels = rgbe()
    file = hdr(tmp_path / "a.hdr", np.ascontiguousarray(ORIENTATIONS[resolution](levels)), resolution)
    assert panorama.size(file) == (W, H)
    np.testing.assert_allclose(panorama.read(file), values(levels), rtol=1e-6)


def test_hdr_without_format_and_with_another(tmp_path: Path) -> None:
    levels = rgbe()
    plain = hdr(tmp_path / "a.hdr", levels, f"-Y {H} +X {W}", "# made by hand\n")
    np.testing.assert_allclose(panorama.read(plain), values(levels), rtol=1e-6)
    other = hdr(tmp_path / "b.hdr", levels, f"-Y {H} +X {W}", "FORMAT=32-bit_rle_xyze\n")
    with pytest.raises(UserError, match=r"b\.hdr.*FORMAT is 32-bit_rle_xyze"):
        panorama.size(other)


def test_old_run_lengths(tmp_path: Path) -> None:
    """1, 1, 1, n repeats the last pixel n times; the next run counts in 256s."""
    pixel, last = [120, 110, 100, 128], [5, 6, 7, 129]
    repeats = W * H - 2  # in two runs: 254 + 256 * 7
    assert repeats == 254 + 256 * 7
    words = np.array([pixel, [1, 1, 1, 254], [1, 1, 1, 7], last], np.uint8)
    read = panorama.read(hdr(tmp_path / "a.hdr", words, f"-Y {H} +X {W}"))
    np.testing.assert_allclose(read[0, 0], np.array([120, 110, 100]) / 256, rtol=1e-6)
    np.testing.assert_allclose(read[-1, -2], read[0, 0])
    np.testing.assert_allclose(read[-1, -1], np.array([5, 6, 7]) / 128, rtol=1e-6)
    with pytest.raises(UserError, match="too early or too late"):
        panorama.read(hdr(tmp_path / "b.hdr", words[:2], f"-Y {H} +X {W}"))


def linear(level: float) -> float:
    return float(level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4)


def test_sixteen_bits(tmp_path: Path) -> None:
    deep = np.zeros((H, W, 3), np.uint16)
    deep[:] = (0x1234, 0x8001, 0xFFFF)  # blue, green, red for OpenCV
    cv2.imwrite(str(tmp_path / "c.png"), deep)
    expected = [linear(v / 65535) for v in (0xFFFF, 0x8001, 0x1234)]
    np.testing.assert_allclose(panorama.read(tmp_path / "c.png")[3, 4], expected, rtol=1e-5)
    Image.fromarray(np.full((H, W), 0x4000, np.uint16)).save(tmp_path / "g.png")
    np.testing.assert_allclose(panorama.read(tmp_path / "g.png")[3, 4], linear(0x4000 / 65535), rtol=1e-5)


def test_a_picture_on_its_side_is_turned(tmp_path: Path) -> None:
    picture = Image.fromarray(np.zeros((W, H, 3), np.uint8))  # stored upright, to be shown on its side
    picture.paste((255, 255, 255), (0, 0, H, 8))  # above as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise: what is above comes to the right
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert panorama.size(tmp_path / "a.jpg") == (W, H)
    read = panorama.read(tmp_path / "a.jpg")
    assert read.shape == (H, W, 3) and read[:, -4:].mean() > 0.9 and read[:, :32].mean() < 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bits_are_turned_as_eight_are(tmp_path: Path, orientation: int) -> None:
    """Pillow turns the eight-bit picture; the deep one has to be the same, with more levels."""
    stored = (H, W) if orientation < 5 else (W, H)
    deep = np.random.default_rng(orientation).integers(0, 65535, (*stored, 3)).astype(np.uint16)
    tag = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    for name, levels in (("deep.png", deep), ("flat.png", (deep // 257).astype(np.uint8))):
        written = cv2.imencode(".png", levels)[1].tobytes()
        chunk = b"eXIf" + tag
        chunk = struct.pack(">I", len(tag)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / name).write_bytes(written[:33] + chunk + written[33:])
    assert panorama.size(tmp_path / "deep.png") == (W, H)
    one, other = (panorama.read(tmp_path / name) for name in ("deep.png", "flat.png"))
    assert one.shape == other.shape == (H, W, 3)
    np.testing.assert_allclose(one, other, atol=0.012)
    assert len(np.unique(one)) > 1000


def test_a_transparent_panorama_is_told(tmp_path: Path) -> None:
    pixels = np.full((H, W, 4), 255, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    panorama.read(tmp_path / "whole.png")  # without a word
    pixels[: H // 4, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "holes.png")
    with pytest.warns(UserWarning, match=r"holes\.png is transparent in 25 % of its pixels; .* save it without"):
        panorama.read(tmp_path / "holes.png")


def exr(file: Path, pixels: np.ndarray) -> Path:
    os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"
    try:
        written = cv2.imwrite(str(file), pixels.astype(np.float32))
    except cv2.error:
        written = False
    if not written:
        pytest.skip("this OpenCV has no EXR")
    return file


def test_no_light_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (W, H)).save(tmp_path / "night.png")
    with pytest.raises(UserError, match=r"night\.png is black all over"):
        panorama.read(tmp_path / "night.png")
    with pytest.raises(UserError, match=r"a\.exr holds no finite number"):
        panorama.read(exr(tmp_path / "a.exr", np.full((H, W, 3), np.nan)))


def test_dark_texels_do_not_change_the_exposure() -> None:
    pixels = np.full((H, W, 3), 0.02, np.float32)
    assert panorama.typical(pixels) == pytest.approx(0.02, rel=1e-5)
    for holes in (1, H * W // 3):
        dark = pixels.reshape(-1, 3).copy()
        dark[:: max(1, len(dark) // holes)] = 0.0
        assert panorama.typical(dark.reshape(H, W, 3)) == pytest.approx(0.02, rel=1e-5)
    assert panorama.typical(pixels * 1e-6) == pytest.approx(2e-8, rel=1e-5)  # whatever the unit


def test_a_copied_folder_is_the_same(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (W, H), (9, 90, 200)).save(tmp_path / name / "a.png")
        (tmp_path / name / f"._{name}.png").write_bytes(b"\0")
        library = FolderEnvironments(tmp_path / name)
        made.append((library.name, library.version))
    assert made[0] == made[1]


@needs_cases
def test_cases_of_panoramas() -> None:
    def read(name: str) -> np.ndarray:
        library = FolderEnvironments(CASES / name)
        return library.environment(library.scenes[0].name, "own", width=256).panorama

    right = read("hdr_XY")
    assert right.std() > 0.01
    for name in ("hdr_noformat", "hdr_oldrle"):
        np.testing.assert_array_equal(read(name), right)
    for name, said in (("exr_black", "black all over"), ("exr_allnan", "no finite number")):
        with pytest.raises(UserError, match=said):
            read(name)
    assert read("exr_halfblack").max() == pytest.approx(0.2, rel=1e-3)
    grey = read("png_gray16")
    assert 0.05 < np.median(grey) < 0.9 and (grey[..., 0] == grey[..., 1]).all()
