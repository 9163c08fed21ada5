"""Environments: what a panorama must be, whoever painted it; and the reading of folders."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.render import environments
from mlspatial.render.environments import BRIGHTEST, FolderEnvironments, ProceduralEnvironments, load_environments
from mlspatial.render.skies.sky import SKIES

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
LIBRARY = ProceduralEnvironments()
DAY = ("clear_noon", "afternoon", "partly_cloudy", "overcast")
OUTDOOR = [s.name for s in LIBRARY.scenes if not s.indoor]

# Median luminance of every scene under its first sky, 256 columns, VERSION 1; made by `signature` below. A scene that
# looks different on purpose needs another VERSION and another number.
MEDIANS = {
    "meadow": 0.2285,
    "forest": 0.1231,
    "beach": 0.2028,
    "mountain": 0.3468,
    "desert": 0.2163,
    "harbour": 0.2534,
    "street": 0.1477,
    "plaza": 0.2249,
    "kitchen": 0.2858,
    "living_room": 0.2606,
}


@pytest.fixture(scope="module")
def first_skies() -> dict[str, np.ndarray]:
    return {s.name: LIBRARY.environment(s.name, s.skies[0][0], width=256).panorama for s in LIBRARY.scenes}


def signature(panorama: np.ndarray) -> float:
    return float(np.median(panorama @ LUMINANCE))


def coarse(panorama: np.ndarray) -> np.ndarray:
    """Displayed brightness in 8 x 16 blocks."""
    shown = np.minimum(panorama @ LUMINANCE, 2.0)
    h, w = shown.shape
    return shown.reshape(8, h // 8, 16, w // 16).mean((1, 3))


def test_ten_scenes_two_of_them_indoor() -> None:
    assert len(LIBRARY.scenes) == 10
    assert sum(s.indoor for s in LIBRARY.scenes) == 2
    for scene in LIBRARY.scenes:
        low, high = np.array(scene.bounds)
        assert (low < [0, 1.5, 0]).all() and (high > [0, 1.5, 0]).all()
        assert math.isinf(scene.ceiling) != scene.indoor
        assert len(scene.skies) >= 6
        assert sum(w for name, w in scene.skies if name in DAY) > 0.7 * sum(w for _, w in scene.skies)


def test_every_scene_is_a_finite_panorama_with_range(first_skies: dict[str, np.ndarray]) -> None:
    for name, panorama in first_skies.items():
        assert panorama.shape == (128, 256, 3) and panorama.dtype == np.float32, name
        assert np.isfinite(panorama).all() and panorama.min() > 0 and panorama.max() <= BRIGHTEST, name
        assert panorama.max() > 5.0, name  # sun, windows, lamps
        assert 0.05 < signature(panorama) < 0.6, name
        level = panorama[32:96] @ LUMINANCE
        assert level.std() > 0.05, name  # not flat


def test_pictures_match_the_version(first_skies: dict[str, np.ndarray]) -> None:
    assert environments.VERSION == "1"
    assert {n: pytest.approx(signature(p), rel=0.01) for n, p in first_skies.items()} == MEDIANS


def test_same_arguments_give_the_same_bytes() -> None:
    for scene in ("meadow", "kitchen"):
        one = ProceduralEnvironments().environment(scene, "golden_evening", width=64)
        two = ProceduralEnvironments([scene]).environment(scene, "golden_evening", width=64)
        assert one.panorama.tobytes() == two.panorama.tobytes() and one.name == two.name


@pytest.mark.parametrize("scene", [s.name for s in LIBRARY.scenes])
def test_no_seam_behind_the_camera(scene: str, first_skies: dict[str, np.ndarray]) -> None:
    shown = np.minimum(first_skies[scene] @ LUMINANCE, 1.0)
    steps = np.abs(shown - np.roll(shown, 1, axis=1)).mean(0)
    assert steps[0] < 2.5 * np.percentile(steps, 90)


@pytest.mark.parametrize("scene", ["meadow", "street", "kitchen"])
def test_the_same_scene_at_any_width(scene: str, first_skies: dict[str, np.ndarray]) -> None:
    small = coarse(first_skies[scene])
    large = coarse(LIBRARY.environment(scene, "clear_noon", width=512).panorama)
    assert np.abs(small - large).mean() < 0.02 * large.mean()
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.998


def test_the_light_of_the_sun_does_not_depend_on_the_width() -> None:
    totals = []
    for width in (128, 384):
        panorama = LIBRARY.environment("desert", "clear_noon", width=width).panorama @ LUMINANCE
        elevation = math.pi * (0.5 - (np.arange(width // 2) + 0.5) / (width // 2))
        area = np.cos(elevation)[:, None] * (2 * math.pi / width) ** 2
        totals.append(float((np.where(panorama > 20, panorama, 0) * area).sum()))
    assert totals[0] == pytest.approx(totals[1], rel=0.1)
    assert totals[0] > 1.0


@pytest.mark.parametrize("sky", DAY)
def test_the_sky_is_brighter_than_the_ground_by_day(sky: str) -> None:
    for scene in ("meadow", "desert"):
        panorama = LIBRARY.environment(scene, sky, width=64).panorama @ LUMINANCE
        assert panorama[:16].mean() > 1.2 * panorama[16:].mean(), (scene, sky)


def test_every_sky_goes_with_an_outdoor_scene_and_differs() -> None:
    views = {sky: LIBRARY.environment("meadow", sky, width=64).panorama for sky in SKIES}
    colours = np.array([v[:12].reshape(-1, 3).clip(0, 2).mean(0) for v in views.values()])
    gaps = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + np.eye(len(colours))
    assert gaps.min() > 0.01
    assert signature(views["night"]) < signature(views["dusk"]) < signature(views["clear_noon"])


def test_scenes_differ(first_skies: dict[str, np.ndarray]) -> None:
    views = [coarse(first_skies[s]).ravel() for s in OUTDOOR]
    together = np.corrcoef(views) - np.eye(len(views))
    assert together.max() < 0.99


def test_width_and_names_are_checked() -> None:
    for width in (0, 63, 130, -4):
        with pytest.raises(BadValue, match="width"):
            LIBRARY.environment("meadow", "overcast", width=width)
    with pytest.raises(UnknownName, match="did you mean meadow"):
        LIBRARY.environment("meadw", "overcast", width=64)
    with pytest.raises(UnknownName, match="unknown sky"):
        LIBRARY.environment("meadow", "green", width=64)


def test_load_environments_by_spec() -> None:
    assert load_environments("procedural").name == "procedural"
    some = load_environments("procedural:kitchen, meadow")
    assert [s.name for s in some.scenes] == ["kitchen", "meadow"]
    with pytest.raises(UnknownName):
        some.environment("forest", "overcast", width=64)
    with pytest.raises(UnknownName, match="unknown scene 'moon'"):
        load_environments("procedural:moon")
    for spec in ("procedural:", "procedural:meadow,meadow", "/no/such/folder"):
        with pytest.raises(BadValue):
            load_environments(spec)


def _write_hdr(file: Path, pixels: np.ndarray) -> None:
    """Radiance file without run lengths, (h, w, 3) float; written here so that reading is not tested against itself."""
    mantissa, exponent = np.frexp(np.maximum(pixels.max(-1), 1e-30))
    scale = (mantissa * 256 / np.maximum(pixels.max(-1), 1e-30))[..., None]
    rgbe = np.concatenate([pixels * scale, exponent[..., None] + 128.0], -1).clip(0, 255).astype(np.uint8)
    h, w = pixels.shape[:2]
    file.write_bytes(f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {h} +X {w}\n".encode() + rgbe.tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "room.png")
    pixels = rng.uniform(0.2, 2.0, (64, 128, 3))
    pixels[10, 20] = 3e7
    _write_hdr(tmp_path / "field.hdr", pixels)
    (tmp_path / "notes.txt").write_text("not a panorama")
    return tmp_path


def test_folder_reads_png_and_hdr(folder: Path) -> None:
    library = load_environments(str(folder))
    assert [s.name for s in library.scenes] == ["field", "room"]
    assert library.scenes[0].skies == (("own", 1.0),)
    room = library.environment("room", "own", width=64).panorama
    levels = np.asarray(Image.open(folder / "room.png")) / 255.0
    assert np.allclose(room, np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4), atol=2e-5)
    field = library.environment("field", "own", width=128).panorama
    assert field.max() == np.float32(BRIGHTEST)  # clamped
    others = np.delete(field.reshape(-1, 3), 10 * 128 + 20, axis=0)
    assert others.max() < 2.5 and others.max() / others.min() == pytest.approx(10, rel=0.1)
    half = library.environment("field", "own", width=64).panorama
    assert np.allclose(half, field.reshape(32, 2, 64, 2, 3).mean((1, 3)), rtol=1e-3)  # area filter
    double = library.environment("field", "own", width=256).panorama
    assert double.shape == (128, 256, 3) and np.isfinite(double).all()


def test_folder_repairs_exr(folder: Path) -> None:
    os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"
    cv2 = pytest.importorskip("cv2")
    pixels = np.full((32, 64, 3), (0.1, 0.2, 0.4), np.float32)  # blue, green, red
    pixels[3, 4], pixels[5, 6], pixels[7, 8] = np.nan, np.inf, -1.0
    try:
        written = cv2.imwrite(str(folder / "hall.exr"), pixels)
    except cv2.error:
        written = False
    if not written:
        pytest.skip("this OpenCV has no EXR")
    hall = FolderEnvironments(folder).environment("hall", "own", width=64).panorama
    assert np.isfinite(hall).all() and hall.min() > 0
    assert np.median(hall[..., 0]) / np.median(hall[..., 2]) == pytest.approx(4, rel=1e-3)


def test_folder_version_follows_the_contents(folder: Path) -> None:
    before = FolderEnvironments(folder).version
    assert FolderEnvironments(folder).version == before
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(folder / "room.png")
    assert FolderEnvironments(folder).version != before


def test_folder_mistakes_are_named(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UserError, match="holds no panorama"):
        load_environments(str(tmp_path_factory.mktemp("empty")))
    library = load_environments(str(folder))
    with pytest.raises(UnknownName, match="known: own"):
        library.environment("room", "noon", width=64)
    with pytest.raises(UnknownName, match="did you mean room"):
        library.environment("rom", "own", width=64)
    for name, content in (("broken.png", b"no picture"), ("broken.hdr", b"#?RADIANCE\n"), ("broken.exr", b"v/1\x01")):
        (folder / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            load_environments(str(folder))
        (folder / name).unlink()
    (folder / "cut.png").write_bytes((folder / "room.png").read_bytes()[:900])
    with pytest.raises(UserError, match=r"cut\.png cannot be read"):
        load_environments(str(folder)).environment("cut", "own", width=64)
    (folder / "cut.png").unlink()
    Image.new("RGB", (60, 40)).save(folder / "photo.jpg")
    with pytest.raises(UserError, match=r"photo\.jpg is 60 x 40 pixels"):
        load_environments(str(folder))
    (folder / "photo.jpg").unlink()
    Image.new("RGB", (64, 32)).save(folder / "room.jpg")
    with pytest.raises(UserError, match="are one scene 'room'"):
        load_environments(str(folder))
