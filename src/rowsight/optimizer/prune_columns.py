"""Columns that nobody needs are not read."""

from __future__ import annotations

from dataclasses import replace

from rowsight.optimizer.stats import Stats, rebuilt
from rowsight.plan.nodes import Ask, Node, Project, Scan, Where


def prune_columns(plan: Node, stats: Stats) -> Node:
    """Let each ``Scan`` read only what the output, the questions and the predicates need.

    Before: ``Project(a, Scan(a, b, c))``; after: ``Project(a, Scan(read a))``.
    """
    del stats
    return _pruned(plan, set(plan.columns))


def _pruned(node: Node, needed: set[str]) -> Node:
    match node:
        case Scan():
            kept = tuple(c for c in node.available if c in needed) or node.available[:1]
            return node if kept == node.columns else replace(node, read=kept)
        case Where():
            needed = needed | set(node.uses)
        case Project():
            needed = set(node.columns)
        case Ask():
            needed = (needed - set(node.added if node.show else ())) | set(node.reads)
    return rebuilt(node, _pruned(node.input, needed))
