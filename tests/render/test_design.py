"""Designs: one thing moves at a time, every cell is there, and what cannot be is named before anything is drawn."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspatial.core.columns import COLUMNS, OF_DESIGNS
from mlspatial.core.design import SPLIT, Design
from mlspatial.core.errors import DatasetError, UserError
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import read_images
from mlspatial.models.controlled import groups
from mlspatial.render.design_file import SHIPPED, design_file, read_design
from mlspatial.render.design_schema import FILE, schema
from mlspatial.render.engine import RENDERERS
from mlspatial.render.live import live_source
from mlspatial.render.studio import Recipe, Studio
from mlspatial.render.write import render_dataset

CATEGORIES = ("chair", "apple", "bottle")
IDENTITIES = {"chair": ("chair#0", "chair#1"), "apple": ("apple#0", "apple#1"), "bottle": ("bottle#0",)}
SKIES = {"meadow": ("clear", "overcast"), "street": ("overcast", "dusk")}
LATENTS = ("x", "y", "z", "rot_0", "rot_1", "rot_2")
WHOLE = """
crossings:
  x: {x: {from: -0.3, to: 0.3, levels: 3}}
  distance: {distance: [2, 3]}
  pitch: {rot_0: [0, 20, 40]}
  yaw: {rot_1: {from: -180, to: 180, levels: 4}}
  light: {light: [0, 90, 180]}
  high: {camera_height: [0.8, 1.6]}
  steps: {y: {step: 0.2}}
  identity: {identity: ["chair#0", "apple#0"]}
  scene: {scene: 2}
  both: {x: [-0.3, 0, 0.3], category: 2, sky: 2}
  some: {x: [-0.3, 0, 0.3], z: [2, 3], sample: 6}
held: {z: 2.4, rot_1: [-40, 40], y: [-0.1, 0.1]}
contexts: {identities: 2, scenes: 2}
"""


def read(text: str, tmp_path: Path, identities: Any = IDENTITIES, skies: Any = SKIES) -> Design:
    file = tmp_path / "design.yaml"
    file.write_text(text)
    return read_design(file, identities, skies)


def recipe(design: Design, **other: Any) -> Recipe:
    settings = {"environments": "procedural:meadow,street", "encoding": "png", **other}
    return Recipe(1, 1, 48, 3, CATEGORIES, design=design.text(), **settings)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest, Design, dict[str, np.ndarray]]:
    """A dataset of WHOLE and its columns."""
    base = tmp_path_factory.mktemp("design")
    studio = Studio(Recipe(1, 1, 48, 3, CATEGORIES, environments="procedural:meadow,street"))
    skies = {s.name: [sky for sky, _ in s.skies] for s in studio.environments.scenes}
    design = read(WHOLE, base, studio.identities, skies)
    manifest = render_dataset(recipe(design), base / "set", "whole", workers=2)
    (shard,) = manifest.shards(SPLIT)
    table = pq.read_table(base / "set" / shard.file)
    columns = {name: np.array(table[name].to_pylist()) for name in table.column_names if name != "image"}
    return base / "set", manifest, design, columns


def pictures(folder: Path, manifest: Manifest, rows: Any) -> np.ndarray:
    encoded = read_images(folder, manifest, SPLIT, [int(row) for row in rows])
    return np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in encoded]).astype(int)


def test_one_thing_moves_at_a_time(made: tuple[Path, Manifest, Design, dict[str, np.ndarray]]) -> None:
    """In a context nothing but the factor changes: not a latent, not the surroundings, not the light."""
    _, _, design, columns = made
    moves = {"x": "x", "distance": "z", "pitch": "rot_0", "yaw": "rot_1", "light": "light", "high": "camera_y",
             "steps": "y", "identity": "identity", "scene": "scene"}  # fmt: skip
    world = ["category", "identity", "scene", "sky", "light", "camera_y", *(f"camera_quat_{axis}" for axis in "wxyz")]
    by_name = {crossing.name: crossing for crossing in design.crossings()}
    for name, moved in moves.items():
        rows = by_name[name].rows
        for latent in (*LATENTS, *world):
            values = columns[latent][rows]
            if latent == moved or (latent, name) == ("category", "identity"):
                assert all(len(set(values[:, c])) == len(rows) for c in range(rows.shape[1])), (name, latent)
            elif values.dtype.kind in "US":
                assert (values == values[0]).all(), (name, latent)
            else:
                assert np.abs(values - values[0]).max() < 1e-4, (name, latent)
    assert columns["y"][by_name["steps"].rows][1] - columns["y"][by_name["steps"].rows][0] == pytest.approx(0.2)
    assert columns["rot_1"][by_name["yaw"].rows][:, 0] == pytest.approx([-180, -90, 0, 90], abs=1e-4)


def test_what_is_held_differs_between_contexts_and_not_between_crossings(
    made: tuple[Path, Manifest, Design, dict[str, np.ndarray]],
) -> None:
    _, _, design, columns = made
    by_name = {crossing.name: crossing for crossing in design.crossings()}
    yaws = columns["rot_1"][by_name["x"].rows[0]]
    assert len(set(yaws.round(3))) == 4 and (np.abs(yaws) <= 40).all()
    assert yaws == pytest.approx(columns["rot_1"][by_name["distance"].rows[0]])


def test_every_cell_is_there_once_in_every_context(
    made: tuple[Path, Manifest, Design, dict[str, np.ndarray]],
) -> None:
    _, manifest, design, columns = made
    assert design.size() == manifest.rows(SPLIT) == len(columns["cell"])
    for crossing in design.crossings():
        assert set(columns["crossing"][crossing.rows].ravel()) == {crossing.name}
        flat = crossing.rows.reshape(crossing.cells, crossing.contexts)
        assert (columns["cell"][flat] == np.arange(crossing.cells)[:, None]).all()
        assert (columns["context"][flat] == np.arange(crossing.contexts)).all()
    both = next(crossing for crossing in design.crossings() if crossing.name == "both")
    assert both.shape == (3, 2, 2) and both.contexts == 2  # an object of each category, two scenes, skies decided
    seen = set(zip(columns["x"][both.rows[..., 0]].ravel().round(2), columns["category"][both.rows[..., 0]].ravel(),
                   columns["sky"][both.rows[..., 0]].ravel(), strict=True))  # fmt: skip
    assert len(seen) == 12
    sampled = columns["x"][columns["crossing"] == "some"].reshape(4, 6)
    assert all(np.unique(row.round(3), return_counts=True)[1].tolist() == [2, 2, 2] for row in sampled)
    assert len({crossing.name for crossing in design.crossings()} & {"some"}) == 0


def test_pixels_move_with_the_latent_alone(made: tuple[Path, Manifest, Design, dict[str, np.ndarray]]) -> None:
    """The sky above the object stays what it is, byte for byte, and the object is where its latents say."""
    folder, manifest, design, columns = made
    by_name = {crossing.name: crossing for crossing in design.crossings()}
    for name in ("x", "distance", "light", "yaw", "high"):
        rows = by_name[name].rows[:, 0]
        images = pictures(folder, manifest, rows)
        assert len(np.unique(images.reshape(len(rows), -1), axis=0)) == len(rows), name
        assert (images[:, :4] == images[:1, :4]).all(), name
    rows = by_name["x"].rows[:, 0]
    left, _, right = pictures(folder, manifest, rows)
    changed = np.abs(left - right).sum(axis=2) > 60
    across = np.flatnonzero(changed.any(axis=0))
    focal = 24 / np.tan(np.radians(30))
    ends = 24 + focal * columns["x"][rows] / columns["z"][rows]
    assert across.min() < ends[0] < ends[2] < across.max()
    assert abs(across.min() + across.max() + 1 - 48) <= 4  # as far to one side as to the other


def test_a_turned_light_is_that_of_turned_surroundings(tmp_path: Path) -> None:
    """Light turned by an angle falls on the object as if the surroundings were turned: the camera looks the other way
    round, and what differs is the background alone."""
    from scipy.spatial.transform import Rotation

    text = "crossings: {light: {light: [0, 90]}}\ncontexts: {identities: 1, scenes: 1}\nheld: {camera_height: 3}"
    studio = Studio(
        recipe(read(text, tmp_path, {"apple": ("apple#0",)}, {"meadow": ("clear_noon",), "street": ("clear_noon",)}))
    )
    straight, turned = (studio.sampler.draw(index) for index in range(2))
    scene = studio.scenes([turned])
    lit = studio.renderer.render(scene).images[0].astype(int)
    # (R_y(-90) camera) sees the environment as the turned light falls
    other = Rotation.from_euler("Y", -90, degrees=True).as_matrix() @ straight.camera
    around = studio.scenes([straight])
    around = type(around)(**{**vars(around), "camera": other[None]})
    seen = studio.renderer.render(around).images[0].astype(int)
    middle = (slice(21, 27), slice(21, 27))  # inside the apple
    before = studio.renderer.render(studio.scenes([straight])).images[0].astype(int)
    assert np.abs(lit[middle] - seen[middle]).max() <= 1
    assert np.abs(lit[middle] - before[middle]).max() > 5
    assert (lit[:4] == before[:4]).all() and not (seen[:4] == before[:4]).all()


def test_columns_and_manifest_tell_the_design(made: tuple[Path, Manifest, Design, dict[str, np.ndarray]]) -> None:
    folder, manifest, design, columns = made
    assert list(manifest.columns) == [column.name for column in (*COLUMNS, *OF_DESIGNS)]
    assert set(columns) == set(manifest.columns) - {"image"}
    assert Design.from_json(Manifest.load(folder).recipe["design"]) == design
    assert list(manifest.splits) == [SPLIT] and "n_train" not in manifest.recipe
    assert 'images["design"]' in (folder / "README.md").read_text()


def test_an_interrupted_design_goes_on_and_gives_the_same(
    made: tuple[Path, Manifest, Design, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, manifest, design, _ = made
    again = render_dataset(recipe(design), tmp_path / "again", "again", workers=1)
    assert again.dataset_id == manifest.dataset_id
    other = recipe(Design.from_json(json.loads(design.text().replace("2.4", "2.5"))))
    with pytest.raises(DatasetError, match="another recipe"):
        render_dataset(other, folder, "whole")


def test_only_what_is_shown_is_prepared(made: tuple[Path, Manifest, Design, dict[str, np.ndarray]]) -> None:
    studio = Studio(recipe(made[2]))
    assert studio.pairs() == [("chair", "chair#0"), ("apple", "apple#0")]


@pytest.mark.parametrize("name", [file.stem for file in sorted(SHIPPED.glob("*.yaml"))])
def test_shipped_designs_can_be_drawn_whole(name: str) -> None:
    """All objects of the first eight categories are in the picture in every cell."""
    from mlspatial.steps.render import asked_design

    categories = ("chair", "teakettle", "hammer", "apple", "sofa", "bottle", "headphone", "television set")
    design = asked_design(name, objects="procedural", environments="procedural", categories=categories)
    assert design and design.size() == {"few": 512, "sweeps": 3584, "factorial": 8192, "pairs": 1536}[name]
    studio = Studio(Recipe(1, 1, 48, 0, categories, design=design.text()))
    studio.check()
    assert json.loads(design.text())["parts"]


WRONG = [
    ("crossings: {}", "needs `crossings:`"),
    ("[1, 2]", "needs `crossings:`"),
    ("crossings: {a: {x: [0, 1]}}\nhold: {x: 0}", "unknown key 'hold'"),
    ("crossings: {a: {depth: [0, 1]}}", "unknown key of crossings: a 'depth'"),
    ("crossings: {a: {x: [0]}}", "crossings: a: x=[0]: needs two different levels"),
    ("crossings: {a: {x: [0, 0]}}", "each once"),
    ("crossings: {a: {x: [0, .nan]}}", "must be a number"),
    ("crossings: {a: {x: [0, 9]}}", "x=9: must be between -4.2 and 4.2"),
    ("crossings: {a: {x: 3}}", "must be [a, b, ...], {from, to, levels} or {step, levels}"),
    ("crossings: {a: {x: {from: 0, to: 1}}}", "must be [a, b, ...]"),
    ("crossings: {a: {x: {step: -1}}}", "step=-1: must be between 0"),
    ("crossings: {a: {category: 2, identity: 2}}", "an identity has one category; vary one of the two"),
    ("crossings: {a: {category: [chair, spoon]}}", "'spoon'"),
    ("crossings: {a: {category: 9}}", "category=9: must be 2 to 3"),
    ("crossings: {a: {scene: 2, sky: [clear, overcast]}}", "crossing a cannot be: street has no sky clear"),
    ("crossings: {a: {category: 3}}\ncontexts: {identities: 5, scenes: 1}", None),
    ("crossings: {a: {category: [chair, bottle]}}\ncontexts: {identities: 4}", "bottle has 1 of 2 identities"),
    ("crossings: {a: {x: [0, 1], sample: 1}}", "sample=1: must be at least 2"),
    ("crossings: {a: {sample: 4}}", "needs a factor"),
    ("crossings: {a: {x: [0, 1]}}\nheld: {x: [1, 0]}", "held: x=[1, 0]: must be a number or [low, high]"),
    ("crossings: {a: {z: {step: 1}}}\nheld: {z: 4}", "crossing a cannot be: z from 3.5 to 4.5 is beyond"),
    ("crossings: {a: {x: [0, 1]}}\ncontexts: {identities: 6}", "there are 5 in the categories"),
    ("crossings: {a: {x: {from: -1, to: 1, levels: 400}, y: {from: -1, to: 1, levels: 400}}}", "more than 200,000"),
    ("crossings: {a: {x: [0, 1}", "cannot be read"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_cannot_be_is_named(text: str, said: str | None, tmp_path: Path) -> None:
    if said is None:
        read(text, tmp_path)
        return
    with pytest.raises(UserError) as caught:
        read(text, tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "design.yaml" in str(caught.value)


def test_objects_that_leave_the_picture_are_named_before_anything_is_drawn(tmp_path: Path) -> None:
    design = read("crossings: {far: {x: [0, 1.5]}}\ncontexts: {identities: 2, scenes: 1}", tmp_path)
    with pytest.raises(UserError) as caught:
        render_dataset(recipe(design), tmp_path / "set", "set")
    assert "in 2 of 4 images" in str(caught.value) and "far: x 1.5 (chair#0, context 0) shows" in str(caught.value)
    assert not (tmp_path / "set").exists()
    lower = read("crossings: {far: {x: [0, 1.5]}}\ncontexts: {identities: 2, scenes: 1}\nin_view: 0", tmp_path)
    Studio(recipe(lower)).check()  # as the message says


def test_a_renderer_that_cannot_turn_the_light_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design = read("crossings: {light: {light: [0, 90]}}\ncontexts: {identities: 2, scenes: 1}", tmp_path)
    monkeypatch.setattr(RENDERERS["warp"], "turns_light", False)
    with pytest.raises(UserError, match="renderer=warp: cannot turn the light"):
        Studio(recipe(design))


def test_fresh_images_of_a_design_are_refused(made: tuple[Path, Manifest, Design, dict[str, np.ndarray]]) -> None:
    with pytest.raises(DatasetError, match="holds the images of a design"):
        live_source(made[1], columns=("x",), batch_size=4, workers=0)


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'sweep'; did you mean sweeps"):
        design_file("sweep")
    file = tmp_path / "mine.yaml"
    file.touch()
    assert design_file(str(file)) == file and design_file("pairs").parent == SHIPPED


def test_contexts_are_shared_by_all_crossings(made: tuple[Path, Manifest, Design, dict[str, np.ndarray]]) -> None:
    """As the subspace of one latent is set against those of others, in the same scenes."""
    design = made[2]
    for first, second in itertools.combinations([p for p in design.parts if p.name in ("x", "yaw", "steps")], 2):
        assert design.contexts(first) == design.contexts(second)


def test_the_schema_is_the_readers() -> None:
    """What comes with the program and a file with all that may be said fit it; what the reader refuses by itself does
    not; the file that editors read is what the constants make."""
    import jsonschema
    import yaml

    made = schema()
    assert json.loads(FILE.read_text()) == json.loads(json.dumps(made))
    valid = jsonschema.Draft202012Validator(made)
    valid.check_schema(made)
    for text in [WHOLE, *(file.read_text() for file in SHIPPED.glob("*.yaml"))]:
        assert valid.is_valid(yaml.safe_load(text)), list(valid.iter_errors(yaml.safe_load(text)))[:1]
    beyond = (
        *(
            "cannot be",
            "there are 5",
            "more than 200,000",
            "cannot be read",
            "'spoon'",
            "must be 2 to 3",
            "of 2 identities",
        ),
        *("one of the two", "needs a factor", "sample=1", "[low, high]", "must be a number"),
    )
    for text, said in WRONG:
        if said and not any(words in said for words in beyond):
            assert not valid.is_valid(yaml.safe_load(text)), text


def test_crossings_in_other_contexts_are_not_asked_together(tmp_path: Path) -> None:
    """As many contexts are not the same ones: identities in four scenes, scenes with four identities."""
    identities = {"chair": tuple(f"chair#{k}" for k in range(4))}
    skies = dict.fromkeys(("meadow", "street", "beach", "plaza"), ("clear_noon",))
    text = "crossings: {x: {x: [0, 0.1]}, z: {z: [2, 3]}, identity: {identity: 4}, scene: {scene: 4}}"
    design = read(text + "\ncontexts: {identities: 4, scenes: 4}", tmp_path, identities, skies)
    crossings = design.crossings()
    assert [crossing.contexts for crossing in crossings] == [16, 16, 4, 4]
    assert [[c.name for c in group] for group in groups(crossings)] == [["x", "z"], ["identity"], ["scene"]]
