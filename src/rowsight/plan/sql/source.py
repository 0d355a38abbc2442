"""The rows that a clause of a SELECT sees, as a query over which arguments and guards are computed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlglot import exp

from rowsight.plan.sql.calls import known
from rowsight.plan.sql.walk import conjunction

_DROPPED = ("distinct", "order", "limit", "offset", "where", "group", "having", "qualify", "sample", "hint")
Scope = tuple[tuple[exp.CTE, ...], ...]


def rendered(node: exp.Expr) -> str:
    """Return DuckDB's SQL of ``node``."""
    return node.sql("duckdb", normalize_functions=False)


def scoped(query: exp.Query, scope: Scope) -> str:
    """Return the SQL of ``query`` where the common table expressions of the queries around it can be named."""
    sql = rendered(query)
    for level in scope:
        if level:
            sql = f"WITH {', '.join(rendered(c) for c in level)} SELECT * FROM ({sql})"  # noqa: S608 - a checked tree
    return sql


@dataclass(frozen=True)
class Source:
    """The rows of one SELECT up to a clause. ``scope`` holds the WITHs around it, innermost first."""

    select: exp.Select
    scope: Scope
    where: tuple[exp.Expr, ...] = ()
    grouped: bool = False
    having: tuple[exp.Expr, ...] = ()
    qualify: tuple[exp.Expr, ...] = ()
    limit: int | None = None
    rank: exp.Expr | None = field(default=None)
    """The ORDER BY under which only the first ``limit`` rows, ties included, count."""

    def also(self, *where: exp.Expr) -> Source:
        """Return the rows for which these hold, too."""
        return replace(self, where=(*self.where, *where))

    def query(self, columns: list[exp.Expr]) -> exp.Select:
        """Return the query that computes ``columns`` over these rows."""
        made = self.select.copy()
        assert isinstance(made, exp.Select)
        for name in _DROPPED:
            made.set(name, None)
        made.set("expressions", columns)
        if (where := conjunction(list(self.where))) is not None:
            made.set("where", exp.Where(this=where))
        if self.grouped and self.select.args.get("group"):
            made.set("group", self.select.args["group"].copy())
        if (having := conjunction(list(self.having))) is not None:
            made.set("having", exp.Having(this=having))
        if (qualify := conjunction(list(self.qualify))) is not None:
            made.set("qualify", exp.Qualify(this=qualify))
        if self.limit is not None and self.rank is None:
            made.set("limit", exp.Limit(expression=exp.Literal.number(self.limit)))
        return made

    def arguments(self, call: exp.Expr, guards: list[exp.Expr], *, fresh: bool = False) -> str:
        """Return the SQL of the argument tuples of ``call`` on the rows where the guards hold.

        ``fresh``: only tuples without an answer.
        """
        conditions = [*guards, exp.Not(this=known(call))] if fresh else guards
        columns: list[exp.Expr] = [_as(e, f"a{i}") for i, e in enumerate(call.expressions)]
        wanted = [f"a{i} IS NOT NULL" for i in range(len(columns))]
        if (condition := conjunction(conditions)) is not None:
            columns.append(_as(condition, "needed"))
            wanted.append("needed")
        if self.rank is not None:
            columns.append(_as(_ranked(self.rank), "place"))
            wanted.append(f"place <= {self.limit}")
        names = ", ".join(f"a{i}" for i in range(len(call.expressions)))
        inner = scoped(self.query(columns), self.scope)
        return f"SELECT {names} FROM ({inner}) AS rows WHERE {' AND '.join(wanted)}"  # noqa: S608 - a checked tree

    def count(self, conditions: list[exp.Expr], most: int | None = None) -> str:
        """Return the SQL that counts the rows where ``conditions`` hold, up to ``most``."""
        query = self.also(*conditions).query([exp.Literal.number(1)])
        if most is not None:
            query.set("limit", exp.Limit(expression=exp.Literal.number(most)))
        return f"SELECT count(*) FROM ({scoped(query, self.scope)}) AS rows"  # noqa: S608 - a checked tree


def _as(node: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=exp.Paren(this=node.copy()), alias=exp.to_identifier(name))


def _ranked(order: exp.Expr) -> exp.Window:
    return exp.Window(this=exp.Anonymous(this="rank", expressions=[]), order=order.copy(), over="OVER")
