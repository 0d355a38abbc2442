"""The relational part of a profile: one query over all columns, then one for the distinct values of each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from rowsight.engines.base import Relations
from rowsight.execution.profile.described import Bar, ColumnProfile, Lengths
from rowsight.plan.nodes import Node

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 10
SHOWN_CHARACTERS = 120
BARS = 24
TEXT_BYTES = 25
"""Mean bytes from which strings are texts: about four English words, or eight ideographs."""
FEW_VALUES = 100
_TIME_LENGTHS = (6, 40)
_MOSTLY = 0.95


def described_columns(relations: Relations, node: Node) -> tuple[int, list[ColumnProfile]]:
    """Return the number of rows and what SQL knows of each column."""
    fields = list(relations.schema(node))
    parts = ["count(*) AS rows", *(part for i, f in enumerate(fields) for part in _aggregates(i, f))]
    found = relations.aggregated(node, f"SELECT {', '.join(parts)} FROM source").to_pylist()[0]  # noqa: S608 - quoted names
    rows: int = found["rows"]
    return rows, [_column(relations, node, i, f, found) for i, f in enumerate(fields)]


def repeated_rows(relations: Relations, node: Node) -> int:
    """Return how many rows equal an earlier one in every column."""
    names = ", ".join(quoted(f.name) for f in relations.schema(node))
    sql = f"SELECT count(*) - count(DISTINCT hash({names})) AS n FROM source"  # noqa: S608 - quoted names
    found: int = relations.aggregated(node, sql).to_pylist()[0]["n"]
    return found


def quoted(name: str) -> str:
    """Return a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def group_of(kind: pa.DataType) -> str:
    """Return what SQL can compute of a type: ``number``, ``time``, ``boolean``, ``string`` or ``other``."""
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    return "other"


def _aggregates(i: int, field: pa.Field) -> list[str]:
    name = quoted(field.name)
    parts = [f"count({name}) AS n{i}"]
    match group_of(field.type):
        case "number":
            number = f"CASE WHEN isfinite({name}::DOUBLE) THEN {name}::DOUBLE END"
            parts += [
                f"min({name}) AS low{i}",
                f"max({name}) AS high{i}",
                f"avg({number}) AS mean{i}",
                f"stddev_pop({number}) AS deviation{i}",
                f"min({number}) AS first{i}",
                f"max({number}) AS last{i}",
                f"approx_quantile({number}, {list(QUANTILES)}) AS quantiles{i}",
            ]
        case "time":
            parts += [f"min({name}) AS low{i}", f"max({name}) AS high{i}"]
            parts += [f"min(epoch({name}))::DOUBLE AS first{i}", f"max(epoch({name}))::DOUBLE AS last{i}"]
        case "string":
            parts += _of_strings(i, name)
    return parts


def _of_strings(i: int, name: str) -> list[str]:
    short = f"length({name}) BETWEEN {_TIME_LENGTHS[0]} AND {_TIME_LENGTHS[1]}"
    return [
        f"count(*) FILTER ({name} = '') AS empty{i}",
        f"min(length({name})) AS shortest{i}",
        f"avg(length({name})) AS mean{i}",
        f"max(length({name})) AS longest{i}",
        f"approx_quantile(length({name}), [0.5, 0.95])::DOUBLE[] AS quantiles{i}",
        f"avg(strlen({name})) AS bytes{i}",
        f"count(CASE WHEN {short} THEN try_cast({name} AS TIMESTAMP) END) AS times{i}",
        f"min(CASE WHEN {short} THEN try_cast({name} AS TIMESTAMP) END) AS low{i}",
        f"max(CASE WHEN {short} THEN try_cast({name} AS TIMESTAMP) END) AS high{i}",
    ]


def _column(relations: Relations, node: Node, i: int, field: pa.Field, found: dict[str, Any]) -> ColumnProfile:
    rows, known = found["rows"], found[f"n{i}"]
    distinct, top = _values(relations, node, field)
    group = group_of(field.type)
    base = ColumnProfile(
        field.name,
        str(field.type),
        _kind(group, i, found, distinct),
        rows,
        rows - known,
        distinct,
        known - distinct,
        top,
    )
    if not known:
        return base
    match group:
        case "number":
            return base.with_(
                low=found[f"low{i}"],
                high=found[f"high{i}"],
                mean=found[f"mean{i}"],
                deviation=found[f"deviation{i}"],
                quantiles=tuple(found[f"quantiles{i}"] or ()) or None,
                histogram=_histogram(relations, node, i, field, found),
            )
        case "time":
            ends = {"low": found[f"low{i}"], "high": found[f"high{i}"]}
            return base.with_(**ends, histogram=_histogram(relations, node, i, field, found))
        case "string":
            return _of_texts(base, i, found)
    return base


def _of_texts(base: ColumnProfile, i: int, found: dict[str, Any]) -> ColumnProfile:
    median, p95 = found[f"quantiles{i}"]
    lengths = Lengths(found[f"shortest{i}"], found[f"mean{i}"], median, p95, found[f"longest{i}"])
    ends = {"low": found[f"low{i}"], "high": found[f"high{i}"]} if base.kind == "time" else {}
    return base.with_(empty=found[f"empty{i}"], lengths=lengths, **ends)


def _kind(group: str, i: int, found: dict[str, Any], distinct: int) -> str:
    """Return what a column is used for, as far as its values say."""
    known = found[f"n{i}"]
    if group in ("boolean", "time", "other", "number") or not known:
        return "label" if group == "string" else group
    if found[f"times{i}"] >= _MOSTLY * known:
        return "time"
    many = distinct > FEW_VALUES or distinct > known / 2
    if found[f"bytes{i}"] >= TEXT_BYTES and many:
        return "text"
    return "key" if distinct == known and known > 1 else "label"


def _values(relations: Relations, node: Node, field: pa.Field) -> tuple[int, tuple[tuple[Any, int], ...]]:
    """Return the number of distinct values and the most frequent ones; long texts are cut to be shown."""
    name, group = quoted(field.name), group_of(field.type)
    shown = name if group in ("boolean", "number", "time") else f"left({name}::VARCHAR, {SHOWN_CHARACTERS})"
    sql = (
        f"SELECT v, n, count(*) OVER () AS distinct_values FROM (SELECT any_value({shown}) AS v, count(*) AS n "  # noqa: S608
        f"FROM source WHERE {name} IS NOT NULL GROUP BY hash({name})) ORDER BY n DESC, v LIMIT {TOP}"
    )
    rows = relations.aggregated(node, sql).to_pylist()
    return (rows[0]["distinct_values"] if rows else 0), tuple((r["v"], r["n"]) for r in rows)


def _histogram(relations: Relations, node: Node, i: int, field: pa.Field, found: dict[str, Any]) -> tuple[Bar, ...]:
    low, high = found[f"first{i}"], found[f"last{i}"]
    if low is None or not low < high:
        return ()
    name = quoted(field.name)
    value = f"epoch({name})" if group_of(field.type) == "time" else f"{name}::DOUBLE"
    bars, step = _bars(low, high, whole=pa.types.is_integer(field.type))
    sql = (
        f"SELECT least(floor(({value} - {low!r}) / {step!r}), {bars - 1})::INTEGER AS bar, count(*) AS n "  # noqa: S608
        f"FROM source WHERE isfinite({value}) GROUP BY bar"
    )
    counts = {r["bar"]: r["n"] for r in relations.aggregated(node, sql).to_pylist()}
    return tuple(Bar(low + step * b, low + step * (b + 1), counts.get(b, 0)) for b in range(bars))


def _bars(low: float, high: float, *, whole: bool) -> tuple[int, float]:
    """Return how many bars and how wide: whole numbers are not split, so that no bar is higher for its width alone."""
    if not whole:
        return BARS, (high - low) / BARS
    step = -(-int(high - low + 1) // BARS)
    return -(-int(high - low + 1) // step), float(step)
