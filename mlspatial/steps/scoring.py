"""One network against benchmarks: what is gathered of it, every layer's scores, the layer that is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis import matching, pls
from mlspatial.analysis.gram import centred, unpack
from mlspatial.analysis.splits import Split
from mlspatial.analysis.yardsticks import (
    Ceilings,
    Metric,
    Regression,
    Representation,
    find_metric,
    score_of_correlations,
)
from mlspatial.benchmarks import FmriBenchmark, NeuralBenchmark
from mlspatial.benchmarks.brainscore_targets import BehaviourTarget, NeuralTarget
from mlspatial.core.score import Score
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.gather import Gathered, gather, layers_of, spool_folder
from mlspatial.steps.scoring_plan import ONE_TO_ONE, OWN, SHORT

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.stimuli import Stimuli

Benchmark = NeuralBenchmark | FmriBenchmark | NeuralTarget | BehaviourTarget
ALL_STIMULI, OTHER_HALF = "all stimuli", "chosen on one half of the stimuli, reported on the other"
PCA, RAW = "1,000 principal components of ImageNet images", "raw features"  # of Brain-Score's benchmarks


@dataclass(frozen=True)
class Region:
    """What scoring needs of a neural benchmark. asked: metrics, as they are typed; ceilings: of a metric."""

    identifier: str
    region: str
    stimuli: Stimuli
    responses: np.ndarray
    strata: np.ndarray | None
    folds: tuple[Split, ...]
    own: Metric
    ceilings: Callable[[Metric], Ceilings]
    published: bool  # one of Brain-Score's: layers are chosen as it does
    asked: tuple[str, ...]

    def part(self, rows: np.ndarray) -> Region:
        """The same neuroids on some of the stimuli."""
        strata = None if self.strata is None else self.strata[rows]
        folds = tuple(pls.splits(len(rows), strata))
        return replace(self, responses=self.responses[rows], strata=strata, folds=folds)

    @property
    def metrics(self) -> list[Metric | None]:
        """Of each metric that is asked for; None for one-to-one mapping, which is no product between stimuli."""
        found: list[Metric | None] = []
        for name in self.asked:
            if name == ONE_TO_ONE:
                found.append(None)
            else:
                metric = self.own if name == OWN else find_metric(SHORT.get(name, name))
                if all(metric.name != (other.name if other else "") for other in found):
                    found.append(metric)
        return found


def region_of(benchmark: NeuralBenchmark | NeuralTarget, asked: tuple[str, ...] = (OWN,)) -> Region:
    """The neutral form of a benchmark of ours or of Brain-Score's, whose ceilings are of per-neuroid correlations."""
    if isinstance(benchmark, NeuralBenchmark):
        return Region(
            benchmark.identifier, benchmark.region, benchmark.stimuli, benchmark.responses, benchmark.strata,
            benchmark.folds, benchmark.measure(), benchmark.ceilings_of, False, asked,
        )  # fmt: skip

    def ceilings(metric: Metric) -> Ceilings:
        return benchmark.ceilings if isinstance(metric, Regression) else None

    return Region(
        benchmark.identifier, benchmark.region, benchmark.stimuli, benchmark.responses, benchmark.strata,
        benchmark.folds, find_metric(benchmark.metric), ceilings, True, asked,
    )  # fmt: skip


@dataclass(frozen=True)
class Job:
    """How a network is scored. layers: its layers, none for all of them (fMRI only); halves: choose the layer on one
    half of the stimuli and report on the other; imagenet: images for Brain-Score's choice of layers, or None; variant:
    of the fMRI study, a name in analysis.versa.VARIANTS."""

    layers: tuple[str, ...]
    halves: bool
    device: str
    study: str
    parents: tuple[str, ...] = ()
    imagenet: Stimuli | None = None
    variant: str = "paper"

    def table(
        self, record: ModelRecord, asked: Sequence[tuple[Benchmark, tuple[str, ...]]], progress: Any
    ) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
        """(one row a benchmark, metric and layer; of fMRI benchmarks the matrices at the reported layer). `committed`
        marks the layer with the highest ceiled score, the first on a tie.

        asked: benchmarks, each with its metrics. What a benchmark cannot do is raised before the network is run.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        matrices: dict[str, np.ndarray] = {}
        regions = [region_of(b, names) for b, names in asked if isinstance(b, NeuralBenchmark | NeuralTarget)]
        for region in regions:
            self._check(region)
        for group in grouped(regions):
            gathered, joint = self._gather(record, group)
            for depth, layer in enumerate(gathered.layers):
                for found in self._layer(gathered, layer, group, joint):
                    rows.append({**found, "layer": layer, "depth": depth})
            progress.update(len(group))
        for target in (b for b, _ in asked if isinstance(b, BehaviourTarget)):
            rows.append(self._behaviour(record, target))
            progress.update(1)
        if voxels := [(b, names) for b, names in asked if isinstance(b, FmriBenchmark)]:
            from mlspatial.steps.scoring_fmri import score_fmri

            fmri = score_fmri(
                record, voxels, layers=self.layers, variant=self.variant, device=self.device, study=self.study,
                parents=self.parents, progress=progress,
            )  # fmt: skip
            rows += fmri.rows
            matrices = fmri.matrices
        table = pd.DataFrame(rows).assign(engine="fast", model_id=record.model_id)
        return committed(table), matrices

    def _check(self, region: Region) -> None:
        """Raises UserError for ceilings that the trials do not give and stimuli that are too few for a metric."""
        parts = [region.part(_half(region, side)) for side in (0, 1)] if self.halves else [region]
        for metric in region.metrics:
            region.ceilings(metric or find_metric("ridge"))
            for part in parts:
                if metric and metric.name.startswith("pls"):
                    pls.check(part.folds, int(metric.name.removeprefix("pls")))

    def _gather(self, record: ModelRecord, group: Sequence[Region]) -> tuple[Gathered, int]:
        """Products of one network for benchmarks that share stimuli; how many of the rows are ImageNet images."""
        from mlspatial.models.sinks import Products

        first = group[0]
        joint = self.imagenet if first.published else None
        stimuli = first.stimuli if joint is None else _joined(joint, first.stimuli)
        kinds = list(dict.fromkeys(m.needs for region in group for m in region.metrics if m is not None)) or ["gram"]
        more = {}
        for region in (region for region in group if ONE_TO_ONE in region.asked):
            more[_one_to_one_kind(region)] = (
                lambda _n, region=region: matching.OneToOne(region.responses, region.folds),
                matching.OneToOne.correlations,
            )
        (gathered,) = gather(
            [record],
            stimuli,
            [*kinds, *more],
            [self.layers],
            lambda place, missing: Products(missing, len(stimuli), spool_folder(), place, more),
            device=self.device,
            study=self.study,
            parents=self.parents,
        )
        return gathered, 0 if joint is None else len(joint)

    def _layer(self, gathered: Gathered, layer: str, group: Sequence[Region], joint: int) -> Iterator[dict[str, Any]]:
        """Rows of one layer for all benchmarks of a group."""
        gram = unpack(np.asarray(gathered.array("gram", layer))) if "gram" in gathered.files else np.zeros((0, 0))
        patterns = np.asarray(gathered.array("pattern", layer)) if "pattern" in gathered.files else None
        own = gram[joint:, joint:] if joint else gram
        whole = Representation(centred(own) if joint else own, patterns)
        for metric, members in _by_metric(group).items():
            if metric is None:
                for region in members:
                    kept = np.asarray(gathered.array(_one_to_one_kind(region), layer))
                    ceiling = region.ceilings(find_metric("ridge"))
                    found = score_of_correlations(
                        kept, ceiling, name=ONE_TO_ONE, version=matching.VERSION, formula="r^2/c"
                    )
                    yield _row(region, found, ALL_STIMULI, found.ceiled, primary=False)
                continue
            chooser: list[float] | None = None
            used, shown, how = whole, list(members), ALL_STIMULI
            if self.halves:
                first, second = (_half(members[0], side) for side in (0, 1))
                chooser = [s.ceiled for s in self._scores(metric, _cut(whole, first), [r.part(first) for r in members])]
                used, shown, how = _cut(whole, second), [r.part(second) for r in members], OTHER_HALF
            elif members[0].published:
                how = RAW
                if joint:
                    reduced = Representation(self._reduced(gram, joint, gathered, layer))
                    chooser = [s.ceiled for s in self._scores(metric, reduced, members)]
                    how = PCA
            for place, (region, found) in enumerate(zip(members, self._scores(metric, used, shown), strict=True)):
                value = found.ceiled if chooser is None else chooser[place]
                yield _row(region, found, how, value, primary=metric.name == region.own.name)

    def _scores(self, metric: Metric, layer: Representation, regions: Sequence[Region]) -> list[Score]:
        from mlspatial.analysis.device import choose_device

        ceilings = [region.ceilings(metric) for region in regions]
        return metric.many(
            layer, [r.responses for r in regions], regions[0].folds, ceilings, device=choose_device(self.device)
        )

    def _reduced(self, gram: np.ndarray, joint: int, gathered: Gathered, layer: str) -> np.ndarray:
        """Inner products of principal component scores, as Brain-Score chooses layers by."""
        from mlspatial.analysis.pca import pca_gram

        return pca_gram(gram, joint, features=_widths(gathered.record, gathered.layers)[layer])

    def _behaviour(self, record: ModelRecord, target: BehaviourTarget) -> dict[str, Any]:
        from mlspatial.models.sinks import Features
        from mlspatial.models.zoo import candidate_layers

        def choose(module: Any, spec: Any) -> Sequence[str]:
            names = {name for name, _ in module.named_modules()}
            return (target.readout,) if target.readout in names else candidate_layers(spec, module)[-1:]

        (gathered,) = gather(
            [record], target.stimuli, ("features",), layers_of([record], choose), lambda _place, _kinds: Features(),
            device=self.device, study=self.study, parents=self.parents,
        )  # fmt: skip
        (layer,) = gathered.layers
        found = target.score(np.array(gathered.array("features", layer)))
        facts = {"benchmark": target.identifier, "region": target.region, "layer": layer, "depth": -1}
        values = {key: value for key, value in found.to_json().items() if key != "engine"}
        return {**facts, "primary": True, "selection": "the read-out layer, by hand", "choice": found.ceiled, **values}


@lru_cache(maxsize=1)
def _widths(record: ModelRecord, layers: tuple[str, ...]) -> dict[str, int]:
    """Number of features of each layer."""
    from mlspatial.models.extract import widths

    return widths(*record.load(), layers)


def committed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `committed` in place of `choice`: of each benchmark and metric the layer of the highest choice."""
    import pandas as pd

    best = table.sort_values("depth", kind="stable").groupby(["benchmark", "metric"]).choice
    chosen = set(best.apply(lambda values: values.idxmax() if values.notna().any() else values.index[0]))
    marks = pd.Series(table.index.isin(chosen), index=table.index)
    return table.assign(committed=marks).drop(columns="choice")


def grouped(regions: Sequence[Region]) -> list[list[Region]]:
    """Benchmarks that share stimuli and splits, in the order in which they come."""
    groups: dict[tuple[str, bytes], list[Region]] = {}
    for region in regions:
        folds = b"".join(np.asarray(side).astype("<i8").tobytes() for fold in region.folds for side in fold)
        groups.setdefault((region.stimuli.id, folds), []).append(region)
    return list(groups.values())


def _by_metric(group: Sequence[Region]) -> dict[Metric | None, list[Region]]:
    found: dict[str, tuple[Metric | None, list[Region]]] = {}
    for region in group:
        for metric in region.metrics:
            found.setdefault(metric.name if metric else ONE_TO_ONE, (metric, []))[1].append(region)
    return dict(found.values())


def _row(region: Region, score: Score, selection: str, choice: float, *, primary: bool) -> dict[str, Any]:
    facts = {"benchmark": region.identifier, "region": region.region, "primary": primary, "selection": selection}
    return {**facts, "choice": choice, **score.to_json()}


def _one_to_one_kind(region: Region) -> str:
    """A name for what depends on the responses, too."""
    from mlspatial.core.hashing import content_id

    folds = [[np.asarray(side).tolist() for side in fold] for fold in region.folds]
    return f"{ONE_TO_ONE}-{content_id([region.responses.tolist(), folds, matching.VERSION])}"


def _half(region: Region, side: int) -> np.ndarray:
    """Rows of one half of the stimuli, half of every stratum; the same halves for every network."""
    rng = np.random.default_rng([20250101, len(region.stimuli)])
    strata = np.zeros(len(region.stimuli)) if region.strata is None else np.asarray(region.strata)
    rows: list[int] = []
    for label in dict.fromkeys(strata.tolist()):
        members = rng.permutation(np.flatnonzero(strata == label))
        rows += members[side::2].tolist()
    return np.sort(np.array(rows))


def _cut(layer: Representation, rows: np.ndarray) -> Representation:
    from scipy.spatial.distance import squareform

    patterns = None
    if layer.patterns is not None:
        square = squareform(np.asarray(layer.patterns, np.float64))
        patterns = squareform(square[np.ix_(rows, rows)], checks=False)
    gram = centred(layer.gram[np.ix_(rows, rows)]) if len(layer.gram) else layer.gram
    return Representation(gram, patterns)


def _joined(first: Stimuli, second: Stimuli) -> Stimuli:
    from mlspatial.models.stimuli import Stimuli

    return Stimuli((*first.ids, *second.ids), np.concatenate([first.images, second.images]), second.degrees)
