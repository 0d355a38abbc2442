"""``ORDER BY AI.SCORE(..., top_k => 'fast') DESC LIMIT k``: the first rows by a ranking instead of a score of every row.

The rows before the ORDER BY are ranked by calls that grow with k; the score is NULL on rows that are not among the first,
which don't come out. Without the option every row is asked, as SQL means it.
"""

from __future__ import annotations

from sqlglot import exp

from rowsight.plan.sql.calls import Calls, number_of
from rowsight.plan.sql.clauses import refuse
from rowsight.plan.sql.requests import Top
from rowsight.plan.sql.source import Source
from rowsight.plan.sql.walk import lookups

_REWRITE = (
    "top_k => 'fast' stands in ORDER BY AI.SCORE(...) DESC LIMIT k of a query without GROUP BY, DISTINCT, QUALIFY"
)


def fast(select: exp.Select, calls: Calls) -> exp.Expr | None:
    """Return the call by which a SELECT's first rows are to be found fast, ``None`` where every row is to be asked.

    ``SqlError`` where such a call stands anywhere else.
    """
    asked = [c for c in lookups(select) if calls.listed[_number(c)].fast]
    if not asked:
        return None
    ordering = select.args.get("order")
    tested = lookups(select.args.get("where"))
    first = ordering.expressions[0] if ordering is not None else None
    others = any(select.args.get(n) for n in ("distinct", "group", "having", "qualify"))
    descending = isinstance(first, exp.Ordered) and first.args.get("desc") and not first.args.get("nulls_first")
    call = first.this.unnest() if first is not None and descending else None
    fits = call is not None and all(c == call for c in asked) and not any(c == call for c in tested)
    if others or not fits or _most(select) is None:
        raise refuse(asked[0], "top_k => 'fast' here", _REWRITE)
    return asked[0]


def request(select: exp.Select, call: exp.Expr, source: Source) -> Top:
    """Return what is to be asked for the first rows of ``select`` by ``call``, OFFSET included."""
    most = _most(select)
    assert most is not None
    return Top(_number(call), source.arguments(call, []), most)


def _most(select: exp.Select) -> int | None:
    limit, offset = select.args.get("limit"), select.args.get("offset")
    numbers = [n.expression for n in (limit, offset) if n is not None]
    if limit is None or not all(isinstance(n, exp.Literal) and n.this.isdigit() for n in numbers):
        return None
    return sum(int(n.this) for n in numbers)


def _number(call: exp.Expr) -> int:
    number = number_of(call)
    assert number is not None
    return number
