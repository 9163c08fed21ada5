"""Similarity of stimuli over the units that respond most, as a study of occluded objects selects voxels and units."""

from __future__ import annotations

import numpy as np

from mlspatial.core.errors import StimulusMismatch, UserError

VERSION = "1"
STANDARD_DEVIATIONS = 3.1  # of units' mean responses about their own mean, which a unit's mean response must exceed


def selected_similarity(patterns: np.ndarray, *, deviations: float = STANDARD_DEVIATIONS) -> np.ndarray:
    """Pearson r between stimuli over selected, standardised units, (n, n) float64.

    patterns: (n stimuli, units), computed with in their own precision. Units that never vary are left out; of the
    others those are selected whose mean response is further from 0 than `deviations` standard deviations of the units'
    mean responses; each is standardised over stimuli.
    Raises UserError when no unit is selected or values are not finite, StimulusMismatch for other shapes.
    Source: Coggan and Tong 2024; brainscore_vision 2.4.2, benchmarks/coggan2024_fMRI.
    """
    patterns = np.asarray(patterns)
    if patterns.ndim != 2 or len(patterns) < 2:
        raise StimulusMismatch(f"patterns of shape {patterns.shape} are not (2 or more stimuli, units)")
    if not np.isfinite(patterns).all():
        raise UserError("activations are not finite; look at the network, or extract in float32")
    patterns = patterns[:, patterns.std(axis=0) != 0]
    means = patterns.mean(axis=0)
    selected = np.abs(means) > means.std() * deviations if len(means) else np.zeros(0, bool)
    if selected.sum() < 2:
        raise UserError(
            f"{selected.sum()} of {len(means)} units respond more than {deviations} standard deviations, no similarity "
            "comes out of them; leave this layer out"
        )
    chosen = patterns[:, selected]
    return np.corrcoef((chosen - chosen.mean(axis=0)) / chosen.std(axis=0))
