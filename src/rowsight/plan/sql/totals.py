"""Counts, sums, shares and averages with intervals: ``AI_COUNT_IF(...)``, and aggregates over a WHERE under a guarantee.

Each becomes a request for totals over the groups of the SELECT, and in the query a function that says them by the groups'
keys. A figure that is an output of its own is followed by ``<name>_low`` and ``<name>_high``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from rowsight.plan.sql.calls import TOTAL, Calls, Figure
from rowsight.plan.sql.clauses import is_aggregate
from rowsight.plan.sql.composite import population
from rowsight.plan.sql.place import Place, SqlError
from rowsight.plan.sql.requests import Giving, Total
from rowsight.plan.sql.source import Source
from rowsight.plan.sql.walk import has_lookup, own

SAID = "__estimate_"
_TEXT = exp.DataType.build("VARCHAR")
_PARTS = (("_low", "l"), ("_high", "h"))
_KEPT = (exp.Paren, exp.Cast, exp.Round, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div)
"""What may stand around one aggregate: a bound of it gives a bound of the whole."""


def figures(select: exp.Select, calls: Calls) -> list[tuple[exp.Expr, Figure]]:
    """Return the AI aggregates of a SELECT, in the order they are written."""
    found = [n for n in own(select) if isinstance(n, exp.Anonymous) and str(n.this).startswith(TOTAL)]
    return [(n, calls.figures[int(str(n.this).removeprefix(TOTAL))]) for n in found]


def planned(select: exp.Select, source: Source, calls: Calls, number: int) -> Giving[int]:
    """Ask for the AI aggregates of a SELECT and put what says them in their place; return the next free number."""
    while found := figures(select, calls):
        node, figure = found[0]
        keys = _keys(select, figure)
        rows = _Rows(source, node.expressions[0], keys, number)
        yield rows.request(figure.demand, figure.bounds)
        same = [n for n, _ in found if n == node]
        for one in same:
            _placed(one, rows, figure.kind, counted=figure.kind == "count")
        number += 1
    return number


def under_guarantee(
    select: exp.Select, source: Source, predicate: exp.Expr, levels: dict[str, float], number: int
) -> Giving[None]:
    """Ask for the counts, sums and averages of a SELECT over the rows for which ``predicate`` holds."""
    rows = _Rows(source, predicate, _keys(select, None), number)
    placing: list[Callable[[], None]] = []
    grouped = select.args["group"].expressions if select.args.get("group") else []
    for item in list(select.expressions):
        bare = item.this if isinstance(item, exp.Alias) else item
        if not any(bare == key for key in grouped):
            _named(item)
    for item in [*select.expressions, *_ordering(select)]:
        placing += [_over(node, rows) for node in own(item) if is_aggregate(node)]
    yield rows.request({**levels, "counted": 1.0}, (0.0, 1.0))
    for place in placing:
        place()
    if grouped:
        possible = exp.GT(this=rows.said("count", "", "h", counted=False), expression=exp.Literal.number(0))
        select.set("having", exp.Having(this=possible))


def aggregated(select: exp.Select) -> bool:
    """Say whether a SELECT gives groups in place of rows."""
    return bool(select.args.get("group")) or any(is_aggregate(n) for item in select.expressions for n in own(item))


@dataclass
class _Rows:
    """The rows of one request, the groups' keys, and the numbers that rows are weighed by."""

    source: Source
    predicate: exp.Expr
    keys: list[exp.Expr]
    number: int
    measures: list[exp.Expr] = field(default_factory=list)
    averaged: set[int] = field(default_factory=set)

    def measure(self, node: exp.Expr, *, averaged: bool = False) -> str:
        """Return the name of a measure."""
        place = next((i for i, m in enumerate(self.measures) if m == node), len(self.measures))
        if place == len(self.measures):
            self.measures.append(node.copy())
        self.averaged |= {place} if averaged else set()
        return str(place)

    def said(self, kind: str, measure: str, part: str, *, counted: bool) -> exp.Expr:
        """Return the function that says one figure."""
        which = exp.Literal.string(f"{kind} {measure} {part}")
        arguments = [exp.Cast(this=exp.Paren(this=key.copy()), to=_TEXT) for key in self.keys]
        found: exp.Expr = exp.Anonymous(this=f"{SAID}{self.number}", expressions=[which, *arguments])
        if not self.keys:  # one row comes out, from whatever rows there are
            some = exp.GTE(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))
            found = exp.Case(ifs=[exp.If(this=some, true=found)])
        return exp.Cast(this=found, to=exp.DataType.build("BIGINT")) if counted else found

    def request(self, demand: dict[str, float], bounds: tuple[float, float]) -> Total:
        """Return the request for all figures."""
        beside = [_as(exp.Cast(this=exp.Paren(this=k.copy()), to=_TEXT), f"g{i}") for i, k in enumerate(self.keys)]
        for i, measure in enumerate(self.measures):
            beside.append(_as(exp.Cast(this=exp.Paren(this=measure.copy()), to=exp.DataType.build("DOUBLE")), f"e{i}"))
        rows, _ = population(
            self.source, self.predicate, self.number, levels={}, beside=beside, number_wanted=True
        )  # fmt: skip
        averaged = tuple(sorted(self.averaged))
        wanted = tuple(sorted(demand.items()))
        return Total(
            f"{SAID}{self.number}", rows, len(self.keys), len(self.measures), averaged, bounds, wanted
        )  # fmt: skip


def _as(node: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=node, alias=exp.to_identifier(name))


def _keys(select: exp.Select, figure: Figure | None) -> list[exp.Expr]:
    group = select.args.get("group")
    if group is None:
        return []
    if any(isinstance(e, (exp.Rollup, exp.Cube, exp.GroupingSets)) for e in group.expressions):
        rewrite = "intervals stand in plain groups; write one query for each grouping"
        raise SqlError(f"ROLLUP, CUBE or GROUPING SETS with estimates can't be run; {rewrite}", _place(figure))
    return list(group.expressions)


def _place(figure: Figure | None) -> Place | None:
    return None if figure is None else figure.place


def misplaced(select: exp.Select, calls: Calls) -> None:
    """Refuse AI aggregates where SQL has no groups yet, or where their interval would be lost."""
    for node, figure in figures(select, calls):
        above = node.parent
        while above is not None and above is not select:
            if isinstance(above, exp.Where):
                raise SqlError(f"{figure.name} in WHERE can't be run; write it in HAVING", figure.place)
            if isinstance(above, (exp.Group, exp.Join, exp.Window)) or is_aggregate(above):
                what = "a window" if isinstance(above, exp.Window) else "GROUP BY, a join or in an aggregate"
                raise SqlError(
                    f"{figure.name} in {what} can't be run; call it in a derived table and read its column",
                    figure.place,
                )
            above = above.parent


def _named(item: exp.Expr) -> exp.Alias:
    """Give an output the name that DuckDB would."""
    if isinstance(item, exp.Alias):
        return item
    bare = item.this if isinstance(item, exp.Paren) else item
    star = isinstance(bare, exp.Count) and (bare.this is None or isinstance(bare.this, exp.Star))
    name = "count_star()" if star else item.sql("duckdb", normalize_functions="lower")
    made = exp.Alias(this=item.copy(), alias=exp.to_identifier(name, quoted=True))
    item.replace(made)
    return made


def _ordering(select: exp.Select) -> list[exp.Expr]:
    order = select.args.get("order")
    return [] if order is None else list(order.expressions)


def _over(node: exp.Expr, rows: _Rows) -> Callable[[], None]:
    """Return how an aggregate is replaced, once its rows are asked for; ``SqlError`` where it has no interval."""
    kinds: dict[type[exp.Expr], str] = {exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg"}
    kind = kinds.get(type(node))
    shown = node.sql("duckdb")
    beside = isinstance(node.parent, (exp.Filter, exp.WithinGroup)) or isinstance(node.this, exp.Distinct)
    if kind is None or beside or has_lookup(node):
        rewrite = "give count, sum or avg of ordinary expressions, or leave WITH GUARANTEE out"
        raise SqlError(f"{shown[:60]} over certified rows has no interval; {rewrite}")
    star = node.this is None or isinstance(node.this, exp.Star)
    if kind == "count" and not star:
        nothing = exp.Is(this=exp.Paren(this=node.this.copy()), expression=exp.Null())
        measured = exp.Case(ifs=[exp.If(this=exp.Not(this=nothing), true=exp.Literal.number(1))])
        measure = rows.measure(measured)
    else:
        measure = "" if star else rows.measure(node.this, averaged=kind == "avg")
    figure = "sum" if kind == "count" and measure else kind
    return lambda: _placed(node, rows, figure, measure, counted=kind == "count")


def _placed(node: exp.Expr, rows: _Rows, kind: str, measure: str = "", *, counted: bool) -> None:
    """Put what says a figure in the place of ``node``, and its bounds behind an output that is made of it."""
    item = node
    while item.parent is not None and not isinstance(item.parent, exp.Select):
        item = item.parent
    select = item.parent
    if item.arg_key == "expressions" and isinstance(select, exp.Select):
        node_path, item = _path(node, item), _named(item)
        if node_path is not None:
            _bounded(select, item, node_path, lambda part: rows.said(kind, measure, part, counted=counted))
        node = _at(item, node_path) if node_path is not None else node
    node.replace(rows.said(kind, measure, "v", counted=counted))


def _path(node: exp.Expr, item: exp.Expr) -> list[str] | None:
    """Return the way from an output's expression to ``node`` where a bound of it bounds the whole; ``None`` elsewhere."""
    path: list[str] = []
    bare = item.this if isinstance(item, exp.Alias) else item
    while node is not bare:
        parent = node.parent
        if not isinstance(parent, _KEPT) or (isinstance(parent, exp.Div) and node.arg_key != "this"):
            return None
        others = [c for c in parent.iter_expressions() if c is not node]
        if any(c.find(exp.Column, exp.Anonymous, exp.AggFunc) for c in others):
            return None
        path.append(str(node.arg_key))
        node = parent
    return path[::-1]


def _at(item: exp.Expr, path: list[str]) -> exp.Expr:
    found: exp.Expr = item.this if isinstance(item, exp.Alias) else item
    for step in path:
        found = found.args[step]
    return found


def _bounded(select: exp.Select, item: exp.Expr, path: list[str], said: Callable[[str], exp.Expr]) -> None:
    """Add the two ends of an output behind it; a factor below 0 turns them round."""
    ends = []
    for part in ("l", "h"):
        whole = item.copy()
        _at(whole, path).replace(said(part))
        ends.append(whole.this if isinstance(whole, exp.Alias) else whole)
    outputs = list(select.expressions)
    place = next(i for i, e in enumerate(outputs) if e is item)
    made: list[exp.Expr] = []
    for (suffix, _), function in zip(_PARTS, (exp.Least, exp.Greatest), strict=True):
        bound = function(this=ends[0].copy(), expressions=[ends[1].copy()]) if path else ends[len(made)]
        made.append(exp.Alias(this=bound, alias=exp.to_identifier(f"{item.alias}{suffix}", quoted=True)))
    select.set("expressions", [*outputs[: place + 1], *made, *outputs[place + 1 :]])
