"""The lock of a DuckDB connection: SQL that runs there reads the files named and nothing else."""

from __future__ import annotations

import duckdb

from rowsight.engines.reading import literal


def lock(connection: duckdb.DuckDBPyConnection, paths: list[str], directory: str) -> None:
    """Let ``connection`` reach the files at ``paths`` and its own ``directory`` alone, for good."""
    listed = ", ".join(map(literal, paths))
    connection.execute(f"SET allowed_paths = [{listed}]")
    connection.execute(f"SET allowed_directories = [{literal(directory + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
