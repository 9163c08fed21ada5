"""A page to explore a study with: any fact against any other, coloured, in panels, brushed; one file, no network.

Three tidy tables go into it: a row a network, a layer of a network, a pair of networks at a layer. They come from the
same Evidence as tables and figures. What it does is in templates/explore.js, drawn by Vega-Lite, whose scripts
vl-convert carries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.evidence import PIXELS, REGIONS, Evidence
from mlspatial.compare.latents import read_outs
from mlspatial.compare.scores import MEAN, REGIONS_SHOWN, committed, region_scores
from mlspatial.compare.style import TASKS, task_order, task_style
from mlspatial.core.files import write_text
from mlspatial.core.names import cache_folder, text_hash
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 10_000  # rows of a table that go into the page; of more, a sample by their ids, the same every time
DIGITS = 5  # of a number in the page
HELDOUT, HELD, FACT = "heldout/", "held-out", "fact/"
NETWORK, TRAINED, SCORED, DECODED, SIMILAR = "Network", "Held-out images", "Scores", "Decoding", "Similarity"
#: column of networks -> what the page calls it
FACTS = {
    "task": "task", "arch": "architecture", "dataset": "dataset", "seed": "seed", "step": "batches trained",
    "final": "last checkpoint", "init": "start weights", "fraction": "fraction of images", "n_train": "training images",
    "outputs": "supervised units", "n_categories": "categories", "translation": "translation", "settings": "settings",
    "imported": "imported",
}  # fmt: skip


@dataclass(frozen=True)
class Points:
    """A table of the page. noun: what a row is; columns: name -> values, a row each; groups: name -> under which
    heading it is offered; names: of the rows, for people; runs: run id of each, or ""; total: rows before a sample."""

    noun: str
    columns: pd.DataFrame
    groups: Mapping[str, str]
    names: Sequence[str]
    runs: Sequence[str]
    total: int


def points(evidence: Evidence, limit: int = LIMIT) -> list[Points]:
    """The tables that have rows: of networks, of their layers, of pairs. limit: rows of each."""
    facts = _facts(evidence)
    found = [_networks(evidence, facts, limit), _layers(evidence, facts, limit), _pairs(evidence, facts, limit)]
    return [table for table in found if len(table.columns)]


def explore_page(title: str, evidence: Evidence, limit: int = LIMIT) -> str:
    """The page as HTML, which needs nothing from elsewhere. Says so where a table is a sample."""
    tables = points(evidence, limit)
    for table in tables:
        if len(table.columns) < table.total:
            say(
                f"compare: explore.html shows {len(table.columns)} of {table.total} {table.noun}, a sample by their ids"
            )
    known = next((link for link in evidence.links.values() if "/#/" in link), "")
    data = {
        "title": title,
        "server": known.partition("/#/")[0],
        "tables": [_coded(table, evidence.links) for table in tables],
        "tasks": {task: task_style(task).colour for task in _words(tables, "task")},
    }
    folder = Path(__file__).with_name("templates")
    template = _template(folder)
    return template.render(title=title, vega=_script(vega()), own=_script((folder / "explore.js").read_text()),
                           data=_json(data))  # fmt: skip


@cache
def vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script; kept in the cache, since bundling takes seconds."""
    kept = cache_folder("scripts") / f"vega-{version('vl-convert-python')}.js"
    if not kept.is_file():
        import vl_convert

        write_text(kept, vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub is wrong
    return kept.read_text(encoding="utf-8")


def _template(folder: Path) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("explore.html.j2")


def _script(text: str) -> Any:
    """JavaScript inside <script>. What would end it stands in strings and patterns only, where \\x3c means <."""
    from markupsafe import Markup

    return Markup(re.sub(r"<(?=/script|!--|script)", r"\\x3c", text, flags=re.IGNORECASE))


def _json(value: Any) -> Any:
    """JSON inside <script>: no `<` is left, so that nothing in it can be taken for HTML."""
    from markupsafe import Markup

    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


# ---- tables -----------------------------------------------------------------------------------------------------


def _facts(evidence: Evidence) -> pd.DataFrame:
    """One row a network by model_id: FACTS by their names for people, held-out metrics, `label` and `run`."""
    import pandas as pd

    networks = evidence.networks.drop_duplicates("model_id").set_index("model_id")
    table = pd.DataFrame(index=networks.index)
    for name, said in FACTS.items():
        table[said] = networks[name]
    heldout = [name for name in networks if name.startswith(HELDOUT)]
    others = [name for name in networks if name.startswith(FACT)]
    renamed = {name: HELD + " " + name.removeprefix(HELDOUT).replace("/", " ").replace("_", " ") for name in heldout}
    table = pd.concat([table, networks[[*heldout, *others]].rename(columns=renamed)], axis=1)
    table["seed"] = networks.seed.where(networks.seed.astype(float) >= 0)
    scored = evidence.scores.drop_duplicates("model_id").set_index("model_id").run_id.reindex(table.index)
    table["run"] = networks.run_id.where(networks.run_id != "", scored).fillna("")
    labels = [
        " ".join(filter(None, (str(name), f"seed {seed}" if seed >= 0 else "", f"batch {step}" if step >= 0 else "")))
        for name, seed, step in zip(networks.name, networks.seed, networks.step, strict=True)
    ]
    table["label"] = pd.Series(labels, table.index, dtype=object)
    return table


def _groups(columns: Sequence[str]) -> dict[str, str]:
    """The headings of facts of networks."""
    return {name: TRAINED if name.startswith(HELD) else NETWORK for name in columns if name not in ("run", "label")}


def _made(noun: str, facts: pd.DataFrame, parts: Mapping[str, pd.DataFrame], limit: int, total: int) -> Points:
    """facts: with run and label, one row a point; parts: heading -> columns with the same rows."""
    import pandas as pd

    groups = _groups(list(facts))
    for heading, part in parts.items():
        groups |= dict.fromkeys(map(str, part), heading)
    table = pd.concat([facts, *parts.values()], axis=1)
    names, runs = list(table.label), list(table.run)
    table = table[[name for name in groups if table[name].notna().any()]]
    return Points(noun, table.reset_index(drop=True), {name: groups[name] for name in table}, names, runs, total)


def _sampled(ids: Sequence[str], weights: Sequence[int], limit: int) -> set[str]:
    """As many of the ids as have together at most `limit` rows, at least one; by a hash, so the same every time."""
    kept: set[str] = set()
    count = 0
    for name, rows in sorted(zip(ids, weights, strict=True), key=lambda pair: text_hash(pair[0])):
        if kept and count + rows > limit:
            break
        kept.add(name)
        count += rows
    return kept


def _networks(evidence: Evidence, facts: pd.DataFrame, limit: int) -> Points:
    import pandas as pd

    total = len(facts)
    if total > limit:
        facts = facts[facts.index.isin(_sampled(facts.index, [1] * total, limit))]
    regions = _wide(region_scores(evidence, evidence.networks), "column", lambda name: f"{_region(name)}")
    regions = regions[[name for name in map(_region, (*REGIONS_SHOWN, MEAN)) if name in regions]]
    best = evidence.scores[evidence.scores.committed.astype(bool)].assign(column=_measure)
    depths = _relative(evidence.scores).loc[committed(evidence).index]
    chosen = committed(evidence).assign(value=depths, column=lambda t: t.benchmark + ": depth of its layer")
    decoded = read_outs(_decoded(evidence)).groupby(["model_id", "column"]).value.max().reset_index()
    similar = _similar(evidence, facts)
    last = similar.groupby(["metric", "model_id"]).depth.transform("max") if len(similar) else similar.depth
    similar = similar[similar.depth == last]
    similar = similar.assign(column=similar.column + ", " + similar.layer)
    parts = {
        SCORED: pd.concat([regions, _wide(best.assign(value=best.ceiled), "column"), _wide(chosen, "column")], axis=1),
        DECODED: _wide(decoded, "column", lambda name: f"{name}, best layer"),
        SIMILAR: _wide(similar, "column"),
    }
    return _made("networks", facts, {name: part.reindex(facts.index) for name, part in parts.items()}, limit, total)


def _layers(evidence: Evidence, facts: pd.DataFrame, limit: int) -> Points:
    """A row a network and layer that was scored, decoded from or compared."""
    import pandas as pd

    scores = evidence.scores[evidence.scores.depth >= 0]
    scores = scores.assign(column=_measure, relative=_relative(scores))
    decoded, similar = _decoded(evidence), _similar(evidence, facts)
    keys = ["model_id", "layer"]
    fitted = _relative(read_outs(decoded)).reindex(decoded.index)  # a network's own head has no depth
    sources = [table.assign(relative=relative)[[*keys, "relative", "run_id"]]
               for table, relative in ((decoded, fitted), (similar, _relative(similar)))]  # fmt: skip
    there = pd.concat([scores[[*keys, "relative", "run_id"]], *sources]).drop_duplicates(keys)
    there = there[there.model_id.isin(facts.index)]
    total, counts = len(there), there.groupby("model_id").size()
    if total > limit:
        there = there[there.model_id.isin(_sampled(list(counts.index), list(counts), limit))]
    index = pd.MultiIndex.from_frame(there[keys])
    own = facts.loc[there.model_id].set_axis(index)
    own["label"] = own.label + (" at " + there.layer.astype(str)).to_numpy(object)
    own["run"] = there.run_id.to_numpy()
    own["layer"], own["relative depth"] = there.layer.to_numpy(), there.relative.to_numpy()
    chosen = scores.set_index(keys)
    raw = scores.assign(column=scores.column + ", not ceiled", value=scores.raw)
    taken = chosen[chosen.committed.astype(bool) & chosen.primary.astype(bool)].groupby(keys).benchmark.agg(", ".join)
    own["chosen for"] = taken.reindex(index).fillna("none").to_numpy()
    ceiled = scores.assign(value=scores.ceiled)
    parts = {
        SCORED: pd.concat([_wide(table, "column", by=keys) for table in (ceiled, raw)], axis=1),
        DECODED: _wide(decoded, "column", by=keys),
        SIMILAR: _wide(similar, "column", by=keys),
    }  # fmt: skip
    return _made("layers", own, {name: part.reindex(index) for name, part in parts.items()}, limit, total)


def _pairs(evidence: Evidence, facts: pd.DataFrame, limit: int) -> Points:
    """A row a pair of networks and layer, a column a metric."""
    import pandas as pd

    pairs = evidence.pairs
    pairs = pairs[pairs.model_a.isin(facts.index) & pairs.model_b.isin(facts.index)]
    keys = ["model_a", "model_b", "layer"]
    there = pairs.drop_duplicates(keys)
    total = len(there)
    if total > limit:
        names = (there.model_a + " " + there.model_b).to_numpy()
        counts = there.groupby(names).size()
        there = there[np.isin(names, list(_sampled(list(counts.index), list(counts), limit)))]
    index = pd.MultiIndex.from_frame(there[keys])
    a, b = (facts.loc[there[side]].set_axis(index) for side in ("model_a", "model_b"))
    varying = [name for name in FACTS.values() if name in facts and facts[name].astype(str).nunique() > 1]
    own = pd.DataFrame({"layer": there.layer.to_numpy()}, index=index)
    if "task" in varying and len(own):
        order = [sorted(pair, key=task_order) for pair in zip(a.task, b.task, strict=True)]
        own["tasks"] = [" | ".join(pair) for pair in order]
        own["same task"] = (a.task == b.task).to_numpy()
    for name in varying:
        own[f"{name} of one"], own[f"{name} of the other"] = a[name], b[name]
    own["label"] = a.label + " and " + b.label + (" at " + there.layer.astype(str)).to_numpy(object)
    own["run"] = there.run_id.to_numpy()
    values = _wide(pairs.rename(columns={"metric": "column"}), "column", by=keys).reindex(index)
    apart = region_scores(evidence, evidence.networks).pivot(index="model_id", columns="column", values="value")
    differences = pd.DataFrame(index=index)
    for region in [name for name in (*REGIONS, MEAN) if name in apart]:
        one, other = (apart[region].reindex(there[side]).to_numpy(float) for side in ("model_a", "model_b"))
        differences[f"{_region(region)}: difference"] = np.abs(one - other)
    return _made("pairs", own, {SIMILAR: values, SCORED: differences}, limit, total)


def _region(name: str) -> str:
    return "mean of regions" if name == MEAN else f"{name} (as in tables)"


def _measure(scores: pd.DataFrame) -> Any:
    """Benchmark, and the metric behind it where it is not its own."""
    return scores.benchmark.where(scores.primary.astype(bool), scores.benchmark + ", " + scores.metric)


def _relative(table: pd.DataFrame) -> Any:
    """Depth of layers as a share of the deepest one of each network there."""
    keys = [name for name in ("model_id", "benchmark", "metric", "run_id") if name in table]
    depth = table.depth.astype(float)
    deepest = depth.groupby([table[name] for name in keys]).transform("max") if len(table) else depth
    return (depth / deepest.where(deepest > 0)).where(depth >= 0)


def _decoded(evidence: Evidence) -> pd.DataFrame:
    """model_id, layer, depth, column, value, n_train, run_id: mean over folds."""
    table = evidence.decodings
    table = table[table.model_id != PIXELS]
    keys = ["model_id", "layer", "depth", "latent", "measure", "run_id"]
    numbers = table.assign(value=table.value.astype(float), n_train=table.n_train.astype(float))
    means = numbers.groupby(keys, sort=False)[["value", "n_train"]].mean().reset_index()
    means["column"] = means.latent + " (" + means.measure.str.replace("_", " ") + ")"
    return means


def _similar(evidence: Evidence, facts: pd.DataFrame) -> pd.DataFrame:
    """model_id, layer, depth, metric, column, value, run_id: mean similarity to the other networks of every task."""
    import pandas as pd

    pairs = evidence.pairs.assign(value=evidence.pairs.value.astype(float))
    swapped = pairs.rename(columns={"model_a": "model_b", "model_b": "model_a"})
    both = pd.concat([pairs, swapped])
    task = facts.task.reindex(both.model_b).to_numpy()
    both = both.assign(
        model_id=both.model_a, column=both.metric + " to " + pd.Series(task, both.index).fillna("others")
    )
    keys = ["model_id", "layer", "metric", "column"]
    found = both.groupby(keys, sort=False).agg(
        value=("value", "mean"), depth=("depth", "max"), run_id=("run_id", "first")
    )
    return found.reset_index()


def _wide(
    table: pd.DataFrame, name: str, said: Callable[[str], str] = str, by: Sequence[str] = ("model_id",)
) -> pd.DataFrame:
    """One row each of `by`, a column each value of the column `name`; where there are several values, the first."""
    keys = list(by)
    once = table.drop_duplicates([*keys, name]).assign(value=lambda t: t.value.astype(float))
    wide = once.pivot(index=keys, columns=name, values="value")
    wide.columns = [said(str(column)) for column in wide.columns]
    return wide


# ---- what the page reads ----------------------------------------------------------------------------------------


def _coded(table: Points, links: Mapping[str, str]) -> dict[str, Any]:
    """noun, total, columns, names and addresses (the part after /#/) for the page."""
    paths = [links.get(run, "").partition("/#/")[2] for run in table.runs]
    columns = [_column(name, table.columns[name], table.groups[name]) for name in table.columns]
    runs = [run[:8] for run in table.runs]
    return {"noun": table.noun, "total": table.total, "columns": columns, "names": list(table.names), "runs": runs,
            "paths": paths}  # fmt: skip


def _column(name: str, values: pd.Series, group: str) -> dict[str, Any]:
    """Numbers as they are, words as places in a list; null where unknown."""
    import pandas as pd

    kinds = {type(value) for value in values.dropna()}
    facts = {"name": name.removeprefix(FACT), "group": group}
    if kinds <= {bool, np.bool_}:
        values = values.map({True: "yes", False: "no"})
    elif name.startswith(FACT) or kinds != {str}:
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        if numbers.notna().sum() == values.notna().sum():
            return {**facts, "numbers": [_short(value) for value in numbers]}
    texts = [None if value is None or value != value else str(value) for value in values]
    words = _ordered(name, dict.fromkeys(text for text in texts if text is not None))
    place = {word: i for i, word in enumerate(words)}
    return {**facts, "words": words, "codes": [None if text is None else place[text] for text in texts]}


def _short(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{DIGITS}g}")


def _ordered(name: str, words: Mapping[str, Any]) -> list[str]:
    """Tasks in the published order; others by the alphabet, layers as they come."""
    if name.startswith("task") and all(word in TASKS for word in words):
        return sorted(words, key=task_order)
    return list(words) if name == "layer" else sorted(words)


def _words(tables: Sequence[Points], name: str) -> list[str]:
    return sorted({str(word) for table in tables if name in table.columns for word in table.columns[name].dropna()})
