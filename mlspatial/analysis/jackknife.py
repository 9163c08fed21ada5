"""Standard errors over stimuli from results with one block of stimuli left out at a time (Tukey 1958).

Nothing is fitted anew: what is known of the kept stimuli is averaged without those of the block. So the error is that
of new test stimuli for the same networks and read-outs.
"""

from __future__ import annotations

import numpy as np

from mlspatial.core.errors import UserError

VERSION = "1"
BLOCKS = 20
LEVEL = 0.95


def blocks(n: int) -> np.ndarray:
    """(n,) block of every stimulus: each BLOCKS-th is in the same one; of few stimuli each is a block."""
    return np.arange(n) % min(BLOCKS, n)


def standard_error(left_out: np.ndarray, axis: int = 0) -> np.ndarray:
    """Of an estimate, from its values with each block left out along an axis; NaN where one of those is.

    sqrt((b - 1) / b sum (v_i - mean v)^2). Raises UserError for fewer than two blocks.
    Source: Efron and Stein 1981; Kunsch 1989 for blocks.
    """
    left_out = np.asarray(left_out, np.float64)
    number = left_out.shape[axis]
    if number < 2:
        raise UserError(f"a jackknife of {number} block has no error; use at least two stimuli")
    return np.sqrt((number - 1) / number * np.square(left_out - left_out.mean(axis, keepdims=True)).sum(axis))


def half_width(error: np.ndarray | float, number: int = BLOCKS, level: float = LEVEL) -> np.ndarray | float:
    """Half of an interval about the estimate, by Student's t with number - 1 degrees of freedom."""
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, number - 1)) * error
