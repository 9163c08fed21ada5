"""import: scores that were computed elsewhere become runs, so that tables show them beside our own.

The file is a csv (utf-8; lines that begin with # are comments; a header; one field a column; of semicolons or tabs too,
then also with decimal commas). Columns of kind=scores:

- always: `task` (as in train, or untrained, imagenet, or any other word), `arch`, `dataset`, `seed` (empty: a mean over
  seeds), `step` (batches; empty: the last checkpoint);
- long form, a row a network and benchmark: `score`, and `benchmark` or `region` or both. Then also, if known: `raw`,
  `ceiling`, `error`, `layer` (of several layers, the best one is the committed one), `metric`;
- wide form, a row a network: a column for every region (V1, V2, V4, IT, behavior, neural_mean) or benchmark whose name
  says its region (MajajHong2015public.IT-pls);
- if known: `loss` (held out) or `performance` (its negative), `n_train`, `n_categories`, `translation` (full, none),
  `outputs` (supervised units), `networks` (how many a mean is over), `settings` (what else decides), `source` (text).

Columns of kind=correlations: `task`, `arch`, `dataset`, and a column for every region with Pearson's r of performance
and score; or `region` and `correlation`. kind=fmri: see imports_fmri.

What is left: one finished run a network (or correlated task), entry `import`, tags mlspatial.imported = true,
mlspatial.{task, arch, dataset, seed, step, source} and those of n_train, n_categories, translation, outputs, networks,
settings that are known. seed is -1 for a mean over seeds, step -1 for an unnamed last checkpoint. Metrics
`BENCHMARK/ceiled` (raw, ceiling, error where known) and heldout/loss, or `correlation/REGION`. scores.json has the
columns of a score run's, engine `imported`; correlations are rows with the metric `performance_correlation` that are
neither committed nor primary. imported.csv holds the lines of the file that the run was made from. mlspatial.model_id
names the network by its facts and its source: a corrected file of the same source replaces what it said before.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.compare.evidence import BEHAVIOR, REGIONS
from mlspatial.compare.published import BENCHMARKS, CORRELATION
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.hashing import content_id, file_sha256
from mlspatial.core.names import TAG
from mlspatial.core.parameters import FORCE, STUDY, Parameter, entry
from mlspatial.core.progress import say
from mlspatial.core.score import FORMULA_WORDS, FORMULAS, ROUNDED, UNKNOWN
from mlspatial.registry import notes, runs
from mlspatial.steps.imports_csv import lines as read
from mlspatial.steps.imports_csv import number

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
SCORES, ROWS = "scores.json", "imported.csv"
KINDS = ("scores", "correlations", "fmri")
ALWAYS = {"scores": ("task", "arch", "dataset", "seed", "step"), "correlations": ("task", "arch", "dataset")}
NUMBERS = ("n_train", "n_categories", "outputs", "networks")
WORDS = ("translation", "settings", "source")
LONG = {"scores": "score", "correlations": "correlation"}
OF_SCORE = ("benchmark", "region", "raw", "ceiling", "error", "layer", "metric")
NAN = math.nan
LARGEST = 2.0  # of a ceiled score: noise may put one above 1, (r / ceiling)² of good networks up to 1.5
MEAN = -1  # seed of a mean over seeds; step of a last checkpoint whose number is not known
TASK_PARTS = {"distance", "translation", "rotation", "category", "identity", "all", "untrained", "imagenet"}


@dataclass
class Network:
    """facts: what it is; loss: held out, NaN unknown; values: rows of scores.json; lines: numbers of its lines; keys:
    (benchmark, region, layer) of the values."""

    facts: dict[str, Any]
    loss: float = NAN
    values: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    keys: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def name(self) -> str:
        parts = [self.facts["arch"], self.facts["task"]]
        for fact in ("seed", "step"):
            parts += [f"{fact} {self.facts[fact]}"] if self.facts.get(fact, MEAN) != MEAN else []
        return " ".join(parts)

    @property
    def model_id(self) -> str:
        return f"imported-{content_id(self.facts)}"


PARAMETERS = (
    Parameter(
        "file",
        str,
        "A csv: task, arch, dataset, seed, step, and region and score or V1, V2, ...; fmri: several",
        decides="nothing",
    ),
    Parameter("kind", str, "scores, correlations (of performance with alignment), or fmri.", "scores"),
    Parameter("source", str, "Text: where the numbers are from.", "", "nothing", shown="the file's name"),
    STUDY,
    FORCE,
)


def import_scores(*, file: str, kind: str, source: str = "", study: str = "", force: bool = False) -> list[str]:
    """Make runs of a csv file (form: see this module); return their ids, one a network.

    source: text that says where the numbers are from, for lines that do not say it themselves [the file's name].
    """
    if kind not in KINDS:
        raise UnknownName("kind of import", kind, KINDS)
    if kind == "fmri":
        from mlspatial.steps.imports_fmri import import_fmri

        return import_fmri(file=file, source=source, study=study, force=force)
    path = Path(file)
    header, lines = read(path)
    networks = _networks(path.name, header, lines, kind, source or path.name)
    text = dict(enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1))
    head = next(line for line in text.values() if line.strip() and not line.startswith("#"))
    inputs = {"file_sha256": file_sha256(path)}
    ids, answered = [], 0
    for network in networks:
        spec = runs.Spec(
            "import",
            VERSION,
            {**inputs, "model_id": network.model_id},
            {"file": str(path), "kind": kind, "source": network.facts["source"]},
            ENTRY.free,
        )
        lacks = runs.missing(SCORES, ROWS)
        with runs.open_run(spec, name=f"import {network.name}", study=study, force=force, lacks=lacks) as run:
            answered += run.answered
            if not run.answered:
                run.set_tags({TAG + "imported": "true", **{TAG + name: value for name, value in network.facts.items()}})
                _log(run, network, kind)
                run.log_text("\n".join([head, *(text[line] for line in network.lines), ""]), ROWS)
        ids.append(run.id)
    _say_unknown_tasks(networks)
    say(f"import: {len(ids)} networks from {path.name}" + (f", {answered} of them known before" if answered else ""))
    return ids


def _log(run: runs.Run, network: Network, kind: str) -> None:
    import pandas as pd

    step = max(network.facts.get("step", 0), 0)
    for row in network.values:
        if kind == "correlations":
            run.log({row["benchmark"]: row["raw"]}, step)
        elif row["committed"]:
            known = {name: row[name] for name in ("raw", "ceiling", "ceiled", "error") if math.isfinite(row[name])}
            run.log({f"{row['benchmark']}/{name}": value for name, value in known.items()}, step)
    if math.isfinite(network.loss):
        run.log({"heldout/loss": network.loss}, step)
    table: pd.DataFrame = pd.DataFrame(network.values).assign(model_id=network.model_id)
    run.log_table(table, SCORES)
    rows = [(row["benchmark"], row["region"], row["layer"], row["raw"], row["ceiling"], row["ceiled"],
             FORMULA_WORDS[row["formula"]]) for row in network.values]  # fmt: skip
    head = ("benchmark", "region", "layer", "r", "ceiling", "ceiled", "by")
    run.describe(f"From {notes.plain(str(network.facts['source']))}.\n\n{notes.table(head, rows)}")


# ---- reading ----------------------------------------------------------------------------------------------------


def _networks(
    name: str, header: list[str], lines: list[tuple[int, dict[str, str]]], kind: str, source: str
) -> list[Network]:
    """The networks of a file with their values, in the order in which they come."""
    long = LONG[kind]
    wide = {column: region for column in header if (region := region_of(column))}
    _check_columns(name, header, kind, wide)
    networks: dict[str, Network] = {}
    for line, row in lines:
        where = f"{name}, line {line}"
        facts = _facts(where, row, kind, source)
        network = networks.setdefault(content_id(facts), Network(facts))
        network.lines.append(line)
        _add_loss(where, network, row)
        if long in header:
            cells = [_named(where, row, kind)]
        else:
            cells = [(column, region, column if "-" in column else region) for column, region in wide.items()]
        for column, region, benchmark in cells:
            value = number(where, column, row[column])
            if math.isnan(value):
                continue  # an empty field: not scored
            made = _correlation(where, region, value) if kind == "correlations" else {}
            made = made or _score(where, row if long in header else {}, benchmark, region, value)
            _possible(where, column, made, network)
            key = (made["benchmark"], made["region"], made["layer"])
            if key in network.keys:
                raise UserError(f"{where}: a second {' '.join(filter(None, key))} of {network.name}; keep one")
            network.keys.add(key)
            network.values.append(made)
    found = [network for network in networks.values() if network.values]
    if not found:
        raise UserError(f"{name}: no row holds a value; fill {long} or the columns of regions")
    for network in found:
        _commit(network)
    return found


def _check_columns(name: str, header: list[str], kind: str, wide: dict[str, str]) -> None:
    long = LONG[kind]
    needed = list(ALWAYS[kind])
    if long in header:
        needed += [] if {"benchmark", "region"} & set(header) else ["region"]
    elif not wide:
        needed += [long]
    missing = [column for column in needed if column not in header]
    if missing:
        near = difflib.get_close_matches(
            missing[0], [column for column in header if column not in needed], n=3, cutoff=0.6
        )
        hint = f"is it {' or '.join(map(repr, near))}?" if near else f"columns there: {', '.join(header)}"
        alone = f"no column {missing[0]!r}" if len(missing) == 1 else f"no columns {', '.join(map(repr, missing))}"
        regions = f" (or columns of regions: {', '.join(BENCHMARKS)})" if long in missing else ""
        raise UserError(f"{name}: {alone}{regions}; {hint}")
    values = {long, *OF_SCORE} if long in header else set(wide)
    known = {*ALWAYS[kind], *NUMBERS, *WORDS, "loss", "performance", *values}
    if left := [column for column in header if column not in known]:
        say(f"import: {name}: columns left out: {', '.join(left)}")


def _facts(where: str, row: dict[str, str], kind: str, source: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for column in ("task", "arch", "dataset"):
        if not row[column] and column != "dataset":
            raise UserError(f"{where}: {column} is empty; say which it is")
        facts[column] = row[column]
    facts["task"] = "+".join(part.strip() for part in facts["task"].lower().split("+"))
    if match := re.fullmatch(r"resnet[- ]?(\d+)", facts["arch"].lower()):
        facts["arch"] = f"resnet{match[1]}"
    if kind == "scores":
        for column in ("seed", "step"):
            value = number(where, column, row[column])
            if not math.isnan(value) and (value < 0 or value != int(value)):
                raise UserError(f"{where}: {column} is {row[column]!r}; a whole number from 0 on, or nothing")
            facts[column] = MEAN if math.isnan(value) else int(value)
    for column in NUMBERS:
        value = number(where, column, row.get(column, ""))
        if not math.isnan(value):
            facts[column] = int(value) if value == int(value) else value
    for column in WORDS:
        if text := row.get(column, ""):
            facts[column] = text
    facts.setdefault("source", source)
    if facts.get("seed") == MEAN and "settings" not in facts and "networks" in facts:
        facts["settings"] = f"mean over {facts['networks']} networks"
    return facts


def _add_loss(where: str, network: Network, row: dict[str, str]) -> None:
    losses = [number(where, "loss", row.get("loss", "")), -number(where, "performance", row.get("performance", ""))]
    for loss in losses:
        if math.isnan(loss):
            continue
        if not math.isnan(network.loss) and abs(loss - network.loss) > 1e-9 * max(abs(loss), 1):
            raise UserError(f"{where}: loss {loss:g} of {network.name}, which had {network.loss:g} before; keep one")
        network.loss = loss


def _named(where: str, row: dict[str, str], kind: str) -> tuple[str, str, str]:
    """(column of the value, region, benchmark) of a row in long form."""
    benchmark, region = row.get("benchmark", ""), row.get("region", "")
    found = region_of(region) if region else region_of(benchmark)
    if not region and not found:
        known = ", ".join((*REGIONS, BEHAVIOR))
        raise UserError(
            f"{where}: the region of benchmark {benchmark!r} is not in its name; add a column region ({known})"
        )
    return LONG[kind], found or region, benchmark or found or region


def region_of(name: str) -> str:
    """The region that a column or benchmark is of, by its name; "" when the name does not say."""
    plain = name.strip().lower().replace(" ", "_")
    for region in BENCHMARKS:
        if plain == region.lower() or plain == BENCHMARKS[region].lower():
            return region
    if plain in ("behaviour", "behavioral", "behavioural") or plain.endswith("-i2n"):
        return BEHAVIOR
    match = re.search(r"(?<![a-z0-9])(v1|v2|v4|it)(?![a-z0-9])", plain) if "." in plain else None
    return match[1].upper() if match else ""


# ---- values -----------------------------------------------------------------------------------------------------


def _score(where: str, row: dict[str, str], benchmark: str, region: str, value: float) -> dict[str, Any]:
    """A row of scores.json. The formula is the one that makes the score of raw and ceiling, where both are known."""
    raw, ceiling, error = (number(where, name, row.get(name, "")) for name in ("raw", "ceiling", "error"))
    formula = "none" if abs(raw - value) <= ROUNDED else UNKNOWN
    if ceiling > 0 and not math.isnan(raw):
        near = {name: abs(make(raw, ceiling) - value) for name, make in FORMULAS.items()}
        best = min(near, key=lambda name: near[name])
        formula = best if near[best] <= ROUNDED else UNKNOWN
    both = formula not in ("none", UNKNOWN)  # raw is a correlation
    return {
        **_row(benchmark, region, row.get("metric", "") or "imported", raw, value),
        "layer": row.get("layer", ""),
        "committed": True,
        "primary": True,
        "ceiling": ceiling,
        "error": error,
        "formula": formula,
        "r2_over_c": raw**2 / ceiling if both else NAN,
        "r_over_c_squared": (raw / ceiling) ** 2 if both else NAN,
    }


def _possible(where: str, column: str, made: Mapping[str, Any], network: Network) -> None:
    """Raises UserError for a score that no fraction of a ceiling is, unless r and ceiling make it."""
    correlated = made["formula"] not in ("none", UNKNOWN) and max(abs(made["raw"]), made["ceiling"]) <= 1
    for name, value in {"ceiling": made["ceiling"], column: made["ceiled"]}.items():
        if abs(value) > LARGEST and not correlated:
            raise UserError(
                f"{where}: {name} of {network.name} is {value:g}, and a score is a fraction, about 1 at the ceiling; "
                f"are these per cent? write {value / 100:g} (divide the columns of scores by 100)"
            )


def _correlation(where: str, region: str, value: float) -> dict[str, Any]:
    if abs(value) > 1:
        raise UserError(
            f"{where}: the correlation of {region} is {value:g}; it lies between -1 and 1 (not in per cent)"
        )
    return _row(f"correlation/{region}", region, CORRELATION, value, NAN)


def _row(benchmark: str, region: str, metric: str, raw: float, ceiled: float) -> dict[str, Any]:
    unknown = dict.fromkeys(("ceiling", "error", "n", "r2_over_c", "r_over_c_squared"), NAN)
    unknown |= dict.fromkeys(("ceiling_error", "ceiled_error"), NAN)
    flags = {"layer": "", "depth": -1, "committed": False, "primary": False}
    words = {"formula": "none", "version": str(VERSION), "engine": "imported", "selection": "imported"}
    return (
        {"benchmark": benchmark, "region": region, "metric": metric, "raw": raw, "ceiled": ceiled}
        | unknown
        | flags
        | words
    )


def _commit(network: Network) -> None:
    """Of several layers of a benchmark, the one with the highest score is the committed one."""
    best: dict[str, dict[str, Any]] = {}
    for row in network.values:
        if row["committed"] and row["ceiled"] > best.get(row["benchmark"], {"ceiled": -math.inf})["ceiled"]:
            best[row["benchmark"]] = row
    for row in network.values:
        row["committed"] = row is best.get(row["benchmark"])


def _say_unknown_tasks(networks: Iterable[Network]) -> None:
    tasks = {network.facts["task"] for network in networks}
    if odd := sorted(task for task in tasks if not set(task.split("+")) <= TASK_PARTS):
        say(f"import: tasks {', '.join(odd)} are none of ours; the published tables have no row for them")


ENTRY = entry(
    "import",
    """Make a run of every network in a csv file, so that tables show its scores beside those computed here.

A row is a network with a column for every region (V1, V2, V4, IT, behavior, neural_mean) or benchmark, or a network
and benchmark with the columns benchmark or region, and score. An empty seed is a mean over seeds. Also taken: raw,
ceiling, error, layer, loss or performance, n_train, n_categories, translation, outputs, networks, settings, source.

kind=fmri: csv files with a comma between them. One has network, metric (crsa, versa, voxel_r), score, and subject
if known; others hold facts (network, parameters, imagenet_top1, effective_dimensionality) or noise ceilings
(subject, value). The tables published with Conwell et al. 2024 are taken as they are.""",
    PARAMETERS,
    import_scores,
    ('--file scores.csv --source "Table 2 of the paper"', "--file alignment.csv,facts.csv --kind fmri --study mine"),
)
