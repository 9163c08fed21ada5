"""Files of weights: read safely, and the parameters' names of known trainers turned into those of a network."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from mlspatial.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

    State = dict[str, torch.Tensor]

PREFIXES = ("module.", "model.", "backbone.", "_feature_blocks.", "base_model.")  # DataParallel, Lightning, VISSL ...
#: Where checkpoints keep the parameters, the outer before the inner; VISSL: classy_state_dict/base_model/model/trunk.
CONTAINERS = ("classy_state_dict", "base_model", "state_dict", "model_state_dict", "model", "trunk")
#: Towers that checkpoints hold beside others, which are left out: CLIP and SLIP, MoCo, MoCo v3 and SimSiam.
TOWERS = ("visual.", "encoder_q.", "base_encoder.", "encoder.")
#: Heads of self-supervised trainers: SwAV, DeepCluster v2, BYOL, DINO.
HEADS = re.compile(r"(projection|projection_head|projector|prototypes|predictor|heads?|fc)\b.*")
SHOWN = 3  # names in an error message
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, UnpicklingError, SafetensorError)


def read_state(path: Path) -> State:
    """name -> tensor of a .safetensors or .npz file, or one that torch.save wrote; runs no code that it brings."""
    import numpy as np
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        with torch.serialization.safe_globals([Namespace]):  # SLIP keeps its options beside the weights
            state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UserError(
            f"weights in {path} cannot be read ({line(error)}); the file is damaged or holds more than tensors: "
            "fetch it again, or save the network's state_dict() alone"
        ) from error
    while isinstance(state, Mapping) and any(isinstance(state.get(name), Mapping) for name in CONTAINERS):
        state = next(state[name] for name in CONTAINERS if isinstance(state.get(name), Mapping))
    if not isinstance(state, Mapping) or {torch.is_tensor(value) for value in state.values()} != {True}:
        raise UserError(f"weights in {path} are no state dict (name -> tensor); save the network's state_dict()")
    return dict(state)


def renamed(state: State, own: set[str]) -> State:
    """The state under the known layout by which most of a network's own names are found.

    Of equals the one that leaves fewest names over, then the first. What a layout does not name stays, so that `fill`
    complains of it.
    """
    found = (layout for way in LAYOUTS for layout in way(state, own))
    return max(found, key=lambda names: (len(own & set(names)), -len(set(names) - own)))


def fill(module: nn.Module, state: Mapping[str, torch.Tensor], arch: str, origin: str) -> None:
    """Load a state dict; raises UserError that names the first keys and shapes that do not fit."""
    own = module.state_dict()
    problems = {
        # files from before PyTorch 0.4.1 have no such counters, and nothing here reads them
        "missing": [key for key in own if key not in state and not key.endswith(".num_batches_tracked")],
        "not in it": [key for key in state if key not in own],
        "other shape": [
            f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
            for key in own
            if key in state and state[key].shape != own[key].shape
        ],
    }
    told = [f"{kind}: {', '.join(keys[:SHOWN])} ({len(keys)} in all)" for kind, keys in problems.items() if keys]
    if told:
        raise UserError(f"{origin}: the weights do not fit {arch}; {'; '.join(told)}")
    module.load_state_dict(dict(state), strict=False)


def line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]} ..."


def _chains() -> list[str]:
    return ["", *PREFIXES, *(one + two for one in PREFIXES for two in PREFIXES)]


def _prefixed(state: State, own: set[str]) -> Iterator[State]:
    """Up to two PREFIXES taken off."""
    for chain in _chains():
        yield {key.removeprefix(chain): value for key, value in state.items()}


def _trunk(state: State, own: set[str]) -> Iterator[State]:
    """The same, less the heads that only served training."""
    for names in _prefixed(state, own):
        yield {key: value for key, value in names.items() if key in own or not HEADS.fullmatch(key)}


def _tower(state: State, own: set[str]) -> Iterator[State]:
    """One of TOWERS, perhaps behind PREFIXES, less its head: the other towers are left out."""
    for tower in (chain + tower for chain in _chains() for tower in TOWERS):
        names = {key.removeprefix(tower): value for key, value in state.items() if key.startswith(tower)}
        yield {key: value for key, value in names.items() if key in own or not HEADS.fullmatch(key)}


#: Detectron2's backbone -> torchvision's BackboneWithFPN, in this order
DETECTRON = (
    (r"stem\.conv1\.norm\.", "body.bn1."),
    (r"stem\.conv1\.", "body.conv1."),
    (r"res(\d)\.(\d+)\.shortcut\.norm\.", r"body.layer\1.\2.downsample.1."),
    (r"res(\d)\.(\d+)\.shortcut\.", r"body.layer\1.\2.downsample.0."),
    (r"res(\d)\.(\d+)\.conv(\d)\.norm\.", r"body.layer\1.\2.bn\3."),
    (r"res(\d)\.(\d+)\.conv(\d)\.", r"body.layer\1.\2.conv\3."),
    (r"fpn_lateral(\d)\.", r"fpn.inner_blocks.\1.0."),
    (r"fpn_output(\d)\.", r"fpn.layer_blocks.\1.0."),
    (r"top_block\.", "fpn.extra_blocks."),
)


def _detectron(state: State, own: set[str]) -> Iterator[State]:
    """Detectron2's ResNet with a feature pyramid; it looks at blue, green, red. Its heads are left out."""
    levels = [int(found[1]) for key in state if (found := re.match(r"backbone\.fpn_lateral(\d)", key))]
    names: State = {}
    for key, value in state.items():
        part, backbone, name = key.partition("backbone.")
        if part or not backbone:
            continue
        name = name.removeprefix("bottom_up.")
        for pattern, replacement in DETECTRON:
            new, hits = re.subn(f"^{pattern}", replacement, name)
            if hits:
                name = new
                break
        name = re.sub(r"^body\.layer(\d)", lambda found: f"body.layer{int(found[1]) - 1}", name)
        name = re.sub(r"_blocks\.(\d)\.0", lambda found: f"_blocks.{int(found[1]) - min(levels)}.0", name)
        names[name] = value.flip(1) if name == "body.conv1.weight" else value
    yield names


#: Big Transfer's TensorFlow names -> timm's
BIG_TRANSFER = (
    (r"root_block/standardized_conv2d/kernel", lambda found: "stem.conv.weight"),
    (r"group_norm/(gamma|beta)", lambda found: f"norm.{_kind(found[1])}"),
    (r"head/conv2d/(kernel|bias)", lambda found: f"head.fc.{_kind(found[1])}"),
    (
        r"block(\d)/unit(\d\d)/a/proj/standardized_conv2d/kernel",
        lambda found: f"stages.{int(found[1]) - 1}.blocks.{int(found[2]) - 1}.downsample.conv.weight",
    ),
    (
        r"block(\d)/unit(\d\d)/([abc])/(standardized_conv2d|group_norm)/(kernel|gamma|beta)",
        lambda found: (
            f"stages.{int(found[1]) - 1}.blocks.{int(found[2]) - 1}."
            f"{'conv' if found[4] != 'group_norm' else 'norm'}{'abc'.index(found[3]) + 1}.{_kind(found[5])}"
        ),
    ),
)


def _kind(name: str) -> str:
    return "bias" if name in ("beta", "bias") else "weight"


def _big_transfer(state: State, own: set[str]) -> Iterator[State]:
    """Big Transfer's ResNets from TensorFlow; kernels are height, width, in, out there."""
    names: State = {}
    for key, value in state.items():
        short = key.removesuffix(":0").removeprefix("resnet/")
        turned = value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
        fits = ((re.fullmatch(pattern, short), name) for pattern, name in BIG_TRANSFER)
        names[next((name(found) for found, name in fits if found), key)] = turned
    yield names


#: Known layouts, in the order in which they are tried.
LAYOUTS: tuple[Callable[[State, set[str]], Iterator[State]], ...] = (
    _prefixed,
    _trunk,
    _tower,
    _detectron,
    _big_transfer,
)
