"""An ONNX file of a network, its outputs by the names of its heads, beside the weights that read back.

It needs the package onnx (the extra `onnx`). Where onnxruntime is there too, its outputs are compared before the file
counts. PyTorch does not read ONNX: what `file:FOLDER` reads are the weights beside it.
"""

from __future__ import annotations

import io
import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.files import whole, write_text
from mlspatial.core.progress import say
from mlspatial.models.exports.base import EXPORTS, README, Form, Order, write_network
from mlspatial.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

FILE = "model.onnx"
OPSET = 17  # of the operators; LayerNorm is one of them since 17
IMAGE, FEATURES = "image", "features"
LARGEST = 2**31 - 2**20  # bytes: what a protocol buffer holds, less room for the graph
FURTHEST = 1e-3  # between outputs, relative to the largest: what another order of sums leaves
ADVICE = "pip install onnx onnxruntime"


@EXPORTS.register("onnx")
class Onnx(Form):
    """model.onnx takes `image`, (n, 3, size, size) float32, normalised, and gives a tensor a head."""

    files: ClassVar[tuple[str, ...]] = (*Form.files, FILE)

    def check(self, spec: ModelSpec, name: str, out: Path) -> None:
        super().check(spec, name, out)
        if find_spec("onnx") is None:
            raise UserError(f"to=onnx: needs the package onnx, which is not installed; {ADVICE}")

    def write(self, order: Order, folder: Path) -> dict[str, float]:
        """The largest difference of an output from the network's, relative to the largest, where it is looked at."""
        write_network(order, folder)
        data = as_onnx(order.module, order.spec)
        with whole(folder / FILE) as partial:
            partial.write_bytes(data)
        found = {"onnx/opset": float(OPSET), "onnx/mib": len(data) / 2**20}
        if find_spec("onnxruntime") is None:
            say(f"export: onnxruntime is not installed, so the outputs of {FILE} were not compared; {ADVICE}")
        else:
            found["onnx/difference"] = furthest(data, order.module, order.spec)
            if not found["onnx/difference"] <= FURTHEST:
                raise UserError(
                    f"to=onnx: outputs differ from the network's by {found['onnx/difference']:.2g} of the largest; "
                    "this architecture cannot be written as ONNX faithfully, use --to huggingface"
                )
        write_text(folder / README, order.card.text(order.spec, _how(order.spec)))
        return found


def outputs(spec: ModelSpec) -> dict[str, tuple[int, int]]:
    """name -> (first, end) unit of every tensor that the file gives; all units where no head has a name."""
    return dict(spec.head) or {FEATURES: (0, spec.units)}


def as_onnx(module: nn.Module, spec: ModelSpec) -> bytes:
    """A network in evaluation mode as an ONNX model with facts of its input in the metadata; the same bytes every time.

    Raises UserError for what PyTorch cannot write so.
    """
    import onnx
    import torch

    held = sum(tensor.nbytes for tensor in module.state_dict().values())
    if held > LARGEST:
        raise UserError(f"to=onnx: {held / 2**30:.1f} GiB of weights do not fit into one file; use --to huggingface")
    names, buffer = list(outputs(spec)), io.BytesIO()
    image = torch.zeros(2, 3, spec.input_size, spec.input_size)
    try:
        with warnings.catch_warnings(), torch.inference_mode(False):
            warnings.simplefilter("ignore")  # the new way of writing names the lines of this machine's files
            torch.onnx.export(
                by_heads(module, spec), (image,), buffer, input_names=[IMAGE], output_names=names, opset_version=OPSET,
                dynamic_axes={name: {0: "n"} for name in (IMAGE, *names)}, dynamo=False,
            )  # fmt: skip
        model = onnx.load_model_from_string(buffer.getvalue())
        for key, value in sorted(metadata(spec).items()):
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        model.doc_string = f"mlspatial {spec.arch} {spec.model_id}"
        onnx.checker.check_model(model)
    except (RuntimeError, ValueError, TypeError, NotImplementedError, onnx.checker.ValidationError) as error:
        raise UserError(
            f"to=onnx: {spec.arch} cannot be written with opset {OPSET} ({in_one_line(error)}); use --to huggingface"
        ) from error
    return bytes(model.SerializeToString(deterministic=True))


def metadata(spec: ModelSpec) -> dict[str, str]:
    """What of the network an ONNX graph does not hold, each as text, lists as JSON."""
    facts: dict[str, Any] = {
        "size": spec.input_size,
        "mean": list(spec.mean),
        "sd": list(spec.sd),
        "channels": "red, green, blue in 0..1",
        "resize": "bilinear with anti-aliasing, without a crop",
        "heads": {part: list(units) for part, units in outputs(spec).items()},
        "supervised": list(spec.supervised),
        "statistics": spec.statistics,
        "classes": spec.classes,
        "arch": spec.arch,
        "model_id": spec.model_id,
        "opset": OPSET,
    }
    return {
        f"mlspatial.{name}": value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()
    }


def by_heads(module: nn.Module, spec: ModelSpec) -> nn.Module:
    """(n, 3, size, size) -> a tuple of outputs, one a head."""
    from torch import nn

    parts = tuple(outputs(spec).values())

    class ByHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            found = self.network(image)
            if not spec.head:
                return (found,)
            return tuple(found[:, first:end] for first, end in parts)

    return ByHeads().cpu().eval()


def furthest(data: bytes, module: nn.Module, spec: ModelSpec) -> float:
    """The largest difference between ONNX Runtime's outputs and the network's for three images of noise, relative to
    the largest output."""
    import numpy as np
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, torch.get_num_threads()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    shape = (3, 3, spec.input_size, spec.input_size)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.inference_mode():
        own = by_heads(module, spec)(torch.from_numpy(image))
    pairs = zip(session.run(list(outputs(spec)), {IMAGE: image}), own, strict=True)
    return max(float(np.abs(one - other.numpy()).max() / np.abs(other.numpy()).max()) for one, other in pairs)


def _how(spec: ModelSpec) -> str:
    listed = ", ".join(f"`{name}`" for name in outputs(spec))
    return (
        f"## ONNX\n\n`{FILE}` (opset {OPSET}) takes `{IMAGE}`, (n, 3, {spec.input_size}, {spec.input_size}) float32, "
        f"prepared as below, and gives {listed}. Its metadata (`mlspatial.size`, `.mean`, `.sd`, `.heads`, ...) say "
        "the same. PyTorch does not read ONNX back; what the two lines above read are the weights beside it."
    )
