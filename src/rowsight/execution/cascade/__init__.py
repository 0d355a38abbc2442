"""Cascades: train a proxy on the oracle's answers, freeze it, certify it, ask the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsight.execution.cascade.accuracy import accuracy_cascade
from rowsight.execution.cascade.best_accuracy import BestAccuracyRun
from rowsight.execution.cascade.best_zones import BestZonesRun
from rowsight.execution.cascade.middle_accuracy import MiddleAccuracyRun
from rowsight.execution.cascade.middle_zones import MiddleZonesRun
from rowsight.execution.cascade.zones import zones_cascade

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rowsight.execution.cascade.accuracy import Known
    from rowsight.execution.cascade.earlier import Earlier
    from rowsight.execution.cascade.protocol import Cascade, Rows
    from rowsight.plan.guarantee import Guarantee


def cascade_for(
    rows: Rows,
    guarantee: Guarantee,
    *,
    classes: int | None,
    seed: int,
    known: Known | None,
    groups: NDArray[np.int64] | None,
    attempt: int,
    middle: bool = False,
    earlier: Earlier | None = None,
) -> Cascade:
    """Return the cascade for a guarantee's metrics; arguments as in ``accuracy_cascade``.

    Where a metric has no level, the cascade states the best that its money buys. ``middle``: a middle model answers, too.
    """
    accuracy = "accuracy" in guarantee.metrics
    if accuracy and (guarantee.best or middle):
        kind = BestAccuracyRun if guarantee.best else MiddleAccuracyRun
        return kind(rows, guarantee, classes, seed, known, groups, attempt).steps()
    if guarantee.best or middle:
        zones = BestZonesRun if guarantee.best else MiddleZonesRun
        return zones(rows, guarantee, seed, known, groups, attempt).steps()
    if accuracy:
        return accuracy_cascade(
            rows, guarantee, classes=classes, seed=seed, known=known, groups=groups, attempt=attempt, earlier=earlier
        )
    return zones_cascade(rows, guarantee, seed=seed, known=known, groups=groups, attempt=attempt, earlier=earlier)
