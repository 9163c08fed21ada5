"""The study file: parameters by entry point, lists that are crossed, and every mistake with its line."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import yaml

from mlspatial.core.errors import BadValue, UnknownName, UserError

ENTRIES = ("render", "tune", "train", "score", "similarity", "decode", "compare")  # in the order in which they are run
BACKENDS = ("loky", "dask")
MERGE = "<<"  # YAML's own key that takes over another mapping


@dataclass(frozen=True)
class Step:
    """One call of an entry point with all its parameters resolved. given: those that its section of the file names."""

    entry: str
    parameters: dict[str, Any]
    line: int
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyFile:
    """A study as it was written. jobs: in parallel, 0 for one a core; backend: loky (this machine) or dask; scheduler:
    address of a dask scheduler that runs already; together: networks that one call may train on the same batches, 0
    for 8 when jobs=1 and else 1; cluster: kind and settings of a queue, for dask-jobqueue."""

    path: Path
    name: str
    text: str
    steps: tuple[Step, ...]
    jobs: int = 1
    backend: str = "loky"
    scheduler: str = ""
    together: int = 0
    cluster: dict[str, Any] = field(default_factory=dict)

    def with_options(self, *, jobs: int = -1, backend: str = "", scheduler: str = "", together: int = -1) -> StudyFile:
        """What was asked for on the command line wins over the file; a scheduler's address means dask."""
        given: dict[str, Any] = {name: value for name, value in (("jobs", jobs), ("together", together)) if value >= 0}
        given |= {"backend": "dask", "scheduler": scheduler} if scheduler else {}
        given |= {"backend": backend} if backend else {}
        made = replace(self, **given)
        if made.backend not in BACKENDS:
            raise UnknownName("backend", made.backend, BACKENDS)
        if made.backend != "dask" and made.scheduler:
            raise BadValue("scheduler", made.scheduler, "is for backend=dask; leave one of the two out")
        return made


#: top-level keys beside the entry points -> what a value must be
OPTIONS: dict[str, click.ParamType] = {
    "jobs": click.IntRange(min=0),
    "backend": click.Choice(BACKENDS),
    "scheduler": click.STRING,
    "together": click.IntRange(min=0),
}
KEYS = ("name", *OPTIONS, "cluster", "defaults", *ENTRIES)


def load(path: Path) -> StudyFile:
    """A study file, checked. Raises UserError with line, key and the nearest valid key.

    The file has `name` and a section for every entry point: one set of parameters or a list of them. A parameter with
    a list of values is crossed with the others. `defaults` holds parameters for all sections that know them.
    """
    try:
        text = path.read_text()
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except OSError as error:
        raise UserError(f"config={path}: cannot be read ({error.strerror}); see the files in studies/") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config={path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"config={path}: must begin with `name: ...`")
    return _Reader(path, loader).read(text, root)


class _Reader:
    """Walks the nodes of one file, which know their lines."""

    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self.path, self.loader = path, loader
        self.commands = {entry: importlib.import_module(f"entrypoints.{entry}").main for entry in ENTRIES}
        self.defaults: dict[str, list[yaml.ScalarNode]] = {}

    def read(self, text: str, root: yaml.MappingNode) -> StudyFile:
        nodes = self._pairs(root, "the file")
        for name, (key, _) in nodes.items():
            if name not in KEYS:
                raise self._error(key, UnknownName("key", name, KEYS))
        name = self._value(nodes["name"][1], "name") if "name" in nodes else ""
        if not re.fullmatch(r"[\w.-]+", name):
            raise UserError(f"{self.path}: name is missing or not of letters, digits and . _ -; write `name: my_study`")
        options: dict[str, Any] = {}
        for option, kind in OPTIONS.items():
            if option in nodes:
                node = nodes[option][1]
                options[option] = self._converted(kind, option, self._value(node, option), node)
        if "cluster" in nodes:
            options["cluster"] = self._cluster(nodes["cluster"][1])
        if "defaults" in nodes:
            self._read_defaults(nodes["defaults"][1])
        steps: list[Step] = []
        for entry in ENTRIES:
            if entry in nodes:
                value = nodes[entry][1]
                for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    steps += self._steps(entry, node)
        return StudyFile(self.path, name, text, tuple(steps), **options).with_options()

    def _steps(self, entry: str, node: yaml.Node) -> Iterator[Step]:
        command = self.commands[entry]
        known = _parameters(command)
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{entry} needs `parameter: value` lines")
        axes = {name: values for name, values in self.defaults.items() if name in known}
        given = self._pairs(node, entry)
        for name, (key, value) in given.items():
            if name not in known:
                raise self._error(key, UnknownName(f"{entry} parameter", name, known))
            axes[name] = self._values(name, value)
        for name, values in axes.items():
            for item in values:
                self._converted(known[name].type, entry, item.value, item, known[name])
        for combination in itertools.product(*axes.values()):
            arguments = [part for name, item in zip(axes, combination, strict=True) for part in _argument(name, item)]
            try:
                context = command.make_context(entry, arguments)
            except click.ClickException as error:
                raise self._error(node, f"{entry}: {error.format_message()}") from error
            yield Step(entry, dict(context.params), _line(node), tuple(given))

    def _read_defaults(self, node: yaml.Node) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, "defaults needs `parameter: value` lines")
        known = {name for command in self.commands.values() for name in _parameters(command)}
        for name, (key, value) in self._pairs(node, "defaults").items():
            if name not in known:
                raise self._error(key, UnknownName("parameter", name, known))
            self.defaults[name] = self._values(name, value)

    def _cluster(self, node: yaml.Node) -> dict[str, Any]:
        try:
            settings = self.loader.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            raise self._error(node, "cluster cannot be read") from error
        if not isinstance(settings, dict) or "kind" not in settings:
            raise self._error(node, "cluster needs `kind: slurm` (or pbs, sge, lsf, ...) and dask-jobqueue's settings")
        return {str(name): value for name, value in settings.items()}

    def _pairs(self, node: yaml.MappingNode, where: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """name -> (key, value) of a mapping, `<<` resolved; a key that is given twice is a mistake."""
        own = [key.value for key, _ in node.value if key.value != MERGE]
        twice = next((key for number, (key, _) in enumerate(node.value) if key.value in own[:number]), None)
        if twice is not None and own.count(twice.value) > 1:
            raise self._error(twice, f"{twice.value} is given twice in {where}")
        try:
            self.loader.flatten_mapping(node)
        except yaml.YAMLError as error:
            raise self._error(node, f"`{MERGE}` must name a mapping with &NAME before it") from error
        return {str(key.value): (key, value) for key, value in node.value}

    def _values(self, name: str, node: yaml.Node) -> list[yaml.ScalarNode]:
        found = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values = [item for item in found if isinstance(item, yaml.ScalarNode)]
        if len(values) < len(found):
            raise self._error(node, f"{name} must be a value or a list of values")
        if not values:
            raise self._error(node, f"{name} is an empty list; give it a value or leave it out")
        return values

    def _value(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, f"{name} must be one value")
        return str(node.value)

    def _converted(
        self, kind: click.ParamType, where: str, text: str, node: yaml.Node, option: click.Parameter | None = None
    ) -> Any:
        try:
            return kind.convert(text, option, None)
        except click.BadParameter as error:
            raise self._error(node, f"{where}: {error.format_message()}") from error

    def _error(self, node: yaml.Node, what: object) -> UserError:
        return UserError(f"{self.path}, line {_line(node)}: {what}")


def _parameters(command: click.Command) -> dict[str, click.Parameter]:
    """name -> parameter of an entry point, without those that are the study's own business."""
    return {str(option.name): option for option in command.params if option.name not in ("study", "help")}


def _argument(name: str, node: yaml.ScalarNode) -> tuple[str, str]:
    return f"--{name}", node.value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
