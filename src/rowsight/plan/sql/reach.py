"""What a query's guarantee speaks of: one SELECT's WHERE, derived tables merged into it, or every arm of a UNION ALL.

A derived table or a WITH that only chooses rows and columns of one table is merged into the SELECT that reads it, so that its
AI conditions are parts of one predicate. The arms of a UNION ALL share the failure probability: sums of rows kept, right and
wished for keep every arm's precision, recall and accuracy. Nothing else carries a guarantee from inside.
"""

from __future__ import annotations

from sqlglot import exp

from rowsight.plan.sql.clauses import certifiable, place_of, volatile
from rowsight.plan.sql.place import SqlError
from rowsight.plan.sql.walk import conjunction, has_lookup, lookups, own

_SHAPING = ("group", "having", "qualify", "distinct", "limit", "offset", "sample", "with_", "order")
Demands = dict[int, dict[str, float]]
"""The levels demanded of a SELECT, by its identity."""


def demands(tree: exp.Query, levels: dict[str, float] | None) -> Demands:
    """Return which SELECTs must keep which levels; ``SqlError`` where the result can't carry a guarantee.

    ``tree`` is changed in place: derived tables that can be merged are.
    """
    if levels is None:
        return {}
    found = [select for select in _carriers(tree) if lookups(select.args.get("where"))]
    if not found:
        inside = next((s for s in tree.find_all(exp.Select) if lookups(s.args.get("where"))), None)
        if inside is not None:
            rewrite = "write the condition in the outer WHERE, or leave WITH GUARANTEE out and every row that matters is asked"
            what = "a guarantee on an AI condition inside a derived table that joins, groups, orders or cuts its rows"
            raise SqlError(f"{what} can't be given; {rewrite}", place_of(inside))
        raise SqlError(
            "WITH GUARANTEE needs an AI condition in WHERE, and there is none: AI_COUNT_IF, AI_SHARE and AI_AVG take "
            "within => 0.01 or calls => 300 themselves, and everything else is exact"
        )
    spent = (1 - levels.get("confidence", 0.95)) / len(found)
    return {id(select): levels | {"confidence": 1 - spent} for select in found}


def _carriers(query: exp.Expr) -> list[exp.Select]:
    if isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        return _carriers(query.this)
    if isinstance(query, exp.SetOperation):
        return _arms(query)
    if not isinstance(query, exp.Select):
        return []
    while _merged(query):
        pass
    source = query.args.get("from_")
    item = None if source is None or query.args.get("joins") or query.args.get("where") is not None else source.this
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.SetOperation):
        certifiable(query)
        return [] if lookups(query) else _arms(item.this)
    return [certifiable(query)]


def _arms(query: exp.SetOperation) -> list[exp.Select]:
    kind = type(query).__name__.upper()
    if not isinstance(query, exp.Union) or query.args.get("distinct"):
        rewrite = "of set operations only UNION ALL keeps one; write UNION ALL, or leave WITH GUARANTEE out"
        raise SqlError(f"a guarantee on the set operation {kind} can't be given; {rewrite}", place_of(query))
    if query.args.get("limit") or query.args.get("offset"):
        raise SqlError(
            "LIMIT over certified rows is not certified; leave it out, or leave WITH GUARANTEE out", place_of(query)
        )
    return [*_carriers(query.left), *_carriers(query.right)]


def _merged(select: exp.Select) -> bool:
    """Merge one derived table with AI calls into ``select``; say whether there was one."""
    joins = select.args.get("joins") or []
    if any(
        j.side or j.method or (j.kind or "").upper() not in ("", "INNER", "CROSS") or j.args.get("using") for j in joins
    ):
        return False
    source = select.args.get("from_")
    items = [*([] if source is None else [source.this]), *(j.this for j in joins)]
    for item in items:
        body = _body(item, select)
        if body is not None and _merge(select, item, body, alone=len(items) == 1):
            return True
    return False


def _body(item: exp.Expr, select: exp.Select) -> exp.Select | None:
    """Return the plain SELECT over one table that a derived table, or a WITH that is read once, stands for."""
    body: exp.Expr | None = None
    if isinstance(item, exp.Subquery) and not (item.args.get("alias") and item.args["alias"].columns):
        body = item.this
    elif isinstance(item, exp.Table) and not item.db and (cte := _cte(item, select)) is not None:
        body = cte.this
    if not isinstance(body, exp.Select) or not has_lookup(body) or any(body.args.get(n) for n in (*_SHAPING, "joins")):
        return None
    plain = not any(isinstance(n, (exp.AggFunc, exp.Window, exp.Unnest)) for e in body.expressions for n in own(e))
    source = body.args.get("from_")
    single = source is not None and isinstance(source.this, (exp.Table, exp.Subquery))
    return body if plain and single and not volatile(body) else None


def _cte(table: exp.Table, select: exp.Select) -> exp.CTE | None:
    with_ = select.args.get("with_")
    named = [] if with_ is None or with_.args.get("recursive") else with_.expressions
    for cte in named:
        if cte.alias.lower() == table.name.lower() and not cte.args["alias"].columns:
            reads = [t for t in select.find_all(exp.Table) if t.name.lower() == table.name.lower() and not t.db]
            return cte if len(reads) == 1 else None
    return None


def _merge(select: exp.Select, item: exp.Expr, body: exp.Select, *, alone: bool) -> bool:
    alias, base = item.alias_or_name, body.args["from_"].this
    inner, outputs = base.alias_or_name.lower(), _outputs(body)
    starred = any(isinstance(e, exp.Star) and not any(e.args.values()) for e in body.expressions)
    if not alias or outputs is None or not _readable(select, alias, outputs, starred=starred, alone=alone):
        return False
    for column in [
        c for e in (body.args.get("where"), *outputs.values()) if e is not None for c in e.find_all(exp.Column)
    ]:
        if column.table and column.table.lower() != inner:
            return False
        column.set("table", exp.to_identifier(alias, quoted=True))
    _read_through(select, alias.lower(), outputs, alone=alone)
    target = base.copy()
    target.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    conditions = [c.this for c in (body.args.get("where"), select.args.get("where")) if c is not None]
    if (whole := conjunction(conditions)) is not None:
        select.set("where", exp.Where(this=whole))
    if isinstance(item, exp.Table):
        _drop(select, item)
    item.replace(target)
    return True


def _outputs(body: exp.Select) -> dict[str, exp.Expr] | None:
    """Return what each named output stands for, ``None`` where an output is more than a name, a star or an alias."""
    found: dict[str, exp.Expr] = {}
    for item in body.expressions:
        if isinstance(item, exp.Star) and not any(item.args.values()):
            continue
        name = item.alias_or_name
        if not name or item.is_star or isinstance(item, exp.Columns):
            return None
        found[name.lower()] = item.this if isinstance(item, exp.Alias) else item
    return found


def _readable(select: exp.Select, alias: str, outputs: dict[str, exp.Expr], *, starred: bool, alone: bool) -> bool:
    """Say whether everything that ``select`` reads of a derived table can be read of the table below it."""
    stars = (
        any(e.is_star or isinstance(e, exp.Columns) for e in select.expressions) or select.find(exp.Columns) is not None
    )
    if stars and outputs:
        return False
    for column in own(select):
        if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star):
            continue
        mine = column.table.lower() == alias.lower() or (alone and not column.table)
        if not alone and not column.table and outputs:
            return False  # whose column it is can't be known
        if mine and not starred and column.name.lower() not in outputs:
            return False
    return True


def _read_through(select: exp.Select, alias: str, outputs: dict[str, exp.Expr], *, alone: bool) -> None:
    for column in list(own(select)):
        if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star):
            continue
        meant = outputs.get(column.name.lower())
        if meant is None or not (column.table.lower() == alias or (alone and not column.table)):
            continue
        if column.parent is select and column.arg_key == "expressions":
            column.replace(exp.Alias(this=meant.copy(), alias=exp.to_identifier(column.name, quoted=True)))
        else:
            column.replace(exp.Paren(this=meant.copy()))


def _drop(select: exp.Select, table: exp.Table) -> None:
    with_ = select.args["with_"]
    left = [c for c in with_.expressions if c.alias.lower() != table.name.lower()]
    if left:
        with_.set("expressions", left)
    else:
        select.set("with_", None)
