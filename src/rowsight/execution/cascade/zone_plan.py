"""Where two zones should end: pure planning over expected numbers of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rowsight.guarantees.certify import labels_needed
from rowsight.proxies.calibration import expected_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 240
INTERVAL = ((-1.0, 0.3), (0.0, 0.4), (1.0, 0.3))
"""Standard deviations and weights at which a plan looks at an uncertain number of errors."""
RUIN = 1.0
"""Share of a zone that is lost when it can't be certified."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Precision and recall demanded (1.0: no error of that kind is allowed), and the failure probability of each.

    ``missed``: in place of a recall, the rows of the table that may be missed. ``spare_missed``, ``spare_false``: errors that
    earlier versions of a living table leave to this one.
    """

    precision: float
    recall: float
    precision_level: float
    recall_level: float
    missed: float | None = None
    spare_missed: float = 0.0
    spare_false: float = 0.0

    def may_miss(self, positives: float) -> float:
        """Rows that the rejected zone may miss, of so many positives."""
        return (1 - self.recall) * positives + self.spare_missed if self.missed is None else self.missed


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """How many of the unasked rows, lowest scores first, each zone should take, in rows of the table.

    reject, accept: rows of each zone; recall_draws, precision_draws: labels expected to certify them; band: rows between;
    low, high: where the band begins and ends among the rows that were planned on;
    missed, false: errors expected in the zones; positives: expected in the whole table; floor: labels that would certify
    zones of these sizes if they held no error.
    """

    reject: int
    accept: int
    band: int
    recall_draws: float
    precision_draws: float
    missed: float
    false: float
    positives: float
    floor: float
    low: int
    high: int

    @property
    def cost(self) -> float:
        """Labels still to be bought."""
        return self.band + self.recall_draws + self.precision_draws


def plan_zones(
    ordered: NDArray[np.float64],
    known_positives: float,
    uniform_scores: NDArray[np.float64],
    uniform_labels: NDArray[np.bool_],
    demand: Demand,
    weights: NDArray[np.float64],
) -> ZonePlan:
    """Choose both zones' sizes for the least expected cost.

    ordered: ascending scores of rows that stand for the table's unasked rows, ``weights``: for how many each;
    known_positives: rows already answered yes; uniform_scores, uniform_labels: left-out scores and labels of uniform rows.
    """
    count = len(ordered)
    missed, unsure = expected_tail(ordered, uniform_scores, uniform_labels, weights)
    false, unsure_too = expected_tail(-ordered[::-1], -uniform_scores, ~uniform_labels, weights[::-1])
    below = np.concatenate([[0.0], np.cumsum(weights)])
    above = np.concatenate([[0.0], np.cumsum(weights[::-1])])
    positives = known_positives + max(float(missed[-1]), 0.0)
    losable = demand.may_miss(positives)
    kept = positives * (1 if demand.recall == 1 else (1 + demand.recall) / 2)
    budget = kept * (1 - demand.precision) / demand.precision + demand.spare_false

    def priced(sizes: NDArray[np.int64]) -> tuple[int, int, float, float]:
        """Return the sizes of both zones, of those given, that cost least, and the labels that certify them."""
        low = certify_costs(below[sizes], missed[sizes], unsure[sizes], losable, demand.recall_level)
        high = certify_costs(above[sizes], false[sizes], unsure_too[sizes], budget, demand.precision_level)
        u, v = disjoint_pair(sizes, low - below[sizes], high - above[sizes], count)
        return int(sizes[u]), int(sizes[v]), float(low[u]), float(high[v])

    sizes = np.unique(np.linspace(0, count, GRID).astype(np.int64))
    low, high, recall_draws, precision_draws = priced(sizes)
    if below[-1] > count:  # a step of the grid is thousands of rows of the table
        low, high, recall_draws, precision_draws = priced(_finer(sizes, low, high, count))
    reject, band = round(below[low]), round(below[count - high] - below[low])
    accept = round(below[-1]) - reject - band
    return ZonePlan(
        reject=reject,
        accept=accept,
        band=band,
        recall_draws=recall_draws,
        precision_draws=precision_draws,
        missed=float(missed[low]),
        false=float(false[high]),
        positives=positives,
        floor=_spotless(reject, losable, demand.recall_level) + _spotless(accept, budget, demand.precision_level),
        low=low,
        high=count - high,
    )


def _finer(sizes: NDArray[np.int64], low: int, high: int, count: int) -> NDArray[np.int64]:
    """Add sizes around those of both zones, and those that leave no row between."""
    step = max(count // GRID, 1)
    near = [np.linspace(max(s - step, 0), min(s + step, count), GRID).astype(np.int64) for s in (low, high)]
    return np.unique(np.concatenate([sizes, *near, *(count - s for s in near), count - sizes]))


def _spotless(size: int, budget: float, level: float) -> float:
    """Labels that certify a zone without errors."""
    return min(float(labels_needed(size, np.floor(budget), 0.0, level)), float(size)) if size else 0.0


def plan_again(
    ordered: NDArray[np.float64],
    drawn_scores: NDArray[np.float64],
    drawn_wrong: NDArray[np.bool_],
    budget: float,
    level: float,
    rows: int,
) -> tuple[int, float, float]:
    """Choose how many rows a zone keeps when its draws went badly: (rows, cost, share of errors).

    ordered: ascending doubt of the zone's ``rows`` rows not asked yet, or of a uniform sample of them; drawn_scores,
    drawn_wrong: of the rows drawn from the zone. The others are asked; the cost is theirs and that of a new proof at
    ``level``.
    """
    scale = rows / max(len(ordered), 1)
    errors, unsure = expected_tail(ordered, drawn_scores, drawn_wrong)
    places = np.unique(np.linspace(0, len(ordered), GRID).astype(np.int64))
    errors, sizes = scale * errors, scale * places.astype(np.float64)
    costs = certify_costs(sizes, errors[places], unsure[places], budget, level) + rows - sizes
    best = int(np.argmin(costs))
    size = round(sizes[best])
    return size, float(costs[best]), float(errors[places[best]] / max(size, 1))


def certify_costs(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    unsure: NDArray[np.float64],
    budget: float,
    level: float,
) -> NDArray[np.float64]:
    """Labels expected to certify zones of these sizes that hold so many errors, against one budget (rounded down).

    The cost rises steeply where the errors near the budget, so it is averaged over an interval of ``errors``, ``unsure``
    being their relative error, not taken at a point; a zone that can't pass is planned anew, at a loss of ``RUIN`` of it.
    """
    cost = np.zeros(len(sizes))
    some = sizes > 0
    rows = np.ceil(sizes[some])
    for deviation, weight in INTERVAL:
        share = np.minimum(errors[some] * np.maximum(1 + deviation * unsure[some], 0.1) / sizes[some], 1.0)
        needed = labels_needed(rows, np.floor(np.full(len(rows), budget)), share, level)
        cost[some] += weight * np.minimum(needed, RUIN * rows)
    return cost


def disjoint_pair(
    sizes: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64], count: int
) -> tuple[int, int]:
    """Return the indices of the two sizes that cost least and together take no more than ``count`` rows.

    low, high: what a zone of each size costs more than asking its rows.
    """
    best = np.minimum.accumulate(high)
    reach = np.searchsorted(sizes, count - sizes, side="right") - 1
    u = int(np.argmin(low + best[reach]))
    return u, int(np.argmin(high[: reach[u] + 1]))
