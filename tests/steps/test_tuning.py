"""tuning: what a run leaves, what answers it, what it refuses; the numbers are tested in tests/analysis and models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlspatial.analysis.anova import unit_variance_split
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
from mlspatial.steps.tuning_files import CURVES, MAPS, POPULATION, UNITS

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
