"""Read-outs trained under some conditions and tested under others, beside random splits of the same sizes.

What a read-out keeps under conditions that it was not trained in is the cross-condition generalisation performance of
Bernardi et al. 2020 (Cell 183), here for numbers and angles besides classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlspatial.analysis.decoding import Decoding
from mlspatial.analysis.splits import Split
from mlspatial.core.errors import BadValue, UserError

VERSION = "3"
LEAST = 5  # stimuli on either side of a split


def groups_left_out(labels: np.ndarray, *, folds: int, seed: int) -> list[tuple[Split, tuple[Any, ...]]]:
    """Folds that leave out whole groups of values, so that every stimulus is tested once: ((train, test), values).

    labels: (n,) values; folds: how many, at least 2, or one a value where there are fewer values. The values are dealt
    out so that the folds have about as many stimuli (scikit-learn's GroupKFold), ties by the seed.
    Raises UserError for one value only.
    """
    from sklearn.model_selection import GroupKFold

    if folds < 2:
        raise BadValue("folds", folds, "must be at least 2")
    values, codes = np.unique(labels, return_inverse=True)
    if len(values) < 2:
        raise UserError(f"all {len(labels)} stimuli have one value; nothing can be left out")
    codes = np.random.default_rng([seed, 5]).permutation(len(values))[codes]
    splits = GroupKFold(min(folds, len(values))).split(np.zeros(len(codes)), groups=codes)
    return [((train, test), tuple(np.unique(np.asarray(labels)[test]).tolist())) for train, test in splits]


def both_ways(holds: np.ndarray) -> list[Split]:
    """Trained where a condition does not hold and tested where it does; then the other way round. holds: (n,) bool."""
    there, elsewhere = np.flatnonzero(holds), np.flatnonzero(~np.asarray(holds, bool))
    return [(elsewhere, there), (there, elsewhere)]


def random_like(splits: Sequence[Split], *, seed: int) -> list[Split]:
    """Random splits with as many training and test stimuli each. splits: that test every stimulus once."""
    sizes = [len(test) for _, test in splits]
    order = np.random.default_rng([seed, 6]).permutation(sum(sizes))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [(np.setdiff1d(order, part), np.sort(part)) for part in parts]


def apart(splits: Sequence[Split], groups: np.ndarray, *, seed: int) -> tuple[list[Split], list[Split]]:
    """Splits by conditions and as many random ones, none of which has images of one group on both sides.

    Images of a group share what says nothing of a condition (all that was drawn for a context of a design), by which a
    read-out would know them again. splits: that test every stimulus once; groups: (n,) of each stimulus.
    Groups are dealt out at random into one part a fold, each about as large as what the fold tests. The random split of
    a fold trains and tests as the fold does, but whatever the condition: it is tested on stimuli of its part and
    trained on those of the others. Where a condition divides groups the splits by conditions keep of their stimuli what
    those parts allow. Of a fold and the random split beside it the larger side loses stimuli at random, so that both
    train on as many, and test as many.
    Raises UserError for fewer groups than splits.
    """
    n = sum(len(test) for _, test in splits)
    rng = np.random.default_rng([seed, 7])
    values, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(values) < len(splits):
        advice = "use fewer folds" if len(splits) > 2 else "use stimuli of more contexts"
        raise UserError(f"{len(values)} contexts are too few for {len(splits)} folds; {advice}")
    order = rng.permutation(len(values))
    middles = np.cumsum(sizes[order]) - sizes[order] / 2
    ends = np.cumsum([len(test) for _, test in splits])
    part = np.empty(len(values), int)
    part[order] = np.minimum(np.searchsorted(ends, middles, side="right"), len(splits) - 1)
    if len(np.unique(part)) < len(splits):  # groups are too unequal for the sizes: as many a fold
        part[order] = np.arange(len(values)) * len(splits) // len(values)
    of_image = part[codes]
    across, within = [], []
    for fold, (train, test) in enumerate(splits):
        if np.intersect1d(codes[train], codes[test]).size:
            train, test = train[of_image[train] != fold], test[of_image[test] == fold]
        sides = (np.flatnonzero(of_image != fold), np.flatnonzero(of_image == fold))
        both = []
        for own, any_ in zip((train, test), sides, strict=True):
            count = min(len(own), len(any_))
            both.append([np.sort(rng.permutation(one)[:count]) if len(one) > count else one for one in (own, any_)])
        across.append((both[0][0], both[1][0]))
        within.append((both[0][1], both[1][1]))
    assert n == len(codes)
    return across, within


def untrained(labels: np.ndarray, splits: Sequence[Split]) -> np.ndarray:
    """(splits,) how many test stimuli of each are of a class that its training side lacks. labels: (n,)."""
    labels = np.asarray(labels)
    return np.array([int((~np.isin(labels[test], labels[train])).sum()) for train, test in splits])


def compared(records: Sequence[Decoding], left_out: Sequence[str], *, alike: bool = True) -> list[dict[str, Any]]:
    """One row a latent, measure and fold: `value` across conditions beside `within`, from the random split of its size.

    records: of splits that leave conditions out and then of as many random ones; left_out: of each fold in words;
    alike: whether the folds are repetitions of one question, so that there is an error over them.
    Columns: latent, measure, fold, left_out_values, value, within, difference (value - within), ratio
    (value / within, NaN where within is not above 0), error (standard error of the mean difference over folds, NaN with
    one; folds share training stimuli, so that it is too small rather than too large), chance, within_chance, n_train,
    n_test.
    """
    folds = len(left_out)
    within = {(one.latent, one.measure, one.fold - folds): one for one in records if one.fold >= folds}
    rows: list[dict[str, Any]] = []
    for one in records:
        if one.fold >= folds:
            continue
        other = within[one.latent, one.measure, one.fold]
        rows.append(
            {
                "latent": one.latent,
                "measure": one.measure,
                "fold": one.fold,
                "left_out_values": left_out[one.fold],
                "value": one.value,
                "within": other.value,
                "difference": one.value - other.value,
                "ratio": one.value / other.value if other.value > 0 else np.nan,
                "chance": one.chance,
                "within_chance": other.chance,
                "n_train": one.n_train,
                "n_test": one.n_test,
            }
        )
    errors = {key: _error(rows, key) if alike else np.nan for key in {(r["latent"], r["measure"]) for r in rows}}
    return [row | {"error": errors[row["latent"], row["measure"]]} for row in rows]


def _error(rows: Sequence[Mapping[str, Any]], key: tuple[str, str]) -> float:
    found = np.array([row["difference"] for row in rows if (row["latent"], row["measure"]) == key])
    return float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")
