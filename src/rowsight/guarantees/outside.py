"""How many rows outside a selection may be better than its last: what a uniform sample of them proves.

**Statement.** A selection of rows is frozen; M rows are outside, K of them score above a frozen bar. Of n rows drawn from
the M uniformly without replacement, x score above it. With U(x) = the largest K for which P(X <= x) > d, X hypergeometric,
P(K > U(X)) <= d over the draw alone, for every K (Clopper and Pearson's bound, 1934, for a finite population). Rows without
an answer count as above the bar.

Recall of a small k can't be certified so: to know that none of M rows is better takes all of them. A share of M can.
"""

from __future__ import annotations

import math

from scipy.stats import hypergeom


def most_above(outside: int, drawn: int, above: int, failure: float) -> int:
    """Return U: with probability 1 - ``failure`` no more of the ``outside`` rows are above, ``above`` of ``drawn`` being so."""
    low, high = above, outside - (drawn - above)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(above, outside, middle, drawn) > failure:
            low = middle
        else:
            high = middle - 1
    return low


def draws_needed(outside: int, most: int, failure: float) -> int:
    """Return the fewest draws that prove at most ``most`` rows above, if none of the drawn is."""
    low, high = 0, outside - most
    while low < high:
        middle = (low + high) // 2
        if most_above(outside, middle, 0, failure) <= most:
            high = middle
        else:
            low = middle + 1
    return low


def allowance(outside: int, share: float) -> int:
    """Return the rows that a share of ``outside`` allows, as an integer."""
    return math.floor(share * outside + 1e-9)
