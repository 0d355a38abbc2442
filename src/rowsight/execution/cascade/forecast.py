"""How few calls a guarantee can take, before anything is known of the proxy."""

from __future__ import annotations

from math import ceil, log

from rowsight.execution.cascade.estimating import FIRST
from rowsight.plan.goal import Goal
from rowsight.plan.guarantee import Guarantee

FIRST_LABELS = 100
"""Labels that every cascade buys before it plans."""


def fewest_calls(guarantee: Guarantee, rows: int, rows_per_call: int = 1) -> int:
    """Return the least number of calls of a certified run over ``rows`` rows, for a proxy that never errs.

    A zone is certified at the earliest after n uniform labels without an error with (1 - b)^n <= d, b being the share of
    errors that the level allows: 29, 59, 149 and 299 labels for .90, .95, .98 and .99 at d = .05. For recall b is the
    share of the whole table, at best (all rows but a few are positive) the level's own. Rows that prove are asked alone.
    Metrics without a level add nothing: what they cost is what the budget is.
    """
    failure = (1.0 - guarantee.confidence) / max(len(guarantee.metrics), 1)
    given = [metric for metric in guarantee.metrics if metric not in guarantee.best]
    zones = [ceil(log(failure) / log(1.0 - guarantee.lost(metric))) for metric in given]
    return min(-(-rows // rows_per_call), -(-FIRST_LABELS // rows_per_call) + sum(zones))


def fewest_draws(goal: Goal, rows: int) -> int:
    """Return the least number of rows asked by an estimate over ``rows`` rows whose answers all come as expected.

    Each such draw is worth at most the logarithm of one over the half width; both sides of the interval have half of
    the failure probability.
    """
    half = goal.half_width(rows)
    if goal.calls is not None or half is None:
        return min(rows, goal.calls or rows)
    if goal.figure == "mean":
        return min(rows, FIRST)
    sure = ceil(log((1.0 - goal.confidence) / 2) / log(max(1.0 - 2 * half, 1e-9)))
    return min(rows, max(sure, FIRST))
