"""A plugin for Brain-Score: found, loaded and scored by the installed package, to the number of the fast engine."""

from __future__ import annotations

import importlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mlspatial.benchmarks.brainscore import files as store_files
from mlspatial.benchmarks.brainscore import load as loading
from mlspatial.models.build import build
from mlspatial.models.exports import Card, Order
from mlspatial.models.exports.base import write_network
from mlspatial.models.sources import load_external
from mlspatial.models.spec import ModelSpec
from mlspatial.registry.models import select
from mlspatial.steps.export import export
from mlspatial.steps.score import score
from tests.benchmarks import assemblies
from tests.steps.asking import table_of
from tests.steps.test_export import trained

IT = "MajajHong2015public.IT-pls"
LAYERS = "layer3.1.relu,layer4.1.relu,avgpool"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[assemblies.Store]:
    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address} was tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield assemblies.install(tmp_path_factory.mktemp("brainscore"), assemblies.SMALL)


@pytest.fixture
def checkout(store: assemblies.Store, registry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`models` of a checkout of Brain-Score that has no other plugins; the package looks for them there."""
    import brainscore_vision
    import brainscore_vision.models as models

    folder = registry / "brainscore_vision" / "models"
    folder.mkdir(parents=True)
    for kind in ("benchmarks", "data", "metrics"):
        (folder.parent / kind).symlink_to(Path(str(brainscore_vision.__file__)).parent / kind)
    monkeypatch.setattr(brainscore_vision, "__file__", str(folder.parent / "__init__.py"))
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder)])
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("brainscore_vision.models."):
            del sys.modules[name]


def run_its_test(name: str) -> None:
    """What pytest does with the plugin's own file."""
    test: ModuleType = importlib.import_module(f"brainscore_vision.models.{name}.test")
    found = [one for one in dir(test) if one.startswith("test_")]
    assert len(found) == 2
    for one in found:
        getattr(test, one)()


def test_the_package_scores_the_plugin_to_the_fast_engine_s_number(checkout: Path) -> None:
    import brainscore_vision

    trained()
    selector = "task=translation,seed=0"
    (scored,) = score(models=selector, benchmarks=IT, layers=LAYERS, device="cpu", selection="raw")
    table = table_of(scored)
    ours = table[table.committed].iloc[0]
    export(models=selector, to="brainscore", out=str(checkout / "mine"), name="mine-1", layers=LAYERS)
    assert f'REGIONS = {{"IT": "{ours.layer}"}}' in (checkout / "mine" / "model.py").read_text()
    assert (checkout / "mine" / "requirements.txt").read_text().split() == ["safetensors", "torch", "torchvision"]
    with store_files.quiet():
        run_its_test("mine")
        subject = brainscore_vision.load_model("mine-1")
        theirs = loading.build_benchmark(IT)(subject)
    assert subject.identifier == "mine-1" and subject.layers == LAYERS.split(",")
    assert float(theirs) == pytest.approx(ours.r2_over_c, abs=1e-4)
    assert float(theirs.attrs["raw"]) == pytest.approx(ours.raw, abs=1e-4)
    assert 0.05 < ours.raw < 1
    assert load_external(f"file:{checkout / 'mine'}")[1].model_id == select(selector)[0].model_id
    spoilt = (checkout / "mine" / "expected.json").read_text().replace('"mean": ', '"mean": 9')
    (checkout / "mine" / "expected.json").write_text(spoilt)
    with store_files.quiet(), pytest.raises(AssertionError):
        run_its_test("mine")


def test_networks_of_others_and_without_a_head(checkout: Path) -> None:
    """Whose code is torchvision's, and this package's."""
    import brainscore_vision

    headless = ModelSpec("resnet18w4", 0, {}, (), 32)
    module = build(headless, seed=0).eval()
    (checkout.parent / "given").mkdir()
    card = Card("mine", {}, {}, {}, (), {})
    write_network(Order(module, headless.with_weights(module), card, "given"), checkout.parent / "given")
    for name, selector, layers, needs in (
        ("outside", "torchvision:shufflenet_v2_x0_5@random1?input_size=32", "stage2,conv5", "torchvision"),
        ("headless", f"file:{checkout.parent / 'given'}", "layer1,avgpool", "mlspatial"),
    ):
        export(models=selector, to="brainscore", out=str(checkout / name), name=name, layers=layers)
        assert needs in (checkout / name / "requirements.txt").read_text().split()
        text = (checkout / name / "README.md").read_text()
        assert ("needs mlspatial" in text) == (needs == "mlspatial") and f"load_model('{name}')" in text
        with store_files.quiet():
            run_its_test(name)
            assert brainscore_vision.load_model(name).identifier == name
