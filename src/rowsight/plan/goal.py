"""What the user wants to know of a whole table: a count, a share or a mean, and how narrowly."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from rowsight.core.errors import InputError
from rowsight.core.numbers import check_whole
from rowsight.plan.guarantee import Guarantee

FIGURES = ("count", "share", "mean")


@dataclass(frozen=True, kw_only=True)
class Goal(Guarantee):
    """An interval for a figure of one question's answers over one table, in place of the answers.

    ``figure``: ``count`` of the rows answered yes, their ``share``, or the ``mean`` of a score. Either ``calls`` (so many
    rows are asked, and the interval is what it is) or ``within`` (rows are asked until the interval reaches no further
    than this from its middle): for a share and a mean in their own units, for a count in rows, or below 1 as a share of
    the table's rows. ``confidence`` is 1 - d, d being the probability that any of the intervals is wrong. ``by`` names a
    column for whose groups there is an interval each, all of them right at once.
    """

    figure: str
    calls: int | None = None

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.calls is not None:
            check_whole("calls", self.calls, 500)
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence={self.confidence:g} is not between 0 and 1; give one such as confidence=0.95")
        if (self.calls is None) == (self.within is None):
            raise InputError(
                f"{self.figure} needs calls=N (so many rows are asked) or within=X (asked until the interval is that "
                "narrow), one of the two"
            )
        if self.calls is not None and self.calls < 1:
            raise InputError(f"calls={self.calls} asks nothing; give the number of rows to ask, such as calls=500")
        if self.within is not None and not (self.within > 0 and isfinite(self.within)):
            raise InputError(f"within={self.within:g} is not above 0; give half the width of the interval")
        if self.figure == "share" and self.within is not None and self.within >= 1:
            raise InputError(f"within={self.within:g} says nothing of a share; give one such as within=0.01")

    def half_width(self, rows: int) -> float | None:
        """Return half the width wanted, of a mean over ``rows`` rows; ``None`` where the calls are given."""
        if self.within is None:
            return None
        if self.figure == "count" and self.within >= 1:
            return self.within / max(rows, 1)
        return self.within
