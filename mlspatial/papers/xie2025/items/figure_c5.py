"""Figure C.5: scores of ResNet-18 networks on other benchmarks than the five public ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence, published_values
from mlspatial.compare.selection import absent, choose, is_public
from mlspatial.compare.style import (
    SMALL,
    TASKS,
    arch_label,
    legend,
    letters,
    mean_text,
    ordered,
    region_label,
    sheet,
    spread,
    task_style,
    tidy,
)

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.selection import Chosen

COLUMNS = ["region", "benchmark", "task", "label", "model_id", "seed", "score", "mean", "sd", "n", "run_ids"]
MEAN = "mean"  # of a region's benchmarks, for the networks that have all of them
OVER_REGIONS = "neural_mean"
WIDEST = 26  # characters of a benchmark's name on one line
PAGE = 7.0  # inches for all rows, while they are high enough to read


@FIGURES.register("figure_c5")
def figure_c5(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure C.5."""
    return other_benchmarks(evidence, "figure_c5", "resnet18")


def other_benchmarks(evidence: Evidence, name: str, arch: str) -> Drawing:
    """A panel a region, a row a benchmark, a point a network; above them their mean; last the mean over regions.

    The public benchmarks are left out unless there are no others.
    """
    import pandas as pd

    chosen = choose(evidence, arch)
    points, notes = _points(evidence, chosen) if chosen is not None else (pd.DataFrame(columns=COLUMNS), [])
    if chosen is None or points.empty:
        title = f"Other benchmarks, {arch_label(arch)}"
        everything = (*absent(TASKS, ()), *(f"Other benchmarks of {region}" for region in REGIONS))
        return Drawing(name, title, "No network has a score.", None, pd.DataFrame(columns=COLUMNS), (), everything)
    title = f"Other benchmarks, {chosen.label}"
    data = _with_means(points)
    found = set(points.benchmark)
    public = all(is_public(benchmark) for benchmark in found)
    missing = absent(TASKS, points.task)
    missing += [f"Other benchmarks of {r}" for r in REGIONS if public or r not in set(points.region)]
    panels = [r for r in _regions(data) if r != OVER_REGIONS] + [OVER_REGIONS] * (OVER_REGIONS in set(data.region))
    listed = "; ".join(
        f"{region_label(region)}: {', '.join(dict.fromkeys(part.benchmark))}"
        for region, part in points.groupby("region", sort=False)
    )
    top = data[data.region == panels[-1]]
    top = top[top.benchmark == top.benchmark.iloc[0]].drop_duplicates("task")
    ends = "; ".join(f"{row.label} {mean_text(row.mean, row.sd)} (n = {row.n})" for row in top.itertuples())
    of = "the regions" if panels[-1] == OVER_REGIONS else f"{region_label(panels[-1])} ({top.benchmark.iloc[0]})"
    which = "the public benchmarks, as there are no others" if public else "benchmarks other than the public five"
    caption = (
        f"Ceiled scores of {chosen.label} networks on {which}. Each point is a network, black bars are means over "
        f"seeds; rows named mean are over the region's benchmarks. {listed}. Mean of {of}: {ends}."
    )
    runs = tuple(dict.fromkeys(run for ids in data.run_ids for run in ids.split()))
    return Drawing(name, title, caption, _draw(data, panels), data, runs, tuple(missing), (*_shared(chosen), *notes))


def _shared(chosen: Chosen) -> list[str]:
    """Notes on the networks; those on which benchmarks make up the public scores do not hold here."""
    return [note for note in chosen.notes if not note.startswith(("Not the five", "No scores of"))]


def _regions(data: pd.DataFrame) -> list[str]:
    order = (*REGIONS, BEHAVIOR)
    found = dict.fromkeys(data.region)
    return [r for r in order if r in found] + [r for r in found if r not in order]


def _points(evidence: Evidence, chosen: Chosen) -> tuple[pd.DataFrame, list[str]]:
    """One row a network and benchmark: committed layer, the benchmark's own metric."""
    scores = evidence.scores
    finals = chosen.finals()
    best = scores[scores.committed.astype(bool) & scores.primary.astype(bool) & scores.model_id.isin(finals.model_id)]
    others = best[[not is_public(benchmark) for benchmark in best.benchmark]]
    notes = [] if len(others) or best.empty else ["Only the public benchmarks have scores; those are drawn."]
    best = others if len(others) else best
    best = best.drop_duplicates(["model_id", "benchmark"])
    best = best.merge(finals[["model_id", "task", "seed", "run_id"]].rename(columns={"run_id": "train"}), on="model_id")
    best["run_ids"] = [" ".join(filter(None, ids)) for ids in zip(best.train, best.run_id, strict=True)]
    best["label"] = [task_style(task).label for task in best.task]
    best = best.assign(score=published_values(best))[[c for c in COLUMNS if c not in ("mean", "sd", "n")]]
    return best[best.score.notna()], notes


def _with_means(points: pd.DataFrame) -> pd.DataFrame:
    """points, the mean over a region's benchmarks, the mean over regions; with mean, SD (n - 1) and n of each task."""
    import pandas as pd

    neural = [region for region in _regions(points) if region in REGIONS]
    parts, means = [], []
    for region in _regions(points):
        mine = points[points.region == region]
        mean = _mean(mine, "benchmark").assign(region=region, benchmark=MEAN)
        if region in neural:
            means.append(mean)
        parts += [mean, mine] if mine.benchmark.nunique() > 1 else [mine]
    if len(neural) > 1:
        parts.append(_mean(pd.concat(means), "region").assign(region=OVER_REGIONS, benchmark=MEAN))
    data = pd.concat(parts, ignore_index=True)
    groups = data.groupby(["region", "benchmark", "task"], sort=False).score
    data["mean"], data["sd"], data["n"] = groups.transform("mean"), groups.transform("std"), groups.transform("size")
    return data[COLUMNS]


def _mean(points: pd.DataFrame, over: str) -> pd.DataFrame:
    """One row a network that has all of them: the mean over benchmarks or regions."""
    count = points[over].nunique()
    groups = points.groupby("model_id", sort=False)
    whole = points[groups[over].transform("nunique") == count]
    groups = whole.groupby("model_id", sort=False)
    rows = whole.drop_duplicates("model_id").set_index("model_id")
    return rows.assign(
        score=groups.score.mean(),
        run_ids=groups.run_ids.agg(lambda ids: " ".join(dict.fromkeys(" ".join(ids).split()))),
    ).reset_index()


def _draw(data: pd.DataFrame, panels: list[str]) -> Any:
    tasks = ordered(data.task)
    counts = [data[data.region == region].benchmark.nunique() for region in panels]
    row = max(0.3, min(0.05 * len(tasks), PAGE / sum(counts)))
    height = sum(count * row + 0.55 for count in counts) + 0.6 + 0.12 * len(tasks) / 4
    figure, grid = sheet(
        len(panels), 1, width=6.9, height=height / len(panels),
        gridspec_kw={"height_ratios": [count * row + 0.12 for count in counts]},
    )  # fmt: skip
    offsets = dict(zip(tasks, spread(len(tasks), 0.4), strict=True))
    half = 0.4 / len(tasks)
    for axis, region in zip(grid[:, 0], panels, strict=True):
        part = data[data.region == region]
        names = list(dict.fromkeys(part.benchmark))
        for place, name in enumerate(names):
            here = part[part.benchmark == name]
            if place % 2 == 0:
                axis.axhspan(place - 0.5, place + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
            for task, mine in here.groupby("task", sort=False):
                look, y = task_style(str(task)), place + offsets[str(task)]
                axis.scatter(mine.score, [y] * len(mine), s=13, color=look.colour, marker=look.marker, linewidths=0,
                             alpha=0.8, label=look.label, zorder=3)  # fmt: skip
                if len(mine) > 1:
                    axis.plot([mine["mean"].iloc[0]] * 2, [y - half, y + half], color="#222222", linewidth=1, zorder=4)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_yticks(range(len(names)), [_wrapped(name) for name in names], fontsize=SMALL)
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
