"""What sinks keep of a layer equals what the activations themselves give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlspatial.analysis.gram import unpack
from mlspatial.analysis.rsa import condensed, similarity_matrix
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.models import spool
from mlspatial.models.build import build
from mlspatial.models.extract import extract
from mlspatial.models.layers import block_layers, candidate_layers, resolve_layers
from mlspatial.models.sinks import Features, Files, Products, read_activations
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli

SPEC = ModelSpec("resnet18", 5, {}, (), 32)
LAYERS = ("layer1.0.relu", "layer4.0.relu", "fc")
N = 22


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return build(SPEC, seed=0).eval()


@pytest.fixture(scope="module")
def stimuli() -> Stimuli:
    images = np.random.default_rng(0).integers(0, 255, size=(N, 32, 32, 3), dtype=np.uint8)
    return Stimuli(tuple(f"s{i}" for i in range(N)), images)


@pytest.fixture(scope="module")
def activations(network: torch.nn.Module, stimuli: Stimuli) -> dict[str, np.ndarray]:
    store = Features()
    extract(network, SPEC, stimuli, LAYERS, store, batch_size=8)
    return {layer: store.pop(layer)["features"].astype(np.float64) for layer in LAYERS}


@pytest.mark.parametrize("in_memory", [1 << 30, 0])
@pytest.mark.parametrize("exact", [1 << 27, 1 << 12])
def test_grams_equal_float64(
    network: torch.nn.Module,
    stimuli: Stimuli,
    activations: dict[str, np.ndarray],
    in_memory: int,
    exact: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", in_memory)
    monkeypatch.setattr(spool, "EXACT", exact)  # fc is below, the others are above the second one
    sink = Products(("gram", "pattern"), N, tmp_path)
    extract(network, SPEC, stimuli, LAYERS, sink, batch_size=8)
    assert not list(tmp_path.iterdir())  # what waits on disk has no name
    for layer in LAYERS:
        x = activations[layer] - activations[layer].mean(axis=0)
        exact = x @ x.T / np.linalg.norm(x @ x.T)
        found = sink.pop(layer)
        kept = unpack(found["gram"])
        assert np.vdot(kept, exact) == pytest.approx(1.0, abs=2e-7)  # their linear CKA
        np.testing.assert_allclose(kept, exact, atol=2e-4 * np.abs(exact).max())
        r = condensed(similarity_matrix(activations[layer]))
        np.testing.assert_allclose(found["pattern"], r, atol=2e-3)


def test_a_spool_gives_back_what_was_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "CHUNK", 7)
    rng = np.random.default_rng(1)
    values = (100 + rng.standard_normal((9, 20)) * np.array([[1e6]] * 4 + [[1e-6]] * 4 + [[0.0]])).astype(np.float32)
    for limit, exact in ((0, 0), (1 << 20, 0), (0, 1 << 20)):
        monkeypatch.setattr(spool, "IN_MEMORY", limit)
        monkeypatch.setattr(spool, "EXACT", exact)
        kept = spool.Spool(9, 20, tmp_path)
        for rows in (values[:4], values[4:8], values[8:]):
            kept.add(torch.from_numpy(rows))
        got = torch.cat([chunk.clone() for chunk in kept.chunks()], dim=1).numpy()
        np.testing.assert_allclose(got, values, atol=1e-3 * np.abs(values).max(), rtol=1e-3)
        kept.close()


def test_a_spool_counts_its_images(tmp_path: Path) -> None:
    kept = spool.Spool(3, 4, tmp_path)
    kept.add(torch.ones(2, 4))
    with pytest.raises(StimulusMismatch, match="2 images, expected 3"):
        next(kept.chunks())
    with pytest.raises(StimulusMismatch, match="after 2 of 3"):
        kept.add(torch.ones(2, 4))


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_activations_on_request(
    network: torch.nn.Module, stimuli: Stimuli, activations: dict[str, np.ndarray], precision: str, tmp_path: Path
) -> None:
    sink = Files(stimuli.ids, tmp_path / "out", precision)
    extract(network, SPEC, stimuli, LAYERS, sink, batch_size=8)
    for layer in LAYERS:
        assert not (tmp_path / "out" / f"{layer}.arrow").exists()  # nothing half-written looks whole
        (file,) = sink.pop(layer).values()
        ids, values = read_activations(file)
        assert ids == stimuli.ids and values.dtype == np.dtype(precision)
        assert not values.flags.owndata and not values.flags.writeable  # mapped
        np.testing.assert_allclose(values, activations[layer], rtol=1e-3, atol=1e-3)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{layer}.arrow" for layer in LAYERS)


def test_activations_that_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="float16 or float32"):
        Files(("a", "b"), tmp_path, "int8")
    half = Files(("a", "b"), tmp_path)
    with pytest.raises(UserError, match=r"layer relu has activations up to 1e\+05, float16 ends at 65504"):
        half.add("relu", torch.tensor([[1.0, -1e5]]))
    half.add("fc", torch.ones(1, 4))
    with pytest.raises(StimulusMismatch, match="layer fc: activations of 1 images, expected 2"):
        half.pop("fc")
    assert not list(tmp_path.iterdir())


def test_layers_by_name_and_wild_card(network: torch.nn.Module) -> None:
    assert resolve_layers("auto", network, ("fc",)) == ("fc",)
    assert resolve_layers("layer?.0.relu, fc", network, ()) == (*(f"layer{n}.0.relu" for n in (1, 2, 3, 4)), "fc")
    assert resolve_layers("pixels,fc", network, (), extra=("pixels",)) == ("pixels", "fc")
    with pytest.raises(UnknownName, match=r"layer1.0.relu"):
        resolve_layers("layer1.0.rely", network, ())
    assert block_layers(network, candidate_layers(SPEC, network)) == tuple(f"layer{n}.0.relu" for n in (1, 2, 3, 4))
    other = torch.nn.Sequential(*(torch.nn.ReLU() for _ in range(9)))
    assert block_layers(other, [str(i) for i in range(9)]) == ("2", "4", "6", "8")


def test_a_dead_layer_is_named(tmp_path: Path) -> None:
    grams = Products(("gram",), 4, tmp_path)
    grams.add("dead", torch.zeros(4, 10))
    with pytest.raises(UserError, match="do not vary"):
        grams.pop("dead")
