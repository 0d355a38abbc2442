"""The first n rows of a question that drops none are the question about the first n rows."""

from __future__ import annotations

from dataclasses import replace

from rowsight.optimizer.stats import Stats, rebuilt
from rowsight.plan.nodes import Ask, Limit, Node, Project, Scan


def limit_below_asks(plan: Node, stats: Stats) -> Node:
    """Push each ``Limit`` below asks that keep every row, and below projections.

    Before: ``Limit(Ask(Scan))``; after: ``Ask(Limit(Scan))``.
    """
    if isinstance(plan, Scan):
        return plan
    below = limit_below_asks(plan.input, stats)
    return _pushed(plan, below) if isinstance(plan, Limit) else rebuilt(plan, below)


def _pushed(limit: Limit, below: Node) -> Node:
    match below:
        case Ask(drop=False, guarantee=None) | Project():
            return replace(below, input=_pushed(limit, below.input))
        case Limit(count=count):
            return replace(below, count=min(count, limit.count))
        case _:
            return rebuilt(limit, below)
