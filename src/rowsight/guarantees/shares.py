"""Exact intervals for a share of a finite population, from rows drawn without replacement.

N rows hold a fixed number K of rows with a property; n of them are drawn uniformly, x of these have it. K is in the
interval when neither tail of the hypergeometric law is improbable: ``P_K(X >= x) > d/2`` and ``P_K(X <= x) > d/2``. Both
tails are monotone in K, so the interval's ends are found by bisection, and the interval covers K with probability at
least 1 - d whatever K is (Clopper and Pearson 1934, inverted for sampling without replacement; Wright 1991). Rows drawn
without an answer may have the property or not: the lower end counts them as not, the upper end as having it, so that
whatever made them unanswered can't make the interval wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import hypergeom

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def count_interval(
    having: ArrayLike, unknown: ArrayLike, drawn: ArrayLike, population: ArrayLike, failure: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (low, high): bounds on the rows of each population that have the property.

    ``drawn`` rows were drawn from each ``population`` without replacement; ``having`` of them have the property, of
    ``unknown`` further ones it isn't known. Arrays broadcast. Each interval fails with probability ``failure`` at most.
    """
    x, u, n, total = np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in (having, unknown, drawn, population)))
    low = _least(x, n, total, failure / 2)
    high = total - _least(n - x - u, n, total, failure / 2)
    return low, high


def _least(
    seen: NDArray[np.int64], drawn: NDArray[np.int64], population: NDArray[np.int64], tail: float
) -> NDArray[np.int64]:
    """Return the least K under which ``seen`` or more of the drawn rows have the property with a chance above ``tail``."""
    low, high = seen.copy(), population - (drawn - seen)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        likely = hypergeom.sf(seen - 1, population, middle, drawn) > tail
        high = np.where(open_ & likely, middle, high)
        low = np.where(open_ & ~likely, middle + 1, low)
    return np.asarray(low, dtype=np.int64)
