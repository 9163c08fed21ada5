"""What a network is asked for: target columns, output units, loss, metrics in the latents' own units.

A task is a `+` of parts. Every network has one linear head with the units of all parts (674 for the full study), of
which only those of its task are supervised. The loss of a task is the arithmetic mean of its parts' losses
(Xie et al. 2025, appendix B).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.core.latents import LatentSchema
from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:  # torch takes seconds to import, and naming a task does not need it
    import torch

Columns = Mapping[str, "torch.Tensor"]
Statistics = Mapping[str, Mapping[str, float]]  # column -> mean and sd over the training split

HEAD_ORDER = ("distance", "translation", "rotation", "category", "identity")
ALL = "all"


class Part(ABC):
    """One family of targets. Constructed with the schema and the training statistics of a dataset."""

    columns: tuple[str, ...]

    def __init__(self, schema: LatentSchema, statistics: Statistics) -> None:
        self.schema, self.statistics = schema, statistics

    @property
    @abstractmethod
    def units(self) -> int:
        """Number of output units."""

    @abstractmethod
    def loss(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        """Mean loss of a batch. outputs: (b, units); columns: name -> (b,) in latent units. Returns a scalar."""

    @abstractmethod
    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """Named metrics over a whole split in latent units. outputs: (n, units); columns: name -> (n,)."""

    def predictions(self, outputs: torch.Tensor, columns: Columns) -> dict[str, np.ndarray]:
        """What is kept of every image of a split: name -> (n,), `loss` among them. outputs, columns: as of `metrics`.

        A target NAME is kept as NAME_true and NAME_predicted in its own unit. loss: of each image alone, so that its
        mean is that of the split for every loss that is a mean over images.
        """
        alone = ({name: values[i : i + 1] for name, values in columns.items()} for i in range(len(outputs)))
        losses = [float(self.loss(outputs[i : i + 1], one)) for i, one in enumerate(alone)]
        return {"loss": np.array(losses, np.float32)}

    def read(self, outputs: torch.Tensor) -> dict[str, np.ndarray]:
        """What the outputs say of each column, to be scored as read-outs are: name -> (n, 1) in its unit, (n, 2) sine
        and cosine of an angle, or (n,) names of classes. outputs: (n, units). Without it a part is not read."""
        return {}

    def constant(self, columns: Mapping[str, np.ndarray]) -> list[str]:
        """Names of target columns that do not vary, so that there is nothing to learn. columns: name -> (n,)."""
        return [name for name in self.columns if float(np.ptp(columns[name])) < 1e-4]


TASKS: Plugins[type[Part]] = Plugins("task")


@dataclass(frozen=True)
class Task:
    """A named combination of parts with the slices of the head that they supervise."""

    name: str
    parts: dict[str, Part]
    slices: dict[str, slice]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for part in self.parts.values() for column in part.columns))

    @property
    def units(self) -> int:
        return sum(part.units for part in self.parts.values())

    def loss(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        """The arithmetic mean of the parts' losses. outputs: (b, all units of the head)."""
        first, *others = (part.loss(outputs[:, self.slices[name]], columns) for name, part in self.parts.items())
        return sum(others, start=first) / (1 + len(others))

    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """loss, the parts' losses and their metrics, over a whole split. outputs: (n, all units of the head)."""
        values = {"loss": float(self.loss(outputs, columns))}
        for name, part in self.parts.items():
            own = outputs[:, self.slices[name]]
            values[f"{name}/loss"] = float(part.loss(own, columns))
            values |= {f"{name}/{metric}": value for metric, value in part.metrics(own, columns).items()}
        return values

    def predictions(self, outputs: torch.Tensor, columns: Columns) -> dict[str, np.ndarray]:
        """Of every image of a split: `loss`, the mean of the parts' losses, and for each part what it keeps, its loss
        as PART_loss; name -> (n,). outputs: (n, all units of the head)."""
        kept: dict[str, np.ndarray] = {}
        losses = []
        for name, part in self.parts.items():
            own = part.predictions(outputs[:, self.slices[name]], columns)
            losses.append(own.pop("loss"))
            kept |= {f"{name}_loss": losses[-1], **own}
        return {"loss": np.mean(losses, axis=0, dtype=np.float64).astype(np.float32), **kept}

    def check(self, dataset: str, columns: Mapping[str, np.ndarray]) -> None:
        """Raise UserError when a target is the same in every image."""
        for name, part in self.parts.items():
            if constant := part.constant(columns):
                raise UserError(
                    f"task={self.name}: {' and '.join(constant)} is the same in every image of dataset {dataset}; "
                    f"leave out {name}, or render a dataset in which it varies"
                )


def task_names(name: str) -> tuple[str, ...]:
    """'distance+rotation' -> its parts in the order of the head; 'all' -> the published five. Raises UnknownName."""
    asked = HEAD_ORDER if name == ALL else tuple(part.strip() for part in name.split("+"))
    for part in asked:
        _ = TASKS[part]
    if len(set(asked)) != len(asked):
        raise UserError(f"task={name}: a part stands twice; name each once")
    return _in_order(asked)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Published parts in the order of the head, then further ones by name."""
    return tuple(
        sorted(names, key=lambda name: (HEAD_ORDER.index(name) if name in HEAD_ORDER else len(HEAD_ORDER), name))
    )


def canonical_name(name: str) -> str:
    """One spelling for one task: parts in the order of the head, all five written as 'all'."""
    names = task_names(name)
    return ALL if names == HEAD_ORDER else "+".join(names)


def head_layout(schema: LatentSchema, asked: Iterable[str] = ()) -> dict[str, tuple[int, int]]:
    """part -> (first, end) unit of the one head that every network has; parts without their columns are left out.

    The published parts come first, so that their units are the same in all networks; of others only those asked for.
    """
    layout, first = {}, 0
    for name in _in_order({*HEAD_ORDER, *asked}):
        if all(column in schema for column in TASKS[name].columns):
            units = TASKS[name](schema, {}).units
            layout[name] = (first, first + units)
            first += units
    return layout


def build_task(name: str, schema: LatentSchema, statistics: Statistics) -> Task:
    """The task of a name for a dataset. Raises UnknownName, or UserError when the dataset lacks a target column."""
    names = task_names(name)
    for part in names:
        if missing := [column for column in TASKS[part].columns if column not in schema]:
            raise UserError(f"task={name}: the dataset has no {', '.join(missing)}; it has {', '.join(schema.names)}")
    layout = head_layout(schema, names)
    return Task(
        canonical_name(name),
        {part: TASKS[part](schema, statistics) for part in names},
        {part: slice(*layout[part]) for part in names},
    )
