"""How files become rows: their form is found once, over more rows than DuckDB's own sample, and then fixed.

A form found in the first 20,480 rows breaks at the first quoted cell or odd number after them, when half of the calls
are paid. Finding it anew for every query would read the file many times over.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import duckdb

from rowsight.engines.ragged import check_form, may_hide_rows
from rowsight.engines.sources import Files

SAMPLED_ROWS = 2_000_000
WHOLLY_SAMPLED = 64
"""CSV files of one table that are sampled so; of more files fewer rows each are, so that many take no longer."""
_LEAST_SAMPLED = 20_480
_CSV_FORM = {
    "delim": "Delimiter",
    "quote": "Quote",
    "escape": "Escape",
    "comment": "Comment",
    "dateformat": "DateFormat",
    "timestampformat": "TimestampFormat",
}
_NONE = {"(empty)": ""}
_AS_WRITTEN = ("JSON", "UUID")
_DATES = ("DATE", "TIME")


def reading(connection: duckdb.DuckDBPyConnection, source: Files, *, dates: bool = False) -> str:
    """Return the SQL expression that reads ``source``; ``duckdb.Error`` where a file has no such form.

    JSON knows no dates: a text that looks like one stays as it is written, unless ``dates`` wants it to be one.
    """
    paths = "[" + ", ".join(map(literal, source.paths)) + "]"
    if source.format == "parquet":
        return f"read_parquet({paths}, union_by_name = true)"
    if source.format == "csv":
        return _csv(connection, source.paths)
    return _json(connection, paths, _AS_WRITTEN if dates else _AS_WRITTEN + _DATES)


def _csv(connection: duckdb.DuckDBPyConnection, paths: tuple[str, ...]) -> str:
    """Read the files in their order; neighbours of one form are read by one call, so that thousands are planned at once."""
    rows = min(SAMPLED_ROWS, max(_LEAST_SAMPLED, SAMPLED_ROWS * WHOLLY_SAMPLED // len(paths)))
    forms = [(_form(connection, path, rows), path) for path in paths]
    alike = [(form, [path for _, path in files]) for form, files in groupby(forms, lambda file: file[0])]
    each = [f"SELECT * FROM read_csv([{', '.join(map(literal, files))}], {form})" for form, files in alike]  # noqa: S608
    return "(" + " UNION ALL BY NAME ".join(each) + ")"


def _form(connection: duckdb.DuckDBPyConnection, path: str, rows: int) -> str:
    """Return the arguments of ``read_csv`` that say all that was found about one file.

    DuckDB's own text of it (``Prompt``) doesn't quote the names that stand in it.
    """
    found = _found(connection, path, rows)
    commented = found["Comment"] not in (None, *_NONE)
    if commented and (found["SkipRows"] or may_hide_rows(path, found)):  # one above the table would be left out twice
        found = _found(connection, path, rows, ", comment = ''")
    check_form(path, found)
    columns = ", ".join(f"{literal(c['name'])}: {literal(c['type'])}" for c in found["Columns"])
    given = {name: found[key] for name, key in _CSV_FORM.items() if found[key] is not None}
    form = ", ".join(f"{name} = {literal(_NONE.get(value, value))}" for name, value in given.items())
    head = f"skip = {int(found['SkipRows'])}, header = {bool(found['HasHeader'])}"
    return f"auto_detect = false, {form}, {head}, columns = {{{columns}}}"


def _found(connection: duckdb.DuckDBPyConnection, path: str, rows: int, given: str = "") -> dict[str, Any]:
    """Return what DuckDB finds out about a CSV file from its first ``rows`` rows."""
    sql = f"SELECT * EXCLUDE (Prompt) FROM sniff_csv({literal(path)}, sample_size = {rows}{given})"  # noqa: S608 - a quoted literal
    result = connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    return dict(zip(names, result.fetchall()[0], strict=True))


def _json(connection: duckdb.DuckDBPyConnection, paths: str, texts: tuple[str, ...]) -> str:
    """Read JSON with the columns found; columns whose type begins with one of ``texts`` are read as text."""
    found = f"read_json({paths}, union_by_name = true, sample_size = {SAMPLED_ROWS})"
    rows = connection.execute(f"DESCRIBE SELECT * FROM {found}").fetchall()  # noqa: S608 - quoted literals
    kinds = {str(row[0]): "VARCHAR" if str(row[1]).startswith(texts) else str(row[1]) for row in rows}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    return f"read_json({paths}, columns = {{{columns}}})"


def literal(text: str) -> str:
    """Return a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
