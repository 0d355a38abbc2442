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

The capital is a mixture of two accounts, so it is a martingale too. Nine tenths are bet so as to suffice at the draw that
is aimed at: were Z normal, they would replicate an option that pays 1/a there if the candidate is refuted then by a test
of one moment, ``b = phi(z) / (q sd)`` with q the share of 1/a that the account has, z the normal quantile of q, and sd
that of the draws until the aim, in which draws from a smaller rest count more. That is nearly as soon as an interval
that is right at one moment only, but an aim that was set too near leaves nothing. The rest is bet for steady growth
against candidates at the distance wanted, ``b = r / (v + s r)``, and bounds the harm. Both are damped where Z is skewed:
rare large losses would cost what they were meant to win (the second is the best bet against jumps of size s at random
times). Any other bets would be as valid.

A row without an answer has some value all the same. For the lower bound it is ``low``, for the upper bound ``high``.

Sources: Waudby-Smith and Ramdas, "Confidence sequences for sampling without replacement" (NeurIPS 2020) and "Estimating
means of bounded random variables by betting" (JRSSB 2024); Shekhar, Xu, Lipton, Liang and Ramdas, "Risk-limiting
financial audits via weighted sampling without replacement" (UAI 2023) for unequal chances and control variates; Voracek
and Orabona, "STaR-Bets" (2025) for bets that look at the capital and at the draws left; Shafer and Vovk, "Game-Theoretic
Foundations for Probability and Finance" (2019, ch. 2) for tests of one moment as options; Breiman, "Optimal gambling
systems for favorable games" (1961) for growth.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 4096
"""Candidates that are told apart, where values aren't counts."""
CAP = 0.95
"""Largest share of the capital that a single draw may cost."""
MARGIN = 1e-6
"""Evidence (in nats) demanded beyond the threshold, so that rounding can never decide."""
STEADY = 0.1
"""Share of the capital that is bet for growth, whatever the aim; the rest is to suffice at the aim."""
TAIL = 0.05
"""Bets never look less far ahead than this share of the aim."""
FAR = 4.0
"""Standard deviations beyond the estimate at which candidates aren't bet against: they are too likely true."""
DAMPED = 0.5
"""Bets are never more than doubled for a skew that is in their favour."""
_STEPS = 64
_LACKING = np.arange(1, 40 * _STEPS) / _STEPS
_MILLS = norm.pdf(norm.isf(np.exp(-_LACKING))) * np.exp(_LACKING)
"""Density over tail probability of a normal variable, by the tail's negative logarithm in steps of 1 / _STEPS."""
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
    """What bets look ahead to: how Z is foreseen to vary, and the draws (from the first) that are to suffice.

    skew: the third central moment over the variance, in the units of the values.
    """

    variance: float
    horizon: int
    skew: float = 0.0

    def mirrored(self) -> Aim:
        """Foresee the negative values."""
        return Aim(self.variance, self.horizon, -self.skew)


class TotalBounds:
    """A running interval for the total of a population of ``rows`` values in [``low``, ``high``].

    ``failure`` is the probability that the interval is ever wrong, half of it for each side. ``whole``: the values are
    whole numbers, and so are the bounds. ``lower`` and ``upper`` may be read after every batch.
    """

    def __init__(self, rows: int, low: float, high: float, failure: float, *, whole: bool = False) -> None:
        self.rows, self.low, self.high, self.whole = rows, float(low), float(high), whole
        self._below = _Side(rows, self.low, self.high, failure / 2, whole=whole)
        self._above = _Side(rows, -self.high, -self.low, failure / 2, whole=whole)
        self._estimates = self._mass = self._seen = 0.0

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

    @property
    def value(self) -> float:
        """The total as estimated, values without an answer taken to be in the middle of what they can be."""
        if not self._mass:
            return self.rows * (self.low + self.high) / 2
        return min(max(self._estimates / self._mass, self.lower), self.upper)

    def observe(self, draws: Draws, aim: Aim) -> None:
        """Take the next rows. ``aim`` must not depend on their values."""
        likely = (self.value - self._seen) / max(self.rows - self.drawn, 1)
        left = self.rows - self.drawn - np.arange(len(draws.least))
        middle = (draws.least + draws.most) / 2
        seen = self._seen + np.concatenate([[0.0], np.cumsum(middle[:-1])])
        mass = 1 / (left.astype(np.float64) ** 2 * max(aim.variance, 1e-9))
        self._estimates += float(mass @ (seen + left * (draws.weight * (middle - draws.predicted) + draws.centre)))
        self._mass += float(mass.sum())
        self._seen += float(middle.sum())
        self._below.observe(draws, aim, likely)
        self._above.observe(draws.mirrored(), aim.mirrored(), -likely)


class _Side:
    """Lower bounds of a total."""

    def __init__(self, rows: int, low: float, high: float, failure: float, *, whole: bool) -> None:
        self.left, self.low, self.high = rows, low, high
        self._rows, self._range = rows, (high - low) * rows
        self._first, self._last = _cells(rows, low, high, whole=whole)
        self._aimed = np.full(len(self._last), log(1 - STEADY))
        self._steady = np.full(len(self._last), log(STEADY))
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

    def observe(self, draws: Draws, aim: Aim, likely: float) -> None:
        """Take the next rows; ``likely``: the mean of the values left, as it is estimated."""
        drawn = self._rows - self.left
        farthest = likely + FAR * sqrt(aim.variance / (drawn + 1))
        last = int(np.searchsorted(self._first, self._sum + farthest * self.left, side="right"))
        self._hopeful = max(last, self._standing + 1)
        horizon = min(max(aim.horizon, 1), self._rows)
        deviations = draws.weight * (draws.least - draws.predicted) + draws.centre
        for value, z, bottom in zip(draws.least.tolist(), deviations.tolist(), draws.bottom.tolist(), strict=True):
            self._step(z, bottom, horizon, aim)
            self._sum += value
            self.left -= 1
        self._standing = int(np.argmin(self._refuted)) if not self._refuted.all() else len(self._refuted)

    def _step(self, z: float, bottom: float, horizon: int, aim: Aim) -> None:
        """Bet on one draw, for all cells from the least that stands to the last worth betting against."""
        live = slice(self._standing, self._hopeful)
        mean = (self._last[live] - self._sum) / self.left
        most = CAP / np.maximum(mean - bottom, 1e-12)
        aimed, steady = self._aimed[live], self._steady[live]
        drawn = self._rows - self.left
        ahead = max(horizon - drawn, TAIL * horizon, 1)
        variance, rest = max(aim.variance, 1e-12), max(self._rows - horizon, 1)
        pace = rest / (variance * ahead * self.left)
        bets = sqrt(pace) * _MILLS[np.clip((self._goal - aimed) * _STEPS, 0, len(_MILLS) - 1).astype(np.int64)]
        bets /= np.maximum(1 - 2 / 3 * aim.skew * bets, DAMPED)
        aimed += np.log1p(np.minimum(bets, most) * (z - mean))
        far = sqrt(2 * self._goal * variance * rest / horizon * self._rows) / self.left
        growing = far / max(variance - aim.skew * far, DAMPED * variance)
        steady += np.log1p(np.minimum(growing, most) * (z - mean))
        self._refuted[live] |= np.logaddexp(aimed, steady) >= self._goal


def _cells(rows: int, low: float, high: float, *, whole: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the largest candidate of every cell, in order."""
    if whole:
        least, most = floor(low * rows), ceil(high * rows)
        starts = np.unique(np.linspace(least, most, min(CELLS, most - least + 1)).astype(np.int64)).astype(np.float64)
        return starts, np.append(starts[1:] - 1, most)
    edges = np.linspace(low * rows, high * rows, CELLS + 1)
    return edges[:-1], edges[1:]
