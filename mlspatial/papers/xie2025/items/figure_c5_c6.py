"""Figures C.5 and C.6: scores of ResNet-18 and ResNet-50 networks on other benchmarks than the five public ones."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from mlspatial.compare import scores
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.scores import committed, formulas, is_public
from mlspatial.compare.selection import Chosen, absent, choose, error_words
from mlspatial.compare.style import SMALL, TASKS, legend, letters, ordered, sheet, spread, task_style, tidy, whiskers
from mlspatial.compare.words import arch_label, benchmark_labels, means_text, region_label

COLUMNS = ["region", "benchmark", "task", "label", "model_id", "seed", "score", "error", "mean", "sd", "n", "run_ids"]
MEAN = "mean"  # of a region's benchmarks, for the networks that have all of them
OVER_REGIONS = "neural_mean"
WIDEST = 26  # characters of a benchmark's name on one line
PAGE = 7.0  # inches for all rows, while they are high enough to read


@FIGURES.register("figure_c5")
def figure_c5(evidence: Evidence) -> Drawing:
    """ResNet-18. Source: Xie et al. 2025, figure C.5."""
    return other_benchmarks(evidence, "figure_c5", "resnet18")


@FIGURES.register("figure_c6")
def figure_c6(evidence: Evidence) -> Drawing:
    """ResNet-50. Source: Xie et al. 2025, figure C.6."""
    return other_benchmarks(evidence, "figure_c6", "resnet50")


def other_benchmarks(evidence: Evidence, name: str, arch: str) -> Drawing:
    """A panel a region, a row a benchmark, a point a network; above them their mean; last the mean over regions.

    The public benchmarks are left out unless there are no others.
    """
    chosen = choose(evidence, arch)
    points = _points(evidence, chosen)
    if points.empty:
        everything = (*absent(TASKS, ()), *(f"Other benchmarks of {region}" for region in REGIONS))
        title = f"Other benchmarks, {arch_label(arch)}"
        return Drawing.empty(name, title, "No network has a score.", COLUMNS, everything)
    data = _with_means(points)
    public = all(is_public(benchmark) for benchmark in set(points.benchmark))
    missing = absent(TASKS, points.task)
    missing += [f"Other benchmarks of {r}" for r in REGIONS if public or r not in set(points.region)]
    shown = [r for r in _regions(data) if r != OVER_REGIONS] + [OVER_REGIONS] * (OVER_REGIONS in set(data.region))
    called = benchmark_labels(data.benchmark)
    listed = "; ".join(
        f"{region_label(region)}: {', '.join(dict.fromkeys(part.benchmark.map(called)))}"
        for region, part in points.groupby("region", sort=False)
    )
    top = data[data.region == shown[-1]]
    top = top[top.benchmark == top.benchmark.iloc[0]].drop_duplicates("task")
    of = "the regions" if shown[-1] == OVER_REGIONS else f"{region_label(shown[-1])} ({called[top.benchmark.iloc[0]]})"
    which = "the public benchmarks, as there are no others" if public else "benchmarks other than the public five"
    best = committed(evidence)
    formula = formulas(best[best.benchmark.isin(points.benchmark)])
    caption = (
        f"Ceiled scores of {chosen.label} networks on {which}. Each point is a network, black bars are means over "
        f"seeds; rows named mean are over the region's benchmarks.{error_words(data.error, 'Thin lines:')} {formula} "
        f"{listed}. Mean of {of}: {means_text(top)}."
    )
    # which benchmarks make up the public scores is nothing that holds here
    notes = [note for note in chosen.notes if not note.startswith(("Not the five", "No scores of"))]
    notes += ["Only the public benchmarks have scores; those are drawn."] if public else []
    title, runs = f"Other benchmarks, {chosen.label}", run_ids(data.run_ids)
    return Drawing(name, title, caption, _draw(data, shown), data, runs, missing, notes)


def _regions(data: pd.DataFrame) -> list[str]:
    order = (*REGIONS, BEHAVIOR)
    found = dict.fromkeys(data.region)
    return [r for r in order if r in found] + [r for r in found if r not in order]


def _points(evidence: Evidence, chosen: Chosen) -> pd.DataFrame:
    """One row a network and benchmark: committed layer, the benchmark's own metric."""
    facts = chosen.finals()[["model_id", "task", "seed", "run_id"]].rename(columns={"run_id": "train"})
    best = committed(evidence)
    best = best[best.model_id.isin(facts.model_id)]
    others = best[[not is_public(benchmark) for benchmark in best.benchmark]]
    best = (others if len(others) else best).drop_duplicates(["model_id", "benchmark"]).merge(facts, on="model_id")
    texts = [run_text(ids) for ids in zip(best.train, best.run_id, strict=True)]
    labels = [task_style(task).label for task in best.task]
    best = best.assign(score=scores.values(best), error=scores.errors_of(best), label=labels, run_ids=texts)
    return best.loc[best.score.notna(), [name for name in COLUMNS if name not in ("mean", "sd", "n")]]


def _with_means(points: pd.DataFrame) -> pd.DataFrame:
    """points, the mean over a region's benchmarks, the mean over regions; with mean, SD (n - 1) and n of each task."""
    parts, means = [], []
    for region in _regions(points):
        mine = points[points.region == region]
        mean = _mean(mine, "benchmark").assign(region=region, benchmark=MEAN)
        means += [mean] if region in REGIONS else []
        parts += [mean, mine] if mine.benchmark.nunique() > 1 else [mine]
    if len(means) > 1:
        parts.append(_mean(pd.concat(means), "region").assign(region=OVER_REGIONS, benchmark=MEAN))
    data = pd.concat(parts, ignore_index=True)
    groups = data.groupby(["region", "benchmark", "task"], sort=False).score
    return data.assign(mean=groups.transform("mean"), sd=groups.transform("std"), n=groups.transform("size"))[COLUMNS]


def _mean(points: pd.DataFrame, over: str) -> pd.DataFrame:
    """One row a network that has all of them: the mean over benchmarks or regions."""
    found = points.groupby("model_id", sort=False)[over].transform("nunique")
    whole = points[found == points[over].nunique()]
    means = scores.grouped(whole.assign(value=whole.score, runs=whole.run_ids, one=over), "one").set_index("model_id")
    rows = whole.drop_duplicates("model_id").set_index("model_id")
    texts = whole.groupby("model_id", sort=False).run_ids.agg(run_text)
    return rows.assign(score=means.value, error=means.error, run_ids=texts).reset_index()


def _draw(data: pd.DataFrame, shown: list[str]) -> Any:
    tasks, called = ordered(data.task), benchmark_labels(data.benchmark)
    counts = [data[data.region == region].benchmark.nunique() for region in shown]
    row = max(0.3, min(0.05 * len(tasks), PAGE / sum(counts)))
    height = sum(count * row + 0.55 for count in counts) + 0.6 + 0.12 * len(tasks) / 4
    figure, grid = sheet(
        len(shown), 1, width=6.9, height=height / len(shown),
        gridspec_kw={"height_ratios": [count * row + 0.12 for count in counts]},
    )  # fmt: skip
    offsets = dict(zip(tasks, spread(len(tasks), 0.4), strict=True))
    half = 0.4 / len(tasks)
    for axis, region in zip(grid[:, 0], shown, strict=True):
        part = data[data.region == region]
        names = list(dict.fromkeys(part.benchmark))
        for place, name in enumerate(names):
            here = part[part.benchmark == name]
            if place % 2 == 0:
                axis.axhspan(place - 0.5, place + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
            for task, mine in here.groupby("task", sort=False):
                look, y = task_style(str(task)), place + offsets[str(task)]
                whiskers(axis, mine.score, [y] * len(mine), mine.error, look.colour, across=True)
                axis.scatter(mine.score, [y] * len(mine), s=13, color=look.colour, marker=look.marker, linewidths=0,
                             alpha=0.8, label=look.label, zorder=3)  # fmt: skip
                if len(mine) > 1:
                    axis.plot([mine["mean"].iloc[0]] * 2, [y - half, y + half], color="#222222", linewidth=1, zorder=4)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_yticks(range(len(names)), [_wrapped(called[name]) for name in names], fontsize=SMALL)
        axis.margins(x=0.04)
        title = "Mean over regions" if region == OVER_REGIONS else region_label(region)
        tidy(axis, title=title)
    tidy(grid[-1, 0], x="Ceiled score")
    for axis in grid[:, 0]:
        axis.tick_params(axis="y", length=0)
    letters(list(grid[:, 0]))
    _legend(figure, grid[0, 0], tasks)
    return figure


def _legend(figure: Any, axis: Any, tasks: list[str]) -> None:
    """Every task once, in the published order, whichever panel it is in."""
    for collection in [c for other in figure.axes for c in other.collections]:
        collection.set_label("_")
    for task in tasks:
        look = task_style(task)
        axis.plot([], [], look.marker, color=look.colour, markersize=4.5, linestyle="none", label=look.label)
    legend(figure, columns=min(4, len(tasks)), loc="outside lower center")


def _wrapped(name: str) -> str:
    """Two lines for a long name, broken at a sign."""
    if len(name) <= WIDEST:
        return name
    breaks = [found.end() for found in re.finditer(r"[._-]", name)]
    if not breaks:
        return name
    middle = min(breaks, key=lambda at: abs(at - len(name) / 2))
    return f"{name[:middle]}\n{name[middle:]}"
