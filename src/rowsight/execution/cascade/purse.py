"""What a run without a level may spend, counted in rows, and the levels that it may aim at."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from rowsight.execution.cascade.protocol import Afford

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Steps

LEVELS = 1 - np.geomspace(0.5, 0.0005, 60)
"""Levels that a plan may aim at, from the easiest."""
FEWEST = 16
"""A round of fewer rows isn't worth planning anew."""
STEPS = 20
"""Certification is looked at so many times while the planned draws are bought."""
DIGITS = 4
"""A level is stated with so many decimals, rounded down."""
LEAST = 10.0**-DIGITS
"""The lowest level that can be stated; what doesn't reach it isn't certified."""
FIRST = 100
"""Uniform rows asked first, where the money allows."""
FIRST_SHARE = 0.25
"""The first rows take no more than this share of the money."""
AMPLE = 1.5
"""Money for so many times the rows left is enough for all of them, so that nothing needs planning."""
TRAINING_SHARE = 0.5
"""At least this share of the money is spent on learning, whatever the plan says: plans don't see what is learnt."""


class Purse:
    """The rows that the money is about enough for: looked up in every round, at the price of the rows so far."""

    def __init__(self) -> None:
        self._whole = 0

    def open(self, asked: int) -> Steps:
        """Ask how many rows the money left is enough for, ``asked`` rows being answered."""
        reply = yield Afford()
        assert reply is not None
        self._whole = asked + int(reply[0])

    def learning(self, asked: int) -> int:
        """Rows that are asked for learning at least, after ``asked``."""
        return max(int(TRAINING_SHARE * self._whole) - asked, 0)

    def left(self, asked: int) -> int:
        """Rows that can still be asked after ``asked``."""
        return max(self._whole - asked, 0)

    def all_if_ample(
        self,
        asked: Callable[[], NDArray[np.bool_]],
        ask: Callable[[NDArray[np.int64]], Steps],
        random: np.random.Generator,
    ) -> Steps:
        """Ask every row, in growing pieces, as long as the money is enough for all even if those asked were cheap.

        ``asked`` says which rows were; ``ask`` asks some more.
        """
        while len(rest := np.flatnonzero(~asked())):
            before = len(asked()) - len(rest)
            if self.left(before) < AMPLE * len(rest):
                return
            yield from ask(random.permutation(rest)[: max(before, FIRST)])
            yield from self.open(int(asked().sum()))

    def first(self, asked: int, rows: int) -> int:
        """How many of ``rows`` uniform rows to ask before anything is planned."""
        return min(FIRST, max(int(FIRST_SHARE * self.left(asked)), 1), rows)


def highest(cost: Callable[[float], float], left: float, start: int) -> int:
    """Return the place in ``LEVELS`` of the highest level whose cost is within ``left`` (0 where none is).

    ``cost`` grows with the level; ``start`` is the place found last time, from which the search gallops.
    """
    low, high, step = -1, len(LEVELS), 1
    place = min(max(start, 0), len(LEVELS) - 1)
    while high - low > 1:
        if cost(float(LEVELS[place])) <= left:
            low, place = place, min(place + step, (place + high) // 2 if high < len(LEVELS) else high - 1)
        else:
            high, place = place, max(place - step, (low + place) // 2 if low >= 0 else 0)
        step *= 2
        place = min(max(place, low + 1), high - 1)
    return max(low, 0)


def rounded_down(right: int, whole: int) -> float:
    """Return ``right / whole`` as a level that can be written with few digits, never more than it is (1 of nothing)."""
    scale = 10**DIGITS
    return int(Fraction(max(right, 0), whole) * scale) / scale if whole else 1.0
