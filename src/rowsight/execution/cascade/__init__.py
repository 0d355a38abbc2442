"""Cascades: train a proxy on the oracle's answers, freeze it, certify it, ask the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsight.execution.cascade.accuracy import AccuracyRun
from rowsight.execution.cascade.best_accuracy import BestAccuracyRun
from rowsight.execution.cascade.best_zones import BestZonesRun
from rowsight.execution.cascade.middle_accuracy import MiddleAccuracyRun
from rowsight.execution.cascade.middle_zones import MiddleZonesRun
from rowsight.execution.cascade.zones import ZonesRun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rowsight.execution.cascade.earlier import Earlier
    from rowsight.execution.cascade.protocol import Cascade, Known, Rows
    from rowsight.plan.guarantee import Guarantee


def cascade_for(
    rows: Rows,
    guarantee: Guarantee,
    *,
    classes: int | None = None,
    seed: int = 0,
    known: Known | None = None,
    groups: NDArray[np.int64] | None = None,
    attempt: int = 1,
    middle: bool = False,
    earlier: Earlier | None = None,
) -> Cascade:
    """Certify ``guarantee`` over ``rows``, in every group where ``groups`` (a code a row) is given; ask every row at most once.

    ``classes``: how many class codes accuracy tells apart; ``None`` for scores (floats; right when within
    ``guarantee.within``) and for filters. ``known``: positions and answers that the ledger holds already; they count as
    asked and train, and aren't drawn. ``attempt``: the how-manieth try at this table, question and model. ``middle``: a
    middle model answers, too. ``earlier``: what the versions before this one of a living table leave to it. Where a metric
    has no level, the cascade states the best that its money buys.
    """
    given = (seed, known, groups, attempt, earlier)
    if "accuracy" in guarantee.metrics:
        run = BestAccuracyRun if guarantee.best else MiddleAccuracyRun if middle else AccuracyRun
        return run(rows, guarantee, classes, *given).steps()
    zones = BestZonesRun if guarantee.best else MiddleZonesRun if middle else ZonesRun
    return zones(rows, guarantee, *given).steps()
