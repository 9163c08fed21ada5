"""The paragraph that a report begins with: what was asked and what was found, every word of it from the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.conditions import REFERENCES, known, once
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.grouping import in_words, layer_label, layer_order, similarities
from mlspatial.compare.scores import committed, values
from mlspatial.compare.style import ordered
from mlspatial.compare.words import arch_label, benchmark_labels, mean_text

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.checks import Check

NAMED = 6  # things that a sentence names one by one
#: end of a held-out metric -> how a sentence says it
LEARNED = {"distance/r2": "distance R² {:.2f}", "translation/r2": "translation R² {:.2f}",
           "rotation/rotation_error_deg": "rotation {:.0f}° off", "category/top1": "category {:.0%} right",
           "identity/top1": "identity {:.0%} right"}  # fmt: skip
LATENTS = {"x": "x", "y": "y", "z": "distance", "rot": "rotation", "category": "category"}  # rot: mean of its angles
MEASURES = {"accuracy": "{:.0%}", "pearson_r": "r = {:.2f}"}


def overview(evidence: Evidence, checks: Sequence[Check] = ()) -> tuple[str, ...]:
    """Sentences in the order of a study: networks, what they learned, brains, each other, read-outs, findings.

    A sentence for which there are no runs is left out; nothing is said of a difference but its two sides.
    """
    if evidence.networks.empty:
        return tuple(filter(None, [_findings(checks)]))
    networks = once(known(evidence.networks))
    networks = networks[networks.final.astype(bool)]
    found = [_asked(evidence, networks), _learned(networks), *_aligned(evidence, networks)]
    found += [_similar(evidence, networks), _decoded(evidence, networks), _findings(checks)]
    return tuple(text for text in found if text)


def _asked(evidence: Evidence, networks: pd.DataFrame) -> str:
    if networks.empty:
        return ""
    trained = networks[~networks.task.isin(REFERENCES)]
    parts = [f"{_many(len(networks), 'network')} ({_listed(map(arch_label, _names(networks.arch)))})"]
    if len(trained):
        seeds = trained.groupby("condition", sort=False).replicate.nunique()
        few, most = int(seeds.min()), int(seeds.max())
        spread = f"{few}" if few == most else f"{few} to {most}"
        tasks = _listed(in_words(task) for task in ordered(trained.task))
        parts.append(f"trained on {tasks}, {spread} {'seed' if most == 1 else 'seeds'} a condition")
    controls = [in_words(task) for task in REFERENCES if (networks.task == task).any()]
    parts += [f"beside {_listed(controls)} ones"] if controls and len(trained) else []
    asked = []
    if len(best := committed(evidence)):
        called = benchmark_labels(best.benchmark)
        regions = [f"{called[name]} ({region})" if region else called[name] for name, region in _pairs(best)]
        asked.append(f"scored on {_listed(regions)}")
    asked += ["compared with each other"] if len(evidence.pairs) else []
    if len(evidence.decodings):
        asked.append(f"decoded for {_listed(map(_latent, _names(evidence.decodings.latent)))}")
    if len(designs := _names(evidence.tunings.design)):
        asked.append(f"shown the design {_listed(designs)}")
    return f"{', '.join(parts)}{': ' + '; '.join(asked) if asked else ''}."


def _learned(networks: pd.DataFrame) -> str:
    """Each part of a task where it is learned alone, else in whatever is trained on it; mean over networks."""
    trained = networks[~networks.task.isin(REFERENCES)]
    if len(trained):
        trained = trained[trained.dataset == trained.dataset.mode().iloc[0]]  # not the controls on other images
    said = []
    for end, words in LEARNED.items():
        column, part = f"heldout/{end}", end.split("/", 1)[0]
        if column not in trained:
            continue
        rows = trained[trained[column].notna()]
        alone = rows[rows.task == part]
        rows = alone if len(alone) else rows
        if rows.empty:
            continue
        text = words.format(rows[column].astype(float).mean())
        classes = rows.n_categories.astype(float).max() if part == "category" else float("nan")
        said.append(f"{text} (chance {1 / classes:.0%})" if classes == classes and classes > 0 else text)
    return f"On held-out images they reach {', '.join(said)}." if said else ""


def _aligned(evidence: Evidence, networks: pd.DataFrame) -> list[str]:
    """Of each benchmark the best condition by the mean over seeds, and the untrained networks beside it."""
    best = committed(evidence)
    best = best.assign(value=values(best))
    rows = best.merge(networks[["model_id", "task", "condition"]], on="model_id")
    texts, called = [], benchmark_labels(best.benchmark)
    for name, region in _pairs(rows)[:NAMED]:
        part = rows[rows.benchmark == name].groupby("model_id").agg(
            value=("value", "mean"), task=("task", "first"), condition=("condition", "first")
        )  # fmt: skip
        means = part[~part.task.isin(REFERENCES)].groupby("condition", sort=False).value.agg(["mean", "std", "size"])
        control = part.value[part.task == "untrained"]
        if means["mean"].notna().sum() == 0:
            continue
        top = means["mean"].idxmax()
        title = f"{called[name]} ({region})" if region else called[name]
        text = f"{title}: {in_words(top.task)} {_number(means.loc[top])} is highest"
        text += f" of {len(means)} trained conditions" if len(means) > 1 else ""
        if len(control) and np.isfinite(control.mean()):
            text += f", untrained {mean_text(control.mean(), control.std())} (n = {len(control)})"
        texts.append(text)
    return [f"Ceiled scores: {'; '.join(texts)}."] if texts else []


def _similar(evidence: Evidence, networks: pd.DataFrame) -> str:
    """Mean similarity between trained networks of different tasks, first and last layer."""
    found = similarities(evidence)
    tasks = networks[~networks.task.isin(REFERENCES)].set_index("model_id").task
    pairs = found.pairs[found.pairs.model_a.isin(tasks.index) & found.pairs.model_b.isin(tasks.index)]
    between = pairs[pairs.model_a.map(tasks) != pairs.model_b.map(tasks)]
    layers = [layer for layer in layer_order(between) if layer != PIXELS] if len(between) else []
    if len(layers) < 2:
        return ""
    means = between.groupby("layer").value.mean()
    first, last = layers[0], layers[-1]
    return (
        f"{found.label} between networks of different tasks is {means[first]:.2f} in {layer_label(first)} and "
        f"{means[last]:.2f} in {layer_label(last)}."
    )


def _decoded(evidence: Evidence, networks: pd.DataFrame) -> str:
    """Of each latent the best layer of trained networks that do not aim at it, beside untrained ones."""
    from mlspatial.compare.latents import measure_of, read_outs

    table = read_outs(evidence.decodings)
    table = table[table.measure == table.latent.map(lambda latent: measure_of(str(latent)))]
    rows = table.merge(networks[["model_id", "task"]], on="model_id")
    rows = rows.assign(words=[_latent(str(latent)) for latent in rows.latent])
    texts = []
    for words in sorted(_names(rows.words), key=_place)[:NAMED]:
        part = rows[rows.words == words]
        latent = str(part.latent.iloc[0])
        sides = {"trained": ~part.task.isin(REFERENCES), "untrained": part.task == "untrained"}
        best = {side: _best(part[mask]) for side, mask in sides.items() if mask.any()}
        if "trained" in best:
            show = MEASURES[measure_of(latent)].format
            control = f", untrained {show(best['untrained'])}" if "untrained" in best else ""
            texts.append(f"{words} {show(best['trained'])}{control}")
    return f"Read out of the best layer: {'; '.join(texts)}." if texts else ""


def _best(part: pd.DataFrame) -> float:
    return float(part.groupby("layer").value.mean().max())


def _findings(checks: Sequence[Check]) -> str:
    tested = [check for check in checks if check.holds is not None]
    if not tested:
        return ""
    holds = sum(bool(check.holds) for check in tested)
    rest = len(checks) - len(tested)
    more = f" ({rest} more cannot be tested with these runs)" if rest else ""
    return f"Of {len(tested)} published findings that these runs can test, {holds} hold{more}."


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """benchmark and region of scores, each once."""
    return [(str(name), str(region)) for name, region in rows[["benchmark", "region"]].drop_duplicates().to_numpy()]


def _names(column: Iterable[object]) -> list[str]:
    return [str(name) for name in dict.fromkeys(column)]


def _place(words: str) -> int:
    known = list(LATENTS.values())
    return known.index(words) if words in known else len(known)


def _latent(name: str) -> str:
    return LATENTS.get(name.split("_", 1)[0], name)


def _number(row: pd.Series) -> str:
    return f"{mean_text(row['mean'], row['std'])} (n = {row['size']:.0f})"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _listed(names: Iterable[str]) -> str:
    """'a, b and c'; of many the first and how many more."""
    names = list(dict.fromkeys(names))
    names = names if len(names) <= NAMED + 4 else [*names[:NAMED], f"{len(names) - NAMED} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
