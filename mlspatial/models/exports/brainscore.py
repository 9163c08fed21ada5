"""A model plugin of Brain-Score (vision, 2.4): a folder that its `models` take, with the weights beside the code.

The code needs torchvision or timm alone where the network is one of theirs, this package for others that it has. The
plugin's own test compares activations of one picture with those of the export.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.files import write_text
from mlspatial.models.exports.base import EXPORTS, README, Form, Order, write_network
from mlspatial.models.sources.base import Written, find
from mlspatial.models.sources.files import WEIGHTS
from mlspatial.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
PICTURE, EXPECTED, CODE, TEST, REQUIREMENTS = "test.png", "expected.json", "model.py", "test.py", "requirements.txt"
DEGREES = 8  # of the field of view that a network's image covers
READOUT = "avgpool"  # Xie et al. 2025, where there is one
SHOWN = 20  # activations of a layer that the plugin's test compares one by one

INIT = '''"""{title}: registered with Brain-Score as {name}."""

from brainscore_vision import model_registry

from .model import get_brain_model

model_registry["{name}"] = get_brain_model
'''

MODEL = '''"""{title}, as exported by mlspatial; README.md says what it was trained on."""

import functools
from pathlib import Path

{above}

from brainscore_vision.model_helpers.activations.pytorch import PytorchWrapper, load_preprocess_images
from brainscore_vision.model_helpers.brain_transformation import (
    STANDARD_REGION_BENCHMARKS,
    LayerSelection,
    ModelCommitment,
    RegionLayerMap,
)

HERE = Path(__file__).resolve().parent
IDENTIFIER = "{name}"
SIZE, MEAN, SD = {size}, {mean}, {sd}  # pixels; of red, green, blue in 0 to 1
LAYERS = {layers}
READOUT = {readout}  # of behaviour
DEGREES = {degrees}
# Layers that stand for regions; what is not here Brain-Score chooses among LAYERS.
REGIONS = {regions}


def build():
    """The network with its weights, in evaluation mode."""
{build}


def get_model(name=IDENTIFIER):
    """Brain-Score's wrapper around it: resized without a crop, normalised as in training."""
    assert name == IDENTIFIER
    preprocessing = functools.partial(load_preprocess_images, image_size=SIZE, normalize_mean=MEAN, normalize_std=SD)
    wrapper = PytorchWrapper(identifier=IDENTIFIER, model=build(), preprocessing=preprocessing)
    wrapper.image_size = SIZE
    return wrapper


def get_brain_model():
    """The network as a subject of Brain-Score's experiments."""
    wrapper = get_model()
    chooses = LayerSelection(
        model_identifier=IDENTIFIER, activations_model=wrapper, layers=LAYERS, visual_degrees=DEGREES
    )
    regions = RegionLayerMap(layer_selection=chooses, region_benchmarks=STANDARD_REGION_BENCHMARKS)
    regions.update(REGIONS)
    return ModelCommitment(
        identifier=IDENTIFIER,
        activations_model=wrapper,
        layers=LAYERS,
        behavioral_readout_layer=READOUT,
        region_layer_map=regions,
        visual_degrees=DEGREES,
    )


def get_model_list():
    return [IDENTIFIER]


def get_layers(name=IDENTIFIER):
    return LAYERS


def get_bibtex(name=IDENTIFIER):
    return ""  # yours
'''

FROM_FILE = """    network = {build}
    network.load_state_dict(load_file(HERE / "{weights}"), strict=True)
    return network.eval()"""
FROM_FOLDER = """    network, _ = load_folder(HERE)
    return network"""

TESTS = '''"""Whether the plugin is what was exported: its name, its layers, its activations of one picture."""

import json
from pathlib import Path

import pytest
import torch

import brainscore_vision

from . import model  # which registers it, too

HERE = Path(__file__).resolve().parent


def test_it_is_registered():
    subject = brainscore_vision.model_registry[model.IDENTIFIER]()
    assert subject.identifier == model.IDENTIFIER and subject.visual_degrees() == model.DEGREES


def test_activations_are_those_of_the_export():
    expected = json.loads((HERE / "{expected}").read_text())
    assert list(expected) == model.LAYERS
    found = model.get_model()([str(HERE / "{picture}")], layers=model.LAYERS, stimuli_identifier=False)
    for layer, known in expected.items():
        values = found.sel(layer=layer).values.ravel()
        assert len(values) == known["features"]
        near = (5e-3 if torch.cuda.is_available() else 1e-4) * known["largest"]  # GPUs may round to ten bits
        assert values[: len(known["first"])] == pytest.approx(known["first"], abs=near)
        assert abs(values).max() == pytest.approx(known["largest"], abs=near)
        assert values.mean() == pytest.approx(known["mean"], abs=near)
'''


@EXPORTS.register("brainscore")
class BrainScore(Form):
    """__init__.py, model.py, test.py and requirements.txt, with the weights, a picture and what it gives."""

    files: ClassVar[tuple[str, ...]] = (*(*Form.files, "__init__.py", CODE, TEST, REQUIREMENTS, PICTURE, EXPECTED),)

    def check(self, spec: ModelSpec, name: str, out: Path) -> None:
        """Raises BadValue for a name or folder that Python cannot import, UserError for a network whose code is a
        user's own: a plugin has to bring all that it needs."""
        super().check(spec, name, out)
        for parameter, text in (("name", name), ("out", out.resolve().name)):
            if not NAME.fullmatch(text):
                raise BadValue(parameter, text, "must be letters, digits, _ and -, a letter first, as Brain-Score asks")
        if spec.code or spec.arch.startswith("python:"):
            raise UserError(
                f"to=brainscore: the code of {spec.arch} is your own, which a plugin cannot bring along; use --to "
                "huggingface, or write the plugin's model.py around it"
            )

    def write(self, order: Order, folder: Path) -> dict[str, float]:
        from PIL import Image

        spec, name = order.spec, order.name
        write_network(order, folder)
        image = picture(spec.input_size)
        Image.fromarray(image).save(folder / PICTURE)
        write_text(folder / EXPECTED, json.dumps(expected(order, image), indent=1))
        write_text(folder / "__init__.py", INIT.format(title=_said(order), name=name))
        written = find(spec.arch)[0].written(spec)
        write_text(folder / CODE, _code(order, written))
        write_text(folder / TEST, TESTS.format(expected=EXPECTED, picture=PICTURE))
        packages = sorted({"torch", "safetensors", *(written.packages if written else ("mlspatial",))})
        write_text(folder / REQUIREMENTS, "".join(f"{package}\n" for package in packages))
        write_text(folder / README, order.card.text(spec, _how(order, written)))
        return {"brainscore/layers": float(len(order.layers)), "brainscore/regions": float(len(order.regions))}


def picture(size: int) -> np.ndarray:
    """(size, size, 3) uint8: waves of another direction and length in each channel."""
    import numpy as np

    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(2 * np.pi * (a * x + b * y)) for a, b in ((3, 1), (1, 4), (5, 2))]
    return np.round(127.5 + 120 * np.stack(waves, axis=2)).astype(np.uint8)


def expected(order: Order, image: np.ndarray) -> dict[str, dict[str, object]]:
    """layer -> number of features, the first activations, mean and largest absolute value for an image."""
    import numpy as np

    from mlspatial.models.extract import extract
    from mlspatial.models.sinks import Features
    from mlspatial.models.stimuli import Stimuli

    sink = Features()
    extract(order.module, order.spec, Stimuli(("picture",), image[None]), order.layers, sink)
    found: dict[str, dict[str, object]] = {}
    for layer in order.layers:
        values = np.asarray(sink.pop(layer)["features"], np.float64)[0]
        found[layer] = {
            "features": len(values),
            "mean": float(f"{values.mean():.6g}"),
            "largest": float(f"{np.abs(values).max():.6g}"),
            "first": [float(f"{value:.6g}") for value in values[:SHOWN]],
        }
    return found


def _code(order: Order, written: Written | None) -> str:
    spec = order.spec
    if written:
        above = f"{written.above}\nfrom safetensors.torch import load_file"
        if "class " in above:  # imports first
            above = f"from safetensors.torch import load_file\n{written.above}\n"
        build = FROM_FILE.format(build=written.build, weights=WEIGHTS)
    else:
        above, build = "from mlspatial.models.sources.files import load_folder", FROM_FOLDER
    return MODEL.format(
        title=_said(order),
        name=order.name,
        above=above,
        build=build,
        size=spec.input_size,
        mean=spec.mean,
        sd=spec.sd,
        layers=_listed(order.layers),
        readout=json.dumps(READOUT if READOUT in order.layers else order.layers[-1]),
        degrees=DEGREES,
        regions=json.dumps(dict(sorted(order.regions.items()))),
    )


def _said(order: Order) -> str:
    """The title as a docstring may hold it."""
    return re.sub(r"[^\w .,:+-]", "_", order.card.title, flags=re.ASCII)


def _listed(layers: tuple[str, ...]) -> str:
    lines = "".join(f"    {json.dumps(layer)},\n" for layer in layers)
    return f"[\n{lines}]"


def _how(order: Order, written: Written | None) -> str:
    needs = "" if written else " The machine that scores it needs mlspatial: the architecture is that package's own."
    chosen = ", ".join(f"{region} at `{layer}`" for region, layer in sorted(order.regions.items()))
    regions = (
        f"Layers that stand for regions: {chosen}, as chosen on Brain-Score's public benchmarks; it chooses others."
        if chosen
        else "Brain-Score chooses the layers that stand for regions."
    )
    return (
        f"## Brain-Score\n\nPut this folder into `brainscore_vision/models/` of a checkout of Brain-Score and test it "
        f"(`pytest {TEST}`); then `brainscore_vision.load_model({order.name!r})` loads it.{needs}\n\n{regions}"
    )
