"""Ask less inside derived tables: ordinary conditions on their columns go into them, and columns nobody reads go.

Rows that find no partner in a join are left out, too (``semijoin``). A condition may go in where the derived table is a
plain SELECT (each of its rows comes from one row below) that no outer join completes with NULLs. It stays outside, too, so
the result is the same whatever happens inside.
"""

from __future__ import annotations

from collections import Counter

from sqlglot import exp

from rowsight.plan.sql.semijoin import partners
from rowsight.plan.sql.walk import conjunction, conjuncts, has_lookup, lookups, nested, own

_SHAPING = ("group", "having", "qualify", "distinct", "limit", "offset", "sample")


def pushed_down(tree: exp.Query) -> exp.Query:
    """Return ``tree``, changed in place: outer queries first, so that conditions go in as deep as they can."""
    uses = Counter(t.name.lower() for t in tree.find_all(exp.Table) if not t.db)
    ctes = {c.alias.lower() for c in tree.find_all(exp.CTE)}
    for select in list(tree.find_all(exp.Select)):
        for alias, inner in _derived(select, uses):
            _prune(tree, select, inner)
            _push(select, alias, inner, ctes)
    return tree


def _derived(select: exp.Select, uses: Counter[str]) -> list[tuple[str, exp.Select]]:
    """Return the plain SELECTs that ``select`` reads and no outer join completes, by alias."""
    joins = select.args.get("joins") or []
    sides = [f"{j.method} {j.side} {j.kind}".upper().split() for j in joins]
    if any(set(side) & {"RIGHT", "FULL", "SEMI", "ANTI", "ASOF", "POSITIONAL"} for side in sides):
        return []
    source = select.args.get("from_")
    items = [] if source is None else [source.this]
    items += [j.this for j, side in zip(joins, sides, strict=True) if "LEFT" not in side]
    found = [(item.alias_or_name.lower(), _body(item, select, uses)) for item in items]
    return [(alias, body) for alias, body in found if alias and body is not None and _plain(body)]


def _body(item: exp.Expr, select: exp.Select, uses: Counter[str]) -> exp.Select | None:
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Select):
        renamed = item.args.get("alias") and item.args["alias"].columns
        return None if renamed else item.this
    if isinstance(item, exp.Table) and not item.db and uses[item.name.lower()] == 1:
        with_ = select.args.get("with_")
        ctes = [] if with_ is None or with_.args.get("recursive") else with_.expressions
        for cte in ctes:
            if cte.alias.lower() == item.name.lower() and not cte.args["alias"].columns:
                return cte.this if isinstance(cte.this, exp.Select) else None
    return None


def _plain(select: exp.Select) -> bool:
    if not has_lookup(select) or any(select.args.get(name) for name in _SHAPING):
        return False
    return not any(
        isinstance(n, (exp.AggFunc, exp.Window, exp.Unnest)) for item in select.expressions for n in own(item)
    )


def _outputs(select: exp.Select) -> dict[str, exp.Expr]:
    """Return what each named output stands for."""
    found: dict[str, exp.Expr] = {}
    for item in select.expressions:
        name = item.alias_or_name.lower()
        if name and name != "*" and not item.is_star:
            found[name] = item.this if isinstance(item, exp.Alias) else item
    return found


def _push(select: exp.Select, alias: str, inner: exp.Select, ctes: set[str]) -> None:
    alone = not select.args.get("joins")
    where = select.args.get("where")
    outputs: dict[str, exp.Expr | None] = {**_outputs(inner)}
    single = not inner.args.get("joins")
    starred = single and any(isinstance(i, exp.Star) and not any(i.args.values()) for i in inner.expressions)
    if any(item.is_star for item in inner.expressions):
        outputs = dict.fromkeys(outputs)  # a name beside a star may stand for the star's own column
    going = []
    parts = conjuncts(where.this if where else None)
    for part in [*parts, *_implied(select, parts)]:
        if lookups(part) or nested(part) or _unfit(part):
            continue
        moved = part.copy()
        root = exp.Paren(this=moved)
        if all([_stands_for(c, alias, outputs, alone=alone, starred=starred) for c in list(root.find_all(exp.Column))]):  # noqa: C419 - replaces
            going.append(root.this)
    out_of_reach = ctes if isinstance(inner.parent, exp.CTE) else set()
    for column, query in partners(select, alias, out_of_reach):
        root = exp.Paren(this=column.copy())
        if _stands_for(root.this, alias, outputs, alone=alone, starred=starred):
            going.append(exp.In(this=root.this, query=exp.Subquery(this=query)))
    if going:
        old = inner.args.get("where")
        whole = conjunction([*([old.this] if old else []), *going])
        inner.set("where", exp.Where(this=whole))


def _implied(select: exp.Select, parts: list[exp.Expr]) -> list[exp.Expr]:
    """Return what follows for the other side of an equality between columns: ``a.x = b.x AND a.x = 1`` means ``b.x = 1``."""
    joins = [j for j in select.args.get("joins") or [] if "LEFT" not in str(j.side).upper()]
    conditions = [*parts, *(c for j in joins for c in conjuncts(j.args.get("on")))]
    equal = [(c.this, c.expression) for c in conditions if isinstance(c, exp.EQ) and _columns(c.this, c.expression)]
    found: list[exp.Expr] = []
    for part in conditions:
        if not (
            isinstance(part, exp.EQ) and isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Literal)
        ):
            continue
        for one, other in [*equal, *((b, a) for a, b in equal)]:
            if one == part.this:
                found.append(exp.EQ(this=other.copy(), expression=part.expression.copy()))
    return found


def _columns(*nodes: exp.Expr) -> bool:
    return all(isinstance(n, exp.Column) for n in nodes)


def _unfit(part: exp.Expr) -> bool:
    return not part.find(exp.Column) or any(isinstance(n, (exp.AggFunc, exp.Window, exp.Columns)) for n in own(part))


def _stands_for(
    column: exp.Column, alias: str, outputs: dict[str, exp.Expr | None], *, alone: bool, starred: bool
) -> bool:
    """Replace a column of the derived table by what it stands for inside; say whether it could be."""
    table = column.table.lower()
    if table != alias and not (alone and not table):
        return False
    meant = outputs.get(column.name.lower())
    if starred and column.name.lower() not in outputs:
        meant = exp.Column(this=column.this.copy())
    if meant is None or has_lookup(meant) or nested(meant) or len(column.parts) > 2:  # noqa: PLR2004 - table and column
        return False
    if not isinstance(meant, (exp.Column, exp.Cast, exp.Func)) or any(isinstance(n, exp.Star) for n in own(meant)):
        return False
    column.replace(exp.Paren(this=meant.copy()))
    return True


def _prune(tree: exp.Query, select: exp.Select, inner: exp.Select) -> None:
    """Take AI outputs out of ``inner`` that nobody reads."""
    if any(item.is_star or isinstance(item, exp.Columns) for item in select.expressions) or select.find(exp.Columns):
        return
    if any(j.args.get("using") or j.method for j in select.args.get("joins") or []):
        return
    read = Counter(c.name.lower() for c in tree.find_all(exp.Column))
    kept = []
    for item in inner.expressions:
        unread = isinstance(item, exp.Alias) and has_lookup(item.this) and not read[item.alias.lower()]
        if not unread:
            kept.append(item)
    if kept:
        inner.set("expressions", kept)
