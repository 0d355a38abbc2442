"""Cheap predicates before calls: a WHERE moves below every question whose answer it doesn't read."""

from __future__ import annotations

from dataclasses import replace

from rowsight.optimizer.stats import Stats, rebuilt
from rowsight.plan.nodes import Ask, Limit, Node, Project, Scan, Where


def where_below_asks(plan: Node, stats: Stats) -> Node:
    """Push each ``Where`` below asks and projections; a limit or a guarantee's population stops it.

    Before: ``Where(Ask(Scan))``; after: ``Ask(Where(Scan))``.
    """
    if isinstance(plan, Scan):
        return plan
    below = where_below_asks(plan.input, stats)
    return _pushed(plan, below) if isinstance(plan, Where) else rebuilt(plan, below)


def _pushed(where: Where, below: Node) -> Node:
    match below:
        case Ask(guarantee=None) if not below.show or not set(below.added) & set(where.uses):
            return replace(below, input=_pushed(where, below.input))
        case Project():
            return replace(below, input=_pushed(where, below.input))
        case Ask() | Limit() | Scan() | Where():
            return rebuilt(where, below)
