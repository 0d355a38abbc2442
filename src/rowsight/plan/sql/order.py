"""Which AI condition first: in AND the one that is cheap for the rows it drops, in OR the one cheap for those it settles.

The classic rule for independent filters: of conditions that must all hold ascending cost / (1 - share), of alternatives
ascending cost / share, and both in turn where they are nested. A condition's cost is its distinct argument tuples times
their tokens, its share the rows for which it holds; shares come from at most ``SAMPLE`` tuples of each call, which count
towards the asking that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from rowsight.plan.sql.calls import Calls, number_of
from rowsight.plan.sql.guards import decided, guard, true
from rowsight.plan.sql.requests import Ask, Giving, Measure
from rowsight.plan.sql.source import Source, scoped
from rowsight.plan.sql.walk import has_lookup, lookups

SAMPLE = 50
_SMALL = 100
"""Below this many tuples a sample would be most of the asking."""
_PROMPT = 600
"""Characters of a prompt beside the question and the values."""
_SURE = 1e-3
"""The least chance that a condition settles a row, so that nothing is divided by zero."""


@dataclass(frozen=True)
class _Rated:
    """A condition: ``cost`` in characters where every row is asked, ``share`` of the rows for which it holds."""

    node: exp.Expr
    cost: float = 0.0
    share: float = 0.5


def ordered(parts: list[exp.Expr], source: Source, calls: Calls) -> Giving[list[exp.Expr]]:
    """Return ``parts``, AI conditions that must all hold, in the order in which to ask them.

    Alternatives inside them are put in order, too, in place. Yields the measures and samples that it takes.
    """
    leaves = [(leaf, top) for top in parts for leaf in _leaves(top)]
    if len(leaves) < 2:  # noqa: PLR2004
        return parts
    rated: dict[int, _Rated] = {}
    most = 0
    for leaf, top in leaves:
        tuples, characters = yield Measure(_cost(leaf, top, source))
        most = max(most, tuples)
        asked = sum(_PROMPT + len(_template(calls, c)) for c in lookups(leaf))
        rated[id(leaf)] = _Rated(leaf, asked * tuples + characters)
    if most > _SMALL:
        for leaf, top in leaves:
            share = yield from _sampled(leaf, top, source)
            rated[id(leaf)] = _Rated(leaf, rated[id(leaf)].cost, share)
    return [one.node for one in _all_of([_rate(top, rated) for top in parts])]


def _leaves(node: exp.Expr) -> list[exp.Expr]:
    """Return the conditions with calls that a mix of AND, OR and NOT is made of."""
    if not has_lookup(node):
        return []
    if isinstance(node, (exp.And, exp.Or)):
        return [*_leaves(node.this), *_leaves(node.expression)]
    return _leaves(node.this) if isinstance(node, (exp.Paren, exp.Not)) else [node]


def _rate(node: exp.Expr, rated: dict[int, _Rated]) -> _Rated:
    """Rate a mix of conditions, its parts put in order in place."""
    if isinstance(node, (exp.Paren, exp.Not)) and has_lookup(node):
        inner = _rate(node.this, rated)
        return _Rated(node, inner.cost, 1 - inner.share if isinstance(node, exp.Not) else inner.share)
    if not isinstance(node, (exp.And, exp.Or)) or not has_lookup(node):
        return rated.get(id(node), _Rated(node))
    every = isinstance(node, exp.And)
    found = [_rate(part, rated) for part in _chain(node, type(node))]
    found = _all_of(found) if every else _any_of(found)
    _rewrite(node, [one.node for one in found])
    cost, reached = 0.0, 1.0
    for one in found:
        cost += reached * one.cost
        reached *= one.share if every else 1 - one.share
    return _Rated(node, cost, reached if every else 1 - reached)


def _all_of(parts: list[_Rated]) -> list[_Rated]:
    return sorted(parts, key=lambda one: one.cost / max(_SURE, 1 - one.share))


def _any_of(parts: list[_Rated]) -> list[_Rated]:
    return sorted(parts, key=lambda one: one.cost / max(_SURE, one.share))


def _chain(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """Return the parts of a chain of one connective, written with or without parentheses."""
    if isinstance(node, kind):
        return [*_chain(node.this, kind), *_chain(node.expression, kind)]
    inner = node
    while isinstance(inner, exp.Paren):
        inner = inner.this
    return _chain(inner, kind) if isinstance(inner, kind) else [node]


def _rewrite(node: exp.Expr, parts: list[exp.Expr]) -> None:
    """Write a chain anew in the order of ``parts``."""
    for part in parts:
        part.pop()
    left = parts[0]
    for part in parts[1:-1]:
        left = type(node)(this=left, expression=part)
    node.set("this", left)
    node.set("expression", parts[-1])


def _template(calls: Calls, node: exp.Expr) -> str:
    number = number_of(node)
    assert number is not None
    return calls.listed[number].template


def _guards(call: exp.Expr, top: exp.Expr) -> list[exp.Expr]:
    """Return the ordinary guards of a call: those with calls wait for answers that aren't there yet."""
    return [g for g in guard(call, top, truth=True) if not has_lookup(g)]


def _cost(leaf: exp.Expr, top: exp.Expr, source: Source) -> str:
    call = lookups(leaf)[0]
    length = " + ".join(f"length(a{i})" for i in range(len(call.expressions)))
    rows = source.arguments(call, _guards(call, top))
    return f"SELECT count(*), coalesce(sum({length}), 0)::DOUBLE FROM (SELECT DISTINCT * FROM ({rows}) AS r) AS d"  # noqa: S608


def _sampled(leaf: exp.Expr, top: exp.Expr, source: Source) -> Giving[float]:
    for call in lookups(leaf):
        number = number_of(call)
        assert number is not None
        yield Ask(number, source.arguments(call, _guards(call, top)), "sample", SAMPLE, sample=True)
    known = source.also(*_guards(lookups(leaf)[-1], top), *decided(leaf, truth=True))
    query = known.query([exp.Alias(this=true(leaf), alias=exp.to_identifier("held"))])
    yes, rows = yield Measure(_share(query, source))
    return float((yes + 0.5) / (rows + 1))


def _share(query: exp.Select, source: Source) -> str:
    return f"SELECT count(*) FILTER (WHERE held), count(*) FROM ({scoped(query, source.scope)}) AS r"  # noqa: S608
