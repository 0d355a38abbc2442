"""Anytime-valid intervals for the total of bounded values of a finite population, from rows drawn without replacement.

A population of M rows has fixed, unknown values y in [low, high] whose total is T. Rows are drawn one after another; the
t-th draw takes each of the R rows left with a chance p that was fixed before it, and ``w = 1 / (R p)`` (1 where rows are
drawn uniformly). Each row left also has a prediction f that was fixed before the draw, with the known mean F over the
rows left. Then

    Z = w (y - f) + F        has, given the past, the mean        m = (T - sum of the values drawn) / R

since w undoes the unequal chances and F gives back what the prediction took: a good prediction makes Z vary little, a bad
one costs precision and never truth. For every candidate total one bets that Z lies above the mean which the candidate
implies: the capital ``K(T) = prod (1 + b (Z - m))``, with b >= 0 fixed before the draw and small enough that no factor
can be negative, is a martingale under the true T that starts at 1. By Ville's inequality it ever reaches 1/a with
probability at most a; candidates whose capital did are refuted. So the least candidate left bounds T from below, *for all
numbers of draws at once*, and the mirrored bets bound it from above.

Candidates are kept in cells. All candidates of a cell share their bets, and each factor falls in T, so the largest
candidate of a cell has the least capital: a cell is refuted when that one is. Nothing is lost to the grid but its width.

Bets aim at a number of draws: ``b = sqrt(2 n / (v left))`` with n the logarithm of what the capital still lacks, v the
variance of Z as foreseen, and ``left`` the draws until the aim, in which draws from a smaller rest count more. Any other
bets would be as valid; these make the interval narrow when the aim is reached.

A row without an answer has some value all the same. For the lower bound it is ``low``, for the upper bound ``high``.

Sources: Waudby-Smith and Ramdas, "Confidence sequences for sampling without replacement" (NeurIPS 2020) and "Estimating
means of bounded random variables by betting" (JRSSB 2024); Shekhar, Xu, Lipton, Liang and Ramdas, "Risk-limiting
financial audits via weighted sampling without replacement" (UAI 2023) for unequal chances and control variates; Voracek
and Orabona, "STaR-Bets" (2025) for bets that look at the capital and at the draws left.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 4096
"""Candidates that are told apart, where values aren't counts."""
CAP = 0.95
"""Largest share of the capital that a single draw may cost."""
MARGIN = 1e-6
"""Evidence (in nats) demanded beyond the threshold, so that rounding can never decide."""
TAIL = 0.2
"""Bets never look less far ahead than this share of the aim, so that not all capital is lost shortly before it."""
HOPELESS = -5.0
"""Log capital below which a candidate is no longer bet against: it is too likely true."""
SLACK = 1e-9
"""Widening of bounds that were added up in floating point, relative to the population's range."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Rows in the order in which they were drawn; one number a row in every array.

    least, most: the row's value, or both ends of the range where it has no answer. predicted: f. weight: w. centre: F.
    bottom, top: bounds of Z that were certain before the draw.
    """

    least: NDArray[np.float64]
    most: NDArray[np.float64]
    predicted: NDArray[np.float64]
    weight: NDArray[np.float64]
    centre: NDArray[np.float64]
    bottom: NDArray[np.float64]
    top: NDArray[np.float64]

    def mirrored(self) -> Draws:
        """Turn the signs of all values: a lower bound of these is an upper bound of those."""
        return Draws(
            -self.most, -self.least, -self.predicted, self.weight, -self.centre, -self.top, -self.bottom
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Aim:
    """What bets look ahead to: the variance of Z and the number of draws (from the first) that are to suffice."""

    variance: float
    horizon: int


class TotalBounds:
    """A running interval for the total of a population of ``rows`` values in [``low``, ``high``].

    ``failure`` is the probability that the interval is ever wrong, half of it for each side. ``whole``: the values are
    whole numbers, and so are the bounds. ``lower`` and ``upper`` may be read after every batch.
    """

    def __init__(self, rows: int, low: float, high: float, failure: float, *, whole: bool = False) -> None:
        self.rows, self.low, self.high, self.whole = rows, float(low), float(high), whole
        self._below = _Side(rows, self.low, self.high, failure / 2, whole=whole)
        self._above = _Side(rows, -self.high, -self.low, failure / 2, whole=whole)

    @property
    def drawn(self) -> int:
        """Rows drawn so far."""
        return self.rows - self._below.left

    @property
    def lower(self) -> float:
        """With probability 1 - failure/2 the total was never below."""
        return self._below.bound

    @property
    def upper(self) -> float:
        """With probability 1 - failure/2 the total was never above."""
        return -self._above.bound

    def observe(self, draws: Draws, aim: Aim) -> None:
        """Take the next rows. ``aim`` must not depend on their values."""
        self._below.observe(draws, aim)
        self._above.observe(draws.mirrored(), aim)


class _Side:
    """Lower bounds of a total."""

    def __init__(self, rows: int, low: float, high: float, failure: float, *, whole: bool) -> None:
        self.left, self.low, self.high = rows, low, high
        self._rows, self._range = rows, (high - low) * rows
        self._first, self._last = _cells(rows, low, high, whole=whole)
        self._wealth = np.zeros(len(self._last))
        self._goal = log(1 / failure) + MARGIN
        self._refuted = np.zeros(len(self._last), dtype=bool)
        self._standing = 0
        self._hopeful = len(self._last)
        self._sum = 0.0

    @property
    def bound(self) -> float:
        """The least total that stands, between what the drawn rows say for certain: all rows drawn, it is their sum."""
        certain, possible = self._sum + self.left * self.low, self._sum + self.left * self.high
        standing = self._first[min(self._standing, len(self._first) - 1)]
        return float(min(max(certain, standing), possible)) - SLACK * self._range * (self.left > 0)

    def observe(self, draws: Draws, aim: Aim) -> None:
        self._hopeful = self._standing + _after_last(self._wealth[self._standing :] > HOPELESS)
        horizon = min(max(aim.horizon, self._rows - self.left + len(draws.least)), self._rows)
        deviations = draws.weight * (draws.least - draws.predicted) + draws.centre
        for value, z, bottom in zip(draws.least.tolist(), deviations.tolist(), draws.bottom.tolist(), strict=True):
            self._step(z, bottom, horizon, aim.variance)
            self._sum += value
            self.left -= 1
        self._standing = int(np.argmin(self._refuted)) if not self._refuted.all() else len(self._refuted)

    def _step(self, z: float, bottom: float, horizon: int, variance: float) -> None:
        """Bet on one draw, for all cells from the least that stands to the last that has capital left to bet."""
        live = slice(self._standing, self._hopeful)
        mean = (self._last[live] - self._sum) / self.left
        wealth = self._wealth[live]
        lacking = np.maximum(self._goal - wealth, 0.0)
        ahead = max(horizon - (self._rows - self.left), TAIL * horizon)
        rest = max(self._rows - horizon, 1)
        pace = 2 * rest / (max(variance, 1e-12) * max(ahead, 1) * self.left)
        room = np.maximum(mean - bottom, 1e-12)
        bets = np.minimum(np.sqrt(pace * lacking), CAP / room)
        wealth += np.log1p(bets * (z - mean))
        self._refuted[live] |= wealth >= self._goal


def _after_last(flags: NDArray[np.bool_]) -> int:
    found = np.flatnonzero(flags)
    return int(found[-1]) + 1 if len(found) else 0


def _cells(rows: int, low: float, high: float, *, whole: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the largest candidate of every cell, in order."""
    if whole:
        least, most = floor(low * rows), ceil(high * rows)
        starts = np.unique(np.linspace(least, most, min(CELLS, most - least + 1)).astype(np.int64)).astype(np.float64)
        return starts, np.append(starts[1:] - 1, most)
    edges = np.linspace(low * rows, high * rows, CELLS + 1)
    return edges[:-1], edges[1:]
