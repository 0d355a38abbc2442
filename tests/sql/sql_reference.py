"""A deterministic oracle, and the reference: DuckDB evaluates the query as it stands, asking on every row it comes to.

The reference knows no stages, guards or samples. DuckDB's optimizer is off, so that conditions are met in SQL's order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from rowsight.engines.arrow import answer_array, arrow_type
from rowsight.engines.workspace import type_name, with_arity
from rowsight.execution.asking import Told
from rowsight.execution.queries import Answers
from rowsight.plan.schema import Bool, Label, Number, Struct
from rowsight.plan.sql.spellings import canonical
from rowsight.plan.sql.text import parse


def answer(question, row):  # noqa: PLR0911 - one case an answer type
    """Answer a question about a row: always the same, and now and then not at all."""
    drawn = int.from_bytes(hashlib.blake2b(repr((question.system, row)).encode(), digest_size=8).digest(), "big")
    if drawn % 23 == 0:
        return None
    match question.answer:
        case Bool():
            return drawn % 5 < 2
        case Label(labels=labels, several=True):
            return [label for i, label in enumerate(labels) if drawn >> i & 1]
        case Label(labels=labels):
            return labels[drawn % len(labels)]
        case Number(low=low, high=high):
            return low + (high - low) * (drawn % 11) / 10
        case Struct() as struct:
            fields = struct.schema["properties"].items()
            numbers = ("integer", "number")
            return struct.read({n: 7 if any(k in str(f) for k in numbers) else f"x{drawn % 5}" for n, f in fields})
        case _:
            return f"text {drawn % 9}"


@dataclass
class Simple:
    """An oracle without a model. It remembers what it was asked and takes nothing twice."""

    asked: dict = field(default_factory=dict)

    async def ask(self, question, model, distinct):
        told = []
        for row in distinct:
            assert None not in row
            assert any(row), "an empty row was asked"
            key = (question, model, row)
            assert key not in self.asked, f"asked twice: {row}"
            self.asked[key] = True
            value = answer(question, row)
            told.append(Told(None, "failed", reason="refused") if value is None else Told(value, "asked"))
        return told


def reference(query, tables):
    """Return the rows of a query and the distinct (call, arguments) that naive evaluation asks."""
    tree, calls = canonical(parse(query))
    con = duckdb.connect(config={"threads": 1})
    asked = set()
    try:
        con.execute("PRAGMA disable_optimizer")
        for name, table in tables.items():
            con.register(name, table)
        for number, call in enumerate(calls.listed):
            one = Answers.of(call)
            con.create_function(
                f"__ai_{number}", with_arity(_asking(number, one.question, asked), call.columns), ["VARCHAR"] * call.columns,
                type_name(arrow_type(one.question.answer)), type="arrow", null_handling="special",
            )  # fmt: skip
        rows = con.sql(tree.sql("duckdb", normalize_functions=False)).to_arrow_table()
    finally:
        con.close()
    return rows, asked


def _asking(number, question, asked):
    def function(*columns):
        found = []
        for row in zip(*(c.to_pylist() for c in columns), strict=True):
            needed = None not in row and any(row)
            if needed:
                asked.add((number, row))
            found.append(answer(question, row) if needed else None)
        return answer_array(found, question.answer)

    return function


def multiset(table: pa.Table):
    """Return the rows of a table in an order of their own, numbers rounded."""
    columns = [c.to_pylist() for c in table.columns]
    return sorted((tuple(_plain(v) for v in row) for row in zip(*columns, strict=True)), key=repr)


def _plain(value):
    return round(value, 9) if isinstance(value, float) else tuple(value) if isinstance(value, list) else value
