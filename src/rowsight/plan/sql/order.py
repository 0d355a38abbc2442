"""Which AI condition first: the one that is cheap for the rows it drops, by a sample of answers.

The classic rule for independent filters: ascending cost / (1 - selectivity). Cost is the distinct argument tuples times
their tokens; selectivity comes from at most ``SAMPLE`` tuples of each, which count towards the asking that follows.
"""

from __future__ import annotations

from sqlglot import exp

from rowsight.plan.sql.calls import Calls, number_of
from rowsight.plan.sql.guards import decided, guard, true
from rowsight.plan.sql.requests import Ask, Giving, Measure
from rowsight.plan.sql.source import Source, scoped
from rowsight.plan.sql.walk import lookups

SAMPLE = 50
_SMALL = 100
"""Below this many tuples a sample would be most of the asking."""
_PROMPT = 600
"""Characters of a prompt beside the question and the values."""


def ordered(parts: list[exp.Expr], source: Source, calls: Calls) -> Giving[list[exp.Expr]]:
    """Return ``parts`` in the order in which to ask them; yields the samples that it takes."""
    if len(parts) < 2:  # noqa: PLR2004
        return parts
    costs: list[float] = []
    most = 0
    for part in parts:
        tuples, characters = yield Measure(_cost(part, source))
        most = max(most, tuples)
        costs.append(sum(_PROMPT + len(_call(calls, c)) for c in lookups(part)) * tuples + characters)
    shares = [0.5] * len(parts)
    if most > _SMALL:
        shares = yield from _sampled(parts, source)
    ranks = [cost / max(1e-3, 1 - share) for cost, share in zip(costs, shares, strict=True)]
    return [part for _, _, part in sorted(zip(ranks, range(len(parts)), parts, strict=True))]


def _call(calls: Calls, node: exp.Expr) -> str:
    number = number_of(node)
    assert number is not None
    return calls.listed[number].template


def _cost(part: exp.Expr, source: Source) -> str:
    call = lookups(part)[0]
    length = " + ".join(f"length(a{i})" for i in range(len(call.expressions)))
    rows = source.arguments(call, guard(call, part, truth=True))
    return f"SELECT count(*), coalesce(sum({length}), 0)::DOUBLE FROM (SELECT DISTINCT * FROM ({rows}) AS r) AS d"  # noqa: S608


def _sampled(parts: list[exp.Expr], source: Source) -> Giving[list[float]]:
    shares: list[float] = []
    for part in parts:
        for call in lookups(part):
            number = number_of(call)
            assert number is not None
            yield Ask(number, source.arguments(call, guard(call, part, truth=True)), "sample", SAMPLE, sample=True)
        known = source.also(*decided(part, truth=True))
        query = known.query([exp.Alias(this=true(part), alias=exp.to_identifier("held"))])
        yes, rows = yield Measure(_share(query, source))
        shares.append((yes + 0.5) / (rows + 1))
    return shares


def _share(query: exp.Select, source: Source) -> str:
    return f"SELECT count(*) FILTER (WHERE held), count(*) FROM ({scoped(query, source.scope)}) AS r"  # noqa: S608
