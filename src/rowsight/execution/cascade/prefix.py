"""One population under certification: nested prefixes of a frozen order, and the draws that bound their errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.guarantees.certify import ErrorBound, labels_needed
from rowsight.guarantees.draw import Draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

NESTED = (0.5, 0.75, 0.9, 1.0)
"""Sizes of the nested prefixes, as shares of the planned one."""
WEIGHTS = (0.03, 0.03, 0.04, 0.9)
"""Shares of the failure probability, one a prefix: the planned prefix is the bet, the others are the way out."""
LARGEST_BATCH = 512
SMALLEST_BATCH = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trial has shown: which prefix (None: none, ask all of it), and at most how many errors remain in it."""

    prefix: int | None
    remaining: int


class PrefixTrial:
    """Draws rows of a population until the errors left in one of its prefixes fit the budget.

    ``members``: row positions, ascending; ``depth``: for each, the innermost prefix that holds it (0 is the smallest).
    ``budget``: wrong rows allowed in the whole group, population and all; ``share``: the failure probability spent;
    ``expected``: the planned error share, which only guides the choice between going on and falling back.
    """

    def __init__(
        self,
        name: str,
        members: NDArray[np.integer[Any]],
        depth: NDArray[np.integer[Any]],
        budget: int,
        share: float,
        expected: float,
    ) -> None:
        self.name = name
        self.members = members
        self.depth = depth
        self.budget = budget
        sizes = [np.count_nonzero(depth <= j) for j in range(len(NESTED))]
        self.bounds = [ErrorBound(int(n), budget, share * w) for n, w in zip(sizes, WEIGHTS, strict=True)]
        self.mended = np.zeros(len(NESTED), dtype=np.int64)
        self.aim: int | None = len(NESTED) - 1 if len(members) else None
        self.places = np.empty(0, dtype=np.int64)
        self._expected = expected
        self._draw: Draw | None = None

    def start(self, key: bytes) -> None:
        """Fix the order of the draws; nothing was drawn before."""
        self._draw = Draw(key, len(self.members))

    def outcome(self, lost: int) -> Outcome | None:
        """Return the verdict if sampling can stop; ``lost`` rows of the group, outside the aim, have no answer."""
        if self.aim is None:
            return Outcome(None, lost)
        remaining = self.remaining(lost)
        return Outcome(self.aim, remaining) if remaining <= self.budget else None

    def remaining(self, lost: int) -> int:
        """At most so many answers are wrong and not mended, in the prefix aimed at and ``lost`` outside it."""
        assert self.aim is not None
        return self.bounds[self.aim].upper - int(self.mended[self.aim]) + lost

    def inside(self) -> NDArray[np.integer[Any]]:
        """Members of the prefix aimed at: the only rows that the proxy may answer."""
        return self.members[self.depth <= (-1 if self.aim is None else self.aim)]

    def batch(self, lost: int) -> NDArray[np.int64]:
        """Choose between going on and falling back; return the places in ``members`` to ask next (may be empty)."""
        costs = [self._further(j, lost) for j in range(0 if self.aim is None else self.aim + 1)]
        costs.append(np.inf)
        best = int(np.argmin(costs))
        ask_all = self._unasked_outside(-1)
        if self.aim is None or min(costs) >= ask_all:
            self.aim = None
            return np.empty(0, dtype=np.int64)
        if costs[best] < 0.9 * costs[self.aim]:
            self.aim = best
        return self.take(int(np.clip(self._more(self.aim, lost) / 3, SMALLEST_BATCH, LARGEST_BATCH)))

    def observe(self, places: NDArray[np.int64], wrong: NDArray[np.bool_], answered: NDArray[np.bool_]) -> None:
        """Take the answers to a batch, in the order of the draw; an unanswered row is wrong and is never mended."""
        self.places = np.concatenate([self.places, places])
        for j in range((self.aim or 0) + 1):
            inside = self.depth[places] <= j
            self.bounds[j].observe(wrong[inside])
            self.mended[j] += int(np.sum(wrong & answered & inside))

    def take(self, count: int) -> NDArray[np.int64]:
        """Return the next ``count`` places of the draw that lie in the prefix aimed at (fewer at the end)."""
        assert self._draw is not None
        found: list[NDArray[np.int64]] = []
        while count > 0 and self._draw.drawn < self._draw.size:
            places = self._draw.take(count)
            inside = places[self.depth[places] <= (self.aim or 0)]
            found.append(inside)
            count -= len(inside)
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def _more(self, j: int, lost: int) -> float:
        """Guess the further draws until prefix ``j`` passes, at an error share between the plan's and the sample's."""
        bound = self.bounds[j]
        slack = self.budget - lost
        if bound.drawn >= bound.population:
            return 0.0 if bound.errors - self.mended[j] <= slack else np.inf
        trust = 2.0 * bound.population / (self.budget + 1)
        share = (bound.errors + trust * self._expected) / (bound.drawn + trust)
        unmended = bound.errors - self.mended[j]
        needed = labels_needed(bound.population, slack - unmended, share, bound.level)
        return max(float(needed) - bound.drawn, 0.02 * float(needed), SMALLEST_BATCH)

    def _further(self, j: int, lost: int) -> float:
        return self._more(j, lost) + self._unasked_outside(j)

    def _unasked_outside(self, j: int) -> int:
        """Rows beyond prefix ``j`` (within the aim) that falling back to it would ask."""
        beyond = (self.depth > j) & (self.depth <= (-1 if self.aim is None else self.aim))
        return int(np.sum(beyond)) - int(np.sum(beyond[self.places]))

    def plan(self, pool: int, first_code: int) -> list[dict[str, Any]]:
        """Describe the tests before any draw: what the freeze record holds."""
        return [
            {
                "pool": pool,
                "codes": list(range(first_code, first_code + j + 1)),
                "size": bound.population,
                "level": bound.level,
                "prior": {
                    "weights": list(bound.prior.weights),
                    "a": list(bound.prior.a),
                    "b": list(bound.prior.b),
                },
            }
            for j, bound in enumerate(self.bounds)
        ]
