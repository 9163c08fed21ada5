"""Networks from outside the registry: those of libraries, files of weights, and names of the zoo.

Selectors: `torchvision:NAME` or `torchvision:NAME.WEIGHTS`, `timm:NAME` or `timm:NAME.TAG`, `openclip:ARCH/PRETRAINED`
(the image tower), `visualpriors:TASK` (Taskonomy's encoders), all with the source's trained weights and with `@random`
or `@randomN` (drawn with seed 0 or N, no download); `mlspatial:NAME@random`; `file:PATH`, a folder with
weights.safetensors and spec.json; `file:PATH?arch=ARCH&input_size=224`, a checkpoint (.pt, .pth, .safetensors, .npz) in
one of the layouts of sources_files, also by its name alone when it lies in torch.hub's folder; `zoo:NAME`, a network of
zoo.yaml (see catalogue).
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlparse

from mlspatial.core.errors import BadValue, UserError
from mlspatial.models import catalogue
from mlspatial.models.sources import (
    LIBRARIES,
    build_external,
    default_spec,
    head,
    openclip_cfg,
    taskonomy_url,
    timm_cfg,
    torchvision_weights,
)
from mlspatial.models.sources_files import UNREADABLE, fill, line, read_state, renamed
from mlspatial.models.zoo import ARCHITECTURES, ModelSpec, build, no_initial_values

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "LIBRARIES",
    "SCHEMES",
    "Selector",
    "build_external",
    "default_spec",
    "external_spec",
    "is_external",
    "load_external",
    "load_folder",
    "load_trunk",
    "parse_selector",
]

SCHEMES = (*LIBRARIES, "file", "zoo")
AGAIN = "train it again with force=true, or take an undamaged copy"
TIMEOUT = 20  # seconds without an answer before a download is given up


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
    if scheme == "zoo":
        return parse_selector(catalogue.only(text))
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
        known = ", ".join(LIBRARIES)
        raise BadValue("models", text, f"must be LIBRARY:NAME ({known}), perhaps with @random or @randomN")
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
            state = _torchvision_state(weights) if asked.scheme == "torchvision" else read_state(weights)
            module, spec = build(spec), _trained(spec)
            if asked.scheme != "torchvision":  # a CLIP with its text tower, an encoder
                state = renamed(state, set(module.state_dict()))
            fill(module, state, spec.arch, str(weights))
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


def load_trunk(module: nn.Module, spec: ModelSpec) -> None:
    """Put torchvision's ImageNet weights into a network of spec.arch, a torchvision name, but for the head."""
    weights = _locate(parse_selector(f"torchvision:{spec.arch}"))
    assert weights is not None
    own = module.state_dict()
    state = _torchvision_state(weights) | {key: own[key] for key in _head_keys(spec, module)}
    fill(module, state, spec.arch, str(weights))


def load_folder(folder: Path) -> tuple[nn.Module, ModelSpec]:
    """(nn.Module, ModelSpec) from a folder with weights.safetensors and spec.json.

    Raises UserError when a file is missing or the weights are not those of the spec.
    """
    from safetensors.torch import load_file

    spec = read_spec(folder)
    try:
        weights = load_file(folder / "weights.safetensors")
    except UNREADABLE as error:
        raise UserError(f"model in {folder} cannot be read ({error}); {AGAIN}") from error
    with no_initial_values():
        module = build(spec)
    fill(module, weights, spec.arch, f"model in {folder}")
    if spec.with_weights(module).weights != spec.weights:
        raise UserError(f"model in {folder}: the weights are not those of its spec; {AGAIN}")
    return module.eval(), spec


def read_spec(folder: Path) -> ModelSpec:
    """The spec of a folder that `load_folder` reads. Raises UserError when it cannot be read."""
    try:
        return ModelSpec.from_json(json.loads((folder / "spec.json").read_text()))
    except (*UNREADABLE, AttributeError) as error:
        raise UserError(f"model in {folder} cannot be read ({error}); {AGAIN}") from error


def _trained(spec: ModelSpec) -> ModelSpec:
    return replace(spec, supervised=tuple(spec.head))


def _sketch(spec: ModelSpec) -> nn.Module:
    """A network of names and shapes, without values."""
    import torch

    with torch.device("meta"):
        return build(spec)


def _head_keys(spec: ModelSpec, module: nn.Module) -> list[str]:
    """Names of the parameters whose shape depends on the number of output units. module: any network of the spec."""
    if spec.arch.startswith(("openclip:", "visualpriors:")):  # these have the units that they have
        return []
    own, other = module.state_dict(), _sketch(replace(spec, units=spec.units + 1)).state_dict()
    return [key for key in other if key not in own or own[key].shape != other[key].shape]


def _locate(asked: Selector) -> Path | None:
    """The file of the weights, downloaded if need be; None for random weights."""
    import torch

    cache = Path(torch.hub.get_dir()) / "checkpoints"
    if asked.scheme == "file":
        path = Path(asked.name).expanduser()
        if path.is_dir():
            folder = path / "artifacts" if (path / "artifacts" / "spec.json").is_file() else path
            return folder / "weights.safetensors"
        if path.is_file():
            return path
        if path.name == asked.name:
            if (cache / path.name).is_file():
                return cache / path.name
            if origin := catalogue.origin(path.name):
                raise UserError(
                    f"models={asked.text}: the weights {path.name} are not on this machine; fetch {origin} and put "
                    f"them into {cache} as {path.name}"
                )
        raise BadValue("models", asked.text, "there is no such file or folder")
    if asked.seed is not None:
        return None
    nothing = UserError(f"models={asked.text}: there are no trained weights; {asked.text}@random is untrained")
    if asked.scheme == "torchvision":
        weights = torchvision_weights(asked.name)
        if weights is None:
            raise nothing
        megabytes = weights.meta.get("_file_size")
        path = cache / Path(urlparse(weights.url).path).name
        return _fetched(asked.text, weights.url, path, f" ({megabytes:.0f} MiB)" if megabytes else "")
    if asked.scheme == "visualpriors":
        url = taskonomy_url(asked.name)
        return _fetched(asked.text, url, cache / Path(urlparse(url).path).name)
    if asked.scheme == "openclip":
        tower, _, found = openclip_cfg(asked.name)
        tag = asked.name.partition("/")[2]
        if not tag:
            raise UserError(f"models={asked.text}: say which weights, as {asked.text}/openai, or {asked.text}@random")
        repo, _, name = found.get("hf_hub", "").rpartition("/")
        if not repo:
            return _fetched(asked.text, found["url"], cache / Path(urlparse(found["url"]).path).name)
        names = [name] if name else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
        return _from_hub(asked.text, repo, names, cache / f"{tower}.{tag}")
    if asked.scheme != "timm":
        raise nothing
    cfg = timm_cfg(asked.name)
    if cfg.hf_hub_id:
        names = [cfg.hf_hub_filename or "model.safetensors", "model.safetensors", "pytorch_model.bin"]
        kept = ".".join(filter(None, (asked.name.partition(".")[0], cfg.tag)))
        return _from_hub(asked.text, cfg.hf_hub_id, names, cache / kept)
    if not cfg.url:
        raise nothing
    return _fetched(asked.text, cfg.url, cache / Path(urlparse(cfg.url).path).name)


def _from_hub(selector: str, repository: str, names: Sequence[str], kept: Path) -> Path:
    """A file of the Hugging Face hub: in its own cache, or downloaded as kept. names: tried in order; the first counts.

    kept: without the suffix. repository: as owner/name or owner/name@revision.
    """
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    repo, _, revision = repository.partition("@")
    for there in names:
        found = try_to_load_from_cache(repo, there, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    url = hf_hub_url(repo, names[0], revision=revision or None)
    return _fetched(selector, url, kept.with_name(kept.name + Path(names[0]).suffix))


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
            f"({line(error)}); fetch {url} elsewhere and put it into {path.parent} as {path.name}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return path


def _from_file(asked: Selector, weights: Path) -> tuple[nn.Module, ModelSpec]:
    """A folder's network, or a checkpoint's: with a head as large as the file's, ImageNet's where it has 1000 units.

    A library's network has no head when the file has none.
    """
    if Path(asked.name).expanduser().is_dir():
        if asked.arch or asked.input_size:
            raise BadValue("models", asked.text, "a folder has its own spec.json; leave out what follows the ?")
        return load_folder(weights.parent)
    if not asked.arch:
        known = ", ".join((*ARCHITECTURES, *(f"{library}:NAME" for library in LIBRARIES)))
        raise BadValue("models", asked.text, f"add ?arch=NAME ({known})")
    spec = default_spec(asked.arch)
    spec = replace(spec, input_size=asked.input_size or spec.input_size)
    sketch, kept = _sketch(spec), read_state(weights)
    state, last = renamed(kept, set(sketch.state_dict())), _head_keys(spec, sketch)
    headless = 0 if last and ":" in spec.arch else spec.units
    units = next((len(state[key]) for key in last if key in state and state[key].ndim), headless)
    if units != spec.units:
        spec = replace(spec, units=units, head=head(units))
        state = renamed(kept, set(_sketch(spec).state_dict()))
    module = build(spec)
    fill(module, state, spec.arch, str(weights))
    return module, _trained(spec)


def _timm(asked: Selector, spec: ModelSpec, weights: Path) -> nn.Module:
    """timm's own way of loading, because it converts the keys of older files."""
    import timm
    import torch

    cfg = timm_cfg(asked.name)
    custom = cfg.custom_load == "hf" if cfg.hf_hub_id else bool(cfg.custom_load)
    overlay = {"file": str(weights), "custom_load": custom}  # its own search would ask the network first
    try:
        with torch.random.fork_rng(devices=[]):  # it draws weights before it loads them
            return timm.create_model(asked.name, True, pretrained_cfg_overlay=overlay, num_classes=spec.units)
    except UNREADABLE as error:
        raise UserError(f"weights in {weights} do not fit {asked.title} ({line(error)}); fetch them again") from error


def _torchvision_state(weights: Path) -> dict[str, torch.Tensor]:
    """torchvision's file with the names of today: no auxiliary heads, `norm1` where DenseNets had `norm.1`."""
    state = read_state(weights)
    today = {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key): state[key] for key in state}
    return {key: value for key, value in today.items() if not re.match(r"(aux\d|AuxLogits)\.", key)}
