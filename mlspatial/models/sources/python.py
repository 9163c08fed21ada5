"""A network of one's own: python:MODULE:NAME, a class or a function that makes an nn.Module, with ?weights=FILE.

MODULE is looked for in the working directory, in the folders of MLSPATIAL_PLUGINS and among installed packages. Options
that are none of selectors go to NAME as arguments, as ?width=32&depth=(2,2); input_size does, too, where NAME takes it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.code import source_file
from mlspatial.core.errors import BadValue, UnknownName, UserError, in_one_line
from mlspatial.core.plugins import load_own
from mlspatial.core.progress import say
from mlspatial.models.build import build
from mlspatial.models.sources.base import OPTIONS, SOURCES, Selector, Source, trained
from mlspatial.models.sources.files import Files, of_checkpoint
from mlspatial.models.spec import INPUT_SIZE, ModelSpec, grey, imagenet_head, weights_hash

if TYPE_CHECKING:
    from torch import nn

WEIGHTS, PART, SIZE = "weights", "part", "input_size"


@SOURCES.register("python")
class Python(Source):
    """What a user's own code makes; its head is what that code gives it."""

    kind = "a network of your own"
    options = None
    fixed = True

    def arch(self, asked: Selector) -> str:
        arguments = sorted(f"{name}={value}" for name, value in asked.options.items() if name not in (WEIGHTS, PART))
        return f"python:{asked.name}" + ("?" + "&".join(arguments) if arguments else "")

    def spec(self, name: str) -> ModelSpec:
        return ModelSpec(f"python:{name}", 0, {}, (), INPUT_SIZE)

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """With the units that the network gives for a grey image; 0 when that is not one row of numbers."""
        import torch

        from mlspatial.models.layers import tensors

        module = build(spec, seed=0).eval()
        try:
            with torch.inference_mode():
                output = next(tensors(module(grey(spec))))
        except Exception as error:  # of a user's own code, whatever it is; told with its line
            what = f"fails on an image of {spec.input_size} pixels ({_told(error)})"
            raise UserError(f"{spec.arch} {what}; another size is said as ?input_size=64") from error
        units = output.shape[1] if output.ndim == 2 and len(output) == 1 else 0
        return replace(spec, units=units, head=imagenet_head(units))

    def build(self, spec: ModelSpec) -> nn.Module:
        from torch import nn

        name, _, query = spec.arch.removeprefix("python:").partition("?")
        make, arguments = _named(name), dict(clause.split("=", 1) for clause in query.split("&") if clause)
        values: dict[str, Any] = {key: _value(text) for key, text in arguments.items()}
        takes = inspect.signature(make).parameters
        if SIZE in takes:
            values[SIZE] = spec.input_size
        any_name = any(one.kind is one.VAR_KEYWORD for one in takes.values())
        if unknown := [key for key in values if key not in takes and not any_name]:
            known = ", ".join(dict.fromkeys((*takes, WEIGHTS, PART, *OPTIONS)))
            raise BadValue("models", spec.arch, f"has an unknown option {unknown[0]!r}; known: {known}")
        if lacking := [key for key, one in takes.items() if _is_needed(one) and key not in values]:
            raise BadValue("models", spec.arch, f"{name} needs {lacking[0]}; add it as an option, ?{lacking[0]}=VALUE")
        try:
            made = make(**values)
        except Exception as error:  # the same
            raise UserError(f"{spec.arch}: making the network fails ({_told(error)})") from error
        if not isinstance(made, nn.Module):
            raise BadValue(
                "models", spec.arch, f"{name} gives an object of type {type(made).__name__}, not an nn.Module"
            )
        return made

    def maker(self, name: str) -> Any:
        return _named(name.partition("?")[0])

    def files(self, asked: Selector) -> list[Path]:
        return [self.weights(asked)] if WEIGHTS in asked.options else []

    located = files

    def weights(self, asked: Selector) -> Path:
        return Files().weights(replace(asked, name=asked.options[WEIGHTS]))

    def load(self, asked: Selector) -> tuple[nn.Module, ModelSpec]:
        """With the weights of a file, drawn, or as the code makes it, if that is always the same."""
        spec = self.settled(asked.applied(self.spec(self.arch(asked).removeprefix("python:"))))
        if WEIGHTS in asked.options:
            if asked.drawn is not None:
                raise BadValue("models", asked.text, "is drawn at random, or has weights=FILE; leave one of them out")
            return of_checkpoint(spec, self.weights(asked), asked.options.get(PART, ""))
        if asked.drawn is not None:
            return build(spec, seed=asked.drawn), spec
        module = build(spec, seed=0)
        if weights_hash(module) != weights_hash(build(spec, seed=1)):
            advice = f"add ?weights=FILE, or draw it with a seed: python:{asked.name}@random0"
            raise BadValue("models", asked.text, f"its weights differ each time that it is made; {advice}")
        return module, trained(spec)


def _named(text: str) -> Any:
    """What MODULE:NAME says. Raises UserError when it says nothing, or its code fails."""
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise BadValue("models", f"python:{text}", "must be python:MODULE:NAME, as python:mynetworks:Small")
    found = _module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnknownName(f"name in {module}", name, _callables(found))
        found = getattr(found, part)
    if not callable(found):
        raise BadValue(
            "models", f"python:{text}", f"{name} is of type {type(found).__name__}; name a class or a function"
        )
    return found


@cache
def _module(name: str) -> Any:
    """A module, whose code is run when it is first asked for; says so."""
    load_own()
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    if file := source_file(name):
        say(f"python:{name}: running {file}")
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            places = "the working directory, the folders of MLSPATIAL_PLUGINS and installed packages"
            raise BadValue(
                "models", f"python:{name}", f"there is no module {error.name}; looked in {places}"
            ) from error
        raise UserError(f"python:{name}: importing it fails ({_told(error)})") from error


def _callables(module: Any) -> Iterable[str]:
    """The classes and functions that a module itself defines."""
    own = getattr(module, "__name__", "")
    return [name for name, one in vars(module).items() if callable(one) and getattr(one, "__module__", "") == own]


def _value(text: str) -> Any:
    """An argument as Python would read it, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text, text)


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _told(error: BaseException) -> str:
    """An error and the line of code it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {frames[-1].filename} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {in_one_line(error)}{where}"
