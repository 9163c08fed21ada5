"""The numbers of a tuning run: a layer after the other, of its units and of its population."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis import anova, factorisation, manifold, subspaces
from mlspatial.analysis import tuning as units_tuning
from mlspatial.analysis.estimates import Estimate
from mlspatial.analysis.marginals import Marginals
from mlspatial.analysis.separability import separability
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.models.controlled import Controlled, groups

if TYPE_CHECKING:
    import pandas as pd

INFORMATION = "fisher_information"  # of the channels' means over space
#: Columns of units.parquet that are as in analysis.tuning.Tuning.
OF_UNITS = ("preferred_level", "preferred", "selectivity", "depth", "sparseness", "monotonicity", "width",
            "circular_variance", "across_cells", "across_contexts", "reliability", "p")  # fmt: skip
ROWS = 512  # of an eigendecomposition: the PCA variant of a larger design is that of fewer of its contexts
SECOND_FLOOR = 1  # of (mean, 95th percentile)


@dataclass
class Tables:
    """What is known of the layers so far. crossings: of the design; permutations, seed: of the floors.

    population: a row a number: layer, crossing, measure, factor (or effect), other (the second factor, or the step),
    value, error, low, high. units: a row a unit, pool and factor. curves: the same with `mean` and `error` over levels.
    maps: a row a factor: the share of each position's variance that its main effect makes.
    """

    crossings: Sequence[Crossing]
    permutations: int
    seed: int
    population: list[dict[str, Any]] = field(default_factory=list)
    units: list[pd.DataFrame] = field(default_factory=list)
    curves: list[pd.DataFrame] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def state(self, **facts: Any) -> None:
        """What every row of `population` says besides."""
        self.facts |= facts

    def add(self, layer: str, kept: Controlled) -> None:
        for row in population_rows(kept, self.crossings):
            self.population.append({"layer": layer, **row})
        for pool, responses in kept.channels.items():
            self.add_units(layer, pool, 0, responses)
        self.maps += [{"layer": layer, **row} for row in _maps(kept, self.crossings)]

    def add_units(self, layer: str, pool: str, first: int, responses: np.ndarray) -> None:
        """responses: (images, units), of units from number `first` on."""
        import pandas as pd

        rng = np.random.default_rng([self.seed, first])
        for crossing in self.crossings:
            for one in units_tuning.tuning(responses, crossing, rng, self.permutations if pool != "unit" else 0):
                where = {"layer": layer, "pool": pool, "unit": first + np.arange(responses.shape[1]),
                         "crossing": crossing.name, "factor": one.factor.name}  # fmt: skip
                numbers = {name: getattr(one, name).astype(np.float32) for name in OF_UNITS}
                numbers["floor"] = one.floor[SECOND_FLOOR].astype(np.float32)
                numbers["reliability_floor"] = one.reliability_floor[SECOND_FLOOR].astype(np.float32)
                self.units.append(pd.DataFrame({**where, **numbers}))
                if pool != "unit":
                    curves = {
                        "mean": list(one.curve.T.astype(np.float32)),
                        "error": list(one.error.T.astype(np.float32)),
                    }
                    self.curves.append(pd.DataFrame({**where, **curves}))
            if pool != "unit":
                self._separable(layer, pool, responses, crossing)

    def _separable(self, layer: str, pool: str, responses: np.ndarray, crossing: Crossing) -> None:
        """Means over units of each two factors' separability; those that are undefined are left out."""
        for pair in separability(responses, crossing):
            for name in ("centred", "product", "additive", "crossed"):
                values = getattr(pair, name)
                values = values[np.isfinite(values)]
                spread = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else np.nan
                mean = float(values.mean()) if len(values) else np.nan
                row = _row(
                    crossing.name, f"separability_{name}_{pool}", pair.first, pair.second, Estimate(mean, spread)
                )
                self.population.append({"layer": layer, **row})

    def frame(self) -> pd.DataFrame:
        """population.parquet's table."""
        import pandas as pd

        return pd.DataFrame(self.population).assign(**self.facts)


def population_rows(kept: Controlled, crossings: Sequence[Crossing]) -> Iterator[dict[str, Any]]:
    """Variance split, factorisation, subspaces, paths and discriminability of one layer."""
    for crossing, spread, energy in zip(crossings, kept.spread, kept.energy, strict=True):
        for share in anova.split_of(spread, energy, crossing):
            plain = Estimate(share.share)
            yield _row(crossing.name, "variance_share", share.effect, "", plain)
            fair = Estimate(share.component_share, share.error, share.low, share.high)
            yield _row(crossing.name, "variance_component", share.effect, "", fair)
    for group, gram in zip(groups(crossings), kept.means, strict=True):
        means = Marginals.of(gram, group)
        of_factor = {factor.name: crossing.name for crossing in group for factor in crossing.factors}
        for found in factorisation.factorisation_of(means, most=ROWS, errors=cheap(means)):
            where = of_factor[found.factor]
            yield _row(where, "factorisation_pca", found.factor, "", found.pca)
            yield _row(where, "factorisation_covariance", found.factor, "", found.covariance)
            yield _row(where, "factorisation", found.factor, "", found.debiased)
            yield _row(where, "invariance_published", found.factor, "", found.invariance)
            yield _row(where, "invariance", found.factor, "", found.debiased_invariance)
        for size in subspaces.dimensions(means):
            yield _row(of_factor[size.factor], "dimension", size.factor, "", size.debiased)
            yield _row(of_factor[size.factor], "dimension_plain", size.factor, "", size.participation_ratio)
            yield _row(of_factor[size.factor], "components", size.factor, "", Estimate(float(size.components)))
            yield _row(of_factor[size.factor], "stability", size.factor, "", size.stability)
        for pair in subspaces.overlaps(means):
            where = of_factor[pair.first]
            yield _row(where, "overlap", pair.first, pair.second, pair.halves)
            yield _row(where, "overlap_plain", pair.first, pair.second, pair.mean_squared_cosine)
            yield _row(where, "alignment", pair.first, pair.second, pair.alignment)
            angle = pair.angles[0] if pair.angles else np.nan
            yield _row(where, "smallest_angle", pair.first, pair.second, Estimate(float(angle)))
        yield from _paths(means, group)
    yield from _information(kept, crossings)


def cheap(means: Marginals) -> bool:
    """Whether errors of the published factorisations are affordable: each takes an eigendecomposition a context."""
    rows = min(sum(len(factor) for factor in means.factors) * means.contexts, ROWS)
    return float(rows) ** 3 * len(means.factors) * min(means.contexts, 20) < 1e9


def _paths(means: Marginals, group: Sequence[Crossing]) -> Iterator[dict[str, Any]]:
    first, sweeps = 0, all(len(crossing.factors) == 1 for crossing in group)
    of_factor = {factor.name: crossing.name for crossing in group for factor in crossing.factors}
    for factor in means.factors:
        rows = first + np.arange(len(factor) * means.contexts).reshape(len(factor), means.contexts)
        first += rows.size
        if factor.kind == "category":
            continue
        alone = Crossing(factor.name, (factor,), rows)
        path = manifold.path(means.gram, alone, factor.name)
        for name, value in (("turning", path.debiased), ("turning_plain", path.turning),
                            ("turning_within", path.within), ("local_dimension", path.dimension)):  # fmt: skip
            yield _row(of_factor[factor.name], name, factor.name, "", value)
        for step in manifold.discriminability(means.gram, alone, factor.name) if sweeps else ():
            yield _row(
                of_factor[factor.name], "d_prime_per_unit", factor.name, _step(step.low, step.high), step.per_unit
            )
            yield _row(of_factor[factor.name], "d_prime", factor.name, _step(step.low, step.high), step.d_prime)


def _information(kept: Controlled, crossings: Sequence[Crossing]) -> Iterator[dict[str, Any]]:
    """Linear Fisher information of the channels' means over space, in units of their own mean response."""
    responses = kept.channels["space"].astype(np.float64)
    scale = float(np.abs(responses).mean()) or 1.0
    for crossing in crossings:
        for factor in crossing.factors:
            if factor.kind == "category":
                continue
            for step in manifold.information([responses / scale], crossing, factor.name):
                yield _row(crossing.name, INFORMATION, factor.name, _step(step.low, step.high), step.mean)


def _maps(kept: Controlled, crossings: Sequence[Crossing]) -> Iterator[dict[str, Any]]:
    if kept.space.positions == 1:
        return
    height, width = kept.space.grid if len(kept.space.grid) == 2 else (1, kept.space.positions)
    for crossing, sums in zip(crossings, kept.maps, strict=True):
        for axis, factor in enumerate(crossing.factors):
            with np.errstate(invalid="ignore", divide="ignore"):
                share = sums[1 + axis] / sums[0]
            yield {"crossing": crossing.name, "factor": factor.name, "height": height, "width": width,
                   "share": share.astype(np.float32)}  # fmt: skip


def _row(crossing: str, measure: str, factor: str, other: str, value: Estimate) -> dict[str, Any]:
    numbers = {"value": value.value, "error": value.error, "low": value.low, "high": value.high}
    return {"crossing": crossing, "measure": measure, "factor": factor, "other": other, **numbers}


def _step(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


def levels_of(crossings: Sequence[Crossing]) -> dict[tuple[str, str], Factor]:
    """(crossing, factor) -> the factor."""
    return {(crossing.name, factor.name): factor for crossing in crossings for factor in crossing.factors}
