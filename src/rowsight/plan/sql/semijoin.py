"""An AI predicate below a join is asked about the rows that find a partner only.

``(SELECT * FROM t WHERE AI_FILTER('late?', body)) AS s JOIN u ON s.id = u.tid AND u.n > 3`` asks about rows of ``t`` whose id
is among ``SELECT u.tid FROM u WHERE u.n > 3``: as few as the predicate above the join would be asked about, and none of them
twice. The other side may be any rows that hold the partners, so AI conditions there are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from rowsight.plan.sql.clauses import volatile
from rowsight.plan.sql.walk import conjunction, conjuncts, has_lookup, nested, own

_SHAPING = ("group", "having", "qualify", "distinct", "limit", "offset", "sample", "with_")


def partners(select: exp.Select, alias: str, ctes: set[str]) -> Iterator[tuple[exp.Column, exp.Query]]:
    """Yield columns of the derived table ``alias`` with the query of the values that its partners have.

    ``ctes`` are the names of common table expressions: a query that reads one can't move, since it may not be in reach.
    """
    items = _inner_items(select)
    conditions = [*_conditions(select), *_using(select, items)]
    for one, other in _equalities(conditions):
        if one.table.lower() != alias or other.table.lower() == alias:
            continue
        item = items.get(other.table.lower())
        query = None if item is None else _values(item, other, conditions)
        if query is not None and not volatile(query) and not any(t.name.lower() in ctes for t in _tables(query)):
            yield one, query


def _inner_items(select: exp.Select) -> dict[str, exp.Expr]:
    """Return the tables whose rows all need a partner, by alias."""
    source = select.args.get("from_")
    joins = [j for j in select.args.get("joins") or [] if not j.side and not j.method]
    items = [*([] if source is None else [source.this]), *(j.this for j in joins)]
    return {item.alias_or_name.lower(): item for item in items}


def _conditions(select: exp.Select) -> list[exp.Expr]:
    where = select.args.get("where")
    joins = [j for j in select.args.get("joins") or [] if not j.side and not j.method]
    return [*conjuncts(where.this if where else None), *(c for j in joins for c in conjuncts(j.args.get("on")))]


def _using(select: exp.Select, items: dict[str, exp.Expr]) -> list[exp.Expr]:
    """Return the equalities that USING means between two tables."""
    joins = select.args.get("joins") or []
    if len(items) != 2 or len(joins) != 1:  # noqa: PLR2004 - with more, a name may mean several columns
        return []
    left, right = items
    named = [c.name for c in joins[0].args.get("using") or []]
    return [exp.EQ(this=exp.column(n, left, quoted=True), expression=exp.column(n, right, quoted=True)) for n in named]


def _equalities(conditions: list[exp.Expr]) -> Iterator[tuple[exp.Column, exp.Column]]:
    for condition in conditions:
        if isinstance(condition, exp.EQ):
            one, other = condition.this, condition.expression
            if isinstance(one, exp.Column) and isinstance(other, exp.Column):
                yield one, other
                yield other, one


def _values(item: exp.Expr, column: exp.Column, conditions: list[exp.Expr]) -> exp.Query | None:
    """Return the query of the values that ``column`` of ``item`` has, AI conditions left out."""
    source: exp.Expr | None = item.copy()
    if isinstance(item, exp.Subquery) and has_lookup(item):
        body = item.this
        source = _relaxed(body, item) if isinstance(body, exp.Select) else None
    if source is None or has_lookup(source) or not isinstance(source, (exp.Table, exp.Subquery)):
        return None
    table = column.table.lower()
    about = [c for c in conditions if not has_lookup(c) and not nested(c) and _only(c, table)]
    query = exp.select(column.copy()).from_(source)
    return query if not about else query.where(conjunction(about), copy=False)


def _relaxed(body: exp.Select, item: exp.Subquery) -> exp.Subquery | None:
    """Return a derived table without its AI conditions and AI outputs: it has all of its rows and maybe more."""
    if any(body.args.get(name) for name in _SHAPING) or any(
        isinstance(n, (exp.AggFunc, exp.Window)) for e in body.expressions for n in own(e)
    ):
        return None
    made = body.copy()
    assert isinstance(made, exp.Select)
    where = body.args.get("where")
    plain = conjunction([c for c in conjuncts(where.this if where else None) if not has_lookup(c)])
    made.set("where", None if plain is None else exp.Where(this=plain))
    made.set("expressions", [e for e in made.expressions if not has_lookup(e)])
    if not made.expressions:
        return None
    whole = item.copy()
    whole.set("this", made)
    return whole


def _only(condition: exp.Expr, table: str) -> bool:
    columns = list(condition.find_all(exp.Column))
    return bool(columns) and all(c.table.lower() == table for c in columns)


def _tables(query: exp.Query) -> Iterator[exp.Table]:
    yield from query.find_all(exp.Table)
