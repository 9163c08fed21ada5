"""Benchmarks by name: a registered one with its parameters, a YAML, one that Brain-Score knows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlspatial.benchmarks.base import BENCHMARKS, Benchmark, Found
from mlspatial.benchmarks.choice_files import load_choices
from mlspatial.benchmarks.descriptions import read_yaml
from mlspatial.benchmarks.rdms import load_geometries
from mlspatial.benchmarks.recordings import KEYS, load_benchmark
from mlspatial.benchmarks.sessions import load_sessions
from mlspatial.benchmarks.triplet_files import load_triplets
from mlspatial.core.errors import BadValue, UnknownName
from mlspatial.models.lazy import Network

HERE = Path(__file__).parent
YAML = (".yaml", ".yml")
PARAMETER = re.compile(r"[,:](?=[a-z_]+=)")  # what separates the parameters behind a name
Resolve = Callable[[str], Network]
#: key of a YAML -> what reads one that has it; recordings have none of them
FORMS: dict[str, Callable[[Path], Benchmark]] = {
    "rdms": load_geometries,
    "choices": load_choices,
    "sessions": load_sessions,
    "triplets": load_triplets,
}


def find(name: str, *, download: bool = False, resolve: Resolve | None = None, fast: bool = True) -> Found:
    """A benchmark but for its data, as `find_benchmark` or one that Brain-Score knows.

    download: whether Brain-Score may fetch files; fast: whether one of Brain-Score's has to have a fast form here.
    Raises UnknownName, or UserError for data that lack and for what has no fast form.
    """
    from mlspatial.benchmarks import brainscore

    if name.split(":")[0] in known_benchmarks() or name.endswith(YAML):
        return Found.of(find_benchmark(name, resolve=resolve))
    try:
        return brainscore.found(name, download, fast)
    except UnknownName as error:
        raise UnknownName("benchmark", name, [*known_benchmarks(), *error.known]) from error


def find_benchmark(name: str, *, resolve: Resolve | None = None) -> Benchmark:
    """A benchmark by registered name, by the name of a YAML shipped beside this file, or by a YAML's path.

    Parameters of a registered one follow its name: `simulated_it:layer=avgpool,trials=40`, `nsd:subj01:FFA-1`.
    resolve: what turns the address of a network (`network=models:/NAME/1`) into the network. Raises UnknownName,
    BadValue for a parameter, or UserError when data are not there or do not fit together.
    """
    path = Path(name) if name.endswith(YAML) else HERE / f"{name}.yaml"
    if path.is_file():
        return load_yaml(path)
    kind, settings, _ = taken_apart(name)
    build = BENCHMARKS[kind]
    if resolve is not None and "resolve" in inspect.signature(build).parameters:
        settings["resolve"] = resolve
    return build(**settings)


def taken_apart(name: str) -> tuple[str, dict[str, Any], list[str]]:
    """(registered name, settings of what builds it, the parameters that the text gives) of a benchmark's name.

    Raises UnknownName, BadValue for a parameter.
    """
    first, *parameters = PARAMETER.split(name)
    kind, *words = first.split(":")
    if kind not in BENCHMARKS:
        raise UnknownName("benchmark", first, known_benchmarks())
    defaults = {key: parameter.default for key, parameter in inspect.signature(BENCHMARKS[kind]).parameters.items()}
    if len(words) > len(defaults):
        raise BadValue(kind, name, f"has at most {len(defaults)} words, {', '.join(defaults)}")
    parameters = [f"{key}={word}" for key, word in zip(defaults, words, strict=False)] + parameters
    settings = _settings(kind, {k: v for k, v in defaults.items() if isinstance(v, int | float | str)}, parameters)
    return kind, settings, list(dict.fromkeys(part.partition("=")[0] for part in parameters))


def load_yaml(path: Path) -> Benchmark:
    """The benchmark that a YAML describes; its keys say of which kind. Raises UserError with the key at fault."""
    settings, _ = read_yaml(path, KEYS)
    return next((load for key, load in FORMS.items() if key in settings), load_benchmark)(path)


def known_benchmarks() -> list[str]:
    return sorted([*BENCHMARKS, *(path.stem for path in HERE.glob("*.yaml"))])


def benchmark_names(text: str) -> list[str]:
    """The names in a comma list, whose names may have parameters with commas of their own."""
    names: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if names and re.match(r"[a-z_]+=", part):
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names


def _settings(name: str, defaults: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """key=value texts as arguments of the function that builds a benchmark, of its defaults' types."""
    found: dict[str, Any] = {}
    for part in parts:
        key, _, text = part.partition("=")
        if key not in defaults:
            raise UnknownName(f"parameter of {name}", key, defaults)
        kind = type(defaults[key])
        try:
            found[key] = kind(text)
        except ValueError:
            raise BadValue(f"{name}: {key}", text, f"must be a number, as {defaults[key]}") from None
    return found
