"""Outcomes as tables: for a terminal and the registry (pandas), and for docs/verify.md (Markdown)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlspatial.verify.base import LACKS, Check, Outcome, counted

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "name", "what", "source", "relation", "published", "published_high", "computed", "computed_high", "tolerance",
    "verdict", "note", "seconds", "published_text", "computed_text",
)  # fmt: skip
SIGNS = {"equal": "", "below": "at most ", "above": "at least "}
HEADS = ("number", "is", "published", "computed", "tolerance", "verdict")
MOST = 6  # decimals
SMALL = 1e-4  # below it numbers are told with three digits and a power of ten
EXACT = 1e-4  # tolerances below it are of equal procedures, whose differences are rounding


def table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row a check, columns COLUMNS; NaN where there is no number, and in *_high unless it is an interval. *_text: the
    numbers as people read them."""
    import pandas as pd

    rows = []
    for one in outcomes:
        published, computed = _two(one.check.published), _two(one.computed)
        made = one.check
        rows.append(
            (made.name, made.what, made.source, made.relation, *published, *computed, made.tolerance, one.verdict,
             one.note, one.seconds, *cells(one)[2:4])
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def markdown(outcomes: Sequence[Outcome]) -> str:
    """A section a field with a row a check, a line of counts before them, and the notes on what does not hold."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in counted(o.verdict for o in outcomes).items())
    parts = [f"{len(outcomes)} checks: {counts}.\n"]
    for field in dict.fromkeys(one.check.field for one in outcomes):
        mine = [one for one in outcomes if one.check.field == field]
        parts.append(f"## {field}\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
        parts += [f"| {' | '.join(map(_escaped, cells(one)))} |" for one in mine]
        notes = [f"- `{one.check.name.partition('.')[2]}`: {_escaped(one.note)}" for one in mine if one.note]
        parts.append(f"\n{chr(10).join(notes)}\n" if notes else "")
    return "\n".join(parts).rstrip() + "\n"


def cells(one: Outcome) -> tuple[str, ...]:
    """A row of the Markdown table: number, what it is with its source, published, computed, tolerance, verdict."""
    made = one.check
    computed = "" if one.verdict == LACKS or not one.computed else shown(one.computed, made, 1)
    what = f"{made.what} ({made.source})"
    published = SIGNS[made.relation] + shown(made.published, made)
    return f"`{made.name.partition('.')[2]}`", what, published, computed, f"{made.tolerance:.2g}", one.verdict


def shown(values: Sequence[float], made: Check, more: int = 0) -> str:
    """Numbers to the digit that was published or that the tolerance tells apart, and `more` beyond; a difference that
    must be none as below its tolerance."""
    if made.published == (0.0,) and made.relation == "equal" and made.tolerance < EXACT and values[0] != 0:
        return f"< {made.tolerance:.0e}" if abs(values[0]) < made.tolerance else f"{values[0]:.1e}"
    room = math.ceil(round(-math.log10(2 * made.tolerance), 6)) if made.tolerance > 0 else 0
    digits = min(max(room, *(_decimals(value) for value in made.published), 0), MOST)
    texts = [_number(value, digits, more) for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _decimals(value: float) -> int:
    text = repr(value)
    return MOST if "e" in text else len(text.partition(".")[2].rstrip("0"))


def _number(value: float, digits: int, more: int) -> str:
    if not math.isfinite(value):
        return "not a number"
    if value == 0 or (digits == 0 and value == int(value)):
        return f"{value:,.0f}"
    if abs(value) < SMALL:
        return f"{value:.3g}"
    text = f"{value:,.{digits + more}f}"
    return text.removeprefix("-") if not float(text.replace(",", "")) else text


def _two(values: Sequence[float]) -> tuple[float, float]:
    low, high = (*values, math.nan, math.nan)[:2]
    return low, high


def _escaped(text: str) -> str:
    return text.replace("|", "&#124;")
