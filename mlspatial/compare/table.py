"""A table for people: cells with mean, SD and the runs behind them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Cell:
    """Mean and SD (n - 1; NaN for one run) over the runs named; unit: what the numbers are in, empty for none."""

    mean: float
    sd: float
    runs: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.runs)

    @classmethod
    def of(cls, values: pd.Series, run_ids: pd.Series) -> Cell:
        kept = values.notna()
        return cls(float(values.mean()), float(values.std()), tuple(run_ids[kept]))

    def __str__(self) -> str:
        if not self.runs:
            return ""
        return f"{self.mean:.3f}" if math.isnan(self.sd) else f"{self.mean:.3f} ± {self.sd:.3f}"


@dataclass(frozen=True)
class Table:
    """id: of the item; rows: label -> column -> cell; notes: what a reader must know."""

    id: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, Cell]]
    notes: tuple[str, ...] = field(default=())

    @property
    def runs(self) -> tuple[str, ...]:
        ids = (run for cells in self.rows.values() for cell in cells.values() for run in cell.runs)
        return tuple(dict.fromkeys(ids))

    def to_csv(self) -> str:
        """Long form: condition, column, mean, sd, n, run ids (space between them)."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["condition", "column", "mean", "sd", "n", "run_ids"])
        for label, cells in self.rows.items():
            for column, cell in cells.items():
                writer.writerow([label, column, cell.mean, cell.sd, cell.n, " ".join(cell.runs)])
        return buffer.getvalue()

    def to_text(self) -> str:
        """For a terminal."""
        header = ["condition", *self.columns]
        body = [[label, *(str(cells.get(column, "")) for column in self.columns)] for label, cells in self.rows.items()]
        widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in [header, *body]
        ]
        return "\n".join([self.title, *lines])


#: id -> function from the name of a study ('' for all runs) to a table
TABLES: Plugins[Callable[[str], Table]] = Plugins("table")


def label(row: pd.Series, varying: tuple[str, ...]) -> str:
    """The name of a condition: its task, and what else differs between the conditions shown."""
    rest = ", ".join(str(row[name]) for name in varying if name != "task" and row[name] != "")
    return f"{row['task']} ({rest})" if rest else str(row["task"])


def varying(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the columns that take more than one value."""
    return tuple(name for name in names if table[name].nunique() > 1)
