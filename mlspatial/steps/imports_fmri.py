"""import kind=fmri: scores on fMRI responses that were computed elsewhere, and facts about the networks, become runs.

`file` names one or more csv files with a comma between them. What a file holds is told by its columns:

- scores: `network` (or model_string), `metric` (crsa, versa or wrsa, voxel_r or srpr), `score` (r on the test half);
  if known `subject` (none: the mean over subjects), `ceiling`, `layer`, and any fact of `mlspatial.compare.fmri`;
- facts: `network` (or model_string) and a column for each fact: parameters (or total_params), imagenet_top1 (or
  imagnet1k_top1), effective_dimensionality (or effective_dimensions; of several rows the one of the features
  themselves, where `random_projection` is False), label, family, architecture, ...;
- noise ceilings: `subject` (or subj_id) and `value`; several values of a subject are averaged.

The tables published with Conwell et al. 2024 are taken as they are:

- results_summary.csv: a file of scores (means over subjects). model_class -> architecture (Convolutional is CNN),
  architecture -> family, train_task -> task, train_data -> training_data, display_name -> label; the goal is whichever
  of compare_goal_{slip,taskonomy_tasks,selfsupervised,expertise} is filled; supervision is compare_goal_contrastive,
  language for CLIP, language+contrastive for SLIP, contrastive for SimCLR, category for classification;
- Figure2.csv, Figure3.csv: scores of single subjects, whose network is ARCHITECTURE_classification or MODEL_TASK;
- Figure4A.csv, Figure4B.csv: the same, centred by subject: score + subj_mean - grand_mean is the score. The network is
  found by display_name and images among those of results_summary.csv, which must be among the files;
- dimensionality.csv, imagenet1k.csv, parameter_count.csv: facts (a name without its task is found as well; names that
  no file of scores has are said and left out); noise_ceilings.csv: noise ceilings.

What is left: one finished run a network, entry `import`, tags mlspatial.imported = true, mlspatial.fact.NAME for every
fact, task, arch (the family), dataset (the training images), settings (the network's name), source. scores.json: a row
for each metric and subject, benchmark nsd:subj01 (nsd: the mean over subjects), region OTC, raw = r, ceiled =
(raw / ceiling)^2, engine `imported`; versa is the primary metric (of a network without it, the first given). A
corrected file of the same source replaces what it said before; what did not change is answered at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspatial.compare.evidence import FACT
from mlspatial.compare.fmri import BENCHMARK, NUMBERS, REGION, WORDS
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.names import TAG
from mlspatial.core.parameters import ENTRIES
from mlspatial.core.progress import bar, say
from mlspatial.core.score import FORMULAS
from mlspatial.registry import notes, runs
from mlspatial.steps.imports_csv import Lines, lines, number

VERSION = 1
SCORES = "scores.json"

METRICS = {"crsa": "crsa", "versa": "versa", "wrsa": "versa", "voxel_r": "voxel_r", "srpr": "voxel_r"}
FORMULA = "(r/c)^2"  # explainable variance, Conwell et al. 2024
#: column of a file -> fact
COLUMNS = {name: name for name in (*WORDS, "trained", *NUMBERS)} | {
    "total_params": "parameters", "imagnet1k_top1": "imagenet_top1", "imagenet1k_top1": "imagenet_top1",
    "effective_dimensions": "effective_dimensionality",
}  # fmt: skip
SUMMARY = {"train_task": "task", "train_data": "training_data", "display_name": "label", "architecture": "family"}
GOALS = tuple(f"compare_goal_{name}" for name in ("slip", "taskonomy_tasks", "selfsupervised", "expertise"))
SUPERVISION = {"CLIP": "language", "SLIP": "language+contrastive", "SimCLR": "contrastive"}
NAN = math.nan


@dataclass
class Network:
    """facts: NAME -> text; scores: (metric, subject) -> (r, ceiling, layer); subject "": the mean over subjects."""

    facts: dict[str, str]
    scores: dict[tuple[str, str], tuple[float, float, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A file: its name, columns and rows, an empty text where R wrote NA."""

    name: str
    header: list[str]
    rows: Lines

    @property
    def kind(self) -> str:
        """scores, figure (scores whose networks are named otherwise), facts or ceilings."""
        have = set(self.header)
        if {"metric", "score"} <= have:
            return "scores" if have & {"network", "model_string"} else "figure"
        if have & {"network", "model_string"}:
            return "facts"
        if have & {"subject", "subj_id"} and "value" in have:
            return "ceilings"
        raise UserError(
            f"{self.name}: its columns ({', '.join(self.header)}) are neither those of scores (network, metric, score) "
            "nor of facts (network, ...) nor of noise ceilings (subject, value)"
        )

    def __iter__(self) -> Iterator[tuple[str, dict[str, str]]]:
        return ((f"{self.name}, line {line}", row) for line, row in self.rows)


def import_fmri(*, file: str, source: str = "", study: str = "", force: bool = False) -> list[str]:
    """Make runs of csv files (form: see this module); return their ids, one a network."""
    names, networks = read(file)
    source = source or names[0]
    known = {} if force else {run.spec: run for run in runs.find(entry="import", status="FINISHED")}
    cfg = {"file": file, "kind": "fmri", "source": source}
    lacks = runs.missing(SCORES)
    ids: list[str] = []
    answered = 0
    with bar("import", len(networks), "network") as progress:
        for network in networks:
            name = network.facts["network"]
            model_id = f"imported-{content_id({'kind': 'fmri', 'network': name, 'source': source})}"
            rows = rows_of(network)
            inputs = {"model_id": model_id, "content": content_id([network.facts, rows])}
            spec = runs.Spec("import", VERSION, inputs, cfg, ENTRIES["import"].free)
            same = known.get(spec.id)
            here = same and (not study or study in same.studies) and not lacks(same)
            if same and here and ids:  # the first one opens, for whoever waits for a run
                ids, answered = [*ids, same.id], answered + 1
            else:
                with runs.open_run(spec, name=f"import {name}", study=study, force=force, lacks=lacks) as run:
                    answered += run.answered
                    if not run.answered:
                        _log(run, network, rows, model_id, source)
                ids.append(run.id)
            progress.update(1)
    again = f", {answered} of them known before" if answered else ""
    say(f"import: {len(ids)} networks from {', '.join(names)}{again}")
    return ids


def read(file: str) -> tuple[list[str], list[Network]]:
    """(names of the files, networks with their scores and facts); file: paths with a comma between them."""
    paths = [Path(part.strip()) for part in file.split(",") if part.strip()]
    tables = [_table(path) for path in paths or [Path(file)]]
    return [table.name for table in tables], _networks(tables)


def _log(run: runs.Run, network: Network, rows: list[dict[str, Any]], model_id: str, source: str) -> None:
    import pandas as pd

    facts = network.facts
    task = "untrained" if facts.get("task") == "random" else facts.get("task", "")
    tags = {"imported": "true", "task": task, "arch": facts.get("family", ""), "seed": 0, "step": -1, "source": source}
    tags |= {"dataset": facts.get("training_data", ""), "settings": facts["network"]}
    tags |= {FACT + name: value for name, value in facts.items()}
    run.set_tags({TAG + name: value for name, value in tags.items()})
    run.log({f"{BENCHMARK}/{metric}": value for metric, value in _means(network).items()})
    run.log_table(pd.DataFrame(rows).assign(model_id=model_id), SCORES)
    means = notes.table(("metric", "r, mean over subjects"), _means(network).items())
    run.describe(f"From {notes.plain(str(source))}.\n\n{means}")


def _means(network: Network) -> dict[str, float]:
    """metric -> r as given for the mean over subjects, else the mean of those given."""
    found = {}
    for metric in dict.fromkeys(metric for metric, _ in network.scores):
        values = {subject: score[0] for (name, subject), score in network.scores.items() if name == metric}
        found[metric] = values.pop("") if "" in values else sum(values.values()) / len(values)
    return found


def rows_of(network: Network) -> list[dict[str, Any]]:
    """Rows of scores.json."""
    rows = []
    given = [metric for metric, _ in network.scores]
    primary = "versa" if "versa" in given or not given else given[0]
    for (metric, subject), (raw, ceiling, layer) in network.scores.items():
        ceiled = FORMULAS[FORMULA](raw, ceiling) if ceiling > 0 and metric != "voxel_r" else NAN
        both = raw**2 / ceiling if ceiling > 0 and metric != "voxel_r" else NAN
        words = {"version": str(VERSION), "engine": "imported", "selection": "imported", "layer": layer, "depth": -1}
        values = {"raw": raw, "ceiling": ceiling, "ceiled": ceiled, "error": NAN, "n": NAN}
        values |= {"r2_over_c": both, "r_over_c_squared": ceiled, "ceiling_error": NAN, "ceiled_error": NAN}
        flags = {"committed": True, "primary": metric == primary, "formula": FORMULA if ceiling > 0 else "none"}
        benchmark = f"{BENCHMARK}:{subject}" if subject else BENCHMARK
        rows.append({"benchmark": benchmark, "region": REGION, "metric": metric} | values | words | flags)
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


# ---- reading ----------------------------------------------------------------------------------------------------


def _table(path: Path) -> Table:
    header, rows = lines(path)
    for line, row in rows:
        if "NA" in (row.get("subject"), row.get("subj_id")):
            raise UserError(
                f"{path.name}, line {line}: subject is NA, R's word for nothing; name it otherwise, or leave it empty "
                "for the mean over subjects"
            )
    plain = [(line, {name: "" if text == "NA" else text for name, text in row.items()}) for line, row in rows]
    return Table(path.name, header, plain)


def _networks(tables: list[Table]) -> list[Network]:
    networks: dict[str, Network] = {}
    kinds = [(table.kind, table) for table in tables]
    ceilings = _ceilings([table for kind, table in kinds if kind == "ceilings"])
    for kind, table in kinds:
        if kind == "scores":
            for where, row in table:
                name = row.get("network") or row.get("model_string", "")
                if not name:
                    raise UserError(f"{where}: no name of a network; fill network")
                network = networks.setdefault(name, Network({"network": name}))
                network.facts |= _summary(row) if "model_class" in row else _facts(where, row)
                _add(where, network, row, ceilings)
    aliases = _aliases(networks)
    for kind, table in kinds:
        if kind == "figure":
            for where, row in table:
                name = _named(where, row, networks)
                if name not in networks:
                    networks[name] = Network({"network": name, **_of_figure(row)})
                _add(where, networks[name], row, ceilings)
        elif kind == "facts":
            left = dict.fromkeys(_add_facts(table, networks, aliases))
            if left:
                say(f"import: {table.name}: networks without a score left out: {', '.join(left)}")
    if not networks:
        raise UserError(
            f"{', '.join(table.name for table in tables)}: no scores; give a csv with network, metric, score"
        )
    return list(networks.values())


def _ceilings(tables: list[Table]) -> dict[str, float]:
    """subject -> mean noise ceiling; "": the mean of those."""
    values: dict[str, list[float]] = {}
    for table in tables:
        for where, row in table:
            value = number(where, "value", row["value"])
            if not math.isnan(value):
                values.setdefault(_subject(row), []).append(value)
    found = {subject: sum(all) / len(all) for subject, all in values.items()}
    return found | ({"": sum(found.values()) / len(found)} if found and "" not in found else {})


def _subject(row: Mapping[str, str]) -> str:
    """subj01 of 1, 01 or subj01; "" without one."""
    text = row.get("subject") or row.get("subj_id", "")
    return f"subj{int(text):02d}" if re.fullmatch(r"\d+", text) else text


def _add(where: str, network: Network, row: Mapping[str, str], ceilings: Mapping[str, float]) -> None:
    if row["metric"] not in METRICS:
        raise UnknownName(f"metric ({where})", row["metric"], METRICS)
    metric, subject = METRICS[row["metric"]], _subject(row)
    score = number(where, "score", row["score"])
    if math.isnan(score):
        return  # an empty field: not scored
    if row.get("subj_mean"):
        score += number(where, "subj_mean", row["subj_mean"]) - number(where, "grand_mean", row.get("grand_mean", ""))
    if abs(score) > 1 or math.isnan(score):
        raise UserError(f"{where}: the score is {score:g}; a correlation lies between -1 and 1")
    ceiling = number(where, "ceiling", row.get("ceiling", ""))
    made = score, ceilings.get(subject, NAN) if math.isnan(ceiling) else ceiling, row.get("layer", "")
    before = network.scores.setdefault((metric, subject), made)
    if abs(before[0] - score) > 1e-9:
        of = f"{metric} of {network.facts['network']}{f', {subject}' if subject else ''}"
        raise UserError(f"{where}: {of} is {score:g}, and was {before[0]:g} before; keep one")


def _facts(where: str, row: Mapping[str, str]) -> dict[str, str]:
    """Facts in their own columns."""
    found = {}
    for column, text in row.items():
        name = COLUMNS.get(column)
        if name and text and name != "network":
            found[name] = f"{number(where, column, text):.12g}" if name in NUMBERS else text
    return found


def _summary(row: Mapping[str, str]) -> dict[str, str]:
    """Facts in the columns of results_summary.csv."""
    facts = {name: row.get(column, "") for column, name in SUMMARY.items()}
    kind = row["model_class"]
    facts["architecture"] = "CNN" if kind == "Convolutional" else kind
    goal = facts["goal"] = next((row[name] for name in GOALS if row.get(name)), "")
    supervision = row.get("compare_goal_contrastive", "").lower() or SUPERVISION.get(goal, "")
    facts["supervision"] = supervision or ("category" if facts["task"] == "classification" else "")
    size = re.fullmatch(r"ViT-([A-Z])", facts["family"])
    facts["size"] = size[1] if size else ""
    facts["trained"] = "false" if facts["task"] == "random" else "true"
    return {name: text for name, text in facts.items() if text}


def _of_figure(row: Mapping[str, str]) -> dict[str, str]:
    """What Figure2.csv and Figure3.csv say of a network that no other file has."""
    facts = {"label": row.get("display_name", ""), "task": row.get("train_task", "")}
    if "architecture" in row:
        facts |= {"task": "classification", "training_data": "imagenet", "family": row["architecture"]}
        facts |= {"architecture": row.get("contrast", "")}
    elif facts["task"] == "taskonomy":
        facts |= {"goal": row.get("model", ""), "training_data": "taskonomy", "family": "resnet50"}
    elif row.get("contrast") in ("Contrastive", "Non-Contrastive"):
        facts |= {"goal": row.get("display_name", ""), "supervision": row["contrast"].lower()}
    elif row.get("contrast") in SUPERVISION:
        facts |= {"goal": row["contrast"], "supervision": SUPERVISION[row["contrast"]]}
        facts |= {"size": row.get("model", "")[4:5]}
    elif facts["task"] == "classification":
        facts |= {"training_data": "imagenet", "family": row.get("model", "")}
    return {name: text for name, text in facts.items() if text}


def _named(where: str, row: Mapping[str, str], networks: Mapping[str, Network]) -> str:
    """The network that a row of Figure2.csv, 3, 4A or 4B is of."""
    if row.get("architecture"):
        return f"{row['architecture']}_classification"
    if row.get("model"):
        return f"{row['model']}_{row.get('train_task', '')}"
    label, images = row.get("display_name", ""), row.get("contrast", "").lower()
    images = {"imagenet1k": "imagenet"}.get(images, images)
    facts = {name: network.facts for name, network in networks.items()}
    families = {f.get("family") for f in facts.values() if f.get("label") == label}
    for name, found in facts.items():
        mine = found.get("family") in families and found.get("task") == "classification"
        if (mine or (found.get("task") == "ipcl" and not families)) and found.get("training_data") == images:
            return name
    raise UserError(
        f"{where}: no network {label!r} trained on {images} in the other files; give results_summary.csv too"
    )


def _aliases(networks: Mapping[str, Network]) -> dict[str, str]:
    """Name without its task -> name, where that is one network's alone."""
    short: dict[str, list[str]] = {}
    for name, network in networks.items():
        if (task := network.facts.get("task", "")) and name.endswith(f"_{task}"):
            short.setdefault(name.removesuffix(f"_{task}"), []).append(name)
    return {name: full[0] for name, full in short.items() if len(full) == 1}


def _add_facts(table: Table, networks: Mapping[str, Network], aliases: Mapping[str, str]) -> Iterator[str]:
    """Yields the names that nothing is known of."""
    if not any(COLUMNS.get(name, "network") != "network" for name in table.header):
        raise UserError(f"{table.name}: no fact among its columns; known: {', '.join(dict.fromkeys(COLUMNS))}")
    for where, row in table:
        name = row.get("network") or row.get("model_string", "")
        if row.get("random_projection") == "True":
            continue
        network = networks.get(name) or networks.get(aliases.get(name, ""))
        if network is None:
            yield name
        else:
            network.facts |= _facts(where, row)
