"""Which stimuli train and which test: random splits, as the published decoding uses, or k folds.

Nothing is stratified unless `stratify` is given: with 2,000 stimuli and 117 categories random splits leave about 14 of
each for training. Identities (548) have three or four stimuli each, too few to stratify.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlspatial.core.errors import BadValue, UserError

Split = tuple[np.ndarray, np.ndarray]

VERSION = "1"
RUNS = 5  # Xie et al. 2025: 5 cross-validation runs for each model, layer and latent
PARTS = 10
TEST_SHARE = 0.2  # Xie et al. 2025, the authors' decoder


def random_splits(
    n: int, *, seed: int, runs: int = RUNS, test_share: float = TEST_SHARE, stratify: np.ndarray | None = None
) -> list[Split]:
    """Independent random splits, as (train, test) indices into n stimuli. The published protocol is the default.

    stratify: (n,) labels whose shares both sides keep as well as whole stimuli can; None does not look at labels.
    Raises UserError when a side would be empty or, stratified, when a label has one stimulus or a side has fewer
    stimuli than there are labels; BadValue for runs or test_share that cannot be meant.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    _at_least("runs", runs, 1)
    if not 0 < test_share < 1:
        raise BadValue("test_share", test_share, "must lie between 0 and 1")
    tested = int(np.ceil(test_share * n))
    if tested < 1 or n - tested < 1:
        raise UserError(f"{n} stimuli cannot be split into {1 - test_share:.0%} and {test_share:.0%}; use more stimuli")
    if stratify is None:
        splitter = ShuffleSplit(runs, test_size=tested, random_state=seed)
        return list(splitter.split(np.zeros(n)))
    rarest, count, labels = _rarest(stratify, n)
    if count < 2:
        raise UserError(f"label {rarest!r} has one stimulus, a stratified split needs two; use more stimuli")
    if min(tested, n - tested) < labels:
        raise UserError(
            f"{n} stimuli leave {min(tested, n - tested)} on one side, fewer than the {labels} labels to stratify; "
            "use more stimuli or do not stratify"
        )
    splitter = StratifiedShuffleSplit(runs, test_size=tested, random_state=seed)
    return list(splitter.split(np.zeros(n), stratify))


def k_folds(n: int, *, seed: int, folds: int = RUNS, stratify: np.ndarray | None = None) -> list[Split]:
    """Shuffled folds: every stimulus is tested once. (train, test) indices into n stimuli.

    stratify: (n,) labels whose shares every fold keeps as well as whole stimuli can; None does not look at labels.
    Raises UserError when there are fewer stimuli (or, stratified, stimuli of a label) than folds.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    _at_least("folds", folds, 2)
    if n < folds:
        raise UserError(f"{n} stimuli are too few for {folds} folds; use more stimuli or fewer folds")
    if stratify is None:
        return list(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(n)))
    rarest, count, _ = _rarest(stratify, n)
    if count < folds:
        raise UserError(
            f"label {rarest!r} has {count} stimuli, too few for {folds} stratified folds; "
            "use more stimuli, fewer folds, or do not stratify"
        )
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(n), stratify))


def partition(splits: Sequence[Split], n: int, strata: np.ndarray | None = None) -> Sequence[Split]:
    """Splits that test each of n stimuli once: those handed over where they do, else PARTS folds, which train on nine
    tenths as Brain-Score's do; stratified where every label has as many stimuli as there are folds."""
    tested = np.bincount(np.concatenate([test for _, test in splits]), minlength=n) if splits else np.zeros(n)
    if len(tested) == n and (tested == 1).all():
        return splits
    folds = min(PARTS, n)
    often = strata is not None and np.unique(strata, return_counts=True)[1].min() >= folds
    return k_folds(n, seed=1, folds=folds, stratify=strata if often else None)


def check_classes(name: str, labels: np.ndarray, splits: Sequence[Split]) -> None:
    """Raise UserError when a training side has fewer stimuli than there are classes, or only one of them.

    labels: (n,) classes of the latent `name`. A class that a training side lacks for other reasons counts as wrong.
    """
    labels = np.asarray(labels)
    classes = len(np.unique(labels))
    for number, (train, _) in enumerate(splits):
        if len(train) < classes:
            raise UserError(
                f"{name} has {classes} classes, split {number} trains on {len(train)} stimuli; "
                "use more stimuli or a dataset with fewer classes"
            )
        if len(np.unique(labels[train])) < 2:
            raise UserError(f"all training stimuli of split {number} have one {name}; use more stimuli or stratify")


def _rarest(labels: np.ndarray, n: int) -> tuple[object, int, int]:
    """The rarest label, how often it occurs, and how many labels there are."""
    if len(labels) != n:
        raise UserError(f"{len(labels)} labels to stratify {n} stimuli by; hand over one for each")
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmin()].item(), int(counts.min()), len(values)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise BadValue(name, value, f"must be at least {least}")


def halves(n: int, *, seed: int, strata: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of n stimuli, in their order; of every label in strata (n,) half, the first side has the odd ones."""
    rng = np.random.default_rng([seed, n])
    labels = np.zeros(n) if strata is None else np.asarray(strata)
    mixed = [rng.permutation(np.flatnonzero(labels == label)) for label in dict.fromkeys(labels.tolist())]
    first, second = (np.sort(np.concatenate([members[side::2] for members in mixed])) for side in (0, 1))
    return first, second
