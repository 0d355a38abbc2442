"""Estimate a figure of the oracle's answers over all rows, asking few.

Rows are drawn one by one without replacement, in batches; a proxy that is fitted to the answers so far foresees the rows
left, and the chances of the next draws lean towards rows whose answers it doesn't know. Every draw counts twice: it is
evidence for the interval, by the proxy and the chances that were fixed before it, and then a label. So nothing is spent
on training alone, and a worthless proxy costs nothing: its expectations are the mean, its chances equal.

Proof. ``guarantees.estimate`` gives each total an interval that holds at all moments with the failure probability it was
given. Proxy, chances, batch and aim of a batch depend on the answers before it and on the seed alone. The intervals of
the table and of its groups share the failure probability, fixed beforehand. Rows that the ledger knew when the attempt
began aren't drawn: their sum is exact and is added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from rowsight.execution.cascade.foresight import Foresight, Outlook
from rowsight.execution.cascade.protocol import Ask, Freeze, Note
from rowsight.guarantees.certify import attempt_share
from rowsight.guarantees.estimate import Aim, TotalBounds
from rowsight.guarantees.urn import drawn, race

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Request, Rows
    from rowsight.plan.goal import Goal

    Known = tuple[NDArray[np.int64], NDArray[np.float64]]
    Estimating = Generator[Request, NDArray[Any] | None, "Estimated"]
    Steps = Generator[Request, NDArray[Any] | None, bool]

FIRST = 100
"""Rows drawn before anything is fitted."""
SMALLEST = 24
"""Fewest rows in a batch."""
LATE_BATCH, LARGEST_BATCH = 0.03, 0.5
"""Least and largest batch, as shares of the rows drawn so far."""
OVERHEAD = 1.3
"""Draws planned, as a multiple of what a normal interval would need that is right at one moment only."""
AGAIN = 0.12
"""How much further to aim when an aim was reached and the interval is still too wide."""
EVEN_SHARES = (1.0, 0.5, 0.25)
"""Shares of the chances that are spread evenly over all rows; the rest leans towards doubtful ones."""
SKEW = 2 / 3
"""What rare large values of Z cost beside their variance: this times third over second moment, times the width wanted."""
PRIOR_DRAWS = 12
"""Draws that the proxy's own opinion of its errors is worth."""


@dataclass(frozen=True)
class Interval:
    """One figure: over ``rows`` rows their total is ``value``, and between ``low`` and ``high``; ``asked`` were asked."""

    rows: int
    asked: int
    unanswered: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimated:
    """Totals of the table and of each group (by code), and how it went."""

    total: Interval
    groups: tuple[Interval, ...]
    reached: bool
    """Whether all intervals are as narrow as was wanted."""
    share: float
    """Failure probability that this attempt may spend."""
    answers: NDArray[np.float64]
    """The oracle's answer for each row that was asked, NaN where it had none; -inf for the others."""
    summary: dict[str, Any] = field(default_factory=dict)


def estimating(
    rows: Rows,
    goal: Goal,
    *,
    bounds: tuple[float, float],
    whole: bool,
    seed: int = 0,
    known: Known | None = None,
    groups: NDArray[np.int64] | None = None,
    attempt: int = 1,
) -> Estimating:
    """Estimate the total of answers in ``bounds``; replies to ``Ask`` are floats (NaN unanswered, -inf skipped).

    ``whole``: answers are 0 or 1. ``known``: rows and answers that the ledger held when the attempt began. ``groups``: a
    code a row, 0..G-1. ``attempt``: the how-manieth try at this table, question and model. No row is asked twice.
    """
    return (yield from _Run(rows, goal, bounds, whole, seed, known, groups, attempt).steps())


class _Target:
    """One population whose total is sought: the whole table, or a group of it."""

    def __init__(self, members: NDArray[np.bool_], failure: float, bounds: tuple[float, float], *, whole: bool) -> None:
        self.members, self.failure, self.bounds = members, failure, bounds
        self.size = int(members.sum())
        self.whole = whole
        self.done = self.size == 0
        self._quantile = float(norm.isf(failure / 2))
        self.horizon = 0

    def begin(self, answers: NDArray[np.float64], asked: NDArray[np.bool_]) -> None:
        """Set apart what was known before; the others are the population that is drawn from."""
        mine = asked & self.members
        self.known = _ends(answers[mine], self.bounds)
        self.population = self.size - int(mine.sum())
        self.totals = TotalBounds(self.population, *self.bounds, self.failure, whole=self.whole)

    @property
    def drawn(self) -> int:
        """Rows drawn."""
        return self.totals.drawn

    @property
    def low(self) -> float:
        """Lower bound of the total over all members."""
        return float(self.known[0].sum() + self.totals.lower)

    @property
    def high(self) -> float:
        """Upper bound of the total over all members."""
        return float(self.known[1].sum() + self.totals.upper)

    def narrow(self, half_width: float) -> bool:
        """Whether the interval of the mean reaches no further than ``half_width`` from its middle."""
        return self.high - self.low <= 2 * half_width * self.size * (1 + 1e-9)

    def plan(self, variance: float, skew: float, half_width: float) -> None:
        """Aim at the number of draws that makes the mean's interval narrow enough."""
        reach = half_width * self.size / max(self.population, 1)
        many = OVERHEAD * self._quantile**2 * (variance + SKEW * abs(skew) * reach) / reach**2
        fewer = ceil(many / (1 + many / max(self.population, 1)))
        self.horizon = min(max(fewer, ceil(self.drawn * (1 + AGAIN))), self.population)

    def observe(
        self, left: _Left, places: NDArray[np.int64], values: NDArray[np.float64], variance: float, skew: float
    ) -> None:
        """Take those of the draws that fall on members."""
        inside = self.members[left.rows]
        mine = inside[places]
        if not mine.any():
            return
        number = np.cumsum(inside) - 1
        least, most = _ends(values[mine], self.bounds)
        draws = drawn(
            number[places[mine]], left.sizes[inside], left.expected[inside], least, most, self.bounds
        )  # fmt: skip
        self.totals.observe(draws, Aim(variance, self.horizon or self.population, skew))

    def interval(self, answers: NDArray[np.float64], asked: NDArray[np.bool_], within: tuple[float, float]) -> Interval:
        """Return the interval, cut to ``within`` and to what the answers leave open: all asked, it is exact."""
        mine = asked & self.members
        least, most = _ends(answers[mine], self.bounds)
        unknown = self.size - int(mine.sum())
        low = max(self.low, within[0], float(least.sum()) + unknown * self.bounds[0])
        high = min(self.high, within[1], float(most.sum()) + unknown * self.bounds[1])
        value = min(max(float(np.mean(self.known, axis=0).sum()) + self.totals.value, low), high)
        silent = int(np.isnan(answers[mine]).sum())
        return Interval(self.size, int(mine.sum()), silent, round(value) if self.whole else value, low, high)


@dataclass
class _Left:
    """The rows left, what is expected of them, and the sizes that the next draws' chances are in proportion to."""

    rows: NDArray[np.int64]
    expected: NDArray[np.float64]
    sizes: NDArray[np.float64]
    everywhere: NDArray[np.float64]
    """The sizes that all rows of the table would have."""


class _Run:
    """The state of one estimate."""

    def __init__(
        self,
        rows: Rows,
        goal: Goal,
        bounds: tuple[float, float],
        whole: bool,  # noqa: FBT001 - internal
        seed: int,
        known: Known | None,
        groups: NDArray[np.int64] | None,
        attempt: int,
    ) -> None:
        self.rows, self.goal, self.bounds, self.seed, self.known = rows, goal, bounds, seed, known
        self.count = rows.count
        self.half_width = goal.half_width(self.count)
        self.answers = np.full(self.count, -np.inf)
        self.weights = np.ones(self.count)
        """How much a labelled row stands for others where chances were unequal."""
        self.group = np.zeros(self.count, np.int64) if groups is None else np.asarray(groups, np.int64)
        count = 0 if groups is None else int(self.group.max(initial=-1)) + 1
        failure = float(1 - Fraction(repr(float(goal.confidence))))
        self.share = attempt_share(failure, attempt)
        each = self.share / (count + 1)
        self.attempt = attempt
        self.total = _Target(np.ones(self.count, bool), each, bounds, whole=whole)
        self.parts = [_Target(self.group == code, each, bounds, whole=whole) for code in range(count)]
        self.foresight = Foresight(rows, *bounds, binary=whole)
        self.draws: list[int] = []
        self.batches = 0
        self.dry = False

    # --- the course -------------------------------------------------------------------------------------------------

    def steps(self) -> Estimating:
        if self.known is not None:  # no random sample of anything: they teach the proxy and calibrate nothing
            self.answers[self.known[0]] = self.known[1]
            self.weights[self.known[0]] = 0.0
        for target in self.targets:
            target.begin(self.answers, self.asked)
        yield Freeze(self._frozen())
        self.outlook = self._outlook()
        while not self._finished():
            self._plan()
            if not (yield from self._batch()):
                break
            if self.foresight.due(len(self.draws)):
                self.outlook = self._outlook()
            yield Note("estimate", self._progress())
        return self._result()

    @property
    def targets(self) -> list[_Target]:
        """The table and its groups."""
        return [self.total, *self.parts]

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Rows that were asked, answered or not."""
        return np.asarray(self.answers != -np.inf)

    def _finished(self) -> bool:
        for target in self.targets:
            narrow = self.half_width is not None and target.narrow(self._reach(target))
            target.done = target.done or narrow or target.drawn >= target.population
        spent = self.goal.calls is not None and len(self.draws) >= self.goal.calls
        return spent or all(target.done for target in self.targets)

    def _batch(self) -> Steps:
        """Draw, ask and take the next rows; whether there is money for more."""
        left = self.left
        size = min(self._batch_size(), len(left.rows))
        places = race(left.sizes, size, [self.seed, self.attempt, self.batches])
        chosen = left.rows[places]
        replies = yield Ask(chosen, "estimate")
        assert replies is not None
        skipped = np.flatnonzero(replies == -np.inf)
        if len(skipped):  # what was drawn after a row that wasn't asked is no random sample of anything
            places, chosen, replies = places[: skipped[0]], chosen[: skipped[0]], replies[: skipped[0]]
        for target in self.targets:
            if not target.done:
                target.observe(left, places, replies, *self._moments(target, left))
        self.weights[chosen] = left.sizes.mean() / left.sizes[places]
        self.answers[chosen] = replies
        self.draws += chosen.tolist()
        self.batches += 1
        self.dry = bool(len(skipped))
        return not self.dry

    def _batch_size(self) -> int:
        count = len(self.draws)
        if self.goal.calls is not None:
            horizon = self.goal.calls
        else:
            horizon = max((t.horizon - t.drawn for t in self.targets if not t.done), default=0) + count
        most = FIRST if count == 0 else ceil(LARGEST_BATCH * count)
        least = min(max(SMALLEST, ceil(LATE_BATCH * count)), most)
        size = min(max(ceil((horizon - count) / 2), least), most)
        return min(size, self.goal.calls - count) if self.goal.calls is not None else size

    # --- looking ahead ------------------------------------------------------------------------------------------------

    def _outlook(self) -> Outlook:
        answered = np.flatnonzero(np.isfinite(self.answers))
        if np.count_nonzero(self.weights[answered]) < FIRST // 2:
            return self.foresight.plain(self.answers[answered], self.weights[answered])
        return self.foresight.fit(answered, self.answers[answered], self.weights[answered])

    def _plan(self) -> None:
        """Choose the chances of the next draws, and how far each target's bets look ahead."""
        open_rows = np.flatnonzero(~self.asked & self._wanted())
        spread = self.outlook.spread[open_rows]
        pull = self._pull()[self.group]
        tried = []
        for even in EVEN_SHARES:
            sizes = pull * (even * spread.mean() + (1 - even) * self.outlook.spread)
            left = _Left(open_rows, self.outlook.expected[open_rows], sizes[open_rows], sizes)
            tried.append((self._cost(left), left))
            if np.ptp(spread) == 0:
                break
        self.left = min(tried, key=lambda pair: pair[0])[1]
        self._cost(self.left)

    def _wanted(self) -> NDArray[np.bool_]:
        """Rows worth drawing: all while the table's own figure is open, then those of the groups that still are."""
        if not self.total.done:
            return np.ones(self.count, bool)
        return np.array([not part.done for part in self.parts])[self.group]

    def _pull(self) -> NDArray[np.float64]:
        """How much denser each group is drawn, so that all are as narrow as wanted at about the same time."""
        if not self.parts or self.half_width is None or not self.draws or all(p.done for p in self.parts):
            return np.ones(max(len(self.parts), 1))
        wanted = np.array([0 if p.done else max(p.horizon - p.drawn, 1) for p in self.parts], dtype=np.float64)
        left = np.array([max(p.population - p.drawn, 1) for p in self.parts], dtype=np.float64)
        return np.asarray(np.maximum(wanted / left, 0.1 * wanted.sum() / left.sum()))

    def _cost(self, left: _Left) -> float:
        """Set the horizons and return the draws still to come."""
        if self.half_width is None:
            assert self.goal.calls is not None
            mass = left.sizes.sum()
            for target in self.targets:
                portion = left.sizes[target.members[left.rows]].sum() / mass if mass else 0.0
                target.horizon = target.drawn + max(round((self.goal.calls - len(self.draws)) * portion), 1)
            return self._moments(self.total, left)[0]
        for target in self.targets:
            if not target.done:
                target.plan(*self._moments(target, left), self._reach(target))
        return float(sum(t.horizon - t.drawn for t in (self.parts or [self.total]) if not t.done))

    def _reach(self, target: _Target) -> float:
        """Return half the width wanted of the target's mean; a count's rows are the same number in every group."""
        assert self.goal.within is not None
        return self.goal.half_width(target.size) or self.goal.within

    def _moments(self, target: _Target, left: _Left) -> tuple[float, float]:
        """Foresee Z's variance, and its third moment over it: from the errors on rows drawn so far.

        They lean on the proxy's own opinion, and on one more draw that is as wrong as can be.
        """
        inside = target.members[left.rows]
        sizes = left.sizes[inside]
        if not len(sizes):
            return 1e-9, 0.0
        mean = float(sizes.mean())
        width = self.bounds[1] - self.bounds[0]
        rows = np.array(self.draws, np.int64)
        rows = rows[np.isfinite(self.answers[rows]) & target.members[rows]]
        weight, share = mean / sizes, (self.outlook.expected[left.rows][inside] - self.bounds[0]) / width
        doubt = weight * self.outlook.spread[left.rows][inside] ** 2
        opinions = width**2 * float(np.mean(doubt)), width**3 * float(np.mean(weight * doubt * (1 - 2 * share)))
        errors = self.answers[rows] - self.outlook.expected[rows]
        new = mean / left.everywhere[rows]
        observed = [float(np.sum(self.weights[rows] * new * errors**2)) + width**2]
        observed.append(float(np.sum(self.weights[rows] * new**2 * errors**3)))
        second, third = (
            (o + PRIOR_DRAWS * p) / (len(rows) + PRIOR_DRAWS) for o, p in zip(observed, opinions, strict=True)
        )
        return second, third / second

    # --- the end ------------------------------------------------------------------------------------------------------

    def _frozen(self) -> dict[str, Any]:
        return {
            "kind": "estimate",
            "seed": self.seed,
            "attempt": self.attempt,
            "share": self.share,
            "bounds": list(self.bounds),
            "populations": [t.population for t in self.targets],
        }

    def _progress(self) -> dict[str, Any]:
        size = max(self.total.size, 1)
        return {
            "asked": len(self.draws),
            "low": self.total.low / size,
            "high": self.total.high / size,
            "explained": self.outlook.explained,
            "horizon": self.total.horizon,
        }

    def _result(self) -> Estimated:
        asked = self.asked
        parts = tuple(p.interval(self.answers, asked, (-np.inf, np.inf)) for p in self.parts)
        within = (-np.inf, np.inf)
        if parts:
            within = (sum(p.low for p in parts), sum(p.high for p in parts))
        total = self.total.interval(self.answers, asked, within)
        reached = self.half_width is None or all(t.narrow(self._reach(t)) or not t.size for t in self.targets)
        return Estimated(
            total,
            parts,
            reached and not self.dry,
            self.share,
            self.answers,
            self._progress() | {"batches": self.batches},
        )


def _ends(answers: NDArray[np.float64], bounds: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each answer is at least and at most: both ends of the range where there is none."""
    silent = np.isnan(answers)
    inside = np.clip(answers, *bounds)
    return np.where(silent, bounds[0], inside), np.where(silent, bounds[1], inside)
