"""A table for people: cells with mean, SD, the runs behind them and the published value beside."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mlspatial.compare.run_ids import run_ids
from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

MISSING = "missing"  # a cell that has a place in the table and no runs behind it
BLANK = "–"  # a cell that has no place in it
FRAME = (
    "condition", "column", "mean", "sd", "n", "low", "high", "published", "difference", "within_spread", "missing",
    "run_ids",
)  # fmt: skip
NAN = float("nan")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "−": "$-$", "–": "--", "²": "$^{2}$",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A number and where it is from.

    mean: over networks, or an estimate; sd: over seeds with n - 1, NaN for one; runs: behind it; count: of networks,
    None where there is one a run, 0 where nobody says; low, high: an interval of mean, NaN where there is none;
    published: the value that was published for this cell; style: how it is printed (value: three decimals, p: a
    probability, count: a whole number); why: the reason that there is no mean. Behind a number stands n in brackets.
    """

    mean: float
    sd: float
    runs: tuple[str, ...]
    count: int | None = None
    low: float = NAN
    high: float = NAN
    published: float | None = None
    style: Literal["value", "p", "count"] = "value"
    why: str = ""

    @property
    def n(self) -> int:
        return len(self.runs) if self.count is None else self.count

    @property
    def difference(self) -> float | None:
        """mean less published; None where either is unknown."""
        if self.published is None or math.isnan(self.mean):
            return None
        return self.mean - self.published

    @property
    def within_spread(self) -> bool | None:
        """Whether the published value is within one SD over seeds of the mean; None where that is unknown."""
        if self.difference is None or math.isnan(self.sd):
            return None
        return abs(self.difference) <= self.sd

    @classmethod
    def of(
        cls,
        values: pd.Series,
        runs: pd.Series,
        published: float | None = None,
        *,
        counts: pd.Series | None = None,
        why: str = "",
    ) -> Cell:
        """values: one a network; runs: of each a run id, or a tuple of them; counts: how many networks each value is
        a mean over, NaN where nobody says (1 each without)."""
        kept = values.notna()
        total = kept.sum() if counts is None else counts[kept].astype(float).sum(skipna=False)
        number = int(total) if total == total else 0
        mean, ids = float(values.mean()), run_ids(runs[kept])
        return cls(mean, float(values.std()), ids, number, published=published, why=why if math.isnan(mean) else "")

    @classmethod
    def missing(cls, why: str, published: float | None = None) -> Cell:
        """A cell without a number, and the reason."""
        return cls(NAN, NAN, (), 0, published=published, why=why)

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return MISSING if self.style != "count" else "NA"
        if self.style == "count" and not self.runs:
            return self.number()  # a fact of the row, whether or not there are networks
        return f"{self.number()} ({self.n or '?'})"

    def number(self) -> str:
        """Without n."""
        if self.style == "count":
            return f"{self.mean:.0f}"
        if self.style == "p":
            return "< .001" if self.mean < 0.001 else f"{self.mean:.3f}"
        text = f"{self.mean:.3f}" if math.isnan(self.sd) else f"{self.mean:.3f} ± {self.sd:.3f}"
        return text if math.isnan(self.low) else f"{text} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Table:
    """id: of the item; rows: label -> column -> cell; notes: what a reader must know; stub: what the labels are.

    counted: what n counts; blank: why a cell has no place in the table. `footnotes` say these, and why what is missing
    is missing: each reason has a letter, which stands behind the cells.
    """

    id: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, Cell]]
    notes: tuple[str, ...] = field(default=())
    stub: str = "condition"
    counted: str = "networks"
    blank: str = "does not apply"

    def text(self, cell: Cell | None, *, published: bool = True) -> str:
        """A cell as every form of the table prints it; published: with the published value behind it."""
        if cell is None:
            return BLANK
        text = f"{cell} ({self._letters[cell.why]})" if cell.why and math.isnan(cell.mean) else str(cell)
        return f"{text} vs {cell.published:.3f}" if published and cell.published is not None else text

    @property
    def _letters(self) -> dict[str, str]:
        """reason -> letter, in the order in which they come."""
        cells = [cell for cells in self.rows.values() for cell in cells.values()]
        reasons = dict.fromkeys(cell.why for cell in cells if cell.why and math.isnan(cell.mean))
        return {reason: _letter(place) for place, reason in enumerate(reasons)}

    @property
    def footnotes(self) -> tuple[str, ...]:
        """What the signs in the cells mean, as far as there are such cells."""
        cells = [cell for cells in self.rows.values() for cell in cells.values()]
        signs = [f"n, {self.counted}, in brackets"] if any(not math.isnan(cell.mean) for cell in cells) else []
        unsaid = any(not cell.n and not math.isnan(cell.mean) and cell.style != "count" for cell in cells)
        signs += ["? where nobody says how many a mean is over"] if unsaid else []
        signs += ["behind vs the published value"] if any(cell.published is not None for cell in cells) else []
        blank = any(column not in cells for cells in self.rows.values() for column in self.columns)
        signs += [f"{BLANK} {self.blank}"] if blank else []
        said = [f"In the cells: {'; '.join(signs)}."] if signs else []
        return *said, *(f"({letter}) {reason}." for reason, letter in self._letters.items())

    @property
    def runs(self) -> tuple[str, ...]:
        return run_ids(cell.runs for cells in self.rows.values() for cell in cells.values())

    def to_frame(self) -> pd.DataFrame:
        """Long form with the columns FRAME, one row a cell; run ids with a space between them."""
        import pandas as pd

        rows = [
            (
                label, column, cell.mean, cell.sd, (cell.n or None) if cell.mean == cell.mean else 0, cell.low,
                cell.high, cell.published, cell.difference, cell.within_spread, cell.why, " ".join(cell.runs),
            )
            for label, cells in self.rows.items()
            for column, cell in cells.items()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(FRAME))

    def to_csv(self) -> str:
        """The long form; what is unknown is an empty field."""
        return str(self.to_frame().to_csv(index=False, lineterminator="\n"))

    def lines(self, *, published: bool = True) -> list[list[str]]:
        """Header and rows as printed; published: with the published values beside them."""
        body = [
            [name, *(self.text(cells.get(column), published=published) for column in self.columns)]
            for name, cells in self.rows.items()
        ]
        return [[self.stub, *self.columns], *body]

    def to_text(self, *, published: bool = True) -> str:
        """For a terminal: the table, above it the first sentence of its caption, below it what its cells say."""
        lines = self.lines(published=published)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rows = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
        said = re.split(r"(?<=\.)\s(?=[A-Z(])", self.caption, maxsplit=1)[0]
        return "\n".join([self.title, *([said] if said else []), *(row.rstrip() for row in rows), *self.footnotes])

    def to_markdown(self, *, published: bool = True) -> str:
        """A pipe table with title, caption and notes."""
        header, *body = ([_markdown(text) for text in line] for line in self.lines(published=published))
        rule = ["---", *("---:" for _ in self.columns)]
        rows = "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *body])
        notes = "\n".join(f"- {_markdown(note)}" for note in (*self.footnotes, *self.notes))
        parts = [f"### {_markdown(self.title)}", _markdown(self.caption), rows, notes]
        return "\n\n".join(part for part in parts if part) + "\n"

    def to_latex(self, *, published: bool = True) -> str:
        """A table environment for a paper; it needs \\usepackage{booktabs}. Names are escaped."""
        header, *body = (" & ".join(map(latex, line)) + r" \\" for line in self.lines(published=published))
        caption = " ".join([self.caption, *self.footnotes, *self.notes])
        return "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{latex(self.title)}. {latex(caption)}}}",
                rf"\label{{tab:{self.id}}}",
                rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}",
                r"\toprule",
                header,
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )


#: id -> function from the evidence to a table
TABLES: Plugins[Callable[[Evidence], Table]] = Plugins("table")


def _letter(place: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    first, last = divmod(place, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)


def latex(text: str) -> str:
    """Text with the characters escaped that mean something to LaTeX; a hyphen before a number is a minus sign."""
    text = re.sub(r"(?<![\w-])-(?=\.?\d)", "−", text)
    return "".join(_LATEX.get(character, character) for character in text)


def _markdown(text: str) -> str:
    return re.sub(r"([|\\`*_<])", r"\\\1", text.replace("\n", " "))


def label(row: pd.Series, varying: Iterable[str]) -> str:
    """The name of a condition: its task, and what else differs between the conditions shown."""
    rest = ", ".join(text for name in varying if name != "task" and (text := _said(name, row[name])))
    return f"{row['task']} ({rest})" if rest else str(row["task"])


def varying(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the columns that it takes to tell all conditions apart, unknown being a value; the first ones win."""
    kept: list[str] = []
    count = 1
    for name in names:
        found = len(table[[*kept, name]].astype(str).drop_duplicates())
        if found > count:
            kept, count = [*kept, name], found
    return tuple(kept)


_UNITS = {"n_train": "{:.0f} images", "step": "{:.0f} batches", "n_categories": "{:.0f} categories"}
_FLAGS = {"imported": "imported", "averaged": "mean over seeds"}
_UNITS |= {"fraction": "{:g} of the images", "translation": "translation {}", "init": "from {}"}


def _said(name: str, value: object) -> str:
    """A deciding fact in words; empty when it is unknown or says nothing."""
    if value is None or value != value or value == "" or (name == "step" and not value):
        return ""
    if name in _FLAGS:
        return _FLAGS[name] if value else ""
    return _UNITS.get(name, "{}").format(value)
