"""``rowsight sql``: a query with AI functions over files, DuckDB databases and named tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.core.errors import InputError, UnansweredError
from rowsight.surfaces.cli.options import MODEL_OPTIONS, ON_FAILURE_OPTION, run_options, with_options
from rowsight.surfaces.cli.terminal import say

if TYPE_CHECKING:
    from rowsight.execution.queried import QueryResult

_MODEL = click.option("--model", metavar="NAME", help="The model to ask; needed where an AI function stands.")


@click.command("sql")
@click.argument("query", required=False)
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="Read the query from a file.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="CSV, JSON Lines, Parquet or Arrow.")
@click.option("--database", type=click.Path(path_type=Path), metavar="FILE", help="A DuckDB database, read only.")
@click.option("--table", "tables", multiple=True, metavar="NAME=FILE", help="A file by a name; repeatable.")
@click.option("--allow", is_flag=True, help="Let functions in the query read other files.")
@with_options((ON_FAILURE_OPTION, _MODEL, *MODEL_OPTIONS[1:]))
def sql(query: str | None, file: Path | None, **values: Any) -> int:
    """Run QUERY: DuckDB's SQL, in which AI_FILTER, AI_CLASSIFY and the like may stand.

    Example: rowsight sql "SELECT id FROM 'tickets.parquet' WHERE AI_FILTER('Is this about delivery?', body)" --model NAME
    """
    from rowsight.session import Session  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.cli import show  # noqa: PLC0415
    from rowsight.surfaces.sql import connect  # noqa: PLC0415

    show.check_output(values["out"])
    options = run_options(values)
    session = Session(state=values["state"], listener=show.ProgressLine(quiet=True))
    tables = dict(_named(table) for table in values["tables"])
    connection = connect(values["database"], tables=tables, allow=values["allow"], session=session, **options)
    try:
        result = connection.sql(_text(query, file))
    except UnansweredError as error:
        _write(error.result, values["out"])
        raise
    _write(result, values["out"])
    _show(result, as_json=values["as_json"])
    return 3 if result.report.budget_spent else 0


def _text(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise InputError("give a query or -f FILE, one of the two")
    if file is None:
        return query or ""
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no UTF-8 text") from error


def _named(table: str) -> tuple[str, str]:
    name, equals, path = table.partition("=")
    if not (name.strip() and equals and path.strip()):
        raise InputError(f"--table {table!r} is not NAME=FILE; write one such as tickets=data/tickets.parquet")
    return name.strip(), path.strip()


def _write(result: QueryResult, out: Path | None) -> None:
    if out is not None:
        result.write(out)
        result.report.output = str(out)


def _show(result: QueryResult, *, as_json: bool) -> None:
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    report = result.report
    if as_json:
        show.json_object({**report.as_dict(), "result_rows": len(result)})
        return
    if result.rows.column_names == ["plan"]:
        say("\n".join(str(row[0]) for row in result.fetchall()))
        return
    if report.output is None:
        show.rows(result.rows.slice(0, show.SHOWN_ROWS), len(result))
    else:
        say(f"Written to {report.output}: {len(result):,} rows")
    if report.asks:
        say(show.report_text(report))


COMMANDS = {"sql": sql}
