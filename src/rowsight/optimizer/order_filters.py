"""When filters stand in a row, the one that drops most rows for its tokens goes first."""

from __future__ import annotations

from dataclasses import replace

from rowsight.optimizer.stats import Stats, rebuilt
from rowsight.plan.nodes import Ask, Node, Scan


def order_filters(plan: Node, stats: Stats) -> Node:
    """Sort each chain of filters without a guarantee by rows dropped per token; unsampled chains stay as they are.

    Before: ``Ask(rare, Ask(common, Scan))``; after: ``Ask(common, Ask(rare, Scan))``.
    """
    chain = chain_of_filters(plan)
    if not chain:
        return plan if isinstance(plan, Scan) else rebuilt(plan, order_filters(plan.input, stats))
    below = order_filters(chain[-1].input, stats)
    ranks = {id(ask): stats.rank(ask.question) for ask in chain}
    from_below = list(reversed(chain))
    if all(rank is not None for rank in ranks.values()):
        from_below.sort(key=lambda ask: -(ranks[id(ask)] or 0.0))
    for ask in from_below:
        below = replace(ask, input=below)
    return below


def chain_of_filters(node: Node) -> list[Ask]:
    """Return the filters in a row that begin at ``node``, the topmost first."""
    chain: list[Ask] = []
    while isinstance(node, Ask) and node.drop and node.guarantee is None:
        chain.append(node)
        node = node.input
    return chain
