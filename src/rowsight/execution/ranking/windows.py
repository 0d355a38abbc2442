"""Windows of rows: several rows graded, or put in order, in one request each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rowsight.execution.asking import Arguments
from rowsight.execution.joint import Heard, Joint
from rowsight.execution.summaries.tree import FENCE_TOKENS, packed
from rowsight.execution.truncation import halved
from rowsight.operators.rank import grading, ordering
from rowsight.operators.together import Block, row_text

if TYPE_CHECKING:
    from rowsight.calls.gateway import Gateway
    from rowsight.execution.distinct import DistinctRows
    from rowsight.execution.options import RunOptions
    from rowsight.plan.gathers import Rank

WINDOW = 20
"""Rows that a model puts in order well in one request (Sun et al., "Is ChatGPT good at search?", EMNLP 2023)."""
_PASSES = 3


class Windows:
    """Grades and orders rows by number; ``status`` says what became of each row that was put to the model."""

    def __init__(self, ask: Rank, rows: DistinctRows, gateway: Gateway, options: RunOptions) -> None:
        self._ask, self._rows, self._truncate = ask, rows, options.truncate
        self._grading = Joint(grading(ask.template), gateway, max_tokens=options.max_tokens)
        self._ordering = Joint(ordering(ask.template), gateway, max_tokens=options.max_tokens)
        self._cut: dict[int, Arguments] = {}
        self.status: dict[int, Heard] = {}
        self.requests: Counter[str] = Counter()

    async def grades(self, numbers: Sequence[int]) -> dict[int, float]:
        """Return the grades of rows, window by window; rows without one are told by ``status``."""
        found = await asyncio.gather(*(self._graded(sorted(window)) for window in self._windows(numbers)))
        return {row: grade for part in found for row, grade in part.items()}

    def fitting(self, numbers: Sequence[int], windows: int) -> list[int]:
        """Return the first of ``numbers``, as many as fill so many windows."""
        return [n for window in self._windows(numbers)[:windows] for n in window]

    def _windows(self, numbers: Sequence[int]) -> list[list[int]]:
        packs = packed([self._size(n) for n in numbers], self._ask.chunk_tokens, WINDOW)
        return [[numbers[i] for i in pack] for pack in packs]

    def _size(self, number: int) -> int:
        return int(self._rows.tokens[number]) + FENCE_TOKENS

    async def _graded(self, window: list[int]) -> dict[int, float]:
        heard = await self._heard(self._grading, window)
        if heard.too_long and (parts := self._shorter(window)):
            found = await asyncio.gather(*(self._graded(part) for part in parts))
            return {row: grade for part in found for row, grade in part.items()}
        self.status.update(dict.fromkeys(window, heard))
        if heard.status != "asked":
            return {}
        return {row: heard.value[f"r{place}"] for place, row in enumerate(window, 1)}

    async def ordered(self, rows: list[int]) -> list[int]:
        """Return rows in the model's order, given in about that order.

        Windows that overlap by half go from the last rows to the first, so that a row can rise through all of them, until
        a pass changes nothing. A window is named by its rows alone: one that was put in order before costs nothing.
        """
        width = self._width(rows)
        for _ in range(_PASSES):
            before = list(rows)
            stop = len(rows)
            while stop > 0:
                start = max(0, stop - width)
                rows[start:stop] = await self._window(rows[start:stop])
                stop = 0 if start == 0 else stop - max(1, width // 2)
            if rows == before:
                break
        return rows

    def _width(self, rows: list[int]) -> int:
        """Return how many of ``rows``, whichever, fit into one request; 2 at least."""
        longest = np.cumsum(sorted((self._size(n) for n in rows), reverse=True))
        return min(WINDOW, max(2, int(np.searchsorted(longest, self._ask.chunk_tokens, side="right"))))

    async def _window(self, rows: list[int]) -> list[int]:
        """Return a window in the model's order; where it says none, in the order given."""
        if len(rows) < 2:  # noqa: PLR2004 - nothing to compare
            return rows
        listed = sorted(rows)
        heard = await self._heard(self._ordering, listed)
        if heard.status != "asked":
            return rows
        return [listed[int(i[1:]) - 1] for i in heard.value]

    async def _heard(self, joint: Joint, window: list[int]) -> Heard:
        arguments = [self._cut.get(n, a) for n, a in zip(window, self._rows.arguments(window), strict=True)]
        texts = [row_text(self._ask.template, values) for values in arguments]
        heard = await joint.ask([Block(f"r{place}", text) for place, text in enumerate(texts, 1)])
        self.requests[f"{joint.question.name} {heard.status}"] += 1
        return heard

    def _shorter(self, window: list[int]) -> list[list[int]]:
        """Return the halves of a window, or its only row again once it was cut; nothing where that can't be."""
        if len(window) > 1:
            return [window[: len(window) // 2], window[len(window) // 2 :]]
        (row,) = window
        shorter = halved(self._cut.get(row, self._rows.arguments([row])[0])) if self._truncate else None
        if shorter is None:
            return []
        self._cut[row] = shorter
        return [window]
