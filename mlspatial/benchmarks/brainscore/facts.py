"""The package's objects as plain arrays: its further kinds, beside those that `load` has (see kinds.FAST).

Everything that depends on the benchmark alone is computed by the package's own code: averages over repetitions, choice
of units, splits, ceilings, matrices of dissimilarity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlspatial.benchmarks.brainscore.kinds import refusal
from mlspatial.core.errors import UserError

Facts = dict[str, Any]
Paths = Callable[[Any, np.ndarray, float], list[str]]  # (stimulus set, ids, degrees) -> files, in the ids' order


def further(benchmark: Any) -> Callable[[str, Any, Paths], Facts] | None:
    """What makes a benchmark of the package into arrays; None for those that are not of these kinds.

    The function takes the identifier, the benchmark, and what finds the files of stimuli on a screen of 8 degrees.
    """
    from brainscore_vision.benchmark_helpers.neural_common import (
        NeuralBenchmark,
        RSABenchmark,
        TrainTestNeuralBenchmark,
    )
    from brainscore_vision.metric_helpers.temporal import SpanTimeRegression
    from brainscore_vision.metrics.regression_correlation.metric import ReverseCrossRegressedCorrelation

    kind = type(benchmark)
    if kind is NeuralBenchmark:
        metric = benchmark._similarity_metric
        if type(metric) is ReverseCrossRegressedCorrelation:
            return _reverse
        return _temporal if type(getattr(metric, "regression", None)) is SpanTimeRegression else None
    if kind is TrainTestNeuralBenchmark:
        return _fixed_split
    if kind is RSABenchmark:
        return _geometries
    return {"_Bracci2019RSA": _mean_geometry, "Coggan2024_fMRI_Benchmark": _selected_units}.get(kind.__name__)


def cross_validation(name: str, metric: Any, regression: Any) -> int:
    """Components of a metric that is PLS without scaling, Pearson's correlation, and splits of stimuli; raises
    UserError for any other."""
    import scipy.stats
    from sklearn.cross_decomposition import PLSRegression

    components = getattr(regression, "n_components", 0)
    if repr(regression) != repr(PLSRegression(n_components=components, scale=False)):
        raise refusal(name, repr(regression))
    correlation = getattr(metric.correlation, "_correlation", None) or metric.correlation.callable._correlation
    if correlation is not scipy.stats.pearsonr or metric.cross_validation._preprocess_indices:
        raise refusal(name, "another correlation than Pearson's")
    return int(components)


def _folds(name: str, metric: Any, assembly: Any, labels: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Splits of an assembly's presentations, or of as many as there are labels, by which they are then stratified."""
    split = metric.cross_validation._split
    if split._unique_split_values or split._split_coord != "stimulus_id":
        raise refusal(name, f"a split by {split._split_coord}")
    if labels is None:
        _, folds = split.build_splits(assembly)
    else:
        folds = list(split._split.split(np.zeros(len(labels)), *([labels] if split.do_stratify else [])))
    return {"train": np.stack([train for train, _ in folds]), "test": np.stack([test for _, test in folds])}


def _temporal(name: str, benchmark: Any, paths: Paths) -> Facts:
    metric = benchmark._similarity_metric
    components = cross_validation(name, metric, metric.regression._regression._regression)
    assembly = benchmark._assembly.transpose("presentation", "neuroid", "time_bin")
    ids = assembly["stimulus_id"].values
    starts, ends = (assembly[f"time_bin_{side}"].values for side in ("start", "end"))
    ceilings = benchmark.ceiling.raw
    if (ceilings["time_bin_start"].values != starts).any():
        raise UserError(f"benchmark {name}: its ceilings are of other time bins than its responses")
    return {
        "kind": "temporal",
        "region": str(benchmark.region),
        "components": components,
        "ids": text(ids),
        "paths": text(paths(assembly.stimulus_set, ids, benchmark._visual_degrees)),
        "responses": np.asarray(assembly.values, np.float64),
        "bins": text([f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]),
        "neuroids": text(assembly["neuroid_id"].values),
        "ceilings": ceilings_of(name, ceilings.transpose("time_bin", "split", "neuroid"), assembly),
        **_folds(name, metric, assembly),
    }


def _reverse(name: str, benchmark: Any, paths: Paths) -> Facts:
    """The package draws its splits in the order of the network's activations, which is that of the stimulus set."""
    metric = benchmark._similarity_metric
    components = cross_validation(name, metric, metric.regression._regression)
    assembly, stimuli = benchmark._assembly.transpose("presentation", "neuroid"), benchmark._assembly.stimulus_set
    ids, place = stimuli["stimulus_id"].values, {}
    for row, stimulus in enumerate(assembly["stimulus_id"].values.tolist()):
        place[stimulus] = row
    if len(place) != len(assembly) or sorted(place) != sorted(ids.tolist()):
        raise UserError(f"benchmark {name}: its responses are not one for each of its {len(ids)} stimuli")
    stratified = metric.cross_validation._split._stratification_coord
    try:
        ceilings = np.asarray(benchmark.ceiling.raw.values, np.float64)  # in their order: their median alone counts
    except ValueError as error:
        raise UserError(f"benchmark {name}: the package cannot compute its ceiling ({error})") from error
    return {
        "kind": "reverse",
        "region": str(benchmark.region),
        "components": components,
        "ids": text(ids),
        "paths": text(paths(stimuli, ids, benchmark._visual_degrees)),
        "responses": np.asarray(assembly.values, np.float64)[[place[stimulus] for stimulus in ids.tolist()]],
        "ceilings": ceilings,
        **_folds(name, metric, assembly, stimuli[stratified].values if stratified else np.zeros(len(ids))),
    }


def _fixed_split(name: str, benchmark: Any, paths: Paths) -> Facts:
    from brainscore_vision.benchmark_helpers.neural_common import explained_variance
    from brainscore_vision.metrics.regression_correlation.metric import TrainTestSplitCorrelation

    metric = benchmark._similarity_metric
    if type(metric) is not TrainTestSplitCorrelation:
        raise refusal(name, type(metric).__name__)
    if benchmark.alpha_coord != "subject" or benchmark.ceiling_mode is not explained_variance:
        raise refusal(name, "another way to pool units than subject by subject")
    train, test = (
        part.transpose("presentation", "neuroid") for part in (benchmark.train_assembly, benchmark.test_assembly)
    )
    known, new = train["stimulus_id"].values, test["stimulus_id"].values
    ids = np.concatenate([text(known), text(new)])
    if len(set(ids.tolist())) != len(ids):
        raise UserError(f"benchmark {name}: a stimulus is in its training and in its test set, or twice in one")
    units, of_test = (_names(part["neuroid_id"].values) for part in (train, test))
    degrees = benchmark._visual_degrees
    return {
        "kind": "fixed_split",
        "region": str(benchmark.region),
        "ids": ids,
        "paths": text(paths(train.stimulus_set, known, degrees) + paths(test.stimulus_set, new, degrees)),
        "known": np.asarray(train.values, np.float64),
        "measured": np.asarray(test.values, np.float64)[:, _places(name, of_test, units, "its test set is")],
        "units": text(units),
        "subjects": text(train["subject"].values),
        "ceilings": ceilings_of(name, benchmark.ceiling.raw.transpose("split", "neuroid"), train),
        "ceiling": float(benchmark.ceiling.values),
        "alphas": np.asarray(_penalties(name, metric.regression._regression), np.float64),
    }


def ceilings_of(name: str, ceilings: Any, assembly: Any) -> np.ndarray:
    """(..., neuroids) float64 in the order of the assembly's neuroids, whose last dimension the ceilings' is, too: the
    package sorts them by their ids before it compares halves. Raises UserError where they are of other neuroids."""
    levels = ceilings.indexes["neuroid"].names  # where the id is all that is known, it is the index itself
    known = _names(ceilings["neuroid_id" if "neuroid_id" in levels else "neuroid"].values)
    own = _names(assembly["neuroid_id"].values)
    return np.asarray(ceilings.values, np.float64)[..., _places(name, known, own, "its ceilings are")]


def _places(name: str, known: list[str], units: list[str], what: str) -> list[int]:
    """Where each of the units is among those known. Raises UserError where these are not the same ones."""
    places = dict(zip(known, range(len(known)), strict=True))
    if places.keys() != set(units):
        raise UserError(f"benchmark {name}: {what} of other units than its responses")
    return [places[unit] for unit in units]


def _names(ids: np.ndarray) -> list[str]:
    """Of units, as text; of several that are called alike (an electrode at many times) with their number."""
    counts: dict[str, int] = {}
    found = []
    for one in map(str, ids.tolist()):
        counts[one] = counts.get(one, -1) + 1
        found.append(f"{one}#{counts[one]}" if counts[one] else one)
    return found


def _penalties(name: str, regression: Any) -> list[float]:
    from brainscore_vision.metrics.regression_correlation.metric import DualRidgeCVRegression, DualRidgeRegression
    from sklearn.linear_model import Ridge, RidgeCV

    kind = type(regression)
    if kind is DualRidgeRegression or (kind is Ridge and repr(regression) == repr(Ridge(alpha=regression.alpha))):
        return [float(regression.alpha)]
    if kind is RidgeCV:
        usual = RidgeCV(alphas=regression.alphas, store_cv_results=regression.store_cv_results)
        if repr(regression) == repr(usual):
            return [float(alpha) for alpha in regression.alphas]
    if kind is DualRidgeCVRegression and not regression._ridgecv_kwargs:
        return [float(alpha) for alpha in regression.alphas]
    raise refusal(name, " ".join(repr(regression).split()))


def _geometries(name: str, benchmark: Any, paths: Paths) -> Facts:
    from brainscore_vision.metrics.rdm.metric import RDM, RDMSimilarity
    from brainscore_vision.metrics.rsa_ceiling.ceiling import RSACeiling

    if type(benchmark._rdm) is not RDM or type(benchmark._similarity) is not RDMSimilarity:
        raise refusal(name, type(benchmark._similarity).__name__)
    if not any(type(cell.cell_contents) is RSACeiling for cell in benchmark._ceiling_func.__closure__ or ()):
        raise refusal(name, "another ceiling than between subjects")
    assembly = benchmark._assembly.transpose("presentation", "neuroid")
    subjects, ids = np.unique(assembly["subject"].values), assembly["stimulus_id"].values
    matrices = [benchmark._rdm(assembly.sel(neuroid=assembly["subject"] == one)).values for one in subjects]
    return {
        "kind": "geometries",
        "region": str(benchmark.region),
        "ids": text(ids),
        "paths": text(paths(assembly.stimulus_set, ids, benchmark._visual_degrees)),
        "rdms": np.stack([_triangle(matrix) for matrix in matrices]),
        "subjects": text(subjects),
        "ceiling": "upper",
    }


def _mean_geometry(name: str, benchmark: Any, paths: Paths) -> Facts:
    """Bracci et al. 2019: one matrix, of the mean of the subjects' voxels; the ceiling is between subjects."""
    region, area = benchmark._roi_map[benchmark._region]
    data = benchmark._human_assembly
    centred = benchmark._center_data_by_subject(data.sel(neuroid=data["roi"] == region))
    mean = benchmark._average_voxels_across_subjects(centred)
    ids = mean["stimulus_id"].values
    return {
        "kind": "geometries",
        "region": area,
        "ids": text(ids),
        "paths": text(paths(benchmark._stimulus_set, ids, benchmark._visual_degrees)),
        "rdms": _triangle(benchmark._metric._rdm(mean).values)[None],
        "subjects": text(["mean"]),
        "ceiling": float(benchmark._get_human_ceiling(centred)),
    }


def _selected_units(name: str, benchmark: Any, paths: Paths) -> Facts:
    """Coggan and Tong 2024. The package compares matrices as they come: the stimulus set's order is the assembly's."""
    assembly, stimuli = benchmark._assembly, benchmark._assembly.stimulus_set
    values = np.asarray(assembly.values, np.float64)  # (stimuli, stimuli, subjects)
    if not np.allclose(values, values.transpose(1, 0, 2), atol=1e-9):
        raise refusal(name, "a similarity that has a direction")
    ids = stimuli["stimulus_id"].values
    return {
        "kind": "selected_units",
        "region": str(benchmark.region),
        "ids": text(ids),
        "paths": text(paths(stimuli, ids, benchmark._visual_degrees)),
        "rsms": np.stack([_triangle(values[:, :, subject]) for subject in range(values.shape[2])]),
        "subjects": text(assembly["subject"].values),
        "ceilings": np.asarray(benchmark._ceiling_func(assembly).raw, np.float64),
    }


def _triangle(matrix: np.ndarray) -> np.ndarray:
    """What is above the diagonal, row by row, (pairs,) float64."""
    matrix = np.asarray(matrix, np.float64)
    return matrix[np.triu_indices(len(matrix), 1)]


def text(values: Any) -> np.ndarray:
    return np.asarray([str(value) for value in values])
