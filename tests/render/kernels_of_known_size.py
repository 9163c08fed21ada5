"""Two kernels of which it is known what they need: one adds, one has an array that an index reaches into."""

from __future__ import annotations

import warp as wp

LENGTH = 64
BYTES = 4 * LENGTH
Row = wp.types.vector(length=LENGTH, dtype=wp.float32)


@wp.kernel(enable_backward=False)
def small(values: wp.array(dtype=wp.float32)):  # type: ignore[valid-type]
    i = wp.tid()
    values[i] = values[i] + 1.0


@wp.kernel(enable_backward=False)
def large(values: wp.array(dtype=wp.float32), places: wp.array(dtype=wp.int32)):  # type: ignore[valid-type]
    i = wp.tid()
    row = Row()
    for j in range(LENGTH):
        row[j] = values[j] * values[i]
    for j in range(LENGTH):
        row[places[j]] = row[places[j]] + values[i]
    for j in range(LENGTH):
        values[j] = row[j]
