"""Datasets from end to end: latents proven from the pixels, same bytes again, resume, refusal."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh
from PIL import Image
from scipy.spatial.transform import Rotation

from mlspatial.core.errors import BadValue, DatasetError
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import damaged, verify
from mlspatial.render import claim, write
from mlspatial.render.engine import SceneBatch
from mlspatial.render.pictures import contact_sheet, latent_histograms
from mlspatial.render.studio import Recipe, Studio
from mlspatial.render.write import render_dataset

SIZE = 128
RADIUS = 0.5  # metres: the longest axis is 1


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A dataset of one red ball before a dark grey surround, stored without loss."""
    folder = tmp_path_factory.mktemp("balls")
    (folder / "objects" / "ball").mkdir(parents=True)
    shape = trimesh.creation.icosphere(subdivisions=4).export(file_type="obj")
    (folder / "objects" / "ball" / "red.obj").write_text(f"mtllib red.mtl\nusemtl red\n{shape}")
    (folder / "objects" / "ball" / "red.mtl").write_text("newmtl red\nKd 1 0 0\n")
    (folder / "skies").mkdir()
    Image.new("RGB", (512, 256), (40, 40, 40)).save(folder / "skies" / "grey.png")
    recipe = Recipe(
        20, 20, SIZE, 3, ("ball",), objects=str(folder / "objects"), environments=str(folder / "skies"), encoding="png"
    )
    render_dataset(recipe, folder / "set", "balls")
    return recipe, folder / "set"


def rows(folder: Path, split: str = "heldout") -> list[dict]:
    return pq.read_table(folder / split / "part-00000.parquet").to_pylist()


def picture(row: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")).astype(float)


def test_the_ball_is_where_the_latents_say(balls: tuple[Recipe, Path]) -> None:
    """The outline of a sphere at (x, y, z) is an ellipse centred at f x z / (z^2 - r^2); found within a pixel."""
    focal = SIZE / 2 / np.tan(np.radians(30))
    checked = 0
    for row in rows(balls[1]):
        if row["visible"] < 1.0:
            continue
        image = picture(row)
        mask = image[..., 1] < 0.6 * image[..., 0]  # red; the ground in its shadow is not
        down, right = np.nonzero(mask)
        x, y, z = row["x"], row["y"], row["z"]
        scale = focal * z / (z**2 - RADIUS**2)
        middle_right, middle_down = (right.min() + right.max() + 1) / 2, (down.min() + down.max() + 1) / 2
        assert middle_right == pytest.approx(SIZE / 2 + x * scale, abs=1.0)
        assert middle_down == pytest.approx(SIZE / 2 - y * scale, abs=1.0)
        half_width = focal * RADIUS * np.sqrt(x**2 + z**2 - RADIUS**2) / (z**2 - RADIUS**2)
        assert right.max() + 1 - right.min() == pytest.approx(2 * half_width, abs=2.0)
        checked += 1
    assert checked >= 10


def test_the_recorded_pose_draws_the_same_picture(small_dataset: Path) -> None:
    """A scene built from nothing but the Parquet columns gives the stored picture, but for the columns' float32."""
    manifest = Manifest.load(small_dataset)
    recipe = Recipe(300, 60, 48, 0, ("chair", "apple", "bottle"), environments="procedural:meadow")
    studio = Studio(recipe)
    assert studio.full_recipe() == manifest.recipe
    stored = rows(small_dataset)[:12]

    def quaternion(row: dict, prefix: str) -> np.ndarray:
        return Rotation.from_quat([row[f"{prefix}_{axis}"] for axis in "xyzw"]).as_matrix()

    drawn = studio.renderer.render(
        SceneBatch(
            mesh=np.array([studio.mesh_index[row["category"], row["identity"]] for row in stored], dtype=np.int32),
            environment=np.array([studio.view_index[row["scene"], row["sky"]] for row in stored], dtype=np.int32),
            position=np.array([[row["x"], row["y"], row["z"]] for row in stored]),
            rotation=np.stack([quaternion(row, "quat") for row in stored]),
            camera=np.stack([quaternion(row, "camera_quat") for row in stored]),
            ground=np.array([row["camera_y"] for row in stored]),
        )
    )
    for row, image in zip(stored, drawn.images, strict=True):
        again = picture({"image": write.encode(image, "jpeg")})
        assert np.abs(picture(row) - again).mean() < 0.5
        assert row["stimulus_id"].startswith("heldout-")
    assert drawn.visible == pytest.approx([row["visible"] for row in stored], abs=0.02)


def test_columns_and_ranges(small_dataset: Path) -> None:
    manifest = verify(small_dataset)
    table = pq.read_table(small_dataset / "train" / "part-00000.parquet")
    needed = ["stimulus_id", "image", "x", "y", "z", "rot_0", "rot_1", "rot_2", "quat_w", "quat_x", "quat_y", "quat_z"]
    needed += ["category", "identity", "visible", "scene", "sky", "seed_index"]
    assert set(needed) <= set(table.column_names)
    assert str(table.schema.field("x").type) == "float" and str(table.schema.field("seed_index").type) == "int64"
    assert str(table.schema.field("category").type).startswith("dictionary")
    assert manifest.rows("train") == 300 and manifest.rows("heldout") == 60
    z = table.column("z").to_numpy()
    assert manifest.statistics["z"]["mean"] == pytest.approx(
        np.concatenate([pq.read_table(p).column("z").to_numpy() for p in sorted((small_dataset / "train").iterdir())])
        .astype(float)
        .mean()
    )
    assert z.min() > 0 and z.max() <= 4.2


def test_the_same_recipe_makes_the_same_bytes_with_any_number_of_workers(
    balls: tuple[Recipe, Path], tmp_path: Path
) -> None:
    recipe, folder = balls
    again = render_dataset(recipe, tmp_path / "again", "other_name", workers=2)
    assert again.dataset_id == Manifest.load(folder).dataset_id


def test_missing_and_damaged_shards_are_made_anew(balls: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, original = balls
    folder = tmp_path / "set"
    shutil.copytree(original, folder)
    shard = folder / "train" / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-1000])
    assert damaged(folder, Manifest.load(folder)) == ["train/part-00000.parquet"]
    with pytest.raises(DatasetError, match="1 of 2 shards fail their checksum"):
        verify(folder)
    render_dataset(recipe, folder, "balls")
    assert verify(folder).dataset_id == Manifest.load(original).dataset_id
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "heldout")
    (folder / "train" / ".part-00000.parquet.999").write_bytes(b"half of a shard")  # left by a killed process
    assert render_dataset(recipe, folder, "balls").dataset_id == Manifest.load(original).dataset_id


def test_a_folder_of_another_recipe_is_refused(balls: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, folder = balls
    other = Recipe(**{**recipe.__dict__, "seed": 4})
    before = sorted(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    with pytest.raises(DatasetError, match=r"seed: there 3, asked 4"):
        render_dataset(other, folder, "balls")
    assert sorted(p.read_bytes() for p in folder.rglob("*") if p.is_file()) == before
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DatasetError, match="holds other files"):
        render_dataset(recipe, tmp_path, "balls")


def test_a_full_disk_is_told_before_anything_is_drawn(
    balls: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(DatasetError, match="0 MiB are free"):
        render_dataset(balls[0], tmp_path / "set", "balls")
    assert not list((tmp_path / "set").rglob("*.parquet"))


@pytest.mark.parametrize(("name", "value"), [("n_train", 0), ("size", 8), ("size", 5000), ("rotation", "x")])
def test_recipes_that_cannot_be_meant(name: str, value: object) -> None:
    good = Recipe(10, 10, 64, 0, ("chair",))
    with pytest.raises(BadValue, match=name):
        Recipe(**{**good.__dict__, name: value}).check()


def test_pictures(small_dataset: Path) -> None:
    manifest = Manifest.load(small_dataset)
    sheet = contact_sheet(small_dataset, manifest)
    assert sheet.width > 1000 and np.asarray(sheet).std() > 30
    figure = latent_histograms(small_dataset, manifest)
    assert [panel.get_xlabel() for panel in figure.axes][:3] == ["x (m)", "y (m)", "z (m)"]


def test_manifest_names_the_conventions(small_dataset: Path) -> None:
    facts = json.loads((small_dataset / "manifest.json").read_text())
    assert "z into the image" in facts["camera_frame"] and "Ry(rot_1) Rx(rot_0) Rz(rot_2)" in facts["rotation"]
    assert facts["recipe"]["renderer"]["name"] == "warp" and facts["recipe"]["jpeg_quality"] == 95
