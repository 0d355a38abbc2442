"""A ranking in the making: grade few rows, expect the grades of the others, grade the best of those, order the first.

Rounds go on until ``IDLE`` of them in a row have brought no row into the first k, so that the calls grow with k and with
how hard the question is to the light model, not with the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.execution.ranking.rows import RowScores
from rowsight.execution.ranking.windows import WINDOW, Windows
from rowsight.proxies.grading import fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.distinct import DistinctRows
    from rowsight.plan.gathers import Rank

IDLE = 3
_MOST_TIMES = 10


def most_graded(k: int) -> int:
    """Return how many distinct rows are graded at most to find the first ``k``."""
    return _MOST_TIMES * (k + WINDOW)


@dataclass
class Ranked:
    """Distinct rows in order, at most those that hold the first k rows; the grades of all that were graded."""

    order: list[int]
    grades: dict[int, float]
    rounds: int
    contenders: list[int] = field(default_factory=list)
    """The graded rows that were put in order, the first of them those of ``order``."""


class Ranker:
    """Ranks the distinct rows of a table by the grades and the order that windows give."""

    def __init__(self, ask: Rank, rows: DistinctRows, windows: Windows) -> None:
        self._ask, self._rows, self._windows = ask, rows, windows
        self._grades: dict[int, float] = {}
        self._tried: set[int] = set()

    async def ranked(self) -> Ranked:
        """Return the ranking; rows that fail to be graded are left out, and the windows know why."""
        if not self._rows.count:
            return Ranked([], {}, 0)
        scores = RowScores(self._rows, _words(self._ask))
        step = max(1, -(-self._ask.k // (2 * WINDOW)))
        await self._grade(self._windows.fitting(self._start(scores.first, 2 * step * WINDOW), 2 * step))
        rounds, idle = 1, 0
        while idle < IDLE and len(self._tried) < min(self._rows.count, most_graded(self._ask.k)):
            chosen = self._windows.fitting(self._best_expected(scores, step * WINDOW), step)
            bar = self._bar()
            await self._grade(chosen)
            if not self._going_on(chosen):
                break
            rounds += 1
            idle = 0 if any(self._grades.get(n, -1.0) > bar for n in chosen) else idle + 1
        contenders = await self._windows.ordered(self._contenders(scores.first))
        return Ranked(self._first(contenders), self._grades, rounds, contenders)

    async def joined(self, ranked: Ranked, better: dict[int, float]) -> Ranked:
        """Return the ranking with further rows among the contenders, which were found to be good by their ``better`` scores."""
        contenders = await self._windows.ordered([*sorted(better, key=lambda n: (-better[n], n)), *ranked.contenders])
        return Ranked(self._first(contenders), {**better, **ranked.grades}, ranked.rounds, contenders)

    def _start(self, first: NDArray[np.float64], size: int) -> list[int]:
        """Return the rows of the highest first scores; where the words say nothing, rows drawn uniformly."""
        ranked = np.argsort(-first, kind="stable")[:size]
        spoken = ranked[first[ranked] > 0].tolist()
        return list(dict.fromkeys([*spoken, *range(self._rows.count)]))[:size]

    async def _grade(self, numbers: list[int]) -> None:
        self._tried.update(numbers)
        self._grades |= await self._windows.grades(numbers)

    def _going_on(self, chosen: list[int]) -> bool:
        """Say whether the budget bears more."""
        return all(self._windows.status[n].status != "skipped" for n in chosen)

    def _best_expected(self, scores: RowScores, size: int) -> list[int]:
        """Return the rows of the highest expected grades among those not tried."""
        graded = np.array(sorted(self._grades), np.int64)
        expected = scores.first.copy()
        if len(graded):
            grades = np.array([self._grades[n] for n in graded.tolist()])
            expected = scores.expected(fitted(scores.features(graded), scores.first, graded, grades))
        expected[sorted(self._tried)] = -np.inf
        best = np.argsort(-expected, kind="stable")[: min(size, self._rows.count - len(self._tried))]
        chosen: list[int] = best.tolist()
        return chosen

    def _bar(self) -> float:
        """Return the grade that a row must pass to come into the first k rows."""
        left = self._ask.k
        for number, grade in sorted(self._grades.items(), key=lambda pair: -pair[1]):
            left -= int(self._rows.copies[number])
            if left <= 0:
                return grade
        return -1.0

    def _contenders(self, first: NDArray[np.float64]) -> list[int]:
        """Return the rows to be put in order: by grade, those of the first k rows and half a window more."""
        graded = sorted(self._grades, key=lambda n: (-self._grades[n], -first[n], n))
        return graded[: len(self._first(graded)) + WINDOW // 2]

    def _first(self, order: list[int]) -> list[int]:
        """Return as many of ``order`` as it takes for k rows."""
        left, found = self._ask.k, []
        for number in order:
            if left <= 0:
                break
            found.append(number)
            left -= int(self._rows.copies[number])
        return found


def _words(ask: Rank) -> str:
    """Return the question without its placeholders."""
    text: Any = ask.template.text
    for column in ask.template.columns:
        text = text.replace(f"{{{column}}}", " ")
    return str(text)
