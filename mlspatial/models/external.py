"""Networks from outside the registry: torchvision's, timm's, and files of weights.

Selectors: `torchvision:NAME`, `timm:NAME` or `timm:NAME.TAG` (the package's default trained weights), either with
`@random` or `@randomN` (drawn with seed 0 or N, no download); `file:PATH`, a folder with weights.safetensors and
spec.json; `file:PATH?arch=ARCH&input_size=224`, a state dict (.pt, .pth, .safetensors).
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlparse

from safetensors import SafetensorError

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.zoo import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_SD, ModelSpec, build

if TYPE_CHECKING:
    import torch
    from torch import nn

LIBRARIES = ("torchvision", "timm")
SCHEMES = (*LIBRARIES, "file")
IMAGENET_UNITS = 1000
INPUT_SIZE = 224  # pixels, where nothing says otherwise
PREFIXES = ("module.", "model.", "backbone.")  # of DataParallel, Lightning and self-supervised trainers
CONTAINERS = ("state_dict", "model_state_dict", "model")  # where checkpoints keep the parameters
TIMEOUT = 20  # seconds without an answer before a download is given up
SHOWN = 3  # names in an error message
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, UnpicklingError, SafetensorError)


@dataclass(frozen=True)
class Selector:
    """A selector, taken apart. name: of the network, or a path; seed: of random weights, None for trained ones;
    arch, input_size: what a file's selector says of it ("" and 0: nothing)."""

    text: str
    scheme: str
    name: str
    seed: int | None = None
    arch: str = ""
    input_size: int = 0

    @property
    def title(self) -> str:
        """The same for all seeds."""
        return f"{self.scheme}:{self.name}" + ("" if self.seed is None else "@random")


def is_external(text: str) -> bool:
    return text.startswith(tuple(f"{scheme}:" for scheme in SCHEMES))


def parse_selector(text: str) -> Selector:
    """Raises BadValue for what is not a selector of this module; does not look whether the network exists."""
    scheme, _, rest = text.partition(":")
    if scheme == "file":
        path, _, query = rest.removeprefix("//").partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        size = options.get("input_size", "0")
        if set(options) - {"arch", "input_size"} or not size.isdecimal() or (query and not options):
            raise BadValue("models", text, "a file takes ?arch=NAME and &input_size=PIXELS")
        return Selector(text, scheme, path, None, options.get("arch", ""), int(size))
    name, at, weights = rest.partition("@")
    random = re.fullmatch(r"random(\d{0,9})", weights)
    if scheme not in SCHEMES or (at and not random):
        raise BadValue("models", text, "must be torchvision:NAME or timm:NAME, perhaps with @random or @randomN")
    return Selector(text, scheme, name, int(random[1] or 0) if random else None)


def load_external(text: str) -> tuple[nn.Module, ModelSpec]:
    """(network in evaluation mode, its spec) of a selector.

    Trained weights are looked for on this machine first and downloaded only when they are not there. Raises
    UnknownName for a network that does not exist (with near names), BadValue for a selector that makes no sense, and
    UserError for weights that cannot be had, read or fitted.
    """
    asked = parse_selector(text)
    weights = _locate(asked)
    if weights and asked.scheme == "file":
        module, spec = _from_file(asked, weights)
    else:
        spec = default_spec(f"{asked.scheme}:{asked.name}")
        if not weights:
            module = build(spec, seed=asked.seed)
        elif asked.scheme == "timm":
            module, spec = _timm(asked, spec, weights), _trained(spec)
        else:
            module, spec = build(spec), _trained(spec)
            _fill(module, _torchvision_state(weights), spec.arch, str(weights))
    return module.eval(), spec.with_weights(module)


def external_spec(text: str) -> ModelSpec:
    """The spec that `load_external` returns, hash of the weights included; remembered while their file is the same."""
    weights = _locate(parse_selector(text))
    there = weights.stat() if weights and weights.is_file() else None
    stamp = (str(weights.resolve()), there.st_mtime_ns, there.st_size) if weights and there else None
    return _remembered_spec(text, stamp)


@lru_cache(maxsize=256)
def _remembered_spec(text: str, stamp: Any) -> ModelSpec:
    return load_external(text)[1]


def default_spec(arch: str) -> ModelSpec:
    """The spec of an untrained network: units and preprocessing as its package has them.

    arch: a name in ARCHITECTURES, torchvision:NAME, timm:NAME or timm:NAME.TAG; the tag chooses preprocessing and is
    no part of the spec's arch. units is 0 for a network without a head, whose output are its features. Raises
    UnknownName, and UserError for a network that does not take square RGB images.
    """
    library, colon, name = arch.partition(":")
    units, size, mean, sd = IMAGENET_UNITS, INPUT_SIZE, IMAGENET_MEAN, IMAGENET_SD
    if not colon:
        _ = ARCHITECTURES[arch]
    elif library == "torchvision":
        if weights := _torchvision_weights(name):
            shown = weights.transforms()
            units, size, mean, sd = len(weights.meta["categories"]), shown.crop_size[0], shown.mean, shown.std
    elif library == "timm":
        cfg = _timm_cfg(name)
        channels, height, size = cfg.input_size
        if channels != 3 or height != size:
            raise UserError(f"{arch} takes inputs of {channels} x {height} x {size}; only square RGB images are given")
        arch, units, mean, sd = f"timm:{name.partition('.')[0]}", max(0, cfg.num_classes), cfg.mean, cfg.std
    else:
        raise UnknownName("library of networks", library, LIBRARIES)
    return ModelSpec(arch, units, _head(units), (), size, (mean[0], mean[1], mean[2]), (sd[0], sd[1], sd[2]))


def build_external(spec: ModelSpec) -> nn.Module:
    """An untrained network of torchvision or timm, with a head of spec.units for images of spec.input_size pixels."""
    library, _, name = spec.arch.partition(":")
    extra: dict[str, Any] = {}
    if library == "torchvision":
        from torchvision.models import get_model

        _torchvision_weights(name)
        if name.startswith("vit_"):
            extra = {"image_size": spec.input_size}
        elif name.startswith("maxvit"):
            extra = {"input_size": (spec.input_size, spec.input_size)}
        elif name in ("googlenet", "inception_v3"):  # as with torchvision's weights, less the heads for training
            extra = {"aux_logits": False, "transform_input": True, "init_weights": True}
        return get_model(name, weights=None, num_classes=spec.units, **extra)
    if library == "timm":
        import timm

        if _timm_cfg(name).fixed_input_size:
            extra = {"img_size": spec.input_size}
        return timm.create_model(name, pretrained=False, num_classes=spec.units, **extra)
    raise UnknownName("library of networks", library, LIBRARIES)


def load_trunk(module: nn.Module, spec: ModelSpec) -> None:
    """Put torchvision's ImageNet weights into a network of spec.arch, a torchvision name, but for the head."""
    weights = _locate(parse_selector(f"torchvision:{spec.arch}"))
    assert weights is not None
    own = module.state_dict()
    state = _torchvision_state(weights) | {key: own[key] for key in _head_keys(spec, module)}
    _fill(module, state, spec.arch, str(weights))


def load_folder(folder: Path) -> tuple[nn.Module, ModelSpec]:
    """(nn.Module, ModelSpec) from a folder with weights.safetensors and spec.json.

    Raises UserError when a file is missing or the weights are not those of the spec.
    """
    from safetensors.torch import load_file

    again = "train it again with force=true, or take an undamaged copy"
    try:
        spec = ModelSpec.from_json(json.loads((folder / "spec.json").read_text()))
        weights = load_file(folder / "weights.safetensors")
    except (*UNREADABLE, AttributeError) as error:
        raise UserError(f"model in {folder} cannot be read ({error}); {again}") from error
    module = build(spec)
    _fill(module, weights, spec.arch, f"model in {folder}")
    if spec.with_weights(module).weights != spec.weights:
        raise UserError(f"model in {folder}: the weights are not those of its spec; {again}")
    return module.eval(), spec


def _head(units: int) -> dict[str, tuple[int, int]]:
    return {"imagenet": (0, units)} if units == IMAGENET_UNITS else {}


def _trained(spec: ModelSpec) -> ModelSpec:
    return replace(spec, supervised=tuple(spec.head))


def _head_keys(spec: ModelSpec, module: nn.Module) -> list[str]:
    """Names of the parameters whose shape depends on the number of output units. module: any network of the spec."""
    own, other = module.state_dict(), build(replace(spec, units=spec.units + 1)).state_dict()
    return [key for key in other if key not in own or own[key].shape != other[key].shape]


def _torchvision_weights(name: str) -> Any:
    """The default weights (an enum's member) of one of torchvision's classifiers, None where it has none."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UnknownName("torchvision network", name, known)
    return getattr(models.get_model_weights(name), "DEFAULT", None)


def _timm_cfg(name: str) -> Any:
    """timm's PretrainedCfg of NAME or NAME.TAG."""
    import timm
    from timm.models import PretrainedCfg, get_arch_pretrained_cfgs, get_pretrained_cfg

    base, tag, _ = name.partition(".")
    if not timm.is_model(base):
        raise UnknownName("timm network", base, timm.list_models())
    tagged = get_arch_pretrained_cfgs(base)
    if tag and name not in tagged:
        raise UnknownName("timm network", name, tagged)
    return get_pretrained_cfg(name) or PretrainedCfg()


def _locate(asked: Selector) -> Path | None:
    """The file of the weights, downloaded if need be; None for random weights."""
    import torch

    cache = Path(torch.hub.get_dir()) / "checkpoints"
    if asked.scheme == "file":
        path = Path(asked.name).expanduser()
        if path.is_dir():
            folder = path / "artifacts" if (path / "artifacts" / "spec.json").is_file() else path
            return folder / "weights.safetensors"
        if not path.is_file():
            raise BadValue("models", asked.text, "there is no such file or folder")
        return path
    if asked.seed is not None:
        return None
    nothing = UserError(f"models={asked.text}: there are no trained weights; {asked.text}@random is untrained")
    if asked.scheme == "torchvision":
        weights = _torchvision_weights(asked.name)
        if weights is None:
            raise nothing
        megabytes = weights.meta.get("_file_size")
        path = cache / Path(urlparse(weights.url).path).name
        return _fetched(asked.text, weights.url, path, f" ({megabytes:.0f} MiB)" if megabytes else "")
    cfg = _timm_cfg(asked.name)
    if cfg.hf_hub_id:
        from huggingface_hub import hf_hub_url, try_to_load_from_cache

        repo, _, revision = cfg.hf_hub_id.partition("@")
        name = cfg.hf_hub_filename or "model.safetensors"
        for there in (name, "model.safetensors", "pytorch_model.bin"):
            found = try_to_load_from_cache(repo, there, revision=revision or None)
            if isinstance(found, str):
                return Path(found)
        kept = ".".join(filter(None, (asked.name.partition(".")[0], cfg.tag))) + Path(name).suffix
        return _fetched(asked.text, hf_hub_url(repo, name, revision=revision or None), cache / kept)
    if not cfg.url:
        raise nothing
    return _fetched(asked.text, cfg.url, cache / Path(urlparse(cfg.url).path).name)


def _fetched(selector: str, url: str, path: Path, size: str = "") -> Path:
    """path, downloaded from url unless it is there; raises UserError that says how to do that by hand."""
    import torch

    if path.is_file():
        return path
    before = socket.getdefaulttimeout()  # torch.hub takes no timeout, and would wait for ever
    promised = re.search(r"-([a-f0-9]{8,})\.", path.name)  # torch.hub: the file's SHA-256 begins like this
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        socket.setdefaulttimeout(TIMEOUT)
        shown = sys.stderr.isatty()
        torch.hub.download_url_to_file(url, str(path), promised[1] if promised else None, progress=shown)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise UserError(
            f"models={selector}: the weights {path.name}{size} are not on this machine and cannot be downloaded "
            f"({_line(error)}); fetch {url} elsewhere and put it into {path.parent} as {path.name}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return path


def _from_file(asked: Selector, weights: Path) -> tuple[nn.Module, ModelSpec]:
    """A folder's network, or a state dict's: with a head as large as the file's, ImageNet's where it has 1000 units."""
    if Path(asked.name).expanduser().is_dir():
        if asked.arch or asked.input_size:
            raise BadValue("models", asked.text, "a folder has its own spec.json; leave out what follows the ?")
        return load_folder(weights.parent)
    if not asked.arch:
        known = ", ".join(ARCHITECTURES)
        raise BadValue("models", asked.text, f"add ?arch=NAME ({known}, torchvision:NAME or timm:NAME)")
    spec = default_spec(asked.arch)
    spec = replace(spec, input_size=asked.input_size or spec.input_size)
    module = build(spec)
    state = _stripped(_read_state(weights), set(module.state_dict()))
    units = next((len(state[key]) for key in _head_keys(spec, module) if key in state and state[key].ndim), spec.units)
    if units != spec.units:
        spec = replace(spec, units=units, head=_head(units))
        module = build(spec)
    _fill(module, state, spec.arch, str(weights))
    return module, _trained(spec)


def _timm(asked: Selector, spec: ModelSpec, weights: Path) -> nn.Module:
    """timm's own way of loading, because it converts the keys of older files."""
    import timm
    import torch

    cfg = _timm_cfg(asked.name)
    custom = cfg.custom_load == "hf" if cfg.hf_hub_id else bool(cfg.custom_load)
    overlay = {"file": str(weights), "custom_load": custom}  # its own search would ask the network first
    try:
        with torch.random.fork_rng(devices=[]):  # it draws weights before it loads them
            return timm.create_model(asked.name, True, pretrained_cfg_overlay=overlay, num_classes=spec.units)
    except UNREADABLE as error:
        raise UserError(f"weights in {weights} do not fit {asked.title} ({_line(error)}); fetch them again") from error


def _torchvision_state(weights: Path) -> dict[str, torch.Tensor]:
    """torchvision's file with the names of today: no auxiliary heads, `norm1` where DenseNets had `norm.1`."""
    state = _read_state(weights)
    renamed = {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key): state[key] for key in state}
    return {key: value for key, value in renamed.items() if not re.match(r"(aux\d|AuxLogits)\.", key)}


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """name -> tensor of a .safetensors file or of one that torch.save wrote; runs no code that the file brings."""
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UserError(
            f"weights in {path} cannot be read ({_line(error)}); the file is damaged or holds more than tensors: "
            "fetch it again, or save the network's state_dict() alone"
        ) from error
    while isinstance(state, Mapping) and any(isinstance(state.get(name), Mapping) for name in CONTAINERS):
        state = next(state[name] for name in CONTAINERS if isinstance(state.get(name), Mapping))
    if not isinstance(state, Mapping) or {torch.is_tensor(value) for value in state.values()} != {True}:
        raise UserError(f"weights in {path} are no state dict (name -> tensor); save the network's state_dict()")
    return dict(state)


def _stripped(state: Mapping[str, torch.Tensor], keys: set[str]) -> dict[str, torch.Tensor]:
    """The state with up to two PREFIXES taken off its names, as far as that makes more of them fit."""
    chains = ["", *PREFIXES, *(one + two for one in PREFIXES for two in PREFIXES)]
    renamed = ({key.removeprefix(chain): value for key, value in state.items()} for chain in chains)
    return max(renamed, key=lambda names: len(keys & set(names)))  # the shortest chain of equals


def _fill(module: nn.Module, state: Mapping[str, torch.Tensor], arch: str, origin: str) -> None:
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
    module.load_state_dict(state, strict=False)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]} ..."
