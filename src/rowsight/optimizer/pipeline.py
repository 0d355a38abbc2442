"""The optimizer: a tuple of rules, each a pure function of a plan and what is known of it."""

from __future__ import annotations

from rowsight.optimizer.limit_below_asks import limit_below_asks
from rowsight.optimizer.merge_filters import merge_filters
from rowsight.optimizer.order_filters import order_filters
from rowsight.optimizer.prune_columns import prune_columns
from rowsight.optimizer.stats import Stats
from rowsight.optimizer.where_below_asks import where_below_asks
from rowsight.plan.nodes import Node

RULES = (where_below_asks, limit_below_asks, merge_filters, order_filters, prune_columns)


def optimize(plan: Node, stats: Stats | None = None) -> Node:
    """Return a plan with the same answers and no more calls."""
    known = stats or Stats()
    for rule in RULES:
        plan = rule(plan, known)
    return plan
