"""Recordings whose own stimuli have labelled latents: tuning and read-outs of made-up neurons that are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlspatial.compare.evidence import load
from mlspatial.core.errors import BadValue, UserError
from mlspatial.registry import runs
from mlspatial.registry.read import table_file
from mlspatial.steps.decode import ENTRY as DECODE
from mlspatial.steps.decode import decode
from mlspatial.steps.recorded import find_recording
from mlspatial.steps.tuning import ENTRY as TUNING
from mlspatial.steps.tuning import tuning

X = (-0.6, -0.2, 0.2, 0.6)
NOISE, REPEATS = 0.6, 6


@pytest.fixture
def lab(registry: Path) -> str:
    """A folder's YAML: 4 places x 2 depths of 6 objects in 2 scenes, 5 neurons, 6 trials of each."""
    rng = np.random.default_rng(0)
    rows = list(product([f"o{i}" for i in range(6)], ["hall", "meadow"], X, [1.0, 2.0]))
    table = pd.DataFrame(rows, columns=["identity", "scene", "x", "distance"])
    table = table.sample(frac=1, random_state=0).reset_index(drop=True)
    table["stimulus_id"] = [f"im{i:03d}" for i in range(len(table))]
    table.to_csv(registry / "shown.csv", index=False)
    (registry / "pictures").mkdir()
    for row in table.itertuples():
        image = np.full((32, 32, 3), 40, np.uint8)
        place = int(16 + 16 * row.x)
        image[12:20, place - 3 : place + 3] = rng.integers(100, 255, 3)
        Image.fromarray(image).save(registry / "pictures" / f"{row.stimulus_id}.png")
    context = pd.factorize(table.identity + table.scene)[0]
    offset = rng.normal(size=(12, 5))[context]
    rates = np.column_stack(
        [
            table.x,  # rises
            np.exp(-((table.x - 0.2) ** 2) / 0.1),  # prefers .2
            table.distance,  # of depth alone
            np.zeros(len(table)),  # of its context alone
            table.x * (table.distance - 1.5),  # of both together
        ]
    )
    rates = 10 + rates + 0.3 * offset
    trials = rates[None] + NOISE * rng.normal(size=(REPEATS, *rates.shape))
    parts = [
        pd.DataFrame(part, columns=[f"u{i}" for i in range(5)]).assign(stimulus_id=table.stimulus_id, repeat=k)
        for k, part in enumerate(trials)
    ]
    pd.concat(parts).to_csv(registry / "rates.csv", index=False)
    np.save(registry / "clean.npy", rates)
    yaml = "region: IT\nstimuli: pictures\nresponses: rates.csv\nlatents: shown.csv\n"
    (registry / "lab.yaml").write_text(yaml)
    return "lab.yaml"


def ask(models: str, **others: object) -> list[str]:
    return tuning(**{**TUNING.defaults, "models": models, "device": "cpu", "permutations": 19, **others})  # type: ignore[arg-type]


def read_out(models: str, **others: object) -> list[str]:
    return decode(**{**DECODE.defaults, "models": models, "device": "cpu", **others})  # type: ignore[arg-type]


def test_neurons_are_tuned_as_they_were_made(lab: str, registry: Path) -> None:
    pixels, neurons = ask(lab)
    assert runs.get(pixels).tags["mlspatial.task"] == "pixels" and runs.get(neurons).tags["mlspatial.task"] == "lab"
    units = pd.read_parquet(runs.local(neurons, "units.parquet"))
    assert set(units.layer) == {"IT"} and set(units.factor) == {"x", "distance"} and set(units.crossing) == {"crossed"}
    of_x, of_z = (units[units.factor == factor].set_index("unit") for factor in ("x", "distance"))
    assert of_x.monotonicity[0] == pytest.approx(1) and of_x.preferred[1] == pytest.approx(0.2)
    assert (of_x.p[[0, 1]] <= 0.05).all() and (of_z.p[[2]] <= 0.05).all() and of_z.preferred[2] == 2.0
    assert of_x.selectivity[3] < 0.1 and of_z.selectivity[3] < 0.1  # what its context is, it says of no latent
    curves = pd.read_parquet(runs.local(neurons, "curves.parquet"))
    clean, shown = np.load(registry / "clean.npy"), pd.read_csv(registry / "shown.csv")
    own = curves[(curves.unit == 0) & (curves.factor == "x")]["mean"].item()
    expected = [clean[(shown.x == x).to_numpy(), 0].mean() for x in X]
    assert own == pytest.approx(expected, abs=4 * NOISE / np.sqrt(REPEATS * 24))
    population = pd.read_parquet(runs.local(neurons, "population.parquet")).set_index(["measure", "factor"]).value
    parts = {"x": np.var(X) + np.var(np.exp(-((np.array(X) - 0.2) ** 2) / 0.1)), "distance": 0.25,
             "x × distance": np.var(X) / 4}  # fmt: skip
    for effect, part in parts.items():  # shares of what units do together are as they were made
        ratio = population["variance_component", effect].item() / population["variance_component", "distance"].item()
        assert ratio == pytest.approx(part / 0.25, abs=0.15), effect
    assert ask(lab) == [pixels, neurons]  # the registry answers
    assert set(load("").tunings.model_id) == {"pixels"} and load("").networks.empty  # neurons are no networks
    (registry / lab).write_text((registry / lab).read_text() + "factors: [x]\n")
    assert set(pd.read_parquet(runs.local(ask(lab)[1], "units.parquet")).factor) == {"x"}  # another question


def test_networks_and_neurons_see_the_same_images(lab: str) -> None:
    made = ask("mlspatial:resnet18w8@random", dataset=lab, brains=lab, layers="layer4.0")
    assert len(made) == 3  # the neurons, the network, their comparison
    table = pd.read_parquet(runs.local(made[-1], "tuning_distances.parquet"))
    assert set(table.brain) == {"lab"} and set(table.layer) == {"layer4.0"}


def test_latents_are_read_out_of_neurons_with_ceilings(lab: str, registry: Path) -> None:
    pixels, neurons = read_out(lab, latents="x,distance,identity")
    own = table_file(runs.local(neurons, "decoding.json"))
    assert set(own.layer) == {"IT"} and set(own.latent) == {"x", "distance", "identity"}
    r = own[own.measure == "pearson_r"]
    assert r.noise_ceiling.between(0.5, 1).all() and np.allclose(r.ceiled, r.value / r.noise_ceiling)
    means = r.groupby("latent")[["value", "ceiled"]].mean()
    assert (means.ceiled > means.value).all() and (means.ceiled < 1.1).all()
    assert own[own.measure != "pearson_r"].noise_ceiling.isna().all()
    assert "noise_ceiling" not in table_file(runs.local(pixels, "decoding.json"))
    evidence = load("")
    assert set(evidence.decodings.model_id) <= {"pixels"} and evidence.networks.empty  # neurons are no networks
    apart, *_ = read_out(lab, latents="x", split="leave_out:scene", folds=2, layers="IT")
    found = table_file(runs.local(apart, "generalisation.json"))
    assert set(found.left_out_values) == {"hall", "meadow"}
    (own,) = read_out(lab, layers="IT", split="leave_out:identity", folds=3)
    assert set(table_file(runs.local(own, "generalisation.json")).latent) == {"x", "distance"}  # what is held is not
    with pytest.raises(UserError, match="the latents of recording lab have no column sky; add it"):
        read_out(lab, layers="IT", split="leave_out:sky")


def test_one_trial_has_no_ceiling(lab: str, registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(registry / "rates.csv")
    table[table.repeat == 0].drop(columns="repeat").to_csv(registry / "rates.csv", index=False)
    (_, neurons) = read_out(lab, latents="x")
    assert table_file(runs.local(neurons, "decoding.json")).noise_ceiling.isna().all()
    assert "lab has no noise ceilings: there is one trial of each" in capsys.readouterr().err


def test_noise_has_no_ceiling(lab: str, registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(registry / "rates.csv")
    table[[f"u{i}" for i in range(5)]] = np.random.default_rng(3).normal(size=(len(table), 5))
    table.to_csv(registry / "rates.csv", index=False)
    (neurons,) = read_out(lab, latents="x", layers="IT")
    own = table_file(runs.local(neurons, "decoding.json"))
    assert own[["noise_ceiling", "ceiled"]].isna().all(axis=None)
    assert "lab has no noise ceiling of x: what two halves of its trials say does not" in capsys.readouterr().err


def test_what_cannot_be_asked(lab: str, registry: Path) -> None:
    with pytest.raises(BadValue, match="of a recording all stimuli are asked"):
        read_out(lab, latents="x", stimuli="heldout:50")
    shown = pd.read_csv(registry / "shown.csv")
    first = shown.index[(shown.identity == "o3") & (shown.scene == "hall") & (shown.x == 0.2)][0]
    shown.loc[first, "x"] = 0.6
    shown.to_csv(registry / "shown.csv", index=False)
    words = r"2 of 96 cells .*: x 0\.2, distance [12] at identity o3, scene hall \(none\); .* \(2\)\."
    with pytest.raises(UserError, match=words):
        ask(lab)
    assert len(read_out(lab, latents="x", layers="IT")) == 1  # what is read out needs no levels
    (registry / lab).write_text("region: IT\nstimuli: pictures\nresponses: rates.csv\n")
    with pytest.raises(UserError, match="has no key latents"):
        ask("mlspatial:resnet18w8@random", dataset=lab)


def test_files_that_change_are_read_again(lab: str, registry: Path) -> None:
    def r(run_id: str) -> float:
        own = table_file(runs.local(run_id, "decoding.json"))
        return float(own[own.measure == "pearson_r"].value.mean())

    (first,) = read_out(lab, latents="x", layers="IT")
    assert read_out(lab, latents="x", layers="IT") == [first] and r(first) > 0.8
    good = pd.read_csv(registry / "shown.csv")
    good.assign(x=np.random.default_rng(1).permutation(good.x)).to_csv(registry / "shown.csv", index=False)
    (second,) = read_out(lab, latents="x", layers="IT")
    assert second != first and abs(r(second)) < 0.4  # the YAML is as it was
    good.to_csv(registry / "shown.csv", index=False)
    rates = pd.read_csv(registry / "rates.csv")
    rates[["u0", "u1", "u4"]] = np.random.default_rng(2).normal(size=(len(rates), 3))
    rates.to_csv(registry / "rates.csv", index=False)
    (third,) = read_out(lab, latents="x", layers="IT")
    assert third not in (first, second) and abs(r(third)) < 0.4
    before = find_recording(lab).images.stimuli.id
    Image.new("RGB", (32, 32), (9, 9, 9)).save(registry / "pictures" / "im000.png")
    assert find_recording(lab).images.stimuli.id != before


@pytest.mark.parametrize("step", [ask, read_out])
def test_parameters_of_a_recording_count(step: Callable[..., list[str]], lab: str) -> None:
    def tasks(layers: str, **others: object) -> list[str]:
        return [runs.get(one).tags["mlspatial.task"] for one in step(lab, layers=layers, **others)]

    assert tasks("auto") == tasks("IT, pixels") == ["pixels", "lab"]
    assert tasks("pixels") == ["pixels"] and tasks("IT", dataset=f"./{lab}") == ["lab"]
    for layers in ("nonsense", "V4", "IT,fc", ""):
        words = f"layers={layers}: a recording has auto, pixels and its region IT; name one of them"
        with pytest.raises(BadValue, match=words):
            step(lab, layers=layers)
    with pytest.raises(BadValue, match=r"dataset=nonexistent: models names a recording, .* leave dataset out"):
        step(lab, dataset="nonexistent")


def test_auto_leaves_out_what_cannot_be_read_out(lab: str, registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = pd.read_csv(registry / "shown.csv")
    notes = [f"seen {name}" for name in shown.stimulus_id]
    own = shown.assign(category="c" + shown.identity, notes=notes)
    own.to_csv(registry / "shown.csv", index=False)
    (run,) = read_out(lab, layers="IT", split="leave_out:identity", folds=3)
    assert set(table_file(runs.local(run, "generalisation.json")).latent) == {"x", "distance"}
    said = capsys.readouterr().err
    assert "notes has 96 values for 96 stimuli, fewer than two of most; left out" in said
    assert (
        "category cannot be decoded with split=leave_out:identity: what is tested is of no class in training; left out"
    ) in said
    (run,) = read_out(lab, layers="IT")
    assert set(table_file(runs.local(run, "decoding.json")).latent) == {"x", "distance", "category"}
    with pytest.raises(BadValue, match="latents=category: category cannot be decoded"):  # who names it is told
        read_out(lab, layers="IT", split="leave_out:identity", folds=3, latents="x,category")
    own.drop(columns=["x", "distance", "category"]).to_csv(registry / "shown.csv", index=False)
    with pytest.raises(UserError, match="latents=auto: nothing that is not held can be read out"):
        read_out(lab, layers="IT")


def test_one_context_is_none(lab: str, registry: Path) -> None:
    shown = pd.read_csv(registry / "shown.csv")
    shown["category"] = "c" + shown.identity
    for extra in ({"background": "grey"}, {}):  # a column that says nothing changes nothing
        shown.drop(columns=["identity", "scene"]).assign(**extra).to_csv(registry / "shown.csv", index=False)
        (run,) = read_out(lab, layers="IT", latents="x", split="leave_out:category", folds=2)
        assert set(table_file(runs.local(run, "generalisation.json")).latent) == {"x"}
