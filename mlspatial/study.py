"""A grid of conditions from a YAML file: what the registry lacks is made, the rest is answered."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.registry import runs
from mlspatial.steps.progress import say

VERSION = 1
CHILDREN = "children.txt"  # artifact: ids of the runs that make up the study
ENTRIES = ("render", "tune", "train", "score", "similarity", "decode", "compare")  # in the order in which they are run


@dataclass(frozen=True)
class Step:
    """One call of an entry point with all its parameters resolved."""

    entry: str
    parameters: dict[str, Any]
    line: int

    def run(self, study: str) -> list[str]:
        function = getattr(importlib.import_module(f"mlspatial.steps.{self.entry}"), self.entry)
        made = function(**{**self.parameters, "study": study})
        return [made] if isinstance(made, str) else made


def study(*, config: str) -> str:
    """Run every step of a study file that no finished run answers; return the id of the study's own run."""
    path = Path(config)
    name, steps = load(path)
    spec = runs.Spec("study", VERSION, {"config": content_id(path.read_text())}, {"config": config, "name": name})
    earlier = runs.finished(spec)
    with runs.project_run_reserved():
        children = _run_all(name, steps) if earlier else []
    changed = earlier is not None and set(children) != set(_children(earlier))
    with runs.open_run(spec, name=f"study {name}", study=name, parents=children, force=changed) as run:
        if not run.answered:
            children = children or _run_all(name, steps)
            run.log_file(path)
            run.log_text("\n".join(children), CHILDREN)
    return run.id


def _children(record: runs.RunRecord) -> list[str]:
    return runs.download(record.id, CHILDREN).read_text().split()


def _run_all(name: str, steps: list[Step]) -> list[str]:
    made: list[str] = []
    for number, step in enumerate(steps, 1):
        facts = ", ".join(
            f"{key}={step.parameters[key]}" for key in ("dataset", "task", "seed") if key in step.parameters
        )
        say(f"study {name}: step {number} of {len(steps)}: {step.entry} {facts}")
        made += step.run(name)
    return list(dict.fromkeys(made))


def load(path: Path) -> tuple[str, list[Step]]:
    """Name and steps of a study file. Raises UserError with line, key and the nearest valid key.

    The file has `name` and a section for every entry point: one set of parameters or a list of them. A parameter with
    a list of values is crossed with the others.
    """
    try:
        text = path.read_text()
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except OSError as error:
        raise UserError(f"config={path}: cannot be read ({error.strerror}); see the files in studies/") from error
    except yaml.YAMLError as error:
        raise UserError(f"config={path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"config={path}: must begin with `name: ...`")
    sections: dict[str, list[Step]] = {entry: [] for entry in ENTRIES}
    for key, value in root.value:
        if key.value == "name":
            continue
        if key.value not in ENTRIES:
            raise UserError(f"{path}, line {_line(key)}: {UnknownName('key', key.value, ['name', *ENTRIES])}")
        for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            sections[key.value] += _steps(path, key.value, node)
    name = str(data.get("name") or "")
    if not name or "," in name:
        raise UserError(f"{path}: name is missing or holds a comma; write `name: my_study`")
    return name, [step for entry in ENTRIES for step in sections[entry]]


def _steps(path: Path, entry: str, node: yaml.Node) -> Iterator[Step]:
    command = importlib.import_module(f"entrypoints.{entry}").main
    known = {option.name for option in command.params} - {"study", "help"}
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}, line {_line(node)}: {entry} needs `parameter: value` lines")
    axes: list[list[tuple[str, str]]] = []
    for key, value in node.value:
        if key.value not in known:
            raise UserError(f"{path}, line {_line(key)}: {UnknownName(f'{entry} parameter', key.value, known)}")
        values = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if any(not isinstance(item, yaml.ScalarNode) for item in values):
            raise UserError(f"{path}, line {_line(value)}: {key.value} must be a value or a list of values")
        axes.append([(key.value, item.value) for item in values])
    for combination in itertools.product(*axes):
        arguments = [part for key, value in combination for part in (f"--{key}", value)]
        try:
            context = command.make_context(entry, arguments)
        except click.ClickException as error:
            raise UserError(f"{path}, line {_line(node)}: {entry}: {error.format_message()}") from error
        yield Step(entry, dict(context.params), _line(node))


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
