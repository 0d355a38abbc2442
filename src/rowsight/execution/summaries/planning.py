"""Which rows a summary reads: all, or as many as the budget allows; and what that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsight.calls.budget import Amounts, Budget, microusd
from rowsight.core.errors import InputError
from rowsight.execution.summaries.tree import Cost, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.distinct import DistinctRows

_HALVINGS = 24
_RESERVE = 0.1
"""Share of a budget that is left for retries and repairs, where it is more than a few calls."""
_FEW_CALLS = 20
_BYTES_PER_TOKEN = 4
_WORST_ANSWER = 4096 + 4 * 600
"""Tokens that a request reserves beside its rows: its longest answer, and its prompt at a token a byte."""

Prices = tuple[float | None, float | None]


def grouped(rows: DistinctRows) -> list[NDArray[np.int64]]:
    """Return the distinct rows of each group, in the order of their numbers."""
    return [np.flatnonzero(rows.group == code) for code in range(len(rows.groups))]


def cost_of(rows: DistinctRows, chosen: list[NDArray[np.int64]], shape: Shape) -> Cost:
    """Return what summarising the chosen rows of each group takes at most."""
    return sum((shape.cost(rows.tokens[group]) for group in chosen), Cost())


def within_budget(
    rows: DistinctRows, shape: Shape, budget: Budget | None, spent: Amounts, prices: Prices
) -> tuple[list[NDArray[np.int64]], float | None]:
    """Return the rows to read in each group, and the share that they are of all (``None`` where they are all).

    The first distinct rows by number are a uniform sample; every group keeps one row at least. ``InputError`` where the
    budget doesn't reach for the smallest summary; nothing of it was paid then.
    """
    every = grouped(rows)
    if budget is None or _fits(cost_of(rows, every, shape), rows, shape, budget, spent, prices):
        return every, None
    least = [group[:1] for group in every]
    needed = cost_of(rows, least, shape)
    if not _fits(needed, rows, shape, budget, spent, prices):
        groups = f" of {len(every):,} groups" if len(every) > 1 else ""
        raise InputError(
            f"the budget {budget} doesn't reach: the smallest summary{groups} takes {needed.calls:,} calls and about "
            f"{needed.prompt_tokens + needed.completion_tokens:,} tokens; give more, or fewer groups"
        )
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fits = _fits(cost_of(rows, _share(every, middle), shape), rows, shape, budget, spent, prices)
        low, high = (middle, high) if fits else (low, middle)
    chosen = _share(every, low)
    return chosen, sum(map(len, chosen)) / rows.count


def _share(every: list[NDArray[np.int64]], share: float) -> list[NDArray[np.int64]]:
    return [group[: max(1, int(share * len(group)))] for group in every]


def _fits(cost: Cost, rows: DistinctRows, shape: Shape, budget: Budget, spent: Amounts, prices: Prices) -> bool:
    """Say whether a cost fits into what is left, with room for what one request in flight reserves at most."""
    reserve = 1 + _RESERVE if cost.calls > _FEW_CALLS else 1.0
    leaf = min(shape.chunk_tokens, int(rows.tokens.sum()) + shape.sentences * len(rows.tokens))
    waiting = _BYTES_PER_TOKEN * leaf + _WORST_ANSWER
    tokens = (cost.prompt_tokens + waiting, cost.completion_tokens)
    money = microusd((tokens[0] * (prices[0] or 0.0) + tokens[1] * (prices[1] or 0.0)) / 1e6)
    needed = Amounts(int(cost.calls * reserve), int(sum(tokens) * reserve), int(money * reserve))
    return budget.part(needed) + budget.part(spent) <= budget.limit
