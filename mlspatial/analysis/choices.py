"""Choices of observers, people or networks, on the same images: how often right, how alike wrong, led by which cue.

Choices and categories are whole numbers from 0; -1 is no answer, which counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlspatial.core.errors import StimulusMismatch

VERSION = "1"
NONE = -1


def accuracy(choices: np.ndarray, truth: np.ndarray) -> float:
    """Share of (n,) choices that are the category of their image, (n,)."""
    return float((_of(choices, truth) == truth).mean())


def error_consistency(correct: np.ndarray, other: np.ndarray) -> float:
    """Cohen's kappa of two observers' being right, image by image: 1 for the same images, 0 as independent ones.

    correct, other: (n,) truth values. NaN where both are always right, or always wrong.
    Source: Geirhos et al. 2020, eq. 1 to 3.
    """
    first, second = np.asarray(correct, bool), _of(np.asarray(other, bool), correct)
    observed, p, q = (first == second).mean(), first.mean(), second.mean()
    expected = p * q + (1 - p) * (1 - q)
    return float((observed - expected) / (1 - expected)) if expected < 1 else float("nan")


def shape_bias(choices: np.ndarray, shapes: np.ndarray, textures: np.ndarray) -> float:
    """Choices of the shape over those of shape or texture, of (n,) images in which the two are at odds.

    Images of one category in both do not count. NaN where nobody chose either.
    Source: Geirhos et al. 2019.
    """
    conflict = _of(shapes, choices) != _of(textures, choices)
    shape, texture = ((choices == cue)[conflict].sum() for cue in (shapes, textures))
    return float(shape / (shape + texture)) if shape + texture else float("nan")


def confusions(choices: np.ndarray, truth: np.ndarray, categories: int) -> np.ndarray:
    """(categories shown, categories chosen) share of the images of a category; rows of answered and unanswered ones.

    choices: (n,) or (observers, n), which are pooled. NaN in rows of categories that are not shown.
    """
    answers = np.atleast_2d(choices)
    shown = np.broadcast_to(_of(truth, answers[0]), answers.shape)
    counts = np.zeros((categories, categories))
    answered = answers != NONE
    np.add.at(counts, (shown[answered], answers[answered]), 1)
    totals = np.bincount(shown.ravel(), minlength=categories)
    with np.errstate(invalid="ignore"):
        return counts / np.where(totals > 0, totals, np.nan)[:, None]


def confusion_agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson r of what two observers take for what: of the cells beside the diagonal of `confusions`, (k, k) each.

    NaN where one of them is never wrong, or wrong in all ways alike.
    """
    beside = ~np.eye(len(first), dtype=bool) & np.isfinite(first) & np.isfinite(second)
    a, b = first[beside] - first[beside].mean(), second[beside] - second[beside].mean()
    length = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / length) if length > 0 else float("nan")


def by_groups(probabilities: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """(n,) the group whose classes have the highest mean probability. probabilities: (n, classes); the mean, because
    groups differ in size. Source: the authors of Geirhos et al. 2019."""
    means = np.stack([probabilities[:, list(group)].mean(axis=1) for group in groups], axis=1)
    return means.argmax(axis=1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """(n, classes) float64 probabilities of outputs."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if np.shape(one) != np.shape(other):
        raise StimulusMismatch(f"{np.shape(one)} choices for {np.shape(other)} images; both must be of the same images")
    return np.asarray(one)
