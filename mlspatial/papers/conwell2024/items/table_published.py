"""The statistics printed in Conwell et al. 2024 beside those of the evidence, and whether they come out."""

from __future__ import annotations

from dataclasses import dataclass

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.papers.conwell2024.statements import RESAMPLING, Statement, statements

PUBLISHED, OURS, DIFFERENCE, REPRODUCED = "published", "ours", "difference", "reproduced"
COLUMNS = (PUBLISHED, OURS, DIFFERENCE, REPRODUCED)
CAPTION = (
    "Each row is a number or interval printed by Conwell et al. 2024 (Nature Communications 15:9383), the same from "
    "the runs here, and whether it is equal to the printed precision. " + RESAMPLING
)
OTHERS = "The voxels here are not those of the study, so there is nothing to compare with its statistics."


@dataclass(frozen=True)
class Said(Cell):
    """A cell that is printed as `text`; mean, low and high are for the csv."""

    text: str = ""

    def __str__(self) -> str:
        return self.text


@TABLES.register("conwell_published")
def conwell_published(evidence: Evidence) -> Table:
    """One row a statement. Source of the published values: published.csv."""
    title = "Published statistics of Conwell et al. 2024"
    found = scored(evidence)
    if found.networks.empty:
        return Table("conwell_published", title, CAPTION, COLUMNS, {}, (NONE,), "statistic")
    if not found.published:
        return Table("conwell_published", title, CAPTION, COLUMNS, {}, (OTHERS,), "statistic")
    made = statements(evidence)
    body = {_label(statement): _cells(statement) for statement in made}
    counts = {verdict: sum(s.reproduced is verdict for s in made) for verdict in (True, False, None)}
    notes = [
        f"Of {len(made)} statements {counts[True]} are reproduced and {counts[False]} are not; {counts[None]} cannot "
        "be had from the runs here."
    ]
    if not found.imported:
        notes.append("Not all scores here are the published ones, so a difference need not be an error.")
    wrong = [s for s in made if s.reproduced is False]
    notes += [f"Not reproduced: {_label(s)}{f': {s.reason}' if s.reason else ''}." for s in wrong]
    lacking = [s for s in made if s.reproduced is None]
    notes += [f"Not to be had: {_label(s)}{f': {s.reason}' if s.reason else ''}." for s in lacking]
    return Table("conwell_published", title, CAPTION, COLUMNS, body, tuple(notes), "statistic", "runs")


def _label(statement: Statement) -> str:
    metric = f", {METRICS[statement.metric]}" if statement.metric else ""
    part = {"value": "", "interval": ", 95 % interval", "p": ", p"}[statement.part]
    return f"{statement.item.replace('_', ' ')}{metric}{part}"


def _cells(statement: Statement) -> dict[str, Cell]:
    printed = [float(text.lstrip("<")) for text in statement.printed]
    runs = statement.runs
    text = statement.printed[0] if len(printed) == 1 else f"[{', '.join(statement.printed)}]"
    cells: dict[str, Cell] = {PUBLISHED: _said(text, printed, runs)}
    if not statement.ours:
        return cells | {OURS: _said("–", [NAN], ()), REPRODUCED: _said("not to be had", [NAN], ())}
    digits = [f"{value:.{_digits(given)}g}" for value, given in zip(statement.ours, statement.printed, strict=True)]
    apart = [ours - value for ours, value in zip(statement.ours, printed, strict=True)]
    largest = max(apart, key=abs)
    below = statement.printed[0].startswith("<")
    ours = digits[0] if len(digits) == 1 else f"[{', '.join(digits)}]"
    cells[OURS] = _said(f"{ours} ({len(runs)})", list(statement.ours), runs)
    cells[DIFFERENCE] = _said("" if below else f"{largest:.2g}", [NAN if below else largest], runs)
    kind = " (resampled)" if statement.resampled and statement.reproduced else ""
    verdict = f"yes{kind}" if statement.reproduced else "no"
    return cells | {REPRODUCED: _said(verdict, [float(bool(statement.reproduced))], runs)}


def _digits(printed: str) -> int:
    """Two digits more than were printed."""
    return max(len(printed.lower().partition("e")[0].lstrip("<-0.").replace(".", "")), 1) + 2


def _said(text: str, values: list[float], runs: tuple[str, ...]) -> Said:
    low, high = (values[0], values[1]) if len(values) > 1 else (NAN, NAN)
    mean = values[0] if len(values) == 1 else NAN
    return Said(mean, NAN, runs, len(runs), low, high, style="count", text=text)
