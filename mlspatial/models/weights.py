"""Files of weights: read without running what they bring, and put into a network under its own names."""

from __future__ import annotations

import importlib
import re
import zipfile
import zlib
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.limits import demand_members, demand_npz
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import torch
    from torch import nn

    State = dict[str, torch.Tensor]

#: What wrappers put into names, anywhere: torch.compile, FSDP, activation checkpointing.
WRAPPERS = re.compile(r"(?:(?<=\.)|^)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
#: Of several networks in a file that fit equally well, the one that is meant when nobody says: what was trained rather
#: than its running mean, and MoCo's, MoCo v3's and SimSiam's encoder rather than its momentum's. Teacher and student
#: are not decided here.
MEANT = ("state_dict", "model_state_dict", "model", "encoder_q", "base_encoder", "encoder", "visual")
#: Heads of self-supervised trainers: SwAV, DeepCluster v2, BYOL, DINO.
HEADS = re.compile(r"(projection|projection_head|projector|prototypes|predictor|heads?|fc)\b.*")
ALIKE = 0.9  # of the parameters that the best part of a file gives: a part with so many may be meant as well
COUNTER = "num_batches_tracked"  # of batch normalisation: absent before PyTorch 0.4.1, and nothing here reads it
SHOWN = 3  # names in an error message
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, UnpicklingError, SafetensorError,
              zipfile.BadZipFile, zlib.error)  # fmt: skip


def read_state(path: Path) -> State:
    """name -> tensor of a .safetensors or .npz file, or one that torch.save wrote; runs no code that it brings.

    Mappings in mappings are joined: {"state_dict": {"fc.bias": ...}} gives state_dict.fc.bias. What is no tensor
    (options, counters, an optimizer's state by number) is left out. Raises UserError for a file that cannot be read,
    that names a class whose code reading would run, or that holds no tensor under a name.
    """
    import numpy as np
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        if path.suffix == ".npz":
            demand_npz(path, f"weights in {path}")
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                demand_members(archive.infolist(), f"weights in {path}")
        with torch.serialization.safe_globals(_harmless()):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        if refused := re.search(r"(?:GLOBAL |got <class ')([\w.]+)", str(error)):
            raise UserError(
                f"weights in {path} cannot be read safely: the file brings {refused[1]}, whose code reading it would "
                "run; save the network's state_dict() alone"
            ) from error
        raise UserError(
            f"weights in {path} cannot be read ({in_one_line(error)}); the file is damaged or holds more than tensors: "
            "fetch it again, or save the network's state_dict() alone"
        ) from error
    state = dict(_flat(found)) if isinstance(found, Mapping) else {}
    if not state:
        raise UserError(f"weights in {path} are no state dict (name -> tensor); save the network's state_dict()")
    return state


def _harmless() -> list[Any]:
    """Classes and functions that build values and do nothing else: options, NumPy's numbers and arrays."""
    import numpy as np

    try:
        core: Any = importlib.import_module("numpy._core.multiarray")
    except ImportError:  # NumPy 1
        core = importlib.import_module("numpy.core.multiarray")
    dtypes = [getattr(np.dtypes, name) for name in dir(np.dtypes) if name.endswith("DType") and name != "ObjectDType"]
    makers = ("scalar", "_reconstruct")  # under their names in NumPy 1 and 2
    names = [
        (getattr(core, name), f"numpy.{place}.multiarray.{name}") for name in makers for place in ("core", "_core")
    ]
    return [Namespace, np.dtype, np.ndarray, *dtypes, *names]


def _flat(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    import numpy as np
    import torch

    for key, value in node.items():
        if isinstance(key, str) and torch.is_tensor(value):
            yield prefix + key, value
        elif isinstance(key, str) and isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            yield prefix + key, torch.from_numpy(value)
        elif isinstance(key, str) and isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")


def named(state: State, own: Mapping[str, Any], part: str = "", origin: str = "the file") -> State:
    """The part of a file that is the network, under the network's own names.

    own: the network's state dict; part: of the file, as `teacher`, where several fit; origin: the file, for messages.
    Names count by their common end, whatever stands before: module., backbone., student.backbone. ... What stands
    beside the network is left out, and inside it counters and heads that only served training. Other names stay, so
    that `fill` complains of them. Raises UserError when several parts fit equally well, or none is called `part`.
    """
    best: tuple[tuple[int, int], State] | None = None
    for way in (_as_it_is, _detectron, _big_transfer):
        found = _within(way(state), own, part, origin)
        score = len(own.keys() & found.keys()), -len(found.keys() - own.keys())
        if found and (best is None or score > best[0]):
            best = score, found
    return best[1] if best else state


def _within(state: State, own: Mapping[str, Any], part: str, origin: str) -> State:
    """The names behind the prefix under which most of the network's own are found."""
    state = {WRAPPERS.sub("", name): value for name, value in state.items()}
    shared = _shared([name for name in own if not name.endswith(COUNTER)])
    ends = {WRAPPERS.sub("", name.removeprefix(shared)): name for name in own}
    votes: Counter[str] = Counter()  # names that are found behind a prefix
    fits: Counter[str] = Counter()  # with their shape
    for name, value in state.items():
        for start in (0, *(found.end() for found in re.finditer(r"\.", name))):
            if (target := ends.get(name[start:], COUNTER)) and not target.endswith(COUNTER):
                votes[name[:start]] += 1
                fits[name[:start]] += value.shape == own[target].shape
    counts = +fits or votes
    alike = [way for way, count in counts.items() if count >= ALIKE * max(counts.values())]
    if part and alike:
        there, alike = alike, [way for way in counts if f".{part}." in f".{way}"]
        alike = [way for way in alike if counts[way] == max(counts[one] for one in alike)]
        if not alike:
            most = [way.rstrip(".") for way in there if way]
            raise UserError(f"{origin} has no part {part} that fits; it has {_few(most) or 'no parts'}")
    if not alike:
        return {}
    prefix = _chosen(alike, shared, origin)
    inside = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return {
        ends.get(end, end): value
        for end, value in inside.items()
        if end in ends or not (HEADS.fullmatch(end) or value.ndim == 0)
    }


def _shared(names: list[str]) -> str:
    """The components that all names begin with: those of a network inside another one."""
    shared = ""
    while names and len({name.partition(".")[0] for name in names}) == 1 and all("." in name for name in names):
        shared += names[0].partition(".")[0] + "."
        names = [name.partition(".")[2] for name in names]
    return shared


def _chosen(prefixes: list[str], shared: str, origin: str) -> str:
    """One of several prefixes that fit equally well: that which is called as the network's own, or which is MEANT."""
    prefixes = [way for way in prefixes if way.endswith(shared)] or prefixes
    common = set.intersection(*(set(way.split(".")) for way in prefixes))
    called = {way: [part for part in way.split(".") if part not in common] for way in prefixes}
    ranks = {
        way: min((MEANT.index(part) for part in parts if part in MEANT), default=len(MEANT) if parts else -1)
        for way, parts in called.items()
    }
    best = [way for way in prefixes if ranks[way] == min(ranks.values())]
    names = [".".join(parts) for way, parts in called.items() if parts and [way] != best]
    if len(best) > 1:
        raise UserError(f"{origin} holds {_few(names)}, which fit equally well; say which, as ?part={names[-1]}")
    if names:
        taken = ".".join(called[best[0]]) or "what has no prefix"
        _note(f"{origin}: takes {taken}, not {_few(names)} (?part=NAME does)")
    return best[0]


@cache
def _note(text: str) -> None:
    """Said once in a process, however often a file is read."""
    say(text)


def _few(names: Iterable[str]) -> str:
    """The first few names, and how many there are."""
    first = list(names)
    return ", ".join(first[:SHOWN]) + (f" ({len(first)} in all)" if len(first) > SHOWN else "")


def fill(module: nn.Module, state: Mapping[str, torch.Tensor], arch: str, origin: str) -> None:
    """Load a state dict; raises UserError that names the first keys and shapes that do not fit."""
    own = module.state_dict()
    problems = {
        "missing": [key for key in own if key not in state and not key.endswith(COUNTER)],
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


def _as_it_is(state: State) -> State:
    return state


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


def _detectron(state: State) -> State:
    """Detectron2's ResNet with a feature pyramid; it looks at blue, green, red. Its heads are left out."""
    levels = [int(found[1]) for key in state if (found := re.search(r"\bbackbone\.fpn_lateral(\d)", key))]
    names: State = {}
    for key, value in state.items() if levels else ():
        name = key.partition("backbone.")[2].removeprefix("bottom_up.")
        for pattern, replacement in DETECTRON:
            new, hits = re.subn(f"^{pattern}", replacement, name)
            if hits:
                name = new
                break
        name = re.sub(r"^body\.layer(\d)", lambda found: f"body.layer{int(found[1]) - 1}", name)
        name = re.sub(r"_blocks\.(\d)\.0", lambda found: f"_blocks.{int(found[1]) - min(levels)}.0", name)
        names[name] = value.flip(1) if name == "body.conv1.weight" else value
    return {name: value for name, value in names.items() if name}


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


def _big_transfer(state: State) -> State:
    """Big Transfer's ResNets from TensorFlow; kernels are height, width, in, out there."""
    names: State = {}
    for key, value in state.items() if any("/" in key for key in state) else ():
        short = key.removesuffix(":0").removeprefix("resnet/")
        turned = value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
        fits = ((re.fullmatch(pattern, short), name) for pattern, name in BIG_TRANSFER)
        names[next((name(found) for found, name in fits if found), key)] = turned
    return names
