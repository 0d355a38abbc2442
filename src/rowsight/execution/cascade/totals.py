"""Several totals of the oracle's answers at once, in the whole table or in each of its groups, from the same draws.

``count(*)``, ``sum(x)`` and ``avg(x)`` over rows for which a predicate holds are totals of ``w y``: the answer y times a number w
that is known of every row. Rows are drawn without replacement; a proxy that is fitted to the answers so far foresees y, and
the chances of the next draws lean towards rows that weigh much and whose answers it doesn't know.

Proof. ``guarantees.estimate`` gives each total an interval that holds at all moments with the failure probability it was
given: proxy, chances, batch and aim depend on earlier answers and the seed alone. A draw from the table is, for each group,
a draw from the group. Measures and groups share the failure probability equally, fixed beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from rowsight.core.errors import InputError
from rowsight.execution.cascade.foresight import Foresight
from rowsight.execution.cascade.protocol import Ask, Freeze, Note
from rowsight.guarantees.estimate import Aim, TotalBounds
from rowsight.guarantees.urn import drawn, race

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from rowsight.execution.cascade.foresight import Outlook
    from rowsight.execution.cascade.protocol import Request, Rows

    Totalling = Generator[Request, NDArray[Any] | None, "Totals"]
    Steps = Generator[Request, NDArray[Any] | None, bool]

FIRST = 100
"""Rows drawn before anything is fitted."""
SMALLEST = 24
"""Fewest rows in a batch."""
LEAN = 0.5
"""Share of the chances that leans towards doubtful and heavy rows; the rest is spread evenly."""
OVERHEAD = 1.5
"""Draws planned, as a multiple of what a normal interval would need that is right at one moment only."""
AGAIN = 0.12
"""How much further to aim when an aim was reached and the interval is still too wide."""
MOST_TOTALS = 2000
"""Totals that are kept at once; each holds its candidates in memory."""


@dataclass(frozen=True)
class Wanted:
    """How narrow the interval of the first measure (the count) must be in every group, or how many rows may be asked.

    ``within``: half the width, as a share of the group's rows (of 1 or more: in rows, where ``counted``). ``precision`` and
    ``recall``: the interval lies between ``precision`` times the value and the value over ``recall``, as certified rows would
    make a count lie. ``accuracy``: half the width is at most 1 - accuracy of the rows.
    """

    confidence: float = 0.95
    within: float | None = None
    calls: int | None = None
    precision: float | None = None
    recall: float | None = None
    accuracy: float | None = None
    counted: bool = True

    def __post_init__(self) -> None:
        for name in ("confidence", "precision", "recall", "accuracy"):
            level = getattr(self, name)
            if level is not None and not 0 < level < 1:
                raise InputError(f"{name} {level:g} is not between 0 and 1; give a share such as {name} 0.9")
        if self.within is not None and self.within <= 0:
            raise InputError(f"within {self.within:g} is not above 0; give half the width of the interval")
        if self.calls is not None and (self.calls < 1 or self.calls != int(self.calls)):
            raise InputError(f"calls {self.calls:g} asks nothing; give a number of rows such as calls 2000")

    def reach(self, rows: int, value: float) -> float:
        """Return half the width wanted of a count of ``rows`` rows that is near ``value``; infinite where calls are given."""
        if self.within is not None:
            return self.within if self.counted and self.within >= 1 else self.within * rows
        if self.accuracy is not None:
            return (1 - self.accuracy) * rows
        least = min((x for x in (self.precision, self.recall) if x is not None), default=None)
        return np.inf if least is None else (1 - least) * max(value, 1.0)

    def met(self, rows: int, value: float, low: float, high: float) -> bool:
        """Say whether an interval is narrow enough."""
        precision, recall = self.precision or self.recall, self.recall or self.precision
        if precision is not None and recall is not None:
            return low >= precision * value - 1e-9 and recall * high <= value + 1e-9
        return self.calls is None and high - low <= 2 * self.reach(rows, value) * (1 + 1e-9)


@dataclass(frozen=True)
class Totals:
    """Values and intervals, one row a measure and one column a group; ``answers`` are -inf where a row wasn't asked."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    answers: NDArray[np.float64]
    reached: bool


def totals(
    rows: Rows,
    weights: NDArray[np.float64],
    groups: NDArray[np.int64],
    wanted: Wanted,
    *,
    bounds: tuple[float, float],
    share: float,
    seed: int,
    attempt: int = 1,
) -> Totalling:
    """Estimate the totals of ``weights[k] * answer`` over every group, for all k and groups at once.

    ``weights``: (measures, rows), the first all 1. ``groups``: a code a row, 0..G-1. ``bounds``: of the answers, (0, 1) for
    yes and no. ``share``: the failure probability to spend. Replies to ``Ask`` are floats, NaN unanswered, -inf skipped.
    """
    return (yield from _Course(rows, weights, groups, wanted, bounds, share, [seed, attempt]).steps())


class _Total:
    """The total of one measure in one group."""

    def __init__(self, weight: NDArray[np.float64], bounds: tuple[float, float], failure: float) -> None:
        ends = np.multiply.outer(np.array(bounds), weight)
        self.least, self.most = ends.min(axis=0), ends.max(axis=0)
        low, high = float(self.least.min(initial=0)), float(self.most.max(initial=0))
        whole = bounds == (0, 1) and bool(np.isin(weight, (0, 1)).all())
        self.constant = low == high
        self.totals = None if self.constant else TotalBounds(len(weight), low, high, failure, whole=whole)
        self.weight, self.whole = weight, whole

    def observe(self, draw: _Draw, variance: float, horizon: int) -> None:
        """Take the draws that fell into the group."""
        if self.totals is None:
            return
        weight = self.weight[draw.left]
        ends = np.sort(weight[draw.places] * np.stack([draw.least, draw.most]), axis=0)
        bounds = (self.least[draw.left], self.most[draw.left])
        found = drawn(draw.places, draw.sizes, weight * draw.expected, ends[0], ends[1], bounds)
        self.totals.observe(found, Aim(variance, horizon))

    def interval(self) -> tuple[float, float, float]:
        """Return the value, the lower and the upper bound."""
        if self.totals is None:
            return 0.0, 0.0, 0.0
        low, high, value = self.totals.lower, self.totals.upper, self.totals.value
        if self.totals.drawn < len(self.weight):  # what rows may come to bounds their sum; all drawn, it is exact
            least, most = float(self.least.sum()), float(self.most.sum())
            low, high = max(low, least), min(high, most)
            value = min(max(value if self.totals.drawn else (least + most) / 2, low), high)
        return (float(round(value)) if self.whole else value), low, high


@dataclass(frozen=True)
class _Draw:
    """Rows drawn from a group: ``left`` are the rows (within the group) that were left, ``places`` are among these."""

    left: NDArray[np.int64]
    places: NDArray[np.int64]
    sizes: NDArray[np.float64]
    expected: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]


class _Group:
    """A group's rows and totals."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.rows = rows
        self.totals: list[_Total] = []
        self.drawn, self.horizon, self.variance = 0, 0, 0.0
        self.done = not len(rows)


class _Course:
    def __init__(
        self,
        rows: Rows,
        weights: NDArray[np.float64],
        groups: NDArray[np.int64],
        wanted: Wanted,
        bounds: tuple[float, float],
        share: float,
        seed: list[int],
    ) -> None:
        self.rows, self.weights, self.wanted, self.bounds, self.seed = rows, weights, wanted, bounds, seed
        self.answers = np.full(rows.count, -np.inf)
        self.uniform = np.ones(rows.count)
        self.share = share
        order = np.argsort(groups, kind="stable")
        count = int(groups.max(initial=-1)) + 1
        self.groups = [_Group(part) for part in np.split(order, np.searchsorted(groups[order], np.arange(1, count)))]
        if len(self.groups) * len(weights) > MOST_TOTALS:
            raise InputError(
                f"{len(self.groups):,} groups with {len(weights)} figures each are too many for intervals at once (at most "
                f"{MOST_TOTALS:,} together); group by less, or ask about every row"
            )
        each = share / max(len(self.groups) * len(weights), 1)
        for group in self.groups:
            group.totals = [_Total(weight[group.rows], bounds, each) for weight in weights]
        self.quantile = float(norm.isf(each / 2)) ** 2
        self.foresight = Foresight(rows, *bounds, binary=bounds == (0, 1))
        self.heavy = self._heaviness()
        self.drawn = self.batches = 0

    def steps(self) -> Totalling:
        yield Freeze(
            {"kind": "totals", "seed": self.seed, "share": self.share, "groups": [len(g.rows) for g in self.groups]}
        )
        outlook = self._outlook()
        more = True
        while more and not self._finished():
            self._plan(outlook)
            more = yield from self._batch(outlook)
            if self.foresight.due(self.drawn):
                outlook = self._outlook()
            yield Note("totals", {"asked": self.drawn, "open": sum(not g.done for g in self.groups)})
        found = np.array([[total.interval() for total in group.totals] for group in self.groups])
        value, low, high = found.reshape(len(self.groups), len(self.weights), 3).transpose(2, 1, 0)
        return Totals(value, low, high, self.answers, more)

    def _heaviness(self) -> NDArray[np.float64]:
        """How much a row weighs in all measures together, 1 on average."""
        sizes = np.abs(self.weights)
        return np.asarray((sizes / np.maximum(sizes.mean(axis=1, keepdims=True), 1e-300)).mean(axis=0))

    def _outlook(self) -> Outlook:
        answered = np.flatnonzero(np.isfinite(self.answers))
        fit = self.foresight.plain if len(answered) < FIRST // 2 else None
        if fit is not None:
            return fit(self.answers[answered], self.uniform[answered])
        return self.foresight.fit(answered, self.answers[answered], self.uniform[answered])

    def _finished(self) -> bool:
        for group in self.groups:
            if not group.done:
                value, low, high = group.totals[0].interval()
                met = self.wanted.met(len(group.rows), value, low, high)
                group.done = met or group.drawn == len(group.rows)
        spent = self.wanted.calls is not None and self.drawn >= self.wanted.calls
        return spent or all(group.done for group in self.groups)

    def _plan(self, outlook: Outlook) -> None:
        """Fix the chances of the next draws, and how far each group's bets look ahead."""
        spread = outlook.spread * self.heavy
        self.sizes = np.maximum((1 - LEAN) * spread.mean() + LEAN * spread, 1e-9)
        width = self.bounds[1] - self.bounds[0]
        for group in self.groups:
            left = group.rows[self.answers[group.rows] == -np.inf]
            if group.done or not len(left):
                continue
            sizes = self.sizes[left]
            opinion = width**2 * float(np.mean(sizes.mean() / sizes * outlook.spread[left] ** 2))
            group.variance = max(opinion, 1e-9)
            expected = float(outlook.expected[left].sum()) + float(np.nansum(self._answered(group)))
            reach = self.wanted.reach(len(group.rows), expected)
            group.horizon = self._horizon(group, len(left), reach, width * float(sizes.mean() / sizes.min()))
            pull = (group.horizon - group.drawn) / len(left)
            self.sizes[left] = sizes / sizes.mean() * max(pull, 1e-3)

    def _answered(self, group: _Group) -> NDArray[np.float64]:
        answers = self.answers[group.rows]
        return np.asarray(answers[answers != -np.inf])

    def _horizon(self, group: _Group, left: int, reach: float, span: float) -> int:
        if self.wanted.calls is not None:
            return group.drawn + max(1, round((self.wanted.calls - self.drawn) * left / self._open()))
        half = max(reach / len(group.rows), 1e-9)
        many = OVERHEAD * self.quantile * (group.variance + span * half / 6) / half**2
        fewer = ceil(many / (1 + many / len(group.rows)))
        return min(max(fewer, ceil(group.drawn * (1 + AGAIN)), group.drawn + 1), len(group.rows))

    def _open(self) -> int:
        return sum(len(group.rows) - group.drawn for group in self.groups if not group.done)

    def _batch_size(self) -> int:
        ahead = sum(group.horizon - group.drawn for group in self.groups if not group.done)
        most = FIRST if self.drawn == 0 else ceil(self.drawn / 2)
        size = min(max(ceil(ahead / 2), SMALLEST), most)
        return size if self.wanted.calls is None else min(size, self.wanted.calls - self.drawn)

    def _batch(self, outlook: Outlook) -> Steps:
        """Draw, ask and take the next rows; whether there is money for more."""
        opened = np.concatenate([group.rows for group in self.groups if not group.done])
        opened = opened[self.answers[opened] == -np.inf]
        places = race(self.sizes[opened], min(self._batch_size(), len(opened)), [*self.seed, self.batches])
        chosen = opened[places]
        replies = yield Ask(chosen, "estimate")
        assert replies is not None
        skipped = np.flatnonzero(replies == -np.inf)
        if len(skipped):  # what was drawn after a row that wasn't asked is no random sample of anything
            chosen, replies = chosen[: skipped[0]], replies[: skipped[0]]
        for group in self.groups:
            if not group.done:
                self._observe(group, chosen, replies, outlook)
        self.uniform[chosen] = self.sizes[opened].mean() / self.sizes[chosen]
        self.answers[chosen] = replies
        self.drawn += len(chosen)
        self.batches += 1
        return not len(skipped)

    def _observe(
        self, group: _Group, chosen: NDArray[np.int64], replies: NDArray[np.float64], outlook: Outlook
    ) -> None:
        mine = np.isin(chosen, group.rows, assume_unique=True)
        if not mine.any():
            return
        left = np.flatnonzero(self.answers[group.rows] == -np.inf)
        number = np.zeros(len(self.answers), np.int64)
        number[group.rows[left]] = np.arange(len(left))
        answers = replies[mine]
        silent = np.isnan(answers)
        least, most = np.where(silent, self.bounds[0], answers), np.where(silent, self.bounds[1], answers)
        rows = group.rows[left]
        draw = _Draw(left, number[chosen[mine]], self.sizes[rows], outlook.expected[rows], least, most)
        for total, weight in zip(group.totals, self.weights, strict=True):
            scale = (
                float(np.mean(self.heavy[rows] ** -1.0 * weight[rows] ** 2)) if total is not group.totals[0] else 1.0
            )
            total.observe(draw, max(group.variance * scale, 1e-9), group.horizon)
        group.drawn += int(mine.sum())
