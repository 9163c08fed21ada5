"""The study file: parameters by entry point, lists that are crossed, and every mistake with its line."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.parameters import ENTRIES, STORE_PATCH, WAIT, Entry, Parameter
from mlspatial.core.secrets import found_in
from mlspatial.registry.patience import OWN_PLACES
from mlspatial.steps import load_entries

ORDER = ("render", "tune", "train", "score", "similarity", "decode", "tuning", "compare")  # in which they are run
BACKENDS = ("loky", "dask")
MOST_CALLS = 100_000  # of one section: more is a slip of a list
MERGE = "<<"  # YAML's own key that takes over another mapping


@dataclass(frozen=True)
class Step:
    """One call of an entry point with all its parameters resolved. given: those that its section of the file names;
    wait: whether it waits for who is making the same."""

    entry: str
    parameters: dict[str, Any]
    line: int
    given: tuple[str, ...] = ()
    wait: bool = True


@dataclass(frozen=True)
class StudyFile:
    """A study as it was written. jobs: in parallel, 0 for one a core; backend: loky (this machine) or dask; scheduler:
    address of a dask scheduler that runs already; together: networks that one call may train on the same batches, 0
    for 8 when jobs=1 and else 1; cluster: kind and settings of a queue, for dask-jobqueue; store_patch: whether
    its runs keep uncommitted changes."""

    path: Path
    name: str
    text: str
    steps: tuple[Step, ...]
    jobs: int = 1
    backend: str = "loky"
    scheduler: str = ""
    together: int = 0
    cluster: dict[str, Any] = field(default_factory=dict)
    store_patch: bool = True

    def with_options(self, *, jobs: int = -1, backend: str = "", scheduler: str = "", together: int = -1) -> StudyFile:
        """What was asked for on the command line wins over the file; a scheduler's address means dask."""
        given: dict[str, Any] = {}
        for name, value in (("jobs", jobs), ("together", together)):
            if value < -1:
                raise BadValue(name, value, "must be 0 or more (-1: as the file says)")
            given |= {name: value} if value >= 0 else {}
        if backend and backend not in BACKENDS:
            raise UnknownName("backend", backend, BACKENDS)
        if backend == "loky":
            if scheduler:
                raise BadValue("scheduler", scheduler, "is for backend=dask; leave one of the two out")
            given |= {"scheduler": "", "cluster": {}}
        if scheduler:
            given |= {"backend": "dask", "scheduler": scheduler, "cluster": {}}
        given |= {"backend": backend} if backend else {}
        made = replace(self, **given)
        if made.scheduler and jobs >= 0:
            raise BadValue(
                "jobs", jobs, f"has no meaning with scheduler={made.scheduler}, whose workers are there; leave it out"
            )
        return made


#: top-level keys beside the entry points -> what a value must be
OPTIONS = {
    "jobs": Parameter("jobs", int, "", least=0),
    "backend": Parameter("backend", str, "", choices=BACKENDS),
    "scheduler": Parameter("scheduler", str, ""),
    "together": Parameter("together", int, "", least=0),
    "store_patch": STORE_PATCH,
}
KEYS = ("name", *OPTIONS, "cluster", "defaults", *ORDER)


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
    except RecursionError as error:
        raise UserError(f"config={path}: is not YAML (it is nested too deeply)") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config={path}: is not YAML ({' '.join(str(error).split())})") from error
    for line, what in found_in(text, yaml=True):
        raise UserError(
            f"{path}, line {line}: holds {what}, and a study's file is kept with its run; {OWN_PLACES}, or have the "
            "prologue of a job read a file of its own"
        )
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"config={path}: must begin with `name: ...`")
    return _Reader(path, loader).read(text, root)


def namesakes(path: Path, name: str) -> list[Path]:
    """Other study files beside this one with the same name: the runs of both would be found as one study."""
    pattern = re.compile(rf"^name:\s*[\"']?{re.escape(name)}[\"']?\s*(#.*)?$", re.MULTILINE)
    found = []
    for other in sorted(path.parent.glob("*.y*ml")):
        with suppress(OSError):  # a folder, or another user's
            if other.resolve() != path.resolve() and pattern.search(other.read_text(errors="replace")):
                found.append(other)
    return found


class _Reader:
    """Walks the nodes of one file, which know their lines."""

    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self.path, self.loader = path, loader
        load_entries()
        self.entries = {name: ENTRIES[name] for name in ORDER}
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
        for option, parameter in OPTIONS.items():
            if option in nodes:
                node = nodes[option][1]
                self._value(node, option)  # is one value
                options[option] = self._converted(parameter, "", node)
        if "cluster" in nodes:
            options["cluster"] = self._cluster(nodes["cluster"][1])
        self._check_together(options, nodes)
        if "defaults" in nodes:
            self._read_defaults(nodes["defaults"][1])
        steps: list[Step] = []
        for entry in ORDER:
            if entry in nodes:
                value = nodes[entry][1]
                for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    steps += self._steps(entry, node)
        return StudyFile(self.path, name, text, tuple(steps), **options)

    def _check_together(self, options: dict[str, Any], nodes: dict[str, tuple[yaml.Node, yaml.Node]]) -> None:
        """Refuse options that contradict each other. A scheduler or a cluster means dask."""
        dask = [name for name in ("scheduler", "cluster") if options.get(name)]
        for name in dask:
            if options.setdefault("backend", "dask") != "dask":
                raise self._error(nodes[name][0], f"{name} is for `backend: dask`; leave one of the two out")
        if len(dask) > 1:
            raise self._error(
                nodes["cluster"][0], "a scheduler that runs already needs no cluster; leave one of the two out"
            )
        if options.get("scheduler") and "jobs" in options:
            raise self._error(
                nodes["jobs"][0], "jobs has no meaning with a scheduler, whose workers are there; leave it out"
            )

    def _steps(self, entry: str, node: yaml.Node) -> Iterator[Step]:
        known = _parameters(self.entries[entry])
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{entry} needs `parameter: value` lines")
        axes = {name: values for name, values in self.defaults.items() if name in known}
        given = self._pairs(node, entry)
        for name, (key, value) in given.items():
            if name not in known:
                raise self._error(key, UnknownName(f"{entry} parameter", name, known))
            axes[name] = self._values(name, value)
        if missing := [name for name, parameter in known.items() if parameter.required and name not in axes]:
            raise self._error(node, f"{entry}: {missing[0]} is missing")
        values = [[self._converted(known[name], entry, item) for item in items] for name, items in axes.items()]
        if (number := math.prod(map(len, values))) > MOST_CALLS:
            raise self._error(
                node, f"{entry}: its lists cross to {number:,} calls, more than {MOST_CALLS:,}; shorten one"
            )
        for combination in itertools.product(*values):
            chosen = dict(zip(axes, combination, strict=True))
            wait = chosen.pop(WAIT.name, WAIT.default)
            yield Step(entry, self.entries[entry].defaults | chosen, _line(node), tuple(given), wait)

    def _read_defaults(self, node: yaml.Node) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, "defaults needs `parameter: value` lines")
        known = {name for entry in self.entries.values() for name in _parameters(entry)}
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

    def _converted(self, parameter: Parameter, entry: str, node: yaml.Node) -> Any:
        try:
            return parameter.convert(node.value)
        except BadValue as error:
            raise self._error(node, f"{entry}: {error}" if entry else error) from error

    def _error(self, node: yaml.Node, what: object) -> UserError:
        return UserError(f"{self.path}, line {_line(node)}: {what}")


def _parameters(entry: Entry) -> dict[str, Parameter]:
    """name -> parameter of an entry point, without those that are the study's own business."""
    return {parameter.name: parameter for parameter in entry.parameters if parameter.name != "study"}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
