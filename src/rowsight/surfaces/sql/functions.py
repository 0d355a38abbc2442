"""AI functions inside another program's DuckDB: user-defined functions whose every batch is a query of Rowsight's.

A query of ``rowsight.connect`` is planned as a whole; here DuckDB plans, and hands over batches of some thousands of rows. What
is paid for is kept in the same ledger, so that nothing is asked twice, by whichever way it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rowsight.surfaces.sql.connection import Connection, connect

ROWS = "batch"
Settings = tuple[str, ...]


def register(database: Any, *, model: str, **options: Any) -> None:
    """Add ``ai_filter``, ``ai_classify``, ``ai_complete`` and ``ai_sentiment`` to a DuckDB connection.

    ``options`` are those of ``rowsight.connect``. A row without an answer fails the statement; every answer that came is
    kept, so that the next try pays for the rest alone. NULL in is NULL out, and no call.
    """
    connection = connect(model=model, **options)
    for name, (parameters, returned, column, expression) in FUNCTIONS.items():
        database.create_function(
            name,
            _batches(connection, len(parameters), column, expression),
            list(parameters),
            returned,
            type="arrow",
            null_handling="special",
            side_effects=False,
        )


FUNCTIONS: dict[str, tuple[Settings, str, int, Callable[[Any], str]]] = {
    "ai_filter": (("VARCHAR", "VARCHAR"), "BOOLEAN", 1, lambda question: f"AI_FILTER({_literal(question)}, text)"),
    "ai_classify": (("VARCHAR", "VARCHAR[]"), "VARCHAR", 0, lambda labels: f"AI_CLASSIFY(text, {_listed(labels)})"),
    "ai_complete": (
        ("VARCHAR", "VARCHAR"),
        "VARCHAR",
        1,
        lambda words: f"AI_COMPLETE(PROMPT({_literal(words)}, text))",
    ),
    "ai_sentiment": (("VARCHAR",), "VARCHAR", 0, lambda _: "AI_SENTIMENT(text)"),
}
"""By name: types of the parameters and of the result, which parameter is the text, and the expression made of the other."""


def _batches(
    connection: Connection, parameters: int, column: int, expression: Callable[[Any], str]
) -> Callable[..., Any]:
    """Return the function of a batch: it may hold several questions, each of which is a query of its own."""

    def one(first: pa.Array) -> pa.Array:
        return _answers(connection, first, [None] * len(first), expression)

    def two(first: pa.Array, second: pa.Array) -> pa.Array:
        texts, settings = (first, second) if column == 0 else (second, first)
        return _answers(connection, texts, settings.to_pylist(), expression)

    return one if parameters == 1 else two


def _answers(connection: Connection, texts: Any, settings: list[Any], expression: Callable[[Any], str]) -> pa.Array:
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    named = [repr(setting) for setting in settings]
    pieces = []
    for name in dict.fromkeys(named):
        places = pa.array([place for place, other in enumerate(named) if other == name], pa.int64())
        connection.register(ROWS, pa.table({"place": places, "text": column.take(places)}))
        query = f"SELECT place, {expression(settings[places[0].as_py()])} AS answer FROM {ROWS}"  # noqa: S608 - literals
        pieces.append(connection.sql(query, on_failure="raise").to_arrow())
    found = pa.concat_tables(pieces)
    return found.column("answer").combine_chunks().take(pc.sort_indices(found.column("place")))


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _listed(labels: list[str]) -> str:
    return f"[{', '.join(map(_literal, labels))}]"
