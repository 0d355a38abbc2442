"""What a table may be made of: files, in-memory tables, readers that can be read once."""

from __future__ import annotations

import glob
import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from rowsight.core.errors import MissingExtraError, OutputError, SourceError, nearest

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".tsv.gz": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".jsonl.gz": "json",
    ".ndjson.gz": "json",
    ".json.gz": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True)
class Files:
    """Files of one format, read in the order given."""

    paths: tuple[str, ...]
    format: str

    @property
    def shown(self) -> str:
        """The name for people."""
        first = Path(self.paths[0]).name
        return first if len(self.paths) == 1 else f"{first} and {len(self.paths) - 1} more"

    @property
    def identity(self) -> str:
        """Names the same files, wherever the run starts."""
        return hashlib.sha256(json.dumps(self.paths).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class InMemory:
    """An Arrow table, or what DuckDB scans as one."""

    table: pa.Table = field(compare=False)
    shown: str
    identity: str


@dataclass
class ReadOnce:
    """A record batch reader. Its rows are spooled to disk at the first run, since a reader can be read only once."""

    reader: pa.RecordBatchReader | None
    schema: pa.Schema
    identity: str
    shown: str = "record batches"
    spooled: Path | None = None


Source = Files | InMemory | ReadOnce


def source_of(value: Any) -> Source:
    """Return the source that ``value`` is: a path, glob or list of them, or a table of a library that speaks Arrow."""
    if isinstance(value, (str, Path)):
        return _files([str(value)])
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, (str, Path)) for v in value):
        return _files([str(v) for v in value])
    if isinstance(value, pa.RecordBatchReader):
        return ReadOnce(value, value.schema, f"reader-{uuid.uuid4().hex[:12]}")
    if isinstance(value, pa.RecordBatch):
        value = pa.Table.from_batches([value])
    return _in_memory(value)


def _in_memory(value: Any) -> Source:
    kind = type(value)
    name = f"{kind.__module__.split('.')[0]} {kind.__name__}"
    if kind.__name__ == "LazyFrame" and hasattr(value, "collect"):
        value = value.collect()
    if isinstance(value, pa.Table):
        table = value
    elif kind.__name__ == "DuckDBPyRelation":
        return _reader(value.to_arrow_reader(), name)
    elif hasattr(value, "__arrow_c_stream__"):
        _check_no_objects(value, name)
        table = _as_arrow(value, name)
    else:
        raise SourceError(
            f"can't read a table from {kind.__name__}; give a path (CSV, JSON Lines, Parquet), a pandas, Polars or Arrow table, "
            "a record batch reader or a DuckDB relation"
        )
    return InMemory(_plain_index(table), name, f"memory-{uuid.uuid4().hex[:12]}")


def _check_no_objects(value: Any, name: str) -> None:
    """Refuse columns of Python objects: Polars hands out where they lie in memory, and calls that bytes."""
    if name in ("polars DataFrame", "polars LazyFrame"):
        for column, kind in value.schema.items():
            if str(kind) == "Object":
                raise SourceError(
                    f"column {column} of the {name} holds Python objects, which no table can; make texts or numbers of them, "
                    f"such as with pl.col({column!r}).map_elements(str, return_dtype=pl.String)"
                )


def _as_arrow(value: Any, name: str) -> pa.Table:
    try:
        return pa.table(value)
    except (pa.ArrowException, ValueError, TypeError) as error:
        if type(value).__name__ == "Series":
            raise SourceError(f"a {name} is one column, not a table; give its frame: to_frame()") from error
        said = "; ".join(str(argument) for argument in error.args)
        raise SourceError(
            f"the {name} holds what no column of a table can: {said}; give each column one type and a name of its own"
        ) from error


def _reader(reader: pa.RecordBatchReader, shown: str) -> ReadOnce:
    return ReadOnce(reader, reader.schema, f"reader-{uuid.uuid4().hex[:12]}", shown)


def _plain_index(table: pa.Table) -> pa.Table:
    hidden = [name for name in table.column_names if name.startswith("__index_level_")]
    return table.drop_columns(hidden).replace_schema_metadata(None)


def _files(patterns: list[str]) -> Files:
    paths: list[str] = []
    for pattern in patterns:
        paths += _expand(pattern)
    if not (full := [p for p in paths if Path(p).stat().st_size]):
        raise SourceError(f"{', '.join(patterns)} is empty; a table has at least the names of its columns")
    paths = full
    formats = {_format(path) for path in paths}
    if len(formats) > 1:
        raise SourceError(
            f"{', '.join(patterns)} matches files of several formats ({', '.join(sorted(formats))}); name one format"
        )
    return Files(tuple(str(Path(p).absolute()) for p in paths), formats.pop())


def _expand(pattern: str) -> list[str]:
    if not pattern.strip():
        raise SourceError("the table's path is empty; give the path of a CSV, JSON Lines or Parquet file")
    if Path(pattern).is_file():
        return [pattern]
    if Path(pattern).is_dir():
        raise SourceError(
            f"{pattern} is a directory; name the files in it, such as {str(Path(pattern) / '*.parquet')!r}"
        )
    if matches := sorted(m for m in glob.glob(pattern, recursive=True) if Path(m).is_file()):  # noqa: PTH207 - patterns may be absolute
        return matches
    parent = Path(pattern).parent
    near = nearest(Path(pattern).name, [p.name for p in parent.iterdir()][:10_000]) if parent.is_dir() else ""
    what = "no file matches" if any(c in pattern for c in "*?[") else "there is no file"
    raise SourceError(f"{what} {pattern}{near if 'mean' in near else ''}")


def _format(path: str) -> str:
    name = path.lower()
    for ending in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(ending):
            return FORMATS[ending]
    raise SourceError(f"{path}: the ending says no format that Rowsight reads; use one of {', '.join(FORMATS)}")


def check_not_read(path: Path, sources: Iterable[Source]) -> None:
    """Raise ``OutputError`` where ``path`` is a file of a source: written over, its rows couldn't be asked about again."""
    read = {Path(p).resolve() for source in sources if isinstance(source, Files) for p in source.paths}
    if path.resolve() in read:
        raise OutputError(f"{path} is the table that is read; name another file for the output")


def arrow_table_to(table: pa.Table, library: str) -> Any:
    """Return ``table`` as a data frame of ``pandas`` or ``polars``; ``MissingExtraError`` where it isn't installed."""
    try:
        if library == "pandas":
            return table.to_pandas()
        import polars as pl  # noqa: PLC0415 - an extra that loads on use

        return pl.from_arrow(table)
    except ImportError as error:
        raise MissingExtraError(library, library) from error
