"""What runs keep beside their tables: units, results without blocks of stimuli, what they were asked, failures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.names import BENCHMARKS_GIVEN, CFG, LEFT_OUT, MODEL_ID, TAG
from mlspatial.registry import read

if TYPE_CHECKING:
    import pandas as pd

CFGS, TAGS = read.PARAMS + CFG, read.TAGS + TAG
#: one row a train, score or tuning run that came to no end
FAILED = ("run_id", "entry", "status", "task", "arch", "model_id", "benchmarks", "reason")
ENTRIES_TOLD = ("train", "score", "tuning")
UNFINISHED = ("FAILED", "KILLED")  # statuses of runs that are told where what they would have made is missing
UNIT_COLUMNS = ("model_id", "benchmark", "region", "metric", "layer", "committed", "unit", "split", "r", "reliability")
#: entry -> columns that say what a result without a block of stimuli is of
LEFT_OUT_OF = {"similarity": ("metric", "layer", "model_a", "model_b"), "decode": ("layer", "latent", "measure")}


def no_units() -> pd.DataFrame:
    """The table of `units` without a row."""
    return no_rows(("run_id", *UNIT_COLUMNS))


def units(scored: pd.DataFrame, runs: Collection[str]) -> pd.DataFrame:
    """What score runs have kept of single units, as registry.scores(units=True) has it: of all layers where those are
    there. scored: rows of `read.runs`; older runs have kept none."""
    found = read.units(scored[scored.run_id.isin(runs)], all_layers=True)
    return found if len(found) else no_units()


def nothing_left_out(entry: str) -> pd.DataFrame:
    """The table of `left_out` without a row."""
    return no_rows(("run_id", *LEFT_OUT_OF[entry], "left_out"))


def left_out(tables: Mapping[str, pd.DataFrame], entry: str, runs: Collection[str]) -> pd.DataFrame:
    """Results without each block of stimuli: run_id, LEFT_OUT_OF, left_out (an array). tables: entry -> rows of
    `read.runs`; older runs have kept none."""
    import pandas as pd

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        try:
            table = pd.read_parquet(file(LEFT_OUT))
        except FileNotFoundError:  # of an older run
            return pd.DataFrame()
        if entry == "decode":
            return table
        ids = read.table_file(file("models.json")).model_id.to_numpy()
        named = {"model_a": ids[table["first"]], "model_b": ids[table["second"]]}
        return table.assign(**named).drop(columns=["first", "second"])

    chosen = tables[entry]
    found = read.tables(f"left-out-{entry}-1", chosen[chosen.run_id.isin(runs)], parse)
    return found if len(found) else nothing_left_out(entry)


def no_rows(columns: Sequence[str]) -> pd.DataFrame:
    """A table with these columns."""
    import pandas as pd

    return pd.DataFrame(columns=list(columns))


def parameters(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """run id -> resolved parameters; table: rows of `read.runs`."""
    names = {name: name.removeprefix(CFGS) for name in table if name.startswith(CFGS)}
    given = {read.TAGS + BENCHMARKS_GIVEN: "benchmarks"} if read.TAGS + BENCHMARKS_GIVEN in table else {}
    rows = table[["run_id", *names]].rename(columns=names)  # with a column where no parameter is known
    for column, name in given.items():  # as the command named them: a file, or a name
        rows[name] = table[column].where(table[column].notna(), rows.get(name))
    return {
        row.pop("run_id"): {str(name): value for name, value in row.items() if isinstance(value, str)}
        for row in rows.to_dict("records")
    }


def failed(study: str) -> pd.DataFrame:
    """Train, score and tuning runs that came to no end, newest first."""
    import pandas as pd

    parts = [no_rows(FAILED)]
    for entry in ENTRIES_TOLD:
        for status in UNFINISHED:
            table = read.runs(entry=entry, study=study, status=status, metrics=())
            nothing = pd.Series("", table.index, dtype=object)
            facts = (
                {"task": CFGS + "task", "arch": CFGS + "arch"} if entry == "train" else dict.fromkeys(("task", "arch"))
            )
            facts = {name: key or TAGS + name for name, key in facts.items()}
            facts |= {"model_id": read.TAGS + MODEL_ID, "benchmarks": CFGS + "benchmarks", "reason": TAGS + "ended"}
            said = {name: table.get(key, nothing).fillna("") for name, key in facts.items()}
            parts.append(pd.DataFrame({"run_id": table.run_id, "entry": entry, "status": status, **said}))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)[list(FAILED)]
