"""A WHERE as one predicate under a guarantee.

Certificates of single predicates don't compose: two filters of recall .9 can have a conjunction of recall 0. So the AI
conditions of the WHERE, with whatever ordinary conditions stand among them, are one predicate. What it is computed from
(its *parts*: the largest expressions without an AI call) is kept for each row; a cascade draws rows, each drawn row is
asked until the predicate is decided, and the proxy answers rows that the certificate covers. Rows with equal parts have
equal answers, so a row is found again in the final query by its parts: nothing hangs on the order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from rowsight.plan.sql.calls import LOST, number_of
from rowsight.plan.sql.clauses import refuse
from rowsight.plan.sql.guards import decided, guard, true
from rowsight.plan.sql.requests import Certify
from rowsight.plan.sql.source import Source, rendered, scoped
from rowsight.plan.sql.walk import conjunction, lookups, nested, own

KEPT = "__kept_rows_"
_TEXT = exp.DataType.build("VARCHAR")


def certified(source: Source, asked: list[exp.Expr], number: int, levels: dict[str, float]) -> tuple[Certify, exp.Expr]:
    """Return the request that decides the rows of ``source``, and the condition by which the final query finds them."""
    predicate = conjunction(asked)
    assert predicate is not None
    request, parts = population(source, predicate, number, levels=levels)
    found = exp.Anonymous(this=request.name, expressions=[exp.Cast(this=exp.Paren(this=p), to=_TEXT) for p in parts])
    return request, found


def population(
    source: Source,
    predicate: exp.Expr,
    number: int,
    *,
    levels: dict[str, float],
    beside: Sequence[exp.Alias] = (),
    number_wanted: bool = False,
) -> tuple[Certify, list[exp.Expr]]:
    """Return the request about ``predicate`` on the rows of ``source``, and the parts that it is computed from.

    ``beside``: columns that the rows are kept with. ``number_wanted``: the predicate's own value counts, as a number.
    """
    for call in lookups(predicate):
        if any(nested(a) for a in call.expressions):
            raise refuse(call, "a subquery in an AI call under a guarantee", "join it first, in a derived table")
    parts: list[exp.Expr] = []
    holder = exp.Paren(this=predicate.copy())
    _take_parts(holder.this, parts)
    parts = parts or [exp.Null()]  # all calls are of constants
    table = f"__population_{number}"
    request = Certify(
        name=f"{KEPT}{number}",
        table=table,
        population=_population(source, parts, beside),
        width=len(parts),
        texts=tuple(_text_parts(holder)),
        asks=tuple(_asks(holder, table)),
        outcome=_outcome(holder, table, number_wanted=number_wanted),
        levels=tuple(sorted(levels.items())),
    )
    return request, parts


def _take_parts(node: exp.Expr, parts: list[exp.Expr]) -> None:
    """Replace the largest expressions without a call by columns ``p0``, ``p1``, ... of the population."""
    if not any(number_of(n) is not None for n in own(node)):
        if _is_value(node):
            _take(node, parts)
            return
        if isinstance(node, exp.Query):
            return
    for child in list(node.iter_expressions()):
        _take_parts(child, parts)


def _is_value(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Literal, exp.Null, exp.Boolean)) or not isinstance(node, exp.Condition):
        return False
    return not (isinstance(node, exp.If) and isinstance(node.parent, exp.Case)) and node.arg_key != "to"


def _take(node: exp.Expr, parts: list[exp.Expr]) -> None:
    place = next((i for i, p in enumerate(parts) if p == node), len(parts))
    column = exp.column(f"p{place}")
    if place == len(parts):
        parts.append(node.copy())
    node.replace(column)


def _population(source: Source, parts: list[exp.Expr], beside: Sequence[exp.Alias]) -> str:
    columns: list[exp.Expr] = [
        exp.Alias(this=exp.Paren(this=p.copy()), alias=exp.to_identifier(f"p{i}")) for i, p in enumerate(parts)
    ]
    columns += [column.copy() for column in beside]
    order = ", ".join(column.alias for column in columns)
    inner = scoped(source.query(columns), source.scope)
    return f"SELECT row_number() OVER (ORDER BY {order}) - 1 AS __row, * FROM ({inner}) AS parts"  # noqa: S608 - checked


def _text_parts(predicate: exp.Expr) -> list[int]:
    """Return which parts are arguments of calls: the proxy reads these as texts."""
    found: dict[int, None] = {}
    for call in lookups(predicate):
        for column in call.find_all(exp.Column):
            found[int(column.name.removeprefix("p"))] = None
    return list(found)


def _asks(predicate: exp.Expr, table: str) -> list[tuple[int, str]]:
    asks: list[tuple[int, str]] = []
    top = predicate.args["this"]
    for call in lookups(top):
        number = number_of(call)
        assert number is not None
        needed = conjunction(guard(call, top, truth=True))
        columns = ", ".join(f"{rendered(a)} AS a{i}" for i, a in enumerate(call.expressions))
        where = "" if needed is None else f" WHERE {rendered(needed)}"
        asks.append((number, f"SELECT DISTINCT {columns} FROM {table} SEMI JOIN __wanted USING (__row){where}"))  # noqa: S608
    return asks


def _outcome(predicate: exp.Expr, table: str, *, number_wanted: bool) -> str:
    """Return the SQL of (row, whether the predicate holds, whether it is decided, whether an answer is missing)."""
    top = predicate.args["this"]
    sure = conjunction(decided(top, truth=True))
    lost = []
    for call in lookups(top):
        missing = exp.Anonymous(this=f"{LOST}{number_of(call)}", expressions=[e.copy() for e in call.expressions])
        lost.append(rendered(conjunction([*guard(call, top, truth=True), missing]) or missing))
    assert sure is not None
    value = f"CAST(({rendered(top)}) AS DOUBLE)" if number_wanted else rendered(true(top))
    holds = f"{value} AS holds, {rendered(sure)} AS decided, {' OR '.join(lost)} AS lost"
    return f"SELECT __row, {holds} FROM {table}"  # noqa: S608 - a checked tree
