"""Several sessions as one region: scored one by one as alone, pooled over units, with the session of each unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlspatial.analysis.gram import centred, pack
from mlspatial.analysis.yardsticks import METRICS, Representation
from mlspatial.benchmarks import find_benchmark
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.find import load_yaml
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.sessions import Sessions, error_over_sessions, load_sessions
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.predictions import read, recording_of, write
from mlspatial.registry import runs
from tests import toys
from tests.conftest import RECORDINGS, recordings
from tests.steps.asking import run_score, table_of

NAMES, SIZES, UNITS = ("0901", "b"), (40, 50), (6, 5)
HEAD = "region: V4\nmetric: ridge\naxes: [stimulus, neuroid, repeat]\n"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Two sessions with other pictures (of the same names), other units and other numbers of trials."""
    rng = np.random.default_rng(0)
    for session, (name, n, units) in enumerate(zip(NAMES, SIZES, UNITS, strict=True)):
        images = shapes_on_noise(n, 16, seed=session)
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"im{i:02d}.png")
        pixels = images.reshape(n, -1) / 255.0
        signal = (pixels - pixels.mean(axis=0)) @ rng.normal(size=(pixels.shape[1], units))
        noise = signal.std(axis=0)[:, None] * rng.normal(size=(n, units, 3 + session))
        np.save(tmp_path / f"{name}.npy", signal[:, :, None] + noise)
    return tmp_path


def described(lab: Path, head: str = HEAD, **more: str) -> Path:
    lines = [f"  {name}: {{stimuli: '{name}', responses: {name}.npy{more.get(f'of_{name}', '')}}}\n" for name in NAMES]
    (lab / "mine.yaml").write_text(f"{head}sessions:\n{''.join(lines)}")
    return lab / "mine.yaml"


def alone(lab: Path, name: str) -> NeuralBenchmark:
    (lab / "one.yaml").write_text(f"{HEAD}stimuli: '{name}'\nresponses: {name}.npy\n")
    found = load_yaml(lab / "one.yaml")
    assert isinstance(found, NeuralBenchmark)
    return found


def gram_of(found: Sessions) -> np.ndarray:
    pixels = found.stimuli.images.reshape(len(found.stimuli), -1) / 255.0
    return centred(pixels @ pixels.T)


def test_each_session_scores_as_alone_and_units_are_pooled(lab: Path) -> None:
    found = load_sessions(described(lab))
    assert found.names == NAMES and found.own == "ridge" and len(found.stimuli) == 90  # 0901 is not 901
    assert found.stimuli.ids[39:41] == ("0901/im39", "b/im00")
    (score,) = found.scores(Layer({"gram": pack(gram_of(found), np.float64)}, lambda: 1), "ridge", Way())
    per_unit, ceilings = [], []
    for name in NAMES:
        single = alone(lab, name)
        expected = single.score(single.stimuli.images.reshape(len(single.stimuli), -1) / 255.0)
        assert score.more[f"raw {name}"] == pytest.approx(expected.raw, abs=1e-6)
        assert score.more[f"ceiled {name}"] == pytest.approx(expected.ceiled, abs=1e-6)
        per_unit.append(expected.values)
        ceilings.append(single.ceilings_of(single.measure()))
    pooled = np.concatenate(per_unit, axis=1)
    assert score.values == pytest.approx(pooled, abs=1e-6) and pooled.shape == (10, 11)
    assert score.raw == pytest.approx(np.median(pooled, axis=1).mean(), abs=1e-6)
    assert score.ceiling == pytest.approx(np.median(np.concatenate(ceilings, axis=1), axis=1).mean())
    spread = [share * alone(lab, name).ceiling_spread for share, name in zip((6 / 11, 5 / 11), NAMES, strict=True)]
    halvings = np.median(np.concatenate(ceilings, axis=1), axis=1).std() / np.sqrt(10)
    assert score.ceiling_error == pytest.approx(np.sqrt(np.square(spread).sum() + halvings**2), rel=1e-6)
    table = found.per_unit(score)
    assert table is not None and table.groupby("session").unit.nunique().to_dict() == dict(
        zip(NAMES, UNITS, strict=True)
    )
    one = table[(table.session == "b") & (table.unit == "2")].sort_values("split")
    assert one.r.to_numpy() == pytest.approx(per_unit[1][:, 2], abs=1e-6)


def test_the_ceiling_of_a_mean_over_sessions_has_their_error(lab: Path) -> None:
    found = load_sessions(described(lab))
    (score,) = found.scores(Layer({"gram": pack(gram_of(found), np.float64)}, lambda: 1), "cka_debiased", Way())
    measure = METRICS["cka_debiased"]
    errors = [measure.ceiling_error(np.asarray(alone(lab, name).trials)) for name in NAMES]
    assert score.formula == "r/c" and score.ceiling_error == pytest.approx(np.hypot(*errors) / 2)


def test_predictions_of_each_session_are_kept(lab: Path, tmp_path: Path) -> None:
    """As of each alone; read back together by the benchmark's name, or one by one."""
    found = load_sessions(described(lab))
    layer = Layer({"gram": pack(gram_of(found), np.float64)}, lambda: 1)
    made = found.predictions(layer, "conv", "ridge", Way())
    names = [recording_of("mine", name) for name in NAMES]
    assert [one.benchmark for one in made] == names
    for one, name in zip(made, NAMES, strict=True):
        single = alone(lab, name)
        pixels = single.stimuli.images.reshape(len(single.stimuli), -1) / 255.0
        own = Layer({"gram": pack(centred(pixels @ pixels.T), np.float64)}, lambda: 1)
        (expected,) = single.predictions(own, "conv", "ridge", Way())
        assert one.stimuli == expected.stimuli and one.units == expected.units and one.region == "V4"
        np.testing.assert_allclose(one.predicted, expected.predicted, atol=1e-5)
        np.testing.assert_array_equal(one.responses, expected.responses)
    assert not found.predictions(layer, "conv", "cka_debiased", Way())
    write(made, tmp_path)
    kept = list(read(lambda name: tmp_path / name, {("mine", "ridge")}))
    assert [one.benchmark for one in kept] == names and kept[1].stimuli == made[1].stimuli
    assert [one.benchmark for one in read(lambda name: tmp_path / name, {(names[1], "ridge")})] == names[1:]
    assert not list(read(lambda name: tmp_path / name, {("min", "ridge"), ("mine", "pls25")}))


def test_matrices_are_compared_within_sessions(lab: Path) -> None:
    found = load_sessions(described(lab))
    gram = gram_of(found)
    (score,) = found.scores(Layer({"gram": pack(gram, np.float64)}, lambda: 1), "cka_debiased", Way())
    own = []
    for name, rows in zip(NAMES, (np.arange(40), np.arange(40, 90)), strict=True):
        single = alone(lab, name)
        own.append(single.score(Representation(centred(gram[np.ix_(rows, rows)])), "cka"))
    assert score.raw == pytest.approx(np.mean([one.raw for one in own])) and score.n == 2
    assert score.ceiling == pytest.approx(np.mean([one.ceiling for one in own]))
    assert score.error == pytest.approx(np.std([one.raw for one in own], ddof=1) / np.sqrt(2))
    assert found.per_unit(score) is None


def test_without_a_ceiling_of_each_session_there_is_none(lab: Path) -> None:
    found = load_sessions(described(lab, of_b=", ceiling: none"))
    (score,) = found.scores(Layer({"gram": pack(gram_of(found), np.float64)}, lambda: 1), "ridge", Way())
    assert score.ceiled == score.raw and score.formula == "none" and score.ceiling == 1.0
    (of_matrices,) = found.scores(Layer({"gram": pack(gram_of(found), np.float64)}, lambda: 1), "cka_debiased", Way())
    assert of_matrices.ceiled == of_matrices.raw and of_matrices.formula == "none" and of_matrices.ceiling == 1.0
    assert score.more["ceiled 0901"] != score.more["raw 0901"] and score.more["ceiled b"] == score.more["raw b"]


def test_the_error_over_sessions_knows_that_sessions_differ(rng: np.random.Generator) -> None:
    """Of k sessions whose medians scatter with SD s it is near s / sqrt(k); of sessions alike near that over units."""
    apart = [0.2 * rng.normal() + 0.01 * rng.normal(size=(10, 60)) for _ in range(25)]
    medians = [np.median(part, axis=1).mean() for part in apart]
    found = error_over_sessions(apart, seed=1)
    means = np.std([np.median(rng.choice(medians, 25)) for _ in range(2000)], ddof=1)
    assert found == pytest.approx(means, rel=0.15)
    alike = [np.tile(rng.normal(size=60), (10, 1)) for _ in range(4)]
    of_units = error_over_sessions(alike, seed=2)
    assert of_units == pytest.approx(1.2533 / np.sqrt(240), rel=0.3)  # of a median of normal values
    assert error_over_sessions(alike, seed=2) == of_units


def test_versions_follow_the_sessions(lab: Path) -> None:
    before = load_sessions(described(lab)).version
    assert load_sessions(described(lab)).version == before
    assert load_sessions(described(lab, of_b=", ceiling: none")).version != before
    np.save(lab / "b.npy", np.load(lab / "b.npy") + 1e-9)
    assert load_sessions(described(lab)).version != before


def test_scored_with_sessions_in_units(registry: Path, lab: Path) -> None:
    toys.trained()
    path = str(described(lab))
    (run_id,) = run_score(benchmarks=f"{path},toy_sites", metrics="own", layers="first.1,fc")
    table = table_of(run_id)
    mine = table[table.benchmark == "mine"]
    assert (
        len(mine) == 2 and {"raw 0901", "ceiled b", "error_sessions"} <= set(mine) and mine.error_sessions.gt(0).all()
    )
    units = pd.read_parquet(runs.local(run_id, "units.parquet"))
    assert units.groupby("benchmark").session.unique().map(list).to_dict() == {
        "mine": list(NAMES), "toy_sites6_60_4": [""],
    }  # fmt: skip
    assert len(units[units.benchmark == "mine"]) == 11 * 10


@pytest.mark.parametrize(
    ("head", "more", "error", "words"),
    [
        (HEAD, {"of_b": ", degrees: 4"}, UserError, r"other sizes \(0901: \(16, 16, 3\), b: \(32, 32, 3\)\)"),
        (HEAD, {"of_b": ", metric: pls"}, UserError, "sessions have another metric|too few for 25"),
        (HEAD, {"of_b": ", region: IT"}, UserError, "session b: region is the same for all sessions; write it above"),
        (HEAD, {"of_b": ", ceilin: none"}, UserError, "session b: unknown key 'ceilin'; did you mean ceiling"),
        (HEAD, {"of_0901": ", splits: 'kfold:3'"}, UserError, "other numbers of splits"),
        (HEAD.replace("ridge", "crsa"), {}, UserError, "metric crsa is of voxels; sessions are of neuroids"),
        (HEAD.replace("region: V4\n", ""), {}, UserError, "session 0901: region is missing"),
    ],
)  # fmt: skip
def test_mistakes_name_the_session(lab: Path, head: str, more: dict[str, str], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        load_yaml(described(lab, head, **more))


def test_one_session_is_none(lab: Path) -> None:
    (lab / "mine.yaml").write_text(f"{HEAD}sessions:\n  b: {{stimuli: b, responses: b.npy}}\n")
    with pytest.raises(UserError, match="sessions: there is 1; name at least two"):
        load_yaml(lab / "mine.yaml")
    (lab / "mine.yaml").write_text(f"{HEAD}sessions: [a, b]\n")
    with pytest.raises(BadValue, match="must be lines `name:` with keys of a recording below each"):
        load_yaml(lab / "mine.yaml")


def test_four_sessions_of_v4(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many neurons and pictures as their authors state; a session alone is the shipped benchmark of it."""
    recordings("cowley2023_v4")
    monkeypatch.setenv("MLSPATIAL_DATA", str(RECORDINGS))
    found = find_benchmark("cowley2023_v4_sessions")
    assert isinstance(found, Sessions) and found.names == ("190923", "210224", "210305", "210325")
    shapes = [part.responses.shape for part in found.parts]
    assert shapes == [(1200, 33), (800, 67), (400, 70), (640, 50)] and len(found.stimuli) == 3040
    single = find_benchmark("cowley2023_v4")
    assert isinstance(single, NeuralBenchmark) and single.stimuli.id == found.parts[3].stimuli.id
    assert np.array_equal(single.responses, found.parts[3].responses)
    pixels = found.stimuli.images[:, ::14, ::14].reshape(3040, -1) / 255.0
    (score,) = found.scores(Layer({"gram": pack(centred(pixels @ pixels.T), np.float64)}, lambda: 1), "ridge", Way())
    expected = single.score(pixels[2400:], "ridge")
    assert score.more["raw 210325"] == pytest.approx(expected.raw, abs=1e-6)
    assert score.values.shape == (10, 220) and min(score.more[f"raw {name}"] for name in found.names) > 0
