"""What a benchmark is: one contract for recordings, voxels, behaviour and whatever else networks are scored on.

`score` asks a benchmark what to gather of a layer (`needs`), hands that over layer by layer (`scores`) and lets it
choose the layer that counts (`commit`). A kind is a subclass of Benchmark in a file of its own, which owns its ceiling,
its choice of a layer and the versions of its metrics; a benchmark is a function that builds one, in BENCHMARKS.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis.gram import unpack
from mlspatial.analysis.splits import Split
from mlspatial.core.errors import UserError
from mlspatial.core.plugins import Plugins, load_own
from mlspatial.core.predictions import Predictions
from mlspatial.core.progress import say
from mlspatial.core.score import Score
from mlspatial.models.lazy import LazyModel
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

OWN = "own"  # the benchmark's own metric


@dataclass(frozen=True)
class Way:
    """What a user says of how to score. selection: of the layer, auto, raw or half; variant: of the fMRI study, a name
    in analysis.versa.VARIANTS; by_imagenet: whether Brain-Score's layers are chosen by ImageNet images; device."""

    selection: str = "auto"
    variant: str = "paper"
    by_imagenet: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class Truth:
    """Where simulated responses come from: the model_id of the network, its layer, and a hash of the neuroids, which
    is the same for populations that differ in nothing but the number of trials."""

    network: str
    layer: str
    population: str


@dataclass(frozen=True)
class Layer:
    """What was gathered of a layer. arrays: kind -> array, mapped from its file; width(): number of its features."""

    arrays: Mapping[str, np.ndarray]
    width: Callable[[], int]

    @cached_property
    def gram(self) -> np.ndarray:
        """(n, n) float64 inner products, unpacked once for all metrics; empty where none was gathered."""
        return unpack(np.asarray(self.arrays["gram"])) if "gram" in self.arrays else np.zeros((0, 0))

    @cached_property
    def _made(self) -> dict[str, np.ndarray]:
        return {}

    def once(self, what: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """What is made of the layer alone, for all benchmarks that show the same stimuli."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]


class Benchmark(ABC):
    """identifier, version: of what decides a score beside the network; region: of the brain, or what stands for it;
    own: its own metric; trials: (n, units, repeats), or None; truth: of simulated responses.

    Of the kind: takes: words before the metrics that it takes; metrics: those, as users type them; options: of `score`
    that touch it (selection, variant, layers=all); fixed: in words, why selection cannot; geometries: metrics by which
    networks are compared with each other as well.
    """

    identifier: str
    region: str
    stimuli: Stimuli
    trials: np.ndarray | None = None
    truth: Truth | None = None
    if TYPE_CHECKING:  # fields of one kind, computed by another

        @property
        def version(self) -> str: ...
        @property
        def own(self) -> str: ...

    takes: ClassVar[str] = "it takes"
    metrics: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[frozenset[str]] = frozenset()
    fixed: ClassVar[str] = ""
    geometries: ClassVar[tuple[str, ...]] = ()

    # ---- of the kind, known without data ----

    @classmethod
    def knows(cls, metric: str) -> bool:
        """Whether a name that a user types is a metric of this kind."""
        return metric in cls.metrics

    @classmethod
    def refusal(cls, metric: str, way: Way) -> str:
        """Why it is not scored by a metric that a user asks for; "" where it is."""
        known = metric == OWN or cls.knows(metric)
        return "" if known else f"{cls.takes} {', '.join((OWN, *cls.metrics))}"

    @classmethod
    def full_name(cls, metric: str) -> str:
        """The name of a metric for what a user types."""
        return metric

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        """Kinds of arrays of a layer (models.sinks), settings left out, that a metric is computed from."""
        return ("gram",)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        """Versions of all that a metric's values come out of, for the spec of a run."""
        return {}

    @classmethod
    def states(cls, way: Way) -> dict[str, Any]:
        """What else of the way decides a score, for the spec of a run."""
        return {}

    @classmethod
    def imagenet_chooses(cls, download: bool) -> bool:
        """Whether layers can be chosen by ImageNet images, which may have to be downloaded."""
        return False

    # ---- of the benchmark ----

    @property
    def shown(self) -> Stimuli:
        """What a network is shown."""
        return self.stimuli

    @property
    def joint(self) -> int:
        """How many images come before the stimuli in what is shown."""
        return 0

    @property
    def together(self) -> Hashable:
        """Benchmarks that say the same here are scored in one call of `scores`."""
        return self.identifier

    def layers(self, asked: tuple[str, ...], model: LazyModel) -> tuple[str, ...]:
        """The layers that it looks at. asked: by the user, () for every one."""
        return asked or model.every_layer

    def needs(self, metric: str) -> dict[str, Product | None]:
        """What is to be gathered of every layer: kind -> what makes it of products, None where its name says that."""
        return dict.fromkeys(self.reads(metric))

    def check(self, metric: str, way: Way) -> None:  # noqa: B027 - most kinds have nothing to check
        """Raises UserError for what cannot be scored; asked before a network is run."""

    @abstractmethod
    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        """Of one layer: its own score and those of others that are scored `together` with it."""

    def commit(self, scores: Sequence[Score], way: Way) -> int:
        """The place of the layer that counts: of the highest choice, the first of equals; the first without any."""
        values = np.array([score.chosen_by for score in scores], np.float64)
        return int(np.nanargmax(values)) if not np.isnan(values).all() else 0

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """What a score of a layer is made of: a row a unit and split with unit, split, r (float32) and reliability (of
        the unit's mean response, NaN where it is not known); None for scores that are not of units."""
        return None

    def predictions(self, layer: Layer, name: str, metric: str, way: Way) -> tuple[Predictions, ...]:
        """Cross-validated predictions of the responses by the layer that counts, each stimulus predicted once, of every
        recording that there is; none for metrics that predict nothing. name: of the layer."""
        return ()

    def matrix(self, layer: Layer, metric: str, score: Score) -> np.ndarray | None:
        """The network's condensed similarity matrix at the layer that counts, of a metric in `geometries`."""
        return None


@dataclass(frozen=True)
class Found:
    """A benchmark that was found but for its data.

    load: from a network's input size and the way; of_package: whether Brain-Score's own code can score it; metrics:
    those that are asked of it, as they are typed.
    """

    name: str
    version: str
    kind: type[Benchmark]
    own: str
    load: Callable[[int, Way], Benchmark]
    of_package: bool = False
    truth: Truth | None = None
    trials: int = 0
    metrics: tuple[str, ...] = ()

    @classmethod
    def of(cls, benchmark: Benchmark) -> Found:
        """Of one whose data are there."""
        kind, trials = type(benchmark), 0 if benchmark.trials is None else benchmark.trials.shape[2]
        facts = benchmark.identifier, benchmark.version, kind, benchmark.own, lambda *_: benchmark
        return cls(*facts, truth=benchmark.truth, trials=trials)

    def full_names(self, own: str = "") -> tuple[str, ...]:
        """The names of the metrics that are asked for, each once. own: the benchmark's, where its data tell."""
        names = (own or self.own if name == OWN else self.kind.full_name(name) for name in self.metrics)
        return tuple(dict.fromkeys(names))


def kinds() -> list[type[Benchmark]]:
    """All that there are, a user's own as well."""
    load_own()
    found = Benchmark.__subclasses__()
    for kind in found:
        found += kind.__subclasses__()
    return found


def demand_responses(what: str, responses: np.ndarray, stimuli: Stimuli, unit: str, names: Sequence[str]) -> None:
    """Raises UserError for responses (stimuli, units) that lack or that never vary. unit: neuroid, voxel."""
    missing = np.argwhere(~np.isfinite(responses))
    if len(missing):
        stimulus, place = missing[0]
        more = f" (nor have {len(missing) - 1} more pairs)" if len(missing) > 1 else ""
        raise UserError(
            f"{what}: {unit} {names[place]} has no trial of stimulus {stimuli.ids[stimulus]}{more}; "
            f"leave out the {unit} or the stimulus"
        )
    if still := [names[place] for place in np.flatnonzero(np.ptp(responses, axis=0) == 0)]:
        raise UserError(
            f"{what}: {len(still)} {unit}s respond the same to all stimuli ({', '.join(still[:5])}); leave them out"
        )


def demand_variation(
    what: str, responses: np.ndarray, folds: Sequence[Split], names: Sequence[str], stimuli: Stimuli
) -> None:
    """Raises UserError where no neuroid varies over the test stimuli of a split, so that nothing correlates there;
    tells of those that do not vary in some split, and have no say in it. responses: (stimuli, neuroids)."""
    flat = np.array([np.ptp(responses[test], axis=0) == 0 for _, test in folds])
    listed = [names[place] for place in np.flatnonzero(flat.any(axis=0))]
    if (empty := flat.all(axis=1)).any():
        ids = [stimuli.ids[place] for place in folds[int(np.argmax(empty))][1][:3]]
        raise UserError(
            f"{what}: in {int(empty.sum())} of {len(flat)} splits no neuroid varies over the test stimuli "
            f"({', '.join(ids)}, ...), so that nothing correlates; leave out neuroids that hardly respond "
            f"({', '.join(listed[:5])}), or take fewer and larger splits (kfold:2)"
        )
    if listed:
        say(
            f"{what}: {len(listed)} of {len(names)} neuroids do not vary over the test stimuli of some splits, where "
            f"they have no say ({', '.join(listed[:5])})"
        )


def standard_error(values: np.ndarray) -> float:
    """Of the mean of the values that are finite; NaN for fewer than two."""
    known = np.asarray(values, np.float64)[np.isfinite(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")


#: columns of units' tables, under which nothing else that is known of a unit is kept
COLUMNS = (
    *("model_id", "benchmark", "region", "metric", "layer", "committed", "primary", "unit", "split", "r"),
    *("reliability", "run_id"),
)


def units_table(
    values: np.ndarray, names: Sequence[str], reliability: np.ndarray, facts: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """A row a unit and split. values: (splits, units) r; reliability: (units,); facts: name -> what else is known of
    each unit, as text; one that is called as a column of ours gets neuroid_ before it."""
    import pandas as pd

    splits, units = values.shape
    columns = {
        "unit": np.tile(names, splits),
        "split": np.repeat(np.arange(splits, dtype=np.int16), units),
        "r": np.asarray(values, np.float32).ravel(),
        "reliability": np.tile(reliability, splits),
    }
    known = {f"neuroid_{name}" if name in COLUMNS else name: told for name, told in facts.items()}
    return pd.DataFrame(columns | {name: np.tile(np.asarray(told, object), splits) for name, told in known.items()})


def digests(kind: str, *arrays: np.ndarray | None) -> list[str]:
    """A SHA-256 of each array that is there. kind: of number that they are hashed as."""
    there = (np.ascontiguousarray(array, dtype=kind) for array in arrays if array is not None)
    return [hashlib.sha256(array.tobytes()).hexdigest() for array in there]


#: name -> function that builds the benchmark; words behind the name (`nsd:subj01`) are its first arguments, and
#: key=value its further ones (see find_benchmark)
BENCHMARKS: Plugins[Callable[..., Benchmark]] = Plugins("benchmark")
FMRI_BENCHMARKS = BENCHMARKS  # what registrations of voxels may call it
