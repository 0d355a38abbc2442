"""What execution has learnt of a plan by samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rowsight.plan.nodes import Node, Scan


@dataclass(frozen=True)
class Stats:
    """``selectivity``: share of sampled rows that a filter's question keeps; ``tokens``: mean tokens of one of its calls."""

    selectivity: Mapping[Any, float] = field(default_factory=dict)
    tokens: Mapping[Any, float] = field(default_factory=dict)

    def rank(self, question: Any) -> float | None:
        """Return rows dropped per token paid (higher first), or ``None`` where the question wasn't sampled."""
        if question not in self.selectivity:
            return None
        return (1.0 - self.selectivity[question]) / max(self.tokens.get(question, 1.0), 1e-9)


def rebuilt(node: Node, below: Node) -> Node:
    """Return ``node`` over another input."""
    if isinstance(node, Scan) or node.input == below:
        return node
    return replace(node, input=below)
