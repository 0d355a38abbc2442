"""Output files: the format follows the ending, rows are written as they come, and the file appears whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from rowsight.core.errors import OutputError
from rowsight.core.replacing import Draft
from rowsight.engines.arrow import jsonable, python_rows


class OutputFile:
    """A file that is written beside its place and moved there by ``commit``; without it, nothing remains.

    As a context manager it commits when the block ends well and discards otherwise.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        make = writer_for(path)
        try:
            self._draft = Draft(path)
        except OSError as error:
            raise OutputError(
                f"{path} can't be written: {error.strerror or error}; choose another place with --out"
            ) from error
        try:
            self._writer = make(self._draft.file, _written(schema))
        except pa.ArrowException as error:
            self._draft.discard()
            raise OutputError(f"{path} can't hold these columns: {error}; choose another format") from error
        self._schema = _written(schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; ``OutputError`` where the disk won't take them."""
        try:
            if batch.num_rows:
                self._writer.write(_with_spans_as_text(batch, self._schema))
        except OSError as error:
            raise OutputError(f"{self.path} can't be written: {error.strerror or error}") from error

    def commit(self) -> None:
        """Finish the file and put it in its place, in one step for whoever reads it."""
        try:
            self._writer.close()
            self._draft.commit()
        except OSError as error:
            self.discard()
            raise OutputError(f"{self.path} can't be written: {error.strerror or error}") from error

    def discard(self) -> None:
        """Leave the place as it was."""
        with suppress(OSError):
            self._writer.close()  # while its file is open, or its end is noisy
        self._draft.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


class _Parquet:
    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pa_parquet.ParquetWriter(handle, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= 65_536:  # noqa: PLR2004 - a row group that readers like
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._rows = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


class _Csv:
    def __init__(self, handle: BinaryIO, schema: pa.Schema, delimiter: str = ",") -> None:
        self._flat = pa.schema([(f.name, pa.string() if _nested(f.type) else f.type) for f in schema])
        options = pa_csv.WriteOptions(delimiter=delimiter, quoting_style="needed")
        self._writer = pa_csv.CSVWriter(handle, self._flat, write_options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [_json_texts(c) if _nested(c.type) else c for c in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._flat))

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        self._handle, self._names = handle, schema.names
        if repeated := [name for name in self._names if self._names.count(name) > 1]:
            raise pa.ArrowInvalid(f"two are named {repeated[0]!r}")

    def write(self, batch: pa.RecordBatch) -> None:
        lines = [
            orjson.dumps(
                dict(zip(self._names, row, strict=True)),
                default=jsonable,
                option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS,
            )
            for row in python_rows(batch)
        ]
        self._handle.write(b"".join(lines))

    def close(self) -> None:
        self._handle.flush()


class _Ipc:
    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pa.ipc.new_file(handle, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


def _tsv(handle: BinaryIO, schema: pa.Schema) -> _Csv:
    return _Csv(handle, schema, "\t")


_WRITERS: dict[str, Any] = {
    ".csv": _Csv,
    ".tsv": _tsv,
    ".jsonl": _JsonLines,
    ".ndjson": _JsonLines,
    ".parquet": _Parquet,
    ".pq": _Parquet,
    ".arrow": _Ipc,
    ".feather": _Ipc,
}


def writer_for(path: Path) -> Any:
    """Return the writer for a path's ending; ``OutputError`` where there is none or the folder is missing."""
    if path.suffix.lower() not in _WRITERS:
        raise OutputError(f"{path}: the ending {path.suffix!r} says no format; use one of {', '.join(_WRITERS)}")
    if path.is_dir():
        raise OutputError(f"{path} is a directory; name a file in it")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path} can't be written: the folder {path.parent} doesn't exist; make it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise OutputError(
            f"{path} can't be written: the folder {path.parent} is read-only; choose another place with --out"
        )
    return _WRITERS[path.suffix.lower()]


def _written(schema: pa.Schema) -> pa.Schema:
    """Return the schema that goes to a file: spans of time as ISO 8601 text, since hardly a format knows them."""
    return pa.schema([f.with_type(pa.string()) if pa.types.is_interval(f.type) else f for f in schema])


def _with_spans_as_text(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if schema.equals(batch.schema):
        return batch
    columns = [
        pa.array([None if v is None else jsonable(v) for v in column.to_pylist()], pa.string())
        if pa.types.is_interval(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_map(kind))


def _json_texts(column: pa.Array) -> pa.Array:
    values = column.to_pylist()
    return pa.array([None if v is None else orjson.dumps(v, default=jsonable).decode() for v in values], pa.string())
