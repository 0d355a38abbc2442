"""Ways through a query's tree: a block's own expressions, boolean chains, lookups."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from rowsight.plan.sql.calls import number_of


def own(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield ``node`` and what stands below it, children before parents, without going into nested queries."""
    for child in node.iter_expressions():
        if not isinstance(child, exp.Query):
            yield from own(child)
    yield node


def lookups(node: exp.Expr | None) -> list[exp.Expr]:
    """Return the lookups of ``node`` itself, innermost first, in the order they are written."""
    return [] if node is None else [n for n in own(node) if number_of(n) is not None]


def nested(node: exp.Expr) -> list[exp.Query]:
    """Return the queries that stand directly in ``node``, not those inside them."""
    found: list[exp.Query] = []
    for child in node.iter_expressions():
        if isinstance(child, exp.Subquery):
            found += nested(child) if isinstance(child.this, exp.Table) else [child]
        elif isinstance(child, exp.Query):
            found.append(child)
        else:
            found += nested(child)
    return found


def has_lookup(node: exp.Expr | None) -> bool:
    """Say whether a lookup stands anywhere in ``node``, nested queries included."""
    return node is not None and any(number_of(n) is not None for n in node.find_all(exp.Anonymous))


def conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    """Return the parts of a chain of ANDs."""
    if node is None:
        return []
    if isinstance(node, exp.Paren):
        inner = conjuncts(node.this)
        return inner if len(inner) > 1 else [node]
    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    return [node]


def conjunction(parts: list[exp.Expr]) -> exp.Expr | None:
    """Return the AND of ``parts``, copied; ``None`` where there are none."""
    whole: exp.Expr | None = None
    for part in parts:
        one = exp.Paren(this=part.copy())
        whole = one if whole is None else exp.And(this=whole, expression=one)
    return whole
