"""Answers as Arrow: the column type of each answer type, and arrays of answers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from rowsight.plan.schema import AnswerType, Bool, InvalidAnswerError, Label, Number, Struct


def arrow_type(answer: AnswerType) -> pa.DataType:
    """Return the type of a column of answers."""
    match answer:
        case Bool():
            return pa.bool_()
        case Number():
            return pa.float64()
        case Label(several=True):
            return pa.list_(pa.string())
        case Struct():
            return _of_schema(answer.schema, answer.schema)
        case _:
            return pa.string()


def answer_array(values: list[Any], answer: AnswerType) -> pa.Array:
    """Return a column of answers; ``None`` stands for a row without one."""
    wanted = arrow_type(answer)
    if isinstance(answer, Struct):
        values = [None if v is None else _fit(v, wanted) for v in values]
    return pa.array(values, type=wanted)


def reader_of(answer: AnswerType) -> Callable[[Any], Any]:
    """Return ``answer.read`` for checking: a value that a column can't hold is an ``InvalidAnswerError``, too.

    JSON's integers have no end, a column's have 64 bits.
    """
    if not isinstance(answer, Struct):
        return answer.read

    def read(given: Any) -> Any:
        value = answer.read(given)
        try:
            answer_array([value], answer)
        except (pa.ArrowException, OverflowError) as error:
            raise InvalidAnswerError("a whole number is beyond 64 bits; give one that fits, or null") from error
        return value

    return read


def as_text(value: Any) -> str | None:
    """Return a value as a prompt shows it: strings as they are, other values as JSON writes them."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, default=str).decode()


def python_rows(rows: pa.Table | pa.RecordBatch) -> list[tuple[Any, ...]]:
    """Return rows as tuples of Python values (``python_values``)."""
    return list(zip(*map(python_values, rows.columns), strict=True))


def python_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return a column as Python values, the same ones whether pandas is installed or not.

    Python's times have microseconds: one of nanoseconds becomes such a time, or ISO 8601 text where that would lose any.
    """
    stamps = pa.types.is_timestamp(column.type)
    if not (stamps or pa.types.is_time64(column.type)) or column.type.unit != "ns":
        values: list[Any] = column.to_pylist()
        return values
    times = column.cast(pa.timestamp("us", column.type.tz) if stamps else pa.time64("us"), safe=False)
    lost = pc.not_equal(times.cast(column.type), column).to_pylist()
    if True not in lost:
        return python_values(times)
    texts = column.cast(pa.string())
    texts = pc.replace_substring(texts, " ", "T") if stamps else texts
    return [
        text if odd else time for time, text, odd in zip(*(c.to_pylist() for c in (times, texts)), lost, strict=True)
    ]


def jsonable(value: Any) -> Any:
    """Return ``value`` for orjson, which knows dates but not these."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, pa.MonthDayNano):
        return _span(*value)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return str(value)


def _span(months: int, days: int, nanoseconds: int) -> str:
    """Return a span of time as ISO 8601 writes it, such as ``P1M2DT3.5S``."""
    seconds = f"{nanoseconds / 1e9:.9f}".rstrip("0").rstrip(".")
    parts = [f"{months}M" if months else "", f"{days}D" if days else "", f"T{seconds}S" if nanoseconds else ""]
    return f"P{''.join(parts)}" if any(parts) else "PT0S"


_SCALARS = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


def _of_schema(schema: Any, root: dict[str, Any], inside: frozenset[str] = frozenset()) -> pa.DataType:
    """Return the type under a JSON Schema; what Arrow has no type for, recursion too, is kept as JSON text.

    ``inside`` are the references that led here.
    """
    if not isinstance(schema, dict):
        return pa.string()
    if isinstance(reference := schema.get("$ref"), str):
        return pa.string() if reference in inside else _of_schema(_resolve(reference, root), root, inside | {reference})
    kind = _sole_type(schema)
    if kind == "object" and schema.get("properties"):
        return pa.struct([(name, _of_schema(s, root, inside)) for name, s in schema["properties"].items()])
    if kind == "array" and "items" in schema:
        return pa.list_(_of_schema(schema["items"], root, inside))
    if kind is None and (options := _options(schema)) is not None:
        return _of_schema(options, root, inside)
    return _SCALARS.get(kind or "", pa.string())


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _sole_type(schema: dict[str, Any]) -> str | None:
    kinds = schema.get("type")
    names = [k for k in (kinds if isinstance(kinds, list) else [kinds]) if k and k != "null"]
    return names[0] if len(names) == 1 else None


def _options(schema: dict[str, Any]) -> Any:
    """Return the one alternative that isn't null of an ``anyOf``, else nothing."""
    found = [s for s in schema.get("anyOf", []) if not (isinstance(s, dict) and s.get("type") == "null")]
    return found[0] if len(found) == 1 else None


def _fit(value: Any, wanted: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_struct(wanted) and isinstance(value, dict):
        return {field.name: _fit(value.get(field.name), field.type) for field in wanted}
    if pa.types.is_list(wanted) and isinstance(value, list):
        return [_fit(v, wanted.value_type) for v in value]
    if pa.types.is_string(wanted):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if pa.types.is_floating(wanted) and not isinstance(value, bool):
        return float(value)
    return value
