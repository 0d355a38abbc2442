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


@dataclass(frozen=True, slots=True)
class Demand:
    """Precision and recall demanded (1.0: no error of that kind is allowed), and the failure probability of each."""

    precision: float
    recall: float
    precision_level: float
    recall_level: float


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """How many of the unasked rows, lowest scores first, each zone should take, in rows of the table.

    reject, accept: rows of each zone; recall_draws, precision_draws: labels expected to certify them; band: rows between;
    missed, false: errors expected in the zones; positives: expected in the whole table.
    """

    reject: int
    accept: int
    band: int
    recall_draws: float
    precision_draws: float
    missed: float
    false: float
    positives: float

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
    scale: float,
) -> ZonePlan:
    """Choose both zones' sizes for the least expected cost.

    ordered: ascending scores of unasked rows, each standing for ``scale`` rows of the table; known_positives: rows already
    answered yes; uniform_scores, uniform_labels: left-out scores and labels of uniform rows.
    """
    count = len(ordered)
    missed = scale * expected_tail(ordered, uniform_scores, uniform_labels)
    false = scale * expected_tail(-ordered[::-1], -uniform_scores, ~uniform_labels)
    positives = known_positives + max(float(missed[-1]), 0.0)
    sizes = np.unique(np.linspace(0, count, GRID).astype(np.int64))
    low = certify_costs(sizes * scale, missed[sizes], (1 - demand.recall) * positives, demand.recall_level)
    kept = positives * (1 if demand.recall == 1 else (1 + demand.recall) / 2)
    budget = kept * (1 - demand.precision) / demand.precision
    high = certify_costs(sizes * scale, false[sizes], budget, demand.precision_level)
    u, v = disjoint_pair(sizes, low, high, count, scale)
    reject, accept = int(sizes[u] * scale), int(sizes[v] * scale)
    band = max(int(count * scale) - reject - accept, 0)
    return ZonePlan(
        reject, accept, band, float(low[u]), float(high[v]), float(missed[sizes[u]]), float(false[sizes[v]]), positives
    )


def plan_again(
    ordered: NDArray[np.float64],
    drawn_scores: NDArray[np.float64],
    drawn_wrong: NDArray[np.bool_],
    budget: float,
    level: float,
) -> tuple[int, float, float]:
    """Choose how many rows a zone keeps when its draws went badly: (rows, cost, share of errors).

    ordered: ascending doubt of the zone's rows not asked yet; drawn_scores, drawn_wrong: of the rows drawn from the zone.
    The others are asked; the cost is theirs and that of a new proof at ``level``.
    """
    errors = expected_tail(ordered, drawn_scores, drawn_wrong)
    sizes = np.unique(np.linspace(0, len(ordered), GRID).astype(np.int64))
    costs = certify_costs(sizes.astype(np.float64), errors[sizes], budget, level) + len(ordered) - sizes
    best = int(np.argmin(costs))
    size = int(sizes[best])
    return size, float(costs[best]), float(errors[size] / max(size, 1))


def certify_costs(
    sizes: NDArray[np.float64], errors: NDArray[np.float64], budget: float, level: float
) -> NDArray[np.float64]:
    """Labels expected to certify zones of these sizes that hold so many errors, against one budget (rounded down)."""
    needed = np.zeros(len(sizes))
    some = sizes > 0
    rows, share = np.ceil(sizes[some]), np.minimum(errors[some] / sizes[some], 1.0)
    needed[some] = labels_needed(rows, np.floor(np.full(len(rows), budget)), share, level)
    return np.minimum(needed, sizes)


def disjoint_pair(
    sizes: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64], count: int, scale: float
) -> tuple[int, int]:
    """Return the indices of the two sizes that save most and together take no more than ``count`` rows."""
    gain = high - sizes * scale
    best = np.minimum.accumulate(gain)
    reach = np.searchsorted(sizes, count - sizes, side="right") - 1
    u = int(np.argmin(low - sizes * scale + best[reach]))
    return u, int(np.argmin(gain[: reach[u] + 1]))
