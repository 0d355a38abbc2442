"""Drawing rows one by one without replacement, with unequal chances that are known.

The rows left of a population have sizes s > 0, fixed before the draw; the next row is i with the chance s_i / sum of the
sizes left. An exponential race does it: with independent exponentials e_i, the order of e_i / s_i has just this law
(the memoryless property; Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsight.guarantees.estimate import Draws

if TYPE_CHECKING:
    from numpy.typing import NDArray


def race(sizes: NDArray[np.float64], count: int, seed: list[int]) -> NDArray[np.int64]:
    """Return the first ``count`` places drawn with chances in proportion to ``sizes``, in the order of the draw."""
    finish = -np.log1p(-np.random.default_rng(seed).random(len(sizes))) / sizes
    count = min(count, len(sizes))
    first = np.argpartition(finish, count - 1)[:count] if count < len(sizes) else np.arange(count)
    return np.asarray(first[np.argsort(finish[first], kind="stable")], dtype=np.int64)


def drawn(
    places: NDArray[np.int64],
    sizes: NDArray[np.float64],
    predicted: NDArray[np.float64],
    least: NDArray[np.float64],
    most: NDArray[np.float64],
    bounds: tuple[float | NDArray[np.float64], float | NDArray[np.float64]],
) -> Draws:
    """Describe the draw of ``places`` (in order) out of the rows left, whose sizes and predictions are given.

    ``least`` and ``most``: the drawn rows' values, or both ends of ``bounds`` (of all rows, or one a row left) where a row
    has no answer. Rows of a group
    that were drawn among others are such a draw from the group: which group a row comes from says nothing of which row.
    """
    low, high = bounds
    size, guess = sizes[places], predicted[places]
    left = len(sizes) - np.arange(len(places))
    mass = _before(sizes, size)
    centre = _before(predicted, guess) / left
    scale = mass / left
    bottom = scale * np.min((low - predicted) / sizes, initial=0.0) + centre
    top = scale * np.max((high - predicted) / sizes, initial=0.0) + centre
    return Draws(least, most, guess, scale / size, centre, bottom, top)


def _before(values: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of what is left before each of the draws; never below what is taken with it."""
    return np.asarray(values.sum() - np.concatenate([[0.0], np.cumsum(taken[:-1])]) if len(taken) else np.empty(0))
