"""Plan a query with AI calls: clause by clause, innermost query first, ask only about rows that are not decided yet.

Each call is a lookup function of its arguments, defined on the answers that are there. A stage computes the argument
tuples that a clause still needs, in SQL over the lookups of the calls before it; when every stage has been asked, the
query itself, with its lookups, gives the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sqlglot import exp

from rowsight.plan.sql import composite, order, top, totals
from rowsight.plan.sql.calls import Calls, number_of
from rowsight.plan.sql.clauses import (
    forbidden,
    is_aggregate,
    joined,
    refuse,
    spelled_out,
    volatile,
    volatile_value,
    within,
)
from rowsight.plan.sql.guards import decided, guard, true
from rowsight.plan.sql.place import SqlError
from rowsight.plan.sql.pushdown import pushed_down
from rowsight.plan.sql.reach import Demands
from rowsight.plan.sql.requests import Ask, Columns, Giving, Materialize, Measure, Planning, Steps
from rowsight.plan.sql.source import Scope, Source, rendered, scoped
from rowsight.plan.sql.walk import conjunction, conjuncts, has_lookup, lookups, nested, own

_SLICE = 4096
_MOMENTS = ("now", "today", "transaction_timestamp", "get_current_timestamp", "current_localtimestamp")


def plan(tree: exp.Query, calls: Calls, demands: Demands | None = None) -> Planning:
    """Yield what must be asked, and return the SQL of the result. ``tree`` is changed in place.

    ``demands``: the levels demanded of its SELECTs (``reach``).
    """
    planner = _Planner(calls, levels=demands or {})
    pushed_down(tree)
    yield from _one_moment(tree)
    yield from planner.query(tree, ())
    planner.nothing_left(tree)
    return rendered(tree)


def _one_moment(tree: exp.Query) -> Steps:
    """Fix the time: stages run one after the other, and all of them mean the moment at which the query began."""
    kinds = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Localtimestamp, exp.Localtime)
    moments: list[exp.Expr] = list(tree.find_all(*kinds))
    moments += [n for n in tree.find_all(exp.Anonymous) if str(n.this).lower() in _MOMENTS]
    if moments:
        columns = ", ".join(f"{rendered(m)} AS m{i}" for i, m in enumerate(moments))
        yield Materialize("__kept_moment", f"SELECT {columns}")
    for i, moment in enumerate(moments):
        moment.replace(exp.Subquery(this=exp.select(f"m{i}").from_("__kept_moment")))


@dataclass
class _Planner:
    calls: Calls
    handled: set[int] = field(default_factory=set)
    kept: int = 0
    levels: Demands = field(default_factory=dict)
    """The guarantee demanded of a SELECT, by its identity."""

    def query(self, query: exp.Query, scope: Scope) -> Steps:
        """Plan a query and those in it."""
        scope = yield from self._with(query, scope)
        if isinstance(query, exp.Subquery):
            if not isinstance(query.this, exp.Query):
                return
            yield from self.query(query.this, scope)
        elif isinstance(query, exp.SetOperation):
            yield from self.query(query.left, scope)
            yield from self.query(query.right, scope)
        elif isinstance(query, exp.Select):
            yield from self._select(query, scope)

    def nothing_left(self, tree: exp.Query) -> None:
        """Refuse a call that no stage has reached: it would stay without answers."""
        for node in tree.find_all(exp.Anonymous):
            if number_of(node) is not None and id(node) not in self.handled:
                raise refuse(node, "an AI call here", "call it in the SELECT list of a derived table or a WITH")

    def _with(self, query: exp.Query, scope: Scope) -> Giving[Scope]:
        ctes = query.args["with_"].expressions if query.args.get("with_") else []
        recursive = bool(ctes) and bool(query.args["with_"].args.get("recursive"))
        for place, cte in enumerate(ctes):
            inside = (tuple(ctes[:place]), *scope) if place else scope
            if recursive and has_lookup(cte.this):
                raise refuse(cte, "an AI call in a recursive WITH", "call it in the query that reads the WITH")
            if not recursive:
                yield from self.query(cte.this, inside)
                yield from self._fixed(cte.this, inside)
        return (tuple(ctes), *scope) if ctes else scope

    def _fixed(self, query: exp.Query, scope: Scope) -> Steps:
        """Keep the rows of a query that could give others when it is run again."""
        if not volatile(query):
            return
        name = f"__kept_{self.kept}"
        self.kept += 1
        target = query.this if isinstance(query, exp.Subquery) else query
        yield Materialize(name, scoped(target, scope))
        kept = exp.select("*").from_(name)
        self.handled.update(id(n) for n in target.find_all(exp.Anonymous))
        target.replace(kept)

    def _select(self, select: exp.Select, scope: Scope) -> Steps:
        joined(select)
        ctes = select.args.get("with_")
        for inner in nested(select):
            if ctes is None or inner.find_ancestor(exp.With) is not ctes:
                yield from self._nested(inner, select, scope)
        if lookups(select):
            yield from _Block(self, select, scope[1:] if ctes else scope).steps()

    def _nested(self, inner: exp.Query, select: exp.Select, scope: Scope) -> Steps:
        bare = inner.this if isinstance(inner, exp.Subquery) and isinstance(inner.this, exp.Query) else inner
        alone = isinstance(inner.parent, (exp.From, exp.Join))
        asked, redrawn = has_lookup(inner), bool(lookups(select)) and volatile(bare)
        if not alone and (asked or redrawn):
            alone = (yield Columns(scoped(bare, scope))) is not None
        if asked and not alone:
            rewrite = "join the two tables, or call it in a derived table and join that"
            raise refuse(inner, "an AI call in a correlated subquery", rewrite)
        if asked:
            yield from self.query(inner, scope)
        if redrawn and alone:
            yield from self._fixed(inner, scope)


class _Block:
    """One SELECT with AI calls of its own. ``outer`` holds the WITHs around it; its own it carries itself."""

    def __init__(self, planner: _Planner, select: exp.Select, outer: Scope) -> None:
        self._planner, self.select, self._outer = planner, select, outer
        self._counted: list[exp.Expr] = []
        """The AI conditions of WHERE whose rows are only counted, summed and averaged, under a guarantee."""
        self._source = Source(select, outer)

    def steps(self) -> Steps:
        """Plan the clauses in the order in which SQL means them."""
        forbidden(self.select)
        totals.misplaced(self.select, self._planner.calls)
        self._deterministic()
        columns = yield Columns(scoped(self._source.query([exp.Star()]), self._outer))
        spelled_out(self.select, columns or ())
        first = top.fast(self.select, self._planner.calls)
        yield from self._where(self._clause("where"))
        self._source = replace(self._source, where=tuple(conjuncts(self._clause("where"))))
        if self.select.args.get("group"):
            for item in self.select.args["group"].expressions:
                yield from self._items(item, "GROUP BY", {"clause", "window"})
        yield from self._totals()
        yield from self._everywhere("aggregate")
        self._source = replace(self._source, grouped=True)
        yield from self._filtered("having")
        yield from self._everywhere("window")
        yield from self._filtered("qualify")
        if first is not None:
            yield top.request(self.select, first, self._source)
            self._planner.handled.update(id(call) for call in lookups(self.select) if call == first)
        yield from self._outputs()

    def _deterministic(self) -> None:
        tables = [self.select.args.get("from_"), *(self.select.args.get("joins") or [])]
        parts = [*self._clauses(), *(t for t in tables if t is not None)]
        sampled = self.select.args.get("sample") or any(
            n for p in parts for n in own(p) if isinstance(n, exp.TableSample)
        )
        random = any(volatile_value(n) for p in parts for n in own(p))
        if sampled or random:
            what = "an AI call beside a sample or a random value"
            raise refuse(self.select, what, "draw in a derived table: FROM (SELECT * FROM t USING SAMPLE 100) AS t")

    def _clause(self, name: str) -> exp.Expr | None:
        node = self.select.args.get(name)
        return None if node is None else node.this

    def _clauses(self) -> list[exp.Expr]:
        named = [self.select.args.get(n) for n in ("where", "group", "having", "qualify", "order", "distinct")]
        return [*self.select.expressions, *(n for n in named if n is not None)]

    # WHERE

    def _where(self, where: exp.Expr | None) -> Steps:
        parts = conjuncts(where)
        plain = [p for p in parts if not lookups(p)]
        asked = [p for p in parts if lookups(p)]
        source = self._source.also(*plain)
        if (levels := self._planner.levels.get(id(self.select))) is not None:
            yield from self._certified(source, asked, levels)
            return
        most = self._most()
        if most is not None:
            yield from self._until_full(source, asked, most)
            return
        if not any(self._leveled(part) for part in asked):
            asked = yield from order.ordered(asked, source, self._planner.calls)
        for part in asked:
            yield from self._calls(part, source, "WHERE", truth=True)
            source = source.also(part)

    def _certified(self, source: Source, asked: list[exp.Expr], levels: dict[str, float]) -> Steps:
        if any(self._leveled(part) for part in asked):
            raise SqlError("a call has a guarantee of its own and the query has one, too; leave one of them out")
        if totals.aggregated(self.select):
            self._counted = asked
            plain = conjunction(list(source.where))
            self.select.set("where", None if plain is None else exp.Where(this=plain))
            return
        if extra := levels.keys() & {"within", "calls"}:
            raise SqlError(
                f"{min(extra)} says how narrow a count is; the rows of this query have precision, recall or accuracy"
            )
        request, found = composite.certified(source, asked, self._planner.kept, levels)
        self._planner.kept += 1
        yield request
        self.select.set("where", exp.Where(this=conjunction([*source.where, found])))

    def _leveled(self, node: exp.Expr) -> bool:
        """Say whether a call of ``node`` has a guarantee of its own: it wants all its rows at once."""
        return any(self._planner.calls.listed[number_of(c) or 0].levels for c in lookups(node))

    def _most(self) -> int | None:
        """Return how many rows a LIMIT without an order wants, where no clause looks at more rows than it gives."""
        limit, offset = self.select.args.get("limit"), self.select.args.get("offset")
        others = any(self.select.args.get(n) for n in ("order", "distinct", "group", "having", "qualify"))
        if limit is None or others or self._leveled(self.select):
            return None
        numbers = [n.expression for n in (limit, offset) if n is not None]
        if not all(isinstance(n, exp.Literal) and n.this.isdigit() for n in numbers):
            return None
        items = self.select.expressions
        kinds = [n for i in items for n in own(i) if isinstance(n, exp.Window) or is_aggregate(n)]
        return None if kinds else sum(int(n.this) for n in numbers)

    def _until_full(self, source: Source, asked: list[exp.Expr], most: int) -> Steps:
        """Ask in slices until ``most`` rows are known to pass, and let only decided rows pass."""
        sure = [d for part in asked for d in decided(part, truth=True)]
        tried, size = 0, max(1, most)
        while asked:
            (full,) = yield Measure(source.also(*asked).count(sure, most))
            if full >= most:
                break
            fresh = yield from self._slice(source, asked, size)
            if not fresh:
                break
            tried += fresh
            size = min(_SLICE, max(1, math.ceil((most - full) * (tried + 1) / (full + 1))))
        sure += yield from self._shown(source.also(*asked, *sure), most)
        if (whole := conjunction([*source.where, *asked, *sure])) is not None:
            self.select.set("where", exp.Where(this=whole))
            self._done(whole)

    def _slice(self, source: Source, asked: list[exp.Expr], size: int) -> Giving[int]:
        fresh = 0
        for part in asked:
            for call in lookups(part):
                needed = guard(call, part, truth=True)
                fresh += yield self._ask(call, source.arguments(call, needed, fresh=True), "WHERE, until full", size)
            source = source.also(part, *decided(part, truth=True))
        return fresh

    def _shown(self, source: Source, most: int) -> Giving[list[exp.Expr]]:
        """Ask the outputs about no more rows than come out; return what holds of the rows that may."""
        sure: list[exp.Expr] = []
        for item in self.select.expressions:
            for call in lookups(item):
                rows = replace(source.also(*sure), limit=most)
                yield self._ask(call, rows.arguments(call, guard(call, item, truth=False)), "SELECT, until full")
            sure += decided(item, truth=False)
            self._done(item)
        return sure

    def _totals(self) -> Steps:
        """Plan what comes with intervals: aggregates over a WHERE under a guarantee, and AI aggregates."""
        number = self._planner.kept
        if (predicate := conjunction(self._counted)) is not None:
            levels = self._planner.levels[id(self.select)]
            yield from totals.under_guarantee(self.select, self._source, predicate, levels, number)
            number += 1
        self._planner.kept = yield from totals.planned(self.select, self._source, self._planner.calls, number)

    # the clauses after WHERE

    def _everywhere(self, kind: str) -> Steps:
        """Plan the calls that stand in an aggregate, or in a window, of any clause."""
        for clause in self._clauses():
            if not isinstance(clause, (exp.Where, exp.Group)):
                yield from self._items(clause, kind, {kind})

    def _items(self, clause: exp.Expr, why: str, kinds: set[str]) -> Steps:
        for call in lookups(clause):
            if id(call) in self._planner.handled:
                continue
            found = within(call, clause)
            if found.kind in kinds:
                needed = guard(call, found.top, truth=False)
                if found.condition is not None:
                    needed = [true(found.condition), *needed]
                yield from self._one(call, self._source, needed, why)

    def _filtered(self, name: str) -> Steps:
        node = self._clause(name)
        parts = conjuncts(node)
        plain = [p for p in parts if not lookups(p)]
        setting = {"having": tuple(plain)} if name == "having" else {"qualify": tuple(plain)}
        source = replace(self._source, **setting)  # type: ignore[arg-type]  # the two fields have one type
        for part in [p for p in parts if lookups(p)]:
            yield from self._calls(part, source, name.upper(), truth=True)
            more = (*getattr(source, name), part)
            source = replace(source, having=more) if name == "having" else replace(source, qualify=more)
        self._source = source

    def _outputs(self) -> Steps:
        clauses = [c for c in self._clauses() if isinstance(c, (exp.Order, exp.Distinct))]
        for clause in clauses:
            yield from self._items(clause, type(clause).__name__.upper(), {"clause"})
        source = self._first_rows()
        for item in self.select.expressions:
            yield from self._calls(item, source, "SELECT", truth=False)

    def _first_rows(self) -> Source:
        """Return the rows of which outputs are computed: with ORDER BY and LIMIT only those that can come out."""
        ordering, limit = self.select.args.get("order"), self.select.args.get("limit")
        offset = self.select.args.get("offset")
        numbers = [n.expression for n in (limit, offset) if n is not None]
        plain = all(isinstance(n, exp.Literal) and n.this.isdigit() for n in numbers)
        if ordering is None or limit is None or not plain or self.select.args.get("distinct") or self._source.qualify:
            return self._source
        if any(isinstance(o, exp.Ordered) and isinstance(o.this, (exp.Var, exp.Literal)) for o in ordering.expressions):
            return self._source
        if any(isinstance(n, exp.Window) for n in own(ordering)):
            return self._source
        return replace(self._source, limit=sum(int(n.this) for n in numbers), rank=ordering)

    # one call

    def _calls(self, part: exp.Expr, source: Source, why: str, *, truth: bool) -> Steps:
        for call in lookups(part):
            if id(call) not in self._planner.handled:
                yield from self._one(call, source, guard(call, part, truth=truth), why)

    def _one(self, call: exp.Expr, source: Source, needed: list[exp.Expr], why: str) -> Steps:
        if not (source.grouped and self._is_group(call)):
            sql = source.arguments(call, needed)
            if source.grouped and (yield Columns(sql)) is None:
                sql = replace(source, grouped=False, having=(), qualify=(), rank=None, limit=None).arguments(call, [])
            yield self._ask(call, sql, why)
        self._planner.handled.add(id(call))

    def _is_group(self, call: exp.Expr) -> bool:
        """Say whether ``call`` is part of an expression that is grouped by: those were asked before grouping."""
        group = self.select.args.get("group")
        if group is None or call.find_ancestor(exp.Group) is not None:
            return False
        grouped = [n for item in group.expressions for n in own(item)]
        node: exp.Expr | None = call
        while node is not None and node is not self.select:
            if any(node == g for g in grouped):
                return True
            node = node.parent
        return False

    def _done(self, part: exp.Expr) -> None:
        self._planner.handled.update(id(call) for call in lookups(part))

    def _ask(self, call: exp.Expr, sql: str, why: str, most: int | None = None) -> Ask:
        number = number_of(call)
        assert number is not None
        return Ask(number, sql, why, most)
