"""Splits: disjoint, of the right size, repeatable; stratified when asked."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.splits import check_classes, k_folds, random_splits
from mlspatial.core.errors import BadValue, UserError

LABELS = np.repeat(np.arange(10), 20)


@pytest.mark.parametrize("stratify", [None, LABELS])
def test_five_random_splits_of_80_and_20_percent(stratify: np.ndarray | None) -> None:
    splits = random_splits(200, seed=3, stratify=stratify)
    assert [(len(train), len(test)) for train, test in splits] == [(160, 40)] * 5
    for train, test in splits:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(200))
        if stratify is not None:
            assert np.bincount(stratify[test]).tolist() == [4] * 10
    assert not np.array_equal(splits[0][1], splits[1][1])


@pytest.mark.parametrize("stratify", [None, LABELS])
def test_k_folds_test_every_stimulus_once(stratify: np.ndarray | None) -> None:
    folds = k_folds(200, seed=0, folds=4, stratify=stratify)
    assert np.array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(200))
    for train, test in folds:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(200))
        if stratify is not None:
            assert np.bincount(stratify[test]).tolist() == [5] * 10


@pytest.mark.parametrize("make", [random_splits, k_folds])
def test_the_seed_decides(make) -> None:
    for first, again in zip(make(50, seed=1), make(50, seed=1), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(make(50, seed=1)[0][1], make(50, seed=2)[0][1])


def test_too_few_stimuli_are_refused() -> None:
    with pytest.raises(UserError, match="1 stimuli cannot be split into 80% and 20%"):
        random_splits(1, seed=0)
    with pytest.raises(UserError, match="4 stimuli are too few for 5 folds"):
        k_folds(4, seed=0)
    once = np.array(["mug"] + ["chair"] * 19)
    with pytest.raises(UserError, match="label 'mug' has one stimulus"):
        random_splits(20, seed=0, stratify=once)
    with pytest.raises(UserError, match="label 'mug' has 1 stimuli, too few for 5 stratified folds"):
        k_folds(20, seed=0, stratify=once)
    with pytest.raises(UserError, match="leave 4 on one side, fewer than the 10 labels"):
        random_splits(20, seed=0, stratify=np.arange(20) // 2)
    with pytest.raises(UserError, match="3 labels to stratify 20 stimuli"):
        k_folds(20, seed=0, stratify=np.arange(3))


def test_parameters_that_cannot_be_meant() -> None:
    with pytest.raises(BadValue, match="runs=0: must be at least 1"):
        random_splits(20, seed=0, runs=0)
    with pytest.raises(BadValue, match=r"test_share=1\.0"):
        random_splits(20, seed=0, test_share=1.0)
    with pytest.raises(BadValue, match="folds=1: must be at least 2"):
        k_folds(20, seed=0, folds=1)


def test_more_classes_than_training_stimuli_are_refused() -> None:
    check_classes("category", LABELS, random_splits(200, seed=0))
    with pytest.raises(UserError, match="identity has 40 classes, split 0 trains on 32 stimuli"):
        check_classes("identity", np.arange(40), random_splits(40, seed=0))
    with pytest.raises(UserError, match="all training stimuli of split 0 have one category"):
        check_classes("category", np.array([0, 0, 0, 1]), [(np.arange(3), np.array([3]))])
