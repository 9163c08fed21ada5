"""Networks of a user's own: by module and name, with arguments, weights, and an identity that follows the code."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mlspatial.core import code
from mlspatial.core.errors import UserError
from mlspatial.models.build import ARCHITECTURES, build
from mlspatial.models.layers import candidate_layers
from mlspatial.models.sources import base, external_spec, find, identity, load_external, parse_selector, python
from mlspatial.models.sources.files import load_folder
from mlspatial.models.spec import IMAGENET_MEAN, ModelSpec

NETS = '''
"""Mine."""
import torch
from torch import nn

from parts_of_mine import Unit


class Small(nn.Module):
    """Two units and a head."""

    def __init__(self, width: int = 4, units: int = 3, name: str = ""):
        super().__init__()
        self.blocks = nn.Sequential(Unit(3, width), Unit(width, width))
        self.head = nn.Linear(width, units)

    def forward(self, images):
        return self.head(self.blocks(images).mean((2, 3)))


def even(units=2, input_size=0):
    """Not drawn, and told the size."""
    net = Small(units=units)
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.01)
    net.size = input_size
    return net


def features():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())


def needing(units):
    return Small(units=units)


def classifier():
    net = even(1000)
    return net


class Wrong(nn.Module):
    def forward(self, images):
        return images @ torch.ones(5, 5)


def no_network():
    return 3


def stumbling():
    raise KeyError("width")


number = 5
'''
PARTS = """
from torch import nn


class Unit(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, 3, 2, 1)
        self.act = nn.ReLU()

    def forward(self, images):
        return self.act(self.conv(images))
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of plugins with two modules."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "nets_of_mine.py").write_text(NETS)
    (folder / "parts_of_mine.py").write_text(PARTS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(folder))
    monkeypatch.chdir(tmp_path)
    forget()
    yield folder
    forget()


def forget() -> None:
    """As in a new process."""
    for name in [name for name in sys.modules if name.endswith("_of_mine")]:
        del sys.modules[name]
    for kept in (code._read, python._module, base._remembered_spec):
        kept.cache_clear()
    importlib.invalidate_caches()


SMALL = "python:nets_of_mine:Small"


def test_a_class_with_arguments_and_a_seed(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, spec = load_external(f"{SMALL}@random3?width=6&input_size=40&mean=0.5&sd=1,1,2")
    assert (spec.arch, spec.units, spec.input_size) == (f"{SMALL}?width=6", 3, 40)
    assert (spec.mean, spec.sd, spec.head, spec.supervised) == ((0.5,) * 3, (1, 1, 2), {}, ())
    assert module.blocks[0].conv.out_channels == 6 and not module.training
    again = build(spec, seed=3).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in module.state_dict().items())
    assert external_spec(f"{SMALL}@random4?width=6&input_size=40").model_id != spec.model_id
    told = [line for line in capsys.readouterr().err.splitlines() if "running" in line]
    assert told == [
        f"plugins: running {mine}/nets_of_mine.py, {mine}/parts_of_mine.py",
        f"python:nets_of_mine: running {mine}/nets_of_mine.py",
    ]
    assert candidate_layers(spec, module) == ("blocks.0.act", "blocks.1.act")


def test_weights_of_a_file_and_networks_as_they_come(mine: Path, tmp_path: Path) -> None:
    module, drawn = load_external(f"{SMALL}@random")
    torch.save({"net": {f"module.{key}": value for key, value in module.state_dict().items()}}, tmp_path / "w.pt")
    _, spec = load_external(f"{SMALL}?weights={tmp_path}/w.pt")
    assert spec.model_id == drawn.model_id and spec.supervised == ()
    assert load_external(f"{SMALL}?weights=w.pt&seed=2")[1] == spec  # in the working directory
    assert load_external(f"file:{tmp_path}/w.pt?arch={SMALL}")[1] == spec
    assert load_external(f"{SMALL}?units=3&weights=w.pt")[1].model_id != spec.model_id
    _, even = load_external("python:nets_of_mine:even")
    assert (even.units, even.mean) == (2, IMAGENET_MEAN)
    assert load_external("python:nets_of_mine:even?input_size=64")[0].size == 64
    assert load_external("python:nets_of_mine:features@random")[1].units == 0
    assert load_external("python:nets_of_mine:classifier")[1].supervised == ("imagenet",)
    before = external_spec(f"{SMALL}?weights=w.pt")
    torch.save(load_external(f"{SMALL}@random9")[0].state_dict(), tmp_path / "w.pt")
    assert external_spec(f"{SMALL}?weights=w.pt") != before


def test_another_code_is_another_network(mine: Path, tmp_path: Path) -> None:
    selector = "python:nets_of_mine:even"
    first, known = external_spec(selector), identity(selector)
    assert len(first.code) == 64 and ModelSpec.from_json(first.to_json()) == first

    def changed(file: str, old: str, new: str) -> tuple[ModelSpec, str]:
        path = mine / file
        path.write_text(path.read_text().replace(old, new))
        forget()
        return external_spec(selector), identity(selector)

    assert changed("parts_of_mine.py", "class Unit", "# a comment\n\nclass Unit") == (first, known)
    strided, other = changed("parts_of_mine.py", "3, 2, 1", "3, 1, 1")  # the same weights
    assert (strided.weights, strided.arch) == (first.weights, first.arch) and other != known
    assert strided.model_id != first.model_id
    assert changed("parts_of_mine.py", "3, 1, 1", "3, 2, 1") == (first, known)
    assert changed("nets_of_mine.py", "mean((2, 3))", "amax((2, 3))")[0].model_id != first.model_id


def test_a_registered_network_does_not_run_with_other_code(mine: Path, tmp_path: Path) -> None:
    text = "from mlspatial.models.build import ARCHITECTURES\nfrom nets_of_mine import needing\n"
    (mine / "registered_of_mine.py").write_text(f"{text}ARCHITECTURES.register('arch_of_mine')(needing)\n")
    forget()
    try:
        spec = ModelSpec("arch_of_mine", 5, {}, (), 32)
        module = build(spec, seed=0)
        spec = spec.with_weights(module)
        assert spec.code and find("arch_of_mine")[0].spec("arch_of_mine").units == 1000
        save_file(module.state_dict(), tmp_path / "weights.safetensors")
        (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
        assert load_folder(tmp_path)[1] == load_external(f"file:{tmp_path}")[1] == spec
        (mine / "nets_of_mine.py").write_text(NETS.replace("mean((2, 3))", "amax((2, 3))"))
        code._read.cache_clear()
        with pytest.raises(UserError, match="the code of arch_of_mine is not that with which it was made"):
            load_folder(tmp_path)
    finally:
        ARCHITECTURES._items.pop("arch_of_mine", None)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("nets_of_mine", "must be python:MODULE:NAME"),
        ("nets_of_yours:Small", "there is no module nets_of_yours; looked in the working directory, the folders of"),
        ("nets_of_mine:Smal", "unknown name in nets_of_mine 'Smal'; did you mean Small"),
        ("nets_of_mine:number", "number is of type int; name a class or a function"),
        ("nets_of_mine:no_network", "gives an object of type int, not an nn.Module"),
        ("nets_of_mine:stumbling", r"making the network fails \(KeyError: 'width', .*nets_of_mine.py line \d+\)"),
        (
            "nets_of_mine:Wrong",
            r"fails on an image of 224 pixels \(RuntimeError: .*line \d+\); another size is said as",
        ),
        ("nets_of_mine:needing", r"needs units; add it as an option, \?units=VALUE"),
        (
            "nets_of_mine:Small@random?wdth=3",
            "unknown option 'wdth'; known: width, units, name, weights, part, ",
        ),
        ("nets_of_mine:Small", r"its weights differ each time .*; add \?weights=FILE, or draw it .*Small@random0$"),
        ("nets_of_mine:Small@random?weights=w.pt", "is drawn at random, or has weights=FILE; leave one of them out"),
        ("nets_of_mine:Small?weights=nowhere.pt", "there is no such file or folder"),
        ("nets_of_mine:Small@random?input_size=3", "input_size must be a number of pixels, at least 32"),
        ("broken_of_mine:x", r"importing it fails \(ZeroDivisionError: division by zero, .*broken_of_mine.py line 2\)"),
    ],
)
def test_mistakes_are_one_line(mine: Path, tmp_path: Path, rest: str, words: str) -> None:
    (tmp_path / "broken_of_mine.py").write_text("x = 1\n1 / 0\n")
    with pytest.raises(UserError, match=words) as caught:
        load_external(f"python:{rest}")
    assert "\n" not in str(caught.value)


def test_advice_about_random_weights_works(mine: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_external(SMALL)
    assert load_external(str(caught.value).rpartition("seed: ")[2])[1].units == 3


def test_modules_of_the_working_directory(mine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package_of_mine"  # without an __init__.py
    folder.mkdir()
    (folder / "inner.py").write_text("from nets_of_mine import even\n")
    _, spec = load_external("python:package_of_mine.inner:even")
    assert spec.code and parse_selector("python:package_of_mine.inner:even?a=b").options == {"a": "b"}
