"""Files of weights: file:PATH?arch=ARCH for a checkpoint (.pt, .pth, .safetensors, .npz), file:FOLDER with a spec.

A checkpoint is also found by its name alone in torch.hub's folder. ?part=NAME takes one of several networks in it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.hashing import content_id
from mlspatial.models.build import ARCHITECTURES, build, code_of, no_initial_values, sketch
from mlspatial.models.fetch import checkpoints
from mlspatial.models.sources.base import SOURCES, Selector, Source, find, trained
from mlspatial.models.spec import ModelSpec, imagenet_head, weights_hash
from mlspatial.models.weights import UNREADABLE, fill, named, read_state

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State

WEIGHTS, SPEC = "weights.safetensors", "spec.json"  # of a folder
AGAIN = "train it again with force=true, or take an undamaged copy"


class DamagedModel(UserError):
    """Files of a network that are missing or not what they were. problem: what is wrong, without the next step."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; {AGAIN}")
        self.problem = problem

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.problem,)


@SOURCES.register("file")
class Files(Source):
    """Weights on this machine, in a network of any other source."""

    kind = "a file"
    options = ("arch", "part")
    takes_random = False

    def arch(self, asked: Selector) -> str:
        return asked.options.get("arch", "")

    def files(self, asked: Selector) -> list[Path]:
        path = self.weights(asked)
        return [path, path.with_name(SPEC)] if path.name == WEIGHTS else [path]

    located = files

    def weights(self, asked: Selector) -> Path:
        path = Path(asked.name).expanduser()
        if path.is_dir():
            return (path / "artifacts" if (path / "artifacts" / SPEC).is_file() else path) / WEIGHTS
        if path.is_file():
            return path
        if path.name == asked.name:
            if (checkpoints() / path.name).is_file():
                return checkpoints() / path.name
            for source in (SOURCES[scheme]() for scheme in SOURCES):
                if origin := source.origin(path.name):
                    raise UserError(
                        f"models={asked.text}: the weights {path.name} are not on this machine; fetch {origin} and put "
                        f"them into {checkpoints()} as {path.name}"
                    )
        raise BadValue("models", asked.text, "there is no such file or folder")

    def load(self, asked: Selector) -> tuple[nn.Module, ModelSpec]:
        """A folder's network, or a checkpoint's."""
        path = self.weights(asked)
        if Path(asked.name).expanduser().is_dir():
            if asked.options:
                raise BadValue(
                    "models", asked.text, f"a folder has its own spec.json; leave out {', '.join(asked.options)}"
                )
            module, spec = load_folder(path.parent)
            return module, asked.applied(spec)
        if not (arch := self.arch(asked)):
            known = ", ".join((*ARCHITECTURES, *(f"{scheme}:NAME" for scheme in SOURCES)))
            raise BadValue("models", asked.text, f"add ?arch=NAME ({known})")
        source, name = find(arch)
        return of_checkpoint(source.settled(asked.applied(source.spec(name))), path, asked.options.get("part", ""))


def of_checkpoint(spec: ModelSpec, path: Path, part: str = "") -> tuple[nn.Module, ModelSpec]:
    """(network, spec) of a file of weights: with a head as large as the file's, ImageNet's where it has 1000 units.

    spec: of the untrained network; a file without a head makes a network without one, whose output are its features.
    part: of the file, where it holds several networks. Raises UserError for what cannot be read or does not fit.
    """
    state, (source, _) = read_state(path), find(spec.arch)

    def fitted(spec: ModelSpec, shapes: nn.Module) -> State:
        return source.convert(named(state, shapes.state_dict(), part, str(path)), spec, shapes)

    shapes = sketch(spec)
    found = fitted(spec, shapes)
    if not source.fixed and (head := _changed(shapes, sketch(replace(spec, units=spec.units + 1)))):
        units = next((len(found[key]) for key in head if key in found and found[key].ndim), 0)
        if units != spec.units:
            spec = replace(spec, units=units, head=imagenet_head(units))
            found = fitted(spec, sketch(spec))
    module = build(spec)
    fill(module, found, spec.arch, str(path))
    return module, trained(spec)


def _changed(one: nn.Module, two: nn.Module) -> list[str]:
    """Names of the parameters whose shape differs between two networks, or that only the second has."""
    own, other = one.state_dict(), two.state_dict()
    return [key for key in other if key not in own or own[key].shape != other[key].shape]


def load_folder(folder: Path, model_id: str = "") -> tuple[nn.Module, ModelSpec]:
    """(nn.Module, ModelSpec) from a folder with weights.safetensors and spec.json; model_id: that it must have, if any.

    Raises DamagedModel when a file is missing, cannot be read, or is not what it was, and UserError when a user's own
    code behind the network is not.
    """
    from safetensors.torch import load_file

    spec, file = read_spec(folder, model_id), folder / WEIGHTS
    try:
        weights = load_file(file)
    except UNREADABLE as error:
        raise DamagedModel(_unreadable(file, error)) from error
    with no_initial_values():
        module = build(spec)
    if spec.code and code_of(spec.arch, module) != spec.code:
        raise UserError(
            f"{folder}: the code of {spec.arch} is not that with which it was made, so it would compute something "
            "else; put that code back, or train it again with force=true"
        )
    try:
        fill(module, weights, spec.arch, str(file))
    except UserError as error:
        raise DamagedModel(str(error)) from error
    if weights_hash(module) != spec.weights:
        raise DamagedModel(f"{file}: the weights are not those of its spec")
    return module.eval(), spec


def read_spec(folder: Path, model_id: str = "") -> ModelSpec:
    """The spec of a folder that `load_folder` reads. Raises DamagedModel when it cannot be read or is another's."""
    file = folder / SPEC
    try:
        facts = json.loads(file.read_text())
        spec = ModelSpec.from_json(facts)
    except (*UNREADABLE, AttributeError) as error:
        raise DamagedModel(_unreadable(file, error)) from error
    if model_id and content_id(facts) != model_id:
        raise DamagedModel(f"{file} is not that of network {model_id}")
    return spec


def _unreadable(file: Path, error: Exception) -> str:
    return f"{file} cannot be read ({in_one_line(error) if file.exists() else 'there is no such file'})"
