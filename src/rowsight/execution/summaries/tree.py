"""The shape of a tree of calls, a pure function of the rows' tokens: leaves read rows, inner calls merge sentences.

Nothing of it depends on what a model answers, so that it can be told before anything is spent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rowsight.operators.summarize import MOST_CITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_ROWS = 200
"""Rows of a leaf, however short they are: a model that reads more of them cites worse."""
FENCE_TOKENS = 8
PROMPT_TOKENS = 260
"""A request's words that are neither rows nor sentences."""
SENTENCE_TOKENS = 60
"""A sentence with its fence and the ids that it cites."""


@dataclass(frozen=True)
class Cost:
    """Calls and tokens of a part of the tree."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True)
class Shape:
    """What bounds a request: ``chunk_tokens`` of rows or sentences, and the ``sentences`` that an answer may have."""

    chunk_tokens: int
    sentences: int

    @property
    def fan(self) -> int:
        """Parts that one inner call merges."""
        return max(2, self.chunk_tokens // (self.sentences * SENTENCE_TOKENS))

    def leaves(self, tokens: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Return the (start, stop) of consecutive rows that share a leaf; a row longer than all has one of its own."""
        ends = np.cumsum(tokens + FENCE_TOKENS)
        found: list[tuple[int, int]] = []
        start, count = 0, len(ends)
        while start < count:
            read = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, read + self.chunk_tokens, side="right"))
            stop = min(max(stop, start + 1), start + MOST_ROWS)
            found.append((start, stop))
            start = stop
        return found

    def merges(self, parts: int) -> list[int]:
        """Return the inner calls of each level above ``parts`` leaves, the lowest first; a part alone needs no call."""
        levels: list[int] = []
        while parts > 1:
            calls = parts // self.fan + (parts % self.fan > 1)
            parts = math.ceil(parts / self.fan)
            levels.append(calls)
        return levels

    def cost(self, tokens: NDArray[np.int64]) -> Cost:
        """Return what a summary of rows of these lengths takes at most, checks included."""
        leaves = self.leaves(tokens)
        total = Cost()
        for start, stop in leaves:
            rows = int(tokens[start:stop].sum()) + FENCE_TOKENS * (stop - start)
            share = min(1.0, self.sentences * MOST_CITED / (stop - start))
            total += Cost(1, PROMPT_TOKENS + rows, self._said)
            total += Cost(1, PROMPT_TOKENS + round(rows * share) + self._said, self._said // 2)
        inner = sum(self.merges(len(leaves)))
        total += Cost(inner, inner * (PROMPT_TOKENS + self.fan * self._said), inner * self._said)
        return total + self._final(tokens) if len(leaves) > 1 else total

    def _final(self, tokens: NDArray[np.int64]) -> Cost:
        """Return what checking the sentences of the root takes: their cited rows are at most so many of the longest."""
        shown = np.sort(tokens)[::-1][: self.sentences * MOST_CITED]
        rows = int(shown.sum()) + FENCE_TOKENS * len(shown)
        calls = max(1, min(self.sentences, math.ceil(rows / self.chunk_tokens)))
        return Cost(calls, calls * PROMPT_TOKENS + rows + self._said, self._said // 2)

    @property
    def _said(self) -> int:
        return self.sentences * SENTENCE_TOKENS


def packed(sizes: Sequence[int], capacity: int, most: int | None = None) -> list[list[int]]:
    """Return the places of ``sizes`` in order, in lists of at most ``most`` that hold at most ``capacity`` (or one place)."""
    found: list[list[int]] = []
    left = 0
    for place, size in enumerate(sizes):
        if not found or size > left or len(found[-1]) == most:
            found.append([])
            left = capacity
        found[-1].append(place)
        left -= size
    return found
