"""DuckDB as the engine: reads files and Arrow, streams record batches, and is locked to what the user named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from rowsight.core.errors import InputError, SourceError
from rowsight.core.scratch import Scratch
from rowsight.engines.base import text_name
from rowsight.engines.lock import lock
from rowsight.engines.reading import reading
from rowsight.engines.sources import Files, ReadOnce, Source
from rowsight.engines.spool import IpcSpool
from rowsight.plan.nodes import Ask, Limit, Node, Project, Scan, Where

if TYPE_CHECKING:
    from rowsight.engines.base import Spool

_CSV_LINES = 3
_MORE_MEMORY = (
    "a cell larger than the engine's memory can't be read: give it more with "
    "rowsight.Session(engine=DuckDBEngine(memory_mb=6000))"
)


class DuckDBEngine:
    """The engine of one machine. ``memory_mb`` bounds DuckDB's own memory; past it, it works on disk."""

    def __init__(self, *, memory_mb: int = 400, threads: int | None = None) -> None:
        self._settings: dict[str, str | int] = {"memory_limit": f"{memory_mb}MB"}
        if threads is not None:
            self._settings["threads"] = threads

    def schema(self, source: Source) -> pa.Schema:
        """Return the columns of a source; ``SourceError`` where it can't be read."""
        if isinstance(source, ReadOnce):
            return source.schema
        relations = self.open({"source": source})
        try:
            return relations.schema(Scan("source", ()))
        finally:
            relations.close()

    def open(self, sources: Mapping[str, Source]) -> DuckDBRelations:
        """Open the sources of one run. SQL that runs there can read these and nothing else."""
        return DuckDBRelations(sources, self._settings)


class DuckDBRelations:
    """One locked connection: no file outside the sources, no setting, extension or attachment can be reached by SQL."""

    def __init__(self, sources: Mapping[str, Source], settings: Mapping[str, str | int]) -> None:
        self._directory = Scratch()
        self._connection = duckdb.connect(config={**settings, "temp_directory": self._directory.name})
        self._views: dict[str, str] = {}
        self._objects: dict[str, pa.Table] = {}
        self._spools = 0
        for number, (name, source) in enumerate(sources.items()):
            self._views[name] = self._view(f"source_{number}", source)
        lock(self._connection, [path for s in sources.values() for path in _paths(s)], self._directory.name)

    def schema(self, node: Node) -> pa.Schema:
        """Return the Arrow schema of a relational node (one without an ``Ask`` below it)."""
        reader = self._read(f"SELECT * FROM ({self.sql(node)}) LIMIT 0", 1)  # noqa: S608 - compiled from checked nodes
        schema: pa.Schema = reader.schema
        return schema

    def stream(self, node: Node, texts: tuple[str, ...], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a relational node in order, with the text columns that questions need."""
        schema = self.schema(node)
        casts = [
            f", CAST({_quoted(c)} AS VARCHAR) AS {_quoted(text_name(c))}"
            for c in texts
            if schema.field(c).type != pa.string()
        ]
        sql = self.sql(node)
        try:
            yield from self._read(f"SELECT *{''.join(casts)} FROM ({sql})" if casts else sql, batch_rows)  # noqa: S608
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise SourceError(f"reading stopped: {_first_line(error)}") from error

    def count(self, node: Node) -> int:
        """Return the number of rows of a relational node."""
        return self._row(f"SELECT count(*) FROM ({self.sql(node)})")[0]  # noqa: S608

    def profile(self, node: Node, columns: tuple[str, ...]) -> tuple[int, int, int]:
        """Return (answerable rows, distinct argument tuples among them, characters of those tuples)."""
        texts = [f"CAST({_quoted(c)} AS VARCHAR)" for c in columns]
        given = " AND ".join(f"{t} IS NOT NULL" for t in texts)
        some = " OR ".join(f"{t} <> ''" for t in texts)
        names = ", ".join(f"{t} AS a{i}" for i, t in enumerate(texts))
        lengths = " + ".join(f"length(a{i})" for i in range(len(texts)))
        sql = (
            f"WITH asked AS (SELECT {names} FROM ({self.sql(node)}) WHERE {given} AND ({some})), "  # noqa: S608
            f"distinct_asked AS (SELECT DISTINCT * FROM asked) "
            f"SELECT (SELECT count(*) FROM asked), count(*), coalesce(sum({lengths}), 0)::BIGINT FROM distinct_asked"
        )
        rows, distinct, characters = self._row(sql)
        return rows, distinct, characters

    def binds(self, node: Node, expression: str) -> bool:
        """Say whether ``expression`` is a SQL expression over the columns of a relational node."""
        try:
            self._cursor().sql(f"SELECT ({expression}) FROM ({self.sql(node)}) LIMIT 0")  # noqa: S608 - the connection is locked
        except duckdb.Error:
            return False
        return True

    def computed(self, node: Node, expressions: Mapping[str, str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield SQL expressions over the rows of a relational node, as columns by name."""
        columns = ", ".join(f"({sql}) AS {_quoted(name)}" for name, sql in expressions.items())
        yield from self._read(f"SELECT {columns} FROM ({self.sql(node)})", batch_rows)  # noqa: S608 - the connection is locked

    def aggregated(self, node: Node, sql: str) -> pa.Table:
        """Return the rows of a SQL query in which the rows of a relational node are the table ``source``."""
        try:
            return self._cursor().sql(f"WITH source AS ({self.sql(node)}) {sql}").to_arrow_table()
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise SourceError(f"reading stopped: {_first_line(error)}") from error

    def rowwise(self, batch: pa.RecordBatch, predicate: str) -> pa.RecordBatch:
        """Return the rows of ``batch`` for which the SQL ``predicate`` holds, in order."""
        name = "batch_of_rows"
        cursor = self._connection.cursor()
        cursor.register(name, pa.Table.from_batches([batch]))
        try:
            table = cursor.sql(f"SELECT * FROM {name} WHERE {predicate}").to_arrow_table()  # noqa: S608
        except duckdb.Error as error:
            raise InputError(f"where({predicate!r}): {_first_line(error)}") from error
        finally:
            cursor.close()
        return table.cast(batch.schema).combine_chunks().to_batches()[0] if len(table) else batch.slice(0, 0)

    def open_spool(self, schema: pa.Schema) -> Spool:
        """Return an empty spool on disk, whose rows can be fetched by position: append batches, then finish it."""
        self._spools += 1
        return IpcSpool(Path(self._directory.name) / f"spool-{self._spools}.arrow", schema)

    def close(self) -> None:
        """Release the connection and its files."""
        self._connection.close()
        self._directory.close()

    def sql(self, node: Node) -> str:
        """Return the SQL of a relational node."""
        match node:
            case Scan(source=name):
                columns = "*" if not node.columns else ", ".join(map(_quoted, node.columns))
                return f"SELECT {columns} FROM {self._views[name]}"  # noqa: S608
            case Where(input=below, predicate=predicate):
                return f"SELECT * FROM ({self.sql(below)}) WHERE {predicate}\n"  # noqa: S608 - it may end in a comment
            case Project(input=below, columns=names):
                return f"SELECT {', '.join(map(_quoted, names))} FROM ({self.sql(below)})"  # noqa: S608
            case Limit(input=below, count=count):
                return f"SELECT * FROM ({self.sql(below)}) LIMIT {count}"  # noqa: S608
            case Ask():
                raise TypeError("an Ask is not relational: execution answers it")

    def _view(self, name: str, source: Source) -> str:
        if isinstance(source, Files):
            try:
                found = reading(self._connection, source)
                self._connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {found}")  # noqa: S608
            except (duckdb.Error, OSError) as error:
                self.close()
                raise SourceError(f"{source.shown} can't be read as {source.format}: {_first_line(error)}") from error
            return name
        self._objects[name] = _spooled(source) if isinstance(source, ReadOnce) else source.table
        return name

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = (
            self._connection.cursor()
        )  # a cursor a query: streams may interleave; it doesn't share what is registered
        for name, table in self._objects.items():
            cursor.register(name, table)
        return cursor

    def _read(self, sql: str, batch_rows: int) -> pa.RecordBatchReader:
        try:
            return self._cursor().sql(sql).to_arrow_reader(batch_rows)
        except duckdb.Error as error:
            raise InputError(f"the query over the table doesn't run: {_first_line(error)}") from error

    def _row(self, sql: str) -> tuple[int, ...]:
        try:
            row = self._cursor().execute(sql).fetchone()
        except duckdb.Error as error:
            raise SourceError(f"reading stopped: {_first_line(error)}") from error
        assert row is not None
        return row


def _spooled(source: ReadOnce) -> pa.Table:
    if source.spooled is None:
        assert source.reader is not None
        handle = tempfile.NamedTemporaryFile(prefix="rowsight-", suffix=".arrow", delete=False)  # noqa: SIM115 - lives on
        handle.close()
        source.spooled = Path(handle.name)
        IpcSpool.write(source.spooled, source.reader, source.schema)
        source.reader = None
    return pa.ipc.open_file(pa.memory_map(str(source.spooled))).read_all()


def _paths(source: Source) -> tuple[str, ...]:
    return source.paths if isinstance(source, Files) else ()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: BaseException) -> str:
    """Return DuckDB's complaint on one line; its complaints about CSV say the reason in the lines that follow."""
    lines = [line.strip() for line in str(error).partition("\n\n")[0].splitlines() if line.strip()]
    said = " ".join(lines[: _CSV_LINES if "CSV" in str(error) else 1]) or type(error).__name__
    return f"{said}; {_MORE_MEMORY}" if isinstance(error, duckdb.OutOfMemoryException) else said
