"""Ranking of conditions: table with intervals and tests, and a figure in the manner of rsatoolbox's comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlspatial.analysis.bootstrap import RESAMPLES
from mlspatial.analysis.ranking import ALPHA, half_width
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.ranks import MODELS, PAIRS, SEED, Ranked, interval, models_frame, pairs_frame, rankings
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, INK, SMALL, panels, task_style, tidy
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.compare.words import benchmark_labels, region_label
from mlspatial.core.predictions import SESSION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

R, IMAGES, NEURONS, NETWORKS = "r", "± new images", "± new neurons", "± new networks"
P_ZERO, P_CEILING = "p (r > 0)", "p (ceiling)"
TITLE = "Ranking of models"
NONE = "No score run has kept predictions of two conditions on one benchmark; score them again."
CAPTION = (
    "r: correlation of cross-validated predictions of the layer that counts with the responses, within folds, mean "
    "over units; interval: 95 % over images and neurons, and networks where there are several, by "
    f"{RESAMPLES} draws of the dual bootstrap (Schuett et al. 2023, seed {SEED}) and Student's t. Behind ±, half of "
    "the 95 % interval of what would be new: other images for the same neurons and networks, other neurons of the "
    "same kind for the same images and networks, other seeds for the same images and neurons (empty for one network). "
    "p: of no correlation (one-sided), and of no difference from the lower bound of the noise ceiling, each after Holm "
    "over the models. Letters behind a name: models that share one differ in no pair at "
    f"{ALPHA:g} after Holm over all pairs."
)
NOTES = (
    "Predictions are drawn anew, no regression is fitted anew: how much other training images would change the "
    "predictions is in no interval, which is a little too narrow for that.",
    "Lower bound of the ceiling: the reliability, which is the correlation of the recorded means with those of another "
    "recording of the same neurons and images; upper bound: its root, what a model without error would reach.",
    "r here is over all images at once and a mean over units, so that it is not to the digit the raw score, which is a "
    "mean over splits of medians over units.",
)
DATA = ["kind", *(name for name in dict.fromkeys((*MODELS, *PAIRS)) if name != "run_ids"), "run_ids"]
BARS = 12  # groups that are drawn as bars; of more there are the letters


@TABLES.register("ranking")
def ranking(evidence: Evidence) -> Table:
    """Every benchmark's conditions, best first."""
    made, left_out = rankings(evidence)
    columns = (R, IMAGES, NEURONS, NETWORKS, P_ZERO, P_CEILING)
    if not made:
        return Table("ranking", TITLE, CAPTION, columns, {}, (NONE, *left_out), "model")
    body: dict[str, dict[str, Cell]] = {}
    for one in made:
        for number, model in enumerate(one.ranking.models, 1):
            runs, count, estimate = one.runs[model.name], len(model.scores), model.estimate
            cells = {R: Cell(estimate.value, NAN, runs, count, *interval(estimate))}
            for name, (error, df) in ((IMAGES, estimate.images), (NEURONS, estimate.neurons),
                                      (NETWORKS, estimate.networks)):  # fmt: skip
                if error == error:
                    cells[name] = Cell(half_width(error, df), NAN, runs, count)
            for name, p in ((P_ZERO, model.p_zero), (P_CEILING, model.p_ceiling)):
                if p == p:
                    cells[name] = Cell(p, NAN, runs, count, style="p")
            body[f"{one.benchmark}: {number}. {model.name} ({model.letters})"] = cells
    notes = [_about(one) for one in made] + [note for one in made for note in one.notes]
    return Table("ranking", TITLE, CAPTION, columns, body, (*notes, *left_out, *NOTES), "model")


def _about(one: Ranked) -> str:
    whole = one.ranking
    apart = sum(pair.p_holm < ALPHA for pair in whole.pairs)
    apart_fdr = sum(pair.p_fdr < ALPHA for pair in whole.pairs)
    text = f"{one.benchmark}: {whole.stimuli} images, {whole.units} units"
    if whole.recordings > 1:
        text += f"; tested over {whole.recordings} recordings (Student's t), which new recordings would be like"
    if whole.lower == whole.lower:
        text += f"; noise ceiling {whole.lower:.3f} to {whole.upper:.3f}"
    single = sum(len(model.scores) == 1 for model in whole.models)
    if single:
        text += f"; {single} of {len(whole.models)} models are one network, other seeds are not in their intervals"
    return (
        f"{text}; {apart} of {len(whole.pairs)} pairs differ at {ALPHA:g} after Holm, {apart_fdr} at a false discovery "
        "rate of the same (Benjamini and Hochberg)."
    )


@FIGURES.register("figure_ranking")
def figure_ranking(evidence: Evidence) -> Drawing:
    """A panel a benchmark: score and interval of every model, ceiling band, bars beside models that are one group.

    Source of the manner: rsatoolbox, vis.model_plot.
    """
    made, left_out = rankings(evidence)
    if not made:
        return Drawing.empty("figure_ranking", TITLE, NONE, DATA)
    most = max(len(one.ranking.models) for one in made)
    figure, axes = panels(len(made), 2, width=4.4, height=0.75 + 0.19 * max(most, 3))
    for axis, one, title in zip(axes, made, _headings(made), strict=True):
        _panel(axis, one, title)
    caption = (
        f"{CAPTION} Grey band: noise ceiling. Intervals that leave the axis go beyond 1 or are longer than all else. "
        "Bars on the right (or letters) join models of one group. "
        f"{' '.join(_about(one) for one in made)}"
    )
    import pandas as pd

    models, pairs = models_frame(made).assign(kind="model"), pairs_frame(made).assign(kind="pair")
    data = pd.concat([models, pairs], ignore_index=True)[DATA]
    runs = run_ids(ids for one in made for ids in one.runs.values())
    notes = (*(note for one in made for note in one.notes), *left_out, *NOTES)
    return Drawing("figure_ranking", TITLE, caption, figure, data, runs, notes=notes)


def _panel(axis: Axes, one: Ranked, title: str) -> None:
    models = one.ranking.models
    if one.ranking.lower == one.ranking.lower:
        axis.axvspan(one.ranking.lower, one.ranking.upper, color=FAINT, alpha=0.3, linewidth=0, zorder=0)
    for place, model in enumerate(models):
        look, half = task_style(one.tasks[model.name]), model.estimate.half()
        axis.errorbar(model.estimate.value, place, xerr=half, color=look.colour, marker=look.marker, markersize=4.5,
                      linewidth=1.1, capsize=2, zorder=3)  # fmt: skip
        if len(model.scores) > 1:
            axis.plot(model.scores, [place] * len(model.scores), linestyle="", marker="|", markersize=5,
                      color=look.colour, alpha=0.6, zorder=2)  # fmt: skip
    axis.axvline(0.0, color=FAINT, linewidth=0.7, zorder=1)
    _limits(axis, one)
    axis.set_ylim(len(models) - 0.4, -0.6)
    axis.set_yticks(range(len(models)), [model.name for model in models], fontsize=SMALL)
    tidy(axis, x="r, mean over units", title=title)
    _groups(axis, [model.letters for model in models])


def _headings(made: list[Ranked]) -> list[str]:
    called, regions = benchmark_labels(one.benchmark for one in made), [region_label(one.region) for one in made]
    titles = [called[one.benchmark].replace(SESSION, f"\n{SESSION.lstrip(', ')}") for one in made]
    return [t if region in t else f"{t} ({region})" for t, region in zip(titles, regions, strict=True)]


def _limits(axis: Axes, one: Ranked) -> None:
    """All scores, zero, the ceiling and the intervals, as far as there are correlations; one that is longer than all
    the rest may leave the axis."""
    seen = [score for model in one.ranking.models for score in (*model.scores, model.estimate.value)]
    seen += [0.0, *(bound for bound in (one.ranking.lower, one.ranking.upper) if bound == bound)]
    low, high = min(seen), max(seen)
    for model in one.ranking.models:
        half = model.estimate.half()
        if half <= high - low:
            seen += [model.estimate.value - half, model.estimate.value + half]
    low, high = max(min(seen), -1.0), min(max(seen), 1.0)
    room = 0.06 * (high - low)
    axis.set_xlim(low - room, high + room)


def _groups(axis: Axes, letters: list[str]) -> None:
    """Right of the axis: a bar for every letter that several models share, a dot at each of these."""
    found: list[Any] = list(dict.fromkeys(mark for text in letters for mark in text.split(",") for mark in
                                          ([mark] if "," in "".join(letters) else list(mark))))  # fmt: skip
    members = {mark: [place for place, text in enumerate(letters) if mark in (text.split(",") if "," in text else
                                                                              list(text))]
               for mark in found}  # fmt: skip
    shared = [places for places in members.values() if len(places) > 1]
    across = axis.get_yaxis_transform()  # x in shares of the axis, y in models
    if len(shared) > BARS:
        for place, text in enumerate(letters):
            axis.text(1.02, place, text, transform=across, fontsize=SMALL, va="center", color=INK)
        return
    for number, places in enumerate(shared):
        x = 1.03 + 0.028 * number
        axis.plot([x, x], [places[0], places[-1]], transform=across, clip_on=False, color=INK, linewidth=0.9)
        axis.plot([x] * len(places), places, transform=across, clip_on=False, color=INK, marker="o", markersize=2.4,
                  linestyle="")  # fmt: skip
