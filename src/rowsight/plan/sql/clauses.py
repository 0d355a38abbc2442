"""A SELECT made ready for planning: ordinals and aliases spelled out, AI conditions of joins moved to WHERE, refusals."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from rowsight.plan.sql.aggregates import AGGREGATES
from rowsight.plan.sql.calls import number_of
from rowsight.plan.sql.place import Place, SqlError
from rowsight.plan.sql.text import SITE, Parsed
from rowsight.plan.sql.walk import conjunction, conjuncts, has_lookup, lookups, own

_VOLATILE = ("random", "rand", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "setseed")
_WRAPPERS = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)


def place_of(node: exp.Expr) -> Place | None:
    """Return where the first AI call in ``node`` stands in the text."""
    for found in node.find_all(exp.Anonymous, bfs=False):
        if number_of(found) is not None:
            place: Place | None = found.meta.get("place")
            return place
    return None


def refuse(node: exp.Expr, what: str, rewrite: str) -> SqlError:
    """Return the error about the AI call in ``node``, with a rewrite that works."""
    return SqlError(f"{what} can't be run; {rewrite}", place_of(node))


def volatile(node: exp.Expr) -> bool:
    """Say whether ``node`` may give other rows or values when it is run again."""
    for found in node.find_all(exp.Func, exp.TableSample, exp.Limit, exp.Offset):
        if isinstance(found, (exp.TableSample, exp.Limit, exp.Offset)):
            return True
        if _name(found) in _VOLATILE:
            return True
    return False


def volatile_value(node: exp.Expr) -> bool:
    """Say whether ``node`` is a function that gives another value each time."""
    return isinstance(node, exp.Func) and _name(node) in _VOLATILE


def _name(node: exp.Expr) -> str:
    name = node.this if isinstance(node, exp.Anonymous) else node.sql_name() if isinstance(node, exp.Func) else ""
    return str(name).lower()


def joined(select: exp.Select) -> None:
    """Move the AI conditions of inner joins to WHERE, where they mean the same; refuse those of other joins."""
    joins = select.args.get("joins") or []
    for place, join in enumerate(joins):
        on = join.args.get("on")
        if on is None or not has_lookup(on):
            continue
        kind = " ".join(filter(None, (join.method, join.side, join.kind))).upper()
        later = any(str(j.side).upper() in ("RIGHT", "FULL") for j in joins[place + 1 :])
        if kind not in ("", "INNER", "CROSS") or later:
            raise refuse(
                on,
                f"an AI condition of a {kind or 'JOIN followed by an outer'} JOIN",
                "filter that side first: JOIN (SELECT * FROM u WHERE AI_FILTER(...)) AS u ON <the equality>",
            )
        parts = conjuncts(on)
        moved = [p for p in parts if has_lookup(p)]
        stay = conjunction([p for p in parts if not has_lookup(p)])
        join.set("on", stay if stay is not None else exp.true())
        where = select.args.get("where")
        whole = conjunction([*([where.this] if where else []), *moved])
        select.set("where", exp.Where(this=whole))


def spelled_out(select: exp.Select, columns: tuple[str, ...]) -> None:
    """Replace ordinals of GROUP BY and ORDER BY and names of other outputs by what they stand for.

    ``columns`` are those of FROM, which come before aliases everywhere but for a bare name in ORDER BY.
    """
    _ordinals(select)
    taken = {c.lower() for c in columns}
    aliases: dict[str, exp.Expr] = {}
    for item in select.expressions:
        _inline(item, aliases, taken)
        if isinstance(item, exp.Alias):
            aliases.setdefault(item.alias.lower(), item.this)
    for clause in ("where", "group", "having", "qualify"):
        if (node := select.args.get(clause)) is not None:
            _inline(node, aliases, taken)
    for item in _ordered(select):
        bare = isinstance(item.this, exp.Column) and not item.this.table
        _inline(item, aliases, set() if bare else taken)


def _ordered(select: exp.Select) -> list[exp.Ordered]:
    order = select.args.get("order")
    return [] if order is None else [o for o in order.expressions if isinstance(o, exp.Ordered)]


def _inline(node: exp.Expr, aliases: dict[str, exp.Expr], taken: set[str]) -> None:
    for column in list(own(node)):
        if not isinstance(column, exp.Column) or column.table or column.name.lower() in taken:
            continue
        meant = aliases.get(column.name.lower())
        item = isinstance(column.parent, (exp.Group, exp.Ordered))
        if meant is not None and column.parent is not None and not (item and isinstance(meant, exp.Literal)):
            column.replace(exp.Paren(this=meant.copy()))


def _ordinals(select: exp.Select) -> None:
    group = select.args.get("group")
    if group is not None:
        if group.args.get("all"):
            group.set("all", None)
            items = [(i, _bare(e)) for i, e in enumerate(select.expressions, 1) if not _aggregated(e)]
            chosen = [exp.Literal.number(i) if isinstance(e, exp.Literal) else e.copy() for i, e in items]
            group.set("expressions", chosen)
        for node in list(group.expressions):
            _ordinal(node, select)
    for item in _ordered(select):
        _ordinal(item.this, select)


def _ordinal(node: exp.Expr, select: exp.Select) -> None:
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        place = int(node.this)
        stars = any(isinstance(_bare(e), exp.Columns) or e.is_star for e in select.expressions)
        meant = select.expressions[place - 1] if 1 <= place <= len(select.expressions) else None
        if meant is not None and not stars and not isinstance(_bare(meant), exp.Literal):
            node.replace(_bare(select.expressions[place - 1]).copy())


def _bare(node: exp.Expr) -> exp.Expr:
    bare: exp.Expr = node.this if isinstance(node, exp.Alias) else node
    return bare


def _aggregated(node: exp.Expr) -> bool:
    return any(isinstance(n, exp.AggFunc) or is_aggregate(n) for n in own(node))


@dataclass(frozen=True)
class Within:
    """What a lookup stands in, within its clause: an aggregate, a window, or the clause itself."""

    kind: str
    top: exp.Expr
    condition: exp.Expr | None = None


def within(node: exp.Expr, clause: exp.Expr) -> Within:
    """Return the innermost aggregate around ``node``, else the window around it, else its clause."""
    window: exp.Expr | None = None
    child = node
    while child is not clause:
        parent = child.parent
        assert parent is not None
        if (plain := is_aggregate(parent)) or (isinstance(parent, exp.Filter) and is_aggregate(parent.this)):
            outer = parent.parent
            filtered = outer.expression.this if plain and isinstance(outer, exp.Filter) else None
            return Within("aggregate", parent, filtered)
        if isinstance(parent, exp.Window):
            window = parent
        child = parent
    return Within("clause", clause) if window is None else Within("window", window)


def is_aggregate(node: exp.Expr) -> bool:
    """Say whether ``node`` is an aggregate function that groups rows, not one over a window."""
    if not (isinstance(node, exp.AggFunc) or (isinstance(node, exp.Func) and _name(node) in AGGREGATES)):
        return False
    around = node.parent
    while isinstance(around, _WRAPPERS):
        around = around.parent
    return not isinstance(around, exp.Window)


def certifiable(tree: exp.Query) -> exp.Select:
    """Return the SELECT whose WHERE a guarantee speaks of; ``SqlError`` where the result can't carry it.

    Counts, sums and averages have intervals of their own (``totals``); a LIMIT has no population.
    """
    if not isinstance(tree, exp.Select):
        raise SqlError("WITH GUARANTEE stands behind one SELECT ... WHERE; put the set operation around it, without")
    for name in ("having", "qualify", "distinct", "limit", "offset"):
        if tree.args.get(name):
            raise SqlError(
                f"{name.upper()} over certified rows is not certified; leave WITH GUARANTEE out, or leave {name.upper()} out "
                "and apply it to the result, knowing that what it keeps is not certified"
            )
    if any(isinstance(n, exp.Window) for item in tree.expressions for n in own(item)):
        raise SqlError("a window over certified rows is not certified; leave WITH GUARANTEE out for an exact one")
    return tree


def can_be_certified(parsed: Parsed) -> bool:
    """Say whether a query gives rows by an AI condition in WHERE, and a guarantee can speak of them.

    Counts and sums under a guarantee have columns of their own, which only a query that asks for them should get.
    """
    try:
        select = certifiable(parsed.tree)
    except SqlError:
        return False
    where = select.args.get("where")
    counted = select.args.get("group") or any(is_aggregate(n) for item in select.expressions for n in own(item))
    return (
        not counted
        and where is not None
        and any(str(n.this).lower().startswith(SITE) for n in where.find_all(exp.Anonymous))
    )


def forbidden(select: exp.Select) -> None:
    """Refuse places of a SELECT where an AI call has no set of rows of its own to be asked about."""
    for call in lookups(select):
        ancestor = call.parent
        while ancestor is not None and ancestor is not select:
            if isinstance(ancestor, exp.Lambda):
                raise refuse(call, "an AI call in a lambda", "unnest the list and call it on each element")
            if isinstance(ancestor, (exp.Columns, exp.Pivot)):
                raise refuse(call, "an AI call in COLUMNS or PIVOT", "call it in a derived table first")
            if isinstance(ancestor, (exp.From, exp.Join, exp.Unnest, exp.Lateral)):
                raise refuse(call, "an AI call in FROM", "call it in a derived table: FROM (SELECT AI_...(...) FROM t)")
            if isinstance(ancestor, (exp.Limit, exp.Offset)):
                raise refuse(call, "an AI call in LIMIT", "give a number")
            ancestor = ancestor.parent
        if call.find(exp.Columns, exp.Star):
            raise refuse(call, "an AI call over several columns at once", "name one column in each call")
