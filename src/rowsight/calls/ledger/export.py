"""Writing a ledger's outcomes to a file, as far as they can be read."""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import orjson

from rowsight.calls.ledger.rows import ANSWER_COLUMNS, FAILURE_COLUMNS, Row
from rowsight.core.errors import OutputError
from rowsight.core.replacing import replacing

_BATCH = 4096
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)
_STEP_BYTES = 2
"""After a damaged page the scan goes on with the next key that differs in its first two bytes: keys are hashes, so a
65,536th of the rows, about a page of a large ledger, is passed over at a time."""
_FIELDS = {
    "key": "string",
    "run": "string",
    "status": "string",
    "requests": "int64",
    "text": "string",
    "reason": "string",
    "detail": "string",
    "model": "string",
    "endpoint": "string",
    "at": "float64",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "cached_tokens": "int64",
    "cost": "float64",
    "fingerprint": "string",
    "logprob": "float64",
    "prompt": "string",
}
_SOURCES = {"answers": ("asked", ANSWER_COLUMNS), "failures": ("failed", FAILURE_COLUMNS)}


class _Sink(Protocol):
    def write(self, rows: list[dict[str, Any]]) -> None: ...


@dataclass
class Salvage:
    """Reads a ledger's outcomes in the order of their keys; ``gaps`` counts the damaged places it passed over."""

    connection: sqlite3.Connection
    gaps: int = 0
    _runs: dict[int, str] = field(default_factory=dict)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return answers, then failures, as one dictionary each."""
        self._runs = self._run_names()
        for table, (status, columns) in _SOURCES.items():
            for row in self._scan(table, columns):
                yield self._shaped(status, columns, row)

    def _run_names(self) -> dict[int, str]:
        try:
            return dict(self.connection.execute("SELECT number, id FROM runs").fetchall())
        except sqlite3.DatabaseError:
            self.gaps += 1
            return {}

    def _scan(self, table: str, columns: str) -> Iterator[Row]:
        sql = f"SELECT key, run, requests, {columns} FROM {table} WHERE key>? ORDER BY key"
        after: bytes | None = b""
        while after is not None:
            try:
                for row in self.connection.execute(sql, (after,)):
                    after = row[0]
                    yield row
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _DAMAGE:
                    raise
                self.gaps += 1
                after = _beyond(after)
            else:
                return

    def _shaped(self, status: str, columns: str, row: Row) -> dict[str, Any]:
        key, run, requests, *values = row
        shaped: dict[str, Any] = dict.fromkeys(_FIELDS)
        shaped |= zip(columns.split(", "), values, strict=True)
        known = {"key": key.hex(), "run": self._runs.get(run), "status": status, "requests": requests}
        return shaped | known | {"prompt": self._prompt(key)}

    def _prompt(self, key: bytes) -> str | None:
        try:
            row = self.connection.execute("SELECT text FROM prompts WHERE key=?", (key,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if row is None else row[0]


def _beyond(key: bytes) -> bytes | None:
    """Return where to go on: below it are all keys with the first bytes of ``key``; ``None`` at the end."""
    prefix = int.from_bytes(key[:_STEP_BYTES].ljust(_STEP_BYTES, b"\0")) + 1
    return None if prefix >= 1 << 8 * _STEP_BYTES else prefix.to_bytes(_STEP_BYTES)


def exported(connection: sqlite3.Connection, path: Path) -> dict[str, int]:
    """Write every readable outcome to ``path`` (.jsonl or .parquet, private to the user), replacing it at the end.

    Returns counts: ``answers``, ``failures`` and ``gaps``, the damaged places passed over. An ending that is neither,
    or a place that can't be written, is an ``OutputError``.
    """
    if path.suffix not in (".jsonl", ".ndjson", ".parquet"):
        raise OutputError(f"can't export to {str(path)!r}: the name ends in none of .jsonl, .ndjson, .parquet")
    salvage, counts = Salvage(connection), {"asked": 0, "failed": 0}
    with replacing(path, private=True) as file, _sink(file, path.suffix) as sink:
        rows: list[dict[str, Any]] = []
        for row in salvage.rows():
            counts[row["status"]] += 1
            rows.append(row)
            if len(rows) == _BATCH:
                sink.write(rows)
                rows = []
        sink.write(rows)
    return {"answers": counts["asked"], "failures": counts["failed"], "gaps": salvage.gaps}


@contextmanager
def _sink(file: IO[bytes], suffix: str) -> Iterator[_Sink]:
    if suffix != ".parquet":
        yield _JsonLines(file)
        return
    with _parquet(file) as sink:
        yield sink


class _JsonLines:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: list[dict[str, Any]]) -> None:
        self._file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


class _Parquet:
    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer, self._schema = writer, schema

    def write(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - loads on use

        self._writer.write_table(pa.Table.from_pylist(rows, self._schema))


@contextmanager
def _parquet(file: Any) -> Iterator[_Sink]:
    import pyarrow as pa  # noqa: PLC0415 - loads on use
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in _FIELDS.items()])
    with pq.ParquetWriter(file, schema) as writer:
        yield _Parquet(writer, schema)
