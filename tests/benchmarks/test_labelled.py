"""Tables of what a recording's stimuli show: which crossings they make, and what lacks for one."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlspatial.benchmarks.labelled import Labels, read_labels_of
from mlspatial.benchmarks.recordings import has_latents, labelled, load_benchmark
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError


def labels(folder: Path, table: pd.DataFrame, **named: tuple[str, ...]) -> Labels:
    table = table.assign(stimulus_id=[f"s{i:03d}" for i in range(len(table))])
    table.sample(frac=1, random_state=1).to_csv(folder / "table.csv", index=False)
    return read_labels_of(folder / "table.csv", list(table.stimulus_id), "recording lab.yaml", **named)


def crossed(**levels: list[float | str]) -> pd.DataFrame:
    return pd.DataFrame(list(product(*levels.values())), columns=list(levels))


def test_a_factorial_table_is_a_crossing_whatever_the_order(tmp_path: Path) -> None:
    table = crossed(identity=["a", "b", "c"], x=[-0.5, 0.0, 0.5], rot_1=[-45.0, 45.0], scene=["hall", "meadow"])
    table = table.sample(frac=1, random_state=0).reset_index(drop=True).assign(category="cup", weight=table.identity)
    found = labels(tmp_path, table)
    assert {latent.name: latent.kind for latent in found.schema} == {
        "identity": "category", "x": "linear", "rot_1": "circular", "scene": "category", "category": "category",
        "weight": "category",
    }  # fmt: skip
    (one,) = labels(tmp_path, table.drop(columns="weight")).crossings()
    assert [(f.name, f.kind, f.values, f.unit) for f in one.factors] == [
        ("x", "linear", (-0.5, 0.0, 0.5), "m"), ("rot_1", "circular", (-45.0, 45.0), "deg")
    ]  # fmt: skip
    assert one.rows.shape == (3, 2, 6) and set(one.clusters) == {0, 1, 2}  # objects, each in two scenes
    for i, j, k in np.ndindex(*one.rows.shape):
        row = table.iloc[one.rows[i, j, k]]
        assert (row.x, row.rot_1) == (one.factors[0].values[i], one.factors[1].values[j])
        base = table.iloc[one.rows[0, 0, k]]
        assert (row.identity, row.scene) == (base.identity, base.scene)


def test_one_thing_at_a_time_is_a_sweep_of_each(tmp_path: Path) -> None:
    rows = []
    for identity, held in (("a", 2.0), ("b", 3.0)):
        rows += [(identity, x, held) for x in (-1.0, 0.0, 1.0)]
        rows += [(identity, 0.0, z) for z in (1.0, 4.0, held)]  # what is held again
    table = pd.DataFrame(rows, columns=["identity", "x", "distance"])
    with pytest.raises(UserError, match="neither crossed nor varied one at a time"):
        labels(tmp_path, table).crossings()  # 2 m are seen with one object only
    first, second = labels(tmp_path, table[table.identity == "a"].reset_index(drop=True)).crossings()
    assert (first.name, second.name) == ("x", "distance") and second.factors[0].values == (1.0, 2.0, 4.0)
    assert first.factors[0].unit == second.factors[0].unit == "m"
    assert first.rows.shape == second.rows.shape == (3, 1) and first.seen_in == second.seen_in
    same = table.assign(distance=table.distance.replace(3.0, 2.0))
    first, second = labels(tmp_path, same).crossings()
    assert second.rows.shape == (3, 2) and (same.x.to_numpy()[second.rows] == 0).all()


def test_images_of_one_cell_are_draws_that_go_together(tmp_path: Path) -> None:
    table = crossed(x=[0.0, 1.0], category=["cup", "pear"], light=[0.0, 90.0, 180.0])
    (one,) = labels(tmp_path, table, factors=("x", "category")).crossings()
    assert one.rows.shape == (2, 2, 3) and one.clusters == (0, 1, 2)
    lights = table.light.to_numpy()[one.rows]
    assert (lights == lights[0, 0]).all()


@pytest.mark.parametrize(
    ("drop", "words"),
    [
        ([0], r"x \(2\) x z \(3\) in 2 contexts, with an image each, 1 of 12 .*: x 0, z 1 at identity a \(none\)"),
        ([0, 7, 8, 9, 10, 11], r"6 of 12 .*: x 0, z 1 at identity a \(none\); x 0, z 2 at identity b .* and 2 more"),
    ],
)
def test_cells_that_lack_are_named(drop: list[int], words: str, tmp_path: Path) -> None:
    table = crossed(identity=["a", "b"], x=[0.0, 1.0], z=[1.0, 2.0, 3.0])
    with pytest.raises(UserError, match=words):
        labels(tmp_path, table.drop(index=drop).reset_index(drop=True)).crossings()


def test_what_is_no_level_and_what_does_not_vary(tmp_path: Path) -> None:
    random = pd.DataFrame({"x": np.random.default_rng(0).random(100), "category": ["a", "b"] * 50})
    with pytest.raises(UserError, match="x has 100 values for 100 stimuli, which are no levels"):
        labels(tmp_path, random).crossings()
    (one,) = labels(tmp_path, random, factors=("category",)).crossings()
    assert one.rows.shape == (2, 50)
    with pytest.raises(UserError, match=r"no latent varies within a context \(contexts are told by identity"):
        labels(tmp_path, pd.DataFrame({"identity": ["a", "b"], "x": [0.0, 1.0]})).crossings()
    with pytest.raises(UserError, match=r"factors names y, no column of the latents .* \(x, category\)"):
        labels(tmp_path, random, factors=("y",))
    with pytest.raises(UserError, match="x of s001 is no number"):
        labels(tmp_path, pd.DataFrame({"x": [0.0, np.nan]}))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"x": ["0.2", "-O.2", "0.6", "1"]}, "x of s001 is '-O.2', no number; write numbers in all rows"),
        ({"distance": ["0,2", "0,4", "1", "2"]}, r"distance of s000 is '0,2', a number with a comma; .* \(0\.2\)"),
        ({"x": ["left", "right", "left", "right"]}, r"x of s00\d is '\w+', no number"),
        ({"light": [True, False, True, False]}, r"light of s00\d is '\w+', no number"),
        ({"weight": ["1", "2", "n/a", "3"]}, "weight of s002 is 'n/a', no number; .* or words in all rows"),
        ({"weight": ["1,5", "2", "2,5", "3"]}, r"weight of s00\d is '[12],5', a number with a comma"),
        ({"note": ["a", "2", "b", "c"]}, "note of s001 is '2', a number among words"),
    ],
)
def test_a_slip_makes_no_category_of_numbers(column: dict[str, list[object]], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        labels(tmp_path, pd.DataFrame({"identity": ["a", "a", "b", "b"], **column}))


def test_what_is_words_stays_words(tmp_path: Path) -> None:
    table = pd.DataFrame({"identity": [1, 1, 2, 2], "scene": ["1", "x", "1", "x"], "lit": [True, False] * 2})
    found = labels(tmp_path, table.assign(label=[1, 2, 1, 2], word=["n1", "n2"] * 2, x=[0, 1, 0, 1]))
    kinds = {latent.name: latent.kind for latent in found.schema}
    assert kinds == dict.fromkeys(["identity", "scene", "lit", "label", "word"], "category") | {"x": "linear"}
    assert [found.schema["identity"].categories[i] for i in found.values["identity"]] == ["1", "1", "2", "2"]


def test_text_in_parquet_is_no_number(tmp_path: Path) -> None:
    table = pd.DataFrame({"stimulus_id": ["a", "b"], "x": ["0.1", "0.2"]})
    table.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(UserError, match=r"x of a is '0\.1', stored as text; store the column as numbers"):
        read_labels_of(tmp_path / "table.parquet", ["a", "b"], "recording lab.yaml")


def test_a_factor_must_vary(tmp_path: Path) -> None:
    table = crossed(identity=["a", "b"], x=[0.0, 1.0, 2.0]).assign(z=3.0)
    with pytest.raises(UserError, match="factors names z, which is 3 for all 6 stimuli; take it out of factors"):
        labels(tmp_path, table, factors=("x", "z")).crossings()
    (one,) = labels(tmp_path, table).crossings()
    assert one.shape == (3,)


@pytest.mark.parametrize("columns", [5, 14])
def test_of_many_cells_only_the_sizes_are_told(columns: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"v{k}": rng.permutation(64).repeat(4) / 10 for k in range(columns)})
    size = f"{64**columns:,}"
    words = rf"v0 \(64\) x v1 \(64\) .* in 1 contexts, 256 stimuli fill 64 of {size} cells\. Name the latents"
    with pytest.raises(UserError, match=words):
        labels(tmp_path, table).crossings()


def test_one_context_keeps_nothing_apart(tmp_path: Path) -> None:
    table = crossed(x=[0.0, 1.0, 2.0], z=[1.0, 2.0]).assign(background="grey")
    assert (
        labels(tmp_path, table).several is None and labels(tmp_path, table.drop(columns="background")).several is None
    )
    several = labels(tmp_path, table.assign(background=["grey", "white"] * 3)).several
    assert several is not None and several.tolist() == [0, 1] * 3


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    table = crossed(identity=["a", "b"], x=[0.0, 1.0, 2.0]).assign(stimulus_id=[f"{i:04d}" for i in range(6)])
    for name in table.stimulus_id:
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(tmp_path / "pictures" / f"{name}.png")
    table.to_csv(tmp_path / "shown.csv", index=False)
    rates = pd.DataFrame(rng.random((6, 3)), columns=["u1", "u2", "u3"]).assign(stimulus_id=table.stimulus_id)
    rates.to_csv(tmp_path / "rates.csv", index=False)
    yaml = "region: IT\nstimuli: pictures\nresponses: rates.csv\ncomponents: 2\nlatents: shown.csv\n"
    (tmp_path / "lab.yaml").write_text(yaml)
    return tmp_path / "lab.yaml"


def test_a_recording_names_its_table(recording: Path) -> None:
    found, own = labelled(recording)
    assert has_latents(recording) and found.stimuli.ids == tuple(f"{i:04d}" for i in range(6))
    assert own.values["x"].tolist() == [0, 1, 2, 0, 1, 2] and own.crossings()[0].rows.shape == (3, 2)
    assert load_benchmark(recording).version == found.version  # a score does not depend on it


def test_mistakes_in_the_description(recording: Path) -> None:
    text = recording.read_text()
    recording.write_text(text + "factors: {x: 1}\n")
    with pytest.raises(BadValue, match="factors"):
        labelled(recording)
    recording.write_text(text.replace("latents: shown.csv\n", ""))
    with pytest.raises(UserError, match="has no key latents"):
        labelled(recording)
    recording.write_text(recording.read_text() + "contexts: identity\n")
    with pytest.raises(UserError, match="contexts is of a table of latents; name one"):
        load_benchmark(recording)
    recording.write_text(text)
    table = pd.read_csv(recording.parent / "shown.csv", dtype=str)
    table.iloc[1:].to_csv(recording.parent / "shown.csv", index=False)
    with pytest.raises(StimulusMismatch, match=r"1 stimuli have no row \(0000\)"):
        labelled(recording)
    pd.concat([table, table.iloc[:1]]).to_csv(recording.parent / "shown.csv", index=False)
    with pytest.raises(UserError, match="stimulus 0000 has several rows"):
        labelled(recording)
