"""What `score` is asked for: benchmarks whose data are there, the metrics that each takes, what decides the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mlspatial.core.errors import BadValue, UnknownName, Unreachable, UserError
from mlspatial.core.progress import say
from mlspatial.registry import activations as kept

if TYPE_CHECKING:
    from mlspatial.benchmarks.neural import Truth
    from mlspatial.steps.scoring import Benchmark

ONE_TO_ONE = "one_to_one"
FMRI = ("crsa", "versa")  # metrics of fMRI benchmarks alone
OWN = "own"  # the benchmark's own metric
SHORT = {"pls": "pls25", "cka": "cka_debiased", "ridge": "ridge", "rsa": "rsa"}
ALL_LAYERS = "all"  # every module but containers, as the study of fMRI looks at them
ENGINES, SELECTIONS = ("fast", "reference"), ("auto", "raw", "half")
VARIANTS = ("paper", "published_code")

Kind = Literal["recordings", "voxels", "brainscore", "choices"]
TAKES = {
    "recordings": "recordings take own, pls, ridge, rsa, cka, one_to_one",
    "voxels": "fMRI takes own, crsa, versa",
    "brainscore": "recordings take own, pls, ridge, rsa, cka, one_to_one",
    "choices": "behaviour takes own",
}
WITH_IMAGENET = "layers chosen by ImageNet images take own, pls, ridge, cka; selection=raw takes it"


@dataclass(frozen=True)
class Known:
    """A benchmark that was found but for its data.

    load: from a network's input size; kind: recordings and voxels of ours, Brain-Score's recordings and choices; own:
    its own metric; metrics: those that are asked of it, as they are typed.
    """

    name: str
    version: str
    load: Callable[[int], Benchmark]
    kind: Kind
    own: str
    truth: Truth | None = None
    trials: int = 0
    metrics: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        return self.kind in ("recordings", "voxels")


@dataclass(frozen=True)
class Plan:
    """What is scored: all that decides a number beside the network. by_imagenet: whether layers of Brain-Score's
    recordings are chosen by components of ImageNet images."""

    chosen: tuple[Known, ...]
    metrics: tuple[str, ...]
    layers: str
    engine: str
    selection: str
    variant: str
    by_imagenet: bool

    @classmethod
    def of(
        cls, benchmarks: str, metrics: str, layers: str, engine: str, selection: str, variant: str, download: bool
    ) -> Plan:
        """Raises UserError for what cannot be done together; says which benchmark is scored without which metric."""
        names = metric_names(metrics)
        chosen, absent = find(benchmarks, download)
        if engine == "reference" and (any(known.ours for known in chosen) or names != (OWN,)):
            raise UserError("engine=reference is Brain-Score's own code: name only its benchmarks, and metrics=own")
        by_imagenet = _by_imagenet(chosen, selection, download and engine == "reference")
        chosen = _matched(chosen, names, by_imagenet and engine == "fast", absent)
        _check_options(chosen, layers, engine, selection, variant)
        return cls(tuple(chosen), names, layers, engine, selection, variant, by_imagenet)

    def choose(self, module: Any, spec: Any) -> Sequence[str]:
        """The layers of a network; none where all are, which takes its weights to know."""
        from mlspatial.models.layers import resolve_layers
        from mlspatial.models.zoo import candidate_layers

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
        """The metrics of fMRI benchmarks by which networks are compared with each other, too."""
        voxels = [known for known in self.chosen if known.kind == "voxels"]
        asked = {known.own if name == OWN else name for known in voxels for name in known.metrics}
        return tuple(name for name in FMRI if name in asked)

    def inputs(self) -> dict[str, Any]:
        """For the spec of a run: the benchmarks and the versions of what the numbers come out of."""
        found: dict[str, Any] = {"benchmarks": {known.name: known.version for known in self.chosen}}
        if any(known.kind == "brainscore" for known in self.chosen):
            found["by_imagenet"] = self.by_imagenet
        return found | {"versions": self.versions()}

    def versions(self) -> dict[str, str]:
        from mlspatial.analysis.versions import of_metric, versions
        from mlspatial.analysis.yardsticks import METRICS
        from mlspatial.benchmarks import brainscore_reference, brainscore_targets, neural
        from mlspatial.models import layers

        found = {"layers": layers.VERSION}
        if self.engine == "reference":
            return found | {"brainscore_reference": brainscore_reference.VERSION}
        modules: set[str] = {"pca"} if self.by_imagenet else set()
        kinds: set[str] = set()
        for known in self.chosen:
            if known.kind == "choices":
                kinds.add("features")
                found["brainscore_targets"] = brainscore_targets.VERSION
                continue
            for name in known.metrics:
                metric = known.own if name == OWN else SHORT.get(name, name)
                modules |= set(of_metric(metric))
                kinds |= _kinds(metric)
                if metric in METRICS:
                    found[f"metric {metric}"] = METRICS[metric].version
            if known.kind == "recordings":
                found["neural"] = neural.VERSION
        return found | versions(*modules) | kept.versions(kinds)


def check_words(metrics: str, engine: str, selection: str, variant: str) -> None:
    """Raises UserError for words that mean nothing, which needs no look at networks or data."""
    options = ("engine", engine, ENGINES), ("selection", selection, SELECTIONS), ("variant", variant, VARIANTS)
    for name, value, known in options:
        if value not in known:
            raise BadValue(name, value, f"must be one of {', '.join(known)}")
    metric_names(metrics)


def metric_names(text: str) -> tuple[str, ...]:
    """The metrics of a comma list. Raises UnknownName."""
    from mlspatial.analysis.yardsticks import find_metric

    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) or (OWN,)
    for name in names:
        if name not in (OWN, ONE_TO_ONE, *FMRI, *SHORT):
            try:
                find_metric(name)
            except UnknownName as error:
                raise UnknownName("metric", name, (OWN, ONE_TO_ONE, *FMRI, *SHORT)) from error
    return names


def find(names: str, download: bool) -> tuple[list[Known], bool]:
    """(the benchmarks of a comma list, whether one with a `?` behind its name is left out for want of its data)."""
    from mlspatial.benchmarks import benchmark_names

    found, absent = [], False
    for name in benchmark_names(names):
        try:
            found.append(_benchmark(name.removesuffix("?"), download))
        except UserError as error:
            if not name.endswith("?") or isinstance(error, Unreachable):
                raise
            say(f"score: {error}; going on without it")
            absent = True
    if not found:
        raise UserError(f"benchmarks={names}: none can be used; name at least one whose data are there")
    versions: dict[str, str] = {}
    for known in found:
        if versions.setdefault(known.name, known.version) != known.version:
            raise UserError(f"benchmarks={names}: two are called {known.name}; give one another `name:` in its YAML")
    return list({known.name: known for known in found}.values()), absent


def _benchmark(name: str, download: bool) -> Known:
    """A benchmark of ours, or one that Brain-Score knows. Files that lack are named before anything runs."""
    from mlspatial.benchmarks import FmriBenchmark, find_benchmark, known_benchmarks
    from mlspatial.benchmarks import brainscore_files as files
    from mlspatial.registry.models import load as load_network

    if name.split(":")[0] in known_benchmarks() or name.endswith((".yaml", ".yml")):
        own = find_benchmark(name, resolve=load_network)
        trials = 0 if own.trials is None else own.trials.shape[2]
        if isinstance(own, FmriBenchmark):
            return Known(own.identifier, own.version, lambda _size: own, "voxels", own.metric, None, trials)
        metric = own.measure().name
        return Known(own.identifier, own.version, lambda _size: own, "recordings", metric, own.truth, trials)
    try:
        package_name = files.resolve(name)
    except UnknownName as error:
        raise UnknownName("benchmark", name, [*known_benchmarks(), *files.known()]) from error
    wanted = files.needs(name)
    if not download:
        files.demand(name, wanted)
    for file in wanted:
        if not file.is_here:
            say(f"score: {name} will download {file.url} to {file.path}")

    def load(size: int) -> Benchmark:
        from mlspatial.benchmarks import brainscore

        return brainscore.load(name, input_size=size, download=download)

    version = f"{package_name}, brainscore_vision {files.package_version()}"
    if package_name.endswith("-i2n"):
        return Known(name, version, load, "choices", "i2n")
    return Known(name, version, load, "brainscore", "pls25")  # loading refuses those of another metric


def _by_imagenet(chosen: Sequence[Known], selection: str, download: bool) -> bool:
    if selection != "auto" or all(known.kind != "brainscore" for known in chosen):
        return False
    from mlspatial.benchmarks.brainscore import selection_is_possible

    return selection_is_possible(download)


def _matched(chosen: Sequence[Known], names: Sequence[str], by_imagenet: bool, absent: bool = False) -> list[Known]:
    """The benchmarks with the metrics that they take. Raises UserError for a metric that none of them takes, unless
    it may be meant for one that is absent."""
    matched = [replace(k, metrics=tuple(n for n in names if not _refusal(k, n, by_imagenet))) for k in chosen]
    for name in names:
        refused = [known for known in matched if name not in known.metrics]
        reasons = "; ".join(dict.fromkeys(_refusal(known, name, by_imagenet) for known in refused))
        without = ", ".join(known.name for known in refused)
        if len(refused) == len(matched) and not (absent and any(known.metrics for known in matched)):
            raise UserError(f"metrics={name}: no benchmark takes it ({without}: {reasons}); leave it out")
        if refused:
            say(f"score: {without} without {name}: {reasons}")
    return [known for known in matched if known.metrics]


def _refusal(known: Known, metric: str, by_imagenet: bool) -> str:
    """Why a benchmark does not take a metric; "" where it does."""
    if metric == OWN:
        return ""
    if (metric in FMRI) != (known.kind == "voxels") or known.kind == "choices":
        return TAKES[known.kind]
    if known.kind == "brainscore" and by_imagenet and _kinds(SHORT.get(metric, metric)) != {"gram"}:
        return WITH_IMAGENET
    return ""


def _kinds(metric: str) -> set[str]:
    """What of a layer a metric reads, settings left out."""
    from mlspatial.analysis.yardsticks import find_metric

    if metric == ONE_TO_ONE:
        return {ONE_TO_ONE}
    if metric in FMRI:
        return {"gram", "pattern" if metric == "crsa" else "projection"}
    return {find_metric(metric).needs}


def _check_options(chosen: Sequence[Known], layers: str, engine: str, selection: str, variant: str) -> None:
    """Raises UserError for an option that touches no benchmark, or that one cannot follow."""
    kinds = {known.kind for known in chosen}
    if variant != VARIANTS[0] and "voxels" not in kinds:
        raise BadValue("variant", variant, "is of fMRI benchmarks, and none is asked for; leave it out")
    if engine == "reference" and selection == "half":
        raise BadValue("selection", selection, "engine=reference takes auto or raw; halves are not Brain-Score's")
    if selection != "auto":
        why = "fMRI layers are always chosen on one half of the stimuli, and behaviour is read from one layer"
        apart = [known.name for known in chosen if known.kind in ("voxels", "choices")]
        if len(apart) == len(chosen):
            raise BadValue("selection", selection, f"touches none of the benchmarks: {why}; leave it out")
        if apart:
            say(f"score: selection={selection} does not touch {', '.join(apart)}: {why}")
    others = [known.name for known in chosen if known.kind != "voxels"]
    if layers == ALL_LAYERS and others:
        raise BadValue("layers", layers, f"is of fMRI benchmarks; say auto or names for {', '.join(others)}")
