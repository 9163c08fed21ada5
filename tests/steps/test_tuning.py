"""tuning: what a run leaves, what answers it, what it refuses; the numbers are tested in tests/analysis and models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import wasserstein_distance

from mlspatial.analysis.anova import unit_variance_split
from mlspatial.analysis.distributions import deviation
from mlspatial.benchmarks.answering import find_neurons
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.design import SPLIT, Design
from mlspatial.core.errors import BadValue
from mlspatial.models.controlled import Space
from mlspatial.models.extract import extract, shapes
from mlspatial.models.sinks import Features
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.steps.render import ENTRY as RENDER
from mlspatial.steps.render import render
from mlspatial.steps.stimuli import load_images
from mlspatial.steps.tuning import ENTRY, tuning
from mlspatial.steps.tuning_distances import PROPERTIES, TABLE, distances
from mlspatial.steps.tuning_files import CURVES, MAPS, POPULATION, UNITS
from tests.conftest import recordings

DESIGN = """
crossings:
  x: {x: {from: -0.3, to: 0.3, levels: 4}}
  distance: {distance: [2, 2.5, 3]}
  both: {x: [-0.3, 0.3], category: 2}
  few: {x: [-0.3, 0.3], sample: 2}
contexts: {identities: 2, scenes: 1, repeats: 3}
held: {rot_1: [-40, 40]}
"""


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a dataset of DESIGN, 60 images of 32 px, made without a registry."""
    from mlspatial.render.design_file import read_design
    from mlspatial.render.studio import Recipe, Studio
    from mlspatial.render.write import render_dataset

    base = tmp_path_factory.mktemp("tuning")
    (base / "design.yaml").write_text(DESIGN)
    studio = Studio(Recipe(1, 1, 32, 0, ("chair", "apple"), environments="procedural:meadow"))
    skies = {scene.name: [sky for sky, _ in scene.skies] for scene in studio.environments.scenes}
    made = read_design(base / "design.yaml", studio.identities, skies)
    recipe = Recipe(1, 1, 32, 0, ("chair", "apple"), environments="procedural:meadow", encoding="png",
                    design=made.text())  # fmt: skip
    render_dataset(recipe, base / "set", "controlled")
    return base / "set"


NETWORK = "mlspatial:resnet18w8@random"


def ask(models: str, dataset: Path, **others: object) -> list[str]:
    settings = {name: value for name, value in ENTRY.defaults.items() if name != "dataset"}
    return tuning(
        **{**settings, "models": models, "dataset": str(dataset), "device": "cpu", "permutations": 5, **others}
    )


def read(run_id: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(runs.local(run_id, name))


@pytest.fixture
def made(registry: Path, design: Path) -> list[str]:
    return ask(NETWORK, design, layers="pixels,layer1.0,layer4.0")


def test_a_run_a_network_and_one_of_pixels_that_answer(
    made: list[str], design: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(made) == 2
    pixels, network = map(runs.get, made)
    assert [one.tags["mlspatial.task"] for one in (pixels, network)] == ["pixels", "untrained"]
    for one in (pixels, network):
        names = [f"pictures/{name}.png" for name in ("tuning", "variance", "geometry", "maps")]
        assert not runs.missing(POPULATION, UNITS, CURVES, MAPS, *names)(one)
    assert ask(NETWORK, design, layers="pixels,layer1.0,layer4.0") == made
    assert "crossings few are sampled, not whole; left out" in capsys.readouterr().err
    assert ask(NETWORK, design, layers="pixels,layer1.0,layer4.0", permutations=6) != made
    found = read(made[1], POPULATION)
    assert network.metrics["variance_component/x/layer1.0"] == pytest.approx(
        found[(found.measure == "variance_component") & (found.factor == "x") & (found.layer == "layer1.0")
              & (found.crossing == "x")].value.item()
    )  # fmt: skip


def test_numbers_are_those_of_the_activations(made: list[str], design: Path) -> None:
    """A layer's share of variance, channels and curves, from its activations at once."""
    (record,) = select(NETWORK)
    module, spec = record.load()
    images = load_images(SPLIT, str(design))
    sink = Features()
    extract(module, spec, images.stimuli, ["layer4.0"], sink)
    activations = sink.pop("layer4.0")["features"].astype(np.float64)
    space = Space.of(shapes(module, spec, ["layer4.0"])["layer4.0"])
    recipe = images.manifest.recipe["design"]
    crossings = {crossing.name: crossing for crossing in Design.from_json(recipe).crossings()}
    population, units, curves = (read(made[1], name) for name in (POPULATION, UNITS, CURVES))
    for name, factor in (("x", "x"), ("both", "x × category"), ("distance", "z")):
        expected = unit_variance_split(activations, crossings[name])
        ss = expected.ss.sum(axis=1)
        row = population[(population.layer == "layer4.0") & (population.crossing == name)
                         & (population.measure == "variance_share") & (population.factor == factor)]  # fmt: skip
        assert row.value.item() == pytest.approx(ss[expected.effects.index(factor)] / ss[:-1].sum(), rel=1e-3)
    channels = activations.reshape(len(activations), space.channels, space.positions)
    by_pool = {"space": channels.mean(2), "centre": channels[:, :, space.centre()].mean(2)}
    for pool, responses in by_pool.items():
        curve = responses[crossings["x"].rows].mean(axis=1)  # (levels, channels)
        own = curves[(curves.layer == "layer4.0") & (curves.pool == pool) & (curves.crossing == "x")]
        assert np.stack(own["mean"].to_list()) == pytest.approx(curve.T, abs=1e-4 * np.abs(curve).max())
        share = unit_variance_split(responses, crossings["x"])
        own = units[(units.layer == "layer4.0") & (units.pool == pool) & (units.crossing == "x")]
        expected = share.ss[0] / share.ss[:-1].sum(axis=0)
        assert own.selectivity.to_numpy() == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_what_is_asked_of_all_units(registry: Path, design: Path) -> None:
    _, all_units = ask(NETWORK, design, layers="pixels,layer4.0", units="all")
    units = read(all_units, UNITS)
    own = units[(units.pool == "unit") & (units.crossing == "distance")]
    assert sorted(own.unit) == list(range(64 * 7 * 7))
    assert np.isfinite(own.selectivity).mean() > 0.5 and own.selectivity.max() <= 1


def test_pixels_see_a_moving_object_and_a_light(made: list[str]) -> None:
    """The map of x is where the object goes: in the middle row and not in the corners."""
    maps = read(made[0], MAPS)
    row = maps[(maps.crossing == "x")].iloc[0]
    share = np.asarray(row.share).reshape(row.height, row.width)
    assert (row.height, row.width) == (32, 32)
    assert share[14:18].max() > 0.2 and np.nan_to_num(share[0]).max() < 0.02
    found = read(made[0], POPULATION)
    values = found[found.measure.isin(["factorisation_pca", "factorisation_covariance", "invariance_published"])].value
    assert ((values.dropna() >= -1e-6) & (values.dropna() <= 1 + 1e-6)).all() and values.notna().any()


def test_a_dataset_without_a_design_is_refused(registry: Path, small_dataset: Path) -> None:
    with pytest.raises(BadValue, match="holds no design; render one first"):
        ask(NETWORK, small_dataset)


def test_a_design_of_samples_alone_is_refused(registry: Path, tmp_path: Path) -> None:
    """With the advice of the message followed it works."""
    settings = {**RENDER.defaults, "size": 32, "categories": "chair", "environments": "procedural:meadow", "workers": 1}
    for sample, folder in ((", sample: 2", "few"), ("", "whole")):
        (tmp_path / "some.yaml").write_text(
            f"crossings: {{few: {{x: [-0.3, 0.3]{sample}}}}}\ncontexts: {{identities: 2, scenes: 1}}"
        )
        render(**{**settings, "dataset": folder, "design": "some.yaml", "out": folder})
    with pytest.raises(BadValue, match="has no whole crossing; take `sample:` out"):
        ask(NETWORK, Path("few"))
    assert len(ask(NETWORK, Path("whole"), layers="avgpool")) == 1


BRAIN = "simulated_v4:stimuli=60,neuroids=12"


def test_brains_answer_the_design_and_are_set_against_networks(registry: Path, design: Path) -> None:
    layers = "pixels,layer1.0,layer4.0"
    made = ask(NETWORK, design, layers=layers, brains=f"simulated_v1,{BRAIN}")
    pixels, v1, v4, network, both = map(runs.get, made)
    for brain, name, region, cells in ((v1, "simulated_v1", "V1", 64), (v4, BRAIN.replace("=", "-"), "V4", 12)):
        assert brain.tags["mlspatial.task"] == name.replace(",", ":") and brain.tags["mlspatial.arch"] == ""
        units = read(brain.id, UNITS)
        assert set(units.layer) == {region} and set(units.pool) == {"space"}
        assert len(units[(units.crossing == "x")]) == cells
    found = read(both.id, TABLE)
    assert list(found.columns[:7]) == ["brain", "region", "model_id", "task", "group", "seed", "layer"]
    assert set(found.brain) == {one.tags["mlspatial.task"] for one in (v1, v4)}
    assert set(found.task) == {"pixels", "untrained"} and set(found.model_id) == {pixels.model_id, network.model_id}
    assert not runs.missing(TABLE, "pictures/distances.png", "pictures/distances.svg")(both)
    row = found[(found.brain == "simulated_v1") & (found.layer == "layer4.0") & (found.pool == "centre")
                & (found.crossing == "x") & (found.property == "selectivity")].iloc[0]  # fmt: skip
    sides = [frame[frame.crossing == "x"].selectivity.to_numpy(float) for frame in (
        read(network.id, UNITS).query("layer == 'layer4.0' and pool == 'centre'"), read(v1.id, UNITS))]  # fmt: skip
    real = [side[np.isfinite(side)] for side in sides]
    assert row.distance == pytest.approx(wasserstein_distance(*real) / real[1].std(ddof=1))
    assert (row.n_units, row.n_neurons) == tuple(map(len, real))
    assert (row.undefined_units, row.undefined_neurons) == tuple(np.isnan(side).sum() for side in sides)
    assert not (found.property == "circular_variance").any()  # nothing goes all around here
    again = ask(NETWORK, design, layers=layers, brains=f"simulated_v1,{BRAIN}")
    assert again == made
    assert ask(NETWORK, design, layers=layers) == [pixels.id, network.id]


def test_rates_of_a_brain_are_what_its_run_holds(registry: Path, design: Path) -> None:
    """Curves from the rates of its neurons, asked without tuning."""
    run_id = ask(NETWORK, design, layers="layer4.0", brains="simulated_v1")[0]
    images = load_images(SPLIT, str(design))
    rates = find_neurons("simulated_v1").rates(images.stimuli, "cpu")
    crossings = {one.name: one for one in Design.from_json(images.manifest.recipe["design"]).crossings()}
    curve = rates[crossings["distance"].rows].mean(axis=1)
    curves = read(run_id, CURVES)
    own = curves[curves.crossing == "distance"]
    assert np.stack(own["mean"].to_list()) == pytest.approx(curve.T, rel=1e-5)


def test_in_silico_neurons_are_a_brain_with_a_row_a_neuron(
    registry: Path, design: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSPATIAL_DATA", str(recordings("cowley2023_v4").parent))
    made = ask(f"insilico:cowley2023_v4,{NETWORK}", design, layers="auto")
    assert len(made) == 4
    units = read(made[1], UNITS)
    assert set(units.layer) == {"rates"} and set(units.pool) == {"space"}
    for _, part in units.groupby(["crossing", "factor"]):
        assert sorted(part.unit) == list(range(33)) and part.selectivity.between(0, 1).all()
    found = read(made[-1], TABLE)
    assert set(found.brain) == {"insilico:cowley2023_v4"} and (found.n_neurons + found.undefined_neurons == 33).all()


def test_recordings_are_refused_before_anything_is_asked(registry: Path, design: Path) -> None:
    with pytest.raises(BadValue, match=r"cowley2023_v4.*answers only its own images"):
        ask(NETWORK, design, brains="simulated_v1,cowley2023_v4")
    assert not runs.find(entry="tuning")


def test_distances_are_the_shifts_of_the_properties() -> None:
    """Two deviations of selectivity; preferred directions by 40 degrees across the cut; widths that nobody has."""
    rng = np.random.default_rng(0)
    turn = Factor("turn", "circular", tuple(range(0, 360, 45)), "°")
    neurons = {name: rng.normal(size=40) for name in PROPERTIES}
    neurons["preferred"] = np.mod(170 + 20 * rng.normal(size=40) + 180, 360) - 180
    neurons["width"] = np.full(40, np.nan)
    units = dict(neurons)
    units["selectivity"] = neurons["selectivity"] + 2 * neurons["selectivity"].std(ddof=1)
    units["preferred"] = np.mod(neurons["preferred"] + 40 + 180, 360) - 180
    where = {"layer": "layer1", "pool": "space", "crossing": "turn", "factor": "turn"}
    crossing = Crossing("turn", (turn,), np.arange(16).reshape(8, 2))
    rows = list(distances(pd.DataFrame({**units, **where}), pd.DataFrame({**neurons, **where}), [crossing], 0))
    found = {row["property"]: row for row in rows}
    assert set(found) == set(PROPERTIES) - {"width"}
    assert found["selectivity"]["distance"] == pytest.approx(2)
    scale = deviation(neurons["preferred"], 360.0)
    assert scale == pytest.approx(20, rel=0.3) and found["preferred"]["distance"] == pytest.approx(40 / scale)
    assert found["monotonicity"]["distance"] == 0 and found["monotonicity"]["p"] == 1
    for name in ("selectivity", "preferred"):
        assert found[name]["p"] < 0.01 and found[name]["distance"] > found[name]["floor_95"] > found[name]["floor"]


@pytest.fixture
def recorded(registry: Path, design: Path) -> Path:
    """The YAML of 6 neurons that somebody recorded with the design's images, bigger and in another order."""
    images = load_images(SPLIT, str(design)).stimuli
    (registry / "pictures").mkdir()
    for name, image in zip(images.ids, images.images, strict=True):
        Image.fromarray(image).resize((96, 96)).save(registry / "pictures" / f"{name}.png")
    rates = np.random.default_rng(1).gamma(2, size=(len(images), 6))
    table = pd.DataFrame(rates, columns=[f"unit{i}" for i in range(6)]).assign(stimulus_id=list(images.ids))
    table.sample(frac=1, random_state=0).to_csv(registry / "rates.csv", index=False)
    (registry / "lab.yaml").write_text("region: IT\nstimuli: pictures\nresponses: rates.csv\ncomponents: 4\n")
    return registry / "lab.yaml"


def test_a_recording_of_the_design_is_a_brain(recorded: Path, design: Path) -> None:
    made = ask(NETWORK, design, layers="layer4.0", brains="lab.yaml")
    images = load_images(SPLIT, str(design))
    crossings = {one.name: one for one in Design.from_json(images.manifest.recipe["design"]).crossings()}
    rates = pd.read_csv(recorded.parent / "rates.csv").set_index("stimulus_id").loc[list(images.stimuli.ids)].to_numpy()
    curves = read(made[0], CURVES)
    assert set(curves.layer) == {"IT"}
    own = np.stack(curves[curves.crossing == "x"]["mean"].to_list())
    assert own == pytest.approx(rates[crossings["x"].rows].mean(axis=1).T, rel=1e-5)
    assert set(read(made[-1], TABLE).n_neurons) <= set(range(7))


def test_a_recording_of_other_images_is_refused(recorded: Path, design: Path) -> None:
    folder = recorded.parent / "pictures"
    first, second = sorted(folder.iterdir())[:2]
    kept = first.read_bytes()
    Image.fromarray(np.asarray(Image.open(second))[::-1]).save(first)
    with pytest.raises(BadValue, match="shows another picture as design-00000000 than the design"):
        ask(NETWORK, design, brains="lab.yaml")
    first.write_bytes(kept)
    table = pd.read_csv(recorded.parent / "rates.csv")
    table[table.stimulus_id != first.stem].to_csv(recorded.parent / "rates.csv", index=False)
    first.unlink()
    with pytest.raises(BadValue, match=r"1 of the design's 66 are not there \(design-00000000\)"):
        ask(NETWORK, design, brains="lab.yaml")
