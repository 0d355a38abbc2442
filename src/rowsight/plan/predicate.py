"""SQL predicates of ``where``: one expression over the table's columns, that reads nothing else."""

from __future__ import annotations

from rowsight.core.errors import ColumnError, InputError, nearest


def columns_used(predicate: str, available: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that a SQL predicate reads, spelled as in ``available``.

    Raises ``InputError`` where it isn't one expression or holds a subquery, and ``ColumnError`` for unknown columns.
    """
    from sqlglot import exp, parse  # noqa: PLC0415 - only those who write SQL wait for the parser
    from sqlglot.errors import ParseError, TokenError  # noqa: PLC0415

    try:
        statements = parse(f"SELECT 1 WHERE {predicate}", dialect="duckdb")
    except (ParseError, TokenError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"where({predicate!r}) is not a SQL predicate: {first}") from error
    select = statements[0] if len(statements) == 1 else None
    if not isinstance(select, exp.Select) or {k for k, v in select.args.items() if v} - {
        "expressions",
        "where",
        "kind",
    }:
        raise InputError(f"where({predicate!r}) is not one SQL predicate; write only what stands after WHERE")
    if list(select.find_all(exp.Subquery, exp.Select)) != [select] or select.find(exp.Table):
        raise InputError(
            f"where({predicate!r}) holds a query of its own; a predicate speaks of the row's columns alone"
        )
    by_lower = {name.lower(): name for name in available}
    used: dict[str, None] = {}
    for column in select.find_all(exp.Column):
        name = column.parts[0].name
        if name.lower() not in by_lower:
            raise ColumnError(f"where({predicate!r}) names {name!r}, no column of the table{nearest(name, available)}")
        used[by_lower[name.lower()]] = None
    return tuple(used)
