"""How many of a population's answers people would call right, from reviews of rows drawn at random.

The errors of the answers are 0 or 1 a row, so ``guarantees.estimate`` bounds their number from both sides, at all
moments at once: one may audit when fifty reviews are filled in and again when all are. A review that isn't filled in may be
an error or none; for the promise it counts as one. The rows of a part of the population (those that the model was asked
about, those that were kept) that were drawn are a random sample of that part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rowsight.guarantees.estimate import Aim, TotalBounds
from rowsight.guarantees.urn import drawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNFILLED = -1
"""The code of a review that isn't filled in."""
_CHUNK = 10


@dataclass(frozen=True)
class Agreement:
    """The share of ``rows`` answers that people agree with: ``value`` among the reviews, ``low`` and ``high`` for all rows.

    ``value`` is ``None`` without a review. Reviews that aren't filled in count as disagreement in ``value`` and ``low``.
    """

    rows: int
    reviewed: int
    unfilled: int
    wrong: int
    value: float | None
    low: float
    high: float


def agreement(outcomes: NDArray[np.int64], rows: int, planned: int, failure: float) -> Agreement:
    """Bound the share of right answers among ``rows``, wrong with probability ``failure`` at most, however often it is asked.

    ``outcomes``: for the rows drawn, in the order of the draw, 1 wrong, 0 right, ``UNFILLED``. ``planned``: how many
    draws the bets aim at.
    """
    count = len(outcomes)
    errors = TotalBounds(rows, 0, 1, failure, whole=True)
    seen = 0
    for start in range(0, count, _CHUNK):
        piece = outcomes[start : start + _CHUNK]
        share = (seen + 0.5) / (start + 2)  # of what came before, since bets must not see what they are about
        even = np.ones(rows - start)
        least, most = (piece == 1).astype(float), (piece != 0).astype(float)
        draws = drawn(np.arange(len(piece)), even, np.full(rows - start, share), least, most, (0.0, 1.0))
        errors.observe(draws, Aim(max(share * (1 - share), 0.25 / (start + 2)), planned))
        seen += int(np.sum(piece != 0))
    wrong, unfilled = int(np.sum(outcomes == 1)), int(np.sum(outcomes == UNFILLED))
    value = None if not count else 1 - (wrong + unfilled) / count
    low, high = (max(1 - errors.upper / rows, 0.0), min(1 - errors.lower / rows, 1.0)) if rows else (1.0, 1.0)
    return Agreement(rows, count - unfilled, unfilled, wrong, value, low, high)
