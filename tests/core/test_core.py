"""Names, latents, manifests, scores."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from mlspatial.core.errors import BadValue, Busy, DatasetError, UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.latents import Latent, LatentSchema, spatial_schema
from mlspatial.core.manifest import MANIFEST, Manifest, Shard
from mlspatial.core.plugins import Plugins
from mlspatial.core.score import Score


def test_a_plugin_is_registered_once_and_unknown_names_list_the_near_ones() -> None:
    tools: Plugins[int] = Plugins("tool")
    tools.register("hammer")(1)
    with pytest.raises(ValueError, match="registered twice"):
        tools.register("hammer")(2)
    with pytest.raises(UnknownName, match="unknown tool 'hamer'; did you mean hammer"):
        tools["hamer"]
    assert list(tools) == ["hammer"]


def test_schema_survives_json_and_checks_ranges() -> None:
    schema = spatial_schema(("chair", "apple"), ("chair#0", "apple#0"))
    assert LatentSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    columns = {latent.name: np.zeros(3) for latent in schema}
    schema.check(columns)
    with pytest.raises(DatasetError, match=r"z=9.0 in row 1"):
        schema.check({**columns, "z": np.array([1.0, 9.0, 1.0])})
    with pytest.raises(DatasetError, match=r"category=2"):
        schema.check({**columns, "category": np.array([0, 2, 1])})
    with pytest.raises(DatasetError, match="'rot_1' is missing"):
        schema.check({name: values for name, values in columns.items() if name != "rot_1"})


def test_a_latent_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        Latent("x", "m", "straight")  # type: ignore[arg-type]


def make_manifest(**changes: object) -> Manifest:
    facts = {
        "name": "d",
        "recipe": {"seed": 0},
        "schema": spatial_schema(("a",), ("a#0",)),
        "splits": {"train": (Shard("train/part-00000.parquet", 3, "ab"),)},
    }
    return Manifest(**{**facts, **changes})  # type: ignore[arg-type]


def test_dataset_id_depends_on_content_and_not_on_the_name() -> None:
    manifest = make_manifest()
    assert manifest.dataset_id == make_manifest(name="other").dataset_id
    assert manifest.dataset_id != make_manifest(recipe={"seed": 1}).dataset_id
    other_bytes = {"train": (Shard("train/part-00000.parquet", 3, "cd"),)}
    assert manifest.dataset_id != make_manifest(splits=other_bytes).dataset_id
    assert manifest.recipe_id == make_manifest(splits=other_bytes).recipe_id


def test_manifest_round_trip_and_an_edited_one_is_refused(tmp_path: Path) -> None:
    manifest = make_manifest()
    path = manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest
    path.write_text(path.read_text().replace('"rows": 3', '"rows": 4'))
    with pytest.raises(DatasetError, match="does not match its own dataset_id"):
        Manifest.load(tmp_path)
    path.write_text("{")
    with pytest.raises(DatasetError, match="cannot be read"):
        Manifest.load(tmp_path)
    path.unlink()
    with pytest.raises(DatasetError, match=f"{MANIFEST} is missing"):
        Manifest.load(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == []


def test_content_id_ignores_order_of_keys_and_refuses_nan() -> None:
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="Out of range"):
        content_id({"a": math.nan})


@pytest.mark.parametrize(("formula", "expected"), [("r/c", 0.5), ("r^2/c", 0.2), ("(r/c)^2", 0.25), ("none", 0.4)])
def test_ceiled_score(formula: str, expected: float) -> None:
    score = Score(0.4, 0.8, 0.01, 10, "pls25", "1", formula)
    assert score.ceiled == pytest.approx(expected)
    assert score.to_json()["ceiled"] == score.ceiled


def test_score_without_a_ceiling_is_nan_and_unknown_words_are_refused() -> None:
    assert math.isnan(Score(0.4, 0.0, 0.01, 10, "pls25", "1").ceiled)
    with pytest.raises(ValueError, match="formula"):
        Score(0.4, 0.8, 0.01, 10, "pls25", "1", "r**2")
    with pytest.raises(ValueError, match="direction"):
        Score(0.4, 0.8, 0.01, 10, "pls25", "1", direction="up")  # type: ignore[arg-type]


ERRORS = [
    BadValue("size", 3, "too small"),
    UnknownName("task", "distanse", ["distance"]),
    Busy("train distance", "process 3 on alpha (run r1)", "train", "s1", {"task": "distance", "seed": 0}),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_come_back_from_worker_processes(error: UserError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error) and vars(back) == vars(error)


def test_the_error_of_a_ceiled_score_is_what_errors_of_raw_and_ceiling_make_of_it() -> None:
    """Against the spread of 400,000 draws of both; Brain-Score's own hands on that of raw."""
    rng = np.random.default_rng(0)
    raw, ceiling = 0.5 + 0.004 * rng.standard_normal(400_000), 0.8 + 0.006 * rng.standard_normal(400_000)
    formulas = {"r/c": raw / ceiling, "r^2/c": raw**2 / ceiling, "(r/c)^2": (raw / ceiling) ** 2, "none": raw}
    for formula, values in formulas.items():
        score = Score(0.5, 0.8, 0.004, 10, "m", "1", formula, ceiling_error=0.006)
        assert score.ceiled_error == pytest.approx(values.std(), rel=0.01)
        assert score.to_json()["ceiled_error"] == score.ceiled_error and score.to_json()["ceiling_error"] == 0.006
    assert math.isnan(Score(0.5, 0.8, 0.004, 10, "m", "1", "r/c").ceiled_error)  # nobody knows the ceiling's
    assert Score(0.5, 1.0, 0.004, 10, "m", "1", "none").ceiled_error == 0.004
    assert Score(0.5, 0.8, 0.004, 10, "m", "1", told=0.01).ceiled_error == 0.01
    assert math.isnan(Score(0.5, 0.8, 0.004, 10, "m", "1", "own", given=0.3).ceiled_error)
