"""How each column of a query's result stands: the algebra of certificates, walked from the tables upwards.

From strong to weak: ``asked`` (every row that matters is asked: the model's own answers), ``certified``, ``certified for
table X only`` (the statement holds over X, but what was done with X since has no statement) and ``not certified``. A column
stands no higher than the rows it stands in, and no higher than what it is computed from. Joining, grouping, cutting or
filtering certified rows keeps at most the statement about the table itself: labels that are right in 9 of 10 rows say
nothing of any particular choice of rows, and their counts are biased.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from rowsight.plan.sql.calls import TOTAL, Calls, number_of
from rowsight.plan.sql.clauses import is_aggregate
from rowsight.plan.sql.reach import Demands
from rowsight.plan.sql.walk import conjuncts, has_lookup, lookups, own

_RANKS = ("not", "only", "certified", "asked")
_CUTTING = ("group", "having", "qualify", "distinct", "limit", "offset")


@dataclass(frozen=True)
class Standing:
    """How one column of a result stands, and why in words."""

    column: str
    level: str
    why: str

    def __str__(self) -> str:
        return f"{self.column}: {self.level}; {self.why}"


@dataclass(frozen=True)
class _Level:
    rank: str
    why: str
    table: str = ""

    @property
    def words(self) -> str:
        named = {"not": "not certified", "only": f"certified for table {self.table} only"}
        return named.get(self.rank, self.rank)


_Columns = list[tuple[str, _Level]]
_ASKED = _Level("asked", "every row that matters is asked")
_EXACT = _Level("asked", "ordinary SQL, exact")


def standings(tree: exp.Query, calls: Calls, demands: Demands) -> tuple[Standing, ...]:
    """Return how each output of a query stands; ``demands`` are the levels demanded of its SELECTs."""
    columns, _ = _Walk(calls, demands).query(tree, {})
    return tuple(Standing(name, level.words, level.why) for name, level in columns)


def _weakest(levels: list[_Level]) -> _Level:
    return min(levels, key=lambda one: _RANKS.index(one.rank))


class _Walk:
    def __init__(self, calls: Calls, demands: Demands) -> None:
        self._calls, self._demands = calls, demands

    def query(self, query: exp.Expr, known: dict[str, tuple[_Columns, _Level]]) -> tuple[_Columns, _Level]:
        """Return how the columns and the rows of a query stand; ``known`` are the WITHs in reach."""
        if isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
            return self.query(query.this, known)
        with_ = query.args.get("with_")
        for cte in [] if with_ is None else with_.expressions:
            known = {**known, cte.alias.lower(): self.query(cte.this, known)}
        if isinstance(query, exp.SetOperation):
            return self._both(query, known)
        return self._select(query, known) if isinstance(query, exp.Select) else ([], _EXACT)

    def _both(self, query: exp.SetOperation, known: dict[str, tuple[_Columns, _Level]]) -> tuple[_Columns, _Level]:
        (left, one), (right, other) = self.query(query.left, known), self.query(query.right, known)
        rows = _weakest([one, other])
        if rows.rank != "asked" and not (isinstance(query, exp.Union) and not query.args.get("distinct")):
            rows = _Level("not", "a set operation other than UNION ALL over certified rows")
        columns = [(name, _weakest([a, b, rows])) for (name, a), (_, b) in zip(left, right, strict=False)]
        return columns, rows

    def _select(self, select: exp.Select, known: dict[str, tuple[_Columns, _Level]]) -> tuple[_Columns, _Level]:
        tables = self._tables(select, known)
        below = [rows for _, rows in tables.values()]
        rows = self._where(select, below)
        inside = {alias: dict(columns) for alias, (columns, _) in tables.items()}
        figured = self._demands.get(id(select)) if _aggregated(select) else None
        if (
            rows.rank != "asked"
            and figured is None
            and (_aggregated(select) or any(select.args.get(n) for n in _CUTTING))
        ):
            rows = _Level(
                "not", "rows that are certified were grouped, counted or cut; counts of certified labels are biased"
            )
        columns: _Columns = []
        for item in select.expressions:
            if item.is_star:
                columns += self._star(item, tables, rows)
                continue
            name = item.alias_or_name or item.sql("duckdb")
            columns += self._output(name, item, rows, inside, figured)
        return columns, rows

    def _tables(
        self, select: exp.Select, known: dict[str, tuple[_Columns, _Level]]
    ) -> dict[str, tuple[_Columns, _Level]]:
        source = select.args.get("from_")
        items = [*([] if source is None else [source.this]), *(j.this for j in select.args.get("joins") or [])]
        found: dict[str, tuple[_Columns, _Level]] = {}
        for item in items:
            if isinstance(item, exp.Subquery):
                found[item.alias_or_name.lower()] = self.query(item, known)
            elif isinstance(item, exp.Table) and not item.db and item.name.lower() in known:
                found[item.alias_or_name.lower()] = known[item.name.lower()]
            else:
                found[item.alias_or_name.lower()] = ([], _EXACT)
        named = {}
        for alias, (columns, rows) in found.items():
            held = rows if rows.rank == "asked" else _Level(rows.rank, rows.why, rows.table or alias)
            named[alias] = ([(n, _Level(c.rank, c.why, c.table or alias)) for n, c in columns], held)
        return named

    def _where(self, select: exp.Select, below: list[_Level]) -> _Level:
        start = _weakest(below) if below else _EXACT
        where = select.args.get("where")
        if start.rank != "asked":
            if len(below) > 1:
                return _Level("only", f"joined with rows of {start.table}: {start.why}", start.table)
            return start if where is None else _Level("only", f"filtered again: {start.why}", start.table)
        if (levels := self._demands.get(id(select))) is not None:
            shown = ", ".join(f"{name} {level:g}" for name, level in levels.items() if name != "confidence")
            confidence = levels["confidence"]
            return _Level("certified", f"the WHERE is one certified predicate ({shown}, confidence {confidence:g})")
        asked = [part for part in conjuncts(where.this if where else None) if lookups(part)]
        leveled = [part for part in asked if self._leveled(part)]
        if not leveled:
            return _ASKED if has_lookup(select) else start
        if len(asked) == 1 and number_of(asked[0]) is not None:
            return _Level(
                "certified", f"{self._question(asked[0])!r} is the only AI condition, and certified on these rows"
            )
        why = f"{self._question(leveled[0])!r} is certified for its own rows only; certificates of parts don't compose"
        return _Level("not", f"{why}: write WITH GUARANTEE behind the query")

    def _output(
        self,
        name: str,
        item: exp.Expr,
        rows: _Level,
        inside: dict[str, dict[str, _Level]],
        figured: dict[str, float] | None,
    ) -> _Columns:
        figures = [n for n in own(item) if isinstance(n, exp.Anonymous) and str(n.this).startswith(TOTAL)]
        if figures or (figured is not None and any(is_aggregate(n) for n in own(item))):
            figure = self._calls.figures[int(str(figures[0].this).removeprefix(TOTAL))] if figures else None
            confidence = (figure.demand if figure else figured or {}).get("confidence", 0.95)
            level = _Level(
                "certified",
                f"an interval with confidence {confidence:g}, for all groups at once, from rows drawn for it",
            )
            if rows.rank in ("not", "only"):
                level = _Level("only", rows.why, rows.table or "its rows")
            return [(name, level), (f"{name}_low", level), (f"{name}_high", level)]
        if figured is not None:
            return [(name, _Level("certified", "a group's key, exact; groups that hold no row for sure are left out"))]
        read = [rows]
        for column in own(item):
            if isinstance(column, exp.Column):
                read += [c[column.name.lower()] for a, c in _reach(column, inside) if column.name.lower() in c]
        if self._leveled(item):
            question = self._question(item)
            why = f"{question!r} is certified on the rows that come out"
            exact = rows.rank == "asked"
            read.append(
                _Level("certified", why) if exact else _Level("only", f"{why}; {rows.why}", "of rows that came out")
            )
        elif lookups(item) and rows.rank == "asked":
            read = [_ASKED, *read[1:]]
        return [(name, _weakest(read))]

    def _star(self, item: exp.Expr, tables: dict[str, tuple[_Columns, _Level]], rows: _Level) -> _Columns:
        wanted = item.table.lower() if isinstance(item, exp.Column) else ""
        found: _Columns = []
        for alias, (columns, _) in tables.items():
            if wanted in ("", alias):
                star = f"{alias}.*" if len(tables) > 1 else "*"
                found += [(n, _weakest([c, rows])) for n, c in columns] if columns else [(star, rows)]
        return found

    def _leveled(self, node: exp.Expr) -> bool:
        return any(self._calls.listed[number_of(c) or 0].levels for c in lookups(node))

    def _question(self, node: exp.Expr) -> str:
        first = next(c for c in lookups(node) if self._calls.listed[number_of(c) or 0].levels)
        return self._calls.listed[number_of(first) or 0].template


def _reach(column: exp.Column, inside: dict[str, dict[str, _Level]]) -> list[tuple[str, dict[str, _Level]]]:
    return [(a, {n.lower(): x for n, x in c.items()}) for a, c in inside.items() if column.table.lower() in ("", a)]


def _aggregated(select: exp.Select) -> bool:
    return bool(select.args.get("group")) or any(is_aggregate(n) for item in select.expressions for n in own(item))
