"""A filter that asks what a filter below it asked already drops nothing more."""

from __future__ import annotations

from rowsight.optimizer.stats import Stats, rebuilt
from rowsight.plan.nodes import Ask, Node, Scan, walk


def merge_filters(plan: Node, stats: Stats) -> Node:
    """Drop a filter whose question stands below it in another filter.

    Other repeated questions need no rule: equal requests have one key and are asked once.
    Before: ``Ask(q, Ask(q, Scan))``; after: ``Ask(q, Scan)``.
    """
    if isinstance(plan, Scan):
        return plan
    below = merge_filters(plan.input, stats)
    if isinstance(plan, Ask) and plan.drop and not plan.show and plan.guarantee is None:
        asked = [n for n in walk(below) if isinstance(n, Ask) and n.drop and n.guarantee is None]
        if any(n.question == plan.question for n in asked):
            return below
    return rebuilt(plan, below)
