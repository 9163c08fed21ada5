"""What `score` is asked for: benchmarks whose data are there, the metrics that each takes, what decides the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.errors import BadValue, UnknownName, Unreachable, UserError
from mlspatial.core.progress import say
from mlspatial.registry import activations as kept
from mlspatial.steps.ways import Later, Ways, square

if TYPE_CHECKING:
    from mlspatial.benchmarks.base import Benchmark, Found, Way

OWN = "own"  # the benchmark's own metric
ALL_LAYERS = "all"  # every module but containers, as the study of fMRI looks at them
ENGINES, SELECTIONS = ("fast", "reference"), ("auto", "raw", "half")
VARIANTS = ("paper", "published_code")


@dataclass(frozen=True)
class Plan:
    """What is scored: all that decides a number beside the network."""

    chosen: tuple[Found, ...]
    metrics: tuple[str, ...]
    layers: str
    engine: str
    way: Way

    @classmethod
    def of(
        cls, benchmarks: str, metrics: str, layers: str, engine: str, selection: str, variant: str, download: bool
    ) -> Plan:
        """Raises UserError for what cannot be done together; says which benchmark is scored without which metric."""
        from mlspatial.benchmarks.base import Way

        names = metric_names(metrics)
        reference = engine == "reference"
        chosen, absent = find(benchmarks, download, fast=not reference)
        if reference and (not all(found.of_package for found in chosen) or names != (OWN,)):
            raise UserError("engine=reference is Brain-Score's own code: name only its benchmarks, and metrics=own")
        possible = (found.kind.imagenet_chooses(download and reference) for found in chosen)
        imagenet = selection == "auto" and any(possible)
        way = Way(selection, variant, imagenet)
        chosen = matched(chosen, names, replace(way, by_imagenet=imagenet and not reference), absent)
        check_options(chosen, layers, engine, selection, variant)
        return cls(tuple(chosen), names, layers, engine, way)

    def choose(self, module: Any, spec: Any) -> Sequence[str]:
        """The layers of a network; none where all are, which takes its weights to know."""
        from mlspatial.models.layers import candidate_layers, resolve_layers

        if self.layers == ALL_LAYERS:
            return ()
        names = resolve_layers(self.layers, module, candidate_layers(spec, module))
        modules = dict(module.named_modules())
        if self.engine == "reference" and (parts := [name for name in names if name not in modules]):
            raise UserError(
                f"layers={parts[0]}: engine=reference knows whole modules only, no calls, parts or tokens of them; "
                "set engine=fast, or name modules"
            )
        return names

    @property
    def geometries(self) -> tuple[str, ...]:
        """The metrics by which networks are compared with each other, too."""
        asked = {name for found in self.chosen for name in found.full_names() if name in found.kind.geometries}
        return tuple(sorted(asked))

    def inputs(self) -> dict[str, Any]:
        """For the spec of a run: the benchmarks and the versions of what the numbers come out of."""
        inputs: dict[str, Any] = {"benchmarks": {found.name: found.version for found in self.chosen}}
        for found in self.chosen:
            inputs |= found.kind.states(self.way)
        return inputs | {"versions": self.versions()}

    def versions(self) -> dict[str, str]:
        from mlspatial.models import layers

        versions = {"layers": layers.VERSION}
        if self.engine == "reference":
            from mlspatial.benchmarks.brainscore import reference

            return versions | {"brainscore_reference": reference.VERSION}
        kinds: set[str] = set()
        for found in self.chosen:
            for name in found.full_names():
                kinds |= set(found.kind.reads(name))
                versions |= found.kind.versions(name, self.way)
        return versions | kept.versions(kinds)


def ways_of(asked: Sequence[tuple[Benchmark, str]], others: Sequence[str], networks: int) -> Ways:
    """What scoring takes after the arrays are there, and what can be left out. asked: benchmarks and their metrics, of
    one set of stimuli; others: benchmarks of other stimuli; networks: that are still to come."""
    metrics = list(dict.fromkeys(metric for _, metric in asked))
    names = list(dict.fromkeys(benchmark.identifier for benchmark, _ in asked))
    left: dict[str, tuple[tuple[str, ...], Later | None]] = {}
    for metric in metrics if len(metrics) > 1 else ():
        rest = [pair for pair in asked if pair[1] != metric]
        left[f"leave out metric {metric} (--metrics {','.join(m for m in metrics if m != metric)})"] = _left(rest)
    for name in names if len(names) + len(others) > 1 else ():
        rest = [pair for pair in asked if pair[0].identifier != name]
        left[f"leave out benchmark {name}"] = _left(rest)
    return Ways("", _left(asked)[1], networks, left)


def _left(asked: Sequence[tuple[Benchmark, str]]) -> tuple[tuple[str, ...], Later | None]:
    """(the kinds that are gathered, what scoring takes)."""
    kinds = tuple(dict.fromkeys(kind for benchmark, metric in asked for kind in benchmark.needs(metric)))

    def later(n: int, widths: Mapping[str, int]) -> dict[str, float]:
        sizes = {}
        for benchmark, metric in asked:
            projected = [int(kind.split("-")[1]) for kind in benchmark.needs(metric) if kind.startswith("projection-")]
            widest = max((min(width, max(projected)) for width in widths.values()), default=0) if projected else 0
            units = np.shape(getattr(benchmark, "responses", ()))[1:2] or (0,)
            matrices = square(metric) * n * n
            sizes[f"{metric} of {benchmark.identifier}"] = matrices + 24.0 * n * widest + 64.0 * n * units[0]
        most = max(sizes, key=lambda words: sizes[words])
        return {most: sizes[most]}

    return kinds, later if asked else None


def check_words(metrics: str, engine: str, selection: str, variant: str) -> None:
    """Raises UserError for words that mean nothing, which needs no look at networks or data."""
    options = ("engine", engine, ENGINES), ("selection", selection, SELECTIONS), ("variant", variant, VARIANTS)
    for name, value, known in options:
        if value not in known:
            raise BadValue(name, value, f"must be one of {', '.join(known)}")
    metric_names(metrics)


def metric_names(text: str) -> tuple[str, ...]:
    """The metrics of a comma list. Raises UnknownName."""
    from mlspatial.benchmarks.base import kinds

    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) or (OWN,)
    known = kinds()
    for name in names:
        if name != OWN and not any(kind.knows(name) for kind in known):
            raise UnknownName("metric", name, (OWN, *(metric for kind in known for metric in kind.metrics)))
    return names


def find(names: str, download: bool, *, fast: bool = True) -> tuple[list[Found], bool]:
    """(the benchmarks of a comma list, whether one with a `?` behind its name is left out for want of its data)."""
    from mlspatial.benchmarks.find import benchmark_names
    from mlspatial.benchmarks.find import find as find_one
    from mlspatial.registry.models import load

    chosen: list[Found] = []
    absent = False
    for name in benchmark_names(names):
        try:
            chosen.append(find_one(name.removesuffix("?"), download=download, resolve=load, fast=fast))
        except UserError as error:
            if not name.endswith("?") or isinstance(error, Unreachable):
                raise
            say(f"score: {error}; going on without it")
            absent = True
    if not chosen:
        raise UserError(f"benchmarks={names}: none can be used; name at least one whose data are there")
    versions: dict[str, str] = {}
    for found in chosen:
        if versions.setdefault(found.name, found.version) != found.version:
            raise UserError(f"benchmarks={names}: two are called {found.name}; give one another `name:` in its YAML")
    return list({found.name: found for found in chosen}.values()), absent


def matched(chosen: Sequence[Found], names: Sequence[str], way: Way, absent: bool = False) -> list[Found]:
    """The benchmarks with the metrics that they take. Raises UserError for a metric that none of them takes, unless
    it may be meant for one that is absent."""
    taken = [replace(f, metrics=tuple(n for n in names if not f.kind.refusal(n, way))) for f in chosen]
    for name in names:
        refused = [found for found in taken if name not in found.metrics]
        reasons = "; ".join(dict.fromkeys(found.kind.refusal(name, way) for found in refused))
        without = ", ".join(found.name for found in refused)
        if len(refused) == len(taken) and not (absent and any(found.metrics for found in taken)):
            raise UserError(f"metrics={name}: no benchmark takes it ({without}: {reasons}); leave it out")
        if refused:
            say(f"score: {without} without {name}: {reasons}")
    return [found for found in taken if found.metrics]


def check_options(chosen: Sequence[Found], layers: str, engine: str, selection: str, variant: str) -> None:
    """Raises UserError for an option that touches no benchmark, or that one cannot follow."""
    from mlspatial.benchmarks.base import kinds

    def others(option: str) -> list[Found]:
        return [found for found in chosen if option not in found.kind.options]

    if variant != VARIANTS[0] and len(others("variant")) == len(chosen):
        raise BadValue("variant", variant, "is of fMRI benchmarks, and none is asked for; leave it out")
    if engine == "reference" and selection == "half":
        raise BadValue("selection", selection, "engine=reference takes auto or raw; halves are not Brain-Score's")
    if selection != "auto" and (apart := others("selection")):
        why = ", and ".join(kind.fixed for kind in kinds() if kind.fixed)
        if len(apart) == len(chosen):
            raise BadValue("selection", selection, f"touches none of the benchmarks: {why}; leave it out")
        say(f"score: selection={selection} does not touch {', '.join(found.name for found in apart)}: {why}")
    if layers == ALL_LAYERS and (names := ", ".join(found.name for found in others("layers"))):
        raise BadValue("layers", layers, f"is of fMRI benchmarks; say auto or names for {names}")
