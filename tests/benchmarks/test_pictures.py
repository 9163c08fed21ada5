"""Pictures of recordings as files have them: deep, turned, with holes, larger or smaller than what networks see."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspatial.benchmarks import picture_files
from mlspatial.benchmarks.picture_files import read_pictures
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.core.errors import UserError
from tests.conftest import case


def test_sixteen_bits_keep_their_shades(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    (image,) = read_pictures(tmp_path).images
    assert np.array_equal(image[..., 0], ramp >> 8) and np.ptp(image, axis=2).max() == 0
    made = read_pictures(case("recordings/pic_png16") / "pictures").images
    with Image.open(case("recordings/pic_png16") / "pictures" / "im000.png") as file:
        assert np.abs(made[0, ..., 0] - np.asarray(file) / 257.0).max() <= 1  # clipped, it would be white


def test_dark_pictures_of_sixteen_bits_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((4, 4), 3000, np.uint16)).save(tmp_path / "a.png")
    read_pictures(tmp_path)
    assert "no picture of 16 bits is brighter than 3000 of 65535" in capsys.readouterr().err


def test_shares_of_white_and_other_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0.5], [0.25, 1]], np.float32)).save(tmp_path / "a.tif")
    assert read_pictures(tmp_path).images[0, ..., 0].tolist() == [[0, 128], [64, 255]]
    Image.fromarray(np.array([[0, 5], [2, 300]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif in .*: has values from 0 to 300; save it with 8 or 16 bits"):
        read_pictures(tmp_path)


def test_what_the_camera_noted_is_followed(tmp_path: Path) -> None:
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    notes = Image.Exif()
    notes[274] = 6  # turned right by a quarter when it is shown
    picture.save(tmp_path / "a.png", exif=notes)
    assert np.array_equal(read_pictures(tmp_path).images[0], np.rot90(np.asarray(picture), -1))
    turned = read_pictures(case("recordings/pic_exif") / "pictures").images
    plain = read_pictures(case("recordings/npy_base") / "pictures").images
    difference = [np.abs(turned[i].astype(float) - plain[i]).mean() for i in range(5)]
    assert max(difference) < 20  # they are the same pictures, but for JPEG's losses
    lying = [np.abs(np.rot90(turned[i]).astype(float) - plain[i]).mean() for i in range(5)]
    assert min(lying) > 1.5 * max(difference)


def test_holes_need_a_background(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[..., 0], rgba[0, :, 3], rgba[1, 0, 3] = 200, 255, 51  # opaque above, a fifth and nothing of it below
    Image.fromarray(rgba).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png .*: is transparent.*background: grey, white or black"):
        read_pictures(tmp_path)
    found = read_pictures(tmp_path, background="white").images[0]
    assert found[0, 0].tolist() == [200, 0, 0] and found[1, 1].tolist() == [255, 255, 255]
    assert found[1, 0].tolist() == pytest.approx([244, 204, 204], abs=1)
    assert read_pictures(tmp_path, background="grey").images[0, 1, 1].tolist() == [128, 128, 128]
    rgba[..., 3] = 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert read_pictures(tmp_path).images[0, 1, 1].tolist() == [200, 0, 0]
    with pytest.raises(UserError, match=r"im000\.png .* is transparent"):
        read_pictures(case("recordings/pic_rgba") / "pictures")


@pytest.mark.parametrize("degrees", [4.0, 5.3, 8.0, 12.0])
def test_pictures_stand_on_the_field_of_view_as_in_brain_score(tmp_path: Path, degrees: float) -> None:
    screen = pytest.importorskip("brainscore_vision.benchmark_helpers.screen")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8))
    picture.save(tmp_path / "a.png")
    wanted = picture if degrees == 8 else screen.ImageConverter(tmp_path).apply_ratio(picture, 8.0 / degrees)
    found = read_pictures(tmp_path, degrees)
    assert np.array_equal(found.images[0], np.asarray(wanted.convert("RGB")))
    if degrees == 4:
        assert found.images[0].shape == (60, 80, 3) and found.images[0][0, 0].tolist() == [128, 128, 128]


def test_files_of_several_pictures_are_refused(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=r"a\.tif in .* holds 3 pictures; save one a file"):
        read_pictures(tmp_path)


def test_an_archive_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(level: int) -> Path:
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(tmp_path / "a.png")
        with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
            archive.write(tmp_path / "a.png", "a.png")
        os.utime(tmp_path / "p.zip", ns=(level, level))
        return tmp_path / "p.zip"

    first = picture_files.read_pictures(written(10))
    with monkeypatch.context() as patch:
        patch.setattr(picture_files, "_files", None)  # cannot be read again
        assert picture_files.read_pictures(tmp_path / "p.zip") is first
    assert picture_files.read_pictures(written(20)).images[0, 0, 0, 0] == 20
    wide = picture_files.read_pictures(tmp_path / "p.zip", 16.0)
    assert wide.images.shape != first.images.shape


def test_shapes_of_one_call_are_not_those_of_another() -> None:
    first = shapes_on_noise(3, 16, seed=5)
    first[:] = 0
    assert shapes_on_noise(3, 16, seed=5).any()
