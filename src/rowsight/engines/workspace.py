"""A DuckDB connection for one query: its tables by name, functions of ours, and a lock on everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rowsight.core.errors import InputError, SourceError
from rowsight.core.scratch import Scratch
from rowsight.engines.duckdb import _first_line, _quoted, _spooled
from rowsight.engines.lock import lock
from rowsight.engines.reading import literal, reading
from rowsight.engines.sources import Files, Source

_SETTINGS: dict[str, str | int | bool] = {"memory_limit": "400MB", "python_enable_replacements": False}
Function = Callable[..., pa.Array]


class QueryError(InputError):
    """DuckDB doesn't run a query; the message is its own first line."""


class Workspace:
    """Tables by name in a database of their own. Locked: SQL reads these and nothing else, and changes no setting.

    ``databases`` are DuckDB files, attached for reading under the names given; their tables are found without it, too.
    """

    def __init__(self, sources: Mapping[str, Source], databases: Mapping[str, Path], *, locked: bool = True) -> None:
        self._directory = Scratch()
        self._connection = duckdb.connect(config={**_SETTINGS, "temp_directory": self._directory.name})
        try:
            for name, path in databases.items():
                self._attach(name, path, locked=locked)
            for name, source in sources.items():
                self.name(name, source)
            if locked:
                lock(
                    self._connection,
                    [p for s in sources.values() if isinstance(s, Files) for p in s.paths],
                    self._directory.name,
                )
        except BaseException:
            self.close()
            raise

    def name(self, name: str, source: Source) -> None:
        """Let ``source`` be read as table ``name``."""
        if not isinstance(source, Files):
            self._connection.register(name, source.table if hasattr(source, "table") else _spooled(source))
            return
        try:
            found = reading(self._connection, source, dates=True)
            self._connection.execute(f"CREATE VIEW {_quoted(name)} AS SELECT * FROM {found}")  # noqa: S608 - quoted
        except (duckdb.Error, OSError) as error:
            raise SourceError(f"{source.shown} can't be read as {source.format}: {_first_line(error)}") from error

    def function(self, name: str, function: Function, arity: int, returns: pa.DataType) -> None:
        """Let SQL call ``function`` of ``arity`` texts, NULLs among them."""
        kinds: Any = ["VARCHAR"] * arity
        make: Any = self._connection.create_function
        make(name, with_arity(function, arity), kinds, type_name(returns), type="arrow", null_handling="special")

    def columns(self, sql: str) -> tuple[str, ...] | None:
        """Return the names of a query's columns, ``None`` where it names what isn't there."""
        try:
            found = self._connection.execute(f"SELECT * FROM ({sql}) LIMIT 0").description  # noqa: S608 - a query only
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
            return None
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        return tuple(column[0] for column in found or ())

    def table(self, sql: str) -> pa.Table:
        """Return all rows of one query."""
        self._one_query(sql)
        try:
            return self._connection.sql(sql).to_arrow_table()
        except (duckdb.Error, pa.ArrowException) as error:
            raise QueryError(_first_line(error)) from error

    def register(self, name: str, table: pa.Table) -> None:
        """Let an Arrow table be read as ``name``, in place of the one before."""
        self._connection.register(name, table)

    def keep(self, name: str, sql: str) -> None:
        """Keep the rows of a query as table ``name`` as long as the workspace lives."""
        self._one_query(sql)
        try:
            self._connection.execute(f"CREATE TEMP TABLE {_quoted(name)} AS {sql}")
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error

    def run(self, sql: str) -> pa.Table:
        """Run any one statement: for connections that are not locked."""
        try:
            found = self._connection.sql(sql)
            return pa.table({}) if found is None else found.to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error

    def close(self) -> None:
        """Release the connection and its files."""
        self._connection.close()
        self._directory.close()

    def _one_query(self, sql: str) -> None:
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError("that is no single query")

    def _attach(self, name: str, path: Path, *, locked: bool) -> None:
        mode = " (READ_ONLY)" if locked else ""
        try:
            self._connection.execute(f"ATTACH {literal(str(path))} AS {_quoted(name)}{mode}")
            found = self._connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = ?", [name]
            ).fetchall()
            for schema, table in found:
                target = ".".join(map(_quoted, (name, schema, table)))
                if schema == "main":
                    self._connection.execute(f"CREATE VIEW {_quoted(table)} AS SELECT * FROM {target}")  # noqa: S608
        except (duckdb.Error, OSError) as error:
            raise SourceError(f"{path} can't be read as a DuckDB database: {_first_line(error)}") from error

    def tables(self, database: str) -> list[str]:
        """Return the names of a database's tables, as ``schema.table``."""
        found = self._connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_catalog = ?",
            [database],
        )
        return [row[0] for row in found.fetchall()]


def with_arity(function: Function, arity: int) -> Function:
    """Return ``function`` with a signature of ``arity`` columns, by which DuckDB knows how many to give."""

    def columns(*given: pa.Array) -> pa.Array:
        return function(*given)

    parameters = [Parameter(f"a{i}", Parameter.POSITIONAL_ONLY) for i in range(arity)]
    columns.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature reads
    return columns


def type_name(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type that answers have."""
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f"{_quoted(f.name)} {type_name(f.type)}" for f in kind) + ")"
    if pa.types.is_list(kind):
        return f"{type_name(kind.value_type)}[]"
    names = {pa.bool_(): "BOOLEAN", pa.float64(): "DOUBLE", pa.int64(): "BIGINT", pa.string(): "VARCHAR"}
    return names[kind]
