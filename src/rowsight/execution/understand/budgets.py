"""How one budget is shared among the steps: most goes to the themes, a part to the summary, in whole calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rowsight.calls.budget import Amounts, Budget, microusd
from rowsight.plan.theming import EXAMPLES, MOST_CHOSEN

if TYPE_CHECKING:
    from rowsight.execution.understand.understood import Spent

DEFAULT = "500calls"
"""The cap where none is given: shares within six points or so, and a summary of about two thousand rows."""
_SUMMARY_SHARE = {"calls": 0.06, "tokens": 0.4, "microusd": 0.4}
"""A call of a summary reads up to 8,000 tokens, one of the themes a row."""
_LEAST_SUMMARY_CALLS = 2
_MOST_SAMPLED = 600
_CALLS_A_THEME = 12


@dataclass(frozen=True)
class Split:
    """The caps of the two steps, and how many rows the themes may draw."""

    themes: str
    sample: int


def split(budget: Budget, k: int | None) -> Split:
    """Return the themes' part of a budget, and the sample that it reaches for."""
    part = max(budget.limit - _kept(budget), 1)
    return Split(written(Budget(budget.unit, part)), sampled(part, k) if budget.unit == "calls" else _MOST_SAMPLED)


def sampled(calls: int, k: int | None) -> int:
    """Return how many rows may be drawn so that so many calls suffice."""
    found = k or max(min(MOST_CHOSEN // 2, calls // _CALLS_A_THEME), 1)
    rest = calls - found * (1 + EXAMPLES) - 1
    return max(min(max(rest, calls // 2), _MOST_SAMPLED), 1)


def left(budget: Budget, spent: tuple[Spent, ...]) -> Budget:
    """Return what is left of a budget."""
    paid = sum((amounts(s) for s in spent), Amounts())
    return Budget(budget.unit, max(budget.limit - budget.part(paid), 0))


def amounts(spent: Spent) -> Amounts:
    """Return what a step cost, as a budget counts it."""
    return Amounts(spent.calls, spent.prompt_tokens + spent.completion_tokens, microusd(spent.cost or 0.0))


def written(budget: Budget) -> str:
    """Return a budget as an option is written."""
    return f"{budget.limit / 1e6:.6f}usd" if budget.unit == "microusd" else f"{budget.limit}{budget.unit}"


def for_summary(rest: Budget, whole: Budget) -> Budget:
    """Return the summary's cap: its share of the whole in calls, all that is left in tokens or money."""
    if whole.unit != "calls":
        return rest
    return Budget("calls", min(rest.limit, _kept(whole)))


def _kept(whole: Budget) -> int:
    """Return what the themes leave for the summary."""
    share = int(whole.limit * _SUMMARY_SHARE[whole.unit])
    return max(share, _LEAST_SUMMARY_CALLS) if whole.unit == "calls" else share
