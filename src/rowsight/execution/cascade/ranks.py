"""The lowest rows of a large table without sorting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def lowest(values: NDArray[np.floating[Any]], count: int) -> NDArray[np.bool_]:
    """Mark the ``count`` lowest values; of equal ones the first, as a stable sort would choose them."""
    if count <= 0:
        return np.zeros(len(values), dtype=bool)
    if count >= len(values):
        return np.ones(len(values), dtype=bool)
    last = np.partition(values, count - 1)[count - 1]
    chosen = np.asarray(values < last)
    ties = np.flatnonzero(values == last)
    chosen[ties[: count - int(np.count_nonzero(chosen))]] = True
    return chosen


def group_codes(groups: NDArray[np.int64] | None, rows: int) -> NDArray[np.int64]:
    """Return the group of every row; without groups all rows are in one, which takes no memory."""
    return np.broadcast_to(np.int64(0), rows) if groups is None else np.asarray(groups, dtype=np.int64)


def row_numbers(chosen: NDArray[np.bool_]) -> NDArray[np.integer[Any]]:
    """Return the numbers of the rows marked, in 32 bits where these suffice."""
    found = np.flatnonzero(chosen)
    return found.astype(np.int32) if len(chosen) <= np.iinfo(np.int32).max else found
